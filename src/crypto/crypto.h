/* crypto: hashing, MACs, authenticated encryption, encodings, over libsodium. Pure but for crypto_random. */
#ifndef FLORIN_CRYPTO_H
#define FLORIN_CRYPTO_H

#include "base/base.h"

/* Once, before threads. Ends the process on failure. */
void crypto_init(void);
void crypto_random(void *p, size_t n);

void crypto_sha256(const void *p, size_t n, uint8_t out[32]);
void crypto_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n, uint8_t out[32]);
/* BLAKE2b of several pieces: the chain hash, idempotency fingerprints. `size` is 16 to 64. */
struct crypto_piece {
    const void *p;
    size_t n;
};
void crypto_hash(uint8_t *out, size_t size, const struct crypto_piece *pieces, size_t count);

/* XChaCha20-Poly1305 with a random nonce: out = nonce(24) ‖ ciphertext ‖ tag(16). `aad` binds it to its row. */
#define CRYPTO_SEAL_OVERHEAD 40
void crypto_seal(const uint8_t key[32], struct str aad, struct str plain, struct buf *out);
/* Errors: ERR_CRYPTO when the key, the aad or a byte differs; out is then untouched. */
MUST_CHECK err_t crypto_open(const uint8_t key[32], struct str aad, struct str sealed, struct buf *out);
/* A sub-key for one purpose ("webhook_secret", "credentials"), HKDF-like over BLAKE2b. */
void crypto_subkey(const uint8_t master[32], const char *purpose, uint8_t out[32]);

/* Base64 with padding (RFC 4648 section 4); decode is strict. */
void crypto_base64(struct buf *out, const void *p, size_t n);
MUST_CHECK bool crypto_base64_decode(struct str text, struct buf *out);
bool crypto_hex_decode(struct str text, void *out, size_t n);
/* n random characters of [0-9A-Za-z], for secret keys (43 of them carry 256 bits). */
void crypto_random_text(char *out, size_t n);

#endif

/* crypto: hashing, MACs, authenticated encryption, encodings, over libsodium. Pure but for
 * crypto_random. */
#ifndef FLORIN_CRYPTO_H
#define FLORIN_CRYPTO_H

#include "base/base.h"

/* Once, before threads. Ends the process on failure. */
void crypto_init(void);
/* Shape: n bytes of kernel randomness, for keys, nonces and secrets. Effects: ends the process when
 * there is none. */
void crypto_random(void *p, size_t n);

/* Source: FIPS 180-4. */
void crypto_sha256(const void *p, size_t n, uint8_t out[32]);
/* Shape: a key of any length. Compare the result with mem_equal_ct. Source: RFC 2104. */
void crypto_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n, uint8_t out[32]);
/* BLAKE2b of several pieces: the chain hash, idempotency fingerprints. `size` is 16 to 64. Each
 * piece is preceded by its length (8 bytes, big-endian), so that a byte moved from one piece to the
 * next changes the hash. Source: RFC 7693. */
struct crypto_piece {
    const void *p;
    size_t n;
};
void crypto_hash(
    uint8_t *out, size_t size, const struct crypto_piece *pieces,
    size_t count) __asm__("florin_crypto_hash"); /* libsodium exports a function of the same name */

#define CRYPTO_SEAL_OVERHEAD 40
/* XChaCha20-Poly1305 with a random nonce: nonce(24) ‖ ciphertext ‖ tag(16). `aad` binds it to its
 * row. Shape: appended to out, which must not own `plain`. Errors: out->failed, and nothing is
 * appended. */
void crypto_seal(const uint8_t key[32], struct str aad, struct str plain, struct buf *out);
/* Shape: the plain text is appended to out; wipe it when it is a secret. Errors: ERR_CRYPTO when
 * the key, the aad or a byte differs, ERR_NO_MEMORY when out has no room; its content is then
 * untouched. */
MUST_CHECK err_t crypto_open(const uint8_t key[32], struct str aad, struct str sealed,
                             struct buf *out);
/* A sub-key for one purpose ("webhook_secret", "credentials"), HKDF-like over BLAKE2b. */
void crypto_subkey(const uint8_t master[32], const char *purpose, uint8_t out[32]);

/* Ed25519 (RFC 8032). The private key is its 32-byte seed. */
void crypto_sign_public(const uint8_t seed[32], uint8_t ret[32]);
void crypto_sign_text(const uint8_t seed[32], struct str text, uint8_t ret[64]);
MUST_CHECK bool crypto_sign_check(const uint8_t public_key[32], struct str text,
                                  const uint8_t signature[64]);

#define CRYPTO_BOX_OVERHEAD 48
/* For one recipient (X25519, RFC 7748; libsodium's sealed box): nobody else can open it, nobody can
 * tell who sealed it. The private key is a 32-byte seed. Appended as by crypto_seal and
 * crypto_open. */
void crypto_box_public(const uint8_t seed[32], uint8_t ret[32]);
void crypto_box_to(const uint8_t public_key[32], struct str plain, struct buf *out);
MUST_CHECK err_t crypto_box_from(const uint8_t seed[32], struct str sealed, struct buf *out);
/* Whether a box can be for it: none can for a point of low order, zero among them. */
MUST_CHECK bool crypto_box_usable(const uint8_t public_key[32]);

#define CRYPTO_PAIR_OVERHEAD 40
/* Between two who know each other's public key of a box (libsodium's crypto_box): what opens was
 * sealed by one of the two. nonce(24) ‖ tag(16) ‖ ciphertext, appended as by crypto_seal and
 * crypto_open. Errors: out->failed, or ERR_CRYPTO, also for a key that is not usable. */
void crypto_pair_seal(const uint8_t seed[32], const uint8_t peer[32], struct str plain,
                      struct buf *out);
MUST_CHECK err_t crypto_pair_open(const uint8_t seed[32], const uint8_t peer[32], struct str sealed,
                                  struct buf *out);

/* Base64 with padding (RFC 4648 section 4); decode is strict: padding, no spaces, no stray bits.
 * Both append to out; when false its content is untouched. */
void crypto_base64(struct buf *out, const void *p, size_t n);
MUST_CHECK bool crypto_base64_decode(struct str text, struct buf *out);
/* Exactly 2n digits in either case. Errors: false, out is untouched. */
MUST_CHECK bool crypto_hex_decode(struct str text, void *out, size_t n);
/* n random characters of [0-9A-Za-z] without a NUL, for secret keys (43 of them carry 256 bits). */
void crypto_random_text(char *out, size_t n);

#endif

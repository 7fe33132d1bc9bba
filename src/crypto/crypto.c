/* Hashing, MACs, authenticated encryption and key derivation over libsodium. */
#include "crypto/crypto.h"

#include <sodium/core.h>
#include <sodium/crypto_aead_xchacha20poly1305.h>
#include <sodium/crypto_auth_hmacsha256.h>
#include <sodium/crypto_generichash_blake2b.h>
#include <sodium/crypto_hash_sha256.h>
#include <sodium/randombytes.h>

#include "crypto/crypto_internal.h"

_Static_assert(CRYPTO_SEAL_OVERHEAD == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES +
                                           crypto_aead_xchacha20poly1305_ietf_ABYTES,
               "sealed layout");

enum { NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES };

void crypto_init(void)
{
    if (sodium_init() < 0)
        check_panic("libsodium could not be initialised");
}

void crypto_random(void *p, size_t n)
{
    ASSERT(p || n == 0);
    if (n > 0)
        randombytes_buf(p, n);
}

void crypto_sha256(const void *p, size_t n, uint8_t out[32])
{
    ASSERT(p || n == 0);
    (void)crypto_hash_sha256(out, p, n);
}

void crypto_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n, uint8_t out[32])
{
    ASSERT(key || key_n == 0);
    ASSERT(p || n == 0);
    crypto_auth_hmacsha256_state st;
    (void)crypto_auth_hmacsha256_init(&st, key, key_n);
    (void)crypto_auth_hmacsha256_update(&st, p, n);
    (void)crypto_auth_hmacsha256_final(&st, out);
    mem_wipe(&st, sizeof st);
}

void crypto_hash(uint8_t *out, size_t size, const struct crypto_piece *pieces, size_t count)
{
    ASSERT(size >= 16 && size <= 64);
    ASSERT(pieces || count == 0);
    crypto_generichash_blake2b_state st;
    (void)crypto_generichash_blake2b_init(&st, NULL, 0, size);
    for (size_t i = 0; i < count; i++) {
        uint8_t length[8];
        num_put64(length, pieces[i].n); /* so that moving a byte between pieces changes the hash */
        (void)crypto_generichash_blake2b_update(&st, length, sizeof length);
        (void)crypto_generichash_blake2b_update(&st, pieces[i].p, pieces[i].n);
    }
    (void)crypto_generichash_blake2b_final(&st, out, size);
}

uint8_t *crypto_grow(struct buf *b, size_t n)
{
    static const char zeros[256];
    size_t start = b->n;
    for (size_t left = n; left > 0 && !b->failed;) {
        size_t k = left < sizeof zeros ? left : sizeof zeros;
        buf_add(b, zeros, k);
        left -= k;
    }
    if (b->failed) {
        crypto_cut(b, start);
        return NULL;
    }
    return b->p ? (uint8_t *)b->p + start : NULL;
}

void crypto_cut(struct buf *b, size_t n)
{
    ASSERT(n <= b->n);
    if (b->p) {
        mem_wipe(b->p + n, b->n - n);
        b->p[n] = 0;
    }
    b->n = n;
}

void crypto_seal(const uint8_t key[32], struct str aad, struct str plain, struct buf *out)
{
    ASSERT(plain.p || plain.n == 0);
    uint8_t *at = crypto_grow(out, plain.n + CRYPTO_SEAL_OVERHEAD);
    if (!at)
        return;
    randombytes_buf(at, NONCE);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(at + NONCE, NULL, (const uint8_t *)plain.p,
                                                     plain.n, (const uint8_t *)aad.p, aad.n, NULL,
                                                     at, key);
}

err_t crypto_open(const uint8_t key[32], struct str aad, struct str sealed, struct buf *out)
{
    if (sealed.n < CRYPTO_SEAL_OVERHEAD)
        return ERR_CRYPTO;
    if (out->failed)
        return ERR_NO_MEMORY;
    const uint8_t *in = (const uint8_t *)sealed.p;
    size_t start = out->n, n = sealed.n - CRYPTO_SEAL_OVERHEAD;
    uint8_t none = 0, *at = &none;
    if (n > 0 && !(at = crypto_grow(out, n)))
        return ERR_NO_MEMORY;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(at, NULL, NULL, in + NONCE, sealed.n - NONCE,
                                                   (const uint8_t *)aad.p, aad.n, in, key) != 0) {
        crypto_cut(out, start);
        return ERR_CRYPTO;
    }
    return OK;
}

void crypto_subkey(const uint8_t master[32], const char *purpose, uint8_t out[32])
{
    static const uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = "florin-subkey-1";
    ASSERT(purpose && purpose[0]);
    int failed = crypto_generichash_blake2b_salt_personal(
        out, 32, (const uint8_t *)purpose, strlen(purpose), master, 32, NULL, personal);
    ASSERT(!failed);
}

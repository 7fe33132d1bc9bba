/* Signatures and boxes with public keys, over libsodium. */
#include "crypto/crypto.h"

#include <sodium/crypto_box.h>
#include <sodium/crypto_scalarmult.h>
#include <sodium/crypto_sign.h>

#include "crypto/crypto_internal.h"

_Static_assert(CRYPTO_BOX_OVERHEAD == crypto_box_SEALBYTES, "box layout");
_Static_assert(CRYPTO_PAIR_OVERHEAD == crypto_box_NONCEBYTES + crypto_box_MACBYTES, "pair layout");

void crypto_sign_public(const uint8_t seed[32], uint8_t ret[32])
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    (void)crypto_sign_seed_keypair(ret, secret, seed);
    mem_wipe(secret, sizeof secret);
}

void crypto_sign_text(const uint8_t seed[32], struct str text, uint8_t ret[64])
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES], public_key[crypto_sign_PUBLICKEYBYTES];
    (void)crypto_sign_seed_keypair(public_key, secret, seed);
    (void)crypto_sign_detached(ret, NULL, (const uint8_t *)text.p, text.n, secret);
    mem_wipe(secret, sizeof secret);
}

bool crypto_sign_check(const uint8_t public_key[32], struct str text, const uint8_t signature[64])
{
    return crypto_sign_verify_detached(signature, (const uint8_t *)text.p, text.n, public_key) == 0;
}

void crypto_box_public(const uint8_t seed[32], uint8_t ret[32])
{
    uint8_t secret[crypto_box_SECRETKEYBYTES];
    (void)crypto_box_seed_keypair(ret, secret, seed);
    mem_wipe(secret, sizeof secret);
}

void crypto_box_to(const uint8_t public_key[32], struct str plain, struct buf *out)
{
    size_t start = out->n;
    uint8_t *at = crypto_grow(out, plain.n + CRYPTO_BOX_OVERHEAD);
    if (at && crypto_box_seal(at, (const uint8_t *)plain.p, plain.n, public_key) != 0) {
        crypto_cut(out, start); /* a public key that is none */
        out->failed = true;
    }
}

err_t crypto_box_from(const uint8_t seed[32], struct str sealed, struct buf *out)
{
    uint8_t secret[crypto_box_SECRETKEYBYTES], public_key[crypto_box_PUBLICKEYBYTES];
    if (sealed.n < CRYPTO_BOX_OVERHEAD)
        return ERR_CRYPTO;
    if (out->failed)
        return ERR_NO_MEMORY;
    size_t start = out->n, n = sealed.n - CRYPTO_BOX_OVERHEAD;
    uint8_t none = 0, *at = &none;
    if (n > 0 && !(at = crypto_grow(out, n)))
        return ERR_NO_MEMORY;
    (void)crypto_box_seed_keypair(public_key, secret, seed);
    int rc = crypto_box_seal_open(at, (const uint8_t *)sealed.p, sealed.n, public_key, secret);
    mem_wipe(secret, sizeof secret);
    if (rc != 0) {
        crypto_cut(out, start);
        return ERR_CRYPTO;
    }
    return OK;
}

bool crypto_box_usable(const uint8_t public_key[32])
{
    static const uint8_t any[crypto_scalarmult_SCALARBYTES] = {1};
    uint8_t shared[crypto_scalarmult_BYTES];
    return crypto_scalarmult(shared, any, public_key) == 0;
}

void crypto_pair_seal(const uint8_t seed[32], const uint8_t peer[32], struct str plain,
                      struct buf *out)
{
    uint8_t secret[crypto_box_SECRETKEYBYTES], public_key[crypto_box_PUBLICKEYBYTES];
    size_t start = out->n;
    uint8_t *at = crypto_grow(out, plain.n + CRYPTO_PAIR_OVERHEAD);
    if (!at)
        return;
    crypto_random(at, crypto_box_NONCEBYTES);
    (void)crypto_box_seed_keypair(public_key, secret, seed);
    int rc = crypto_box_easy(at + crypto_box_NONCEBYTES, (const uint8_t *)plain.p, plain.n, at,
                             peer, secret);
    mem_wipe(secret, sizeof secret);
    if (rc != 0) {
        crypto_cut(out, start); /* a public key that is none */
        out->failed = true;
    }
}

err_t crypto_pair_open(const uint8_t seed[32], const uint8_t peer[32], struct str sealed,
                       struct buf *out)
{
    uint8_t secret[crypto_box_SECRETKEYBYTES], public_key[crypto_box_PUBLICKEYBYTES];
    if (sealed.n < CRYPTO_PAIR_OVERHEAD)
        return ERR_CRYPTO;
    if (out->failed)
        return ERR_NO_MEMORY;
    size_t start = out->n, n = sealed.n - CRYPTO_PAIR_OVERHEAD;
    const uint8_t *from = (const uint8_t *)sealed.p;
    uint8_t none = 0, *at = &none;
    if (n > 0 && !(at = crypto_grow(out, n)))
        return ERR_NO_MEMORY;
    (void)crypto_box_seed_keypair(public_key, secret, seed);
    int rc = crypto_box_open_easy(at, from + crypto_box_NONCEBYTES,
                                  sealed.n - crypto_box_NONCEBYTES, from, peer, secret);
    mem_wipe(secret, sizeof secret);
    if (rc != 0) {
        crypto_cut(out, start);
        return ERR_CRYPTO;
    }
    return OK;
}

/* Encodings: base64, hexadecimal, random text. */
#include "crypto/crypto.h"

#include <sodium/randombytes.h>
#include <sodium/utils.h>

#include "crypto/crypto_internal.h"

void crypto_base64(struct buf *out, const void *p, size_t n)
{
    ASSERT(p || n == 0);
    if (n == 0)
        return;
    size_t len = sodium_base64_encoded_len(n, sodium_base64_VARIANT_ORIGINAL); /* counts the NUL */
    char *at = (char *)crypto_grow(out, len - 1);
    if (at)
        (void)sodium_bin2base64(at, len, p, n, sodium_base64_VARIANT_ORIGINAL);
}

bool crypto_base64_decode(struct str text, struct buf *out)
{
    size_t start = out->n, n = 0;
    if (text.n == 0)
        return !out->failed;
    if (text.n % 4 != 0)
        return false;
    /* libsodium 1.0.18 takes some bytes above 127 for digits. */
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] > 0x7F)
            return false;
    size_t room = text.n / 4 * 3;
    uint8_t *at = crypto_grow(out, room);
    if (!at)
        return false;
    bool good = sodium_base642bin(at, room, text.p, text.n, NULL, &n, NULL,
                                  sodium_base64_VARIANT_ORIGINAL) == 0;
    crypto_cut(out, good ? start + n : start);
    return good;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool crypto_hex_decode(struct str text, void *out, size_t n)
{
    ASSERT(out || n == 0);
    if (text.n / 2 != n || text.n % 2 != 0)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (hex_digit(text.p[i]) < 0)
            return false;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] =
            (uint8_t)(hex_digit(text.p[2 * i]) << 4 | hex_digit(text.p[2 * i + 1]));
    return true;
}

void crypto_random_text(char *out, size_t n)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    ASSERT(out || n == 0);
    for (size_t i = 0; i < n; i++)
        out[i] = alphabet[randombytes_uniform(sizeof alphabet - 1)];
}

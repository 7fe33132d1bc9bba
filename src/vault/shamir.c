/* Shares of a key. No table is looked up by a secret, so that nobody learns one from the cache. */
#include "vault/shamir.h"

#include <stdio.h>

#include "crypto/crypto.h"

#define PREFIX "florinshare1"
#define PACKED (4 + 1 + 1 + SHAMIR_KEY)
#define CHECK 4

static uint8_t gf_mul(uint8_t a, uint8_t b)
{
    uint8_t product = 0;
    for (int i = 0; i < 8; i++) {
        product ^= (uint8_t)(-(b & 1)) & a;
        uint8_t carry = (uint8_t)(-(a >> 7));
        a = (uint8_t)(a << 1) ^ (carry & 0x1B);
        b >>= 1;
    }
    return product;
}

/* a^254: the inverse; of 0 it is 0. */
static uint8_t gf_inverse(uint8_t a)
{
    uint8_t square = a, product = 1;
    for (int i = 0; i < 7; i++) {
        square = gf_mul(square, square);
        product = gf_mul(product, square);
    }
    return product;
}

void shamir_split(const uint8_t key[SHAMIR_KEY], const uint8_t *random, const uint8_t set[4],
                  unsigned needed, unsigned n, struct shamir_share *out)
{
    ASSERT(needed >= 1 && needed <= n && n <= SHAMIR_MAX);
    for (unsigned s = 0; s < n; s++) {
        uint8_t x = (uint8_t)(s + 1);
        out[s] = (struct shamir_share){.needed = (uint8_t)needed, .number = x};
        memcpy(out[s].set, set, sizeof out[s].set);
        for (unsigned i = 0; i < SHAMIR_KEY; i++) {
            uint8_t y = 0; /* Horner, from the highest coefficient down to the key's byte */
            for (unsigned c = needed - 1; c > 0; c--)
                y = gf_mul(y ^ random[(c - 1) * SHAMIR_KEY + i], x);
            out[s].bytes[i] = y ^ key[i];
        }
    }
}

static bool fit(const struct shamir_share *s, unsigned n)
{
    if (n == 0 || s[0].needed == 0 || n < s[0].needed)
        return false;
    for (unsigned i = 0; i < s[0].needed; i++) {
        if (s[i].number == 0 || s[i].needed != s[0].needed ||
            memcmp(s[i].set, s[0].set, sizeof s[0].set) != 0)
            return false;
        for (unsigned j = 0; j < i; j++)
            if (s[j].number == s[i].number)
                return false;
    }
    return true;
}

/* The value at 0 of the polynomial through the shares (Lagrange). */
bool shamir_join(const struct shamir_share *shares, unsigned n, uint8_t key[SHAMIR_KEY])
{
    if (!fit(shares, n))
        return false;
    mem_wipe(key, SHAMIR_KEY);
    for (unsigned j = 0; j < shares[0].needed; j++) {
        uint8_t weight = 1;
        for (unsigned m = 0; m < shares[0].needed; m++)
            if (m != j)
                weight = gf_mul(weight, gf_mul(shares[m].number,
                                               gf_inverse(shares[m].number ^ shares[j].number)));
        for (unsigned i = 0; i < SHAMIR_KEY; i++)
            key[i] ^= gf_mul(weight, shares[j].bytes[i]);
    }
    return true;
}

/* --- text: five bits a letter, Crockford's --- */
static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";

static void pack(const struct shamir_share *s, uint8_t out[PACKED + CHECK])
{
    uint8_t hash[32];
    memcpy(out, s->set, 4);
    out[4] = s->needed;
    out[5] = s->number;
    memcpy(out + 6, s->bytes, SHAMIR_KEY);
    crypto_sha256(out, PACKED, hash);
    memcpy(out + PACKED, hash, CHECK);
}

/* The letter of a value without a look-up by it. */
static char letter(unsigned value)
{
    char c = 0;
    for (unsigned i = 0; i < 32; i++)
        c = (char)(c | (letters[i] & -(i == value)));
    return c;
}

void shamir_write(const struct shamir_share *s, char *out)
{
    uint8_t bytes[PACKED + CHECK];
    unsigned held = 0, bits = 0, n = 0;
    pack(s, bytes);
    char *at = out + snprintf(out, SHAMIR_TEXT_MAX, "florin-share-1");
    for (size_t i = 0; i <= sizeof bytes; i++) {
        held = i < sizeof bytes ? held << 8 | bytes[i] : held << (5 - bits);
        bits = i < sizeof bytes ? bits + 8 : 5;
        for (; bits >= 5; bits -= 5) {
            if (n++ % 8 == 0)
                *at++ = '-';
            *at++ = letter(held >> (bits - 5) & 31);
        }
        held &= (1u << bits) - 1;
    }
    *at = 0;
    ASSERT(at - out < SHAMIR_TEXT_MAX);
    mem_wipe(bytes, sizeof bytes);
}

static int value(char c)
{
    int v = -1;
    if (c >= 'A' && c <= 'Z')
        c = (char)(c + 32);
    c = c == 'o' ? '0' : c == 'i' || c == 'l' ? '1' : c;
    for (int i = 0; i < 32; i++)
        v = letters[i] == c ? i : v;
    return v;
}

/* Without what people put between letters; small ones. */
static size_t squeeze(struct str text, char out[SHAMIR_TEXT_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == ' ' || c == '-' || c == '\t' || c == '\n' || c == '\r')
            continue;
        if (n == SHAMIR_TEXT_MAX - 1)
            return 0;
        out[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    return n;
}

static bool unpack(const char *p, size_t n, uint8_t out[PACKED + CHECK])
{
    unsigned held = 0, bits = 0;
    size_t got = 0;
    for (size_t i = 0; i < n; i++) {
        int v = value(p[i]);
        if (v < 0)
            return false;
        held = (held << 5 | (unsigned)v) & 0xFFF;
        bits += 5;
        if (bits >= 8) {
            if (got == PACKED + CHECK)
                return false;
            out[got++] = (uint8_t)(held >> (bits - 8));
            bits -= 8;
        }
    }
    return got == PACKED + CHECK && bits < 5 && (held & ((1u << bits) - 1)) == 0;
}

bool shamir_read(struct str text, struct shamir_share *ret)
{
    char plain[SHAMIR_TEXT_MAX];
    uint8_t bytes[PACKED + CHECK], again[PACKED + CHECK];
    struct shamir_share s;
    const size_t prefix = sizeof PREFIX - 1;
    size_t n = squeeze(text, plain);
    bool good = n > prefix && memcmp(plain, PREFIX, prefix) == 0 &&
                unpack(plain + prefix, n - prefix, bytes);
    if (good) {
        memcpy(s.set, bytes, 4);
        s.needed = bytes[4];
        s.number = bytes[5];
        memcpy(s.bytes, bytes + 6, SHAMIR_KEY);
        pack(&s, again);
        good = mem_equal_ct(bytes, again, sizeof bytes) == 1 && s.needed > 0 && s.number > 0;
    }
    if (good)
        *ret = s;
    mem_wipe(plain, sizeof plain);
    mem_wipe(bytes, sizeof bytes);
    mem_wipe(again, sizeof again);
    mem_wipe(&s, sizeof s);
    return good;
}

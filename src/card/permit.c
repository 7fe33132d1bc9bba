/* Permits. */
#include "card/permit.h"

#include <stdio.h>

#include "crypto/crypto.h"
#include "wire/wire.h"

/* What is signed: everything but the signature. */
static bool write_claim(int64_t merchant_id, struct str url, char out[PERMIT_TEXT_MAX])
{
    struct url u;
    char host[256];
    if (!url_parse(url, &u) || u.host.n == 0 || u.host.n >= sizeof host)
        return false;
    bool tls = str_eq_nocase(u.scheme, STR("https"));
    if (!tls && !str_eq_nocase(u.scheme, STR("http")))
        return false;
    for (size_t i = 0; i < u.host.n; i++) {
        char c = u.host.p[i];
        if (c <= ' ' || c >= 0x7F)
            return false;
        host[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    int n =
        snprintf(out, PERMIT_TEXT_MAX, "florin-permit-1 %lld %s://%.*s:%d", (long long)merchant_id,
                 tls ? "https" : "http", (int)u.host.n, host, (int)u.port);
    return n > 0 && n < PERMIT_TEXT_MAX - 100;
}

bool permit_sign(const uint8_t seed[32], int64_t merchant_id, struct str url,
                 char out[PERMIT_TEXT_MAX])
{
    uint8_t signature[64];
    struct buf text = BUF(PERMIT_TEXT_MAX);
    if (!write_claim(merchant_id, url, out))
        return false;
    crypto_sign_text(seed, str_from(out), signature);
    buf_str(&text, out);
    buf_byte(&text, ' ');
    crypto_base64(&text, signature, sizeof signature);
    bool good = !text.failed && text.n < PERMIT_TEXT_MAX;
    if (good)
        memcpy(out, text.p, text.n + 1);
    buf_free(&text);
    return good;
}

static bool signed_with(const uint8_t public_key[32], struct str claim, struct str signature)
{
    struct buf bytes = BUF(128);
    bool good = crypto_base64_decode(signature, &bytes) && bytes.n == 64 &&
                crypto_sign_check(public_key, claim, (const uint8_t *)bytes.p);
    buf_free(&bytes);
    return good;
}

bool permit_allows(const uint8_t public_key[32], struct str lines, int64_t merchant_id,
                   struct str url)
{
    char claim[PERMIT_TEXT_MAX];
    bool allowed = false;
    if (!write_claim(merchant_id, url, claim))
        return false;
    size_t n = strlen(claim);
    while (lines.n > 0 && !allowed) {
        const char *end = memchr(lines.p, '\n', lines.n);
        struct str line = {lines.p, end ? (size_t)(end - lines.p) : lines.n};
        if (line.n > n + 1 && memcmp(line.p, claim, n) == 0 && line.p[n] == ' ')
            allowed = signed_with(public_key, (struct str){claim, n},
                                  (struct str){line.p + n + 1, line.n - n - 1});
        size_t taken = line.n + (end != NULL);
        lines.p += taken;
        lines.n -= taken;
    }
    return allowed;
}

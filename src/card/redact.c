/* A card out of an answer. */
#include <stdio.h>

#include "card/card_internal.h"
#include "crypto/crypto.h"

#define DIVIDERS_MAX 8 /* bytes between two digits */

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* How long that digit is that begins at p: as itself, or as URLs, JSON or XML may write it. 0: it
 * is none, or another. */
static size_t digit_at(const char *p, const char *end, char d)
{
    static const char *const escapes[] = {"%3", "\\u003", "&#x3"};
    if (*p == d)
        return 1;
    for (size_t i = 0; i < COUNT_OF(escapes); i++) {
        size_t n = strlen(escapes[i]);
        if ((size_t)(end - p) > n && memcmp(p, escapes[i], n) == 0 && p[n] == d)
            return n + 1;
    }
    return 0;
}

/* Over what may stand between two digits of one number: neither letters nor other digits, but for
 * a coded space, and not much of it. */
static const char *next_digit(const char *p, const char *end, char d)
{
    for (const char *last = p + DIVIDERS_MAX; p < end && p <= last; p++) {
        if (digit_at(p, end, d))
            return p;
        if (end - p >= 3 && (memcmp(p, "%20", 3) == 0 || memcmp(p, "%2D", 3) == 0))
            p += 2;
        else if (digit(*p) || letter(*p))
            break;
    }
    return NULL;
}

/* How long the number is that begins at p, dividers included; 0: none. with: takes the place of
 * its digits; 0: of none. */
static size_t number_at(char *p, const char *end, const char *number, char with)
{
    char *at = p;
    for (const char *d = number; *d; d++) {
        if (d > number) {
            const char *next = next_digit(at, end, *d);
            if (!next)
                return 0;
            at += next - at;
        }
        size_t n = digit_at(at, end, *d);
        if (n == 0)
            return 0;
        if (with) /* what was coded stays a digit */
            at[n - 1] = n > 1 ? '9' : with;
        at += n;
    }
    return (size_t)(at - p);
}

/* In JSON a number without quotation marks stays one. */
static char cover(const char *p, const char *begin)
{
    const char *before = p;
    while (before > begin && strchr(" \t\r\n", before[-1]) && before[-1])
        before--;
    return before > begin && strchr(":,[", before[-1]) && before[-1] ? '9' : '*';
}

static int hide_number(char *p, size_t n, const char *number)
{
    int found = 0;
    for (size_t i = 0; i < n; i++) {
        size_t length = number_at(p + i, p + n, number, 0);
        if (length) {
            (void)number_at(p + i, p + n, number, cover(p + i, p));
            found++;
            i += length - 1;
        }
    }
    return found;
}

static int hide_text(char *p, size_t n, const char *text, size_t text_n, char with)
{
    int found = 0;
    for (char *at = p; text_n && (at = memmem(at, n - (size_t)(at - p), text, text_n));) {
        memset(at, with, text_n);
        found++;
    }
    return found;
}

static int hide_hex(char *p, size_t n, const char *number)
{
    char hex[2 * CARD_NUMBER_MAX];
    size_t length = strlen(number);
    for (size_t i = 0; i < length; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", (unsigned char)number[i]);
    int found = hide_text(p, n, hex, 2 * length, '0');
    mem_wipe(hex, sizeof hex);
    return found;
}

/* Wherever in a longer text the number stands: the letters that it alone makes. Digits have the
 * same letters in both alphabets (RFC 4648, sections 4 and 5). */
static int hide_base64(char *p, size_t n, const char *number)
{
    int found = 0;
    size_t length = strlen(number);
    for (size_t offset = 0; offset < 3; offset++) {
        char plain[CARD_NUMBER_MAX + 3] = {0};
        struct buf text = BUF(64);
        memcpy(plain + offset, number, length);
        crypto_base64(&text, plain, offset + length);
        size_t from = (8 * offset + 5) / 6, to = 8 * (offset + length) / 6;
        if (!text.failed && to > from)
            found += hide_text(p, n, text.p + from, to - from, 'A');
        if (text.p)
            mem_wipe(text.p, text.n);
        buf_free(&text);
        mem_wipe(plain, sizeof plain);
    }
    return found;
}

static bool names_cvc(const char *begin, const char *quote)
{
    static const char *const names[] = {"cvc", "cvv",      "cvn",         "csc",
                                        "cid", "security", "verification"};
    const char *from = quote;
    char before[49];
    while (from > begin && quote - from < 48 && !strchr(",{[&\n", from[-1]))
        from--;
    size_t n = (size_t)(quote - from);
    for (size_t i = 0; i < n; i++)
        before[i] = (char)(from[i] | 32);
    before[n] = 0;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strstr(before, names[i]))
            return true;
    return false;
}

/* Three digits are common: only as the whole value of a member that is called so. */
static int hide_cvc(char *p, size_t n, const char *cvc)
{
    int found = 0;
    size_t length = strlen(cvc);
    for (char *at = p; length && (at = memmem(at, n - (size_t)(at - p), cvc, length)); at++) {
        bool alone = (at == p || !digit(at[-1])) && (at + length == p + n || !digit(at[length]));
        if (alone && names_cvc(p, at)) {
            memset(at, at > p && at[-1] == '"' ? '*' : '9', length);
            found++;
        }
    }
    return found;
}

int card_redact(struct str answer, const struct card *c, struct buf *out)
{
    buf_add(out, answer.p, answer.n);
    if (out->failed || out->n == 0)
        return 0;
    int found = hide_number(out->p, out->n, c->number);
    found += hide_hex(out->p, out->n, c->number);
    found += hide_base64(out->p, out->n, c->number);
    return found + hide_cvc(out->p, out->n, c->cvc);
}

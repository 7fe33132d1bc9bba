/* A card out of an answer. */
#include <stdio.h>

#include "card/card_internal.h"
#include "crypto/crypto.h"

#define DIVIDERS_MAX 8 /* bytes between two digits */
#define RUN_MIN 9 /* digits in a row; eight at the beginning and four at the end may be known */

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
    if (end - p > 4 && memcmp(p, d < '2' ? "&#4" : "&#5", 3) == 0 && p[4] == ';' &&
        p[3] == (d < '2' ? d + 8 : d - 2))
        return 4; /* &#48; is 0, &#50; is 2 */
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

/* How long the run is that begins at p with those digits of the number, dividers included, and of
 * how many. with: takes the place of the first n_max; 0: of none. */
static size_t run_at(char *p, const char *end, const char *digits, char with, size_t *n_digits)
{
    char *at = p, *last = p;
    size_t found = 0;
    for (const char *d = digits; *d && found < *n_digits; d++, found++) {
        const char *next = d > digits ? next_digit(at, end, *d) : at;
        size_t n = next && next < end ? digit_at(next, end, *d) : 0;
        if (n == 0)
            break;
        at += next - at;
        if (with) /* what was coded stays a digit */
            at[n - 1] = n > 1 ? '9' : with;
        last = at += n;
    }
    *n_digits = found;
    return (size_t)(last - p);
}

/* The longest run of the number's digits that begins at p; 0: too short to tell anything. A
 * provider that cuts texts short tells a part of one. */
static size_t number_at(char *p, const char *end, const char *number, const char **ret_from,
                        size_t *ret_digits)
{
    size_t length = strlen(number), longest = 0;
    *ret_digits = 0;
    if (!digit(*p) && !strchr("%\\&", *p))
        return 0;
    for (size_t i = 0; i + RUN_MIN <= length; i++) {
        size_t digits = length, bytes = run_at(p, end, number + i, 0, &digits);
        if (digits >= RUN_MIN && digits > *ret_digits) {
            longest = bytes;
            *ret_digits = digits;
            *ret_from = number + i;
        }
    }
    return longest;
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
        const char *from = number;
        size_t digits, length = number_at(p + i, p + n, number, &from, &digits);
        if (length) {
            (void)run_at(p + i, p + n, from, cover(p + i, p), &digits);
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

bool card_names_cvc(struct str name)
{
    return names_cvc(name.p, name.p + name.n);
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

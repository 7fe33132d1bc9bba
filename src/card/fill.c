/* A card into a request, and out of an answer. */
#include <stdio.h>

#include "card/card_internal.h"
#include "crypto/crypto.h"

#define OPEN "{{card."
#define CLOSE "}}"
#define RUN_MIN                                                                                    \
    9 /* digits in a row; six or eight at the beginning and four at the end may be known */

/* --- in --- */
static bool value_of(struct str name, const struct card *c, char out[CARD_NUMBER_MAX])
{
    if (str_eq(name, STR("number")))
        (void)snprintf(out, CARD_NUMBER_MAX, "%s", c->number);
    else if (str_eq(name, STR("exp_month")))
        (void)snprintf(out, CARD_NUMBER_MAX, "%02d", c->month);
    else if (str_eq(name, STR("exp_year")))
        (void)snprintf(out, CARD_NUMBER_MAX, "%04d", c->year);
    else if (str_eq(name, STR("exp_year_2")))
        (void)snprintf(out, CARD_NUMBER_MAX, "%02d", c->year % 100);
    else if (str_eq(name, STR("cvc")))
        (void)snprintf(out, CARD_NUMBER_MAX, "%s", c->cvc);
    else
        return false;
    return true;
}

static const char *find(struct str in, const char *what)
{
    return in.n ? memmem(in.p, in.n, what, strlen(what)) : NULL;
}

static struct str after(struct str s, const char *p)
{
    return (struct str){p, s.n - (size_t)(p - s.p)};
}

err_t card_fill(struct str body, const struct card *c, struct buf *out, struct err_info *reterr)
{
    char value[CARD_NUMBER_MAX];
    bool numbered = false, good = true;
    struct str rest = body;
    for (const char *at; good && (at = find(rest, OPEN));) {
        struct str tail = after(rest, at + strlen(OPEN));
        const char *end = find(tail, CLOSE);
        struct str name = {tail.p, end ? (size_t)(end - tail.p) : 0};
        good = end && value_of(name, c, value);
        if (!good)
            break;
        numbered = numbered || str_eq(name, STR("number"));
        buf_add(out, rest.p, (size_t)(at - rest.p));
        buf_str(out, value);
        rest = after(rest, end + strlen(CLOSE));
    }
    buf_add(out, rest.p, rest.n);
    mem_wipe(value, sizeof value);
    if (!good)
        return error_set(reterr, ERR_CONNECTOR, "a placeholder of a card that there is not");
    if (!numbered)
        return error_set(reterr, ERR_CONNECTOR, "no placeholder for the card's number");
    return out->failed ? ERR_NO_MEMORY : OK;
}

/* --- out --- */
static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What may stand between two digits of a number; its length. The other byte of UTF-16, too. */
static size_t divider(const char *p, const char *end)
{
    if (p < end && memchr(" -._+/", *p, 7))
        return 1;
    return end - p >= 3 && memcmp(p, "%20", 3) == 0 ? 3 : 0;
}

/* The digit at p, plain or as it is written in URLs, JSON and HTML; 0: none. */
static char digit_at(const char *p, const char *end, size_t *ret_n)
{
    static const char *const before[] = {"%3", "\\u003", "&#x3", "&#5", "&#4"};
    *ret_n = 1;
    if (p == end || digit(*p))
        return p == end ? 0 : *p;
    for (size_t i = 0; i < COUNT_OF(before); i++) {
        size_t n = strlen(before[i]);
        if ((size_t)(end - p) <= n || memcmp(p, before[i], n) != 0 || !digit(p[n]))
            continue;
        bool html = *p == '&', tens = html && before[i][2] != 'x';
        if (html && ((size_t)(end - p) < n + 2 || p[n + 1] != ';'))
            continue;
        int code = tens ? (before[i][2] - '0') * 10 + (p[n] - '0') : '0' + (p[n] - '0');
        *ret_n = n + 1 + html;
        return code >= '0' && code <= '9' ? (char)code : 0;
    }
    return 0;
}

/* How long the run of the number's digits is that begins at p with the digit `from`, dividers
 * included; 0: too few to tell anything. */
static size_t run_at(const char *p, const char *end, const char *from, bool *ret_escaped)
{
    const char *at = p, *last = p;
    size_t n, digits = 0;
    *ret_escaped = false;
    for (const char *d = from; *d; d++, digits++) {
        if (digits > 0 && at < end && !digit(*at))
            at += divider(at, end);
        if (digit_at(at, end, &n) != *d)
            break;
        *ret_escaped = *ret_escaped || n > 1;
        last = at += n;
    }
    return digits >= RUN_MIN ? (size_t)(last - p) : 0;
}

/* The longest that begins at p. Part of a number is told by a provider that cuts texts short. */
static size_t number_at(const char *p, const char *end, const char *number, bool *ret_escaped)
{
    size_t length = strlen(number), longest = 0, n;
    bool escaped;
    char first = digit_at(p, end, &n);
    for (size_t i = 0; first && i + RUN_MIN <= length; i++) {
        size_t run = number[i] == first ? run_at(p, end, number + i, &escaped) : 0;
        if (run > longest) {
            longest = run;
            *ret_escaped = escaped;
        }
    }
    return longest;
}

/* In JSON a number without quotation marks stays one. */
static void hide_digits(char *p, size_t n, const char *begin, bool escaped)
{
    const char *before = p;
    while (before > begin && strchr(" \t\r\n", before[-1]) && before[-1])
        before--;
    char with = before > begin && strchr(":,[", before[-1]) && before[-1] ? '9' : '*';
    for (size_t i = 0; i < n; i++)
        if (escaped || digit(p[i]))
            p[i] = with;
}

static int hide_number(char *p, size_t n, const char *number)
{
    int found = 0;
    bool escaped = false;
    for (size_t i = 0; i < n; i++) {
        size_t length = number_at(p + i, p + n, number, &escaped);
        if (length) {
            hide_digits(p + i, length, p, escaped);
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

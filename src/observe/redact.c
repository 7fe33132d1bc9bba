/* Redaction: card numbers and Florin's own secrets never leave in a line. */
#include "observe/observe.h"

#define PAN_MIN 13
#define PAN_MAX 19

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Source: ISO/IEC 7812-1 annex B. */
static bool luhn(const char *digits, size_t n)
{
    int sum = 0;
    for (size_t i = 0; i < n; i++) {
        int d = digits[n - 1 - i] - '0';
        if (i % 2) {
            d *= 2;
            if (d > 9)
                d -= 9;
        }
        sum += d;
    }
    return sum % 10 == 0;
}

/* A card number at s[at]: single spaces or dashes may separate digits; neither side may touch a
 * word. 0: none; else its length in s. */
static size_t pan_at(struct str s, size_t at, char digits[PAN_MAX], size_t *ret_digits)
{
    size_t n = 0, i = at;
    if (at > 0 && (is_word(s.p[at - 1]) || s.p[at - 1] == '.'))
        return 0;
    while (i < s.n) {
        if (is_digit(s.p[i])) {
            if (n == PAN_MAX)
                return 0;
            digits[n++] = s.p[i++];
        } else if ((s.p[i] == ' ' || s.p[i] == '-') && i + 1 < s.n && is_digit(s.p[i + 1]) &&
                   n > 0) {
            i++;
        } else {
            break;
        }
    }
    if (n < PAN_MIN || (i < s.n && is_word(s.p[i])) || !luhn(digits, n))
        return 0;
    *ret_digits = n;
    return i - at;
}

/* The length of a secret that begins at s[at]: sk_…, ct_…, whsec_…, whsk_…; 0: none. */
static size_t secret_at(struct str s, size_t at)
{
    static const char *const prefixes[] = {"sk_test_", "sk_live_", "ct_", "whsec_", "whsk_"};
    struct str rest = {s.p + at, s.n - at};
    if (at > 0 && is_word(s.p[at - 1]))
        return 0;
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        struct str p = str_from(prefixes[i]);
        if (!str_starts(rest, p))
            continue;
        size_t n = p.n;
        while (n < rest.n &&
               (is_word(rest.p[n]) || rest.p[n] == '+' || rest.p[n] == '/' || rest.p[n] == '='))
            n++;
        if (n >= p.n + 8)
            return n;
    }
    return 0;
}

static size_t bearer_at(struct str s, size_t at)
{
    struct str rest = {s.p + at, s.n - at};
    if (rest.n < 8 || !str_eq_nocase((struct str){rest.p, 7}, STR("bearer ")))
        return 0;
    size_t n = 7;
    while (n < rest.n && rest.p[n] != ' ' && rest.p[n] != '"' && rest.p[n] != '\n')
        n++;
    return n;
}

void redact(struct buf *out, struct str s)
{
    char digits[PAN_MAX];
    for (size_t i = 0; i < s.n;) {
        size_t n = 0, len = is_digit(s.p[i]) ? pan_at(s, i, digits, &n) : 0;
        if (len) {
            buf_add(out, digits, 6);
            buf_str(out, "******");
            buf_add(out, digits + n - 4, 4);
            i += len;
            continue;
        }
        len = secret_at(s, i);
        if (!len)
            len = bearer_at(s, i);
        if (len) {
            buf_str(out, "[redacted]");
            i += len;
            continue;
        }
        buf_byte(out, s.p[i++]);
        /* a run that was no card number is passed as a whole: its tail is not one either */
        while (is_digit(s.p[i - 1]) && i < s.n && is_digit(s.p[i]))
            buf_byte(out, s.p[i++]);
    }
}

/* Redaction: card numbers and Florin's own secrets never leave in a line. */
#include "observe/observe.h"

#define PAN_MIN 13
#define PAN_MAX 19
#define GAP_MAX 3 /* spaces and dashes between two groups of digits */
#define SECRET_MIN 8
#define SECRET_GLUED_MIN 16
#define ID_DIGITS 26

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_secret_char(char c)
{
    return is_word(c) || c == '+' || c == '/' || c == '=' || c == '-' || c == '%';
}

/* The first digit of the group after the gap at s[at]; s.n when none follows closely. */
static size_t next_group(struct str s, size_t at)
{
    for (size_t i = at; i < s.n && i <= at + GAP_MAX; i++) {
        if (is_digit(s.p[i]))
            return i;
        if (s.p[i] != ' ' && s.p[i] != '-')
            break;
    }
    return s.n;
}

static size_t group_end(struct str s, size_t at)
{
    while (at < s.n && is_digit(s.p[at]))
        at++;
    return at;
}

/* The end of the longest card number made of whole groups from s[at] on; 0: none. */
static size_t longest_pan(struct str s, size_t at)
{
    char digits[PAN_MAX];
    size_t n = 0, best = 0;
    while (at < s.n) {
        size_t end = group_end(s, at);
        if (end - at > PAN_MAX - n)
            break;
        memcpy(digits + n, s.p + at, end - at);
        n += end - at;
        if (n >= PAN_MIN && str_luhn((struct str){digits, n}))
            best = end;
        at = next_group(s, end);
    }
    return best;
}

/* The end of the stretch from s[at] that must be masked; 0: none. Candidates that overlap become
 * one stretch: the digits before a card number may complete a shorter one by chance, and masking
 * only that would show the rest of the real one. */
static size_t pan_end(struct str s, size_t at)
{
    size_t end = longest_pan(s, at);
    for (size_t i = at; i < end; i = next_group(s, group_end(s, i))) {
        size_t other = longest_pan(s, i);
        if (other > end)
            end = other;
    }
    return end;
}

static void add_masked(struct buf *out, struct str number)
{
    char last[4];
    size_t n = 0, want = sizeof last;
    for (size_t i = 0; n < 6; i++)
        if (is_digit(number.p[i])) {
            buf_byte(out, number.p[i]);
            n++;
        }
    for (size_t i = number.n; want > 0; i--)
        if (is_digit(number.p[i - 1]))
            last[--want] = number.p[i - 1];
    buf_str(out, "******");
    buf_add(out, last, sizeof last);
}

/* Copies the group of digits at s[at], masked when it begins a card number; returns its end. */
static size_t pass_digits(struct buf *out, struct str s, size_t at)
{
    size_t end = pan_end(s, at);
    if (end) {
        ASSERT(end - at >= PAN_MIN);
        add_masked(out, (struct str){s.p + at, end - at});
        return end;
    }
    end = group_end(s, at);
    buf_add(out, s.p + at, end - at);
    return end;
}

/* The length of a secret at the beginning of rest (sk_…, ct_…, whsec_…, whsk_…); 0: none. `glued`:
 * a letter or digit comes before, as in risk_…, so only what is surely a key counts. */
static size_t secret_at(struct str rest, bool glued)
{
    static const struct {
        const char *prefix;
        bool even_glued;
    } kinds[] = {{"sk_test_", true}, {"sk_live_", true}, {"whsec_", true},
                 {"whsk_", true},    {"sk_", false},     {"ct_", false}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct str p = str_from(kinds[i].prefix);
        if (!str_starts(rest, p) || (glued && !kinds[i].even_glued))
            continue;
        size_t n = p.n;
        while (n < rest.n && is_secret_char(rest.p[n]))
            n++;
        if (n >= p.n + (glued ? SECRET_GLUED_MIN : SECRET_MIN))
            return n;
    }
    return 0;
}

/* The length of "Bearer <token>" at the beginning of rest; 0: none. Source: RFC 6750. */
static size_t bearer_at(struct str rest)
{
    size_t n = 6;
    if (rest.n < 8 || !str_eq_nocase((struct str){rest.p, 6}, STR("bearer")))
        return 0;
    while (n < rest.n && (rest.p[n] == ' ' || rest.p[n] == '\t'))
        n++;
    size_t token = n;
    while (n < rest.n && (unsigned char)rest.p[n] > ' ' && rest.p[n] != '"' && rest.p[n] != '\'' &&
           rest.p[n] != ',')
        n++;
    return token > 6 && n > token ? n : 0;
}

/* The length of an id (a prefix, 26 characters of Crockford base32) at the beginning of rest; 0:
 * none. Its characters may look like a card number by chance. */
static size_t id_at(struct str rest)
{
    size_t n = 0, letters = 0;
    while (n < rest.n && n < 4 && rest.p[n] >= 'a' && rest.p[n] <= 'z')
        n++;
    if (n < 2 || rest.n < n + 1 + ID_DIGITS || rest.p[n] != '_' || rest.p[n + 1] > '7')
        return 0;
    size_t end = n + 1 + ID_DIGITS;
    for (size_t i = n + 1; i < end; i++) {
        char c = rest.p[i];
        if (!is_digit(c) && !(c >= 'A' && c <= 'Z'))
            return 0;
        letters += !is_digit(c);
    }
    return letters > 0 && (end == rest.n || !is_word(rest.p[end])) ? end : 0;
}

/* The length of a percent-encoded byte at s[at] whose digits must not hide that a card number
 * follows (%204242…); 0: none. */
static size_t percent_at(struct str s, size_t at)
{
    if (s.p[at] != '%' || s.n - at < 3 || !is_digit(s.p[at + 2]))
        return 0;
    char high = s.p[at + 1];
    if (is_digit(high))
        return pan_end(s, at + 1) ? 0 : 3;
    return (high >= 'A' && high <= 'F') || (high >= 'a' && high <= 'f') ? 3 : 0;
}

void redact(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n;) {
        struct str rest = {s.p + i, s.n - i};
        bool glued = i > 0 && is_word(s.p[i - 1]);
        if (is_digit(rest.p[0])) {
            i = pass_digits(out, s, i);
            continue;
        }
        size_t n = secret_at(rest, glued);
        if (!n && !glued)
            n = bearer_at(rest);
        if (n) {
            buf_str(out, "[redacted]");
            i += n;
            continue;
        }
        n = glued ? 0 : id_at(rest);
        if (!n)
            n = percent_at(s, i);
        n = n ? n : 1;
        buf_add(out, rest.p, n);
        i += n;
    }
}

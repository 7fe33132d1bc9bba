/* Percent-encoding and strict http(s) URLs. */
#include "wire/wire_internal.h"

#include <arpa/inet.h>

#define HOST_MAX 253

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that "%hh" at s.p[i] stands for, -1 when it is not one. */
static int escape_at(struct str s, size_t i)
{
    if (s.n - i < 3 || hex_digit(s.p[i + 1]) < 0 || hex_digit(s.p[i + 2]) < 0)
        return -1;
    return hex_digit(s.p[i + 1]) << 4 | hex_digit(s.p[i + 2]);
}

static void cut(struct buf *b, size_t n)
{
    b->n = n;
    if (b->p)
        b->p[n] = 0;
}

bool url_decode(struct str in, bool query, struct buf *out)
{
    ASSERT(in.p || in.n == 0);
    size_t begin = out->n;
    bool good = true;
    for (size_t i = 0; i < in.n && good; i++) {
        int c = (unsigned char)in.p[i];
        if (c == '%') {
            c = escape_at(in, i);
            i += 2;
        } else if (c == '+' && query) {
            c = ' ';
        }
        good = c > 0;
        if (good)
            buf_byte(out, (char)c);
    }
    good = good && !out->failed &&
           (out->n == begin || str_is_utf8((struct str){out->p + begin, out->n - begin}));
    if (!good)
        cut(out, begin);
    return good;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void url_encode(struct buf *out, struct str in)
{
    static const char digits[] = "0123456789ABCDEF";
    ASSERT(in.p || in.n == 0);
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];
        char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
        if (is_alnum((char)c) || c == '-' || c == '.' || c == '_' || c == '~')
            buf_byte(out, (char)c);
        else
            buf_add(out, escaped, 3);
    }
}

static bool is_address(int family, struct str s)
{
    char text[INET6_ADDRSTRLEN], address[16];
    if (s.n >= sizeof text || memchr(s.p, 0, s.n))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    return inet_pton(family, text, address) == 1;
}

/* Letters, digits, '-', '_' in labels that are not empty. A last label that begins with a digit
 * could be read as a number by a resolver (2130706433, 0x7f.1): then only the usual form of IPv4 is
 * taken. */
static bool is_host(struct str s)
{
    size_t label = 0;
    if (s.n == 0 || s.n > HOST_MAX)
        return false;
    for (size_t i = 0; i <= s.n; i++) {
        if (i < s.n && s.p[i] != '.') {
            if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
                return false;
            continue;
        }
        if (i == label || i - label > 63)
            return false;
        if (i < s.n)
            label = i + 1;
    }
    return s.p[label] < '0' || s.p[label] > '9' || is_address(AF_INET, s);
}

/* "host", "host:port", "[v6]", "[v6]:port". */
static bool read_authority(struct str s, struct url *u)
{
    size_t end = 0;
    if (s.n > 0 && s.p[0] == '[') {
        const char *close = memchr(s.p, ']', s.n);
        if (!close)
            return false;
        u->host = (struct str){s.p + 1, (size_t)(close - s.p) - 1};
        end = u->host.n + 2;
        if (!is_address(AF_INET6, u->host))
            return false;
    } else {
        while (end < s.n && s.p[end] != ':')
            end++;
        u->host = (struct str){s.p, end};
        if (!is_host(u->host))
            return false;
    }
    if (end == s.n)
        return true;
    struct str digits = {s.p + end + 1, s.n - end - 1};
    int64_t port;
    if (s.p[end] != ':' || digits.n > 5 || !str_to_i64(digits, &port) || port < 1 || port > 65535)
        return false;
    u->port = (int)port;
    return true;
}

static bool is_path(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7F || strchr("\"#<>\\", s.p[i]))
            return false;
        if (s.p[i] == '%' && escape_at(s, i) < 0)
            return false;
    }
    return s.n > 0 && s.p[0] == '/';
}

bool url_parse(struct str in, struct url *ret)
{
    struct url u = {0};
    size_t at, end;
    ASSERT(in.p || in.n == 0);
    if (in.n >= 8 && str_eq_nocase((struct str){in.p, 8}, STR("https://")))
        u.scheme = (struct str){in.p, 5}, u.port = 443;
    else if (in.n >= 7 && str_eq_nocase((struct str){in.p, 7}, STR("http://")))
        u.scheme = (struct str){in.p, 4}, u.port = 80;
    else
        return false;
    at = end = u.scheme.n + 3;
    while (end < in.n && in.p[end] != '/' && in.p[end] != '?')
        end++;
    u.path = end < in.n ? (struct str){in.p + end, in.n - end} : STR("/");
    if (!read_authority((struct str){in.p + at, end - at}, &u) || !is_path(u.path))
        return false;
    *ret = u;
    return true;
}

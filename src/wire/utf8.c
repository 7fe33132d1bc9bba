#include "wire/wire_internal.h"

size_t utf8_length(const unsigned char *s, size_t n)
{
    unsigned char c = s[0], low = 0x80, high = 0xBF;
    size_t need;
    if (c < 0x80)
        return 1;
    if (c >= 0xC2 && c <= 0xDF)
        need = 2;
    else if (c >= 0xE0 && c <= 0xEF)
        need = 3;
    else if (c >= 0xF0 && c <= 0xF4)
        need = 4;
    else
        return 0;
    if (c == 0xE0)
        low = 0xA0; /* no overlong form */
    else if (c == 0xED)
        high = 0x9F; /* no surrogate */
    else if (c == 0xF0)
        low = 0x90;
    else if (c == 0xF4)
        high = 0x8F; /* nothing above U+10FFFF */
    if (n < need || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if (s[i] < 0x80 || s[i] > 0xBF)
            return 0;
    return need;
}

void text_clean(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n;) {
        size_t n = s.p[i] ? utf8_length((const unsigned char *)s.p + i, s.n - i) : 0;
        if (n == 0)
            buf_str(out, "\xEF\xBF\xBD");
        else
            buf_add(out, s.p + i, n);
        i += n ? n : 1;
    }
}

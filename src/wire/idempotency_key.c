#include "wire/wire_internal.h"

#define KEY_MAX 255

/* What is within the quotes, unescaped. Source: RFC 8941 section 4.2.5. */
static bool unquote(struct str s, char *value, size_t *n)
{
    for (size_t i = 1; i < s.n; i++) {
        char c = s.p[i];
        if (c == '"')
            return i + 1 == s.n;
        if (c == '\\') {
            if (++i >= s.n || (s.p[i] != '"' && s.p[i] != '\\'))
                return false;
            c = s.p[i];
        }
        if (c < 0x20 || c > 0x7E)
            return false;
        if (*n < KEY_MAX)
            value[*n] = c;
        ++*n;
    }
    return false;
}

static bool bare(struct str s, char *value, size_t *n)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= 0x20 || s.p[i] > 0x7E)
            return false;
        if (*n < KEY_MAX)
            value[*n] = s.p[i];
        ++*n;
    }
    return true;
}

err_t idempotency_key_read(struct str header, struct buf *out, struct err_info *reterr)
{
    ASSERT(header.p || header.n == 0);
    char value[KEY_MAX];
    size_t n = 0;
    struct str s = str_trim(header);
    bool quoted = s.n > 0 && s.p[0] == '"';
    if (!(quoted ? unquote(s, value, &n) : bare(s, value, &n)))
        return error_set(reterr, ERR_HEADER_INVALID,
                         quoted
                             ? "Idempotency-Key is not a well-formed quoted string"
                             : "Idempotency-Key must be visible ASCII without spaces, or quoted");
    if (n < 1 || n > KEY_MAX)
        return error_set(reterr, ERR_HEADER_INVALID,
                         "Idempotency-Key must have 1 to %d characters, got %zu", KEY_MAX, n);
    buf_add(out, value, n);
    if (out->failed) /* without its key the request would be another one */
        return error_set(reterr, ERR_NO_MEMORY, "There is no memory for the Idempotency-Key.");
    return OK;
}

/* Strings: a view (str) and a bounded growing buffer (buf) whose failure sticks. */
#ifndef FLORIN_BASE_STR_H
#define FLORIN_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/check.h"

/* A view of n bytes; not NUL-terminated, not owned. {NULL,0} is "absent". */
struct str {
    const char *p;
    size_t n;
};

#define STR(lit) ((struct str){(lit), sizeof(lit) - 1})
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""

/* A view of a C string; NULL gives the absent view. */
static inline struct str str_from(const char *z)
{
    return (struct str){z, z ? strlen(z) : 0};
}
/* Equality of bytes; absent equals empty. */
static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
/* ASCII case-insensitive equality. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
/* Without the spaces and tabs around it. */
struct str str_trim(struct str s);
/* Cuts off what stands before the first c, all of it where there is none; *rest is what follows. */
struct str str_cut(struct str *rest, char c);
/* Decimal integer without sign characters other than one leading '-', no spaces, whole string.
 * false: not one, or overflow. */
MUST_CHECK bool str_to_i64(struct str s, int64_t *ret);
/* Is it well-formed UTF-8 without NUL? (RFC 3629) */
bool str_is_utf8(struct str s);
/* Do the digits pass the check of card numbers? Shape: nothing but digits. Source: ISO/IEC 7812-1
 * annex B. */
bool str_luhn(struct str digits);
/* Number of code points of well-formed UTF-8. */
size_t str_codepoints(struct str s);

/* A growing buffer with a limit. After a failed append `failed` is true, further appends do
 * nothing, so one check at the end is enough. Zero-initialise with BUF(limit); release with
 * buf_free. data is NUL-terminated when not NULL. */
struct buf {
    char *p;
    size_t n, cap, max;
    bool failed;
};
#define BUF(limit) ((struct buf){.max = (limit)})
/* Over an array of char that is there already: needs no memory, and is not freed. */
#define BUF_ON(array) ((struct buf){.p = (array), .cap = sizeof(array), .max = sizeof(array) - 1})

/* Each appends; what does not fit within the limit sets `failed`. */
void buf_add(struct buf *b, const void *p, size_t n);
/* All of another; what failed there fails here. */
void buf_join(struct buf *b, const struct buf *other);
void buf_str(struct buf *b, const char *z);
void buf_byte(struct buf *b, char c);
void buf_i64(struct buf *b, int64_t v);
PRINTF_LIKE(2, 3) void buf_printf(struct buf *b, const char *fmt, ...);
void buf_hex(struct buf *b, const void *p, size_t n);
/* Keeps the memory for reuse. */
void buf_clear(struct buf *b);
void buf_free(struct buf *b);
static inline struct str buf_view(const struct buf *b)
{
    return (struct str){b->p, b->n};
}

#endif

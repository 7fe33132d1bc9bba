/* Memory: the only place that calls malloc, and the arena that a request or a run of work lives in.
 */
#ifndef FLORIN_BASE_MEM_H
#define FLORIN_BASE_MEM_H

#include <stddef.h>
#include "base/check.h"

/* Shape: n > 0 bytes, zeroed; owned by the caller. Errors: NULL when there is no memory. */
MUST_CHECK void *mem_alloc(size_t n);
MUST_CHECK void *mem_resize(void *p, size_t n);
/* Room for one more in an array of *cap entries, n of which are taken: it stays where it is, or
 * twice as many (`first` at first) take its place. Errors: NULL when there is no memory; the array
 * is as it was. */
MUST_CHECK void *mem_grow(void *p, size_t *cap, size_t n, size_t entry, size_t first);
void mem_free(void *p);

/* Overwrites n bytes in a way the compiler keeps, for secrets. */
void mem_wipe(void *p, size_t n);

/* Constant-time comparison of n bytes: 1 equal, 0 not. */
MUST_CHECK int mem_equal_ct(const void *a, const void *b, size_t n);

struct arena;

/* Shape: cap_bytes bounds the sum of all allocations. Errors: NULL when there is no memory.
 * Built with -Darena=malloc each allocation is a malloc of its own. Not thread-safe: one owner at a
 * time. */
MUST_CHECK struct arena *arena_new(size_t cap_bytes);
/* Frees everything allocated from it. NULL is allowed. */
void arena_free(struct arena *a);
/* Shape: n bytes, zeroed, aligned to 16, living as long as the arena. Errors: NULL beyond the cap
 * or out of memory. */
MUST_CHECK void *arena_alloc(struct arena *a, size_t n);
/* Copies n bytes and adds a NUL. Errors: NULL as above. */
MUST_CHECK char *arena_copy(struct arena *a, const void *p, size_t n);
/* Shape: printf into the arena, NUL-terminated. Errors: NULL as above. */
MUST_CHECK PRINTF_LIKE(2, 3) char *arena_printf(struct arena *a, const char *fmt, ...);

#endif

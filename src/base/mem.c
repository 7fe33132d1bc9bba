#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mem_wipe(void *p, size_t n)
{
    explicit_bzero(p, n);
}

void *mem_grow(void *p, size_t *cap, size_t n, size_t entry, size_t first)
{
    ASSERT(n <= *cap && entry > 0 && first > 0);
    if (n < *cap)
        return p;
    size_t more = *cap ? *cap * 2 : first, bytes;
    if (more <= *cap || __builtin_mul_overflow(more, entry, &bytes))
        return NULL;
    p = mem_resize(p, bytes);
    if (p)
        *cap = more;
    return p;
}

int mem_equal_ct(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    unsigned diff = 0;
    for (size_t i = 0; i < n; i++)
        diff |= (unsigned)(x[i] ^ y[i]);
    return diff == 0;
}

/* Blocks form a list; the newest is allocated from. */
struct block {
    struct block *next;
    size_t size, used;
    _Alignas(16) unsigned char data[];
};

struct arena {
    struct block *head;
    size_t used, cap;
};

#define BLOCK_BYTES 4096

struct arena *arena_new(size_t cap_bytes)
{
    struct arena *a = mem_alloc(sizeof *a);
    if (a)
        a->cap = cap_bytes;
    return a;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->head, *next; b; b = next) {
        next = b->next;
        mem_free(b);
    }
    mem_free(a);
}

static struct block *block_add(struct arena *a, size_t n)
{
    size_t size = n;
#ifndef ARENA_MALLOC
    if (size < BLOCK_BYTES)
        size = BLOCK_BYTES;
#endif
    struct block *b = mem_alloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    b->next = a->head;
    a->head = b;
    return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
    ASSERT(a != NULL);
    if (n == 0)
        n = 1;
    if (n > a->cap || a->used > a->cap - n)
        return NULL;
#ifdef ARENA_MALLOC
    size_t need = n; /* exact, so that an overrun hits the sanitizer's red zone */
    struct block *b = block_add(a, need);
#else
    size_t need = (n + 15) & ~(size_t)15;
    struct block *b = a->head;
    if (!b || b->size - b->used < need)
        b = block_add(a, need);
#endif
    if (!b)
        return NULL;
    void *p = b->data + b->used;
    b->used += need;
    a->used += need;
    return p;
}

char *arena_copy(struct arena *a, const void *p, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *out = arena_alloc(a, n + 1);
    if (out && n)
        memcpy(out, p, n);
    return out;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return NULL;
    char *out = arena_alloc(a, (size_t)n + 1);
    if (!out)
        return NULL;
    va_start(ap, fmt);
    (void)vsnprintf(out, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return out;
}

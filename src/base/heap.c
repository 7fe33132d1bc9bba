/* The C library's heap: the simulator has one of its own in its place. */
#include <stdlib.h>

#include "base/mem.h"

void *mem_alloc(size_t n)
{
    ASSERT(n > 0);
    return calloc(1, n);
}

void *mem_resize(void *p, size_t n)
{
    ASSERT(n > 0);
    return realloc(p, n);
}

void mem_free(void *p)
{
    free(p);
}

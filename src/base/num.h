/* Checked arithmetic on int64 and little helpers. A false return leaves *ret untouched. */
#ifndef FLORIN_BASE_NUM_H
#define FLORIN_BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>
#include "base/check.h"

/* Largest magnitude of an amount in storage: half of int64, so that a sum of two never overflows
 * (CHECK in SQL). */
#define AMOUNT_MAX INT64_C(4611686018427387903)

/* a + b; false on overflow. */
MUST_CHECK static inline bool num_add(int64_t a, int64_t b, int64_t *ret)
{
    int64_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *ret = r;
    return true;
}
/* a - b; false on overflow. */
MUST_CHECK static inline bool num_sub(int64_t a, int64_t b, int64_t *ret)
{
    int64_t r;
    if (__builtin_sub_overflow(a, b, &r))
        return false;
    *ret = r;
    return true;
}
/* a * b; false on overflow. */
MUST_CHECK static inline bool num_mul(int64_t a, int64_t b, int64_t *ret)
{
    int64_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *ret = r;
    return true;
}
/* The lesser. */
static inline int64_t num_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
/* The greater. */
static inline int64_t num_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
/* Big-endian 64-bit, for hashing and packed payloads. */
static inline void num_put64(uint8_t *p, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        p[i] = (uint8_t)v;
}
/* Reads what num_put64 wrote. */
static inline uint64_t num_get64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

#endif

#include "base/det.h"

#include <string.h>

#include "base/check.h"
#include "base/num.h"

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

struct det det_make(int64_t now_us, const uint8_t seed[32])
{
    struct det d = {.now_us = now_us};
    for (int i = 0; i < 4; i++)
        d.s[i] = num_get64(seed + 8 * i);
    if ((d.s[0] | d.s[1] | d.s[2] | d.s[3]) == 0)
        d.s[0] = 1; /* the generator's one forbidden state */
    return d;
}

uint64_t det_u64(struct det *d)
{
    uint64_t *s = d->s;
    uint64_t r = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return r;
}

void det_fill(struct det *d, void *p, size_t n)
{
    uint8_t *out = p;
    while (n > 0) {
        uint64_t v = det_u64(d);
        size_t k = n < 8 ? n : 8;
        memcpy(out, &v, k);
        out += k;
        n -= k;
    }
}

uint64_t det_below(struct det *d, uint64_t bound)
{
    ASSERT(bound > 0);
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound, v;
    do
        v = det_u64(d);
    while (v >= limit);
    return v % bound;
}

/* det: the time and the randomness that a piece of domain work may see, given from outside. The
 * same det gives the same ids again, so a transaction function can be repeated and the simulator
 * can replay. Not for secrets. */
#ifndef FLORIN_BASE_DET_H
#define FLORIN_BASE_DET_H

#include <stddef.h>
#include <stdint.h>

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US (60 * MINUTE_US)
#define DAY_US (24 * HOUR_US)

struct det {
    int64_t now_us; /* microseconds since 1970, UTC */
    uint64_t s[4];  /* generator state */
};

/* Shape: 32 seed bytes from the driver (kernel randomness in the server, a seed in the simulator).
 */
struct det det_make(int64_t now_us, const uint8_t seed[32]);
/* Next 64 bits (xoshiro256**, Blackman & Vigna). */
uint64_t det_u64(struct det *d);
void det_fill(struct det *d, void *p, size_t n);
/* Uniform in [0, bound), bound > 0. */
uint64_t det_below(struct det *d, uint64_t bound);

#endif

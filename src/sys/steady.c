/* A clock that neither jumps nor goes back. */
#include "sys/sys.h"

/* It follows the wall clock by at most one part in so many of the time that passes. */
#define STEADY_PART 20

int64_t steady_us(struct steady *s, int64_t wall_us, int64_t mono_us)
{
    if (!s->begun) {
        *s = (struct steady){.begun = true, .at_us = wall_us, .mono_us = mono_us};
        return wall_us;
    }
    int64_t passed = num_max(mono_us - s->mono_us, 0);
    s->mono_us += passed;
    s->at_us += passed;
    s->credit_us += passed; /* gathered, since the time between two calls may be very short */
    int64_t ahead = wall_us - s->at_us, most = s->credit_us / STEADY_PART;
    int64_t step = num_max(num_min(ahead, most), -most);
    s->at_us += step;
    s->credit_us = step == ahead ? 0 : s->credit_us - STEADY_PART * (step < 0 ? -step : step);
    return s->at_us;
}

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
    int64_t passed = num_max(mono_us - s->mono_us, 0), most = passed / STEADY_PART;
    int64_t ahead = wall_us - (s->at_us + passed);
    s->at_us += passed + num_max(num_min(ahead, most), -most);
    s->mono_us += passed;
    return s->at_us;
}

/* Lanes: one per endpoint that is being sent to. A dead endpoint fills its own lane and no other.
 */
#include "webhooks/webhooks_internal.h"

#define PARK_MIN_US 1000
#define PARK_MAX_US INT64_C(60000000)
#define LATENCY_GUESS_US 250000

static struct lane *lane_reuse(struct webhooks *w)
{
    struct lane *oldest = NULL;
    for (size_t i = 0; i < w->lanes_n; i++) {
        struct lane *l = &w->lanes[i];
        if (!l->used)
            return l;
        if (l->in_flight == 0 && l->planned == 0 &&
            (!oldest || l->last_used_us < oldest->last_used_us))
            oldest = l;
    }
    return oldest;
}

struct lane *lane_of(struct webhooks *w, int64_t merchant_id, struct id endpoint)
{
    int64_t now_us = sys_mono_us();
    for (size_t i = 0; i < w->lanes_n; i++) {
        struct lane *l = &w->lanes[i];
        if (l->used && l->merchant_id == merchant_id && id_eq(l->endpoint, endpoint)) {
            l->last_used_us = now_us;
            return l;
        }
    }
    struct lane *l = lane_reuse(w);
    if (l)
        *l = (struct lane){.merchant_id = merchant_id,
                           .endpoint = endpoint,
                           .used = true,
                           .latency_us = LATENCY_GUESS_US,
                           .last_used_us = now_us};
    return l;
}

bool lane_free(const struct webhooks *w, const struct lane *l)
{
    ASSERT(l->in_flight >= 0 && l->planned >= 0);
    return l->in_flight + l->planned < w->lane_max;
}

void lanes_plan(struct webhooks *w)
{
    for (size_t i = 0; i < w->lanes_n; i++)
        w->lanes[i].planned = 0;
}

int64_t lane_park(struct webhooks *w, struct lane *l, int64_t now_us)
{
    /* one after the other, as fast as the endpoint has been answering */
    int64_t step = num_max(l->latency_us / w->lane_max, PARK_MIN_US);
    l->parked_us = num_min(num_max(l->parked_us, now_us) + step, now_us + PARK_MAX_US);
    return l->parked_us;
}

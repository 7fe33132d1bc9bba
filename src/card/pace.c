/* So many requests of a merchant a second. */
#include "card/card_internal.h"

#define TRIED 8

/* A merchant's place in the table. When all where it may be are others' that are busy, it shares
 * one: that limits too much rather than too little. */
static struct pace *pace_of(struct paces *t, int64_t merchant_id, int64_t now_us)
{
    struct pace *idle = NULL;
    for (uint64_t i = 0; i < TRIED; i++) {
        struct pace *p = &t->pace[((uint64_t)merchant_id + i) % PACES];
        if (p->merchant_id == merchant_id)
            return p;
        if (!idle && p->next_us <= now_us - 1000000)
            idle = p;
    }
    if (!idle)
        return &t->pace[(uint64_t)merchant_id % PACES];
    *idle = (struct pace){.merchant_id = merchant_id};
    return idle;
}

bool pace_take(struct paces *t, int64_t merchant_id, int64_t per_second, int64_t now_us)
{
    if (per_second <= 0)
        return true;
    int64_t each_us = num_max(1000000 / per_second, 1);
    struct pace *p = pace_of(t, merchant_id, now_us);
    p->next_us = num_max(p->next_us, now_us - 1000000 + each_us);
    bool good = p->next_us <= now_us;
    if (good)
        p->next_us += each_us;
    return good;
}

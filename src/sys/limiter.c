/* How often something may happen, by key, in the memory of this node. */
#include "sys/limiter.h"

#include "sys/sys.h"

#define WAYS 4

void limiter_init(struct limiter *l)
{
    pthread_mutex_init(&l->lock, NULL);
}

void limiter_release(struct limiter *l)
{
    pthread_mutex_destroy(&l->lock);
}

/* Ids differ in a few bytes only. Source: FNV-1a. */
static uint64_t mix(const uint8_t key[16])
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (int i = 0; i < 16; i++)
        h = (h ^ key[i]) * UINT64_C(1099511628211);
    return h ^ h >> 32;
}

/* The key's place, or the oldest of those it may have. */
static struct limiter_slot *place_of(struct limiter *l, const uint8_t key[16])
{
    size_t set = (size_t)(mix(key) % (LIMITER_SLOTS / WAYS));
    struct limiter_slot *slots = l->slots + set * WAYS, *oldest = slots;
    for (size_t i = 0; i < WAYS; i++) {
        if (slots[i].count && memcmp(slots[i].key, key, 16) == 0)
            return &slots[i];
        if (slots[i].since_us < oldest->since_us)
            oldest = &slots[i];
    }
    *oldest = (struct limiter_slot){.count = 0};
    memcpy(oldest->key, key, 16);
    return oldest;
}

bool limiter_take(struct limiter *l, const uint8_t key[16], int max, int64_t window_us,
                  int *ret_wait_s)
{
    int64_t now_us = sys_mono_us();
    pthread_mutex_lock(&l->lock);
    struct limiter_slot *s = place_of(l, key);
    if (s->count == 0 || now_us - s->since_us >= window_us) {
        s->since_us = now_us;
        s->count = 0;
    }
    bool good = s->count < max;
    if (good)
        s->count++;
    if (ret_wait_s)
        *ret_wait_s = (int)((s->since_us + window_us - now_us) / 1000000) + 1;
    pthread_mutex_unlock(&l->lock);
    return good;
}

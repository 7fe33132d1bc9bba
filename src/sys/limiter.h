/* How often something may happen, by key, in the memory of this process. */
#ifndef FLORIN_SYS_LIMITER_H
#define FLORIN_SYS_LIMITER_H

#include <pthread.h>

#include "base/base.h"

/* How often something may happen within a time, by key: in memory, of this node. What does not fit
 * forgets what is oldest. */
#define LIMITER_SLOTS 4096
struct limiter_slot {
    uint8_t key[16];
    int64_t since_us;
    int count;
};
struct limiter {
    pthread_mutex_t lock;
    struct limiter_slot slots[LIMITER_SLOTS];
};
/* Shape: zeroed. */
void limiter_init(struct limiter *l);
/* The end. */
void limiter_release(struct limiter *l);
/* Once more; false: it happened max times within the window. ret_wait_s (or NULL): until it ends.
 */
bool limiter_take(struct limiter *l, const uint8_t key[16], int max, int64_t window_us,
                  int *ret_wait_s);

#endif

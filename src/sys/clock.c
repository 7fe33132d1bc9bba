/* Clock and randomness: the simulator has others in their place. */
#include "sys/sys.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static int64_t clock_us(clockid_t id)
{
    struct timespec ts;
    int rc = clock_gettime(id, &ts);
    ASSERT(rc == 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t sys_wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t sys_now_us(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct steady steady;
    pthread_mutex_lock(&lock);
    /* a time in which the machine was suspended has passed, for leases too */
    int64_t now_us = steady_us(&steady, sys_wall_us(), clock_us(CLOCK_BOOTTIME));
    pthread_mutex_unlock(&lock);
    return now_us;
}

int64_t sys_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

void sys_random(void *p, size_t n)
{
    char *at = p;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            check_panic("the kernel gives no randomness");
        at += got;
        n -= (size_t)got;
    }
}

/* One system call for many seeds. What was handed out is wiped; roles are executed, not forked, so
 * no two processes share a store of seeds. */
struct det sys_det(void)
{
    static _Thread_local uint8_t seeds[32][32];
    static _Thread_local size_t left;
    if (left == 0) {
        sys_random(seeds, sizeof seeds);
        left = COUNT_OF(seeds);
    }
    uint8_t *seed = seeds[--left];
    struct det det = det_make(sys_now_us(), seed);
    mem_wipe(seed, sizeof seeds[0]);
    return det;
}

void sys_pause_us(int64_t us)
{
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    (void)nanosleep(&t, NULL);
}

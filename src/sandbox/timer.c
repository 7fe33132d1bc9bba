/* One thread for all who are to wait: a list in order of time. */
#include "sandbox/sandbox_internal.h"

#include <errno.h>
#include "sys/sys.h"

/* The list's first wait when it is due; waits for that. NULL: stopping. */
static struct wait *next_due(struct timer *t)
{
    while (!t->stopping) {
        if (!t->head) {
            pthread_cond_wait(&t->changed, &t->lock);
            continue;
        }
        struct wait *w = t->head;
        if (w->due_us <= sys_mono_us()) {
            t->head = w->next;
            return w;
        }
        struct timespec at = {.tv_sec = (time_t)(w->due_us / 1000000),
                              .tv_nsec = (long)(w->due_us % 1000000 * 1000)};
        int rc = pthread_cond_timedwait(&t->changed, &t->lock, &at);
        ASSERT(rc == 0 || rc == ETIMEDOUT);
    }
    return NULL;
}

static void *run(void *arg)
{
    struct timer *t = arg;
    pthread_mutex_lock(&t->lock);
    for (struct wait *w; (w = next_due(t));) {
        pthread_mutex_unlock(&t->lock);
        w->fire(w, false); /* may free it */
        pthread_mutex_lock(&t->lock);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

void timer_start(struct timer *t)
{
    pthread_condattr_t attr;
    *t = (struct timer){0};
    int failed = pthread_condattr_init(&attr) | pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) |
                 pthread_mutex_init(&t->lock, NULL) | pthread_cond_init(&t->changed, &attr);
    ASSERT(failed == 0);
    pthread_condattr_destroy(&attr);
    t->thread = sys_thread("sandbox-timer", run, t);
}

void timer_stop(struct timer *t)
{
    pthread_mutex_lock(&t->lock);
    t->stopping = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    struct wait *w = t->head; /* nobody adds any more */
    t->head = NULL;
    while (w) {
        struct wait *next = w->next;
        w->fire(w, true);
        w = next;
    }
}

void timer_add(struct timer *t, struct wait *w, int64_t ms)
{
    ASSERT(w->fire && ms >= 0);
    w->due_us = sys_mono_us() + ms * 1000;
    pthread_mutex_lock(&t->lock);
    bool stopping = t->stopping;
    if (!stopping) {
        struct wait **at = &t->head;
        while (*at && (*at)->due_us <= w->due_us)
            at = &(*at)->next;
        w->next = *at;
        *at = w;
        pthread_cond_signal(&t->changed);
    }
    pthread_mutex_unlock(&t->lock);
    if (stopping)
        w->fire(w, true);
}

void timer_hold(struct timer *t, struct wait *w, const char *reference)
{
    ASSERT(reference && !w->held);
    pthread_mutex_lock(&t->lock);
    w->held = reference;
    w->held_next = t->held;
    t->held = w;
    pthread_mutex_unlock(&t->lock);
}

void timer_release(struct timer *t, struct wait *w)
{
    if (!w->held)
        return;
    pthread_mutex_lock(&t->lock);
    struct wait **at = &t->held;
    while (*at && *at != w)
        at = &(*at)->held_next;
    ASSERT(*at == w);
    *at = w->held_next;
    w->held = NULL;
    pthread_mutex_unlock(&t->lock);
}

bool timer_holds(struct timer *t, struct str reference)
{
    bool found = false;
    pthread_mutex_lock(&t->lock);
    for (struct wait *w = t->held; w && !found; w = w->held_next)
        found = str_eq(reference, str_from(w->held));
    pthread_mutex_unlock(&t->lock);
    return found;
}

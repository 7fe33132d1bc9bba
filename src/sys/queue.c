/* The queue between threads. */
#include <errno.h>

#include "sys/sys.h"

void queue_init(struct queue *q, size_t max)
{
    pthread_condattr_t attr;
    *q = (struct queue){.max = max};
    q->tail = &q->head;
    int rc = pthread_mutex_init(&q->lock, NULL);
    rc |= pthread_condattr_init(&attr);
    rc |= pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    rc |= pthread_cond_init(&q->nonempty, &attr);
    ASSERT(rc == 0 && max > 0);
    pthread_condattr_destroy(&attr);
}

bool queue_put(struct queue *q, struct queue_item *item)
{
    pthread_mutex_lock(&q->lock);
    bool ok = !q->closed && q->count < q->max;
    if (ok) {
        item->next = NULL;
        *q->tail = item;
        q->tail = &item->next;
        if (q->count++ == 0)
            pthread_cond_signal(&q->nonempty);
    }
    pthread_mutex_unlock(&q->lock);
    return ok;
}

static void wait_nonempty(struct queue *q, int64_t timeout_us)
{
    if (timeout_us < 0) {
        while (!q->head && !q->closed)
            pthread_cond_wait(&q->nonempty, &q->lock);
        return;
    }
    int64_t end_us = sys_mono_us() + timeout_us;
    struct timespec end = {end_us / 1000000, (end_us % 1000000) * 1000};
    while (!q->head && !q->closed)
        if (pthread_cond_timedwait(&q->nonempty, &q->lock, &end) == ETIMEDOUT)
            return;
}

struct queue_item *queue_take(struct queue *q, size_t max, int64_t timeout_us)
{
    ASSERT(max > 0);
    pthread_mutex_lock(&q->lock);
    wait_nonempty(q, timeout_us);
    struct queue_item *first = q->head, *last = first;
    size_t n = first ? 1 : 0;
    while (last && last->next && n < max) {
        last = last->next;
        n++;
    }
    if (last) {
        q->head = last->next;
        if (!q->head)
            q->tail = &q->head;
        last->next = NULL;
        q->count -= n;
    }
    pthread_mutex_unlock(&q->lock);
    return first;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->nonempty);
    pthread_mutex_unlock(&q->lock);
}

size_t queue_count(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t n = q->count;
    pthread_mutex_unlock(&q->lock);
    return n;
}

void queue_release(struct queue *q)
{
    ASSERT(q->head == NULL);
    pthread_cond_destroy(&q->nonempty);
    pthread_mutex_destroy(&q->lock);
}

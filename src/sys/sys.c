/* Threads, the queue, what a process may not do. */
#include "sys/sys.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

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

pthread_t sys_thread(const char *name, void *(*run)(void *), void *arg)
{
    /* signals of a thread's own faults stay open, or their handlers (a sanitizer's report) are
     * skipped */
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    pthread_t t;
    sigset_t blocked, before;
    ASSERT(strlen(name) <= 15);
    sigfillset(&blocked);
    for (size_t i = 0; i < COUNT_OF(faults); i++)
        sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int rc = pthread_create(&t, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        check_panic("no thread for %s", name);
    (void)pthread_setname_np(t, name);
    return t;
}

/* The leak checker has to trace the process. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif

void sys_harden(void)
{
    const struct rlimit none = {0, 0};
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        check_panic("SIGPIPE cannot be ignored");
    umask(077);
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        check_panic("core dumps cannot be switched off");
#ifndef UNDER_SANITIZER
    if (prctl(PR_SET_DUMPABLE, 0) != 0)
        check_panic("tracing cannot be switched off");
#endif
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

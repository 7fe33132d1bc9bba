/* The worker thread: records results, makes deliveries of new events, takes due ones, sends. One
 * transaction does each of these for many deliveries, so the cost of a commit is shared. */
#include "observe/observe.h"
#include "webhooks/webhooks_internal.h"

#define TICK_US INT64_C(1000000)
/* Without any endpoint a wake-up is no reason to look at once. */
#define SCAN_IDLE_US INT64_C(250000)
#define RETRY_US INT64_C(100000)

void webhooks_wake(struct webhooks *w)
{
    pthread_mutex_lock(&w->lock);
    bool first = !w->woken;
    w->woken = true;
    if (first)
        pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

struct look {
    int64_t pending, next_us;
};

static err_t run_look(struct store_tx *tx, void *arg)
{
    struct look *l = arg;
    struct store_row *row;
    err_t err = store_one(tx, SQL_WEBHOOKS_COUNT_PENDING, &row, V_INT(JOB_DELIVERY));
    l->pending = !err && row ? row_int(row, 0) : 0;
    return err ? err : job_next(tx, JOB_DELIVERY, &l->next_us);
}

/* Jobs may come from others than this worker. */
static void look_for_jobs(struct webhooks *w)
{
    int64_t now = sys_mono_us();
    struct look l = {.pending = 0};
    if (now < w->look_us)
        return;
    w->look_us = now + TICK_US;
    if (store_read(w->config.store, run_look, &l) != OK)
        return;
    metric_set(METRIC_WEBHOOK_PENDING, NULL, l.pending);
    if (l.next_us > 0)
        w->claim_us = num_min(w->claim_us, l.next_us);
}

static struct attempt *finished_take(struct webhooks *w)
{
    pthread_mutex_lock(&w->lock);
    struct attempt *list = w->finished;
    w->finished = NULL;
    pthread_mutex_unlock(&w->lock);
    return list;
}

static void finished_put_back(struct webhooks *w, struct attempt *list)
{
    struct attempt **end = &list;
    while (*end)
        end = &(*end)->next;
    pthread_mutex_lock(&w->lock);
    *end = w->finished;
    w->finished = list;
    pthread_mutex_unlock(&w->lock);
}

static err_t record_finished(struct webhooks *w)
{
    struct attempt *list = finished_take(w);
    if (!list)
        return OK;
    err_t err = attempts_record(w, &list);
    if (list)
        finished_put_back(w, list);
    return err;
}

static bool take_woken(struct webhooks *w)
{
    pthread_mutex_lock(&w->lock);
    bool woken = w->woken;
    w->woken = false;
    pthread_mutex_unlock(&w->lock);
    return woken;
}

static err_t scan(struct webhooks *w, bool *ret_more)
{
    int64_t now = sys_mono_us();
    *ret_more = false;
    if (take_woken(w))
        w->scan_us = num_min(w->scan_us, w->endpoints_exist ? 0 : now + SCAN_IDLE_US);
    if (now < w->scan_us)
        return OK;
    err_t err = fanout_run(w, ret_more);
    w->scan_us = *ret_more ? 0 : now + TICK_US;
    return err;
}

/* One round of everything that can be done now. */
static err_t round_run(struct webhooks *w, bool *ret_more)
{
    err_t err = record_finished(w);
    if (!err)
        err = scan(w, ret_more);
    if (!err && sys_now_us() >= w->claim_us)
        err = claim_run(w);
    err_t sent = attempts_send(w);
    look_for_jobs(w);
    return err ? err : sent;
}

static void wait_until(struct webhooks *w, int64_t mono_us)
{
    struct timespec t = {.tv_sec = mono_us / 1000000, .tv_nsec = mono_us % 1000000 * 1000};
    while (!w->stopping && !w->finished && !w->woken &&
           pthread_cond_timedwait(&w->changed, &w->lock, &t) == 0)
        ;
}

/* When the next round is due, if nothing wakes it before. */
static int64_t round_due(const struct webhooks *w, err_t err, bool more)
{
    int64_t now = sys_mono_us(), wall = sys_now_us();
    if (err) /* the store takes nothing just now; no hurry */
        return now + RETRY_US;
    if (more)
        return now;
    int64_t until = num_min(w->scan_us, now + TICK_US);
    if (w->in_flight < w->config.parallel && w->claim_us < wall + TICK_US)
        until = num_min(until, now + num_max(w->claim_us - wall, 0));
    return until;
}

/* After a failure nothing wakes it. */
static void wait_for_work(struct webhooks *w, err_t err, int64_t until)
{
    pthread_mutex_lock(&w->lock);
    if (err) {
        struct timespec t = {.tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000};
        while (!w->stopping && pthread_cond_timedwait(&w->changed, &w->lock, &t) == 0)
            ;
    } else {
        wait_until(w, until);
    }
    pthread_mutex_unlock(&w->lock);
}

static bool is_stopping(struct webhooks *w)
{
    pthread_mutex_lock(&w->lock);
    bool stopping = w->stopping;
    pthread_mutex_unlock(&w->lock);
    return stopping;
}

/* What is being sent is awaited and recorded; nothing new begins. */
static void drain(struct webhooks *w)
{
    while (w->taken) {
        struct attempt *a = w->taken;
        w->taken = a->next;
        attempt_release(a);
    }
    while (w->in_flight > 0 && sys_mono_us() < w->stop_by_us) {
        err_t err = record_finished(w);
        pthread_mutex_lock(&w->lock);
        int64_t until = err ? sys_mono_us() + RETRY_US : w->stop_by_us;
        struct timespec t = {.tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000};
        while ((err || !w->finished) && w->in_flight > 0 &&
               pthread_cond_timedwait(&w->changed, &w->lock, &t) == 0)
            ;
        pthread_mutex_unlock(&w->lock);
    }
    err_t err = record_finished(w);
    if (err)
        LOG(LOG_WARN, "webhooks_results_lost", LOG_STR("error", error_def(err)->code));
}

static err_t round_logged(struct webhooks *w, bool *ret_more)
{
    err_t err = round_run(w, ret_more);
    if (err)
        LOG(LOG_WARN, "webhooks_round_failed", LOG_STR("error", error_def(err)->code));
    return err;
}

static void *worker_run(void *arg)
{
    struct webhooks *w = arg;
    while (!is_stopping(w)) {
        bool more = false;
        err_t err = round_logged(w, &more);
        if (err || !more)
            wait_for_work(w, err, round_due(w, err, more));
    }
    drain(w);
    return NULL;
}

int64_t webhooks_step(struct webhooks *w)
{
    bool more = false;
    ASSERT(w->config.stepped);
    err_t err = round_logged(w, &more);
    return round_due(w, err, more);
}

bool webhooks_woken(struct webhooks *w)
{
    return w->woken || w->finished;
}

/* --- starting and stopping --- */

err_t webhooks_start(const struct webhooks_config *config, struct webhooks **ret,
                     struct err_info *reterr)
{
    ASSERT(config->store && config->client && config->secret_key && config->parallel > 0);
    struct webhooks *w = mem_alloc(sizeof *w);
    if (!w)
        return error_set(reterr, ERR_NO_MEMORY, "No memory for the webhooks worker.");
    w->config = *config;
    w->config.schedule = NULL; /* read below; the caller's text may go */
    err_t err = schedule_read(&w->schedule, str_from(config->schedule), reterr);
    if (!err && config->lease_us <= config->timeout_ms * 1000)
        err = error_set(reterr, ERR_CONFIG, "lease_ms must be longer than webhook_timeout_ms.");
    w->lanes_n = 2 * (size_t)config->parallel;
    w->lanes = err ? NULL : mem_alloc(w->lanes_n * sizeof *w->lanes);
    if (!err && !w->lanes)
        err = error_set(reterr, ERR_NO_MEMORY, "No memory for the webhooks worker.");
    if (err) {
        mem_free(w);
        return err;
    }
    w->lane_max = (int)num_max(config->parallel / 4, 1);
    w->det = sys_det();
    w->endpoints_exist = true;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (!w->config.stepped)
        w->thread = sys_thread("webhooks", worker_run, w);
    *ret = w;
    return OK;
}

void webhooks_free(struct webhooks *w)
{
    for (struct attempt *a = w->finished, *next; a; a = next) {
        next = a->next;
        attempt_free(a);
    }
    for (struct attempt *a = w->taken, *next; a; a = next) {
        next = a->next;
        attempt_free(a);
    }
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    mem_free(w->lanes);
    mem_free(w);
}

void webhooks_stop(struct webhooks *w, int wait_ms)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    w->stop_by_us = sys_mono_us() + (int64_t)wait_ms * 1000;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    if (!w->config.stepped)
        pthread_join(w->thread, NULL);
    pthread_mutex_lock(&w->lock);
    bool idle = w->calls == 0;
    w->abandoned = !idle;
    pthread_mutex_unlock(&w->lock);
    if (idle)
        webhooks_free(w);
}

/* Jobs about cards: claimed, read, told, ended. Every step of the store is an operation of its own;
 * what is asked of the role `card` is asked between them, with no transaction open. */
#include "node/card_jobs.h"

#include "customers/customers.h"
#include "observe/observe.h"

#define ACTIVE_MAX 64
#define SAID_AFTER 5 /* attempts */

struct card_job {
    struct card_job *next;
    struct card_jobs *c;
    struct store_op op;
    struct det det;
    struct card_work work;
    err_t said;
};

static void finish(struct card_job *j)
{
    struct card_jobs *c = j->c;
    pthread_mutex_lock(&c->lock);
    c->active--;
    pthread_mutex_unlock(&c->lock);
    mem_free(j);
}

/* A job that is left alone is found again when its lease ends. */
static void submit(struct card_job *j, err_t (*run)(struct store_tx *tx, void *arg),
                   void (*done)(err_t err, void *arg))
{
    j->det = j->c->det(NULL);
    j->op = (struct store_op){
        .merchant_id = j->work.job.merchant_id, .run = run, .done = done, .arg = j};
    if (store_submit(j->c->store, &j->op) != OK)
        finish(j);
}

/* --- the end --- */
static err_t run_end(struct store_tx *tx, void *arg)
{
    struct card_job *j = arg;
    struct det det = j->det;
    return card_work_end(tx, &det, &j->work, j->said);
}

static const char *order_text(enum card_order order)
{
    return order == CARD_ORDER_FORGET ? "forget" : order == CARD_ORDER_KEEP ? "keep" : "expiry";
}

static void count(const struct card_job *j)
{
    const char *order = order_text(j->work.order);
    metric_add(METRIC_CARD_JOBS,
               j->said == OK              ? "result=\"done\""
               : j->said == ERR_NOT_FOUND ? "result=\"not_there\""
                                          : "result=\"again\"",
               1);
    if (j->said == ERR_NOT_FOUND)
        LOG(LOG_WARN, "card.not_there", LOG_INT("merchant", j->work.job.merchant_id),
            LOG_STR("order", order));
    else if (j->said && j->work.job.attempts == SAID_AFTER)
        LOG(LOG_WARN, "card.not_told", LOG_INT("merchant", j->work.job.merchant_id),
            LOG_STR("order", order), LOG_STR("error", error_def(j->said)->code));
}

static void ended(err_t err, void *arg)
{
    struct card_job *j = arg;
    if (!err)
        count(j);
    else if (err != ERR_LEASE_LOST)
        LOG(LOG_ERROR, "card.job_not_ended", LOG_STR("error", error_def(err)->code));
    finish(j);
}

/* --- telling --- */
static void told(const struct link_frame *a, void *arg)
{
    struct card_job *j = arg;
    struct link_reader r = {.rest = a ? a->payload : (struct str){NULL, 0}};
    int64_t err = a ? link_take_int(&r) : ERR_UNAVAILABLE;
    bool good = a && link_taken(&r) && err >= 0 && err < ERR_COUNT;
    j->said = good ? (err_t)err : ERR_UNAVAILABLE;
    submit(j, run_end, ended);
}

static void tell(struct card_job *j)
{
    const struct card_work *w = &j->work;
    struct buf b = BUF(LINK_SMALL);
    link_put_int(&b, w->job.merchant_id);
    link_put_id(&b, w->card);
    if (w->order == CARD_ORDER_EXPIRY) {
        link_put_int(&b, w->month);
        link_put_int(&b, w->year);
    }
    enum link_message message = w->order == CARD_ORDER_FORGET ? LINK_FORGET
                                : w->order == CARD_ORDER_KEEP ? LINK_KEEP
                                                              : LINK_EXPIRY;
    struct card_way *way = &j->c->way;
    err_t err = b.failed ? ERR_NO_MEMORY : way->ask(way->self, message, buf_view(&b), told, j);
    buf_free(&b);
    if (err) {
        j->said = err;
        submit(j, run_end, ended);
    }
}

/* --- reading the row --- */
static err_t run_begin(struct store_tx *tx, void *arg)
{
    struct card_job *j = arg;
    struct det det = j->det;
    return card_work_begin(tx, &det, &j->work);
}

/* On a thread of the store, which is not to wait for a link. */
static void begun(err_t err, void *arg)
{
    struct card_job *j = arg;
    struct card_jobs *c = j->c;
    if (err && err != ERR_LEASE_LOST)
        LOG(LOG_ERROR, "card.job_not_read", LOG_STR("error", error_def(err)->code));
    if (err || j->work.order == CARD_ORDER_NONE) {
        finish(j);
        return;
    }
    pthread_mutex_lock(&c->lock);
    j->next = c->ready;
    c->ready = j;
    pthread_mutex_unlock(&c->lock);
}

static void take_up(struct card_jobs *c, const struct job *job)
{
    struct card_job *j = mem_alloc(sizeof *j);
    if (!j)
        return;
    j->c = c;
    j->work.job = *job;
    pthread_mutex_lock(&c->lock);
    c->active++;
    pthread_mutex_unlock(&c->lock);
    submit(j, run_begin, begun);
}

/* --- claiming --- */
static err_t run_claim(struct store_tx *tx, void *arg)
{
    struct card_jobs *c = arg;
    c->claimed_n = 0;
    return job_claim(tx, JOB_CARD, c->claim_det.now_us, c->lease_us, c->claimed, CARD_JOBS_CLAIM,
                     &c->claimed_n);
}

static void claimed(err_t err, void *arg)
{
    struct card_jobs *c = arg;
    if (err && err != ERR_UNAVAILABLE)
        LOG(LOG_ERROR, "card.claim_failed", LOG_STR("error", error_def(err)->code));
    for (size_t i = 0; !err && i < c->claimed_n; i++)
        take_up(c, &c->claimed[i]);
    pthread_mutex_lock(&c->lock);
    c->claiming = false;
    pthread_mutex_unlock(&c->lock);
}

void card_jobs_turn(struct card_jobs *c)
{
    pthread_mutex_lock(&c->lock);
    struct card_job *ready = c->ready;
    c->ready = NULL;
    bool claim = !c->claiming && c->active < ACTIVE_MAX;
    c->claiming = c->claiming || claim;
    pthread_mutex_unlock(&c->lock);
    while (ready) {
        struct card_job *j = ready;
        ready = j->next;
        tell(j);
    }
    if (!claim)
        return;
    c->claim_det = c->det(NULL);
    c->op = (struct store_op){.run = run_claim, .done = claimed, .arg = c};
    if (store_submit(c->store, &c->op) != OK)
        claimed(ERR_UNAVAILABLE, c);
}

/* --- beginning and end --- */
void card_jobs_init(struct card_jobs *c, struct store *store, struct card_way way,
                    struct det (*det)(void *self), int64_t lease_us)
{
    *c = (struct card_jobs){.store = store, .way = way, .det = det, .lease_us = lease_us};
    pthread_mutex_init(&c->lock, NULL);
}

bool card_jobs_idle(struct card_jobs *c)
{
    pthread_mutex_lock(&c->lock);
    bool idle = c->active == 0 && !c->claiming;
    pthread_mutex_unlock(&c->lock);
    return idle;
}

void card_jobs_release(struct card_jobs *c)
{
    while (c->ready) {
        struct card_job *j = c->ready;
        c->ready = j->next;
        finish(j);
    }
    pthread_mutex_destroy(&c->lock);
}

/* From events to deliveries, and from due deliveries to attempts: the worker's two transactions
 * that take work. Their functions run on the store's writer while the worker waits, so they may
 * touch what is the worker's. They may run again from the beginning: everything they leave is made
 * anew. */
#include "observe/observe.h"
#include "webhooks/webhooks_internal.h"

/* --- which endpoints are behind --- */

struct behind {
    int64_t merchant_id[BEHIND_MAX];
    struct id endpoint[BEHIND_MAX];
    int n;
    bool any_enabled;
};

static err_t add_behind(struct store_row *row, void *arg)
{
    struct behind *b = arg;
    ASSERT(b->n < BEHIND_MAX);
    b->merchant_id[b->n] = row_int(row, 0);
    b->endpoint[b->n++] = row_id(row, 1);
    return OK;
}

static err_t read_behind(struct store_tx *tx, void *arg)
{
    struct behind *b = arg;
    struct store_row *row;
    *b = (struct behind){.n = 0};
    err_t err = store_one(tx, SQL_WEBHOOKS_SELECT_ENDPOINT_ENABLED, &row, V_INT(1));
    if (err || !row)
        return err;
    b->any_enabled = true;
    return store_each(tx, SQL_WEBHOOKS_SELECT_ENDPOINTS_BEHIND, add_behind, b, V_INT(BEHIND_MAX));
}

/* --- fan-out --- */

struct head {
    int64_t sequence, type, created_us;
};
struct fanout {
    struct webhooks *w;
    const struct behind *behind;
    int64_t now_us;
    int chunk;
    struct head heads[FANOUT_CHUNK];
    int heads_n;
    struct job *taken; /* room for `places` */
    size_t places, taken_n;
    bool left_free; /* jobs were made that are due and nobody's */
    bool more;
};

static err_t add_head(struct store_row *row, void *arg)
{
    struct fanout *f = arg;
    ASSERT(f->heads_n < FANOUT_CHUNK);
    f->heads[f->heads_n++] = (struct head){row_int(row, 0), row_int(row, 1), row_int(row, 2)};
    return OK;
}

static err_t make_delivery(struct store_tx *tx, struct fanout *f, int64_t merchant_id,
                           struct id endpoint, const struct head *h)
{
    struct webhooks *w = f->w;
    int64_t wait = w->schedule.wait_us[0];
    struct job job = delivery_job(merchant_id, endpoint, h->sequence, h->created_us);
    struct lane *lane = wait == 0 ? lane_of(w, merchant_id, endpoint) : NULL;
    bool take = lane && f->taken_n < f->places && lane_free(w, lane);
    job.due_us = f->now_us + wait;
    if (take)
        job.until_us = f->now_us + w->config.lease_us;
    else if (wait == 0)
        f->left_free = true;
    err_t err =
        store_exec(tx, SQL_WEBHOOKS_INSERT_DELIVERY, NULL, V_INT(merchant_id), V_ID(&endpoint),
                   V_INT(h->sequence), V_INT(job.due_us), V_INT(f->now_us));
    if (!err)
        err = job_add(tx, &job);
    if (!err && take) {
        lane->planned++;
        f->taken[f->taken_n++] = job;
    }
    return err;
}

static err_t fanout_endpoint(struct store_tx *tx, struct fanout *f, int64_t merchant_id,
                             struct id id)
{
    struct endpoint e;
    bool found;
    err_t err = endpoint_get(tx, merchant_id, id, &e, &found);
    if (err || !found || e.status != ENDPOINT_ENABLED)
        return err;
    uint64_t mask = endpoint_events_mask(e.enabled_events);
    f->heads_n = 0;
    err = store_each(tx, SQL_WEBHOOKS_SELECT_EVENT_HEADS, add_head, f, V_INT(merchant_id),
                     V_INT(e.cursor), V_INT(f->chunk));
    if (err || f->heads_n == 0)
        return err;
    f->more = f->more || f->heads_n == f->chunk;
    /* First the cursor: it keeps other nodes off the same events until the commit. */
    err = store_exec_one(tx, SQL_WEBHOOKS_UPDATE_ENDPOINT_CURSOR, ERR_SOFT,
                         V_INT(f->heads[f->heads_n - 1].sequence), V_INT(merchant_id), V_ID(&id),
                         V_INT(e.cursor));
    for (int i = 0; !err && i < f->heads_n; i++) {
        const struct head *h = &f->heads[i];
        if (h->type >= 0 && h->type < 64 && (mask >> h->type & 1))
            err = make_delivery(tx, f, merchant_id, id, h);
    }
    return err;
}

static err_t run_fanout(struct store_tx *tx, void *arg)
{
    struct fanout *f = arg;
    f->taken_n = 0;
    f->left_free = f->more = false;
    lanes_plan(f->w);
    err_t err = OK;
    for (int i = 0; !err && i < f->behind->n; i++)
        err = fanout_endpoint(tx, f, f->behind->merchant_id[i], f->behind->endpoint[i]);
    return err;
}

static size_t places(const struct webhooks *w)
{
    ASSERT(w->in_flight <= w->config.parallel);
    return (size_t)(w->config.parallel - w->in_flight);
}

static err_t fanout_behind(struct webhooks *w, const struct behind *behind, bool *ret_more)
{
    struct fanout f = {.w = w,
                       .behind = behind,
                       .now_us = sys_now_us(),
                       .places = places(w),
                       .chunk = (int)num_max(FANOUT_CHUNK / behind->n, FANOUT_CHUNK / 50)};
    f.taken = mem_alloc((f.places + 1) * sizeof *f.taken);
    if (!f.taken)
        return ERR_NO_MEMORY;
    err_t err = store_write(w->config.store, 0, run_fanout, &f);
    lanes_plan(w);
    for (size_t i = 0; !err && i < f.taken_n; i++)
        attempt_take(w, &f.taken[i]);
    if (!err && f.left_free)
        w->claim_us = 0;
    *ret_more = !err && (f.more || behind->n == BEHIND_MAX);
    mem_free(f.taken);
    return err;
}

err_t fanout_run(struct webhooks *w, bool *ret_more)
{
    struct behind behind;
    *ret_more = false;
    err_t err = store_read(w->config.store, read_behind, &behind);
    if (err)
        return err;
    w->endpoints_exist = behind.any_enabled;
    return behind.n > 0 ? fanout_behind(w, &behind, ret_more) : OK;
}

/* --- claiming --- */

struct claim {
    struct webhooks *w;
    int64_t now_us, next_us;
    struct job *jobs;
    bool *kept;
    size_t max, n;
};

static err_t run_claim(struct store_tx *tx, void *arg)
{
    struct claim *c = arg;
    struct webhooks *w = c->w;
    lanes_plan(w);
    err_t err = job_claim(tx, JOB_DELIVERY, c->now_us, w->config.lease_us, c->jobs, c->max, &c->n);
    for (size_t i = 0; !err && i < c->n; i++) {
        struct delivery_key key = delivery_key(&c->jobs[i]);
        struct lane *lane = lane_of(w, key.merchant_id, key.endpoint);
        c->kept[i] = lane && lane_free(w, lane);
        if (c->kept[i]) {
            lane->planned++;
            continue;
        }
        c->jobs[i].due_us = lane ? lane_park(w, lane, c->now_us) : c->now_us + 1000000;
        err = job_defer(tx, &c->jobs[i]);
    }
    if (!err)
        err = job_next(tx, JOB_DELIVERY, &c->next_us);
    return err;
}

err_t claim_run(struct webhooks *w)
{
    struct claim c = {.w = w, .now_us = sys_now_us(), .max = places(w)};
    if (c.max == 0)
        return OK;
    c.jobs = mem_alloc(c.max * sizeof *c.jobs);
    c.kept = mem_alloc(c.max * sizeof *c.kept);
    err_t err = c.jobs && c.kept ? store_write(w->config.store, 0, run_claim, &c) : ERR_NO_MEMORY;
    lanes_plan(w);
    for (size_t i = 0; !err && i < c.n; i++)
        if (c.kept[i])
            attempt_take(w, &c.jobs[i]);
    if (!err)
        w->claim_us = c.next_us > 0 ? c.next_us : INT64_MAX;
    mem_free(c.jobs);
    mem_free(c.kept);
    return err;
}

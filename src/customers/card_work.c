/* The vault follows the rows of its cards: jobs that say what changed. What is to be told is read
 * from the row, so that a job that comes late, or twice, tells what is true by then. */
#include "customers/customers_internal.h"

#define BACKOFF_US INT64_C(1000000)
#define BACKOFF_MAX_US INT64_C(300000000)

/* What a job is about ‖ the method. */
enum { ABOUT_STATE = 1, ABOUT_EXPIRY = 2, PACKED = 17 };

static err_t follow(struct store_tx *tx, int64_t merchant_id, struct id method, int about,
                    int64_t due_us)
{
    struct job job = {.merchant_id = merchant_id,
                      .id = about == ABOUT_STATE ? method : id_derive(method, (unsigned)about),
                      .kind = JOB_CARD,
                      .due_us = due_us,
                      .payload_n = PACKED},
               there;
    bool found;
    job.payload[0] = (uint8_t)about;
    memcpy(job.payload + 1, method.b, sizeof method.b);
    err_t err = job_read(tx, merchant_id, job.id, &there, &found);
    if (err)
        return err;
    /* Who holds it looks at the row again before the job ends. */
    return found ? job_hasten(tx, merchant_id, job.id, due_us) : job_add(tx, &job);
}

err_t card_follow(struct store_tx *tx, int64_t merchant_id, const struct method *m, int64_t due_us)
{
    return method_in_vault(m) ? follow(tx, merchant_id, m->id, ABOUT_STATE, due_us) : OK;
}

err_t card_follow_expiry(struct store_tx *tx, int64_t merchant_id, const struct method *m,
                         int64_t now_us)
{
    return method_in_vault(m) ? follow(tx, merchant_id, m->id, ABOUT_EXPIRY, now_us) : OK;
}

/* --- doing --- */

static err_t put_off(struct store_tx *tx, const struct job *held, int64_t due_us)
{
    struct job job = *held; /* a repeat of the transaction starts from the same */
    job.due_us = due_us;
    return job_defer(tx, &job);
}

static err_t begin_state(struct store_tx *tx, const struct det *det, struct card_work *w,
                         struct method_row *r)
{
    int64_t end_us = r->m.created_us + METHOD_UNATTACHED_US;
    if (r->m.state == METHOD_UNATTACHED && det->now_us < end_us)
        return put_off(tx, &w->job, end_us);
    w->order = r->m.state == METHOD_ATTACHED ? CARD_ORDER_KEEP : CARD_ORDER_FORGET;
    if (r->m.state != METHOD_UNATTACHED)
        return OK;
    r->m.state = METHOD_DETACHED; /* nobody was told of it, so nobody is told of its end */
    r->updated_us = num_max(r->updated_us, det->now_us);
    return method_put(tx, w->job.merchant_id, r);
}

err_t card_work_begin(struct store_tx *tx, struct det *det, struct card_work *w)
{
    struct method_row r;
    bool found = false;
    w->order = CARD_ORDER_NONE;
    if (w->job.payload_n != PACKED)
        return ERR_INTERNAL;
    memcpy(w->card.b, w->job.payload + 1, sizeof w->card.b);
    err_t err = method_get(tx, w->job.merchant_id, w->card, &r, &found);
    if (err)
        return err;
    bool state = w->job.payload[0] == ABOUT_STATE;
    if (!found || (!state && r.m.state == METHOD_DETACHED))
        return job_finish(tx, &w->job);
    if (state)
        return begin_state(tx, det, w, &r);
    w->order = CARD_ORDER_EXPIRY;
    w->month = r.m.card_exp_month;
    w->year = r.m.card_exp_year;
    return OK;
}

static err_t try_later(struct store_tx *tx, struct det *det, const struct job *job)
{
    int64_t wait_us = BACKOFF_US;
    for (int32_t i = 0; i < job->attempts && wait_us < BACKOFF_MAX_US; i++)
        wait_us *= 2;
    wait_us = num_min(wait_us, BACKOFF_MAX_US);
    wait_us += (int64_t)det_below(det, (uint64_t)(wait_us / 5 + 1));
    return put_off(tx, job, det->now_us + wait_us);
}

static bool still_true(const struct card_work *w, const struct method *m)
{
    switch (w->order) {
    case CARD_ORDER_KEEP:
        return m->state == METHOD_ATTACHED;
    case CARD_ORDER_EXPIRY:
        return m->state == METHOD_DETACHED ||
               (m->card_exp_month == w->month && m->card_exp_year == w->year);
    case CARD_ORDER_FORGET:
    case CARD_ORDER_NONE:
        break;
    }
    return true; /* there is no way back */
}

err_t card_work_end(struct store_tx *tx, struct det *det, const struct card_work *w, err_t said)
{
    struct method_row r;
    bool found = false;
    ASSERT(w->order != CARD_ORDER_NONE);
    if (said && said != ERR_NOT_FOUND)
        return try_later(tx, det, &w->job);
    err_t err = method_get(tx, w->job.merchant_id, w->card, &r, &found);
    if (!err && found && !still_true(w, &r.m))
        return put_off(tx, &w->job, det->now_us);
    if (!err && found && said && w->order == CARD_ORDER_KEEP) /* nothing could be paid with it */
        err = method_detach(tx, det, w->job.merchant_id, w->card, NULL);
    return err ? err : job_finish(tx, &w->job);
}

err_t card_work_tidy(struct store_tx *tx, int64_t now_us)
{
    err_t err = job_not_after(tx, JOB_CARD, now_us + CARD_WORK_WAIT_US);
    return err ? err
               : store_exec(tx, SQL_CUSTOMERS_UPDATE_CARD_JOBS_NOT_AFTER, NULL,
                            V_INT(now_us + BACKOFF_MAX_US / 5 * 6), V_INT(JOB_CARD),
                            V_INT(METHOD_UNATTACHED));
}

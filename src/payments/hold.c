/* Flow payment_hold: a timer's. When a hold should have ended the provider is asked: its word
 * counts, not the clock. */
#include "payments/hold.h"

#include "base/num.h"
#include "payments/operation.h"

enum { HOLD_DUE, HOLD_SETTLE };

err_t hold_watch(struct store_tx *tx, const struct flow_run *run, const struct payment *p)
{
    return p->capture_before_us ? flow_schedule(tx, run, &payment_hold_flow, p->id, HOLD_NUMBER,
                                                HOLD_DUE, p->capture_before_us)
                                : OK;
}

err_t hold_over(struct store_tx *tx, const struct flow_run *run, const struct payment *p)
{
    if (payment_held(p) > 0)
        return OK;
    return flow_unschedule(tx, run, p->id, HOLD_NUMBER);
}

err_t hold_doubt(struct store_tx *tx, const struct flow_run *run, const struct payment *p)
{
    err_t err = flow_unschedule(tx, run, p->id, HOLD_NUMBER);
    return err ? err
               : flow_schedule(tx, run, &payment_hold_flow, p->id, HOLD_NUMBER, HOLD_DUE,
                               run->det.now_us);
}

/* The rest is released; what was captured stays. */
static err_t end(struct store_tx *tx, struct flow_run *run, struct payment *p, struct buf *json)
{
    struct journal j = {0};
    int64_t held = payment_held(p);
    ASSERT(held > 0);
    err_t err = p->captured > 0 ? OK : attempt_move(tx, run, p, ATTEMPT_DO_CANCEL, NULL);
    ledger_expiry(&j, p->provider_account, held);
    p->released += held;
    if (!err)
        err = payment_move(p, PAYMENT_DO_EXPIRE, &run->error);
    if (!err)
        err = operation_all_refunded(p, &run->error);
    if (!err)
        err = payment_post(tx, p, &j, id_derive(p->id, (unsigned)p->attempt));
    if (!err)
        err = payment_announce(tx, run, p, json);
    return err ? err : payment_save(tx, p);
}

/* Waits longer each time. */
static err_t again(struct store_tx *tx, struct flow_run *run, int64_t longest_us)
{
    int64_t wait_us = SECOND_US;
    for (int32_t i = 0; i < run->job.attempts && wait_us < longest_us; i++)
        wait_us *= 2;
    return flow_park_until(tx, run, HOLD_DUE, run->det.now_us + num_min(wait_us, longest_us));
}

/* Not now: *ret_wait. Another operation may be ending the hold, or has. */
static err_t look(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                  bool *ret_wait)
{
    *ret_wait = payment_capturable(p) == 0;
    if (!*ret_wait)
        return OK;
    return p->state == PAYMENT_PROCESSING ? again(tx, run, MINUTE_US) : flow_finish(tx, run);
}

/* The authorization as it was asked for: what was added later has references of its own. */
static err_t prepare_inquiry(struct store_tx *tx, struct flow_run *run, const struct payment *p)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_PAYMENTS_READ_ATTEMPT, &row, V_INT(p->merchant_id), V_ID(&p->id),
                          V_INT(p->attempt));
    if (err)
        return err;
    ASSERT(row != NULL);
    call_prepare(&run->call, OPERATION_AUTHORIZE, p);
    run->call.amount = row_int(row, 1);
    call_inquire(run, HOLD_SETTLE);
    return OK;
}

static err_t hold_due(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    bool wait = true;
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (!err)
        err = look(tx, run, &p, &wait);
    if (!err && !wait)
        err = prepare_inquiry(tx, run, &p);
    payment_release(&p);
    return err;
}

/* Until an end that is to come; held longer than was said, or not known: asked again and again. */
static err_t still_held(struct store_tx *tx, struct flow_run *run, struct payment *p)
{
    const struct outcome *o = &run->outcome;
    if (o->kind != OUTCOME_AUTHORIZED)
        return again(tx, run, HOUR_US);
    err_t err = OK;
    if (o->capture_before_us && o->capture_before_us != p->capture_before_us) {
        p->capture_before_us = o->capture_before_us;
        err = payment_save(tx, p);
    }
    if (err)
        return err;
    if (p->capture_before_us == 0)
        return flow_finish(tx, run);
    return p->capture_before_us > run->det.now_us
               ? flow_park_until(tx, run, HOLD_DUE, p->capture_before_us)
               : again(tx, run, HOUR_US);
}

static err_t hold_settle(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    struct buf json = BUF(JSON_MAX);
    bool wait = true;
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (!err)
        err = look(tx, run, &p, &wait);
    if (err || wait)
        goto out;
    if (run->outcome.kind == OUTCOME_EXPIRED) {
        err = end(tx, run, &p, &json);
        if (!err)
            err = flow_finish(tx, run);
    } else {
        err = still_held(tx, run, &p);
    }
out:
    payment_release(&p);
    buf_free(&json);
    return err;
}

err_t hold_apply(struct store_tx *tx, struct flow_run *run, struct id payment,
                 const struct outcome *o, enum applied *ret)
{
    struct payment p;
    struct buf json = BUF(JSON_MAX);
    bool found;
    err_t err = payment_load_now(tx, run, payment, &p, &found);
    *ret = !found                                                      ? APPLIED_UNKNOWN
           : p.state == PAYMENT_PROCESSING                             ? APPLIED_LATER
           : p.state == PAYMENT_REQUIRES_ACTION                        ? APPLIED_LATER
           : payment_capturable(&p) == 0                               ? APPLIED_NOTHING
           : o->kind == OUTCOME_EXPIRED || o->kind == OUTCOME_CANCELED ? APPLIED_DONE
                                                                       : APPLIED_NOTHING;
    if (!err && *ret == APPLIED_DONE) {
        err = end(tx, run, &p, &json);
        if (!err)
            err = hold_over(tx, run, &p);
    }
    payment_release(&p);
    buf_free(&json);
    return err;
}

static const struct flow_step steps[] = {
    [HOLD_DUE] = {"due", hold_due, 0, 0},
    [HOLD_SETTLE] = {"settle", hold_settle, 0, 0},
};
const struct flow_def payment_hold_flow = {.kind = FLOW_KIND_HOLD,
                                           .name = "payment_hold",
                                           .steps = steps,
                                           .steps_n = COUNT_OF(steps),
                                           .ended = payment_ended};

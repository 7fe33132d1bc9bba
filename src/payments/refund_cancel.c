/* Flow refund_cancel: takes over the waiting refund and asks the provider to drop it. Whatever
 * becomes of that, an inquiry about the refund itself tells: the position stays where it waited. */
#include "payments/refund.h"

static err_t check(struct store_tx *tx, struct flow_run *run, const struct refund *r)
{
    bool taken = false;
    if (r->state != REFUND_PENDING)
        return error_set(&run->error, ERR_STATE, "A refund that is %s cannot be canceled.",
                         machine_text(&refund_machine, r->state));
    /* Until it was told once, the position holds the answer of the request that began it. */
    err_t err = r->event_last ? flow_take_over(tx, run, r->id, 0, &taken) : OK;
    if (err || taken)
        return err;
    run->error.retry_after_s = 1;
    return error_set(&run->error, ERR_STATE,
                     "The refund is being sent or asked about at this moment: try again.");
}

static err_t cancel_begin(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    struct refund r;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    err = refund_load_both(tx, run, run->subject, &r, &p);
    if (!err)
        err = check(tx, run, &r);
    if (!err) {
        refund_call(run, OPERATION_CANCEL_REFUND, &p, &r);
        run->effect = FLOW_CALL;
        run->next = REFUND_WITHDRAWING;
        err = flow_hold(tx, run, REFUND_INQUIRE); /* with this request's answer */
    }
    payment_release(&p);
    refund_release(&r);
    return err;
}

err_t refund_canceled(struct store_tx *tx, struct flow_run *run, struct payment *p,
                      struct refund *r, struct buf *json)
{
    err_t err = refund_fail(tx, run, p, r, REFUND_DO_CANCEL, json);
    if (!err)
        err = payment_save(tx, p);
    if (!err)
        err = answer_event(run, json, r->event_last);
    return err ? err : flow_finish(tx, run);
}

/* The provider will not: it is done, or about to be. The inquiry comes at once. */
static err_t too_late(struct store_tx *tx, struct flow_run *run)
{
    err_t err = answer_problem(run, ERR_STATE,
                               "The provider has carried out the refund, or is about to: it can no "
                               "longer be canceled.");
    return err ? err : flow_park_until(tx, run, REFUND_INQUIRE, run->det.now_us);
}

static err_t goes_on(struct store_tx *tx, struct flow_run *run, const struct refund *r,
                     struct buf *json)
{
    refund_write(&(struct jw){.b = json}, NULL, r);
    err_t err = answer_event(run, json, 0);
    return err ? err : flow_park(tx, run, REFUND_INQUIRE);
}

err_t refund_withdrawing(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    struct refund r;
    struct buf json = BUF(JSON_MAX);
    err_t err = refund_load_both(tx, run, run->subject, &r, &p);
    if (err)
        goto out;
    if (run->outcome.kind == OUTCOME_CANCELED)
        err = refund_canceled(tx, run, &p, &r, &json);
    else if (run->outcome.kind == OUTCOME_DECLINED || run->outcome.kind == OUTCOME_FAILED)
        err = too_late(tx, run);
    else
        err = goes_on(tx, run, &r, &json);
out:
    payment_release(&p);
    refund_release(&r);
    buf_free(&json);
    return err;
}

static const struct flow_step steps[] = {{"begin", cancel_begin, 0, 0}};
const struct flow_def refund_cancel_flow = {.kind = 0,
                                            .name = "refund_cancel",
                                            .steps = steps,
                                            .steps_n = COUNT_OF(steps),
                                            .ended = payment_ended};

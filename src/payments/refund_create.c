/* Flow refund_create: reserve, call, outcome. The reservation on the payment is what keeps the sum
 * of refunds within the captured. */
#include "payments/refund.h"

#include "search/search.h"

/* A sentence says why nothing may be refunded now. */
static err_t check_disputes(const struct payment *p, struct err_info *reterr)
{
    const struct currency *c = currency_by_number(p->currency);
    struct buf amount = BUF(64);
    err_t err = OK;
    if (p->disputed > 0) {
        money_format(&amount, p->disputed, c);
        err = error_set(reterr, ERR_STATE,
                        "A chargeback of %s %s is open: nothing can be refunded until it is won, "
                        "or the cardholder would be paid twice.",
                        amount.p ? amount.p : "", c->code);
    } else if (p->dispute_lost > 0 && payment_refundable(p) == 0) {
        money_format(&amount, p->dispute_lost, c);
        err = error_set(reterr, ERR_STATE,
                        "Nothing is left to refund: %s %s was lost to disputes, and the cardholder "
                        "has it.",
                        amount.p ? amount.p : "", c->code);
    }
    buf_free(&amount);
    return err;
}

/* Checks the amount against what is left and reserves it. */
static err_t reserve(struct payment *p, const struct refund_create *in, int64_t *ret_amount,
                     struct err_info *reterr)
{
    err_t err = payment_move(p, PAYMENT_DO_REFUND_START, reterr);
    if (!err)
        err = check_disputes(p, reterr);
    if (err)
        return err;
    int64_t left = payment_refundable(p);
    int64_t amount = in->amount.set ? in->amount.value : left;
    if (left == 0)
        return error_set(
            reterr, ERR_STATE,
            "Nothing is left to refund: refunds under way or done cover the captured amount.");
    if (amount < 1 || amount > left)
        return error_param(reterr, ERR_PARAM_INVALID, "amount",
                           "must be between 1 and what is left to refund (%lld)", (long long)left);
    p->refund_pending += amount;
    *ret_amount = amount;
    return OK;
}

static err_t insert(struct store_tx *tx, const struct refund *r, const struct refund_create *in)
{
    err_t err =
        store_exec(tx, SQL_PAYMENTS_INSERT_REFUND, NULL, V_INT(r->merchant_id), V_ID(&r->id),
                   V_ID(&r->payment), V_INT(r->state), V_INT(r->amount), V_INT(r->currency),
                   V_INT(r->provider_account), V_INT(r->created_us), V_TEXT(in->details));
    return err ? err : search_add_metadata(tx, r->merchant_id, SEARCH_REFUND, in->metadata, r->id);
}

static err_t refund_begin(struct store_tx *tx, struct flow_run *run)
{
    const struct refund_create *in = run->input;
    struct payment p = {0};
    struct journal j = {0};
    bool replay;
    int64_t amount = 0;
    ASSERT(in != NULL);
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    err = payment_load_subject(tx, run, in->payment, &p);
    if (!err)
        err = reserve(&p, in, &amount, &run->error);
    if (err)
        goto out;
    struct refund r = {.merchant_id = p.merchant_id,
                       .id = id_new(&run->det),
                       .payment = p.id,
                       .state = machine_next(&refund_machine, REFUND_NONE, REFUND_DO_CREATE),
                       .amount = amount,
                       .currency = p.currency,
                       .provider_account = p.provider_account,
                       .created_us = run->det.now_us};
    run->subject = r.id;
    run->number = 0;
    err = insert(tx, &r, in);
    if (err)
        goto out;
    ledger_refund_intent(&j, p.provider_account, amount);
    err = payment_post(tx, &p, &j, r.id);
    if (!err)
        err = payment_save(tx, &p);
    if (err)
        goto out;
    refund_call(run, OPERATION_REFUND, &p, &r);
    run->effect = FLOW_CALL;
    run->next = REFUND_SETTLE;
    err = flow_position(tx, run, REFUND_INQUIRE);
out:
    payment_release(&p);
    return err;
}

static err_t settle_done(struct store_tx *tx, struct flow_run *run, struct payment *p,
                         struct refund *r, struct buf *json)
{
    err_t err = refund_succeed(tx, run, p, r, &run->outcome, json);
    if (!err)
        err = payment_save(tx, p);
    if (!err)
        err = answer_event(run, json, r->event_last);
    return err ? err : flow_finish(tx, run);
}

static err_t settle_refused(struct store_tx *tx, struct flow_run *run, struct payment *p,
                            struct refund *r, struct buf *json)
{
    err_t err;
    if (run->outcome.after_success) {
        /* The success was missed; the books show both, as when it had been seen. */
        err = refund_succeed(tx, run, p, r, &run->outcome, json);
        if (!err)
            err = refund_return(tx, run, p, r, run->outcome.decline, json);
    } else {
        r->decline = run->outcome.decline;
        err = refund_fail(tx, run, p, r, REFUND_DO_FAIL, json);
    }
    if (!err)
        err = payment_save(tx, p);
    if (!err)
        err = answer_decline(run, "refund", json, r->decline,
                             "The refund was refused; nothing was given back.");
    return err ? err : flow_finish(tx, run);
}

static err_t settle_open(struct store_tx *tx, struct flow_run *run, struct refund *r,
                         struct buf *json)
{
    if (r->event_last == 0) {
        err_t err = refund_move(tx, run, r, REFUND_DO_WAIT, json);
        if (!err)
            err = answer_event(run, json, r->event_last);
        if (err)
            return err;
    } else if (!id_is_zero(run->answer_id)) { /* of a cancellation that a crash broke off */
        buf_clear(json);
        refund_write(&(struct jw){.b = json}, NULL, r);
        err_t err = answer_event(run, json, 0);
        if (err)
            return err;
    }
    return flow_park(tx, run, REFUND_INQUIRE);
}

static err_t refund_settle(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    struct refund r;
    struct buf json = BUF(JSON_MAX);
    err_t err = refund_load_both(tx, run, run->subject, &r, &p);
    if (err)
        goto out;
    enum verdict v = outcome_verdict(run, OUTCOME_REFUNDED, OUTCOME_REFUNDED);
    if (run->outcome.kind == OUTCOME_CANCELED)
        err = refund_canceled(tx, run, &p, &r, &json);
    else if (v == VERDICT_DONE)
        err = settle_done(tx, run, &p, &r, &json);
    else if (v == VERDICT_REFUSED)
        err = settle_refused(tx, run, &p, &r, &json);
    else
        err = settle_open(tx, run, &r, &json);
out:
    payment_release(&p);
    refund_release(&r);
    buf_free(&json);
    return err;
}

static err_t refund_inquire(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    struct refund r;
    err_t err = refund_load_both(tx, run, run->subject, &r, &p);
    if (!err) {
        refund_call(run, OPERATION_REFUND, &p, &r);
        call_inquire(run, REFUND_SETTLE);
    }
    payment_release(&p);
    refund_release(&r);
    return err;
}

static const struct flow_step steps[] = {
    [REFUND_BEGIN] = {"begin", refund_begin, 0, 0},
    [REFUND_SETTLE] = {"settle", refund_settle, 0, 0},
    [REFUND_INQUIRE] = {"inquire", refund_inquire, REFUND_SETTLE, OPERATION_REFUND},
    [REFUND_WITHDRAWING] = {"withdrawing", refund_withdrawing, 0, 0},
};
const struct flow_def refund_create_flow = {.kind = FLOW_KIND_REFUND,
                                            .name = "refund_create",
                                            .steps = steps,
                                            .steps_n = COUNT_OF(steps),
                                            .ended = payment_ended};

/* The driver of captures, cancels and increments: one later call on the authorization. */
#include "payments/operation.h"

#include "payments/authorize.h"
#include "payments/hold.h"
#include "search/search.h"

static void prepare_call(struct flow_run *run, const struct operation_kind *k,
                         const struct payment *p, const struct operation *op)
{
    call_prepare(&run->call, k->operation, p);
    id_text(k->id, id_derive(p->id, (unsigned)run->number), run->call.reference);
    run->call.amount = op->amount;
    run->call.final = op->final;
}

/* --- begin --- */

/* Why a payment cannot be captured, canceled or incremented: for a person. */
static err_t refuse_state(const struct payment *p, const struct operation_kind *k,
                          struct err_info *reterr)
{
    switch (p->state) {
    case PAYMENT_PROCESSING:
        reterr->retry_after_s = 1;
        return error_set(reterr, ERR_STATE,
                         "This payment is processing: another operation on it is under way, or its "
                         "outcome is not known yet.");
    case PAYMENT_REQUIRES_ACTION:
        return error_set(reterr, ERR_STATE,
                         "This payment is requires_action: the customer must act before anything "
                         "is held that could be %s.",
                         k->done);
    case PAYMENT_PARTIALLY_CAPTURED:
        return error_set(reterr, ERR_STATE,
                         "This payment is partially_captured: what is held cannot be %s after a "
                         "capture.",
                         k->done);
    case PAYMENT_CAPTURED:
    case PAYMENT_REFUNDED:
        return error_set(reterr, ERR_STATE,
                         "This payment is %s and nothing is held any more, so it cannot be %s.%s",
                         machine_text(&payment_machine, p->state), k->done,
                         p->state == PAYMENT_CAPTURED && k->start == PAYMENT_DO_CANCEL_START
                             ? " Refund it instead."
                             : "");
    case PAYMENT_EXPIRED:
        return error_set(reterr, ERR_STATE,
                         "This payment is expired: its hold has ended and cannot be %s any more.",
                         k->done);
    default:
        return error_set(reterr, ERR_STATE, "This payment is %s: nothing is held that could be %s.",
                         machine_text(&payment_machine, p->state), k->done);
    }
}

static err_t start(struct store_tx *tx, struct flow_run *run, const struct operation_kind *k,
                   struct payment *p)
{
    struct operation op = {.amount = 0};
    if (!machine_next(&payment_machine, p->state, (int)k->start))
        return refuse_state(p, k, &run->error);
    if (p->operations >= OPERATIONS_MAX)
        return error_set(&run->error, ERR_STATE,
                         "This payment has had %d operations, the most there may be.",
                         p->operations);
    err_t err = k->plan(tx, run, p, &op);
    if (err)
        return err;
    ASSERT(op.amount > 0);
    err = payment_move(p, k->start, &run->error);
    if (err)
        return err;
    run->number = ++p->operations;
    err = store_exec(tx, SQL_PAYMENTS_INSERT_OPERATION, NULL, V_INT(p->merchant_id), V_ID(&p->id),
                     V_INT(run->number), V_INT(k->number),
                     V_INT(machine_next(&operation_machine, OPERATIONS_NONE, OPERATIONS_DO_SEND)),
                     V_INT(op.amount), V_INT(p->attempt), V_INT(p->updated_us), V_TEXT(op.reason),
                     V_INT(op.final));
    if (!err)
        err = payment_save(tx, p);
    if (err)
        return err;
    prepare_call(run, k, p, &op);
    run->effect = FLOW_CALL;
    run->next = OPERATION_SETTLE;
    return flow_position(tx, run, OPERATION_ASK);
}

err_t operation_begin(struct store_tx *tx, struct flow_run *run)
{
    const struct operation_kind *k = run->def->arg;
    struct payment p = {0};
    bool replay;
    ASSERT(run->input != NULL);
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    err = payment_load_subject(tx, run, run->subject, &p);
    if (!err)
        err = k->withdraw && p.state == PAYMENT_REQUIRES_ACTION ? k->withdraw(tx, run, &p)
                                                                : start(tx, run, k, &p);
    payment_release(&p);
    return err;
}

/* --- settle --- */

static err_t operation_load(struct store_tx *tx, struct flow_run *run, struct operation *ret)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_PAYMENTS_READ_OPERATION, &row, V_INT(run->merchant_id),
                          V_ID(&run->subject), V_INT(run->number));
    if (err)
        return err;
    ASSERT(row != NULL);
    *ret = (struct operation){
        .state = (int)row_int(row, 1), .amount = row_int(row, 2), .final = row_int(row, 4) != 0};
    return OK;
}

static err_t operation_move(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                            const struct operation *op, enum operation_step step)
{
    const struct outcome *o = &run->outcome;
    int to = machine_next(&operation_machine, op->state, (int)step);
    if (!to)
        return error_set(&run->error, ERR_STATE, "The operation has ended already.");
    return store_exec_one(tx, SQL_PAYMENTS_UPDATE_OPERATION, ERR_SOFT, V_INT(to),
                          V_INT(p->updated_us), V_TEXT(opt_str(o->provider_reference)),
                          V_TEXT(opt_str(o->provider_code)), V_TEXT(opt_str(o->acquirer_reference)),
                          V_INT(run->merchant_id), V_ID(&run->subject), V_INT(run->number),
                          V_INT(op->state));
}

enum payment_step operation_rest(const struct payment *p)
{
    if (payment_held(p) > 0)
        return p->captured > 0 ? PAYMENT_DO_PART : PAYMENT_DO_HELD;
    return p->captured > 0 ? PAYMENT_DO_CAPTURE_OK : PAYMENT_DO_CANCEL_OK;
}

err_t operation_all_refunded(struct payment *p, struct err_info *reterr)
{
    if (p->state != PAYMENT_CAPTURED || p->captured == 0 || p->refunded < p->captured)
        return OK;
    return payment_move(p, PAYMENT_DO_REFUND_ALL, reterr);
}

/* The references that the payment is found by from now on. */
static err_t add_references(struct store_tx *tx, const struct flow_run *run,
                            const struct payment *p)
{
    const struct outcome *o = &run->outcome;
    struct str references[] = {str_from(o->provider_reference), str_from(o->network_reference),
                               str_from(o->acquirer_reference)};
    err_t err = OK;
    for (size_t i = 0; !err && i < COUNT_OF(references); i++)
        err =
            search_add(tx, p->merchant_id, SEARCH_PAYMENT, SEARCH_REFERENCE, references[i], p->id);
    return err;
}

static err_t settle_done(struct store_tx *tx, struct flow_run *run, const struct operation_kind *k,
                         struct payment *p, const struct operation *op, struct buf *json)
{
    struct journal j = {0};
    err_t err = k->apply(tx, run, p, op, &j);
    ASSERT(payment_held(p) >= 0);
    if (!err)
        err = payment_move(p, operation_rest(p), &run->error);
    if (!err)
        err = operation_all_refunded(p, &run->error);
    if (!err)
        err = payment_post(tx, p, &j, id_derive(p->id, (unsigned)run->number));
    if (!err)
        err = add_references(tx, run, p);
    if (!err)
        err = hold_over(tx, run, p);
    if (!err)
        err = payment_announce(tx, run, p, json);
    if (!err)
        err = payment_save(tx, p);
    if (!err)
        err = answer_event(run, json, p->event_last);
    return err ? err : flow_finish(tx, run);
}

/* As it was before. An event tells of it only when `processing` had been told. */
static err_t settle_refused(struct store_tx *tx, struct flow_run *run,
                            const struct operation_kind *k, struct payment *p, struct buf *json)
{
    err_t err = payment_move(p, operation_rest(p), &run->error);
    if (!err)
        err = payment_tell(tx, run, p, json);
    if (!err && run->outcome.kind == OUTCOME_DECLINED)
        err = hold_doubt(tx, run, p);
    if (!err)
        err = answer_decline(
            run, "payment", json, run->outcome.decline,
            run->outcome.decline == DECLINE_PROVIDER_UNAVAILABLE
                ? "The provider could not be reached, failed, or cannot do this; nothing was done."
                : k->refused);
    return err ? err : flow_finish(tx, run);
}

static err_t settle_open(struct store_tx *tx, struct flow_run *run, struct payment *p,
                         struct buf *json)
{
    err_t err = payment_move(p, PAYMENT_DO_UNKNOWN, &run->error);
    if (!err)
        err = payment_tell(tx, run, p, json);
    return err ? err : flow_park(tx, run, OPERATION_ASK);
}

err_t operation_settle(struct store_tx *tx, struct flow_run *run)
{
    const struct operation_kind *k = run->def->arg;
    struct payment p;
    struct operation op = {.amount = 0};
    struct buf json = BUF(JSON_MAX);
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (!err)
        err = operation_load(tx, run, &op);
    if (err)
        goto out;
    enum verdict v = outcome_verdict(run, k->success, k->success);
    err = operation_move(tx, run, &p, &op,
                         v == VERDICT_DONE      ? OPERATIONS_DO_DO
                         : v == VERDICT_REFUSED ? OPERATIONS_DO_FAIL
                                                : OPERATIONS_DO_LOSE);
    if (!err && k->over && v != VERDICT_OPEN)
        err = k->over(tx, run, &p, &op);
    if (err)
        goto out;
    if (v == VERDICT_DONE)
        err = settle_done(tx, run, k, &p, &op, &json);
    else if (v == VERDICT_REFUSED)
        err = settle_refused(tx, run, k, &p, &json);
    else
        err = settle_open(tx, run, &p, &json);
out:
    payment_release(&p);
    buf_free(&json);
    return err;
}

err_t operation_ask(struct store_tx *tx, struct flow_run *run)
{
    const struct operation_kind *k = run->def->arg;
    struct payment p;
    struct operation op = {.amount = 0};
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (!err)
        err = operation_load(tx, run, &op);
    if (!err) {
        prepare_call(run, k, &p, &op);
        call_inquire(run, OPERATION_SETTLE);
    }
    payment_release(&p);
    return err;
}

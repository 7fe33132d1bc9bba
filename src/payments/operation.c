/* Flows payment_capture and payment_cancel: one later call on the authorization. */
#include <stdio.h>

#include "payments/payment.h"

enum { OP_BEGIN, OP_SETTLE, OP_INQUIRE };
enum { KIND_CAPTURE = 1, KIND_CANCEL = 2 };

/* What distinguishes the two. */
struct kind {
    int number;
    enum id_kind id;
    enum provider_operation operation;
    enum outcome_kind success;
    enum payment_step start, ok, no;
    enum attempt_step attempt;
    const char *refused;
};
static const struct kind capture = {KIND_CAPTURE,
                                    ID_CAPTURE,
                                    OPERATION_CAPTURE,
                                    OUTCOME_CAPTURED,
                                    PAYMENT_DO_CAPTURE_START,
                                    PAYMENT_DO_CAPTURE_OK,
                                    PAYMENT_DO_CAPTURE_NO,
                                    ATTEMPT_DO_CAPTURE,
                                    "The capture was refused; the money is still held."};
static const struct kind cancel = {KIND_CANCEL,
                                   ID_CANCEL,
                                   OPERATION_CANCEL,
                                   OUTCOME_CANCELED,
                                   PAYMENT_DO_CANCEL_START,
                                   PAYMENT_DO_CANCEL_OK,
                                   PAYMENT_DO_CANCEL_NO,
                                   ATTEMPT_DO_CANCEL,
                                   "The cancellation was refused; the money is still held."};

static void prepare_call(struct flow_run *run, const struct kind *k, const struct payment *p,
                         int64_t amount)
{
    call_prepare(&run->call, k->operation, p);
    id_text(k->id, id_derive(p->id, (unsigned)run->number), run->call.reference);
    run->call.amount = amount;
}

static err_t begin(struct store_tx *tx, struct flow_run *run, const struct kind *k,
                   struct opt_int amount, struct str reason)
{
    struct payment p = {0};
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    err = payment_load_subject(tx, run, run->subject, &p);
    if (err)
        goto out;
    int64_t capturable = payment_capturable(&p);
    err = payment_move(&p, k->start, &run->error);
    if (err)
        goto out;
    if (amount.set && amount.value != capturable) {
        err = error_param(
            &run->error, ERR_PARAM_INVALID, "amount",
            "must be the whole capturable amount (%lld): partial captures are not available yet",
            (long long)capturable);
        goto out;
    }
    p.operations++;
    if (p.operations >= 1023) {
        err = error_set(&run->error, ERR_STATE, "This payment has had too many operations.");
        goto out;
    }
    run->number = p.operations;
    err = store_exec(tx, SQL_PAYMENTS_INSERT_OPERATION, NULL, V_INT(p.merchant_id), V_ID(&p.id),
                     V_INT(run->number), V_INT(k->number),
                     V_INT(machine_next(&operation_machine, OPERATIONS_NONE, OPERATIONS_DO_SEND)),
                     V_INT(capturable), V_INT(p.attempt), V_INT(run->det.now_us), V_TEXT(reason));
    if (!err)
        err = payment_save(tx, &p);
    if (err)
        goto out;
    prepare_call(run, k, &p, capturable);
    run->effect = FLOW_CALL;
    run->next = OP_SETTLE;
    err = flow_position(tx, run, OP_INQUIRE);
out:
    payment_release(&p);
    return err;
}

/* Moves the operation's row; *ret_amount is what it was for. */
static err_t operation_move(struct store_tx *tx, struct flow_run *run, enum operation_step step,
                            int64_t *ret_amount)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_PAYMENTS_READ_OPERATION, &row, V_INT(run->merchant_id),
                          V_ID(&run->subject), V_INT(run->number));
    if (err)
        return err;
    ASSERT(row != NULL);
    int from = (int)row_int(row, 1), to = machine_next(&operation_machine, from, (int)step);
    *ret_amount = row_int(row, 2);
    if (!to)
        return error_set(&run->error, ERR_STATE, "The operation has ended already.");
    return store_exec_one(tx, SQL_PAYMENTS_UPDATE_OPERATION, ERR_SOFT, V_INT(to),
                          V_INT(run->det.now_us), V_TEXT(opt_str(run->outcome.provider_reference)),
                          V_TEXT(opt_str(run->outcome.provider_code)), V_INT(run->merchant_id),
                          V_ID(&run->subject), V_INT(run->number), V_INT(from));
}

static err_t settle_done(struct store_tx *tx, struct flow_run *run, const struct kind *k,
                         struct payment *p, int64_t amount, struct buf *json)
{
    struct journal j = {0};
    if (k == &capture) {
        ledger_capture(&j, p->provider_account, p->authorized, amount);
        p->captured = amount;
    } else {
        ledger_cancel(&j, p->provider_account, p->authorized - p->captured);
    }
    err_t err = attempt_move(tx, run, p, k->attempt, NULL);
    if (!err)
        err = payment_move(p, k->ok, &run->error);
    if (!err)
        err = payment_post(tx, p, &j, id_derive(p->id, (unsigned)run->number));
    if (!err)
        err = payment_announce(tx, run, p, json);
    if (!err)
        err = payment_save(tx, p);
    if (!err)
        err = answer_event(run, json, p->event_last);
    return err ? err : flow_finish(tx, run);
}

/* Refused: back to authorized. An event tells of it only when `processing` had been told before. */
static err_t settle_refused(struct store_tx *tx, struct flow_run *run, const struct kind *k,
                            struct payment *p, bool was_told, struct buf *json)
{
    err_t err = payment_move(p, k->no, &run->error);
    if (!err && was_told)
        err = payment_announce(tx, run, p, json);
    if (!err)
        err = payment_save(tx, p);
    if (!err && !was_told) {
        struct jw w = {.b = json};
        payment_write(&w, NULL, p);
    }
    if (!err)
        err = answer_decline(run, "payment", json, run->outcome.decline, k->refused);
    return err ? err : flow_finish(tx, run);
}

static err_t settle_open(struct store_tx *tx, struct flow_run *run, struct payment *p,
                         bool was_told, struct buf *json)
{
    err_t err = payment_move(p, PAYMENT_DO_UNKNOWN, &run->error);
    if (!err && !was_told) {
        err = payment_announce(tx, run, p, json);
        if (!err)
            err = payment_save(tx, p);
        if (!err)
            err = answer_event(run, json, p->event_last);
    }
    return err ? err : flow_park(tx, run, OP_INQUIRE);
}

static err_t settle(struct store_tx *tx, struct flow_run *run, const struct kind *k)
{
    struct payment p;
    struct buf json = BUF(JSON_MAX);
    int64_t amount = 0;
    struct event last = {0};
    bool found = false;
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (err)
        goto out;
    /* Has the merchant been told that it is processing? The last event says so. */
    err = event_read(tx, p.merchant_id, p.event_last, &last, &found);
    if (err)
        goto out;
    bool was_told = found && last.type == EVENT_PAYMENT_PROCESSING;
    enum verdict v = outcome_verdict(run, k->success, k->success);
    err = operation_move(tx, run,
                         v == VERDICT_DONE      ? OPERATIONS_DO_DO
                         : v == VERDICT_REFUSED ? OPERATIONS_DO_FAIL
                                                : OPERATIONS_DO_LOSE,
                         &amount);
    if (err)
        goto out;
    if (v == VERDICT_DONE)
        err = settle_done(tx, run, k, &p, amount, &json);
    else if (v == VERDICT_REFUSED)
        err = settle_refused(tx, run, k, &p, was_told, &json);
    else
        err = settle_open(tx, run, &p, was_told, &json);
out:
    payment_release(&p);
    buf_free(&json);
    return err;
}

static err_t inquire(struct store_tx *tx, struct flow_run *run, const struct kind *k)
{
    struct payment p;
    struct store_row *row;
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (err)
        goto out;
    err = store_one(tx, SQL_PAYMENTS_READ_OPERATION, &row, V_INT(run->merchant_id),
                    V_ID(&run->subject), V_INT(run->number));
    if (err)
        goto out;
    ASSERT(row != NULL);
    prepare_call(run, k, &p, row_int(row, 2));
    call_inquire(&run->call);
    if (run->unknown_since_us == 0)
        run->unknown_since_us = run->det.now_us;
    run->effect = FLOW_CALL;
    run->next = OP_SETTLE;
out:
    payment_release(&p);
    return err;
}

static err_t capture_begin(struct store_tx *tx, struct flow_run *run)
{
    const struct payment_capture *in = run->input;
    ASSERT(in != NULL);
    return begin(tx, run, &capture, in->amount, (struct str){NULL, 0});
}
static err_t capture_settle(struct store_tx *tx, struct flow_run *run)
{
    return settle(tx, run, &capture);
}
static err_t capture_inquire(struct store_tx *tx, struct flow_run *run)
{
    return inquire(tx, run, &capture);
}
static err_t cancel_begin(struct store_tx *tx, struct flow_run *run)
{
    const struct payment_cancel *in = run->input;
    ASSERT(in != NULL);
    return begin(tx, run, &cancel, (struct opt_int){0}, in->reason);
}
static err_t cancel_settle(struct store_tx *tx, struct flow_run *run)
{
    return settle(tx, run, &cancel);
}
static err_t cancel_inquire(struct store_tx *tx, struct flow_run *run)
{
    return inquire(tx, run, &cancel);
}

static const struct flow_step capture_steps[] = {[OP_BEGIN] = {"begin", capture_begin},
                                                 [OP_SETTLE] = {"settle", capture_settle},
                                                 [OP_INQUIRE] = {"inquire", capture_inquire}};
static const struct flow_step cancel_steps[] = {[OP_BEGIN] = {"begin", cancel_begin},
                                                [OP_SETTLE] = {"settle", cancel_settle},
                                                [OP_INQUIRE] = {"inquire", cancel_inquire}};
const struct flow_def payment_capture_flow = {.kind = 2,
                                              .name = "payment_capture",
                                              .steps = capture_steps,
                                              .steps_n = COUNT_OF(capture_steps),
                                              .ended = payment_ended};
const struct flow_def payment_cancel_flow = {.kind = 3,
                                             .name = "payment_cancel",
                                             .steps = cancel_steps,
                                             .steps_n = COUNT_OF(cancel_steps),
                                             .ended = payment_ended};

/* Flow payment_create: intent, call, outcome; the inquiry for what stayed unknown. */
#include <stdio.h>

#include "observe/observe.h"
#include "payments/payment.h"

enum { CREATE_BEGIN, CREATE_SETTLE, CREATE_INQUIRE };

struct choice {
    struct id account_id;
    int16_t number, priority;
};

/* The least priority number, the newest among equals. */
static err_t choose(struct store_row *row, void *arg)
{
    struct choice *c = arg;
    struct choice other = {row_id(row, 0), (int16_t)row_int(row, 1), (int16_t)row_int(row, 2)};
    if (c->number == 0 || other.priority < c->priority ||
        (other.priority == c->priority && other.number > c->number))
        *c = other;
    return OK;
}

static err_t insert_rows(struct store_tx *tx, struct flow_run *run, struct payment *p,
                         const struct payment_create *in)
{
    struct choice c = {.number = 0};
    err_t err =
        store_each(tx, SQL_PAYMENTS_LIST_ENABLED_ACCOUNTS, choose, &c, V_INT(run->merchant_id));
    if (err)
        return err;
    if (c.number == 0)
        return error_set(&run->error, ERR_UNPROCESSABLE,
                         "No provider account is enabled for this merchant.");
    p->account_id = c.account_id;
    p->provider_account = c.number;
    err = store_exec(tx, SQL_PAYMENTS_INSERT_PAYMENT, NULL, V_INT(p->merchant_id), V_ID(&p->id),
                     V_INT(p->state), V_INT(p->amount), V_INT(p->currency), V_INT(p->capture),
                     V_INT(p->provider_account), V_INT(run->det.now_us), V_TEXT(in->token),
                     V_TEXT(in->details));
    if (err)
        return err;
    return store_exec(tx, SQL_PAYMENTS_INSERT_ATTEMPT, NULL, V_INT(p->merchant_id), V_ID(&p->id),
                      V_INT(p->attempt),
                      V_INT(machine_next(&attempt_machine, ATTEMPT_NONE, ATTEMPT_DO_SEND)),
                      V_INT(p->provider_account), V_INT(p->amount), V_INT(run->det.now_us));
}

static void prepare_call(struct flow_run *run, const struct payment *p,
                         const struct payment_create *in)
{
    struct provider_call *call = &run->call;
    call_prepare(call, OPERATION_AUTHORIZE, p);
    (void)snprintf(call->token, sizeof call->token, STR_FMT, STR_ARG(in->token));
    (void)snprintf(call->description, sizeof call->description, STR_FMT, STR_ARG(in->description));
    (void)snprintf(call->statement_descriptor, sizeof call->statement_descriptor, STR_FMT,
                   STR_ARG(in->statement_descriptor));
}

static err_t create_begin(struct store_tx *tx, struct flow_run *run)
{
    const struct payment_create *in = run->input;
    ASSERT(in && in->amount > 0 && in->token.n > 0 && in->token.n < 256);
    bool replay;
    store_ahead(tx, SQL_PAYMENTS_LIST_ENABLED_ACCOUNTS, run->merchant_id);
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    struct payment p = {.merchant_id = run->merchant_id,
                        .id = id_new(&run->det),
                        .state = machine_next(&payment_machine, PAYMENT_NONE, PAYMENT_DO_CREATE),
                        .amount = in->amount,
                        .currency = in->currency,
                        .capture = in->capture,
                        .attempt = 1};
    err = insert_rows(tx, run, &p, in);
    if (err)
        return err;
    run->subject = p.id;
    run->number = p.attempt;
    prepare_call(run, &p, in);
    run->effect = FLOW_CALL;
    run->next = CREATE_SETTLE;
    return flow_position(tx, run, CREATE_INQUIRE);
}

/* Approved: held, or taken. What the provider did decides, not what was asked. */
static err_t settle_approved(struct store_tx *tx, struct flow_run *run, struct payment *p,
                             struct buf *json)
{
    bool taken = run->outcome.kind == OUTCOME_CAPTURED;
    struct journal j = {0};
    p->authorized = p->amount;
    p->captured = taken ? p->amount : 0;
    if (taken)
        ledger_sale(&j, p->provider_account, p->amount);
    else
        ledger_authorization(&j, p->provider_account, p->amount);
    err_t err = payment_move(p, taken ? PAYMENT_DO_SALE_OK : PAYMENT_DO_AUTHORIZE_OK, &run->error);
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

static err_t settle_refused(struct store_tx *tx, struct flow_run *run, struct payment *p,
                            struct buf *json)
{
    p->decline = run->outcome.decline;
    err_t err = payment_move(p, PAYMENT_DO_DECLINE, &run->error);
    if (!err)
        err = payment_announce(tx, run, p, json);
    if (!err)
        err = payment_save(tx, p);
    if (!err)
        err = answer_decline(run, "payment", json, p->decline,
                             p->decline == DECLINE_PROVIDER_UNAVAILABLE ||
                                     p->decline == DECLINE_PROVIDER_TIMEOUT
                                 ? "The provider could not be reached; no money was taken."
                                 : "The payment was declined; no money was taken.");
    return err ? err : flow_finish(tx, run);
}

/* Not known yet. The merchant is told once; an inquiry that learns nothing new writes no event. */
static err_t settle_open(struct store_tx *tx, struct flow_run *run, struct payment *p,
                         struct buf *json)
{
    err_t err = payment_move(p, PAYMENT_DO_UNKNOWN, &run->error);
    if (!err && p->event_last == 0) {
        err = payment_announce(tx, run, p, json);
        if (!err)
            err = payment_save(tx, p);
        if (!err)
            err = answer_event(run, json, p->event_last);
    }
    return err ? err : flow_park(tx, run, CREATE_INQUIRE);
}

static enum attempt_step attempt_step_of(enum verdict v, const struct outcome *o)
{
    if (v == VERDICT_DONE)
        return o->kind == OUTCOME_CAPTURED ? ATTEMPT_DO_TAKE : ATTEMPT_DO_APPROVE;
    if (v == VERDICT_REFUSED)
        return o->kind == OUTCOME_DECLINED ? ATTEMPT_DO_DECLINE : ATTEMPT_DO_FAIL;
    return o->kind == OUTCOME_PENDING ? ATTEMPT_DO_WAIT : ATTEMPT_DO_LOSE;
}

static err_t create_settle(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    struct buf json = BUF(JSON_MAX);
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (err)
        goto out;
    enum verdict v = outcome_verdict(run, OUTCOME_AUTHORIZED, OUTCOME_CAPTURED);
    ASSERT(run->number == p.attempt);
    err = attempt_move(tx, run, &p, attempt_step_of(v, &run->outcome), &run->outcome);
    if (err)
        goto out;
    if (v == VERDICT_DONE) {
        (void)snprintf(p.provider_reference, sizeof p.provider_reference, "%s",
                       run->outcome.provider_reference);
        (void)snprintf(p.network_reference, sizeof p.network_reference, "%s",
                       run->outcome.network_reference);
        err = settle_approved(tx, run, &p, &json);
    } else if (v == VERDICT_REFUSED) {
        err = settle_refused(tx, run, &p, &json);
    } else {
        err = settle_open(tx, run, &p, &json);
    }
out:
    payment_release(&p);
    buf_free(&json);
    return err;
}

static err_t create_inquire(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (!err) {
        call_prepare(&run->call, OPERATION_AUTHORIZE, &p);
        call_inquire(&run->call);
        if (run->unknown_since_us == 0)
            run->unknown_since_us = run->det.now_us;
        run->effect = FLOW_CALL;
        run->next = CREATE_SETTLE;
    }
    payment_release(&p);
    return err;
}

static const struct flow_step steps[] = {
    [CREATE_BEGIN] = {"begin", create_begin},
    [CREATE_SETTLE] = {"settle", create_settle},
    [CREATE_INQUIRE] = {"inquire", create_inquire},
};
const struct flow_def payment_create_flow = {.kind = 1,
                                             .name = "payment_create",
                                             .steps = steps,
                                             .steps_n = COUNT_OF(steps),
                                             .ended = payment_ended};

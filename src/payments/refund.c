/* Flow refund_create: reserve, call, outcome. The reservation on the payment is what keeps the sum
 * of refunds within the captured. */
#include <stdio.h>

#include "payments/payment.h"
#include "payments/refund.h"

enum { STEP_BEGIN, STEP_SETTLE, STEP_INQUIRE };

err_t refund_from_row(struct store_row *row, int64_t merchant_id, struct refund *ret)
{
    struct refund *r = ret;
    *r = (struct refund){
        .merchant_id = merchant_id, .id = row_id(row, 0), .payment = row_id(row, 1)};
    r->state = (int)row_int(row, 2);
    r->version = row_int(row, 3);
    r->amount = row_int(row, 4);
    r->currency = (int16_t)row_int(row, 5);
    r->provider_account = (int16_t)row_int(row, 6);
    r->decline = (int)row_int(row, 7);
    r->event_last = row_int(row, 8);
    r->created_us = row_int(row, 9);
    r->updated_us = row_int(row, 10);
    (void)snprintf(r->provider_reference, sizeof r->provider_reference, STR_FMT,
                   STR_ARG(row_text(row, 11)));
    (void)snprintf(r->network_reference, sizeof r->network_reference, STR_FMT,
                   STR_ARG(row_text(row, 12)));
    r->details = BUF(JSON_MAX);
    struct str details = row_text(row, 13);
    buf_add(&r->details, details.p, details.n);
    return r->details.failed ? ERR_NO_MEMORY : OK;
}

err_t refund_load(struct store_tx *tx, int64_t merchant_id, struct id id, struct refund *ret,
                  bool *ret_found)
{
    struct store_row *row;
    *ret = (struct refund){0};
    err_t err = store_one(tx, SQL_PAYMENTS_READ_REFUND, &row, V_INT(merchant_id), V_ID(&id));
    *ret_found = !err && row != NULL;
    return err || !row ? err : refund_from_row(row, merchant_id, ret);
}

void refund_release(struct refund *r)
{
    buf_free(&r->details);
}

void refund_write(struct jw *w, const char *key, const struct refund *r)
{
    const struct currency *c = currency_by_number(r->currency);
    ASSERT(c != NULL);
    jw_object(w, key);
    jw_id(w, "id", ID_REFUND, r->id);
    jw_str(w, "object", STR("refund"));
    jw_str(w, "mode", r->merchant_id & 1 ? STR("live") : STR("test"));
    jw_id(w, "payment", ID_PAYMENT, r->payment);
    jw_str(w, "status", str_from(machine_text(&refund_machine, r->state)));
    jw_int(w, "amount", r->amount);
    jw_str(w, "currency", str_from(c->code));
    jw_str(w, "decline_code", str_from(decline_code_text(r->decline)));
    jw_str(w, "provider_reference", opt_str(r->provider_reference));
    jw_str(w, "network_reference", opt_str(r->network_reference));
    buf_byte(w->b, ',');
    buf_add(w->b, r->details.p, r->details.n);
    jw_int(w, "version", r->version);
    jw_time(w, "created", r->created_us);
    jw_time(w, "updated", r->updated_us);
    jw_object_end(w);
}

static void prepare_call(struct flow_run *run, const struct payment *p, struct id refund,
                         int64_t amount)
{
    call_prepare(&run->call, OPERATION_REFUND, p);
    id_text(ID_REFUND, refund, run->call.reference);
    run->call.amount = amount;
}

/* Checks the amount against what is left and reserves it. */
static err_t reserve(struct payment *p, const struct refund_create *in, int64_t *ret_amount,
                     struct err_info *reterr)
{
    err_t err = payment_move(p, PAYMENT_DO_REFUND_START, reterr);
    if (err)
        return err;
    int64_t left = p->captured - p->refunded - p->refund_pending;
    int64_t amount = in->amount.set ? in->amount.value : left;
    ASSERT(left >= 0);
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
    struct id id = id_new(&run->det);
    run->subject = id;
    run->number = 0;
    err = store_exec(
        tx, SQL_PAYMENTS_INSERT_REFUND, NULL, V_INT(p.merchant_id), V_ID(&id), V_ID(&p.id),
        V_INT(machine_next(&refund_machine, REFUND_NONE, REFUND_DO_CREATE)), V_INT(amount),
        V_INT(p.currency), V_INT(p.provider_account), V_INT(run->det.now_us), V_TEXT(in->details));
    if (err)
        goto out;
    ledger_refund_intent(&j, p.provider_account, amount);
    err = payment_post(tx, &p, &j, id);
    if (!err)
        err = payment_save(tx, &p);
    if (err)
        goto out;
    prepare_call(run, &p, id, amount);
    run->effect = FLOW_CALL;
    run->next = STEP_SETTLE;
    err = flow_position(tx, run, STEP_INQUIRE);
out:
    payment_release(&p);
    return err;
}

/* Moves the refund, appends its event, writes it back. json holds the snapshot afterwards. */
static err_t refund_move(struct store_tx *tx, struct flow_run *run, struct refund *r,
                         enum refund_step step, struct buf *json)
{
    int from = r->state, to = machine_next(&refund_machine, from, (int)step);
    if (!to)
        return error_set(&run->error, ERR_STATE, "The refund has ended already.");
    r->state = to;
    r->version++;
    r->updated_us = num_max(r->updated_us, run->det.now_us);
    struct jw w = {.b = json};
    refund_write(&w, NULL, r);
    if (json->failed)
        return ERR_NO_MEMORY;
    struct event_new e = {.merchant_id = r->merchant_id,
                          .type = (enum event_type)refund_machine.states[to].event,
                          .object_kind = ID_REFUND,
                          .object_id = r->id,
                          .object_version = r->version,
                          .previous = r->event_last,
                          .data = buf_view(json)};
    err_t err = event_append(tx, &(struct det){.now_us = r->updated_us}, &e, &r->event_last);
    if (err)
        return err;
    return store_exec_one(
        tx, SQL_PAYMENTS_UPDATE_REFUND, ERR_SOFT, V_INT(to), V_INT(r->version), V_INT(r->decline),
        V_INT(r->event_last), V_INT(r->updated_us), V_TEXT(opt_str(r->provider_reference)),
        V_TEXT(opt_str(r->network_reference)), V_INT(r->merchant_id), V_ID(&r->id), V_INT(from));
}

static err_t settle_done(struct store_tx *tx, struct flow_run *run, struct payment *p,
                         struct refund *r, struct buf *json)
{
    struct journal j = {0};
    struct buf snapshot = BUF(JSON_MAX);
    (void)snprintf(r->provider_reference, sizeof r->provider_reference, "%s",
                   run->outcome.provider_reference);
    (void)snprintf(r->network_reference, sizeof r->network_reference, "%s",
                   run->outcome.network_reference);
    err_t err = refund_move(tx, run, r, REFUND_DO_DO, json);
    if (err)
        goto out;
    ASSERT(p->refund_pending >= r->amount);
    p->refund_pending -= r->amount;
    p->refunded += r->amount;
    bool all = p->refunded == p->captured;
    ledger_refund(&j, p->provider_account, r->amount);
    err = payment_move(p, all ? PAYMENT_DO_REFUND_ALL : PAYMENT_DO_REFUND_PART, &run->error);
    if (!err)
        err = payment_post(tx, p, &j, r->id);
    if (!err && all)
        err = payment_announce(tx, run, p, &snapshot);
    if (!err)
        err = payment_save(tx, p);
    if (!err)
        err = answer_event(run, json, r->event_last);
    if (!err)
        err = flow_finish(tx, run);
out:
    buf_free(&snapshot);
    return err;
}

static err_t settle_refused(struct store_tx *tx, struct flow_run *run, struct payment *p,
                            struct refund *r, struct buf *json)
{
    struct journal j = {0};
    r->decline = run->outcome.decline;
    err_t err = refund_move(tx, run, r, REFUND_DO_FAIL, json);
    if (err)
        return err;
    ASSERT(p->refund_pending >= r->amount);
    p->refund_pending -= r->amount;
    ledger_refund_release(&j, p->provider_account, r->amount);
    err = payment_move(p, PAYMENT_DO_REFUND_NO, &run->error);
    if (!err)
        err = payment_post(tx, p, &j, r->id);
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
    }
    return flow_park(tx, run, STEP_INQUIRE);
}

static err_t load_both(struct store_tx *tx, struct flow_run *run, struct payment *p,
                       struct refund *r)
{
    bool found;
    *p = (struct payment){0};
    err_t err = refund_load(tx, run->merchant_id, run->subject, r, &found);
    if (!err && !found)
        err = error_set(&run->error, ERR_NOT_FOUND, "There is no such refund.");
    return err ? err : payment_load_subject(tx, run, r->payment, p);
}

static err_t refund_settle(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    struct refund r;
    struct buf json = BUF(JSON_MAX);
    err_t err = load_both(tx, run, &p, &r);
    if (err)
        goto out;
    enum verdict v = outcome_verdict(run, OUTCOME_REFUNDED, OUTCOME_REFUNDED);
    if (v == VERDICT_DONE)
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
    err_t err = load_both(tx, run, &p, &r);
    if (!err) {
        prepare_call(run, &p, r.id, r.amount);
        call_inquire(&run->call);
        if (run->unknown_since_us == 0)
            run->unknown_since_us = run->det.now_us;
        run->effect = FLOW_CALL;
        run->next = STEP_SETTLE;
    }
    payment_release(&p);
    refund_release(&r);
    return err;
}

static const struct flow_step steps[] = {
    [STEP_BEGIN] = {"begin", refund_begin},
    [STEP_SETTLE] = {"settle", refund_settle},
    [STEP_INQUIRE] = {"inquire", refund_inquire},
};
const struct flow_def refund_create_flow = {.kind = 4,
                                            .name = "refund_create",
                                            .steps = steps,
                                            .steps_n = COUNT_OF(steps),
                                            .ended = payment_ended};

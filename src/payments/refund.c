/* The refund row: load, show, move; and what a refund's ends mean for its payment. */
#include "payments/refund.h"

#include "search/search.h"

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
    copy_text(r->provider_reference, sizeof r->provider_reference, row_text(row, 11));
    copy_text(r->network_reference, sizeof r->network_reference, row_text(row, 12));
    copy_text(r->acquirer_reference, sizeof r->acquirer_reference, row_text(row, 14));
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

err_t refund_load_both(struct store_tx *tx, struct flow_run *run, struct id id, struct refund *r,
                       struct payment *p)
{
    bool found;
    *p = (struct payment){0};
    err_t err = refund_load(tx, run->merchant_id, id, r, &found);
    if (!err && !found)
        err = error_set(&run->error, ERR_NOT_FOUND, "There is no such refund.");
    return err ? err : payment_load_subject(tx, run, r->payment, p);
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
    jw_str(w, "acquirer_reference", opt_str(r->acquirer_reference));
    buf_byte(w->b, ',');
    buf_add(w->b, r->details.p, r->details.n);
    jw_int(w, "version", r->version);
    jw_time(w, "created", r->created_us);
    jw_time(w, "updated", r->updated_us);
    jw_object_end(w);
}

void refund_call(struct flow_run *run, enum provider_operation operation, const struct payment *p,
                 const struct refund *r)
{
    call_prepare(&run->call, operation, p);
    run->call.account = r->provider_account;
    run->call.amount = r->amount;
    id_text(ID_REFUND, r->id, run->call.reference);
    if (operation == OPERATION_CANCEL_REFUND)
        id_text(ID_REFUND, r->id, run->call.original);
}

err_t refund_move(struct store_tx *tx, struct flow_run *run, struct refund *r,
                  enum refund_step step, struct buf *json)
{
    int from = r->state, to = machine_next(&refund_machine, from, (int)step);
    if (!to)
        return error_set(&run->error, ERR_STATE, "The refund has ended already.");
    r->state = to;
    r->version++;
    r->updated_us = num_max(r->updated_us, run->det.now_us);
    buf_clear(json);
    refund_write(&(struct jw){.b = json}, NULL, r);
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
        V_TEXT(opt_str(r->network_reference)), V_TEXT(opt_str(r->acquirer_reference)),
        V_INT(r->merchant_id), V_ID(&r->id), V_INT(from));
}

/* --- ends --- */

static void take_reference(char *out, size_t max, const char *said)
{
    if (said[0])
        copy_text(out, max, str_from(said));
}

static err_t keep_references(struct store_tx *tx, struct refund *r, const struct outcome *o)
{
    take_reference(r->provider_reference, sizeof r->provider_reference, o->provider_reference);
    take_reference(r->network_reference, sizeof r->network_reference, o->network_reference);
    take_reference(r->acquirer_reference, sizeof r->acquirer_reference, o->acquirer_reference);
    const char *const references[] = {r->provider_reference, r->network_reference,
                                      r->acquirer_reference};
    err_t err = OK;
    for (size_t i = 0; !err && i < COUNT_OF(references); i++)
        err = search_add(tx, r->merchant_id, SEARCH_REFUND, SEARCH_REFERENCE,
                         str_from(references[i]), r->id);
    return err;
}

/* The payment's part of an end: its step, journal and, when its state changed, its event. */
static err_t payment_follow(struct store_tx *tx, struct flow_run *run, struct payment *p,
                            enum payment_step step, struct journal *j, struct id refund)
{
    struct buf snapshot = BUF(JSON_MAX);
    int before = p->state;
    err_t err = payment_move(p, step, &run->error);
    if (!err)
        err = payment_post(tx, p, j, refund);
    if (!err && p->state != before)
        err = payment_announce(tx, run, p, &snapshot);
    buf_free(&snapshot);
    return err;
}

err_t refund_succeed(struct store_tx *tx, struct flow_run *run, struct payment *p, struct refund *r,
                     const struct outcome *o, struct buf *json)
{
    struct journal j = {0};
    err_t err = keep_references(tx, r, o);
    if (!err)
        err = refund_move(tx, run, r, REFUND_DO_DO, json);
    if (err)
        return err;
    ASSERT(p->refund_pending >= r->amount);
    p->refund_pending -= r->amount;
    p->refunded += r->amount;
    ledger_refund(&j, r->provider_account, r->amount);
    /* More may be captured later of what is partly captured: it is not refunded for good. */
    bool all = p->refunded == p->captured &&
               machine_next(&payment_machine, p->state, PAYMENT_DO_REFUND_ALL) != 0;
    return payment_follow(tx, run, p, all ? PAYMENT_DO_REFUND_ALL : PAYMENT_DO_REFUND_PART, &j,
                          r->id);
}

err_t refund_fail(struct store_tx *tx, struct flow_run *run, struct payment *p, struct refund *r,
                  enum refund_step step, struct buf *json)
{
    struct journal j = {0};
    err_t err = refund_move(tx, run, r, step, json);
    if (err)
        return err;
    ASSERT(p->refund_pending >= r->amount);
    p->refund_pending -= r->amount;
    ledger_refund_release(&j, r->provider_account, r->amount);
    return payment_follow(tx, run, p, PAYMENT_DO_REFUND_NO, &j, r->id);
}

err_t refund_return(struct store_tx *tx, struct flow_run *run, struct payment *p, struct refund *r,
                    int decline, struct buf *json)
{
    struct journal j = {0};
    r->decline = decline ? decline : DECLINE_GENERIC_DECLINE;
    err_t err = refund_move(tx, run, r, REFUND_DO_FAIL, json);
    if (err)
        return err;
    ASSERT(p->refunded >= r->amount);
    p->refunded -= r->amount;
    ledger_refund_return(&j, r->provider_account, r->amount);
    return payment_follow(tx, run, p, PAYMENT_DO_REFUND_BACK, &j, r->id);
}

/* --- what comes by itself --- */

err_t refund_apply(struct store_tx *tx, struct flow_run *run, struct id refund,
                   const struct outcome *o, enum applied *ret)
{
    struct payment p = {0};
    struct refund r;
    struct buf json = BUF(JSON_MAX);
    bool found = false, refused = o->kind == OUTCOME_DECLINED || o->kind == OUTCOME_FAILED;
    err_t err = refund_load(tx, run->merchant_id, refund, &r, &found);
    *ret = !found ? APPLIED_UNKNOWN : r.state == REFUND_PENDING ? APPLIED_LATER : APPLIED_NOTHING;
    if (err || *ret != APPLIED_NOTHING || r.state != REFUND_SUCCEEDED || !refused ||
        !o->after_success)
        goto out;
    err = payment_load_subject(tx, run, r.payment, &p);
    if (!err)
        err = refund_return(tx, run, &p, &r, o->decline, &json);
    if (!err)
        err = payment_save(tx, &p);
    if (!err)
        *ret = APPLIED_DONE;
out:
    payment_release(&p);
    refund_release(&r);
    buf_free(&json);
    return err;
}

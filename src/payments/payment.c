/* The payment row: load, show, move, announce, save. */
#include "payments/payment.h"

#include <stdio.h>

static void copy_text(char *out, size_t max, struct str s)
{
    size_t n = s.n < max ? s.n : max - 1;
    if (n)
        memcpy(out, s.p, n);
    out[n] = 0;
}

err_t payment_from_row(struct store_row *row, int64_t merchant_id, struct payment *ret)
{
    struct payment *p = ret;
    *p = (struct payment){.merchant_id = merchant_id, .id = row_id(row, 0)};
    p->state = (int)row_int(row, 1);
    p->version = row_int(row, 2);
    p->amount = row_int(row, 3);
    p->currency = (int16_t)row_int(row, 4);
    p->capture = row_int(row, 5) != 0;
    p->authorized = row_int(row, 6);
    p->captured = row_int(row, 7);
    p->refunded = row_int(row, 8);
    p->refund_pending = row_int(row, 9);
    p->provider_account = (int16_t)row_int(row, 10);
    p->attempt = (int16_t)row_int(row, 11);
    p->operations = (int16_t)row_int(row, 12);
    p->decline = (int)row_int(row, 13);
    p->event_last = row_int(row, 14);
    p->journal_last = row_int(row, 15);
    p->created_us = row_int(row, 16);
    p->updated_us = row_int(row, 17);
    copy_text(p->token, sizeof p->token, row_text(row, 18));
    p->details = BUF(JSON_MAX);
    struct str details = row_text(row, 19);
    buf_add(&p->details, details.p, details.n);
    copy_text(p->provider_reference, sizeof p->provider_reference, row_text(row, 20));
    copy_text(p->network_reference, sizeof p->network_reference, row_text(row, 21));
    p->account_id = row_id(row, 22);
    p->attempt_state = (int)row_int(row, 23);
    ASSERT(p->captured <= p->authorized && p->refunded + p->refund_pending <= p->captured);
    p->was.state = p->state;
    p->was.operations = p->operations;
    p->was.event_last = p->event_last;
    p->was.refund_pending = p->refund_pending;
    p->was.refunded = p->refunded;
    return p->details.failed ? ERR_NO_MEMORY : OK;
}

err_t payment_load(struct store_tx *tx, int64_t merchant_id, struct id id, struct payment *ret,
                   bool *ret_found)
{
    struct store_row *row;
    *ret = (struct payment){0};
    err_t err = store_one(tx, SQL_PAYMENTS_READ_PAYMENT, &row, V_INT(merchant_id), V_ID(&id));
    *ret_found = !err && row != NULL;
    return err || !row ? err : payment_from_row(row, merchant_id, ret);
}

err_t payment_load_subject(struct store_tx *tx, struct flow_run *run, struct id id,
                           struct payment *ret)
{
    bool found;
    err_t err = payment_load(tx, run->merchant_id, id, ret, &found);
    if (!err && !found)
        err = error_set(&run->error, ERR_NOT_FOUND, "There is no such payment.");
    ret->updated_us = num_max(ret->updated_us, run->det.now_us);
    return err;
}

void payment_release(struct payment *p)
{
    buf_free(&p->details);
}

int64_t payment_capturable(const struct payment *p)
{
    return p->state == PAYMENT_AUTHORIZED ? p->authorized - p->captured : 0;
}

void payment_write(struct jw *w, const char *key, const struct payment *p)
{
    const struct currency *c = currency_by_number(p->currency);
    ASSERT(c != NULL);
    jw_object(w, key);
    jw_id(w, "id", ID_PAYMENT, p->id);
    jw_str(w, "object", STR("payment"));
    jw_str(w, "mode", p->merchant_id & 1 ? STR("live") : STR("test"));
    jw_str(w, "status", str_from(machine_text(&payment_machine, p->state)));
    jw_int(w, "amount", p->amount);
    jw_str(w, "currency", str_from(c->code));
    jw_int(w, "amount_authorized", p->authorized);
    jw_int(w, "amount_capturable", payment_capturable(p));
    jw_int(w, "amount_captured", p->captured);
    jw_int(w, "amount_refunded", p->refunded);
    jw_int(w, "amount_disputed", 0);
    jw_bool(w, "capture", p->capture);
    jw_str(w, "payment_method_token", str_from(p->token));
    jw_null(w, "next_action");
    jw_str(w, "decline_code", str_from(decline_code_text(p->decline)));
    if (id_is_zero(p->account_id))
        jw_null(w, "provider_account");
    else
        jw_id(w, "provider_account", ID_PROVIDER_ACCOUNT, p->account_id);
    jw_str(w, "provider_reference", opt_str(p->provider_reference));
    jw_str(w, "network_reference", opt_str(p->network_reference));
    buf_byte(w->b, ',');
    buf_add(w->b, p->details.p, p->details.n);
    jw_int(w, "version", p->version);
    jw_time(w, "created", p->created_us);
    jw_time(w, "updated", p->updated_us);
    jw_object_end(w);
}

void payment_details(struct buf *out, const struct payment_create *in, struct str return_url,
                     json_t *metadata)
{
    struct jw w = {.b = out};
    jw_str(&w, "description", in->description);
    jw_str(&w, "statement_descriptor", in->statement_descriptor);
    jw_str(&w, "return_url", return_url);
    if (metadata)
        jw_json(&w, "metadata", metadata);
    else
        jw_raw(&w, "metadata", STR("{}"));
}

void refund_details(struct buf *out, struct str reason, json_t *metadata)
{
    struct jw w = {.b = out};
    jw_str(&w, "reason", reason);
    if (metadata)
        jw_json(&w, "metadata", metadata);
    else
        jw_raw(&w, "metadata", STR("{}"));
}

err_t payment_move(struct payment *p, enum payment_step step, struct err_info *reterr)
{
    int next = machine_next(&payment_machine, p->state, (int)step);
    if (!next)
        return error_set(reterr, ERR_STATE, "A payment that is %s cannot be %s.",
                         machine_text(&payment_machine, p->state),
                         step == PAYMENT_DO_CAPTURE_START  ? "captured"
                         : step == PAYMENT_DO_CANCEL_START ? "canceled"
                         : step == PAYMENT_DO_REFUND_START ? "refunded"
                                                           : payment_machine.steps[step]);
    p->state = next;
    return OK;
}

err_t payment_announce(struct store_tx *tx, struct flow_run *run, struct payment *p,
                       struct buf *out)
{
    p->version++;
    run->told = machine_text(&payment_machine, p->state);
    buf_clear(out);
    struct jw w = {.b = out};
    payment_write(&w, NULL, p);
    if (out->failed)
        return ERR_NO_MEMORY;
    struct event_new e = {.merchant_id = p->merchant_id,
                          .type = (enum event_type)payment_machine.states[p->state].event,
                          .object_kind = ID_PAYMENT,
                          .object_id = p->id,
                          .object_version = p->version,
                          .previous = p->event_last,
                          .data = buf_view(out)};
    return event_append(tx, &(struct det){.now_us = p->updated_us}, &e, &p->event_last);
}

err_t payment_save(struct store_tx *tx, const struct payment *p)
{
    return store_exec_one(tx, SQL_PAYMENTS_UPDATE_PAYMENT, ERR_SOFT, V_INT(p->state),
                          V_INT(p->version), V_INT(p->authorized), V_INT(p->captured),
                          V_INT(p->refunded), V_INT(p->refund_pending), V_INT(p->operations),
                          V_INT(p->decline), V_INT(p->event_last), V_INT(p->journal_last),
                          V_INT(p->updated_us), V_INT(p->merchant_id), V_ID(&p->id),
                          V_INT(p->was.state), V_INT(p->was.operations), V_INT(p->was.event_last),
                          V_INT(p->was.refund_pending), V_INT(p->was.refunded));
}

err_t payment_post(struct store_tx *tx, struct payment *p, struct journal *j, struct id operation)
{
    j->merchant_id = p->merchant_id;
    j->currency = p->currency;
    j->payment_id = p->id;
    j->operation_id = operation;
    j->previous = p->journal_last;
    j->effective_us = p->updated_us;
    return ledger_post(tx, &(struct det){.now_us = p->updated_us}, j, &p->journal_last);
}

err_t attempt_move(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                   enum attempt_step step, const struct outcome *o)
{
    static const struct outcome nothing;
    int from = p->attempt_state, to = machine_next(&attempt_machine, from, (int)step);
    if (!to)
        return error_set(&run->error, ERR_STATE, "An attempt that is %s cannot %s.",
                         machine_text(&attempt_machine, from), attempt_machine.steps[step]);
    if (!o)
        o = &nothing;
    return store_exec_one(tx, SQL_PAYMENTS_UPDATE_ATTEMPT, ERR_SOFT, V_INT(to), V_INT(o->decline),
                          V_INT(p->updated_us), V_TEXT(opt_str(o->provider_reference)),
                          V_TEXT(opt_str(o->network_reference)),
                          V_TEXT(opt_str(o->authorization_code)), V_TEXT(opt_str(o->provider_code)),
                          V_TEXT(opt_str(o->provider_message)), V_INT(p->merchant_id), V_ID(&p->id),
                          V_INT(p->attempt), V_INT(from));
}

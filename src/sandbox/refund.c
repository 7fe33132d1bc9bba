/* Refunds that are decided later than they are asked for, or decided again. */
#include "sandbox/sandbox_internal.h"

/* A pending one is approved (code "") or not; with `after`, an approved one fails. What is not paid
 * back may be refunded again. */
static err_t settle(struct store_tx *tx, struct sandbox *s, struct operation *o, const char *code,
                    bool after, const char *type, bool *ret_changed)
{
    struct charge x;
    int64_t changed = 0;
    bool there = false;
    struct str reference = str_from(o->reference);
    err_t err = store_exec(
        tx, after ? SQL_SANDBOX_UPDATE_OPERATION_FAILED : SQL_SANDBOX_UPDATE_OPERATION_DECIDED,
        &changed, V_TEXT(str_from(code)), V_INT(BOOK_MERCHANT), V_TEXT(reference));
    *ret_changed = changed == 1;
    if (err || !changed)
        return err;
    if (code[0])
        err = store_exec_one(tx, SQL_SANDBOX_UPDATE_CHARGE_UNREFUNDED, ERR_STATE, V_INT(o->amount),
                             V_INT(BOOK_MERCHANT), V_TEXT(str_from(o->charge)));
    if (!err)
        err = operation_get(tx, reference, o, &there);
    if (!err)
        err = charge_get(tx, str_from(o->charge), &x, &there);
    return err ? err : tell_operation(tx, s, &x, o, type);
}

/* There is such a refund. */
static err_t find(struct store_tx *tx, struct str reference, struct operation *ret, bool *ret_there)
{
    err_t err = operation_get(tx, reference, ret, ret_there);
    if (!err && *ret_there && ret->kind != KIND_REFUND)
        *ret_there = false;
    return err;
}

err_t refund_due(struct store_tx *tx, struct sandbox *s, struct str reference, bool later)
{
    struct operation o;
    struct charge x;
    bool there = false, changed = false;
    err_t err = find(tx, reference, &o, &there);
    if (!err && there)
        err = charge_get(tx, str_from(o.charge), &x, &there);
    if (err || !there)
        return err;
    if (later)
        return settle(tx, s, &o, "R1", true, "refund.failed", &changed);
    if (token_find(str_from(x.source))->refund == REFUND_PENDING_FAILS)
        return settle(tx, s, &o, "05", false, "refund.failed", &changed);
    return settle(tx, s, &o, "", false, "refund.succeeded", &changed);
}

err_t refund_decide_run(struct store_tx *tx, void *arg)
{
    struct refund_decide *k = arg;
    struct operation *o = &k->operation;
    bool there = false, changed = false;
    k->due_us = 0;
    err_t err = find(tx, str_from(k->reference), o, &there);
    k->done = there ? DONE_NOT_NOW : DONE_MISSING;
    if (err || !there)
        return err;
    if (o->pending && k->approve)
        err = settle(tx, k->s, o, "", false, "refund.succeeded", &changed);
    else if (o->pending)
        err = settle(tx, k->s, o, "05", false, "refund.failed", &changed);
    else if (!k->approve)
        err = settle(tx, k->s, o, "R1", true, "refund.failed", &changed);
    if (changed)
        k->done = DONE;
    return err;
}

err_t cancel_run(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    struct result *r = &c->result;
    struct operation *o = &r->op;
    bool there = false;
    *r = (struct result){.outcome = OUT_ANSWER, .kind = KIND_CANCEL};
    err_t err = find(tx, str_from(c->charge), o, &there);
    if (!err && there && o->pending)
        err = settle(tx, c->s, o, "RC", false, "refund.canceled", &r->fresh);
    if (err)
        return err;
    if (!there) {
        r->outcome = OUT_MISSING;
        return OK;
    }
    bool canceled = strcmp(o->code, "RC") == 0;
    o->kind = KIND_CANCEL;
    o->after_success = false;
    o->pending = 0;
    text_copy(o->code, sizeof o->code, canceled ? STR("") : STR("already_done"));
    text_copy(o->reference, sizeof o->reference, str_from(c->reference));
    return OK;
}

/* What follows a change of the book, in its transaction: webhooks, and what is to happen later. */
#include "sandbox/sandbox_internal.h"

static err_t tell(struct store_tx *tx, struct sandbox *s, const char *charge, const char *type,
                  struct buf *body)
{
    err_t err =
        body->failed ? ERR_NO_MEMORY : notify_add(tx, s, str_from(charge), type, buf_view(body));
    buf_free(body);
    return err;
}

/* A charge's own; `state` replaces what is said of it. */
err_t tell_charge(struct store_tx *tx, struct sandbox *s, const struct charge *x, const char *type)
{
    if (!x->notify || !s->webhooks)
        return OK;
    struct buf body = BUF(ANSWER_BYTES_MAX);
    struct jw w = {.b = &body};
    jw_object(&w, NULL);
    jw_str(&w, "object", STR("charge"));
    write_charge(&w, x, true);
    jw_object_end(&w);
    return tell(tx, s, x->reference, type, &body);
}

err_t tell_operation(struct store_tx *tx, struct sandbox *s, const struct charge *x,
                     const struct operation *o, const char *type)
{
    static const char *const objects[] = {[KIND_CAPTURE] = "capture",
                                          [KIND_VOID] = "void",
                                          [KIND_REFUND] = "refund",
                                          [KIND_INCREMENT] = "increment"};
    if (!x->notify || !s->webhooks)
        return OK;
    ASSERT(o->kind >= KIND_CAPTURE && o->kind <= KIND_INCREMENT);
    struct buf body = BUF(ANSWER_BYTES_MAX);
    struct jw w = {.b = &body};
    jw_object(&w, NULL);
    jw_str(&w, "object", str_from(objects[o->kind]));
    write_operation(&w, o);
    jw_object_end(&w);
    return tell(tx, s, x->reference, type, &body);
}

err_t tell_dispute(struct store_tx *tx, struct sandbox *s, const struct charge *x,
                   const struct dispute *d, const char *type)
{
    if (!x->notify || !s->webhooks)
        return OK;
    struct buf body = BUF(ANSWER_BYTES_MAX);
    struct jw w = {.b = &body};
    dispute_json(&w, NULL, d);
    return tell(tx, s, x->reference, type, &body);
}

err_t effect_clear(struct store_tx *tx, struct sandbox *s, const struct charge *x, int64_t amount)
{
    char text[24];
    err_t err = store_exec_one(tx, SQL_SANDBOX_UPDATE_CHARGE_CLEARED, ERR_STATE, V_INT(amount),
                               V_INT(BOOK_MERCHANT), V_TEXT(str_from(x->reference)));
    if (err || !x->notify || !s->webhooks)
        return err;
    struct buf body = BUF(ANSWER_BYTES_MAX);
    struct jw w = {.b = &body};
    acquirer_reference(x->capture_id, text);
    jw_object(&w, NULL);
    jw_str(&w, "object", STR("clearing"));
    jw_str(&w, "reference", str_from(x->reference));
    jw_int(&w, "amount", amount);
    jw_str(&w, "currency", str_from(x->currency));
    jw_str(&w, "acquirer_reference", str_from(text));
    jw_object_end(&w);
    return tell(tx, s, x->reference, "charge.cleared", &body);
}

err_t effect_captured(struct store_tx *tx, struct sandbox *s, const struct charge *x, bool first,
                      int64_t now_us, int64_t *earliest)
{
    const struct token *t = token_find(str_from(x->source));
    err_t err = OK;
    if (first && t->dispute)
        err = due_add(tx, now_us + s->dispute_ms * 1000, DUE_DISPUTE_OPENS, str_from(x->reference),
                      earliest);
    bool over = x->captured > 0 && x->state != CHARGE_AUTHORIZED;
    if (!err && over && (t->clear_more || t->clear_percent))
        err = effect_clear(tx, s, x,
                           x->captured + t->clear_more + x->captured / 100 * t->clear_percent +
                               x->captured % 100 * t->clear_percent / 100);
    return err;
}

err_t effect_charge(struct store_tx *tx, struct sandbox *s, const struct charge *x, int64_t now_us,
                    int64_t *earliest)
{
    err_t err = tell_charge(tx, s, x,
                            x->state == CHARGE_REFUSED    ? "charge.refused"
                            : x->state == CHARGE_CAPTURED ? "charge.captured"
                                                          : "charge.authorized");
    if (!err && x->state == CHARGE_CAPTURED)
        err = effect_captured(tx, s, x, true, now_us, earliest);
    if (!err && x->state == CHARGE_AUTHORIZED)
        err = due_add(tx, x->capture_before * 1000000, DUE_HOLD, str_from(x->reference), earliest);
    return err;
}

/* --- the control page --- */
err_t charge_clear_run(struct store_tx *tx, void *arg)
{
    struct charge_clear *k = arg;
    struct charge x;
    bool there = false;
    err_t err = charge_get(tx, str_from(k->reference), &x, &there);
    k->done = !there ? DONE_MISSING : x.captured > 0 ? DONE : DONE_NOT_NOW;
    return err || k->done != DONE ? err : effect_clear(tx, k->s, &x, k->amount);
}

static err_t hold_ends(struct store_tx *tx, struct charge_expire *k)
{
    struct charge x;
    int64_t changed = 0;
    bool there = false;
    err_t err = store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_EXPIRED, &changed, V_INT(BOOK_MERCHANT),
                           V_TEXT(str_from(k->reference)));
    if (err || !changed)
        return err;
    k->done = DONE;
    err = charge_get(tx, str_from(k->reference), &x, &there);
    if (!err)
        err = tell_charge(tx, k->s, &x, "charge.expired");
    return err ? err : effect_captured(tx, k->s, &x, false, 0, &k->due_us);
}

err_t charge_expire_run(struct store_tx *tx, void *arg)
{
    struct charge_expire *k = arg;
    struct charge x;
    bool there = false;
    k->due_us = 0;
    err_t err = charge_get(tx, str_from(k->reference), &x, &there);
    k->done = there ? DONE_NOT_NOW : DONE_MISSING;
    if (err || !there)
        return err;
    if (x.state != CHARGE_ACTION)
        return hold_ends(tx, k);
    struct challenge_end e = {.s = k->s, .charge_id = x.id, .result = CHALLENGE_EXPIRE};
    err = challenge_end_run(tx, &e);
    if (e.ended)
        k->done = DONE;
    return err;
}

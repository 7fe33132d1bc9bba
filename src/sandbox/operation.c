/* Captures, voids, increments and refunds. What is allowed is decided by the WHERE of the update;
 * the code only says why not. */
#include "sandbox/sandbox_internal.h"

/* Columns of select_operation. */
enum {
    OP_REFERENCE,
    OP_ID,
    OP_KIND,
    OP_CHARGE,
    OP_CHARGE_ID,
    OP_AMOUNT,
    OP_CURRENCY,
    OP_CODE,
    OP_PENDING,
    OP_AFTER_SUCCESS,
    OP_FINAL
};

err_t operation_get(struct store_tx *tx, struct str reference, struct operation *ret,
                    bool *ret_there)
{
    struct store_row *row = NULL;
    err_t err =
        store_one(tx, SQL_SANDBOX_SELECT_OPERATION, &row, V_INT(BOOK_MERCHANT), V_TEXT(reference));
    *ret_there = !err && row;
    if (!*ret_there)
        return err;
    int64_t kind = row_int(row, OP_KIND);
    ASSERT(kind >= KIND_CAPTURE && kind <= KIND_EVIDENCE);
    *ret = (struct operation){.kind = (enum kind)kind,
                              .id = row_id(row, OP_ID),
                              .charge_id = row_id(row, OP_CHARGE_ID),
                              .amount = row_int(row, OP_AMOUNT),
                              .pending = (int)row_int(row, OP_PENDING),
                              .after_success = row_int(row, OP_AFTER_SUCCESS) == 1,
                              .final = (int)row_int(row, OP_FINAL)};
    text_copy(ret->reference, sizeof ret->reference, row_text(row, OP_REFERENCE));
    text_copy(ret->charge, sizeof ret->charge, row_text(row, OP_CHARGE));
    text_copy(ret->currency, sizeof ret->currency, row_text(row, OP_CURRENCY));
    text_copy(ret->code, sizeof ret->code, row_text(row, OP_CODE));
    return OK;
}

/* Is the reference taken? Then c->result says what there is to answer. */
static err_t repeat(struct store_tx *tx, struct call *c, bool *ret_there)
{
    struct str reference = str_from(c->reference);
    struct operation o;
    struct store_row *row = NULL;
    err_t err = operation_get(tx, reference, &o, ret_there);
    if (err)
        return err;
    if (*ret_there) {
        bool same = o.kind == c->kind && o.amount == c->amount && o.final == c->final &&
                    strcmp(o.currency, c->currency) == 0 && strcmp(o.charge, c->charge) == 0;
        c->result.op = o;
        if (!same)
            c->result.outcome = OUT_REUSED;
        return OK;
    }
    err = store_one(tx, SQL_SANDBOX_SELECT_CHARGE, &row, V_INT(BOOK_MERCHANT), V_TEXT(reference));
    if (!err && row) {
        *ret_there = true;
        c->result.outcome = OUT_REUSED;
    }
    return err;
}

/* A void of a charge that was never here: remembered, so that the charge cannot come later. */
static err_t reverse_ahead(struct store_tx *tx, struct call *c)
{
    static const struct charge_asks none = {0};
    int64_t changed = 0;
    struct charge x = {.id = c->id,
                       .state = CHARGE_REVERSED,
                       .requested = c->amount,
                       .taken = c->amount,
                       .amount = c->amount};
    text_copy(x.reference, sizeof x.reference, str_from(c->charge));
    text_copy(x.currency, sizeof x.currency, str_from(c->currency));
    c->result.op.charge_id = c->id;
    err_t err = charge_insert(tx, &x, &none, &changed);
    if (!err)
        ASSERT(changed == 1);
    return err;
}

/* A void: of what is held, or of a charge that is not decided yet, which is then refused. */
static err_t release(struct store_tx *tx, struct call *c, const struct charge *x,
                     int64_t *ret_changed)
{
    struct sql_value merchant = V_INT(BOOK_MERCHANT), charge = V_TEXT(str_from(c->charge));
    struct str code = x->state == CHARGE_ACTION ? STR("1V") : STR("reversed");
    err_t err = store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_VOIDED, ret_changed, V_INT(c->amount),
                           merchant, charge);
    if (err || *ret_changed || (x->state != CHARGE_ACTION && x->state != CHARGE_IN_PROGRESS))
        return err;
    return store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_REVERSED, ret_changed, V_TEXT(code), merchant,
                      charge, V_INT(x->state));
}

/* Moves the charge when its row allows. */
static err_t move(struct store_tx *tx, struct call *c, const struct charge *x, int64_t *ret_changed)
{
    struct sql_value amount = V_INT(c->amount), charge = V_TEXT(str_from(c->charge));
    struct sql_value merchant = V_INT(BOOK_MERCHANT), now = V_INT(c->now_us / 1000000);
    switch (c->kind) {
    case KIND_CAPTURE:
        return store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_CAPTURED, ret_changed, amount,
                          V_INT(c->final == 1), V_ID(&c->id), merchant, charge, now);
    case KIND_REFUND:
        return store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_REFUNDED, ret_changed, amount, merchant,
                          charge);
    case KIND_INCREMENT:
        return store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_INCREMENTED, ret_changed, amount, merchant,
                          charge, now);
    default:
        ASSERT(c->kind == KIND_VOID);
        return release(tx, c, x, ret_changed);
    }
}

/* Why the row did not allow it. */
static const char *why_not(const struct call *c, const struct charge *x)
{
    if (c->kind == KIND_REFUND)
        return x->captured == 0                         ? "not_captured"
               : x->captured - x->refunded >= c->amount ? "disputed"
                                                        : "amount_exceeds";
    switch (x->state) {
    case CHARGE_AUTHORIZED: /* a void always succeeds here */
        if (x->capture_before && x->capture_before <= c->now_us / 1000000)
            return "hold_expired";
        return c->kind == KIND_INCREMENT && x->captured > 0 ? "already_captured" : "amount_exceeds";
    case CHARGE_CAPTURED:
        return "already_captured";
    case CHARGE_VOIDED:
        return "already_voided";
    case CHARGE_EXPIRED:
        return "hold_expired";
    case CHARGE_IN_PROGRESS: /* not decided yet, so nothing to capture */
    case CHARGE_ACTION:
        return "96";
    default:
        return "reversed"; /* refused, or reversed before it came: nothing is held */
    }
}

/* How long a refund takes, as the charge's token wants. */
static err_t refund_begun(struct store_tx *tx, struct call *c, enum refund_way way)
{
    struct result *r = &c->result;
    int64_t at = c->now_us + c->s->slow_ms * 1000;
    struct str reference = str_from(c->reference);
    switch (way) {
    case REFUND_AT_ONCE:
        return OK;
    case REFUND_PENDING:
    case REFUND_PENDING_FAILS:
        r->op.pending = 1;
        return due_add(tx, at, DUE_REFUND, reference, &r->due_us);
    case REFUND_FAILS_LATER:
        return due_add(tx, at, DUE_REFUND_FAILS, reference, &r->due_us);
    case REFUND_STAYS_PENDING:
        r->op.pending = 2;
        return OK;
    }
    return OK;
}

/* What the move of the charge leads to, after the operation's own webhook. */
static err_t moved(struct store_tx *tx, struct call *c, const struct charge *before)
{
    struct result *r = &c->result;
    struct charge x;
    bool there = false;
    if (c->kind != KIND_CAPTURE && c->kind != KIND_VOID)
        return OK;
    err_t err = charge_get(tx, str_from(c->charge), &x, &there);
    if (err)
        return err;
    ASSERT(there);
    if (x.state == CHARGE_REFUSED)
        return tell_charge(tx, c->s, &x, "charge.refused");
    return effect_captured(tx, c->s, &x, c->kind == KIND_CAPTURE && before->captured == 0,
                           c->now_us, &r->due_us);
}

/* The webhook of an operation; NULL: there is none. */
static const char *type_of(const struct operation *o)
{
    bool refused = o->code[0] != 0;
    if (o->kind == KIND_REFUND)
        return o->pending ? NULL : refused ? "refund.failed" : "refund.succeeded";
    if (o->kind == KIND_CAPTURE)
        return refused ? "capture.refused" : "capture.approved";
    return refused ? NULL : o->kind == KIND_VOID ? "void.approved" : "increment.approved";
}

/* On the charge's row: what its token wants, else the move. */
static err_t carry_out(struct store_tx *tx, struct call *c, const struct charge *x,
                       int64_t *ret_changed)
{
    struct result *r = &c->result;
    const struct token *t = token_find(str_from(x->source));
    r->op.charge_id = x->id;
    r->first = t->webhook_first && x->notify;
    if (t->later == c->kind) {
        r->act = t->later_act;
        if (t->later_code) {
            text_copy(r->op.code, sizeof r->op.code, str_from(t->later_code));
            return OK;
        }
    }
    err_t err = move(tx, c, x, ret_changed);
    if (!err && *ret_changed == 0)
        text_copy(r->op.code, sizeof r->op.code, str_from(why_not(c, x)));
    if (!err && *ret_changed && c->kind == KIND_REFUND)
        err = refund_begun(tx, c, t->refund);
    return err;
}

static err_t operation_insert(struct store_tx *tx, const struct operation *o)
{
    return store_exec(tx, SQL_SANDBOX_INSERT_OPERATION, NULL, V_INT(BOOK_MERCHANT),
                      V_TEXT(str_from(o->reference)), V_ID(&o->id), V_INT(o->kind),
                      V_TEXT(str_from(o->charge)), V_ID(&o->charge_id), V_INT(o->amount),
                      V_TEXT(str_from(o->currency)), V_TEXT(str_from(o->code)), V_INT(o->pending),
                      V_INT(o->final));
}

static void operation_make(const struct call *c, struct operation *o)
{
    *o = (struct operation){.kind = c->kind, .id = c->id, .amount = c->amount, .final = c->final};
    text_copy(o->reference, sizeof o->reference, str_from(c->reference));
    text_copy(o->charge, sizeof o->charge, str_from(c->charge));
    text_copy(o->currency, sizeof o->currency, str_from(c->currency));
}

err_t operation_run(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    struct result *r = &c->result;
    struct charge *x = &r->charge;
    int64_t changed = 0;
    bool there = false;
    *r = (struct result){.outcome = OUT_ANSWER, .kind = c->kind};
    operation_make(c, &r->op);
    err_t err = repeat(tx, c, &there);
    if (err || there)
        return err;
    r->fresh = true;
    err = charge_get(tx, str_from(c->charge), x, &there);
    if (err)
        return err;
    if (!there && c->kind != KIND_VOID)
        r->outcome = OUT_MISSING;
    else if (there && strcmp(x->currency, c->currency) != 0)
        r->outcome = OUT_CURRENCY;
    if (r->outcome != OUT_ANSWER)
        return OK;
    err = there ? carry_out(tx, c, x, &changed) : reverse_ahead(tx, c);
    if (!err)
        err = operation_insert(tx, &r->op);
    const char *type = type_of(&r->op);
    if (!err && there && type)
        err = tell_operation(tx, c->s, x, &r->op, type);
    return err || !changed ? err : moved(tx, c, x);
}

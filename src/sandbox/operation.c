/* Captures, voids and refunds. What is allowed is decided by the WHERE of the update; the code only
 * says why not. */
#include "sandbox/sandbox_internal.h"

void result_of_operation(struct store_row *row, struct result *r)
{
    int64_t kind = row_int(row, OP_KIND);
    ASSERT(kind >= KIND_CAPTURE && kind <= KIND_REFUND);
    *r = (struct result){.outcome = OUT_ANSWER, .kind = (enum kind)kind};
    r->amount = row_int(row, OP_AMOUNT);
    r->operation_id = row_id(row, OP_ID);
    r->charge_id = row_id(row, OP_CHARGE_ID);
    text_copy(r->currency, sizeof r->currency, row_text(row, OP_CURRENCY));
    text_copy(r->code, sizeof r->code, row_text(row, OP_CODE));
}

/* Is the reference taken? Then c->result says what there is to answer. */
static err_t repeat(struct store_tx *tx, struct call *c, bool *ret_there)
{
    struct store_row *row = NULL;
    struct sql_value reference = V_TEXT(str_from(c->reference));
    err_t err = store_one(tx, SQL_SANDBOX_SELECT_OPERATION, &row, V_INT(BOOK_MERCHANT), reference);
    if (err)
        return err;
    *ret_there = row != NULL;
    if (row) {
        bool same = row_int(row, OP_KIND) == c->kind && row_int(row, OP_AMOUNT) == c->amount &&
                    str_eq(row_text(row, OP_CURRENCY), str_from(c->currency)) &&
                    str_eq(row_text(row, OP_CHARGE), str_from(c->charge));
        result_of_operation(row, &c->result);
        if (!same)
            c->result.outcome = OUT_REUSED;
        return OK;
    }
    err = store_one(tx, SQL_SANDBOX_SELECT_CHARGE, &row, V_INT(BOOK_MERCHANT), reference);
    if (!err && row) {
        *ret_there = true;
        c->result.outcome = OUT_REUSED;
    }
    return err;
}

/* A void of a charge that was never here: remembered, so that the charge cannot come later. */
static err_t reverse_ahead(struct store_tx *tx, struct call *c)
{
    int64_t changed = 0;
    c->result.charge_id = c->id;
    err_t err = store_exec(tx, SQL_SANDBOX_INSERT_CHARGE, &changed, V_INT(BOOK_MERCHANT),
                           V_TEXT(str_from(c->charge)), V_ID(&c->id), V_INT(CHARGE_REVERSED),
                           V_INT(c->amount), V_INT(c->amount), V_TEXT(str_from(c->currency)),
                           V_INT(0), V_INT(0), V_INT(0), V_TEXT(STR("")), V_TEXT(STR("")));
    if (!err)
        ASSERT(changed == 1);
    return err;
}

/* Moves the charge when its row allows. */
static err_t move(struct store_tx *tx, struct call *c, int64_t *ret_changed)
{
    struct sql_value amount = V_INT(c->amount), charge = V_TEXT(str_from(c->charge));
    struct sql_value merchant = V_INT(BOOK_MERCHANT);
    if (c->kind == KIND_CAPTURE)
        return store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_CAPTURED, ret_changed, amount, merchant,
                          charge);
    if (c->kind == KIND_REFUND)
        return store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_REFUNDED, ret_changed, amount, merchant,
                          charge);
    ASSERT(c->kind == KIND_VOID);
    err_t err = store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_VOIDED, ret_changed, merchant, charge);
    if (err || *ret_changed)
        return err;
    return store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_REVERSED, ret_changed, V_TEXT(STR("reversed")),
                      merchant, charge);
}

/* Why the row did not allow it. */
static const char *why_not(enum kind kind, int64_t state)
{
    if (kind == KIND_REFUND)
        return state == CHARGE_CAPTURED ? "amount_exceeds" : "not_captured";
    switch (state) {
    case CHARGE_AUTHORIZED: /* a void always succeeds here */
        return "amount_exceeds";
    case CHARGE_CAPTURED:
        return "already_captured";
    case CHARGE_VOIDED:
        return "already_voided";
    case CHARGE_IN_PROGRESS: /* not decided yet, so nothing to capture */
        return "96";
    default:
        return "reversed"; /* refused, or reversed before it came: nothing is held */
    }
}

/* On the charge's row: what the script of its token wants, else the move. */
static err_t carry_out(struct store_tx *tx, struct call *c, struct store_row *row)
{
    struct result *r = &c->result;
    int64_t state = row_int(row, COL_STATE), changed = 0;
    struct str script = row_text(row, COL_SCRIPT);
    const struct token *t = script.n ? token_find(script) : NULL;
    r->charge_id = row_id(row, COL_CHARGE_ID);
    if (t && t->later == c->kind) {
        r->act = t->later_act;
        if (t->later_code) {
            text_copy(r->code, sizeof r->code, str_from(t->later_code));
            return OK;
        }
    }
    err_t err = move(tx, c, &changed);
    if (!err && changed == 0)
        text_copy(r->code, sizeof r->code, str_from(why_not(c->kind, state)));
    return err;
}

err_t operation_run(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    struct result *r = &c->result;
    struct store_row *row = NULL;
    bool there = false;
    *r = (struct result){
        .outcome = OUT_ANSWER, .kind = c->kind, .amount = c->amount, .operation_id = c->id};
    text_copy(r->currency, sizeof r->currency, str_from(c->currency));
    err_t err = repeat(tx, c, &there);
    if (err || there)
        return err;
    r->fresh = true;
    err = store_one(tx, SQL_SANDBOX_SELECT_CHARGE, &row, V_INT(BOOK_MERCHANT),
                    V_TEXT(str_from(c->charge)));
    if (err)
        return err;
    if (!row && c->kind != KIND_VOID)
        r->outcome = OUT_MISSING;
    else if (row && !str_eq(row_text(row, COL_CURRENCY), str_from(c->currency)))
        r->outcome = OUT_CURRENCY;
    if (r->outcome != OUT_ANSWER)
        return OK;
    err = row ? carry_out(tx, c, row) : reverse_ahead(tx, c);
    if (err)
        return err;
    return store_exec(tx, SQL_SANDBOX_INSERT_OPERATION, NULL, V_INT(BOOK_MERCHANT),
                      V_TEXT(str_from(c->reference)), V_ID(&c->id), V_INT(c->kind),
                      V_TEXT(str_from(c->charge)), V_ID(&r->charge_id), V_INT(c->amount),
                      V_TEXT(str_from(c->currency)), V_TEXT(str_from(r->code)));
}

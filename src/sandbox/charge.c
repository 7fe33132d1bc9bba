/* Charges: taking one, finishing a slow one. */
#include "sandbox/sandbox_internal.h"

#define REVERSED STR("reversed")

void text_copy(char *out, size_t max, struct str s)
{
    ASSERT(s.n < max);
    if (s.n)
        memcpy(out, s.p, s.n);
    out[s.n] = 0;
}

void result_of_charge(struct store_row *row, struct result *r)
{
    int64_t state = row_int(row, COL_STATE);
    ASSERT(state >= CHARGE_IN_PROGRESS && state <= CHARGE_REVERSED);
    *r = (struct result){.outcome = OUT_ANSWER, .kind = KIND_CHARGE};
    r->pending = state == CHARGE_IN_PROGRESS;
    r->captured = row_int(row, COL_CAPTURE) == 1;
    r->amount = row_int(row, COL_AMOUNT);
    r->charge_id = row_id(row, COL_CHARGE_ID);
    text_copy(r->currency, sizeof r->currency, row_text(row, COL_CURRENCY));
    text_copy(r->code, sizeof r->code, row_text(row, COL_CODE));
}

/* A reference that has a charge already: the same request gets the same answer. */
static err_t repeat(struct store_tx *tx, struct call *c)
{
    struct str reference = str_from(c->reference);
    struct store_row *row = NULL;
    err_t err = store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_CALL, NULL, V_INT(BOOK_MERCHANT),
                           V_TEXT(reference));
    if (!err)
        err =
            store_one(tx, SQL_SANDBOX_SELECT_CHARGE, &row, V_INT(BOOK_MERCHANT), V_TEXT(reference));
    if (err)
        return err;
    ASSERT(row);
    bool same = row_int(row, COL_REQUESTED) == c->amount &&
                str_eq(row_text(row, COL_CURRENCY), str_from(c->currency)) &&
                (row_int(row, COL_CAPTURE) == 1) == c->capture;
    result_of_charge(row, &c->result);
    if (!same)
        c->result.outcome = OUT_REUSED;
    return OK;
}

/* The charge of a reversal that was here first must not take money any more. */
static err_t refuse_late(struct store_tx *tx, struct call *c, bool *ret_late)
{
    int64_t changed = 0;
    err_t err = store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_LATE, &changed, V_INT(c->amount),
                           V_INT(c->amount), V_TEXT(str_from(c->currency)), V_INT(c->capture),
                           V_TEXT(REVERSED), V_INT(BOOK_MERCHANT), V_TEXT(str_from(c->reference)));
    *ret_late = changed == 1;
    if (err || changed == 0)
        return err;
    struct store_row *row = NULL;
    err = store_one(tx, SQL_SANDBOX_SELECT_CHARGE, &row, V_INT(BOOK_MERCHANT),
                    V_TEXT(str_from(c->reference)));
    if (!err) {
        ASSERT(row);
        result_of_charge(row, &c->result);
    }
    return err;
}

static void fill_fresh(struct call *c, int64_t amount, bool pending)
{
    struct result *r = &c->result;
    *r = (struct result){.outcome = OUT_ANSWER,
                         .kind = KIND_CHARGE,
                         .fresh = true,
                         .pending = pending,
                         .captured = c->capture,
                         .amount = amount,
                         .charge_id = c->id};
    text_copy(r->code, sizeof r->code, str_from(c->token->code));
    text_copy(r->currency, sizeof r->currency, str_from(c->currency));
}

err_t charge_run(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    const struct token *t = c->token;
    struct str reference = str_from(c->reference);
    bool refused = t->code[0] != 0, slow = c->act == ACT_DELAY && !refused;
    enum charge_state state = refused      ? CHARGE_REFUSED
                              : slow       ? CHARGE_IN_PROGRESS
                              : c->capture ? CHARGE_CAPTURED
                                           : CHARGE_AUTHORIZED;
    int64_t amount = c->amount + (refused ? 0 : t->shift), changed = 0;
    const char *script = t->later ? t->name : "";
    struct store_row *row = NULL;
    err_t err = store_exec(tx, SQL_SANDBOX_INSERT_CHARGE, &changed, V_INT(BOOK_MERCHANT),
                           V_TEXT(reference), V_ID(&c->id), V_INT(state), V_INT(c->amount),
                           V_INT(amount), V_TEXT(str_from(c->currency)), V_INT(c->capture),
                           V_INT(state == CHARGE_CAPTURED ? amount : 0), V_INT(1),
                           V_TEXT(str_from(t->code)), V_TEXT(str_from(script)));
    if (!err && changed == 0) {
        bool late = false;
        err = refuse_late(tx, c, &late);
        return err || late ? err : repeat(tx, c);
    }
    if (!err)
        err = store_one(tx, SQL_SANDBOX_SELECT_OPERATION, &row, V_INT(BOOK_MERCHANT),
                        V_TEXT(reference));
    if (err)
        return err;
    if (row) { /* the reference of a capture, void or refund: take the charge back */
        c->result = (struct result){.outcome = OUT_REUSED};
        return ERR_STATE;
    }
    fill_fresh(c, amount, slow);
    return OK;
}

err_t charge_finish_run(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    struct store_row *row = NULL;
    err_t err = store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_FINISHED, NULL, V_INT(BOOK_MERCHANT),
                           V_TEXT(str_from(c->reference)));
    if (!err)
        err = store_one(tx, SQL_SANDBOX_SELECT_CHARGE, &row, V_INT(BOOK_MERCHANT),
                        V_TEXT(str_from(c->reference)));
    if (err)
        return err;
    ASSERT(row);
    result_of_charge(row, &c->result);
    return OK;
}

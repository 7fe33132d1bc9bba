/* Charges: taking one, finishing a slow one. */
#include "sandbox/sandbox_internal.h"

#define REVERSED STR("reversed")
#define HOLD_S (INT64_C(7) * 86400)

/* Columns of select_charge. */
enum {
    COL_REFERENCE,
    COL_CHARGE_ID,
    COL_STATE,
    COL_REQUESTED,
    COL_TAKEN,
    COL_AMOUNT,
    COL_CURRENCY,
    COL_CAPTURE,
    COL_CAPTURED,
    COL_RELEASED,
    COL_REFUNDED,
    COL_DISPUTED,
    COL_CLEARED,
    COL_CALLS,
    COL_CODE,
    COL_SOURCE,
    COL_BRAND,
    COL_LAST_FOUR,
    COL_CAPTURE_BEFORE,
    COL_CAPTURE_ID,
    COL_CHALLENGE,
    COL_CHALLENGE_TYPE,
    COL_CHALLENGE_UNTIL,
    COL_BASE_URL,
    COL_FLOW,
    COL_LIABILITY,
    COL_VERSION,
    COL_ECI,
    COL_DS_ID,
    COL_EXEMPTION,
    COL_INITIATOR,
    COL_STORED,
    COL_NETWORK_TRANSACTION_ID,
    COL_NOTIFY
};
enum { TYPE_NONE, TYPE_CHALLENGE, TYPE_REDIRECT }; /* column challenge_type */

void text_copy(char *out, size_t max, struct str s)
{
    ASSERT(s.n < max);
    if (s.n)
        memcpy(out, s.p, s.n);
    out[s.n] = 0;
}
#define TAKE_TEXT(out, col) text_copy(out, sizeof(out), row_text(row, col))

static void load_three_ds(struct store_row *row, struct three_ds *d)
{
    d->flow = (enum flow)row_int(row, COL_FLOW);
    d->liability = row_int(row, COL_LIABILITY) == 1;
    TAKE_TEXT(d->version, COL_VERSION);
    TAKE_TEXT(d->eci, COL_ECI);
    TAKE_TEXT(d->ds_id, COL_DS_ID);
    TAKE_TEXT(d->exemption, COL_EXEMPTION);
}

void charge_load(struct store_row *row, struct charge *x)
{
    int64_t state = row_int(row, COL_STATE);
    ASSERT(state >= CHARGE_IN_PROGRESS && state <= CHARGE_EXPIRED);
    *x = (struct charge){.state = (enum charge_state)state,
                         .id = row_id(row, COL_CHARGE_ID),
                         .requested = row_int(row, COL_REQUESTED),
                         .taken = row_int(row, COL_TAKEN),
                         .amount = row_int(row, COL_AMOUNT),
                         .capture = row_int(row, COL_CAPTURE) == 1,
                         .captured = row_int(row, COL_CAPTURED),
                         .released = row_int(row, COL_RELEASED),
                         .refunded = row_int(row, COL_REFUNDED),
                         .disputed = row_int(row, COL_DISPUTED),
                         .cleared = row_int(row, COL_CLEARED),
                         .calls = row_int(row, COL_CALLS),
                         .capture_before = row_int(row, COL_CAPTURE_BEFORE),
                         .capture_id = row_id(row, COL_CAPTURE_ID),
                         .challenge = (enum challenge)row_int(row, COL_CHALLENGE),
                         .redirect = row_int(row, COL_CHALLENGE_TYPE) == TYPE_REDIRECT,
                         .challenge_until = row_int(row, COL_CHALLENGE_UNTIL),
                         .notify = row_int(row, COL_NOTIFY) == 1};
    TAKE_TEXT(x->reference, COL_REFERENCE);
    TAKE_TEXT(x->currency, COL_CURRENCY);
    TAKE_TEXT(x->code, COL_CODE);
    TAKE_TEXT(x->source, COL_SOURCE);
    TAKE_TEXT(x->brand, COL_BRAND);
    TAKE_TEXT(x->last_four, COL_LAST_FOUR);
    TAKE_TEXT(x->base_url, COL_BASE_URL);
    TAKE_TEXT(x->initiator, COL_INITIATOR);
    TAKE_TEXT(x->stored, COL_STORED);
    TAKE_TEXT(x->network_transaction_id, COL_NETWORK_TRANSACTION_ID);
    load_three_ds(row, &x->three_ds);
}

err_t charge_get(struct store_tx *tx, struct str reference, struct charge *ret, bool *ret_there)
{
    struct store_row *row = NULL;
    err_t err =
        store_one(tx, SQL_SANDBOX_SELECT_CHARGE, &row, V_INT(BOOK_MERCHANT), V_TEXT(reference));
    *ret_there = !err && row;
    if (*ret_there)
        charge_load(row, ret);
    return err;
}

int64_t charge_hold_until(const struct token *t, int64_t now_us)
{
    return now_us / 1000000 + (t->hold_s ? t->hold_s : HOLD_S);
}

static struct sql_value text_value(const char *text)
{
    return V_TEXT(str_from(text ? text : ""));
}

err_t charge_insert(struct store_tx *tx, const struct charge *x, const struct charge_asks *a,
                    int64_t *ret_changed)
{
    const struct three_ds *d = &x->three_ds;
    int type = x->challenge == CHALLENGE_NONE ? TYPE_NONE
               : x->redirect                  ? TYPE_REDIRECT
                                              : TYPE_CHALLENGE;
    return store_exec(
        tx, SQL_SANDBOX_INSERT_CHARGE, ret_changed, V_INT(BOOK_MERCHANT), text_value(x->reference),
        V_ID(&x->id), V_INT(x->state), V_INT(x->requested), V_INT(x->amount),
        text_value(x->currency), V_INT(x->capture), V_INT(x->captured), V_INT(x->calls),
        text_value(x->code), text_value(x->source), text_value(x->brand), text_value(x->last_four),
        V_INT(x->capture_before), id_is_zero(x->capture_id) ? V_NULL : V_ID(&x->capture_id),
        V_INT(x->challenge), V_INT(type), V_INT(x->challenge_until), text_value(x->base_url),
        text_value(a->return_url), V_INT(d->flow), V_INT(d->liability), text_value(d->version),
        text_value(d->eci), text_value(d->ds_id), text_value(d->exemption),
        text_value(x->initiator), text_value(x->stored), text_value(x->network_transaction_id),
        text_value(a->descriptor), text_value(a->notify_url), text_value(a->secret));
}

/* What may be shown of the card: of one that was typed its own. */
static void show_card(const struct call *c, struct charge *x)
{
    const struct token *t = c->token;
    const char *four = c->card.typed ? c->card.last_four : t->last_four ? t->last_four : "4242";
    const char *brand = c->card.typed ? c->card.brand : t->brand ? t->brand : "visa";
    text_copy(x->last_four, sizeof x->last_four, str_from(four));
    text_copy(x->brand, sizeof x->brand, str_from(four[0] ? brand : ""));
}

/* The charge that the call asks for, decided. */
static void charge_make(const struct call *c, struct charge *x)
{
    const struct token *t = c->token;
    const struct charge_asks *a = &c->asks;
    *x = (struct charge){.id = c->id,
                         .requested = c->amount,
                         .capture = c->capture,
                         .calls = 1,
                         .notify = a->notify_url[0] != 0};
    text_copy(x->reference, sizeof x->reference, str_from(c->reference));
    text_copy(x->currency, sizeof x->currency, str_from(c->currency));
    text_copy(x->source, sizeof x->source, str_from(t->name));
    show_card(c, x);
    text_copy(x->base_url, sizeof x->base_url, str_from(a->base_url));
    text_copy(x->initiator, sizeof x->initiator, str_from(a->merchant ? "merchant" : "customer"));
    text_copy(x->stored, sizeof x->stored, str_from(a->stored));
    text_copy(x->network_transaction_id, sizeof x->network_transaction_id,
              str_from(a->network_transaction_id));
    three_ds_decide(c, x);
    x->taken = x->amount = c->amount + (x->state == CHARGE_REFUSED ? 0 : t->shift);
    if (x->state == CHARGE_CAPTURED) {
        x->captured = x->amount;
        x->capture_id = x->id;
    }
    if (x->state == CHARGE_AUTHORIZED)
        x->capture_before = charge_hold_until(t, c->now_us);
}

/* A reference that has a charge already: the same request gets the same answer. */
static err_t repeat(struct store_tx *tx, struct call *c)
{
    struct str reference = str_from(c->reference);
    struct charge *x = &c->result.charge;
    bool there = false;
    err_t err = store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_CALL, NULL, V_INT(BOOK_MERCHANT),
                           V_TEXT(reference));
    if (!err)
        err = charge_get(tx, reference, x, &there);
    if (err)
        return err;
    ASSERT(there);
    bool same = x->requested == c->amount && strcmp(x->currency, c->currency) == 0 &&
                x->capture == c->capture;
    if (!same)
        c->result.outcome = OUT_REUSED;
    return OK;
}

/* The charge of a reversal that was here first must not take money any more. */
static err_t refuse_late(struct store_tx *tx, struct call *c, bool *ret_late)
{
    struct charge *x = &c->result.charge;
    int64_t changed = 0;
    bool there = false;
    err_t err = store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_LATE, &changed, V_INT(c->amount),
                           V_TEXT(str_from(c->currency)), V_INT(c->capture), V_TEXT(REVERSED),
                           text_value(x->source), text_value(x->brand), text_value(x->last_four),
                           text_value(x->initiator), text_value(c->asks.notify_url),
                           text_value(c->asks.secret), V_INT(BOOK_MERCHANT),
                           V_TEXT(str_from(c->reference)));
    *ret_late = changed == 1;
    if (err || changed == 0)
        return err;
    err = charge_get(tx, str_from(c->reference), x, &there);
    if (err)
        return err;
    ASSERT(there);
    return tell_charge(tx, c->s, x, "charge.refused");
}

/* A new row stands: what follows from it. */
static err_t begun(struct store_tx *tx, struct call *c)
{
    struct result *r = &c->result;
    struct charge *x = &r->charge;
    struct str reference = str_from(c->reference);
    r->fresh = true;
    r->first = c->token->webhook_first && x->notify;
    if (x->state == CHARGE_IN_PROGRESS) {
        int64_t ms = c->act == ACT_ASYNC ? c->s->slow_ms : c->ms;
        r->wait = c->act == ACT_DELAY;
        return due_add(tx, c->now_us + ms * 1000, DUE_CHARGE, reference, &r->due_us);
    }
    if (x->state == CHARGE_ACTION)
        return due_add(tx, x->challenge_until * 1000, DUE_CHALLENGE, reference, &r->due_us);
    return effect_charge(tx, c->s, x, c->now_us, &r->due_us);
}

err_t charge_run(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    struct store_row *row = NULL;
    int64_t changed = 0;
    c->result = (struct result){.outcome = OUT_ANSWER, .kind = KIND_CHARGE};
    charge_make(c, &c->result.charge);
    err_t err = charge_insert(tx, &c->result.charge, &c->asks, &changed);
    if (!err && changed == 0) {
        bool late = false;
        err = refuse_late(tx, c, &late);
        return err || late ? err : repeat(tx, c);
    }
    if (!err)
        err = store_one(tx, SQL_SANDBOX_SELECT_OPERATION, &row, V_INT(BOOK_MERCHANT),
                        V_TEXT(str_from(c->reference)));
    if (err)
        return err;
    if (row) { /* the reference of a capture, void or refund: take the charge back */
        c->result = (struct result){.outcome = OUT_REUSED};
        return ERR_STATE;
    }
    return begun(tx, c);
}

err_t charge_take(struct store_tx *tx, struct sandbox *s, struct str reference, int64_t now_us,
                  struct charge *ret, bool *ret_changed, int64_t *earliest)
{
    struct sql_value merchant = V_INT(BOOK_MERCHANT), name = V_TEXT(reference);
    int64_t changed = 0;
    bool there = false;
    err_t err = charge_get(tx, reference, ret, &there);
    if (err || !there)
        return err;
    const struct token *t = token_find(str_from(ret->source));
    if (ret->challenge == CHALLENGE_PASSED && t->confirm_code)
        err = store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_UNTAKEN, &changed,
                         text_value(t->confirm_code), merchant, name);
    else
        err = store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_TAKEN, &changed,
                         V_INT(charge_hold_until(t, now_us)), merchant, name);
    *ret_changed = changed == 1;
    if (err || changed == 0)
        return err;
    err = charge_get(tx, reference, ret, &there);
    return err ? err : effect_charge(tx, s, ret, now_us, earliest);
}

err_t charge_finish_run(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    bool changed = false;
    c->result = (struct result){.outcome = OUT_ANSWER, .kind = KIND_CHARGE};
    return charge_take(tx, c->s, str_from(c->reference), c->now_us, &c->result.charge, &changed,
                       &c->result.due_us);
}

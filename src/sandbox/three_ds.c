/* 3-D Secure: does a charge need the customer, what the issuer's page led to, and the confirm that
 * completes it. */
#include "sandbox/sandbox_internal.h"

#include <stdio.h>

#define VERSION "2.2.0"
#define SOFT_DECLINE "1S"

/* The directory server's name for the authentication: the charge's id, written as a UUID. */
static void authenticated(struct three_ds *d, struct id id, enum flow flow, bool liability)
{
    char hex[33];
    d->flow = flow;
    d->liability = liability;
    text_copy(d->version, sizeof d->version, STR(VERSION));
    text_copy(d->eci, sizeof d->eci, liability ? STR("05") : STR("07"));
    for (size_t i = 0; i < sizeof id.b; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", id.b[i]);
    (void)snprintf(d->ds_id, sizeof d->ds_id, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                   hex + 16, hex + 20);
}

static void refuse(struct charge *x, const char *code)
{
    x->state = CHARGE_REFUSED;
    text_copy(x->code, sizeof x->code, str_from(code));
}

static void approve(const struct call *c, struct charge *x)
{
    x->state = c->act == ACT_DELAY || c->act == ACT_ASYNC ? CHARGE_IN_PROGRESS
               : c->capture                               ? CHARGE_CAPTURED
                                                          : CHARGE_AUTHORIZED;
}

static void ask_customer(const struct call *c, struct charge *x)
{
    if (c->asks.merchant || c->asks.mode == THREE_DS_NONE) { /* nobody there who could be asked */
        refuse(x, SOFT_DECLINE);
        return;
    }
    x->state = CHARGE_ACTION;
    x->challenge = CHALLENGE_OPEN;
    x->redirect = c->token->sca == SCA_REDIRECT;
    x->challenge_until = c->now_us / 1000 + c->s->challenge_ms;
}

/* Approved without a question; the caller's wish still counts. */
static void no_question(const struct call *c, struct charge *x, bool wanted)
{
    approve(c, x);
    if (wanted)
        authenticated(&x->three_ds, x->id, FLOW_FRICTIONLESS, true);
    else if (c->asks.exemption[0])
        authenticated(&x->three_ds, x->id, FLOW_NONE, false);
}

void three_ds_decide(const struct call *c, struct charge *x)
{
    const struct charge_asks *a = &c->asks;
    bool required = a->mode == THREE_DS_REQUIRED && !a->merchant;
    text_copy(x->three_ds.exemption, sizeof x->three_ds.exemption, str_from(a->exemption));
    if (c->token->code[0]) {
        refuse(x, c->token->code);
        return;
    }
    if (a->external) {
        text_copy(x->three_ds.version, sizeof x->three_ds.version, str_from(a->given.version));
        text_copy(x->three_ds.eci, sizeof x->three_ds.eci, str_from(a->given.eci));
        text_copy(x->three_ds.ds_id, sizeof x->three_ds.ds_id, str_from(a->given.ds_id));
        x->three_ds.flow = FLOW_EXTERNAL;
        x->three_ds.liability = a->given.liability;
        if (c->token->confirm_code)
            refuse(x, c->token->confirm_code);
        else
            approve(c, x);
        return;
    }
    switch (c->token->sca) {
    case SCA_CHALLENGE:
    case SCA_REDIRECT:
        ask_customer(c, x);
        return;
    case SCA_SOFT:
        if (required)
            ask_customer(c, x);
        else
            refuse(x, SOFT_DECLINE);
        return;
    case SCA_OFF_SESSION:
        if (a->merchant && !a->network_transaction_id[0])
            refuse(x, SOFT_DECLINE);
        else
            no_question(c, x, required);
        return;
    case SCA_FRICTIONLESS:
        no_question(c, x, a->mode != THREE_DS_NONE && !a->merchant);
        return;
    case SCA_PLAIN:
        no_question(c, x, required);
        return;
    }
}

/* --- the issuer's page --- */
static err_t challenge_find(struct store_tx *tx, struct challenge_end *e, struct charge *x)
{
    struct store_row *row = NULL;
    bool there = false;
    e->found = e->ended = e->open = false;
    err_t err = store_one(tx, SQL_SANDBOX_SELECT_CHALLENGE, &row, V_INT(BOOK_MERCHANT),
                          V_ID(&e->charge_id));
    if (err || !row)
        return err;
    struct str descriptor = row_text(row, 2);
    while (descriptor.n >= sizeof e->descriptor || !str_is_utf8(descriptor))
        descriptor.n--;
    text_copy(e->reference, sizeof e->reference, row_text(row, 0));
    text_copy(e->return_url, sizeof e->return_url, row_text(row, 1));
    text_copy(e->descriptor, sizeof e->descriptor, descriptor);
    err = charge_get(tx, str_from(e->reference), x, &there);
    e->found = !err && there && x->challenge != CHALLENGE_NONE;
    return err;
}

static void challenge_fill(struct challenge_end *e, const struct charge *x)
{
    e->open = x->state == CHARGE_ACTION && x->challenge == CHALLENGE_OPEN;
    e->redirect = x->redirect;
    e->amount = x->amount;
    e->until_ms = x->challenge_until;
    e->state = x->state;
    text_copy(e->currency, sizeof e->currency, str_from(x->currency));
    text_copy(e->brand, sizeof e->brand, str_from(x->brand));
    text_copy(e->last_four, sizeof e->last_four, str_from(x->last_four));
    text_copy(e->code, sizeof e->code, str_from(x->code));
}

err_t challenge_read_run(struct store_tx *tx, void *arg)
{
    struct challenge_end *e = arg;
    struct charge x;
    err_t err = challenge_find(tx, e, &x);
    if (!err && e->found)
        challenge_fill(e, &x);
    return err;
}

err_t challenge_end_run(struct store_tx *tx, void *arg)
{
    static const char *const codes[] = {
        [CHALLENGE_FAIL] = "1A", [CHALLENGE_CANCEL] = "1C", [CHALLENGE_EXPIRE] = "1E"};
    struct challenge_end *e = arg;
    struct charge x;
    int64_t changed = 0;
    bool there = false;
    err_t err = challenge_find(tx, e, &x);
    if (err || !e->found)
        return err;
    const char *code = e->result == CHALLENGE_APPROVE
                           ? token_find(str_from(x.source))->challenge_code
                           : codes[e->result];
    struct three_ds d = x.three_ds;
    authenticated(&d, x.id, FLOW_CHALLENGE, !code);
    err = store_exec(
        tx, SQL_SANDBOX_UPDATE_CHARGE_CHALLENGED, &changed,
        V_INT(code ? CHARGE_REFUSED : CHARGE_ACTION),
        V_INT(code ? CHALLENGE_OVER : CHALLENGE_PASSED), V_TEXT(str_from(code ? code : "")),
        V_INT(d.liability), V_TEXT(str_from(d.version)), V_TEXT(str_from(d.eci)),
        V_TEXT(str_from(d.ds_id)), V_INT(BOOK_MERCHANT), V_TEXT(str_from(e->reference)));
    if (!err && changed)
        err = charge_get(tx, str_from(e->reference), &x, &there);
    if (!err && changed)
        err = tell_charge(tx, e->s, &x, code ? "charge.refused" : "charge.authenticated");
    e->ended = changed == 1;
    challenge_fill(e, &x);
    return err;
}

/* --- the caller goes on --- */
err_t confirm_run(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    struct result *r = &c->result;
    struct charge *x = &r->charge;
    bool there = false;
    *r = (struct result){.outcome = OUT_ANSWER, .kind = KIND_CHARGE};
    err_t err = charge_get(tx, str_from(c->charge), x, &there);
    if (err)
        return err;
    if (!there || x->state == CHARGE_REVERSED)
        r->outcome = OUT_MISSING;
    else if (strcmp(x->currency, c->currency) != 0)
        r->outcome = OUT_CURRENCY;
    else if (x->requested != c->amount)
        r->outcome = OUT_REUSED;
    if (r->outcome != OUT_ANSWER || x->state != CHARGE_ACTION || x->challenge != CHALLENGE_PASSED)
        return OK;
    err = charge_take(tx, c->s, str_from(c->charge), c->now_us, x, &r->fresh, &r->due_us);
    r->first = r->fresh && x->notify && token_find(str_from(x->source))->webhook_first;
    return err;
}

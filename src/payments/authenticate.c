/* The customer's part: flow payment_confirm, the end of the time to act, giving up an attempt. */
#include "payments/authorize.h"

#include "customers/customers.h"
#include "orders/orders.h"

/* --- confirm --- */

err_t call_confirm(struct store_tx *tx, struct flow_run *run, const struct payment *p)
{
    call_prepare(&run->call, OPERATION_CONFIRM, p);
    run->inquired = false;
    run->unknown_since_us = 0;
    run->effect = FLOW_CALL;
    run->next = CREATE_SETTLE;
    return flow_hold(tx, run, CREATE_INQUIRE);
}

err_t attempt_take_over(struct store_tx *tx, struct flow_run *run, struct payment *p,
                        enum payment_step step)
{
    bool taken = false;
    err_t err = payment_move(p, step, &run->error);
    if (!err)
        err = flow_take_over(tx, run, p->id, p->attempt, &taken);
    if (!err && !taken) {
        run->error.retry_after_s = 1;
        err = error_set(&run->error, ERR_STATE, "This payment is being looked at just now.");
    }
    return err ? err : payment_save(tx, p);
}

static err_t go_on(struct store_tx *tx, struct flow_run *run, struct payment *p)
{
    if (p->state == PAYMENT_PROCESSING) {
        run->error.retry_after_s = 1;
        return error_set(&run->error, ERR_STATE,
                         "This payment is processing: it may be confirmed already.");
    }
    err_t err = attempt_take_over(tx, run, p, PAYMENT_DO_CONFIRM_START);
    return err ? err : call_confirm(tx, run, p);
}

/* A saved method that was taken away is not used again. */
static err_t check_usable(struct store_tx *tx, struct flow_run *run, const struct payment *p)
{
    struct method m = {.state = METHOD_DETACHED};
    bool found = false;
    if (!payment_has_method(p))
        return OK;
    err_t err = method_read(tx, p->merchant_id, p->payment_method, &m, &found);
    if (err || (found && method_usable(&m, run->det.now_us)))
        return err;
    return error_param(&run->error, ERR_PARAM_INVALID, "payment_method_token",
                       "is required: the payment method was detached");
}

/* Another token: of a card of the vault, which is a method then, or of a provider. */
static err_t use_token(struct store_tx *tx, struct flow_run *run, struct payment *p,
                       struct str token)
{
    struct id card, was = p->payment_method;
    bool found = true, had_card = payment_card_method(p);
    struct method m = {.state = METHOD_DETACHED};
    if (card_token_parse(token, &card)) {
        err_t err = method_read(tx, p->merchant_id, card, &m, &found);
        if (err)
            return err;
        if (!found || !method_usable(&m, run->det.now_us))
            return error_param(&run->error, ERR_PARAM_INVALID, "payment_method_token",
                               "names no card that is kept");
        if (m.state == METHOD_ATTACHED && !id_eq(m.customer, p->customer))
            return error_param(&run->error, ERR_PARAM_INVALID, "payment_method_token",
                               "names a card of another customer");
        p->payment_method = card;
    } else if (had_card) { /* what is to be saved is made anew */
        p->payment_method =
            p->credential == CREDENTIAL_FIRST ? id_new(&run->det) : (struct id){{0}};
    }
    copy_text(p->token, sizeof p->token, token);
    if (id_eq(was, p->payment_method))
        return OK;
    return store_exec_one(tx, SQL_PAYMENTS_UPDATE_PAYMENT_METHOD, ERR_SOFT,
                          id_is_zero(p->payment_method) ? V_NULL : V_ID(&p->payment_method),
                          V_INT(p->merchant_id), V_ID(&p->id));
}

/* The authentication failed, was canceled or expired: the customer may try again, not for ever. */
static err_t try_again(struct store_tx *tx, struct flow_run *run, struct payment *p,
                       struct str token)
{
    if (decline_retry(p->decline) != RETRY_STEP_UP)
        return error_set(&run->error, ERR_STATE,
                         "This payment failed (%s) and cannot be confirmed: create another.",
                         decline_code_text(p->decline));
    if (!attempt_allowed(run, p))
        return error_set(&run->error, ERR_STATE,
                         "This payment has had %d attempts, the most there may be: create another.",
                         p->attempts);
    err_t err = payment_move(p, PAYMENT_DO_RETRY, &run->error);
    if (!err && !id_is_zero(p->order))
        err = order_check(tx, p->merchant_id, p->order, p->amount, p->currency, &run->error);
    if (!err)
        err = payment_claim_again(tx, run, p);
    if (!err && !token.p)
        err = check_usable(tx, run, p);
    if (!err && token.p)
        err = use_token(tx, run, p, token);
    return err ? err : attempt_again(tx, run, p);
}

static err_t confirm_begin(struct store_tx *tx, struct flow_run *run)
{
    const struct payment_confirm *in = run->input;
    struct payment p = {0};
    bool replay = false;
    ASSERT(in != NULL);
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    err = payment_load_subject(tx, run, run->subject, &p);
    bool wanted = !in->by_return ||
                  (settings_of(run)->confirm_on_return && p.state == PAYMENT_REQUIRES_ACTION);
    if (err)
        goto out;
    if (!wanted)
        run->effect = FLOW_END;
    else if (p.state == PAYMENT_FAILED)
        err = try_again(tx, run, &p, in->token);
    else if (in->token.p && p.state == PAYMENT_REQUIRES_ACTION)
        err = error_param(&run->error, ERR_PARAM_INVALID, "payment_method_token",
                          "can be changed only when the attempt before has failed");
    else
        err = go_on(tx, run, &p);
out:
    payment_release(&p);
    return err;
}

static const struct flow_step confirm_steps[] = {{"begin", confirm_begin, 0, 0}};
const struct flow_def payment_confirm_flow = {.kind = 0,
                                              .name = "payment_confirm",
                                              .steps = confirm_steps,
                                              .steps_n = COUNT_OF(confirm_steps)};

/* --- the end of the time to act --- */

err_t create_lapse(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (err)
        goto out;
    if (p.state != PAYMENT_REQUIRES_ACTION) { /* a crash while this was under way */
        payment_release(&p);
        return create_inquire(tx, run);
    }
    if (run->det.now_us < p.action_expires_us) {
        err = flow_park_until(tx, run, CREATE_LAPSE, p.action_expires_us);
        goto out;
    }
    err = payment_move(&p, PAYMENT_DO_LAPSE, &run->error);
    if (!err)
        err = payment_save(tx, &p);
    if (err)
        goto out;
    if (!settings_of(run)->confirm_on_return) {
        err = attempt_abandon(tx, run, &p, CREATE_DROPPED, CREATE_DROP_INQUIRE);
        goto out;
    }
    /* The customer may have approved and never come back. */
    call_prepare(&run->call, OPERATION_CONFIRM, &p);
    run->effect = FLOW_CALL;
    run->next = CREATE_LAPSED;
out:
    payment_release(&p);
    return err;
}

err_t create_lapsed(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    if (run->outcome.kind != OUTCOME_REQUIRES_ACTION)
        return create_settle(tx, run);
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (!err)
        err = attempt_abandon(tx, run, &p, CREATE_DROPPED, CREATE_DROP_INQUIRE);
    payment_release(&p);
    return err;
}

/* --- giving up --- */

static void prepare_abandon(struct flow_run *run, const struct payment *p)
{
    call_prepare(&run->call, OPERATION_CANCEL, p);
    id_text(ID_CANCEL, id_derive(p->id, (unsigned)p->attempt), run->call.reference);
}

err_t attempt_abandon(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                      size_t settled, size_t inquire)
{
    prepare_abandon(run, p);
    run->inquired = false;
    run->unknown_since_us = 0; /* of this call nothing is unknown yet */
    run->effect = FLOW_CALL;
    run->next = settled;
    return flow_hold(tx, run, inquire);
}

static err_t end_dropped(struct store_tx *tx, struct flow_run *run, struct payment *p,
                         struct buf *json)
{
    p->decline = p->credential == CREDENTIAL_MERCHANT && p->attempts == 1
                     ? DECLINE_AUTHENTICATION_REQUIRED
                     : DECLINE_AUTHENTICATION_EXPIRED;
    err_t err = payment_move(p, PAYMENT_DO_DECLINE, &run->error);
    if (!err)
        err = payment_announce(tx, run, p, json);
    if (!err)
        err = payment_save(tx, p);
    if (!err)
        err = answer_decline(run, "payment", json, p->decline,
                             "The customer was not authenticated; no money was taken.");
    return err;
}

static err_t end_withdrawn(struct store_tx *tx, struct flow_run *run, struct payment *p,
                           struct buf *json)
{
    err_t err = payment_move(p, PAYMENT_DO_CANCEL_OK, &run->error);
    if (!err)
        err = payment_announce(tx, run, p, json);
    if (!err)
        err = payment_save(tx, p);
    return err ? err : answer_event(run, json, p->event_last);
}

/* The attempt is gone, or it is too late for that: then only an inquiry about it tells. */
static err_t settle_abandoned(struct store_tx *tx, struct flow_run *run, bool withdrawn)
{
    static const struct outcome nothing;
    struct payment p;
    struct buf json = BUF(JSON_MAX);
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (err)
        goto out;
    enum verdict v = outcome_verdict(run, OUTCOME_CANCELED, OUTCOME_CANCELED);
    if (v == VERDICT_DONE) {
        err = attempt_move(tx, run, &p, ATTEMPT_DO_CANCEL, NULL);
        if (!err)
            err = attempt_authentication(tx, &p, &nothing);
        if (!err)
            err = withdrawn ? end_withdrawn(tx, run, &p, &json) : end_dropped(tx, run, &p, &json);
        if (!err)
            err = flow_finish(tx, run);
        goto out;
    }
    err = payment_move(&p, PAYMENT_DO_UNKNOWN, &run->error);
    if (!err) /* that our timer tries is no news */
        err = withdrawn ? payment_tell(tx, run, &p, &json) : payment_save(tx, &p);
    if (!err)
        err = flow_park(tx, run,
                        v == VERDICT_REFUSED ? CREATE_INQUIRE
                        : withdrawn          ? CREATE_WITHDRAW_INQUIRE
                                             : CREATE_DROP_INQUIRE);
out:
    payment_release(&p);
    buf_free(&json);
    return err;
}

static err_t inquire_abandoned(struct store_tx *tx, struct flow_run *run, size_t settled)
{
    struct payment p;
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (!err) {
        prepare_abandon(run, &p);
        call_inquire(run, settled);
    }
    payment_release(&p);
    return err;
}

err_t create_dropped(struct store_tx *tx, struct flow_run *run)
{
    return settle_abandoned(tx, run, false);
}
err_t create_drop_inquire(struct store_tx *tx, struct flow_run *run)
{
    return inquire_abandoned(tx, run, CREATE_DROPPED);
}
err_t create_withdrawn(struct store_tx *tx, struct flow_run *run)
{
    return settle_abandoned(tx, run, true);
}
err_t create_withdraw_inquire(struct store_tx *tx, struct flow_run *run)
{
    return inquire_abandoned(tx, run, CREATE_WITHDRAWN);
}

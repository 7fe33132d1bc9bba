/* Outcomes of an authorization: approved, refused, the customer must act, not known. */
#include "payments/authorize.h"

#include <stdio.h>

#include "customers/customers.h"
#include "payments/hold.h"
#include "search/search.h"

/* --- calls --- */

void call_authorize(struct flow_run *run, const struct payment *p)
{
    struct provider_call *call = &run->call;
    const struct payment_settings *s = settings_of(run);
    char account[ID_TEXT_MAX];
    call_prepare(call, OPERATION_AUTHORIZE, p);
    call->three_ds = p->three_ds;
    /* After a refusal the customer is there, whoever began. */
    call->credential = p->credential == CREDENTIAL_MERCHANT && p->attempts > 1 ? CREDENTIAL_CUSTOMER
                                                                               : p->credential;
    if (p->three_ds != THREE_DS_REQUIRED) /* a step-up asks for no exemption */
        copy_text(call->exemption, sizeof call->exemption, str_from(p->exemption));
    copy_text(call->network_transaction_id, sizeof call->network_transaction_id,
              str_from(p->network_transaction_id));
    payment_return_url(s, p->merchant_id, p->id, call->return_url);
    (void)snprintf(call->webhook_url, sizeof call->webhook_url, "%s/webhooks/%s", s->public_url,
                   id_text(ID_PROVIDER_ACCOUNT, p->account_id, account));
}

/* Description and descriptor of a later attempt come from the rendered members. */
static err_t call_details(struct flow_run *run, const struct payment *p)
{
    struct buf text = BUF(JSON_MAX + 2);
    struct provider_call *call = &run->call;
    buf_byte(&text, '{');
    buf_add(&text, p->details.p, p->details.n);
    buf_byte(&text, '}');
    json_t *all = text.failed ? NULL : json_loadb(text.p, text.n, 0, NULL);
    buf_free(&text);
    if (!all)
        return ERR_NO_MEMORY;
    const char *description = json_string_value(json_object_get(all, "description"));
    const char *descriptor = json_string_value(json_object_get(all, "statement_descriptor"));
    copy_text(call->description, sizeof call->description, str_from(description));
    copy_text(call->statement_descriptor, sizeof call->statement_descriptor, str_from(descriptor));
    json_decref(all);
    return OK;
}

bool attempt_allowed(const struct flow_run *run, const struct payment *p)
{
    return p->attempts < settings_of(run)->attempts_max && p->three_ds != THREE_DS_EXTERNAL &&
           p->operations < OPERATIONS_MAX;
}

static void forget_attempt(struct payment *p)
{
    p->provider_reference[0] = p->network_reference[0] = p->acquirer_reference[0] = 0;
    p->card_brand[0] = p->card_last_four[0] = 0;
    p->action = ACTION_NONE;
    p->action_expires_us = 0;
    p->authentication = (struct three_ds){.flow = THREE_DS_NONE};
}

err_t attempt_again(struct store_tx *tx, struct flow_run *run, struct payment *p)
{
    err_t err = id_is_zero(run->job.id) ? OK : flow_leave(tx, run);
    p->operations++;
    p->attempts++;
    p->attempt = p->operations;
    p->three_ds = THREE_DS_REQUIRED;
    p->decline = DECLINE_NONE;
    forget_attempt(p);
    if (!err && payment_has_method(p)) {
        struct method m = {.state = METHOD_DETACHED};
        bool found;
        err = method_read(tx, p->merchant_id, p->payment_method, &m, &found);
        if (!err && found && strcmp(m.token, p->token) == 0)
            copy_text(p->network_transaction_id, sizeof p->network_transaction_id,
                      str_from(m.network_transaction_id));
    }
    if (!err)
        err = attempt_insert(tx, p);
    if (!err)
        err = payment_save(tx, p);
    if (err)
        return err;
    run->def = &payment_create_flow;
    run->subject = p->id;
    run->number = p->attempt;
    run->unknown_since_us = 0;
    call_authorize(run, p);
    err = call_details(run, p);
    run->effect = FLOW_CALL;
    run->next = CREATE_SETTLE;
    return err ? err : flow_position(tx, run, CREATE_INQUIRE);
}

/* --- telling --- */

err_t payment_tell(struct store_tx *tx, struct flow_run *run, struct payment *p, struct buf *json)
{
    struct event last = {0};
    bool found = false;
    err_t err = p->event_last ? event_read(tx, p->merchant_id, p->event_last, &last, &found) : OK;
    if (err)
        return err;
    if (!found || last.type != payment_machine.states[p->state].event) {
        err = payment_announce(tx, run, p, json);
        if (!err)
            err = payment_save(tx, p);
        return err ? err : answer_event(run, json, p->event_last);
    }
    struct jw w = {.b = json};
    buf_clear(json);
    payment_write(&w, NULL, p, settings_of(run));
    err = payment_save(tx, p);
    return err ? err : answer_event(run, json, 0);
}

/* --- outcomes --- */

/* A customer who was deleted meanwhile keeps nothing. A card of the vault is there already. */
static err_t save_method(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                         const struct method *m)
{
    bool there;
    if (payment_card_method(p)) {
        err_t err = method_learn(tx, p->merchant_id, m->id, m);
        return err ? err : method_keep(tx, &run->det, p->merchant_id, m->id, p->customer);
    }
    err_t err = method_save(tx, &run->det, p->merchant_id, m);
    if (!err)
        err = customer_read(tx, p->merchant_id, p->customer, &there);
    return err || there ? err : method_detach(tx, &run->det, p->merchant_id, m->id, NULL);
}

/* What is learned is the saved token's; a later attempt may have been with another one. */
static err_t learn(struct store_tx *tx, const struct payment *p, const struct method *m)
{
    struct method saved;
    bool found;
    err_t err = method_read(tx, p->merchant_id, p->payment_method, &saved, &found);
    if (err || !found || strcmp(saved.token, p->token) != 0)
        return err;
    return method_learn(tx, p->merchant_id, p->payment_method, m);
}

/* The references it can be found by, and a method that was to be saved. */
static err_t record_approval(struct store_tx *tx, struct flow_run *run, const struct payment *p)
{
    struct str references[] = {
        str_from(run->outcome.provider_reference), str_from(run->outcome.network_reference),
        str_from(run->outcome.acquirer_reference), str_from(run->outcome.authorization_code)};
    struct method m = {.id = p->payment_method, .customer = p->customer, .state = METHOD_ATTACHED};
    err_t err = search_add(tx, p->merchant_id, SEARCH_PAYMENT, SEARCH_LAST_FOUR,
                           str_from(p->card_last_four), p->id);
    for (size_t i = 0; !err && i < COUNT_OF(references); i++)
        err =
            search_add(tx, p->merchant_id, SEARCH_PAYMENT, SEARCH_REFERENCE, references[i], p->id);
    if (err || id_is_zero(p->payment_method))
        return err;
    copy_text(m.token, sizeof m.token, str_from(p->token));
    if (p->credential != CREDENTIAL_ONCE) /* what was not saved with it permits no later ones */
        copy_text(m.network_transaction_id, sizeof m.network_transaction_id,
                  str_from(p->network_reference));
    copy_text(m.card_brand, sizeof m.card_brand, str_from(p->card_brand));
    copy_text(m.card_last_four, sizeof m.card_last_four, str_from(p->card_last_four));
    return p->credential == CREDENTIAL_FIRST ? save_method(tx, run, p, &m) : learn(tx, p, &m);
}

/* Held, or taken. What the provider did decides, not what was asked. */
static err_t settle_approved(struct store_tx *tx, struct flow_run *run, struct payment *p,
                             struct buf *json)
{
    bool taken = run->outcome.kind == OUTCOME_CAPTURED;
    struct journal j = {0};
    p->authorized = p->amount;
    p->captured = taken ? p->amount : 0;
    p->capture_before_us = taken ? 0 : run->outcome.capture_before_us;
    if (taken)
        ledger_sale(&j, p->provider_account, p->amount);
    else
        ledger_authorization(&j, p->provider_account, p->amount);
    err_t err = payment_move(p, taken ? PAYMENT_DO_SALE_OK : PAYMENT_DO_AUTHORIZE_OK, &run->error);
    if (!err)
        err = payment_post(tx, p, &j, id_derive(p->id, (unsigned)run->number));
    if (!err)
        err = record_approval(tx, run, p);
    if (!err)
        err = hold_watch(tx, run, p);
    if (!err)
        err = payment_announce(tx, run, p, json);
    if (!err)
        err = payment_save(tx, p);
    if (!err)
        err = answer_event(run, json, p->event_last);
    return err ? err : flow_finish(tx, run);
}

static const char *refusal_text(int decline)
{
    switch (decline) {
    case DECLINE_PROVIDER_UNAVAILABLE:
    case DECLINE_PROVIDER_TIMEOUT:
        return "The provider could not be reached, or cannot do this; no money was taken.";
    case DECLINE_AUTHENTICATION_FAILED:
    case DECLINE_AUTHENTICATION_CANCELED:
    case DECLINE_AUTHENTICATION_EXPIRED:
    case DECLINE_AUTHENTICATION_REQUIRED:
        return "The customer was not authenticated; no money was taken. Confirm the payment to try "
               "again.";
    default:
        return "The payment was declined; no money was taken.";
    }
}

static err_t settle_refused(struct store_tx *tx, struct flow_run *run, struct payment *p,
                            struct buf *json)
{
    p->decline = run->outcome.decline;
    err_t err = payment_move(p, PAYMENT_DO_DECLINE, &run->error);
    if (!err)
        err = payment_announce(tx, run, p, json);
    if (!err)
        err = payment_save(tx, p);
    if (!err)
        err = answer_decline(run, "payment", json, p->decline, refusal_text(p->decline));
    return err ? err : flow_finish(tx, run);
}

/* The issuer wants the customer authenticated: asked for in another attempt, when somebody is there
 * to do it. */
static err_t settle_soft(struct store_tx *tx, struct flow_run *run, struct payment *p,
                         struct buf *json)
{
    bool there = p->credential != CREDENTIAL_MERCHANT || p->attempts > 1;
    run->outcome.decline = DECLINE_AUTHENTICATION_REQUIRED;
    if (there && p->three_ds == THREE_DS_AUTOMATIC && attempt_allowed(run, p))
        return attempt_again(tx, run, p);
    return settle_refused(tx, run, p, json);
}

/* A page that is left open is no end: what comes after this is the provider's or ours. */
#define GRACE_US INT64_C(5000000)

static err_t settle_action(struct store_tx *tx, struct flow_run *run, struct payment *p,
                           struct buf *json)
{
    int64_t now_us = run->det.now_us;
    if (p->credential == CREDENTIAL_MERCHANT && p->attempts == 1) /* nobody is there to act */
        return attempt_abandon(tx, run, p, CREATE_DROPPED, CREATE_DROP_INQUIRE);
    if (run->outcome.authenticated && run->inquired && settings_of(run)->confirm_on_return) {
        bool told = p->state == PAYMENT_REQUIRES_ACTION;
        err_t err = told ? payment_move(p, PAYMENT_DO_CONFIRM_START, &run->error) : OK;
        if (!err && told)
            err = payment_save(tx, p);
        return err ? err : call_confirm(tx, run, p);
    }
    int64_t end_us = p->action_expires_us + GRACE_US;
    err_t err = payment_move(p, PAYMENT_DO_ACTION, &run->error);
    if (!err)
        err = payment_tell(tx, run, p, json);
    if (err)
        return err;
    return end_us > now_us ? flow_park_until(tx, run, CREATE_LAPSE, end_us)
                           : flow_park(tx, run, CREATE_LAPSE);
}

/* Not known yet. The merchant is told once; an inquiry that learns nothing new writes no event. */
static err_t settle_open(struct store_tx *tx, struct flow_run *run, struct payment *p,
                         struct buf *json)
{
    err_t err = payment_move(p, PAYMENT_DO_UNKNOWN, &run->error);
    if (!err)
        err = payment_tell(tx, run, p, json);
    return err ? err : flow_park(tx, run, CREATE_INQUIRE);
}

static enum attempt_step attempt_step_of(enum verdict v, const struct outcome *o)
{
    if (v == VERDICT_DONE)
        return o->kind == OUTCOME_CAPTURED ? ATTEMPT_DO_TAKE : ATTEMPT_DO_APPROVE;
    if (v == VERDICT_REFUSED)
        return o->kind == OUTCOME_DECLINED || o->kind == OUTCOME_SOFT_DECLINED ? ATTEMPT_DO_DECLINE
                                                                               : ATTEMPT_DO_FAIL;
    return o->kind == OUTCOME_REQUIRES_ACTION ? ATTEMPT_DO_ACT
           : o->kind == OUTCOME_PENDING       ? ATTEMPT_DO_WAIT
                                              : ATTEMPT_DO_LOSE;
}

static void take(char *out, size_t max, const char *said)
{
    if (said[0])
        copy_text(out, max, str_from(said));
}

/* As the row does: what is not said stays. */
static void take_names(struct payment *p, const struct outcome *o)
{
    take(p->provider_reference, sizeof p->provider_reference, o->provider_reference);
    take(p->network_reference, sizeof p->network_reference, o->network_reference);
    take(p->acquirer_reference, sizeof p->acquirer_reference, o->acquirer_reference);
    take(p->card_brand, sizeof p->card_brand, o->card_brand);
    take(p->card_last_four, sizeof p->card_last_four, o->card_last_four);
}

/* Of a card of the vault it is known also when the provider does not say. */
static err_t name_card(struct store_tx *tx, struct flow_run *run, const struct payment *p)
{
    struct outcome *o = &run->outcome;
    struct method m;
    bool found = false;
    if (o->card_last_four[0] || !payment_card_method(p))
        return OK;
    err_t err = method_read(tx, p->merchant_id, p->payment_method, &m, &found);
    if (err || !found)
        return err;
    copy_text(o->card_brand, sizeof o->card_brand, str_from(m.card_brand));
    copy_text(o->card_last_four, sizeof o->card_last_four, str_from(m.card_last_four));
    return OK;
}

err_t create_settle(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    struct buf json = BUF(JSON_MAX);
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (err)
        goto out;
    enum verdict v = outcome_verdict(run, OUTCOME_AUTHORIZED, OUTCOME_CAPTURED);
    if (run->number != p.attempt) { /* somebody else ended this attempt, and there is another */
        err = ERR_LEASE_LOST;
        goto out;
    }
    err = name_card(tx, run, &p);
    if (!err)
        err = attempt_move(tx, run, &p, attempt_step_of(v, &run->outcome), &run->outcome);
    if (run->outcome.kind == OUTCOME_REQUIRES_ACTION && run->outcome.action_expires_us == 0)
        run->outcome.action_expires_us = /* asked about again it does not begin anew */
            p.action_expires_us ? p.action_expires_us
                                : run->det.now_us + settings_of(run)->authentication_timeout_us;
    if (!err)
        err = attempt_authentication(tx, &p, &run->outcome);
    if (err)
        goto out;
    take_names(&p, &run->outcome);
    if (v == VERDICT_DONE) {
        err = settle_approved(tx, run, &p, &json);
    } else if (run->outcome.kind == OUTCOME_SOFT_DECLINED) {
        err = settle_soft(tx, run, &p, &json);
    } else if (v == VERDICT_REFUSED) {
        err = settle_refused(tx, run, &p, &json);
    } else if (run->outcome.kind == OUTCOME_REQUIRES_ACTION) {
        err = settle_action(tx, run, &p, &json);
    } else {
        err = settle_open(tx, run, &p, &json);
    }
out:
    payment_release(&p);
    buf_free(&json);
    return err;
}

err_t create_inquire(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    if (!err) {
        call_prepare(&run->call, OPERATION_AUTHORIZE, &p);
        call_inquire(run, CREATE_SETTLE);
    }
    payment_release(&p);
    return err;
}

/* What a connector's table says of an operation, and how much of it is believed. */
#include <stdio.h>

#include "connect/connect_internal.h"
#include "observe/observe.h"

#define SECONDS_MAX INT64_C(253402300799) /* the end of the year 9999 */

enum provider_operation operation_about(const struct provider_call *call)
{
    enum provider_operation about =
        call->operation == OPERATION_INQUIRE ? call->about : call->operation;
    return about == OPERATION_CONFIRM ? OPERATION_AUTHORIZE : about;
}

/* The enum that a text field names; 0 when it is absent or names none. */
static int word_of(lua_State *L, const char *field, const char *const *words, size_t n)
{
    char text[32];
    lua_field_text(L, field, text, sizeof text);
    int i = word_find(text, words, n);
    return i > 0 ? i : 0;
}

static enum outcome_kind kind_of(lua_State *L)
{
    enum outcome_kind kind = OUTCOME_UNKNOWN;
    if (lua_getfield(L, -1, "kind") == LUA_TSTRING)
        for (int k = 0; k <= OUTCOME_NOT_FOUND; k++)
            if (strcmp(lua_tostring(L, -1), outcome_text((enum outcome_kind)k)) == 0)
                kind = (enum outcome_kind)k;
    lua_pop(L, 1);
    return kind;
}

/* Seconds since 1970 in the provider's word, microseconds in ours; 0: not said, or no time. */
static int64_t take_time(lua_State *L, const char *field)
{
    int64_t s = lua_field_int(L, field, 0);
    return s > 0 && s <= SECONDS_MAX ? s * 1000000 : 0;
}

static const struct currency *take_currency(lua_State *L)
{
    char code[8];
    lua_field_text(L, "currency", code, sizeof code);
    return currency_find(str_from(code));
}

/* An amount back into ISO minor units; -1 when it cannot be converted exactly: it then does not
 * match. */
static int64_t take_amount(struct connector *k, const char *field, const struct currency *currency)
{
    int exponent = currency ? connector_exponent(k, currency) : -1;
    int64_t minor = lua_field_int(k->L, field, 0), amount = 0;
    if (exponent < 0)
        return 0;
    return money_rescale(minor, exponent, currency->exponent, &amount) ? amount : -1;
}

static void take_card(lua_State *L, struct outcome *o)
{
    lua_field_text(L, "brand", o->card_brand, sizeof o->card_brand);
    if (!lua_field_name(L, "last_four", o->card_last_four, sizeof o->card_last_four) ||
        strspn(o->card_last_four, "0123456789") != 4)
        o->card_last_four[0] = 0;
}

static void take_action(lua_State *L, struct outcome *o)
{
    o->action = (enum action_type)word_of(L, "type", action_types, COUNT_OF(action_types));
    (void)lua_field_name(L, "url", o->action_url, sizeof o->action_url);
    o->action_expires_us = take_time(L, "expires_at");
    lua_getfield(L, -1, "authenticated");
    o->authenticated = lua_toboolean(L, -1);
    lua_pop(L, 1);
}

static void take_three_ds(lua_State *L, struct three_ds *t)
{
    t->flow = (enum three_ds_flow)word_of(L, "flow", three_ds_flows, COUNT_OF(three_ds_flows));
    lua_field_text(L, "version", t->version, sizeof t->version);
    lua_field_text(L, "eci", t->eci, sizeof t->eci);
    lua_field_text(L, "transaction_id", t->transaction_id, sizeof t->transaction_id);
    if (lua_getfield(L, -1, "liability_shift") == LUA_TBOOLEAN)
        t->liability_shift = lua_toboolean(L, -1) ? 1 : -1;
    lua_pop(L, 1);
}

static void take_dispute(struct connector *k, struct dispute_facts *d)
{
    lua_State *L = k->L;
    const struct currency *currency = take_currency(L);
    (void)lua_field_name(L, "reference", d->reference, sizeof d->reference);
    (void)lua_field_name(L, "charge", d->charge, sizeof d->charge);
    d->stage = (enum dispute_stage)word_of(L, "stage", dispute_stages, COUNT_OF(dispute_stages));
    d->status =
        (enum dispute_status)word_of(L, "status", dispute_statuses, COUNT_OF(dispute_statuses));
    d->currency = currency ? currency->number : 0;
    d->amount = take_amount(k, "amount", currency);
    d->fee = take_amount(k, "fee", currency);
    d->due_us = take_time(L, "due_at");
    d->version = lua_field_int(L, "version", 0);
    lua_field_text(L, "reason", d->reason, sizeof d->reason);
    lua_field_text(L, "network_reason_code", d->network_reason_code, sizeof d->network_reason_code);
    lua_field_text(L, "acquirer_reference", d->acquirer_reference, sizeof d->acquirer_reference);
}

/* Is the field a table? Then it is on top, else nothing is pushed. */
static bool enter(lua_State *L, const char *field)
{
    if (lua_getfield(L, -1, field) == LUA_TTABLE)
        return true;
    lua_pop(L, 1);
    return false;
}

void outcome_take(struct connector *k, struct outcome *o)
{
    lua_State *L = k->L;
    const struct currency *currency = take_currency(L);
    o->kind = kind_of(L);
    o->currency = currency ? currency->number : 0;
    o->amount = take_amount(k, "amount", currency);
    lua_field_text(L, "provider_reference", o->provider_reference, sizeof o->provider_reference);
    lua_field_text(L, "network_reference", o->network_reference, sizeof o->network_reference);
    lua_field_text(L, "authorization_code", o->authorization_code, sizeof o->authorization_code);
    lua_field_text(L, "acquirer_reference", o->acquirer_reference, sizeof o->acquirer_reference);
    lua_field_text(L, "code", o->provider_code, sizeof o->provider_code);
    lua_field_text(L, "message", o->provider_message, sizeof o->provider_message);
    o->capture_before_us = take_time(L, "capture_before");
    lua_getfield(L, -1, "after_success");
    o->after_success = lua_isboolean(L, -1) && lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (enter(L, "card")) {
        take_card(L, o);
        lua_pop(L, 1);
    }
    if (enter(L, "action")) {
        take_action(L, o);
        lua_pop(L, 1);
    }
    if (enter(L, "three_ds")) {
        take_three_ds(L, &o->three_ds);
        lua_pop(L, 1);
    }
    if (enter(L, "dispute")) {
        take_dispute(k, &o->dispute);
        lua_pop(L, 1);
    }
}

/* Card numbers that a provider echoes are cut out before anything keeps them. */
static void redact_field(char *text, size_t max)
{
    if (!text[0])
        return;
    struct buf b = BUF(1024);
    redact(&b, str_from(text));
    (void)snprintf(text, max, "%s", b.failed || !b.p ? "" : b.p);
    buf_free(&b);
    /* A mask can be longer than what it hides: a text cut in the middle of a character is no text.
     */
    size_t n = strlen(text);
    while (n > 0 && !str_is_utf8((struct str){text, n}))
        text[--n] = 0;
}

/* References stay as they are: a long number may look like a card's, and must be told back. */
static void redact_outcome(struct outcome *o)
{
    redact_field(o->provider_message, sizeof o->provider_message);
    redact_field(o->provider_code, sizeof o->provider_code);
    redact_field(o->card_brand, sizeof o->card_brand);
    redact_field(o->dispute.reason, sizeof o->dispute.reason);
    redact_field(o->dispute.network_reason_code, sizeof o->dispute.network_reason_code);
}

static bool about_dispute(enum provider_operation about)
{
    return about == OPERATION_SUBMIT_EVIDENCE || about == OPERATION_ACCEPT_DISPUTE ||
           about == OPERATION_INQUIRE_DISPUTE;
}

/* Only kinds that the operation can end in are believed. */
static bool kind_fits(const struct provider_call *call, enum outcome_kind kind)
{
    enum provider_operation about = operation_about(call);
    switch (kind) {
    case OUTCOME_AUTHORIZED:
    case OUTCOME_REQUIRES_ACTION:
    case OUTCOME_SOFT_DECLINED:
    case OUTCOME_EXPIRED:
        return about == OPERATION_AUTHORIZE;
    case OUTCOME_CAPTURED:
        return about == OPERATION_AUTHORIZE || about == OPERATION_CAPTURE;
    case OUTCOME_CANCELED:
        return about == OPERATION_CANCEL || about == OPERATION_CANCEL_REFUND ||
               about == OPERATION_REFUND;
    case OUTCOME_REFUNDED:
        return about == OPERATION_REFUND;
    case OUTCOME_INCREMENTED:
        return about == OPERATION_INCREMENT;
    case OUTCOME_ACCEPTED:
        return about_dispute(about);
    case OUTCOME_NOT_FOUND:
        return call->operation == OPERATION_INQUIRE || call->operation == OPERATION_INQUIRE_DISPUTE;
    case OUTCOME_NOT_SENT:
        return false; /* the engine's word, not the connector's */
    default:
        return true;
    }
}

static void explain_refusal(const struct connector *k, struct outcome *o)
{
    const struct error_line *e = errors_find(k, o->provider_code, sys_now_us());
    o->decline = e                                  ? e->decline
                 : o->kind == OUTCOME_SOFT_DECLINED ? DECLINE_AUTHENTICATION_REQUIRED
                 : o->kind == OUTCOME_DECLINED      ? DECLINE_GENERIC_DECLINE
                                                    : DECLINE_PROVIDER_UNAVAILABLE;
    if (e && !o->provider_message[0])
        (void)snprintf(o->provider_message, sizeof o->provider_message, "%s", e->message);
}

/* A browser is sent there. */
static bool action_ok(const struct outcome *o)
{
    struct url url;
    return o->action != ACTION_NONE && url_parse(str_from(o->action_url), &url);
}

static bool dispute_ok(const struct dispute_facts *d)
{
    struct id id;
    return d->reference[0] && id_parse(ID_ATTEMPT, str_from(d->charge), &id) && d->stage &&
           d->status && d->currency && d->amount > 0 && d->amount <= SAID_AMOUNT_MAX &&
           d->fee >= 0 && d->fee <= SAID_AMOUNT_MAX && d->version > 0 && d->version <= AMOUNT_MAX;
}

/* A dispute's facts: whole, of the dispute that was asked about, and saying what they should. */
static bool dispute_fits(const struct provider_call *call, const struct outcome *o)
{
    enum provider_operation about = operation_about(call);
    const struct dispute_facts *d = &o->dispute;
    if (!d->reference[0])
        return about != OPERATION_INQUIRE_DISPUTE;
    if (!dispute_ok(d) ||
        (call->provider_reference[0] && strcmp(call->provider_reference, d->reference) != 0))
        return false;
    return about != OPERATION_ACCEPT_DISPUTE || d->status == DISPUTED_ACCEPTED ||
           d->status == DISPUTED_LOST;
}

static void doubt(struct outcome *o, const char *why)
{
    o->kind = OUTCOME_UNKNOWN;
    (void)snprintf(o->provider_code, sizeof o->provider_code, "%s", why);
}

/* Drops what has no place in an outcome of this kind. */
static void tidy(const struct provider_call *call, struct outcome *o)
{
    enum provider_operation about = operation_about(call);
    bool refused = o->kind == OUTCOME_DECLINED || o->kind == OUTCOME_FAILED;
    if (o->kind != OUTCOME_REQUIRES_ACTION) {
        o->action = ACTION_NONE;
        o->action_expires_us = 0;
        o->action_url[0] = 0;
        o->authenticated = false;
    }
    if (o->kind != OUTCOME_AUTHORIZED)
        o->capture_before_us = 0;
    o->after_success = o->after_success && refused && about == OPERATION_REFUND;
    if (o->kind != OUTCOME_ACCEPTED)
        o->dispute = (struct dispute_facts){.version = 0};
}

void outcome_settle(struct connector *k, const struct provider_call *call, struct outcome *o)
{
    redact_outcome(o);
    if (!kind_fits(call, o->kind))
        o->kind = OUTCOME_UNKNOWN;
    if (o->kind == OUTCOME_REQUIRES_ACTION && !action_ok(o))
        doubt(o, "action_unusable");
    if (o->kind == OUTCOME_ACCEPTED && !dispute_fits(call, o))
        doubt(o, "dispute_unusable");
    tidy(call, o);
    if (o->kind == OUTCOME_DECLINED || o->kind == OUTCOME_FAILED ||
        o->kind == OUTCOME_SOFT_DECLINED)
        explain_refusal(k, o);
}

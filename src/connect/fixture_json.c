/* Fixtures in JSON: a call into C, outcomes and events back into JSON to compare. */
#include <stdio.h>

#include "connect/connect_internal.h"

static const char *text_of(json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

/* Copies a text member into an array. */
#define TAKE(json, key, array) (void)snprintf(array, sizeof(array), "%s", text_of(json, key))

/* The enum a text names; 0 when it names none. */
static int word(const char *text, const char *const *words, size_t n)
{
    int i = word_find(text, words, n);
    return i > 0 ? i : 0;
}

static void take_authorize(json_t *json, struct provider_call *call)
{
    json_t *three_ds = json_object_get(json, "three_ds"),
           *external = json_object_get(three_ds, "external");
    call->three_ds = (enum three_ds_request)word(text_of(three_ds, "request"), three_ds_requests,
                                                 COUNT_OF(three_ds_requests));
    TAKE(external, "version", call->external.version);
    TAKE(external, "eci", call->external.eci);
    TAKE(external, "cavv", call->external.cavv);
    TAKE(external, "transaction_id", call->external.transaction_id);
    call->credential = (enum credential_use)word(text_of(json, "credential"), credential_uses,
                                                 COUNT_OF(credential_uses));
    TAKE(json, "exemption", call->exemption);
    TAKE(json, "network_transaction_id", call->network_transaction_id);
    TAKE(json, "return_url", call->return_url);
    TAKE(json, "webhook_url", call->webhook_url);
}

/* Inquiries are about what has a reference of ours at the provider. */
static bool may_ask(enum provider_operation about)
{
    return about < OPERATION_COUNT && about != OPERATION_INQUIRE &&
           about != OPERATION_INQUIRE_DISPUTE;
}

bool fixture_call(json_t *json, struct provider_call *call, struct buf *evidence)
{
    const struct currency *currency = currency_find(str_from(text_of(json, "currency")));
    json_t *given = json_object_get(json, "evidence");
    *call =
        (struct provider_call){.operation = operation_find(str_from(text_of(json, "operation"))),
                               .about = operation_find(str_from(text_of(json, "about")))};
    if (!currency || call->operation == OPERATION_COUNT ||
        (call->operation == OPERATION_INQUIRE && !may_ask(call->about)))
        return false;
    call->currency = currency->number;
    call->amount = json_integer_value(json_object_get(json, "amount"));
    call->capture = json_is_true(json_object_get(json, "capture"));
    call->final = json_is_true(json_object_get(json, "final"));
    TAKE(json, "reference", call->reference);
    TAKE(json, "original", call->original);
    TAKE(json, "provider_reference", call->provider_reference);
    TAKE(json, "token", call->token);
    TAKE(json, "statement_descriptor", call->statement_descriptor);
    TAKE(json, "description", call->description);
    take_authorize(json, call);
    if (given) {
        struct jw w = {.b = evidence};
        jw_json(&w, NULL, given);
        call->evidence = buf_view(evidence);
    }
    return true;
}

static void set_text(json_t *object, const char *key, const char *value)
{
    if (value && value[0])
        json_object_set_new(object, key, json_string(value));
}

static void set_int(json_t *object, const char *key, int64_t value)
{
    if (value)
        json_object_set_new(object, key, json_integer(value));
}

static void set_currency(json_t *object, int16_t number)
{
    const struct currency *currency = currency_by_number(number);
    set_text(object, "currency", currency ? currency->code : NULL);
}

static void set_object(json_t *object, const char *key, json_t *member)
{
    if (json_object_size(member) > 0)
        json_object_set_new(object, key, member);
    else
        json_decref(member);
}

static json_t *dispute_json(const struct dispute_facts *d)
{
    json_t *v = json_object();
    set_text(v, "reference", d->reference);
    set_text(v, "charge", d->charge);
    set_text(v, "stage", dispute_stages[d->stage]);
    set_text(v, "status", dispute_statuses[d->status]);
    set_int(v, "amount", d->amount);
    set_int(v, "fee", d->fee);
    set_currency(v, d->currency);
    set_int(v, "due_at", d->due_us / 1000000);
    set_int(v, "version", d->version);
    set_text(v, "reason", d->reason);
    set_text(v, "network_reason_code", d->network_reason_code);
    set_text(v, "acquirer_reference", d->acquirer_reference);
    return v;
}

static json_t *three_ds_json(const struct three_ds *t)
{
    json_t *v = json_object();
    set_text(v, "flow", three_ds_flows[t->flow]);
    set_text(v, "version", t->version);
    set_text(v, "eci", t->eci);
    set_text(v, "transaction_id", t->transaction_id);
    if (t->liability_shift)
        json_object_set_new(v, "liability_shift", json_boolean(t->liability_shift > 0));
    return v;
}

json_t *fixture_outcome(const struct outcome *o)
{
    json_t *v = json_object(), *card = json_object(), *action = json_object();
    set_text(v, "kind", outcome_text(o->kind));
    set_text(v, "decline_code", decline_code_text(o->decline));
    set_text(v, "code", o->provider_code);
    set_text(v, "message", o->provider_message);
    set_int(v, "amount", o->amount);
    set_currency(v, o->currency);
    set_text(v, "provider_reference", o->provider_reference);
    set_text(v, "network_reference", o->network_reference);
    set_text(v, "authorization_code", o->authorization_code);
    set_text(v, "acquirer_reference", o->acquirer_reference);
    set_int(v, "capture_before", o->capture_before_us / 1000000);
    if (o->after_success)
        json_object_set_new(v, "after_success", json_true());
    set_text(card, "brand", o->card_brand);
    set_text(card, "last_four", o->card_last_four);
    set_object(v, "card", card);
    set_text(action, "type", action_types[o->action]);
    set_text(action, "url", o->action_url);
    set_int(action, "expires_at", o->action_expires_us / 1000000);
    set_object(v, "action", action);
    set_object(v, "three_ds", three_ds_json(&o->three_ds));
    set_object(v, "dispute", dispute_json(&o->dispute));
    return v;
}

json_t *fixture_event(const struct provider_event *e)
{
    json_t *v = json_object();
    set_text(v, "id", e->id);
    set_text(v, "kind", provider_event_text(e->kind));
    set_text(v, "reference", e->reference);
    if (e->kind == PROVIDER_EVENT_OPERATION)
        set_text(v, "about", provider_operation_text(e->about));
    json_object_set_new(v, "outcome", fixture_outcome(&e->outcome));
    return v;
}

bool fixture_same(json_t *expected, json_t *got, const char *name, struct buf *why)
{
    const char *key;
    json_t *member;
    if (!json_is_object(expected) || !json_is_object(got)) {
        if (json_equal(expected, got))
            return true;
        struct jw w = {.b = why};
        buf_printf(why, "%s is ", name);
        jw_json(&w, NULL, got);
        return false;
    }
    json_object_foreach(expected, key, member)
    {
        char path[256];
        (void)snprintf(path, sizeof path, "%.100s.%.100s", name, key);
        if (!fixture_same(member, json_object_get(got, key), path, why))
            return false;
    }
    return true;
}

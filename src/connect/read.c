/* Reading an answer into an outcome. Never fails: what cannot be read, or is not trusted, is
 * UNKNOWN. */
#include <stdio.h>

#include "connect/connect_internal.h"
#include "observe/observe.h"

struct answering {
    struct connector *k;
    const struct provider_call *call;
    int status;
    struct str body;
    struct outcome *out;
};

static void push_answer_call(struct answering *a)
{
    lua_State *L = a->k->L;
    const struct provider_call *call = a->call;
    const struct currency *currency = currency_by_number(call->currency);
    bool inquiry = call->operation == OPERATION_INQUIRE;
    lua_createtable(L, 0, 6);
    lua_pushstring(L, provider_operation_text(call->operation));
    lua_setfield(L, -2, "operation");
    lua_pushstring(L, provider_operation_text(inquiry ? call->about : call->operation));
    lua_setfield(L, -2, "about");
    lua_pushstring(L, call->reference);
    lua_setfield(L, -2, "reference");
    lua_pushstring(L, call->original);
    lua_setfield(L, -2, "original");
    lua_pushboolean(L, call->capture);
    lua_setfield(L, -2, "capture");
    if (currency) {
        lua_pushinteger(L, connector_exponent(a->k, currency));
        lua_setfield(L, -2, "exponent");
    }
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

/* Amount and currency back into ISO minor units. What cannot be converted exactly stays absent, and
 * then does not match. */
static void take_amount(struct answering *a)
{
    lua_State *L = a->k->L;
    char code[8];
    lua_field_text(L, "currency", code, sizeof code);
    const struct currency *currency = currency_find(str_from(code));
    int exponent = currency ? connector_exponent(a->k, currency) : -1;
    lua_getfield(L, -1, "amount");
    int64_t amount = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    lua_pop(L, 1);
    if (currency)
        a->out->currency = currency->number;
    if (exponent >= 0 && !money_rescale(amount, exponent, currency->exponent, &a->out->amount))
        a->out->amount = -1;
}

static int read_protected(lua_State *L)
{
    struct answering *a = lua_touserdata(L, 1);
    struct outcome *o = a->out;
    lua_rawgeti(L, LUA_REGISTRYINDEX, a->k->read_ref);
    push_answer_call(a);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, a->status);
    lua_setfield(L, -2, "status");
    lua_pushlstring(L, a->body.p ? a->body.p : "", a->body.n);
    lua_setfield(L, -2, "body");
    lua_call(L, 2, 1);
    if (lua_type(L, -1) != LUA_TTABLE)
        return 0; /* the connector does not know either */
    o->kind = kind_of(L);
    take_amount(a);
    lua_field_text(L, "provider_reference", o->provider_reference, sizeof o->provider_reference);
    lua_field_text(L, "network_reference", o->network_reference, sizeof o->network_reference);
    lua_field_text(L, "authorization_code", o->authorization_code, sizeof o->authorization_code);
    lua_field_text(L, "code", o->provider_code, sizeof o->provider_code);
    lua_field_text(L, "message", o->provider_message, sizeof o->provider_message);
    return 0;
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

/* Only kinds that the operation can end in are believed. */
static bool kind_fits(const struct provider_call *call, enum outcome_kind kind)
{
    enum provider_operation about =
        call->operation == OPERATION_INQUIRE ? call->about : call->operation;
    switch (kind) {
    case OUTCOME_AUTHORIZED:
        return about == OPERATION_AUTHORIZE;
    case OUTCOME_CAPTURED:
        return about == OPERATION_AUTHORIZE || about == OPERATION_CAPTURE;
    case OUTCOME_CANCELED:
        return about == OPERATION_CANCEL;
    case OUTCOME_REFUNDED:
        return about == OPERATION_REFUND;
    case OUTCOME_NOT_FOUND:
        return call->operation == OPERATION_INQUIRE;
    case OUTCOME_NOT_SENT:
        return false; /* the engine's word, not the connector's */
    default:
        return true;
    }
}

static void explain_refusal(const struct connector *k, struct outcome *o)
{
    const struct error_line *e = errors_find(k, o->provider_code, sys_now_us());
    o->decline = e                             ? e->decline
                 : o->kind == OUTCOME_DECLINED ? DECLINE_GENERIC_DECLINE
                                               : DECLINE_PROVIDER_UNAVAILABLE;
    if (e && !o->provider_message[0])
        (void)snprintf(o->provider_message, sizeof o->provider_message, "%s", e->message);
}

void connector_read(struct connectors *c, const char *name, const struct provider_call *call,
                    int status, struct str body, struct outcome *ret)
{
    char why[200];
    struct answering a = {connector_find(c, name), call, status, body, ret};
    *ret = (struct outcome){.kind = OUTCOME_UNKNOWN};
    if (!a.k)
        return;
    if (!lua_limited_call(a.k, read_protected, &a, why)) {
        connector_recover(a.k);
        *ret = (struct outcome){.kind = OUTCOME_UNKNOWN};
        (void)snprintf(ret->provider_code, sizeof ret->provider_code, "unreadable");
        LOG(LOG_WARN, "connector.unreadable", LOG_STR("connector", name), LOG_INT("status", status),
            LOG_STR("detail", why));
        return;
    }
    if (!kind_fits(call, ret->kind))
        ret->kind = OUTCOME_UNKNOWN;
    redact_field(ret->provider_message, sizeof ret->provider_message);
    redact_field(ret->provider_code, sizeof ret->provider_code);
    /* References stay as they are: a long number may look like a card's, and must be told back. */
    if (ret->kind == OUTCOME_DECLINED || ret->kind == OUTCOME_FAILED)
        explain_refusal(a.k, ret);
    outcome_check(call, ret);
}

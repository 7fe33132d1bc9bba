/* A provider's webhook: the connector verifies and reads it, what it says is checked here. Nothing
 * of it is believed that an answer to an inquiry would not be. */
#include <stdio.h>

#include "connect/connect_internal.h"
#include "observe/observe.h"

struct hearing {
    struct connector *k;
    struct str credentials;
    const struct provider_webhook *webhook;
    struct provider_event *out;
    bool genuine;
    char about[32], reason[160];
};

/* A header that comes twice is one with both values (RFC 9110 section 5.3). */
static void push_header(lua_State *L, struct str line)
{
    size_t n = line.n;
    struct str name = str_cut(&line, ':');
    if (!line.p)
        return;
    line.n -= line.n && line.p[line.n - 1] == '\r';
    struct str value = str_trim(line);
    lua_charge(L, (int64_t)n + 1);
    lua_pushlstring(L, name.p, name.n);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TSTRING) {
        lua_charge(L, (int64_t)lua_rawlen(L, -1));
        lua_pushliteral(L, ", ");
        lua_pushlstring(L, value.p, value.n);
        lua_concat(L, 3);
    } else {
        lua_pop(L, 1);
        lua_pushlstring(L, value.p, value.n);
    }
    lua_rawset(L, -3);
}

static void push_webhook(lua_State *L, const struct provider_webhook *w)
{
    lua_createtable(L, 0, 3);
    lua_createtable(L, 0, 16);
    for (struct str rest = w->headers; rest.n;)
        push_header(L, str_cut(&rest, '\n'));
    lua_setfield(L, -2, "headers");
    lua_pushlstring(L, w->body.p ? w->body.p : "", w->body.n);
    lua_setfield(L, -2, "body");
    lua_pushinteger(L, w->now_us / 1000000);
    lua_setfield(L, -2, "now");
}

/* The event's table is on top. */
static void take_event(struct hearing *h)
{
    lua_State *L = h->k->L;
    struct provider_event *e = h->out;
    char kind[32];
    lua_field_text(L, "kind", kind, sizeof kind);
    int i = word_find(kind, event_kinds, COUNT_OF(event_kinds));
    if (i < 0)
        luaL_error(L, "the event has no kind that there is");
    e->kind = (enum provider_event_kind)i;
    if (!lua_field_name(L, "id", e->id, sizeof e->id))
        luaL_error(L, "the event has no id of 1 to 64 characters");
    (void)lua_field_name(L, "reference", e->reference, sizeof e->reference);
    lua_field_text(L, "about", h->about, sizeof h->about);
    if (lua_getfield(L, -1, "outcome") == LUA_TTABLE)
        outcome_take(h->k, &e->outcome);
    lua_pop(L, 1);
}

static int webhook_protected(lua_State *L)
{
    struct hearing *h = lua_touserdata(L, 1);
    if (h->k->webhook_ref == LUA_NOREF)
        return luaL_error(L, "the connector takes no webhooks");
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->k->webhook_ref);
    push_webhook(L, h->webhook);
    credentials_push(h->k, h->credentials);
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2)) {
        const char *why = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "not genuine";
        (void)snprintf(h->reason, sizeof h->reason, "%s", why);
        return 0;
    }
    lua_pop(L, 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    take_event(h);
    h->genuine = true;
    return 0;
}

/* What the reference may name. */
static bool reference_ok(enum provider_operation about, const char *reference)
{
    static const char *const prefix[OPERATION_COUNT] = {
        [OPERATION_AUTHORIZE] = "att_", [OPERATION_CAPTURE] = "cap_",
        [OPERATION_CANCEL] = "can_",    [OPERATION_REFUND] = "rfd_",
        [OPERATION_INCREMENT] = "inc_", [OPERATION_CANCEL_REFUND] = "rfd_"};
    struct id id;
    char text[ID_TEXT_MAX + 8];
    size_t n = about < OPERATION_COUNT && prefix[about] ? strlen(prefix[about]) : 0;
    if (n == 0 || strncmp(reference, prefix[about], n) != 0)
        return false;
    (void)snprintf(text, sizeof text, "%s%s", id_prefix(ID_ATTEMPT), reference + n);
    return id_parse(ID_ATTEMPT, str_from(text), &id);
}

/* With nothing to compare with, an amount must at least be one. */
static bool amount_ok(const struct outcome *o)
{
    if (o->kind == OUTCOME_CANCELED && o->amount == 0 && o->currency == 0)
        return true;
    return o->currency != 0 && o->amount > 0 && o->amount <= SAID_AMOUNT_MAX;
}

static bool operation_ok(struct hearing *h)
{
    struct provider_event *e = h->out;
    struct outcome *o = &e->outcome;
    struct provider_call call = {.operation = OPERATION_INQUIRE,
                                 .about = operation_find(str_from(h->about))};
    if (call.about == OPERATION_COUNT || call.about == OPERATION_INQUIRE)
        return false;
    e->about = call.about = operation_about(&call);
    if (!reference_ok(e->about, e->reference) || o->kind == OUTCOME_NOT_FOUND)
        return false;
    outcome_settle(h->k, &call, o);
    switch (o->kind) {
    case OUTCOME_UNKNOWN:
    case OUTCOME_NOT_SENT:
        return false;
    case OUTCOME_AUTHORIZED:
    case OUTCOME_CAPTURED:
    case OUTCOME_REFUNDED:
    case OUTCOME_INCREMENTED:
    case OUTCOME_CANCELED:
        return amount_ok(o);
    default:
        return true;
    }
}

static bool clearing_ok(struct hearing *h)
{
    struct provider_event *e = h->out;
    struct provider_call call = {.operation = OPERATION_CAPTURE};
    e->outcome.kind = OUTCOME_CAPTURED;
    outcome_settle(h->k, &call, &e->outcome);
    return reference_ok(OPERATION_AUTHORIZE, e->reference) && amount_ok(&e->outcome);
}

static bool dispute_event_ok(struct hearing *h)
{
    struct provider_event *e = h->out;
    struct provider_call call = {.operation = OPERATION_INQUIRE_DISPUTE};
    e->outcome.kind = OUTCOME_ACCEPTED;
    outcome_settle(h->k, &call, &e->outcome);
    (void)snprintf(e->reference, sizeof e->reference, "%s", e->outcome.dispute.charge);
    return e->outcome.kind == OUTCOME_ACCEPTED;
}

/* What the event needs for its kind; the rest is dropped. */
static bool event_ok(struct hearing *h)
{
    struct provider_event *e = h->out;
    switch (e->kind) {
    case PROVIDER_EVENT_OPERATION:
        return operation_ok(h);
    case PROVIDER_EVENT_AUTHENTICATED:
        e->outcome = (struct outcome){.kind = OUTCOME_UNKNOWN};
        return reference_ok(OPERATION_AUTHORIZE, e->reference);
    case PROVIDER_EVENT_CLEARING:
        return clearing_ok(h);
    case PROVIDER_EVENT_DISPUTE:
        return dispute_event_ok(h);
    case PROVIDER_EVENT_IGNORED:
        e->outcome = (struct outcome){.kind = OUTCOME_UNKNOWN};
        e->reference[0] = 0;
        return true;
    }
    return false;
}

err_t connector_webhook(struct connectors *c, const char *name, struct str credentials,
                        const struct provider_webhook *webhook, struct provider_event *ret,
                        struct err_info *reterr)
{
    char why[200] = "it says what cannot be";
    struct hearing h = {
        .k = connector_find(c, name), .credentials = credentials, .webhook = webhook, .out = ret};
    *ret = (struct provider_event){.kind = PROVIDER_EVENT_IGNORED};
    if (!h.k || h.k->webhook_ref == LUA_NOREF)
        return error_set(reterr, ERR_CONNECTOR, "connector %s takes no webhooks", name);
    bool read = lua_limited_call(h.k, webhook_protected, &h, why);
    if (!read)
        connector_recover(h.k);
    if (read && h.genuine && event_ok(&h))
        return OK;
    *ret = (struct provider_event){.kind = PROVIDER_EVENT_IGNORED};
    if (read && !h.genuine) {
        (void)snprintf(why, sizeof why, "%s", h.reason);
        credentials_hide(h.k, credentials, why);
        return error_set(reterr, ERR_FORBIDDEN, "%.160s", why);
    }
    credentials_hide(h.k, credentials, why);
    LOG(LOG_WARN, "connector.webhook_unreadable", LOG_STR("connector", name),
        LOG_STR("detail", why));
    return error_set(reterr, ERR_PARAM_INVALID, "the webhook cannot be read");
}

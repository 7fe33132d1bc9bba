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
    lua_createtable(L, 0, 7);
    lua_pushstring(L, provider_operation_text(call->operation));
    lua_setfield(L, -2, "operation");
    lua_pushstring(L, provider_operation_text(operation_about(call)));
    lua_setfield(L, -2, "about");
    lua_pushstring(L, call->reference);
    lua_setfield(L, -2, "reference");
    lua_pushstring(L, call->original);
    lua_setfield(L, -2, "original");
    lua_pushstring(L, call->provider_reference);
    lua_setfield(L, -2, "provider_reference");
    lua_pushboolean(L, call->capture);
    lua_setfield(L, -2, "capture");
    if (currency) {
        lua_pushinteger(L, connector_exponent(a->k, currency));
        lua_setfield(L, -2, "exponent");
    }
}

static int read_protected(lua_State *L)
{
    struct answering *a = lua_touserdata(L, 1);
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
    outcome_take(a->k, a->out);
    return 0;
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
    outcome_settle(a.k, call, ret);
    outcome_check(call, ret);
}

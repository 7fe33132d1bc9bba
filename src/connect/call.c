/* Running a connector: build a request, read an answer. Everything that touches Lua happens inside
 * a protected call. */
#include <stdio.h>

#include "connect/connect_internal.h"

static void set_text(lua_State *L, const char *field, const char *value)
{
    if (!value[0])
        return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, field);
}

/* The call as the connector sees it: amounts in the provider's minor units. Raises on what it
 * cannot express. */
static void push_call(struct connectors *c, struct connector *k, const struct provider_call *call)
{
    lua_State *L = c->L;
    const struct currency *currency = currency_by_number(call->currency);
    int exponent = currency ? connector_exponent(c, k, currency) : -1;
    int64_t amount = 0;
    if (exponent < 0)
        luaL_error(L, "the provider does not take this currency");
    if (!money_rescale(call->amount, currency->exponent, exponent, &amount))
        luaL_error(L, "the amount cannot be expressed in the provider's minor units");
    lua_createtable(L, 0, 12);
    set_text(L, "operation", provider_operation_text(call->operation));
    if (call->operation == OPERATION_INQUIRE)
        set_text(L, "about", provider_operation_text(call->about));
    set_text(L, "reference", call->reference);
    set_text(L, "original", call->original);
    set_text(L, "provider_reference", call->provider_reference);
    set_text(L, "currency", currency->code);
    set_text(L, "token", call->token);
    set_text(L, "statement_descriptor", call->statement_descriptor);
    set_text(L, "description", call->description);
    lua_pushinteger(L, amount);
    lua_setfield(L, -2, "amount");
    lua_pushboolean(L, call->capture);
    lua_setfield(L, -2, "capture");
}

/* Decoding credentials for each call would cost more than the call: the last text is kept decoded.
 */
static void push_credentials(struct connectors *c, struct connector *k, struct str text)
{
    lua_State *L = c->L;
    struct json_limits limits = {ANSWER_BYTES_MAX, 4};
    if (k->credentials_ref == LUA_NOREF || !str_eq(buf_view(&k->credentials), text)) {
        json_t *v = NULL;
        if (json_read(text, &limits, &v, NULL) != OK || !json_is_object(v)) {
            json_decref(v);
            luaL_error(L, "the account's credentials are no JSON object");
        }
        lua_newtable(L);
        const char *key;
        json_t *member;
        json_object_foreach(v, key, member)
        {
            lua_pushstring(L, json_string_value(member));
            lua_setfield(L, -2, key);
        }
        json_decref(v);
        luaL_unref(L, LUA_REGISTRYINDEX, k->credentials_ref);
        k->credentials_ref = luaL_ref(L, LUA_REGISTRYINDEX);
        buf_clear(&k->credentials);
        buf_add(&k->credentials, text.p, text.n);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, k->credentials_ref);
}

struct building {
    struct connectors *c;
    struct connector *k;
    struct str credentials;
    const struct provider_call *call;
    struct connector_request *out;
};

/* Header names and values must not be able to end a line. */
static bool header_ok(const char *name, size_t name_n, const char *value, size_t value_n)
{
    for (size_t i = 0; i < name_n; i++)
        if (name[i] <= ' ' || name[i] >= 0x7F || name[i] == ':')
            return false;
    for (size_t i = 0; i < value_n; i++)
        if ((unsigned char)value[i] < 0x20 || (unsigned char)value[i] == 0x7F)
            return false;
    return name_n > 0;
}

static void take_headers(lua_State *L, struct buf *out)
{
    if (lua_getfield(L, -1, "headers") == LUA_TTABLE) {
        lua_pushnil(L);
        while (lua_next(L, -2)) {
            size_t name_n = 0, value_n = 0;
            if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
                luaL_error(L, "a header's name and value must be strings");
            const char *name = lua_tolstring(L, -2, &name_n),
                       *value = lua_tolstring(L, -1, &value_n);
            if (!header_ok(name, name_n, value, value_n))
                luaL_error(L, "a header holds a character that it must not");
            buf_add(out, name, name_n);
            buf_str(out, ": ");
            buf_add(out, value, value_n);
            buf_byte(out, '\n');
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

static bool host_listed(lua_State *L, struct str host)
{
    bool listed = false;
    if (lua_getfield(L, -1, "hosts") == LUA_TTABLE)
        for (lua_Integer i = 1; !listed && lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
            listed = str_eq_nocase(str_from(lua_tostring(L, -1)), host);
            lua_pop(L, 1);
        }
    return listed;
}

/* The manifest's hosts, or the host of the credential that hosts_from names. Anything else is
 * refused. */
static void check_host(struct building *b)
{
    lua_State *L = b->c->L;
    struct url url, base;
    int top = lua_gettop(L);
    if (b->out->url.failed || !url_parse(buf_view(&b->out->url), &url))
        luaL_error(L, "the url is not usable");
    lua_rawgeti(L, LUA_REGISTRYINDEX, b->k->ref);
    lua_getfield(L, -1, "manifest");
    bool ok = host_listed(L, url.host) && url.port == 443;
    lua_settop(L, top + 2);
    if (!ok && lua_getfield(L, -1, "hosts_from") == LUA_TSTRING) {
        push_credentials(b->c, b->k, b->credentials);
        lua_getfield(L, -1, lua_tostring(L, -2));
        const char *text = lua_tostring(L, -1);
        ok = text && url_parse(str_from(text), &base) && str_eq_nocase(base.host, url.host) &&
             base.port == url.port && str_eq_nocase(base.scheme, url.scheme);
    }
    lua_settop(L, top);
    if (!ok)
        luaL_error(L, "the url's host is not one of this connector's");
}

static int build_protected(lua_State *L)
{
    struct building *b = lua_touserdata(L, 1);
    size_t n;
    lua_rawgeti(L, LUA_REGISTRYINDEX, b->k->ref);
    lua_getfield(L, -1, "build");
    push_call(b->c, b->k, b->call);
    push_credentials(b->c, b->k, b->credentials);
    lua_call(L, 2, 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_field_text(L, "method", b->out->method, sizeof b->out->method);
    if (strcmp(b->out->method, "GET") != 0 && strcmp(b->out->method, "POST") != 0 &&
        strcmp(b->out->method, "PUT") != 0)
        luaL_error(L, "the method must be GET, POST or PUT");
    lua_getfield(L, -1, "url");
    const char *url = luaL_checklstring(L, -1, &n);
    buf_add(&b->out->url, url, n);
    lua_pop(L, 1);
    check_host(b);
    take_headers(L, &b->out->headers);
    lua_getfield(L, -1, "body");
    const char *body = luaL_optlstring(L, -1, "", &n);
    buf_add(&b->out->body, body, n);
    lua_pop(L, 1);
    return 0;
}

void connector_request_free(struct connector_request *r)
{
    buf_free(&r->url);
    buf_free(&r->headers);
    buf_free(&r->body);
}

err_t connector_build(struct connectors *c, const char *name, struct str credentials,
                      const struct provider_call *call, struct connector_request *ret,
                      struct err_info *reterr)
{
    char why[200];
    struct building b = {c, connector_find(c, name), credentials, call, ret};
    *ret = (struct connector_request){
        .url = BUF(8192), .headers = BUF(32768), .body = BUF(ANSWER_BYTES_MAX)};
    if (!b.k)
        return error_set(reterr, ERR_CONNECTOR, "there is no connector %s", name);
    lua_settop(c->L, 0);
    lua_pushcfunction(c->L, build_protected);
    lua_pushlightuserdata(c->L, &b);
    bool ok = lua_limited_call(c, 1, 0, why);
    if (ok && (ret->headers.failed || ret->body.failed)) {
        ok = false;
        (void)snprintf(why, sizeof why, "the request is too large");
    }
    if (ok)
        return OK;
    connector_request_free(ret);
    return error_set(reterr, ERR_CONNECTOR, "connector %s: %.180s", name, why);
}

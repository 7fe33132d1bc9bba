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
static void push_call(struct connector *k, const struct provider_call *call)
{
    lua_State *L = k->L;
    const struct currency *currency = currency_by_number(call->currency);
    int exponent = currency ? connector_exponent(k, currency) : -1;
    int64_t amount = 0;
    if (!k->manifest.operation[call->operation])
        luaL_error(L, "the provider does not do this operation");
    if (exponent < 0)
        luaL_error(L, "the provider does not take this currency");
    if (!money_rescale(call->amount, currency->exponent, exponent, &amount))
        luaL_error(L, "the amount cannot be expressed in the provider's minor units");
    lua_createtable(L, 0, 13);
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
    lua_pushinteger(L, exponent);
    lua_setfield(L, -2, "exponent");
    lua_pushboolean(L, call->capture);
    lua_setfield(L, -2, "capture");
}

/* Which host this account's requests may go to: from the text, since the connector has its hands on
 * the table. */
static void remember_host(struct connector *k, struct str text)
{
    struct json_limits limits = {ANSWER_BYTES_MAX, 4};
    json_t *v = NULL;
    struct url url;
    k->host[0] = 0;
    if (!k->manifest.hosts_from || json_read(text, &limits, &v, NULL) != OK)
        return;
    json_t *base = json_object_get(v, k->manifest.hosts_from);
    if (base && url_parse((struct str){json_string_value(base), json_string_length(base)}, &url) &&
        url.host.n < sizeof k->host) {
        (void)snprintf(k->host, sizeof k->host, STR_FMT, STR_ARG(url.host));
        k->host_tls = str_eq_nocase(url.scheme, STR("https"));
        k->host_port = url.port;
    }
    json_decref(v);
}

/* Decoding credentials for each call would cost more than the call: the last text is kept decoded.
 */
static void decode_credentials(struct connector *k, struct str text)
{
    lua_State *L = k->L;
    luaL_unref(L, LUA_REGISTRYINDEX, k->credentials_ref);
    k->credentials_ref = LUA_NOREF;
    if (!lua_push_json_text(L, text, 4))
        luaL_error(L, "the account's credentials are no JSON object");
    k->credentials_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    remember_host(k, text);
    if (k->credentials.p)
        mem_wipe(k->credentials.p, k->credentials.n);
    buf_clear(&k->credentials);
    buf_add(&k->credentials, text.p, text.n);
}

/* A fresh copy for each call: what one call writes into it, the next must not find. */
static void push_credentials(struct connector *k, struct str text)
{
    lua_State *L = k->L;
    if (k->credentials_ref == LUA_NOREF || !str_eq(buf_view(&k->credentials), text))
        decode_credentials(k, text);
    lua_createtable(L, 0, 4);
    lua_rawgeti(L, LUA_REGISTRYINDEX, k->credentials_ref);
    for (lua_pushnil(L); lua_next(L, -2);) { /* copy, key, value */
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -5);
    }
    lua_pop(L, 1);
}

struct building {
    struct connector *k;
    struct str credentials;
    const struct provider_call *call;
    struct connector_request *out;
};

/* Header names and values must not be able to end a line; how the message is framed, and to whom it
 * goes, is the client's business. */
static bool header_ok(struct str name, struct str value)
{
    static const char *const taken[] = {"host",       "content-length", "transfer-encoding",
                                        "connection", "expect",         "te",
                                        "upgrade",    "trailer"};
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 0x7F || strchr("()<>@,;:\\\"/[]?={}", name.p[i]))
            return false;
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < 0x20 || (unsigned char)value.p[i] == 0x7F)
            return false;
    for (size_t i = 0; i < COUNT_OF(taken); i++)
        if (str_eq_nocase(name, str_from(taken[i])))
            return false;
    return name.n > 0;
}

static void take_headers(lua_State *L, struct buf *out)
{
    if (lua_getfield(L, -1, "headers") == LUA_TTABLE) {
        lua_pushnil(L);
        while (lua_next(L, -2)) {
            struct str name, value;
            if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
                luaL_error(L, "a header's name and value must be strings");
            name.p = lua_tolstring(L, -2, &name.n);
            value.p = lua_tolstring(L, -1, &value.n);
            if (!header_ok(name, value))
                luaL_error(L, "a header that must not be set, or a character in one");
            buf_add(out, name.p, name.n);
            buf_str(out, ": ");
            buf_add(out, value.p, value.n);
            buf_byte(out, '\n');
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

static bool host_listed(const struct manifest *m, const struct url *url)
{
    if (!str_eq(url->scheme, STR("https")) || url->port != 443)
        return false;
    for (size_t i = 0; i < m->hosts; i++)
        if (str_eq_nocase(str_from(m->host[i]), url->host))
            return true;
    return false;
}

/* The manifest's hosts, or the host of the credential that hosts_from names. */
static bool host_ok(const struct connector *k, struct str text)
{
    struct url url;
    if (!url_parse(text, &url))
        return false;
    if (host_listed(&k->manifest, &url))
        return true;
    return k->host[0] && str_eq_nocase(str_from(k->host), url.host) && k->host_port == url.port &&
           k->host_tls == str_eq_nocase(url.scheme, STR("https"));
}

static int build_protected(lua_State *L)
{
    struct building *b = lua_touserdata(L, 1);
    struct connector_request *out = b->out;
    size_t n;
    lua_rawgeti(L, LUA_REGISTRYINDEX, b->k->build_ref);
    push_call(b->k, b->call);
    push_credentials(b->k, b->credentials);
    lua_call(L, 2, 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_field_text(L, "method", out->method, sizeof out->method);
    if (strcmp(out->method, "GET") != 0 && strcmp(out->method, "POST") != 0 &&
        strcmp(out->method, "PUT") != 0)
        luaL_error(L, "the method must be GET, POST or PUT");
    lua_getfield(L, -1, "url");
    const char *url = luaL_checklstring(L, -1, &n);
    buf_add(&out->url, url, n);
    lua_pop(L, 1);
    if (out->url.failed || !host_ok(b->k, buf_view(&out->url)))
        luaL_error(L, "the url cannot be used, or its host is not one of this connector's");
    take_headers(L, &out->headers);
    lua_getfield(L, -1, "body");
    const char *body = luaL_optlstring(L, -1, "", &n);
    if (n > 0)
        buf_add(&out->body, body, n);
    lua_pop(L, 1);
    return 0;
}

void connector_request_free(struct connector_request *r)
{
    buf_free(&r->url);
    buf_free(&r->headers);
    buf_free(&r->body);
}

/* A message of Lua may quote what it was given. */
static void hide_secrets(const struct connector *k, struct str credentials, char why[200])
{
    struct json_limits limits = {ANSWER_BYTES_MAX, 4};
    json_t *v = NULL, *field;
    size_t i;
    if (json_read(credentials, &limits, &v, NULL) != OK)
        return;
    json_array_foreach(json_object_get(k->manifest.json, "credentials"), i, field)
    {
        json_t *value = json_object_get(v, json_string_value(json_object_get(field, "name")));
        size_t n = json_string_length(value);
        if (n == 0 || json_is_false(json_object_get(field, "secret")))
            continue;
        char *found = memmem(why, strlen(why), json_string_value(value), n);
        if (found) /* the rest of the message is not worth a mistake */
            (void)snprintf(found, (size_t)(why + 200 - found), "%s", "[redacted]");
    }
    json_decref(v);
}

err_t connector_build(struct connectors *c, const char *name, struct str credentials,
                      const struct provider_call *call, struct connector_request *ret,
                      struct err_info *reterr)
{
    char why[200];
    struct building b = {connector_find(c, name), credentials, call, ret};
    ASSERT(call->operation < OPERATION_COUNT);
    *ret = (struct connector_request){
        .url = BUF(8192), .headers = BUF(32768), .body = BUF(ANSWER_BYTES_MAX)};
    if (!b.k)
        return error_set(reterr, ERR_CONNECTOR, "there is no connector %s", name);
    bool ok = lua_limited_call(b.k, build_protected, &b, why);
    if (!ok) {
        connector_recover(b.k);
        hide_secrets(b.k, credentials, why);
    } else if (ret->headers.failed || ret->body.failed) {
        ok = false;
        (void)snprintf(why, sizeof why, "the request is too large");
    }
    if (ok)
        return OK;
    connector_request_free(ret);
    return error_set(reterr, ERR_CONNECTOR, "connector %s: %.180s", name, why);
}

/* Running a connector: build a request, read an answer. Everything that touches Lua happens inside
 * a protected call. */
#include <stdio.h>

#include "connect/connect_internal.h"

#define EVIDENCE_DEPTH_MAX 8

/* Texts may be anybody's: what looks like a card's placeholder in them must not become its number
 * on the way out. */
static void set_text(lua_State *L, const char *field, const char *value)
{
    if (!value[0])
        return;
    if (strstr(value, CARD_PLACEHOLDER))
        (void)luaL_gsub(L, value, CARD_PLACEHOLDER, "((card.");
    else
        lua_pushstring(L, value);
    lua_setfield(L, -2, field);
}

static void set_bool(lua_State *L, const char *field, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, field);
}

/* Disputes may be spoken of without an amount. */
static bool of_dispute(enum provider_operation o)
{
    return o == OPERATION_SUBMIT_EVIDENCE || o == OPERATION_ACCEPT_DISPUTE ||
           o == OPERATION_INQUIRE_DISPUTE;
}

/* The amount in the provider's minor units. Raises on what it cannot express. */
static void push_amount(struct connector *k, const struct provider_call *call)
{
    lua_State *L = k->L;
    const struct currency *currency = currency_by_number(call->currency);
    int exponent = currency ? connector_exponent(k, currency) : -1;
    int64_t amount = 0;
    if (call->currency == 0 && of_dispute(call->operation))
        return;
    if (exponent < 0)
        luaL_error(L, "the provider does not take this currency");
    if (!money_rescale(call->amount, currency->exponent, exponent, &amount))
        luaL_error(L, "the amount cannot be expressed in the provider's minor units");
    set_text(L, "currency", currency->code);
    lua_pushinteger(L, amount);
    lua_setfield(L, -2, "amount");
    lua_pushinteger(L, exponent);
    lua_setfield(L, -2, "exponent");
}

static void push_three_ds(lua_State *L, const struct provider_call *call)
{
    if ((int)call->three_ds <= 0 || (size_t)call->three_ds >= COUNT_OF(three_ds_requests))
        return;
    lua_createtable(L, 0, 2);
    set_text(L, "request", three_ds_requests[call->three_ds]);
    if (call->three_ds == THREE_DS_EXTERNAL) {
        lua_createtable(L, 0, 4);
        set_text(L, "version", call->external.version);
        set_text(L, "eci", call->external.eci);
        set_text(L, "cavv", call->external.cavv);
        set_text(L, "transaction_id", call->external.transaction_id);
        lua_setfield(L, -2, "external");
    }
    lua_setfield(L, -2, "three_ds");
}

/* A card of the vault: placeholders in place of the token, which is nobody's business outside. */
static void push_card(lua_State *L)
{
    lua_createtable(L, 0, CARD_PLACEHOLDERS);
    for (size_t i = 0; i < CARD_PLACEHOLDERS; i++) {
        lua_pushfstring(L, CARD_PLACEHOLDER "%s}}", card_placeholders[i]);
        lua_setfield(L, -2, card_placeholders[i]);
    }
    lua_setfield(L, -2, "card");
}

/* What only the first call of a payment has. */
static void push_authorize(lua_State *L, const struct provider_call *call)
{
    ASSERT((size_t)call->credential < COUNT_OF(credential_uses));
    push_three_ds(L, call);
    set_text(L, "credential", credential_uses[call->credential]);
    set_text(L, "exemption", call->exemption);
    set_text(L, "network_transaction_id", call->network_transaction_id);
    set_text(L, "return_url", call->return_url);
    set_text(L, "webhook_url", call->webhook_url);
}

/* The call as the connector sees it. Raises on what it cannot express. */
static void push_call(struct connector *k, const struct provider_call *call)
{
    lua_State *L = k->L;
    struct id card;
    if (!k->manifest.operation[call->operation])
        luaL_error(L, "the provider does not do this operation");
    /* or money would be taken without the authentication that was asked for */
    if (call->operation == OPERATION_AUTHORIZE && call->three_ds == THREE_DS_REQUIRED &&
        !k->manifest.operation[OPERATION_CONFIRM])
        luaL_error(L, "the provider does not authenticate: it has no confirm");
    lua_createtable(L, 0, 20);
    push_amount(k, call);
    set_text(L, "operation", provider_operation_text(call->operation));
    if (call->operation == OPERATION_INQUIRE)
        set_text(L, "about", provider_operation_text(operation_about(call)));
    set_text(L, "reference", call->reference);
    set_text(L, "original", call->original);
    set_text(L, "provider_reference", call->provider_reference);
    if (!card_token_parse(str_from(call->token), &card))
        set_text(L, "token", call->token);
    else if (call->operation == OPERATION_AUTHORIZE)
        push_card(L);
    set_text(L, "statement_descriptor", call->statement_descriptor);
    set_text(L, "description", call->description);
    set_bool(L, "capture", call->capture);
    if (call->operation == OPERATION_AUTHORIZE)
        push_authorize(L, call);
    if (call->operation == OPERATION_CAPTURE)
        set_bool(L, "final", call->final);
    if (call->operation == OPERATION_SUBMIT_EVIDENCE) {
        if (!lua_push_json_text(L, call->evidence, EVIDENCE_BYTES_MAX, EVIDENCE_DEPTH_MAX))
            luaL_error(L, "the evidence is no JSON object, or too large");
        lua_setfield(L, -2, "evidence");
    }
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
    if (!lua_push_json_text(L, text, ANSWER_BYTES_MAX, 4))
        luaL_error(L, "the account's credentials are no JSON object");
    k->credentials_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    remember_host(k, text);
    if (k->credentials.p)
        mem_wipe(k->credentials.p, k->credentials.n);
    buf_clear(&k->credentials);
    buf_add(&k->credentials, text.p, text.n);
}

/* Fresh for each call: what one call writes into it, the next must not find. */
void credentials_push(struct connector *k, struct str text)
{
    lua_State *L = k->L;
    if (k->credentials_ref == LUA_NOREF || !str_eq(buf_view(&k->credentials), text))
        decode_credentials(k, text);
    lua_createtable(L, 0, 4);
    lua_rawgeti(L, LUA_REGISTRYINDEX, k->credentials_ref);
    for (lua_pushnil(L); lua_next(L, -2);) { /* copy, key, value */
        if (lua_type(L, -1) == LUA_TSTRING && strstr(lua_tostring(L, -1), CARD_PLACEHOLDER))
            luaL_error(L, "a card's placeholder in the account's credentials");
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
    credentials_push(b->k, b->credentials);
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

static void hide(char why[200], const char *secret, size_t n)
{
    char *found = n > 0 ? memmem(why, strlen(why), secret, n) : NULL;
    if (found) /* the rest of the message is not worth a mistake */
        (void)snprintf(found, (size_t)(why + 200 - found), "%s", "[redacted]");
}

void credentials_hide(const struct connector *k, struct str credentials, char why[200])
{
    struct json_limits limits = {ANSWER_BYTES_MAX, 4};
    json_t *v = NULL, *field;
    size_t i;
    if (json_read(credentials, &limits, &v, NULL) != OK)
        return;
    json_array_foreach(json_object_get(k->manifest.json, "credentials"), i, field)
    {
        json_t *value = json_object_get(v, json_string_value(json_object_get(field, "name")));
        if (!json_is_false(json_object_get(field, "secret")))
            hide(why, json_string_value(value), json_string_length(value));
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
        .url = BUF(8192), .headers = BUF(32768), .body = BUF(REQUEST_BYTES_MAX)};
    if (!b.k)
        return error_set(reterr, ERR_CONNECTOR, "there is no connector %s", name);
    bool ok = lua_limited_call(b.k, build_protected, &b, why);
    if (!ok) {
        connector_recover(b.k);
        credentials_hide(b.k, credentials, why);
        hide(why, call->external.cavv, strlen(call->external.cavv));
    } else if (ret->headers.failed || ret->body.failed) {
        ok = false;
        (void)snprintf(why, sizeof why, "the request is too large");
    }
    if (ok)
        return OK;
    connector_request_free(ret);
    return error_set(reterr, ERR_CONNECTOR, "connector %s: %.180s", name, why);
}

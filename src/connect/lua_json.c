/* JSON and the helper table `florin` for connectors. */
#include <stdio.h>

#include "connect/connect_internal.h"
#include "crypto/crypto.h"

#define JSON_DEPTH_MAX 16

void lua_push_json(lua_State *L, json_t *v)
{
    luaL_checkstack(L, 8, "json");
    switch (json_typeof(v)) {
    case JSON_OBJECT: {
        const char *key;
        json_t *member;
        lua_createtable(L, 0, (int)json_object_size(v));
        json_object_foreach(v, key, member)
        {
            lua_push_json(L, member);
            lua_setfield(L, -2, key);
        }
        return;
    }
    case JSON_ARRAY:
        lua_createtable(L, (int)json_array_size(v), 0);
        for (size_t i = 0; i < json_array_size(v); i++) {
            lua_push_json(L, json_array_get(v, i));
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        return;
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(v), json_string_length(v));
        return;
    case JSON_INTEGER:
        lua_pushinteger(L, json_integer_value(v));
        return;
    case JSON_REAL:
        lua_pushnumber(L, json_real_value(v));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(L, json_is_true(v));
        return;
    case JSON_NULL:
        lua_pushnil(L);
        return;
    }
}

static bool write_array(lua_State *L, int index, struct jw *w, const char *key, int depth)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, index);
    jw_array(w, key);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, index, i);
        bool ok = lua_write_json(L, lua_gettop(L), w, NULL, depth - 1);
        lua_pop(L, 1);
        if (!ok)
            return false;
    }
    jw_array_end(w);
    return true;
}

static bool write_object(lua_State *L, int index, struct jw *w, const char *key, int depth)
{
    jw_object(w, key);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING ||
            !lua_write_json(L, lua_gettop(L), w, lua_tostring(L, -2), depth - 1))
            return false;
        lua_pop(L, 1);
    }
    jw_object_end(w);
    return true;
}

bool lua_write_json(lua_State *L, int index, struct jw *w, const char *key, int depth)
{
    size_t n;
    if (depth == 0 || !lua_checkstack(L, 8))
        return false;
    switch (lua_type(L, index)) {
    case LUA_TSTRING: {
        const char *s = lua_tolstring(L, index, &n);
        jw_str(w, key, (struct str){s, n});
        return true;
    }
    case LUA_TNUMBER:
        if (!lua_isinteger(L, index))
            return false; /* no amount is ever a float */
        jw_int(w, key, lua_tointeger(L, index));
        return true;
    case LUA_TBOOLEAN:
        jw_bool(w, key, lua_toboolean(L, index));
        return true;
    case LUA_TTABLE:
        return lua_rawlen(L, index) > 0 ? write_array(L, index, w, key, depth)
                                        : write_object(L, index, w, key, depth);
    default:
        return false;
    }
}

/* Pushes a buffer's bytes and frees it, also when there is no memory for them. */
static int push_buf_protected(lua_State *L)
{
    struct buf *b = lua_touserdata(L, 1);
    lua_pushlstring(L, b->p ? b->p : "", b->n);
    return 1;
}

static int return_buf(lua_State *L, struct buf *b, bool ok)
{
    int rc = LUA_ERRRUN;
    lua_pushcfunction(L, push_buf_protected);
    lua_pushlightuserdata(L, b);
    if (ok && !b->failed)
        rc = lua_pcall(L, 1, 1, 0);
    buf_free(b);
    return rc == LUA_OK ? 1 : luaL_error(L, "value cannot be encoded");
}

static int json_encode(lua_State *L)
{
    struct buf b = BUF(REQUEST_BYTES_MAX);
    struct jw w = {.b = &b};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    bool ok = lua_write_json(L, 1, &w, NULL, JSON_DEPTH_MAX);
    lua_settop(L, 1);
    (void)return_buf(L, &b, ok);
    lua_charge(L, (int64_t)lua_rawlen(L, -1));
    return 1;
}

static int push_json_protected(lua_State *L)
{
    lua_push_json(L, lua_touserdata(L, 1));
    return 1;
}

/* Protected, so that the value is freed also when Lua has no memory for its copy. */
static bool push_text(lua_State *L, struct str text, const struct json_limits *limits, bool object)
{
    json_t *v = NULL;
    if (json_read(text, limits, &v, NULL) != OK || (object && !json_is_object(v))) {
        json_decref(v);
        return false;
    }
    lua_pushcfunction(L, push_json_protected);
    lua_pushlightuserdata(L, v);
    int rc = lua_pcall(L, 1, 1, 0);
    json_decref(v);
    if (rc != LUA_OK)
        lua_error(L);
    return true;
}

bool lua_push_json_text(lua_State *L, struct str text, size_t bytes_max, int depth_max)
{
    struct json_limits limits = {bytes_max, depth_max};
    return push_text(L, text, &limits, true);
}

/* nil for what is not JSON: a connector then leaves the outcome unknown. */
static int json_decode(lua_State *L)
{
    size_t n;
    const char *s = luaL_checklstring(L, 1, &n);
    struct json_limits limits = {ANSWER_BYTES_MAX, JSON_DEPTH_MAX};
    lua_charge(L, (int64_t)n);
    if (!push_text(L, (struct str){s, n}, &limits, false))
        lua_pushnil(L);
    return 1;
}

static int base64(lua_State *L)
{
    size_t n;
    const char *s = luaL_checklstring(L, 1, &n);
    lua_charge(L, (int64_t)n);
    struct buf b = BUF(REQUEST_BYTES_MAX);
    crypto_base64(&b, s, n);
    return return_buf(L, &b, true);
}

/* nil for what is none, as json_decode. */
static int base64_decode(lua_State *L)
{
    size_t n;
    const char *s = luaL_checklstring(L, 1, &n);
    lua_charge(L, (int64_t)n);
    struct buf b = BUF(REQUEST_BYTES_MAX);
    if (crypto_base64_decode((struct str){s, n}, &b))
        return return_buf(L, &b, true);
    buf_free(&b);
    lua_pushnil(L);
    return 1;
}

static int hex(lua_State *L)
{
    size_t n;
    const char *s = luaL_checklstring(L, 1, &n);
    struct buf b = BUF(ANSWER_BYTES_MAX);
    buf_hex(&b, s, n);
    return return_buf(L, &b, true);
}

static int unhex(lua_State *L)
{
    size_t n;
    uint8_t out[512];
    const char *s = luaL_checklstring(L, 1, &n);
    if (n % 2 == 0 && n / 2 <= sizeof out && crypto_hex_decode((struct str){s, n}, out, n / 2))
        lua_pushlstring(L, (const char *)out, n / 2);
    else
        lua_pushnil(L);
    return 1;
}

static int hex_of(lua_State *L, const uint8_t *p, size_t n)
{
    struct buf b = BUF(256);
    buf_hex(&b, p, n);
    return return_buf(L, &b, true);
}

static int sha256(lua_State *L)
{
    size_t n;
    uint8_t out[32];
    const char *s = luaL_checklstring(L, 1, &n);
    lua_charge(L, (int64_t)n);
    crypto_sha256(s, n, out);
    return hex_of(L, out, sizeof out);
}

static int hmac_sha256(lua_State *L)
{
    size_t key_n, n;
    uint8_t out[32];
    const char *key = luaL_checklstring(L, 1, &key_n), *s = luaL_checklstring(L, 2, &n);
    lua_charge(L, (int64_t)(key_n + n));
    crypto_hmac_sha256(key, key_n, s, n, out);
    return hex_of(L, out, sizeof out);
}

/* Takes as long for texts that differ early as for those that differ late: for signatures. */
static int equal(lua_State *L)
{
    size_t a_n, b_n;
    const char *a = luaL_checklstring(L, 1, &a_n), *b = luaL_checklstring(L, 2, &b_n);
    lua_charge(L, (int64_t)a_n);
    lua_pushboolean(L, a_n == b_n && mem_equal_ct(a, b, a_n));
    return 1;
}

static int url_escape(lua_State *L)
{
    size_t n;
    const char *s = luaL_checklstring(L, 1, &n);
    struct buf b = BUF(ANSWER_BYTES_MAX);
    url_encode(&b, (struct str){s, n});
    return return_buf(L, &b, true);
}

static int64_t exponent_of(lua_State *L, int index)
{
    lua_Integer exponent = luaL_checkinteger(L, index);
    luaL_argcheck(L, exponent >= 0 && exponent <= 8, index, "an exponent is 0 to 8");
    return exponent;
}

/* amount_text(9232, 2): "92.32" */
static int amount_text(lua_State *L)
{
    char digits[32], out[40];
    lua_Integer amount = luaL_checkinteger(L, 1);
    size_t exponent = (size_t)exponent_of(L, 2);
    luaL_argcheck(L, amount >= 0, 1, "an amount is not negative");
    size_t n =
        (size_t)snprintf(digits, sizeof digits, "%0*lld", (int)exponent + 1, (long long)amount);
    (void)snprintf(out, sizeof out, "%.*s%s%s", (int)(n - exponent), digits, exponent ? "." : "",
                   digits + n - exponent);
    lua_pushstring(L, out);
    return 1;
}

/* amount_parse("92.32", 2): 9232. Fewer decimals are the same amount; more, signs and spaces are
 * nil. */
static int amount_parse(lua_State *L)
{
    size_t n, whole, decimals = 0, exponent = (size_t)exponent_of(L, 2);
    const char *s = luaL_checklstring(L, 1, &n);
    char digits[40];
    int64_t amount;
    whole = strspn(s, "0123456789");
    bool ok = whole > 0 && whole <= 19;
    if (ok && s[whole] == '.') {
        decimals = strspn(s + whole + 1, "0123456789");
        ok = decimals > 0 && decimals <= exponent && n == whole + 1 + decimals;
    } else {
        ok = ok && n == whole;
    }
    if (ok) {
        (void)snprintf(digits, sizeof digits, "%.*s%.*s%.*s", (int)whole, s, (int)decimals,
                       decimals ? s + whole + 1 : "", (int)(exponent - decimals), "00000000");
        ok = str_to_i64(str_from(digits), &amount);
    }
    if (ok)
        lua_pushinteger(L, amount);
    else
        lua_pushnil(L);
    return 1;
}

void lua_add_helpers(lua_State *L)
{
    static const luaL_Reg helpers[] = {{"json_encode", json_encode},
                                       {"json_decode", json_decode},
                                       {"base64", base64},
                                       {"base64_decode", base64_decode},
                                       {"hex", hex},
                                       {"unhex", unhex},
                                       {"sha256", sha256},
                                       {"hmac_sha256", hmac_sha256},
                                       {"equal", equal},
                                       {"url_encode", url_escape},
                                       {"amount_text", amount_text},
                                       {"amount_parse", amount_parse},
                                       {NULL, NULL}};
    luaL_newlib(L, helpers);
    lua_setfield(L, -2, "florin");
}

/* A Lua state without a way out: chosen functions only, bounded memory, bounded instructions. */
#include <stdio.h>
#include <time.h>

#include "connect/connect_internal.h"

#define HOOK_EVERY 100 /* instructions */

static void *limited_alloc(void *self, void *p, size_t old, size_t n)
{
    struct connector *k = self;
    size_t had = p ? old : 0;
    if (n == 0) {
        mem_free(p);
        k->bytes -= had;
        return NULL;
    }
    if (n > had && k->bytes - had + n > LUA_BYTES_MAX)
        return NULL;
    void *q = mem_resize(p, n);
    if (q)
        k->bytes = k->bytes - had + n;
    return q;
}

/* Of this thread: a busy machine must not turn good answers into unknown ones. */
static int64_t cpu_now_us(void)
{
    struct timespec t;
    int failed = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    ASSERT(failed == 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void count_steps(lua_State *L, lua_Debug *ar)
{
    struct connector *k = *(struct connector **)lua_getextraspace(L);
    (void)ar;
    k->steps += HOOK_EVERY;
    if (k->steps < 10 * HOOK_EVERY) /* most calls are over by then and need no clock */
        return;
    if (k->cpu_until_us == 0)
        k->cpu_until_us = cpu_now_us() + LUA_CPU_US_MAX;
    if (k->steps >= LUA_STEPS_MAX || cpu_now_us() > k->cpu_until_us)
        luaL_error(L, "instruction limit reached");
}

static const char *const string_names[] = {"byte",    "char", "find",  "format", "gmatch",
                                           "gsub",    "len",  "lower", "match",  "rep",
                                           "reverse", "sub",  "upper", NULL};

static int open_protected(lua_State *L)
{
    luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
    luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
    luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 1);
    luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 1);
    luaL_requiref(L, LUA_UTF8LIBNAME, luaopen_utf8, 1);
    lua_guard_libraries(L);
    return 0;
}

bool lua_open_limited(struct connector *k)
{
    k->bytes = 0;
    k->credentials_ref = k->build_ref = k->read_ref = k->webhook_ref = LUA_NOREF;
    k->L = lua_newstate(limited_alloc, k);
    if (!k->L)
        return false;
    *(struct connector **)lua_getextraspace(k->L) = k;
    lua_pushcfunction(k->L, open_protected);
    if (lua_pcall(k->L, 0, 0, 0) == LUA_OK)
        return true;
    lua_close_limited(k);
    return false;
}

void lua_close_limited(struct connector *k)
{
    if (k->L)
        lua_close(k->L);
    k->L = NULL;
}

bool lua_limited_call(struct connector *k, lua_CFunction fn, void *arg, char why[200])
{
    lua_State *L = k->L;
    if (!L) {
        (void)snprintf(why, 200, "the connector's state could not be built anew");
        return false;
    }
    lua_settop(L, 0);
    k->steps = k->work = k->cpu_until_us = 0;
    lua_sethook(L, count_steps, LUA_MASKCOUNT, HOOK_EVERY);
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, arg);
    int rc = lua_pcall(L, 1, 0, 0);
    lua_sethook(L, NULL, 0, 0);
    if (rc == LUA_OK)
        return true;
    const char *message =
        lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "error without a message";
    (void)snprintf(why, 200, "%s", message);
    lua_settop(L, 0);
    return false;
}

/* Copies the named members of a library into the table on top. */
static void copy_members(lua_State *L, const char *library, const char *const *names)
{
    lua_getglobal(L, library);
    for (; *names; names++) {
        lua_getfield(L, -1, *names);
        lua_setfield(L, -3, *names);
    }
    lua_pop(L, 1);
}

static void add_library(lua_State *L, const char *library, const char *const *names)
{
    lua_newtable(L);
    copy_members(L, library, names);
    lua_setfield(L, -2, library);
}

static int write_global(lua_State *L)
{
    luaL_checkstring(L, 2);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 2);
    lua_rawset(L, 2);
    return 0;
}

static int refuse_global(lua_State *L)
{
    return luaL_error(L, "globals are frozen: %s", luaL_tolstring(L, 2, NULL));
}

/* ("x"):rep() and the like reach only what the environment on top has, too; strings are no numbers
 * any more ("1" + 1), which suits amounts. */
static void limit_string_methods(lua_State *L)
{
    lua_pushliteral(L, "");
    lua_createtable(L, 0, 1);
    lua_newtable(L);
    copy_members(L, LUA_STRLIBNAME, string_names);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

void lua_push_environment(lua_State *L)
{
    /* No pcall (it could swallow the limits), no metatables, no load, nothing that reaches outside.
     */
    static const char *const base[] = {"assert", "error",    "ipairs",   "next", "pairs",
                                       "select", "tonumber", "tostring", "type", NULL};
    static const char *const table[] = {"concat", "insert", "remove", "sort",
                                        "unpack", "pack",   NULL};
    static const char *const math[] = {"abs",       "floor", "ceil",       "max",        "min",
                                       "tointeger", "type",  "maxinteger", "mininteger", NULL};
    static const char *const utf8[] = {"char",   "codepoint",   "codes", "len",
                                       "offset", "charpattern", NULL};
    lua_newtable(L); /* the proxy, always empty, so that every write is seen */
    lua_newtable(L); /* its metatable */
    lua_newtable(L); /* the contents */
    copy_members(L, LUA_GNAME, base);
    add_library(L, LUA_STRLIBNAME, string_names);
    add_library(L, LUA_TABLIBNAME, table);
    add_library(L, LUA_MATHLIBNAME, math);
    add_library(L, LUA_UTF8LIBNAME, utf8);
    lua_add_helpers(L);
    limit_string_methods(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_pushcclosure(L, write_global, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "locked");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

void lua_freeze(lua_State *L, int index)
{
    lua_getmetatable(L, index);
    lua_pushcfunction(L, refuse_global);
    lua_setfield(L, -2, "__newindex");
    lua_pop(L, 1);
}

void lua_field_text(lua_State *L, const char *field, char *out, size_t max)
{
    size_t n = 0;
    out[0] = 0;
    lua_getfield(L, -1, field);
    /* A number is taken as text too: some providers send codes as numbers. Converting a copy leaves
     * the table alone. */
    const char *s = lua_isstring(L, -1) ? lua_tolstring(L, -1, &n) : NULL;
    if (s) {
        n = n < max ? n : max - 1;
        memcpy(out, s, n);
        out[n] = 0;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)out[i] < 0x20)
                out[i] = ' ';
        while (n > 0 && !str_is_utf8((struct str){out, n}))
            out[--n] = 0; /* cut in the middle of a character, or not text at all */
    }
    lua_pop(L, 1);
}

bool lua_field_name(lua_State *L, const char *field, char *out, size_t max)
{
    size_t n = 0;
    out[0] = 0;
    lua_getfield(L, -1, field);
    const char *s = lua_isstring(L, -1) ? lua_tolstring(L, -1, &n) : NULL;
    bool ok = s && n > 0 && n < max;
    for (size_t i = 0; ok && i < n; i++)
        ok = s[i] > 0x20 && s[i] < 0x7F;
    if (ok) {
        memcpy(out, s, n);
        out[n] = 0;
    }
    lua_pop(L, 1);
    return ok;
}

int64_t lua_field_int(lua_State *L, const char *field, int64_t otherwise)
{
    lua_getfield(L, -1, field);
    int64_t v = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : otherwise;
    lua_pop(L, 1);
    return v;
}

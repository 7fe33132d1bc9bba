/* Library functions that can run for long inside one instruction, where no hook sees them: they pay
 * for it in advance, by the worst that can happen. */
#include "connect/connect_internal.h"

void lua_charge(lua_State *L, int64_t n)
{
    struct connector *k = *(struct connector **)lua_getextraspace(L);
    ASSERT(n >= 0);
    if (n > LUA_WORK_MAX - k->work)
        luaL_error(L, "work limit reached (a pattern with many repetitions on a long text?)");
    k->work += n;
}

/* Worst steps of matching: each repetition may try every length at every place of the one before;
 * "?" tries two. */
static int64_t match_cost(const char *pattern, size_t pattern_n, size_t n, bool anchored)
{
    double cost = (double)pattern_n + 1, length = (double)n + 1;
    for (size_t i = 0; i < pattern_n; i++) {
        char c = pattern[i];
        if (c == '%' && i + 1 < pattern_n) {
            c = pattern[++i];
            if (c == 'b' || (c >= '1' && c <= '9')) /* scans, compares */
                cost *= length;
        } else if (c == '*' || c == '+' || c == '-') {
            cost *= length;
        } else if (c == '?') {
            cost *= 2;
        }
        if (cost > (double)LUA_WORK_MAX)
            return LUA_WORK_MAX + 1;
    }
    cost = anchored ? cost : cost * length;
    return cost > (double)LUA_WORK_MAX ? LUA_WORK_MAX + 1 : (int64_t)cost;
}

/* Hands all arguments on to the function kept in upvalue 1. */
static int pass_on(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int match(lua_State *L, bool may_anchor)
{
    size_t n, pattern_n;
    (void)luaL_checklstring(L, 1, &n);
    const char *pattern = luaL_checklstring(L, 2, &pattern_n);
    bool anchored = may_anchor && pattern[0] == '^';
    lua_charge(L, match_cost(pattern, pattern_n, n, anchored));
    return pass_on(L);
}

static int guarded_match(lua_State *L)
{
    return match(L, true);
}

static int guarded_gmatch(lua_State *L)
{
    return match(L, false);
}

/* find(s, text, init, true) looks for a plain text. */
static int guarded_find(lua_State *L)
{
    size_t n, pattern_n;
    (void)luaL_checklstring(L, 1, &n);
    (void)luaL_checklstring(L, 2, &pattern_n);
    if (!lua_toboolean(L, 4))
        return guarded_match(L);
    double cost = ((double)n + 1) * ((double)pattern_n + 1);
    lua_charge(L, cost > LUA_WORK_MAX ? LUA_WORK_MAX + 1 : (int64_t)cost);
    return pass_on(L);
}

/* An empty text can be repeated for ever without needing memory. */
static int guarded_rep(lua_State *L)
{
    size_t n, separator_n = 0;
    (void)luaL_checklstring(L, 1, &n);
    lua_Integer times = luaL_checkinteger(L, 2);
    (void)luaL_optlstring(L, 3, "", &separator_n);
    if (n + separator_n == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (times > (lua_Integer)LUA_BYTES_MAX)
        return luaL_error(L, "the text becomes too long");
    lua_charge(L, times > 0 ? times : 0);
    return pass_on(L);
}

static int charged_less(lua_State *L)
{
    lua_charge(L, lua_type(L, 1) == LUA_TSTRING ? (int64_t)lua_rawlen(L, 1) + 1 : 1);
    lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
    return 1;
}

static int guarded_sort(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_pushcfunction(L, charged_less);
        lua_replace(L, 2);
    }
    return pass_on(L);
}

static void replace(lua_State *L, const char *library, const char *name, lua_CFunction guard)
{
    lua_getglobal(L, library);
    lua_getfield(L, -1, name);
    ASSERT(lua_iscfunction(L, -1));
    lua_pushcclosure(L, guard, 1);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

void lua_guard_libraries(lua_State *L)
{
    replace(L, LUA_STRLIBNAME, "find", guarded_find);
    replace(L, LUA_STRLIBNAME, "match", guarded_match);
    replace(L, LUA_STRLIBNAME, "gmatch", guarded_gmatch);
    replace(L, LUA_STRLIBNAME, "gsub", guarded_match);
    replace(L, LUA_STRLIBNAME, "rep", guarded_rep);
    replace(L, LUA_TABLIBNAME, "sort", guarded_sort);
}

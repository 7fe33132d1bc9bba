/* Loading connectors: one folder each, one environment each, all in one Lua state. Fails closed: a
 * broken one is left out. */
#include <dirent.h>
#include <stdio.h>

#include "connect/connect_internal.h"
#include "observe/observe.h"

#define CHUNK_MAX ((size_t)1 << 20)

struct loading {
    struct connectors *c;
    struct connector *k;
    struct str chunk;
    char chunk_name[64];
};

static int load_chunk(lua_State *L)
{
    struct loading *l = lua_touserdata(L, 1);
    if (luaL_loadbufferx(L, l->chunk.p, l->chunk.n, l->chunk_name, "t") != LUA_OK)
        return lua_error(L);
    lua_push_environment(L);
    lua_pushvalue(L, -1);
    lua_insert(L, 2); /* the environment stays at 2 */
    lua_setupvalue(L, -2, 1);
    lua_call(L, 0, 1);
    lua_freeze(L, 2);
    luaL_checktype(L, -1, LUA_TTABLE);
    static const char *const parts[] = {"build", "read"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (lua_getfield(L, -1, parts[i]) != LUA_TFUNCTION)
            return luaL_error(L, "the connector has no function %s", parts[i]);
        lua_pop(L, 1);
    }
    if (lua_getfield(L, -1, "manifest") != LUA_TTABLE)
        return luaL_error(L, "the connector has no manifest");
    struct jw w = {.b = &l->k->manifest};
    if (!lua_write_json(L, lua_gettop(L), &w, NULL, 8))
        return luaL_error(L, "the manifest holds something that is not JSON");
    lua_getfield(L, -1, "not_found_final_after_ms");
    l->k->not_found_final_ms = luaL_optinteger(L, -1, 60000);
    lua_pop(L, 2);
    l->k->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static bool name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 40 || name[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') ||
              name[i] == '_'))
            return false;
    return true;
}

static void release(struct connector *k)
{
    mem_free(k->errors);
    if (k->credentials.p)
        mem_wipe(k->credentials.p, k->credentials.n);
    buf_free(&k->credentials);
    buf_free(&k->manifest);
    *k = (struct connector){.ref = LUA_NOREF};
}

static err_t load_one(struct connectors *c, const char *dir, const char *name,
                      struct err_info *reterr)
{
    char path[2048], why[200];
    struct buf chunk = BUF(CHUNK_MAX);
    struct connector *k = &c->item[c->n];
    *k = (struct connector){.ref = LUA_NOREF,
                            .credentials_ref = LUA_NOREF,
                            .credentials = BUF(ANSWER_BYTES_MAX),
                            .manifest = BUF(ANSWER_BYTES_MAX)};
    (void)snprintf(k->name, sizeof k->name, "%.40s", name);
    (void)snprintf(path, sizeof path, "%s/%s/connector.lua", dir, name);
    err_t err = sys_read_file(path, CHUNK_MAX, &chunk, reterr);
    if (!err) {
        (void)snprintf(path, sizeof path, "%s/%s/errors.tsv", dir, name);
        err = errors_load(k, path, reterr);
    }
    struct loading l = {.c = c, .k = k, .chunk = buf_view(&chunk)};
    (void)snprintf(l.chunk_name, sizeof l.chunk_name, "=%.40s/connector.lua", name);
    if (!err && lua_checkstack(c->L, 4)) {
        lua_pushcfunction(c->L, load_chunk);
        lua_pushlightuserdata(c->L, &l);
        if (!lua_limited_call(c, 1, 0, why))
            err = error_set(reterr, ERR_CONNECTOR, "connector %s: %.180s", name, why);
        else if (k->manifest.failed)
            err = error_set(reterr, ERR_CONNECTOR, "connector %s: the manifest is too large", name);
    }
    buf_free(&chunk);
    if (err)
        release(k);
    else
        c->n++;
    return err;
}

err_t connectors_load(const char *dir, struct connectors **ret, struct err_info *reterr)
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, NULL, alphasort);
    if (n < 0)
        return error_set(reterr, ERR_CONNECTOR, "the connectors folder %.180s cannot be read", dir);
    struct connectors *c = mem_alloc(sizeof *c);
    if (c)
        c->L = lua_open_limited(c);
    for (int i = 0; i < n; i++) {
        struct err_info why = {0};
        if (c && c->L && c->n < CONNECTORS_MAX && name_ok(names[i]->d_name) &&
            load_one(c, dir, names[i]->d_name, &why) != OK) {
            LOG(LOG_ERROR, "connector.left_out", LOG_STR("connector", names[i]->d_name),
                LOG_STR("detail", why.detail));
            (void)error_set(reterr, ERR_CONNECTOR, "%s", why.detail);
        }
        mem_free(names[i]);
    }
    mem_free(names);
    if (!c || !c->L) {
        mem_free(c);
        return ERR_NO_MEMORY;
    }
    *ret = c;
    return OK;
}

void connectors_free(struct connectors *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        release(&c->item[i]);
    lua_close(c->L);
    mem_free(c);
}

struct connector *connector_find(struct connectors *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->item[i].name, name) == 0)
            return &c->item[i];
    return NULL;
}

const char *connectors_manifest(struct connectors *c, const char *name)
{
    struct connector *k = connector_find(c, name);
    return k ? k->manifest.p : NULL;
}

int64_t connector_not_found_final_ms(struct connectors *c, const char *name)
{
    struct connector *k = connector_find(c, name);
    return k ? k->not_found_final_ms : 60000;
}

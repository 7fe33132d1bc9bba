/* Loading connectors: one folder and one Lua state each. Fails closed: a broken one is left out. */
#include <stdio.h>

#include "connect/connect_internal.h"
#include "observe/observe.h"

#define CHUNK_MAX ((size_t)1 << 20)
#define HOARD_MAX (LUA_BYTES_MAX / 4)

static int load_chunk(lua_State *L)
{
    struct connector *k = lua_touserdata(L, 1);
    char chunk_name[64];
    (void)snprintf(chunk_name, sizeof chunk_name, "=%s/connector.lua", k->name);
    if (luaL_loadbufferx(L, k->chunk.p, k->chunk.n, chunk_name, "t") != LUA_OK)
        return lua_error(L);
    lua_push_environment(L);
    lua_pushvalue(L, -1);
    lua_insert(L, 2); /* the environment stays at 2 */
    lua_setupvalue(L, -2, 1);
    lua_call(L, 0, 1);
    lua_freeze(L, 2);
    luaL_checktype(L, -1, LUA_TTABLE);
    if (lua_getfield(L, -1, "build") != LUA_TFUNCTION)
        return luaL_error(L, "the connector has no function build");
    k->build_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    if (lua_getfield(L, -1, "read") != LUA_TFUNCTION)
        return luaL_error(L, "the connector has no function read");
    k->read_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    k->webhook_ref = LUA_NOREF;
    int type = lua_getfield(L, -1, "webhook");
    if (type == LUA_TFUNCTION)
        k->webhook_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    else if (type == LUA_TNIL)
        lua_pop(L, 1);
    else
        return luaL_error(L, "webhook must be a function");
    if (k->manifest.json)
        return 0; /* the state is built anew, the manifest stays what it was */
    if (lua_getfield(L, -1, "manifest") != LUA_TTABLE)
        return luaL_error(L, "the connector has no manifest");
    struct jw w = {.b = &k->manifest.text};
    if (!lua_write_json(L, lua_gettop(L), &w, NULL, 8))
        return luaL_error(L, "the manifest holds something that is not JSON");
    return 0;
}

void connector_recover(struct connector *k)
{
    char why[200];
    if (k->L) {
        (void)lua_gc(k->L, LUA_GCCOLLECT);
        if (k->bytes <= HOARD_MAX)
            return;
    }
    lua_close_limited(k);
    if (lua_open_limited(k) && lua_limited_call(k, load_chunk, k, why))
        return;
    lua_close_limited(k);
    LOG(LOG_ERROR, "connector.not_rebuilt", LOG_STR("connector", k->name));
}

static bool name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 40)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') ||
              name[i] == '_'))
            return false;
    return true;
}

static void release(struct connector *k)
{
    if (!k)
        return;
    lua_close_limited(k);
    mem_free(k->errors);
    if (k->credentials.p)
        mem_wipe(k->credentials.p, k->credentials.n);
    buf_free(&k->credentials);
    buf_free(&k->chunk);
    manifest_free(&k->manifest);
    mem_free(k);
}

static err_t load_lua(struct connector *k, struct err_info *reterr)
{
    char why[200];
    if (!lua_open_limited(k))
        return error_set(reterr, ERR_NO_MEMORY, "connector %s: no memory", k->name);
    if (!lua_limited_call(k, load_chunk, k, why))
        return error_set(reterr, ERR_CONNECTOR, "connector %s: %.180s", k->name, why);
    return manifest_read(k, reterr);
}

static err_t load_one(struct connectors *c, const char *dir, const char *name,
                      struct err_info *reterr)
{
    char path[2048];
    if (c->n == CONNECTORS_MAX)
        return error_set(reterr, ERR_CONNECTOR, "connector %s: there are more than %d", name,
                         CONNECTORS_MAX);
    struct connector *k = mem_alloc(sizeof *k);
    if (!k)
        return error_set(reterr, ERR_NO_MEMORY, "connector %s: no memory", name);
    k->chunk = BUF(CHUNK_MAX + 1);
    k->credentials = k->manifest.text = BUF(ANSWER_BYTES_MAX);
    (void)snprintf(k->name, sizeof k->name, "%s", name);
    (void)snprintf(path, sizeof path, "%s/%s/connector.lua", dir, name);
    err_t err = sys_read_file(path, CHUNK_MAX, &k->chunk, reterr);
    if (!err) {
        (void)snprintf(path, sizeof path, "%s/%s/errors.tsv", dir, name);
        err = errors_load(k, path, reterr);
    }
    if (!err)
        err = load_lua(k, reterr);
    if (err)
        release(k);
    else
        c->item[c->n++] = k;
    return err;
}

static void leave_out(struct connectors *c, const char *name, const struct err_info *why,
                      struct err_info *reterr)
{
    LOG(LOG_ERROR, "connector.left_out", LOG_STR("connector", name),
        LOG_STR("detail", why->detail));
    (void)error_set(reterr, ERR_CONNECTOR, "%s", why->detail);
    if (c->broken_n < CONNECTORS_MAX)
        (void)snprintf(c->broken[c->broken_n++], sizeof c->broken[0], "%.40s", name);
}

err_t connectors_load(const char *dir, struct connectors **ret, struct err_info *reterr)
{
    struct sys_names names;
    err_t err = sys_list_dir(dir, &names);
    if (err)
        return error_set(reterr, ERR_CONNECTOR, "the connectors folder %.180s cannot be read", dir);
    struct connectors *c = mem_alloc(sizeof *c);
    for (size_t i = 0; c && i < names.n; i++) {
        struct err_info why = {0};
        if (name_ok(names.name[i]) && load_one(c, dir, names.name[i], &why) != OK)
            leave_out(c, names.name[i], &why, reterr);
    }
    mem_free(names.name);
    if (!c)
        return error_set(reterr, ERR_NO_MEMORY, "no memory for connectors");
    *ret = c;
    return OK;
}

void connectors_free(struct connectors *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        release(c->item[i]);
    mem_free(c);
}

void connectors_keep(struct connectors *c, struct connectors *old)
{
    for (size_t b = 0; b < c->broken_n; b++)
        for (size_t i = 0; i < old->n && c->n < CONNECTORS_MAX; i++)
            if (strcmp(old->item[i]->name, c->broken[b]) == 0) {
                LOG(LOG_WARN, "connector.kept", LOG_STR("connector", c->broken[b]));
                c->item[c->n++] = old->item[i];
                old->item[i] = old->item[--old->n];
                break;
            }
}

struct connector *connector_find(const struct connectors *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->item[i]->name, name) == 0)
            return c->item[i];
    return NULL;
}

const char *connectors_manifest(struct connectors *c, const char *name)
{
    struct connector *k = connector_find(c, name);
    return k ? k->manifest.text.p : NULL;
}

int64_t connector_not_found_final_ms(struct connectors *c, const char *name)
{
    struct connector *k = connector_find(c, name);
    return k ? k->manifest.not_found_final_ms : 60000;
}

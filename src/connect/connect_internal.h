#ifndef FLORIN_CONNECT_INTERNAL_H
#define FLORIN_CONNECT_INTERNAL_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "connect/connect.h"
#include "sys/sys.h"

#define CONNECTORS_MAX 32
#define LUA_BYTES_MAX ((size_t)16 << 20)
#define LUA_STEPS_MAX 1000000 /* instructions of one call */
#define ANSWER_BYTES_MAX ((size_t)256 << 10)

/* A line of errors.tsv. */
struct error_line {
    char code[65];
    int decline;
    enum retry_class retry;
    char message[160];
    int64_t from_us, to_us; /* 0: open */
};

struct connector {
    char name[41];
    int ref;             /* the table the chunk returned, in the registry */
    int credentials_ref; /* decoded form of `credentials` */
    struct buf credentials;
    struct buf manifest; /* JSON */
    int64_t not_found_final_ms;
    struct error_line *errors;
    size_t errors_n;
};

struct connectors {
    lua_State *L;
    size_t bytes;
    struct connector item[CONNECTORS_MAX];
    size_t n;
};

struct connector *connector_find(struct connectors *c, const char *name);
/* Calls the function on the stack with n arguments under the instruction limit; false: the message
 * is in why. */
bool lua_limited_call(struct connectors *c, int args, int results, char why[200]);
/* Opens a state with limits and without any way out. NULL: no memory. */
lua_State *lua_open_limited(struct connectors *c);
/* Pushes a new environment for one connector: a proxy whose contents freeze when lua_freeze is
 * called on it. */
void lua_push_environment(lua_State *L);
void lua_freeze(lua_State *L, int index);
/* Pushes a JSON value as Lua; null becomes nil. */
void lua_push_json(lua_State *L, json_t *v);
/* The value at index as JSON; false: too deep or of a type that JSON has not. */
bool lua_write_json(lua_State *L, int index, struct jw *w, const char *key, int depth);
void lua_add_helpers(lua_State *L); /* sets florin in the table on top */

/* Reads errors.tsv into the connector. Errors: ERR_CONNECTOR with the line. */
err_t errors_load(struct connector *c, const char *path, struct err_info *reterr);
/* The line for a code at a time; NULL when there is none. */
const struct error_line *errors_find(const struct connector *c, const char *code, int64_t now_us);

/* Copies a string field of the table on top into out; absent: "". */
void lua_field_text(lua_State *L, const char *field, char *out, size_t max);

/* The exponent that this provider uses for a currency: the manifest's, or ISO's; -1 when it does
 * not take the currency. */
int connector_exponent(struct connectors *c, const struct connector *k,
                       const struct currency *currency);

#endif

#ifndef FLORIN_CONNECT_INTERNAL_H
#define FLORIN_CONNECT_INTERNAL_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "connect/connect.h"
#include "sys/sys.h"

#define CONNECTORS_MAX 32
#define HOSTS_MAX 8
#define LUA_BYTES_MAX ((size_t)16 << 20)
#define LUA_STEPS_MAX 1000000  /* instructions of one call */
#define LUA_CPU_US_MAX 1000000 /* processor time of one call: an instruction may copy megabytes */
#define LUA_WORK_MAX                                                                               \
    300000000 /* worst steps of what the hook cannot interrupt: patterns, hashes                   \
               */
#define PERMIT_BYTES_MAX ((size_t)4096)
#define ANSWER_BYTES_MAX ((size_t)256 << 10)
#define REQUEST_BYTES_MAX (EVIDENCE_BYTES_MAX + ANSWER_BYTES_MAX)
#define CURRENCY_NUMBERS 1000
/* What a provider may say of one thing: ten times what a request may ask for. Sums of what is
 * recorded must not overflow. */
#define SAID_AMOUNT_MAX INT64_C(10000000000000)

/* A line of errors.tsv. */
struct error_line {
    char code[65];
    int decline;
    enum retry_class retry;
    char message[160];
    int64_t from_us, to_us; /* 0: open */
};

/* A manifest, taken from Lua once: what a connector may do must not change under its own hands. */
struct manifest {
    json_t *json;
    struct buf text;
    bool operation[OPERATION_COUNT];
    int8_t exponent[CURRENCY_NUMBERS]; /* by ISO number; -1: not taken */
    const char *host[HOSTS_MAX];       /* in json */
    size_t hosts;
    const char *hosts_from; /* name of the credential, or NULL */
    int64_t not_found_final_ms;
};

/* One connector: a Lua state of its own, so that what one hoards or breaks is nobody else's. */
struct connector {
    char name[41];
    struct buf chunk; /* connector.lua, to build the state anew */
    struct manifest manifest;
    struct error_line *errors;
    size_t errors_n;
    lua_State *L;
    size_t bytes;                         /* that the state holds */
    int64_t steps, work;                  /* of the running call */
    int64_t cpu_until_us;                 /* of the running call */
    int build_ref, read_ref, webhook_ref; /* webhook_ref: LUA_NOREF when it has none */
    int credentials_ref;                  /* decoded form of `credentials` */
    struct buf credentials;
    char host[256]; /* of the credential that hosts_from names, "" none */
    int host_port;
    bool host_tls;
};

struct connectors {
    struct connector *item[CONNECTORS_MAX];
    size_t n;
    char broken[CONNECTORS_MAX][41]; /* folders that could not be loaded */
    size_t broken_n;
};

struct connector *connector_find(const struct connectors *c, const char *name);
/* Moves from `old` what is broken in `c` and was not there: better than before than not at all. */
void connectors_keep(struct connectors *c, struct connectors *old);

/* After a call that failed: collects garbage, and builds the state anew when it hoards memory. */
void connector_recover(struct connector *k);

/* --- lua_state.c --- */
/* Opens k->L with limits and without any way out. false: no memory. */
bool lua_open_limited(struct connector *k);
void lua_close_limited(struct connector *k);
/* Runs fn(arg) protected and limited; false: the message is in why. fn may raise. */
bool lua_limited_call(struct connector *k, lua_CFunction fn, void *arg, char why[200]);
/* Pushes the environment: a proxy whose contents freeze when lua_freeze is called on it. */
void lua_push_environment(lua_State *L);
void lua_freeze(lua_State *L, int index);
/* Copies a string field of the table on top into out; absent: "". */
void lua_field_text(lua_State *L, const char *field, char *out, size_t max);

/* As lua_field_text for what must be kept whole, a reference: 1 to max - 1 visible ASCII
 * characters; false, and out is "": absent or not such a text. */
bool lua_field_name(lua_State *L, const char *field, char *out, size_t max);
/* An integer field of the table on top; absent, or no integer: `otherwise`. */
int64_t lua_field_int(lua_State *L, const char *field, int64_t otherwise);

/* --- lua_guard.c --- */
/* Takes n of the running call's work; raises when it is used up. */
void lua_charge(lua_State *L, int64_t n);
/* Replaces, in the string and table libraries, what could run for long inside one instruction. */
void lua_guard_libraries(lua_State *L);

/* --- lua_json.c --- */
/* Pushes a JSON value as Lua; null becomes nil. Raises when there is no memory. */
void lua_push_json(lua_State *L, json_t *v);
/* As lua_push_json of a text, which must be an object; false, and nothing pushed: it is none. */
bool lua_push_json_text(lua_State *L, struct str text, size_t bytes_max, int depth_max);
/* The value at index as JSON; false: too deep or of a type that JSON has not. */
bool lua_write_json(lua_State *L, int index, struct jw *w, const char *key, int depth);
void lua_add_helpers(lua_State *L); /* sets florin in the table on top */

/* --- connect.c --- */
/* Words of connectors and fixtures, by enum; NULL where there is none. */
extern const char *const three_ds_requests[THREE_DS_EXTERNAL + 1];
extern const char *const three_ds_flows[THREE_DS_BY_MERCHANT + 1];
extern const char *const credential_uses[CREDENTIAL_MERCHANT + 1];
extern const char *const action_types[ACTION_CHALLENGE + 1];
extern const char *const dispute_stages[STAGE_CHARGEBACK + 1];
extern const char *const dispute_statuses[DISPUTED_CLOSED + 1];
extern const char *const event_kinds[PROVIDER_EVENT_DISPUTE + 1];
/* Index of the text among n words; -1: none of them. */
int word_find(const char *text, const char *const *words, size_t n);
/* "authorize"; OPERATION_COUNT when unknown. */
enum provider_operation operation_find(struct str text);

/* --- card_token.c --- */
#define CARD_PLACEHOLDERS 5
/* What stands between "{{card." and "}}". */
extern const char *const card_placeholders[CARD_PLACEHOLDERS];

/* --- call.c --- */
/* Pushes an account's credentials, a fresh copy. Raises when they are none. */
void credentials_push(struct connector *k, struct str text);
/* A message of Lua may quote what it was given. */
void credentials_hide(const struct connector *k, struct str credentials, char why[200]);

/* --- outcome.c --- */
/* What a call is about: of an inquiry the operation asked about; a confirmation ends as the
 * authorization it goes on with. */
enum provider_operation operation_about(const struct provider_call *call);
/* The table on top, as `read` and `webhook` give it, into *o. Inside a protected call. */
void outcome_take(struct connector *k, struct outcome *o);
/* After Lua: bounds, what the operation can end in, what a refusal means, redaction. What is not
 * believed becomes UNKNOWN. */
void outcome_settle(struct connector *k, const struct provider_call *call, struct outcome *o);

/* --- fixture_json.c --- */
/* A fixture's call. *evidence keeps what the call points to. false: not a call. */
bool fixture_call(json_t *json, struct provider_call *call, struct buf *evidence);
/* As the outcome of a fixture, or the event of one, is written; owned by the caller. */
json_t *fixture_outcome(const struct outcome *o);
json_t *fixture_event(const struct provider_event *e);
/* Has `got` all that `expected` has? Else *why names the first that differs. */
bool fixture_same(json_t *expected, json_t *got, const char *name, struct buf *why);

/* --- errors.c --- */
/* Reads errors.tsv into the connector. Errors: ERR_CONNECTOR with the line. */
err_t errors_load(struct connector *c, const char *path, struct err_info *reterr);
/* The line for a code at a time; NULL when there is none. */
const struct error_line *errors_find(const struct connector *c, const char *code, int64_t now_us);

/* --- manifest.c --- */
/* Reads k->manifest.text into the rest. Errors: ERR_CONNECTOR, names what is wrong. */
err_t manifest_read(struct connector *k, struct err_info *reterr);
void manifest_free(struct manifest *m);
/* The exponent that this provider uses for a currency; -1 when it does not take the currency. */
int connector_exponent(const struct connector *k, const struct currency *currency);

#endif

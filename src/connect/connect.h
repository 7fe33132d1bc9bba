/* connect: connectors (Lua, sandboxed) and the calls they describe. A connector is a folder; see
 * docs/connectors.md. */
#ifndef FLORIN_CONNECT_H
#define FLORIN_CONNECT_H

#include "base/base.h"
#include "http/http.h"
#include "money/money.h"

/* X(NAME, "text"): operations a provider can do for a card payment. */
#define PROVIDER_OPERATIONS(X)                                                                     \
    X(AUTHORIZE, "authorize") /* with capture = true: sale */                                      \
    X(CAPTURE, "capture")                                                                          \
    X(CANCEL, "cancel")                                                                            \
    X(REFUND, "refund")                                                                            \
    X(INQUIRE, "inquire") /* what became of an operation, by our reference */
enum provider_operation {
#define X(n, t) OPERATION_##n,
    PROVIDER_OPERATIONS(X)
#undef X
        OPERATION_COUNT
};
/* "authorize". */
const char *provider_operation_text(enum provider_operation o);

/* X(NAME, number, "code", retry class): canonical decline codes of API.md; numbers are stored. */
#define DECLINE_CODES(X)                                                                           \
    X(INSUFFICIENT_FUNDS, 1, "insufficient_funds", LATER)                                          \
    X(DO_NOT_HONOR, 2, "do_not_honor", OTHER_PROVIDER)                                             \
    X(STOLEN_CARD, 3, "stolen_card", NEVER)                                                        \
    X(LOST_CARD, 4, "lost_card", NEVER)                                                            \
    X(EXPIRED_CARD, 5, "expired_card", NEVER)                                                      \
    X(INCORRECT_CVC, 6, "incorrect_cvc", NEVER)                                                    \
    X(LIMIT_EXCEEDED, 7, "limit_exceeded", LATER)                                                  \
    X(RISK_DECLINE, 8, "risk_decline", NEVER)                                                      \
    X(BANK_UNAVAILABLE, 9, "bank_unavailable", OTHER_PROVIDER)                                     \
    X(AUTHENTICATION_FAILED, 10, "authentication_failed", STEP_UP)                                 \
    X(AUTHENTICATION_CANCELED, 11, "authentication_canceled", STEP_UP)                             \
    X(AUTHENTICATION_EXPIRED, 12, "authentication_expired", STEP_UP)                               \
    X(INVALID_ACCOUNT, 13, "invalid_account", NEVER)                                               \
    X(NOT_PERMITTED, 14, "not_permitted", OTHER_PROVIDER)                                          \
    X(PROVIDER_UNAVAILABLE, 15, "provider_unavailable", OTHER_PROVIDER)                            \
    X(PROVIDER_TIMEOUT, 16, "provider_timeout", INQUIRE)                                           \
    X(GENERIC_DECLINE, 17, "generic_decline", OTHER_PROVIDER)
enum decline_code {
    DECLINE_NONE = 0,
#define X(n, number, code, retry) DECLINE_##n = number,
    DECLINE_CODES(X)
#undef X
};
enum retry_class { RETRY_NEVER, RETRY_LATER, RETRY_OTHER_PROVIDER, RETRY_STEP_UP, RETRY_INQUIRE };
/* "insufficient_funds"; NULL for 0 and unknown numbers. */
const char *decline_code_text(int decline);
int decline_code_find(struct str text); /* 0 when unknown */
enum retry_class decline_retry(int decline);
const char *retry_class_text(
    enum retry_class r); /* "never", "later", "other_provider", "step_up", "inquire_first" */

/* A call to a provider, canonical. Fixed size, owned by the flow that makes it. `reference` makes
 * it happen at most once. */
struct provider_call {
    enum provider_operation operation;
    enum provider_operation about; /* INQUIRE: the operation asked about */
    int64_t merchant_id;
    int16_t account;             /* provider account number */
    char reference[ID_TEXT_MAX]; /* our reference of this operation (att_…, cap_…, can_…, rfd_…) */
    char original[ID_TEXT_MAX]; /* reference of the authorization it belongs to; "" for authorize */
    char provider_reference[65]; /* the provider's name of the authorization; "" when not known */
    int64_t amount;              /* minor units, ISO exponent */
    int16_t currency;
    bool capture;           /* authorize: take the money at once */
    int64_t lease_until_us; /* wall clock; a call that could outlive its caller's lease is not sent;
                               0: no bound */
    char token[256];        /* payment_method_token */
    char statement_descriptor[32];
    char description[256];
};

/* X(NAME, "text"): what became of it. UNKNOWN is never treated as failed. */
#define OUTCOMES(X)                                                                                \
    X(UNKNOWN,                                                                                     \
      "unknown") /* sent, no trustworthy answer; also an amount or currency that does not match */ \
    X(NOT_SENT, "not_sent")     /* definitely not taken: no byte left */                           \
    X(AUTHORIZED, "authorized") /* money held */                                                   \
    X(CAPTURED, "captured")     /* money taken */                                                  \
    X(CANCELED, "canceled")                                                                        \
    X(REFUNDED, "refunded")                                                                        \
    X(PENDING, "pending") /* the provider knows it and has not decided */                          \
    X(DECLINED,                                                                                    \
      "declined") /* definitely not taken, the issuer or provider refused: decline says why */     \
    X(FAILED, "failed")       /* definitely not taken, for a technical reason */                   \
    X(NOT_FOUND, "not_found") /* inquiry only: the provider has no such reference */
enum outcome_kind {
#define X(n, t) OUTCOME_##n,
    OUTCOMES(X)
#undef X
};
/* "captured". */
const char *outcome_text(enum outcome_kind k);

struct outcome {
    enum outcome_kind kind;
    int decline; /* enum decline_code, for DECLINED and FAILED */
    int64_t
        amount; /* what the provider says was held, taken or given back; 0 when it says nothing */
    int16_t currency; /* 0 when it says nothing */
    char provider_reference[65], network_reference[65], authorization_code[17];
    char provider_code[65], provider_message[256];
    int64_t latency_us;
};

/* The integrity rule, applied by the engine to every answer: a success (AUTHORIZED, CAPTURED,
 * REFUNDED, CANCELED with an amount) whose amount or currency is absent or differs from what was
 * asked becomes UNKNOWN with provider_code "amount_mismatch". */
void outcome_check(const struct provider_call *call, struct outcome *o);

/* --- connectors --- */
struct connectors; /* all loaded connectors of one thread: one Lua state per connector */

/* Loads every folder of `dir` (name, connector.lua, errors.tsv). Shape: fails closed: a broken
 * connector is left out and named in the log and in reterr (OK is still returned unless the folder
 * cannot be read). memory and instruction limits apply. */
MUST_CHECK err_t connectors_load(const char *dir, struct connectors **ret, struct err_info *reterr);
void connectors_free(struct connectors *c);
/* Is there a connector of that name? Its manifest, as JSON, for people and for checking
 * credentials: owned by c. */
const char *connectors_manifest(struct connectors *c, const char *name);
/* Checks credentials (a JSON object) against the manifest's fields and hosts. Errors: ERR_PARAM_*.
 */
MUST_CHECK err_t connectors_check_credentials(struct connectors *c, const char *name,
                                              json_t *credentials, struct err_info *reterr);

struct connector_request {
    char method[8];
    struct buf url, headers /* "Name: value\n"… */, body;
};
/* Frees what it holds, not itself. */
void connector_request_free(struct connector_request *r);
/* Runs the connector's build function. credentials is a JSON object (text). Errors: ERR_CONNECTOR,
 * nothing was sent. The URL's host must be one the manifest or the credentials name. */
MUST_CHECK err_t connector_build(struct connectors *c, const char *name, struct str credentials,
                                 const struct provider_call *call, struct connector_request *ret,
                                 struct err_info *reterr);
/* Runs the connector's read function on an answer and applies outcome_check. Never fails: what
 * cannot be read is UNKNOWN. */
void connector_read(struct connectors *c, const char *name, const struct provider_call *call,
                    int status, struct str body, struct outcome *ret);
/* How long after the last possible send a NOT_FOUND is final, from the manifest (default 60000 ms).
 */
int64_t connector_not_found_final_ms(struct connectors *c, const char *name);
/* Replays fixtures of one connector folder; prints a line per fixture to out. *ret_failed counts.
 */
MUST_CHECK err_t connector_test(const char *dir, const char *name, struct buf *out, int *ret_passed,
                                int *ret_failed);

/* --- the port: how flows reach providers; the server has connect_port, the simulator its own ---
 */
struct provider_port {
    /* Starts a call; done(outcome) comes once, later or at once, from any thread. `call` and `arg`
     * live until then. */
    void (*call)(void *self, const struct provider_call *call,
                 void (*done)(const struct outcome *o, void *arg), void *arg);
    /* See connector_not_found_final_ms. */
    int64_t (*not_found_final_ms)(void *self, int64_t merchant_id, int16_t account);
    void *self;
};

/* Finds a provider account: name of its connector and opened credentials (JSON). Called on the
 * client's thread; the answer may come from a cache. Errors: ERR_NOT_FOUND, ERR_CRYPTO. */
typedef err_t account_lookup(void *self, int64_t merchant_id, int16_t account,
                             char ret_connector[41], struct buf *ret_credentials);

struct connect_config {
    const char *dir;
    struct http_client *client;
    account_lookup *lookup;
    /* Its connector's name from memory alone, for callers that must not wait; false: not there. */
    bool (*peek)(void *self, int64_t merchant_id, int16_t account, char ret_connector[41]);
    void *lookup_self;
    int64_t connect_timeout_ms, timeout_ms;
    bool public_only; /* refuse private addresses: whoever may make an account must not reach our
                         network */
};
struct connect;
/* Shape: config is copied, what it points to lives until connect_stop; *ret is ended by
 * connect_close, http_client_stop, connect_stop, in this order. Errors: ERR_CONNECTOR when the
 * folder cannot be read (a broken connector is left out and logged), ERR_NO_MEMORY. */
MUST_CHECK err_t connect_start(const struct connect_config *config, struct connect **ret,
                               struct err_info *reterr);
/* Calls through it end as an outcome, whatever happens; lives as long as c. */
struct provider_port connect_port(struct connect *c);
/* Loads the folder anew (SIGHUP). A load that fails as a whole keeps the old set; a connector that
 * is broken now keeps the form it had; one whose folder is gone is gone. Any thread but the
 * client's. */
void connect_reload(struct connect *c);
/* From now on every new call ends at once as NOT_SENT: before the client is stopped. */
void connect_close(struct connect *c);
/* Frees it; the client is stopped. */
void connect_stop(struct connect *c);
/* As connectors_check_credentials, on any thread: uses a set of its own under a lock. */
MUST_CHECK err_t connect_check(struct connect *c, const char *name, json_t *credentials,
                               struct err_info *reterr);

#endif

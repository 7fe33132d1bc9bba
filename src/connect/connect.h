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
    X(INQUIRE, "inquire") /* what became of an operation, by our reference */                      \
    X(CONFIRM, "confirm") /* the customer was authenticated: go on; same reference as authorize */ \
    X(INCREMENT, "increment")         /* hold more */                                              \
    X(CANCEL_REFUND, "cancel_refund") /* of a pending one, by the refund's reference */            \
    X(SUBMIT_EVIDENCE, "submit_evidence")                                                          \
    X(ACCEPT_DISPUTE, "accept_dispute")                                                            \
    X(INQUIRE_DISPUTE, "inquire_dispute") /* how a dispute stands, by the provider's name of it */
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
    X(GENERIC_DECLINE, 17, "generic_decline", OTHER_PROVIDER)                                      \
    X(AUTHENTICATION_REQUIRED, 18, "authentication_required", STEP_UP)
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

/* What a merchant wants of 3-D Secure. Numbers are stored. */
enum three_ds_request { THREE_DS_AUTOMATIC = 1, THREE_DS_REQUIRED = 2, THREE_DS_EXTERNAL = 3 };
/* How an authentication went. Numbers are stored. */
enum three_ds_flow {
    THREE_DS_NONE = 0,
    THREE_DS_FRICTIONLESS = 1,
    THREE_DS_CHALLENGE = 2,
    THREE_DS_BY_MERCHANT = 3
};
/* Results of an authentication: the merchant's own (external), or the provider's. */
struct three_ds {
    enum three_ds_flow flow;
    char version[9], eci[3], transaction_id[37]; /* "2.2.0", "05", of the directory server */
    char cavv[41];                               /* only on the way to the provider; never stored */
    int8_t liability_shift; /* 1 the issuer bears fraud, -1 the merchant does, 0 not said */
};
/* Use of a saved credential (the schemes' stored credential framework). Numbers are stored. */
enum credential_use {
    CREDENTIAL_ONCE = 0,
    CREDENTIAL_FIRST = 1,    /* the customer is here and lets it be saved */
    CREDENTIAL_CUSTOMER = 2, /* the customer is here and uses a saved one */
    CREDENTIAL_MERCHANT = 3  /* off session: the merchant starts it */
};

#define EVIDENCE_BYTES_MAX ((size_t)29 << 18) /* 5 MiB of files in base64, and texts */

/* A call to a provider, canonical. Fixed size, owned by the flow that makes it. `reference` makes
 * it happen at most once. */
struct provider_call {
    enum provider_operation operation;
    enum provider_operation about; /* INQUIRE: the operation asked about */
    int64_t merchant_id;
    int16_t account;             /* provider account number */
    char reference[ID_TEXT_MAX]; /* ours, of this operation (att_…, cap_…, can_…, inc_…, rfd_…,
                                    dsp_…) */
    char original[ID_TEXT_MAX];  /* reference of the authorization it belongs to; "" for authorize;
                                    cancel_refund: of the refund */
    char provider_reference[65]; /* the provider's name of the authorization, or of the dispute; ""
                                    when not known */
    int64_t amount;              /* minor units, ISO exponent */
    int16_t currency;
    bool capture;                    /* authorize: take the money at once */
    bool final;                      /* capture: release the rest */
    enum three_ds_request three_ds;  /* authorize */
    enum credential_use credential;  /* authorize */
    struct three_ds external;        /* authorize, when three_ds is THREE_DS_EXTERNAL */
    char exemption[32];              /* authorize: "low_value" …, "" none */
    char network_transaction_id[65]; /* authorize: of the first payment with this credential */
    char return_url[512];            /* authorize: where the customer comes back to */
    char webhook_url[256];           /* authorize: where the provider's webhooks go; "" none */
    struct str evidence;    /* submit_evidence: JSON object of texts by name and, when there
                               are any, "files": [{purpose, name, content_type, content}],
                               content in base64; up to EVIDENCE_BYTES_MAX; lives as long as
                               the call */
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
    X(FAILED, "failed")                   /* definitely not taken, for a technical reason */       \
    X(REQUIRES_ACTION, "requires_action") /* nothing taken: the customer must act first */         \
    X(SOFT_DECLINED, "soft_declined")     /* not taken: the issuer wants authentication first */   \
    X(INCREMENTED, "incremented")         /* more is held */                                       \
    X(EXPIRED, "expired")                 /* the hold is gone by itself */                         \
    X(ACCEPTED, "accepted")               /* evidence or acceptance of a dispute was taken */      \
    X(NOT_FOUND, "not_found")             /* inquiry only: the provider has no such reference */
enum outcome_kind {
#define X(n, t) OUTCOME_##n,
    OUTCOMES(X)
#undef X
};
/* "captured". */
const char *outcome_text(enum outcome_kind k);

enum action_type { ACTION_NONE = 0, ACTION_REDIRECT = 1, ACTION_CHALLENGE = 2 };

/* Numbers are stored. INQUIRY: a question, no money has moved. */
enum dispute_stage { STAGE_INQUIRY = 1, STAGE_CHARGEBACK = 2 };
/* How a dispute stands at the provider. */
enum dispute_status {
    DISPUTED_NEEDS_RESPONSE = 1,
    DISPUTED_UNDER_REVIEW,
    DISPUTED_WON,
    DISPUTED_LOST,
    DISPUTED_ACCEPTED,
    DISPUTED_CLOSED /* an inquiry that ended without a chargeback */
};
struct dispute_facts {
    char reference[65];       /* the provider's name of it; "" no dispute */
    char charge[ID_TEXT_MAX]; /* our reference of the authorization */
    enum dispute_stage stage;
    enum dispute_status status;
    int64_t amount, fee; /* minor units, ISO exponent; fee: charged when lost or accepted */
    int16_t currency;
    int64_t due_us;  /* evidence until then, 0 none */
    int64_t version; /* counts its changes at the provider, from 1 */
    char reason[41], network_reason_code[17], acquirer_reference[33];
};

struct outcome {
    enum outcome_kind kind;
    int decline; /* enum decline_code, for DECLINED and FAILED */
    int64_t
        amount; /* what the provider says was held, taken or given back; 0 when it says nothing */
    int16_t currency; /* 0 when it says nothing */
    char provider_reference[65], network_reference[65], authorization_code[17];
    char acquirer_reference[33]; /* ARN: 23 digits */
    char provider_code[65], provider_message[256];
    char card_brand[17], card_last_four[5];
    int64_t capture_before_us; /* AUTHORIZED: the hold ends then; 0 not said */
    enum action_type action;   /* REQUIRES_ACTION */
    bool authenticated;        /* REQUIRES_ACTION: the customer has acted; it waits for confirm */
    int64_t action_expires_us; /* 0 not said */
    char action_url[1025];
    struct three_ds three_ds;
    bool after_success;    /* DECLINED, FAILED of a refund: it had succeeded before */
    int64_t open_until_us; /* UNKNOWN: until then (wall clock) the request may yet leave; 0: what
                              was to leave has left */
    struct dispute_facts dispute;
    int64_t latency_us;
};

/* The integrity rule, applied by the engine to every answer: a success (AUTHORIZED, CAPTURED,
 * REFUNDED, INCREMENTED, CANCELED with an amount) whose amount or currency is absent or differs
 * from what was asked becomes UNKNOWN with provider_code "amount_mismatch". */
void outcome_check(const struct provider_call *call, struct outcome *o);

/* --- webhooks of providers --- */
enum provider_event_kind {
    PROVIDER_EVENT_IGNORED = 0,   /* genuine, and of no interest */
    PROVIDER_EVENT_OPERATION,     /* `outcome` of `reference`, as an inquiry about it would say */
    PROVIDER_EVENT_AUTHENTICATED, /* the customer has acted: confirm `reference` */
    PROVIDER_EVENT_CLEARING, /* `reference` (an authorization) was settled with outcome.amount */
    PROVIDER_EVENT_DISPUTE   /* outcome.dispute */
};
/* "operation". */
const char *provider_event_text(enum provider_event_kind k);
/* A verified webhook. Amounts are positive and of a currency there is, and no more: compare them
 * with what is known (outcome_check with the call that was made). */
struct provider_event {
    char id[65]; /* the provider's; the same event has the same one whenever it is sent */
    enum provider_event_kind kind;
    enum provider_operation about; /* OPERATION: what `reference` names */
    char reference[ID_TEXT_MAX]; /* ours, well-formed: att_…, cap_…, can_…, inc_…, rfd_…; DISPUTE:
                                    of the authorization */
    struct outcome outcome;
};
/* As it came: headers as "name: value\n" lines, names in lower case. */
struct provider_webhook {
    struct str headers, body;
    int64_t now_us; /* wall clock, for the tolerance of timestamps */
};

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
/* Runs the connector's webhook function: verifies the signature over the raw body and reads the
 * event. Errors: ERR_FORBIDDEN (not genuine, or too old: the detail says which), ERR_PARAM_INVALID
 * (unreadable, or the function raises, loops or returns nonsense: the log says why), ERR_CONNECTOR
 * (there is no such connector or function). */
MUST_CHECK err_t connector_webhook(struct connectors *c, const char *name, struct str credentials,
                                   const struct provider_webhook *webhook,
                                   struct provider_event *ret, struct err_info *reterr);
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

/* Finds a provider account: name of its connector, opened credentials (JSON), and the lines an
 * operator signed of where its requests with cards may go (permit; NULL: not wanted). Called on the
 * client's thread; the answer may come from a cache. Errors: ERR_NOT_FOUND, ERR_CRYPTO. */
typedef err_t account_lookup(void *self, int64_t merchant_id, int16_t account,
                             char ret_connector[41], struct buf *ret_credentials,
                             struct buf *ret_permit);

/* --- requests with a card in them ---
 * A connector writes placeholders ({{card.number}} …) into the body; the role `card` fills them in
 * and sends. Nobody else sees the number. */
#define CARD_PLACEHOLDER "{{card."
/* Is it a token of the vault: pm_tok_ and the 26 characters of a card's id? */
MUST_CHECK bool card_token_parse(struct str token, struct id *ret_card);
void card_token_write(struct id card, char out[40]);
struct connector_request;
/* Is the request one with a card, which it must be exactly when an authorization's token is the
 * vault's? Then its card is *ret_card. Errors: ERR_CONNECTOR: it must not be sent: a placeholder in
 * its URL or headers, one there is not, none at all for a card, one without a card. */
MUST_CHECK err_t card_request_check(const struct provider_call *call,
                                    const struct connector_request *r, bool *ret_with_card,
                                    struct id *ret_card, struct err_info *reterr);
struct card_call {
    struct http_call *http; /* with done, which comes once: on the client's thread, since answers
                               are read there */
    int64_t merchant_id;
    struct id card;
    struct str permit;
    const char *reference; /* of the operation */
};
struct card_port {
    /* Everything the call names lives until done. NULL: there is no vault. */
    void (*send)(void *self, struct card_call *call);
    void *self;
};

struct connect_config {
    const char *dir;
    struct http_client *client;
    account_lookup *lookup;
    /* Its connector's name from memory alone, for callers that must not wait; false: not there. */
    bool (*peek)(void *self, int64_t merchant_id, int16_t account, char ret_connector[41]);
    void *lookup_self;
    struct card_port card;
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
/* As connector_webhook, for an account of a merchant, on any thread: with a set of its own under a
 * lock. Errors also: ERR_NOT_FOUND (no such account). */
MUST_CHECK err_t connect_webhook(struct connect *c, int64_t merchant_id, int16_t account,
                                 const struct provider_webhook *webhook, struct provider_event *ret,
                                 struct err_info *reterr);
/* Frees it; the client is stopped. */
void connect_stop(struct connect *c);
/* As connectors_check_credentials, on any thread: uses a set of its own under a lock. */
MUST_CHECK err_t connect_check(struct connect *c, const char *name, json_t *credentials,
                               struct err_info *reterr);

#endif

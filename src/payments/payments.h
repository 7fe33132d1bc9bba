/* payments: a card payment's life: create, confirm, capture, cancel, increment, refund, sync; its
 * disputes and reviews; reading and listing; explaining. Writes are flows (flow/flow.h); reads run
 * in the caller's transaction. States are in payments/states.h, webhooks of providers in
 * payments/inbox.h. */
#ifndef FLORIN_PAYMENTS_H
#define FLORIN_PAYMENTS_H

#include "base/base.h"
#include "flow/flow.h"
#include "money/money.h"
#include "payments/states.h"
#include "search/search.h"
#include "store/store.h"
#include "wire/wire.h"

/* The room's settings: flow_config.domain of the engine points to one. */
struct payment_settings {
    bool confirm_on_return;            /* the customer came back: confirm without being told to */
    int attempts_max;                  /* on one payment */
    int64_t authentication_timeout_us; /* when the provider names no end of an action */
    int64_t clearing_tolerance_bps;    /* of the captured amount, in 1/10000 */
    int64_t dispute_reminder_us;       /* before the deadline */
    const char *public_url;    /* "https://pay.example": of the public zone, no slash at the end */
    const uint8_t *return_key; /* 32 bytes: signs the addresses customers come back to */
};

/* Kinds of the flows whose positions are stored; numbers never change. */
enum {
    FLOW_KIND_CREATE = 1,
    FLOW_KIND_CAPTURE = 2,
    FLOW_KIND_CANCEL = 3,
    FLOW_KIND_REFUND = 4,
    FLOW_KIND_HOLD = 5,
    FLOW_KIND_INCREMENT = 7,
    FLOW_KIND_INBOX = 8,
    FLOW_KIND_DISPUTE_SUBMIT = 20,
    FLOW_KIND_DISPUTE_ACCEPT = 21,
    FLOW_KIND_DISPUTE_DEADLINE = 22
};

/* --- flows: set run->input to the command, run->subject to the object it is about: the payment
 * (not for create and refund), refund, dispute, review --- */
struct payment_create {
    int64_t amount;
    int16_t currency; /* ISO 4217 number */
    bool capture, off_session;
    bool save;        /* keep the token, or the card of the vault, for the customer */
    struct str token; /* 1..255 bytes; absent when payment_method says it */
    struct id payment_method, customer, order; /* zero: none */
    enum three_ds_request three_ds;
    struct three_ds external; /* with THREE_DS_EXTERNAL */
    struct str exemption;
    struct str description, statement_descriptor;
    struct str details;          /* rendered members, as payment_details makes them */
    json_t *metadata;            /* to be found by; NULL none */
    const uint8_t *client_token; /* hash of the one it is begun with, 32 bytes; NULL none */
    struct id checkout;          /* of that token; zero: none */
};
struct payment_confirm {
    bool by_return;   /* the browser came back: only if the setting says so, without an answer */
    struct str token; /* for a new attempt; absent: the old one */
};
struct payment_capture {
    struct opt_int amount; /* absent: all that is capturable */
    bool final;            /* release the rest */
};
struct payment_cancel {
    struct opt_int amount; /* absent: all, which nothing may have been captured of */
    struct str reason;
};
struct payment_increment {
    int64_t amount; /* to be held in addition */
};
struct refund_create {
    struct id payment;
    struct opt_int amount; /* absent: all that is left */
    struct str details;    /* rendered members: reason, metadata */
    json_t *metadata;
};
/* Texts and files that are to convince the issuer; run->subject is the dispute. */
#define EVIDENCE_FILES_MAX 5
#define EVIDENCE_FILE_MAX ((size_t)768 << 10) /* bytes; all together fit into a provider call */
struct evidence_field {
    const char *name;
    int64_t max; /* code points */
};
extern const struct evidence_field evidence_fields[];
extern const size_t evidence_fields_n;
struct evidence_file {
    struct str purpose, name, content_type, content; /* content: bytes */
};
struct evidence_input {
    json_t *texts; /* by name; null and "" take one away; other members are not looked at */
    struct evidence_file files[EVIDENCE_FILES_MAX];
    size_t files_n;
};
/* Purpose, name, type, and whether the content begins as a file of that type does. Errors:
 * ERR_PARAM_INVALID naming "<prefix>.<member>". */
MUST_CHECK err_t evidence_file_check(const struct evidence_file *f, const char *prefix,
                                     struct err_info *reterr);
struct review_resolve {
    bool accept;     /* or dismiss */
    struct str note; /* absent: none */
};
/* Answers: 200 with the payment or refund (also while the outcome is unknown: `processing`,
 * `pending`; a payment that waits for the customer: `requires_action`), 402 with a problem document
 * that holds it. Errors: ERR_NOT_FOUND, ERR_STATE, ERR_PARAM_INVALID (amounts), ERR_UNPROCESSABLE
 * (no provider account), ERR_KEY_REUSED, ERR_IN_PROGRESS. */
extern const struct flow_def payment_create_flow, payment_confirm_flow, payment_capture_flow,
    payment_cancel_flow, payment_increment_flow, refund_create_flow;
/* Cancels a pending refund; answers with it: `canceled`, or still `pending` when that is not known.
 */
extern const struct flow_def refund_cancel_flow;
/* Adds evidence; sends it; gives up instead. Answers: 200 with the dispute, ERR_STATE with the
 * reason. */
extern const struct flow_def dispute_evidence_flow, dispute_submit_flow, dispute_accept_flow;
/* A timer's: the deadline of a dispute. */
extern const struct flow_def dispute_deadline_flow;
/* Closes a review; answers 200 with it. */
extern const struct flow_def review_resolve_flow;
/* Inquires now about a payment that is `processing` (not about its refunds: the janitor does); the
 * answer is empty: read the payment afterwards. */
extern const struct flow_def payment_sync_flow;
/* A timer's: the hold of a payment ran out. */
extern const struct flow_def payment_hold_flow;
/* All, for the engine. */
extern const struct flow_def *const payment_flows[];
extern const size_t payment_flows_n;

/* --- addresses in the public zone --- */
/* Where the customer's browser comes back to after an authentication:
 * {public_url}/return/{merchant}/{payment}/{key}; the key cannot be guessed. */
void payment_return_url(const struct payment_settings *s, int64_t merchant_id, struct id payment,
                        char out[512]);
/* Checks the parts of such a path in constant time; false: not one of ours. */
MUST_CHECK bool payment_return_check(const struct payment_settings *s, struct str merchant,
                                     struct str payment, struct str key, int64_t *ret_merchant,
                                     struct id *ret_payment);

#define PAYMENT_CLIENT_KEY_MAX 96
/* What a browser that takes the customer through an action reads the payment with, and says that it
 * is back: made of return_key, kept nowhere. */
void payment_client_key(const struct payment_settings *s, int64_t merchant_id, struct id payment,
                        char out[PAYMENT_CLIENT_KEY_MAX]);
/* Checks one in constant time; false: not one of ours. */
MUST_CHECK bool payment_client_check(const struct payment_settings *s, struct str key,
                                     int64_t *ret_merchant, struct id *ret_payment);

/* Renders the immutable members of a payment: checkout, description, statement_descriptor,
 * return_url, metadata. */
void payment_details(struct buf *out, const struct payment_create *in, struct str return_url,
                     json_t *metadata);
void refund_details(struct buf *out, struct str reason, json_t *metadata);

/* --- reading --- */
struct payment_filter {
    int state;                   /* 0 any */
    int16_t currency;            /* 0 any */
    int64_t amount;              /* 0 any */
    const struct search *search; /* without terms: any */
};
struct refund_filter {
    int state;         /* 0 any */
    struct id payment; /* zero: any */
    const struct search *search;
};

/* Writes the object; *ret_found false: there is none. Shape: the settings are the engine's. */
MUST_CHECK err_t payment_show(struct store_tx *tx, const struct payment_settings *s,
                              int64_t merchant_id, struct id id, struct buf *out, bool *ret_found);
MUST_CHECK err_t payment_list(struct store_tx *tx, const struct payment_settings *s,
                              int64_t merchant_id, const struct page *page,
                              const struct payment_filter *filter, json_each *each, void *arg);
/* Its status, such as "captured"; NULL: there is none of that id, or the id is zero. */
MUST_CHECK err_t payment_status(struct store_tx *tx, int64_t merchant_id, struct id id,
                                const char **ret);
MUST_CHECK err_t refund_show(struct store_tx *tx, int64_t merchant_id, struct id id,
                             struct buf *out, bool *ret_found);
MUST_CHECK err_t refund_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                             const struct refund_filter *filter, json_each *each, void *arg);
struct dispute_filter {
    int state;         /* 0 any */
    struct id payment; /* zero: any */
    const struct search *search;
};
/* As for payments; the files of a dispute are shown without their contents. */
MUST_CHECK err_t dispute_show(struct store_tx *tx, int64_t merchant_id, struct id id,
                              struct buf *out, bool *ret_found);
/* As payment_list. */
MUST_CHECK err_t dispute_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                              const struct dispute_filter *filter, json_each *each, void *arg);
/* The state of "open" or "closed"; 0 when there is none. */
int review_state_find(struct str text);
/* As payment_show. */
MUST_CHECK err_t review_show(struct store_tx *tx, int64_t merchant_id, struct id id,
                             struct buf *out, bool *ret_found);
/* state 0: any; payment zero: any. */
MUST_CHECK err_t review_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                             int state, struct id payment, json_each *each, void *arg);
/* Lists ({"object":"list",…}) that belong to a payment, and its explanation. */
MUST_CHECK err_t payment_attempts(struct store_tx *tx, int64_t merchant_id, struct id id,
                                  struct buf *out, bool *ret_found);
MUST_CHECK err_t payment_events(struct store_tx *tx, int64_t merchant_id, struct id id,
                                struct buf *out, bool *ret_found);
MUST_CHECK err_t payment_journals(struct store_tx *tx, int64_t merchant_id, struct id id,
                                  struct buf *out, bool *ret_found);
MUST_CHECK err_t payment_explain(struct store_tx *tx, int64_t merchant_id, struct id id,
                                 struct buf *out, bool *ret_found);

#endif

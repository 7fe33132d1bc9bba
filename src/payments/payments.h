/* payments: a card payment's life: create, capture, cancel, refund, sync; reading and listing;
 * explaining. Writes are flows (flow/flow.h); reads run in the caller's transaction. States are in
 * payments/states.h. */
#ifndef FLORIN_PAYMENTS_H
#define FLORIN_PAYMENTS_H

#include "base/base.h"
#include "flow/flow.h"
#include "money/money.h"
#include "payments/states.h"
#include "store/store.h"
#include "wire/wire.h"

/* --- flows: set run->input to the command, run->subject to the payment (not for create and refund)
 * --- */
struct payment_create {
    int64_t amount;
    int16_t currency; /* ISO 4217 number */
    bool capture;
    struct str token; /* 1..255 bytes */
    struct str description, statement_descriptor;
    struct str details; /* rendered members, as payment_details makes them */
};
struct payment_capture {
    struct opt_int amount; /* absent: all that is capturable */
};
struct payment_cancel {
    struct str reason;
};
struct refund_create {
    struct id payment;
    struct opt_int amount; /* absent: all that is left */
    struct str details;    /* rendered members: reason, metadata */
};
/* Answers: 200 with the payment or refund (also while the outcome is unknown: `processing`,
 * `pending`), 402 with a problem document that holds it. Errors: ERR_NOT_FOUND, ERR_STATE,
 * ERR_PARAM_INVALID (amounts), ERR_UNPROCESSABLE (no provider account), ERR_KEY_REUSED,
 * ERR_IN_PROGRESS. */
extern const struct flow_def payment_create_flow, payment_capture_flow, payment_cancel_flow,
    refund_create_flow;
/* Inquires now about a payment that is `processing` (not about its refunds: the janitor does); the
 * answer is empty: read the payment afterwards. */
extern const struct flow_def payment_sync_flow;
/* All, for the engine. */
extern const struct flow_def *const payment_flows[];
extern const size_t payment_flows_n;

/* Renders the immutable members of a payment: description, statement_descriptor, return_url,
 * metadata. */
void payment_details(struct buf *out, const struct payment_create *in, struct str return_url,
                     json_t *metadata);
void refund_details(struct buf *out, struct str reason, json_t *metadata);

/* --- reading --- */
struct page {
    bool up; /* after `cursor` in time (ending_before): oldest first; the caller turns the page
                round */
    struct id cursor;                 /* exclusive */
    int64_t created_from, created_to; /* microseconds, inclusive */
    int limit;                        /* one more than shown, to know whether there is more */
};
struct payment_filter {
    int state;        /* 0 any */
    int16_t currency; /* 0 any */
    int64_t amount;   /* 0 any */
};
/* Calls each() with one object as JSON per row. */
typedef err_t json_each(struct id id, struct str json, void *arg);

/* Writes the object; *ret_found false: there is none. */
MUST_CHECK err_t payment_show(struct store_tx *tx, int64_t merchant_id, struct id id,
                              struct buf *out, bool *ret_found);
MUST_CHECK err_t payment_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                              const struct payment_filter *filter, json_each *each, void *arg);
MUST_CHECK err_t refund_show(struct store_tx *tx, int64_t merchant_id, struct id id,
                             struct buf *out, bool *ret_found);
/* payment: zero id for all. */
MUST_CHECK err_t refund_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
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

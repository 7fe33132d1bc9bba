/* events: the outbox. An event row is written in the transaction of the change it tells of. */
#ifndef FLORIN_EVENTS_H
#define FLORIN_EVENTS_H

#include "base/base.h"
#include "store/store.h"
#include "wire/wire.h"

/* X(NAME, number, "type"); numbers are stored and never change. */
#define EVENT_TYPES(X)                                                                             \
    X(PAYMENT_PENDING, 1, "payment.pending")                                                       \
    X(PAYMENT_REQUIRES_ACTION, 2, "payment.requires_action")                                       \
    X(PAYMENT_PROCESSING, 3, "payment.processing")                                                 \
    X(PAYMENT_IN_REVIEW, 4, "payment.in_review")                                                   \
    X(PAYMENT_AUTHORIZED, 5, "payment.authorized")                                                 \
    X(PAYMENT_CAPTURED, 6, "payment.captured")                                                     \
    X(PAYMENT_PARTIALLY_CAPTURED, 7, "payment.partially_captured")                                 \
    X(PAYMENT_FAILED, 8, "payment.failed")                                                         \
    X(PAYMENT_CANCELED, 9, "payment.canceled")                                                     \
    X(PAYMENT_EXPIRED, 10, "payment.expired")                                                      \
    X(PAYMENT_REFUNDED, 11, "payment.refunded")                                                    \
    X(REFUND_PENDING, 12, "refund.pending")                                                        \
    X(REFUND_SUCCEEDED, 13, "refund.succeeded")                                                    \
    X(REFUND_FAILED, 14, "refund.failed")                                                          \
    X(ENDPOINT_DISABLED, 15, "webhook_endpoint.disabled")                                          \
    X(REFUND_CANCELED, 16, "refund.canceled")                                                      \
    X(DISPUTE_CREATED, 17, "dispute.created")                                                      \
    X(DISPUTE_UPDATED, 18, "dispute.updated")                                                      \
    X(DISPUTE_CLOSED, 19, "dispute.closed")                                                        \
    X(DISPUTE_DEADLINE, 20, "dispute.deadline_approaching")                                        \
    X(METHOD_ATTACHED, 21, "payment_method.attached")                                              \
    X(METHOD_DETACHED, 22, "payment_method.detached")                                              \
    X(REVIEW_OPENED, 23, "review.opened")                                                          \
    X(REVIEW_CLOSED, 24, "review.closed")
enum event_type {
#define X(n, number, text) EVENT_##n = number,
    EVENT_TYPES(X)
#undef X
};
/* "payment.captured"; NULL for an unknown number. */
const char *event_type_text(int type);
/* 0 when there is no such type. */
int event_type_find(struct str text);

#define API_VERSION "2026-11-24"

struct event_new {
    int64_t merchant_id;
    enum event_type type;
    enum id_kind object_kind;
    struct id object_id;
    int64_t object_version; /* dense per object, from 1 */
    int64_t previous;       /* sequence of the object's last event, 0 when none */
    struct str data;        /* the object's snapshot, JSON */
};
/* Appends; takes the merchant's next sequence. Adds NOTE_EVENT with the leaf hash. Errors: those of
 * the store. */
MUST_CHECK err_t event_append(struct store_tx *tx, const struct det *det, const struct event_new *e,
                              int64_t *ret_sequence);

/* An event id carries merchant and sequence, so it needs no column and no index: UUIDv7 layout with
 * 32 bits of merchant number and 42 bits of sequence in the place of randomness. */
struct id event_id(int64_t merchant_id, int64_t sequence, int64_t created_us);
/* The sequence in an event id; the caller compares the whole id with the row's. */
int64_t event_id_sequence(struct id id);

struct event {
    int64_t merchant_id, sequence, created_us, object_version, previous;
    int type;
    enum id_kind object_kind;
    struct id object_id;
    struct str data; /* valid as long as the row */
};
/* Reads one by sequence. Shape: *found. Views are valid until the next read in this transaction. */
MUST_CHECK err_t event_read(struct store_tx *tx, int64_t merchant_id, int64_t sequence,
                            struct event *ret, bool *ret_found);
/* Events with sequence in (after, after + max], ascending. */
MUST_CHECK err_t event_each_after(struct store_tx *tx, int64_t merchant_id, int64_t after, int max,
                                  err_t (*each)(const struct event *e, void *arg), void *arg);
/* Descending from before (exclusive; 0: the newest). */
MUST_CHECK err_t event_each_before(struct store_tx *tx, int64_t merchant_id, int64_t before,
                                   int max, err_t (*each)(const struct event *e, void *arg),
                                   void *arg);
/* The envelope: { id, type, created, api_version, mode, sequence, object_version, data }. The bytes
 * of an event never change. */
void event_write(struct jw *w, const char *key, const struct event *e);

#endif

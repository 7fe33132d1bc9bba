/* The review row in memory: something that a person should look at; private to the room. */
#ifndef FLORIN_PAYMENTS_REVIEW_H
#define FLORIN_PAYMENTS_REVIEW_H

#include "payments/payment.h"

/* Numbers are stored. */
enum review_kind {
    REVIEW_CLEARING_AMOUNT = 1,
    REVIEW_CONTRADICTION = 2 /* a provider says otherwise than is recorded as final */
};
enum { REVIEW_OPEN = 1, REVIEW_CLOSED = 2 };

struct review {
    int64_t merchant_id;
    struct id id, payment;
    int kind, state;
    /* CLEARING_AMOUNT: seen - expected is what lies in suspense for it. CONTRADICTION: what is
     * recorded of the operation, and what the provider says; 0: not done. */
    int64_t version, expected, seen;
    int16_t currency;
    int64_t event_last, created_us, updated_us;
    char resolution[21];
    struct buf note; /* released by review_release */
    int64_t was_version;
};

/* Shape: views are copied, release in any case. */
MUST_CHECK err_t review_from_row(struct store_row *row, int64_t merchant_id, struct review *ret);
MUST_CHECK err_t review_load(struct store_tx *tx, int64_t merchant_id, struct id id,
                             struct review *ret, bool *ret_found);
/* The open one of a payment, of that kind. */
MUST_CHECK err_t review_find_open(struct store_tx *tx, int64_t merchant_id, struct id payment,
                                  enum review_kind kind, struct review *ret, bool *ret_found);
void review_release(struct review *r);
void review_write(struct jw *w, const char *key, const struct review *r);
/* Opens one, with its event. */
MUST_CHECK err_t review_open(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                             enum review_kind kind, int64_t expected, int64_t seen,
                             struct id *ret_id);
/* Opens a CONTRADICTION unless one is open for the payment. Effects: none when there is no such
 * payment. */
MUST_CHECK err_t review_contradiction(struct store_tx *tx, struct flow_run *run, struct id payment,
                                      int64_t expected, int64_t seen);
/* Another amount was seen, where `before` was known: what lies in suspense changes by the
 * difference. */
MUST_CHECK err_t review_update(struct store_tx *tx, struct flow_run *run, struct review *r,
                               int64_t before, int64_t seen);

#endif

/* The refund row in memory; private to the room. */
#ifndef FLORIN_PAYMENTS_REFUND_H
#define FLORIN_PAYMENTS_REFUND_H

#include "payments/payment.h"

struct refund {
    int64_t merchant_id;
    struct id id, payment;
    int state; /* enum refund_state */
    int64_t version, amount;
    int16_t currency, provider_account;
    int decline;
    int64_t event_last, created_us, updated_us;
    char provider_reference[65], network_reference[65], acquirer_reference[33];
    struct buf details; /* released by refund_release */
};

/* Steps of refund_create; the numbers are stored in positions. */
enum {
    REFUND_BEGIN,
    REFUND_SETTLE,      /* an outcome of the refund */
    REFUND_INQUIRE,     /* asks for it */
    REFUND_WITHDRAWING, /* outcome of the attempt to cancel it; then it goes on waiting, or ends */
};

/* Shape: as for payments: views are copied, release in any case. */
MUST_CHECK err_t refund_from_row(struct store_row *row, int64_t merchant_id, struct refund *ret);
MUST_CHECK err_t refund_load(struct store_tx *tx, int64_t merchant_id, struct id id,
                             struct refund *ret, bool *ret_found);
/* The refund and its payment, for flows. Shape: release both in any case. Errors: ERR_NOT_FOUND in
 * run->error. */
MUST_CHECK err_t refund_load_both(struct store_tx *tx, struct flow_run *run, struct id id,
                                  struct refund *r, struct payment *p);
void refund_release(struct refund *r);
void refund_write(struct jw *w, const char *key, const struct refund *r);
/* Moves the refund, appends its event, writes it back; json holds the snapshot afterwards. Errors:
 * ERR_STATE. */
MUST_CHECK err_t refund_move(struct store_tx *tx, struct flow_run *run, struct refund *r,
                             enum refund_step step, struct buf *json);
/* The money went back; keeps the references. Shape: p is not saved yet, as in the next two. */
MUST_CHECK err_t refund_succeed(struct store_tx *tx, struct flow_run *run, struct payment *p,
                                struct refund *r, const struct outcome *o, struct buf *json);
/* It did not, or is canceled (step): the reservation is released. */
MUST_CHECK err_t refund_fail(struct store_tx *tx, struct flow_run *run, struct payment *p,
                             struct refund *r, enum refund_step step, struct buf *json);
/* It had, and came back. */
MUST_CHECK err_t refund_return(struct store_tx *tx, struct flow_run *run, struct payment *p,
                               struct refund *r, int decline, struct buf *json);
/* Fills run->call with the refund (or its cancellation, or an inquiry about it). */
void refund_call(struct flow_run *run, enum provider_operation operation, const struct payment *p,
                 const struct refund *r);

/* Ends the refund as canceled, with the answer; writes p back. */
MUST_CHECK err_t refund_canceled(struct store_tx *tx, struct flow_run *run, struct payment *p,
                                 struct refund *r, struct buf *json);
/* Outcome of the attempt to cancel: step REFUND_WITHDRAWING of refund_create. */
flow_step_run refund_withdrawing;

/* An outcome of a refund that came by itself and found no position waiting for it: a success that
 * is known, or a failure after success. */
MUST_CHECK err_t refund_apply(struct store_tx *tx, struct flow_run *run, struct id refund,
                              const struct outcome *o, enum applied *ret);

#endif

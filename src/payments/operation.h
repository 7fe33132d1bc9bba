/* Captures, cancels and increments: what they share (operation.c) and what each of them is
 * (capture.c, cancel.c, increment.c). */
#ifndef FLORIN_PAYMENTS_OPERATION_H
#define FLORIN_PAYMENTS_OPERATION_H

#include "payments/payment.h"

/* Steps of each; the numbers are stored in positions. */
enum { OPERATION_BEGIN, OPERATION_SETTLE, OPERATION_ASK };

/* A row of table operation. */
struct operation {
    int state; /* enum operation_state */
    int64_t amount;
    bool final; /* nothing stays held after it */
    struct str reason;
};

/* What distinguishes the kinds. */
struct operation_kind {
    int number; /* in table operation */
    enum id_kind id;
    enum provider_operation operation;
    enum outcome_kind success;
    enum payment_step start;
    const char *done;    /* "captured" */
    const char *refused; /* what the merchant is told then */
    /* From the command: fills amount, final, reason. p may start it. Errors: ERR_PARAM_INVALID,
     * ERR_STATE. */
    err_t (*plan)(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                  struct operation *op);
    /* It happened: changes the sums, fills the journal; moves the attempt. */
    err_t (*apply)(struct store_tx *tx, struct flow_run *run, struct payment *p,
                   const struct operation *op, struct journal *j);
    /* NULL, or: it ended, either way. */
    err_t (*over)(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                  const struct operation *op);
    /* NULL, or: what is done instead when the payment waits for the customer. */
    err_t (*withdraw)(struct store_tx *tx, struct flow_run *run, struct payment *p);
};

/* The steps of a flow whose arg is a struct operation_kind. */
flow_step_run operation_begin, operation_settle, operation_ask;

/* How a payment is left by an operation on its hold: by what is still held and what was taken. */
enum payment_step operation_rest(const struct payment *p);
/* All that was captured may have been refunded before the hold was over: moves on to refunded. */
MUST_CHECK err_t operation_all_refunded(struct payment *p, struct err_info *reterr);

#endif

/* The end of a hold. */
#ifndef FLORIN_PAYMENTS_HOLD_H
#define FLORIN_PAYMENTS_HOLD_H

#include "payments/payment.h"

/* Drops the timer when nothing is held any more. */
MUST_CHECK err_t hold_over(struct store_tx *tx, const struct flow_run *run,
                           const struct payment *p);
/* The provider refused an operation on it: whether the money is still held is asked at once. */
MUST_CHECK err_t hold_doubt(struct store_tx *tx, const struct flow_run *run,
                            const struct payment *p);
/* The provider says by itself what became of the authorization of a payment's current attempt: it
 * ended without us (EXPIRED or CANCELED; anything else changes nothing). Loads, posts, announces,
 * saves. */
MUST_CHECK err_t hold_apply(struct store_tx *tx, struct flow_run *run, struct id payment,
                            const struct outcome *o, enum applied *ret);

#endif

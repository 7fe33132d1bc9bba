/* The end of a hold; private to the room. */
#ifndef FLORIN_PAYMENTS_HOLD_H
#define FLORIN_PAYMENTS_HOLD_H

#include "payments/payment.h"

/* Its timer's number among the attempts and operations of a payment. */
enum { HOLD_NUMBER = 1023 };

/* Sets the timer, if the provider said when the hold ends. */
MUST_CHECK err_t hold_watch(struct store_tx *tx, const struct flow_run *run,
                            const struct payment *p);
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

/* What a payment was settled with; private to the room. */
#ifndef FLORIN_PAYMENTS_CLEARING_H
#define FLORIN_PAYMENTS_CLEARING_H

#include "payments/payment.h"

/* Records what the provider settled for a payment in all. A difference from what was captured is
 * posted: to the merchant within the tolerance, beyond it to suspense with a review. The same word
 * again changes nothing; another one later is posted as its difference from the one before. */
MUST_CHECK err_t clearing_apply(struct store_tx *tx, struct flow_run *run, struct id payment,
                                int64_t amount, int16_t currency, const char *acquirer_reference,
                                enum applied *ret);

#endif

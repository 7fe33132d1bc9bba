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
    char provider_reference[65], network_reference[65];
    struct buf details; /* released by refund_release */
};

/* Shape: as for payments: views are copied, release in any case. */
MUST_CHECK err_t refund_from_row(struct store_row *row, int64_t merchant_id, struct refund *ret);
MUST_CHECK err_t refund_load(struct store_tx *tx, int64_t merchant_id, struct id id,
                             struct refund *ret, bool *ret_found);
void refund_release(struct refund *r);
void refund_write(struct jw *w, const char *key, const struct refund *r);

#endif

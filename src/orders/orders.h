/* orders: purchases that one or several payments pay, and never more than their amount. */
#ifndef FLORIN_ORDERS_H
#define FLORIN_ORDERS_H

#include "base/base.h"
#include "money/money.h"
#include "search/search.h"
#include "store/store.h"
#include "wire/wire.h"

/* X(NAME, number, text); numbers are stored. An order is paid while nothing is due: a refund makes
 * it open again. */
#define ORDER_STATES(X)                                                                            \
    X(OPEN, 1, "open")                                                                             \
    X(PAID, 2, "paid")                                                                             \
    X(CANCELED, 3, "canceled")
enum order_state {
#define X(n, number, text) ORDER_##n = number,
    ORDER_STATES(X)
#undef X
};
/* 0 when there is no such status. */
int order_state_find(struct str text);

/* --- for payments --- */
/* Changes of the sums, each of which may be negative. */
struct order_change {
    int64_t reserved; /* by payments under way, or that hold money */
    int64_t paid;     /* captured */
    int64_t refunded;
};
/* May a payment take `amount` more for it? What was read stays true until the commit, so settle
 * what it reserves in the same transaction. Errors: ERR_PARAM_INVALID `order` (there is none, or in
 * another currency); ERR_STATE (canceled, paid); ERR_UNPROCESSABLE `amount` (more than remains). */
MUST_CHECK err_t order_check(struct store_tx *tx, int64_t merchant_id, struct id order,
                             int64_t amount, int16_t currency, struct err_info *reterr);
/* Records what happened, whatever the state. Shape: the order exists; no sum becomes negative and
 * no more is refunded than was paid (asserted). Errors: ERR_SOFT when another changed it. */
MUST_CHECK err_t order_settle(struct store_tx *tx, int64_t merchant_id, struct id order,
                              const struct order_change *change, int64_t now_us);
/* Whose it is: zero when it names none. */
MUST_CHECK err_t order_customer(struct store_tx *tx, int64_t merchant_id, struct id order,
                                struct id *ret_customer, bool *ret_found);

/* --- for the API --- */
enum { ORDER_DESCRIPTION = 1, ORDER_REFERENCE = 2, ORDER_METADATA = 4 };
struct order_input {
    unsigned given; /* what an update changes; absent members of these are emptied */
    int64_t amount; /* amount, currency and customer stay as they were made */
    int16_t currency;
    struct id customer; /* zero: none; found in this transaction */
    struct str description, reference;
    json_t *metadata;
};
/* Makes one; writes its JSON. */
MUST_CHECK err_t order_create(struct store_tx *tx, struct det *det, int64_t merchant_id,
                              const struct order_input *in, struct buf *out);
/* Changes what is given. Errors: ERR_NOT_FOUND. */
MUST_CHECK err_t order_update(struct store_tx *tx, struct det *det, int64_t merchant_id,
                              struct id id, const struct order_input *in, struct buf *out);
/* No payment is taken for it any more; what was paid stays paid. Canceling what is canceled changes
 * nothing. Errors: ERR_NOT_FOUND; ERR_STATE: paid, or a payment is under way or holds money. */
MUST_CHECK err_t order_cancel(struct store_tx *tx, struct det *det, int64_t merchant_id,
                              struct id id, struct buf *out, struct err_info *reterr);
MUST_CHECK err_t order_show(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                            bool *ret_found);
struct order_filter {
    int state;        /* 0 any */
    int16_t currency; /* 0 any */
    int64_t amount;   /* 0 any */
};
/* A page; of those that fit the search when it has terms. */
MUST_CHECK err_t order_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                            const struct order_filter *filter, const struct search *search,
                            json_each *each, void *arg);

#endif

#ifndef FLORIN_CUSTOMERS_INTERNAL_H
#define FLORIN_CUSTOMERS_INTERNAL_H

#include "customers/customers.h"

#define DETAILS_MAX ((size_t)256 * 1024)
#define CUSTOMER_JSON_MAX ((size_t)512 * 1024)

/* Detaches all of a customer. */
MUST_CHECK err_t methods_detach(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                                struct id customer);

#endif

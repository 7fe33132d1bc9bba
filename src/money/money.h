/* money: ISO 4217 currencies and amounts in minor units. Pure. */
#ifndef FLORIN_MONEY_H
#define FLORIN_MONEY_H

#include "base/base.h"

/* An active ISO 4217 currency. `number` is the numeric code (978 for EUR) and is what the store
 * keeps. */
struct currency {
    char code[4];
    int16_t number;
    int8_t exponent; /* minor units; providers may differ, see a connector's manifest */
};

/* Shape: three upper-case letters. NULL when it is no active currency with minor units (funds codes
 * and metals are not). */
const struct currency *currency_find(struct str code);
/* NULL when unknown. */
const struct currency *currency_by_number(int number);
size_t currency_count(void);
const struct currency *currency_at(size_t i);

/* "92.32" for 9232 EUR, "-0.05", "500" for JPY. Source: ISO 4217 exponents. */
void money_format(struct buf *out, int64_t minor, const struct currency *c);
/* Converts minor units between two exponents (a provider that counts differently). Errors: false
 * when it would lose digits or overflow; *ret untouched. */
MUST_CHECK bool money_rescale(int64_t minor, int from_exponent, int to_exponent, int64_t *ret);

#endif

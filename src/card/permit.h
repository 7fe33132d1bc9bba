/* Permits: where requests with a merchant's cards may go. An operator signs them with a key that no
 * role has; `card` believes nothing else. A provider account carries its own, one a line. Pure. */
#ifndef FLORIN_CARD_PERMIT_H
#define FLORIN_CARD_PERMIT_H

#include "base/base.h"

#define PERMIT_TEXT_MAX 512
/* "florin-permit-1 <merchant> <scheme://host:port> <signature>". Shape: merchant_id names merchant
 * and mode; url: of a provider, its path does not matter. Errors: false: it is no URL of http or
 * https. */
MUST_CHECK bool permit_sign(const uint8_t seed[32], int64_t merchant_id, struct str url,
                            char out[PERMIT_TEXT_MAX]);
/* Does one of the lines let this merchant's cards go to this URL, and was it signed with that key?
 */
MUST_CHECK bool permit_allows(const uint8_t public_key[32], struct str lines, int64_t merchant_id,
                              struct str url);

#endif

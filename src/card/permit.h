/* Permits: where requests with a merchant's cards may go. An operator signs them with a key that no
 * role has; `card` believes nothing else. A provider account carries its own, one a line. Pure. */
#ifndef FLORIN_CARD_PERMIT_H
#define FLORIN_CARD_PERMIT_H

#include "base/base.h"

#define PERMIT_TEXT_MAX 1024
#define PERMIT_MEMBERS_MAX 8
#define PERMIT_MEMBER_MAX 64
#define PERMIT_ID_MAX 17

/* What an operator may say beside merchant and host; all zero: nothing. */
struct permit_terms {
    struct str until; /* the last day it is good, UTC, "2027-11-30" */
    struct str
        member[PERMIT_MEMBERS_MAX]; /* where alone number and CVC may stand: names of
                                       objects in JSON, "card.number", or of a form's field */
    size_t members_n;
    struct str serial; /* 16 hex digits: makes another permit of the same words */
};
/* "florin-permit-1 MERCHANT SCHEME://HOST:PORT[ until=DAY][ member=NAME]…[ serial=HEX] SIGNATURE".
 */
struct permit {
    int64_t merchant_id;
    struct str origin; /* views into the line */
    struct permit_terms terms;
    int64_t end_us;         /* good before it */
    char id[PERMIT_ID_MAX]; /* of what is signed: 16 hex digits of its SHA-256 */
};

/* When that day is over. Errors: false: there is no such day. */
MUST_CHECK bool permit_day(struct str day, int64_t *ret_end_us);
/* Can it be the name of a member? */
MUST_CHECK bool permit_member(struct str name);
/* Shape: merchant_id names merchant and mode; url: of a provider, its path does not matter; terms:
 * NULL: none. Errors: false: it is no URL of http or https, a term is none, it is too long. */
MUST_CHECK bool permit_sign(const uint8_t seed[32], int64_t merchant_id, struct str url,
                            const struct permit_terms *terms, char out[PERMIT_TEXT_MAX]);
/* Reads a line, and does not look who signed it: for programs that show it. Errors: false: there is
 * another way to write it, or it is none. */
MUST_CHECK bool permit_read(struct str line, struct permit *ret);

/* --- the list of those taken back: an id a line; empty lines, and what begins with '#', are none
 * --- */
/* Errors: false, and the number of the first line that is none of these. */
MUST_CHECK bool permit_list_good(struct str list, size_t *ret_line);
bool permit_listed(struct str list, const char *id);

struct permit_question {
    const uint8_t *public_key;
    int64_t merchant_id, now_us;
    struct str url, revoked; /* a list as above */
};
enum permit_says { PERMIT_NONE, PERMIT_OVER, PERMIT_REVOKED, PERMIT_YES };
/* Looks for the first line that was signed with that key, lets this merchant's cards go to this
 * URL, and is good now. The lines are taken from *lines up to it. Otherwise says why there is none:
 * the last that had been good, if any. */
MUST_CHECK enum permit_says permit_find(const struct permit_question *q, struct str *lines,
                                        struct permit *ret);

#endif

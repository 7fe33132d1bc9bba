/* search: what objects are found by besides their id, and the pages that lists come in. */
#ifndef FLORIN_SEARCH_H
#define FLORIN_SEARCH_H

#include "base/base.h"
#include "store/store.h"
#include "wire/wire.h"

/* Numbers are stored and never change. */
enum search_object {
    SEARCH_PAYMENT = 1,
    SEARCH_REFUND,
    SEARCH_DISPUTE,
    SEARCH_CUSTOMER,
    SEARCH_ORDER,
};
enum search_kind {
    SEARCH_REFERENCE = 1, /* provider's, network's, acquirer's, authorization code; the merchant's
                             own of an order */
    SEARCH_LAST_FOUR,
    SEARCH_METADATA,
    SEARCH_OF_CUSTOMER, /* the id as text */
    SEARCH_OF_ORDER,
    SEARCH_EMAIL, /* in any case of letters */
};

/* --- the index, written in the transaction of the change --- */
/* The object is found by that value from now on. An absent or empty value, or what is there
 * already, changes nothing. Shape: not for SEARCH_METADATA. Errors: those of the store. */
MUST_CHECK err_t search_add(struct store_tx *tx, int64_t merchant_id, enum search_object object,
                            enum search_kind kind, struct str value, struct id id);
/* The same for another object's id: SEARCH_OF_CUSTOMER, SEARCH_OF_ORDER; zero: nothing. */
MUST_CHECK err_t search_add_id(struct store_tx *tx, int64_t merchant_id, enum search_object object,
                               enum search_kind kind, struct id other, struct id id);
/* Each pair of a metadata object; NULL: nothing. */
MUST_CHECK err_t search_add_metadata(struct store_tx *tx, int64_t merchant_id,
                                     enum search_object object, json_t *metadata, struct id id);
/* No longer found by it; what is not there is no error. */
MUST_CHECK err_t search_remove(struct store_tx *tx, int64_t merchant_id, enum search_object object,
                               enum search_kind kind, struct str value, struct id id);
MUST_CHECK err_t search_remove_metadata(struct store_tx *tx, int64_t merchant_id,
                                        enum search_object object, json_t *metadata, struct id id);
/* Members as rows keep them rendered ("a":1,"metadata":{…}), as an object; the caller's. NULL: no
 * memory. */
MUST_CHECK json_t *search_members(struct str rendered);

/* --- pages --- */
struct page {
    bool up; /* after `cursor` in time (ending_before): oldest first; the caller turns the page
                round */
    struct id cursor;                 /* exclusive */
    int64_t created_from, created_to; /* microseconds, inclusive */
    int limit;                        /* one more than shown, to know whether there is more */
};
/* Is that within the times of the page? */
bool page_has(const struct page *page, int64_t created_us);
/* Takes one object as JSON per row of a list. */
typedef err_t json_each(struct id id, struct str json, void *arg);

/* --- searching --- */
#define SEARCH_TERMS_MAX 16
#define SEARCH_VALUE_MAX 128
struct search_term {
    enum search_kind kind;
    char value[SEARCH_VALUE_MAX + 1]; /* as the index has it */
};
/* All terms have to fit. Zeroed: no search. */
struct search {
    size_t n;
    struct search_term term[SEARCH_TERMS_MAX];
};
/* Adds a term; false: there are SEARCH_TERMS_MAX already. */
MUST_CHECK bool search_want(struct search *s, enum search_kind kind, struct str value);
MUST_CHECK bool search_want_id(struct search *s, enum search_kind kind, struct id other);
MUST_CHECK bool search_want_metadata(struct search *s, struct str key, struct str value);

/* Looks at an object that fits; *ret_taken tells whether it was taken into the page. */
typedef err_t search_take(struct store_tx *tx, struct id id, void *arg, bool *ret_taken);
/* Hands out the objects that all terms fit, in the page's order, until page->limit were taken.
 * Shape: s->n > 0. created_from and created_to are judged by the ids' milliseconds; `take` judges
 * them to the microsecond (page_has). Errors: what `take` gave; ERR_UNPROCESSABLE: too many objects
 * would have to be looked at. */
MUST_CHECK err_t search_run(struct store_tx *tx, int64_t merchant_id, enum search_object object,
                            const struct search *s, const struct page *page, search_take *take,
                            void *arg);

#endif

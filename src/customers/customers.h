/* customers: whom a merchant sells to, and their saved payment methods. */
#ifndef FLORIN_CUSTOMERS_H
#define FLORIN_CUSTOMERS_H

#include "base/base.h"
#include "search/search.h"
#include "store/store.h"
#include "wire/wire.h"

/* --- customers --- */
enum {
    CUSTOMER_NAME = 1,
    CUSTOMER_EMAIL = 2,
    CUSTOMER_PHONE = 4,
    CUSTOMER_DESCRIPTION = 8,
    CUSTOMER_METADATA = 16,
    CUSTOMER_ALL = 31
};
struct customer_input {
    unsigned given; /* what an update changes; absent members of these are emptied */
    struct str name, email, phone, description;
    json_t *metadata;
};
/* Checks how addresses and numbers look; lengths are the table's. Errors: ERR_PARAM_INVALID. */
MUST_CHECK err_t customer_check(const struct customer_input *in, struct err_info *reterr);
/* Makes one; writes its JSON. */
MUST_CHECK err_t customer_create(struct store_tx *tx, struct det *det, int64_t merchant_id,
                                 const struct customer_input *in, struct buf *out);
/* Changes what is given. Errors: ERR_NOT_FOUND. */
MUST_CHECK err_t customer_update(struct store_tx *tx, struct det *det, int64_t merchant_id,
                                 struct id id, const struct customer_input *in, struct buf *out);
/* Forgets name, addresses and metadata, and detaches the payment methods; the id stays, for the
 * payments that name it. Errors: ERR_NOT_FOUND. */
MUST_CHECK err_t customer_delete(struct store_tx *tx, struct det *det, int64_t merchant_id,
                                 struct id id, struct buf *out);
/* Is there one that was not deleted? */
MUST_CHECK err_t customer_read(struct store_tx *tx, int64_t merchant_id, struct id id,
                               bool *ret_found);
/* Writes its JSON. */
MUST_CHECK err_t customer_show(struct store_tx *tx, int64_t merchant_id, struct id id,
                               struct buf *out, bool *ret_found);
/* A page; of those that fit the search when it has terms. */
MUST_CHECK err_t customer_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                               const struct search *search, json_each *each, void *arg);

/* --- payment methods --- */
#define METHOD_STATES(X)                                                                           \
    X(ATTACHED, 1, "attached")                                                                     \
    X(DETACHED, 2, "detached")
enum method_state {
#define X(n, number, text) METHOD_##n = number,
    METHOD_STATES(X)
#undef X
};
/* 0 when there is no such status. */
int method_state_find(struct str text);

/* Empty texts are not known. */
struct method {
    struct id id, customer; /* customer zero: none */
    bool attached;
    char token[256], network_transaction_id[65], card_brand[17], card_last_four[5];
};
/* "pm_" and letters, digits or _, up to 255 in all? */
bool method_token_ok(struct str token);
MUST_CHECK err_t method_read(struct store_tx *tx, int64_t merchant_id, struct id id,
                             struct method *ret, bool *ret_found);
/* Makes it, attached, with its event. Shape: m->id is new, m->customer was found in this
 * transaction. */
MUST_CHECK err_t method_save(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                             const struct method *m);
/* Fills in what is not known yet: brand, last four, network transaction id. One that is not there
 * is no error. */
MUST_CHECK err_t method_learn(struct store_tx *tx, int64_t merchant_id, struct id id,
                              const struct method *m);

struct card_facts {
    struct id card;
    char brand[17], last_four[5], bin[9], name[801];
    int exp_month, exp_year;
    uint8_t fingerprint[16];
};
/* Makes the method of a card that was just typed: id is the card's; attached when a customer is
 * named, else unattached. Doing it again for the same card is no error. */
MUST_CHECK err_t method_from_card(struct store_tx *tx, struct det *det, int64_t merchant_id,
                                  const struct card_facts *facts, struct id customer,
                                  struct buf *out);

struct method_input {
    struct id customer;
    struct str token;
    json_t *metadata;
};
/* Saves a token for a customer, writes the JSON. Errors: ERR_PARAM_INVALID (customer). */
MUST_CHECK err_t method_attach(struct store_tx *tx, struct det *det, int64_t merchant_id,
                               const struct method_input *in, struct buf *out,
                               struct err_info *reterr);
/* No payment can use it any more. Detaching what is detached changes nothing. out: its JSON, or
 * NULL. Errors: ERR_NOT_FOUND. */
MUST_CHECK err_t method_detach(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                               struct id id, struct buf *out);
/* Replaces the metadata (NULL: none). Errors: ERR_NOT_FOUND. */
MUST_CHECK err_t method_update(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                               struct id id, json_t *metadata, struct buf *out);
MUST_CHECK err_t method_show(struct store_tx *tx, int64_t merchant_id, struct id id,
                             struct buf *out, bool *ret_found);
/* A page. Shape: customer zero: of all; state 0: any. */
MUST_CHECK err_t method_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                             struct id customer, int state, json_each *each, void *arg);

#endif

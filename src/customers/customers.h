/* customers: whom a merchant sells to, and their saved payment methods. */
#ifndef FLORIN_CUSTOMERS_H
#define FLORIN_CUSTOMERS_H

#include "base/base.h"
#include "customers/bins.h"
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
/* UNATTACHED: a card that was just typed, of no customer. It pays while its customer is there, for
 * a day, unless it is attached. */
#define METHOD_STATES(X)                                                                           \
    X(ATTACHED, 1, "attached")                                                                     \
    X(DETACHED, 2, "detached")                                                                     \
    X(UNATTACHED, 3, "unattached")
enum method_state {
#define X(n, number, text) METHOD_##n = number,
    METHOD_STATES(X)
#undef X
};
/* 0 when there is no such status. */
int method_state_find(struct str text);

/* How long a card of no customer can be used. The vault is to keep it longer than that:
 * METHOD_KEPT_US from when it was typed. */
#define METHOD_UNATTACHED_US INT64_C(86400000000)
#define METHOD_KEPT_US (METHOD_UNATTACHED_US + INT64_C(7200000000))

/* Empty texts, zeros: not known. A card of the vault has one id: `pm_<id>` is the method,
 * `pm_tok_<id>` its token. */
struct method {
    struct id id, customer; /* customer zero: none */
    enum method_state state;
    int64_t created_us;
    char token[256], network_transaction_id[65], card_brand[17], card_last_four[5];
    char card_bin[9], card_funding[9], card_issuer[BIN_ISSUER_MAX], card_country[3];
    int card_exp_month, card_exp_year;
    uint8_t card_fingerprint[16]; /* equal for the same number, of one merchant */
};
/* "pm_" and letters, digits or _, up to 255 in all? */
bool method_token_ok(struct str token);
/* Is it a card of the vault? */
bool method_in_vault(const struct method *m);
/* May a payment be begun with it, its customer being there? */
bool method_usable(const struct method *m, int64_t now_us);
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

/* A card that was typed. */
struct card_facts {
    struct id card;
    char brand[17], last_four[5], bin[9], name[801];
    int exp_month, exp_year;
    uint8_t fingerprint[16];
    struct bin_entry known; /* of its bank: see bin_table_find */
};
/* Makes the method of a card that was just typed: id is the card's; attached when a customer is
 * named (and was not deleted meanwhile), else unattached. Doing it again for the same card is no
 * error. out: what a browser may see of it, as JSON; or NULL. The cardholder's name is not kept.
 * Errors: ERR_PARAM_INVALID: no id that a card may have. */
MUST_CHECK err_t method_from_card(struct store_tx *tx, struct det *det, int64_t merchant_id,
                                  const struct card_facts *facts, struct id customer,
                                  struct buf *out);

struct method_input {
    struct id customer;
    struct str token;
    json_t *metadata;
};
/* Saves a token for a customer, writes the JSON. The token of a card of the vault: attaches that.
 * Errors: ERR_PARAM_INVALID (customer, payment_method_token). */
MUST_CHECK err_t method_attach(struct store_tx *tx, struct det *det, int64_t merchant_id,
                               const struct method_input *in, struct buf *out,
                               struct err_info *reterr);
/* Attaches one that is unattached; one that is this customer's already stays as it is. Errors:
 * ERR_NOT_FOUND, ERR_PARAM_INVALID (customer), ERR_STATE. */
MUST_CHECK err_t method_give(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                             struct id id, struct id customer, struct buf *out,
                             struct err_info *reterr);
/* The payment that was to save it was approved: attaches it if it is still nobody's and there is
 * such a customer. */
MUST_CHECK err_t method_keep(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                             struct id id, struct id customer);
/* No payment can use it any more; the vault forgets the card. Detaching what is detached changes
 * nothing. out: its JSON, or NULL. Errors: ERR_NOT_FOUND. */
MUST_CHECK err_t method_detach(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                               struct id id, struct buf *out);
struct method_change {
    bool metadata_given;
    json_t *metadata;        /* NULL: none */
    int exp_month, exp_year; /* both 0: as they are */
};
/* Replaces the metadata, the date of a card. Errors: ERR_NOT_FOUND, ERR_STATE, ERR_PARAM_INVALID
 * (exp_month, exp_year). */
MUST_CHECK err_t method_update(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                               struct id id, const struct method_change *change, struct buf *out,
                               struct err_info *reterr);
MUST_CHECK err_t method_show(struct store_tx *tx, int64_t merchant_id, struct id id,
                             struct buf *out, bool *ret_found);
struct method_filter {
    struct id customer;         /* zero: of all */
    int state;                  /* 0: any */
    const uint8_t *fingerprint; /* 16 bytes; NULL: any */
};
/* A page. */
MUST_CHECK err_t method_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                             const struct method_filter *filter, json_each *each, void *arg);

/* --- in which vault the cards are --- */
/* Of several vaults only one may answer for a database: another would say of cards that they are
 * not there. The first one is written down. *ret: the one that counts. Time: of the row. */
MUST_CHECK err_t card_vault_settle(struct store_tx *tx, struct id vault, int64_t now_us,
                                   struct id *ret);
/* An operator says that this one takes the other's place. *ret_before: which one counted. */
MUST_CHECK err_t card_vault_change(struct store_tx *tx, struct id vault, int64_t now_us,
                                   struct id *ret_before);

/* --- what the vault has to be told of cards: jobs of kind JOB_CARD --- */
enum card_order {
    CARD_ORDER_NONE, /* nothing to tell; the job is ended or put off */
    CARD_ORDER_FORGET,
    CARD_ORDER_KEEP,
    CARD_ORDER_EXPIRY
};
struct card_work {
    struct job job; /* held by the caller */
    enum card_order order;
    struct id card;
    int month, year;
};
/* The longest that such a job waits. */
#define CARD_WORK_WAIT_US (2 * METHOD_UNATTACHED_US)
/* At the start of a node: what waits longer than it may does so by a clock that was ahead. */
MUST_CHECK err_t card_work_tidy(struct store_tx *tx, int64_t now_us);
/* Reads from the row what is to be told. A card of no customer whose day is over is detached.
 * Shape: in a transaction of the job's merchant. Errors: ERR_LEASE_LOST. */
MUST_CHECK err_t card_work_begin(struct store_tx *tx, struct det *det, struct card_work *w);
/* The vault said OK, ERR_NOT_FOUND (it has no such card), or something else: tried again later. A
 * row that changed meanwhile is followed again. Errors: ERR_LEASE_LOST. */
MUST_CHECK err_t card_work_end(struct store_tx *tx, struct det *det, const struct card_work *w,
                               err_t said);

#endif

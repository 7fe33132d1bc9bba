/* clients: what a merchant lets browsers do: one-time client tokens, checkouts, and what browsers
 * report of our pages. Of payments it knows ids and words only. */
#ifndef FLORIN_CLIENTS_H
#define FLORIN_CLIENTS_H

#include "base/base.h"
#include "search/search.h"
#include "store/store.h"
#include "wire/wire.h"

/* --- the text of a client token: "ct_test_<merchant>_<43 random letters and digits>" --- */
#define CLIENT_TOKEN_TEXT_MAX 80
#define CLIENT_TOKEN_RANDOM 43
#define CLIENT_HASH 32
#define CLIENT_MERCHANT_MAX 24
/* "test_" and the merchant's number in base32: how tokens name whose they are. */
void client_merchant_text(int64_t merchant_id, char out[CLIENT_MERCHANT_MAX]);
/* Shape: "test_2", of a merchant of that mode. false: it is none; *ret_merchant is untouched. */
MUST_CHECK bool client_merchant_parse(struct str text, int64_t *ret_merchant);
/* Shape: random has CLIENT_TOKEN_RANDOM characters (crypto_random_text). */
void client_token_text(int64_t merchant_id, const char *random, char out[CLIENT_TOKEN_TEXT_MAX]);
/* Whose it would be, and the hash it is kept by. false: no client token looks like that. */
MUST_CHECK bool client_token_parse(struct str text, int64_t *ret_merchant,
                                   uint8_t ret_hash[CLIENT_HASH]);

/* --- client tokens --- */
enum client_purpose { CLIENT_PAYMENT_METHOD = 1, CLIENT_PAYMENT = 2 };
enum client_state { CLIENT_ISSUED = 1, CLIENT_CARD_GIVEN = 2, CLIENT_USED = 3 };
/* 0 when there is no such purpose. */
int client_purpose_find(struct str text);

#define CLIENT_ORIGIN_MAX 256
/* Brings "https://Shop.example:443" into the form that browsers send: lower case, no default port,
 * no path. Plain http: on localhost, or where `http` says so. Errors: false, out is then of no use.
 * Source: RFC 6454 section 6. */
MUST_CHECK bool client_origin(struct str text, bool http, char out[CLIENT_ORIGIN_MAX]);

struct client_token {
    struct id id;
    enum client_purpose purpose;
    enum client_state state;
    int64_t amount_min, amount_max; /* equal: that amount; of a payment method 0 */
    int16_t currency;               /* 0: none */
    int64_t created_us, expires_us;
    struct id customer, checkout, payment_method, payment; /* zero: none */
    char origin[CLIENT_ORIGIN_MAX];
    struct str details; /* a JSON object, as it was given; of a row: until the next one is read */
};
/* Makes it; t->id is new, the state issued. Errors: those of the store. */
MUST_CHECK err_t client_token_insert(struct store_tx *tx, int64_t merchant_id,
                                     const uint8_t hash[CLIENT_HASH], const struct client_token *t);
/* Its JSON with the members of `details`; text: the secret, shown once; NULL leaves it out. */
void client_token_write(struct jw *w, int64_t merchant_id, const struct client_token *t,
                        const char *text, int64_t now_us);
MUST_CHECK err_t client_token_read(struct store_tx *tx, int64_t merchant_id,
                                   const uint8_t hash[CLIENT_HASH], struct client_token *ret,
                                   bool *ret_found);
/* May a card be given under it, from a page of that origin? Errors: ERR_UNAUTHENTICATED (expired;
 * one was given), ERR_FORBIDDEN (origin). */
MUST_CHECK err_t client_token_check(const struct client_token *t, int64_t now_us, struct str origin,
                                    struct err_info *reterr);
/* A card was given under it, which client_token_check allowed before it was sealed. The same card
 * again is no error. *ret: as it was before. Errors: ERR_UNAUTHENTICATED (there is none), ERR_STATE
 * (another card was given). */
MUST_CHECK err_t client_token_give(struct store_tx *tx, int64_t merchant_id,
                                   const uint8_t hash[CLIENT_HASH], struct id card, int64_t now_us,
                                   struct client_token *ret, struct err_info *reterr);

/* --- a payment with it, in the transaction that begins the payment --- */
/* May that payment begin? *ret_earlier: the payment that was begun last on the same checkout, zero
 * none: the caller refuses while it may still take money. Shape: the merchant's rows are locked.
 * Errors: ERR_UNAUTHENTICATED (none, expired), ERR_FORBIDDEN (purpose), ERR_STATE (no card, used,
 * checkout closed), ERR_PARAM_INVALID (amount, currency). */
MUST_CHECK err_t client_token_claim(struct store_tx *tx, int64_t merchant_id,
                                    const uint8_t hash[CLIENT_HASH], int64_t amount,
                                    int16_t currency, int64_t now_us, struct id *ret_earlier,
                                    struct err_info *reterr);
/* The token, and its checkout if it has one, are that payment's from now on. Shape: it was claimed
 * in this transaction. Errors: ERR_SOFT when not. */
MUST_CHECK err_t client_token_use(struct store_tx *tx, int64_t merchant_id,
                                  const uint8_t hash[CLIENT_HASH], struct id payment,
                                  int64_t now_us);

/* --- checkouts --- */
#define CHECKOUT_LOCALE_MAX 17
struct checkout {
    struct id id;
    bool closed;
    int64_t version, amount;
    int16_t currency;
    int64_t created_us, expires_us, updated_us;
    struct id customer, payment; /* zero: none; payment: the last one that was begun */
    char locale[CHECKOUT_LOCALE_MAX];
    struct str details, items; /* JSON object and array; as client_token.details */
};
/* "open", "processing", "complete" or "expired", by the status of its payment (NULL: none). */
const char *checkout_status(const struct checkout *c, const char *payment_status, int64_t now_us);
/* Is a payment of that status over without money, so that another may begin? */
bool checkout_payable_again(const char *payment_status);
/* Makes it; c->id is new. */
MUST_CHECK err_t checkout_insert(struct store_tx *tx, int64_t merchant_id,
                                 const struct checkout *c);
MUST_CHECK err_t checkout_read(struct store_tx *tx, int64_t merchant_id, struct id id,
                               struct checkout *ret, bool *ret_found);
/* No payment begins on it any more. Errors: ERR_SOFT when another changed it. */
MUST_CHECK err_t checkout_close(struct store_tx *tx, int64_t merchant_id, struct checkout *c,
                                int64_t now_us);
/* A page. Shape: each is given rows, valid until it returns. */
MUST_CHECK err_t checkout_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                               err_t (*each)(const struct checkout *c, void *arg), void *arg);
/* Its JSON, with the members of `details`. */
void checkout_write(struct jw *w, int64_t merchant_id, const struct checkout *c, const char *status,
                    const char *url);

/* --- reports of pages --- */
#define REPORTS_PER_BODY 20
#define REPORTS_PER_DAY 1000
/* Hands on each report of a body (application/csp-report, application/reports+json, or one of our
 * scripts), cleaned: known members only, addresses without query and without what may be a secret,
 * no long numbers. What is no report is left out. Shape: kind names the page that has it. */
MUST_CHECK err_t report_clean(struct str kind, struct str body,
                              err_t (*each)(struct str content, void *arg), void *arg);
/* Keeps one, or counts it when it came that day already. *ret_kept false: the day has too many
 * different ones. *ret_new: it is the first of its kind that day. */
MUST_CHECK err_t report_add(struct store_tx *tx, struct str content, int64_t now_us, bool *ret_kept,
                            bool *ret_new);
struct report {
    int64_t first_us, last_us, times;
    struct str content;
};
/* The newest days' first, at most limit. */
MUST_CHECK err_t report_list(struct store_tx *tx, int limit,
                             err_t (*each)(const struct report *r, void *arg), void *arg);

/* --- what is too old --- */
#define DELETED_AT_ONCE 200 /* rows, as the statements say */
/* Deletes tokens that expired before a time, used or not; of all merchants. */
MUST_CHECK err_t client_tokens_delete(struct store_tx *tx, int64_t before_us, int64_t *ret_deleted);
/* Deletes reports of days that ended before a time. */
MUST_CHECK err_t reports_delete(struct store_tx *tx, int64_t before_us, int64_t *ret_deleted);

#endif

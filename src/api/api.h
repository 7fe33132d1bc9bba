/* api: the merchant API on the private listener, the public zone on its own, and what programs need
 * to set a merchant up. */
#ifndef FLORIN_API_H
#define FLORIN_API_H

#include "base/base.h"
#include "connect/connect.h"
#include "customers/bins.h"
#include "flow/flow.h"
#include "http/http.h"
#include "link/link.h"
#include "payments/payments.h"
#include "store/store.h"
#include "sys/sys.h"
#include "webhooks/webhooks.h"

struct api_config {
    struct store *store;
    struct flow_engine *flows;
    struct webhooks *webhooks;
    struct connect *connect;
    struct accounts *accounts;
    const struct config *settings;
    const struct payment_settings *payments;
    struct bin_table *bins;      /* NULL: nothing is known of banks */
    const uint8_t *endpoint_key; /* 32 bytes, seals webhook secrets */
    int private_fd, public_fd;   /* listening sockets, taken over */
    bool stepped;                /* no threads of its own */
};
struct api;
/* Starts both listeners. Shape: config is copied. Errors: those of http_server_start; nothing is
 * left running. */
MUST_CHECK err_t api_start(const struct api_config *config, struct api **ret,
                           struct err_info *reterr);
/* Stops accepting; what runs goes on. */
void api_quiesce(struct api *a);
/* Requests not yet answered. */
size_t api_active(struct api *a);
void api_stop(struct api *a);
/* What the role `card` asks over its link (CLIENT_CHECK, CARD_SAVED, PAGE_REPORT); the answer goes
 * there, later. On the link's thread. false: its payload is none. */
MUST_CHECK bool api_card_request(struct api *a, struct link_slot *card, const struct link_frame *f);

/* Appends the page on which browsers come back from banks, as web_inventory does. */
void return_inventory(struct jw *w, struct str public_url);

/* --- merchants and keys, inside a transaction --- */
#define KEY_TEXT_MAX 64
enum key_kind { KEY_SECRET = 1, KEY_PUBLISHABLE = 2 };
/* Makes a merchant; *ret_merchant is its test partition (the live one is + 1). */
MUST_CHECK err_t merchant_create(struct store_tx *tx, struct det *det, struct str name,
                                 int64_t *ret_merchant, struct id *ret_public);
/* Finds one by public id; the zero id finds the only merchant there is. Errors: ERR_NOT_FOUND. */
MUST_CHECK err_t merchant_find(struct store_tx *tx, struct id public_id, int64_t *ret_merchant,
                               struct id *ret_public);
/* Fills text with a new random key ("sk_test_…"); real randomness: call it outside the transaction.
 */
void key_generate(enum key_kind kind, bool live, char text[KEY_TEXT_MAX]);
/* Records a key by its hash. */
MUST_CHECK err_t key_create(struct store_tx *tx, struct det *det, int64_t merchant,
                            enum key_kind kind, const char *text, struct str name,
                            struct id *ret_id);
/* Writes the keys of a merchant (both modes) as an array, without secrets. */
MUST_CHECK err_t key_list(struct store_tx *tx, int64_t merchant, struct jw *w, const char *key);
/* Errors: ERR_NOT_FOUND when no merchant has a valid key of that id. */
MUST_CHECK err_t key_revoke(struct store_tx *tx, int64_t now_us, struct id key_id);

/* --- provider accounts --- */
/* Seals credentials (JSON text) for an account. */
void account_seal(const uint8_t key[32], int64_t merchant, struct id account,
                  struct str credentials, struct buf *out);
/* Makes an account; credentials were checked. */
MUST_CHECK err_t account_create(struct store_tx *tx, struct det *det, const uint8_t key[32],
                                int64_t merchant, struct str connector, int16_t priority,
                                struct str credentials, struct id *ret_id);
/* Gives the first account of that connector new credentials; *ret_found false when there is none.
 */
MUST_CHECK err_t account_update(struct store_tx *tx, int64_t now_us, const uint8_t key[32],
                                int64_t merchant, struct str connector, struct str credentials,
                                struct id *ret_id, bool *ret_found);
/* Where its requests with cards may go: signed lines (card/permit.h), "" nowhere. Errors:
 * ERR_NOT_FOUND. */
MUST_CHECK err_t account_set_permit(struct store_tx *tx, int64_t now_us, int64_t merchant,
                                    struct id account, struct str lines);
/* Opened credentials of accounts, cached for a second; the lookup of connect_config. */
struct accounts;
/* Shape: the key is copied. Errors: ERR_NO_MEMORY. Close it after everything that looks accounts
 * up. */
MUST_CHECK err_t accounts_open(struct store *store, const uint8_t key[32], struct accounts **ret);
void accounts_close(struct accounts *a);
account_lookup accounts_lookup;
/* The peek of connect_config: from memory alone. */
bool accounts_peek(void *self, int64_t merchant, int16_t number, char ret_connector[41]);
const uint8_t *accounts_key(struct accounts *a);
struct account_name {
    int64_t merchant;
    int16_t number;
    char connector[41];
};
/* Whose account it is. Shape: cached for a second; waits for a reader, so not on a thread of the
 * store or an event loop. Errors: ERR_NOT_FOUND, those of the store. */
MUST_CHECK err_t accounts_find(struct accounts *a, struct id account, struct account_name *ret);

#endif

/* Between the files of the room. */
#ifndef FLORIN_VAULT_INTERNAL_H
#define FLORIN_VAULT_INTERNAL_H

#include "crypto/crypto.h"
#include "vault/vault.h"

enum key_purpose { KEY_CARDS = 1, KEY_FINGERPRINTS = 2 };
enum key_state { KEY_CURRENT = 1, KEY_RETIRING = 2, KEY_RETIRED = 3 };

#define MASTERS_MAX VAULT_KEYS_MAX
#define OPEN_KEYS 1024
#define CVC_WAYS 8
#define CVC_SETS 4096
#define CVC_KEPT_US INT64_C(600000000)

struct open_key {
    int64_t merchant_id, version;
    int purpose;       /* 0: free */
    uint8_t nonce[24]; /* of the wrapped form it was opened from */
    uint8_t key[VAULT_KEY];
};
struct open_master {
    int64_t version; /* 0: free */
    uint32_t source;
    uint8_t key[VAULT_KEY];
};
struct held_cvc {
    int64_t merchant_id, until_us;
    struct id card;
    char cvc[5];
};
/* All of it in secret memory. */
struct opened {
    struct open_master masters[MASTERS_MAX];
    struct open_key keys[OPEN_KEYS];
    struct held_cvc cvcs[CVC_SETS][CVC_WAYS];
};
struct vault {
    struct secret memory;
    struct opened *open; /* in it */
    int64_t current;     /* version of the current master, 0: locked */
};

/* --- keys.c --- */
/* The key of that version; NULL: not open. */
const uint8_t *master_of(const struct vault *v, int64_t version);
/* It has retired: wiped. */
void master_drop(struct vault *v, int64_t version);
/* Wraps and unwraps a merchant's key. Shape: wrapped is appended to out. */
MUST_CHECK err_t key_wrap(const struct vault *v, int64_t master, int64_t merchant_id,
                          enum key_purpose purpose, int64_t version, const uint8_t key[VAULT_KEY],
                          struct buf *out);
MUST_CHECK err_t key_unwrap(const struct vault *v, int64_t master, int64_t merchant_id,
                            enum key_purpose purpose, int64_t version, struct str wrapped,
                            uint8_t ret[VAULT_KEY]);
/* The merchant's current key, made when there is none; into key, which the caller wipes. */
MUST_CHECK err_t key_current(struct store_tx *tx, struct vault *v, int64_t now_us,
                             int64_t merchant_id, enum key_purpose purpose, int64_t *ret_version,
                             uint8_t key[VAULT_KEY]);
/* One that seals cards, by its version. Errors: ERR_CRYPTO: there is none. */
MUST_CHECK err_t key_version(struct store_tx *tx, struct vault *v, int64_t merchant_id,
                             int64_t version, uint8_t key[VAULT_KEY]);
/* Stores a key of a merchant, wrapped by the current master. */
MUST_CHECK err_t key_store(struct store_tx *tx, struct vault *v, int64_t now_us,
                           int64_t merchant_id, enum key_purpose purpose, int64_t version,
                           const uint8_t key[VAULT_KEY]);

/* --- sealed.c: the form in which a card is sealed --- */
#define CARD_PACKED (CARD_NUMBER_MAX + 4) /* always as long: a seal tells no length of a number */
void card_pack(const struct card *c, uint8_t out[CARD_PACKED]);
MUST_CHECK bool card_unpack(const uint8_t in[CARD_PACKED], struct card *ret);
/* Bound to its row. */
void card_seal(const uint8_t key[VAULT_KEY], int64_t merchant_id, struct id card, int64_t version,
               const struct card *c, struct buf *out);
MUST_CHECK err_t card_unseal(const uint8_t key[VAULT_KEY], int64_t merchant_id, struct id card,
                             int64_t version, struct str sealed, struct card *ret);
void card_fingerprint(const uint8_t key[VAULT_KEY], const char *number, uint8_t ret[FINGERPRINT]);

/* --- cards.c --- */
/* Opens a card and tells which key sealed it. */
MUST_CHECK err_t card_load(struct store_tx *tx, struct vault *v, int64_t merchant_id,
                           struct id card, int64_t *ret_version, struct card *ret);
/* Seals one under an id that it has already. *ret_new false: there is one of that id. */
MUST_CHECK err_t card_store(struct store_tx *tx, struct vault *v, int64_t now_us,
                            int64_t merchant_id, int64_t keep_until_us, const struct card *card,
                            struct vault_sealed *io, bool *ret_new);

/* --- cvc.c --- */
void cvc_put(struct vault *v, int64_t now_us, int64_t merchant_id, struct id card, const char *cvc);
/* "" when there is none any more. */
void cvc_get(const struct vault *v, int64_t now_us, int64_t merchant_id, struct id card,
             char out[5]);
void cvc_drop(struct vault *v, int64_t merchant_id, struct id card);
/* Wipes those that are too old. */
void cvc_sweep(struct vault *v, int64_t now_us);

#endif

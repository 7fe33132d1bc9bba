/* vault: cards, sealed. Keys (a master wraps each merchant's, which seal its cards), their
 * rotation, custodians' shares, CVCs in memory, audit, export. Runs in the role `vault` alone, on
 * one thread, over a store of its own. Nothing here knows sockets. Reasons: docs/adr/0018; PCI
 * DSS 4.0.1, requirements 3.3 to 3.7. */
#ifndef FLORIN_VAULT_H
#define FLORIN_VAULT_H

#include "base/base.h"
#include "store/store.h"
#include "sys/secret.h"

#define VAULT_KEY 32
#define CARD_NUMBER_MAX 20 /* with NUL; 12 to 19 digits */
#define FINGERPRINT 16

/* A card as it is used: short-lived, wiped by who holds it. */
struct card {
    char number[CARD_NUMBER_MAX], cvc[5]; /* cvc "": none */
    int month, year;                      /* 1 … 12; four digits */
};
/* Overwrites all of it. */
void card_wipe(struct card *c);
/* Digits, length, Luhn; a date that has not passed at now_us; cvc of 3 or 4 digits or "". Errors:
 * ERR_PARAM_INVALID names the member (number, exp_month, exp_year, cvc), never its value. Source:
 * ISO/IEC 7812-1. */
MUST_CHECK err_t card_check(const struct card *c, int64_t now_us, struct err_info *reterr);
/* "visa", "mastercard", "amex", "discover", "diners", "jcb", "unionpay", "maestro", "mir",
 * "unknown": by the leading digits. */
const char *card_brand(const char *number);

/* --- the open vault --- */
struct vault; /* masters and merchants' keys that are open, CVCs: all in secret memory */
/* Locked. Errors: ERR_NO_MEMORY. */
MUST_CHECK err_t vault_new(struct vault **ret);
/* Wipes and frees. */
void vault_free(struct vault *v);
enum vault_source { VAULT_FROM_FILE = 1, VAULT_FROM_TOKEN = 2, VAULT_FROM_SHARES = 3 };
/* "file", "pkcs11", "shares". */
const char *vault_source_text(enum vault_source source);
/* Has it the current master key? Without it cards can neither be sealed nor opened:
 * ERR_UNAVAILABLE. */
bool vault_unlocked(const struct vault *v);
/* Which master key it is. */
struct vault_master {
    int64_t version;
    bool current; /* seals; else it only opens what it once wrapped */
    bool retired; /* wraps nothing any more: nobody needs it */
    enum vault_source source;
};
/* Which vault this is, the same for all copies of it: `fresh`, of chance, when it had no name yet.
 */
MUST_CHECK err_t vault_which(struct store_tx *tx, struct id fresh, struct id *ret);
/* Finds out; the first one ever becomes version 1, unless it came in shares: see vault_found.
 * Errors: ERR_CRYPTO: it is none of this vault's. */
MUST_CHECK err_t vault_unlock(struct store_tx *tx, const uint8_t key[VAULT_KEY],
                              enum vault_source source, int64_t now_us, struct vault_master *ret);
/* Opens the vault with it, once that is committed; one that has retired is passed over. Errors:
 * ERR_NO_MEMORY: it holds four already. */
MUST_CHECK err_t vault_take(struct vault *v, const uint8_t key[VAULT_KEY],
                            const struct vault_master *master);
/* The first master key of a new vault; `wrapped` is its form under a token's key, else absent.
 * Errors: ERR_STATE: there is one. */
MUST_CHECK err_t vault_found(struct store_tx *tx, const uint8_t key[VAULT_KEY],
                             enum vault_source source, struct str wrapped, int64_t now_us);
/* Master keys as the parent hands them to the role and keeps them for its next start: all that are
 * current or retiring. Shape: lives in secret memory or is wiped. */
#define VAULT_KEYS_MAX 4
struct vault_keys {
    uint32_t n;
    struct {
        uint32_t source; /* enum vault_source */
        uint8_t key[VAULT_KEY];
    } key[VAULT_KEYS_MAX];
};
/* Appends one; what is there already, or beyond four, is left out. */
void vault_keys_add(struct vault_keys *k, const uint8_t key[VAULT_KEY], enum vault_source source);
/* Those that are open. */
void vault_keys_open(const struct vault *v, struct vault_keys *ret);
/* Every master key that there was, in order: version, state (1 current, 2 retiring, 3 retired),
 * source, its wrapped form. */
MUST_CHECK err_t vault_masters(struct store_tx *tx,
                               err_t (*each)(int64_t version, int state, enum vault_source source,
                                             struct str wrapped, void *arg),
                               void *arg);
/* Can every key of a merchant be unwrapped with the masters that are open? *ret_keys: how many
 * there are. Errors: ERR_CRYPTO, ERR_UNAVAILABLE: a master is missing. */
MUST_CHECK err_t vault_try_keys(struct store_tx *tx, const struct vault *v, int64_t *ret_keys);

/* --- cards; inside a transaction of the vault's store --- */
struct vault_sealed {
    struct id card;
    uint8_t fingerprint[FINGERPRINT];
};
/* Seals a card under a new id, its CVC into memory (kept for ten minutes, see vault_used). Makes
 * the merchant's keys when it has none. keep_until_us 0: until it is deleted. Errors:
 * ERR_UNAVAILABLE (locked), ERR_CRYPTO (a key cannot be opened). */
MUST_CHECK err_t vault_seal(struct store_tx *tx, struct vault *v, struct det *det,
                            int64_t merchant_id, const struct card *card, int64_t keep_until_us,
                            struct vault_sealed *ret);
/* Opens one. with_cvc: and its CVC, if it is still there. Errors: ERR_NOT_FOUND, ERR_UNAVAILABLE,
 * ERR_CRYPTO: what is stored does not belong to this row. */
MUST_CHECK err_t vault_open(struct store_tx *tx, struct vault *v, int64_t now_us,
                            int64_t merchant_id, struct id card, bool with_cvc, struct card *ret);
/* It was sent for authorization: its CVC is gone. */
void vault_used(struct vault *v, int64_t merchant_id, struct id card);
/* Deletes it, keeps it for good, changes its date. Errors: ERR_NOT_FOUND (but deleting what is not
 * there is OK). */
MUST_CHECK err_t vault_forget(struct store_tx *tx, struct vault *v, int64_t now_us,
                              int64_t merchant_id, struct id card);
MUST_CHECK err_t vault_keep(struct store_tx *tx, int64_t now_us, int64_t merchant_id,
                            struct id card);
MUST_CHECK err_t vault_expiry(struct store_tx *tx, struct vault *v, int64_t now_us,
                              int64_t merchant_id, struct id card, int month, int year);
/* Deletes cards whose time is over, at most max; forgets old CVCs. */
MUST_CHECK err_t vault_sweep(struct store_tx *tx, struct vault *v, int64_t now_us, int max,
                             int *ret_n);

/* --- rotation: each begins with a transaction and goes on with steps, whenever there is time, over
 * restarts --- */
/* A new key for a merchant's cards; the old one retires once no card is sealed with it. */
MUST_CHECK err_t vault_rotate_merchant(struct store_tx *tx, struct vault *v, int64_t now_us,
                                       int64_t merchant_id);
/* A new master key, wrapped as in vault_found; the old one retires once it wraps no key. Take it
 * once that is committed. Errors: ERR_STATE: one is under way, or the key is not new. */
MUST_CHECK err_t vault_rotate_master(struct store_tx *tx, const struct vault *v, int64_t now_us,
                                     const uint8_t key[VAULT_KEY], enum vault_source source,
                                     struct str wrapped, struct vault_master *ret);
/* At most max rows of whatever is under way; *ret_more: there is more. */
MUST_CHECK err_t vault_rotate_step(struct store_tx *tx, struct vault *v, int64_t now_us, int max,
                                   bool *ret_more);

/* --- audit --- */
#define VAULT_ACTIONS(X)                                                                           \
    X(SEALED, 1, "sealed")                                                                         \
    X(OPENED, 2, "opened")                                                                         \
    X(DELETED, 3, "deleted")                                                                       \
    X(KEPT, 4, "kept")                                                                             \
    X(CHANGED, 5, "changed")                                                                       \
    X(UNLOCKED, 6, "unlocked")                                                                     \
    X(SHARE_GIVEN, 7, "share_given")                                                               \
    X(ROTATION_BEGUN, 8, "rotation_begun")                                                         \
    X(ROTATION_ENDED, 9, "rotation_ended")                                                         \
    X(EXPORTED, 10, "exported")                                                                    \
    X(IMPORTED, 11, "imported")                                                                    \
    X(BACKED_UP, 12, "backed_up")                                                                  \
    X(REFUSED, 13, "refused")                                                                      \
    X(ASKED, 14, "asked")                                                                          \
    X(RESTORED, 15, "restored")                                                                    \
    X(FOUNDED, 16, "founded")                                                                      \
    X(ADOPTED, 17, "adopted")
enum vault_action {
#define X(name, number, text) VAULT_##name = number,
    VAULT_ACTIONS(X)
#undef X
};
/* Appends to the chain. detail: at most 255 bytes, no card data. */
MUST_CHECK err_t vault_audit(struct store_tx *tx, int64_t now_us, enum vault_action action,
                             int64_t merchant_id, struct id card, const char *detail);
/* Checks the chain. *ret_bad: number of the first row that does not fit, 0 none. */
MUST_CHECK err_t vault_audit_verify(struct store_tx *tx, int64_t *ret_rows, int64_t *ret_bad);
/* One row as it is stored; card and detail are views. */
struct vault_audited {
    int64_t number, at_us, action, merchant_id;
    struct str card, detail; /* 16 bytes or none */
    uint8_t hash[32];
};
/* Rows after a number, at most max. */
MUST_CHECK err_t vault_audit_page(struct store_tx *tx, int64_t after, int max,
                                  void (*each)(const struct vault_audited *row, void *arg),
                                  void *arg);
/* The hash that a row must have after one with that hash (32 zeros before the first). Pure. */
void vault_audit_hash(const uint8_t before[32], const struct vault_audited *row, uint8_t ret[32]);
/* "sealed"; "unknown" for a number that is none. */
const char *vault_action_text(int64_t action);
/* What is under way: *ret_master is the version of the master key that retires, 0 none; *ret_keys
 * what it still wraps; *ret_merchants keys of merchants that retire. */
MUST_CHECK err_t vault_rotating(struct store_tx *tx, int64_t *ret_master, int64_t *ret_keys,
                                int64_t *ret_merchants);
/* Merchants with cards after one, in order, at most max of them into ret. */
MUST_CHECK err_t vault_merchants(struct store_tx *tx, int64_t after, int64_t *ret, int max,
                                 int *ret_n);

/* --- export: to another vault, which alone can read it and knows from whom it is --- */
/* The public key of this vault (X25519); it stays, whatever is rotated. */
MUST_CHECK err_t vault_identity(struct store_tx *tx, struct vault *v, int64_t now_us,
                                uint8_t ret[32]);
/* Which piece of which export: chunks of two exports do not mix, none is left out or moved. */
struct vault_piece {
    struct id export;
    int64_t number; /* from 0 */
};
/* Appends the next cards of a merchant after *cursor (zero: from the first) as one chunk that is
 * sealed for the recipient by this vault, and moves the cursor. *ret_n: how many; 0 in the last
 * chunk, which ends the export. CVCs stay here. Errors: ERR_PARAM_INVALID: recipient is no key. */
MUST_CHECK err_t vault_export(struct store_tx *tx, struct vault *v, int64_t now_us,
                              const uint8_t recipient[32], int64_t merchant_id,
                              const struct vault_piece *piece, struct id *cursor, struct buf *out,
                              int *ret_n);
/* Takes a chunk of a sender, or only looks at it. Cards that are there already stay; a merchant
 * without cards takes over its fingerprints, too. *ret_n: how many were new, of one only looked at
 * how many it has. *ret_last: the export ends. Errors: ERR_CRYPTO: it is not for this vault, or was
 * changed; ERR_FORBIDDEN: it is not from the sender; ERR_STATE: it is another piece;
 * ERR_PARAM_INVALID: the sender is no key. */
MUST_CHECK err_t vault_import(struct store_tx *tx, struct vault *v, int64_t now_us,
                              const uint8_t sender[32], const struct vault_piece *piece,
                              bool only_look, struct str chunk, int *ret_n, bool *ret_last);

#endif

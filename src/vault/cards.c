/* Cards: sealed, opened, changed, deleted; their rotation. */
#include <stdio.h>

#include "vault/vault_internal.h"

static const struct id none = {{0}};

/* --- sealing and opening --- */
err_t card_store(struct store_tx *tx, struct vault *v, int64_t now_us, int64_t merchant_id,
                 int64_t keep_until_us, const struct card *card, struct vault_sealed *io,
                 bool *ret_new)
{
    uint8_t key[VAULT_KEY];
    int64_t version, changed = 0;
    struct buf sealed = BUF(256);
    err_t err = key_current(tx, v, now_us, merchant_id, KEY_FINGERPRINTS, &version, key);
    if (!err) {
        card_fingerprint(key, card->number, io->fingerprint);
        err = key_current(tx, v, now_us, merchant_id, KEY_CARDS, &version, key);
    }
    if (!err)
        card_seal(key, merchant_id, io->card, version, card, &sealed);
    mem_wipe(key, sizeof key);
    if (!err && sealed.failed)
        err = ERR_NO_MEMORY;
    if (!err)
        err = store_exec(tx, SQL_VAULT_INSERT_CARD, &changed, V_INT(merchant_id), V_ID(&io->card),
                         V_INT(version), V_INT(now_us), V_INT(keep_until_us),
                         V_BLOB(io->fingerprint, FINGERPRINT), V_BLOB(sealed.p, sealed.n));
    *ret_new = changed == 1;
    buf_free(&sealed);
    return err;
}

err_t vault_seal(struct store_tx *tx, struct vault *v, struct det *det, int64_t merchant_id,
                 const struct card *card, int64_t keep_until_us, struct vault_sealed *ret)
{
    bool fresh = false;
    ret->card = id_new(det);
    err_t err = card_store(tx, v, det->now_us, merchant_id, keep_until_us, card, ret, &fresh);
    if (!err && !fresh)
        err = ERR_STATE;
    if (!err)
        err = vault_audit(tx, det->now_us, VAULT_SEALED, merchant_id, ret->card, "");
    if (!err && card->cvc[0])
        cvc_put(v, det->now_us, merchant_id, ret->card, card->cvc);
    return err;
}

/* Columns: key version, sealed. */
err_t card_load(struct store_tx *tx, struct vault *v, int64_t merchant_id, struct id card,
                int64_t *ret_version, struct card *ret)
{
    struct store_row *row;
    uint8_t key[VAULT_KEY];
    if (!vault_unlocked(v))
        return ERR_UNAVAILABLE;
    err_t err = store_one(tx, SQL_VAULT_READ_CARD, &row, V_INT(merchant_id), V_ID(&card));
    if (err || !row)
        return err ? err : ERR_NOT_FOUND;
    *ret_version = row_int(row, 0);
    err = key_version(tx, v, merchant_id, *ret_version, key);
    if (!err)
        err = card_unseal(key, merchant_id, card, *ret_version, row_text(row, 1), ret);
    mem_wipe(key, sizeof key);
    return err;
}

err_t vault_open(struct store_tx *tx, struct vault *v, int64_t now_us, int64_t merchant_id,
                 struct id card, bool with_cvc, struct card *ret)
{
    int64_t version;
    err_t err = card_load(tx, v, merchant_id, card, &version, ret);
    if (!err && with_cvc)
        cvc_get(v, now_us, merchant_id, card, ret->cvc);
    return err;
}

void vault_used(struct vault *v, int64_t merchant_id, struct id card)
{
    cvc_drop(v, merchant_id, card);
}

/* --- changes --- */
err_t vault_forget(struct store_tx *tx, struct vault *v, int64_t now_us, int64_t merchant_id,
                   struct id card)
{
    int64_t changed = 0;
    cvc_drop(v, merchant_id, card);
    err_t err = store_exec(tx, SQL_VAULT_DELETE_CARD, &changed, V_INT(merchant_id), V_ID(&card));
    return err || changed == 0 ? err
                               : vault_audit(tx, now_us, VAULT_DELETED, merchant_id, card, "");
}

err_t vault_keep(struct store_tx *tx, int64_t now_us, int64_t merchant_id, struct id card)
{
    int64_t changed = 0;
    err_t err =
        store_exec(tx, SQL_VAULT_KEEP_CARD, &changed, V_INT(0), V_INT(merchant_id), V_ID(&card));
    if (!err && changed == 0)
        err = ERR_NOT_FOUND;
    return err ? err : vault_audit(tx, now_us, VAULT_KEPT, merchant_id, card, "");
}

/* Seals it anew with a key of that version. */
static err_t reseal(struct store_tx *tx, const uint8_t key[VAULT_KEY], int64_t from, int64_t to,
                    int64_t merchant_id, struct id card, const struct card *c)
{
    struct buf sealed = BUF(256);
    card_seal(key, merchant_id, card, to, c, &sealed);
    err_t err = sealed.failed ? ERR_NO_MEMORY
                              : store_exec_one(tx, SQL_VAULT_UPDATE_CARD, ERR_STATE, V_INT(to),
                                               V_BLOB(sealed.p, sealed.n), V_INT(merchant_id),
                                               V_ID(&card), V_INT(from));
    buf_free(&sealed);
    return err;
}

err_t vault_expiry(struct store_tx *tx, struct vault *v, int64_t now_us, int64_t merchant_id,
                   struct id card, int month, int year)
{
    struct card c;
    uint8_t key[VAULT_KEY];
    int64_t from, to;
    err_t err = card_load(tx, v, merchant_id, card, &from, &c);
    if (!err)
        err = key_current(tx, v, now_us, merchant_id, KEY_CARDS, &to, key);
    if (!err) {
        c.month = month;
        c.year = year;
        err = reseal(tx, key, from, to, merchant_id, card, &c);
    }
    card_wipe(&c);
    mem_wipe(key, sizeof key);
    return err ? err : vault_audit(tx, now_us, VAULT_CHANGED, merchant_id, card, "expiry");
}

/* --- sweeping --- */
#define SWEEP_MAX 256
struct listed {
    struct id card[SWEEP_MAX];
    int64_t merchant[SWEEP_MAX];
    int n;
};

static err_t list_one(struct store_row *row, void *arg)
{
    struct listed *l = arg;
    ASSERT(l->n < SWEEP_MAX);
    l->merchant[l->n] = row_int(row, 0);
    l->card[l->n++] = row_id(row, 1);
    return OK;
}

err_t vault_sweep(struct store_tx *tx, struct vault *v, int64_t now_us, int max, int *ret_n)
{
    struct listed l = {.n = 0};
    cvc_sweep(v, now_us);
    err_t err = store_each(tx, SQL_VAULT_LIST_ENDED_CARDS, list_one, &l, V_INT(now_us),
                           V_INT(num_min(max, SWEEP_MAX)));
    for (int i = 0; !err && i < l.n; i++)
        err = vault_forget(tx, v, now_us, l.merchant[i], l.card[i]);
    *ret_n = l.n;
    return err;
}

/* --- rotation --- */
err_t vault_rotate_merchant(struct store_tx *tx, struct vault *v, int64_t now_us,
                            int64_t merchant_id)
{
    uint8_t key[VAULT_KEY];
    int64_t version;
    err_t err = key_current(tx, v, now_us, merchant_id, KEY_CARDS, &version, key);
    if (!err)
        err = store_exec_one(tx, SQL_VAULT_UPDATE_DATA_KEY, ERR_STATE, V_INT(KEY_RETIRING),
                             V_INT(merchant_id), V_INT(KEY_CARDS), V_INT(version),
                             V_INT(KEY_CURRENT));
    if (!err) {
        crypto_random(key, sizeof key);
        err = key_store(tx, v, now_us, merchant_id, KEY_CARDS, version + 1, key);
    }
    mem_wipe(key, sizeof key);
    return err ? err : vault_audit(tx, now_us, VAULT_ROTATION_BEGUN, merchant_id, none, "card key");
}

/* Cards of a retiring key, resealed with the current one. */
static err_t reseal_some(struct store_tx *tx, struct vault *v, int64_t now_us, int64_t merchant_id,
                         int64_t version, int max, int *ret_n)
{
    struct listed l = {.n = 0};
    uint8_t key[VAULT_KEY];
    int64_t from, to;
    err_t err = key_current(tx, v, now_us, merchant_id, KEY_CARDS, &to, key);
    if (!err)
        err = store_each(tx, SQL_VAULT_LIST_CARDS_OF_KEY, list_one, &l, V_INT(merchant_id),
                         V_INT(version), V_INT(num_min(max, SWEEP_MAX)));
    for (int i = 0; !err && i < l.n; i++) {
        struct card c;
        err = card_load(tx, v, merchant_id, l.card[i], &from, &c);
        if (!err)
            err = reseal(tx, key, from, to, merchant_id, l.card[i], &c);
        card_wipe(&c);
    }
    mem_wipe(key, sizeof key);
    *ret_n = l.n;
    return err;
}

static err_t retire(struct store_tx *tx, int64_t now_us, int64_t merchant_id, int64_t version)
{
    err_t err =
        store_exec_one(tx, SQL_VAULT_UPDATE_DATA_KEY, ERR_STATE, V_INT(KEY_RETIRED),
                       V_INT(merchant_id), V_INT(KEY_CARDS), V_INT(version), V_INT(KEY_RETIRING));
    return err ? err : vault_audit(tx, now_us, VAULT_ROTATION_ENDED, merchant_id, none, "card key");
}

struct wrapped_key {
    int64_t merchant_id, version, master;
    enum key_purpose purpose;
    char wrapped[128];
    size_t wrapped_n;
};
struct wrapped_keys {
    struct wrapped_key key[SWEEP_MAX];
    int n;
};

static err_t list_key(struct store_row *row, void *arg)
{
    struct wrapped_keys *l = arg;
    struct wrapped_key *k = &l->key[l->n++];
    struct str wrapped = row_text(row, 4);
    ASSERT(l->n <= SWEEP_MAX);
    if (wrapped.n > sizeof k->wrapped)
        return ERR_CRYPTO;
    *k = (struct wrapped_key){.merchant_id = row_int(row, 0),
                              .purpose = (enum key_purpose)row_int(row, 1),
                              .version = row_int(row, 2),
                              .master = row_int(row, 3),
                              .wrapped_n = wrapped.n};
    memcpy(k->wrapped, wrapped.p, wrapped.n);
    return OK;
}

static err_t rewrap(struct store_tx *tx, const struct vault *v, const struct wrapped_key *k)
{
    uint8_t key[VAULT_KEY];
    struct buf wrapped = BUF(256);
    err_t err = key_unwrap(v, k->master, k->merchant_id, k->purpose, k->version,
                           (struct str){k->wrapped, k->wrapped_n}, key);
    if (!err)
        err = key_wrap(v, v->current, k->merchant_id, k->purpose, k->version, key, &wrapped);
    mem_wipe(key, sizeof key);
    if (!err)
        err = store_exec_one(tx, SQL_VAULT_REWRAP_DATA_KEY, ERR_STATE, V_INT(v->current),
                             V_BLOB(wrapped.p, wrapped.n), V_INT(k->merchant_id), V_INT(k->purpose),
                             V_INT(k->version), V_INT(k->master));
    buf_free(&wrapped);
    return err;
}

static err_t master_step(struct store_tx *tx, struct vault *v, int64_t now_us, int64_t master,
                         int max)
{
    struct wrapped_keys *l = mem_alloc(sizeof *l);
    if (!l)
        return ERR_NO_MEMORY;
    err_t err = store_each(tx, SQL_VAULT_LIST_KEYS_OF_MASTER, list_key, l, V_INT(master),
                           V_INT(num_min(max, SWEEP_MAX)));
    for (int i = 0; !err && i < l->n; i++)
        err = rewrap(tx, v, &l->key[i]);
    if (!err && l->n == 0) {
        err = store_exec_one(tx, SQL_VAULT_UPDATE_MASTER, ERR_STATE, V_INT(KEY_RETIRED), V_INT(0),
                             V_INT(master), V_INT(KEY_RETIRING));
        if (!err)
            err = vault_audit(tx, now_us, VAULT_ROTATION_ENDED, 0, none, "master key");
        if (!err)
            master_drop(v, master); /* nothing is wrapped by it, whether this is committed or not */
    }
    mem_wipe(l, sizeof *l);
    mem_free(l);
    return err;
}

err_t vault_rotate_step(struct store_tx *tx, struct vault *v, int64_t now_us, int max,
                        bool *ret_more)
{
    struct store_row *row;
    int n = 0;
    *ret_more = false;
    if (!vault_unlocked(v))
        return OK;
    err_t err = store_one(tx, SQL_VAULT_READ_RETIRING_MASTER, &row, V_INT(0), V_INT(KEY_RETIRING));
    if (err)
        return err;
    if (row) {
        *ret_more = true;
        return master_step(tx, v, now_us, row_int(row, 0), max);
    }
    err = store_one(tx, SQL_VAULT_READ_RETIRING_KEY, &row, V_INT(KEY_CARDS), V_INT(KEY_RETIRING));
    if (err || !row)
        return err;
    *ret_more = true;
    int64_t merchant_id = row_int(row, 0), version = row_int(row, 1);
    err = reseal_some(tx, v, now_us, merchant_id, version, max, &n);
    return err || n > 0 ? err : retire(tx, now_us, merchant_id, version);
}

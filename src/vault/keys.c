/* Master keys and the merchants' keys that they wrap. */
#include <stdio.h>

#include "vault/vault_internal.h"

err_t vault_new(struct vault **ret)
{
    struct vault *v = mem_alloc(sizeof *v);
    err_t err = v ? secret_make(sizeof *v->open, &v->memory) : ERR_NO_MEMORY;
    if (err) {
        mem_free(v);
        return err;
    }
    v->open = (struct opened *)(void *)v->memory.p;
    *ret = v;
    return OK;
}

void vault_free(struct vault *v)
{
    if (!v)
        return;
    secret_free(&v->memory);
    mem_free(v);
}

bool vault_unlocked(const struct vault *v)
{
    return v->current > 0;
}

/* --- masters --- */
const uint8_t *master_of(const struct vault *v, int64_t version)
{
    for (int i = 0; version > 0 && i < MASTERS_MAX; i++)
        if (v->open->masters[i].version == version)
            return v->open->masters[i].key;
    return NULL;
}

void master_drop(struct vault *v, int64_t version)
{
    for (int i = 0; i < MASTERS_MAX; i++)
        if (v->open->masters[i].version == version)
            mem_wipe(&v->open->masters[i], sizeof v->open->masters[i]);
}

void vault_keys_add(struct vault_keys *k, const uint8_t key[VAULT_KEY], enum vault_source source)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (mem_equal_ct(k->key[i].key, key, VAULT_KEY) == 1)
            return;
    if (k->n == VAULT_KEYS_MAX)
        return;
    k->key[k->n].source = source;
    memcpy(k->key[k->n++].key, key, VAULT_KEY);
}

void vault_keys_open(const struct vault *v, struct vault_keys *ret)
{
    *ret = (struct vault_keys){.n = 0};
    for (int i = 0; i < MASTERS_MAX; i++) {
        const struct open_master *m = &v->open->masters[i];
        if (m->version > 0)
            vault_keys_add(ret, m->key, (enum vault_source)m->source);
    }
}

static void check_value(const uint8_t key[VAULT_KEY], uint8_t out[32])
{
    crypto_subkey(key, "vault check", out);
}

err_t vault_take(struct vault *v, const uint8_t key[VAULT_KEY], const struct vault_master *master)
{
    struct open_master *to = NULL;
    if (master->retired)
        return OK;
    for (int i = 0; i < MASTERS_MAX && (!to || to->version != master->version); i++) {
        struct open_master *m = &v->open->masters[i];
        if (m->version == master->version || (m->version == 0 && !to))
            to = m;
    }
    if (!to)
        return ERR_NO_MEMORY;
    to->version = master->version;
    to->source = master->source;
    memcpy(to->key, key, VAULT_KEY);
    if (master->current)
        v->current = master->version;
    return OK;
}

struct finding {
    const uint8_t *check;
    int64_t rows, retiring, version, newest;
    int state;
    enum vault_source source;
};

static err_t compare(struct store_row *row, void *arg)
{
    struct finding *f = arg;
    struct str check = row_text(row, 2);
    f->rows++;
    f->retiring += row_int(row, 1) == KEY_RETIRING;
    f->newest = num_max(f->newest, row_int(row, 0));
    if (check.n == 32 && mem_equal_ct(check.p, f->check, 32) == 1) {
        f->version = row_int(row, 0);
        f->state = (int)row_int(row, 1);
        f->source = (enum vault_source)row_int(row, 3);
    }
    return OK;
}

static err_t find_master(struct store_tx *tx, const uint8_t check[32], struct finding *ret)
{
    *ret = (struct finding){.check = check};
    return store_each(tx, SQL_VAULT_LIST_MASTERS, compare, ret, V_INT(0));
}

static err_t add_master(struct store_tx *tx, int64_t version, const uint8_t check[32],
                        enum vault_source source, struct str wrapped, int64_t now_us)
{
    return store_exec(tx, SQL_VAULT_INSERT_MASTER, NULL, V_INT(0), V_INT(version),
                      V_INT(KEY_CURRENT), V_INT(source), V_INT(now_us), V_BLOB(check, 32),
                      wrapped.n ? V_BLOB(wrapped.p, wrapped.n) : V_NULL);
}

err_t vault_found(struct store_tx *tx, const uint8_t key[VAULT_KEY], enum vault_source source,
                  struct str wrapped, int64_t now_us)
{
    uint8_t check[32];
    struct finding f;
    check_value(key, check);
    err_t err = find_master(tx, check, &f);
    if (!err && f.rows > 0)
        err = ERR_STATE;
    if (!err)
        err = add_master(tx, 1, check, source, wrapped, now_us);
    return err ? err : vault_audit(tx, now_us, VAULT_FOUNDED, 0, (struct id){{0}}, "");
}

err_t vault_unlock(struct store_tx *tx, const uint8_t key[VAULT_KEY], enum vault_source source,
                   int64_t now_us, struct vault_master *ret)
{
    uint8_t check[32];
    struct finding f;
    check_value(key, check);
    err_t err = find_master(tx, check, &f);
    if (err)
        return err;
    if (f.version == 0 && (f.rows > 0 || source == VAULT_FROM_SHARES))
        return ERR_CRYPTO;
    if (f.rows == 0)
        err = add_master(tx, 1, check, source, (struct str){NULL, 0}, now_us);
    *ret = f.rows == 0 ? (struct vault_master){.version = 1, .current = true, .source = source}
                       : (struct vault_master){f.version, f.state == KEY_CURRENT,
                                               f.state == KEY_RETIRED, f.source};
    return err ? err : vault_audit(tx, now_us, VAULT_UNLOCKED, 0, (struct id){{0}}, "");
}

err_t vault_rotate_master(struct store_tx *tx, const struct vault *v, int64_t now_us,
                          const uint8_t key[VAULT_KEY], enum vault_source source,
                          struct str wrapped, struct vault_master *ret)
{
    uint8_t check[32];
    struct finding f;
    if (!vault_unlocked(v))
        return ERR_UNAVAILABLE;
    check_value(key, check);
    err_t err = find_master(tx, check, &f);
    if (!err && (f.version > 0 || f.retiring > 0)) /* it is, or was, one; another is on its way */
        err = ERR_STATE;
    if (!err)
        err = store_exec_one(tx, SQL_VAULT_UPDATE_MASTER, ERR_STATE, V_INT(KEY_RETIRING), V_INT(0),
                             V_INT(v->current), V_INT(KEY_CURRENT));
    *ret = (struct vault_master){.version = f.newest + 1, .current = true, .source = source};
    if (!err)
        err = add_master(tx, ret->version, check, source, wrapped, now_us);
    return err ? err
               : vault_audit(tx, now_us, VAULT_ROTATION_BEGUN, 0, (struct id){{0}}, "master key");
}

/* --- wrapping --- */
#define WRAP_AAD (12 + 32)
static void wrap_aad(int64_t master, int64_t merchant_id, enum key_purpose purpose, int64_t version,
                     char out[WRAP_AAD])
{
    uint8_t *p = (uint8_t *)out;
    memcpy(p, "florin.key.1", 12);
    num_put64(p + 12, (uint64_t)merchant_id);
    num_put64(p + 20, (uint64_t)purpose);
    num_put64(p + 28, (uint64_t)version);
    num_put64(p + 36, (uint64_t)master);
}

err_t key_wrap(const struct vault *v, int64_t master, int64_t merchant_id, enum key_purpose purpose,
               int64_t version, const uint8_t key[VAULT_KEY], struct buf *out)
{
    char aad[WRAP_AAD];
    uint8_t wrapping[32];
    const uint8_t *m = master_of(v, master);
    if (!m)
        return ERR_UNAVAILABLE;
    wrap_aad(master, merchant_id, purpose, version, aad);
    crypto_subkey(m, "vault wrap", wrapping);
    crypto_seal(wrapping, (struct str){aad, sizeof aad}, (struct str){(const char *)key, VAULT_KEY},
                out);
    mem_wipe(wrapping, sizeof wrapping);
    return out->failed ? ERR_NO_MEMORY : OK;
}

err_t key_unwrap(const struct vault *v, int64_t master, int64_t merchant_id,
                 enum key_purpose purpose, int64_t version, struct str wrapped,
                 uint8_t ret[VAULT_KEY])
{
    char aad[WRAP_AAD];
    uint8_t wrapping[32];
    struct buf plain = BUF(64);
    const uint8_t *m = master_of(v, master);
    if (!m)
        return ERR_UNAVAILABLE;
    wrap_aad(master, merchant_id, purpose, version, aad);
    crypto_subkey(m, "vault wrap", wrapping);
    err_t err = crypto_open(wrapping, (struct str){aad, sizeof aad}, wrapped, &plain);
    mem_wipe(wrapping, sizeof wrapping);
    if (!err && plain.n != VAULT_KEY)
        err = ERR_CRYPTO;
    if (!err)
        memcpy(ret, plain.p, VAULT_KEY);
    if (plain.p)
        mem_wipe(plain.p, plain.n);
    buf_free(&plain);
    return err;
}

/* --- open keys: by place; what is in the way is put out --- */
static struct open_key *place_of(const struct vault *v, int64_t merchant_id,
                                 enum key_purpose purpose, int64_t version)
{
    uint64_t at = (uint64_t)merchant_id * 7 + (uint64_t)version * 2 + (uint64_t)purpose;
    return &v->open->keys[at % OPEN_KEYS];
}

static bool is_of(const struct open_key *k, struct str wrapped)
{
    return k->purpose != 0 && wrapped.n > sizeof k->nonce &&
           memcmp(k->nonce, wrapped.p, sizeof k->nonce) == 0;
}

/* --- keys of merchants --- */
err_t key_store(struct store_tx *tx, struct vault *v, int64_t now_us, int64_t merchant_id,
                enum key_purpose purpose, int64_t version, const uint8_t key[VAULT_KEY])
{
    struct buf wrapped = BUF(256);
    err_t err = key_wrap(v, v->current, merchant_id, purpose, version, key, &wrapped);
    if (!err)
        err = store_exec(tx, SQL_VAULT_INSERT_DATA_KEY, NULL, V_INT(merchant_id), V_INT(purpose),
                         V_INT(version), V_INT(KEY_CURRENT), V_INT(v->current), V_INT(now_us),
                         V_BLOB(wrapped.p, wrapped.n));
    buf_free(&wrapped);
    return err;
}

static err_t make_key(struct store_tx *tx, struct vault *v, int64_t now_us, int64_t merchant_id,
                      enum key_purpose purpose, uint8_t key[VAULT_KEY])
{
    crypto_random(key, VAULT_KEY);
    return key_store(tx, v, now_us, merchant_id, purpose, 1, key);
}

/* Columns: version, master version, wrapped. An open key belongs to the bytes that wrap it: a row
 * of a transaction that was rolled back is another when it is made again. */
static err_t open_row(struct store_row *row, struct vault *v, int64_t merchant_id,
                      enum key_purpose purpose, uint8_t key[VAULT_KEY])
{
    int64_t version = row_int(row, 0);
    struct str wrapped = row_text(row, 2);
    struct open_key *k = place_of(v, merchant_id, purpose, version);
    if (is_of(k, wrapped) && k->merchant_id == merchant_id && k->version == version &&
        k->purpose == (int)purpose) {
        memcpy(key, k->key, VAULT_KEY);
        return OK;
    }
    err_t err = key_unwrap(v, row_int(row, 1), merchant_id, purpose, version, wrapped, key);
    if (err)
        return err;
    *k = (struct open_key){.merchant_id = merchant_id, .version = version, .purpose = (int)purpose};
    memcpy(k->nonce, wrapped.p, sizeof k->nonce);
    memcpy(k->key, key, VAULT_KEY);
    return OK;
}

err_t key_current(struct store_tx *tx, struct vault *v, int64_t now_us, int64_t merchant_id,
                  enum key_purpose purpose, int64_t *ret_version, uint8_t key[VAULT_KEY])
{
    struct store_row *row;
    if (!vault_unlocked(v))
        return ERR_UNAVAILABLE;
    err_t err = store_one(tx, SQL_VAULT_READ_CURRENT_KEY, &row, V_INT(merchant_id), V_INT(purpose),
                          V_INT(KEY_CURRENT));
    if (err)
        return err;
    *ret_version = row ? row_int(row, 0) : 1;
    return row ? open_row(row, v, merchant_id, purpose, key)
               : make_key(tx, v, now_us, merchant_id, purpose, key);
}

err_t key_version(struct store_tx *tx, struct vault *v, int64_t merchant_id, int64_t version,
                  uint8_t key[VAULT_KEY])
{
    struct store_row *row;
    if (!vault_unlocked(v))
        return ERR_UNAVAILABLE;
    err_t err = store_one(tx, SQL_VAULT_READ_DATA_KEY, &row, V_INT(merchant_id), V_INT(KEY_CARDS),
                          V_INT(version));
    if (!err && !row)
        err = ERR_CRYPTO;
    return err ? err : open_row(row, v, merchant_id, KEY_CARDS, key);
}

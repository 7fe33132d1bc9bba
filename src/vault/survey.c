/* What an operator asks about keys: which there are, what is under way, does a copy open; and which
 * vault it is. */
#include "vault/vault_internal.h"

const char *vault_source_text(enum vault_source source)
{
    return source == VAULT_FROM_TOKEN ? "pkcs11" : source == VAULT_FROM_SHARES ? "shares" : "file";
}

err_t vault_which(struct store_tx *tx, struct id fresh, struct id *ret)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_VAULT_READ_VAULT, &row, V_INT(0));
    *ret = !err && row ? row_id(row, 0) : fresh;
    return err || row ? err : store_exec(tx, SQL_VAULT_INSERT_VAULT, NULL, V_INT(0), V_ID(&fresh));
}

struct masters {
    err_t (*each)(int64_t version, int state, enum vault_source source, struct str wrapped,
                  void *arg);
    void *arg;
};

static err_t tell_master(struct store_row *row, void *arg)
{
    struct masters *m = arg;
    return m->each(row_int(row, 0), (int)row_int(row, 1), (enum vault_source)row_int(row, 3),
                   row_text(row, 4), m->arg);
}

err_t vault_masters(struct store_tx *tx,
                    err_t (*each)(int64_t version, int state, enum vault_source source,
                                  struct str wrapped, void *arg),
                    void *arg)
{
    struct masters m = {each, arg};
    return store_each(tx, SQL_VAULT_LIST_MASTERS, tell_master, &m, V_INT(0));
}

err_t vault_rotating(struct store_tx *tx, int64_t *ret_master, int64_t *ret_keys,
                     int64_t *ret_merchants)
{
    struct store_row *row;
    *ret_master = *ret_keys = *ret_merchants = 0;
    err_t err = store_one(tx, SQL_VAULT_READ_RETIRING_MASTER, &row, V_INT(0), V_INT(KEY_RETIRING));
    if (err)
        return err;
    *ret_master = row ? row_int(row, 0) : 0;
    err = store_one(tx, SQL_VAULT_COUNT_KEYS_OF_MASTER, &row, V_INT(*ret_master));
    if (!err && row)
        *ret_keys = row_int(row, 0);
    if (!err)
        err = store_one(tx, SQL_VAULT_COUNT_RETIRING_KEYS, &row, V_INT(KEY_CARDS),
                        V_INT(KEY_RETIRING));
    if (!err && row)
        *ret_merchants = row_int(row, 0);
    return err;
}

struct merchants {
    int64_t *ret;
    int n;
};

static err_t list_merchant(struct store_row *row, void *arg)
{
    struct merchants *m = arg;
    m->ret[m->n++] = row_int(row, 0);
    return OK;
}

err_t vault_merchants(struct store_tx *tx, int64_t after, int64_t *ret, int max, int *ret_n)
{
    struct merchants m = {ret, 0};
    err_t err = store_each(tx, SQL_VAULT_LIST_MERCHANTS, list_merchant, &m, V_INT(KEY_CARDS),
                           V_INT(KEY_CURRENT), V_INT(after), V_INT(max));
    *ret_n = m.n;
    return err;
}

struct trial {
    const struct vault *v;
    int64_t keys;
};

static err_t try_key(struct store_row *row, void *arg)
{
    struct trial *t = arg;
    uint8_t key[VAULT_KEY];
    t->keys++;
    err_t err =
        key_unwrap(t->v, row_int(row, 3), row_int(row, 0), (enum key_purpose)row_int(row, 1),
                   row_int(row, 2), row_text(row, 4), key);
    mem_wipe(key, sizeof key);
    return err;
}

err_t vault_try_keys(struct store_tx *tx, const struct vault *v, int64_t *ret_keys)
{
    struct trial t = {.v = v};
    err_t err = store_each(tx, SQL_VAULT_LIST_DATA_KEYS, try_key, &t, V_INT(KEY_CARDS));
    *ret_keys = t.keys;
    return err;
}

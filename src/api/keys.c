/* Merchants and API keys. A key's text is shown once; the row holds its hash. */
#include "api/api_internal.h"

#include <stdio.h>

#include "crypto/crypto.h"

#define KEY_RANDOM 43

err_t merchant_create(struct store_tx *tx, struct det *det, struct str name, int64_t *ret_merchant,
                      struct id *ret_public)
{
    struct store_row *row;
    err_t err = store_lock(tx, 0); /* one new merchant at a time */
    if (!err)
        err = store_one_n(tx, SQL_API_NEXT_MERCHANT, NULL, 0, &row);
    if (err)
        return err;
    *ret_merchant = row ? row_int(row, 0) + 2 : 2;
    ASSERT(*ret_merchant % 2 == 0);
    *ret_public = id_new(det);
    return store_exec(tx, SQL_API_INSERT_MERCHANT, NULL, V_INT(*ret_merchant), V_ID(ret_public),
                      V_TEXT(name), V_INT(0), V_INT(det->now_us));
}

struct merchants {
    struct id wanted, id;
    int64_t merchant;
    int count;
};

static err_t match_merchant(struct store_row *row, void *arg)
{
    struct merchants *m = arg;
    struct id id = row_id(row, 1);
    if (!id_is_zero(m->wanted) && !id_eq(m->wanted, id))
        return OK;
    m->count++;
    m->id = id;
    m->merchant = row_int(row, 0);
    return OK;
}

err_t merchant_find(struct store_tx *tx, struct id public_id, int64_t *ret_merchant,
                    struct id *ret_public)
{
    struct merchants m = {.wanted = public_id};
    err_t err = store_each_n(tx, SQL_API_LIST_MERCHANTS, NULL, 0, match_merchant, &m);
    if (!err && m.count != 1)
        return ERR_NOT_FOUND;
    *ret_merchant = m.merchant;
    *ret_public = m.id;
    return err;
}

void key_generate(enum key_kind kind, bool live, char text[KEY_TEXT_MAX])
{
    int n = snprintf(text, KEY_TEXT_MAX, "%s_%s_", kind == KEY_SECRET ? "sk" : "pk",
                     live ? "live" : "test");
    ASSERT(n > 0 && n + KEY_RANDOM < KEY_TEXT_MAX);
    crypto_random_text(text + n, KEY_RANDOM);
    text[n + KEY_RANDOM] = 0;
}

err_t key_create(struct store_tx *tx, struct det *det, int64_t merchant, enum key_kind kind,
                 const char *text, struct str name, struct id *ret_id)
{
    uint8_t hash[32];
    char hint[16];
    size_t n = strlen(text);
    ASSERT(n > 20 && n < KEY_TEXT_MAX);
    crypto_sha256(text, n, hash);
    (void)snprintf(hint, sizeof hint, "%.8s...%s", text, text + n - 4);
    *ret_id = id_new(det);
    return store_exec(tx, SQL_API_INSERT_KEY, NULL, V_INT(merchant), V_ID(ret_id), V_INT(kind),
                      V_BLOB(hash, 32), V_TEXT(str_from(hint)), V_TEXT(name),
                      V_TEXT(STR(API_VERSION)), V_INT(det->now_us));
}

static err_t write_key(struct store_row *row, void *arg)
{
    struct jw *w = arg;
    jw_object(w, NULL);
    jw_id(w, "id", ID_KEY, row_id(row, 0));
    jw_str(w, "kind", row_int(row, 1) == KEY_SECRET ? STR("secret") : STR("publishable"));
    jw_str(w, "hint", row_text(row, 2));
    jw_str(w, "name", row_text(row, 3));
    jw_str(w, "api_version", row_text(row, 4));
    jw_time(w, "created", row_int(row, 5));
    if (row_int(row, 6))
        jw_time(w, "revoked", row_int(row, 6));
    else
        jw_null(w, "revoked");
    jw_object_end(w);
    return OK;
}

err_t key_list(struct store_tx *tx, int64_t merchant, struct jw *w, const char *key)
{
    jw_array(w, key);
    err_t err = store_each(tx, SQL_API_LIST_KEYS, write_key, w, V_INT(merchant));
    if (!err)
        err = store_each(tx, SQL_API_LIST_KEYS, write_key, w, V_INT(merchant + 1));
    jw_array_end(w);
    return err;
}

struct partitions {
    size_t n;
    int64_t merchant[1024];
};

static err_t take_partition(struct store_row *row, void *arg)
{
    struct partitions *p = arg;
    if (p->n < COUNT_OF(p->merchant))
        p->merchant[p->n++] = row_int(row, 0);
    return OK;
}

err_t key_revoke(struct store_tx *tx, int64_t now_us, struct id key_id)
{
    struct partitions p = {0};
    err_t err = store_each_n(tx, SQL_API_LIST_MERCHANTS, NULL, 0, take_partition, &p);
    for (size_t i = 0; !err && i < p.n; i++)
        for (int64_t mode = 0; !err && mode < 2; mode++) {
            int64_t changed = 0;
            err = store_exec(tx, SQL_API_REVOKE_KEY, &changed, V_INT(now_us),
                             V_INT(p.merchant[i] + mode), V_ID(&key_id));
            if (!err && changed == 1)
                return OK;
        }
    return err ? err : ERR_NOT_FOUND;
}

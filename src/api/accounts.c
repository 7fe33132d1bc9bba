/* /v1/provider_accounts, and the opened credentials that connectors are given. Credentials are
 * write only. */
#include "api/api_internal.h"

#include <stdio.h>

#include "crypto/crypto.h"

#define CREDENTIALS_MAX ((size_t)16 * 1024)
#define PERMIT_MAX ((size_t)4096)
#define CACHE_SLOTS 64
#define CACHE_VALID_US 1000000

/* --- sealed in the row, bound to it --- */
static struct str account_aad(uint8_t out[24], int64_t merchant, struct id account)
{
    num_put64(out, (uint64_t)merchant);
    memcpy(out + 8, account.b, 16);
    return (struct str){(const char *)out, 24};
}

void account_seal(const uint8_t key[32], int64_t merchant, struct id account,
                  struct str credentials, struct buf *out)
{
    uint8_t aad[24];
    crypto_seal(key, account_aad(aad, merchant, account), credentials, out);
}

err_t account_create(struct store_tx *tx, struct det *det, const uint8_t key[32], int64_t merchant,
                     struct str connector, int16_t priority, struct str credentials,
                     struct id *ret_id)
{
    struct store_row *row;
    struct buf sealed = BUF(CREDENTIALS_MAX);
    err_t err = store_one(tx, SQL_API_NEXT_ACCOUNT_NUMBER, &row, V_INT(merchant));
    if (err)
        return err;
    int64_t number = row ? row_int(row, 0) + 1 : 1;
    if (number > INT16_MAX)
        return ERR_UNPROCESSABLE;
    *ret_id = id_new(det);
    account_seal(key, merchant, *ret_id, credentials, &sealed);
    err = sealed.failed
              ? ERR_NO_MEMORY
              : store_exec(tx, SQL_API_INSERT_ACCOUNT, NULL, V_INT(merchant), V_ID(ret_id),
                           V_INT(number), V_TEXT(connector), V_INT(priority),
                           V_BLOB(sealed.p, sealed.n), V_INT(det->now_us));
    buf_free(&sealed);
    return err;
}

struct finding {
    struct str connector;
    struct id id;
    bool found;
};

static err_t match_connector(struct store_row *row, void *arg)
{
    struct finding *f = arg;
    if (!f->found && str_eq(row_text(row, 2), f->connector)) {
        f->id = row_id(row, 0);
        f->found = true;
    }
    return OK;
}

err_t account_update(struct store_tx *tx, int64_t now_us, const uint8_t key[32], int64_t merchant,
                     struct str connector, struct str credentials, struct id *ret_id,
                     bool *ret_found)
{
    struct finding f = {.connector = connector};
    struct buf sealed = BUF(CREDENTIALS_MAX);
    err_t err = store_each(tx, SQL_API_LIST_ACCOUNTS, match_connector, &f, V_INT(merchant));
    *ret_found = f.found;
    *ret_id = f.id;
    if (err || !f.found)
        return err;
    account_seal(key, merchant, f.id, credentials, &sealed);
    err = sealed.failed
              ? ERR_NO_MEMORY
              : store_exec(tx, SQL_API_SET_ACCOUNT_CREDENTIALS, NULL, V_BLOB(sealed.p, sealed.n),
                           V_INT(now_us), V_INT(merchant), V_ID(&f.id));
    buf_free(&sealed);
    return err;
}

err_t account_set_permit(struct store_tx *tx, int64_t now_us, int64_t merchant, struct id account,
                         struct str lines)
{
    if (lines.n > PERMIT_MAX)
        return ERR_TOO_LARGE;
    return store_exec_one(tx, SQL_API_SET_ACCOUNT_PERMIT, ERR_NOT_FOUND, V_TEXT(lines),
                          V_INT(now_us), V_INT(merchant), V_ID(&account));
}

/* --- opened, for connectors --- */
struct opened {
    int64_t merchant, valid_until_us;
    int16_t number;
    char connector[41];
    struct buf credentials, permit;
};

struct named {
    struct id account;
    int64_t valid_until_us;
    struct account_name name;
};

struct accounts {
    struct store *store;
    uint8_t key[32];
    pthread_mutex_t lock;
    struct opened slot[CACHE_SLOTS];
    struct named named[CACHE_SLOTS];
};

err_t accounts_open(struct store *store, const uint8_t key[32], struct accounts **ret)
{
    struct accounts *a = mem_alloc(sizeof *a);
    if (!a)
        return ERR_NO_MEMORY;
    a->store = store;
    memcpy(a->key, key, 32);
    pthread_mutex_init(&a->lock, NULL);
    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        a->slot[i].credentials = BUF(CREDENTIALS_MAX);
        a->slot[i].permit = BUF(PERMIT_MAX);
    }
    *ret = a;
    return OK;
}

void accounts_close(struct accounts *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        struct buf *b = &a->slot[i].credentials;
        if (b->p)
            mem_wipe(b->p, b->n);
        buf_free(b);
        buf_free(&a->slot[i].permit);
    }
    mem_wipe(a->key, sizeof a->key);
    pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

const uint8_t *accounts_key(struct accounts *a)
{
    return a->key;
}

static struct opened *account_slot(struct accounts *a, int64_t merchant, int16_t number)
{
    return &a->slot[((uint64_t)merchant * 31 + (uint64_t)number) % CACHE_SLOTS];
}

struct loading {
    struct accounts *a;
    struct opened *o;
};

static err_t load_account(struct store_tx *tx, void *arg)
{
    struct loading *l = arg;
    struct store_row *row;
    uint8_t aad[24];
    err_t err =
        store_one(tx, SQL_API_READ_ACCOUNT, &row, V_INT(l->o->merchant), V_INT(l->o->number));
    if (err || !row)
        return err ? err : ERR_NOT_FOUND;
    (void)snprintf(l->o->connector, sizeof l->o->connector, STR_FMT, STR_ARG(row_text(row, 1)));
    buf_clear(&l->o->credentials);
    buf_clear(&l->o->permit);
    buf_add(&l->o->permit, row_text(row, 3).p, row_text(row, 3).n);
    if (l->o->permit.failed)
        return ERR_NO_MEMORY;
    return crypto_open(l->a->key, account_aad(aad, l->o->merchant, row_id(row, 0)),
                       row_text(row, 2), &l->o->credentials);
}

/* The lock is not held while the store is read: those who must not wait take it, too. */
err_t accounts_lookup(void *self, int64_t merchant, int16_t number, char ret_connector[41],
                      struct buf *ret_credentials, struct buf *ret_permit)
{
    struct accounts *a = self;
    struct opened *o = account_slot(a, merchant, number);
    struct opened fresh = {.merchant = merchant,
                           .number = number,
                           .credentials = BUF(CREDENTIALS_MAX),
                           .permit = BUF(PERMIT_MAX)};
    struct loading l = {a, &fresh};
    int64_t now_us = sys_mono_us();
    err_t err = OK;
    pthread_mutex_lock(&a->lock);
    bool hit = o->merchant == merchant && o->number == number && now_us < o->valid_until_us;
    if (!hit) {
        pthread_mutex_unlock(&a->lock);
        err = store_read(a->store, load_account, &l);
        fresh.valid_until_us = err ? 0 : now_us + CACHE_VALID_US;
        pthread_mutex_lock(&a->lock);
        struct opened before = *o;
        *o = fresh;
        fresh = before;
    }
    if (!err) {
        memcpy(ret_connector, o->connector, sizeof o->connector);
        buf_clear(ret_credentials);
        buf_join(ret_credentials, &o->credentials);
        if (ret_permit) {
            buf_clear(ret_permit);
            buf_join(ret_permit, &o->permit);
        }
        err = ret_credentials->failed || (ret_permit && ret_permit->failed) ? ERR_NO_MEMORY : OK;
    }
    pthread_mutex_unlock(&a->lock);
    if (fresh.credentials.p)
        mem_wipe(fresh.credentials.p, fresh.credentials.n);
    buf_free(&fresh.credentials);
    buf_free(&fresh.permit);
    return err;
}

bool accounts_peek(void *self, int64_t merchant, int16_t number, char ret_connector[41])
{
    struct accounts *a = self;
    struct opened *o = account_slot(a, merchant, number);
    pthread_mutex_lock(&a->lock);
    bool found = o->merchant == merchant && o->number == number && o->connector[0];
    if (found)
        memcpy(ret_connector, o->connector, sizeof o->connector);
    pthread_mutex_unlock(&a->lock);
    return found;
}

/* --- by public id --- */
struct naming {
    struct id account;
    struct account_name name;
};

static err_t read_name(struct store_tx *tx, void *arg)
{
    struct naming *n = arg;
    struct store_row *row;
    err_t err = store_one(tx, SQL_API_FIND_ACCOUNT, &row, V_ID(&n->account));
    if (err || !row)
        return err ? err : ERR_NOT_FOUND;
    n->name.merchant = row_int(row, 0);
    n->name.number = (int16_t)row_int(row, 1);
    (void)snprintf(n->name.connector, sizeof n->name.connector, STR_FMT, STR_ARG(row_text(row, 2)));
    return OK;
}

err_t accounts_find(struct accounts *a, struct id account, struct account_name *ret)
{
    struct naming n = {.account = account};
    struct named *slot = &a->named[(account.b[14] << 8 | account.b[13]) % CACHE_SLOTS];
    int64_t now_us = sys_mono_us();
    pthread_mutex_lock(&a->lock);
    bool hit = id_eq(slot->account, account) && now_us < slot->valid_until_us;
    if (hit)
        *ret = slot->name;
    pthread_mutex_unlock(&a->lock);
    if (hit)
        return OK;
    /* Without the lock: anybody may ask for accounts that do not exist. */
    err_t err = store_read(a->store, read_name, &n);
    if (err)
        return err;
    *ret = n.name;
    pthread_mutex_lock(&a->lock);
    *slot = (struct named){account, now_us + CACHE_VALID_US, n.name};
    pthread_mutex_unlock(&a->lock);
    return OK;
}

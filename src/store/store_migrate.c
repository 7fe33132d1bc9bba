/* Migrations: append-only, checksummed, each in a transaction of its own. Table schema_version
 * remembers them. */
#include "store/store_internal.h"

#include <sodium.h>
#include <stdio.h>

#include "sys/sys.h"

#define CHECKSUM_BYTES 32
#define CHECKSUM_TEXT (2 * CHECKSUM_BYTES + 1)
#define MIGRATION_BYTES_MAX (1 << 20)

static const char schema_version[] =
    "CREATE TABLE schema_version ("
    "version BIGINT NOT NULL PRIMARY KEY,"
    "name VARCHAR(120) NOT NULL,"
    "checksum VARCHAR(64) NOT NULL," /* BLAKE2b-256 of the file, hex */
    "applied_at BIGINT NOT NULL)";

static void checksum_of(const struct sql_migration *m, char out[CHECKSUM_TEXT])
{
    unsigned char hash[CHECKSUM_BYTES];
    int failed = crypto_generichash(hash, sizeof hash, (const unsigned char *)m->text,
                                    strlen(m->text), NULL, 0);
    ASSERT(failed == 0);
    (void)sodium_bin2hex(out, CHECKSUM_TEXT, hash, sizeof hash);
}

/* --- what the store has --- */
struct have {
    const struct sql_migration *list;
    size_t n;
    const char *set;
    size_t done; /* migrations of the list that are there */
    struct err_info *reterr;
};

static err_t check_applied(struct store_row *row, void *arg)
{
    struct have *h = arg;
    int64_t version = row_int(row, 0);
    struct str name = row_text(row, 1), checksum = row_text(row, 2);
    char want[CHECKSUM_TEXT];
    if (h->done == h->n)
        return error_set(h->reterr, ERR_STORE,
                         "The store's schema is newer than this program: it has version %lld, the "
                         "program knows %d. "
                         "Start a newer florin.",
                         (long long)version, h->list[h->n - 1].version);
    const struct sql_migration *m = &h->list[h->done];
    if (version != m->version)
        return error_set(h->reterr, ERR_STORE,
                         "The store has schema version %lld (" STR_FMT
                         ") where version %d (%s) belongs.",
                         (long long)version, STR_ARG(name), m->version, m->name);
    checksum_of(m, want);
    if (!str_eq(checksum, str_from(want)))
        return error_set(h->reterr, ERR_STORE,
                         "Migration %d (%s) of set %s is not the one this store was made with: its "
                         "checksum differs.",
                         m->version, m->name, h->set);
    h->done++;
    return OK;
}

static err_t read_applied(struct conn *c, struct have *h)
{
    bool there = false;
    err_t err = c->engine->has_table(c, "schema_version", &there, h->reterr);
    if (err || !there)
        return err;
    struct store_tx tx = {.conn = c};
    h->reterr->err = OK;
    err = store_each_n(&tx, SQL_STORE_SELECT_SCHEMA_VERSIONS, NULL, 0, check_applied, h);
    c->engine->end_rows(c);
    if (err && h->reterr->err == OK)
        return error_set(h->reterr, ERR_STORE, "The table schema_version cannot be read.");
    return err;
}

/* --- running --- */
static err_t expand(const struct sql_migration *m, const char *without_rowid, struct buf *out)
{
    static const char token[] = "@WITHOUT_ROWID@";
    const char *from = m->text;
    for (const char *at; (at = strstr(from, token)); from = at + sizeof token - 1) {
        buf_add(out, from, (size_t)(at - from));
        buf_str(out, without_rowid);
    }
    buf_str(out, from);
    return out->failed ? ERR_NO_MEMORY : OK;
}

static err_t record(struct conn *c, const struct sql_migration *m)
{
    char checksum[CHECKSUM_TEXT];
    int64_t changed = 0;
    struct store_tx tx = {.conn = c};
    checksum_of(m, checksum);
    err_t err =
        store_exec(&tx, SQL_STORE_INSERT_SCHEMA_VERSION, &changed, V_INT(m->version),
                   V_TEXT(str_from(m->name)), V_TEXT(str_from(checksum)), V_INT(sys_now_us()));
    if (err == OK)
        ASSERT(changed == 1);
    return err;
}

static err_t migrate_one(struct conn *c, const struct sql_migration *m, struct err_info *reterr)
{
    const struct engine *e = c->engine;
    struct buf text = BUF(MIGRATION_BYTES_MAX);
    bool there = false;
    struct err_info why = {0};
    err_t err = expand(m, e->without_rowid, &text);
    if (err == OK)
        err = e->begin(c);
    if (err)
        goto out;
    err = e->has_table(c, "schema_version", &there, &why);
    if (err == OK && !there)
        err = e->script(c, schema_version, &why);
    if (err == OK)
        err = e->script(c, text.p, &why);
    if (err == OK)
        err = record(c, m);
    if (err == OK)
        err = e->commit(c);
    if (err)
        e->rollback(c);
out:
    buf_free(&text);
    if (err)
        return error_set(reterr, ERR_STORE, "Migration %d (%s) failed: %s", m->version, m->name,
                         why.detail[0] ? why.detail : error_def(err)->title);
    return OK;
}

err_t migrate_run(struct conn *c, const struct sql_migration *list, size_t n, const char *set,
                  bool migrate, struct err_info *reterr)
{
    struct err_info own = {0};
    ASSERT(n > 0);
    for (size_t i = 1; i < n; i++)
        ASSERT(list[i - 1].version < list[i].version);
    struct have have = {.list = list, .n = n, .set = set, .reterr = reterr ? reterr : &own};
    err_t err = read_applied(c, &have);
    if (err)
        return err;
    if (have.done < n && !migrate)
        return error_set(
            reterr, ERR_STORE,
            "The store's schema is older than this program: %zu of its %zu migrations are missing. "
            "Run `florin migrate`.",
            n - have.done, n);
    for (; have.done < n; have.done++) {
        err = migrate_one(c, &list[have.done], reterr);
        if (err)
            return err;
    }
    return OK;
}

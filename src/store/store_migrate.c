/* Migrations: append-only, checksummed, what is missing in one transaction. Table schema_version
 * remembers them. */
#include "store/store_internal.h"

#include <sodium.h>
#include <stdio.h>

#include "sys/sys.h"

#define CHECKSUM_BYTES 32
#define CHECKSUM_TEXT (2 * CHECKSUM_BYTES + 1)
#define MIGRATION_BYTES_MAX (1 << 20)

static const char schema_version[] =
    "CREATE TABLE IF NOT EXISTS schema_version ("
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
    enum migrate_mode mode;
    size_t done;   /* migrations of the list that are there */
    int64_t floor; /* what the store asks of programs, see table schema_floor */
    struct err_info *reterr;
};

static err_t check_applied(struct store_row *row, void *arg)
{
    struct have *h = arg;
    int64_t version = row_int(row, 0);
    struct str name = row_text(row, 1), checksum = row_text(row, 2);
    char want[CHECKSUM_TEXT];
    if (h->done == h->n && h->floor <= h->list[h->n - 1].version)
        return OK; /* newer, and it can be lived with: nodes are being upgraded one by one */
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

static err_t read_floor(struct conn *c, struct have *h)
{
    bool there = false;
    struct store_row *row = NULL;
    h->floor = INT64_MAX;
    err_t err = c->engine->has_table(c, "schema_floor", &there, h->reterr);
    if (err || !there)
        return err;
    struct store_tx tx = {.conn = c};
    err = store_one(&tx, SQL_STORE_SELECT_SCHEMA_FLOOR, &row, V_INT(0));
    if (!err && row)
        h->floor = row_int(row, 0);
    c->engine->end_rows(c);
    if (err || h->floor != SCHEMA_FLOOR_COPYING)
        return err;
    if (h->mode != MIGRATE_UNFINISHED)
        return error_set(h->reterr, ERR_STORE,
                         "A copy into this store was begun and has not ended. Run `florin store "
                         "copy` again; it goes on where it stopped.");
    return err;
}

static err_t read_applied(struct conn *c, struct have *h)
{
    bool there = false;
    h->done = 0;
    h->reterr->err = OK;
    err_t err = c->engine->has_table(c, "schema_version", &there, h->reterr);
    if (!err && there)
        err = read_floor(c, h);
    if (err || !there)
        return err;
    struct store_tx tx = {.conn = c};
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

const char *after_text(const char *name)
{
    for (const struct sql_after *a = sql_afters; a->name; a++)
        if (strcmp(a->name, name) == 0)
            return a->text;
    return NULL;
}

/* What the engine wants beside the portable schema, whenever that has changed. */
static err_t run_after(struct conn *c, const struct have *h)
{
    const char *text = strcmp(h->set, "florin") == 0 ? after_text(c->engine->name) : NULL;
    return text ? c->engine->script(c, text, h->reterr) : OK;
}

/* The migrations that are missing once the schema is ours alone: another node may have been
 * quicker. */
static err_t migrate_missing(struct conn *c, struct have *h, char failed[128])
{
    const struct engine *e = c->engine;
    err_t err = e->script(c, schema_version, h->reterr);
    if (!err && e->lock_schema)
        err = e->lock_schema(c, h->reterr);
    if (!err)
        err = read_applied(c, h);
    bool missing = h->done < h->n;
    for (; !err && h->done < h->n; h->done++) {
        const struct sql_migration *m = &h->list[h->done];
        struct buf text = BUF(MIGRATION_BYTES_MAX);
        (void)snprintf(failed, 128, "Migration %d (%s) failed: ", m->version, m->name);
        err = expand(m, e->without_rowid, &text);
        if (!err)
            err = e->script(c, text.p, h->reterr);
        if (!err)
            err = record(c, m);
        buf_free(&text);
        if (err)
            return err;
        failed[0] = 0;
    }
    return err || !missing ? err : run_after(c, h);
}

/* All in one transaction: a store has a whole schema or the one that it had. */
static err_t migrate_all(struct conn *c, struct have *h, struct err_info *reterr)
{
    const struct engine *e = c->engine;
    struct err_info why = {0};
    char failed[128] = "";
    struct have own = *h;
    own.reterr = &why;
    err_t err = e->begin(c);
    if (err)
        return error_set(reterr, ERR_STORE, "The schema cannot be changed: %s.",
                         error_def(err)->title);
    err = migrate_missing(c, &own, failed);
    if (!err)
        err = e->commit(c, 0);
    if (!err)
        return OK;
    e->rollback(c);
    if (err == ERR_SOFT) /* two nodes made the first table at once */
        return err;
    return error_set(reterr, ERR_STORE, "%s%s", failed,
                     why.detail[0] ? why.detail : error_def(err)->title);
}

err_t migrate_run(struct conn *c, const struct sql_migration *list, size_t n, const char *set,
                  enum migrate_mode mode, struct err_info *reterr)
{
    struct err_info own = {0};
    ASSERT(n > 0);
    for (size_t i = 1; i < n; i++)
        ASSERT(list[i - 1].version < list[i].version);
    struct have have = {
        .list = list, .n = n, .set = set, .mode = mode, .reterr = reterr ? reterr : &own};
    for (int repeat = 0;; repeat++) {
        err_t err = read_applied(c, &have);
        if (err)
            return err;
        if (have.done >= n)
            return OK;
        if (have.floor == SCHEMA_FLOOR_COPYING)
            return error_set(reterr, ERR_STORE,
                             "The copy into this store was begun by an older florin. End it with "
                             "that one, or begin again with an empty database.");
        if (mode == MIGRATE_CHECK)
            return error_set(reterr, ERR_STORE,
                             "The store's schema is older than this program: %zu of its %zu "
                             "migrations are missing. "
                             "Run `florin migrate`.",
                             n - have.done, n);
        err = migrate_all(c, &have, reterr);
        if (err && (err != ERR_SOFT || repeat == REPEATS_MAX))
            return err;
    }
}

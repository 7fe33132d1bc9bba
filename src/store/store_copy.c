/* Copies a SQLite store into PostgreSQL: what the tables and columns are is read from the catalogs,
 * so that a new table cannot be forgotten; that is why these statements are made here and are no
 * files. */
#include "store/store_copy.h"

#include <libpq-fe.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/num.h"
#include "store/store_copy_row.h"
#include "store/store_postgres.h"

#define CHUNK_ROWS 5000
#define SOURCE_WAIT_MS 10000
#define TEXT_MAX 8192

/* Of the schema and of connections, and the program's own. */
static const char *const left_out[] = {"schema_version", "schema_floor", "commit_mark"};

struct copying {
    struct copy *copy;
    sqlite3 *from;
    PGconn *to;
    struct err_info *reterr;
};

static err_t from_failed(struct copying *c)
{
    return copy_from_failed(c->from, c->reterr);
}

static err_t to_failed(struct copying *c)
{
    return copy_to_failed(c->to, c->reterr);
}

/* A statement at the destination; one number of its first row, 0 without rows. */
static err_t to_int(struct copying *c, const char *text, int64_t *ret)
{
    PGresult *r = PQexec(c->to, text);
    ExecStatusType status = PQresultStatus(r);
    err_t err = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? OK : to_failed(c);
    if (ret) {
        *ret = 0;
        if (!err && PQntuples(r) > 0 && !str_to_i64(str_from(PQgetvalue(r, 0, 0)), ret))
            err = error_set(c->reterr, ERR_STORE, "The destination: no number for: %s", text);
    }
    PQclear(r);
    return err;
}

static err_t from_int(struct copying *c, const char *text, int64_t *ret)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(c->from, text, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    *ret = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    sqlite3_finalize(st);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? OK : from_failed(c);
}

/* --- the tables --- */
static bool is_left_out(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(left_out); i++)
        if (strcmp(left_out[i], name) == 0)
            return true;
    return false;
}

static err_t list_tables(struct copying *c)
{
    sqlite3_stmt *st = NULL;
    struct copy *copy = c->copy;
    int rc = sqlite3_prepare_v2(c->from,
                                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT "
                                "LIKE 'sqlite_%' ORDER BY name",
                                -1, &st, NULL);
    copy->tables_n = 0;
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(st, 0);
        rc = SQLITE_OK;
        if (is_left_out(name))
            continue;
        ASSERT(copy->tables_n < COPY_TABLES_MAX);
        struct copy_table *t = &copy->tables[copy->tables_n++];
        *t = (struct copy_table){.rows = 0};
        (void)snprintf(t->name, sizeof t->name, "%s", name);
    }
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? OK : from_failed(c);
}

static err_t count_rows(struct copying *c, bool source)
{
    err_t err = OK;
    for (size_t i = 0; i < c->copy->tables_n && !err; i++) {
        struct copy_table *t = &c->copy->tables[i];
        char text[128];
        (void)snprintf(text, sizeof text, "SELECT count(*) FROM %s", t->name);
        err = source ? from_int(c, text, &t->rows) : to_int(c, text, &t->done);
    }
    return err;
}

/* --- one chunk --- */
static err_t send(struct copying *c, struct buf *out)
{
    if (out->failed)
        return error_set(c->reterr, ERR_NO_MEMORY, "No memory for a row.");
    if (PQputCopyData(c->to, out->p, (int)out->n) != 1)
        return to_failed(c);
    buf_clear(out);
    return OK;
}

/* Begins COPY, sends up to a chunk of rows from the statement, ends it: all or nothing. */
static err_t copy_chunk(struct copying *c, const struct copy_shape *s, sqlite3_stmt *st,
                        int64_t *ret_rows)
{
    char text[TEXT_MAX];
    struct buf out = BUF((size_t)16 << 20);
    int n = snprintf(text, sizeof text, "COPY %s (%s) FROM STDIN (FORMAT binary)", s->table,
                     s->columns_text);
    ASSERT(n > 0 && n < (int)sizeof text);
    PGresult *r = PQexec(c->to, text);
    err_t err = PQresultStatus(r) == PGRES_COPY_IN ? OK : to_failed(c);
    PQclear(r);
    if (err)
        return err;
    copy_row_head(&out);
    *ret_rows = 0;
    int rc = SQLITE_DONE;
    while (!err && *ret_rows < CHUNK_ROWS && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        err = copy_row(s, st, &out, c->reterr);
        ++*ret_rows;
        if (!err && out.n > 60000)
            err = send(c, &out);
    }
    if (!err && rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = from_failed(c);
    copy_row_end(&out);
    if (!err)
        err = send(c, &out);
    if (PQputCopyEnd(c->to, err ? "broken off" : NULL) != 1 && !err)
        err = to_failed(c);
    r = PQgetResult(c->to);
    if (!err && PQresultStatus(r) != PGRES_COMMAND_OK)
        err = to_failed(c);
    PQclear(r);
    while ((r = PQgetResult(c->to)))
        PQclear(r);
    buf_free(&out);
    return err;
}

static err_t copy_table(struct copying *c, struct copy_table *t)
{
    struct copy_shape shape;
    sqlite3_stmt *st = NULL;
    int64_t rows;
    err_t err = copy_shape_read(c->from, c->to, t->name, &shape, c->reterr);
    if (!err)
        err = copy_rest(c->from, c->to, &shape, &st, c->reterr);
    do {
        if (!err)
            err = copy_chunk(c, &shape, st, &rows);
        if (err)
            break;
        t->done += rows;
        if (c->copy->progress)
            c->copy->progress(c->copy, t, c->copy->arg);
    } while (rows == CHUNK_ROWS);
    sqlite3_finalize(st);
    return err;
}

/* --- the same source, the same destination --- */
/* Changes with every write to the file, as 62 bits. A clean stop leaves no log beside it. */
static int64_t identity(const char *path)
{
    char log[1100];
    struct stat st[2] = {{0}};
    int64_t facts[4];
    uint8_t hash[16];
    (void)snprintf(log, sizeof log, "%s-wal", path);
    if (stat(path, &st[0]) != 0)
        return 0;
    if (stat(log, &st[1]) != 0 || st[1].st_size == 0)
        st[1] = (struct stat){0};
    for (int i = 0; i < 2; i++) {
        facts[2 * i] = st[i].st_size;
        facts[2 * i + 1] = st[i].st_mtim.tv_sec * INT64_C(1000000000) + st[i].st_mtim.tv_nsec;
    }
    (void)crypto_generichash(hash, sizeof hash, (const unsigned char *)facts, sizeof facts, NULL,
                             0);
    return (int64_t)(num_get64(hash) >> 2) + 1;
}

/* A node that started on the empty destination would serve it while it fills. The sessions of this
 * program's own check are still ending. */
static err_t alone(struct copying *c)
{
    int64_t others = 1;
    err_t err = OK;
    for (int i = 0; !err && others > 0 && i < 40; i++) {
        if (i > 0)
            pause_before(1, 50000);
        err = to_int(c,
                     "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                     "AND application_name = 'florin' AND pid <> pg_backend_pid()",
                     &others);
    }
    if (!err && others > 0)
        err = error_set(c->reterr, ERR_STORE,
                        "A Florin runs on the destination. Stop it first: it would serve half a "
                        "store.");
    return err;
}

/* Which source a copy under way is of, and that it is under way: the rows of schema_floor. */
static err_t begin(struct copying *c, int64_t source)
{
    char text[256];
    int64_t floor, begun, rows = 0;
    err_t err = to_int(c, "SELECT version FROM schema_floor WHERE merchant_id = 0", &floor);
    if (!err)
        err = to_int(c, "SELECT version FROM schema_floor WHERE merchant_id = 1", &begun);
    if (!err)
        err = count_rows(c, false);
    if (err)
        return err;
    if (floor == SCHEMA_FLOOR_COPYING) {
        if (begun == source)
            return OK;
        return error_set(c->reterr, ERR_STORE,
                         "The destination holds a part of another store, or the source has changed "
                         "since that copy began. Make an empty database and begin again.");
    }
    for (size_t i = 0; i < c->copy->tables_n; i++)
        rows += c->copy->tables[i].done;
    if (rows > 0)
        return error_set(c->reterr, ERR_STORE,
                         "The destination is not empty: it is in use, or a copy into it is "
                         "complete.");
    (void)snprintf(text, sizeof text,
                   "BEGIN; UPDATE schema_floor SET version = %lld WHERE merchant_id = 0;"
                   "INSERT INTO schema_floor (merchant_id, version) VALUES (1, %lld); COMMIT",
                   (long long)SCHEMA_FLOOR_COPYING, (long long)source);
    return to_int(c, text, NULL);
}

static err_t compare_counts(struct copying *c)
{
    err_t err = count_rows(c, false);
    for (size_t i = 0; !err && i < c->copy->tables_n; i++) {
        const struct copy_table *t = &c->copy->tables[i];
        if (t->rows != t->done)
            err = error_set(c->reterr, ERR_STORE,
                            "Table %s has %lld rows in the source and %lld in the destination.",
                            t->name, (long long)t->rows, (long long)t->done);
    }
    return err;
}

static err_t copy_all(struct copying *c)
{
    err_t err = list_tables(c);
    if (!err)
        err = count_rows(c, true);
    if (!err)
        err = alone(c);
    if (!err)
        err = begin(c, identity(c->copy->from));
    if (!err) /* and now none can start */
        err = alone(c);
    for (size_t i = 0; !err && i < c->copy->tables_n; i++)
        err = copy_table(c, &c->copy->tables[i]);
    return err ? err : compare_counts(c);
}

static PGconn *dial(const char *uri, struct err_info *reterr)
{
    PGconn *pg = pg_dial(uri);
    if (pg && PQstatus(pg) == CONNECTION_OK) {
        PGresult *r = PQexec(pg, "SET client_encoding = 'UTF8'");
        PQclear(r);
        return pg;
    }
    (void)copy_to_failed(pg, reterr);
    PQfinish(pg);
    return NULL;
}

err_t copy_run(struct copy *copy, struct err_info *reterr)
{
    struct copying c = {.copy = copy, .reterr = reterr};
    err_t err = OK;
    /* The folder's lock keeps a Florin out; this, `florin keys` and whoever else writes beside one,
     * once such a one has ended. */
    if (sqlite3_open_v2(copy->from, &c.from, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(c.from, SOURCE_WAIT_MS) != SQLITE_OK ||
        sqlite3_exec(c.from, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        err = from_failed(&c);
    if (!err)
        err = from_int(&c, "SELECT version FROM schema_floor WHERE merchant_id = 0", &copy->floor);
    if (!err && !(c.to = dial(copy->to, reterr)))
        err = ERR_STORE;
    if (!err)
        err = copy_all(&c);
    PQfinish(c.to);
    copy->source = c.from;
    return err;
}

void copy_release(struct copy *copy)
{
    (void)sqlite3_close(copy->source);
    copy->source = NULL;
}

err_t copy_end(struct copy *copy, struct err_info *reterr)
{
    char text[256];
    struct copying c = {.copy = copy, .to = dial(copy->to, reterr), .reterr = reterr};
    if (!c.to)
        return ERR_STORE;
    (void)snprintf(text, sizeof text,
                   "BEGIN; UPDATE schema_floor SET version = %lld WHERE merchant_id = 0;"
                   "DELETE FROM schema_floor WHERE merchant_id = 1; COMMIT",
                   (long long)copy->floor);
    err_t err = to_int(&c, text, NULL);
    PQfinish(c.to);
    return err;
}

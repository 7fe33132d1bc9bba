/* Engine SQLite: connections, transactions, what its failures mean, checkpoints. */
#include "store/store_sqlite.h"

#include <stdio.h>

#include "observe/observe.h"

/* Idempotency keys land on a random page each, and a page is what is written: measured at 64
 * connections, 4 KiB wrote 16.8 KB per payment and 8 KiB 23.6 KB. Of a new database; never changed
 * later. */
#define PAGE_BYTES 4096
/* The log is moved into the database at this many pages (64 MiB), after the answers of a batch went
 * out. */
#define CHECKPOINT_PAGES 16384
/* When readers kept it from being reused up to so many times that, they are waited for. */
#define CHECKPOINT_WAIT 8
#define BUSY_TIMEOUT_MS 5000
#define READER_CACHE_KIB_MAX 2048

static const char *const fixed_text[FIXED_COUNT] = {
    [FIXED_BEGIN] = "BEGIN",
    [FIXED_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [FIXED_COMMIT] = "COMMIT",
    [FIXED_ROLLBACK] = "ROLLBACK",
    [FIXED_SAVEPOINT] = "SAVEPOINT operation",
    [FIXED_RELEASE] = "RELEASE operation",
    [FIXED_ROLLBACK_TO] = "ROLLBACK TO operation",
};

/* --- failures --- */
static err_t constraint_error(struct sqlite_conn *c, int rc, const char *what)
{
    if (rc == SQLITE_CONSTRAINT_CHECK || rc == SQLITE_CONSTRAINT_UNIQUE ||
        rc == SQLITE_CONSTRAINT_PRIMARYKEY)
        return ERR_STATE;
    LOG(LOG_ERROR, "store.constraint", LOG_STR("statement", what),
        LOG_STR("message", sqlite3_errmsg(c->db)));
    return ERR_STORE; /* NOT NULL and the like: our mistake, not a state of things */
}

static bool is_disk_failure(int rc)
{
    int primary = rc & 0xff;
    return primary == SQLITE_IOERR || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

err_t sqlite_error(struct sqlite_conn *c, int rc, const char *what)
{
    ASSERT(rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE);
    if (c->serving &&
        is_disk_failure(
            rc)) /* after a failed fsync the kernel may call the pages clean: never try again */
        check_panic("store: %s: %s (%d)", what, sqlite3_errstr(rc), rc);
    /* A full disk (met while a batch outgrows the cache) or lack of memory may undo one statement,
     * which fails its operation alone, or the whole transaction. In the second case the operations
     * before this one are gone too, though their results say they stand; the log is whole, so
     * starting again from it is the one state that is surely right. */
    if (c->serving && c->in_transaction && sqlite3_get_autocommit(c->db))
        check_panic("store: the transaction was undone: %s: %s (%d)", what, sqlite3_errstr(rc), rc);
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        return constraint_error(c, rc, what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_SCHEMA:
        return ERR_SOFT;
    case SQLITE_NOMEM:
        return ERR_NO_MEMORY;
    case SQLITE_MISUSE:
        check_panic("store: %s: SQLite is misused", what);
    default:
        LOG(LOG_ERROR, "store.statement_failed", LOG_STR("statement", what), LOG_INT("code", rc),
            LOG_STR("message", sqlite3_errmsg(c->db)));
        return ERR_STORE;
    }
}

static err_t sentence(struct sqlite_conn *c, int rc, struct err_info *reterr, const char *what)
{
    if (c->serving)
        (void)sqlite_error(c, rc, what);
    return error_set(reterr, rc == SQLITE_NOMEM ? ERR_NO_MEMORY : ERR_STORE, "%s: %s.", what,
                     c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc));
}

/* --- opening --- */
static pthread_once_t library_once = PTHREAD_ONCE_INIT;

/* Each connection is one thread's, so it needs no locks of its own; nobody reads memory statistics;
 * what savepoints keep stays in memory (a batch of 256 would otherwise write temporary files).
 * Refused when SQLite was in use before: then it is only slower. */
static void library_start(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1);
    if (sqlite3_initialize() != SQLITE_OK || sqlite_gather_register() != SQLITE_OK)
        check_panic("store: SQLite cannot be initialised");
}

static err_t sqlite_script(struct conn *base, const char *text, struct err_info *reterr)
{
    struct sqlite_conn *c = sqlite_conn_of(base);
    int rc = sqlite3_exec(c->db, text, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return OK;
    (void)sentence(c, rc, reterr, "The store");
    return (rc & 0xff) == SQLITE_CONSTRAINT ? ERR_STATE : ERR_STORE;
}

/* Runs a PRAGMA and compares its answer (NULL: has none that matters). */
static err_t pragma(struct sqlite_conn *c, const char *text, const char *want,
                    struct err_info *reterr)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(c->db, text, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    const char *have = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : "";
    err_t err = OK;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = sentence(c, rc, reterr, "The store cannot be opened");
    else if (want && (!have || strcmp(have, want) != 0))
        err =
            error_set(reterr, ERR_STORE, "The store cannot be opened: \"%s\" had no effect.", text);
    sqlite3_finalize(st);
    return err;
}

static int after_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct sqlite_conn *c = arg;
    (void)db, (void)name;
    c->wal_pages = pages;
    return SQLITE_OK;
}

static err_t set_up(struct sqlite_conn *c, int cache_kib, struct err_info *reterr)
{
    char page[48], cache[48];
    (void)snprintf(page, sizeof page, "PRAGMA page_size=%d", PAGE_BYTES);
    (void)snprintf(cache, sizeof cache, "PRAGMA cache_size=-%d", cache_kib);
    enum { WRITER = 1, READER = 2, BOTH = 3 };
    const struct {
        int whose;
        const char *text, *want;
    } list[] = {
        {WRITER, page, NULL}, /* no effect on a database that has pages */
        {WRITER, "PRAGMA journal_mode=WAL", "wal"},
        {WRITER, "PRAGMA synchronous=FULL", NULL},
        {WRITER, "PRAGMA synchronous", "2"},
        {WRITER, "PRAGMA secure_delete=FAST",
         NULL}, /* clears what is deleted where that costs no page */
        {READER, "PRAGMA query_only=ON", NULL},
        {BOTH, "PRAGMA foreign_keys=OFF",
         NULL}, /* the core holds references, as on sharded stores */
        {BOTH, "PRAGMA temp_store=MEMORY", NULL},
        {BOTH, "PRAGMA mmap_size=0", NULL}, /* a disk error must be an error code, not a signal */
        {BOTH, cache, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        if (!(list[i].whose & (c->reader ? READER : WRITER)))
            continue;
        err_t err = pragma(c, list[i].text, list[i].want, reterr);
        if (err)
            return err;
    }
    return OK;
}

static int set_switches(struct sqlite_conn *c)
{
    sqlite3 *db = c->db;
    (void)sqlite3_extended_result_codes(db, 1);
    int rc = sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (rc == SQLITE_OK && c->reader)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (!c->reader) /* in place of the checkpoint that SQLite would do inside a commit */
        (void)sqlite3_wal_hook(db, after_commit, c);
    return rc;
}

static void conn_free(struct sqlite_conn *c)
{
    sqlite_finalize_all(c);
    int rc = sqlite3_close(c->db);
    ASSERT(rc == SQLITE_OK);
    mem_free(c);
}

static err_t sqlite_open(const struct conn_options *options, struct conn **ret,
                         struct err_info *reterr)
{
    (void)pthread_once(&library_once, library_start);
    struct sqlite_conn *c = mem_alloc(sizeof *c);
    if (!c)
        return error_set(reterr, ERR_NO_MEMORY, "No memory for a connection to the store.");
    c->base.engine = &engine_sqlite;
    c->reader = options->kind == CONN_READER;
    c->checkpoint_pages = options->checkpoint_pages ? options->checkpoint_pages : CHECKPOINT_PAGES;
    c->checkpoint_at = c->checkpoint_pages;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    flags |= c->reader ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    flags |= options->create ? SQLITE_OPEN_CREATE : 0;
    int cache_kib = options->cache_kib;
    if (c->reader && cache_kib > READER_CACHE_KIB_MAX)
        cache_kib = READER_CACHE_KIB_MAX;
    err_t err = OK;
    int rc = sqlite3_open_v2(options->path, &c->db, flags, SQLITE_GATHER);
    if (rc == SQLITE_OK)
        rc = set_switches(c);
    if (rc == SQLITE_CANTOPEN && !options->create)
        err = error_set(reterr, ERR_STORE,
                        "There is no store at %s. Run `florin migrate` to make it.", options->path);
    else if (rc != SQLITE_OK)
        err = sentence(c, rc, reterr, options->path);
    else
        err = set_up(c, cache_kib, reterr);
    if (err)
        conn_free(c);
    else
        *ret = &c->base;
    return err;
}

static void sqlite_close(struct conn *base)
{
    struct sqlite_conn *c = sqlite_conn_of(base);
    sqlite_end_rows(base);
    if (!c->reader && c->serving) {
        int rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        if (is_disk_failure(rc))
            check_panic("store: the last checkpoint: %s (%d)", sqlite3_errstr(rc), rc);
    }
    conn_free(c);
}

/* --- what statements may do --- */
static bool is_in(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static int authorize(void *arg, int action, const char *a, const char *b, const char *database,
                     const char *trigger)
{
    const struct sqlite_conn *c = arg;
    (void)b, (void)database, (void)trigger;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_FUNCTION:
    case SQLITE_RECURSIVE:
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        return SQLITE_OK;
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        if (is_in(c->append_only, a))
            return SQLITE_DENY;
        __attribute__((fallthrough));
    case SQLITE_INSERT:
        return strcmp(a, "schema_version") == 0 || strncmp(a, "sqlite_", 7) == 0 ? SQLITE_DENY
                                                                                 : SQLITE_OK;
    default: /* changes of the schema, ATTACH, PRAGMA and whatever else there is */
        return SQLITE_DENY;
    }
}

static err_t sqlite_serve(struct conn *base, const char *const *append_only,
                          struct err_info *reterr)
{
    struct sqlite_conn *c = sqlite_conn_of(base);
    ASSERT(append_only != NULL);
    c->append_only = append_only;
    int rc = sqlite3_set_authorizer(c->db, authorize, c);
    for (int i = 0; i < FIXED_COUNT && rc == SQLITE_OK; i++) {
        sqlite3_finalize(c->fixed[i]);
        c->fixed[i] = NULL;
        rc = sqlite3_prepare_v3(c->db, fixed_text[i], -1, SQLITE_PREPARE_PERSISTENT, &c->fixed[i],
                                NULL);
    }
    if (rc != SQLITE_OK)
        return sentence(c, rc, reterr, "The store cannot be opened");
    c->serving = true;
    return OK;
}

/* --- transactions --- */
static int fixed_run(struct sqlite_conn *c, int which)
{
    int rc = SQLITE_OK;
    if (!c->fixed[which])
        rc = sqlite3_prepare_v3(c->db, fixed_text[which], -1, SQLITE_PREPARE_PERSISTENT,
                                &c->fixed[which], NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(c->fixed[which]);
    (void)sqlite3_reset(c->fixed[which]);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static err_t fixed_err(struct sqlite_conn *c, int which)
{
    int rc = fixed_run(c, which);
    return rc == SQLITE_OK ? OK : sqlite_error(c, rc, fixed_text[which]);
}

static err_t sqlite_begin(struct conn *base)
{
    struct sqlite_conn *c = sqlite_conn_of(base);
    ASSERT(!c->in_transaction && c->open_list == NULL);
    err_t err = fixed_err(c, c->reader ? FIXED_BEGIN : FIXED_BEGIN_WRITE);
    c->in_transaction = err == OK;
    return err;
}

static err_t sqlite_commit(struct conn *base, int64_t merchant_id)
{
    (void)merchant_id; /* the answer of a function cannot be lost */
    struct sqlite_conn *c = sqlite_conn_of(base);
    ASSERT(c->in_transaction);
    sqlite_end_rows(base);
    int rc = fixed_run(c, FIXED_COMMIT);
    if (rc == SQLITE_OK) {
        c->in_transaction = false;
        return OK;
    }
    if (c->serving &&
        (rc & 0xff) !=
            SQLITE_BUSY) /* a full disk too: how much of the log was written is not known */
        check_panic("store: commit: %s (%d)", sqlite3_errstr(rc), rc);
    return sqlite_error(c, rc, fixed_text[FIXED_COMMIT]);
}

static void sqlite_rollback(struct conn *base)
{
    struct sqlite_conn *c = sqlite_conn_of(base);
    sqlite_end_rows(base);
    c->in_transaction = false;
    if (sqlite3_get_autocommit(c->db))
        return; /* SQLite did it before us: only while migrating, see sqlite_error */
    int rc = fixed_run(c, FIXED_ROLLBACK);
    if (rc != SQLITE_OK)
        check_panic("store: roll-back: %s (%d)", sqlite3_errstr(rc), rc);
}

static int64_t sqlite_changes(struct conn *base)
{
    return sqlite3_total_changes64(sqlite_conn_of(base)->db);
}

static err_t sqlite_savepoint(struct conn *base)
{
    sqlite_end_rows(base);
    return fixed_err(sqlite_conn_of(base), FIXED_SAVEPOINT);
}

static err_t sqlite_release(struct conn *base)
{
    sqlite_end_rows(base);
    return fixed_err(sqlite_conn_of(base), FIXED_RELEASE);
}

static err_t sqlite_rollback_to(struct conn *base)
{
    sqlite_end_rows(base);
    err_t err = fixed_err(sqlite_conn_of(base), FIXED_ROLLBACK_TO);
    return err ? err : fixed_err(sqlite_conn_of(base), FIXED_RELEASE);
}

/* --- housekeeping --- */
static void sqlite_maintain(struct conn *base)
{
    struct sqlite_conn *c = sqlite_conn_of(base);
    ASSERT(!c->reader && !c->in_transaction);
    if (c->wal_pages < c->checkpoint_at)
        return;
    /* A passive one never waits; only when readers held on for long are new ones kept off until the
     * log can be reused. */
    bool wait = c->wal_pages >= CHECKPOINT_WAIT * c->checkpoint_pages;
    int pages = 0, moved = 0;
    int rc = sqlite3_wal_checkpoint_v2(
        c->db, NULL, wait ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, &pages, &moved);
    if (is_disk_failure(rc))
        check_panic("store: checkpoint: %s (%d)", sqlite3_errstr(rc), rc);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY) /* a full disk: all of it is still in the log */
        LOG(LOG_WARN, "store.checkpoint_failed", LOG_INT("code", rc), LOG_INT("pages", pages));
    bool all = rc == SQLITE_OK && moved == pages;
    c->checkpoint_at = all ? c->checkpoint_pages : c->wal_pages + c->checkpoint_pages / 4;
    if (all)
        c->wal_pages = 0; /* the next commit starts the log anew and says how long it is */
}

static err_t sqlite_has_table(struct conn *base, const char *name, bool *ret,
                              struct err_info *reterr)
{
    struct sqlite_conn *c = sqlite_conn_of(base);
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(
        c->db, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    *ret = rc == SQLITE_ROW;
    err_t err = rc == SQLITE_ROW || rc == SQLITE_DONE
                    ? OK
                    : sentence(c, rc, reterr, "The store cannot be read");
    sqlite3_finalize(st);
    return err;
}

const struct engine engine_sqlite = {
    .name = "sqlite",
    .without_rowid = " WITHOUT ROWID",
    .open = sqlite_open,
    .close = sqlite_close,
    .serve = sqlite_serve,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .changes = sqlite_changes,
    .savepoint = sqlite_savepoint,
    .release = sqlite_release,
    .rollback_to = sqlite_rollback_to,
    .end_rows = sqlite_end_rows,
    .exec = sqlite_exec,
    .one = sqlite_one,
    .each = sqlite_each,
    .row_null = sqlite_row_null,
    .row_int = sqlite_row_int,
    .row_text = sqlite_row_text,
    .script = sqlite_script,
    .has_table = sqlite_has_table,
    .prepare = sqlite_prepare,
    .maintain = sqlite_maintain,
};

/* Engine PostgreSQL: connections, transactions, the schema. Each merchant's rows are one
 * transaction's at a time (see store_lock), so READ COMMITTED is enough: what a statement sees
 * after the lock nobody else changes before the commit. */
#include "store/store_postgres.h"

#include <stdio.h>

#include "observe/observe.h"
#include "sys/sys.h"

#define VERSION_MIN 150000
#define CLOCK_WARNED_MS 2000
#define CLOCK_REFUSED_MS 15000

/* A node that stopped in the middle of a transaction must not keep a merchant from the others, and
 * a commit must never be answered before it is as durable as the server is set to make it. */
static const char session[] =
    "SET client_encoding = 'UTF8';"
    "SET idle_in_transaction_session_timeout = '5s';"
    "SET lock_timeout = '6s';"
    "SET client_min_messages = 'warning';" /* a cancelled wait for the standby is told so */
    "SET statement_timeout = 0;"
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local');";

/* A line about a database that is away, at most so often on each connection. */
#define COMPLAIN_US 5000000

void pg_note(struct pg_conn *c, const char *message)
{
    size_t n = message ? strcspn(message, "\n") : 0;
    if (n > 0)
        (void)snprintf(c->why, sizeof c->why, "%.*s", (int)n, message);
}

static err_t sentence(struct pg_conn *c, struct err_info *reterr, err_t err)
{
    pg_note(c, c->pg ? PQerrorMessage(c->pg) : NULL);
    return error_set(reterr, err, "PostgreSQL: %s", c->why);
}

err_t pg_lose(struct pg_conn *c, const char *what, const char *message)
{
    if (c->pg) {
        int64_t now_us = sys_mono_us();
        pg_note(c, message ? message : PQerrorMessage(c->pg));
        if (c->established)
            LOG(LOG_WARN, "store.connection_lost", LOG_STR("during", what),
                LOG_STR("message", c->why));
        else if (now_us - c->complained_us > COMPLAIN_US || c->complained_us == 0) {
            LOG(LOG_WARN, "store.connect_failed", LOG_STR("during", what),
                LOG_STR("message", c->why));
            c->complained_us = now_us;
        }
        PQfinish(c->pg);
    }
    c->pg = NULL;
    c->established = false;
    c->pending_n = 0;
    return c->failed = ERR_UNAVAILABLE;
}

/* --- connecting --- */
static void on_notice(void *arg, const PGresult *r)
{
    struct pg_conn *c = arg;
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    if (!severity || strcmp(severity, "WARNING") != 0)
        return;
    c->warned = true;
    LOG(LOG_WARN, "store.warning", LOG_STR("message", message ? message : ""));
}

static err_t run_script(struct pg_conn *c, const char *text)
{
    PGresult *r = PQexec(c->pg, text);
    ExecStatusType status = PQresultStatus(r);
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    /* Two nodes made the same table at once, though it was not there when either looked; or they
     * waited for each other. */
    bool clash = state && (strcmp(state, "23505") == 0 || strcmp(state, "42P07") == 0 ||
                           strcmp(state, "40P01") == 0);
    PQclear(r);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return OK;
    return clash ? ERR_SOFT : ERR_STORE;
}

static bool prepare_fixed(struct pg_conn *c)
{
    bool good = true;
    for (int i = 0; i < PG_FIXED_COUNT && good; i++) {
        PGresult *r = PQprepare(c->pg, pg_fixed[i].name, pg_fixed[i].text, 0, NULL);
        good = PQresultStatus(r) == PGRES_COMMAND_OK;
        PQclear(r);
    }
    return good;
}

PGconn *pg_dial(const char *uri)
{
    /* What the URI does not say. Only a server that takes writes will do: reads that decide must
     * see what was committed. */
    static const char *const keys[] = {"application_name",
                                       "target_session_attrs",
                                       "connect_timeout",
                                       "keepalives_idle",
                                       "keepalives_interval",
                                       "keepalives_count",
                                       "tcp_user_timeout",
                                       "dbname",
                                       NULL};
    const char *const values[] = {"florin", "read-write", "3", "5", "2", "3", "8000", uri, NULL};
    return PQconnectdbParams(keys, values, 1);
}

/* Leases of several nodes are compared by the nodes' clocks; the server's is the one they share. */
static err_t check_clock(struct pg_conn *c, struct err_info *reterr)
{
    PGresult *r = PQexec(c->pg, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
    int64_t theirs_us = 0, ours_us = sys_now_us();
    bool told = PQresultStatus(r) == PGRES_TUPLES_OK &&
                str_to_i64(str_from(PQgetvalue(r, 0, 0)), &theirs_us);
    PQclear(r);
    int64_t apart_ms = (theirs_us - ours_us) / 1000;
    apart_ms = apart_ms < 0 ? -apart_ms : apart_ms;
    if (told && apart_ms > CLOCK_REFUSED_MS)
        return error_set(reterr, ERR_STORE,
                         "PostgreSQL: its clock and this machine's are %lld s apart; leases need "
                         "clocks that agree.",
                         (long long)(apart_ms / 1000));
    if (told && apart_ms > CLOCK_WARNED_MS)
        LOG(LOG_WARN, "store.clock_apart", LOG_INT("milliseconds", apart_ms));
    return OK;
}

/* What must be so, and what an operator should know: once, at the first connection of a writer. */
static err_t look_at_server(struct pg_conn *c, struct err_info *reterr)
{
    const char *super = PQparameterStatus(c->pg, "is_superuser");
    const char *encoding = PQparameterStatus(c->pg, "server_encoding");
    if (c->reader || c->serving)
        return OK;
    if (!encoding || strcmp(encoding, "UTF8") != 0)
        return error_set(reterr, ERR_STORE,
                         "PostgreSQL: the database has encoding %s; make it with ENCODING 'UTF8' "
                         "TEMPLATE template0.",
                         encoding ? encoding : "unknown");
    if (PQserverVersion(c->pg) < VERSION_MIN)
        LOG(LOG_WARN, "store.old_server", LOG_INT("version", PQserverVersion(c->pg)));
    if (super && strcmp(super, "on") == 0)
        LOG(LOG_WARN, "store.superuser", LOG_STR("user", PQuser(c->pg)),
            LOG_STR("message", "grants do not bind a superuser: use a role of Florin's own"));
    return check_clock(c, reterr);
}

/* libpq repeats parts of a URI that it cannot read, and the password may be one of them. */
static bool uri_readable(const char *uri)
{
    const char *from = strstr(uri, "://");
    size_t n = from ? strcspn(from + 3, "?") : 0, at = 0, slash = 0;
    for (size_t i = 0; i < n; i++) {
        slash += from[3 + i] == '/';
        at += from[3 + i] == '@';
        if (from[3 + i] == '@' && (at > 1 || slash > 0))
            return false;
    }
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(uri, &message);
    PQfreemem(message);
    bool good = from && options;
    PQconninfoFree(options);
    return good;
}

err_t pg_connect(struct pg_conn *c, struct err_info *reterr)
{
    ASSERT(c->pg == NULL);
    pg_forget(c);
    c->pg = pg_dial(c->uri);
    c->pending_n = 0;
    if (!c->pg || PQstatus(c->pg) != CONNECTION_OK)
        goto failed;
    (void)PQsetNoticeReceiver(c->pg, on_notice, c);
    if (run_script(c, session) || !prepare_fixed(c))
        goto failed;
    err_t unfit = look_at_server(c, reterr);
    if (unfit)
        return unfit;
    if (PQenterPipelineMode(c->pg) != 1 || PQsetnonblocking(c->pg, 1) != 0)
        goto failed;
    c->failed = OK;
    if (!c->serving || pg_barrier(c) == OK) {
        c->established = true;
        return OK;
    }
failed:
    (void)pg_lose(c, "connect", NULL);
    return sentence(c, reterr, ERR_UNAVAILABLE);
}

static void pg_close(struct conn *base)
{
    struct pg_conn *c = pg_conn_of(base);
    pg_end_rows(base);
    PQfinish(c->pg);
    mem_wipe(c->uri, strlen(c->uri)); /* it may hold a password */
    mem_free(c->uri);
    mem_free(c);
}

static err_t pg_open(const struct conn_options *options, struct conn **ret, struct err_info *reterr)
{
    struct pg_conn *c = mem_alloc(sizeof *c);
    size_t n = strlen(options->path) + 1;
    char *uri = mem_alloc(n);
    if (!c || !uri) {
        mem_free(c);
        mem_free(uri);
        return error_set(reterr, ERR_NO_MEMORY, "No memory for a connection to the store.");
    }
    memcpy(uri, options->path, n);
    if (!uri_readable(uri)) {
        mem_free(c);
        mem_free(uri);
        return error_set(
            reterr, ERR_STORE,
            "The store's URI cannot be read. Characters such as @ / : %% in a password "
            "are written as %%40 %%2F %%3A %%25.");
    }
    c->base.engine = &engine_postgres;
    c->uri = uri;
    c->reader = options->kind == CONN_READER;
    sys_random(c->writer_id, sizeof c->writer_id);
    if (pg_connect(c, reterr)) {
        pg_close(&c->base);
        return ERR_STORE;
    }
    *ret = &c->base;
    return OK;
}

static err_t pg_serve(struct conn *base, const char *const *append_only, struct err_info *reterr)
{
    struct pg_conn *c = pg_conn_of(base);
    ASSERT(append_only != NULL);
    c->append_only = append_only;
    pg_forget(c);
    c->serving = true;
    /* Anew, so that nothing of the time before is left, and with the barrier. */
    PQfinish(c->pg);
    c->pg = NULL;
    return pg_connect(c, reterr) ? ERR_STORE : OK;
}

/* --- transactions --- */
static err_t pg_begin(struct conn *base)
{
    struct pg_conn *c = pg_conn_of(base);
    ASSERT(!c->open && c->open_list == NULL);
    c->base.late = false;
    c->failed = OK;
    c->warned = false;
    if (!c->pg && pg_connect(c, NULL))
        return ERR_UNAVAILABLE;
    err_t err = pg_send_fixed(c, c->reader ? PG_BEGIN_READ : PG_BEGIN);
    c->open = err == OK;
    c->changes_before = c->changes;
    return err;
}

static void pg_rollback(struct conn *base)
{
    struct pg_conn *c = pg_conn_of(base);
    bool open = c->open;
    pg_end_rows(base);
    c->open = false;
    if (!c->pg || !open) { /* lost, or a commit that was asked for ended it */
        c->failed = OK;
        return;
    }
    if (c->failed == OK && c->pending_n == 0 && c->changes == c->changes_before) {
        pg_drop(c);
    } else if (c->failed != ERR_UNAVAILABLE) {
        bool late = c->base.late;
        PGresult *r = NULL;
        err_t err = pg_settle(c, NULL); /* whatever came of it */
        c->failed = OK;
        if (err != ERR_UNAVAILABLE && pg_run_fixed(c, PG_ROLLBACK, &r))
            (void)pg_lose(c, "rollback", NULL);
        PQclear(r);
        c->base.late = late;
    }
    c->failed = OK;
}

static int64_t pg_changes(struct conn *base)
{
    return pg_conn_of(base)->changes;
}

static err_t pg_savepoint(struct conn *base)
{
    pg_end_rows(base);
    return pg_send_fixed(pg_conn_of(base), PG_SAVEPOINT);
}

static err_t pg_release(struct conn *base)
{
    pg_end_rows(base);
    return pg_send_fixed(pg_conn_of(base), PG_RELEASE);
}

static err_t pg_rollback_to(struct conn *base)
{
    struct pg_conn *c = pg_conn_of(base);
    PGresult *r = NULL;
    pg_end_rows(base);
    if (c->failed == ERR_UNAVAILABLE)
        return c->failed;
    c->failed = OK;
    err_t err = pg_send_fixed(c, PG_ROLLBACK_TO);
    if (!err)
        err = pg_run_fixed(c, PG_RELEASE, &r);
    PQclear(r);
    return err;
}

/* --- outside of normal work --- */
static err_t pg_script(struct conn *base, const char *text, struct err_info *reterr)
{
    struct pg_conn *c = pg_conn_of(base);
    err_t err = pg_settle(c, NULL);
    if (err)
        return err;
    if (!c->pg || !PQexitPipelineMode(c->pg) || PQsetnonblocking(c->pg, 0) != 0)
        return sentence(c, reterr, ERR_STORE);
    err_t ran = run_script(c, text);
    if (ran)
        (void)sentence(c, reterr, ran);
    if (PQenterPipelineMode(c->pg) != 1 || PQsetnonblocking(c->pg, 1) != 0)
        return sentence(c, reterr, ERR_STORE);
    return ran ? (c->failed = ran) : OK;
}

static err_t pg_has_table(struct conn *base, const char *name, bool *ret, struct err_info *reterr)
{
    struct pg_conn *c = pg_conn_of(base);
    err_t err = pg_settle(c, NULL);
    if (err)
        return err;
    if (!PQsendQueryParams(c->pg, "SELECT to_regclass($1) IS NOT NULL", 1, NULL, &name, NULL, NULL,
                           0))
        return sentence(c, reterr, pg_lose(c, "has_table", NULL));
    pg_put(c, "has_table");
    PGresult *r;
    err = pg_settle(c, &r);
    if (err)
        return sentence(c, reterr, ERR_STORE);
    *ret = PQntuples(r) == 1 && strcmp(PQgetvalue(r, 0, 0), "t") == 0;
    PQclear(r);
    return OK;
}

/* Two nodes may start at once. */
static err_t pg_lock_schema(struct conn *base, struct err_info *reterr)
{
    return pg_script(
        base, "SET LOCAL lock_timeout = 0; LOCK TABLE schema_version IN EXCLUSIVE MODE", reterr);
}

const struct engine engine_postgres = {
    .name = "postgres",
    .without_rowid = "",
    .shared = true,
    .open = pg_open,
    .close = pg_close,
    .serve = pg_serve,
    .begin = pg_begin,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .changes = pg_changes,
    .savepoint = pg_savepoint,
    .release = pg_release,
    .rollback_to = pg_rollback_to,
    .end_rows = pg_end_rows,
    .exec = pg_exec,
    .exec_later = pg_exec_later,
    .ahead = pg_read_ahead,
    .one = pg_one,
    .each = pg_each,
    .row_null = pg_row_null,
    .row_int = pg_row_int,
    .row_text = pg_row_text,
    .script = pg_script,
    .has_table = pg_has_table,
    .prepare = pg_prepare,
    .lock_schema = pg_lock_schema,
};

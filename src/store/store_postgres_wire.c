/* Engine PostgreSQL: the conversation. Statements go out without waiting (pipeline mode); answers
 * are fetched when somebody needs one. */
#include <poll.h>

#include "observe/observe.h"
#include "store/store_postgres.h"
#include "sys/sys.h"

/* Longer than any lock is waited for; after it the connection counts as lost. Readers also run the
 * verifier's and the lists' scans. */
#define ANSWER_MAX_US 10000000
#define ANSWER_MAX_READER_US 120000000

const struct pg_fixed pg_fixed[PG_FIXED_COUNT] = {
    [PG_BEGIN] = {"begin", "BEGIN ISOLATION LEVEL READ COMMITTED"},
    [PG_BEGIN_READ] = {"begin_read", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"},
    [PG_COMMIT] = {"commit", "COMMIT"},
    [PG_ROLLBACK] = {"rollback", "ROLLBACK"},
    [PG_SAVEPOINT] = {"savepoint", "SAVEPOINT operation"},
    [PG_RELEASE] = {"release", "RELEASE operation"},
    [PG_ROLLBACK_TO] = {"rollback_to", "ROLLBACK TO operation"},
};

/* --- errors --- */
struct meaning {
    const char *state; /* SQLSTATE, or its class of two characters */
    err_t err;
};

static const struct meaning meanings[] = {
    {"40001", ERR_SOFT},        /* serialization failure */
    {"40P01", ERR_SOFT},        /* deadlock */
    {"55P03", ERR_UNAVAILABLE}, /* a lock was waited for too long */
    {"57014", ERR_SOFT},        /* cancelled */
    {"22", ERR_STATE},          /* a value that a column does not take: one operation's fault */
    {"23505", ERR_STATE},       /* unique */
    {"23514", ERR_STATE},       /* check */
    {"08", ERR_UNAVAILABLE},    /* connection */
    {"57", ERR_UNAVAILABLE},    /* shutting down, starting up */
    {"53", ERR_UNAVAILABLE},    /* too many connections, disk full */
    {"58", ERR_UNAVAILABLE},    /* the system under it failed */
    {"25006", ERR_UNAVAILABLE}, /* read-only: no longer the primary */
    {"25P03", ERR_UNAVAILABLE}, /* idle in a transaction for too long */
    {"26000", ERR_UNAVAILABLE}, /* the prepared statement is not there: not our session */
    {"0A000", ERR_UNAVAILABLE}, /* a plan from before a migration */
};

err_t pg_error(struct pg_conn *c, const PGresult *result, const char *what)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    pg_note(c, message);
    if (!state || PQstatus(c->pg) == CONNECTION_BAD)
        return pg_lose(c, what, message);
    for (size_t i = 0; i < COUNT_OF(meanings); i++) {
        if (strncmp(state, meanings[i].state, strlen(meanings[i].state)) != 0)
            continue;
        return meanings[i].err == ERR_UNAVAILABLE ? pg_lose(c, what, message) : meanings[i].err;
    }
    LOG(LOG_ERROR, "store.statement_failed", LOG_STR("statement", what), LOG_STR("state", state),
        LOG_STR("message", message ? message : ""));
    return ERR_STORE;
}

/* --- waiting --- */
PGresult *pg_result(struct pg_conn *c, bool *ret_lost)
{
    int64_t end_us = sys_mono_us() + (c->reader ? ANSWER_MAX_READER_US : ANSWER_MAX_US);
    *ret_lost = false;
    for (;;) {
        int unsent = PQflush(c->pg);
        if (unsent < 0)
            break;
        if (unsent == 0 && !PQisBusy(c->pg))
            return PQgetResult(c->pg);
        int64_t left_us = end_us - sys_mono_us();
        struct pollfd p = {.fd = PQsocket(c->pg), .events = POLLIN};
        if (unsent > 0)
            p.events |= POLLOUT;
        if (left_us <= 0 || p.fd < 0)
            break;
        (void)poll(&p, 1, (int)(left_us / 1000) + 1);
        if (p.revents && !PQconsumeInput(c->pg))
            break;
    }
    *ret_lost = true;
    return NULL;
}

static const char *lost_why(const struct pg_conn *c, const char *what)
{
    if (PQstatus(c->pg) == CONNECTION_BAD)
        return NULL;
    return strcmp(what, "commit") == 0
               ? "COMMIT was not answered in time; is a synchronous standby away?"
               : "no answer in time";
}

/* The results of one statement: the last of them, and what follows it is eaten. */
static err_t one_answer(struct pg_conn *c, const char *what, PGresult **ret)
{
    bool lost;
    *ret = pg_result(c, &lost);
    if (lost || !*ret)
        return pg_lose(c, what, lost_why(c, what));
    for (PGresult *more; (more = pg_result(c, &lost));)
        PQclear(more);
    return lost ? pg_lose(c, what, NULL) : OK;
}

int64_t pg_rows(const PGresult *r)
{
    int64_t rows; /* libpq only reads it */
    return str_to_i64(str_from(PQcmdTuples((PGresult *)(uintptr_t)r)), &rows) ? rows : 0;
}

static err_t judge(struct pg_conn *c, const struct pg_pending *p, const PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_PIPELINE_ABORTED) /* an earlier one failed and has said so */
        return ERR_SOFT;
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return pg_error(c, r, p->what);
    if (!p->writes)
        return OK;
    int64_t rows = pg_rows(r);
    c->changes += rows;
    if (p->expected < 0 || p->expected == rows)
        return OK;
    c->base.late = true; /* what it means only a run without delay can tell */
    return ERR_SOFT;
}

static err_t sync_answer(struct pg_conn *c)
{
    bool lost;
    PGresult *r = pg_result(c, &lost);
    bool synced = r && PQresultStatus(r) == PGRES_PIPELINE_SYNC;
    PQclear(r);
    return synced ? OK : pg_lose(c, "sync", NULL);
}

void pg_put(struct pg_conn *c, const char *what)
{
    ASSERT(c->pending_n < PG_PENDING_MAX + 2);
    c->pending[c->pending_n++] = (struct pg_pending){.what = what, .expected = -1};
}

/* The i-th of n answers; the last one's result in *ret unless nobody wants it. */
static err_t answer(struct pg_conn *c, const struct pg_pending *p, bool own, PGresult **ret)
{
    PGresult *r;
    if (!p->what)
        return sync_answer(c);
    if (one_answer(c, p->what, &r))
        return c->failed;
    err_t err = judge(c, p, r);
    if (err && !own && err != ERR_SOFT && err != ERR_UNAVAILABLE)
        c->base.late = true;
    if (own && !err)
        *ret = r;
    else if (p->ahead && !err)
        pg_ahead_arrived(c, p->ahead, r);
    else
        PQclear(r);
    return err;
}

err_t pg_settle(struct pg_conn *c, PGresult **ret)
{
    if (ret)
        *ret = NULL;
    if (c->failed == ERR_UNAVAILABLE || c->pending_n == 0)
        return c->failed;
    if (!PQpipelineSync(c->pg))
        return pg_lose(c, "sync", NULL);
    pg_put(c, NULL);
    err_t err = OK;
    int n = c->pending_n;
    c->pending_n = 0;
    for (int i = 0; i < n && c->failed != ERR_UNAVAILABLE; i++) {
        err_t e = answer(c, &c->pending[i], ret && i == n - 2, ret);
        err = err ? err : e;
    }
    if (c->failed == ERR_UNAVAILABLE)
        err = c->failed;
    else if (err && c->base.late)
        err = ERR_SOFT;
    if (err && ret) {
        PQclear(*ret);
        *ret = NULL;
    }
    return c->failed = err ? err : c->failed;
}

err_t pg_send_fixed(struct pg_conn *c, int which)
{
    ASSERT(which >= 0 && which < PG_FIXED_COUNT);
    if (!c->pg)
        return c->failed = ERR_UNAVAILABLE;
    if (c->pending_n >= PG_PENDING_MAX) {
        err_t err = pg_settle(c, NULL);
        if (err)
            return err;
    }
    if (!PQsendQueryPrepared(c->pg, pg_fixed[which].name, 0, NULL, NULL, NULL, 1))
        return pg_lose(c, pg_fixed[which].name, NULL);
    pg_put(c, pg_fixed[which].name);
    return OK;
}

void pg_drop(struct pg_conn *c)
{
    if (pg_send_fixed(c, PG_ROLLBACK))
        return;
    if (PQpipelineSync(c->pg) && PQflush(c->pg) >= 0)
        pg_put(c, NULL);
    else
        (void)pg_lose(c, "rollback", NULL);
}

err_t pg_run_fixed(struct pg_conn *c, int which, PGresult **ret)
{
    err_t err = pg_send_fixed(c, which);
    return err ? err : pg_settle(c, ret);
}

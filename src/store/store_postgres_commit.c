/* Engine PostgreSQL: a commit whose answer was lost. Every transaction that changes something also
 * numbers itself in the writer's row of `commit_mark`; whoever holds the writer's id can ask for
 * the row afterwards, on whatever server is the primary by then. The server's own
 * pg_xact_status(xid) cannot be used for this: after a fail-over the new primary gives numbers
 * again that the old one had given to transactions which never reached it (docs/adr/0010). */
#include "observe/observe.h"
#include "store/store_postgres.h"
#include "sys/sys.h"

/* COMMIT, and what became of it. ERR_UNAVAILABLE: not known. */
static err_t send_commit(struct pg_conn *c)
{
    PGresult *r = NULL;
    c->warned = false;
    err_t err = pg_run_fixed(c, PG_COMMIT, &r);
    /* COMMIT of a failed transaction is answered, and is a roll-back */
    bool rolled_back = !err && strcmp(PQcmdStatus(r), "COMMIT") != 0;
    PQclear(r);
    if (err == ERR_UNAVAILABLE)
        return err;
    c->open = false;
    if (err && err != ERR_SOFT) { /* a deferred rule of the schema, or one before it in line */
        c->base.late = true;
        err = ERR_SOFT;
    }
    return err ? err : rolled_back ? ERR_SOFT : OK;
}

/* Reads the writer's row by writing it: that waits for a transaction of ours which the server has
 * not ended yet, and its commit makes durable, on the standby too, all that was there before. */
static err_t touch_mark(struct pg_conn *c, int64_t merchant_id, int64_t *ret_number)
{
    struct store_row *row = NULL;
    c->failed = OK;
    c->base.late = false;
    err_t err = pg_send_fixed(c, PG_BEGIN);
    if (!err)
        err = pg_one(&c->base, SQL_STORE_TOUCH_COMMIT_MARK,
                     (struct sql_value[]){V_INT(merchant_id),
                                          V_BLOB(c->writer_id, sizeof c->writer_id),
                                          V_INT(sys_now_us())},
                     3, &row);
    if (!err) {
        ASSERT(row != NULL);
        *ret_number = row_int(row, 0);
    }
    pg_end_rows(&c->base);
    if (!err)
        err = send_commit(c);
    if (!err && c->warned) /* somebody ended the wait for the standby */
        err = ERR_UNAVAILABLE;
    if (err)
        (void)pg_lose(c, "commit mark", NULL);
    return err;
}

err_t pg_barrier(struct pg_conn *c)
{
    int64_t number;
    bool reader = c->reader;
    c->reader = false; /* the one time that it writes */
    err_t err = touch_mark(c, 0, &number);
    c->reader = reader;
    return err;
}

static err_t ask(struct pg_conn *c, int64_t merchant_id)
{
    int64_t end_us = sys_mono_us() + AWAY_MAX_US, number = 0;
    for (int repeat = 1;; repeat += repeat < AWAY_REPEAT_MAX) {
        if ((c->pg || pg_connect(c, NULL) == OK) && touch_mark(c, merchant_id, &number) == OK)
            break;
        if (sys_mono_us() > end_us) {
            c->base.unknown = true;
            c->base.late = false;
            LOG(LOG_ERROR, "store.commit_unknown", LOG_INT("merchant", merchant_id));
            return ERR_UNAVAILABLE;
        }
        pause_before(repeat, AWAY_PAUSE_US);
    }
    bool stands = number == c->number;
    LOG(LOG_INFO, "store.commit_resolved",
        LOG_STR("result", stands ? "committed" : "not committed"));
    metric_add(METRIC_STORE_COMMITS_ASKED,
               stands ? "result=\"committed\"" : "result=\"not_committed\"", 1);
    c->failed = OK;
    return stands ? OK : ERR_SOFT;
}

/* The mark, and everything that was put off, is answered before COMMIT can be on the way: so the
 * server's transaction holds the mark's row, and touch_mark cannot overtake a COMMIT that is still
 * somewhere in the network. */
static err_t mark(struct pg_conn *c, int64_t merchant_id)
{
    c->number++;
    err_t err =
        pg_send(c, SQL_STORE_SET_COMMIT_MARK,
                (struct sql_value[]){V_INT(merchant_id), V_BLOB(c->writer_id, sizeof c->writer_id),
                                     V_INT(c->number), V_INT(sys_now_us())},
                4, 1);
    return err ? err : pg_settle(c, NULL);
}

err_t pg_commit(struct conn *base, int64_t merchant_id)
{
    struct pg_conn *c = pg_conn_of(base);
    ASSERT(c->open);
    pg_end_rows(base);
    if (c->failed)
        return c->failed;
    if (c->changes == c->changes_before) { /* nothing to make durable */
        c->open = false;
        pg_drop(c);
        return c->failed = OK;
    }
    err_t err = mark(c, merchant_id);
    if (err)
        return err;
    err = send_commit(c);
    if (err == ERR_UNAVAILABLE || (!err && c->warned)) {
        c->open = false;
        err = ask(c, merchant_id);
    }
    return err;
}

/* What the files of engine PostgreSQL share. */
#ifndef FLORIN_STORE_POSTGRES_H
#define FLORIN_STORE_POSTGRES_H

#include <libpq-fe.h>

#include "store/store_internal.h"

#define PG_PARAMS_MAX 32
/* Statements under way before their answers are fetched. */
#define PG_PENDING_MAX 256

/* A prepared statement and its last result. */
struct pg_statement {
    struct store_row row; /* first */
    const char *name;
    char wire_name[8]; /* "s17": what it is prepared under */
    PGresult *result;  /* the open row's, or what `each` walks through */
    int at;
    bool prepared, busy, listed, writes;
    int params;
    uint8_t width[PG_PARAMS_MAX]; /* of an integer parameter in bytes; 0: text or bytes */
    struct pg_statement *next_open;
};

/* A read that was asked for before its rows were needed. */
struct pg_ahead {
    enum sql_id id;
    int64_t value;   /* of the one parameter */
    uint64_t serial; /* of the statement under way */
    PGresult *result;
};
#define PG_AHEAD_MAX 64

struct pg_pending {
    const char *what; /* NULL: a Sync, after which the server goes on even if something failed */
    bool writes;
    uint64_t ahead;   /* serial of a read ahead; 0: none */
    int64_t expected; /* rows; negative: any number */
};

struct pg_conn {
    struct conn base; /* first */
    PGconn *pg;       /* NULL: no connection */
    char *uri;
    char why[200];         /* what the server or libpq said last about a failure */
    bool established;      /* it was in use: losing it is news */
    int64_t complained_us; /* monotonic, of the last line about a connection that cannot be made */
    bool reader, serving;
    const char *const *append_only;

    /* the transaction under way */
    bool open;
    err_t failed; /* what every call gives until its end, or until `rollback_to` */
    int64_t changes, changes_before;               /* in all, and when it began */
    struct pg_pending pending[PG_PENDING_MAX + 2]; /* and a Sync, and one before it */
    int pending_n;
    struct pg_statement *open_list;
    struct pg_ahead ahead[PG_AHEAD_MAX];
    int ahead_n;
    uint64_t ahead_serial;
    bool warned; /* by the server, since the last statement began */

    /* the mark of a commit, see store_postgres_commit.c */
    uint8_t writer_id[16];
    int64_t number;

    struct pg_statement statement[SQL_COUNT];
};

/* The engine's own view of a connection. */
static inline struct pg_conn *pg_conn_of(struct conn *c)
{
    return (struct pg_conn *)c;
}

/* The texts that are no room's. */
enum {
    PG_BEGIN,
    PG_BEGIN_READ,
    PG_COMMIT,
    PG_ROLLBACK,
    PG_SAVEPOINT,
    PG_RELEASE,
    PG_ROLLBACK_TO,
    PG_FIXED_COUNT
};
/* Prepared under their names in every session. */
struct pg_fixed {
    const char *name, *text;
};
extern const struct pg_fixed pg_fixed[PG_FIXED_COUNT];

/* Types by their fixed numbers (pg_type.dat). */
enum {
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_VARCHAR = 1043
};

/* --- store_postgres.c --- */
/* A session as libpq makes it, to a server that takes writes; the caller's. NULL: no memory. */
PGconn *pg_dial(const char *uri);
/* Connects anew. Errors: ERR_UNAVAILABLE, with the sentence. */
MUST_CHECK err_t pg_connect(struct pg_conn *c, struct err_info *reterr);
/* The connection is given up; the transaction fails with ERR_UNAVAILABLE. The message is libpq's
 * when it is NULL. */
err_t pg_lose(struct pg_conn *c, const char *what, const char *message);
/* Keeps the first line of a message for a sentence. */
void pg_note(struct pg_conn *c, const char *message);

/* --- store_postgres_wire.c --- */
/* Puts a statement on the way. Errors: ERR_UNAVAILABLE. */
MUST_CHECK err_t pg_send_fixed(struct pg_conn *c, int which);
/* Fetches every answer that is under way, the last one's into *ret when it is not NULL. Errors: of
 * the first statement that failed; `late` is set when that was not the last. */
MUST_CHECK err_t pg_settle(struct pg_conn *c, PGresult **ret);
/* Notes a statement that was just put on the way. */
void pg_put(struct pg_conn *c, const char *what);
/* Both. */
MUST_CHECK err_t pg_run_fixed(struct pg_conn *c, int which, PGresult **ret);
/* Ends a transaction that changed nothing, without waiting. */
void pg_drop(struct pg_conn *c);
/* The next result, or NULL; waits within the limits. *ret_lost: the connection is gone. */
PGresult *pg_result(struct pg_conn *c, bool *ret_lost);
/* Rows that a statement changed. */
int64_t pg_rows(const PGresult *r);
/* What an error of the server means; logs what nobody expects. */
err_t pg_error(struct pg_conn *c, const PGresult *result, const char *what);

/* --- store_postgres_statement.c --- */
err_t pg_prepare(struct conn *base, enum sql_id id, struct err_info *reterr);
void pg_forget(struct pg_conn *c); /* all statements: the connection is new */
err_t pg_send(struct pg_conn *c, enum sql_id id, const struct sql_value *v, size_t n,
              int64_t expected);
err_t pg_exec(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
              int64_t *ret_changed);
err_t pg_exec_later(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
                    int64_t expected);
void pg_read_ahead(struct conn *base, enum sql_id id, int64_t value);
/* What a read ahead brought; the result is the callee's. */
void pg_ahead_arrived(struct pg_conn *c, uint64_t serial, PGresult *r);
err_t pg_one(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
             struct store_row **ret);
err_t pg_each(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
              err_t (*each)(struct store_row *row, void *arg), void *arg);
void pg_end_rows(struct conn *base);
bool pg_row_null(struct store_row *row, int col);
int64_t pg_row_int(struct store_row *row, int col);
struct str pg_row_text(struct store_row *row, int col);

/* --- store_postgres_commit.c --- */
err_t pg_commit(struct conn *base, int64_t merchant_id);
/* After connecting: all that can be read from here on is as durable as an answered commit. */
MUST_CHECK err_t pg_barrier(struct pg_conn *c);

#endif

/* Shared by the files of the SQLite engine only. */
#ifndef FLORIN_STORE_SQLITE_H
#define FLORIN_STORE_SQLITE_H

#include <sqlite3.h>

#include "store/store_internal.h"

struct sqlite_conn;

/* A prepared statement; also its own current row. */
struct statement {
    struct store_row row;
    sqlite3_stmt *st;
    struct sqlite_conn *conn;
    const char *name;
    struct statement *next_open; /* list of those with `listed` */
    int params, columns;
    bool writes;
    bool open;   /* has a row, or began to step */
    bool busy;   /* inside store_each: must not be started again */
    bool listed; /* in the list of those that end_rows has to look at */
};

enum {
    FIXED_BEGIN,
    FIXED_BEGIN_WRITE,
    FIXED_COMMIT,
    FIXED_ROLLBACK,
    FIXED_SAVEPOINT,
    FIXED_RELEASE,
    FIXED_ROLLBACK_TO,
    FIXED_COUNT
};

struct sqlite_conn {
    struct conn base;
    sqlite3 *db;
    bool reader;
    bool serving;        /* failures of the disk end the process */
    bool in_transaction; /* as we think; SQLite ends one by itself after some failures */
    const char *const *append_only;
    struct statement *open_list;
    int wal_pages; /* in the log after the last commit */
    int checkpoint_pages;
    int checkpoint_at; /* pages at which it is moved into the database */
    sqlite3_stmt *fixed[FIXED_COUNT];
    struct statement statement[SQL_COUNT];
};

/* The engine's own connection; `base` is its first member. */
static inline struct sqlite_conn *sqlite_conn_of(struct conn *c)
{
    return (struct sqlite_conn *)c;
}

#define SQLITE_GATHER "florin-gather"
/* Makes the VFS of this name known to SQLite. Shape: once, before any opening; the result is
 * SQLite's. */
int sqlite_gather_register(void);

/* What an SQLite result means to the operation; ends the process where nothing else is safe (see
 * struct engine). `what` names the statement. Never OK. */
err_t sqlite_error(struct sqlite_conn *c, int rc, const char *what);

/* The functions of struct engine that deal with statements. */
err_t sqlite_prepare(struct conn *base, enum sql_id id, struct err_info *reterr);
err_t sqlite_exec(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
                  int64_t *ret_changed);
err_t sqlite_one(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
                 struct store_row **ret);
err_t sqlite_each(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
                  err_t (*each)(struct store_row *row, void *arg), void *arg);
bool sqlite_row_null(struct store_row *row, int col);
int64_t sqlite_row_int(struct store_row *row, int col);
struct str sqlite_row_text(struct store_row *row, int col);
void sqlite_end_rows(struct conn *base);
void sqlite_finalize_all(struct sqlite_conn *c);

#endif

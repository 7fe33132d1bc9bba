/* A copy of a SQLite store as it stands at one moment, made in pieces while it is written. */
#include <stdio.h>

#include "store/store_sqlite.h"

struct store_backup {
    sqlite3 *from, *to;
    sqlite3_backup *copy;
};

static err_t refuse(struct store_backup *b, struct err_info *reterr, sqlite3 *db)
{
    err_t err = error_set(reterr, ERR_STORE, "The copy of the store cannot be made: %s.",
                          db ? sqlite3_errmsg(db) : "no memory");
    store_backup_end(b);
    return err;
}

/* The transaction that is begun here sees one state of the store until the end. */
static bool take_snapshot(sqlite3 *db)
{
    return sqlite3_busy_timeout(db, 5000) == SQLITE_OK &&
           sqlite3_exec(db, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) ==
               SQLITE_OK;
}

err_t store_backup_begin(const char *from, const char *path, struct store_backup **ret,
                         struct err_info *reterr)
{
    const int open = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (store_is_remote(from))
        return error_set(reterr, ERR_STORE, "Only a SQLite store can be copied so.");
    struct store_backup *b = mem_alloc(sizeof *b);
    if (!b)
        return error_set(reterr, ERR_NO_MEMORY, "No memory for a copy of the store.");
    if (sqlite3_open_v2(from, &b->from, open | SQLITE_OPEN_READONLY, SQLITE_GATHER) != SQLITE_OK ||
        !take_snapshot(b->from))
        return refuse(b, reterr, b->from);
    if (sqlite3_open_v2(path, &b->to, open | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
        SQLITE_OK)
        return refuse(b, reterr, b->to);
    b->copy = sqlite3_backup_init(b->to, "main", b->from, "main");
    if (!b->copy)
        return refuse(b, reterr, b->to);
    *ret = b;
    return OK;
}

err_t store_backup_step(struct store_backup *b, int pages, bool *ret_more)
{
    int rc = sqlite3_backup_step(b->copy, pages);
    *ret_more = rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED;
    if (*ret_more || rc == SQLITE_DONE)
        return OK;
    return rc == SQLITE_NOMEM ? ERR_NO_MEMORY : ERR_IO;
}

void store_backup_end(struct store_backup *b)
{
    if (!b)
        return;
    (void)sqlite3_backup_finish(b->copy); /* NULL is allowed */
    (void)sqlite3_close(b->to);
    (void)sqlite3_close(b->from);
    mem_free(b);
}

static int good_or_not(void *arg, int n, char **values, char **names)
{
    (void)n, (void)names;
    *(bool *)arg = values[0] && strcmp(values[0], "ok") == 0;
    return 0;
}

err_t store_file_check(const char *path, struct err_info *reterr)
{
    sqlite3 *db = NULL;
    bool good = false;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "PRAGMA integrity_check(1)", good_or_not, &good, NULL);
    (void)sqlite3_close(db);
    return rc == SQLITE_OK && good
               ? OK
               : error_set(reterr, ERR_STORE, "%s is damaged, or no SQLite file.", path);
}

/* Engine SQLite: prepared statements, values, rows. */
#include "store/store_sqlite.h"

#include <stdio.h>

#include "observe/observe.h"

/* --- preparing --- */

/* $1, $2 … are names to SQLite, numbered by where they first stand in the text. Positions are
 * numbers only if they agree. */
static bool params_ascend(sqlite3_stmt *st, int n)
{
    for (int i = 1; i <= n; i++) {
        char want[16];
        const char *have = sqlite3_bind_parameter_name(st, i);
        (void)snprintf(want, sizeof want, "$%d", i);
        if (!have || strcmp(have, want) != 0)
            return false;
    }
    return true;
}

err_t sqlite_prepare(struct conn *base, enum sql_id id, struct err_info *reterr)
{
    struct sqlite_conn *c = sqlite_conn_of(base);
    ASSERT((size_t)id < SQL_COUNT);
    struct statement *s = &c->statement[id];
    const struct sql_statement *source = &sql_statements[id];
    if (s->st)
        return OK;
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v3(c->db, source->text, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);
    if (rc != SQLITE_OK) {
        (void)error_set(reterr, ERR_STORE, "Statement %s: %s", source->name, sqlite3_errmsg(c->db));
        return sqlite_error(c, rc, source->name);
    }
    int n = sqlite3_bind_parameter_count(st);
    if (!params_ascend(st, n)) {
        sqlite3_finalize(st);
        LOG(LOG_ERROR, "store.statement_unusable", LOG_STR("statement", source->name));
        return error_set(reterr, ERR_STORE,
                         "Statement %s: parameters must be $1, $2 … in ascending first use.",
                         source->name);
    }
    *s = (struct statement){.row = {.engine = base->engine},
                            .st = st,
                            .conn = c,
                            .name = source->name,
                            .params = n,
                            .columns = sqlite3_column_count(st),
                            .writes = !sqlite3_stmt_readonly(st)};
    return OK;
}

void sqlite_finalize_all(struct sqlite_conn *c)
{
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(c->statement[i].st);
    for (size_t i = 0; i < FIXED_COUNT; i++)
        sqlite3_finalize(c->fixed[i]);
}

/* --- running --- */

/* Values are bound without a copy, so none may stay bound when the caller's memory goes. */
static void statement_end(struct statement *s)
{
    (void)sqlite3_reset(s->st); /* repeats the error of the last step, which was dealt with */
    (void)sqlite3_clear_bindings(s->st);
    s->open = false;
}

void sqlite_end_rows(struct conn *base)
{
    struct sqlite_conn *c = sqlite_conn_of(base);
    for (struct statement *s = c->open_list, *next; s; s = next) {
        next = s->next_open;
        ASSERT(!s->busy);
        if (s->open)
            statement_end(s);
        s->listed = false;
        s->next_open = NULL;
    }
    c->open_list = NULL;
}

static int bind(struct statement *s, const struct sql_value *v, int n)
{
    int rc = SQLITE_OK;
    for (int i = 0; i < n && rc == SQLITE_OK; i++, v++) {
        switch (v->type) {
        case SQL_V_NULL: /* as it is after clearing */
            break;
        case SQL_V_INT:
            rc = sqlite3_bind_int64(s->st, i + 1, v->i);
            break;
        case SQL_V_BLOB:
            if (v->s.p)
                rc = sqlite3_bind_blob64(s->st, i + 1, v->s.p, v->s.n, SQLITE_STATIC);
            break;
        case SQL_V_TEXT:
            if (v->s.p)
                rc = sqlite3_bind_text64(s->st, i + 1, v->s.p, v->s.n, SQLITE_STATIC, SQLITE_UTF8);
            break;
        default:
            ASSERT(!"a value of unknown type");
        }
    }
    return rc;
}

static err_t start(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
                   struct statement **ret)
{
    struct sqlite_conn *c = sqlite_conn_of(base);
    ASSERT((size_t)id < SQL_COUNT);
    struct statement *s = &c->statement[id];
    if (!s->st) {
        err_t err = sqlite_prepare(base, id, NULL);
        if (err)
            return err;
    }
    ASSERT(!s->busy); /* a statement cannot run inside its own store_each */
    ASSERT((size_t)s->params == n);
    if (s->open)
        statement_end(s);
    if (s->writes && c->reader) {
        LOG(LOG_ERROR, "store.write_refused", LOG_STR("statement", s->name));
        return ERR_STORE;
    }
    int rc = bind(s, v, s->params);
    if (rc != SQLITE_OK) {
        err_t err = sqlite_error(c, rc, s->name);
        statement_end(s);
        return err;
    }
    *ret = s;
    return OK;
}

/* A row stays until end_rows or the next start of the statement. */
static void keep_open(struct sqlite_conn *c, struct statement *s)
{
    s->open = true;
    if (s->listed)
        return;
    s->listed = true;
    s->next_open = c->open_list;
    c->open_list = s;
}

err_t sqlite_exec(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
                  int64_t *ret_changed)
{
    struct sqlite_conn *c = sqlite_conn_of(base);
    struct statement *s;
    err_t err = start(base, id, v, n, &s);
    if (err)
        return err;
    int rc = sqlite3_step(s->st);
    ASSERT(rc != SQLITE_ROW); /* a statement with a result is for store_one or store_each */
    if (rc != SQLITE_DONE)
        err = sqlite_error(c, rc, s->name);
    else if (ret_changed)
        *ret_changed = sqlite3_changes64(c->db);
    statement_end(s);
    return err;
}

err_t sqlite_one(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
                 struct store_row **ret)
{
    struct sqlite_conn *c = sqlite_conn_of(base);
    struct statement *s;
    err_t err = start(base, id, v, n, &s);
    if (err)
        return err;
    ASSERT(s->columns > 0);
    int rc = sqlite3_step(s->st);
    if (rc == SQLITE_ROW) {
        keep_open(c, s);
        *ret = &s->row;
        return OK;
    }
    if (rc != SQLITE_DONE)
        err = sqlite_error(c, rc, s->name);
    statement_end(s);
    return err;
}

err_t sqlite_each(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
                  err_t (*each)(struct store_row *row, void *arg), void *arg)
{
    struct sqlite_conn *c = sqlite_conn_of(base);
    struct statement *s;
    err_t err = start(base, id, v, n, &s);
    if (err)
        return err;
    ASSERT(s->columns > 0);
    s->busy = true;
    int rc;
    while (err == OK && (rc = sqlite3_step(s->st)) != SQLITE_DONE) {
        if (rc == SQLITE_ROW)
            err = each(&s->row, arg);
        else
            err = sqlite_error(c, rc, s->name);
    }
    s->busy = false;
    statement_end(s);
    return err;
}

/* --- rows --- */
static struct statement *current(struct store_row *row, int col)
{
    struct statement *s = (struct statement *)row;
    ASSERT(s != NULL && (s->open || s->busy)); /* a row that has ended is not looked at */
    ASSERT(col >= 0 && col < s->columns);
    return s;
}

bool sqlite_row_null(struct store_row *row, int col)
{
    return sqlite3_column_type(current(row, col)->st, col) == SQLITE_NULL;
}

int64_t sqlite_row_int(struct store_row *row, int col)
{
    struct statement *s = current(row, col);
    int type = sqlite3_column_type(s->st, col);
    if (type == SQLITE_NULL)
        return 0;
    if (type != SQLITE_INTEGER) /* SQLite keeps any type in any column, and a sum too large for 64
                                   bits as floating point */
        check_panic("store: column %d of %s is not an integer", col, s->name);
    return sqlite3_column_int64(s->st, col);
}

struct str sqlite_row_text(struct store_row *row, int col)
{
    struct statement *s = current(row, col);
    int type = sqlite3_column_type(s->st, col);
    if (type == SQLITE_NULL)
        return (struct str){NULL, 0};
    if (type != SQLITE_TEXT && type != SQLITE_BLOB)
        check_panic("store: column %d of %s is neither text nor bytes", col, s->name);
    const void *p = sqlite3_column_blob(s->st, col);
    int bytes = sqlite3_column_bytes(s->st, col);
    if (!p && bytes > 0)
        check_panic("store: no memory for column %d of %s", col, s->name);
    return (struct str){p ? p : "", (size_t)bytes};
}

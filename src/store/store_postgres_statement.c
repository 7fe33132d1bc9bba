/* Engine PostgreSQL: prepared statements, values, rows. All values travel in binary. */
#include <stdio.h>

#include "base/num.h"
#include "observe/observe.h"
#include "store/store_postgres.h"

static uint8_t width_of(Oid type)
{
    return type == OID_INT8 ? 8 : type == OID_INT4 ? 4 : type == OID_INT2 ? 2 : 0;
}

/* --- preparing --- */
static bool starts_with_table(const char *text, const char *verb, const char *table)
{
    size_t v = strlen(verb), t = strlen(table);
    if (strncmp(text, verb, v) != 0 || strncmp(text + v, table, t) != 0)
        return false;
    char after = text[v + t];
    return after == ' ' || after == 0;
}

/* Grants refuse it too, unless Florin was given a superuser. */
static bool is_forbidden(const struct pg_conn *c, const char *text)
{
    for (const char *const *t = c->append_only; t && *t; t++)
        if (starts_with_table(text, "UPDATE ", *t) || starts_with_table(text, "DELETE FROM ", *t))
            return true;
    return false;
}

static err_t describe(struct pg_statement *s, const PGresult *r, struct err_info *reterr)
{
    s->params = PQnparams(r);
    if (s->params > PG_PARAMS_MAX)
        return error_set(reterr, ERR_STORE, "Statement %s has too many parameters.", s->name);
    for (int i = 0; i < s->params; i++) {
        Oid type = PQparamtype(r, i);
        s->width[i] = width_of(type);
        if (!s->width[i] && type != OID_BYTEA && type != OID_TEXT && type != OID_VARCHAR)
            return error_set(reterr, ERR_STORE, "Statement %s: the type of $%d is %u.", s->name,
                             i + 1, (unsigned)type);
    }
    for (int i = 0; i < PQnfields(r); i++) {
        Oid type = PQftype(r, i);
        if (!width_of(type) && type != OID_BYTEA && type != OID_TEXT && type != OID_VARCHAR)
            return error_set(reterr, ERR_STORE, "Statement %s: the type of column %d is %u.",
                             s->name, i, (unsigned)type);
    }
    s->prepared = true;
    return OK;
}

/* Parse and Describe in one turn, whatever else was under way has been settled. */
static err_t ask_description(struct pg_conn *c, enum sql_id id, struct pg_statement *s,
                             PGresult **ret)
{
    char text[8192];
    const struct sql_statement *source = &sql_statements[id];
    (void)snprintf(s->wire_name, sizeof s->wire_name, "s%u", (unsigned)id % 1000000);
    int n = snprintf(text, sizeof text, "%s%s", source->text, source->lock);
    ASSERT(n > 0 && n < (int)sizeof text);
    if (!PQsendPrepare(c->pg, s->wire_name, text, 0, NULL) ||
        !PQsendDescribePrepared(c->pg, s->wire_name))
        return pg_lose(c, s->name, NULL);
    pg_put(c, s->name);
    pg_put(c, s->name);
    err_t err = pg_settle(c, ret);
    if (c->base.late) { /* nobody else's: Parse is ours too */
        c->base.late = false;
        return c->failed = ERR_STORE;
    }
    return err;
}

err_t pg_prepare(struct conn *base, enum sql_id id, struct err_info *reterr)
{
    struct pg_conn *c = pg_conn_of(base);
    ASSERT((size_t)id < SQL_COUNT);
    struct pg_statement *s = &c->statement[id];
    const struct sql_statement *source = &sql_statements[id];
    if (s->prepared)
        return OK;
    s->row.engine = base->engine;
    s->name = source->name;
    s->writes = strncmp(source->text, "SELECT", 6) != 0;
    err_t err = pg_settle(c, NULL);
    if (err)
        return err;
    if (!c->pg)
        return ERR_UNAVAILABLE;
    if (is_forbidden(c, source->text))
        return error_set(reterr, ERR_STORE, "Statement %s changes a table that only grows.",
                         s->name);
    PGresult *r;
    err = ask_description(c, id, s, &r);
    if (err == ERR_STORE)
        return error_set(reterr, err, "Statement %s: %s.", s->name, c->why);
    if (err)
        return err;
    err = describe(s, r, reterr);
    PQclear(r);
    return err;
}

void pg_forget(struct pg_conn *c)
{
    pg_end_rows(&c->base);
    for (size_t i = 0; i < SQL_COUNT; i++)
        c->statement[i].prepared = false;
}

/* --- running --- */
static void statement_end(struct pg_statement *s)
{
    PQclear(s->result);
    s->result = NULL;
}

void pg_end_rows(struct conn *base)
{
    struct pg_conn *c = pg_conn_of(base);
    for (struct pg_statement *s = c->open_list, *next; s; s = next) {
        next = s->next_open;
        ASSERT(!s->busy);
        statement_end(s);
        s->listed = false;
        s->next_open = NULL;
    }
    c->open_list = NULL;
    for (int i = 0; i < c->ahead_n; i++)
        PQclear(c->ahead[i].result);
    c->ahead_n = 0;
}

struct bound {
    const char *value[PG_PARAMS_MAX];
    int length[PG_PARAMS_MAX], format[PG_PARAMS_MAX];
    uint8_t number[PG_PARAMS_MAX][8];
};

static err_t bind_int(const struct pg_statement *s, int i, int64_t value, struct bound *b)
{
    uint8_t width = s->width[i];
    if (width == 0)
        check_panic("store: $%d of %s is not an integer", i + 1, s->name);
    if ((width == 2 && (value < INT16_MIN || value > INT16_MAX)) ||
        (width == 4 && (value < INT32_MIN || value > INT32_MAX))) {
        LOG(LOG_ERROR, "store.value_too_large", LOG_STR("statement", s->name),
            LOG_INT("parameter", i + 1));
        return ERR_STORE;
    }
    for (int at = width; at-- > 0; value = (int64_t)((uint64_t)value >> 8))
        b->number[i][at] = (uint8_t)value;
    b->value[i] = (const char *)b->number[i];
    b->length[i] = width;
    return OK;
}

static err_t bind(const struct pg_statement *s, const struct sql_value *v, struct bound *b)
{
    err_t err = OK;
    for (int i = 0; i < s->params && !err; i++, v++) {
        b->format[i] = 1;
        b->value[i] = NULL;
        b->length[i] = 0;
        switch (v->type) {
        case SQL_V_NULL:
            break;
        case SQL_V_INT:
            err = bind_int(s, i, v->i, b);
            break;
        case SQL_V_BLOB:
        case SQL_V_TEXT:
            ASSERT(s->width[i] == 0 && v->s.n <= INT32_MAX);
            b->value[i] = v->s.p;
            b->length[i] = v->s.p ? (int)v->s.n : 0;
            break;
        default:
            ASSERT(!"a value of unknown type");
        }
    }
    return err;
}

err_t pg_send(struct pg_conn *c, enum sql_id id, const struct sql_value *v, size_t n,
              int64_t expected)
{
    struct pg_statement *s = &c->statement[id];
    ASSERT((size_t)id < SQL_COUNT);
    if (c->failed)
        return c->failed;
    if (!s->prepared) {
        err_t err = pg_prepare(&c->base, id, NULL);
        if (err)
            return c->failed = err;
    }
    ASSERT(!s->busy); /* a statement cannot run inside its own store_each */
    ASSERT((size_t)s->params == n);
    statement_end(s);
    if (s->writes && c->reader && c->serving) {
        LOG(LOG_ERROR, "store.write_refused", LOG_STR("statement", s->name));
        return c->failed = ERR_STORE;
    }
    if (c->pending_n >= PG_PENDING_MAX) {
        err_t err = pg_settle(c, NULL);
        if (err)
            return err;
    }
    struct bound b;
    err_t bad = bind(s, v, &b);
    if (bad)
        return c->failed = bad;
    if (!PQsendQueryPrepared(c->pg, s->wire_name, s->params, b.value, b.length, b.format, 1))
        return pg_lose(c, s->name, NULL);
    c->pending[c->pending_n++] =
        (struct pg_pending){.what = s->name, .writes = s->writes, .expected = expected};
    return OK;
}

err_t pg_exec(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
              int64_t *ret_changed)
{
    struct pg_conn *c = pg_conn_of(base);
    PGresult *r = NULL;
    err_t err = pg_send(c, id, v, n, -1);
    if (!err)
        err = pg_settle(c, &r);
    if (err)
        return err;
    ASSERT(PQnfields(r) == 0); /* a statement with a result is for store_one or store_each */
    if (ret_changed)
        *ret_changed = pg_rows(r);
    PQclear(r);
    return OK;
}

err_t pg_exec_later(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
                    int64_t expected)
{
    struct pg_conn *c = pg_conn_of(base);
    err_t err = pg_send(c, id, v, n, expected);
    c->changes++; /* perhaps; who looks at it must not be told that nothing changed */
    return err;
}

/* --- reading ahead --- */
void pg_read_ahead(struct conn *base, enum sql_id id, int64_t value)
{
    struct pg_conn *c = pg_conn_of(base);
    if (c->ahead_n == PG_AHEAD_MAX || pg_send(c, id, &V_INT(value), 1, -1))
        return;
    c->ahead[c->ahead_n++] =
        (struct pg_ahead){.id = id, .value = value, .serial = ++c->ahead_serial};
    c->pending[c->pending_n - 1].ahead = c->ahead_serial;
}

void pg_ahead_arrived(struct pg_conn *c, uint64_t serial, PGresult *r)
{
    for (int i = 0; i < c->ahead_n; i++)
        if (c->ahead[i].serial == serial) {
            c->ahead[i].result = r;
            return;
        }
    PQclear(r); /* the operation that asked went another way */
}

/* Takes what a read ahead brought, and waits for it if it is still under way. */
static err_t take_ahead(struct pg_conn *c, enum sql_id id, const struct sql_value *v, size_t n,
                        PGresult **ret)
{
    int i = 0;
    while (i < c->ahead_n && (c->ahead[i].id != id || c->ahead[i].value != v->i))
        i++;
    if (n != 1 || i == c->ahead_n)
        return OK;
    err_t err = c->ahead[i].result ? c->failed : pg_settle(c, NULL);
    *ret = c->ahead[i].result;
    c->ahead[i] = c->ahead[--c->ahead_n];
    return err;
}

static err_t fetch(struct pg_conn *c, enum sql_id id, const struct sql_value *v, size_t n)
{
    struct pg_statement *s = &c->statement[id];
    PGresult *r = NULL;
    err_t err = c->ahead_n > 0 && n > 0 ? take_ahead(c, id, v, n, &r) : OK;
    ASSERT(!s->busy);
    statement_end(s);
    if (!err && !r)
        err = pg_send(c, id, v, n, -1);
    if (!err && !r)
        err = pg_settle(c, &r);
    s->result = r;
    if (err) {
        statement_end(s);
        return err;
    }
    ASSERT(s->result != NULL && PQnfields(s->result) > 0);
    s->at = 0;
    if (!s->listed) {
        s->listed = true;
        s->next_open = c->open_list;
        c->open_list = s;
    }
    return OK;
}

err_t pg_one(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
             struct store_row **ret)
{
    struct pg_conn *c = pg_conn_of(base);
    struct pg_statement *s = &c->statement[id];
    err_t err = fetch(c, id, v, n);
    if (err)
        return err;
    *ret = PQntuples(s->result) > 0 ? &s->row : NULL;
    return OK;
}

err_t pg_each(struct conn *base, enum sql_id id, const struct sql_value *v, size_t n,
              err_t (*each)(struct store_row *row, void *arg), void *arg)
{
    struct pg_conn *c = pg_conn_of(base);
    struct pg_statement *s = &c->statement[id];
    err_t err = fetch(c, id, v, n);
    if (err)
        return err;
    s->busy = true;
    for (; err == OK && s->at < PQntuples(s->result); s->at++)
        err = each(&s->row, arg);
    s->busy = false;
    statement_end(s);
    return err;
}

/* --- rows --- */
static const struct pg_statement *current(struct store_row *row, int col)
{
    const struct pg_statement *s = (const struct pg_statement *)row;
    ASSERT(s != NULL && s->result != NULL); /* a row that has ended is not looked at */
    ASSERT(col >= 0 && col < PQnfields(s->result) && s->at < PQntuples(s->result));
    return s;
}

bool pg_row_null(struct store_row *row, int col)
{
    const struct pg_statement *s = current(row, col);
    return PQgetisnull(s->result, s->at, col);
}

int64_t pg_row_int(struct store_row *row, int col)
{
    const struct pg_statement *s = current(row, col);
    if (PQgetisnull(s->result, s->at, col))
        return 0;
    const uint8_t *p = (const uint8_t *)PQgetvalue(s->result, s->at, col);
    switch (width_of(PQftype(s->result, col))) {
    case 8:
        return (int64_t)num_get64(p);
    case 4:
        return (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
    case 2:
        return (int16_t)(uint16_t)(p[0] << 8 | p[1]);
    default:
        check_panic("store: column %d of %s is not an integer", col, s->name);
    }
}

struct str pg_row_text(struct store_row *row, int col)
{
    const struct pg_statement *s = current(row, col);
    if (PQgetisnull(s->result, s->at, col))
        return (struct str){NULL, 0};
    if (width_of(PQftype(s->result, col)))
        check_panic("store: column %d of %s is neither text nor bytes", col, s->name);
    return (struct str){PQgetvalue(s->result, s->at, col),
                        (size_t)PQgetlength(s->result, s->at, col)};
}

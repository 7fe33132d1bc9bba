#include "store/store_copy_row.h"

#include <stdio.h>

#include "store/store_postgres.h"

err_t copy_from_failed(sqlite3 *from, struct err_info *reterr)
{
    return error_set(reterr, ERR_STORE, "The source: %s.", sqlite3_errmsg(from));
}

err_t copy_to_failed(PGconn *to, struct err_info *reterr)
{
    const char *message = PQerrorMessage(to);
    return error_set(reterr, ERR_STORE, "The destination: %.*s", (int)strcspn(message, "\n"),
                     message);
}

/* --- shapes --- */
static void list_add(char *list, size_t max, const char *name)
{
    size_t n = strlen(list);
    int got = snprintf(list + n, max - n, "%s%s", n ? ", " : "", name);
    ASSERT(got > 0 && (size_t)got < max - n);
}

static err_t read_columns(sqlite3 *from, struct copy_shape *s, struct err_info *reterr)
{
    sqlite3_stmt *st = NULL;
    char names[COPY_KEY_MAX][64];
    int rc = sqlite3_prepare_v2(from, "SELECT name, pk FROM pragma_table_info($1) ORDER BY cid", -1,
                                &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(st, 1, s->table, -1, SQLITE_STATIC);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(st, 0);
        int key = sqlite3_column_int(st, 1);
        rc = SQLITE_OK;
        ASSERT(s->columns < COPY_COLUMNS_MAX && key <= COPY_KEY_MAX);
        list_add(s->columns_text, sizeof s->columns_text, name);
        if (key > 0) {
            (void)snprintf(names[key - 1], sizeof names[0], "%s", name);
            s->key_column[key - 1] = s->columns;
            s->key = key > s->key ? key : s->key;
        }
        s->columns++;
    }
    sqlite3_finalize(st);
    if (rc != SQLITE_DONE)
        return copy_from_failed(from, reterr);
    ASSERT(s->key > 0); /* tools/tidy sees to it */
    for (int i = 0; i < s->key; i++)
        list_add(s->key_text, sizeof s->key_text, names[i]);
    return OK;
}

static err_t read_types(PGconn *to, struct copy_shape *s, struct err_info *reterr)
{
    char text[4096];
    (void)snprintf(text, sizeof text, "SELECT %s FROM %s LIMIT 0", s->columns_text, s->table);
    PGresult *r = PQexec(to, text);
    err_t err = PQresultStatus(r) == PGRES_TUPLES_OK ? OK : copy_to_failed(to, reterr);
    for (int i = 0; !err && i < s->columns; i++) {
        Oid type = PQftype(r, i);
        s->width[i] = type == OID_INT8 ? 8 : type == OID_INT2 ? 2 : 0;
        s->is_text[i] = type == OID_VARCHAR;
        if (!s->width[i] && type != OID_BYTEA && type != OID_VARCHAR)
            err = error_set(reterr, ERR_STORE, "Table %s, column %d: the type %u is not known.",
                            s->table, i + 1, (unsigned)type);
    }
    /* Text in the order of its bytes, which is the source's. */
    for (int i = 0; !err && i < s->key; i++) {
        char down[80];
        (void)snprintf(down, sizeof down, "%s%s DESC", PQfname(r, s->key_column[i]),
                       s->is_text[s->key_column[i]] ? " COLLATE \"C\"" : "");
        list_add(s->key_down, sizeof s->key_down, down);
    }
    PQclear(r);
    return err;
}

err_t copy_shape_read(sqlite3 *from, PGconn *to, const char *table, struct copy_shape *ret,
                      struct err_info *reterr)
{
    *ret = (struct copy_shape){.table = table};
    err_t err = read_columns(from, ret, reterr);
    return err ? err : read_types(to, ret, reterr);
}

/* --- where to go on --- */
static int bind_key(const struct copy_shape *s, const PGresult *last, sqlite3_stmt *st)
{
    int rc = SQLITE_OK;
    for (int i = 0; i < s->key && rc == SQLITE_OK; i++) {
        const char *p = PQgetvalue(last, 0, i);
        int n = PQgetlength(last, 0, i);
        uint8_t width = s->width[s->key_column[i]];
        int64_t v = 0;
        for (int at = 0; at < width; at++)
            v = (int64_t)((uint64_t)v << 8 | (uint8_t)p[at]);
        if (width == 2)
            v = (int16_t)v;
        if (width)
            rc = sqlite3_bind_int64(st, i + 1, v);
        else if (s->is_text[s->key_column[i]])
            rc = sqlite3_bind_text(st, i + 1, p, n, SQLITE_TRANSIENT);
        else
            rc = sqlite3_bind_blob(st, i + 1, p, n, SQLITE_TRANSIENT);
    }
    return rc;
}

err_t copy_rest(sqlite3 *from, PGconn *to, const struct copy_shape *s, sqlite3_stmt **ret,
                struct err_info *reterr)
{
    static const char *const marks[] = {
        "", "$1", "$1, $2", "$1, $2, $3", "$1, $2, $3, $4", "$1, $2, $3, $4, $5"};
    _Static_assert(COUNT_OF(marks) == COPY_KEY_MAX + 1, "a key of each length");
    char text[8192];
    (void)snprintf(text, sizeof text, "SELECT %s FROM %s ORDER BY %s LIMIT 1", s->key_text,
                   s->table, s->key_down);
    PGresult *last = PQexecParams(to, text, 0, NULL, NULL, NULL, NULL, 1);
    if (PQresultStatus(last) != PGRES_TUPLES_OK) {
        PQclear(last);
        return copy_to_failed(to, reterr);
    }
    bool begun = PQntuples(last) > 0;
    (void)snprintf(text, sizeof text, "SELECT %s FROM %s%s%s%s%s%s ORDER BY %s", s->columns_text,
                   s->table, begun ? " WHERE (" : "", begun ? s->key_text : "",
                   begun ? ") > (" : "", begun ? marks[s->key] : "", begun ? ")" : "", s->key_text);
    int rc = sqlite3_prepare_v2(from, text, -1, ret, NULL);
    if (rc == SQLITE_OK && begun)
        rc = bind_key(s, last, *ret);
    PQclear(last);
    return rc == SQLITE_OK ? OK : copy_from_failed(from, reterr);
}

/* --- rows --- */
static void put(struct buf *out, uint64_t v, int bytes)
{
    while (bytes-- > 0)
        buf_byte(out, (char)(v >> (8 * bytes)));
}

void copy_row_head(struct buf *out)
{
    buf_add(out, "PGCOPY\n\377\r\n\0", 11);
    put(out, 0, 4); /* no flags */
    put(out, 0, 4); /* no more of a head */
}

void copy_row_end(struct buf *out)
{
    put(out, 0xFFFF, 2);
}

/* SQLite keeps any bytes as text; what is none (an endpoint's answer from before they were cleaned)
 * is made so. */
static void put_text(struct buf *out, struct str s)
{
    put(out, s.n, 4);
    if (str_is_utf8(s)) {
        buf_add(out, s.p, s.n);
        return;
    }
    for (size_t i = 0; i < s.n; i++)
        buf_byte(out, (unsigned char)s.p[i] - 1u < 0x7F ? s.p[i] : '?');
}

err_t copy_row(const struct copy_shape *s, sqlite3_stmt *st, struct buf *out,
               struct err_info *reterr)
{
    put(out, (uint64_t)s->columns, 2);
    for (int i = 0; i < s->columns; i++) {
        int type = sqlite3_column_type(st, i);
        if (type == SQLITE_NULL) {
            put(out, 0xFFFFFFFF, 4);
            continue;
        }
        if (s->width[i]) {
            int64_t v = sqlite3_column_int64(st, i);
            if (type != SQLITE_INTEGER || (s->width[i] == 2 && (v < INT16_MIN || v > INT16_MAX)))
                return error_set(reterr, ERR_STORE,
                                 "Table %s, column %d: a value does not fit its type.", s->table,
                                 i + 1);
            put(out, s->width[i], 4);
            put(out, (uint64_t)v, s->width[i]);
            continue;
        }
        const char *p = sqlite3_column_blob(st, i);
        struct str v = {p ? p : "", (size_t)sqlite3_column_bytes(st, i)};
        if (s->is_text[i]) {
            put_text(out, v);
        } else {
            put(out, v.n, 4);
            buf_add(out, v.p, v.n);
        }
    }
    return OK;
}

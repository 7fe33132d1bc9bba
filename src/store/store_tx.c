/* Statements, rows and notes inside a transaction: what holds for every engine. */
#include "store/store_internal.h"

/* PostgreSQL takes no statement after a failed one until the savepoint is rolled back; so that no
 * caller comes to depend on an engine that does, the first failure decides the operation
 * everywhere. */
static err_t note_failure(struct store_tx *tx, err_t err)
{
    if (err != OK && tx->failed == OK)
        tx->failed = err;
    return err;
}

err_t store_exec_n(struct store_tx *tx, enum sql_id id, const struct sql_value *v, size_t n,
                   int64_t *ret_changed)
{
    ASSERT(tx != NULL);
    if (tx->failed)
        return tx->failed;
    const struct engine *e = tx->conn->engine;
    bool later = !ret_changed && !tx->careful && e->exec_later;
    return note_failure(tx, later ? e->exec_later(tx->conn, id, v, n, -1)
                                  : e->exec(tx->conn, id, v, n, ret_changed));
}

err_t store_exec_one_n(struct store_tx *tx, enum sql_id id, const struct sql_value *v, size_t n,
                       err_t otherwise)
{
    ASSERT(tx != NULL && otherwise != OK);
    if (tx->failed)
        return tx->failed;
    const struct engine *e = tx->conn->engine;
    if (!tx->careful && e->exec_later)
        return note_failure(tx, e->exec_later(tx->conn, id, v, n, 1));
    int64_t changed = 0;
    err_t err = note_failure(tx, e->exec(tx->conn, id, v, n, &changed));
    if (err == OK && changed != 1)
        err = note_failure(tx, otherwise);
    return err;
}

err_t store_one_n(struct store_tx *tx, enum sql_id id, const struct sql_value *v, size_t n,
                  struct store_row **ret)
{
    ASSERT(tx != NULL && ret != NULL);
    *ret = NULL;
    if (tx->failed)
        return tx->failed;
    return note_failure(tx, tx->conn->engine->one(tx->conn, id, v, n, ret));
}

void store_ahead(struct store_tx *tx, enum sql_id id, int64_t value)
{
    const struct engine *e = tx->conn->engine;
    if (e->ahead && !tx->failed && !tx->careful)
        e->ahead(tx->conn, id, value);
}

struct each_call {
    err_t (*each)(struct store_row *row, void *arg);
    void *arg;
    err_t callback; /* what the caller's function said: not a failure of the statement */
};

static err_t each_row(struct store_row *row, void *arg)
{
    struct each_call *call = arg;
    call->callback = call->each(row, call->arg);
    return call->callback;
}

err_t store_each_n(struct store_tx *tx, enum sql_id id, const struct sql_value *v, size_t n,
                   err_t (*each)(struct store_row *row, void *arg), void *arg)
{
    ASSERT(tx != NULL && each != NULL);
    if (tx->failed)
        return tx->failed;
    struct each_call call = {.each = each, .arg = arg};
    err_t err = tx->conn->engine->each(tx->conn, id, v, n, each_row, &call);
    return call.callback ? call.callback : note_failure(tx, err);
}

bool row_null(struct store_row *row, int col)
{
    return row->engine->row_null(row, col);
}

int64_t row_int(struct store_row *row, int col)
{
    return row->engine->row_int(row, col);
}

struct str row_text(struct store_row *row, int col)
{
    return row->engine->row_text(row, col);
}

struct id row_id(struct store_row *row, int col)
{
    struct id id = {{0}};
    struct str s = row->engine->row_text(row, col);
    if (!s.p)
        return id;
    if (s.n != sizeof id.b)
        check_panic("store: an id of %zu bytes in column %d", s.n, col);
    memcpy(id.b, s.p, sizeof id.b);
    return id;
}

err_t store_note(struct store_tx *tx, const struct store_note *note)
{
    ASSERT(tx->notes != NULL && note->kind != 0);
    struct note_list *l = tx->notes;
    struct store_note *p = mem_grow(l->p, &l->cap, l->n, sizeof *p, 256);
    if (!p)
        return note_failure(tx, ERR_NO_MEMORY);
    l->p = p;
    l->p[l->n++] = *note;
    return OK;
}

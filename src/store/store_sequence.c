/* The merchants of a batch: their locks and their dense numbers. The row is read once, held until
 * the commit, and written once, however many operations took numbers from it. */
#include "store/store_internal.h"

static err_t sequence_add(struct sequence_list *l, int64_t merchant_id, struct sequence **ret)
{
    struct sequence *p = mem_grow(l->p, &l->cap, l->n, sizeof *p, 16);
    if (!p)
        return ERR_NO_MEMORY;
    l->p = p;
    *ret = &l->p[l->n++];
    **ret = (struct sequence){.merchant_id = merchant_id};
    return OK;
}

/* The merchant's row, locked where others could write. */
static err_t sequence_row(struct store_tx *tx, int64_t merchant_id, struct store_row **ret)
{
    err_t err = store_one(tx, SQL_STORE_SELECT_SEQUENCER, ret, V_INT(merchant_id));
    if (err || *ret)
        return err;
    err = store_exec(tx, SQL_STORE_INSERT_SEQUENCER, NULL, V_INT(merchant_id));
    if (!err) /* by us, or by another node that was quicker */
        err = store_one(tx, SQL_STORE_SELECT_SEQUENCER, ret, V_INT(merchant_id));
    ASSERT(err || *ret);
    return err;
}

static err_t sequence_of(struct store_tx *tx, int64_t merchant_id, struct sequence **ret)
{
    struct sequence_list *l = tx->sequences;
    ASSERT(l != NULL);
    for (size_t i = 0; i < l->n; i++)
        if (l->p[i].merchant_id == merchant_id) {
            *ret = &l->p[i];
            return tx->failed;
        }
    struct store_row *row;
    err_t err = sequence_row(tx, merchant_id, &row);
    if (err)
        return err;
    err = sequence_add(l, merchant_id, ret);
    for (int i = 0; !err && i < 2; i++)
        (*ret)->stored[i] = (*ret)->stands[i] = (*ret)->taken[i] = row_int(row, i);
    return err;
}

err_t store_lock(struct store_tx *tx, int64_t merchant_id)
{
    struct sequence *s;
    return tx->store->shared ? sequence_of(tx, merchant_id, &s) : tx->failed;
}

err_t store_next(struct store_tx *tx, int64_t merchant_id, enum store_sequence which, int64_t *ret)
{
    ASSERT(merchant_id != 0 && (which == SEQUENCE_EVENT || which == SEQUENCE_JOURNAL));
    struct sequence *s;
    err_t err = sequence_of(tx, merchant_id, &s);
    if (err)
        return err;
    *ret = ++s->taken[which];
    ASSERT(*ret > 0);
    return OK;
}

void sequences_stand(struct sequence_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        memcpy(l->p[i].stands, l->p[i].taken, sizeof l->p[i].stands);
}

void sequences_drop(struct sequence_list *l, size_t n)
{
    ASSERT(n <= l->n);
    l->n = n; /* a roll-back gives up the locks that were taken since */
    for (size_t i = 0; i < l->n; i++)
        memcpy(l->p[i].taken, l->p[i].stands, sizeof l->p[i].taken);
}

err_t sequences_save(struct store_tx *tx)
{
    const struct sequence_list *l = tx->sequences;
    err_t err = OK;
    for (size_t i = 0; err == OK && i < l->n; i++) {
        const struct sequence *s = &l->p[i];
        if (s->stands[0] == s->stored[0] && s->stands[1] == s->stored[1])
            continue;
        err = store_exec_one(tx, SQL_STORE_UPDATE_SEQUENCER, ERR_STORE, V_INT(s->stands[0]),
                             V_INT(s->stands[1]), V_INT(s->merchant_id), V_INT(s->stored[0]),
                             V_INT(s->stored[1]));
    }
    return err;
}

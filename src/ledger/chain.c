/* The hash chain over what a batch wrote: one row per merchant and batch. */
#include "ledger/ledger.h"

#include <stdlib.h>

#include "crypto/crypto.h"

/* Journals by number, then events by sequence, so that the order can be told from the rows alone.
 */
static int compare(const void *pa, const void *pb)
{
    const struct store_note *a = *(const struct store_note *const *)pa;
    const struct store_note *b = *(const struct store_note *const *)pb;
    if (a->merchant_id != b->merchant_id)
        return a->merchant_id < b->merchant_id ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    ASSERT(a == b || a->seq != b->seq);
    return a->seq < b->seq ? -1 : 1;
}

struct link {
    int64_t number, journal_upto, event_upto;
    uint8_t hash[32];
};

static err_t read_last(struct store_tx *tx, int64_t merchant_id, struct link *ret)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_LEDGER_SELECT_CHAIN_LAST, &row, V_INT(merchant_id));
    if (err)
        return err;
    *ret = (struct link){.number = 0};
    if (!row)
        return OK;
    struct str hash = row_text(row, 3);
    ASSERT(hash.n == 32);
    ret->number = row_int(row, 0);
    ret->journal_upto = row_int(row, 1);
    ret->event_upto = row_int(row, 2);
    memcpy(ret->hash, hash.p, 32);
    return OK;
}

/* One merchant's notes, in order. `bytes` has room for n + 1 hashes. */
static err_t extend(struct store_tx *tx, const struct store_note *const *notes, size_t n,
                    int64_t now_us, uint8_t *bytes)
{
    int64_t merchant_id = notes[0]->merchant_id;
    struct link l;
    err_t err = read_last(tx, merchant_id, &l);
    if (err)
        return err;
    memcpy(bytes, l.hash, 32);
    for (size_t i = 0; i < n; i++) {
        int64_t *upto = notes[i]->kind == NOTE_JOURNAL ? &l.journal_upto : &l.event_upto;
        ASSERT(notes[i]->seq == *upto + 1); /* dense and in commit order, or the store is broken */
        *upto = notes[i]->seq;
        memcpy(bytes + 32 * (i + 1), notes[i]->hash, 32);
    }
    crypto_hash(l.hash, 32, &(struct crypto_piece){bytes, 32 * (n + 1)}, 1);
    return store_exec(tx, SQL_LEDGER_INSERT_CHAIN, NULL, V_INT(merchant_id), V_INT(l.number + 1),
                      V_INT(l.journal_upto), V_INT(l.event_upto), V_INT(now_us),
                      V_BLOB(l.hash, 32));
}

err_t ledger_chain(struct store_tx *tx, const struct store_note *notes, size_t n, int64_t now_us,
                   void *arg)
{
    (void)arg;
    if (n == 0)
        return OK;
    const struct store_note **order = mem_alloc(n * sizeof *order);
    uint8_t *bytes = mem_alloc(32 * (n + 1));
    size_t count = 0;
    err_t err = order && bytes ? OK : ERR_NO_MEMORY;
    for (size_t i = 0; !err && i < n; i++)
        if (notes[i].kind == NOTE_JOURNAL || notes[i].kind == NOTE_EVENT)
            order[count++] = &notes[i];
    if (count > 1)
        qsort(order, count, sizeof *order, compare);
    for (size_t i = 0; !err && i < count; i++)
        if (i == 0 || order[i]->merchant_id != order[i - 1]->merchant_id)
            store_ahead(tx, SQL_LEDGER_SELECT_CHAIN_LAST, order[i]->merchant_id);
    for (size_t from = 0, to; !err && from < count; from = to) {
        for (to = from + 1; to < count && order[to]->merchant_id == order[from]->merchant_id; to++)
            ;
        err = extend(tx, order + from, to - from, now_us, bytes);
    }
    mem_free(order);
    mem_free(bytes);
    return err;
}

/* Balances: snapshot and tail. Accounts without a limit have no row that every payment would have
 * to update. */
#include "ledger/ledger.h"

#include <stdlib.h>

#include "ledger/ledger_internal.h"
#include "observe/observe.h"

/* Sums by currency, account and unit: open addressing, a free slot has account 0. */
struct sums {
    struct balance *slot;
    size_t cap, n; /* cap is a power of two */
    int64_t upto;
};

static size_t slot_of(const struct balance *slot, size_t cap, const struct balance *key)
{
    uint64_t h = ((uint64_t)(uint16_t)key->currency << 32 | (uint64_t)(uint16_t)key->unit << 8 |
                  (uint64_t)key->account) *
                 UINT64_C(0x9E3779B97F4A7C15);
    size_t i = (size_t)(h >> 32) & (cap - 1);
    while (slot[i].account != 0 && !(slot[i].currency == key->currency &&
                                     slot[i].account == key->account && slot[i].unit == key->unit))
        i = (i + 1) & (cap - 1);
    return i;
}

static err_t grow(struct sums *s)
{
    size_t cap = s->cap ? s->cap * 2 : 64;
    struct balance *slot = mem_alloc(cap * sizeof *slot);
    if (!slot)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < s->cap; i++)
        if (s->slot[i].account != 0)
            slot[slot_of(slot, cap, &s->slot[i])] = s->slot[i];
    mem_free(s->slot);
    s->slot = slot;
    s->cap = cap;
    return OK;
}

static err_t sums_add(struct sums *s, const struct balance *add)
{
    ASSERT(ledger_account_text(add->account));
    if (s->n * 4 >= s->cap * 3) {
        err_t err = grow(s);
        if (err)
            return err;
    }
    struct balance *b = &s->slot[slot_of(s->slot, s->cap, add)];
    if (b->account == 0) {
        *b = *add;
        s->n++;
        return OK;
    }
    bool fits = num_add(b->pending, add->pending, &b->pending) &&
                num_add(b->posted, add->posted, &b->posted);
    return fits ? OK : ERR_INTERNAL;
}

static int compare(const void *pa, const void *pb)
{
    const struct balance *a = pa, *b = pb;
    if (a->currency != b->currency)
        return a->currency < b->currency ? -1 : 1;
    if (a->account != b->account)
        return a->account < b->account ? -1 : 1;
    return a->unit < b->unit ? -1 : a->unit > b->unit;
}

/* Packs the slots to an array in order; the table is no table any more. */
static void sums_sort(struct sums *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->cap; i++)
        if (s->slot[i].account != 0)
            s->slot[n++] = s->slot[i];
    ASSERT(n == s->n);
    if (n > 1)
        qsort(s->slot, n, sizeof *s->slot, compare);
}

/* Double entry read back: per currency both layers are zero over all accounts. */
static bool sums_balanced(const struct sums *s)
{
    for (size_t i = 0; i < s->n;) {
        int64_t pending = 0, posted = 0;
        int16_t currency = s->slot[i].currency;
        for (; i < s->n && s->slot[i].currency == currency; i++)
            if (!num_add(pending, s->slot[i].pending, &pending) ||
                !num_add(posted, s->slot[i].posted, &posted))
                return false;
        if (pending != 0 || posted != 0)
            return false;
    }
    return true;
}

static err_t add_snapshot(struct store_row *row, void *arg)
{
    struct sums *s = arg;
    struct balance b = {.currency = (int16_t)row_int(row, 0),
                        .account = (enum ledger_account)row_int(row, 1),
                        .unit = (int16_t)row_int(row, 2),
                        .pending = row_int(row, 4),
                        .posted = row_int(row, 5)};
    if (s->n > 0 && s->upto != row_int(row, 3))
        return ERR_INTERNAL; /* they only move together */
    s->upto = row_int(row, 3);
    return sums_add(s, &b);
}

static err_t add_leg(struct store_row *row, void *arg)
{
    int64_t amount = row_int(row, 4);
    struct balance b = {.currency = (int16_t)row_int(row, 0),
                        .account = (enum ledger_account)row_int(row, 1),
                        .unit = (int16_t)row_int(row, 2)};
    *(row_int(row, 3) == LAYER_POSTED ? &b.posted : &b.pending) = amount;
    return sums_add(arg, &b);
}

/* Fills s, sorted, with the sums up to the last journal, or up to `step` journals after the
 * snapshot. */
static err_t sum_up(struct store_tx *tx, int64_t merchant_id, int64_t step, struct sums *s,
                    int64_t *ret_upto)
{
    struct store_row *row;
    err_t err = store_each(tx, SQL_LEDGER_SELECT_SNAPSHOTS, add_snapshot, s, V_INT(merchant_id));
    if (err)
        return err;
    err = store_one(tx, SQL_LEDGER_SELECT_JOURNAL_LAST, &row, V_INT(merchant_id));
    if (err)
        return err;
    int64_t last = row ? row_int(row, 0) : 0;
    ASSERT(s->upto <= last && step > 0);
    *ret_upto = last - s->upto > step ? s->upto + step : last;
    err = store_each(tx, SQL_LEDGER_SELECT_TAIL, add_leg, s, V_INT(merchant_id), V_INT(s->upto),
                     V_INT(*ret_upto));
    if (err)
        return err;
    sums_sort(s);
    if (sums_balanced(s))
        return OK;
    LOG(LOG_ERROR, "ledger_unbalanced", LOG_INT("merchant", merchant_id));
    return ERR_INTERNAL;
}

err_t ledger_balances(struct store_tx *tx, int64_t merchant_id,
                      err_t (*each)(const struct balance *, void *), void *arg)
{
    struct sums s = {.slot = NULL};
    int64_t upto;
    err_t err = sum_up(tx, merchant_id, INT64_MAX, &s, &upto);
    for (size_t i = 0; !err && i < s.n; i++)
        err = each(&s.slot[i], arg);
    mem_free(s.slot);
    return err;
}

static err_t snapshot_step(struct store_tx *tx, int64_t merchant_id, int64_t step)
{
    struct sums s = {.slot = NULL};
    int64_t upto = 0;
    err_t err = store_lock(tx, merchant_id);
    if (!err)
        err = sum_up(tx, merchant_id, step, &s, &upto);
    bool moved = upto > s.upto;
    for (size_t i = 0; !err && moved && i < s.n; i++) {
        const struct balance *b = &s.slot[i];
        err = store_exec(tx, SQL_LEDGER_UPSERT_SNAPSHOT, NULL, V_INT(merchant_id),
                         V_INT(b->currency), V_INT(b->account), V_INT(b->unit), V_INT(upto),
                         V_INT(b->pending), V_INT(b->posted));
    }
    mem_free(s.slot);
    return err;
}

err_t ledger_snapshot(struct store_tx *tx, int64_t merchant_id)
{
    return snapshot_step(tx, merchant_id, INT64_MAX);
}

#define DUE_MAX 16

struct due {
    int64_t merchant[DUE_MAX];
    int n;
};

static err_t add_due(struct store_row *row, void *arg)
{
    struct due *d = arg;
    ASSERT(d->n < DUE_MAX);
    d->merchant[d->n++] = row_int(row, 0);
    return OK;
}

err_t ledger_snapshot_due(struct store_tx *tx, int64_t tail, int *ret_moved)
{
    ASSERT(tail > 0);
    struct due d = {.n = 0};
    *ret_moved = 0;
    err_t err =
        store_each(tx, SQL_LEDGER_SELECT_LONG_TAILS, add_due, &d, V_INT(tail), V_INT(DUE_MAX));
    for (int i = 0; !err && i < d.n; i++) {
        err = snapshot_step(tx, d.merchant[i], tail);
        *ret_moved += !err;
    }
    return err;
}

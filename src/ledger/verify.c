/* `florin ledger verify`: merchants one by one, and the walk along each chain. */
#include "ledger/verify.h"

#include <inttypes.h>
#include <stdio.h>

#include "crypto/crypto.h"

void verify_fault(struct verify *v, const char *fmt, ...)
{
    if (v->report->faults++ > 0)
        return;
    char *out = v->report->first_fault;
    size_t size = sizeof v->report->first_fault;
    int n = snprintf(out, size, "merchant %" PRId64 ": ", v->merchant);
    ASSERT(n > 0 && (size_t)n < size);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(out + n, size - (size_t)n, fmt, ap);
    va_end(ap);
}

#define PAGE 64

struct link {
    int64_t number, journal_upto, event_upto;
    uint8_t hash[32];
};
struct page {
    struct verify *v;
    struct link link[PAGE];
    size_t n;
};

static err_t read_link(struct store_row *row, void *arg)
{
    struct page *p = arg;
    ASSERT(p->n < PAGE);
    struct link *l = &p->link[p->n++];
    *l = (struct link){row_int(row, 0), row_int(row, 1), row_int(row, 2), {0}};
    struct str hash = row_text(row, 3);
    if (hash.n == 32)
        memcpy(l->hash, hash.p, 32);
    else
        verify_fault(p->v, "chain row %" PRId64 ": the hash is not 32 bytes", l->number);
    return OK;
}

/* Recomputes one batch. prev is the row before, as stored. */
static err_t check_link(struct verify *v, const struct link *prev, const struct link *l)
{
    v->report->chain_rows++;
    if (l->number != prev->number + 1)
        verify_fault(v, "chain rows %" PRId64 " to %" PRId64 " are missing", prev->number + 1,
                     l->number - 1);
    if (l->journal_upto < prev->journal_upto || l->event_upto < prev->event_upto ||
        (l->journal_upto == prev->journal_upto && l->event_upto == prev->event_upto))
        verify_fault(v, "chain row %" PRId64 " does not go forward", l->number);
    buf_clear(&v->chain);
    buf_add(&v->chain, prev->hash, 32);
    err_t err = verify_journals(v, prev->journal_upto, l->journal_upto);
    if (!err)
        err = verify_events(v, prev->event_upto, l->event_upto);
    if (err)
        return err;
    if (v->chain.failed)
        return ERR_NO_MEMORY;
    uint8_t hash[32];
    crypto_hash(hash, 32, &(struct crypto_piece){v->chain.p, v->chain.n}, 1);
    if (memcmp(hash, l->hash, 32) != 0)
        verify_fault(v,
                     "chain row %" PRId64 " (journals %" PRId64 " to %" PRId64 ", events %" PRId64
                     " to %" PRId64 "): the hash does not match",
                     l->number, prev->journal_upto + 1, l->journal_upto, prev->event_upto + 1,
                     l->event_upto);
    return OK;
}

static err_t walk_chain(struct verify *v, struct link *last)
{
    struct page p = {.v = v};
    *last = (struct link){.number = 0};
    do {
        p.n = 0;
        err_t err = store_each(v->tx, SQL_LEDGER_VERIFY_CHAIN, read_link, &p, V_INT(v->merchant),
                               V_INT(last->number), V_INT(PAGE));
        if (err)
            return err;
        for (size_t i = 0; i < p.n; i++) {
            err = check_link(v, last, &p.link[i]);
            if (err)
                return err;
            *last = p.link[i];
        }
    } while (p.n == PAGE);
    memcpy(v->last_hash, last->hash, 32);
    return OK;
}

/* What lies beyond the chain's end: there must be nothing. */
static err_t check_rest(struct verify *v, const struct link *last)
{
    int64_t journals = v->report->journals, events = v->report->events;
    buf_clear(&v->chain);
    err_t err = verify_journals(v, last->journal_upto, INT64_MAX);
    if (!err)
        err = verify_events(v, last->event_upto, INT64_MAX);
    if (err)
        return err;
    if (v->report->journals > journals)
        verify_fault(v, "journals after %" PRId64 " are not in the chain", last->journal_upto);
    if (v->report->events > events)
        verify_fault(v, "events after %" PRId64 " are not in the chain", last->event_upto);
    return OK;
}

static err_t check_sequencer(struct verify *v)
{
    struct store_row *row;
    err_t err = store_one(v->tx, SQL_LEDGER_VERIFY_SEQUENCER, &row, V_INT(v->merchant));
    if (err)
        return err;
    int64_t event_last = row ? row_int(row, 0) : 0, journal_last = row ? row_int(row, 1) : 0;
    if (journal_last != v->journal_next - 1)
        verify_fault(
            v, "the sequencer says that journal %" PRId64 " is the last, the rows end at %" PRId64,
            journal_last, v->journal_next - 1);
    if (event_last != v->event_next - 1)
        verify_fault(
            v, "the sequencer says that event %" PRId64 " is the last, the rows end at %" PRId64,
            event_last, v->event_next - 1);
    return OK;
}

static err_t verify_merchant(struct verify *v)
{
    struct link last;
    v->journal_next = v->event_next = 1;
    v->postings = 0;
    err_t err = verify_snapshots_load(v);
    if (!err)
        err = walk_chain(v, &last);
    if (!err)
        err = check_rest(v, &last);
    if (!err)
        err = check_sequencer(v);
    if (!err)
        err = verify_payments(v);
    if (!err)
        verify_snapshots_compare(v);
    return err;
}

err_t ledger_verify(struct store_tx *tx, struct ledger_report *ret)
{
    *ret = (struct ledger_report){.merchants = 0};
    struct verify v = {.tx = tx, .report = ret, .merchant = INT64_MIN, .chain = BUF(SIZE_MAX / 4)};
    v.journal.bytes = v.journal.tail = BUF(SIZE_MAX / 4);
    err_t err = OK;
    while (!err) {
        struct store_row *row;
        err = store_one(tx, SQL_LEDGER_VERIFY_NEXT_MERCHANT, &row, V_INT(v.merchant));
        if (err || !row || row_null(row, 0))
            break;
        v.merchant = row_int(row, 0);
        err = verify_merchant(&v);
        if (v.merchant == 0) /* a lock that is nobody's alone: it has no rows, or they are faults */
            continue;
        ret->merchants++;
        uint8_t merchant[8];
        num_put64(merchant, (uint64_t)v.merchant);
        crypto_hash(
            ret->head, 32,
            (const struct crypto_piece[]){{ret->head, 32}, {merchant, 8}, {v.last_hash, 32}}, 3);
    }
    mem_free(v.snapshot);
    buf_free(&v.chain);
    buf_free(&v.journal.bytes);
    buf_free(&v.journal.tail);
    return err;
}

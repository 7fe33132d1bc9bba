/* The verifier's reading of journals, events and snapshots. */
#include "ledger/verify.h"

#include <inttypes.h>

#include "crypto/crypto.h"

/* Big-endian integers of `size` bytes: the canonical form of README.md, written here a second time
 * on purpose. */
static void put(struct buf *b, int64_t v, int size)
{
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
        buf_byte(b, (char)(uint8_t)((uint64_t)v >> shift));
}

static void put_id(struct buf *b, struct store_row *row, int col)
{
    struct str s = row_text(row, col);
    buf_add(b, s.p, s.n);
}

/* --- journals --- */

static void close_journal(struct verify *v)
{
    struct verify_journal *j = &v->journal;
    if (!j->open)
        return;
    j->open = false;
    if (j->number != v->journal_next)
        verify_fault(v, "journals %" PRId64 " to %" PRId64 " are missing", v->journal_next,
                     j->number - 1);
    v->journal_next = j->number + 1;
    if (j->legs < 2)
        verify_fault(v, "journal %" PRId64 " has %" PRId64 " postings", j->number, j->legs);
    for (int layer = 0; layer < 2; layer++)
        if (j->sum[layer] != 0)
            verify_fault(v, "journal %" PRId64 ": the %s postings do not sum to zero", j->number,
                         layer ? "posted" : "pending");
    if (j->previous < 0 || j->previous >= j->number)
        verify_fault(v, "journal %" PRId64 " follows %" PRId64, j->number, j->previous);
    put(&j->bytes, j->legs, 2);
    buf_add(&j->bytes, j->tail.p, j->tail.n);
    uint8_t leaf[32];
    crypto_hash(leaf, 32, &(struct crypto_piece){j->bytes.p, j->bytes.n}, 1);
    buf_add(&v->chain, leaf, 32);
    v->report->journals++;
}

static void open_journal(struct verify *v, struct store_row *row)
{
    struct verify_journal *j = &v->journal;
    *j = (struct verify_journal){.open = true,
                                 .number = row_int(row, 0),
                                 .currency = row_int(row, 2),
                                 .previous = row_int(row, 5),
                                 .bytes = j->bytes,
                                 .tail = j->tail};
    buf_clear(&j->bytes);
    buf_clear(&j->tail);
    put(&j->bytes, 1, 1);
    put(&j->bytes, v->merchant, 8);
    put(&j->bytes, j->number, 8);
    put(&j->bytes, row_int(row, 1), 2);
    put(&j->bytes, j->currency, 2);
    put_id(&j->bytes, row, 3);
    put_id(&j->bytes, row, 4);
    put(&j->bytes, j->previous, 8);
    put(&j->bytes, row_int(row, 6), 8);
    put(&j->bytes, row_int(row, 7), 8);
}

static err_t read_leg(struct store_row *row, void *arg)
{
    struct verify *v = arg;
    struct verify_journal *j = &v->journal;
    if (!j->open || j->number != row_int(row, 0)) {
        close_journal(v);
        open_journal(v, row);
    }
    if (row_null(row, 8))
        return OK; /* a journal without postings */
    int64_t leg = row_int(row, 8), account = row_int(row, 9), unit = row_int(row, 10),
            layer = row_int(row, 11), amount = row_int(row, 12);
    if (leg != ++j->legs)
        verify_fault(v, "journal %" PRId64 ": posting %" PRId64 " is missing", j->number, j->legs);
    put(&j->tail, leg, 2);
    put(&j->tail, account, 2);
    put(&j->tail, unit, 2);
    put(&j->tail, layer, 1);
    put(&j->tail, amount, 8);
    j->sum[layer == LAYER_POSTED] += amount;
    verify_snapshots_add(v, account, unit, layer, amount);
    v->postings++;
    v->report->postings++;
    return j->bytes.failed || j->tail.failed ? ERR_NO_MEMORY : OK;
}

err_t verify_journals(struct verify *v, int64_t after, int64_t upto)
{
    v->journal.open = false;
    err_t err = store_each(v->tx, SQL_LEDGER_VERIFY_JOURNALS, read_leg, v, V_INT(v->merchant),
                           V_INT(after), V_INT(upto));
    if (err)
        return err;
    close_journal(v);
    if (upto != INT64_MAX && v->journal_next <= upto) {
        verify_fault(v, "journals %" PRId64 " to %" PRId64 " are missing", v->journal_next, upto);
        v->journal_next = upto + 1;
    }
    return OK;
}

/* --- events --- */

static err_t read_event(struct store_row *row, void *arg)
{
    struct verify *v = arg;
    int64_t sequence = row_int(row, 0), version = row_int(row, 4), previous = row_int(row, 5);
    struct str data = row_text(row, 7);
    if (sequence != v->event_next)
        verify_fault(v, "events %" PRId64 " to %" PRId64 " are missing", v->event_next,
                     sequence - 1);
    v->event_next = sequence + 1;
    if (version < 1 || previous < 0 || previous >= sequence || (version > 1) != (previous > 0))
        verify_fault(v, "event %" PRId64 ": object version %" PRId64 " follows event %" PRId64,
                     sequence, version, previous);
    struct buf head = BUF(128);
    put(&head, 2, 1);
    put(&head, v->merchant, 8);
    put(&head, sequence, 8);
    put(&head, row_int(row, 1), 2);
    put(&head, row_int(row, 2), 2);
    put_id(&head, row, 3);
    put(&head, version, 8);
    put(&head, previous, 8);
    put(&head, row_int(row, 6), 8);
    bool failed = head.failed;
    uint8_t leaf[32];
    if (!failed)
        crypto_hash(leaf, 32, (const struct crypto_piece[]){{head.p, head.n}, {data.p, data.n}}, 2);
    buf_free(&head);
    if (failed)
        return ERR_NO_MEMORY;
    buf_add(&v->chain, leaf, 32);
    v->report->events++;
    return OK;
}

err_t verify_events(struct verify *v, int64_t after, int64_t upto)
{
    err_t err = store_each(v->tx, SQL_LEDGER_VERIFY_EVENTS, read_event, v, V_INT(v->merchant),
                           V_INT(after), V_INT(upto));
    if (err)
        return err;
    if (upto != INT64_MAX && v->event_next <= upto) {
        verify_fault(v, "events %" PRId64 " to %" PRId64 " are missing", v->event_next, upto);
        v->event_next = upto + 1;
    }
    return OK;
}

/* --- snapshots --- */

static err_t read_snapshot(struct store_row *row, void *arg)
{
    struct verify *v = arg;
    struct verify_snapshot *s = mem_resize(v->snapshot, (v->snapshots + 1) * sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    v->snapshot = s;
    s += v->snapshots++;
    *s = (struct verify_snapshot){.currency = row_int(row, 0),
                                  .account = row_int(row, 1),
                                  .unit = row_int(row, 2),
                                  .upto = row_int(row, 3),
                                  .stored = {row_int(row, 4), row_int(row, 5)}};
    return OK;
}

err_t verify_snapshots_load(struct verify *v)
{
    v->snapshots = 0;
    return store_each(v->tx, SQL_LEDGER_SELECT_SNAPSHOTS, read_snapshot, v, V_INT(v->merchant));
}

void verify_snapshots_add(struct verify *v, int64_t account, int64_t unit, int64_t layer,
                          int64_t amount)
{
    for (size_t i = 0; i < v->snapshots; i++) {
        struct verify_snapshot *s = &v->snapshot[i];
        if (s->currency != v->journal.currency || s->account != account || s->unit != unit)
            continue;
        if (v->journal.number <= s->upto)
            s->sum[layer == LAYER_POSTED] += amount;
        return;
    }
    if (v->snapshots > 0 && v->journal.number <= v->snapshot[0].upto)
        verify_fault(v, "account %" PRId64 "/%" PRId64 " of journal %" PRId64 " has no snapshot",
                     account, unit, v->journal.number);
}

void verify_snapshots_compare(struct verify *v)
{
    for (size_t i = 0; i < v->snapshots; i++) {
        const struct verify_snapshot *s = &v->snapshot[i];
        if (s->upto != v->snapshot[0].upto || s->upto >= v->journal_next)
            verify_fault(v,
                         "snapshot of account %" PRId64 "/%" PRId64 " is of journal %" PRId64
                         ", the others of %" PRId64 ", the last is %" PRId64,
                         s->account, s->unit, s->upto, v->snapshot[0].upto, v->journal_next - 1);
        if (s->sum[0] != s->stored[0] || s->sum[1] != s->stored[1])
            verify_fault(v,
                         "snapshot of account %" PRId64 "/%" PRId64 " in currency %" PRId64
                         " does not match its postings",
                         s->account, s->unit, s->currency);
    }
}

/* The verifier's comparison of payments with their journals. */
#include "ledger/verify.h"

#include <inttypes.h>

#define PAGE 64

struct payment {
    struct id id;
    int64_t currency, captured, refunded, refund_pending, event_last, journal_last;
};
struct page {
    struct payment payment[PAGE];
    size_t n;
};

static err_t read_payment(struct store_row *row, void *arg)
{
    struct page *p = arg;
    ASSERT(p->n < PAGE);
    p->payment[p->n++] = (struct payment){.id = row_id(row, 0),
                                          .currency = row_int(row, 1),
                                          .captured = row_int(row, 2),
                                          .refunded = row_int(row, 3),
                                          .refund_pending = row_int(row, 4),
                                          .event_last = row_int(row, 5),
                                          .journal_last = row_int(row, 6)};
    return OK;
}

/* Sums over one payment's list, and the journal just read. */
struct list {
    struct verify *v;
    const struct payment *payment;
    char name[ID_TEXT_MAX];
    int64_t number, previous;
    bool found;
    __int128 captured, refunded, refund_pending;
};

static err_t read_leg(struct store_row *row, void *arg)
{
    struct list *l = arg;
    int64_t kind = row_int(row, 0);
    if (!l->found) {
        l->found = true;
        l->previous = row_int(row, 3);
        if (!id_eq(row_id(row, 2), l->payment->id) || row_int(row, 1) != l->payment->currency)
            verify_fault(l->v, "%s: journal %" PRId64 " is of another payment or currency", l->name,
                         l->number);
    }
    if (row_null(row, 4))
        return OK;
    int64_t account = row_int(row, 4), layer = row_int(row, 5), amount = row_int(row, 6);
    if (account == ACCOUNT_PROVIDER_RECEIVABLE && layer == LAYER_POSTED) {
        if (kind == JOURNAL_SALE || kind == JOURNAL_CAPTURE)
            l->captured += amount;
        else if (kind == JOURNAL_REFUND)
            l->refunded -= amount;
    }
    if (account == ACCOUNT_REFUNDS && layer == LAYER_PENDING)
        l->refund_pending += amount;
    return OK;
}

static err_t follow(struct verify *v, struct list *l, int64_t *reached)
{
    for (l->number = l->payment->journal_last; l->number > 0; l->number = l->previous) {
        l->found = false;
        l->previous = 0;
        err_t err = store_each(v->tx, SQL_LEDGER_VERIFY_PAYMENT_JOURNAL, read_leg, l,
                               V_INT(v->merchant), V_INT(l->number));
        if (err)
            return err;
        if (!l->found) {
            verify_fault(v, "%s: its journal %" PRId64 " is missing", l->name, l->number);
            return OK;
        }
        ++*reached;
        if (l->previous >= l->number) {
            verify_fault(v, "%s: journal %" PRId64 " follows %" PRId64, l->name, l->number,
                         l->previous);
            return OK; /* no endless round */
        }
    }
    return OK;
}

static err_t check_event(struct verify *v, const struct list *l)
{
    const struct payment *p = l->payment;
    if (p->event_last == 0)
        return OK;
    struct store_row *row;
    err_t err = store_one(v->tx, SQL_LEDGER_VERIFY_OBJECT_EVENT, &row, V_INT(v->merchant),
                          V_INT(p->event_last));
    if (err)
        return err;
    if (!row || !id_eq(row_id(row, 0), p->id))
        verify_fault(v, "%s: its event %" PRId64 " is missing", l->name, p->event_last);
    return OK;
}

static err_t check_payment(struct verify *v, const struct payment *p, int64_t *reached)
{
    struct list l = {.v = v, .payment = p};
    id_text(ID_PAYMENT, p->id, l.name);
    err_t err = follow(v, &l, reached);
    if (!err)
        err = check_event(v, &l);
    if (err)
        return err;
    if (l.captured != p->captured)
        verify_fault(v, "%s: captured is %" PRId64 ", the ledger says %" PRId64, l.name,
                     p->captured, (int64_t)l.captured);
    if (l.refunded != p->refunded)
        verify_fault(v, "%s: refunded is %" PRId64 ", the ledger says %" PRId64, l.name,
                     p->refunded, (int64_t)l.refunded);
    if (l.refund_pending != p->refund_pending)
        verify_fault(v, "%s: refunds under way are %" PRId64 ", the ledger says %" PRId64, l.name,
                     p->refund_pending, (int64_t)l.refund_pending);
    return OK;
}

static err_t check_counts(struct verify *v, int64_t reached)
{
    struct id zero = {{0}};
    struct store_row *row;
    err_t err = store_one(v->tx, SQL_LEDGER_VERIFY_COUNTS, &row, V_INT(v->merchant), V_ID(&zero));
    if (err)
        return err;
    ASSERT(row);
    if (row_int(row, 0) != v->postings)
        verify_fault(v, "%" PRId64 " postings belong to no journal", row_int(row, 0) - v->postings);
    if (row_int(row, 1) != reached)
        verify_fault(v, "%" PRId64 " journals name a payment that does not lead to them",
                     row_int(row, 1) - reached);
    return OK;
}

err_t verify_payments(struct verify *v)
{
    struct page page;
    struct id after = {{0}};
    int64_t reached = 0;
    do {
        page.n = 0;
        err_t err = store_each(v->tx, SQL_LEDGER_VERIFY_PAYMENTS, read_payment, &page,
                               V_INT(v->merchant), V_ID(&after), V_INT(PAGE));
        for (size_t i = 0; !err && i < page.n; i++)
            err = check_payment(v, &page.payment[i], &reached);
        if (err)
            return err;
        if (page.n > 0)
            after = page.payment[page.n - 1].id;
    } while (page.n == PAGE);
    return check_counts(v, reached);
}

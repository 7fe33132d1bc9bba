/* The verifier's comparison of payments with their journals. */
#include "ledger/verify.h"

#include <inttypes.h>

#define PAGE 64

/* What a payment's row says, or its journals. */
struct sums {
    __int128 captured, refunded, refund_pending, held, disputed, dispute_lost;
};
struct payment {
    struct id id;
    int64_t currency, event_last, journal_last;
    struct sums says;
};
struct page {
    struct payment payment[PAGE];
    size_t n;
};

static err_t read_payment(struct store_row *row, void *arg)
{
    struct page *p = arg;
    ASSERT(p->n < PAGE);
    struct sums says = {.captured = row_int(row, 2),
                        .refunded = row_int(row, 3),
                        .refund_pending = row_int(row, 4),
                        .disputed = row_int(row, 9),
                        .dispute_lost = row_int(row, 10)};
    says.held = (__int128)row_int(row, 7) - row_int(row, 2) - row_int(row, 8);
    p->payment[p->n++] = (struct payment){.id = row_id(row, 0),
                                          .currency = row_int(row, 1),
                                          .event_last = row_int(row, 5),
                                          .journal_last = row_int(row, 6),
                                          .says = says};
    return OK;
}

/* Sums over one payment's list, and the journal just read. */
struct list {
    struct verify *v;
    const struct payment *payment;
    char name[ID_TEXT_MAX];
    int64_t number, previous;
    bool found;
    struct sums sums;
};

/* What a leg means for its payment. */
static void add_leg(struct sums *s, int64_t kind, int64_t account, int64_t layer, int64_t amount)
{
    if (layer == LAYER_PENDING) {
        if (account == ACCOUNT_REFUNDS)
            s->refund_pending += amount;
        if (account == ACCOUNT_MERCHANT_PENDING)
            s->held -= amount;
        return;
    }
    if (account == ACCOUNT_DISPUTES_HELD)
        s->disputed += amount;
    if (account == ACCOUNT_PROVIDER_RECEIVABLE) {
        if (kind == JOURNAL_SALE || kind == JOURNAL_CAPTURE)
            s->captured += amount;
        else if (kind == JOURNAL_REFUND || kind == JOURNAL_REFUND_RETURN)
            s->refunded -= amount;
    }
    if (account == ACCOUNT_MERCHANT_PENDING &&
        (kind == JOURNAL_DISPUTE_LOSS || kind == JOURNAL_DISPUTE_REVERSAL))
        s->dispute_lost += amount;
}

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
    add_leg(&l->sums, kind, row_int(row, 4), row_int(row, 5), row_int(row, 6));
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

static void compare(const struct list *l, const char *what, __int128 says, __int128 ledger)
{
    if (says != ledger)
        verify_fault(l->v, "%s: %s %" PRId64 ", the ledger says %" PRId64, l->name, what,
                     (int64_t)says, (int64_t)ledger);
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
    compare(&l, "captured is", p->says.captured, l.sums.captured);
    compare(&l, "refunded is", p->says.refunded, l.sums.refunded);
    compare(&l, "refunds under way are", p->says.refund_pending, l.sums.refund_pending);
    compare(&l, "held is", p->says.held, l.sums.held);
    compare(&l, "disputed is", p->says.disputed, l.sums.disputed);
    compare(&l, "lost to disputes is", p->says.dispute_lost, l.sums.dispute_lost);
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

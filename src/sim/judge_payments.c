/* Payments, their operations and refunds: against their own limits, against the provider's book. */
#include "sim/judge_internal.h"

struct payment_row {
    int64_t merchant, state, amount, currency, authorized, captured, refunded, pending;
    unsigned attempt, operations;
    struct id id;
    char text[ID_TEXT_MAX];
};

/* The book's entry for the n-th operation of a payment. */
static const struct book_entry *entry_of(const struct look *l, enum id_kind kind, struct id base,
                                         unsigned n)
{
    char reference[ID_TEXT_MAX];
    id_text(kind, n ? id_derive(base, n) : base, reference);
    return provider_find(l->e->provider, str_from(reference));
}

static void must_have_job(struct look *l, struct id id)
{
    if (l->open_n == l->open_cap) {
        l->open_cap = l->open_cap ? 2 * l->open_cap : 64;
        l->open = mem_resize(l->open, l->open_cap * sizeof *l->open);
        ASSERT(l->open != NULL);
    }
    l->open[l->open_n++] = id;
}

static void check_limits(struct look *l, const struct payment_row *p)
{
    if (p->captured < 0 || p->captured > p->authorized || p->authorized > p->amount)
        blame(l, "I3", "%s: captured %lld, authorized %lld, amount %lld", p->text,
              (long long)p->captured, (long long)p->authorized, (long long)p->amount);
    if (p->refunded < 0 || p->pending < 0 || p->refunded + p->pending > p->captured)
        blame(l, "I4", "%s: refunded %lld, reserved %lld, captured %lld", p->text,
              (long long)p->refunded, (long long)p->pending, (long long)p->captured);
}

static void check_charge(struct look *l, const struct payment_row *p)
{
    const struct book_entry *b = entry_of(l, ID_ATTEMPT, p->id, p->attempt);
    bool done = b && b->state == BOOK_DONE;
    switch (p->state) {
    case P_FAILED:
        if (done)
            blame(l, "I9", "%s is failed; the provider took it", p->text);
        return;
    case P_PROCESSING:
        return;
    case P_AUTHORIZED:
        if (!done || (!l->e->later && (b->captured != 0 || b->voided)))
            blame(l, "I9", "%s is authorized; the provider's book: %s, captured %lld, voided %d",
                  p->text, done ? "done" : "not done", b ? (long long)b->captured : 0,
                  b ? b->voided : 0);
        break;
    case P_CANCELED:
        if (!b || !b->voided || b->captured != 0)
            blame(l, "I9", "%s is canceled; the provider did not release it", p->text);
        break;
    case P_CAPTURED:
    case P_REFUNDED:
        if (!done || b->captured != p->captured || b->refunded < p->refunded ||
            (!l->e->later && b->refunded > p->refunded + p->pending))
            blame(l, "I9", "%s: captured %lld, refunded %lld, reserved %lld; the book %lld, %lld",
                  p->text, (long long)p->captured, (long long)p->refunded, (long long)p->pending,
                  b ? (long long)b->captured : 0, b ? (long long)b->refunded : 0);
        break;
    default:
        blame(l, "I22", "%s is in state %lld", p->text, (long long)p->state);
    }
    if (b && (b->amount != p->amount || strcmp(b->currency, judge_currency(p->currency)) != 0))
        blame(l, "I9", "%s: the provider was asked for %lld %s", p->text, (long long)b->amount,
              b->currency);
}

static void note_ask(struct look *l, struct str details, bool refund, int64_t merchant,
                     struct id payment, int state)
{
    int64_t number = judge_ask(l, details);
    if (number < 0)
        return;
    struct trace_of_ask *t = &l->traces[number];
    if (refund)
        t->refunds++;
    else
        t->payments++;
    t->merchant = merchant;
    t->payment = payment;
    t->state = state;
}

static void check_payment(struct look *l, sqlite3_stmt *st)
{
    struct payment_row p = {.merchant = sqlite3_column_int64(st, 0),
                            .id = judge_id(st, 1),
                            .state = sqlite3_column_int64(st, 2),
                            .amount = sqlite3_column_int64(st, 3),
                            .currency = sqlite3_column_int64(st, 4),
                            .authorized = sqlite3_column_int64(st, 5),
                            .captured = sqlite3_column_int64(st, 6),
                            .refunded = sqlite3_column_int64(st, 7),
                            .pending = sqlite3_column_int64(st, 8),
                            .attempt = (unsigned)sqlite3_column_int(st, 9),
                            .operations = (unsigned)sqlite3_column_int(st, 10)};
    id_text(ID_PAYMENT, p.id, p.text);
    check_limits(l, &p);
    check_charge(l, &p);
    if (p.state == P_PROCESSING) {
        must_have_job(l, id_derive(p.id, p.operations));
        if (l->moment == JUDGE_END)
            blame(l, "I25", "%s is still processing", p.text);
    }
    if (sqlite3_column_int64(st, 12) > sqlite3_column_int64(st, 13))
        blame(l, "I23", "%s was updated before it was created", p.text);
    note_ask(l, judge_text(st, 11), false, p.merchant, p.id, (int)p.state);
}

static void check_operations(struct look *l)
{
    sqlite3_stmt *st = judge_sql(
        l, "SELECT o.payment_id, o.number, o.kind, o.state, o.amount, p.state FROM operation o "
           "JOIN payment p ON p.merchant_id = o.merchant_id AND p.payment_id = o.payment_id");
    while (judge_row(st)) {
        struct id id = judge_id(st, 0);
        int kind = sqlite3_column_int(st, 2), state = sqlite3_column_int(st, 3);
        const struct book_entry *b = entry_of(l, kind == 1 ? ID_CAPTURE : ID_CANCEL, id,
                                              (unsigned)sqlite3_column_int(st, 1));
        bool done = b && b->state == BOOK_DONE;
        char text[ID_TEXT_MAX];
        id_text(ID_PAYMENT, id, text);
        if (state == 2 && (!done || b->amount != sqlite3_column_int64(st, 4)))
            blame(l, "I9", "operation %d of %s succeeded; the provider has not done it",
                  sqlite3_column_int(st, 1), text);
        if (state == 3 && done)
            blame(l, "I9", "operation %d of %s failed; the provider did it",
                  sqlite3_column_int(st, 1), text);
        if ((state == 1 || state == 4) && sqlite3_column_int(st, 5) != P_PROCESSING)
            blame(l, "I16", "operation %d of %s is open, the payment is not",
                  sqlite3_column_int(st, 1), text);
    }
    (void)sqlite3_finalize(st);
}

void judge_payments(struct look *l)
{
    sqlite3_stmt *st =
        judge_sql(l, "SELECT merchant_id, payment_id, state, amount, currency, authorized, "
                     "captured, refunded, refund_pending, attempt, operations, details, "
                     "created_at, updated_at FROM payment");
    while (judge_row(st))
        check_payment(l, st);
    (void)sqlite3_finalize(st);
    check_operations(l);
    int64_t lone = judge_number(
        l, "SELECT count(*) FROM payment p WHERE NOT EXISTS (SELECT 1 FROM attempt a WHERE "
           "a.merchant_id = p.merchant_id AND a.payment_id = p.payment_id AND a.number = "
           "p.attempt)");
    if (lone)
        blame(l, "I16", "%lld payments have no attempt", (long long)lone);
    int64_t apart = judge_number(
        l, "SELECT count(*) FROM payment p JOIN attempt a ON a.merchant_id = p.merchant_id AND "
           "a.payment_id = p.payment_id AND a.number = p.attempt WHERE (p.state IN (5, 7, 8, 9) "
           "AND a.state NOT IN (5, 6, 10)) OR (p.state = 11 AND a.state NOT IN (7, 8))");
    if (apart)
        blame(l, "I16", "%lld payments and their attempts say different things", (long long)apart);
}

static void check_refund(struct look *l, sqlite3_stmt *st)
{
    struct id id = judge_id(st, 1), payment = judge_id(st, 2);
    int state = sqlite3_column_int(st, 3);
    int64_t amount = sqlite3_column_int64(st, 4);
    char text[ID_TEXT_MAX];
    id_text(ID_REFUND, id, text);
    const struct book_entry *b = provider_find(l->e->provider, str_from(text));
    bool done = b && b->state == BOOK_DONE;
    if (state == 2 && (!done || b->amount != amount))
        blame(l, "I9", "%s succeeded; the provider has not given it back", text);
    if (state == 3 && done)
        blame(l, "I9", "%s failed; the provider gave it back", text);
    if (state == 1) {
        must_have_job(l, id);
        if (l->moment == JUDGE_END)
            blame(l, "I25", "%s is still pending", text);
    }
    note_ask(l, judge_text(st, 5), true, sqlite3_column_int64(st, 0), payment, state);
}

void judge_refunds(struct look *l)
{
    sqlite3_stmt *st = judge_sql(
        l, "SELECT merchant_id, refund_id, payment_id, state, amount, details FROM refund");
    while (judge_row(st))
        check_refund(l, st);
    (void)sqlite3_finalize(st);
    st = judge_sql(
        l, "SELECT p.payment_id, p.refunded, p.refund_pending, "
           "coalesce(sum(CASE r.state WHEN 2 THEN r.amount END), 0), "
           "coalesce(sum(CASE r.state WHEN 1 THEN r.amount END), 0) FROM payment p LEFT JOIN "
           "refund r ON r.merchant_id = p.merchant_id AND r.payment_id = p.payment_id GROUP BY "
           "p.merchant_id, p.payment_id");
    while (judge_row(st))
        if (sqlite3_column_int64(st, 1) != sqlite3_column_int64(st, 3) ||
            sqlite3_column_int64(st, 2) != sqlite3_column_int64(st, 4)) {
            char text[ID_TEXT_MAX];
            id_text(ID_PAYMENT, judge_id(st, 0), text);
            blame(l, "I4", "%s: refunded %lld and reserved %lld; its refunds %lld and %lld", text,
                  sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2),
                  sqlite3_column_int64(st, 3), sqlite3_column_int64(st, 4));
        }
    (void)sqlite3_finalize(st);
}

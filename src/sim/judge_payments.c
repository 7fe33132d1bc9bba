/* Payments and refunds: against their own limits, against the provider's book. */
#include "sim/judge_internal.h"

struct payment_row {
    int64_t merchant, state, amount, currency, authorized, captured, released, refunded, pending,
        disputed, lost, capture_before;
    unsigned attempt, operations;
    bool customer; /* is what it waits for, or waited for just now */
    struct id id;
    char text[ID_TEXT_MAX];
};

static void check_limits(struct look *l, const struct payment_row *p)
{
    if (p->captured < 0 || p->released < 0 || p->captured + p->released > p->authorized ||
        p->authorized > p->amount)
        blame(l, "I3", "%s: captured %lld, released %lld, authorized %lld, amount %lld", p->text,
              (long long)p->captured, (long long)p->released, (long long)p->authorized,
              (long long)p->amount);
    if (p->refunded < 0 || p->pending < 0 || p->refunded + p->pending > p->captured)
        blame(l, "I4", "%s: refunded %lld, reserved %lld, captured %lld", p->text,
              (long long)p->refunded, (long long)p->pending, (long long)p->captured);
    if (p->disputed < 0 || p->lost < 0 || p->disputed + p->lost > p->captured)
        blame(l, "I4", "%s: disputed %lld, lost %lld, captured %lld", p->text,
              (long long)p->disputed, (long long)p->lost, (long long)p->captured);
}

static bool agrees(const struct look *l, const struct payment_row *p, const struct book_entry *b)
{
    int64_t held = p->authorized - p->captured - p->released;
    bool done = b && b->state == BOOK_DONE, later = l->e->later;
    bool hold = done && (later || b->expired || b->held == held);
    switch (p->state) {
    case P_REQUIRES_ACTION: /* a confirmation that came too early may have arrived once more */
        return b != NULL;
    case P_AUTHORIZED:
        return hold && (later || (b->captured == 0 && !b->voided));
    case P_PARTIALLY_CAPTURED:
        return hold && p->captured > 0 && held > 0 && (later || b->captured == p->captured);
    case P_CAPTURED:
    case P_REFUNDED:
        return done && held == 0 && b->captured == p->captured && b->held == 0 &&
               (later || b->refunded <= p->refunded + p->pending);
    case P_CANCELED:
        return b && b->voided && b->captured == 0;
    case P_EXPIRED:
        return done && b->expired && b->captured == 0;
    default: /* PROCESSING; of FAILED every attempt is looked at */
        return true;
    }
}

static void check_charge(struct look *l, const struct payment_row *p)
{
    const struct book_entry *b = judge_entry(l, ID_ATTEMPT, p->id, p->attempt);
    bool quiet = p->state != P_PROCESSING && p->state != P_FAILED;
    if (!agrees(l, p, b))
        blame(l, "I9",
              "%s is in state %lld: authorized %lld, captured %lld, released %lld, refunded %lld, "
              "reserved %lld; the book: state %d, held %lld, captured %lld, refunded %lld%s%s",
              p->text, (long long)p->state, (long long)p->authorized, (long long)p->captured,
              (long long)p->released, (long long)p->refunded, (long long)p->pending,
              b ? (int)b->state : -1, b ? (long long)b->held : 0, b ? (long long)b->captured : 0,
              b ? (long long)b->refunded : 0, b && b->voided ? ", voided" : "",
              b && b->expired ? ", expired" : "");
    if (b && quiet && !l->e->later &&
        (b->amount + b->added != p->amount ||
         strcmp(b->currency, judge_currency(p->currency)) != 0))
        blame(l, "I9", "%s: the provider was asked for %lld and %lld %s", p->text,
              (long long)b->amount, (long long)b->added, b->currency);
    if (l->moment != JUDGE_END || !b)
        return;
    if (b->expired && (p->state == P_AUTHORIZED || p->state == P_PARTIALLY_CAPTURED) &&
        !judge_skewed(l))
        blame(l, "I25", "the hold of %s has ended at the provider", p->text);
    if (b->refunded != p->refunded)
        blame(l, "I9", "%s: refunded %lld; the book %lld", p->text, (long long)p->refunded,
              (long long)b->refunded);
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

static void note_work(struct look *l, const struct payment_row *p)
{
    bool holds = p->state == P_AUTHORIZED || p->state == P_PARTIALLY_CAPTURED;
    if (p->state == P_PROCESSING || p->state == P_REQUIRES_ACTION) {
        ids_add(&l->open, id_derive(p->id, p->operations));
        if (l->moment == JUDGE_END && p->customer && judge_skewed(l))
            ids_add(&l->parked, id_derive(p->id, p->attempt));
        else if (l->moment == JUDGE_END)
            blame(l, "I25", "%s is still %s", p->text,
                  p->state == P_PROCESSING ? "processing" : "waiting for the customer");
    }
    if (p->capture_before > 0)
        ids_add(holds ? &l->open : &l->may, id_derive(p->id, 1023));
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
                            .operations = (unsigned)sqlite3_column_int(st, 10),
                            .released = sqlite3_column_int64(st, 14),
                            .disputed = sqlite3_column_int64(st, 15),
                            .lost = sqlite3_column_int64(st, 16),
                            .capture_before = sqlite3_column_int64(st, 17),
                            .customer = sqlite3_column_int(st, 18) == A_REQUIRES_ACTION};
    id_text(ID_PAYMENT, p.id, p.text);
    check_limits(l, &p);
    check_charge(l, &p);
    note_work(l, &p);
    if (sqlite3_column_int64(st, 12) > sqlite3_column_int64(st, 13))
        blame(l, "I23", "%s was updated before it was created", p.text);
    note_ask(l, judge_text(st, 11), false, p.merchant, p.id, (int)p.state);
}

void judge_payments(struct look *l)
{
    sqlite3_stmt *st = judge_sql(
        l, "SELECT merchant_id, payment_id, state, amount, currency, authorized, captured, "
           "refunded, refund_pending, attempt, operations, details, created_at, updated_at, "
           "released, disputed, dispute_lost, capture_before, (SELECT a.state FROM attempt a WHERE "
           "a.merchant_id = payment.merchant_id AND a.payment_id = payment.payment_id AND a.number "
           "= payment.attempt) FROM payment");
    while (judge_row(st))
        check_payment(l, st);
    (void)sqlite3_finalize(st);
    int64_t lone = judge_number(
        l, "SELECT count(*) FROM payment p WHERE NOT EXISTS (SELECT 1 FROM attempt a WHERE "
           "a.merchant_id = p.merchant_id AND a.payment_id = p.payment_id AND a.number = "
           "p.attempt)");
    if (lone)
        blame(l, "I16", "%lld payments have no attempt", (long long)lone);
    int64_t apart = judge_number(
        l, "SELECT count(*) FROM payment p JOIN attempt a ON a.merchant_id = p.merchant_id AND "
           "a.payment_id = p.payment_id AND a.number = p.attempt WHERE (p.state IN (5, 6, 7, 8) "
           "AND a.state NOT IN (5, 6)) OR (p.state IN (9, 10) AND a.state <> 10) OR (p.state = 11 "
           "AND a.state NOT IN (7, 8, 10)) OR (p.state = 1 AND a.state <> 3)");
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
    if (state == 2 && done && b->returned && l->moment == JUDGE_END)
        blame(l, "I25", "%s succeeded; the provider took it back since", text);
    if (state == 3 && done && !b->returned)
        blame(l, "I9", "%s failed; the provider gave it back", text);
    if (state == 4 && (!b || !b->canceled))
        blame(l, "I9", "%s is canceled; the provider has not canceled it", text);
    if (state == 1) {
        ids_add(&l->open, id);
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

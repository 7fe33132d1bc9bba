/* Attempts, captures, cancellations and increments against the provider's book, and the names that
 * the provider gave them. */
#include "sim/judge_internal.h"

enum { CAPTURE = 1, CANCEL = 2, INCREMENT = 3 };

static void check_attempt(struct look *l, sqlite3_stmt *st)
{
    struct id id = judge_id(st, 0);
    unsigned number = (unsigned)sqlite3_column_int(st, 1);
    int state = sqlite3_column_int(st, 2);
    bool current = number == (unsigned)sqlite3_column_int(st, 3);
    const struct book_entry *b = judge_entry(l, ID_ATTEMPT, id, number);
    bool done = b && b->state == BOOK_DONE,
         took = done && (b->captured > 0 || (!b->voided && !b->expired)),
         refused = state == A_DECLINED || state == A_FAILED;
    char text[ID_TEXT_MAX];
    id_text(ID_PAYMENT, id, text);
    if ((state == A_AUTHORIZED || state == A_CAPTURED) && !done)
        blame(l, "I9", "attempt %u of %s is approved; the provider did not do it", number, text);
    if (took && (refused || state == A_CANCELED || !current))
        blame(l, "I9", "attempt %u of %s is %s; the provider took it", number, text,
              !current  ? "not the last one"
              : refused ? "refused"
                        : "canceled");
    if (b && b->state == BOOK_ACTION && (refused || state == A_CANCELED) && l->moment == JUDGE_END)
        blame(l, "I9", "attempt %u of %s is over; the provider still waits for the customer",
              number, text);
    if (!current && !refused && state != A_CANCELED)
        blame(l, "I16", "attempt %u of %s is in state %d and has been left", number, text, state);
}

static void check_operation(struct look *l, sqlite3_stmt *st)
{
    static const enum id_kind kinds[] = {
        [CAPTURE] = ID_CAPTURE, [CANCEL] = ID_CANCEL, [INCREMENT] = ID_INCREMENT};
    struct id id = judge_id(st, 0);
    int number = sqlite3_column_int(st, 1), kind = sqlite3_column_int(st, 2),
        state = sqlite3_column_int(st, 3);
    const struct book_entry *b = judge_entry(l, kinds[kind], id, (unsigned)number);
    bool done = b && b->state == BOOK_DONE;
    char text[ID_TEXT_MAX];
    id_text(ID_PAYMENT, id, text);
    if (state == 2 && (!done || b->amount != sqlite3_column_int64(st, 4)))
        blame(l, "I9", "operation %d of %s succeeded; the provider has not done it", number, text);
    if (state == 3 && done)
        blame(l, "I9", "operation %d of %s failed; the provider did it", number, text);
    if ((state == 1 || state == 4) && sqlite3_column_int(st, 5) != P_PROCESSING)
        blame(l, "I16", "operation %d of %s is open, the payment is not", number, text);
}

/* What was captured, and raised, is the sum of what did it. */
static void check_sums(struct look *l)
{
    sqlite3_stmt *st = judge_sql(
        l, "SELECT p.payment_id, p.captured, p.amount, a.amount, "
           "coalesce(sum(CASE WHEN o.kind = 1 AND o.state = 2 THEN o.amount END), 0), "
           "coalesce(sum(CASE WHEN o.kind = 3 AND o.state = 2 THEN o.amount END), 0), "
           "p.state FROM payment p JOIN attempt a ON a.merchant_id = p.merchant_id AND "
           "a.payment_id = p.payment_id AND a.number = p.attempt LEFT JOIN operation o ON "
           "o.merchant_id = p.merchant_id AND o.payment_id = p.payment_id WHERE p.capture = 0 "
           "GROUP BY p.merchant_id, p.payment_id");
    while (judge_row(st)) {
        char text[ID_TEXT_MAX];
        id_text(ID_PAYMENT, judge_id(st, 0), text);
        if (sqlite3_column_int64(st, 1) != sqlite3_column_int64(st, 4))
            blame(l, "I3", "%s: captured %lld; its captures %lld", text,
                  sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 4));
        if (sqlite3_column_int64(st, 2) !=
            sqlite3_column_int64(st, 3) + sqlite3_column_int64(st, 5))
            blame(l, "I3", "%s: amount %lld; it was %lld, raised by %lld", text,
                  sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3),
                  sqlite3_column_int64(st, 5));
    }
    (void)sqlite3_finalize(st);
}

void judge_operations(struct look *l)
{
    sqlite3_stmt *st = judge_sql(
        l, "SELECT a.payment_id, a.number, a.state, p.attempt FROM attempt a JOIN payment p ON "
           "p.merchant_id = a.merchant_id AND p.payment_id = a.payment_id");
    while (judge_row(st))
        check_attempt(l, st);
    (void)sqlite3_finalize(st);
    st = judge_sql(
        l, "SELECT o.payment_id, o.number, o.kind, o.state, o.amount, p.state FROM operation o "
           "JOIN payment p ON p.merchant_id = o.merchant_id AND p.payment_id = o.payment_id");
    while (judge_row(st))
        check_operation(l, st);
    (void)sqlite3_finalize(st);
    check_sums(l);
    for (size_t i = 0; i < provider_entries(l->e->provider); i++) {
        const struct book_entry *b = provider_entry(l->e->provider, i);
        if (b->exceeded)
            blame(l, b->kind == BOOK_REFUND ? "I4" : "I3",
                  "%s asked the provider for %lld of %s, more than there was", b->reference,
                  (long long)b->amount, b->charge);
    }
    const char *last;
    if (provider_nonsense(l->e->provider, &last))
        blame(l, "protocol", "the provider was sent what it cannot read: %s", last);
}

/* --- references --- */
static void check_name(struct look *l, const char *whose, const char *what, const char *have,
                       const char *want)
{
    if (strcmp(have, want) != 0)
        blame(l, "I32", "%s: the %s is \"%s\"; the provider calls it \"%s\"", whose, what, have,
              want);
}

static void check_attempt_names(struct look *l, sqlite3_stmt *st)
{
    static const int flows[] = {
        [FLOW_NONE] = 0, [FLOW_FRICTIONLESS] = 1, [FLOW_CHALLENGE] = 2, [FLOW_EXTERNAL] = 3};
    struct id id = judge_id(st, 0);
    unsigned number = (unsigned)sqlite3_column_int(st, 1);
    const struct book_entry *b = judge_entry(l, ID_ATTEMPT, id, number);
    struct provider_names names;
    char text[ID_TEXT_MAX];
    if (!b || b->state != BOOK_DONE)
        return; /* somebody else's matter */
    id_text(ID_ATTEMPT, id_derive(id, number), text);
    provider_names(b, &names);
    check_name(l, text, "provider's reference", judge_z(st, 2), names.own);
    check_name(l, text, "network's reference", judge_z(st, 3), names.network);
    check_name(l, text, "authorization code", judge_z(st, 4), names.authorization);
    if (b->capture)
        check_name(l, text, "acquirer's reference", judge_z(st, 5), names.acquirer);
    check_name(l, text, "card", judge_z(st, 6), b->card[0] ? b->card + strlen(b->card) - 4 : "4242");
    if (sqlite3_column_int(st, 7) != flows[b->flow])
        blame(l, "I32", "%s: the authentication is recorded as %d; at the provider it was %d", text,
              sqlite3_column_int(st, 7), flows[b->flow]);
}

static void check_names(struct look *l, const char *sql, enum id_kind kind)
{
    sqlite3_stmt *st = judge_sql(l, sql);
    while (judge_row(st)) {
        struct id id = judge_id(st, 0);
        unsigned number = (unsigned)sqlite3_column_int(st, 1);
        const struct book_entry *b = judge_entry(l, kind, id, number);
        struct provider_names names;
        char text[ID_TEXT_MAX];
        if (!b || b->state != BOOK_DONE)
            continue;
        id_text(kind, number ? id_derive(id, number) : id, text);
        provider_names(b, &names);
        check_name(l, text, "provider's reference", judge_z(st, 2), names.own);
        check_name(l, text, "acquirer's reference", judge_z(st, 3), names.acquirer);
    }
    (void)sqlite3_finalize(st);
}

void judge_references(struct look *l)
{
    sqlite3_stmt *st = judge_sql(
        l, "SELECT payment_id, number, provider_reference, network_reference, authorization_code, "
           "acquirer_reference, card_last_four, three_ds_flow FROM attempt WHERE state IN (5, 6)");
    while (judge_row(st))
        check_attempt_names(l, st);
    (void)sqlite3_finalize(st);
    check_names(l,
                "SELECT payment_id, number, provider_reference, acquirer_reference FROM "
                "operation WHERE state = 2 AND kind = 1",
                ID_CAPTURE);
    check_names(l,
                "SELECT payment_id, number, provider_reference, acquirer_reference FROM "
                "operation WHERE state = 2 AND kind = 3",
                ID_INCREMENT);
    check_names(l,
                "SELECT refund_id, 0, provider_reference, acquirer_reference FROM refund WHERE "
                "state = 2",
                ID_REFUND);
}

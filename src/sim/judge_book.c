/* At the end: the ledger as it must be by the provider's book, and every effect in the book on
 * record. */
#include "sim/judge_internal.h"

enum {
    RECEIVABLE = 1,
    MERCHANT_PENDING = 2,
    FEES = 4,
    REFUNDS = 5,
    DISPUTES_HELD = 6,
    SUSPENSE = 10
};

struct sums {
    int64_t captured, refunded, held;
    int64_t contested, lost, fees; /* by disputes */
    int64_t cleared, doubtful;     /* differences, within the tolerance and beyond it */
    int64_t accepted;              /* of the doubtful, by reviews */
};

static void add_clearing(const struct look *l, const struct book_entry *b, struct sums *s)
{
    int64_t difference = b->cleared - b->captured;
    if (b->cleared == 0)
        return;
    __int128 size = difference < 0 ? -(__int128)difference : difference;
    if (size * 10000 <= (__int128)b->captured * l->e->tolerance_bps)
        s->cleared += difference;
    else
        s->doubtful += difference;
}

static int64_t accepted(struct look *l, const struct merchant *m, int currency)
{
    char sql[300];
    (void)snprintf(sql, sizeof sql,
                   "SELECT coalesce(sum(seen - expected), 0) FROM review WHERE merchant_id = %lld "
                   "AND currency = %d AND state = 2 AND resolution = 'accept'",
                   (long long)m->number, currency);
    return judge_number(l, sql);
}

static bool parked(const struct look *l, const struct book_entry *b)
{
    struct id id;
    return id_parse(ID_ATTEMPT, str_from(b->reference), &id) && ids_have(&l->parked, id);
}

static struct sums by_book(struct look *l, const struct merchant *m, int currency)
{
    const struct provider *p = l->e->provider;
    const char *code = judge_currency(currency);
    struct sums s = {.accepted = accepted(l, m, currency)};
    for (size_t i = 0; i < provider_entries(p); i++) {
        const struct book_entry *b = provider_entry(p, i);
        if (b->kind != BOOK_CHARGE || strcmp(b->key, m->provider_key) != 0 ||
            strcmp(b->currency, code) != 0 || b->state != BOOK_DONE || parked(l, b))
            continue;
        s.captured += b->captured;
        s.refunded += b->refunded;
        s.held += b->held;
        add_clearing(l, b, &s);
    }
    for (size_t i = 0; i < provider_disputes(p); i++) {
        const struct book_dispute *d = provider_dispute(p, i);
        bool over = d->status == BOOK_LOST || d->status == BOOK_ACCEPTED;
        if (strcmp(d->key, m->provider_key) != 0 || strcmp(d->currency, code) != 0 || !d->withdrawn)
            continue;
        s.contested += over ? 0 : d->amount;
        s.lost += over ? d->amount : 0;
        s.fees += over ? d->fee : 0;
    }
    return s;
}

static int64_t expected(const struct sums *s, int account, int layer)
{
    if (layer == 0)
        return account == RECEIVABLE ? s->held : account == MERCHANT_PENDING ? -s->held : 0;
    switch (account) {
    case RECEIVABLE:
        return s->captured - s->refunded + s->cleared + s->doubtful - s->contested - s->lost -
               s->fees;
    case MERCHANT_PENDING:
        return -s->captured - s->cleared - s->accepted + s->lost;
    case REFUNDS:
        return s->refunded;
    case DISPUTES_HELD:
        return s->contested;
    case FEES:
        return s->fees;
    default:
        return s->accepted - s->doubtful;
    }
}

static void check_sum(struct look *l, const struct merchant *m, int currency, int account,
                      int layer)
{
    struct sums s = by_book(l, m, currency);
    char sql[300];
    (void)snprintf(sql, sizeof sql,
                   "SELECT coalesce(sum(p.amount), 0) FROM posting p JOIN journal j ON "
                   "j.merchant_id = p.merchant_id AND j.number = p.journal WHERE p.merchant_id = "
                   "%lld AND j.currency = %d AND p.account = %d AND p.layer = %d",
                   (long long)m->number, currency, account, layer);
    int64_t have = judge_number(l, sql), want = expected(&s, account, layer);
    if (have != want)
        blame(l, "I9",
              "merchant %lld, currency %d, account %d, layer %d: the ledger says %lld, "
              "the provider's book %lld",
              (long long)m->number, currency, account, layer, (long long)have, (long long)want);
}

/* Is the effect in Florin's tables, as done? */
static bool recorded(struct look *l, const struct book_entry *b)
{
    static const struct {
        enum id_kind kind;
        const char *sql;
    } how[] = {
        [BOOK_CHARGE] = {ID_ATTEMPT, "SELECT 1 FROM attempt WHERE merchant_id = ?1 AND payment_id "
                                     "= ?2 AND number = ?3 AND (state IN (5, 6, 10) OR ?4)"},
        [BOOK_CAPTURE] = {ID_CAPTURE, "SELECT 1 FROM operation WHERE merchant_id = ?1 AND "
                                      "payment_id = ?2 AND number = ?3 AND kind = 1 AND state = 2"},
        [BOOK_VOID] = {ID_CANCEL,
                       "SELECT 1 FROM operation WHERE merchant_id = ?1 AND payment_id = ?2 AND "
                       "number = ?3 AND kind = 2 AND state = 2 UNION ALL SELECT 1 FROM attempt "
                       "WHERE merchant_id = ?1 AND payment_id = ?2 AND number = ?3 AND state IN "
                       "(7, 8, 10)"},
        [BOOK_REFUND] = {ID_REFUND, "SELECT 1 FROM refund WHERE merchant_id = ?1 AND refund_id = "
                                    "?2 AND state = CASE WHEN ?4 THEN 3 ELSE 2 END AND ?3 = 0"},
        [BOOK_INCREMENT] = {ID_INCREMENT,
                            "SELECT 1 FROM operation WHERE merchant_id = ?1 AND payment_id = ?2 "
                            "AND number = ?3 AND kind = 3 AND state = 2"},
    };
    struct id id;
    if (!id_parse(how[b->kind].kind, str_from(b->reference), &id))
        return false;
    struct id base = b->kind == BOOK_REFUND ? id : id_base(id);
    int64_t number = b->kind == BOOK_REFUND ? 0 : id_number(id);
    bool found = false;
    for (size_t i = 0; i < l->e->merchants_n && !found; i++) {
        if (strcmp(l->e->merchants[i].provider_key, b->key) != 0)
            continue;
        sqlite3_stmt *st = judge_sql(l, how[b->kind].sql);
        (void)sqlite3_bind_int64(st, 1, l->e->merchants[i].number);
        (void)sqlite3_bind_blob(st, 2, base.b, sizeof base.b, SQLITE_STATIC);
        (void)sqlite3_bind_int64(st, 3, number);
        (void)sqlite3_bind_int(st, 4, b->returned || b->expired);
        found = judge_row(st);
        (void)sqlite3_finalize(st);
    }
    return found;
}

void judge_book(struct look *l)
{
    static const int currencies[] = {978, 840, 392, 414, 756, 826},
                     accounts[] = {RECEIVABLE, MERCHANT_PENDING, FEES,
                                   REFUNDS,    DISPUTES_HELD,    SUSPENSE};
    ids_sort(&l->parked);
    for (size_t m = 0; m < l->e->merchants_n; m++)
        for (size_t c = 0; c < COUNT_OF(currencies); c++)
            for (size_t a = 0; a < COUNT_OF(accounts); a++)
                for (int layer = judge_skewed(l) ? 1 : 0; layer < 2; layer++)
                    check_sum(l, &l->e->merchants[m], currencies[c], accounts[a], layer);
    for (size_t i = 0; i < provider_entries(l->e->provider); i++) {
        const struct book_entry *b = provider_entry(l->e->provider, i);
        if (b->effects > 1)
            blame(l, "I8", "%s was carried out %d times", b->reference, b->effects);
        /* whether evidence arrived cannot always be told from what the issuer made of it */
        if (b->state == BOOK_DONE && b->kind != BOOK_EVIDENCE && !parked(l, b) && !recorded(l, b))
            blame(l, "I9", "the provider did %s, which is not on record", b->reference);
    }
}

/* At the end: the ledger as it must be by the provider's book, and every effect in the book on
 * record. */
#include "sim/judge_internal.h"

enum { RECEIVABLE = 1, MERCHANT_PENDING = 2, REFUNDS = 5 };

struct sums {
    int64_t captured, refunded, held;
};

static struct sums by_book(const struct look *l, const struct merchant *m, int currency)
{
    struct sums s = {0};
    for (size_t i = 0; i < provider_entries(l->e->provider); i++) {
        const struct book_entry *b = provider_entry(l->e->provider, i);
        if (b->kind != BOOK_CHARGE || strcmp(b->key, m->provider_key) != 0 ||
            strcmp(b->currency, judge_currency(currency)) != 0 || b->state != BOOK_DONE)
            continue;
        s.captured += b->captured;
        s.refunded += b->refunded;
        if (b->captured == 0 && !b->voided)
            s.held += b->amount;
    }
    return s;
}

static int64_t expected(const struct sums *s, int account, int layer)
{
    if (layer == 0)
        return account == RECEIVABLE ? s->held : account == MERCHANT_PENDING ? -s->held : 0;
    return account == RECEIVABLE         ? s->captured - s->refunded
           : account == MERCHANT_PENDING ? -s->captured
           : account == REFUNDS          ? s->refunded
                                         : 0;
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
        [BOOK_CHARGE] = {ID_ATTEMPT, "SELECT 1 FROM attempt WHERE merchant_id = $1 AND payment_id "
                                     "= $2 AND number = $3 AND state IN (5, 6, 10)"},
        [BOOK_CAPTURE] = {ID_CAPTURE, "SELECT 1 FROM operation WHERE merchant_id = $1 AND "
                                      "payment_id = $2 AND number = $3 AND kind = 1 AND state = 2"},
        [BOOK_VOID] = {ID_CANCEL, "SELECT 1 FROM operation WHERE merchant_id = $1 AND payment_id = "
                                  "$2 AND number = $3 AND kind = 2 AND state = 2"},
        [BOOK_REFUND] = {ID_REFUND, "SELECT 1 FROM refund WHERE merchant_id = $1 AND refund_id = "
                                    "$2 AND state = 2 AND $3 = 0"},
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
        found = judge_row(st);
        (void)sqlite3_finalize(st);
    }
    return found;
}

void judge_book(struct look *l)
{
    static const int currencies[] = {978, 840, 392, 414, 756, 826},
                     accounts[] = {RECEIVABLE, MERCHANT_PENDING, REFUNDS};
    for (size_t m = 0; m < l->e->merchants_n; m++)
        for (size_t c = 0; c < COUNT_OF(currencies); c++)
            for (size_t a = 0; a < COUNT_OF(accounts); a++)
                for (int layer = 0; layer < 2; layer++)
                    check_sum(l, &l->e->merchants[m], currencies[c], accounts[a], layer);
    for (size_t i = 0; i < provider_entries(l->e->provider); i++) {
        const struct book_entry *b = provider_entry(l->e->provider, i);
        if (b->effects > 1)
            blame(l, "I8", "%s was carried out %d times", b->reference, b->effects);
        if (b->state == BOOK_DONE && !recorded(l, b))
            blame(l, "I9", "the provider did %s, which is not on record", b->reference);
    }
}

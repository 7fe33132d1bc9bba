/* The ledger: sums, numbers, the chain, and the provider's book as the reference. */
#include <sodium.h>

#include "sim/judge_internal.h"

static void check_sums(struct look *l)
{
    sqlite3_stmt *st = judge_sql(l, "SELECT merchant_id, journal, layer, sum(amount) FROM posting "
                                    "GROUP BY merchant_id, journal, layer HAVING sum(amount) <> 0");
    while (judge_row(st))
        blame(l, "I1", "journal %lld of merchant %lld: a layer sums to %lld",
              sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 0),
              sqlite3_column_int64(st, 3));
    (void)sqlite3_finalize(st);
    int64_t empty = judge_number(
        l, "SELECT count(*) FROM journal j WHERE NOT EXISTS (SELECT 1 FROM posting p WHERE "
           "p.merchant_id = j.merchant_id AND p.journal = j.number)");
    int64_t loose = judge_number(
        l, "SELECT count(*) FROM posting p WHERE NOT EXISTS (SELECT 1 FROM journal j WHERE "
           "j.merchant_id = p.merchant_id AND j.number = p.journal)");
    if (empty || loose)
        blame(l, "I16", "%lld journals without postings, %lld postings without journal",
              (long long)empty, (long long)loose);
}

static void check_snapshots(struct look *l)
{
    sqlite3_stmt *st = judge_sql(
        l, "SELECT s.merchant_id, s.account, s.pending, s.posted,"
           " coalesce(sum(CASE p.layer WHEN 0 THEN p.amount END), 0),"
           " coalesce(sum(CASE p.layer WHEN 1 THEN p.amount END), 0) FROM balance_snapshot s"
           " LEFT JOIN journal j ON j.merchant_id = s.merchant_id AND j.currency = s.currency"
           " AND j.number <= s.journal_upto"
           " LEFT JOIN posting p ON p.merchant_id = j.merchant_id AND p.journal = j.number"
           " AND p.account = s.account AND p.unit = s.unit"
           " GROUP BY s.merchant_id, s.currency, s.account, s.unit");
    while (judge_row(st))
        if (sqlite3_column_int64(st, 2) != sqlite3_column_int64(st, 4) ||
            sqlite3_column_int64(st, 3) != sqlite3_column_int64(st, 5))
            blame(l, "I2",
                  "snapshot of account %lld of merchant %lld: %lld, %lld; postings %lld, "
                  "%lld",
                  sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 0),
                  sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3),
                  sqlite3_column_int64(st, 4), sqlite3_column_int64(st, 5));
    (void)sqlite3_finalize(st);
}

static void check_dense(struct look *l, const char *table, const char *sql)
{
    sqlite3_stmt *st = judge_sql(l, sql);
    while (judge_row(st)) {
        int64_t n = sqlite3_column_int64(st, 1), first = sqlite3_column_int64(st, 2),
                last = sqlite3_column_int64(st, 3), kept = sqlite3_column_int64(st, 4);
        if (n > 0 && (first != 1 || last != n || kept != n))
            blame(l, "I19", "%s of merchant %lld: %lld rows, %lld to %lld, the sequencer says %lld",
                  table, sqlite3_column_int64(st, 0), (long long)n, (long long)first,
                  (long long)last, (long long)kept);
    }
    (void)sqlite3_finalize(st);
}

/* --- the chain, by its format in src/ledger/README.md --- */
struct hashing {
    crypto_generichash_state state;
    uint8_t bytes[4096];
    size_t n;
};

static void begin(struct hashing *h)
{
    crypto_generichash_init(&h->state, NULL, 0, 32);
    h->n = 0;
}

static void put(struct hashing *h, uint64_t v, int bytes)
{
    ASSERT(h->n + (size_t)bytes <= sizeof h->bytes);
    for (int i = bytes - 1; i >= 0; i--)
        h->bytes[h->n++] = (uint8_t)(v >> 8 * i);
}

static void put_text(struct hashing *h, struct str s)
{
    ASSERT(h->n + s.n <= sizeof h->bytes);
    memcpy(h->bytes + h->n, s.p, s.n);
    h->n += s.n;
}

static void piece(struct hashing *h, struct str s)
{
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)s.n >> 8 * (7 - i));
    crypto_generichash_update(&h->state, length, sizeof length);
    crypto_generichash_update(&h->state, (const uint8_t *)s.p, s.n);
}

static void own_piece(struct hashing *h)
{
    piece(h, (struct str){(const char *)h->bytes, h->n});
    h->n = 0;
}

static void journal_leaf(sqlite3_stmt *journal, sqlite3_stmt *legs, int64_t merchant,
                         uint8_t out[32])
{
    static const int sizes[] = {8, 2, 2, 0, 0, 8, 8, 8};
    struct hashing h;
    size_t count_at;
    uint64_t n = 0;
    begin(&h);
    put(&h, 1, 1);
    put(&h, (uint64_t)merchant, 8);
    for (int i = 0; i < 8; i++)
        if (sizes[i])
            put(&h, (uint64_t)sqlite3_column_int64(journal, i), sizes[i]);
        else
            put_text(&h, judge_text(journal, i));
    count_at = h.n;
    put(&h, 0, 2);
    (void)sqlite3_bind_int64(legs, 1, merchant);
    (void)sqlite3_bind_int64(legs, 2, sqlite3_column_int64(journal, 0));
    for (; judge_row(legs); n++) {
        put(&h, (uint64_t)sqlite3_column_int64(legs, 0), 2);
        put(&h, (uint64_t)sqlite3_column_int64(legs, 1), 2);
        put(&h, (uint64_t)sqlite3_column_int64(legs, 2), 2);
        put(&h, (uint64_t)sqlite3_column_int64(legs, 3), 1);
        put(&h, (uint64_t)sqlite3_column_int64(legs, 4), 8);
    }
    (void)sqlite3_reset(legs);
    h.bytes[count_at] = (uint8_t)(n >> 8);
    h.bytes[count_at + 1] = (uint8_t)n;
    own_piece(&h);
    crypto_generichash_final(&h.state, out, 32);
}

static void event_leaf(sqlite3_stmt *event, int64_t merchant, uint8_t out[32])
{
    static const int sizes[] = {8, 2, 2, 0, 8, 8, 8};
    struct hashing h;
    begin(&h);
    put(&h, 2, 1);
    put(&h, (uint64_t)merchant, 8);
    for (int i = 0; i < 7; i++)
        if (sizes[i])
            put(&h, (uint64_t)sqlite3_column_int64(event, i), sizes[i]);
        else
            put_text(&h, judge_text(event, i));
    own_piece(&h);
    piece(&h, judge_text(event, 7));
    crypto_generichash_final(&h.state, out, 32);
}

struct chain_reader {
    sqlite3_stmt *links, *journals, *legs, *events;
    struct buf leaves;
};

static void add_rows(struct chain_reader *r, sqlite3_stmt *st, int64_t merchant, int64_t after,
                     int64_t upto)
{
    uint8_t leaf[32];
    (void)sqlite3_bind_int64(st, 1, merchant);
    (void)sqlite3_bind_int64(st, 2, after);
    (void)sqlite3_bind_int64(st, 3, upto);
    while (judge_row(st)) {
        if (st == r->journals)
            journal_leaf(st, r->legs, merchant, leaf);
        else
            event_leaf(st, merchant, leaf);
        buf_add(&r->leaves, leaf, sizeof leaf);
    }
    (void)sqlite3_reset(st);
}

/* Follows new rows of one merchant; *s moves along. */
static void follow(struct look *l, struct chain_reader *r, struct chain_seen *s)
{
    (void)sqlite3_bind_int64(r->links, 1, s->merchant);
    (void)sqlite3_bind_int64(r->links, 2, s->number);
    while (judge_row(r->links)) {
        int64_t number = sqlite3_column_int64(r->links, 0),
                journals = sqlite3_column_int64(r->links, 1),
                events = sqlite3_column_int64(r->links, 2);
        struct str hash = judge_text(r->links, 3);
        struct hashing h;
        buf_clear(&r->leaves);
        buf_add(&r->leaves, s->hash, 32);
        add_rows(r, r->journals, s->merchant, s->journal_upto, journals);
        add_rows(r, r->events, s->merchant, s->event_upto, events);
        begin(&h);
        piece(&h, buf_view(&r->leaves));
        crypto_generichash_final(&h.state, s->hash, 32);
        if (number != s->number + 1 || hash.n != 32 || memcmp(hash.p, s->hash, 32) != 0)
            blame(l, "I30", "chain row %lld of merchant %lld does not verify", (long long)number,
                  (long long)s->merchant);
        s->number = number;
        s->journal_upto = journals;
        s->event_upto = events;
    }
    (void)sqlite3_reset(r->links);
}

static void check_end(struct look *l, const struct chain_seen *s)
{
    char sql[300];
    (void)snprintf(sql, sizeof sql,
                   "SELECT (SELECT count(*) FROM journal WHERE merchant_id = %lld AND number > "
                   "%lld) + (SELECT count(*) FROM event WHERE merchant_id = %lld AND sequence > "
                   "%lld)",
                   (long long)s->merchant, (long long)s->journal_upto, (long long)s->merchant,
                   (long long)s->event_upto);
    int64_t beyond = judge_number(l, sql);
    if (beyond)
        blame(l, "I30", "%lld rows of merchant %lld are not in the chain", (long long)beyond,
              (long long)s->merchant);
}

/* What an earlier look saw must still be there. */
static bool still_there(struct look *l, const struct chain_seen *s)
{
    sqlite3_stmt *st =
        judge_sql(l, "SELECT hash FROM chain WHERE merchant_id = $1 AND number = $2");
    (void)sqlite3_bind_int64(st, 1, s->merchant);
    (void)sqlite3_bind_int64(st, 2, s->number);
    struct str hash = judge_row(st) ? judge_text(st, 0) : (struct str){0};
    bool same = hash.n == 32 && memcmp(hash.p, s->hash, 32) == 0;
    (void)sqlite3_finalize(st);
    if (!same)
        blame(l, "I7", "chain row %lld of merchant %lld is %s", (long long)s->number,
              (long long)s->merchant, hash.n == 32 ? "another" : "gone");
    return same;
}

static void check_chain(struct look *l)
{
    struct judge *j = l->judge;
    struct chain_reader r = {.leaves = BUF((size_t)64 << 20)};
    r.links = judge_sql(l, "SELECT number, journal_upto, event_upto, hash FROM chain WHERE "
                           "merchant_id = $1 AND number > $2 ORDER BY number");
    r.journals = judge_sql(l, "SELECT number, kind, currency, payment_id, operation_id, previous, "
                              "recorded_at, effective_at FROM journal WHERE merchant_id = $1 AND "
                              "number > $2 AND number <= $3 ORDER BY number");
    r.legs = judge_sql(l, "SELECT leg, account, unit, layer, amount FROM posting WHERE merchant_id "
                          "= $1 AND journal = $2 ORDER BY leg");
    r.events = judge_sql(l, "SELECT sequence, type, object_kind, object_id, object_version, "
                            "previous, created_at, data FROM event WHERE merchant_id = $1 AND "
                            "sequence > $2 AND sequence <= $3 ORDER BY sequence");
    for (size_t i = 0; i < l->e->merchants_n; i++) {
        struct chain_seen *seen = &j->seen[i], now;
        seen->merchant = l->e->merchants[i].number;
        bool same = seen->number == 0 || still_there(l, seen);
        /* at the end all of it is read once more */
        now = same && l->moment != JUDGE_END ? *seen
                                             : (struct chain_seen){.merchant = seen->merchant};
        follow(l, &r, &now);
        check_end(l, &now);
        /* What a killed process has written and not synced may still be lost with the power; and as
         * long as others go on and nobody has recovered the log, they write over what it did not
         * tell them of. */
        if (l->moment == JUDGE_CRASH)
            j->unsure[i] = now;
        else if (now.number != j->unsure[i].number ||
                 memcmp(now.hash, j->unsure[i].hash, sizeof now.hash) != 0)
            *seen = now;
    }
    (void)sqlite3_finalize(r.links);
    (void)sqlite3_finalize(r.journals);
    (void)sqlite3_finalize(r.legs);
    (void)sqlite3_finalize(r.events);
    buf_free(&r.leaves);
}

void judge_ledger(struct look *l)
{
    check_sums(l);
    check_dense(l, "journals",
                "SELECT s.merchant_id, count(j.number), min(j.number), max(j.number), "
                "s.journal_last FROM sequencer s LEFT JOIN journal j ON j.merchant_id = "
                "s.merchant_id GROUP BY s.merchant_id");
    check_dense(l, "events",
                "SELECT s.merchant_id, count(j.sequence), min(j.sequence), max(j.sequence), "
                "s.event_last FROM sequencer s LEFT JOIN event j ON j.merchant_id = s.merchant_id "
                "GROUP BY s.merchant_id");
    check_chain(l);
    if (l->moment == JUDGE_END)
        check_snapshots(l);
}

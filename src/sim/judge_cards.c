/* Disputes, orders, webhooks of the provider. */
#include "sim/judge_internal.h"

/* --- disputes --- */
enum { D_INQUIRY = 1, D_NEEDS_RESPONSE, D_UNDER_REVIEW, D_WON, D_LOST, D_ACCEPTED };

static int state_by(const struct book_dispute *d)
{
    switch (d->status) {
    case BOOK_NEEDS_RESPONSE:
        return d->chargeback ? D_NEEDS_RESPONSE : D_INQUIRY;
    case BOOK_UNDER_REVIEW:
        return D_UNDER_REVIEW;
    case BOOK_WON:
    case BOOK_CLOSED:
        return D_WON;
    case BOOK_LOST:
        return D_LOST;
    case BOOK_ACCEPTED:
        break;
    }
    return D_ACCEPTED;
}

static void check_dispute(struct look *l, sqlite3_stmt *st)
{
    struct id id = judge_id(st, 0), payment = judge_id(st, 1), attempt;
    int state = sqlite3_column_int(st, 2);
    int64_t held = sqlite3_column_int64(st, 4), version = sqlite3_column_int64(st, 5);
    const struct book_dispute *d = provider_dispute_find(l->e->provider, str_from(judge_z(st, 6)));
    char text[ID_TEXT_MAX];
    id_text(ID_DISPUTE, id, text);
    bool open = state <= D_UNDER_REVIEW;
    ids_add(&l->may, id); /* an answer on its way */
    ids_add(open ? &l->open : &l->may, id_derive(id, 1));
    if (!d || !id_parse(ID_ATTEMPT, str_from(d->charge), &attempt) ||
        !id_eq(id_base(attempt), payment)) {
        blame(l, "I9", "%s: the provider has no such dispute of this payment", text);
        return;
    }
    if (version > d->version || (version < d->version && l->moment == JUDGE_END))
        blame(l, "I21", "%s is at version %lld; at the provider it is at %lld", text,
              (long long)version, (long long)d->version);
    if (version != d->version || l->e->later)
        return;
    bool holds = d->withdrawn && open;
    if (state != state_by(d) || sqlite3_column_int64(st, 3) != d->amount ||
        held != (holds ? d->amount : 0))
        blame(l, "I21", "%s is in state %d, amount %lld, held %lld; at the provider %d, %lld, %d",
              text, state, sqlite3_column_int64(st, 3), (long long)held, state_by(d),
              (long long)d->amount, holds);
}

void judge_disputes(struct look *l)
{
    sqlite3_stmt *st = judge_sql(l, "SELECT dispute_id, payment_id, state, amount, held, "
                                    "provider_version, provider_reference FROM dispute");
    size_t n = 0;
    for (; judge_row(st); n++)
        check_dispute(l, st);
    (void)sqlite3_finalize(st);
    if (l->moment == JUDGE_END && n != provider_disputes(l->e->provider))
        blame(l, "I21", "%zu disputes are known; the provider has %zu", n,
              provider_disputes(l->e->provider));
    for (size_t i = 0; i < provider_disputes(l->e->provider); i++) {
        const struct book_dispute *d = provider_dispute(l->e->provider, i);
        if (d->accepts > 1)
            blame(l, "I8", "%s was accepted %d times", d->id, d->accepts);
    }
    int64_t apart = judge_number(
        l, "SELECT count(*) FROM (SELECT p.disputed, p.dispute_lost, coalesce(sum(d.held), 0) AS "
           "held, coalesce(sum(CASE WHEN d.state IN (5, 6) THEN d.amount END), 0) AS lost FROM "
           "payment p LEFT JOIN dispute d ON d.merchant_id = p.merchant_id AND d.payment_id = "
           "p.payment_id GROUP BY p.merchant_id, p.payment_id HAVING p.disputed <> held OR "
           "p.dispute_lost <> lost)");
    if (apart)
        blame(l, "I16", "%lld payments and their disputes say different things", (long long)apart);
}

/* --- their journals --- */
enum { HOLD = 14, RELEASE, LOSS, REVERSAL };
enum { REFUND_INTENT = 5, KEEPS_WAITING_US = 60000000 };

/* How many of each kind there are. */
struct tally {
    int hold, release, loss, reversal;
};

/* One dispute as the provider told of it. */
struct telling {
    const struct look *l;
    const struct book_dispute *d;
    int64_t version; /* where the store stands */
    struct tally have;
    const struct notice *notices[BOOK_WORDS_MAX];
};

/* What a dispute is to the ledger. */
enum standing { FREE, HELD, GONE };

/* What one word does to it. */
static enum standing hear(enum standing is, const struct book_word *w, struct tally *t)
{
    bool over = w->status == BOOK_LOST || w->status == BOOK_ACCEPTED;
    if (is == FREE && (w->chargeback || over)) {
        t->hold++;
        is = HELD;
    }
    if (over && is == HELD) {
        t->loss++;
        is = GONE;
    } else if (w->status == BOOK_WON || w->status == BOOK_CLOSED) {
        t->reversal += is == GONE;
        t->release += is == HELD;
        is = FREE;
    }
    return is;
}

/* May the words between have been passed over? An answer counts at once, a webhook only when what
 * came before it stays away for long. */
static bool may_skip(const struct telling *t, int64_t from, int64_t to)
{
    const struct notice *n = t->notices[to];
    if (to == from + 1 || t->d->words[to].told || t->l->e->skew_us > 0)
        return true;
    for (int64_t v = from + 1; n && n->tries > 0 && v < to; v++) {
        const struct notice *missed = t->notices[v];
        if (!missed || missed->acked == 0 || missed->acked_us > n->sent_us + KEEPS_WAITING_US)
            return true;
    }
    return false;
}

/* Is there a way to hear it that gives these journals? */
static bool explains(const struct telling *t, int64_t at, enum standing is, struct tally so_far)
{
    if (at == t->version)
        return memcmp(&so_far, &t->have, sizeof so_far) == 0;
    for (int64_t next = at + 1; next <= t->version; next++) {
        struct tally after = so_far;
        if (!may_skip(t, at, next))
            continue;
        enum standing then = hear(is, &t->d->words[next], &after);
        if (explains(t, next, then, after))
            return true;
    }
    return false;
}

static void find_notices(struct telling *t)
{
    const struct provider *p = t->l->e->provider;
    for (size_t i = 0; i < provider_notices(p); i++) {
        const struct notice *n = provider_notice(p, i);
        if (n->way == NOTICE_GENUINE && n->version > 0 && strcmp(n->about, t->d->id) == 0)
            t->notices[n->version] = n;
    }
}

/* The same journals in whatever order the webhooks came. */
static void check_dispute_journals(struct look *l)
{
    sqlite3_stmt *st = judge_sql(
        l, "SELECT d.dispute_id, d.provider_reference, d.provider_version, "
           "coalesce(sum(j.kind = 14), 0), coalesce(sum(j.kind = 15), 0), "
           "coalesce(sum(j.kind = 16), 0), coalesce(sum(j.kind = 17), 0) FROM dispute d LEFT JOIN "
           "journal j ON j.merchant_id = d.merchant_id AND j.operation_id = d.dispute_id AND "
           "j.kind BETWEEN 14 AND 17 GROUP BY d.merchant_id, d.dispute_id");
    while (judge_row(st)) {
        struct telling t = {
            .l = l,
            .d = provider_dispute_find(l->e->provider, str_from(judge_z(st, 1))),
            .version = sqlite3_column_int64(st, 2),
            .have = {sqlite3_column_int(st, 3), sqlite3_column_int(st, 4),
                     sqlite3_column_int(st, 5), sqlite3_column_int(st, 6)},
        };
        char text[ID_TEXT_MAX];
        if (!t.d || t.version > t.d->version)
            continue; /* said already */
        find_notices(&t);
        id_text(ID_DISPUTE, judge_id(st, 0), text);
        if (!explains(&t, 0, FREE, (struct tally){0}))
            blame(l, "I21",
                  "%s is at version %lld with %d holds, %d releases, %d losses, %d reversals: in "
                  "order it would have others",
                  text, (long long)t.version, t.have.hold, t.have.release, t.have.loss,
                  t.have.reversal);
    }
    (void)sqlite3_finalize(st);
}

/* By the order of the journals: none is begun while a chargeback is open. */
static void check_refunds_begun(struct look *l)
{
    sqlite3_stmt *st = judge_sql(l, "SELECT merchant_id, payment_id, kind FROM journal WHERE kind "
                                    "IN (5, 14, 15, 16) ORDER BY merchant_id, payment_id, number");
    struct id payment = {{0}};
    int contested = 0;
    while (judge_row(st)) {
        struct id id = judge_id(st, 1);
        int kind = sqlite3_column_int(st, 2);
        char text[ID_TEXT_MAX];
        if (!id_eq(id, payment))
            contested = 0;
        payment = id;
        if (kind == REFUND_INTENT && contested > 0)
            blame(l, "I35", "a refund of %s was begun while a chargeback was open",
                  id_text(ID_PAYMENT, id, text));
        contested += kind == HOLD ? 1 : kind == RELEASE || kind == LOSS ? -1 : 0;
    }
    (void)sqlite3_finalize(st);
}

void judge_contests(struct look *l)
{
    check_refunds_begun(l);
    if (l->moment == JUDGE_END)
        check_dispute_journals(l);
}

/* --- orders --- */
void judge_orders(struct look *l)
{
    sqlite3_stmt *st = judge_sql(
        l, "SELECT o.order_id, o.amount, o.reserved, o.paid, o.refunded, o.state, "
           "coalesce(sum(CASE WHEN p.state IN (9, 10, 11) THEN 0 WHEN p.authorized = 0 THEN "
           "p.amount ELSE p.authorized - p.captured - p.released END), 0) + coalesce((SELECT "
           "sum(i.amount) FROM operation i JOIN payment q ON q.merchant_id = i.merchant_id AND "
           "q.payment_id = i.payment_id WHERE q.merchant_id = o.merchant_id AND q.order_id = "
           "o.order_id AND i.kind = 3 AND i.state IN (1, 4)), 0), "
           "coalesce(sum(p.captured), 0), coalesce(sum(p.refunded), 0), "
           "coalesce((SELECT sum(r.amount) FROM refund r JOIN payment q ON q.merchant_id = "
           "r.merchant_id AND q.payment_id = r.payment_id WHERE q.merchant_id = o.merchant_id AND "
           "q.order_id = o.order_id AND EXISTS (SELECT 1 FROM journal j WHERE j.merchant_id = "
           "r.merchant_id AND j.kind = 13 AND j.operation_id = r.refund_id)), 0) "
           "FROM purchase o LEFT JOIN payment p ON p.merchant_id = o.merchant_id AND p.order_id = "
           "o.order_id GROUP BY o.merchant_id, o.order_id");
    while (judge_row(st)) {
        char text[ID_TEXT_MAX];
        int64_t amount = sqlite3_column_int64(st, 1), reserved = sqlite3_column_int64(st, 2),
                paid = sqlite3_column_int64(st, 3), refunded = sqlite3_column_int64(st, 4),
                returned = sqlite3_column_int64(st, 9);
        id_text(ID_ORDER, judge_id(st, 0), text);
        if (reserved != sqlite3_column_int64(st, 6) || paid != sqlite3_column_int64(st, 7) ||
            refunded != sqlite3_column_int64(st, 8))
            blame(l, "I33",
                  "%s: reserved %lld, paid %lld, refunded %lld; its payments %lld, %lld, "
                  "%lld",
                  text, (long long)reserved, (long long)paid, (long long)refunded,
                  sqlite3_column_int64(st, 6), sqlite3_column_int64(st, 7),
                  sqlite3_column_int64(st, 8));
        /* a refund that comes back may find its place taken */
        if (reserved + paid - refunded > amount + returned)
            blame(l, "I33", "%s of %lld: %lld reserved, %lld paid, %lld refunded", text,
                  (long long)amount, (long long)reserved, (long long)paid, (long long)refunded);
        if (sqlite3_column_int(st, 5) != 3 &&
            (sqlite3_column_int(st, 5) == 2) != (paid - refunded >= amount))
            blame(l, "I33", "%s is in state %d: %lld of %lld are paid", text,
                  sqlite3_column_int(st, 5), (long long)(paid - refunded), (long long)amount);
        if (l->moment == JUDGE_END && reserved > 0 && sqlite3_column_int64(st, 6) == 0)
            blame(l, "I33", "%s: %lld stay reserved", text, (long long)reserved);
    }
    (void)sqlite3_finalize(st);
}

/* --- webhooks of the provider --- */
enum { E_WAITING = 1, E_GIVEN_UP = 4 };

static bool acked(const struct look *l, const struct notice *n)
{
    return l->e->acked ? l->e->acked[n->number] : n->acked > 0;
}

static void check_row(struct look *l, sqlite3_stmt *st, bool *seen)
{
    const char *id = judge_z(st, 2);
    int state = sqlite3_column_int(st, 3);
    const struct notice *n = provider_notice_find(l->e->provider, str_from(id));
    if (!n || n->way != NOTICE_GENUINE) {
        blame(l, "I34", "%s was taken in; the provider never sent it so", id);
        return;
    }
    if (seen[n->number])
        blame(l, "I34", "%s was taken in twice", id);
    seen[n->number] = true;
    for (size_t i = 0; i < l->e->merchants_n; i++)
        if (l->e->merchants[i].number == sqlite3_column_int64(st, 0) &&
            strcmp(l->e->merchants[i].provider_key, n->key) != 0)
            blame(l, "I27", "%s became another merchant's", id);
    if (state == E_WAITING) {
        ids_add(&l->open, judge_id(st, 1));
        if (l->moment == JUDGE_END)
            blame(l, "I25", "%s (%s of %s) still waits", id, n->type, n->about);
    }
    if (state == E_GIVEN_UP)
        blame(l, "I21", "%s (%s of %s) was given up", id, n->type, n->about);
}

void judge_inbox(struct look *l)
{
    size_t n = provider_notices(l->e->provider);
    bool *seen = mem_alloc(n + 1);
    ASSERT(seen != NULL);
    sqlite3_stmt *st =
        judge_sql(l, "SELECT merchant_id, event_key, event_id, state FROM provider_event");
    while (judge_row(st))
        check_row(l, st, seen);
    (void)sqlite3_finalize(st);
    for (size_t i = 0; i < n; i++) {
        const struct notice *t = provider_notice(l->e->provider, i);
        bool genuine = t->way == NOTICE_GENUINE;
        if (genuine && acked(l, t) && !seen[i])
            blame(l, "I34", "%s (%s) was acknowledged and is gone", t->id, t->type);
        if (!genuine && t->acked > 0)
            blame(l, "I34", "%s must be refused (%d) and was acknowledged", t->id, (int)t->way);
        if (genuine && t->refused > 0)
            blame(l, "I34", "%s (%s of %s) is genuine and was refused", t->id, t->type, t->about);
        if (genuine && t->must && t->acked == 0 && l->moment == JUDGE_END)
            blame(l, "I25", "%s (%s of %s) was never acknowledged", t->id, t->type, t->about);
    }
    mem_free(seen);
}

/* Cards of the vault: where their numbers may be, whose they are, what became of them. */
#include "sim/judge_internal.h"

/* Ten minutes, and until somebody looks. */
#define CVC_KEPT_US INT64_C(620000000)
/* Until whoever sent it is told what came of that, and tells the vault. */
#define CVC_USED_US INT64_C(60000000)
#define DEATHS_KNOWN 2000
/* Until somebody sweeps, by a clock that is a little off. */
#define KEPT_LATE_US INT64_C(120000000)

/* --- numbers --- */
static void look_into(void *arg, const char *file, struct str bytes)
{
    struct look *l = arg;
    if (typed_in(bytes))
        blame(l, "I28", "a card's number is in the file %s", file);
}

static void check_charge(struct look *l, const struct book_entry *b)
{
    const struct typed *t = typed_number(b->card);
    const struct merchant *m = NULL;
    for (size_t i = 0; i < l->e->merchants_n; i++)
        if (strcmp(l->e->merchants[i].provider_key, b->key) == 0)
            m = &l->e->merchants[i];
    if (!t || !m)
        blame(l, "I36", "%s was charged to a card that nobody typed", b->reference);
    else if (m != &l->e->merchants[t->merchant])
        blame(l, "I36", "%s was charged to another merchant's card", b->reference);
    else if (!m->permitted)
        blame(l, "I36", "%s came with a card, without a permit", b->reference);
    else if (b->cvc && t->sealed_us && b->first_us - t->sealed_us > CVC_KEPT_US)
        blame(l, "I29", "%s came with a CVC that should be forgotten", b->reference);
}

static bool quiet_between(const struct look *l, int64_t from_us, int64_t to_us)
{
    for (size_t i = 0; i < l->e->deaths_n; i++)
        if (l->e->deaths[i] >= from_us && l->e->deaths[i] <= to_us)
            return false;
    return l->e->deaths_n < DEATHS_KNOWN;
}

/* Once a request with it has arrived a CVC is forgotten, but for a death that keeps the vault from
 * hearing of it. */
static void check_cvc_again(struct look *l, size_t i)
{
    const struct book_entry *b = provider_entry(l->e->provider, i);
    for (size_t k = 0; k < i; k++) {
        const struct book_entry *a = provider_entry(l->e->provider, k);
        if (a->cvc && b->first_us - a->first_us > CVC_USED_US && strcmp(a->card, b->card) == 0 &&
            quiet_between(l, a->first_us - CVC_USED_US, b->first_us)) {
            blame(l, "I29", "%s came with the CVC that %s had used", b->reference, a->reference);
            return;
        }
    }
}

/* --- which card: what was asked for and what the provider was sent --- */
static void check_paid_with(struct look *l, const struct ask *a)
{
    const struct trace_of_ask *t = &l->traces[a->number];
    const struct typed *card = typed_at(a->card - 1);
    if (t->payments != 1)
        return;
    for (unsigned n = 1; n <= 5; n++) {
        const struct book_entry *b = judge_entry(l, ID_ATTEMPT, t->payment, n);
        if (b && strcmp(b->card, card->number) != 0 && (b->card[0] || !t->confirmed))
            blame(l, "I36", "%s was charged to another card than ask %zu named", b->reference,
                  a->number);
    }
}

/* --- the vault's own file --- */
enum { M_ATTACHED = 1, M_DETACHED = 2 };

struct kept {
    int64_t merchant, keep_until;
    struct id card;
};

static struct kept *read_vault(struct look *l, struct disk *copy, size_t *ret_n)
{
    char why[200] = "";
    struct kept *list = NULL;
    size_t n = 0, cap = 0;
    sqlite3_stmt *st = NULL;
    sqlite3 *db = disk_database(copy, l->e->vault_file, why);
    int rc = db ? sqlite3_prepare_v2(db, "SELECT merchant_id, keep_until, card_id FROM card", -1,
                                     &st, NULL)
                : SQLITE_ERROR;
    if (rc != SQLITE_OK)
        blame(l, "store", "the vault cannot be read: %s", db ? sqlite3_errmsg(db) : why);
    while (judge_row(st)) {
        if (n == cap) {
            cap = cap ? 2 * cap : 64;
            list = mem_resize(list, cap * sizeof *list);
            ASSERT(list != NULL);
        }
        list[n++] = (struct kept){sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1),
                                  judge_id(st, 2)};
    }
    (void)sqlite3_finalize(st);
    rc = sqlite3_close(db);
    ASSERT(rc == SQLITE_OK);
    *ret_n = n;
    return list;
}

/* 0: there is no such method. */
static int method_state(sqlite3_stmt *st, const struct kept *k)
{
    (void)sqlite3_reset(st);
    (void)sqlite3_bind_int64(st, 1, k->merchant);
    (void)sqlite3_bind_blob(st, 2, k->card.b, sizeof k->card.b, SQLITE_STATIC);
    return judge_row(st) ? sqlite3_column_int(st, 0) : 0;
}

/* It has what methods hold, and for a day what nobody has attached. */
static void check_kept(struct look *l, sqlite3_stmt *st, const struct kept *k)
{
    char text[ID_TEXT_MAX];
    int state = method_state(st, k);
    id_text(ID_PAYMENT_METHOD, k->card, text);
    if (state == M_DETACHED)
        blame(l, "I37", "%s was detached and is in the vault", text);
    else if (state == M_ATTACHED && k->keep_until)
        blame(l, "I37", "%s is attached, and the vault will forget it", text);
    else if (state != M_ATTACHED && !k->keep_until)
        blame(l, "I37", "%s is nobody's (%d), and the vault keeps it for good", text, state);
    else if (k->keep_until && k->keep_until < l->e->now_us - KEPT_LATE_US && !judge_skewed(l))
        blame(l, "I37", "%s should have been forgotten by now", text);
}

static bool has(const struct kept *list, size_t n, int64_t merchant, struct id card)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].merchant == merchant && id_eq(list[i].card, card))
            return true;
    return false;
}

/* Each card is typed under one client token, which is good for one. */
static void check_typed_once(struct look *l)
{
    int64_t twice = judge_number(
        l, "SELECT count(*) FROM (SELECT 1 FROM payment_method WHERE card_fingerprint IS NOT NULL "
           "GROUP BY merchant_id, card_fingerprint HAVING count(*) > 1)");
    if (twice)
        blame(l, "I37", "%lld cards that were typed once are two methods", (long long)twice);
}

static void check_vault(struct look *l, struct disk *copy)
{
    size_t n;
    struct kept *list = read_vault(l, copy, &n);
    sqlite3_stmt *st = judge_sql(
        l, "SELECT state FROM payment_method WHERE merchant_id = ?1 AND payment_method_id = ?2");
    for (size_t i = 0; i < n; i++)
        check_kept(l, st, &list[i]);
    (void)sqlite3_finalize(st);
    st = judge_sql(l, "SELECT merchant_id, payment_method_id FROM payment_method WHERE "
                      "card_fingerprint IS NOT NULL AND state = 1");
    while (judge_row(st)) {
        char text[ID_TEXT_MAX];
        struct id card = judge_id(st, 1);
        if (!has(list, n, sqlite3_column_int64(st, 0), card))
            blame(l, "I37", "%s is attached, and the vault has no such card",
                  id_text(ID_PAYMENT_METHOD, card, text));
    }
    (void)sqlite3_finalize(st);
    mem_free(list);
}

/* A client token for a payment, whose browser was told of it. */
static void check_token(struct look *l, const struct ask *a)
{
    const struct trace_of_ask *t = &l->traces[a->number];
    char text[ID_TEXT_MAX];
    if (t->payments > 1)
        blame(l, "I12", "the client token of ask %zu paid %d times", a->number, t->payments);
    if (a->payment[0] &&
        (t->payments == 0 || strcmp(id_text(ID_PAYMENT, t->payment, text), a->payment) != 0))
        blame(l, "I14", "a browser was told of %s, which is on no record", a->payment);
}

void judge_roles(struct look *l, struct disk *copy)
{
    for (size_t i = 0; i < provider_entries(l->e->provider); i++) {
        const struct book_entry *b = provider_entry(l->e->provider, i);
        if (b->card[0])
            check_charge(l, b);
        if (b->cvc && l->moment == JUDGE_END)
            check_cvc_again(l, i);
    }
    for (size_t i = 0; i < l->e->asks_n; i++)
        if (l->e->asks[i].kind == ASK_MAKE)
            check_token(l, &l->e->asks[i]);
    for (size_t i = 0; i < l->e->asks_n; i++)
        if (l->e->asks[i].card)
            check_paid_with(l, &l->e->asks[i]);
    if (l->moment != JUDGE_QUIET)
        disk_each(copy, look_into, l);
    check_typed_once(l);
    if (l->moment == JUDGE_END)
        check_vault(l, copy);
}

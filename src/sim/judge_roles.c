/* Cards of the vault: where their numbers may be, whose they are, what became of them. */
#include "sim/judge_internal.h"

/* Ten minutes, and until somebody looks. */
#define CVC_KEPT_US INT64_C(620000000)

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

void judge_roles(struct look *l, const struct disk *copy)
{
    for (size_t i = 0; i < provider_entries(l->e->provider); i++) {
        const struct book_entry *b = provider_entry(l->e->provider, i);
        if (b->card[0])
            check_charge(l, b);
    }
    for (size_t i = 0; i < l->e->asks_n; i++)
        if (l->e->asks[i].card)
            check_paid_with(l, &l->e->asks[i]);
    if (l->moment != JUDGE_QUIET)
        disk_each(copy, look_into, l);
}

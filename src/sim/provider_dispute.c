/* Disputes at the simulated acquirer: each move makes a version, and a webhook. What the issuer
 * thinks and how long it takes is chance. */
#include "sim/provider_internal.h"

#define FEE 1500

static const char *const reasons[][2] = {{"fraudulent", "10.4"},
                                         {"product_not_received", "13.1"},
                                         {"product_unacceptable", "13.3"},
                                         {"duplicate", "12.6.1"},
                                         {"general", "12.7"}};

struct dispute *book_dispute_find(const struct book *b, struct str id)
{
    for (size_t i = 0; i < b->disputes_n; i++)
        if (str_eq(str_from(b->disputes[i]->book.id), id))
            return b->disputes[i];
    return NULL;
}

static bool is_open(const struct dispute *d)
{
    return d->book.status == BOOK_NEEDS_RESPONSE || d->book.status == BOOK_UNDER_REVIEW;
}

/* The issuer thinks it over. */
static void ponder(struct book *b, struct dispute *d)
{
    struct provider *p = provider_of(b);
    due_add(b, b->now_us + provider_up_to(p, p->profile.issuer_ms * 1000), DUE_ISSUER, d,
            d->book.version);
}

static void set_deadline(struct book *b, struct dispute *d)
{
    struct provider *p = provider_of(b);
    int64_t wait_us = provider_up_to(p, 2 * p->profile.issuer_ms * 1000);
    d->book.due_us = b->now_us + (p->profile.issuer_ms ? 1000000 : 600000000) + wait_us;
    due_add(b, d->book.due_us, DUE_DEADLINE, d, d->book.version);
}

static void withdraw(struct dispute *d, bool yes)
{
    if (yes != d->book.withdrawn)
        d->charge->book.disputed += yes ? d->book.amount : -d->book.amount;
    d->book.withdrawn = yes;
}

/* What the new version says. */
static void put_word(struct dispute *d)
{
    ASSERT(d->book.version < BOOK_WORDS_MAX);
    d->book.words[d->book.version] =
        (struct book_word){.status = d->book.status, .chargeback = d->book.chargeback};
}

static void move(struct book *b, struct dispute *d, enum book_dispute_status to)
{
    d->book.version++;
    d->book.status = to;
    if (to == BOOK_WON || to == BOOK_CLOSED)
        withdraw(d, false);
    else if (to == BOOK_LOST || to == BOOK_ACCEPTED)
        withdraw(d, true);
    put_word(d);
    notify_dispute(b, is_open(d) ? "dispute.updated" : "dispute.closed", d);
}

static void charge_back(struct book *b, struct dispute *d)
{
    d->book.chargeback = true;
    d->book.fee = FEE;
    withdraw(d, true);
    move(b, d, BOOK_NEEDS_RESPONSE);
    set_deadline(b, d);
}

void dispute_open(struct book *b, struct operation *charge)
{
    struct provider *p = provider_of(b);
    int64_t most = charge->book.captured - charge->book.disputed;
    if (p->healed || most < 1)
        return;
    struct dispute *d = mem_alloc(sizeof *d);
    ASSERT(d != NULL);
    d->charge = charge;
    d->reason = reasons[provider_one_of(p, COUNT_OF(reasons))][0];
    (void)snprintf(d->book.id, sizeof d->book.id, "dp_%016llx",
                   (unsigned long long)book_hash(str_from(charge->book.reference)));
    memcpy(d->book.charge, charge->book.reference, sizeof d->book.charge);
    memcpy(d->book.key, charge->book.key, sizeof d->book.key);
    memcpy(d->book.currency, charge->book.currency, sizeof d->book.currency);
    d->book.amount = provider_one_of(p, 3) ? most : provider_up_to(p, most);
    d->book.chargeback = p->profile.issuer_ms == 0 || provider_one_of(p, 3) > 0;
    d->book.fee = d->book.chargeback ? FEE : 0;
    d->book.version = 1;
    withdraw(d, d->book.chargeback);
    put_word(d);
    if (b->disputes_n == b->disputes_cap) {
        b->disputes_cap = b->disputes_cap ? 2 * b->disputes_cap : 64;
        b->disputes = mem_resize(b->disputes, b->disputes_cap * sizeof(struct dispute *));
        ASSERT(b->disputes != NULL);
    }
    b->disputes[b->disputes_n++] = d;
    set_deadline(b, d);
    if (p->profile.issuer_ms && provider_one_of(p, 4) == 0)
        ponder(b, d); /* it moves before anybody answered */
    notify_dispute(b, "dispute.opened", d);
}

/* What the issuer makes of it. */
void dispute_issuer(struct book *b, struct dispute *d, int64_t version)
{
    struct provider *p = provider_of(b);
    size_t luck = provider_one_of(p, 4);
    if (d->book.version != version)
        return; /* something else came first */
    if (d->book.status == BOOK_LOST) {
        move(b, d, BOOK_WON); /* after all */
    } else if (!d->book.chargeback) {
        if (luck < 2)
            charge_back(b, d);
        else
            move(b, d, BOOK_CLOSED);
    } else {
        move(b, d, luck < 2 ? BOOK_LOST : BOOK_WON);
        if (d->book.status == BOOK_LOST && provider_one_of(p, 3) == 0)
            ponder(b, d);
    }
}

/* Nobody answered in time. */
void dispute_deadline(struct book *b, struct dispute *d, int64_t version)
{
    if (d->book.version != version || d->book.status != BOOK_NEEDS_RESPONSE)
        return;
    if (!d->book.chargeback) {
        charge_back(b, d);
        return;
    }
    move(b, d, BOOK_LOST);
    if (provider_one_of(provider_of(b), 4) == 0)
        ponder(b, d);
}

/* --- what the merchant does --- */
const char *dispute_accept(struct book *b, struct dispute *d)
{
    if (d->book.status == BOOK_ACCEPTED)
        return NULL;
    if (!is_open(d))
        return "dispute_closed";
    d->book.accepts++;
    move(b, d, BOOK_ACCEPTED);
    return NULL;
}

enum taken dispute_evidence(struct book *b, const struct asked *a, int64_t now_us,
                            struct dispute **ret, const char **ret_code)
{
    static const struct plan none;
    struct dispute *d = book_dispute_find(b, str_from(a->charge));
    struct operation *o = NULL;
    struct asked named = *a;
    if (!d || strcmp(d->book.key, a->key) != 0)
        return TAKEN_MISSING;
    memcpy(named.charge, d->book.charge, sizeof named.charge);
    memcpy(named.currency, d->book.currency, sizeof named.currency);
    named.amount = d->book.amount;
    enum taken taken = book_take(b, &named, &none, now_us, &o);
    *ret = d;
    if (taken != TAKEN)
        return taken;
    if (o->book.state != BOOK_PENDING) { /* the same once more */
        *ret_code = o->book.state == BOOK_REFUSED ? o->code : NULL;
        return TAKEN;
    }
    if (d->book.status != BOOK_NEEDS_RESPONSE) {
        *ret_code = is_open(d) ? "already_submitted" : "dispute_closed";
        book_refuse(b, o, *ret_code);
        return TAKEN;
    }
    o->book.state = BOOK_DONE;
    o->book.effects++;
    d->book.evidence++;
    *ret_code = NULL;
    move(b, d, BOOK_UNDER_REVIEW);
    if (!a->wins && !a->loses)
        ponder(b, d);
    else if (!d->book.chargeback && a->loses) /* it decides at once */
        charge_back(b, d);
    else
        move(b, d, !d->book.chargeback ? BOOK_CLOSED : a->wins ? BOOK_WON : BOOK_LOST);
    return TAKEN;
}

void book_dispute_write(struct jw *w, const char *key, const struct dispute *d)
{
    static const char *const statuses[] = {"needs_response", "under_review", "won",
                                           "lost",           "accepted",     "closed"};
    struct provider_names names;
    const char *network = "";
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (strcmp(reasons[i][0], d->reason) == 0)
            network = reasons[i][1];
    provider_names(&d->charge->book, &names);
    jw_object(w, key);
    jw_str(w, "object", STR("dispute"));
    jw_str(w, "id", str_from(d->book.id));
    jw_str(w, "charge_reference", str_from(d->book.charge));
    jw_str(w, "stage", d->book.chargeback ? STR("chargeback") : STR("inquiry"));
    jw_str(w, "status", str_from(statuses[d->book.status]));
    jw_str(w, "reason", str_from(d->reason));
    jw_str(w, "network_reason_code", str_from(network));
    jw_int(w, "amount", d->book.amount);
    jw_str(w, "currency", str_from(d->book.currency));
    jw_int(w, "fee", d->book.fee);
    jw_int(w, "due_at", d->book.due_us / 1000000);
    jw_str(w, "funds",
           d->book.withdrawn            ? STR("withdrawn")
           : d->book.status == BOOK_WON ? STR("returned")
                                        : STR("none"));
    jw_str(w, "acquirer_reference",
           names.acquirer[0] ? str_from(names.acquirer) : STR("74000000000000000000000"));
    jw_int(w, "version", d->book.version);
    jw_object_end(w);
}

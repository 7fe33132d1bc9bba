/* The simulated acquirer: what is asked of it, chance, and what goes wrong with answers. What it
 * does is in the book and is sound. */
#include "sim/provider_internal.h"

#define WEEK_US (7 * DAY_US)

/* What issuers say; the other codes of docs/sandbox.md belong to the guards. */
static const char *const codes[] = {"51", "05", "43", "41", "54", "N7", "61", "59", "91",
                                    "14", "57", "1A", "1C", "1E", "96", "98", "G0"};

bool provider_chance(struct provider *p, int per_mille)
{
    return per_mille > 0 && det_below(&p->rng, 1000) < (uint64_t)per_mille;
}

size_t provider_one_of(struct provider *p, size_t n)
{
    return (size_t)det_below(&p->rng, n);
}

int64_t provider_up_to(struct provider *p, int64_t most_us)
{
    return most_us > 1 ? 1 + (int64_t)det_below(&p->rng, (uint64_t)most_us) : 1;
}

/* --- chance --- */
static void draw_customer(struct provider *p, struct plan *plan)
{
    static const char *const ends[] = {"1A", "1C", NULL};
    int64_t most_us = p->profile.challenge_ms * 1000;
    plan->redirect = provider_one_of(p, 4) == 0;
    plan->act_us = provider_up_to(p, most_us);
    plan->action_us = most_us + provider_up_to(p, most_us);
    if (!provider_chance(p, p->profile.unauthenticated))
        return;
    size_t end = provider_one_of(p, COUNT_OF(ends));
    plan->act_code = ends[end];
    if (!ends[end])
        plan->act_us = 0;
}

static void draw_charge(struct provider *p, struct plan *plan)
{
    const struct provider_profile *f = &p->profile;
    static const int bps[] = {1, 50, -50, 2500, -2500};
    if (provider_chance(p, f->challenge))
        plan->ask = ASK_CUSTOMER;
    else if (provider_chance(p, f->soft))
        plan->ask = ASK_SOFTLY;
    else if (provider_chance(p, f->frictionless))
        plan->ask = ASK_QUIETLY;
    if (plan->ask == ASK_CUSTOMER)
        draw_customer(p, plan);
    plan->hold_us = provider_chance(p, f->short_hold)
                        ? 5 * SECOND_US + provider_up_to(p, f->hold_ms * 1000)
                        : WEEK_US;
    if (provider_chance(p, f->dispute))
        plan->dispute_us = provider_up_to(p, 60 * SECOND_US);
    if (provider_chance(p, f->clear)) {
        plan->clear_us = provider_up_to(p, 60 * SECOND_US);
        plan->clear_bps = bps[provider_one_of(p, COUNT_OF(bps))];
    }
}

/* Tokens that say what is to happen; for what is scripted. */
static void obey_token(const char *source, struct plan *plan)
{
    bool soft = strcmp(source, "pm_tok_3ds_soft_decline") == 0;
    if (strcmp(source, "pm_tok_3ds_challenge") == 0 || strcmp(source, "pm_tok_3ds_open") == 0) {
        plan->ask = ASK_CUSTOMER;
        plan->action_us = 5 * SECOND_US;
        plan->act_us = source[11] == 'c' ? SECOND_US / 2 : 0;
    } else if (soft) {
        plan->ask = ASK_SOFTLY;
    } else if (strcmp(source, "pm_tok_dispute_fraud") == 0) {
        plan->dispute_us = SECOND_US / 2;
    } else if (strcmp(source, "pm_tok_hold_short") == 0) {
        plan->hold_us = 3 * SECOND_US;
    }
}

/* And numbers: one in a hundred cards is never any good. */
static void obey_number(const char *number, struct plan *plan)
{
    if (strlen(number) > 8 && memcmp(number + 6, "00", 2) == 0)
        plan->refuse_with = "05";
}

static struct plan draw_plan(struct provider *p, const struct asked *a)
{
    const struct provider_profile *f = &p->profile;
    const struct operation *charge = book_find(&p->book, str_from(a->charge));
    struct plan plan = {0};
    if (provider_chance(p, a->act == ACT_CHARGE ? f->decline : f->refuse_later))
        plan.refuse_with = codes[provider_one_of(p, COUNT_OF(codes))];
    bool slow = a->act == ACT_REFUND && provider_chance(p, f->slow_refund);
    if (f->pending_ms > 0 && (provider_chance(p, f->pending) || slow))
        plan.pending_us = provider_up_to(p, f->pending_ms * 1000);
    if (a->act == ACT_REFUND && provider_chance(p, f->refund_back))
        plan.back_us = provider_up_to(p, 30 * SECOND_US);
    if (a->act == ACT_REFUND && charge && strcmp(charge->source, "pm_tok_refund_pending") == 0)
        plan.pending_us = 20 * SECOND_US;
    if (a->act == ACT_CHARGE) {
        draw_charge(p, &plan);
        obey_token(a->source, &plan);
        obey_number(a->card, &plan);
    }
    return plan;
}

/* --- requests --- */
static int nonsense(struct provider *p, int status, const char *code, const struct asked *a,
                    struct buf *out)
{
    p->nonsense++;
    (void)snprintf(p->last_nonsense, sizeof p->last_nonsense, "%s, %s: %d %s", a->charge,
                   a->reference, status, code);
    return answer_code(status, code, out);
}

/* A number that was given to a saved credential of this account when it was first used? */
static bool knows_network(const struct provider *p, const struct asked *a)
{
    struct provider_names names;
    for (size_t i = 0; i < p->book.n; i++) {
        const struct book_entry *e = &p->book.list[i]->book;
        if (e->kind != BOOK_CHARGE || e->state != BOOK_DONE || strcmp(e->key, a->key) != 0)
            continue;
        provider_names(e, &names);
        if (strcmp(names.network, a->network) == 0)
            return true;
    }
    return false;
}

static int not_taken(struct provider *p, enum taken taken, const struct asked *a, struct buf *out)
{
    switch (taken) {
    case TAKEN_REUSED:
        return nonsense(p, 409, "reference_reused", a, out);
    case TAKEN_MISSING:
        return nonsense(p, 404, "not_found", a, out);
    case TAKEN_CURRENCY:
        return nonsense(p, 400, "invalid_request", a, out);
    case TAKEN:
        break;
    }
    return 0;
}

/* What the request makes of the book; *ret: what the answer is about. */
static enum taken carry_out(struct provider *p, int64_t now_us, const struct asked *a,
                            struct operation **ret)
{
    if (a->act == ACT_CONFIRM)
        return book_confirm(&p->book, a, now_us, ret);
    if (a->act == ACT_CANCEL_REFUND)
        return book_cancel_refund(&p->book, a, now_us, ret);
    bool fresh = !book_find(&p->book, str_from(a->reference));
    struct plan plan = draw_plan(p, a);
    enum taken taken = book_take(&p->book, a, &plan, now_us, ret);
    if (taken == TAKEN && fresh && (*ret)->book.state == BOOK_ACTION &&
        provider_chance(p, p->profile.return_odd))
        due_add(&p->book, now_us + provider_up_to(p, 5 * SECOND_US), DUE_BROWSER, *ret, 0);
    return taken;
}

static int answer_taken(struct provider *p, const struct asked *a, struct operation *o,
                        bool garbage, struct buf *out)
{
    if (garbage)
        return answer_garbage(p, o, false, out);
    if (a->act == ACT_CANCEL_REFUND)
        return answer_canceled(o, a->reference, out);
    if (o->book.state == BOOK_DONE && provider_chance(p, p->profile.lie))
        return answer_lie(p, o, out);
    return answer_truth(o, false, out);
}

static int operate(struct provider *p, int64_t now_us, const struct asked *a, struct buf *out)
{
    struct operation *o = NULL;
    if (provider_chance(p, p->profile.error_before))
        return answer_error(p, out);
    bool garbage = provider_chance(p, p->profile.garbage);
    if (garbage && provider_one_of(p, 2))
        return answer_garbage(p, book_find(&p->book, str_from(a->reference)), false, out);
    if (a->network[0] && !knows_network(p, a))
        return nonsense(p, 400, "network_transaction_id", a, out);
    enum taken taken = carry_out(p, now_us, a, &o);
    if (taken == TAKEN_MISSING && a->act == ACT_CANCEL_REFUND)
        return answer_code(404, "not_found", out); /* it has not come */
    int status = not_taken(p, taken, a, out);
    if (status)
        return status;
    if (provider_chance(p, p->profile.error_after))
        return answer_error(p, out);
    o->echo = a->card[0] && provider_chance(p, p->profile.echo);
    status = answer_taken(p, a, o, garbage, out);
    o->echo = false;
    return status;
}

/* Evidence, acceptance, a question about a dispute. */
static int contest(struct provider *p, int64_t now_us, const struct asked *a, struct buf *out)
{
    bool asks = a->act == ACT_DISPUTE;
    const char *code = NULL;
    struct dispute *d = book_dispute_find(&p->book, str_from(a->charge));
    enum taken taken = d && strcmp(d->book.key, a->key) == 0 ? TAKEN : TAKEN_MISSING;
    if (provider_chance(p, asks ? p->profile.forget : p->profile.error_before))
        return answer_error(p, out);
    if (taken == TAKEN && a->act == ACT_EVIDENCE)
        taken = dispute_evidence(&p->book, a, now_us, &d, &code);
    else if (taken == TAKEN && a->act == ACT_ACCEPT)
        code = dispute_accept(&p->book, d);
    int status = not_taken(p, taken, a, out);
    if (status)
        return status;
    if (!asks && provider_chance(p, p->profile.error_after))
        return answer_error(p, out);
    if (provider_chance(p, p->profile.garbage))
        return answer_garbage(p, NULL, asks, out);
    if (code)
        return answer_refused(a->act == ACT_ACCEPT ? d->book.id : a->reference, code, out);
    d->book.words[d->book.version].told = true;
    return answer_dispute(d, out);
}

static int inquire(struct provider *p, struct str reference, struct buf *out)
{
    const struct operation *o = book_find(&p->book, reference);
    if (provider_chance(p, p->profile.forget))
        return answer_error(p, out);
    if (provider_chance(p, p->profile.garbage))
        return answer_garbage(p, o, true, out);
    return o ? answer_truth(o, true, out) : answer_code(404, "not_found", out);
}

static int route(struct provider *p, int64_t now_us, const char *method, struct str path,
                 const char *const *headers, struct str body, struct buf *out)
{
    struct asked a;
    const char *code;
    int status = read_request(method, path, headers, body, &a, &code);
    if (status)
        return nonsense(p, status, code, &a, out);
    switch (a.act) {
    case ACT_INQUIRE:
        return inquire(p, str_from(a.charge), out);
    case ACT_EVIDENCE:
    case ACT_ACCEPT:
    case ACT_DISPUTE:
        return contest(p, now_us, &a, out);
    default:
        if (a.act == ACT_CAPTURE && !a.final_said) {
            const struct operation *charge = book_find(&p->book, str_from(a.charge));
            a.final = charge && charge->book.held == a.amount;
        }
        return operate(p, now_us, &a, out);
    }
}

int provider_request(struct provider *p, int64_t now_us, const char *method, struct str path,
                     const char *const *headers, struct str body, struct buf *out)
{
    struct heap *before = heap_enter(NULL);
    book_decide_due(&p->book, now_us);
    int status = route(p, now_us, method, path, headers, body, out);
    book_decide_due(&p->book, now_us); /* its webhook may be faster than the answer */
    ASSERT(!out->failed);
    (void)heap_enter(before);
    return status;
}

/* --- from outside --- */
struct provider *provider_new(const struct provider_profile *profile, const struct det *rng)
{
    struct heap *before = heap_enter(NULL);
    struct provider *p = mem_alloc(sizeof *p);
    ASSERT(p != NULL);
    p->profile = *profile;
    p->rng = *rng;
    (void)heap_enter(before);
    return p;
}

void provider_free(struct provider *p)
{
    if (p) {
        notices_release(p);
        book_release(&p->book);
    }
    mem_free(p);
}

void provider_heal(struct provider *p)
{
    int64_t issuer_ms = p->profile.issuer_ms;
    p->profile = (struct provider_profile){.issuer_ms = issuer_ms};
    p->healed = true;
    notices_heal(p);
}

void provider_freeze(struct provider *p, bool frozen)
{
    p->book.frozen = frozen;
}

void provider_tick(struct provider *p, int64_t now_us)
{
    struct heap *before = heap_enter(NULL);
    book_decide_due(&p->book, now_us); /* a void may leave a mark */
    (void)heap_enter(before);
}

size_t provider_entries(const struct provider *p)
{
    return p->book.n;
}

const struct book_entry *provider_entry(const struct provider *p, size_t i)
{
    ASSERT(i < p->book.n);
    return &p->book.list[i]->book;
}

const struct book_entry *provider_find(const struct provider *p, struct str reference)
{
    const struct operation *o = book_find(&p->book, reference);
    return o ? &o->book : NULL;
}

size_t provider_disputes(const struct provider *p)
{
    return p->book.disputes_n;
}

const struct book_dispute *provider_dispute(const struct provider *p, size_t i)
{
    ASSERT(i < p->book.disputes_n);
    return &p->book.disputes[i]->book;
}

const struct book_dispute *provider_dispute_find(const struct provider *p, struct str id)
{
    const struct dispute *d = book_dispute_find(&p->book, id);
    return d ? &d->book : NULL;
}

int64_t provider_nonsense(const struct provider *p, const char **ret_last)
{
    *ret_last = p->last_nonsense;
    return p->nonsense;
}

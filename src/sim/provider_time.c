/* What happens at the acquirer by itself, when its time has come: a heap of things that are due. No
 * chance in here either. */
#include "sim/provider_internal.h"

static bool before(const struct due *x, const struct due *y)
{
    return x->at_us != y->at_us ? x->at_us < y->at_us : x->order < y->order;
}

void due_add(struct book *b, int64_t at_us, enum due_what what, void *about, int64_t version)
{
    if (b->due_n == b->due_cap) {
        b->due_cap = b->due_cap ? 2 * b->due_cap : 256;
        b->due = mem_resize(b->due, b->due_cap * sizeof *b->due);
        ASSERT(b->due != NULL);
    }
    struct due d = {at_us, b->due_order++, what, about, version};
    size_t i = b->due_n++;
    for (; i > 0 && before(&d, &b->due[(i - 1) / 2]); i = (i - 1) / 2)
        b->due[i] = b->due[(i - 1) / 2];
    b->due[i] = d;
}

static struct due due_take(struct book *b)
{
    struct due first = b->due[0], last = b->due[--b->due_n];
    size_t i = 0;
    for (size_t next; (next = 2 * i + 1) < b->due_n; i = next) {
        if (next + 1 < b->due_n && before(&b->due[next + 1], &b->due[next]))
            next++;
        if (!before(&b->due[next], &last))
            break;
        b->due[i] = b->due[next];
    }
    b->due[i] = last;
    return first;
}

/* --- charges --- */
void charge_waits(struct book *b, struct operation *charge)
{
    charge->action_until_us = b->now_us + charge->plan.action_us;
    due_add(b, charge->action_until_us, DUE_ACTION_END, charge, 0);
    if (charge->plan.act_us > 0)
        due_add(b, b->now_us + charge->plan.act_us, DUE_ACT, charge, 0);
}

/* The customer has approved, or not. */
static void act(struct book *b, struct operation *charge)
{
    if (charge->book.state != BOOK_ACTION)
        return;
    if (charge->plan.act_code) {
        book_refuse(b, charge, charge->plan.act_code);
    } else {
        charge->authenticated = true;
        notify_operation(b, "charge.authenticated", charge);
    }
    browser_returns(b, charge);
}

static void action_end(struct book *b, struct operation *charge)
{
    if (charge->book.state == BOOK_ACTION && !charge->authenticated)
        book_refuse(b, charge, "1E");
}

void charge_held(struct book *b, struct operation *charge)
{
    charge->hold_until_us = b->now_us + charge->plan.hold_us;
    due_add(b, charge->hold_until_us, DUE_HOLD_END, charge, 0);
}

static void hold_end(struct book *b, struct operation *charge)
{
    if (charge->book.state != BOOK_DONE || charge->book.held == 0)
        return;
    charge->book.held = 0;
    charge->book.expired = true;
    notify_operation(b, "charge.expired", charge);
    if (charge->book.captured > 0)
        charge_captured(b, charge);
}

void charge_captured(struct book *b, struct operation *charge)
{
    struct plan *plan = &charge->plan;
    if (plan->dispute_us > 0)
        due_add(b, b->now_us + plan->dispute_us, DUE_DISPUTE, charge, 0);
    plan->dispute_us = 0; /* once */
    if (charge->book.held == 0 && plan->clear_us > 0)
        due_add(b, b->now_us + plan->clear_us, DUE_CLEAR, charge, 0);
}

static void clear(struct book *b, struct operation *charge)
{
    struct book_entry *e = &charge->book;
    int64_t shift = e->captured / 10000 * charge->plan.clear_bps +
                    e->captured % 10000 * charge->plan.clear_bps / 10000;
    if (shift == 0)
        shift = charge->plan.clear_bps > 0 ? 1 : e->captured > 1 ? -1 : 1;
    e->cleared = e->captured + shift;
    notify_cleared(b, charge);
}

/* --- refunds --- */
void refund_done(struct book *b, struct operation *refund)
{
    if (refund->plan.back_us > 0)
        due_add(b, b->now_us + refund->plan.back_us, DUE_BACK, refund, 0);
}

static void refund_back(struct book *b, struct operation *refund)
{
    struct operation *charge = book_charge_of(b, refund);
    ASSERT(refund->book.state == BOOK_DONE && !refund->book.returned);
    charge->book.refunded -= refund->book.amount;
    refund->book.returned = refund->after_success = true;
    refund->code = "R1";
    notify_operation(b, "refund.failed", refund);
}

/* --- what is due --- */
static void happen(struct book *b, const struct due *d)
{
    switch (d->what) {
    case DUE_DECIDE:
        if (((struct operation *)d->about)->book.state == BOOK_PENDING)
            book_decide(b, d->about); /* a void may have decided it */
        break;
    case DUE_ACT:
        act(b, d->about);
        break;
    case DUE_ACTION_END:
        action_end(b, d->about);
        break;
    case DUE_HOLD_END:
        hold_end(b, d->about);
        break;
    case DUE_BACK:
        refund_back(b, d->about);
        break;
    case DUE_CLEAR:
        clear(b, d->about);
        break;
    case DUE_DISPUTE:
        dispute_open(b, d->about);
        break;
    case DUE_ISSUER:
        dispute_issuer(b, d->about, d->version);
        break;
    case DUE_DEADLINE:
        dispute_deadline(b, d->about, d->version);
        break;
    case DUE_NOTICE:
        notice_due(b, d->about);
        break;
    case DUE_BROWSER:
        browser_due(b, d->about, d->version);
        break;
    }
}

void book_decide_due(struct book *b, int64_t now_us)
{
    size_t kept = 0;
    struct due *later = NULL;
    b->now_us = num_max(b->now_us, now_us);
    while (b->due_n > 0 && b->due[0].at_us <= now_us) {
        struct due d = due_take(b);
        if (!b->frozen || d.what == DUE_NOTICE || d.what == DUE_DECIDE) {
            happen(b, &d);
            continue;
        }
        later = mem_resize(later, (kept + 1) * sizeof *later);
        ASSERT(later != NULL);
        later[kept++] = d;
    }
    for (size_t i = 0; i < kept; i++) /* at the next turn */
        due_add(b, now_us + 1, later[i].what, later[i].about, later[i].version);
    mem_free(later);
}

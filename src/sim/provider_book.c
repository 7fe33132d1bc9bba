/* The simulated acquirer's book: what was asked for, what was done. No chance in here: what it
 * brings comes with the request. */
#include "sim/provider_internal.h"

#define SLOTS_FIRST 1024

/* --- by reference --- */
uint64_t book_hash(struct str reference)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a, and a mix for the low bits */
    for (size_t i = 0; i < reference.n; i++)
        h = (h ^ (uint8_t)reference.p[i]) * UINT64_C(1099511628211);
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    return h ^ h >> 33;
}

/* The slot that has it, or the empty one where it belongs. */
static struct operation **slot_of(const struct book *b, struct str reference)
{
    for (uint64_t i = book_hash(reference);; i++) {
        struct operation **slot = &b->slots[i & (b->slots_n - 1)];
        if (!*slot || str_eq(str_from((*slot)->book.reference), reference))
            return slot;
    }
}

/* Also what has not come. */
static struct operation *find_any(const struct book *b, struct str reference)
{
    return b->slots_n ? *slot_of(b, reference) : NULL;
}

struct operation *book_find(const struct book *b, struct str reference)
{
    struct operation *o = find_any(b, reference);
    return o && o->came ? o : NULL;
}

static void more_slots(struct book *b)
{
    struct operation **old = b->slots;
    size_t old_n = b->slots_n;
    b->slots_n = old_n ? 2 * old_n : SLOTS_FIRST;
    b->slots = mem_alloc(b->slots_n * sizeof(struct operation *));
    ASSERT(b->slots != NULL);
    for (size_t i = 0; i < old_n; i++)
        if (old[i])
            *slot_of(b, str_from(old[i]->book.reference)) = old[i];
    mem_free(old);
}

static struct operation *insert(struct book *b, const char *reference)
{
    if (2 * b->used >= b->slots_n)
        more_slots(b);
    struct operation *o = mem_alloc(sizeof *o);
    ASSERT(o != NULL);
    (void)snprintf(o->book.reference, sizeof o->book.reference, "%s", reference);
    struct operation **slot = slot_of(b, str_from(reference));
    ASSERT(*slot == NULL);
    *slot = o;
    b->used++;
    return o;
}

static void append(struct book *b, struct operation *o)
{
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 256;
        b->list = mem_resize(b->list, b->cap * sizeof(struct operation *));
        ASSERT(b->list != NULL);
    }
    b->list[b->n++] = o;
}

struct operation *book_charge_of(const struct book *b, const struct operation *o)
{
    return o->book.kind == BOOK_CHARGE ? NULL : find_any(b, str_from(o->book.charge));
}

void book_release(struct book *b)
{
    for (size_t i = 0; i < b->slots_n; i++)
        mem_free(b->slots[i]);
    for (size_t i = 0; i < b->disputes_n; i++)
        mem_free(b->disputes[i]);
    mem_free(b->slots);
    mem_free(b->list);
    mem_free(b->disputes);
    mem_free(b->due);
    *b = (struct book){0};
}

/* --- guards --- */
static const char *why_not_held(const struct book_entry *charge)
{
    if (charge->state == BOOK_REFUSED)
        return "reversed";
    if (charge->state == BOOK_PENDING || charge->state == BOOK_ACTION)
        return "96"; /* not decided yet, so nothing is held */
    if (charge->voided)
        return "already_voided";
    if (charge->expired)
        return "hold_expired";
    return charge->held == 0 ? "already_captured" : NULL;
}

static const char *why_no_capture(const struct book_entry *charge, struct book_entry *e)
{
    const char *why = why_not_held(charge);
    if (why)
        return why;
    e->exceeded = e->amount > charge->held;
    return e->exceeded ? "amount_exceeds" : NULL;
}

static const char *why_no_void(const struct operation *charge)
{
    if (!charge)
        return NULL;
    if (!charge->came)
        return "reversed";
    bool open = charge->book.state == BOOK_PENDING || charge->book.state == BOOK_ACTION;
    return open ? NULL : why_not_held(&charge->book);
}

static const char *why_no_refund(const struct book_entry *charge, struct book_entry *e)
{
    int64_t left = charge->captured - charge->refunded;
    if (charge->captured == 0)
        return "not_captured";
    if (e->amount <= left - charge->disputed)
        return NULL;
    e->exceeded = e->amount > left;
    return e->exceeded ? "amount_exceeds" : "disputed";
}

static const char *why_no_increment(const struct book_entry *charge)
{
    const char *why = why_not_held(charge);
    return why ? why : charge->captured > 0 ? "already_captured" : NULL;
}

/* NULL: it can be done. */
static const char *why_not(struct operation *o, const struct operation *charge)
{
    switch (o->book.kind) {
    case BOOK_CHARGE:
        return o->book.voided ? "reversed" : NULL;
    case BOOK_CAPTURE:
        return why_no_capture(&charge->book, &o->book);
    case BOOK_VOID:
        return why_no_void(charge);
    case BOOK_INCREMENT:
        return why_no_increment(&charge->book);
    case BOOK_REFUND:
        return why_no_refund(&charge->book, &o->book);
    case BOOK_EVIDENCE:
        break;
    }
    return NULL;
}

/* --- deciding --- */
void book_refuse(struct book *b, struct operation *o, const char *code)
{
    static const char *const types[] = {[BOOK_CHARGE] = "charge.refused",
                                        [BOOK_CAPTURE] = "capture.refused",
                                        [BOOK_REFUND] = "refund.failed",
                                        [BOOK_EVIDENCE] = NULL};
    ASSERT(o->book.state == BOOK_PENDING || o->book.state == BOOK_ACTION);
    o->book.state = BOOK_REFUSED;
    o->code = code;
    if (types[o->book.kind])
        notify_operation(b, types[o->book.kind], o);
}

/* Of what is held, or of a charge that is not decided yet, which is then refused. */
static void carry_out_void(struct book *b, const struct operation *o, struct operation *charge)
{
    if (!charge) { /* remembered, so that the charge cannot come later */
        charge = insert(b, o->book.charge);
        memcpy(charge->book.charge, o->book.charge, sizeof charge->book.charge);
        charge->book.kind = BOOK_CHARGE;
        charge->book.voided = true;
    } else if (charge->book.state == BOOK_PENDING || charge->book.state == BOOK_ACTION) {
        charge->book.voided = true;
        book_refuse(b, charge, charge->book.state == BOOK_ACTION ? "1V" : "reversed");
    } else {
        charge->book.held -= num_min(o->book.amount, charge->book.held);
        charge->book.voided = charge->book.held == 0 && charge->book.captured == 0;
        if (charge->book.held == 0 && charge->book.captured > 0)
            charge_captured(b, charge);
    }
}

static void carry_out_capture(struct book *b, const struct operation *o, struct operation *charge)
{
    charge->book.captured += o->book.amount;
    charge->book.captures++;
    charge->book.held = o->book.final ? 0 : charge->book.held - o->book.amount;
    charge_captured(b, charge);
}

void book_approve(struct book *b, struct operation *charge)
{
    struct book_entry *e = &charge->book;
    e->state = BOOK_DONE;
    e->effects++;
    e->captured = e->capture ? e->amount : 0;
    e->held = e->capture ? 0 : e->amount;
    if (!e->capture)
        charge_held(b, charge);
    notify_operation(b, e->capture ? "charge.captured" : "charge.authorized", charge);
    if (e->capture)
        charge_captured(b, charge);
}

static void carry_out(struct book *b, struct operation *o, struct operation *charge)
{
    static const char *const types[] = {[BOOK_CAPTURE] = "capture.approved",
                                        [BOOK_VOID] = "void.approved",
                                        [BOOK_REFUND] = "refund.succeeded",
                                        [BOOK_INCREMENT] = "increment.approved"};
    if (o->book.kind == BOOK_CHARGE) {
        book_approve(b, o);
        return;
    }
    o->book.state = BOOK_DONE;
    o->book.effects++;
    notify_operation(b, types[o->book.kind], o);
    switch (o->book.kind) {
    case BOOK_CAPTURE:
        carry_out_capture(b, o, charge);
        break;
    case BOOK_VOID:
        carry_out_void(b, o, charge);
        break;
    case BOOK_INCREMENT:
        charge->book.held += o->book.amount;
        charge->book.added += o->book.amount;
        break;
    case BOOK_REFUND:
        charge->book.refunded += o->book.amount;
        refund_done(b, o);
        break;
    case BOOK_CHARGE:
    case BOOK_EVIDENCE:
        break;
    }
}

void book_decide(struct book *b, struct operation *o)
{
    struct operation *charge = book_charge_of(b, o);
    ASSERT(o->came && o->book.state == BOOK_PENDING);
    const char *why = why_not(o, charge);
    bool gives_up = o->book.kind == BOOK_VOID && charge && charge->book.state == BOOK_ACTION;
    if (!why && !gives_up) /* nobody refuses to drop what has not begun */
        why = o->plan.refuse_with;
    if (why)
        book_refuse(b, o, why);
    else
        carry_out(b, o, charge);
}

/* Now, or later. */
static void begin(struct book *b, struct operation *o)
{
    if (o->plan.pending_us > 0 && !o->book.voided)
        due_add(b, b->now_us + o->plan.pending_us, DUE_DECIDE, o, 0);
    else
        book_decide(b, o);
}

/* --- taking --- */
static bool same(const struct book_entry *e, const struct asked *a)
{
    return (int)e->kind == (int)a->act && e->amount == a->amount && e->capture == a->capture &&
           e->final == a->final && strcmp(e->currency, a->currency) == 0 &&
           strcmp(e->charge, a->charge) == 0 && strcmp(e->key, a->key) == 0 &&
           strcmp(e->card, a->card) == 0;
}

/* May it be about this charge? */
static enum taken judge_charge(const struct asked *a, const struct operation *charge)
{
    if (a->act == ACT_CHARGE || (!charge && a->act == ACT_VOID))
        return TAKEN;
    if (!charge || charge->book.kind != BOOK_CHARGE || (!charge->came && a->act != ACT_VOID) ||
        (charge->came && strcmp(charge->book.key, a->key) != 0))
        return TAKEN_MISSING;
    return charge->came && strcmp(charge->book.currency, a->currency) != 0 ? TAKEN_CURRENCY : TAKEN;
}

static void fill(struct operation *o, const struct asked *a, const struct plan *plan,
                 int64_t now_us)
{
    struct book_entry *e = &o->book;
    memcpy(e->charge, a->charge, sizeof e->charge);
    memcpy(e->key, a->key, sizeof e->key);
    memcpy(e->currency, a->currency, sizeof e->currency);
    e->kind = (enum book_kind)a->act;
    e->state = BOOK_PENDING;
    e->amount = a->amount;
    e->capture = a->capture;
    e->final = a->final;
    e->first_us = now_us;
    memcpy(e->card, a->card, sizeof e->card);
    e->cvc = a->cvc;
    e->requests = 1;
    o->came = true;
    o->plan = *plan;
    memcpy(o->source, a->source, sizeof o->source);
    memcpy(o->notify, a->notify, sizeof o->notify);
    memcpy(o->back, a->back, sizeof o->back);
}

/* By what was asked and what chance wants: is the customer asked? */
static void begin_charge(struct book *b, struct operation *o, const struct asked *a)
{
    struct book_entry *e = &o->book;
    if (e->voided) {
        book_decide(b, o);
    } else if (a->external) {
        e->flow = FLOW_EXTERNAL;
        begin(b, o);
    } else if (o->plan.ask == ASK_CUSTOMER && !a->merchant) {
        e->state = BOOK_ACTION;
        e->flow = FLOW_CHALLENGE;
        charge_waits(b, o);
    } else if (o->plan.ask == ASK_CUSTOMER ||
               (o->plan.ask == ASK_SOFTLY && !a->required && !a->network[0])) {
        book_refuse(b, o, "1S");
    } else {
        if ((o->plan.ask == ASK_QUIETLY || a->required) && !a->merchant)
            e->flow = FLOW_FRICTIONLESS;
        begin(b, o);
    }
}

enum taken book_take(struct book *b, const struct asked *a, const struct plan *plan, int64_t now_us,
                     struct operation **ret)
{
    struct operation *o = find_any(b, str_from(a->reference));
    b->now_us = now_us;
    if (o && o->came) {
        o->book.requests++;
        *ret = o;
        return same(&o->book, a) ? TAKEN : TAKEN_REUSED;
    }
    if (o && a->act != ACT_CHARGE)
        return TAKEN_REUSED; /* of a charge that was reversed before it came */
    struct operation *charge = find_any(b, str_from(a->charge));
    enum taken about = judge_charge(a, charge);
    if (about != TAKEN)
        return about;
    if (!o)
        o = insert(b, a->reference);
    fill(o, a, plan, now_us);
    append(b, o);
    if (a->act != ACT_CHARGE && charge)
        memcpy(o->notify, charge->notify, sizeof o->notify);
    if (a->act == ACT_CHARGE)
        begin_charge(b, o, a);
    else if (a->act != ACT_EVIDENCE)
        begin(b, o);
    *ret = o;
    return TAKEN;
}

enum taken book_confirm(struct book *b, const struct asked *a, int64_t now_us,
                        struct operation **ret)
{
    struct operation *o = book_find(b, str_from(a->charge));
    b->now_us = now_us;
    if (!o || o->book.kind != BOOK_CHARGE || strcmp(o->book.key, a->key) != 0)
        return TAKEN_MISSING;
    if (strcmp(o->book.currency, a->currency) != 0)
        return TAKEN_CURRENCY;
    *ret = o;
    if (o->book.amount != a->amount)
        return TAKEN_REUSED;
    if (o->book.state != BOOK_ACTION || !o->authenticated)
        return TAKEN;
    o->book.state = BOOK_PENDING;
    begin(b, o);
    return TAKEN;
}

enum taken book_cancel_refund(struct book *b, const struct asked *a, int64_t now_us,
                              struct operation **ret)
{
    struct operation *o = book_find(b, str_from(a->charge));
    b->now_us = now_us;
    if (!o || o->book.kind != BOOK_REFUND || strcmp(o->book.key, a->key) != 0)
        return TAKEN_MISSING;
    if (o->book.state == BOOK_PENDING) {
        o->book.state = BOOK_REFUSED;
        o->book.canceled = true;
        o->code = "RC";
        notify_operation(b, "refund.canceled", o);
    }
    *ret = o;
    return TAKEN;
}

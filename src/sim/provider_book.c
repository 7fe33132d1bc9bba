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

static void append(struct operation ***list, size_t *n, size_t *cap, struct operation *o)
{
    if (*n == *cap) {
        *cap = *cap ? 2 * *cap : 256;
        *list = mem_resize(*list, *cap * sizeof(struct operation *));
        ASSERT(*list != NULL);
    }
    (*list)[(*n)++] = o;
}

void book_release(struct book *b)
{
    for (size_t i = 0; i < b->slots_n; i++)
        mem_free(b->slots[i]);
    mem_free(b->slots);
    mem_free(b->list);
    mem_free(b->pending);
    *b = (struct book){0};
}

/* --- guards --- */
static const char *why_no_capture(const struct book_entry *charge, const struct book_entry *e)
{
    if (charge->state == BOOK_REFUSED)
        return "reversed";
    if (charge->state == BOOK_PENDING)
        return "96"; /* not decided yet, so nothing to capture */
    if (charge->voided)
        return "already_voided";
    if (charge->captured > 0)
        return "already_captured";
    return e->amount > charge->amount ? "amount_exceeds" : NULL;
}

static const char *why_no_void(const struct operation *charge)
{
    if (!charge)
        return NULL;
    const struct book_entry *c = &charge->book;
    if (!charge->came || c->state == BOOK_REFUSED)
        return "reversed";
    if (c->voided)
        return "already_voided";
    return c->captured > 0 ? "already_captured" : NULL;
}

static const char *why_no_refund(const struct book_entry *charge, const struct book_entry *e)
{
    if (charge->captured == 0)
        return "not_captured";
    return e->amount > charge->captured - charge->refunded ? "amount_exceeds" : NULL;
}

/* NULL: it can be done. */
static const char *why_not(const struct operation *o, const struct operation *charge)
{
    switch (o->book.kind) {
    case BOOK_CHARGE:
        return o->book.voided ? "reversed" : NULL;
    case BOOK_CAPTURE:
        return why_no_capture(&charge->book, &o->book);
    case BOOK_VOID:
        return why_no_void(charge);
    case BOOK_REFUND:
        break;
    }
    return why_no_refund(&charge->book, &o->book);
}

/* --- deciding --- */
static void refuse(struct operation *o, const char *code)
{
    ASSERT(o->book.state == BOOK_PENDING);
    o->book.state = BOOK_REFUSED;
    o->code = code;
}

static void carry_out_void(struct book *b, const struct operation *o, struct operation *charge)
{
    if (!charge) { /* remembered, so that the charge cannot come later */
        charge = insert(b, o->book.charge);
        memcpy(charge->book.charge, o->book.charge, sizeof charge->book.charge);
        charge->book.kind = BOOK_CHARGE;
    } else if (charge->book.state == BOOK_PENDING) {
        refuse(charge, "reversed");
    }
    charge->book.voided = true;
}

static void carry_out(struct book *b, struct operation *o, struct operation *charge)
{
    o->book.state = BOOK_DONE;
    o->book.effects++;
    switch (o->book.kind) {
    case BOOK_CHARGE:
        o->book.captured = o->book.capture ? o->book.amount : 0;
        break;
    case BOOK_CAPTURE:
        charge->book.captured += o->book.amount;
        break;
    case BOOK_VOID:
        carry_out_void(b, o, charge);
        break;
    case BOOK_REFUND:
        charge->book.refunded += o->book.amount;
        break;
    }
}

static void decide(struct book *b, struct operation *o)
{
    struct operation *charge =
        o->book.kind == BOOK_CHARGE ? NULL : find_any(b, str_from(o->book.charge));
    ASSERT(o->came && o->book.state == BOOK_PENDING);
    const char *why = why_not(o, charge);
    if (!why)
        why = o->refuse_with;
    if (why)
        refuse(o, why);
    else
        carry_out(b, o, charge);
}

void book_decide_due(struct book *b, int64_t now_us)
{
    for (;;) {
        size_t first = 0;
        for (size_t i = 1; i < b->pending_n; i++)
            if (b->pending[i]->due_us < b->pending[first]->due_us)
                first = i;
        if (b->pending_n == 0 || b->pending[first]->due_us > now_us)
            return;
        struct operation *o = b->pending[first];
        b->pending_n--; /* the others keep their order: of equal times the first that came */
        memmove(&b->pending[first], &b->pending[first + 1],
                (b->pending_n - first) * sizeof(struct operation *));
        if (o->book.state == BOOK_PENDING) /* a void may have decided it */
            decide(b, o);
    }
}

/* --- taking --- */
static bool same(const struct book_entry *e, const struct asked *a)
{
    return (int)e->kind == a->kind && e->amount == a->amount && e->capture == a->capture &&
           strcmp(e->currency, a->currency) == 0 && strcmp(e->charge, a->charge) == 0 &&
           strcmp(e->key, a->key) == 0;
}

/* May it be about this charge? */
static enum taken judge_charge(const struct asked *a, const struct operation *charge)
{
    if (a->kind == BOOK_CHARGE || (!charge && a->kind == BOOK_VOID))
        return TAKEN;
    if (!charge || charge->book.kind != BOOK_CHARGE || (!charge->came && a->kind != BOOK_VOID))
        return TAKEN_MISSING;
    return charge->came && strcmp(charge->book.currency, a->currency) != 0 ? TAKEN_CURRENCY : TAKEN;
}

static void fill(struct book_entry *e, const struct asked *a, int64_t now_us)
{
    memcpy(e->charge, a->charge, sizeof e->charge);
    memcpy(e->key, a->key, sizeof e->key);
    memcpy(e->currency, a->currency, sizeof e->currency);
    e->kind = a->kind;
    e->state = BOOK_PENDING;
    e->amount = a->amount;
    e->capture = a->capture;
    e->first_us = now_us;
}

enum taken book_take(struct book *b, const struct asked *a, const struct plan *plan, int64_t now_us,
                     struct operation **ret)
{
    struct operation *o = find_any(b, str_from(a->reference));
    if (o && o->came) {
        o->book.requests++;
        *ret = o;
        return same(&o->book, a) ? TAKEN : TAKEN_REUSED;
    }
    if (o && a->kind != BOOK_CHARGE)
        return TAKEN_REUSED; /* of a charge that was reversed before it came */
    enum taken about = judge_charge(a, find_any(b, str_from(a->charge)));
    if (about != TAKEN)
        return about;
    if (!o)
        o = insert(b, a->reference);
    fill(&o->book, a, now_us);
    o->came = true;
    o->book.requests = 1;
    o->refuse_with = plan->refuse_with;
    append(&b->list, &b->n, &b->cap, o);
    if (plan->pending_us > 0 && !o->book.voided) {
        o->due_us = now_us + plan->pending_us;
        append(&b->pending, &b->pending_n, &b->pending_cap, o);
    } else {
        decide(b, o);
    }
    *ret = o;
    return TAKEN;
}

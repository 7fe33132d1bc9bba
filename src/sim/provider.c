/* The simulated acquirer: the protocol of docs/sandbox.md over bytes, a book of its own. */
#include "sim/sim_internal.h"

/* What was decided about an operation; the book's entry is its first member's view for judges. */
struct entry {
    struct book_entry book;
    char code[24];  /* why it was refused */
    int64_t due_us; /* pending: decided then */
    bool will_refuse, reversed;
};

struct provider {
    struct provider_profile profile;
    struct det rng;
    struct entry **entries;
    size_t n, cap;
    uint32_t *slots; /* entry + 1, by hash of the reference */
    size_t slots_n;
    size_t pending; /* entries that are */
    size_t ahead;   /* voids of charges that have not come */
};

static const char *const codes[] = {"51", "05", "43", "41", "54", "N7", "61", "59", "91",
                                    "14", "57", "1A", "1C", "1E", "96", "98", "G0"};

static bool chance(struct provider *p, int per_mille)
{
    return per_mille > 0 && det_below(&p->rng, 1000) < (uint64_t)per_mille;
}

/* --- the book --- */
static uint64_t hash_of(struct str s)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
    return h;
}

static struct entry *find(const struct provider *p, struct str reference)
{
    for (uint64_t i = hash_of(reference);; i++) {
        uint32_t slot = p->slots_n ? p->slots[i % p->slots_n] : 0;
        if (slot == 0)
            return NULL;
        if (str_eq(str_from(p->entries[slot - 1]->book.reference), reference))
            return p->entries[slot - 1];
    }
}

static void place(struct provider *p, size_t index)
{
    uint64_t i = hash_of(str_from(p->entries[index]->book.reference));
    while (p->slots[i % p->slots_n])
        i++;
    p->slots[i % p->slots_n] = (uint32_t)index + 1;
}

static struct entry *add(struct provider *p)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 512;
        p->entries = mem_resize(p->entries, p->cap * sizeof(struct entry *));
        mem_free(p->slots);
        p->slots_n = 4 * p->cap;
        p->slots = mem_alloc(p->slots_n * sizeof *p->slots);
        ASSERT(p->entries && p->slots);
        for (size_t i = 0; i < p->n; i++)
            place(p, i);
    }
    struct entry *e = mem_alloc(sizeof *e);
    ASSERT(e != NULL);
    p->entries[p->n++] = e;
    return e;
}

static void refuse(struct entry *e, const char *code)
{
    e->book.state = BOOK_REFUSED;
    (void)snprintf(e->code, sizeof e->code, "%s", code);
}

/* Does what the operation asks for, once. */
static void carry_out(struct provider *p, struct entry *e)
{
    struct book_entry *b = &e->book;
    struct entry *charge = b->kind == BOOK_CHARGE ? e : find(p, str_from(b->charge));
    b->state = BOOK_DONE;
    b->effects++;
    switch (b->kind) {
    case BOOK_CHARGE:
        b->captured = b->capture ? b->amount : 0;
        break;
    case BOOK_CAPTURE:
        charge->book.captured = b->amount;
        break;
    case BOOK_REFUND:
        charge->book.refunded += b->amount;
        break;
    case BOOK_VOID:
        if (charge) {
            charge->book.voided = true;
            charge->reversed = charge->book.state == BOOK_PENDING;
        } else {
            p->ahead++;
        }
        break;
    }
}

/* Why it cannot be done; NULL: it can. */
static const char *guard(struct provider *p, const struct entry *e)
{
    const struct book_entry *b = &e->book;
    if (b->kind == BOOK_CHARGE)
        return e->reversed ? "reversed" : NULL;
    const struct entry *charge = find(p, str_from(b->charge));
    if (!charge) /* a void of what never came */
        return NULL;
    const struct book_entry *c = &charge->book;
    bool held = c->state == BOOK_DONE && c->captured == 0 && !c->voided;
    if (c->state == BOOK_REFUSED)
        return b->kind == BOOK_REFUND ? "not_captured" : "reversed";
    switch (b->kind) {
    case BOOK_CAPTURE:
        return c->state == BOOK_PENDING ? "96"
               : c->voided              ? "already_voided"
               : c->captured > 0        ? "already_captured"
               : b->amount > c->amount  ? "amount_exceeds"
                                        : NULL;
    case BOOK_VOID:
        return held || c->state == BOOK_PENDING ? NULL
               : c->voided                      ? "already_voided"
                                                : "already_captured";
    default:
        return c->captured == 0                        ? "not_captured"
               : b->amount > c->captured - c->refunded ? "amount_exceeds"
                                                       : NULL;
    }
}

static void decide(struct provider *p, struct entry *e)
{
    const char *why = guard(p, e);
    if (why)
        refuse(e, why);
    else if (e->will_refuse)
        refuse(e, codes[det_below(&p->rng, COUNT_OF(codes))]);
    else
        carry_out(p, e);
}

/* --- a request --- */
struct request {
    char reference[72], charge[72], key[64], currency[4];
    int kind;
    int64_t amount;
    bool capture;
};

static void copy_text(char *out, size_t max, json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    (void)snprintf(out, max, "%s", s ? s : "");
}

static bool read_path(struct request *r, struct str path)
{
    static const struct {
        const char *end;
        int kind;
    } ends[] = {{"/captures", BOOK_CAPTURE}, {"/voids", BOOK_VOID}, {"/refunds", BOOK_REFUND}};
    const struct str charges = STR("/v2/charges");
    if (!str_starts(path, charges))
        return false;
    r->kind = BOOK_CHARGE;
    if (path.n == charges.n)
        return true;
    struct str rest = {path.p + charges.n + 1, path.n - charges.n - 1};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        size_t n = strlen(ends[i].end);
        if (rest.n > n && memcmp(rest.p + rest.n - n, ends[i].end, n) == 0) {
            (void)snprintf(r->charge, sizeof r->charge, "%.*s", (int)(rest.n - n), rest.p);
            r->kind = ends[i].kind;
            return true;
        }
    }
    return false;
}

static void read_key(struct request *r, const char *const *headers)
{
    for (; headers && *headers; headers++)
        if (strncasecmp(*headers, "Authorization: Bearer ", 22) == 0)
            (void)snprintf(r->key, sizeof r->key, "%s", *headers + 22);
}

static bool read_request(struct request *r, struct str path, const char *const *headers,
                         struct str body)
{
    json_t *j = json_loadb(body.p ? body.p : "", body.n, 0, NULL);
    bool ok = j && read_path(r, path);
    copy_text(r->reference, sizeof r->reference, j, "reference");
    copy_text(r->currency, sizeof r->currency, j, "currency");
    r->amount = json_integer_value(json_object_get(j, "amount"));
    r->capture = !json_is_false(json_object_get(j, "capture"));
    json_decref(j);
    read_key(r, headers);
    if (r->kind == BOOK_CHARGE)
        memcpy(r->charge, r->reference, sizeof r->charge);
    return ok && r->reference[0] && r->amount > 0;
}

static bool same(const struct entry *e, const struct request *r)
{
    const struct book_entry *b = &e->book;
    return (int)b->kind == r->kind && b->amount == r->amount &&
           strcmp(b->currency, r->currency) == 0 && strcmp(b->charge, r->charge) == 0 &&
           (r->kind != BOOK_CHARGE || b->capture == r->capture);
}

/* Was a void of this charge taken before it came? */
static bool was_reversed(const struct provider *p, const char *reference)
{
    for (size_t i = 0; p->ahead > 0 && i < p->n; i++) {
        const struct book_entry *b = &p->entries[i]->book;
        if (b->kind == BOOK_VOID && b->state == BOOK_DONE && strcmp(b->charge, reference) == 0)
            return true;
    }
    return false;
}

static struct entry *take(struct provider *p, const struct request *r, int64_t now_us)
{
    struct entry *e = add(p);
    struct book_entry *b = &e->book;
    memcpy(b->reference, r->reference, sizeof b->reference);
    memcpy(b->charge, r->charge, sizeof b->charge);
    memcpy(b->key, r->key, sizeof b->key);
    memcpy(b->currency, r->currency, sizeof b->currency);
    b->kind = r->kind;
    b->amount = r->amount;
    b->capture = r->capture;
    b->first_us = now_us;
    e->reversed = r->kind == BOOK_CHARGE && was_reversed(p, r->reference);
    e->will_refuse =
        chance(p, r->kind == BOOK_CHARGE ? p->profile.decline : p->profile.refuse_later);
    place(p, p->n - 1);
    if (chance(p, p->profile.pending)) {
        b->state = BOOK_PENDING;
        p->pending++;
        e->due_us = now_us + (int64_t)det_below(&p->rng, (uint64_t)p->profile.pending_ms) * 1000;
    } else {
        decide(p, e);
    }
    return e;
}

/* --- answers --- */
static void answer_code(struct buf *out, const char *code)
{
    buf_printf(out, "{\"code\":\"%s\",\"message\":\"simulated\"}", code);
}

static int write_answer(const struct entry *e, int64_t amount, const char *currency,
                        const char *reference, struct buf *out)
{
    static const char *const states[] = {
        [BOOK_CAPTURE] = "captured", [BOOK_VOID] = "voided", [BOOK_REFUND] = "refunded"};
    const struct book_entry *b = &e->book;
    if (b->state == BOOK_PENDING) {
        buf_printf(out, "{\"result\":\"pending\",\"reference\":\"%s\"}", reference);
        return 202;
    }
    if (b->state == BOOK_REFUSED) {
        buf_printf(
            out, "{\"result\":\"refused\",\"code\":\"%s\",\"message\":\"no\",\"reference\":\"%s\"}",
            e->code, reference);
        return 402;
    }
    buf_printf(out,
               "{\"result\":\"approved\",\"state\":\"%s\",\"reference\":\"%s\","
               "\"charge_id\":\"ch_%s\",\"currency\":\"%s\",\"network_reference\":\"n%s\"",
               b->kind != BOOK_CHARGE ? states[b->kind]
               : b->capture           ? "captured"
                                      : "authorized",
               reference, b->charge + 4, currency, b->charge + 10);
    if (amount)
        buf_printf(out, ",\"amount\":%lld", (long long)amount);
    if (b->kind != BOOK_CHARGE)
        buf_printf(out, ",\"operation_id\":\"op_%s\"", b->reference + 4);
    buf_str(out, "}");
    return 200;
}

static int true_answer(const struct entry *e, struct buf *out)
{
    return write_answer(e, e->book.amount, e->book.currency, e->book.reference, out);
}

static int lie(struct provider *p, const struct entry *e, struct buf *out)
{
    const struct book_entry *b = &e->book;
    switch (det_below(&p->rng, 5)) {
    case 0:
        return write_answer(e, b->amount + 1, b->currency, b->reference, out);
    case 1:
        return write_answer(e, b->amount - 1, b->currency, b->reference, out);
    case 2:
        return write_answer(e, b->amount * 10, b->currency, b->reference, out);
    case 3:
        return write_answer(e, b->amount, "CHF", b->reference, out);
    default:
        return write_answer(e, 0, b->currency, b->reference, out);
    }
}

static int garbage(struct provider *p, const struct entry *e, struct buf *out)
{
    switch (det_below(&p->rng, 6)) {
    case 0: /* half an answer */
        (void)true_answer(e, out);
        out->n /= 2;
        return 200;
    case 1:
        buf_str(out, "<html><body>gateway</body></html>");
        return 502;
    case 2:
        return 200;
    case 3:
        return write_answer(e, e->book.amount, e->book.currency, "att_00000000000000000000000000",
                            out);
    case 4:
        buf_str(out, "{\"result\":\"approved\"}");
        return 302;
    default:
        buf_str(out, "{\"result\":\"refused\"}");
        return 500;
    }
}

static int answer(struct provider *p, const struct entry *e, struct buf *out)
{
    if (chance(p, p->profile.error_after)) {
        answer_code(out, "unavailable");
        return 500;
    }
    if (chance(p, p->profile.garbage))
        return garbage(p, e, out);
    if (e->book.state == BOOK_DONE && chance(p, p->profile.lie))
        return lie(p, e, out);
    return true_answer(e, out);
}

static int inquiry(struct provider *p, struct str reference, struct buf *out)
{
    if (chance(p, p->profile.forget)) {
        answer_code(out, "unavailable");
        return 500;
    }
    const struct entry *e = find(p, reference);
    if (!e) {
        answer_code(out, "not_found");
        return 404;
    }
    if (chance(p, p->profile.garbage))
        return garbage(p, e, out);
    int status = true_answer(e, out);
    return status == 402 || status == 202 ? 200 : status;
}

static int operate(struct provider *p, int64_t now_us, const struct request *r, struct buf *out)
{
    if (chance(p, p->profile.error_before)) {
        answer_code(out, "unavailable");
        return det_below(&p->rng, 2) ? 500 : 503;
    }
    struct entry *e = find(p, str_from(r->reference));
    if (e && !same(e, r)) {
        e->book.requests++;
        answer_code(out, "reference_reused");
        return 409;
    }
    bool known = r->kind == BOOK_CHARGE || r->kind == BOOK_VOID || find(p, str_from(r->charge));
    if (!e && !known) {
        answer_code(out, "not_found");
        return 404;
    }
    if (!e)
        e = take(p, r, now_us);
    e->book.requests++;
    return answer(p, e, out);
}

int provider_request(struct provider *p, int64_t now_us, const char *method, struct str path,
                     const char *const *headers, struct str body, struct buf *out)
{
    static const struct str operations = {"/v2/operations/", 15};
    struct request r = {.kind = BOOK_CHARGE};
    provider_tick(p, now_us);
    if (strcmp(method, "GET") == 0 && str_starts(path, operations))
        return inquiry(p, (struct str){path.p + operations.n, path.n - operations.n}, out);
    if (read_request(&r, path, headers, body))
        return operate(p, now_us, &r, out);
    answer_code(out, "invalid_request");
    return 400;
}

void provider_tick(struct provider *p, int64_t now_us)
{
    for (size_t i = 0; p->pending > 0 && i < p->n; i++) {
        struct entry *e = p->entries[i];
        if (e->book.state == BOOK_PENDING && e->due_us <= now_us) {
            p->pending--;
            decide(p, e);
        }
    }
}

struct provider *provider_new(const struct provider_profile *profile, const struct det *rng)
{
    struct provider *p = mem_alloc(sizeof *p);
    ASSERT(p != NULL);
    p->profile = *profile;
    p->rng = *rng;
    return p;
}

void provider_free(struct provider *p)
{
    for (size_t i = 0; i < p->n; i++)
        mem_free(p->entries[i]);
    mem_free(p->entries);
    mem_free(p->slots);
    mem_free(p);
}

void provider_heal(struct provider *p)
{
    p->profile = (struct provider_profile){0};
}

size_t provider_entries(const struct provider *p)
{
    return p->n;
}

const struct book_entry *provider_entry(const struct provider *p, size_t i)
{
    return &p->entries[i]->book;
}

const struct book_entry *provider_find(const struct provider *p, struct str reference)
{
    const struct entry *e = find(p, reference);
    return e ? &e->book : NULL;
}

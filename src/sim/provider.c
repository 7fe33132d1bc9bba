/* The simulated acquirer: the protocol of docs/sandbox.md in bytes, and what goes wrong with it.
 * What it answers may be late, torn or false; what it does is in the book and is sound. */
#include "sim/provider_internal.h"

#define BODY_BYTES_MAX 16384
#define REFERENCE_MAX 64

struct provider {
    struct provider_profile profile;
    struct det rng;
    struct book book;
};

/* What issuers say; the other codes of docs/sandbox.md belong to the guards. */
static const char *const codes[] = {"51", "05", "43", "41", "54", "N7", "61", "59", "91",
                                    "14", "57", "1A", "1C", "1E", "96", "98", "G0"};

static bool chance(struct provider *p, int per_mille)
{
    return per_mille > 0 && det_below(&p->rng, 1000) < (uint64_t)per_mille;
}

static size_t one_of(struct provider *p, size_t n)
{
    return (size_t)det_below(&p->rng, n);
}

/* --- reading a request --- */
static bool reference_valid(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return s.n >= 1 && s.n <= REFERENCE_MAX;
}

static void copy_text(char *out, size_t max, struct str s)
{
    ASSERT(s.n < max);
    memcpy(out, s.p, s.n);
    out[s.n] = 0;
}

/* "/v2/charges", or "/v2/charges/REFERENCE/captures" and its like. */
static bool read_path(struct str path, struct asked *a)
{
    static const struct {
        struct str end;
        int kind;
    } ends[] = {
        {{"captures", 8}, BOOK_CAPTURE}, {{"voids", 5}, BOOK_VOID}, {{"refunds", 7}, BOOK_REFUND}};
    const struct str charges = STR("/v2/charges");
    a->kind = BOOK_CHARGE;
    if (str_eq(path, charges))
        return true;
    if (!str_starts(path, charges) || path.p[charges.n] != '/')
        return false;
    struct str charge = {path.p + charges.n + 1, path.n - charges.n - 1};
    const char *slash = memchr(charge.p, '/', charge.n);
    if (!slash)
        return false;
    struct str end = {slash + 1, charge.n - (size_t)(slash + 1 - charge.p)};
    charge.n = (size_t)(slash - charge.p);
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        if (str_eq(end, ends[i].end) && reference_valid(charge)) {
            a->kind = ends[i].kind;
            copy_text(a->charge, sizeof a->charge, charge);
            return true;
        }
    return false;
}

static bool read_key(const char *const *headers, struct asked *a)
{
    const struct str field = STR("Authorization: Bearer ");
    for (; headers && *headers; headers++) {
        struct str line = str_from(*headers);
        if (line.n <= field.n || line.n - field.n >= sizeof a->key ||
            !str_eq_nocase((struct str){line.p, field.n}, field))
            continue;
        copy_text(a->key, sizeof a->key, (struct str){line.p + field.n, line.n - field.n});
        return true;
    }
    return false;
}

static struct str text_of(const json_t *value)
{
    return (struct str){json_string_value(value), json_string_length(value)};
}

static bool read_currency(struct str s, struct asked *a)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 'A' || s.p[i] > 'Z')
            return false;
    if (s.n != 3)
        return false;
    copy_text(a->currency, sizeof a->currency, s);
    return true;
}

static bool read_member(const char *name, const json_t *value, struct asked *a)
{
    if (strcmp(name, "reference") == 0) {
        if (!reference_valid(text_of(value)))
            return false;
        copy_text(a->reference, sizeof a->reference, text_of(value));
        return true;
    }
    if (strcmp(name, "amount") == 0) {
        a->amount = json_integer_value(value);
        return a->amount > 0 && a->amount < AMOUNT_MAX;
    }
    if (strcmp(name, "currency") == 0)
        return read_currency(text_of(value), a);
    if (a->kind != BOOK_CHARGE)
        return false;
    if (strcmp(name, "source") == 0)
        return json_string_length(value) > 0;
    if (strcmp(name, "capture") == 0) {
        a->capture = json_is_true(value);
        return json_is_boolean(value);
    }
    return (strcmp(name, "descriptor") == 0 || strcmp(name, "description") == 0) &&
           (json_is_string(value) || json_is_null(value));
}

/* Strict, so that a connector that changes is noticed. */
static bool read_body(struct str body, struct asked *a)
{
    static const struct json_limits limits = {BODY_BYTES_MAX, 4};
    struct err_info info = {0};
    json_t *object = NULL, *value;
    const char *name;
    bool ok = json_read(body, &limits, &object, &info) == OK && json_is_object(object);
    a->capture = a->kind == BOOK_CHARGE;
    if (ok)
        json_object_foreach(object, name, value) ok = ok && read_member(name, value, a);
    ok = ok && a->reference[0] && a->amount > 0 && a->currency[0] &&
         (a->kind != BOOK_CHARGE || json_object_get(object, "source"));
    json_decref(object);
    if (a->kind == BOOK_CHARGE)
        memcpy(a->charge, a->reference, sizeof a->charge);
    return ok && (a->kind == BOOK_CHARGE || strcmp(a->charge, a->reference) != 0);
}

/* --- true answers --- */
static int answer_code(int status, const char *code, struct buf *out)
{
    struct jw w = {.b = out};
    jw_object(&w, NULL);
    jw_str(&w, "code", str_from(code));
    jw_str(&w, "message", STR("Simulated"));
    jw_object_end(&w);
    return status;
}

static int answer_error(struct provider *p, struct buf *out)
{
    return one_of(p, 2) ? answer_code(500, "internal_error", out)
                        : answer_code(503, "unavailable", out);
}

static void write_number(struct jw *w, const char *name, const char *prefix, struct str of)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%s%016llx", prefix, (unsigned long long)book_hash(of));
    jw_str(w, name, str_from(text));
}

static void write_numbers_of_charge(struct jw *w, const struct book_entry *e)
{
    unsigned long long n = book_hash(str_from(e->reference));
    char text[32];
    (void)snprintf(text, sizeof text, "%015llu", n % 1000000000000000u);
    jw_str(w, "network_reference", str_from(text));
    (void)snprintf(text, sizeof text, "%06llu", (n >> 40) % 1000000u);
    jw_str(w, "auth_code", str_from(text));
}

/* What an approval names; a lie names something else. */
struct claim {
    const char *reference, *currency;
    int64_t amount;
    bool amountless;
};

static void write_approved(struct jw *w, const struct book_entry *e, const struct claim *c)
{
    static const char *const states[] = {[BOOK_CHARGE] = "authorized",
                                         [BOOK_CAPTURE] = "captured",
                                         [BOOK_VOID] = "voided",
                                         [BOOK_REFUND] = "refunded"};
    jw_str(w, "result", STR("approved"));
    jw_str(w, "state", str_from(e->capture ? "captured" : states[e->kind]));
    jw_str(w, "reference", str_from(c->reference));
    write_number(w, "charge_id", "ch_", str_from(e->charge));
    if (e->kind != BOOK_CHARGE)
        write_number(w, "operation_id", "op_", str_from(e->reference));
    if (!c->amountless)
        jw_int(w, "amount", c->amount);
    jw_str(w, "currency", str_from(c->currency));
    if (e->kind == BOOK_CHARGE)
        write_numbers_of_charge(w, e);
}

static int answer_claim(const struct operation *o, const struct claim *c, bool inquiry,
                        struct buf *out)
{
    struct jw w = {.b = out};
    int status = 200;
    jw_object(&w, NULL);
    if (o->book.state == BOOK_DONE) {
        write_approved(&w, &o->book, c);
    } else if (o->book.state == BOOK_PENDING) {
        jw_str(&w, "result", STR("pending"));
        jw_str(&w, "reference", str_from(c->reference));
        status = inquiry ? 200 : 202;
    } else {
        jw_str(&w, "result", STR("refused"));
        jw_str(&w, "code", str_from(o->code));
        jw_str(&w, "message", STR("Refused"));
        jw_str(&w, "reference", str_from(c->reference));
        status = inquiry ? 200 : 402;
    }
    jw_object_end(&w);
    return status;
}

static struct claim truth(const struct operation *o)
{
    return (struct claim){o->book.reference, o->book.currency, o->book.amount, false};
}

/* The answer that was given first, or, while it is pending, will be given. */
static int answer_truth(const struct operation *o, bool inquiry, struct buf *out)
{
    struct claim c = truth(o);
    return answer_claim(o, &c, inquiry, out);
}

/* --- false answers --- */
static int answer_lie(struct provider *p, const struct operation *o, struct buf *out)
{
    struct claim c = truth(o);
    switch (one_of(p, 5)) {
    case 0:
        c.amount++;
        break;
    case 1:
        c.amount--;
        break;
    case 2:
        if (!num_mul(c.amount, 10, &c.amount))
            c.amount--;
        break;
    case 3:
        c.currency = strcmp(c.currency, "CHF") == 0 ? "JPY" : "CHF";
        break;
    default:
        c.amountless = true;
        break;
    }
    return answer_claim(o, &c, false, out);
}

/* Of which nobody can tell what became of the request. */
static int garbage_blank(struct provider *p, struct buf *out)
{
    static const struct {
        int status;
        const char *body;
    } blanks[] = {
        {200, ""},
        {204, ""},
        {402, ""},
        {500, ""},
        {200, "<html><body>One moment, please</body></html>"},
        {302, "<html><body>Moved</body></html>"},
        {404, "<html><body>Not found</body></html>"},
        {502, "<html><body>Bad gateway</body></html>"},
        {200, "{\"result\":\"approved\",\"state\":\"capt"},
        {402, "{\"result\":\"refused\",\"code\":\"5"},
        {200, "{}"},
        {200, "[]"},
        {200, "null"},
        {200, "\"approved\""},
        {200, "{\"result\":\"approved\"}"},
        {402, "{\"result\":\"refused\",\"code\":\"51\"}"},
        {429, "{\"code\":\"slow_down\",\"message\":\"Simulated\"}"},
    };
    size_t i = one_of(p, COUNT_OF(blanks));
    buf_str(out, blanks[i].body);
    return blanks[i].status;
}

/* The answer to something else. */
static int garbage_crossed(struct provider *p, const struct operation *o, bool inquiry,
                           struct buf *out)
{
    const struct operation *other = p->book.list[one_of(p, p->book.n)];
    struct claim c = truth(o);
    if (other != o && one_of(p, 2))
        return answer_truth(other, inquiry, out);
    c.reference = "att_00000000000000000000000000";
    return answer_claim(o, &c, inquiry, out);
}

/* Statuses with which a body says nothing; 202 is not among them, it would make a refusal pending.
 */
static int wrong_status(struct provider *p)
{
    static const int wrong[] = {201, 206, 302, 403, 500, 502, 503};
    return wrong[one_of(p, COUNT_OF(wrong))];
}

/* o: what was asked for, NULL when nothing of it is known. */
static int answer_garbage(struct provider *p, const struct operation *o, bool inquiry,
                          struct buf *out)
{
    size_t before = out->n;
    int status = 0;
    switch (o ? one_of(p, 5) : 4) {
    case 0:
        status = answer_truth(o, inquiry, out);
        out->n = before + 1 + one_of(p, out->n - before - 1); /* never whole */
        out->p[out->n] = 0;
        return status;
    case 1:
        status = answer_truth(o, inquiry, out);
        buf_str(out, "\n<!-- cached -->");
        return status;
    case 2:
        return garbage_crossed(p, o, inquiry, out);
    case 3:
        (void)answer_truth(o, inquiry, out);
        return wrong_status(p);
    default:
        return garbage_blank(p, out);
    }
}

/* --- a request --- */
static struct plan draw_plan(struct provider *p, int kind)
{
    const struct provider_profile *f = &p->profile;
    struct plan plan = {0};
    if (chance(p, kind == BOOK_CHARGE ? f->decline : f->refuse_later))
        plan.refuse_with = codes[one_of(p, COUNT_OF(codes))];
    if (f->pending_ms > 0 && chance(p, f->pending))
        plan.pending_us = 1 + (int64_t)det_below(&p->rng, (uint64_t)f->pending_ms * 1000);
    return plan;
}

static int operate(struct provider *p, int64_t now_us, const struct asked *a, struct buf *out)
{
    struct operation *o = NULL;
    if (chance(p, p->profile.error_before))
        return answer_error(p, out);
    bool garbage = chance(p, p->profile.garbage);
    if (garbage && one_of(p, 2))
        return answer_garbage(p, book_find(&p->book, str_from(a->reference)), false, out);
    struct plan plan = draw_plan(p, a->kind);
    enum taken taken = book_take(&p->book, a, &plan, now_us, &o);
    if (chance(p, p->profile.error_after))
        return answer_error(p, out);
    if (garbage)
        return answer_garbage(p, o, false, out);
    switch (taken) {
    case TAKEN_REUSED:
        return answer_code(409, "reference_reused", out);
    case TAKEN_MISSING:
        return answer_code(404, "not_found", out);
    case TAKEN_CURRENCY:
        return answer_code(400, "invalid_request", out);
    case TAKEN:
        break;
    }
    if (o->book.state == BOOK_DONE && chance(p, p->profile.lie))
        return answer_lie(p, o, out);
    return answer_truth(o, false, out);
}

static int inquire(struct provider *p, struct str reference, struct buf *out)
{
    const struct operation *o = book_find(&p->book, reference);
    if (!reference_valid(reference))
        return answer_code(400, "invalid_request", out);
    if (chance(p, p->profile.forget))
        return answer_error(p, out);
    if (chance(p, p->profile.garbage))
        return answer_garbage(p, o, true, out);
    return o ? answer_truth(o, true, out) : answer_code(404, "not_found", out);
}

static int route(struct provider *p, int64_t now_us, const char *method, struct str path,
                 const char *const *headers, struct str body, struct buf *out)
{
    const struct str operations = STR("/v2/operations/");
    struct asked a = {.kind = BOOK_CHARGE};
    bool inquiry = str_starts(path, operations);
    if (!inquiry && !read_path(path, &a))
        return answer_code(404, "no_such_path", out);
    if (strcmp(method, inquiry ? "GET" : "POST") != 0)
        return answer_code(405, "method_not_allowed", out);
    if (!read_key(headers, &a))
        return answer_code(401, "unauthorized", out);
    if (inquiry)
        return inquire(p, (struct str){path.p + operations.n, path.n - operations.n}, out);
    if (!read_body(body, &a))
        return answer_code(400, "invalid_request", out);
    return operate(p, now_us, &a, out);
}

int provider_request(struct provider *p, int64_t now_us, const char *method, struct str path,
                     const char *const *headers, struct str body, struct buf *out)
{
    struct heap *before = heap_enter(NULL);
    book_decide_due(&p->book, now_us);
    int status = route(p, now_us, method, path, headers, body, out);
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
    if (p)
        book_release(&p->book);
    mem_free(p);
}

void provider_heal(struct provider *p)
{
    p->profile = (struct provider_profile){0};
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

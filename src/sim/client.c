/* Merchants' back ends: each ask is sent with the same key and bytes until it has an answer that
 * ends it, as docs/api.md tells clients to. */
#include "sim/client_internal.h"

#define BODY_MAX ((size_t)32 << 20)
#define BACKOFF_US_MIN 200000
#define BACKOFF_US_MAX 20000000
/* Once faults have stopped nobody has to be spared. */
#define BACKOFF_US_HEALED 4000000

/* --- chance --- */
int64_t client_between(struct clients *c, int64_t from, int64_t to)
{
    ASSERT(from <= to);
    return from + (int64_t)det_below(&c->rng, (uint64_t)(to - from) + 1);
}

bool client_chance(struct clients *c, int per_mille)
{
    return (int)det_below(&c->rng, 1000) < per_mille;
}

/* --- jobs --- */
static struct client_job *job_new(struct clients *c, enum client_plan plan, size_t ask)
{
    struct client_job *j = c->idle;
    if (j) {
        c->idle = j->next;
    } else {
        j = mem_alloc(sizeof *j);
        ASSERT(j != NULL);
        j->next_there = c->all;
        c->all = j;
    }
    j->c = c;
    j->plan = plan;
    j->ask = ask;
    j->amount = 0;
    j->sent_us = sim_now_us();
    return j;
}

static void job_end(struct client_job *j)
{
    j->next = j->c->idle;
    j->c->idle = j;
}

static void try_now(struct clients *c, size_t number);
static void replay_now(struct clients *c, size_t number);

static void job_due(void *arg)
{
    struct heap *before = heap_enter(NULL);
    struct client_job *job = arg, j = *job;
    job_end(job);
    if (j.plan == PLAN_TRY)
        try_now(j.c, j.ask);
    else if (j.plan == PLAN_REPLAY)
        replay_now(j.c, j.ask);
    else
        client_make(j.c, &j);
    (void)heap_enter(before);
}

void client_later(struct clients *c, int64_t delay_us, enum client_plan plan, size_t ask,
                  int64_t amount)
{
    struct client_job *j = job_new(c, plan, ask);
    j->amount = amount;
    sim_at(sim_now_us() + delay_us, job_due, j);
}

bool client_over(const struct clients *c)
{
    return c->healed || sim_now_us() >= c->profile.until_us;
}

/* --- what an answer says --- */
static uint64_t hash_of(struct str s)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (uint8_t)s.p[i]) * 1099511628211u;
    return h;
}

const char *client_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* Does it end the ask? Anything else may be asked again and may then be answered otherwise. */
static bool is_final(int status, const json_t *body)
{
    if (status == 0 || status == 429 || status >= 500)
        return false;
    return status != 409 || strcmp(client_text(body, "code"), "idempotency_in_progress") != 0;
}

static bool reads(const struct ask *a)
{
    return strcmp(a->method, "GET") == 0;
}

/* Is an answer with this status kept? Refusals before anything began leave the key free. */
static bool is_kept(const struct ask *a, int status)
{
    return a->key[0] && !reads(a) && a->kind != ASK_SYNC &&
           ((status >= 200 && status < 300) || status == 402);
}

bool client_kept(const struct ask *a)
{
    return is_kept(a, a->first.status);
}

static void copy_id(char out[ID_TEXT_MAX], const char *text)
{
    if (out[0] == 0 && strlen(text) < ID_TEXT_MAX)
        (void)snprintf(out, ID_TEXT_MAX, "%s", text);
}

/* The sums that a payment shows must be possible, whatever happened. */
static void check_sums(const struct ask *a, const json_t *payment)
{
    static const char *const names[] = {"amount",          "amount_authorized", "amount_capturable",
                                        "amount_captured", "amount_refunded",   "amount_disputed"};
    enum { AMOUNT, AUTHORIZED, CAPTURABLE, CAPTURED, REFUNDED, DISPUTED };
    int64_t v[COUNT_OF(names)];
    bool good = true;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        v[i] = json_integer_value(json_object_get(payment, names[i]));
        good = good && v[i] >= 0;
    }
    good = good && v[AUTHORIZED] <= v[AMOUNT] && v[CAPTURED] + v[CAPTURABLE] <= v[AUTHORIZED] &&
           v[REFUNDED] <= v[CAPTURED] && v[DISPUTED] <= v[CAPTURED];
    if (!good)
        sim_violation("I3", "ask %zu was told of %s: %lld, %lld, %lld, %lld, %lld, %lld", a->number,
                      client_text(payment, "id"), (long long)v[0], (long long)v[1], (long long)v[2],
                      (long long)v[3], (long long)v[4], (long long)v[5]);
}

static void note_object(struct clients *c, struct ask *a, const json_t *object)
{
    struct client_memory *made = &c->memory[a->about];
    if (strcmp(client_text(object, "object"), "payment") == 0) {
        check_sums(a, object);
        copy_id(a->payment, client_text(object, "id"));
        if (strcmp(client_text(object, "status"), "captured") == 0)
            made->captured = true;
        made->waits = strcmp(client_text(object, "status"), "requires_action") == 0;
    } else if (strcmp(client_text(object, "object"), "refund") == 0) {
        copy_id(a->refund, client_text(object, "id"));
        copy_id(a->payment, client_text(object, "payment"));
        made->refund = a->number;
    } else if (a->kind == ASK_MAKE || a->kind == ASK_CONTEST) {
        copy_id(a->other, client_text(object, "id"));
    }
}

/* --- asks --- */
struct ask *client_begin(struct clients *c, enum ask_kind kind, int merchant)
{
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 256;
        c->asks = mem_resize(c->asks, c->cap * sizeof *c->asks);
        c->memory = mem_resize(c->memory, c->cap * sizeof *c->memory);
        ASSERT(c->asks != NULL && c->memory != NULL);
    }
    struct ask *a = &c->asks[c->n];
    *a = (struct ask){.number = c->n, .kind = kind, .merchant = merchant, .about = c->n};
    a->body = a->first.body = BUF(BODY_MAX);
    (void)snprintf(a->method, sizeof a->method, "%s", kind == ASK_READ ? "GET" : "POST");
    if (kind != ASK_READ && !client_chance(c, c->profile.keyless))
        (void)snprintf(a->key, sizeof a->key, "k%zu", c->n);
    c->memory[c->n] = (struct client_memory){0};
    c->n++;
    c->unsettled++;
    sim_count(COUNT_ASKS, 1);
    return a;
}

static void settle(struct clients *c, size_t number)
{
    struct client_memory *m = &c->memory[number];
    ASSERT(!c->asks[number].settled && c->unsettled > 0);
    c->asks[number].settled = true;
    c->unsettled--;
    if (m->absurd && is_final(c->asks[number].first.status, NULL) &&
        (c->asks[number].first.status < 400 || c->asks[number].first.status == 402))
        sim_violation("absurd", "ask %zu was answered %d, not refused", number,
                      c->asks[number].first.status);
    client_make_follow(c, number);
    if (c->memory[number].settled) {
        struct ask copy = c->asks[number]; /* the callee may add asks, which moves the list */
        c->memory[number].settled(&copy, c->memory[number].arg);
    }
}

/* --- answers --- */
static void keep_first(struct clients *c, struct ask *a, const struct reply *r, const json_t *body)
{
    a->first.at_us = sim_now_us();
    a->first.status = r->status;
    a->first.replayed = r->replayed;
    buf_clear(&a->first.body);
    buf_add(&a->first.body, r->body.p, r->body.n);
    ASSERT(!a->first.body.failed);
    note_object(c, a, body);
    note_object(c, a, json_object_get(body, "payment"));
    note_object(c, a, json_object_get(body, "refund"));
}

/* Of two answers that are kept both must be the same. One that is not kept may have overtaken, or
 * been overtaken by, the one that is when two tries were under way; sent after it came, it may not.
 */
static void compare(struct clients *c, struct ask *a, const struct reply *r, const json_t *body,
                    int64_t sent_us)
{
    bool kept = is_kept(a, r->status);
    if (!client_kept(a)) {
        if (kept)
            keep_first(c, a, r, body); /* from now on it is the answer */
    } else if (kept ? r->status != a->first.status || !str_eq(r->body, buf_view(&a->first.body))
                    : sent_us > a->first.at_us) {
        a->differed = true;
        sim_trace("ask %zu differs: %d, was %d", a->number, r->status, a->first.status);
    }
}

static void plan_retry(struct clients *c, size_t number, int retry_after_s)
{
    struct client_memory *m = &c->memory[number];
    int64_t most = c->healed ? BACKOFF_US_HEALED : BACKOFF_US_MAX, wait = BACKOFF_US_MIN;
    for (int i = 0; i < m->unanswered && wait < most; i++)
        wait *= 2;
    m->unanswered++;
    wait = client_between(c, num_min(wait, most) / 2, num_min(wait, most));
    if (retry_after_s > 0 && client_chance(c, 700))
        wait = num_min(retry_after_s * INT64_C(1000000), most) + client_between(c, 0, 200000);
    client_later(c, wait, PLAN_TRY, number, 0);
}

static void try_ended(struct clients *c, size_t number, const struct reply *r, int64_t sent_us)
{
    struct ask *a = &c->asks[number];
    struct client_memory *m = &c->memory[number];
    m->under_way--;
    json_t *body = r->body.n ? json_loadb(r->body.p, r->body.n, 0, NULL) : NULL;
    if (r->status == 0)
        sim_trace("ask %zu no answer", number);
    else
        sim_trace("ask %zu answer %d %016llx %s %.100s", number, r->status,
                  (unsigned long long)hash_of(r->body), client_text(body, "code"),
                  client_text(body, "detail"));
    if (is_final(r->status, body)) {
        a->told_n++;
        if (a->first.status)
            compare(c, a, r, body, sent_us);
        else
            keep_first(c, a, r, body);
        if (!a->settled)
            settle(c, number);
    } else if (!a->settled && !reads(a) && !a->key[0]) {
        settle(c, number); /* without a key a repeat might be a second one */
    } else if (!a->settled && m->under_way == 0) {
        plan_retry(c, number, r->retry_after_s);
    }
    json_decref(body);
}

static void on_reply(const struct reply *r, void *arg)
{
    struct heap *before = heap_enter(NULL);
    struct client_job *job = arg, j = *job;
    job_end(job);
    try_ended(j.c, j.ask, r, j.sent_us);
    (void)heap_enter(before);
}

/* --- tries --- */
static void send_once(struct clients *c, size_t number, int64_t patience_us)
{
    struct ask *a = &c->asks[number];
    a->last_us = sim_now_us();
    if (a->tries++ == 0)
        a->first_us = a->last_us;
    c->memory[number].under_way++;
    sim_trace("ask %zu try %d %s %s key %s", number, a->tries, a->method, a->path,
              a->key[0] ? a->key : "-");
    network_ask(a, c->merchants[a->merchant].key, patience_us, on_reply,
                job_new(c, PLAN_TRY, number));
}

static void send_try(struct clients *c, size_t number)
{
    const struct ask *a = &c->asks[number];
    bool repeatable = a->key[0] || reads(a);
    int64_t patience_us = client_between(c, 20000000, 60000000);
    if (!c->healed && client_chance(c, c->profile.impatient))
        patience_us = client_between(c, 1000, 50000);
    bool twice = repeatable && client_chance(c, c->profile.twice);
    send_once(c, number, patience_us);
    if (twice)
        send_once(c, number, patience_us);
}

static void try_now(struct clients *c, size_t number)
{
    if (c->asks[number].settled)
        return;
    if (c->merchants[c->asks[number].merchant].key[0])
        send_try(c, number);
    else /* the merchant is not there yet */
        client_later(c, 100000, PLAN_TRY, number, 0);
}

static void replay_now(struct clients *c, size_t number)
{
    ASSERT(c->asks[number].settled && client_kept(&c->asks[number]));
    send_try(c, number);
}

void client_send(struct clients *c, size_t number)
{
    if (c->asks[number].kind == ASK_CREATE && !c->asks[number].reuse && !c->memory[number].absurd)
        sim_count(COUNT_PAYMENTS, 1);
    try_now(c, number);
}

/* --- from outside --- */
struct clients *clients_start(const struct client_profile *profile,
                              const struct merchant *merchants, size_t merchants_n,
                              const struct det *rng)
{
    struct heap *before = heap_enter(NULL);
    struct clients *c = mem_alloc(sizeof *c);
    ASSERT(c != NULL && merchants_n > 0);
    *c = (struct clients){
        .profile = *profile, .merchants = merchants, .merchants_n = merchants_n, .rng = *rng};
    client_make_start(c);
    (void)heap_enter(before);
    return c;
}

void clients_free(struct clients *c)
{
    struct heap *before = heap_enter(NULL);
    if (c) {
        for (size_t i = 0; i < c->n; i++) {
            buf_free(&c->asks[i].body);
            buf_free(&c->asks[i].first.body);
        }
        for (struct client_job *j = c->all, *next; j; j = next) {
            next = j->next_there;
            mem_free(j);
        }
        typed_release(c);
        mem_free(c->asks);
        mem_free(c->memory);
        mem_free(c);
    }
    (void)heap_enter(before);
}

/* Some of the old asks are sent again: what was answered must have outlived all that happened. */
void clients_heal(struct clients *c)
{
    struct heap *before = heap_enter(NULL);
    c->healed = true;
    for (size_t i = 0; i < c->n; i++)
        if (c->asks[i].settled && client_kept(&c->asks[i]) && client_chance(c, c->profile.replay))
            client_later(c, client_between(c, 1000000, 60000000), PLAN_REPLAY, i, 0);
    (void)heap_enter(before);
}

const struct ask *clients_asks(const struct clients *c, size_t *ret_n)
{
    *ret_n = c->n;
    return c->asks;
}

bool clients_idle(const struct clients *c)
{
    return c->unsettled == 0;
}

size_t clients_add(struct clients *c, const struct ask *proto,
                   void (*settled)(const struct ask *a, void *arg), void *arg)
{
    struct heap *before = heap_enter(NULL);
    struct ask *a = client_begin(c, proto->kind, proto->merchant);
    size_t number = a->number;
    ASSERT(proto->merchant >= 0 && (size_t)proto->merchant < c->merchants_n);
    (void)snprintf(a->method, sizeof a->method, "%s", proto->method);
    (void)snprintf(a->path, sizeof a->path, "%s", proto->path);
    /* Until settled: only a key makes that harmless. */
    if (proto->key[0] || reads(a))
        (void)snprintf(a->key, sizeof a->key, "%s", proto->key);
    else
        (void)snprintf(a->key, sizeof a->key, "k%zu", number);
    buf_add(&a->body, proto->body.p ? proto->body.p : "", proto->body.n);
    a->amount = proto->amount;
    memcpy(a->currency, proto->currency, sizeof a->currency);
    a->capture = proto->capture;
    a->reuse = proto->reuse;
    a->foreign = proto->foreign;
    if (proto->kind != ASK_CREATE && proto->kind != ASK_ENDPOINT && proto->about < number)
        a->about = proto->about;
    c->memory[number].added = true;
    c->memory[number].settled = settled;
    c->memory[number].arg = arg;
    client_send(c, number);
    (void)heap_enter(before);
    return number;
}

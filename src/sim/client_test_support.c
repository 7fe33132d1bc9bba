#include "sim/client_test_support.h"

#include <jansson.h>

struct fake_world world;
struct fake_florin florin;

/* --- what the world does --- */
static char elsewhere;

int64_t sim_now_us(void)
{
    return world.now_us;
}

struct heap *heap_enter(struct heap *h)
{
    struct heap *before = world.heap;
    world.heap = h;
    return before;
}

void sim_at(int64_t at_us, void (*fn)(void *arg), void *arg)
{
    assert_true(at_us >= world.now_us);
    if (world.n == world.cap)
        world.turns = realloc(world.turns, (world.cap = world.cap * 2 + 64) * sizeof *world.turns);
    size_t i = world.n++;
    struct turn t = {at_us, world.order++, fn, arg};
    for (; i > 0 && t.at_us < world.turns[(i - 1) / 2].at_us; i = (i - 1) / 2)
        world.turns[i] = world.turns[(i - 1) / 2];
    world.turns[i] = t;
}

static bool before(const struct turn *a, const struct turn *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static struct turn take_turn(void)
{
    struct turn first = world.turns[0], last = world.turns[--world.n];
    size_t i = 0;
    for (size_t next; (next = 2 * i + 1) < world.n; i = next) {
        if (next + 1 < world.n && before(&world.turns[next + 1], &world.turns[next]))
            next++;
        if (before(&last, &world.turns[next]))
            break;
        world.turns[i] = world.turns[next];
    }
    world.turns[i] = last;
    return first;
}

void run_until(int64_t until_us)
{
    while (world.n > 0 && world.turns[0].at_us <= until_us) {
        struct turn t = take_turn();
        world.now_us = t.at_us;
        world.heap = (struct heap *)(void *)&elsewhere;
        t.fn(t.arg);
        assert_ptr_equal(world.heap, &elsewhere);
    }
    world.now_us = until_us;
    world.heap = NULL;
}

void sim_trace(const char *fmt, ...)
{
    char line[400];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    assert_true(n > 0 && (size_t)n < sizeof line);
    for (int i = 0; i < n; i++)
        world.hash = (world.hash ^ (uint8_t)line[i]) * 1099511628211u;
    world.hash ^= (uint64_t)world.now_us;
}

void sim_count(enum sim_count what, int64_t n)
{
    world.count[what] += n;
}

void sim_violation(const char *invariant, const char *fmt, ...)
{
    assert_string_equal(invariant, "absurd");
    assert_non_null(fmt);
    world.violations++;
}

/* --- a Florin --- */
static bool chance(int per_mille)
{
    return (int)det_below(&world.rng, 1000) < per_mille;
}

static int refuse(struct buf *out, int status, const char *code)
{
    buf_printf(out, "{\"code\":\"%s\",\"request_id\":\"req_%zu\"}", code, florin.asked);
    return status;
}

static bool known_members(json_t *body, const char *const *names)
{
    const char *name;
    json_t *value;
    json_object_foreach(body, name, value)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], name) != 0)
            i++;
        if (!names[i])
            return false;
    }
    return true;
}

static size_t ask_of(json_t *body)
{
    const char *text = json_string_value(json_object_get(json_object_get(body, "metadata"), "ask"));
    return text ? strtoul(text, NULL, 10) : SIZE_MAX;
}

static void write_payment(struct buf *out, const struct fake_payment *p)
{
    static const char *const states[] = {"authorized", "captured", "canceled"};
    buf_printf(out, "{\"id\":\"%s\",\"object\":\"payment\",\"status\":\"%s\"}", p->id,
               states[p->state]);
}

static int create(const char *api_key, json_t *body, struct buf *out)
{
    static const char *const names[] = {"amount",   "currency",    "payment_method_token",
                                        "capture",  "description", "statement_descriptor",
                                        "metadata", NULL};
    json_t *amount = json_object_get(body, "amount"), *capture = json_object_get(body, "capture");
    const char *currency = json_string_value(json_object_get(body, "currency"));
    bool good = json_is_integer(amount) && json_integer_value(amount) > 0 &&
                json_integer_value(amount) <= 999999999999 && currency &&
                strstr("EUR USD GBP CHF JPY KWD", currency) &&
                (!capture || json_is_boolean(capture));
    if (!florin.faults.gullible && (!good || !known_members(body, names)))
        return refuse(out, 400, "parameter_invalid");
    if (florin.payments_n == florin.payments_cap) {
        florin.payments_cap = florin.payments_cap * 2 + 64;
        florin.payments = realloc(florin.payments, florin.payments_cap * sizeof *florin.payments);
    }
    struct fake_payment *p = &florin.payments[florin.payments_n++];
    *p = (struct fake_payment){.amount = json_integer_value(amount)};
    (void)snprintf(p->id, sizeof p->id, "pay_%026zu", florin.payments_n);
    (void)snprintf(p->key, sizeof p->key, "%s", api_key);
    p->ask = ask_of(body);
    p->state = json_is_false(capture) ? AUTHORIZED : CAPTURED;
    if (p->amount % 10 == 7) {
        buf_str(out, "{\"code\":\"payment_declined\",\"payment\":");
        p->state = CANCELED;
        write_payment(out, p);
        buf_byte(out, '}');
        return 402;
    }
    write_payment(out, p);
    return 200;
}

static int refund(struct fake_payment *p, json_t *body, struct buf *out)
{
    static const char *const names[] = {"amount", "reason", "metadata", NULL};
    json_t *given = json_object_get(body, "amount");
    int64_t left = p->amount - p->refunded, amount = given ? json_integer_value(given) : left;
    if (p->state != CAPTURED)
        return refuse(out, 409, "state_conflict");
    if (!known_members(body, names) || amount < 1 || amount > left)
        return refuse(out, 400, "parameter_invalid");
    p->refunded += amount;
    buf_printf(out, "{\"id\":\"rfd_%026zu\",\"object\":\"refund\",\"payment\":\"%s\"}",
               florin.asked, p->id);
    return 200;
}

static int later(struct fake_payment *p, const char *verb, json_t *body, struct buf *out)
{
    static const char *const capture[] = {"amount", "final", NULL}, *const cancel[] = {"reason",
                                                                                       NULL};
    bool captures = strcmp(verb, "/capture") == 0;
    json_t *amount = json_object_get(body, "amount");
    if (strcmp(verb, "/refund") == 0)
        return refund(p, body, out);
    if (strcmp(verb, "/sync") == 0) {
        if (json_object_size(body) > 0)
            return refuse(out, 400, "parameter_unknown");
    } else {
        if (p->state != AUTHORIZED)
            return refuse(out, 409, "state_conflict");
        if (!known_members(body, captures ? capture : cancel) ||
            (json_is_integer(amount) && json_integer_value(amount) != p->amount))
            return refuse(out, 400, "parameter_invalid");
        p->state = captures ? CAPTURED : CANCELED;
    }
    write_payment(out, p);
    return 200;
}

#define PAYMENTS "/v1/payments/"

/* What follows its name in the path; NULL: the merchant has no such payment. */
static const char *find_payment(const char *path, const char *api_key, struct fake_payment **ret)
{
    size_t number = strncmp(path, PAYMENTS "pay_", strlen(PAYMENTS) + 4) == 0
                        ? strtoul(path + strlen(PAYMENTS) + 4, NULL, 10)
                        : 0;
    if (number == 0 || number > florin.payments_n)
        return NULL;
    *ret = &florin.payments[number - 1];
    size_t n = strlen((*ret)->id);
    bool is_it =
        strncmp(path + strlen(PAYMENTS), (*ret)->id, n) == 0 && strcmp((*ret)->key, api_key) == 0;
    return is_it ? path + strlen(PAYMENTS) + n : NULL;
}

static int write_to(const struct ask *a, const char *api_key, json_t *body, struct buf *out)
{
    struct fake_payment *p;
    const char *verb = find_payment(a->path, api_key, &p);
    if (!json_is_object(body) && !florin.faults.gullible)
        return refuse(out, 400, "json_invalid");
    if (strcmp(a->path, "/v1/payments") == 0)
        return create(api_key, body, out);
    if (strcmp(a->path, "/v1/webhook_endpoints") == 0) {
        buf_printf(out, "{\"object\":\"webhook_endpoint\",\"id\":\"we_%zu\"}", florin.asked);
        return 200;
    }
    return verb ? later(p, verb, body, out) : refuse(out, 404, "not_found");
}

static int carry_out(const struct ask *a, const char *api_key, struct buf *out)
{
    struct fake_payment *p;
    if (strcmp(a->method, "GET") == 0) {
        if (strncmp(a->path, PAYMENTS, strlen(PAYMENTS)) == 0 &&
            !find_payment(a->path, api_key, &p))
            return refuse(out, 404, "not_found");
        buf_str(out, "{\"object\":\"list\"}");
        return 200;
    }
    json_t *body = json_loadb(a->body.n ? a->body.p : "{}", a->body.n ? a->body.n : 2,
                              JSON_REJECT_DUPLICATES, NULL);
    int status = write_to(a, api_key, body, out);
    json_decref(body);
    return status;
}

static char *copy_of(const struct buf *b)
{
    char *p = calloc(1, b->n + 1);
    memcpy(p, b->p ? b->p : "", b->n);
    return p;
}

static int answer(const struct ask *a, const char *api_key, struct buf *out, bool *ret_replayed)
{
    char name[300];
    size_t bucket = 0;
    florin.asked++;
    (void)snprintf(name, sizeof name, "%s %s %s", api_key, a->path, a->key);
    for (const char *z = name; *z; z++)
        bucket = (bucket * 31 + (uint8_t)*z) % COUNT_OF(florin.answers);
    bool keyed = a->key[0] && a->kind != ASK_SYNC && a->kind != ASK_READ;
    for (struct fake_answer *k = florin.answers[bucket]; keyed && k; k = k->next) {
        if (strcmp(k->name, name) != 0)
            continue;
        if (strcmp(k->sent, a->body.p ? a->body.p : "") != 0)
            return refuse(out, 422, "idempotency_key_reused");
        if (chance(florin.faults.in_progress))
            return refuse(out, 409, "idempotency_in_progress");
        buf_str(out, k->body);
        if (florin.faults.forgetful)
            buf_byte(out, ' ');
        *ret_replayed = true;
        return k->status;
    }
    int status = carry_out(a, api_key, out);
    if (keyed && (status == 200 || status == 402)) {
        struct fake_answer *k = calloc(1, sizeof *k);
        *k = (struct fake_answer){.status = status,
                                  .sent = copy_of(&a->body),
                                  .body = copy_of(out),
                                  .next = florin.answers[bucket]};
        memcpy(k->name, name, sizeof name);
        florin.answers[bucket] = k;
    }
    return status;
}

/* --- the network --- */
struct trip {
    struct ask ask; /* a copy, as a request is */
    char api_key[64];
    int64_t gives_up_us;
    void (*done)(const struct reply *r, void *arg);
    void *arg;
    struct reply reply;
    struct buf out;
};

static void arrives_back(void *arg)
{
    struct trip *t = arg;
    t->reply.body = buf_view(&t->out);
    if (t->reply.status == 0)
        t->reply.body = (struct str){NULL, 0};
    t->done(&t->reply, t->arg);
    buf_free(&t->ask.body);
    buf_free(&t->out);
    free(t);
}

static void arrives(void *arg)
{
    struct trip *t = arg;
    int64_t at_us = world.now_us + (int64_t)det_below(&world.rng, 200000);
    if (chance(florin.faults.busy)) {
        t->reply.status = refuse(&t->out, 503, "store_failed");
        t->reply.retry_after_s = 2;
    } else if (!chance(florin.faults.lose)) {
        t->reply.status = answer(&t->ask, t->api_key, &t->out, &t->reply.replayed);
    }
    if (t->reply.status == 0 || at_us > t->gives_up_us || chance(florin.faults.lose_answer)) {
        t->reply.status = 0;
        at_us = t->gives_up_us;
    }
    sim_at(at_us > world.now_us ? at_us : world.now_us, arrives_back, t);
}

void network_ask(const struct ask *a, const char *api_key, int64_t patience_us,
                 void (*done)(const struct reply *r, void *arg), void *arg)
{
    assert_null(world.heap);
    assert_true(patience_us >= 1000 && patience_us <= 60 * SECOND_US);
    assert_true(a->tries > 0 && strlen(api_key) > 0);
    struct trip *t = calloc(1, sizeof *t);
    t->ask = *a;
    t->ask.body = BUF(100000);
    t->out = BUF(100000);
    buf_add(&t->ask.body, a->body.p ? a->body.p : "", a->body.n);
    (void)snprintf(t->api_key, sizeof t->api_key, "%s", api_key);
    t->gives_up_us = world.now_us + patience_us;
    t->done = done;
    t->arg = arg;
    sim_at(world.now_us + 500, arrives, t);
}

/* --- beginning and end --- */
void fake_reset(const struct faults *faults)
{
    uint8_t seed[32] = {7};
    memset(&world, 0, sizeof world);
    memset(&florin, 0, sizeof florin);
    world.now_us = INT64_C(1800000000) * SECOND_US;
    world.rng = det_make(0, seed);
    if (faults)
        florin.faults = *faults;
}

void fake_free(void)
{
    for (size_t i = 0; i < COUNT_OF(florin.answers); i++)
        for (struct fake_answer *k = florin.answers[i], *next; k; k = next) {
            next = k->next;
            free(k->sent);
            free(k->body);
            free(k);
        }
    free(florin.payments);
    free(world.turns);
}

/* --- cards of the vault: none here --- */
void network_visit(const struct visit *v)
{
    (void)v;
    fail();
}

size_t typed_count(void)
{
    return 0;
}

struct typed *typed_at(size_t i)
{
    (void)i;
    return NULL;
}

size_t typed_new(int merchant, struct det *rng)
{
    (void)merchant, (void)rng;
    return 0;
}

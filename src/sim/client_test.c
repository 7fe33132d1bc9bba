/* The clients against a Florin of two hundred lines that keeps answers by key, or forgets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>

#include "sim/sim_internal.h"

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define MERCHANTS 3

/* --- what the world does --- */
struct turn {
    int64_t at_us, order;
    void (*fn)(void *arg);
    void *arg;
};
static struct {
    int64_t now_us, order;
    struct turn *turns;
    size_t n, cap;
    uint64_t hash;
    int64_t count[COUNT_COUNT], violations;
    struct heap *heap;
    struct det rng;
} world;
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

static void run_until(int64_t until_us)
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
enum { AUTHORIZED, CAPTURED, CANCELED };
struct fake_payment {
    char id[ID_TEXT_MAX], key[64];
    size_t ask;
    int64_t amount, refunded;
    int state;
};
struct fake_answer {
    char name[300]; /* API key, path, Idempotency-Key */
    int status;
    char *sent, *body;
    struct fake_answer *next;
};
struct faults { /* per mille of requests */
    int lose, lose_answer, busy, in_progress;
    bool forgetful; /* answers anew what it has answered */
    bool gullible;  /* takes anything */
};
static struct {
    struct faults faults;
    struct fake_payment *payments;
    size_t payments_n;
    size_t payments_cap, asked;
    struct fake_answer *answers[1024];
} florin;

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
    assert_true(patience_us >= 1000 && patience_us <= 60 * SECOND);
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

/* --- the tests --- */
static struct merchant merchants[MERCHANTS];

static struct clients *begin(const struct client_profile *profile, const struct faults *faults)
{
    uint8_t seed[32] = {7};
    memset(&world, 0, sizeof world);
    memset(&florin, 0, sizeof florin);
    world.now_us = INT64_C(1800000000) * SECOND;
    world.rng = det_make(0, seed);
    if (faults)
        florin.faults = *faults;
    for (int i = 0; i < MERCHANTS; i++)
        (void)snprintf(merchants[i].key, sizeof merchants[i].key, "sk_test_%d", i);
    seed[1] = 1;
    struct det rng = det_make(0, seed);
    struct client_profile p = *profile;
    p.until_us = world.now_us + HOUR;
    return clients_start(&p, merchants, MERCHANTS, &rng);
}

static void end(struct clients *c)
{
    run_until(world.now_us + HOUR); /* what is on the way holds memory */
    clients_free(c);
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

static void between(size_t value, double least, double most)
{
    if ((double)value < least || (double)value > most)
        fail_msg("%zu is not between %g and %g", value, least, most);
}

static void sound(const struct ask *all, size_t n)
{
    size_t *made = calloc(n, sizeof *made); /* payments by ask */
    for (size_t i = 0; i < florin.payments_n; i++) {
        assert_true(florin.payments[i].ask < n);
        made[florin.payments[i].ask]++;
    }
    for (size_t i = 0; i < n; i++) {
        const struct ask *a = &all[i];
        assert_int_equal(a->number, i);
        assert_true(a->settled && !a->differed && a->about <= i && a->tries > 0);
        assert_true(a->first_us > 0 && a->last_us >= a->first_us);
        if (a->key[0] || a->kind == ASK_READ)
            assert_true(a->first.status >= 200 && a->first.status < 500 && a->told_n > 0);
        else
            assert_int_equal(a->tries, 1);
        if (a->reuse)
            assert_int_equal(a->first.status, 422);
        if (a->foreign) {
            assert_true(a->first.status == 404 || (a->first.status == 0 && !a->key[0]));
            assert_int_not_equal(a->merchant, all[a->about].merchant);
        }
        if (a->kind == ASK_CREATE && a->first.status == 200)
            assert_true(a->payment[0] && made[i] == 1);
        assert_true(made[i] <= 1);
        if (a->kind == ASK_REFUND && a->first.status == 200)
            assert_true(a->refund[0] && strcmp(a->payment, all[a->about].payment) == 0);
    }
    free(made);
}

static const struct client_profile busy = {.payments_per_hour = 3000,
                                           .auth_only = 300,
                                           .cancel = 200,
                                           .refund = 300,
                                           .keyless = 100,
                                           .replay = 200,
                                           .twice = 100,
                                           .reuse = 50,
                                           .foreign = 50,
                                           .absurd = 100,
                                           .sync = 100,
                                           .read = 300};

struct tally {
    size_t kind[ASK_KIND_COUNT], genuine, auth_only, keyless, writes, reuse, foreign, twins,
        replayed, refused, yen, parts;
};

static struct tally tally_of(const struct ask *all, size_t n)
{
    struct tally t = {0};
    for (size_t i = 0; i < n; i++) {
        const struct ask *a = &all[i];
        t.kind[a->kind]++;
        bool genuine = a->kind == ASK_CREATE && !a->reuse && a->first.status != 400;
        t.genuine += genuine;
        t.auth_only += genuine && !a->capture;
        t.writes += a->kind != ASK_READ;
        t.keyless += a->kind != ASK_READ && !a->key[0];
        t.reuse += a->reuse;
        t.foreign += a->foreign;
        t.replayed += a->told_n > 1;
        t.refused += a->first.status >= 400;
        t.yen += strcmp(a->currency, "JPY") == 0;
        t.parts += a->kind == ASK_REFUND && a->amount > 0 && a->amount < all[a->about].amount;
    }
    return t;
}

static void rates_are_as_told(void **state)
{
    (void)state;
    size_t n;
    struct clients *c = begin(&busy, NULL);
    run_until(world.now_us + HOUR + 600 * SECOND);
    assert_true(clients_idle(c));
    const struct ask *all = clients_asks(c, &n);
    sound(all, n);
    assert_int_equal(world.count[COUNT_ASKS], n);
    struct tally t = tally_of(all, n);
    between(t.genuine, 2800, 3200);
    assert_int_equal(world.count[COUNT_PAYMENTS], t.genuine);
    between(t.auth_only, 0.26 * (double)t.genuine, 0.34 * (double)t.genuine);
    between(t.keyless, 0.08 * (double)t.writes, 0.12 * (double)t.writes);
    between(t.kind[ASK_SYNC], 0.07 * (double)t.genuine, 0.16 * (double)t.genuine);
    between(t.kind[ASK_READ], 0.25 * (double)t.genuine, 0.4 * (double)t.genuine);
    between(t.kind[ASK_CAPTURE], 0.15 * (double)t.genuine, 0.45 * (double)t.genuine);
    between(t.kind[ASK_CANCEL], 0.15 * (double)t.genuine, 0.35 * (double)t.genuine);
    between(t.kind[ASK_REFUND], 0.3 * (double)t.genuine, 0.9 * (double)t.genuine);
    between(t.foreign, 0.025 * (double)n, 0.06 * (double)n);
    between(t.reuse, 0.015 * (double)n, 0.06 * (double)n);
    between(t.replayed, 0.15 * (double)n, 0.35 * (double)n);
    between(t.refused, 0.1 * (double)n, 0.4 * (double)n);
    assert_true(t.yen > 0 && t.parts > 0);
    assert_int_equal(world.violations, 0);
    end(c);
}

static void nothing_is_begun_after_the_end(void **state)
{
    (void)state;
    size_t n, later;
    struct clients *c = begin(&busy, NULL);
    run_until(world.now_us + HOUR / 2);
    (void)clients_asks(c, &n);
    assert_true(n > 1000);
    clients_heal(c);
    run_until(world.now_us + 60 * SECOND);
    assert_true(clients_idle(c));
    const struct ask *all = clients_asks(c, &later);
    sound(all, later);
    assert_int_equal(n, later);
    end(c);
}

static uint64_t faulty_hour(struct client_profile profile)
{
    size_t n;
    struct faults faults = {.lose = 200, .lose_answer = 200, .busy = 100, .in_progress = 300};
    profile.impatient = 300;
    struct clients *c = begin(&profile, &faults);
    run_until(world.now_us + HOUR);
    memset(&florin.faults, 0, sizeof florin.faults);
    clients_heal(c);
    run_until(world.now_us + 120 * SECOND);
    assert_true(clients_idle(c));
    const struct ask *all = clients_asks(c, &n);
    sound(all, n);
    size_t untold = 0, tries = 0;
    for (size_t i = 0; i < n; i++) {
        untold += all[i].first.status == 0;
        tries += (size_t)all[i].tries;
    }
    assert_true(untold > 0 && tries > n * 5 / 4);
    assert_int_equal(world.violations, 0);
    uint64_t hash = world.hash;
    end(c);
    return hash;
}

static void all_is_settled_in_spite_of_faults(void **state)
{
    (void)state;
    struct client_profile other = busy;
    other.auth_only++;
    uint64_t hash = faulty_hour(busy);
    assert_true(hash == faulty_hour(busy));
    assert_true(hash != faulty_hour(other));
}

static void another_answer_is_noticed(void **state)
{
    (void)state;
    size_t n, differed = 0;
    struct faults faults = {.forgetful = true};
    struct clients *c = begin(&busy, &faults);
    run_until(world.now_us + HOUR / 4);
    const struct ask *all = clients_asks(c, &n);
    for (size_t i = 0; i < n; i++) {
        differed += all[i].differed;
        if (all[i].kind == ASK_SYNC || all[i].kind == ASK_READ || !all[i].key[0])
            assert_false(all[i].differed);
    }
    between(differed, (double)n / 20, (double)n / 2);
    end(c);
}

static void what_is_absurd_must_be_refused(void **state)
{
    (void)state;
    struct faults faults = {.gullible = true};
    struct clients *c = begin(&busy, &faults);
    run_until(world.now_us + HOUR / 4);
    assert_true(world.violations > 0);
    end(c);
}

/* --- asks of others --- */
static struct {
    struct clients *c;
    size_t settled, last;
} others;

static void on_settled(const struct ask *a, void *arg)
{
    assert_string_equal(arg, "of mine");
    assert_true(a->settled && a->first.status == 200 && a->kind == ASK_ENDPOINT);
    assert_string_equal(a->body.p, "{\"url\":\"http://a.test\"}");
    others.last = a->number;
    if (++others.settled < 1000) /* the list grows under the caller */
        (void)clients_add(others.c, a, on_settled, arg);
}

static void others_may_ask(void **state)
{
    (void)state;
    char text[] = "{\"url\":\"http://a.test\"}", mine[] = "of mine";
    struct client_profile none = {.until_us = 0};
    struct faults faults = {.lose = 300, .lose_answer = 300, .busy = 100};
    struct ask proto = {.kind = ASK_ENDPOINT,
                        .merchant = 1,
                        .method = "POST",
                        .path = "/v1/webhook_endpoints",
                        .body = {.p = text, .n = sizeof text - 1}};
    size_t n;
    others.c = begin(&none, &faults);
    char key[64];
    memcpy(key, merchants[1].key, sizeof key);
    merchants[1].key[0] = 0; /* comes into being a little later */
    others.settled = 0;
    assert_int_equal(clients_add(others.c, &proto, on_settled, mine), 0);
    assert_false(clients_idle(others.c));
    run_until(world.now_us + 10 * SECOND);
    assert_int_equal(clients_asks(others.c, &n)->tries, 0);
    memcpy(merchants[1].key, key, sizeof key);
    run_until(world.now_us + 100 * HOUR);
    assert_int_equal(others.settled, 1000);
    assert_true(clients_idle(others.c));
    const struct ask *all = clients_asks(others.c, &n);
    assert_int_equal(n, 1000);
    assert_int_equal(others.last, 999);
    for (size_t i = 0; i < n; i++)
        assert_true(all[i].key[0] && all[i].merchant == 1);
    end(others.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_as_told),
        cmocka_unit_test(nothing_is_begun_after_the_end),
        cmocka_unit_test(all_is_settled_in_spite_of_faults),
        cmocka_unit_test(another_answer_is_noticed),
        cmocka_unit_test(what_is_absurd_must_be_refused),
        cmocka_unit_test(others_may_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

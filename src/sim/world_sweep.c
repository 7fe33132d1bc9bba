/* Sweeps: for each operation of the API the n-th allocation, then the n-th call to the disk fails,
 * once and for ever, for every n there is. Whatever Florin then answers, or if it ends, nothing may
 * be lost or doubled, and when the fault is gone the same request must come to its end. */
#include "sim/world.h"

/* What is swept; path and body are filled with the ids of what was made before. */
static const struct sweep {
    const char *name, *token;
    enum ask_kind kind;
    bool capture; /* of the payment that it is about, or makes */
} sweeps[] = {
    {"create", "pm_tok_visa", ASK_CREATE, true},    {"authorize", "pm_tok_visa", ASK_CREATE, false},
    {"capture", "pm_tok_visa", ASK_CAPTURE, false}, {"cancel", "pm_tok_visa", ASK_CANCEL, false},
    {"refund", "pm_tok_visa", ASK_REFUND, true},    {"sync", "pm_tok_visa", ASK_SYNC, true},
    {"read", "pm_tok_visa", ASK_READ, true},        {"endpoint", "", ASK_ENDPOINT, false},
    {"start", "", ASK_KIND_COUNT, false}, /* of a node on a store that a killed one has left */
};

enum what { SWEEP_MEMORY, SWEEP_EIO, SWEEP_FULL, SWEEP_SHORT, SWEEP_COUNT };
static const char *const what_text[] = {"allocation", "failing call", "full disk", "short write"};

struct run {
    const struct sweep *sweep;
    int64_t nth;
    enum what what;
    bool for_ever;
    int64_t cases;
    size_t settled; /* asks */
};

static void on_settled(const struct ask *a, void *arg)
{
    struct run *r = arg;
    (void)a;
    r->settled++;
}

static const struct ask *ask_of(size_t number)
{
    size_t n;
    const struct ask *all = clients_asks(world.clients, &n);
    ASSERT(number < n);
    return &all[number];
}

/* Sends it and waits until it is settled. */
static size_t ask_and_wait(struct run *r, const struct ask *proto, int64_t seconds)
{
    size_t before = r->settled;
    size_t number = clients_add(world.clients, proto, on_settled, r);
    for (int64_t i = 0; i < seconds * 10 && r->settled == before && !loop_stopped(); i++)
        loop_until(sim_now_us() + 100000);
    return number;
}

static void body_of(struct ask *a, const char *text)
{
    a->body = BUF(1000);
    buf_str(&a->body, text);
}

/* Number of the ask that will be made next. */
static size_t next_number(void)
{
    size_t n;
    (void)clients_asks(world.clients, &n);
    return n;
}

static struct ask create_ask(const struct sweep *s)
{
    char body[300];
    struct ask a = {.kind = ASK_CREATE, .method = "POST", .path = "/v1/payments"};
    size_t number = next_number();
    a.amount = 1000;
    a.capture = s->capture;
    a.about = number;
    (void)snprintf(a.currency, sizeof a.currency, "EUR");
    (void)snprintf(a.key, sizeof a.key, "sweep-%zu", number);
    (void)snprintf(body, sizeof body,
                   "{\"amount\":1000,\"currency\":\"EUR\",\"payment_method_token\":\"%s\","
                   "\"capture\":%s,\"metadata\":{\"ask\":\"%zu\"}}",
                   s->token, s->capture ? "true" : "false", number);
    body_of(&a, body);
    return a;
}

static struct ask later_ask(const struct sweep *s, const struct ask *made)
{
    static const char *const paths[] = {[ASK_CAPTURE] = "/capture",
                                        [ASK_CANCEL] = "/cancel",
                                        [ASK_REFUND] = "/refund",
                                        [ASK_SYNC] = "/sync",
                                        [ASK_READ] = "/explain"};
    char body[200] = "{}";
    struct ask a = {.kind = s->kind, .method = "POST"};
    size_t number = next_number();
    a.about = made->number;
    (void)snprintf(a.payment, sizeof a.payment, "%s", made->payment);
    (void)snprintf(a.path, sizeof a.path, "/v1/payments/%s%s", made->payment, paths[s->kind]);
    (void)snprintf(a.key, sizeof a.key, "sweep-%zu", number);
    if (s->kind == ASK_READ)
        (void)snprintf(a.method, sizeof a.method, "GET");
    if (s->kind == ASK_REFUND)
        (void)snprintf(body, sizeof body, "{\"metadata\":{\"ask\":\"%zu\"}}", number);
    body_of(&a, s->kind == ASK_READ ? "" : body);
    return a;
}

static struct ask endpoint_ask(void)
{
    struct ask a = {.kind = ASK_ENDPOINT, .method = "POST", .path = "/v1/webhook_endpoints"};
    (void)snprintf(a.key, sizeof a.key, "sweep-%zu", next_number());
    body_of(&a, "{\"url\":\"http://nobody.test/hook\",\"enabled_events\":[\"*\"]}");
    return a;
}

static void fault_on(struct run *r, int64_t nth)
{
    struct proc *p = &world.procs[0];
    static const enum disk_fault how[] = {
        [SWEEP_EIO] = DISK_EIO, [SWEEP_FULL] = DISK_FULL, [SWEEP_SHORT] = DISK_SHORT};
    p->faulted = world.disk_faulty = true;
    if (r->what == SWEEP_MEMORY)
        heap_fail(p->heap, nth, r->for_ever);
    else
        disk_fail(world.disk, DISK_READ | DISK_WRITE | DISK_SYNC | DISK_TRUNCATE, nth, how[r->what],
                  r->for_ever);
}

/* Switches it off. How many calls could have failed? A process that died was hit. */
static int64_t fault_off(struct run *r, int process_run)
{
    struct proc *p = &world.procs[0];
    world.disk_faulty = false;
    if (r->what != SWEEP_MEMORY) {
        int64_t calls = disk_calls(world.disk, DISK_READ | DISK_WRITE | DISK_SYNC | DISK_TRUNCATE);
        disk_fail(world.disk, 0, 0, DISK_EIO, false);
        return calls;
    }
    if (p->state == PROC_DOWN || p->run != process_run)
        return INT64_MAX;
    int64_t count = heap_count(p->heap);
    heap_fail(p->heap, 0, false);
    return count;
}

static void await_up(void)
{
    for (int i = 0; i < 600 && world.procs[0].state != PROC_UP; i++)
        loop_until(sim_now_us() + 100000);
    ASSERT(world.procs[0].state == PROC_UP);
}

/* One case. false: the fault was not reached any more. */
static bool sweep_one(struct run *r, int64_t nth)
{
    const struct sweep *s = r->sweep;
    struct ask a;
    await_up();
    if (s->kind == ASK_CREATE) {
        a = create_ask(s);
    } else if (s->kind == ASK_ENDPOINT) {
        a = endpoint_ask();
    } else {
        struct ask first = create_ask(s);
        size_t made = ask_and_wait(r, &first, 60);
        buf_free(&first.body);
        a = later_ask(s, ask_of(made));
    }
    int process_run = world.procs[0].run;
    fault_on(r, nth);
    size_t number = ask_and_wait(r, &a, 2);
    bool reached = fault_off(r, process_run) >= nth;
    buf_free(&a.body);
    for (int i = 0; i < 1200 && !ask_of(number)->settled; i++)
        loop_until(sim_now_us() + 100000);
    if (!ask_of(number)->settled)
        sim_violation("sweep", "%s is not settled after %s %lld", s->name, what_text[r->what],
                      (long long)nth);
    else if (ask_of(number)->first.status >= 300 &&
             (r->what != SWEEP_MEMORY || ask_of(number)->first.status != 402))
        sim_violation("sweep", "%s ended with %d after %s %lld", s->name,
                      ask_of(number)->first.status, what_text[r->what], (long long)nth);
    r->cases++;
    return reached;
}

/* --- starting --- */
static void die(void *arg)
{
    (void)arg;
    sim_die("swept away");
}

static void fault_at_start(struct proc *p, void *arg)
{
    struct run *r = arg;
    (void)p;
    fault_on(r, r->nth);
}

static bool sweep_start(struct run *r, int64_t nth)
{
    struct proc *p = &world.procs[0];
    await_up();
    r->nth = nth;
    world.on_start = fault_at_start;
    world.on_start_arg = r;
    (void)proc_run(p, die, NULL);
    int first = p->run + 1;
    for (int i = 0; i < 300 && p->state != PROC_UP; i++)
        loop_until(sim_now_us() + 100000);
    world.on_start = NULL;
    bool reached = fault_off(r, first) >= nth;
    for (int i = 0; i < 600 && p->state != PROC_UP; i++)
        loop_until(sim_now_us() + 100000);
    if (p->state != PROC_UP)
        sim_violation("sweep", "it does not start after %s %lld", what_text[r->what],
                      (long long)nth);
    r->cases++;
    return reached && p->state == PROC_UP;
}

static int64_t sweep_all(const struct sweep *s, enum what what, bool for_ever)
{
    struct run r = {.sweep = s, .what = what, .for_ever = for_ever};
    int64_t nth = 1;
    while ((s->kind == ASK_KIND_COUNT ? sweep_start(&r, nth) : sweep_one(&r, nth)) && nth < 20000) {
        /* a start has thousands of allocations; what comes late is sampled */
        nth += s->kind == ASK_KIND_COUNT ? 1 + nth / 20 : 1;
        if (nth % 64 == 0)
            world_look(JUDGE_QUIET);
    }
    world_look(JUDGE_QUIET);
    printf("%-10s %-13s %-8s %6lld cases\n", s->name, what_text[what],
           for_ever ? "for ever" : "once", (long long)r.cases);
    (void)fflush(stdout);
    return r.cases;
}

void world_sweeps(const struct world_options *o, int share, int shares, struct world_result *ret)
{
    int turn = 0;
    *ret = (struct world_result){0};
    struct world_options quiet = *o;
    quiet.profile = "calm";
    quiet.scripted = true;
    heap_count_all(true);
    for (size_t i = 0; i < COUNT_OF(sweeps); i++)
        for (int what = 0; what < SWEEP_COUNT; what++)
            for (int for_ever = 0; for_ever < 2; for_ever++) {
                if (turn++ % shares != share)
                    continue;
                struct heap *before = heap_enter(NULL);
                world_open(&quiet);
                loop_until(sim_now_us() + 1000000);
                ret->looks += sweep_all(&sweeps[i], (enum what)what, for_ever);
                loop_until(sim_now_us() + HEALING_S * INT64_C(1000000));
                world_look(JUDGE_END);
                if (ret->violations == 0)
                    (void)snprintf(ret->first, sizeof ret->first, "%s", loop_first_violation());
                ret->violations += loop_violations();
                world_close();
                (void)heap_enter(before);
            }
}

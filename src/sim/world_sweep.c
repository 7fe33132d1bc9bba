/* Sweeps: for each operation of the API the n-th allocation, then the n-th call to the disk fails,
 * once and for ever, for every n there is. Whatever Florin then answers, or if it ends, nothing may
 * be lost or doubled, and when the fault is gone the same request must come to its end. */
#include "sim/world.h"

/* What is swept; path and body are filled with the ids of what was made before. */
enum { SWEEP_START = ASK_KIND_COUNT, SWEEP_EVENT };
static const struct sweep {
    const char *name, *token;
    int kind; /* of ask; SWEEP_START: of a node on a store that a killed one has left; SWEEP_EVENT:
                 what happens by itself after the payment was made */
    bool capture; /* of the payment that it is about, or makes */
    const char *verb, *body;
    int64_t wait_ms; /* after the payment was made; SWEEP_EVENT: until it is over */
    bool by_return;  /* payments are confirmed when the customer comes back */
} sweeps[] = {
    {"create", "pm_tok_visa", ASK_CREATE, true, "", "", 0, false},
    {"authorize", "pm_tok_visa", ASK_CREATE, false, "", "", 0, false},
    {"challenge", "pm_tok_3ds_challenge", ASK_CREATE, true, "", "", 0, false},
    {"soft", "pm_tok_3ds_soft_decline", ASK_CREATE, true, "", "", 0, false},
    {"confirm", "pm_tok_3ds_challenge", ASK_CONFIRM, true, "confirm", "", 1000, false},
    {"capture", "pm_tok_visa", ASK_CAPTURE, false, "capture", "{}", 0, false},
    {"part", "pm_tok_visa", ASK_CAPTURE, false, "capture", "{\"amount\":400}", 0, false},
    {"cancel", "pm_tok_visa", ASK_CANCEL, false, "cancel", "{}", 0, false},
    {"release", "pm_tok_visa", ASK_CANCEL, false, "cancel", "{\"amount\":400}", 0, false},
    {"withdraw", "pm_tok_3ds_open", ASK_CANCEL, false, "cancel", "{}", 0, false},
    {"increment", "pm_tok_visa", ASK_INCREMENT, false, "increment", "{\"amount\":400}", 0, false},
    {"refund", "pm_tok_visa", ASK_REFUND, true, "refund", "", 0, false},
    {"undo", "pm_tok_refund_pending", ASK_REFUND_CANCEL, true, "cancel", "", 0, false},
    {"evidence", "pm_tok_dispute_fraud", ASK_CONTEST, true, "evidence",
     "{\"receipt\":\"He has it\"}", 4000, false},
    {"submit", "pm_tok_dispute_fraud", ASK_CONTEST, true, "submit", "", 4000, false},
    {"accept", "pm_tok_dispute_fraud", ASK_CONTEST, true, "accept", "", 4000, false},
    {"dispute", "pm_tok_dispute_fraud", SWEEP_EVENT, true, "", "", 4000, false},
    {"expiry", "pm_tok_hold_short", SWEEP_EVENT, false, "", "", 7000, false},
    {"lapse", "pm_tok_3ds_open", SWEEP_EVENT, true, "", "", 15000, false},
    {"return", "pm_tok_3ds_challenge", SWEEP_EVENT, true, "", "", 5000, true},
    {"sync", "pm_tok_visa", ASK_SYNC, true, "sync", "{}", 0, false},
    {"read", "pm_tok_visa", ASK_READ, true, "explain", "", 0, false},
    {"order", "", ASK_MAKE, false, "", "", 0, false},
    {"endpoint", "", ASK_ENDPOINT, false, "", "", 0, false},
    {"start", "", SWEEP_START, false, "", "", 0, false},
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

static void name_ask(struct ask *a, size_t number)
{
    (void)snprintf(a->key, sizeof a->key, "sweep-%zu", number);
}

/* The first id with that prefix that an answer names; "" none. */
static void find_id(const struct ask *a, const char *prefix, char out[ID_TEXT_MAX])
{
    const struct buf *b = &a->first.body;
    const char *at = b->n ? memmem(b->p, b->n, prefix, strlen(prefix)) : NULL;
    out[0] = 0;
    if (at && (size_t)(b->p + b->n - at) > strlen(prefix) + 26)
        (void)snprintf(out, ID_TEXT_MAX, "%.*s", (int)strlen(prefix) + 26, at);
}

/* Makes what a later ask is about beside the payment: its path goes to out. */
static void prepare_refund(struct run *r, const struct ask *made, char out[160])
{
    struct ask refund = {.kind = ASK_REFUND, .method = "POST", .about = made->number};
    char body[100], id[ID_TEXT_MAX];
    (void)snprintf(refund.path, sizeof refund.path, "/v1/payments/%s/refund", made->payment);
    name_ask(&refund, next_number());
    (void)snprintf(body, sizeof body, "{\"metadata\":{\"ask\":\"%zu\"}}", next_number());
    body_of(&refund, body);
    find_id(ask_of(ask_and_wait(r, &refund, 60)), "rfd_", id);
    buf_free(&refund.body);
    (void)snprintf(out, 160, "/v1/refunds/%s/cancel", id);
}

static void prepare_dispute(struct run *r, const struct ask *made, char out[160])
{
    struct ask list = {.kind = ASK_READ, .method = "GET", .about = made->number};
    struct ask evidence = {.kind = ASK_CONTEST, .method = "POST", .about = made->number};
    char id[ID_TEXT_MAX];
    (void)snprintf(list.path, sizeof list.path, "/v1/disputes?payment=%s", made->payment);
    list.body = BUF(1);
    find_id(ask_of(ask_and_wait(r, &list, 60)), "dsp_", id);
    (void)snprintf(out, 160, "/v1/disputes/%s/%s", id, r->sweep->verb);
    if (strcmp(r->sweep->verb, "submit") != 0)
        return;
    (void)snprintf(evidence.path, sizeof evidence.path, "/v1/disputes/%s/evidence", id);
    name_ask(&evidence, next_number());
    body_of(&evidence, "{\"receipt\":\"He has it\"}");
    (void)ask_and_wait(r, &evidence, 60);
    buf_free(&evidence.body);
}

static struct ask later_ask(struct run *r, size_t first)
{
    const struct sweep *s = r->sweep;
    const struct ask made = *ask_of(first); /* the list moves */
    char body[200], path[160];
    if (s->kind == ASK_REFUND_CANCEL)
        prepare_refund(r, &made, path);
    else if (s->kind == ASK_CONTEST)
        prepare_dispute(r, &made, path);
    else
        (void)snprintf(path, sizeof path, "/v1/payments/%s/%s", made.payment, s->verb);
    size_t number = next_number();
    struct ask a = {.kind = (enum ask_kind)s->kind, .method = "POST", .about = first};
    (void)snprintf(a.payment, sizeof a.payment, "%s", made.payment);
    memcpy(a.path, path, sizeof a.path);
    name_ask(&a, number);
    if (s->kind == ASK_READ)
        (void)snprintf(a.method, sizeof a.method, "GET");
    (void)snprintf(body, sizeof body, "%s", s->body);
    if (s->kind == ASK_REFUND)
        (void)snprintf(body, sizeof body, "{\"metadata\":{\"ask\":\"%zu\"}}", number);
    body_of(&a, body);
    return a;
}

static struct ask object_ask(bool order)
{
    struct ask a = {.kind = order ? ASK_MAKE : ASK_ENDPOINT, .method = "POST"};
    (void)snprintf(a.path, sizeof a.path, "%s", order ? "/v1/orders" : "/v1/webhook_endpoints");
    name_ask(&a, next_number());
    body_of(&a, order ? "{\"amount\":1000,\"currency\":\"EUR\"}"
                      : "{\"url\":\"http://nobody.test/hook\",\"enabled_events\":[\"*\"]}");
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

/* The payment that it is about. */
static size_t make_payment(struct run *r)
{
    struct ask first = create_ask(r->sweep);
    size_t made = ask_and_wait(r, &first, 60);
    buf_free(&first.body);
    return made;
}

/* Without memory, or with a disk that fails, a call may not have been sent: that is told. */
static bool excused(const struct run *r, int status)
{
    return (r->what == SWEEP_MEMORY && status == 402) ||
           ((r->sweep->kind == ASK_CONTEST || r->sweep->kind == ASK_REFUND_CANCEL) &&
            status == 409);
}

/* One case. false: the fault was not reached any more. */
static bool sweep_one(struct run *r, int64_t nth)
{
    const struct sweep *s = r->sweep;
    struct ask a;
    await_up();
    if (s->kind == ASK_CREATE) {
        a = create_ask(s);
    } else if (s->kind == ASK_ENDPOINT || s->kind == ASK_MAKE) {
        a = object_ask(s->kind == ASK_MAKE);
    } else {
        size_t made = make_payment(r);
        loop_until(sim_now_us() + s->wait_ms * 1000);
        a = later_ask(r, made);
    }
    int process_run = world.procs[0].run;
    fault_on(r, nth);
    size_t number = ask_and_wait(r, &a, 2);
    bool reached = fault_off(r, process_run) >= nth;
    buf_free(&a.body);
    for (int i = 0; i < 1200 && !ask_of(number)->settled; i++)
        loop_until(sim_now_us() + 100000);
    int status = ask_of(number)->first.status;
    if (!ask_of(number)->settled)
        sim_violation("sweep", "%s is not settled after %s %lld", s->name, what_text[r->what],
                      (long long)nth);
    else if (status >= 300 && !excused(r, status))
        sim_violation("sweep", "%s ended with %d after %s %lld", s->name, status,
                      what_text[r->what], (long long)nth);
    r->cases++;
    return reached;
}

/* Something that happens by itself; that all ends well is looked at later. */
static bool sweep_event(struct run *r, int64_t nth)
{
    await_up();
    (void)make_payment(r);
    int process_run = world.procs[0].run;
    fault_on(r, nth);
    loop_until(sim_now_us() + r->sweep->wait_ms * 1000);
    bool reached = fault_off(r, process_run) >= nth;
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

static bool sweep_case(struct run *r, int64_t nth)
{
    return r->sweep->kind == SWEEP_START   ? sweep_start(r, nth)
           : r->sweep->kind == SWEEP_EVENT ? sweep_event(r, nth)
                                           : sweep_one(r, nth);
}

static int64_t sweep_all(const struct sweep *s, enum what what, bool for_ever)
{
    struct run r = {.sweep = s, .what = what, .for_ever = for_ever};
    /* a start has thousands of allocations, what takes its time some thousands, too; what comes
     * late is sampled */
    int64_t step = s->kind == SWEEP_START || s->kind == SWEEP_EVENT ? 20 : 200;
    for (int64_t nth = 1; nth < 20000 && sweep_case(&r, nth); nth += 1 + nth / step)
        if (r.cases % 64 == 0)
            world_look(JUDGE_QUIET);
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
    loop_verbose(o->trace, true);
    for (size_t i = 0; i < COUNT_OF(sweeps); i++)
        for (int what = 0; what < SWEEP_COUNT; what++)
            for (int for_ever = 0; for_ever < 2; for_ever++) {
                if (turn++ % shares != share)
                    continue;
                struct heap *before = heap_enter(NULL);
                quiet.by_return = sweeps[i].by_return;
                world_open(&quiet);
                loop_until(sim_now_us() + 1000000);
                ret->looks += sweep_all(&sweeps[i], (enum what)what, for_ever);
                world_heal();
                world_look(JUDGE_END);
                if (ret->violations == 0)
                    (void)snprintf(ret->first, sizeof ret->first, "%s", loop_first_violation());
                ret->violations += loop_violations();
                world_close();
                (void)heap_enter(before);
            }
}

/* Calls of a process to the provider and to webhook endpoints. */
#include "sim/world_internal.h"

/* No request is under way for longer: what the sandbox's connector promises about sockets
 * (not_found_final_after_ms) and the simulated network keeps. */
#define REQUEST_US_MAX 1500000

struct http_client {
    bool endpoints;
    struct flight *first; /* calls without an end */
};

/* A call on its way; in the simulator's memory, since it outlives the process. */
struct flight {
    struct flight *prev, *next; /* in the client's list */
    struct http_client *client; /* NULL: the process is gone, or has its answer */
    struct http_call *call;
    int proc, run, pending;
    bool endpoints, sent;
    char method[8], url[2100];
    char *header[12];
    struct buf body, answer;
    int status, retry_after_s;
    int64_t began_us;
};

static bool lives(const struct flight *f)
{
    const struct proc *p = &network->procs[f->proc];
    return f->client && p->state != PROC_DOWN && p->run == f->run;
}

static void flight_drop(struct flight *f)
{
    if (f->pending > 0)
        return;
    for (size_t i = 0; i < COUNT_OF(f->header) && f->header[i]; i++)
        mem_free(f->header[i]);
    buf_free(&f->body);
    buf_free(&f->answer);
    mem_free(f);
}

static void flight_at(struct flight *f, int64_t at_us, void (*fn)(void *))
{
    f->pending++;
    sim_at(at_us, fn, f);
}

/* --- in the process --- */
struct ending {
    struct flight *f;
    enum http_sent sent;
    const char *error;
};

static void end_call(void *arg)
{
    struct ending *e = arg;
    struct flight *f = e->f;
    struct http_client *c = f->client;
    char retry[16];
    if (f->prev)
        f->prev->next = f->next;
    else
        c->first = f->next;
    if (f->next)
        f->next->prev = f->prev;
    f->client = NULL;
    (void)snprintf(retry, sizeof retry, "%d", f->retry_after_s);
    struct http_result r = {.sent = e->sent,
                            .status = f->status,
                            .content_type = STR("application/json"),
                            .latency_us = sim_now_us() - f->began_us + 1,
                            .error = e->error};
    if (e->sent == HTTP_ANSWERED)
        r.body = buf_view(&f->answer);
    if (f->retry_after_s > 0)
        r.retry_after = str_from(retry);
    f->call->done(f->call, &r);
}

/* Tells the process, if it is still the one that called. */
static void finish(struct flight *f, enum http_sent sent, const char *error)
{
    struct ending e = {f, sent, error};
    struct proc *p = &network->procs[f->proc];
    if (lives(f) && proc_run(p, end_call, &e))
        proc_plan(p);
}

/* --- the world's part --- */
static void timed_out(void *arg)
{
    struct flight *f = arg;
    f->pending--;
    finish(f, f->sent ? HTTP_UNKNOWN : HTTP_NOT_SENT, "timed out");
    flight_drop(f);
}

static void refused(void *arg)
{
    struct flight *f = arg;
    f->pending--;
    finish(f, HTTP_NOT_SENT, "connection refused");
    flight_drop(f);
}

static void answer_arrives(void *arg)
{
    struct flight *f = arg;
    f->pending--;
    finish(f, HTTP_ANSWERED, "");
    flight_drop(f);
}

static void answer_leaves(struct flight *f, int64_t wait_us)
{
    struct det *rng = &network->rng;
    if (sim_chance(rng, network->profile.lose_answer))
        return;
    if (sim_chance(rng, network->profile.slow))
        wait_us += sim_between(rng, 0, 20000000);
    flight_at(f, sim_now_us() + wait_us + sim_between(rng, 100, 20000), answer_arrives);
}

static void provider_has_it(struct flight *f, struct buf *out)
{
    struct str path = str_from(strstr(f->url, "//") + 2);
    const char *slash = memchr(path.p, '/', path.n);
    ASSERT(slash != NULL);
    if (network->procs[f->proc].role == PROC_API)
        typed_must_not_be_in("a request of api", buf_view(&f->body));
    path = (struct str){slash, path.n - (size_t)(slash - path.p)};
    f->status = provider_request(network->provider, sim_now_us(), f->method, path,
                                 (const char *const *)f->header, buf_view(&f->body), out);
    sim_trace("provider %s " STR_FMT " -> %d", f->method, STR_ARG(path), f->status);
    sim_count(COUNT_CALLS, 1);
}

static void provider_gets(void *arg)
{
    struct flight *f = arg;
    f->pending--;
    provider_has_it(f, &f->answer);
    answer_leaves(f, 0);
    flight_drop(f);
}

/* The same bytes once more: a connection that broke and was made anew. */
static void provider_gets_again(void *arg)
{
    struct flight *f = arg;
    struct buf nobody = BUF((size_t)1 << 20);
    int status = f->status;
    f->pending--;
    provider_has_it(f, &nobody);
    f->status = status;
    buf_free(&nobody);
    flight_drop(f);
}

static void endpoint_gets(void *arg)
{
    struct flight *f = arg;
    int64_t wait_us = 0;
    f->pending--;
    typed_must_not_be_in("a webhook", buf_view(&f->body));
    f->status =
        receiver_request(network->receivers, sim_now_us(), f->url, (const char *const *)f->header,
                         buf_view(&f->body), &wait_us, &f->retry_after_s);
    sim_trace("endpoint %s -> %d", f->url, f->status);
    sim_count(COUNT_DELIVERIES, 1);
    if (f->status > 0)
        answer_leaves(f, wait_us);
    flight_drop(f);
}

static void send_now(struct flight *f, int64_t timeout_us)
{
    const struct network_profile *n = &network->profile;
    struct det *rng = &network->rng;
    int64_t now_us = sim_now_us(), travel_us = sim_between(rng, 100, 20000);
    bool refuses = f->endpoints
                       ? !network->receivers || receiver_refuses(network->receivers, f->url)
                       : network->outage || sim_chance(rng, n->refuse);
    if (refuses) {
        flight_at(f, now_us + travel_us, refused);
        return;
    }
    f->sent = true;
    flight_at(f, now_us + timeout_us, timed_out);
    if (sim_chance(rng, n->lose_request))
        return;
    if (sim_chance(rng, n->slow))
        travel_us = sim_between(rng, 0, REQUEST_US_MAX);
    if (f->endpoints) {
        flight_at(f, now_us + travel_us, endpoint_gets);
        return;
    }
    flight_at(f, now_us + travel_us, provider_gets);
    if (sim_chance(rng, n->twice))
        flight_at(f, now_us + sim_between(rng, travel_us, REQUEST_US_MAX), provider_gets_again);
}

/* The call waited in the process's queue until now. */
static void begin(void *arg)
{
    struct flight *f = arg;
    f->pending--;
    if (lives(f)) {
        const struct http_call *c = f->call;
        struct proc *p = &network->procs[f->proc];
        if (c->start_before_us && proc_now_us(p) > c->start_before_us)
            finish(f, HTTP_NOT_SENT, "waited too long to be sent");
        else
            send_now(f, c->timeout_ms * 1000);
    }
    flight_drop(f);
}

static struct flight *flight_new(struct http_client *c, struct http_call *call)
{
    struct flight *f = mem_alloc(sizeof *f);
    ASSERT(f != NULL);
    *f = (struct flight){.client = c,
                         .call = call,
                         .proc = proc_current()->index,
                         .run = proc_current()->run,
                         .endpoints = c->endpoints,
                         .body = BUF((size_t)8 << 20),
                         .answer = BUF((size_t)8 << 20),
                         .began_us = sim_now_us()};
    (void)snprintf(f->method, sizeof f->method, "%s", call->method);
    (void)snprintf(f->url, sizeof f->url, "%s", call->url);
    for (size_t i = 0; call->headers && call->headers[i]; i++) {
        size_t n = strlen(call->headers[i]) + 1;
        ASSERT(i + 1 < COUNT_OF(f->header));
        f->header[i] = mem_alloc(n);
        memcpy(f->header[i], call->headers[i], n);
    }
    buf_add(&f->body, call->body.p ? call->body.p : "", call->body.n);
    f->next = c->first;
    if (f->next)
        f->next->prev = f;
    c->first = f;
    return f;
}

void http_client_call(struct http_client *c, struct http_call *call)
{
    struct det *rng = &network->rng;
    proc_effect();
    struct heap *before = heap_enter(NULL);
    struct flight *f = flight_new(c, call);
    bool queued = !c->endpoints && sim_chance(rng, network->profile.queue);
    flight_at(f, sim_now_us() + (queued ? sim_between(rng, 0, 40000000) : 0), begin);
    (void)heap_enter(before);
    proc_effect();
}

struct post {
    void (*fn)(void *arg);
    void *arg;
};

static void run_post(void *arg)
{
    struct post *p = arg;
    p->fn(p->arg);
}

void http_client_post(struct http_client *c, void (*fn)(void *), void *arg)
{
    (void)c;
    struct heap *before = heap_enter(NULL);
    struct post *p = mem_alloc(sizeof *p);
    ASSERT(p != NULL);
    *p = (struct post){fn, arg};
    (void)heap_enter(before);
    loop_at(sim_now_us(), proc_current()->index, run_post, p, true);
}

err_t http_client_start(const char *name, unsigned calls_max, struct http_client **ret,
                        struct err_info *reterr)
{
    (void)calls_max;
    struct http_client *c = mem_alloc(sizeof *c);
    if (!c)
        return error_set(reterr, ERR_NO_MEMORY, "no memory for the HTTP client");
    c->endpoints = strcmp(name, "endpoints") == 0;
    *ret = c;
    return OK;
}

void http_client_stop(struct http_client *c)
{
    while (c->first) {
        struct ending e = {c->first, c->first->sent ? HTTP_UNKNOWN : HTTP_NOT_SENT,
                           "the client stops"};
        end_call(&e);
    }
    mem_free(c);
}

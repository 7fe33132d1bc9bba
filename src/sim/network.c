/* The network: http.h without sockets. Requests of clients arrive at a process and their answers go
 * back; calls of a process reach the provider and the endpoints; all of it late, lost, cut or
 * doubled. */
#include "sim/world_internal.h"

struct network *network;

/* --- one request from outside --- */
struct exchange {
    struct exchange *prev, *next; /* in the process's list, while it has the request */
    int proc;                     /* -1: not there */
    bool over;                    /* the client has its answer, or gave up */
    bool public;                  /* to the public port */
    int method;
    char path[400];
    struct buf headers, body; /* "Name: value\n" lines */
    void (*sign)(struct buf *headers, int64_t clock_us, bool faulted, void *arg);
    void (*done)(const struct reply *r, void *arg);
    void *arg;
    struct http_request *req;
    struct reply reply;
    struct buf answer;
    int64_t tag; /* for on_answer; negative: none */
    int pending; /* events that point here */
};

/* The request as the process holds it. */
struct request {
    struct http_request pub;
    struct exchange *x; /* NULL: the client is gone */
    struct server *server;
    const struct http_route *route;
    struct str headers;
};

struct server {
    struct http_server_config config;
    size_t active;
    bool quiescing;
};
/* The library's name for it. */
struct http_server {
    struct server s;
};

static void exchange_drop(struct exchange *x)
{
    if (x->pending > 0 || x->req || !x->over)
        return;
    buf_free(&x->headers);
    buf_free(&x->body);
    buf_free(&x->answer);
    mem_free(x);
}

static void exchange_at(struct exchange *x, int64_t at_us, void (*fn)(void *))
{
    x->pending++;
    sim_at(at_us, fn, x);
}

static void tell(struct exchange *x, const struct reply *r)
{
    if (!x->over) {
        x->over = true;
        if (x->done)
            x->done(r, x->arg);
    }
}

static void cut(void *arg)
{
    struct exchange *x = arg;
    x->pending--;
    tell(x, &(struct reply){0});
    exchange_drop(x);
}

static void answered(void *arg)
{
    struct exchange *x = arg;
    x->pending--;
    x->reply.body = buf_view(&x->answer);
    tell(x, &x->reply);
    exchange_drop(x);
}

static void list_add(struct proc *p, struct exchange *x)
{
    x->proc = p->index;
    x->prev = NULL;
    x->next = p->open;
    if (p->open)
        p->open->prev = x;
    p->open = x;
}

static void list_remove(struct proc *p, struct exchange *x)
{
    if (x->prev)
        x->prev->next = x->next;
    else
        p->open = x->next;
    if (x->next)
        x->next->prev = x->prev;
    x->proc = -1;
}

void network_proc_gone(struct proc *p)
{
    while (p->open) {
        struct exchange *x = p->open;
        list_remove(p, x);
        x->req = NULL;
        exchange_at(x, sim_now_us() + sim_between(&network->rng, 100, 5000), cut);
    }
    p->server = p->public_server = NULL;
}

/* --- the server's side --- */
static struct server *server_of(const struct proc *p, const struct exchange *x)
{
    return x->public ? p->public_server : p->server;
}

static bool segment_matches(struct str pattern, struct str have, struct str *params, size_t *n)
{
    if (pattern.n > 0 && pattern.p[0] == '{') {
        ASSERT(*n < HTTP_PARAMS_MAX);
        params[(*n)++] = have;
        return have.n > 0;
    }
    return str_eq(pattern, have);
}

static struct str next_segment(struct str *rest)
{
    const char *slash = memchr(rest->p, '/', rest->n);
    struct str s = {rest->p, slash ? (size_t)(slash - rest->p) : rest->n};
    size_t used = s.n + (slash ? 1 : 0);
    *rest = (struct str){rest->p + used, rest->n - used};
    return s;
}

static bool route_matches(const struct http_route *r, struct http_request *req)
{
    struct str pattern = str_from(r->pattern + 1), path = {req->path.p + 1, req->path.n - 1};
    size_t n = 0;
    if (r->method != req->method)
        return false;
    while (pattern.n > 0 && path.n > 0)
        if (!segment_matches(next_segment(&pattern), next_segment(&path), req->params, &n))
            return false;
    return pattern.n == 0 && path.n == 0;
}

static const struct http_route *find_route(const struct server *s, struct http_request *req)
{
    for (size_t i = 0; i < s->config.routes_n; i++)
        if (route_matches(&s->config.routes[i], req))
            return &s->config.routes[i];
    return NULL;
}

/* In the process. */
static void serve(void *arg)
{
    struct exchange *x = arg;
    struct proc *p = proc_current();
    struct server *s = server_of(p, x);
    struct request *r = mem_alloc(sizeof *r);
    struct arena *arena = r ? arena_new((size_t)1 << 20) : NULL;
    if (!arena) { /* the connection is closed */
        mem_free(r);
        list_remove(p, x);
        exchange_at(x, sim_now_us() + 100, cut);
        return;
    }
    struct det det = sys_det();
    struct str path = str_from(arena_copy(arena, x->path, strlen(x->path)));
    const char *question = path.n ? memchr(path.p, '?', path.n) : NULL;
    r->x = x;
    r->server = s;
    r->headers = (struct str){arena_copy(arena, x->headers.p, x->headers.n), x->headers.n};
    r->pub = (struct http_request){.method = x->method,
                                   .path = path,
                                   .arena = arena,
                                   .request_id = id_new(&det),
                                   .received_us = det.now_us};
    if (question) {
        r->pub.path.n = (size_t)(question - path.p);
        r->pub.query = (struct str){question + 1, path.n - r->pub.path.n - 1};
    }
    if (path.p && r->headers.p)
        r->pub.body = (struct str){arena_copy(arena, x->body.p, x->body.n), x->body.n};
    x->req = &r->pub;
    s->active++;
    r->route = r->pub.body.p ? find_route(s, &r->pub) : NULL;
    if (r->route) {
        (s->config.gate ? s->config.gate : r->route->handler)(&r->pub, s->config.ctx);
        return;
    }
    struct err_info info = {.err = r->pub.body.p ? ERR_NOT_FOUND : ERR_NO_MEMORY};
    http_reply_problem(&r->pub, &info);
}

struct str http_header(struct http_request *req, const char *name)
{
    struct str rest = ((const struct request *)(const void *)req)->headers, want = str_from(name);
    while (rest.n > 0) {
        const char *end = memchr(rest.p, '\n', rest.n), *colon = memchr(rest.p, ':', rest.n);
        ASSERT(end && colon && colon < end);
        if (str_eq_nocase((struct str){rest.p, (size_t)(colon - rest.p)}, want))
            return (struct str){colon + 2, (size_t)(end - colon - 2)};
        rest = (struct str){end + 1, rest.n - (size_t)(end + 1 - rest.p)};
    }
    return (struct str){0};
}

int http_header_count(struct http_request *req, const char *name)
{
    return http_header(req, name).p ? 1 : 0;
}

void http_headers(struct http_request *req, struct buf *out)
{
    struct str all = ((const struct request *)(const void *)req)->headers;
    bool name = true;
    for (size_t i = 0; i < all.n; i++) {
        char c = all.p[i];
        buf_byte(out, name && c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c);
        name = c == '\n' || (name && c != ':');
    }
}

const struct http_route *http_request_route(struct http_request *req)
{
    return ((const struct request *)(const void *)req)->route;
}

static void note_headers(struct exchange *x, const struct http_answer *answer)
{
    for (size_t i = 0; i < answer->headers_n; i++) {
        const struct http_answer_header *h = &answer->headers[i];
        int64_t v;
        if (strcmp(h->name, "Idempotent-Replayed") == 0)
            x->reply.replayed = true;
        else if (strcmp(h->name, "Retry-After") == 0 && str_to_i64(str_from(h->value), &v))
            x->reply.retry_after_s = (int)v;
    }
}

/* The answer leaves the process: from here on the client may have it. */
static void answer_out(struct exchange *x, const struct http_answer *answer)
{
    bool failed = answer->body && answer->body->failed;
    struct heap *before = heap_enter(NULL);
    x->reply.status = failed ? 500 : answer->status;
    x->answer = BUF((size_t)32 << 20);
    if (answer->body && !failed)
        buf_add(&x->answer, answer->body->p, answer->body->n);
    ASSERT(!x->answer.failed);
    typed_must_not_be_in("an answer", buf_view(&x->answer));
    note_headers(x, answer);
    if (network->on_answer && x->tag >= 0)
        network->on_answer(x->tag, x->reply.status);
    int64_t at_us = sim_now_us() + sim_between(&network->rng, 50, 3000);
    exchange_at(x, at_us, sim_chance(&network->rng, network->profile.cut) ? cut : answered);
    (void)heap_enter(before);
}

void http_reply(struct http_request *req, struct http_answer *answer)
{
    struct request *r = (struct request *)(void *)req;
    struct proc *p = proc_current();
    proc_effect();
    if (r->x) {
        list_remove(p, r->x);
        r->x->req = NULL;
        answer_out(r->x, answer);
    }
    if (answer->body)
        buf_free(answer->body);
    r->server->active--;
    arena_free(r->pub.arena);
    mem_free(r);
    proc_effect();
}

void http_reply_problem(struct http_request *req, const struct err_info *info)
{
    struct buf body = BUF(16384);
    problem_write(&body, info, req->request_id, NULL, NULL);
    struct http_answer answer = {.status = error_def(info->err)->status, .body = &body};
    http_reply(req, &answer);
}

err_t http_server_start(const struct http_server_config *config, struct http_server **ret,
                        struct err_info *reterr)
{
    struct http_server *s = mem_alloc(sizeof *s);
    if (!s)
        return error_set(reterr, ERR_NO_MEMORY, "no memory for the HTTP server");
    s->s.config = *config;
    if (strcmp(config->name, "private") == 0)
        proc_current()->server = &s->s;
    else
        proc_current()->public_server = &s->s;
    *ret = s;
    return OK;
}

void http_server_quiesce(struct http_server *s)
{
    s->s.quiescing = true;
}

size_t http_server_active(struct http_server *s)
{
    return s->s.active;
}

void http_server_stop(struct http_server *s)
{
    struct proc *p = proc_current();
    ASSERT(s->s.active == 0);
    if (p->server == &s->s)
        p->server = NULL;
    if (p->public_server == &s->s)
        p->public_server = NULL;
    mem_free(s);
}

/* --- the client's side --- */
static void arrive(void *arg)
{
    struct exchange *x = arg;
    x->pending--;
    struct proc *p = &network->procs[x->proc];
    if (x->over) { /* gave up before it was there: it arrives all the same */
        x->proc = -1;
    }
    const struct server *s = server_of(p, x);
    if (p->state != PROC_UP || !s || s->quiescing) {
        x->proc = -1;
        tell(x, &(struct reply){0});
        exchange_drop(x);
        return;
    }
    if (x->sign)
        x->sign(&x->headers, proc_wall_us(p), p->faulted, x->arg);
    ASSERT(!x->headers.failed);
    list_add(p, x);
    if (proc_run(p, serve, x))
        proc_plan(p);
}

static int method_of(const char *text)
{
    return strcmp(text, "GET") == 0 ? HTTP_GET : HTTP_POST;
}

static void lose_patience(void *arg)
{
    struct exchange *x = arg;
    x->pending--;
    tell(x, &(struct reply){0});
    exchange_drop(x);
}

static struct exchange *exchange_new(void (*done)(const struct reply *r, void *arg), void *arg)
{
    struct exchange *x = mem_alloc(sizeof *x);
    ASSERT(x != NULL);
    *x = (struct exchange){.done = done, .arg = arg};
    x->proc = (int)det_below(&network->rng, (uint64_t)network->procs_n);
    x->headers = BUF(4096);
    x->body = BUF((size_t)1 << 20);
    return x;
}

static void set_out(struct exchange *x, int64_t patience_us)
{
    ASSERT(!x->headers.failed && !x->body.failed);
    exchange_at(x, sim_now_us() + sim_between(&network->rng, 50, 2000), arrive);
    exchange_at(x, sim_now_us() + patience_us, lose_patience);
}

void network_ask(const struct ask *a, const char *api_key, int64_t patience_us,
                 void (*done)(const struct reply *r, void *arg), void *arg)
{
    struct heap *before = heap_enter(NULL);
    struct exchange *x = exchange_new(done, arg);
    x->method = method_of(a->method);
    x->tag = (int64_t)a->number;
    (void)snprintf(x->path, sizeof x->path, "%s", a->path);
    buf_printf(&x->headers, "Authorization: Bearer %s\n", api_key);
    if (a->key[0])
        buf_printf(&x->headers, "Idempotency-Key: %s\n", a->key);
    buf_add(&x->body, a->body.p ? a->body.p : "", a->body.n);
    set_out(x, patience_us);
    (void)heap_enter(before);
}

void network_visit(const struct visit *v)
{
    struct heap *before = heap_enter(NULL);
    struct exchange *x = exchange_new(v->done, v->arg);
    x->public = true;
    if (v->to_card)
        x->proc += PROC_CARDS;
    x->method = method_of(v->method);
    x->tag = v->tag > 0 ? v->tag : -1;
    (void)snprintf(x->path, sizeof x->path, STR_FMT, STR_ARG(v->path));
    x->sign = v->sign;
    buf_add(&x->body, v->body.p ? v->body.p : "", v->body.n);
    set_out(x, v->patience_us);
    (void)heap_enter(before);
}

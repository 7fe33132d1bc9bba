/* Start, stop, routes. */
#include "sandbox/sandbox_internal.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define NEEDS_TOKEN 1u
#define STOP_WAIT_MS 2000
#define BODY_BYTES_MAX ((size_t)8 << 20) /* evidence has files in it */
#define HOST_MAX 240

static void post_any(struct http_request *req, struct sandbox *s, enum kind kind)
{
    struct call *c = call_new(s, req, kind);
    if (c && call_read(c))
        call_begin(c);
}

static void charges_post(struct http_request *req, void *ctx)
{
    post_any(req, ctx, KIND_CHARGE);
}

static void captures_post(struct http_request *req, void *ctx)
{
    post_any(req, ctx, KIND_CAPTURE);
}

static void voids_post(struct http_request *req, void *ctx)
{
    post_any(req, ctx, KIND_VOID);
}

static void refunds_post(struct http_request *req, void *ctx)
{
    post_any(req, ctx, KIND_REFUND);
}

static void confirm_post(struct http_request *req, void *ctx)
{
    post_any(req, ctx, KIND_CONFIRM);
}

static void increments_post(struct http_request *req, void *ctx)
{
    post_any(req, ctx, KIND_INCREMENT);
}

static void refund_cancel_post(struct http_request *req, void *ctx)
{
    post_any(req, ctx, KIND_CANCEL);
}

static void operations_get(struct http_request *req, void *ctx)
{
    struct call *c = call_new(ctx, req, KIND_INQUIRY);
    if (!c)
        return;
    struct str reference = req->params[0];
    if (!reference_valid(reference)) {
        answer_code(req, 400, "invalid_request", "reference: 1 to 64 letters, digits, _ and -");
        return;
    }
    c->reference = arena_copy(req->arena, reference.p, reference.n);
    if (!c->reference)
        answer_code(req, 503, "unavailable", "There is no memory for this request.");
    else
        call_begin(c);
}

static void healthz_get(struct http_request *req, void *ctx)
{
    struct sandbox *s = ctx;
    struct buf body = BUF(64);
    bool ready = store_ready(s->store);
    buf_str(&body, ready ? "{\"status\":\"ok\"}" : "{\"status\":\"unavailable\"}");
    struct http_answer answer = {.status = ready ? 200 : 503, .body = &body};
    http_reply(req, &answer);
}

static const struct http_route routes[] = {
    {HTTP_POST, "/v2/charges", charges_post, NEEDS_TOKEN},
    {HTTP_POST, "/v2/charges/{reference}/captures", captures_post, NEEDS_TOKEN},
    {HTTP_POST, "/v2/charges/{reference}/voids", voids_post, NEEDS_TOKEN},
    {HTTP_POST, "/v2/charges/{reference}/refunds", refunds_post, NEEDS_TOKEN},
    {HTTP_POST, "/v2/charges/{reference}/confirm", confirm_post, NEEDS_TOKEN},
    {HTTP_POST, "/v2/charges/{reference}/increments", increments_post, NEEDS_TOKEN},
    {HTTP_POST, "/v2/refunds/{reference}/cancel", refund_cancel_post, NEEDS_TOKEN},
    {HTTP_GET, "/v2/operations/{reference}", operations_get, NEEDS_TOKEN},
    {HTTP_GET, "/v2/disputes/{id}", dispute_get, NEEDS_TOKEN},
    {HTTP_POST, "/v2/disputes/{id}/evidence", dispute_evidence_post, NEEDS_TOKEN},
    {HTTP_POST, "/v2/disputes/{id}/accept", dispute_accept_post, NEEDS_TOKEN},
    {HTTP_GET, "/book", book_get, 0},
    {HTTP_GET, "/challenge/{id}", challenge_get, 0},
    {HTTP_POST, "/challenge/{id}", challenge_post, 0},
    {HTTP_GET, "/pages/{name}", pages_get, 0},
    {HTTP_GET, "/control", control_get, 0},
    {HTTP_GET, "/control/webhooks", control_webhooks_get, 0},
    {HTTP_POST, "/control/webhooks", control_webhooks_post, 0},
    {HTTP_POST, "/control/disputes", control_disputes_post, 0},
    {HTTP_POST, "/control/disputes/{id}", control_dispute_post, 0},
    {HTTP_POST, "/control/refunds/{reference}", control_refund_post, 0},
    {HTTP_POST, "/control/charges/{reference}", control_charge_post, 0},
    {HTTP_POST, "/control/faults", faults_post, 0},
    {HTTP_DELETE, "/control/faults", faults_delete, 0},
    {HTTP_GET, "/healthz", healthz_get, 0},
};

static void gate(struct http_request *req, void *ctx)
{
    static const struct str scheme = {"Bearer ", 7};
    const struct http_route *route = http_request_route(req);
    if (route->flags & NEEDS_TOKEN) {
        struct str given = http_header(req, "Authorization");
        if (given.n <= scheme.n || !str_eq_nocase((struct str){given.p, scheme.n}, scheme)) {
            answer_code(req, 401, "unauthorized", "Send Authorization: Bearer and any token.");
            return;
        }
    }
    route->handler(req, ctx);
}

/* A name and a port: what a link may be made of. */
static bool host_valid(struct str host)
{
    for (size_t i = 0; i < host.n; i++) {
        char ch = host.p[i];
        bool alnum =
            (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');
        if (!alnum && (ch == 0 || !strchr(".-_:[]", ch)))
            return false;
    }
    return host.n > 0 && host.n <= HOST_MAX;
}

const char *sandbox_base_url(struct sandbox *s, struct http_request *req)
{
    struct str host = http_header(req, "Host");
    if (!host_valid(host))
        host = str_from(s->address);
    return arena_printf(req->arena, "http://" STR_FMT, STR_ARG(host));
}

static err_t book_open(struct sandbox *s, const char *dir, struct err_info *reterr)
{
    char path[1100];
    int n = snprintf(path, sizeof path, "%s/sandbox.db", dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return error_set(reterr, ERR_CONFIG, "The folder's name is too long.");
    struct store_config config = {.path = path,
                                  .migrations = "sandbox",
                                  .batch_max = 256,
                                  .readers = 1,
                                  .cache_kib = 4096,
                                  .queue_max = 20000};
    err_t err = store_open(&config, true, &s->store, reterr);
    if (err)
        return err;
    err = due_start(s);
    return err ? error_set(reterr, err, "The sandbox's book cannot be written.") : OK;
}

static err_t serve(struct sandbox *s, int fd, struct err_info *reterr)
{
    struct http_server_config config = {.name = "sandbox",
                                        .listen_fd = fd,
                                        .routes = routes,
                                        .routes_n = COUNT_OF(routes),
                                        .ctx = s,
                                        .gate = gate,
                                        .header_bytes_max = 16384,
                                        .body_bytes_max = BODY_BYTES_MAX,
                                        .read_timeout_ms = 10000,
                                        .idle_timeout_ms = 60000,
                                        .connections_max = 4096,
                                        .failures_expected = true};
    return http_server_start(&config, &s->http, reterr);
}

err_t sandbox_start(const struct sandbox_config *config, struct sandbox **ret,
                    struct err_info *reterr)
{
    ASSERT(config->slow_ms >= 0 && config->hang_ms >= 0 && config->address);
    struct sandbox *s = mem_alloc(sizeof *s);
    if (!s) {
        close(config->listen_fd);
        return error_set(reterr, ERR_NO_MEMORY, "no memory for the sandbox");
    }
    s->slow_ms = config->slow_ms;
    s->hang_ms = config->hang_ms;
    s->webhooks = config->webhooks;
    s->challenge_ms = config->challenge_ms;
    s->dispute_ms = config->dispute_ms;
    (void)snprintf(s->address, sizeof s->address, "%s", config->address);
    int failed = pthread_mutex_init(&s->faults.lock, NULL);
    ASSERT(failed == 0);
    timer_start(&s->timer);
    err_t err = notify_make(s, reterr);
    if (!err)
        err = book_open(s, config->data_dir, reterr);
    if (!err)
        err = notify_start(s, reterr);
    if (err)
        close(config->listen_fd);
    else
        err = serve(s, config->listen_fd, reterr);
    if (err)
        sandbox_stop(s);
    else
        *ret = s;
    return err;
}

/* What runs at the store is answered in a moment; a client that does not read must not keep us. */
static void wait_answered(struct http_server *http)
{
    static const struct timespec pause = {.tv_nsec = 2000000};
    for (int i = 0; i < STOP_WAIT_MS / 2 && http_server_active(http) > 0; i++)
        (void)nanosleep(&pause, NULL);
}

void sandbox_stop(struct sandbox *s)
{
    if (s->http)
        http_server_quiesce(s->http);
    timer_stop(&s->timer);
    if (s->notify)
        notify_stop(s);
    if (s->http) {
        wait_answered(s->http);
        http_server_stop(s->http);
    }
    if (s->store)
        store_close(s->store); /* the last answers; late ones of the timer are given at once */
    due_free(s);
    notify_free(s);
    pthread_mutex_destroy(&s->faults.lock);
    pthread_mutex_destroy(&s->timer.lock);
    pthread_cond_destroy(&s->timer.changed);
    mem_free(s);
}

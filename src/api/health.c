/* /healthz, /readyz, /metrics. */
#include "api/api_internal.h"

#include "observe/observe.h"

static void answer_text(struct http_request *req, int status, const char *type, struct buf *body)
{
    struct http_answer answer = {.status = status, .content_type = type, .body = body};
    http_reply(req, &answer);
    buf_free(body);
}

void on_healthz(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct buf b = BUF(64);
    buf_str(&b, "{\"status\":\"ok\"}");
    answer_text(req, 200, NULL, &b);
}

void on_readyz(struct http_request *req, void *ctx)
{
    struct api *api = ctx;
    bool ready = store_ready(api->config.store);
    struct buf b = BUF(64);
    buf_str(&b,
            ready ? "{\"status\":\"ready\"}" : "{\"status\":\"not_ready\",\"store\":\"stalled\"}");
    answer_text(req, ready ? 200 : 503, NULL, &b);
}

void on_metrics(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct buf b = BUF((size_t)4 << 20);
    metrics_render(&b);
    answer_text(req, 200, "text/plain; version=0.0.4; charset=utf-8", &b);
}

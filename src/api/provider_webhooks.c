/* POST /webhooks/{provider_account}, in the public zone: what providers say by themselves. Anybody
 * can send something there; until the signature holds, a request costs a bounded body, a look at
 * the account and one MAC, on a thread that nothing else waits for. */
#include "api/api_internal.h"

#include <stdio.h>

#include "observe/observe.h"
#include "payments/inbox.h"

#define HEADERS_MAX ((size_t)40 * 1024)
#define WAITING_MAX 512 /* more are told to come again */

/* One webhook; in its request's arena. */
struct hook {
    struct queue_item item; /* first */
    struct api *api;
    struct http_request *req;
    struct id account;
    struct account_name name;
    struct buf headers;
    struct provider_event event;
    struct inbox_webhook in;
    struct err_info error;
};

static void count(const struct hook *h, const char *result)
{
    char label[120];
    (void)snprintf(label, sizeof label, "provider=\"%s\",result=\"%s\"",
                   h->name.connector[0] ? h->name.connector : "unknown", result);
    metric_add(METRIC_PROVIDER_WEBHOOKS, label, 1);
}

/* The answer tells a forger nothing; the log tells why. */
static void refuse(struct hook *h, err_t err, const char *result)
{
    static const struct {
        err_t err;
        const char *detail;
    } said[] = {{ERR_NOT_FOUND, "There is no such provider account."},
                {ERR_FORBIDDEN, "The webhook is not genuine."},
                {ERR_PARAM_INVALID, "The webhook cannot be read."}};
    struct err_info info = {.retry_after_s = error_def(err)->status == 503 ? 1 : 0};
    const char *detail = error_def(err)->title;
    for (size_t i = 0; i < COUNT_OF(said); i++)
        if (said[i].err == err)
            detail = said[i].detail;
    (void)error_set(&info, err, "%s", detail);
    count(h, result);
    LOG(LOG_WARN, "provider_webhook.refused", LOG_ID("request", ID_REQUEST, h->req->request_id),
        LOG_ID("account", ID_PROVIDER_ACCOUNT, h->account), LOG_STR("peer", h->req->peer),
        LOG_STR("result", result), LOG_STR("detail", h->error.detail));
    buf_free(&h->headers);
    http_reply_problem(h->req, &info); /* the hook is gone with the request's arena */
}

static void accepted(struct hook *h)
{
    struct buf body = BUF(16);
    struct http_answer answer = {.status = 200, .body = &body};
    buf_str(&body, "{}");
    count(h, inbox_result_text(h->in.result));
    LOG(LOG_INFO, "provider_webhook", LOG_ID("request", ID_REQUEST, h->req->request_id),
        LOG_ID("account", ID_PROVIDER_ACCOUNT, h->account), LOG_STR("event", h->event.id),
        LOG_STR("kind", provider_event_text(h->event.kind)),
        LOG_STR("reference", h->event.reference),
        LOG_STR("outcome", outcome_text(h->event.outcome.kind)),
        LOG_STR("result", inbox_result_text(h->in.result)));
    http_reply(h->req, &answer);
}

static void receive(struct hook *h);

/* What could not be applied is recorded at least, and tried again by a timer. */
static void received(struct flow_run *run, err_t err, void *arg)
{
    struct hook *h = arg;
    if (!err) {
        accepted(h);
        return;
    }
    h->error = run->error;
    if (h->in.record_only || error_def(err)->klass == ERROR_DOWN) {
        refuse(h, ERR_UNAVAILABLE, "failed");
        return;
    }
    h->in.record_only = true;
    receive(h);
}

static void receive(struct hook *h)
{
    struct flow_run *run = flow_new(h->api->config.flows, &inbox_receive_flow);
    if (!run) {
        refuse(h, ERR_NO_MEMORY, "overloaded");
        return;
    }
    run->merchant_id = h->name.merchant;
    run->request_id = h->req->request_id;
    run->input = &h->in;
    run->reply = received;
    run->reply_arg = h;
    if (flow_submit(run) != OK)
        refuse(h, ERR_UNAVAILABLE, "overloaded");
}

/* Connectors say why in words: a reason that speaks of the time is about an old one. */
static const char *refusal(const struct hook *h)
{
    return strstr(h->error.detail, "time") ? "refused_stale" : "refused_signature";
}

/* A disabled account still hears of the payments it made. */
static void verify(struct hook *h)
{
    struct api *api = h->api;
    struct provider_webhook webhook = {
        .headers = buf_view(&h->headers), .body = h->req->body, .now_us = sys_wall_us()};
    err_t err = accounts_find(api->config.accounts, h->account, &h->name);
    if (err) {
        refuse(h, err, err == ERR_NOT_FOUND ? "unknown_account" : "failed");
        return;
    }
    err = connect_webhook(api->config.connect, h->name.merchant, h->name.number, &webhook,
                          &h->event, &h->error);
    if (err == ERR_FORBIDDEN) {
        refuse(h, err, refusal(h));
    } else if (err == ERR_PARAM_INVALID) {
        refuse(h, err, "malformed");
    } else if (err == ERR_CONNECTOR) {
        refuse(h, ERR_NOT_FOUND, "unknown_account");
    } else if (err) {
        refuse(h, ERR_UNAVAILABLE, "failed");
    } else {
        buf_free(&h->headers);
        h->in = (struct inbox_webhook){.account = h->name.number, .event = &h->event};
        receive(h);
    }
}

void on_provider_webhook(struct http_request *req, void *ctx)
{
    struct api *api = ctx;
    struct hook *h = arena_alloc(req->arena, sizeof *h);
    if (!h) {
        struct err_info info = {0};
        (void)error_set(&info, ERR_NO_MEMORY, "Try again.");
        http_reply_problem(req, &info);
        return;
    }
    h->api = api;
    h->req = req;
    h->headers = BUF(HEADERS_MAX);
    if (!id_parse(ID_PROVIDER_ACCOUNT, req->params[0], &h->account)) {
        refuse(h, ERR_NOT_FOUND, "unknown_account");
        return;
    }
    http_headers(req, &h->headers);
    if (h->headers.failed)
        refuse(h, ERR_HEADERS_TOO_LARGE, "malformed");
    else if (api->config.stepped)
        verify(h);
    else if (!queue_put(&api->hooks, &h->item))
        refuse(h, ERR_UNAVAILABLE, "overloaded");
}

/* --- the thread --- */

static void *hooks_run(void *arg)
{
    struct api *api = arg;
    for (struct queue_item *item; (item = queue_take(&api->hooks, 1, -1));) {
        struct hook *h = (struct hook *)(void *)item;
        if (__atomic_load_n(&api->hooks_stopping, __ATOMIC_ACQUIRE))
            refuse(h, ERR_UNAVAILABLE, "overloaded");
        else
            verify(h);
    }
    return NULL;
}

void hooks_start(struct api *api)
{
    queue_init(&api->hooks, WAITING_MAX);
    if (!api->config.stepped)
        api->hooks_thread = sys_thread("hooks", hooks_run, api);
}

void hooks_stop(struct api *api)
{
    __atomic_store_n(&api->hooks_stopping, true, __ATOMIC_RELEASE);
    queue_close(&api->hooks);
    if (!api->config.stepped)
        (void)pthread_join(api->hooks_thread, NULL);
    queue_release(&api->hooks);
}

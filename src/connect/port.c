/* The provider port of the server: build on the client's thread, send, read there too. */
#include <pthread.h>
#include <stdio.h>

#include "connect/connect_internal.h"
#include "observe/observe.h"

#define HEADERS_MAX 16

struct connect {
    struct connect_config config;
    char dir[1024];
    struct connectors *set; /* only on the client's thread, but for start and stop */
    pthread_mutex_t gate;   /* held while a call is handed over: none comes after connect_close */
    bool closed;
    pthread_mutex_t check_lock;
    struct connectors *check; /* a set of its own for questions from other threads */
    pthread_mutex_t webhook_lock;
    struct connectors
        *webhook; /* another: a forged webhook must not keep those questions waiting */
};

/* One call on its way. */
struct flight {
    struct connect *c;
    const struct provider_call *call;
    void (*done)(const struct outcome *, void *);
    void *arg;
    char connector[41];
    struct connector_request request;
    struct buf permit;
    struct card_call card;
    struct http_call http;
    const char *headers[HEADERS_MAX + 1];
};

static void finish(struct flight *f, const struct outcome *o)
{
    char labels[160];
    const char *operation = provider_operation_text(f->call->operation);
    (void)snprintf(labels, sizeof labels, "provider=\"%s\",operation=\"%s\",outcome=\"%s\"",
                   f->connector, operation, outcome_text(o->kind));
    metric_add(METRIC_ATTEMPTS, labels, 1);
    if (o->latency_us) {
        (void)snprintf(labels, sizeof labels, "provider=\"%s\",operation=\"%s\"", f->connector,
                       operation);
        metric_time(METRIC_PROVIDER_SECONDS, labels, o->latency_us);
    }
    if (o->kind == OUTCOME_UNKNOWN || o->kind == OUTCOME_NOT_SENT)
        LOG(LOG_WARN, "provider.no_outcome", LOG_STR("provider", f->connector),
            LOG_STR("operation", operation), LOG_STR("reference", f->call->reference),
            LOG_STR("outcome", outcome_text(o->kind)), LOG_STR("code", o->provider_code),
            LOG_INT("latency_us", o->latency_us));
    connector_request_free(&f->request);
    buf_free(&f->permit);
    void (*done)(const struct outcome *, void *) = f->done;
    void *arg = f->arg;
    mem_free(f);
    done(o, arg);
}

static void answered(struct http_call *http, const struct http_result *r)
{
    struct flight *f = http->arg;
    struct outcome o = {.kind = OUTCOME_UNKNOWN};
    if (r->sent == HTTP_ANSWERED)
        connector_read(f->c->set, f->connector, f->call, r->status, r->body, &o);
    else if (r->sent == HTTP_NOT_SENT)
        o.kind = OUTCOME_NOT_SENT;
    if (r->sent != HTTP_ANSWERED)
        (void)snprintf(o.provider_code, sizeof o.provider_code, "%.60s", r->error);
    if (r->sent == HTTP_LOST)
        o.open_until_us = f->call->lease_until_us; /* it may begin late, and then take its time */
    o.latency_us = r->latency_us;
    finish(f, &o);
}

/* "Name: value\n" lines into a list, in place. */
static bool list_headers(struct flight *f)
{
    size_t n = 0;
    for (char *p = f->request.headers.p; p && *p;) {
        char *nl = strchr(p, '\n');
        if (!nl || n == HEADERS_MAX)
            return false;
        *nl = 0;
        f->headers[n++] = p;
        p = nl + 1;
    }
    f->headers[n] = NULL;
    return true;
}

static err_t build(struct flight *f, struct err_info *info)
{
    struct connect *c = f->c;
    struct buf credentials = BUF(ANSWER_BYTES_MAX);
    f->permit = BUF(PERMIT_BYTES_MAX);
    err_t err = c->config.lookup(c->config.lookup_self, f->call->merchant_id, f->call->account,
                                 f->connector, &credentials, &f->permit);
    if (!err)
        err = connector_build(c->set, f->connector, buf_view(&credentials), f->call, &f->request,
                              info);
    if (credentials.p)
        mem_wipe(credentials.p, credentials.n);
    buf_free(&credentials);
    if (!err && !list_headers(f))
        err = error_set(info, ERR_CONNECTOR, "connector %s: too many headers", f->connector);
    return err;
}

/* Whether the request has a card in it that another role is to fill in. */
static err_t judge_card(struct flight *f, bool *ret_card, struct err_info *info)
{
    err_t err = card_request_check(f->call, &f->request, ret_card, &f->card.card, info);
    if (!err && *ret_card && !f->c->config.card.send)
        return error_set(info, ERR_UNAVAILABLE, "there is no vault");
    return err;
}

static void dispatch(struct flight *f, bool card)
{
    struct connect *c = f->c;
    int64_t needed_us = (c->config.timeout_ms + c->config.connect_timeout_ms) * 1000;
    f->http = (struct http_call){
        .method = f->request.method,
        .url = f->request.url.p,
        .headers = f->headers,
        .body = buf_view(&f->request.body),
        .connect_timeout_ms = c->config.connect_timeout_ms,
        .timeout_ms = c->config.timeout_ms,
        .start_before_us = f->call->lease_until_us ? f->call->lease_until_us - needed_us : 0,
        .response_bytes_max = ANSWER_BYTES_MAX,
        .public_only = c->config.public_only,
        .done = answered,
        .arg = f};
    if (!card) {
        http_client_call(c->config.client, &f->http);
        return;
    }
    f->card.http = &f->http;
    f->card.merchant_id = f->call->merchant_id;
    f->card.permit = buf_view(&f->permit);
    f->card.reference = f->call->reference;
    c->config.card.send(c->config.card.self, &f->card);
}

static void launch(void *arg)
{
    struct flight *f = arg;
    struct err_info info = {0};
    struct outcome o = {.kind = OUTCOME_NOT_SENT};
    bool card = false;
    err_t err = build(f, &info);
    if (!err)
        err = judge_card(f, &card, &info);
    if (!err) {
        dispatch(f, card);
        return;
    }
    LOG(LOG_ERROR, "provider.not_built", LOG_STR("provider", f->connector),
        LOG_STR("reference", f->call->reference), LOG_STR("error", error_def(err)->code),
        LOG_STR("detail", info.detail));
    (void)snprintf(o.provider_code, sizeof o.provider_code, "%s", error_def(err)->code);
    finish(f, &o);
}

static void port_call(void *self, const struct provider_call *call,
                      void (*done)(const struct outcome *, void *), void *arg)
{
    struct connect *c = self;
    struct flight *f = mem_alloc(sizeof *f);
    pthread_mutex_lock(&c->gate);
    bool open = f && !c->closed;
    if (open) {
        f->c = c;
        f->call = call;
        f->done = done;
        f->arg = arg;
        http_client_post(c->config.client, launch, f);
    }
    pthread_mutex_unlock(&c->gate);
    if (!open) {
        struct outcome o = {.kind = OUTCOME_NOT_SENT};
        mem_free(f);
        done(&o, arg);
    }
}

static int64_t port_not_found_final(void *self, int64_t merchant_id, int16_t account)
{
    struct connect *c = self;
    char name[41];
    int64_t ms = 60000;
    /* On the writer's thread: answered from the cache that the call just before has filled, or not
     * at all. */
    if (c->config.peek && c->config.peek(c->config.lookup_self, merchant_id, account, name)) {
        pthread_mutex_lock(&c->check_lock);
        ms = connector_not_found_final_ms(c->check, name);
        pthread_mutex_unlock(&c->check_lock);
    }
    return ms;
}

struct provider_port connect_port(struct connect *c)
{
    return (struct provider_port){
        .call = port_call, .not_found_final_ms = port_not_found_final, .self = c};
}

err_t connect_start(const struct connect_config *config, struct connect **ret,
                    struct err_info *reterr)
{
    struct err_info ignored = {0};
    struct connect *c = mem_alloc(sizeof *c);
    if (!c)
        return error_set(reterr, ERR_NO_MEMORY, "no memory for connectors");
    c->config = *config;
    pthread_mutex_init(&c->check_lock, NULL);
    pthread_mutex_init(&c->webhook_lock, NULL);
    pthread_mutex_init(&c->gate, NULL);
    (void)snprintf(c->dir, sizeof c->dir, "%s", config->dir);
    err_t err = connectors_load(c->dir, &c->set, reterr);
    if (!err)
        err = connectors_load(c->dir, &c->check, &ignored);
    if (!err)
        err = connectors_load(c->dir, &c->webhook, &ignored);
    if (err) {
        connect_stop(c);
        return err;
    }
    *ret = c;
    return OK;
}

struct reload {
    struct connect *c;
    struct connectors *set;
};

static void swap(void *arg)
{
    struct reload *r = arg;
    connectors_keep(r->set, r->c->set);
    connectors_free(r->c->set);
    r->c->set = r->set;
    mem_free(r);
}

/* Puts *set in the place of a set that other threads use, with what broke kept. */
static void replace(pthread_mutex_t *lock, struct connectors **place, struct connectors *set)
{
    pthread_mutex_lock(lock);
    struct connectors *old = *place;
    connectors_keep(set, old);
    *place = set;
    pthread_mutex_unlock(lock);
    connectors_free(old);
}

void connect_reload(struct connect *c)
{
    struct err_info info = {0};
    struct connectors *check = NULL, *webhook = NULL;
    struct reload *r = mem_alloc(sizeof *r);
    if (!r || connectors_load(c->dir, &r->set, &info) != OK ||
        connectors_load(c->dir, &check, &info) != OK ||
        connectors_load(c->dir, &webhook, &info) != OK) {
        LOG(LOG_ERROR, "connectors.kept", LOG_STR("detail", info.detail));
        connectors_free(r ? r->set : NULL);
        connectors_free(check);
        mem_free(r);
        return;
    }
    r->c = c;
    replace(&c->check_lock, &c->check, check);
    replace(&c->webhook_lock, &c->webhook, webhook);
    pthread_mutex_lock(&c->gate);
    bool open = !c->closed;
    if (open)
        http_client_post(c->config.client, swap, r);
    pthread_mutex_unlock(&c->gate);
    if (!open) {
        connectors_free(r->set);
        mem_free(r);
    }
}

err_t connect_webhook(struct connect *c, int64_t merchant_id, int16_t account,
                      const struct provider_webhook *webhook, struct provider_event *ret,
                      struct err_info *reterr)
{
    char connector[41] = "";
    struct buf credentials = BUF(ANSWER_BYTES_MAX);
    err_t err = c->config.lookup(c->config.lookup_self, merchant_id, account, connector,
                                 &credentials, NULL);
    if (err) {
        (void)error_set(reterr, err, "%s", error_def(err)->title);
    } else {
        pthread_mutex_lock(&c->webhook_lock);
        err =
            connector_webhook(c->webhook, connector, buf_view(&credentials), webhook, ret, reterr);
        pthread_mutex_unlock(&c->webhook_lock);
    }
    if (credentials.p)
        mem_wipe(credentials.p, credentials.n);
    buf_free(&credentials);
    return err;
}

err_t connect_check(struct connect *c, const char *name, json_t *credentials,
                    struct err_info *reterr)
{
    pthread_mutex_lock(&c->check_lock);
    err_t err = connectors_check_credentials(c->check, name, credentials, reterr);
    pthread_mutex_unlock(&c->check_lock);
    return err;
}

void connect_close(struct connect *c)
{
    pthread_mutex_lock(&c->gate);
    c->closed = true;
    pthread_mutex_unlock(&c->gate);
}

void connect_stop(struct connect *c)
{
    if (!c)
        return;
    connectors_free(c->set);
    connectors_free(c->check);
    connectors_free(c->webhook);
    pthread_mutex_destroy(&c->check_lock);
    pthread_mutex_destroy(&c->webhook_lock);
    pthread_mutex_destroy(&c->gate);
    mem_free(c);
}

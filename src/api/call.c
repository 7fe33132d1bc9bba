/* One request on its way: parsing, answering, running reads and flows. */
#include "api/api_internal.h"

#include <stdio.h>

#include "crypto/crypto.h"
#include "observe/observe.h"

#define OUT_MAX ((size_t)16 << 20)

struct call *call_of(struct http_request *req)
{
    ASSERT(req->user != NULL);
    return req->user;
}

static void release(struct call *call)
{
    json_decref(call->json);
    call->json = NULL;
    list_release(call);
    buf_free(&call->details);
    buf_free(&call->idempotency_key);
}

static void send_answer(struct call *call, int status, bool replayed)
{
    struct http_answer_header headers[4];
    size_t n = 0;
    char retry[16];
    if (call->version[0])
        headers[n++] = (struct http_answer_header){"Florin-Version", call->version};
    if (replayed)
        headers[n++] = (struct http_answer_header){"Idempotent-Replayed", "true"};
    if (call->error.retry_after_s > 0) {
        (void)snprintf(retry, sizeof retry, "%d", call->error.retry_after_s);
        headers[n++] = (struct http_answer_header){"Retry-After", retry};
    }
    if (status == 401)
        headers[n++] = (struct http_answer_header){"WWW-Authenticate", "Bearer"};
    struct buf body = call->out;
    struct http_answer answer = {.status = status,
                                 .content_type = status >= 400 ? "application/problem+json"
                                                               : "application/json",
                                 .body = &body,
                                 .headers = headers,
                                 .headers_n = n};
    call->out = (struct buf){0};
    release(call);
    http_reply(call->req, &answer); /* the call is gone with the request's arena */
    buf_free(&body);
}

void call_answer(struct call *call, int status)
{
    if (call->out.failed) {
        call_fail(call, ERR_NO_MEMORY);
        return;
    }
    send_answer(call, status, false);
}

void call_fail(struct call *call, err_t err)
{
    ASSERT(err != OK);
    if (call->error.err == OK)
        (void)error_set(&call->error, err, "%s", error_def(err)->title);
    if (error_def(call->error.err)->status == 503 && call->error.retry_after_s == 0)
        call->error.retry_after_s = 1;
    buf_clear(&call->out);
    call->out.max = OUT_MAX;
    problem_write(&call->out, &call->error, call->req->request_id, NULL, NULL);
    send_answer(call, error_def(call->error.err)->status, false);
}

static err_t run_read(struct store_tx *tx, void *arg)
{
    struct call *call = arg;
    buf_clear(&call->out);
    call->found = false;
    call->items = NULL;
    call->shown = 0;
    call->shown_bytes = 0;
    call->more = false;
    return call->read(tx, call);
}

static void read_done(err_t err, void *arg)
{
    struct call *call = arg;
    if (err)
        call_fail(call, err);
    else if (!call->found)
        call_fail(call, ERR_NOT_FOUND);
    else
        call_answer(call, 200);
}

void call_query_store(struct call *call)
{
    call->out.max = OUT_MAX;
    call->op = (struct store_op){.run = run_read, .done = read_done, .arg = call};
    err_t err = store_submit_read(call->api->config.store, &call->op);
    if (err)
        call_fail(call, err);
}

bool call_body(struct call *call, const struct wire_field *fields, size_t n, void *out)
{
    const struct config *c = call->api->config.settings;
    struct json_limits limits = {(size_t)c->http_body_bytes_max, (int)c->http_json_depth_max};
    struct str body = call->req->body.n ? call->req->body : STR("{}");
    err_t err = json_read(body, &limits, &call->json, &call->error);
    if (!err)
        err = wire_read(call->json, fields, n, out, &call->error);
    if (err)
        call_fail(call, err);
    return err == OK;
}

bool call_id(struct call *call, enum id_kind kind)
{
    if (id_parse(kind, call->req->params[0], &call->id) && id_number(call->id) == 0)
        return true;
    call_fail(call, ERR_NOT_FOUND);
    return false;
}

void call_show(struct call *call, enum id_kind kind,
               err_t (*read)(struct store_tx *tx, struct call *call))
{
    if (!call_query(call, (const char *const[]){NULL}) || !call_id(call, kind))
        return;
    call->read = read;
    call_query_store(call);
}

/* The usual end of a flow: its answer is the request's. */
static void flow_replied(struct flow_run *run, err_t err, void *arg)
{
    struct call *call = arg;
    if (err) {
        call->error = run->error;
        call_fail(call, err);
        return;
    }
    if (run->answer.replayed)
        metric_add(METRIC_IDEMPOTENT_REPLAYS, NULL, 1);
    call->out = run->answer.body;
    run->answer.body = (struct buf){0};
    send_answer(call, run->answer.status, run->answer.replayed);
}

static void make_request(struct call *call, struct flow_request *out)
{
    static const char *const methods[] = {"GET",   "POST", "DELETE",  "PUT",
                                          "PATCH", "HEAD", "OPTIONS", "OTHER"};
    const char *method = methods[call->req->method];
    struct str key = buf_view(&call->idempotency_key);
    /* The resource, not how its address was spelled: letters of an id in another case, or escapes,
     * are the same request. */
    const char *pattern = http_request_route(call->req)->pattern;
    const struct crypto_piece scope[] = {{method, strlen(method)},
                                         {pattern, strlen(pattern)},
                                         {call->id.b, sizeof call->id.b},
                                         {key.p, key.n}};
    const struct crypto_piece body[] = {{call->req->body.p, call->req->body.n}};
    out->keyed = call->idempotency_given;
    out->request_id = call->req->request_id;
    crypto_hash(out->key_hash, 16, scope, COUNT_OF(scope));
    crypto_hash(out->fingerprint, 16, body, COUNT_OF(body));
}

void call_flow(struct call *call, const struct flow_def *def,
               void (*reply)(struct flow_run *, err_t, void *))
{
    if (call->idempotency_required && !call->idempotency_given) {
        call_fail(call, ERR_IDEMPOTENCY_MISSING);
        return;
    }
    struct flow_run *run = flow_new(call->api->config.flows, def);
    if (!run) {
        call_fail(call, ERR_NO_MEMORY);
        return;
    }
    run->merchant_id = call->merchant_id;
    run->subject = call->id;
    run->input = call->input;
    run->request_id = call->req->request_id;
    make_request(call, &run->request);
    run->reply = reply ? reply : flow_replied;
    run->reply_arg = call;
    err_t err = flow_submit(run);
    if (err)
        call_fail(call, err);
}

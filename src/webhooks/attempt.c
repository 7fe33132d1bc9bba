/* One attempt: what it needs from the store, the signed request, what came back. */
#include <stdio.h>

#include "observe/observe.h"
#include "webhooks/webhooks_internal.h"

#define BODY_MAX ((size_t)1 << 22)
#define ANSWER_MAX ((size_t)256 * 1024)
#define ANSWER_KEPT 2048
#define CONNECT_TIMEOUT_MS 5000

void attempt_free(struct attempt *a)
{
    buf_free(&a->url);
    buf_free(&a->body);
    buf_free(&a->response);
    mem_free(a);
}

void attempt_take(struct webhooks *w, const struct job *job)
{
    struct attempt *a = mem_alloc(sizeof *a);
    struct delivery_key key = delivery_key(job);
    struct lane *lane = lane_of(w, key.merchant_id, key.endpoint);
    if (!a || !lane) {
        LOG(LOG_ERROR, "webhook_not_begun", LOG_ID("endpoint", ID_ENDPOINT, key.endpoint));
        mem_free(a); /* the lease runs out and it is taken again */
        return;
    }
    *a = (struct attempt){.w = w,
                          .lane = lane,
                          .job = *job,
                          .key = key,
                          .url = BUF(4096),
                          .body = BUF(BODY_MAX),
                          .response = BUF(2 * ANSWER_KEPT),
                          .next = w->taken};
    w->taken = a;
    lane->in_flight++;
    w->in_flight++;
}

/* --- loading --- */

static err_t attempt_sign(struct attempt *a, const struct endpoint *e, const struct event *event)
{
    char id[ID_TEXT_MAX];
    struct buf secret = BUF(256), signature = BUF(sizeof a->signature_line - 32);
    id_text(ID_EVENT, event_id(event->merchant_id, event->sequence, event->created_us), id);
    int64_t timestamp_s = sys_wall_us() / 1000000; /* receivers compare it with their clocks */
    err_t err = endpoint_secret(e, a->key.merchant_id, a->w->config.secret_key, &secret);
    if (!err)
        err = webhook_sign(buf_view(&secret), str_from(id), timestamp_s, buf_view(&a->body),
                           &signature);
    if (!err) {
        snprintf(a->id_line, sizeof a->id_line, "webhook-id: %s", id);
        snprintf(a->timestamp_line, sizeof a->timestamp_line, "webhook-timestamp: %lld",
                 (long long)timestamp_s);
        snprintf(a->signature_line, sizeof a->signature_line, "webhook-signature: %s", signature.p);
    }
    if (secret.p)
        mem_wipe(secret.p, secret.cap);
    buf_free(&secret);
    buf_free(&signature);
    return err;
}

static err_t attempt_load(struct store_tx *tx, struct attempt *a)
{
    struct endpoint e;
    struct event event;
    struct store_row *row;
    bool found, event_found = false;
    a->sendable = a->retryable = false;
    buf_clear(&a->url);
    buf_clear(&a->body);
    err_t err = store_one(tx, SQL_WEBHOOKS_SELECT_DELIVERY, &row, V_INT(a->key.merchant_id),
                          V_ID(&a->key.endpoint), V_INT(a->key.sequence));
    if (err || !row || row_int(row, 0) != DELIVERY_PENDING)
        return err;
    a->made = (int)row_int(row, 1);
    err = endpoint_get(tx, a->key.merchant_id, a->key.endpoint, &e, &found);
    if (err || !found || e.status != ENDPOINT_ENABLED)
        return err;
    err = event_read(tx, a->key.merchant_id, a->key.sequence, &event, &event_found);
    if (err || !event_found)
        return err;
    buf_add(&a->url, e.url.p, e.url.n);
    event_write(&(struct jw){.b = &a->body}, NULL, &event);
    a->started_us = sys_now_us();
    if (a->url.failed || a->body.failed)
        return ERR_NO_MEMORY;
    a->retryable = true;
    err = attempt_sign(a, &e, &event);
    a->sendable = err == OK;
    if (err)
        snprintf(a->error, sizeof a->error, "The endpoint's secret could not be used.");
    return OK;
}

static err_t run_load(struct store_tx *tx, void *arg)
{
    struct webhooks *w = arg;
    err_t err = OK;
    for (struct attempt *a = w->taken; !err && a; a = a->next)
        err = attempt_load(tx, a);
    return err;
}

/* --- sending --- */

static void attempt_finish(struct attempt *a)
{
    struct webhooks *w = a->w;
    pthread_mutex_lock(&w->lock);
    a->next = w->finished;
    w->finished = a;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

/* A view of the beginning, cut between characters. */
static struct str cut_text(struct str s, size_t max)
{
    if (s.n <= max)
        return s;
    size_t n = max;
    while (n > 0 && ((unsigned char)s.p[n] & 0xC0) == 0x80)
        n--;
    return (struct str){s.p, n};
}

/* What a text column and JSON can take. */
static void add_text(struct buf *out, struct str s)
{
    bool good = str_is_utf8(s);
    for (size_t i = 0; i < s.n; i++)
        buf_byte(out, s.p[i] == 0 || (!good && (unsigned char)s.p[i] >= 0x80) ? '?' : s.p[i]);
}

/* On the client's thread. */
static void attempt_done(struct http_call *call, const struct http_result *result)
{
    struct attempt *a = call->arg;
    struct webhooks *w = a->w;
    bool answered = result->sent == HTTP_ANSWERED;
    a->status = answered ? result->status : 0;
    a->success = answered && result->status >= 200 && result->status <= 299;
    a->latency_us = result->latency_us;
    a->retry_after = retry_after_us(result->retry_after, sys_wall_us());
    if (answered)
        add_text(&a->response, cut_text(result->body, ANSWER_KEPT));
    if (!answered)
        snprintf(a->error, sizeof a->error, "%s", result->error);
    else if (!a->success)
        snprintf(a->error, sizeof a->error, "HTTP status %d", result->status);
    pthread_mutex_lock(&w->lock);
    bool last = --w->calls == 0 && w->abandoned, abandoned = w->abandoned;
    if (!abandoned) {
        a->next = w->finished;
        w->finished = a;
        pthread_cond_signal(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    if (abandoned)
        attempt_free(a); /* its lease runs out */
    if (last)
        webhooks_free(w);
}

static void attempt_call(struct attempt *a)
{
    struct webhooks *w = a->w;
    size_t n = 0;
    a->lines[n++] = a->id_line;
    a->lines[n++] = a->timestamp_line;
    a->lines[n++] = a->signature_line;
    a->lines[n++] = "content-type: application/json";
    a->lines[n++] = "user-agent: Florin/" FLORIN_VERSION;
    ASSERT(n < COUNT_OF(a->lines) && !a->lines[n]);
    a->call =
        (struct http_call){.method = "POST",
                           .url = a->url.p,
                           .headers = a->lines,
                           .body = buf_view(&a->body),
                           .connect_timeout_ms = num_min(CONNECT_TIMEOUT_MS, w->config.timeout_ms),
                           .timeout_ms = w->config.timeout_ms,
                           .response_bytes_max = ANSWER_MAX,
                           .public_only = !w->config.allow_private,
                           .done = attempt_done,
                           .arg = a};
    pthread_mutex_lock(&w->lock);
    w->calls++;
    pthread_mutex_unlock(&w->lock);
    http_client_call(w->config.client, &a->call);
}

void attempt_release(struct attempt *a)
{
    a->lane->in_flight--;
    a->w->in_flight--;
    ASSERT(a->w->in_flight >= 0 && a->lane->in_flight >= 0);
    attempt_free(a);
}

err_t attempts_send(struct webhooks *w)
{
    err_t err = w->taken ? store_read(w->config.store, run_load, w) : OK;
    int64_t needed_us = sys_now_us() + w->config.timeout_ms * 1000;
    struct attempt *list = w->taken;
    w->taken = NULL;
    for (struct attempt *a = list, *next; a; a = next) {
        next = a->next;
        a->next = NULL;
        if (a->job.until_us <= needed_us) {
            attempt_release(a); /* its lease would not last; it is taken again */
        } else if (err) {
            a->next = w->taken;
            w->taken = a;
        } else if (a->sendable) {
            attempt_call(a);
        } else {
            attempt_finish(a);
        }
    }
    return err;
}

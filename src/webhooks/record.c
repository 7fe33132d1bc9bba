/* What became of attempts: written under the fence of each one's lease. */
#include <stdio.h>

#include "observe/observe.h"
#include "webhooks/webhooks_internal.h"
#include "wire/wire.h"

struct record {
    struct webhooks *w;
    struct attempt *list;
    int64_t now_us;
    struct det det;
};

/* What an attempt leads to, given the state the delivery has by now. */
static enum delivery_state next_state(struct record *r, struct attempt *a, int64_t state)
{
    int64_t wait;
    a->next_us = 0;
    if (a->success)
        return DELIVERY_SUCCEEDED;
    if (!a->retryable || state == DELIVERY_DROPPED)
        return DELIVERY_DROPPED;
    if (a->status == 410 ||
        !schedule_next(&r->w->schedule, a->made + 1, a->status, a->retry_after, &r->det, &wait))
        return DELIVERY_FAILED;
    a->next_us = r->now_us + wait;
    return DELIVERY_PENDING;
}

static err_t log_attempt(struct store_tx *tx, struct record *r, struct attempt *a)
{
    struct buf plain = BUF(16 * 1024), response = BUF(64 * 1024), error = BUF(1024);
    text_clean(&plain, buf_view(&a->response)); /* whatever an endpoint may have sent */
    redact(&response, buf_view(&plain));
    redact(&error, str_from(a->error));
    buf_free(&plain);
    struct str none = {NULL, 0}, text = buf_view(&response), reason = buf_view(&error);
    text.n = text.n > 2048 ? 2048 : text.n;
    while (text.n < response.n && text.n > 0 && ((unsigned char)text.p[text.n] & 0xC0) == 0x80)
        text.n--;
    reason.n = reason.n > 120 ? 120 : reason.n;
    err_t err = store_exec(
        tx, SQL_WEBHOOKS_INSERT_DELIVERY_ATTEMPT, NULL, V_INT(a->key.merchant_id),
        V_ID(&a->key.endpoint), V_INT(a->key.sequence), V_INT((int64_t)a->made + 1),
        V_INT(a->started_us ? a->started_us : r->now_us), V_INT(a->status), V_INT(a->latency_us),
        V_TEXT(a->success ? none : reason), V_TEXT(text.n > 0 ? text : none));
    buf_free(&response);
    buf_free(&error);
    return err;
}

static err_t end_or_defer(struct store_tx *tx, struct attempt *a)
{
    if (a->state != DELIVERY_PENDING)
        return job_finish(tx, &a->job);
    struct job job = a->job; /* job_defer changes it, and this may run again */
    job.due_us = a->next_us;
    return job_defer(tx, &job);
}

static err_t record_one(struct store_tx *tx, struct record *r, struct attempt *a)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_WEBHOOKS_SELECT_DELIVERY, &row, V_INT(a->key.merchant_id),
                          V_ID(&a->key.endpoint), V_INT(a->key.sequence));
    if (err)
        return err;
    bool attempted = a->sendable || a->retryable;
    int64_t made = attempted ? (int64_t)a->made + 1 : row ? row_int(row, 1) : 0;
    a->state = next_state(r, a, row ? row_int(row, 0) : DELIVERY_DROPPED);
    err = end_or_defer(tx, a);
    a->lost = err == ERR_LEASE_LOST;
    if (err || !row)
        return a->lost ? OK : err; /* another holds it now: nothing of this attempt is written */
    if (attempted)
        err = log_attempt(tx, r, a);
    if (!err)
        err = store_exec(tx, SQL_WEBHOOKS_UPDATE_DELIVERY, NULL, V_INT(a->state), V_INT(made),
                         V_INT(a->next_us), V_INT(r->now_us), V_INT(a->key.merchant_id),
                         V_ID(&a->key.endpoint), V_INT(a->key.sequence));
    if (!err && a->status == 410) {
        err = endpoint_set_status(tx, &r->det, a->key.merchant_id, a->key.endpoint, false,
                                  "The endpoint answered 410 Gone.", NULL);
        err = err == ERR_NOT_FOUND ? OK : err;
    }
    return err;
}

/* A delivery's state is read before it is written, and endpoints are disabled by others. */
static err_t lock_merchants(struct store_tx *tx, const struct attempt *list)
{
    err_t err = OK;
    for (int64_t locked = 0, next; !err; locked = next) {
        next = INT64_MAX;
        for (const struct attempt *a = list; a; a = a->next)
            if (a->key.merchant_id > locked && a->key.merchant_id < next)
                next = a->key.merchant_id;
        if (next == INT64_MAX)
            return OK;
        err = store_lock(tx, next);
    }
    return err;
}

static err_t run_record(struct store_tx *tx, void *arg)
{
    struct record *r = arg;
    r->det = r->w->det;
    r->det.now_us = r->now_us;
    err_t err = lock_merchants(tx, r->list);
    for (struct attempt *a = r->list; !err && a; a = a->next)
        err = record_one(tx, r, a);
    return err;
}

static const char *result_label(const struct attempt *a)
{
    if (a->lost)
        return "result=\"lease_lost\"";
    if (a->status == 410)
        return "result=\"gone\"";
    switch (a->state) {
    case DELIVERY_SUCCEEDED:
        return "result=\"succeeded\"";
    case DELIVERY_FAILED:
        return "result=\"exhausted\"";
    case DELIVERY_DROPPED:
        return "result=\"dropped\"";
    case DELIVERY_PENDING:
        break;
    }
    return "result=\"failed\"";
}

static void settle(struct webhooks *w, struct attempt *a, int64_t now_us)
{
    metric_add(METRIC_WEBHOOKS, result_label(a), 1);
    if (a->state == DELIVERY_SUCCEEDED && !a->lost)
        metric_time(METRIC_WEBHOOK_LAG_SECONDS, NULL, num_max(now_us - a->key.created_us, 0));
    if (!a->success)
        LOG(a->state == DELIVERY_FAILED ? LOG_WARN : LOG_INFO, "webhook_attempt_failed",
            LOG_INT("merchant", a->key.merchant_id),
            LOG_ID("endpoint", ID_ENDPOINT, a->key.endpoint), LOG_INT("sequence", a->key.sequence),
            LOG_INT("attempt", a->made + 1), LOG_INT("status", a->status),
            LOG_STR("reason", a->error));
    if (a->state == DELIVERY_PENDING && !a->lost)
        w->claim_us = num_min(w->claim_us, a->next_us);
    a->lane->latency_us = a->latency_us;
    attempt_release(a);
}

/* The attempts one by one: what the store refuses must not keep the others from being written. */
static err_t record_singly(struct webhooks *w, struct attempt **list, int64_t now_us)
{
    while (*list) {
        struct attempt *a = *list, *next = a->next;
        struct record r = {.w = w, .list = a, .now_us = now_us};
        a->next = NULL;
        err_t err = store_write(w->config.store, 0, run_record, &r);
        if (err && error_def(err)->klass != ERROR_PEER) {
            a->next = next;
            return err;
        }
        if (err) {
            LOG(LOG_ERROR, "webhook_attempt_not_recorded",
                LOG_ID("endpoint", ID_ENDPOINT, a->key.endpoint),
                LOG_INT("sequence", a->key.sequence), LOG_STR("error", error_def(err)->code));
            a->lost = true; /* the lease runs out */
        }
        *list = next;
        settle(w, a, now_us);
    }
    return OK;
}

err_t attempts_record(struct webhooks *w, struct attempt **list)
{
    struct record r = {.w = w, .list = *list, .now_us = sys_now_us()};
    err_t err = store_write(w->config.store, 0, run_record, &r);
    if (err && error_def(err)->klass == ERROR_PEER) /* a broken rule of the schema, not overload */
        return record_singly(w, list, r.now_us);
    if (err)
        return err;
    w->det = r.det;
    while (*list) {
        struct attempt *a = *list;
        *list = a->next;
        settle(w, a, r.now_us);
    }
    return OK;
}

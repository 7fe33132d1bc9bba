#include "webhooks/webhooks_internal.h"

/* --- identity --- */

struct id delivery_id(struct id endpoint, int64_t sequence)
{
    struct id id;
    ASSERT(sequence > 0);
    memcpy(id.b, endpoint.b + 8, 8);
    num_put64(id.b + 8, (uint64_t)sequence);
    return id;
}

int64_t delivery_id_sequence(struct id id)
{
    return (int64_t)(num_get64(id.b + 8) & INT64_MAX);
}

#define PAYLOAD 32

struct job delivery_job(int64_t merchant_id, struct id endpoint, int64_t sequence,
                        int64_t created_us)
{
    struct job job = {.merchant_id = merchant_id,
                      .id = delivery_id(endpoint, sequence),
                      .kind = JOB_DELIVERY,
                      .payload_n = PAYLOAD};
    memcpy(job.payload, endpoint.b, 16);
    num_put64(job.payload + 16, (uint64_t)sequence);
    num_put64(job.payload + 24, (uint64_t)created_us);
    return job;
}

struct delivery_key delivery_key(const struct job *job)
{
    struct delivery_key key = {.merchant_id = job->merchant_id};
    ASSERT(job->payload_n == PAYLOAD);
    memcpy(key.endpoint.b, job->payload, 16);
    key.sequence = (int64_t)num_get64(job->payload + 16);
    key.created_us = (int64_t)num_get64(job->payload + 24);
    return key;
}

/* --- dropping --- */

struct id_list {
    struct id *id;
    size_t n, cap;
};

static err_t add_id(struct store_row *row, void *arg)
{
    struct id_list *l = arg;
    struct id *p = mem_grow(l->id, &l->cap, l->n, sizeof *p, 64);
    if (!p)
        return ERR_NO_MEMORY;
    l->id = p;
    l->id[l->n++] = row_id(row, 0);
    return OK;
}

#define DROP_LEASE_US INT64_C(1000000)

static err_t drop_one(struct store_tx *tx, int64_t merchant_id, struct id endpoint,
                      struct id job_id, int64_t now_us)
{
    struct job job;
    bool taken;
    err_t err =
        store_exec(tx, SQL_WEBHOOKS_UPDATE_DELIVERY_DROPPED, NULL, V_INT(now_us),
                   V_INT(merchant_id), V_ID(&endpoint), V_INT(delivery_id_sequence(job_id)));
    if (!err)
        err = job_take(tx, merchant_id, job_id, now_us, DROP_LEASE_US, &job, &taken);
    if (!err && taken)
        err = job_finish(tx, &job);
    return err;
}

err_t deliveries_drop(struct store_tx *tx, int64_t merchant_id, struct id endpoint, int64_t now_us)
{
    struct id_list l = {.n = 0};
    struct id first = delivery_id(endpoint, 1), last = delivery_id(endpoint, INT64_MAX);
    err_t err = store_each(tx, SQL_WEBHOOKS_SELECT_ENDPOINT_JOBS, add_id, &l, V_INT(merchant_id),
                           V_ID(&first), V_ID(&last));
    for (size_t i = 0; !err && i < l.n; i++)
        err = drop_one(tx, merchant_id, endpoint, l.id[i], now_us);
    mem_free(l.id);
    return err;
}

/* --- listing --- */

static struct str state_text(int64_t state)
{
    static const struct str text[] = {STR("pending"), STR("succeeded"), STR("failed"),
                                      STR("dropped")};
    ASSERT(state >= DELIVERY_PENDING && state <= DELIVERY_DROPPED);
    return text[state - 1];
}

static err_t write_attempt(struct store_row *row, void *arg)
{
    struct jw *w = arg;
    int64_t status = row_int(row, 2);
    jw_object(w, NULL);
    jw_int(w, "number", row_int(row, 0));
    jw_time(w, "created", row_int(row, 1));
    if (status > 0)
        jw_int(w, "status", status);
    else
        jw_null(w, "status");
    jw_int(w, "duration_ms", row_int(row, 3) / 1000);
    jw_str(w, "error", row_text(row, 4));
    jw_str(w, "response", row_text(row, 5));
    jw_object_end(w);
    return OK;
}

struct list_arg {
    struct store_tx *tx;
    int64_t merchant_id;
    struct id endpoint;
    struct jw *w;
    int n, max;
};

static err_t write_delivery(struct store_row *row, void *arg)
{
    struct list_arg *l = arg;
    if (l->n++ == l->max)
        return OK; /* one more than asked for: there are more */
    int64_t sequence = row_int(row, 0), next_us = row_int(row, 2);
    jw_object(l->w, NULL);
    jw_id(l->w, "id", ID_DELIVERY, delivery_id(l->endpoint, sequence));
    jw_id(l->w, "event", ID_EVENT, event_id(l->merchant_id, sequence, row_int(row, 3)));
    jw_id(l->w, "endpoint", ID_ENDPOINT, l->endpoint);
    jw_str(l->w, "status", state_text(row_int(row, 1)));
    jw_array(l->w, "attempts");
    err_t err = store_each(l->tx, SQL_WEBHOOKS_SELECT_DELIVERY_ATTEMPTS, write_attempt, l->w,
                           V_INT(l->merchant_id), V_ID(&l->endpoint), V_INT(sequence));
    jw_array_end(l->w);
    if (row_int(row, 1) == DELIVERY_PENDING)
        jw_time(l->w, "next_attempt", next_us);
    else
        jw_null(l->w, "next_attempt");
    jw_object_end(l->w);
    return err;
}

err_t delivery_list(struct store_tx *tx, int64_t merchant_id, struct id endpoint, int64_t before,
                    int max, struct jw *w, bool *ret_more)
{
    struct list_arg l = {
        .tx = tx, .merchant_id = merchant_id, .endpoint = endpoint, .w = w, .max = max};
    ASSERT(max > 0);
    err_t err = store_each(tx, SQL_WEBHOOKS_SELECT_DELIVERIES, write_delivery, &l,
                           V_INT(merchant_id), V_ID(&endpoint),
                           V_INT(before > 0 ? before : INT64_MAX), V_INT((int64_t)max + 1));
    if (!err)
        *ret_more = l.n > max;
    return err;
}

/* Jobs with fenced leases: rows as for any other room. */
#include "store/store_internal.h"

static void payload_read(struct job *job, struct str payload)
{
    if (payload.n > sizeof job->payload)
        check_panic("store: a job with a payload of %zu bytes", payload.n);
    job->payload_n = payload.n;
    memset(job->payload, 0, sizeof job->payload);
    if (payload.n > 0)
        memcpy(job->payload, payload.p, payload.n);
}

err_t job_add(struct store_tx *tx, struct job *job)
{
    ASSERT(job->kind > 0 && job->until_us >= 0);
    ASSERT(job->payload_n <= sizeof job->payload);
    job->epoch = 1;
    if (job->until_us > 0)
        job->due_us = job->until_us;
    return store_exec_one(tx, SQL_STORE_INSERT_JOB, ERR_STORE, V_INT(job->merchant_id),
                          V_ID(&job->id), V_INT(job->kind), V_INT(job->due_us), V_INT(job->epoch),
                          V_INT(job->until_us), V_INT(job->attempts),
                          V_BLOB(job->payload, job->payload_n));
}

struct due_list {
    int16_t kind;
    struct job *jobs;
    size_t n, max;
};

static err_t due_row(struct store_row *row, void *arg)
{
    struct due_list *l = arg;
    ASSERT(l->n < l->max);
    struct job *job = &l->jobs[l->n++];
    *job = (struct job){.merchant_id = row_int(row, 0),
                        .id = row_id(row, 1),
                        .kind = l->kind,
                        .epoch = row_int(row, 2),
                        .attempts = (int32_t)row_int(row, 3)};
    payload_read(job, row_text(row, 4));
    return OK;
}

/* Two steps, since neither the order of an UPDATE's rows nor FOR UPDATE SKIP LOCKED is portable:
 * what another writer takes between them has another epoch and is left out. */
err_t job_claim(struct store_tx *tx, int16_t kind, int64_t now_us, int64_t lease_us,
                struct job *out, size_t max, size_t *ret_n)
{
    ASSERT(max > 0 && lease_us > 0);
    struct due_list due = {.kind = kind, .jobs = out, .max = max};
    int64_t until_us = now_us + lease_us, limit = max < INT32_MAX ? (int64_t)max : INT32_MAX;
    size_t ours = 0;
    err_t err = store_each(tx, SQL_STORE_SELECT_JOBS_DUE, due_row, &due, V_INT(kind), V_INT(now_us),
                           V_INT(limit));
    for (size_t i = 0; err == OK && i < due.n; i++) {
        struct job *job = &out[i];
        int64_t changed = 0;
        err = store_exec(tx, SQL_STORE_UPDATE_JOB_CLAIM, &changed, V_INT(until_us),
                         V_INT(job->merchant_id), V_ID(&job->id), V_INT(job->epoch));
        if (changed == 0)
            continue;
        job->epoch++;
        job->due_us = job->until_us = until_us;
        out[ours++] = *job;
    }
    if (err == OK)
        *ret_n = ours;
    return err;
}

err_t job_take(struct store_tx *tx, int64_t merchant_id, struct id id, int64_t now_us,
               int64_t lease_us, struct job *ret, bool *ret_found)
{
    ASSERT(lease_us > 0 && !id_is_zero(id));
    int64_t until_us = now_us + lease_us;
    struct store_row *row;
    err_t err = store_one(tx, SQL_STORE_UPDATE_JOB_TAKE, &row, V_INT(until_us), V_INT(merchant_id),
                          V_ID(&id), V_INT(now_us));
    if (err)
        return err;
    *ret_found = row != NULL;
    if (!row)
        return OK;
    *ret = (struct job){.merchant_id = merchant_id,
                        .id = id,
                        .kind = (int16_t)row_int(row, 0),
                        .due_us = until_us,
                        .epoch = row_int(row, 1),
                        .until_us = until_us,
                        .attempts = (int32_t)row_int(row, 2)};
    payload_read(ret, row_text(row, 3));
    return OK;
}

err_t job_read(struct store_tx *tx, int64_t merchant_id, struct id id, struct job *ret,
               bool *ret_found)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_STORE_SELECT_JOB, &row, V_INT(merchant_id), V_ID(&id));
    *ret_found = !err && row;
    if (*ret_found)
        *ret = (struct job){.merchant_id = merchant_id,
                            .id = id,
                            .kind = (int16_t)row_int(row, 0),
                            .due_us = row_int(row, 1),
                            .epoch = row_int(row, 2),
                            .until_us = row_int(row, 3)};
    return err;
}

err_t job_free_all(struct store_tx *tx, int64_t now_us)
{
    return store_exec(tx, SQL_STORE_UPDATE_JOBS_FREE, NULL, V_INT(now_us));
}

err_t job_not_after(struct store_tx *tx, int16_t kind, int64_t latest_us)
{
    return store_exec(tx, SQL_STORE_UPDATE_JOBS_NOT_AFTER, NULL, V_INT(latest_us), V_INT(kind));
}

err_t job_finish(struct store_tx *tx, const struct job *job)
{
    int64_t changed = 0;
    err_t err = store_exec(tx, SQL_STORE_DELETE_JOB, &changed, V_INT(job->merchant_id),
                           V_ID(&job->id), V_INT(job->epoch));
    if (err)
        return err;
    ASSERT(changed == 0 || changed == 1);
    return changed == 1 ? OK : ERR_LEASE_LOST;
}

err_t job_must_finish(struct store_tx *tx, const struct job *job)
{
    return store_exec_one(tx, SQL_STORE_DELETE_JOB, ERR_LEASE_LOST, V_INT(job->merchant_id),
                          V_ID(&job->id), V_INT(job->epoch));
}

err_t job_defer(struct store_tx *tx, struct job *job)
{
    ASSERT(job->payload_n <= sizeof job->payload);
    struct store_row *row;
    err_t err = store_one(tx, SQL_STORE_UPDATE_JOB_DEFER, &row, V_INT(job->due_us),
                          V_BLOB(job->payload, job->payload_n), V_INT(job->merchant_id),
                          V_ID(&job->id), V_INT(job->epoch));
    if (err)
        return err;
    if (!row)
        return ERR_LEASE_LOST;
    job->attempts =
        (int32_t)row_int(row, 0); /* from the row, so that a repeat does not count twice */
    job->until_us = 0;
    return OK;
}

err_t job_hold(struct store_tx *tx, const struct job *job)
{
    return store_exec_one(tx, SQL_STORE_UPDATE_JOB_HOLD, ERR_LEASE_LOST,
                          V_BLOB(job->payload, job->payload_n), V_INT(job->merchant_id),
                          V_ID(&job->id), V_INT(job->epoch));
}

err_t job_drop(struct store_tx *tx, int64_t merchant_id, struct id id)
{
    return store_exec(tx, SQL_STORE_DELETE_JOB_ANY, NULL, V_INT(merchant_id), V_ID(&id));
}

err_t job_hasten(struct store_tx *tx, int64_t merchant_id, struct id id, int64_t due_us)
{
    return store_exec(tx, SQL_STORE_UPDATE_JOB_DUE, NULL, V_INT(due_us), V_INT(merchant_id),
                      V_ID(&id));
}

err_t job_next(struct store_tx *tx, int16_t kind, int64_t *ret_us)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_STORE_SELECT_JOB_NEXT, &row, V_INT(kind));
    if (err == OK)
        *ret_us = row ? row_int(row, 0) : 0;
    return err;
}

err_t store_forget_marks(struct store_tx *tx, int64_t before_us)
{
    return store_exec(tx, SQL_STORE_DELETE_COMMIT_MARKS, NULL, V_INT(before_us));
}

/* The durable position of a flow: a job row. Its id is that of the operation it is about, so it can
 * be found again. */
#include "flow/flow_internal.h"

#include "base/num.h"

/* kind 2 ‖ step 1 ‖ number 2 ‖ subject 16 ‖ answer 16 ‖ request 16 ‖ unknown since 8 */
enum {
    AT_KIND = 0,
    AT_STEP = 2,
    AT_NUMBER = 3,
    AT_SUBJECT = 5,
    AT_ANSWER = 21,
    AT_REQUEST = 37,
    AT_SINCE = 53,
    PACKED = 61
};
_Static_assert(PACKED <= JOB_PAYLOAD_MAX, "a position must fit into a job");

void position_pack(struct flow_run *run, size_t next_step)
{
    uint8_t *p = run->job.payload;
    ASSERT(run->def->kind > 0 && next_step < run->def->steps_n && next_step < 256);
    p[AT_KIND] = (uint8_t)(run->def->kind >> 8);
    p[AT_KIND + 1] = (uint8_t)run->def->kind;
    p[AT_STEP] = (uint8_t)next_step;
    p[AT_NUMBER] = (uint8_t)(run->number >> 8);
    p[AT_NUMBER + 1] = (uint8_t)run->number;
    memcpy(p + AT_SUBJECT, run->subject.b, 16);
    memcpy(p + AT_ANSWER, run->answer_id.b, 16);
    memcpy(p + AT_REQUEST, run->request_id.b, 16);
    num_put64(p + AT_SINCE, (uint64_t)run->unknown_since_us);
    run->job.payload_n = PACKED;
}

bool position_unpack(struct flow_run *run, const struct job *job)
{
    const uint8_t *p = job->payload;
    if (job->payload_n != PACKED)
        return false;
    int16_t kind = (int16_t)(p[AT_KIND] << 8 | p[AT_KIND + 1]);
    run->def = NULL;
    for (size_t i = 0; i < run->engine->config.defs_n; i++)
        if (run->engine->config.defs[i]->kind == kind)
            run->def = run->engine->config.defs[i];
    if (!run->def || p[AT_STEP] >= run->def->steps_n)
        return false;
    run->job = *job;
    run->merchant_id = job->merchant_id;
    run->step = p[AT_STEP];
    run->number = (int16_t)(p[AT_NUMBER] << 8 | p[AT_NUMBER + 1]);
    memcpy(run->subject.b, p + AT_SUBJECT, 16);
    memcpy(run->answer_id.b, p + AT_ANSWER, 16);
    memcpy(run->request_id.b, p + AT_REQUEST, 16);
    run->unknown_since_us = (int64_t)num_get64(p + AT_SINCE);
    return true;
}

static struct id position_id(struct id subject, int16_t number)
{
    return number > 0 ? id_derive(subject, (unsigned)number) : subject;
}

err_t flow_position(struct store_tx *tx, struct flow_run *run, size_t next_step)
{
    ASSERT(!id_is_zero(run->subject));
    run->job = (struct job){.merchant_id = run->merchant_id,
                            .id = position_id(run->subject, run->number),
                            .kind = JOB_FLOW,
                            .due_us = run->det.now_us + run->engine->config.lease_us,
                            .until_us = run->det.now_us + run->engine->config.lease_us};
    position_pack(run, next_step);
    return job_add(tx, &run->job);
}

err_t flow_take(struct store_tx *tx, struct flow_run *run, struct id subject, int16_t number,
                bool *ret_taken)
{
    struct job job;
    *ret_taken = false;
    err_t err = job_take(tx, run->merchant_id, position_id(subject, number), run->det.now_us,
                         run->engine->config.lease_us, &job, ret_taken);
    if (err || !*ret_taken)
        return err;
    const struct flow_def *before = run->def;
    if (!position_unpack(run, &job)) {
        run->def = before;
        return error_set(&run->error, ERR_INTERNAL, "A flow's position cannot be read.");
    }
    return OK;
}

err_t flow_take_over(struct store_tx *tx, struct flow_run *run, struct id subject, int16_t number,
                     bool *ret_taken)
{
    struct id answer_id = run->answer_id, request_id = run->request_id;
    err_t err = flow_take(tx, run, subject, number, ret_taken);
    run->answer_id = answer_id;
    run->request_id = request_id;
    return err;
}

err_t flow_deliver(struct store_tx *tx, struct flow_run *run, struct id subject, int16_t number,
                   enum provider_operation about, const struct outcome *outcome, bool *ret_applied,
                   bool *ret_held)
{
    struct id id = position_id(subject, number);
    struct flow_place before = flow_place_of(run);
    struct job job = {.epoch = 0};
    bool taken = false;
    *ret_applied = *ret_held = false;
    err_t err = job_read(tx, run->merchant_id, id, &job, &taken);
    if (err || !taken)
        return err;
    if (job.until_us > run->det.now_us) {
        *ret_held = true;
        return OK;
    }
    err = flow_take(tx, run, subject, number, &taken);
    if (err || !taken)
        return err;
    const struct flow_step *waiting = &run->def->steps[run->step];
    if (waiting->settle == 0 || waiting->about != about) {
        /* An inquiry finds out what this means for what it waits for. */
        job = run->job;
        job.due_us = run->det.now_us;
        flow_go_back(run, &before);
        return job_defer(tx, &job);
    }
    run->outcome = *outcome;
    run->inquired = true;
    run->step = waiting->settle;
    *ret_applied = true;
    return run->def->steps[run->step].run(tx, run);
}

err_t flow_hold(struct store_tx *tx, struct flow_run *run, size_t next_step)
{
    position_pack(run, next_step);
    return job_hold(tx, &run->job);
}

static err_t add_later(struct store_tx *tx, const struct flow_run *run, const struct flow_def *def,
                       struct id subject, int16_t number, size_t step, const struct job *job)
{
    struct flow_run later = {
        .def = def, .merchant_id = run->merchant_id, .subject = subject, .number = number};
    later.job = *job;
    later.job.merchant_id = run->merchant_id;
    later.job.id = position_id(subject, number);
    position_pack(&later, step);
    return job_add(tx, &later.job);
}

err_t flow_schedule(struct store_tx *tx, const struct flow_run *run, const struct flow_def *def,
                    struct id subject, int16_t number, size_t step, int64_t due_us)
{
    return add_later(tx, run, def, subject, number, step,
                     &(struct job){.kind = JOB_TIMER, .due_us = due_us});
}

err_t flow_soon(struct store_tx *tx, const struct flow_run *run, const struct flow_def *def,
                struct id subject, int16_t number, size_t step, int64_t due_us)
{
    return add_later(tx, run, def, subject, number, step,
                     &(struct job){.kind = JOB_FLOW, .due_us = due_us});
}

err_t flow_hasten(struct store_tx *tx, const struct flow_run *run, struct id subject,
                  int16_t number, int64_t due_us)
{
    return job_hasten(tx, run->merchant_id, position_id(subject, number), due_us);
}

err_t flow_unschedule(struct store_tx *tx, const struct flow_run *run, struct id subject,
                      int16_t number)
{
    return job_drop(tx, run->merchant_id, position_id(subject, number));
}

err_t flow_leave(struct store_tx *tx, struct flow_run *run)
{
    struct job job = run->job;
    run->job = (struct job){.epoch = 0};
    return job_must_finish(tx, &job);
}

err_t flow_finish(struct store_tx *tx, struct flow_run *run)
{
    run->effect = FLOW_END;
    err_t err = flow_store_answer(tx, run);
    if (err || id_is_zero(run->job.id))
        return err;
    return job_must_finish(tx, &run->job);
}

err_t flow_park_until(struct store_tx *tx, struct flow_run *run, size_t next_step, int64_t due_us)
{
    run->effect = FLOW_PARK;
    err_t err = flow_store_answer(tx, run);
    if (err)
        return err;
    struct job job = run->job; /* a repeat of this step must start from the same row */
    position_pack(run, next_step);
    memcpy(job.payload, run->job.payload, sizeof job.payload);
    job.payload_n = run->job.payload_n;
    job.due_us = due_us;
    return job_defer(tx, &job);
}

err_t flow_park(struct store_tx *tx, struct flow_run *run, size_t next_step)
{
    const struct flow_config *c = &run->engine->config;
    int64_t wait = c->inquiry_delay_us;
    for (int32_t i = 0; i < run->job.attempts && wait < c->inquiry_backoff_max_us; i++)
        wait *= 2;
    wait = num_min(wait, c->inquiry_backoff_max_us);
    wait =
        wait - wait / 5 + (int64_t)det_below(&run->det, (uint64_t)(wait / 5 * 2 + 1)); /* ±20 % */
    return flow_park_until(tx, run, next_step, run->det.now_us + wait);
}

bool flow_not_found_final(struct flow_run *run)
{
    const struct provider_port *port = &run->engine->config.provider;
    if (!run->inquired || run->unknown_since_us == 0)
        return false;
    int64_t window_us =
        port->not_found_final_ms(port->self, run->merchant_id, run->call.account) * 1000;
    /* By the time of the question: its answer may have been on its way for long, while what it had
     * not found arrived. */
    return run->asked_us - run->unknown_since_us >= window_us;
}

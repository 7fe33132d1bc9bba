/* The timer of a dispute: a reminder before its deadline, and on it a question to the provider,
 * whose webhook may have been lost. */
#include "payments/dispute.h"

enum { STEP_BEGIN, STEP_REMIND, STEP_ASK, STEP_TOLD };

/* How often a provider that has not decided is asked. */
#define ASK_AGAIN_US (INT64_C(12) * 3600 * 1000000)

void dispute_call(struct flow_run *run, enum provider_operation operation, const struct dispute *d)
{
    run->call = (struct provider_call){.operation = operation,
                                       .merchant_id = d->merchant_id,
                                       .account = d->provider_account,
                                       .amount = d->amount,
                                       .currency = d->currency};
    /* A later answer to the same dispute is another one. */
    struct id reference = id_derive(d->id, (unsigned)(d->version % 1022) + 1);
    id_text(ID_DISPUTE, reference, run->call.reference);
    copy_text(run->call.provider_reference, sizeof run->call.provider_reference,
              str_from(d->provider_reference));
}

/* When and where the timer of an open dispute goes on. */
static void next_turn(const struct flow_run *run, const struct dispute *d, size_t *ret_step,
                      int64_t *ret_due)
{
    int64_t now = run->det.now_us;
    if (dispute_waits(d) && d->due_us > now) {
        int64_t remind = d->due_us - settings_of(run)->dispute_reminder_us;
        *ret_step = STEP_REMIND;
        *ret_due = num_max(remind, now);
    } else {
        *ret_step = STEP_ASK;
        *ret_due = num_max(d->due_us, now + ASK_AGAIN_US);
    }
}

err_t dispute_watch(struct store_tx *tx, struct flow_run *run, const struct dispute *d)
{
    size_t step;
    int64_t due;
    if (id_eq(run->job.id, id_derive(d->id, DEADLINE_NUMBER)))
        return OK;
    err_t err = flow_unschedule(tx, run, d->id, DEADLINE_NUMBER);
    if (err || dispute_over(d))
        return err;
    next_turn(run, d, &step, &due);
    return flow_schedule(tx, run, &dispute_deadline_flow, d->id, DEADLINE_NUMBER, step, due);
}

static err_t remind(struct store_tx *tx, struct flow_run *run)
{
    struct dispute d;
    struct buf json = BUF(JSON_MAX);
    err_t err = dispute_load_subject(tx, run, run->subject, &d);
    if (!err && dispute_waits(&d)) {
        err = dispute_announce(tx, run, &d, EVENT_DISPUTE_DEADLINE, &json);
        if (!err)
            err = dispute_save(tx, &d);
    }
    if (!err)
        err = dispute_over(&d)
                  ? flow_finish(tx, run)
                  : flow_park_until(tx, run, STEP_ASK, num_max(d.due_us, run->det.now_us));
    dispute_release(&d);
    buf_free(&json);
    return err;
}

static err_t ask(struct store_tx *tx, struct flow_run *run)
{
    struct dispute d;
    err_t err = dispute_load_subject(tx, run, run->subject, &d);
    if (!err && dispute_over(&d)) {
        err = flow_finish(tx, run);
    } else if (!err) {
        dispute_call(run, OPERATION_INQUIRE_DISPUTE, &d);
        run->effect = FLOW_CALL;
        run->next = STEP_TOLD;
    }
    dispute_release(&d);
    return err;
}

static err_t told(struct store_tx *tx, struct flow_run *run)
{
    struct dispute d;
    enum applied applied = APPLIED_NOTHING;
    size_t step;
    int64_t due;
    const struct outcome *o = &run->outcome;
    bool known = o->kind == OUTCOME_ACCEPTED && o->dispute.reference[0];
    bool strange = o->kind == OUTCOME_NOT_FOUND; /* to ask often would not help */
    err_t err = dispute_load_subject(tx, run, run->subject, &d);
    int16_t account = d.provider_account;
    if (!err && known) {
        dispute_release(&d);
        err = dispute_apply(tx, run, account, &o->dispute, true, &applied);
        if (!err)
            err = dispute_load_subject(tx, run, run->subject, &d);
        else
            d = (struct dispute){0};
    }
    if (err)
        goto out;
    next_turn(run, &d, &step, &due);
    if (dispute_over(&d))
        err = flow_finish(tx, run);
    else if (known || strange)
        err = flow_park_until(tx, run, step, due);
    else
        err = flow_park(tx, run, STEP_ASK);
out:
    dispute_release(&d);
    return err;
}

static const struct flow_step steps[] = {
    [STEP_BEGIN] = {"begin", remind, 0, 0},
    [STEP_REMIND] = {"remind", remind, 0, 0},
    [STEP_ASK] = {"ask", ask, 0, 0},
    [STEP_TOLD] = {"told", told, 0, 0},
};
const struct flow_def dispute_deadline_flow = {.kind = FLOW_KIND_DISPUTE_DEADLINE,
                                               .name = "dispute_deadline",
                                               .steps = steps,
                                               .steps_n = COUNT_OF(steps)};

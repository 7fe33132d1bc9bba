/* Flows dispute_submit and dispute_accept: the merchant's answer goes to the provider. What became
 * of a call without an answer is found out by asking about the dispute; it is not sent twice. */
#include <stdio.h>

#include "payments/dispute.h"

enum { STEP_BEGIN, STEP_SETTLE, STEP_INQUIRE, STEP_TOLD };

static bool submits(const struct flow_run *run)
{
    return run->def == &dispute_submit_flow;
}

/* --- what is allowed --- */

static err_t check_state(const struct dispute *d, bool submit, struct err_info *reterr)
{
    if (d->state == DISPUTE_UNDER_REVIEW)
        return error_set(reterr, ERR_STATE,
                         "Evidence was submitted already; the issuer decides now.");
    if (!dispute_waits(d))
        return error_set(reterr, ERR_STATE, "A dispute that is %s cannot be %s.",
                         machine_text(&dispute_machine, d->state),
                         submit ? "answered with evidence" : "accepted");
    return OK;
}

static err_t check_submit(const struct flow_run *run, const struct dispute *d,
                          struct err_info *reterr)
{
    struct buf due = BUF(64);
    err_t err = OK;
    if (d->due_us && run->det.now_us > d->due_us) {
        time_text(&due, d->due_us);
        err = error_set(reterr, ERR_STATE, "Evidence could be submitted until %s.",
                        due.p ? due.p : "the deadline");
    } else if (d->evidence.n <= 2 && d->files.n <= 2) {
        err = error_set(reterr, ERR_STATE,
                        "There is no evidence to submit: add some, or accept the dispute.");
    }
    buf_free(&due);
    return err;
}

err_t dispute_check_idle(struct store_tx *tx, struct flow_run *run, const struct dispute *d)
{
    struct job job = {.epoch = 0};
    bool found = false;
    err_t err = job_read(tx, run->merchant_id, d->id, &job, &found);
    if (!err && found)
        err = error_set(&run->error, ERR_STATE,
                        "An answer to this dispute is on its way; what became of it is being "
                        "found out.");
    return err;
}

static err_t begin(struct store_tx *tx, struct flow_run *run)
{
    bool submit = submits(run);
    struct dispute d;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    run->number = 0;
    err = dispute_load_subject(tx, run, run->subject, &d);
    if (!err)
        err = check_state(&d, submit, &run->error);
    if (!err && submit)
        err = check_submit(run, &d, &run->error);
    if (!err)
        err = dispute_check_idle(tx, run, &d);
    if (!err && submit)
        err = evidence_render(tx, &d, &run->attachment);
    if (!err) {
        dispute_call(run, submit ? OPERATION_SUBMIT_EVIDENCE : OPERATION_ACCEPT_DISPUTE, &d);
        if (submit)
            run->call.evidence = buf_view(&run->attachment);
        run->effect = FLOW_CALL;
        run->next = STEP_SETTLE;
        err = flow_position(tx, run, STEP_INQUIRE);
    }
    dispute_release(&d);
    return err;
}

/* --- outcomes --- */

/* The provider took it and says no more: its next word. */
static struct dispute_facts taken_facts(const struct dispute *d, bool submit)
{
    struct dispute_facts f = {.stage = d->held ? STAGE_CHARGEBACK : STAGE_INQUIRY,
                              .status = submit ? DISPUTED_UNDER_REVIEW : DISPUTED_ACCEPTED,
                              .amount = d->amount,
                              .fee = d->fee,
                              .currency = d->currency,
                              .due_us = d->due_us,
                              .version = d->provider_version + 1};
    copy_text(f.reference, sizeof f.reference, str_from(d->provider_reference));
    copy_text(f.reason, sizeof f.reason, str_from(d->reason));
    copy_text(f.network_reason_code, sizeof f.network_reason_code,
              str_from(d->network_reason_code));
    return f;
}

/* Applies what the provider says; for evidence that arrived, keeps when. */
static err_t apply(struct store_tx *tx, struct flow_run *run, bool arrived,
                   const struct dispute_facts *f)
{
    struct dispute d;
    enum applied applied = APPLIED_NOTHING;
    err_t err = dispute_load_subject(tx, run, run->subject, &d);
    int16_t account = d.provider_account;
    if (!err && arrived && d.submitted_us == 0) {
        d.submitted_us = run->det.now_us;
        err = dispute_save(tx, &d);
    }
    dispute_release(&d);
    return err ? err : dispute_apply(tx, run, account, f, true, &applied);
}

static err_t unnumber(struct store_tx *tx, struct flow_run *run, int64_t heard)
{
    struct dispute d;
    err_t err = dispute_load_subject(tx, run, run->subject, &d);
    d.provider_version = heard;
    if (!err)
        err = dispute_save(tx, &d);
    dispute_release(&d);
    return err;
}

/* 200 with the dispute as it now is. */
static err_t answer_dispute(struct store_tx *tx, struct flow_run *run)
{
    struct dispute d;
    struct buf json = BUF(JSON_MAX);
    err_t err = dispute_load_subject(tx, run, run->subject, &d);
    if (!err) {
        dispute_write(&(struct jw){.b = &json}, NULL, &d);
        err = json.failed ? ERR_NO_MEMORY : answer_event(run, &json, 0);
    }
    dispute_release(&d);
    buf_free(&json);
    return err;
}

static err_t settle_taken(struct store_tx *tx, struct flow_run *run, bool submit)
{
    struct dispute d;
    bool said = run->outcome.dispute.reference[0] != 0;
    err_t err = dispute_load_subject(tx, run, run->subject, &d);
    int64_t heard = d.provider_version;
    if (!err && (said || dispute_waits(&d))) { /* else its own word came first */
        struct dispute_facts f = said ? run->outcome.dispute : taken_facts(&d, submit);
        err = apply(tx, run, submit, &f);
    }
    dispute_release(&d);
    if (!err && !said) /* what it did not say has no number: the next one of its own does */
        err = unnumber(tx, run, heard);
    if (!err)
        err = answer_dispute(tx, run);
    return err ? err : flow_finish(tx, run);
}

/* It knows something that we do not: the inquiry comes at once. */
static err_t settle_refused(struct store_tx *tx, struct flow_run *run, bool submit)
{
    char detail[200];
    const struct outcome *o = &run->outcome;
    (void)snprintf(detail, sizeof detail, "The provider refused %s%s%.120s.",
                   submit ? "the evidence" : "the acceptance", o->provider_message[0] ? ": " : "",
                   o->provider_message);
    err_t err = answer_problem(run, ERR_STATE, detail);
    return err ? err : flow_park_until(tx, run, STEP_INQUIRE, run->det.now_us);
}

static err_t settle(struct store_tx *tx, struct flow_run *run)
{
    bool submit = submits(run);
    err_t err;
    switch (run->outcome.kind) {
    case OUTCOME_ACCEPTED:
        return settle_taken(tx, run, submit);
    case OUTCOME_DECLINED:
    case OUTCOME_FAILED:
        return settle_refused(tx, run, submit);
    case OUTCOME_NOT_SENT:
        err = answer_problem(run, ERR_UNAVAILABLE,
                             "The provider could not be reached; nothing was sent.");
        if (!err)
            err = flow_forget(tx, run);
        return err ? err : flow_finish(tx, run);
    default:
        err = answer_dispute(tx, run);
        return err ? err : flow_park(tx, run, STEP_INQUIRE);
    }
}

static err_t inquire(struct store_tx *tx, struct flow_run *run)
{
    struct dispute d;
    err_t err = dispute_load_subject(tx, run, run->subject, &d);
    if (!err) {
        dispute_call(run, OPERATION_INQUIRE_DISPUTE, &d);
        if (run->unknown_since_us == 0)
            run->unknown_since_us = run->det.now_us;
        run->effect = FLOW_CALL;
        run->next = STEP_TOLD;
    }
    dispute_release(&d);
    return err;
}

/* The provider still waits for an answer: ours did not arrive, once it can no longer do so. */
static err_t told(struct store_tx *tx, struct flow_run *run)
{
    bool submit = submits(run);
    const struct dispute_facts *f = &run->outcome.dispute;
    err_t err;
    if (run->outcome.kind != OUTCOME_ACCEPTED || !f->reference[0]) {
        err = answer_dispute(tx, run);
        return err ? err : flow_park(tx, run, STEP_INQUIRE);
    }
    bool answered = f->status != DISPUTED_NEEDS_RESPONSE;
    bool arrived = f->status == DISPUTED_UNDER_REVIEW || f->status == DISPUTED_WON;
    err = apply(tx, run, submit && arrived, f);
    if (!err) /* whoever asked may still wait: a crash came between */
        err = answer_dispute(tx, run);
    if (err)
        return err;
    run->inquired = true;
    if (answered || flow_not_found_final(run))
        return flow_finish(tx, run);
    return flow_park(tx, run, STEP_INQUIRE);
}

static const struct flow_step steps[] = {
    [STEP_BEGIN] = {"begin", begin, 0, 0},
    [STEP_SETTLE] = {"settle", settle, 0, 0},
    [STEP_INQUIRE] = {"inquire", inquire, 0, 0},
    [STEP_TOLD] = {"told", told, 0, 0},
};
const struct flow_def dispute_submit_flow = {.kind = FLOW_KIND_DISPUTE_SUBMIT,
                                             .name = "dispute_submit",
                                             .steps = steps,
                                             .steps_n = COUNT_OF(steps),
                                             .ended = payment_ended};
const struct flow_def dispute_accept_flow = {.kind = FLOW_KIND_DISPUTE_ACCEPT,
                                             .name = "dispute_accept",
                                             .steps = steps,
                                             .steps_n = COUNT_OF(steps),
                                             .ended = payment_ended};

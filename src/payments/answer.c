/* Provider calls and answers that all flows of the room share. */
#include <stdio.h>

#include "observe/observe.h"
#include "payments/payment.h"

void call_prepare(struct provider_call *call, enum provider_operation operation,
                  const struct payment *p)
{
    *call = (struct provider_call){.operation = operation,
                                   .merchant_id = p->merchant_id,
                                   .account = p->provider_account,
                                   .amount = p->amount,
                                   .currency = p->currency,
                                   .capture = p->capture};
    struct id authorization = id_derive(p->id, (unsigned)p->attempt);
    if (operation == OPERATION_AUTHORIZE || operation == OPERATION_CONFIRM)
        id_text(ID_ATTEMPT, authorization, call->reference);
    else
        id_text(ID_ATTEMPT, authorization, call->original);
    (void)snprintf(call->provider_reference, sizeof call->provider_reference, "%s",
                   p->provider_reference);
    (void)snprintf(call->token, sizeof call->token, "%s", p->token);
}

void call_inquire(struct flow_run *run, size_t next)
{
    run->call.about = run->call.operation;
    run->call.operation = OPERATION_INQUIRE;
    if (run->unknown_since_us == 0)
        run->unknown_since_us = run->det.now_us;
    run->effect = FLOW_CALL;
    run->next = next;
}

err_t answer_event(struct flow_run *run, const struct buf *json, int64_t sequence)
{
    struct flow_answer *a = &run->answer;
    a->status = 200;
    a->event_sequence = sequence;
    buf_clear(&a->body);
    buf_join(&a->body, json);
    return a->body.failed ? ERR_NO_MEMORY : OK;
}

err_t answer_decline(struct flow_run *run, const char *member, const struct buf *json, int decline,
                     const char *detail)
{
    struct flow_answer *a = &run->answer;
    struct err_info info = {.err = ERR_DECLINED};
    struct buf extra = BUF(JSON_MAX);
    (void)error_set(&info, ERR_DECLINED, "%s", detail);
    buf_printf(&extra, "\"%s\":", member);
    buf_join(&extra, json);
    a->status = 402;
    a->event_sequence = 0;
    buf_clear(&a->body);
    if (!extra.failed)
        problem_write(&a->body, &info, run->request_id, decline_code_text(decline), extra.p);
    bool failed = extra.failed || a->body.failed;
    buf_free(&extra);
    return failed ? ERR_NO_MEMORY : OK;
}

err_t answer_problem(struct flow_run *run, err_t code, const char *detail)
{
    struct flow_answer *a = &run->answer;
    struct err_info info = {.err = code};
    (void)error_set(&info, code, "%s", detail);
    a->status = error_def(code)->status;
    a->event_sequence = 0;
    buf_clear(&a->body);
    problem_write(&a->body, &info, run->request_id, NULL, NULL);
    return a->body.failed ? ERR_NO_MEMORY : OK;
}

enum verdict outcome_verdict(struct flow_run *run, enum outcome_kind success,
                             enum outcome_kind also)
{
    struct outcome *o = &run->outcome;
    if (o->kind == success || o->kind == also)
        return VERDICT_DONE;
    switch (o->kind) {
    case OUTCOME_DECLINED:
        if (o->decline == DECLINE_NONE)
            o->decline = DECLINE_GENERIC_DECLINE;
        return VERDICT_REFUSED;
    case OUTCOME_SOFT_DECLINED:
        o->decline = DECLINE_AUTHENTICATION_REQUIRED;
        return VERDICT_REFUSED;
    case OUTCOME_EXPIRED: /* asked about so late that the hold is gone already */
        o->decline = DECLINE_PROVIDER_TIMEOUT;
        return VERDICT_REFUSED;
    case OUTCOME_NOT_SENT:
        /* An inquiry that was not sent says nothing about what it asked; an authorization that was
         * not confirmed still waits. */
        if (run->inquired || run->call.operation == OPERATION_CONFIRM)
            return VERDICT_OPEN;
        o->decline = DECLINE_PROVIDER_UNAVAILABLE;
        return VERDICT_REFUSED;
    case OUTCOME_FAILED:
        if (o->decline == DECLINE_NONE)
            o->decline = DECLINE_PROVIDER_UNAVAILABLE;
        return VERDICT_REFUSED;
    case OUTCOME_NOT_FOUND:
        if (!flow_not_found_final(run))
            return VERDICT_OPEN;
        o->decline = DECLINE_PROVIDER_TIMEOUT;
        return VERDICT_REFUSED;
    default:
        /* UNKNOWN, PENDING, and a success of another kind than asked for: never taken for an end.
         */
        return VERDICT_OPEN;
    }
}

void payment_ended(const struct flow_run *run)
{
    char label[64];
    if (run->told) {
        (void)snprintf(label, sizeof label, "status=\"%s\"", run->told);
        metric_add(METRIC_PAYMENTS, label, 1);
    }
    const char *reason = run->effect == FLOW_END ? decline_code_text(run->outcome.decline) : NULL;
    if (reason) {
        (void)snprintf(label, sizeof label, "reason=\"%s\"", reason);
        metric_add(METRIC_DECLINES, label, 1);
    }
    if (run->inquired)
        metric_add(METRIC_JANITOR, run->effect == FLOW_END ? "result=\"ended\"" : "result=\"open\"",
                   1);
    LOG(LOG_INFO, run->effect == FLOW_END ? "flow.ended" : "flow.parked",
        LOG_STR("flow", run->def->name), LOG_ID("request", ID_REQUEST, run->request_id),
        LOG_STR("reference", run->call.reference[0] ? run->call.reference : "-"),
        LOG_STR("outcome", outcome_text(run->outcome.kind)),
        LOG_STR("decline", reason ? reason : "-"), LOG_INT("latency_us", run->outcome.latency_us));
}

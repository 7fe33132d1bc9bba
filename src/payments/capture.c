/* Flow payment_capture: takes what is held, all or a part; several times. */
#include "payments/operation.h"

static err_t plan(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                  struct operation *op)
{
    const struct payment_capture *in = run->input;
    int64_t held = payment_capturable(p);
    (void)tx;
    op->amount = in->amount.set ? in->amount.value : held;
    if (op->amount < 1 || op->amount > held)
        return error_param(&run->error, ERR_PARAM_INVALID, "amount",
                           "must be between 1 and what is capturable (%lld)", (long long)held);
    op->final = in->final || op->amount == held;
    return OK;
}

static err_t apply(struct store_tx *tx, struct flow_run *run, struct payment *p,
                   const struct operation *op, struct journal *j)
{
    int64_t held = payment_held(p), ended = op->final ? held : op->amount;
    struct outcome first = {.kind = OUTCOME_CAPTURED};
    ASSERT(op->amount > 0 && op->amount <= held);
    ledger_capture(j, p->provider_account, ended, op->amount);
    p->captured += op->amount;
    p->released += ended - op->amount;
    /* The payment shows the reference of its first capture; the others are in their rows. */
    if (!p->acquirer_reference[0]) {
        copy_text(p->acquirer_reference, sizeof p->acquirer_reference,
                  str_from(run->outcome.acquirer_reference));
        copy_text(first.acquirer_reference, sizeof first.acquirer_reference,
                  str_from(p->acquirer_reference));
    }
    return attempt_move(tx, run, p, ATTEMPT_DO_CAPTURE, &first);
}

static const struct operation_kind capture = {
    .number = 1,
    .id = ID_CAPTURE,
    .operation = OPERATION_CAPTURE,
    .success = OUTCOME_CAPTURED,
    .start = PAYMENT_DO_CAPTURE_START,
    .done = "captured",
    .refused = "The capture was refused; the money is still held.",
    .plan = plan,
    .apply = apply,
};

static const struct flow_step steps[] = {
    [OPERATION_BEGIN] = {"begin", operation_begin, 0, 0},
    [OPERATION_SETTLE] = {"settle", operation_settle, 0, 0},
    [OPERATION_ASK] = {"inquire", operation_ask, OPERATION_SETTLE, OPERATION_CAPTURE},
};
const struct flow_def payment_capture_flow = {.kind = FLOW_KIND_CAPTURE,
                                              .name = "payment_capture",
                                              .steps = steps,
                                              .steps_n = COUNT_OF(steps),
                                              .ended = payment_ended,
                                              .arg = &capture};

/* Flow payment_cancel: releases what is held, all or a part; or withdraws a payment that waits for
 * the customer. */
#include "payments/authorize.h"
#include "payments/operation.h"

static err_t plan(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                  struct operation *op)
{
    const struct payment_cancel *in = run->input;
    int64_t held = payment_capturable(p);
    (void)tx;
    if (!in->amount.set && p->captured > 0)
        return error_set(&run->error, ERR_STATE,
                         "Part of this payment is captured: release the rest with `amount` (up to "
                         "%lld), or refund what was captured.",
                         (long long)held);
    op->amount = in->amount.set ? in->amount.value : held;
    if (op->amount < 1 || op->amount > held)
        return error_param(&run->error, ERR_PARAM_INVALID, "amount",
                           "must be between 1 and what is held (%lld)", (long long)held);
    op->final = op->amount == held;
    op->reason = in->reason;
    return OK;
}

static err_t apply(struct store_tx *tx, struct flow_run *run, struct payment *p,
                   const struct operation *op, struct journal *j)
{
    ASSERT(op->amount > 0 && op->amount <= payment_held(p));
    ledger_cancel(j, p->provider_account, op->amount);
    p->released += op->amount;
    return payment_held(p) > 0 || p->captured > 0
               ? OK
               : attempt_move(tx, run, p, ATTEMPT_DO_CANCEL, NULL);
}

/* Nothing is held yet: the attempt is given up. */
static err_t withdraw(struct store_tx *tx, struct flow_run *run, struct payment *p)
{
    const struct payment_cancel *in = run->input;
    if (in->amount.set)
        return error_param(&run->error, ERR_PARAM_INVALID, "amount",
                           "must be left out: the payment waits for the customer and nothing is "
                           "held that could be released in parts");
    err_t err = attempt_take_over(tx, run, p, PAYMENT_DO_CANCEL_START);
    return err ? err : attempt_abandon(tx, run, p, CREATE_WITHDRAWN, CREATE_WITHDRAW_INQUIRE);
}

static const struct operation_kind cancel = {
    .number = 2,
    .id = ID_CANCEL,
    .operation = OPERATION_CANCEL,
    .success = OUTCOME_CANCELED,
    .start = PAYMENT_DO_CANCEL_START,
    .done = "canceled",
    .refused = "The cancellation was refused; the money is still held.",
    .plan = plan,
    .apply = apply,
    .withdraw = withdraw,
};

static const struct flow_step steps[] = {
    [OPERATION_BEGIN] = {"begin", operation_begin, 0, 0},
    [OPERATION_SETTLE] = {"settle", operation_settle, 0, 0},
    [OPERATION_ASK] = {"inquire", operation_ask, OPERATION_SETTLE, OPERATION_CANCEL},
};
const struct flow_def payment_cancel_flow = {.kind = FLOW_KIND_CANCEL,
                                             .name = "payment_cancel",
                                             .steps = steps,
                                             .steps_n = COUNT_OF(steps),
                                             .ended = payment_ended,
                                             .arg = &cancel};

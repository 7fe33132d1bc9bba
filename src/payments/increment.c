/* Flow payment_increment: holds more, while nothing is captured. */
#include "orders/orders.h"
#include "payments/operation.h"

/* An order has no room for it twice: reserved from the beginning to the end of the operation. */
static err_t reserve(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                     int64_t amount)
{
    return id_is_zero(p->order)
               ? OK
               : order_settle(tx, p->merchant_id, p->order,
                              &(struct order_change){.reserved = amount}, run->det.now_us);
}

static err_t plan(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                  struct operation *op)
{
    const struct payment_increment *in = run->input;
    int64_t room = AMOUNT_MAX - p->amount;
    op->amount = in->amount;
    if (op->amount < 1 || op->amount > room)
        return error_param(&run->error, ERR_PARAM_INVALID, "amount",
                           "must be between 1 and %lld: it is added to what is held",
                           (long long)room);
    if (id_is_zero(p->order))
        return OK;
    err_t err = order_check(tx, p->merchant_id, p->order, op->amount, p->currency, &run->error);
    return err ? err : reserve(tx, run, p, op->amount);
}

static err_t over(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                  const struct operation *op)
{
    return reserve(tx, run, p, -op->amount);
}

static err_t apply(struct store_tx *tx, struct flow_run *run, struct payment *p,
                   const struct operation *op, struct journal *j)
{
    (void)tx;
    (void)run;
    ASSERT(op->amount > 0 && p->captured == 0);
    ledger_increment(j, p->provider_account, op->amount);
    p->amount += op->amount;
    p->authorized += op->amount;
    return OK;
}

static const struct operation_kind increment = {
    .number = 3,
    .id = ID_INCREMENT,
    .operation = OPERATION_INCREMENT,
    .success = OUTCOME_INCREMENTED,
    .start = PAYMENT_DO_INCREMENT_START,
    .done = "incremented",
    .refused = "The increment was refused; what was held before is still held.",
    .plan = plan,
    .apply = apply,
    .over = over,
};

static const struct flow_step steps[] = {
    [OPERATION_BEGIN] = {"begin", operation_begin, 0, 0},
    [OPERATION_SETTLE] = {"settle", operation_settle, 0, 0},
    [OPERATION_ASK] = {"inquire", operation_ask, OPERATION_SETTLE, OPERATION_INCREMENT},
};
const struct flow_def payment_increment_flow = {.kind = FLOW_KIND_INCREMENT,
                                                .name = "payment_increment",
                                                .steps = steps,
                                                .steps_n = COUNT_OF(steps),
                                                .ended = payment_ended,
                                                .arg = &increment};

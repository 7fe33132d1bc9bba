/* All flows whose positions are stored: what the engine knows. */
#include "payments/inbox.h"
#include "payments/payments.h"

const struct flow_def *const payment_flows[] = {
    &payment_create_flow,   &payment_capture_flow, &payment_cancel_flow, &payment_increment_flow,
    &payment_hold_flow,     &refund_create_flow,   &dispute_submit_flow, &dispute_accept_flow,
    &dispute_deadline_flow, &inbox_receive_flow,
};
const size_t payment_flows_n = COUNT_OF(payment_flows);

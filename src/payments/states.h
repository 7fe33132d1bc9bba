/* The state machines of payments, attempts, operations, refunds and disputes: a table each. From it
 * come the code, the SQL CHECK (compared by a test), docs/states.md and the test of all states x
 * all events. Numbers are stored and never change. */
#ifndef FLORIN_PAYMENTS_STATES_H
#define FLORIN_PAYMENTS_STATES_H

#include "base/base.h"
#include "events/events.h"

/* X(NAME, number, "text", event type, meaning) */
#define PAYMENT_STATES(X)                                                                          \
    X(REQUIRES_ACTION, 1, "requires_action", EVENT_PAYMENT_REQUIRES_ACTION,                        \
      "the customer must do something")                                                            \
    X(PENDING, 2, "pending", EVENT_PAYMENT_PENDING, "customer or bank acts out of our sight")      \
    X(PROCESSING, 3, "processing", EVENT_PAYMENT_PROCESSING,                                       \
      "we act, or the outcome is not known yet")                                                   \
    X(IN_REVIEW, 4, "in_review", EVENT_PAYMENT_IN_REVIEW, "held by risk")                          \
    X(AUTHORIZED, 5, "authorized", EVENT_PAYMENT_AUTHORIZED, "the money is held")                  \
    X(PARTIALLY_CAPTURED, 6, "partially_captured", EVENT_PAYMENT_PARTIALLY_CAPTURED,               \
      "part is taken, more may be")                                                                \
    X(CAPTURED, 7, "captured", EVENT_PAYMENT_CAPTURED, "the money is taken")                       \
    X(REFUNDED, 8, "refunded", EVENT_PAYMENT_REFUNDED, "all of the captured amount went back")     \
    X(CANCELED, 9, "canceled", EVENT_PAYMENT_CANCELED, "the hold was released")                    \
    X(EXPIRED, 10, "expired", EVENT_PAYMENT_EXPIRED, "the hold or the customer's time ran out")    \
    X(FAILED, 11, "failed", EVENT_PAYMENT_FAILED, "declined, or definitely not taken")

/* X(NAME, "text"): what can happen to a payment. HELD, PART, CAPTURE_OK, CANCEL_OK and REFUND_ALL:
 * how a later operation leaves it, by what is still held and what was taken. */
#define PAYMENT_STEPS(X)                                                                           \
    X(CREATE, "create")                                                                            \
    X(AUTHORIZE_OK, "authorize_ok")                                                                \
    X(SALE_OK, "sale_ok")                                                                          \
    X(ACTION, "action")                                                                            \
    X(DECLINE, "decline")                                                                          \
    X(UNKNOWN, "unknown")                                                                          \
    X(CONFIRM_START, "confirm_start")                                                              \
    X(RETRY, "retry")                                                                              \
    X(LAPSE, "lapse")                                                                              \
    X(CAPTURE_START, "capture_start")                                                              \
    X(CANCEL_START, "cancel_start")                                                                \
    X(INCREMENT_START, "increment_start")                                                          \
    X(HELD, "held")                                                                                \
    X(PART, "part")                                                                                \
    X(CAPTURE_OK, "capture_ok")                                                                    \
    X(CANCEL_OK, "cancel_ok")                                                                      \
    X(EXPIRE, "expire")                                                                            \
    X(REFUND_START, "refund_start")                                                                \
    X(REFUND_PART, "refund_part")                                                                  \
    X(REFUND_ALL, "refund_all")                                                                    \
    X(REFUND_NO, "refund_no")                                                                      \
    X(REFUND_BACK, "refund_back")                                                                  \
    X(DISPUTE, "dispute")                                                                          \
    X(CLEAR, "clear")

/* X(from, step, to) */
#define PAYMENT_EDGES(X)                                                                           \
    X(NONE, CREATE, PROCESSING)                                                                    \
    X(PROCESSING, AUTHORIZE_OK, AUTHORIZED)                                                        \
    X(PROCESSING, SALE_OK, CAPTURED)                                                               \
    X(PROCESSING, ACTION, REQUIRES_ACTION)                                                         \
    X(PROCESSING, DECLINE, FAILED)                                                                 \
    X(PROCESSING, UNKNOWN, PROCESSING)                                                             \
    X(REQUIRES_ACTION, ACTION, REQUIRES_ACTION)                                                    \
    X(REQUIRES_ACTION, AUTHORIZE_OK, AUTHORIZED)                                                   \
    X(REQUIRES_ACTION, SALE_OK, CAPTURED)                                                          \
    X(REQUIRES_ACTION, UNKNOWN, PROCESSING)                                                        \
    X(REQUIRES_ACTION, CONFIRM_START, PROCESSING)                                                  \
    X(REQUIRES_ACTION, LAPSE, PROCESSING)                                                          \
    X(REQUIRES_ACTION, CANCEL_START, PROCESSING)                                                   \
    X(REQUIRES_ACTION, DECLINE, FAILED)                                                            \
    X(FAILED, RETRY, PROCESSING)                                                                   \
    X(AUTHORIZED, CAPTURE_START, PROCESSING)                                                       \
    X(AUTHORIZED, CANCEL_START, PROCESSING)                                                        \
    X(AUTHORIZED, INCREMENT_START, PROCESSING)                                                     \
    X(AUTHORIZED, EXPIRE, EXPIRED)                                                                 \
    X(PARTIALLY_CAPTURED, CAPTURE_START, PROCESSING)                                               \
    X(PARTIALLY_CAPTURED, CANCEL_START, PROCESSING)                                                \
    X(PARTIALLY_CAPTURED, EXPIRE, CAPTURED)                                                        \
    X(PROCESSING, HELD, AUTHORIZED)                                                                \
    X(PROCESSING, PART, PARTIALLY_CAPTURED)                                                        \
    X(PROCESSING, CAPTURE_OK, CAPTURED)                                                            \
    X(PROCESSING, CANCEL_OK, CANCELED)                                                             \
    X(PROCESSING, REFUND_PART, PROCESSING)                                                         \
    X(PROCESSING, REFUND_NO, PROCESSING)                                                           \
    X(PROCESSING, REFUND_BACK, PROCESSING)                                                         \
    X(PARTIALLY_CAPTURED, REFUND_START, PARTIALLY_CAPTURED)                                        \
    X(PARTIALLY_CAPTURED, REFUND_PART, PARTIALLY_CAPTURED)                                         \
    X(PARTIALLY_CAPTURED, REFUND_NO, PARTIALLY_CAPTURED)                                           \
    X(PARTIALLY_CAPTURED, REFUND_BACK, PARTIALLY_CAPTURED)                                         \
    X(CAPTURED, REFUND_START, CAPTURED)                                                            \
    X(CAPTURED, REFUND_PART, CAPTURED)                                                             \
    X(CAPTURED, REFUND_NO, CAPTURED)                                                               \
    X(CAPTURED, REFUND_BACK, CAPTURED)                                                             \
    X(CAPTURED, REFUND_ALL, REFUNDED)                                                              \
    X(REFUNDED, REFUND_BACK, CAPTURED)                                                             \
    X(PROCESSING, DISPUTE, PROCESSING)                                                             \
    X(PROCESSING, CLEAR, PROCESSING)                                                               \
    X(PARTIALLY_CAPTURED, DISPUTE, PARTIALLY_CAPTURED)                                             \
    X(PARTIALLY_CAPTURED, CLEAR, PARTIALLY_CAPTURED)                                               \
    X(CAPTURED, DISPUTE, CAPTURED)                                                                 \
    X(CAPTURED, CLEAR, CAPTURED)                                                                   \
    X(REFUNDED, DISPUTE, REFUNDED)                                                                 \
    X(REFUNDED, CLEAR, REFUNDED)

/* Attempts: one call chain at one provider. X(NAME, number, "text", unused, meaning) */
#define ATTEMPT_STATES(X)                                                                          \
    X(CREATED, 1, "created", 0, "intended; not sent")                                              \
    X(SENT, 2, "sent", 0, "the intent is durable; the call is made or about to be")                \
    X(REQUIRES_ACTION, 3, "requires_action", 0, "the provider waits for the customer")             \
    X(PENDING, 4, "pending", 0, "the provider has not decided")                                    \
    X(AUTHORIZED, 5, "authorized", 0, "money held")                                                \
    X(CAPTURED, 6, "captured", 0, "money taken")                                                   \
    X(DECLINED, 7, "declined", 0, "refused; not taken")                                            \
    X(FAILED, 8, "failed", 0, "definitely not taken, for a technical reason")                      \
    X(UNKNOWN, 9, "unknown", 0, "the outcome is not known; it is inquired")                        \
    X(CANCELED, 10, "canceled", 0, "the hold was released")
#define ATTEMPT_STEPS(X)                                                                           \
    X(SEND, "send")                                                                                \
    X(APPROVE, "approve")                                                                          \
    X(TAKE, "take")                                                                                \
    X(DECLINE, "decline")                                                                          \
    X(FAIL, "fail")                                                                                \
    X(WAIT, "wait")                                                                                \
    X(LOSE, "lose")                                                                                \
    X(ACT, "act")                                                                                  \
    X(CAPTURE, "capture")                                                                          \
    X(CANCEL, "cancel")
#define ATTEMPT_EDGES(X)                                                                           \
    X(NONE, SEND, SENT)                                                                            \
    X(SENT, APPROVE, AUTHORIZED)                                                                   \
    X(SENT, TAKE, CAPTURED)                                                                        \
    X(SENT, DECLINE, DECLINED)                                                                     \
    X(SENT, FAIL, FAILED)                                                                          \
    X(SENT, WAIT, PENDING)                                                                         \
    X(SENT, LOSE, UNKNOWN)                                                                         \
    X(PENDING, APPROVE, AUTHORIZED)                                                                \
    X(PENDING, TAKE, CAPTURED)                                                                     \
    X(PENDING, DECLINE, DECLINED)                                                                  \
    X(PENDING, FAIL, FAILED)                                                                       \
    X(PENDING, WAIT, PENDING)                                                                      \
    X(PENDING, LOSE, UNKNOWN)                                                                      \
    X(UNKNOWN, APPROVE, AUTHORIZED)                                                                \
    X(UNKNOWN, TAKE, CAPTURED)                                                                     \
    X(UNKNOWN, DECLINE, DECLINED)                                                                  \
    X(UNKNOWN, FAIL, FAILED)                                                                       \
    X(UNKNOWN, WAIT, PENDING)                                                                      \
    X(UNKNOWN, LOSE, UNKNOWN)                                                                      \
    X(AUTHORIZED, CAPTURE, CAPTURED)                                                               \
    X(AUTHORIZED, CANCEL, CANCELED)                                                                \
    X(SENT, ACT, REQUIRES_ACTION)                                                                  \
    X(PENDING, ACT, REQUIRES_ACTION)                                                               \
    X(UNKNOWN, ACT, REQUIRES_ACTION)                                                               \
    X(REQUIRES_ACTION, ACT, REQUIRES_ACTION)                                                       \
    X(REQUIRES_ACTION, APPROVE, AUTHORIZED)                                                        \
    X(REQUIRES_ACTION, TAKE, CAPTURED)                                                             \
    X(REQUIRES_ACTION, DECLINE, DECLINED)                                                          \
    X(REQUIRES_ACTION, FAIL, FAILED)                                                               \
    X(REQUIRES_ACTION, WAIT, PENDING)                                                              \
    X(REQUIRES_ACTION, LOSE, UNKNOWN)                                                              \
    X(REQUIRES_ACTION, CANCEL, CANCELED)                                                           \
    X(SENT, CANCEL, CANCELED)                                                                      \
    X(UNKNOWN, CANCEL, CANCELED)                                                                   \
    X(PENDING, CANCEL, CANCELED)                                                                   \
    X(CAPTURED, CAPTURE, CAPTURED)

/* Captures, cancels and increments. */
#define OPERATION_STATES(X)                                                                        \
    X(SENT, 1, "sent", 0, "the intent is durable; the call is made or about to be")                \
    X(SUCCEEDED, 2, "succeeded", 0, "done")                                                        \
    X(FAILED, 3, "failed", 0, "definitely not done")                                               \
    X(UNKNOWN, 4, "unknown", 0, "the outcome is not known; it is inquired")
#define OPERATION_STEPS(X)                                                                         \
    X(SEND, "send")                                                                                \
    X(DO, "do")                                                                                    \
    X(FAIL, "fail")                                                                                \
    X(LOSE, "lose")
#define OPERATION_EDGES(X)                                                                         \
    X(NONE, SEND, SENT)                                                                            \
    X(SENT, DO, SUCCEEDED)                                                                         \
    X(SENT, FAIL, FAILED)                                                                          \
    X(SENT, LOSE, UNKNOWN)                                                                         \
    X(UNKNOWN, DO, SUCCEEDED)                                                                      \
    X(UNKNOWN, FAIL, FAILED)                                                                       \
    X(UNKNOWN, LOSE, UNKNOWN)

#define REFUND_STATES(X)                                                                           \
    X(PENDING, 1, "pending", EVENT_REFUND_PENDING, "asked for; the outcome is not known yet")      \
    X(SUCCEEDED, 2, "succeeded", EVENT_REFUND_SUCCEEDED, "the money went back")                    \
    X(FAILED, 3, "failed", EVENT_REFUND_FAILED, "definitely not given back")                       \
    X(CANCELED, 4, "canceled", EVENT_REFUND_CANCELED, "taken back before it was done")
#define REFUND_STEPS(X)                                                                            \
    X(CREATE, "create")                                                                            \
    X(WAIT, "wait")                                                                                \
    X(DO, "do")                                                                                    \
    X(FAIL, "fail")                                                                                \
    X(CANCEL, "cancel")
#define REFUND_EDGES(X)                                                                            \
    X(NONE, CREATE, PENDING)                                                                       \
    X(PENDING, WAIT, PENDING)                                                                      \
    X(PENDING, DO, SUCCEEDED)                                                                      \
    X(PENDING, FAIL, FAILED)                                                                       \
    X(PENDING, CANCEL, CANCELED)                                                                   \
    X(SUCCEEDED, FAIL, FAILED)

/* Stages of a card scheme's dispute. In INQUIRY no money has moved; a closed inquiry is WON. */
#define DISPUTE_STATES(X)                                                                          \
    X(INQUIRY, 1, "inquiry", EVENT_DISPUTE_CREATED, "the issuer asks; no money has moved")         \
    X(NEEDS_RESPONSE, 2, "needs_response", EVENT_DISPUTE_UPDATED,                                  \
      "charged back: submit evidence or accept")                                                   \
    X(UNDER_REVIEW, 3, "under_review", EVENT_DISPUTE_UPDATED,                                      \
      "evidence was submitted; the issuer decides")                                                \
    X(WON, 4, "won", EVENT_DISPUTE_CLOSED, "the money is ours, or came back")                      \
    X(LOST, 5, "lost", EVENT_DISPUTE_CLOSED, "the money is the cardholder's")                      \
    X(ACCEPTED, 6, "accepted", EVENT_DISPUTE_CLOSED, "given up by the merchant")
#define DISPUTE_STEPS(X)                                                                           \
    X(ASK, "ask")                                                                                  \
    X(OPEN, "open")                                                                                \
    X(UPDATE, "update")                                                                            \
    X(SUBMIT, "submit")                                                                            \
    X(WIN, "win")                                                                                  \
    X(LOSE, "lose")                                                                                \
    X(ACCEPT, "accept")
#define DISPUTE_EDGES(X)                                                                           \
    X(NONE, ASK, INQUIRY)                                                                          \
    X(NONE, OPEN, NEEDS_RESPONSE)                                                                  \
    X(INQUIRY, UPDATE, INQUIRY)                                                                    \
    X(INQUIRY, OPEN, NEEDS_RESPONSE)                                                               \
    X(INQUIRY, SUBMIT, UNDER_REVIEW)                                                               \
    X(INQUIRY, WIN, WON)                                                                           \
    X(INQUIRY, LOSE, LOST)                                                                         \
    X(INQUIRY, ACCEPT, ACCEPTED)                                                                   \
    X(NEEDS_RESPONSE, UPDATE, NEEDS_RESPONSE)                                                      \
    X(NEEDS_RESPONSE, SUBMIT, UNDER_REVIEW)                                                        \
    X(NEEDS_RESPONSE, WIN, WON)                                                                    \
    X(NEEDS_RESPONSE, LOSE, LOST)                                                                  \
    X(NEEDS_RESPONSE, ACCEPT, ACCEPTED)                                                            \
    X(UNDER_REVIEW, UPDATE, UNDER_REVIEW)                                                          \
    X(UNDER_REVIEW, OPEN, NEEDS_RESPONSE)                                                          \
    X(UNDER_REVIEW, WIN, WON)                                                                      \
    X(UNDER_REVIEW, LOSE, LOST)                                                                    \
    X(UNDER_REVIEW, ACCEPT, ACCEPTED)                                                              \
    X(WON, OPEN, NEEDS_RESPONSE)                                                                   \
    X(WON, LOSE, LOST)                                                                             \
    X(LOST, WIN, WON)                                                                              \
    X(ACCEPTED, WIN, WON)

#define PAYMENT_STATE_X(n, number, ...) PAYMENT_##n = number,
#define ATTEMPT_STATE_X(n, number, ...) ATTEMPT_##n = number,
#define OPERATION_STATE_X(n, number, ...) OPERATIONS_##n = number,
#define REFUND_STATE_X(n, number, ...) REFUND_##n = number,
#define DISPUTE_STATE_X(n, number, ...) DISPUTE_##n = number,
#define PAYMENT_STEP_X(n, t) PAYMENT_DO_##n,
#define ATTEMPT_STEP_X(n, t) ATTEMPT_DO_##n,
#define OPERATION_STEP_X(n, t) OPERATIONS_DO_##n,
#define REFUND_STEP_X(n, t) REFUND_DO_##n,
#define DISPUTE_STEP_X(n, t) DISPUTE_DO_##n,
enum payment_state { PAYMENT_NONE = 0, PAYMENT_STATES(PAYMENT_STATE_X) PAYMENT_STATE_COUNT };
enum payment_step { PAYMENT_STEPS(PAYMENT_STEP_X) PAYMENT_STEP_COUNT };
enum attempt_state { ATTEMPT_NONE = 0, ATTEMPT_STATES(ATTEMPT_STATE_X) ATTEMPT_STATE_COUNT };
enum attempt_step { ATTEMPT_STEPS(ATTEMPT_STEP_X) ATTEMPT_STEP_COUNT };
enum operation_state {
    OPERATIONS_NONE = 0,
    OPERATION_STATES(OPERATION_STATE_X) OPERATIONS_STATE_COUNT
};
enum operation_step { OPERATION_STEPS(OPERATION_STEP_X) OPERATIONS_STEP_COUNT };
enum refund_state { REFUND_NONE = 0, REFUND_STATES(REFUND_STATE_X) REFUND_STATE_COUNT };
enum refund_step { REFUND_STEPS(REFUND_STEP_X) REFUND_STEP_COUNT };
enum dispute_state { DISPUTE_NONE = 0, DISPUTE_STATES(DISPUTE_STATE_X) DISPUTE_STATE_COUNT };
enum dispute_step { DISPUTE_STEPS(DISPUTE_STEP_X) DISPUTE_STEP_COUNT };

/* One machine as data, for code, tests and documentation. */
struct machine_state {
    const char *text, *meaning;
    int event; /* type of the event that announces it, 0 none */
};
struct machine_edge {
    int from, step, to;
};
struct machine {
    const char *name;
    const struct machine_state *states; /* [0] is "does not exist yet" */
    int states_n;
    const char *const *steps;
    int steps_n;
    const struct machine_edge *edges;
    size_t edges_n;
};
extern const struct machine payment_machine, attempt_machine, operation_machine, refund_machine,
    dispute_machine;

/* The state that follows; 0 when the table has no such edge. */
MUST_CHECK int machine_next(const struct machine *m, int state, int step);
/* "captured"; ASSERTs a known state. */
const char *machine_text(const struct machine *m, int state);
/* The state of that text; 0 when there is none. */
int machine_find(const struct machine *m, struct str text);
/* docs/states.md: tables and edges of all machines. */
void machines_describe(struct buf *out);

#endif

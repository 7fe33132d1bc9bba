/* Between the files of an authorization: its beginning (create.c), its outcomes (authorize.c), and
 * the customer's part in it (authenticate.c). One flow, whose positions are an attempt's. */
#ifndef FLORIN_PAYMENTS_AUTHORIZE_H
#define FLORIN_PAYMENTS_AUTHORIZE_H

#include "payments/payment.h"

/* Steps of payment_create; the numbers are stored in positions. */
enum {
    CREATE_BEGIN,
    CREATE_SETTLE,           /* an outcome of the authorization */
    CREATE_INQUIRE,          /* asks for it */
    CREATE_LAPSE,            /* the customer's time ran out */
    CREATE_LAPSED,           /* outcome of the confirmation that was tried then */
    CREATE_DROPPED,          /* outcome of giving up the attempt: the payment fails */
    CREATE_DROP_INQUIRE,     /* asks for it */
    CREATE_WITHDRAWN,        /* the same, canceled by the merchant: the payment is canceled */
    CREATE_WITHDRAW_INQUIRE, /* asks for it */
};

/* --- authorize.c --- */
flow_step_run create_settle, create_inquire;
/* Prepares run->call to authorize: what the payment's row knows. */
void call_authorize(struct flow_run *run, const struct payment *p);
/* Another attempt on the same payment, with authentication: ends the position of this run, if any,
 * and begins one for the new attempt; the effect is its call. Writes p back. */
MUST_CHECK err_t attempt_again(struct store_tx *tx, struct flow_run *run, struct payment *p);
/* May the payment have another attempt after a refusal that authentication may mend? */
bool attempt_allowed(const struct flow_run *run, const struct payment *p);
/* Announces the state unless the merchant's last word of it is just that; json holds the payment
 * afterwards, and the answer is 200 with it. Writes p back. */
MUST_CHECK err_t payment_tell(struct store_tx *tx, struct flow_run *run, struct payment *p,
                              struct buf *json);

/* --- client.c --- */
/* One client token, one payment; one checkout, one payment at a time that may take money. NULL: no
 * token. Errors: those of client_token_claim; ERR_STATE: the checkout is being paid. */
MUST_CHECK err_t payment_claim(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                               const uint8_t *client_token);
/* A payment that failed may be tried again unless its checkout is another payment's by now. Errors:
 * ERR_STATE. */
MUST_CHECK err_t payment_claim_again(struct store_tx *tx, struct flow_run *run,
                                     const struct payment *p);

/* --- authenticate.c --- */
flow_step_run create_lapse, create_lapsed, create_dropped, create_drop_inquire, create_withdrawn,
    create_withdraw_inquire;
/* The customer has acted: the attempt goes on under its reference; the effect is that call. Shape:
 * the payment is processing, as its row, and the run holds the position. */
MUST_CHECK err_t call_confirm(struct store_tx *tx, struct flow_run *run, const struct payment *p);
/* Takes over the attempt that waits for the customer, for this run's request; p follows the edge
 * and is saved. Errors: ERR_STATE, also when somebody is at work on it. */
MUST_CHECK err_t attempt_take_over(struct store_tx *tx, struct flow_run *run, struct payment *p,
                                   enum payment_step step);
/* Gives up an attempt that waits for the customer: the effect is the call that cancels it, after
 * which the run goes on at `settled`; `inquire` is where the janitor would go on. */
MUST_CHECK err_t attempt_abandon(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                                 size_t settled, size_t inquire);

#endif

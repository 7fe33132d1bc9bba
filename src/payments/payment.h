/* The payment row in memory with its current attempt, and what the flows share: calls, answers,
 * what outcomes mean. Private to the room. */
#ifndef FLORIN_PAYMENTS_PAYMENT_H
#define FLORIN_PAYMENTS_PAYMENT_H

#include "ledger/ledger.h"
#include "orders/orders.h"
#include "payments/payments.h"

struct payment {
    int64_t merchant_id;
    struct id id;
    int state; /* enum payment_state */
    int64_t version, amount;
    int16_t currency;
    bool capture;
    int64_t authorized, captured, refunded, refund_pending;
    int64_t released;               /* no longer held, without having been captured */
    int64_t disputed, dispute_lost; /* by open chargebacks; by lost or accepted ones */
    int64_t cleared;                /* as settled, 0 not said */
    int64_t capture_before_us;      /* end of the hold, 0 not said */
    int16_t provider_account, attempt, operations;
    int16_t attempts; /* made so far */
    enum three_ds_request three_ds;
    enum credential_use credential;
    char exemption[33];
    struct id customer, order, payment_method; /* zero: none */
    int attempt_state;                         /* enum attempt_state of the current attempt */
    int decline;
    int64_t event_last, journal_last, created_us, updated_us;
    char token[256];
    struct buf details; /* released by payment_release */
    /* of the current attempt */
    char provider_reference[65], network_reference[65], acquirer_reference[33];
    char card_brand[17], card_last_four[5];
    enum action_type action; /* that the customer must take; ACTION_NONE once taken */
    int64_t action_expires_us;
    char action_url[1025];
    struct three_ds authentication;
    char network_transaction_id[65]; /* of the saved credential; not in the row */
    struct id account_id;
    /* as it was read, for the conditional update */
    struct {
        int state;
        int16_t operations;
        int64_t event_last, journal_last, refund_pending, refunded, disputed;
        struct order_change order; /* what it contributed */
    } was;
};

#define JSON_MAX ((size_t)256 * 1024)
#define OPERATIONS_MAX 1000 /* attempts and operations of one payment */

/* Reads one. Shape: release it in any case. Errors: those of the store. */
MUST_CHECK err_t payment_load(struct store_tx *tx, int64_t merchant_id, struct id id,
                              struct payment *ret, bool *ret_found);
/* As payment_load, for flows: a missing one is ERR_NOT_FOUND in run->error. updated_us becomes the
 * time of this step, or of the last change if that is later: what is recorded of a payment does not
 * go back in time when a clock does. */
MUST_CHECK err_t payment_load_subject(struct store_tx *tx, struct flow_run *run, struct id id,
                                      struct payment *ret);
/* The same for what a provider says by itself: a missing one is no error. */
MUST_CHECK err_t payment_load_now(struct store_tx *tx, const struct flow_run *run, struct id id,
                                  struct payment *ret, bool *ret_found);
void payment_release(struct payment *p);
MUST_CHECK err_t payment_from_row(struct store_row *row, int64_t merchant_id, struct payment *ret);
/* Is its method a card of the vault? That one is there before it is saved. */
bool payment_card_method(const struct payment *p);
/* Has it a method that is there already: a saved one, or a card of the vault? */
bool payment_has_method(const struct payment *p);
/* What is held and not captured, whatever the state. */
int64_t payment_held(const struct payment *p);
/* What a capture may take now. */
int64_t payment_capturable(const struct payment *p);
/* What may be refunded: neither given back, nor about to be, nor lost to disputes. */
int64_t payment_refundable(const struct payment *p);
/* The members card and three_ds of an attempt from seven columns of its row: brand, last four,
 * flow, version, transaction, ECI, liability shift. */
void attempt_write_card(struct jw *w, struct store_row *row, int first);
/* Shape: settings NULL: without the client token of an action. */
void payment_write(struct jw *w, const char *key, const struct payment *p,
                   const struct payment_settings *settings);

/* Follows an edge. Errors: ERR_STATE, with a sentence naming what was tried, when the table has
 * none. */
MUST_CHECK err_t payment_move(struct payment *p, enum payment_step step, struct err_info *reterr);
/* Raises the version, appends the event of its state with the snapshot; the snapshot is left in
 * out. */
MUST_CHECK err_t payment_announce(struct store_tx *tx, struct flow_run *run, struct payment *p,
                                  struct buf *out);
/* Writes it back, if it is still as it was read. Errors: ERR_SOFT when not. */
MUST_CHECK err_t payment_save(struct store_tx *tx, const struct payment *p);
/* Posts a journal for it, linked to its last one. */
MUST_CHECK err_t payment_post(struct store_tx *tx, struct payment *p, struct journal *j,
                              struct id operation);

/* A new current attempt, sent. */
MUST_CHECK err_t attempt_insert(struct store_tx *tx, const struct payment *p);
/* Moves the current attempt along its machine and records what the provider said (NULL: nothing).
 * Errors: ERR_STATE, ERR_SOFT when it is no longer as it was read. */
MUST_CHECK err_t attempt_move(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                              enum attempt_step step, const struct outcome *o);

/* Records what the customer must do (none: it is done) and what is known of the authentication, in
 * the row and in p. */
MUST_CHECK err_t attempt_authentication(struct store_tx *tx, struct payment *p,
                                        const struct outcome *o);

/* Fills the parts of a provider call that every operation shares. */
void call_prepare(struct provider_call *call, enum provider_operation operation,
                  const struct payment *p);
/* The `ended` of all flows here: metrics and one log line. */
void payment_ended(const struct flow_run *run);
/* Turns the prepared call into the inquiry about itself: the run's effect; `next` takes the
 * outcome. */
void call_inquire(struct flow_run *run, size_t next);

/* The answer 200 with the bytes of an event, or 402 with a problem document that holds them as
 * `member`. */
MUST_CHECK err_t answer_event(struct flow_run *run, const struct buf *json, int64_t sequence);
MUST_CHECK err_t answer_decline(struct flow_run *run, const char *member, const struct buf *json,
                                int decline, const char *detail);

/* The answer is that problem, with a sentence. */
MUST_CHECK err_t answer_problem(struct flow_run *run, err_t problem, const char *detail);

/* What an outcome of an operation that should end as `success` means for a flow. */
enum verdict {
    VERDICT_DONE,    /* it happened */
    VERDICT_REFUSED, /* definitely not: declined or failed; the decline code is in run->outcome */
    VERDICT_OPEN,    /* not known yet: park and inquire */
};
enum verdict outcome_verdict(struct flow_run *run, enum outcome_kind success,
                             enum outcome_kind also);

/* Writes the attempts of a payment as an array. */
MUST_CHECK err_t payment_write_attempts(struct store_tx *tx, const struct payment *p, struct jw *w,
                                        const char *key);

/* What became of something a provider said by itself. */
enum applied {
    APPLIED_DONE,
    APPLIED_NOTHING, /* known already */
    APPLIED_LATER,   /* what it builds on is not known yet */
    APPLIED_UNKNOWN  /* there is no such object */
};

/* The settings that the engine was given. */
static inline const struct payment_settings *settings_of(const struct flow_run *run)
{
    return run->domain;
}

/* Copies into an array of max bytes, cut if need be. */
void copy_text(char *out, size_t max, struct str s);

/* An empty text as the absent view: NULL in a row, null in JSON. */
static inline struct str opt_str(const char *z)
{
    return z[0] ? str_from(z) : (struct str){NULL, 0};
}

#endif

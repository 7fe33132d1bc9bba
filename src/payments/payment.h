/* The payment and refund rows in memory; private to the room. */
#ifndef FLORIN_PAYMENTS_PAYMENT_H
#define FLORIN_PAYMENTS_PAYMENT_H

#include "ledger/ledger.h"
#include "payments/payments.h"

struct payment {
    int64_t merchant_id;
    struct id id;
    int state; /* enum payment_state */
    int64_t version, amount;
    int16_t currency;
    bool capture;
    int64_t authorized, captured, refunded, refund_pending;
    int16_t provider_account, attempt, operations;
    int attempt_state; /* enum attempt_state of the current attempt */
    int decline;
    int64_t event_last, journal_last, created_us, updated_us;
    char token[256];
    struct buf details; /* released by payment_release */
    char provider_reference[65], network_reference[65];
    struct id account_id;
    /* as it was read, for the conditional update */
    struct {
        int state;
        int16_t operations;
        int64_t event_last, refund_pending, refunded;
    } was;
};

#define JSON_MAX ((size_t)256 * 1024)

/* Reads one. Shape: release it in any case. Errors: those of the store. */
MUST_CHECK err_t payment_load(struct store_tx *tx, int64_t merchant_id, struct id id,
                              struct payment *ret, bool *ret_found);
/* As payment_load, for flows: a missing one is ERR_NOT_FOUND in run->error. updated_us becomes the
 * time of this step, or of the last change if that is later: what is recorded of a payment does not
 * go back in time when a clock does. */
MUST_CHECK err_t payment_load_subject(struct store_tx *tx, struct flow_run *run, struct id id,
                                      struct payment *ret);
void payment_release(struct payment *p);
MUST_CHECK err_t payment_from_row(struct store_row *row, int64_t merchant_id, struct payment *ret);
int64_t payment_capturable(const struct payment *p);
void payment_write(struct jw *w, const char *key, const struct payment *p);

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

/* Moves the current attempt along its machine and records what the provider said (NULL: nothing).
 * Errors: ERR_STATE, ERR_SOFT when it is no longer as it was read. */
MUST_CHECK err_t attempt_move(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                              enum attempt_step step, const struct outcome *o);

/* Fills the parts of a provider call that every operation shares. */
void call_prepare(struct provider_call *call, enum provider_operation operation,
                  const struct payment *p);
/* The `ended` of all flows here: metrics and one log line. */
void payment_ended(const struct flow_run *run);
/* Turns a prepared call into the inquiry about itself. */
void call_inquire(struct provider_call *call);

/* The answer 200 with the bytes of an event, or 402 with a problem document that holds them as
 * `member`. */
MUST_CHECK err_t answer_event(struct flow_run *run, const struct buf *json, int64_t sequence);
MUST_CHECK err_t answer_decline(struct flow_run *run, const char *member, const struct buf *json,
                                int decline, const char *detail);

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

/* An empty text as the absent view: NULL in a row, null in JSON. */
static inline struct str opt_str(const char *z)
{
    return z[0] ? str_from(z) : (struct str){NULL, 0};
}

#endif

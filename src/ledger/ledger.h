/* ledger: double entry per merchant and currency, append-only, chained. Runs inside the caller's
 * transaction. */
#ifndef FLORIN_LEDGER_H
#define FLORIN_LEDGER_H

#include "base/base.h"
#include "store/store.h"
#include "wire/wire.h"

/* X(NAME, number, "text"): the chart. `unit` splits an account (the provider account's number), 0
 * otherwise. Sign: debit positive, credit negative. */
#define LEDGER_ACCOUNTS(X)                                                                         \
    X(PROVIDER_RECEIVABLE, 1, "provider_receivable") /* what a provider owes us: asset */          \
    X(MERCHANT_PENDING, 2,                                                                         \
      "merchant_pending") /* what is owed to the merchant, not yet settled: liability */           \
    X(MERCHANT_AVAILABLE, 3, "merchant_available") /* settled: liability */                        \
    X(FEES, 4, "fees")                                                                             \
    X(REFUNDS, 5, "refunds") /* given back to customers: contra to merchant_pending */             \
    X(DISPUTES_HELD, 6, "disputes_held")                                                           \
    X(PAYOUTS_IN_TRANSIT, 7, "payouts_in_transit")                                                 \
    X(BANK, 8, "bank")                                                                             \
    X(ROUNDING, 9, "rounding")                                                                     \
    X(SUSPENSE, 10, "suspense")
enum ledger_account {
#define X(n, number, text) ACCOUNT_##n = number,
    LEDGER_ACCOUNTS(X)
#undef X
};

/* X(NAME, number, "text") */
#define LEDGER_JOURNALS(X)                                                                         \
    X(AUTHORIZATION, 1, "authorization") /* pending */                                             \
    X(CAPTURE, 2, "capture")             /* releases the pending, posts */                         \
    X(SALE, 3, "sale")                   /* authorised and captured in one: posts */               \
    X(CANCEL, 4, "cancel")               /* releases the pending */                                \
    X(REFUND_INTENT, 5, "refund_intent") /* pending */                                             \
    X(REFUND, 6, "refund")               /* releases the pending, posts */                         \
    X(REFUND_RELEASE, 7, "refund_release")                                                         \
    X(INCREMENT, 8, "increment") /* more pending */                                                \
    X(EXPIRY, 9, "expiry")       /* the hold ran out: releases the pending */                      \
    X(CLEARING, 10,                                                                                \
      "clearing") /* settled with another amount, within the tolerance: the difference */          \
    X(CLEARING_REVIEW, 11, "clearing_review") /* beyond it: the difference, in suspense */         \
    X(REVIEW_ACCEPT, 12, "review_accept")     /* out of suspense, to the merchant */               \
    X(REFUND_RETURN, 13, "refund_return")     /* a refund that had succeeded came back */          \
    X(DISPUTE_HOLD, 14, "dispute_hold")       /* the provider took the disputed amount */          \
    X(DISPUTE_RELEASE, 15, "dispute_release") /* won: it came back */                              \
    X(DISPUTE_LOSS, 16,                                                                            \
      "dispute_loss") /* lost or accepted: the merchant bears it, with the fee */                  \
    X(DISPUTE_REVERSAL, 17, "dispute_reversal") /* lost, then won after all */
enum ledger_journal_kind {
#define X(n, number, text) JOURNAL_##n = number,
    LEDGER_JOURNALS(X)
#undef X
};

enum { LAYER_PENDING = 0, LAYER_POSTED = 1 };

#define LEDGER_POSTINGS_MAX 8
struct posting {
    enum ledger_account account;
    int16_t unit;
    int8_t layer;
    int64_t amount; /* minor units, debit positive; never 0 */
};
struct journal {
    int64_t merchant_id;
    enum ledger_journal_kind kind;
    int16_t currency; /* ISO 4217 number */
    struct id payment_id;
    struct id operation_id; /* attempt, capture, refund …; zero when none */
    int64_t
        previous; /* the payment's last journal, 0 when none: a list by payment without an index */
    int64_t effective_us;
    size_t n;
    struct posting posting[LEDGER_POSTINGS_MAX];
};
/* Appends; numbers are dense per merchant. Each layer's postings sum to zero (asserted; on what is
 * read back it is checked again: ERR_INTERNAL). Errors: those of the store. *ret_number is the
 * journal's number. Adds a NOTE_JOURNAL with the leaf hash. */
MUST_CHECK err_t ledger_post(struct store_tx *tx, const struct det *det, const struct journal *j,
                             int64_t *ret_number);

/* Ready-made journals; amounts > 0. They fill j (kind and postings) and leave the rest to the
 * caller. */
void ledger_authorization(struct journal *j, int16_t unit, int64_t amount);
void ledger_capture(struct journal *j, int16_t unit, int64_t released, int64_t captured);
void ledger_sale(struct journal *j, int16_t unit, int64_t amount);
void ledger_cancel(struct journal *j, int16_t unit, int64_t amount);
void ledger_refund_intent(struct journal *j, int16_t unit, int64_t amount);
void ledger_refund(struct journal *j, int16_t unit, int64_t amount);
void ledger_refund_release(struct journal *j, int16_t unit, int64_t amount);
void ledger_increment(struct journal *j, int16_t unit, int64_t amount);
void ledger_expiry(struct journal *j, int16_t unit, int64_t amount);
void ledger_refund_return(struct journal *j, int16_t unit, int64_t amount);
/* difference: settled minus captured, not 0. review: it goes to suspense. */
void ledger_clearing(struct journal *j, int16_t unit, int64_t difference, bool review);
void ledger_review_accept(struct journal *j, int64_t difference);
void ledger_dispute_hold(struct journal *j, int16_t unit, int64_t amount);
void ledger_dispute_release(struct journal *j, int16_t unit, int64_t amount);
/* fee: may be 0; the provider withholds it. */
void ledger_dispute_loss(struct journal *j, int16_t unit, int64_t amount, int64_t fee);
/* The amount and the fee come back. */
void ledger_dispute_reversal(struct journal *j, int16_t unit, int64_t amount, int64_t fee);

struct balance {
    int16_t currency, unit;
    enum ledger_account account;
    int64_t pending, posted; /* debit positive */
};
/* Balances of all accounts of a merchant from snapshot and tail: calls each() per currency, account
 * and unit, in that order. Errors: those of the store; ERR_INTERNAL when a layer does not sum to
 * zero over all accounts; what each() returned. */
MUST_CHECK err_t ledger_balances(struct store_tx *tx, int64_t merchant_id,
                                 err_t (*each)(const struct balance *, void *), void *arg);
/* Moves the snapshots forward to the last journal (a writer's job, when the tail is long). */
MUST_CHECK err_t ledger_snapshot(struct store_tx *tx, int64_t merchant_id);

/* The same for up to 16 merchants whose tail is longer than `tail` journals, by at most `tail`
 * journals each, so that one call is short. *ret_moved 16: call again. */
MUST_CHECK err_t ledger_snapshot_due(struct store_tx *tx, int64_t tail, int *ret_moved);

/* A journal as it was read. */
struct ledger_entry {
    int64_t number, recorded_us;
    struct journal journal;
};
/* Calls each() with the journals of a payment, newest first, following `previous` from `last`.
 * Errors: those of the store; ERR_INTERNAL when one is broken; what each() returned. */
MUST_CHECK err_t ledger_each(struct store_tx *tx, int64_t merchant_id, int64_t last,
                             err_t (*each)(const struct ledger_entry *, void *), void *arg);
/* Writes the journals of a payment as a JSON array, newest first, following `previous` from `last`.
 */
MUST_CHECK err_t ledger_write_journals(struct store_tx *tx, int64_t merchant_id, int64_t last,
                                       struct jw *w, const char *key);

/* The hash chain: before_commit hook (hooks.arg is not used). One row per batch and merchant:
 * hash = BLAKE2b-256(previous hash ‖ leaves), first the batch's journals by number, then its events
 * by sequence (NOTE_EVENT). The byte formats are in README.md. */
MUST_CHECK err_t ledger_chain(struct store_tx *tx, const struct store_note *notes, size_t n,
                              int64_t now_us, void *arg);

struct ledger_report {
    int64_t merchants, journals, postings, events, chain_rows;
    int64_t faults;
    char first_fault[240]; /* what and where */
    uint8_t head[32];      /* over all merchants' last hashes, for keeping elsewhere (README.md) */
};
/* Recomputes everything: sums per journal, dense numbers, snapshots against postings, the chain,
 * event sequence, the payments' sums (captured, refunded, refund_pending, what is held, disputed
 * and lost to disputes) against their journals. Reads only; one snapshot, long: for programs, not
 * for requests. Errors: those of the store; faults are in the report. Shares no code with the
 * writing side. */
MUST_CHECK err_t ledger_verify(struct store_tx *tx, struct ledger_report *ret);

/* "provider_receivable", "sale"; NULL for an unknown number. */
const char *ledger_account_text(enum ledger_account a);
/* See above. */
const char *ledger_journal_text(enum ledger_journal_kind k);
#endif

/* The dispute row in memory, and what the provider says of disputes; private to the room. */
#ifndef FLORIN_PAYMENTS_DISPUTE_H
#define FLORIN_PAYMENTS_DISPUTE_H

#include "payments/payment.h"

struct dispute {
    int64_t merchant_id;
    struct id id, payment;
    int state; /* enum dispute_state */
    int64_t version, amount;
    int64_t fee;  /* of losing it */
    int64_t held; /* taken by the provider and not decided: 0 or amount */
    int16_t currency, provider_account;
    int64_t provider_version; /* of the word that was applied last */
    int64_t due_us, submitted_us;
    int64_t event_last, created_us, updated_us;
    char provider_reference[65], acquirer_reference[33], reason[41], network_reason_code[17];
    struct buf evidence; /* JSON object of texts; released by dispute_release */
    struct buf files;    /* JSON array without contents; filled by dispute_files */
    /* as it was read, for the conditional update */
    struct {
        int state;
        int64_t version, provider_version;
    } was;
};

#define EVIDENCE_TEXT_MAX ((size_t)65536) /* all texts together, as JSON */

/* Positions of a dispute: number 0 is an answer on its way, this one the timer of its deadline. */
enum { DEADLINE_NUMBER = 1 };

/* Shape: views are copied, release in any case. */
MUST_CHECK err_t dispute_from_row(struct store_row *row, int64_t merchant_id, struct dispute *ret);
MUST_CHECK err_t dispute_load(struct store_tx *tx, int64_t merchant_id, struct id id,
                              struct dispute *ret, bool *ret_found);
/* By the provider's name of it. */
MUST_CHECK err_t dispute_find(struct store_tx *tx, int64_t merchant_id, int16_t account,
                              const char *reference, struct dispute *ret, bool *ret_found);
/* For flows: a missing one is ERR_NOT_FOUND in run->error. */
MUST_CHECK err_t dispute_load_subject(struct store_tx *tx, struct flow_run *run, struct id id,
                                      struct dispute *ret);
/* Reads the list of its files, which dispute_write shows. */
MUST_CHECK err_t dispute_files(struct store_tx *tx, struct dispute *d);
void dispute_release(struct dispute *d);
void dispute_write(struct jw *w, const char *key, const struct dispute *d);
/* Does it wait for the merchant's answer? */
bool dispute_waits(const struct dispute *d);
/* Won, lost or accepted? */
bool dispute_over(const struct dispute *d);
/* Raises the version and appends an event with the snapshot, which json holds afterwards. */
MUST_CHECK err_t dispute_announce(struct store_tx *tx, struct flow_run *run, struct dispute *d,
                                  enum event_type type, struct buf *json);
/* Writes a changed row back. Errors: ERR_SOFT when it is no longer as it was read. */
MUST_CHECK err_t dispute_save(struct store_tx *tx, struct dispute *d);

/* Applies one version of what the provider says: makes the dispute, moves it and the money, tells.
 * newest: also over a gap of versions (known to be the newest, or waited for long enough). */
MUST_CHECK err_t dispute_apply(struct store_tx *tx, struct flow_run *run, int16_t account,
                               const struct dispute_facts *f, bool newest, enum applied *ret);

/* Sets the timer of the deadline as the dispute now is: a reminder, a question, or none. Nothing
 * when this run holds that timer: then the run sets it. */
MUST_CHECK err_t dispute_watch(struct store_tx *tx, struct flow_run *run, const struct dispute *d);
/* One answer at a time: its position is the dispute's own. Errors: ERR_STATE while one is on its
 * way. */
MUST_CHECK err_t dispute_check_idle(struct store_tx *tx, struct flow_run *run,
                                    const struct dispute *d);
/* Prepares a call about a dispute. `reference` is unique for each answer to it. */
void dispute_call(struct flow_run *run, enum provider_operation operation, const struct dispute *d);

/* Appends the evidence as one JSON object with the files' contents, as a provider call takes it. */
MUST_CHECK err_t evidence_render(struct store_tx *tx, const struct dispute *d, struct buf *out);

#endif

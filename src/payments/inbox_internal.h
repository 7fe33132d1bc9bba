/* Between the files of the inbox. */
#ifndef FLORIN_PAYMENTS_INBOX_INTERNAL_H
#define FLORIN_PAYMENTS_INBOX_INTERNAL_H

#include "payments/inbox.h"
#include "payments/payment.h"

#define EVENT_BYTES_MAX ((size_t)16 * 1024)

/* --- inbox_event.c: the canonical form that is stored --- */
void inbox_write(struct buf *out, const struct provider_event *e);
/* false: it is none. */
MUST_CHECK bool inbox_parse(struct str json, struct provider_event *ret);

/* --- inbox_apply.c --- */
struct applying {
    int16_t account;
    const struct provider_event *event;
    bool first;    /* it has just come: somebody waits for the answer */
    int16_t tries; /* before this one */
    bool newest;   /* a dispute: do not wait for the words before this one */
    enum inbox_result result;
    bool became; /* the run is now what waited for the event, and its step has run */
};
/* Applies an event in the run's transaction. Shape: the run holds no position; when it has not
 * become another one it is as before. */
MUST_CHECK err_t inbox_apply(struct store_tx *tx, struct flow_run *run, struct applying *a);
/* Finds a word about a dispute that waits, of a version from `from` on and before `until`. */
MUST_CHECK err_t inbox_word(struct store_tx *tx, const struct flow_run *run, int16_t account,
                            const char *reference, int64_t from, int64_t until, struct id *ret_key,
                            bool *ret_found);
/* Opens a review of the payment that an event is about, if there is one: it could not be applied.
 */
MUST_CHECK err_t inbox_unheard(struct store_tx *tx, struct flow_run *run,
                               const struct provider_event *e);

#endif

/* webhooks: endpoints, deliveries of events, signatures (Standard Webhooks 1.0.0), retries. */
#ifndef FLORIN_WEBHOOKS_H
#define FLORIN_WEBHOOKS_H

#include "base/base.h"
#include "events/events.h"
#include "http/http.h"
#include "store/store.h"

/* --- signatures --- */
/* Shape: secret "whsec_" + base64 of 24..64 bytes. Appends "v1,<base64>" of HMAC-SHA256 over
 * "id.timestamp.body". Errors: ERR_CRYPTO for a malformed secret or an id with a '.'. */
MUST_CHECK err_t webhook_sign(struct str secret, struct str id, int64_t timestamp_s,
                              struct str body, struct buf *out);

/* --- endpoints --- */
struct endpoint_input {
    struct str url, description;
    json_t *enabled_events; /* array of types or "*"; NULL: ["*"] */
    json_t *metadata;
};
/* Checks url (https, or http when private is allowed; no credentials; up to 2048), types, counts.
 * Errors: ERR_PARAM_*. */
MUST_CHECK err_t endpoint_check(const struct endpoint_input *in, bool allow_private,
                                struct err_info *reterr);

struct webhooks_config {
    struct store *store;
    struct http_client *client;
    const uint8_t *secret_key; /* 32 bytes, sub-key that seals endpoint secrets; lives as long as
                                  the service */
    bool allow_private;
    int64_t timeout_ms, lease_us;
    int parallel;
    const char *schedule; /* "0,5,300": seconds before each attempt */
    bool stepped;         /* no thread: its rounds are run by webhooks_step */
};
struct webhooks;
/* Starts the worker thread: fans events out to deliveries, sends, retries. */
MUST_CHECK err_t webhooks_start(const struct webhooks_config *config, struct webhooks **ret,
                                struct err_info *reterr);
/* At the start of a node, before the service: no delivery waits longer than the schedule lets any.
 * The schedule is a valid one, or left for webhooks_start to refuse. */
MUST_CHECK err_t webhooks_tidy(struct store_tx *tx, const char *schedule, int64_t now_us);
/* One round of a stepped service. Returns when the next is due at the latest (monotonic). */
int64_t webhooks_step(struct webhooks *w);
/* Has something come in that makes a round worth while before that? */
bool webhooks_woken(struct webhooks *w);
/* New events may be there (after_commit); any thread, cheap. */
void webhooks_wake(struct webhooks *w);
/* Finishes what is being sent (up to wait_ms), stops. */
void webhooks_stop(struct webhooks *w, int wait_ms);

/* --- inside a transaction --- */
/* Makes an endpoint: writes the JSON (with `secret`, this once) to out. secret_random: 32 bytes of
 * real randomness. It gets events from now on. The JSON: id, object "webhook_endpoint", url,
 * status, disabled_reason, enabled_events, description, metadata, created, updated, secret. */
MUST_CHECK err_t endpoint_create(struct store_tx *tx, struct det *det, int64_t merchant_id,
                                 const struct endpoint_input *in, const uint8_t secret_random[32],
                                 const uint8_t secret_key[32], struct buf *out);
MUST_CHECK err_t endpoint_read(struct store_tx *tx, int64_t merchant_id, struct id id,
                               struct buf *out, bool *ret_found);
/* Newest first, before `before` (zero id: from the newest), up to max; writes the array's elements.
 */
MUST_CHECK err_t endpoint_list(struct store_tx *tx, int64_t merchant_id, struct id before, int max,
                               struct jw *w, bool *ret_more);
/* enable or disable; a disabled one gets no new deliveries, its pending ones are dropped and
 * webhook_endpoint.disabled is appended; an enabled one starts at the merchant's last event.
 * Setting what is set already changes nothing. Shape: reason: up to 120 characters, NULL when
 * enabling; out: the endpoint's JSON, or NULL. Errors: ERR_NOT_FOUND. */
MUST_CHECK err_t endpoint_set_status(struct store_tx *tx, struct det *det, int64_t merchant_id,
                                     struct id id, bool enabled, const char *reason,
                                     struct buf *out);
/* Deliveries of an endpoint with their attempts, newest first; writes the array's elements: { id,
 * event, endpoint, status (pending, succeeded, failed, dropped), attempts: [ { number, created,
 * status, duration_ms, error, response } ], next_attempt }. before: an event sequence, exclusive;
 * 0: from the newest (delivery_id_sequence of a cursor). */
MUST_CHECK err_t delivery_list(struct store_tx *tx, int64_t merchant_id, struct id endpoint,
                               int64_t before, int max, struct jw *w, bool *ret_more);

/* A delivery's id (dlv_) is made of the endpoint's and the event's sequence. */
struct id delivery_id(struct id endpoint, int64_t sequence);
/* The sequence in it; the caller compares the whole id with that of the endpoint it knows. */
int64_t delivery_id_sequence(struct id id);

#endif

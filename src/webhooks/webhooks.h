/* webhooks: endpoints, deliveries of events, signatures (Standard Webhooks 1.0.0), retries. */
#ifndef FLORIN_WEBHOOKS_H
#define FLORIN_WEBHOOKS_H

#include "base/base.h"
#include "events/events.h"
#include "http/http.h"
#include "store/store.h"

/* --- signatures --- */
/* Shape: secret "whsec_" + base64 of 24..64 bytes. Appends "v1,<base64>" of HMAC-SHA256 over "id.timestamp.body".
 * Errors: ERR_CRYPTO for a malformed secret or an id with a '.'. */
MUST_CHECK err_t webhook_sign(struct str secret, struct str id, int64_t timestamp_s, struct str body, struct buf *out);

/* --- endpoints --- */
struct endpoint_input {
    struct str url, description;
    json_t *enabled_events; /* array of types or "*"; NULL: ["*"] */
    json_t *metadata;
};
/* Checks url (https, or http when private is allowed; no credentials; up to 2048), types, counts. Errors: ERR_PARAM_*. */
MUST_CHECK err_t endpoint_check(const struct endpoint_input *in, bool allow_private, struct err_info *reterr);

struct webhooks_config {
    struct store *store;
    struct http_client *client;
    const uint8_t *secret_key; /* 32 bytes, sub-key that seals endpoint secrets; lives as long as the service */
    bool allow_private;
    int64_t timeout_ms, lease_us;
    int parallel;
    const char *schedule; /* "0,5,300": seconds before each attempt */
};
struct webhooks;
/* Starts the worker thread: fans events out to deliveries, sends, retries. */
MUST_CHECK err_t webhooks_start(const struct webhooks_config *config, struct webhooks **ret, struct err_info *reterr);
/* New events may be there (after_commit); any thread, cheap. */
void webhooks_wake(struct webhooks *w);
/* Finishes what is being sent (up to wait_ms), stops. */
void webhooks_stop(struct webhooks *w, int wait_ms);

/* --- inside a transaction --- */
/* Makes an endpoint: writes the JSON (with `secret`, this once) to out. secret_random: 32 bytes of real randomness. */
MUST_CHECK err_t endpoint_create(struct store_tx *tx, struct det *det, int64_t merchant_id, const struct endpoint_input *in,
                                 const uint8_t secret_random[32], const uint8_t secret_key[32], struct buf *out);
MUST_CHECK err_t endpoint_read(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out, bool *ret_found);
/* Newest first, before `before` (zero id: from the newest), up to max; writes the array's elements. */
MUST_CHECK err_t endpoint_list(struct store_tx *tx, int64_t merchant_id, struct id before, int max, struct jw *w, bool *ret_more);
/* enable or disable; a disabled one gets no new deliveries and its pending ones are dropped. Errors: ERR_NOT_FOUND. */
MUST_CHECK err_t endpoint_set_status(struct store_tx *tx, struct det *det, int64_t merchant_id, struct id id, bool enabled,
                                     const char *reason, struct buf *out);
/* Deliveries of an endpoint with their attempts, newest first. */
MUST_CHECK err_t delivery_list(struct store_tx *tx, int64_t merchant_id, struct id endpoint, int64_t before, int max, struct jw *w,
                               bool *ret_more);

#endif

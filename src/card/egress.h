/* Requests with a card on their way out: `api` sends them with placeholders, this fills them in and
 * sends them, to hosts that an operator permitted, and takes the card out of what comes back. */
#ifndef FLORIN_CARD_EGRESS_H
#define FLORIN_CARD_EGRESS_H

#include "http/http.h"
#include "link/link.h"

struct egress_config {
    struct link_slot *api, *vault;
    struct http_client *client;
    uint8_t permit_key[32]; /* public */
    bool public_only;       /* refuse private addresses */
    int64_t per_second;     /* requests of a merchant; 0: no limit */
    int64_t vault_wait_ms;  /* longest wait for the vault; 0: five seconds */
    bool stepped;           /* no thread: egress_turn in its place */
};
struct egress;
/* Shape: config is copied, what it names lives until egress_free. Errors: ERR_NO_MEMORY. */
MUST_CHECK err_t egress_new(const struct egress_config *config, struct egress **ret);
/* Takes an EGRESS of api's link; its answer goes there, later. false: its payload is none. The
 * payload: merchant, card, reference, permit (lines), method (POST, PUT), url, headers ("Name:
 * value\n"…), body, connect_timeout_ms, timeout_ms, until when it must have begun (sys_mono_us, 0
 * no bound: the clocks that roles make of the wall clock may differ by what it was set). The
 * answer: sent (enum http_sent), status, content_type, retry_after, error, latency_us, body. It
 * comes within vault_wait_ms, the time the call waits for its turn, and its time-outs; but for that
 * the link may be gone. */
MUST_CHECK bool egress_request(struct egress *e, const struct link_frame *f);
/* The link to api has ended: what has not begun is not sent. Whoever looks after the same payments
 * next asks the provider, and believes it when there is nothing. */
void egress_asker_gone(struct egress *e);
/* The list of permits that were taken back (permit.h), in the place of the one before; to begin
 * with there is none. From its return on nothing is judged by an earlier one. Errors:
 * ERR_NO_MEMORY, the one before holds on. */
MUST_CHECK err_t egress_revoke(struct egress *e, struct str list);
/* Gives up waiting for the vault where it was long enough. Again and again, when stepped. */
void egress_turn(struct egress *e);
/* Requests not yet answered. */
size_t egress_active(struct egress *e);
/* From now on nothing is given to the client: before it is stopped. */
void egress_close(struct egress *e);
/* Another client, after the one before was stopped. */
void egress_reopen(struct egress *e, struct http_client *client);
/* Nothing is under way, and the vault's link is gone. */
void egress_free(struct egress *e);

#endif

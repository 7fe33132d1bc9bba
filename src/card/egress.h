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
};
struct egress;
/* Shape: config is copied, what it names lives until egress_free. Errors: ERR_NO_MEMORY. */
MUST_CHECK err_t egress_new(const struct egress_config *config, struct egress **ret);
/* Takes an EGRESS of api's link; its answer goes there, later. false: its payload is none. */
MUST_CHECK bool egress_request(struct egress *e, const struct link_frame *f);
/* Requests not yet answered. */
size_t egress_active(struct egress *e);
/* Nothing is under way. */
void egress_free(struct egress *e);

#endif

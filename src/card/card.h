/* card: the role that sees card numbers. It serves the fields in which customers type them, gives
 * them to the vault, and fills them into requests to providers. It has no database and no files;
 * `api` learns brand, last four digits and the like. docs/adr/0017. */
#ifndef FLORIN_CARD_H
#define FLORIN_CARD_H

#include "card/egress.h"
#include "card/permit.h"

struct card_config {
    int listen_fd;          /* of the card origin; taken over */
    const char *url;        /* how browsers reach it, "https://card.pay.example" */
    const char *public_url; /* of the public zone: where the fields' page reports go is here,
                               payments are there */
    uint8_t permit_key[32];
    bool public_only;
    int64_t per_second;          /* requests with cards of a merchant; 0: no limit */
    int64_t attempts_per_minute; /* cards typed from one address; 0: no limit */
    const char *proxies;         /* NULL: none; see http_visitor */
    unsigned calls_max, connections_max;
    int64_t read_timeout_ms, idle_timeout_ms;
    bool stepped; /* for the simulator: card_turn in place of a thread */
};
struct card_role;
/* Starts the listener and the client; without links everything is answered 503. Errors: those of
 * http_server_start. */
MUST_CHECK err_t card_start(const struct card_config *config, struct card_role **ret,
                            struct err_info *reterr);
/* The other end of a link of ours, taken over: LINK_API or LINK_VAULT. fd -1: it is gone. Errors:
 * ERR_NO_MEMORY. */
MUST_CHECK err_t card_link(struct card_role *c, enum link_role peer, int fd);
/* api has died. When this returns OK nothing is sent any more that it had asked for: the next one
 * asks the provider at once what became of it, and believes it when there is nothing. Errors: those
 * of http_client_start; the role is to end. */
MUST_CHECK err_t card_api_gone(struct card_role *c, struct err_info *reterr);
/* What has to be done again and again, when it is stepped. */
void card_turn(struct card_role *c);
/* Has a link been missing for ten seconds, other than by what its peer sent? The parent makes new
 * ones only for a role that has died: let this one end, when both roles live and their link does
 * not. To be asked every second, by one thread; now_us is of sys_mono_us. */
bool card_alone(struct card_role *c, int64_t now_us);
/* Stops accepting; what runs goes on. */
void card_quiesce(struct card_role *c);
/* Is nothing under way? */
bool card_idle(struct card_role *c);
void card_stop(struct card_role *c);

#endif

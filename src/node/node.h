/* node: everything of one node, wired together: store, flows, connectors, webhooks, API. The server
 * runs it with threads of its own, the simulator step by step. */
#ifndef FLORIN_NODE_H
#define FLORIN_NODE_H

#include "api/api.h"
#include "base/base.h"
#include "customers/bins.h"
#include "link/link.h"
#include "node/card_jobs.h"
#include "node/card_port.h"
#include "node/retention.h"
#include "payments/payments.h"
#include "sys/sys.h"

/* Purpose of the subkey of the master key that seals the credentials of provider accounts. */
#define NODE_ACCOUNT_KEY "credentials"

struct node_config {
    const struct config *settings; /* live as long as the node */
    const char *store_path;        /* a file, or a connection URI */
    const char *connectors;        /* folder */
    const uint8_t *master;         /* 32 bytes; the caller wipes them after the start */
    int private_fd, public_fd;     /* listening sockets, taken over */
    /* NULL, or called on the open store before anything works on it: what development and tests
     * need to be there. account_key seals credentials. */
    err_t (*prepare)(struct store *store, const uint8_t account_key[32], void *arg,
                     struct err_info *reterr);
    void *prepare_arg;
    bool cards;            /* there is a role `card`: see node_link_card */
    const char *bin_table; /* path of the table of banks; NULL or empty: none */
    /* For the simulator: see store_config and webhooks_config. */
    bool stepped, shared;
    int checkpoint_pages;
    int64_t
        snapshot_tail; /* journals after a snapshot of balances before it moves; 0: the default */
};

struct node {
    struct node_config config;
    uint8_t endpoint_key[32], account_key[32], answer_key[32], return_key[32];
    char public_url[272]; /* what payments.public_url points to */
    struct payment_settings payments;
    struct store *store;
    struct http_client *providers, *endpoints;
    struct link_slot card; /* to the role `card` */
    struct card_port_state card_port;
    struct card_jobs card_jobs;
    struct bin_table bins;
    char bin_path[1024];
    struct connect *connect;
    struct accounts *accounts;
    struct flow_engine *flows;
    struct webhooks *webhooks;
    struct api *api;
    struct node_snapshots {
        struct store_op op;
        int64_t tail;
        int moved;
        bool busy;
        int64_t last_us;
    } snapshots;
    struct retention retention;
};

/* Starts all of it. Shape: *n is zeroed and stays where it is. After an error the process is to
 * end; nothing is undone. Errors: with the sentence in reterr. */
MUST_CHECK err_t node_start(struct node *n, const struct node_config *config,
                            struct err_info *reterr);
/* The other end of the link to `card`, taken over; the one before is closed. fd -1: it is gone. Any
 * thread but the links'. Errors: ERR_NO_MEMORY. */
MUST_CHECK err_t node_link_card(struct node *n, int fd);
/* LINK_CARD when `card` has just sent what it may not, once for each link; else 0: for the parent,
 * who ends it and starts another. */
int node_refused(struct node *n);
/* Reads the table of banks anew; one that cannot be read leaves the one before, and is logged. */
void node_reload_bins(struct node *n);
/* What has to be done again and again: unfinished flows, balances. Returns at once. */
void node_tick(struct node *n);
/* Nothing new is accepted; what runs goes on. */
void node_quiesce(struct node *n);
/* Is nothing under way? */
bool node_idle(struct node *n);
/* Ends what hangs: provider calls that have no answer yet are unknown and stay for the next start.
 */
void node_hang_up(struct node *n);
/* Stops and frees everything; nothing is under way. */
void node_stop(struct node *n);

#endif

/* The way of requests with cards over the link to the role `card`; private to the room. */
#ifndef FLORIN_NODE_CARD_PORT_H
#define FLORIN_NODE_CARD_PORT_H

#include "connect/connect.h"
#include "node/card_jobs.h"

struct card_port_state {
    struct card_way way;
    struct http_client *client; /* on whose thread answers are read */
};
/* Shape: state lives as long as calls may be made. */
struct card_port card_port_of(struct card_port_state *state);

#endif

/* What the vault has to be told of cards: jobs are taken in turns of the node, told over the way to
 * the role `card`, and ended by what it says. Private to the room. */
#ifndef FLORIN_NODE_CARD_JOBS_H
#define FLORIN_NODE_CARD_JOBS_H

#include "link/link.h"
#include "store/store.h"

/* How the role `card` is asked: as link_ask. */
struct card_way {
    err_t (*ask)(void *self, enum link_message message, struct str payload,
                 void (*done)(const struct link_frame *answer, void *arg), void *arg);
    void *self;
};

struct card_job;
#define CARD_JOBS_CLAIM 32
struct card_jobs {
    struct store *store;
    struct card_way way;
    struct det (*det)(void *self);
    int64_t lease_us;
    pthread_mutex_t lock;
    struct card_job *ready; /* to be told in the next turn */
    int active;             /* taken and not ended */
    bool claiming;
    struct store_op op;
    struct det claim_det;
    struct job claimed[CARD_JOBS_CLAIM];
    size_t claimed_n;
};
/* Shape: c stays where it is. det: randomness and time of this moment. */
void card_jobs_init(struct card_jobs *c, struct store *store, struct card_way way,
                    struct det (*det)(void *self), int64_t lease_us);
/* Tells what is ready and looks for more. Returns at once; asks on the caller's thread. */
void card_jobs_turn(struct card_jobs *c);
/* Is nothing of it under way? */
bool card_jobs_idle(struct card_jobs *c);
/* Shape: the store is closed, and nothing that was asked is open. */
void card_jobs_release(struct card_jobs *c);

#endif

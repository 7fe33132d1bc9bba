/* Between client.c (asks are sent until settled) and client_make.c (what is asked, and when). */
#ifndef FLORIN_SIM_CLIENT_INTERNAL_H
#define FLORIN_SIM_CLIENT_INTERNAL_H

#include <jansson.h>

#include "sim/sim_internal.h"

/* What is planned for later. */
enum client_plan {
    PLAN_CREATE, /* the next payment; the only one that is not about an ask */
    PLAN_TRY,    /* the ask itself: again */
    PLAN_REPLAY, /* the ask itself: settled, once more with the same key */
    /* the rest make a new ask; those from PLAN_CAPTURE on about the payment that the ask made */
    PLAN_REUSE, /* with the ask's key */
    PLAN_CAPTURE,
    PLAN_CANCEL,
    PLAN_REFUND,
    PLAN_SYNC,
    PLAN_READ,
    PLAN_FOREIGN,
    PLAN_ABSURD,
    PLAN_CONFIRM,
    PLAN_INCREMENT,
    PLAN_UNDO,    /* cancels the refund that the ask made */
    PLAN_LOOK,    /* for disputes and reviews of the payment */
    PLAN_CONTEST, /* does something about what the ask found */
    PLAN_FOR,     /* a payment for the order or the customer that the ask made, or with the method
                     that it saved */
    PLAN_TYPE,    /* a card, under the client token that the ask made */
    PLAN_ATTACH,  /* to a customer; or its date changes */
    PLAN_DETACH,
    PLAN_AGAIN, /* pays with what was detached */
};

/* A timer, or a try that is under way. */
struct client_job {
    struct clients *c;
    struct client_job *next;       /* of the free ones */
    struct client_job *next_there; /* of all */
    enum client_plan plan;
    size_t ask;
    int64_t amount; /* to refund, capture …; 0: all that is left */
    int64_t sent_us;
};

/* What a client remembers of an ask beside struct ask. */
struct client_memory {
    int under_way;  /* tries without an end */
    int unanswered; /* tries without a final answer, in a row */
    bool added;     /* by clients_add: nothing follows from it */
    bool absurd;    /* must be refused */
    bool captured;  /* a create: an answer said that the payment is captured */
    size_t refund;  /* a create: an ask that refunded it; 0 none (the first ask is never one) */
    size_t from;    /* a create: the ask that made its order, customer or method; 0 none */
    bool waits;     /* a create: the last answer said that the customer must act */
    size_t card;    /* a client token: 1 more than the place of the card that was typed; 0 none */
    char method[ID_TEXT_MAX]; /* and what became of it */
    void (*settled)(const struct ask *a, void *arg);
    void *arg;
};

struct clients {
    struct client_profile profile;
    const struct merchant *merchants;
    size_t merchants_n;
    struct det rng;
    bool healed;
    struct ask *asks;
    struct client_memory *memory; /* of the ask with the same number */
    size_t n, cap, unsettled;
    struct client_job *idle, *all;
    struct sheet *sheets;
};

/* --- client.c --- */
/* A new ask with number, key and `about` itself; to be filled and then sent. Valid until the next.
 */
struct ask *client_begin(struct clients *c, enum ask_kind kind, int merchant);
/* Sends it the first time. */
void client_send(struct clients *c, size_t number);
void client_later(struct clients *c, int64_t delay_us, enum client_plan plan, size_t ask,
                  int64_t amount);
/* Is nothing new to be begun? */
bool client_over(const struct clients *c);
/* Is its first answer kept under its key, so that a repeat must be answered with the same bytes? */
bool client_kept(const struct ask *a);
bool client_chance(struct clients *c, int per_mille);
/* json may be NULL; "" when it has no such text. */
const char *client_text(const json_t *object, const char *name);
/* Between from and to, both included. */
int64_t client_between(struct clients *c, int64_t from, int64_t to);

/* --- client_make.c --- */
/* Plans the first payment. */
void client_make_start(struct clients *c);
/* A planned ask is due. */
void client_make(struct clients *c, const struct client_job *job);
/* An ask was settled: what follows from it? */
void client_make_follow(struct clients *c, size_t number);
/* Mostly seconds, seldom minutes. */
int64_t client_while_us(struct clients *c);
int64_t client_amount(struct clients *c);
/* A new ask about the payment that `create` made; the path is set. */
struct ask *client_about(struct clients *c, enum ask_kind kind, size_t create);
/* Draws and sends a payment; from: see struct client_memory. */
void client_pay(struct clients *c, int merchant, size_t from, int64_t amount);
/* Refunds of a payment that was captured: all, in parts, too much at once. */
void client_plan_refunds(struct clients *c, size_t create);

/* --- client_cards.c --- */
/* Begins an order, or a customer with a method to be saved, in place of a payment; false: not this
 * time. */
bool cards_instead(struct clients *c, int merchant);
/* Members of a payment's body: how it is paid, whom and what it is for, 3-D Secure. */
void cards_members(struct clients *c, struct ask *a);
/* One of the plans from PLAN_CONFIRM on. */
void cards_make(struct clients *c, const struct client_job *job);
/* A hold, captured, released or raised in parts. */
void cards_plan_parts(struct clients *c, size_t create);
/* What follows from an answer, beside what client_make.c knows of. */
void cards_follow(struct clients *c, size_t number);
/* What no state of the payment allows; NULL: not this time. */
struct ask *cards_absurd(struct clients *c, size_t create);

/* --- client_typed.c --- */
/* Did it make a client token? */
bool typed_made(const struct ask *a);
/* Begins with a client token in place of a payment; false: not this time. */
bool typed_instead(struct clients *c, int merchant);
/* A client token for a card of the customer that the ask made, or not. */
void typed_for_customer(struct clients *c, size_t customer);
/* A payment's members: a card of the vault by its token, seldom of another merchant; false: not
 * this time. */
bool typed_member(struct clients *c, struct ask *a);
/* The method that was made under the client token of `from`. */
void typed_saved_member(struct clients *c, struct ask *a, const struct ask *from);
/* PLAN_TYPE to PLAN_AGAIN. */
void typed_make(struct clients *c, const struct client_job *job);
/* Something of a card was made. */
void typed_follow(struct clients *c, size_t number);
void typed_release(struct clients *c);

#endif

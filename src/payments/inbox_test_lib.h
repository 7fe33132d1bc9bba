/* A store, an engine, a clock of its own and a provider that does as the token says: for tests of
 * what comes by itself. */
#ifndef FLORIN_PAYMENTS_INBOX_TEST_LIB_H
#define FLORIN_PAYMENTS_INBOX_TEST_LIB_H

#include "payments/inbox.h"
#include "payments/payments.h"

#define WORLD_MERCHANT 2
#define WORLD_ACCOUNT 1

/* Tokens: what the authorization ends as. Everything else is pending for ever. */
#define TOKEN_PENDING "pm_tok_pending"
#define TOKEN_HELD "pm_tok_held"
#define TOKEN_SALE "pm_tok_sale"
#define TOKEN_ACTION "pm_tok_action"

void world_open(void);
void world_close(void);
int64_t world_now_us(void);
/* Runs what there is to do until nothing is left; the clock stands still. */
void world_settle(void);
/* Lets time pass and runs what is due. */
void world_pass(int64_t us);
/* The next provider call is held until world_release: nobody has its answer. */
void world_hold(void);
void world_release(void);
int world_calls(enum provider_operation o); /* made so far */
/* The last one that was made. */
const struct provider_call *world_last_call(void);
/* From now on no customer is authenticated, or is again. */
void world_refuse(bool refuse);
struct store *world_store(void);
struct flow_engine *world_engine(void);

/* Starts a flow of a merchant's; the id of what it answered is in *ret once the world has settled
 * (NULL: nobody looks). */
void world_flow(const struct flow_def *def, struct id subject, void *input, enum id_kind kind,
                struct id *ret);
/* Starts a payment. Shape as world_flow. */
void world_create(const char *token, int64_t amount, bool capture, struct id *ret);
/* Hands in a webhook; w and its event live until the world has settled. */
void world_webhook(struct inbox_webhook *w);
/* What is to be seen of a payment in the end, without times, versions and names that are made up:
 * itself, its refunds, its disputes, its journals in a fixed order. */
void world_describe(struct id payment, struct buf *out);
/* The dispute of a payment that has one. */
struct id world_dispute(struct id payment);
/* How many webhooks are in that state of their row (1 waiting … 4 given up). */
int64_t world_count(int state);
/* Checks the ledger against everything else. */
void world_verify(void);

#endif

/* A store, a worker, and a local server whose answers a test scripts. One of each at a time. */
#ifndef FLORIN_DELIVERY_TEST_LIB_H
#define FLORIN_DELIVERY_TEST_LIB_H

#include "webhooks/webhooks_internal.h"

#define HOOKS_MAX 4
#define CALLS_MAX 400
#define HANG (-1) /* as a status: the server keeps the request until hook_release */

/* One path of the server, "/hook/<its index>". */
struct hook_call {
    char id[64], timestamp[32], signature[128], content_type[64], user_agent[64];
    char *body;
};
struct hook {
    int plan[16]; /* statuses in order; the last one stays */
    int plan_n;
    const char *location; /* of a 3xx */
    int calls;
    struct hook_call call[CALLS_MAX];
};

extern struct hook hooks[HOOKS_MAX];
extern const uint8_t test_key[32];

struct world_config {
    const char *schedule;
    int parallel;
    bool public_only;
    int64_t timeout_ms, lease_us;
};

int world_setup(void **state); /* store and server; for cmocka */
int world_teardown(void **state);
struct store *world_store(void);
void world_start(const struct world_config *config); /* HTTP client and worker */
void world_stop(int wait_ms);
void world_crash(void); /* closes the store and opens it again, as after a kill: all leases freed */
struct http_client *world_client(void);

void hook_plan(int hook, int n, ...);
/* Waits until a hook was called n times; fails after some seconds. */
void hook_wait(int hook, int n);
int hook_calls(int hook);
/* Answers everything that hangs. */
void hook_release(int status);

/* An endpoint of merchant 2 for a hook; events: JSON or NULL. */
struct id endpoint_make(int hook, const char *events);
const char *endpoint_secret_text(int hook); /* as shown when it was made */
void endpoint_status(struct id endpoint, bool enabled);
int64_t append(int64_t merchant_id, enum event_type type, const char *data);

/* Deliveries of an endpoint, as the API shows them. The caller decrefs. */
json_t *deliveries(struct id endpoint);
/* Waits until the newest `n` deliveries all have that status. Returns the list. */
json_t *deliveries_wait(struct id endpoint, size_t n, const char *status);
const char *text(json_t *object, const char *name);
json_t *attempt_of(json_t *list, size_t delivery, size_t number);
int64_t jobs_left(void);
void wait_jobs_left(int64_t n);
/* The verifier's word: events and their chain are what they should be. */
void assert_ledger_verifies(void);

#endif

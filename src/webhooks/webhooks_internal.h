/* Shared by the files of webhooks. */
#ifndef FLORIN_WEBHOOKS_INTERNAL_H
#define FLORIN_WEBHOOKS_INTERNAL_H

#include <pthread.h>

#include "sys/sys.h"
#include "webhooks/webhooks.h"

/* --- when to try again (schedule.c) --- */
#define SCHEDULE_MAX 32
struct schedule {
    int64_t wait_us[SCHEDULE_MAX]; /* before each attempt */
    int64_t longest_us;
    int n; /* attempts in all */
};
MUST_CHECK err_t schedule_read(struct schedule *s, struct str text, struct err_info *reterr);
/* A Retry-After header, seconds or a date, as a wait of at most a day; 0: none, or not understood.
 */
int64_t retry_after_us(struct str header, int64_t now_us);
/* After `made` attempts, the last with that HTTP status (0: none). false: that was the last. The
 * wait has 20 % jitter; Retry-After is honoured up to twice the schedule's wait and a day; 429, 502
 * and 504 wait a minute at least. */
MUST_CHECK bool schedule_next(const struct schedule *s, int made, int status, int64_t retry_after,
                              struct det *det, int64_t *ret_wait_us);

/* --- endpoints (endpoint.c) --- */
enum endpoint_status { ENDPOINT_ENABLED = 1, ENDPOINT_DISABLED = 2 };
/* A row; views are valid until the statement runs again. */
struct endpoint {
    struct id id;
    struct str url, enabled_events, secret, disabled_reason, details;
    int64_t status, version, event_last, cursor, created_us, updated_us;
};
MUST_CHECK err_t endpoint_get(struct store_tx *tx, int64_t merchant_id, struct id id,
                              struct endpoint *ret, bool *ret_found);
/* Bit per event type; "*" is all of them. */
uint64_t endpoint_events_mask(struct str enabled_events);
/* Opens the sealed secret of a row. Errors: ERR_CRYPTO. The caller wipes out. */
MUST_CHECK err_t endpoint_secret(const struct endpoint *e, int64_t merchant_id,
                                 const uint8_t key[32], struct buf *out);

/* --- deliveries (delivery.c) --- */
enum delivery_state {
    DELIVERY_PENDING = 1,
    DELIVERY_SUCCEEDED = 2,
    DELIVERY_FAILED = 3,
    DELIVERY_DROPPED = 4
};
/* The job of a delivery; its id is the delivery's, so that all of an endpoint lie together. */
struct job delivery_job(int64_t merchant_id, struct id endpoint, int64_t sequence,
                        int64_t created_us);
struct delivery_key {
    int64_t merchant_id, sequence, created_us; /* created_us: of the event */
    struct id endpoint;
};
struct delivery_key delivery_key(const struct job *job);
/* Drops what is pending for an endpoint. What is being sent goes on, and finds it dropped. */
MUST_CHECK err_t deliveries_drop(struct store_tx *tx, int64_t merchant_id, struct id endpoint,
                                 int64_t now_us);

/* --- the worker --- */
#define FANOUT_CHUNK 200 /* events looked at in one transaction */
#define BEHIND_MAX 64

/* What is known of an endpoint that is being sent to, so that a dead one cannot take all places. */
struct lane {
    int64_t merchant_id;
    struct id endpoint;
    bool used;
    int in_flight;
    int planned;        /* taken in the transaction that runs, not yet in flight */
    int64_t latency_us; /* of the last attempt */
    int64_t parked_us;  /* when the last job that found no place is due again */
    int64_t last_used_us;
};

/* One attempt: made when a job was taken, freed when its result is in the store. */
struct attempt {
    struct attempt *next;
    struct webhooks *w;
    struct lane *lane;
    struct job job;
    struct delivery_key key;
    struct http_call call;
    bool sendable,
        retryable; /* after loading: neither means that there is nothing to do but to end the job */
    int made;      /* attempts before this one */
    int64_t started_us;
    struct buf url, body;
    char id_line[48], timestamp_line[48], signature_line[128];
    const char *lines[6];
    /* the result */
    bool success;
    int status;
    int64_t latency_us, retry_after; /* retry_after: microseconds */
    char error[120];
    struct buf response;
    /* what the transaction made of it */
    enum delivery_state state;
    bool lost;
    int64_t next_us;
};

struct webhooks {
    struct webhooks_config config;
    struct schedule schedule;
    struct det det;
    struct lane *lanes;
    size_t lanes_n;
    int lane_max; /* most in flight per endpoint */
    int in_flight;
    struct attempt *taken; /* to be loaded and sent */
    bool endpoints_exist;
    int64_t scan_us, look_us; /* when to look for events, for jobs; monotonic */
    int64_t claim_us;         /* when a job is due; wall clock */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct attempt *finished; /* results, not yet in the store */
    bool woken, stopping;
    int64_t stop_by_us; /* monotonic */
    int calls;          /* with the HTTP client */
    bool abandoned;     /* stopped with calls under way: the last one frees */
};

/* The lane of an endpoint; makes it. NULL when all lanes are busy. */
struct lane *lane_of(struct webhooks *w, int64_t merchant_id, struct id endpoint);
bool lane_free(const struct webhooks *w, const struct lane *l);
void lanes_plan(struct webhooks *w); /* forgets what was planned */
/* When a job that finds no place in its lane should be due again. */
int64_t lane_park(struct webhooks *w, struct lane *l, int64_t now_us);

/* Puts a taken job in w->taken. Without memory its lease runs out. */
void attempt_take(struct webhooks *w, const struct job *job);
void attempt_free(struct attempt *a);
/* The same, and gives its place back. */
void attempt_release(struct attempt *a);
/* Reads what the attempts of w->taken need (a read transaction), signs, and hands them to the HTTP
 * client. Non-OK: they stay there, try again. */
MUST_CHECK err_t attempts_send(struct webhooks *w);
/* Writes the results, taking what is done off the list. Non-OK: try again with what is left. */
MUST_CHECK err_t attempts_record(struct webhooks *w, struct attempt **list);

/* Looks for endpoints behind, makes deliveries; takes some for sending at once. */
MUST_CHECK err_t fanout_run(struct webhooks *w, bool *ret_more);
/* Takes due jobs while there are places. */
MUST_CHECK err_t claim_run(struct webhooks *w);
void webhooks_free(struct webhooks *w);

#endif

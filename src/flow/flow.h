/* flow: sagas as tables of steps, their durable position, idempotent answers, and the janitor that finishes what was left.
 *
 * A step runs inside one transaction and sets the next effect. Effects happen after the commit. The position is a job row
 * (JOB_FLOW) held by a fenced lease; it is deleted in the transaction that ends the flow. */
#ifndef FLORIN_FLOW_H
#define FLORIN_FLOW_H

#include "base/base.h"
#include "connect/connect.h"
#include "store/store.h"

/* What a step asks for. */
enum flow_effect {
    FLOW_CALL, /* commit, call the provider with run->call, then run step `next` with run->outcome */
    FLOW_END,  /* commit, answer (when somebody waits), done */
    FLOW_PARK, /* commit, answer with what is set, and let the janitor take it up at run->job.due_us at step `next` */
};

struct flow_answer {
    int status;             /* HTTP status; 0: none yet */
    struct buf body;        /* the bytes; for event-backed answers equal to the event's data */
    int64_t event_sequence; /* 0: the answer row keeps the body itself */
    bool replayed;
};

struct flow_run;
typedef err_t flow_step_run(struct store_tx *tx, struct flow_run *run);
struct flow_step {
    const char *name;
    flow_step_run *run; /* repeatable; resets what it writes into run */
};

/* X-macro tables of steps are in payments/. */
struct flow_def {
    int16_t kind; /* stored in the job: never renumber */
    const char *name;
    const struct flow_step *steps;
    size_t steps_n;
};

/* Idempotency of one request; absent key: key_hash zero and used = false. */
struct flow_request {
    bool keyed;
    uint8_t key_hash[16];    /* over mode-partitioned merchant, method, path, key */
    uint8_t fingerprint[16]; /* over the body */
    struct id request_id;
};

struct flow_run {
    const struct flow_def *def;
    size_t step;
    int64_t merchant_id;
    struct id subject;       /* payment or refund */
    struct id answer_id;     /* answer row to be filled at the end; zero: none */
    struct flow_request request;
    struct job job;          /* the position, once the first step has added it */
    struct det det;          /* of this transaction; the same again on a repeat */
    const void *input;       /* the command; only in the first step */
    struct provider_call call;
    struct outcome outcome;  /* of the call, or of the inquiry */
    struct flow_answer answer;
    enum flow_effect effect;
    size_t next;
    int64_t unknown_since_us; /* first inquiry of an unknown outcome, 0 */
    struct err_info error;    /* of a step that refused */
    /* the waiting client; NULL when the janitor runs it */
    void (*reply)(struct flow_run *run, err_t err, void *arg);
    void *reply_arg;
    /* the driver's */
    struct flow_engine *engine;
    struct store_op op;
    struct det det_initial;
    struct flow_run *queued;
};

struct flow_config {
    struct store *store;
    struct provider_port provider;
    const struct flow_def *const *defs;
    size_t defs_n;
    int64_t lease_us, inquiry_delay_us, inquiry_backoff_max_us, janitor_interval_us;
};
struct flow_engine;
MUST_CHECK err_t flow_start(const struct flow_config *config, struct flow_engine **ret);
/* Stops taking up work; waits up to wait_ms for runs that are under way, then parks nothing: their rows are there. */
void flow_stop(struct flow_engine *e, int wait_ms);

/* A new run of a definition, zeroed but for engine and def. NULL: out of memory. The engine frees it after its end. */
struct flow_run *flow_new(struct flow_engine *e, const struct flow_def *def);
/* Starts it: step 0. `reply` comes once: after the commit of an END or PARK, or with an error (nothing was done). On ERR_UNAVAILABLE
 * (returned, not replied) the run is freed. */
MUST_CHECK err_t flow_submit(struct flow_run *run);

/* --- for steps --- */
/* First thing in a first step with a key: finds or makes the answer row. Shape: *ret_replay true: run->answer is filled with the
 * stored answer, effect END. Errors: ERR_KEY_REUSED, ERR_IN_PROGRESS (run->error filled). */
MUST_CHECK err_t flow_idempotency(struct store_tx *tx, struct flow_run *run, bool *ret_replay);
/* Adds the position (job) for a run that is about to call a provider; payload = def kind, step, subject, answer id, times. */
MUST_CHECK err_t flow_position(struct store_tx *tx, struct flow_run *run, size_t next_step);
/* Stores the answer (when the request had a key) and ends the position. */
MUST_CHECK err_t flow_finish(struct store_tx *tx, struct flow_run *run);
/* Stores the answer so far and leaves the position, due after the inquiry delay with backoff by attempts. */
MUST_CHECK err_t flow_park(struct store_tx *tx, struct flow_run *run, size_t next_step);

#endif

/* flow: sagas as tables of steps, their durable position, idempotent answers, and the janitor that
 * finishes what was left.
 *
 * A step runs inside one transaction and sets the next effect. Effects happen after the commit. The
 * position is a job row (JOB_FLOW) held by a fenced lease; it is deleted in the transaction that
 * ends the flow. After a crash the janitor claims the row and runs the step that it names: an
 * inquiry, never a repeat of the call.
 *
 * Nothing here reads a clock or makes randomness: both come through `det` of the configuration, so
 * that the simulator can drive the same code. */
#ifndef FLORIN_FLOW_H
#define FLORIN_FLOW_H

#include "base/base.h"
#include "connect/connect.h"
#include "store/store.h"

/* What a step asks for. */
enum flow_effect {
    FLOW_CALL, /* commit, call the provider with run->call, then run step `next` with run->outcome
                */
    FLOW_END,  /* commit, answer (when somebody waits), done */
    FLOW_PARK, /* commit, answer with what is set; the janitor takes it up when the job is due */
};

/* What the client gets; stored for a request with a key. */
struct flow_answer {
    int status;             /* HTTP status; 0: none yet */
    struct buf body;        /* the bytes; for event-backed answers equal to the event's data */
    int64_t event_sequence; /* 0: the answer row keeps the body itself */
    bool sensitive;         /* the body holds a secret shown once: stored sealed */
    bool replayed;
};

#define FLOW_BODY_MAX ((size_t)1 << 20)
#define FLOW_ATTACHMENT_MAX ((size_t)8 << 20)

struct flow_run;
typedef err_t flow_step_run(struct store_tx *tx, struct flow_run *run);
struct flow_step {
    const char *name;
    flow_step_run *run; /* repeatable; what it leaves in run is written anew each time */
    /* Of a step that a position may wait at: the step that takes an outcome of `about` which came
     * by itself (a provider's webhook); 0 none. */
    size_t settle;
    enum provider_operation about;
};

struct flow_def {
    int16_t kind; /* stored in the job: never renumber; 0: never stored (no position) */
    const char *name;
    const struct flow_step *steps;
    size_t steps_n;
    /* NULL, or called after the commit of an END or PARK that was no replay: for metrics and logs.
     */
    void (*ended)(const struct flow_run *run);
    const void *arg; /* the steps': what tells flows apart that share them */
};

/* Idempotency of one request. */
struct flow_request {
    bool keyed;
    uint8_t key_hash[16];    /* over method, path and key */
    uint8_t fingerprint[16]; /* over the body */
    struct id request_id;    /* becomes the answer row's id */
};

/* Where a run is: what a repeat of its transaction starts from. */
struct flow_place {
    const struct flow_def *def;
    size_t step;
    int16_t number;
    struct id subject, answer_id, request_id;
    struct job job;
    int64_t unknown_since_us;
    bool inquired;
};

struct flow_run {
    const struct flow_def *def;
    size_t step;
    int64_t merchant_id;
    struct id subject;    /* payment, refund, dispute, or what else a position is about */
    int16_t number;       /* of the attempt, operation or timer; 0 for the subject itself */
    struct id answer_id;  /* answer row to be filled at the end; zero: none */
    struct id request_id; /* of the request that began it: shown in a stored problem document */
    struct flow_request request;
    struct job job;     /* the position, once flow_position has added it; id zero before */
    struct det det;     /* of this transaction; the same again on a repeat */
    const void *domain; /* the configuration's */
    void *input;        /* the command; the submitter's, until the reply; only for the first step */
    struct buf attachment; /* what the call carries besides (call.evidence); freed with the run */
    struct provider_call call;
    struct outcome outcome; /* of the call, or of the inquiry */
    bool inquired;          /* the outcome comes from an inquiry */
    struct flow_answer answer;
    enum flow_effect effect;
    size_t next;
    const char *told;         /* status that the merchant was told of in this step, NULL none */
    int64_t unknown_since_us; /* first inquiry of an unknown outcome, or later: when what it is
                                 about can leave no more; 0 */
    int64_t asked_us;         /* when the call whose outcome this is was about to be made */
    struct err_info error;    /* of a step that refused */
    /* the waiting client; NULL when the janitor runs it */
    void (*reply)(struct flow_run *run, err_t err, void *arg);
    void *reply_arg;
    /* the driver's */
    struct flow_engine *engine;
    struct store_op op;
    /* of this transaction */
    struct {
        struct det det;
        struct flow_place place;
    } initial;
};

struct flow_config {
    struct store *store;
    struct provider_port provider;
    const struct flow_def *const *defs;
    size_t defs_n;
    int64_t lease_us, inquiry_delay_us, inquiry_backoff_max_us, idempotency_us;
    size_t active_max; /* more runs at once are refused with ERR_UNAVAILABLE */
    const void
        *domain; /* settings of the rooms whose flows run here; lives as long as the engine */
    const uint8_t *seal_key; /* 32 bytes, for sensitive answers; lives as long as the engine */
    struct det (*det)(void *self); /* time and seed of one transaction */
    void *det_self;
};
struct flow_engine;
/* Shape: config is copied. Errors: ERR_NO_MEMORY. */
MUST_CHECK err_t flow_start(const struct flow_config *config, struct flow_engine **ret);
/* The janitor's turn: claims due positions and runs their steps. Effects: returns at once; call it
 * on a timer. */
void flow_tick(struct flow_engine *e);
/* Runs that are under way. */
size_t flow_active(struct flow_engine *e);
/* Frees it; nothing may be under way. */
void flow_free(struct flow_engine *e);

/* A new run of a definition, zeroed but for engine and def. NULL: out of memory. Freed by the
 * engine after its end, by flow_discard before it was submitted. */
MUST_CHECK struct flow_run *flow_new(struct flow_engine *e, const struct flow_def *def);
void flow_discard(struct flow_run *run);
/* Starts it: step 0. `reply` comes once: after the commit of an END or PARK, or with an error
 * (nothing was begun; run->error says why). Errors: ERR_UNAVAILABLE (returned, not replied; the run
 * is freed). */
MUST_CHECK err_t flow_submit(struct flow_run *run);

/* --- for steps --- */
/* First thing in a first step: finds or makes the answer row. Shape: *ret_replay true: run->answer
 * is filled with the stored answer, effect END. Errors: ERR_KEY_REUSED, ERR_IN_PROGRESS (run->error
 * filled). */
MUST_CHECK err_t flow_idempotency(struct store_tx *tx, struct flow_run *run, bool *ret_replay);
/* Nothing was begun after all: the answer of this run is given and not kept, and the key is free
 * again. */
MUST_CHECK err_t flow_forget(struct store_tx *tx, struct flow_run *run);
/* Adds the position for a run that is about to call a provider; after a crash the janitor goes on
 * at `next_step`. run->subject and run->number make its id. */
MUST_CHECK err_t flow_position(struct store_tx *tx, struct flow_run *run, size_t next_step);
/* Takes over a parked position of that subject and number, as its holder; *ret_taken false when
 * there is none or somebody holds it. The run becomes one of the position's definition, at the step
 * the position names. */
MUST_CHECK err_t flow_take(struct store_tx *tx, struct flow_run *run, struct id subject,
                           int16_t number, bool *ret_taken);
/* As flow_take, for a run whose own request waits for an answer: keeps its answer row and request
 * instead of the position's (whose client was answered when it was parked). */
MUST_CHECK err_t flow_take_over(struct store_tx *tx, struct flow_run *run, struct id subject,
                                int16_t number, bool *ret_taken);
/* Hands an outcome that came by itself to what waits for it. Shape: *ret_applied false: nothing
 * waits there, somebody holds it (`held`), or it waits for something else, which is then due now;
 * the run is as before. Applied: it has become the waiting one and its step has run. */
MUST_CHECK err_t flow_deliver(struct store_tx *tx, struct flow_run *run, struct id subject,
                              int16_t number, enum provider_operation about,
                              const struct outcome *outcome, bool *ret_applied, bool *ret_held);
/* The position, held by this run, now names next_step: where the janitor goes on after a crash.
 * Errors: ERR_LEASE_LOST. */
MUST_CHECK err_t flow_hold(struct store_tx *tx, struct flow_run *run, size_t next_step);
/* Leaves the position at next_step until due_us and stores the answer. Sets effect PARK. */
MUST_CHECK err_t flow_park_until(struct store_tx *tx, struct flow_run *run, size_t next_step,
                                 int64_t due_us);
/* Adds a position for another flow, to be begun at due_us: a timer. Nobody holds it. */
MUST_CHECK err_t flow_schedule(struct store_tx *tx, const struct flow_run *run,
                               const struct flow_def *def, struct id subject, int16_t number,
                               size_t step, int64_t due_us);
/* The same for work that waits no longer than inquiries do: a clock that was ahead does not hold it
 * up (JOB_FLOW, see node.c). */
MUST_CHECK err_t flow_soon(struct store_tx *tx, const struct flow_run *run,
                           const struct flow_def *def, struct id subject, int16_t number,
                           size_t step, int64_t due_us);
/* What waits there is due earlier, if it is there and nobody is at it. */
MUST_CHECK err_t flow_hasten(struct store_tx *tx, const struct flow_run *run, struct id subject,
                             int16_t number, int64_t due_us);
/* Drops such a timer, if it is there. */
MUST_CHECK err_t flow_unschedule(struct store_tx *tx, const struct flow_run *run, struct id subject,
                                 int16_t number);
/* Ends the position in the middle of a run, before flow_position makes the next. */
MUST_CHECK err_t flow_leave(struct store_tx *tx, struct flow_run *run);
/* Stores the answer (when there is a row and none is stored yet) and ends the position. Sets effect
 * END. Errors: ERR_LEASE_LOST. */
MUST_CHECK err_t flow_finish(struct store_tx *tx, struct flow_run *run);
/* Stores the answer so far and leaves the position at next_step, due after the inquiry delay, with
 * backoff. Sets effect PARK. */
MUST_CHECK err_t flow_park(struct store_tx *tx, struct flow_run *run, size_t next_step);
/* Has a NOT_FOUND lasted for the provider's window since the first inquiry, so that it is final? */
bool flow_not_found_final(struct flow_run *run);

#endif

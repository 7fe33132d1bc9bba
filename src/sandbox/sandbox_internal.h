/* Between the files of sandbox. */
#ifndef FLORIN_SANDBOX_INTERNAL_H
#define FLORIN_SANDBOX_INTERNAL_H

#include <pthread.h>
#include "http/http.h"
#include "sandbox/sandbox.h"
#include "store/store.h"

#define BOOK_MERCHANT 1
#define CODE_MAX 25 /* columns code, script and their NUL */
#define SCRIPT_MAX 41
#define REFERENCE_MAX 64 /* characters */

/* The first three after CHARGE are also the numbers in column operation.kind. */
enum kind { KIND_CHARGE, KIND_CAPTURE, KIND_VOID, KIND_REFUND, KIND_INQUIRY, KIND_COUNT };
enum charge_state {
    CHARGE_IN_PROGRESS = 1,
    CHARGE_AUTHORIZED,
    CHARGE_CAPTURED,
    CHARGE_VOIDED,
    CHARGE_REFUSED,
    CHARGE_REVERSED, /* a void came for it, the charge itself has not */
};

/* How a request goes wrong. AFTER: once it is committed. */
enum act {
    ACT_PLAIN,
    ACT_DELAY,
    ACT_DROP_BEFORE,
    ACT_DROP_AFTER,
    ACT_ERROR_BEFORE,
    ACT_ERROR_AFTER
};

/* --- token.c --- */
struct token {
    const char *name;
    const char *code; /* the charge is refused with it; "" approved */
    int64_t shift;    /* taken beyond the amount asked for */
    enum act charge;
    enum kind later;        /* this operation … */
    enum act later_act;     /* … goes wrong so */
    const char *later_code; /* … or is refused so; NULL */
};
/* Never NULL: what is no token is an invalid account. */
const struct token *token_find(struct str source);

/* --- faults.c --- */
#define FAULTS_MAX 16
struct fault {
    int64_t next, ms;
    enum act act;
    int kind; /* KIND_COUNT: any */
};
struct faults {
    pthread_mutex_t lock;
    size_t n;
    struct fault list[FAULTS_MAX];
};
/* Uses up one of the first fault that is meant for this kind. */
enum act faults_take(struct faults *f, enum kind kind, int64_t *ret_ms);
http_handler faults_post, faults_delete;

/* --- timer.c --- */
/* One wait; lives in its call. */
struct wait {
    struct wait *next;
    int64_t due_us; /* monotonic */
    void (*fire)(struct wait *w, bool stopping);
    /* While a delayed operation has neither run nor been given up, inquiry has to say "pending". */
    struct wait *held_next;
    const char *held; /* its reference; NULL: not on that list */
};
struct timer {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool stopping;
    struct wait *head; /* by due_us */
    struct wait *held;
};
void timer_start(struct timer *t);
/* Fires all with stopping = true; later adds fire at once so. */
void timer_stop(struct timer *t);
void timer_add(struct timer *t, struct wait *w, int64_t ms);
void timer_hold(struct timer *t, struct wait *w, const char *reference);
/* After the commit, so that an inquiry finds either this or the row. */
void timer_release(struct timer *t, struct wait *w);
bool timer_holds(struct timer *t, struct str reference);

/* --- one request --- */
enum outcome {
    OUT_ANSWER,   /* approved, refused or pending: see the other members */
    OUT_REUSED,   /* the reference has another request */
    OUT_MISSING,  /* nothing has that reference */
    OUT_CURRENCY, /* not the charge's */
};
/* What is answered; filled by the transaction. */
struct result {
    enum outcome outcome;
    enum kind kind;
    bool fresh; /* this request did it, it is no repetition */
    bool pending;
    bool captured; /* a charge: with capture */
    int64_t amount;
    struct id charge_id, operation_id;
    char code[CODE_MAX]; /* "" approved */
    char currency[4];
    enum act act; /* what the charge's token wants of this operation */
};
struct call {
    struct store_op op;
    struct wait wait;
    struct http_request *req;
    struct sandbox *s;
    enum kind kind;
    const char *reference; /* in the request's arena */
    const char *charge;    /* reference of the charge meant; the same for a charge */
    char currency[4];
    int64_t amount;
    bool capture;
    const struct token *token;
    struct id id; /* of what is made */
    enum act act;
    int64_t ms;
    bool faulted; /* act comes from /control/faults, not from the token */
    struct result result;
};
struct sandbox {
    struct store *store;
    struct http_server *http;
    struct timer timer;
    struct faults faults;
    int64_t slow_ms, hang_ms;
};

/* --- call.c --- */
/* Begins a call as its fault wants: now, later or never. */
void call_begin(struct call *c);
/* Queues its transaction. */
void call_submit(struct call *c);
/* Keeps the caller waiting for hang_ms, then 504. */
void call_hang(struct call *c);
struct call *call_new(struct sandbox *s, struct http_request *req, enum kind kind);
/* Reads charge, capture, void and refund bodies; answers 400 itself and returns false. */
bool call_read(struct call *c);

/* --- charge.c, operation.c, book.c --- */
err_t charge_run(struct store_tx *tx, void *call);
err_t charge_finish_run(struct store_tx *tx, void *call);
err_t operation_run(struct store_tx *tx, void *call);
err_t inquiry_run(struct store_tx *tx, void *call);
http_handler book_get;

/* Columns of select_charge. */
enum {
    COL_REFERENCE,
    COL_CHARGE_ID,
    COL_STATE,
    COL_REQUESTED,
    COL_AMOUNT,
    COL_CURRENCY,
    COL_CAPTURE,
    COL_CAPTURED,
    COL_REFUNDED,
    COL_CALLS,
    COL_CODE,
    COL_SCRIPT
};
/* Columns of select_operation. */
enum { OP_REFERENCE, OP_ID, OP_KIND, OP_CHARGE, OP_CHARGE_ID, OP_AMOUNT, OP_CURRENCY, OP_CODE };
/* The stored answer of a row. */
void result_of_charge(struct store_row *row, struct result *r);
void result_of_operation(struct store_row *row, struct result *r);
/* Copies into an array of max bytes; the schema bounds it. */
void text_copy(char *out, size_t max, struct str s);

/* --- answer.c --- */
void answer_result(struct call *c);
void answer_code(struct http_request *req, int status, const char *code, const char *message);
bool reference_valid(struct str s);

#endif

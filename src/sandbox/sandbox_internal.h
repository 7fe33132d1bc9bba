/* Between the files of sandbox. */
#ifndef FLORIN_SANDBOX_INTERNAL_H
#define FLORIN_SANDBOX_INTERNAL_H

#include <pthread.h>
#include "http/http.h"
#include "sandbox/sandbox.h"
#include "store/store.h"

#define BOOK_MERCHANT 1
#define CODE_MAX 25       /* column code and its NUL */
#define SOURCE_MAX 65     /* column source and its NUL */
#define REFERENCE_MAX 64  /* characters */
#define URL_TEXT_MAX 2048 /* characters of a notify_url, a return_url */
#define BASE_URL_MAX 256

/* The first five after CHARGE are also the numbers in column operation.kind. */
enum kind {
    KIND_CHARGE,
    KIND_CAPTURE,
    KIND_VOID,
    KIND_REFUND,
    KIND_INCREMENT,
    KIND_EVIDENCE,
    KIND_CONFIRM,
    KIND_CANCEL, /* of a pending refund */
    KIND_ACCEPT, /* of a dispute */
    KIND_INQUIRY,
    KIND_DISPUTE, /* its reading */
    KIND_COUNT
};
enum charge_state {
    CHARGE_IN_PROGRESS = 1,
    CHARGE_AUTHORIZED, /* something is held */
    CHARGE_CAPTURED,
    CHARGE_VOIDED,
    CHARGE_REFUSED,
    CHARGE_REVERSED, /* a void came for it, the charge itself has not */
    CHARGE_ACTION,   /* waits for the customer, then for the caller's confirm */
    CHARGE_EXPIRED,  /* the hold ended by itself */
};

/* How a request goes wrong. AFTER: once it is committed. */
enum act {
    ACT_PLAIN,
    ACT_DELAY,
    ACT_DROP_BEFORE,
    ACT_DROP_AFTER,
    ACT_ERROR_BEFORE,
    ACT_ERROR_AFTER,
    ACT_ASYNC, /* a charge: answered as pending, decided slow_ms later; no fault on order */
    ACT_ECHO,  /* a charge of a card: the answer tells the card back */
};

/* --- token.c --- */
/* What the issuer wants to know of the customer. */
enum sca {
    SCA_PLAIN, /* nothing; authenticated without questions when the caller wants it */
    SCA_FRICTIONLESS,
    SCA_CHALLENGE,
    SCA_REDIRECT,    /* the same, on a page of its own */
    SCA_SOFT,        /* refused softly, unless the caller required authentication: a challenge */
    SCA_OFF_SESSION, /* refused softly when the merchant initiated it without a stored credential */
};
enum refund_way {
    REFUND_AT_ONCE,
    REFUND_PENDING,
    REFUND_PENDING_FAILS,
    REFUND_FAILS_LATER, /* after it was approved */
    REFUND_STAYS_PENDING,
};
struct token {
    const char *name;
    const char *code; /* the charge is refused with it; "" approved */
    int64_t shift;    /* taken beyond the amount asked for */
    enum act charge;
    enum kind later;               /* this operation … */
    enum act later_act;            /* … goes wrong so */
    const char *later_code;        /* … or is refused so; NULL */
    const char *brand, *last_four; /* NULL: visa 4242 */
    enum sca sca;
    const char *challenge_code; /* an approved challenge ends with it; NULL */
    const char *confirm_code;   /* refused with it once authenticated; NULL */
    enum refund_way refund;
    int64_t hold_s;                    /* 0: the usual */
    int64_t clear_more, clear_percent; /* cleared beyond what was captured */
    const char *dispute;               /* its reason; NULL: none */
    bool dispute_inquiry;
    bool webhook_first; /* the answer waits for the webhook */
};
/* Never NULL: what is no token is an invalid account. */
const struct token *token_find(struct str source);

/* --- card.c --- */
/* A card in place of a token. Number and CVC are wiped as soon as nobody needs them: see
 * typed_card_forget. */
struct typed_card {
    bool typed; /* there was one */
    char number[20], cvc[5];
    char brand[17], last_four[5]; /* "": the number is none */
};
struct call;
/* Reads the member `card` of a charge and sets its token. Errors: ERR_PARAM_*, without a digit of
 * it. */
MUST_CHECK err_t typed_card_read(struct call *c, json_t *json, struct err_info *info);
/* Wipes number and CVC. */
void typed_card_forget(struct typed_card *card);
/* The member `echo` of an answer: the card as careless providers tell it back, in several ways. */
void typed_card_echo(struct jw *w, const struct typed_card *card);

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
    const char *held;      /* its reference; NULL: not on that list */
    const char *reference; /* whose webhooks notify_first waits for */
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

/* --- due.c: what happens by itself --- */
/* Numbers in column due.what. */
enum due_what {
    DUE_CHARGE = 1,
    DUE_CHALLENGE,
    DUE_HOLD,
    DUE_REFUND,
    DUE_REFUND_FAILS,
    DUE_DISPUTE_OPENS,
    DUE_DISPUTE_ENDS,
};
struct sweep;
struct due {
    pthread_mutex_t lock;
    int64_t armed_us; /* when the timer will fire; 0: not at all */
    bool sweeping, again;
    struct sweep *sweep;
};
/* Makes up for what fell due while nobody ran, and decides charges left in progress. Shape: the
 * store is open, the timer runs. Errors: ERR_NO_MEMORY, of the store. */
MUST_CHECK err_t due_start(struct sandbox *s);
/* After the store is closed; also when due_start failed or was never called. */
void due_free(struct sandbox *s);
/* Remembers it in the caller's transaction. *earliest is made the lesser; 0 is none. */
MUST_CHECK err_t due_add(struct store_tx *tx, int64_t at_us, enum due_what what,
                         struct str reference, int64_t *earliest);
/* After the commit, with what due_add gave. Any thread. */
void due_wake(struct sandbox *s, int64_t at_us);

/* --- rows --- */
enum flow { FLOW_ABSENT, FLOW_FRICTIONLESS, FLOW_CHALLENGE, FLOW_EXTERNAL, FLOW_NONE };
struct three_ds {
    enum flow flow;
    bool liability;
    char version[9], eci[3], ds_id[65], exemption[33];
};
enum challenge { CHALLENGE_NONE, CHALLENGE_OPEN, CHALLENGE_PASSED, CHALLENGE_OVER };
struct charge {
    char reference[REFERENCE_MAX + 1];
    struct id id;
    enum charge_state state;
    int64_t requested, taken, amount;
    bool capture;
    int64_t captured, released, refunded, disputed, cleared, calls;
    int64_t capture_before; /* unix seconds; 0: no end */
    struct id capture_id;   /* zero: nothing captured */
    char currency[4], code[CODE_MAX], source[SOURCE_MAX];
    char brand[17], last_four[5];
    enum challenge challenge;
    bool redirect;
    int64_t challenge_until; /* unix ms */
    char base_url[BASE_URL_MAX];
    struct three_ds three_ds;
    char initiator[17], stored[17], network_transaction_id[65];
    bool notify; /* has a notify_url */
};
struct operation {
    char reference[REFERENCE_MAX + 1];
    struct id id;
    enum kind kind;
    char charge[REFERENCE_MAX + 1];
    struct id charge_id;
    int64_t amount;
    char currency[4], code[CODE_MAX];
    int pending; /* 1: for a while, 2: until somebody decides */
    bool after_success;
    int final; /* a capture, as asked; -1: not said */
};
/* Numbers in columns of dispute. */
enum dispute_stage { STAGE_INQUIRY = 1, STAGE_CHARGEBACK };
enum dispute_status {
    DISPUTE_NEEDS_RESPONSE = 1,
    DISPUTE_UNDER_REVIEW,
    DISPUTE_WON,
    DISPUTE_LOST,
    DISPUTE_ACCEPTED,
    DISPUTE_CLOSED
};
enum dispute_funds { FUNDS_NONE, FUNDS_WITHDRAWN, FUNDS_RETURNED };
struct dispute {
    struct id id;
    char charge[REFERENCE_MAX + 1];
    struct id capture_id;
    enum dispute_stage stage;
    enum dispute_status status;
    char reason[33];
    int64_t amount, fee, due_at, version;
    char currency[4];
    enum dispute_funds funds;
};

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
    enum kind kind; /* which of the rows it is: KIND_CHARGE, KIND_DISPUTE, else an operation's */
    bool fresh;     /* this request did it, it is no repetition */
    bool wait;      /* and will finish it slow_ms later */
    bool first;     /* webhooks go out before the answer */
    int64_t due_us; /* for due_wake */
    enum act act;   /* what the charge's token wants of this operation */
    struct charge charge;
    struct operation op;
    struct dispute dispute;
    const char *text; /* the answer as it was stored; NULL */
};
enum three_ds_mode { THREE_DS_AUTOMATIC, THREE_DS_REQUIRED, THREE_DS_NONE };
/* What a charge may say beyond the amount; texts in the request's arena, "" when absent. */
struct charge_asks {
    enum three_ds_mode mode;
    bool merchant; /* initiated it */
    const char *exemption, *stored, *network_transaction_id, *descriptor, *return_url, *notify_url;
    const char *base_url;
    bool external;
    struct three_ds given; /* with external */
    char secret[65];       /* for webhooks */
};
/* Evidence as it came. */
struct evidence {
    const char *fields, *files; /* JSON */
    bool wins, loses;
    uint8_t fingerprint[32];
};
struct call {
    struct store_op op;
    struct wait wait;
    struct http_request *req;
    struct sandbox *s;
    enum kind kind;
    const char *reference; /* in the request's arena */
    const char *charge;    /* reference of the charge meant; the same for a charge; of the refund
                              meant by its cancel */
    struct id dispute_id;
    char currency[4];
    int64_t amount;
    bool capture;
    int final; /* -1: not said */
    const struct token *token;
    struct typed_card card;
    bool echo; /* it is told back */
    struct charge_asks asks;
    struct evidence evidence;
    struct id id;   /* of what is made */
    int64_t now_us; /* when its transaction was queued */
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
    struct due due;
    int64_t slow_ms, hang_ms;
    int64_t challenge_ms; /* how long a challenge waits for its answer */
    int64_t dispute_ms;   /* from the capture to the dispute that a token asks for */
    bool webhooks;        /* are there any? */
    char address[80];     /* where we listen */
    struct notify *notify;
};

/* --- call.c --- */
/* Begins a call as its fault wants: now, later or never. */
void call_begin(struct call *c);
/* Queues its transaction. */
void call_submit(struct call *c);
/* Keeps the caller waiting for hang_ms, then 504. */
void call_hang(struct call *c);
struct call *call_new(struct sandbox *s, struct http_request *req, enum kind kind);
/* --- read.c --- */
/* Reads the bodies of charges, their operations, confirms and cancels; answers 400 itself and
 * returns false. */
bool call_read(struct call *c);

/* --- charge.c, three_ds.c, operation.c, refund.c, dispute.c, book.c: transactions of calls --- */
err_t charge_run(struct store_tx *tx, void *call);
err_t charge_finish_run(struct store_tx *tx, void *call);
err_t confirm_run(struct store_tx *tx, void *call);
err_t operation_run(struct store_tx *tx, void *call);
err_t cancel_run(struct store_tx *tx, void *call);
err_t evidence_run(struct store_tx *tx, void *call);
err_t accept_run(struct store_tx *tx, void *call);
err_t inquiry_run(struct store_tx *tx, void *call);
err_t dispute_run(struct store_tx *tx, void *call);
http_handler book_get, dispute_get, dispute_evidence_post, dispute_accept_post;

/* --- charge.c: rows --- */
/* *ret_there false: there is none. */
MUST_CHECK err_t charge_get(struct store_tx *tx, struct str reference, struct charge *ret,
                            bool *ret_there);
void charge_load(struct store_row *row, struct charge *ret); /* a row of select_charge */
/* A charge in progress, or authenticated, is taken, or refused with a code (NULL: as its token
 * wants). *ret is as it stands afterwards; *ret_changed false: it was neither. */
MUST_CHECK err_t charge_take(struct store_tx *tx, struct sandbox *s, struct str reference,
                             int64_t now_us, struct charge *ret, bool *ret_changed,
                             int64_t *earliest);
MUST_CHECK err_t charge_insert(struct store_tx *tx, const struct charge *x,
                               const struct charge_asks *asks, int64_t *ret_changed);
/* Until when a hold of this token's stands that begins now; unix seconds. */
int64_t charge_hold_until(const struct token *t, int64_t now_us);
/* Copies into an array of max bytes; the schema bounds it. */
void text_copy(char *out, size_t max, struct str s);

/* --- three_ds.c --- */
/* What becomes of a new charge: its state, code and three_ds. */
void three_ds_decide(const struct call *c, struct charge *x);
/* What became of a challenge. */
enum challenge_result { CHALLENGE_APPROVE = 1, CHALLENGE_FAIL, CHALLENGE_CANCEL, CHALLENGE_EXPIRE };
struct challenge_end {
    struct store_op op;
    struct sandbox *s;
    struct id charge_id;
    enum challenge_result result;
    /* out: */
    bool found; /* there is a charge with a challenge */
    bool ended; /* this call ended it */
    bool open;  /* it still waits for the customer */
    bool redirect;
    char reference[REFERENCE_MAX + 1];
    char return_url[URL_TEXT_MAX + 1], descriptor[256];
    char currency[4], brand[17], last_four[5];
    int64_t amount, until_ms;
    enum charge_state state; /* of the charge now */
    char code[CODE_MAX];
};
/* Ends it once; what ended already stays as it is. Afterwards: notify_wake. */
err_t challenge_end_run(struct store_tx *tx, void *challenge_end);
/* Only fills what is out. */
err_t challenge_read_run(struct store_tx *tx, void *challenge_end);

/* --- for the control page; each: run in a transaction, then notify_wake and due_wake(due_us) ---
 */
enum done { DONE, DONE_MISSING, DONE_NOT_NOW };
struct dispute_open {
    struct store_op op;
    struct sandbox *s;
    char charge[REFERENCE_MAX + 1];
    enum dispute_stage stage;
    char reason[33]; /* dispute_reason_known */
    int64_t amount;  /* 0: what is captured and not yet given back */
    struct id id;    /* the new one's */
    int64_t now_us;
    /* out: */
    enum done done;
    struct dispute dispute;
    int64_t due_us;
};
struct dispute_move {
    struct store_op op;
    struct sandbox *s;
    struct id id;
    enum dispute_status to; /* UNDER_REVIEW, WON, LOST, CLOSED … */
    bool chargeback;        /* … or this: an inquiry becomes one */
    int64_t now_us;
    /* out: */
    enum done done;
    struct dispute dispute;
    int64_t due_us;
};
struct refund_decide {
    struct store_op op;
    struct sandbox *s;
    char reference[REFERENCE_MAX + 1];
    bool approve; /* false: refused; after it was approved that is "after_success" */
    /* out: */
    enum done done;
    struct operation operation;
    int64_t due_us;
};
struct charge_clear {
    struct store_op op;
    struct sandbox *s;
    char reference[REFERENCE_MAX + 1];
    int64_t amount;
    /* out: */
    enum done done;
    int64_t due_us;
};
struct charge_expire { /* of the hold, or of the challenge that is waited for */
    struct store_op op;
    struct sandbox *s;
    char reference[REFERENCE_MAX + 1];
    /* out: */
    enum done done;
    int64_t due_us;
};
err_t dispute_open_run(struct store_tx *tx, void *dispute_open);
err_t dispute_move_run(struct store_tx *tx, void *dispute_move);
err_t refund_decide_run(struct store_tx *tx, void *refund_decide);
err_t charge_clear_run(struct store_tx *tx, void *charge_clear);
err_t charge_expire_run(struct store_tx *tx, void *charge_expire);
/* The same for what falls due. */
MUST_CHECK err_t refund_due(struct store_tx *tx, struct sandbox *s, struct str reference,
                            bool later);
MUST_CHECK err_t dispute_due(struct store_tx *tx, struct sandbox *s, struct str id, int64_t now_us,
                             int64_t *earliest);
bool dispute_reason_known(struct str reason);
/* "dp_…"; false: it is none. */
bool dispute_id_parse(struct str text, struct id *ret);
void dispute_json(struct jw *w, const char *key, const struct dispute *d);
MUST_CHECK err_t dispute_get_row(struct store_tx *tx, struct id id, struct dispute *ret,
                                 bool *ret_there);

/* --- operation.c: rows --- */
MUST_CHECK err_t operation_get(struct store_tx *tx, struct str reference, struct operation *ret,
                               bool *ret_there);

/* --- effect.c: what follows a change, in its transaction --- */
/* Webhooks; nothing when the charge has no notify_url. */
MUST_CHECK err_t tell_charge(struct store_tx *tx, struct sandbox *s, const struct charge *x,
                             const char *type);
MUST_CHECK err_t tell_operation(struct store_tx *tx, struct sandbox *s, const struct charge *x,
                                const struct operation *o, const char *type);
MUST_CHECK err_t tell_dispute(struct store_tx *tx, struct sandbox *s, const struct charge *x,
                              const struct dispute *d, const char *type);
/* A charge was taken or refused: tells it and arranges what its token wants next. */
MUST_CHECK err_t effect_charge(struct store_tx *tx, struct sandbox *s, const struct charge *x,
                               int64_t now_us, int64_t *earliest);
/* Its captures began (first) or are over: a dispute, a clearing. */
MUST_CHECK err_t effect_captured(struct store_tx *tx, struct sandbox *s, const struct charge *x,
                                 bool first, int64_t now_us, int64_t *earliest);
MUST_CHECK err_t effect_clear(struct store_tx *tx, struct sandbox *s, const struct charge *x,
                              int64_t amount);

/* --- answer.c --- */
void answer_result(struct call *c);
void answer_waiting(struct call *c); /* an inquiry about what is delayed */
void answer_code(struct http_request *req, int status, const char *code, const char *message);
bool reference_valid(struct str s);
#define ANSWER_BYTES_MAX 8192
/* Members of an answer; `now`: as it stands, not as it was answered first. */
void write_charge(struct jw *w, const struct charge *x, bool now);
void write_operation(struct jw *w, const struct operation *o);
/* prefix and the id's 26 letters. */
void id_words(const char *prefix, struct id id, char out[ID_TEXT_MAX]);
/* 23 digits, drawn from the id of what was captured or refunded. */
void acquirer_reference(struct id id, char out[24]);

/* --- notify.c, challenge.c, control.c --- */
#define SECRET_HEX 65 /* a signing secret and its NUL */
struct notify;        /* the sender of webhooks */
/* How one is sent; column notification.manner. */
enum manner { MANNER_PLAIN, MANNER_FORGED, MANNER_STALE, MANNER_OTHER, MANNER_MALFORMED };
/* Puts a webhook of a charge into the outbox, in the caller's transaction: none when the charge has
 * no notify_url, twice, held back or marked as lost when its token wants that. object_json is an
 * object with "reference" (an operation's) or "id" (a dispute's). Reads of the charge's row, which
 * has to be there: notify_url, notify_secret, source (its token). */
err_t notify_add(struct store_tx *tx, struct sandbox *s, struct str charge_reference,
                 const char *type, struct str object_json);
/* After the commit. Any thread; cheap when nothing was put. */
void notify_wake(struct sandbox *s);
/* After the commit, in place of notify_wake, when the answer has to wait (pm_tok_webhook_first):
 * w->fire is called once each of the charge's webhooks was tried, or some seconds went by. */
void notify_first(struct sandbox *s, const char *charge_reference, struct wait *w);
/* What is kept in charge.notify_secret of the bearer token of the charge's request. */
void notify_secret(struct str api_key, char out[SECRET_HEX]);
/* Made before the store is opened, freed after it is closed; in between started and stopped. Wakes
 * and waits are taken in all that time. */
err_t notify_make(struct sandbox *s, struct err_info *reterr);
err_t notify_start(struct sandbox *s, struct err_info *reterr);
void notify_stop(struct sandbox *s);
void notify_free(struct sandbox *s);
/* "http://host:port" under which the caller reached us, in the request's arena; NULL: no memory.
 * Only from the handler's own call. A challenge's URL is this, "/challenge/" and the charge's id.
 */
const char *sandbox_base_url(struct sandbox *s, struct http_request *req);
http_handler challenge_get, challenge_post, pages_get, control_get, control_webhooks_get,
    control_webhooks_post, control_disputes_post, control_dispute_post, control_refund_post,
    control_charge_post;

#endif

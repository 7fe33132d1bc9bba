/* Between the files of the simulated acquirer: provider.c (routes, chance), provider_read.c and
 * provider_answer.c (the protocol), provider_book.c, provider_time.c and provider_dispute.c (what
 * was really done), provider_notify.c (webhooks, customers that come back). */
#ifndef FLORIN_SIM_PROVIDER_INTERNAL_H
#define FLORIN_SIM_PROVIDER_INTERNAL_H

#include "sim/sim_internal.h"

/* What chance has in store for a request, should it be new. */
struct plan {
    const char *refuse_with; /* NULL: it goes through if the guards let it */
    int64_t pending_us;      /* 0: decided at once */
    /* charges */
    enum { ASK_NOTHING, ASK_QUIETLY, ASK_SOFTLY, ASK_CUSTOMER } ask;
    bool redirect;        /* the customer is sent on, not challenged */
    const char *act_code; /* the customer's end: NULL approved */
    int64_t act_us;       /* so long after; 0: never */
    int64_t action_us;    /* how long there is */
    int64_t hold_us;      /* how long it is held */
    int64_t dispute_us;   /* so long after the first capture; 0: never */
    int64_t clear_us;     /* so long after the last one; 0: never */
    int clear_bps;        /* difference */
    int64_t back_us;      /* refunds: fails so long after success; 0: never */
};

struct operation {
    struct book_entry book;
    bool came;          /* false: a charge that was reversed and has not come */
    bool authenticated; /* ACTION: the customer has acted, confirm completes it */
    bool after_success; /* a refund: refused after success */
    struct plan plan;   /* drawn when it came */
    const char *code;   /* refused: why */
    char source[40];    /* a charge's token */
    bool echo;          /* the answer that is written now repeats the card's number */
    char notify[160];   /* path of its account's webhooks; "" none */
    char back[300];     /* path that the customer comes back to; "" none */
    int64_t action_until_us, hold_until_us;
    char ds_id[40];
};

struct dispute {
    struct book_dispute book;
    struct operation *charge;
    const char *reason;
    bool inquiry_first;
};

/* What waits for its time. */
enum due_what {
    DUE_DECIDE,
    DUE_ACT,
    DUE_ACTION_END,
    DUE_HOLD_END,
    DUE_BACK,
    DUE_CLEAR,
    DUE_DISPUTE,
    DUE_ISSUER, /* moves a dispute, if it is still of that version */
    DUE_DEADLINE,
    DUE_NOTICE,
    DUE_BROWSER,
};
struct due {
    int64_t at_us;
    uint64_t order;
    enum due_what what;
    void *about;
    int64_t version;
};

struct book {
    struct operation **slots; /* by hash of the reference; a power of two of them */
    size_t slots_n, used;
    struct operation **list; /* those that came, in the order of their first requests */
    size_t n, cap;
    struct dispute **disputes;
    size_t disputes_n, disputes_cap;
    struct due *due; /* a heap */
    size_t due_n, due_cap;
    uint64_t due_order;
    bool frozen;
    int64_t now_us;
};

/* A well-formed request. */
enum act {
    ACT_CHARGE = BOOK_CHARGE,
    ACT_CAPTURE = BOOK_CAPTURE,
    ACT_VOID = BOOK_VOID,
    ACT_REFUND = BOOK_REFUND,
    ACT_INCREMENT = BOOK_INCREMENT,
    ACT_EVIDENCE = BOOK_EVIDENCE,
    ACT_CONFIRM,
    ACT_CANCEL_REFUND,
    ACT_ACCEPT,
    ACT_DISPUTE,
    ACT_INQUIRE,
};
struct asked {
    enum act act;
    char reference[72], key[64], currency[4];
    char charge[72]; /* whose; of a dispute: its id; of a cancellation: the refund */
    int64_t amount;
    bool capture, final, final_said;
    bool required, external, merchant; /* 3-D Secure wished; done elsewhere; nobody is there */
    bool first, subsequent;            /* use of a saved credential */
    bool wins, loses;                  /* evidence that says so itself */
    char source[40], network[65];
    char card[20];
    bool cvc;
    char notify[160], back[300];
    char liability[4]; /* external: its ECI */
};

struct provider {
    struct provider_profile profile;
    struct det rng;
    bool healed;
    struct book book;
    struct sent **notices;
    size_t notices_n, notices_cap;
    struct sent **slots; /* by hash of the id */
    size_t slots_n;
    int64_t nonsense;
    char last_nonsense[240];
};

/* --- provider.c --- */
bool provider_chance(struct provider *p, int per_mille);
/* 0 … n - 1 */
size_t provider_one_of(struct provider *p, size_t n);
/* 1 … most microseconds */
int64_t provider_up_to(struct provider *p, int64_t most_us);
static inline struct provider *provider_of(struct book *b)
{
    return (struct provider *)(void *)((char *)b - offsetof(struct provider, book));
}
void copy_name(char *out, size_t max, struct str s);

/* --- provider_read.c --- */
/* 0, or the status of an answer whose code is *ret_code: 400, 401, 404, 405. */
int read_request(const char *method, struct str path, const char *const *headers, struct str body,
                 struct asked *a, const char **ret_code);

/* --- provider_book.c --- */
enum taken {
    TAKEN,          /* now or before; *ret is it */
    TAKEN_REUSED,   /* the reference is another request's */
    TAKEN_MISSING,  /* its charge never came */
    TAKEN_CURRENCY, /* its charge has another currency */
};
enum taken book_take(struct book *b, const struct asked *a, const struct plan *plan, int64_t now_us,
                     struct operation **ret);
/* The customer has acted: goes on with a charge. */
enum taken book_confirm(struct book *b, const struct asked *a, int64_t now_us,
                        struct operation **ret);
/* *ret is the refund, canceled by it or not. */
enum taken book_cancel_refund(struct book *b, const struct asked *a, int64_t now_us,
                              struct operation **ret);
/* NULL: no request with it came. */
struct operation *book_find(const struct book *b, struct str reference);
/* The charge of an operation, also one that has not come; NULL: there is none. */
struct operation *book_charge_of(const struct book *b, const struct operation *o);
void book_refuse(struct book *b, struct operation *o, const char *code);
void book_decide(struct book *b, struct operation *o);
/* It is taken or authorized, as asked. */
void book_approve(struct book *b, struct operation *charge);
void book_release(struct book *b);
/* Also numbers that an acquirer would give are drawn from it, so that they are the same each time.
 */
uint64_t book_hash(struct str reference);

/* --- provider_time.c --- */
void due_add(struct book *b, int64_t at_us, enum due_what what, void *about, int64_t version);
/* Lets what is due happen, in the order of the times. */
void book_decide_due(struct book *b, int64_t now_us);
/* A charge was approved, or captured; nothing more can be taken of it: what follows. */
void charge_held(struct book *b, struct operation *charge);
void charge_waits(struct book *b, struct operation *charge);
void charge_captured(struct book *b, struct operation *charge);
void refund_done(struct book *b, struct operation *refund);

/* --- provider_dispute.c --- */
struct dispute *book_dispute_find(const struct book *b, struct str id);
void dispute_open(struct book *b, struct operation *charge);
/* The issuer moves it; its deadline is over. */
void dispute_issuer(struct book *b, struct dispute *d, int64_t version);
void dispute_deadline(struct book *b, struct dispute *d, int64_t version);
/* NULL, or why not: a code. */
const char *dispute_accept(struct book *b, struct dispute *d);
/* Takes evidence under its reference; *ret_code as above. */
enum taken dispute_evidence(struct book *b, const struct asked *a, int64_t now_us,
                            struct dispute **ret, const char **ret_code);
void book_dispute_write(struct jw *w, const char *key, const struct dispute *d);

/* --- provider_answer.c --- */
/* The members of what is said of an operation; inquiry: as it is now. */
struct claim { /* what an approval names; a lie names something else */
    const char *reference, *currency;
    int64_t amount;
    bool amountless;
};
struct claim claim_truth(const struct operation *o);
void write_claim(struct jw *w, const struct operation *o, const struct claim *c, bool inquiry);
int answer_code(int status, const char *code, struct buf *out);
int answer_error(struct provider *p, struct buf *out);
/* The answer that was given first, or, while it is pending, will be given. */
int answer_truth(const struct operation *o, bool inquiry, struct buf *out);
int answer_dispute(const struct dispute *d, struct buf *out);
int answer_refused(const char *reference, const char *code, struct buf *out);
int answer_canceled(const struct operation *refund, const char *reference, struct buf *out);
int answer_lie(struct provider *p, const struct operation *o, struct buf *out);
/* o: what was asked for, NULL when nothing of it is known. */
int answer_garbage(struct provider *p, const struct operation *o, bool inquiry, struct buf *out);

/* --- provider_notify.c --- */
/* Something happened to it: "charge.captured" … */
void notify_operation(struct book *b, const char *type, struct operation *o);
void notify_dispute(struct book *b, const char *type, struct dispute *d);
void notify_cleared(struct book *b, struct operation *charge);
/* The customer comes back to the shop. */
void browser_returns(struct book *b, struct operation *charge);
void notice_due(struct book *b, void *sent);
void browser_due(struct book *b, void *charge, int64_t how);
void notices_heal(struct provider *p);
void notices_release(struct provider *p);

#endif

/* Between the files of the simulator. One process, one thread, virtual time: what the rooms take
 * from the operating system (clock, randomness, memory, HTTP, the disk, the end of a process) comes
 * from here, everything else is the server's own code. docs/simulator.md tells how it fits. */
#ifndef FLORIN_SIM_INTERNAL_H
#define FLORIN_SIM_INTERNAL_H

#include <sqlite3.h>
#include <stdio.h>

#include "base/base.h"
#include "http/http.h"
#include "sim/sim.h"
#include "wire/wire.h"

/* --- heap.c: memory in regions; a region is what one process holds --- */
/* mem_alloc and its kin, SQLite's and jansson's memory all come from the current region. */
struct heap;
struct heap *heap_new(void);
/* Frees everything that is still in it: what the kernel does with a process that ended. */
void heap_drop(struct heap *h);
/* Makes it the current one; returns the one before. NULL: the simulator's own. */
struct heap *heap_enter(struct heap *h);
/* Bytes and pieces that are held. */
size_t heap_bytes(const struct heap *h);
size_t heap_pieces(const struct heap *h);
/* The n-th allocation from here on in this region fails (0: none), and, if for_ever, all after it.
 */
void heap_fail(struct heap *h, int64_t nth, bool for_ever);
/* Do Lua's allocations count and fail too? Off at first: their number is not the same in each run.
 */
void heap_count_all(bool all);
/* From now on new memory is zeroed: what is found in a process's was never another's. */
void heap_clean(bool on);
/* Is that true of any of its pieces? */
bool heap_any(const struct heap *h, bool (*is)(struct str bytes));
/* Allocations since the last heap_fail. */
int64_t heap_count(const struct heap *h);
/* Once, before SQLite, jansson or anything else allocates. */
void heap_install(void);

/* --- disk.c: a SQLite VFS in memory that knows what is durable --- */
/* All files of one machine, by name. Processes ("owner" numbers) open them through the VFS
 * "florin-sim", which is SQLite's default here; Florin's own VFS lies above it, as on a real disk.
 */
struct disk;
/* What the next failing call does. SHORT: half of the bytes are written, then SQLITE_FULL. */
enum disk_fault { DISK_EIO, DISK_FULL, DISK_SHORT };
enum disk_call { DISK_READ = 1, DISK_WRITE = 2, DISK_SYNC = 4, DISK_TRUNCATE = 8, DISK_OTHER = 16 };

/* Registers the VFS as the default one. Once. */
void disk_install(void);
struct disk *disk_new(void);
void disk_free(struct disk *d);
/* An independent copy of what a reader sees now (files, not open handles). */
struct disk *disk_copy(const struct disk *d);
/* The same with what is not durable yet. */
struct disk *disk_clone(const struct disk *d);
/* What SQLite gets as randomness. */
void disk_seed(struct disk *d, const struct det *rng);
/* Which disk and which process the calls that follow come from. */
void disk_mount(struct disk *d, int owner);
/* The process is gone: its handles and locks are dropped; what it wrote stays, synced or not. */
void disk_process_gone(struct disk *d, int owner);
/* The power is gone: of what was not synced any legal part is kept. Every write since the last sync
 * of its file may be there, not there, or torn at 512 bytes, independently; a file that was made or
 * grew without a sync may be shorter. Deterministic by rng. Nobody may have a file open. */
void disk_power_loss(struct disk *d, struct det *rng);
/* The n-th call of these kinds (bits of disk_call) from here on fails, and, if for_ever, all after
 * it; n = 0: none. */
void disk_fail(struct disk *d, unsigned calls, int64_t nth, enum disk_fault how, bool for_ever);
/* Calls of these kinds since the last disk_fail. */
int64_t disk_calls(const struct disk *d, unsigned calls);
/* Called before every write, sync, truncation and deletion (DISK_OTHER): where the machine may die
 * (sim_die). NULL: none. */
void disk_on_write(struct disk *d, void (*hook)(void *arg, enum disk_call call), void *arg);
/* For recording: called after every write, sync, truncation and deletion with what it did. */
struct disk_event {
    enum disk_call call;
    const char *file;
    int64_t at, n; /* write: offset, bytes; truncation: at = new size; deletion (DISK_OTHER):
                      n = 1: durable at once */
    const uint8_t *bytes;
};
void disk_on_event(struct disk *d, void (*hook)(void *arg, const struct disk_event *e), void *arg);
/* Shows what there is of each file, also of those that were deleted. */
void disk_each(const struct disk *d, void (*look)(void *arg, const char *name, struct str bytes),
               void *arg);
/* Replays one recorded event on a disk (of a copy). */
void disk_apply(struct disk *d, const struct disk_event *e);
/* Hash over all files and their durable and volatile contents. */
uint64_t disk_hash(const struct disk *d);
/* SQLite's view: opens the store on it with a plain connection that belongs to nobody, to be closed
 * by sqlite3_close. Recovery happens on this disk: hand in a copy. NULL: it cannot be opened;
 * why is filled. */
sqlite3 *disk_database(struct disk *d, const char *file, char why[200]);

/* --- power.c: every state that a loss of power could leave --- */
struct power;
/* Records what happens on the disk from here on. */
struct power *power_new(struct disk *d);
/* The record ends; the disk may go. */
void power_stop(struct power *p);
void power_free(struct power *p);
/* At this point of the record an answer was given for tag. */
void power_ack(struct power *p, int64_t tag);
/* Looks at a disk that a loss of power left. acked: what had been answered by then, in that order.
 * false: something is lost or broken; why is filled. */
typedef bool power_check(struct disk *d, const int64_t *acked, size_t acked_n, char why[200],
                         void *arg);
struct power_report {
    int64_t events, acks;          /* in the record */
    int64_t states;                /* that were looked at */
    int64_t torn, one_lost, mixed; /* of them: torn in the last write, without one write, with any
                                      subset; the others lost all or nothing */
    int64_t violations;
    char first[300]; /* after which event, what was lost, why */
};
/* Between any two events of the record the power may go, and leave of what was not synced nothing,
 * all, all but one thing, all up to a torn one, or any subset with tears. Goes over the record
 * again and again until so many states were made, or there are no more that differ. */
void power_enumerate(const struct power *p, int64_t states_max, struct det *rng, power_check *check,
                     void *arg, struct power_report *ret);

/* --- machine.c: clock, randomness, failures --- */
#define SIM_NODES_MAX 3
/* True time of the simulated world, microseconds since 1970; a node's own clock may differ. */
int64_t sim_now_us(void);
/* The current process ends here and now, as by kill -9; does not return. Only under a node. */
__attribute__((noreturn)) void sim_die(const char *why);

/* --- loop.c: what happens next --- */
/* Calls fn(arg) at that true time (not before now), outside of every node, whatever crashes. Events
 * of one time come in the order of their making. */
void sim_at(int64_t at_us, void (*fn)(void *arg), void *arg);
/* Adds to the trace's hash, and prints with --trace: "ask 12 POST /v1/payments". Same seed, same
 * lines: no addresses, no real time, no order of hash tables. */
PRINTF_LIKE(1, 2) void sim_trace(const char *fmt, ...);
/* One more of what the last line counts: "operations", "provider calls" … */
enum sim_count {
    COUNT_ASKS,
    COUNT_PAYMENTS,
    COUNT_CRASHES,
    COUNT_CALLS,
    COUNT_DELIVERIES,
    COUNT_COUNT
};
void sim_count(enum sim_count what, int64_t n);

/* --- network.c --- */
struct ask;
/* What one try of a request came to. */
struct reply {
    int status; /* 0: no whole answer: refused, cut off, or not within the client's patience */
    struct str body;
    bool replayed;     /* Idempotent-Replayed */
    int retry_after_s; /* 0: not said */
};
/* Sends one try of the ask to a node as it would arrive over HTTP; done comes once, later. The
 * answer may be lost although Florin gave it. */
void network_ask(const struct ask *a, const char *api_key, int64_t patience_us,
                 void (*done)(const struct reply *r, void *arg), void *arg);

/* A request to the public port of a node, by a provider or a browser: answered (or not: status 0)
 * once, within the patience. sign writes headers ("Name: value\n" lines) by the clock of the node
 * that it comes to, and learns whether its disk or memory may fail; NULL: none. */
struct visit {
    const char *method;
    struct str path, body;
    void (*sign)(struct buf *headers, int64_t clock_us, bool faulted, void *arg);
    void (*done)(const struct reply *r, void *arg); /* NULL: nobody waits for the answer */
    void *arg;
    int64_t patience_us;
    int64_t tag; /* names it to those who record answers; 0: does not matter */
    bool to_card; /* to the card origin */
};
void network_visit(const struct visit *v);

/* --- typed.c: cards that customers type --- */
struct typed {
    char number[17], cvc[5];
    int month, year, merchant; /* merchant: index of the one to whose page it was given */
    struct id card;            /* its name in the vault; zero: nobody was told of it */
    int64_t sealed_us;         /* true time when that was told */
};
void typed_begin(void);
void typed_end(void);
/* Types one; its place in the list. */
size_t typed_new(int merchant, struct det *rng);
size_t typed_count(void);
/* Valid until the next is typed. */
struct typed *typed_at(size_t i);
/* NULL: nobody typed it. */
struct typed *typed_number(const char *number);
/* Is a number that was typed in it: in digits, divided or not, in hexadecimal, in base64? */
bool typed_in(struct str bytes);
/* A violation if so. */
void typed_must_not_be_in(const char *where, struct str bytes);

/* --- provider*.c: the simulated acquirer: speaks the protocol of docs/sandbox.md over bytes, keeps
 * a book of its own, shares no code with src/sandbox --- */
struct provider;
struct provider_profile { /* per mille of requests, unless said otherwise */
    /* what goes wrong */
    int decline;      /* a charge is refused, with any code of docs/sandbox.md */
    int refuse_later; /* a capture, void, increment or refund is refused */
    int error_before; /* HTTP 500 or 503, nothing done */
    int error_after;  /* done, then HTTP 500 */
    int garbage; /* done or not, and the answer is half JSON, HTML, empty or another reference */
    int lie;     /* done; the answer tells another amount or currency; the book is right */
    int pending; /* 202; decided after pending_ms; inquiries say pending until then */
    int64_t pending_ms; /* up to this long */
    int forget;         /* an inquiry answers 500 */
    /* what belongs to the trade: per mille of charges */
    int challenge, soft, frictionless; /* the customer has to act; refused until authenticated; is
                                          authenticated without a question */
    int unauthenticated;               /* of challenges: fail, are canceled, never end */
    int64_t challenge_ms;              /* up to this long until the customer has acted */
    int short_hold;                    /* holds that end within hold_ms instead of seven days */
    int64_t hold_ms;
    int slow_refund, refund_back; /* of refunds: decided within pending_ms; fail after success */
    int dispute, clear;           /* of captured charges: disputed; settled with another amount */
    int64_t issuer_ms;            /* up to this long between two moves of a dispute */
    /* its webhooks: per mille of them */
    int notice_twice, notice_lost, notice_late, notice_days;
    int forge;       /* followed by one that must be refused */
    int foreign;     /* followed by a genuine one about a charge that is not Florin's */
    int return_lost; /* the customer does not come back */
    int return_odd;  /* comes back early, twice, or with a wrong key */
    int echo;        /* of charges with a card: the answer repeats its number */
};
enum book_kind { BOOK_CHARGE, BOOK_CAPTURE, BOOK_VOID, BOOK_REFUND, BOOK_INCREMENT, BOOK_EVIDENCE };
enum book_state { BOOK_PENDING, BOOK_ACTION, BOOK_DONE, BOOK_REFUSED };
struct book_entry {
    char reference[72]; /* the operation's */
    char charge[72];    /* the charge's; equal for a charge */
    char key[64];       /* the API key it came with: which account */
    enum book_kind kind;
    enum book_state state; /* ACTION: waits for the customer */
    bool capture;          /* a charge: was to take the money at once */
    bool final;            /* a capture: releases the rest */
    int64_t amount;        /* asked for */
    char currency[4];
    /* of a charge */
    int64_t held, added, captured, refunded; /* added: by increments */
    int64_t disputed;                        /* withdrawn by chargebacks and not returned */
    int64_t cleared;                         /* settled, when it was said; 0 */
    bool voided;                             /* all released, or reversed before it came */
    bool expired;                            /* the hold ended by itself */
    int captures;
    enum { FLOW_NONE, FLOW_FRICTIONLESS, FLOW_CHALLENGE, FLOW_EXTERNAL } flow;
    bool returned, canceled; /* a refund: failed after success; canceled while pending */
    bool exceeded;           /* refused: it asked for more than there was */
    int requests;            /* requests to do it that arrived */
    int effects;             /* times it was carried out: never more than 1 for a sound provider */
    int64_t first_us;        /* true time of the first request */
    char card[20];           /* a charge: the number that came with it; "" a token */
    bool cvc;                /* and a CVC */
};
enum book_dispute_status {
    BOOK_NEEDS_RESPONSE,
    BOOK_UNDER_REVIEW,
    BOOK_WON,
    BOOK_LOST,
    BOOK_ACCEPTED,
    BOOK_CLOSED
};
#define BOOK_WORDS_MAX 32
struct book_dispute {
    char id[40], charge[72], key[64], currency[4];
    bool chargeback; /* else an inquiry */
    enum book_dispute_status status;
    int64_t amount, fee; /* fee: charged when it is lost or accepted */
    bool withdrawn;      /* the money is taken back at the moment */
    int64_t due_us, version;
    int evidence, accepts; /* carried out */
    /* what each version said, the first at 1 */
    struct book_word {
        enum book_dispute_status status;
        bool chargeback;
        bool told; /* in an answer */
    } words[BOOK_WORDS_MAX];
};
/* The tag of the answers to webhook n is this and n. */
#define TAG_NOTICE (INT64_C(1) << 40)
/* One webhook, with all its repetitions. */
enum notice_way {
    NOTICE_GENUINE,
    NOTICE_FORGED,    /* signed with no key of anybody's */
    NOTICE_STALE,     /* signed an hour ago */
    NOTICE_CROSSED,   /* signed with another account's key */
    NOTICE_MALFORMED, /* half a body, well signed */
};
struct notice {
    size_t number; /* its place in the list */
    char id[40], key[64], type[24];
    char about[72]; /* reference of the operation, or the dispute's id; "" not Florin's */
    enum notice_way way;
    int64_t version; /* of the dispute; 0 */
    int64_t sent_us; /* true time of the first try; 0 none */
    bool must;       /* nobody asks for what it says: sent until it is acknowledged */
    bool given_up;
    int tries, acked, refused; /* answers 2xx, 4xx */
    int64_t acked_us;          /* true time of the first 2xx; 0 */
};
/* Names that the acquirer gives. */
struct provider_names {
    char own[32], network[24], authorization[8], acquirer[24]; /* "" none */
};
struct provider *provider_new(const struct provider_profile *profile, const struct det *rng);
void provider_free(struct provider *p);
/* Faults off: from now on it answers as it should, and repeats webhooks soon. */
void provider_heal(struct provider *p);
/* From now on nothing happens by itself any more, but webhooks are still sent; false: again. */
void provider_freeze(struct provider *p, bool frozen);
/* Sends what was kept back for days. */
void provider_days_later(struct provider *p);
/* One request that arrived. headers as of struct http_call. Decides, changes the book, appends the
 * answer's body. Returns the HTTP status. */
int provider_request(struct provider *p, int64_t now_us, const char *method, struct str path,
                     const char *const *headers, struct str body, struct buf *out);
/* Lets what is due happen. */
void provider_tick(struct provider *p, int64_t now_us);
size_t provider_entries(const struct provider *p);
const struct book_entry *provider_entry(const struct provider *p, size_t i);
/* NULL: there is none. */
const struct book_entry *provider_find(const struct provider *p, struct str reference);
size_t provider_disputes(const struct provider *p);
const struct book_dispute *provider_dispute(const struct provider *p, size_t i);
const struct book_dispute *provider_dispute_find(const struct provider *p, struct str id);
size_t provider_notices(const struct provider *p);
const struct notice *provider_notice(const struct provider *p, size_t i);
const struct notice *provider_notice_find(const struct provider *p, struct str id);
void provider_names(const struct book_entry *e, struct provider_names *ret);
/* Requests that a sound client never sends: malformed, of no use, a reference with another body.
 * *ret_last: the last one, "" none. */
int64_t provider_nonsense(const struct provider *p, const char **ret_last);

/* --- client.c: merchants' back ends --- */
enum ask_kind {
    ASK_CREATE,
    ASK_CAPTURE,
    ASK_CANCEL,
    ASK_REFUND,
    ASK_SYNC,
    ASK_READ,     /* GET of any kind; never has an effect */
    ASK_ENDPOINT, /* create, enable or disable a webhook endpoint */
    ASK_CONFIRM,
    ASK_INCREMENT,
    ASK_REFUND_CANCEL,
    ASK_CONTEST, /* of a dispute: evidence, its submission, acceptance; the end of a review */
    ASK_MAKE,    /* an order, a customer, a saved payment method */
    ASK_KIND_COUNT
};
/* An answer that reached the client whole. */
struct told {
    int64_t at_us; /* true time */
    int status;
    bool replayed; /* Idempotent-Replayed: true */
    struct buf body;
};
/* One intent of a client, with all its tries: same method, path, key and body each time. */
struct ask {
    size_t number; /* its place in the list; sent as metadata {"ask":"<number>"} of creates and
                      refunds */
    enum ask_kind kind;
    int merchant; /* index of struct merchant */
    char method[8], path[160];
    char key[48]; /* Idempotency-Key; "" none */
    struct buf body;
    int64_t amount;   /* create, capture, refund …: asked for; 0: all that is left */
    char currency[4]; /* create */
    bool capture;     /* create */
    size_t about;     /* the ask that made the payment this one is about; own number for a create */
    bool reuse;       /* sent with the key of another ask and another body: must be refused */
    bool foreign;     /* about a payment of another merchant: must be 404 */
    size_t card;      /* a create: 1 more than the place of the card that it names; 0 none */
    int tries;
    int64_t first_us, last_us; /* first and last time it was sent */
    bool settled;              /* no more tries will follow */
    struct told first;         /* the first answer that ends it (status 0: none yet): any but 409
                                  idempotency_in_progress,         429, 5xx */
    int told_n;    /* final answers that came in all, replays with the same key among them */
    bool differed; /* a later final answer with the same key had another status or body */
    char payment[ID_TEXT_MAX], refund[ID_TEXT_MAX]; /* as the answer named them; "" not known */
    char other[ID_TEXT_MAX]; /* what else it named: a dispute, a review, an order … */
};
struct client_profile {
    int64_t payments_per_hour; /* creates that are sent, over all merchants */
    int64_t until_us;   /* true time after which nothing new is begun; tries of what was begun go on
                           until settled */
    int auth_only;      /* per mille of creates that are captured (or canceled) later */
    int cancel, refund; /* per mille of payments that are canceled or refunded, once or in parts */
    int keyless;   /* per mille of writes without Idempotency-Key (never retried by the same ask) */
    int impatient; /* per mille of tries with a patience of milliseconds */
    int twice;     /* per mille of tries sent twice at once */
    int replay;    /* per mille of settled asks sent again later, with the same key */
    int reuse, foreign; /* per mille of asks: see struct ask */
    int absurd; /* per mille of asks that must be refused: amount too high, unknown payment, capture
                   of what is captured … */
    int sync, read; /* per mille, per create */
    int secure;     /* per mille of creates that say something of 3-D Secure */
    int confirm;    /* per mille of payments that wait for the customer, or failed so, that the
                       merchant confirms */
    int parts;      /* per mille of holds that are captured, released or raised in parts */
    int undo;       /* per mille of pending refunds that are canceled */
    int contest;    /* per mille of captured payments whose disputes are answered */
    int order;      /* per mille of creates that are an order with several payments at once */
    int saved;      /* per mille of creates that save a payment method, to be used again */
    int typed;      /* per mille of creates with a card of the vault */
};
struct clients;
struct merchant;
/* Begins at once; merchants live longer. */
struct clients *clients_start(const struct client_profile *profile,
                              const struct merchant *merchants, size_t merchants_n,
                              const struct det *rng);
void clients_free(struct clients *c);
/* Faults have stopped: patience is long, nothing new, what is not settled is tried until it is. */
void clients_heal(struct clients *c);
/* All asks so far; valid until the next is made. */
const struct ask *clients_asks(const struct clients *c, size_t *ret_n);
/* Are all asks settled? */
bool clients_idle(const struct clients *c);
struct merchant {
    int64_t number;        /* merchant_id in the store */
    char key[64];          /* secret key */
    char provider_key[64]; /* api_key of its provider account: struct book_entry's key */
    bool permitted;        /* its cards may go to the provider */
};

/* --- receiver.c: receivers of webhooks --- */
struct received {
    char event[ID_TEXT_MAX];
    uint64_t hash; /* of the body: the same bytes each time */
    int64_t first_us;
    int times;     /* answered 2xx */
    bool differed; /* came with other bytes */
};
struct receiver {
    int merchant;
    char url[80], id[ID_TEXT_MAX], secret[96];
    bool all_events;
    int64_t made_us; /* true time of its answer */
    bool disabled;   /* ever */
    int64_t forged;  /* deliveries whose signature did not verify */
    struct received *received;
    size_t received_n;
};

struct receiver_profile { /* per mille of deliveries, unless said otherwise */
    int fail;             /* answered with 4xx or 5xx, some with Retry-After */
    int silent;           /* no answer within the time-out */
    int gone;             /* of endpoints: refuse connections until healed */
    int slow_ms;          /* an answer takes up to this long */
};
struct receivers;
struct clients;
/* Endpoints for the merchants: made, some disabled and enabled again, through the API (ASK_ENDPOINT
 * asks of `clients`). */
struct receivers *receivers_start(const struct receiver_profile *profile, struct clients *clients,
                                  const struct merchant *merchants, size_t merchants_n,
                                  int64_t until_us, const struct det *rng);
void receivers_free(struct receivers *r);
void receivers_heal(struct receivers *r);
const struct receiver *receivers_list(const struct receivers *r, size_t *ret_n);
/* A delivery that arrived. Returns the status to answer, 0: never answers; *ret_wait_us: after this
 * long; *ret_retry_after_s: 0 none. Verifies the signature (Standard Webhooks 1.0.0) by itself. */
int receiver_request(struct receivers *r, int64_t now_us, const char *url,
                     const char *const *headers, struct str body, int64_t *ret_wait_us,
                     int *ret_retry_after_s);
/* Would a connection to it be refused just now? */
bool receiver_refuses(const struct receivers *r, const char *url);
/* For receiver.c: one ask more, sent at once and until settled; its number. `settled` may be NULL.
 */
size_t clients_add(struct clients *c, const struct ask *proto,
                   void (*settled)(const struct ask *a, void *arg), void *arg);

/* --- judge*.c: what must hold; shares no code with what it checks --- */
struct judge;
enum judge_moment {
    JUDGE_CRASH, /* a process ended, the store is as it was left */
    JUDGE_QUIET, /* running, at any time between two steps */
    JUDGE_END,   /* faults have stopped, time for everything to end has passed */
};
/* What it looks at; filled by the world, owned by it. */
struct evidence {
    struct disk *disk; /* looked at through a copy */
    const char *file;  /* of the store */
    struct provider *provider;
    const struct merchant *merchants;
    size_t merchants_n;
    const struct ask *asks; /* all so far */
    size_t asks_n;
    const struct receiver *receivers;
    size_t receivers_n;
    bool later;              /* the provider's book and the receivers may be ahead of the disk */
    const bool *acked;       /* webhooks that were acknowledged by then; NULL: as they are now */
    int tolerance_bps;       /* of clearing */
    const char *vault_file;  /* NULL: there is no vault */
    const int64_t *deaths;   /* of card roles and the vault: true times, in order */
    size_t deaths_n;
    int64_t now_us, skew_us; /* true time; how far any node's clock may have been off, either way */
};
struct judge *judge_new(void);
void judge_free(struct judge *j);
/* Checks everything that must hold at that moment. Returns the number of violations found, each of
 * which was given to sim_violation. */
int judge_look(struct judge *j, enum judge_moment moment, const struct evidence *e);
/* Looks so far. */
int64_t judge_looks(const struct judge *j);
/* Prints and counts one violation: "I8: charge att_… was carried out twice". Goes on. */
PRINTF_LIKE(2, 3) void sim_violation(const char *invariant, const char *fmt, ...);

#endif

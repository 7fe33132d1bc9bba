/* Between the files of the judges. Nothing of Florin's own code but ids and currencies' numbers. */
#ifndef FLORIN_SIM_JUDGE_INTERNAL_H
#define FLORIN_SIM_JUDGE_INTERNAL_H

#include "sim/sim_internal.h"

#define JUDGE_MERCHANTS 16

/* How far a merchant's chain was followed. */
struct chain_seen {
    int64_t merchant, number, journal_upto, event_upto;
    uint8_t hash[32];
};

struct judge {
    int64_t looks;
    struct chain_seen seen[JUDGE_MERCHANTS];
    struct chain_seen unsure[JUDGE_MERCHANTS]; /* by the last crash */
    size_t seen_n;
};

struct ids {
    struct id *list;
    size_t n, cap;
};

/* What the store says about one ask, found by its metadata. */
struct trace_of_ask {
    int payments, refunds;
    int64_t merchant;
    struct id payment;
    int state;
    bool confirmed; /* a create: somebody asked for a further attempt */
};

struct look {
    struct judge *judge;
    sqlite3 *db;
    const struct evidence *e;
    enum judge_moment moment;
    int found;
    struct trace_of_ask *traces; /* by number of the ask */
    uint64_t *told;              /* hashes of all events' data and object: sorted */
    size_t told_n, told_cap;
    struct ids open; /* jobs that must be there: of what is under way or waits, of holds */
    struct ids may;  /* that may be there: answers to disputes, holds that were over before */
    /* Attempts that wait for their customer by a clock that is off, at the end: what a confirmation
     * that arrived once more did at the provider is found out when their time is over. */
    struct ids parked;
};

/* States as stored. */
enum {
    P_REQUIRES_ACTION = 1,
    P_PROCESSING = 3,
    P_AUTHORIZED = 5,
    P_PARTIALLY_CAPTURED = 6,
    P_CAPTURED = 7,
    P_REFUNDED = 8,
    P_CANCELED = 9,
    P_EXPIRED = 10,
    P_FAILED = 11
};
enum {
    A_REQUIRES_ACTION = 3,
    A_AUTHORIZED = 5,
    A_CAPTURED = 6,
    A_DECLINED = 7,
    A_FAILED = 8,
    A_CANCELED = 10
};

/* One violation; what is beyond ten of one look is only counted. */
PRINTF_LIKE(3, 4) void blame(struct look *l, const char *invariant, const char *fmt, ...);
/* A statement of the judge's own; parameters are bound by the caller. */
sqlite3_stmt *judge_sql(struct look *l, const char *sql);
bool judge_row(sqlite3_stmt *st);
struct id judge_id(sqlite3_stmt *st, int column);
struct str judge_text(sqlite3_stmt *st, int column);
/* Runs a statement with one number as its answer. */
int64_t judge_number(struct look *l, const char *sql);
/* ISO 4217: "EUR" for 978. */
const char *judge_currency(int64_t number);
uint64_t judge_hash(struct id object, struct str data);
/* The number in "ask":"…" of rendered metadata; -1: none. */
int64_t judge_ask(const struct look *l, struct str details);

/* What ends at a time that the provider names ends late for a node whose clock is slow. */
static inline bool judge_skewed(const struct look *l)
{
    return l->e->skew_us > 60000000;
}
void ids_add(struct ids *ids, struct id id);
/* Before the first ids_have. */
void ids_sort(struct ids *ids);
bool ids_have(const struct ids *ids, struct id id);
/* The book's entry for the n-th operation of a payment; 0: the object itself. */
const struct book_entry *judge_entry(const struct look *l, enum id_kind kind, struct id base,
                                     unsigned n);
/* A text column; "" when it is NULL. */
const char *judge_z(sqlite3_stmt *st, int column);

void judge_ledger(struct look *l);
/* Attempts, captures and their like, against the book. */
void judge_operations(struct look *l);
void judge_disputes(struct look *l);
/* Their journals; refunds meanwhile. */
void judge_contests(struct look *l);
void judge_orders(struct look *l);
/* Webhooks of the provider: what was acknowledged is there, nothing else is. */
void judge_inbox(struct look *l);
/* At the end: the names that the provider gave. */
void judge_references(struct look *l);
void judge_book(struct look *l);
void judge_payments(struct look *l);
void judge_refunds(struct look *l);
void judge_events(struct look *l);
void judge_clients(struct look *l);
void judge_work(struct look *l);
void judge_deliveries(struct look *l);
/* copy: the disk, as it is looked at. */
void judge_roles(struct look *l, struct disk *copy);

#endif

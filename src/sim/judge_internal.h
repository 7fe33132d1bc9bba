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
    size_t seen_n;
};

/* What the store says about one ask, found by its metadata. */
struct trace_of_ask {
    int payments, refunds;
    int64_t merchant;
    struct id payment;
    int state;
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
    struct id *open; /* ids of jobs that must be there: of payments and refunds under way */
    size_t open_n, open_cap;
};

/* States as stored. */
enum {
    P_PROCESSING = 3,
    P_AUTHORIZED = 5,
    P_CAPTURED = 7,
    P_REFUNDED = 8,
    P_CANCELED = 9,
    P_FAILED = 11
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

void judge_ledger(struct look *l);
void judge_book(struct look *l);
void judge_payments(struct look *l);
void judge_refunds(struct look *l);
void judge_events(struct look *l);
void judge_clients(struct look *l);
void judge_work(struct look *l);
void judge_deliveries(struct look *l);

#endif

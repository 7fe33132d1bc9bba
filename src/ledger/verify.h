/* Private to the verifier, which recomputes everything from rows and shares no code with the
 * writing side. */
#ifndef FLORIN_LEDGER_VERIFY_H
#define FLORIN_LEDGER_VERIFY_H

#include "ledger/ledger.h"

/* A snapshot row and what it should say, recomputed. */
struct verify_snapshot {
    int64_t currency, account, unit, upto;
    int64_t stored[2]; /* by layer */
    __int128 sum[2];
};

/* The journal that is being read, row by row. */
struct verify_journal {
    bool open;
    int64_t number, previous, currency;
    int64_t legs;
    __int128 sum[2];
    struct buf bytes; /* canonical bytes of the head; the legs are in `tail` */
    struct buf tail;
};

struct verify {
    struct store_tx *tx;
    struct ledger_report *report;
    int64_t merchant;
    int64_t journal_next, event_next; /* expected numbers */
    int64_t postings;                 /* of this merchant */
    struct buf chain;                 /* previous hash and the leaves of the batch */
    struct verify_journal journal;
    struct verify_snapshot *snapshot;
    size_t snapshots;
    uint8_t last_hash[32];
};

/* Counts a fault and keeps the text of the first. */
PRINTF_LIKE(2, 3) void verify_fault(struct verify *v, const char *fmt, ...);

/* Reads the journals (or events) with numbers in (after, upto]: checks each, appends its leaf to
 * v->chain. */
MUST_CHECK err_t verify_journals(struct verify *v, int64_t after, int64_t upto);
MUST_CHECK err_t verify_events(struct verify *v, int64_t after, int64_t upto);

/* Loads the snapshots; later, adds a leg to the sum of its snapshot; at the end, compares. */
MUST_CHECK err_t verify_snapshots_load(struct verify *v);
void verify_snapshots_add(struct verify *v, int64_t account, int64_t unit, int64_t layer,
                          int64_t amount);
void verify_snapshots_compare(struct verify *v);

/* Each payment's columns against the journals of its list; every journal of a payment must be in
 * its list. */
MUST_CHECK err_t verify_payments(struct verify *v);

#endif

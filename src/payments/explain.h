/* Between explain.c, which tells, and explain_entries.c, which gathers what happened. */
#ifndef FLORIN_PAYMENTS_EXPLAIN_H
#define FLORIN_PAYMENTS_EXPLAIN_H

#include "payments/payment.h"

struct entry {
    int64_t at_us;
    size_t order; /* as it was gathered, for what happened at the same moment */
    const char *what;
    struct buf detail;
};
struct timeline {
    struct store_tx *tx;
    const struct payment *p;
    const struct currency *currency;
    struct entry *entries;
    size_t n, max;
    struct buf lost; /* takes what there was no memory for */
    bool failed;
    int64_t fees, clearing, suspense; /* sums over its journals, as a bank would say them */
};

/* A new entry: its sentence is to be appended to what is returned, before the next one is made. */
struct buf *timeline_add(struct timeline *t, int64_t at_us, const char *what);
/* Appends "92.32 EUR". */
void timeline_amount(const struct timeline *t, struct buf *out, int64_t amount);

/* Gathers all entries but the first. */
MUST_CHECK err_t timeline_gather(struct timeline *t);

#endif

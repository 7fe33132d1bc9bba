/* What is deleted by its age: client tokens and reports of pages, a few rows at a time. */
#ifndef FLORIN_NODE_RETENTION_H
#define FLORIN_NODE_RETENTION_H

#include "store/store.h"
#include "sys/sys.h"

struct retention {
    struct store *store;
    const struct config *settings;
    struct store_op op;
    int64_t next_us; /* monotonic; 0: not begun */
    int64_t tokens_before_us, reports_before_us;
    int64_t tokens, reports; /* that were deleted by the last commit */
    bool busy, more;         /* atomic */
};

/* Shape: both live as long as it does. */
void retention_init(struct retention *r, struct store *store, const struct config *settings);
/* To be called again and again: an hour after the first call and then every hour it deletes what is
 * too old at now_us; while there is more of it, every second. Returns at once. */
void retention_turn(struct retention *r, int64_t mono_us, int64_t now_us);

#endif

/* A store in a folder of its own for the ledger's tests, and raw SQL behind its back for tampering.
 */
#ifndef FLORIN_LEDGER_TEST_LIB_H
#define FLORIN_LEDGER_TEST_LIB_H

#include "ledger/ledger.h"
#include "store/store_folder.h"

struct fixture {
    struct folder folder;
    struct store *store;
};

void fixture_make(struct fixture *f);
void fixture_open(struct fixture *f);  /* opens the store, with ledger_chain as hook */
void fixture_close(struct fixture *f); /* closes it; the file remains */
void fixture_remove(struct fixture *f);
/* Runs SQL on the closed store's file, without its checks. printf. */
PRINTF_LIKE(2, 3) void fixture_sql(struct fixture *f, const char *fmt, ...);
/* A copy of the closed store in a folder of its own. */
void fixture_copy(const struct fixture *from, struct fixture *to);

/* Posts in an operation of its own. */
int64_t post(struct fixture *f, const struct journal *j, int64_t now_us);
void verify(struct fixture *f, struct ledger_report *ret);
struct id test_id(unsigned n);
/* A payment's row, in a state that is nobody's concern here. */
struct test_payment {
    int64_t merchant_id;
    struct id id;
    int64_t captured, refunded, refund_pending, held, disputed, dispute_lost;
    int64_t journal_last, event_last;
};
void insert_payment(struct fixture *f, const struct test_payment *p);

#endif

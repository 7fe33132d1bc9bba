/* Between provider.c (requests, answers, faults) and provider_book.c (what was really done). */
#ifndef FLORIN_SIM_PROVIDER_INTERNAL_H
#define FLORIN_SIM_PROVIDER_INTERNAL_H

#include "sim/sim_internal.h"

struct operation {
    struct book_entry book;
    bool came;               /* false: a charge that was reversed and has not come */
    const char *refuse_with; /* drawn when it came; NULL: nothing is held against it */
    const char *code;        /* refused: why */
    int64_t due_us;          /* pending: decided then */
};

struct book {
    struct operation **slots; /* by hash of the reference; a power of two of them */
    size_t slots_n, used;
    struct operation **list; /* those that came, in the order of their first requests */
    size_t n, cap;
    struct operation **pending;
    size_t pending_n, pending_cap;
};

/* A well-formed request to do something. */
struct asked {
    char reference[72], charge[72], key[64], currency[4];
    int kind; /* BOOK_CHARGE … */
    int64_t amount;
    bool capture;
};

/* What chance has in store for it, should it be new. */
struct plan {
    const char *refuse_with; /* NULL: it goes through if the guards let it */
    int64_t pending_us;      /* 0: decided at once */
};

enum taken {
    TAKEN,          /* now or before; *ret is it */
    TAKEN_REUSED,   /* the reference is another request's */
    TAKEN_MISSING,  /* its charge never came */
    TAKEN_CURRENCY, /* its charge has another currency */
};
enum taken book_take(struct book *b, const struct asked *a, const struct plan *plan, int64_t now_us,
                     struct operation **ret);
/* Decides what is pending and due, in the order of the times. */
void book_decide_due(struct book *b, int64_t now_us);
/* NULL: no request with it came. */
struct operation *book_find(const struct book *b, struct str reference);
void book_release(struct book *b);
/* Also numbers that an acquirer would give are drawn from it, so that they are the same each time.
 */
uint64_t book_hash(struct str reference);

#endif

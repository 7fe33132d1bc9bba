/* For client_test.c: a world with a clock, and a Florin of two hundred lines that keeps answers by
 * key, or forgets them. */
#ifndef FLORIN_SIM_CLIENT_TEST_SUPPORT_H
#define FLORIN_SIM_CLIENT_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "sim/sim_internal.h"

struct turn {
    int64_t at_us, order;
    void (*fn)(void *arg);
    void *arg;
};
extern struct fake_world {
    int64_t now_us, order;
    struct turn *turns;
    size_t n, cap;
    uint64_t hash;
    int64_t count[COUNT_COUNT], violations;
    struct heap *heap;
    struct det rng;
} world;

enum { AUTHORIZED, CAPTURED, CANCELED };
struct fake_payment {
    char id[ID_TEXT_MAX], key[64];
    size_t ask;
    int64_t amount, refunded;
    int state;
};
struct fake_answer {
    char name[300]; /* API key, path, Idempotency-Key */
    int status;
    char *sent, *body;
    struct fake_answer *next;
};
struct faults { /* per mille of requests */
    int lose, lose_answer, busy, in_progress;
    bool forgetful; /* answers anew what it has answered */
    bool gullible;  /* takes anything */
};
extern struct fake_florin {
    struct faults faults;
    struct fake_payment *payments;
    size_t payments_n;
    size_t payments_cap, asked;
    struct fake_answer *answers[1024];
} florin;

/* Does what is due until then. */
void run_until(int64_t until_us);
/* Forgets everything. */
void fake_reset(const struct faults *faults);
void fake_free(void);

#endif

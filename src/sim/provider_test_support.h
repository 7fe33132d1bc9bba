/* An acquirer to be tested, and stand-ins for the world around it. */
#ifndef FLORIN_SIM_PROVIDER_TEST_SUPPORT_H
#define FLORIN_SIM_PROVIDER_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim/sim_internal.h"

#define T0 INT64_C(1764000000000000)

struct stage {
    int64_t now_us;
    int inside; /* regions entered and not left */
    int status; /* of answers to visits */
    int visits, pages;
    char path[200], headers[400], body[2000]; /* of the last visit with a body */
    int violations;
};
extern struct stage stage;
extern struct provider *p;
extern char text[2048]; /* the last answer's body */

struct det seeded(uint8_t seed);
/* cmocka's set-up and tear-down: a sound acquirer, the only one. */
int set_up(void **state);
int tear_down(void **state);
void with_faults(const struct provider_profile *profile, uint8_t seed);
/* Lets time pass. */
void pass(int64_t us);
int request(const char *method, const char *path, const char *body);
int charge_eur(const char *reference, int amount, bool capture);
/* source: the token; with webhooks and an address to come back to. */
int charge_with(const char *source, const char *reference, int amount, bool capture);
int operate(const char *what, const char *charge, const char *reference, int amount);
int inquire(const char *reference);
const struct book_entry *entry(const char *reference);
/* Is it in the last answer? */
bool says(const char *what);

#endif

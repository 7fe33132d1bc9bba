/* What the sandbox's tests share: one that runs on a folder of its own, and a client. */
#ifndef FLORIN_SANDBOX_TEST_LIB_H
#define FLORIN_SANDBOX_TEST_LIB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdatomic.h>

#include "http/http.h"
#include "sandbox/sandbox.h"

#define TEST_SLOW_MS 300
#define TEST_HANG_MS 400
#define TEST_CHALLENGE_MS 60000

struct place {
    char dir[64], address[80];
    int64_t challenge_ms; /* for the next start; 0: TEST_CHALLENGE_MS */
    struct sandbox *sandbox;
    struct http_client *client;
};
/* One call; answered when done is set. json is owned by it. */
struct ask {
    struct http_call call;
    char url[256], body[512];
    atomic_bool done;
    enum http_sent sent;
    int status;
    json_t *json;
};

int place_make(void **state);
int place_remove(void **state);
void place_start(struct place *p);
void place_stop(struct place *p);

void ask_begin(struct place *p, struct ask *a, const char *method, const char *path,
               const char *body);
void ask_end(struct ask *a);
void ask_free(struct ask *a);
/* Begin, wait, keep in *a. */
void ask_now(struct place *p, struct ask *a, const char *method, const char *path,
             const char *body);
/* A charge in EUR with capture or without. */
void ask_charge(struct place *p, struct ask *a, const char *reference, int64_t amount,
                const char *source, bool capture);
/* The same with further members: text, each with a comma after it. */
void ask_charge_with(struct place *p, struct ask *a, const char *reference, int64_t amount,
                     const char *source, bool capture, const char *more);
/* A port where nobody listens: what was to be told is read from the list of webhooks. */
#define NOTIFY "\"notify_url\":\"http://127.0.0.1:9/hook\","
/* "captures", "voids", "refunds", "increments", "confirm". */
void ask_operation(struct place *p, struct ask *a, const char *charge, const char *what,
                   const char *reference, int64_t amount);
void ask_inquiry(struct place *p, struct ask *a, const char *reference);

const char *text_of(const struct ask *a, const char *name); /* "" when absent */
int64_t number_of(const struct ask *a, const char *name);   /* -1 when absent */
void assert_refused(const struct ask *a, int status, const char *code);
/* The row of the book must be so; frees nothing of the caller's. */
void assert_book(struct place *p, const char *reference, const char *status, int64_t amount,
                 int64_t captured, int64_t refunded, int64_t calls);
void assert_no_book(struct place *p, const char *reference);
/* Asks the inquiry until its result is so; fails after a deadline. */
void wait_result(struct place *p, const char *reference, const char *result);
/* Posts it; the status must be so. */
void order_now(struct place *p, const char *path, const char *body, int status);
/* The types of the webhooks of a charge come to be so, each with a space after it. */
void assert_told(struct place *p, const char *charge, const char *types);
void fault(struct place *p, const char *body);

#endif

/* What the tests of the role card share: a browser over HTTP, and stand-ins for api and vault at
 * the other ends of its links. */
#ifndef FLORIN_ROLE_TEST_LIB_H
#define FLORIN_ROLE_TEST_LIB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "card/card_internal.h"
#include "sys/sys.h"

#define NUMBER "4000000000009995"
#define CARD "{\"number\":\"4000 0000-0000 9995\",\"exp_month\":3,\"exp_year\":2060,\"cvc\":\"737\""
#define TYPED(number, month, year)                                                                 \
    "{\"number\":\"" number "\",\"exp_month\":" month ",\"exp_year\":" year
#define DEADLINE_US INT64_C(20000000)
#define FINGERPRINT_TEXT "0123456789abcdef"

extern struct card_role *role; /* NULL: stopped by the test */
struct api_end {
    struct link *link;
    bool silent, ends;
    int64_t err, merchant;
    const char *detail;
    /* heard: */
    int checks, saved, reports, answers;
    uint64_t call;
    char token[200], origin[300], brand[20], last4[8], bin[12], name[900];
    char fingerprint[20], report[9000];
    int64_t month, year;
    struct id card;
    /* what it says of a card that was saved */
    int64_t status;
    bool short_answer;
};
extern struct api_end api;
struct role_vault_end {
    struct link *link;
    bool silent, ends, short_fingerprint;
    int64_t err;
    /* heard: */
    int seals, others;
    enum link_message last;
    int64_t merchant, keep_until_us, month, year;
    char number[40], cvc[8];
};
extern struct role_vault_end vault;
extern const struct id card_id;
/* Answers a CLIENT_CHECK as api.err and others say. */
void api_says_who(uint64_t call);
/* A link to the role; returns the peer's end, which is then api.link or vault.link. */
struct link *join(enum link_role peer);
/* For cmocka: without links, with both. */
int role_test_set_up_alone(void **state);
int role_test_set_up(void **state);
int role_test_tear_down(void **state);
/* Before all tests. */
void role_test_begin(void);
/* After all: what was logged meanwhile has no card in it. For cmocka. */
void the_log_has_no_card(void **state);

/* What a browser sends, and gets. */
struct ask {
    struct http_call call;
    char url[200], authorization[300];
    const char *headers[3];
    int done, status;
    char retry_after[20], text[4096];
};
void begin(struct ask *a, const char *path, const char *token, const char *body);
void wait_for(int *what, int n);
/* Nothing is under way: a moment after the answer. */
void wait_idle(void);
/* It comes, has this text, and no card. */
void assert_answer(struct ask *a, int status, const char *text);
/* A whole card and what more there is of the body; the answer is this. */
void type_card(const char *more, int status, const char *text);

#endif

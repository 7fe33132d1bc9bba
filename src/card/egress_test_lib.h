/* What the tests of requests with cards share: a provider over HTTP, and stand-ins for api and
 * vault at the other ends of real links. */
#ifndef FLORIN_EGRESS_TEST_LIB_H
#define FLORIN_EGRESS_TEST_LIB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "card/card_internal.h"
#include "card/permit.h"
#include "sys/sys.h"

#define NUMBER "4000000000009995"
#define CVC "737"
#define DEADLINE_US INT64_C(20000000)
#define BODY                                                                                       \
    "{\"number\":\"{{card.number}}\",\"m\":\"{{card.exp_month}}\",\"y\":\"{{card.exp_year}}\","    \
    "\"cvc\":\"{{card.cvc}}\"}"
#define FILLED "{\"number\":\"" NUMBER "\",\"m\":\"03\",\"y\":\"2031\",\"cvc\":\"" CVC "\"}"

/* An operator's key, and another. */
extern const uint8_t seed[32], foreign[32];
extern const struct id card_id;

/* POST /pay answers with `answer` and `text`, /keep not before answer_kept, /trap counts. */
struct provider {
    struct http_server *server;
    char address[80], body[8192], key[40]; /* what came last */
    int calls, trapped;
    struct http_request *kept;
    struct http_answer answer;
    struct buf text;
};
extern struct provider provider;
void answer_kept(void);

enum manner { OPENS, SILENT, MISSING, LOCKED, BROKEN, NONSENSE, ENDS };
struct vault_end {
    struct link *link;
    enum manner manner;
    bool no_cvc;
    int opened, used;
    uint64_t call; /* of the last OPEN */
    int64_t merchant, with_cvc;
    struct id card;
    char reference[ID_TEXT_MAX], host[128];
};
extern struct vault_end vault;
/* Answers an OPEN: err 0 with the card. */
void vault_says(uint64_t call, int64_t err);
bool vault_request(struct link *l, const struct link_frame *f, void *arg);
/* The vault, at the other end of a new link. */
void vault_joins(void);
bool no_request(struct link *l, const struct link_frame *f, void *arg);

extern struct egress *egress;
extern struct link_slot to_api, to_vault;
extern struct link *api; /* its end */
/* A link of card's in the slot; returns the peer's end. */
struct link *join(enum link_role peer, struct link_slot *slot,
                  bool (*request)(struct link *, const struct link_frame *, void *));
/* For cmocka: with limits of their own, without any. */
void egress_test_start(int64_t per_second, int64_t vault_wait_ms);
int egress_test_set_up(void **state);
int egress_test_tear_down(void **state);
/* Before all tests. */
void egress_test_begin(void);
/* After all: what was logged meanwhile has no card in it. For cmocka. */
void the_log_has_no_card(void **state);

/* Frames order what the ends do; tools that look for races do not see it without this. */
void order(void);

/* What api asks, and is told. */
struct ask {
    const char *permit, *url, *headers, *body, *method, *reference;
    int64_t merchant, timeout_ms, start_before_us;
    /* told: */
    int done, lost;
    int64_t sent, status;
    char content_type[256], retry_after[128], error[128], text[8192];
    size_t text_n;
};
void on_told(const struct link_frame *f, void *arg);
/* One that is as it should be. */
struct ask a_request(const char *path);
void write_ask(const struct ask *a, struct buf *b);
void begin(struct ask *a);
void go(struct ask *a);
/* It is not sent, for that reason. */
void refused(struct ask *a, const char *error);
void wait_for(int *what, int n);
/* Nothing is under way: a moment after the answer. */
void wait_idle(void);
void wait_there(struct http_request **what);
/* An URL of the provider's; good for a while. */
const char *own_url(const char *path);
const char *permit_of(const uint8_t key[32], int64_t merchant, const char *url);
const char *permit_with(const uint8_t key[32], int64_t merchant, const char *url,
                        const struct permit_terms *terms);

#endif

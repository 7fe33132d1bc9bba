/* The first one to six events of a payment in all their orders, some of them twice: what is seen
 * and what is booked in the end is always the same. The runs go side by side, a payment each, so
 * that one commit has a step of all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "observe/observe.h"
#include "payments/inbox_test_lib.h"

enum { EVENTS = 6, ORDERS = 720 + 120 + 24 + 6 + 2 + 1, SENT_MAX = 2 * EVENTS };

/* One order. */
struct order {
    struct id payment, refund;
    int like;           /* the order of the same events that it must end as */
    int sent[SENT_MAX]; /* which event, in order; the second time as EVENTS + which */
    int sent_n;
    struct provider_event event[SENT_MAX];
    struct inbox_webhook webhook[SENT_MAX];
    struct buf end;
};
static struct order orders[ORDERS];

/* --- orders --- */

/* The n-th order of the first `events`. */
static void permute(int n, int events, int out[EVENTS])
{
    int left[EVENTS], rest = events;
    for (int i = 0; i < events; i++)
        left[i] = i;
    for (int i = 0; i < events; i++, rest--) {
        int at = n % rest;
        n /= rest;
        out[i] = left[at];
        for (int j = at; j + 1 < rest; j++)
            left[j] = left[j + 1];
    }
}

/* Which come twice, and when the second time, is drawn; in the first order none does. */
static void make_order(struct order *o, int n, int events, struct det *rng)
{
    int first[EVENTS];
    permute(n, events, first);
    o->sent_n = 0;
    for (int i = 0; i < events; i++)
        o->sent[o->sent_n++] = first[i];
    for (int i = 0; n > 0 && i < events; i++) {
        if (det_below(rng, 2) == 0)
            continue;
        int from = 0;
        while (o->sent[from] != first[i])
            from++;
        int at = from + 1 + (int)det_below(rng, (uint64_t)(o->sent_n - from));
        memmove(&o->sent[at + 1], &o->sent[at], (size_t)(o->sent_n - at) * sizeof o->sent[0]);
        o->sent[at] = EVENTS + first[i];
        o->sent_n++;
    }
}

static void make_orders(struct det *rng)
{
    int at = 0;
    for (int events = EVENTS, all = 720; events > 0; all /= events, events--) {
        int like = at;
        for (int n = 0; n < all; n++, at++) {
            orders[at].like = like;
            make_order(&orders[at], n, events, rng);
        }
    }
    assert_int_equal(at, ORDERS);
}

/* --- events --- */

typedef void event_maker(const struct order *o, int which, struct provider_event *e);

static void operation(struct provider_event *e, enum provider_operation about, enum id_kind kind,
                      struct id id, enum outcome_kind outcome, int64_t amount)
{
    e->kind = PROVIDER_EVENT_OPERATION;
    e->about = about;
    e->outcome = (struct outcome){.kind = outcome, .amount = amount, .currency = 978};
    id_text(kind, id, e->reference);
}

static void charge(const struct order *o, struct provider_event *e, enum outcome_kind outcome,
                   int64_t amount)
{
    operation(e, OPERATION_AUTHORIZE, ID_ATTEMPT, id_derive(o->payment, 1), outcome, amount);
}

static void clearing(const struct order *o, struct provider_event *e, int64_t amount)
{
    e->kind = PROVIDER_EVENT_CLEARING;
    e->outcome = (struct outcome){.kind = OUTCOME_CAPTURED, .amount = amount, .currency = 978};
    id_text(ID_ATTEMPT, id_derive(o->payment, 1), e->reference);
}

static void dispute(const struct order *o, struct provider_event *e, int64_t version,
                    enum dispute_stage stage, enum dispute_status status)
{
    e->kind = PROVIDER_EVENT_DISPUTE;
    e->outcome = (struct outcome){.kind = OUTCOME_ACCEPTED,
                                  .dispute = {.stage = stage,
                                              .status = status,
                                              .amount = 3000,
                                              .fee = 1500,
                                              .currency = 978,
                                              .version = version,
                                              .reason = "fraudulent"}};
    id_text(ID_ATTEMPT, id_derive(o->payment, 1), e->reference);
    id_text(ID_ATTEMPT, id_derive(o->payment, 1), e->outcome.dispute.charge);
    (void)snprintf(e->outcome.dispute.reference, sizeof e->outcome.dispute.reference, "dp_%s",
                   e->reference);
}

/* A sale whose answer never came, settled with another amount, and a dispute that is lost and then
 * won. */
static void sale_event(const struct order *o, int which, struct provider_event *e)
{
    switch (which) {
    case 0:
        charge(o, e, OUTCOME_CAPTURED, 10000);
        return;
    case 1:
        clearing(o, e, 12500);
        return;
    case 2:
        dispute(o, e, 1, STAGE_CHARGEBACK, DISPUTED_NEEDS_RESPONSE);
        return;
    case 3:
        dispute(o, e, 2, STAGE_CHARGEBACK, DISPUTED_UNDER_REVIEW);
        return;
    case 4:
        dispute(o, e, 3, STAGE_CHARGEBACK, DISPUTED_LOST);
        return;
    default:
        dispute(o, e, 4, STAGE_CHARGEBACK, DISPUTED_WON);
    }
}

/* A refund that succeeds and comes back, and an inquiry that becomes a chargeback and is lost. */
static void refund_event(const struct order *o, int which, struct provider_event *e)
{
    switch (which) {
    case 0:
        operation(e, OPERATION_REFUND, ID_REFUND, o->refund, OUTCOME_REFUNDED, 4000);
        return;
    case 1:
        operation(e, OPERATION_REFUND, ID_REFUND, o->refund, OUTCOME_DECLINED, 0);
        e->outcome.decline = DECLINE_INVALID_ACCOUNT;
        e->outcome.after_success = true;
        return;
    case 2:
        clearing(o, e, 10050);
        return;
    case 3:
        dispute(o, e, 1, STAGE_INQUIRY, DISPUTED_NEEDS_RESPONSE);
        return;
    case 4:
        dispute(o, e, 2, STAGE_CHARGEBACK, DISPUTED_NEEDS_RESPONSE);
        return;
    default:
        dispute(o, e, 3, STAGE_CHARGEBACK, DISPUTED_LOST);
    }
}

/* A partial capture whose answer never came; the rest of the hold runs out. */
static void capture_event(const struct order *o, int which, struct provider_event *e)
{
    switch (which) {
    case 0:
        charge(o, e, OUTCOME_AUTHORIZED, 10000);
        return;
    case 1:
        operation(e, OPERATION_CAPTURE, ID_CAPTURE, id_derive(o->payment, 2), OUTCOME_CAPTURED,
                  6000);
        return;
    case 2:
        charge(o, e, OUTCOME_EXPIRED, 0);
        return;
    case 3:
        clearing(o, e, 6030);
        return;
    case 4:
        dispute(o, e, 1, STAGE_CHARGEBACK, DISPUTED_NEEDS_RESPONSE);
        return;
    default:
        dispute(o, e, 2, STAGE_CHARGEBACK, DISPUTED_WON);
    }
}

/* A customer who was authenticated and whose browser never came back. */
static void action_event(const struct order *o, int which, struct provider_event *e)
{
    switch (which) {
    case 0:
        charge(o, e, OUTCOME_REQUIRES_ACTION, 0);
        e->outcome.action = ACTION_CHALLENGE;
        (void)snprintf(e->outcome.action_url, sizeof e->outcome.action_url, "https://bank.example");
        return;
    case 1:
        e->kind = PROVIDER_EVENT_AUTHENTICATED;
        id_text(ID_ATTEMPT, id_derive(o->payment, 1), e->reference);
        return;
    case 2:
        charge(o, e, OUTCOME_CAPTURED, 10000);
        return;
    case 3:
        clearing(o, e, 10000);
        return;
    case 4:
        dispute(o, e, 1, STAGE_INQUIRY, DISPUTED_NEEDS_RESPONSE);
        return;
    default:
        dispute(o, e, 2, STAGE_INQUIRY, DISPUTED_CLOSED);
    }
}

/* --- runs --- */

/* Half of the second times it is another event that says the same. */
static void make_event(struct order *o, int i, event_maker *make, struct det *rng)
{
    struct provider_event *e = &o->event[i];
    int which = o->sent[i] % EVENTS;
    bool renamed = o->sent[i] >= EVENTS && det_below(rng, 2) == 0;
    char payment[ID_TEXT_MAX];
    *e = (struct provider_event){.kind = PROVIDER_EVENT_IGNORED};
    make(o, which, e);
    (void)snprintf(e->id, sizeof e->id, "ev_%s_%d%s", id_text(ID_PAYMENT, o->payment, payment),
                   which, renamed ? "_again" : "");
    o->webhook[i] = (struct inbox_webhook){.account = WORLD_ACCOUNT, .event = e};
}

/* The i-th event of every order; sometimes time passes before the next. */
static void send_round(int i, event_maker *make, struct det *rng)
{
    for (int n = 0; n < ORDERS; n++) {
        struct order *o = &orders[n];
        if (i >= o->sent_n)
            continue;
        make_event(o, i, make, rng);
        world_webhook(&o->webhook[i]);
    }
    world_settle();
    if (det_below(rng, 3) > 0)
        world_pass((int64_t)det_below(rng, 2 * SECOND_US));
}

static void compare(void)
{
    for (int n = 0; n < ORDERS; n++) {
        orders[n].end = BUF((size_t)1 << 16);
        world_describe(orders[n].payment, &orders[n].end);
        const char *like = orders[orders[n].like].end.p;
        if (strcmp(orders[n].end.p, like) == 0)
            continue;
        char text[3 * SENT_MAX + 1] = "";
        for (int i = 0; i < orders[n].sent_n; i++)
            (void)snprintf(text + strlen(text), sizeof text - strlen(text), " %d",
                           orders[n].sent[i]);
        fail_msg("order%s:\n%s\nin order:\n%s", text, orders[n].end.p, like);
    }
}

static void run(event_maker *make, void (*prepare)(struct order *o), const char *token,
                bool capture, const char *expected)
{
    uint8_t seed[32] = {42};
    struct det rng = det_make(0, seed);
    world_open();
    make_orders(&rng);
    for (int n = 0; n < ORDERS; n++) {
        world_create(token, 10000, capture, &orders[n].payment);
        if (n % 4 == 3)
            world_settle();
    }
    world_settle();
    for (int n = 0; prepare && n < ORDERS; n++)
        prepare(&orders[n]);
    world_settle();
    for (int i = 0; i < SENT_MAX; i++)
        send_round(i, make, &rng);
    for (int i = 0; i < 60 && world_count(1) > 0; i++)
        world_pass(2 * SECOND_US);
    assert_int_equal(world_count(1), 0);
    assert_int_equal(world_count(4), 0);
    compare();
    if (!strstr(orders[0].end.p, expected))
        fail_msg("no %s in:\n%s", expected, orders[0].end.p);
    world_verify();
    for (int n = 0; n < ORDERS; n++)
        buf_free(&orders[n].end);
    world_close();
}

static void refund_part(struct order *o)
{
    static struct refund_create in[ORDERS];
    struct refund_create *r = &in[o - orders];
    *r = (struct refund_create){.payment = o->payment,
                                .amount = {.set = true, .value = 4000},
                                .details = STR("\"reason\":null,\"metadata\":{}")};
    world_flow(&refund_create_flow, (struct id){{0}}, r, ID_REFUND, &o->refund);
}

static void capture_part(struct order *o)
{
    static struct payment_capture in = {.amount = {.set = true, .value = 6000}};
    world_flow(&payment_capture_flow, o->payment, &in, ID_PAYMENT, NULL);
}

static void a_sale_and_its_dispute(void **state)
{
    (void)state;
    run(sale_event, NULL, TOKEN_PENDING, true, "status=\"captured\"");
}

static void a_refund_that_comes_back_and_a_dispute(void **state)
{
    (void)state;
    run(refund_event, refund_part, TOKEN_SALE, true, "amount_disputed=3000");
}

static void a_capture_and_the_end_of_the_hold(void **state)
{
    (void)state;
    run(capture_event, capture_part, TOKEN_HELD, false, "amount_captured=6000");
}

static void an_authentication(void **state)
{
    (void)state;
    run(action_event, NULL, TOKEN_ACTION, true, "status=\"captured\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sale_and_its_dispute),
        cmocka_unit_test(a_refund_that_comes_back_and_a_dispute),
        cmocka_unit_test(a_capture_and_the_end_of_the_hold),
        cmocka_unit_test(an_authentication),
    };
    wire_init();
    log_open(2, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

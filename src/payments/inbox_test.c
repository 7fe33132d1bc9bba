/* The inbox: what is stored of an event, and what becomes of one that comes early, twice, for
 * nobody, or with what cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "observe/observe.h"
#include "payments/inbox_internal.h"
#include "payments/inbox_test_lib.h"

/* --- the canonical form --- */

static void fill(char *text, size_t max, char c)
{
    memset(text, c, max - 1);
    text[max - 1] = 0;
}

static struct provider_event full_event(void)
{
    struct provider_event e = {
        .kind = PROVIDER_EVENT_OPERATION, .about = OPERATION_REFUND, .outcome = {0}};
    struct outcome *o = &e.outcome;
    fill(e.id, sizeof e.id, 'i');
    fill(e.reference, sizeof e.reference, 'r');
    o->kind = OUTCOME_DECLINED;
    o->decline = DECLINE_EXPIRED_CARD;
    o->amount = AMOUNT_MAX;
    o->currency = 978;
    fill(o->provider_reference, sizeof o->provider_reference, '"');
    fill(o->network_reference, sizeof o->network_reference, '\\');
    fill(o->authorization_code, sizeof o->authorization_code, 'a');
    fill(o->acquirer_reference, sizeof o->acquirer_reference, '7');
    fill(o->provider_code, sizeof o->provider_code, 'c');
    fill(o->provider_message, sizeof o->provider_message, '\x01');
    fill(o->card_brand, sizeof o->card_brand, 'v');
    fill(o->card_last_four, sizeof o->card_last_four, '4');
    o->capture_before_us = INT64_MAX;
    o->action = ACTION_CHALLENGE;
    o->action_expires_us = -1;
    fill(o->action_url, sizeof o->action_url, '/');
    o->after_success = true;
    o->three_ds = (struct three_ds){.flow = THREE_DS_CHALLENGE, .liability_shift = -1};
    fill(o->three_ds.version, sizeof o->three_ds.version, '2');
    fill(o->three_ds.eci, sizeof o->three_ds.eci, '5');
    fill(o->three_ds.transaction_id, sizeof o->three_ds.transaction_id, 't');
    o->dispute = (struct dispute_facts){.stage = STAGE_CHARGEBACK,
                                        .status = DISPUTED_LOST,
                                        .amount = 9232,
                                        .fee = 1500,
                                        .currency = 392,
                                        .due_us = 5,
                                        .version = 7};
    fill(o->dispute.reference, sizeof o->dispute.reference, 'd');
    fill(o->dispute.charge, sizeof o->dispute.charge, 'g');
    fill(o->dispute.reason, sizeof o->dispute.reason, 'y');
    fill(o->dispute.network_reason_code, sizeof o->dispute.network_reason_code, '1');
    fill(o->dispute.acquirer_reference, sizeof o->dispute.acquirer_reference, '9');
    return e;
}

static void round_trip(const struct provider_event *e)
{
    struct provider_event back;
    struct buf first = BUF(EVENT_BYTES_MAX), second = BUF(EVENT_BYTES_MAX);
    inbox_write(&first, e);
    assert_false(first.failed);
    assert_true(inbox_parse(buf_view(&first), &back));
    inbox_write(&second, &back);
    assert_string_equal(first.p, second.p);
    assert_memory_equal(e, &back, sizeof back);
    buf_free(&first);
    buf_free(&second);
}

static void an_event_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct provider_event e = full_event();
    round_trip(&e);
    for (int k = 0; k <= OUTCOME_NOT_FOUND; k++) {
        e.outcome.kind = (enum outcome_kind)k;
        round_trip(&e);
    }
    for (int k = 0; k < OPERATION_COUNT; k++) {
        e.about = (enum provider_operation)k;
        round_trip(&e);
    }
    e = (struct provider_event){.id = "x", .kind = PROVIDER_EVENT_IGNORED};
    for (int k = 0; k <= PROVIDER_EVENT_DISPUTE; k++) {
        e.kind = (enum provider_event_kind)k;
        round_trip(&e);
    }
}

static void what_is_no_event_is_not_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "{\"id\":\"x\",\"event\":\"ignored\"}",
        "{\"id\":\"x\",\"event\":\"operation\",\"kind\":\"captured\"}",
        "{\"id\":\"\",\"event\":\"ignored\",\"kind\":\"unknown\"}",
        "{\"id\":\"x\",\"event\":\"nothing\",\"kind\":\"unknown\"}",
        "{\"id\":\"x\",\"event\":\"ignored\",\"kind\":\"unknown\",\"currency\":99999}",
        "{\"id\":\"x\",\"event\":\"ignored\",\"kind\":\"unknown\",\"amount\":\"1\"}"};
    struct provider_event e;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_false(inbox_parse(str_from(texts[i]), &e));
}

/* --- events --- */

static struct provider_event operation(const char *id, enum provider_operation about,
                                       enum id_kind kind, struct id subject,
                                       enum outcome_kind outcome, int64_t amount)
{
    struct provider_event e = {.kind = PROVIDER_EVENT_OPERATION,
                               .about = about,
                               .outcome = {.kind = outcome, .amount = amount, .currency = 978}};
    (void)snprintf(e.id, sizeof e.id, "%s", id);
    id_text(kind, subject, e.reference);
    return e;
}

static struct provider_event charge(const char *id, struct id payment, enum outcome_kind outcome,
                                    int64_t amount)
{
    return operation(id, OPERATION_AUTHORIZE, ID_ATTEMPT, id_derive(payment, 1), outcome, amount);
}

static enum inbox_result hear(const struct provider_event *e, int16_t account)
{
    struct inbox_webhook w = {.account = account, .event = e};
    world_webhook(&w);
    world_settle();
    return w.result;
}

static void assert_status(struct id payment, const char *status)
{
    char expected[64];
    struct buf out = BUF((size_t)1 << 20);
    (void)snprintf(expected, sizeof expected, "status=\"%s\"", status);
    world_describe(payment, &out);
    if (strncmp(out.p, expected, strlen(expected)) != 0)
        fail_msg("not %s: %s", status, out.p);
    buf_free(&out);
}

static struct id create(const char *token, int64_t amount, bool capture)
{
    struct id payment = {{0}};
    world_create(token, amount, capture, &payment);
    world_settle();
    return payment;
}

static int setup(void **state)
{
    (void)state;
    world_open();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_verify();
    world_close();
    return 0;
}

static void an_outcome_goes_to_who_waits_for_it_and_counts_once(void **state)
{
    (void)state;
    struct id payment = create(TOKEN_PENDING, 9232, true);
    struct provider_event e = charge("ev_1", payment, OUTCOME_CAPTURED, 9232);
    assert_status(payment, "processing");
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_APPLIED);
    assert_status(payment, "captured");
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_DUPLICATE);
    struct provider_event other = charge("ev_2", payment, OUTCOME_CAPTURED, 9232);
    assert_int_equal(hear(&other, WORLD_ACCOUNT), INBOX_IGNORED);
}

static void the_answer_of_a_call_goes_first(void **state)
{
    (void)state;
    struct id payment = create(TOKEN_HELD, 5000, false);
    struct payment_capture in = {.final = true};
    world_hold();
    world_flow(&payment_capture_flow, payment, &in, ID_PAYMENT, NULL);
    world_settle();
    struct provider_event e = operation("ev_1", OPERATION_CAPTURE, ID_CAPTURE,
                                        id_derive(payment, 2), OUTCOME_CAPTURED, 5000);
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_WAITING);
    world_pass(SECOND_US / 2);
    assert_status(payment, "processing");
    assert_int_equal(world_count(1), 1);
    world_release(); /* pending */
    assert_status(payment, "processing");
    world_pass(SECOND_US);
    assert_status(payment, "captured");
    assert_int_equal(world_count(1), 0);
    assert_int_equal(world_count(2), 1);
}

static void another_amount_is_not_believed(void **state)
{
    (void)state;
    struct id payment = create(TOKEN_PENDING, 9232, true);
    struct provider_event e = charge("ev_1", payment, OUTCOME_CAPTURED, 9233);
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_CONTRADICTION);
    e = charge("ev_2", payment, OUTCOME_CAPTURED, 9232);
    e.outcome.currency = 840;
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_CONTRADICTION);
    assert_status(payment, "processing");
}

static void what_contradicts_changes_nothing(void **state)
{
    (void)state;
    struct id sale = create(TOKEN_SALE, 100, true), held = create(TOKEN_HELD, 100, false);
    struct provider_event e = charge("ev_1", sale, OUTCOME_DECLINED, 0);
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_CONTRADICTION);
    e = charge("ev_2", held, OUTCOME_CAPTURED, 100);
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_CONTRADICTION);
    assert_status(sale, "captured");
    assert_status(held, "authorized");
}

static void what_is_not_ours_is_unmatched(void **state)
{
    (void)state;
    struct id sale = create(TOKEN_PENDING, 100, true), other = sale;
    other.b[8] ^= 1;
    struct provider_event e = charge("ev_1", other, OUTCOME_CAPTURED, 100);
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_UNMATCHED);
    e = charge("ev_1", sale, OUTCOME_CAPTURED, 100); /* the id is another account's */
    assert_int_equal(hear(&e, WORLD_ACCOUNT + 1), INBOX_UNMATCHED);
    e = operation("ev_2", OPERATION_AUTHORIZE, ID_ATTEMPT, id_derive(sale, 5), OUTCOME_CAPTURED,
                  100);
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_UNMATCHED);
    e = operation("ev_3", OPERATION_REFUND, ID_REFUND, sale, OUTCOME_REFUNDED, 100);
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_UNMATCHED);
    assert_status(sale, "processing");
}

static void the_customer_was_authenticated_and_never_came_back(void **state)
{
    (void)state;
    struct id payment = create(TOKEN_ACTION, 100, true);
    struct provider_event e = {.kind = PROVIDER_EVENT_AUTHENTICATED, .id = "ev_1"};
    id_text(ID_ATTEMPT, id_derive(payment, 1), e.reference);
    assert_status(payment, "requires_action");
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_WAITING);
    world_pass(SECOND_US);
    assert_status(payment, "requires_action"); /* the browser goes first */
    assert_int_equal(world_calls(OPERATION_CONFIRM), 0);
    for (int i = 0; i < 5; i++)
        world_pass(SECOND_US);
    assert_status(payment, "captured");
    assert_int_equal(world_calls(OPERATION_CONFIRM), 1);
    (void)snprintf(e.id, sizeof e.id, "ev_2");
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_IGNORED);
    world_pass(60 * SECOND_US);
    assert_int_equal(world_calls(OPERATION_CONFIRM), 1);
}

static void nobody_waits_for_a_call_that_follows_from_a_webhook(void **state)
{
    (void)state;
    struct id payment = create(TOKEN_PENDING, 100, true);
    struct provider_event e = charge("ev_1", payment, OUTCOME_SOFT_DECLINED, 0);
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_WAITING);
    assert_int_equal(world_calls(OPERATION_AUTHORIZE), 1);
    world_pass(0);
    assert_int_equal(world_calls(OPERATION_AUTHORIZE), 2);
    assert_int_equal(world_count(2), 1);
    e = operation("ev_2", OPERATION_AUTHORIZE, ID_ATTEMPT, id_derive(payment, 2), OUTCOME_CAPTURED,
                  100);
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_APPLIED);
    assert_status(payment, "captured");
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_DUPLICATE);
}

static struct provider_event dispute(const char *id, struct id payment, int64_t version,
                                     enum dispute_status status)
{
    struct provider_event e = {.kind = PROVIDER_EVENT_DISPUTE,
                               .outcome = {.kind = OUTCOME_ACCEPTED,
                                           .dispute = {.reference = "dp_1",
                                                       .stage = STAGE_CHARGEBACK,
                                                       .status = status,
                                                       .amount = 100,
                                                       .fee = 15,
                                                       .currency = 978,
                                                       .version = version,
                                                       .reason = "fraudulent"}}};
    (void)snprintf(e.id, sizeof e.id, "%s", id);
    id_text(ID_ATTEMPT, id_derive(payment, 1), e.reference);
    id_text(ID_ATTEMPT, id_derive(payment, 1), e.outcome.dispute.charge);
    return e;
}

/* A payment of 100 that was pending is captured, and what waited for that has its turn. */
static void become_known(struct id payment, const char *event)
{
    struct provider_event e = operation(event, OPERATION_AUTHORIZE, ID_ATTEMPT,
                                        id_derive(payment, 1), OUTCOME_CAPTURED, 100);
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_APPLIED);
    for (int i = 0; i < 6; i++)
        world_pass(60 * SECOND_US);
}

static void a_word_of_a_dispute_that_never_comes_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    struct id payment = create(TOKEN_SALE, 100, true);
    struct provider_event last = dispute("ev_3", payment, 3, DISPUTED_LOST);
    struct provider_event middle = dispute("ev_2", payment, 2, DISPUTED_UNDER_REVIEW);
    struct buf out = BUF((size_t)1 << 20);
    assert_int_equal(hear(&last, WORLD_ACCOUNT), INBOX_WAITING);
    for (int i = 0; i < 40; i++)
        world_pass(SECOND_US);
    assert_int_equal(world_count(1), 1);
    for (int i = 0; i < 100; i++)
        world_pass(SECOND_US);
    assert_int_equal(world_count(2), 1);
    world_describe(payment, &out);
    assert_non_null(strstr(out.p, "amount_disputed=100"));
    assert_int_equal(hear(&middle, WORLD_ACCOUNT), INBOX_IGNORED);
    buf_free(&out);
}

static void no_word_of_a_dispute_is_passed_over_that_waits_too(void **state)
{
    (void)state;
    struct id payment = create(TOKEN_PENDING, 100, true);
    struct provider_event words[] = {dispute("ev_3", payment, 3, DISPUTED_WON),
                                     dispute("ev_2", payment, 2, DISPUTED_LOST),
                                     dispute("ev_1", payment, 1, DISPUTED_NEEDS_RESPONSE)};
    struct buf out = BUF((size_t)1 << 20);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        assert_int_equal(hear(&words[i], WORLD_ACCOUNT), INBOX_WAITING);
    for (int i = 0; i < 60; i++)
        world_pass(60 * SECOND_US);
    become_known(payment, "ev_4");
    assert_int_equal(world_count(2), 4);
    world_describe(payment, &out);
    assert_non_null(strstr(out.p, "dispute_loss"));
    assert_non_null(strstr(out.p, "dispute_reversal"));
    buf_free(&out);
}

static void what_waits_too_long_is_given_up(void **state)
{
    (void)state;
    struct id payment = create(TOKEN_HELD, 100, false);
    struct provider_event e = {.kind = PROVIDER_EVENT_CLEARING,
                               .id = "ev_1",
                               .outcome = {.kind = OUTCOME_CAPTURED, .amount = 1, .currency = 978}};
    id_text(ID_ATTEMPT, id_derive(payment, 1), e.reference);
    assert_int_equal(hear(&e, WORLD_ACCOUNT), INBOX_WAITING);
    for (int i = 0; i < 29; i++)
        world_pass(86400 * SECOND_US);
    assert_int_equal(world_count(1), 1);
    for (int i = 0; i < 2; i++)
        world_pass(86400 * SECOND_US);
    assert_int_equal(world_count(4), 1);
    assert_int_equal(world_count(1), 0);
}

static void a_dispute_outlasts_hours_in_which_the_payment_is_not_known(void **state)
{
    (void)state;
    struct id payment = create(TOKEN_PENDING, 100, true);
    struct provider_event d = dispute("ev_1", payment, 1, DISPUTED_NEEDS_RESPONSE);
    assert_int_equal(hear(&d, WORLD_ACCOUNT), INBOX_WAITING);
    for (int i = 0; i < 300; i++)
        world_pass(60 * SECOND_US);
    assert_int_equal(world_count(1), 1);
    become_known(payment, "ev_2");
    assert_int_equal(world_count(1), 0);
    assert_int_equal(world_count(2), 2);
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_read_as_it_was_written),
        cmocka_unit_test(what_is_no_event_is_not_read),
        WITH_WORLD(an_outcome_goes_to_who_waits_for_it_and_counts_once),
        WITH_WORLD(the_answer_of_a_call_goes_first),
        WITH_WORLD(another_amount_is_not_believed),
        WITH_WORLD(what_contradicts_changes_nothing),
        WITH_WORLD(what_is_not_ours_is_unmatched),
        WITH_WORLD(the_customer_was_authenticated_and_never_came_back),
        WITH_WORLD(nobody_waits_for_a_call_that_follows_from_a_webhook),
        WITH_WORLD(a_word_of_a_dispute_that_never_comes_is_not_waited_for_for_ever),
        WITH_WORLD(no_word_of_a_dispute_is_passed_over_that_waits_too),
        WITH_WORLD(what_waits_too_long_is_given_up),
        WITH_WORLD(a_dispute_outlasts_hours_in_which_the_payment_is_not_known),
    };
    wire_init();
    log_open(2, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

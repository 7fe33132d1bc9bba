/* What is decided later than it is asked for: refunds, charges, the amount that is cleared. */
#include "sandbox/sandbox_test_lib.h"

#include <stdio.h>
#include "crypto/crypto.h"

static void make_charge(struct place *p, const char *reference, int64_t amount, const char *source,
                        bool capture)
{
    struct ask a;
    ask_charge_with(p, &a, reference, amount, source, capture, NOTIFY);
    assert_int_equal(a.status, 200);
    ask_free(&a);
}

static void assert_held(struct place *p, const char *reference, int64_t held, int64_t released,
                        int64_t captured)
{
    struct ask a;
    char path[160];
    (void)snprintf(path, sizeof path, "/book?reference=%s", reference);
    ask_now(p, &a, "GET", path, NULL);
    json_t *row = json_array_get(json_object_get(a.json, "charges"), 0);
    assert_int_equal(json_integer_value(json_object_get(row, "held")), held);
    assert_int_equal(json_integer_value(json_object_get(row, "released")), released);
    assert_int_equal(json_integer_value(json_object_get(row, "captured")), captured);
    ask_free(&a);
}

static void move(struct place *p, const char *charge, const char *what, const char *reference,
                 int64_t amount, const char *code)
{
    struct ask a;
    ask_operation(p, &a, charge, what, reference, amount);
    if (code)
        assert_refused(&a, 402, code);
    else
        assert_int_equal(a.status, 200);
    ask_free(&a);
}

static void pending(struct place *p, const char *charge, const char *reference, int64_t amount)
{
    struct ask a;
    for (int i = 0; i < 2; i++) {
        ask_operation(p, &a, charge, "refunds", reference, amount);
        assert_int_equal(a.status, 202);
        assert_string_equal(text_of(&a, "result"), "pending");
        ask_free(&a);
    }
}

static void refunds_later(void **state)
{
    struct place *p = *state;
    struct ask a;
    make_charge(p, "att_1", 100, "pm_tok_refund_pending", true);
    pending(p, "att_1", "rfd_1", 60);
    move(p, "att_1", "refunds", "rfd_2", 60, "amount_exceeds"); /* reserved */
    wait_result(p, "rfd_1", "approved");
    ask_operation(p, &a, "att_1", "refunds", "rfd_1", 60);
    assert_int_equal(strlen(text_of(&a, "acquirer_reference")), 23);
    ask_free(&a);
    assert_book(p, "att_1", "captured", 100, 100, 60, 1);
    assert_told(p, "att_1", "charge.captured refund.failed refund.succeeded ");
    make_charge(p, "att_2", 100, "pm_tok_refund_pending_fails", true);
    pending(p, "att_2", "rfd_3", 100);
    place_stop(p); /* what is due outlives a restart */
    place_start(p);
    wait_result(p, "rfd_3", "refused");
    ask_inquiry(p, &a, "rfd_3");
    assert_refused(&a, 200, "05");
    assert_null(json_object_get(a.json, "after_success"));
    ask_free(&a);
    assert_book(p, "att_2", "captured", 100, 100, 0, 1);
    make_charge(p, "att_3", 100, "pm_tok_refund_fails_later", true);
    move(p, "att_3", "refunds", "rfd_4", 100, NULL);
    assert_book(p, "att_3", "captured", 100, 100, 100, 1);
    wait_result(p, "rfd_4", "refused");
    ask_inquiry(p, &a, "rfd_4");
    assert_refused(&a, 200, "R1");
    assert_true(json_is_true(json_object_get(a.json, "after_success")));
    ask_free(&a);
    assert_book(p, "att_3", "captured", 100, 100, 0, 1);
    assert_told(p, "att_3", "charge.captured refund.succeeded refund.failed ");
    make_charge(p, "att_4", 100, "pm_tok_refund_pending_fails", true);
    pending(p, "att_4", "rfd_5", 100);
    order_now(p, "/control/refunds/rfd_5", "{\"result\":\"approved\"}", 200);
    make_charge(p, "att_5", 100, "pm_tok_refund_pending_fails", true);
    pending(p, "att_5", "rfd_6", 100);
    wait_result(p, "rfd_6", "refused"); /* so rfd_5 was due, too */
    assert_told(p, "att_4", "charge.captured refund.succeeded ");
    assert_book(p, "att_4", "captured", 100, 100, 100, 1);
    order_now(p, "/control/refunds/rfd_1", "{\"result\":\"approved\"}", 409);
    order_now(p, "/control/refunds/rfd_1", "{\"result\":\"refused\"}", 200);
    order_now(p, "/control/refunds/rfd_1", "{\"result\":\"refused\"}", 409);
    assert_book(p, "att_1", "captured", 100, 100, 0, 1);
}

static void cancel(struct place *p, const char *reference, const char *code)
{
    struct ask a;
    char path[80], body[80];
    (void)snprintf(path, sizeof path, "/v2/refunds/%s/cancel", reference);
    (void)snprintf(body, sizeof body, "{\"reference\":\"%s\"}", reference);
    ask_now(p, &a, "POST", path, body);
    if (code) {
        assert_refused(&a, 402, code);
    } else {
        assert_int_equal(a.status, 200);
        assert_string_equal(text_of(&a, "state"), "refund_canceled");
    }
    ask_free(&a);
}

static void refund_canceled(void **state)
{
    struct place *p = *state;
    struct ask a;
    make_charge(p, "att_1", 100, "pm_tok_refund_stays_pending", true);
    pending(p, "att_1", "rfd_1", 70);
    cancel(p, "rfd_1", NULL);
    cancel(p, "rfd_1", NULL);
    ask_inquiry(p, &a, "rfd_1");
    assert_refused(&a, 200, "RC");
    ask_free(&a);
    assert_book(p, "att_1", "captured", 100, 100, 0, 1); /* given back once */
    pending(p, "att_1", "rfd_2", 100);
    order_now(p, "/control/refunds/rfd_2", "{\"result\":\"approved\"}", 200);
    cancel(p, "rfd_2", "already_done");
    assert_book(p, "att_1", "captured", 100, 100, 100, 1);
    ask_now(p, &a, "POST", "/v2/refunds/rfd_9/cancel", "{\"reference\":\"rfd_9\"}");
    assert_int_equal(a.status, 404);
    ask_free(&a);
    order_now(p, "/control/refunds/att_1", "{\"result\":\"approved\"}", 404);
    assert_told(p, "att_1", "charge.captured refund.canceled refund.succeeded ");
}

static int64_t cleared(struct place *p, const char *reference)
{
    struct ask a;
    ask_inquiry(p, &a, reference);
    int64_t n = number_of(&a, "cleared");
    ask_free(&a);
    return n;
}

static void amounts(void **state)
{
    struct place *p = *state;
    make_charge(p, "att_1", 500, "pm_tok_amount_shift", true);
    assert_int_equal(cleared(p, "att_1"), 501);
    assert_book(p, "att_1", "captured", 500, 500, 0, 1);
    assert_told(p, "att_1", "charge.captured charge.cleared ");
    make_charge(p, "att_2", 999, "pm_tok_amount_shift_large", false);
    move(p, "att_2", "captures", "cap_1", 399, NULL);
    assert_int_equal(cleared(p, "att_2"), -1); /* more may be captured */
    move(p, "att_2", "voids", "can_1", 600, NULL);
    assert_int_equal(cleared(p, "att_2"), 498);
    make_charge(p, "att_3", 500, "pm_tok_visa", true);
    assert_int_equal(cleared(p, "att_3"), -1);
    order_now(p, "/control/charges/att_3", "{\"do\":\"clear\",\"amount\":450}", 200);
    assert_int_equal(cleared(p, "att_3"), 450);
}

static void decided_later(void **state)
{
    struct place *p = *state;
    struct ask a;
    ask_charge_with(p, &a, "att_1", 500, "pm_tok_async", false, NOTIFY);
    assert_int_equal(a.status, 202);
    assert_string_equal(text_of(&a, "result"), "pending");
    ask_free(&a);
    wait_result(p, "att_1", "approved");
    assert_held(p, "att_1", 500, 0, 0);
    assert_told(p, "att_1", "charge.authorized ");
    ask_charge_with(p, &a, "att_2", 500, "pm_tok_async", true, NOTIFY);
    ask_free(&a);
    ask_operation(p, &a, "att_2", "voids", "can_1", 500);
    assert_int_equal(a.status, 200);
    ask_free(&a);
    assert_told(p, "att_2", "void.approved charge.refused ");
    ask_charge_with(p, &a, "att_3", 500, "pm_tok_slow", true, NOTIFY);
    assert_int_equal(a.status, 200);
    ask_free(&a);
    assert_told(p, "att_3", "charge.captured "); /* once, whoever comes first */
    ask_charge_with(p, &a, "att_4", 500, "pm_tok_webhook_first", true, NOTIFY);
    assert_int_equal(a.status, 200);
    ask_free(&a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
        T(refunds_later),
        T(refund_canceled),
        T(amounts),
        T(decided_later),
    };
    crypto_init();
    wire_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

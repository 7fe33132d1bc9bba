/* What the sandbox does wrong on purpose, and what it keeps over a restart. */
#include "sandbox/sandbox_test_lib.h"

#include <stdio.h>
#include "crypto/crypto.h"
#include "sys/sys.h"

static void goes_wrong_after(void **state)
{
    struct place *p = *state;
    struct ask a;
    ask_charge(p, &a, "att_1", 100, "pm_tok_error_after", true);
    assert_int_equal(a.status, 500);
    ask_free(&a);
    ask_inquiry(p, &a, "att_1");
    assert_string_equal(text_of(&a, "result"), "approved");
    ask_free(&a);
    assert_book(p, "att_1", "captured", 100, 100, 0, 1);
    ask_charge(p, &a, "att_1", 100, "pm_tok_error_after", true);
    assert_int_equal(a.status, 200);
    ask_free(&a);
    int64_t began = sys_mono_us();
    ask_charge(p, &a, "att_2", 100, "pm_tok_timeout_after", true);
    assert_int_equal(a.status, 504);
    assert_true(sys_mono_us() - began >= TEST_HANG_MS * 1000);
    ask_free(&a);
    assert_book(p, "att_2", "captured", 100, 100, 0, 1);
}

static void goes_wrong_before(void **state)
{
    struct place *p = *state;
    struct ask a;
    ask_charge(p, &a, "att_1", 100, "pm_tok_timeout_before", true);
    assert_int_equal(a.status, 504);
    ask_free(&a);
    ask_inquiry(p, &a, "att_1");
    assert_int_equal(a.status, 404);
    assert_string_equal(text_of(&a, "code"), "not_found");
    ask_free(&a);
    assert_no_book(p, "att_1");
}

static void begin_slow(struct place *p, struct ask *a)
{
    ask_begin(p, a, "POST", "/v2/charges",
              "{\"reference\":\"att_1\",\"amount\":50,\"currency\":\"EUR\",\"source\":"
              "\"pm_tok_slow\",\"capture\":true}");
    wait_result(p, "att_1", "pending");
}

static void slow(void **state)
{
    struct place *p = *state;
    struct ask a, b;
    begin_slow(p, &a);
    assert_book(p, "att_1", "in_progress", 50, 0, 0, 1);
    ask_charge(p, &b, "att_1", 50, "pm_tok_slow", true);
    assert_string_equal(text_of(&b, "result"), "pending");
    ask_free(&b);
    ask_end(&a);
    assert_int_equal(a.status, 200);
    assert_string_equal(text_of(&a, "state"), "captured");
    ask_free(&a);
    assert_book(p, "att_1", "captured", 50, 50, 0, 2);
}

static void slow_is_reversed(void **state)
{
    struct place *p = *state;
    struct ask a, b;
    begin_slow(p, &a);
    ask_operation(p, &b, "att_1", "voids", "can_1", 50);
    assert_int_equal(b.status, 200);
    ask_free(&b);
    ask_end(&a);
    assert_refused(&a, 402, "reversed");
    ask_free(&a);
    assert_book(p, "att_1", "refused", 50, 0, 0, 1);
}

static void later_operations(void **state)
{
    static const struct {
        const char *token, *what, *reference;
        bool capture;
        int status;
    } cases[] = {
        {"pm_tok_capture_timeout_after", "captures", "cap_1", false, 504},
        {"pm_tok_capture_error_after", "captures", "cap_2", false, 500},
        {"pm_tok_capture_declined", "captures", "cap_3", false, 402},
        {"pm_tok_refund_timeout_after", "refunds", "rfd_1", true, 504},
        {"pm_tok_refund_error_after", "refunds", "rfd_2", true, 500},
        {"pm_tok_refund_declined", "refunds", "rfd_3", true, 402},
        {"pm_tok_cancel_timeout_after", "voids", "can_1", false, 504},
        {"pm_tok_cancel_error_after", "voids", "can_2", false, 500},
        {"pm_tok_cancel_declined", "voids", "can_3", false, 402},
    };
    struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ask a;
        char charge[32];
        bool refused = cases[i].status == 402;
        (void)snprintf(charge, sizeof charge, "att_%zu", i);
        ask_charge(p, &a, charge, 10, cases[i].token, cases[i].capture);
        assert_int_equal(a.status, 200);
        ask_free(&a);
        ask_operation(p, &a, charge, cases[i].what, cases[i].reference, 10);
        assert_int_equal(a.status, cases[i].status);
        ask_free(&a);
        ask_inquiry(p, &a, cases[i].reference);
        assert_string_equal(text_of(&a, "result"), refused ? "refused" : "approved");
        ask_free(&a);
        const char *done = cases[i].what[0] == 'v' ? "voided" : "captured";
        const char *status = refused && !cases[i].capture ? "authorized" : done;
        bool money = strcmp(status, "captured") == 0;
        assert_book(p, charge, status, 10, money ? 10 : 0,
                    cases[i].what[0] == 'r' && !refused ? 10 : 0, 1);
    }
}

static void faults(void **state)
{
    struct place *p = *state;
    struct ask a;
    fault(p, "{\"next\":2,\"kind\":\"error_before\",\"operation\":\"charge\"}");
    ask_inquiry(p, &a, "att_1");
    assert_int_equal(a.status, 404);
    ask_free(&a);
    for (int i = 0; i < 3; i++) {
        ask_charge(p, &a, "att_1", 10, "pm_tok_visa", true);
        assert_int_equal(a.status, i < 2 ? 500 : 200);
        ask_free(&a);
    }
    assert_book(p, "att_1", "captured", 10, 10, 0, 1);
    fault(p, "{\"next\":1,\"kind\":\"drop_after\"}");
    ask_operation(p, &a, "att_1", "refunds", "rfd_1", 10);
    assert_int_equal(a.status, 504);
    ask_free(&a);
    assert_book(p, "att_1", "captured", 10, 10, 10, 1);
    fault(p, "{\"next\":1,\"kind\":\"drop_before\",\"operation\":\"inquiry\"}");
    ask_inquiry(p, &a, "att_1");
    assert_int_equal(a.status, 504);
    ask_free(&a);
    fault(p, "{\"next\":9,\"kind\":\"error_after\"}");
    ask_charge(p, &a, "att_2", 10, "pm_tok_visa", true);
    assert_int_equal(a.status, 500);
    ask_free(&a);
    ask_now(p, &a, "DELETE", "/control/faults", NULL);
    assert_int_equal(a.status, 204);
    ask_inquiry(p, &a, "att_2");
    assert_string_equal(text_of(&a, "result"), "approved");
    ask_free(&a);
    ask_now(p, &a, "POST", "/control/faults", "{\"next\":1,\"kind\":\"explode\"}");
    assert_int_equal(a.status, 400);
    ask_free(&a);
}

static void delays(void **state)
{
    struct place *p = *state;
    struct ask a, b;
    fault(p, "{\"next\":1,\"kind\":\"delay\",\"ms\":300,\"operation\":\"charge\"}");
    ask_begin(p, &a, "POST", "/v2/charges",
              "{\"reference\":\"att_1\",\"amount\":50,\"currency\":\"EUR\",\"source\":"
              "\"pm_tok_visa\",\"capture\":false}");
    wait_result(p, "att_1", "pending");
    ask_end(&a);
    assert_string_equal(text_of(&a, "state"), "authorized");
    ask_free(&a);
    fault(p, "{\"next\":1,\"kind\":\"delay\",\"ms\":300,\"operation\":\"capture\"}");
    ask_begin(p, &a, "POST", "/v2/charges/att_1/captures",
              "{\"reference\":\"cap_1\",\"amount\":50,\"currency\":\"EUR\"}");
    wait_result(p, "cap_1", "pending");
    ask_charge(p, &b, "att_2", 1, "pm_tok_visa", true); /* nobody else waits */
    assert_false(atomic_load(&a.done));
    ask_free(&b);
    ask_end(&a);
    assert_string_equal(text_of(&a, "state"), "captured");
    ask_free(&a);
    ask_inquiry(p, &a, "cap_1");
    assert_string_equal(text_of(&a, "result"), "approved");
    ask_free(&a);
}

static void pages(void **state)
{
    struct place *p = *state;
    struct ask a;
    for (int i = 0; i < 5; i++) {
        char reference[16];
        (void)snprintf(reference, sizeof reference, "att_%d", i);
        ask_charge(p, &a, reference, 10 + i, "pm_tok_visa", true);
        ask_free(&a);
    }
    static const struct {
        const char *path, *first;
        size_t n;
        bool more;
    } cases[] = {
        {"/book", "att_0", 5, false},
        {"/book?limit=2", "att_0", 2, true},
        {"/book?limit=2&after=att_1", "att_2", 2, true},
        {"/book?after=att_3&limit=2", "att_4", 1, false},
        {"/book?limit=5", "att_0", 5, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ask_now(p, &a, "GET", cases[i].path, NULL);
        json_t *list = json_object_get(a.json, "charges");
        assert_int_equal(json_array_size(list), cases[i].n);
        assert_string_equal(
            json_string_value(json_object_get(json_array_get(list, 0), "reference")),
            cases[i].first);
        assert_int_equal(json_is_true(json_object_get(a.json, "has_more")), cases[i].more);
        ask_free(&a);
    }
}

/* Those who wait are answered when it stops, and what it said before holds afterwards. */
static void restart(void **state)
{
    struct place *p = *state;
    struct ask a, b;
    ask_charge(p, &b, "att_0", 77, "pm_tok_visa", true);
    begin_slow(p, &a);
    place_stop(p);
    ask_end(&a);
    assert_int_equal(a.status, 503);
    ask_free(&a);
    place_start(p);
    ask_charge(p, &a, "att_0", 77, "pm_tok_visa", true);
    assert_true(json_equal(a.json, b.json));
    ask_free(&a);
    ask_free(&b);
    assert_book(p, "att_0", "captured", 77, 77, 0, 2);
    assert_book(p, "att_1", "captured", 50, 50, 0, 1);
    ask_now(p, &a, "GET", "/healthz", NULL);
    assert_int_equal(a.status, 200);
    ask_free(&a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
        T(goes_wrong_after),
        T(goes_wrong_before),
        T(slow),
        T(slow_is_reversed),
        T(later_operations),
        T(faults),
        T(delays),
        T(pages),
        T(restart),
    };
    crypto_init();
    wire_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The sandbox as its callers see it: over HTTP. */
#include "sandbox/sandbox_test_lib.h"

#include <stdio.h>
#include "crypto/crypto.h"
#include "sys/sys.h"

static void approves(void **state)
{
    struct place *p = *state;
    struct ask a, b;
    ask_charge(p, &a, "att_1", 9232, "pm_tok_visa", true);
    assert_int_equal(a.status, 200);
    assert_string_equal(text_of(&a, "result"), "approved");
    assert_string_equal(text_of(&a, "state"), "captured");
    assert_string_equal(text_of(&a, "reference"), "att_1");
    assert_string_equal(text_of(&a, "currency"), "EUR");
    assert_int_equal(number_of(&a, "amount"), 9232);
    assert_int_equal(strncmp(text_of(&a, "charge_id"), "ch_", 3), 0);
    assert_int_equal(strlen(text_of(&a, "auth_code")), 6);
    assert_true(strlen(text_of(&a, "network_reference")) > 8);
    ask_inquiry(p, &b, "att_1");
    assert_int_equal(b.status, 200);
    assert_true(json_equal(a.json, b.json));
    ask_free(&a);
    ask_free(&b);
    assert_book(p, "att_1", "captured", 9232, 9232, 0, 1);
    ask_charge(p, &a, "att_2", 1, "pm_tok_mastercard", false);
    assert_string_equal(text_of(&a, "state"), "authorized");
    ask_free(&a);
    assert_book(p, "att_2", "authorized", 1, 0, 0, 1);
    ask_charge(p, &a, "att_3", 500, "pm_tok_amount_mismatch", true);
    assert_int_equal(number_of(&a, "amount"), 501);
    ask_free(&a);
    assert_book(p, "att_3", "captured", 501, 501, 0, 1);
    ask_charge(p, &a, "att_3", 500, "pm_tok_amount_mismatch", true);
    assert_int_equal(number_of(&a, "amount"), 501);
    ask_free(&a);
}

static void refuses(void **state)
{
    static const struct {
        const char *token, *code;
    } cases[] = {
        {"pm_tok_declined_insufficient_funds", "51"},
        {"pm_tok_declined_do_not_honor", "05"},
        {"pm_tok_declined_stolen_card", "43"},
        {"pm_tok_declined_lost_card", "41"},
        {"pm_tok_declined_expired_card", "54"},
        {"pm_tok_declined_incorrect_cvc", "N7"},
        {"pm_tok_declined_limit_exceeded", "61"},
        {"pm_tok_declined_risk_decline", "59"},
        {"pm_tok_declined_bank_unavailable", "91"},
        {"pm_tok_declined_authentication_failed", "1A"},
        {"pm_tok_declined_authentication_canceled", "1C"},
        {"pm_tok_declined_authentication_expired", "1E"},
        {"pm_tok_declined_invalid_account", "14"},
        {"pm_tok_declined_not_permitted", "57"},
        {"pm_tok_declined_provider_unavailable", "96"},
        {"pm_tok_declined_provider_timeout", "98"},
        {"pm_tok_declined_generic_decline", "G0"},
        {"pm_tok_3ds_soft_decline", "1S"},
        {"pm_tok_ideal", "57"},
        {"pm_tok_what", "14"},
    };
    struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ask a;
        char reference[32];
        (void)snprintf(reference, sizeof reference, "att_no_%zu", i);
        ask_charge(p, &a, reference, 100, cases[i].token, true);
        assert_refused(&a, 402, cases[i].code);
        ask_free(&a);
        ask_inquiry(p, &a, reference);
        assert_refused(&a, 200, cases[i].code);
        ask_free(&a);
        assert_book(p, reference, "refused", 100, 0, 0, 1);
    }
}

static void malformed(void **state)
{
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "{\"reference\":\"a\",\"amount\":1,\"currency\":\"EUR\"}",
        "{\"reference\":\"a\",\"amount\":0,\"currency\":\"EUR\",\"source\":\"pm_tok_visa\"}",
        "{\"reference\":\"a\",\"amount\":1.5,\"currency\":\"EUR\",\"source\":\"pm_tok_visa\"}",
        "{\"reference\":\"a\",\"amount\":1,\"currency\":\"eur\",\"source\":\"pm_tok_visa\"}",
        "{\"reference\":\"a b\",\"amount\":1,\"currency\":\"EUR\",\"source\":\"pm_tok_visa\"}",
        "{\"reference\":\"a\",\"amount\":1,\"currency\":\"EUR\",\"source\":\"pm_tok_visa\",\"x\":"
        "1}",
    };
    struct place *p = *state;
    struct ask a;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        ask_now(p, &a, "POST", "/v2/charges", bodies[i]);
        assert_int_equal(a.status, 400);
        assert_string_equal(text_of(&a, "code"), "invalid_request");
        ask_free(&a);
    }
    ask_now(p, &a, "GET", "/book?limit=1001", NULL);
    assert_int_equal(a.status, 400);
    ask_free(&a);
    assert_no_book(p, "a");
    static const char *const none[] = {NULL};
    ask_begin(p, &a, "GET", "/v2/operations/x", NULL);
    ask_end(&a);
    ask_free(&a);
    struct ask plain = {.call = a.call};
    (void)snprintf(plain.url, sizeof plain.url, "%s", a.url);
    plain.call.url = plain.url;
    plain.call.headers = none;
    plain.call.arg = &plain;
    http_client_call(p->client, &plain.call);
    ask_end(&plain);
    assert_int_equal(plain.status, 401);
    ask_free(&plain);
}

static void same_reference(void **state)
{
    struct place *p = *state;
    struct ask a, b;
    ask_charge(p, &a, "att_1", 700, "pm_tok_visa", true);
    ask_charge(p, &b, "att_1", 700, "pm_tok_visa", true);
    assert_int_equal(b.status, 200);
    assert_true(json_equal(a.json, b.json));
    ask_free(&a);
    ask_free(&b);
    assert_book(p, "att_1", "captured", 700, 700, 0, 2);
    ask_charge(p, &a, "att_1", 701, "pm_tok_visa", true);
    assert_int_equal(a.status, 409);
    assert_string_equal(text_of(&a, "code"), "reference_reused");
    ask_free(&a);
    ask_operation(p, &a, "att_1", "refunds", "att_1", 700);
    assert_int_equal(a.status, 409);
    ask_free(&a);
    ask_operation(p, &a, "att_1", "refunds", "rfd_1", 300);
    assert_int_equal(a.status, 200);
    ask_operation(p, &b, "att_1", "refunds", "rfd_1", 300);
    assert_true(json_equal(a.json, b.json));
    ask_free(&a);
    ask_free(&b);
    ask_operation(p, &a, "att_1", "refunds", "rfd_1", 301);
    assert_int_equal(a.status, 409);
    ask_free(&a);
    ask_charge(p, &a, "rfd_1", 300, "pm_tok_visa", true);
    assert_int_equal(a.status, 409);
    ask_free(&a);
    assert_no_book(p, "rfd_1");
    ask_charge(p, &a, "att_2", 5, "pm_tok_declined_do_not_honor", true);
    ask_free(&a);
    ask_charge(p, &a, "att_2", 5, "pm_tok_visa", true);
    assert_refused(&a, 402, "05");
    ask_free(&a);
}

#define AT_ONCE 64

static void same_reference_at_once(void **state)
{
    static struct ask all[AT_ONCE];
    struct place *p = *state;
    for (size_t i = 0; i < AT_ONCE; i++)
        ask_begin(p, &all[i], "POST", "/v2/charges",
                  "{\"reference\":\"att_same\",\"amount\":50,\"currency\":\"EUR\",\"source\":"
                  "\"pm_tok_visa\",\"capture\":true}");
    for (size_t i = 0; i < AT_ONCE; i++) {
        ask_end(&all[i]);
        assert_int_equal(all[i].status, 200);
        assert_true(json_equal(all[0].json, all[i].json));
    }
    for (size_t i = 0; i < AT_ONCE; i++)
        ask_free(&all[i]);
    assert_book(p, "att_same", "captured", 50, 50, 0, AT_ONCE);
}

/* Different references for the same money: the guards hold in a race, too. */
static void refunds_at_once(void **state)
{
    static struct ask all[AT_ONCE];
    struct place *p = *state;
    struct ask a;
    int approved = 0;
    ask_charge(p, &a, "att_1", 100, "pm_tok_visa", true);
    ask_free(&a);
    for (int i = 0; i < AT_ONCE; i++) {
        char body[120];
        (void)snprintf(body, sizeof body,
                       "{\"reference\":\"rfd_%d\",\"amount\":30,\"currency\":\"EUR\"}", i);
        ask_begin(p, &all[i], "POST", "/v2/charges/att_1/refunds", body);
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
        ask_end(&all[i]);
        approved += all[i].status == 200;
        if (all[i].status != 200)
            assert_refused(&all[i], 402, "amount_exceeds");
        ask_free(&all[i]);
    }
    assert_int_equal(approved, 3);
    assert_book(p, "att_1", "captured", 100, 100, 90, 1);
}

static void step(struct place *p, const char *what, const char *reference, int64_t amount,
                 const char *code)
{
    struct ask a;
    ask_operation(p, &a, "att_1", what, reference, amount);
    if (code) {
        assert_refused(&a, 402, code);
    } else {
        assert_int_equal(a.status, 200);
        assert_int_equal(number_of(&a, "amount"), amount);
        assert_int_equal(strncmp(text_of(&a, "operation_id"), "op_", 3), 0);
        assert_int_equal(strncmp(text_of(&a, "charge_id"), "ch_", 3), 0);
    }
    ask_free(&a);
}

static void captures_and_refunds(void **state)
{
    struct place *p = *state;
    struct ask a;
    ask_charge(p, &a, "att_1", 1000, "pm_tok_visa", false);
    ask_free(&a);
    step(p, "refunds", "rfd_0", 1, "not_captured");
    step(p, "captures", "cap_0", 1001, "amount_exceeds");
    assert_book(p, "att_1", "authorized", 1000, 0, 0, 1);
    step(p, "captures", "cap_1", 600, NULL);
    step(p, "captures", "cap_2", 401, "amount_exceeds");
    step(p, "voids", "can_0", 1000, NULL);
    step(p, "captures", "cap_3", 400, "already_captured");
    step(p, "voids", "can_1", 1000, "already_captured");
    assert_book(p, "att_1", "captured", 1000, 600, 0, 1);
    step(p, "refunds", "rfd_1", 400, NULL);
    step(p, "refunds", "rfd_2", 201, "amount_exceeds");
    step(p, "refunds", "rfd_3", 200, NULL);
    step(p, "refunds", "rfd_4", 1, "amount_exceeds");
    assert_book(p, "att_1", "captured", 1000, 600, 600, 1);
    ask_inquiry(p, &a, "rfd_2");
    assert_refused(&a, 200, "amount_exceeds");
    ask_free(&a);
    ask_inquiry(p, &a, "cap_1");
    assert_string_equal(text_of(&a, "state"), "captured");
    assert_int_equal(number_of(&a, "amount"), 600);
    ask_free(&a);
    ask_operation(p, &a, "att_none", "captures", "cap_9", 1);
    assert_int_equal(a.status, 404);
    ask_free(&a);
    ask_now(p, &a, "POST", "/v2/charges/att_1/refunds",
            "{\"reference\":\"rfd_9\",\"amount\":1,\"currency\":\"USD\"}");
    assert_int_equal(a.status, 400);
    ask_free(&a);
}

static void voids(void **state)
{
    struct place *p = *state;
    struct ask a;
    ask_charge(p, &a, "att_1", 1000, "pm_tok_visa", false);
    ask_free(&a);
    step(p, "voids", "can_1", 1000, NULL);
    step(p, "voids", "can_1", 1000, NULL);
    step(p, "voids", "can_2", 1000, "already_voided");
    step(p, "captures", "cap_1", 1000, "already_voided");
    step(p, "refunds", "rfd_1", 1000, "not_captured");
    assert_book(p, "att_1", "voided", 1000, 0, 0, 1);
    /* ahead of its charge */
    ask_operation(p, &a, "att_2", "voids", "can_3", 80);
    assert_int_equal(a.status, 200);
    assert_string_equal(text_of(&a, "state"), "voided");
    ask_free(&a);
    assert_no_book(p, "att_2");
    ask_inquiry(p, &a, "att_2");
    assert_int_equal(a.status, 404);
    assert_string_equal(text_of(&a, "code"), "not_found");
    ask_free(&a);
    for (int calls = 1; calls <= 2; calls++) {
        ask_charge(p, &a, "att_2", 80, "pm_tok_visa", true);
        assert_refused(&a, 402, "reversed");
        ask_free(&a);
        assert_book(p, "att_2", "refused", 80, 0, 0, calls);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
        T(approves),
        T(refuses),
        T(malformed),
        T(same_reference),
        T(same_reference_at_once),
        T(refunds_at_once),
        T(captures_and_refunds),
        T(voids),
    };
    crypto_init();
    wire_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

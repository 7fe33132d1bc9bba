/* What cards bring: customers, captures in parts, holds, disputes, webhooks. */
#include "sim/provider_test_support.h"

static void a_challenge_is_completed_by_a_confirm(void **state)
{
    (void)state;
    assert_int_equal(charge_with("pm_tok_3ds_challenge", "att_1", 500, false), 202);
    assert_true(says("\"result\":\"action\"") && says("\"type\":\"challenge\""));
    assert_int_equal(operate("confirm", "att_1", "att_1", 500), 202);
    assert_int_equal(entry("att_1")->state, BOOK_ACTION);
    pass(4 * SECOND_US);
    assert_int_equal(stage.pages, 1);
    assert_int_equal(entry("att_1")->effects, 0);
    assert_int_equal(operate("confirm", "att_1", "att_1", 501), 409);
    assert_int_equal(operate("confirm", "att_1", "att_1", 500), 200);
    assert_true(says("\"state\":\"authorized\"") && says("\"flow\":\"challenge\""));
    assert_int_equal(entry("att_1")->held, 500);
    assert_int_equal(operate("confirm", "att_1", "att_1", 500), 200);
    assert_int_equal(entry("att_1")->effects, 1);
    assert_int_equal(charge_with("pm_tok_3ds_open", "att_2", 500, true), 202);
    pass(31 * SECOND_US);
    assert_int_equal(operate("confirm", "att_2", "att_2", 500), 402);
    assert_true(says("\"code\":\"1E\""));
    assert_int_equal(charge_with("pm_tok_3ds_open", "att_3", 500, true), 202);
    assert_int_equal(operate("voids", "att_3", "can_3", 500), 200);
    assert_int_equal(inquire("att_3"), 200);
    assert_true(says("\"code\":\"1V\"") && entry("att_3")->voided);
    assert_int_equal(charge_with("pm_tok_3ds_soft_decline", "att_4", 500, true), 402);
    assert_true(says("\"code\":\"1S\""));
}

static void a_hold_is_taken_and_released_in_parts(void **state)
{
    (void)state;
    assert_int_equal(charge_eur("att_1", 500, false), 200);
    assert_int_equal(operate("increments", "att_1", "inc_1", 100), 200);
    assert_true(says("\"state\":\"incremented\""));
    assert_int_equal(operate("captures", "att_1", "cap_1", 200), 200);
    assert_int_equal(operate("increments", "att_1", "inc_2", 100), 402);
    assert_true(says("already_captured"));
    assert_int_equal(operate("voids", "att_1", "can_1", 150), 200);
    assert_int_equal(entry("att_1")->held, 250);
    assert_int_equal(operate("captures", "att_1", "cap_2", 251), 402);
    assert_true(says("amount_exceeds") && entry("cap_2")->exceeded);
    assert_int_equal(request("POST", "/v2/charges/att_1/captures",
                             "{\"reference\":\"cap_3\",\"amount\":100,\"currency\":\"EUR\","
                             "\"final\":true}"),
                     200);
    assert_int_equal(entry("att_1")->held, 0);
    assert_int_equal(entry("att_1")->captured, 300);
    assert_int_equal(entry("att_1")->captures, 2);
    assert_false(entry("att_1")->voided);
    assert_int_equal(operate("captures", "att_1", "cap_4", 1), 402);
    assert_true(says("already_captured"));
    assert_int_equal(request("POST", "/v2/charges/att_1/captures",
                             "{\"reference\":\"cap_5\",\"amount\":-5,\"currency\":\"EUR\"}"),
                     400);
}

static void a_hold_ends(void **state)
{
    (void)state;
    assert_int_equal(charge_with("pm_tok_hold_short", "att_1", 500, false), 200);
    assert_true(says("\"capture_before\":"));
    assert_int_equal(operate("captures", "att_1", "cap_1", 200), 200);
    pass(4 * SECOND_US);
    assert_true(entry("att_1")->expired && entry("att_1")->held == 0);
    assert_int_equal(inquire("att_1"), 200);
    assert_true(says("\"state\":\"expired\""));
    assert_int_equal(operate("captures", "att_1", "cap_2", 100), 402);
    assert_true(says("hold_expired"));
    assert_int_equal(operate("refunds", "att_1", "rfd_1", 200), 200);
}

static void refunds_end_in_every_way(void **state)
{
    const struct provider_profile back = {.refund_back = 1000};
    (void)state;
    assert_int_equal(charge_with("pm_tok_refund_pending", "att_1", 500, true), 200);
    assert_int_equal(operate("refunds", "att_1", "rfd_1", 300), 202);
    assert_int_equal(request("POST", "/v2/refunds/rfd_1/cancel", "{\"reference\":\"rfd_1\"}"), 200);
    assert_true(says("refund_canceled") && entry("rfd_1")->canceled);
    assert_int_equal(inquire("rfd_1"), 200);
    assert_true(says("\"code\":\"RC\""));
    assert_int_equal(operate("refunds", "att_1", "rfd_2", 500), 202);
    pass(21 * SECOND_US);
    assert_int_equal(entry("att_1")->refunded, 500);
    assert_int_equal(request("POST", "/v2/refunds/rfd_2/cancel", "{\"reference\":\"rfd_2\"}"), 402);
    assert_true(says("already_done"));
    with_faults(&back, 3);
    assert_int_equal(charge_eur("att_2", 500, true), 200);
    assert_int_equal(operate("refunds", "att_2", "rfd_3", 500), 200);
    assert_int_equal(entry("att_2")->refunded, 500);
    pass(31 * SECOND_US);
    assert_int_equal(entry("att_2")->refunded, 0);
    assert_int_equal(inquire("rfd_3"), 200);
    assert_true(says("\"after_success\":true") && entry("rfd_3")->returned);
    assert_int_equal(operate("refunds", "att_2", "rfd_4", 500), 200);
}

static void evidence_decides_a_dispute(void **state)
{
    char path[100];
    (void)state;
    for (int i = 0; i < 8; i++) {
        char reference[16];
        (void)snprintf(reference, sizeof reference, "att_%d", i);
        assert_int_equal(charge_with("pm_tok_dispute_fraud", reference, 500, true), 200);
    }
    pass(SECOND_US);
    assert_int_equal(provider_disputes(p), 8);
    const size_t i = 0;
    const struct book_dispute *d = provider_dispute(p, i);
    assert_true(d->withdrawn && entry(d->charge)->disputed == d->amount);
    (void)snprintf(path, sizeof path, "/v2/disputes/%s/evidence", d->id);
    assert_int_equal(request("POST", path,
                             "{\"reference\":\"dsp_1\",\"evidence\":{\"uncategorized_text\":"
                             "\"winning_evidence\"}}"),
                     200);
    assert_true(says("\"status\":\"won\"") && says("\"funds\":\"returned\""));
    assert_int_equal(d->version, 3);
    assert_int_equal(entry(d->charge)->disputed, 0);
    assert_int_equal(request("POST", path,
                             "{\"reference\":\"dsp_1\",\"evidence\":{\"uncategorized_text\":"
                             "\"winning_evidence\"}}"),
                     200);
    assert_int_equal(d->evidence, 1);
    (void)snprintf(path, sizeof path, "/v2/disputes/%s/accept", d->id);
    assert_int_equal(request("POST", path, "{}"), 402);
    assert_true(says("dispute_closed"));
    provider_freeze(p, true);
    size_t k = i == 0 ? 1 : 0;
    (void)snprintf(path, sizeof path, "/v2/disputes/%s/accept", provider_dispute(p, k)->id);
    assert_int_equal(request("POST", path, ""), 200);
    assert_int_equal(request("POST", path, ""), 200);
    assert_int_equal(provider_dispute(p, k)->accepts, 1);
    assert_int_equal(operate("refunds", provider_dispute(p, k)->charge, "rfd_1", 500), 402);
    assert_true(says("\"disputed\""));
}

static void webhooks_are_signed_and_repeated(void **state)
{
    (void)state;
    stage.status = 503;
    assert_int_equal(charge_with("pm_tok_visa", "att_1", 500, true), 200);
    pass(3 * SECOND_US);
    assert_true(stage.visits > 1);
    assert_string_equal(stage.path, "/webhooks/pac_1");
    assert_non_null(strstr(stage.headers, "Sandbox-Signature: t=17640000"));
    assert_non_null(strstr(stage.body, "\"type\":\"charge.captured\""));
    assert_non_null(strstr(stage.body, "\"object\":\"charge\",\"result\":\"approved\""));
    assert_int_equal(provider_notice(p, 0)->acked, 0);
    stage.status = 200;
    pass(20 * SECOND_US);
    assert_int_equal(provider_notice(p, 0)->acked, 1);
    int visits = stage.visits;
    pass(100 * SECOND_US);
    assert_int_equal(stage.visits, visits);
    assert_ptr_equal(provider_notice_find(p, STR("ev_00000000000000000000000000")),
                     provider_notice(p, 0));
}

static void others_must_be_refused(void **state)
{
    const struct provider_profile wild = {.forge = 1000, .notice_twice = 1000};
    (void)state;
    with_faults(&wild, 7);
    stage.status = 403;
    for (int i = 0; i < 20; i++) {
        char reference[16];
        (void)snprintf(reference, sizeof reference, "att_%d", i);
        assert_int_equal(charge_with("pm_tok_visa", reference, 500, true), 200);
    }
    pass(100 * SECOND_US);
    bool seen[NOTICE_MALFORMED + 1] = {false};
    for (size_t i = 0; i < provider_notices(p); i++) {
        const struct notice *n = provider_notice(p, i);
        seen[n->way] = true;
        assert_true(n->given_up && n->acked == 0);
        assert_int_equal(n->tries, n->way == NOTICE_GENUINE ? 6 : 1);
    }
    for (int way = 0; way <= NOTICE_MALFORMED; way++)
        assert_true(seen[way]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_challenge_is_completed_by_a_confirm),
        TEST(a_hold_is_taken_and_released_in_parts),
        TEST(a_hold_ends),
        TEST(refunds_end_in_every_way),
        TEST(evidence_decides_a_dispute),
        TEST(webhooks_are_signed_and_repeated),
        TEST(others_must_be_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

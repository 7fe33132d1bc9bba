/* What stands outside of Florin must be right itself: the acquirer's book is sound, whatever its
 * answers are like. */
#include "sim/provider_test_support.h"

static void a_reference_is_taken_once(void **state)
{
    char first[sizeof text];
    (void)state;
    assert_int_equal(charge_eur("att_1", 500, true), 200);
    assert_true(says("\"result\":\"approved\"") && says("\"state\":\"captured\""));
    assert_true(says("\"reference\":\"att_1\"") && says("\"amount\":500") &&
                says("\"currency\":\"EUR\""));
    memcpy(first, text, sizeof first);
    assert_int_equal(charge_eur("att_1", 500, true), 200);
    assert_string_equal(text, first);
    assert_int_equal(inquire("att_1"), 200);
    assert_string_equal(text, first);
    assert_int_equal(charge_eur("att_1", 501, true), 409);
    assert_true(says("reference_reused"));
    assert_int_equal(charge_eur("att_1", 500, false), 409);
    assert_int_equal(operate("refunds", "att_1", "att_1", 500), 400);
    assert_int_equal(entry("att_1")->requests, 4);
    assert_int_equal(entry("att_1")->effects, 1);
    assert_int_equal(entry("att_1")->captured, 500);
    assert_string_equal(entry("att_1")->key, "prov_1");
    assert_int_equal(operate("refunds", "att_1", "rfd_1", 200), 200);
    assert_int_equal(operate("refunds", "att_1", "rfd_1", 200), 200);
    assert_int_equal(entry("att_1")->refunded, 200);
    assert_int_equal(charge_eur("rfd_1", 200, true), 409);
    assert_int_equal(provider_entries(p), 2);
    assert_ptr_equal(provider_entry(p, 0), entry("att_1"));
}

static void guards_hold(void **state)
{
    (void)state;
    assert_int_equal(charge_eur("att_1", 500, false), 200);
    assert_true(says("\"state\":\"authorized\""));
    assert_int_equal(operate("refunds", "att_1", "rfd_0", 1), 402);
    assert_true(says("\"code\":\"not_captured\"") && says("\"reference\":\"rfd_0\""));
    assert_int_equal(operate("captures", "att_1", "cap_0", 501), 402);
    assert_true(says("amount_exceeds"));
    assert_int_equal(operate("captures", "att_1", "cap_1", 500), 200);
    assert_true(says("\"state\":\"captured\"") && says("\"operation_id\":\"op_"));
    assert_int_equal(operate("captures", "att_1", "cap_2", 500), 402);
    assert_true(says("already_captured"));
    assert_int_equal(operate("voids", "att_1", "can_1", 500), 402);
    assert_true(says("already_captured"));
    assert_int_equal(inquire("att_1"), 200); /* the first answer stays */
    assert_true(says("\"state\":\"authorized\""));
    assert_int_equal(operate("refunds", "att_1", "rfd_1", 300), 200);
    assert_int_equal(operate("refunds", "att_1", "rfd_2", 201), 402);
    assert_true(says("amount_exceeds"));
    assert_int_equal(inquire("rfd_2"), 200);
    assert_true(says("amount_exceeds"));
    assert_int_equal(operate("refunds", "att_1", "rfd_3", 200), 200);
    assert_int_equal(entry("att_1")->refunded, 500);
    assert_int_equal(entry("rfd_2")->effects, 0);
}

static void a_void_releases_or_comes_first(void **state)
{
    (void)state;
    assert_int_equal(charge_eur("att_1", 500, false), 200);
    assert_int_equal(operate("voids", "att_1", "can_1", 500), 200);
    assert_true(says("\"state\":\"voided\"") && entry("att_1")->voided);
    assert_int_equal(operate("captures", "att_1", "cap_1", 500), 402);
    assert_true(says("already_voided"));
    assert_int_equal(operate("voids", "att_1", "can_2", 500), 402);
    assert_int_equal(operate("voids", "att_2", "can_3", 500), 200);
    assert_null(provider_find(p, STR("att_2")));
    assert_int_equal(inquire("att_2"), 404);
    assert_int_equal(operate("captures", "att_2", "cap_2", 500), 404);
    assert_int_equal(operate("voids", "att_2", "can_4", 500), 402);
    assert_true(says("\"code\":\"reversed\""));
    assert_int_equal(charge_eur("att_2", 500, true), 402);
    assert_true(says("\"code\":\"reversed\""));
    assert_int_equal(entry("att_2")->effects, 0);
    assert_true(entry("att_2")->voided && entry("att_2")->captured == 0);
    assert_int_equal(charge_eur("att_2", 500, true), 402);
    assert_int_equal(entry("att_2")->requests, 2);
    assert_int_equal(inquire("att_2"), 200);
    assert_true(says("\"code\":\"reversed\""));
}

static void what_is_malformed_leaves_nothing(void **state)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{\"reference\":\"a\",\"amount\":1,\"currency\":\"EUR\"}",
        "{\"reference\":\"a b\",\"amount\":1,\"currency\":\"EUR\",\"source\":\"x\"}",
        "{\"reference\":\"a\",\"amount\":0,\"currency\":\"EUR\",\"source\":\"x\"}",
        "{\"reference\":\"a\",\"amount\":1.0,\"currency\":\"EUR\",\"source\":\"x\"}",
        "{\"reference\":\"a\",\"amount\":\"1\",\"currency\":\"EUR\",\"source\":\"x\"}",
        "{\"reference\":\"a\",\"amount\":1,\"currency\":\"eur\",\"source\":\"x\"}",
        "{\"reference\":\"a\",\"amount\":1,\"currency\":\"EUR\",\"source\":\"x\",\"colour\":1}",
    };
    static const char *const nobody[] = {"Accept: application/json", NULL};
    struct buf out = BUF(1000);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        assert_int_equal(request("POST", "/v2/charges", bodies[i]), 400);
    assert_int_equal(provider_request(p, T0, "GET", STR("/v2/operations/a"), nobody, STR(""), &out),
                     401);
    buf_free(&out);
    assert_int_equal(request("GET", "/v2/charges", ""), 405);
    assert_int_equal(request("POST", "/v2/charges/a/gifts", "{}"), 404);
    assert_int_equal(operate("refunds", "att_1", "rfd_1", 1), 404);
    assert_true(says("not_found"));
    assert_int_equal(inquire("rfd_1"), 404);
    assert_int_equal(charge_eur("att_1", 5, true), 200);
    assert_int_equal(request("POST", "/v2/charges/att_1/refunds",
                             "{\"reference\":\"rfd_1\",\"amount\":5,\"currency\":\"CHF\"}"),
                     400);
    assert_int_equal(provider_entries(p), 1);
}

static void what_is_pending_is_decided_in_time(void **state)
{
    const struct provider_profile slow = {.pending = 1000, .pending_ms = 1000};
    (void)state;
    with_faults(&slow, 2);
    assert_int_equal(charge_eur("att_1", 500, true), 202);
    assert_true(says("{\"result\":\"pending\",\"reference\":\"att_1\"}"));
    assert_int_equal(charge_eur("att_2", 500, true), 202);
    assert_int_equal(inquire("att_1"), 200);
    assert_true(says("\"result\":\"pending\""));
    assert_int_equal(entry("att_1")->effects, 0);
    provider_heal(p);
    assert_int_equal(operate("captures", "att_2", "cap_2", 500), 402);
    assert_true(says("\"code\":\"96\""));
    assert_int_equal(operate("voids", "att_2", "can_2", 500), 200);
    assert_int_equal(entry("att_2")->state, BOOK_REFUSED);
    provider_tick(p, T0 + 1000001);
    assert_int_equal(entry("att_1")->state, BOOK_DONE);
    assert_int_equal(entry("att_1")->captured, 500);
    assert_int_equal(charge_eur("att_1", 500, true), 200);
    assert_int_equal(charge_eur("att_2", 500, true), 402);
    assert_true(says("\"code\":\"reversed\""));
    assert_int_equal(entry("att_2")->effects, 0);
}

static void a_lie_is_in_the_answer_only(void **state)
{
    const struct provider_profile liar = {.lie = 1000};
    char reference[20];
    (void)state;
    with_faults(&liar, 3);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(reference, sizeof reference, "att_%d", i);
        assert_int_equal(charge_eur(reference, 500, true), 200);
        assert_true(says("\"result\":\"approved\""));
        assert_false(says("\"amount\":500,") && says("\"currency\":\"EUR\""));
        assert_int_equal(inquire(reference), 200);
        assert_true(says("\"amount\":500,") && says("\"currency\":\"EUR\""));
        assert_int_equal(entry(reference)->captured, 500);
    }
}

/* --- what a careful reader may believe, as in connectors/sandbox --- */
enum belief { NOTHING, BELIEVE_DONE, BELIEVE_REFUSED, BELIEVE_PENDING, BELIEVE_NOT_FOUND };

static enum belief belief_of(int status, const char *reference, int64_t *ret_amount)
{
    json_t *j = json_loads(text, 0, NULL);
    enum belief belief = NOTHING;
    const char *of = json_string_value(json_object_get(j, "reference"));
    const char *result = json_string_value(json_object_get(j, "result"));
    const char *code = json_string_value(json_object_get(j, "code"));
    if (status == 404 && code && strcmp(code, "not_found") == 0)
        belief = BELIEVE_NOT_FOUND;
    if ((status == 200 || status == 402) && of && result && strcmp(of, reference) == 0) {
        if (strcmp(result, "refused") == 0)
            belief = BELIEVE_REFUSED;
        else if (strcmp(result, "pending") == 0)
            belief = BELIEVE_PENDING;
        else if (status == 200 && json_object_get(j, "state"))
            belief = BELIEVE_DONE;
    }
    *ret_amount = json_integer_value(json_object_get(j, "amount"));
    json_decref(j);
    return belief;
}

static void garbage_says_nothing(void **state)
{
    const struct provider_profile mad = {.garbage = 1000, .decline = 300};
    char reference[20];
    int64_t amount;
    int done = 0;
    (void)state;
    with_faults(&mad, 4);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(reference, sizeof reference, "att_%d", i / 2);
        assert_int_equal(belief_of(charge_eur(reference, 500, true), reference, &amount), NOTHING);
        assert_int_equal(belief_of(inquire(reference), reference, &amount), NOTHING);
    }
    for (size_t i = 0; i < provider_entries(p); i++)
        done += provider_entry(p, i)->effects;
    assert_in_range(done, 50, 400);
}

/* --- a storm --- */
static void check_belief(int status, const char *reference, int64_t amount, bool inquiry)
{
    const struct book_entry *e = provider_find(p, str_from(reference));
    int64_t told;
    switch (belief_of(status, reference, &told)) {
    case BELIEVE_DONE:
        assert_true(e && e->state == BOOK_DONE && e->effects == 1);
        assert_true(!inquiry || told == amount);
        break;
    case BELIEVE_REFUSED:
        assert_true(e && e->state == BOOK_REFUSED && e->effects == 0);
        break;
    case BELIEVE_PENDING:
        assert_true(e && e->state == BOOK_PENDING && e->effects == 0);
        break;
    case BELIEVE_NOT_FOUND:
        assert_null(e);
        break;
    case NOTHING:
        break;
    }
}

/* What captures and refunds that were carried out come to. */
static void check_book(void)
{
    for (size_t i = 0; i < provider_entries(p); i++) {
        const struct book_entry *e = provider_entry(p, i);
        int64_t captured = e->capture && e->effects ? e->amount : 0, refunded = 0;
        bool voided = false;
        assert_int_equal(e->effects, e->state == BOOK_DONE);
        assert_true(e->requests > 0);
        if (e->kind != BOOK_CHARGE)
            continue;
        for (size_t k = 0; k < provider_entries(p); k++) {
            const struct book_entry *o = provider_entry(p, k);
            if (strcmp(o->charge, e->reference) != 0 || o == e || o->state != BOOK_DONE)
                continue;
            captured += o->kind == BOOK_CAPTURE ? o->amount : 0;
            refunded += o->kind == BOOK_REFUND ? o->amount : 0;
            assert_false(o->kind == BOOK_VOID && voided);
            voided = voided || o->kind == BOOK_VOID;
        }
        assert_int_equal(e->captured, captured);
        assert_int_equal(e->refunded, refunded);
        assert_int_equal(e->voided, voided);
        assert_true(refunded <= captured && captured <= e->amount);
        assert_true(!voided || captured == 0);
    }
}

static uint64_t storm(uint8_t seed, int requests, size_t *ret_entries)
{
    static const char *const whats[] = {"captures", "voids", "refunds"};
    const struct provider_profile wild = {.decline = 100,
                                          .refuse_later = 100,
                                          .error_before = 100,
                                          .error_after = 100,
                                          .garbage = 100,
                                          .lie = 100,
                                          .pending = 200,
                                          .pending_ms = 2000,
                                          .forget = 100};
    struct det rng = seeded((uint8_t)(seed + 100));
    uint64_t hash = 0;
    with_faults(&wild, seed);
    for (int i = 0; i < requests; i++) {
        char charge[20], reference[40];
        int number = (int)det_below(&rng, (uint64_t)requests / 8);
        size_t what = (size_t)det_below(&rng, 5);
        int status, amount = 100 + number;
        stage.now_us += (int64_t)det_below(&rng, 200000);
        (void)snprintf(charge, sizeof charge, "att_%d", number);
        (void)snprintf(reference, sizeof reference, "%s", charge);
        if (what >= COUNT_OF(whats)) {
            status = charge_eur(charge, amount, number % 2 == 0);
        } else {
            unsigned copy = (unsigned)det_below(&rng, 2);
            amount = what == 2 ? 60 : amount;
            (void)snprintf(reference, sizeof reference, "op_%zu_%u_%d", what, copy, number);
            status = operate(whats[what], charge, reference, amount);
        }
        hash = hash * 31 + (uint64_t)status + (uint64_t)text[0] + strlen(text);
        if (status != 404)
            check_belief(status, reference, amount, false);
        status = inquire(reference);
        check_belief(status, reference, amount, true);
        hash = hash * 31 + (uint64_t)status + strlen(text);
    }
    provider_heal(p);
    provider_tick(p, stage.now_us + 3000000);
    for (size_t i = 0; i < provider_entries(p); i++) {
        assert_true(provider_entry(p, i)->state != BOOK_PENDING);
        const struct book_entry *e = provider_entry(p, i);
        assert_int_equal(inquire(e->reference), 200);
        check_belief(200, e->reference, e->amount, true);
    }
    *ret_entries = provider_entries(p);
    return hash;
}

static void a_storm_leaves_a_sound_book(void **state)
{
    size_t entries, again;
    (void)state;
    for (uint8_t seed = 1; seed < 6; seed++) {
        uint64_t hash = storm(seed, 1000, &entries);
        check_book();
        assert_in_range(entries, 200, 1000);
        stage.now_us = T0;
        hash = storm(seed, 1000, &entries);
        stage.now_us = T0;
        assert_true(storm(seed, 1000, &again) == hash && again == entries);
    }
}

static void thousands_are_found(void **state)
{
    char reference[20];
    (void)state;
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(reference, sizeof reference, "att_%d", i);
        assert_int_equal(charge_eur(reference, 1 + i, true), 200);
    }
    assert_int_equal(provider_entries(p), 5000);
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(reference, sizeof reference, "att_%d", i);
        assert_int_equal(entry(reference)->amount, 1 + i);
        assert_ptr_equal(provider_entry(p, (size_t)i), entry(reference));
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_reference_is_taken_once),
        TEST(guards_hold),
        TEST(a_void_releases_or_comes_first),
        TEST(what_is_malformed_leaves_nothing),
        TEST(what_is_pending_is_decided_in_time),
        TEST(a_lie_is_in_the_answer_only),
        TEST(garbage_says_nothing),
        TEST(a_storm_leaves_a_sound_book),
        TEST(thousands_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

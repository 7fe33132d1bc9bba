/* Cards over HTTP: authentication, holds, captures in parts, refunds that take time, webhooks told.
 */
#include "sandbox/sandbox_test_lib.h"

#include <stdio.h>
#include "crypto/crypto.h"
#include "sys/sys.h"

static void make_charge(struct place *p, const char *reference, int64_t amount, const char *source,
                        bool capture)
{
    struct ask a;
    ask_charge_with(p, &a, reference, amount, source, capture, NOTIFY);
    assert_int_equal(a.status, 200);
    ask_free(&a);
}

static void confirm(struct place *p, struct ask *a, const char *reference, int64_t amount)
{
    ask_operation(p, a, reference, "confirm", reference, amount);
}

static void answer_challenge(struct place *p, const char *reference, const char *answer)
{
    struct ask a;
    char path[160], url[120];
    ask_inquiry(p, &a, reference);
    (void)snprintf(url, sizeof url, "%s",
                   json_string_value(json_object_get(json_object_get(a.json, "action"), "url")));
    char *at = strstr(url, "/challenge/");
    assert_non_null(at);
    ask_free(&a);
    (void)snprintf(path, sizeof path, "%s?answer=%s", at, answer);
    ask_now(p, &a, "POST", path, NULL);
    assert_true(a.status < 400);
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

static bool three_ds_is(const struct ask *a, const char *flow, const char *eci, bool liability)
{
    json_t *d = json_object_get(a->json, "three_ds");
    return strcmp(json_string_value(json_object_get(d, "flow")), flow) == 0 &&
           strcmp(json_string_value(json_object_get(d, "eci")), eci) == 0 &&
           json_is_true(json_object_get(d, "liability_shift")) == liability &&
           strlen(json_string_value(json_object_get(d, "ds_transaction_id"))) > 3;
}

static void answers(void **state)
{
    struct place *p = *state;
    struct ask a, b;
    ask_charge_with(p, &a, "att_1", 900, "pm_tok_mastercard", true, "");
    json_t *card = json_object_get(a.json, "card");
    assert_string_equal(json_string_value(json_object_get(card, "brand")), "mastercard");
    assert_string_equal(json_string_value(json_object_get(card, "last_four")), "4444");
    assert_int_equal(strlen(text_of(&a, "acquirer_reference")), 23);
    assert_int_equal(number_of(&a, "capture_before"), -1);
    assert_null(json_object_get(a.json, "three_ds"));
    ask_inquiry(p, &b, "att_1");
    assert_true(json_equal(a.json, b.json));
    ask_free(&a);
    ask_free(&b);
    ask_charge_with(p, &a, "att_2", 900, "pm_tok_visa", false, "");
    int64_t left = number_of(&a, "capture_before") - sys_wall_us() / 1000000;
    assert_true(left > 7 * 86400 - 60 && left <= 7 * 86400);
    assert_string_equal(text_of(&a, "acquirer_reference"), "");
    ask_free(&a);
    ask_operation(p, &a, "att_2", "captures", "cap_1", 900);
    assert_int_equal(strlen(text_of(&a, "acquirer_reference")), 23);
    assert_string_equal(text_of(&a, "charge_reference"), "att_2");
    ask_free(&a);
    for (int i = 0; i < 2; i++) {
        static const char *const bad[] = {"\"three_ds\":\"perhaps\",",
                                          "\"notify_url\":\"ftp://x/\","};
        ask_charge_with(p, &a, "att_3", 900, "pm_tok_visa", false, bad[i]);
        assert_int_equal(a.status, 400);
        ask_free(&a);
    }
}

static void begin_challenge(struct place *p, const char *reference, const char *source)
{
    struct ask a;
    ask_charge_with(p, &a, reference, 500, source, true, NOTIFY);
    assert_int_equal(a.status, 202);
    assert_string_equal(text_of(&a, "result"), "action");
    assert_string_equal(text_of(&a, "reference"), reference);
    assert_int_equal(strncmp(text_of(&a, "charge_id"), "ch_", 3), 0);
    ask_free(&a);
}

static void challenge_approved(void **state)
{
    struct place *p = *state;
    struct ask a, b;
    begin_challenge(p, "att_1", "pm_tok_3ds_challenge");
    begin_challenge(p, "att_1", "pm_tok_3ds_challenge"); /* a repetition */
    ask_inquiry(p, &a, "att_1");
    assert_int_equal(a.status, 200);
    json_t *action = json_object_get(a.json, "action");
    assert_string_equal(json_string_value(json_object_get(action, "type")), "challenge");
    assert_true(json_integer_value(json_object_get(action, "expires_at")) >
                sys_wall_us() / 1000000);
    ask_free(&a);
    confirm(p, &a, "att_1", 500);
    assert_int_equal(a.status, 202);
    assert_true(json_is_false(json_object_get(a.json, "authenticated")));
    ask_free(&a);
    ask_operation(p, &a, "att_1", "captures", "cap_1", 500);
    assert_refused(&a, 402, "96");
    ask_free(&a);
    answer_challenge(p, "att_1", "approve");
    answer_challenge(p, "att_1", "cancel"); /* too late */
    ask_inquiry(p, &a, "att_1");
    assert_string_equal(text_of(&a, "result"), "action");
    assert_true(json_is_true(json_object_get(a.json, "authenticated")));
    ask_free(&a);
    assert_book(p, "att_1", "requires_action", 500, 0, 0, 2);
    confirm(p, &a, "att_1", 501);
    assert_int_equal(a.status, 409);
    ask_free(&a);
    confirm(p, &a, "att_1", 500);
    assert_int_equal(a.status, 200);
    assert_string_equal(text_of(&a, "state"), "captured");
    assert_true(three_ds_is(&a, "challenge", "05", true));
    confirm(p, &b, "att_1", 500);
    assert_true(json_equal(a.json, b.json));
    ask_free(&b);
    ask_inquiry(p, &b, "att_1");
    assert_true(json_equal(a.json, b.json));
    ask_free(&a);
    ask_free(&b);
    assert_book(p, "att_1", "captured", 500, 500, 0, 2);
    assert_told(p, "att_1", "capture.refused charge.authenticated charge.captured ");
    ask_operation(p, &a, "att_9", "confirm", "att_9", 5);
    assert_int_equal(a.status, 404);
    ask_free(&a);
}

static void challenge_ends(void **state)
{
    static const struct {
        const char *token, *answer, *again, *code;
    } cases[] = {
        {"pm_tok_3ds_challenge", "fail", "cancel", "1A"},
        {"pm_tok_3ds_redirect", "cancel", "fail", "1C"},
        {"pm_tok_3ds_challenge", NULL, "cancel", "1E"},
        {"pm_tok_3ds_fail", "approve", "approve", "1A"},
    };
    struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ask a;
        char reference[32], path[80];
        (void)snprintf(reference, sizeof reference, "att_%zu", i);
        (void)snprintf(path, sizeof path, "/control/charges/%s", reference);
        begin_challenge(p, reference, cases[i].token);
        if (cases[i].answer)
            answer_challenge(p, reference, cases[i].answer);
        else
            order_now(p, path, "{\"do\":\"expire\"}", 200);
        for (int j = 0; j < 2; j++) {
            ask_inquiry(p, &a, reference);
            assert_refused(&a, 200, cases[i].code);
            ask_free(&a);
            confirm(p, &a, reference, 500);
            assert_refused(&a, 402, cases[i].code);
            ask_free(&a);
            order_now(p, path, "{\"do\":\"expire\"}", 409);
        }
        assert_book(p, reference, "refused", 500, 0, 0, 1);
        assert_told(p, reference, "charge.refused ");
    }
    struct ask a;
    begin_challenge(p, "att_d", "pm_tok_3ds_then_declined");
    answer_challenge(p, "att_d", "approve");
    confirm(p, &a, "att_d", 500);
    assert_refused(&a, 402, "51");
    ask_free(&a);
    assert_told(p, "att_d", "charge.authenticated charge.refused ");
    begin_challenge(p, "att_v", "pm_tok_3ds_challenge");
    ask_operation(p, &a, "att_v", "voids", "can_1", 500);
    assert_int_equal(a.status, 200);
    ask_free(&a);
    confirm(p, &a, "att_v", 500);
    assert_refused(&a, 402, "1V");
    ask_free(&a);
    assert_told(p, "att_v", "void.approved charge.refused ");
}

static void challenge_times_out(void **state)
{
    struct place *p = *state;
    struct ask a;
    place_stop(p);
    p->challenge_ms = 150;
    place_start(p);
    begin_challenge(p, "att_1", "pm_tok_3ds_challenge");
    wait_result(p, "att_1", "refused");
    confirm(p, &a, "att_1", 500);
    assert_refused(&a, 402, "1E");
    ask_free(&a);
    begin_challenge(p, "att_2", "pm_tok_3ds_challenge"); /* over a restart, too */
    place_stop(p);
    place_start(p);
    wait_result(p, "att_2", "refused");
}

#define EXTERNAL                                                                                   \
    "\"external\":{\"version\":\"2.2.0\",\"eci\":\"06\",\"cavv\":\"AAAB\",\"ds_transaction_id\":"  \
    "\"ds_1\"},"
#define MERCHANT "\"initiator\":\"merchant\",\"stored\":\"subsequent\","
#define NETWORK "\"network_transaction_id\":\"123456789012345\","
#define REQUIRED "\"three_ds\":\"required\","
#define NONE "\"three_ds\":\"none\","

/* Who is asked, and who is not. */
static void authentication(void **state)
{
    static const struct {
        const char *token, *more;
        const char *code; /* refused; "action"; NULL approved … */
        const char *flow, *eci;
        bool liability;
    } cases[] = {
        {"pm_tok_visa", REQUIRED, NULL, "frictionless", "05", true},
        {"pm_tok_visa", NONE, NULL, NULL, NULL, false},
        {"pm_tok_visa", "\"exemption\":\"low_value\",", NULL, "none", "07", false},
        {"pm_tok_visa", EXTERNAL, NULL, "external", "06", true},
        {"pm_tok_3ds_challenge", EXTERNAL, NULL, "external", "06", true},
        {"pm_tok_3ds_challenge", REQUIRED, "action", NULL, NULL, false},
        {"pm_tok_3ds_challenge", MERCHANT NETWORK, "1S", NULL, NULL, false},
        {"pm_tok_3ds_challenge", NONE, "1S", NULL, NULL, false},
        {"pm_tok_3ds_frictionless", "", NULL, "frictionless", "05", true},
        {"pm_tok_3ds_soft_decline", "", "1S", NULL, NULL, false},
        {"pm_tok_3ds_soft_decline", REQUIRED, "action", NULL, NULL, false},
        {"pm_tok_3ds_soft_decline", REQUIRED MERCHANT, "1S", NULL, NULL, false},
        {"pm_tok_3ds_required_off_session", "", NULL, NULL, NULL, false},
        {"pm_tok_3ds_required_off_session", MERCHANT, "1S", NULL, NULL, false},
        {"pm_tok_3ds_required_off_session", MERCHANT NETWORK, NULL, NULL, NULL, false},
        {"pm_tok_3ds_then_declined", EXTERNAL, "51", NULL, NULL, false},
        {"pm_tok_declined_lost_card", REQUIRED, "41", NULL, NULL, false},
    };
    struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ask a;
        char reference[32];
        const char *code = cases[i].code;
        (void)snprintf(reference, sizeof reference, "att_%zu", i);
        ask_charge_with(p, &a, reference, 100, cases[i].token, true, cases[i].more);
        if (!code) {
            assert_string_equal(text_of(&a, "result"), "approved");
            assert_int_equal(json_object_get(a.json, "three_ds") != NULL, cases[i].flow != NULL);
        } else if (strcmp(code, "action") == 0) {
            assert_string_equal(text_of(&a, "result"), code);
        } else {
            assert_refused(&a, 402, code);
        }
        if (cases[i].flow)
            assert_true(three_ds_is(&a, cases[i].flow, cases[i].eci, cases[i].liability));
        ask_free(&a);
    }
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

static void capture_final(struct place *p, const char *charge, const char *reference,
                          int64_t amount, bool final, int status)
{
    char path[80], body[160];
    (void)snprintf(path, sizeof path, "/v2/charges/%s/captures", charge);
    (void)snprintf(body, sizeof body,
                   "{\"reference\":\"%s\",\"amount\":%lld,\"currency\":\"EUR\",\"final\":%s}",
                   reference, (long long)amount, final ? "true" : "false");
    order_now(p, path, body, status);
}

static void holds(void **state)
{
    struct place *p = *state;
    make_charge(p, "att_1", 1000, "pm_tok_visa", false);
    move(p, "att_1", "increments", "inc_1", 200, NULL);
    move(p, "att_1", "increments", "inc_1", 200, NULL);
    assert_book(p, "att_1", "authorized", 1200, 0, 0, 1);
    move(p, "att_1", "voids", "can_1", 100, NULL);
    assert_held(p, "att_1", 1100, 100, 0);
    move(p, "att_1", "captures", "cap_1", 1101, "amount_exceeds");
    move(p, "att_1", "captures", "cap_2", 300, NULL);
    move(p, "att_1", "increments", "inc_2", 1, "already_captured");
    move(p, "att_1", "refunds", "rfd_1", 300, NULL);
    move(p, "att_1", "refunds", "rfd_2", 1, "amount_exceeds");
    assert_held(p, "att_1", 800, 100, 300);
    capture_final(p, "att_1", "cap_3", 200, true, 200);
    capture_final(p, "att_1", "cap_3", 200, true, 200);
    capture_final(p, "att_1", "cap_3", 200, false, 409);
    assert_held(p, "att_1", 0, 700, 500);
    move(p, "att_1", "captures", "cap_4", 1, "already_captured");
    move(p, "att_1", "voids", "can_2", 1, "already_captured");
    assert_book(p, "att_1", "captured", 1200, 500, 300, 1);
    assert_told(
        p, "att_1",
        "charge.authorized increment.approved void.approved capture.refused "
        "capture.approved refund.succeeded refund.failed capture.approved capture.refused ");
    make_charge(p, "att_2", 1000, "pm_tok_visa", false);
    move(p, "att_2", "captures", "cap_5", 400, NULL);
    move(p, "att_2", "captures", "cap_6", 600, NULL); /* all that is left: the last */
    assert_book(p, "att_2", "captured", 1000, 1000, 0, 1);
    make_charge(p, "att_3", 1000, "pm_tok_increment_declined", false);
    move(p, "att_3", "increments", "inc_3", 5, "57");
    move(p, "att_3", "captures", "cap_7", 10, NULL);
    move(p, "att_3", "voids", "can_3", 5000, NULL); /* the captures stay */
    assert_held(p, "att_3", 0, 990, 10);
    make_charge(p, "att_4", 1000, "pm_tok_visa", false);
    move(p, "att_4", "voids", "can_4", 999, NULL);
    move(p, "att_4", "voids", "can_5", 1, NULL);
    assert_book(p, "att_4", "voided", 1000, 0, 0, 1);
    move(p, "att_4", "increments", "inc_4", 1, "already_voided");
}

#define AT_ONCE 48

/* Captures and partial voids in a race share what is held and no more. */
static void holds_at_once(void **state)
{
    static struct ask all[AT_ONCE];
    struct place *p = *state;
    int64_t captured = 0, released = 0;
    make_charge(p, "att_1", 100, "pm_tok_visa", false);
    for (int i = 0; i < AT_ONCE; i++) {
        char body[120];
        bool capture = i % 2 == 0;
        (void)snprintf(body, sizeof body,
                       "{\"reference\":\"op_%d\",\"amount\":%d,\"currency\":\"EUR\"}", i,
                       capture ? 30 : 3);
        ask_begin(p, &all[i], "POST",
                  capture ? "/v2/charges/att_1/captures" : "/v2/charges/att_1/voids", body);
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
        ask_end(&all[i]);
        if (all[i].status == 200 && i % 2 == 0)
            captured += 30;
        else if (all[i].status == 200)
            released += 3;
        ask_free(&all[i]);
    }
    assert_true(captured > 0 && released > 0 && captured <= 90);
    ask_now(p, &all[0], "GET", "/book?reference=att_1", NULL);
    json_t *row = json_array_get(json_object_get(all[0].json, "charges"), 0);
    assert_int_equal(json_integer_value(json_object_get(row, "captured")), captured);
    int64_t held = json_integer_value(json_object_get(row, "held"));
    int64_t given_up = json_integer_value(json_object_get(row, "released"));
    assert_int_equal(captured + given_up + held, 100);
    assert_true(given_up <= released); /* the last void releases what is left */
    ask_free(&all[0]);
}

static void hold_expires(void **state)
{
    struct place *p = *state;
    struct ask a, b;
    make_charge(p, "att_1", 1000, "pm_tok_hold_short", false);
    make_charge(p, "att_2", 1000, "pm_tok_hold_short", false);
    make_charge(p, "att_3", 1000, "pm_tok_visa", false);
    move(p, "att_2", "captures", "cap_1", 300, NULL);
    assert_told(p, "att_1", "charge.authorized charge.expired ");
    assert_told(p, "att_2", "charge.authorized capture.approved charge.expired ");
    ask_inquiry(p, &a, "att_1");
    assert_string_equal(text_of(&a, "state"), "expired");
    assert_true(number_of(&a, "capture_before") <= sys_wall_us() / 1000000);
    ask_free(&a);
    move(p, "att_1", "captures", "cap_2", 1, "hold_expired");
    move(p, "att_1", "voids", "can_1", 1000, "hold_expired");
    move(p, "att_1", "increments", "inc_1", 1, "hold_expired");
    assert_book(p, "att_1", "expired", 1000, 0, 0, 1);
    move(p, "att_2", "captures", "cap_3", 1, "hold_expired");
    move(p, "att_2", "refunds", "rfd_1", 300, NULL);
    assert_held(p, "att_2", 0, 700, 300);
    assert_held(p, "att_3", 1000, 0, 0);
    order_now(p, "/control/charges/att_3", "{\"do\":\"expire\"}", 200);
    order_now(p, "/control/charges/att_3", "{\"do\":\"expire\"}", 409);
    assert_held(p, "att_3", 0, 1000, 0);
    ask_charge_with(p, &b, "att_3", 1000, "pm_tok_visa", false, NOTIFY); /* the stored answer */
    assert_string_equal(text_of(&b, "state"), "authorized");
    ask_free(&b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
        T(answers),        T(challenge_approved),
        T(challenge_ends), T(challenge_times_out),
        T(authentication), T(holds),
        T(holds_at_once),  T(hold_expires),
    };
    crypto_init();
    wire_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

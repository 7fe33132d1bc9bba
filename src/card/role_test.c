/* Cards that browsers send to the role card: what is taken, and what of them is told to whom. */
#include "card/role_test_lib.h"

static void a_card_is_sealed_and_told_without_its_number(void **state)
{
    (void)state;
    type_card(",\"name\":\"Ada L\xc3\xb6w\",\"page_origin\":\"https://shop.example\"", 201,
              "{\"id\":\"pm_1\"}");
    assert_string_equal(api.token, "ct_test_abcdef");
    assert_string_equal(api.origin, "https://shop.example");
    assert_string_equal(vault.number, NUMBER);
    assert_string_equal(vault.cvc, "737");
    assert_int_equal(vault.month, 3);
    assert_int_equal(vault.year, 2060);
    assert_int_equal(vault.merchant, 2);
    assert_int_equal(vault.keep_until_us, 777);
    assert_true(id_eq(api.card, card_id));
    assert_string_equal(api.brand, "visa");
    assert_string_equal(api.last4, "9995");
    assert_string_equal(api.bin, "40000000");
    assert_int_equal(api.month, 3);
    assert_int_equal(api.year, 2060);
    assert_string_equal(api.fingerprint, FINGERPRINT_TEXT);
    assert_string_equal(api.name, "Ada L\xc3\xb6w");
    static const char *const no_names[] = {NUMBER, "4000 0000 0000 9995", "Ada 4000-0000.0000 9995",
                                           "123456789"};
    for (size_t i = 0; i < COUNT_OF(no_names); i++) { /* typed into the wrong field */
        char more[80];
        (void)snprintf(more, sizeof more, ",\"name\":\"%s\"", no_names[i]);
        type_card(more, 201, "pm_1");
        assert_string_equal(api.name, "");
    }
    type_card(",\"name\":\"Ada 3rd, 12345678\"", 201, "pm_1");
    assert_string_equal(api.name, "Ada 3rd, 12345678");
    struct ask a; /* a shorter number: less of it may be known */
    begin(&a, "/v1/cards", "Bearer ct_test_abcdef",
          "{\"number\":\"378282246310005\",\"exp_month\":12,\"exp_year\":60}");
    assert_answer(&a, 201, "pm_1");
    assert_string_equal(api.brand, "amex");
    assert_string_equal(api.bin, "378282");
    assert_int_equal(vault.year, 2060);
    assert_string_equal(vault.cvc, "");
    wait_idle();
}

static void what_is_no_card_goes_no_further(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *text;
    } cases[] = {
        {TYPED("4000000000009994", "3", "2060") "}", 400, "\"number\""},
        {TYPED("40000000000099951111111", "3", "2060") "}", 400, "\"number\""},
        {"{\"number\":4000000000009995,\"exp_month\":3,\"exp_year\":2060}", 400, "\"number\""},
        {"{\"exp_month\":3,\"exp_year\":2060}", 400, "\"number\""},
        {TYPED(NUMBER, "13", "2060") "}", 400, "\"exp_month\""},
        {TYPED(NUMBER, "3", "2019") "}", 400, "\"exp_year\""},
        {TYPED(NUMBER, "3", "9999") "}", 400, "\"exp_year\""},
        {TYPED(NUMBER, "3", "2060") ",\"cvc\":\"73x\"}", 400, "\"cvc\""},
        {TYPED(NUMBER, "3", "2060") ",\"pin\":\"1\"}", 400, "\"pin\""},
        {TYPED(NUMBER, "3", NUMBER) "}", 400, "got ****************"},
        {TYPED(NUMBER, "3", "2060") ",\"4000 0000 0000 9995\":1}", 400, "*******************"},
        {TYPED(NUMBER, "3", "2060"), 400, "json_invalid"},
        {"[]", 400, ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ask a;
        begin(&a, "/v1/cards", "Bearer ct_test_abcdef", cases[i].body);
        assert_answer(&a, cases[i].status, cases[i].text);
    }
    static const char *const tokens[] = {"",
                                         "Bearer ",
                                         "Bearer x",
                                         "Basic ct_test_abcdef",
                                         "Bearer sk_test_abcdef",
                                         "ct_test_abcdef"};
    for (size_t i = 0; i < COUNT_OF(tokens); i++) {
        struct ask a;
        begin(&a, "/v1/cards", tokens[i], CARD "}");
        assert_answer(&a, 401, "ct_");
    }
    struct buf huge = BUF(20000);
    buf_str(&huge, CARD ",\"name\":\"");
    while (huge.n < 9000)
        buf_byte(&huge, 'x');
    buf_str(&huge, "\"}");
    struct ask a;
    begin(&a, "/v1/cards", "Bearer ct_test_abcdef", huge.p);
    assert_answer(&a, 413, "");
    buf_free(&huge);
    assert_int_equal(api.checks, 0);
    assert_int_equal(vault.seals, 0);
    wait_idle();
}

static void the_api_decides_who_may(void **state)
{
    static const struct {
        err_t err;
        int status;
        const char *detail;
    } cases[] = {{ERR_UNAUTHENTICATED, 401, "This token was used."},
                 {ERR_FORBIDDEN, 403, "Another page."},
                 {ERR_RATE_LIMITED, 429, "Too many."},
                 {ERR_UNAVAILABLE, 503, "Later."}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        api.err = cases[i].err;
        api.detail = cases[i].detail;
        type_card("", cases[i].status, cases[i].detail);
    }
    api.detail = NULL;
    static const int64_t nonsense[] = {ERR_COUNT, -1, 0};
    api.merchant = 0;
    for (size_t i = 0; i < COUNT_OF(nonsense); i++) {
        api.err = nonsense[i];
        type_card("", 503, "nothing was kept");
    }
    assert_int_equal(vault.seals, 0);
    api.merchant = 2;
    type_card("", 201, "pm_1");
}

static void reports_are_passed_on(void **state)
{
    (void)state;
    struct ask a;
    begin(&a, "/reports", "x", "{\"csp-report\":{\"blocked-uri\":\"https://evil.example\"}}");
    assert_answer(&a, 204, "");
    wait_for(&api.reports, 1);
    assert_non_null(strstr(api.report, "evil.example"));
    begin(&a, "/reports", "x", "");
    assert_answer(&a, 204, "");
    assert_int_equal(api.reports, 1);
}

#define AT_ONCE 40

static void many_at_once(void **state)
{
    static struct ask all[AT_ONCE];
    (void)state;
    for (size_t i = 0; i < AT_ONCE; i++)
        begin(&all[i], "/v1/cards", "Bearer ct_test_abcdef", CARD "}");
    for (size_t i = 0; i < AT_ONCE; i++)
        assert_answer(&all[i], 201, "pm_1");
    assert_int_equal(api.saved, AT_ONCE);
    wait_idle();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, role_test_set_up, role_test_tear_down)
        T(a_card_is_sealed_and_told_without_its_number),
        T(what_is_no_card_goes_no_further),
        T(the_api_decides_who_may),
        T(reports_are_passed_on),
        T(many_at_once),
        cmocka_unit_test(the_log_has_no_card),
    };
    role_test_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

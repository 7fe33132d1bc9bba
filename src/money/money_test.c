#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "money/money.h"

static void every_currency_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < currency_count(); i++) {
        const struct currency *c = currency_at(i);
        assert_ptr_equal(currency_find(str_from(c->code)), c);
        assert_ptr_equal(currency_by_number(c->number), c);
        assert_int_equal(strlen(c->code), 3);
    }
    static const char *const none[] = {"",    "EU",  "eur", "EURO", "XAU",    "XXX", "XTS",
                                       "HRK", "BGN", "ANG", "SLL",  "ZWL",    "ZZZ", "AAA",
                                       "XAG", "XDR", "XBA", "CHE",  "CHW",    "BOV", "COU",
                                       "MXV", "USN", "XSU", "XUA",  "EU\xff", "E R"};
    for (size_t i = 0; i < COUNT_OF(none); i++)
        assert_null(currency_find(str_from(none[i])));
    assert_null(currency_by_number(-1));
    assert_null(currency_by_number(0));
    assert_null(currency_by_number(959)); /* gold */
    assert_null(currency_by_number(975)); /* BGN */
    assert_null(currency_by_number(INT32_MIN));
    assert_null(currency_find((struct str){NULL, 0}));
    assert_ptr_equal(currency_find((struct str){"EURO", 3}), currency_find(STR("EUR")));
    assert_in_range(currency_count(), 150, 165);
    assert_null(currency_by_number(100000));
}

/* Source: ISO 4217 list one. All that are not named here have two. */
static void exponents_are_those_of_iso_4217(void **state)
{
    (void)state;
    static const char *const places[] = {
        [0] = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
        [3] = "BHD IQD JOD KWD LYD OMR TND",
        [4] = "CLF UYW",
    };
    size_t counts[5] = {0};
    for (size_t i = 0; i < currency_count(); i++) {
        const struct currency *c = currency_at(i);
        int want = 2;
        for (int k = 0; k < 5; k++)
            if (places[k] && strstr(places[k], c->code))
                want = k;
        assert_int_equal(c->exponent, want);
        assert_in_range(c->number, 1, 999);
        counts[want]++;
    }
    assert_int_equal(counts[0], 17);
    assert_int_equal(counts[3], 7);
    assert_int_equal(counts[4], 2);
}

static void numbers_are_those_of_iso_4217(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        int number;
    } some[] = {{"AED", 784}, {"ALL", 8},   {"AUD", 36},  {"BRL", 986}, {"BYN", 933}, {"CAD", 124},
                {"CHF", 756}, {"CNY", 156}, {"CZK", 203}, {"DKK", 208}, {"DZD", 12},  {"EUR", 978},
                {"GBP", 826}, {"HUF", 348}, {"INR", 356}, {"JPY", 392}, {"MRU", 929}, {"MXN", 484},
                {"NOK", 578}, {"PLN", 985}, {"RON", 946}, {"SEK", 752}, {"SLE", 925}, {"STN", 930},
                {"TRY", 949}, {"UAH", 980}, {"USD", 840}, {"VED", 926}, {"VES", 928}, {"XCG", 532},
                {"ZAR", 710}, {"ZMW", 967}, {"ZWG", 924}};
    for (size_t i = 0; i < COUNT_OF(some); i++) {
        const struct currency *c = currency_find(str_from(some[i].code));
        assert_non_null(c);
        assert_int_equal(c->number, some[i].number);
    }
}

static const char *formatted(int64_t minor, const char *code)
{
    static struct buf out = BUF(64);
    buf_clear(&out);
    money_format(&out, minor, currency_find(str_from(code)));
    return out.p;
}

static void amounts_are_shown_in_major_units(void **state)
{
    (void)state;
    assert_string_equal(formatted(9232, "EUR"), "92.32");
    assert_string_equal(formatted(-5, "EUR"), "-0.05");
    assert_string_equal(formatted(500, "JPY"), "500");
    assert_string_equal(formatted(1001, "KWD"), "1.001");
    assert_string_equal(formatted(INT64_MIN, "EUR"), "-92233720368547758.08");
    assert_string_equal(formatted(INT64_MAX, "EUR"), "92233720368547758.07");
    assert_string_equal(formatted(INT64_MIN, "JPY"), "-9223372036854775808");
    assert_string_equal(formatted(INT64_MIN, "UYW"), "-922337203685477.5808");
    assert_string_equal(formatted(0, "EUR"), "0.00");
    assert_string_equal(formatted(0, "JPY"), "0");
    assert_string_equal(formatted(-100, "EUR"), "-1.00");
    assert_string_equal(formatted(-1, "CLF"), "-0.0001");
}

static void rescaling_never_loses(void **state)
{
    (void)state;
    int64_t v = 7;
    assert_true(money_rescale(500, 0, 2, &v) && v == 50000);
    assert_true(money_rescale(50000, 2, 0, &v) && v == 500);
    assert_true(money_rescale(-120, 3, 2, &v) && v == -12);
    assert_false(money_rescale(50001, 2, 0, &v));
    assert_false(money_rescale(INT64_MAX, 0, 1, &v));
    assert_false(money_rescale(INT64_MIN, 0, 1, &v));
    assert_int_equal(v, -12);
    assert_true(money_rescale(INT64_MIN, 2, 2, &v) && v == INT64_MIN);
    assert_true(money_rescale(INT64_MAX, 0, 0, &v) && v == INT64_MAX);
    assert_true(money_rescale(0, 0, 18, &v) && v == 0);
    assert_true(money_rescale(0, 18, 0, &v) && v == 0);
    assert_true(money_rescale(INT64_MIN / 10, 2, 3, &v) && v == INT64_MIN / 10 * 10);
    v = 7;
    assert_false(money_rescale(INT64_MIN / 10 - 1, 2, 3, &v));
    assert_false(money_rescale(INT64_MAX / 10 + 1, 2, 3, &v));
    assert_false(money_rescale(1, 1, 0, &v));
    assert_false(money_rescale(-1, 18, 0, &v));
    assert_false(money_rescale(10, 0, 18, &v));
    assert_false(money_rescale(INT64_MIN, 1, 0, &v));
    assert_int_equal(v, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_currency_is_found),
        cmocka_unit_test(exponents_are_those_of_iso_4217),
        cmocka_unit_test(numbers_are_those_of_iso_4217),
        cmocka_unit_test(amounts_are_shown_in_major_units),
        cmocka_unit_test(rescaling_never_loses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

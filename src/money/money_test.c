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
    }
    static const char *const none[] = {"",    "EU",  "eur", "EURO", "XAU", "XXX", "XTS",
                                       "HRK", "BGN", "ANG", "SLL",  "ZZZ", "AAA"};
    for (size_t i = 0; i < COUNT_OF(none); i++)
        assert_null(currency_find(str_from(none[i])));
    assert_null(currency_by_number(-1));
    assert_null(currency_by_number(0));
    assert_null(currency_by_number(100000));
}

static void exponents_are_those_of_iso_4217(void **state)
{
    (void)state;
    assert_int_equal(currency_find(STR("EUR"))->number, 978);
    assert_int_equal(currency_find(STR("EUR"))->exponent, 2);
    assert_int_equal(currency_find(STR("JPY"))->exponent, 0);
    assert_int_equal(currency_find(STR("KWD"))->exponent, 3);
    assert_int_equal(currency_find(STR("CLF"))->exponent, 4);
    assert_int_equal(currency_find(STR("CLP"))->exponent, 0);
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_currency_is_found),
        cmocka_unit_test(exponents_are_those_of_iso_4217),
        cmocka_unit_test(amounts_are_shown_in_major_units),
        cmocka_unit_test(rescaling_never_loses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

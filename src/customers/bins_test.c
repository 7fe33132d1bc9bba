#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "customers/bins.h"

static struct bins *read_text(const char *text)
{
    struct buf b = BUF(1 << 20);
    struct bins *bins = NULL;
    struct err_info why = {.err = OK};
    buf_str(&b, text);
    if (bins_read(&b, &bins, &why))
        fail_msg("bins_read: %s", why.detail);
    assert_null(b.p);
    return bins;
}

static const char sample[] = "\xEF\xBB\xBF# bin ranges\r\n"
                             "bin,brand,funding,issuer,country\r\n"
                             "\n"
                             "42424242,visa,debit,Second Bank,FR\n"
                             "424242,visa,credit,\"First, \"\"Great\"\" Bank\" ,DE\n"
                             "  4242425 , visa , prepaid , Third Bank , US \n"
                             "555555,mastercard,,,\n"
                             "378282,amex,credit,\xC3\x84\xC3\xB6 Bank,GB";

static void assert_finds(const struct bins *b, const char *bin, const char *funding,
                         const char *issuer, const char *country)
{
    struct bin_entry e;
    assert_true(bins_find(b, str_from(bin), &e));
    assert_string_equal(e.funding, funding);
    assert_string_equal(e.issuer, issuer);
    assert_string_equal(e.country, country);
}

static void the_longest_that_fits_tells(void **state)
{
    (void)state;
    struct bin_entry e;
    struct bins *b = read_text(sample);
    assert_int_equal(bins_count(b), 5);
    assert_finds(b, "42424242", "debit", "Second Bank", "FR");
    assert_finds(b, "42424243", "credit", "First, \"Great\" Bank", "DE");
    assert_finds(b, "424242", "credit", "First, \"Great\" Bank", "DE");
    assert_finds(b, "42424251", "prepaid", "Third Bank", "US");
    assert_finds(b, "55555555", "", "", "");
    assert_finds(b, "378282", "credit", "\xC3\x84\xC3\xB6 Bank", "GB");
    assert_finds(b, "4242424242424242", "debit", "Second Bank", "FR");
    assert_false(bins_find(b, STR("424241"), &e));
    assert_string_equal(e.brand, "");
    assert_false(bins_find(b, STR("42424"), &e));
    assert_false(bins_find(b, STR("4242x242"), &e) && e.country[0] == 'F');
    assert_false(bins_find(b, STR(""), &e));
    bins_free(b);
}

static void many_lines_in_any_order(void **state)
{
    (void)state;
    struct buf text = BUF(1 << 20);
    struct bins *b = NULL;
    struct err_info why = {.err = OK};
    for (unsigned i = 0; i < 20000; i++) /* 7919 is prime to 20000: each once */
        buf_printf(&text, "4%07u,visa,credit,Bank %u,DE\n", i * 7919 % 20000 * 100, i);
    assert_false(text.failed);
    assert_int_equal(bins_read(&text, &b, &why), OK);
    assert_int_equal(bins_count(b), 20000);
    for (unsigned i = 0; i < 20000; i++) {
        char bin[9], issuer[20];
        (void)snprintf(bin, sizeof bin, "4%07u", i * 7919 % 20000 * 100);
        (void)snprintf(issuer, sizeof issuer, "Bank %u", i);
        assert_finds(b, bin, "credit", issuer, "DE");
    }
    bins_free(b);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"42424,visa,credit,A,DE\n", "line 1 has a bin"},
        {"# x\n424242424,visa,credit,A,DE\n", "line 2 has a bin"},
        {"42424a,visa,credit,A,DE\n", "line 1 has a bin"},
        {",visa,credit,A,DE\n", "line 1 has a bin"},
        {"424242,Visa,credit,A,DE\n", "line 1 has a brand"},
        {"424242,a_brand_of_seventeen,credit,A,DE\n", "longer than 16"},
        {"424242,visa,charge,A,DE\n", "line 1 has a funding"},
        {"424242,visa,credit,A,de\n", "line 1 has a country"},
        {"424242,visa,credit,A,DEU\n", "line 1 has a country"},
        {"424242,visa,credit,A\n", "five fields"},
        {"424242,visa,credit,A,DE,more\n", "five fields"},
        {"424242\n", "five fields"},
        {"424242,visa,credit,\"A,DE\n", "a quote that does not end"},
        {"424242,visa,credit,\"A\"B,DE\n", "text behind a quote"},
        {"424242,visa,credit,\xFF,DE\n", "UTF-8"},
        {"424242,visa,credit,A\tB,DE\n", "a control character"},
        {"424242,visa,credit,A,DE\n4242421,visa,credit,A,DE\n\n424242,visa,debit,B,FR\n",
         "line 4 has the bin of line 1 again"},
        {"424242,visa,credit,A,DE\nbin,brand,funding,issuer,country\n", "line 2 has a bin"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf b = BUF(1 << 16);
        struct bins *bins = NULL;
        struct err_info why = {.err = OK};
        buf_str(&b, cases[i].text);
        assert_int_equal(bins_read(&b, &bins, &why), ERR_CONFIG);
        assert_null(bins);
        if (!strstr(why.detail, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", why.detail, cases[i].says);
    }
}

static void a_table_can_be_replaced_and_be_none(void **state)
{
    (void)state;
    struct bin_table t;
    struct bin_entry e;
    struct bins *empty = read_text("# nothing\n");
    bin_table_init(&t);
    assert_false(bin_table_find(&t, STR("424242"), &e));
    assert_false(bin_table_find(NULL, STR("424242"), &e));
    bin_table_put(&t, read_text(sample));
    assert_true(bin_table_find(&t, STR("424242"), &e));
    assert_string_equal(e.brand, "visa");
    bins_free(read_text(""));
    bin_table_put(&t, empty);
    assert_false(bin_table_find(&t, STR("424242"), &e));
    assert_string_equal(e.brand, "");
    bin_table_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_that_fits_tells),
        cmocka_unit_test(many_lines_in_any_order),
        cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(a_table_can_be_replaced_and_be_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

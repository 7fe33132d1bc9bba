#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "card/card_internal.h"
#include "crypto/crypto.h"

static const struct card card = {
    .number = "4242424242424242", .cvc = "737", .month = 3, .year = 2031};

static void filled(const char *body, const char *expected)
{
    struct buf out = BUF(1000);
    struct err_info info = {0};
    assert_int_equal(card_fill(str_from(body), &card, &out, &info), OK);
    assert_string_equal(out.p, expected);
    buf_free(&out);
}

static void refused(const char *body)
{
    struct buf out = BUF(1000);
    struct err_info info = {0};
    assert_int_equal(card_fill(str_from(body), &card, &out, &info), ERR_CONNECTOR);
    assert_null(strstr(info.detail, "4242"));
    buf_free(&out);
}

static void placeholders_are_filled_in(void **state)
{
    (void)state;
    filled("{{card.number}}", "4242424242424242");
    filled("{\"n\":\"{{card.number}}\",\"m\":{{card.exp_month}},\"y\":\"{{card.exp_year}}\",\"z\":"
           "\"{{card.exp_year_2}}\",\"c\":\"{{card.cvc}}\"}",
           "{\"n\":\"4242424242424242\",\"m\":03,\"y\":\"2031\",\"z\":\"31\",\"c\":\"737\"}");
    filled("a={{card.number}}&b={{card.number}}", "a=4242424242424242&b=4242424242424242");
    filled("{{card}} {{ {{card.number}} }}", "{{card}} {{ 4242424242424242 }}");
    refused("{{card.pin}}{{card.number}}");
    refused("{{card.number}} {{card.");
    refused("{{card.number");
    refused("{{card.}}{{card.number}}");
    refused("{{card.cvc}}"); /* no number: it is no request with a card */
    refused("");
}

/* A saved card has none: what would have been empty is not there. */
static void without_cvc(const char *body, const char *expected)
{
    const struct card saved = {.number = "4242424242424242", .month = 3, .year = 2031};
    struct buf out = BUF(1000);
    struct err_info info = {0};
    assert_int_equal(card_fill(str_from(body), &saved, &out, &info), OK);
    assert_string_equal(out.p, expected);
    buf_free(&out);
}

#define N "4242424242424242"
static void an_absent_cvc_leaves_no_member(void **state)
{
    (void)state;
    without_cvc("{\"n\":\"{{card.number}}\",\"cvc\":\"{{card.cvc}}\"}", "{\"n\":\"" N "\"}");
    without_cvc("{\"cvc\":\"{{card.cvc}}\",\"n\":\"{{card.number}}\"}", "{\"n\":\"" N "\"}");
    without_cvc("{\"a\":1, \"cvc\" : \"{{card.cvc}}\" , \"n\":\"{{card.number}}\"}",
                "{\"a\":1,  \"n\":\"" N "\"}");
    without_cvc("{\"a\":{\"cvc\":\"{{card.cvc}}\"},\"n\":\"{{card.number}}\"}",
                "{\"a\":{},\"n\":\"" N "\"}");
    without_cvc("{\n  \"n\": \"{{card.number}}\",\n  \"cvc\": {{card.cvc}}\n}",
                "{\n  \"n\": \"" N "\"\n}");
    without_cvc("n={{card.number}}&cvc={{card.cvc}}", "n=" N);
    without_cvc("cvc={{card.cvc}}&n={{card.number}}", "n=" N);
    without_cvc("a=1&card%5Bcvc%5D={{card.cvc}}&n={{card.number}}", "a=1&n=" N);
    without_cvc("cvc={{card.cvc}}&n={{card.number}}&c2={{card.cvc}}", "n=" N);
    /* where it is a part of something, it is nothing */
    without_cvc("<n>{{card.number}}</n><c>{{card.cvc}}</c>", "<n>" N "</n><c></c>");
    without_cvc("{\"t\":\"{{card.number}}|{{card.cvc}}|x\"}", "{\"t\":\"" N "||x\"}");
    without_cvc("[\"{{card.number}}\",\"{{card.cvc}}\"]", "[\"" N "\",\"\"]");
    without_cvc("{\"d\":\"say \\\"c\\\":\\\"{{card.cvc}}\\\"\",\"n\":\"{{card.number}}\"}",
                "{\"d\":\"say \\\"c\\\":\\\"\\\"\",\"n\":\"" N "\"}");
    without_cvc("{\"d\":\"x, y={{card.cvc}}\",\"n\":\"{{card.number}}\"}",
                "{\"d\":\"x, y=\",\"n\":\"" N "\"}");
    static const char *const bad[] = {
        "{{card.cvc}}",  "\"{{card.cvc}}\"", ":{{card.cvc}}",      "\":{{card.cvc}}",
        "={{card.cvc}}", "={{card.cvc}}&",   "\"x\":{{card.cvc}}", "{{card.cvc}}{{card.cvc}}"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) { /* no number, and no crash */
        const struct card saved = {.number = N, .month = 3, .year = 2031};
        struct buf out = BUF(1000);
        struct err_info info = {0};
        assert_int_equal(card_fill(str_from(bad[i]), &saved, &out, &info), ERR_CONNECTOR);
        buf_free(&out);
    }
}

static void redacted(const char *answer, const char *expected, int times)
{
    struct buf out = BUF(1000);
    assert_int_equal(card_redact(str_from(answer), &card, &out), times);
    assert_string_equal(out.p, expected);
    buf_free(&out);
}

static void an_answer_has_no_card(void **state)
{
    (void)state;
    redacted("{\"card\":\"4242424242424242\"}", "{\"card\":\"****************\"}", 1);
    redacted("{\"card\": 4242424242424242}", "{\"card\": 9999999999999999}", 1);
    redacted("4242 4242 4242 4242!", "**** **** **** ****!", 1);
    redacted("4242-4242-4242-4242", "****-****-****-****", 1);
    redacted("n=4242%204242%204242%204242", "n=****%20****%20****%20****", 1);
    redacted("424242424242424242", "****************42", 1); /* inside another number, too */
    redacted("4242 4242", "4242 4242", 0);
    redacted("x34323432343234323432343234323432y", "x00000000000000000000000000000000y", 1);
    redacted("{\"cvc\":\"737\",\"code\":\"737\"}", "{\"cvc\":\"***\",\"code\":\"737\"}", 1);
    redacted("{\"amount\":737}", "{\"amount\":737}", 0);
    redacted("{\"securityCode\": 737}", "{\"securityCode\": 999}", 1);
    redacted("{}", "{}", 0);
    /* cut short, escaped */
    redacted("42424242424242", "**************", 1);
    redacted("42424242", "42424242", 0);
    redacted("&#52;&#50;&#52;&#50;&#x34;&#x32;&#52;&#50;&#52;",
             "&#59;&#59;&#59;&#59;&#x39;&#x39;&#59;&#59;&#59;", 1);
}

static void nor_has_it_one_in_pieces_or_coded(void **state)
{
    (void)state;
    redacted("[\"4242\",\"4242\",\"4242\",\"4242\"]", "[\"****\",\"****\",\"****\",\"****\"]", 1);
    redacted("[4242, 4242,\n  4242, 4242]", "[9999, 9999,\n  9999, 9999]", 1);
    redacted("4,2,4,2,4,2,4,2,4,2,4,2,4,2,4,2", "*,*,*,*,*,*,*,*,*,*,*,*,*,*,*,*", 1);
    redacted("4242%2D4242%2D4242%2D4242", "****%2D****%2D****%2D****", 1);
    redacted("%34%32%34%32%34%32%34%32%34%32%34%32%34%32%34%32",
             "%39%39%39%39%39%39%39%39%39%39%39%39%39%39%39%39", 1);
    redacted("\\u0034242424242424242!", "\\u0039***************!", 1);
    redacted("&#x34;242424242424242", "&#x39;***************", 1);
    redacted("4242 a 4242 4242", "4242 a 4242 4242", 0);
    redacted("4242 a 4242 4242 4242", "4242 a **** **** ****", 1);
    redacted("{\"bin\":\"42424242\",\"last4\":\"4242\"}", /* both may be known */
             "{\"bin\":\"42424242\",\"last4\":\"4242\"}", 0);
    struct buf out = BUF(100);
    char wide[33] = {0}; /* UTF-16 */
    for (size_t i = 0; i < 16; i++)
        wide[2 * i] = card.number[i];
    assert_int_equal(card_redact((struct str){wide, 32}, &card, &out), 1);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(out.p[2 * i], '*');
    buf_free(&out);
    for (size_t n = 0; n < 16; n++) { /* cut short, eight digits of it may be known */
        struct buf cut = BUF(100);
        assert_int_equal(card_redact((struct str){card.number, n}, &card, &cut), n > 8);
        buf_free(&cut);
    }
}

/* Wherever it stands in what was encoded. */
static void nor_in_base64(void **state)
{
    (void)state;
    for (int before = 0; before < 8; before++) {
        char plain[64];
        struct buf text = BUF(200), out = BUF(200), back = BUF(200);
        (void)snprintf(plain, sizeof plain, "%.*s%s, and more", before, "{\"pan\": ", card.number);
        crypto_base64(&text, plain, strlen(plain));
        assert_true(card_redact(buf_view(&text), &card, &out) >= 1);
        assert_true(crypto_base64_decode(buf_view(&out), &back));
        for (size_t i = 0; i + 6 < back.n; i++) /* a digit at either end may stay */
            assert_int_not_equal(memcmp(back.p + i, "424242", 6), 0);
        buf_free(&text);
        buf_free(&out);
        buf_free(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placeholders_are_filled_in),
        cmocka_unit_test(an_absent_cvc_leaves_no_member),
        cmocka_unit_test(an_answer_has_no_card),
        cmocka_unit_test(nor_has_it_one_in_pieces_or_coded),
        cmocka_unit_test(nor_in_base64),
    };
    crypto_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

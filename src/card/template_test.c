#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "card/card_internal.h"

#define JSON "application/json; charset=utf-8"
#define FORM "application/x-www-form-urlencoded"
#define XML "text/xml"

static bool fits(const char *type, const char *body)
{
    struct card_template t;
    bool good = card_template_read(str_from(type), str_from(body), &t);
    if (good)
        card_template_end(&t);
    return good;
}

static void a_card_stands_by_itself(void **state)
{
    (void)state;
    assert_true(fits(JSON, "{\"card\":{\"number\":\"{{card.number}}\",\"cvc\":\"{{card.cvc}}\"}}"));
    assert_true(fits(JSON, "[{\"Card-Number\":\"{{card.number}}\"}, 1, null, \"x\"]"));
    assert_true(fits(FORM, "source%5Bnumber%5D={{card.number}}&ACCT={{card.number}}"));
    assert_true(
        fits(JSON, "{\"customer\":{\"pan\":\"{{card.number}}\"},\"metadata\":{\"a\":\"b\"}}"));
    assert_true(fits(XML, "<a><ns:cardNumber>{{card.number}}</ns:cardNumber></a>"));
    assert_true(fits(FORM, "card[number]={{card.number}}&card[cvc]={{card.cvc}}&a=b%20c"));
    assert_true(fits(XML, "<r><pan>{{card.number}}</pan><cvv a=\"1\">{{card.cvc}}</cvv></r>"));
    assert_true(fits("application/vnd.api+JSON", "{\"number\":\"{{card.number}}\"}"));
}

static void it_does_not_stand_in_another_value(void **state)
{
    (void)state;
    static const struct {
        const char *type, *body;
    } bad[] = {
        {"", "{\"number\":\"{{card.number}}\"}"},
        {"text/plain", "{{card.number}}"},
        {"text/plain; json", "{\"number\":\"{{card.number}}\"}"},
        {JSON, "{\"return_url\":\"https://evil/?n={{card.number}}\"}"},
        {JSON, "{\"email\":\"{{card.number}}@evil\"}"},
        {JSON, "{\"number\":\"\\\"{{card.number}}\"}"},
        {JSON, "{\"x\":\"a\\\\{{card.number}}\"}"},
        {JSON, "{\"x\":\"{{card.number}}{{card.number}}\"}"},
        {JSON, "{\"{{card.number}}\":1}"},
        {JSON, "{\"x\":\"a{{card.number}}\",\"x\":\"{{card.number}}\"}"},
        {JSON, "{\"x\":{{card.number}}}"},
        {JSON, "{x=1&return_url=https://evil/?n:\"{{card.number}}\"}"},
        {JSON, "\"{{card.number}}\""},
        {JSON, "{\"description\":\"{{card.cvc}}\"}"},
        {JSON, "{\"description\":\"{{card.number}}\"}"},
        {JSON, "{\"order_number\":\"{{card.number}}\"}"},
        {JSON, "[\"{{card.number}}\"]"},
        {JSON, "{\"metadata\":{\"number\":\"{{card.number}}\"}}"},
        {JSON, "{\"meta_data\":{\"a\":[{\"number\":\"{{card.number}}\"}]}}"},
        {JSON, "{\"notes\":{\"cvc\":\"{{card.cvc}}\"}}"},
        {FORM, "metadata[number]={{card.number}}"},
        {FORM, "Meta%5fData%5Bnumber%5D={{card.number}}"},
        {FORM, "metadat%61[number]={{card.number}}"},
        {FORM, "meta_data%5Bnumber%5D={{card.number}}"},
        {FORM, "order.number_={{card.number}}&invoice[ordernumber]={{card.number}}"},
        {XML, "<name>{{card.number}}</name>"},
        {XML, "<text><![CDATA[<pan>{{card.number}}</pan>]]></text>"},
        {XML, "<!DOCTYPE a><a><pan>{{card.number}}</pan></a>"},
        {JSON, "n={{card.number}}"},
        {FORM, "return_url=https://evil/?n={{card.number}}"},
        {FORM, "return_url=https%3A%2F%2Fevil%2F{{card.number}}"},
        {FORM, "{\"url\":\"https://evil/?a&n={{card.number}}&b\"}"},
        {FORM, "{{card.number}}=1"},
        {FORM, "{{card.number}}"},
        {FORM, "n={{card.number}}x"},
        {FORM, "n={{card.number}}&note={{card.cvc}}"},
        {XML, "<url>https://evil/{{card.number}}</url>"},
        {XML, "<url n=\"{{card.number}}\"/>"},
        {XML, "<a><b>{{card.number}}</c></a>"},
        {XML, "<b>{{card.number}} </b>"},
        {XML, "<note>{{card.cvc}}</note>"},
        {XML, "{{card.number}}"},
        {XML, "<b>{{card.number}}"},
        {JSON, "{\"number\":\"{{card.number}}\""},
        {JSON, ""},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (fits(bad[i].type, bad[i].body))
            fail_msg("%s: %s", bad[i].type, bad[i].body);
}

/* "" when it is within the members below. */
static const char *outside(const char *type, const char *body)
{
    static char where[TEMPLATE_WHERE_MAX];
    static const struct permit_terms terms = {
        .member = {{"card.number", 11}, {"card.cvc", 8}, {"card[number]", 12}, {"list[].pan", 10}},
        .members_n = 4};
    struct card_template t;
    if (!card_template_read(str_from(type), str_from(body), &t))
        fail_msg("%s: %s", type, body);
    bool good = card_template_within(&t, &terms, where);
    card_template_end(&t);
    return good ? "" : where[0] ? where : "?";
}

static void it_stands_at_the_members_of_the_permit(void **state)
{
    (void)state;
    static const struct permit_terms none;
    static const struct {
        const char *type, *body, *outside;
    } cases[] = {
        {JSON, "{\"card\":{\"number\":\"{{card.number}}\",\"cvc\":\"{{card.cvc}}\"}}", ""},
        {JSON, "{\"card\":{\"number\":\"{{card.number}}\",\"month\":\"{{card.exp_month}}\"}}", ""},
        {JSON, "{\"month\":\"{{card.exp_month}}\",\"note\":\"x\"}", ""},
        {JSON, "{\"number\":\"{{card.number}}\"}", "number"},
        {JSON, "{\"a\":{\"card\":{\"number\":\"{{card.number}}\"}}}", "a.card.number"},
        {JSON, "{\"card.number\":\"{{card.number}}\"}", "card.number"},
        {JSON, "{\"card[number]\":\"{{card.number}}\"}", ""},
        {JSON, "{\"Card\":{\"number\":\"{{card.number}}\"}}", "Card.number"},
        {JSON, "[{\"card\":{\"number\":\"{{card.number}}\"}}]", "[].card.number"},
        {JSON, "{\"card\":[{\"number\":\"{{card.number}}\"}]}", "card[].number"},
        {JSON, "{\"card\":{\"number\":[[{\"pan\":\"{{card.number}}\"}]]}}", "card.number[][].pan"},
        {JSON, "{\"card\":{\"number\":\"{{card.number}}\"},\"cvv\":\"{{card.cvc}}\"}", "cvv"},
        {JSON, "{\"0123456789012345678901234567890123456789\":{\"pan\":\"{{card.number}}\"}}",
         "012345678901234567890123456789012345678"},
        {JSON, "{\"list\":[{\"pan\":\"{{card.number}}\"}]}", "list[].pan"},
        {FORM, "list[].pan={{card.number}}", ""},
        {FORM, "a=b&card[number]={{card.number}}", ""},
        {FORM, "card%5Bnumber%5d={{card.number}}&card.cvc={{card.cvc}}&m={{card.exp_month}}", ""},
        {FORM, "card.number={{card.number}}", ""},
        {FORM, "card[number][]={{card.number}}", "card[number][]"},
        {FORM, "card[number]={{card.number}}&pan={{card.number}}", "pan"},
        {FORM, "card[number]={{card.number}}&cvc={{card.cvc}}", "cvc"},
        {XML, "<card><number>{{card.number}}</number></card>", "?"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(outside(cases[i].type, cases[i].body), cases[i].outside);
    /* a permit that names none */
    char where[TEMPLATE_WHERE_MAX];
    struct card_template t;
    assert_true(card_template_read(STR(XML), STR("<pan>{{card.number}}</pan>"), &t));
    assert_true(card_template_within(&t, &none, where));
    card_template_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_stands_by_itself),
        cmocka_unit_test(it_does_not_stand_in_another_value),
        cmocka_unit_test(it_stands_at_the_members_of_the_permit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

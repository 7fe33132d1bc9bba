/* Requests with a card on their way out: where they may go, and what may come back. */
#include "card/egress_test_lib.h"

#include <stdio.h>
#include <stdlib.h>

static void a_card_goes_where_it_may(void **state)
{
    (void)state;
    struct ask a = a_request("/pay?x=1");
    buf_str(&provider.text, "{\"id\":\"ch_1\"}");
    go(&a);
    assert_int_equal(a.sent, HTTP_ANSWERED);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.text, "{\"id\":\"ch_1\"}");
    assert_non_null(strstr(a.content_type, "application/json"));
    assert_string_equal(provider.body, FILLED);
    assert_string_equal(provider.key, "k1");
    assert_int_equal(vault.merchant, 2);
    assert_true(id_eq(vault.card, card_id));
    assert_string_equal(vault.reference, "att_1");
    assert_string_equal(vault.host, "127.0.0.1");
    assert_int_equal(vault.with_cvc, 1);
    wait_for(&vault.used, 1);
    assert_int_equal(a.done, 1);
}

static void a_saved_card_has_no_cvc(void **state)
{
    (void)state;
    struct ask a = a_request("/pay");
    vault.no_cvc = true;
    go(&a);
    assert_int_equal(a.sent, HTTP_ANSWERED);
    assert_string_equal(provider.body, "{\"number\":\"" NUMBER "\",\"m\":\"03\",\"y\":\"2031\"}");
    struct ask b = a_request("/pay");
    go(&b);
    assert_int_equal(vault.used, 0);
}

static void without_a_permit_nothing_goes(void **state)
{
    (void)state;
    char altered[PERMIT_TEXT_MAX], other_port[100];
    const char *right = permit_of(seed, 2, own_url("/"));
    (void)snprintf(altered, sizeof altered, "%s", right);
    altered[strlen(altered) - 10] ^= 1;
    (void)snprintf(other_port, sizeof other_port, "http://127.0.0.1:%d",
                   atoi(strchr(provider.address, ':') + 1) ^ 1);
    const char *permits[] = {"",
                             "\n\n",
                             "florin-permit-1",
                             altered,
                             permit_of(seed, 3, own_url("/")),
                             permit_of(foreign, 2, own_url("/"))};
    for (size_t i = 0; i < COUNT_OF(permits); i++) {
        struct ask a = a_request("/pay");
        a.permit = permits[i];
        refused(&a, "no permit for this host");
    }
    const char *elsewhere[] = {"http://127.0.0.1", "http://127.0.0.2", "http://localhost",
                               other_port, "https://127.0.0.1"};
    for (size_t i = 0; i < COUNT_OF(elsewhere); i++) {
        struct ask a = a_request("/pay");
        a.permit = permit_of(seed, 2, elsewhere[i]);
        refused(&a, "no permit for this host");
    }
    assert_int_equal(vault.opened, 0);
}

static void a_permit_that_is_over_is_none(void **state)
{
    (void)state;
    struct permit_terms past = {.until = STR("2020-02-29")}, later = {.until = STR("2999-12-31")};
    struct ask a = a_request("/pay"), b = a_request("/pay");
    a.permit = permit_with(seed, 2, own_url("/"), &past);
    refused(&a, "the permit for this host is over");
    assert_int_equal(vault.opened, 0);
    b.permit = permit_with(seed, 2, own_url("/"), &later);
    go(&b);
    assert_int_equal(b.sent, HTTP_ANSWERED);
}

static void a_permit_can_be_taken_back(void **state)
{
    (void)state;
    struct permit_terms again = {.serial = STR("0123456789abcdef")};
    struct permit p;
    char list[64];
    struct ask a = a_request("/pay"), b = a_request("/pay"), c = a_request("/pay");
    assert_true(permit_read(str_from(a.permit), &p));
    (void)snprintf(list, sizeof list, "# of today\n%s\n", p.id);
    assert_int_equal(egress_revoke(egress, str_from(list)), OK);
    refused(&a, "the permit for this host was taken back");
    assert_int_equal(vault.opened, 0);
    b.permit = permit_with(seed, 2, own_url("/"), &again);
    go(&b);
    assert_int_equal(b.sent, HTTP_ANSWERED);
    assert_int_equal(egress_revoke(egress, STR("")), OK);
    go(&c);
    assert_int_equal(c.sent, HTTP_ANSWERED);
}

static void a_card_stands_where_the_permit_says(void **state)
{
    (void)state;
    struct permit_terms flat = {.member = {STR("number"), STR("cvc")}, .members_n = 2};
    struct permit_terms deep = {.member = {STR("card.number"), STR("card.cvc")}, .members_n = 2};
    char both[2 * PERMIT_TEXT_MAX];
    struct ask a = a_request("/pay"), b = a_request("/pay"), c = a_request("/pay");
    a.permit = permit_with(seed, 2, own_url("/"), &flat);
    go(&a);
    assert_int_equal(a.sent, HTTP_ANSWERED);
    assert_string_equal(provider.body, FILLED);
    b.permit = permit_with(seed, 2, own_url("/"), &deep);
    refused(&b, "the permit does not name the member number");
    assert_int_equal(vault.opened, 1);
    /* one of several permits will do, not parts of them */
    (void)snprintf(both, sizeof both, "%s\n%s\n", b.permit, a.permit);
    c.permit = both;
    go(&c);
    assert_int_equal(c.sent, HTTP_ANSWERED);
    struct ask d = a_request("/pay"), e = a_request("/pay");
    d.permit = both;
    d.body = "{\"number\":\"{{card.number}}\",\"card\":{\"cvc\":\"{{card.cvc}}\"}}";
    refused(&d, "the permit does not name the member number");
    e.permit = b.permit;
    e.headers = "Content-Type: text/xml\n";
    e.body = "<card><number>{{card.number}}</number></card>";
    refused(&e, "the permit does not name the member (none is known in XML)");
}

/* Two parsers of one URL must not find two hosts in it. */
static void a_url_has_one_host(void **state)
{
    (void)state;
    static const char *const urls[] = {"http://user@%s/pay",
                                       "http://%s@localhost/pay",
                                       "http://localhost#@%s/pay",
                                       "http://localhost?@%s/pay",
                                       "http://localhost\\@%s/pay",
                                       "http://%%31%s/pay",
                                       "https://%s/pay",
                                       "ftp://%s/pay",
                                       "//%s/pay",
                                       "http:/%s/pay",
                                       "http:///%s/pay",
                                       " http://%s/pay",
                                       "http://%s\t/pay",
                                       "http://[::ffff:127.0.0.1]/%s",
                                       "http://[%s]/pay",
                                       "http://127.1/%s",
                                       "http://2130706433/%s",
                                       "http://0x7f.1/%s",
                                       "http://%s:80/pay",
                                       "http://%s/p\xc3\xa9"};
    static const char *const dotted[] = {
        "http://127.0.0.1.:%s/pay", "http://127.0.0.1%%2e:%s/pay", "http://127.0.0.1%%00:%s/pay",
        "http://127.0.0.1 :%s/pay", "http://127.0.0.01:%s/pay",    "http://127.0.0.1:+%s/pay"};
    char url[200];
    for (size_t i = 0; i < COUNT_OF(urls) + COUNT_OF(dotted); i++) {
        bool first = i < COUNT_OF(urls);
        const char *form = first ? urls[i] : dotted[i - COUNT_OF(urls)];
        const char *with = first ? provider.address : strchr(provider.address, ':') + 1;
        char *at = url;
        for (const char *p = form; *p; p++) {
            if (p[0] == '%' && p[1] == 's')
                at += snprintf(at, 100, "%s", with), p++;
            else if (p[0] == '%' && p[1] == '%')
                *at++ = '%', p++;
            else
                *at++ = *p;
        }
        *at = 0;
        struct ask a = a_request("/pay");
        a.url = url;
        refused(&a, "no permit for this host");
    }
    assert_int_equal(vault.opened, 0);
    /* letters of either case are one host */
    char upper[100], lower[100];
    (void)snprintf(upper, sizeof upper, "HTTP://LOCALHOST:%s/pay",
                   strchr(provider.address, ':') + 1);
    (void)snprintf(lower, sizeof lower, "http://localhost:%s", strchr(provider.address, ':') + 1);
    struct ask a = a_request("/pay");
    a.url = upper;
    a.permit = permit_of(seed, 2, lower);
    go(&a);
    assert_int_equal(a.sent, HTTP_ANSWERED);
    assert_int_equal(provider.calls, 1);
}

static void headers_cannot_lead_it_elsewhere(void **state)
{
    (void)state;
    static const char *const headers[] = {"Host: evil.example\n",
                                          "hOsT: evil.example\n",
                                          "Content-Length: 3\n",
                                          "Transfer-Encoding: x\n",
                                          "Accept-Encoding: gzip\n",
                                          "Connection: upgrade\n",
                                          "Expect: 100-continue\n",
                                          "A: b\rHost: evil.example\n",
                                          "A\n",
                                          "A;\n",
                                          "A:b\n",
                                          ": b\n",
                                          "A b: c\n",
                                          "A: b",
                                          "\n",
                                          "Proxy-Connection: x\n",
                                          "A: \x01\n",
                                          "A: b\n\nC: d\n"};
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        struct ask a = a_request("/pay");
        a.headers = headers[i];
        refused(&a, "a header is none, or not the asker's to set");
    }
    struct buf many = BUF(400);
    for (int i = 0; i < 17; i++)
        buf_str(&many, "A: b\n");
    struct ask a = a_request("/pay");
    a.headers = many.p;
    refused(&a, "a header is none, or not the asker's to set");
    buf_free(&many);
    assert_int_equal(vault.opened, 0);
    struct ask b = a_request("/pay");
    b.headers = "Content-Type: application/json\n";
    go(&b);
    assert_int_equal(b.sent, HTTP_ANSWERED);
}

static void a_redirect_is_an_answer(void **state)
{
    (void)state;
    static const int statuses[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct http_answer_header to = {"Location", own_url("/trap")};
        struct ask a = a_request("/pay");
        provider.answer =
            (struct http_answer){.status = statuses[i], .headers = &to, .headers_n = 1};
        go(&a);
        assert_int_equal(a.sent, HTTP_ANSWERED);
        assert_int_equal(a.status, statuses[i]);
    }
    assert_int_equal(provider.trapped, 0);
}

/* Everything that is told, headers too. */
static void assert_clean(const struct ask *a)
{
    static const char *const parts[] = {NUMBER,
                                        "4000 0000 0000 9995",
                                        "4000-0000-0000-9995",
                                        "34303030303030303030303039393935",
                                        "NDAwMDAwMDAwMDAwOTk5N",
                                        "%34%30%30",
                                        CVC};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (strstr(a->text, parts[i]))
            fail_msg("%zu is in %s", i, a->text);
        assert_null(strstr(a->retry_after, parts[i]));
        assert_null(strstr(a->content_type, parts[i]));
    }
}

static void an_echo_is_taken_out(void **state)
{
    (void)state;
    static const char *const echoes[] = {
        "{\"card\":{\"number\":\"" NUMBER "\",\"cvc\":\"" CVC "\"}}",
        "{\"number\":" NUMBER "}",
        "{\"message\":\"Card 4000 0000 0000 9995 was refused\"}",
        "4000-0000-0000-9995",
        "{\"parts\":[\"4000\",\"0000\",\"0000\",\"9995\"]}",
        "34303030303030303030303039393935",
        "%34%30%30%30%30%30%30%30%30%30%30%30%39%39%39%35",
        "{\"b\":\"NDAwMDAwMDAwMDAwOTk5NQ==\"}",
        "<html>" NUMBER "</html>",
    };
    struct http_answer_header wait = {"Retry-After", NUMBER};
    for (size_t i = 0; i < COUNT_OF(echoes); i++) {
        struct ask a = a_request("/pay");
        buf_clear(&provider.text);
        buf_str(&provider.text, echoes[i]);
        provider.answer = (struct http_answer){.status = i % 2 ? 402 : 200,
                                               .content_type = i == 8 ? "text/" NUMBER : NULL,
                                               .headers = &wait,
                                               .headers_n = 1};
        go(&a);
        assert_int_equal(a.sent, HTTP_ANSWERED);
        assert_int_equal(a.text_n, strlen(echoes[i]));
        assert_clean(&a);
        assert_string_equal(a.retry_after, "");
        assert_null(strstr(a.text, "\"4000\",\"0000\""));
    }
}

static void what_cannot_be_looked_into_is_no_answer(void **state)
{
    (void)state;
    struct ask a = a_request("/pay"), b = a_request("/pay");
    buf_add(&provider.text, "\x1f\x8b\x08\0\0\0", 6);
    go(&a);
    assert_int_equal(a.sent, HTTP_UNKNOWN);
    assert_int_equal(a.text_n, 0);
    buf_clear(&provider.text); /* and what is too long */
    for (int i = 0; i < 129 * 1024; i++)
        buf_byte(&provider.text, 'x');
    go(&b);
    assert_int_equal(b.sent, HTTP_UNKNOWN);
    assert_int_equal(b.text_n, 0);
    wait_for(&vault.used, 2);
    struct ask c = a_request("/pay");
    provider.text.n = 128 * 1024;
    go(&c);
    assert_int_equal(c.sent, HTTP_ANSWERED);
    assert_int_equal(c.text_n, 128 * 1024);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, egress_test_set_up, egress_test_tear_down)
        T(a_card_goes_where_it_may),
        T(a_saved_card_has_no_cvc),
        T(without_a_permit_nothing_goes),
        T(a_permit_that_is_over_is_none),
        T(a_permit_can_be_taken_back),
        T(a_card_stands_where_the_permit_says),
        T(a_url_has_one_host),
        T(headers_cannot_lead_it_elsewhere),
        T(a_redirect_is_an_answer),
        T(an_echo_is_taken_out),
        T(what_cannot_be_looked_into_is_no_answer),
        cmocka_unit_test(the_log_has_no_card),
    };
    egress_test_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "web/web.h"

static void files_are_there(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/florin.js",  "/florin.d.ts", "/fields/fields.js", "/favicon.svg", "/checkout/checkout.js",
        "fields.html", "checkout.html"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        const struct web_asset *a = web_asset_find(str_from(paths[i]));
        assert_non_null(a);
        assert_true(a->n > 100 && a->bytes[a->n] == 0);
        assert_true(str_starts(str_from(a->sri), STR("sha384-")));
        assert_int_equal(strlen(a->sri), 7 + 64);
    }
    assert_null(web_asset_find(STR("/fields")));
    assert_null(web_asset_find(STR("")));
}

static void origins(void **state)
{
    (void)state;
    static const char *const good[] = {"https://shop.example",  "https://shop.example:8443",
                                       "http://127.0.0.1:3000", "http://localhost:80",
                                       "https://[::1]:8443",    "https://xn--bcher-kva.example"};
    static const char *const bad[] = {"",
                                      "null",
                                      "https://",
                                      "shop.example",
                                      "https://shop.example/",
                                      "https://shop.example; script-src *",
                                      "https://shop.example *",
                                      "https://*.example",
                                      "https://SHOP.example",
                                      "https://shop.example,https://other.example",
                                      "https://user@shop.example",
                                      "https://shop.example?x",
                                      "javascript:alert(1)",
                                      "data://x",
                                      "https://shop.example\n"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!web_origin_valid(str_from(good[i])))
            fail_msg("refused %s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (web_origin_valid(str_from(bad[i])))
            fail_msg("taken: %s", bad[i]);
}

static void nonces_differ(void **state)
{
    (void)state;
    char a[WEB_NONCE_MAX], b[WEB_NONCE_MAX];
    web_nonce(a);
    web_nonce(b);
    assert_int_equal(strlen(a), WEB_NONCE_MAX - 1);
    assert_string_not_equal(a, b);
}

static void policies(void **state)
{
    (void)state;
    struct buf field = BUF(4096), local = BUF(4096), page = BUF(4096);
    const struct web_checkout far = {.card_url = STR("https://card.example"),
                                     .public_url = STR("https://pay.example")};
    const struct web_checkout near = {.card_url = STR("http://127.0.0.1:8403"),
                                      .public_url = STR("http://127.0.0.1:8401")};
    web_policy_field(&field, "N", STR("https://shop.example"), STR("https://card.example"));
    web_policy_checkout(&page, "N", &far);
    web_policy_checkout(&local, "N", &near);
    assert_non_null(strstr(field.p, "frame-ancestors https://shop.example"));
    assert_non_null(strstr(field.p, "script-src 'nonce-N' 'strict-dynamic';"));
    assert_non_null(strstr(field.p, "report-uri /reports; report-to pages;"));
    assert_null(strstr(field.p, "unsafe"));
    assert_non_null(strstr(page.p, "frame-src https://card.example https:;"));
    assert_non_null(strstr(page.p, "report-to pages;"));
    assert_null(strstr(page.p, "http:;"));
    assert_non_null(strstr(page.p, "frame-ancestors 'none'"));
    assert_non_null(strstr(local.p, "frame-src http://127.0.0.1:8403 https: http:;"));
    assert_null(strstr(local.p, "report-to"));
    buf_free(&field);
    buf_free(&local);
    buf_free(&page);
}

/* What a merchant writes into a description stays text. */
static void a_checkout_cannot_be_broken_out_of(void **state)
{
    (void)state;
    struct buf out = BUF(1 << 20);
    struct web_checkout page = {
        .card_url = STR("https://card.example"),
        .public_url = STR("https://pay.example"),
        .state = STR("{\"description\":\"</script><script>alert(1)</script>{{nonce}}<!--\"}")};
    web_page_checkout(&out, "NONCE", &page);
    assert_false(out.failed);
    assert_null(strstr(out.p, "alert(1)</script>"));
    assert_non_null(strstr(out.p, "\\u003c/script\\u003e\\u003cscript\\u003ealert(1)"));
    assert_non_null(strstr(out.p, "<script nonce=\"NONCE\" src=\"/checkout/checkout.js?v="));
    assert_non_null(strstr(out.p, "integrity=\"sha384-"));
    buf_free(&out);
}

/* Each script has a purpose: the inventory panics at one without. */
static void the_inventory_has_all_scripts(void **state)
{
    (void)state;
    struct buf out = BUF(1 << 20);
    struct jw w = {.b = &out};
    jw_array(&w, NULL);
    web_inventory(&w, STR("https://card.example"), STR("https://pay.example"));
    jw_array_end(&w);
    assert_false(out.failed);
    for (const struct web_asset *a = web_assets; a->path; a++)
        if (str_starts(str_from(a->content_type), STR("text/javascript")) &&
            (!strstr(out.p, a->path) || !strstr(out.p, a->sri)))
            fail_msg("missing: %s", a->path);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_there),
        cmocka_unit_test(origins),
        cmocka_unit_test(nonces_differ),
        cmocka_unit_test(policies),
        cmocka_unit_test(a_checkout_cannot_be_broken_out_of),
        cmocka_unit_test(the_inventory_has_all_scripts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

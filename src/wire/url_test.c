#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "wire/wire.h"

static void escapes_are_decoded(void **state)
{
    (void)state;
    static const char *const bad[] = {"%",    "%4",  "%4g",    "%%41",
                                      "a%00", "%ff", "%C3%28", "%ED%A0%80"};
    struct buf b = BUF(100);
    buf_str(&b, "kept:");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (url_decode(str_from(bad[i]), true, &b))
            fail_msg("decoded %s", bad[i]);
    assert_false(url_decode((struct str){"a\0", 2}, true, &b));
    assert_string_equal(b.p, "kept:");
    assert_true(url_decode(STR("a+b%20%C3%a9%2F"), true, &b));
    assert_string_equal(b.p, "kept:a b \xC3\xA9/");
    buf_clear(&b);
    assert_true(url_decode(STR("a+b"), false, &b));
    assert_string_equal(b.p, "a+b");
    buf_free(&b);
}

static void everything_reserved_is_encoded(void **state)
{
    (void)state;
    struct buf b = BUF(1000), back = BUF(1000);
    char all[127];
    for (int i = 1; i < 128; i++)
        all[i - 1] = (char)i;
    url_encode(&b, STR("a b/c?d=e&f+g~h-i._\xC3\xA9%"));
    assert_string_equal(b.p, "a%20b%2Fc%3Fd%3De%26f%2Bg~h-i._%C3%A9%25");
    buf_clear(&b);
    url_encode(&b, (struct str){all, sizeof all});
    assert_true(url_decode(buf_view(&b), true, &back));
    assert_true(str_eq(buf_view(&back), (struct str){all, sizeof all}));
    buf_free(&b);
    buf_free(&back);
}

static void markup_becomes_text(void **state)
{
    (void)state;
    struct buf b = BUF(100), small = BUF(8);
    html_escape(&b, STR("<a href=\"'&'\">\xFFz"));
    assert_string_equal(b.p, "&#60;a href=&#34;&#39;&#38;&#39;&#34;&#62;\xEF\xBF\xBDz");
    html_escape(&small, STR("<<"));
    assert_true(small.failed);
    buf_free(&b);
    buf_free(&small);
}

static void queries_become_pairs(void **state)
{
    (void)state;
    struct arena *a = arena_new(10000);
    struct url_pair q[8];
    size_t n = 99;
    assert_int_equal(
        url_query(STR("limit=10&created%5Bgte%5D=2026&&expand[]=a&expand[]=b%26&flag&e="), a, q, 8,
                  &n, NULL),
        OK);
    assert_int_equal(n, 6);
    assert_true(str_eq(q[0].name, STR("limit")) && str_eq(q[0].value, STR("10")));
    assert_true(str_eq(q[1].name, STR("created[gte]")) && str_eq(q[1].value, STR("2026")));
    assert_true(str_eq(q[3].name, STR("expand[]")) && str_eq(q[3].value, STR("b&")));
    assert_true(str_eq(q[4].name, STR("flag")) && q[4].value.n == 0);
    assert_true(str_eq(q[5].name, STR("e")) && q[5].value.n == 0);
    assert_int_equal(url_query(STR(""), a, q, 8, &n, NULL), OK);
    assert_int_equal(n, 0);
    arena_free(a);
}

static void bad_queries_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"a=1&a=2", "a"}, {"a=1&%61=2", "a"}, {"a=%zz", "a"},    {"a=%00", "a"},
        {"%zz=1", ""},    {"=1", ""},         {"a&b&c&d&e", ""},
    };
    struct arena *a = arena_new(10000), *tiny = arena_new(1);
    struct url_pair q[4];
    size_t n = 99;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err_info info = {0};
        err_t err = url_query(str_from(bad[i][0]), a, q, 4, &n, &info);
        if (err != ERR_PARAM_INVALID || strcmp(info.param, bad[i][1]) != 0 || !info.detail[0])
            fail_msg("%s: error %d, param %s", bad[i][0], err, info.param);
    }
    assert_int_equal(url_query(STR("a=1"), tiny, q, 4, &n, NULL), ERR_NO_MEMORY);
    assert_int_equal(n, 99);
    arena_free(a);
    arena_free(tiny);
}

static void urls_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *scheme, *host, *path;
        int port;
    } t[] = {
        {"https://example.com", "https", "example.com", "/", 443},
        {"HTTP://Example.com:8080/a?b=c", "HTTP", "Example.com", "/a?b=c", 8080},
        {"http://127.0.0.1/", "http", "127.0.0.1", "/", 80},
        {"https://[2001:db8::1]:8443/x%20y", "https", "2001:db8::1", "/x%20y", 8443},
        {"http://[::ffff:10.0.0.1]", "http", "::ffff:10.0.0.1", "/", 80},
        {"http://my_service:65535/", "http", "my_service", "/", 65535},
        {"http://3com.example/@:", "http", "3com.example", "/@:", 80},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct url u = {0};
        if (!url_parse(str_from(t[i].text), &u))
            fail_msg("refused %s", t[i].text);
        assert_true(str_eq(u.scheme, str_from(t[i].scheme)));
        assert_true(str_eq(u.host, str_from(t[i].host)));
        assert_true(str_eq(u.path, str_from(t[i].path)));
        assert_int_equal(u.port, t[i].port);
    }
}

static void doubtful_urls_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "https:",
        "https://",
        "https:///x",
        "ftp://a/",
        "//a/",
        "a.com",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://user@a/",
        "http://user:pw@a/",
        "http://a/#frag",
        "http://a#",
        "http://a:/",
        "http://a:0/",
        "http://a:65536/",
        "http://a:-1/",
        "http://a:8x/",
        "http://a:000080/",
        "http://a b/",
        "http://a\\b/",
        "http://a/\\b",
        "http://a/ b",
        "http://a/\n",
        "http://a/\x7F",
        "http://a/\xC3\xA9",
        "http://b\xC3\xBC.de/",
        "http://a%2eb/",
        "http://a..b/",
        "http://.a/",
        "http://a./",
        "http://a?x=1",
        "http://a/%",
        "http://a/%4",
        "http://a/%zz",
        "http://a/<b>",
        "http://[::1",
        "http://[::1]x/",
        "http://[1.2.3.4]/",
        "http://[fe80::1%25eth0]/",
        "http://[]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://1.2.3.256/",
        "http://1.2.3.4.5/",
        "http://a.0x7f/",
        "http://::1/",
        " http://a/",
    };
    struct url u = {.port = 7};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (url_parse(str_from(bad[i]), &u))
            fail_msg("took %s", bad[i]);
    char label[] = "http://aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffffgggggggghhhhhhhh.com/";
    assert_false(url_parse(str_from(label), &u)); /* a label of 64 characters, the DNS has 63 */
    memmove(label + 1, label, 7);
    struct url longest;
    assert_true(url_parse(str_from(label + 1), &longest));
    assert_int_equal(longest.host.n, 67);
    assert_false(url_parse((struct str){"http://a/\0x", 11}, &u));
    assert_false(url_parse((struct str){"http://a\0b/", 11}, &u));
    assert_false(url_parse((struct str){"http://[::1\0]/", 14}, &u));
    assert_int_equal(u.port, 7);
}

static void idempotency_keys_are_read(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324"},
        {"8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"},
        {" \"a b\" ", "a b"},
        {"\"a\\\"b\\\\c\"", "a\"b\\c"},
        {"a\"b\\c,d;e=f", "a\"b\\c,d;e=f"},
    };
    static const char *const bad[] = {
        "",       " ",         "\"\"",         "\"",           "\"a",
        "\"a\"b", "\"a\";p=1", "\"a\", \"b\"", "\"a\\n\"",     "\"a\\\"",
        "\"a\\",  "\"\t\"",    "\"\x7F\"",     "\"\xC3\xA9\"", "a b",
        "a\tb",   "\xC3\xA9",  "a\x01",
    };
    struct buf b = BUF(1000);
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        buf_clear(&b);
        assert_int_equal(idempotency_key_read(str_from(good[i][0]), &b, NULL), OK);
        assert_string_equal(b.p, good[i][1]);
    }
    buf_clear(&b);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err_info info = {0};
        if (idempotency_key_read(str_from(bad[i]), &b, &info) != ERR_HEADER_INVALID)
            fail_msg("took %s", bad[i]);
        assert_non_null(strstr(info.detail, "Idempotency-Key"));
    }
    assert_int_equal(b.n, 0);
    buf_free(&b);
}

static void idempotency_keys_have_up_to_255_characters(void **state)
{
    (void)state;
    char key[600];
    struct buf b = BUF(1000);
    struct err_info info = {0};
    memset(key, 'k', sizeof key);
    assert_int_equal(idempotency_key_read((struct str){key, 255}, &b, NULL), OK);
    assert_int_equal(b.n, 255);
    assert_int_equal(idempotency_key_read((struct str){key, 256}, &b, &info), ERR_HEADER_INVALID);
    assert_non_null(strstr(info.detail, "got 256"));
    key[0] = '"';
    for (size_t i = 1; i < 511; i += 2)
        memcpy(key + i, "\\\"", 2);
    key[511] = '"';
    buf_clear(&b);
    assert_int_equal(idempotency_key_read((struct str){key, 512}, &b, NULL), OK);
    struct buf small = BUF(4); /* as without memory: the key must not be cut to another one */
    assert_int_equal(idempotency_key_read(STR("order-17"), &small, NULL), ERR_NO_MEMORY);
    buf_free(&small);
    assert_int_equal(b.n, 255); /* the value counts, not its escapes */
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(everything_reserved_is_encoded),
        cmocka_unit_test(markup_becomes_text),
        cmocka_unit_test(queries_become_pairs),
        cmocka_unit_test(bad_queries_are_refused),
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(doubtful_urls_are_refused),
        cmocka_unit_test(idempotency_keys_are_read),
        cmocka_unit_test(idempotency_keys_have_up_to_255_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

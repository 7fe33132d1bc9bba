#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "wire/wire.h"

static const struct json_limits limits = {.bytes_max = 4096, .depth_max = 5};

static void expect_refused(struct str body, err_t want, const char *piece)
{
    json_t *v = NULL;
    struct err_info info = {0};
    err_t err = json_read(body, &limits, &v, &info);
    if (err != want || v || !strstr(info.detail, piece))
        fail_msg("%.*s: error %d, \"%s\"", (int)body.n, body.p ? body.p : "", err, info.detail);
    assert_int_equal(info.err, want);
}

static void json_that_is_not_strict_is_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "empty"},
        {" ", "too early"},
        {"{\"a\":1", "too early"},
        {"{\"a\":1,\n\"b\":x}", "line 2, column"},
        {"{\"a\":1}x", "follows"},
        {"{} {}", "follows"},
        {"{\"a\":1,\"a\":2}", "same member twice"},
        {"{\"b\":{\"a\":1,\"\\u0061\":2}}", "same member twice"},
        {"{\"a\":9223372036854775808}", "out of range"},
        {"{\"a\":-9223372036854775809}", "out of range"},
        {"{\"a\":1e999}", "out of range"},
        {"{\"a\":\"\\u0000\"}", "NUL"},
        {"{\"\\u0000\":1}", "NUL"},
        {"{\"a\":\"\xC3\x28\"}", "UTF-8"},
        {"{\"a\":\"\xED\xA0\x80\"}", "UTF-8"},
        {"{\"a\":\"\\ud800\"}", "not JSON"},
        {"\xEF\xBB\xBF{}", "byte order mark"},
        {"{'a':1}", "not JSON"},
        {"{\"a\":1,}", "not JSON"},
        {"{\"a\":01}", "not JSON"},
        {"{\"a\":+1}", "not JSON"},
        {"{\"a\":NaN}", "not JSON"},
        {"{\"a\":\"\n\"}", "not JSON"},
        {"{/**/}", "not JSON"},
        {"12", "not JSON"},
        {"\"text\"", "not JSON"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        expect_refused(str_from(bad[i][0]), ERR_BAD_JSON, bad[i][1]);
    expect_refused((struct str){"{}\0", 3}, ERR_BAD_JSON, "follows");
    expect_refused((struct str){"{\"a\":\"\0\"}", 9}, ERR_BAD_JSON, "");
}

static void what_a_body_holds_is_not_repeated_in_errors(void **state)
{
    (void)state;
    json_t *v = NULL;
    struct err_info info = {0};
    assert_int_equal(json_read(STR("{\"number\":4242424242424242 \"x\"}"), &limits, &v, &info),
                     ERR_BAD_JSON);
    assert_null(strstr(info.detail, "4242"));
    assert_int_equal(json_read(STR("{\"cvc\": secret123}"), &limits, &v, &info), ERR_BAD_JSON);
    assert_null(strstr(info.detail, "secret"));
}

static void depth_is_limited_before_anything_is_read(void **state)
{
    (void)state;
    json_t *v = NULL;
    assert_int_equal(json_read(STR("[[[[[\"[[[[{{{\\\"[[[\"]]]]]"), &limits, &v, NULL), OK);
    json_decref(v);
    expect_refused(STR("[[[[[[1]]]]]]"), ERR_BAD_JSON, "byte 5: nested deeper than 5");
    expect_refused(STR("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}"), ERR_BAD_JSON, "deeper");
    expect_refused(STR("[],[],[],[],[],[]"), ERR_BAD_JSON, "follows");
    char deep[4096];
    memset(deep, '[', sizeof deep);
    expect_refused((struct str){deep, sizeof deep}, ERR_BAD_JSON, "deeper");
    memset(deep, ']', sizeof deep);
    expect_refused((struct str){deep, sizeof deep}, ERR_BAD_JSON, "not JSON");
    expect_refused((struct str){"\"\\", 2}, ERR_BAD_JSON, "");
}

static void size_is_limited(void **state)
{
    (void)state;
    char body[4097];
    json_t *v = NULL;
    memset(body, ' ', sizeof body);
    body[0] = '{', body[4095] = '}';
    assert_int_equal(json_read((struct str){body, 4096}, &limits, &v, NULL), OK);
    json_decref(v);
    expect_refused((struct str){body, 4097}, ERR_TOO_LARGE, "at most 4096");
}

static void expect_written(struct buf *b, const char *want)
{
    assert_false(b->failed);
    assert_string_equal(b->p, want);
    buf_free(b);
}

static void objects_are_written_with_commas_where_they_belong(void **state)
{
    (void)state;
    struct buf b = BUF(1000);
    struct jw w = {.b = &b};
    struct id id = {{0}};
    jw_object(&w, NULL);
    jw_array(&w, "empty");
    jw_array_end(&w);
    jw_object(&w, "none");
    jw_object_end(&w);
    jw_int(&w, "min", INT64_MIN);
    jw_array(&w, "list");
    jw_bool(&w, NULL, true);
    jw_object(&w, NULL);
    jw_bool(&w, "no", false);
    jw_object_end(&w);
    jw_str(&w, NULL, STR("x"));
    jw_array_end(&w);
    jw_str(&w, "absent", (struct str){NULL, 0});
    jw_str(&w, "blank", STR(""));
    jw_null(&w, "null");
    jw_id(&w, "id", ID_PAYMENT, id);
    jw_time(&w, "at", INT64_C(1645557742123456));
    jw_raw(&w, "raw", STR("[1, 2]"));
    jw_int(&w, "zero", 0);
    jw_object_end(&w);
    expect_written(&b, "{\"empty\":[],\"none\":{},\"min\":-9223372036854775808,"
                       "\"list\":[true,{\"no\":false},\"x\"],\"absent\":null,\"blank\":\"\","
                       "\"null\":null,\"id\":\"pay_00000000000000000000000000\","
                       "\"at\":\"2022-02-22T19:22:22.123Z\",\"raw\":[1, 2],\"zero\":0}");
}

static void strings_are_escaped(void **state)
{
    (void)state;
    static const char *const t[][2] = {
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\b\t\n\v\f\r\x01\x1F\x7F", "\"\\b\\t\\n\\u000b\\f\\r\\u0001\\u001f\x7F\""},
        {"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80",
         "\"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\""},
        {"a\xFFz", "\"a\xEF\xBF\xBDz\""},
        {"\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };
    struct buf b = BUF(1000);
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct jw w = {.b = &b};
        jw_str(&w, NULL, str_from(t[i][0]));
        expect_written(&b, t[i][1]);
        json_quote(&b, str_from(t[i][0]));
        expect_written(&b, t[i][1]);
    }
    json_quote(&b, (struct str){"a\0b", 3});
    expect_written(&b, "\"a\xEF\xBF\xBD"
                       "b\"");
    json_quote(&b, (struct str){NULL, 0});
    expect_written(&b, "\"\"");
}

/* Around every inner limit of the writer, what is written is read again and equal. */
static void any_length_survives_a_round_trip(void **state)
{
    (void)state;
    for (size_t n = 0; n < 600; n++) {
        struct buf key = BUF(1000), text = BUF(1000), out = BUF(10000);
        for (size_t i = 0; i < n; i++) {
            buf_str(&key, n % 2 && i == n / 2 ? "\"" : "k");
            buf_str(&text, i % 180 == 179 ? "\xC3\xA9" : "v");
        }
        const char *name = key.p ? key.p : "";
        json_t *back = NULL;
        struct jw w = {.b = &out};
        jw_object(&w, NULL);
        jw_str(&w, name, text.p ? buf_view(&text) : STR(""));
        jw_int(&w, "after", 1);
        jw_object_end(&w);
        assert_int_equal(json_read(buf_view(&out), &limits, &back, NULL), OK);
        assert_string_equal(json_string_value(json_object_get(back, name)), text.p ? text.p : "");
        assert_int_equal(json_object_size(back), 2);
        json_decref(back);
        buf_free(&key);
        buf_free(&text);
        buf_free(&out);
    }
}

static void jansson_values_are_written_in_their_order(void **state)
{
    (void)state;
    static const char text[] =
        "{\"z\":1,\"a\":[true,false,null,-0.5,1e300,0.1,0.30000000000000004,100.0,\"\\u00e9\\n\"],"
        "\"m\":{\"k\\\"\":{}},\"big\":9223372036854775807}";
    json_t *v = NULL, *back = NULL;
    struct buf b = BUF(1000);
    struct jw w = {.b = &b};
    assert_int_equal(json_read(STR(text), &limits, &v, NULL), OK);
    jw_array(&w, NULL);
    jw_json(&w, NULL, v);
    jw_json(&w, NULL, NULL);
    jw_array_end(&w);
    assert_int_equal(strncmp(b.p, "[{\"z\":1,\"a\":[true,false,null,-0.5,", 33), 0);
    assert_non_null(strstr(b.p, "\"m\":{\"k\\\"\":{}},\"big\":9223372036854775807},null]"));
    assert_int_equal(json_read(buf_view(&b), &limits, &back, NULL), OK);
    assert_true(json_equal(json_array_get(back, 0), v));
    json_decref(v);
    json_decref(back);
    buf_free(&b);
}

static void a_value_without_end_fails_the_buffer(void **state)
{
    (void)state;
    struct buf b = BUF(100000);
    struct jw w = {.b = &b};
    json_t *v = json_array();
    for (int i = 0; i < 2000; i++) {
        json_t *outer = json_array();
        json_array_append_new(outer, v);
        v = outer;
    }
    jw_json(&w, NULL, v);
    assert_true(b.failed);
    json_decref(v);
    buf_free(&b);
}

static json_t *problem(const struct err_info *info, const char *decline, const char *extra)
{
    struct buf b = BUF(10000);
    struct id id = {{0x01, 0x7F}};
    json_t *v = NULL;
    problem_write(&b, info, id, decline, extra);
    assert_int_equal(json_read(buf_view(&b), &limits, &v, NULL), OK);
    buf_free(&b);
    return v;
}

static const char *text_at(json_t *v, const char *name)
{
    return json_string_value(json_object_get(v, name));
}

static void problems_have_the_members_of_rfc9457(void **state)
{
    (void)state;
    struct err_info info = {0};
    (void)error_param(&info, ERR_PARAM_INVALID, "amount", "amount must be \"an\" integer");
    (void)error_param(&info, ERR_PARAM_INVALID, "metadata.a", "too long");
    json_t *v = problem(&info, NULL, NULL);
    assert_string_equal(text_at(v, "type"), "urn:florin:error:parameter_invalid");
    assert_string_equal(text_at(v, "title"), error_def(ERR_PARAM_INVALID)->title);
    assert_int_equal(json_integer_value(json_object_get(v, "status")), 400);
    assert_string_equal(text_at(v, "detail"), "amount must be \"an\" integer");
    assert_string_equal(text_at(v, "code"), "parameter_invalid");
    assert_string_equal(text_at(v, "param"), "amount");
    assert_int_equal(strncmp(text_at(v, "request_id"), "req_", 4), 0);
    json_t *errors = json_object_get(v, "errors");
    assert_int_equal(json_array_size(errors), 2);
    assert_string_equal(text_at(json_array_get(errors, 1), "pointer"), "#/metadata/a");
    assert_string_equal(text_at(json_array_get(errors, 1), "detail"), "too long");
    assert_null(json_object_get(v, "decline_code"));
    json_decref(v);
}

static void a_decline_carries_the_payment(void **state)
{
    (void)state;
    struct err_info info = {0};
    (void)error_set(&info, ERR_DECLINED, "The card has insufficient funds.");
    json_t *v = problem(&info, "insufficient_funds", "\"payment\":{\"id\":\"pay_1\"}");
    assert_int_equal(json_integer_value(json_object_get(v, "status")), 402);
    assert_string_equal(text_at(v, "decline_code"), "insufficient_funds");
    assert_string_equal(text_at(json_object_get(v, "payment"), "id"), "pay_1");
    assert_null(json_object_get(v, "param"));
    assert_null(json_object_get(v, "errors"));
    json_decref(v);
}

static void a_bug_is_not_explained_to_the_peer(void **state)
{
    (void)state;
    struct err_info info = {0};
    (void)error_set(&info, ERR_INTERNAL, "row 7 of secrets is corrupt");
    json_t *v = problem(&info, NULL, NULL);
    assert_string_equal(text_at(v, "detail"), error_def(ERR_INTERNAL)->title);
    json_decref(v);
    info = (struct err_info){0};
    v = problem(&info, NULL, NULL); /* an error that nobody named is still an error */
    assert_int_equal(json_integer_value(json_object_get(v, "status")), 500);
    json_decref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_that_is_not_strict_is_refused),
        cmocka_unit_test(what_a_body_holds_is_not_repeated_in_errors),
        cmocka_unit_test(depth_is_limited_before_anything_is_read),
        cmocka_unit_test(size_is_limited),
        cmocka_unit_test(objects_are_written_with_commas_where_they_belong),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(any_length_survives_a_round_trip),
        cmocka_unit_test(jansson_values_are_written_in_their_order),
        cmocka_unit_test(a_value_without_end_fails_the_buffer),
        cmocka_unit_test(problems_have_the_members_of_rfc9457),
        cmocka_unit_test(a_decline_carries_the_payment),
        cmocka_unit_test(a_bug_is_not_explained_to_the_peer),
    };
    wire_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

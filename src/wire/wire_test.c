#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "wire/wire.h"

struct body {
    struct opt_int amount, count, low;
    struct str currency, description;
    struct opt_bool capture;
    json_t *events, *metadata, *three_ds;
};

static const struct wire_field fields[] = {
    {"amount", WIRE_INT, WIRE_REQUIRED, offsetof(struct body, amount), 1, 1000000},
    {"currency", WIRE_STR, WIRE_REQUIRED, offsetof(struct body, currency), 3, 3},
    {"capture", WIRE_BOOL, 0, offsetof(struct body, capture), 0, 0},
    {"description", WIRE_STR, WIRE_NULLABLE, offsetof(struct body, description), 1, 10},
    {"count", WIRE_INT, 0, offsetof(struct body, count), 0, 0},
    {"low", WIRE_INT, 0, offsetof(struct body, low), -5, 0},
    {"enabled_events", WIRE_STR_LIST, 0, offsetof(struct body, events), 1, 3},
    {"metadata", WIRE_METADATA, 0, offsetof(struct body, metadata), 0, 0},
    {"three_ds", WIRE_OBJECT, 0, offsetof(struct body, three_ds), 0, 0},
};

static const struct json_limits limits = {.bytes_max = 100000, .depth_max = 8};

static json_t *json(const char *text)
{
    json_t *v = NULL;
    assert_int_equal(json_read(str_from(text), &limits, &v, NULL), OK);
    return v;
}

static err_t read_text(const char *text, struct err_info *info)
{
    struct body out = {0};
    json_t *v = json(text);
    *info = (struct err_info){0};
    err_t err = wire_read(v, fields, COUNT_OF(fields), &out, info);
    json_decref(v);
    return err;
}

/* One thing is wrong: the error, the parameter it names, and a piece of the sentence. */
static void expect_wrong(const char *text, err_t want, const char *param, const char *piece)
{
    struct err_info info;
    err_t err = read_text(text, &info);
    if (err != want || strcmp(info.param, param) != 0 || !strstr(info.detail, piece) ||
        info.items != (*param ? 1 : 0))
        fail_msg("%s: error %d, %d items, param %s: %s", text, err, info.items, info.param,
                 info.detail);
}

static void a_good_body_is_read(void **state)
{
    (void)state;
    struct body out = {0};
    json_t *v = json("{\"description\":\"caf\\u00e9\",\"amount\":9232,\"currency\":\"EUR\","
                     "\"capture\":false,\"enabled_events\":[\"*\"],\"metadata\":{\"a\":\"\"},"
                     "\"three_ds\":{\"x\":1},\"count\":-9223372036854775808,\"low\":0}");
    assert_int_equal(wire_read(v, fields, COUNT_OF(fields), &out, NULL), OK);
    assert_true(out.amount.set && out.amount.value == 9232);
    assert_true(str_eq(out.currency, STR("EUR")));
    assert_true(str_eq(out.description, STR("caf\xC3\xA9")));
    assert_true(out.capture.set && !out.capture.value);
    assert_true(out.count.value == INT64_MIN && out.low.set);
    assert_int_equal(json_array_size(out.events), 1);
    assert_string_equal(json_string_value(json_object_get(out.metadata, "a")), "");
    assert_int_equal(json_object_size(out.three_ds), 1);
    json_decref(v);
    v = json("{\"amount\":1,\"currency\":\"EUR\",\"description\":null}");
    out = (struct body){0};
    assert_int_equal(wire_read(v, fields, COUNT_OF(fields), &out, NULL), OK);
    assert_true(!out.description.p && !out.capture.set && !out.count.set && !out.metadata);
    json_decref(v);
}

#define WITH(member) "{\"amount\":1,\"currency\":\"EUR\"," member "}"

static void each_wrong_member_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        err_t err;
        const char *param, *piece;
    } t[] = {
        {"[]", ERR_PARAM_INVALID, "", "must be a JSON object"},
        {"{\"amount\":\"1\",\"currency\":\"EUR\"}", ERR_PARAM_INVALID, "amount",
         "amount must be an integer of minor units, got a string"},
        {"{\"amount\":1.0,\"currency\":\"EUR\"}", ERR_PARAM_INVALID, "amount", "fraction"},
        {"{\"amount\":1e3,\"currency\":\"EUR\"}", ERR_PARAM_INVALID, "amount", "exponent"},
        {"{\"amount\":true,\"currency\":\"EUR\"}", ERR_PARAM_INVALID, "amount", "got a boolean"},
        {"{\"amount\":null,\"currency\":\"EUR\"}", ERR_PARAM_INVALID, "amount", "got null"},
        {"{\"amount\":0,\"currency\":\"EUR\"}", ERR_PARAM_INVALID, "amount",
         "must be at least 1, got 0"},
        {"{\"amount\":1000001,\"currency\":\"EUR\"}", ERR_PARAM_INVALID, "amount",
         "must be at most 1000000, got 1000001"},
        {"{\"currency\":\"EUR\"}", ERR_PARAM_MISSING, "amount", "amount is required"},
        {"{\"amount\":1,\"currency\":\"EURO\"}", ERR_PARAM_INVALID, "currency",
         "at most 3 characters, got 4"},
        {"{\"amount\":1,\"currency\":[]}", ERR_PARAM_INVALID, "currency", "a string, got an array"},
        {WITH("\"capture\":1"), ERR_PARAM_INVALID, "capture", "true or false, got an integer"},
        {WITH("\"capture\":null"), ERR_PARAM_INVALID, "capture", "got null"},
        {WITH("\"description\":\"\""), ERR_PARAM_INVALID, "description", "at least 1"},
        {WITH("\"low\":1"), ERR_PARAM_INVALID, "low", "at most 0"},
        {WITH("\"low\":-6"), ERR_PARAM_INVALID, "low", "at least -5"},
        {WITH("\"enabled_events\":[]"), ERR_PARAM_INVALID, "enabled_events", "at least 1 items"},
        {WITH("\"enabled_events\":[\"a\",2]"), ERR_PARAM_INVALID, "enabled_events.1",
         "enabled_events.1 must be a string, got an integer"},
        {WITH("\"enabled_events\":\"*\""), ERR_PARAM_INVALID, "enabled_events", "array of strings"},
        {WITH("\"three_ds\":[]"), ERR_PARAM_INVALID, "three_ds", "an object, got an array"},
        {WITH("\"captured\":true"), ERR_PARAM_UNKNOWN, "captured", "is capture meant?"},
        {WITH("\"Capture\":true"), ERR_PARAM_UNKNOWN, "Capture", "is capture meant?"},
        {WITH("\"cpature\":true"), ERR_PARAM_UNKNOWN, "cpature", "is capture meant?"},
        {WITH("\"colour\":1"), ERR_PARAM_UNKNOWN, "colour", "colour is not a parameter here"},
        {WITH("\"\":1"), ERR_PARAM_UNKNOWN, "", ""},
    };
    for (size_t i = 0; i + 1 < COUNT_OF(t); i++)
        expect_wrong(t[i].text, t[i].err, t[i].param, t[i].piece);
    struct err_info info;
    assert_int_equal(read_text(t[COUNT_OF(t) - 1].text, &info), ERR_PARAM_UNKNOWN);
}

static void metadata_has_its_rules(void **state)
{
    (void)state;
    struct buf b = BUF(100000);
    struct err_info info;
    expect_wrong(WITH("\"metadata\":{\"order_id\":7}"), ERR_PARAM_INVALID, "metadata.order_id",
                 "metadata.order_id must be a string, got an integer");
    expect_wrong(WITH("\"metadata\":{\"a\":null}"), ERR_PARAM_INVALID, "metadata.a", "got null");
    expect_wrong(WITH("\"metadata\":{\"a[b\":\"\"}"), ERR_PARAM_INVALID, "metadata.a[b", "bracket");
    expect_wrong(WITH("\"metadata\":{\"a]\":\"\"}"), ERR_PARAM_INVALID, "metadata.a]", "bracket");
    expect_wrong(WITH("\"metadata\":{\"\":\"\"}"), ERR_PARAM_INVALID, "metadata.", "1 to 40");
    for (int keys = 50; keys <= 51; keys++) {
        buf_clear(&b);
        buf_str(&b, "{\"amount\":1,\"currency\":\"EUR\",\"metadata\":{");
        for (int i = 0; i < keys; i++)
            buf_printf(&b, "%s\"k%d\":\"v\"", i ? "," : "", i);
        buf_str(&b, "}}");
        assert_int_equal(read_text(b.p, &info), keys == 50 ? OK : ERR_PARAM_INVALID);
    }
    assert_string_equal(info.param, "metadata");
    for (int chars = 500; chars <= 501; chars++) { /* code points, not bytes */
        buf_clear(&b);
        buf_str(&b, "{\"amount\":1,\"currency\":\"EUR\",\"metadata\":{\"");
        for (int i = 0; i < chars - 460; i++)
            buf_str(&b, "\xC3\xA9");
        buf_str(&b, "\":\"");
        for (int i = 0; i < chars; i++)
            buf_str(&b, "\xE2\x82\xAC");
        buf_str(&b, "\"}}");
        assert_int_equal(read_text(b.p, &info), chars == 500 ? OK : ERR_PARAM_INVALID);
    }
    buf_free(&b);
}

static void long_names_are_cut_between_characters(void **state)
{
    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        struct buf b = BUF(1000);
        struct err_info info;
        buf_str(&b, "{\"amount\":1,\"currency\":\"EUR\",\"");
        for (int i = 0; i < 100; i++)
            buf_str(&b, i < shift ? "k" : "\xE2\x82\xAC");
        buf_str(&b, "\":1}");
        assert_int_equal(read_text(b.p, &info), ERR_PARAM_UNKNOWN);
        assert_in_range(strlen(info.param), sizeof info.param - 4, sizeof info.param - 1);
        assert_true(str_is_utf8(str_from(info.param)));
        assert_true(str_is_utf8(str_from(info.detail)));
        assert_string_equal(info.item[0].detail, info.detail);
        buf_free(&b);
    }
}

static void all_errors_of_a_body_are_told(void **state)
{
    (void)state;
    struct err_info info;
    assert_int_equal(
        read_text("{\"amuont\":1,\"capture\":\"yes\",\"metadata\":{\"x\":1,\"y\":2}}", &info),
        ERR_PARAM_UNKNOWN);
    assert_int_equal(info.items, 6);
    assert_string_equal(info.param, "amuont");
    assert_string_equal(info.item[0].detail, "amuont is not a parameter here; is amount meant?");
    assert_string_equal(info.item[1].pointer, "#/capture");
    assert_string_equal(info.item[3].pointer, "#/metadata/y");
    assert_string_equal(info.item[4].detail, "amount is required");
    assert_string_equal(info.item[5].pointer, "#/currency");
    struct body out = {0};
    json_t *v = json("{}");
    assert_int_equal(wire_read(v, fields, COUNT_OF(fields), &out, NULL), ERR_PARAM_MISSING);
    json_decref(v);
}

static void pointers_are_escaped(void **state)
{
    (void)state;
    struct err_info info;
    (void)read_text(WITH("\"metadata\":{\"a.b/c~d e\\u00e9\":1}"), &info);
    assert_string_equal(info.param, "metadata.a.b/c~d e\xC3\xA9");
    assert_string_equal(info.item[0].pointer, "#/metadata/a.b~1c~0d%20e%C3%A9");
    char body[700], name[601];
    memset(name, '/', 600);
    name[600] = 0;
    (void)snprintf(body, sizeof body, "{\"amount\":1,\"currency\":\"EUR\",\"%s\":1}", name);
    assert_int_equal(read_text(body, &info), ERR_PARAM_UNKNOWN);
    assert_string_equal(info.item[0].pointer, "#");
}

static void an_inner_object_is_named_by_its_prefix(void **state)
{
    (void)state;
    struct body out = {0};
    struct err_info info = {0};
    json_t *v = json("{\"amount\":1,\"currency\":5}");
    assert_int_equal(wire_read_in(v, "three_ds", fields, COUNT_OF(fields), &out, &info),
                     ERR_PARAM_INVALID);
    assert_string_equal(info.param, "three_ds.currency");
    assert_string_equal(info.item[0].pointer, "#/three_ds/currency");
    info = (struct err_info){0};
    assert_int_equal(wire_read_in(v, "three_ds.external", fields, COUNT_OF(fields), &out, &info),
                     ERR_PARAM_INVALID);
    assert_string_equal(info.item[0].pointer, "#/three_ds/external/currency");
    assert_int_equal(wire_read_in(json_object_get(v, "amount"), "three_ds", fields,
                                  COUNT_OF(fields), &out, NULL),
                     ERR_PARAM_INVALID);
    json_decref(v);
}

static void times_are_written(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } t[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {999, "1970-01-01T00:00:00.000Z"},
        {INT64_C(951782399999000), "2000-02-28T23:59:59.999Z"},
        {INT64_C(951782400000000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(951868800000000), "2000-03-01T00:00:00.000Z"},
        {INT64_C(4107542400000000), "2100-03-01T00:00:00.000Z"},
        {INT64_C(1795517629123456), "2026-11-24T10:53:49.123Z"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999Z"},
        {-1, "1970-01-01T00:00:00.000Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct buf b = BUF(100);
        time_text(&b, t[i].us);
        assert_string_equal(b.p, t[i].text);
        buf_free(&b);
    }
}

/* Every day from 1970 to 9999 follows the one before it by the calendar's rules, and is read again.
 */
static void every_day_is_in_its_place(void **state)
{
    (void)state;
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t us = 0, back;
    for (int y = 1970; y <= 2470; y++)
        for (int m = 1; m <= 12; m++) {
            bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
            for (int d = 1; d <= days[m - 1] + (m == 2 && leap); d++, us += INT64_C(86400000000)) {
                char want[40];
                struct buf b = BUF(100);
                (void)snprintf(want, sizeof want, "%04d-%02d-%02dT00:00:00.000Z", y, m, d);
                time_text(&b, us);
                assert_string_equal(b.p, want);
                assert_true(time_parse(buf_view(&b), &back) && back == us);
                buf_free(&b);
            }
        }
    assert_true(us == INT64_C(15810076800000000));
}

static void times_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {
        {"2022-02-22T14:22:22-05:00", INT64_C(1645557742000000)},
        {"2022-02-22t19:22:22.5z", INT64_C(1645557742500000)},
        {"2022-02-22T19:22:22.123456789Z", INT64_C(1645557742123456)},
        {"1970-01-01T00:30:00+00:30", 0},
        {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)},
        {"2000-02-29T00:00:00Z", INT64_C(951782400000000)},
    };
    static const char *const bad[] = {
        "",
        "2022",
        "2022-02-22",
        "2022-02-22T19:22:22",
        "2022-02-22 19:22:22Z",
        "2022-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2022-00-10T00:00:00Z",
        "2022-13-10T00:00:00Z",
        "2022-04-31T00:00:00Z",
        "2022-04-00T00:00:00Z",
        "2022-04-01T24:00:00Z",
        "2022-04-01T00:60:00Z",
        "2022-04-01T00:00:60Z",
        "2022-04-01T00:00:00.Z",
        "2022-04-01T00:00:00Zx",
        "2022-04-01T00:00:00+24:00",
        "2022-04-01T00:00:00+01:60",
        "2022-04-01T00:00:00+0100",
        "2022-04-01T00:00:00+01",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:29:59+00:30",
        "9999-12-31T23:59:59-00:01",
        "0000-01-01T00:00:00Z",
        "+2022-04-01T00:00:00Z",
        "2022-4-01T00:00:00Z",
        " 2022-04-01T00:00:00Z",
    };
    int64_t us = 7;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (time_parse(str_from(bad[i]), &us))
            fail_msg("read %s", bad[i]);
    assert_true(us == 7);
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(time_parse(str_from(good[i].text), &us));
        assert_true(us == good[i].us);
    }
}

static void test_text_clean(void **state)
{
    static const char in[] = "a\0\xC3\xA9\xFF\xE2\x82z\xED\xA0\x80";
    struct buf out = BUF(100);
    (void)state;
    text_clean(&out, (struct str){in, sizeof in - 1});
    assert_true(str_eq(buf_view(&out), STR("a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD"
                                           "\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD")));
    assert_true(str_is_utf8(buf_view(&out)));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_clean),
        cmocka_unit_test(a_good_body_is_read),
        cmocka_unit_test(each_wrong_member_is_named),
        cmocka_unit_test(metadata_has_its_rules),
        cmocka_unit_test(long_names_are_cut_between_characters),
        cmocka_unit_test(all_errors_of_a_body_are_told),
        cmocka_unit_test(pointers_are_escaped),
        cmocka_unit_test(an_inner_object_is_named_by_its_prefix),
        cmocka_unit_test(times_are_written),
        cmocka_unit_test(every_day_is_in_its_place),
        cmocka_unit_test(times_are_read_strictly),
    };
    wire_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

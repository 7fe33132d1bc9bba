/* What needs no worker: signatures, the schedule, endpoints. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "webhooks/webhooks_internal.h"
#include "store/store_folder.h"

/* --- signatures --- */

static void assert_signature(const char *secret, const char *id, int64_t timestamp,
                             const char *body, const char *want)
{
    struct buf out = BUF(256);
    assert_int_equal(webhook_sign(str_from(secret), str_from(id), timestamp, str_from(body), &out),
                     OK);
    assert_string_equal(out.p, want);
    buf_free(&out);
}

static void test_published_vectors(void **state)
{
    (void)state;
    assert_signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
                     1614265330, "{\"test\": 2432232314}",
                     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_signature("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                     1649367553, "{\"email\":\"test@example.com\",\"username\":\"test_user\"}",
                     "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
}

static void test_malformed_secrets_and_ids_are_refused(void **state)
{
    (void)state;
    static const char *const secrets[] = {
        "",
        "whsec_",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",                       /* not base64 */
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",                            /* no prefix */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLQ==",                      /* 22 bytes */
        "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" /* 65 bytes and more */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    struct buf out = BUF(256);
    for (size_t i = 0; i < COUNT_OF(secrets); i++)
        assert_int_equal(webhook_sign(str_from(secrets[i]), STR("evt_1"), 1, STR("{}"), &out),
                         ERR_CRYPTO);
    struct str good = STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    assert_int_equal(webhook_sign(good, STR("evt.1"), 1, STR("{}"), &out), ERR_CRYPTO);
    assert_int_equal(webhook_sign(good, STR(""), 1, STR("{}"), &out), ERR_CRYPTO);
    assert_int_equal(out.n, 0);
}

/* --- the schedule --- */

static struct det test_det(void)
{
    uint8_t seed[32] = {3};
    return det_make(0, seed);
}

static void read_schedule(struct schedule *s, const char *text)
{
    assert_int_equal(schedule_read(s, str_from(text), NULL), OK);
}

static void test_schedule_text(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ",", "5,", "-1", "1.5", "1, 2", "99999999", "x"};
    struct schedule s;
    read_schedule(&s, "0,5,300,1800,7200,18000,36000,50400,64800,86400");
    assert_int_equal(s.n, 10);
    assert_int_equal(s.wait_us[2], 300 * SECOND_US);
    read_schedule(&s, "0");
    assert_int_equal(s.n, 1);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err_info info = {.err = OK};
        assert_int_equal(schedule_read(&s, str_from(bad[i]), &info), ERR_CONFIG);
        assert_true(info.detail[0] != 0);
    }
}

static void test_waits_have_jitter_and_end(void **state)
{
    (void)state;
    struct schedule s;
    struct det det = test_det();
    int64_t wait, least = INT64_MAX, most = 0;
    read_schedule(&s, "0,5,300");
    for (int i = 0; i < 500; i++) {
        assert_true(schedule_next(&s, 1, 500, 0, &det, &wait));
        least = num_min(least, wait);
        most = num_max(most, wait);
    }
    assert_true(least >= 4 * SECOND_US && least < 4.2 * SECOND_US);
    assert_true(most <= 6 * SECOND_US && most > 5.8 * SECOND_US);
    assert_true(schedule_next(&s, 2, 500, 0, &det, &wait));
    assert_true(wait >= 240 * SECOND_US && wait <= 360 * SECOND_US);
    assert_false(schedule_next(&s, 3, 500, 0, &det, &wait));
}

static void test_retry_after_is_honoured_within_bounds(void **state)
{
    (void)state;
    struct schedule s;
    struct det det = test_det();
    int64_t wait;
    read_schedule(&s, "0,100,86400,86400");
    assert_true(schedule_next(&s, 1, 503, 150 * SECOND_US, &det, &wait));
    assert_int_equal(wait, 150 * SECOND_US);
    assert_true(schedule_next(&s, 1, 503, 5000 * SECOND_US, &det, &wait));
    assert_int_equal(wait, 200 * SECOND_US); /* twice the schedule's wait */
    assert_true(schedule_next(&s, 1, 503, 1 * SECOND_US, &det, &wait));
    assert_true(wait >= 80 * SECOND_US); /* never sooner than the schedule */
    assert_true(schedule_next(&s, 2, 503, 86400 * SECOND_US, &det, &wait));
    assert_true(wait <= 86400 * SECOND_US * 12 / 10);
}

static void test_overload_slows_down(void **state)
{
    (void)state;
    static const int slow[] = {429, 502, 504};
    struct schedule s;
    struct det det = test_det();
    int64_t wait;
    read_schedule(&s, "0,5,300");
    for (size_t i = 0; i < COUNT_OF(slow); i++) {
        assert_true(schedule_next(&s, 1, slow[i], 0, &det, &wait));
        assert_true(wait >= 48 * SECOND_US);
    }
    assert_true(schedule_next(&s, 1, 503, 0, &det, &wait));
    assert_true(wait <= 6 * SECOND_US);
    read_schedule(&s, "0,1,1"); /* shortened: so is this */
    assert_true(schedule_next(&s, 1, 429, 0, &det, &wait));
    assert_true(wait <= 2 * SECOND_US);
}

static void test_retry_after_header(void **state)
{
    (void)state;
    int64_t now = 1764000000 * SECOND_US; /* Mon, 24 Nov 2025 16:00:00 GMT */
    assert_int_equal(retry_after_us(STR("120"), now), 120 * SECOND_US);
    assert_int_equal(retry_after_us(STR("Mon, 24 Nov 2025 16:02:30 GMT"), now), 150 * SECOND_US);
    assert_int_equal(retry_after_us(STR("Mon, 24 Nov 2025 15:00:00 GMT"), now), 0);
    assert_int_equal(retry_after_us(STR("99999999999"), now), 86400 * SECOND_US);
    assert_int_equal(retry_after_us(STR("-5"), now), 0);
    assert_int_equal(retry_after_us(STR("soon"), now), 0);
    assert_int_equal(retry_after_us(STR(""), now), 0);
    assert_int_equal(retry_after_us((struct str){NULL, 0}, now), 0);
}

/* --- input --- */

static err_t check_url(const char *url, bool allow_private)
{
    struct err_info info = {.err = OK};
    struct endpoint_input in = {.url = str_from(url)};
    err_t err = endpoint_check(&in, allow_private, &info);
    if (err)
        assert_string_equal(info.param, "url");
    return err;
}

static void test_urls(void **state)
{
    (void)state;
    static const char *const good[] = {"https://example.com", "https://example.com/hooks?x=1",
                                       "https://example.com:8443/a", "https://8.8.8.8/h",
                                       "https://[2606:4700::1111]/"};
    static const char *const local[] = {
        "http://127.0.0.1:9000/h",    "https://127.0.0.1/h", "http://localhost/h",
        "https://10.1.2.3/",          "https://[::1]/",      "https://169.254.169.254/latest",
        "https://[::ffff:10.0.0.1]/", "http://example.com/"};
    static const char *const bad[] = {"",
                                      "example.com",
                                      "ftp://example.com",
                                      "https://",
                                      "https://u:p@example.com",
                                      "https://u@example.com/",
                                      "https://example.com/#x",
                                      "https://example.com/a b",
                                      "https://example.com/\r\nx: y",
                                      "https://ex\xc3\xa4mple.com/",
                                      "javascript:alert(1)"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(check_url(good[i], false), OK);
        assert_int_equal(check_url(good[i], true), OK);
    }
    for (size_t i = 0; i < COUNT_OF(local); i++) {
        assert_int_equal(check_url(local[i], false), ERR_PARAM_INVALID);
        assert_int_equal(check_url(local[i], true), OK);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(check_url(bad[i], true), ERR_PARAM_INVALID);
    assert_int_equal(check_url(NULL, true), ERR_PARAM_MISSING);
    char longest[2100] = "https://example.com/";
    memset(longest + 20, 'a', 2048 - 20);
    assert_int_equal(check_url(longest, false), OK);
    longest[2048] = 'a';
    assert_int_equal(check_url(longest, false), ERR_PARAM_INVALID);
}

static void test_event_types(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        err_t err;
    } cases[] = {{"[\"*\"]", OK},
                 {"[\"payment.captured\",\"refund.failed\"]", OK},
                 {"[]", ERR_PARAM_INVALID},
                 {"[\"payment.*\"]", ERR_PARAM_INVALID},
                 {"[\"payment.captured\",\"payment.captured\"]", ERR_PARAM_INVALID},
                 {"[\"*\",\"*\"]", ERR_PARAM_INVALID},
                 {"[1]", ERR_PARAM_INVALID},
                 {"[\"\"]", ERR_PARAM_INVALID}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err_info info = {.err = OK};
        struct endpoint_input in = {.url = STR("https://example.com"),
                                    .enabled_events = json_loads(cases[i].json, 0, NULL)};
        assert_non_null(in.enabled_events);
        assert_int_equal(endpoint_check(&in, false, &info), cases[i].err);
        if (cases[i].err)
            assert_string_equal(info.param, "enabled_events");
        json_decref(in.enabled_events);
    }
}

/* --- endpoints in a store --- */

static struct {
    struct folder folder;
    struct store *store;
} t;
static const uint8_t key[32] = {1, 2, 3}, other_key[32] = {4};

static int setup(void **state)
{
    (void)state;
    crypto_init();
    t.folder = folder_make();
    t.store = folder_open(&t.folder, (struct store_config){.path = NULL});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(t.store);
    folder_remove(&t.folder);
    return 0;
}

struct make {
    struct endpoint_input in;
    int64_t merchant_id, now_us;
    struct buf out;
};

static err_t run_make(struct store_tx *tx, void *arg)
{
    struct make *m = arg;
    uint8_t seed[32] = {(uint8_t)m->now_us}, random[32];
    struct det det = det_make(m->now_us, seed);
    for (int i = 0; i < 32; i++)
        random[i] = (uint8_t)i;
    buf_clear(&m->out);
    return endpoint_create(tx, &det, m->merchant_id, &m->in, random, key, &m->out);
}

static json_t *make(int64_t merchant_id, int64_t now_us)
{
    struct make m = {.in = {.url = STR("https://example.com/h"), .description = STR("a \"b\"")},
                     .merchant_id = merchant_id,
                     .now_us = now_us,
                     .out = BUF(10000)};
    m.in.metadata = json_pack("{s:s}", "team", "payments");
    assert_int_equal(store_write(t.store, 0, run_make, &m), OK);
    json_t *v = json_loadb(m.out.p, m.out.n, 0, NULL);
    assert_non_null(v);
    json_decref(m.in.metadata);
    buf_free(&m.out);
    return v;
}

static const char *text(json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static struct id endpoint_id(json_t *object)
{
    struct id id;
    assert_true(id_parse(ID_ENDPOINT, str_from(text(object, "id")), &id));
    return id;
}

struct look {
    int64_t merchant_id;
    struct id id;
    bool found, more, opened, opened_by_other, opened_for_other;
    int max;
    struct buf out;
};

static err_t run_look(struct store_tx *tx, void *arg)
{
    struct look *l = arg;
    struct endpoint e;
    struct buf secret = BUF(256);
    err_t err = endpoint_read(tx, l->merchant_id, l->id, &l->out, &l->found);
    if (err || !l->found)
        return err;
    err = endpoint_get(tx, l->merchant_id, l->id, &e, &l->found);
    l->opened = endpoint_secret(&e, l->merchant_id, key, &secret) == OK;
    l->opened_by_other = endpoint_secret(&e, l->merchant_id, other_key, &secret) == OK;
    l->opened_for_other = endpoint_secret(&e, l->merchant_id + 2, key, &secret) == OK;
    buf_free(&secret);
    return err;
}

static void test_secret_is_shown_once_and_sealed(void **state)
{
    (void)state;
    json_t *made = make(2, 1764000000 * SECOND_US);
    assert_string_equal(text(made, "secret"), "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    assert_string_equal(text(made, "object"), "webhook_endpoint");
    assert_string_equal(text(made, "status"), "enabled");
    assert_string_equal(text(made, "description"), "a \"b\"");
    assert_string_equal(text(made, "created"), "2025-11-24T16:00:00.000Z");
    assert_string_equal(text(json_object_get(made, "metadata"), "team"), "payments");
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(made, "enabled_events"), 0)), "*");
    struct look l = {.merchant_id = 2, .id = endpoint_id(made), .out = BUF(10000)};
    assert_int_equal(store_read(t.store, run_look, &l), OK);
    assert_true(l.found && l.opened);
    assert_false(l.opened_by_other || l.opened_for_other);
    json_t *read = json_loadb(l.out.p, l.out.n, 0, NULL);
    assert_non_null(read);
    assert_null(json_object_get(read, "secret"));
    json_object_del(made, "secret");
    assert_true(json_equal(made, read));
    json_decref(read);
    l.merchant_id = 4; /* another merchant's are not there */
    assert_int_equal(store_read(t.store, run_look, &l), OK);
    assert_false(l.found);
    buf_free(&l.out);
    json_decref(made);
}

static err_t run_list(struct store_tx *tx, void *arg)
{
    struct look *l = arg;
    struct jw w = {.b = &l->out};
    buf_clear(&l->out);
    jw_array(&w, NULL);
    err_t err = endpoint_list(tx, l->merchant_id, l->id, l->max, &w, &l->more);
    jw_array_end(&w);
    return err;
}

static json_t *list(int64_t merchant_id, struct id before, int max, bool *more)
{
    struct look l = {.merchant_id = merchant_id, .id = before, .max = max, .out = BUF(100000)};
    assert_int_equal(store_read(t.store, run_list, &l), OK);
    json_t *v = json_loadb(l.out.p, l.out.n, 0, NULL);
    assert_non_null(v);
    *more = l.more;
    buf_free(&l.out);
    return v;
}

static void test_list_is_newest_first_in_pages(void **state)
{
    (void)state;
    json_t *made[5];
    bool more;
    for (int i = 0; i < 5; i++)
        made[i] = make(2, (1764000000 + i) * SECOND_US);
    json_t *foreign = make(4, 1764000000 * SECOND_US);
    json_t *page = list(2, (struct id){{0}}, 3, &more);
    assert_true(more);
    assert_int_equal(json_array_size(page), 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(text(json_array_get(page, (size_t)i), "id"), text(made[4 - i], "id"));
    json_decref(page);
    page = list(2, endpoint_id(made[2]), 3, &more);
    assert_false(more);
    assert_int_equal(json_array_size(page), 2);
    assert_string_equal(text(json_array_get(page, 1), "id"), text(made[0], "id"));
    json_decref(page);
    json_decref(foreign);
    for (int i = 0; i < 5; i++)
        json_decref(made[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),
        cmocka_unit_test(test_malformed_secrets_and_ids_are_refused),
        cmocka_unit_test(test_schedule_text),
        cmocka_unit_test(test_waits_have_jitter_and_end),
        cmocka_unit_test(test_retry_after_is_honoured_within_bounds),
        cmocka_unit_test(test_overload_slows_down),
        cmocka_unit_test(test_retry_after_header),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_event_types),
        cmocka_unit_test_setup_teardown(test_secret_is_shown_once_and_sealed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_is_newest_first_in_pages, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "observe/observe.h"

static const char *redacted(const char *in)
{
    static struct buf out = BUF(4096);
    buf_clear(&out);
    redact(&out, str_from(in));
    return out.p ? out.p : "";
}

static void card_numbers_are_masked(void **state)
{
    (void)state;
    assert_string_equal(redacted("card 4242424242424242."), "card 424242******4242.");
    assert_string_equal(redacted("4242 4242 4242 4242"), "424242******4242");
    assert_string_equal(redacted("4242-4242-4242-4242,5555555555554444"),
                        "424242******4242,555555******4444");
    assert_string_equal(redacted("{\"n\":\"378282246310005\"}"), "{\"n\":\"378282******0005\"}");
}

static void other_numbers_pass(void **state)
{
    (void)state;
    static const char *const same[] = {"4242424242424241",
                                       "amount 9232",
                                       "1764000000000123",
                                       "12345678901234567890123",
                                       "att_01JDF3Z7M4242424242424242K",
                                       "2026-11-24T10:53:49.123Z",
                                       ""};
    for (size_t i = 0; i < COUNT_OF(same); i++)
        assert_string_equal(redacted(same[i]), same[i]);
}

static void secrets_are_masked(void **state)
{
    (void)state;
    assert_string_equal(redacted("key sk_test_abcdefghijk end"), "key [redacted] end");
    assert_string_equal(redacted("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "[redacted]");
    assert_string_equal(redacted("Authorization: Bearer abc.def"), "Authorization: [redacted]");
    assert_string_equal(redacted("risk_test_abcdefghijk"), "risk_test_abcdefghijk");
}

static char line[8192];

static const char *logged(void (*write_it)(void))
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    log_open(fd[1], LOG_INFO);
    write_it();
    close(fd[1]);
    ssize_t n = read(fd[0], line, sizeof line - 1);
    line[n > 0 ? n : 0] = 0;
    close(fd[0]);
    log_open(2, LOG_INFO);
    return line;
}

static void write_fields(void)
{
    LOG(LOG_INFO, "test.event", LOG_STR("text", "a\"b\\c\n"), LOG_INT("n", -5),
        LOG_STR("Authorization", "x"), LOG_STR("detail", "4242424242424242"),
        LOG_STR("bad", "\xff"));
}

static void write_debug(void)
{
    LOG(LOG_DEBUG, "test.event", LOG_INT("n", 1));
}

static void write_long(void)
{
    static char text[6000];
    memset(text, 'x', sizeof text - 1);
    LOG(LOG_INFO, "test.long", LOG_INT("first", 1), LOG_STR("text", text));
}

static void lines_are_json_and_clean(void **state)
{
    (void)state;
    const char *l = logged(write_fields);
    assert_non_null(strstr(l, "\"event\":\"test.event\",\"text\":\"a\\\"b\\\\c\\u000a\",\"n\":-5,"
                              "\"Authorization\":\"[redacted]\""));
    assert_non_null(strstr(l, "\"detail\":\"424242******4242\",\"bad\":\"[not text]\"}\n"));
    assert_string_equal(logged(write_debug), "");
    l = logged(write_long);
    assert_true(strlen(l) <= 4096);
    assert_non_null(strstr(l, "\"first\":1"));
    assert_int_equal(l[strlen(l) - 1], '\n');
}

static void *count(void *arg)
{
    for (int i = 0; i < 10000; i++)
        metric_add(METRIC_DECLINES, i % 2 ? "reason=\"a\"" : "reason=\"b\"", 1);
    return arg;
}

static void metrics_count_and_render(void **state)
{
    (void)state;
    pthread_t t[4];
    struct buf out = BUF((size_t)1 << 20);
    for (size_t i = 0; i < COUNT_OF(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(t); i++)
        pthread_join(t[i], NULL);
    metric_time(METRIC_PROVIDER_SECONDS, "provider=\"p\"", 1500);
    metric_time(METRIC_PROVIDER_SECONDS, "provider=\"p\"", 99000000);
    metrics_render(&out);
    assert_non_null(strstr(out.p, "florin_declines_total{reason=\"a\"} 20000\n"));
    assert_non_null(strstr(out.p, "florin_declines_total{reason=\"b\"} 20000\n"));
    assert_non_null(
        strstr(out.p, "florin_provider_seconds_bucket{provider=\"p\",le=\"0.001\"} 0\n"));
    assert_non_null(
        strstr(out.p, "florin_provider_seconds_bucket{provider=\"p\",le=\"0.0025\"} 1\n"));
    assert_non_null(
        strstr(out.p, "florin_provider_seconds_bucket{provider=\"p\",le=\"+Inf\"} 2\n"));
    assert_non_null(strstr(out.p, "florin_provider_seconds_sum{provider=\"p\"} 99.001500\n"));
    assert_non_null(strstr(out.p, "florin_store_queue 0\n"));
    buf_free(&out);
}

static void series_are_bounded(void **state)
{
    (void)state;
    struct buf out = BUF((size_t)1 << 20);
    char label[32];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(label, sizeof label, "status=\"s%d\"", i);
        metric_add(METRIC_PAYMENTS, label, 1);
    }
    metrics_render(&out);
    assert_non_null(strstr(out.p, "florin_payments_total{other=\"true\"} 136\n"));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(card_numbers_are_masked),  cmocka_unit_test(other_numbers_pass),
        cmocka_unit_test(secrets_are_masked),       cmocka_unit_test(lines_are_json_and_clean),
        cmocka_unit_test(metrics_count_and_render), cmocka_unit_test(series_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
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
    assert_string_equal(redacted("4222222222222"), "422222******2222");
    assert_string_equal(redacted("6304000000000000000"), "630400******0000");
}

/* A number that touches letters, points or other numbers is still a card number. */
static void card_numbers_are_masked_in_any_position(void **state)
{
    (void)state;
    static const char *const around[][2] = {
        {"", ""},        {"order 12 ", ""},  {"", " 9232"},        {"9232 ", " 123"},
        {"pan", ""},     {"pan_", "x"},      {"card is.", "."},    {"1.", ""},
        {"id=7-", ";"},  {"%20", "%20"},     {"100%", "%3D"},      {"%c2%a0", "%C2%A0"},
        {"x", " 12/30"}, {"", " 12 30 123"}, {"2026-11-24 ", ""},  {"n:", ",c:123"},
        {"(", ")"},      {"\t", "\n"},       {"\xc3\xa9", "\xc3"}, {"1 2 3 4 5 6 ", ""},
    };
    static const char *const numbers[] = {"4242424242424242", "4242 4242 4242 4242",
                                          "4242-4242-4242-4242", "4242  4242 - 4242 4242",
                                          "424242 4242424242"};
    char in[128];
    for (size_t i = 0; i < COUNT_OF(around); i++)
        for (size_t k = 0; k < COUNT_OF(numbers); k++) {
            (void)snprintf(in, sizeof in, "%s%s%s", around[i][0], numbers[k], around[i][1]);
            const char *out = redacted(in);
            if (strstr(out, numbers[k]) || !strstr(out, "******"))
                fail_msg("`%s` became `%s`", in, out);
        }
    /* "12 5555 5555 5555" satisfies Luhn too: more than the last four must not stay */
    assert_string_equal(redacted("12 5555 5555 5555 4444"), "125555******4444");
    assert_string_equal(redacted("a 12 4242424242424242 9232"), "a 12 424242******4242 9232");
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
                                       "took 1764000000001 us, 92.32 EUR, 4611686018427387903",
                                       "pay_01KAVX0000000000000000000R",
                                       "rfd_04242424242424242AAAAAAAAA",
                                       "4242 4242 4242",
                                       "7 - 8 - 9",
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
    assert_string_equal(redacted("sk_live_abcdefghijk, sk_anything-at-all."),
                        "[redacted], [redacted].");
    assert_string_equal(redacted("%3Dsk_test_0123456789abcdefghijklmn&x=1"), "%3D[redacted]&x=1");
    assert_string_equal(redacted("whsec_MfKQ9r8GK+qrTw/UPD8ILPZIo2LaLaSw=="), "[redacted]");
    assert_string_equal(redacted("ct_abcdefghijk act_abcdefghijk"), "[redacted] act_abcdefghijk");
    assert_string_equal(redacted("BEARER  sk_test_abc"), "[redacted]");
    assert_string_equal(redacted("{\"a\":\"bearer\tabc.d-e\"}"), "{\"a\":\"[redacted]\"}");
    assert_string_equal(redacted("forbearer of Bearer"), "forbearer of Bearer");
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

static void write_too_many(void)
{
    char text[901] = "";
    memset(text, '"', sizeof text - 1);
    LOG(LOG_INFO, "test.many", LOG_STR("a", text), LOG_STR("b", text), LOG_STR("c", text));
}

static void write_many(void)
{
    char text[901] = "";
    memset(text, '"', sizeof text - 1);
    LOG(LOG_INFO, "test.many", LOG_STR("a", text), LOG_STR("b", text), LOG_INT("c", 1));
}

static void write_secret_keys(void)
{
    LOG(LOG_ERROR, "test.keys", LOG_STR("SECRET", "v1"), LOG_STR("Token-Secret", "v2"),
        LOG_STR("passWord", "v3"), LOG_STR("PAN", "v4"), LOG_INT("Cvc", 123),
        LOG_STR("client_secret", "v5"), LOG_STR("Card-Number", "v6"), LOG_STR("secretary", "seen"));
}

static void keys_of_secrets_are_masked(void **state)
{
    (void)state;
    const char *l = logged(write_secret_keys);
    assert_non_null(strstr(l, "\"SECRET\":\"[redacted]\",\"Token-Secret\":\"[redacted]\","
                              "\"passWord\":\"[redacted]\",\"PAN\":\"[redacted]\","
                              "\"Cvc\":\"[redacted]\",\"client_secret\":\"[redacted]\","
                              "\"Card-Number\":\"[redacted]\","
                              "\"secretary\":\"seen\"}\n"));
}

static void write_ids(void)
{
    struct id id = {{0x01, 0x9a, 0xb1}};
    LOG(LOG_WARN, "test.ids", LOG_ID("payment", ID_PAYMENT, id), LOG_STR("none", NULL),
        LOG_STR("\"k", "v"), LOG_INT("min", INT64_MIN));
}

static void lines_have_time_level_and_ids(void **state)
{
    (void)state;
    int year, month, day, hour, minute, second, ms, end = 0;
    struct id id = {{0x01, 0x9a, 0xb1}};
    char text[ID_TEXT_MAX], want[256];
    const char *l = logged(write_ids);
    int got = sscanf(l, "{\"ts\":\"%4d-%2d-%2dT%2d:%2d:%2d.%3dZ\",%n", &year, &month, &day, &hour,
                     &minute, &second, &ms, &end);
    assert_int_equal(got, 7);
    assert_int_equal(end, (int)strlen("{\"ts\":\"2026-11-24T10:53:49.123Z\","));
    assert_true(year >= 2024 && month >= 1 && month <= 12 && second <= 60);
    (void)snprintf(want, sizeof want,
                   "\"level\":\"warn\",\"event\":\"test.ids\",\"payment\":\"%s\",\"none\":\"\","
                   "\"\\\"k\":\"v\",\"min\":-9223372036854775808}\n",
                   id_text(ID_PAYMENT, id, text));
    assert_string_equal(l + end, want);
    enum log_level level = LOG_DEBUG;
    assert_true(log_level_parse(STR("error"), &level) && level == LOG_ERROR);
    assert_false(log_level_parse(STR("ERROR"), &level) || log_level_parse(STR(""), &level));
}

static void *log_lines(void *arg)
{
    static const char text[] = "0123456789abcdef0123456789abcdef0123456789abcdef";
    for (int i = 0; i < 300; i++)
        LOG(LOG_INFO, "test.thread", LOG_STR("text", text), LOG_STR("more", text));
    return arg;
}

/* Threads share the descriptor: a line is never torn by another. */
static void lines_of_threads_stay_whole(void **state)
{
    (void)state;
    char path[] = "/tmp/florin-log-XXXXXX";
    int fd = mkstemp(path), count = 0;
    pthread_t t[4];
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "r");
    assert_non_null(f);
    int out = open(path, O_WRONLY | O_APPEND);
    log_open(out, LOG_INFO);
    for (size_t i = 0; i < COUNT_OF(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, log_lines, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(t); i++)
        pthread_join(t[i], NULL);
    log_open(2, LOG_INFO);
    close(out);
    for (; fgets(line, sizeof line, f); count++) {
        assert_true(strncmp(line, "{\"ts\":\"", 7) == 0);
        assert_string_equal(line + strlen(line) - 6, "def\"}\n");
    }
    assert_int_equal(count, 4 * 300);
    (void)fclose(f);
    (void)unlink(path);
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
    l = logged(write_many);
    assert_non_null(strstr(l, "\\\"\\\"\",\"b\":\"\\\"\\\""));
    assert_non_null(strstr(l, "\\\"\\\"\",\"c\":1}\n"));
    l = logged(write_too_many);
    assert_true(strlen(l) <= 4096);
    assert_non_null(strstr(l, "\\\"\\\"\",\"truncated\":true}\n"));
}

static void *count(void *arg)
{
    for (int i = 0; i < 200000; i++)
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
    assert_non_null(strstr(out.p, "florin_declines_total{reason=\"a\"} 400000\n"));
    assert_non_null(strstr(out.p, "florin_declines_total{reason=\"b\"} 400000\n"));
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
    assert_non_null(strstr(out.p, "florin_payments_total{status=\"s0\"} 1\n"));
    assert_null(strstr(out.p, "florin_payments_total{status=\"s64\"}"));
    buf_free(&out);
}

static void labels_that_are_too_long_are_counted_apart(void **state)
{
    (void)state;
    struct buf out = BUF((size_t)1 << 20);
    char label[400] = "result=\"";
    memset(label + 8, 'x', 390);
    for (int i = 0; i < 3; i++)
        metric_add(METRIC_WEBHOOKS, label, 1);
    metrics_render(&out);
    assert_non_null(strstr(out.p, "florin_webhook_attempts_total{other=\"true\"} 3\n"));
    buf_free(&out);
}

/* The whole text, family by family: HELP, TYPE, then at least one sample of that family. */
static void the_text_is_prometheus_0_0_4(void **state)
{
    (void)state;
    struct buf out = BUF((size_t)1 << 20);
    static const char *const names[] = {
#define X(NAME, type, text, help) text,
#include "observe/metrics.def"
#undef X
    };
    metric_set(METRIC_STORE_QUEUE, NULL, 7);
    metric_set(METRIC_STORE_QUEUE, NULL, -3);
    metric_time(METRIC_STORE_COMMIT_SECONDS, NULL, 1000);
    metric_time(METRIC_STORE_COMMIT_SECONDS, NULL, 1001);
    metric_time(METRIC_STORE_COMMIT_SECONDS, NULL, -5);
    metrics_render(&out);
    assert_false(out.failed);
    const char *at = out.p;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char want[128];
        int n = snprintf(want, sizeof want, "# HELP %s ", names[i]);
        assert_int_equal(strncmp(at, want, (size_t)n), 0);
        at = strchr(at, '\n') + 1;
        n = snprintf(want, sizeof want, "# TYPE %s ", names[i]);
        assert_int_equal(strncmp(at, want, (size_t)n), 0);
        at = strchr(at, '\n') + 1;
        int samples = 0;
        for (; *at && *at != '#'; at = strchr(at, '\n') + 1, samples++)
            assert_int_equal(strncmp(at, names[i], strlen(names[i])), 0);
        assert_true(samples > 0);
    }
    assert_int_equal(*at, 0);
    assert_non_null(strstr(out.p, "florin_store_queue -3\n"));
    assert_non_null(strstr(out.p, "florin_store_commit_seconds_bucket{le=\"0.001\"} 2\n"
                                  "florin_store_commit_seconds_bucket{le=\"0.0025\"} 3\n"));
    assert_non_null(strstr(out.p, "florin_store_commit_seconds_bucket{le=\"30\"} 3\n"
                                  "florin_store_commit_seconds_bucket{le=\"+Inf\"} 3\n"
                                  "florin_store_commit_seconds_sum 0.002001\n"
                                  "florin_store_commit_seconds_count 3\n"));
    assert_non_null(strstr(out.p, "florin_webhook_lag_seconds_count 0\n"));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(card_numbers_are_masked),
        cmocka_unit_test(card_numbers_are_masked_in_any_position),
        cmocka_unit_test(other_numbers_pass),
        cmocka_unit_test(secrets_are_masked),
        cmocka_unit_test(lines_are_json_and_clean),
        cmocka_unit_test(keys_of_secrets_are_masked),
        cmocka_unit_test(lines_have_time_level_and_ids),
        cmocka_unit_test(lines_of_threads_stay_whole),
        cmocka_unit_test(metrics_count_and_render),
        cmocka_unit_test(series_are_bounded),
        cmocka_unit_test(labels_that_are_too_long_are_counted_apart),
        cmocka_unit_test(the_text_is_prometheus_0_0_4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

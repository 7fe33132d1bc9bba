#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys/sys.h"

static char dir[64];
static struct err_info info;

static int make_dir(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/florin-config-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char cmd[128];
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd);
}

static void defaults_are_within_their_ranges(void **state)
{
    (void)state;
    struct config c;
    config_defaults(&c);
#define X_TEXT(n, d, u, p) assert_string_equal(c.n, d);
#define X_INT(n, lo, hi, d, u, p) assert_true(c.n == (d) && c.n >= (lo) && c.n <= (hi));
#define X_BOOL(n, d, u, p) assert_true(c.n == (d));
#include "sys/config.def"
#undef X_TEXT
#undef X_INT
#undef X_BOOL
}

static void settings_are_read_strictly(void **state)
{
    (void)state;
    struct config c;
    char text[257];
    config_defaults(&c);
    assert_int_equal(config_set(&c, STR("provider-timeout-ms"), STR("700"), &info), OK);
    assert_int_equal(c.provider_timeout_ms, 700);
    assert_int_equal(config_set(&c, STR("provider_timeout_ms"), STR("5"), &info), ERR_CONFIG);
    assert_non_null(strstr(info.detail, "provider_timeout_ms must be an integer between 50"));
    assert_int_equal(config_set(&c, STR("provider_timeout_ms"), STR("7e2"), &info), ERR_CONFIG);
    assert_int_equal(config_set(&c, STR("no_such"), STR("1"), &info), ERR_CONFIG);
    assert_int_equal(config_set(&c, STR("webhook_allow_private"), STR("maybe"), &info), ERR_CONFIG);
    assert_non_null(strstr(info.detail, "webhook_allow_private must be true or false"));
    static const char *const wrong[] = {
        "", " 700", "700 ", "+700", "0x2bc", "-1", "120001", "700ms", "99999999999999999999"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(config_set(&c, STR("provider_timeout_ms"), str_from(wrong[i]), &info),
                         ERR_CONFIG);
    assert_int_equal(c.provider_timeout_ms, 700);
    assert_int_equal(config_set(&c, STR("provider_timeout_ms"), STR("50"), NULL), OK);
    assert_int_equal(config_set(&c, STR("provider_timeout_ms"), STR("120000"), NULL), OK);
    memset(text, 'x', sizeof text);
    assert_int_equal(config_set(&c, STR("data"), (struct str){text, 255}, &info), OK);
    assert_int_equal(strlen(c.data), 255);
    assert_int_equal(config_set(&c, STR("data"), (struct str){text, 256}, &info), ERR_CONFIG);
    assert_int_equal(config_set(&c, STR("data"), STR("a\nb"), &info), ERR_CONFIG);
    assert_int_equal(config_set(&c, STR("data"), STR("\xc3"), &info), ERR_CONFIG);
    assert_int_equal(config_set(&c, STR("provider_timeout"), STR("700"), &info), ERR_CONFIG);
    assert_int_equal(config_set(&c, STR(""), STR("1"), &info), ERR_CONFIG);
}

/* What a reader of --help and docs/configuration.md relies on, for each line of the table. */
static void the_table_is_consistent(void **state)
{
    (void)state;
    static const struct {
        const char *name, *prose;
        int64_t min, max, def;
        size_t text_bytes;
    } all[] = {
#define X_TEXT(n, d, u, p) {#n, p, 0, 0, 0, sizeof(d)},
#define X_INT(n, lo, hi, d, u, p) {#n, p, lo, hi, d, 0},
#define X_BOOL(n, d, u, p) {#n, p, 0, 1, d, 0},
#include "sys/config.def"
#undef X_TEXT
#undef X_INT
#undef X_BOOL
    };
    struct buf help = BUF(65536), page = BUF(65536);
    char want[128];
    config_describe(&help, false);
    config_describe(&page, true);
    assert_false(help.failed || page.failed);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        size_t n = strlen(all[i].name);
        assert_true(n > 1 && n < 48 &&
                    strspn(all[i].name, "abcdefghijklmnopqrstuvwxyz_0123456789") == n);
        assert_true(all[i].min <= all[i].def && all[i].def <= all[i].max);
        assert_true(all[i].text_bytes <= 200);
        assert_int_equal(all[i].prose[strlen(all[i].prose) - 1], '.');
        assert_null(strchr(all[i].prose, '|'));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(all[i].name, all[k].name);
        (void)snprintf(want, sizeof want, "\n| `%s` | ", all[i].name);
        assert_non_null(strstr(page.p, want));
        assert_non_null(strstr(page.p, all[i].prose));
        assert_non_null(strstr(help.p, all[i].prose));
    }
    assert_non_null(strstr(help.p, "  --lease-ms (1000 to 3600000 ms) [30000]\n      How long"));
    assert_non_null(strstr(page.p, "| `lease_ms` | `30000` | 1000 to 3600000 ms | How long"));
    assert_non_null(strstr(page.p, "| `webhook_allow_private` | `false` | true or false | "));
    buf_free(&help);
    buf_free(&page);
}

static err_t read_settings(const char *text, size_t n, struct config *c)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/florin.ini", dir);
    assert_int_equal(sys_write_file(path, text, n, 0600, &info), OK);
    config_defaults(c);
    return config_file(c, path, &info);
}

static void a_file_is_read(void **state)
{
    (void)state;
    static const char text[] = "\xEF\xBB\xBF# note\n[any section]\r\nlease_ms = 5000\r\n"
                               "  api = 127.0.0.1:9 ; not the port\n; note\n\n\tdata=/x y\n"
                               "webhook_allow_private = true\nlog_level = debug";
    struct config c;
    assert_int_equal(read_settings(text, sizeof text - 1, &c), OK);
    assert_int_equal(c.lease_ms, 5000);
    assert_string_equal(c.api, "127.0.0.1:9");
    assert_string_equal(c.data, "/x y");
    assert_string_equal(c.log_level, "debug");
    assert_true(c.webhook_allow_private);
    assert_int_equal(c.provider_timeout_ms, 13000);
    assert_int_equal(read_settings("", 0, &c), OK);
}

static void a_wrong_file_is_refused_as_a_whole(void **state)
{
    (void)state;
    static char long_line[400] = "lease_ms = 5000\ndata = /";
    static const struct {
        const char *text, *line, *why;
    } wrong[] = {
        {"lease_ms = 5000\nleese_ms = 6000\n", "line 2:", "`leese_ms`"},
        {"lease_ms = 5000\n\nlease_ms = 6000\n", "line 3:", "lease_ms is given twice"},
        {"lease_ms = 5000\nlease-ms = 6000\n", "line 2:", "lease_ms is given twice"},
        {"lease_ms = 5000\nnonsense\ndata = /x\n", "line 2:", "`name = value`"},
        {"lease_ms = 5000\nnonsense\nleese_ms = 1\n", "line 2:", "`name = value`"},
        {"lease_ms = 5000\nlease_mz = 1\nnonsense\ndata = /x\n", "line 2:", "`lease_mz`"},
        {"lease_ms = 5000\nstore_readers = 0\n", "line 2:", "store_readers must be"},
        {"lease_ms = 5000\nstore_readers =\n", "line 2:", "store_readers must be"},
        {"lease_ms = 5000\ndata = \xff\n", "line 0:", "UTF-8"},
        {long_line, "line 2:", "longer than"},
    };
    struct config c;
    memset(long_line + strlen(long_line), 'x', 300);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_int_equal(read_settings(wrong[i].text, strlen(wrong[i].text), &c), ERR_CONFIG);
        if (!strstr(info.detail, wrong[i].line) || !strstr(info.detail, wrong[i].why))
            fail_msg("case %zu: %s", i, info.detail);
        assert_int_equal(c.lease_ms, 30000);
    }
    assert_int_equal(read_settings("data = /x\0api = y\n", 19, &c), ERR_CONFIG);
    assert_int_equal(config_file(&c, "/nonexistent/florin.ini", &info), ERR_CONFIG);
    assert_non_null(strstr(info.detail, "/nonexistent/florin.ini"));
    assert_int_equal(config_file(&c, dir, NULL), ERR_CONFIG);
}

static void the_environment_is_read(void **state)
{
    (void)state;
    struct config c;
    char *env[] = {(char *)"HOME=/",
                   (char *)"FLORIN_API=127.0.0.1:9",
                   (char *)"FLORIN_TEST_X=1",
                   (char *)"FLORIN_WEBHOOK_ALLOW_PRIVATE=1",
                   (char *)"FLORINX=1",
                   (char *)"FLORIN_LEASE_MS=2000",
                   NULL};
    config_defaults(&c);
    assert_int_equal(config_environment(&c, env, &info), OK);
    assert_string_equal(c.api, "127.0.0.1:9");
    assert_int_equal(c.lease_ms, 2000);
    assert_true(c.webhook_allow_private);
    static const char *const wrong[] = {
        "FLORIN_NOPE=1",
        "FLORIN_=1",
        "FLORIN_lease_ms=2000",
        "FLORIN_LEASE-MS=2000",
        "FLORIN_TEST=1",
        "FLORIN_LEASE_MS=",
        "FLORIN_LEASE_MS=1",
        "FLORIN_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=1"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        char *one[] = {(char *)wrong[i], NULL};
        assert_int_equal(config_environment(&c, one, &info), ERR_CONFIG);
        size_t n = strcspn(wrong[i], "=");
        if (strncmp(info.detail, wrong[i], n) != 0)
            fail_msg("`%s` is told as: %s", wrong[i], info.detail);
    }
    assert_int_equal(c.lease_ms, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_within_their_ranges),
        cmocka_unit_test(settings_are_read_strictly),
        cmocka_unit_test(the_table_is_consistent),
        cmocka_unit_test(a_file_is_read),
        cmocka_unit_test(a_wrong_file_is_refused_as_a_whole),
        cmocka_unit_test(the_environment_is_read),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

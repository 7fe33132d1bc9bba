#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/sys.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/florin-sys-XXXXXX");
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
    struct err_info info = {0};
    config_defaults(&c);
    assert_int_equal(config_set(&c, STR("provider-timeout-ms"), STR("700"), &info), OK);
    assert_int_equal(c.provider_timeout_ms, 700);
    assert_int_equal(config_set(&c, STR("provider_timeout_ms"), STR("5"), &info), ERR_CONFIG);
    assert_non_null(strstr(info.detail, "provider_timeout_ms must be an integer between 50"));
    assert_int_equal(config_set(&c, STR("provider_timeout_ms"), STR("7e2"), &info), ERR_CONFIG);
    assert_int_equal(config_set(&c, STR("no_such"), STR("1"), &info), ERR_CONFIG);
    assert_int_equal(config_set(&c, STR("webhook_allow_private"), STR("maybe"), &info), ERR_CONFIG);
    assert_int_equal(c.provider_timeout_ms, 700);
}

static void file_and_environment(void **state)
{
    (void)state;
    struct config c;
    struct err_info info = {0};
    char path[128];
    char *env[] = {(char *)"HOME=/", (char *)"FLORIN_API=127.0.0.1:9", (char *)"FLORIN_TEST_X=1",
                   NULL};
    char *bad[] = {(char *)"FLORIN_NOPE=1", NULL};
    (void)snprintf(path, sizeof path, "%s/florin.ini", dir);
    assert_int_equal(sys_write_file(path, "lease_ms = 5000\n; note\ndata = /x\n", 33, 0600, &info),
                     OK);
    config_defaults(&c);
    assert_int_equal(config_file(&c, path, &info), OK);
    assert_int_equal(c.lease_ms, 5000);
    assert_string_equal(c.data, "/x");
    assert_int_equal(config_environment(&c, env, &info), OK);
    assert_string_equal(c.api, "127.0.0.1:9");
    assert_int_equal(config_environment(&c, bad, &info), ERR_CONFIG);
    assert_int_equal(sys_write_file(path, "leese_ms = 5000\n", 16, 0600, &info), OK);
    assert_int_equal(config_file(&c, path, &info), ERR_CONFIG);
    assert_non_null(strstr(info.detail, "leese_ms"));
}

struct item {
    struct queue_item link;
    int n;
};

static void *produce(void *arg)
{
    static struct item items[4][1000];
    static int next;
    struct item *mine = items[__atomic_fetch_add(&next, 1, __ATOMIC_SEQ_CST)];
    for (int i = 0; i < 1000; i++) {
        mine[i].n = i;
        while (!queue_put(arg, &mine[i].link))
            sched_yield();
    }
    return NULL;
}

static void queue_passes_everything(void **state)
{
    (void)state;
    struct queue q;
    pthread_t t[4];
    int64_t sum = 0, count = 0;
    queue_init(&q, 64);
    assert_null(queue_take(&q, 10, 1000));
    for (int i = 0; i < 4; i++)
        t[i] = sys_thread("producer", produce, &q);
    while (count < 4000)
        for (struct queue_item *i = queue_take(&q, 16, -1); i; i = i->next, count++)
            sum += ((struct item *)i)->n;
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(sum, 4 * 999 * 1000 / 2);
    queue_close(&q);
    struct item late = {.n = 1};
    assert_false(queue_put(&q, &late.link));
    assert_null(queue_take(&q, 1, -1));
    queue_release(&q);
}

static void a_key_file_is_private(void **state)
{
    (void)state;
    char path[128];
    uint8_t a[32], b[32];
    struct err_info info = {0};
    (void)snprintf(path, sizeof path, "%s/master.key", dir);
    assert_int_equal(sys_key_file(path, false, a, &info), ERR_IO);
    assert_int_equal(sys_key_file(path, true, a, &info), OK);
    assert_int_equal(sys_key_file(path, false, b, &info), OK);
    assert_memory_equal(a, b, 32);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(sys_key_file(path, true, b, &info), ERR_CONFIG);
    assert_int_equal(sys_write_file(path, "zz", 2, 0600, &info), OK);
    assert_int_equal(sys_key_file(path, true, b, &info), ERR_CONFIG);
}

static void a_folder_has_one_owner(void **state)
{
    (void)state;
    struct err_info info = {0};
    char sub[128];
    (void)snprintf(sub, sizeof sub, "%s/a/b/c", dir);
    assert_int_equal(sys_make_dir(sub, &info), OK);
    assert_int_equal(sys_lock_dir(sub, 0, &info), OK);
    pid_t pid = fork();
    if (pid == 0)
        _exit(sys_lock_dir(sub, 50, &info) == ERR_IO && strstr(info.detail, "in use by process")
                  ? 0
                  : 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void listening_tells_the_real_port(void **state)
{
    (void)state;
    struct err_info info = {0};
    char addr[80], again[80];
    int fd, other;
    assert_int_equal(sys_listen("127.0.0.1:0", 0, &fd, addr, &info), OK);
    assert_true(strncmp(addr, "127.0.0.1:", 10) == 0 && strcmp(addr, "127.0.0.1:0") != 0);
    assert_int_equal(sys_listen(addr, 30, &other, again, &info), ERR_IO);
    close(fd);
    assert_int_equal(sys_listen(addr, 30, &other, again, &info), OK);
    assert_string_equal(addr, again);
    close(other);
    assert_int_equal(sys_listen("127.0.0.1", 0, &fd, addr, &info), ERR_CONFIG);
    assert_int_equal(sys_listen("127.0.0.1:99999", 0, &fd, addr, &info), ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_within_their_ranges),
        cmocka_unit_test(settings_are_read_strictly),
        cmocka_unit_test(file_and_environment),
        cmocka_unit_test(queue_passes_everything),
        cmocka_unit_test(a_key_file_is_private),
        cmocka_unit_test(a_folder_has_one_owner),
        cmocka_unit_test(listening_tells_the_real_port),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

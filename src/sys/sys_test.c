#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/sys.h"

static char dir[64];
static struct err_info info;

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

struct item {
    struct queue_item link;
    int from, n;
};

static void *produce(void *arg)
{
    static struct item items[4][1000];
    static int next;
    int me = __atomic_fetch_add(&next, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 1000; i++) {
        items[me][i] = (struct item){.from = me, .n = i};
        while (!queue_put(arg, &items[me][i].link))
            sched_yield();
    }
    return NULL;
}

static void a_queue_passes_everything_in_order(void **state)
{
    (void)state;
    struct queue q;
    pthread_t t[4];
    int expected[4] = {0}, count = 0;
    queue_init(&q, 64);
    for (int i = 0; i < 4; i++)
        t[i] = sys_thread("producer", produce, &q);
    while (count < 4000) {
        int n = 0;
        struct queue_item *i = queue_take(&q, 16, -1);
        for (assert_non_null(i); i; i = i->next, n++) {
            struct item *it = (struct item *)i;
            assert_int_equal(it->n, expected[it->from]++);
        }
        assert_true(n <= 16);
        count += n;
    }
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(queue_count(&q), 0);
    queue_release(&q);
}

static void a_queue_is_bounded_and_drains_after_close(void **state)
{
    (void)state;
    struct queue q;
    struct item it[4] = {{.n = 0}, {.n = 1}, {.n = 2}, {.n = 3}};
    queue_init(&q, 3);
    int64_t start = sys_mono_us();
    assert_null(queue_take(&q, 10, 20000));
    assert_true(sys_mono_us() - start >= 20000);
    assert_null(queue_take(&q, 10, 0));
    for (size_t i = 0; i < 3; i++)
        assert_true(queue_put(&q, &it[i].link));
    assert_false(queue_put(&q, &it[3].link));
    assert_ptr_equal(queue_take(&q, 1, 0), &it[0].link);
    assert_null(it[0].link.next);
    assert_int_equal(queue_count(&q), 2);
    queue_close(&q);
    assert_false(queue_put(&q, &it[3].link));
    assert_ptr_equal(queue_take(&q, 9, -1), &it[1].link);
    assert_ptr_equal(it[1].link.next, &it[2].link);
    assert_null(it[2].link.next);
    assert_null(queue_take(&q, 9, -1));
    queue_release(&q);
}

static void *wait_for_close(void *arg)
{
    return queue_take(arg, 1, -1);
}

static void closing_wakes_the_consumer(void **state)
{
    (void)state;
    struct queue q;
    void *got = &q;
    queue_init(&q, 1);
    pthread_t t = sys_thread("consumer", wait_for_close, &q);
    queue_close(&q);
    assert_int_equal(pthread_join(t, &got), 0);
    assert_null(got);
    queue_release(&q);
}

static void *look_around(void *arg)
{
    char *name = arg;
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    bool right = sigismember(&now, SIGTERM) && sigismember(&now, SIGHUP) &&
                 sigismember(&now, SIGINT) && !sigismember(&now, SIGSEGV);
    /* the starter sets the name, so it may come a little later */
    for (int64_t end = sys_mono_us() + 5000000; sys_mono_us() < end; sched_yield())
        if (pthread_getname_np(pthread_self(), name, 16) == 0 &&
            strcmp(name, "fifteen-letters") == 0)
            break;
    return right ? arg : NULL;
}

static void a_thread_takes_no_signals(void **state)
{
    (void)state;
    char name[16] = "";
    void *ret = NULL;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    pthread_t t = sys_thread("fifteen-letters", look_around, name);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(pthread_join(t, &ret), 0);
    assert_non_null(ret);
    assert_string_equal(name, "fifteen-letters");
    assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
}

static void time_and_randomness(void **state)
{
    (void)state;
    uint8_t a[64] = {0}, b[64] = {0};
    int64_t first = sys_mono_us();
    assert_true(sys_now_us() > INT64_C(1700000000) * 1000000);
    assert_true(sys_now_us() < INT64_C(9999999999) * 1000000);
    assert_true(sys_mono_us() >= first);
    sys_random(a, sizeof a);
    sys_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    struct det d = sys_det(), e = sys_det();
    assert_true(det_u64(&d) != det_u64(&e));
}

static void files_are_replaced_whole(void **state)
{
    (void)state;
    char path[128], none[128];
    struct stat st;
    struct buf out = BUF(100);
    (void)snprintf(path, sizeof path, "%s/w", dir);
    (void)snprintf(none, sizeof none, "%s/no/such", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/w/file", dir);
    assert_int_equal(sys_write_file(path, "old text", 8, 0640, &info), OK);
    assert_int_equal(sys_write_file(path, "new", 3, 0606, &info), OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0606);
    assert_int_equal(sys_read_file(path, 3, &out, &info), OK);
    assert_int_equal(sys_read_file(path, 3, &out, &info), OK);
    assert_string_equal(out.p, "newnew");
    assert_int_equal(sys_read_file(path, 2, &out, &info), ERR_IO);
    assert_non_null(strstr(info.detail, path));
    assert_int_equal(sys_read_file(none, 2, &out, &info), ERR_IO);
    assert_non_null(strstr(info.detail, none));
    assert_int_equal(sys_write_file(none, "x", 1, 0600, &info), ERR_IO);
    assert_non_null(strstr(info.detail, none));
    (void)snprintf(path, sizeof path, "%s/w", dir);
    assert_int_equal(sys_write_file(path, "x", 1, 0600, &info), ERR_IO); /* a folder stands there */
    buf_free(&out);
    int entries = 0;
    DIR *d = opendir(path);
    while (readdir(d))
        entries++;
    closedir(d);
    assert_int_equal(entries, 3); /* ., .., file: no temporary file is left */
}

static void folders_are_made_private(void **state)
{
    (void)state;
    char path[160];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/p//q/r/", dir);
    assert_int_equal(sys_make_dir(path, &info), OK);
    assert_int_equal(sys_make_dir(path, &info), OK);
    (void)snprintf(path, sizeof path, "%s/p/q", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    (void)snprintf(path, sizeof path, "%s/p/f", dir);
    assert_int_equal(sys_write_file(path, "x", 1, 0600, &info), OK);
    assert_int_equal(sys_make_dir(path, &info), ERR_IO);
    (void)snprintf(path, sizeof path, "%s/p/f/g", dir);
    assert_int_equal(sys_make_dir(path, &info), ERR_IO);
    assert_int_equal(sys_make_dir("", &info), ERR_IO);
}

static void a_key_file_is_private(void **state)
{
    (void)state;
    char path[128];
    uint8_t a[32], b[32];
    (void)snprintf(path, sizeof path, "%s/master.key", dir);
    assert_int_equal(sys_key_file(path, false, a, &info), ERR_IO);
    assert_int_equal(sys_key_file(path, true, a, &info), OK);
    assert_int_equal(sys_key_file(path, false, b, &info), OK);
    assert_memory_equal(a, b, 32);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(sys_key_file(path, true, b, &info), ERR_CONFIG);
    char text[66];
    memset(text, 'a', sizeof text);
    static const struct {
        size_t n, wrong_at;
    } bad[] = {{0, 99}, {2, 99}, {63, 99}, {65, 99}, {66, 99}, {64, 63}, {64, 0}};
    memset(b, 7, sizeof b);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        text[bad[i].wrong_at % sizeof text] = bad[i].wrong_at < 64 ? 'g' : 'a';
        assert_int_equal(sys_write_file(path, text, bad[i].n, 0600, &info), OK);
        assert_int_equal(sys_key_file(path, true, b, &info), ERR_CONFIG);
        assert_null(strstr(info.detail, "aaaa"));
        assert_true(b[0] == 7 && b[31] == 7);
        memset(text, 'a', sizeof text);
    }
    memcpy(text, "0F", 2);
    assert_int_equal(sys_write_file(path, text, 64, 0400, &info), OK);
    assert_int_equal(sys_key_file(path, false, b, &info), OK);
    assert_true(b[0] == 0x0F && b[31] == 0xAA);
    assert_int_equal(sys_key_file(dir, false, b, &info), ERR_CONFIG);
}

/* Whoever comes second must not replace a key that the first already works with. */
static void a_key_is_made_once(void **state)
{
    (void)state;
    char path[128];
    uint8_t key[32], first[32];
    int go[2], keys[2];
    (void)snprintf(path, sizeof path, "%s/raced.key", dir);
    for (int round = 0; round < 20; round++) {
        (void)unlink(path);
        assert_int_equal(pipe(go), 0);
        assert_int_equal(pipe(keys), 0);
        for (int i = 0; i < 4; i++)
            if (fork() == 0) {
                char c;
                close(go[1]);
                (void)!read(go[0], &c, 1);
                if (sys_key_file(path, true, key, NULL) != OK)
                    _exit(1);
                _exit(write(keys[1], key, sizeof key) == (ssize_t)sizeof key ? 0 : 1);
            }
        close(go[0]);
        close(go[1]); /* all begin */
        close(keys[1]);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(read(keys[0], key, sizeof key), sizeof key);
            if (i == 0)
                memcpy(first, key, sizeof key);
            assert_memory_equal(first, key, sizeof key);
        }
        close(keys[0]);
        for (int i = 0, status; i < 4; i++) {
            assert_true(wait(&status) > 0);
            assert_int_equal(status, 0);
        }
    }
}

static void a_folder_has_one_owner(void **state)
{
    (void)state;
    char sub[128], want[64], lock[160], other[160];
    int ready[2], done[2], status;
    char c;
    (void)snprintf(sub, sizeof sub, "%s/a/b/c", dir);
    (void)snprintf(lock, sizeof lock, "%s/lock", sub);
    (void)snprintf(other, sizeof other, "%s/another's", dir);
    assert_int_equal(sys_make_dir(sub, &info), OK);
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(done[1]);
        if (sys_lock_dir(sub, 0, NULL) != OK || write(ready[1], "x", 1) != 1)
            _exit(1);
        (void)!read(done[0], &c, 1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(sys_lock_dir(sub, 0, &info), ERR_IO);
    assert_int_equal(sys_lock_dir(sub, 30, &info), ERR_IO);
    (void)snprintf(want, sizeof want, "in use by process %d", (int)pid);
    assert_non_null(strstr(info.detail, want));
    close(done[0]);
    close(done[1]); /* the owner ends while we wait for it */
    assert_int_equal(sys_lock_dir(sub, 10000, &info), OK);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(sys_lock_dir("/nonexistent", 0, &info), ERR_IO);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(symlink(other, lock), 0);
    assert_int_equal(sys_lock_dir(sub, 0, &info), ERR_IO);
    assert_int_equal(access(other, F_OK), -1); /* nothing was made where it points */
    close(ready[0]);
    close(ready[1]);
}

static void listening_tells_the_real_port(void **state)
{
    (void)state;
    char addr[80], again[80];
    int fd, other = -1;
    assert_int_equal(sys_listen("127.0.0.1:0", 0, &fd, addr, &info), OK);
    assert_true(strncmp(addr, "127.0.0.1:", 10) == 0 && strcmp(addr, "127.0.0.1:0") != 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(sys_listen(addr, 30, &other, again, &info), ERR_IO);
    assert_non_null(strstr(info.detail, addr));
    assert_int_equal(other, -1);
    close(fd);
    assert_int_equal(sys_listen(addr, 30, &other, again, &info), OK);
    assert_string_equal(addr, again);
    close(other);
    struct addrinfo *list = NULL;
    if (getaddrinfo("localhost", NULL, NULL, &list) == 0) { /* a bare folder has no /etc/hosts */
        assert_int_equal(sys_listen("localhost:0", 0, &fd, addr, &info), OK);
        assert_int_equal(strncmp(addr, "localhost:", 10), 0);
        close(fd);
        freeaddrinfo(list);
    }
    static const char *const wrong[] = {"127.0.0.1",
                                        "127.0.0.1:",
                                        "127.0.0.1:99999",
                                        ":80",
                                        "127.0.0.1:-0",
                                        "127.0.0.1:+1",
                                        "::1:0",
                                        "[::1]",
                                        "[127.0.0.1]:0",
                                        "[]:0",
                                        "",
                                        "a b:0"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(sys_listen(wrong[i], 0, &fd, addr, &info), ERR_CONFIG);
}

static void *close_soon(void *arg)
{
    usleep(50000);
    close(*(int *)arg);
    return NULL;
}

static void listening_waits_for_a_busy_port(void **state)
{
    (void)state;
    char addr[80], again[80];
    int fd, other;
    assert_int_equal(sys_listen("127.0.0.1:0", 0, &fd, addr, &info), OK);
    pthread_t t = sys_thread("closer", close_soon, &fd);
    assert_int_equal(sys_listen(addr, 10000, &other, again, &info), OK);
    pthread_join(t, NULL);
    close(other);
}

static void listening_on_ipv6(void **state)
{
    (void)state;
    char addr[80];
    int fd, probe = socket(AF_INET6, SOCK_STREAM, 0);
    if (probe < 0)
        skip();
    close(probe);
    err_t err = sys_listen("[::1]:0", 0, &fd, addr, &info);
    if (err && strstr(info.detail, "Cannot assign"))
        skip();
    assert_int_equal(err, OK);
    assert_int_equal(strncmp(addr, "[::1]:", 6), 0);
    assert_true(strcmp(addr, "[::1]:0") != 0);
    close(fd);
}

static void a_hardened_process(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit core = {1, 1};
        int p[2];
        sys_harden();
        bool ok = getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 && umask(0) == 077 &&
                  prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
#ifndef UNDER_SANITIZER
        ok = ok && prctl(PR_GET_DUMPABLE) == 0;
#endif
        ok = ok && pipe(p) == 0 && close(p[0]) == 0 && write(p[1], "x", 1) == -1;
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* --- the steady clock --- */

static void steady_follows_an_ordinary_clock(void **state)
{
    struct steady s = {0};
    (void)state;
    for (int64_t t = 0; t < 100; t++)
        assert_int_equal(steady_us(&s, DAY_US + t * 1000, 5 + t * 1000), DAY_US + t * 1000);
}

static void steady_neither_jumps_nor_goes_back(void **state)
{
    static const int64_t jumps[] = {DAY_US, -DAY_US, 3000000, -3000000};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(jumps); i++) {
        struct steady s = {0};
        int64_t last = steady_us(&s, 10 * DAY_US, 7);
        for (int64_t t = 1; t <= 100; t++) { /* somebody sets the clock after the first second */
            int64_t now = steady_us(&s, 10 * DAY_US + t * 1000000 + jumps[i], 7 + t * 1000000);
            assert_true(now - last >= 950000 && now - last <= 1050000);
            last = now;
        }
    }
}

static void steady_comes_to_where_the_clock_is(void **state)
{
    struct steady s = {0};
    int64_t now = steady_us(&s, DAY_US, 0);
    (void)state;
    for (int64_t t = 1; t <= 100; t++)
        now = steady_us(&s, DAY_US + t * 1000000 - 3000000, t * 1000000);
    assert_int_equal(now, DAY_US + 97 * INT64_C(1000000));
}

static void steady_follows_however_often_it_is_asked(void **state)
{
    struct steady s = {0};
    int64_t now = steady_us(&s, DAY_US, 0);
    (void)state;
    for (int64_t t = 1; t <= 1000000; t++)
        now = steady_us(&s, DAY_US + 7 * t + 3600000000, 7 * t);
    assert_true(now >= DAY_US + 7 * INT64_C(1049000) && now <= DAY_US + 7 * INT64_C(1050000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_follows_an_ordinary_clock),
        cmocka_unit_test(steady_neither_jumps_nor_goes_back),
        cmocka_unit_test(steady_follows_however_often_it_is_asked),
        cmocka_unit_test(steady_comes_to_where_the_clock_is),
        cmocka_unit_test(a_queue_passes_everything_in_order),
        cmocka_unit_test(a_queue_is_bounded_and_drains_after_close),
        cmocka_unit_test(closing_wakes_the_consumer),
        cmocka_unit_test(a_thread_takes_no_signals),
        cmocka_unit_test(time_and_randomness),
        cmocka_unit_test(files_are_replaced_whole),
        cmocka_unit_test(folders_are_made_private),
        cmocka_unit_test(a_key_file_is_private),
        cmocka_unit_test(a_key_is_made_once),
        cmocka_unit_test(a_folder_has_one_owner),
        cmocka_unit_test(listening_tells_the_real_port),
        cmocka_unit_test(listening_waits_for_a_busy_port),
        cmocka_unit_test(listening_on_ipv6),
        cmocka_unit_test(a_hardened_process),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

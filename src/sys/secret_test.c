#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sys/secret.h"

static void a_secret_is_memory(void **state)
{
    (void)state;
    struct secret s, t;
    assert_int_equal(secret_make(1, &s), OK);
    assert_int_equal(secret_make(10000, &t), OK);
    for (size_t i = 0; i < t.n; i++)
        assert_int_equal(t.p[i], 0);
    memset(t.p, 'x', t.n);
    s.p[0] = 'y';
    secret_free(&t);
    assert_null(t.p);
    secret_free(&t);
    assert_int_equal(s.p[0], 'y');
    secret_free(&s);
}

/* A sanitizer reports in their place. */
#ifdef UNDER_SANITIZER
#define SIGNALS_COME false
#else
#define SIGNALS_COME true
#endif

/* How a child that does this ends. */
static int child(void (*act)(struct secret *), struct secret *s)
{
    int status;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka has one of its own */
        (void)signal(SIGBUS, SIG_DFL);
        act(s);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void before_it(struct secret *s)
{
    *(volatile uint8_t *)(s->p - 1) = 1;
}

static void after_it(struct secret *s)
{
    *(volatile uint8_t *)(s->p + 4096) = 1;
}

static void nothing_runs_into_it(void **state)
{
    (void)state;
    struct secret s;
    assert_int_equal(secret_make(32, &s), OK);
    if (SIGNALS_COME) {
        assert_true(child(before_it, &s) > 0);
        assert_true(child(after_it, &s) > 0);
    }
    secret_free(&s);
}

static void one_can_be_handed_on(void **state)
{
    (void)state;
    int fd;
    char got[6];
    assert_int_equal(secret_share("hello", 6, &fd), OK);
    for (int i = 0; i < 2; i++) {
        memset(got, 0, sizeof got);
        assert_int_equal(secret_read(fd, got, sizeof got), OK);
        assert_string_equal(got, "hello");
    }
    close(fd);
    assert_int_equal(secret_read(fd, got, sizeof got), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_memory),
        cmocka_unit_test(nothing_runs_into_it),
        cmocka_unit_test(one_can_be_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

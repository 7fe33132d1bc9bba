#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sys/confine.h"

/* With sanitizers system calls are not. */
#ifdef UNDER_SANITIZER
#define LIMITED false
#else
#define LIMITED true
#endif

static char own[64], other[96];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(own, sizeof own, "/tmp/florin-confine-XXXXXX");
    assert_non_null(mkdtemp(own));
    (void)snprintf(other, sizeof other, "%s-other", own);
    assert_int_equal(mkdir(other, 0777), 0);
    assert_int_equal(chmod(own, 0777) | chmod(other, 0777), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[256];
    (void)snprintf(command, sizeof command, "rm -rf %s %s", own, other);
    return system(command) == 0 ? 0 : 1;
}

/* Its exit status, or minus the signal it died of. */
static int child(const struct confinement *c, int (*act)(void))
{
    struct confine_report report;
    struct err_info info = {0};
    int status;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (sys_confine(c, &report, &info) != OK)
            _exit(99);
        _exit(act());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int touch(const char *dir)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/file", dir);
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    if (fd < 0)
        return errno == EACCES ? 1 : 2;
    return write(fd, "x", 1) == 1 && fsync(fd) == 0 ? 0 : 2;
}
static int touch_own(void)
{
    return touch(own);
}
static int touch_other(void)
{
    return touch(other);
}
static int read_passwd(void)
{
    int fd = open("/etc/passwd", O_RDONLY);
    return fd >= 0 ? 0 : 1;
}
static int make_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 0 : 1;
}
static int run_program(void)
{
    execl("/bin/true", "true", NULL);
    return 1;
}
static int trace(void)
{
    return ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? 0 : 1;
}
static int make_thread(void)
{
    return fork() >= 0 ? 0 : 1;
}
static int make_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p != MAP_FAILED && mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0 ? 0 : 1;
}
static int who(void)
{
    int sig = 0;
    (void)prctl(PR_GET_PDEATHSIG, &sig); /* it still dies with its parent */
    return sig == SIGKILL && getuid() == 64123 && geteuid() == 64123 && getgid() == 64123 &&
                   setuid(0) != 0
               ? 0
               : 1;
}

static int make_socket_by_other_bits(void)
{
    return syscall(SYS_socket, (int64_t)1 << 32 | AF_UNIX, SOCK_STREAM, 0) >= 0 ? 0
           : errno == EACCES                                                    ? 1
                                                                                : 2;
}
static int make_pair_to_turn(void)
{
    int fd[2];
    return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fd) == 0 ? 0 : errno == EACCES ? 1 : 2;
}
static int make_pair(void)
{
    int fd[2];
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0 ? 0 : 1;
}
static int make_net_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : 1;
}
static int connect_away(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    return connect(0, (const struct sockaddr *)(const void *)&to, sizeof to) == 0 ? 0 : 1;
}
static int make_thread_as_libraries_do(void)
{
    pthread_t t;
    return pthread_create(&t, NULL, (void *(*)(void *))(uintptr_t)getpid, NULL) == 0 &&
                   pthread_join(t, NULL) == 0
               ? 0
               : 1;
}
static int map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED
               ? 0
               : 1;
}
static int look_into_parent(void)
{
    char c;
    struct iovec here = {&c, 1}, there = {&c, 1};
    return process_vm_readv(getppid(), &here, 1, &there, 1, 0) >= 0 ? 0 : 1;
}
static int take_descriptor(void)
{
    return syscall(SYS_pidfd_getfd, 0, 0, 0) >= 0 ? 0 : 1;
}
static int make_ring(void)
{
    char params[256] = {0};
    return syscall(SYS_io_uring_setup, 1, params) >= 0 ? 0 : 1;
}
static int leave_name_space(void)
{
    return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) >= 0 ? 0 : 1;
}
static int leave_name_space_unseen(void)
{
    uint64_t args[8] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    return syscall(SYS_clone3, args, sizeof args) >= 0 ? 0 : errno == ENOSYS ? 1 : 2;
}
static int type_into_terminal(void)
{
    return ioctl(0, (int64_t)1 << 32 | TIOCSTI, "x") == 0 ? 0 : errno == EPERM ? 1 : 2;
}
/* Landlock keeps signals in from version 6 on. */
static int signal_parent(void)
{
    return kill(getppid(), 0) == 0 ? 0 : errno == EPERM ? 1 : 2;
}
static int signal_itself(void)
{
    return raise(0) == 0 ? 0 : 1;
}
static int read_memory(pid_t pid)
{
    char path[64];
    static const char *const what[] = {"mem", "environ", "maps", "fd", "root", "cwd/."};
    for (size_t i = 0; i < COUNT_OF(what); i++) {
        (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what[i]);
        if (open(path, O_RDONLY) >= 0 || errno != EACCES)
            return 0;
    }
    return 1;
}
static int read_memory_of_parent(void)
{
    return read_memory(getppid());
}
static bool signals_are_kept_in(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 6;
}

static void the_vault_has_its_folder_and_nothing_else(void **state)
{
    (void)state;
    const char *const write[] = {own, NULL}, *const read[] = {NULL};
    const struct confinement c = {.read = read, .write = write, .user = "", .calls = CONFINE_VAULT};
    assert_int_equal(child(&c, touch_own), 0);
    assert_int_equal(child(&c, touch_other), 1);
    assert_int_equal(child(&c, read_passwd), 1);
    if (!LIMITED)
        return;
    assert_int_equal(child(&c, make_socket), -SIGSYS);
    assert_int_equal(child(&c, run_program), -SIGSYS);
    assert_int_equal(child(&c, make_thread), -SIGSYS);
    assert_int_equal(child(&c, make_code), -SIGSYS);
    assert_int_equal(child(&c, trace), -SIGSYS);
    assert_int_equal(child(&c, make_net_socket), -SIGSYS);
    assert_int_equal(child(&c, make_socket_by_other_bits), -SIGSYS);
    assert_int_equal(child(&c, connect_away), -SIGSYS);
    assert_int_equal(child(&c, map_code), -SIGSYS);
    assert_int_equal(child(&c, leave_name_space), -SIGSYS);
    assert_int_equal(child(&c, leave_name_space_unseen), -SIGSYS);
    assert_int_equal(child(&c, look_into_parent), -SIGSYS);
    assert_int_equal(child(&c, take_descriptor), -SIGSYS);
    assert_int_equal(child(&c, make_ring), -SIGSYS);
    assert_int_equal(child(&c, type_into_terminal), -SIGSYS);
    assert_int_equal(child(&c, signal_parent), -SIGSYS);
    assert_int_equal(child(&c, signal_itself), 0);
    if (LIMITED) /* a sanitizer reads of itself there */
        assert_int_equal(child(&c, read_memory_of_parent), 1);
}

static void the_card_role_has_the_network_and_no_files_to_write(void **state)
{
    (void)state;
    const char *const write[] = {NULL}, *const read[] = {"/etc", "/nowhere", NULL};
    const struct confinement c = {.read = read, .write = write, .user = "", .calls = CONFINE_NET};
    assert_int_equal(child(&c, read_passwd), 0);
    assert_int_equal(child(&c, touch_own), 1);
    assert_int_equal(child(&c, touch_other), 1);
    if (LIMITED) /* a sanitizer reads of itself there */
        assert_int_equal(child(&c, read_memory_of_parent), 1);
    assert_int_equal(child(&c, make_net_socket), 0);
    assert_int_equal(child(&c, make_thread_as_libraries_do), 0);
    if (!LIMITED)
        return;
    assert_int_equal(child(&c, make_socket), 1);
    assert_int_equal(child(&c, make_socket_by_other_bits), 1);
    assert_int_equal(child(&c, make_pair_to_turn), 1);
    assert_int_equal(child(&c, make_pair), 0);
    assert_int_equal(child(&c, run_program), -SIGSYS);
    assert_int_equal(child(&c, make_code), -SIGSYS);
    assert_int_equal(child(&c, trace), -SIGSYS);
    assert_int_equal(child(&c, leave_name_space), -SIGSYS);
    assert_int_equal(child(&c, leave_name_space_unseen), 1);
    assert_int_equal(child(&c, look_into_parent), -SIGSYS);
    assert_int_equal(child(&c, take_descriptor), -SIGSYS);
    assert_int_equal(child(&c, make_ring), -SIGSYS);
    assert_int_equal(child(&c, type_into_terminal), -SIGSYS);
    assert_int_equal(child(&c, signal_parent), -SIGSYS);
}

static void others_run_no_programs_and_trace_nobody(void **state)
{
    (void)state;
    const char *const write[] = {own, NULL}, *const read[] = {"/etc", NULL};
    const struct confinement c = {.read = read, .write = write, .user = "", .calls = CONFINE_OPEN};
    assert_int_equal(child(&c, touch_own), 0);
    assert_int_equal(child(&c, touch_other), 1);
    if (LIMITED) /* a sanitizer reads of itself there */
        assert_int_equal(child(&c, read_memory_of_parent), 1);
    assert_int_equal(child(&c, make_net_socket), 0);
    assert_int_equal(child(&c, make_thread), 0);
    assert_int_equal(child(&c, make_thread_as_libraries_do), 0);
    if (signals_are_kept_in())
        assert_int_equal(child(&c, signal_parent), 1);
    if (!LIMITED)
        return;
    assert_int_equal(child(&c, make_socket), 1);
    assert_int_equal(child(&c, make_socket_by_other_bits), 1);
    assert_int_equal(child(&c, make_pair_to_turn), 1);
    assert_int_equal(child(&c, make_pair), 0);
    assert_int_equal(child(&c, run_program), -SIGSYS);
    assert_int_equal(child(&c, trace), -SIGSYS);
    assert_int_equal(child(&c, leave_name_space), -SIGSYS);
    assert_int_equal(child(&c, leave_name_space_unseen), 1);
    assert_int_equal(child(&c, look_into_parent), -SIGSYS);
    assert_int_equal(child(&c, take_descriptor), -SIGSYS);
    assert_int_equal(child(&c, make_ring), -SIGSYS);
    assert_int_equal(child(&c, type_into_terminal), 1);
    const struct confinement local = {
        .read = read, .write = write, .user = "", .calls = CONFINE_LOCAL};
    assert_int_equal(child(&local, make_socket), 0);
    assert_int_equal(child(&local, run_program), -SIGSYS);
}

static void a_role_becomes_its_user(void **state)
{
    (void)state;
    struct err_info info = {0};
    uid_t uid;
    gid_t gid;
    assert_int_equal(sys_user("root", &uid, &gid, &info), OK);
    assert_int_equal(uid, 0);
    assert_int_equal(sys_user("nobody here", &uid, &gid, &info), ERR_CONFIG);
    assert_int_equal(sys_user("0", &uid, &gid, &info), ERR_CONFIG);
    if (geteuid() != 0)
        return; /* nobody else can */
    const struct confinement c = {.user = "64123", .calls = CONFINE_OPEN};
    assert_int_equal(child(&c, who), 0);
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    const struct confinement c = {.user = "", .calls = CONFINE_OPEN};
    struct confine_report report;
    struct err_info info = {0};
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(sys_confine(&c, &report, &info) == OK && strstr(report.missing, "user of its own")
                  ? 0
                  : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vault_has_its_folder_and_nothing_else),
        cmocka_unit_test(the_card_role_has_the_network_and_no_files_to_write),
        cmocka_unit_test(others_run_no_programs_and_trace_nobody),
        cmocka_unit_test(a_role_becomes_its_user),
        cmocka_unit_test(what_is_missing_is_said),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

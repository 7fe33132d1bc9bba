/* What the kernel should not let a role do. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile/hostile.h"

static int result(int64_t rc)
{
    return rc >= 0 ? 0 : errno;
}

static int try_execve(int pid)
{
    char *args[] = {(char *)(uintptr_t) "true", NULL};
    (void)pid;
    return result(execve("/bin/true", args, args));
}
static int try_execveat(int pid)
{
    char *args[] = {(char *)(uintptr_t) "florin", NULL};
    (void)pid;
    int fd = open("/proc/self/exe", O_RDONLY);
    return result(syscall(SYS_execveat, fd, "", args, args, AT_EMPTY_PATH));
}
static int try_ptrace(int pid)
{
    return result(ptrace(PTRACE_SEIZE, pid, 0, 0));
}
static int try_read(int pid)
{
    char c;
    struct iovec here = {&c, 1}, there = {(void *)(uintptr_t)0x400000, 1};
    return result(process_vm_readv(pid, &here, 1, &there, 1, 0));
}
static int try_write(int pid)
{
    char c = 0;
    struct iovec here = {&c, 1}, there = {(void *)(uintptr_t)0x400000, 1};
    return result(process_vm_writev(pid, &here, 1, &there, 1, 0));
}
static int try_descriptor(int pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    return result(syscall(SYS_pidfd_getfd, fd, 3, 0));
}
static int try_ring(int pid)
{
    char params[256] = {0};
    (void)pid;
    return result(syscall(SYS_io_uring_setup, 1, params));
}
static int try_unshare(int pid)
{
    (void)pid;
    return result(unshare(CLONE_NEWUSER));
}
static int try_clone(int pid)
{
    (void)pid;
    return result(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}
static int try_clone3(int pid)
{
    uint64_t args[8] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    (void)pid;
    return result(syscall(SYS_clone3, args, sizeof args));
}
static int try_mount(int pid)
{
    (void)pid;
    return result(mount("none", "/tmp", "tmpfs", 0, ""));
}
static int try_local_socket(int pid)
{
    (void)pid;
    return result(socket(AF_UNIX, SOCK_STREAM, 0));
}
static int try_local_socket_by_other_bits(int pid)
{
    (void)pid;
    return result(syscall(SYS_socket, (int64_t)1 << 32 | AF_UNIX, SOCK_STREAM, 0));
}
static int try_signal(int pid)
{
    return result(kill(pid, 0));
}
static int try_signal_by_descriptor(int pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    return result(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
}

static const struct {
    const char *name;
    int (*act)(int pid);
    bool each; /* of the others */
} attacks[] = {
    {"execve", try_execve, false},
    {"execveat", try_execveat, false},
    {"io_uring", try_ring, false},
    {"unshare", try_unshare, false},
    {"clone", try_clone, false},
    {"clone3", try_clone3, false},
    {"mount", try_mount, false},
    {"local_socket", try_local_socket, false},
    {"local_socket_bits", try_local_socket_by_other_bits, false},
    {"ptrace", try_ptrace, true},
    {"process_vm_readv", try_read, true},
    {"process_vm_writev", try_write, true},
    {"pidfd_getfd", try_descriptor, true},
    {"kill", try_signal, true},
    {"pidfd_send_signal", try_signal_by_descriptor, true},
};

/* In a child: it may die of it. */
static void tell(struct jw *w, const char *name, int (*act)(int), int pid)
{
    int status = 0;
    const char *text;
    pid_t child = fork();
    if (child == 0)
        _exit(act(pid));
    if (child < 0 || waitpid(child, &status, 0) != child)
        text = "no child";
    else if (WIFSIGNALED(status))
        text = WTERMSIG(status) == SIGSYS ? "SIGSYS" : strsignal(WTERMSIG(status));
    else
        text = WEXITSTATUS(status) ? strerrorname_np(WEXITSTATUS(status)) : "done";
    jw_str(w, name, str_from(text ? text : "?"));
}

static void open_path(struct jw *w, struct str path)
{
    static const struct {
        const char *name;
        int flags;
    } ways[] = {{"read", O_RDONLY},
                {"write", O_RDWR},
                {"list", O_RDONLY | O_DIRECTORY},
                {"make", O_WRONLY | O_CREAT}};
    char text[1100];
    (void)snprintf(text, sizeof text, STR_FMT, STR_ARG(path));
    jw_object(w, text);
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        int fd = open(text, ways[i].flags | O_CLOEXEC | O_NONBLOCK, 0600);
        jw_str(w, ways[i].name, str_from(fd >= 0 ? "done" : strerrorname_np(errno)));
        if (fd >= 0)
            close(fd);
    }
    jw_object_end(w);
}

void attack_system(struct jw *w, const int *pids, struct str paths)
{
    char name[64];
    jw_object(w, "calls");
    for (size_t i = 0; i < COUNT_OF(attacks); i++)
        for (const int *pid = pids; *pid; pid++) {
            (void)snprintf(name, sizeof name, "%s %d", attacks[i].name, *pid);
            tell(w, attacks[i].each ? name : attacks[i].name, attacks[i].act, *pid);
            if (!attacks[i].each)
                break;
        }
    jw_object_end(w);
    jw_object(w, "files");
    while (paths.n) {
        const char *end = memchr(paths.p, '\n', paths.n);
        struct str path = {paths.p, end ? (size_t)(end - paths.p) : paths.n};
        open_path(w, path);
        paths.p += path.n + (end != NULL);
        paths.n -= path.n + (end != NULL);
    }
    jw_object_end(w);
    jw_array(w, "born_with"); /* whatever the parent left open */
    for (int fd = 0; fd < 256; fd++) {
        char at[32], target[256];
        (void)snprintf(at, sizeof at, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(at, target, sizeof target - 1);
        if (n > 0)
            jw_str(w, NULL, (struct str){target, (size_t)n});
    }
    jw_array_end(w);
}

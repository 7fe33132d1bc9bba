/* User, files, system calls of a role. */
#include "sys/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void miss(struct confine_report *r, const char *sentence)
{
    size_t n = strlen(r->missing);
    (void)snprintf(r->missing + n, sizeof r->missing - n, "%s%s", n ? " " : "", sentence);
}

/* --- user --- */
err_t sys_user(const char *user, uid_t *ret_uid, gid_t *ret_gid, struct err_info *reterr)
{
    int64_t number;
    errno = 0;
    const struct passwd *p = getpwnam(user);
    if (p) {
        *ret_uid = p->pw_uid;
        *ret_gid = p->pw_gid;
        return OK;
    }
    if (!str_to_i64(str_from(user), &number) || number <= 0 || number > 0x7FFFFFFF)
        return error_set(reterr, ERR_CONFIG, "There is no user %s.", user);
    *ret_uid = (uid_t)number;
    *ret_gid = (gid_t)number;
    return OK;
}

/* Another user's process no longer dies with its parent: the kernel forgets that it was to. */
static bool switch_user(uid_t uid, gid_t gid)
{
    int sig = 0;
    pid_t parent = getppid();
    (void)prctl(PR_GET_PDEATHSIG, &sig);
    return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
           setresuid(uid, uid, uid) == 0 &&
           (sig == 0 || (prctl(PR_SET_PDEATHSIG, sig) == 0 && getppid() == parent));
}

static err_t become(const char *user, struct confine_report *r, struct err_info *reterr)
{
    uid_t uid;
    gid_t gid;
    if (!user[0]) {
        miss(r, "It has no user of its own.");
        return OK;
    }
    err_t err = sys_user(user, &uid, &gid, reterr);
    if (err || (getuid() == uid && geteuid() == uid))
        return err;
    if (geteuid() != 0) {
        miss(r, "It was not started as root and cannot become a user of its own.");
        return OK;
    }
    if (!switch_user(uid, gid))
        return error_set(reterr, ERR_CONFIG, "The role cannot become user %s.", user);
    return OK;
}

/* --- files --- */
#define READ_FILE (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE)
#define READ_DIR (READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_FILE (LANDLOCK_ACCESS_FS_WRITE_FILE | (UINT64_C(1) << 14)) /* and truncate */
#define WRITE_DIR                                                                                  \
    (WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                 \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | (UINT64_C(1) << 13))

static int landlock_abi(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* As the kernel has it from version 6 of Landlock on. Source: linux/landlock.h of 6.12. */
struct ruleset {
    uint64_t files, net, scoped;
};
#define SCOPE_ALL 3 /* sockets with abstract names, signals: none of those outside */

/* All rights that this kernel knows: what a rule does not give is refused. */
static uint64_t known_rights(int abi)
{
    return abi >= 5   ? (UINT64_C(1) << 16) - 1
           : abi >= 3 ? (UINT64_C(1) << 15) - 1
           : abi == 2 ? (UINT64_C(1) << 14) - 1
                      : (UINT64_C(1) << 13) - 1;
}

static bool allow(int rules, const char *path, uint64_t folder, uint64_t file, uint64_t known)
{
    struct stat st;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == EACCES;
    struct landlock_path_beneath_attr rule = {.parent_fd = fd};
    if (fstat(fd, &st) != 0)
        st.st_mode = 0;
    rule.allowed_access = (S_ISDIR(st.st_mode) ? folder : file) & known;
    int rc = (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(fd);
    return rc == 0;
}

static bool restrict_files(const struct confinement *c, int abi)
{
    uint64_t known = known_rights(abi);
    const struct ruleset attr = {.files = known, .scoped = abi >= 6 ? SCOPE_ALL : 0};
    size_t size = abi >= 6 ? sizeof attr : sizeof attr.files;
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    bool good = rules >= 0;
    for (const char *const *p = c->read; good && p && *p; p++)
        good = allow(rules, *p, READ_DIR, READ_FILE, known);
    for (const char *const *p = c->write; good && p && *p; p++)
        good = allow(rules, *p, READ_DIR | WRITE_DIR, READ_FILE | WRITE_FILE, known);
#ifdef UNDER_SANITIZER
    good = good && allow(rules, "/proc", READ_DIR, READ_FILE, known); /* it looks for leaks there */
#endif
    good = good && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    if (rules >= 0)
        close(rules);
    return good;
}

static void confine_files(const struct confinement *c, struct confine_report *r)
{
    int abi = landlock_abi();
    if (!c->read)
        return;
    if (abi < 1)
        miss(r, "The kernel has no Landlock: it may touch whatever files its user may.");
    else if (!restrict_files(c, abi))
        miss(r, "Landlock could not be switched on.");
    else if (abi < 3 && !c->user[0]) /* a user of its own has nothing but its own files */
        miss(
            r,
            "The kernel's Landlock is old: it may cut files short, and signal what is its user's.");
    else if (abi < 6 && !c->user[0])
        miss(r, "The kernel's Landlock is old: it may signal what is its user's.");
}

/* --- system calls --- */
#ifndef UNDER_SANITIZER
#define N(name) SCMP_SYS(name)

/* What no role does: run programs, look into others, change the kernel or who it is. */
static const int never[] = {N(execve),
                            N(execveat),
                            N(ptrace),
                            N(process_vm_readv),
                            N(process_vm_writev),
                            N(pidfd_getfd),
                            N(kexec_load),
                            N(kexec_file_load),
                            N(init_module),
                            N(finit_module),
                            N(delete_module),
                            N(bpf),
                            N(perf_event_open),
                            N(userfaultfd),
                            N(mount),
                            N(umount2),
                            N(pivot_root),
                            N(chroot),
                            N(setns),
                            N(unshare),
                            N(keyctl),
                            N(add_key),
                            N(request_key),
                            N(swapon),
                            N(swapoff),
                            N(reboot),
                            N(acct),
                            N(quotactl),
                            N(iopl),
                            N(ioperm),
                            N(settimeofday),
                            N(clock_settime),
                            N(clock_adjtime),
                            N(adjtimex),
                            N(sethostname),
                            N(setdomainname),
                            N(personality),
                            N(open_by_handle_at),
                            N(io_uring_setup),
                            N(io_uring_enter),
                            N(io_uring_register),
                            N(fsopen),
                            N(fsconfig),
                            N(fsmount),
                            N(fspick),
                            N(open_tree),
                            N(move_mount),
                            N(mount_setattr),
                            N(fanotify_init),
                            N(process_madvise),
                            N(syslog),
                            N(vhangup),
                            N(kcmp),
                            N(mknod),
                            N(mknodat)};

/* Memory, time, signals of its own, files that are open, files it may open. */
static const int common[] = {N(read),
                             N(write),
                             N(readv),
                             N(writev),
                             N(pread64),
                             N(pwrite64),
                             N(preadv),
                             N(pwritev),
                             N(close),
                             N(lseek),
                             N(fsync),
                             N(fdatasync),
                             N(ftruncate),
                             N(fstat),
                             N(newfstatat),
                             N(stat),
                             N(lstat),
                             N(statx),
                             N(fcntl),
                             N(openat),
                             N(open),
                             N(access),
                             N(faccessat),
                             N(faccessat2),
                             N(readlink),
                             N(readlinkat),
                             N(getcwd),
                             N(getdents64),
                             N(unlink),
                             N(unlinkat),
                             N(rename),
                             N(renameat),
                             N(renameat2),
                             N(mkdir),
                             N(mkdirat),
                             N(rmdir),
                             N(fchmod),
                             N(chmod),
                             N(fchmodat),
                             N(fchown),
                             N(utimensat),
                             N(umask),
                             N(flock),
                             N(statfs),
                             N(fstatfs),
                             N(fallocate),
                             N(dup),
                             N(dup2),
                             N(dup3),
                             N(munmap),
                             N(mremap),
                             N(madvise),
                             N(mlock),
                             N(mlock2),
                             N(munlock),
                             N(brk),
                             N(memfd_secret),
                             N(memfd_create),
                             N(futex),
                             N(sched_yield),
                             N(sched_getaffinity),
                             N(getrandom),
                             N(clock_gettime),
                             N(clock_getres),
                             N(clock_nanosleep),
                             N(nanosleep),
                             N(gettimeofday),
                             N(time),
                             N(rt_sigaction),
                             N(rt_sigprocmask),
                             N(rt_sigreturn),
                             N(rt_sigtimedwait),
                             N(sigaltstack),
                             N(restart_syscall),
                             N(getpid),
                             N(getppid),
                             N(gettid),
                             N(tgkill),
                             N(getuid),
                             N(geteuid),
                             N(getgid),
                             N(getegid),
                             N(uname),
                             N(sysinfo),
                             N(getrusage),
                             N(prlimit64),
                             N(getrlimit),
                             N(exit),
                             N(exit_group),
                             N(poll),
                             N(ppoll),
                             N(select),
                             N(pselect6),
                             N(epoll_create1),
                             N(epoll_ctl),
                             N(epoll_wait),
                             N(epoll_pwait),
                             N(eventfd2),
                             N(pipe2),
                             N(recvmsg),
                             N(recvfrom),
                             N(sendmsg),
                             N(sendto),
                             N(shutdown),
                             N(accept4),
                             N(accept),
                             N(getsockopt),
                             N(setsockopt),
                             N(getsockname),
                             N(getpeername),
                             N(rseq),
                             N(set_robust_list),
                             N(get_robust_list),
                             N(set_tid_address),
                             N(membarrier)};

static const int network[] = {N(connect),
                              N(bind),
                              N(listen),
                              N(sendmmsg),
                              N(recvmmsg),
                              N(prctl),
                              N(timerfd_create),
                              N(timerfd_settime),
                              N(pipe),
                              N(getpgrp),
                              N(sched_setscheduler),
                              N(sched_getparam),
                              N(sched_getscheduler)};

static bool rules_of(scmp_filter_ctx f, uint32_t action, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) /* one that this machine does not have is none to fear */
        if (calls[i] != __NR_SCMP_ERROR && seccomp_rule_add(f, action, calls[i], 0) != 0 &&
            calls[i] >= 0)
            return false;
    return true;
}

/* Memory is not made to run; the card role's resolver loads libraries. */
static bool no_new_code(scmp_filter_ctx f, bool libraries)
{
    const struct scmp_arg_cmp plain = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, N(mprotect), 1, plain);
    if (rc == 0)
        rc = libraries ? seccomp_rule_add(f, SCMP_ACT_ALLOW, N(mmap), 0)
                       : seccomp_rule_add(f, SCMP_ACT_ALLOW, N(mmap), 1, plain);
    return rc == 0;
}

/* What the kernel takes an int for has more bits in the register, which it does not look at. */
#define INT_IS(arg, v) SCMP_A##arg(SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)(v))

/* Landlock does not know of sockets in the file system. The resolver asks for one, and lives
 * without. One of a pair of datagram sockets can be turned to such a one. */
static bool no_local_socket(scmp_filter_ctx f)
{
    return seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), N(socket), 1, INT_IS(0, AF_UNIX)) == 0 &&
           seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), N(socketpair), 1,
                            SCMP_A1(SCMP_CMP_MASKED_EQ, 0xF, SOCK_DGRAM)) == 0;
}

/* The network, and the kernel's word on addresses and routes. */
static bool sockets_of_the_network(scmp_filter_ctx f)
{
    static const uint32_t families[] = {AF_INET, AF_INET6, AF_NETLINK};
    for (size_t i = 0; i < COUNT_OF(families); i++)
        if (seccomp_rule_add(f, SCMP_ACT_ALLOW, N(socket), 1, INT_IS(0, families[i])) != 0)
            return false;
    return no_local_socket(f) &&
           seccomp_rule_add(f, SCMP_ACT_ALLOW, N(socketpair), 1,
                            SCMP_A1(SCMP_CMP_MASKED_EQ, 0xF, SOCK_STREAM)) == 0;
}

/* Threads and children, but none in name spaces of their own, where they would be root. What clone3
 * is told lies in memory, which a filter cannot see; libraries then take clone. */
static bool no_new_space(scmp_filter_ctx f, bool allow_rest)
{
    static const uint64_t spaces[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                      CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
    uint64_t all = 0;
    for (size_t i = 0; i < COUNT_OF(spaces); i++) {
        all |= spaces[i];
        if (!allow_rest && seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, N(clone), 1,
                                            SCMP_A0(SCMP_CMP_MASKED_EQ, spaces[i], spaces[i])) != 0)
            return false;
    }
    if (allow_rest &&
        seccomp_rule_add(f, SCMP_ACT_ALLOW, N(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, all, 0)) != 0)
        return false;
    return seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), N(clone3), 0) == 0;
}

/* Nothing is typed into the operator's terminal. */
static bool no_typing(scmp_filter_ctx f, uint32_t action)
{
    return seccomp_rule_add(f, action, N(ioctl), 1, INT_IS(1, TIOCSTI)) == 0 &&
           seccomp_rule_add(f, action, N(ioctl), 1, INT_IS(1, TIOCLINUX)) == 0;
}

static bool harmless_ioctl(scmp_filter_ctx f)
{
    static const uint32_t wanted[] = {FIONBIO, FIONREAD, FIOCLEX, TCGETS};
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        if (seccomp_rule_add(f, SCMP_ACT_ALLOW, N(ioctl), 1, INT_IS(1, wanted[i])) != 0)
            return false;
    return true;
}

static bool confine_calls(enum confine_calls calls)
{
    bool open = calls == CONFINE_OPEN || calls == CONFINE_LOCAL;
    scmp_filter_ctx f = seccomp_init(open ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS);
    /* calls of another architecture, too */
    bool good = f && seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0;
    if (good && open)
        good = rules_of(f, SCMP_ACT_KILL_PROCESS, never, COUNT_OF(never)) &&
               no_new_space(f, false) && no_typing(f, SCMP_ACT_ERRNO(EPERM));
    if (good && calls == CONFINE_OPEN)
        good = no_local_socket(f);
    if (good && !open)
        good = rules_of(f, SCMP_ACT_ALLOW, common, COUNT_OF(common)) && harmless_ioctl(f) &&
               no_new_code(f, calls == CONFINE_NET);
    if (good && calls == CONFINE_NET)
        good = rules_of(f, SCMP_ACT_ALLOW, network, COUNT_OF(network)) &&
               sockets_of_the_network(f) && no_new_space(f, true);
    good = good && seccomp_load(f) == 0;
    if (f)
        seccomp_release(f);
    return good;
}
#endif

err_t sys_confine(const struct confinement *c, struct confine_report *ret, struct err_info *reterr)
{
    *ret = (struct confine_report){.missing = ""};
    err_t err = become(c->user, ret, reterr);
    if (err)
        return err;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        miss(ret, "It may gain rights by running programs.");
    confine_files(c, ret);
#ifndef UNDER_SANITIZER
    if (prctl(PR_SET_DUMPABLE, 0) != 0) /* a change of user has switched it on again */
        miss(ret, "It can be traced.");
    if (!confine_calls(c->calls))
        miss(ret, "The kernel does not limit its system calls (seccomp).");
#endif
    return OK;
}

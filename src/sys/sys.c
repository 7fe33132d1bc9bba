/* Threads, what a process may not do. */
#include "sys/sys.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

pthread_t sys_thread(const char *name, void *(*run)(void *), void *arg)
{
    /* signals of a thread's own faults stay open, or their handlers (a sanitizer's report) are
     * skipped */
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    pthread_t t;
    sigset_t blocked, before;
    ASSERT(strlen(name) <= 15);
    sigfillset(&blocked);
    for (size_t i = 0; i < COUNT_OF(faults); i++)
        sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int rc = pthread_create(&t, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        check_panic("no thread for %s", name);
    (void)pthread_setname_np(t, name);
    return t;
}

void sys_harden(void)
{
    const struct rlimit none = {0, 0};
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        check_panic("SIGPIPE cannot be ignored");
    umask(077);
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        check_panic("core dumps cannot be switched off");
#ifndef UNDER_SANITIZER /* the leak checker has to trace the process */
    if (prctl(PR_SET_DUMPABLE, 0) != 0)
        check_panic("tracing cannot be switched off");
#endif
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* The parent: holds the listening sockets, starts the roles by re-executing this program, restarts
 * a dead one, parses nothing from the network. */
#include "cli/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "observe/observe.h"
#include "wire/wire.h"

#define RESTARTS_MAX 20 /* within RESTART_WINDOW_US; more means that it cannot run */
/* Of one that cannot run and can be spared; doubles each time. */
#define PAUSE_US INT64_C(2000000)
#define PAUSE_MAX_US 30000000
#define READY_WAIT_MS 60000
#define STOP_WAIT_US 40000000
#define GONE_WAIT_US 2000000

static bool has_store(const struct role *r)
{
    return r->id == LINK_API || strcmp(r->command, "role-setup") == 0;
}

/* All settings as they stand, for a role to read from /proc/self/fd; where the store is, with a
 * password maybe, only for those that use it. */
static int settings_fd(const struct config *c, const struct role *r)
{
    bool store = has_store(r);
    struct buf b = BUF((size_t)1 << 20);
    int fd = memfd_create("settings", 0);
    if (fd < 0)
        return -1;
#define X_TEXT(name, def, unit, prose)                                                             \
    if (c->name[0] && (store || strcmp(#name, "store") != 0))                                      \
        buf_printf(&b, #name " = %s\n", c->name);
#define X_INT(name, min, max, def, unit, prose)                                                    \
    buf_printf(&b, #name " = %lld\n", (long long)c->name);
#define X_BOOL(name, def, unit, prose) buf_printf(&b, #name " = %s\n", c->name ? "true" : "false");
#include "sys/config.def"
#undef X_TEXT
#undef X_INT
#undef X_BOOL
    bool written = !b.failed && write(fd, b.p, b.n) == (ssize_t)b.n && lseek(fd, 0, SEEK_SET) == 0;
    buf_free(&b);
    if (written)
        return fd;
    close(fd);
    return -1;
}

/* What FLORIN_… said is in the settings already; other variables may be secrets of others, or have
 * libcurl write down the keys of its connections. */
static bool passes(const struct role *r, const char *variable)
{
    static const char *const passed[] = {
        "PATH",         "HOME",         "LANG",          "LC_*",          "TZ",
        "TMPDIR",       "SSL_CERT_DIR", "MALLOC_*",      "ASAN_OPTIONS",  "LSAN_OPTIONS",
        "TSAN_OPTIONS", "GCOV_*",       "SSL_CERT_FILE", "UBSAN_OPTIONS", "LLVM_PROFILE_FILE"};
    for (size_t i = 0; i < COUNT_OF(passed); i++) {
        size_t n = strcspn(passed[i], "*");
        if (strncmp(variable, passed[i], n) == 0 && (passed[i][n] == '*' || variable[n] == '='))
            return true;
    }
    return has_store(r) && strncmp(variable, "PG", 2) == 0; /* libpq's */
}

static void trim_environment(const struct role *r)
{
    char **to = environ;
    for (char **from = environ; *from; from++)
        if (passes(r, *from))
            *to++ = *from;
    *to = NULL;
}

/* In the child: keep what the role needs, then become it. */
static void become(const struct parent *p, const struct role *r, int settings, int ready,
                   int control, pid_t parent)
{
    char config[32], fds[5][16];
    char *args[20];
    size_t n = 0;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILED);
    /* Whatever else was open when Florin was started is nobody's business. */
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    fcntl(settings, F_SETFD, 0);
    (void)snprintf(config, sizeof config, "/proc/self/fd/%d", settings);
    (void)snprintf(fds[0], sizeof fds[0], "%d", ready);
    args[n++] = (char *)"florin";
    args[n++] = (char *)(uintptr_t)r->command;
    args[n++] = (char *)"--config";
    args[n++] = config;
    args[n++] = (char *)"--ready-fd";
    args[n++] = fds[0];
    for (int i = 0; i < 3 && r->fd_option[i]; i++) {
        fcntl(r->fd[i], F_SETFD, 0);
        (void)snprintf(fds[i + 1], sizeof fds[i + 1], "%d", r->fd[i]);
        args[n++] = (char *)(uintptr_t)r->fd_option[i];
        args[n++] = fds[i + 1];
    }
    if (control >= 0) {
        fcntl(control, F_SETFD, 0);
        (void)snprintf(fds[4], sizeof fds[4], "%d", control);
        args[n++] = (char *)"--control-fd";
        args[n++] = fds[4];
    }
    if (r->id == LINK_API && p->vault_id[0]) { /* it has said so before it was ready */
        args[n++] = (char *)"--vault-id";
        args[n++] = (char *)(uintptr_t)p->vault_id;
    }
    args[n] = NULL;
    fcntl(ready, F_SETFD, 0);
    trim_environment(r);
    /* Memory that held a card or a key is overwritten when it is given back. */
    if (r->id == LINK_CARD || r->id == LINK_VAULT)
        (void)setenv("MALLOC_CONF", "junk:free", 1);
    execv("/proc/self/exe", args);
    _exit(EXIT_FAILED);
}

/* Waits until the role says that it is ready, or is gone. */
static bool wait_ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;
    int got;
    do
        got = poll(&p, 1, READY_WAIT_MS);
    while (got < 0 && errno == EINTR);
    return got == 1 && read(fd, &c, 1) == 1;
}

static bool start_role(struct parent *p, struct role *r)
{
    int ready[2], control = -1;
    int settings = settings_fd(p->config, r);
    pid_t self = getpid();
    r->pid = 0;
    if (settings < 0 || pipe2(ready, O_CLOEXEC) != 0) {
        if (settings >= 0)
            close(settings);
        return false;
    }
    pid_t pid = control_make(p, r, &control) ? fork() : -1;
    if (pid == 0)
        become(p, r, settings, ready[1], control, self);
    r->pid = pid > 0 ? pid : 0;
    close(settings);
    close(ready[1]);
    if (control >= 0)
        close(control);
    r->started_us = sys_mono_us();
    bool vault = r->id == LINK_VAULT; /* gets keys and questions once it has said which it is */
    if (r->pid > 0 && !vault)
        links_join(p, r);
    bool ok = r->pid > 0 && wait_ready(ready[0]);
    close(ready[0]);
    if (ok && vault) {
        links_turn(p, r);
        ok = r->control != NULL;
        links_join(p, r);
    }
    if (!ok && vault && r->pid > 0)
        kill(r->pid, SIGKILL); /* nobody is to talk to it */
    return ok;
}

bool parent_once(const struct config *config, const char *command)
{
    struct parent p = {.config = config, .master_fd = -1};
    struct role r = {.command = command};
    int status = 0;
    if (!start_role(&p, &r) && r.pid <= 0)
        return false;
    while (waitpid(r.pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void signal_roles(struct parent *p, int sig)
{
    for (size_t i = 0; i < p->roles_n; i++)
        if (p->roles[i].pid > 0)
            kill(p->roles[i].pid, sig);
}

static bool ended_well(const struct role *r, int status)
{
    bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!well)
        LOG(LOG_WARN, "parent.role_ended", LOG_STR("role", r->command),
            LOG_STR("by", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "itself"),
            LOG_INT("status", WIFEXITED(status) ? WEXITSTATUS(status) : 0));
    return well;
}

/* Ends the roles in order, each after the one that uses it. Returns whether all ended well. */
static bool stop_roles(struct parent *p)
{
    bool well = true;
    for (size_t i = 0; i < p->roles_n; i++)
        for (int f = 0; f < 3 && p->roles[i].fd_option[f]; f++)
            close(p->roles[i].fd[f]);
    for (size_t i = p->roles_n; i-- > 0;) {
        struct role *r = &p->roles[i];
        int status = 0;
        int64_t end = sys_mono_us() + STOP_WAIT_US;
        if (r->pid <= 0)
            continue;
        kill(r->pid, SIGTERM);
        while (waitpid(r->pid, &status, WNOHANG) == 0) {
            if (sys_mono_us() > end)
                kill(r->pid, SIGKILL);
            usleep(5000);
        }
        well = ended_well(r, status) && well;
        r->pid = 0;
        links_part(r);
    }
    return well;
}

static bool all_run(const struct parent *p)
{
    for (size_t i = 0; i < p->roles_n; i++)
        if (p->roles[i].pid <= 0)
            return false;
    return true;
}

/* Without cards a node still pays by the providers' tokens; without the others it does nothing. */
static bool can_be_spared(const struct role *r)
{
    return r->id == LINK_VAULT || r->id == LINK_CARD;
}

/* How long one that died too often is left alone; longer each time, until it has lived for a
 * while. */
static int64_t long_pause(struct role *r)
{
    int64_t pause_us = num_min(PAUSE_US << num_min(r->pauses++, 8), PAUSE_MAX_US);
    LOG(LOG_ERROR, "parent.role_paused", LOG_STR("role", r->command),
        LOG_INT("pause_ms", pause_us / 1000));
    return pause_us;
}

static int64_t short_pause(const struct role *r, int64_t now_us)
{
    int most = can_be_spared(r) ? 5 : 7; /* the budget of the others is to last a while */
    LOG(LOG_WARN, "parent.role_restart", LOG_STR("role", r->command),
        LOG_INT("restarts", r->restarts));
    if (r->restarts <= 2 && now_us - r->started_us >= 200000)
        return 0;
    return num_min(INT64_C(20000) << num_min(r->restarts, most), 2000000);
}

/* When a dead role is started again. false: it died too often, and nothing goes on without it. */
static bool plan_restart(struct role *r)
{
    int64_t now_us = sys_mono_us();
    if (now_us - r->window_us > RESTART_WINDOW_US) {
        r->window_us = now_us;
        r->restarts = 0;
    }
    if (now_us - r->started_us > RESTART_WINDOW_US)
        r->pauses = 0;
    bool too_often = r->restarts++ >= RESTARTS_MAX || r->pauses > 0;
    if (too_often && !can_be_spared(r))
        return false;
    r->due_us = now_us + (too_often ? long_pause(r) : short_pause(r, now_us));
    return true;
}

/* Starts what is due. false: one of them cannot run. */
static bool start_due(struct parent *p)
{
    for (size_t i = 0; i < p->roles_n; i++) {
        struct role *r = &p->roles[i];
        if (r->due_us == 0 || sys_mono_us() < r->due_us)
            continue;
        r->due_us = 0;
        bool ready = start_role(p, r);
        if (ready && p->on_ready && all_run(p))
            p->on_ready(p);
        /* Without a child no signal will tell. */
        if (!ready && r->pid <= 0 && !plan_restart(r))
            return false;
    }
    return true;
}

/* For how long nothing is due; -1: for ever. */
static int wait_ms(const struct parent *p)
{
    int64_t first_us = INT64_MAX;
    for (size_t i = 0; i < p->roles_n; i++)
        if (p->roles[i].due_us)
            first_us = num_min(first_us, p->roles[i].due_us);
    int64_t left_us = first_us - sys_mono_us();
    return first_us == INT64_MAX ? -1 : left_us <= 0 ? 0 : (int)(left_us / 1000) + 1;
}

struct noted {
    bool done, said;
};

static void on_noted(const struct link_frame *answer, void *arg)
{
    struct noted *n = arg;
    n->done = true;
    n->said = answer != NULL;
}

/* Tells card that api has died, and waits until it says that it sends nothing more for it. */
static bool tell_gone(struct role *card, struct noted *n)
{
    struct buf b = BUF(LINK_SMALL);
    int64_t end_us = sys_mono_us() + GONE_WAIT_US, now_us;
    link_put_int(&b, LINK_API);
    err_t err =
        b.failed ? ERR_NO_MEMORY : link_ask(card->control, LINK_GONE, buf_view(&b), on_noted, n);
    buf_free(&b);
    while (!err && !n->done && (now_us = sys_mono_us()) < end_us) {
        struct pollfd p = {.fd = link_fd(card->control), .events = POLLIN};
        (void)poll(&p, 1, (int)((end_us - now_us) / 1000) + 1);
        if (!link_step(card->control, 10))
            break;
    }
    return !err && n->said;
}

/* What a dead api had asked of card must not be sent any more: the next one asks the provider at
 * once what became of it, and believes it when there is nothing. A card that does not say so ends,
 * too. */
static bool hush_card(struct parent *p)
{
    struct role *card = NULL;
    struct noted noted = {false, false};
    int status;
    for (size_t i = 0; i < p->roles_n; i++)
        if (p->roles[i].id == LINK_CARD && p->roles[i].pid > 0 && p->roles[i].control)
            card = &p->roles[i];
    if (!card || tell_gone(card, &noted))
        return true;
    kill(card->pid, SIGKILL);
    while (waitpid(card->pid, &status, 0) < 0 && errno == EINTR)
        ;
    card->pid = 0;
    links_part(card); /* what it was asked is done with here */
    return plan_restart(card);
}

static bool reap(struct parent *p)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < p->roles_n; i++) {
            struct role *r = &p->roles[i];
            if (r->pid != pid)
                continue;
            (void)ended_well(r, status);
            r->pid = 0;
            links_part(r);
            if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_USAGE && !can_be_spared(r))
                return false;
            if ((r->id == LINK_API && !hush_card(p)) || !plan_restart(r))
                return false;
        }
    return true;
}

static int give_up(struct parent *p)
{
    (void)fprintf(stderr, "florin: a role cannot run; giving up\n");
    (void)stop_roles(p);
    return EXIT_FAILED;
}

/* What is to be done about a signal; *ret_status is the end. */
static bool on_signal(struct parent *p, uint32_t sig, int *ret_status)
{
    if (sig == SIGTERM || sig == SIGINT) {
        *ret_status = stop_roles(p) ? EXIT_DONE : EXIT_FAILED;
        return false;
    }
    if (sig == SIGHUP)
        signal_roles(p, SIGHUP);
    if (sig == SIGCHLD && !reap(p)) {
        *ret_status = give_up(p);
        return false;
    }
    return true;
}

static int watch(struct parent *p, int signals)
{
    struct pollfd polled[ROLES_MAX + 1];
    struct signalfd_siginfo got;
    int status = EXIT_FAILED;
    for (;;) {
        if (!start_due(p))
            return give_up(p);
        polled[0] = (struct pollfd){.fd = signals, .events = POLLIN};
        for (size_t i = 0; i < p->roles_n; i++)
            polled[i + 1] = (struct pollfd){
                .fd = p->roles[i].control ? link_fd(p->roles[i].control) : -1, .events = POLLIN};
        if (poll(polled, (nfds_t)p->roles_n + 1, wait_ms(p)) < 0 && errno != EINTR)
            return status;
        for (size_t i = 0; i < p->roles_n; i++)
            if (polled[i + 1].revents)
                links_turn(p, &p->roles[i]);
        if ((polled[0].revents & POLLIN) && read(signals, &got, sizeof got) == sizeof got &&
            !on_signal(p, got.ssi_signo, &status))
            return status;
    }
}

int parent_run(struct parent *p)
{
    sigset_t signals;
    role_signals(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (fd < 0)
        return EXIT_FAILED;
    for (size_t i = 0; i < p->roles_n; i++)
        if (!start_role(p, &p->roles[i])) {
            (void)fprintf(stderr, "florin: %s did not start\n", p->roles[i].command);
            (void)stop_roles(p);
            return EXIT_FAILED;
        }
    if (p->on_ready)
        p->on_ready(p);
    int status = watch(p, fd);
    close(fd);
    return status;
}

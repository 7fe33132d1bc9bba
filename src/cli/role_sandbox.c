/* The sandbox provider as a process: a role of `florin up`, or by itself. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli_internal.h"
#include "observe/observe.h"
#include "sandbox/sandbox.h"

static int serve(const struct config *c, int listen_fd, int ready_fd, const char *addr)
{
    struct sandbox *s = NULL;
    struct err_info info = {0};
    char dir[1024];
    int got = 0;
    sigset_t signals;
    role_signals(&signals); /* SIGHUP, too: the parent passes it on to all */
    (void)snprintf(dir, sizeof dir, "%s/sandbox", c->data);
    struct sandbox_config config = {.data_dir = dir,
                                    .listen_fd = listen_fd,
                                    .slow_ms = c->sandbox_slow_ms,
                                    .hang_ms = c->sandbox_hang_ms,
                                    .address = addr ? addr : c->sandbox,
                                    .webhooks = c->sandbox_webhooks,
                                    .challenge_ms = c->sandbox_challenge_ms,
                                    .dispute_ms = c->sandbox_dispute_ms};
    err_t err = sys_make_dir(dir, &info);
    if (!err)
        err = sys_lock_dir(dir, 10000, &info);
    if (!err)
        err = sandbox_start(&config, &s, &info);
    if (err)
        return fail(&info);
    if (ready_fd >= 0 && write(ready_fd, "1", 1) == 1)
        close(ready_fd);
    if (addr) {
        (void)printf("{\"sandbox\":\"http://%s\"}\n", addr);
        (void)fflush(stdout);
    }
    while (sigwait(&signals, &got) != 0 || got == SIGHUP)
        ;
    sandbox_stop(s);
    return EXIT_DONE;
}

static bool start_log(const struct config *c)
{
    enum log_level level;
    if (!log_level_parse(str_from(c->log_level), &level))
        return false;
    sys_harden();
    log_open(2, level);
    return true;
}

int role_sandbox(int argc, char **argv)
{
    struct option own[] = {{"listen-fd", true, NULL}, {"ready-fd", true, NULL}};
    static struct options o;
    int64_t listen_fd, ready_fd;
    o = (struct options){.own = own, .own_n = COUNT_OF(own)};
    if (!options_read(&o, argc, argv) || !own[0].value || !own[1].value ||
        !str_to_i64(str_from(own[0].value), &listen_fd) ||
        !str_to_i64(str_from(own[1].value), &ready_fd) || !start_log(&o.config))
        return EXIT_USAGE;
    return serve(&o.config, (int)listen_fd, (int)ready_fd, NULL);
}

int command_sandbox(int argc, char **argv)
{
    static struct options o;
    struct err_info info = {0};
    char addr[80];
    int fd;
    if (!options_read(&o, argc, argv) || o.words_n || !start_log(&o.config))
        return EXIT_USAGE;
    if (sys_listen(o.config.sandbox, 10000, &fd, addr, &info) != OK)
        return fail(&info);
    return serve(&o.config, fd, -1, addr);
}

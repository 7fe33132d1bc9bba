/* The api role: one node in one process. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli_internal.h"
#include "node/node.h"
#include "observe/observe.h"

static err_t prepare_dev(struct store *store, const uint8_t account_key[32], void *arg,
                         struct err_info *reterr)
{
    return dev_prepare(arg, store, account_key, reterr);
}

static err_t start(struct node *n, struct config *c, bool dev, int private_fd, int public_fd,
                   struct err_info *info)
{
    char path[1024], connectors[1024];
    uint8_t master[32];
    if (!store_path(c, path))
        return error_set(info, ERR_CONFIG, "the store's name is not usable");
    connectors_dir(c, connectors);
    err_t err = store_is_remote(path) ? OK : own_store(path, 10000, info);
    if (!err)
        err = sys_make_dir(c->data, info);
    if (!err)
        err = master_key(c, dev, master, info);
    if (err)
        return err;
    struct node_config config = {.settings = c,
                                 .store_path = path,
                                 .connectors = connectors,
                                 .master = master,
                                 .private_fd = private_fd,
                                 .public_fd = public_fd,
                                 .prepare = dev ? prepare_dev : NULL,
                                 .prepare_arg = c};
    err = node_start(n, &config, info);
    mem_wipe(master, sizeof master);
    return err;
}

static void wait_idle(struct node *n, int64_t wait_ms)
{
    int64_t end = sys_mono_us() + wait_ms * 1000;
    while (!node_idle(n) && sys_mono_us() < end)
        sys_pause_us(2000);
}

/* Nothing new; what runs gets a moment; provider calls that still hang end as "unknown", are
 * answered `processing` and stay for the janitor of the next start. */
static void stop(struct node *n)
{
    node_quiesce(n);
    wait_idle(n, 3000);
    node_hang_up(n);
    wait_idle(n, 20000);
    node_stop(n);
    LOG(LOG_INFO, "node.stopped", LOG_STR("version", FLORIN_VERSION));
}

static void run(struct node *n, const sigset_t *signals)
{
    const int64_t interval_ms = n->config.settings->janitor_interval_ms;
    const struct timespec wait = {interval_ms / 1000, (interval_ms % 1000) * 1000000};
    for (;;) {
        node_tick(n);
        int got = sigtimedwait(signals, NULL, &wait);
        if (got == SIGTERM || got == SIGINT)
            return;
        if (got == SIGHUP) {
            LOG(LOG_INFO, "connectors.reload", LOG_STR("reason", "SIGHUP"));
            connect_reload(n->connect);
        }
    }
}

int role_api(int argc, char **argv)
{
    struct option own[] = {{"private-fd", true, NULL},
                           {"public-fd", true, NULL},
                           {"ready-fd", true, NULL},
                           {"dev", false, NULL}};
    static struct options o;
    static struct node node;
    struct err_info info = {0};
    int64_t private_fd, public_fd, ready_fd;
    enum log_level level;
    sigset_t signals;
    o = (struct options){.own = own, .own_n = COUNT_OF(own)};
    if (!options_read(&o, argc, argv) || !own[0].value || !own[1].value || !own[2].value ||
        !str_to_i64(str_from(own[0].value), &private_fd) ||
        !str_to_i64(str_from(own[1].value), &public_fd) ||
        !str_to_i64(str_from(own[2].value), &ready_fd) ||
        !log_level_parse(str_from(o.config.log_level), &level))
        return EXIT_USAGE;
    sys_harden();
    log_open(2, level);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    err_t err =
        start(&node, &o.config, own[3].value != NULL, (int)private_fd, (int)public_fd, &info);
    if (err) {
        LOG(LOG_ERROR, "node.start_failed", LOG_STR("error", error_def(err)->code),
            LOG_STR("detail", info.detail));
        return fail(&info);
    }
    LOG(LOG_INFO, "node.ready", LOG_STR("version", FLORIN_VERSION), LOG_STR("api", o.config.api));
    if (write((int)ready_fd, "1", 1) == 1)
        close((int)ready_fd);
    run(&node, &signals);
    stop(&node);
    return EXIT_DONE;
}

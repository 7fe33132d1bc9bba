/* The vault role: its own file, its key, one link. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/cli_internal.h"
#include "link/link.h"
#include "observe/observe.h"
#include "sys/confine.h"
#include "sys/secret.h"
#include "vault/serve.h"

struct vault_role {
    struct store *store;
    struct vault *vault;
    struct vault_server *server;
    struct link *control;
    uint8_t key[VAULT_KEY]; /* while it is taken */
};

/* --- what the parent says --- */
static err_t unlock(struct store_tx *tx, void *arg)
{
    struct vault_role *v = arg;
    struct vault_master master;
    err_t err = vault_unlock(tx, v->key, VAULT_FROM_FILE, sys_now_us(), &master);
    return err ? err : vault_take(v->vault, v->key, &master);
}

static void take_master(struct vault_role *v, int fd)
{
    err_t err = secret_read(fd, v->key, sizeof v->key);
    if (!err)
        err = store_write(v->store, 0, unlock, v);
    mem_wipe(v->key, sizeof v->key);
    if (err)
        LOG(LOG_ERROR, "vault.locked",
            LOG_STR("reason",
                    err == ERR_CRYPTO ? "the key is not this vault's" : error_def(err)->title));
    else
        LOG(LOG_INFO, "vault.unlocked", LOG_STR("by", "file"));
    vault_server_rotate(v->server);
}

static bool heard(struct link *l, const struct link_frame *f, void *arg)
{
    struct vault_role *v = arg;
    (void)l;
    if (f->fd < 0)
        return false;
    if (f->message == LINK_MASTER) {
        take_master(v, f->fd);
        close(f->fd);
        return true;
    }
    struct link_reader r = {.rest = f->payload};
    if (f->message != LINK_PEER || link_take_int(&r) != LINK_CARD || !link_taken(&r))
        return false;
    return vault_server_link(v->server, f->fd) == OK;
}

/* --- beginning and end --- */
static err_t open_all(struct vault_role *v, const struct config *c, int control_fd,
                      struct err_info *info)
{
    char dir[1024], path[1100];
    const char *const read[] = {NULL}, *const write[] = {dir, NULL};
    struct store_config s = {.path = path,
                             .migrations = "vault",
                             .batch_max = 64,
                             .readers = 1,
                             .cache_kib = 4096,
                             .queue_max = 1000,
                             .stepped = true};
    if (!vault_dir(c, dir))
        return error_set(info, ERR_CONFIG, "the name of the vault's folder is too long");
    (void)snprintf(path, sizeof path, "%s/vault.db", dir);
    err_t err = role_confine(c, "vault", c->vault_user, read, write, CONFINE_VAULT, info);
    if (!err)
        err = sys_lock_dir(dir, 10000, info);
    if (!err)
        err = store_open(&s, true, &v->store, info);
    if (!err)
        err = vault_new(&v->vault);
    if (!err)
        err = vault_server_new(v->store, v->vault, &v->server);
    if (err)
        return err;
    struct link_config control = {
        .fd = control_fd, .self = LINK_VAULT, .peer = LINK_PARENT, .request = heard, .arg = v};
    return link_open(&control, &v->control);
}

static void run(struct vault_role *v, int signals)
{
    struct signalfd_siginfo got;
    int rest_ms = 0;
    for (;;) {
        struct pollfd p[3] = {{.fd = signals, .events = POLLIN},
                              {.fd = link_fd(v->control), .events = POLLIN},
                              {.fd = vault_server_fd(v->server), .events = POLLIN}};
        (void)poll(p, 3, rest_ms);
        if ((p[0].revents & POLLIN) && read(signals, &got, sizeof got) == sizeof got &&
            got.ssi_signo != SIGHUP)
            return;
        if (p[1].revents && !link_step(v->control, 10))
            return; /* the parent is gone */
        rest_ms = vault_server_turn(v->server, sys_now_us());
    }
}

int role_vault(int argc, char **argv)
{
    struct option own[] = {{"control-fd", true, NULL}, {"ready-fd", true, NULL}};
    static struct role_start r;
    static struct vault_role v;
    struct err_info info = {0};
    sigset_t signals;
    if (!role_begin(&r, own, COUNT_OF(own), argc, argv) || r.control_fd < 0)
        return EXIT_USAGE;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int fd = signalfd(-1, &signals, SFD_CLOEXEC);
    err_t err = open_all(&v, &r.options.config, r.control_fd, &info);
    if (err || fd < 0) {
        LOG(LOG_ERROR, "vault.start_failed", LOG_STR("detail", info.detail));
        return fail(&info);
    }
    LOG(LOG_INFO, "vault.ready", LOG_STR("version", FLORIN_VERSION),
        LOG_STR("memory", secret_quality() == SECRET_HIDDEN   ? "hidden"
                          : secret_quality() == SECRET_LOCKED ? "locked"
                                                              : "plain"));
    role_ready(r.ready_fd);
    run(&v, fd);
    vault_server_free(v.server);
    vault_free(v.vault);
    link_close(v.control);
    store_close(v.store);
    return EXIT_DONE;
}

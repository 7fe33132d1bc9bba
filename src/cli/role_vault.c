/* The vault role: its own file, its key, the link to `card`, operators. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/vault_cli.h"
#include "crypto/crypto.h"
#include "link/link.h"
#include "observe/observe.h"
#include "sys/confine.h"
#include "sys/secret.h"

struct vault_role {
    struct store *store;
    struct vault *vault;
    struct vault_server *server;
    struct vault_admin *admin;
    struct link *control;
    char dir[1024];
    int listener;
    /* while a key is taken */
    const uint8_t *key;
    enum vault_source source;
    struct vault_master master;
};

/* --- what the parent says --- */
static err_t unlock(struct store_tx *tx, void *arg)
{
    struct vault_role *v = arg;
    return vault_unlock(tx, v->key, v->source, sys_now_us(), &v->master);
}

static err_t take_key(struct vault_role *v, const uint8_t *key, enum vault_source source)
{
    v->key = key;
    v->source = source;
    err_t err = store_write(v->store, 0, unlock, v);
    if (!err)
        err = vault_take(v->vault, key, &v->master);
    if (err)
        LOG(LOG_WARN, "vault.key_refused",
            LOG_STR("reason",
                    err == ERR_CRYPTO ? "the key is not this vault's" : error_def(err)->title));
    else
        LOG(LOG_INFO, "vault.key_taken", LOG_INT("version", v->master.version),
            LOG_STR("state", v->master.current   ? "current"
                             : v->master.retired ? "retired"
                                                 : "retiring"),
            LOG_STR("by", vault_source_text(v->master.source)));
    return err;
}

static void take_masters(struct vault_role *v, int fd)
{
    struct vault_keys keys;
    err_t err = secret_read(fd, &keys, sizeof keys);
    for (uint32_t i = 0; !err && i < keys.n && i < VAULT_KEYS_MAX; i++)
        (void)take_key(v, keys.key[i].key, (enum vault_source)keys.key[i].source);
    mem_wipe(&keys, sizeof keys);
    if (!vault_unlocked(v->vault))
        LOG(LOG_ERROR, "vault.sealed", LOG_STR("reason", "its current master key was not brought"));
    vault_server_rotate(v->server);
}

/* For the next start of this role. */
static bool keep(const struct vault_keys *keys, void *arg)
{
    struct vault_role *v = arg;
    int fd = -1;
    if (secret_share(keys, sizeof *keys, &fd) != OK)
        return false;
    bool sent = link_send(v->control, LINK_MASTER_KEPT, 0, (struct str){NULL, 0}, fd);
    close(fd);
    return sent;
}

static bool heard(struct link *l, const struct link_frame *f, void *arg)
{
    struct vault_role *v = arg;
    (void)l;
    if (f->fd < 0)
        return false;
    if (f->message == LINK_MASTER) {
        take_masters(v, f->fd);
        close(f->fd);
        return true;
    }
    struct link_reader r = {.rest = f->payload};
    if (f->message != LINK_PEER || link_take_int(&r) != LINK_CARD || !link_taken(&r))
        return false;
    return vault_server_link(v->server, f->fd) == OK;
}

/* --- beginning and end --- */
static err_t name(struct store_tx *tx, void *arg)
{
    struct id *id = arg;
    return vault_which(tx, *id, id);
}

/* The parent knows which vault this is before anybody asks for a card. */
static err_t tell_name(struct vault_role *v)
{
    char bytes[32];
    struct buf b = BUF_ON(bytes);
    struct id id;
    crypto_random(id.b, sizeof id.b);
    err_t err = store_write(v->store, 0, name, &id);
    if (err)
        return err;
    link_put_id(&b, id);
    return link_send(v->control, LINK_VAULT_ID, 0, buf_view(&b), -1) ? OK : ERR_IO;
}

static err_t open_vault(struct vault_role *v, struct err_info *info)
{
    char path[1100];
    (void)snprintf(path, sizeof path, "%s/vault.db", v->dir);
    err_t err = vault_store(path, true, &v->store, info);
    if (!err)
        err = vault_new(&v->vault);
    if (!err)
        err = vault_server_new(v->store, v->vault, &v->server);
    struct vault_admin_config admin = {.store = v->store,
                                       .vault = v->vault,
                                       .server = v->server,
                                       .dir = v->dir,
                                       .keep = keep,
                                       .arg = v};
    return err ? err : vault_admin_new(&admin, &v->admin);
}

/* Folder and socket are its own before it is confined: afterwards it can make no socket. */
static err_t open_all(struct vault_role *v, const struct config *c, int control_fd,
                      struct err_info *info)
{
    const char *const read[] = {NULL}, *const write[] = {v->dir, NULL};
    if (!vault_dir(c, v->dir))
        return error_set(info, ERR_CONFIG, "the name of the vault's folder is too long");
    err_t err = sys_make_dir(v->dir, info);
    if (!err)
        err = sys_lock_dir(v->dir, 10000, info);
    if (!err)
        err = vault_listen(v->dir, c->vault_user, &v->listener, info);
    if (!err)
        err = role_confine(c, "vault", c->vault_user, read, write, CONFINE_VAULT, info);
    if (!err)
        err = open_vault(v, info);
    if (err)
        return err;
    struct link_config control = {
        .fd = control_fd, .self = LINK_VAULT, .peer = LINK_PARENT, .request = heard, .arg = v};
    err = link_open(&control, &v->control);
    return err ? err : tell_name(v);
}

/* Root, and whose vault it is. */
static void welcome(struct vault_role *v)
{
    int64_t uid = -1;
    int fd = vault_accept(v->listener, &uid);
    if (fd < 0)
        return;
    if (uid == 0 || uid == (int64_t)geteuid()) {
        (void)vault_admin_join(v->admin, fd, uid);
    } else {
        close(fd);
        vault_admin_refused(v->admin, uid);
    }
}

static void run(struct vault_role *v, int signals)
{
    enum { FIXED = 4 };
    struct signalfd_siginfo got;
    int rest_ms = 0, operators[VAULT_OPERATORS];
    for (;;) {
        struct pollfd p[FIXED + VAULT_OPERATORS] = {
            {.fd = signals, .events = POLLIN},
            {.fd = link_fd(v->control), .events = POLLIN},
            {.fd = vault_server_fd(v->server), .events = POLLIN},
            {.fd = v->listener, .events = POLLIN}};
        int n = vault_admin_fds(v->admin, operators);
        for (int i = 0; i < n; i++)
            p[FIXED + i] = (struct pollfd){.fd = operators[i], .events = POLLIN};
        (void)poll(p, (nfds_t)(FIXED + n), rest_ms);
        if ((p[0].revents & POLLIN) && read(signals, &got, sizeof got) == sizeof got &&
            got.ssi_signo != SIGHUP)
            return;
        if (p[1].revents && !link_step(v->control, 10))
            return; /* the parent is gone */
        if (p[3].revents & POLLIN)
            welcome(v);
        rest_ms = vault_server_turn(v->server, sys_now_us());
        if (vault_admin_turn(v->admin, sys_now_us()) == 0)
            rest_ms = 0;
    }
}

int role_vault(int argc, char **argv)
{
    struct option own[] = {{"control-fd", true, NULL}, {"ready-fd", true, NULL}};
    static struct role_start r;
    static struct vault_role v = {.listener = -1};
    struct err_info info = {0};
    sigset_t signals;
    if (!role_begin(&r, own, COUNT_OF(own), argc, argv) || r.control_fd < 0)
        return EXIT_USAGE;
    role_signals(&signals);
    int fd = signalfd(-1, &signals, SFD_CLOEXEC);
    err_t err = open_all(&v, &r.options.config, r.control_fd, &info);
    if (err || fd < 0) {
        LOG(LOG_ERROR, "vault.start_failed", LOG_STR("detail", info.detail));
        return fail(&info);
    }
    LOG(LOG_INFO, "vault.ready", LOG_STR("version", FLORIN_VERSION),
        LOG_STR("memory", secret_quality_text()));
    role_ready(r.ready_fd);
    run(&v, fd);
    vault_admin_free(v.admin);
    vault_server_free(v.server);
    vault_free(v.vault);
    link_close(v.control);
    store_close(v.store);
    return EXIT_DONE;
}

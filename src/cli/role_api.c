/* The api role: one node in one process. */
#include <signal.h>
#include <stdio.h>

#include "cli/cli_internal.h"
#include "crypto/crypto.h"
#include "customers/customers.h"
#include "link/link.h"
#include "node/node.h"
#include "observe/observe.h"

struct settling {
    struct id vault, found;
};

static err_t settle(struct store_tx *tx, void *arg)
{
    struct settling *s = arg;
    return card_vault_settle(tx, s->vault, sys_now_us(), &s->found);
}

/* Another vault than the one that has this database's cards would be asked to forget and to charge
 * what it never had: nothing begins. */
static err_t check_vault(struct store *store, const uint8_t account_key[32], void *arg,
                         struct err_info *reterr)
{
    const struct option *o = arg;
    struct settling s;
    (void)account_key;
    if (!o->value || !crypto_hex_decode(str_from(o->value), s.vault.b, sizeof s.vault.b))
        return error_set(reterr, ERR_CONFIG, "The vault has not said which one it is.");
    err_t err = store_write(store, 0, settle, &s);
    if (err)
        return error_set(reterr, err, "the store cannot be written");
    return id_eq(s.vault, s.found)
               ? OK
               : error_set(reterr, ERR_CONFIG,
                           "The cards of this database are in another vault. Bring that one back "
                           "(`florin vault restore`), or run this node with `vault = none`; if it "
                           "is lost for good: `florin vault adopt`. See docs/vault.md.");
}

/* vault_id: the option that says which vault there is. */
static err_t start(struct node *n, struct config *c, int private_fd, int public_fd,
                   struct option *vault_id, struct err_info *info)
{
    static struct api_places p;
    uint8_t master[32];
    if (!api_places(c, &p))
        return error_set(info, ERR_CONFIG, "the store's name is not usable");
    err_t err = sys_make_dir(c->data, info);
    if (!err)
        err = master_key(c, false, master, info);
    if (!err)
        err = role_confine_api(c, &p, info);
    if (!err && !store_is_remote(p.store))
        err = own_store(p.store, 10000, info);
    struct node_config config = {.settings = c,
                                 .store_path = p.store,
                                 .connectors = p.connectors,
                                 .master = master,
                                 .private_fd = private_fd,
                                 .public_fd = public_fd,
                                 .prepare = vault_wanted(c) ? check_vault : NULL,
                                 .prepare_arg = vault_id,
                                 .cards = vault_wanted(c),
                                 .bin_table = c->bin_table};
    if (!err)
        err = node_start(n, &config, info);
    mem_wipe(master, sizeof master);
    return err;
}

/* The parent's words come on the link's thread: the other end of the link to `card`. */
static bool heard(struct link *l, const struct link_frame *f, void *arg)
{
    struct link_reader r = {.rest = f->payload};
    (void)l;
    if (f->message != LINK_PEER || f->fd < 0 || link_take_int(&r) != LINK_CARD || !link_taken(&r))
        return false;
    return node_link_card(arg, f->fd) == OK;
}

static err_t listen_to_parent(struct node *n, int fd, struct link **ret)
{
    struct link_config config = {.fd = fd,
                                 .self = LINK_API,
                                 .peer = LINK_PARENT,
                                 .thread = "control",
                                 .request = heard,
                                 .arg = n};
    return link_open(&config, ret);
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
            node_reload_bins(n);
        }
    }
}

int role_api(int argc, char **argv)
{
    struct option own[] = {{"private-fd", true, NULL},
                           {"public-fd", true, NULL},
                           {"control-fd", true, NULL},
                           {"ready-fd", true, NULL},
                           {"vault-id", true, NULL}};
    static struct role_start r;
    static struct node node;
    struct link *control = NULL;
    struct err_info info = {0};
    sigset_t signals;
    if (!role_begin(&r, own, COUNT_OF(own), argc, argv) || role_fd(&own[0]) < 0 ||
        role_fd(&own[1]) < 0 || r.control_fd < 0)
        return EXIT_USAGE;
    role_signals(&signals);
    err_t err = start(&node, &r.options.config, role_fd(&own[0]), role_fd(&own[1]), &own[4], &info);
    if (!err)
        err = listen_to_parent(&node, r.control_fd, &control);
    if (err) {
        LOG(LOG_ERROR, "node.start_failed", LOG_STR("error", error_def(err)->code),
            LOG_STR("detail", info.detail));
        return fail(&info);
    }
    LOG(LOG_INFO, "node.ready", LOG_STR("version", FLORIN_VERSION),
        LOG_STR("api", r.options.config.api));
    role_ready(r.ready_fd);
    run(&node, &signals);
    link_close(control); /* nobody joins any more */
    stop(&node);
    return EXIT_DONE;
}

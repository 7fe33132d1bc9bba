/* The api role: everything of one node in one process, wired together. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli_internal.h"
#include "crypto/crypto.h"
#include "events/events.h"
#include "ledger/ledger.h"
#include "observe/observe.h"
#include "payments/payments.h"

#define SNAPSHOT_TAIL 20000
#define MARKS_KEPT_US INT64_C(604800000000)
#define SNAPSHOT_EVERY_US 2000000

struct node {
    struct config config;
    uint8_t master[32], endpoint_key[32], account_key[32], answer_key[32];
    struct store *store;
    struct http_client *providers, *endpoints;
    struct connect *connect;
    struct accounts *accounts;
    struct flow_engine *flows;
    struct webhooks *webhooks;
    struct api *api;
};

static struct det make_det(void *self)
{
    (void)self;
    return sys_det();
}

static void after_commit(const struct store_note *notes, size_t n, void *arg)
{
    struct node *node = arg;
    struct webhooks *w = __atomic_load_n(&node->webhooks, __ATOMIC_ACQUIRE);
    for (size_t i = 0; w && i < n; i++)
        if (notes[i].kind == NOTE_EVENT) {
            webhooks_wake(w);
            return;
        }
}

/* Whoever held leases of a store with one owner is dead. On a shared one they end by themselves. */
static err_t tidy_store(struct store_tx *tx, void *arg)
{
    const struct node *n = arg;
    int64_t now_us = sys_now_us();
    return store_shared(n->store) ? store_forget_marks(tx, now_us - MARKS_KEPT_US)
                                  : job_free_all(tx, now_us);
}

static err_t start_store(struct node *n, bool dev, struct err_info *info)
{
    char path[1024];
    const struct config *c = &n->config;
    if (!store_path(c, path))
        return error_set(info, ERR_CONFIG, "the store's name is not usable");
    err_t err = store_is_remote(path) ? OK : own_store(path, 10000, info);
    if (!err)
        err = sys_make_dir(c->data, info);
    if (!err)
        err = master_key(c, dev, n->master, info);
    if (err)
        return err;
    crypto_subkey(n->master, "webhook_secret", n->endpoint_key);
    crypto_subkey(n->master, "credentials", n->account_key);
    crypto_subkey(n->master, "answer", n->answer_key);
    mem_wipe(n->master, sizeof n->master);
    struct store_config s = {
        .path = path,
        .migrations = "florin",
        .batch_max = (int)c->store_batch_max,
        .readers = (int)c->store_readers,
        .writers = (int)c->store_writers,
        .cache_kib = (int)c->store_cache_kib,
        .queue_max = c->store_queue_max,
        .hooks = {.before_commit = ledger_chain, .after_commit = after_commit, .arg = n}};
    err = store_open(&s, true, &n->store, info);
    if (err)
        return err;
    err = store_write(n->store, 0, tidy_store, n);
    if (err)
        return error_set(info, err, "the store cannot be written");
    return dev ? dev_prepare(c, n->store, n->account_key, info) : OK;
}

static err_t start_workers(struct node *n, struct err_info *info)
{
    const struct config *c = &n->config;
    char dir[1024];
    if (c->lease_ms < c->provider_timeout_ms + c->provider_connect_timeout_ms + 2000)
        return error_set(info, ERR_CONFIG,
                         "lease_ms must be at least 2000 more than provider_timeout_ms and "
                         "provider_connect_timeout_ms together");
    connectors_dir(c, dir);
    err_t err =
        http_client_start("providers", (unsigned)c->provider_calls_max, &n->providers, info);
    if (!err)
        err = http_client_start("endpoints", (unsigned)c->webhook_parallel, &n->endpoints, info);
    if (!err)
        err = accounts_open(n->store, n->account_key, &n->accounts);
    struct connect_config connect = {.dir = dir,
                                     .client = n->providers,
                                     .lookup = accounts_lookup,
                                     .peek = accounts_peek,
                                     .lookup_self = n->accounts,
                                     .connect_timeout_ms = c->provider_connect_timeout_ms,
                                     .timeout_ms = c->provider_timeout_ms,
                                     .public_only = !c->provider_allow_private};
    if (!err)
        err = connect_start(&connect, &n->connect, info);
    if (err)
        return err;
    struct flow_config flows = {.store = n->store,
                                .provider = connect_port(n->connect),
                                .defs = payment_flows,
                                .defs_n = payment_flows_n,
                                .lease_us = c->lease_ms * 1000,
                                .inquiry_delay_us = c->inquiry_delay_ms * 1000,
                                .inquiry_backoff_max_us = c->inquiry_backoff_max_ms * 1000,
                                .idempotency_us = c->idempotency_days * INT64_C(86400000000),
                                .active_max = (size_t)c->store_queue_max / 2,
                                .seal_key = n->answer_key,
                                .det = make_det};
    err = flow_start(&flows, &n->flows);
    struct webhooks_config webhooks = {
        .store = n->store,
        .client = n->endpoints,
        .secret_key = n->endpoint_key,
        .allow_private = c->webhook_allow_private,
        .timeout_ms = c->webhook_timeout_ms,
        .lease_us = num_max(c->lease_ms, c->webhook_timeout_ms + 15000) * 1000,
        .parallel = (int)c->webhook_parallel,
        .schedule = c->webhook_schedule};
    struct webhooks *w = NULL;
    if (!err)
        err = webhooks_start(&webhooks, &w, info);
    __atomic_store_n(&n->webhooks, w, __ATOMIC_RELEASE);
    return err;
}

static err_t start_api(struct node *n, int private_fd, int public_fd, struct err_info *info)
{
    struct api_config api = {.store = n->store,
                             .flows = n->flows,
                             .webhooks = n->webhooks,
                             .connect = n->connect,
                             .accounts = n->accounts,
                             .settings = &n->config,
                             .endpoint_key = n->endpoint_key,
                             .private_fd = private_fd,
                             .public_fd = public_fd};
    return api_start(&api, &n->api, info);
}

static void wait_idle(struct node *n, int64_t wait_ms)
{
    int64_t end = sys_mono_us() + wait_ms * 1000;
    while ((api_active(n->api) > 0 || flow_active(n->flows) > 0) && sys_mono_us() < end)
        usleep(2000);
}

/* Nothing new; what runs gets a moment; provider calls that still hang end as "unknown", are
 * answered `processing` and stay for the janitor of the next start. */
static void stop(struct node *n)
{
    LOG(LOG_INFO, "node.stopping", LOG_INT("requests", (int64_t)api_active(n->api)),
        LOG_INT("flows", (int64_t)flow_active(n->flows)));
    api_quiesce(n->api);
    wait_idle(n, 3000);
    connect_close(n->connect);
    http_client_stop(n->providers);
    wait_idle(n, 20000);
    struct webhooks *webhooks = n->webhooks;
    __atomic_store_n(&n->webhooks, NULL, __ATOMIC_RELEASE); /* a late commit wakes nobody */
    webhooks_stop(webhooks, 3000);
    http_client_stop(n->endpoints);
    api_stop(n->api);
    connect_stop(n->connect);
    flow_free(n->flows);
    store_close(n->store);
    accounts_close(n->accounts);
    mem_wipe(n, sizeof *n);
    LOG(LOG_INFO, "node.stopped", LOG_STR("version", FLORIN_VERSION));
}

/* Balances are read as snapshot and tail; the tail is kept short. */
struct snapshot_turn {
    struct store_op op;
    int moved;
    bool busy;
};

static err_t move_snapshots(struct store_tx *tx, void *arg)
{
    struct snapshot_turn *t = arg;
    return ledger_snapshot_due(tx, SNAPSHOT_TAIL, &t->moved);
}

static void snapshots_moved(err_t err, void *arg)
{
    struct snapshot_turn *t = arg;
    (void)err; /* the next turn tries again */
    __atomic_store_n(&t->busy, false, __ATOMIC_RELEASE);
}

static void snapshot_tick(struct node *n)
{
    static struct snapshot_turn turn;
    static int64_t last_us;
    int64_t now_us = sys_mono_us();
    if (now_us - last_us < SNAPSHOT_EVERY_US || __atomic_load_n(&turn.busy, __ATOMIC_ACQUIRE))
        return;
    last_us = now_us;
    turn.op = (struct store_op){.run = move_snapshots, .done = snapshots_moved, .arg = &turn};
    __atomic_store_n(&turn.busy, true, __ATOMIC_RELEASE);
    if (store_submit(n->store, &turn.op) != OK)
        snapshots_moved(ERR_UNAVAILABLE, &turn);
}

static void run(struct node *n, const sigset_t *signals)
{
    const int64_t interval_ms = n->config.janitor_interval_ms;
    const struct timespec wait = {interval_ms / 1000, (interval_ms % 1000) * 1000000};
    for (;;) {
        flow_tick(n->flows);
        snapshot_tick(n);
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
    node.config = o.config;
    err_t err = start_store(&node, own[3].value != NULL, &info);
    if (!err)
        err = start_workers(&node, &info);
    if (!err)
        err = start_api(&node, (int)private_fd, (int)public_fd, &info);
    if (err) {
        LOG(LOG_ERROR, "node.start_failed", LOG_STR("error", error_def(err)->code),
            LOG_STR("detail", info.detail));
        return fail(&info);
    }
    LOG(LOG_INFO, "node.ready", LOG_STR("version", FLORIN_VERSION),
        LOG_STR("api", node.config.api));
    if (write((int)ready_fd, "1", 1) == 1)
        close((int)ready_fd);
    run(&node, &signals);
    stop(&node);
    return EXIT_DONE;
}

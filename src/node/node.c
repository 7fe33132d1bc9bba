/* Starting, stopping and the turns of a node. */
#include "node/node.h"

#include <stdio.h>

#include "crypto/crypto.h"
#include "customers/customers.h"
#include "ledger/ledger.h"
#include "observe/observe.h"

#define SNAPSHOT_TAIL 20000
#define MARKS_KEPT_US INT64_C(604800000000)
#define SNAPSHOT_EVERY_US 2000000
#define CLOCK_OFF_US 2000000
#define PUBLIC_URL_MAX 200 /* what is added to it must fit into a call */

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

/* Whoever held leases of a store with one owner is dead. On a shared one they end by themselves.
 * What waits by a clock that was ahead waits no longer. */
static err_t tidy_store(struct store_tx *tx, void *arg)
{
    const struct node *n = arg;
    const struct config *c = n->config.settings;
    int64_t now_us = sys_now_us();
    err_t err = store_shared(n->store) ? store_forget_marks(tx, now_us - MARKS_KEPT_US)
                                       : job_free_all(tx, now_us);
    if (!err) /* the longest wait of a position has a jitter of a fifth */
        err = job_not_after(tx, JOB_FLOW, now_us + c->inquiry_backoff_max_ms * 1200);
    if (!err)
        err = card_work_tidy(tx, now_us);
    return err ? err : webhooks_tidy(tx, c->webhook_schedule, now_us);
}

static err_t start_store(struct node *n, struct err_info *info)
{
    const struct config *c = n->config.settings;
    crypto_subkey(n->config.master, "webhook_secret", n->endpoint_key);
    crypto_subkey(n->config.master, NODE_ACCOUNT_KEY, n->account_key);
    crypto_subkey(n->config.master, "answer", n->answer_key);
    crypto_subkey(n->config.master, "return", n->return_key);
    struct store_config s = {
        .path = n->config.store_path,
        .migrations = "florin",
        .batch_max = (int)c->store_batch_max,
        .readers = (int)c->store_readers,
        .writers = (int)c->store_writers,
        .cache_kib = (int)c->store_cache_kib,
        .queue_max = c->store_queue_max,
        .stepped = n->config.stepped,
        .shared = n->config.shared,
        .checkpoint_pages = n->config.checkpoint_pages,
        .hooks = {.before_commit = ledger_chain, .after_commit = after_commit, .arg = n}};
    err_t err = store_open(&s, true, &n->store, info);
    if (err)
        return err;
    retention_init(&n->retention, n->store, c);
    err = store_write(n->store, 0, tidy_store, n);
    if (err)
        return error_set(info, err, "the store cannot be written");
    return n->config.prepare
               ? n->config.prepare(n->store, n->account_key, n->config.prepare_arg, info)
               : OK;
}

/* Customers' browsers and providers are sent there. */
static err_t read_public_url(struct node *n, struct err_info *info)
{
    const struct config *c = n->config.settings;
    struct url url;
    config_url(c->public_url, c->public, n->public_url, sizeof n->public_url);
    size_t end = strlen(n->public_url);
    if (end > PUBLIC_URL_MAX || !url_parse(str_from(n->public_url), &url) ||
        memchr(n->public_url, '?', end))
        return error_set(info, ERR_CONFIG,
                         "public_url must be an http or https URL of at most %d characters",
                         PUBLIC_URL_MAX);
    return OK;
}

static err_t read_payment_settings(struct node *n, struct err_info *info)
{
    const struct config *c = n->config.settings;
    n->payments =
        (struct payment_settings){.confirm_on_return = c->confirm_on_return,
                                  .attempts_max = (int)c->payment_attempts_max,
                                  .authentication_timeout_us = c->authentication_timeout_ms * 1000,
                                  .clearing_tolerance_bps = c->clearing_tolerance_bps,
                                  .dispute_reminder_us = c->dispute_reminder_ms * 1000,
                                  .public_url = n->public_url,
                                  .return_key = n->return_key};
    return read_public_url(n, info);
}

static err_t over_link(void *self, enum link_message message, struct str payload,
                       void (*done)(const struct link_frame *answer, void *arg), void *arg)
{
    return link_slot_ask(self, message, payload, done, arg);
}

static err_t read_bins(const char *path, struct bins **ret, struct err_info *reterr)
{
    struct buf text = BUF(BIN_FILE_MAX);
    struct err_info why = {.err = OK};
    err_t err = sys_read_file(path, BIN_FILE_MAX, &text, reterr);
    if (err) {
        buf_free(&text);
        return err;
    }
    err = bins_read(&text, ret, &why);
    return err ? error_set(reterr, err, "bin_table: %s: %s", path, why.detail) : OK;
}

static err_t start_bins(struct node *n, struct err_info *info)
{
    const char *path = n->config.bin_table ? n->config.bin_table : "";
    struct bins *bins = NULL;
    bin_table_init(&n->bins);
    if ((size_t)snprintf(n->bin_path, sizeof n->bin_path, "%s", path) >= sizeof n->bin_path)
        return error_set(info, ERR_CONFIG, "bin_table: the path is too long");
    err_t err = path[0] ? read_bins(path, &bins, info) : OK;
    if (!err)
        bin_table_put(&n->bins, bins);
    return err;
}

void node_reload_bins(struct node *n)
{
    struct bins *bins = NULL;
    struct err_info why = {.err = OK};
    if (!n->bin_path[0])
        return;
    if (read_bins(n->bin_path, &bins, &why) != OK) {
        LOG(LOG_ERROR, "bins.reload_failed", LOG_STR("detail", why.detail));
        return;
    }
    LOG(LOG_INFO, "bins.reloaded", LOG_INT("rows", (int64_t)bins_count(bins)));
    bin_table_put(&n->bins, bins);
}

static err_t start_workers(struct node *n, struct err_info *info)
{
    const struct config *c = n->config.settings;
    if (c->lease_ms < c->provider_timeout_ms + c->provider_connect_timeout_ms + 2000)
        return error_set(info, ERR_CONFIG,
                         "lease_ms must be at least 2000 more than provider_timeout_ms and "
                         "provider_connect_timeout_ms together");
    err_t err = read_payment_settings(n, info);
    if (!err)
        err = http_client_start("providers", (unsigned)c->provider_calls_max, &n->providers, info);
    if (!err)
        err = http_client_start("endpoints", (unsigned)c->webhook_parallel, &n->endpoints, info);
    if (!err)
        err = accounts_open(n->store, n->account_key, &n->accounts);
    n->card_port = (struct card_port_state){&n->card, n->providers};
    card_jobs_init(&n->card_jobs, n->store, (struct card_way){over_link, &n->card}, make_det,
                   c->lease_ms * 1000);
    struct connect_config connect = {.dir = n->config.connectors,
                                     .client = n->providers,
                                     .lookup = accounts_lookup,
                                     .peek = accounts_peek,
                                     .lookup_self = n->accounts,
                                     .card = n->config.cards ? card_port_of(&n->card_port)
                                                             : (struct card_port){NULL, NULL},
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
                                .idempotency_us = c->idempotency_days * DAY_US,
                                .active_max = (size_t)c->store_queue_max / 2,
                                .domain = &n->payments,
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
        .schedule = c->webhook_schedule,
        .stepped = n->config.stepped};
    struct webhooks *w = NULL;
    if (!err)
        err = webhooks_start(&webhooks, &w, info);
    __atomic_store_n(&n->webhooks, w, __ATOMIC_RELEASE);
    return err;
}

static err_t start_api(struct node *n, struct err_info *info)
{
    struct api_config api = {.store = n->store,
                             .flows = n->flows,
                             .webhooks = n->webhooks,
                             .connect = n->connect,
                             .accounts = n->accounts,
                             .settings = n->config.settings,
                             .payments = &n->payments,
                             .bins = &n->bins,
                             .endpoint_key = n->endpoint_key,
                             .private_fd = n->config.private_fd,
                             .public_fd = n->config.public_fd,
                             .stepped = n->config.stepped};
    return api_start(&api, &n->api, info);
}

err_t node_start(struct node *n, const struct node_config *config, struct err_info *reterr)
{
    n->config = *config;
    link_slot_init(&n->card);
    err_t err = start_bins(n, reterr);
    if (!err)
        err = start_store(n, reterr);
    if (!err)
        err = start_workers(n, reterr);
    if (!err)
        err = start_api(n, reterr);
    n->config.master = NULL; /* the caller's, as the other texts */
    n->config.store_path = n->config.connectors = n->config.bin_table = NULL;
    return err;
}

static bool card_asks(struct link *l, const struct link_frame *f, void *arg)
{
    struct node *n = arg;
    (void)l;
    return api_card_request(n->api, &n->card, f);
}

err_t node_link_card(struct node *n, int fd)
{
    struct link *l = NULL;
    struct link_config c = {.fd = fd,
                            .self = LINK_API,
                            .peer = LINK_CARD,
                            .thread = "link-card",
                            .request = card_asks,
                            .arg = n};
    err_t err = fd < 0 ? OK : link_open(&c, &l);
    link_slot_put(&n->card, l);
    return err;
}

int node_refused(struct node *n)
{
    return link_slot_refused(&n->card) ? LINK_CARD : 0;
}

void node_quiesce(struct node *n)
{
    LOG(LOG_INFO, "node.stopping", LOG_INT("requests", (int64_t)api_active(n->api)),
        LOG_INT("flows", (int64_t)flow_active(n->flows)));
    api_quiesce(n->api);
}

bool node_idle(struct node *n)
{
    return api_active(n->api) == 0 && flow_active(n->flows) == 0;
}

void node_hang_up(struct node *n)
{
    connect_close(n->connect);
    link_slot_put(&n->card, NULL); /* what it was asked is unknown, and is told so here */
    http_client_stop(n->providers);
}

void node_stop(struct node *n)
{
    struct webhooks *webhooks = n->webhooks;
    __atomic_store_n(&n->webhooks, NULL, __ATOMIC_RELEASE); /* a late commit wakes nobody */
    webhooks_stop(webhooks, 3000);
    http_client_stop(n->endpoints);
    api_stop(n->api);
    /* A connection that was kept alive may have brought a last request; no call hangs any more. */
    while (!n->config.stepped && flow_active(n->flows) > 0)
        sys_pause_us(1000);
    connect_stop(n->connect);
    flow_free(n->flows);
    store_close(n->store);
    accounts_close(n->accounts);
    card_jobs_release(&n->card_jobs);
    bin_table_release(&n->bins);
    link_slot_release(&n->card);
    mem_wipe(n, sizeof *n);
}

/* Balances are read as snapshot and tail; the tail is kept short. */
static err_t move_snapshots(struct store_tx *tx, void *arg)
{
    struct node_snapshots *t = arg;
    return ledger_snapshot_due(tx, t->tail, &t->moved);
}

static void snapshots_moved(err_t err, void *arg)
{
    struct node_snapshots *t = arg;
    (void)err; /* the next turn tries again */
    __atomic_store_n(&t->busy, false, __ATOMIC_RELEASE);
}

static void snapshot_tick(struct node *n)
{
    struct node_snapshots *t = &n->snapshots;
    int64_t now_us = sys_mono_us();
    if (now_us - t->last_us < SNAPSHOT_EVERY_US || __atomic_load_n(&t->busy, __ATOMIC_ACQUIRE))
        return;
    t->last_us = now_us;
    t->tail = n->config.snapshot_tail ? n->config.snapshot_tail : SNAPSHOT_TAIL;
    t->op = (struct store_op){.run = move_snapshots, .done = snapshots_moved, .arg = t};
    __atomic_store_n(&t->busy, true, __ATOMIC_RELEASE);
    if (store_submit(n->store, &t->op) != OK)
        snapshots_moved(ERR_UNAVAILABLE, t);
}

/* Nodes of a shared store judge each other's leases: their clocks must be the system's. One whose
 * clock was set starts again, with the new time. */
static void check_clock(const struct node *n)
{
    int64_t off_us = sys_wall_us() - sys_now_us();
    if (store_shared(n->store) && (off_us > CLOCK_OFF_US || off_us < -CLOCK_OFF_US))
        check_panic("node: the clock was set by %lld ms", (long long)(off_us / 1000));
}

void node_tick(struct node *n)
{
    check_clock(n);
    link_slot_tick(&n->card, sys_mono_us());
    flow_tick(n->flows);
    if (n->config.cards)
        card_jobs_turn(&n->card_jobs);
    snapshot_tick(n);
    retention_turn(&n->retention, sys_mono_us(), sys_now_us());
}

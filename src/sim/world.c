/* One seed: the machines, what goes wrong and when, the end. */
#include "sim/world.h"

struct world world;

struct disk *world_disk(void)
{
    return world.disk;
}

/* --- judging --- */
void world_look(enum judge_moment moment)
{
    struct evidence e = {.disk = world.disk,
                         .file = STORE_FILE,
                         .provider = world.network.provider,
                         .merchants = world.merchants,
                         .merchants_n = (size_t)world.profile.merchants,
                         .tolerance_bps = world.profile.tolerance_bps,
                         .vault_file = world.profile.roles.on ? VAULT_FILE : NULL,
                         .deaths = world.deaths,
                         .deaths_n = world.deaths_n,
                         .now_us = sim_now_us(),
                         .skew_us = world.skew_us};
    if (!world.prepared)
        return;
    if (world.clients)
        e.asks = clients_asks(world.clients, &e.asks_n);
    if (world.network.receivers)
        e.receivers = receivers_list(world.network.receivers, &e.receivers_n);
    (void)judge_look(world.judge, moment, &e);
    for (int i = 0; e.vault_file && i < world.profile.nodes; i++)
        if (world.procs[i].heap && heap_any(world.procs[i].heap, typed_in))
            sim_violation("I28", "a card's number is in the memory of node %d", i);
}

/* --- what has to be in the store --- */
static err_t make_merchants(struct store_tx *tx, void *arg)
{
    const uint8_t *key = arg;
    struct det det = sim_stream(world.options->seed, "merchants");
    det.now_us = EPOCH_US;
    err_t err = OK;
    for (int i = 0; !err && i < world.profile.merchants; i++) {
        struct merchant *m = &world.merchants[i];
        struct id public_id, id;
        char credentials[200];
        (void)snprintf(m->provider_key, sizeof m->provider_key, "prov_%d", i);
        (void)snprintf(m->key, sizeof m->key, "sk_test_simulated%016d", i);
        (void)snprintf(credentials, sizeof credentials,
                       "{\"base_url\":\"http://provider.test\",\"api_key\":\"%s\"}",
                       m->provider_key);
        err = merchant_create(tx, &det, STR("Simulated"), &m->number, &public_id);
        if (!err)
            err = key_create(tx, &det, m->number, KEY_SECRET, m->key, STR("simulated"), &id);
        if (!err)
            err = account_create(tx, &det, key, m->number, STR("sandbox"), 100,
                                 str_from(credentials), &id);
        if (!err && world.profile.roles.on)
            err = roles_permit(tx, m, i, id);
    }
    return err;
}

static err_t prepare(struct store *store, const uint8_t account_key[32], void *arg,
                     struct err_info *reterr)
{
    uint8_t key[32];
    (void)arg, (void)reterr;
    if (world.prepared)
        return OK;
    memcpy(key, account_key, sizeof key);
    err_t err = store_write(store, 0, make_merchants, key);
    world.prepared = err == OK;
    return err;
}

/* --- processes --- */
static void tick(void *arg)
{
    struct proc *p = arg;
    node_tick(p->node);
    loop_at(sim_now_us() + world.settings.janitor_interval_ms * 1000, p->index, tick, p, false);
}

static void start_node(void *arg)
{
    struct proc *p = arg;
    struct err_info info = {0};
    struct node_config config = {.settings = &world.settings,
                                 .store_path = STORE_FILE,
                                 .connectors = world.options->connectors,
                                 .master = world.master,
                                 .prepare = prepare,
                                 .cards = world.profile.roles.on,
                                 .stepped = true,
                                 .shared = world.profile.nodes > 1,
                                 .checkpoint_pages = world.profile.checkpoint_pages,
                                 .snapshot_tail = world.profile.snapshot_tail};
    struct node *n = mem_alloc(sizeof *n);
    err_t err = n ? node_start(n, &config, &info) : ERR_NO_MEMORY;
    if (err) {
        if (!p->faulted)
            sim_violation("start", "%s: %s", error_def(err)->code, info.detail);
        sim_die(info.detail[0] ? info.detail : "no memory");
    }
    p->node = n;
    p->state = PROC_UP;
    tick(p);
}

static void start(void *arg)
{
    struct proc *p = arg;
    if (p->state != PROC_DOWN || world.ending)
        return;
    p->run++;
    p->heap = heap_new();
    p->state = PROC_STARTING;
    p->faulted = world.disk_faulty;
    p->store_awake = false;
    p->webhooks_at = 0;
    p->steady = (struct steady){0};
    char name[32];
    (void)snprintf(name, sizeof name, "process %d/%d", p->index, p->run);
    p->random = sim_stream(world.options->seed, name);
    sim_trace("start %d/%d", p->index, p->run);
    if (world.on_start)
        world.on_start(p, world.on_start_arg);
    if (proc_run(p, p->role == PROC_API ? start_node : roles_start, p)) {
        proc_plan(p);
        if (world.profile.roles.on)
            roles_join(p);
    }
}

static void restart_later(struct proc *p)
{
    int64_t most_s = world.healed ? 1 : world.profile.down_s;
    sim_at(sim_now_us() + sim_between(&world.rng, 20000, most_s * 1000000), start, p);
}

static void power_loss(void)
{
    for (int i = 0; i < PROCS_MAX; i++)
        if (world.procs[i].state != PROC_DOWN) {
            (void)snprintf(world.procs[i].last_words, sizeof world.procs[i].last_words, "power");
            proc_gone(&world.procs[i]); /* nested, but world.power is off by now */
        }
    disk_power_loss(world.disk, &world.rng);
    sim_trace("power loss");
}

static void ended(struct proc *p)
{
    sim_count(COUNT_CRASHES, 1);
    if (world.power) {
        world.power = false;
        power_loss();
    }
    if (p->role == PROC_API)
        world_look(JUDGE_CRASH);
    restart_later(p);
}

void proc_gone(struct proc *p)
{
    ASSERT(p->state != PROC_DOWN);
    p->state = PROC_DOWN;
    sim_trace("gone %d/%d: %s", p->index, p->run, p->last_words);
    network_proc_gone(p);
    links_proc_gone(p);
    disk_process_gone(world.disk, p->index);
    heap_drop(p->heap);
    p->heap = NULL;
    p->node = NULL;
    p->card = NULL;
    p->vault = NULL;
    p->disk_fuse = p->effect_fuse = 0;
    if (p->role == PROC_API)
        roles_node_gone(p);
    else if (world.deaths_n < DEATHS_MAX)
        world.deaths[world.deaths_n++] = sim_now_us();
    ended(p);
}

/* --- an orderly stop: nothing may be left in its memory --- */
static void hang_up(void *arg)
{
    struct proc *p = arg;
    if (p->role != PROC_API) {
        roles_quiesce(p);
        return;
    }
    node_quiesce(p->node);
    node_hang_up(p->node);
}

static void stop_now(void *arg)
{
    struct proc *p = arg;
    if (p->role != PROC_API) {
        roles_stop(p);
        return;
    }
    node_stop(p->node);
    mem_free(p->node);
}

static bool idle(struct proc *p)
{
    return p->role == PROC_API ? node_idle(p->node) : roles_idle(p);
}

static void stop(struct proc *p)
{
    if (p->state != PROC_UP || !proc_run(p, hang_up, p))
        return;
    for (int i = 0; i < 100 && p->state == PROC_UP && !idle(p); i++) {
        proc_plan(p);
        loop_until(sim_now_us() + 100000);
    }
    if (p->state != PROC_UP)
        return;
    if (!idle(p))
        sim_violation("stop", "process %d does not come to rest", p->index);
    else if (proc_run(p, stop_now, p) && heap_pieces(p->heap) != 0)
        sim_violation("memory", "%zu pieces with %zu bytes are left after the stop of process %d",
                      heap_pieces(p->heap), heap_bytes(p->heap), p->index);
    if (p->state == PROC_DOWN)
        return; /* it died on the way */
    p->state = PROC_DOWN;
    links_proc_gone(p);
    disk_process_gone(world.disk, p->index);
    heap_drop(p->heap);
    p->heap = NULL;
}

static void provider_turn(void *arg)
{
    (void)arg;
    provider_tick(world.network.provider, sim_now_us());
    if (!world.ending)
        sim_at(sim_now_us() + 250000, provider_turn, NULL);
}

/* What is scripted happens as its tokens say. */
static void leave_nothing_to_chance(struct world_profile *p, bool by_return)
{
    p->client = (struct client_profile){.payments_per_hour = 0};
    p->provider = (struct provider_profile){.return_lost = by_return ? 0 : 1000};
    p->confirm_on_return = by_return;
    p->attempts_max = 5;
    p->reminder_ms = 5000;
}

/* Nodes first: they make the merchants. */
static void start_all(void)
{
    int nodes = world.profile.nodes;
    for (int i = 0; i < PROCS_MAX; i++) {
        struct proc *p = &world.procs[i];
        bool card = i >= PROC_CARDS, vault = i == PROC_VAULTS;
        p->index = i;
        p->role = vault ? PROC_VAULT : card ? PROC_CARD : PROC_API;
        p->machine = &world.procs[vault ? 0 : i % PROC_CARDS];
        p->drift_since_us = sim_now_us();
        if (card ? world.profile.roles.on && (vault || i - PROC_CARDS < nodes) : i < nodes)
            start(p);
    }
}

void world_open(const struct world_options *o)
{
    world = (struct world){.options = o, .rng = sim_stream(o->seed, "world")};
    world_profile_draw(&world.profile, o->seed, o->profile);
    if (o->checkpoint_pages)
        world.profile.checkpoint_pages = o->checkpoint_pages;
    if (o->scripted)
        leave_nothing_to_chance(&world.profile, o->by_return);
    world_settings(&world.settings, &world.profile);
    struct det rng = sim_stream(o->seed, "master key");
    det_fill(&rng, world.master, sizeof world.master);
    network = &world.network;
    world.network = (struct network){.profile = world.profile.network,
                                     .rng = sim_stream(o->seed, "network"),
                                     .procs = world.procs,
                                     .procs_n = world.profile.nodes};
    sqlite3_randomness(0, NULL);
    int64_t seconds = o->seconds > 0 ? o->seconds : world.profile.seconds;
    loop_begin(EPOCH_US);
    world.faults_until_us = EPOCH_US + seconds * 1000000;
    world.disk = disk_new();
    disk_on_write(world.disk, world_on_write, NULL);
    world.judge = judge_new();
    world.roles_rng = sim_stream(o->seed, "role faults");
    rng = sim_stream(o->seed, "links");
    links_begin(&world.profile.roles.link, &rng);
    typed_begin();
    heap_clean(world.profile.roles.on);
    rng = sim_stream(o->seed, "provider");
    world.network.provider = provider_new(&world.profile.provider, &rng);
    start_all();
    world.profile.client.until_us = world.faults_until_us;
    rng = sim_stream(o->seed, "clients");
    world.clients = clients_start(&world.profile.client, world.merchants,
                                  (size_t)world.profile.merchants, &rng);
    if (!o->scripted) {
        rng = sim_stream(o->seed, "receivers");
        world.network.receivers =
            receivers_start(&world.profile.receiver, world.clients, world.merchants,
                            (size_t)world.profile.merchants, world.faults_until_us, &rng);
    }
    sim_at(EPOCH_US + 250000, provider_turn, NULL);
    world_faults_begin();
}

void world_close(void)
{
    for (int i = 0; i < PROCS_MAX; i++) {
        struct proc *p = &world.procs[i];
        if (p->heap) {
            network_proc_gone(p);
            links_proc_gone(p);
            disk_process_gone(world.disk, p->index);
            heap_drop(p->heap);
        }
        p->heap = NULL;
        p->state = PROC_DOWN;
    }
    loop_end();
    links_end();
    typed_end();
    if (world.network.receivers)
        receivers_free(world.network.receivers);
    clients_free(world.clients);
    provider_free(world.network.provider);
    judge_free(world.judge);
    disk_free(world.disk);
}

static void stop_all(void)
{
    world.ending = true;
    for (int i = 0; i < PROCS_MAX; i++)
        stop(&world.procs[i]);
}

/* Holds end, webhooks come that nobody waits for any more. */
static void days_later(void)
{
    loop_leap(world.profile.days * DAY_US);
    sim_trace("%d days later", world.profile.days);
    world.ending = false;
    start_all();
    provider_freeze(world.network.provider, false);
    provider_turn(NULL);
    provider_days_later(world.network.provider);
    loop_until(sim_now_us() + CALMING_S * SECOND_US);
    provider_freeze(world.network.provider, true);
    loop_until(sim_now_us() + (HEALING_S - CALMING_S) * SECOND_US);
    world_look(JUDGE_END);
    roles_look_for_waiting();
    stop_all();
}

void world_heal(void)
{
    world_faults_end();
    loop_until(sim_now_us() + CALMING_S * SECOND_US);
    provider_freeze(world.network.provider, true);
    loop_until(sim_now_us() + (HEALING_S - CALMING_S) * SECOND_US);
}

void world_run(const struct world_options *o, struct world_result *ret)
{
    struct heap *before = heap_enter(NULL);
    loop_verbose(o->trace, o->trace);
    loop_stop_at(o->until);
    world_open(o);
    loop_until(world.faults_until_us);
    int64_t leap_s = 0;
    if (!loop_stopped())
        world_heal();
    if (!loop_stopped()) {
        world_look(JUDGE_END);
        roles_look_for_waiting();
        stop_all();
    }
    if (!loop_stopped() && world.profile.days > 0) {
        leap_s = world.profile.days * INT64_C(86400);
        days_later();
    }
    *ret = (struct world_result){.seconds = (sim_now_us() - EPOCH_US) / 1000000 - leap_s,
                                 .steps = loop_steps(),
                                 .violations = loop_violations(),
                                 .looks = judge_looks(world.judge),
                                 .hash = loop_hash() ^ disk_hash(world.disk)};
    for (int i = 0; i < COUNT_COUNT; i++)
        ret->count[i] = loop_count((enum sim_count)i);
    (void)snprintf(ret->first, sizeof ret->first, "%s", loop_first_violation());
    world_close();
    (void)heap_enter(before);
}

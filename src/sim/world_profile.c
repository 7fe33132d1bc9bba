/* Swarm testing: each seed switches most kinds of faults off and draws the rates of the others, so
 * that rare mixes are tried and a fault does not hide what another would show. */
#include "sim/world_profile.h"

enum group {
    CRASHES = 1,
    DISK = 2,
    MEMORY = 4,
    CLOCKS = 8,
    NETWORK = 16,
    PROVIDER = 32,
    CLIENTS = 64,
    WEBHOOKS = 128,
    NODES = 256,
    NOTICES = 512,
    ROLES = 1024,
    ALL = 2047
};

static const struct {
    const char *name;
    unsigned groups;
} names[] = {
    {"swarm", ALL},
    {"calm", 0},
    {"crashes", CRASHES},
    {"disk", DISK | CRASHES},
    {"memory", MEMORY},
    {"clocks", CLOCKS},
    {"network", NETWORK},
    {"provider", PROVIDER},
    {"clients", CLIENTS},
    {"webhooks", WEBHOOKS},
    {"nodes", NODES | CRASHES | CLIENTS},
    {"notices", NOTICES},
    {"roles", ROLES | CRASHES | CLIENTS | CLOCKS | NETWORK},
};

static unsigned groups_of(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].groups;
    return ALL;
}

bool world_profile_known(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i].name, name) == 0)
            return true;
    return false;
}

static struct det *draw;
static bool on; /* the group that is being drawn */

/* Off in one of three seeds, mostly small, seldom large. */
static int rate(int most)
{
    uint64_t kind = det_below(draw, 9);
    int v = kind < 3 ? 0 : (int)sim_between(draw, 1, kind < 7 ? most / 8 + 1 : most);
    return on ? v : 0;
}

/* What belongs to the trade is no fault; off in one of three seeds, too. */
static int often(int most)
{
    return det_below(draw, 3) == 0 ? 0 : (int)sim_between(draw, 1, most);
}

static int64_t every(int64_t least_s, int64_t most_s)
{
    bool off = det_below(draw, 3) == 0;
    int64_t v = sim_between(draw, least_s, most_s);
    return on && !off ? v : 0;
}

static void draw_network(struct network_profile *n)
{
    *n = (struct network_profile){.refuse = rate(200),
                                  .lose_request = rate(200),
                                  .lose_answer = rate(200),
                                  .twice = rate(200),
                                  .slow = rate(200),
                                  .queue = rate(100),
                                  .cut = rate(200)};
    n->commit_us = sim_between(draw, 100, 8000);
}

static void draw_provider(struct provider_profile *p)
{
    *p = (struct provider_profile){.decline = rate(300),
                                   .refuse_later = rate(200),
                                   .error_before = rate(200),
                                   .error_after = rate(200),
                                   .garbage = rate(100),
                                   .lie = rate(100),
                                   .pending = rate(200),
                                   .forget = rate(300)};
    p->pending_ms = sim_between(draw, 10, 30000);
}

static void draw_trade(struct provider_profile *p)
{
    p->challenge = often(300);
    p->soft = often(150);
    p->frictionless = often(200);
    p->unauthenticated = often(600);
    p->challenge_ms = sim_between(draw, 1000, 25000);
    p->short_hold = often(400);
    p->hold_ms = sim_between(draw, 5000, 120000);
    p->slow_refund = often(300);
    p->refund_back = often(150);
    p->dispute = often(250);
    p->clear = often(200);
    p->issuer_ms = sim_between(draw, 1000, 40000);
}

static void draw_notices(struct provider_profile *p)
{
    p->notice_twice = rate(400);
    p->notice_lost = rate(500);
    p->notice_late = rate(500);
    p->notice_days = rate(200);
    p->forge = rate(100);
    p->foreign = rate(50);
    p->return_lost = rate(500);
    p->return_odd = rate(300);
}

static void draw_clients(struct client_profile *c)
{
    *c = (struct client_profile){.impatient = rate(200),
                                 .twice = rate(200),
                                 .replay = rate(200),
                                 .reuse = rate(100),
                                 .foreign = rate(50),
                                 .absurd = rate(100),
                                 .keyless = rate(200)};
    c->payments_per_hour = sim_between(draw, 900, 4500);
    c->auth_only = (int)sim_between(draw, 0, 600);
    c->cancel = (int)sim_between(draw, 0, 300);
    c->refund = (int)sim_between(draw, 0, 500);
    c->sync = (int)sim_between(draw, 0, 200);
    c->read = (int)sim_between(draw, 0, 500);
    c->secure = often(200);
    c->confirm = often(1000);
    c->parts = often(500);
    c->undo = often(600);
    c->contest = often(700);
    c->order = often(80);
    c->saved = often(80);
}

static void draw_settings(struct world_profile *p)
{
    static const int tolerances[] = {0, 100, 500};
    p->confirm_on_return = det_below(draw, 3) > 0;
    p->attempts_max = (int)sim_between(draw, 1, 5);
    p->tolerance_bps = tolerances[det_below(draw, COUNT_OF(tolerances))];
    p->reminder_ms = sim_between(draw, 0, 60000);
    p->days = det_below(draw, 3) == 0 ? (int)sim_between(draw, 1, 9) : 0;
}

static void draw_times(struct world_profile *p, unsigned groups)
{
    on = groups & CRASHES;
    p->crash_every_s = every(5, 200);
    p->power = rate(1000);
    p->down_s = sim_between(draw, 1, 20);
    on = groups & DISK;
    p->disk_every_s = every(20, 300);
    on = groups & MEMORY;
    p->memory_every_s = every(10, 200);
    on = groups & CLOCKS;
    p->jump_every_s = every(10, 200);
    p->jump_us = sim_between(draw, 1000, det_below(draw, 2) ? INT64_C(7200000000) : 2000000);
    p->drift_ppm = rate(500);
    on = groups & NETWORK;
    p->outage_every_s = every(30, 300);
}

/* From a stream of their own, so that seeds without them stay as they are. */
static void draw_roles(struct world_profile *p, uint64_t seed, bool always)
{
    struct det rng = sim_stream(seed, "roles");
    draw = &rng;
    p->roles.on = on && (det_below(draw, 4) == 0 || always);
    if (!p->roles.on)
        return;
    p->roles.card_every_s = every(5, 120);
    p->roles.vault_every_s = every(5, 120);
    p->roles.rotate_every_s = often(3) ? sim_between(draw, 5, 60) : 0;
    p->roles.locked = rate(700);
    p->roles.slow_vault = rate(400);
    p->roles.link =
        (struct link_profile){.slow = rate(100), .full = rate(50), .delay_us = 10 + rate(20000)};
    if (always) { /* nodes that die often and are soon back, while much waits in card roles */
        p->crash_every_s = sim_between(draw, 5, 60);
        p->down_s = sim_between(draw, 1, 5);
        p->network.queue = rate(400);
    }
    p->provider.echo = rate(500);
    p->client.typed = (int)sim_between(draw, 300, 1000);
}

void world_profile_draw(struct world_profile *p, uint64_t seed, const char *only)
{
    struct det rng = sim_stream(seed, "profile");
    unsigned groups = groups_of(only ? only : "swarm");
    draw = &rng;
    *p = (struct world_profile){.merchants = (int)sim_between(draw, 1, 4),
                                .seconds = sim_between(draw, 120, 600)};
    on = groups & NODES;
    p->nodes = det_below(draw, 3) == 0 && on ? (int)sim_between(draw, 2, SIM_NODES_MAX) : 1;
    p->checkpoint_pages = (int)sim_between(draw, 20, 2000);
    p->snapshot_tail = sim_between(draw, 5, 200);
    p->hurried = det_below(draw, 2) == 0;
    draw_times(p, groups);
    on = groups & NETWORK;
    draw_network(&p->network);
    on = groups & PROVIDER;
    draw_provider(&p->provider);
    draw_trade(&p->provider);
    on = groups & NOTICES;
    draw_notices(&p->provider);
    draw_settings(p);
    on = groups & CLIENTS;
    draw_clients(&p->client);
    on = groups & WEBHOOKS;
    p->receiver =
        (struct receiver_profile){.fail = rate(400), .silent = rate(200), .gone = rate(300)};
    p->receiver.slow_ms = (int)sim_between(draw, 1, 5000);
    if (p->nodes > 1) /* nodes that share a store keep their clocks together: docs/postgresql.md */
        p->jump_us = num_min(p->jump_us, 100000);
    on = groups & ROLES;
    draw_roles(p, seed, groups != ALL);
}

void world_settings(struct config *c, const struct world_profile *p)
{
    config_defaults(c);
    c->webhook_allow_private = c->provider_allow_private = true;
    c->store_readers = 1;
    c->store_cache_kib = 2048;
    c->inquiry_backoff_max_ms = 20000;
    c->store_queue_max = 20000;
    (void)snprintf(c->public_url, sizeof c->public_url, "http://florin.test");
    c->confirm_on_return = p->confirm_on_return;
    c->payment_attempts_max = p->attempts_max;
    c->clearing_tolerance_bps = p->tolerance_bps;
    c->dispute_reminder_ms = p->reminder_ms;
    (void)snprintf(c->webhook_schedule, sizeof c->webhook_schedule, "0,1,2,5,10,20,20,20,20,20");
    if (!p->hurried)
        return;
    c->provider_timeout_ms = 4000;
    c->lease_ms = 10000;
    c->inquiry_delay_ms = 100;
    c->store_batch_max = 8;
    c->webhook_timeout_ms = 2000;
    c->webhook_parallel = 8;
}

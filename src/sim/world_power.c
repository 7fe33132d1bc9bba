/* Loss of power at every place of a run: the disks that could be found are judged, together with
 * what clients had been told by then. */
#include "sim/world.h"

/* Of one recorded run; short, since the time a state takes grows with the store. */
#define RECORD_US INT64_C(25000000)
#define STATES_PER_RUN 5000

static struct power *power;

static void on_answer(int64_t tag, int status)
{
    if (tag < TAG_NOTICE || (status >= 200 && status <= 299))
        power_ack(power, tag);
}

static void record(const struct world_options *o)
{
    struct world_options calm = *o;
    calm.profile = "calm";
    calm.checkpoint_pages = 50; /* checkpoints are part of it, and a short log opens fast */
    world_open(&calm);
    loop_until(sim_now_us() + 500000);
    power = power_new(world.disk);
    world.network.on_answer = on_answer;
    loop_until(sim_now_us() + RECORD_US);
    world.network.on_answer = NULL;
    power_stop(power);
    loop_until(sim_now_us() + 5000000); /* the last answers arrive */
}

/* The asks as they were known when the power went: without answers that came later. */
struct past {
    struct ask *asks;
    size_t n, acked;
    bool *webhooks; /* that were acknowledged */
};

static void forget(struct past *p)
{
    const struct ask *all = clients_asks(world.clients, &p->n);
    for (size_t i = 0; i < p->n; i++) {
        p->asks[i] = all[i];
        p->asks[i].first = (struct told){0};
    }
    memset(p->webhooks, 0, provider_notices(world.network.provider));
    p->acked = 0;
}

static void remember(struct past *p, const int64_t *acked, size_t n)
{
    const struct ask *all = clients_asks(world.clients, &p->n);
    if (n < p->acked) /* once more from the beginning */
        forget(p);
    for (; p->acked < n; p->acked++)
        if (acked[p->acked] >= TAG_NOTICE)
            p->webhooks[acked[p->acked] - TAG_NOTICE] = true;
        else
            p->asks[acked[p->acked]].first = all[acked[p->acked]].first;
}

static bool judge_state(struct disk *d, const int64_t *acked, size_t acked_n, char why[200],
                        void *arg)
{
    struct past *p = arg;
    struct judge *j = judge_new();
    remember(p, acked, acked_n);
    struct evidence e = {.disk = d,
                         .file = STORE_FILE,
                         .provider = world.network.provider,
                         .merchants = world.merchants,
                         .merchants_n = (size_t)world.profile.merchants,
                         .asks = p->asks,
                         .asks_n = p->n,
                         .later = true,
                         .acked = p->webhooks,
                         .tolerance_bps = world.profile.tolerance_bps,
                         .now_us = sim_now_us()};
    int found = judge_look(j, JUDGE_CRASH, &e);
    judge_free(j);
    if (found > 0)
        (void)snprintf(why, 200, "%.199s", loop_first_violation());
    return found == 0;
}

void world_power(const struct world_options *o, int64_t states, struct world_result *ret)
{
    struct heap *before = heap_enter(NULL);
    struct det rng = sim_stream(o->seed, "power");
    struct power_report report;
    struct past past = {0};
    loop_verbose(false, o->trace);
    record(o);
    (void)clients_asks(world.clients, &past.n);
    past.asks = mem_alloc((past.n + 1) * sizeof *past.asks);
    past.webhooks = mem_alloc(provider_notices(world.network.provider) + 1);
    ASSERT(past.asks != NULL && past.webhooks != NULL);
    forget(&past);
    power_enumerate(power, num_min(states, STATES_PER_RUN), &rng, judge_state, &past, &report);
    *ret = (struct world_result){.looks = report.states,
                                 .steps = report.events,
                                 .seconds = (sim_now_us() - EPOCH_US) / 1000000,
                                 .violations = report.violations,
                                 .hash = loop_hash()};
    for (int i = 0; i < COUNT_COUNT; i++)
        ret->count[i] = loop_count((enum sim_count)i);
    (void)snprintf(ret->first, sizeof ret->first, "%s", report.first);
    mem_free(past.asks);
    mem_free(past.webhooks);
    power_free(power);
    world_close();
    (void)heap_enter(before);
}

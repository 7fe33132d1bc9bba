/* Every state that a loss of power could leave: a run is recorded, and at each write, sync and
 * truncation the disk is rebuilt as it could be found afterwards, opened, and judged, together with
 * what clients had been told by then. */
#include "sim/world.h"

/* Of one recorded run. */
#define EVENTS_MAX 800
#define STATES_PER_RUN 5000

struct recorded {
    struct disk_event e;
    size_t acks; /* that were given before it */
};

static struct recorder {
    struct recorded *events;
    size_t n;
    size_t *acks, acks_n, acks_cap; /* numbers of asks, in order of their answers */
    struct disk *first;
    char files[8][80];
    size_t files_n;
} rec;

static const char *file_name(const char *name)
{
    for (size_t i = 0; i < rec.files_n; i++)
        if (strcmp(rec.files[i], name) == 0)
            return rec.files[i];
    ASSERT(rec.files_n < COUNT_OF(rec.files));
    (void)snprintf(rec.files[rec.files_n], sizeof rec.files[0], "%s", name);
    return rec.files[rec.files_n++];
}

static void on_event(void *arg, const struct disk_event *e)
{
    (void)arg;
    if (rec.n == EVENTS_MAX)
        return;
    struct recorded *r = &rec.events[rec.n++];
    *r = (struct recorded){.e = *e, .acks = rec.acks_n};
    r->e.file = file_name(e->file);
    if (e->bytes) {
        uint8_t *own = mem_alloc((size_t)e->n);
        ASSERT(own != NULL);
        memcpy(own, e->bytes, (size_t)e->n);
        r->e.bytes = own;
    }
}

static void on_answer(size_t ask)
{
    if (rec.acks_n == rec.acks_cap) {
        rec.acks_cap = rec.acks_cap ? 2 * rec.acks_cap : 256;
        rec.acks = mem_resize(rec.acks, rec.acks_cap * sizeof *rec.acks);
        ASSERT(rec.acks != NULL);
    }
    rec.acks[rec.acks_n++] = ask;
}

static void record(const struct world_options *o)
{
    struct world_options calm = *o;
    calm.profile = "calm";
    calm.checkpoint_pages =
        50; /* checkpoints are part of what is recorded, and a short log opens fast */
    rec = (struct recorder){.events = mem_alloc(EVENTS_MAX * sizeof *rec.events)};
    ASSERT(rec.events != NULL);
    world_open(&calm);
    loop_until(sim_now_us() + 500000);
    rec.first = disk_clone(world.disk);
    disk_on_event(world.disk, on_event, NULL);
    world.network.on_answer = on_answer;
    for (int i = 0; i < 600 && rec.n < EVENTS_MAX; i++)
        loop_until(sim_now_us() + 1000000);
    world.network.on_answer = NULL;
    disk_on_event(world.disk, NULL, NULL);
    loop_until(sim_now_us() + 5000000); /* the last answers arrive */
}

static void release(void)
{
    for (size_t i = 0; i < rec.n; i++)
        mem_free((void *)(uintptr_t)rec.events[i].e.bytes);
    mem_free(rec.events);
    mem_free(rec.acks);
    disk_free(rec.first);
    world_close();
}

/* The asks as they were known when the power went: without answers that came later. */
struct past {
    struct ask *asks;
    size_t n, acked;
};

static struct past past_new(void)
{
    struct past p;
    const struct ask *all = clients_asks(world.clients, &p.n);
    p.asks = mem_alloc((p.n + 1) * sizeof *p.asks);
    p.acked = 0;
    ASSERT(p.asks != NULL);
    for (size_t i = 0; i < p.n; i++) {
        p.asks[i] = all[i];
        p.asks[i].first = (struct told){0};
    }
    return p;
}

static void past_until(struct past *p, size_t acks)
{
    size_t n;
    const struct ask *all = clients_asks(world.clients, &n);
    for (; p->acked < acks; p->acked++)
        p->asks[rec.acks[p->acked]].first = all[rec.acks[p->acked]].first;
}

static void judge_state(struct disk *base, const struct past *p, struct det *rng)
{
    struct disk *d = disk_clone(base);
    struct judge *j = judge_new();
    disk_power_loss(d, rng);
    struct evidence e = {.disk = d,
                         .file = STORE_FILE,
                         .provider = world.network.provider,
                         .merchants = world.merchants,
                         .merchants_n = (size_t)world.profile.merchants,
                         .asks = p->asks,
                         .asks_n = p->n,
                         .later = true,
                         .now_us = sim_now_us()};
    (void)judge_look(j, JUDGE_CRASH, &e);
    judge_free(j);
    disk_free(d);
}

/* Once along the record, `each` states at every boundary. Returns how many. */
static int64_t enumerate(struct det *rng, int64_t each, int64_t most)
{
    struct past p = past_new();
    struct disk *base = disk_clone(rec.first);
    int64_t states = 0;
    for (size_t i = 0; i < rec.n && states < most; i++) {
        disk_apply(base, &rec.events[i].e);
        past_until(&p, rec.events[i].acks);
        for (int64_t k = 0; k < each && states < most; k++, states++)
            judge_state(base, &p, rng);
    }
    disk_free(base);
    mem_free(p.asks);
    return states;
}

void world_power(const struct world_options *o, int64_t states, struct world_result *ret)
{
    struct heap *before = heap_enter(NULL);
    struct det rng = sim_stream(o->seed, "power");
    loop_verbose(false, o->trace);
    record(o);
    int64_t most = num_min(states, STATES_PER_RUN), each = most / (int64_t)(rec.n + 1) + 1;
    *ret = (struct world_result){.looks = enumerate(&rng, each, most),
                                 .steps = (int64_t)rec.n,
                                 .seconds = (sim_now_us() - EPOCH_US) / 1000000,
                                 .violations = loop_violations(),
                                 .hash = loop_hash()};
    for (int i = 0; i < COUNT_COUNT; i++)
        ret->count[i] = loop_count((enum sim_count)i);
    (void)snprintf(ret->first, sizeof ret->first, "%s", loop_first_violation());
    release();
    (void)heap_enter(before);
}

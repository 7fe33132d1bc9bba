/* What goes wrong, each kind on a timer of its own. */
#include "sim/world.h"

static void die_now(void *arg)
{
    (void)arg;
    sim_die("killed");
}

void world_on_write(void *arg, enum disk_call call)
{
    (void)arg, (void)call;
    struct proc *p = proc_current();
    if (p && p->disk_fuse > 0 && --p->disk_fuse == 0)
        sim_die("killed at a write");
}

static void quiet_look(void *arg)
{
    (void)arg;
    world_look(JUDGE_QUIET);
    if (!world.healed)
        sim_at(sim_now_us() + sim_between(&world.rng, 30, 300) * 1000000, quiet_look, NULL);
}

static int64_t after(int64_t mean_s)
{
    return sim_now_us() + sim_between(&world.rng, mean_s * 200000, mean_s * 1800000);
}

static struct proc *any_proc(void)
{
    return &world.procs[det_below(&world.rng, (uint64_t)world.profile.nodes)];
}

static void crash_soon(void *arg)
{
    (void)arg;
    if (world.healed)
        return;
    struct proc *p = any_proc();
    sim_at(after(world.profile.crash_every_s), crash_soon, NULL);
    if (p->state == PROC_DOWN)
        return;
    world.power = world.power || sim_chance(&world.rng, world.profile.power);
    switch (det_below(&world.rng, 4)) {
    case 0:
        (void)proc_run(p, die_now, NULL);
        break;
    case 1:
        p->effect_fuse = sim_between(&world.rng, 1, 12);
        break;
    default:
        p->disk_fuse = sim_between(&world.rng, 1, 60);
    }
}

static void disk_heals(void *arg)
{
    (void)arg;
    disk_fail(world.disk, 0, 0, DISK_EIO, false);
    world.disk_faulty = false;
}

static void disk_fails(void *arg)
{
    (void)arg;
    static const unsigned calls[] = {DISK_WRITE, DISK_SYNC, DISK_READ, DISK_WRITE | DISK_SYNC};
    if (world.healed)
        return;
    struct det *rng = &world.rng;
    world.disk_faulty = true;
    for (int i = 0; i < PROCS_MAX; i++)
        world.procs[i].faulted = true;
    disk_fail(world.disk, calls[det_below(rng, COUNT_OF(calls))], sim_between(rng, 1, 60),
              (enum disk_fault)det_below(rng, 3), det_below(rng, 2) == 0);
    sim_trace("disk fails");
    sim_at(sim_now_us() + sim_between(rng, 100000, 20000000), disk_heals, NULL);
    sim_at(after(world.profile.disk_every_s), disk_fails, NULL);
}

static void memory_fails(void *arg)
{
    (void)arg;
    if (world.healed)
        return;
    struct proc *p = roles_instead(any_proc());
    if (p->state == PROC_UP) {
        p->faulted = true;
        heap_fail(p->heap, sim_between(&world.rng, 1, 3000), false);
        sim_trace("memory fails %d", p->index);
    }
    sim_at(after(world.profile.memory_every_s), memory_fails, NULL);
}

static void clock_jumps(void *arg)
{
    (void)arg;
    if (world.healed)
        return;
    struct proc *p = any_proc();
    int64_t most_us = world.profile.jump_us;
    p->clock_us = sim_between(&world.rng, -most_us, most_us);
    world.skew_us = num_max(world.skew_us, p->clock_us < 0 ? -p->clock_us : p->clock_us);
    sim_trace("clock %d %lld", p->index, (long long)p->clock_us);
    sim_at(after(world.profile.jump_every_s), clock_jumps, NULL);
}

static void outage_ends(void *arg)
{
    (void)arg;
    world.network.outage = false;
}

static void outage(void *arg)
{
    (void)arg;
    if (world.healed)
        return;
    world.network.outage = true;
    sim_trace("outage");
    sim_at(sim_now_us() + sim_between(&world.rng, 1, 60) * 1000000, outage_ends, NULL);
    sim_at(after(world.profile.outage_every_s), outage, NULL);
}

void world_faults_begin(void)
{
    const struct world_profile *f = &world.profile;
    const struct {
        int64_t every_s;
        void (*fn)(void *);
    } list[] = {{f->crash_every_s, crash_soon},
                {f->disk_every_s, disk_fails},
                {f->memory_every_s, memory_fails},
                {f->jump_every_s, clock_jumps},
                {f->outage_every_s, outage}};
    for (size_t i = 0; i < COUNT_OF(list); i++)
        if (list[i].every_s > 0)
            sim_at(after(list[i].every_s), list[i].fn, NULL);
    for (int i = 0; i < f->nodes; i++)
        world.procs[i].drift_ppm = sim_between(&world.rng, -f->drift_ppm, f->drift_ppm);
    sim_at(after(60), quiet_look, NULL);
    roles_faults_begin();
}

void world_faults_end(void)
{
    world.healed = true;
    disk_heals(NULL);
    world.network.outage = world.power = false;
    world.network.profile = (struct network_profile){.commit_us = 2000};
    links_heal();
    for (int i = 0; i < PROCS_MAX; i++) {
        struct proc *p = &world.procs[i];
        p->disk_fuse = p->effect_fuse = 0;
        p->faulted = false; /* nothing excuses it any more */
        if (p->heap)
            heap_fail(p->heap, 0, false);
    }
    provider_heal(world.network.provider);
    if (world.network.receivers)
        receivers_heal(world.network.receivers);
    clients_heal(world.clients);
    sim_trace("faults end");
}

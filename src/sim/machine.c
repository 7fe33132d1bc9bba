/* Processes: what the rooms take from the operating system, given by the simulator: clocks,
 * randomness, the end of a process; metrics go nowhere. */
#include <sodium.h>
#include <stdarg.h>

#include "observe/observe.h"
#include "sim/world_internal.h"
#include "sys/secret.h"

static struct proc *current;

struct proc *proc_current(void)
{
    return current;
}

/* --- sys: clock and randomness --- */
static int64_t drift(const struct proc *p)
{
    const struct proc *m = p->machine;
    return (sim_now_us() - m->drift_since_us) * m->drift_ppm / 1000000;
}

/* Of the machine, so it goes on over a restart. */
int64_t proc_mono_us(const struct proc *p)
{
    return sim_now_us() % INT64_C(100000000000000) + (p ? drift(p) : 0);
}

int64_t proc_wall_us(const struct proc *p)
{
    return sim_now_us() + (p ? p->machine->clock_us + drift(p) : 0);
}

int64_t proc_now_us(struct proc *p)
{
    return p ? steady_us(&p->steady, proc_wall_us(p), proc_mono_us(p)) : sim_now_us();
}

int64_t sys_wall_us(void)
{
    return proc_wall_us(current);
}

int64_t sys_now_us(void)
{
    return proc_now_us(current);
}

int64_t sys_mono_us(void)
{
    return proc_mono_us(current);
}

void sys_pause_us(int64_t us)
{
    (void)us; /* nothing else could happen meanwhile */
}

void sys_random(void *p, size_t n)
{
    static struct det own = {.s = {1, 2, 3, 4}};
    det_fill(current ? &current->random : &own, p, n);
}

/* libsodium's: nonces, secrets. */
static const char *sodium_name(void)
{
    return "simulated";
}

static uint32_t sodium_u32(void)
{
    uint32_t v;
    sys_random(&v, sizeof v);
    return v;
}

void machine_install(void)
{
    static randombytes_implementation own = {
        .implementation_name = sodium_name, .random = sodium_u32, .buf = sys_random};
    int rc = randombytes_set_implementation(&own);
    ASSERT(rc == 0);
}

struct det sys_det(void)
{
    uint8_t seed[32];
    sys_random(seed, sizeof seed);
    return det_make(sys_now_us(), seed);
}

pthread_t sys_thread(const char *name, void *(*run)(void *), void *arg)
{
    (void)run, (void)arg;
    check_panic("a thread in the simulator: %s", name);
}

/* --- sys: secret memory is a process's as any other here --- */
err_t secret_make(size_t n, struct secret *ret)
{
    ret->p = mem_alloc(n);
    ret->n = n;
    return ret->p ? OK : ERR_NO_MEMORY;
}

void secret_free(struct secret *s)
{
    mem_free(s->p);
    *s = (struct secret){NULL, 0};
}

/* --- base: the end --- */
void sim_die(const char *why)
{
    struct proc *p = current;
    ASSERT(p != NULL);
    (void)snprintf(p->last_words, sizeof p->last_words, "%s", why);
    longjmp(p->exit, 1);
}

void check_failed(const char *what, const char *file, int line)
{
    if (!current) {
        (void)fprintf(stderr, "florin-sim: assertion failed: %s (%s:%d)\n", what, file, line);
        abort();
    }
    /* never an answer to a fault: a process that gives up does so by check_panic */
    sim_violation("assertion", "%s (%s:%d)", what,
                  strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
    sim_die("assertion");
}

void check_panic(const char *fmt, ...)
{
    char why[200];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    if (!current) {
        (void)fprintf(stderr, "florin-sim: cannot go on: %s\n", why);
        abort();
    }
    if (!current->faulted)
        sim_violation("panic", "%s", why);
    sim_die(why);
}

/* --- observe: metrics live as long as a process, and nobody reads them here --- */
void metric_add(enum metric m, const char *labels, int64_t n)
{
    (void)m, (void)labels, (void)n;
}

void metric_set(enum metric m, const char *labels, int64_t v)
{
    (void)m, (void)labels, (void)v;
}

void metric_time(enum metric m, const char *labels, int64_t us)
{
    (void)m, (void)labels, (void)us;
}

void metrics_render(struct buf *out)
{
    buf_str(out, "# none\n");
}

/* --- processes --- */
bool proc_run(struct proc *p, void (*fn)(void *arg), void *arg)
{
    ASSERT(!current && p->heap);
    bool alive = true;
    current = p;
    struct heap *before = heap_enter(p->heap);
    disk_mount(world_disk(), p->index);
    if (setjmp(p->exit) == 0)
        fn(arg);
    else
        alive = false;
    (void)heap_enter(before);
    current = NULL;
    if (!alive)
        proc_gone(p);
    return alive;
}

void proc_effect(void)
{
    struct proc *p = current;
    if (p && p->effect_fuse > 0 && --p->effect_fuse == 0)
        sim_die("killed at an effect");
}

static void store_turn(void *arg)
{
    struct proc *p = arg;
    p->store_awake = false;
    (void)store_step(p->node->store);
}

static void webhooks_turn(void *arg)
{
    struct proc *p = arg;
    if (sim_now_us() < p->webhooks_at)
        return; /* planned anew meanwhile */
    p->webhooks_at = 0;
    int64_t due_us = webhooks_step(p->node->webhooks) - sys_mono_us() + sim_now_us();
    p->webhooks_at = num_max(due_us, sim_now_us() + 100);
    loop_at(p->webhooks_at, p->index, webhooks_turn, p, false);
}

void proc_plan(struct proc *p)
{
    if (p->state != PROC_UP || p->role != PROC_API)
        return;
    if (!p->store_awake && !store_idle(p->node->store)) {
        p->store_awake = true;
        loop_at(sim_now_us() + sim_between(&network->rng, 50, network->profile.commit_us), p->index,
                store_turn, p, false);
    }
    int64_t soon_us = sim_now_us() + 200;
    if (p->webhooks_at != 0 && p->webhooks_at <= soon_us)
        return;
    if (p->webhooks_at == 0 || webhooks_woken(p->node->webhooks)) {
        p->webhooks_at = soon_us;
        loop_at(soon_us, p->index, webhooks_turn, p, false);
    }
}

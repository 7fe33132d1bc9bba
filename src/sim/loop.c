/* What happens next: a heap of events in order of virtual time, the trace and its hash. */
#include <stdarg.h>

#include "sim/world_internal.h"

struct turn {
    int64_t at_us, order;
    int proc, run; /* proc -1: the world's */
    bool owned;
    void (*fn)(void *arg);
    void *arg;
};

static struct loop {
    int64_t now_us, order, steps, stop_at;
    struct turn *heap;
    size_t n, cap;
    uint64_t hash;
    int64_t count[COUNT_COUNT], violations;
    char first[300];
    bool trace, quiet;
} loop;

int64_t sim_now_us(void)
{
    return loop.now_us;
}

static bool before(const struct turn *a, const struct turn *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void sift_up(size_t i)
{
    for (; i > 0 && before(&loop.heap[i], &loop.heap[(i - 1) / 2]); i = (i - 1) / 2) {
        struct turn e = loop.heap[i];
        loop.heap[i] = loop.heap[(i - 1) / 2];
        loop.heap[(i - 1) / 2] = e;
    }
}

static void sift_down(size_t i)
{
    for (;;) {
        size_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < loop.n && before(&loop.heap[left], &loop.heap[least]))
            least = left;
        if (right < loop.n && before(&loop.heap[right], &loop.heap[least]))
            least = right;
        if (least == i)
            return;
        struct turn e = loop.heap[i];
        loop.heap[i] = loop.heap[least];
        loop.heap[least] = e;
        i = least;
    }
}

void loop_at(int64_t at_us, int proc, void (*fn)(void *arg), void *arg, bool owned)
{
    struct heap *heap = heap_enter(NULL);
    if (loop.n == loop.cap) {
        loop.cap = loop.cap ? loop.cap * 2 : 1024;
        loop.heap = mem_resize(loop.heap, loop.cap * sizeof *loop.heap);
        ASSERT(loop.heap != NULL);
    }
    loop.heap[loop.n++] = (struct turn){.at_us = num_max(at_us, loop.now_us),
                                        .order = ++loop.order,
                                        .proc = proc,
                                        .run = proc < 0 ? 0 : network->procs[proc].run,
                                        .owned = owned,
                                        .fn = fn,
                                        .arg = arg};
    sift_up(loop.n - 1);
    (void)heap_enter(heap);
}

void sim_at(int64_t at_us, void (*fn)(void *arg), void *arg)
{
    loop_at(at_us, -1, fn, arg, false);
}

static struct turn take(void)
{
    struct turn e = loop.heap[0];
    loop.heap[0] = loop.heap[--loop.n];
    sift_down(0);
    return e;
}

static void run(const struct turn *e)
{
    if (e->proc < 0) {
        e->fn(e->arg);
        return;
    }
    struct proc *p = &network->procs[e->proc];
    if (p->state != PROC_DOWN && p->run == e->run && proc_run(p, e->fn, e->arg))
        proc_plan(p);
}

void loop_until(int64_t until_us)
{
    while (loop.n > 0 && loop.heap[0].at_us <= until_us && !loop_stopped()) {
        struct turn e = take();
        loop.now_us = num_max(loop.now_us, e.at_us);
        loop.steps++;
        run(&e);
        if (e.owned)
            mem_free(e.arg);
    }
    if (!loop_stopped())
        loop.now_us = num_max(loop.now_us, until_us);
}

void loop_leap(int64_t us)
{
    loop.now_us += us;
}

void loop_begin(int64_t now_us)
{
    ASSERT(loop.n == 0);
    loop.now_us = now_us;
    loop.order = loop.steps = loop.violations = 0;
    loop.hash = UINT64_C(14695981039346656037);
    memset(loop.count, 0, sizeof loop.count);
    loop.first[0] = 0;
}

void loop_end(void)
{
    for (size_t i = 0; i < loop.n; i++)
        if (loop.heap[i].owned)
            mem_free(loop.heap[i].arg);
    loop.n = 0;
}

int64_t loop_steps(void)
{
    return loop.steps;
}

uint64_t loop_hash(void)
{
    return loop.hash;
}

int64_t loop_count(enum sim_count what)
{
    return loop.count[what];
}

int64_t loop_violations(void)
{
    return loop.violations;
}

const char *loop_first_violation(void)
{
    return loop.first;
}

void loop_verbose(bool trace, bool violations)
{
    loop.trace = trace;
    loop.quiet = !violations;
}

void loop_stop_at(int64_t step)
{
    loop.stop_at = step;
}

bool loop_stopped(void)
{
    return loop.stop_at > 0 && loop.steps >= loop.stop_at;
}

void sim_count(enum sim_count what, int64_t n)
{
    loop.count[what] += n;
}

void sim_trace(const char *fmt, ...)
{
    char line[400];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof line)
        n = (int)sizeof line - 1;
    for (int i = 0; i < n; i++)
        loop.hash = (loop.hash ^ (unsigned char)line[i]) * UINT64_C(1099511628211);
    loop.hash = (loop.hash ^ (uint64_t)loop.now_us) * UINT64_C(1099511628211);
    if (loop.trace)
        printf("%10lld %13.6f %s\n", (long long)loop.steps, (double)(loop.now_us % DAY_US) / 1e6,
               line);
}

void sim_violation(const char *invariant, const char *fmt, ...)
{
    char text[240];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (loop.violations++ == 0)
        (void)snprintf(loop.first, sizeof loop.first, "%s: %s (step %lld)", invariant, text,
                       (long long)loop.steps);
    if (!loop.quiet)
        printf("violation at step %lld: %s: %s\n", (long long)loop.steps, invariant, text);
}

struct det sim_stream(uint64_t seed, const char *name)
{
    uint8_t bytes[32];
    uint64_t x = seed * UINT64_C(0x9E3779B97F4A7C15);
    for (; *name; name++)
        x = (x ^ (unsigned char)*name) * UINT64_C(1099511628211);
    for (int i = 0; i < 4; i++) { /* SplitMix64 */
        x += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t z = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
        num_put64(bytes + 8 * i, z ^ z >> 31);
    }
    return det_make(0, bytes);
}

bool sim_chance(struct det *rng, int per_mille)
{
    return per_mille > 0 && det_below(rng, 1000) < (uint64_t)per_mille;
}

int64_t sim_between(struct det *rng, int64_t from, int64_t to)
{
    ASSERT(from <= to);
    return from + (int64_t)det_below(rng, (uint64_t)(to - from) + 1);
}

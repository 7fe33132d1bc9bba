/* The program: options, many seeds, the line of figures. */
#include "sim/sim.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "observe/observe.h"
#include "sim/world_profile.h"

struct command {
    uint64_t from, to;
    int jobs;
    bool stop; /* at the first violation */
    enum { RUN_SEEDS, RUN_POWER, RUN_SWEEP } what;
    int64_t states;
    struct world_options world;
};

struct total {
    int64_t seeds, seconds, steps, violations, looks;
    int64_t count[COUNT_COUNT];
    uint64_t hash;
    uint64_t first_seed;
    char first[300];
};

static const char usage[] =
    "usage: florin-sim [--seed N | --seeds A..B | --replay N [--until STEP]] [--hours H]\n"
    "                  [--profile NAME] [--trace] [--stop] [--jobs N] [--connectors FOLDER]\n"
    "       florin-sim --power STATES | --sweep [--jobs N] [--seed N]\n"
    "Runs Florin in simulated worlds and prints what must not be. docs/simulator.md.\n";

static bool number(const char *text, int64_t *ret)
{
    return text && str_to_i64(str_from(text), ret) && *ret >= 0;
}

static bool range(const char *text, struct command *c)
{
    const char *dots = text ? strstr(text, "..") : NULL;
    int64_t from, to;
    if (!dots || !str_to_i64((struct str){text, (size_t)(dots - text)}, &from) ||
        !number(dots + 2, &to) || from < 0 || to < from)
        return false;
    c->from = (uint64_t)from;
    c->to = (uint64_t)to;
    return true;
}

static bool hours(const char *text, int64_t *ret_seconds)
{
    char *end = NULL;
    double h = text ? strtod(text, &end) : 0;
    *ret_seconds = (int64_t)(h * 3600);
    return text && end && *end == 0 && *ret_seconds > 0;
}

static bool option(struct command *c, const char *name, const char *value, bool *ret_used)
{
    int64_t n = 0;
    *ret_used = true;
    if (strcmp(name, "--seeds") == 0)
        return range(value, c);
    if (strcmp(name, "--hours") == 0)
        return hours(value, &c->world.seconds);
    if (strcmp(name, "--profile") == 0) {
        c->world.profile = value;
        return value && world_profile_known(value);
    }
    if (strcmp(name, "--connectors") == 0) {
        c->world.connectors = value;
        return value != NULL;
    }
    if (strcmp(name, "--seed") == 0 || strcmp(name, "--replay") == 0) {
        bool ok = number(value, &n);
        c->from = c->to = (uint64_t)n;
        return ok;
    }
    if (strcmp(name, "--power") == 0) {
        c->what = RUN_POWER;
        return number(value, &c->states);
    }
    if (strcmp(name, "--until") == 0)
        return number(value, &c->world.until);
    if (strcmp(name, "--jobs") == 0) {
        bool ok = number(value, &n) && n >= 1 && n <= 64;
        c->jobs = (int)n;
        return ok;
    }
    *ret_used = false;
    if (strcmp(name, "--sweep") == 0) {
        c->what = RUN_SWEEP;
        return true;
    }
    if (strcmp(name, "--trace") == 0)
        return c->world.trace = true;
    if (strcmp(name, "--stop") == 0)
        return c->stop = true;
    return false;
}

static bool read_command(int argc, char **argv, struct command *c)
{
    for (int i = 1; i < argc; i++) {
        bool used = false;
        if (!option(c, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used)) {
            (void)fprintf(stderr, "florin-sim: %s, or its value, is not understood\n%s", argv[i],
                          usage);
            return false;
        }
        i += used;
    }
    return true;
}

static void add(struct total *t, uint64_t seed, const struct world_result *r)
{
    t->seeds++;
    t->seconds += r->seconds;
    t->steps += r->steps;
    t->looks += r->looks;
    for (int i = 0; i < COUNT_COUNT; i++)
        t->count[i] += r->count[i];
    t->hash ^= r->hash * (2 * seed + 1);
    if (r->violations > 0 && (t->violations == 0 || seed < t->first_seed)) {
        t->first_seed = seed;
        (void)snprintf(t->first, sizeof t->first, "%s", r->first);
    }
    t->violations += r->violations;
}

static void merge(struct total *t, const struct total *o)
{
    t->seeds += o->seeds;
    t->seconds += o->seconds;
    t->steps += o->steps;
    t->looks += o->looks;
    for (int i = 0; i < COUNT_COUNT; i++)
        t->count[i] += o->count[i];
    t->hash ^= o->hash;
    if (o->violations > 0 && (t->violations == 0 || o->first_seed < t->first_seed)) {
        t->first_seed = o->first_seed;
        (void)snprintf(t->first, sizeof t->first, "%s", o->first);
    }
    t->violations += o->violations;
}

/* A share of the states, from a run of another seed each time. */
static void power_share(const struct command *c, int share, struct total *t)
{
    int64_t left = c->states / c->jobs + (share < c->states % c->jobs);
    struct world_options o = c->world;
    for (o.seed = c->from + (uint64_t)share; left > 0; o.seed += (uint64_t)c->jobs) {
        struct world_result r;
        world_power(&o, left, &r);
        left -= num_max(r.looks, 1);
        add(t, o.seed, &r);
        if (r.violations > 0 && c->stop)
            return;
    }
}

static void sweep_share(const struct command *c, int share, struct total *t)
{
    struct world_options o = c->world;
    o.seed = c->from;
    struct world_result r;
    world_sweeps(&o, share, c->jobs, &r);
    add(t, o.seed, &r);
}

/* Every jobs-th seed from `first` on. */
static void run_share(const struct command *c, int share, struct total *t)
{
    if (c->what == RUN_POWER) {
        power_share(c, share, t);
        return;
    }
    if (c->what == RUN_SWEEP) {
        sweep_share(c, share, t);
        return;
    }
    uint64_t first = c->from + (uint64_t)share;
    for (uint64_t seed = first; seed <= c->to; seed += (uint64_t)c->jobs) {
        struct world_options o = c->world;
        struct world_result r;
        o.seed = seed;
        world_run(&o, &r);
        add(t, seed, &r);
        if (r.violations > 0)
            printf("seed %llu: %lld violations, first %s\n", (unsigned long long)seed,
                   (long long)r.violations, r.first);
        (void)fflush(stdout);
        if (r.violations > 0 && c->stop)
            return;
    }
}

static int run_jobs(const struct command *c, struct total *t)
{
    int fds[64][2];
    for (int i = 0; i < c->jobs; i++) {
        if (pipe(fds[i]) != 0)
            return -1;
        pid_t pid = fork();
        if (pid < 0)
            return -1;
        if (pid == 0) {
            struct total own = {0};
            run_share(c, i, &own);
            ssize_t n = write(fds[i][1], &own, sizeof own);
            _exit(n == (ssize_t)sizeof own ? 0 : 3);
        }
        (void)close(fds[i][1]);
    }
    int failed = 0;
    for (int i = 0; i < c->jobs; i++) {
        struct total own;
        int status = 0;
        if (read(fds[i][0], &own, sizeof own) == (ssize_t)sizeof own)
            merge(t, &own);
        else
            failed = -1;
        (void)close(fds[i][0]);
        (void)wait(&status);
    }
    return failed;
}

static void print_figures(const struct command *c, const struct total *t, double seconds)
{
    double h = (double)t->seconds / 3600;
    printf("%lld seeds, %.1f simulated hours, %lld operations (%lld payments), %lld crashes, %lld "
           "provider calls, %lld deliveries, %lld steps, %lld states checked, violations %lld\n",
           (long long)t->seeds, h, (long long)t->count[COUNT_ASKS],
           (long long)t->count[COUNT_PAYMENTS], (long long)t->count[COUNT_CRASHES],
           (long long)t->count[COUNT_CALLS], (long long)t->count[COUNT_DELIVERIES],
           (long long)t->steps, (long long)t->looks, (long long)t->violations);
    printf("%.2f simulated hours per second and core: %.0f times the clock, %.0f payments per "
           "simulated hour; hash %016llx\n",
           h / seconds / c->jobs, h * 3600 / seconds / c->jobs,
           (double)t->count[COUNT_PAYMENTS] / h, (unsigned long long)t->hash);
    if (t->violations > 0)
        printf("VIOLATION seed %llu: %s\nagain: florin-sim --replay %llu --trace\n",
               (unsigned long long)t->first_seed, t->first, (unsigned long long)t->first_seed);
}

static void print_power(const struct command *c, const struct total *t, double seconds)
{
    printf("%lld states after a loss of power, of %lld recorded runs with %lld writes, syncs and "
           "truncations; %.0f per second and core; violations %lld\n",
           (long long)t->looks, (long long)t->seeds, (long long)t->steps,
           (double)t->looks / seconds / c->jobs, (long long)t->violations);
    if (t->violations > 0)
        printf("VIOLATION seed %llu: %s\n", (unsigned long long)t->first_seed, t->first);
}

static void print_sweep(const struct total *t)
{
    printf("%lld cases, violations %lld\n", (long long)t->looks, (long long)t->violations);
    if (t->violations > 0)
        printf("VIOLATION %s\n", t->first);
}

static double clock_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The folder beside the program, or beside one of the folders that it is in. */
static const char *find_connectors(void)
{
    static char path[1100];
    ssize_t n = readlink("/proc/self/exe", path, 1000);
    path[n > 0 ? n : 0] = 0;
    for (char *slash; (slash = strrchr(path, '/'));) {
        (void)snprintf(slash, sizeof path - (size_t)(slash - path), "/connectors");
        if (access(path, R_OK | X_OK) == 0)
            return path;
        *slash = 0;
    }
    return "connectors";
}

int sim_main(int argc, char **argv)
{
    struct command c = {.from = 1, .to = 20, .jobs = 1};
    struct total t = {0};
    if (!read_command(argc, argv, &c))
        return 2;
    if (!c.world.connectors)
        c.world.connectors = find_connectors();
    if (access(c.world.connectors, R_OK | X_OK) != 0) {
        (void)fprintf(stderr, "florin-sim: there is no folder %s\n", c.world.connectors);
        return 2;
    }
    log_open(2, c.world.trace ? LOG_INFO : LOG_ERROR + 1);
    heap_install();
    disk_install();
    machine_install();
    crypto_init();
    double began = clock_s();
    if (c.jobs == 1) {
        run_share(&c, 0, &t);
    } else if (run_jobs(&c, &t) != 0) {
        (void)fprintf(stderr, "florin-sim: a job did not end well\n");
        return 1;
    }
    if (c.what == RUN_POWER)
        print_power(&c, &t, clock_s() - began);
    else if (c.what == RUN_SWEEP)
        print_sweep(&t);
    else
        print_figures(&c, &t, clock_s() - began);
    return t.violations > 0;
}

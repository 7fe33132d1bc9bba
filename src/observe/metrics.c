/* Metrics: a small table of series per metric, found by their labels without a lock once they
 * exist. */
#include "observe/observe.h"

#include <pthread.h>

#define SERIES_MAX 64
#define SLOTS 128 /* open addressing, half full at most */
#define LABELS_MAX 160

enum type { COUNTER, GAUGE, HISTOGRAM };

static const int64_t edges_us[] = {1000,   2500,   5000,    10000,   25000,   50000,    100000,
                                   250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000};
static const char *const edges_text[] = {"0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1",
                                         "0.25",  "0.5",    "1",     "2.5",  "5",     "10",   "30"};
#define EDGES COUNT_OF(edges_us)

struct series {
    uint64_t hash;
    int64_t value;             /* counter, gauge; histogram: sum in microseconds */
    int64_t bucket[EDGES + 1]; /* not cumulative */
    char labels[LABELS_MAX];
};

struct family {
    enum type type;
    const char *name, *help;
    struct series *slot[SLOTS]; /* published with release, never removed */
    size_t count;
};

static struct family families[METRIC_COUNT] = {
#define X(NAME, kind, text, about) [METRIC_##NAME] = {.type = kind, .name = text, .help = about},
#include "observe/metrics.def"
#undef X
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Where series beyond the bound are counted. */
static const char other[] = "other=\"true\"";

static uint64_t hash_of(const char *s)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    return h;
}

static struct series *find(struct family *f, const char *labels, uint64_t hash)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct series *s = __atomic_load_n(&f->slot[(hash + i) % SLOTS], __ATOMIC_ACQUIRE);
        if (!s)
            return NULL;
        if (s->hash == hash && strcmp(s->labels, labels) == 0)
            return s;
    }
    return NULL;
}

static struct series *make(struct family *f, const char *labels, uint64_t hash)
{
    struct series *s = mem_alloc(sizeof *s);
    size_t n = strlen(labels), at = hash % SLOTS;
    ASSERT(n < LABELS_MAX);
    if (!s)
        return NULL;
    s->hash = hash;
    memcpy(s->labels, labels, n + 1);
    while (f->slot[at])
        at = (at + 1) % SLOTS; /* ends: at most SERIES_MAX + 1 of SLOTS are taken */
    __atomic_store_n(&f->slot[at], s, __ATOMIC_RELEASE);
    __atomic_store_n(&f->count, f->count + 1, __ATOMIC_RELAXED);
    return s;
}

static struct series *find_or_make(struct family *f, const char *labels, uint64_t hash)
{
    struct series *s = find(f, labels, hash);
    if (s)
        return s;
    pthread_mutex_lock(&lock);
    s = find(f, labels, hash);
    if (!s && (f->count < SERIES_MAX || labels == other))
        s = make(f, labels, hash);
    pthread_mutex_unlock(&lock);
    return s;
}

/* NULL only without memory. */
static struct series *series_of(enum metric m, const char *labels)
{
    ASSERT(m < METRIC_COUNT);
    struct family *f = &families[m];
    labels = labels ? labels : "";
    uint64_t hash = hash_of(labels);
    struct series *s = find(f, labels, hash);
    /* a full family is not locked again for each new label */
    if (!s && __atomic_load_n(&f->count, __ATOMIC_RELAXED) < SERIES_MAX &&
        strlen(labels) < LABELS_MAX)
        s = find_or_make(f, labels, hash);
    return s ? s : find_or_make(f, other, hash_of(other));
}

void metric_add(enum metric m, const char *labels, int64_t n)
{
    struct series *s = series_of(m, labels);
    if (s)
        __atomic_fetch_add(&s->value, n, __ATOMIC_RELAXED);
}

void metric_set(enum metric m, const char *labels, int64_t v)
{
    struct series *s = series_of(m, labels);
    if (s)
        __atomic_store_n(&s->value, v, __ATOMIC_RELAXED);
}

void metric_time(enum metric m, const char *labels, int64_t us)
{
    struct series *s = series_of(m, labels);
    size_t i = 0;
    if (!s)
        return;
    us = num_max(us, 0); /* a clock that was set back */
    while (i < EDGES && us > edges_us[i])
        i++;
    __atomic_fetch_add(&s->bucket[i], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&s->value, us, __ATOMIC_RELAXED);
}

static void render_value(struct buf *out, const struct family *f, const struct series *s,
                         const char *labels)
{
    buf_str(out, f->name);
    if (labels[0])
        buf_printf(out, "{%s}", labels);
    buf_byte(out, ' ');
    buf_i64(out, s ? __atomic_load_n(&s->value, __ATOMIC_RELAXED) : 0);
    buf_byte(out, '\n');
}

static void render_histogram(struct buf *out, const struct family *f, const struct series *s,
                             const char *labels)
{
    const char *comma = labels[0] ? "," : "";
    const char *open = labels[0] ? "{" : "", *close = labels[0] ? "}" : "";
    int64_t count = 0, sum = s ? __atomic_load_n(&s->value, __ATOMIC_RELAXED) : 0;
    for (size_t i = 0; i <= EDGES; i++) {
        count += s ? __atomic_load_n(&s->bucket[i], __ATOMIC_RELAXED) : 0;
        buf_printf(out, "%s_bucket{%s%sle=\"%s\"} %lld\n", f->name, labels, comma,
                   i < EDGES ? edges_text[i] : "+Inf", (long long)count);
    }
    buf_printf(out, "%s_sum%s%s%s %lld.%06lld\n", f->name, open, labels, close,
               (long long)(sum / 1000000), (long long)(sum % 1000000));
    buf_printf(out, "%s_count%s%s%s %lld\n", f->name, open, labels, close, (long long)count);
}

static void render_series(struct buf *out, const struct family *f, const struct series *s)
{
    const char *labels = s ? s->labels : "";
    if (f->type == HISTOGRAM)
        render_histogram(out, f, s, labels);
    else
        render_value(out, f, s, labels);
}

void metrics_render(struct buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    for (size_t m = 0; m < METRIC_COUNT; m++) {
        struct family *f = &families[m];
        bool any = false;
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, types[f->type]);
        for (size_t i = 0; i < SLOTS; i++) {
            struct series *s = __atomic_load_n(&f->slot[i], __ATOMIC_ACQUIRE);
            if (s)
                render_series(out, f, s);
            any = any || s;
        }
        if (!any)
            render_series(out, f, NULL);
    }
}

/* Every state that a loss of power could leave: a record of what was done to a disk, and at each
 * place in it the disks that could be found afterwards. */
#include "sim/disk_internal.h"

struct entry {
    enum disk_call call; /* 0: an answer */
    size_t file, bytes;  /* its place among the names; where its bytes are */
    int64_t at, n;       /* answer: n = the tag */
};

struct power {
    struct disk *recorded, *base; /* base: as it was at the beginning */
    char names[16][sizeof((struct file *)0)->name];
    size_t names_n;
    struct entry *entries;
    size_t entries_n, entries_cap;
    uint8_t *bytes;
    size_t bytes_n, bytes_cap;
    int64_t events, acks;
};

/* --- the record --- */
static size_t name_of(struct power *p, const char *name)
{
    size_t i = 0;
    while (i < p->names_n && strcmp(p->names[i], name) != 0)
        i++;
    if (i == p->names_n) {
        ASSERT(i < COUNT_OF(p->names));
        (void)snprintf(p->names[p->names_n++], sizeof p->names[0], "%s", name);
    }
    return i;
}

static struct entry *entry_new(struct power *p)
{
    if (p->entries_n == p->entries_cap) {
        p->entries_cap = p->entries_cap ? 2 * p->entries_cap : 1024;
        p->entries = mem_resize(p->entries, p->entries_cap * sizeof *p->entries);
        ASSERT(p->entries != NULL);
    }
    return &p->entries[p->entries_n++];
}

static size_t bytes_add(struct power *p, const uint8_t *bytes, size_t n)
{
    size_t at = p->bytes_n;
    if (at + n > p->bytes_cap) {
        p->bytes_cap = 2 * (at + n);
        p->bytes = mem_resize(p->bytes, p->bytes_cap);
        ASSERT(p->bytes != NULL);
    }
    memcpy(p->bytes + at, bytes, n);
    p->bytes_n += n;
    return at;
}

static void on_event(void *arg, const struct disk_event *e)
{
    struct power *p = arg;
    struct heap *before = heap_enter(NULL);
    size_t at = e->call == DISK_WRITE ? bytes_add(p, e->bytes, (size_t)e->n) : 0;
    *entry_new(p) = (struct entry){e->call, name_of(p, e->file), at, e->at, e->n};
    p->events++;
    (void)heap_enter(before);
}

struct power *power_new(struct disk *d)
{
    struct heap *before = heap_enter(NULL);
    struct power *p = mem_alloc(sizeof *p);
    ASSERT(p != NULL);
    p->recorded = d;
    p->base = disk_clone(d);
    disk_on_event(d, on_event, p);
    (void)heap_enter(before);
    return p;
}

void power_stop(struct power *p)
{
    if (p->recorded)
        disk_on_event(p->recorded, NULL, NULL);
    p->recorded = NULL;
}

void power_free(struct power *p)
{
    struct heap *before = heap_enter(NULL);
    power_stop(p);
    disk_free(p->base);
    mem_free(p->entries);
    mem_free(p->bytes);
    mem_free(p);
    (void)heap_enter(before);
}

void power_ack(struct power *p, int64_t tag)
{
    struct heap *before = heap_enter(NULL);
    *entry_new(p) = (struct entry){.n = tag};
    p->acks++;
    (void)heap_enter(before);
}

/* --- states --- */
struct walk {
    const struct power *p;
    struct disk *now; /* the disk at this place of the record */
    int64_t *acked;
    size_t acked_n;
    int64_t event; /* events before this place */
    int64_t round; /* how often the record was gone over before */
    struct det *rng;
    power_check *check;
    void *arg;
    struct power_report *ret;
};

/* Which state is made here this time; false: none that was not made before. In the first rounds
 * each place gets each kind once, from then on those that differ from time to time. */
static bool choose(const struct walk *w, struct loss *l)
{
    static const enum loss_kind later[] = {LOSE_ONE, LOSE_AFTER, LOSE_ANY, LOSE_ANY};
    size_t pending = disk_pending(w->now);
    uint64_t turn = (uint64_t)(w->round + w->event);
    *l = (struct loss){.rng = w->rng, .keep = 2 + 6 * (unsigned)det_below(w->rng, 3)};
    l->kind = w->round < LOSS_KINDS ? (enum loss_kind)(turn % LOSS_KINDS) : later[turn % 4];
    if (l->kind == LOSE_NOTHING)
        return true;
    if (pending == 0 ||
        (l->kind == LOSE_ONE && pending == 1)) /* nothing, or all, was lost before */
        return false;
    size_t i = pending - 1; /* torn is mostly what was being written */
    if (l->kind == LOSE_ONE)
        i = (size_t)(w->round / LOSS_KINDS) % pending;
    else if (l->kind == LOSE_AFTER && w->round >= LOSS_KINDS && det_below(w->rng, 2))
        i = (size_t)det_below(w->rng, pending);
    l->order = disk_pending_order(w->now, i);
    return true;
}

static void look(struct walk *w, const struct loss *l)
{
    static const char *const text[] = {"nothing lost", "all lost", "one write lost",
                                       "torn in a write and none after it", "any subset kept"};
    char why[200] = "";
    struct power_report *ret = w->ret;
    struct disk *d = disk_remains(w->now, l);
    ret->states++;
    ret->torn += l->kind == LOSE_AFTER;
    ret->one_lost += l->kind == LOSE_ONE;
    ret->mixed += l->kind == LOSE_ANY;
    if (!w->check(d, w->acked, w->acked_n, why, w->arg) && ret->violations++ == 0)
        (void)snprintf(ret->first, sizeof ret->first, "after event %lld of %lld, %s: %s",
                       (long long)w->event, (long long)w->p->events, text[l->kind], why);
    disk_free(d);
}

static void step(struct walk *w, const struct entry *e)
{
    if (!e->call) {
        w->acked[w->acked_n++] = e->n;
        return;
    }
    struct disk_event event = {e->call, w->p->names[e->file], e->at, e->n, w->p->bytes + e->bytes};
    disk_apply(w->now, &event);
    w->event++;
}

/* Once over the record; up to `most` states, evenly over it. Returns whether another time could
 * make new ones. */
static bool go_over(struct walk *w, int64_t most)
{
    const struct power *p = w->p;
    int64_t places = p->events + 1, credit = (int64_t)det_below(w->rng, (uint64_t)places);
    bool made = w->round < LOSS_KINDS;
    w->now = disk_clone(p->base);
    w->acked_n = 0;
    w->event = 0;
    for (size_t i = 0; i <= p->entries_n; i++) {
        if (i < p->entries_n && !p->entries[i].call) { /* the power goes after the answer */
            step(w, &p->entries[i]);
            continue;
        }
        struct loss l;
        credit += num_min(most, places);
        if (credit >= places) {
            credit -= places;
            if (choose(w, &l)) {
                look(w, &l);
                made = true;
            }
        }
        if (i < p->entries_n)
            step(w, &p->entries[i]);
    }
    disk_free(w->now);
    w->round++;
    return made;
}

void power_enumerate(const struct power *p, int64_t states_max, struct det *rng, power_check *check,
                     void *arg, struct power_report *ret)
{
    struct heap *before = heap_enter(NULL);
    struct walk w = {.p = p, .rng = rng, .check = check, .arg = arg, .ret = ret};
    *ret = (struct power_report){.events = p->events, .acks = p->acks};
    w.acked = mem_alloc(((size_t)p->acks + 1) * sizeof *w.acked);
    ASSERT(w.acked != NULL);
    while (ret->states < states_max && go_over(&w, states_max - ret->states))
        ;
    mem_free(w.acked);
    (void)heap_enter(before);
}

/* The disk: files, each with what readers see, what is durable, and the changes between. */
#include "sim/disk_internal.h"

static struct disk *all;

/* --- files --- */
struct file *disk_find(const struct disk *d, const char *name)
{
    for (struct file *f = d->files; f; f = f->next)
        if (!f->deleted && strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

struct file *file_new(struct disk *d, const char *name)
{
    struct file **at = &d->files;
    struct file *f = mem_alloc(sizeof *f);
    ASSERT(f != NULL && strlen(name) < sizeof f->name);
    (void)snprintf(f->name, sizeof f->name, "%s", name);
    f->settled = true;
    f->made = ++d->order;
    while (*at)
        at = &(*at)->next;
    *at = f;
    return f;
}

void shm_drop(struct file *f)
{
    for (size_t i = 0; i < SHM_REGIONS_MAX; i++) {
        mem_free(f->shm[i]);
        f->shm[i] = NULL;
    }
}

static void file_free(struct disk *d, struct file *f)
{
    struct file **at = &d->files;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    shm_drop(f);
    bytes_free(&f->live);
    bytes_free(&f->durable);
    mem_free(f->changes);
    mem_free(f->said);
    mem_free(f);
}

void file_close(struct disk *d, struct file *f)
{
    ASSERT(f->handles > 0);
    if (--f->handles == 0 && !f->name[0])
        file_free(d, f);
}

static void forget(struct disk *d, struct file *f)
{
    f->name[0] = 0;
    f->deleted = false;
    f->kept = true; /* so there is nothing left to lose */
    f->changes_n = f->said_n = 0;
    if (f->handles == 0)
        file_free(d, f);
}

/* The directory was synced: what was deleted before does not come back. */
static void sync_names(struct disk *d)
{
    for (struct file *f = d->files, *next; f; f = next) {
        next = f->next;
        if (f->deleted)
            forget(d, f);
    }
}

void file_remove(struct disk *d, struct file *f, bool durably)
{
    f->deleted = true;
    f->ended = ++d->order;
    if (durably)
        sync_names(d);
    else if (!f->kept)
        forget(d, f);
}

/* --- changes --- */
static void *room(void *p, size_t n, size_t *cap, size_t each)
{
    if (n <= *cap)
        return p;
    *cap = n > 2 * *cap ? n : 2 * *cap;
    p = mem_resize(p, *cap * each);
    ASSERT(p != NULL);
    return p;
}

static struct change *change_new(struct disk *d, struct file *f)
{
    if (f->settled)
        bytes_share(&f->durable, &f->live);
    f->settled = false;
    f->changes = room(f->changes, f->changes_n + 1, &f->changes_cap, sizeof *f->changes);
    struct change *c = &f->changes[f->changes_n++];
    *c = (struct change){.said = f->said_n, .order = ++d->order};
    return c;
}

void file_write(struct disk *d, struct file *f, size_t at, const uint8_t *p, size_t n)
{
    if (f->name[0] && n > 0) { /* of others nobody will ask what is durable */
        struct change *c = change_new(d, f);
        c->at = at;
        c->n = n;
        f->said = room(f->said, f->said_n + n, &f->said_cap, 1);
        memcpy(f->said + f->said_n, p, n);
        f->said_n += n;
    }
    bytes_write(&f->live, at, p, n);
}

void file_truncate(struct disk *d, struct file *f, size_t size)
{
    if (f->name[0]) {
        struct change *c = change_new(d, f);
        c->truncation = true;
        c->at = size;
    }
    bytes_resize(&f->live, size);
}

void file_sync(struct disk *d, struct file *f)
{
    for (size_t i = 0; i < f->changes_n; i++) {
        const struct change *c = &f->changes[i];
        size_t end = c->truncation ? SIZE_MAX : (c->at + c->n + DISK_CHUNK - 1) / DISK_CHUNK;
        bytes_follow(&f->durable, &f->live, c->at / DISK_CHUNK, end);
    }
    f->changes_n = f->said_n = 0;
    if (f->kept || f->deleted)
        return;
    f->kept = true; /* SQLite syncs the directory with a new journal or log */
    sync_names(d);
}

/* --- disks --- */
struct disk *disk_new(void)
{
    static const uint8_t seed[32] = {1};
    static int64_t numbers;
    struct heap *before = heap_enter(NULL);
    struct disk *d = mem_alloc(sizeof *d);
    ASSERT(d != NULL);
    d->random = det_make(0, seed);
    d->number = ++numbers;
    d->next = all;
    all = d;
    (void)heap_enter(before);
    return d;
}

struct disk *disk_by_number(int64_t number)
{
    struct disk *d = all;
    while (d && d->number != number)
        d = d->next;
    return d;
}

void disk_seed(struct disk *d, const struct det *rng)
{
    d->random = *rng;
}

void disk_free(struct disk *d)
{
    struct heap *before = heap_enter(NULL);
    struct disk **at = &all;
    ASSERT(d->handles == NULL);
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    while (d->files)
        file_free(d, d->files);
    mem_free(d);
    (void)heap_enter(before);
}

static void clone_changes(struct file *to, const struct file *from)
{
    to->settled = from->settled;
    bytes_share(&to->durable, &from->durable);
    to->changes = room(NULL, from->changes_n, &to->changes_cap, sizeof *to->changes);
    to->said = room(NULL, from->said_n, &to->said_cap, 1);
    to->changes_n = from->changes_n;
    to->said_n = from->said_n;
    if (from->changes_n > 0)
        memcpy(to->changes, from->changes, from->changes_n * sizeof *to->changes);
    if (from->said_n > 0)
        memcpy(to->said, from->said, from->said_n);
}

static struct disk *duplicate(const struct disk *d, bool settle)
{
    struct heap *before = heap_enter(NULL);
    struct disk *own = disk_new();
    own->random = d->random;
    for (const struct file *f = d->files; f; f = f->next) {
        if (!f->name[0] || (settle && f->deleted))
            continue;
        struct file *to = file_new(own, f->name);
        bytes_share(&to->live, &f->live);
        to->kept = f->kept || settle;
        to->deleted = f->deleted;
        to->made = f->made;
        to->ended = f->ended;
        if (!settle)
            clone_changes(to, f);
    }
    own->order = d->order;
    (void)heap_enter(before);
    return own;
}

struct disk *disk_copy(const struct disk *d)
{
    return duplicate(d, true);
}

struct disk *disk_clone(const struct disk *d)
{
    return duplicate(d, false);
}

uint64_t disk_hash(const struct disk *d)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (const struct file *f = d->files; f; f = f->next) {
        if (!f->name[0])
            continue;
        for (const char *p = f->name; *p; p++)
            h = (h ^ (uint8_t)*p) * UINT64_C(1099511628211);
        h = (h ^ (uint64_t)(f->kept + 2 * f->deleted)) * UINT64_C(1099511628211);
        h = bytes_hash(h, &f->live);
        h = bytes_hash(h, f->settled ? &f->live : &f->durable);
    }
    return h;
}

/* --- faults and hooks --- */
void disk_fail(struct disk *d, unsigned calls, int64_t nth, enum disk_fault how, bool for_ever)
{
    d->fail_calls = calls;
    d->fail_nth = nth;
    d->fail_seen = 0;
    d->fail_how = how;
    d->fail_for_ever = for_ever;
    memset(d->calls, 0, sizeof d->calls);
}

int64_t disk_calls(const struct disk *d, unsigned calls)
{
    int64_t n = 0;
    for (size_t i = 0; i < COUNT_OF(d->calls); i++)
        n += calls >> i & 1 ? d->calls[i] : 0;
    return n;
}

void disk_on_write(struct disk *d, void (*hook)(void *arg, enum disk_call call), void *arg)
{
    d->on_write = hook;
    d->on_write_arg = arg;
}

void disk_on_event(struct disk *d, void (*hook)(void *arg, const struct disk_event *e), void *arg)
{
    d->on_event = hook;
    d->on_event_arg = arg;
}

void disk_apply(struct disk *d, const struct disk_event *e)
{
    struct heap *before = heap_enter(NULL);
    struct file *f = disk_find(d, e->file);
    if (!f && e->call != DISK_OTHER)
        f = file_new(d, e->file);
    if (e->call == DISK_WRITE)
        file_write(d, f, (size_t)e->at, e->bytes, (size_t)e->n);
    else if (e->call == DISK_TRUNCATE)
        file_truncate(d, f, (size_t)e->at);
    else if (e->call == DISK_SYNC)
        file_sync(d, f);
    else if (f)
        file_remove(d, f, e->n != 0);
    (void)heap_enter(before);
}

void disk_each(const struct disk *d, void (*look)(void *arg, const char *name, struct str bytes),
               void *arg)
{
    for (const struct file *f = d->files; f; f = f->next) {
        uint8_t *bytes = f->live.size ? mem_alloc(f->live.size) : NULL;
        if (f->live.size == 0)
            continue;
        ASSERT(bytes != NULL);
        size_t n = bytes_read(&f->live, 0, bytes, f->live.size);
        look(arg, f->name, (struct str){(const char *)bytes, n});
        mem_free(bytes);
    }
}

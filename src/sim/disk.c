/* The disk: files, each with what readers see, what is durable, and the changes between. */
#include "sim/disk_internal.h"

/* --- contents: chunks that several may share until one of them writes --- */
static void chunk_drop(struct chunk *c)
{
    if (c && --c->refs == 0)
        mem_free(c);
}

static struct chunk *chunk_new(const struct chunk *like)
{
    struct chunk *c = like ? mem_resize(NULL, sizeof *c) : mem_alloc(sizeof *c);
    ASSERT(c != NULL);
    if (like)
        memcpy(c->data, like->data, sizeof c->data);
    c->refs = 1;
    return c;
}

/* Has places for n bytes; a place without chunk is zeros. */
static void places(struct bytes *b, size_t n)
{
    size_t need = (n + DISK_CHUNK - 1) / DISK_CHUNK;
    if (need <= b->places)
        return;
    size_t more = b->places ? b->places : 64;
    while (more < need)
        more *= 2;
    b->chunk = mem_resize(b->chunk, more * sizeof(struct chunk *));
    ASSERT(b->chunk != NULL);
    memset(b->chunk + b->places, 0, (more - b->places) * sizeof(struct chunk *));
    b->places = more;
}

static uint8_t *writable(struct bytes *b, size_t i)
{
    struct chunk *c = b->chunk[i];
    if (!c || c->refs > 1) {
        b->chunk[i] = chunk_new(c);
        chunk_drop(c);
    }
    return b->chunk[i]->data;
}

static void put(struct bytes *b, size_t at, const uint8_t *p, size_t n)
{
    places(b, at + n);
    for (size_t done = 0; done < n;) {
        size_t from = (at + done) % DISK_CHUNK, part = DISK_CHUNK - from;
        if (part > n - done)
            part = n - done;
        memcpy(writable(b, (at + done) / DISK_CHUNK) + from, p + done, part);
        done += part;
    }
    if (at + n > b->n)
        b->n = at + n;
}

void bytes_read(const struct bytes *b, size_t at, uint8_t *to, size_t n)
{
    ASSERT(at + n <= b->n);
    for (size_t done = 0; done < n;) {
        size_t from = (at + done) % DISK_CHUNK, part = DISK_CHUNK - from;
        const struct chunk *c = b->chunk[(at + done) / DISK_CHUNK];
        if (part > n - done)
            part = n - done;
        if (c)
            memcpy(to + done, c->data + from, part);
        else
            memset(to + done, 0, part);
        done += part;
    }
}

/* What lies beyond the end is zero, should it grow again. */
static void cut(struct bytes *b, size_t n)
{
    size_t kept = (n + DISK_CHUNK - 1) / DISK_CHUNK;
    places(b, n);
    for (size_t i = kept; i < b->places; i++) {
        chunk_drop(b->chunk[i]);
        b->chunk[i] = NULL;
    }
    if (n < b->n && n % DISK_CHUNK)
        memset(writable(b, kept - 1) + n % DISK_CHUNK, 0, DISK_CHUNK - n % DISK_CHUNK);
    b->n = n;
}

static void release(struct bytes *b)
{
    cut(b, 0);
    mem_free(b->chunk);
    *b = (struct bytes){0};
}

static void copy(struct bytes *to, const struct bytes *from)
{
    places(to, from->n);
    for (size_t i = 0; i < to->places; i++) {
        struct chunk *c = i < from->places ? from->chunk[i] : NULL;
        if (to->chunk[i] == c)
            continue;
        if (c)
            c->refs++;
        chunk_drop(to->chunk[i]);
        to->chunk[i] = c;
    }
    to->n = from->n;
}

static struct change *change_new(struct file *f)
{
    if (f->changes_n == f->changes_cap) {
        f->changes_cap = f->changes_cap ? 2 * f->changes_cap : 64;
        f->changes = mem_resize(f->changes, f->changes_cap * sizeof *f->changes);
        ASSERT(f->changes != NULL);
    }
    f->changes[f->changes_n] = (struct change){0};
    return &f->changes[f->changes_n++];
}

static void changes_clear(struct file *f)
{
    for (size_t i = 0; i < f->changes_n; i++)
        mem_free(f->changes[i].bytes);
    f->changes_n = 0;
}

void file_write(struct file *f, size_t at, const uint8_t *p, size_t n)
{
    struct change *c = change_new(f);
    if (n > 0) {
        c->bytes = mem_resize(NULL, n);
        ASSERT(c->bytes != NULL);
        memcpy(c->bytes, p, n);
    }
    c->at = at;
    c->n = n;
    put(&f->live, at, p, n);
}

void file_truncate(struct file *f, size_t n)
{
    struct change *c = change_new(f);
    c->truncation = true;
    c->at = n;
    cut(&f->live, n);
}

static void apply(struct bytes *b, const struct change *c)
{
    if (c->truncation)
        cut(b, c->at);
    else if (c->n > 0)
        put(b, c->at, c->bytes, c->n);
}

void file_sync(struct file *f)
{
    copy(&f->durable, &f->live);
    changes_clear(f);
    f->kept = true;
}

void file_remove(struct file *f)
{
    f->exists = f->kept = false;
    changes_clear(f);
    cut(&f->live, 0);
    cut(&f->durable, 0);
}

struct file *disk_file(struct disk *d, const char *name, bool make)
{
    struct file *free_place = NULL;
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct file *f = &d->files[i];
        if (f->exists && strcmp(f->name, name) == 0)
            return f;
        if (!f->exists && (!free_place || strcmp(f->name, name) == 0))
            free_place = f; /* the same place again, since handles may still point to it */
    }
    if (!make)
        return NULL;
    ASSERT(free_place != NULL);
    (void)snprintf(free_place->name, sizeof free_place->name, "%s", name);
    free_place->exists = true;
    return free_place;
}

/* --- what is left without power --- */
/* A write of which each sector is there or not. */
static void apply_torn(struct bytes *b, const struct change *c, struct det *rng)
{
    for (size_t at = c->at; at < c->at + c->n;) {
        size_t end = at / DISK_SECTOR * DISK_SECTOR + DISK_SECTOR;
        if (end > c->at + c->n)
            end = c->at + c->n;
        if (det_below(rng, 2))
            put(b, at, c->bytes + (at - c->at), end - at);
        at = end;
    }
}

/* How a loss of power treats a file's changes. */
enum fate { FATE_ALL, FATE_NONE, FATE_PREFIX, FATE_SUBSET };

static void file_power(struct file *f, struct det *rng)
{
    enum fate fate = (enum fate)det_below(rng, 4);
    size_t upto = f->changes_n ? (size_t)det_below(rng, f->changes_n + 1) : 0;
    for (size_t i = 0; i < f->changes_n; i++) {
        const struct change *c = &f->changes[i];
        bool whole = fate == FATE_ALL || (fate == FATE_PREFIX && i < upto) ||
                     (fate == FATE_SUBSET && det_below(rng, 2));
        bool torn = !c->truncation && ((fate == FATE_PREFIX && i == upto) ||
                                       (fate == FATE_SUBSET && !whole && det_below(rng, 2)));
        if (whole)
            apply(&f->durable, c);
        else if (torn)
            apply_torn(&f->durable, c, rng);
    }
    changes_clear(f);
    if (!f->kept && f->exists && (fate == FATE_NONE || f->durable.n == 0)) {
        file_remove(f);
        return;
    }
    copy(&f->live, &f->durable);
    f->kept = f->exists;
}

static void shm_drop(struct file *f)
{
    for (size_t i = 0; i < SHM_REGIONS_MAX; i++) {
        mem_free(f->shm[i]);
        f->shm[i] = NULL;
    }
    f->shm_users = 0;
}

void disk_power_loss(struct disk *d, struct det *rng)
{
    struct heap *before = heap_enter(NULL);
    ASSERT(d->handles == NULL);
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        if (d->files[i].exists)
            file_power(&d->files[i], rng);
        shm_drop(&d->files[i]);
    }
    (void)heap_enter(before);
}

/* --- disks --- */
struct disk *disk_new(void)
{
    static const uint8_t seed[32] = {1};
    struct heap *before = heap_enter(NULL);
    struct disk *d = mem_alloc(sizeof *d);
    ASSERT(d != NULL);
    d->random = det_make(0, seed);
    (void)heap_enter(before);
    return d;
}

void disk_seed(struct disk *d, const struct det *rng)
{
    d->random = *rng;
}

void disk_free(struct disk *d)
{
    struct heap *before = heap_enter(NULL);
    ASSERT(d->handles == NULL);
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct file *f = &d->files[i];
        changes_clear(f);
        shm_drop(f);
        mem_free(f->changes);
        release(&f->live);
        release(&f->durable);
    }
    mem_free(d);
    (void)heap_enter(before);
}

static void clone_file(struct file *to, const struct file *from, bool settle)
{
    (void)snprintf(to->name, sizeof to->name, "%s", from->name);
    to->exists = from->exists;
    to->kept = from->kept || settle;
    copy(&to->live, &from->live);
    copy(&to->durable, settle ? &from->live : &from->durable);
    for (size_t i = 0; !settle && i < from->changes_n; i++) {
        const struct change *c = &from->changes[i];
        struct change *own = change_new(to);
        *own = *c;
        if (c->bytes) {
            own->bytes = mem_resize(NULL, c->n);
            memcpy(own->bytes, c->bytes, c->n);
        }
    }
}

static struct disk *duplicate(const struct disk *d, bool settle)
{
    struct heap *before = heap_enter(NULL);
    struct disk *own = disk_new();
    own->random = d->random;
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        if (d->files[i].exists)
            clone_file(&own->files[i], &d->files[i], settle);
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

static uint64_t hash_bytes(uint64_t h, const struct bytes *b)
{
    uint8_t part[DISK_SECTOR];
    for (size_t at = 0; at < b->n; at += sizeof part) {
        size_t n = b->n - at < sizeof part ? b->n - at : sizeof part;
        bytes_read(b, at, part, n);
        for (size_t i = 0; i < n; i++)
            h = (h ^ part[i]) * UINT64_C(1099511628211);
    }
    return h;
}

uint64_t disk_hash(const struct disk *d)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        if (d->files[i].exists)
            h = hash_bytes(hash_bytes(h, &d->files[i].live), &d->files[i].durable);
    return h;
}

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
    for (int i = 0; i < 5; i++)
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
    struct file *f = disk_file(d, e->file, true);
    if (e->call == DISK_WRITE)
        file_write(f, (size_t)e->at, e->bytes, (size_t)e->n);
    else if (e->call == DISK_TRUNCATE)
        file_truncate(f, (size_t)e->at);
    else if (e->call == DISK_SYNC)
        file_sync(f);
    else
        file_remove(f);
    (void)heap_enter(before);
}

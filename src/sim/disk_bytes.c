/* Contents of files, in chunks that copies share until one of them writes. */
#include "sim/disk_internal.h"

static struct chunk *chunk_new(bool zeroed)
{
    struct chunk *c = zeroed ? mem_alloc(sizeof *c) : mem_resize(NULL, sizeof *c);
    ASSERT(c != NULL);
    c->holders = 1;
    return c;
}

static struct chunk *chunk_hold(struct chunk *c)
{
    if (c)
        c->holders++;
    return c;
}

static void chunk_drop(struct chunk *c)
{
    if (c && --c->holders == 0)
        mem_free(c);
}

static size_t chunks_for(size_t size)
{
    return (size + DISK_CHUNK - 1) / DISK_CHUNK;
}

/* To write into; whole: all of it, so what it was does not matter. */
static uint8_t *chunk_own(struct bytes *b, size_t i, bool whole)
{
    struct chunk *was = b->chunks[i];
    if (was && was->holders == 1)
        return was->b;
    struct chunk *c = chunk_new(!was && !whole);
    if (was && !whole)
        memcpy(c->b, was->b, DISK_CHUNK);
    chunk_drop(was);
    b->chunks[i] = c;
    return c->b;
}

/* New places are zeros, old ones are let go. */
static void set_chunks(struct bytes *b, size_t n)
{
    if (n > b->cap) {
        b->cap = n > 2 * b->cap ? n : 2 * b->cap;
        b->chunks = mem_resize(b->chunks, b->cap * sizeof(struct chunk *));
        ASSERT(b->chunks != NULL);
    }
    for (; b->n < n; b->n++)
        b->chunks[b->n] = NULL;
    while (b->n > n)
        chunk_drop(b->chunks[--b->n]);
}

size_t bytes_read(const struct bytes *b, size_t at, uint8_t *to, size_t n)
{
    size_t have = at >= b->size ? 0 : b->size - at < n ? b->size - at : n;
    memset(to + have, 0, n - have);
    for (size_t done = 0, part; done < have; done += part) {
        size_t in = (at + done) % DISK_CHUNK;
        const struct chunk *c = b->chunks[(at + done) / DISK_CHUNK];
        part = DISK_CHUNK - in < have - done ? DISK_CHUNK - in : have - done;
        if (c)
            memcpy(to + done, c->b + in, part);
        else
            memset(to + done, 0, part);
    }
    return have;
}

void bytes_write(struct bytes *b, size_t at, const uint8_t *p, size_t n)
{
    if (n == 0)
        return;
    if (at + n > b->size) {
        set_chunks(b, chunks_for(at + n));
        b->size = at + n;
    }
    for (size_t done = 0, part; done < n; done += part) {
        size_t in = (at + done) % DISK_CHUNK;
        part = DISK_CHUNK - in < n - done ? DISK_CHUNK - in : n - done;
        memcpy(chunk_own(b, (at + done) / DISK_CHUNK, part == DISK_CHUNK) + in, p + done, part);
    }
}

void bytes_resize(struct bytes *b, size_t size)
{
    size_t in = size % DISK_CHUNK;
    set_chunks(b, chunks_for(size));
    if (size < b->size && in > 0 && b->chunks[b->n - 1])
        memset(chunk_own(b, b->n - 1, false) + in, 0, DISK_CHUNK - in);
    b->size = size;
}

void bytes_share(struct bytes *to, const struct bytes *from)
{
    ASSERT(to->n == 0);
    bytes_follow(to, from, 0, from->n);
}

void bytes_follow(struct bytes *to, const struct bytes *from, size_t first, size_t end)
{
    set_chunks(to, from->n);
    to->size = from->size;
    for (size_t i = first; i < end && i < from->n; i++)
        if (to->chunks[i] != from->chunks[i]) {
            chunk_drop(to->chunks[i]);
            to->chunks[i] = chunk_hold(from->chunks[i]);
        }
}

void bytes_free(struct bytes *b)
{
    set_chunks(b, 0);
    mem_free(b->chunks);
    *b = (struct bytes){0};
}

uint64_t bytes_hash(uint64_t h, const struct bytes *b)
{
    static const uint8_t zeros[DISK_CHUNK];
    uint64_t word;
    h = (h ^ b->size) * UINT64_C(1099511628211);
    for (size_t i = 0; i < b->n; i++) {
        const uint8_t *p = b->chunks[i] ? b->chunks[i]->b : zeros;
        for (size_t k = 0; k < DISK_CHUNK; k += sizeof word) {
            memcpy(&word, p + k, sizeof word);
            h = (h ^ word) * UINT64_C(1099511628211);
            h ^= h >> 29; /* words differ in high bits, too */
        }
    }
    return h;
}

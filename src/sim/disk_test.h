/* What the disk's tests share: memory in regions and a clock in place of the simulator's, processes
 * that die in the middle of a call, SQLite in short sentences. */
#ifndef FLORIN_SIM_DISK_TEST_H
#define FLORIN_SIM_DISK_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "sim/disk_internal.h"

/* --- in place of the simulator's --- */
struct piece {
    struct piece *prev, *next; /* a ring, with the heap's own */
    size_t n, pad;
};
struct heap {
    struct piece ring;
};

static struct heap *current; /* NULL: the test's own, of which no list is kept */

int64_t sim_now_us(void)
{
    return INT64_C(1767225600000000);
}

static void ring_in(struct piece *p)
{
    p->prev = p->next = p;
    if (!current)
        return;
    p->next = current->ring.next;
    p->prev = &current->ring;
    p->next->prev = p->prev->next = p;
}

void *mem_resize(void *old, size_t n)
{
    struct piece *was = old ? (struct piece *)old - 1 : NULL, *p = malloc(sizeof *p + n);
    assert_non_null(p);
    ring_in(p);
    p->n = n;
    if (was)
        memcpy(p + 1, old, was->n < n ? was->n : n);
    mem_free(old);
    return p + 1;
}

void *mem_alloc(size_t n)
{
    return memset(mem_resize(NULL, n), 0, n);
}

void mem_free(void *old)
{
    struct piece *p = old ? (struct piece *)old - 1 : NULL;
    if (!p)
        return;
    p->prev->next = p->next;
    p->next->prev = p->prev;
    free(p);
}

struct heap *heap_enter(struct heap *h)
{
    struct heap *before = current;
    current = h;
    return before;
}

static inline struct heap *region_new(void)
{
    struct heap *h = malloc(sizeof *h);
    assert_non_null(h);
    h->ring.prev = h->ring.next = &h->ring;
    return h;
}

static inline bool region_empty(const struct heap *h)
{
    return h->ring.next == &h->ring;
}

static inline void region_drop(struct heap *h)
{
    while (!region_empty(h))
        mem_free(h->ring.next + 1);
    free(h);
}

static inline void *sqlite_take(int n)
{
    return mem_resize(NULL, (size_t)n);
}

static inline void *sqlite_resize(void *p, int n)
{
    return mem_resize(p, (size_t)n);
}

static inline int sqlite_size(void *p)
{
    return (int)((struct piece *)p - 1)->n;
}

static inline int sqlite_round(int n)
{
    return (n + 7) & ~7;
}

static inline int sqlite_begin(void *arg)
{
    (void)arg;
    return SQLITE_OK;
}

static inline void sqlite_end(void *arg)
{
    (void)arg;
}

/* No mutexes, which a process that dies in the middle of a call would leave locked. */
static inline void sqlite_in_regions(void)
{
    static const sqlite3_mem_methods methods = {sqlite_take, mem_free,     sqlite_resize,
                                                sqlite_size, sqlite_round, sqlite_begin,
                                                sqlite_end,  NULL};
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD), SQLITE_OK);
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0), SQLITE_OK);
    assert_int_equal(sqlite3_initialize(), SQLITE_OK);
}

/* --- processes --- */
struct process {
    struct disk *disk;
    struct heap *heap;
    sqlite3 *db;
    int owner;
};

static jmp_buf dead;
static int64_t fuse; /* writes until the process dies; 0: never */

static inline void on_write(void *arg, enum disk_call call)
{
    (void)arg, (void)call;
    if (fuse > 0 && --fuse == 0)
        longjmp(dead, 1);
}

static inline struct process process_new(struct disk *d, int owner)
{
    return (struct process){.disk = d, .heap = region_new(), .owner = owner};
}

static inline void enter(const struct process *p)
{
    (void)heap_enter(p->heap);
    disk_mount(p->disk, p->owner);
}

static inline void process_dies(struct process *p)
{
    (void)heap_enter(NULL);
    disk_process_gone(p->disk, p->owner);
    region_drop(p->heap);
    p->heap = NULL;
}

/* In good order; all of its memory is given back. */
static inline void process_ends(struct process *p)
{
    enter(p);
    assert_int_equal(sqlite3_close(p->db), SQLITE_OK);
    (void)heap_enter(NULL);
    assert_true(region_empty(p->heap));
    process_dies(p);
}

static inline int sql(sqlite3 *db, const char *text)
{
    return sqlite3_exec(db, text, NULL, NULL, NULL);
}

static inline void ok(sqlite3 *db, const char *text)
{
    if (sql(db, text) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
}

/* The first column of the first row; -1: there is none. */
static inline int64_t number(sqlite3 *db, const char *text)
{
    sqlite3_stmt *st = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(db, text, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    return n;
}

#endif

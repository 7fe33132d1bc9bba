/* Memory in regions: each simulated process holds one, and all of it is gone when the process is.
 */
#include <jansson.h>
#include <lua.h>
#include <stdlib.h>

#include "observe/observe.h"
#include "sim/sim_internal.h"

/* Before each piece; 16 bytes aligned, as the C library's own. */
struct piece {
    struct piece *prev, *next;
    struct heap *heap;
    size_t n;
};
_Static_assert(sizeof(struct piece) % 16 == 0, "what follows a piece's head must be aligned");

struct heap {
    struct piece *first;
    size_t bytes, pieces;
    int64_t count, fail_at;
    bool for_ever;
};

static struct heap own; /* the simulator's */
static struct heap *current = &own;
static bool uncounted; /* what is allocated now neither counts nor fails */
static bool count_all;
static bool clean; /* nothing of what another process held is found in new memory */

static struct piece *piece_of(void *p)
{
    return (struct piece *)p - 1;
}

static void link_piece(struct heap *h, struct piece *p)
{
    p->heap = h;
    p->prev = NULL;
    p->next = h->first;
    if (h->first)
        h->first->prev = p;
    h->first = p;
    h->bytes += p->n;
    h->pieces++;
}

static void unlink_piece(struct piece *p)
{
    struct heap *h = p->heap;
    if (p->prev)
        p->prev->next = p->next;
    else
        h->first = p->next;
    if (p->next)
        p->next->prev = p->prev;
    h->bytes -= p->n;
    h->pieces--;
}

static bool fails(struct heap *h)
{
    if (uncounted)
        return false;
    h->count++;
    return h->fail_at && (h->count == h->fail_at || (h->for_ever && h->count > h->fail_at));
}

static void *take(size_t n, bool zeroed)
{
    struct heap *h = current;
    if (fails(h))
        return NULL;
    struct piece *p = malloc(sizeof *p + n);
    if (!p) /* the real machine has none: no part of any simulation */
        abort();
    if (zeroed || clean) /* calloc of jemalloc asks the kernel for zeros, which takes longer */
        memset(p + 1, 0, n);
    p->n = n;
    link_piece(h, p);
    return p + 1;
}

void *mem_alloc(size_t n)
{
    ASSERT(n > 0);
    return take(n, true);
}

void *mem_resize(void *old, size_t n)
{
    ASSERT(n > 0);
    if (!old)
        return take(n, false);
    struct piece *p = piece_of(old);
    struct heap *h = p->heap; /* whoever resizes it */
    if (fails(h))
        return NULL;
    unlink_piece(p);
    p = realloc(p, sizeof *p + n);
    if (!p)
        abort();
    if (clean && n > p->n)
        memset((char *)(p + 1) + p->n, 0, n - p->n);
    p->n = n;
    link_piece(h, p);
    return p + 1;
}

void mem_free(void *old)
{
    if (!old)
        return;
    struct piece *p = piece_of(old);
    unlink_piece(p);
    free(p);
}

struct heap *heap_new(void)
{
    struct heap *before = heap_enter(NULL);
    struct heap *h = mem_alloc(sizeof *h);
    (void)heap_enter(before);
    return h;
}

void heap_drop(struct heap *h)
{
    ASSERT(h && h != current && h != &own);
    for (struct piece *p = h->first, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    mem_free(h);
}

struct heap *heap_enter(struct heap *h)
{
    struct heap *before = current;
    current = h ? h : &own;
    return before;
}

size_t heap_bytes(const struct heap *h)
{
    return h->bytes;
}

size_t heap_pieces(const struct heap *h)
{
    return h->pieces;
}

void heap_fail(struct heap *h, int64_t nth, bool for_ever)
{
    h->count = 0;
    h->fail_at = nth;
    h->for_ever = for_ever;
}

int64_t heap_count(const struct heap *h)
{
    return h->count;
}

/* --- Lua's --- */
/* Lua mixes addresses and the time into the hash of each string, so how often it allocates differs
 * from run to run: a seed must not depend on it. */
struct lua_memory {
    lua_Alloc alloc;
    void *arg;
};

static void *lua_allocate(void *arg, void *p, size_t before, size_t n)
{
    const struct lua_memory *m = arg;
    bool was = uncounted;
    uncounted = !count_all;
    void *q = m->alloc(m->arg, p, before, n);
    uncounted = was;
    return q;
}

/* The linker puts these in the place of lua_newstate and lua_close (--wrap). */
lua_State *__real_lua_newstate(lua_Alloc alloc, void *arg);
lua_State *__wrap_lua_newstate(lua_Alloc alloc, void *arg);
void __real_lua_close(lua_State *lua);
void __wrap_lua_close(lua_State *lua);

lua_State *__wrap_lua_newstate(lua_Alloc alloc, void *arg)
{
    struct lua_memory *m = mem_alloc(sizeof *m);
    if (!m)
        return NULL;
    *m = (struct lua_memory){alloc, arg};
    lua_State *lua = __real_lua_newstate(lua_allocate, m);
    if (!lua)
        mem_free(m);
    return lua;
}

void __wrap_lua_close(lua_State *lua)
{
    void *m;
    (void)lua_getallocf(lua, &m);
    __real_lua_close(lua);
    mem_free(m);
}

/* --- the log's: how much is logged must change nothing --- */
void __real_log_write(enum log_level level, const char *event, const struct log_field *f, size_t n);
void __wrap_log_write(enum log_level level, const char *event, const struct log_field *f, size_t n);
void __wrap_log_write(enum log_level level, const char *event, const struct log_field *f, size_t n)
{
    bool was = uncounted;
    for (size_t i = 0; i < n; i++)
        if (f[i].type == LOG_F_STR)
            typed_must_not_be_in("the log", f[i].str);
    uncounted = true;
    __real_log_write(level, event, f, n);
    uncounted = was;
}

void heap_clean(bool on)
{
    clean = on;
}

bool heap_any(const struct heap *h, bool (*is)(struct str bytes))
{
    for (struct piece *p = h->first; p; p = p->next)
        if (is((struct str){(const char *)(p + 1), p->n}))
            return true;
    return false;
}

void heap_count_all(bool all)
{
    count_all = all;
}

/* --- the libraries' --- */
static void *sqlite_take(int n)
{
    return take((size_t)n, false);
}

static void *sqlite_resize(void *p, int n)
{
    return mem_resize(p, (size_t)n);
}

static int sqlite_size(void *p)
{
    return (int)piece_of(p)->n;
}

static int sqlite_round(int n)
{
    return (n + 7) & ~7;
}

static int sqlite_begin(void *arg)
{
    (void)arg;
    return SQLITE_OK;
}

static void sqlite_end(void *arg)
{
    (void)arg;
}

void heap_install(void)
{
    static const sqlite3_mem_methods methods = {.xMalloc = sqlite_take,
                                                .xFree = mem_free,
                                                .xRealloc = sqlite_resize,
                                                .xSize = sqlite_size,
                                                .xRoundup = sqlite_round,
                                                .xInit = sqlite_begin,
                                                .xShutdown = sqlite_end};
    json_object_seed(1); /* wire_init would draw one */
    wire_init();
    /* Configured and begun here first, SQLite refuses what the store would set: no mutexes, which a
     * process that ends in the middle of a call would leave locked. */
    int rc = sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    rc = rc ? rc : sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    rc = rc ? rc : sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    rc = rc ? rc : sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1);
    rc = rc ? rc : sqlite3_initialize();
    ASSERT(rc == SQLITE_OK);
}

/* Engine SQLite: the log goes to the kernel in large pieces.
 *
 * SQLite writes its log as a 24-byte header and a page, again and again; the system calls cost the
 * writer about a sixth of its time. This layer over SQLite's own VFS gathers adjoining writes to
 * the log and passes them on before anything that could notice: a sync, a read, a truncation, a
 * look at the size, the end. SQLite publishes what a commit wrote only after its sync
 * (synchronous=FULL, which set_up checks), so no other connection looks for bytes that are still
 * here. A write that fails is reported by the call that passed it on: the sync of the commit.
 * The database file is left alone: a checkpoint that readers cut short publishes without a sync. */
#include "store/store_sqlite.h"

#define GATHER_BYTES ((size_t)128 * 1024)
#define REAL_OFFSET ((sizeof(struct gather_file) + 15) / 16 * 16)

struct gather_file {
    sqlite3_file base;
    sqlite3_file *real; /* SQLite's, behind this struct */
    uint8_t *bytes;     /* GATHER_BYTES, from the first write on */
    size_t n;           /* in `bytes`, to be written at `at` */
    sqlite3_int64 at;
};

static struct gather_file *gather_of(sqlite3_file *f)
{
    return (struct gather_file *)f;
}

static int pass_on(struct gather_file *g)
{
    size_t n = g->n;
    g->n = 0; /* after a failure the transaction is undone, and written anew if at all */
    return n ? g->real->pMethods->xWrite(g->real, g->bytes, (int)n, g->at) : SQLITE_OK;
}

static int gather_close(sqlite3_file *f)
{
    struct gather_file *g = gather_of(f);
    int rc = pass_on(g), closed = g->real->pMethods->xClose(g->real);
    mem_free(g->bytes);
    g->bytes = NULL;
    return rc ? rc : closed;
}

static int gather_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    struct gather_file *g = gather_of(f);
    int rc = pass_on(g);
    return rc ? rc : g->real->pMethods->xRead(g->real, to, n, at);
}

static int gather_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    struct gather_file *g = gather_of(f);
    if (!g->bytes && (size_t)n < GATHER_BYTES)
        g->bytes = mem_alloc(GATHER_BYTES);
    if (g->n > 0 && (at != g->at + (sqlite3_int64)g->n || g->n + (size_t)n > GATHER_BYTES)) {
        int rc = pass_on(g);
        if (rc)
            return rc;
    }
    if (!g->bytes || (size_t)n >= GATHER_BYTES)
        return g->real->pMethods->xWrite(g->real, from, n, at);
    if (g->n == 0)
        g->at = at;
    memcpy(g->bytes + g->n, from, (size_t)n);
    g->n += (size_t)n;
    return SQLITE_OK;
}

static int gather_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    struct gather_file *g = gather_of(f);
    int rc = pass_on(g);
    return rc ? rc : g->real->pMethods->xTruncate(g->real, size);
}

static int gather_sync(sqlite3_file *f, int flags)
{
    struct gather_file *g = gather_of(f);
    int rc = pass_on(g);
    return rc ? rc : g->real->pMethods->xSync(g->real, flags);
}

static int gather_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    struct gather_file *g = gather_of(f);
    int rc = pass_on(g);
    return rc ? rc : g->real->pMethods->xFileSize(g->real, ret);
}

/* SQLite locks the database file, never its log. */
static int gather_lock(sqlite3_file *f, int level)
{
    return gather_of(f)->real->pMethods->xLock(gather_of(f)->real, level);
}

static int gather_unlock(sqlite3_file *f, int level)
{
    return gather_of(f)->real->pMethods->xUnlock(gather_of(f)->real, level);
}

static int gather_reserved(sqlite3_file *f, int *ret)
{
    return gather_of(f)->real->pMethods->xCheckReservedLock(gather_of(f)->real, ret);
}

static int gather_control(sqlite3_file *f, int op, void *arg)
{
    struct gather_file *g = gather_of(f);
    int rc = pass_on(g);
    return rc ? rc : g->real->pMethods->xFileControl(g->real, op, arg);
}

static int gather_sector(sqlite3_file *f)
{
    return gather_of(f)->real->pMethods->xSectorSize(gather_of(f)->real);
}

static int gather_traits(sqlite3_file *f)
{
    return gather_of(f)->real->pMethods->xDeviceCharacteristics(gather_of(f)->real);
}

/* Version 1: shared memory and maps belong to the database file. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = gather_close,
    .xRead = gather_read,
    .xWrite = gather_write,
    .xTruncate = gather_truncate,
    .xSync = gather_sync,
    .xFileSize = gather_size,
    .xLock = gather_lock,
    .xUnlock = gather_unlock,
    .xCheckReservedLock = gather_reserved,
    .xFileControl = gather_control,
    .xSectorSize = gather_sector,
    .xDeviceCharacteristics = gather_traits,
};

static int gather_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
                       int *ret_flags)
{
    sqlite3_vfs *real = vfs->pAppData;
    struct gather_file *g = gather_of(f);
    if (!(flags & SQLITE_OPEN_WAL))
        return real->xOpen(real, name, f, flags, ret_flags);
    *g = (struct gather_file){.real = (sqlite3_file *)((uint8_t *)f + REAL_OFFSET)};
    int rc = real->xOpen(real, name, g->real, flags, ret_flags);
    if (g->real->pMethods) /* it says so when xClose has to be called */
        g->base.pMethods = &methods;
    return rc;
}

int sqlite_gather_register(void)
{
    static sqlite3_vfs vfs;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    if (!real)
        return SQLITE_ERROR;
    vfs = *real; /* all but xOpen works on names */
    vfs.pNext = NULL;
    vfs.pAppData = real;
    vfs.zName = SQLITE_GATHER;
    vfs.szOsFile = (int)REAL_OFFSET + real->szOsFile;
    vfs.xOpen = gather_open;
    return sqlite3_vfs_register(&vfs, 0);
}

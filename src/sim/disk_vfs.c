/* The disk as SQLite sees it. */
#include "sim/disk_internal.h"

/* SQLite's file; in the memory of the process. What the disk knows of it lives with the disk. */
struct vfs_file {
    sqlite3_file base;
    struct handle *h;
};

/* Names that begin so are of the disk with the number that follows, whatever is mounted. */
#define OF_DISK "/.disk-"

static struct disk *mounted;
static int mounted_owner;
static uint64_t mounted_key; /* what SQLite's randomness is drawn from */

static struct handle *handle_of(sqlite3_file *f)
{
    return ((struct vfs_file *)(void *)f)->h;
}

/* --- faults --- */
static int kind_index(enum disk_call call)
{
    int i = 0;
    while (!((unsigned)call >> i & 1))
        i++;
    return i;
}

static bool fails(struct disk *d, enum disk_call call)
{
    d->calls[kind_index(call)]++;
    if (!(d->fail_calls & (unsigned)call) || d->fail_nth == 0)
        return false;
    d->fail_seen++;
    return d->fail_seen == d->fail_nth || (d->fail_for_ever && d->fail_seen > d->fail_nth);
}

static void before_write(struct disk *d, enum disk_call call)
{
    if (d->on_write)
        d->on_write(d->on_write_arg, call);
}

static void tell(struct disk *d, enum disk_call call, const struct file *f, sqlite3_int64 at, int n,
                 const void *bytes)
{
    struct disk_event e = {call, f->name, at, n, bytes};
    if (d->on_event && f->name[0])
        d->on_event(d->on_event_arg, &e);
}

/* --- reading and writing --- */
static int vfs_read(sqlite3_file *base, void *to, int n, sqlite3_int64 at)
{
    struct handle *h = handle_of(base);
    if (fails(h->disk, DISK_READ))
        return SQLITE_IOERR_READ;
    size_t have = bytes_read(&h->file->live, (size_t)at, to, (size_t)n);
    return have == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int vfs_write(sqlite3_file *base, const void *from, int n, sqlite3_int64 at)
{
    struct handle *h = handle_of(base);
    before_write(h->disk, DISK_WRITE);
    int rc = SQLITE_OK, done = n;
    if (fails(h->disk, DISK_WRITE)) {
        rc = h->disk->fail_how == DISK_EIO ? SQLITE_IOERR_WRITE : SQLITE_FULL;
        done = h->disk->fail_how == DISK_SHORT ? n / 2 : 0;
    }
    struct heap *before = heap_enter(NULL);
    if (done > 0) {
        file_write(h->disk, h->file, (size_t)at, from, (size_t)done);
        tell(h->disk, DISK_WRITE, h->file, at, done, from);
    }
    (void)heap_enter(before);
    return rc;
}

static int vfs_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct handle *h = handle_of(base);
    before_write(h->disk, DISK_TRUNCATE);
    if (fails(h->disk, DISK_TRUNCATE))
        return SQLITE_IOERR_TRUNCATE;
    struct heap *before = heap_enter(NULL);
    file_truncate(h->disk, h->file, (size_t)size);
    tell(h->disk, DISK_TRUNCATE, h->file, size, 0, NULL);
    (void)heap_enter(before);
    return SQLITE_OK;
}

static int vfs_sync(sqlite3_file *base, int flags)
{
    struct handle *h = handle_of(base);
    (void)flags;
    before_write(h->disk, DISK_SYNC);
    if (fails(h->disk, DISK_SYNC))
        return SQLITE_IOERR_FSYNC; /* the changes stay open: not durable, not gone */
    struct heap *before = heap_enter(NULL);
    file_sync(h->disk, h->file);
    tell(h->disk, DISK_SYNC, h->file, 0, 0, NULL);
    (void)heap_enter(before);
    return SQLITE_OK;
}

static int vfs_size(sqlite3_file *base, sqlite3_int64 *ret)
{
    struct handle *h = handle_of(base);
    if (fails(h->disk, DISK_OTHER))
        return SQLITE_IOERR_FSTAT;
    *ret = (sqlite3_int64)h->file->live.size;
    return SQLITE_OK;
}

/* --- locks of the file: SQLite's five levels --- */
static bool others_at(const struct handle *h, int level)
{
    for (const struct handle *o = h->disk->handles; o; o = o->next)
        if (o != h && o->file == h->file && o->level >= level)
            return true;
    return false;
}

static int vfs_lock(sqlite3_file *base, int level)
{
    struct handle *h = handle_of(base);
    if (h->level >= level)
        return SQLITE_OK;
    if (level == SQLITE_LOCK_SHARED && others_at(h, SQLITE_LOCK_PENDING))
        return SQLITE_BUSY;
    if (level >= SQLITE_LOCK_RESERVED && others_at(h, SQLITE_LOCK_RESERVED))
        return SQLITE_BUSY;
    if (level == SQLITE_LOCK_EXCLUSIVE && others_at(h, SQLITE_LOCK_SHARED)) {
        h->level = SQLITE_LOCK_PENDING;
        return SQLITE_BUSY;
    }
    h->level = level;
    return SQLITE_OK;
}

static int vfs_unlock(sqlite3_file *base, int level)
{
    struct handle *h = handle_of(base);
    if (h->level > level)
        h->level = level;
    return SQLITE_OK;
}

static int vfs_reserved(sqlite3_file *base, int *ret)
{
    struct handle *h = handle_of(base);
    *ret = h->level >= SQLITE_LOCK_RESERVED || others_at(h, SQLITE_LOCK_RESERVED);
    return SQLITE_OK;
}

/* --- shared memory of the log's index --- */
static int vfs_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **ret)
{
    struct handle *h = handle_of(base);
    *ret = NULL;
    if (fails(h->disk, DISK_OTHER))
        return SQLITE_IOERR_SHMMAP;
    if (region >= SHM_REGIONS_MAX)
        return SQLITE_FULL;
    if (!h->shm) {
        h->shm = true;
        h->file->shm_users++;
    }
    if (!h->file->shm[region] && extend) {
        struct heap *before = heap_enter(NULL);
        h->file->shm[region] = mem_alloc((size_t)size);
        (void)heap_enter(before);
    }
    *ret = h->file->shm[region];
    return SQLITE_OK;
}

static int vfs_shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
    struct handle *h = handle_of(base);
    unsigned mask = ((1u << n) - 1) << offset;
    if (flags & SQLITE_SHM_UNLOCK) {
        h->shared &= ~mask;
        h->exclusive &= ~mask;
        return SQLITE_OK;
    }
    for (const struct handle *o = h->disk->handles; o; o = o->next) {
        if (o == h || o->file != h->file)
            continue;
        unsigned held = flags & SQLITE_SHM_EXCLUSIVE ? o->shared | o->exclusive : o->exclusive;
        if (held & mask)
            return SQLITE_BUSY;
    }
    if (flags & SQLITE_SHM_EXCLUSIVE)
        h->exclusive |= mask;
    else
        h->shared |= mask;
    return SQLITE_OK;
}

static void vfs_shm_barrier(sqlite3_file *base)
{
    (void)base;
}

static void shm_leave(struct handle *h)
{
    struct file *f = h->file;
    h->shared = h->exclusive = 0;
    if (!h->shm)
        return;
    h->shm = false;
    if (--f->shm_users > 0)
        return;
    shm_drop(f); /* the next who comes begins anew from the log, as with a file -shm of the dead */
}

static int vfs_shm_unmap(sqlite3_file *base, int delete)
{
    (void)delete;
    struct heap *before = heap_enter(NULL);
    shm_leave(handle_of(base));
    (void)heap_enter(before);
    return SQLITE_OK;
}

/* --- the rest of a file --- */
static void handle_drop(struct handle *h)
{
    struct handle **at = &h->disk->handles;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    shm_leave(h);
    file_close(h->disk, h->file);
    mem_free(h);
}

static int vfs_close(sqlite3_file *base)
{
    struct heap *before = heap_enter(NULL);
    handle_drop(handle_of(base));
    (void)heap_enter(before);
    return SQLITE_OK;
}

static int vfs_control(sqlite3_file *base, int op, void *arg)
{
    (void)base, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int vfs_sector(sqlite3_file *base)
{
    (void)base;
    return DISK_SECTOR;
}

/* What Debian's SQLite takes for granted of any disk: a write that is cut off leaves what lies
 * beside it alone. Nothing else: writes may be torn and come in any order. */
static int vfs_traits(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_unlock,
    .xCheckReservedLock = vfs_reserved,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector,
    .xDeviceCharacteristics = vfs_traits,
    .xShmMap = vfs_shm_map,
    .xShmLock = vfs_shm_lock,
    .xShmBarrier = vfs_shm_barrier,
    .xShmUnmap = vfs_shm_unmap,
};

/* --- the file system --- */
/* Whose file is it? Leaves the name on that disk. NULL: no such disk. */
static struct disk *disk_of(const char **name, int *ret_owner)
{
    struct str s = str_from(*name);
    int64_t number;
    *ret_owner = mounted_owner;
    if (!str_starts(s, STR(OF_DISK)))
        return mounted;
    const char *digits = *name + strlen(OF_DISK);
    size_t n = strcspn(digits, "/");
    if (!str_to_i64((struct str){digits, n}, &number))
        return NULL;
    *ret_owner = -1;
    *name = digits + n;
    return disk_by_number(number);
}

/* name "": a file that nobody else can find. */
static struct file *open_file(struct disk *d, const char *name, int flags)
{
    struct file *f = name[0] ? disk_find(d, name) : NULL;
    if (f)
        return flags & SQLITE_OPEN_EXCLUSIVE ? NULL : f;
    return !name[0] || flags & SQLITE_OPEN_CREATE ? file_new(d, name) : NULL;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags,
                    int *ret_flags)
{
    struct vfs_file *vf = (struct vfs_file *)(void *)base;
    int owner;
    (void)vfs;
    base->pMethods = NULL;
    if (!name || flags & SQLITE_OPEN_DELETEONCLOSE)
        name = ""; /* as on a real disk, where its name goes at once */
    struct disk *d = disk_of(&name, &owner);
    if (!d)
        return SQLITE_CANTOPEN;
    if (fails(d, DISK_OTHER))
        return SQLITE_CANTOPEN;
    struct heap *before = heap_enter(NULL);
    struct file *f = open_file(d, name, flags);
    if (f) {
        vf->h = mem_alloc(sizeof *vf->h);
        ASSERT(vf->h != NULL);
        *vf->h = (struct handle){.next = d->handles, .disk = d, .file = f, .owner = owner};
        d->handles = vf->h;
        f->handles++;
    }
    (void)heap_enter(before);
    if (!f)
        return SQLITE_CANTOPEN;
    base->pMethods = &methods;
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    int owner;
    (void)vfs;
    struct disk *d = disk_of(&name, &owner);
    struct file *f = d ? disk_find(d, name) : NULL;
    if (!f)
        return SQLITE_IOERR_DELETE_NOENT;
    before_write(d, DISK_OTHER);
    if (fails(d, DISK_OTHER))
        return SQLITE_IOERR_DELETE;
    struct heap *before = heap_enter(NULL);
    tell(d, DISK_OTHER, f, 0, sync != 0, NULL);
    file_remove(d, f, sync);
    (void)heap_enter(before);
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    int owner;
    (void)vfs;
    struct disk *d = disk_of(&name, &owner);
    if (d && fails(d, DISK_OTHER))
        return SQLITE_IOERR_ACCESS;
    const struct file *f = d ? disk_find(d, name) : NULL;
    *ret = f && (flags != SQLITE_ACCESS_EXISTS || f->live.size > 0);
    return SQLITE_OK;
}

static int vfs_path(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
    (void)vfs;
    int len = snprintf(out, (size_t)n, "%s%s", name[0] == '/' ? "" : "/", name);
    return len < n ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* The same again until the next disk_mount: who only looks at a disk changes nothing for others. */
static int vfs_random(sqlite3_vfs *vfs, int n, char *out)
{
    struct det d = {.s = {mounted_key, 1, 2, 3}};
    (void)vfs;
    for (int i = 0; i < 8; i++)
        (void)det_u64(&d);
    det_fill(&d, out, (size_t)n);
    return n;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us; /* nothing else could happen meanwhile */
}

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
    (void)vfs;
    *ret = sim_now_us() / 1000 + INT64_C(210866760000000);
    return SQLITE_OK;
}

static int vfs_error(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs, (void)n, (void)out;
    return 0;
}

void disk_install(void)
{
    static sqlite3_vfs vfs = {.iVersion = 2,
                              .szOsFile = sizeof(struct vfs_file),
                              .mxPathname = 100,
                              .zName = "florin-sim",
                              .xOpen = vfs_open,
                              .xDelete = vfs_delete,
                              .xAccess = vfs_access,
                              .xFullPathname = vfs_path,
                              .xRandomness = vfs_random,
                              .xSleep = vfs_sleep,
                              .xCurrentTimeInt64 = vfs_time,
                              .xGetLastError = vfs_error};
    int rc = sqlite3_vfs_register(&vfs, 1);
    ASSERT(rc == SQLITE_OK);
}

void disk_mount(struct disk *d, int owner)
{
    mounted = d;
    mounted_owner = owner;
    mounted_key = d ? det_u64(&d->random) : 0;
    sqlite3_randomness(0, NULL); /* SQLite draws anew; else it would go on over all that is run */
}

void disk_process_gone(struct disk *d, int owner)
{
    struct heap *before = heap_enter(NULL);
    for (struct handle *h = d->handles, *next; h; h = next) {
        next = h->next;
        if (h->owner == owner)
            handle_drop(h);
    }
    (void)heap_enter(before);
}

sqlite3 *disk_database(struct disk *d, const char *file, char why[200])
{
    char name[100];
    sqlite3 *db = NULL;
    struct heap *before = heap_enter(NULL);
    (void)snprintf(name, sizeof name, OF_DISK "%lld%s%s", (long long)d->number,
                   file[0] == '/' ? "" : "/", file);
    int rc = sqlite3_open_v2(name, &db, SQLITE_OPEN_READWRITE, "florin-sim");
    if (rc == SQLITE_OK) /* its end leaves the files as they are */
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK) /* reads the schema, and the log; its temporary files would be the mounted
                            disk's */
        rc = sqlite3_exec(db, "PRAGMA temp_store=MEMORY; SELECT count(*) FROM sqlite_schema", NULL,
                          NULL, NULL);
    if (rc != SQLITE_OK) {
        (void)snprintf(why, 200, "%s", db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
        (void)sqlite3_close(db);
        db = NULL;
    }
    (void)heap_enter(before);
    return db;
}

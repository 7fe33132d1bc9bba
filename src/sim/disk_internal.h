/* Between the files of the disk. */
#ifndef FLORIN_SIM_DISK_INTERNAL_H
#define FLORIN_SIM_DISK_INTERNAL_H

#include "sim/sim_internal.h"

#define DISK_SECTOR 512
#define DISK_CHUNK 4096
#define SHM_REGIONS_MAX 64

/* Contents are made of chunks that copies share until one of them writes. */
struct chunk {
    size_t holders;
    uint8_t b[DISK_CHUNK];
};
struct bytes {
    struct chunk **chunks; /* NULL: zeros, as are all bytes of a chunk behind the size */
    size_t n, cap, size;
};

/* A write or truncation that no sync has made durable. */
struct change {
    bool truncation;
    size_t at, n, said; /* truncation: at = the new size; said: where its bytes are in the file's */
    uint64_t order;
};

struct file {
    struct file *next;
    char name[120]; /* "": nobody finds it any more, or ever could */
    size_t handles;
    bool kept;            /* was synced once, so it is there after a loss of power */
    bool deleted;         /* but a loss of power may bring it back */
    uint64_t made, ended; /* when, as changes are counted */
    bool settled;         /* durable is what is live, and not held a second time */
    struct bytes live, durable;
    struct change *changes;
    size_t changes_n, changes_cap;
    uint8_t *said; /* the bytes of changes */
    size_t said_n, said_cap;
    void *shm[SHM_REGIONS_MAX];
    size_t shm_users;
};

struct handle {
    struct handle *next;
    struct disk *disk;
    struct file *file;
    int owner, level;
    bool shm;
    unsigned shared, exclusive; /* bits of shm locks */
};

struct disk {
    struct disk *next; /* of all */
    int64_t number;
    struct file *files; /* in the order of their making */
    struct handle *handles;
    uint64_t order; /* of the last change */
    struct det random;
    unsigned fail_calls;
    int64_t fail_nth, fail_seen, calls[5];
    enum disk_fault fail_how;
    bool fail_for_ever;
    void (*on_write)(void *arg, enum disk_call call);
    void *on_write_arg;
    void (*on_event)(void *arg, const struct disk_event *e);
    void *on_event_arg;
};

/* --- disk_bytes.c: contents --- */
/* Bytes that there are at that place, up to n; the rest of `to` is zeroed. */
size_t bytes_read(const struct bytes *b, size_t at, uint8_t *to, size_t n);
void bytes_write(struct bytes *b, size_t at, const uint8_t *p, size_t n);
void bytes_resize(struct bytes *b, size_t size);
/* Makes `to`, which is empty, the same. */
void bytes_share(struct bytes *to, const struct bytes *from);
/* Makes chunks [first, end) the same, and the number of chunks. */
void bytes_follow(struct bytes *to, const struct bytes *from, size_t first, size_t end);
void bytes_free(struct bytes *b);
uint64_t bytes_hash(uint64_t h, const struct bytes *b);

/* --- disk.c: files and what is durable --- */
/* NULL: there is none. */
struct file *disk_find(const struct disk *d, const char *name);
struct file *file_new(struct disk *d, const char *name);
void file_write(struct disk *d, struct file *f, size_t at, const uint8_t *p, size_t n);
void file_truncate(struct disk *d, struct file *f, size_t size);
void file_sync(struct disk *d, struct file *f);
/* durably: the directory was synced, too. */
void file_remove(struct disk *d, struct file *f, bool durably);
void file_close(struct disk *d, struct file *f);
void shm_drop(struct file *f);
/* By its number; NULL: there is none. */
struct disk *disk_by_number(int64_t number);

/* --- disk_power.c: what is left without power --- */
/* How a loss of power treats what is not durable: changes, files made, files deleted. */
enum loss_kind {
    LOSE_NOTHING,
    LOSE_ALL,
    LOSE_ONE,   /* the one of that order */
    LOSE_AFTER, /* that one is torn, all after it are lost */
    LOSE_ANY,   /* each for itself */
    LOSS_KINDS
};
struct loss {
    enum loss_kind kind;
    uint64_t order;
    unsigned keep; /* LOSE_ANY: so many of 16 are kept whole */
    struct det *rng;
};
/* How many things there are that could be lost; the order of the i-th. */
size_t disk_pending(const struct disk *d);
uint64_t disk_pending_order(const struct disk *d, size_t i);
/* A new disk with what the loss leaves. */
struct disk *disk_remains(const struct disk *d, const struct loss *loss);

#endif

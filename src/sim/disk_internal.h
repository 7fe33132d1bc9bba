/* Between the files of the disk. */
#ifndef FLORIN_SIM_DISK_INTERNAL_H
#define FLORIN_SIM_DISK_INTERNAL_H

#include "sim/sim_internal.h"

#define DISK_FILES_MAX 8
#define DISK_SECTOR 512
#define SHM_REGIONS_MAX 64

/* A write or truncation that no sync has made durable. */
struct change {
    bool truncation;
    size_t at, n; /* truncation: at = the new size */
    uint8_t *bytes;
};

#define DISK_CHUNK 4096
struct chunk {
    int refs;
    uint8_t data[DISK_CHUNK];
};
struct bytes {
    struct chunk **chunk; /* NULL: zeros */
    size_t n, places;
};

struct file {
    char name[80];
    bool exists, kept; /* kept: was synced once, so it is there after a loss of power */
    struct bytes live, durable;
    struct change *changes;
    size_t changes_n, changes_cap;
    void *shm[SHM_REGIONS_MAX];
    int shm_users;
};

struct handle {
    struct handle *next;
    struct disk *disk;
    struct file *file;
    int owner, level;
    bool delete_on_close, shm;
    unsigned shared, exclusive; /* bits of shm locks */
};

struct disk {
    struct file files[DISK_FILES_MAX];
    struct handle *handles;
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

/* --- disk.c: files and what is durable --- */
/* Shape: within the contents. */
void bytes_read(const struct bytes *b, size_t at, uint8_t *to, size_t n);
struct file *disk_file(struct disk *d, const char *name, bool make);
void file_write(struct file *f, size_t at, const uint8_t *p, size_t n);
void file_truncate(struct file *f, size_t n);
void file_sync(struct file *f);
void file_remove(struct file *f);

#endif

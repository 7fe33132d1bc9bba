/* For tests: a folder of their own, and a store in it. */
#ifndef FLORIN_STORE_FOLDER_H
#define FLORIN_STORE_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"

struct folder {
    char path[64];
    char file[80]; /* where its store is */
};

/* Empty, under a name that nothing else has. */
static inline struct folder folder_make(void)
{
    struct folder f = {.path = "/tmp/florin-test-XXXXXX"};
    assert_non_null(mkdtemp(f.path));
    (void)snprintf(f.file, sizeof f.file, "%s/florin.db", f.path);
    return f;
}

/* For nftw. */
static inline int folder_remove_one(const char *path, const struct stat *st, int type,
                                    struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

/* With all that is in it. */
static inline void folder_remove(const struct folder *f)
{
    assert_int_equal(nftw(f->path, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* A store that is brought up to date; the test fails where that does. */
static inline struct store *open_with(const struct store_config *config)
{
    struct store *s = NULL;
    struct err_info why = {.err = OK};
    if (store_open(config, true, &s, &why))
        fail_msg("store_open: %s", why.detail);
    return s;
}

/* The folder's store; what `special` leaves out is as small tests need it. */
static inline struct store *folder_open(const struct folder *f, struct store_config special)
{
    special.path = f->file;
    special.migrations = special.migrations ? special.migrations : "florin";
    special.batch_max = special.batch_max ? special.batch_max : 64;
    special.readers = special.readers ? special.readers : 1;
    special.cache_kib = special.cache_kib ? special.cache_kib : 1024;
    special.queue_max = special.queue_max ? special.queue_max : 10000;
    return open_with(&special);
}

#endif

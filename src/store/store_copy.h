/* Moving a SQLite store to PostgreSQL. */
#ifndef FLORIN_STORE_COPY_H
#define FLORIN_STORE_COPY_H

#include "base/base.h"

struct copy_table {
    char name[64];
    int64_t rows, done; /* in the source, in the destination */
};
#define COPY_TABLES_MAX 64

struct copy {
    const char *from, *to; /* a SQLite file, kept from being written until the end; a URI */
    /* After every chunk; may be NULL. */
    void (*progress)(const struct copy *c, const struct copy_table *t, void *arg);
    void *arg;
    /* out */
    struct copy_table tables[COPY_TABLES_MAX];
    size_t tables_n;
    int64_t floor; /* the source's schema_floor */
    void *source;  /* private: the source, locked */
};
/* Copies every table but those of the schema and of connections, in the order of primary keys and
 * in transactions of a few thousand rows, so that a copy that was broken off goes on after the
 * destination's last row. Until copy_end no Florin opens the destination (table schema_floor).
 * Compares the row counts. Errors: ERR_STORE with the sentence: the destination has rows of its
 * own, or of another source, or the source has changed since the copy began. */
MUST_CHECK err_t copy_run(struct copy *c, struct err_info *reterr);
/* The destination is whole: opens it to Florin. Errors: ERR_STORE. */
MUST_CHECK err_t copy_end(struct copy *c, struct err_info *reterr);
/* Lets go of the source: always, after copy_run. */
void copy_release(struct copy *c);

#endif

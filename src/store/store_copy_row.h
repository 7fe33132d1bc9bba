/* A table's shape and its rows in COPY's binary form; private to the copy. */
#ifndef FLORIN_STORE_COPY_ROW_H
#define FLORIN_STORE_COPY_ROW_H

#include <libpq-fe.h>
#include <sqlite3.h>

#include "base/base.h"

#define COPY_COLUMNS_MAX 40
#define COPY_KEY_MAX 5 /* columns of a primary key */

struct copy_shape {
    const char *table;
    char columns_text[2048], key_text[256],
        key_down[320]; /* "a, b, c"; the primary key's in its order, and "a DESC, b DESC" */
    int columns, key;
    int key_column[COPY_KEY_MAX];    /* which columns the key is made of */
    uint8_t width[COPY_COLUMNS_MAX]; /* of an integer in bytes; 0: text or bytes */
    bool is_text[COPY_COLUMNS_MAX];
};
/* What either side said, as a sentence. Result: ERR_STORE. */
err_t copy_from_failed(sqlite3 *from, struct err_info *reterr);
err_t copy_to_failed(PGconn *to, struct err_info *reterr);
/* From both catalogs. Errors: ERR_STORE: a column is not at the destination, or has a type that no
 * migration may use. */
MUST_CHECK err_t copy_shape_read(sqlite3 *from, PGconn *to, const char *table,
                                 struct copy_shape *ret, struct err_info *reterr);
/* The rows after the destination's last one, in the order of the key. Errors: ERR_STORE. */
MUST_CHECK err_t copy_rest(sqlite3 *from, PGconn *to, const struct copy_shape *s,
                           sqlite3_stmt **ret, struct err_info *reterr);
/* The beginning and the end of a stream, and a row of it (PostgreSQL's manual, COPY, "Binary
 * Format"). */
void copy_row_head(struct buf *out);
void copy_row_end(struct buf *out);
MUST_CHECK err_t copy_row(const struct copy_shape *s, sqlite3_stmt *st, struct buf *out,
                          struct err_info *reterr);

#endif

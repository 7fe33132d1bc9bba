/* A table of banks: what the leading digits of a card number say. CSV: bin,brand,funding,issuer,
 * country; the longest of 6 to 8 digits that fits tells. */
#ifndef FLORIN_CUSTOMERS_BINS_H
#define FLORIN_CUSTOMERS_BINS_H

#include <pthread.h>

#include "base/base.h"

#define BIN_ROWS_MAX 2000000
#define BIN_FILE_MAX ((size_t)256 << 20)
#define BIN_ISSUER_MAX 321 /* 80 code points */

/* Empty: not known. */
struct bin_entry {
    char brand[17], funding[9], issuer[BIN_ISSUER_MAX], country[3];
};

struct bins;
/* Reads a table. Shape: takes text over, also after an error. Errors: ERR_CONFIG with the number of
 * the line and what is wrong with it; ERR_NO_MEMORY. */
MUST_CHECK err_t bins_read(struct buf *text, struct bins **ret, struct err_info *reterr);
/* bin: the leading digits, 6 to 8 of them that are known; false: the table has nothing. */
bool bins_find(const struct bins *b, struct str bin, struct bin_entry *ret);
/* How many lines it has. */
size_t bins_count(const struct bins *b);
/* Shape: NULL is allowed. */
void bins_free(struct bins *b);

/* The table in use, which can be replaced while others look. */
struct bin_table {
    pthread_mutex_t lock;
    struct bins *bins; /* NULL: none */
};
/* Shape: empty, at a place where it stays. */
void bin_table_init(struct bin_table *t);
/* Takes bins over (NULL: none); frees those before. */
void bin_table_put(struct bin_table *t, struct bins *bins);
/* As bins_find; *ret is emptied when there is nothing. Shape: t NULL: nothing. Any thread. */
bool bin_table_find(struct bin_table *t, struct str bin, struct bin_entry *ret);
/* Frees what is in it. */
void bin_table_release(struct bin_table *t);

#endif

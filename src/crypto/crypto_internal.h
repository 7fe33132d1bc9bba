/* Helpers between the files of crypto. */
#ifndef FLORIN_CRYPTO_INTERNAL_H
#define FLORIN_CRYPTO_INTERNAL_H

#include "base/base.h"

/* Adds n zero bytes and returns where they begin, so that results are written in place and no copy
 * of a secret is left elsewhere. NULL when the buffer is full (it is then as before, and failed) or
 * when there is nothing in it. */
uint8_t *crypto_grow(struct buf *b, size_t n);
/* Shortens to n bytes and wipes the rest. */
void crypto_cut(struct buf *b, size_t n);

#endif

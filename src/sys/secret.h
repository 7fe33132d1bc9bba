/* Memory for keys and card numbers: pages of their own that are neither swapped, dumped, inherited
 * nor readable by other processes where the kernel knows how. There is no way to log one. */
#ifndef FLORIN_SYS_SECRET_H
#define FLORIN_SYS_SECRET_H

#include "base/base.h"

struct secret {
    uint8_t *p;
    size_t n;
};
/* Shape: n > 0 bytes, zeroed, between two pages that fault. memfd_secret(2), else locked memory,
 * else plain: secret_quality says which. Errors: ERR_NO_MEMORY. */
MUST_CHECK err_t secret_make(size_t n, struct secret *ret);
/* Wipes and frees; *s is empty then. An empty one is allowed. */
void secret_free(struct secret *s);
enum secret_quality {
    SECRET_PLAIN,
    SECRET_LOCKED,
    SECRET_HIDDEN /* not even the kernel maps it */
};
/* The least of what has been made so far. */
enum secret_quality secret_quality(void);
/* "plain", "locked", "hidden". */
const char *secret_quality_text(void);

/* A secret that another process of ours can be handed as a file descriptor (memfd_secret, else a
 * sealed memfd). Shape: n up to a page. Errors: ERR_NO_MEMORY. */
MUST_CHECK err_t secret_share(const void *p, size_t n, int *ret_fd);
/* Copies the n bytes of such a descriptor; it stays open. Errors: ERR_IO: it has not as many. */
MUST_CHECK err_t secret_read(int fd, void *p, size_t n);

#endif

/* Errors: one registry (errors.def) of codes with HTTP status, class, public code and sentence. */
#ifndef FLORIN_BASE_ERROR_H
#define FLORIN_BASE_ERROR_H

#include <stdint.h>
#include "base/check.h"
#include "base/str.h"

/* PEER: the caller's fault. SOFT: repeat the transaction. DOWN: something we depend on. BUG: our
 * fault. */
enum error_class { ERROR_PEER, ERROR_SOFT, ERROR_DOWN, ERROR_BUG };

enum {
    OK = 0,
#define X(name, code, status, klass, title) ERR_##name,
#include "base/errors.def"
#undef X
    ERR_COUNT
};

typedef int err_t; /* OK or one of ERR_* */

struct error_def {
    const char *code; /* public code, e.g. "parameter_invalid" */
    int status;       /* HTTP status */
    enum error_class klass;
    const char *title; /* fixed sentence per code (RFC 9457 title) */
};

#define ERROR_ITEMS_MAX 8

/* What is told about one failed field: a JSON pointer ("#/amount") and a sentence. */
struct error_item {
    char pointer[96];
    char detail[160];
};

/* The explanation of an error, owned by the request. Zero it before use. No secret may enter it. */
struct err_info {
    err_t err;
    char detail[240];
    char param[96];    /* name of the first failed field, "" when none */
    int retry_after_s; /* > 0: send Retry-After */
    int items;
    struct error_item item[ERROR_ITEMS_MAX];
};

/* Shape: any err_t; ret never NULL (an unknown number gives the entry of internal_error). Source:
 * errors.def. */
const struct error_def *error_def(err_t err);

/* Sets err and a printf detail; returns err so that `return error_set(...)` reads well. `info` may
 * be NULL. */
PRINTF_LIKE(3, 4) err_t error_set(struct err_info *info, err_t err, const char *fmt, ...);

/* As error_set, and names the field: adds an item with pointer "#/<param with dots as slashes>";
 * the first one also sets `param` and `detail`. More than ERROR_ITEMS_MAX items are counted no
 * further. */
PRINTF_LIKE(4, 5)
err_t error_param(struct err_info *info, err_t err, const char *param, const char *fmt, ...);

#endif

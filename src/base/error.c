#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static const struct error_def defs[ERR_COUNT] = {
    [OK] = {"ok", 200, ERROR_PEER, "Done."},
#define X(name, code, status, klass, title) [ERR_##name] = {code, status, klass, title},
#include "base/errors.def"
#undef X
};

const struct error_def *error_def(err_t err)
{
    if (err < 0 || err >= ERR_COUNT)
        return &defs[ERR_INTERNAL];
    return &defs[err];
}

err_t error_set(struct err_info *info, err_t err, const char *fmt, ...)
{
    ASSERT(err != OK);
    if (!info)
        return err;
    va_list ap;
    va_start(ap, fmt);
    info->err = err;
    (void)vsnprintf(info->detail, sizeof info->detail, fmt, ap);
    va_end(ap);
    return err;
}

static void pointer_from(char *out, size_t max, const char *param)
{
    size_t n = (size_t)snprintf(out, max, "#/%s", param);
    for (size_t i = 2; i < n && i < max; i++)
        if (out[i] == '.')
            out[i] = '/';
}

err_t error_param(struct err_info *info, err_t err, const char *param, const char *fmt, ...)
{
    ASSERT(err != OK);
    if (!info)
        return err;
    char detail[sizeof info->item[0].detail];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    if (info->items == 0) {
        info->err = err;
        (void)snprintf(info->param, sizeof info->param, "%s", param);
        (void)snprintf(info->detail, sizeof info->detail, "%s", detail);
    }
    if (info->items < ERROR_ITEMS_MAX) {
        struct error_item *item = &info->item[info->items++];
        pointer_from(item->pointer, sizeof item->pointer, param);
        (void)snprintf(item->detail, sizeof item->detail, "%s", detail);
    }
    return info->err;
}

/* errors.tsv: what a provider's codes mean. Columns: provider_code, reason, retry, message, from,
 * to (dates, may be absent). */
#include <stdio.h>

#include "connect/connect_internal.h"

#define FILE_MAX ((size_t)1 << 20)
#define LINES_MAX 4096
#define COLUMNS 6

static int retry_find(struct str s)
{
    for (int r = RETRY_NEVER; r <= RETRY_INQUIRE; r++)
        if (str_eq(s, str_from(retry_class_text((enum retry_class)r))))
            return r;
    return -1;
}

static bool date(struct str s, int64_t *ret_us)
{
    char text[32];
    if (s.n == 0) {
        *ret_us = 0;
        return true;
    }
    (void)snprintf(text, sizeof text, STR_FMT "T00:00:00Z", STR_ARG(s));
    return s.n == 10 && time_parse(str_from(text), ret_us);
}

static size_t split(struct str line, struct str out[COLUMNS])
{
    size_t n = 0;
    for (const char *p = line.p, *end = line.p + line.n;; p++) {
        const char *tab = memchr(p, '\t', (size_t)(end - p));
        if (n == COLUMNS)
            return COLUMNS + 1;
        out[n++] = (struct str){p, (size_t)((tab ? tab : end) - p)};
        if (!tab)
            return n;
        p = tab;
    }
}

static bool read_line(struct str line, struct error_line *ret)
{
    struct str col[COLUMNS] = {{NULL, 0}};
    size_t n = split(line, col);
    *ret = (struct error_line){.decline = 0};
    if (n < 4 || n > COLUMNS || col[0].n == 0 || col[0].n >= sizeof ret->code ||
        col[3].n >= sizeof ret->message)
        return false;
    int retry = retry_find(col[2]);
    ret->decline = decline_code_find(col[1]);
    (void)snprintf(ret->code, sizeof ret->code, STR_FMT, STR_ARG(col[0]));
    (void)snprintf(ret->message, sizeof ret->message, STR_FMT, STR_ARG(col[3]));
    ret->retry = (enum retry_class)(retry < 0 ? 0 : retry);
    return ret->decline && retry >= 0 && date(col[4], &ret->from_us) && date(col[5], &ret->to_us);
}

err_t errors_load(struct connector *c, const char *path, struct err_info *reterr)
{
    struct buf text = BUF(FILE_MAX);
    err_t err = sys_read_file(path, FILE_MAX, &text, reterr);
    int number = 0;
    c->errors = err ? NULL : mem_alloc(LINES_MAX * sizeof *c->errors);
    if (!err && !c->errors)
        err = ERR_NO_MEMORY;
    for (const char *p = text.p, *end = text.p + text.n; !err && p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        struct str line = {p, (size_t)((nl ? nl : end) - p)};
        p = nl ? nl + 1 : end;
        number++;
        if (line.n == 0 || line.p[0] == '#' || str_starts(line, STR("provider_code\t")))
            continue;
        if (c->errors_n == LINES_MAX || !read_line(line, &c->errors[c->errors_n++]))
            err = error_set(
                reterr, ERR_CONNECTOR,
                "errors.tsv, line %d: expected provider_code, reason, retry, message, from, to",
                number);
    }
    buf_free(&text);
    if (!err) { /* room for all lines was asked for above; keep what there are */
        void *fit = mem_resize(c->errors, (c->errors_n + 1) * sizeof *c->errors);
        c->errors = fit ? fit : c->errors;
    }
    return err;
}

const struct error_line *errors_find(const struct connector *c, const char *code, int64_t now_us)
{
    for (size_t i = 0; i < c->errors_n; i++) {
        const struct error_line *e = &c->errors[i];
        if (strcmp(e->code, code) == 0 && now_us >= e->from_us &&
            (e->to_us == 0 || now_us < e->to_us))
            return e;
    }
    return NULL;
}

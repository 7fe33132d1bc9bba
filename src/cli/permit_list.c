/* The list of permits that were taken back: a file beside the permits' public key. The role card
 * holds it open from before it is confined, and looks at it every second. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "card/permit.h"
#include "cli/cli_internal.h"
#include "observe/observe.h"

err_t permit_list_path(const struct config *c, char out[1200], struct err_info *reterr)
{
    char key[1100];
    err_t err = in_vault(c, c->permit_key_file, "permit.pub", key, reterr);
    if (err)
        return err;
    const char *slash = strrchr(key, '/');
    (void)snprintf(out, 1200, "%.*s%s", slash ? (int)(slash - key + 1) : 0, key, "permit.revoked");
    return OK;
}

static err_t cannot(const char *what, const char *path, struct err_info *reterr)
{
    return error_set(reterr, ERR_IO, "%.300s cannot be %s: %s", path, what, strerror(errno));
}

err_t permit_list_open(const struct config *c, struct permit_list *l, struct err_info *reterr)
{
    char path[1200];
    *l = (struct permit_list){.fd = -1};
    err_t err = permit_list_path(c, path, reterr);
    if (err)
        return err;
    l->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (l->fd < 0 && errno != ENOENT)
        return cannot("read", path, reterr);
    if (l->fd < 0) /* so that what comes into it later is seen */
        l->fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (l->fd < 0)
        LOG(LOG_WARN, "permit.no_list", LOG_STR("path", path), LOG_STR("error", strerror(errno)));
    return OK;
}

static err_t read_all(int fd, struct buf *out, struct err_info *reterr)
{
    char part[4096];
    ssize_t got;
    while ((got = pread(fd, part, sizeof part, (off_t)out->n)) > 0 && !out->failed)
        buf_add(out, part, (size_t)got);
    if (got == 0 && !out->failed)
        return OK;
    return error_set(reterr, ERR_IO, "the list of permits taken back cannot be read%s",
                     out->failed ? ": it is too long" : "");
}

/* What was seen of it; the time that counts is that of its last change of any kind. */
static bool same(const struct permit_list *l, const struct stat *st)
{
    return l->seen && l->size == st->st_size && l->changed.tv_sec == st->st_ctim.tv_sec &&
           l->changed.tv_nsec == st->st_ctim.tv_nsec;
}

err_t permit_list_look(struct permit_list *l, struct buf *out, bool *ret_changed,
                       struct err_info *reterr)
{
    struct stat st;
    size_t line;
    *ret_changed = false;
    if (l->fd < 0)
        return OK;
    if (fstat(l->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return error_set(reterr, ERR_IO, "the list of permits taken back is no file");
    if (st.st_nlink == 0)
        return error_set(reterr, ERR_NOT_FOUND,
                         "the list of permits taken back was deleted, or another took its place");
    if (same(l, &st))
        return OK;
    if (l->seen && l->size == st.st_size && l->written.tv_sec == st.st_mtim.tv_sec &&
        l->written.tv_nsec == st.st_mtim.tv_nsec) /* its name is another, maybe */
        return error_set(reterr, ERR_NOT_FOUND,
                         "the list of permits taken back was renamed, or its rights were changed");
    err_t err = read_all(l->fd, out, reterr);
    if (err)
        return err;
    *l = (struct permit_list){.fd = l->fd,
                              .seen = true,
                              .size = st.st_size,
                              .changed = st.st_ctim,
                              .written = st.st_mtim};
    *ret_changed = true;
    if (!permit_list_good(buf_view(out), &line))
        LOG(LOG_ERROR, "permit.list_bad", LOG_INT("line", (int64_t)line));
    return OK;
}

/* A line of its own, also where the one before has no end. */
static err_t append(int fd, const char *id)
{
    char last = '\n';
    struct stat st;
    struct buf text = BUF(64);
    if (fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1)
        return ERR_IO;
    buf_str(&text, last == '\n' ? "" : "\n");
    buf_str(&text, id);
    buf_byte(&text, '\n');
    bool good = !text.failed && write(fd, text.p, text.n) == (ssize_t)text.n && fsync(fd) == 0;
    buf_free(&text);
    return good ? OK : ERR_IO;
}

err_t permit_list_add(const struct config *c, const char *id, struct err_info *reterr)
{
    char path[1200];
    struct buf list = BUF(PERMIT_LIST_MAX);
    err_t err = permit_list_path(c, path, reterr);
    if (err)
        return err;
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return cannot("written", path, reterr);
    err = read_all(fd, &list, reterr);
    if (!err && list.n + PERMIT_ID_MAX + 1 > PERMIT_LIST_MAX)
        err = error_set(reterr, ERR_TOO_LARGE, "%.300s is full: make a new permit key", path);
    if (!err && ((!permit_listed(buf_view(&list), id) && append(fd, id) != OK) ||
                 !sys_sync_folder_of(path)))
        err = cannot("written", path, reterr);
    close(fd);
    buf_free(&list);
    return err;
}

/* Files, the data folder's lock, the key file, listening sockets. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/sys.h"

#define PATH_BYTES 4096

static err_t io_error(struct err_info *reterr, const char *path, const char *what)
{
    int e = errno;
    return error_set(reterr, ERR_IO, "%s %s: %s", path, what,
                     strerrordesc_np(e) ? strerrordesc_np(e) : "error");
}

err_t sys_read_file(const char *path, size_t max, struct buf *out, struct err_info *reterr)
{
    char chunk[4096];
    size_t total = 0;
    err_t err = OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return io_error(reterr, path, "cannot be read");
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            err = io_error(reterr, path, "cannot be read");
        if (n <= 0)
            break;
        total += (size_t)n;
        if (total > max) {
            err = error_set(reterr, ERR_IO, "%s is larger than %zu bytes", path, max);
            break;
        }
        buf_add(out, chunk, (size_t)n);
    }
    close(fd);
    if (!err && out->failed)
        err = error_set(reterr, ERR_NO_MEMORY, "%s does not fit into memory", path);
    return err;
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

bool sys_sync_folder_of(const char *path)
{
    char dir[PATH_BYTES];
    (void)snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = 0;
    int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

/* Writes and syncs a temporary file beside path; its name goes to tmp. */
static err_t write_beside(const char *path, const void *p, size_t n, unsigned mode,
                          char tmp[PATH_BYTES], struct err_info *reterr)
{
    if (snprintf(tmp, PATH_BYTES, "%s.%d.tmp", path, (int)gettid()) >= PATH_BYTES)
        return error_set(reterr, ERR_IO, "the name of a file is too long");
    (void)unlink(tmp);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return io_error(reterr, path, "cannot be written");
    bool ok = fchmod(fd, mode) == 0 && write_all(fd, p, n) && fsync(fd) == 0;
    err_t err = ok ? OK : io_error(reterr, path, "cannot be written");
    if (close(fd) != 0 && !err)
        err = io_error(reterr, path, "cannot be written");
    if (err)
        (void)unlink(tmp);
    return err;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

err_t sys_list_dir(const char *path, struct sys_names *ret)
{
    size_t cap = 0;
    *ret = (struct sys_names){0};
    DIR *dir = opendir(path);
    if (!dir)
        return ERR_IO;
    for (struct dirent *d; errno = 0, (d = readdir(dir));) {
        if (d->d_name[0] == '.')
            continue;
        void *more = mem_grow(ret->name, &cap, ret->n, sizeof *ret->name, 16);
        if (!more) {
            mem_free(ret->name);
            *ret = (struct sys_names){0};
            (void)closedir(dir);
            return ERR_NO_MEMORY;
        }
        ret->name = more;
        (void)snprintf(ret->name[ret->n++], sizeof *ret->name, "%s", d->d_name);
    }
    bool whole = errno == 0;
    (void)closedir(dir);
    if (!whole) {
        mem_free(ret->name);
        *ret = (struct sys_names){0};
        return ERR_IO;
    }
    if (ret->n > 1)
        qsort(ret->name, ret->n, sizeof *ret->name, by_name);
    return OK;
}

err_t sys_write_file(const char *path, const void *p, size_t n, unsigned mode,
                     struct err_info *reterr)
{
    char tmp[PATH_BYTES];
    err_t err = write_beside(path, p, n, mode, tmp, reterr);
    if (err)
        return err;
    if (rename(tmp, path) != 0) {
        err = io_error(reterr, path, "cannot be written");
        (void)unlink(tmp);
    } else if (!sys_sync_folder_of(path)) {
        err = io_error(reterr, path, "cannot be made durable");
    }
    return err;
}

err_t sys_make_dir(const char *path, struct err_info *reterr)
{
    char part[PATH_BYTES];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return error_set(reterr, ERR_IO, "the name of a folder is empty or too long");
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && i != n)
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return io_error(reterr, part, "cannot be made");
    }
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return error_set(reterr, ERR_IO, "%s is not a folder", path);
    return OK;
}

err_t sys_lock_dir(const char *path, int wait_ms, struct err_info *reterr)
{
    char name[PATH_BYTES], pid[32];
    if (snprintf(name, sizeof name, "%s/lock", path) >= (int)sizeof name)
        return error_set(reterr, ERR_IO, "the name of a folder is too long");
    /* The folder may be a role's, who is not to choose what root writes into. */
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0)
        return io_error(reterr, name, "cannot be opened");
    int64_t end = sys_mono_us() + (int64_t)wait_ms * 1000;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            err_t err = io_error(reterr, name, "cannot be locked");
            close(fd);
            return err;
        }
        if (sys_mono_us() >= end) {
            ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
            pid[n > 0 ? n : 0] = 0;
            close(fd);
            return error_set(reterr, ERR_IO, "%s is in use by process %s", path,
                             pid[0] ? pid : "(not yet known)");
        }
        usleep(10000);
    }
    int n = snprintf(pid, sizeof pid, "%d", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
        err_t err = io_error(reterr, name, "cannot be written");
        close(fd);
        return err;
    }
    return OK; /* the descriptor, and with it the lock, stays as long as the process */
}

/* Makes the file unless another process has made it meanwhile: its key may be in use already. */
static err_t make_key(const char *path, struct err_info *reterr)
{
    uint8_t key[32];
    char tmp[PATH_BYTES];
    struct buf hex = BUF(65);
    sys_random(key, sizeof key);
    buf_hex(&hex, key, sizeof key);
    buf_byte(&hex, '\n');
    err_t err = hex.failed ? ERR_NO_MEMORY : write_beside(path, hex.p, hex.n, 0600, tmp, reterr);
    if (!err) {
        if (link(tmp, path) != 0 && errno != EEXIST)
            err = io_error(reterr, path, "(the master key) cannot be made");
        (void)unlink(tmp);
    }
    if (!err && !sys_sync_folder_of(path))
        err = io_error(reterr, path, "(the master key) cannot be made durable");
    mem_wipe(key, sizeof key);
    if (hex.p)
        mem_wipe(hex.p, hex.n);
    buf_free(&hex);
    return err;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static err_t parse_key(const char *path, const char *text, size_t n, uint8_t ret_key[32],
                       struct err_info *reterr)
{
    uint8_t key[32];
    bool ok = n == 64 || (n == 65 && text[64] == '\n');
    for (size_t i = 0; ok && i < sizeof key; i++) {
        int hi = hex_digit(text[2 * i]), lo = hex_digit(text[2 * i + 1]);
        ok = hi >= 0 && lo >= 0;
        key[i] = (uint8_t)((unsigned)hi << 4 | (unsigned)lo); /* not used when !ok */
    }
    if (ok)
        memcpy(ret_key, key, sizeof key);
    mem_wipe(key, sizeof key);
    return ok ? OK
              : error_set(reterr, ERR_CONFIG, "%s (the master key) must hold 64 hexadecimal digits",
                          path);
}

err_t sys_key_file(const char *path, bool create, uint8_t ret_key[32], struct err_info *reterr)
{
    struct stat st;
    char text[80];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT && create) {
        err_t err = make_key(path, reterr);
        if (err)
            return err;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    }
    if (fd < 0 && errno == ENOENT)
        return error_set(
            reterr, ERR_IO,
            "%s (the master key) is not there; `florin migrate` makes one for a new store", path);
    if (fd < 0)
        return io_error(reterr, path, "(the master key) cannot be read");
    err_t err = OK;
    ssize_t n = 0;
    /* the open file is judged, not the name: it may be replaced meanwhile */
    if (fstat(fd, &st) != 0)
        err = io_error(reterr, path, "(the master key) cannot be read");
    else if (!S_ISREG(st.st_mode))
        err = error_set(reterr, ERR_CONFIG, "%s (the master key) is not a file", path);
    else if (st.st_mode & 077)
        err = error_set(reterr, ERR_CONFIG,
                        "%s (the master key) can be read by others: chmod 600 it", path);
    else if ((n = read(fd, text, sizeof text)) < 0)
        err = io_error(reterr, path, "(the master key) cannot be read");
    else
        err = parse_key(path, text, (size_t)n, ret_key, reterr);
    close(fd);
    mem_wipe(text, sizeof text);
    return err;
}

/* "host:port" or "[v6]:port" into two strings. */
static bool split(const char *addr, char host[64], char port[8])
{
    const char *colon = strrchr(addr, ':');
    struct str h = {addr, colon ? (size_t)(colon - addr) : 0};
    int64_t p;
    bool bracketed = h.n >= 2 && h.p[0] == '[' && h.p[h.n - 1] == ']';
    if (bracketed)
        h = (struct str){h.p + 1, h.n - 2};
    if (!colon || h.n == 0 || h.n >= 64 || (memchr(h.p, ':', h.n) != NULL) != bracketed)
        return false;
    if (colon[1] == '-' || !str_to_i64(str_from(colon + 1), &p) || p > 65535)
        return false;
    memcpy(host, h.p, h.n);
    host[h.n] = 0;
    (void)snprintf(port, 8, "%d", (int)p);
    return true;
}

static int bind_one(const struct addrinfo *ai)
{
    int one = 1, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, 1024) == 0)
        return fd;
    int e = errno;
    close(fd);
    errno = e;
    return -1;
}

/* The first address of a name that this machine has: localhost is ::1 too where there is IPv6. */
static int bind_any(const struct addrinfo *list)
{
    int fd = -1;
    for (; list && fd < 0; list = list->ai_next) {
        fd = bind_one(list);
        if (fd < 0 && errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT)
            break;
    }
    return fd;
}

static void real_address(int fd, const char *host, char ret_addr[80])
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    char port[8] = "0";
    if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
        (void)getnameinfo((struct sockaddr *)&ss, len, NULL, 0, port, sizeof port, NI_NUMERICSERV);
    (void)snprintf(ret_addr, 80, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

err_t sys_listen(const char *addr, int wait_ms, int *ret_fd, char ret_addr[80],
                 struct err_info *reterr)
{
    char host[64], port[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE},
                    *list = NULL;
    if (!split(addr, host, port))
        return error_set(reterr, ERR_CONFIG, "`%s` is not of the form HOST:PORT", addr);
    if (getaddrinfo(host, port, &hints, &list) != 0 || !list)
        return error_set(reterr, ERR_CONFIG, "`%s` is no address of this machine", addr);
    int64_t end = sys_mono_us() + (int64_t)wait_ms * 1000;
    int fd;
    while ((fd = bind_any(list)) < 0 && errno == EADDRINUSE && sys_mono_us() < end)
        usleep(20000);
    err_t err = fd < 0 ? io_error(reterr, addr, "cannot be listened on") : OK;
    freeaddrinfo(list);
    if (err)
        return err;
    real_address(fd, host, ret_addr);
    *ret_fd = fd;
    return OK;
}

/* Memory for secrets. */
#include "sys/secret.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static enum secret_quality least = SECRET_HIDDEN;

static size_t page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t pages_of(size_t n)
{
    return (n + page() - 1) / page() * page();
}

static int hidden_fd(size_t n)
{
    int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, (off_t)n) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* In place of the pages at `at`. */
static bool map_hidden(uint8_t *at, size_t n)
{
    int fd = hidden_fd(n);
    if (fd < 0)
        return false;
    void *p = mmap(at, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    close(fd);
    return p != MAP_FAILED;
}

static bool map_plain(uint8_t *at, size_t n, enum secret_quality *ret)
{
    if (mmap(at, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        MAP_FAILED)
        return false;
    (void)madvise(at, n, MADV_DONTDUMP);
    (void)madvise(at, n, MADV_WIPEONFORK);
    *ret = mlock(at, n) == 0 ? SECRET_LOCKED : SECRET_PLAIN;
    return true;
}

err_t secret_make(size_t n, struct secret *ret)
{
    ASSERT(n > 0 && n < (size_t)1 << 30);
    size_t inside = pages_of(n);
    enum secret_quality quality = SECRET_HIDDEN;
    uint8_t *all = mmap(NULL, inside + 2 * page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return ERR_NO_MEMORY;
    uint8_t *at = all + page();
    if (!map_hidden(at, inside) && !map_plain(at, inside, &quality)) {
        (void)munmap(all, inside + 2 * page());
        return ERR_NO_MEMORY;
    }
    if (quality < __atomic_load_n(&least, __ATOMIC_RELAXED))
        __atomic_store_n(&least, quality, __ATOMIC_RELAXED);
    *ret = (struct secret){at, n};
    return OK;
}

void secret_free(struct secret *s)
{
    if (s->p) {
        mem_wipe(s->p, s->n);
        (void)munmap(s->p - page(), pages_of(s->n) + 2 * page());
    }
    *s = (struct secret){.p = NULL};
}

enum secret_quality secret_quality(void)
{
    return __atomic_load_n(&least, __ATOMIC_RELAXED);
}

const char *secret_quality_text(void)
{
    static const char *const text[] = {"plain", "locked", "hidden"};
    return text[secret_quality()];
}

/* --- handed on --- */
static err_t share_plain(const void *p, size_t n, int *ret_fd)
{
    int fd = memfd_create("secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return ERR_NO_MEMORY;
    if (write(fd, p, n) != (ssize_t)n ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
        close(fd);
        return ERR_NO_MEMORY;
    }
    *ret_fd = fd;
    return OK;
}

err_t secret_share(const void *p, size_t n, int *ret_fd)
{
    ASSERT(n > 0 && n <= page());
    int fd = hidden_fd(page());
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, page(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        if (fd >= 0)
            close(fd);
        return share_plain(p, n, ret_fd);
    }
    memcpy(at, p, n);
    (void)munmap(at, page());
    *ret_fd = fd;
    return OK;
}

err_t secret_read(int fd, void *p, size_t n)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size < (off_t)n)
        return ERR_IO;
    void *at = mmap(NULL, page(), PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return ERR_IO;
    memcpy(p, at, n);
    (void)munmap(at, page());
    return OK;
}

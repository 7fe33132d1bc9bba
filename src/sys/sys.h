/* sys: what the operating system gives: clock, randomness, configuration, threads and queues,
 * processes. */
#ifndef FLORIN_SYS_H
#define FLORIN_SYS_H

#include <pthread.h>
#include <stdint.h>
#include "base/base.h"

/* --- clock and randomness: only drivers call these, never domain code --- */
/* Wall clock, microseconds since 1970 UTC, made steady: leases and waits must not end early, and
 * what happened after must not be dated before, because somebody set the clock. */
int64_t sys_now_us(void);
struct steady {
    bool begun;
    int64_t at_us, mono_us, credit_us;
};
/* The clock that sys_now_us is made of: starts at the wall clock, goes on with the monotonic one,
 * and follows the wall clock by at most a twentieth of the time that passes. Shape: *s zeroed at
 * the start; one caller at a time. */
int64_t steady_us(struct steady *s, int64_t wall_us, int64_t mono_us);
/* The wall clock as it stands: for times that others compare with theirs. */
int64_t sys_wall_us(void);
/* Monotonic, for durations. */
int64_t sys_mono_us(void);
/* Lets the thread rest. */
void sys_pause_us(int64_t us);
/* Kernel randomness (getrandom); a failure ends the process. */
void sys_random(void *p, size_t n);
/* A det of this moment with fresh randomness. */
struct det sys_det(void);

/* --- configuration: one table, sys/config.def --- */
struct config {
#define X_TEXT(name, def, unit, prose) char name[256];
#define X_INT(name, min, max, def, unit, prose) int64_t name;
#define X_BOOL(name, def, unit, prose) bool name;
#include "sys/config.def"
#undef X_TEXT
#undef X_INT
#undef X_BOOL
};

/* Sets every setting to its default. */
void config_defaults(struct config *c);
/* Sets one by name ("provider_timeout_ms" or "provider-timeout-ms"). Errors: ERR_CONFIG with a
 * sentence that names it. */
MUST_CHECK err_t config_set(struct config *c, struct str name, struct str value,
                            struct err_info *reterr);
/* INI file `name = value` of at most 64 KiB, no sections needed; `#` and `;` begin comments.
 * Errors: ERR_CONFIG with path and line for unknown names, names given twice and values out of
 * range; *c is then untouched. */
MUST_CHECK err_t config_file(struct config *c, const char *path, struct err_info *reterr);
/* FLORIN_<NAME> variables, upper case. Unknown FLORIN_ names are errors, except FLORIN_TEST_…. */
MUST_CHECK err_t config_environment(struct config *c, char **environ_list, struct err_info *reterr);
/* How a listener is reached from outside, without a slash at the end: url, a setting that may be
 * empty, or http and its address. */
void config_url(const char *url, const char *address, char *out, size_t max);
/* Text for --help (markdown = false) or docs/configuration.md (true). */
void config_describe(struct buf *out, bool markdown);

/* --- bounded queue between threads: intrusive, many producers, one consumer --- */
struct queue_item {
    struct queue_item *next;
};
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t nonempty;
    struct queue_item *head, **tail;
    size_t count, max;
    bool closed;
};
/* Shape: at most `max` items; release it empty. */
void queue_init(struct queue *q, size_t max);
/* false when full or closed. */
MUST_CHECK bool queue_put(struct queue *q, struct queue_item *item);
/* Takes up to `max` items as a list in order of arrival; waits until there is one, the queue is
 * closed and empty (NULL) or timeout_us passed (NULL; -1 waits for ever). */
struct queue_item *queue_take(struct queue *q, size_t max, int64_t timeout_us);
void queue_close(struct queue *q);
size_t queue_count(struct queue *q);
/* Shape: empty. */
void queue_release(struct queue *q);

/* Starts a thread with a name of up to 15 characters and all signals blocked but those of its own
 * faults. Ends the process when it cannot. */
pthread_t sys_thread(const char *name, void *(*run)(void *), void *arg);

/* --- files and processes --- */
/* Reads a whole file of at most max bytes into out (appended). Errors: ERR_IO with the path in
 * reterr. */
MUST_CHECK err_t sys_read_file(const char *path, size_t max, struct buf *out,
                               struct err_info *reterr);
struct sys_names {
    char (*name)[256];
    size_t n;
};
/* Names in a folder, in alphabetical order, without those that begin with a dot. Shape: freed by
 * mem_free(ret->name). Errors: ERR_IO, ERR_NO_MEMORY. */
MUST_CHECK err_t sys_list_dir(const char *path, struct sys_names *ret);
/* Makes the names in a file's folder durable. false: it cannot. */
MUST_CHECK bool sys_sync_folder_of(const char *path);
/* Writes path atomically (temporary file, fsync, rename, fsync of the folder), mode as given. */
MUST_CHECK err_t sys_write_file(const char *path, const void *p, size_t n, unsigned mode,
                                struct err_info *reterr);
/* Makes the folder and its parents, 0700. */
MUST_CHECK err_t sys_make_dir(const char *path, struct err_info *reterr);
/* Takes an exclusive lock on path/lock, waiting up to wait_ms; the fd is kept for the life of the
 * process. Errors: ERR_IO, the detail names the pid that holds it. */
MUST_CHECK err_t sys_lock_dir(const char *path, int wait_ms, struct err_info *reterr);
/* Reads or, when missing and create is true, makes a file with 32 random bytes in hex, 0600;
 * processes that make it at once all get the same key. Errors: ERR_IO; ERR_CONFIG when others can
 * read it or it holds no key; ret_key is then untouched. */
MUST_CHECK err_t sys_key_file(const char *path, bool create, uint8_t ret_key[32],
                              struct err_info *reterr);
/* Listening TCP socket on "HOST:PORT" (port 0: a free one, "[::1]:80" for IPv6); retries a busy
 * address up to wait_ms. ret_addr receives the real "host:port". */
MUST_CHECK err_t sys_listen(const char *addr, int wait_ms, int *ret_fd, char ret_addr[80],
                            struct err_info *reterr);
/* No core dumps, no ptrace, no new privileges, closed umask, no SIGPIPE: for every role, at start.
 * Under sanitizers ptrace stays possible: the leak checker needs it. */
void sys_harden(void);

#endif

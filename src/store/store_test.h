/* What the store's tests share: a folder of their own, a store in it, a gate that holds the writer,
 * the file seen from outside. */
#ifndef FLORIN_STORE_TEST_H
#define FLORIN_STORE_TEST_H

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store_folder.h"
#include "store/store_internal.h"

static inline struct store_config config_for(const struct folder *f)
{
    return (struct store_config){.path = f->file,
                                 .migrations = "florin",
                                 .batch_max = 256,
                                 .readers = 2,
                                 .cache_kib = 2048,
                                 .queue_max = 10000};
}

static inline struct store *open_in(const struct folder *f)
{
    struct store_config config = config_for(f);
    return open_with(&config);
}

/* --- the file, seen by somebody else --- */
static inline sqlite3 *outside(const struct folder *f)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(f->file, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 5000);
    return db;
}

static inline int64_t outside_int(sqlite3 *db, const char *text)
{
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
    int64_t v = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;
    sqlite3_finalize(st);
    return v;
}

static inline int64_t file_int(const struct folder *f, const char *text)
{
    sqlite3 *db = outside(f);
    int64_t v = outside_int(db, text);
    sqlite3_close(db);
    return v;
}

static inline void file_run(const struct folder *f, const char *text)
{
    sqlite3 *db = outside(f);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* --- a gate --- */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool reached, open;
};
#define GATE ((struct gate){.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER})

static inline void gate_pass(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->reached = true;
    pthread_cond_broadcast(&g->moved);
    while (!g->open)
        pthread_cond_wait(&g->moved, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static inline void gate_await(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    while (!g->reached)
        pthread_cond_wait(&g->moved, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static inline void gate_open(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->moved);
    pthread_mutex_unlock(&g->lock);
}

static inline err_t gate_run(struct store_tx *tx, void *arg)
{
    (void)tx;
    gate_pass(arg);
    return OK;
}

static inline void done_ignore(err_t err, void *arg)
{
    (void)err, (void)arg;
}

/* Holds the writer in a batch of its own, so that what is queued meanwhile becomes the next batch.
 */
static inline void hold_writer(struct store *s, struct store_op *op, struct gate *g)
{
    *op = (struct store_op){.run = gate_run, .done = done_ignore, .arg = g};
    assert_int_equal(store_submit(s, op), OK);
    gate_await(g);
}

/* --- a counter to wait for --- */
struct counter {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    int n;
};
#define COUNTER                                                                                    \
    ((struct counter){.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER})

static inline void counter_add(struct counter *c)
{
    pthread_mutex_lock(&c->lock);
    c->n++;
    pthread_cond_broadcast(&c->moved);
    pthread_mutex_unlock(&c->lock);
}

static inline void counter_await(struct counter *c, int n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&c->lock);
    int rc = 0;
    while (c->n < n && rc == 0)
        rc = pthread_cond_timedwait(&c->moved, &c->lock, &until);
    pthread_mutex_unlock(&c->lock);
    assert_int_equal(rc, 0);
}

/* --- jobs as plain rows --- */
static inline struct id id_of(uint64_t n)
{
    struct id id = {{0}};
    num_put64(id.b + 8, n + 1);
    return id;
}

static inline struct job job_of(uint64_t n)
{
    return (struct job){
        .merchant_id = 2, .id = id_of(n), .kind = JOB_FLOW, .due_us = 1000 + (int64_t)n};
}

static inline err_t add_job(struct store_tx *tx, void *arg)
{
    struct job job = job_of(*(uint64_t *)arg);
    return job_add(tx, &job);
}

/* Runs fn in a child and tells how that ended: true when by abort(). The child's message goes
 * nowhere. */
static inline bool child_aborts(void (*fn)(const struct folder *), const struct folder *f)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        (void)signal(SIGABRT, SIG_DFL);
        fn(f);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif

/* The writer: takes what is queued, runs it as one transaction, commits, answers. */
#include "store/store_internal.h"

#include <time.h>

#include "observe/observe.h"
#include "sys/sys.h"

/* Savepoints cost about a sixth of the writer's time (SQLite copies each page an operation
 * touches), and operations seldom fail after a change. So a batch runs without them first; when an
 * operation fails that had changed something, all is rolled back and the batch runs again with
 * savepoints, as do the next ones, so that failing on purpose costs others little. */
#define CAREFUL_BATCHES 64

struct batch {
    struct store *store;
    struct conn *conn;
    struct store_op *ops;
    int n;
    int standing;    /* operations that were not rolled back */
    bool careful;    /* with savepoints */
    bool wants_care; /* cannot go on without */
};

/* Up to 2 ms more with every try, so that writers that collided do not collide again. */
static void pause_before(int repeat)
{
    int64_t us = (int64_t)repeat * 1000 + sys_mono_us() % 1000;
    struct timespec t = {.tv_sec = 0, .tv_nsec = us * 1000};
    (void)nanosleep(&t, NULL);
}

static err_t op_run(struct batch *b, struct store_op *op, struct store_tx *tx)
{
    *tx = (struct store_tx){.store = b->store, .conn = b->conn, .notes = &b->store->notes};
    size_t notes = b->store->notes.n;
    err_t err = op->run(tx, op->arg);
    b->conn->engine->end_rows(b->conn);
    if (tx->failed)
        err = tx->failed;
    if (err)
        b->store->notes.n = notes;
    return err;
}

/* Without a savepoint an operation may fail alone only if nothing has to be rolled back, or if it
 * is alone. */
static err_t op_quick(struct batch *b, struct store_op *op, struct store_tx *tx)
{
    int64_t changes = b->conn->engine->changes(b->conn);
    err_t err = op_run(b, op, tx);
    if (err == OK || b->n == 1)
        return err;
    if (err != ERR_SOFT && tx->failed == OK && b->conn->engine->changes(b->conn) == changes)
        return err;
    b->wants_care = true;
    return tx->failed = ERR_SOFT;
}

/* Runs one operation under its savepoint until it stands, fails, or asked for a repeat too often.
 * When the savepoint itself cannot be kept, tx->failed is ERR_SOFT and the whole batch begins
 * again: what a failed operation left behind must never be committed with the others. */
static err_t op_careful(struct batch *b, struct store_op *op, struct store_tx *tx)
{
    const struct engine *e = b->conn->engine;
    for (int repeat = 0;; repeat++) {
        tx->failed = ERR_SOFT;
        if (e->savepoint(b->conn) != OK)
            return ERR_SOFT;
        err_t err = op_run(b, op, tx);
        if (tx->failed == ERR_SOFT) /* the engine wants the whole transaction again */
            return ERR_SOFT;
        err_t ended = err ? e->rollback_to(b->conn) : e->release(b->conn);
        if (ended)
            return tx->failed = ERR_SOFT;
        if (err != ERR_SOFT || repeat == REPEATS_MAX)
            return err;
    }
}

/* Every operation in order. OK also when some were rolled back alone; ERR_SOFT: begin the batch
 * again. */
static err_t ops_run(struct batch *b)
{
    b->standing = 0;
    for (struct store_op *op = b->ops; op; op = op->next) {
        struct store_tx tx;
        op->result = b->careful ? op_careful(b, op, &tx) : op_quick(b, op, &tx);
        if (op->result == ERR_SOFT && (tx.failed == ERR_SOFT || b->n == 1))
            return ERR_SOFT;
        if (op->result == OK)
            b->standing++;
    }
    return OK;
}

static err_t before_commit(struct batch *b)
{
    struct store *s = b->store;
    if (!s->hooks.before_commit)
        return OK;
    struct store_tx tx = {.store = s, .conn = b->conn};
    err_t err = s->hooks.before_commit(&tx, s->notes.p, s->notes.n, sys_now_us(), s->hooks.arg);
    b->conn->engine->end_rows(b->conn);
    if (tx.failed)
        err = tx.failed;
    if (err && err != ERR_SOFT)
        check_panic("store: the end of a batch could not be written: %s", error_def(err)->code);
    return err;
}

static err_t batch_attempt(struct batch *b)
{
    const struct engine *e = b->conn->engine;
    b->store->notes.n = 0;
    err_t err = e->begin(b->conn);
    if (err)
        return err;
    err = ops_run(b);
    if (err == OK && b->standing > 0)
        err = before_commit(b);
    if (err || b->standing == 0) {
        e->rollback(b->conn);
        return err;
    }
    int64_t start_us = sys_mono_us();
    err = e->commit(b->conn);
    if (err == ERR_SOFT) {
        e->rollback(b->conn);
        return err;
    }
    if (err)
        check_panic("store: a commit failed: %s", error_def(err)->code);
    metric_time(METRIC_STORE_COMMIT_SECONDS, NULL, sys_mono_us() - start_us);
    metric_add(METRIC_STORE_BATCHES, NULL, 1);
    return OK;
}

static void batch_answer(struct batch *b, err_t err)
{
    struct store *s = b->store;
    if (err)
        b->standing = 0;
    else if (b->standing > 0 && s->hooks.after_commit)
        s->hooks.after_commit(s->notes.p, s->notes.n, s->hooks.arg);
    if (b->standing > 0)
        metric_add(METRIC_STORE_OPS, "result=\"committed\"", b->standing);
    if (b->standing < b->n)
        metric_add(METRIC_STORE_OPS, "result=\"rolled_back\"", b->n - b->standing);
    for (struct store_op *op = b->ops, *next; op; op = next) {
        next = op->next; /* `done` may free the operation */
        op->done(err ? err : op->result, op->arg);
    }
}

void batch_run(struct store *s, struct store_op *list)
{
    ASSERT(list != NULL);
    struct batch b = {.store = s, .conn = s->writer, .ops = list};
    for (struct store_op *op = list; op; op = op->next)
        b.n++;
    b.careful = b.n > 1 && s->careful_left > 0;
    s->careful_left -= b.careful;
    err_t err = batch_attempt(&b);
    if (err == ERR_SOFT && b.wants_care) {
        b.careful = true;
        s->careful_left = CAREFUL_BATCHES;
        err = batch_attempt(&b);
    }
    for (int repeat = 1; err == ERR_SOFT && repeat <= REPEATS_MAX; repeat++) {
        pause_before(repeat);
        err = batch_attempt(&b);
    }
    if (err)
        LOG(LOG_ERROR, "store.batch_failed", LOG_STR("error", error_def(err)->code),
            LOG_INT("operations", b.n));
    batch_answer(&b, err);
}

void *writer_main(void *arg)
{
    struct store *s = arg;
    int64_t left;
    for (;;) {
        struct store_op *list = op_queue_take(&s->writes, s->batch_max, &left);
        if (!list)
            return NULL;
        atomic_store(&s->busy_since_us, sys_mono_us());
        metric_set(METRIC_STORE_QUEUE, NULL, left);
        batch_run(s, list);
        s->writer->engine->maintain(s->writer);
        atomic_store(&s->busy_since_us, 0);
    }
}

/* A writer: takes what is queued, runs it as one transaction, commits, answers. */
#include "store/store_internal.h"

#include <stdlib.h>

#include "observe/observe.h"
#include "sys/sys.h"

/* Savepoints cost about a sixth of the writer's time (SQLite copies each page an operation
 * touches, PostgreSQL takes a number for each), and operations seldom fail after a change. So a
 * batch runs without them first; when an operation fails that had changed something, all is rolled
 * back and the batch runs again with savepoints, as do the next ones, so that failing on purpose
 * costs others little. */
#define CAREFUL_BATCHES 64
/* A batch that was refused so often is halved, so that what collides is found out. */
#define REPEATS_WHOLE 2
#define CLASH_PAUSE_US 1000

struct batch {
    struct writer *writer;
    struct conn *conn;
    struct store_op *ops;
    int n;
    int standing;    /* operations that were not rolled back */
    bool careful;    /* with savepoints */
    bool wants_care; /* cannot go on without */
};

/* Up to twice the unit more with every try, so that writers that collided do not collide again. */
void pause_before(int repeat, int64_t unit_us)
{
    int64_t us = (int64_t)repeat * unit_us + sys_mono_us() % unit_us;
    sys_pause_us(us);
}

/* The engine wants the whole transaction again. */
static bool begin_again(err_t err)
{
    return err == ERR_SOFT || err == ERR_UNAVAILABLE;
}

static struct store_tx tx_of(const struct batch *b)
{
    struct writer *w = b->writer;
    return (struct store_tx){.store = w->store,
                             .conn = b->conn,
                             .notes = &w->notes,
                             .careful = b->careful,
                             .sequences = &w->sequences};
}

static err_t op_run(struct batch *b, struct store_op *op, struct store_tx *tx)
{
    struct writer *w = b->writer;
    *tx = tx_of(b);
    size_t notes = w->notes.n, sequences = w->sequences.n;
    err_t err = op->run(tx, op->arg);
    b->conn->engine->end_rows(b->conn);
    if (tx->failed)
        err = tx->failed;
    if (err) {
        w->notes.n = notes;
        sequences_drop(&w->sequences, sequences);
    } else {
        sequences_stand(&w->sequences);
    }
    return err;
}

/* Without a savepoint an operation may fail alone only if nothing has to be rolled back, or if it
 * is alone. */
static err_t op_quick(struct batch *b, struct store_op *op, struct store_tx *tx)
{
    int64_t changes = b->conn->engine->changes(b->conn);
    err_t err = op_run(b, op, tx);
    if (b->conn->late) {
        b->wants_care = true;
        return tx->failed = ERR_SOFT;
    }
    if (err == OK || b->n == 1 || begin_again(tx->failed))
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
        tx->failed = e->savepoint(b->conn);
        if (tx->failed)
            return tx->failed = begin_again(tx->failed) ? tx->failed : ERR_SOFT;
        err_t err = op_run(b, op, tx);
        if (begin_again(tx->failed))
            return err;
        err_t ended = err ? e->rollback_to(b->conn) : e->release(b->conn);
        if (ended)
            return tx->failed = begin_again(ended) ? ended : ERR_SOFT;
        if (err != ERR_SOFT || repeat == REPEATS_MAX)
            return err;
    }
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* In ascending order, so that no two batches wait for each other. */
static err_t merchants_lock(struct batch *b)
{
    if (!b->writer->store->shared)
        return OK;
    int64_t *list = mem_alloc((size_t)b->n * sizeof *list);
    if (!list)
        return ERR_NO_MEMORY;
    size_t n = 0;
    for (const struct store_op *op = b->ops; op; op = op->next)
        if (op->merchant_id != 0)
            list[n++] = op->merchant_id;
    if (n > 1)
        qsort(list, n, sizeof *list, by_number);
    struct store_tx tx = tx_of(b);
    size_t distinct = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || list[i] != list[i - 1])
            list[distinct++] = list[i];
    err_t err = OK;
    for (size_t i = 0; i < distinct; i++)
        store_ahead(&tx, SQL_STORE_SELECT_SEQUENCER, list[i]);
    for (size_t i = 0; err == OK && i < distinct; i++)
        err = store_lock(&tx, list[i]);
    b->conn->engine->end_rows(b->conn);
    mem_free(list);
    return err;
}

/* Every operation in order. OK also when some were rolled back alone; ERR_SOFT, ERR_UNAVAILABLE:
 * begin the batch again. */
static err_t ops_run(struct batch *b)
{
    b->standing = 0;
    for (struct store_op *op = b->ops; op; op = op->next) {
        struct store_tx tx;
        op->result = b->careful ? op_careful(b, op, &tx) : op_quick(b, op, &tx);
        if (begin_again(tx.failed) || (op->result == ERR_SOFT && b->n == 1))
            return op->result;
        if (op->result == OK)
            b->standing++;
    }
    return OK;
}

static err_t before_commit(struct batch *b)
{
    const struct writer *w = b->writer;
    const struct store_hooks *h = &w->store->hooks;
    struct store_tx tx = tx_of(b);
    tx.notes = NULL;
    err_t err = sequences_save(&tx);
    if (!err && h->before_commit)
        err = h->before_commit(&tx, w->notes.p, w->notes.n, sys_now_us(), h->arg);
    b->conn->engine->end_rows(b->conn);
    if (tx.failed)
        err = tx.failed;
    if (err && !begin_again(err))
        check_panic("store: the end of a batch could not be written: %s", error_def(err)->code);
    return err;
}

static err_t batch_commit(struct batch *b)
{
    int64_t start_us = sys_mono_us();
    err_t err = b->conn->engine->commit(b->conn, b->ops->merchant_id);
    if (begin_again(err)) {
        b->conn->engine->rollback(b->conn);
        return err;
    }
    if (err)
        check_panic("store: a commit failed: %s", error_def(err)->code);
    metric_time(METRIC_STORE_COMMIT_SECONDS, NULL, sys_mono_us() - start_us);
    metric_add(METRIC_STORE_BATCHES, NULL, 1);
    return OK;
}

static err_t batch_attempt(struct batch *b)
{
    const struct engine *e = b->conn->engine;
    b->writer->notes.n = 0;
    b->writer->sequences.n = 0;
    b->conn->unknown = false;
    err_t err = e->begin(b->conn);
    if (err)
        return err;
    err = merchants_lock(b);
    if (err == OK)
        err = ops_run(b);
    if (err == OK && b->standing > 0)
        err = before_commit(b);
    if (err || b->standing == 0)
        e->rollback(b->conn);
    else
        err = batch_commit(b);
    if (err && b->conn->late && !b->conn->unknown) {
        b->wants_care = true;
        err = ERR_SOFT;
    }
    return err;
}

static err_t batch_attempts(struct batch *b)
{
    err_t err = batch_attempt(b);
    if (err == ERR_SOFT && b->wants_care && !b->careful) {
        metric_add(METRIC_STORE_REPEATS, "reason=\"care\"", 1);
        b->careful = true;
        b->writer->careful_left = CAREFUL_BATCHES;
        err = batch_attempt(b);
    }
    atomic_store(&b->writer->store->away, err == ERR_UNAVAILABLE);
    return err;
}

static void batch_answer(struct batch *b, err_t err)
{
    const struct writer *w = b->writer;
    const struct store_hooks *h = &w->store->hooks;
    if (err)
        b->standing = 0;
    else if (b->standing > 0 && h->after_commit)
        h->after_commit(w->notes.p, w->notes.n, h->arg);
    if (b->standing > 0)
        metric_add(METRIC_STORE_OPS, "result=\"committed\"", b->standing);
    if (b->standing < b->n)
        metric_add(METRIC_STORE_OPS, "result=\"rolled_back\"", b->n - b->standing);
    for (struct store_op *op = b->ops, *next; op; op = next) {
        next = op->next; /* `done` may free the operation */
        op->done(err ? err : op->result, op->arg);
    }
}

static void batch_until(struct writer *w, struct store_op *list, int64_t start_us);

static void batch_halves(struct writer *w, struct store_op *list, int n, int64_t start_us)
{
    struct store_op *last = list;
    for (int i = 1; i < n / 2; i++)
        last = last->next;
    struct store_op *second = last->next;
    last->next = NULL;
    batch_until(w, list, start_us);
    batch_until(w, second, start_us);
}

/* Is the batch to be tried once more? Waits when it is. */
static bool again(const struct batch *b, err_t err, int *repeat, int64_t start_us)
{
    if (b->conn->unknown || sys_mono_us() - start_us > AWAY_MAX_US)
        return false;
    if (err == ERR_UNAVAILABLE) {
        if (atomic_load(&b->writer->store->closing))
            return false;
        metric_add(METRIC_STORE_REPEATS, "reason=\"unavailable\"", 1);
        if (*repeat < AWAY_REPEAT_MAX)
            ++*repeat;
        pause_before(*repeat, AWAY_PAUSE_US);
        return true;
    }
    if (err != ERR_SOFT || *repeat >= REPEATS_MAX)
        return false;
    metric_add(METRIC_STORE_REPEATS, "reason=\"collision\"", 1);
    pause_before(++*repeat, CLASH_PAUSE_US);
    return true;
}

/* What clients are told: that it is not known, or that Florin cannot now; repeats are its own. */
static err_t told(const struct batch *b, err_t err)
{
    return b->conn->unknown ? ERR_COMMIT_UNKNOWN : err;
}

static void batch_until(struct writer *w, struct store_op *list, int64_t start_us)
{
    struct batch b = {.writer = w, .conn = w->conn, .ops = list};
    for (struct store_op *op = list; op; op = op->next)
        b.n++;
    b.careful = b.n > 1 && w->careful_left > 0;
    w->careful_left -= b.careful;
    int repeat = 0;
    err_t err;
    while ((err = batch_attempts(&b)) && again(&b, err, &repeat, start_us))
        if (err == ERR_SOFT && repeat > REPEATS_WHOLE && b.n > 1) {
            batch_halves(w, list, b.n, start_us);
            return;
        }
    err = told(&b, err);
    if (err)
        LOG(LOG_ERROR, "store.batch_failed", LOG_STR("error", error_def(err)->code),
            LOG_INT("operations", b.n));
    batch_answer(&b, err);
}

void batch_run(struct writer *w, struct store_op *list)
{
    ASSERT(list != NULL);
    batch_until(w, list, sys_mono_us());
}

/* Where merchants are locked, an operation of no merchant alone takes its locks as it goes: in a
 * transaction of its own, since those that others of the batch hold would be out of order. */
static void list_run(struct writer *w, struct store_op *list)
{
    bool shared = w->store->shared;
    while (list) {
        struct store_op *last = list;
        while (last->next && (!shared || (last->merchant_id != 0 && last->next->merchant_id != 0)))
            last = last->next;
        struct store_op *rest = last->next;
        last->next = NULL;
        batch_run(w, list);
        list = rest;
    }
}

static void show_queue(struct writer *w, int64_t left)
{
    const struct store *s = w->store;
    int64_t all = 0;
    atomic_store(&w->left, left);
    for (int i = 0; i < s->writers_n; i++)
        all += atomic_load(&s->writers[i].left);
    metric_set(METRIC_STORE_QUEUE, NULL, all);
}

bool writer_step(struct writer *w, bool wait)
{
    int64_t left;
    struct store_op *list = op_queue_take(&w->queue, w->store->batch_max, wait, &left);
    if (!list)
        return false;
    atomic_store(&w->busy_since_us, sys_mono_us());
    show_queue(w, left);
    list_run(w, list);
    if (w->conn->engine->maintain)
        w->conn->engine->maintain(w->conn);
    atomic_store(&w->busy_since_us, 0);
    return true;
}

void *writer_main(void *arg)
{
    while (writer_step(arg, true))
        ;
    return NULL;
}

/* Opening, closing, submitting. */
#include "store/store_internal.h"

#include <stdio.h>

#include "sys/sys.h"

/* A batch that takes longer than this makes /readyz say no. */
#define BATCH_STALLED_US 5000000

const char *const store_append_only[] = {"event", "journal",          "posting",
                                         "chain", "delivery_attempt", NULL};
static const char *const append_only_vault[] = {"audit", NULL};
static const char *const append_only_none[] = {NULL};

static const char *const *append_only_of(const char *set)
{
    return strcmp(set, "florin") == 0  ? store_append_only
           : strcmp(set, "vault") == 0 ? append_only_vault
                                       : append_only_none;
}

static bool set_is(const struct sql_migration *m, const char *set)
{
    return strcmp(m->set, set) == 0;
}

static err_t schema_ready(struct conn *c, const char *set, enum migrate_mode mode,
                          struct err_info *reterr)
{
    size_t first = 0, n = 0;
    while (first < sql_migrations_count && !set_is(&sql_migrations[first], set))
        first++;
    while (first + n < sql_migrations_count && set_is(&sql_migrations[first + n], set))
        n++;
    if (n == 0)
        return error_set(reterr, ERR_STORE, "There is no set of migrations named %s.", set);
    return migrate_run(c, &sql_migrations[first], n, set, mode, reterr);
}

bool store_is_remote(const char *path)
{
    struct str s = str_from(path);
    return str_starts(s, STR("postgres://")) || str_starts(s, STR("postgresql://"));
}

static err_t writer_open(struct store *s, struct writer *w, const struct store_config *config,
                         bool migrate, struct err_info *reterr)
{
    struct conn_options options = {.path = config->path,
                                   .kind = CONN_WRITER,
                                   .create = migrate,
                                   .cache_kib = config->cache_kib,
                                   .checkpoint_pages = config->checkpoint_pages};
    w->store = s;
    err_t err = s->engine->open(&options, &w->conn, reterr);
    if (err)
        return err;
    s->writers_n++;
    if (w == s->writers)
        err = schema_ready(w->conn, config->migrations,
                           config->unfinished ? MIGRATE_UNFINISHED
                           : migrate          ? MIGRATE_RUN
                                              : MIGRATE_CHECK,
                           reterr);
    return err ? err : s->engine->serve(w->conn, append_only_of(config->migrations), reterr);
}

static err_t writers_open(struct store *s, const struct store_config *config, bool migrate,
                          struct err_info *reterr)
{
    int n = s->engine->shared && !s->stepped && config->writers > 1 ? config->writers : 1;
    s->writers = mem_alloc((size_t)n * sizeof *s->writers);
    if (!s->writers)
        return error_set(reterr, ERR_NO_MEMORY, "No memory for writers.");
    err_t err = OK;
    for (int i = 0; !err && i < n; i++)
        err = writer_open(s, &s->writers[i], config, migrate, reterr);
    return err;
}

static err_t readers_open(struct store *s, const struct store_config *config,
                          struct err_info *reterr)
{
    struct conn_options options = {
        .path = config->path, .kind = CONN_READER, .cache_kib = config->cache_kib};
    s->readers = mem_alloc((size_t)config->readers * sizeof *s->readers);
    if (!s->readers)
        return error_set(reterr, ERR_NO_MEMORY, "No memory for readers.");
    for (int i = 0; i < config->readers; i++) {
        struct reader *r = &s->readers[i];
        r->store = s;
        err_t err = s->engine->open(&options, &r->conn, reterr);
        if (err == OK) {
            s->readers_n++;
            err = s->engine->serve(r->conn, append_only_none, reterr);
        }
        if (err)
            return err;
    }
    return OK;
}

static void conns_close(struct store *s)
{
    for (int i = 0; i < s->readers_n; i++)
        s->engine->close(s->readers[i].conn);
    for (int i = 0; i < s->writers_n; i++) {
        struct writer *w = &s->writers[i];
        s->engine->close(w->conn);
        mem_free(w->notes.p);
        mem_free(w->sequences.p);
    }
    mem_free(s->readers);
    mem_free(s->writers);
    mem_free(s);
}

static void queues_init(struct store *s, int64_t queue_max)
{
    op_queue_init(&s->reads, queue_max);
    for (int i = 0; i < s->writers_n; i++)
        op_queue_init(&s->writers[i].queue, queue_max);
}

static void threads_start(struct store *s)
{
    for (int i = 0; i < s->writers_n; i++)
        s->writers[i].thread = sys_thread("store-writer", writer_main, &s->writers[i]);
    for (int i = 0; i < s->readers_n; i++)
        s->readers[i].thread = sys_thread("store-reader", reader_main, &s->readers[i]);
}

static void threads_join(struct store *s)
{
    for (int i = 0; i < s->writers_n; i++)
        pthread_join(s->writers[i].thread, NULL);
    for (int i = 0; i < s->readers_n; i++)
        pthread_join(s->readers[i].thread, NULL);
}

err_t store_open(const struct store_config *config, bool migrate, struct store **ret,
                 struct err_info *reterr)
{
    ASSERT(config->path != NULL && config->migrations != NULL);
    ASSERT(config->batch_max > 0 && config->readers > 0 && config->queue_max > 0);
    struct store *s = mem_alloc(sizeof *s);
    if (!s)
        return error_set(reterr, ERR_NO_MEMORY, "No memory for the store.");
    s->engine = store_is_remote(config->path) ? &engine_postgres : &engine_sqlite;
    s->stepped = config->stepped;
    s->shared = s->engine->shared || config->shared;
    s->hooks = config->hooks;
    s->batch_max = config->batch_max;
    int n = snprintf(s->migrations, sizeof s->migrations, "%s", config->migrations);
    ASSERT(n > 0 && n < (int)sizeof s->migrations);
    err_t err = writers_open(s, config, migrate, reterr);
    if (err == OK)
        err = readers_open(s, config, reterr);
    if (err) {
        conns_close(s);
        return err;
    }
    queues_init(s, config->queue_max);
    if (!s->stepped)
        threads_start(s);
    *ret = s;
    return OK;
}

static bool is_writer_thread(const struct store *s)
{
    if (s->stepped)
        return s->stepping > 0;
    for (int i = 0; i < s->writers_n; i++)
        if (pthread_equal(pthread_self(), s->writers[i].thread))
            return true;
    return false;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    ASSERT(!is_writer_thread(s));
    atomic_store(&s->closing, true);
    op_queue_close(&s->reads);
    for (int i = 0; i < s->writers_n; i++)
        op_queue_close(&s->writers[i].queue);
    if (s->stepped)
        while (store_step(s))
            ;
    else
        threads_join(s);
    for (int i = 0; i < s->writers_n; i++)
        op_queue_release(&s->writers[i].queue);
    op_queue_release(&s->reads);
    conns_close(s);
}

/* A merchant has one writer on a node, which keeps its operations in order; a merchant's test and
 * live partitions are neighbours. */
err_t store_submit(struct store *s, struct store_op *op)
{
    ASSERT(op->run != NULL && op->done != NULL && op->merchant_id >= 0);
    struct writer *w = &s->writers[op->merchant_id / 2 % s->writers_n];
    return op_queue_put(&w->queue, op) ? OK : ERR_UNAVAILABLE;
}

err_t store_submit_read(struct store *s, struct store_op *op)
{
    ASSERT(op->run != NULL && op->done != NULL);
    return op_queue_put(&s->reads, op) ? OK : ERR_UNAVAILABLE;
}

bool store_step(struct store *s)
{
    ASSERT(s->stepped && s->stepping == 0);
    s->stepping++;
    bool did = writer_step(&s->writers[0], false);
    for (int i = 0; i < s->readers_n; i++)
        did = reader_step(&s->readers[i], false) || did;
    s->stepping--;
    return did;
}

bool store_idle(const struct store *s)
{
    return s->writers[0].queue.count == 0 && s->reads.count == 0;
}

/* --- and waits --- */
struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    err_t err;
    err_t (*run)(struct store_tx *, void *);
    void *arg;
};

static err_t waiter_run(struct store_tx *tx, void *arg)
{
    struct waiter *w = arg;
    return w->run(tx, w->arg);
}

static void waiter_done(err_t err, void *arg)
{
    struct waiter *w = arg;
    pthread_mutex_lock(&w->lock);
    w->err = err;
    w->is_done = true;
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->lock);
}

static err_t wait_for(struct store *s, err_t (*submit)(struct store *, struct store_op *),
                      int64_t merchant_id, err_t (*run)(struct store_tx *, void *), void *arg)
{
    ASSERT(!is_writer_thread(s)); /* it would wait for itself */
    struct waiter w = {.run = run, .arg = arg};
    struct store_op op = {
        .merchant_id = merchant_id, .run = waiter_run, .done = waiter_done, .arg = &w};
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.done, NULL);
    err_t err = submit(s, &op);
    while (err == OK && s->stepped && !w.is_done)
        (void)store_step(s);
    if (err == OK) {
        pthread_mutex_lock(&w.lock);
        while (!w.is_done)
            pthread_cond_wait(&w.done, &w.lock);
        err = w.err;
        pthread_mutex_unlock(&w.lock);
    }
    pthread_cond_destroy(&w.done);
    pthread_mutex_destroy(&w.lock);
    return err;
}

err_t store_write(struct store *s, int64_t merchant_id, err_t (*run)(struct store_tx *, void *),
                  void *arg)
{
    return wait_for(s, store_submit, merchant_id, run, arg);
}

err_t store_read(struct store *s, err_t (*run)(struct store_tx *, void *), void *arg)
{
    return wait_for(s, store_submit_read, 0, run, arg);
}

bool store_ready(struct store *s)
{
    int64_t now_us = sys_mono_us();
    if (atomic_load(&s->away))
        return false;
    for (int i = 0; i < s->writers_n; i++) {
        int64_t since_us = atomic_load(&s->writers[i].busy_since_us);
        if (since_us != 0 && now_us - since_us >= BATCH_STALLED_US)
            return false;
    }
    return true;
}

bool store_shared(const struct store *s)
{
    return s->shared;
}

/* --- all statements --- */
struct prepare_call {
    struct store *store;
    struct err_info *reterr;
};

/* A room with migrations of its own has a database of its own; all others live in florin's. */
static bool room_in_set(const char *room, const char *set)
{
    if (strcmp(set, "florin") != 0)
        return strcmp(room, set) == 0;
    for (size_t i = 0; i < sql_migrations_count; i++)
        if (set_is(&sql_migrations[i], room))
            return false;
    return true;
}

static err_t prepare_all(struct store_tx *tx, void *arg)
{
    struct prepare_call *call = arg;
    for (int id = 0; id < SQL_COUNT; id++) {
        if (!room_in_set(sql_statements[id].room, call->store->migrations))
            continue;
        err_t err = tx->conn->engine->prepare(tx->conn, (enum sql_id)id, call->reterr);
        if (err)
            return err;
    }
    return OK;
}

err_t store_prepare_all(struct store *s, struct err_info *reterr)
{
    struct prepare_call call = {.store = s, .reterr = reterr};
    return store_write(s, 0, prepare_all, &call);
}

struct after_call {
    const char *text;
    struct err_info *reterr;
};

static err_t run_after(struct store_tx *tx, void *arg)
{
    const struct after_call *call = arg;
    return tx->conn->engine->script(tx->conn, call->text, call->reterr);
}

err_t store_after(struct store *s, const char *name, struct err_info *reterr)
{
    struct after_call call = {.text = after_text(name), .reterr = reterr};
    if (!call.text)
        return error_set(reterr, ERR_NOT_FOUND, "There is nothing named %s to run.", name);
    return store_write(s, 0, run_after, &call);
}

/* Opening, closing, submitting. */
#include "store/store_internal.h"

#include <stdio.h>

#include "sys/sys.h"

/* A batch that takes longer than this makes /readyz say no. */
#define BATCH_STALLED_US 5000000

/* Kept so by an authorizer on SQLite and by grants on PostgreSQL, not by triggers. */
static const char *const append_only[] = {"event", "journal",          "posting",
                                          "chain", "delivery_attempt", NULL};
static const char *const append_only_none[] = {NULL};

static bool set_is(const struct sql_migration *m, const char *set)
{
    return strcmp(m->set, set) == 0;
}

static err_t schema_ready(struct conn *c, const char *set, bool migrate, struct err_info *reterr)
{
    size_t first = 0, n = 0;
    while (first < sql_migrations_count && !set_is(&sql_migrations[first], set))
        first++;
    while (first + n < sql_migrations_count && set_is(&sql_migrations[first + n], set))
        n++;
    if (n == 0)
        return error_set(reterr, ERR_STORE, "There is no set of migrations named %s.", set);
    return migrate_run(c, &sql_migrations[first], n, set, migrate, reterr);
}

static err_t writer_open(struct store *s, const struct store_config *config, bool migrate,
                         struct err_info *reterr)
{
    struct conn_options options = {.path = config->path,
                                   .kind = CONN_WRITER,
                                   .create = migrate,
                                   .cache_kib = config->cache_kib};
    err_t err = s->engine->open(&options, &s->writer, reterr);
    if (err == OK)
        err = schema_ready(s->writer, config->migrations, migrate, reterr);
    if (err == OK) {
        bool florin = strcmp(config->migrations, "florin") == 0;
        err = s->engine->serve(s->writer, florin ? append_only : append_only_none, reterr);
    }
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
    if (s->writer)
        s->engine->close(s->writer);
    mem_free(s->readers);
    mem_free(s->notes.p);
    mem_free(s);
}

err_t store_open(const struct store_config *config, bool migrate, struct store **ret,
                 struct err_info *reterr)
{
    ASSERT(config->path != NULL && config->migrations != NULL);
    ASSERT(config->batch_max > 0 && config->readers > 0 && config->queue_max > 0);
    struct store *s = mem_alloc(sizeof *s);
    if (!s)
        return error_set(reterr, ERR_NO_MEMORY, "No memory for the store.");
    s->engine = &engine_sqlite;
    s->hooks = config->hooks;
    s->batch_max = config->batch_max;
    int n = snprintf(s->migrations, sizeof s->migrations, "%s", config->migrations);
    ASSERT(n > 0 && n < (int)sizeof s->migrations);
    err_t err = writer_open(s, config, migrate, reterr);
    if (err == OK)
        err = readers_open(s, config, reterr);
    if (err) {
        conns_close(s);
        return err;
    }
    op_queue_init(&s->writes, config->queue_max);
    op_queue_init(&s->reads, config->queue_max);
    s->writer_thread = sys_thread("store-writer", writer_main, s);
    for (int i = 0; i < s->readers_n; i++)
        s->readers[i].thread = sys_thread("store-reader", reader_main, &s->readers[i]);
    *ret = s;
    return OK;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    ASSERT(!pthread_equal(pthread_self(), s->writer_thread));
    op_queue_close(&s->writes);
    op_queue_close(&s->reads);
    pthread_join(s->writer_thread, NULL);
    for (int i = 0; i < s->readers_n; i++)
        pthread_join(s->readers[i].thread, NULL);
    op_queue_release(&s->writes);
    op_queue_release(&s->reads);
    conns_close(s);
}

err_t store_submit(struct store *s, struct store_op *op)
{
    ASSERT(op->run != NULL && op->done != NULL);
    return op_queue_put(&s->writes, op) ? OK : ERR_UNAVAILABLE;
}

err_t store_submit_read(struct store *s, struct store_op *op)
{
    ASSERT(op->run != NULL && op->done != NULL);
    return op_queue_put(&s->reads, op) ? OK : ERR_UNAVAILABLE;
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
                      err_t (*run)(struct store_tx *, void *), void *arg)
{
    ASSERT(!pthread_equal(pthread_self(), s->writer_thread)); /* it would wait for itself */
    struct waiter w = {.run = run, .arg = arg};
    struct store_op op = {.run = waiter_run, .done = waiter_done, .arg = &w};
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.done, NULL);
    err_t err = submit(s, &op);
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

err_t store_write(struct store *s, err_t (*run)(struct store_tx *, void *), void *arg)
{
    return wait_for(s, store_submit, run, arg);
}

err_t store_read(struct store *s, err_t (*run)(struct store_tx *, void *), void *arg)
{
    return wait_for(s, store_submit_read, run, arg);
}

bool store_ready(struct store *s)
{
    int64_t since_us =
        atomic_load(&s->busy_since_us); /* a writer that died took the process with it */
    return since_us == 0 || sys_mono_us() - since_us < BATCH_STALLED_US;
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
    return store_write(s, prepare_all, &call);
}

/* Batches, isolation, hooks, reads, closing. */
#include "store/store_test.h"

/* --- one batch of several operations --- */
struct trace {
    pthread_mutex_t lock;
    char text[4096];
    sqlite3 *db; /* the file as another program sees it */
    struct counter done;
};

static void trace_add(struct trace *t, const char *fmt, int64_t v)
{
    char piece[64];
    (void)snprintf(piece, sizeof piece, fmt, (long long)v);
    pthread_mutex_lock(&t->lock);
    size_t have = strlen(t->text);
    (void)snprintf(t->text + have, sizeof t->text - have, "%s", piece);
    pthread_mutex_unlock(&t->lock);
}

struct step {
    struct store_op op;
    struct trace *trace;
    uint64_t n;
    err_t answer;    /* what run gives in the end */
    int soft;        /* times it first asks for a repeat */
    bool duplicate;  /* inserts its row twice */
    bool only_check; /* changes nothing */
    int runs;
    err_t result;
    int64_t sequence, visible;
};

static err_t step_run(struct store_tx *tx, void *arg)
{
    struct step *s = arg;
    s->runs++;
    if (s->only_check)
        return s->answer;
    struct store_note note = {.kind = NOTE_EVENT, .merchant_id = 2, .seq = (int64_t)s->n};
    err_t err = add_job(tx, &s->n);
    if (err == OK)
        err = store_next(tx, 2, SEQUENCE_EVENT, &s->sequence);
    if (err == OK)
        err = store_note(tx, &note);
    if (err == OK && s->duplicate) {
        err = add_job(tx, &s->n);
        ASSERT(err == ERR_STATE);
        return OK; /* does not help: the operation has failed */
    }
    if (err == OK && s->runs <= s->soft)
        return ERR_SOFT;
    return err ? err : s->answer;
}

static void step_done(err_t err, void *arg)
{
    struct step *s = arg;
    s->result = err;
    char sql[128];
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM job WHERE job_id = x'%032llx'",
                   (unsigned long long)s->n + 1);
    s->visible = s->trace->db ? outside_int(s->trace->db, sql) : 0;
    trace_add(s->trace, err ? "failed%lld " : "done%lld ", (int64_t)s->n);
    counter_add(&s->trace->done);
}

static err_t trace_before(struct store_tx *tx, const struct store_note *notes, size_t n,
                          int64_t now_us, void *arg)
{
    struct trace *t = arg;
    ASSERT(tx != NULL && now_us > 1500000000000000);
    trace_add(t, "before(", 0);
    for (size_t i = 0; i < n; i++)
        trace_add(t, "%lld,", notes[i].seq);
    trace_add(t, ") ", 0);
    return OK;
}

static void trace_after(const struct store_note *notes, size_t n, void *arg)
{
    struct trace *t = arg;
    ASSERT(n == 0 || notes != NULL);
    trace_add(t, "after%lld ", (int64_t)n);
    if (t->db)
        trace_add(t, "[%lld rows] ", outside_int(t->db, "SELECT count(*) FROM job"));
}

static struct trace trace_make(void)
{
    return (struct trace){.lock = PTHREAD_MUTEX_INITIALIZER, .done = COUNTER};
}

static struct store *open_traced(const struct folder *f, struct trace *t)
{
    struct store_config config = config_for(f);
    config.hooks = (struct store_hooks){trace_before, trace_after, t};
    struct store *s = open_with(&config);
    t->db = outside(f);
    return s;
}

/* Queues all steps while the writer is held: they become one batch. */
static void run_as_batch(struct store *s, struct trace *t, struct step *steps, int n)
{
    struct gate gate = GATE;
    struct store_op holder;
    hold_writer(s, &holder, &gate);
    for (int i = 0; i < n; i++) {
        steps[i].trace = t;
        steps[i].op = (struct store_op){.run = step_run, .done = step_done, .arg = &steps[i]};
        assert_int_equal(store_submit(s, &steps[i].op), OK);
    }
    gate_open(&gate);
    counter_await(&t->done, n);
}

static void test_batch_is_one_commit(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct trace t = trace_make();
    struct store *s = open_traced(&f, &t);
    struct step steps[4] = {{.n = 1}, {.n = 2}, {.n = 3}, {.n = 4}};
    run_as_batch(s, &t, steps, 4);
    assert_string_equal(
        t.text,
        "before() after0 [0 rows] before(1,2,3,4,) after4 [4 rows] done1 done2 done3 done4 ");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(steps[i].visible, 1); /* durable before it is told */
        assert_int_equal(steps[i].sequence, i + 1);
    }
    sqlite3_close(t.db);
    store_close(s);
    folder_remove(&f);
}

static void test_failed_operation_leaves_the_others(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct trace t = trace_make();
    struct store *s = open_traced(&f, &t);
    struct step steps[6] = {{.n = 1},
                            {.n = 2, .answer = ERR_STATE},
                            {.n = 3, .duplicate = true},
                            {.n = 4, .answer = ERR_DECLINED, .only_check = true},
                            {.n = 5},
                            {.n = 6, .answer = ERR_LEASE_LOST}};
    run_as_batch(s, &t, steps, 6);
    assert_string_equal(t.text, "before() after0 [0 rows] before(1,5,) after2 [2 rows] "
                                "done1 failed2 failed3 failed4 done5 failed6 ");
    const err_t want[6] = {OK, ERR_STATE, ERR_STATE, ERR_DECLINED, OK, ERR_LEASE_LOST};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(steps[i].result, want[i]);
        assert_int_equal(steps[i].visible, want[i] == OK);
    }
    assert_int_equal(steps[0].sequence, 1); /* no hole where the others were rolled back */
    assert_int_equal(steps[4].sequence, 2);
    assert_int_equal(outside_int(t.db, "SELECT event_last FROM sequencer WHERE merchant_id = 2"),
                     2);
    sqlite3_close(t.db);
    store_close(s);
    folder_remove(&f);
}

static void test_failing_often_costs_others_little(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct trace t = trace_make();
    struct store *s = open_in(&f);
    int runs = 0;
    for (uint64_t batch = 0; batch < 20; batch++) {
        struct step steps[3] = {
            {.n = 3 * batch}, {.n = 3 * batch + 1, .answer = ERR_STATE}, {.n = 3 * batch + 2}};
        t.done.n = 0;
        run_as_batch(s, &t, steps, 3);
        runs += steps[0].runs;
        assert_int_equal(steps[1].result, ERR_STATE);
        assert_int_equal(steps[2].sequence, 2 * (int64_t)batch + 2);
    }
    assert_in_range(runs, 20, 21);
    store_close(s);
    assert_int_equal(file_int(&f, "SELECT count(*) FROM job"), 40);
    folder_remove(&f);
}

static void test_alone_and_failed_writes_nothing(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct trace t = trace_make();
    struct store *s = open_traced(&f, &t);
    struct step steps[1] = {{.n = 1, .answer = ERR_STATE}};
    run_as_batch(s, &t, steps, 1);
    assert_string_equal(t.text, "before() after0 [0 rows] failed1 ");
    assert_int_equal(steps[0].visible, 0);
    sqlite3_close(t.db);
    store_close(s);
    folder_remove(&f);
}

static void test_soft_is_repeated_and_bounded(void **state)
{
    (void)state;
    struct folder f = folder_make();
    for (int alone = 0; alone < 2; alone++) {
        struct trace t = trace_make();
        struct store *s = open_in(&f);
        uint64_t base = 100 * (uint64_t)alone;
        struct step steps[3] = {
            {.n = base + 1, .soft = 3}, {.n = base + 2, .soft = 1000}, {.n = base + 3}};
        for (int i = 0; alone && i < 3; i++) {
            t.done.n = 0;
            run_as_batch(s, &t, &steps[i], 1);
        }
        if (!alone)
            run_as_batch(s, &t, steps, 3);
        assert_int_equal(steps[0].result, OK);
        assert_int_equal(steps[0].runs, 4);
        assert_int_equal(steps[1].result, ERR_SOFT);
        assert_int_equal(steps[1].runs, 1 + REPEATS_MAX);
        assert_int_equal(steps[2].result, OK);
        store_close(s);
        assert_int_equal(file_int(&f, "SELECT count(*) FROM job"), 2 + 2 * alone);
        assert_int_equal(file_int(&f, "SELECT event_last FROM sequencer"), 2 + 2 * alone);
    }
    folder_remove(&f);
}

/* --- many threads --- */
#define THREADS 16
#define EACH 100

struct worker {
    struct store *store;
    uint64_t first;
    int failed;
    int64_t last;
};

struct numbered {
    uint64_t n;
    int64_t sequence;
};

static err_t add_numbered(struct store_tx *tx, void *arg)
{
    struct numbered *x = arg;
    err_t err = add_job(tx, &x->n);
    return err ? err : store_next(tx, 2, SEQUENCE_JOURNAL, &x->sequence);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    for (uint64_t i = 0; i < EACH; i++) {
        struct numbered x = {.n = w->first + i};
        w->failed += store_write(w->store, 0, add_numbered, &x) != OK || x.sequence <= w->last;
        w->last = x.sequence;
    }
    return NULL;
}

static void test_many_threads_commit_all_once(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct store *s = open_in(&f);
    struct worker w[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker){.store = s, .first = (uint64_t)i * EACH};
        assert_int_equal(pthread_create(&threads[i], NULL, worker_main, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(w[i].failed, 0);
    }
    assert_true(store_ready(s));
    store_close(s);
    assert_int_equal(file_int(&f, "SELECT count(*) FROM job"), THREADS * EACH);
    assert_int_equal(file_int(&f, "SELECT journal_last FROM sequencer"), THREADS * EACH);
    folder_remove(&f);
}

/* --- reads --- */
struct reading {
    struct gate gate;
    int64_t first, second;
    struct counter done;
    err_t result;
};

static err_t read_twice(struct store_tx *tx, void *arg)
{
    struct reading *r = arg;
    err_t err = job_next(tx, JOB_FLOW, &r->first);
    if (err)
        return err;
    gate_pass(&r->gate);
    return job_next(tx, JOB_FLOW, &r->second);
}

static void reading_done(err_t err, void *arg)
{
    struct reading *r = arg;
    r->result = err;
    counter_add(&r->done);
}

static void test_reader_sees_one_snapshot(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct store *s = open_in(&f);
    uint64_t later = 50, earlier = 10;
    assert_int_equal(store_write(s, 0, add_job, &later), OK);
    struct reading r = {.gate = GATE, .done = COUNTER};
    struct store_op op = {.run = read_twice, .done = reading_done, .arg = &r};
    assert_int_equal(store_submit_read(s, &op), OK);
    gate_await(&r.gate);
    assert_int_equal(store_write(s, 0, add_job, &earlier),
                     OK); /* the writer does not wait for readers */
    gate_open(&r.gate);
    counter_await(&r.done, 1);
    assert_int_equal(r.result, OK);
    assert_int_equal(r.first, 1050);
    assert_int_equal(r.second, 1050);
    assert_int_equal(store_read(s, read_twice, &r), OK);
    assert_int_equal(r.second, 1010);
    store_close(s);
    folder_remove(&f);
}

static void test_reader_cannot_write(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct store *s = open_in(&f);
    uint64_t n = 1;
    assert_int_equal(store_read(s, add_job, &n), ERR_STORE);
    store_close(s);
    assert_int_equal(file_int(&f, "SELECT count(*) FROM job"), 0);
    folder_remove(&f);
}

/* --- statements inside statements --- */
struct inner {
    struct store_tx *tx;
    int rows;
    int64_t sequence;
};

static err_t inner_row(struct store_row *row, void *arg)
{
    struct inner *in = arg;
    int64_t next = 0;
    struct id before = row_id(row, 1);
    err_t err = store_next(in->tx, 2, SEQUENCE_EVENT, &in->sequence);
    if (err == OK)
        err = job_next(in->tx, JOB_FLOW, &next);
    struct id after = row_id(row, 1); /* the row is still there */
    ASSERT(id_eq(before, after) && next == 1000);
    in->rows++;
    return err ? err : (in->rows == 3 ? ERR_NOT_FOUND : OK);
}

static err_t outer_run(struct store_tx *tx, void *arg)
{
    struct inner *in = arg;
    in->tx = tx;
    for (uint64_t n = 0; n < 5; n++) {
        err_t err = add_job(tx, &n);
        if (err)
            return err;
    }
    err_t err = store_each(tx, SQL_STORE_SELECT_JOBS_DUE, inner_row, in, V_INT(JOB_FLOW),
                           V_INT(5000), V_INT(100));
    return err == ERR_NOT_FOUND
               ? OK
               : ERR_INTERNAL; /* the callback's word is no failure of the statement */
}

static void test_statements_inside_each(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct store *s = open_in(&f);
    struct inner in = {0};
    assert_int_equal(store_write(s, 0, outer_run, &in), OK);
    assert_int_equal(in.rows, 3);
    store_close(s);
    assert_int_equal(file_int(&f, "SELECT event_last FROM sequencer"), 3);
    assert_int_equal(file_int(&f, "SELECT count(*) FROM job"), 5);
    folder_remove(&f);
}

static err_t same_again(struct store_row *row, void *arg)
{
    (void)row;
    return store_each((struct store_tx *)arg, SQL_STORE_SELECT_JOBS_DUE, same_again, arg,
                      V_INT(JOB_FLOW), V_INT(5000), V_INT(9));
}

static err_t nest_same(struct store_tx *tx, void *arg)
{
    err_t err = add_job(tx, arg);
    return err ? err
               : store_each(tx, SQL_STORE_SELECT_JOBS_DUE, same_again, tx, V_INT(JOB_FLOW),
                            V_INT(5000), V_INT(9));
}

static void nested_child(const struct folder *f)
{
    uint64_t n = 1;
    struct store *s = open_in(f);
    (void)!store_write(s, 0, nest_same, &n);
}

static void test_same_statement_nested_stops(void **state)
{
    (void)state;
    struct folder f = folder_make();
    assert_true(child_aborts(nested_child, &f));
    folder_remove(&f);
}

/* --- values --- */
static err_t values_run(struct store_tx *tx, void *arg)
{
    bool found;
    struct job job = job_of(7), back;
    (void)arg;
    job.payload_n = 3;
    memcpy(job.payload, "a\0b", 3);
    err_t err = job_add(tx, &job);
    if (err == OK)
        err = job_take(tx, 2, job.id, 5, 10, &back, &found);
    ASSERT(err || (found && back.payload_n == 3 && memcmp(back.payload, "a\0b", 3) == 0 &&
                   id_eq(back.id, job.id)));
    job = job_of(8);
    if (err == OK)
        err = job_add(tx, &job); /* empty, which is not NULL */
    if (err == OK)
        err = job_take(tx, 2, job.id, 5, 10, &back, &found);
    ASSERT(err || (found && back.payload_n == 0));
    return err;
}

static void test_values_come_back(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct store *s = open_in(&f);
    assert_int_equal(store_write(s, 0, values_run, NULL), OK);
    store_close(s);
    folder_remove(&f);
}

/* --- closing and limits --- */
static void *close_main(void *arg)
{
    store_close(arg);
    return NULL;
}

static void test_close_drains_and_refuses(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct store *s = open_in(&f);
    struct gate gate = GATE;
    struct trace t = trace_make();
    struct store_op holder, refused = {.run = gate_run, .done = done_ignore};
    struct step steps[300];
    hold_writer(s, &holder, &gate);
    for (int i = 0; i < 300; i++) {
        steps[i] = (struct step){.n = (uint64_t)i, .trace = &t};
        steps[i].op = (struct store_op){.run = step_run, .done = step_done, .arg = &steps[i]};
        assert_int_equal(store_submit(s, &steps[i].op), OK);
    }
    pthread_t closer;
    assert_int_equal(pthread_create(&closer, NULL, close_main, s), 0);
    struct gate free_op = GATE;
    free_op.open = true;
    int accepted = 0;
    static struct store_op extra[9000]; /* what was accepted before closing began is run as well */
    for (; accepted < 9000; accepted++) {
        extra[accepted] = (struct store_op){.run = gate_run, .done = done_ignore, .arg = &free_op};
        if (store_submit(s, &extra[accepted]) != OK)
            break;
        usleep(1000);
    }
    assert_true(accepted < 9000);
    assert_int_equal(store_submit(s, &refused), ERR_UNAVAILABLE);
    assert_int_equal(store_submit_read(s, &refused), ERR_UNAVAILABLE);
    gate_open(&gate);
    pthread_join(closer, NULL);
    assert_int_equal(t.done.n, 300);
    char log[96];
    (void)snprintf(log, sizeof log, "%s-wal", f.file);
    assert_int_not_equal(access(log, F_OK), 0); /* everything is in the database proper */
    assert_int_equal(file_int(&f, "SELECT count(*) FROM job"), 300);
    folder_remove(&f);
}

static void test_full_queue_refuses(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct store_config config = config_for(&f);
    config.queue_max = 3;
    struct store *s = open_with(&config);
    struct gate gate = GATE, open = GATE;
    open.open = true;
    struct store_op holder, ops[4];
    hold_writer(s, &holder, &gate);
    for (int i = 0; i < 4; i++) {
        ops[i] = (struct store_op){.run = gate_run, .done = done_ignore, .arg = &open};
        assert_int_equal(store_submit(s, &ops[i]), i < 3 ? OK : ERR_UNAVAILABLE);
    }
    gate_open(&gate);
    store_close(s);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_is_one_commit),
        cmocka_unit_test(test_failed_operation_leaves_the_others),
        cmocka_unit_test(test_failing_often_costs_others_little),
        cmocka_unit_test(test_alone_and_failed_writes_nothing),
        cmocka_unit_test(test_soft_is_repeated_and_bounded),
        cmocka_unit_test(test_many_threads_commit_all_once),
        cmocka_unit_test(test_reader_sees_one_snapshot),
        cmocka_unit_test(test_reader_cannot_write),
        cmocka_unit_test(test_statements_inside_each),
        cmocka_unit_test(test_same_statement_nested_stops),
        cmocka_unit_test(test_values_come_back),
        cmocka_unit_test(test_close_drains_and_refuses),
        cmocka_unit_test(test_full_queue_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

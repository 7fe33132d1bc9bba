/* kill -9 in the middle of commits: what was acknowledged is there, whole, and nothing else half.
 */
#include "store/store_test.h"
#include "store/store_sqlite.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#define ROUNDS 20
#define WRITERS 8

static int ack_fd;

struct ack {
    uint64_t n;
    int64_t sequence;
};

struct put {
    struct store_op op;
    struct store *store;
    struct ack ack;
    uint64_t step;
};

/* Two rows and a number that must appear together. */
static err_t put_run(struct store_tx *tx, void *arg)
{
    struct put *c = arg;
    struct job a = job_of(c->ack.n), b = a;
    err_t err = store_next(tx, 2, SEQUENCE_JOURNAL, &c->ack.sequence);
    a.due_us = b.due_us = c->ack.sequence;
    b.kind = JOB_DELIVERY;
    b.id.b[0] = 1;
    if (err == OK)
        err = job_add(tx, &a);
    if (err == OK)
        err = job_add(tx, &b);
    return err;
}

/* Acknowledges, then goes on with the next number: the writer always has work. */
static void put_done(err_t err, void *arg)
{
    struct put *c = arg;
    if (err != OK || write(ack_fd, &c->ack, sizeof c->ack) != sizeof c->ack)
        _exit(3);
    c->ack.n += c->step;
    if (store_submit(c->store, &c->op) != OK)
        _exit(4);
}

static void child_main(const struct folder *f, uint64_t first)
{
    static struct put claims[WRITERS];
    struct store *s = open_in(f);
    for (uint64_t i = 0; i < WRITERS; i++) {
        claims[i] = (struct put){.store = s, .ack = {.n = first + i}, .step = WRITERS};
        claims[i].op = (struct store_op){.run = put_run, .done = put_done, .arg = &claims[i]};
        if (store_submit(s, &claims[i].op) != OK)
            _exit(2);
    }
    for (;;)
        pause();
}

/* Lets a child write until `enough` acknowledgements came, kills it, and returns all that it had
 * sent. */
static size_t round_run(const struct folder *f, uint64_t first, size_t enough, struct ack *acks,
                        size_t max)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        ack_fd = fds[1];
        child_main(f, first);
    }
    close(fds[1]);
    size_t bytes = 0;
    bool killed = false;
    for (;;) {
        struct pollfd p = {.fd = fds[0], .events = POLLIN};
        assert_int_equal(poll(&p, 1, 60000), 1);
        ssize_t n = read(fds[0], (char *)acks + bytes, max * sizeof *acks - bytes);
        assert_true(n >= 0);
        if (n == 0)
            break;
        bytes += (size_t)n;
        if (!killed && bytes >= enough * sizeof *acks) {
            assert_int_equal(kill(pid, SIGKILL), 0);
            killed = true;
        }
    }
    close(fds[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return bytes / sizeof *acks;
}

static void check_acks(sqlite3 *db, const struct ack *acks, size_t n)
{
    sqlite3_stmt *st = NULL;
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT due_at FROM job WHERE merchant_id = 2 AND job_id = $1", -1,
                           &st, NULL),
        SQLITE_OK);
    for (size_t i = 0; i < n; i++) {
        struct id id = id_of(acks[i].n);
        assert_int_equal(sqlite3_bind_blob(st, 1, id.b, 16, SQLITE_STATIC), SQLITE_OK);
        assert_int_equal(sqlite3_step(st), SQLITE_ROW); /* an acknowledged row is there */
        assert_int_equal(sqlite3_column_int64(st, 0), acks[i].sequence);
        sqlite3_reset(st);
    }
    sqlite3_finalize(st);
}

static void test_kill_loses_nothing(void **state)
{
    (void)state;
    enum { ACKS_MAX = 200000 };
    struct folder f = folder_make();
    struct ack *acks = mem_alloc(ACKS_MAX * sizeof *acks);
    assert_non_null(acks);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        size_t enough = 20 + (size_t)round * 37;
        size_t n = round_run(&f, round * 1000000, enough, acks, ACKS_MAX);
        assert_true(n >= enough);
        store_close(open_in(&f));
        sqlite3 *db = outside(&f);
        check_acks(db, acks, n);
        int64_t last = outside_int(db, "SELECT journal_last FROM sequencer WHERE merchant_id = 2");
        assert_int_equal(outside_int(db, "SELECT count(*) FROM job"), 2 * last);
        assert_int_equal(outside_int(db, "SELECT count(DISTINCT due_at) FROM job WHERE kind = 1"),
                         last);
        assert_int_equal(outside_int(db, "SELECT count(DISTINCT due_at) FROM job WHERE kind = 2"),
                         last);
        assert_int_equal(outside_int(db, "SELECT max(due_at) FROM job"), last);
        sqlite3_close(db);
    }
    mem_free(acks);
    folder_remove(&f);
}

/* --- a disk that fails --- */

/* Writes until the process ends, and notes the last acknowledged number beside the store. */
static void write_on(const struct folder *f, struct store *s)
{
    char path[96];
    (void)snprintf(path, sizeof path, "%s/acked", f->path);
    int acked = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (uint64_t n = 0; n < 10000; n++)
        if (store_write(s, 0, add_job, &n) == OK && pwrite(acked, &n, sizeof n, 0) < 0)
            _exit(1);
}

static void limited_child(const struct folder *f)
{
    struct store *s = open_in(f);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {2000000, 2000000}; /* the log cannot grow beyond: writes give EFBIG */
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    write_on(f, s);
}

/* As when no page can be added: SQLite undoes the whole transaction under the operation. */
static err_t fill_up(struct store_tx *tx, void *arg)
{
    sqlite3 *db = sqlite_conn_of(tx->conn)->db;
    (void)arg;
    (void)sqlite3_set_authorizer(db, NULL, NULL);
    return tx->conn->engine->script(tx->conn, "PRAGMA max_page_count = 1",
                                    NULL); /* means: as many as there are */
}

static void full_child(const struct folder *f)
{
    struct store *s = open_in(f);
    if (store_write(s, 0, fill_up, NULL) != OK)
        _exit(1);
    write_on(f, s);
}

static void expect_stop_without_loss(void (*child)(const struct folder *))
{
    struct folder f = folder_make();
    char path[96];
    uint64_t last = 0;
    assert_true(child_aborts(child, &f));
    (void)snprintf(path, sizeof path, "%s/acked", f.path);
    int acked = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(acked, &last, sizeof last), sizeof last);
    close(acked);
    assert_true(last > 3);
    store_close(open_in(&f)); /* recovers from the log */
    assert_true(file_int(&f, "SELECT count(*) FROM job") >= (int64_t)last + 1);
    folder_remove(&f);
}

static void test_disk_failure_stops_the_process(void **state)
{
    (void)state;
    expect_stop_without_loss(limited_child);
}

static void test_full_disk_stops_the_process(void **state)
{
    (void)state;
    expect_stop_without_loss(full_child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_loses_nothing),
        cmocka_unit_test(test_disk_failure_stops_the_process),
        cmocka_unit_test(test_full_disk_stops_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The simulator's disk under plain SQLite: what was answered survives, and where SQLite is told to
 * be careless the disk shows it. */
#include "sim/disk_test.h"

#define FILE_NAME "/test.db"

/* --- a workload --- */
/* Rows 1, 2, 3 … each with its commit, in two tables that must agree. */
struct mode {
    const char *journal, *synchronous;
    int checkpoint; /* pages */
};

static int begin(struct process *p, const struct mode *m)
{
    char text[300];
    enter(p);
    int rc = sqlite3_open_v2(FILE_NAME, &p->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    (void)snprintf(text, sizeof text,
                   "PRAGMA journal_mode=%s; PRAGMA synchronous=%s; PRAGMA wal_autocheckpoint=%d;"
                   "CREATE TABLE IF NOT EXISTS a(id INTEGER PRIMARY KEY, filler BLOB, x INTEGER);"
                   "CREATE TABLE IF NOT EXISTS b(id INTEGER, y INTEGER);"
                   "CREATE INDEX IF NOT EXISTS ax ON a(x); CREATE INDEX IF NOT EXISTS bi ON b(id);",
                   m->journal, m->synchronous, m->checkpoint);
    return rc ? rc : sql(p->db, text);
}

static int put(sqlite3 *db, int64_t id, struct det *rng)
{
    char text[500];
    (void)snprintf(text, sizeof text,
                   "BEGIN IMMEDIATE; INSERT INTO a VALUES(%lld, zeroblob(%d), %lld);"
                   "UPDATE a SET filler = zeroblob(%d), x = x + 1000 WHERE id = %lld;"
                   "INSERT INTO b VALUES(%lld, %lld); COMMIT",
                   (long long)id, (int)det_below(rng, 1500), (long long)det_below(rng, 1000),
                   (int)det_below(rng, 1500), (long long)det_below(rng, (uint64_t)id) + 1,
                   (long long)id, (long long)id);
    return sql(db, text);
}

enum verdict { FINE, LOST, BROKEN };

/* Is all there that was acknowledged, and nothing half? */
static enum verdict verdict(struct disk *d, int64_t acked, int64_t *ret_last, char why[200])
{
    sqlite3 *db = disk_database(d, FILE_NAME, why);
    enum verdict v = FINE;
    *ret_last = 0;
    if (!db)
        return acked > 0 ? BROKEN : FINE;
    if (number(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") != 1)
        v = BROKEN;
    if (number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'bi'") == 1) {
        *ret_last = number(db, "SELECT max(id) FROM a");
        if (v == FINE && (number(db, "SELECT count(*) FROM a") != *ret_last ||
                          number(db, "SELECT count(*) FROM b") != *ret_last))
            v = BROKEN;
    }
    if (v == FINE && *ret_last < acked)
        v = LOST;
    (void)snprintf(why, 200, "verdict %d: %lld rows of %lld", v, (long long)*ret_last,
                   (long long)acked);
    (void)sqlite3_close(db);
    return v;
}

/* A process that dies at one of its writes; with the power, or alone. */
static void live(struct disk *d, const struct mode *m, int64_t *last, struct det *rng)
{
    static struct process p; /* outlives the jump */
    p = process_new(d, 0);
    fuse = 1 + (int64_t)det_below(rng, 120);
    if (setjmp(dead) == 0) {
        if (begin(&p, m) != SQLITE_OK)
            fail_msg("begin: %s", sqlite3_errmsg(p.db));
        while (put(p.db, *last + 1, rng) == SQLITE_OK)
            ++*last;
        fail_msg("put: %s", sqlite3_errmsg(p.db));
    }
    process_dies(&p);
}

static struct disk *disk_seeded(struct det *rng)
{
    struct disk *d = disk_new();
    disk_seed(d, rng);
    disk_on_write(d, on_write, NULL);
    return d;
}

/* How the lives of a store ended. The disk goes on through all that end well. */
static void lives(const struct mode *m, int n, bool power, int64_t seen[3])
{
    struct det rng = {.s = {7, 8, 9, 10}};
    struct disk *d = disk_seeded(&rng);
    int64_t last = 0, acked;
    char why[200];
    memset(seen, 0, 3 * sizeof *seen);
    for (int i = 0; i < n; i++) {
        live(d, m, &last, &rng);
        acked = last;
        if (power)
            disk_power_loss(d, &rng);
        struct disk *copy = disk_copy(d);
        enum verdict v = verdict(copy, acked, &last, why);
        disk_free(copy);
        seen[v]++;
        if (v != FINE || i % 50 == 49) { /* a new one, now and then without need */
            disk_free(d);
            d = disk_seeded(&rng);
            last = 0;
        }
    }
    disk_free(d);
}

static void test_full_survives_the_power(void **state)
{
    int64_t seen[3];
    (void)state;
    lives(&(struct mode){"WAL", "FULL", 30}, 600, true, seen);
    assert_int_equal(seen[FINE], 600);
    lives(&(struct mode){"DELETE", "EXTRA", 30}, 300, true, seen);
    assert_int_equal(seen[FINE], 300);
    lives(&(struct mode){"WAL", "OFF", 30}, 300, false, seen); /* a death alone loses nothing */
    assert_int_equal(seen[FINE], 300);
}

/* The disk would show it. */
static void test_careless_modes_do_not(void **state)
{
    int64_t seen[3];
    (void)state;
    lives(&(struct mode){"WAL", "NORMAL", 30}, 300, true, seen);
    assert_true(seen[LOST] > 20);
    assert_int_equal(seen[BROKEN], 0); /* as SQLite promises */
    lives(&(struct mode){"WAL", "OFF", 8}, 300, true, seen);
    assert_true(seen[BROKEN] > 5);
    lives(&(struct mode){"DELETE", "OFF", 0}, 300, true, seen);
    assert_true(seen[BROKEN] > 5);
    /* the journal's end is not durable by itself: the last commit may be undone */
    lives(&(struct mode){"DELETE", "FULL", 0}, 300, true, seen);
    assert_true(seen[LOST] > 0);
    assert_int_equal(seen[BROKEN], 0);
}

/* --- every state that could be left --- */
static bool check_state(struct disk *d, const int64_t *acked, size_t acked_n, char why[200],
                        void *arg)
{
    int64_t last;
    (void)arg;
    return verdict(d, acked_n ? acked[acked_n - 1] : 0, &last, why) == FINE;
}

static struct power_report enumerate(const struct mode *m, int64_t states)
{
    struct det rng = {.s = {1, 2, 3, 5}};
    struct disk *d = disk_new();
    struct process p = process_new(d, 0);
    struct power_report r;
    assert_int_equal(begin(&p, m), SQLITE_OK);
    for (int64_t id = 1; id <= 10; id++)
        assert_int_equal(put(p.db, id, &rng), SQLITE_OK);
    struct power *power = power_new(d);
    power_ack(power, 10);
    for (int64_t id = 11; id <= 60; id++) {
        assert_int_equal(put(p.db, id, &rng), SQLITE_OK);
        power_ack(power, id);
    }
    process_ends(&p); /* with a last checkpoint, and without the log */
    power_stop(power);
    disk_free(d);
    power_enumerate(power, states, &rng, check_state, NULL, &r);
    power_free(power);
    return r;
}

static void test_enumeration(void **state)
{
    (void)state;
    struct power_report r = enumerate(&(struct mode){"WAL", "FULL", 20}, 4000);
    if (r.violations > 0)
        fail_msg("%s", r.first);
    assert_int_equal(r.states, 4000);
    assert_int_equal(r.acks, 51);
    assert_true(r.events > 300 && r.torn > 500 && r.one_lost > 500 && r.mixed > 500);
    r = enumerate(&(struct mode){"WAL", "NORMAL", 20}, 1000);
    assert_true(r.violations > 100);
    assert_non_null(strstr(r.first, "rows of"));
    r = enumerate(&(struct mode){"WAL", "OFF", 20}, 1000);
    assert_true(r.violations > 100);
    r = enumerate(&(struct mode){"WAL", "FULL", 20}, 100); /* fewer than there are events */
    assert_int_equal(r.states + r.violations, 100);
}

/* --- several connections --- */
static void test_locks(void **state)
{
    (void)state;
    struct disk *d = disk_new();
    struct process a = process_new(d, 0), b = process_new(d, 1);
    struct det rng = {.s = {1}};
    assert_int_equal(begin(&a, &(struct mode){"DELETE", "FULL", 0}), SQLITE_OK);
    assert_int_equal(put(a.db, 1, &rng), SQLITE_OK);
    enter(&b);
    assert_int_equal(sqlite3_open_v2(FILE_NAME, &b.db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(number(b.db, "SELECT count(*) FROM a"), 1);
    enter(&a);
    ok(a.db, "BEGIN EXCLUSIVE");
    enter(&b);
    assert_int_equal(sql(b.db, "SELECT * FROM a"), SQLITE_BUSY);
    enter(&a);
    ok(a.db, "COMMIT; BEGIN IMMEDIATE; DELETE FROM b");
    enter(&b);
    assert_int_equal(sql(b.db, "BEGIN IMMEDIATE"), SQLITE_BUSY);
    ok(b.db, "BEGIN; SELECT * FROM a");
    enter(&a);
    assert_int_equal(sql(a.db, "COMMIT"), SQLITE_BUSY); /* while b reads */
    enter(&b);
    assert_int_equal(sql(b.db, "COMMIT"), SQLITE_OK);
    enter(&a);
    ok(a.db, "COMMIT");

    ok(a.db, "PRAGMA journal_mode=WAL; BEGIN IMMEDIATE; DELETE FROM a");
    enter(&b);
    assert_int_equal(sql(b.db, "BEGIN IMMEDIATE"), SQLITE_BUSY);
    ok(b.db, "BEGIN");
    assert_int_equal(number(b.db, "SELECT count(*) FROM a"), 1);
    enter(&a);
    ok(a.db, "COMMIT");
    assert_int_equal(number(a.db, "PRAGMA wal_checkpoint(TRUNCATE)"), 1); /* busy: b reads */
    enter(&b);
    assert_int_equal(number(b.db, "SELECT count(*) FROM a"), 1);
    ok(b.db, "COMMIT");
    assert_int_equal(number(b.db, "SELECT count(*) FROM a"), 0);
    enter(&a);
    assert_int_equal(number(a.db, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
    process_ends(&a);
    process_ends(&b);
    assert_null(disk_find(d, FILE_NAME "-wal"));
    disk_free(d);
}

/* One dies in the middle of a transaction; others go on, or come. */
static void test_process_gone(void **state)
{
    (void)state;
    struct det rng = {.s = {1}};
    struct mode m = {"WAL", "FULL", 1000};
    for (int beside = 0; beside < 2; beside++) {
        struct disk *d = disk_new();
        struct process a = process_new(d, 0), b = process_new(d, 1);
        assert_int_equal(begin(&a, &m), SQLITE_OK);
        assert_int_equal(put(a.db, 1, &rng), SQLITE_OK);
        if (beside)
            assert_int_equal(begin(&b, &m), SQLITE_OK);
        enter(&a);
        int64_t before = disk_calls(d, DISK_WRITE);
        ok(a.db, "PRAGMA cache_size=1; BEGIN IMMEDIATE;"
                 "WITH RECURSIVE n(i) AS (VALUES(2) UNION ALL SELECT i + 1 FROM n WHERE i < 200)"
                 "INSERT INTO a SELECT i, zeroblob(900), 1 FROM n");
        assert_true(disk_calls(d, DISK_WRITE) > before + 20); /* part of it is in the log */
        process_dies(&a);
        if (!beside) {
            assert_null(d->handles);
            assert_null(d->files->shm[0]);
            assert_int_equal(begin(&b, &m), SQLITE_OK);
        }
        enter(&b);
        assert_int_equal(number(b.db, "SELECT count(*) FROM a"), 1);
        assert_int_equal(put(b.db, 2, &rng), SQLITE_OK);
        assert_int_equal(number(b.db, "SELECT count(*) FROM a"), 2);
        process_ends(&b);
        disk_free(d);
    }
}

/* A look at one disk goes on as it began when another is mounted. */
static void test_database_remembers_its_disk(void **state)
{
    (void)state;
    char why[200];
    struct det rng = {.s = {1}};
    struct disk *d = disk_new(), *other = disk_new();
    struct process p = process_new(d, 0);
    assert_int_equal(begin(&p, &(struct mode){"WAL", "FULL", 1000}), SQLITE_OK);
    assert_int_equal(put(p.db, 1, &rng), SQLITE_OK);
    (void)heap_enter(NULL);
    struct disk *copy = disk_copy(d);
    disk_mount(other, 0);
    sqlite3 *db = disk_database(copy, FILE_NAME, why);
    assert_non_null(db);
    enter(&p);
    assert_int_equal(put(p.db, 2, &rng), SQLITE_OK);
    (void)heap_enter(NULL);
    assert_int_equal(number(db, "SELECT count(*) FROM a"), 1);
    ok(db, "DELETE FROM a; VACUUM");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    enter(&p);
    assert_int_equal(number(p.db, "SELECT count(*) FROM a"), 2);
    process_ends(&p);
    assert_null(disk_database(other, FILE_NAME, why));
    assert_string_equal(why, "unable to open database file");
    disk_free(copy);
    disk_free(other);
    disk_free(d);
}

/* --- faults --- */
static int faulty(unsigned calls, enum disk_fault how, const char *text)
{
    struct det rng = {.s = {1}};
    struct disk *d = disk_new();
    struct process p = process_new(d, 0);
    assert_int_equal(begin(&p, &(struct mode){"WAL", "FULL", 1000}), SQLITE_OK);
    assert_int_equal(put(p.db, 1, &rng), SQLITE_OK);
    ok(p.db, "PRAGMA cache_size=0");
    disk_fail(d, calls, 1, how, false);
    (void)sql(p.db, text);
    int rc = sqlite3_extended_errcode(p.db);
    assert_true(disk_calls(d, calls) >= 1);
    disk_fail(d, 0, 0, DISK_EIO, false);
    (void)sql(p.db, "ROLLBACK");
    assert_int_equal(put(p.db, 2, &rng), SQLITE_OK);
    assert_int_equal(number(p.db, "SELECT count(*) FROM a"), 2);
    process_ends(&p);
    disk_free(d);
    return rc;
}

static void test_faults_are_errors(void **state)
{
    static const char insert[] = "INSERT INTO b VALUES(7, 7)";
    (void)state;
    assert_int_equal(faulty(DISK_WRITE, DISK_EIO, insert), SQLITE_IOERR_WRITE);
    assert_int_equal(faulty(DISK_WRITE, DISK_FULL, insert), SQLITE_FULL);
    assert_int_equal(faulty(DISK_WRITE, DISK_SHORT, insert), SQLITE_FULL);
    assert_int_equal(faulty(DISK_SYNC, DISK_EIO, insert), SQLITE_IOERR_FSYNC);
    assert_int_equal(faulty(DISK_READ, DISK_EIO, "SELECT * FROM a"), SQLITE_IOERR_READ);
    assert_int_equal(faulty(DISK_TRUNCATE, DISK_EIO, "PRAGMA wal_checkpoint(TRUNCATE)"),
                     SQLITE_IOERR_TRUNCATE);
    assert_int_equal(faulty(DISK_OTHER, DISK_EIO, "ATTACH '/other.db' AS other"), SQLITE_CANTOPEN);
}

static void keep_size(void *arg, const struct disk_event *e)
{
    *(int64_t *)arg = e->n;
}

static void test_half_a_write(void **state)
{
    (void)state;
    int64_t n = 0;
    struct det rng = {.s = {1}};
    struct disk *d = disk_new();
    struct process p = process_new(d, 0);
    assert_int_equal(begin(&p, &(struct mode){"WAL", "FULL", 1000}), SQLITE_OK);
    disk_on_event(d, keep_size, &n);
    disk_fail(d, DISK_WRITE, 2, DISK_SHORT, true); /* a page, after its header in the log */
    assert_int_equal(put(p.db, 1, &rng), SQLITE_FULL);
    assert_int_equal(n, 2048);
    process_dies(&p);
    disk_free(d);
}

/* Each call in turn, once and for ever: an error is told, nothing is lost, all goes on. */
static void fault_at(int64_t nth, enum disk_fault how, bool for_ever, bool *ret_reached)
{
    struct det rng = {.s = {4, 5}};
    struct mode m = {"WAL", "FULL", 4};
    struct disk *d = disk_new();
    struct process p = process_new(d, 0);
    int64_t last = 0, acked;
    char why[200];
    unsigned calls = DISK_READ | DISK_WRITE | DISK_SYNC | DISK_TRUNCATE | DISK_OTHER;
    disk_fail(d, calls, nth, how, for_ever);
    int rc = begin(&p, &m);
    for (int i = 0; i < 3 && rc == SQLITE_OK; i++)
        if (put(p.db, last + 1, &rng) == SQLITE_OK)
            last++;
        else
            (void)sql(p.db, "ROLLBACK");
    *ret_reached = disk_calls(d, calls) >= nth;
    disk_fail(d, 0, 0, DISK_EIO, false);
    process_dies(&p);
    acked = last;
    struct disk *copy = disk_copy(d);
    if (verdict(copy, acked, &last, why) != FINE)
        fail_msg("call %lld, fault %d: %s", (long long)nth, how, why);
    disk_free(copy);
    p = process_new(d, 0);
    assert_int_equal(begin(&p, &m), SQLITE_OK);
    assert_int_equal(put(p.db, last + 1, &rng), SQLITE_OK);
    process_ends(&p);
    disk_free(d);
}

static void test_fault_at_each_call(void **state)
{
    (void)state;
    for (int how = DISK_EIO; how <= DISK_SHORT; how++)
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            bool reached = true;
            int64_t nth = 1;
            for (; reached; nth++)
                fault_at(nth, (enum disk_fault)how, for_ever, &reached);
            assert_true(nth > 60);
        }
}

/* A sync that fails makes nothing durable, and loses nothing by itself. */
static void test_failing_sync(void **state)
{
    int64_t seen[3] = {0}, last;
    char why[200];
    struct det rng = {.s = {3}};
    (void)state;
    for (int i = 0; i < 40; i++) {
        struct disk *d = disk_new();
        struct process p = process_new(d, 0);
        assert_int_equal(begin(&p, &(struct mode){"WAL", "FULL", 1000}), SQLITE_OK);
        assert_int_equal(put(p.db, 1, &rng), SQLITE_OK);
        disk_fail(d, DISK_SYNC, 1, DISK_EIO, true);
        assert_int_not_equal(put(p.db, 2, &rng), SQLITE_OK);
        process_dies(&p);
        struct disk *copy = disk_copy(d);
        assert_int_equal(verdict(copy, 2, &last, why), FINE); /* who lives on reads it */
        disk_free(copy);
        disk_power_loss(d, &rng);
        seen[verdict(d, 2, &last, why)]++;
        assert_true(last >= 1);
        disk_free(d);
    }
    assert_true(seen[FINE] > 3 && seen[LOST] > 3 && seen[BROKEN] == 0);
}

/* --- the same again --- */
static uint64_t hash_of(uint64_t seed)
{
    struct det rng = {.s = {seed, 1}};
    struct disk *d = disk_seeded(&rng);
    struct mode m = {"WAL", "NORMAL", 10};
    int64_t last = 0;
    char why[200];
    for (int i = 0; i < 5; i++) {
        live(d, &m, &last, &rng);
        disk_power_loss(d, &rng);
        struct disk *copy = disk_copy(d);
        (void)verdict(copy, 0, &last, why);
        disk_free(copy);
    }
    struct disk *same = disk_clone(d);
    uint64_t h = disk_hash(d);
    assert_int_equal(disk_hash(same), h);
    disk_free(same);
    disk_free(d);
    return h;
}

static void test_same_seed_same_disk(void **state)
{
    (void)state;
    uint64_t first = hash_of(1);
    assert_int_not_equal(hash_of(2), first);
    assert_int_equal(hash_of(1), first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_survives_the_power),
        cmocka_unit_test(test_careless_modes_do_not),
        cmocka_unit_test(test_enumeration),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_process_gone),
        cmocka_unit_test(test_database_remembers_its_disk),
        cmocka_unit_test(test_faults_are_errors),
        cmocka_unit_test(test_half_a_write),
        cmocka_unit_test(test_fault_at_each_call),
        cmocka_unit_test(test_failing_sync),
        cmocka_unit_test(test_same_seed_same_disk),
    };
    sqlite_in_regions();
    disk_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

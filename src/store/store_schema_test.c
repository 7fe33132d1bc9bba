/* Migrations, what statements may do, jobs, the sequencer. */
#include "store/store_test.h"

/* --- migrations --- */
static void expect_refusal(const struct folder *f, bool migrate, const char *set, const char *part)
{
    struct store_config config = config_for(f);
    struct store *s = NULL;
    struct err_info why = {0};
    config.migrations = set;
    assert_int_equal(store_open(&config, migrate, &s, &why), ERR_STORE);
    assert_null(s);
    if (!strstr(why.detail, part))
        fail_msg("\"%s\" does not say \"%s\"", why.detail, part);
}

static void test_fresh_and_again(void **state)
{
    (void)state;
    struct folder f = folder_make();
    store_close(open_in(&f));
    int64_t versions = file_int(
        &f, "SELECT count(*) FROM schema_version WHERE length(checksum) = 64 AND applied_at > 0");
    assert_true(versions >= 1);
    assert_int_equal(file_int(&f, "PRAGMA page_size"), 4096);
    uint64_t n = 1;
    struct store_config config = config_for(&f);
    struct store *s = NULL;
    struct err_info why = {0};
    assert_int_equal(store_open(&config, false, &s, &why), OK);
    assert_int_equal(store_write(s, 0, add_job, &n), OK);
    store_close(s);
    store_close(open_in(&f)); /* nothing to do, nothing lost */
    assert_int_equal(file_int(&f, "SELECT count(*) FROM schema_version"), versions);
    assert_int_equal(file_int(&f, "SELECT count(*) FROM job"), 1);
    folder_remove(&f);
}

static void test_refusals_say_why(void **state)
{
    (void)state;
    struct folder f = folder_make();
    expect_refusal(&f, false, "florin", "florin migrate"); /* no file */
    assert_int_not_equal(access(f.file, F_OK), 0);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f.file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE other (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    expect_refusal(&f, false, "florin", "florin migrate"); /* an empty one */
    store_close(open_in(&f));
    expect_refusal(&f, true, "nonsense", "no set of migrations");
    file_run(&f, "INSERT INTO schema_version VALUES (9999, 'future', 'x', 1)");
    store_close(open_in(&f)); /* newer, but nothing that this program cannot live with */
    file_run(&f, "UPDATE schema_floor SET version = 9999");
    expect_refusal(&f, true, "florin", "newer than this program");
    expect_refusal(&f, false, "florin", "newer than this program");
    file_run(&f, "DELETE FROM schema_version WHERE version = 9999;"
                 "UPDATE schema_floor SET version = 1000000000");
    expect_refusal(&f, true, "florin", "copy");
    file_run(&f,
             "UPDATE schema_floor SET version = 2;"
             "UPDATE schema_version SET checksum = 'ff' || substr(checksum, 3) WHERE version = 1");
    expect_refusal(&f, true, "florin", "checksum differs");
    folder_remove(&f);
}

static void test_not_a_database(void **state)
{
    (void)state;
    struct folder f = folder_make();
    FILE *file = fopen(f.file, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        (void)fputs("this is a letter, not a database\n", file);
    (void)fclose(file);
    expect_refusal(&f, true, "florin", "not a database");
    folder_remove(&f);
}

static const struct sql_migration made[] = {
    {"t", 1, "first",
     "CREATE TABLE a (x BIGINT NOT NULL, PRIMARY KEY (x))@WITHOUT_ROWID@; -- one; with a "
     "semicolon\n"
     "CREATE TABLE b (y BIGINT);\n"},
    {"t", 3, "second", "INSERT INTO a (x) VALUES (1); INSERT INTO b (y) VALUES (2);\n"},
    {"t", 4, "broken", "INSERT INTO b (y) VALUES (3); INSERT INTO a (x) VALUES (1);\n"},
};

static err_t run_made(const struct folder *f, size_t n, bool migrate, struct err_info *why)
{
    struct conn_options options = {
        .path = f->file, .kind = CONN_WRITER, .create = true, .cache_kib = 1024};
    struct conn *c = NULL;
    assert_int_equal(engine_sqlite.open(&options, &c, why), OK);
    err_t err = migrate_run(c, made, n, "t", migrate ? MIGRATE_RUN : MIGRATE_CHECK, why);
    engine_sqlite.close(c);
    return err;
}

static void test_each_migration_is_whole_or_not_there(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct err_info why = {0};
    assert_int_equal(run_made(&f, 1, true, &why), OK);
    assert_int_equal(file_int(&f, "SELECT wr FROM pragma_table_list WHERE name = 'a'"), 1);
    assert_int_equal(run_made(&f, 2, false, &why), ERR_STORE);
    assert_non_null(strstr(why.detail, "florin migrate"));
    assert_int_equal(run_made(&f, 2, true, &why), OK);
    assert_int_equal(run_made(&f, 2, true, &why), OK);
    assert_int_equal(run_made(&f, 3, true, &why), ERR_STORE);
    assert_non_null(strstr(why.detail, "Migration 4 (broken) failed"));
    assert_int_equal(file_int(&f, "SELECT count(*) FROM b"), 1);
    assert_int_equal(file_int(&f, "SELECT max(version) FROM schema_version"), 3);
    assert_int_equal(run_made(&f, 1, true, &why), ERR_STORE);
    assert_non_null(strstr(why.detail, "newer"));
    folder_remove(&f);
}

/* The migrations of Florin's own set up to a version. */
static err_t run_florin(const struct folder *f, int version, struct err_info *why)
{
    struct conn_options options = {
        .path = f->file, .kind = CONN_WRITER, .create = true, .cache_kib = 1024};
    size_t first = 0, n = 0;
    struct conn *c = NULL;
    while (strcmp(sql_migrations[first].set, "florin") != 0)
        first++;
    while (first + n < sql_migrations_count && sql_migrations[first + n].version <= version &&
           strcmp(sql_migrations[first + n].set, "florin") == 0)
        n++;
    assert_int_equal(engine_sqlite.open(&options, &c, why), OK);
    err_t err = migrate_run(c, &sql_migrations[first], n, "florin", MIGRATE_RUN, why);
    engine_sqlite.close(c);
    return err;
}

#define OLD_METHOD                                                                                 \
    "INSERT INTO payment_method (merchant_id, payment_method_id, customer_id, state, version, "    \
    "event_last, created_at, updated_at, token, card_brand, card_last_four, "                      \
    "network_transaction_id, details) VALUES (2, x'"

/* The table is made anew by migration 4: nothing that was in it is lost. */
static void test_payment_methods_outlive_a_migration(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct err_info why = {0};
    assert_int_equal(run_florin(&f, 3, &why), OK);
    file_run(&f, OLD_METHOD "01', x'02', 1, 1, 5, 6, 7, 'pm_tok_visa', 'visa', '4242', 'ntid', "
                            "'\"metadata\":{}')");
    file_run(&f, OLD_METHOD "03', NULL, 2, 2, 8, 9, 10, 'pm_x', NULL, NULL, NULL, 'd')");
    if (run_florin(&f, 4, &why) != OK)
        fail_msg("%s", why.detail);
    assert_int_equal(
        file_int(&f, "SELECT count(*) FROM payment_method WHERE payment_method_id = x'01' AND "
                     "customer_id = x'02' AND state = 1 AND version = 1 AND event_last = 5 AND "
                     "created_at = 6 AND updated_at = 7 AND token = 'pm_tok_visa' AND card_brand = "
                     "'visa' AND card_last_four = '4242' AND network_transaction_id = 'ntid' AND "
                     "details = '\"metadata\":{}' AND card_bin IS NULL AND card_fingerprint IS "
                     "NULL"),
        1);
    assert_int_equal(file_int(&f, "SELECT count(*) FROM payment_method WHERE state = 2 AND "
                                  "customer_id IS NULL AND card_brand IS NULL AND token = 'pm_x'"),
                     1);
    file_run(&f, "UPDATE payment_method SET state = 3");
    assert_int_equal(file_int(&f, "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND "
                                  "name IN ('payment_method_customer', "
                                  "'payment_method_fingerprint')"),
                     2);
    assert_int_equal(file_int(&f, "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%_new'"), 0);
    folder_remove(&f);
}

/* --- what statements may do --- */
struct script {
    const char *text;
    err_t want;
};

static err_t script_run(struct store_tx *tx, void *arg)
{
    return tx->conn->engine->script(tx->conn, arg, NULL);
}

#define EVENT_ROW "INSERT INTO event VALUES (2, 1, 1, 1, x'00', 1, 0, 1, '{}')"
#define POSTING_ROW(amount) "INSERT INTO posting VALUES (2, 1, 1, 1, 0, 0, " amount ")"

static void test_writer_keeps_append_only_tables(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct store *s = open_in(&f);
    static const struct script scripts[] = {
        {EVENT_ROW, OK},
        {EVENT_ROW, ERR_STATE},        /* UNIQUE */
        {POSTING_ROW("0"), ERR_STATE}, /* CHECK */
        {POSTING_ROW("4611686018427387904"), ERR_STATE},
        {POSTING_ROW("-5"), OK},
        {"UPDATE event SET type = 2 WHERE merchant_id = 2", ERR_STORE},
        {"DELETE FROM event WHERE merchant_id = 2", ERR_STORE},
        {"UPDATE posting SET amount = 6 WHERE merchant_id = 2", ERR_STORE},
        {"DELETE FROM posting", ERR_STORE},
        {"DELETE FROM journal", ERR_STORE},
        {"UPDATE chain SET hash = x'00'", ERR_STORE},
        {"DELETE FROM delivery_attempt", ERR_STORE},
        {EVENT_ROW " ON CONFLICT (merchant_id, sequence) DO UPDATE SET type = 9", ERR_STORE},
        {"CREATE TABLE t (x)", ERR_STORE},
        {"DROP TABLE event", ERR_STORE},
        {"ALTER TABLE event ADD COLUMN x", ERR_STORE},
        {"CREATE TRIGGER t AFTER INSERT ON event BEGIN SELECT 1; END", ERR_STORE},
        {"ATTACH DATABASE ':memory:' AS m", ERR_STORE},
        {"PRAGMA synchronous=OFF", ERR_STORE},
        {"PRAGMA writable_schema=ON", ERR_STORE},
        {"DELETE FROM schema_version", ERR_STORE},
        {"DELETE FROM job", OK},
        {"UPDATE sequencer SET event_last = event_last + 1", OK},
    };
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        err_t err = store_write(s, 0, script_run, (void *)(uintptr_t)scripts[i].text);
        if (err != scripts[i].want)
            fail_msg("%s: %d", scripts[i].text, err);
    }
    static const char *const writes[] = {EVENT_ROW, "DELETE FROM job", "CREATE TABLE t (x)",
                                         "PRAGMA query_only=OFF"};
    for (size_t i = 0; i < COUNT_OF(writes); i++)
        assert_int_equal(store_read(s, script_run, (void *)(uintptr_t)writes[i]), ERR_STORE);
    store_close(s);
    assert_int_equal(file_int(&f, "SELECT sum(type) FROM event"), 1);
    assert_int_equal(file_int(&f, "SELECT sum(amount) FROM posting"), -5);
    folder_remove(&f);
}

/* --- jobs; each function is one operation --- */
struct job_call {
    struct job jobs[8];
    struct job *job;
    size_t n, max;
    int64_t now_us, next_us;
    bool found;
};

static err_t call_add(struct store_tx *tx, void *arg)
{
    return job_add(tx, ((struct job_call *)arg)->job);
}
static err_t call_claim(struct store_tx *tx, void *arg)
{
    struct job_call *c = arg;
    return job_claim(tx, JOB_FLOW, c->now_us, 100, c->jobs, c->max, &c->n);
}
static err_t call_take(struct store_tx *tx, void *arg)
{
    struct job_call *c = arg;
    return job_take(tx, 2, c->job->id, c->now_us, 100, &c->jobs[0], &c->found);
}
static err_t call_finish(struct store_tx *tx, void *arg)
{
    return job_finish(tx, ((struct job_call *)arg)->job);
}
static err_t call_defer(struct store_tx *tx, void *arg)
{
    return job_defer(tx, ((struct job_call *)arg)->job);
}
static err_t call_free(struct store_tx *tx, void *arg)
{
    return job_free_all(tx, ((struct job_call *)arg)->now_us);
}
static err_t call_next(struct store_tx *tx, void *arg)
{
    return job_next(tx, JOB_FLOW, &((struct job_call *)arg)->next_us);
}

static void add_free(struct store *s, uint64_t n, int64_t due_us)
{
    struct job job = {
        .merchant_id = 2, .id = id_of(n), .kind = JOB_FLOW, .due_us = due_us, .payload_n = 1};
    struct job_call c = {.job = &job};
    job.payload[0] = (uint8_t)n;
    assert_int_equal(store_write(s, 0, call_add, &c), OK);
    assert_int_equal(job.epoch, 1);
}

static size_t claim(struct store *s, struct job_call *c, int64_t now_us, size_t max)
{
    *c = (struct job_call){.now_us = now_us, .max = max};
    assert_int_equal(store_write(s, 0, call_claim, c), OK);
    return c->n;
}

static int64_t next_due(struct store *s)
{
    struct job_call c = {.next_us = -1};
    assert_int_equal(store_read(s, call_next, &c), OK);
    return c.next_us;
}

static void test_claim_takes_what_is_due(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct store *s = open_in(&f);
    struct job_call c;
    assert_int_equal(next_due(s), 0);
    add_free(s, 1, 1000);
    add_free(s, 2, 3000);
    add_free(s, 3, 900);
    add_free(s, 4, 1001);
    struct job other = {.merchant_id = 2, .id = id_of(9), .kind = JOB_DELIVERY, .due_us = 1};
    struct job_call add = {.job = &other};
    assert_int_equal(store_write(s, 0, call_add, &add), OK);
    assert_int_equal(next_due(s), 900);
    assert_int_equal(claim(s, &c, 1000, 8), 2); /* oldest first, due_at = now included */
    assert_true(id_eq(c.jobs[0].id, id_of(3)) && id_eq(c.jobs[1].id, id_of(1)));
    assert_int_equal(c.jobs[0].epoch, 2);
    assert_int_equal(c.jobs[0].until_us, 1100);
    assert_int_equal(c.jobs[0].payload[0], 3);
    assert_int_equal(claim(s, &c, 1000, 8), 0); /* held */
    assert_int_equal(claim(s, &c, 1001, 1), 1);
    assert_true(id_eq(c.jobs[0].id, id_of(4)));
    assert_int_equal(next_due(s), 1100);
    assert_int_equal(claim(s, &c, 1100, 8), 2); /* the two leases of 1000 have ended */
    assert_int_equal(c.jobs[0].epoch, 3);
    assert_int_equal(claim(s, &c, 5000, 2), 2); /* no more than asked for */
    store_close(s);
    folder_remove(&f);
}

static void test_lost_lease_changes_nothing(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct store *s = open_in(&f);
    struct job_call slow, quick;
    add_free(s, 1, 1000);
    assert_int_equal(claim(s, &slow, 1000, 8), 1);
    assert_int_equal(claim(s, &quick, 1100, 8), 1);
    slow.job = &slow.jobs[0];
    quick.job = &quick.jobs[0];
    assert_int_equal(store_write(s, 0, call_finish, &slow), ERR_LEASE_LOST);
    assert_int_equal(store_write(s, 0, call_defer, &slow), ERR_LEASE_LOST);
    assert_int_equal(slow.job->attempts, 0);
    quick.job->due_us = 7000;
    quick.job->payload[0] = 77;
    assert_int_equal(store_write(s, 0, call_defer, &quick), OK);
    assert_int_equal(quick.job->attempts, 1);
    assert_int_equal(store_write(s, 0, call_finish, &quick),
                     ERR_LEASE_LOST); /* it was given back */
    assert_int_equal(claim(s, &quick, 6999, 8), 0);
    assert_int_equal(claim(s, &quick, 7000, 8), 1);
    assert_int_equal(quick.jobs[0].attempts, 1);
    assert_int_equal(quick.jobs[0].payload[0], 77);
    quick.job = &quick.jobs[0];
    assert_int_equal(store_write(s, 0, call_finish, &quick), OK);
    assert_int_equal(store_write(s, 0, call_finish, &quick), ERR_LEASE_LOST);
    store_close(s);
    assert_int_equal(file_int(&f, "SELECT count(*) FROM job"), 0);
    folder_remove(&f);
}

static void test_leased_from_birth_taken_and_freed(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct store *s = open_in(&f);
    struct job_call c;
    struct job job = {.merchant_id = 2, .id = id_of(1), .kind = JOB_FLOW, .until_us = 2000};
    struct job_call mine = {.job = &job, .now_us = 1999};
    assert_int_equal(store_write(s, 0, call_add, &mine), OK);
    assert_int_equal(next_due(s), 2000);
    assert_int_equal(claim(s, &c, 1999, 8), 0);
    assert_int_equal(store_write(s, 0, call_take, &mine), OK); /* by id: held */
    assert_false(mine.found);
    mine.now_us = 1500;
    assert_int_equal(store_write(s, 0, call_free, &mine), OK);
    assert_int_equal(store_write(s, 0, call_finish, &mine),
                     ERR_LEASE_LOST); /* its holder is dead, as far as anyone knows */
    assert_int_equal(claim(s, &c, 1500, 8), 1);
    job = c.jobs[0];
    job.due_us = 999999;
    assert_int_equal(store_write(s, 0, call_defer, &mine), OK);
    mine.now_us = 1600;
    assert_int_equal(store_write(s, 0, call_take, &mine), OK); /* long before it is due */
    assert_true(mine.found);
    assert_int_equal(mine.jobs[0].until_us, 1700);
    assert_int_equal(mine.jobs[0].attempts, 1);
    assert_int_equal(mine.jobs[0].kind, JOB_FLOW);
    job = mine.jobs[0];
    assert_int_equal(store_write(s, 0, call_finish, &mine), OK);
    assert_int_equal(store_write(s, 0, call_take, &mine), OK);
    assert_false(mine.found);
    store_close(s);
    folder_remove(&f);
}

/* --- the sequencer --- */
struct taken {
    int64_t merchant_id, events, journals;
    bool fail;
};

static err_t take_numbers(struct store_tx *tx, void *arg)
{
    struct taken *t = arg;
    err_t err = store_next(tx, t->merchant_id, SEQUENCE_EVENT, &t->events);
    if (err == OK)
        err = store_next(tx, t->merchant_id, SEQUENCE_EVENT, &t->events);
    if (err == OK)
        err = store_next(tx, t->merchant_id, SEQUENCE_JOURNAL, &t->journals);
    return err ? err : (t->fail ? ERR_DECLINED : OK);
}

static void test_sequences_are_dense(void **state)
{
    (void)state;
    struct folder f = folder_make();
    struct store *s = open_in(&f);
    int64_t stood[2] = {0, 0};
    for (int i = 0; i < 40; i++) {
        struct taken t = {.merchant_id = 2 + i % 2, .fail = i % 3 == 1};
        assert_int_equal(store_write(s, 0, take_numbers, &t), t.fail ? ERR_DECLINED : OK);
        stood[i % 2] += !t.fail;
        if (t.fail)
            continue;
        assert_int_equal(t.events, 2 * stood[i % 2]);
        assert_int_equal(t.journals, stood[i % 2]);
    }
    store_close(s);
    s = open_in(&f); /* and goes on after a restart */
    struct taken t = {.merchant_id = 2};
    assert_int_equal(store_write(s, 0, take_numbers, &t), OK);
    assert_int_equal(t.journals, stood[0] + 1);
    store_close(s);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh_and_again),
        cmocka_unit_test(test_refusals_say_why),
        cmocka_unit_test(test_not_a_database),
        cmocka_unit_test(test_each_migration_is_whole_or_not_there),
        cmocka_unit_test(test_payment_methods_outlive_a_migration),
        cmocka_unit_test(test_writer_keeps_append_only_tables),
        cmocka_unit_test(test_claim_takes_what_is_due),
        cmocka_unit_test(test_lost_lease_changes_nothing),
        cmocka_unit_test(test_leased_from_birth_taken_and_freed),
        cmocka_unit_test(test_sequences_are_dense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

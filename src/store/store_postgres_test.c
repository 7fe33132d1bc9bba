/* Engine PostgreSQL against a real server: TEST_POSTGRES is the URI of a superuser; each test has a
 * database of its own. tests/run starts the server. */
#include <libpq-fe.h>

#include "store/store_test.h"

struct server {
    PGconn *admin;
    char name[40], uri[300];
};

static void sql(PGconn *c, const char *text)
{
    PGresult *r = PQexec(c, text);
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", text, PQerrorMessage(c));
    PQclear(r);
}

static int64_t sql_int(PGconn *c, const char *text)
{
    PGresult *r = PQexec(c, text);
    if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1)
        fail_msg("%s: %s", text, PQerrorMessage(c));
    int64_t v = atoll(PQgetvalue(r, 0, 0));
    PQclear(r);
    return v;
}

/* The same server and user, another database. */
static PGconn *connect_to(const char *database)
{
    const char *keys[] = {"dbname", "dbname", NULL};
    const char *values[] = {getenv("TEST_POSTGRES"), database, NULL};
    PGconn *c = PQconnectdbParams(keys, values, 1);
    if (PQstatus(c) != CONNECTION_OK)
        fail_msg("TEST_POSTGRES: %s", PQerrorMessage(c));
    return c;
}

/* All roles of the tests have the superuser's password. */
static void uri_of(const struct server *s, const char *role, char out[300])
{
    (void)snprintf(out, 300, "postgres://%s:%s@%s:%s/%s", role, PQpass(s->admin), PQhost(s->admin),
                   PQport(s->admin), s->name);
}

static struct server server_make(void)
{
    static int made;
    struct server s;
    char text[100];
    s.admin = connect_to("postgres");
    (void)snprintf(s.name, sizeof s.name, "store_%d_%d", (int)getpid(), ++made);
    (void)snprintf(text, sizeof text, "CREATE DATABASE %s", s.name);
    sql(s.admin, text);
    uri_of(&s, PQuser(s.admin), s.uri);
    PQfinish(s.admin);
    s.admin = connect_to(s.name);
    return s;
}

static void server_drop(struct server *s)
{
    char text[100];
    PQfinish(s->admin);
    s->admin = connect_to("postgres");
    (void)snprintf(text, sizeof text, "DROP DATABASE %s WITH (FORCE)", s->name);
    sql(s->admin, text);
    PQfinish(s->admin);
}

static struct store_config config_of(const struct server *s)
{
    return (struct store_config){.path = s->uri,
                                 .migrations = "florin",
                                 .batch_max = 256,
                                 .readers = 1,
                                 .writers = 1,
                                 .queue_max = 10000};
}

static struct store *open_on(const struct server *s)
{
    struct store_config config = config_of(s);
    return open_with(&config);
}

/* --- a batch in which one fails --- */
enum deed { DEED_ADD, DEED_ADD_TWICE, DEED_WRONG_EPOCH, DEED_ADD_AND_REFUSE, DEED_NOTHING };

struct act {
    struct store_op op;
    enum deed deed;
    uint64_t n;
    err_t err;
    struct counter *counter;
};

static err_t act_run(struct store_tx *tx, void *arg)
{
    const struct act *a = arg;
    struct job job = job_of(a->n);
    if (a->deed == DEED_NOTHING)
        return ERR_DECLINED;
    err_t err = job_add(tx, &job);
    if (!err && a->deed == DEED_ADD_TWICE)
        err = job_add(tx, &job);
    job.epoch = 7;
    if (!err && a->deed == DEED_WRONG_EPOCH)
        err = job_must_finish(tx, &job);
    return err || a->deed != DEED_ADD_AND_REFUSE ? err : ERR_DECLINED;
}

static void act_done(err_t err, void *arg)
{
    struct act *a = arg;
    a->err = err;
    counter_add(a->counter);
}

static void test_one_failure_is_ones_own(void **state)
{
    (void)state;
    struct server server = server_make();
    struct store *s = open_on(&server);
    struct gate gate = GATE;
    struct counter counter = COUNTER;
    struct store_op holder;
    static const struct {
        enum deed deed;
        err_t want;
    } deeds[] = {
        {DEED_ADD, OK},
        {DEED_ADD_TWICE, ERR_STATE},
        {DEED_ADD, OK},
        {DEED_WRONG_EPOCH, ERR_LEASE_LOST},
        {DEED_NOTHING, ERR_DECLINED},
        {DEED_ADD_AND_REFUSE, ERR_DECLINED},
        {DEED_ADD, OK},
    };
    struct act acts[COUNT_OF(deeds)];
    hold_writer(s, &holder, &gate);
    for (size_t i = 0; i < COUNT_OF(deeds); i++) {
        acts[i] = (struct act){.deed = deeds[i].deed, .n = i, .counter = &counter};
        acts[i].op =
            (struct store_op){.merchant_id = 2, .run = act_run, .done = act_done, .arg = &acts[i]};
        assert_int_equal(store_submit(s, &acts[i].op), OK);
    }
    gate_open(&gate);
    counter_await(&counter, COUNT_OF(deeds));
    for (size_t i = 0; i < COUNT_OF(deeds); i++)
        assert_int_equal(acts[i].err, deeds[i].want);
    assert_int_equal(sql_int(server.admin, "SELECT count(*) FROM job"), 3);
    store_close(s);
    server_drop(&server);
}

/* Alone in its batch it fails in the same way. */
static void test_alone(void **state)
{
    (void)state;
    struct server server = server_make();
    struct store *s = open_on(&server);
    struct act a = {.deed = DEED_ADD_TWICE};
    assert_int_equal(store_write(s, 2, act_run, &a), ERR_STATE);
    a.deed = DEED_WRONG_EPOCH;
    assert_int_equal(store_write(s, 2, act_run, &a), ERR_LEASE_LOST);
    a.deed = DEED_ADD;
    assert_int_equal(store_write(s, 2, act_run, &a), OK);
    assert_int_equal(sql_int(server.admin, "SELECT count(*) FROM job"), 1);
    store_close(s);
    server_drop(&server);
}

/* --- values --- */
static err_t values_run(struct store_tx *tx, void *arg)
{
    static const char bytes[] = {0, 1, (char)255, 0};
    struct job job = job_of(1), out;
    bool found;
    (void)arg;
    job.merchant_id = INT64_MAX;
    job.attempts = INT16_MAX;
    memcpy(job.payload, bytes, sizeof bytes);
    job.payload_n = sizeof bytes;
    err_t err = job_add(tx, &job);
    if (!err)
        err = job_take(tx, INT64_MAX, job.id, 5, 10, &out, &found);
    if (err)
        return err;
    assert_true(found);
    assert_int_equal(out.attempts, INT16_MAX);
    assert_int_equal(out.epoch, 2);
    assert_int_equal(out.payload_n, sizeof bytes);
    assert_memory_equal(out.payload, bytes, sizeof bytes);
    return job_finish(tx, &out);
}

static err_t too_large_run(struct store_tx *tx, void *arg)
{
    (void)arg;
    struct job job = job_of(1);
    job.attempts = INT16_MAX + 1;
    return job_add(tx, &job);
}

static void test_values(void **state)
{
    (void)state;
    struct server server = server_make();
    struct store *s = open_on(&server);
    assert_int_equal(store_write(s, 0, values_run, NULL), OK);
    assert_int_equal(store_write(s, 0, too_large_run, NULL), ERR_STORE);
    assert_int_equal(store_write(s, 0, values_run, NULL), OK);
    assert_int_equal(store_read(s, values_run, NULL), ERR_STORE); /* a reader writes nothing */
    struct err_info why = {0};
    if (store_prepare_all(s, &why))
        fail_msg("%s", why.detail);
    store_close(s);
    server_drop(&server);
}

/* --- what only grows --- */
static err_t script_run(struct store_tx *tx, void *arg)
{
    return tx->conn->engine->script(tx->conn, arg, NULL);
}

static void test_grants(void **state)
{
    (void)state;
    struct server server = server_make();
    sql(server.admin, "DO $$ BEGIN CREATE ROLE store_owner LOGIN SUPERUSER; EXCEPTION WHEN "
                      "duplicate_object THEN NULL; END $$");
    char text[120], uri[300];
    (void)snprintf(text, sizeof text, "ALTER ROLE store_owner NOSUPERUSER PASSWORD '%s'",
                   PQpass(server.admin));
    sql(server.admin, text);
    (void)snprintf(text, sizeof text, "ALTER DATABASE %s OWNER TO store_owner", server.name);
    sql(server.admin, text);
    uri_of(&server, "store_owner", uri);
    struct store_config config = config_of(&server);
    config.path = uri;
    struct store *s = open_with(&config);
    for (const char *const *t = store_append_only; *t; t++) {
        static const char *const forms[] = {"DELETE FROM %s", "TRUNCATE %s",
                                            "UPDATE %s SET merchant_id = merchant_id"};
        for (size_t i = 0; i < COUNT_OF(forms); i++) {
            (void)snprintf(text, sizeof text, forms[i], *t);
            assert_int_equal(store_write(s, 0, script_run, text), ERR_STORE);
        }
    }
    assert_int_equal(store_write(s, 0, script_run, (void *)(uintptr_t) "DELETE FROM job"), OK);
    store_close(s);
    server_drop(&server);
}

/* --- several nodes --- */
#define NODES 4
#define TURNS 60

struct node {
    const struct server *server;
    pthread_t thread;
    int failed;
};

static err_t turn_run(struct store_tx *tx, void *arg)
{
    int64_t *merchant = arg, a, b;
    err_t err = store_next(tx, *merchant, SEQUENCE_EVENT, &a);
    if (!err)
        err = store_next(tx, *merchant, SEQUENCE_JOURNAL, &b);
    if (err)
        return err;
    struct job job = {.merchant_id = *merchant, .id = id_of((uint64_t)a), .kind = JOB_FLOW};
    return job_add(tx, &job); /* a number given twice is a job there twice */
}

/* Of no merchant alone: it locks as it goes, in ascending order. */
static err_t both_run(struct store_tx *tx, void *arg)
{
    int64_t low = 4, high = 6;
    err_t err = turn_run(tx, &low);
    (void)arg;
    return err ? err : turn_run(tx, &high);
}

static void *node_main(void *arg)
{
    struct node *n = arg;
    struct store *s = open_on(n->server); /* all make the schema at once */
    for (int i = 0; i < TURNS; i++) {
        int64_t merchant = i % 2 ? 4 : 6;
        n->failed += store_write(s, merchant, turn_run, &merchant) != OK;
        if (i % 3 == 0)
            n->failed += store_write(s, 0, both_run, NULL) != OK;
    }
    store_close(s);
    return NULL;
}

static void test_numbers_are_dense_over_nodes(void **state)
{
    (void)state;
    struct server server = server_make();
    struct node nodes[NODES];
    for (int i = 0; i < NODES; i++) {
        nodes[i] = (struct node){.server = &server};
        assert_int_equal(pthread_create(&nodes[i].thread, NULL, node_main, &nodes[i]), 0);
    }
    for (int i = 0; i < NODES; i++) {
        pthread_join(nodes[i].thread, NULL);
        assert_int_equal(nodes[i].failed, 0);
    }
    int64_t all = NODES * (TURNS + TURNS / 3 * 2);
    assert_int_equal(sql_int(server.admin, "SELECT count(*) FROM job"), all);
    assert_int_equal(sql_int(server.admin, "SELECT sum(event_last) FROM sequencer"), all);
    assert_int_equal(sql_int(server.admin, "SELECT sum(journal_last) FROM sequencer"), all);
    server_drop(&server);
}

/* --- a connection that goes away, at any moment --- */
#define CUTS 40

static err_t count_run(struct store_tx *tx, void *arg)
{
    int64_t *ret = arg;
    err_t err = store_next(tx, 2, SEQUENCE_EVENT, ret);
    struct job job = {.merchant_id = 2, .kind = JOB_FLOW};
    job.id = id_of((uint64_t)*ret);
    return err ? err : job_add(tx, &job);
}

static void *cutter_main(void *arg)
{
    const struct server *server = arg;
    PGconn *c = connect_to(server->name);
    char text[300];
    (void)snprintf(text, sizeof text,
                   "SELECT count(pg_terminate_backend(pid)), pg_sleep(0.02) FROM pg_stat_activity "
                   "WHERE application_name = 'florin' AND datname = '%s'",
                   server->name);
    for (int i = 0; i < CUTS; i++)
        sql(c, text);
    PQfinish(c);
    return NULL;
}

static void test_cut_off(void **state)
{
    (void)state;
    struct server server = server_make();
    struct store *s = open_on(&server);
    pthread_t cutter;
    assert_int_equal(pthread_create(&cutter, NULL, cutter_main, &server), 0);
    int64_t last = 0;
    for (int i = 0; i < 400; i++) {
        int64_t number = 0;
        assert_int_equal(store_write(s, 2, count_run, &number), OK);
        assert_int_equal(number, last + 1); /* none lost, none done twice */
        last = number;
    }
    pthread_join(cutter, NULL);
    assert_int_equal(sql_int(server.admin, "SELECT count(*) FROM job"), last);
    store_close(s);
    server_drop(&server);
}

int main(void)
{
    if (!getenv("TEST_POSTGRES")) {
        (void)fprintf(stderr, "TEST_POSTGRES is not set; `tests/run postgres:unit` sets it\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_failure_is_ones_own),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_grants),
        cmocka_unit_test(test_numbers_are_dense_over_nodes),
        cmocka_unit_test(test_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

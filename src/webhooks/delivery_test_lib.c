#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "ledger/ledger.h"
#include "webhooks/delivery_test_lib.h"
#include "store/store_folder.h"

#define DEADLINE_US INT64_C(20000000)

struct hook hooks[HOOKS_MAX];
const uint8_t test_key[32] = {9, 9, 9};

static struct {
    struct folder folder;
    struct store *store;
    struct http_client *client;
    struct http_server *server;
    int port;
    char secret[HOOKS_MAX][80];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct webhooks *worker; /* under lock: the hook of the store may come at any time */
    struct http_request *hanging[CALLS_MAX];
    int hanging_n;
} t = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* --- the server --- */

static void keep_header(struct http_request *req, const char *name, char *out, size_t size)
{
    struct str v = http_header(req, name);
    snprintf(out, size, STR_FMT, STR_ARG(v));
}

static void answer(struct http_request *req, int status, const char *location)
{
    struct buf body = BUF(1000);
    struct http_answer_header h = {"Location", location};
    buf_str(&body, "{\"thanks\":\"4242424242424242\"}");
    struct http_answer a = {
        .status = status, .body = &body, .headers = &h, .headers_n = location ? 1 : 0};
    http_reply(req, &a);
    buf_free(&body);
}

static void on_hook(struct http_request *req, void *ctx)
{
    (void)ctx;
    int i = req->params[0].p[0] - '0';
    ASSERT(i >= 0 && i < HOOKS_MAX);
    struct hook *h = &hooks[i];
    pthread_mutex_lock(&t.lock);
    ASSERT(h->calls < CALLS_MAX && h->plan_n > 0);
    struct hook_call *c = &h->call[h->calls];
    keep_header(req, "webhook-id", c->id, sizeof c->id);
    keep_header(req, "webhook-timestamp", c->timestamp, sizeof c->timestamp);
    keep_header(req, "webhook-signature", c->signature, sizeof c->signature);
    keep_header(req, "content-type", c->content_type, sizeof c->content_type);
    keep_header(req, "user-agent", c->user_agent, sizeof c->user_agent);
    c->body = mem_alloc(req->body.n + 1);
    memcpy(c->body, req->body.p, req->body.n);
    int status = h->plan[h->calls < h->plan_n ? h->calls : h->plan_n - 1];
    h->calls++;
    if (status == HANG)
        t.hanging[t.hanging_n++] = req;
    pthread_cond_broadcast(&t.changed);
    pthread_mutex_unlock(&t.lock);
    if (status != HANG)
        answer(req, status, status / 100 == 3 ? h->location : NULL);
}

static const struct http_route routes[] = {{HTTP_POST, "/hook/{n}", on_hook, 0}};

static void start_server(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    struct err_info info = {.err = OK};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    t.port = ntohs(a.sin_port);
    struct http_server_config config = {.name = "test",
                                        .listen_fd = fd,
                                        .routes = routes,
                                        .routes_n = 1,
                                        .header_bytes_max = 16384,
                                        .body_bytes_max = 262144,
                                        .read_timeout_ms = 15000,
                                        .idle_timeout_ms = 60000,
                                        .connections_max = 200};
    if (http_server_start(&config, &t.server, &info))
        fail_msg("http_server_start: %s", info.detail);
}

void hook_plan(int hook, int n, ...)
{
    va_list ap;
    va_start(ap, n);
    pthread_mutex_lock(&t.lock);
    for (int i = 0; i < n; i++)
        hooks[hook].plan[i] = va_arg(ap, int);
    hooks[hook].plan_n = n;
    pthread_mutex_unlock(&t.lock);
    va_end(ap);
}

static void wait_change(int64_t until_us)
{
    struct timespec ts = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    (void)pthread_cond_timedwait(&t.changed, &t.lock, &ts);
}

void hook_wait(int hook, int n)
{
    int64_t until = sys_now_us() + DEADLINE_US;
    pthread_mutex_lock(&t.lock);
    while (hooks[hook].calls < n && sys_now_us() < until)
        wait_change(until);
    int calls = hooks[hook].calls;
    pthread_mutex_unlock(&t.lock);
    assert_true(calls >= n);
}

int hook_calls(int hook)
{
    pthread_mutex_lock(&t.lock);
    int calls = hooks[hook].calls;
    pthread_mutex_unlock(&t.lock);
    return calls;
}

void hook_release(int status)
{
    pthread_mutex_lock(&t.lock);
    struct http_request *list[CALLS_MAX];
    int n = t.hanging_n;
    memcpy(list, t.hanging, sizeof list);
    t.hanging_n = 0;
    pthread_mutex_unlock(&t.lock);
    for (int i = 0; i < n; i++)
        answer(list[i], status, NULL);
}

/* --- store and worker --- */

static void after_commit(const struct store_note *notes, size_t n, void *arg)
{
    (void)notes, (void)arg;
    pthread_mutex_lock(&t.lock);
    if (n > 0 && t.worker)
        webhooks_wake(t.worker);
    pthread_mutex_unlock(&t.lock);
}

static void open_store(void)
{
    t.store =
        folder_open(&t.folder, (struct store_config){.hooks = {.before_commit = ledger_chain,
                                                               .after_commit = after_commit}});
}

int world_setup(void **state)
{
    (void)state;
    crypto_init();
    memset(hooks, 0, sizeof hooks);
    t.folder = folder_make();
    open_store();
    start_server();
    return 0;
}

int world_teardown(void **state)
{
    (void)state;
    hook_release(200);
    if (t.worker)
        world_stop(5000);
    http_server_stop(t.server);
    store_close(t.store);
    for (int h = 0; h < HOOKS_MAX; h++)
        for (int i = 0; i < hooks[h].calls; i++)
            mem_free(hooks[h].call[i].body);
    folder_remove(&t.folder);
    return 0;
}

struct store *world_store(void)
{
    return t.store;
}

struct http_client *world_client(void)
{
    return t.client;
}

void world_start(const struct world_config *config)
{
    struct err_info info = {.err = OK};
    struct webhooks *worker;
    assert_int_equal(http_client_start("hooks", 100, &t.client, &info), OK);
    struct webhooks_config c = {.store = t.store,
                                .client = t.client,
                                .secret_key = test_key,
                                .allow_private = !config->public_only,
                                .timeout_ms = config->timeout_ms ? config->timeout_ms : 10000,
                                .lease_us = config->lease_us ? config->lease_us : 30000000,
                                .parallel = config->parallel ? config->parallel : 16,
                                .schedule = config->schedule ? config->schedule : "0,0,0"};
    if (webhooks_start(&c, &worker, &info))
        fail_msg("webhooks_start: %s", info.detail);
    pthread_mutex_lock(&t.lock);
    t.worker = worker;
    pthread_mutex_unlock(&t.lock);
}

void world_stop(int wait_ms)
{
    pthread_mutex_lock(&t.lock);
    struct webhooks *worker = t.worker;
    t.worker = NULL;
    pthread_mutex_unlock(&t.lock);
    webhooks_stop(worker, wait_ms);
    http_client_stop(t.client);
    t.client = NULL;
}

static err_t run_free_all(struct store_tx *tx, void *arg)
{
    (void)arg;
    return job_free_all(tx, sys_now_us());
}

void world_crash(void)
{
    store_close(t.store);
    open_store();
    assert_int_equal(store_write(t.store, 0, run_free_all, NULL), OK);
}

/* --- endpoints and events --- */

struct make {
    struct endpoint_input in;
    struct det det;
    uint8_t random[32];
    struct buf out;
};

static err_t run_make(struct store_tx *tx, void *arg)
{
    struct make *m = arg;
    struct det det = m->det;
    buf_clear(&m->out);
    return endpoint_create(tx, &det, 2, &m->in, m->random, test_key, &m->out);
}

struct id endpoint_make(int hook, const char *events)
{
    char url[80];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/hook/%d", t.port, hook);
    struct make m = {.in = {.url = str_from(url)}, .det = sys_det(), .out = BUF(10000)};
    m.in.enabled_events = events ? json_loads(events, 0, NULL) : NULL;
    sys_random(m.random, sizeof m.random);
    if (hooks[hook].plan_n == 0)
        hook_plan(hook, 1, 200);
    assert_int_equal(store_write(t.store, 0, run_make, &m), OK);
    json_t *v = json_loadb(m.out.p, m.out.n, 0, NULL);
    struct id id;
    assert_true(id_parse(ID_ENDPOINT, str_from(text(v, "id")), &id));
    snprintf(t.secret[hook], sizeof t.secret[hook], "%s", text(v, "secret"));
    json_decref(v);
    json_decref(m.in.enabled_events);
    buf_free(&m.out);
    return id;
}

const char *endpoint_secret_text(int hook)
{
    return t.secret[hook];
}

struct set {
    struct id id;
    bool enabled;
};

static err_t run_set(struct store_tx *tx, void *arg)
{
    struct set *s = arg;
    struct det det = sys_det();
    return endpoint_set_status(tx, &det, 2, s->id, s->enabled, s->enabled ? NULL : "By hand.",
                               NULL);
}

void endpoint_status(struct id endpoint, bool enabled)
{
    struct set s = {endpoint, enabled};
    assert_int_equal(store_write(t.store, 0, run_set, &s), OK);
}

struct appending {
    struct event_new e;
    struct det det;
    int64_t sequence;
};

static err_t run_append(struct store_tx *tx, void *arg)
{
    struct appending *a = arg;
    return event_append(tx, &a->det, &a->e, &a->sequence);
}

int64_t append(int64_t merchant_id, enum event_type type, const char *data)
{
    struct appending a = {.det = sys_det(),
                          .e = {.merchant_id = merchant_id,
                                .type = type,
                                .object_kind = ID_PAYMENT,
                                .object_version = 1,
                                .data = str_from(data)}};
    a.e.object_id = id_new(&a.det);
    assert_int_equal(store_write(t.store, 0, run_append, &a), OK);
    return a.sequence;
}

/* --- looking --- */

const char *text(json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

struct look {
    struct id endpoint;
    struct buf out;
    int64_t count;
};

static err_t run_deliveries(struct store_tx *tx, void *arg)
{
    struct look *l = arg;
    struct jw w = {.b = &l->out};
    bool more;
    buf_clear(&l->out);
    jw_array(&w, NULL);
    err_t err = delivery_list(tx, 2, l->endpoint, 0, 100, &w, &more);
    jw_array_end(&w);
    return err;
}

json_t *deliveries(struct id endpoint)
{
    struct look l = {.endpoint = endpoint, .out = BUF(1000000)};
    assert_int_equal(store_read(t.store, run_deliveries, &l), OK);
    json_t *v = json_loadb(l.out.p, l.out.n, 0, NULL);
    assert_non_null(v);
    buf_free(&l.out);
    return v;
}

/* Between two looks, until the deadline. */
static void pause_briefly(void)
{
    struct timespec ts = {.tv_nsec = 2000000};
    (void)nanosleep(&ts, NULL);
}

json_t *deliveries_wait(struct id endpoint, size_t n, const char *status)
{
    int64_t until = sys_now_us() + DEADLINE_US;
    for (;;) {
        json_t *v = deliveries(endpoint);
        size_t good = 0;
        for (size_t i = 0; i < json_array_size(v); i++)
            good += strcmp(text(json_array_get(v, i), "status"), status) == 0;
        if (json_array_size(v) >= n && good == json_array_size(v))
            return v;
        if (sys_now_us() > until) {
            char *all = json_dumps(v, 0);
            fail_msg("deliveries are not all %s: %s", status, all);
        }
        json_decref(v);
        pause_briefly();
    }
}

json_t *attempt_of(json_t *list, size_t delivery, size_t number)
{
    return json_array_get(json_object_get(json_array_get(list, delivery), "attempts"), number);
}

static err_t run_count(struct store_tx *tx, void *arg)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_WEBHOOKS_COUNT_PENDING, &row, V_INT(JOB_DELIVERY));
    if (!err)
        *(int64_t *)arg = row_int(row, 0);
    return err;
}

int64_t jobs_left(void)
{
    int64_t n = -1;
    assert_int_equal(store_read(t.store, run_count, &n), OK);
    return n;
}

void wait_jobs_left(int64_t n)
{
    int64_t until = sys_now_us() + DEADLINE_US;
    while (jobs_left() != n) {
        assert_true(sys_now_us() < until);
        pause_briefly();
    }
}

static err_t run_verify(struct store_tx *tx, void *arg)
{
    return ledger_verify(tx, arg);
}

void assert_ledger_verifies(void)
{
    struct ledger_report r;
    assert_int_equal(store_read(t.store, run_verify, &r), OK);
    assert_string_equal(r.first_fault, "");
    assert_true(r.events > 0);
}

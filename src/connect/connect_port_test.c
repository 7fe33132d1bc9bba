/* The provider port over real HTTP: what each kind of answer and of silence becomes; reload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connect/connect.h"
#include "crypto/crypto.h"
#include "observe/observe.h"
#include "sys/sys.h"

#define DEADLINE_US INT64_C(20000000)
#define SECRET "k_2718281828"

static char dir[64], logs[80], address[80];
static struct http_server *server;
static struct http_client *client;
static struct connect *connect_;
static atomic_int asked;
static struct http_request *kept;

/* What the provider answers, by the token in the path. */
static void provider(struct http_request *req, void *ctx)
{
    struct buf body = BUF(4096);
    struct http_answer answer = {.status = 200, .body = &body};
    (void)ctx;
    atomic_fetch_add(&asked, 1);
    if (str_eq(req->params[0], STR("silent"))) {
        kept = req;
        return;
    }
    if (str_eq(req->params[0], STR("broken")))
        answer.status = 500;
    if (str_eq(req->params[0], STR("garbage")))
        buf_str(&body, "<html>");
    else if (!str_eq(http_header(req, "X-Key"), STR(SECRET)))
        buf_str(&body, "{\"kind\":\"declined\",\"code\":\"no key\"}");
    else
        buf_printf(&body, "{\"kind\":\"captured\",\"amount\":%d,\"currency\":\"EUR\"}",
                   str_eq(req->params[0], STR("shift")) ? 501 : 500);
    http_reply(req, &answer);
}

static const struct http_route routes[] = {{HTTP_POST, "/{token}", provider, 0}};

static err_t lookup(void *self, int64_t merchant_id, int16_t account, char ret_connector[41],
                    struct buf *ret_credentials, struct buf *ret_permit)
{
    (void)self, (void)ret_permit;
    if (merchant_id != 2)
        return ERR_NOT_FOUND;
    (void)snprintf(ret_connector, 41, account == 3 ? "other" : "toy");
    if (account == 2) /* a port nobody listens on */
        buf_str(ret_credentials, "{\"base_url\":\"http://127.0.0.1:1\",\"key\":\"" SECRET "\"}");
    else
        buf_printf(ret_credentials, "{\"base_url\":\"http://%s\",\"key\":\"" SECRET "\"}", address);
    return OK;
}

static bool peek(void *self, int64_t merchant_id, int16_t account, char ret_connector[41])
{
    (void)self;
    (void)snprintf(ret_connector, 41, account == 3 ? "other" : "toy");
    return merchant_id == 2;
}

static void write_connector(const char *name, const char *version, const char *lua)
{
    char path[160], text[2048];
    struct err_info info = {0};
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/%s/errors.tsv", dir, name);
    assert_int_equal(sys_write_file(path, "", 0, 0600, &info), OK);
    (void)snprintf(path, sizeof path, "%s/%s/connector.lua", dir, name);
    (void)snprintf(text, sizeof text, lua, version);
    assert_int_equal(sys_write_file(path, text, strlen(text), 0600, &info), OK);
}

static const char toy[] =
    "local v='%s'\n"
    "local m={operations={'authorize','inquire'},hosts_from='base_url',"
    "not_found_final_after_ms=1234,"
    "credentials={{name='base_url',form='url'},{name='key'}}}\n"
    "local function build(op,cred) if op.token=='raise' then error('no '..cred.key) end "
    "return {method='POST',url=cred.base_url..'/'..op.token,"
    "headers={['X-Key']=cred.key,['Content-Type']='application/json'},body='{}'} end\n"
    "local function read(op,a) if a.status>=500 then return nil end "
    "local t=florin.json_decode(a.body) t.authorization_code=v return t end\n"
    "local function webhook(q,cred) if q.body~=cred.key then return nil,'forged' end "
    "return {id=v,kind='ignored'} end\n"
    "return {manifest=m,build=build,read=read,webhook=webhook}\n";

static int set_up(void **state)
{
    (void)state;
    struct err_info info = {0};
    crypto_init();
    wire_init();
    (void)snprintf(dir, sizeof dir, "/tmp/florin-port-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(logs, sizeof logs, "%s.log", dir);
    log_open(open(logs, O_CREAT | O_WRONLY | O_APPEND | O_TRUNC, 0600), LOG_DEBUG);
    write_connector("toy", "1", toy);
    struct http_server_config config = {.name = "toy",
                                        .routes = routes,
                                        .routes_n = COUNT_OF(routes),
                                        .header_bytes_max = 8192,
                                        .body_bytes_max = 8192,
                                        .read_timeout_ms = 10000,
                                        .idle_timeout_ms = 10000,
                                        .connections_max = 64};
    if (sys_listen("127.0.0.1:0", 0, &config.listen_fd, address, &info) != OK ||
        http_server_start(&config, &server, &info) != OK ||
        http_client_start("port-test", 64, &client, &info) != OK)
        return -1;
    struct connect_config c = {.dir = dir,
                               .client = client,
                               .lookup = lookup,
                               .peek = peek,
                               .connect_timeout_ms = 2000,
                               .timeout_ms = 500};
    return connect_start(&c, &connect_, &info) == OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char cmd[256];
    connect_close(connect_);
    http_client_stop(client);
    connect_stop(connect_);
    if (kept) {
        struct http_answer answer = {.status = 204};
        http_reply(kept, &answer);
    }
    http_server_stop(server);
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s %s", dir, logs);
    return system(cmd);
}

struct waiting {
    struct outcome outcome;
    atomic_bool done;
};

static void done(const struct outcome *o, void *arg)
{
    struct waiting *w = arg;
    w->outcome = *o;
    atomic_store(&w->done, true);
}

static struct outcome call_as(int64_t merchant, int16_t account, const char *token,
                              enum provider_operation operation)
{
    struct provider_port port = connect_port(connect_);
    struct provider_call call = {.operation = operation,
                                 .merchant_id = merchant,
                                 .account = account,
                                 .reference = "att_1",
                                 .amount = 500,
                                 .currency = 978,
                                 .capture = true};
    struct waiting w = {.done = false};
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    (void)snprintf(call.token, sizeof call.token, "%s", token);
    port.call(port.self, &call, done, &w);
    while (!atomic_load(&w.done)) {
        assert_true(sys_mono_us() < until_us);
        (void)usleep(500);
    }
    return w.outcome;
}

static struct outcome pay(const char *token)
{
    return call_as(2, 1, token, OPERATION_AUTHORIZE);
}

static bool logged(const char *text)
{
    struct buf b = BUF(1 << 20);
    struct err_info info = {0};
    assert_int_equal(sys_read_file(logs, 1 << 20, &b, &info), OK);
    bool found = b.p && strstr(b.p, text);
    buf_free(&b);
    return found;
}

static void an_answer_is_read(void **state)
{
    (void)state;
    struct outcome o = pay("good");
    assert_int_equal(o.kind, OUTCOME_CAPTURED);
    assert_int_equal(o.amount, 500);
    assert_true(o.latency_us > 0);
    struct buf metrics = BUF(1 << 20);
    metrics_render(&metrics);
    assert_non_null(strstr(metrics.p, "florin_attempts_total{provider=\"toy\",operation="
                                      "\"authorize\",outcome=\"captured\"}"));
    buf_free(&metrics);
}

static void what_is_no_answer_is_unknown(void **state)
{
    (void)state;
    static const char *const tokens[] = {"silent", "broken", "garbage", "shift"};
    for (size_t i = 0; i < COUNT_OF(tokens); i++)
        if (pay(tokens[i]).kind != OUTCOME_UNKNOWN)
            fail_msg("%s is not unknown", tokens[i]);
}

static void what_did_not_leave_is_not_sent(void **state)
{
    (void)state;
    int before = atomic_load(&asked);
    assert_int_equal(call_as(2, 2, "good", OPERATION_AUTHORIZE).kind, OUTCOME_NOT_SENT);
    assert_int_equal(call_as(2, 3, "good", OPERATION_AUTHORIZE).kind, OUTCOME_NOT_SENT);
    assert_int_equal(call_as(4, 1, "good", OPERATION_AUTHORIZE).kind, OUTCOME_NOT_SENT);
    assert_int_equal(call_as(2, 1, "good", OPERATION_REFUND).kind, OUTCOME_NOT_SENT);
    assert_int_equal(call_as(2, 1, "raise", OPERATION_AUTHORIZE).kind, OUTCOME_NOT_SENT);
    assert_int_equal(atomic_load(&asked), before);
    assert_true(logged("provider.not_built"));
    assert_false(logged(SECRET));
}

/* Pays until the connector's version shows. */
static void await_version(const char *version)
{
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    struct outcome o = {.kind = OUTCOME_UNKNOWN};
    while (strcmp(o.authorization_code, version) != 0) {
        assert_true(sys_mono_us() < until_us);
        o = pay("good");
    }
    assert_int_equal(o.kind, OUTCOME_CAPTURED);
}

static void a_reload_takes_what_is_new_and_keeps_what_broke(void **state)
{
    (void)state;
    struct provider_port port = connect_port(connect_);
    assert_int_equal(port.not_found_final_ms(port.self, 2, 1), 1234);
    assert_int_equal(port.not_found_final_ms(port.self, 9, 1), 60000);
    write_connector("toy", "2", toy);
    connect_reload(connect_);
    await_version("2");
    write_connector("toy", "3", "no Lua %s");
    write_connector("other", "3", toy);
    connect_reload(connect_);
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    while (call_as(2, 3, "good", OPERATION_AUTHORIZE).kind != OUTCOME_CAPTURED)
        assert_true(sys_mono_us() < until_us);
    await_version("2"); /* as it was before it broke */
    assert_int_equal(port.not_found_final_ms(port.self, 2, 1), 1234);
    write_connector("toy", "4", toy);
    connect_reload(connect_);
    await_version("4");
}

/* Calls and reloads at once: nothing is lost, whatever set answers. */
static void *reload_often(void *arg)
{
    for (int i = 0; i < 20; i++)
        connect_reload(connect_);
    return arg;
}

static void reloads_lose_no_call(void **state)
{
    (void)state;
    pthread_t thread = sys_thread("reload", reload_often, NULL);
    for (int i = 0; i < 200; i++)
        assert_int_equal(pay("good").kind, OUTCOME_CAPTURED);
    pthread_join(thread, NULL);
}

/* The account's own credentials decide; a reload changes who listens. */
static void a_webhook_is_the_accounts(void **state)
{
    (void)state;
    struct provider_webhook w = {.body = STR(SECRET)};
    struct provider_event e;
    struct err_info info = {0};
    write_connector("toy", "7", toy);
    connect_reload(connect_);
    assert_int_equal(connect_webhook(connect_, 2, 1, &w, &e, &info), OK);
    assert_string_equal(e.id, "7");
    assert_int_equal(connect_webhook(connect_, 4, 1, &w, &e, &info), ERR_NOT_FOUND);
    w.body = STR("k_1");
    assert_int_equal(connect_webhook(connect_, 2, 1, &w, &e, &info), ERR_FORBIDDEN);
    assert_string_equal(info.detail, "forged");
    write_connector("toy", "8", "return %s");
    connect_reload(connect_); /* broken: it listens in the form it had */
    w.body = STR(SECRET);
    assert_int_equal(connect_webhook(connect_, 2, 1, &w, &e, &info), OK);
    assert_string_equal(e.id, "7");
    write_connector("toy", "1", toy);
    connect_reload(connect_);
}

static void *listen_long(void *arg)
{
    atomic_int *stop = arg;
    size_t heard = 0;
    do {
        struct provider_webhook w = {.body = STR(SECRET)};
        struct provider_event e;
        struct err_info info = {0};
        heard += connect_webhook(connect_, 2, 1, &w, &e, &info) == OK;
    } while (!atomic_load(stop));
    return heard > 0 ? arg : NULL;
}

static void webhooks_and_reloads_do_not_meet(void **state)
{
    (void)state;
    atomic_int stop = 0;
    pthread_t thread[2];
    for (size_t i = 0; i < COUNT_OF(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, listen_long, &stop), 0);
    for (int i = 0; i < 20; i++)
        connect_reload(connect_);
    atomic_store(&stop, 1);
    for (size_t i = 0; i < COUNT_OF(thread); i++) {
        void *heard = NULL;
        assert_int_equal(pthread_join(thread[i], &heard), 0);
        assert_non_null(heard);
    }
}

static void after_close_nothing_is_sent(void **state)
{
    (void)state;
    int before = atomic_load(&asked);
    connect_close(connect_);
    assert_int_equal(pay("good").kind, OUTCOME_NOT_SENT);
    assert_int_equal(atomic_load(&asked), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read),
        cmocka_unit_test(what_is_no_answer_is_unknown),
        cmocka_unit_test(what_did_not_leave_is_not_sent),
        cmocka_unit_test(a_reload_takes_what_is_new_and_keeps_what_broke),
        cmocka_unit_test(reloads_lose_no_call),
        cmocka_unit_test(a_webhook_is_the_accounts),
        cmocka_unit_test(webhooks_and_reloads_do_not_meet),
        cmocka_unit_test(after_close_nothing_is_sent),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Requests with a card in them, as the port lets them go: to the port of cards, whole, once, and
 * only when token and placeholders belong together. */
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
#define TOKEN "pm_tok_01JDF3Z7M00000000000000007"
#define PERMIT "florin-permit-1 2 http://127.0.0.1:9 signature\n"
#define ANSWER "{\"kind\":\"captured\",\"amount\":500,\"currency\":\"EUR\"}"

static char dir[64];
static struct http_client *client;
static struct connect *with_vault, *without_vault;
static pthread_t clients_thread;

/* --- what stands in for the role card --- */
static struct {
    atomic_int calls, dones;
    enum http_sent sent; /* HTTP_NOT_SENT: at once, as when there is no link */
    int64_t merchant_id;
    struct id card;
    char permit[200], reference[40], url[200], body[600], header[60];
    int64_t start_before_us;
    struct http_call *http;
} role;

static void deliver(void *arg)
{
    struct http_call *http = arg;
    struct http_result r = {.sent = role.sent, .status = 200, .body = STR(ANSWER), .error = "late"};
    if (r.sent != HTTP_ANSWERED)
        r.body = (struct str){NULL, 0};
    http->done(http, &r);
}

static void *answer_later(void *arg)
{
    (void)usleep(20000);
    http_client_post(client, deliver, arg);
    return NULL;
}

static void keep(char *out, size_t max, struct str s)
{
    assert_true(s.n < max);
    memcpy(out, s.p, s.n);
    out[s.n] = 0;
}

static void send_card(void *self, struct card_call *c)
{
    pthread_t thread;
    (void)self;
    atomic_fetch_add(&role.calls, 1);
    role.merchant_id = c->merchant_id;
    role.card = c->card;
    keep(role.permit, sizeof role.permit, c->permit);
    keep(role.reference, sizeof role.reference, str_from(c->reference));
    keep(role.url, sizeof role.url, str_from(c->http->url));
    keep(role.body, sizeof role.body, c->http->body);
    keep(role.header, sizeof role.header, str_from(c->http->headers[0]));
    role.start_before_us = c->http->start_before_us;
    if (role.sent == HTTP_NOT_SENT) {
        deliver(c->http);
        return;
    }
    assert_int_equal(pthread_create(&thread, NULL, answer_later, c->http), 0);
    assert_int_equal(pthread_detach(thread), 0);
}

/* --- the connector: its description says what it does wrong --- */
static const char lua[] =
    "local m={operations={'authorize','capture','inquire','submit_evidence'},hosts_from='base_url',"
    "credentials={{name='base_url',form='url'}}}\n"
    "local function build(op,cred)\n"
    "local d,n=op.description or '','{{card.number}}'\n"
    "local r={method='POST',url=cred.base_url..'/c',headers={A='b'}}\n"
    "local body={token=op.token,card=op.card,d=op.description,s=op.statement_descriptor}\n"
    "if d=='url' then r.url=r.url..'?n='..n end\n"
    "if d=='header' then r.headers.A=n end\n"
    "if d=='none' then body.card=nil end\n"
    "if d=='always' then body.n=n end\n"
    "if d=='get' then r.method='GET' end\n"
    "if d=='cvc' then body.card={cvc=op.card.cvc} end\n"
    "if d=='pin' then body.pin='{{card.'..'pin}}' end\n"
    "if d=='open' then body.pin='{{card.number' end\n"
    "if op.evidence then body.e=op.evidence end\n"
    "r.body=florin.json_encode(body) return r end\n"
    "local function read(op,a) return florin.json_decode(a.body) end\n"
    "return {manifest=m,build=build,read=read}\n";

static err_t lookup(void *self, int64_t merchant_id, int16_t account, char ret_connector[41],
                    struct buf *ret_credentials, struct buf *ret_permit)
{
    (void)self, (void)merchant_id;
    (void)snprintf(ret_connector, 41, "toy");
    buf_str(ret_credentials, "{\"base_url\":\"http://127.0.0.1:1\""); /* nobody listens */
    if (account == 2)
        buf_str(ret_credentials, ",\"shop\":\"\\u007b{card.number}}\"");
    buf_str(ret_credentials, "}");
    if (ret_permit)
        buf_str(ret_permit, PERMIT);
    return OK;
}

static void write_file(const char *name, const char *text)
{
    char path[160];
    struct err_info info = {0};
    (void)snprintf(path, sizeof path, "%s/toy", dir);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/toy/%s", dir, name);
    assert_int_equal(sys_write_file(path, text, strlen(text), 0600, &info), OK);
}

static void learn_thread(void *arg)
{
    clients_thread = pthread_self();
    atomic_store((atomic_bool *)arg, true);
}

static int set_up(void **state)
{
    (void)state;
    struct err_info info = {0};
    atomic_bool learned = false;
    crypto_init();
    wire_init();
    (void)snprintf(dir, sizeof dir, "/tmp/florin-card-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    log_open(open("/dev/null", O_WRONLY), LOG_ERROR);
    write_file("errors.tsv", "");
    write_file("connector.lua", lua);
    if (http_client_start("card-test", 8, &client, &info) != OK)
        return -1;
    struct connect_config c = {.dir = dir,
                               .client = client,
                               .lookup = lookup,
                               .connect_timeout_ms = 1000,
                               .timeout_ms = 3000};
    if (connect_start(&c, &without_vault, &info) != OK)
        return -1;
    c.card = (struct card_port){.send = send_card};
    if (connect_start(&c, &with_vault, &info) != OK)
        return -1;
    http_client_post(client, learn_thread, &learned);
    while (!atomic_load(&learned))
        (void)usleep(500);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char cmd[128];
    connect_close(with_vault);
    connect_close(without_vault);
    http_client_stop(client);
    connect_stop(with_vault);
    connect_stop(without_vault);
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd);
}

/* --- calls --- */
struct waiting {
    struct outcome outcome;
    pthread_t thread;
    atomic_int times;
};

static void done(const struct outcome *o, void *arg)
{
    struct waiting *w = arg;
    w->outcome = *o;
    w->thread = pthread_self();
    atomic_fetch_add(&role.dones, 1);
    atomic_fetch_add(&w->times, 1);
}

static struct provider_call a_call(const char *token, const char *description)
{
    struct provider_call call = {.operation = OPERATION_AUTHORIZE,
                                 .merchant_id = 2,
                                 .account = 1,
                                 .reference = "att_1",
                                 .amount = 500,
                                 .currency = 978,
                                 .capture = true};
    (void)snprintf(call.token, sizeof call.token, "%s", token);
    (void)snprintf(call.description, sizeof call.description, "%s", description);
    return call;
}

static struct waiting go(struct connect *c, const struct provider_call *call)
{
    struct provider_port port = connect_port(c);
    struct waiting w = {.times = 0};
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    port.call(port.self, call, done, &w);
    while (!atomic_load(&w.times)) {
        assert_true(sys_mono_us() < until_us);
        (void)usleep(500);
    }
    return w;
}

static void assert_not_sent(struct connect *c, const struct provider_call *call, const char *code)
{
    int before = atomic_load(&role.calls);
    struct waiting w = go(c, call);
    assert_int_equal(w.outcome.kind, OUTCOME_NOT_SENT);
    if (strcmp(w.outcome.provider_code, code) != 0)
        fail_msg("%s: %s", call->description, w.outcome.provider_code);
    assert_int_equal(atomic_load(&role.calls), before);
}

/* --- tests --- */
static void a_card_goes_by_the_role_card(void **state)
{
    (void)state;
    struct id card;
    struct provider_call call = a_call(TOKEN, "");
    int before = atomic_load(&role.calls), dones = atomic_load(&role.dones);
    call.lease_until_us = sys_now_us() + INT64_C(60000000);
    role.sent = HTTP_ANSWERED;
    assert_true(card_token_parse(STR(TOKEN), &card));
    struct waiting w = go(with_vault, &call);
    assert_int_equal(w.outcome.kind, OUTCOME_CAPTURED);
    assert_true(pthread_equal(w.thread, clients_thread));
    assert_int_equal(atomic_load(&role.calls), before + 1);
    assert_int_equal(role.merchant_id, 2);
    assert_true(id_eq(role.card, card));
    assert_string_equal(role.permit, PERMIT);
    assert_string_equal(role.reference, "att_1");
    assert_string_equal(role.url, "http://127.0.0.1:1/c");
    assert_string_equal(role.header, "A: b");
    assert_int_equal(role.start_before_us, call.lease_until_us - 4000000);
    assert_non_null(strstr(role.body, "\"number\":\"{{card.number}}\""));
    assert_non_null(strstr(role.body, "\"exp_month\":\"{{card.exp_month}}\""));
    assert_non_null(strstr(role.body, "\"exp_year\":\"{{card.exp_year}}\""));
    assert_non_null(strstr(role.body, "\"exp_year_2\":\"{{card.exp_year_2}}\""));
    assert_non_null(strstr(role.body, "\"cvc\":\"{{card.cvc}}\""));
    assert_null(strstr(role.body, TOKEN)); /* it is nobody's business outside */
    (void)usleep(50000);
    assert_int_equal(atomic_load(&role.dones), dones + 1);
}

static void its_silence_is_told_as_it_is(void **state)
{
    (void)state;
    struct provider_call call = a_call(TOKEN, "");
    call.lease_until_us = sys_now_us() + INT64_C(60000000);
    role.sent = HTTP_UNKNOWN;
    struct outcome o = go(with_vault, &call).outcome;
    assert_int_equal(o.kind, OUTCOME_UNKNOWN);
    assert_int_equal(o.open_until_us, 0);
    role.sent = HTTP_LOST; /* it may yet go out */
    o = go(with_vault, &call).outcome;
    assert_int_equal(o.kind, OUTCOME_UNKNOWN);
    assert_int_equal(o.open_until_us, call.lease_until_us);
    role.sent = HTTP_NOT_SENT;
    assert_int_equal(go(with_vault, &call).outcome.kind, OUTCOME_NOT_SENT);
    role.sent = HTTP_ANSWERED;
}

static void token_and_placeholders_belong_together(void **state)
{
    (void)state;
    static const char *const wrong[] = {"url", "header", "none", "get", "cvc", "pin", "open"};
    struct provider_call call = a_call("pm_tok_visa", "always");
    assert_not_sent(with_vault, &call, "connector_failed"); /* no card is meant */
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        call = a_call(TOKEN, wrong[i]);
        assert_not_sent(with_vault, &call, "connector_failed");
    }
    call = a_call(TOKEN, "always"); /* a capture has no card */
    call.operation = OPERATION_CAPTURE;
    assert_not_sent(with_vault, &call, "connector_failed");
    call = a_call("pm_tok_visa", "url");
    assert_not_sent(with_vault, &call, "connector_failed");
    call = a_call(TOKEN, "");
    assert_not_sent(without_vault, &call, "unavailable");
}

/* What has no card goes the usual way: here nobody listens. */
static void other_requests_go_straight(void **state)
{
    (void)state;
    struct provider_call call = a_call("pm_tok_visa", "");
    int before = atomic_load(&role.calls);
    struct waiting w = go(with_vault, &call);
    assert_int_equal(w.outcome.kind, OUTCOME_NOT_SENT);
    assert_string_not_equal(w.outcome.provider_code, "connector_failed");
    call = a_call(TOKEN, "");
    call.operation = OPERATION_CAPTURE;
    assert_string_not_equal(go(with_vault, &call).outcome.provider_code, "connector_failed");
    call.operation = OPERATION_SUBMIT_EVIDENCE; /* it may speak of anything */
    call.evidence = STR("{\"a\":\"{{card.number}}\"}");
    (void)snprintf(call.provider_reference, sizeof call.provider_reference, "dp_1");
    assert_string_not_equal(go(with_vault, &call).outcome.provider_code, "connector_failed");
    assert_int_equal(atomic_load(&role.calls), before);
}

/* Whoever writes a description must not get a number printed into it. */
static void words_of_a_merchant_are_no_placeholders(void **state)
{
    (void)state;
    struct provider_call call = a_call(TOKEN, "to {{card.number}}{{card.cvc}}");
    (void)snprintf(call.statement_descriptor, sizeof call.statement_descriptor, "{{{card.number}}");
    role.sent = HTTP_ANSWERED;
    assert_int_equal(go(with_vault, &call).outcome.kind, OUTCOME_CAPTURED);
    assert_non_null(strstr(role.body, "\"d\":\"to ((card.number}}((card.cvc}}\""));
    assert_non_null(strstr(role.body, "\"s\":\"{((card.number}}\""));
    call = a_call("pm_tok_visa", "to {{card.number}}"); /* and nobody's payment fails for it */
    struct waiting w = go(with_vault, &call);
    assert_string_not_equal(w.outcome.provider_code, "connector_failed");
    call = a_call("pm_tok_{{card.number}}", "");
    w = go(with_vault, &call);
    assert_string_not_equal(w.outcome.provider_code, "connector_failed");
    call = a_call(TOKEN, ""); /* nor are those of an account's credentials */
    call.account = 2;
    assert_not_sent(with_vault, &call, "connector_failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_goes_by_the_role_card),
        cmocka_unit_test(its_silence_is_told_as_it_is),
        cmocka_unit_test(token_and_placeholders_belong_together),
        cmocka_unit_test(other_requests_go_straight),
        cmocka_unit_test(words_of_a_merchant_are_no_placeholders),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

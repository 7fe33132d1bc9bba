/* The Lua runtime: what a connector can do, and what it cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connect/connect.h"
#include "crypto/crypto.h"
#include "observe/observe.h"
#include "sys/sys.h"

static char dir[64];
#define HEAD "local m={credentials={{name='base_url',form='url'}},hosts_from='base_url'}\n"
#define TAIL "\nreturn {manifest=m,build=build,read=read}\n"
#define BUILD                                                                                      \
    "local function build(op,cred) return {method='POST',url=cred.base_url..'/x',body=''} end\n"
#define READ "local function read(op,a) return nil end\n"
static const struct str credentials = {"{\"base_url\":\"http://127.0.0.1:1\"}", 33};

static void write_connector(const char *name, const char *lua, const char *errors)
{
    char path[160];
    struct err_info info = {0};
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/%s/connector.lua", dir, name);
    assert_int_equal(sys_write_file(path, lua, strlen(lua), 0600, &info), OK);
    (void)snprintf(path, sizeof path, "%s/%s/errors.tsv", dir, name);
    assert_int_equal(sys_write_file(path, errors, strlen(errors), 0600, &info), OK);
}

static int set_up(void **state)
{
    (void)state;
    int null = open("/dev/null", 1);
    crypto_init();
    wire_init();
    log_open(null, LOG_ERROR);
    (void)snprintf(dir, sizeof dir, "/tmp/florin-connect-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int clean(void **state)
{
    (void)state;
    char cmd[128];
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s/*", dir);
    return system(cmd);
}

static struct connectors *load(void)
{
    struct connectors *c = NULL;
    struct err_info info = {0};
    assert_int_equal(connectors_load(dir, &c, &info), OK);
    return c;
}

static struct provider_call a_call(void)
{
    return (struct provider_call){.operation = OPERATION_AUTHORIZE,
                                  .amount = 500,
                                  .currency = 978,
                                  .reference = "att_1",
                                  .token = "t"};
}

static err_t build(struct connectors *c, const char *name, char why[240])
{
    struct provider_call call = a_call();
    struct connector_request r;
    struct err_info info = {0};
    err_t err = connector_build(c, name, credentials, &call, &r, &info);
    (void)snprintf(why, 240, "%s", info.detail);
    if (!err)
        connector_request_free(&r);
    return err;
}

static void nothing_leads_out(void **state)
{
    (void)state;
    static const char *const names[] = {
        "io",     "os",       "package",     "require",        "debug",
        "load",   "loadfile", "dofile",      "collectgarbage", "print",
        "pcall",  "xpcall",   "coroutine",   "setmetatable",   "getmetatable",
        "rawset", "rawget",   "string.dump", "math.random",    "_G",
        "warn"};
    char lua[1024];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)snprintf(lua, sizeof lua, HEAD "assert(%s == nil)\n" BUILD READ TAIL, names[i]);
        write_connector("a", lua, "");
        struct connectors *c = load();
        if (!connectors_manifest(c, "a"))
            fail_msg("%s is reachable", names[i]);
        connectors_free(c);
    }
}

static void limits_end_the_call_only(void **state)
{
    (void)state;
    char why[240];
    write_connector("loop", HEAD "local function build() while true do end end\n" READ TAIL, "");
    write_connector(
        "bomb",
        HEAD
        "local function build() local t={} for i=1,1e9 do t[i]=('x'):rep(1000)..i end end\n" READ
            TAIL,
        "");
    write_connector("rep", HEAD "local function build() return ('x'):rep(1<<40) end\n" READ TAIL,
                    "");
    write_connector(
        "deep",
        HEAD
        "local function f() return f()+1 end\nlocal function build() return f() end\n" READ TAIL,
        "");
    write_connector("good", HEAD BUILD READ TAIL, "");
    struct connectors *c = load();
    for (int round = 0; round < 3; round++) {
        assert_int_equal(build(c, "loop", why), ERR_CONNECTOR);
        assert_non_null(strstr(why, "instruction limit"));
        assert_int_equal(build(c, "bomb", why), ERR_CONNECTOR);
        assert_int_equal(build(c, "rep", why), ERR_CONNECTOR);
        assert_int_equal(build(c, "deep", why), ERR_CONNECTOR);
        assert_int_equal(build(c, "good", why), OK);
    }
    connectors_free(c);
}

static void connectors_cannot_reach_each_other(void **state)
{
    (void)state;
    char why[240];
    write_connector("a", HEAD "shared = 1\nstring.format = nil\n" BUILD READ TAIL, "");
    write_connector("b", HEAD "assert(shared == nil and string.format)\n" BUILD READ TAIL, "");
    write_connector("late", HEAD "local function build() leak = 1 end\n" READ TAIL, "");
    struct connectors *c = load();
    assert_non_null(connectors_manifest(c, "a"));
    assert_non_null(connectors_manifest(c, "b"));
    assert_int_equal(build(c, "late", why), ERR_CONNECTOR);
    assert_non_null(strstr(why, "globals are frozen"));
    connectors_free(c);
}

static void broken_ones_are_left_out(void **state)
{
    (void)state;
    write_connector("syntax", "return {", "");
    write_connector("nothing", "return 1", "");
    write_connector("bytecode", "\033Lua", "");
    write_connector("badtsv", HEAD BUILD READ TAIL, "05\tno_such_reason\tnever\ttext\n");
    write_connector("good", HEAD BUILD READ TAIL, "05\tdo_not_honor\tother_provider\ttext\n");
    struct connectors *c = load();
    assert_null(connectors_manifest(c, "syntax"));
    assert_null(connectors_manifest(c, "nothing"));
    assert_null(connectors_manifest(c, "bytecode"));
    assert_null(connectors_manifest(c, "badtsv"));
    assert_non_null(connectors_manifest(c, "good"));
    connectors_free(c);
}

static void requests_stay_within_their_hosts(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{method='POST',url='http://127.0.0.1:2/x'}",
        "{method='POST',url='http://10.0.0.1:1/x'}",
        "{method='POST',url='https://127.0.0.1:1/x'}",
        "{method='POST',url='file:///etc/passwd'}",
        "{method='POST',url='http://127.0.0.1:1@evil/x'}",
        "{method='DELETE',url=cred.base_url}",
        "{method='POST',url=cred.base_url,headers={a='b\\r\\nc: d'}}",
        "{method='POST',url=cred.base_url,headers={['a: b\\n']='c'}}",
        "nil",
        "{method='POST'}"};
    char lua[1024], why[240];
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        (void)snprintf(lua, sizeof lua,
                       HEAD "local function build(op,cred) return %s end\n" READ TAIL, bodies[i]);
        write_connector("a", lua, "");
        struct connectors *c = load();
        if (build(c, "a", why) != ERR_CONNECTOR)
            fail_msg("built: %s", bodies[i]);
        connectors_free(c);
    }
}

static struct outcome read_as(const char *result)
{
    char lua[2048];
    struct provider_call call = a_call();
    struct outcome o;
    (void)snprintf(lua, sizeof lua, HEAD BUILD "local function read(op,a) %s end\n" TAIL, result);
    write_connector("a", lua,
                    "05\tdo_not_honor\tother_provider\tOld.\t\t2020-01-01\n05\tstolen_"
                    "card\tnever\tNew.\t2020-01-01\n");
    struct connectors *c = load();
    connector_read(c, "a", &call, 200, STR("{}"), &o);
    connectors_free(c);
    return o;
}

static void only_what_was_asked_is_a_success(void **state)
{
    (void)state;
    static const char *const unknown[] = {"return {kind='captured',amount=501,currency='EUR'}",
                                          "return {kind='captured',amount=500,currency='USD'}",
                                          "return {kind='captured',amount=500}",
                                          "return {kind='captured',currency='EUR'}",
                                          "return {kind='captured'}",
                                          "return {kind='captured',amount=500.0,currency='EUR'}",
                                          "return {kind='captured',amount='500',currency='EUR'}",
                                          "return {kind='refunded',amount=500,currency='EUR'}",
                                          "return {kind='not_found'}",
                                          "return {kind='not_sent'}",
                                          "return {kind='CAPTURED',amount=500,currency='EUR'}",
                                          "return nil",
                                          "error('x')",
                                          "return 'captured'",
                                          "while true do end",
                                          "return {kind=1}"};
    for (size_t i = 0; i < COUNT_OF(unknown); i++)
        if (read_as(unknown[i]).kind != OUTCOME_UNKNOWN)
            fail_msg("believed: %s", unknown[i]);
    struct outcome o =
        read_as("return {kind='captured',amount=500,currency='EUR',provider_reference='r'}");
    assert_int_equal(o.kind, OUTCOME_CAPTURED);
    assert_string_equal(o.provider_reference, "r");
}

static void codes_are_mapped_by_date(void **state)
{
    (void)state;
    struct outcome o = read_as("return {kind='declined',code='05'}");
    assert_int_equal(o.decline, DECLINE_STOLEN_CARD);
    assert_string_equal(o.provider_message, "New.");
    o = read_as("return {kind='declined',code='no such',message='pan 4242424242424242'}");
    assert_int_equal(o.decline, DECLINE_GENERIC_DECLINE);
    assert_string_equal(o.provider_message, "pan 424242******4242");
}

static void amounts_use_the_providers_exponent(void **state)
{
    (void)state;
    struct provider_call call = a_call();
    struct connector_request r;
    struct outcome o;
    struct err_info info = {0};
    call.currency = 392; /* JPY counts in yen; this provider in hundredths */
    write_connector(
        "a",
        "local m={credentials={},exponents={JPY=2},hosts_from='base_url'}\n"
        "local function build(op,cred) return "
        "{method='POST',url=cred.base_url,body=tostring(op.amount)} end\n"
        "local function read(op,a) return {kind='captured',amount=50000,currency='JPY'} end\n" TAIL,
        "");
    struct connectors *c = load();
    assert_int_equal(connector_build(c, "a", credentials, &call, &r, &info), OK);
    assert_string_equal(r.body.p, "50000");
    connector_request_free(&r);
    connector_read(c, "a", &call, 200, STR(""), &o);
    assert_int_equal(o.kind, OUTCOME_CAPTURED);
    assert_int_equal(o.amount, 500);
    connectors_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_leads_out, clean),
        cmocka_unit_test_teardown(limits_end_the_call_only, clean),
        cmocka_unit_test_teardown(connectors_cannot_reach_each_other, clean),
        cmocka_unit_test_teardown(broken_ones_are_left_out, clean),
        cmocka_unit_test_teardown(requests_stay_within_their_hosts, clean),
        cmocka_unit_test_teardown(only_what_was_asked_is_a_success, clean),
        cmocka_unit_test_teardown(codes_are_mapped_by_date, clean),
        cmocka_unit_test_teardown(amounts_use_the_providers_exponent, clean),
    };
    int failed = cmocka_run_group_tests(tests, set_up, NULL);
    (void)rmdir(dir);
    return failed;
}

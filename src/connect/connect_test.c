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
/* A test that hangs ends here. Sanitized builds are many times slower, and the machine may be busy.
 */
#define HANG_S 600

#define MANIFEST                                                                                   \
    "credentials={{name='base_url',form='url',secret=false},"                                      \
    "{name='key',required=false,prefix='k_'}},"                                                    \
    "operations={'authorize','capture','cancel','refund','inquire'},hosts_from='base_url'"
#define HEAD "local m={" MANIFEST "}\n"
#define TAIL "\nreturn {manifest=m,build=build,read=read}\n"
#define BUILD                                                                                      \
    "local function build(op,cred) return {method='POST',url=cred.base_url..'/x',body=''} end\n"
#define READ "local function read(op,a) return nil end\n"
#define CREDENTIALS "{\"base_url\":\"http://127.0.0.1:1\",\"key\":\"k_3141592653\"}"
static const struct str credentials = {CREDENTIALS, sizeof CREDENTIALS - 1};

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
        "io",          "os",           "package",        "require",    "debug",  "load",
        "loadfile",    "dofile",       "collectgarbage", "print",      "pcall",  "xpcall",
        "coroutine",   "setmetatable", "getmetatable",   "rawset",     "rawget", "string.dump",
        "math.random", "_G",           "warn",           "(\"\").dump"};
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

/* Each of these is few instructions and would run for minutes or for ever. */
static void no_single_instruction_runs_for_long(void **state)
{
    (void)state;
    static const char *const long_runs[] = {
        "('('):rep(100000):find('%b()')",
        "local s=('x'):rep(8000000) for i=1,1e6 do local t=s..i end",
        "('a'):rep(100000):find('.-.-.-.-b')",
        "('a'):rep(100000):match('^.*.*.*b')",
        "('a'):rep(100000):gsub('a*a*a*b','')",
        "for _ in ('a'):rep(100000):gmatch('^.-.-b') do end",
        "('a'):rep(30):rep(1000):find(('a?'):rep(60)..('a'):rep(60)..'b')",
        "for i=1,1e6 do ('x'):rep(8000000) end",
        "local s=('x'):rep(8000000) for i=1,1e6 do florin.sha256(s) end",
        "local t,s={},('x'):rep(4000000) for i=1,1e5 do t[i]=s end table.sort(t)",
    };
    char lua[1024], why[240];
    for (size_t i = 0; i < COUNT_OF(long_runs); i++) {
        (void)snprintf(lua, sizeof lua, HEAD "local function build() %s end\n" READ TAIL,
                       long_runs[i]);
        write_connector("a", lua, "");
        struct connectors *c = load();
        (void)alarm(HANG_S); /* it hangs, or it does not */
        (void)build(c, "a", why);
        (void)alarm(0);
        if (!strstr(why, "limit") && !strstr(why, "memory"))
            fail_msg("%s: %s", long_runs[i], why);
        connectors_free(c);
    }
}

/* What one keeps for itself is taken from nobody else, and in the end not from itself either. */
static void hoarding_starves_nobody(void **state)
{
    (void)state;
    char why[240];
    write_connector("hoard",
                    HEAD
                    "local kept={}\nlocal function build(op,cred) for i=1,4 do "
                    "kept[#kept+1]=('x'):rep(1000000)..#kept end "
                    "return {method='POST',url=cred.base_url,body=tostring(#kept)} end\n" READ TAIL,
                    "");
    write_connector("good", HEAD BUILD READ TAIL, "");
    struct connectors *c = load();
    int failed = 0;
    for (int i = 0; i < 20; i++) {
        failed += build(c, "hoard", why) != OK;
        assert_int_equal(build(c, "good", why), OK);
    }
    assert_in_range(failed, 1, 10);
    connectors_free(c);
}

/* A call leaves nothing for the next in what it was given; what it may do was fixed at load. */
static void a_connector_cannot_widen_its_rights(void **state)
{
    (void)state;
    char why[240];
    write_connector("a",
                    HEAD "local function build(op,cred) m.hosts={'evil.example'} "
                         "m.hosts_from=nil cred.base_url='https://evil.example' "
                         "return {method='POST',url='https://evil.example/x'} end\n" READ TAIL,
                    "");
    write_connector("b",
                    HEAD "local function build(op,cred) assert(not cred.seen) cred.seen=1 "
                         "return {method='POST',url=cred.base_url} end\n" READ TAIL,
                    "");
    struct connectors *c = load();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(build(c, "a", why), ERR_CONNECTOR);
        assert_int_equal(build(c, "b", why), OK);
    }
    connectors_free(c);
}

static void errors_do_not_tell_secrets(void **state)
{
    (void)state;
    char why[240];
    write_connector(
        "a", HEAD "local function build(op,cred) error('no '..cred.key) end\n" READ TAIL, "");
    struct connectors *c = load();
    assert_int_equal(build(c, "a", why), ERR_CONNECTOR);
    assert_non_null(strstr(why, "no [redacted]"));
    assert_null(strstr(why, "3141592653"));
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
    static const char *const manifests[] = {
        "hosts={'a.example'}",                            /* no operations */
        "hosts={'a.example'},operations={'authorise'}",   /* not one of ours */
        "operations={'authorize'}",                       /* no host */
        "operations={'authorize'},hosts_from='base_url'", /* no such credential */
        "operations={'authorize'},hosts={1}",             /* no name */
        MANIFEST ",currencies={'EUR','XXX'}",             /* no currency */
        MANIFEST ",currencies={EUR=9}",                   /* no exponent */
        MANIFEST ",currencies={'EUR'},exponents={JPY=2}", /* not taken */
        MANIFEST ",not_found_final_after_ms='2000'",      /* no number */
        "credentials={{nam='x'}},hosts={'a.example'},operations={'authorize'}",
    };
    char name[16], lua[1024];
    for (size_t i = 0; i < COUNT_OF(manifests); i++) {
        (void)snprintf(name, sizeof name, "manifest%zu", i);
        (void)snprintf(lua, sizeof lua, "local m={%s}\n" BUILD READ TAIL, manifests[i]);
        write_connector(name, lua, "");
    }
    write_connector("good", HEAD BUILD READ TAIL, "05\tdo_not_honor\tother_provider\ttext\n");
    struct connectors *c = load();
    for (size_t i = 0; i < COUNT_OF(manifests); i++) {
        (void)snprintf(name, sizeof name, "manifest%zu", i);
        if (connectors_manifest(c, name))
            fail_msg("loaded: %s", manifests[i]);
    }
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
        "{method='POST',url=cred.base_url,headers={['content-Length']='0'}}",
        "{method='POST',url=cred.base_url,headers={Host='evil.example'}}",
        "{method='POST',url=cred.base_url..'@evil.example/'}",
        "{method='POST',url='http://a.example:443/x'}",
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

static void listed_hosts_are_for_https_alone(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        err_t err;
    } cases[] = {{"https://A.example/x", OK},
                 {"https://a.example:443/x", OK},
                 {"http://a.example/x", ERR_CONNECTOR},
                 {"http://a.example:443/x", ERR_CONNECTOR},
                 {"https://a.example:8443/x", ERR_CONNECTOR},
                 {"https://b.a.example/x", ERR_CONNECTOR},
                 {"https://127.0.0.1:1/x", ERR_CONNECTOR}};
    char lua[1024], why[240];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        (void)snprintf(lua, sizeof lua,
                       "local m={operations={'authorize'},hosts={'a.example'}}\n"
                       "local function build() return {method='GET',url='%s'} end\n" READ TAIL,
                       cases[i].url);
        write_connector("a", lua, "");
        struct connectors *c = load();
        if (build(c, "a", why) != cases[i].err)
            fail_msg("%s: %s", cases[i].url, why);
        connectors_free(c);
    }
}

static void helpers_do_what_they_say(void **state)
{
    (void)state;
    char why[240];
    write_connector(
        "a",
        "local function eq(a,b) if a~=b then error(tostring(a)..' ~= '..tostring(b)) end end\n"
        "local f=florin\n"
        "eq(f.amount_text(9232,2),'92.32') eq(f.amount_text(5,2),'0.05') "
        "eq(f.amount_text(500,0),'500') eq(f.amount_text(1,3),'0.001') "
        "eq(f.amount_parse('92.32',2),9232) eq(f.amount_parse('92.3',2),9230) "
        "eq(f.amount_parse('92',2),9200) eq(f.amount_parse('500',0),500)\n"
        "for _,s in ipairs{'','-1','+1',' 1','1.','1.234','.5','1e2','0x1','1,5','1.2.3',"
        "'92233720368547758070','1\\0'} do eq(f.amount_parse(s,2),nil) end\n"
        "eq(f.base64('hi'),'aGk=') eq(f.base64_decode('aGk='),'hi') eq(f.base64_decode('?'),nil) "
        "eq(f.hex('a\\255'),'61ff') eq(f.unhex('61FF'),'a\\255') eq(f.unhex('6'),nil)\n"
        "eq(f.hmac_sha256('key','The quick brown fox jumps over the lazy dog'),"
        "'f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8')\n"
        "eq(f.url_encode('a b/c'),'a%20b%2Fc') eq((''):rep(1<<62),'')\n"
        "local v=f.json_decode('{\"a\":9007199254740993,\"b\":[1,2],\"c\":null,\"d\":1.5}')\n"
        "eq(v.a,9007199254740993) eq(math.type(v.a),'integer') eq(#v.b,2) eq(v.c,nil)\n"
        "eq(f.json_decode('{'),nil) eq(f.json_decode('{\"a\":1,\"a\":2}'),nil)\n"
        "eq(f.json_encode({a=9007199254740993}),'{\"a\":9007199254740993}')\n"
        "eq(('x'):upper():rep(2,'-'),'X-X') eq(('a1'):match('^%a(%d)$'),'1')\n"
        "local t={'b','a'} table.sort(t) eq(t[1],'a')\n" HEAD BUILD READ TAIL,
        "");
    struct connectors *c = NULL;
    struct err_info info = {0};
    (void)alarm(HANG_S);
    assert_int_equal(connectors_load(dir, &c, &info), OK);
    (void)alarm(0);
    if (build(c, "a", why) != OK)
        fail_msg("%s %s", info.detail, why);
    connectors_free(c);
}

static void credentials_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        err_t err;
    } cases[] = {{CREDENTIALS, OK},
                 {"{\"base_url\":\"http://127.0.0.1:1\"}", OK},
                 {"{}", ERR_PARAM_MISSING},
                 {"{\"base_url\":1}", ERR_PARAM_INVALID},
                 {"{\"base_url\":\"\"}", ERR_PARAM_INVALID},
                 {"{\"base_url\":\"ftp://a\"}", ERR_PARAM_INVALID},
                 {"{\"base_url\":\"http://a\",\"key\":\"3141592653\"}", ERR_PARAM_INVALID},
                 {"{\"base_url\":\"http://a\",\"key\":\"k_\\n\"}", ERR_PARAM_INVALID},
                 {"{\"base_url\":\"http://a\",\"more\":\"x\"}", ERR_PARAM_UNKNOWN}};
    struct json_limits limits = {4096, 4};
    write_connector("a", HEAD BUILD READ TAIL, "");
    struct connectors *c = load();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *v = NULL;
        struct err_info info = {0};
        assert_int_equal(json_read(str_from(cases[i].text), &limits, &v, NULL), OK);
        if (connectors_check_credentials(c, "a", v, &info) != cases[i].err)
            fail_msg("%s: %s", cases[i].text, info.detail);
        assert_null(strstr(info.detail, "3141592653"));
        json_decref(v);
    }
    connectors_free(c);
}

/* The connectors that come with the program keep their own fixtures. */
static void fixtures_pass(void **state)
{
    (void)state;
    const char *from = getenv("FLORIN_CONNECTORS_DIR");
    struct buf out = BUF(65536);
    int passed = 0, failed = 0;
    assert_int_equal(connector_test(from ? from : "connectors", "sandbox", &out, &passed, &failed),
                     OK);
    if (failed)
        fail_msg("%s", out.p);
    assert_in_range(passed, 10, 1000);
    buf_free(&out);
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
        "local m={" MANIFEST ",exponents={JPY=2}}\n"
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
        cmocka_unit_test_teardown(no_single_instruction_runs_for_long, clean),
        cmocka_unit_test_teardown(hoarding_starves_nobody, clean),
        cmocka_unit_test_teardown(a_connector_cannot_widen_its_rights, clean),
        cmocka_unit_test_teardown(errors_do_not_tell_secrets, clean),
        cmocka_unit_test_teardown(connectors_cannot_reach_each_other, clean),
        cmocka_unit_test_teardown(broken_ones_are_left_out, clean),
        cmocka_unit_test_teardown(requests_stay_within_their_hosts, clean),
        cmocka_unit_test_teardown(listed_hosts_are_for_https_alone, clean),
        cmocka_unit_test_teardown(helpers_do_what_they_say, clean),
        cmocka_unit_test_teardown(credentials_are_checked, clean),
        cmocka_unit_test_teardown(fixtures_pass, clean),
        cmocka_unit_test_teardown(only_what_was_asked_is_a_success, clean),
        cmocka_unit_test_teardown(codes_are_mapped_by_date, clean),
        cmocka_unit_test_teardown(amounts_use_the_providers_exponent, clean),
    };
    int failed = cmocka_run_group_tests(tests, set_up, NULL);
    (void)rmdir(dir);
    return failed;
}

/* Webhooks of providers: what a connector's function is given, and what of its word is believed. */
#include "connect/connect_test_lib.h"

#include <unistd.h>

static const struct provider_webhook plain = {
    .headers = {"x-a: 1\nx-b:2 \nx-a: 3\n", sizeof "x-a: 1\nx-b:2 \nx-a: 3\n" - 1},
    .body = {"body", 4},
    .now_us = INT64_C(1733000000000000)};

static err_t hear(const char *webhook, struct provider_event *e, struct err_info *info)
{
    struct connectors *c = connect_test_with("", webhook);
    *info = (struct err_info){.err = OK};
    (void)alarm(HANG_S);
    err_t err = connector_webhook(c, "a", credentials, &plain, e, info);
    (void)alarm(0);
    connectors_free(c);
    return err;
}

static void a_webhook_is_handed_over_as_it_came(void **state)
{
    (void)state;
    struct provider_event e;
    struct err_info info;
    if (hear("assert(q.headers['x-a']=='1, 3' and q.headers['x-b']=='2' and q.body=='body' and "
             "q.now==1733000000 and cred.key=='" SECRET "') return {id='ev_1',kind='ignored'}",
             &e, &info) != OK)
        fail_msg("%s", info.detail);
    assert_int_equal(e.kind, PROVIDER_EVENT_IGNORED);
    assert_string_equal(e.id, "ev_1");
}

static void events_are_read(void **state)
{
    (void)state;
    struct provider_event e;
    struct err_info info;
    assert_int_equal(hear("return {id='1',kind='operation',about='confirm',reference='" ATT
                          "',outcome={kind='captured',amount=501,currency='EUR'}}",
                          &e, &info),
                     OK);
    assert_int_equal(e.kind, PROVIDER_EVENT_OPERATION);
    assert_int_equal(e.about, OPERATION_AUTHORIZE);
    assert_string_equal(e.reference, ATT);
    assert_int_equal(e.outcome.kind, OUTCOME_CAPTURED);
    assert_true(e.outcome.amount == 501); /* the flow compares */
    assert_int_equal(hear("return {id='1',kind='operation',about='refund',reference='" RFD
                          "',outcome={kind='declined',code='54',after_success=true}}",
                          &e, &info),
                     OK);
    assert_int_equal(e.outcome.decline, DECLINE_EXPIRED_CARD);
    assert_true(e.outcome.after_success);
    assert_int_equal(hear("return {id='1',kind='clearing',reference='" ATT
                          "',outcome={amount=50000,currency='JPY'}}",
                          &e, &info),
                     OK);
    assert_true(e.outcome.amount == 500);
    assert_int_equal(hear("return {id='1',kind='authenticated',reference='" ATT "'}", &e, &info),
                     OK);
    assert_int_equal(e.kind, PROVIDER_EVENT_AUTHENTICATED);
    assert_int_equal(hear("return {id='1',kind='dispute',outcome={" DISPUTE("") "}}", &e, &info),
                     OK);
    assert_string_equal(e.reference, ATT);
    assert_string_equal(e.outcome.dispute.reference, "dp_1");
}

static void what_is_not_genuine_is_refused(void **state)
{
    (void)state;
    struct provider_event e;
    struct err_info info;
    assert_int_equal(hear("return nil,'too old'", &e, &info), ERR_FORBIDDEN);
    assert_string_equal(info.detail, "too old");
    assert_int_equal(hear("return nil", &e, &info), ERR_FORBIDDEN);
    assert_int_equal(hear("return", &e, &info), ERR_FORBIDDEN);
    assert_int_equal(hear("return nil,{}", &e, &info), ERR_FORBIDDEN);
    assert_int_equal(hear("return nil,'key is '..cred.key", &e, &info), ERR_FORBIDDEN);
    assert_null(strstr(info.detail, "3141592653"));
    assert_int_equal(hear("return nil,('x'):rep(100000)", &e, &info), ERR_FORBIDDEN);
    /* An event beside it is not looked at. */
    assert_int_equal(hear("return nil,{id='1',kind='ignored'}", &e, &info), ERR_FORBIDDEN);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const nonsense[] = {
        "return true",
        "return false",
        "return 'genuine'",
        "return {}",
        "return {id='1'}",
        "return {kind='ignored'}",
        "return {id='',kind='ignored'}",
        "return {id=('x'):rep(65),kind='ignored'}",
        "return {id='a b',kind='ignored'}",
        "return {id='\\1',kind='ignored'}",
        "return {id={},kind='ignored'}",
        "return {id='1',kind='Operation'}",
        "return {id='1',kind='operation',about='authorize',reference='" ATT "'}",
        "return {id='1',kind='operation',about='authorize',outcome={kind='declined'}}",
        "return {id='1',kind='operation',about='authorize',reference='att_1',"
        "outcome={kind='declined'}}",
        "return {id='1',kind='operation',about='capture',reference='" ATT
        "',outcome={kind='declined'}}",
        "return {id='1',kind='operation',about='authorize',reference='" ATT
        "0',outcome={kind='declined'}}",
        "return {id='1',kind='operation',about='authorize',reference='" ATT
        "',outcome={kind='refunded'," EUR "}}",
        "return {id='1',kind='operation',about='authorize',reference='" ATT
        "',outcome={kind='captured'}}",
        "return {id='1',kind='operation',about='authorize',reference='" ATT
        "',outcome={kind='captured',amount=-5,currency='EUR'}}",
        "return {id='1',kind='operation',about='authorize',reference='" ATT
        "',outcome={kind='captured',amount=math.maxinteger,currency='EUR'}}",
        "return {id='1',kind='operation',about='authorize',reference='" ATT
        "',outcome={kind='captured',amount=5}}",
        "return {id='1',kind='operation',about='authorize',reference='" ATT
        "',outcome={kind='not_found'}}",
        "return {id='1',kind='operation',about='authorize',reference='" ATT
        "',outcome={kind='not_sent'}}",
        "return {id='1',kind='operation',about='authorize',reference='" ATT
        "',outcome={kind='unknown'}}",
        "return {id='1',kind='operation',about='inquire',reference='" ATT
        "',outcome={kind='declined'}}",
        "return {id='1',kind='operation',about='accept_dispute',reference='" ATT
        "',outcome={kind='accepted'}}",
        "return {id='1',kind='authenticated',reference='" CAP "'}",
        "return {id='1',kind='clearing',reference='" ATT "',outcome={amount=0,currency='EUR'}}",
        "return {id='1',kind='clearing',reference='" CAP "',outcome={" EUR "}}",
        "return {id='1',kind='dispute'}",
        "return {id='1',kind='dispute',outcome={kind='accepted',dispute={reference='dp_1'}}}",
    };
    struct provider_event e;
    struct err_info info;
    for (size_t i = 0; i < COUNT_OF(nonsense); i++) {
        if (hear(nonsense[i], &e, &info) != ERR_PARAM_INVALID)
            fail_msg("%s: %s", nonsense[i], info.detail);
        assert_int_equal(e.kind, PROVIDER_EVENT_IGNORED);
        assert_string_equal(e.reference, "");
    }
}

/* One that runs wild ends by itself, and the next call finds everything as it was. */
static void a_wild_function_does_no_harm(void **state)
{
    (void)state;
    static const char wild[] = "if q.body=='loop' then while true do end end "
                               "if q.body=='raise' then error(cred.key) end "
                               "if q.body=='hoard' then local t={} for i=1,1e9 do "
                               "t[i]=('x'):rep(1000)..i end end "
                               "if q.body=='match' then ('a'):rep(100000):find('.-.-.-.-b') end "
                               "if q.body=='deep' then local function f() return f()+1 end f() end "
                               "if q.body=='global' then leak=1 end "
                               "if q.body=='cred' then cred.key='x' q.headers=nil return true end "
                               "if q.body=='html' then q.body.x.y=1 end "
                               "assert(cred.key=='" SECRET "') "
                               "return {id='1',kind='ignored'}";
    static const char *const bodies[] = {"loop", "raise",  "hoard", "match",
                                         "deep", "global", "cred",  "html"};
    struct connectors *c = connect_test_with("", wild);
    struct provider_event e;
    (void)alarm(HANG_S);
    for (size_t i = 0; i < 2 * COUNT_OF(bodies); i++) {
        struct provider_webhook w = {.body = str_from(bodies[i % COUNT_OF(bodies)])};
        struct err_info info = {0};
        if (connector_webhook(c, "a", credentials, &w, &e, &info) != ERR_PARAM_INVALID)
            fail_msg("%s", bodies[i % COUNT_OF(bodies)]);
        assert_null(strstr(info.detail, "3141592653"));
        w.body = STR("good");
        assert_int_equal(connector_webhook(c, "a", credentials, &w, &e, &info), OK);
    }
    (void)alarm(0);
    connectors_free(c);
}

/* What it keeps for itself is taken from itself in the end. */
static void hoarding_ends(void **state)
{
    (void)state;
    struct connectors *c = connect_test_with(
        "", "m.kept=m.kept or {} for i=1,4 do m.kept[#m.kept+1]=('x'):rep(1000000)..#m.kept end "
            "return {id='1',kind='ignored'}");
    int failed = 0;
    for (int i = 0; i < 20; i++) {
        struct provider_event e;
        struct err_info info = {0};
        failed += connector_webhook(c, "a", credentials, &plain, &e, &info) != OK;
    }
    assert_in_range(failed, 1, 10);
    connectors_free(c);
}

static void without_a_function_there_are_no_webhooks(void **state)
{
    (void)state;
    struct provider_event e;
    struct err_info info = {0};
    connectors_free(connect_test_with("", ""));
    connect_test_write("connector.lua", HEAD BUILD "local function read() end "
                                                   "return {manifest=m,build=build,read=read}");
    struct connectors *c = connect_test_load();
    assert_int_equal(connector_webhook(c, "a", credentials, &plain, &e, &info), ERR_CONNECTOR);
    assert_int_equal(connector_webhook(c, "b", credentials, &plain, &e, &info), ERR_CONNECTOR);
    connectors_free(c);
    connect_test_write("connector.lua",
                       HEAD BUILD "local function read() end "
                                  "return {manifest=m,build=build,read=read,webhook=1}");
    c = connect_test_load();
    assert_null(connectors_manifest(c, "a"));
    connectors_free(c);
}

static void signatures_can_be_compared(void **state)
{
    (void)state;
    struct provider_event e;
    struct err_info info;
    if (hear("local f=florin assert(f.equal('','') and f.equal('ab','ab') and not f.equal('a','b')"
             " and not f.equal('a','ab') and not f.equal('ab','a') and f.equal('a\\0b','a\\0b') "
             "and not f.equal('a\\0b','a\\0c')) return {id='1',kind='ignored'}",
             &e, &info) != OK)
        fail_msg("%s", info.detail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_webhook_is_handed_over_as_it_came),
        cmocka_unit_test(events_are_read),
        cmocka_unit_test(what_is_not_genuine_is_refused),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_wild_function_does_no_harm),
        cmocka_unit_test(hoarding_ends),
        cmocka_unit_test(without_a_function_there_are_no_webhooks),
        cmocka_unit_test(signatures_can_be_compared),
    };
    return cmocka_run_group_tests(tests, connect_test_set_up, connect_test_tear_down);
}

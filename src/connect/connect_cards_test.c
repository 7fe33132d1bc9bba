/* Cards through the Lua runtime: what `build` is told of each call, and which outcomes of `read`
 * are believed. */
#include "connect/connect_test_lib.h"

#include <stdio.h>

static struct provider_call a_call(enum provider_operation operation)
{
    struct provider_call call = {.operation = operation,
                                 .amount = 500,
                                 .currency = 978,
                                 .reference = ATT,
                                 .token = "pm_tok_visa"};
    if (operation == OPERATION_SUBMIT_EVIDENCE || operation == OPERATION_ACCEPT_DISPUTE ||
        operation == OPERATION_INQUIRE_DISPUTE)
        (void)snprintf(call.provider_reference, sizeof call.provider_reference, "dp_1");
    return call;
}

/* --- build --- */

/* What `build` was told, as JSON. */
static json_t *told(const struct provider_call *call)
{
    struct connectors *c = connect_test_with("", "");
    struct connector_request r;
    struct err_info info = {0};
    struct json_limits limits = {(size_t)16 << 20, 16};
    json_t *v = NULL;
    if (connector_build(c, "a", credentials, call, &r, &info) != OK)
        fail_msg("%s", info.detail);
    assert_int_equal(json_read(buf_view(&r.body), &limits, &v, NULL), OK);
    connector_request_free(&r);
    connectors_free(c);
    return v;
}

static void expect_told(const struct provider_call *call, const char *json)
{
    struct json_limits limits = {8192, 16};
    json_t *expected = NULL, *got = told(call);
    assert_int_equal(json_read(str_from(json), &limits, &expected, NULL), OK);
    if (!json_equal(expected, got))
        fail_msg("told: %s", json_dumps(got, JSON_SORT_KEYS));
    json_decref(expected);
    json_decref(got);
}

#define COMMON "\"reference\":\"" ATT "\",\"amount\":500,\"currency\":\"EUR\",\"exponent\":2,"
#define COMMON_TOKEN COMMON "\"token\":\"pm_tok_visa\",\"capture\":false,"

static void authorize_tells_all_words(void **state)
{
    (void)state;
    struct provider_call call = a_call(OPERATION_AUTHORIZE);
    expect_told(&call, "{" COMMON_TOKEN "\"operation\":\"authorize\",\"credential\":\"once\"}");
    call.three_ds = THREE_DS_REQUIRED;
    call.credential = CREDENTIAL_MERCHANT;
    (void)snprintf(call.exemption, sizeof call.exemption, "low_value");
    (void)snprintf(call.network_transaction_id, sizeof call.network_transaction_id, "N0");
    (void)snprintf(call.return_url, sizeof call.return_url, "https://shop.example/back");
    (void)snprintf(call.webhook_url, sizeof call.webhook_url, "https://pay.example/w");
    expect_told(&call, "{" COMMON_TOKEN "\"operation\":\"authorize\",\"credential\":\"merchant\","
                       "\"three_ds\":{\"request\":\"required\"},\"exemption\":\"low_value\","
                       "\"network_transaction_id\":\"N0\","
                       "\"return_url\":\"https://shop.example/back\","
                       "\"webhook_url\":\"https://pay.example/w\"}");
}

/* The cryptogram goes to the provider, and not into the message of an error. */
static void external_authentication_is_passed_on(void **state)
{
    (void)state;
    struct provider_call call = a_call(OPERATION_AUTHORIZE);
    call.three_ds = THREE_DS_EXTERNAL;
    call.credential = CREDENTIAL_FIRST;
    call.external = (struct three_ds){
        .version = "2.2.0", .eci = "05", .transaction_id = "f25084f0", .cavv = "AAABBEg0VhI0"};
    expect_told(&call,
                "{" COMMON_TOKEN "\"operation\":\"authorize\",\"credential\":\"first\","
                "\"three_ds\":{\"request\":\"external\",\"external\":{\"version\":\"2.2.0\","
                "\"eci\":\"05\",\"cavv\":\"AAABBEg0VhI0\",\"transaction_id\":\"f25084f0\"}}}");
    struct connectors *c = connect_test_with("", "");
    struct connector_request r;
    struct err_info info = {0};
    (void)snprintf(call.description, sizeof call.description, "raise");
    assert_int_equal(connector_build(c, "a", credentials, &call, &r, &info), ERR_CONNECTOR);
    assert_non_null(strstr(info.detail, "[redacted]"));
    assert_null(strstr(info.detail, "AAABBEg0VhI0"));
    connectors_free(c);
    call.description[0] = 0;
    call.three_ds = THREE_DS_AUTOMATIC; /* what is left in the struct is not meant then */
    expect_told(&call, "{" COMMON_TOKEN "\"operation\":\"authorize\",\"credential\":\"first\","
                       "\"three_ds\":{\"request\":\"automatic\"}}");
}

static void later_operations_tell_theirs(void **state)
{
    (void)state;
    struct provider_call call = a_call(OPERATION_CAPTURE);
    expect_told(&call, "{" COMMON_TOKEN "\"operation\":\"capture\",\"final\":false}");
    call.final = true;
    expect_told(&call, "{" COMMON_TOKEN "\"operation\":\"capture\",\"final\":true}");
    call = a_call(OPERATION_CONFIRM);
    expect_told(&call, "{" COMMON_TOKEN "\"operation\":\"confirm\"}");
    call = a_call(OPERATION_INQUIRE); /* a confirmation goes on with the authorization */
    call.about = OPERATION_CONFIRM;
    expect_told(&call, "{" COMMON_TOKEN "\"operation\":\"inquire\",\"about\":\"authorize\"}");
    call = a_call(OPERATION_CANCEL_REFUND);
    (void)snprintf(call.original, sizeof call.original, RFD);
    expect_told(&call,
                "{" COMMON_TOKEN "\"operation\":\"cancel_refund\",\"original\":\"" RFD "\"}");
    call = a_call(OPERATION_INQUIRE_DISPUTE);
    call.amount = call.currency = 0;
    expect_told(&call, "{\"reference\":\"" ATT "\",\"token\":\"pm_tok_visa\",\"capture\":false,"
                       "\"operation\":\"inquire_dispute\",\"provider_reference\":\"dp_1\"}");
}

static void evidence_reaches_build(void **state)
{
    (void)state;
    struct provider_call call = a_call(OPERATION_SUBMIT_EVIDENCE);
    call.evidence = STR("{\"a\":\"b\",\"files\":[{\"name\":\"c\",\"content\":\"aGk=\"}]}");
    expect_told(&call, "{" COMMON_TOKEN "\"operation\":\"submit_evidence\","
                       "\"provider_reference\":\"dp_1\",\"evidence\":{\"a\":\"b\","
                       "\"files\":[{\"name\":\"c\",\"content\":\"aGk=\"}]}}");
}

/* As much as may be fits through Lua; more is not sent. */
static void evidence_has_a_limit(void **state)
{
    (void)state;
    struct connectors *c = connect_test_with("", "");
    struct provider_call call = a_call(OPERATION_SUBMIT_EVIDENCE);
    struct connector_request r;
    struct err_info info = {0};
    struct buf text = BUF((size_t)16 << 20);
    buf_str(&text, "{\"files\":\"");
    while (text.n < EVIDENCE_BYTES_MAX - 2)
        buf_byte(&text, 'x');
    buf_str(&text, "\"}");
    call.evidence = buf_view(&text);
    for (int i = 0; i < 3; i++) {
        if (connector_build(c, "a", credentials, &call, &r, &info) != OK)
            fail_msg("%s", info.detail);
        assert_true(r.body.n > EVIDENCE_BYTES_MAX);
        connector_request_free(&r);
    }
    buf_clear(&text);
    buf_str(&text, "{\"files\":\"");
    while (text.n < EVIDENCE_BYTES_MAX - 1)
        buf_byte(&text, 'x');
    buf_str(&text, "\"}");
    call.evidence = buf_view(&text);
    assert_int_equal(connector_build(c, "a", credentials, &call, &r, &info), ERR_CONNECTOR);
    call.evidence = STR("[1]");
    assert_int_equal(connector_build(c, "a", credentials, &call, &r, &info), ERR_CONNECTOR);
    buf_free(&text);
    connectors_free(c);
}

/* --- read --- */
static struct outcome read_as(const struct provider_call *call, const char *result)
{
    char lua[2048];
    struct outcome o;
    (void)snprintf(lua, sizeof lua, "return {%s}", result);
    struct connectors *c = connect_test_with(lua, "");
    connector_read(c, "a", call, 200, STR("{}"), &o);
    connectors_free(c);
    return o;
}

static void each_operation_ends_in_its_kinds(void **state)
{
    (void)state;
    static const struct {
        enum provider_operation operation;
        const char *result;
        enum outcome_kind kind;
    } cases[] = {
        {OPERATION_CONFIRM, "kind='authorized'," EUR, OUTCOME_AUTHORIZED},
        {OPERATION_CONFIRM, "kind='captured'," EUR, OUTCOME_CAPTURED},
        {OPERATION_CONFIRM, "kind='authorized',amount=501,currency='EUR'", OUTCOME_UNKNOWN},
        {OPERATION_CONFIRM, "kind='soft_declined'", OUTCOME_SOFT_DECLINED},
        {OPERATION_CAPTURE, "kind='soft_declined'", OUTCOME_UNKNOWN},
        {OPERATION_AUTHORIZE, "kind='expired'", OUTCOME_EXPIRED},
        {OPERATION_CAPTURE, "kind='expired'", OUTCOME_UNKNOWN},
        {OPERATION_INCREMENT, "kind='incremented'," EUR, OUTCOME_INCREMENTED},
        {OPERATION_INCREMENT, "kind='incremented'", OUTCOME_UNKNOWN},
        {OPERATION_INCREMENT, "kind='incremented',amount=499,currency='EUR'", OUTCOME_UNKNOWN},
        {OPERATION_INCREMENT, "kind='incremented',amount=500,currency='USD'", OUTCOME_UNKNOWN},
        {OPERATION_AUTHORIZE, "kind='incremented'," EUR, OUTCOME_UNKNOWN},
        {OPERATION_CAPTURE, "kind='captured',amount=501,currency='EUR'", OUTCOME_UNKNOWN},
        {OPERATION_CANCEL_REFUND, "kind='canceled'", OUTCOME_CANCELED},
        {OPERATION_CANCEL_REFUND, "kind='canceled',amount=1,currency='EUR'", OUTCOME_UNKNOWN},
        {OPERATION_CANCEL_REFUND, "kind='refunded'," EUR, OUTCOME_UNKNOWN},
        {OPERATION_REFUND, "kind='canceled'", OUTCOME_CANCELED},
        {OPERATION_CAPTURE, "kind='canceled'", OUTCOME_UNKNOWN},
        {OPERATION_SUBMIT_EVIDENCE, "kind='accepted'", OUTCOME_ACCEPTED},
        {OPERATION_ACCEPT_DISPUTE, "kind='accepted'", OUTCOME_ACCEPTED},
        {OPERATION_INQUIRE_DISPUTE, "kind='accepted'", OUTCOME_UNKNOWN},
        {OPERATION_INQUIRE_DISPUTE, "kind='not_found'", OUTCOME_NOT_FOUND},
        {OPERATION_SUBMIT_EVIDENCE, "kind='not_found'", OUTCOME_UNKNOWN},
        {OPERATION_REFUND, "kind='accepted'", OUTCOME_UNKNOWN},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct provider_call call = a_call(cases[i].operation);
        struct outcome o = read_as(&call, cases[i].result);
        if (o.kind != cases[i].kind)
            fail_msg("%s of %s became %s", cases[i].result,
                     provider_operation_text(cases[i].operation), outcome_text(o.kind));
    }
    assert_int_equal(
        DECLINE_AUTHENTICATION_REQUIRED,
        read_as(&(struct provider_call){.operation = OPERATION_INQUIRE, .about = OPERATION_CONFIRM},
                "kind='soft_declined',code='no line of this'")
            .decline);
}

static void an_action_needs_a_place_to_go(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "action={}",
                                      "action={type='challenge'}",
                                      "action={type='hop',url='https://a.example/'}",
                                      "action={type='redirect',url='javascript:alert(1)'}",
                                      "action={type='redirect',url='/challenge'}",
                                      "action={type='redirect',url='https://a:b@c.example/'}",
                                      "action={type='redirect',url='https://c.example/ x'}",
                                      "action={type='redirect',url='https://c.example/\\n'}",
                                      "action={type='redirect',url='https://c.example/'.."
                                      "('x'):rep(1024)}",
                                      "action='https://c.example/'"};
    struct provider_call call = a_call(OPERATION_AUTHORIZE);
    char result[512];
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        (void)snprintf(result, sizeof result, "kind='requires_action',%s", bad[i]);
        struct outcome o = read_as(&call, result);
        if (o.kind != OUTCOME_UNKNOWN || o.action_url[0])
            fail_msg("believed: %s", bad[i]);
    }
    struct outcome o = read_as(&call, "kind='requires_action',action={type='redirect',"
                                      "url='https://c.example/x?y=1',expires_at=1733000000}");
    assert_int_equal(o.kind, OUTCOME_REQUIRES_ACTION);
    assert_int_equal(o.action, ACTION_REDIRECT);
    assert_string_equal(o.action_url, "https://c.example/x?y=1");
    assert_true(o.action_expires_us == INT64_C(1733000000000000));
}

static void facts_of_a_charge_are_bounded(void **state)
{
    (void)state;
    struct provider_call call = a_call(OPERATION_AUTHORIZE);
    struct outcome o =
        read_as(&call, "kind='authorized'," EUR ",capture_before=1733600000,"
                       "acquirer_reference='74537604221222132710572',"
                       "card={brand='visa',last_four='4242'},after_success=true,"
                       "three_ds={flow='challenge',version='2.2.0',eci='05',transaction_id='t',"
                       "liability_shift=true},action={type='redirect',url='https://a.example/'}");
    assert_int_equal(o.kind, OUTCOME_AUTHORIZED);
    assert_true(o.capture_before_us == INT64_C(1733600000000000));
    assert_string_equal(o.acquirer_reference, "74537604221222132710572");
    assert_string_equal(o.card_brand, "visa");
    assert_string_equal(o.card_last_four, "4242");
    assert_int_equal(o.three_ds.flow, THREE_DS_CHALLENGE);
    assert_string_equal(o.three_ds.eci, "05");
    assert_int_equal(o.three_ds.liability_shift, 1);
    assert_false(o.after_success);
    assert_int_equal(o.action, ACTION_NONE);
    o = read_as(&call, "kind='authorized'," EUR ",capture_before=253402300800,"
                       "card={brand='4242424242424242',last_four='424242'},"
                       "three_ds={flow='x',liability_shift='yes',version=('2'):rep(50)}");
    assert_true(o.capture_before_us == 0);
    assert_null(strstr(o.card_brand, "42424242"));
    assert_string_equal(o.card_last_four, "");
    assert_int_equal(o.three_ds.flow, THREE_DS_NONE);
    assert_int_equal(o.three_ds.liability_shift, 0);
    call = a_call(OPERATION_REFUND);
    o = read_as(&call, "kind='declined',code='54',after_success=true");
    assert_true(o.after_success);
    assert_int_equal(o.decline, DECLINE_EXPIRED_CARD);
    assert_false(read_as(&call, "kind='refunded'," EUR ",after_success=true").after_success);
}

static void facts_of_a_dispute_are_whole_or_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {",reference=''",
                                      ",reference='dp_2'",
                                      ",reference=('x'):rep(65)",
                                      ",charge='att_1'",
                                      ",charge='" CAP "'",
                                      ",stage='second'",
                                      ",status='open'",
                                      ",amount=0",
                                      ",amount=-100",
                                      ",amount=50001",
                                      ",amount='50000'",
                                      ",amount=500.5",
                                      ",fee=-100",
                                      ",currency='XXX'",
                                      ",version=0",
                                      ",version=math.maxinteger",
                                      ",amount=math.maxinteger"};
    struct provider_call call = a_call(OPERATION_INQUIRE_DISPUTE);
    char result[1024];
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        (void)snprintf(result, sizeof result, DISPUTE("%s"), bad[i]);
        struct outcome o = read_as(&call, result);
        if (o.kind != OUTCOME_UNKNOWN || o.dispute.reference[0])
            fail_msg("believed: %s", bad[i]);
    }
    struct outcome o = read_as(&call, DISPUTE(""));
    assert_int_equal(o.kind, OUTCOME_ACCEPTED);
    assert_int_equal(o.dispute.stage, STAGE_CHARGEBACK);
    assert_int_equal(o.dispute.status, DISPUTED_NEEDS_RESPONSE);
    assert_true(o.dispute.amount == 500 && o.dispute.fee == 1500); /* JPY counts in yen */
    assert_int_equal(o.dispute.currency, 392);
    assert_true(o.dispute.due_us == INT64_C(1733600000000000));
    assert_string_equal(o.dispute.network_reason_code, "10.4");
    call = a_call(OPERATION_ACCEPT_DISPUTE); /* it still waits for an answer: not accepted */
    assert_int_equal(read_as(&call, DISPUTE("")).kind, OUTCOME_UNKNOWN);
    assert_int_equal(read_as(&call, DISPUTE(",status='accepted'")).kind, OUTCOME_ACCEPTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(authorize_tells_all_words),
        cmocka_unit_test(external_authentication_is_passed_on),
        cmocka_unit_test(later_operations_tell_theirs),
        cmocka_unit_test(evidence_reaches_build),
        cmocka_unit_test(evidence_has_a_limit),
        cmocka_unit_test(each_operation_ends_in_its_kinds),
        cmocka_unit_test(an_action_needs_a_place_to_go),
        cmocka_unit_test(facts_of_a_charge_are_bounded),
        cmocka_unit_test(facts_of_a_dispute_are_whole_or_nothing),
    };
    return cmocka_run_group_tests(tests, connect_test_set_up, connect_test_tear_down);
}

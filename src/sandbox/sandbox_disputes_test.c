/* Disputes over HTTP. */
#include "sandbox/sandbox_internal.h"
#include "sandbox/sandbox_test_lib.h"

#include <stdio.h>
#include "crypto/crypto.h"
#include "sys/sys.h"

static void make_charge(struct place *p, const char *reference, int64_t amount, const char *source)
{
    struct ask a;
    char body[300];
    (void)snprintf(body, sizeof body,
                   "{\"reference\":\"%s\",\"amount\":%lld,\"currency\":\"EUR\",\"source\":\"%s\","
                   "\"notify_url\":\"http://127.0.0.1:9/hook\"}",
                   reference, (long long)amount, source);
    ask_now(p, &a, "POST", "/v2/charges", body);
    assert_int_equal(a.status, 200);
    ask_free(&a);
}

static void copy(char *out, size_t max, const char *text)
{
    (void)snprintf(out, max, "%s", text ? text : "");
}

/* What a charge was told of disputes, oldest first: type/status/version, and the dispute's id. */
static void told(struct place *p, const char *charge, char *out, size_t max, char id[40])
{
    static const struct json_limits limits = {8192, 8};
    struct ask a;
    char path[120];
    size_t n = 0;
    (void)snprintf(path, sizeof path, "/control/webhooks?reference=%s", charge);
    ask_now(p, &a, "GET", path, NULL);
    json_t *list = json_object_get(a.json, "webhooks");
    out[0] = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *hook = json_array_get(list, i), *body = NULL;
        const char *type = json_string_value(json_object_get(hook, "type"));
        if (strncmp(type, "dispute.", 8) != 0)
            continue;
        const char *text = json_string_value(json_object_get(hook, "body"));
        assert_int_equal(json_read(str_from(text), &limits, &body, NULL), OK);
        json_t *d = json_object_get(body, "object");
        copy(id, 40, json_string_value(json_object_get(d, "id")));
        n += (size_t)snprintf(out + n, max - n, "%s/%s/%d ", type + 8,
                              json_string_value(json_object_get(d, "status")),
                              (int)json_integer_value(json_object_get(d, "version")));
        json_decref(body);
    }
    ask_free(&a);
}

static void assert_disputes(struct place *p, const char *charge, const char *what, char id[40])
{
    char out[400];
    int64_t end = sys_mono_us() + 5000000;
    do
        told(p, charge, out, sizeof out, id);
    while (strcmp(out, what) != 0 && sys_mono_us() < end);
    assert_string_equal(out, what);
}

static void assert_dispute(struct place *p, const char *id, const char *stage, const char *status,
                           const char *funds, int64_t fee, int64_t version)
{
    struct ask a;
    char path[80];
    (void)snprintf(path, sizeof path, "/v2/disputes/%s", id);
    ask_now(p, &a, "GET", path, NULL);
    assert_int_equal(a.status, 200);
    assert_string_equal(text_of(&a, "object"), "dispute");
    assert_string_equal(text_of(&a, "id"), id);
    assert_string_equal(text_of(&a, "stage"), stage);
    assert_string_equal(text_of(&a, "status"), status);
    assert_string_equal(text_of(&a, "funds"), funds);
    assert_int_equal(number_of(&a, "fee"), fee);
    assert_int_equal(number_of(&a, "version"), version);
    assert_int_equal(strlen(text_of(&a, "acquirer_reference")), 23);
    ask_free(&a);
}

static void order_of(struct place *p, const char *path, const char *id, const char *body,
                     int status)
{
    struct ask a;
    char whole[120];
    (void)snprintf(whole, sizeof whole, path, id);
    ask_now(p, &a, "POST", whole, body);
    assert_int_equal(a.status, status);
    ask_free(&a);
}
#define MOVE "/control/disputes/%s"
#define EVIDENCE "/v2/disputes/%s/evidence"
#define ACCEPT "/v2/disputes/%s/accept"

static void refund(struct place *p, const char *charge, const char *reference, int64_t amount,
                   const char *code)
{
    struct ask a;
    ask_operation(p, &a, charge, "refunds", reference, amount);
    if (code)
        assert_refused(&a, 402, code);
    else
        assert_int_equal(a.status, 200);
    ask_free(&a);
}

static void opens(void **state)
{
    static const struct {
        const char *token, *stage, *reason, *code, *funds;
        int64_t fee;
    } cases[] = {
        {"pm_tok_dispute_fraud", "chargeback", "fraudulent", "10.4", "withdrawn", 1500},
        {"pm_tok_dispute_not_received", "chargeback", "product_not_received", "13.1", "withdrawn",
         1500},
        {"pm_tok_dispute_inquiry", "inquiry", "product_not_received", "13.1", "none", 0},
    };
    struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ask a;
        char charge[32], id[40], path[80];
        (void)snprintf(charge, sizeof charge, "att_%zu", i);
        make_charge(p, charge, 800, cases[i].token);
        assert_disputes(p, charge, "opened/needs_response/1 ", id);
        assert_dispute(p, id, cases[i].stage, "needs_response", cases[i].funds, cases[i].fee, 1);
        (void)snprintf(path, sizeof path, "/v2/disputes/%s", id);
        ask_now(p, &a, "GET", path, NULL);
        assert_string_equal(text_of(&a, "reason"), cases[i].reason);
        assert_string_equal(text_of(&a, "network_reason_code"), cases[i].code);
        assert_string_equal(text_of(&a, "charge_reference"), charge);
        assert_int_equal(number_of(&a, "amount"), 800);
        assert_true(number_of(&a, "due_at") > sys_wall_us() / 1000000);
        ask_free(&a);
        refund(p, charge,
               charge[4] == '0'   ? "rfd_0"
               : charge[4] == '1' ? "rfd_1"
                                  : "rfd_2",
               10, cases[i].fee ? "disputed" : NULL);
    }
    order_of(p, "/v2/disputes/%s/accept", "dp_none", NULL, 404);
}

static void evidence(void **state)
{
    static const struct {
        const char *token, *text, *told, *stage, *status, *funds;
        int64_t fee, version;
    } cases[] = {
        {"pm_tok_dispute_fraud", "the winning_evidence",
         "opened/needs_response/1 updated/under_review/2 closed/won/3 ", "chargeback", "won",
         "returned", 1500, 3},
        {"pm_tok_dispute_fraud", "losing_evidence",
         "opened/needs_response/1 updated/under_review/2 closed/lost/3 ", "chargeback", "lost",
         "withdrawn", 1500, 3},
        {"pm_tok_dispute_fraud", "they have it", "opened/needs_response/1 updated/under_review/2 ",
         "chargeback", "under_review", "withdrawn", 1500, 2},
        {"pm_tok_dispute_inquiry", "winning_evidence",
         "opened/needs_response/1 updated/under_review/2 closed/closed/3 ", "inquiry", "closed",
         "none", 0, 3},
        {"pm_tok_dispute_inquiry", "losing_evidence",
         "opened/needs_response/1 updated/under_review/2 updated/needs_response/3 ", "chargeback",
         "needs_response", "withdrawn", 1500, 3},
    };
    struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ask a, b;
        char charge[32], id[40], path[80], body[300];
        (void)snprintf(charge, sizeof charge, "att_%zu", i);
        make_charge(p, charge, 800, cases[i].token);
        assert_disputes(p, charge, "opened/needs_response/1 ", id);
        (void)snprintf(path, sizeof path, EVIDENCE, id);
        (void)snprintf(
            body, sizeof body,
            "{\"reference\":\"evd_%zu\",\"evidence\":{\"customer_name\":\"Ada\","
            "\"uncategorized_text\":\"%s\"},\"files\":[{\"purpose\":\"receipt\",\"name\":"
            "\"a.png\",\"content_type\":\"image/png\",\"content\":\"aGVsbG8=\"}]}",
            i, cases[i].text);
        ask_now(p, &a, "POST", path, body);
        assert_int_equal(a.status, 200);
        assert_string_equal(text_of(&a, "status"), cases[i].status);
        ask_now(p, &b, "POST", path, body); /* once */
        assert_true(json_equal(a.json, b.json));
        ask_free(&a);
        ask_free(&b);
        (void)snprintf(body, sizeof body,
                       "{\"reference\":\"evd_%zu\",\"evidence\":{\"customer_name\":\"Eve\"}}", i);
        order_of(p, EVIDENCE, id, body, 409);
        assert_disputes(p, charge, cases[i].told, id);
        assert_dispute(p, id, cases[i].stage, cases[i].status, cases[i].funds, cases[i].fee,
                       cases[i].version);
    }
    refund(p, "att_0", "rfd_0", 800, NULL); /* the funds came back */
    refund(p, "att_1", "rfd_1", 1, "disputed");
    struct ask a;
    char id[40];
    ask_inquiry(p, &a, "evd_0");
    assert_string_equal(text_of(&a, "state"), "evidence_taken");
    ask_free(&a);
    ask_charge(p, &a, "evd_0", 5, "pm_tok_visa", true);
    assert_int_equal(a.status, 409);
    ask_free(&a);
    told(p, "att_2", (char[400]){0}, 400, id);
    order_of(p, EVIDENCE, id, "{\"reference\":\"evd_x\",\"evidence\":{}}", 402);
    order_of(p, EVIDENCE, id, "{\"reference\":\"att_2\",\"evidence\":{}}", 409);
}

static void bad_evidence(void **state)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{\"reference\":\"e\"}",
        "{\"reference\":\"e f\",\"evidence\":{}}",
        "{\"reference\":\"e\",\"evidence\":{\"a\":5}}",
        "{\"reference\":\"e\",\"evidence\":{},\"x\":1}",
        "{\"reference\":\"e\",\"evidence\":{},\"files\":{}}",
        "{\"reference\":\"e\",\"evidence\":{},\"files\":[1]}",
        "{\"reference\":\"e\",\"evidence\":{},\"files\":[{\"purpose\":\"p\",\"name\":\"n\","
        "\"content_type\":\"text/html\",\"content\":\"aGk=\"}]}",
        "{\"reference\":\"e\",\"evidence\":{},\"files\":[{\"purpose\":\"p\",\"name\":\"n\","
        "\"content_type\":\"image/png\",\"content\":\"a\"}]}",
    };
    struct place *p = *state;
    char id[40];
    make_charge(p, "att_1", 800, "pm_tok_dispute_fraud");
    assert_disputes(p, "att_1", "opened/needs_response/1 ", id);
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        order_of(p, EVIDENCE, id, bodies[i], 400);
    assert_dispute(p, id, "chargeback", "needs_response", "withdrawn", 1500, 1);
}

static void ends(void **state)
{
    struct place *p = *state;
    char id[40];
    make_charge(p, "att_1", 800, "pm_tok_dispute_fraud");
    assert_disputes(p, "att_1", "opened/needs_response/1 ", id);
    order_of(p, ACCEPT, id, NULL, 200);
    order_of(p, ACCEPT, id, NULL, 200);
    assert_dispute(p, id, "chargeback", "accepted", "withdrawn", 1500, 2);
    order_of(p, EVIDENCE, id, "{\"reference\":\"evd_1\",\"evidence\":{}}", 402);
    order_of(p, MOVE, id, "{\"status\":\"won\"}", 409);
    assert_disputes(p, "att_1", "opened/needs_response/1 closed/accepted/2 ", id);
    make_charge(p, "att_2", 800, "pm_tok_dispute_fraud"); /* lost, then reversed */
    assert_disputes(p, "att_2", "opened/needs_response/1 ", id);
    order_of(p, MOVE, id, "{\"status\":\"closed\"}", 409);
    order_of(p, MOVE, id, "{\"status\":\"lost\"}", 200);
    refund(p, "att_2", "rfd_1", 800, "disputed");
    order_of(p, MOVE, id, "{\"status\":\"won\"}", 200);
    order_of(p, ACCEPT, id, NULL, 402);
    assert_dispute(p, id, "chargeback", "won", "returned", 1500, 3);
    refund(p, "att_2", "rfd_2", 800, NULL);
    make_charge(p, "att_3", 800, "pm_tok_dispute_inquiry");
    assert_disputes(p, "att_3", "opened/needs_response/1 ", id);
    order_of(p, MOVE, id, "{\"status\":\"chargeback\"}", 200);
    order_of(p, MOVE, id, "{\"status\":\"chargeback\"}", 409);
    assert_dispute(p, id, "chargeback", "needs_response", "withdrawn", 1500, 2);
    make_charge(p, "att_4", 800, "pm_tok_dispute_inquiry");
    assert_disputes(p, "att_4", "opened/needs_response/1 ", id);
    refund(p, "att_4", "rfd_3", 100, NULL); /* an inquiry withdraws nothing */
    order_of(p, ACCEPT, id, NULL, 200);
    assert_dispute(p, id, "inquiry", "accepted", "withdrawn", 0, 2);
}

/* Never more withdrawn than captured, in however many disputes. */
static void bounded(void **state)
{
    struct place *p = *state;
    make_charge(p, "att_1", 800, "pm_tok_visa");
    order_of(p, "/control/disputes%s", "", "{\"charge\":\"att_1\",\"amount\":801}", 409);
    order_of(p, "/control/disputes%s", "", "{\"charge\":\"att_1\",\"amount\":500}", 200);
    order_of(p, "/control/disputes%s", "", "{\"charge\":\"att_1\",\"amount\":301}", 409);
    refund(p, "att_1", "rfd_1", 301, "disputed");
    refund(p, "att_1", "rfd_2", 300, NULL);
    order_of(p, "/control/disputes%s", "", "{\"charge\":\"att_1\"}", 200); /* refunded, and yet */
    order_of(p, "/control/disputes%s", "", "{\"charge\":\"att_1\"}", 409);
    order_of(p, "/control/disputes%s", "", "{\"charge\":\"att_9\"}", 404);
    struct ask a;
    char id[2][40];
    ask_charge(p, &a, "att_2", 5, "pm_tok_visa", false);
    ask_free(&a);
    order_of(p, "/control/disputes%s", "", "{\"charge\":\"att_2\"}", 409);
    make_charge(p, "att_3", 800, "pm_tok_visa"); /* two inquiries, money for one chargeback */
    for (int i = 0; i < 2; i++) {
        ask_now(p, &a, "POST", "/control/disputes", "{\"charge\":\"att_3\",\"stage\":\"inquiry\"}");
        copy(id[i], sizeof id[i], text_of(&a, "id"));
        ask_free(&a);
    }
    order_of(p, MOVE, id[0], "{\"status\":\"chargeback\"}", 200);
    order_of(p, MOVE, id[1], "{\"status\":\"chargeback\"}", 409);
    order_of(p, ACCEPT, id[1], NULL, 402);
    order_of(p, MOVE, id[0], "{\"status\":\"won\"}", 200);
    order_of(p, ACCEPT, id[1], NULL, 200);
}

struct late {
    struct sandbox *s;
    const char *id;
    int64_t days;
};

static err_t late_run(struct store_tx *tx, void *arg)
{
    struct late *l = arg;
    int64_t earliest = 0;
    return dispute_due(tx, l->s, str_from(l->id), sys_now_us() + l->days * 86400 * 1000000,
                       &earliest);
}

static void unanswered(void **state)
{
    struct place *p = *state;
    char id[40];
    make_charge(p, "att_1", 800, "pm_tok_dispute_inquiry");
    assert_disputes(p, "att_1", "opened/needs_response/1 ", id);
    struct late late = {p->sandbox, id, 6};
    assert_int_equal(store_write(p->sandbox->store, 0, late_run, &late), OK);
    assert_dispute(p, id, "inquiry", "needs_response", "none", 0, 1);
    late.days = 8;
    assert_int_equal(store_write(p->sandbox->store, 0, late_run, &late), OK);
    assert_dispute(p, id, "chargeback", "needs_response", "withdrawn", 1500, 2);
    assert_int_equal(store_write(p->sandbox->store, 0, late_run, &late), OK);
    assert_dispute(p, id, "chargeback", "needs_response", "withdrawn", 1500, 2); /* 15 days */
    late.days = 16;
    assert_int_equal(store_write(p->sandbox->store, 0, late_run, &late), OK);
    assert_dispute(p, id, "chargeback", "lost", "withdrawn", 1500, 3);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
        T(opens), T(evidence), T(bad_evidence), T(ends), T(bounded), T(unanswered),
    };
    crypto_init();
    wire_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Cards as they are typed, in place of tokens: what each number does, and what is left of it. */
#include "sandbox/sandbox_test_lib.h"

#include <dirent.h>
#include <stdio.h>
#include "crypto/crypto.h"
#include "sys/sys.h"

#define VISA "4242424242424242"

static void charge_text(char out[480], const char *reference, const char *card, bool capture)
{
    (void)snprintf(out, 480,
                   "{\"reference\":\"%s\",\"amount\":500,\"currency\":\"EUR\"," NOTIFY
                   "\"card\":%s,\"capture\":%s}",
                   reference, card, capture ? "true" : "false");
}

static void ask_card(struct place *p, struct ask *a, const char *reference, const char *card,
                     bool capture)
{
    char body[480];
    charge_text(body, reference, card, capture);
    ask_now(p, a, "POST", "/v2/charges", body);
}

static void ask_number(struct place *p, struct ask *a, const char *reference, const char *number)
{
    char card[160];
    (void)snprintf(card, sizeof card,
                   "{\"number\":\"%s\",\"exp_month\":\"03\",\"exp_year\":\"2060\",\"cvc\":\"737\"}",
                   number);
    ask_card(p, a, reference, card, true);
}

/* Everything of the answer, as text. */
static bool tells(const struct ask *a, const char *what)
{
    char *text = json_dumps(a->json, JSON_COMPACT);
    bool found = text && strstr(text, what);
    free(text);
    return found;
}

static void assert_card(const struct ask *a, const char *brand, const char *number)
{
    json_t *card = json_object_get(a->json, "card");
    assert_string_equal(json_string_value(json_object_get(card, "brand")), brand);
    assert_string_equal(json_string_value(json_object_get(card, "last_four")),
                        number + strlen(number) - 4);
    assert_false(tells(a, number));
}

static void each_number_does_what_is_said(void **state)
{
    static const struct {
        const char *number;
        int status;
        const char *result, *code, *brand;
    } cases[] = {
        {VISA, 200, "approved", "", "visa"},
        {"5555555555554444", 200, "approved", "", "mastercard"},
        {"378282246310005", 200, "approved", "", "amex"}, /* any number that could be one */
        {"6011111111111117", 200, "approved", "", "discover"},
        {"4000000000000002", 402, "refused", "G0", "visa"},
        {"4000000000009995", 402, "refused", "51", "visa"},
        {"4000000000009987", 402, "refused", "41", "visa"},
        {"4000000000009979", 402, "refused", "43", "visa"},
        {"4000000000000069", 402, "refused", "54", "visa"},
        {"4000000000000127", 402, "refused", "N7", "visa"},
        {"4000000000000119", 402, "refused", "96", "visa"},
        {"4000000000000341", 402, "refused", "G0", "visa"},
        {"4000002760003184", 202, "action", "", "visa"},
        {"4000000000003220", 402, "refused", "1S", "visa"},
        {"4000008400001629", 202, "action", "", "visa"},
        {"4000000000000259", 200, "approved", "", "visa"},
        {"4000000000007726", 200, "approved", "", "visa"},
        {"4000000000005126", 200, "approved", "", "visa"},
        {"4000000000009045", 200, "approved", "", "visa"},
        {"4000000000009052", 200, "approved", "", "visa"},
        {"4000000000009060", 200, "approved", "", "visa"},
        {"4000000000009078", 200, "approved", "", "visa"},
        {"4000000000009037", 200, "approved", "", "visa"},
    };
    struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ask a;
        char reference[32];
        (void)snprintf(reference, sizeof reference, "att_%zu", i);
        ask_number(p, &a, reference, cases[i].number);
        if (a.status != cases[i].status || strcmp(text_of(&a, "result"), cases[i].result) != 0)
            fail_msg("%s: %d %s", cases[i].number, a.status, text_of(&a, "result"));
        assert_string_equal(text_of(&a, "code"), cases[i].code);
        assert_card(&a, cases[i].brand, cases[i].number);
        ask_free(&a);
    }
}

/* The token that a number stands for is in the book, so that what comes later comes as with it. */
static void what_comes_later_comes_too(void **state)
{
    struct place *p = *state;
    struct ask a;
    ask_number(p, &a, "att_1", "4000000000007726");
    ask_free(&a);
    ask_operation(p, &a, "att_1", "refunds", "rfd_1", 500);
    assert_string_equal(text_of(&a, "result"), "pending");
    ask_free(&a);
    wait_result(p, "rfd_1", "approved");
    ask_number(p, &a, "att_2", "4000000000005126");
    ask_free(&a);
    ask_operation(p, &a, "att_2", "refunds", "rfd_2", 500);
    assert_string_equal(text_of(&a, "result"), "approved");
    ask_free(&a);
    wait_result(p, "rfd_2", "refused");
    ask_number(p, &a, "att_3", "4000000000000259");
    ask_free(&a);
    assert_told(p, "att_3", "charge.captured dispute.opened ");
    ask_number(p, &a, "att_4", "4000008400001629");
    ask_free(&a);
    ask_inquiry(p, &a, "att_4");
    char path[160];
    const char *url = json_string_value(json_object_get(json_object_get(a.json, "action"), "url"));
    (void)snprintf(path, sizeof path, "%s?answer=approve", strstr(url, "/challenge/"));
    ask_free(&a);
    order_now(p, path, NULL, 200);
    ask_operation(p, &a, "att_4", "confirm", "att_4", 500);
    assert_refused(&a, 402, "51");
    assert_card(&a, "visa", "4000008400001629");
    ask_free(&a);
}

static void numbers_go_wrong_as_tokens_do(void **state)
{
    struct place *p = *state;
    struct ask a;
    ask_number(p, &a, "att_1", "4000000000009029");
    assert_int_equal(a.status, 500);
    ask_free(&a);
    ask_number(p, &a, "att_1", "4000000000009029");
    assert_int_equal(a.status, 200);
    ask_free(&a);
    ask_number(p, &a, "att_2", "4000000000009003");
    assert_int_equal(a.status, 504);
    ask_free(&a);
    assert_book(p, "att_2", "captured", 500, 500, 0, 1);
    ask_number(p, &a, "att_3", "4000000000009011");
    assert_int_equal(a.status, 504);
    ask_free(&a);
    assert_no_book(p, "att_3");
}

static void what_is_no_good_card_is_refused(void **state)
{
    static const struct {
        const char *card;
        int status;
        const char *code;
    } cases[] = {
        {"{\"number\":\"4242424242424241\",\"exp_month\":\"03\",\"exp_year\":\"2060\"}", 402, "14"},
        {"{\"number\":\"42424242\",\"exp_month\":\"03\",\"exp_year\":\"2060\"}", 402, "14"},
        {"{\"number\":\"" VISA "\",\"exp_month\":\"12\",\"exp_year\":\"2025\"}", 402, "54"},
        {"{\"number\":\"" VISA "\",\"exp_month\":\"12\",\"exp_year\":\"25\"}", 402, "54"},
        {"{\"number\":\"" VISA "\",\"exp_month\":\"1\",\"exp_year\":\"60\"}", 200, ""},
        {"{\"number\":\"" VISA "\",\"exp_month\":\"01\",\"exp_year\":\"2060\",\"cvc\":\"000\"}",
         200, ""},
        {"{\"number\":\"4242 4242 4242 4242\",\"exp_month\":\"1\",\"exp_year\":\"60\"}", 400,
         "invalid_request"},
        {"{\"number\":\"" VISA "\",\"exp_month\":\"13\",\"exp_year\":\"2060\"}", 400,
         "invalid_request"},
        {"{\"number\":\"" VISA "\",\"exp_month\":\"03\",\"exp_year\":\"2060\",\"cvc\":\"\"}", 400,
         "invalid_request"},
        {"{\"number\":\"" VISA "\",\"exp_month\":3,\"exp_year\":\"2060\"}", 400, "invalid_request"},
        {"{\"number\":\"{{card.number}}\",\"exp_month\":\"03\",\"exp_year\":\"2060\"}", 400,
         "invalid_request"},
        {"{\"number\":\"" VISA "\",\"exp_month\":\"03\"}", 400, "invalid_request"},
        {"\"" VISA "\"", 400, "invalid_request"},
        {"{\"number\":\"" VISA "\",\"exp_month\":\"03\",\"exp_year\":\"2060\"},\"source\":\"x\"",
         400, "invalid_request"},
        {"null", 400, "invalid_request"},
    };
    struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ask a;
        char reference[32];
        (void)snprintf(reference, sizeof reference, "att_%zu", i);
        ask_card(p, &a, reference, cases[i].card, true);
        if (a.status != cases[i].status || strcmp(text_of(&a, "code"), cases[i].code) != 0)
            fail_msg("%zu: %d %s", i, a.status, text_of(&a, "code"));
        assert_false(tells(&a, "42424242"));
        ask_free(&a);
    }
}

/* A repetition is known by its reference, also when its CVC is gone. */
static void a_repetition_may_have_no_cvc(void **state)
{
    struct place *p = *state;
    struct ask a, b;
    ask_number(p, &a, "att_1", VISA);
    ask_card(p, &b, "att_1", "{\"number\":\"" VISA "\",\"exp_month\":\"03\",\"exp_year\":\"2060\"}",
             true);
    assert_int_equal(b.status, 200);
    assert_true(json_equal(a.json, b.json));
    ask_free(&a);
    ask_free(&b);
    assert_book(p, "att_1", "captured", 500, 500, 0, 2);
    ask_card(p, &b, "att_1", "{\"number\":\"" VISA "\",\"exp_month\":\"03\",\"exp_year\":\"2060\"}",
             false);
    assert_int_equal(b.status, 409);
    ask_free(&b);
}

static void assert_echo(const struct ask *a, const char *name, const char *value)
{
    json_t *echo = json_object_get(a->json, "echo");
    assert_string_equal(json_string_value(json_object_get(echo, name)), value);
}

static void a_careless_provider_tells_the_card_back(void **state)
{
    struct place *p = *state;
    struct ask a;
    fault(p, "{\"next\":2,\"kind\":\"echo\",\"operation\":\"charge\"}");
    ask_number(p, &a, "att_1", VISA);
    assert_int_equal(a.status, 200);
    assert_echo(&a, "number", VISA);
    assert_echo(&a, "cvc", "737");
    assert_echo(&a, "spaced", "4242 4242 4242 4242");
    assert_echo(&a, "dashed", "4242-4242-4242-4242");
    assert_echo(&a, "hex", "34323432343234323432343234323432");
    assert_echo(&a, "percent", "%34%32%34%32%34%32%34%32%34%32%34%32%34%32%34%32");
    assert_echo(&a, "base64", "eyJudW1iZXIiOiI0MjQyNDI0MjQyNDI0MjQyIn0=");
    assert_true(tells(&a, "[\"4242\",\"4242\",\"4242\",\"4242\"]"));
    ask_free(&a);
    ask_number(p, &a, "att_2", "4000000000009995"); /* a refusal, too */
    assert_int_equal(a.status, 402);
    assert_echo(&a, "number", "4000000000009995");
    ask_free(&a);
    ask_number(p, &a, "att_3", VISA); /* and no more */
    assert_null(json_object_get(a.json, "echo"));
    ask_free(&a);
    ask_number(p, &a, "att_4", "4000000000009086");
    assert_echo(&a, "number", "4000000000009086");
    ask_free(&a);
    ask_inquiry(p, &a, "att_4");
    assert_false(tells(&a, "4000000000009086"));
    ask_free(&a);
    ask_charge(p, &a, "att_5", 500, "pm_tok_echo", true); /* nothing to tell */
    assert_int_equal(a.status, 200);
    assert_null(json_object_get(a.json, "echo"));
    ask_free(&a);
}

/* --- what is left --- */
struct page {
    struct http_call call;
    struct buf text;
    atomic_bool done;
};

static void on_page(struct http_call *call, const struct http_result *r)
{
    struct page *g = call->arg;
    buf_add(&g->text, r->body.p, r->body.n);
    atomic_store(&g->done, true);
}

static void assert_page_is_clean(struct place *p, const char *path)
{
    char url[200];
    struct page g = {.text = BUF(1 << 20)};
    int64_t end = sys_mono_us() + INT64_C(20000000);
    (void)snprintf(url, sizeof url, "http://%s%s", p->address, path);
    g.call = (struct http_call){.method = "GET",
                                .url = url,
                                .connect_timeout_ms = 5000,
                                .timeout_ms = 20000,
                                .response_bytes_max = 1 << 20,
                                .done = on_page,
                                .arg = &g};
    http_client_call(p->client, &g.call);
    while (!atomic_load(&g.done))
        assert_true(sys_mono_us() < end);
    assert_true(g.text.n > 0);
    assert_null(strstr(g.text.p, VISA));
    assert_null(strstr(g.text.p, "4000000000009086"));
    buf_free(&g.text);
}

static void assert_files_are_clean(const char *dir)
{
    DIR *d = opendir(dir);
    size_t files = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[400];
        struct buf text = BUF(64 << 20);
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        assert_int_equal(sys_read_file(path, 64 << 20, &text, NULL), OK);
        assert_null(memmem(text.p, text.n, VISA, strlen(VISA)));
        assert_null(memmem(text.p, text.n, "4000000000009086", 16));
        assert_null(memmem(text.p, text.n, "4242424242424241", 16));
        buf_free(&text);
        files++;
    }
    (void)closedir(d);
    assert_true(files > 0);
}

static void nothing_is_left_of_a_number(void **state)
{
    struct place *p = *state;
    struct ask a;
    ask_number(p, &a, "att_1", VISA);
    ask_free(&a);
    ask_number(p, &a, "att_2", "4000000000009086");
    ask_free(&a);
    ask_number(p, &a, "att_3", "4242424242424241");
    ask_free(&a);
    assert_page_is_clean(p, "/book");
    assert_page_is_clean(p, "/control");
    assert_page_is_clean(p, "/control/webhooks?reference=att_2");
    assert_files_are_clean(p->dir);
    place_stop(p);
    assert_files_are_clean(p->dir);
    place_start(p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
        T(each_number_does_what_is_said), T(what_comes_later_comes_too),
        T(numbers_go_wrong_as_tokens_do), T(what_is_no_good_card_is_refused),
        T(a_repetition_may_have_no_cvc),  T(a_careless_provider_tells_the_card_back),
        T(nothing_is_left_of_a_number),
    };
    crypto_init();
    wire_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

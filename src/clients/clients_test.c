#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "clients/clients.h"
#include "crypto/crypto.h"
#include "store/store_folder.h"

#define MERCHANT 2
#define T0 INT64_C(1764000000123456)
#define EUR 978

static const char random_text[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

static struct {
    struct folder folder;
    struct store *store;
    struct det det;
    uint8_t hash[CLIENT_HASH];
    struct client_token token;
    struct checkout checkout;
    struct err_info info;
    const char *random;
} t;

static int setup(void **state)
{
    static const uint8_t seed[32] = {7};
    (void)state;
    crypto_init();
    memset(&t, 0, sizeof t);
    t.det = det_make(T0, seed);
    t.random = random_text;
    t.folder = folder_make();
    t.store = folder_open(&t.folder, (struct store_config){.path = NULL});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(t.store);
    folder_remove(&t.folder);
    return 0;
}

static err_t write_with(err_t (*run)(struct store_tx *tx, void *arg), void *arg)
{
    t.info = (struct err_info){.err = OK};
    return store_write(t.store, MERCHANT, run, arg);
}

/* --- text --- */

static void test_token_text(void **state)
{
    static const int64_t merchants[] = {2, 3, 22878, 1000000, INT64_C(1) << 40};
    char text[CLIENT_TOKEN_TEXT_MAX];
    uint8_t hash[CLIENT_HASH];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(merchants); i++) {
        int64_t merchant = 0;
        client_token_text(merchants[i], random_text, text);
        assert_true(client_token_parse(str_from(text), &merchant, hash));
        assert_int_equal(merchant, merchants[i]);
    }
    client_token_text(2, random_text, text);
    assert_true(strncmp(text, "ct_test_2_", 10) == 0);
}

static void test_no_tokens(void **state)
{
    static const char *const wrong[] = {
        "",
        "ct_test_",
        "sk_test_2_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
        "ct_live_2_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
        "ct_test_3_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
        "ct_test_02_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
        "ct_test_u_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
        "ct_test__0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
        "ct_test_20123456789abcdefghijklmnopqrstuvwxyzABCDEFGH",
        "ct_test_2_0123456789abcdefghijklmnopqrstuvwxyzABCDEF",
        "ct_test_2_0123456789abcdefghijklmnopqrstuvwxyzABCDEF-",
        "ct_test_zzzzzzzzzzzzzzzzzzzz_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        int64_t merchant = -1;
        uint8_t hash[CLIENT_HASH];
        if (client_token_parse(str_from(wrong[i]), &merchant, hash))
            fail_msg("%s", wrong[i]);
    }
}

static void test_origins(void **state)
{
    static const struct {
        const char *in;
        bool http;
        const char *out; /* NULL: refused */
    } list[] = {
        {"https://Shop.Example", false, "https://shop.example"},
        {"https://shop.example/", false, "https://shop.example"},
        {"https://shop.example:443", false, "https://shop.example"},
        {"https://shop.example:8443", false, "https://shop.example:8443"},
        {"http://localhost:3000", false, "http://localhost:3000"},
        {"http://127.0.0.1:80", false, "http://127.0.0.1"},
        {"https://[2001:DB8::1]:8443", false, "https://[2001:db8::1]:8443"},
        {"http://shop.example", true, "http://shop.example"},
        {"http://shop.example", false, NULL},
        {"http://localhost.example", false, NULL},
        {"https://shop.example/pay", false, NULL},
        {"https://shop.example//", false, NULL},
        {"https://shop.example?a=1", false, NULL},
        {"https://user@shop.example", false, NULL},
        {"shop.example", false, NULL},
        {"ftp://shop.example", true, NULL},
        {"null", true, NULL},
        {"*", true, NULL},
        {"", true, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        char out[CLIENT_ORIGIN_MAX] = "";
        bool good = client_origin(str_from(list[i].in), list[i].http, out);
        if (good != (list[i].out != NULL) || (good && strcmp(out, list[i].out) != 0))
            fail_msg("%s: %s", list[i].in, good ? out : "refused");
    }
}

/* --- tokens --- */

static err_t run_make(struct store_tx *tx, void *arg)
{
    char text[CLIENT_TOKEN_TEXT_MAX];
    int64_t merchant;
    (void)arg;
    client_token_text(MERCHANT, t.random, text);
    assert_true(client_token_parse(str_from(text), &merchant, t.hash));
    t.token.id = id_new(&t.det);
    t.token.state = CLIENT_ISSUED;
    t.token.created_us = t.det.now_us;
    t.token.expires_us = t.det.now_us + 15 * MINUTE_US;
    t.token.details = STR("{\"capture\":true}");
    (void)snprintf(t.token.origin, sizeof t.token.origin, "https://shop.example");
    return client_token_insert(tx, MERCHANT, t.hash, &t.token);
}

static void make(enum client_purpose purpose, int64_t min, int64_t max)
{
    t.token.purpose = purpose;
    t.token.amount_min = min;
    t.token.amount_max = max;
    t.token.currency = purpose == CLIENT_PAYMENT ? EUR : 0;
    assert_int_equal(write_with(run_make, NULL), OK);
}

struct giving {
    struct id card;
    struct client_token ret;
};

static err_t run_give(struct store_tx *tx, void *arg)
{
    struct giving *g = arg;
    return client_token_give(tx, MERCHANT, t.hash, g->card, t.det.now_us, &g->ret, &t.info);
}

static struct id give(void)
{
    struct giving g = {.card = id_new(&t.det)};
    assert_int_equal(write_with(run_give, &g), OK);
    return g.card;
}

struct paying {
    int64_t amount;
    int16_t currency;
    struct id payment, earlier;
    bool only_claim;
};

static err_t run_pay(struct store_tx *tx, void *arg)
{
    struct paying *p = arg;
    err_t err = client_token_claim(tx, MERCHANT, t.hash, p->amount, p->currency, t.det.now_us,
                                   &p->earlier, &t.info);
    return err || p->only_claim ? err
                                : client_token_use(tx, MERCHANT, t.hash, p->payment, t.det.now_us);
}

static err_t pay(int64_t amount, int16_t currency)
{
    struct paying p = {.amount = amount, .currency = currency, .payment = id_new(&t.det)};
    return write_with(run_pay, &p);
}

static err_t run_read(struct store_tx *tx, void *arg)
{
    bool found;
    err_t err = client_token_read(tx, MERCHANT, t.hash, arg, &found);
    assert_true(err || found);
    return err;
}

static void test_one_card(void **state)
{
    struct client_token now;
    (void)state;
    make(CLIENT_PAYMENT_METHOD, 0, 0);
    struct giving g = {.card = id_new(&t.det)}, other = {.card = id_new(&t.det)};
    assert_int_equal(write_with(run_give, &g), OK);
    assert_int_equal(g.ret.state, CLIENT_ISSUED);
    assert_int_equal(write_with(run_give, &g), OK);
    assert_int_equal(g.ret.state, CLIENT_CARD_GIVEN);
    assert_int_equal(write_with(run_give, &other), ERR_STATE);
    assert_int_equal(store_read(t.store, run_read, &now), OK);
    assert_true(id_eq(now.payment_method, g.card));
    assert_int_equal(pay(100, EUR), ERR_FORBIDDEN); /* it is for a method */
}

static void test_check(void **state)
{
    struct err_info info = {.err = OK};
    struct client_token now;
    (void)state;
    make(CLIENT_PAYMENT, 100, 100);
    assert_int_equal(store_read(t.store, run_read, &now), OK);
    assert_int_equal(client_token_check(&now, T0, STR("https://shop.example"), &info), OK);
    assert_int_equal(client_token_check(&now, T0, STR("https://evil.example"), &info),
                     ERR_FORBIDDEN);
    assert_int_equal(client_token_check(&now, T0, STR(""), &info), ERR_FORBIDDEN);
    assert_int_equal(client_token_check(&now, now.expires_us, STR("https://shop.example"), &info),
                     ERR_UNAUTHENTICATED);
    now.state = CLIENT_CARD_GIVEN;
    assert_int_equal(client_token_check(&now, T0, STR("https://shop.example"), &info),
                     ERR_UNAUTHENTICATED);
}

static void test_one_payment(void **state)
{
    struct client_token now;
    (void)state;
    make(CLIENT_PAYMENT, 100, 500);
    assert_int_equal(pay(100, EUR), ERR_STATE); /* no card yet */
    give();
    assert_int_equal(pay(99, EUR), ERR_PARAM_INVALID);
    assert_string_equal(t.info.param, "amount");
    assert_int_equal(pay(501, EUR), ERR_PARAM_INVALID);
    assert_int_equal(pay(100, 840), ERR_PARAM_INVALID);
    assert_string_equal(t.info.param, "currency");
    assert_int_equal(pay(500, EUR), OK);
    assert_int_equal(pay(500, EUR), ERR_STATE);
    assert_int_equal(store_read(t.store, run_read, &now), OK);
    assert_int_equal(now.state, CLIENT_USED);
    assert_false(id_is_zero(now.payment));
}

static void test_expired(void **state)
{
    (void)state;
    make(CLIENT_PAYMENT, 100, 100);
    give();
    t.det.now_us += 15 * MINUTE_US;
    assert_int_equal(pay(100, EUR), ERR_UNAUTHENTICATED);
}

static void test_unknown(void **state)
{
    struct giving g = {.card = id_new(&t.det)};
    (void)state;
    assert_int_equal(write_with(run_give, &g), ERR_UNAUTHENTICATED);
    assert_int_equal(pay(100, EUR), ERR_UNAUTHENTICATED);
}

static void test_token_json(void **state)
{
    struct buf out = BUF(4096);
    (void)state;
    make(CLIENT_PAYMENT, 100, 500);
    client_token_write(&(struct jw){.b = &out}, MERCHANT, &t.token, "ct_test_x", T0);
    assert_non_null(strstr(out.p, "\"client_token\":\"ct_test_x\""));
    assert_non_null(strstr(out.p, "\"amount\":null,\"amount_min\":100,\"amount_max\":500"));
    assert_non_null(strstr(out.p, "\"capture\":true"));
    buf_clear(&out);
    client_token_write(&(struct jw){.b = &out}, MERCHANT, &t.token, NULL, t.token.expires_us);
    assert_null(strstr(out.p, "ct_test_x"));
    assert_non_null(strstr(out.p, "\"status\":\"expired\""));
    buf_free(&out);
}

/* --- checkouts --- */

static err_t run_checkout(struct store_tx *tx, void *arg)
{
    (void)arg;
    t.checkout = (struct checkout){.id = id_new(&t.det),
                                   .amount = 100,
                                   .currency = EUR,
                                   .created_us = t.det.now_us,
                                   .expires_us = t.det.now_us + 60 * MINUTE_US,
                                   .details = STR("{}"),
                                   .items = STR("[]")};
    return checkout_insert(tx, MERCHANT, &t.checkout);
}

static err_t run_checkout_read(struct store_tx *tx, void *arg)
{
    bool found;
    err_t err = checkout_read(tx, MERCHANT, t.checkout.id, arg, &found);
    assert_true(err || found);
    return err;
}

static err_t run_close(struct store_tx *tx, void *arg)
{
    struct checkout c;
    err_t err = run_checkout_read(tx, &c);
    (void)arg;
    return err ? err : checkout_close(tx, MERCHANT, &c, t.det.now_us);
}

static void test_checkout_payments(void **state)
{
    struct checkout now;
    (void)state;
    assert_int_equal(write_with(run_checkout, NULL), OK);
    t.token.checkout = t.checkout.id;
    make(CLIENT_PAYMENT, 100, 100);
    give();
    struct paying p = {.amount = 100, .currency = EUR, .payment = id_new(&t.det)};
    assert_int_equal(write_with(run_pay, &p), OK);
    assert_true(id_is_zero(p.earlier));
    assert_int_equal(store_read(t.store, run_checkout_read, &now), OK);
    assert_true(id_eq(now.payment, p.payment));
    assert_int_equal(now.version, 2);
}

/* Who comes second learns whose payment it was. */
static void test_second_token(void **state)
{
    static const char other[] = "zzz3456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    struct checkout now;
    (void)state;
    test_checkout_payments(state);
    assert_int_equal(store_read(t.store, run_checkout_read, &now), OK);
    t.random = other;
    make(CLIENT_PAYMENT, 100, 100);
    give();
    struct paying p = {.amount = 100, .currency = EUR, .only_claim = true};
    assert_int_equal(write_with(run_pay, &p), OK);
    assert_true(id_eq(p.earlier, now.payment));
}

static void test_closed(void **state)
{
    (void)state;
    assert_int_equal(write_with(run_checkout, NULL), OK);
    t.token.checkout = t.checkout.id;
    make(CLIENT_PAYMENT, 100, 100);
    give();
    assert_int_equal(write_with(run_close, NULL), OK);
    assert_int_equal(write_with(run_close, NULL), OK);
    assert_int_equal(pay(100, EUR), ERR_STATE);
}

static void test_statuses(void **state)
{
    struct checkout c = {.expires_us = T0 + 1};
    (void)state;
    assert_string_equal(checkout_status(&c, NULL, T0), "open");
    assert_string_equal(checkout_status(&c, NULL, T0 + 1), "expired");
    assert_string_equal(checkout_status(&c, "failed", T0), "open");
    assert_string_equal(checkout_status(&c, "requires_action", T0 + 1), "processing");
    assert_string_equal(checkout_status(&c, "captured", T0 + 1), "complete");
    c.closed = true;
    assert_string_equal(checkout_status(&c, "canceled", T0), "expired");
    assert_string_equal(checkout_status(&c, "authorized", T0), "complete");
}

/* --- reports --- */

static err_t collect(struct str content, void *arg)
{
    struct buf *out = arg;
    buf_add(out, content.p, content.n);
    buf_byte(out, '\n');
    return OK;
}

static void assert_clean(const char *body, const char *expected)
{
    struct buf out = BUF(65536);
    buf_str(&out, "");
    assert_int_equal(report_clean(STR("checkout"), str_from(body), collect, &out), OK);
    assert_string_equal(out.n ? out.p : "", expected);
    buf_free(&out);
}

static void test_reports_are_cleaned(void **state)
{
    (void)state;
    assert_clean(
        "{\"csp-report\":{\"document-uri\":\"https://me:pw@pay.example/pay/2/"
        "chk_0123456789ABCDEFGHJKMNPQRS/0123456789abcdef0123456789abcdef?card=4242424242424242#x\","
        "\"violated-directive\":\"script-src\",\"blocked-uri\":\"data:text/js,4242424242424242\","
        "\"script-sample\":\"secret\",\"line-number\":7}}",
        "{\"page\":\"checkout\",\"type\":\"csp-violation\",\"document\":\"https://pay.example/pay/"
        "2/"
        "*/*\",\"directive\":\"script-src\",\"blocked\":\"data:\",\"line\":7}\n");
    assert_clean("[{\"type\":\"csp-violation\",\"url\":\"https://a.example/x?y\",\"body\":{"
                 "\"effectiveDirective\":\"img-src 4242 4242-4242 4242\",\"blockedURL\":\"inline\","
                 "\"disposition\":\"enforce\"}},{\"body\":{\"nothing\":1}},5]",
                 "{\"page\":\"checkout\",\"type\":\"csp-violation\",\"document\":\"https://"
                 "a.example/x\",\"directive\":\"img-src ***\",\"blocked\":\"inline\","
                 "\"disposition\":\"enforce\"}\n");
    assert_clean("nonsense", "");
    assert_clean("{}", "");
    assert_clean("[[[[[[[[[[1]]]]]]]]]]", "");
}

static bool report_is_new;

static err_t run_report(struct store_tx *tx, void *arg)
{
    bool kept;
    err_t err = report_add(tx, str_from(arg), t.det.now_us, &kept, &report_is_new);
    assert_true(err || kept);
    return err;
}

static err_t run_flood(struct store_tx *tx, void *arg)
{
    int *refused = arg;
    *refused = 0;
    for (int i = 0; i < REPORTS_PER_DAY + 5; i++) {
        char content[32];
        bool kept, fresh;
        (void)snprintf(content, sizeof content, "{\"n\":%d}", i);
        err_t err = report_add(tx, str_from(content), t.det.now_us, &kept, &fresh);
        assert_true(kept || !fresh);
        if (err)
            return err;
        *refused += !kept;
    }
    return OK;
}

struct seen {
    int n;
    int64_t times;
};

static err_t see(const struct report *r, void *arg)
{
    struct seen *s = arg;
    if (s->n++ == 0)
        s->times = r->times;
    return OK;
}

static err_t run_list(struct store_tx *tx, void *arg)
{
    return report_list(tx, 10, see, arg);
}

static void test_reports_are_counted(void **state)
{
    static char a[] = "{\"a\":1}";
    struct seen s = {0, 0};
    int refused = 0;
    (void)state;
    assert_int_equal(write_with(run_report, a), OK);
    assert_true(report_is_new);
    assert_int_equal(write_with(run_report, a), OK);
    assert_false(report_is_new);
    assert_int_equal(store_read(t.store, run_list, &s), OK);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.times, 2);
    t.det.now_us += INT64_C(86400000000);
    assert_int_equal(write_with(run_report, a), OK); /* another day */
    s = (struct seen){0, 0};
    assert_int_equal(store_read(t.store, run_list, &s), OK);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.times, 1);
    assert_int_equal(write_with(run_flood, &refused), OK);
    assert_int_equal(refused, 6); /* one was there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_text),
        cmocka_unit_test(test_no_tokens),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_reports_are_cleaned),
        cmocka_unit_test_setup_teardown(test_one_card, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_payment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expired, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checkout_payments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reports_are_counted, setup, teardown),
    };
    return cmocka_run_group_tests_name("clients", tests, NULL, NULL);
}

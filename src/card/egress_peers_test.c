/* Requests with a card on their way out: a vault, an api or a provider that does not do its part,
 * and a merchant who asks for too much. */
#include "card/egress_test_lib.h"

static void the_vault_may_say_no(void **state)
{
    (void)state;
    static const struct {
        enum manner manner;
        const char *error;
    } cases[] = {{MISSING, "there is no such card"},
                 {LOCKED, "the vault is locked"},
                 {BROKEN, "the card cannot be opened"},
                 {NONSENSE, "the vault's answer is none"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ask a = a_request("/pay");
        vault.manner = cases[i].manner;
        refused(&a, cases[i].error);
    }
    assert_int_equal(vault.used, 0);
}

static void vault_comes_back(void)
{
    link_close(vault.link);
    vault.manner = OPENS;
    vault_joins();
}

static void a_vault_that_died_is_waited_for(void **state)
{
    (void)state;
    struct ask a = a_request("/pay"), b = a_request("/pay");
    vault.manner = ENDS; /* with the question */
    begin(&a);
    wait_for(&vault.opened, 1);
    begin(&b); /* and one that finds it dead */
    sys_pause_us(20000);
    assert_int_equal(a.done + b.done, 0);
    vault_comes_back();
    wait_for(&a.done, 1);
    wait_for(&b.done, 1);
    assert_int_equal(a.sent, HTTP_ANSWERED);
    assert_int_equal(b.sent, HTTP_ANSWERED);
    assert_int_equal(provider.calls, 2);
}

static int set_up_impatient(void **state)
{
    (void)state;
    egress_test_start(0, 150);
    return 0;
}

static void a_silent_vault_keeps_nobody_waiting(void **state)
{
    (void)state;
    struct ask a = a_request("/pay"), b = a_request("/pay"), c = a_request("/pay");
    vault.manner = SILENT;
    begin(&a);
    refused(&b, "the vault does not answer");
    wait_for(&a.done, 1);
    assert_int_equal(a.sent, HTTP_NOT_SENT);
    wait_idle();
    vault_says(vault.call, 0); /* too late */
    vault.manner = OPENS;
    go(&c); /* comes after it on the same link */
    assert_int_equal(c.sent, HTTP_ANSWERED);
    assert_int_equal(provider.calls, 1);
    assert_int_equal(b.done, 1);
    vault.manner = SILENT; /* one that is waiting when all ends */
    struct ask d = a_request("/pay");
    refused(&d, "the vault does not answer");
}

static void a_vault_that_stays_away_keeps_nobody_waiting(void **state)
{
    (void)state;
    struct ask a = a_request("/pay"), b = a_request("/pay");
    vault.manner = ENDS;
    refused(&a, "the vault is not there");
    refused(&b, "the vault is not there");
    vault_comes_back();
    struct ask c = a_request("/pay");
    begin(&c);
    wait_for(&c.done, 1);
    assert_int_equal(c.sent, HTTP_ANSWERED);
    vault.manner = ENDS; /* one that waits when all ends */
    static struct ask d; /* answered after this */
    d = a_request("/pay");
    begin(&d);
}

static void a_late_vault_is_in_time(void **state)
{
    (void)state;
    struct ask a = a_request("/pay");
    vault.manner = SILENT;
    begin(&a);
    wait_for(&vault.opened, 1);
    sys_pause_us(30000);
    assert_int_equal(a.done, 0);
    vault_says(vault.call, 0);
    wait_for(&a.done, 1);
    assert_int_equal(a.sent, HTTP_ANSWERED);
}

/* The next api asks the provider at once, and believes that there is nothing. */
static void what_an_api_that_is_gone_asked_is_not_sent(void **state)
{
    (void)state;
    struct ask a = a_request("/pay"), b = a_request("/pay");
    vault.manner = SILENT;
    begin(&a);
    wait_for(&vault.opened, 1);
    egress_asker_gone(egress);
    vault_says(vault.call, 0);
    wait_for(&a.done, 1);
    assert_int_equal(a.sent, HTTP_NOT_SENT);
    assert_string_equal(a.error, "who asked is gone");
    assert_int_equal(provider.calls, 0);
    vault.manner = OPENS;
    go(&b);
    assert_int_equal(b.sent, HTTP_ANSWERED);
}

static void an_api_that_is_gone_is_not_told(void **state)
{
    (void)state;
    struct ask a = a_request("/keep"), b = a_request("/pay");
    begin(&a);
    wait_there(&provider.kept);
    link_close(api);
    assert_int_equal(a.done, 1);
    assert_int_equal(a.lost, 1);
    api = join(LINK_API, &to_api, no_request);
    begin(&b); /* its own question has the same place in line */
    answer_kept();
    wait_for(&b.done, 1);
    assert_int_equal(b.lost, 0);
    assert_int_equal(b.status, 200);
    wait_idle();
    struct ask c = a_request("/pay"); /* and the link stands */
    go(&c);
    assert_int_equal(c.sent, HTTP_ANSWERED);
    wait_for(&vault.used, 3);
}

static void silence_is_unknown(void **state)
{
    (void)state;
    struct ask a = a_request("/keep");
    a.timeout_ms = 100;
    go(&a);
    assert_int_equal(a.sent, HTTP_UNKNOWN);
    wait_for(&vault.used, 1); /* it may have arrived */
}

static void what_did_not_leave_keeps_its_cvc(void **state)
{
    (void)state;
    struct ask a = a_request("/pay"), b = a_request("/pay"), c = a_request("/pay");
    a.start_before_us = sys_now_us() - 1000000;
    go(&a);
    assert_int_equal(a.sent, HTTP_NOT_SENT);
    b.url = "http://127.0.0.1:1/pay"; /* nobody listens */
    b.permit = permit_of(seed, 2, b.url);
    go(&b);
    assert_int_equal(b.sent, HTTP_NOT_SENT);
    c.body = "{\"n\":\"{{card.pin}}\"}";
    refused(&c, "the placeholders cannot be filled in");
    struct ask d = a_request("/pay");
    d.body = "{}";
    refused(&d, "the placeholders cannot be filled in");
    assert_int_equal(vault.used, 0);
    assert_int_equal(provider.calls, 0);
}

static int set_up_slow(void **state)
{
    (void)state;
    egress_test_start(3, 0);
    return 0;
}

static void a_merchant_has_its_pace(void **state)
{
    (void)state;
    int sent = 0;
    for (int i = 0; i < 30; i++) {
        struct ask a = a_request("/pay");
        go(&a);
        sent += a.sent == HTTP_ANSWERED;
        if (a.sent != HTTP_ANSWERED)
            assert_string_equal(a.error, "too many requests with cards");
    }
    assert_in_range(sent, 3, 10); /* three, and three more each second that it took */
    assert_int_equal(vault.opened, sent);
    static const int64_t others[] = {4, 2 + 1024, 2 + 1024 * 5}; /* also in the same place */
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct ask a = a_request("/pay");
        a.merchant = others[i];
        a.permit = permit_of(seed, others[i], own_url("/"));
        go(&a);
        assert_int_equal(a.sent, HTTP_ANSWERED);
    }
    for (int i = 0; i < 3; i++) { /* and nobody's coming gives it more */
        struct ask a = a_request("/pay");
        go(&a);
        sent += a.sent == HTTP_ANSWERED;
    }
    assert_in_range(sent, 3, 12);
}

static void what_is_no_request_ends_the_link(void **state)
{
    (void)state;
    for (int kind = 0; kind < 6; kind++) {
        struct ask a = a_request("/pay");
        struct buf b = BUF(LINK_PAYLOAD_MAX);
        if (kind == 0)
            a.method = "GET";
        if (kind == 1)
            a.timeout_ms = 0;
        if (kind == 2)
            a.merchant = 0;
        write_ask(&a, &b);
        if (kind == 3)
            b.n--;
        if (kind == 4)
            buf_byte(&b, 0);
        if (kind == 5) /* a NUL in the reference */
            ((char *)memmem(b.p, b.n, "att_1", 5))[4] = 0;
        assert_int_equal(link_ask(api, LINK_EGRESS, buf_view(&b), on_told, &a), OK);
        wait_for(&a.done, 1);
        assert_int_equal(a.lost, 1);
        wait_idle();
        buf_free(&b);
        link_close(api);
        api = join(LINK_API, &to_api, no_request);
    }
    assert_int_equal(vault.opened, 0);
    assert_int_equal(provider.calls, 0);
}

static void after_close_nothing_goes(void **state)
{
    (void)state;
    struct ask a = a_request("/pay");
    egress_close(egress);
    refused(&a, "it is stopping");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, egress_test_set_up, egress_test_tear_down)
        T(the_vault_may_say_no),
        cmocka_unit_test_setup_teardown(a_silent_vault_keeps_nobody_waiting, set_up_impatient,
                                        egress_test_tear_down),
        T(a_vault_that_died_is_waited_for),
        cmocka_unit_test_setup_teardown(a_vault_that_stays_away_keeps_nobody_waiting,
                                        set_up_impatient, egress_test_tear_down),
        T(a_late_vault_is_in_time),
        T(what_an_api_that_is_gone_asked_is_not_sent),
        T(an_api_that_is_gone_is_not_told),
        T(silence_is_unknown),
        T(what_did_not_leave_keeps_its_cvc),
        cmocka_unit_test_setup_teardown(a_merchant_has_its_pace, set_up_slow,
                                        egress_test_tear_down),
        T(what_is_no_request_ends_the_link),
        T(after_close_nothing_goes),
        cmocka_unit_test(the_log_has_no_card),
    };
    egress_test_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

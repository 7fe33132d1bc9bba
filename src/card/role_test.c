/* The role card from outside: a browser over HTTP, stand-ins for api and vault at the other ends of
 * its links. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "card/card_internal.h"
#include "crypto/crypto.h"
#include "observe/observe.h"
#include "sys/sys.h"

#define NUMBER "4000000000009995"
#define CARD "{\"number\":\"4000 0000-0000 9995\",\"exp_month\":3,\"exp_year\":2060,\"cvc\":\"737\""
#define TYPED(number, month, year)                                                                 \
    "{\"number\":\"" number "\",\"exp_month\":" month ",\"exp_year\":" year
#define DEADLINE_US INT64_C(20000000)
#define FINGERPRINT_TEXT "0123456789abcdef"

static struct card_role *role;
static struct http_client *client;
static char address[80], logs[64];

/* --- the ends of its links --- */
static struct {
    struct link *link;
    bool silent, ends;
    int64_t err, merchant;
    const char *detail;
    /* heard: */
    int checks, saved, reports, answers;
    uint64_t call;
    char token[200], origin[300], peer[80], brand[20], last4[8], bin[12], name[900];
    char fingerprint[20], report[9000];
    int64_t month, year;
    struct id card;
    /* what it says of a card that was saved */
    int64_t status;
    bool short_answer;
} api;
static struct {
    struct link *link;
    bool silent, ends, short_fingerprint;
    int64_t err;
    /* heard: */
    int seals, others;
    enum link_message last;
    int64_t merchant, keep_until_us, month, year;
    char number[40], cvc[8];
} vault;
static const struct id card_id = {{9, 8, 7}};

static void assert_no_number(struct str payload)
{
    assert_true(payload.n == 0 || !memmem(payload.p, payload.n, NUMBER, 16));
    assert_true(payload.n == 0 || !memmem(payload.p, payload.n, "737", 3));
}

static void say(struct link *l, enum link_message message, uint64_t call, struct buf *b)
{
    assert_false(b->failed);
    (void)link_send(l, message, call, buf_view(b), -1);
    buf_free(b);
}

static void api_says_who(uint64_t call)
{
    struct buf b = BUF(LINK_SMALL);
    link_put_int(&b, api.err);
    link_put_str(&b, str_from(api.detail ? api.detail : ""));
    link_put_int(&b, api.merchant);
    link_put_int(&b, 777);
    link_put_str(&b, STR("https://shop.example"));
    say(api.link, LINK_CLIENT_IS, call, &b);
}

static bool api_saved(struct link *l, const struct link_frame *f)
{
    struct link_reader r = {.rest = f->payload};
    link_take_text(&r, api.token, sizeof api.token);
    api.card = link_take_id(&r);
    link_take_text(&r, api.brand, sizeof api.brand);
    link_take_text(&r, api.last4, sizeof api.last4);
    link_take_text(&r, api.bin, sizeof api.bin);
    api.month = link_take_int(&r);
    api.year = link_take_int(&r);
    link_take_text(&r, api.fingerprint, sizeof api.fingerprint);
    link_take_text(&r, api.name, sizeof api.name);
    struct buf b = BUF(LINK_SMALL);
    link_put_int(&b, api.status);
    if (!api.short_answer)
        link_put_str(&b, STR("{\"id\":\"pm_1\"}"));
    say(l, LINK_METHOD_IS, f->call, &b);
    __atomic_add_fetch(&api.saved, 1, __ATOMIC_SEQ_CST);
    return link_taken(&r);
}

static bool api_request(struct link *l, const struct link_frame *f, void *arg)
{
    struct link_reader r = {.rest = f->payload};
    (void)arg;
    assert_no_number(f->payload);
    if (f->message == LINK_CLIENT_CHECK) {
        link_take_text(&r, api.token, sizeof api.token);
        link_take_text(&r, api.origin, sizeof api.origin);
        link_take_text(&r, api.peer, sizeof api.peer);
        api.call = f->call;
        bool silent = api.silent, ends = api.ends;
        if (!silent && !ends)
            api_says_who(f->call);
        __atomic_add_fetch(&api.checks, 1, __ATOMIC_SEQ_CST);
        return link_taken(&r) && !ends;
    }
    if (f->message == LINK_CARD_SAVED)
        return api_saved(l, f);
    if (f->message == LINK_PAGE_REPORT) {
        char kind[20], peer[80];
        struct buf b = BUF(LINK_SMALL);
        link_take_text(&r, kind, sizeof kind);
        link_take_text(&r, peer, sizeof peer);
        link_take_text(&r, api.report, sizeof api.report);
        link_put_int(&b, 0);
        say(l, LINK_PAGE_REPORTED, f->call, &b);
        __atomic_add_fetch(&api.reports, 1, __ATOMIC_SEQ_CST);
        return link_taken(&r) && strcmp(kind, "fields") == 0;
    }
    return false;
}

static bool vault_request(struct link *l, const struct link_frame *f, void *arg)
{
    struct link_reader r = {.rest = f->payload};
    struct buf b = BUF(LINK_SMALL);
    (void)arg;
    vault.last = f->message;
    vault.merchant = link_take_int(&r);
    link_put_int(&b, vault.err);
    if (f->message != LINK_VAULT_SEAL) {
        __atomic_add_fetch(&vault.others, 1, __ATOMIC_SEQ_CST);
        say(l, LINK_VAULT_DONE, f->call, &b);
        return true;
    }
    vault.keep_until_us = link_take_int(&r);
    link_take_text(&r, vault.number, sizeof vault.number);
    vault.month = link_take_int(&r);
    vault.year = link_take_int(&r);
    link_take_text(&r, vault.cvc, sizeof vault.cvc);
    link_put_id(&b, card_id);
    link_put_bytes(&b, FINGERPRINT_TEXT, vault.short_fingerprint ? 15 : 16);
    if (vault.silent || vault.ends)
        buf_free(&b);
    else
        say(l, LINK_VAULT_SEALED, f->call, &b);
    bool ends = vault.ends;
    __atomic_add_fetch(&vault.seals, 1, __ATOMIC_SEQ_CST);
    return link_taken(&r) && !ends;
}

static struct link *join(enum link_role peer)
{
    int fd[2];
    struct link *theirs;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    struct link_config p = {.fd = fd[1],
                            .self = peer,
                            .peer = LINK_CARD,
                            .thread = "peer-end",
                            .request = peer == LINK_API ? api_request : vault_request};
    assert_int_equal(link_open(&p, &theirs), OK);
    if (peer == LINK_API)
        api.link = theirs;
    else
        vault.link = theirs;
    assert_int_equal(card_link(role, peer, fd[0]), OK);
    return theirs;
}

static int set_up_alone(void **state)
{
    (void)state;
    struct err_info info = {0};
    struct card_config config = {.url = "http://127.0.0.1",
                                 .public_url = "http://127.0.0.1",
                                 .calls_max = 4,
                                 .connections_max = 64,
                                 .read_timeout_ms = 10000,
                                 .idle_timeout_ms = 10000};
    memset(&api, 0, sizeof api);
    memset(&vault, 0, sizeof vault);
    api.merchant = 2;
    api.status = 201;
    assert_int_equal(sys_listen("127.0.0.1:0", 0, &config.listen_fd, address, &info), OK);
    assert_int_equal(http_client_start("browser", 64, &client, &info), OK);
    assert_int_equal(card_start(&config, &role, &info), OK);
    return 0;
}

static int set_up(void **state)
{
    int failed = set_up_alone(state);
    join(LINK_API);
    join(LINK_VAULT);
    return failed;
}

static int tear_down(void **state)
{
    (void)state;
    if (role)
        card_stop(role);
    role = NULL;
    http_client_stop(client);
    link_close(api.link);
    link_close(vault.link);
    return 0;
}

/* --- the browser --- */
struct ask {
    struct http_call call;
    char url[200], authorization[300];
    const char *headers[3];
    int done, status;
    char retry_after[20], text[4096];
};

static void on_answer(struct http_call *call, const struct http_result *r)
{
    struct ask *a = call->arg;
    a->status = r->sent == HTTP_ANSWERED ? r->status : -1;
    (void)snprintf(a->text, sizeof a->text, STR_FMT, STR_ARG(r->body));
    (void)snprintf(a->retry_after, sizeof a->retry_after, STR_FMT, STR_ARG(r->retry_after));
    __atomic_store_n(&a->done, 1, __ATOMIC_SEQ_CST);
}

static void begin(struct ask *a, const char *path, const char *token, const char *body)
{
    *a = (struct ask){.headers = {"Content-Type: application/json", a->authorization, NULL}};
    (void)snprintf(a->url, sizeof a->url, "http://%s%s", address, path);
    (void)snprintf(a->authorization, sizeof a->authorization, "Authorization: %s", token);
    a->call = (struct http_call){.method = "POST",
                                 .url = a->url,
                                 .headers = a->headers,
                                 .body = str_from(body),
                                 .connect_timeout_ms = 5000,
                                 .timeout_ms = 20000,
                                 .response_bytes_max = 1 << 20,
                                 .done = on_answer,
                                 .arg = a};
    http_client_call(client, &a->call);
}

static void wait_for(int *what, int n)
{
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    while (__atomic_load_n(what, __ATOMIC_SEQ_CST) < n && sys_mono_us() < until_us)
        sys_pause_us(500);
    assert_true(__atomic_load_n(what, __ATOMIC_SEQ_CST) >= n);
}

/* A moment after the answer. */
static void wait_idle(void)
{
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    while (!card_idle(role) && sys_mono_us() < until_us)
        sys_pause_us(500);
    assert_true(card_idle(role));
}

static void assert_answer(struct ask *a, int status, const char *text)
{
    wait_for(&a->done, 1);
    if (a->status != status || !strstr(a->text, text))
        fail_msg("%d %s", a->status, a->text);
    assert_null(strstr(a->text, "4000"));
    assert_null(strstr(a->text, "\"737\""));
}

static void type_card(const char *more, int status, const char *text)
{
    struct ask a;
    struct buf body = BUF(8192);
    buf_printf(&body, CARD "%s}", more);
    begin(&a, "/v1/cards", "Bearer ct_test_abcdef", body.p);
    assert_answer(&a, status, text);
    if (status == 503)
        assert_string_equal(a.retry_after, "1");
    buf_free(&body);
}

/* --- tests --- */
static void a_card_is_sealed_and_told_without_its_number(void **state)
{
    (void)state;
    type_card(",\"name\":\"Ada L\xc3\xb6w\",\"page_origin\":\"https://shop.example\"", 201,
              "{\"id\":\"pm_1\"}");
    assert_string_equal(api.token, "ct_test_abcdef");
    assert_string_equal(api.origin, "https://shop.example");
    assert_string_equal(api.peer, "127.0.0.1");
    assert_string_equal(vault.number, NUMBER);
    assert_string_equal(vault.cvc, "737");
    assert_int_equal(vault.month, 3);
    assert_int_equal(vault.year, 2060);
    assert_int_equal(vault.merchant, 2);
    assert_int_equal(vault.keep_until_us, 777);
    assert_true(id_eq(api.card, card_id));
    assert_string_equal(api.brand, "visa");
    assert_string_equal(api.last4, "9995");
    assert_string_equal(api.bin, "40000000");
    assert_int_equal(api.month, 3);
    assert_int_equal(api.year, 2060);
    assert_string_equal(api.fingerprint, FINGERPRINT_TEXT);
    assert_string_equal(api.name, "Ada L\xc3\xb6w");
    struct ask a; /* a shorter number: less of it may be known */
    begin(&a, "/v1/cards", "Bearer ct_test_abcdef",
          "{\"number\":\"378282246310005\",\"exp_month\":12,\"exp_year\":60}");
    assert_answer(&a, 201, "pm_1");
    assert_string_equal(api.brand, "amex");
    assert_string_equal(api.bin, "378282");
    assert_int_equal(vault.year, 2060);
    assert_string_equal(vault.cvc, "");
    wait_idle();
}

static void what_is_no_card_goes_no_further(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *text;
    } cases[] = {
        {TYPED("4000000000009994", "3", "2060") "}", 400, "\"number\""},
        {TYPED("40000000000099951111111", "3", "2060") "}", 400, "\"number\""},
        {"{\"number\":4000000000009995,\"exp_month\":3,\"exp_year\":2060}", 400, "\"number\""},
        {"{\"exp_month\":3,\"exp_year\":2060}", 400, "\"number\""},
        {TYPED(NUMBER, "13", "2060") "}", 400, "\"exp_month\""},
        {TYPED(NUMBER, "3", "2019") "}", 400, "\"exp_year\""},
        {TYPED(NUMBER, "3", "9999") "}", 400, "\"exp_year\""},
        {TYPED(NUMBER, "3", "2060") ",\"cvc\":\"73x\"}", 400, "\"cvc\""},
        {TYPED(NUMBER, "3", "2060") ",\"pin\":\"1\"}", 400, "\"pin\""},
        {TYPED(NUMBER, "3", "2060"), 400, "json_invalid"},
        {"[]", 400, ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ask a;
        begin(&a, "/v1/cards", "Bearer ct_test_abcdef", cases[i].body);
        assert_answer(&a, cases[i].status, cases[i].text);
    }
    static const char *const tokens[] = {"",
                                         "Bearer ",
                                         "Bearer x",
                                         "Basic ct_test_abcdef",
                                         "Bearer sk_test_abcdef",
                                         "ct_test_abcdef"};
    for (size_t i = 0; i < COUNT_OF(tokens); i++) {
        struct ask a;
        begin(&a, "/v1/cards", tokens[i], CARD "}");
        assert_answer(&a, 401, "ct_");
    }
    struct buf huge = BUF(20000);
    buf_str(&huge, CARD ",\"name\":\"");
    while (huge.n < 9000)
        buf_byte(&huge, 'x');
    buf_str(&huge, "\"}");
    struct ask a;
    begin(&a, "/v1/cards", "Bearer ct_test_abcdef", huge.p);
    assert_answer(&a, 413, "");
    buf_free(&huge);
    assert_int_equal(api.checks, 0);
    assert_int_equal(vault.seals, 0);
    wait_idle();
}

static void the_api_decides_who_may(void **state)
{
    static const struct {
        err_t err;
        int status;
        const char *detail;
    } cases[] = {{ERR_UNAUTHENTICATED, 401, "This token was used."},
                 {ERR_FORBIDDEN, 403, "Another page."},
                 {ERR_RATE_LIMITED, 429, "Too many."},
                 {ERR_UNAVAILABLE, 503, "Later."}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        api.err = cases[i].err;
        api.detail = cases[i].detail;
        type_card("", cases[i].status, cases[i].detail);
    }
    api.detail = NULL;
    static const int64_t nonsense[] = {ERR_COUNT, -1, 0};
    api.merchant = 0;
    for (size_t i = 0; i < COUNT_OF(nonsense); i++) {
        api.err = nonsense[i];
        type_card("", 503, "nothing was kept");
    }
    assert_int_equal(vault.seals, 0);
    api.merchant = 2;
    type_card("", 201, "pm_1");
}

static void a_vault_that_cannot_is_told(void **state)
{
    (void)state;
    vault.err = ERR_UNAVAILABLE;
    type_card("", 503, "nothing was kept");
    vault.err = 0;
    vault.short_fingerprint = true;
    type_card("", 503, "nothing was kept");
    vault.short_fingerprint = false;
    vault.ends = true;
    type_card("", 503, "nothing was kept");
    type_card("", 503, "nothing was kept"); /* it is not there */
    assert_int_equal(api.saved, 0);
    vault.ends = false;
    link_close(vault.link);
    join(LINK_VAULT);
    type_card("", 201, "pm_1");
    wait_idle();
}

static void an_api_that_ends_in_the_middle_is_told(void **state)
{
    (void)state;
    api.ends = true;
    type_card("", 503, "nothing was kept");
    type_card("", 503, "nothing was kept");
    assert_int_equal(vault.seals, 0);
    api.ends = false;
    link_close(api.link);
    join(LINK_API);
    api.status = 409; /* and its word on the card goes to the browser as it is */
    type_card("", 409, "pm_1");
    api.status = 99;
    type_card("", 503, "cannot be taken now");
    api.status = 201;
    api.short_answer = true;
    type_card("", 503, "cannot be taken now");
    wait_idle();
}

static void alone_it_takes_nothing(void **state)
{
    (void)state;
    type_card("", 503, "nothing was kept");
    struct ask a;
    begin(&a, "/reports", "x", "{}");
    assert_answer(&a, 204, "");
    join(LINK_VAULT);
    type_card("", 503, "nothing was kept");
    join(LINK_API);
    type_card("", 201, "pm_1");
}

static void reports_are_passed_on(void **state)
{
    (void)state;
    struct ask a;
    begin(&a, "/reports", "x", "{\"csp-report\":{\"blocked-uri\":\"https://evil.example\"}}");
    assert_answer(&a, 204, "");
    wait_for(&api.reports, 1);
    assert_non_null(strstr(api.report, "evil.example"));
    begin(&a, "/reports", "x", "");
    assert_answer(&a, 204, "");
    assert_int_equal(api.reports, 1);
}

/* --- what api asks of the vault --- */
struct told {
    int done;
    int64_t err;
};

static void on_told(const struct link_frame *f, void *arg)
{
    struct told *t = arg;
    struct link_reader r = {.rest = f ? f->payload : (struct str){NULL, 0}};
    t->err = f ? link_take_int(&r) : -1;
    if (f && !link_taken(&r))
        t->err = -2;
    __atomic_store_n(&t->done, 1, __ATOMIC_SEQ_CST);
}

static int64_t ask(enum link_message message, int64_t merchant, bool dated, int64_t month)
{
    struct told t = {0};
    struct buf b = BUF(LINK_SMALL);
    link_put_int(&b, merchant);
    link_put_id(&b, card_id);
    if (dated) {
        link_put_int(&b, month);
        link_put_int(&b, 2060);
    }
    assert_int_equal(link_ask(api.link, message, buf_view(&b), on_told, &t), OK);
    buf_free(&b);
    wait_for(&t.done, 1);
    return t.err;
}

static void cards_are_forgotten_kept_and_dated(void **state)
{
    static const enum link_message asked[] = {LINK_FORGET, LINK_KEEP, LINK_EXPIRY},
                                   passed[] = {LINK_VAULT_FORGET, LINK_VAULT_KEEP,
                                               LINK_VAULT_EXPIRY};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        vault.err = i ? ERR_NOT_FOUND : 0;
        assert_int_equal(ask(asked[i], 2, asked[i] == LINK_EXPIRY, 3), vault.err);
        assert_int_equal(vault.last, passed[i]);
        assert_int_equal(vault.merchant, 2);
    }
    int heard = vault.others;
    for (int i = 0; i < 4; i++) { /* no message: the link ends */
        assert_int_equal(ask(i < 2 ? LINK_EXPIRY : LINK_KEEP, i == 3 ? 0 : 2, i == 0 || i == 2, 13),
                         -1);
        link_close(api.link);
        join(LINK_API);
    }
    assert_int_equal(vault.others, heard);
    assert_int_equal(card_link(role, LINK_VAULT, -1), OK);
    assert_int_equal(ask(LINK_KEEP, 2, false, 0), ERR_UNAVAILABLE);
}

static void who_waits_when_it_stops_is_answered(void **state)
{
    (void)state;
    struct ask a, b;
    api.silent = true;
    begin(&a, "/v1/cards", "Bearer ct_test_abcdef", CARD "}");
    wait_for(&api.checks, 1);
    assert_false(card_idle(role));
    card_quiesce(role);
    api.silent = false;
    vault.silent = true;
    api_says_who(api.call);
    wait_for(&vault.seals, 1);
    card_stop(role);
    role = NULL;
    assert_answer(&a, 503, "");
    begin(&b, "/v1/cards", "Bearer ct_test_abcdef", CARD "}");
    wait_for(&b.done, 1);
    assert_int_equal(b.status, -1);
}

#define AT_ONCE 40

static void many_at_once(void **state)
{
    static struct ask all[AT_ONCE];
    (void)state;
    for (size_t i = 0; i < AT_ONCE; i++)
        begin(&all[i], "/v1/cards", "Bearer ct_test_abcdef", CARD "}");
    for (size_t i = 0; i < AT_ONCE; i++)
        assert_answer(&all[i], 201, "pm_1");
    assert_int_equal(api.saved, AT_ONCE);
    wait_idle();
}

static void the_log_has_no_card(void **state)
{
    (void)state;
    struct buf b = BUF(16 << 20);
    struct err_info info = {0};
    assert_int_equal(sys_read_file(logs, 16 << 20, &b, &info), OK);
    assert_true(b.n > 0);
    assert_null(strstr(b.p, NUMBER));
    assert_null(strstr(b.p, "400000000000"));
    assert_null(strstr(b.p, "ct_test_abcdef"));
    buf_free(&b);
    (void)unlink(logs);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        T(a_card_is_sealed_and_told_without_its_number),
        T(what_is_no_card_goes_no_further),
        T(the_api_decides_who_may),
        T(a_vault_that_cannot_is_told),
        T(an_api_that_ends_in_the_middle_is_told),
        cmocka_unit_test_setup_teardown(alone_it_takes_nothing, set_up_alone, tear_down),
        T(reports_are_passed_on),
        T(cards_are_forgotten_kept_and_dated),
        T(who_waits_when_it_stops_is_answered),
        T(many_at_once),
        cmocka_unit_test(the_log_has_no_card),
    };
    crypto_init();
    wire_init();
    (void)snprintf(logs, sizeof logs, "/tmp/florin-role-%d.log", (int)getpid());
    log_open(open(logs, O_CREAT | O_WRONLY | O_APPEND | O_TRUNC, 0600), LOG_DEBUG);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

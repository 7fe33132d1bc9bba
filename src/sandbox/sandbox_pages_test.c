/* The issuer's page and the control page, as a browser's requests see them. */
#include "sandbox/sandbox_test_lib.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "crypto/crypto.h"
#include "sandbox/pages_internal.h"
#include "sys/sys.h"

#define SHOP "http://shop.example/return?order=1&x=%22"

/* One answer, with its head. */
struct seen {
    int status;
    char text[262144], *body;
};

static int dial(const char *address)
{
    char host[80];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    (void)snprintf(host, sizeof host, "%s", address);
    char *colon = strrchr(host, ':');
    assert_non_null(colon);
    *colon = 0;
    assert_int_equal(getaddrinfo(host, colon + 1, &hints, &found), 0);
    int fd = socket(found->ai_family, found->ai_socktype, 0);
    assert_int_equal(connect(fd, found->ai_addr, found->ai_addrlen), 0);
    freeaddrinfo(found);
    return fd;
}

/* As a browser does: a form's post has no body here. */
static void browse(struct place *p, struct seen *s, const char *method, const char *path)
{
    char request[1024];
    int fd = dial(p->address);
    int n = snprintf(
        request, sizeof request, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n",
        method, path, p->address,
        strcmp(method, "POST") == 0
            ? "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n"
            : "");
    assert_int_equal(send(fd, request, (size_t)n, 0), n);
    size_t at = 0;
    for (ssize_t got; (got = recv(fd, s->text + at, sizeof s->text - 1 - at, 0)) > 0;)
        at += (size_t)got;
    close(fd);
    s->text[at] = 0;
    assert_int_equal(sscanf(s->text, "HTTP/1.1 %d", &s->status), 1);
    s->body = strstr(s->text, "\r\n\r\n");
    assert_non_null(s->body);
    *s->body = 0;
    s->body += 4;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("`%s` is not in: %s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("`%s` is in: %s", part, text);
}

/* A charge that waits for the customer; *path is that of its page. */
static void challenge(struct place *p, const char *reference, const char *source, bool returns,
                      char path[128])
{
    char body[512];
    struct ask a;
    (void)snprintf(body, sizeof body,
                   "{\"reference\":\"%s\",\"amount\":9232,\"currency\":\"EUR\",\"source\":\"%s\","
                   "\"descriptor\":\"<b>Shop & Co\"%s}",
                   reference, source, returns ? ",\"return_url\":\"" SHOP "\"" : "");
    ask_now(p, &a, "POST", "/v2/charges", body);
    assert_int_equal(a.status, 202);
    assert_string_equal(text_of(&a, "result"), "action");
    json_t *action = json_object_get(a.json, "action");
    const char *url = json_string_value(json_object_get(action, "url"));
    assert_non_null(url);
    char base[120];
    int n = snprintf(base, sizeof base, "http://%s/challenge/ch_", p->address);
    assert_memory_equal(url, base, (size_t)n);
    (void)snprintf(path, 128, "%s", url + strlen("http://") + strlen(p->address));
    ask_free(&a);
}

static void answer(struct place *p, struct seen *s, const char *path, const char *what)
{
    char target[200];
    (void)snprintf(target, sizeof target, "%s?answer=%s", path, what);
    browse(p, s, "POST", target);
}

static void assert_code(struct place *p, const char *reference, const char *code)
{
    struct ask a;
    ask_inquiry(p, &a, reference);
    assert_string_equal(text_of(&a, "result"), "refused");
    assert_string_equal(text_of(&a, "code"), code);
    ask_free(&a);
}

/* --- the issuer's page --- */
static void asks(void **state)
{
    static struct seen s;
    char path[128];
    challenge(*state, "att_1", "pm_tok_3ds_challenge", true, path);
    browse(*state, &s, "GET", path);
    assert_int_equal(s.status, 200);
    assert_has(s.text, "Content-Type: text/html; charset=utf-8");
    assert_has(s.text, "Content-Security-Policy: default-src 'none'");
    assert_has_not(s.text, "unsafe");
    assert_has(s.body, "&#60;b&#62;Shop &#38; Co");
    assert_has_not(s.body, "<b>");
    assert_has(s.body, "92.32 EUR");
    assert_has(s.body, "ending in ");
    assert_has(s.body, "not a bank");
    assert_has(s.body, ">Approve</button>");
    assert_has(s.body, ">Fail</button>");
    assert_has(s.body, ">Cancel</button>");
    assert_has_not(s.body, "{{");
}

static void sends_back(void **state)
{
    static struct seen s;
    struct place *p = *state;
    char path[128];
    struct ask a;
    challenge(p, "att_1", "pm_tok_3ds_challenge", true, path);
    answer(p, &s, path, "approve");
    assert_int_equal(s.status, 303);
    assert_has(s.text, "Location: " SHOP);
    /* a double click, another answer from the page before: the first one stands */
    answer(p, &s, path, "approve");
    assert_int_equal(s.status, 303);
    answer(p, &s, path, "fail");
    assert_int_equal(s.status, 303);
    assert_has(s.text, "Location: " SHOP);
    /* back to the page */
    browse(p, &s, "GET", path);
    assert_int_equal(s.status, 200);
    assert_has(s.body, "href=\"http://shop.example/return?order=1&#38;x=%22\"");
    assert_has_not(s.body, "Approve");
    ask_now(p, &a, "POST", "/v2/charges/att_1/confirm",
            "{\"reference\":\"att_1\",\"amount\":9232,\"currency\":\"EUR\"}");
    assert_int_equal(a.status, 200);
    assert_string_equal(text_of(&a, "state"), "captured");
    ask_free(&a);
}

static void ends(void **state)
{
    static const struct {
        const char *what, *code;
    } cases[] = {{"fail", "1A"}, {"cancel", "1C"}, {"expire", "1E"}};
    static struct seen s;
    struct place *p = *state;
    char path[128], reference[16];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        (void)snprintf(reference, sizeof reference, "att_%zu", i);
        challenge(p, reference, "pm_tok_3ds_challenge", true, path);
        answer(p, &s, path, cases[i].what);
        assert_int_equal(s.status, 303);
        assert_code(p, reference, cases[i].code);
    }
    challenge(p, "att_9", "pm_tok_3ds_redirect", true, path);
    answer(p, &s, path, "nothing");
    assert_int_equal(s.status, 400);
    assert_has(s.text, "text/html");
    browse(p, &s, "GET", path);
    assert_has(s.body, ">Approve</button>");
}

static void has_nowhere_to_go(void **state)
{
    static struct seen s;
    struct place *p = *state;
    char path[128];
    challenge(p, "att_1", "pm_tok_3ds_challenge", false, path);
    answer(p, &s, path, "approve");
    assert_int_equal(s.status, 200);
    assert_has(s.body, "close this window");
    browse(p, &s, "GET", "/challenge/ch_00000000000000000000000000");
    assert_int_equal(s.status, 404);
    assert_has(s.text, "text/html");
    answer(p, &s, "/challenge/x", "approve");
    assert_int_equal(s.status, 404);
}

static void is_over(void **state)
{
    static struct seen s;
    struct place *p = *state;
    char path[128];
    place_stop(p);
    p->challenge_ms = 200;
    place_start(p);
    challenge(p, "att_1", "pm_tok_3ds_challenge", true, path);
    wait_result(p, "att_1", "refused");
    assert_code(p, "att_1", "1E");
    browse(p, &s, "GET", path);
    assert_int_equal(s.status, 200);
    assert_has(s.body, "Back to the shop");
    answer(p, &s, path, "approve"); /* too late */
    assert_int_equal(s.status, 303);
    assert_code(p, "att_1", "1E");
}

static void takes_json(void **state)
{
    struct place *p = *state;
    char path[128];
    struct ask a;
    challenge(p, "att_1", "pm_tok_3ds_challenge", false, path);
    ask_now(p, &a, "POST", path, "{\"answer\":\"cancel\"}");
    assert_int_equal(a.status, 200);
    ask_free(&a);
    assert_code(p, "att_1", "1C");
}

/* --- the control page --- */
static void order(struct place *p, const char *path, const char *body, int status)
{
    struct ask a;
    ask_now(p, &a, "POST", path, body);
    assert_int_equal(a.status, status);
    ask_free(&a);
}

static void lists(void **state)
{
    static struct seen s;
    struct place *p = *state;
    struct ask a;
    browse(p, &s, "GET", "/control");
    assert_int_equal(s.status, 200);
    assert_has(s.body, "There is no charge yet.");
    for (int i = 10; i < 70; i++) {
        char reference[16];
        (void)snprintf(reference, sizeof reference, "att_%d", i);
        ask_charge(p, &a, reference, 9232, "pm_tok_visa", i % 2);
        ask_free(&a);
    }
    browse(p, &s, "GET", "/control");
    assert_has(s.text, "Content-Security-Policy: default-src 'none'");
    assert_has(s.text, "frame-ancestors 'none'");
    assert_has(s.body, "/control?reference=att_69");
    assert_has(s.body, "/control?reference=att_20");
    assert_has_not(s.body, "reference=att_19\"");
    assert_has(s.body, "/control?before=att_20");
    assert_has_not(s.body, "{{");
    browse(p, &s, "GET", "/control?before=att_20");
    assert_has(s.body, "reference=att_10\"");
    assert_has_not(s.body, "Older ones");
    browse(p, &s, "GET", "/pages/style.css");
    assert_int_equal(s.status, 200);
    assert_has(s.text, "text/css");
    browse(p, &s, "GET", "/pages/control.js");
    assert_has(s.text, "text/javascript");
    browse(p, &s, "GET", "/pages/charge.html");
    assert_int_equal(s.status, 404);
    browse(p, &s, "GET", "/control?reference=att_99");
    assert_int_equal(s.status, 404);
}

static void decides(void **state)
{
    static struct seen s;
    struct place *p = *state;
    struct ask a;
    char path[160];
    ask_charge(p, &a, "att_1", 9232, "pm_tok_refund_stays_pending", true);
    ask_free(&a);
    ask_operation(p, &a, "att_1", "refunds", "rfd_1", 100);
    assert_int_equal(a.status, 202);
    ask_free(&a);
    browse(p, &s, "GET", "/control?reference=att_1");
    assert_has(s.body, "/control/refunds/rfd_1");
    order(p, "/control/refunds/rfd_1", "{\"result\":\"approved\"}", 200);
    wait_result(p, "rfd_1", "approved");
    ask_now(p, &a, "POST", "/control/disputes",
            "{\"charge\":\"att_1\",\"stage\":\"chargeback\",\"reason\":\"fraudulent\","
            "\"amount\":500}");
    assert_int_equal(a.status, 200);
    assert_string_equal(text_of(&a, "object"), "dispute");
    assert_int_equal(number_of(&a, "amount"), 500);
    (void)snprintf(path, sizeof path, "/control/disputes/%s", text_of(&a, "id"));
    ask_free(&a);
    browse(p, &s, "GET", "/control?reference=att_1");
    assert_has(s.body, path);
    ask_now(p, &a, "POST", path, "{\"status\":\"lost\"}");
    assert_int_equal(a.status, 200);
    assert_string_equal(text_of(&a, "status"), "lost");
    ask_free(&a);
    order(p, path, "{\"status\":\"nothing\"}", 400);
    order(p, "/control/disputes/dp_00000000000000000000000000", "{\"status\":\"won\"}", 404);
    order(p, "/control/refunds/rfd_9", "{\"result\":\"approved\"}", 404);
    order(p, "/control/charges/att_9", "{\"do\":\"expire\"}", 404);
    order(p, "/control/charges/att_1", "{\"do\":\"expire\"}", 409);
    order(p, "/control/charges/att_1", "{\"do\":\"clear\"}", 400);
    order(p, "/control/charges/att_1", "{\"do\":\"clear\",\"amount\":9000}", 200);
    ask_charge(p, &a, "att_2", 9232, "pm_tok_visa", false);
    ask_free(&a);
    order(p, "/control/charges/att_2", "{\"do\":\"expire\"}", 200);
    ask_operation(p, &a, "att_2", "captures", "cap_2", 9232);
    assert_int_equal(a.status, 402);
    ask_free(&a);
}

static void urls(void **state)
{
    static const char *const bad[] = {
        "javascript:alert(1)", "", "http://", "//shop.example", "https://shop.example/\r\nX: y",
        "ftp://shop.example/"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(page_url_valid(str_from(bad[i])));
    assert_false(page_url_valid((struct str){0}));
    assert_true(page_url_valid(STR("https://shop.example/a?b=c")));
    assert_true(page_url_valid(STR("https://shop.example/#/paid")));
    struct buf out = BUF(200);
    page_amount(&out, 500, STR("JPY"));
    assert_string_equal(out.p, "500 JPY");
    buf_free(&out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
        T(asks),       T(sends_back), T(ends),    T(has_nowhere_to_go),   T(is_over),
        T(takes_json), T(lists),      T(decides), cmocka_unit_test(urls),
    };
    crypto_init();
    wire_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Requests with a card on their way out: a real provider over HTTP, stand-ins for api and vault at
 * the other ends of real links. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "card/card_internal.h"
#include "card/permit.h"
#include "crypto/crypto.h"
#include "observe/observe.h"
#include "sys/sys.h"

#define NUMBER "4000000000009995"
#define CVC "737"
#define DEADLINE_US INT64_C(20000000)
#define BODY                                                                                       \
    "{\"n\":\"{{card.number}}\",\"m\":\"{{card.exp_month}}\",\"y\":\"{{card.exp_year}}\","         \
    "\"cvc\":\"{{card.cvc}}\"}"
#define FILLED "{\"n\":\"" NUMBER "\",\"m\":\"03\",\"y\":\"2031\",\"cvc\":\"" CVC "\"}"

static const uint8_t seed[32] = {7}, foreign[32] = {8};
static const struct id card_id = {{1, 2, 3, 4}};
static char logs[64];

/* --- the provider --- */
static struct {
    struct http_server *server;
    char address[80], body[8192], key[40];
    int calls, trapped;
    struct http_request *kept;
    struct http_answer answer;
    struct buf text;
} provider;

static void note(struct http_request *req)
{
    struct str key = http_header(req, "X-Key");
    (void)snprintf(provider.body, sizeof provider.body, STR_FMT, STR_ARG(req->body));
    (void)snprintf(provider.key, sizeof provider.key, STR_FMT, STR_ARG(key));
    __atomic_add_fetch(&provider.calls, 1, __ATOMIC_SEQ_CST);
}

static void on_pay(struct http_request *req, void *ctx)
{
    (void)ctx;
    note(req);
    struct http_answer answer = provider.answer;
    struct buf body = BUF(1 << 20);
    if (provider.text.n)
        buf_add(&body, provider.text.p, provider.text.n);
    answer.body = &body;
    http_reply(req, &answer);
}

static void on_keep(struct http_request *req, void *ctx)
{
    (void)ctx;
    note(req);
    __atomic_store_n(&provider.kept, req, __ATOMIC_SEQ_CST);
}

static void on_trap(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct http_answer answer = {.status = 200};
    __atomic_add_fetch(&provider.trapped, 1, __ATOMIC_SEQ_CST);
    http_reply(req, &answer);
}

static const struct http_route routes[] = {
    {HTTP_POST, "/pay", on_pay, HTTP_ANY_TYPE},
    {HTTP_POST, "/keep", on_keep, HTTP_ANY_TYPE},
    {HTTP_POST, "/trap", on_trap, HTTP_ANY_TYPE},
    {HTTP_GET, "/trap", on_trap, HTTP_ANY_TYPE},
};

static void start_provider(void)
{
    struct err_info info = {0};
    struct http_server_config config = {.name = "provider",
                                        .routes = routes,
                                        .routes_n = COUNT_OF(routes),
                                        .header_bytes_max = 65536,
                                        .body_bytes_max = 1 << 20,
                                        .read_timeout_ms = 10000,
                                        .idle_timeout_ms = 10000,
                                        .connections_max = 64};
    memset(&provider, 0, sizeof provider);
    provider.text = BUF(1 << 20);
    provider.answer = (struct http_answer){.status = 200};
    assert_int_equal(sys_listen("127.0.0.1:0", 0, &config.listen_fd, provider.address, &info), OK);
    assert_int_equal(http_server_start(&config, &provider.server, &info), OK);
}

/* --- the vault --- */
enum manner { OPENS, SILENT, MISSING, LOCKED, BROKEN, NONSENSE, ENDS };
static struct {
    struct link *link;
    enum manner manner;
    bool no_cvc;
    int opened, used;
    uint64_t call;
    int64_t merchant, with_cvc;
    struct id card;
    char reference[ID_TEXT_MAX], host[128];
} vault;

static void vault_says(uint64_t call, int64_t err)
{
    struct buf b = BUF(LINK_SMALL);
    link_put_int(&b, err);
    link_put_str(&b, err ? STR("") : STR(NUMBER));
    link_put_int(&b, err ? 0 : 3);
    link_put_int(&b, err ? 0 : 2031);
    if (vault.manner != NONSENSE)
        link_put_str(&b, err || vault.no_cvc ? STR("") : STR(CVC));
    (void)link_send(vault.link, LINK_VAULT_OPENED, call, buf_view(&b), -1);
    buf_free(&b);
}

static bool vault_request(struct link *l, const struct link_frame *f, void *arg)
{
    static const int64_t errs[] = {[OPENS] = 0,
                                   [MISSING] = ERR_NOT_FOUND,
                                   [LOCKED] = ERR_UNAVAILABLE,
                                   [BROKEN] = ERR_CRYPTO,
                                   [NONSENSE] = 0};
    struct link_reader r = {.rest = f->payload};
    (void)l, (void)arg;
    vault.merchant = link_take_int(&r);
    vault.card = link_take_id(&r);
    if (f->message == LINK_VAULT_USED) {
        __atomic_add_fetch(&vault.used, 1, __ATOMIC_SEQ_CST);
        return link_taken(&r);
    }
    link_take_text(&r, vault.reference, sizeof vault.reference);
    link_take_text(&r, vault.host, sizeof vault.host);
    vault.with_cvc = link_take_int(&r);
    bool good = f->message == LINK_VAULT_OPEN && link_taken(&r);
    vault.call = f->call;
    __atomic_add_fetch(&vault.opened, 1, __ATOMIC_SEQ_CST);
    if (vault.manner == ENDS)
        return false;
    if (good && vault.manner != SILENT)
        vault_says(f->call, errs[vault.manner]);
    return good;
}

/* --- card, and the ends of its links --- */
static struct egress *egress;
static struct http_client *client;
static struct link_slot to_api, to_vault;
static struct link *api;

static bool card_request(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)arg;
    return f->message == LINK_EGRESS && egress_request(egress, f);
}

static bool no_request(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)f, (void)arg;
    return false;
}

static struct link *join(enum link_role peer, struct link_slot *slot,
                         bool (*request)(struct link *, const struct link_frame *, void *))
{
    int fd[2];
    struct link *ours, *theirs;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    struct link_config c = {.fd = fd[0],
                            .self = LINK_CARD,
                            .peer = peer,
                            .thread = "card-end",
                            .request = peer == LINK_API ? card_request : no_request};
    struct link_config p = {
        .fd = fd[1], .self = peer, .peer = LINK_CARD, .thread = "peer-end", .request = request};
    assert_int_equal(link_open(&c, &ours), OK);
    assert_int_equal(link_open(&p, &theirs), OK);
    link_slot_put(slot, ours);
    return theirs;
}

static void start(int64_t per_second, int64_t vault_wait_ms)
{
    struct err_info info = {0};
    start_provider();
    memset(&vault, 0, sizeof vault);
    link_slot_init(&to_api);
    link_slot_init(&to_vault);
    assert_int_equal(http_client_start("egress-test", 16, &client, &info), OK);
    struct egress_config config = {.api = &to_api,
                                   .vault = &to_vault,
                                   .client = client,
                                   .per_second = per_second,
                                   .vault_wait_ms = vault_wait_ms};
    crypto_sign_public(seed, config.permit_key);
    assert_int_equal(egress_new(&config, &egress), OK);
    api = join(LINK_API, &to_api, no_request);
    vault.link = join(LINK_VAULT, &to_vault, vault_request);
}

static int set_up(void **state)
{
    (void)state;
    start(0, 0);
    return 0;
}

static void answer_kept(void)
{
    struct http_request *req = __atomic_exchange_n(&provider.kept, NULL, __ATOMIC_SEQ_CST);
    struct http_answer answer = {.status = 204};
    if (req)
        http_reply(req, &answer);
}

static int tear_down(void **state)
{
    (void)state;
    answer_kept();
    egress_close(egress);
    http_client_stop(client);
    link_slot_release(&to_vault);
    link_slot_release(&to_api);
    assert_int_equal(egress_active(egress), 0);
    egress_free(egress);
    link_close(vault.link);
    link_close(api);
    http_server_stop(provider.server);
    buf_free(&provider.text);
    return 0;
}

/* --- what api asks, and is told --- */
struct ask {
    const char *permit, *url, *headers, *body, *method, *reference;
    int64_t merchant, timeout_ms, start_before_us;
    /* told: */
    int done, lost;
    int64_t sent, status;
    char content_type[256], retry_after[128], error[128], text[8192];
    size_t text_n;
};

static void on_told(const struct link_frame *f, void *arg)
{
    struct ask *a = arg;
    if (f) {
        struct link_reader r = {.rest = f->payload};
        a->sent = link_take_int(&r);
        a->status = link_take_int(&r);
        link_take_text(&r, a->content_type, sizeof a->content_type);
        link_take_text(&r, a->retry_after, sizeof a->retry_after);
        link_take_text(&r, a->error, sizeof a->error);
        (void)link_take_int(&r);
        struct str body = link_take_str(&r, LINK_PAYLOAD_MAX);
        a->text_n = body.n;
        if (body.n && body.n < sizeof a->text)
            memcpy(a->text, body.p, body.n);
        a->lost = !link_taken(&r);
    } else {
        a->lost = 1;
    }
    __atomic_add_fetch(&a->done, 1, __ATOMIC_SEQ_CST);
}

static void wait_for(int *what, int n)
{
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    while (__atomic_load_n(what, __ATOMIC_SEQ_CST) < n && sys_mono_us() < until_us)
        sys_pause_us(500);
    assert_true(__atomic_load_n(what, __ATOMIC_SEQ_CST) >= n);
}

static void wait_gone(struct http_request **what)
{
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    while (!__atomic_load_n(what, __ATOMIC_SEQ_CST) && sys_mono_us() < until_us)
        sys_pause_us(500);
    assert_non_null(__atomic_load_n(what, __ATOMIC_SEQ_CST));
}

static const char *own_url(const char *path)
{
    static char url[4][200];
    static unsigned turn;
    char *out = url[turn++ % 4];
    (void)snprintf(out, sizeof url[0], "http://%s%s", provider.address, path);
    return out;
}

static const char *permit_of(const uint8_t key[32], int64_t merchant, const char *url)
{
    static char text[64][PERMIT_TEXT_MAX];
    static unsigned turn;
    char *out = text[turn++ % 64];
    assert_true(permit_sign(key, merchant, str_from(url), out));
    return out;
}

static struct ask a_request(const char *path)
{
    return (struct ask){.permit = permit_of(seed, 2, own_url("/")),
                        .url = own_url(path),
                        .headers = "Content-Type: application/json\nX-Key: k1\n",
                        .body = BODY,
                        .method = "POST",
                        .reference = "att_1",
                        .merchant = 2,
                        .timeout_ms = 5000};
}

static void write_ask(const struct ask *a, struct buf *b)
{
    link_put_int(b, a->merchant);
    link_put_id(b, card_id);
    link_put_str(b, str_from(a->reference));
    link_put_str(b, str_from(a->permit));
    link_put_str(b, str_from(a->method));
    link_put_str(b, str_from(a->url));
    link_put_str(b, str_from(a->headers));
    link_put_str(b, str_from(a->body));
    link_put_int(b, 2000);
    link_put_int(b, a->timeout_ms);
    link_put_int(b, a->start_before_us);
}

static void begin(struct ask *a)
{
    struct buf b = BUF(LINK_PAYLOAD_MAX);
    write_ask(a, &b);
    assert_false(b.failed);
    assert_int_equal(link_ask(api, LINK_EGRESS, buf_view(&b), on_told, a), OK);
    buf_free(&b);
}

static void go(struct ask *a)
{
    begin(a);
    wait_for(&a->done, 1);
}

static void refused(struct ask *a, const char *error)
{
    int calls = provider.calls;
    go(a);
    assert_int_equal(a->lost, 0);
    assert_int_equal(a->sent, HTTP_NOT_SENT);
    if (strcmp(a->error, error) != 0)
        fail_msg("%s: %s", a->url, a->error);
    assert_int_equal(provider.calls, calls);
    assert_int_equal(a->text_n, 0);
}

/* --- tests --- */
static void a_card_goes_where_it_may(void **state)
{
    (void)state;
    struct ask a = a_request("/pay?x=1");
    buf_str(&provider.text, "{\"id\":\"ch_1\"}");
    go(&a);
    assert_int_equal(a.sent, HTTP_ANSWERED);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.text, "{\"id\":\"ch_1\"}");
    assert_non_null(strstr(a.content_type, "application/json"));
    assert_string_equal(provider.body, FILLED);
    assert_string_equal(provider.key, "k1");
    assert_int_equal(vault.merchant, 2);
    assert_true(id_eq(vault.card, card_id));
    assert_string_equal(vault.reference, "att_1");
    assert_string_equal(vault.host, "127.0.0.1");
    assert_int_equal(vault.with_cvc, 1);
    wait_for(&vault.used, 1);
    assert_int_equal(a.done, 1);
}

static void a_saved_card_has_no_cvc(void **state)
{
    (void)state;
    struct ask a = a_request("/pay");
    vault.no_cvc = true;
    go(&a);
    assert_int_equal(a.sent, HTTP_ANSWERED);
    assert_string_equal(provider.body, "{\"n\":\"" NUMBER "\",\"m\":\"03\",\"y\":\"2031\"}");
    struct ask b = a_request("/pay");
    go(&b);
    assert_int_equal(vault.used, 0);
}

static void without_a_permit_nothing_goes(void **state)
{
    (void)state;
    char altered[PERMIT_TEXT_MAX], other_port[100];
    const char *right = permit_of(seed, 2, own_url("/"));
    (void)snprintf(altered, sizeof altered, "%s", right);
    altered[strlen(altered) - 10] ^= 1;
    (void)snprintf(other_port, sizeof other_port, "http://127.0.0.1:%d",
                   atoi(strchr(provider.address, ':') + 1) ^ 1);
    const char *permits[] = {"",
                             "\n\n",
                             "florin-permit-1",
                             altered,
                             permit_of(seed, 3, own_url("/")),
                             permit_of(foreign, 2, own_url("/"))};
    for (size_t i = 0; i < COUNT_OF(permits); i++) {
        struct ask a = a_request("/pay");
        a.permit = permits[i];
        refused(&a, "no permit for this host");
    }
    const char *elsewhere[] = {"http://127.0.0.1", "http://127.0.0.2", "http://localhost",
                               other_port, "https://127.0.0.1"};
    for (size_t i = 0; i < COUNT_OF(elsewhere); i++) {
        struct ask a = a_request("/pay");
        a.permit = permit_of(seed, 2, elsewhere[i]);
        refused(&a, "no permit for this host");
    }
    assert_int_equal(vault.opened, 0);
}

/* Two parsers of one URL must not find two hosts in it. */
static void a_url_has_one_host(void **state)
{
    (void)state;
    static const char *const urls[] = {"http://user@%s/pay",
                                       "http://%s@localhost/pay",
                                       "http://localhost#@%s/pay",
                                       "http://localhost?@%s/pay",
                                       "http://localhost\\@%s/pay",
                                       "http://%%31%s/pay",
                                       "https://%s/pay",
                                       "ftp://%s/pay",
                                       "//%s/pay",
                                       "http:/%s/pay",
                                       "http:///%s/pay",
                                       " http://%s/pay",
                                       "http://%s\t/pay",
                                       "http://[::ffff:127.0.0.1]/%s",
                                       "http://[%s]/pay",
                                       "http://127.1/%s",
                                       "http://2130706433/%s",
                                       "http://0x7f.1/%s",
                                       "http://%s:80/pay",
                                       "http://%s/p\xc3\xa9"};
    static const char *const dotted[] = {
        "http://127.0.0.1.:%s/pay", "http://127.0.0.1%%2e:%s/pay", "http://127.0.0.1%%00:%s/pay",
        "http://127.0.0.1 :%s/pay", "http://127.0.0.01:%s/pay",    "http://127.0.0.1:+%s/pay"};
    char url[200];
    for (size_t i = 0; i < COUNT_OF(urls) + COUNT_OF(dotted); i++) {
        bool first = i < COUNT_OF(urls);
        const char *form = first ? urls[i] : dotted[i - COUNT_OF(urls)];
        const char *with = first ? provider.address : strchr(provider.address, ':') + 1;
        char *at = url;
        for (const char *p = form; *p; p++) {
            if (p[0] == '%' && p[1] == 's')
                at += snprintf(at, 100, "%s", with), p++;
            else if (p[0] == '%' && p[1] == '%')
                *at++ = '%', p++;
            else
                *at++ = *p;
        }
        *at = 0;
        struct ask a = a_request("/pay");
        a.url = url;
        refused(&a, "no permit for this host");
    }
    assert_int_equal(vault.opened, 0);
    /* letters of either case are one host */
    char upper[100], lower[100];
    (void)snprintf(upper, sizeof upper, "HTTP://LOCALHOST:%s/pay",
                   strchr(provider.address, ':') + 1);
    (void)snprintf(lower, sizeof lower, "http://localhost:%s", strchr(provider.address, ':') + 1);
    struct ask a = a_request("/pay");
    a.url = upper;
    a.permit = permit_of(seed, 2, lower);
    go(&a);
    assert_int_equal(a.sent, HTTP_ANSWERED);
    assert_int_equal(provider.calls, 1);
}

static void headers_cannot_lead_it_elsewhere(void **state)
{
    (void)state;
    static const char *const headers[] = {"Host: evil.example\n",
                                          "hOsT: evil.example\n",
                                          "Content-Length: 3\n",
                                          "Transfer-Encoding: x\n",
                                          "Accept-Encoding: gzip\n",
                                          "Connection: upgrade\n",
                                          "Expect: 100-continue\n",
                                          "A: b\rHost: evil.example\n",
                                          "A\n",
                                          "A;\n",
                                          "A:b\n",
                                          ": b\n",
                                          "A b: c\n",
                                          "A: b",
                                          "\n",
                                          "Proxy-Connection: x\n",
                                          "A: \x01\n",
                                          "A: b\n\nC: d\n"};
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        struct ask a = a_request("/pay");
        a.headers = headers[i];
        refused(&a, "a header is none, or not the asker's to set");
    }
    char many[400] = "";
    for (int i = 0; i < 17; i++)
        (void)strcat(many, "A: b\n");
    struct ask a = a_request("/pay");
    a.headers = many;
    refused(&a, "a header is none, or not the asker's to set");
    assert_int_equal(vault.opened, 0);
    struct ask b = a_request("/pay");
    b.headers = "";
    go(&b);
    assert_int_equal(b.sent, HTTP_ANSWERED);
}

static void a_redirect_is_an_answer(void **state)
{
    (void)state;
    static const int statuses[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct http_answer_header to = {"Location", own_url("/trap")};
        struct ask a = a_request("/pay");
        provider.answer =
            (struct http_answer){.status = statuses[i], .headers = &to, .headers_n = 1};
        go(&a);
        assert_int_equal(a.sent, HTTP_ANSWERED);
        assert_int_equal(a.status, statuses[i]);
    }
    assert_int_equal(provider.trapped, 0);
}

/* Everything that is told, headers too. */
static void assert_clean(const struct ask *a)
{
    static const char *const parts[] = {NUMBER,
                                        "4000 0000 0000 9995",
                                        "4000-0000-0000-9995",
                                        "34303030303030303030303039393935",
                                        "NDAwMDAwMDAwMDAwOTk5N",
                                        "%34%30%30",
                                        CVC};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (strstr(a->text, parts[i]))
            fail_msg("%s is in %s", parts[i], a->text);
        assert_null(strstr(a->retry_after, parts[i]));
        assert_null(strstr(a->content_type, parts[i]));
    }
}

static void an_echo_is_taken_out(void **state)
{
    (void)state;
    static const char *const echoes[] = {
        "{\"card\":{\"number\":\"" NUMBER "\",\"cvc\":\"" CVC "\"}}",
        "{\"number\":" NUMBER "}",
        "{\"message\":\"Card 4000 0000 0000 9995 was refused\"}",
        "4000-0000-0000-9995",
        "{\"parts\":[\"4000\",\"0000\",\"0000\",\"9995\"]}",
        "34303030303030303030303039393935",
        "%34%30%30%30%30%30%30%30%30%30%30%30%39%39%39%35",
        "{\"b\":\"NDAwMDAwMDAwMDAwOTk5NQ==\"}",
        "<html>" NUMBER "</html>",
    };
    struct http_answer_header wait = {"Retry-After", NUMBER};
    for (size_t i = 0; i < COUNT_OF(echoes); i++) {
        struct ask a = a_request("/pay");
        buf_clear(&provider.text);
        buf_str(&provider.text, echoes[i]);
        provider.answer = (struct http_answer){.status = i % 2 ? 402 : 200,
                                               .content_type = i == 8 ? "text/" NUMBER : NULL,
                                               .headers = &wait,
                                               .headers_n = 1};
        go(&a);
        assert_int_equal(a.sent, HTTP_ANSWERED);
        assert_int_equal(a.text_n, strlen(echoes[i]));
        assert_clean(&a);
        assert_string_equal(a.retry_after, "");
        assert_null(strstr(a.text, "\"4000\",\"0000\""));
    }
}

static void what_cannot_be_looked_into_is_no_answer(void **state)
{
    (void)state;
    struct ask a = a_request("/pay"), b = a_request("/pay");
    buf_add(&provider.text, "\x1f\x8b\x08\0\0\0", 6);
    go(&a);
    assert_int_equal(a.sent, HTTP_UNKNOWN);
    assert_int_equal(a.text_n, 0);
    buf_clear(&provider.text); /* and what is too long */
    for (int i = 0; i < 129 * 1024; i++)
        buf_byte(&provider.text, 'x');
    go(&b);
    assert_int_equal(b.sent, HTTP_UNKNOWN);
    assert_int_equal(b.text_n, 0);
    wait_for(&vault.used, 2);
    struct ask c = a_request("/pay");
    provider.text.n = 128 * 1024;
    go(&c);
    assert_int_equal(c.sent, HTTP_ANSWERED);
    assert_int_equal(c.text_n, 128 * 1024);
}

static void the_vault_may_say_no(void **state)
{
    (void)state;
    static const struct {
        enum manner manner;
        const char *error;
    } cases[] = {{MISSING, "there is no such card"},    {LOCKED, "the vault is locked"},
                 {BROKEN, "the card cannot be opened"}, {NONSENSE, "the vault's answer is none"},
                 {ENDS, "the vault is gone"},           {OPENS, "the vault is not there"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ask a = a_request("/pay");
        vault.manner = cases[i].manner;
        refused(&a, cases[i].error);
    }
    assert_int_equal(vault.used, 0);
    link_close(vault.link); /* it comes back */
    vault.link = join(LINK_VAULT, &to_vault, vault_request);
    struct ask a = a_request("/pay");
    go(&a);
    assert_int_equal(a.sent, HTTP_ANSWERED);
}

static int set_up_impatient(void **state)
{
    (void)state;
    start(0, 150);
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
    assert_int_equal(egress_active(egress), 0);
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

static void an_api_that_is_gone_is_not_told(void **state)
{
    (void)state;
    struct ask a = a_request("/keep"), b = a_request("/pay");
    begin(&a);
    wait_gone(&provider.kept);
    link_close(api);
    assert_int_equal(a.done, 1);
    assert_int_equal(a.lost, 1);
    api = join(LINK_API, &to_api, no_request);
    begin(&b); /* its own question has the same place in line */
    answer_kept();
    wait_for(&b.done, 1);
    assert_int_equal(b.lost, 0);
    assert_int_equal(b.status, 200);
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    while (egress_active(egress) && sys_mono_us() < until_us)
        sys_pause_us(500);
    assert_int_equal(egress_active(egress), 0);
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
    start(3, 0);
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
        assert_int_equal(egress_active(egress), 0);
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

/* The last: all of the tests have written it. */
static void the_log_has_no_card(void **state)
{
    (void)state;
    struct buf b = BUF(16 << 20);
    struct err_info info = {0};
    assert_int_equal(sys_read_file(logs, 16 << 20, &b, &info), OK);
    assert_non_null(strstr(b.p, "\"event\":\"egress.done\""));
    assert_non_null(strstr(b.p, "\"event\":\"egress.not_sent\""));
    assert_non_null(strstr(b.p, "\"event\":\"egress.not_told\""));
    assert_null(strstr(b.p, NUMBER));
    assert_null(strstr(b.p, "400000000000"));
    assert_null(strstr(b.p, "00009995"));
    assert_null(strstr(b.p, "\"" CVC "\""));
    buf_free(&b);
    (void)unlink(logs);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        T(a_card_goes_where_it_may),
        T(a_saved_card_has_no_cvc),
        T(without_a_permit_nothing_goes),
        T(a_url_has_one_host),
        T(headers_cannot_lead_it_elsewhere),
        T(a_redirect_is_an_answer),
        T(an_echo_is_taken_out),
        T(what_cannot_be_looked_into_is_no_answer),
        T(the_vault_may_say_no),
        cmocka_unit_test_setup_teardown(a_silent_vault_keeps_nobody_waiting, set_up_impatient,
                                        tear_down),
        T(a_late_vault_is_in_time),
        T(an_api_that_is_gone_is_not_told),
        T(silence_is_unknown),
        T(what_did_not_leave_keeps_its_cvc),
        cmocka_unit_test_setup_teardown(a_merchant_has_its_pace, set_up_slow, tear_down),
        T(what_is_no_request_ends_the_link),
        T(after_close_nothing_goes),
        cmocka_unit_test(the_log_has_no_card),
    };
    crypto_init();
    wire_init();
    (void)snprintf(logs, sizeof logs, "/tmp/florin-egress-%d.log", (int)getpid());
    log_open(open(logs, O_CREAT | O_WRONLY | O_APPEND | O_TRUNC, 0600), LOG_DEBUG);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

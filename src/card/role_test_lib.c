#include "card/role_test_lib.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "observe/observe.h"

struct card_role *role;
static struct http_client *client;
static char address[80], logs[64];

/* --- the ends of its links --- */
struct api_end api;
struct role_vault_end vault;
const struct id card_id = {{9, 8, 7}};
/* Frames order what the ends do; tools that look for races do not see it without this. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void order(void)
{
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
}

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

void api_says_who(uint64_t call)
{
    struct buf b = BUF(LINK_SMALL);
    link_put_int(&b, api.err);
    link_put_str(&b, str_from(api.detail ? api.detail : ""));
    link_put_int(&b, api.merchant);
    link_put_int(&b, 777);
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

static bool api_hears(struct link *l, const struct link_frame *f)
{
    struct link_reader r = {.rest = f->payload};
    assert_no_number(f->payload);
    if (f->message == LINK_CLIENT_CHECK) {
        link_take_text(&r, api.token, sizeof api.token);
        link_take_text(&r, api.origin, sizeof api.origin);
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

static bool vault_hears(struct link *l, const struct link_frame *f)
{
    struct link_reader r = {.rest = f->payload};
    struct buf b = BUF(LINK_SMALL);
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

static bool heard(struct link *l, const struct link_frame *f, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    bool good = l == api.link ? api_hears(l, f) : vault_hears(l, f);
    pthread_mutex_unlock(&lock);
    return good;
}

struct link *join(enum link_role peer)
{
    int fd[2];
    struct link *theirs;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    struct link_config p = {
        .fd = fd[1], .self = peer, .peer = LINK_CARD, .thread = "peer-end", .request = heard};
    assert_int_equal(link_open(&p, &theirs), OK);
    if (peer == LINK_API)
        api.link = theirs;
    else
        vault.link = theirs;
    assert_int_equal(card_link(role, peer, fd[0]), OK);
    return theirs;
}

int role_test_set_up_alone(void **state)
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

int role_test_set_up(void **state)
{
    int failed = role_test_set_up_alone(state);
    join(LINK_API);
    join(LINK_VAULT);
    return failed;
}

int role_test_tear_down(void **state)
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
static void on_answer(struct http_call *call, const struct http_result *r)
{
    struct ask *a = call->arg;
    a->status = r->sent == HTTP_ANSWERED ? r->status : -1;
    (void)snprintf(a->text, sizeof a->text, STR_FMT, STR_ARG(r->body));
    (void)snprintf(a->retry_after, sizeof a->retry_after, STR_FMT, STR_ARG(r->retry_after));
    __atomic_store_n(&a->done, 1, __ATOMIC_SEQ_CST);
}

void begin(struct ask *a, const char *path, const char *token, const char *body)
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
    order();
    http_client_call(client, &a->call);
}

void wait_for(int *what, int n)
{
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    while (__atomic_load_n(what, __ATOMIC_SEQ_CST) < n && sys_mono_us() < until_us)
        sys_pause_us(500);
    assert_true(__atomic_load_n(what, __ATOMIC_SEQ_CST) >= n);
    order();
}

/* A moment after the answer. */
void wait_idle(void)
{
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    while (!card_idle(role) && sys_mono_us() < until_us)
        sys_pause_us(500);
    assert_true(card_idle(role));
}

/* It is of chance, and may look like a part of the card. */
static void strike_request_id(char *text)
{
    char *id = strstr(text, "\"req_");
    if (id)
        memset(id + 5, '*', strcspn(id + 5, "\""));
}

void assert_answer(struct ask *a, int status, const char *text)
{
    wait_for(&a->done, 1);
    if (a->status != status || !strstr(a->text, text))
        fail_msg("%d %s", a->status, a->text);
    strike_request_id(a->text);
    assert_null(strstr(a->text, "4000"));
    assert_null(strstr(a->text, "\"737\""));
}

void type_card(const char *more, int status, const char *text)
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

/* --- the log --- */
void role_test_begin(void)
{
    crypto_init();
    wire_init();
    (void)snprintf(logs, sizeof logs, "/tmp/florin-role-%d.log", (int)getpid());
    log_open(open(logs, O_CREAT | O_WRONLY | O_APPEND | O_TRUNC, 0600), LOG_DEBUG);
}

void the_log_has_no_card(void **state)
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

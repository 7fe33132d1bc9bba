#include "card/egress_test_lib.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "observe/observe.h"

const uint8_t seed[32] = {7}, foreign[32] = {8};
const struct id card_id = {{1, 2, 3, 4}};
static char logs[64];

/* --- the provider --- */
struct provider provider;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void order(void)
{
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
}

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
struct vault_end vault;

void vault_says(uint64_t call, int64_t err)
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

static bool vault_hears(const struct link_frame *f)
{
    static const int64_t errs[] = {[OPENS] = 0,
                                   [MISSING] = ERR_NOT_FOUND,
                                   [LOCKED] = ERR_UNAVAILABLE,
                                   [BROKEN] = ERR_CRYPTO,
                                   [NONSENSE] = 0};
    struct link_reader r = {.rest = f->payload};
    int64_t merchant = link_take_int(&r);
    struct id card = link_take_id(&r);
    if (f->message == LINK_VAULT_USED) { /* may come while a test looks at what was asked */
        __atomic_add_fetch(&vault.used, 1, __ATOMIC_SEQ_CST);
        return link_taken(&r);
    }
    vault.merchant = merchant;
    vault.card = card;
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

bool vault_request(struct link *l, const struct link_frame *f, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    vault.link = l; /* what waited for it may come before join has returned */
    bool good = vault_hears(f);
    pthread_mutex_unlock(&lock);
    return good;
}

/* --- card, and the ends of its links --- */
struct egress *egress;
static struct http_client *client;
struct link_slot to_api, to_vault;
struct link *api;

static bool card_request(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)arg;
    return f->message == LINK_EGRESS && egress_request(egress, f);
}

bool no_request(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)f, (void)arg;
    return false;
}

struct link *join(enum link_role peer, struct link_slot *slot,
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

void vault_joins(void)
{
    struct link *l = join(LINK_VAULT, &to_vault, vault_request);
    pthread_mutex_lock(&lock);
    vault.link = l;
    pthread_mutex_unlock(&lock);
}

void egress_test_start(int64_t per_second, int64_t vault_wait_ms)
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
    vault_joins();
}

int egress_test_set_up(void **state)
{
    (void)state;
    egress_test_start(0, 0);
    return 0;
}

void answer_kept(void)
{
    struct http_request *req = __atomic_exchange_n(&provider.kept, NULL, __ATOMIC_SEQ_CST);
    struct http_answer answer = {.status = 204};
    if (req)
        http_reply(req, &answer);
}

int egress_test_tear_down(void **state)
{
    (void)state;
    answer_kept();
    egress_close(egress);
    http_client_stop(client);
    link_slot_put(&to_vault, NULL); /* in card_stop's order: the thread of egress uses both */
    link_slot_put(&to_api, NULL);
    link_slot_tick(&to_vault, INT64_MAX);
    wait_idle();
    egress_free(egress);
    link_slot_release(&to_vault);
    link_slot_release(&to_api);
    pthread_mutex_lock(&lock); /* its thread may still be at work */
    struct link *its = vault.link;
    pthread_mutex_unlock(&lock);
    link_close(its);
    link_close(api);
    http_server_stop(provider.server);
    buf_free(&provider.text);
    return 0;
}

/* --- what api asks, and is told --- */
void on_told(const struct link_frame *f, void *arg)
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

void wait_for(int *what, int n)
{
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    while (__atomic_load_n(what, __ATOMIC_SEQ_CST) < n && sys_mono_us() < until_us)
        sys_pause_us(500);
    assert_true(__atomic_load_n(what, __ATOMIC_SEQ_CST) >= n);
    order();
}

void wait_idle(void)
{
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    while (egress_active(egress) && sys_mono_us() < until_us)
        sys_pause_us(500);
    assert_int_equal(egress_active(egress), 0);
}

void wait_there(struct http_request **what)
{
    int64_t until_us = sys_mono_us() + DEADLINE_US;
    while (!__atomic_load_n(what, __ATOMIC_SEQ_CST) && sys_mono_us() < until_us)
        sys_pause_us(500);
    assert_non_null(__atomic_load_n(what, __ATOMIC_SEQ_CST));
}

const char *own_url(const char *path)
{
    static char url[4][200];
    static unsigned turn;
    char *out = url[turn++ % 4];
    (void)snprintf(out, sizeof url[0], "http://%s%s", provider.address, path);
    return out;
}

const char *permit_of(const uint8_t key[32], int64_t merchant, const char *url)
{
    return permit_with(key, merchant, url, NULL);
}

const char *permit_with(const uint8_t key[32], int64_t merchant, const char *url,
                        const struct permit_terms *terms)
{
    static char text[64][PERMIT_TEXT_MAX];
    static unsigned turn;
    char *out = text[turn++ % 64];
    assert_true(permit_sign(key, merchant, str_from(url), terms, out));
    return out;
}

struct ask a_request(const char *path)
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

void write_ask(const struct ask *a, struct buf *b)
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
    link_put_int(b, a->start_before_us ? a->start_before_us - sys_now_us() + sys_mono_us() : 0);
}

void begin(struct ask *a)
{
    struct buf b = BUF(LINK_PAYLOAD_MAX);
    write_ask(a, &b);
    assert_false(b.failed);
    order();
    assert_int_equal(link_ask(api, LINK_EGRESS, buf_view(&b), on_told, a), OK);
    buf_free(&b);
}

void go(struct ask *a)
{
    begin(a);
    wait_for(&a->done, 1);
}

void refused(struct ask *a, const char *error)
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

/* --- the log --- */
void egress_test_begin(void)
{
    crypto_init();
    wire_init();
    (void)snprintf(logs, sizeof logs, "/tmp/florin-egress-%d.log", (int)getpid());
    log_open(open(logs, O_CREAT | O_WRONLY | O_APPEND | O_TRUNC, 0600), LOG_DEBUG);
}

void the_log_has_no_card(void **state)
{
    (void)state;
    struct buf b = BUF(16 << 20);
    struct err_info info = {0};
    assert_int_equal(sys_read_file(logs, 16 << 20, &b, &info), OK);
    assert_non_null(strstr(b.p, "\"event\":\"egress.done\""));
    assert_non_null(strstr(b.p, "\"sent\":\"answered\""));
    assert_null(strstr(b.p, "\"sent\":0"));
    assert_non_null(strstr(b.p, "\"event\":\"egress.not_sent\""));
    assert_null(strstr(b.p, NUMBER));
    assert_null(strstr(b.p, "400000000000"));
    assert_null(strstr(b.p, "00009995"));
    assert_null(strstr(b.p, "\"" CVC "\""));
    buf_free(&b);
    (void)unlink(logs);
}

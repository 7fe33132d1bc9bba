/* What is known of a request with a card when the role `card` says nothing, or nonsense, of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/socket.h>
#include <time.h>

#include "node/card_port.h"
#include "sys/sys.h"

static struct {
    struct link_slot slot;
    struct link *card; /* the other end, stepped by the test */
    struct http_client *client;
    struct card_port_state port;
    uint64_t asked; /* the number of the last request; 0: none */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool told;
    enum http_sent sent;
    int status;
} t = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool asked(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)arg;
    assert_int_equal(f->message, LINK_EGRESS);
    t.asked = f->call;
    return true;
}

static bool none(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)f, (void)arg;
    return false;
}

static void connect_roles(void)
{
    int fd[2];
    struct link *api;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    struct link_config c = {.fd = fd[0], .self = LINK_API, .peer = LINK_CARD};
    c.thread = "link-card";
    c.request = none;
    assert_int_equal(link_open(&c, &api), OK);
    link_slot_put(&t.slot, api);
    c = (struct link_config){.fd = fd[1], .self = LINK_CARD, .peer = LINK_API, .request = asked};
    assert_int_equal(link_open(&c, &t.card), OK);
}

static void part(void)
{
    link_close(t.card);
    t.card = NULL;
}

static void done(struct http_call *call, const struct http_result *r)
{
    (void)call;
    pthread_mutex_lock(&t.lock);
    t.told = true;
    t.sent = r->sent;
    t.status = r->status;
    pthread_cond_signal(&t.changed);
    pthread_mutex_unlock(&t.lock);
}

/* Sends one; whether the role has it is another matter. */
static void send_one(struct http_call *http)
{
    struct card_call call = {.http = http, .merchant_id = 2, .permit = STR(""), .reference = "att"};
    struct card_port port = card_port_of(&t.port);
    *http = (struct http_call){.method = "POST",
                               .url = "https://acquirer.example/charges",
                               .body = STR("{}"),
                               .connect_timeout_ms = 1000,
                               .timeout_ms = 1000,
                               .start_before_us = sys_now_us() + INT64_C(30000000),
                               .done = done};
    t.told = false;
    t.asked = 0;
    port.send(port.self, &call);
}

static void await_request(void)
{
    int64_t end_us = sys_mono_us() + INT64_C(20000000);
    while (t.asked == 0) {
        assert_true(sys_mono_us() < end_us);
        assert_true(link_step(t.card, 1));
    }
}

static enum http_sent await_end(void)
{
    struct timespec end;
    int rc = 0;
    (void)clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 20;
    pthread_mutex_lock(&t.lock);
    while (!t.told && rc == 0)
        rc = pthread_cond_timedwait(&t.changed, &t.lock, &end);
    assert_int_equal(rc, 0);
    pthread_mutex_unlock(&t.lock);
    return t.sent;
}

/* --- tests --- */
/* It may be dead, or live and go on without its link. */
static void without_an_answer_it_may_yet_be_sent(void **state)
{
    struct http_call http;
    (void)state;
    connect_roles();
    send_one(&http);
    await_request();
    part();
    assert_int_equal(await_end(), HTTP_LOST);
}

static void an_answer_of_nonsense_came_after_all(void **state)
{
    struct http_call http;
    (void)state;
    connect_roles();
    send_one(&http);
    await_request();
    assert_true(link_send(t.card, LINK_EGRESS_IS, t.asked, STR("short"), -1));
    assert_int_equal(await_end(), HTTP_UNKNOWN);
    part();
}

static void what_the_role_says_is_told(void **state)
{
    struct http_call http;
    struct buf b = BUF(LINK_SMALL);
    (void)state;
    connect_roles();
    send_one(&http);
    await_request();
    link_put_int(&b, HTTP_ANSWERED);
    link_put_int(&b, 402);
    for (int i = 0; i < 3; i++)
        link_put_str(&b, STR(""));
    link_put_int(&b, 5);
    link_put_str(&b, STR("{}"));
    assert_true(link_send(t.card, LINK_EGRESS_IS, t.asked, buf_view(&b), -1));
    assert_int_equal(await_end(), HTTP_ANSWERED);
    assert_int_equal(t.status, 402);
    buf_free(&b);
    part();
}

static void without_a_role_nothing_is_sent(void **state)
{
    struct http_call http;
    (void)state;
    link_slot_put(&t.slot, NULL);
    send_one(&http);
    link_slot_tick(&t.slot, INT64_MAX);
    assert_int_equal(await_end(), HTTP_NOT_SENT);
}

static int begin(void **state)
{
    struct err_info info;
    (void)state;
    link_slot_init(&t.slot);
    if (http_client_start("acquirers", 4, &t.client, &info) != OK)
        return -1;
    t.port = (struct card_port_state){&t.slot, t.client};
    return 0;
}

static int end(void **state)
{
    (void)state;
    link_slot_release(&t.slot);
    http_client_stop(t.client);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_answer_it_may_yet_be_sent),
        cmocka_unit_test(an_answer_of_nonsense_came_after_all),
        cmocka_unit_test(what_the_role_says_is_told),
        cmocka_unit_test(without_a_role_nothing_is_sent),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

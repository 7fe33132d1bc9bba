#include "http/http_test_support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sys/sys.h"

/* One call and what came of it. */
struct outcome {
    struct http_call call;
    char url[128];
    enum http_sent sent;
    int status;
    char *body;
    char content_type[64], retry_after[64], error[128];
    int64_t latency_us;
    atomic_bool done;
};

static void on_done(struct http_call *call, const struct http_result *r)
{
    struct outcome *o = call->arg;
    o->sent = r->sent;
    o->status = r->status;
    o->body = strndup(r->body.p ? r->body.p : "", r->body.n);
    snprintf(o->content_type, sizeof o->content_type, "%.*s", STR_ARG(r->content_type));
    snprintf(o->retry_after, sizeof o->retry_after, "%.*s", STR_ARG(r->retry_after));
    snprintf(o->error, sizeof o->error, "%s", r->error);
    o->latency_us = r->latency_us;
    atomic_store(&o->done, true);
}

static void outcome_init(struct outcome *o, const char *method, const char *fmt_url, int port)
{
    *o = (struct outcome){0};
    char *colon = strstr(fmt_url, "PORT");
    if (colon)
        snprintf(o->url, sizeof o->url, "%.*s%d%s", (int)(colon - fmt_url), fmt_url, port,
                 colon + 4);
    else
        snprintf(o->url, sizeof o->url, "%s", fmt_url);
    o->call = (struct http_call){
        .method = method,
        .url = o->url,
        .connect_timeout_ms = 5000,
        .timeout_ms = 10000,
        .response_bytes_max = 65536,
        .done = on_done,
        .arg = o,
    };
}

static bool is_done(void *arg)
{
    return atomic_load(&((struct outcome *)arg)->done);
}

static void run(struct http_client *c, struct outcome *o)
{
    http_client_call(c, &o->call);
    wait_for(is_done, o);
}

static struct http_client *client(unsigned calls_max)
{
    struct http_client *c = NULL;
    struct err_info info = {0};
    assert_int_equal(http_client_start("test-client", calls_max, &c, &info), OK);
    return c;
}

static struct liar liar;

static int start(void **state)
{
    (void)state;
    liar_start(&liar);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    liar_stop(&liar);
    return 0;
}

static void answered(void **state)
{
    (void)state;
    struct http_client *c = client(4);
    struct outcome o;
    static const char *const headers[] = {"Content-Type: application/json", "X-One: 1", NULL};
    outcome_init(&o, "POST", "http://127.0.0.1:PORT/echo", liar.port);
    o.call.headers = headers;
    o.call.body = STR("{\"a\":1}");
    run(c, &o);
    assert_int_equal(o.sent, HTTP_ANSWERED);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.content_type, "text/plain");
    assert_string_equal(o.retry_after, "12");
    assert_string_equal(o.error, "");
    assert_true(o.latency_us > 0);
    assert_non_null(strstr(o.body, "POST /echo HTTP/1.1\r\n"));
    assert_non_null(strstr(o.body, "\r\nX-One: 1\r\n"));
    assert_non_null(strstr(o.body, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(o.body, "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(o.body, "Expect"));
    free(o.body);
    /* the handle is used again: nothing of the call before may stay */
    static const char *const methods[] = {"GET", "DELETE", "POST", "PUT", "GET"};
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        char line[64];
        outcome_init(&o, methods[i], "http://127.0.0.1:PORT/echo", liar.port);
        run(c, &o);
        assert_int_equal(o.sent, HTTP_ANSWERED);
        snprintf(line, sizeof line, "%s /echo HTTP/1.1\r\n", methods[i]);
        assert_true(strncmp(o.body, line, strlen(line)) == 0);
        assert_null(strstr(o.body, "X-One"));
        assert_null(strstr(o.body, "Content-Type"));
        free(o.body);
    }
    http_client_stop(c);
}

static void connection_is_used_again(void **state)
{
    (void)state;
    struct http_client *c = client(4);
    int before = atomic_load(&liar.accepted);
    for (int i = 0; i < 20; i++) {
        struct outcome o;
        outcome_init(&o, "GET", "http://127.0.0.1:PORT/echo", liar.port);
        run(c, &o);
        assert_int_equal(o.sent, HTTP_ANSWERED);
        free(o.body);
    }
    assert_int_equal(atomic_load(&liar.accepted), before + 1);
    http_client_stop(c);
}

static bool all_closed(void *arg)
{
    (void)arg;
    return atomic_load(&liar.closed) == atomic_load(&liar.accepted);
}

/* The peer ends each connection after its answer; the next one gets the same descriptor. */
static void connection_closed_while_idle(void **state)
{
    (void)state;
    struct http_client *c = client(4);
    int before = atomic_load(&liar.accepted);
    for (int i = 0; i < 20; i++) {
        struct outcome o;
        outcome_init(&o, "GET", "http://127.0.0.1:PORT/redirect", liar.port);
        run(c, &o);
        assert_int_equal(o.sent, HTTP_ANSWERED);
        assert_int_equal(o.status, 302);
        free(o.body);
        wait_for(all_closed, NULL);
    }
    assert_int_equal(atomic_load(&liar.accepted), before + 20);
    http_client_stop(c);
}

static void statuses(void **state)
{
    (void)state;
    struct http_client *c = client(4);
    struct outcome o;
    int before = atomic_load(&liar.requests);
    outcome_init(&o, "GET", "http://127.0.0.1:PORT/redirect", liar.port);
    run(c, &o);
    assert_int_equal(o.sent, HTTP_ANSWERED);
    assert_int_equal(o.status, 302); /* not followed */
    assert_int_equal(atomic_load(&liar.requests), before + 1);
    free(o.body);
    outcome_init(&o, "GET", "http://127.0.0.1:PORT/interim", liar.port);
    run(c, &o);
    assert_int_equal(o.sent, HTTP_ANSWERED);
    assert_int_equal(o.status, 503);
    assert_string_equal(o.retry_after, ""); /* the interim answer's does not count */
    assert_string_equal(o.body, "no");
    free(o.body);
    http_client_stop(c);
}

static void outcome_unknown(void **state)
{
    (void)state;
    static const char *const paths[] = {"/close",      "/reset",     "/half",
                                        "/half-chunk", "/half-head", "/garbage",
                                        "/big",        "/endless",   "/big-head"};
    struct http_client *c = client(4);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        char url[64];
        struct outcome o;
        snprintf(url, sizeof url, "http://127.0.0.1:PORT%s", paths[i]);
        outcome_init(&o, "POST", url, liar.port);
        o.call.body = STR("{}");
        run(c, &o);
        if (o.sent != HTTP_UNKNOWN)
            fail_msg("%s: %d %d", paths[i], o.sent, o.status);
        assert_int_equal(o.status, 0);
        assert_string_equal(o.body, "");
        assert_string_not_equal(o.error, "");
        free(o.body);
    }
    struct outcome o;
    outcome_init(&o, "POST", "http://127.0.0.1:PORT/hang", liar.port);
    o.call.timeout_ms = 200;
    run(c, &o);
    assert_int_equal(o.sent, HTTP_UNKNOWN);
    assert_true(o.latency_us >= 190000);
    free(o.body);
    http_client_stop(c);
}

static void answer_at_the_limit(void **state)
{
    (void)state;
    struct http_client *c = client(1);
    struct outcome o;
    outcome_init(&o, "GET", "http://127.0.0.1:PORT/big", liar.port);
    o.call.response_bytes_max = 4095000;
    run(c, &o);
    assert_int_equal(o.sent, HTTP_ANSWERED);
    assert_int_equal(strlen(o.body), 4095000);
    free(o.body);
    outcome_init(&o, "GET", "http://127.0.0.1:PORT/big", liar.port);
    o.call.response_bytes_max = 4094999;
    run(c, &o);
    assert_int_equal(o.sent, HTTP_UNKNOWN);
    assert_string_equal(o.error, "the answer is too large");
    free(o.body);
    http_client_stop(c);
}

static void not_sent(void **state)
{
    (void)state;
    int closed_port, full_port, fd = test_listen(&closed_port);
    close(fd);
    static const char *const urls[] = {
        "http://127.0.0.1:PORT/refused",
        "http://no-such-host.invalid/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://user:secret@127.0.0.1:PORT/",
        "not a url",
        "http://127.0.0.1:99999/",
        "",
    };
    struct http_client *c = client(4);
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct outcome o;
        outcome_init(&o, "POST", urls[i], closed_port);
        run(c, &o);
        if (o.sent != HTTP_NOT_SENT)
            fail_msg("%s: %d", urls[i], o.sent);
        assert_string_not_equal(o.error, "");
        free(o.body);
    }
    /* TLS is asked of a peer that does not speak it */
    struct outcome o;
    outcome_init(&o, "POST", "https://127.0.0.1:PORT/garbage", liar.port);
    o.call.timeout_ms = 300;
    run(c, &o);
    assert_int_equal(o.sent, HTTP_NOT_SENT);
    free(o.body);
    /* a header that would become two */
    static const char *const headers[] = {"A: b\r\nC: d", NULL};
    outcome_init(&o, "POST", "http://127.0.0.1:PORT/echo", liar.port);
    o.call.headers = headers;
    run(c, &o);
    assert_int_equal(o.sent, HTTP_NOT_SENT);
    free(o.body);
    /* a peer whose queue of connections is full: the connect times out */
    int full = socket(AF_INET, SOCK_STREAM, 0), extra[8];
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof in;
    assert_int_equal(bind(full, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(full, 0), 0);
    getsockname(full, (struct sockaddr *)&in, &n);
    full_port = ntohs(in.sin_port);
    for (size_t i = 0; i < COUNT_OF(extra); i++) {
        extra[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(extra[i], (struct sockaddr *)&in, sizeof in);
    }
    outcome_init(&o, "POST", "http://127.0.0.1:PORT/", full_port);
    o.call.connect_timeout_ms = 200;
    run(c, &o);
    assert_int_equal(o.sent, HTTP_NOT_SENT);
    free(o.body);
    for (size_t i = 0; i < COUNT_OF(extra); i++)
        close(extra[i]);
    close(full);
    http_client_stop(c);
}

static void public_only(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "http://127.0.0.1:PORT/echo",
        "http://localhost:PORT/echo",
        "http://2130706433:PORT/echo",
        "http://0x7f.1:PORT/echo",
        "http://0177.0.0.1:PORT/echo",
        "http://[::1]:PORT/echo",
        "http://[::ffff:127.0.0.1]:PORT/echo",
        "http://0.0.0.0:PORT/echo",
        "http://127.1:PORT/echo",
    };
    struct http_client *c = client(4);
    int before = atomic_load(&liar.accepted);
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct outcome o;
        outcome_init(&o, "POST", urls[i], liar.port);
        o.call.public_only = true;
        run(c, &o);
        if (o.sent != HTTP_NOT_SENT)
            fail_msg("%s was reached", urls[i]);
        free(o.body);
    }
    assert_int_equal(atomic_load(&liar.accepted), before);
    /* not over a connection that another call opened either */
    int requests = atomic_load(&liar.requests);
    for (int i = 0; i < 2; i++) {
        struct outcome o;
        outcome_init(&o, "GET", "http://127.0.0.1:PORT/echo", liar.port);
        o.call.public_only = i == 1;
        run(c, &o);
        assert_int_equal(o.sent, i == 0 ? HTTP_ANSWERED : HTTP_NOT_SENT);
        if (i == 1)
            assert_string_equal(o.error, "the address is not public");
        free(o.body);
    }
    assert_int_equal(atomic_load(&liar.requests), requests + 1);
    http_client_stop(c);
}

static void more_calls_wait(void **state)
{
    (void)state;
    struct liar own;
    liar_start(&own);
    struct http_client *c = client(3);
    struct outcome *o = calloc(12, sizeof *o);
    for (int i = 0; i < 12; i++) {
        outcome_init(&o[i], "GET", "http://127.0.0.1:PORT/hold", own.port);
        http_client_call(c, &o[i].call);
    }
    int64_t until_us = sys_mono_us() + TEST_WAIT_MS * 1000;
    while (atomic_load(&own.at_once) < 3)
        assert_true(sys_mono_us() < until_us);
    atomic_store(&own.release, true);
    for (int i = 0; i < 12; i++) {
        wait_for(is_done, &o[i]);
        assert_int_equal(o[i].sent, HTTP_ANSWERED);
        free(o[i].body);
    }
    assert_true(atomic_load(&own.most_at_once) <= 3);
    free(o);
    http_client_stop(c);
    liar_stop(&own);
}

static void stop_ends_calls(void **state)
{
    (void)state;
    struct liar own;
    liar_start(&own);
    struct http_client *c = client(2);
    struct outcome *o = calloc(5, sizeof *o);
    for (int i = 0; i < 5; i++) {
        outcome_init(&o[i], "GET", "http://127.0.0.1:PORT/hold", own.port);
        http_client_call(c, &o[i].call);
    }
    int64_t until_us = sys_mono_us() + TEST_WAIT_MS * 1000;
    while (atomic_load(&own.at_once) < 2)
        assert_true(sys_mono_us() < until_us);
    http_client_stop(c);
    for (int i = 0; i < 5; i++) {
        assert_true(atomic_load(&o[i].done));
        assert_int_equal(o[i].sent, i < 2 ? HTTP_UNKNOWN : HTTP_NOT_SENT);
        free(o[i].body);
    }
    free(o);
    liar_stop(&own);
}

/* Calls from many threads, each of which calls again from its callback. */
struct chain {
    struct http_client *client;
    struct outcome o;
    pthread_t thread;
    pthread_t on;
    int left, answered;
    atomic_bool done;
};

static void chain_next(struct http_call *call, const struct http_result *r)
{
    struct chain *ch = call->arg;
    ch->answered += r->sent == HTTP_ANSWERED && r->status == 200;
    if (--ch->left > 0)
        http_client_call(ch->client, call);
    else
        atomic_store(&ch->done, true);
}

static void *chain_run(void *arg)
{
    struct chain *ch = arg;
    http_client_call(ch->client, &ch->o.call);
    return NULL;
}

static bool chain_done(void *arg)
{
    return atomic_load(&((struct chain *)arg)->done);
}

static void calls_from_callbacks(void **state)
{
    (void)state;
    struct http_client *c = client(8);
    struct chain *chains = calloc(16, sizeof *chains);
    for (int i = 0; i < 16; i++) {
        chains[i].client = c;
        chains[i].left = 100;
        outcome_init(&chains[i].o, "POST", "http://127.0.0.1:PORT/echo", liar.port);
        chains[i].o.call.body = STR("[]");
        chains[i].o.call.done = chain_next;
        chains[i].o.call.arg = &chains[i];
        pthread_create(&chains[i].thread, NULL, chain_run, &chains[i]);
    }
    for (int i = 0; i < 16; i++) {
        pthread_join(chains[i].thread, NULL);
        wait_for(chain_done, &chains[i]);
        assert_int_equal(chains[i].answered, 100);
    }
    http_client_stop(c);
    free(chains);
}

static atomic_int posted;
static pthread_t posted_on[2];

static void on_post(void *arg)
{
    posted_on[atomic_load(&posted)] = pthread_self();
    assert_ptr_equal(arg, &posted);
    atomic_fetch_add(&posted, 1);
}

static bool both_posted(void *arg)
{
    (void)arg;
    return atomic_load(&posted) == 2;
}

static void posted_work(void **state)
{
    (void)state;
    struct http_client *c = client(1);
    http_client_post(c, on_post, &posted);
    http_client_post(c, on_post, &posted);
    wait_for(both_posted, NULL);
    assert_true(pthread_equal(posted_on[0], posted_on[1]));
    assert_false(pthread_equal(posted_on[0], pthread_self()));
    http_client_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answered),
        cmocka_unit_test(connection_is_used_again),
        cmocka_unit_test(connection_closed_while_idle),
        cmocka_unit_test(statuses),
        cmocka_unit_test(outcome_unknown),
        cmocka_unit_test(answer_at_the_limit),
        cmocka_unit_test(not_sent),
        cmocka_unit_test(public_only),
        cmocka_unit_test(more_calls_wait),
        cmocka_unit_test(stop_ends_calls),
        cmocka_unit_test(calls_from_callbacks),
        cmocka_unit_test(posted_work),
    };
    return cmocka_run_group_tests_name("http_client", tests, start, stop);
}

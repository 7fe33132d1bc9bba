#include "http/http_test_support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sys/sys.h"

/* A thread that answers what handlers hand to it. */
struct answerer {
    pthread_t threads[3];
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct http_request *waiting[1024];
    size_t n;
    bool end;
};
static struct answerer answerer;
static struct http_request *_Atomic held[64];
static atomic_size_t held_n;
static atomic_int gated;

static void *answer_run(void *arg)
{
    struct answerer *a = arg;
    pthread_mutex_lock(&a->lock);
    for (;;) {
        while (a->n == 0 && !a->end)
            pthread_cond_wait(&a->more, &a->lock);
        if (a->n == 0)
            break;
        struct http_request *req = a->waiting[--a->n];
        pthread_mutex_unlock(&a->lock);
        char text[64];
        snprintf(text, sizeof text, "later %.*s", STR_ARG(req->params[0]));
        reply_text(req, 200, text);
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static int start_answerer(void **state)
{
    (void)state;
    pthread_mutex_init(&answerer.lock, NULL);
    pthread_cond_init(&answerer.more, NULL);
    for (size_t i = 0; i < COUNT_OF(answerer.threads); i++)
        pthread_create(&answerer.threads[i], NULL, answer_run, &answerer);
    return 0;
}

static int stop_answerer(void **state)
{
    (void)state;
    pthread_mutex_lock(&answerer.lock);
    answerer.end = true;
    pthread_cond_broadcast(&answerer.more);
    pthread_mutex_unlock(&answerer.lock);
    for (size_t i = 0; i < COUNT_OF(answerer.threads); i++)
        pthread_join(answerer.threads[i], NULL);
    return 0;
}

static void on_echo(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct buf body = BUF(65536);
    struct str h = http_header(req, "X-Test");
    buf_printf(&body, "m=%d p=%.*s q=%.*s b=%.*s id=%.*s h=%.*s/%d peer=%s", (int)req->method,
               STR_ARG(req->path), STR_ARG(req->query), STR_ARG(req->body), STR_ARG(req->params[0]),
               STR_ARG(h), http_header_count(req, "x-test"), req->peer);
    struct http_answer_header headers[] = {{"X-Answer", "yes"}, {"Cache-Control", "max-age=60"}};
    struct http_answer a = {.status = 201, .body = &body, .headers = headers, .headers_n = 2};
    http_reply(req, &a);
    assert_true(body.p == NULL);
}

static void on_later(struct http_request *req, void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&answerer.lock);
    answerer.waiting[answerer.n++] = req;
    pthread_cond_signal(&answerer.more);
    pthread_mutex_unlock(&answerer.lock);
}

static void on_hold(struct http_request *req, void *ctx)
{
    (void)ctx;
    held[atomic_load(&held_n)] = req;
    atomic_fetch_add(&held_n, 1);
}

static void on_problem(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct err_info info = {.retry_after_s = 7};
    (void)error_param(&info, ERR_PARAM_INVALID, "amount", "must be positive");
    http_reply_problem(req, &info);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/echo", on_echo, 0},      {HTTP_POST, "/echo", on_echo, 0},
    {HTTP_GET, "/echo/{id}", on_echo, 0}, {HTTP_GET, "/later/{id}", on_later, 0},
    {HTTP_GET, "/hold", on_hold, 0},      {HTTP_GET, "/problem", on_problem, 0},
    {HTTP_DELETE, "/echo", on_echo, 9},   {HTTP_POST, "/open", on_problem, HTTP_CORS},
};

static struct http_server *start(int *port)
{
    struct http_server_config c = test_config(routes, COUNT_OF(routes), port);
    atomic_store(&held_n, 0);
    return test_server(&c);
}

static bool holds(void *arg)
{
    return atomic_load(&held_n) >= *(size_t *)arg;
}

static bool idle(void *arg)
{
    return http_server_active(arg) == 0;
}

static void answers_carry_everything(void **state)
{
    (void)state;
    int port;
    struct http_server *s = start(&port);
    struct answer a;
    exchange(port,
             "POST /echo?a=1&b=%20 HTTP/1.1\r\nHost: x\r\nX-Test: one \r\nx-test: two\r\n"
             "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"a\": 12}",
             &a);
    assert_int_equal(a.status, 201);
    assert_string_equal(a.body, "m=1 p=/echo q=a=1&b=%20 b={\"a\": 12} id= h=one/2 peer=127.0.0.1");
    assert_string_equal(answer_header(&a, "Content-Type"), "application/json");
    assert_string_equal(answer_header(&a, "X-Answer"), "yes");
    assert_string_equal(answer_header(&a, "Cache-Control"), "max-age=60");
    assert_string_equal(answer_header(&a, "X-Content-Type-Options"), "nosniff");
    struct id id;
    assert_true(id_parse(ID_REQUEST, str_from(answer_header(&a, "Request-Id")), &id));
    exchange(port, "GET /problem HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_problem(&a, 400, "parameter_invalid");
    assert_string_equal(answer_header(&a, "Retry-After"), "7");
    assert_string_equal(answer_header(&a, "Cache-Control"), "no-store");
    assert_non_null(strstr(a.body, "\"pointer\":\"#/amount\""));
    http_server_stop(s);
}

static void pages_of_every_origin_may_call(void **state)
{
    (void)state;
    int port;
    struct http_server *s = start(&port);
    struct answer a;
    exchange(port,
             "OPTIONS /open HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.example\r\n"
             "Access-Control-Request-Method: POST\r\n\r\n",
             &a);
    assert_int_equal(a.status, 204);
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"), "*");
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Methods"), "OPTIONS, POST");
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Headers"),
                        "authorization, content-type");
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Credentials"), "");
    exchange(port, "POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", &a);
    assert_problem(&a, 400, "parameter_invalid");
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"), "*");
    exchange(port, "GET /open HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_problem(&a, 405, "method_not_allowed");
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"), "*");
    exchange(port, "OPTIONS /echo HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"), "");
    http_server_stop(s);
}

static void routing(void **state)
{
    (void)state;
    int port;
    struct http_server *s = start(&port);
    struct answer a;
    exchange(port, "GET /echo/a%2Fb%C3%A9%20c HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_non_null(strstr(a.body, "id=a/b\xc3\xa9 c "));
    exchange(port, "GET http://x:80/echo?z HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_non_null(strstr(a.body, "p=/echo q=z "));
    exchange(port, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_problem(&a, 404, "not_found");
    exchange(port, "GET /echo/ HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_problem(&a, 404, "not_found");
    static const char *const unknown[] = {"PUT", "PATCH", "BREW", "TRACE", "CONNECT", "get"};
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        char text[128];
        snprintf(text, sizeof text, "%s /echo HTTP/1.1\r\nHost: x\r\n\r\n", unknown[i]);
        exchange(port, text, &a);
        assert_problem(&a, 405, "method_not_allowed");
        assert_string_equal(answer_header(&a, "Allow"), "DELETE, GET, HEAD, OPTIONS, POST");
    }
    exchange(port, "OPTIONS /echo/x HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_int_equal(a.status, 204);
    assert_string_equal(answer_header(&a, "Allow"), "GET, HEAD, OPTIONS");
    exchange(port, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_int_equal(a.status, 204);
    exchange(port, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", &a);
    assert_int_equal(a.status, 201);
    http_server_stop(s);
}

static void keep_alive_and_head(void **state)
{
    (void)state;
    int port;
    struct http_server *s = start(&port);
    struct peer p;
    struct answer a, b;
    peer_open(&p, port);
    for (int i = 0; i < 50; i++) {
        peer_send(&p, i % 2 ? "GET /later/7 HTTP/1.1\r\nHost: x\r\n\r\n"
                            : "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        peer_read(&p, &a, false);
        assert_int_equal(a.status, i % 2 ? 200 : 201);
    }
    peer_send(&p, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_read(&p, &a, false);
    peer_send(&p, "HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_read(&p, &b, true);
    assert_int_equal(b.status, 201);
    char length[64];
    snprintf(length, sizeof length, "%s", answer_header(&a, "Content-Length"));
    assert_string_equal(answer_header(&b, "Content-Length"), length);
    /* errors of the router keep the connection */
    peer_send(&p, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_read(&p, &a, false);
    assert_int_equal(a.status, 404);
    peer_send(&p, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    peer_read(&p, &a, false);
    assert_int_equal(a.status, 201);
    assert_true(peer_ended(&p));
    peer_close(&p);
    http_server_stop(s);
}

static void pipelined(void **state)
{
    (void)state;
    int port;
    struct http_server *s = start(&port);
    struct peer p;
    struct answer a;
    peer_open(&p, port);
    peer_send(&p,
              "GET /later/1 HTTP/1.1\r\nHost: x\r\n\r\n"
              "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: "
              "application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
              "2\r\n[1\r\n3\r\n,2]\r\n0\r\n\r\n"
              "GET /later/2 HTTP/1.1\r\nHost: x\r\n\r\nGET /echo/3 HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_read(&p, &a, false);
    assert_string_equal(a.body, "later 1");
    peer_read(&p, &a, false);
    assert_non_null(strstr(a.body, "b=[1,2] "));
    peer_read(&p, &a, false);
    assert_string_equal(a.body, "later 2");
    peer_read(&p, &a, false);
    assert_non_null(strstr(a.body, "id=3 "));
    peer_close(&p);
    http_server_stop(s);
}

struct load {
    int port, n, wrong;
};

static void *load_run(void *arg)
{
    struct load *l = arg;
    struct peer *p = malloc(sizeof *p);
    peer_open(p, l->port);
    for (int i = 0; i < l->n; i++) {
        char text[128], expected[64];
        struct answer *a = malloc(sizeof *a);
        snprintf(text, sizeof text, "GET /later/%p-%d HTTP/1.1\r\nHost: x\r\n\r\n", arg, i);
        snprintf(expected, sizeof expected, "later %p-%d", arg, i);
        peer_send(p, text);
        peer_read(p, a, false);
        l->wrong += a->status != 200 || strcmp(a->body, expected) != 0;
        free(a);
    }
    peer_close(p);
    free(p);
    return NULL;
}

static void many_suspended(void **state)
{
    (void)state;
    int port;
    struct http_server *s = start(&port);
    pthread_t threads[24];
    struct load loads[24];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        loads[i] = (struct load){.port = port, .n = 200};
        pthread_create(&threads[i], NULL, load_run, &loads[i]);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(loads[i].wrong, 0);
    }
    wait_for(idle, s);
    http_server_stop(s);
}

static void peer_leaves_while_suspended(void **state)
{
    (void)state;
    int port;
    struct http_server *s = start(&port);
    struct peer p[3];
    size_t n = 3;
    for (size_t i = 0; i < n; i++) {
        peer_open(&p[i], port);
        peer_send(&p[i], "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    wait_for(holds, &n);
    assert_int_equal(http_server_active(s), 3);
    struct linger reset = {.l_onoff = 1};
    setsockopt(p[0].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    peer_close(&p[0]);
    peer_close(&p[1]);
    for (size_t i = 0; i < n; i++)
        reply_text(held[i], 200, "too late for two of three");
    struct answer a;
    peer_read(&p[2], &a, false);
    assert_int_equal(a.status, 200);
    peer_close(&p[2]);
    wait_for(idle, s);
    http_server_stop(s);
}

static void half_closed_peer_is_answered(void **state)
{
    (void)state;
    int port;
    struct http_server *s = start(&port);
    struct peer p;
    struct answer a;
    size_t n = 1;
    peer_open(&p, port);
    peer_send(&p, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    shutdown(p.fd, SHUT_WR);
    wait_for(holds, &n);
    reply_text(held[0], 200, "here");
    peer_read(&p, &a, false);
    assert_string_equal(a.body, "here");
    peer_close(&p);
    http_server_stop(s);
}

static void stop_answers_suspended(void **state)
{
    (void)state;
    int port;
    struct http_server *s = start(&port);
    struct peer p[4];
    size_t n = 4;
    for (size_t i = 0; i < n; i++) {
        peer_open(&p[i], port);
        peer_send(&p[i], "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    wait_for(holds, &n);
    http_server_stop(s);
    for (size_t i = 0; i < n; i++) {
        struct answer a;
        peer_read(&p[i], &a, false);
        assert_problem(&a, 503, "unavailable");
        assert_string_equal(answer_header(&a, "Retry-After"), "1");
        assert_true(peer_ended(&p[i]));
        peer_close(&p[i]);
        /* the request is still the handler's, and the late answer is dropped */
        assert_string_equal(held[i]->peer, "127.0.0.1");
        reply_text(held[i], 200, "late");
    }
}

static void *reply_all(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < atomic_load(&held_n); i++)
        reply_text(held[i], 200, "raced");
    return NULL;
}

static void stop_races_replies(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        int port;
        struct http_server *s = start(&port);
        struct peer p[8];
        size_t n = 8;
        for (size_t i = 0; i < n; i++) {
            peer_open(&p[i], port);
            peer_send(&p[i], "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        wait_for(holds, &n);
        pthread_t t;
        pthread_create(&t, NULL, reply_all, NULL);
        http_server_stop(s);
        pthread_join(t, NULL);
        for (size_t i = 0; i < n; i++) {
            struct answer a;
            peer_read(&p[i], &a, false);
            assert_true(a.status == 200 || a.status == 503);
            peer_close(&p[i]);
        }
    }
}

static void quiesce_finishes_what_runs(void **state)
{
    (void)state;
    int port;
    struct http_server *s = start(&port);
    struct peer p;
    struct answer a;
    size_t n = 1;
    peer_open(&p, port);
    peer_send(&p, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for(holds, &n);
    http_server_quiesce(s);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr addr;
    socklen_t len = sizeof addr;
    assert_int_equal(getpeername(p.fd, &addr, &len), 0);
    assert_int_not_equal(connect(fd, &addr, len), 0);
    close(fd);
    assert_int_equal(http_server_active(s), 1);
    reply_text(held[0], 200, "done");
    peer_read(&p, &a, false);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Connection"), "close");
    wait_for(idle, s);
    peer_close(&p);
    http_server_stop(s);
}

static void on_gate(struct http_request *req, void *ctx)
{
    atomic_fetch_add(&gated, 1);
    assert_ptr_equal(ctx, &gated);
    const struct http_route *route = http_request_route(req);
    if (route->flags == 9) {
        struct err_info info = {0};
        (void)error_set(&info, ERR_UNAUTHENTICATED, "no key");
        http_reply_problem(req, &info);
    } else {
        route->handler(req, ctx);
    }
}

static void gate_comes_first(void **state)
{
    (void)state;
    int port;
    struct http_server_config c = test_config(routes, COUNT_OF(routes), &port);
    c.gate = on_gate;
    c.ctx = &gated;
    struct http_server *s = test_server(&c);
    struct answer a;
    exchange(port, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_int_equal(a.status, 201);
    exchange(port, "DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_problem(&a, 401, "authentication_required");
    exchange(port, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_int_equal(a.status, 404);
    assert_int_equal(atomic_load(&gated), 2);
    http_server_stop(s);
}

static void request_ids_differ(void **state)
{
    (void)state;
    int port;
    struct http_server *s = start(&port);
    char last[64] = "";
    for (int i = 0; i < 20; i++) {
        struct answer a;
        exchange(port, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", &a);
        assert_string_not_equal(answer_header(&a, "Request-Id"), last);
        snprintf(last, sizeof last, "%s", answer_header(&a, "Request-Id"));
    }
    http_server_stop(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_carry_everything),
        cmocka_unit_test(pages_of_every_origin_may_call),
        cmocka_unit_test(routing),
        cmocka_unit_test(keep_alive_and_head),
        cmocka_unit_test(pipelined),
        cmocka_unit_test(many_suspended),
        cmocka_unit_test(peer_leaves_while_suspended),
        cmocka_unit_test(half_closed_peer_is_answered),
        cmocka_unit_test(stop_answers_suspended),
        cmocka_unit_test(stop_races_replies),
        cmocka_unit_test(quiesce_finishes_what_runs),
        cmocka_unit_test(gate_comes_first),
        cmocka_unit_test(request_ids_differ),
    };
    return cmocka_run_group_tests_name("http_server", tests, start_answerer, stop_answerer);
}

/* What the server refuses, and how: limits, late requests, broken framing. */
#include "http/http_test_support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "sys/sys.h"

#define HOST "Host: x\r\n"
#define JSON "Content-Type: application/json\r\n"

static void on_size(struct http_request *req, void *ctx)
{
    (void)ctx;
    char text[32];
    snprintf(text, sizeof text, "%zu", req->body.n);
    reply_text(req, 200, text);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/", on_size, 0},    {HTTP_POST, "/", on_size, 0},
    {HTTP_PUT, "/", on_size, 0},    {HTTP_GET, "/items/{id}", on_size, 0},
    {HTTP_DELETE, "/", on_size, 0},
};

static int port;
static struct http_server *server;

static int start(void **state)
{
    (void)state;
    struct http_server_config c = test_config(routes, COUNT_OF(routes), &port);
    server = test_server(&c);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_server_stop(server);
    return 0;
}

/* Sends raw bytes with their length, so that NULs can be in them. */
#define CASE(text, status, code, closes)                                                           \
    {                                                                                              \
        {text, sizeof(text) - 1}, status, code, closes                                             \
    }
static const struct {
    struct str request;
    int status;
    const char *code;
    bool closes;
} refusals[] = {
    /* two lengths */
    CASE("POST / HTTP/1.1\r\n" HOST JSON
         "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400, "request_invalid", true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON
         "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
         400, "request_invalid", true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400,
         "request_invalid", true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400,
         "request_invalid", true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Content-Length: 2, 2\r\n\r\n{}", 400, "request_invalid",
         true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Content-Length: -2\r\n\r\n{}", 400, "request_invalid",
         true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Content-Length: +2\r\n\r\n{}", 400, "request_invalid",
         true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Content-Length: 0x2\r\n\r\n{}", 400, "request_invalid",
         true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Content-Length:\r\n\r\n{}", 400, "request_invalid", true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Content-Length: 99999999999999999999999\r\n\r\n{}", 413,
         "body_too_large", true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Content-Length: 18446744073709551615\r\n\r\n{}", 413,
         "body_too_large", true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400,
         "request_invalid", true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400,
         "request_invalid", true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON
         "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400, "request_invalid", true),
    CASE("POST / HTTP/1.0\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
         "request_invalid", true),
    /* chunks */
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
         "request_invalid", true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n",
         400, "request_invalid", true),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
         413, "body_too_large", true),
    /* lines */
    CASE("GET / HTTP/1.1\nHost: x\n\n", 400, "request_invalid", true),
    CASE("GET / HTTP/1.1\r\nHost: x\n\r\n", 400, "request_invalid", true),
    CASE("GET / HTTP/1.1\r\nHost: x\r\nA: b\n\r\n", 400, "request_invalid", true),
    CASE("GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n", 400, "request_invalid", true),
    CASE("GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", 400, "request_invalid", true),
    CASE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400,
         "request_invalid", true),
    CASE("POST / HTTP/1.1\r\n" HOST "X: y\r\n\tContent-Length: 5\r\n\r\nhello", 400,
         "request_invalid", true),
    CASE("GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", 400, "request_invalid", true),
    CASE("POST / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\nhello", 400, "request_invalid",
         true),
    CASE("GET / HTTP/1.1\r\n" HOST "A\0B: b\r\n\r\n", 400, "request_invalid", true),
    CASE("GET / HTTP/1.1\r\n" HOST "A: b\0c\r\n\r\n", 400, "request_invalid", true),
    CASE("GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n", 400, "request_invalid", true),
    CASE("GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n", 400, "request_invalid", true),
    CASE("GET / HTTP/1.1\r\n" HOST "nocolon\r\n\r\n", 400, "request_invalid", true),
    CASE("GET / HTTP/1.1\r\n" HOST "A(b): c\r\n\r\n", 400, "request_invalid", true),
    CASE("GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400, "request_invalid", true),
    /* request line */
    CASE("GET  / HTTP/1.1\r\n" HOST "\r\n", 400, "request_invalid", true),
    CASE("GET /a b HTTP/1.1\r\n" HOST "\r\n", 400, "request_invalid", true),
    CASE("GET /\0 HTTP/1.1\r\n" HOST "\r\n", 400, "request_invalid", true),
    CASE("GET /\x7f HTTP/1.1\r\n" HOST "\r\n", 400, "request_invalid", true),
    CASE("GET /items/\xff\xfe HTTP/1.1\r\n" HOST "\r\n", 400, "request_invalid", true),
    CASE("GET / HTTP/1.1 \r\n" HOST "\r\n", 400, "request_invalid", true),
    CASE("GET / http/1.1\r\n" HOST "\r\n", 400, "request_invalid", true),
    CASE("GET /\r\n" HOST "\r\n", 400, "request_invalid", true),
    CASE("GET / HTTP/2.0\r\n" HOST "\r\n", 505, "request_invalid", true),
    CASE("GET / HTTP/0.9\r\n" HOST "\r\n", 505, "request_invalid", true),
    CASE("GET items HTTP/1.1\r\n" HOST "\r\n", 400, "request_invalid", false),
    CASE("CONNECT x:443 HTTP/1.1\r\n" HOST "\r\n", 400, "request_invalid", false),
    /* escapes */
    CASE("GET /items/%zz HTTP/1.1\r\n" HOST "\r\n", 400, "request_invalid", false),
    CASE("GET /items/%4 HTTP/1.1\r\n" HOST "\r\n", 400, "request_invalid", false),
    CASE("GET /items/%00 HTTP/1.1\r\n" HOST "\r\n", 400, "request_invalid", false),
    CASE("GET /items/%ff HTTP/1.1\r\n" HOST "\r\n", 400, "request_invalid", false),
    CASE("GET /nowhere/%c0%af HTTP/1.1\r\n" HOST "\r\n", 400, "request_invalid", false),
    /* hosts */
    CASE("GET / HTTP/1.1\r\n\r\n", 400, "request_invalid", true),
    CASE("GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400, "request_invalid", true),
    /* bodies */
    CASE("GET / HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}", 400, "request_invalid",
         false),
    CASE("DELETE / HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}", 400, "request_invalid",
         false),
    CASE("POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 415, "media_type_unsupported",
         false),
    CASE("PUT / HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415,
         "media_type_unsupported", false),
    CASE("POST / HTTP/1.1\r\n" HOST
         "Content-Type: application/json; charset=latin1\r\nContent-Length: 2\r\n\r\n{}",
         415, "media_type_unsupported", false),
    CASE("POST / HTTP/1.1\r\n" HOST JSON "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
         415, "media_type_unsupported", false),
    CASE("POST / HTTP/1.1\r\n" HOST JSON JSON "Content-Length: 2\r\n\r\n{}", 400, "request_invalid",
         true),
};

static void broken_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct peer p;
        struct answer a;
        peer_open(&p, port);
        assert_true(peer_send_n(&p, refusals[i].request.p, refusals[i].request.n));
        peer_read(&p, &a, false);
        if (a.status != refusals[i].status)
            fail_msg("case %zu: %.*s\n-> %d %s", i, STR_ARG(refusals[i].request), a.status, a.body);
        assert_problem(&a, refusals[i].status, refusals[i].code);
        if (refusals[i].closes) {
            if (!peer_ended(&p))
                fail_msg("case %zu did not close", i);
        } else {
            peer_send(&p, "GET / HTTP/1.1\r\n" HOST "\r\n");
            peer_read(&p, &a, false);
            assert_int_equal(a.status, 200);
        }
        peer_close(&p);
    }
}

static void taken_requests(void **state)
{
    (void)state;
    static const char *const list[] = {
        "GET / HTTP/1.1\r\nhost:x\r\nA:\r\nB: \t \r\n\r\n",
        "\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET /?a=b%20c&a=d HTTP/1.1\r\n" HOST "Cookie: a=b; c=d\r\n\r\n",
        "GET /items/\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "\r\n",
        "POST / HTTP/1.1\r\n" HOST
        "content-type: Application/Json; charset=UTF-8\r\nContent-Length: 2\r\n\r\n{}",
        "PUT / HTTP/1.1\r\n" HOST JSON
        "Transfer-Encoding: Chunked\r\n\r\n1;x=y\r\n1\r\n0\r\nTrailer: v\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        struct answer a;
        exchange(port, list[i], &a);
        if (a.status != 200)
            fail_msg("%s\n-> %d %s", list[i], a.status, a.body);
    }
}

/* A head of n bytes in one header. */
static char *head_of(size_t n)
{
    char *text = mem_alloc(n + 1);
    size_t at = (size_t)snprintf(text, n + 1, "GET / HTTP/1.1\r\n" HOST "A: ");
    memset(text + at, 'a', n - at - 4);
    memcpy(text + n - 4, "\r\n\r\n", 5);
    return text;
}

static void large_heads(void **state)
{
    (void)state;
    static const struct {
        size_t bytes;
        int status;
    } list[] = {{4096, 200}, {4097, 431}, {20000, 431}, {200000, 431}, {3000000, 431}};
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        struct peer p;
        struct answer a;
        char *text = head_of(list[i].bytes);
        peer_open(&p, port);
        assert_true(peer_send_n(&p, text, list[i].bytes));
        peer_read(&p, &a, false);
        if (list[i].status == 200)
            assert_int_equal(a.status, 200);
        else
            assert_problem(&a, 431, "headers_too_large");
        peer_close(&p);
        mem_free(text);
    }
}

static void many_small_headers(void **state)
{
    (void)state;
    struct buf text = BUF(1000000);
    buf_str(&text, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 100000; i++)
        buf_str(&text, "a:b\r\n");
    buf_str(&text, "\r\n");
    struct peer p;
    struct answer a;
    peer_open(&p, port);
    assert_true(peer_send_n(&p, text.p, text.n));
    peer_read(&p, &a, false);
    assert_problem(&a, 431, "headers_too_large");
    peer_close(&p);
    buf_free(&text);
}

static void long_targets(void **state)
{
    (void)state;
    static const size_t lengths[] = {8001, 15000, 300000};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct buf text = BUF(1000000);
        buf_str(&text, "GET /");
        for (size_t n = 1; n < lengths[i]; n++)
            buf_byte(&text, 'a');
        buf_str(&text, " HTTP/1.1\r\n" HOST "\r\n");
        struct peer p;
        struct answer a;
        peer_open(&p, port);
        assert_true(peer_send_n(&p, text.p, text.n));
        peer_read(&p, &a, false);
        assert_problem(&a, 414, "uri_too_long");
        peer_close(&p);
        buf_free(&text);
    }
}

/* Sends a body of n bytes after the head, as plain bytes or as chunks of 1000, whatever the server
 * says meanwhile. */
static void body_case(size_t n, bool chunked, int status)
{
    struct buf text = BUF(40000000);
    buf_str(&text, "POST / HTTP/1.1\r\n" HOST JSON);
    if (chunked)
        buf_str(&text, "Transfer-Encoding: chunked\r\n\r\n");
    else
        buf_printf(&text, "Content-Length: %zu\r\n\r\n", n);
    for (size_t at = 0; at < n;) {
        size_t part = chunked && n - at > 1000 ? 1000 : n - at;
        if (chunked)
            buf_printf(&text, "%zx\r\n", part);
        for (size_t i = 0; i < part; i++)
            buf_byte(&text, '1');
        if (chunked)
            buf_str(&text, "\r\n");
        at += part;
    }
    if (chunked)
        buf_str(&text, "0\r\n\r\n");
    assert_false(text.failed);
    struct peer p;
    struct answer a;
    peer_open(&p, port);
    assert_true(peer_send_n(&p, text.p, text.n)); /* what is refused is drained */
    peer_read(&p, &a, false);
    if (status == 413) {
        assert_problem(&a, 413, "body_too_large");
        assert_true(peer_ended(&p));
    } else {
        char expected[32];
        snprintf(expected, sizeof expected, "%zu", n);
        assert_int_equal(a.status, status);
        assert_string_equal(a.body, expected);
    }
    peer_close(&p);
    buf_free(&text);
}

static void large_bodies(void **state)
{
    (void)state;
    body_case(8192, false, 200);
    body_case(8193, false, 413);
    body_case(8192, true, 200);
    body_case(8193, true, 413);
    /* far too large, and the peer sends all of it before it reads: the answer must survive */
    body_case(5000000, false, 413);
    body_case(5000000, true, 413);
}

static void length_alone_is_refused(void **state)
{
    (void)state;
    struct answer a;
    exchange(port, "POST / HTTP/1.1\r\n" HOST JSON "Content-Length: 10000000000\r\n\r\n", &a);
    assert_problem(&a, 413, "body_too_large");
    exchange(port,
             "POST / HTTP/1.1\r\n" HOST JSON "Expect: 100-continue\r\nContent-Length: 9000\r\n\r\n",
             &a);
    assert_problem(&a, 413, "body_too_large");
}

static void expect_continue(void **state)
{
    (void)state;
    struct peer p;
    struct answer a;
    peer_open(&p, port);
    peer_send(&p,
              "POST / HTTP/1.1\r\n" HOST JSON "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    peer_read(&p, &a, false);
    assert_int_equal(a.status, 100);
    peer_send(&p, "1234");
    peer_read(&p, &a, false);
    assert_string_equal(a.body, "4");
    peer_close(&p);
}

static struct http_server *impatient(int64_t read_ms, int64_t idle_ms, int *ret_port)
{
    struct http_server_config c = test_config(routes, COUNT_OF(routes), ret_port);
    c.read_timeout_ms = read_ms;
    c.idle_timeout_ms = idle_ms;
    return test_server(&c);
}

static void late_requests(void **state)
{
    (void)state;
    static const char *const list[] = {
        "GET",
        "GET / HTTP/1.1\r\nHost",
        "POST / HTTP/1.1\r\n" HOST JSON "Content-Length: 10\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST JSON "Content-Length: 10\r\n\r\n{",
        "POST / HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    };
    int at;
    struct http_server *s = impatient(300, 20000, &at);
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        struct peer p;
        struct answer a;
        peer_open(&p, at);
        peer_send(&p, list[i]);
        peer_read(&p, &a, false);
        if (a.status != 408)
            fail_msg("%s\n-> %d", list[i], a.status);
        assert_problem(&a, 408, "request_timeout");
        assert_true(peer_ended(&p));
        peer_close(&p);
    }
    http_server_stop(s);
}

/* A peer that sends a byte now and then does not win time. */
static void dripping_request(void **state)
{
    (void)state;
    int at;
    struct http_server *s = impatient(400, 20000, &at);
    struct peer p;
    struct answer a;
    int64_t began_us = sys_mono_us();
    peer_open(&p, at);
    peer_send(&p, "GET / HTTP/1.1\r\n" HOST);
    struct timeval tv = {.tv_usec = 20000};
    setsockopt(p.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    char byte;
    while (recv(p.fd, &byte, 1, MSG_PEEK) < 0) {
        assert_true(sys_mono_us() - began_us < TEST_WAIT_MS * 1000);
        (void)peer_send_n(&p, "A: b\r\n", 6);
    }
    tv.tv_sec = 5;
    setsockopt(p.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    peer_read(&p, &a, false);
    assert_problem(&a, 408, "request_timeout");
    peer_close(&p);
    http_server_stop(s);
}

static void idle_connections(void **state)
{
    (void)state;
    int at;
    struct http_server *s = impatient(20000, 300, &at);
    struct peer fresh, used;
    struct answer a;
    peer_open(&fresh, at);
    peer_open(&used, at);
    peer_send(&used, "GET / HTTP/1.1\r\n" HOST "\r\n");
    peer_read(&used, &a, false);
    assert_int_equal(a.status, 200);
    assert_true(peer_ended(&fresh)); /* without a 408 */
    assert_true(peer_ended(&used));
    peer_close(&fresh);
    peer_close(&used);
    http_server_stop(s);
}

/* The time of a request begins with the request, not with the connection. */
static void idle_time_does_not_count(void **state)
{
    (void)state;
    int at;
    struct http_server *s = impatient(1000, 20000, &at);
    struct peer p;
    struct answer a;
    peer_open(&p, at);
    usleep(1200000);
    peer_send(&p, "POST / HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n");
    usleep(300000);
    peer_send(&p, "{}");
    peer_read(&p, &a, false);
    assert_int_equal(a.status, 200);
    peer_close(&p);
    http_server_stop(s);
}

static void second_head_is_late(void **state)
{
    (void)state;
    int at;
    struct http_server *s = impatient(300, 20000, &at);
    struct peer p;
    struct answer a;
    peer_open(&p, at);
    peer_send(&p, "GET / HTTP/1.1\r\n" HOST "\r\n");
    peer_read(&p, &a, false);
    int64_t until_us = sys_mono_us() + 60000; /* the kernel's clock of arrivals is coarse */
    while (sys_mono_us() < until_us)
        usleep(5000);
    peer_send(&p, "GET / HTT");
    peer_read(&p, &a, false);
    assert_problem(&a, 408, "request_timeout");
    peer_close(&p);
    http_server_stop(s);
}

static void connection_limit(void **state)
{
    (void)state;
    int at;
    struct http_server_config c = test_config(routes, COUNT_OF(routes), &at);
    c.connections_max = 4;
    struct http_server *s = test_server(&c);
    struct peer *p = malloc(12 * sizeof *p);
    struct answer a;
    for (int i = 0; i < 12; i++)
        peer_open(&p[i], at);
    for (int i = 0; i < 12; i++) { /* each close makes room for one that waits */
        peer_send(&p[i], "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
        peer_read(&p[i], &a, false);
        assert_int_equal(a.status, 200);
        peer_close(&p[i]);
    }
    free(p);
    http_server_stop(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_requests),
        cmocka_unit_test(taken_requests),
        cmocka_unit_test(large_heads),
        cmocka_unit_test(many_small_headers),
        cmocka_unit_test(long_targets),
        cmocka_unit_test(large_bodies),
        cmocka_unit_test(length_alone_is_refused),
        cmocka_unit_test(expect_continue),
        cmocka_unit_test(late_requests),
        cmocka_unit_test(dripping_request),
        cmocka_unit_test(idle_connections),
        cmocka_unit_test(second_head_is_late),
        cmocka_unit_test(idle_time_does_not_count),
        cmocka_unit_test(connection_limit),
    };
    return cmocka_run_group_tests_name("http_limits", tests, start, stop);
}

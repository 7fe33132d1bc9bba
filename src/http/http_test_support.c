#include "http/http_test_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include "sys/sys.h"

int test_listen(int *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof in;
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fd, 512), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
    *ret_port = ntohs(in.sin_port);
    return fd;
}

void peer_open(struct peer *p, int port)
{
    p->n = 0;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    assert_int_equal(connect(p->fd, (struct sockaddr *)&in, sizeof in), 0);
    struct timeval tv = {.tv_sec = TEST_WAIT_MS / 1000};
    int one = 1;
    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void peer_close(struct peer *p)
{
    close(p->fd);
    p->fd = -1;
}

bool peer_send_n(struct peer *p, const void *data, size_t n)
{
    const char *at = data;
    while (n) {
        ssize_t sent = send(p->fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

void peer_send(struct peer *p, const char *text)
{
    assert_true(peer_send_n(p, text, strlen(text)));
}

static bool fill(struct peer *p)
{
    assert_true(p->n < sizeof p->in);
    ssize_t n = recv(p->fd, p->in + p->n, sizeof p->in - p->n, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail_msg("no answer within the time allowed");
    if (n <= 0)
        return false;
    p->n += (size_t)n;
    return true;
}

void peer_read(struct peer *p, struct answer *a, bool head_only)
{
    a->status = 0;
    a->body_n = 0;
    a->head[0] = a->body[0] = 0;
    char *end;
    while (!(end = memmem(p->in, p->n, "\r\n\r\n", 4)))
        if (!fill(p))
            return;
    size_t head = (size_t)(end - p->in) + 4;
    assert_true(head < sizeof a->head);
    memcpy(a->head, p->in, head);
    a->head[head] = 0;
    int status = atoi(a->head + 9);
    size_t body = (size_t)atol(answer_header(a, "Content-Length"));
    if (head_only || status < 200 || status == 204)
        body = 0;
    assert_true(body < sizeof a->body);
    while (p->n < head + body)
        if (!fill(p))
            return;
    memcpy(a->body, p->in + head, body);
    a->body[body] = 0;
    a->body_n = body;
    a->status = status;
    p->n -= head + body;
    memmove(p->in, p->in + head + body, p->n);
}

bool peer_ended(struct peer *p)
{
    return p->n == 0 && !fill(p);
}

void exchange(int port, const char *request, struct answer *a)
{
    struct peer *p = malloc(sizeof *p);
    peer_open(p, port);
    peer_send(p, request);
    peer_read(p, a, false);
    peer_close(p);
    free(p);
}

const char *answer_header(const struct answer *a, const char *name)
{
    static _Thread_local char value[1024];
    size_t n = strlen(name);
    for (const char *line = strstr(a->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        const char *p = line + 2;
        if (strncasecmp(p, name, n) != 0 || p[n] != ':')
            continue;
        p += n + 1;
        p += strspn(p, " ");
        size_t len = strcspn(p, "\r");
        assert_true(len < sizeof value);
        memcpy(value, p, len);
        value[len] = 0;
        return value;
    }
    return "";
}

void assert_problem(const struct answer *a, int status, const char *code)
{
    char text[128];
    if (a->status != status)
        fail_msg("status %d, expected %d: %s%s", a->status, status, a->head, a->body);
    assert_string_equal(answer_header(a, "Content-Type"), "application/problem+json");
    snprintf(text, sizeof text, "\"status\":%d", status);
    if (!strstr(a->body, text))
        fail_msg("no %s in %s", text, a->body);
    snprintf(text, sizeof text, "\"code\":\"%s\"", code);
    if (!strstr(a->body, text))
        fail_msg("no %s in %s", text, a->body);
    struct id id;
    assert_true(id_parse(ID_REQUEST, str_from(answer_header(a, "Request-Id")), &id));
    assert_non_null(strstr(a->body, answer_header(a, "Request-Id")));
}

void wait_for(bool (*condition)(void *arg), void *arg)
{
    int64_t until_us = sys_mono_us() + TEST_WAIT_MS * 1000;
    while (!condition(arg)) {
        assert_true(sys_mono_us() < until_us);
        struct timespec ms = {.tv_nsec = 1000000};
        nanosleep(&ms, NULL);
    }
}

struct http_server_config test_config(const struct http_route *routes, size_t n, int *ret_port)
{
    return (struct http_server_config){
        .name = "test",
        .listen_fd = test_listen(ret_port),
        .routes = routes,
        .routes_n = n,
        .header_bytes_max = 4096,
        .body_bytes_max = 8192,
        .read_timeout_ms = 20000,
        .idle_timeout_ms = 20000,
        .connections_max = 512,
    };
}

struct http_server *test_server(const struct http_server_config *config)
{
    struct http_server *s = NULL;
    struct err_info info = {0};
    err_t err = http_server_start(config, &s, &info);
    if (err)
        fail_msg("%s", info.detail);
    return s;
}

void reply_text(struct http_request *req, int status, const char *text)
{
    struct buf body = BUF(65536);
    buf_str(&body, text);
    struct http_answer answer = {.status = status, .body = &body, .content_type = "text/plain"};
    http_reply(req, &answer);
}

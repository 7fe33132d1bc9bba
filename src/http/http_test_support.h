/* Raw HTTP peers on loopback for the tests of this room. Not part of the library. */
#ifndef FLORIN_HTTP_TEST_SUPPORT_H
#define FLORIN_HTTP_TEST_SUPPORT_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "http/http.h"

#define TEST_WAIT_MS 15000

/* A connected client and what it has read ahead. */
struct peer {
    int fd;
    char in[262144];
    size_t n;
};
struct answer {
    int status; /* 0: the connection ended without one */
    char head[16384];
    char body[65536];
    size_t body_n;
};

int test_listen(int *ret_port);
void peer_open(struct peer *p, int port);
void peer_close(struct peer *p);
/* Sends all of it; false when the connection broke. */
bool peer_send_n(struct peer *p, const void *data, size_t n);
void peer_send(struct peer *p, const char *text);
/* Reads one answer (interim 100 ones count as answers). */
void peer_read(struct peer *p, struct answer *a, bool head_only);
/* Did the other side close, with nothing more to read? */
bool peer_ended(struct peer *p);
/* One exchange on a connection of its own. */
void exchange(int port, const char *request, struct answer *a);
/* Value of a header, "" when absent; static buffer. */
const char *answer_header(const struct answer *a, const char *name);
/* Is it a problem document of that status and code, with a request id that also is in the header?
 */
void assert_problem(const struct answer *a, int status, const char *code);
/* Waits for condition(arg), fails after TEST_WAIT_MS. */
void wait_for(bool (*condition)(void *arg), void *arg);

/* Limits small enough to reach: head 4096, body 8192, generous time-outs. */
struct http_server_config test_config(const struct http_route *routes, size_t n, int *ret_port);
struct http_server *test_server(const struct http_server_config *config);
void reply_text(struct http_request *req, int status, const char *text);

/* A peer that misbehaves as the path of the request says. */
struct liar {
    int fd, port;
    pthread_t thread;
    atomic_int accepted, closed, requests, at_once, most_at_once;
    atomic_bool release;
};
void liar_start(struct liar *l);
void liar_stop(struct liar *l);

#endif

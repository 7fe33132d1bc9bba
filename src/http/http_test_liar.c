#include "http/http_test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct liar_connection {
    struct liar *liar;
    int fd;
};

static void say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Reads one request into in; false when the peer is gone. */
static bool liar_read(int fd, char *in, size_t max)
{
    size_t n = 0;
    char *end;
    in[0] = 0;
    while (!(end = strstr(in, "\r\n\r\n"))) {
        ssize_t got = recv(fd, in + n, max - n - 1, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
        in[n] = 0;
    }
    const char *length = strcasestr(in, "\r\nContent-Length:");
    size_t need = (size_t)(end - in) + 4 + (length ? (size_t)atol(length + 17) : 0);
    while (n < need) {
        ssize_t got = recv(fd, in + n, max - n - 1, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
        in[n] = 0;
    }
    return true;
}

static void echo(int fd, const char *in)
{
    char text[16384];
    snprintf(text, sizeof text,
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nRetry-After: 12\r\nContent-Length: "
             "%zu\r\n\r\n%s",
             strlen(in), in);
    say(fd, text);
}

static void big(int fd, bool told)
{
    char block[4096];
    memset(block, 'x', sizeof block - 1);
    block[sizeof block - 1] = 0;
    say(fd, told ? "HTTP/1.1 200 OK\r\nContent-Length: 4095000\r\n\r\n"
                 : "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 1000; i++)
        say(fd, block);
}

static void wait_released(struct liar *l)
{
    int at_once = atomic_fetch_add(&l->at_once, 1) + 1;
    int most = atomic_load(&l->most_at_once);
    while (at_once > most && !atomic_compare_exchange_weak(&l->most_at_once, &most, at_once))
        ;
    while (!atomic_load(&l->release))
        usleep(1000);
    atomic_fetch_sub(&l->at_once, 1);
}

/* true: the connection stays. */
static bool liar_answer(struct liar *l, int fd, const char *in)
{
    const char *path = strchr(in, ' ') + 1;
#define IS(p) (strncmp(path, p " ", strlen(p) + 1) == 0)
    if (IS("/echo")) {
        echo(fd, in);
        return true;
    }
    if (IS("/hold")) {
        wait_released(l);
        echo(fd, in);
        return true;
    }
    if (IS("/interim"))
        say(fd, "HTTP/1.1 103 Early Hints\r\nRetry-After: 99\r\n\r\nHTTP/1.1 503 "
                "No\r\nContent-Length: 2\r\n\r\nno");
    else if (IS("/redirect"))
        say(fd, "HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n");
    else if (IS("/half"))
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    else if (IS("/half-chunk"))
        say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nonly this");
    else if (IS("/half-head"))
        say(fd, "HTTP/1.1 200 OK\r\nContent-Le");
    else if (IS("/garbage"))
        say(fd, "SSH-2.0-hello\r\n");
    else if (IS("/big"))
        big(fd, true);
    else if (IS("/endless"))
        big(fd, false);
    else if (IS("/big-head")) {
        say(fd, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 3000; i++)
            say(fd, "X-Filler: 0123456789012345678901234567890123456789\r\n");
        say(fd, "Content-Length: 0\r\n\r\n");
    } else if (IS("/hang"))
        wait_released(l);
    else if (IS("/reset")) {
        struct linger reset = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
#undef IS
    return false; /* "/close" and the others: end the connection */
}

static void *liar_connection_run(void *arg)
{
    struct liar_connection *c = arg;
    char *in = malloc(16384);
    while (liar_read(c->fd, in, 12000)) {
        atomic_fetch_add(&c->liar->requests, 1);
        if (!liar_answer(c->liar, c->fd, in))
            break;
    }
    close(c->fd);
    atomic_fetch_add(&c->liar->closed, 1);
    free(in);
    free(c);
    return NULL;
}

static void *liar_run(void *arg)
{
    struct liar *l = arg;
    pthread_t threads[256];
    size_t n = 0;
    int fd;
    while ((fd = accept(l->fd, NULL, NULL)) >= 0) {
        struct liar_connection *c = malloc(sizeof *c);
        *c = (struct liar_connection){.liar = l, .fd = fd};
        atomic_fetch_add(&l->accepted, 1);
        assert_true(n < COUNT_OF(threads));
        pthread_create(&threads[n++], NULL, liar_connection_run, c);
    }
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    return NULL;
}

void liar_start(struct liar *l)
{
    *l = (struct liar){0};
    l->fd = test_listen(&l->port);
    pthread_create(&l->thread, NULL, liar_run, l);
}

void liar_stop(struct liar *l)
{
    atomic_store(&l->release, true);
    shutdown(l->fd, SHUT_RDWR);
    pthread_join(l->thread, NULL);
    close(l->fd);
}

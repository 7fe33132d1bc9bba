/* Connections, and the thread that watches them: late requests get a 408, idle connections are
 * closed, and a connection that is closed while its peer still sends is drained for a moment, since
 * a reset would destroy the answer under way. */
#include "http/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h> /* the C library's struct tcp_info lacks tcpi_bytes_received */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "observe/observe.h"
#include "sys/sys.h"

#define LINGER_US 2000000
#define LINGER_BYTES_MAX (16u * 1024u * 1024u)

struct conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void peer_text(const struct sockaddr *addr, char out[64])
{
    out[0] = 0;
    if (addr->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)addr)->sin_addr, out, 64);
    } else if (addr->sa_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(in6))
            inet_ntop(AF_INET, in6->s6_addr + 12, out, 64);
        else
            inet_ntop(AF_INET6, in6, out, 64);
    }
}

static void conn_open(struct http_server *s, struct MHD_Connection *mhd, void **socket_context)
{
    if (!s->thread_named) {
        pthread_setname_np(pthread_self(), s->name);
        s->thread_named = true;
    }
    struct conn *c = mem_alloc(sizeof *c);
    *socket_context = c;
    if (!c)
        return;
    c->server = s;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    peer_text(MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
              c->peer);
    atomic_store(&c->since_us, sys_mono_us());
    pthread_mutex_lock(&s->lock);
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    pthread_mutex_unlock(&s->lock);
}

/* A second descriptor keeps the connection open when the library closes its own. */
static void conn_linger(struct http_server *s, struct conn *c)
{
    if (atomic_load(&s->stopping) || atomic_load(&s->lingers) >= HTTP_LINGER_MAX)
        return;
    int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)shutdown(fd, SHUT_WR);
    pthread_mutex_lock(&s->lock);
    ASSERT(s->lingers_new_n < HTTP_LINGER_MAX);
    s->lingers_new[s->lingers_new_n++] =
        (struct drain){.fd = fd, .until_us = sys_mono_us() + LINGER_US};
    atomic_fetch_add(&s->lingers, 1);
    pthread_mutex_unlock(&s->lock);
    watch_wake(s);
}

static void conn_close(struct http_server *s, struct conn *c)
{
    int unread = 0;
    if (atomic_load(&c->linger) || (ioctl(c->fd, FIONREAD, &unread) == 0 && unread > 0))
        conn_linger(s, c);
    pthread_mutex_lock(&s->lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    pthread_mutex_unlock(&s->lock);
    mem_free(c);
}

void conn_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
                 enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_open(s, mhd, socket_context);
    } else if (*socket_context) {
        conn_close(s, *socket_context);
        *socket_context = NULL;
    }
}

static const char *reason(int status)
{
    switch (status) {
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    default:
        return "Bad Request";
    }
}

void conn_refuse(struct conn *c, err_t err)
{
    struct det det = sys_det();
    struct id id = id_new(&det);
    struct err_info info = {0};
    int status = error_def(err)->status;
    (void)error_set(&info, err, "%s", error_def(err)->title);
    struct buf body = BUF(4096), all = BUF(8192);
    problem_write(&body, &info, id, NULL, NULL);
    char text[ID_TEXT_MAX], date[40];
    time_t now = (time_t)(sys_now_us() / 1000000);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    buf_printf(&all,
               "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\nContent-Type: "
               "application/problem+json\r\n"
               "Content-Length: %zu\r\nRequest-Id: %s\r\nCache-Control: no-store\r\n"
               "X-Content-Type-Options: nosniff\r\n\r\n",
               status, reason(status), date, body.n, id_text(ID_REQUEST, id, text));
    buf_add(&all, body.p, body.n);
    if (!body.failed && !all.failed)
        (void)!send(c->fd, all.p, all.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    buf_free(&body);
    buf_free(&all);
    atomic_store(&c->linger, true);
    reply_account(c->server, status, "", (struct str){0}, id, sys_mono_us());
}

/* Has part of a head come since the connection last fell idle? */
static bool head_begun(struct conn *c, int64_t now_us, int64_t since_us)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;
    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
        return false;
    if (!atomic_load(&c->served))
        return info.tcpi_bytes_received > 0;
    /* The kernel counts in ticks: what came within 10 ms of the answer is taken for the request
     * before. */
    return now_us - (int64_t)info.tcpi_last_data_recv * 1000 > since_us + 10000;
}

static void conn_expire(struct conn *c, int phase, bool tell)
{
    if (!atomic_compare_exchange_strong(&c->phase, &phase, CONN_EXPIRED))
        return; /* the request just became whole */
    if (tell)
        conn_refuse(c, ERR_TIMEOUT);
    (void)shutdown(c->fd, SHUT_RDWR); /* the library sees the end and closes */
}

static void conn_check(struct http_server *s, struct conn *c, int64_t now_us)
{
    int64_t read_us = s->config.read_timeout_ms * 1000, idle_us = s->config.idle_timeout_ms * 1000;
    int phase = atomic_load(&c->phase);
    int64_t since_us = atomic_load(&c->since_us), head_us = atomic_load(&c->head_since_us);
    if (phase == CONN_READING) {
        if (now_us - since_us >= read_us)
            conn_expire(c, phase, true);
    } else if (phase == CONN_IDLE) {
        if (head_us == 0 && head_begun(c, now_us, since_us)) {
            head_us = now_us;
            atomic_store(&c->head_since_us, head_us);
        }
        if (head_us && now_us - head_us >= read_us)
            conn_expire(c, phase, true);
        else if (!head_us && now_us - since_us >= idle_us)
            conn_expire(c, phase, false);
    }
}

/* Reads what the peer still sends and throws it away. false: it is done. */
static bool linger_drain(struct drain *l, int64_t now_us)
{
    static _Thread_local char waste[65536];
    if (now_us >= l->until_us)
        return false;
    for (int i = 0; i < 16; i++) {
        ssize_t n = recv(l->fd, waste, sizeof waste, MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        if (n == 0)
            return false;
        l->bytes += (size_t)n;
        if (l->bytes > LINGER_BYTES_MAX)
            return false;
    }
    return true;
}

static void linger_end(struct http_server *s, struct drain *l)
{
    (void)close(l->fd);
    atomic_fetch_sub(&s->lingers, 1);
}

void watch_wake(struct http_server *s)
{
    uint64_t one = 1;
    (void)!write(s->wake_fd, &one, sizeof one);
}

static size_t lingers_take(struct http_server *s, struct drain *held, size_t n)
{
    pthread_mutex_lock(&s->lock);
    ASSERT(n + s->lingers_new_n <= HTTP_LINGER_MAX);
    memcpy(held + n, s->lingers_new, s->lingers_new_n * sizeof *held);
    n += s->lingers_new_n;
    s->lingers_new_n = 0;
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void sweep(struct http_server *s, int64_t now_us)
{
    pthread_mutex_lock(&s->lock);
    for (struct conn *c = s->conns; c; c = c->next)
        conn_check(s, c, now_us);
    pthread_mutex_unlock(&s->lock);
}

void *watch_run(void *server)
{
    struct http_server *s = server;
    struct drain held[HTTP_LINGER_MAX];
    size_t n = 0;
    int64_t shortest = num_min(s->config.read_timeout_ms, s->config.idle_timeout_ms);
    int64_t tick_us = num_max(10, num_min(shortest / 8, 1000)) * 1000,
            next_us = sys_mono_us() + tick_us;
    while (!atomic_load(&s->stopping)) {
        n = lingers_take(s, held, n);
        struct pollfd fds[HTTP_LINGER_MAX + 1] = {{.fd = s->wake_fd, .events = POLLIN}};
        for (size_t i = 0; i < n; i++)
            fds[i + 1] = (struct pollfd){.fd = held[i].fd, .events = POLLIN};
        int64_t wait_us = num_max(next_us - sys_mono_us(), 0);
        (void)poll(fds, n + 1, (int)(wait_us / 1000) + 1);
        int64_t now_us = sys_mono_us();
        if (fds[0].revents) {
            uint64_t count;
            (void)!read(s->wake_fd, &count, sizeof count);
        }
        size_t kept = 0;
        for (size_t i = 0; i < n; i++) {
            if (linger_drain(&held[i], now_us))
                held[kept++] = held[i];
            else
                linger_end(s, &held[i]);
        }
        n = kept;
        if (now_us >= next_us) {
            sweep(s, now_us);
            next_us = now_us + tick_us;
        }
    }
    n = lingers_take(s, held, n);
    for (size_t i = 0; i < n; i++)
        linger_end(s, &held[i]);
    return NULL;
}

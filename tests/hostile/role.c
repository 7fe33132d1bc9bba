/* The role: it begins like the real one, is confined like it, and has its links. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostile/hostile.h"
#include "observe/observe.h"
#include "sys/sys.h"

#define MERCHANT 2 /* whatever token a browser brings */

int hostile_send(int to, struct str frame, int n, int flags)
{
    union {
        char bytes[CMSG_SPACE(16 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec io = {(void *)(uintptr_t)frame.p, frame.n};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    ASSERT(n <= 16);
    if (n > 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
        for (int i = 0; i < n; i++)
            memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &to, sizeof to);
    }
    return sendmsg(to, &m, MSG_NOSIGNAL | flags) >= 0 ? 0 : errno;
}

static void answer(int to, enum link_message message, uint64_t call, struct buf *payload)
{
    char bytes[4096];
    ASSERT(!payload->failed && payload->n + FRAME_HEAD <= sizeof bytes);
    frame_head((uint8_t *)bytes, (int)message, payload->n, call);
    memcpy(bytes + FRAME_HEAD, payload->p, payload->n);
    (void)hostile_send(to, (struct str){bytes, FRAME_HEAD + payload->n}, 0, 0);
}

/* Every token is good, and every card is kept in mind. */
static void serve(struct hostile *h, int fd, const struct link_frame *f)
{
    struct buf out = BUF(LINK_SMALL);
    struct link_reader r = {.rest = f->payload};
    if (f->message == LINK_CLIENT_CHECK) {
        link_put_int(&out, 0);
        link_put_str(&out, STR(""));
        link_put_int(&out, MERCHANT);
        link_put_int(&out, 0);
        answer(fd, LINK_CLIENT_IS, f->call, &out);
    } else if (f->message == LINK_CARD_SAVED) {
        (void)link_take_str(&r, 4096);
        struct id id = link_take_id(&r);
        pthread_mutex_lock(&h->lock);
        h->cards[h->cards_n++ % HOSTILE_CARDS] = id;
        pthread_mutex_unlock(&h->lock);
        link_put_int(&out, 201);
        link_put_str(&out, STR("{}"));
        answer(fd, LINK_METHOD_IS, f->call, &out);
    } else if (f->message == LINK_PAGE_REPORT) {
        link_put_int(&out, 0);
        answer(fd, LINK_PAGE_REPORTED, f->call, &out);
    }
    buf_free(&out);
    pthread_mutex_lock(&h->lock);
    if (frame_answer(f->message) == LINK_NONE && f->call == h->call) {
        buf_clear(&h->answer);
        buf_add(&h->answer, f->payload.p, f->payload.n);
        h->message = (int)f->message;
        pthread_cond_broadcast(&h->changed);
    }
    pthread_mutex_unlock(&h->lock);
}

static void *read_card(void *arg)
{
    static char bytes[FRAME_MAX];
    struct hostile *h = arg;
    int fd = h->card_fd;
    for (;;) {
        while (__atomic_load_n(&h->paused, __ATOMIC_SEQ_CST))
            sys_pause_us(1000);
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        struct link_frame f;
        if (n <= 0)
            break;
        if (write(h->log_fd, bytes, (size_t)n) != n)
            check_panic("hostile: what came cannot be kept");
        if (frame_read((struct str){bytes, (size_t)n}, LINK_CARD, LINK_API, &f))
            serve(h, fd, &f);
    }
    pthread_mutex_lock(&h->lock);
    close(fd);
    h->card_fd = -1;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* The parent's words: the link to `card`. */
static bool heard(struct link *l, const struct link_frame *f, void *arg)
{
    struct hostile *h = arg;
    (void)l;
    if (f->message != LINK_PEER || f->fd < 0)
        return false;
    if (h->reading) {
        (void)shutdown(h->card_fd, SHUT_RDWR);
        pthread_join(h->reader, NULL);
    }
    h->card_fd = f->fd;
    h->reading = true;
    h->reader = sys_thread("reader", read_card, h);
    return true;
}

static err_t start(struct hostile *h, int private_fd, int control_fd, struct err_info *info)
{
    char path[1100];
    const struct config *c = h->config;
    struct http_server_config server = {.name = "hostile",
                                        .listen_fd = private_fd,
                                        .routes = hostile_routes,
                                        .routes_n = hostile_routes_n,
                                        .ctx = h,
                                        .header_bytes_max = 16384,
                                        .body_bytes_max = 400000,
                                        .read_timeout_ms = 10000,
                                        .idle_timeout_ms = 10000,
                                        .connections_max = 100};
    struct link_config control = {.fd = control_fd,
                                  .self = LINK_API,
                                  .peer = LINK_PARENT,
                                  .thread = "control",
                                  .request = heard,
                                  .arg = h};
    if (!api_places(c, &h->places))
        return error_set(info, ERR_CONFIG, "no places");
    err_t err = role_confine_api(c, &h->places, info);
    (void)snprintf(path, sizeof path, "%s/hostile.received", c->data);
    h->log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (!err && h->log_fd < 0)
        err = error_set(info, ERR_IO, "no file for what comes");
    if (!err)
        err = http_server_start(&server, &h->server, info);
    return err ? err : link_open(&control, &h->control);
}

int role_api(int argc, char **argv)
{
    struct option own[] = {{"private-fd", true, NULL},
                           {"public-fd", true, NULL},
                           {"control-fd", true, NULL},
                           {"ready-fd", true, NULL},
                           {"vault-id", true, NULL}};
    static struct role_start r;
    static struct hostile h;
    struct err_info info = {0};
    sigset_t signals;
    int got;
    if (!role_begin(&r, own, COUNT_OF(own), argc, argv))
        return EXIT_USAGE;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    h = (struct hostile){.config = &r.options.config,
                         .card_fd = -1,
                         .control_fd = r.control_fd,
                         .answer = BUF(LINK_PAYLOAD_MAX)};
    pthread_mutex_init(&h.lock, NULL);
    pthread_cond_init(&h.changed, NULL);
    if (start(&h, role_fd(&own[0]), r.control_fd, &info) != OK)
        return fail(&info);
    role_ready(r.ready_fd);
    (void)sigwait(&signals, &got);
    _exit(EXIT_DONE);
}

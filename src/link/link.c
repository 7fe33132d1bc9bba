/* A link: requests that wait for their answer, a reader, a writer. */
#include "link/link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "link/frame.h"
#include "observe/observe.h"
#include "sys/sys.h"

#define SEND_WAIT_MS 100
#define ANSWER_WAIT_MS 2000
#define BUCKETS 256
#define LOOK_US 500000 /* for answers that are overdue */

struct question {
    struct question *next;
    uint64_t call;
    enum link_message answer;
    int64_t until_us;                                /* monotonic */
    void (*done)(const struct link_frame *, void *); /* NULL: it has been given up */
    void *arg;
};

struct link {
    struct link_config config;
    pthread_mutex_t lock; /* of the questions; closed, asking */
    struct question *open[BUCKETS];
    bool broken;    /* atomic: writing has failed; the reader will learn it, too */
    bool refused;   /* atomic: the peer sent what it may not */
    uint64_t calls; /* from a number of chance: no two links have the same */
    uint64_t peer;  /* the upper half of the peer's numbers; atomic */
    bool closed;    /* no question is taken any more */
    int asking;     /* questions that are being written: whether they were sent is not known yet */
    pthread_cond_t asked;
    pthread_t thread;
    char *frame; /* FRAME_MAX bytes, wiped after each */
};

/* --- questions --- */
/* Once it is remembered, its answer may free it; the end of the link waits for asking_ends. */
static bool remember(struct link *l, struct question *q, uint64_t *ret_call)
{
    pthread_mutex_lock(&l->lock);
    bool open = !l->closed;
    if (open) {
        struct question **at = &l->open[++l->calls % BUCKETS];
        q->call = *ret_call = l->calls;
        q->next = *at;
        *at = q;
        l->asking++;
    }
    pthread_mutex_unlock(&l->lock);
    return open;
}

static struct question *recall(struct link *l, uint64_t call)
{
    struct question **at = &l->open[call % BUCKETS], *found;
    pthread_mutex_lock(&l->lock);
    while (*at && (*at)->call != call)
        at = &(*at)->next;
    found = *at;
    if (found)
        *at = found->next;
    pthread_mutex_unlock(&l->lock);
    return found;
}

static void asking_ends(struct link *l)
{
    pthread_mutex_lock(&l->lock);
    if (--l->asking == 0)
        pthread_cond_broadcast(&l->asked);
    pthread_mutex_unlock(&l->lock);
}

/* The peer is gone: nobody knows what became of what it was asked. What could not be sent is not
 * among it: who asks takes that back. */
static void forget_all(struct link *l)
{
    pthread_mutex_lock(&l->lock);
    l->closed = true;
    while (l->asking > 0)
        pthread_cond_wait(&l->asked, &l->lock);
    struct question *all = NULL;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct question *q; (q = l->open[i]);) {
            l->open[i] = q->next;
            q->next = all;
            all = q;
        }
    pthread_mutex_unlock(&l->lock);
    for (struct question *q; (q = all);) {
        all = q->next;
        if (q->done)
            q->done(NULL, q->arg);
        mem_free(q);
    }
}

/* Takes one whose answer is overdue; it stays, so that a late answer has something to come to. */
static bool take_late(struct link *l, int64_t now_us, struct question *ret)
{
    bool found = false;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < BUCKETS && !found; i++)
        for (struct question *q = l->open[i]; q && !found; q = q->next) {
            found = q->done && q->until_us <= now_us;
            if (found) {
                *ret = *q;
                q->done = NULL;
            }
        }
    pthread_mutex_unlock(&l->lock);
    return found;
}

/* A peer that hangs keeps nobody waiting for ever. */
static void give_up_late(struct link *l)
{
    struct question q;
    while (take_late(l, sys_mono_us(), &q)) {
        LOG(LOG_ERROR, "link.no_answer", LOG_STR("from", link_role_text(l->config.peer)),
            LOG_STR("message", link_message_text((int)q.answer)));
        q.done(NULL, q.arg);
    }
}

/* --- writing --- */
static bool write_frame(struct link *l, struct msghdr *m, int wait_ms)
{
    int64_t end_us = 0;
    for (;;) {
        ssize_t n = sendmsg(l->config.fd, m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            return true;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) {
            __atomic_store_n(&l->broken, true, __ATOMIC_RELAXED);
            return false;
        }
        int64_t now_us = sys_mono_us();
        end_us = end_us ? end_us : now_us + wait_ms * INT64_C(1000);
        struct pollfd p = {.fd = l->config.fd, .events = POLLOUT};
        int got = now_us >= end_us ? 0 : poll(&p, 1, (int)((end_us - now_us) / 1000) + 1);
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
    }
}

/* Is it an answer to what somebody asked over the link before this one? Whoever asks now would take
 * it for his. */
static bool strays(struct link *l, enum link_message message, uint64_t call)
{
    return call && frame_answer(message) == LINK_NONE &&
           call >> 32 != __atomic_load_n(&l->peer, __ATOMIC_RELAXED);
}

bool link_send(struct link *l, enum link_message message, uint64_t call, struct str payload, int fd)
{
    uint8_t head[FRAME_HEAD];
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    ASSERT(link_allowed((int)message, l->config.self, l->config.peer, payload.n));
    if (strays(l, message, call))
        return false;
    frame_head(head, (int)message, payload.n, call);
    struct iovec io[2] = {{head, sizeof head}, {(void *)(uintptr_t)payload.p, payload.n}};
    struct msghdr m = {.msg_iov = io, .msg_iovlen = payload.n ? 2 : 1};
    if (fd >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    bool answer = call != 0 && frame_answer(message) == LINK_NONE;
    bool sent = write_frame(l, &m, answer ? ANSWER_WAIT_MS : SEND_WAIT_MS);
    if (answer && !sent) {
        __atomic_store_n(&l->broken, true, __ATOMIC_RELAXED);
        (void)shutdown(l->config.fd, SHUT_RDWR);
    }
    return sent;
}

err_t link_ask(struct link *l, enum link_message message, struct str payload,
               void (*done)(const struct link_frame *answer, void *arg), void *arg)
{
    struct question *q = mem_alloc(sizeof *q);
    if (!q)
        return ERR_NO_MEMORY;
    int64_t patience_us =
        l->config.patience_us > 0 ? l->config.patience_us : frame_patience_us(message);
    *q = (struct question){.answer = frame_answer(message),
                           .until_us = sys_mono_us() + patience_us,
                           .done = done,
                           .arg = arg};
    ASSERT(q->answer != LINK_NONE);
    uint64_t call = 0;
    if (!remember(l, q, &call)) {
        mem_free(q);
        return ERR_UNAVAILABLE;
    }
    bool sent = link_send(l, message, call, payload, -1);
    q = sent ? NULL : recall(l, call);
    asking_ends(l);
    bool none = q && q->done; /* else it was sent, or took so long that done has come */
    mem_free(q);
    return none ? ERR_UNAVAILABLE : OK;
}

bool link_lives(struct link *l)
{
    pthread_mutex_lock(&l->lock);
    bool open = !l->closed;
    pthread_mutex_unlock(&l->lock);
    return open && !__atomic_load_n(&l->broken, __ATOMIC_RELAXED);
}

bool link_refused(struct link *l)
{
    return __atomic_load_n(&l->refused, __ATOMIC_RELAXED);
}

/* --- reading --- */
/* The descriptor that came with a frame, -1 none. Of several none is kept: room for one has room
 * for two. */
static int fd_of(struct msghdr *m)
{
    int fd = -1, n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof fd <= c->cmsg_len - CMSG_LEN(0); at += sizeof fd) {
            if (n++)
                close(fd);
            memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
        }
    }
    if (n > 1) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool handle(struct link *l, struct str bytes, int fd)
{
    struct link_frame f;
    if (!frame_read(bytes, l->config.peer, l->config.self, &f) ||
        (fd >= 0 && !frame_carries(f.message))) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    f.fd = fd;
    if (f.call && frame_answer(f.message) != LINK_NONE)
        __atomic_store_n(&l->peer, f.call >> 32, __ATOMIC_RELAXED);
    /* Answers repeat a number of ours; requests have one of the peer's. */
    struct question *q = f.call && frame_answer(f.message) == LINK_NONE ? recall(l, f.call) : NULL;
    if (!q)
        return l->config.request(l, &f, l->config.arg);
    bool good = q->answer == f.message;
    if (q->done)
        q->done(good ? &f : NULL, q->arg);
    mem_free(q);
    return good;
}

/* false: there will be no more. *ret_none: there is none now. */
static bool read_one(struct link *l, int flags, bool *ret_none)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec io = {l->frame, FRAME_MAX};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(l->config.fd, &m, flags | MSG_CMSG_CLOEXEC);
    *ret_none = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    if (n < 0)
        return *ret_none;
    int fd = fd_of(&m);
    bool whole = n > 0 && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
    if (!whole && fd >= 0)
        close(fd);
    if (n == 0)
        return false;
    bool good = whole && handle(l, (struct str){l->frame, (size_t)n}, fd);
    mem_wipe(l->frame, (size_t)n);
    if (!good) {
        __atomic_store_n(&l->refused, true, __ATOMIC_RELAXED);
        LOG(LOG_ERROR, "link.refused", LOG_STR("from", link_role_text(l->config.peer)),
            LOG_STR("to", link_role_text(l->config.self)), LOG_INT("bytes", (int64_t)n));
    }
    return good;
}

static void *run(void *arg)
{
    struct link *l = arg;
    bool none;
    int64_t looked_us = 0;
    while (read_one(l, 0, &none)) {
        int64_t now_us = sys_mono_us();
        if (now_us - looked_us < LOOK_US)
            continue;
        looked_us = now_us;
        give_up_late(l);
    }
    (void)shutdown(l->config.fd, SHUT_RDWR); /* the peer learns it, too */
    forget_all(l);
    if (l->config.gone)
        l->config.gone(l, l->config.arg);
    return NULL;
}

bool link_step(struct link *l, int max)
{
    bool none = false;
    while (max-- > 0 && !none)
        if (!read_one(l, MSG_DONTWAIT, &none))
            return false;
    return true;
}

/* --- beginning and end --- */
err_t link_open(const struct link_config *config, struct link **ret)
{
    struct link *l = mem_alloc(sizeof *l);
    char *frame = mem_alloc(FRAME_MAX);
    if (!l || !frame) {
        mem_free(l);
        mem_free(frame);
        close(config->fd);
        return ERR_NO_MEMORY;
    }
    *l = (struct link){.config = *config, .frame = frame};
    uint32_t chance = 0;
    sys_random(&chance, sizeof chance);
    l->calls = (uint64_t)chance << 32;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->asked, NULL);
    *ret = l;
    const struct timeval look = {.tv_usec = LOOK_US};
    (void)setsockopt(config->fd, SOL_SOCKET, SO_RCVTIMEO, &look, sizeof look);
    if (config->thread)
        l->thread = sys_thread(config->thread, run, l);
    return OK;
}

int link_fd(const struct link *l)
{
    return l->config.fd;
}

void link_close(struct link *l)
{
    if (!l)
        return;
    (void)shutdown(l->config.fd, SHUT_RDWR);
    if (l->config.thread)
        pthread_join(l->thread, NULL);
    forget_all(l);
    close(l->config.fd);
    pthread_cond_destroy(&l->asked);
    pthread_mutex_destroy(&l->lock);
    mem_free(l->frame);
    mem_free(l);
}

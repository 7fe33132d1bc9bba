/* The client: libcurl's multi interface driven by epoll on a thread of its own. All transfers
 * belong to that thread; only the intake is shared. */
#include "http/http_client_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sys/sys.h"

#define EVENTS_MAX 64

struct post {
    struct post *next;
    void (*fn)(void *);
    void *arg;
};

/* A connection's socket stays in the epoll set between two calls: adding and removing it each time
 * costs two system calls per call. */
struct watched {
    bool ours;       /* opened by client_socket_open, so we learn when it is closed */
    bool idle;       /* libcurl has no interest at present */
    uint32_t events; /* in the epoll set with these; 0: not in it */
};

struct http_client {
    char name[16];
    unsigned calls_max, running;
    CURLM *multi;
    int epoll_fd, wake_fd;
    struct watched *watched; /* by file descriptor */
    size_t watched_n;
    int64_t timer_us; /* monotonic; -1: none */
    struct slot *free, *active;
    struct http_call *waiting, **waiting_tail; /* the client's thread only */
    pthread_t thread;

    pthread_mutex_t lock; /* what follows */
    struct http_call *calls, **calls_tail;
    struct post *posts, **posts_tail;
    bool stopping, awake; /* awake: the thread will look at the intake without being woken */
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_begin(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        check_panic("http: libcurl cannot be initialised");
}

static void call_fail(struct http_call *call, const char *error)
{
    struct http_result r = {.sent = HTTP_NOT_SENT, .error = error};
    call->client_private = NULL;
    call->done(call, &r);
}

static void active_remove(struct http_client *c, struct slot *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        c->active = s->next;
    if (s->next)
        s->next->prev = s->prev;
    s->prev = s->next = NULL;
    c->running--;
    (void)curl_multi_remove_handle(c->multi, s->easy);
}

static void call_begin(struct http_client *c, struct http_call *call)
{
    if (call->start_before_us && sys_now_us() > call->start_before_us) {
        call_fail(call, "waited too long to be sent");
        return;
    }
    struct slot *s = slot_take(c, &c->free);
    if (!s) {
        call_fail(call, "no memory for the call");
        return;
    }
    s->call = call;
    call->client_private = s;
    if (!slot_prepare(s) || curl_multi_add_handle(c->multi, s->easy) != CURLM_OK) {
        struct http_result r = {.sent = HTTP_NOT_SENT, .error = "the call is not valid"};
        slot_done(s, &r, &c->free);
        return;
    }
    s->next = c->active;
    if (s->next)
        s->next->prev = s;
    c->active = s;
    c->running++;
}

/* --- the loop --- */

static struct watched *watched_at(struct http_client *c, int fd)
{
    if ((size_t)fd >= c->watched_n) {
        size_t n = (size_t)fd + 64;
        struct watched *more = mem_resize(c->watched, n * sizeof *more);
        if (!more)
            check_panic("http: no memory to watch a socket");
        memset(more + c->watched_n, 0, (n - c->watched_n) * sizeof *more);
        c->watched = more;
        c->watched_n = n;
    }
    return &c->watched[fd];
}

curl_socket_t client_socket_open(struct http_client *c, const struct curl_sockaddr *addr)
{
    int fd = socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    *watched_at(c, fd) = (struct watched){.ours = true};
    return fd;
}

int client_socket_close(void *client, curl_socket_t fd)
{
    *watched_at(client, fd) = (struct watched){0}; /* closing takes it out of the epoll set */
    return close(fd);
}

static void unwatch(struct http_client *c, int fd, struct watched *w)
{
    (void)epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    w->events = 0;
    w->idle = false;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    (void)easy;
    (void)known;
    struct http_client *c = arg;
    struct watched *w = watched_at(c, fd);
    if (what == CURL_POLL_REMOVE) {
        w->idle = w->ours;
        if (!w->ours)
            unwatch(c, fd, w);
        return 0;
    }
    struct epoll_event ev = {.data.fd = fd};
    if (what & CURL_POLL_IN)
        ev.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        ev.events |= EPOLLOUT;
    w->idle = false;
    if (w->events == ev.events)
        return 0;
    int op = w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    w->events = ev.events;
    return epoll_ctl(c->epoll_fd, op, fd, &ev);
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    struct http_client *c = arg;
    c->timer_us = ms < 0 ? -1 : sys_mono_us() + ms * 1000;
    return 0;
}

static void wake(struct http_client *c)
{
    uint64_t one = 1;
    (void)!write(c->wake_fd, &one, sizeof one);
}

/* Takes the intake. false: stopping and nothing is left of it. */
static bool intake(struct http_client *c)
{
    pthread_mutex_lock(&c->lock);
    c->awake = true;
    struct post *posts = c->posts;
    c->posts = NULL;
    c->posts_tail = &c->posts;
    if (c->calls) {
        *c->waiting_tail = c->calls;
        c->waiting_tail = c->calls_tail;
        c->calls = NULL;
        c->calls_tail = &c->calls;
    }
    bool stopping = c->stopping;
    pthread_mutex_unlock(&c->lock);
    while (posts) {
        struct post *p = posts;
        posts = p->next;
        p->fn(p->arg);
        mem_free(p);
    }
    return !stopping;
}

static struct http_call *waiting_take(struct http_client *c)
{
    struct http_call *call = c->waiting;
    if (!call)
        return NULL;
    c->waiting = call->next;
    if (!c->waiting)
        c->waiting_tail = &c->waiting;
    call->next = NULL;
    return call;
}

static void reap(struct http_client *c)
{
    int left;
    CURLMsg *m;
    while ((m = curl_multi_info_read(c->multi, &left))) {
        if (m->msg != CURLMSG_DONE)
            continue;
        struct slot *s = NULL;
        CURLcode code = m->data.result; /* m does not outlive the removal */
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&s);
        ASSERT(s && s->call);
        active_remove(c, s);
        slot_finish(s, code, &c->free);
    }
}

/* How long to sleep; 0 when something came in meanwhile. After this the intake wakes the thread. */
static int sleep_ms(struct http_client *c)
{
    pthread_mutex_lock(&c->lock);
    bool busy = c->calls || c->posts || c->stopping || (c->waiting && c->running < c->calls_max);
    c->awake = busy;
    pthread_mutex_unlock(&c->lock);
    if (busy)
        return 0;
    if (c->timer_us < 0)
        return 1000;
    int64_t us = c->timer_us - sys_mono_us();
    return us <= 0 ? 0 : (int)num_min((us + 999) / 1000, 1000);
}

static void turn(struct http_client *c)
{
    struct epoll_event events[EVENTS_MAX];
    int running;
    int n = epoll_wait(c->epoll_fd, events, EVENTS_MAX, sleep_ms(c));
    pthread_mutex_lock(&c->lock);
    c->awake = true;
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; i < n; i++) {
        if (events[i].data.fd == c->wake_fd) {
            uint64_t count;
            (void)!read(c->wake_fd, &count, sizeof count);
            continue;
        }
        struct watched *w = watched_at(c, events[i].data.fd);
        if (w->idle) { /* closed by the peer, most likely: libcurl looks before it uses it again */
            unwatch(c, events[i].data.fd, w);
            continue;
        }
        int what = 0;
        if (events[i].events & EPOLLIN)
            what |= CURL_CSELECT_IN;
        if (events[i].events & EPOLLOUT)
            what |= CURL_CSELECT_OUT;
        if (events[i].events & (EPOLLERR | EPOLLHUP))
            what |= CURL_CSELECT_ERR;
        (void)curl_multi_socket_action(c->multi, events[i].data.fd, what, &running);
    }
    if (c->timer_us >= 0 && sys_mono_us() >= c->timer_us) {
        c->timer_us = -1;
        (void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    reap(c);
}

static void *client_run(void *arg)
{
    struct http_client *c = arg;
    while (intake(c)) {
        struct http_call *call;
        while (c->running < c->calls_max && (call = waiting_take(c)))
            call_begin(c, call);
        turn(c);
    }
    while (c->active) {
        struct slot *s = c->active;
        active_remove(c, s);
        struct http_result r = {.sent = s->sending ? HTTP_UNKNOWN : HTTP_NOT_SENT,
                                .error = "the client stops"};
        slot_done(s, &r, &c->free);
    }
    do { /* the callbacks may have queued more */
        struct http_call *call;
        (void)intake(c);
        while ((call = waiting_take(c)))
            call_fail(call, "the client stops");
        pthread_mutex_lock(&c->lock);
    } while ((c->calls || c->posts) && pthread_mutex_unlock(&c->lock) == 0);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static void client_destroy(struct http_client *c)
{
    for (struct slot *s = c->free, *next; s; s = next) {
        next = s->next;
        slot_destroy(s);
    }
    if (c->multi)
        (void)curl_multi_cleanup(c->multi);
    if (c->epoll_fd >= 0)
        (void)close(c->epoll_fd);
    if (c->wake_fd >= 0)
        (void)close(c->wake_fd);
    mem_free(c->watched);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

static bool client_init(struct http_client *c)
{
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    c->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    c->multi = curl_multi_init();
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = c->wake_fd};
    return c->epoll_fd >= 0 && c->wake_fd >= 0 && c->multi &&
           epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->wake_fd, &ev) == 0 &&
           curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c) == CURLM_OK &&
           curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c) == CURLM_OK &&
           curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) == CURLM_OK &&
           curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)c->calls_max) == CURLM_OK;
}

err_t http_client_start(const char *name, unsigned calls_max, struct http_client **ret,
                        struct err_info *reterr)
{
    ASSERT(calls_max > 0);
    (void)pthread_once(&curl_once, curl_begin);
    struct http_client *c = mem_alloc(sizeof *c);
    if (!c)
        return error_set(reterr, ERR_NO_MEMORY, "no memory for the HTTP client");
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    c->calls_max = calls_max;
    c->timer_us = -1;
    c->waiting_tail = &c->waiting;
    c->calls_tail = &c->calls;
    c->posts_tail = &c->posts;
    pthread_mutex_init(&c->lock, NULL);
    if (!client_init(c)) {
        client_destroy(c);
        return error_set(reterr, ERR_IO, "the HTTP client did not start");
    }
    c->thread = sys_thread(c->name, client_run, c);
    *ret = c;
    return OK;
}

/* Under the lock: must the thread be woken? */
static bool must_wake(struct http_client *c)
{
    bool ret = !c->awake;
    c->awake = true;
    return ret;
}

void http_client_call(struct http_client *c, struct http_call *call)
{
    ASSERT(call->method && call->url && call->done);
    call->next = NULL;
    pthread_mutex_lock(&c->lock);
    *c->calls_tail = call;
    c->calls_tail = &call->next;
    bool asleep = must_wake(c);
    pthread_mutex_unlock(&c->lock);
    if (asleep)
        wake(c);
}

void http_client_post(struct http_client *c, void (*fn)(void *), void *arg)
{
    struct post *p = mem_alloc(sizeof *p);
    if (!p)
        check_panic("http: no memory to post work");
    *p = (struct post){.fn = fn, .arg = arg};
    pthread_mutex_lock(&c->lock);
    *c->posts_tail = p;
    c->posts_tail = &p->next;
    bool asleep = must_wake(c);
    pthread_mutex_unlock(&c->lock);
    if (asleep)
        wake(c);
}

void http_client_stop(struct http_client *c)
{
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    bool asleep = must_wake(c);
    pthread_mutex_unlock(&c->lock);
    if (asleep)
        wake(c);
    pthread_join(c->thread, NULL);
    client_destroy(c);
}

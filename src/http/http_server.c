#include "http/http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "observe/observe.h"
#include "sys/sys.h"

#define LIBRARY_KNOWN "0.9.75"
#define STOP_WAIT_US 3000000

static void panic(void *cls, const char *file, unsigned int line, const char *why)
{
    (void)cls;
    check_panic("http library: %s (%s:%u)", why ? why : "", file, line);
}

PRINTF_LIKE(2, 0) static void library_log(void *cls, const char *fmt, va_list ap)
{
    struct http_server *s = cls;
    char text[256];
    (void)vsnprintf(text, sizeof text, fmt, ap);
    size_t n = strlen(text);
    while (n && text[n - 1] == '\n')
        text[--n] = 0;
    LOG(LOG_DEBUG, "http.library", LOG_STR("zone", s->config.name), LOG_STR("text", text));
}

/* The library would decode in place; paths stay raw until the router has cut them. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *s)
{
    (void)cls;
    (void)mhd;
    return strlen(s);
}

void server_unref(struct http_server *s)
{
    if (atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    router_release(&s->router);
    pthread_mutex_destroy(&s->lock);
    if (s->wake_fd >= 0)
        (void)close(s->wake_fd);
    mem_free(s);
}

static struct http_server *server_new(const struct http_server_config *config,
                                      struct err_info *reterr)
{
    struct http_server *s = mem_alloc(sizeof *s);
    if (!s) {
        (void)error_set(reterr, ERR_NO_MEMORY, "no memory for the listener");
        return NULL;
    }
    s->config = *config;
    (void)snprintf(s->name, sizeof s->name, "http-%s", config->name);
    for (int i = 0; i < 5; i++)
        (void)snprintf(s->labels[i], sizeof s->labels[i], "zone=\"%.16s\",class=\"%dxx\"",
                       config->name, i + 1);
    s->det = sys_det();
    s->exact_framing = strncmp(MHD_get_version(), LIBRARY_KNOWN, strlen(LIBRARY_KNOWN)) == 0;
    s->quiesced_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    atomic_store(&s->refs, 1);
    s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->wake_fd < 0) {
        (void)error_set(reterr, ERR_IO, "the listener's event descriptor cannot be made");
        server_unref(s);
        return NULL;
    }
    if (router_init(&s->router, config->routes, config->routes_n, reterr)) {
        server_unref(s);
        return NULL;
    }
    return s;
}

/* Twice the head and room for the records of its lines: a head that is a little too large still
 * reaches us. */
static size_t memory_limit(const struct http_server_config *c)
{
    size_t head = c->header_bytes_max > 4096 ? c->header_bytes_max : 4096;
    return head * 2 + 8192u;
}

static bool daemon_start(struct http_server *s)
{
    const struct http_server_config *c = &s->config;
    unsigned idle_s = (unsigned)(num_max(c->idle_timeout_ms, c->read_timeout_ms) / 1000 + 2);
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG,
        0, NULL, NULL, request_access, s, MHD_OPTION_EXTERNAL_LOGGER, library_log, s,
        MHD_OPTION_LISTEN_SOCKET, c->listen_fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory_limit(c),
        MHD_OPTION_CONNECTION_LIMIT, c->connections_max, MHD_OPTION_CONNECTION_TIMEOUT, idle_s,
        MHD_OPTION_NOTIFY_CONNECTION, conn_notify, s, MHD_OPTION_NOTIFY_COMPLETED,
        request_completed, s, MHD_OPTION_URI_LOG_CALLBACK, request_begin, s,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, s, MHD_OPTION_STRICT_FOR_CLIENT, 0,
        MHD_OPTION_END);
    return s->daemon != NULL;
}

err_t http_server_start(const struct http_server_config *config, struct http_server **ret,
                        struct err_info *reterr)
{
    ASSERT(config->name && config->listen_fd >= 0 && config->connections_max > 0);
    ASSERT(config->read_timeout_ms > 0 && config->idle_timeout_ms > 0);
    struct http_server *s = server_new(config, reterr);
    if (!s) {
        (void)close(config->listen_fd);
        return reterr ? reterr->err : ERR_IO;
    }
    MHD_set_panic_func(panic, NULL);
    pages_init();
    (void)fcntl(config->listen_fd, F_SETFL, fcntl(config->listen_fd, F_GETFL) | O_NONBLOCK);
    if (!s->exact_framing)
        LOG(LOG_WARN, "http.library_unknown", LOG_STR("version", MHD_get_version()));
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the library's thread inherits it */
    bool started = daemon_start(s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started) {
        (void)close(config->listen_fd);
        server_unref(s);
        return error_set(reterr, ERR_IO, "the %s listener did not start", config->name);
    }
    char name[16];
    (void)snprintf(name, sizeof name, "watch-%.9s", config->name);
    s->watcher = sys_thread(name, watch_run, s);
    *ret = s;
    return OK;
}

void http_server_quiesce(struct http_server *s)
{
    if (atomic_exchange(&s->quiescing, true))
        return;
    int fd = MHD_quiesce_daemon(s->daemon);
    if (fd < 0)
        return;
    /* The library's thread may be about to accept once more: the socket goes, its number stays
     * taken until stop. */
    int hole = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (hole >= 0) {
        (void)dup3(hole, fd, O_CLOEXEC);
        (void)close(hole);
    }
    s->quiesced_fd = fd;
}

size_t http_server_active(struct http_server *s)
{
    return atomic_load(&s->active);
}

/* Answers what is suspended. Whoever answers first wins; the handler's late http_reply finds its
 * request still there. */
static bool answer_suspended(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    bool any = s->suspended != NULL;
    for (struct request *r = s->suspended; r; r = r->next)
        request_refuse_stopped(r);
    pthread_mutex_unlock(&s->lock);
    return any;
}

void http_server_stop(struct http_server *s)
{
    http_server_quiesce(s);
    atomic_store(&s->stopping, true);
    watch_wake(s);
    pthread_join(s->watcher, NULL);
    /* Suspended connections must be gone before the library ends; others get a moment to send their
     * answers. */
    int64_t until_us = sys_mono_us() + STOP_WAIT_US;
    while (answer_suspended(s) || atomic_load(&s->repliers) > 0 ||
           (atomic_load(&s->active) > 0 && sys_mono_us() < until_us)) {
        struct timespec ms = {.tv_nsec = 1000000};
        (void)nanosleep(&ms, NULL);
    }
    MHD_stop_daemon(s->daemon);
    if (s->quiesced_fd >= 0)
        (void)close(s->quiesced_fd);
    server_unref(s);
}

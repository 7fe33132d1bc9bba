/* What tests tell it, over HTTP. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "hostile/hostile.h"
#include "sys/sys.h"

#define OUT_MAX ((size_t)1 << 20)

/* "…&name=12&…" */
static int64_t number(struct http_request *req, const char *name, int64_t otherwise)
{
    char text[512], with[64];
    if (req->query.n == 0 || req->query.n >= sizeof text - 1)
        return otherwise;
    (void)snprintf(text, sizeof text, "&" STR_FMT, STR_ARG(req->query));
    (void)snprintf(with, sizeof with, "&%s=", name);
    const char *at = strstr(text, with);
    return at ? strtoll(at + strlen(with), NULL, 10) : otherwise;
}

static void reply(struct http_request *req, struct buf *out)
{
    struct http_answer answer = {.status = 200, .body = out};
    http_reply(req, &answer);
    buf_free(out);
}

/* --- frames --- */
static void wait_answer(struct hostile *h, int64_t wait_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (h->message == 0 && h->card_fd >= 0 &&
           pthread_cond_timedwait(&h->changed, &h->lock, &until) == 0)
        ;
}

/* The body as the payload of a frame, or (raw=1) as the frame itself. message, call, fds, wait_ms,
 * control=1: to the parent. Tells what came back. */
static void on_frame(struct http_request *req, void *ctx)
{
    struct hostile *h = ctx;
    struct buf frame = BUF(500000), out = BUF(OUT_MAX), hex = BUF(OUT_MAX);
    struct jw w = {.b = &out};
    uint8_t head[FRAME_HEAD];
    uint64_t call = (uint64_t)number(req, "call", 1);
    frame_head(head, (int)number(req, "message", 0), req->body.n, call);
    if (number(req, "raw", 0) == 0)
        buf_add(&frame, head, sizeof head);
    if (req->body.n)
        buf_add(&frame, req->body.p, req->body.n);
    pthread_mutex_lock(&h->lock);
    h->call = call;
    h->message = 0;
    int to = number(req, "control", 0) ? h->control_fd : h->card_fd;
    int err = hostile_send(to, buf_view(&frame), (int)number(req, "fds", 0), 0);
    if (!err)
        wait_answer(h, number(req, "wait_ms", 5000));
    jw_object(&w, NULL);
    jw_str(&w, "sent", str_from(err ? strerrorname_np(err) : "done"));
    jw_bool(&w, "link", h->card_fd >= 0);
    jw_int(&w, "message", h->message);
    buf_hex(&hex, h->answer.p ? h->answer.p : "", h->message ? h->answer.n : 0);
    jw_str(&w, "hex", h->message && h->answer.n ? buf_view(&hex) : STR(""));
    jw_object_end(&w);
    h->call = 0;
    pthread_mutex_unlock(&h->lock);
    buf_free(&frame);
    buf_free(&hex);
    reply(req, &out);
}

/* The body as the payload of so many frames; nothing is read meanwhile. wait_ms: how long to go on
 * when there is no room. */
static void on_flood(struct http_request *req, void *ctx)
{
    struct hostile *h = ctx;
    struct buf frame = BUF(500000), out = BUF(OUT_MAX);
    struct jw w = {.b = &out};
    uint8_t head[FRAME_HEAD];
    int64_t sent = 0, full = 0, end = sys_mono_us() + 1000 * number(req, "wait_ms", 1000);
    int err = 0;
    __atomic_store_n(&h->paused, number(req, "deaf", 1) != 0, __ATOMIC_SEQ_CST);
    frame_head(head, (int)number(req, "message", 0), req->body.n, 1);
    buf_add(&frame, head, sizeof head);
    buf_add(&frame, req->body.p, req->body.n);
    for (int64_t n = number(req, "count", 1); sent < n && sys_mono_us() < end;) {
        pthread_mutex_lock(&h->lock);
        err = hostile_send(h->card_fd, buf_view(&frame), 0, MSG_DONTWAIT);
        pthread_mutex_unlock(&h->lock);
        if (err && err != EAGAIN)
            break;
        sent += !err;
        full += err != 0;
        if (err)
            sys_pause_us(500);
    }
    __atomic_store_n(&h->paused, false, __ATOMIC_SEQ_CST);
    jw_object(&w, NULL);
    jw_int(&w, "sent", sent);
    jw_int(&w, "full", full);
    jw_str(&w, "end", str_from(err ? strerrorname_np(err) : "done"));
    jw_object_end(&w);
    buf_free(&frame);
    reply(req, &out);
}

/* --- what it knows --- */
static void tell_permits(struct hostile *h, struct jw *w)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    jw_array(w, "permits");
    if (sqlite3_open_v2(h->places.store, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT merchant_id, permit FROM provider_account", -1, &s, NULL) ==
            SQLITE_OK)
        while (sqlite3_step(s) == SQLITE_ROW) {
            const char *permit = (const char *)sqlite3_column_text(s, 1);
            jw_object(w, NULL);
            jw_int(w, "merchant", sqlite3_column_int64(s, 0));
            jw_str(w, "permit", str_from(permit ? permit : ""));
            jw_object_end(w);
        }
    jw_array_end(w);
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
}

static void on_state(struct http_request *req, void *ctx)
{
    struct hostile *h = ctx;
    struct buf out = BUF(OUT_MAX);
    struct jw w = {.b = &out};
    jw_object(&w, NULL);
    pthread_mutex_lock(&h->lock);
    jw_bool(&w, "link", h->card_fd >= 0);
    jw_array(&w, "cards");
    for (size_t i = 0; i < h->cards_n && i < HOSTILE_CARDS; i++) {
        struct buf hex = BUF(64);
        buf_hex(&hex, h->cards[i].b, sizeof h->cards[i].b);
        jw_str(&w, NULL, buf_view(&hex));
        buf_free(&hex);
    }
    jw_array_end(&w);
    pthread_mutex_unlock(&h->lock);
    tell_permits(h, &w);
    jw_object_end(&w);
    reply(req, &out);
}

/* p0, p1, …: the others' pids; the body: paths. */
static void on_system(struct http_request *req, void *ctx)
{
    struct buf out = BUF(OUT_MAX);
    struct jw w = {.b = &out};
    int pids[9] = {0};
    (void)ctx;
    for (int i = 0; i < 8; i++) {
        char name[4];
        (void)snprintf(name, sizeof name, "p%d", i);
        pids[i] = (int)number(req, name, 0);
    }
    jw_object(&w, NULL);
    attack_system(&w, pids, req->body);
    jw_object_end(&w);
    reply(req, &out);
}

static void on_exit_now(struct http_request *req, void *ctx)
{
    (void)req, (void)ctx;
    _exit(1);
}

const struct http_route hostile_routes[] = {
    {HTTP_POST, "/hostile/frame", on_frame, HTTP_ANY_TYPE},
    {HTTP_POST, "/hostile/flood", on_flood, HTTP_ANY_TYPE},
    {HTTP_GET, "/hostile/state", on_state, 0},
    {HTTP_POST, "/hostile/system", on_system, HTTP_ANY_TYPE},
    {HTTP_POST, "/hostile/exit", on_exit_now, HTTP_ANY_TYPE},
};
const size_t hostile_routes_n = COUNT_OF(hostile_routes);

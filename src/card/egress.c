/* Requests with a card on their way out. */
#include "card/egress.h"

#include <errno.h>
#include <stdio.h>

#include "card/card_internal.h"
#include "card/permit.h"
#include "observe/observe.h"
#include "sys/sys.h"

#define HEADERS_MAX 16
#define ANSWER_MAX ((size_t)128 << 10)
#define BODY_MAX LINK_PAYLOAD_MAX /* whatever comes in a frame */
#define FILLED_MAX (BODY_MAX + 4096)
#define TEXT_MAX 8192
#define HOST_MAX 128
#define ERROR_MAX LEAVE_WHY_MAX
#define VAULT_WAIT_MS 5000
#define ASKED_MAX 3                    /* times that the vault died */
#define FLYING_MAX ((size_t)128 << 20) /* bytes of all requests under way */

struct flight;
struct egress {
    struct egress_config config;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    pthread_t thread; /* gives up waiting for the vault */
    bool closed, ending;
    uint64_t asker; /* counts the links to api: what an earlier one asked is not sent any more */
    struct flight *first, *last; /* wait for the vault, in order of time */
    struct paces paces;
    size_t active, bytes; /* atomic */
    pthread_mutex_t revoked_lock;
    struct buf revoked; /* permits taken back */
};
struct flight {
    struct egress *e;
    struct flight *next, *prev;
    bool waiting;       /* for the vault; else it was given up, or goes on */
    bool telling, late; /* it is being given up, and the vault has spoken meanwhile */
    int64_t until_us;   /* monotonic */
    int asked;          /* the vault */
    uint64_t call, asker;
    int64_t merchant_id;
    size_t bytes;
    struct id id;
    char host[HOST_MAX];
    char reference[ID_TEXT_MAX], method[8];
    struct buf url, headers, body, permit;
    const char *lines[HEADERS_MAX + 1];
    struct card card;
    struct http_call http;
};

/* --- the end --- */
static void land(struct flight *f)
{
    struct buf *bufs[] = {&f->url, &f->headers, &f->body, &f->permit};
    for (size_t i = 0; i < COUNT_OF(bufs); i++) {
        if (bufs[i]->p)
            mem_wipe(bufs[i]->p, bufs[i]->n);
        buf_free(bufs[i]);
    }
    mem_wipe(f, sizeof *f);
    mem_free(f);
}

/* It counts no longer; e may be gone after it. */
static void count_out(const struct flight *f)
{
    __atomic_sub_fetch(&f->e->bytes, f->bytes, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&f->e->active, 1, __ATOMIC_RELEASE);
}

static struct str short_of(struct str s, size_t max)
{
    return s.n > max ? (struct str){NULL, 0} : s;
}

static void put_answer(struct buf *out, const struct http_result *r, struct str body)
{
    link_put_int(out, r->sent);
    link_put_int(out, r->status);
    struct str error = str_from(r->error ? r->error : "");
    link_put_str(out, short_of(r->content_type, 200));
    link_put_str(out, short_of(r->retry_after, 100));
    link_put_bytes(out, error.p, error.n < ERROR_MAX ? error.n : ERROR_MAX);
    link_put_int(out, r->latency_us);
    link_put_str(out, body);
}

/* Needs no memory: whoever asked must not wait for ever. */
static bool tell_briefly(struct egress *e, uint64_t call, enum http_sent sent)
{
    char bytes[128];
    struct buf out = BUF_ON(bytes);
    put_answer(&out, &(struct http_result){.sent = sent, .error = "no memory"}, STR(""));
    return link_slot_send(e->config.api, LINK_EGRESS_IS, call, buf_view(&out));
}

/* A header that has the card in it is none. */
static struct str clean(struct str header, const struct card *card)
{
    struct buf text = BUF(1024);
    bool found = header.n && (card_redact(header, card, &text) > 0 || text.failed);
    buf_free(&text);
    return found ? (struct str){NULL, 0} : header;
}

/* Asked for by nobody, and not to be looked into. Source: RFC 1952. */
static bool compressed(struct str body)
{
    return body.n >= 2 && memcmp(body.p, "\x1f\x8b", 2) == 0;
}

static const char *sent_text(enum http_sent sent)
{
    return sent == HTTP_ANSWERED ? "answered" : sent == HTTP_NOT_SENT ? "not_sent" : "unknown";
}

/* What came of it, to whoever asked; without the card. */
static void tell(struct flight *f, const struct http_result *r)
{
    struct buf body = BUF(ANSWER_MAX), out = BUF(LINK_PAYLOAD_MAX);
    struct http_result told = *r;
    int hidden = 0;
    told.content_type = clean(r->content_type, &f->card);
    told.retry_after = clean(r->retry_after, &f->card);
    if (r->sent == HTTP_ANSWERED)
        hidden = card_redact(r->body, &f->card, &body);
    if (body.failed) /* without memory nobody knows what is in it */
        told = (struct http_result){.sent = HTTP_UNKNOWN, .error = "no memory"};
    else if (r->sent == HTTP_ANSWERED && compressed(r->body))
        told = (struct http_result){.sent = HTTP_UNKNOWN, .error = "the answer is compressed"};
    put_answer(&out, &told, told.sent == HTTP_ANSWERED ? buf_view(&body) : (struct str){NULL, 0});
    LOG(LOG_INFO, "egress.done", LOG_STR("reference", f->reference),
        LOG_INT("merchant", f->merchant_id), LOG_STR("host", f->host),
        LOG_STR("sent", sent_text(told.sent)), LOG_INT("status", told.status),
        LOG_INT("redacted", hidden));
    enum http_sent brief = told.sent == HTTP_NOT_SENT ? HTTP_NOT_SENT : HTTP_UNKNOWN;
    if (!(out.failed ? tell_briefly(f->e, f->call, brief)
                     : link_slot_send(f->e->config.api, LINK_EGRESS_IS, f->call, buf_view(&out))))
        LOG(LOG_WARN, "egress.not_told", LOG_STR("reference", f->reference));
    buf_free(&body);
    buf_free(&out);
    count_out(f);
}

static void tell_refusal(struct flight *f, const char *why)
{
    LOG(LOG_WARN, "egress.not_sent", LOG_STR("reference", f->reference),
        LOG_INT("merchant", f->merchant_id), LOG_STR("host", f->host), LOG_STR("reason", why));
    tell(f, &(struct http_result){.sent = HTTP_NOT_SENT, .error = why});
}

static void refuse(struct flight *f, const char *why)
{
    tell_refusal(f, why);
    land(f);
}

/* --- waiting for the vault --- */
static int64_t queue(struct flight *f)
{
    struct egress *e = f->e;
    int64_t wait_ms = e->config.vault_wait_ms > 0 ? e->config.vault_wait_ms : VAULT_WAIT_MS;
    int64_t until_us = sys_mono_us() + wait_ms * 1000;
    pthread_mutex_lock(&e->lock);
    f->until_us = until_us;
    f->waiting = true;
    f->prev = e->last;
    *(e->last ? &e->last->next : &e->first) = f;
    e->last = f;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
    return until_us; /* f may be gone */
}

/* Under the lock. */
static void unqueue(struct egress *e, struct flight *f)
{
    *(f->prev ? &f->prev->next : &e->first) = f->next;
    *(f->next ? &f->next->prev : &e->last) = f->prev;
    f->next = f->prev = NULL;
    f->waiting = false;
}

/* The vault has spoken, or cannot. false: too late, it was answered already; it is freed. */
static bool resume(struct flight *f)
{
    pthread_mutex_lock(&f->e->lock);
    bool in_time = f->waiting;
    bool telling = f->telling;
    if (in_time)
        unqueue(f->e, f);
    f->late = telling; /* then give_up frees it */
    pthread_mutex_unlock(&f->e->lock);
    if (!in_time && !telling)
        land(f);
    return in_time;
}

/* Under the lock. */
static void wait_until(struct egress *e, int64_t us)
{
    struct timespec at = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000 * 1000)};
    int rc = us ? pthread_cond_timedwait(&e->changed, &e->lock, &at)
                : pthread_cond_wait(&e->changed, &e->lock);
    ASSERT(rc == 0 || rc == ETIMEDOUT);
}

/* Answers the one that has waited longest for the vault, if that was long enough; under the lock.
 */
static bool give_up_one(struct egress *e)
{
    struct flight *f = e->first;
    if (!f || f->until_us > sys_mono_us())
        return false;
    unqueue(e, f);
    f->telling = true;
    pthread_mutex_unlock(&e->lock);
    tell_refusal(f, "the vault does not answer");
    pthread_mutex_lock(&e->lock);
    f->telling = false;
    if (f->late)
        land(f);
    return true;
}

/* Those that no vault was asked about are told so by the slot. */
static void give_up_asking(struct egress *e)
{
    pthread_mutex_unlock(&e->lock);
    link_slot_tick(e->config.vault, sys_mono_us());
    pthread_mutex_lock(&e->lock);
}

static void *give_up(void *arg)
{
    struct egress *e = arg;
    pthread_mutex_lock(&e->lock);
    while (!e->ending) {
        give_up_asking(e);
        if (!e->ending && !give_up_one(e))
            wait_until(e, e->first ? e->first->until_us : 0);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

void egress_turn(struct egress *e)
{
    pthread_mutex_lock(&e->lock);
    give_up_asking(e);
    while (give_up_one(e))
        ;
    pthread_mutex_unlock(&e->lock);
}

/* --- on the way --- */
static void answered(struct http_call *http, const struct http_result *r)
{
    struct flight *f = http->arg;
    /* It may have arrived: its CVC is used, and is forgotten without memory, too. */
    if (r->sent != HTTP_NOT_SENT && f->card.cvc[0]) {
        char bytes[64];
        struct buf used = BUF_ON(bytes);
        link_put_int(&used, f->merchant_id);
        link_put_id(&used, f->id);
        (void)link_slot_send(f->e->config.vault, LINK_VAULT_USED, 0, buf_view(&used));
    }
    tell(f, r);
    land(f);
}

static bool list_headers(struct flight *f)
{
    size_t n = 0;
    for (char *p = f->headers.p; p && *p;) {
        char *nl = strchr(p, '\n');
        if (!nl || n == HEADERS_MAX || !card_header_ok((struct str){p, (size_t)(nl - p)}))
            return false;
        *nl = 0;
        f->lines[n++] = p;
        p = nl + 1;
    }
    return true;
}

/* The only one there is; absent when it is not one. */
static struct str content_type(const struct flight *f)
{
    static const struct str name = {"content-type:", 13};
    struct str found = {NULL, 0};
    for (size_t i = 0; f->lines[i]; i++) {
        struct str line = str_from(f->lines[i]);
        if (line.n < name.n || !str_eq_nocase((struct str){line.p, name.n}, name))
            continue;
        if (found.p)
            return (struct str){NULL, 0};
        found = (struct str){line.p + name.n, line.n - name.n};
    }
    return found;
}

static void take_off(struct flight *f)
{
    struct buf filled = BUF(FILLED_MAX);
    struct err_info info = {0};
    err_t err = card_fill(buf_view(&f->body), &f->card, &filled, &info);
    buf_free(&f->body);
    f->body = filled;
    if (err) {
        refuse(f, "the placeholders cannot be filled in");
        return;
    }
    f->http.method = f->method;
    f->http.url = f->url.p;
    f->http.headers = f->lines;
    f->http.body = buf_view(&f->body);
    f->http.response_bytes_max = ANSWER_MAX;
    f->http.public_only = f->e->config.public_only;
    f->http.done = answered;
    f->http.arg = f;
    struct egress *e = f->e;
    pthread_mutex_lock(&e->lock); /* none comes to the client after egress_close */
    const char *why = e->closed              ? "it is stopping"
                      : f->asker != e->asker ? "who asked is gone"
                                             : NULL;
    if (!why)
        http_client_call(e->config.client, &f->http); /* f may be gone after it */
    pthread_mutex_unlock(&e->lock);
    if (why)
        refuse(f, why);
}

static void ask_vault(struct flight *f);

/* What the vault says. One that died with the question, which changes nothing there, is asked again
 * when it is back. */
static void opened(const struct link_frame *a, void *arg)
{
    struct flight *f = arg;
    if (!resume(f))
        return;
    if (!a && f->asked < ASKED_MAX) {
        ask_vault(f);
        return;
    }
    if (!a || a == &link_never_sent) {
        refuse(f, a ? "the vault is not there" : "the vault is gone");
        return;
    }
    struct link_reader r = {.rest = a->payload};
    int64_t err = link_take_int(&r);
    link_take_text(&r, f->card.number, sizeof f->card.number);
    f->card.month = (int)link_take_int(&r);
    f->card.year = (int)link_take_int(&r);
    link_take_text(&r, f->card.cvc, sizeof f->card.cvc);
    if (!link_taken(&r))
        refuse(f, "the vault's answer is none");
    else if (err == ERR_NOT_FOUND)
        refuse(f, "there is no such card");
    else if (err)
        refuse(f, err == ERR_UNAVAILABLE ? "the vault is locked" : "the card cannot be opened");
    else
        take_off(f);
}

static void ask_vault(struct flight *f)
{
    struct buf ask = BUF(LINK_SMALL);
    link_put_int(&ask, f->merchant_id);
    link_put_id(&ask, f->id);
    link_put_str(&ask, str_from(f->reference));
    link_put_str(&ask, str_from(f->host));
    link_put_int(&ask, 1);
    f->asked++;
    int64_t until_us = queue(f);
    err_t err = ask.failed ? ERR_NO_MEMORY
                           : link_slot_ask_patiently(f->e->config.vault, LINK_VAULT_OPEN,
                                                     buf_view(&ask), until_us, opened, f);
    buf_free(&ask);
    if (err && resume(f))
        refuse(f, "the vault is not there");
}

/* --- the beginning --- */
static bool in_pace(struct egress *e, const struct flight *f)
{
    pthread_mutex_lock(&e->lock);
    bool good = pace_take(&e->paces, f->merchant_id, e->config.per_second, sys_mono_us());
    pthread_mutex_unlock(&e->lock);
    return good;
}

static void copy(struct link_reader *r, struct buf *out, size_t max)
{
    struct str s = link_take_str(r, max);
    *out = BUF(max + 1);
    buf_add(out, s.p ? s.p : "", s.n);
    if (s.n && memchr(s.p, 0, s.n))
        r->failed = true;
}

static void read_request(struct link_reader *r, struct flight *f)
{
    f->merchant_id = link_take_int(r);
    f->id = link_take_id(r);
    link_take_text(r, f->reference, sizeof f->reference);
    copy(r, &f->permit, 4096);
    link_take_text(r, f->method, sizeof f->method);
    copy(r, &f->url, TEXT_MAX);
    copy(r, &f->headers, 4 * TEXT_MAX);
    copy(r, &f->body, BODY_MAX);
    f->http.connect_timeout_ms = link_take_int(r);
    f->http.timeout_ms = link_take_int(r);
    int64_t begin_by_us = link_take_int(r); /* monotonic, which both roles share */
    f->http.start_before_us = begin_by_us ? sys_now_us() + begin_by_us - sys_mono_us() : 0;
}

/* For the log and the audit; card_may_leave judges it. */
static void learn_host(struct flight *f)
{
    struct url url;
    if (url_parse(buf_view(&f->url), &url))
        (void)snprintf(f->host, sizeof f->host, STR_FMT, STR_ARG(url.host));
}

static bool sane(const struct flight *f)
{
    return f->merchant_id > 0 &&
           (strcmp(f->method, "POST") == 0 || strcmp(f->method, "PUT") == 0) &&
           f->http.timeout_ms > 0 && f->http.timeout_ms <= 120000 &&
           f->http.connect_timeout_ms > 0 && f->http.connect_timeout_ms <= 60000;
}

/* NULL, or why the card stays, perhaps in room. */
static const char *may_leave(struct egress *e, struct flight *f, char room[LEAVE_WHY_MAX])
{
    struct permit_question q = {.public_key = e->config.permit_key,
                                .merchant_id = f->merchant_id,
                                .now_us = sys_now_us(),
                                .url = buf_view(&f->url)};
    if (!list_headers(f))
        return "a header is none, or not the asker's to set";
    pthread_mutex_lock(&e->revoked_lock);
    q.revoked = buf_view(&e->revoked);
    const char *why =
        card_may_leave(&q, buf_view(&f->permit), content_type(f), buf_view(&f->body), room);
    pthread_mutex_unlock(&e->revoked_lock);
    return why;
}

err_t egress_revoke(struct egress *e, struct str list)
{
    struct buf copy = BUF(list.n + 1);
    buf_add(&copy, list.p ? list.p : "", list.n);
    if (copy.failed)
        return ERR_NO_MEMORY;
    pthread_mutex_lock(&e->revoked_lock);
    struct buf old = e->revoked;
    e->revoked = copy;
    pthread_mutex_unlock(&e->revoked_lock);
    buf_free(&old);
    return OK;
}

bool egress_request(struct egress *e, const struct link_frame *frame)
{
    char room[LEAVE_WHY_MAX];
    struct link_reader r = {.rest = frame->payload};
    struct flight *f = mem_alloc(sizeof *f);
    if (!f) {
        (void)tell_briefly(e, frame->call, HTTP_NOT_SENT);
        return true;
    }
    f->e = e;
    f->call = frame->call;
    f->bytes = 2 * frame->payload.n + sizeof *f; /* as it came, and filled in */
    size_t bytes = __atomic_add_fetch(&e->bytes, f->bytes, __ATOMIC_RELAXED);
    pthread_mutex_lock(&e->lock);
    f->asker = e->asker;
    pthread_mutex_unlock(&e->lock);
    __atomic_add_fetch(&e->active, 1, __ATOMIC_ACQUIRE);
    read_request(&r, f);
    if (!link_taken(&r) || !sane(f)) {
        count_out(f);
        land(f);
        return false;
    }
    bool memory = !f->permit.failed && !f->url.failed && !f->headers.failed && !f->body.failed;
    if (memory)
        learn_host(f);
    const char *why = !memory              ? "no memory"
                      : bytes > FLYING_MAX ? "too many requests at once"
                                           : may_leave(e, f, room);
    if (why)
        refuse(f, why);
    else if (!in_pace(e, f))
        refuse(f, "too many requests with cards");
    else
        ask_vault(f);
    return true;
}

err_t egress_new(const struct egress_config *config, struct egress **ret)
{
    struct egress *e = mem_alloc(sizeof *e);
    if (!e)
        return ERR_NO_MEMORY;
    pthread_condattr_t attr;
    e->config = *config;
    int failed = pthread_condattr_init(&attr) | pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) |
                 pthread_mutex_init(&e->lock, NULL) | pthread_mutex_init(&e->revoked_lock, NULL) |
                 pthread_cond_init(&e->changed, &attr);
    ASSERT(failed == 0);
    pthread_condattr_destroy(&attr);
    if (!config->stepped)
        e->thread = sys_thread("egress", give_up, e);
    *ret = e;
    return OK;
}

void egress_asker_gone(struct egress *e)
{
    pthread_mutex_lock(&e->lock);
    e->asker++;
    pthread_mutex_unlock(&e->lock);
}

void egress_close(struct egress *e)
{
    pthread_mutex_lock(&e->lock);
    e->closed = true;
    pthread_mutex_unlock(&e->lock);
}

void egress_reopen(struct egress *e, struct http_client *client)
{
    pthread_mutex_lock(&e->lock);
    e->config.client = client;
    e->closed = false;
    pthread_mutex_unlock(&e->lock);
}

size_t egress_active(struct egress *e)
{
    return __atomic_load_n(&e->active, __ATOMIC_ACQUIRE);
}

void egress_free(struct egress *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->lock);
    e->ending = true;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
    if (!e->config.stepped)
        pthread_join(e->thread, NULL);
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
    pthread_mutex_destroy(&e->revoked_lock);
    buf_free(&e->revoked);
    mem_free(e);
}

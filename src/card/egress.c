/* Requests with a card on their way out. */
#include "card/egress.h"

#include <stdio.h>

#include "card/card_internal.h"
#include "card/permit.h"
#include "observe/observe.h"
#include "sys/sys.h"

#define HEADERS_MAX 16
#define ANSWER_MAX ((size_t)128 << 10)
#define BODY_MAX ((size_t)150 << 10)
#define TEXT_MAX 8192
#define PACES 1024
#define FLYING_MAX ((size_t)128 << 20) /* bytes of all requests under way */

struct pace {
    int64_t merchant_id, next_us;
};
struct egress {
    struct egress_config config;
    pthread_mutex_t lock;
    struct pace pace[PACES];
    size_t active, bytes; /* atomic */
};
struct flight {
    struct egress *e;
    uint64_t call;
    int64_t merchant_id;
    size_t bytes;
    struct id id;
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
    struct egress *e = f->e;
    __atomic_sub_fetch(&e->bytes, f->bytes, __ATOMIC_RELAXED);
    mem_wipe(f, sizeof *f);
    mem_free(f);
    __atomic_sub_fetch(&e->active, 1, __ATOMIC_RELEASE);
}

static void put_answer(struct buf *out, const struct http_result *r, struct str body)
{
    link_put_int(out, r->sent);
    link_put_int(out, r->status);
    link_put_str(out, r->content_type);
    link_put_str(out, r->retry_after);
    link_put_str(out, str_from(r->error ? r->error : ""));
    link_put_int(out, r->latency_us);
    link_put_str(out, body);
}

static void refuse_at_once(struct egress *e, uint64_t call)
{
    struct buf out = BUF(LINK_SMALL);
    put_answer(&out, &(struct http_result){.sent = HTTP_NOT_SENT, .error = "no memory"}, STR(""));
    (void)link_slot_send(e->config.api, LINK_EGRESS_IS, call, buf_view(&out));
    buf_free(&out);
}

/* A header that is passed on, when it is short and no card is in it. */
static struct str header(struct str value, size_t max, const struct card *c)
{
    struct buf text = BUF(256);
    bool good = value.n > 0 && value.n <= max && card_redact(value, c, &text) == 0 && !text.failed;
    if (text.p)
        mem_wipe(text.p, text.n);
    buf_free(&text);
    return good ? value : (struct str){NULL, 0};
}

static void finish(struct flight *f, const struct http_result *r)
{
    struct buf body = BUF(ANSWER_MAX), out = BUF(LINK_PAYLOAD_MAX);
    struct http_result told = *r;
    int hidden = 0;
    told.content_type = header(told.content_type, 200, &f->card);
    told.retry_after = header(told.retry_after, 100, &f->card);
    if (r->sent == HTTP_ANSWERED)
        hidden = card_redact(r->body, &f->card, &body);
    if (body.failed) /* without memory nobody knows what is in it */
        told = (struct http_result){.sent = HTTP_UNKNOWN, .error = "no memory"};
    put_answer(&out, &told, body.failed ? (struct str){NULL, 0} : buf_view(&body));
    if (hidden > 0)
        LOG(LOG_WARN, "egress.redacted", LOG_STR("reference", f->reference),
            LOG_INT("times", hidden));
    if (out.failed || !link_slot_send(f->e->config.api, LINK_EGRESS_IS, f->call, buf_view(&out)))
        LOG(LOG_WARN, "egress.not_told", LOG_STR("reference", f->reference));
    buf_free(&body);
    buf_free(&out);
    land(f);
}

static void refuse(struct flight *f, const char *why)
{
    LOG(LOG_WARN, "egress.not_sent", LOG_STR("reference", f->reference),
        LOG_INT("merchant", f->merchant_id), LOG_STR("reason", why));
    finish(f, &(struct http_result){.sent = HTTP_NOT_SENT, .error = why});
}

/* --- on the way --- */
static void answered(struct http_call *http, const struct http_result *r)
{
    struct flight *f = http->arg;
    if (r->sent != HTTP_NOT_SENT && f->card.cvc[0]) { /* it may have arrived: its CVC is used */
        struct buf used = BUF(LINK_SMALL);
        link_put_int(&used, f->merchant_id);
        link_put_id(&used, f->id);
        (void)link_slot_send(f->e->config.vault, LINK_VAULT_USED, 0, buf_view(&used));
        buf_free(&used);
    }
    finish(f, r);
}

static bool token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* What a request with a card does not say: another host (behind a shared front that is another
 * one's server), where it ends, how its answer is coded (a packed one cannot be searched for the
 * card) or which part of it is wanted. */
static bool ours_to_say(struct str name)
{
    static const char *const never[] = {
        "host",       "content-length",   "transfer-encoding", "te",       "trailer",
        "connection", "keep-alive",       "upgrade",           "expect",   "accept-encoding",
        "range",      "content-encoding", "accept-charset",    "forwarded"};
    for (size_t i = 0; i < COUNT_OF(never); i++)
        if (str_eq_nocase(name, str_from(never[i])))
            return false;
    return name.n < 6 || !str_eq_nocase((struct str){name.p, 6}, STR("proxy-"));
}

/* "Name: value" in visible ASCII. Source: RFC 9110, section 5. */
static bool is_header(struct str line)
{
    size_t n = 0;
    while (n < line.n && token(line.p[n]))
        n++;
    if (n == 0 || n == line.n || line.p[n] != ':' || !ours_to_say((struct str){line.p, n}))
        return false;
    for (size_t i = n + 1; i < line.n; i++)
        if (line.p[i] < ' ' || line.p[i] == 0x7F)
            return false;
    return true;
}

static bool list_headers(struct flight *f)
{
    size_t n = 0;
    for (char *p = f->headers.p; p && *p;) {
        char *nl = strchr(p, '\n');
        if (!nl || n == HEADERS_MAX || !is_header((struct str){p, (size_t)(nl - p)}))
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
    struct buf filled = BUF(BODY_MAX);
    struct err_info info = {0};
    bool headers = list_headers(f);
    bool fits = headers && card_template_fits(content_type(f), buf_view(&f->body));
    err_t err = fits ? card_fill(buf_view(&f->body), &f->card, &filled, &info) : ERR_CONNECTOR;
    buf_free(&f->body);
    f->body = filled;
    if (err) {
        refuse(f, !headers ? "a header is none"
                  : !fits  ? "the card does not stand by itself in the body"
                           : "the placeholders cannot be filled in");
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
    http_client_call(f->e->config.client, &f->http);
}

/* What the vault says. */
static void opened(const struct link_frame *a, void *arg)
{
    struct flight *f = arg;
    if (!a) {
        refuse(f, "the vault is gone");
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
    struct url url;
    bool parsed = url_parse(buf_view(&f->url), &url);
    link_put_int(&ask, f->merchant_id);
    link_put_id(&ask, f->id);
    link_put_str(&ask, str_from(f->reference));
    link_put_str(&ask, parsed ? (struct str){url.host.p, (size_t)num_min((int64_t)url.host.n, 127)}
                              : STR(""));
    link_put_int(&ask, 1);
    err_t err = ask.failed
                    ? ERR_NO_MEMORY
                    : link_slot_ask(f->e->config.vault, LINK_VAULT_OPEN, buf_view(&ask), opened, f);
    buf_free(&ask);
    if (err)
        refuse(f, "the vault is not there");
}

/* --- the beginning --- */
/* So many a second, and as many at once. */
static bool in_pace(struct egress *e, int64_t merchant_id)
{
    int64_t now_us = sys_mono_us(), each_us, rate = e->config.per_second;
    if (rate <= 0)
        return true;
    each_us = num_max(1000000 / rate, 1);
    pthread_mutex_lock(&e->lock);
    struct pace *p = &e->pace[(uint64_t)merchant_id % PACES];
    if (p->merchant_id != merchant_id)
        *p = (struct pace){.merchant_id = merchant_id};
    p->next_us = num_max(p->next_us, now_us - 1000000);
    bool good = p->next_us <= now_us;
    if (good)
        p->next_us += each_us;
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
    f->http.start_before_us = link_take_int(r);
}

static bool sane(const struct flight *f)
{
    return f->merchant_id > 0 &&
           (strcmp(f->method, "POST") == 0 || strcmp(f->method, "PUT") == 0) &&
           f->http.timeout_ms > 0 && f->http.timeout_ms <= 120000 &&
           f->http.connect_timeout_ms > 0 && f->http.connect_timeout_ms <= 60000;
}

bool egress_request(struct egress *e, const struct link_frame *frame)
{
    struct link_reader r = {.rest = frame->payload};
    struct flight *f = mem_alloc(sizeof *f);
    if (!f) {
        refuse_at_once(e, frame->call);
        return true;
    }
    f->e = e;
    f->call = frame->call;
    f->bytes = 2 * frame->payload.n + 4096; /* as it came, and filled in */
    size_t bytes = __atomic_add_fetch(&e->bytes, f->bytes, __ATOMIC_RELAXED);
    __atomic_add_fetch(&e->active, 1, __ATOMIC_ACQUIRE);
    read_request(&r, f);
    if (!link_taken(&r) || !sane(f)) {
        land(f);
        return false;
    }
    bool memory = !f->permit.failed && !f->url.failed && !f->headers.failed && !f->body.failed;
    if (!memory || bytes > FLYING_MAX)
        refuse(f, memory ? "too many requests at once" : "no memory");
    else if (!permit_allows(e->config.permit_key, buf_view(&f->permit), f->merchant_id,
                            buf_view(&f->url)))
        refuse(f, "no permit for this host");
    else if (!in_pace(e, f->merchant_id))
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
    e->config = *config;
    pthread_mutex_init(&e->lock, NULL);
    *ret = e;
    return OK;
}

size_t egress_active(struct egress *e)
{
    return __atomic_load_n(&e->active, __ATOMIC_ACQUIRE);
}

void egress_free(struct egress *e)
{
    if (!e)
        return;
    pthread_mutex_destroy(&e->lock);
    mem_free(e);
}

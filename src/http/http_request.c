/* The library's callbacks for one request: begin, head, body, whole, answered, done. */
#include "http/http_internal.h"

#include "observe/observe.h"
#include "sys/sys.h"

static const struct {
    const char *name;
    enum http_method method;
} methods[] = {
    {"GET", HTTP_GET},     {"POST", HTTP_POST}, {"DELETE", HTTP_DELETE},   {"PUT", HTTP_PUT},
    {"PATCH", HTTP_PATCH}, {"HEAD", HTTP_HEAD}, {"OPTIONS", HTTP_OPTIONS},
};

void request_unref(struct request *r)
{
    if (atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    struct http_server *s = r->server;
    if (r->response)
        MHD_destroy_response(r->response);
    arena_free(r->pub.arena);
    buf_free(&r->body);
    mem_free(r);
    server_unref(s);
}

void *request_begin(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct http_server *s = cls;
    struct conn *c = conn_of(mhd);
    int idle = CONN_IDLE;
    if (!c || !atomic_compare_exchange_strong(&c->phase, &idle, CONN_READING))
        return NULL;
    int64_t now_us = sys_mono_us(), head_us = atomic_load(&c->head_since_us);
    atomic_store(&c->since_us, head_us ? head_us : now_us);
    atomic_store(&c->head_since_us, 0);
    size_t n = uri ? strlen(uri) : 0;
    struct request *r = mem_alloc(sizeof *r + n + 1);
    if (!r)
        return NULL;
    if (n)
        memcpy(r->target, uri, n);
    r->target_n = n;
    r->server = s;
    r->conn = c;
    r->mhd = mhd;
    r->mono_us = now_us;
    r->body = BUF(s->config.body_bytes_max);
    r->pub.received_us = sys_now_us();
    s->det.now_us = r->pub.received_us;
    r->pub.request_id = id_new(&s->det);
    memcpy(r->pub.peer, c->peer, sizeof r->pub.peer);
    atomic_store(&r->refs, 1);
    atomic_fetch_add(&s->refs, 1);
    return r;
}

/* Finds path and query in the target: origin form, or absolute form (RFC 9112 section 3.2.2). */
static void request_target(struct request *r)
{
    struct str t = {r->target, r->target_n};
    size_t scheme = str_starts(t, STR("http://")) ? 7 : str_starts(t, STR("https://")) ? 8 : 0;
    if (scheme) {
        const char *slash = memchr(t.p + scheme, '/', t.n - scheme);
        t = slash ? (struct str){slash, t.n - (size_t)(slash - t.p)} : STR("/");
    }
    const char *mark = t.n ? memchr(t.p, '?', t.n) : NULL;
    if (mark) {
        r->pub.query = (struct str){mark + 1, t.n - (size_t)(mark - t.p) - 1};
        t.n = (size_t)(mark - t.p);
    }
    r->pub.path = t;
}

static enum MHD_Result queue(struct request *r)
{
    ASSERT(atomic_load(&r->state) == REQUEST_ANSWERED);
    if (!r->response)
        return MHD_NO; /* no memory for an answer: close */
    enum MHD_Result ret = pages_queue(r->mhd, (unsigned)r->status, r->response);
    MHD_destroy_response(r->response);
    r->response = NULL;
    bool secret = r->route && r->route->flags & HTTP_SECRET_PATH;
    reply_account(r->server, r->status, r->method,
                  secret ? str_from(r->route->pattern) : r->pub.path, r->pub.request_id,
                  r->mono_us);
    return ret;
}

/* From here on the watcher keeps its hands off; false when it was faster. */
static bool take(struct request *r)
{
    int reading = CONN_READING;
    if (!atomic_compare_exchange_strong(&r->conn->phase, &reading, CONN_BUSY))
        return false;
    r->dispatched = true;
    atomic_fetch_add(&r->server->active, 1);
    atomic_fetch_add(&r->refs, 1); /* the handler's, given back by http_reply */
    return true;
}

/* Refused before the body: the library answers and closes, since the body would be read as the next
 * request. */
static enum MHD_Result refuse_early(struct request *r, const struct err_info *info)
{
    if (!take(r))
        return MHD_NO;
    atomic_store(&r->conn->linger, true);
    reply_problem(r, info, "Connection", "close");
    return queue(r);
}

static enum MHD_Result request_head(struct request *r, const char *url, const char *method,
                                    const char *version)
{
    r->head_seen = true;
    r->pub.method = HTTP_METHOD_OTHER;
    r->method = "OTHER";
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (strcmp(method, methods[i].name) == 0) {
            r->pub.method = methods[i].method;
            r->method = methods[i].name;
        }
    }
    request_target(r);
    struct framing f;
    struct err_info info = {0};
    framing_read(r, url, method, version, &f);
    if (framing_check(r, &f, strcmp(version, "HTTP/1.0") == 0, &info))
        return refuse_early(r, &info);
    return MHD_YES;
}

static enum MHD_Result request_body(struct request *r, const char *upload, size_t *upload_n)
{
    buf_add(&r->body, upload, *upload_n);
    if (!r->body.failed) {
        *upload_n = 0;
        return MHD_YES;
    }
    /* The library takes no answer in the middle of a body: send it past the library, then close. */
    int reading = CONN_READING;
    if (atomic_compare_exchange_strong(&r->conn->phase, &reading, CONN_EXPIRED))
        conn_refuse(r->conn, ERR_TOO_LARGE);
    return MHD_NO;
}

static err_t check_body(struct request *r, struct err_info *reterr)
{
    if (r->body.n == 0)
        return OK;
    enum http_method m = r->pub.method;
    if (m != HTTP_POST && m != HTTP_PUT && m != HTTP_PATCH)
        return error_set(reterr, ERR_BAD_REQUEST, "this method takes no body");
    if (r->route && r->route->flags & HTTP_ANY_TYPE)
        return OK;
    struct str type = http_header(&r->pub, "Content-Type"),
               coding = http_header(&r->pub, "Content-Encoding");
    if (!framing_is_json(type) || (coding.p && !str_eq_nocase(coding, STR("identity"))))
        return error_set(
            reterr, ERR_MEDIA_TYPE,
            "send the body as JSON with Content-Type: application/json, without Content-Encoding");
    return OK;
}

static err_t decode(struct request *r, struct str raw, struct str *ret, struct err_info *reterr)
{
    if (!memchr(raw.p, '%', raw.n)) {
        *ret = raw;
        return OK;
    }
    struct buf out = BUF(HTTP_TARGET_BYTES_MAX);
    err_t err = OK;
    if (!url_decode(raw, false, &out) || out.failed) {
        err = error_set(reterr, ERR_BAD_REQUEST, "the path has a bad percent escape");
        goto out;
    }
    char *copy = arena_copy(r->pub.arena, out.p, out.n);
    if (copy)
        *ret = (struct str){copy, out.n};
    else
        err = error_set(reterr, ERR_NO_MEMORY, "no memory for the path");
out:
    buf_free(&out);
    return err;
}

static err_t check_path(struct request *r, struct err_info *reterr)
{
    struct str path = r->pub.path, decoded;
    if (path.n == 0 || path.p[0] != '/')
        return error_set(reterr, ERR_BAD_REQUEST, "the request target must begin with a slash");
    return decode(r, path, &decoded, reterr);
}

static err_t route(struct request *r, char allow[64], struct err_info *reterr)
{
    r->pub.arena = arena_new(HTTP_ARENA_BYTES_MAX);
    if (!r->pub.arena)
        return error_set(reterr, ERR_NO_MEMORY, "no memory for the request");
    err_t err = check_path(r, reterr);
    if (err)
        return err;
    struct str raw[HTTP_PARAMS_MAX] = {{0}};
    err = router_match(&r->server->router, r->pub.method, r->pub.path, &r->route, raw, allow);
    if (err == ERR_NOT_FOUND)
        return error_set(reterr, err, "there is no such path");
    if (err == ERR_METHOD && r->pub.method == HTTP_OPTIONS)
        return OK;
    if (err)
        return error_set(reterr, err, "this path takes %s", allow);
    for (size_t i = 0; i < HTTP_PARAMS_MAX && raw[i].p && !err; i++)
        err = decode(r, raw[i], &r->pub.params[i], reterr);
    return err ? err : check_body(r, reterr);
}

/* What may be asked for; to browsers before they send the request itself, too. */
static void reply_options(struct request *r, const char *allow)
{
    const struct http_answer_header headers[] = {
        {"Allow", allow},
        {"Access-Control-Allow-Methods", allow},
        {"Access-Control-Allow-Headers", "authorization, content-type"},
        {"Access-Control-Max-Age", "600"}};
    bool cors = r->route && r->route->flags & HTTP_CORS;
    struct http_answer answer = {
        .status = 204, .headers = headers, .headers_n = cors ? COUNT_OF(headers) : 1};
    http_reply(&r->pub, &answer);
}

static void dispatch(struct request *r)
{
    struct http_server *s = r->server;
    char allow[64] = "";
    struct err_info info = {0};
    bool options_all = r->pub.method == HTTP_OPTIONS && str_eq(r->pub.path, STR("*"));
    err_t err = options_all ? OK : route(r, allow, &info);
    if (err == ERR_METHOD) {
        reply_problem(r, &info, "Allow", allow);
    } else if (err) {
        reply_problem(r, &info, NULL, NULL);
    } else if (r->pub.method == HTTP_OPTIONS) {
        reply_options(r, allow[0] ? allow : "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    } else {
        if (r->pub.method == HTTP_HEAD)
            r->pub.method = HTTP_GET;
        r->pub.body = buf_view(&r->body);
        (s->config.gate ? s->config.gate : r->route->handler)(&r->pub, s->config.ctx);
    }
}

/* Answers in the handler's place; the handler's own answer will be dropped. */
void request_refuse_stopped(struct request *r)
{
    struct err_info info = {.err = ERR_UNAVAILABLE, .retry_after_s = 1};
    atomic_fetch_add(&r->refs, 1); /* given back by the reply */
    reply_problem(r, &info, NULL, NULL);
}

/* Parks the connection until http_reply. The order matters: a resume before the suspend would be
 * lost, so the state says SUSPENDED only after the library knows, and an answer that came in
 * between is resumed here. */
static void suspend(struct request *r)
{
    struct http_server *s = r->server;
    pthread_mutex_lock(&s->lock);
    r->next = s->suspended;
    if (r->next)
        r->next->prev = r;
    s->suspended = r;
    r->listed = true;
    pthread_mutex_unlock(&s->lock);
    if (atomic_load(&s->stopping)) /* http_server_stop may have looked at the list before */
        request_refuse_stopped(r);
    MHD_suspend_connection(r->mhd);
    int running = REQUEST_RUNNING;
    if (!atomic_compare_exchange_strong(&r->state, &running, REQUEST_SUSPENDED))
        MHD_resume_connection(r->mhd);
}

static void unlist(struct request *r)
{
    if (!r->listed)
        return;
    struct http_server *s = r->server;
    pthread_mutex_lock(&s->lock);
    if (r->prev)
        r->prev->next = r->next;
    else
        s->suspended = r->next;
    if (r->next)
        r->next->prev = r->prev;
    r->listed = false;
    pthread_mutex_unlock(&s->lock);
}

static enum MHD_Result request_whole(struct request *r)
{
    if (r->dispatched) { /* resumed */
        if (atomic_load(&r->state) != REQUEST_ANSWERED)
            return MHD_YES;
        unlist(r);
        return queue(r);
    }
    if (!take(r))
        return MHD_NO;
    if (atomic_load(&r->server->stopping)) {
        request_refuse_stopped(r);
        request_unref(r); /* no handler will have it */
    } else {
        dispatch(r);
    }
    if (atomic_load(&r->state) == REQUEST_ANSWERED)
        return queue(r);
    suspend(r);
    return MHD_YES;
}

enum MHD_Result request_access(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_n, void **context)
{
    (void)cls;
    (void)mhd;
    struct request *r = *context;
    if (!r)
        return MHD_NO;
    if (!r->head_seen)
        return request_head(r, url, method, version);
    if (*upload_n > 0)
        return request_body(r, upload, upload_n);
    return request_whole(r);
}

void request_completed(void *cls, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode code)
{
    (void)mhd;
    (void)code;
    struct http_server *s = cls;
    struct request *r = *context;
    if (!r)
        return;
    *context = NULL;
    unlist(r);
    if (r->dispatched)
        atomic_fetch_sub(&s->active, 1);
    struct conn *c = r->conn;
    atomic_store(&c->since_us, sys_mono_us());
    atomic_store(&c->served, true);
    int busy = CONN_BUSY;
    (void)atomic_compare_exchange_strong(&c->phase, &busy, CONN_IDLE);
    request_unref(r);
}

struct str http_header(struct http_request *req, const char *name)
{
    struct request *r = (struct request *)(void *)req;
    const char *value = NULL;
    size_t n = 0;
    if (MHD_lookup_connection_value_n(r->mhd, MHD_HEADER_KIND, name, strlen(name), &value, &n) !=
        MHD_YES)
        return (struct str){0};
    while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        n--;
    return (struct str){value ? value : "", n};
}

struct count {
    struct str name;
    int n;
};

static enum MHD_Result count_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                    size_t key_n, const char *value, size_t value_n)
{
    (void)kind;
    (void)value;
    (void)value_n;
    struct count *c = cls;
    if (str_eq_nocase((struct str){key, key_n}, c->name))
        c->n++;
    return MHD_YES;
}

int http_header_count(struct http_request *req, const char *name)
{
    struct request *r = (struct request *)(void *)req;
    struct count c = {.name = str_from(name)};
    (void)MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, count_header, &c);
    return c.n;
}

static enum MHD_Result add_header(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_n,
                                  const char *value, size_t value_n)
{
    (void)kind;
    struct buf *out = cls;
    for (size_t i = 0; i < key_n; i++)
        buf_byte(out, key[i] >= 'A' && key[i] <= 'Z' ? (char)(key[i] | 0x20) : key[i]);
    buf_str(out, ": ");
    buf_add(out, value, value_n);
    buf_byte(out, '\n');
    return MHD_YES;
}

void http_headers(struct http_request *req, struct buf *out)
{
    struct request *r = (struct request *)(void *)req;
    (void)MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, add_header, out);
}

const struct http_route *http_request_route(struct http_request *req)
{
    return ((struct request *)(void *)req)->route;
}

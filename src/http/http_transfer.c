/* One transfer of the client: its options, what libcurl tells about it, and what came of it. */
#include "http/http_client_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include "sys/sys.h"

#define ANSWER_HEAD_BYTES_MAX 65536u
#define CONNECTION_AGE_S 5L /* idle longer: the peer may be about to close it */

/* --- callbacks of a transfer --- */

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
    (void)one;
    struct slot *s = arg;
    buf_add(&s->body, p, n);
    if (s->body.failed)
        s->too_large = true;
    return s->body.failed ? 0 : n;
}

/* Value of the header line when it has that name. */
static bool header_value(struct str line, struct str name, char *out, size_t out_max)
{
    if (line.n <= name.n || line.p[name.n] != ':' ||
        !str_eq_nocase((struct str){line.p, name.n}, name))
        return false;
    const char *p = line.p + name.n + 1, *end = line.p + line.n;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    size_t n = (size_t)(end - p);
    if (n >= out_max)
        n = 0; /* a value that long is none we know */
    memcpy(out, p, n);
    out[n] = 0;
    return true;
}

static size_t on_header(char *p, size_t one, size_t n, void *arg)
{
    (void)one;
    struct slot *s = arg;
    struct str line = {p, n};
    s->head_bytes += n;
    if (s->head_bytes > ANSWER_HEAD_BYTES_MAX) {
        s->too_large = true;
        return 0;
    }
    if (str_starts(line, STR("HTTP/"))) { /* a new head: the one before was interim */
        s->retry_after[0] = s->content_type[0] = 0;
        s->head_whole = false;
    }
    if (str_eq(line, STR("\r\n")) || str_eq(line, STR("\n")))
        s->head_whole = true;
    if (!header_value(line, STR("retry-after"), s->retry_after, sizeof s->retry_after))
        (void)header_value(line, STR("content-type"), s->content_type, sizeof s->content_type);
    return n;
}

static curl_socket_t on_socket_open(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    (void)purpose;
    struct slot *s = arg;
    if (s->call->public_only && !http_address_public(&addr->addr)) {
        s->forbidden = true;
        return CURL_SOCKET_BAD;
    }
    return client_socket_open(s->owner, addr);
}

static bool text_public(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return http_address_public((const struct sockaddr *)(const void *)&in);
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
        return http_address_public((const struct sockaddr *)(const void *)&in6);
    return false;
}

/* Connected, nothing sent yet. Judges the address again, since a connection that another call
 * opened may be used. */
static int on_before_send(void *arg, char *peer, char *local, int peer_port, int local_port)
{
    (void)local;
    (void)peer_port;
    (void)local_port;
    struct slot *s = arg;
    if (s->call->public_only && !text_public(peer)) {
        s->forbidden = true;
        return CURL_PREREQFUNC_ABORT;
    }
    /* The library would send again by itself when a connection that it reused turns out closed.
     * What was sent once may have been acted upon: the caller decides, not the library. */
    if (s->sending)
        return CURL_PREREQFUNC_ABORT;
    s->sending = true;
    return CURL_PREREQFUNC_OK;
}

/* --- slots --- */

static bool option_long(CURL *easy, CURLoption option, long v)
{
    return curl_easy_setopt(easy, option, v) == CURLE_OK;
}

static bool slot_fixed_options(struct slot *s)
{
    CURL *e = s->easy;
    return curl_easy_setopt(e, CURLOPT_PRIVATE, s) == CURLE_OK &&
           option_long(e, CURLOPT_NOSIGNAL, 1) &&
           option_long(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) &&
           curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_NOPROXY, "*") == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           option_long(e, CURLOPT_FOLLOWLOCATION, 0) && option_long(e, CURLOPT_SSL_VERIFYPEER, 1) &&
           option_long(e, CURLOPT_SSL_VERIFYHOST, 2) && option_long(e, CURLOPT_TCP_NODELAY, 1) &&
           option_long(e, CURLOPT_PATH_AS_IS, 1) &&
           option_long(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1) &&
           option_long(e, CURLOPT_MAXAGE_CONN, CONNECTION_AGE_S) &&
           /* else a time-out waits on this thread for a resolver that does not answer */
           option_long(e, CURLOPT_QUICK_EXIT, 1) &&
           curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEDATA, s) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERDATA, s) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_socket_open) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, s) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, client_socket_close) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, s->owner) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_before_send) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PREREQDATA, s) == CURLE_OK;
}

void slot_destroy(struct slot *s)
{
    if (s->easy)
        curl_easy_cleanup(s->easy);
    curl_slist_free_all(s->headers);
    buf_free(&s->body);
    mem_free(s);
}

struct slot *slot_take(struct http_client *owner, struct slot **free_list)
{
    struct slot *s = *free_list;
    if (s) {
        *free_list = s->next;
        s->next = NULL;
        return s;
    }
    s = mem_alloc(sizeof *s);
    if (!s)
        return NULL;
    s->owner = owner;
    s->easy = curl_easy_init();
    if (!s->easy || !slot_fixed_options(s)) {
        slot_destroy(s);
        return NULL;
    }
    return s;
}

static bool header_add(struct slot *s, const char *line)
{
    if (line[strcspn(line, "\r\n")] != 0)
        return false; /* would be another header */
    struct curl_slist *more = curl_slist_append(s->headers, line);
    if (more)
        s->headers = more;
    return more != NULL;
}

static bool slot_headers(struct slot *s)
{
    bool typed = false;
    for (const char *const *h = s->call->headers; h && *h; h++) {
        struct str line = str_from(*h);
        typed =
            typed || (line.n > 13 && str_eq_nocase((struct str){line.p, 13}, STR("content-type:")));
        if (!header_add(s, *h))
            return false;
    }
    /* libcurl would wait for a 100 and would call a body a form. */
    return header_add(s, "Expect:") && (typed || header_add(s, "Content-Type:")) &&
           curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers) == CURLE_OK;
}

static bool slot_method(struct slot *s)
{
    const struct http_call *call = s->call;
    CURL *e = s->easy;
    bool head = strcmp(call->method, "HEAD") == 0;
    bool body = call->body.n > 0 || strcmp(call->method, "POST") == 0 ||
                strcmp(call->method, "PUT") == 0 || strcmp(call->method, "PATCH") == 0;
    if (head && body)
        return false;
    /* HTTPGET first: it undoes what an earlier call left. */
    if (!option_long(e, CURLOPT_HTTPGET, 1))
        return false;
    if (head)
        return option_long(e, CURLOPT_NOBODY, 1) &&
               curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, NULL) == CURLE_OK;
    if (body &&
        (!option_long(e, CURLOPT_POST, 1) ||
         curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n) != CURLE_OK ||
         curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->body.p ? call->body.p : "") != CURLE_OK))
        return false;
    return curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, call->method) == CURLE_OK;
}

bool slot_prepare(struct slot *s)
{
    const struct http_call *call = s->call;
    s->body = (struct buf){.p = s->body.p, .cap = s->body.cap, .max = call->response_bytes_max};
    s->retry_after[0] = s->content_type[0] = 0;
    s->head_bytes = 0;
    s->head_whole = s->sending = s->forbidden = s->too_large = false;
    s->began_us = sys_mono_us();
    return curl_easy_setopt(s->easy, CURLOPT_URL, call->url) == CURLE_OK && slot_method(s) &&
           slot_headers(s) &&
           option_long(s->easy, CURLOPT_CONNECTTIMEOUT_MS,
                       (long)num_max(call->connect_timeout_ms, 1)) &&
           option_long(s->easy, CURLOPT_TIMEOUT_MS, (long)num_max(call->timeout_ms, 1));
}

void slot_done(struct slot *s, struct http_result *result, struct slot **free_list)
{
    struct http_call *call = s->call;
    result->latency_us = sys_mono_us() - s->began_us;
    result->body = (struct str){s->body.p ? s->body.p : "", s->body.n};
    result->content_type = str_from(s->content_type);
    if (s->retry_after[0])
        result->retry_after = str_from(s->retry_after);
    if (result->sent != HTTP_ANSWERED)
        result->body = (struct str){0};
    call->client_private = NULL;
    call->done(call, result);
    s->call = NULL;
    curl_slist_free_all(s->headers);
    s->headers = NULL;
    if (s->body.cap > 65536)
        buf_free(&s->body); /* one large answer should not be kept for ever */
    s->next = *free_list;
    *free_list = s;
}

static const char *failure_text(const struct slot *s, CURLcode code)
{
    if (s->forbidden && !s->sending)
        return "the address is not public";
    if (s->too_large)
        return "the answer is too large";
    return curl_easy_strerror(code);
}

void slot_finish(struct slot *s, CURLcode code, struct slot **free_list)
{
    struct http_result r = {.error = ""};
    long status = 0;
    if (code == CURLE_OK)
        (void)curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && s->head_whole && status >= 200 && status <= 599) {
        r.sent = HTTP_ANSWERED;
        r.status = (int)status;
    } else {
        r.sent = s->sending ? HTTP_UNKNOWN : HTTP_NOT_SENT;
        r.error = code == CURLE_OK ? "the answer's head is not whole" : failure_text(s, code);
    }
    slot_done(s, &r, free_list);
}

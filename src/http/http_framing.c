/* What a head must be like before anything in it is believed. The library's parser (0.9.75) is
 * lenient: it takes bare LF, joins folded lines into the *name*, cuts values at NUL and lets
 * Transfer-Encoding win over Content-Length. Two parsers that read one message differently are how
 * requests are smuggled, so all of these are refused here. */
#include "http/http_internal.h"

struct walk {
    struct framing *f;
    uintptr_t next; /* where the next header line must begin */
    bool known;     /* judge the layout */
};

static bool is_token(const char *p, size_t n)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alnum && (c == 0 || !strchr(others, c)))
            return false;
    }
    return n > 0;
}

/* The parser writes NULs over the line ends of its one buffer, so the views say how the lines
 * ended: a line of CRLF leaves two bytes between the end of a value and the next name. */
static void walk_layout(struct walk *w, const char *key, size_t key_n, const char *value,
                        size_t value_n)
{
    if (!w->known || !w->f->exact)
        return;
    uintptr_t k = (uintptr_t)key, v = (uintptr_t)value;
    if (k != w->next || v < k + key_n + 1) {
        w->f->exact = false;
        return;
    }
    for (const char *p = key + key_n + 1; p < value; p++)
        if (*p != ' ' && *p != '\t')
            w->f->exact = false;
    w->next = v + value_n + 2;
}

static enum MHD_Result walk_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                   size_t key_n, const char *value, size_t value_n)
{
    (void)kind;
    struct walk *w = cls;
    struct framing *f = w->f;
    if (!value) {
        value = key + key_n + 1;
        value_n = 0;
    }
    if (!is_token(key, key_n))
        f->exact = false;
    for (size_t i = 0; i < value_n; i++)
        if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f)
            f->exact = false;
    walk_layout(w, key, key_n, value, value_n);
    struct str name = {key, key_n}, view = {value, value_n};
    if (str_eq_nocase(name, STR("content-length"))) {
        f->content_length = view;
        f->content_lengths++;
    } else if (str_eq_nocase(name, STR("transfer-encoding"))) {
        f->transfer_encoding = view;
        f->transfer_encodings++;
    } else if (str_eq_nocase(name, STR("content-type"))) {
        f->content_type = view;
        f->content_types++;
    } else if (str_eq_nocase(name, STR("content-encoding"))) {
        f->content_encoding = view;
    } else if (str_eq_nocase(name, STR("host"))) {
        f->hosts++;
    }
    return MHD_YES;
}

void framing_read(struct request *r, const char *url, const char *method, const char *version,
                  struct framing *ret)
{
    *ret = (struct framing){.exact = true};
    struct walk w = {.f = ret, .known = r->server->exact_framing};
    uintptr_t m = (uintptr_t)method, u = (uintptr_t)url, v = (uintptr_t)version;
    if (w.known && (u != m + strlen(method) + 1 || v != u + r->target_n + 1))
        ret->exact = false;
    w.next = v + strlen(version) + 2;
    if (MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, walk_header, &w) < 0)
        ret->exact = false;
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (w.known && (!size || m + size->header_size != w.next + 2))
        ret->exact = false;
}

static err_t check_target(struct request *r, struct err_info *reterr)
{
    struct str target = {r->target, r->target_n};
    for (size_t i = 0; i < target.n; i++)
        if ((unsigned char)target.p[i] <= 0x20 || target.p[i] == 0x7f)
            return error_set(reterr, ERR_BAD_REQUEST,
                             "the request target has a control character or a space");
    if (!str_is_utf8(target))
        return error_set(reterr, ERR_BAD_REQUEST, "the request target is not UTF-8");
    return OK;
}

static err_t check_length(struct request *r, const struct framing *f, bool http_1_0,
                          struct err_info *reterr)
{
    if (f->transfer_encodings) {
        if (f->content_lengths || f->transfer_encodings > 1)
            return error_set(reterr, ERR_BAD_REQUEST,
                             "the length of the body is given more than once");
        if (http_1_0 || !str_eq_nocase(f->transfer_encoding, STR("chunked")))
            return error_set(reterr, ERR_BAD_REQUEST,
                             "the only Transfer-Encoding taken is chunked, in HTTP/1.1");
        return OK;
    }
    if (f->content_lengths > 1)
        return error_set(reterr, ERR_BAD_REQUEST, "the length of the body is given more than once");
    if (f->content_lengths == 0)
        return OK;
    int64_t n;
    if (!str_to_i64(f->content_length, &n) || (uint64_t)n > r->server->config.body_bytes_max)
        return error_set(reterr, ERR_TOO_LARGE, "the body may have up to %zu bytes",
                         r->server->config.body_bytes_max);
    return OK;
}

err_t framing_check(struct request *r, const struct framing *f, bool http_1_0,
                    struct err_info *reterr)
{
    const struct http_server_config *c = &r->server->config;
    if (r->target_n > HTTP_TARGET_BYTES_MAX)
        return error_set(reterr, ERR_URI_TOO_LONG, "the target may have up to %u bytes",
                         HTTP_TARGET_BYTES_MAX);
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (!size || size->header_size > c->header_bytes_max)
        return error_set(reterr, ERR_HEADERS_TOO_LARGE, "the head may have up to %zu bytes",
                         c->header_bytes_max);
    if (!f->exact)
        return error_set(reterr, ERR_BAD_REQUEST,
                         "the request line or a header line is not well-formed");
    err_t err = check_target(r, reterr);
    if (err)
        return err;
    if (f->hosts > 1 || (f->hosts == 0 && !http_1_0))
        return error_set(reterr, ERR_BAD_REQUEST, "exactly one Host header is needed");
    if (f->content_types > 1)
        return error_set(reterr, ERR_BAD_REQUEST, "Content-Type is given more than once");
    return check_length(r, f, http_1_0, reterr);
}

bool framing_is_json(struct str content_type)
{
    if (!content_type.p)
        return false;
    struct str rest = content_type;
    if (!str_eq_nocase(str_trim(str_cut(&rest, ';')), STR("application/json")))
        return false;
    while (str_trim(rest).n) {
        struct str parameter = str_trim(str_cut(&rest, ';'));
        if (parameter.n == 0)
            continue;
        struct str name = str_trim(str_cut(&parameter, '='));
        struct str value = str_trim(parameter);
        if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
            value = (struct str){value.p + 1, value.n - 2};
        if (!str_eq_nocase(name, STR("charset")) || !str_eq_nocase(value, STR("utf-8")))
            return false;
    }
    return true;
}

/* Pages: filling in, answering, and the files that pages fetch. */
#include "sandbox/pages_internal.h"

#include "money/money.h"
#include "sandbox/pages_gen.h"

/* Everything comes from here, nothing runs that is not a file of ours. Forms may lead anywhere by
 * http: browsers apply form-action also to the redirect that follows, which is to the shop. */
#define POLICY                                                                                     \
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src "        \
    "'self'; "                                                                                     \
    "base-uri 'none'; form-action 'self' http: https:; frame-ancestors "

static const char *page_text(const char *file)
{
    for (const struct page_file *f = page_files; f->name; f++)
        if (strcmp(f->name, file) == 0)
            return f->text;
    check_panic("sandbox: no such page");
}

static struct str value_of(struct str name, const struct page_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(name, str_from(values[i].name)))
            return values[i].value;
    check_panic("sandbox: a page asks for a value that nobody gave");
}

void page_fill(struct buf *out, const char *file, const struct page_value *values, size_t n)
{
    const char *p = page_text(file);
    for (const char *open; (open = strstr(p, "{{"));) {
        const char *close = strstr(open, "}}");
        ASSERT(close);
        buf_add(out, p, (size_t)(open - p));
        bool raw = open[2] == '&';
        const char *begin = open + 2 + (raw ? 1 : 0);
        struct str value = value_of((struct str){begin, (size_t)(close - begin)}, values, n);
        if (raw)
            buf_add(out, value.p, value.n);
        else
            html_escape(out, value);
        p = close + 2;
    }
    buf_str(out, p);
}

void page_amount(struct buf *out, int64_t minor, struct str currency)
{
    const struct currency *c = currency_find(currency);
    if (c)
        money_format(out, minor, c);
    else
        buf_i64(out, minor);
    buf_printf(out, " " STR_FMT, STR_ARG(currency));
}

bool page_url_valid(struct str url)
{
    struct url parts;
    for (size_t i = 0; i < url.n; i++)
        if ((unsigned char)url.p[i] <= 0x20 || (unsigned char)url.p[i] >= 0x7f)
            return false;
    const char *fragment = url.n ? memchr(url.p, '#', url.n) : NULL;
    struct str before = {url.p, fragment ? (size_t)(fragment - url.p) : url.n};
    return url.n <= URL_TEXT_MAX && url_parse(before, &parts);
}

void page_reply(struct http_request *req, int status, enum page_frame frame, const char *refresh,
                struct buf *body)
{
    const struct http_answer_header headers[] = {
        {"Content-Security-Policy", frame == PAGE_ALONE ? POLICY "'none'" : POLICY "http: https:"},
        {"Referrer-Policy", "no-referrer"},
        {"Refresh", refresh}};
    struct http_answer answer = {.status = status,
                                 .content_type = "text/html; charset=utf-8",
                                 .body = body,
                                 .headers = headers,
                                 .headers_n = COUNT_OF(headers) - (refresh[0] ? 0 : 1)};
    http_reply(req, &answer);
}

void page_message(struct http_request *req, int status, const char *title, const char *text,
                  struct str back)
{
    struct buf body = BUF(PAGE_BYTES_MAX), link = BUF(PAGE_BYTES_MAX);
    char refresh[URL_TEXT_MAX + 16] = "";
    if (page_url_valid(back)) { /* no byte in it ends a header */
        PAGE_FILL(&link, "back.html", {"url", back});
        (void)snprintf(refresh, sizeof refresh, "5; url=" STR_FMT, STR_ARG(back));
    } else {
        buf_str(&link, "<p>You may close this window.</p>");
    }
    PAGE_FILL(&body, "message.html", {"title", str_from(title)}, {"text", str_from(text)},
              {"link", buf_view(&link)});
    body.failed = body.failed || link.failed;
    buf_free(&link);
    page_reply(req, status, PAGE_FRAMED, refresh, &body);
}

void page_redirect(struct http_request *req, const char *location)
{
    const struct http_answer_header header = {"Location", location};
    struct http_answer answer = {.status = 303, .headers = &header, .headers_n = 1};
    http_reply(req, &answer);
}

void pages_get(struct http_request *req, void *ctx)
{
    (void)ctx;
    static const struct {
        const char *name, *type;
    } assets[] = {{"style.css", "text/css; charset=utf-8"},
                  {"control.js", "text/javascript; charset=utf-8"},
                  {"icon.svg", "image/svg+xml"}};
    for (size_t i = 0; i < COUNT_OF(assets); i++) {
        if (!str_eq(req->params[0], str_from(assets[i].name)))
            continue;
        struct buf body = BUF(PAGE_BYTES_MAX);
        buf_str(&body, page_text(assets[i].name));
        struct http_answer answer = {.status = 200, .content_type = assets[i].type, .body = &body};
        http_reply(req, &answer);
        return;
    }
    answer_code(req, 404, "not_found", "There is no such file.");
}

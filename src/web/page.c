/* Pages: shells with what changes from one sending to the next. */
#include "web/web.h"

#define PAGE_BYTES_MAX ((size_t)1 << 20)
#define POLICY_BYTES_MAX 4096

#define NOTHING_MORE                                                                               \
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "              \
    "magnetometer=(), microphone=(), midi=(), usb=()"

struct part {
    const char *name;
    struct str value;
};

static struct str value_of(struct str name, const struct part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(name, str_from(parts[i].name)))
            return parts[i].value;
    check_panic("web: a shell asks for a value that nobody gave");
}

/* {{name}} becomes the value as it is. */
static void fill(struct buf *out, const char *shell, const struct part *parts, size_t n)
{
    const struct web_asset *a = web_asset_find(str_from(shell));
    ASSERT(a);
    const char *p = (const char *)a->bytes;
    for (const char *open; (open = strstr(p, "{{"));) {
        const char *close = strstr(open, "}}");
        ASSERT(close);
        struct str value = value_of((struct str){open + 2, (size_t)(close - open - 2)}, parts, n);
        buf_add(out, p, (size_t)(open - p));
        buf_add(out, value.p, value.n);
        p = close + 2;
    }
    buf_str(out, p);
}

/* JSON within a script element: no markup begins there. */
static void add_json(struct buf *out, struct str json)
{
    for (size_t i = 0; i < json.n; i++) {
        if (json.p[i] == '<' || json.p[i] == '>' || json.p[i] == '&')
            buf_printf(out, "\\u%04x", (unsigned)(unsigned char)json.p[i]);
        else
            buf_byte(out, json.p[i]);
    }
}

/* Takes body over. A page that did not fit is a 503: nobody gets half of one. */
static void reply(struct http_request *req, int status, struct buf *policy, struct buf *body,
                  const struct http_answer_header *more, size_t more_n)
{
    struct http_answer_header headers[10] = {{"Content-Security-Policy", policy->p},
                                             {"Reporting-Endpoints", "pages=\"/reports\""},
                                             {"Referrer-Policy", "no-referrer"},
                                             {"Origin-Agent-Cluster", "?1"}};
    size_t n = 4;
    ASSERT(more_n <= COUNT_OF(headers) - n);
    for (size_t i = 0; i < more_n; i++)
        headers[n++] = more[i];
    struct http_answer answer = {.status = status,
                                 .content_type = "text/html; charset=utf-8",
                                 .body = body,
                                 .headers = headers,
                                 .headers_n = n};
    if (policy->failed || body->failed) {
        struct err_info info = {0};
        (void)error_set(&info, ERR_NO_MEMORY, "%s", error_def(ERR_NO_MEMORY)->title);
        http_reply_problem(req, &info);
    } else {
        http_reply(req, &answer);
    }
    buf_free(body);
    buf_free(policy);
}

void web_reply_field(struct http_request *req, struct str shop_origin, struct str card_url)
{
    static const struct http_answer_header more[] = {
        {"Cross-Origin-Resource-Policy", "cross-origin"},
        {"Cross-Origin-Embedder-Policy", "require-corp"},
        {"Permissions-Policy", NOTHING_MORE
         ", payment=(), publickey-credentials-create=(), publickey-credentials-get=()"}};
    char nonce[WEB_NONCE_MAX];
    struct buf policy = BUF(POLICY_BYTES_MAX), body = BUF(PAGE_BYTES_MAX);
    web_nonce(nonce);
    web_policy_field(&policy, nonce, shop_origin, card_url);
    const struct part parts[] = {{"nonce", str_from(nonce)}};
    fill(&body, "fields.html", parts, COUNT_OF(parts));
    reply(req, 200, &policy, &body, more, COUNT_OF(more));
}

void web_page_checkout(struct buf *out, const char *nonce, const struct web_checkout *page)
{
    struct buf config = BUF(PAGE_BYTES_MAX), safe = BUF(PAGE_BYTES_MAX);
    struct jw w = {.b = &config};
    jw_object(&w, NULL);
    jw_str(&w, "card_url", page->card_url);
    jw_str(&w, "public_url", page->public_url);
    if (page->state.p)
        jw_raw(&w, "state", page->state);
    else
        jw_null(&w, "state");
    jw_object_end(&w);
    add_json(&safe, buf_view(&config));
    const struct part parts[] = {{"nonce", str_from(nonce)}, {"config", buf_view(&safe)}};
    fill(out, "checkout.html", parts, COUNT_OF(parts));
    out->failed = out->failed || config.failed || safe.failed;
    buf_free(&config);
    buf_free(&safe);
}

void web_reply_checkout(struct http_request *req, const struct web_checkout *page)
{
    /* A bank's page within it may ask for a passkey. */
    static const struct http_answer_header more[] = {
        {"X-Frame-Options", "DENY"},
        {"Cross-Origin-Opener-Policy", "same-origin-allow-popups"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Permissions-Policy", NOTHING_MORE ", payment=*, publickey-credentials-get=*"}};
    char nonce[WEB_NONCE_MAX];
    struct buf policy = BUF(POLICY_BYTES_MAX), body = BUF(PAGE_BYTES_MAX);
    web_nonce(nonce);
    web_policy_checkout(&policy, nonce, page);
    web_page_checkout(&body, nonce, page);
    reply(req, 200, &policy, &body, more, COUNT_OF(more));
}

/* --- where there is no checkout --- */

/* In the languages and the words of web/checkout/texts.ts. */
static const struct no_page {
    const char *lang, *title, *text;
} no_pages[] = {
    {"en", "There is no such payment page", "Please ask the shop for a new link."},
    {"ru", "Такой страницы оплаты нет", "Попросите у магазина новую ссылку."},
    {"de", "Diese Zahlungsseite gibt es nicht",
     "Bitte lassen Sie sich vom Händler einen neuen Link geben."},
    {"es", "Esta página de pago no existe", "Pida un enlace nuevo a la tienda."},
    {"pt", "Esta página de pagamento não existe", "Peça à loja uma nova ligação."},
};

static const struct no_page *no_page_of(struct str tag)
{
    for (size_t i = 0; i < COUNT_OF(no_pages); i++) {
        const char *l = no_pages[i].lang;
        bool ends =
            tag.n == 2 || (tag.n > 2 && (tag.p[2] == '-' || tag.p[2] == ';' || tag.p[2] == ' '));
        if (ends && (tag.p[0] | 0x20) == l[0] && (tag.p[1] | 0x20) == l[1])
            return &no_pages[i];
    }
    return NULL;
}

/* The first wish of Accept-Language that can be met: browsers send the best first. Else English. */
static const struct no_page *wished(struct str accept)
{
    while (accept.n) {
        const struct no_page *found = no_page_of(str_trim(str_cut(&accept, ',')));
        if (found)
            return found;
    }
    return &no_pages[0];
}

void web_reply_no_page(struct http_request *req)
{
    static const struct http_answer_header more[] = {
        {"X-Frame-Options", "DENY"},
        {"Vary", "Accept-Language"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Permissions-Policy", NOTHING_MORE}};
    const struct no_page *t = wished(http_header(req, "Accept-Language"));
    char nonce[WEB_NONCE_MAX];
    struct buf policy = BUF(POLICY_BYTES_MAX), body = BUF(PAGE_BYTES_MAX);
    web_nonce(nonce);
    web_policy_no_page(&policy, nonce);
    const struct part parts[] = {{"nonce", str_from(nonce)},
                                 {"lang", str_from(t->lang)},
                                 {"title", str_from(t->title)},
                                 {"text", str_from(t->text)}};
    fill(&body, "none.html", parts, COUNT_OF(parts));
    reply(req, 404, &policy, &body, more, COUNT_OF(more));
}

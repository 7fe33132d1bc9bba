/* /return/{merchant}/{payment}/{key}, in the public zone: the customer's browser comes back from an
 * authentication. The payment goes on, and the browser is sent to the shop; where there is none, a
 * page says how it stands. In a frame of the shop's page that page is told, and goes on by itself.
 * Loading it again does no harm. */
#include "api/api_internal.h"

#include <stdio.h>

#include "crypto/crypto.h"
#include "money/money.h"

#define PAGE_MAX ((size_t)32 * 1024)
#define SHOWN_MAX ((size_t)512 * 1024)
#define LOCATION_MAX ((size_t)8 * 1024)
#define WAITS_MAX 4 /* of a second each */

struct visit {
    struct api *api;
    struct http_request *req;
    int64_t merchant_id;
    struct id payment;
    bool framed;      /* the action stood in a frame of a page that waits */
    struct buf shown; /* the payment as JSON */
    bool found;
    struct store_op op;
};

/* --- pages --- */

#define STYLE                                                                                      \
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1.5rem}" \
    "h1{font-size:1.5rem}small{font-size:.9rem}"

/* That the customer is back is no secret, and all that is said. */
#define TELL "parent.postMessage({type:'florin:returned'},'*')"

/* Looks again while nothing is decided, and shows the page anew once something is: one that loads
 * itself every other second cannot be read aloud. */
#define UNDECIDED "One moment"
#define LOOK                                                                                       \
    "setInterval(async()=>{try{const r=await fetch(location.href,{redirect:'manual'});"            \
    "if(r.type!='basic'||!(await r.text()).includes('<h1>" UNDECIDED "'))location.reload()"        \
    "}catch{}},2000)"

static void add_hash(struct buf *out, const char *text)
{
    uint8_t hash[32];
    crypto_sha256(text, strlen(text), hash);
    buf_str(out, "'sha256-");
    crypto_base64(out, hash, sizeof hash);
    buf_str(out, "'");
}

static void return_policy(struct buf *out)
{
    buf_str(out, "default-src 'none'; style-src ");
    add_hash(out, STYLE);
    buf_str(out, "; script-src ");
    add_hash(out, TELL);
    buf_str(out, " ");
    add_hash(out, LOOK);
    buf_str(out, "; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                 "frame-ancestors http: https:");
}

static void inline_script(struct jw *w, const char *text, const char *purpose)
{
    struct buf hash = BUF(100);
    add_hash(&hash, text);
    jw_object(w, NULL);
    jw_null(w, "address");
    /* without the quotes */
    jw_str(w, "integrity", hash.n > 2 ? (struct str){hash.p + 1, hash.n - 2} : (struct str){0});
    jw_int(w, "bytes", (int64_t)strlen(text));
    jw_str(w, "allowed_by", STR("hash"));
    jw_str(w, "purpose", str_from(purpose));
    jw_object_end(w);
    buf_free(&hash);
}

void return_inventory(struct jw *w, struct str public_url)
{
    struct buf url = BUF(LOCATION_MAX), policy = BUF(1024);
    buf_printf(&url, STR_FMT "/return/{merchant}/{payment}/{key}", STR_ARG(public_url));
    return_policy(&policy);
    jw_object(w, NULL);
    jw_str(w, "page", STR("back from the bank"));
    jw_str(w, "address", buf_view(&url));
    jw_str(w, "policy", buf_view(&policy));
    jw_array(w, "scripts");
    inline_script(w, TELL, "In a frame: tells the page around that the customer is back.");
    inline_script(w, LOOK, "While nothing is decided: looks how the payment stands.");
    jw_array_end(w);
    jw_object_end(w);
    w->b->failed = w->b->failed || url.failed || policy.failed;
    buf_free(&url);
    buf_free(&policy);
}

/* What runs is one line, if any; the style is the one of this page. refresh: the header, "" none.
 */
static void reply_page(struct visit *v, int status, struct buf *body, const char *refresh)
{
    struct buf policy = BUF(1024);
    return_policy(&policy);
    const struct http_answer_header headers[] = {
        {"Content-Security-Policy", policy.failed ? "default-src 'none'" : policy.p},
        {"Referrer-Policy", "no-referrer"},
        {"Refresh", refresh}};
    struct http_answer answer = {.status = status,
                                 .content_type = "text/html; charset=utf-8",
                                 .body = body,
                                 .headers = headers,
                                 .headers_n = COUNT_OF(headers) - (refresh[0] ? 0 : 1)};
    buf_free(&v->shown);
    http_reply(v->req, &answer);
    buf_free(&policy);
}

static void begin_page(struct buf *out, const char *title)
{
    buf_str(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
                 "<meta name=\"viewport\" content=\"width=device-width\">"
                 "<meta name=\"color-scheme\" content=\"light dark\">");
    buf_printf(out, "<title>%s</title><style>" STYLE "</style></head><body><main><h1>%s</h1>",
               title, title);
}

static void reply_message(struct visit *v, int status, const char *title, const char *text)
{
    struct buf body = BUF(PAGE_MAX);
    begin_page(&body, title);
    buf_printf(&body, "<p>%s</p></main></body></html>", text);
    reply_page(v, status, &body, status == 503 ? "5" : "");
}

static const struct standing {
    const char *status, *title, *text;
    bool again;
} standings[] = {
    {"authorized", "Thank you", "The payment was approved.", false},
    {"partially_captured", "Thank you", "The payment was made.", false},
    {"captured", "Thank you", "The payment was made.", false},
    {"refunded", "The payment was refunded", "The money is on its way back.", false},
    {"canceled", "The payment was canceled", "No money was taken.", false},
    {"expired", "The payment has expired", "No money was taken.", false},
    {"failed", "The payment was not made", "No money was taken. Go back to the shop to try again.",
     false},
    {"requires_action", "The payment is not complete",
     "Your bank has not confirmed it yet. Finish what it asks for, or go back to the shop.", false},
};
static const struct standing under_way = {NULL, UNDECIDED,
                                          "The payment is being processed. This page looks again "
                                          "by itself.",
                                          true};

static void reply_standing(struct visit *v, json_t *payment, const char *status)
{
    const struct standing *s = &under_way;
    struct buf body = BUF(PAGE_MAX);
    for (size_t i = 0; i < COUNT_OF(standings); i++)
        if (strcmp(standings[i].status, status) == 0)
            s = &standings[i];
    begin_page(&body, s->title);
    buf_printf(&body, "<p>%s</p><p>", s->text);
    const struct currency *c =
        currency_find(str_from(json_string_value(json_object_get(payment, "currency"))));
    if (c) {
        money_format(&body, json_integer_value(json_object_get(payment, "amount")), c);
        buf_printf(&body, " %s", c->code);
    }
    const char *description = json_string_value(json_object_get(payment, "description"));
    if (description) {
        buf_str(&body, "<br>");
        html_escape(&body, str_from(description));
    }
    buf_str(&body, "</p><p><small>");
    html_escape(&body, str_from(json_string_value(json_object_get(payment, "id"))));
    buf_str(&body, "</small></p></main>");
    if (s->again)
        buf_str(&body, "<script>" LOOK "</script>");
    buf_str(&body, "</body></html>");
    reply_page(v, 200, &body, "");
}

/* --- back to the shop --- */

/* As it was given, but for what may not stand in a header. */
static void add_url(struct buf *out, struct str url)
{
    for (size_t i = 0; i < url.n; i++) {
        unsigned char c = (unsigned char)url.p[i];
        if (c <= 0x20 || c >= 0x7f)
            buf_printf(out, "%%%02X", c);
        else
            buf_byte(out, url.p[i]);
    }
}

static void add_query(struct buf *out, struct str url, const char *id, const char *status)
{
    const char *hash = memchr(url.p, '#', url.n);
    struct str fragment = {hash, hash ? url.n - (size_t)(hash - url.p) : 0};
    struct str head = {url.p, url.n - fragment.n};
    const char *query = memchr(head.p, '?', head.n);
    char last = head.n ? head.p[head.n - 1] : 0;
    add_url(out, head);
    if (!query)
        buf_byte(out, '?');
    else if (last != '?' && last != '&')
        buf_byte(out, '&');
    buf_str(out, "payment=");
    url_encode(out, str_from(id));
    buf_str(out, "&status=");
    url_encode(out, str_from(status));
    add_url(out, fragment);
}

static bool reply_redirect(struct visit *v, struct str url, const char *id, const char *status)
{
    struct buf location = BUF(LOCATION_MAX);
    add_query(&location, url, id, status);
    bool good = !location.failed;
    if (good) {
        const struct http_answer_header headers[] = {{"Location", location.p},
                                                     {"Referrer-Policy", "no-referrer"}};
        struct http_answer answer = {
            .status = 303, .headers = headers, .headers_n = COUNT_OF(headers)};
        buf_free(&v->shown);
        http_reply(v->req, &answer);
    }
    buf_free(&location);
    return good;
}

/* Somebody else is confirming, or the provider has not answered yet: the customer is not sent to
 * the shop with an open question before a few seconds have passed. */
static bool reply_patience(struct visit *v)
{
    struct str query = v->req->query;
    int waited =
        query.n == 6 && str_starts(query, STR("wait=")) && query.p[5] >= '1' && query.p[5] <= '9'
            ? query.p[5] - '0'
            : 0;
    char refresh[32];
    struct buf body = BUF(PAGE_MAX);
    if (waited >= WAITS_MAX)
        return false;
    (void)snprintf(refresh, sizeof refresh, "1;url=?wait=%d", waited + 1);
    begin_page(&body, UNDECIDED);
    buf_str(&body, "<p>The payment is being processed.</p></main></body></html>");
    reply_page(v, 200, &body, refresh);
    return true;
}

/* The page around the frame looks how the payment stands, and says it. */
static void reply_framed(struct visit *v)
{
    struct buf body = BUF(PAGE_MAX);
    begin_page(&body, UNDECIDED);
    buf_str(&body, "<p>Back to the shop.</p></main><script>" TELL "</script></body></html>");
    reply_page(v, 200, &body, "");
}

static void reply_payment(struct visit *v)
{
    json_t *payment = json_loadb(v->shown.p, v->shown.n, 0, NULL);
    const char *id = json_string_value(json_object_get(payment, "id"));
    const char *status = json_string_value(json_object_get(payment, "status"));
    const char *url = json_string_value(json_object_get(payment, "return_url"));
    if (!id || !status)
        reply_message(v, 503, UNDECIDED ", please", "Load this page again.");
    else if (v->framed)
        reply_framed(v);
    else if (!url || !url[0])
        reply_standing(v, payment, status);
    else if (strcmp(status, "processing") != 0 || !reply_patience(v))
        if (!reply_redirect(v, str_from(url), id, status))
            reply_standing(v, payment, status);
    json_decref(payment);
}

/* --- the visit --- */

static void reply_unknown(struct visit *v)
{
    reply_message(v, 404, "There is no such payment", "This address belongs to no payment.");
}

static err_t show(struct store_tx *tx, void *arg)
{
    struct visit *v = arg;
    buf_clear(&v->shown);
    return payment_show(tx, v->api->config.payments, v->merchant_id, v->payment, &v->shown,
                        &v->found);
}

static void shown(err_t err, void *arg)
{
    struct visit *v = arg;
    if (err || v->shown.failed)
        reply_message(v, 503, UNDECIDED ", please", "Load this page again.");
    else if (!v->found)
        reply_unknown(v);
    else
        reply_payment(v);
}

/* Whatever came of it: how the payment stands is told. Somebody else may be confirming it. */
static void confirmed(struct flow_run *run, err_t err, void *arg)
{
    struct visit *v = arg;
    (void)run;
    (void)err;
    v->op = (struct store_op){.run = show, .done = shown, .arg = v};
    err = store_submit_read(v->api->config.store, &v->op);
    if (err)
        shown(err, v);
}

void on_return(struct http_request *req, void *ctx)
{
    static struct payment_confirm by_return = {.by_return = true};
    struct api *api = ctx;
    struct visit *v = arena_alloc(req->arena, sizeof *v);
    if (!v) {
        struct err_info info = {0};
        (void)error_set(&info, ERR_NO_MEMORY, "Try again.");
        http_reply_problem(req, &info);
        return;
    }
    v->api = api;
    v->req = req;
    v->shown = BUF(SHOWN_MAX);
    struct str dest = http_header(req, "Sec-Fetch-Dest"); /* Source: W3C Fetch Metadata */
    v->framed = str_eq(dest, STR("iframe")) || str_eq(dest, STR("frame"));
    if (!payment_return_check(api->config.payments, req->params[0], req->params[1], req->params[2],
                              &v->merchant_id, &v->payment)) {
        reply_unknown(v);
        return;
    }
    struct flow_run *run = flow_new(api->config.flows, &payment_confirm_flow);
    if (!run) {
        confirmed(NULL, ERR_NO_MEMORY, v);
        return;
    }
    run->merchant_id = v->merchant_id;
    run->subject = v->payment;
    run->input = &by_return;
    run->request_id = req->request_id;
    run->reply = confirmed;
    run->reply_arg = v;
    if (flow_submit(run) != OK)
        confirmed(NULL, ERR_UNAVAILABLE, v);
}

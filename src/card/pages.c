/* What browsers fetch from the card origin: florin.js, the fields, and where the public zone is. */
#include "card/card_internal.h"
#include "web/web.h"

#define CONFIG_BYTES_MAX 4096
#define QUERY_MAX 8

/* florin.js and its types are for pages of every origin, the rest for our own. */
void on_asset(struct http_request *req, void *ctx)
{
    (void)ctx;
    const struct web_asset *a = web_asset_find(req->path);
    bool everyone = !str_starts(req->path, STR("/fields/"));
    ASSERT(a); /* routes name only what there is */
    web_reply_asset(req, a, everyone ? WEB_EVERYONE : WEB_OWN);
}

static void refuse(struct http_request *req, err_t err, const char *param, const char *detail)
{
    struct err_info info = {0};
    if (param)
        (void)error_param(&info, err, param, "%s", detail);
    else
        (void)error_set(&info, err, "%s", detail);
    http_reply_problem(req, &info);
}

static bool is_kind(struct str s)
{
    return str_eq(s, STR("number")) || str_eq(s, STR("expiry")) || str_eq(s, STR("cvc"));
}

/* The page names its own origin, and only pages of that origin may show the field: whoever lies
 * about it sees nothing. */
void on_field(struct http_request *req, void *ctx)
{
    const struct card_role *c = ctx;
    struct url_pair pairs[QUERY_MAX];
    struct err_info info = {0};
    struct str origin = {NULL, 0};
    size_t n = 0;
    if (!is_kind(req->params[0])) {
        refuse(req, ERR_NOT_FOUND, NULL, "there is no such field");
        return;
    }
    err_t err = url_query(req->query, req->arena, pairs, QUERY_MAX, &n, &info);
    if (err) {
        http_reply_problem(req, &info);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (str_eq(pairs[i].name, STR("o")))
            origin = pairs[i].value;
    if (web_origin_valid(origin))
        web_reply_field(req, origin, str_from(c->config.url));
    else
        refuse(req, ERR_PARAM_INVALID, "o", "must be the origin of the page: https://shop.example");
}

/* What florin.js has to know, and what a shop writes into its script element. */
void on_config(struct http_request *req, void *ctx)
{
    const struct card_role *c = ctx;
    const struct web_asset *sdk = web_asset_find(STR("/florin.js"));
    static const struct http_answer_header headers[] = {
        {"Access-Control-Allow-Origin", "*"},
        {"Cross-Origin-Resource-Policy", "cross-origin"},
        {"Cache-Control", "public, max-age=300"}};
    struct buf body = BUF(CONFIG_BYTES_MAX), url = BUF(CONFIG_BYTES_MAX);
    struct jw w = {.b = &body};
    buf_printf(&url, "%s%s?v=%s", c->config.url, sdk->path, sdk->version);
    jw_object(&w, NULL);
    jw_str(&w, "public_url", str_from(c->config.public_url));
    jw_str(&w, "script", buf_view(&url));
    jw_str(&w, "integrity", str_from(sdk->sri));
    jw_object_end(&w);
    buf_free(&url);
    struct http_answer answer = {
        .status = 200, .body = &body, .headers = headers, .headers_n = COUNT_OF(headers)};
    http_reply(req, &answer);
    buf_free(&body);
}

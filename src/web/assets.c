/* Files: finding and sending them. */
#include <stdio.h>

#include "web/web.h"

#define ASSET_BYTES_MAX ((size_t)1 << 20)

const struct web_asset *web_asset_find(struct str path)
{
    for (const struct web_asset *a = web_assets; a->path; a++)
        if (str_eq(path, str_from(a->path)))
            return a;
    return NULL;
}

/* Asked for by its version, a file never changes; else it is looked at again. Under a version that
 * is another's it must not be kept by whatever is between: not even until that one is there. */
static const char *cache_control(const struct http_request *req, const struct web_asset *a)
{
    char own[64];
    (void)snprintf(own, sizeof own, "v=%s", a->version);
    return str_eq(req->query, str_from(own)) ? "public, max-age=31536000, immutable"
           : req->query.n                    ? "no-store"
                                             : "public, max-age=300";
}

void web_reply_asset(struct http_request *req, const struct web_asset *a, enum web_reach reach)
{
    const struct http_answer_header headers[] = {
        {"Cache-Control", cache_control(req, a)},
        {"Cross-Origin-Resource-Policy", reach == WEB_EVERYONE ? "cross-origin" : "same-origin"},
        {"Access-Control-Allow-Origin", "*"}};
    struct buf body = BUF(ASSET_BYTES_MAX);
    buf_add(&body, a->bytes, a->n);
    struct http_answer answer = {.status = 200,
                                 .content_type = a->content_type,
                                 .body = &body,
                                 .headers = headers,
                                 .headers_n = COUNT_OF(headers) - (reach == WEB_EVERYONE ? 0 : 1)};
    http_reply(req, &answer);
    buf_free(&body);
}

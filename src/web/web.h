/* web: what browsers get from Florin: the files that tools/gen-web built out of web/, the shells of
 * pages, and the headers under which they are sent. docs/hosted-fields.md. */
#ifndef FLORIN_WEB_H
#define FLORIN_WEB_H

#include "base/base.h"
#include "http/http.h"

/* --- files --- */
struct web_asset {
    const char *path; /* "/florin.js"; a shell has no slash: "fields.html" */
    const char *content_type;
    const unsigned char *bytes; /* and a NUL that n does not count */
    size_t n;
    const char *sri;     /* "sha384-…", for integrity attributes */
    const char *version; /* changes with the bytes: "/florin.js?v=<version>" may be kept for good */
};
extern const struct web_asset web_assets[]; /* in order of paths; the last has none */
/* NULL: there is none. */
const struct web_asset *web_asset_find(struct str path);
/* Who may use a file: pages of its own origin, or of every one (Access-Control-Allow-Origin: *). */
enum web_reach { WEB_OWN, WEB_EVERYONE };
/* Answers with the file. */
void web_reply_asset(struct http_request *req, const struct web_asset *a, enum web_reach reach);

/* --- policies --- */
#define WEB_NONCE_MAX 25
/* 144 random bits in base64. */
void web_nonce(char ret[WEB_NONCE_MAX]);
/* Is it an origin as browsers write it, "https://shop.example:8443", and of http or https? */
bool web_origin_valid(struct str origin);
/* Content-Security-Policy of a field of card_url that a page of that origin shows. Shape: the
 * origin is valid. */
void web_policy_field(struct buf *out, const char *nonce, struct str shop_origin,
                      struct str card_url);
struct web_checkout;
/* Content-Security-Policy of the checkout page. Banks' pages are framed, from any host by https; by
 * http only where the fields are. */
void web_policy_checkout(struct buf *out, const char *nonce, const struct web_checkout *page);
/* Content-Security-Policy where there is no checkout: a style, and nothing that runs. */
void web_policy_no_page(struct buf *out, const char *nonce);

/* --- pages --- */
/* Answers GET /fields/{kind} for a page of that origin. Shape: the origin is valid; card_url is our
 * own. */
void web_reply_field(struct http_request *req, struct str shop_origin, struct str card_url);
struct web_checkout {
    struct str card_url, public_url; /* without a slash at the end */
    struct str state; /* JSON, as GET …/state answers it; absent: the page asks for it */
};
/* Appends the checkout page. Errors: out->failed. */
void web_page_checkout(struct buf *out, const char *nonce, const struct web_checkout *page);
/* Answers with the checkout page. Its script is the asset "/checkout/checkout.js" of the same
 * origin; it asks for "<its own path>/state" and "/token". */
void web_reply_checkout(struct http_request *req, const struct web_checkout *page);
/* Answers 404 with a page that looks like the checkout page and says so in the browser's language.
 */
void web_reply_no_page(struct http_request *req);

/* --- inventory --- */
/* Appends an object for each page, as in docs/hosted-fields.md; the addresses are without a slash
 * at the end. NONCE stands for the nonce, shop.example for the shop. */
void web_inventory(struct jw *w, struct str card_url, struct str public_url);

#endif

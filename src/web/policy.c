/* What our pages may do. Each lists what it needs; nothing else is allowed. */
#include "web/web.h"

#include "crypto/crypto.h"
#include "sys/sys.h"

#define ORIGIN_BYTES_MAX 255
/* What the two pages have in common: only scripts that the page names by its nonce, no markup out
 * of text. What is refused is reported: evidence for PCI DSS 6.4.3 and 11.6.1. */
#define COMMON                                                                                     \
    "default-src 'none'; script-src 'nonce-%s' 'strict-dynamic'; style-src 'nonce-%s'; "           \
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "              \
    "require-trusted-types-for 'script'; trusted-types 'none'; report-uri /reports; %s"

void web_nonce(char ret[WEB_NONCE_MAX])
{
    uint8_t random[18];
    struct buf text = BUF(64);
    sys_random(random, sizeof random);
    crypto_base64(&text, random, sizeof random);
    if (text.failed || text.n != WEB_NONCE_MAX - 1)
        check_panic("web: no nonce");
    memcpy(ret, text.p, WEB_NONCE_MAX);
    buf_free(&text);
}

bool web_origin_valid(struct str origin)
{
    struct url parts;
    size_t slashes = 0;
    if (origin.n == 0 || origin.n > ORIGIN_BYTES_MAX)
        return false;
    for (size_t i = 0; i < origin.n; i++) {
        char c = origin.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || memchr("-._:/[]", c, 7);
        slashes += c == '/';
        if (!plain)
            return false;
    }
    return slashes == 2 && url_parse(origin, &parts);
}

/* A browser that knows report-to takes no notice of report-uri, and reports so over TLS only. */
static const char *report_to(struct str url)
{
    return str_starts(url, STR("https:")) ? "report-to pages; " : "";
}

void web_policy_field(struct buf *out, const char *nonce, struct str shop_origin,
                      struct str card_url)
{
    ASSERT(web_origin_valid(shop_origin));
    buf_printf(out, COMMON "frame-ancestors " STR_FMT, nonce, nonce, report_to(card_url),
               STR_ARG(shop_origin));
}

void web_policy_checkout(struct buf *out, const char *nonce, const struct web_checkout *page)
{
    bool plain = str_starts(page->card_url, STR("http:"));
    buf_printf(out, COMMON "frame-src " STR_FMT " https:%s; frame-ancestors 'none'", nonce, nonce,
               report_to(page->public_url), STR_ARG(page->card_url), plain ? " http:" : "");
}

void web_policy_no_page(struct buf *out, const char *nonce)
{
    buf_printf(out,
               "default-src 'none'; style-src 'nonce-%s'; img-src data:; base-uri 'none'; "
               "form-action 'none'; frame-ancestors 'none'",
               nonce);
}

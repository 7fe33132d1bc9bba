/* The pages as evidence for PCI DSS 6.4.3 and 11.6.1: which scripts run on each and what for, with
 * their hashes, and the policy that keeps others out. Read from what is sent, not written down. */
#include "web/web.h"

#define POLICY_BYTES_MAX 4096

/* Why each script is needed. */
static const struct {
    const char *path, *purpose;
} purposes[] = {
    {"/checkout/checkout.js",
     "Shows what is paid for, the card fields and the outcome; opens the bank's page in a frame."},
    {"/fields/fields.js",
     "Takes what is typed into a card field, checks it, and sends the card to its own origin."},
    {"/florin.js", "Puts the card fields into the shop's page, and confirms the payment."},
};

static const char *purpose_of(const struct web_asset *a)
{
    for (size_t i = 0; i < COUNT_OF(purposes); i++)
        if (strcmp(purposes[i].path, a->path) == 0)
            return purposes[i].purpose;
    check_panic("web: a script that nobody says the purpose of");
}

static void write_script(struct jw *w, struct str origin, const struct web_asset *a,
                         const char *allowed_by)
{
    struct buf url = BUF(2048);
    buf_printf(&url, STR_FMT "%s?v=%s", STR_ARG(origin), a->path, a->version);
    jw_object(w, NULL);
    jw_str(w, "address", buf_view(&url));
    jw_str(w, "integrity", str_from(a->sri));
    jw_int(w, "bytes", (int64_t)a->n);
    jw_str(w, "allowed_by", str_from(allowed_by));
    jw_str(w, "purpose", str_from(purpose_of(a)));
    jw_object_end(w);
    w->b->failed = w->b->failed || url.failed;
    buf_free(&url);
}

/* Those that a shell asks for. */
static void write_scripts(struct jw *w, struct str origin, const char *shell)
{
    static const char head[] = " src=\"";
    const struct web_asset *page = web_asset_find(str_from(shell));
    ASSERT(page);
    jw_array(w, "scripts");
    for (const char *p = (const char *)page->bytes; (p = strstr(p, head));) {
        p += sizeof head - 1;
        const struct web_asset *a = web_asset_find((struct str){p, strcspn(p, "?\"")});
        ASSERT(a);
        write_script(w, origin, a, "nonce and integrity");
    }
    jw_array_end(w);
}

static void write_page(struct jw *w, const char *name, struct str origin, const char *path)
{
    struct buf url = BUF(2048);
    buf_printf(&url, STR_FMT "%s", STR_ARG(origin), path);
    jw_object(w, NULL);
    jw_str(w, "page", str_from(name));
    jw_str(w, "address", buf_view(&url));
    w->b->failed = w->b->failed || url.failed;
    buf_free(&url);
}

static void end_page(struct jw *w, struct buf *policy, struct str origin, const char *shell)
{
    jw_str(w, "policy", buf_view(policy));
    w->b->failed = w->b->failed || policy->failed;
    buf_free(policy);
    write_scripts(w, origin, shell);
    jw_object_end(w);
}

void web_inventory(struct jw *w, struct str card_url, struct str public_url)
{
    const struct web_checkout checkout = {.card_url = card_url, .public_url = public_url};
    struct buf policy = BUF(POLICY_BYTES_MAX);
    write_page(w, "card field", card_url, "/fields/{number|expiry|cvc}?o=https://shop.example");
    web_policy_field(&policy, "NONCE", STR("https://shop.example"), card_url);
    end_page(w, &policy, card_url, "fields.html");
    policy = BUF(POLICY_BYTES_MAX);
    write_page(w, "checkout", public_url, "/pay/{merchant}/{checkout}/{key}");
    web_policy_checkout(&policy, "NONCE", &checkout);
    end_page(w, &policy, public_url, "checkout.html");
    jw_object(w, NULL);
    jw_str(w, "page", STR("a shop's page with card fields"));
    jw_null(w, "address");
    jw_null(w, "policy"); /* the shop's */
    jw_array(w, "scripts");
    write_script(w, card_url, web_asset_find(STR("/florin.js")),
                 "what the shop writes: integrity, or the card origin");
    jw_array_end(w);
    jw_object_end(w);
}

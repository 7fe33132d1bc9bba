/* florin pages: what browsers reported of the pages on which cards are typed, and what belongs on
 * these pages. Works beside a running server. */
#include <stdio.h>

#include "cli/cli_internal.h"
#include "clients/clients.h"
#include "web/web.h"

#define SHOWN_MAX 1000

static err_t add_report(const struct report *r, void *arg)
{
    struct jw *w = arg;
    jw_object(w, NULL);
    jw_time(w, "first", r->first_us);
    jw_time(w, "last", r->last_us);
    jw_int(w, "times", r->times);
    jw_raw(w, "report", r->content);
    jw_object_end(w);
    return w->b->failed ? ERR_NO_MEMORY : OK;
}

static err_t list(struct store_tx *tx, void *arg)
{
    struct buf *out = arg;
    struct jw w = {.b = out};
    buf_clear(out);
    jw_object(&w, NULL);
    jw_array(&w, "data");
    err_t err = report_list(tx, SHOWN_MAX, add_report, &w);
    jw_array_end(&w);
    jw_object_end(&w);
    return err;
}

static int print_reports(const struct config *c)
{
    struct buf out = BUF((size_t)32 << 20);
    struct store *store;
    if (!open_store(c, false, &store))
        return EXIT_FAILED;
    err_t err = store_read(store, list, &out);
    store_close(store);
    if (err) {
        struct err_info info = {.err = err};
        buf_free(&out);
        return fail(&info);
    }
    (void)printf("%s\n", out.p);
    buf_free(&out);
    return EXIT_DONE;
}

/* --- the inventory --- */

/* As browsers see it: the setting, or the listener's own address. Without a slash at the end. */
static struct str address(struct buf *out, const char *url, const char *listener)
{
    buf_printf(out, "%s%s", url[0] ? "" : "http://", url[0] ? url : listener);
    while (out->n > 0 && out->p[out->n - 1] == '/')
        out->n--;
    return buf_view(out);
}

static const char *text_of(json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "-";
}

static void print_page(json_t *page)
{
    size_t i;
    json_t *script, *scripts = json_object_get(page, "scripts");
    (void)printf("%s\n  address    %s\n  policy     %s\n", text_of(page, "page"),
                 text_of(page, "address"), text_of(page, "policy"));
    json_array_foreach(scripts, i, script)
    {
        const char *where = json_string_value(json_object_get(script, "address"));
        (void)printf(
            "  script     %s\n    is       %s, %lld bytes\n    allowed  by %s\n    for      "
            "%s\n",
            where ? where : "in the page", text_of(script, "integrity"),
            (long long)json_integer_value(json_object_get(script, "bytes")),
            text_of(script, "allowed_by"), text_of(script, "purpose"));
    }
    (void)printf("\n");
}

static int print_inventory(const struct config *c, bool json)
{
    struct buf out = BUF((size_t)1 << 20), card = BUF(1024), public = BUF(1024);
    struct jw w = {.b = &out};
    struct str card_url = address(&card, c->card_url, c->card);
    struct str public_url = address(&public, c->public_url, c->public);
    size_t i;
    json_t *all, *page;
    jw_object(&w, NULL);
    jw_str(&w, "version", STR(FLORIN_VERSION));
    jw_array(&w, "pages");
    web_inventory(&w, card_url, public_url);
    return_inventory(&w, public_url);
    jw_array_end(&w);
    jw_object_end(&w);
    ASSERT(!out.failed && !card.failed && !public.failed);
    all = json_loadb(out.p, out.n, 0, NULL);
    if (json)
        (void)printf("%s\n", out.p);
    else
        json_array_foreach(json_object_get(all, "pages"), i, page) print_page(page);
    json_decref(all);
    buf_free(&out);
    buf_free(&card);
    buf_free(&public);
    return EXIT_DONE;
}

int command_pages(int argc, char **argv)
{
    struct option own[] = {{"json", false, NULL}};
    static struct options o;
    o = (struct options){.own = own, .own_n = COUNT_OF(own)};
    if (options_read(&o, argc, argv) && o.words_n == 1) {
        if (strcmp(o.words[0], "reports") == 0)
            return print_reports(&o.config);
        if (strcmp(o.words[0], "inventory") == 0)
            return print_inventory(&o.config, own[0].value);
    }
    (void)fprintf(stderr, "florin: usage: florin pages reports|inventory [--data DIR] [--json]\n");
    return EXIT_USAGE;
}

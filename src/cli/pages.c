/* florin pages reports: what browsers reported of the pages on which cards are typed. Works beside
 * a running server. */
#include <stdio.h>

#include "cli/cli_internal.h"
#include "clients/clients.h"

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

int command_pages(int argc, char **argv)
{
    static struct options o;
    struct buf out = BUF((size_t)32 << 20);
    struct store *store;
    o = (struct options){.own_n = 0};
    if (!options_read(&o, argc, argv) || o.words_n != 1 || strcmp(o.words[0], "reports") != 0) {
        (void)fprintf(stderr, "florin: usage: florin pages reports [--data DIR]\n");
        return EXIT_USAGE;
    }
    if (!open_store(&o.config, false, &store))
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

/* florin store copy: moves a SQLite store to PostgreSQL. */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli_internal.h"
#include "ledger/ledger.h"
#include "store/store_copy.h"
#include "wire/wire.h"

struct moving {
    struct copy copy;
    struct ledger_report before, after;
    bool json, quiet;
    int64_t start_us;
};

static void show(const struct copy *c, const struct copy_table *t, void *arg)
{
    struct moving *m = arg;
    int64_t all = 0, done = 0;
    for (size_t i = 0; i < c->tables_n; i++) {
        all += c->tables[i].rows;
        done += c->tables[i].done;
    }
    int64_t us = sys_mono_us() - m->start_us;
    if (!m->quiet)
        (void)fprintf(stderr, "\r\033[K%3d %%  %lld of %lld rows  %s  %.0f s",
                      all ? (int)(done * 100 / all) : 100, (long long)done, (long long)all, t->name,
                      (double)us / 1e6);
}

static err_t free_leases(struct store_tx *tx, void *arg)
{
    (void)arg;
    return job_free_all(tx, sys_now_us()); /* their holder is gone */
}

/* Opens a store, which brings the destination's schema up to date, and verifies its ledger unless
 * ret is NULL; `then` may be NULL. */
static err_t verify_store(const char *path, bool unfinished, struct ledger_report *ret,
                          err_t (*then)(struct store_tx *, void *), struct err_info *info)
{
    struct store *store;
    struct store_config s = {.path = path,
                             .migrations = "florin",
                             .batch_max = 64,
                             .readers = 1,
                             .cache_kib = 4096,
                             .queue_max = 100,
                             .unfinished = unfinished};
    err_t err = store_open(&s, unfinished, &store, info);
    if (err)
        return err;
    err = ret ? verify_ledger(store, ret) : OK;
    if (!err && ret && ret->faults)
        err = error_set(info, ERR_STORE, "The ledger of the %s does not verify: %s",
                        unfinished ? "destination" : "source", ret->first_fault);
    if (!err && then)
        err = store_write(store, 0, then, NULL);
    store_close(store);
    if (err && info->err == OK)
        (void)error_set(info, err, "%s", error_def(err)->title);
    return err;
}

/* Nobody else may have the source. */
static err_t lock_source(const char *path, struct err_info *info)
{
    if (access(path, R_OK) != 0)
        return error_set(info, ERR_STORE, "there is no store at %s", path);
    return own_store(path, 0, info);
}

static err_t move(struct moving *m, struct err_info *info)
{
    err_t err = lock_source(m->copy.from, info);
    if (!err)
        err = verify_store(m->copy.from, false, &m->before, NULL, info);
    if (!err)
        err = verify_store(m->copy.to, true, NULL, NULL, info);
    if (!err)
        err = copy_run(&m->copy, info);
    if (!m->quiet)
        (void)fputs("\r\033[K", stderr);
    if (!err)
        err = verify_store(m->copy.to, true, &m->after, free_leases, info);
    if (!err && memcmp(m->before.head, m->after.head, sizeof m->after.head) != 0)
        err = error_set(info, ERR_STORE, "The heads of the two ledgers differ.");
    if (!err)
        err = copy_end(&m->copy, info);
    copy_release(&m->copy);
    return err;
}

static void print_moved(const struct moving *m)
{
    struct buf out = BUF(16384), head = BUF(100);
    struct jw w = {.b = &out};
    int64_t rows = 0, ms = (sys_mono_us() - m->start_us) / 1000;
    buf_hex(&head, m->after.head, sizeof m->after.head);
    jw_object(&w, NULL);
    jw_object(&w, "rows");
    for (size_t i = 0; i < m->copy.tables_n; i++) {
        jw_int(&w, m->copy.tables[i].name, m->copy.tables[i].rows);
        rows += m->copy.tables[i].rows;
    }
    jw_object_end(&w);
    jw_int(&w, "rows_in_all", rows);
    jw_int(&w, "milliseconds", ms);
    jw_int(&w, "journals", m->after.journals);
    jw_int(&w, "events", m->after.events);
    jw_str(&w, "head", buf_view(&head));
    jw_object_end(&w);
    if (m->json)
        (void)printf("%s\n", out.p);
    else
        (void)printf("Copied %lld rows of %zu tables in %.1f s. Row counts agree, and both ledgers "
                     "verify with the same head:\n%s\nStart Florin with the new store, the same "
                     "data folder (it has the master key), and never again with the old one.\n",
                     (long long)rows, m->copy.tables_n, (double)ms / 1000, head.p);
    buf_free(&out);
    buf_free(&head);
}

static int usage(void)
{
    (void)fputs("florin: usage: florin store copy --from sqlite:PATH [--to postgres://…] [--json]\n"
                "Without --to it is the setting `store` (FLORIN_STORE, or --config FILE).\n",
                stderr);
    return EXIT_USAGE;
}

int command_store(int argc, char **argv)
{
    struct option own[] = {{"from", true, NULL}, {"to", true, NULL}, {"json", false, NULL}};
    static struct options o;
    static struct moving m;
    struct err_info info = {0};
    o = (struct options){.own = own, .own_n = COUNT_OF(own)};
    if (!options_read(&o, argc, argv) || o.words_n != 1 || strcmp(o.words[0], "copy") != 0 ||
        !own[0].value)
        return usage();
    /* the setting keeps a password off the command line */
    const char *to = own[1].value ? own[1].value : o.config.store;
    if (!str_starts(str_from(own[0].value), STR("sqlite:")) || !store_is_remote(to))
        return usage();
    m = (struct moving){.copy = {.from = own[0].value + 7, .to = to, .progress = show},
                        .json = own[2].value != NULL,
                        .quiet = !isatty(2),
                        .start_us = sys_mono_us()};
    m.copy.arg = &m;
    if (move(&m, &info) != OK)
        return fail(&info);
    print_moved(&m);
    return EXIT_DONE;
}

/* The small commands: ledger, connector, migrate, docs, version. */
#include <stdio.h>

#include "cli/cli_internal.h"
#include "connect/connect.h"
#include "ledger/ledger.h"
#include "payments/states.h"
#include "wire/wire.h"

static err_t verify(struct store_tx *tx, void *arg)
{
    return ledger_verify(tx, arg);
}

err_t verify_ledger(struct store *store, struct ledger_report *ret)
{
    return store_read(store, verify, ret);
}

static void print_report(const struct ledger_report *r, bool json)
{
    struct buf out = BUF(4096), head = BUF(100);
    struct jw w = {.b = &out};
    buf_hex(&head, r->head, sizeof r->head);
    jw_object(&w, NULL);
    jw_int(&w, "faults", r->faults);
    jw_str(&w, "first_fault", r->first_fault[0] ? str_from(r->first_fault) : (struct str){NULL, 0});
    jw_int(&w, "merchants", r->merchants);
    jw_int(&w, "journals", r->journals);
    jw_int(&w, "postings", r->postings);
    jw_int(&w, "events", r->events);
    jw_int(&w, "chain_rows", r->chain_rows);
    jw_str(&w, "head", buf_view(&head));
    jw_object_end(&w);
    if (json)
        (void)printf("%s\n", out.p);
    else
        (void)printf("%lld journals with %lld postings and %lld events in %lld chain rows of %lld "
                     "merchants: %s%s\nhead %s\n",
                     (long long)r->journals, (long long)r->postings, (long long)r->events,
                     (long long)r->chain_rows, (long long)r->merchants,
                     r->faults ? "FAULTS: " : "all verified", r->first_fault, head.p);
    buf_free(&out);
    buf_free(&head);
}

int command_ledger(int argc, char **argv)
{
    struct option own[] = {{"json", false, NULL}, {"expect-head", true, NULL}};
    static struct options o;
    struct ledger_report report = {0};
    struct store *store;
    o = (struct options){.own = own, .own_n = COUNT_OF(own)};
    if (!options_read(&o, argc, argv) || o.words_n != 1 || strcmp(o.words[0], "verify") != 0) {
        (void)fprintf(
            stderr,
            "florin: usage: florin ledger verify [--data DIR] [--expect-head HEX] [--json]\n");
        return EXIT_USAGE;
    }
    if (!open_store(&o.config, false, &store))
        return EXIT_FAILED;
    err_t err = verify_ledger(store, &report);
    store_close(store);
    if (err) {
        struct err_info info = {.err = err};
        return fail(&info);
    }
    struct buf head = BUF(100);
    buf_hex(&head, report.head, sizeof report.head);
    if (own[1].value && strcmp(own[1].value, head.p) != 0) {
        report.faults++;
        (void)snprintf(
            report.first_fault, sizeof report.first_fault,
            "the head differs from the expected one: rows are missing or more were written");
    }
    buf_free(&head);
    print_report(&report, own[0].value != NULL);
    return report.faults ? EXIT_FAILED : EXIT_DONE;
}

int command_connector(int argc, char **argv)
{
    static struct options o;
    struct buf out = BUF((size_t)4 << 20);
    char dir[1024];
    int passed = 0, failed = 0;
    o = (struct options){0};
    if (!options_read(&o, argc, argv) || o.words_n != 2 || strcmp(o.words[0], "test") != 0) {
        (void)fprintf(stderr, "florin: usage: florin connector test NAME [--connectors DIR]\n");
        return EXIT_USAGE;
    }
    connectors_dir(&o.config, dir);
    err_t err = connector_test(dir, o.words[1], &out, &passed, &failed);
    if (out.p)
        (void)fputs(out.p, stdout);
    buf_free(&out);
    (void)printf("%d passed, %d failed\n", passed, failed);
    return err || failed || !passed ? EXIT_FAILED : EXIT_DONE;
}

int command_migrate(int argc, char **argv)
{
    struct option own[] = {{"after", true, NULL}, {"check", false, NULL}};
    static struct options o;
    struct err_info info = {0};
    struct store *store;
    uint8_t key[32];
    o = (struct options){.own = own, .own_n = COUNT_OF(own)};
    if (!options_read(&o, argc, argv) || o.words_n)
        return EXIT_USAGE;
    if (sys_make_dir(o.config.data, &info) != OK || master_key(&o.config, true, key, &info) != OK)
        return fail(&info);
    mem_wipe(key, sizeof key);
    if (!open_store(&o.config, true, &store))
        return EXIT_FAILED;
    err_t err = own[0].value ? store_after(store, own[0].value, &info) : OK;
    if (!err && own[1].value)
        err = store_prepare_all(store, &info);
    store_close(store);
    if (err) {
        info.err = err;
        return fail(&info);
    }
    (void)printf("The schema is up to date%s.\n",
                 own[1].value ? " and every statement can be prepared" : "");
    return EXIT_DONE;
}

static void describe_errors(struct buf *out)
{
    buf_str(out, "# Errors\n\nMade by `florin docs errors` from `src/base/errors.def` and "
                 "`src/connect/connect.h`. Every error is a problem document\n"
                 "(RFC 9457) whose `type` is `urn:florin:error:<code>`.\n\n| code | HTTP status | "
                 "meaning |\n|---|---|---|\n");
    for (err_t e = 1; e < ERR_COUNT; e++)
        if (error_def(e)->klass != ERROR_SOFT)
            buf_printf(out, "| `%s` | %d | %s |\n", error_def(e)->code, error_def(e)->status,
                       error_def(e)->title);
    buf_str(out, "\n## Decline codes\n\nIn `decline_code`. The retry class says what may be done "
                 "next.\n\n| code | retry |\n|---|---|\n");
    for (int d = 1; decline_code_text(d); d++)
        buf_printf(out, "| `%s` | %s |\n", decline_code_text(d),
                   retry_class_text(decline_retry(d)));
}

static void describe_metrics(struct buf *out)
{
    buf_str(out, "# Metrics\n\nMade by `florin docs metrics` from `src/observe/metrics.def`. Read "
                 "them at `/metrics` on the private listener.\n\n"
                 "| name | type | meaning |\n|---|---|---|\n");
#define X(NAME, type, text, help) buf_printf(out, "| `%s` | %s | %s |\n", text, #type, help);
#include "observe/metrics.def"
#undef X
}

int command_docs(int argc, char **argv)
{
    struct buf out = BUF((size_t)1 << 20);
    const char *page = argc == 1 ? argv[0] : "";
    if (strcmp(page, "states") == 0)
        machines_describe(&out);
    else if (strcmp(page, "errors") == 0)
        describe_errors(&out);
    else if (strcmp(page, "configuration") == 0)
        config_describe(&out, true);
    else if (strcmp(page, "metrics") == 0)
        describe_metrics(&out);
    else {
        (void)fprintf(stderr, "florin: usage: florin docs states|errors|configuration|metrics\n");
        return EXIT_USAGE;
    }
    (void)fputs(out.p ? out.p : "", stdout);
    buf_free(&out);
    return EXIT_DONE;
}

int command_version(int argc, char **argv)
{
    bool json = argc == 1 && strcmp(argv[0], "--json") == 0;
    (void)printf(json ? "{\"version\":\"%s\"}\n" : "florin %s\n", FLORIN_VERSION);
    return EXIT_DONE;
}

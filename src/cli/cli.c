/* Dispatch and options. */
#include "cli/cli.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/cli_internal.h"
#include "crypto/crypto.h"
#include "wire/wire.h"

extern char **environ;

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage, *prose; /* NULL prose: not shown */
    const char *example;       /* NULL: none */
    bool runs;                 /* Florin itself: its help tells all settings */
} commands[] = {
    {"up", command_up, "[--data DIR] [--api HOST:PORT] [--ready-file FILE] …",
     "Development: everything with SQLite, a demo merchant and the sandbox provider, in one "
     "command.",
     .example = "up --data ./florin-data", .runs = true},
    {"serve", command_serve, "--config FILE", "Production: the merchant API and its workers.",
     .example = "serve --config /etc/florin.conf", .runs = true},
    {"sandbox", command_sandbox, "[--sandbox HOST:PORT] [--data DIR]",
     "The sandbox provider alone.", .runs = true},
    {"keys", command_keys,
     "create|list|revoke KEY_ID [--merchant mer_…] [--new-merchant NAME] [--kind "
     "secret|publishable] [--live] [--name TEXT] [--json]",
     "API keys and merchants. A key is shown once.",
     .example = "keys create --new-merchant \"My shop\""},
    {"ledger", command_ledger, "verify [--expect-head HEX] [--json]",
     "Recomputes the whole ledger and its hash chain.",
     .example = "ledger verify --data ./florin-data"},
    {"connector", command_connector, "test NAME [--connectors DIR]",
     "Replays the fixtures of a connector.", .example = "connector test sandbox"},
    {"migrate", command_migrate, "[--data DIR] [--store …] [--check] [--after citus]",
     "Prepares a data folder: makes the master key where missing, brings the schema up to date. "
     "--check prepares every statement too.",
     .example = "migrate --data ./florin-data --check"},
    {"store", command_store, "copy --from sqlite:PATH [--to postgres://…] [--json]",
     "Moves a SQLite store to PostgreSQL (--to, or the setting `store`), verifies it, and goes on "
     "where it was broken off.",
     .example = "store copy --from sqlite:florin-data/florin.db --to postgres://db.example/florin"},
    {"pages", command_pages, "reports|inventory [--data DIR] [--store …] [--json]",
     "Evidence for PCI DSS 6.4.3 and 11.6.1. reports: what browsers reported of the pages on which "
     "cards are typed, the newest 1000, as JSON. inventory: each page with its scripts, their "
     "hashes and its policy.",
     .example = "pages inventory"},
    {"vault", command_vault, "", /* vault_help tells it */
     "The vault: keys, custodians, cards, the record of who did what. `florin vault` lists the "
     "options; see docs/vault.md.",
     .example = NULL},
    {"permit", command_permit,
     "sign --host https://… [--until DAY] [--member NAME]… [--key FILE] [--merchant mer_…] "
     "[--live] [--account pac_…] | show --account pac_… | revoke --account pac_…|--line TEXT "
     "[--json]",
     "Where a provider account's requests with cards may go: signed by an operator, believed by "
     "nobody else, until the operator takes it back.",
     .example = "permit sign --account pac_… --host https://api.provider.example"},
    {"docs", command_docs, "states|errors|configuration|metrics",
     "Prints a page of documentation made from the tables in the code.", .example = "docs errors"},
    {"version", command_version, "[--json]", "Prints the version.", .example = NULL},
    {.name = "role-setup", .run = role_setup, .usage = ""},
    {.name = "role-vault", .run = role_vault, .usage = ""},
    {.name = "role-card", .run = role_card, .usage = ""},
    {.name = "role-api", .run = role_api, .usage = ""},
    {.name = "role-sandbox", .run = role_sandbox, .usage = ""},
};

static void print_help(FILE *f)
{
    (void)fprintf(f,
                  "florin %s: a payment layer that a company runs itself\n\nUsage: florin COMMAND "
                  "[options]\n\n",
                  FLORIN_VERSION);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (commands[i].prose)
            (void)fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].prose);
    (void)fprintf(
        f,
        "\n`florin COMMAND --help` explains one. Exit status: 0 done, 1 failed, 2 wrong usage.\n");
}

static void print_command_help(const struct command *c)
{
    struct buf settings = BUF((size_t)1 << 20);
    (void)printf("Usage: florin %s %s\n\n%s\n", c->name, c->usage, c->prose ? c->prose : "");
    if (c->example)
        (void)printf("\nExample: florin %s\n", c->example);
    if (!c->runs) {
        (void)puts("\nSettings are taken as by the server (--config FILE, --data DIR, …); `florin "
                   "serve --help` lists them.");
        return;
    }
    config_describe(&settings, false);
    (void)printf("\nSettings (as --option VALUE, FLORIN_OPTION in the environment, or `option = "
                 "value` in the file of --config):\n%s",
                 settings.p ? settings.p : "");
    buf_free(&settings);
}

int cli_main(int argc, char **argv)
{
    sys_harden(); /* before anything is made: files are their owner's alone */
    crypto_init();
    wire_init();
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(name, commands[i].name) != 0)
            continue;
        for (int a = 2; a < argc; a++)
            if (strcmp(argv[a], "--help") == 0) {
                if (commands[i].run == command_vault)
                    vault_help(argc - 2, argv + 2);
                else
                    print_command_help(&commands[i]);
                return EXIT_DONE;
            }
        return commands[i].run(argc - 2, argv + 2);
    }
    (void)fprintf(stderr, "florin: there is no command `%s`; `florin --help` lists them\n",
                  argv[1]);
    return EXIT_USAGE;
}

/* The first of that name without a value yet, or the last: what may be repeated stands there as
 * often as that. */
static struct option *own_option(struct options *o, struct str name)
{
    struct option *found = NULL;
    for (size_t i = 0; i < o->own_n; i++)
        if (str_eq(name, str_from(o->own[i].name)) && !(found && !found->value))
            found = &o->own[i];
    return found;
}

/* One pass over the command line; with `early` only --config is acted on. */
static err_t read_arguments(struct options *o, int argc, char **argv, bool early,
                            struct err_info *info)
{
    for (size_t i = 0; i < o->own_n; i++)
        o->own[i].value = NULL;
    for (int i = 0; i < argc; i++) {
        struct str arg = str_from(argv[i]);
        if (!str_starts(arg, STR("--"))) {
            if (early)
                continue;
            if (o->words_n == COUNT_OF(o->words)) /* not repeated: a URI may hold a password */
                return error_set(info, ERR_CONFIG, "there are too many arguments");
            o->words[o->words_n++] = argv[i];
            continue;
        }
        struct str name = {arg.p + 2, arg.n - 2};
        const char *eq = memchr(name.p, '=', name.n);
        struct option *own = own_option(o, eq ? (struct str){name.p, (size_t)(eq - name.p)} : name);
        if (own && !own->takes_value) {
            own->value = "";
            continue;
        }
        const char *value = eq ? eq + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (eq)
            name.n = (size_t)(eq - name.p);
        if (!value)
            return error_set(info, ERR_CONFIG, "--" STR_FMT " needs a value", STR_ARG(name));
        err_t err = OK;
        if (str_eq(name, STR("config"))) {
            if (early)
                err = config_file(&o->config, value, info);
        } else if (own) {
            own->value = value;
        } else if (!early) {
            err = config_set(&o->config, name, str_from(value), info);
        }
        if (err)
            return err;
    }
    return OK;
}

bool options_read(struct options *o, int argc, char **argv)
{
    struct err_info info = {0};
    config_defaults(&o->config);
    err_t err = read_arguments(o, argc, argv, true, &info);
    if (!err)
        err = config_environment(&o->config, environ, &info);
    if (!err)
        err = read_arguments(o, argc, argv, false, &info);
    if (err)
        (void)fprintf(stderr, "florin: %s\n", info.detail);
    return err == OK;
}

int fail(const struct err_info *info)
{
    (void)fprintf(stderr, "florin: %s\n",
                  info->detail[0] ? info->detail : error_def(info->err)->title);
    return EXIT_FAILED;
}

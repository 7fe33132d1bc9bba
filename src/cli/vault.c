/* florin vault …: its commands and what they share. */
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "cli/vault_cli.h"

static const struct {
    const char *name;
    int (*run)(struct vault_run *r);
    int words; /* after the command */
    const char *usage;
} commands[] = {
    {"init", vault_init, 0,
     "[--vault-key file|fd|pkcs11|shares] [--shares N --threshold K [--share-dir DIR]]"},
    {"status", vault_status, 0, ""},
    {"unseal", vault_unseal, 0, "[--from FILE] | --forget        one share, from standard input"},
    {"rotate-master", vault_rotate_master_key, 0,
     "[--vault-key SOURCE] [--from FILE] [--shares N --threshold K [--share-dir DIR]]"},
    {"rotate-merchant", vault_rotate_merchant_keys, 0, "--merchant mer_…|all [--live]"},
    {"export", vault_export_cards, 0, "--merchant mer_… [--live] --to-key HEX --out FILE"},
    {"import", vault_import_cards, 0, "--from FILE --from-key HEX"},
    {"backup", vault_backup, 0, "--out FILE"},
    {"restore", vault_restore, 0, "--from FILE [--replace]     the vault does not run"},
    {"adopt", vault_adopt, 0, "[--yes]     a lost vault's place; Florin does not run"},
    {"audit", vault_audit_list, 0, "[--expect-head HEX]"},
    {"identity", vault_show_identity, 0, ""},
    {"delete", vault_delete_card, 1, "pm_… --merchant mer_… [--live]"},
};

static void print_commands(FILE *f)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        (void)fprintf(f, "  %-15s %s\n", commands[i].name, commands[i].usage);
}

static int usage(void)
{
    (void)fputs("florin: usage: florin vault COMMAND [--json]\n", stderr);
    print_commands(stderr);
    return EXIT_USAGE;
}

void vault_help(int argc, char **argv)
{
    for (int a = 0; a < argc; a++)
        for (size_t i = 0; i < COUNT_OF(commands); i++)
            if (strcmp(argv[a], commands[i].name) == 0) {
                (void)printf("Usage: florin vault %s [--json] %s\n\nSee docs/vault.md.\n",
                             commands[i].name, commands[i].usage);
                return;
            }
    (void)puts("Usage: florin vault COMMAND [--json]\n");
    print_commands(stdout);
    (void)puts("\nExample: florin vault status --json\n\nSee docs/vault.md.");
}

const char *vault_option(const struct vault_run *r, enum vault_option o)
{
    return r->own[o].value;
}

int vault_fail(struct vault_run *r, err_t err)
{
    if (!r->info.err)
        r->info.err = err;
    (void)fail(&r->info);
    return err == ERR_CONFIG && !r->info.detail[0] ? EXIT_USAGE : EXIT_FAILED;
}

/* --- secrets come in lines, never as arguments --- */
static bool quiet(bool on)
{
    struct termios t;
    if (!isatty(0) || tcgetattr(0, &t) != 0)
        return false;
    t.c_lflag = on ? t.c_lflag & ~(tcflag_t)ECHO : t.c_lflag | ECHO;
    return tcsetattr(0, TCSAFLUSH, &t) == 0;
}

static void read_line(struct buf *ret)
{
    char c;
    while (!ret->failed && read(0, &c, 1) == 1 && c != '\n')
        buf_byte(ret, c);
}

err_t vault_read_secret(struct vault_run *r, const char *prompt, struct buf *ret)
{
    const char *from = vault_option(r, VO_FROM);
    *ret = BUF(4096);
    err_t err = OK;
    if (from && strcmp(from, "-") != 0) {
        err = sys_read_file(from, 2048, ret, &r->info);
    } else {
        bool hidden = quiet(true);
        if (hidden)
            (void)fprintf(stderr, "%s: ", prompt);
        read_line(ret);
        if (hidden && quiet(false))
            (void)fputc('\n', stderr);
    }
    while (!err && ret->n > 0 && (ret->p[ret->n - 1] == '\n' || ret->p[ret->n - 1] == '\r'))
        ret->p[--ret->n] = 0;
    if (!err && (ret->failed || ret->n == 0))
        err = error_set(&r->info, ERR_PARAM_MISSING, "nothing came on standard input");
    return err;
}

/* --- merchants --- */
struct finding {
    struct id wanted, found;
    int64_t number;
};

static err_t find(struct store_tx *tx, void *arg)
{
    struct finding *f = arg;
    return merchant_find(tx, f->wanted, &f->number, &f->found);
}

err_t vault_merchant(struct vault_run *r, bool all_allowed, int64_t *ret)
{
    const char *text = vault_option(r, VO_MERCHANT);
    struct finding f = {.number = 0};
    struct store *store;
    *ret = 0;
    if (text && all_allowed && strcmp(text, "all") == 0)
        return OK;
    if (!text)
        return error_set(&r->info, ERR_PARAM_MISSING, "say which merchant with --merchant mer_…%s",
                         all_allowed ? ", or all" : "");
    if (str_to_i64(str_from(text), ret) && *ret > 0)
        return OK; /* its number, where the store is not at hand */
    if (!id_parse(ID_MERCHANT, str_from(text), &f.wanted))
        return error_set(&r->info, ERR_NOT_FOUND, "`%.60s` is no merchant id (mer_…)", text);
    if (!open_store(r->config, false, &store))
        return error_set(&r->info, ERR_STORE, "the merchant could not be looked up");
    err_t err = store_read(store, find, &f);
    store_close(store);
    if (err)
        return error_set(&r->info, err, "there is no such merchant");
    *ret = f.number + (vault_option(r, VO_LIVE) ? 1 : 0);
    return OK;
}

int command_vault(int argc, char **argv)
{
    static struct vault_run r;
    r = (struct vault_run){.own = {[VO_MERCHANT] = {"merchant", true, NULL},
                                   [VO_LIVE] = {"live", false, NULL},
                                   [VO_SHARES] = {"shares", true, NULL},
                                   [VO_THRESHOLD] = {"threshold", true, NULL},
                                   [VO_SHARE_DIR] = {"share-dir", true, NULL},
                                   [VO_TO_KEY] = {"to-key", true, NULL},
                                   [VO_OUT] = {"out", true, NULL},
                                   [VO_FROM] = {"from", true, NULL},
                                   [VO_FROM_KEY] = {"from-key", true, NULL},
                                   [VO_REPLACE] = {"replace", false, NULL},
                                   [VO_FORGET] = {"forget", false, NULL},
                                   [VO_EXPECT_HEAD] = {"expect-head", true, NULL},
                                   [VO_YES] = {"yes", false, NULL},
                                   [VO_JSON] = {"json", false, NULL}}};
    r.options = (struct options){.own = r.own, .own_n = VO_COUNT};
    if (!options_read(&r.options, argc, argv) || r.options.words_n < 1)
        return usage();
    r.config = &r.options.config;
    r.json = vault_option(&r, VO_JSON) != NULL;
    if (!vault_wanted(r.config))
        return vault_fail(&r, error_set(&r.info, ERR_CONFIG, "the setting `vault` says: none"));
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(r.options.words[0], commands[i].name) == 0 &&
            (int)r.options.words_n == commands[i].words + 1)
            return commands[i].run(&r);
    return usage();
}

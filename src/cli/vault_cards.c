/* florin vault export, import, identity, delete. */
#include <stdio.h>
#include <unistd.h>

#include "cli/vault_cli.h"
#include "crypto/crypto.h"

/* A file of cards on their way: this line, which export it is (16 bytes), pieces of a length (8
 * bytes) and as many bytes. Each piece has the export and its number within, the last one says that
 * it is: what was cut off, moved or left out is noticed. */
#define FIRST_LINE "florin-vault-export-2\n"
#define CHUNK_MAX ((size_t)64 << 10)

/* --- identity --- */
static void show_identity(const struct vault_answer *a)
{
    (void)printf("%.*s\n", (int)a->data.n, a->data.p);
}

int vault_show_identity(struct vault_run *r)
{
    return vault_ask_and_show(r, VAULT_DO_IDENTITY, NULL, show_identity);
}

/* --- export --- */
struct transfer {
    struct vault_run *run;
    struct vault_line *line;
    FILE *file;
    int64_t merchant, cards, chunks;
    uint8_t key[VAULT_KEY]; /* of the vault at the other end */
    struct id export;
    bool only_look;
    struct id after;
    bool more;
};

static err_t read_key(struct transfer *t, const char *option, const char *text)
{
    if (!crypto_hex_decode(str_from(text), t->key, sizeof t->key))
        return error_set(&t->run->info, ERR_PARAM_INVALID,
                         "%s takes the 64 hex digits that `florin vault identity` says", option);
    if (!crypto_box_usable(t->key))
        return error_set(&t->run->info, ERR_PARAM_INVALID,
                         "the key of %s is no vault's: nothing can be sealed for it", option);
    return OK;
}

static bool put_number(FILE *f, uint64_t v)
{
    uint8_t b[8];
    num_put64(b, v);
    return fwrite(b, 1, sizeof b, f) == sizeof b;
}

static err_t export_some(struct transfer *t)
{
    struct buf payload = BUF(256);
    struct vault_answer a;
    link_put_int(&payload, t->merchant);
    link_put_bytes(&payload, t->key, sizeof t->key);
    link_put_id(&payload, t->export);
    link_put_int(&payload, t->chunks);
    link_put_id(&payload, t->after);
    err_t err = vault_ask(t->run, t->line, VAULT_DO_EXPORT, &payload, &a);
    t->more = !err && a.more;
    if (!err && a.data.n > sizeof t->after.b) {
        size_t n = a.data.n - sizeof t->after.b;
        memcpy(t->after.b, a.data.p, sizeof t->after.b);
        t->cards += vault_answer_int(&a, "cards");
        t->chunks++;
        if (!put_number(t->file, n) || fwrite(a.data.p + sizeof t->after.b, 1, n, t->file) != n)
            err = error_set(&t->run->info, ERR_IO, "the file cannot be written");
    }
    vault_answer_free(&a);
    buf_free(&payload);
    return err;
}

static err_t export_all(struct transfer *t)
{
    crypto_random(t->export.b, sizeof t->export.b);
    err_t err =
        fputs(FIRST_LINE, t->file) >= 0 && fwrite(t->export.b, sizeof t->export.b, 1, t->file) == 1
            ? OK
            : ERR_IO;
    for (t->more = true; !err && t->more;)
        err = export_some(t);
    if (!err && (fflush(t->file) != 0 || fsync(fileno(t->file)) != 0))
        err = error_set(&t->run->info, ERR_IO, "the file cannot be written");
    return err;
}

static int say(struct transfer *t, const char *what)
{
    if (t->run->json)
        (void)printf("{\"cards\":%lld}\n", (long long)t->cards);
    else
        (void)printf("%lld cards %s.\n", (long long)t->cards, what);
    return EXIT_DONE;
}

int vault_export_cards(struct vault_run *r)
{
    struct transfer t = {.run = r};
    const char *to = vault_option(r, VO_TO_KEY), *out = vault_option(r, VO_OUT);
    char part[1100];
    if (!to || !out)
        return vault_fail(r, error_set(&r->info, ERR_PARAM_MISSING,
                                       "say --out FILE and --to-key, what `florin vault identity` "
                                       "says where the cards go"));
    err_t err = read_key(&t, "--to-key", to);
    if (!err)
        err = vault_merchant(r, false, &t.merchant);
    if (!err)
        err = vault_line_open(r, &t.line);
    if (!err)
        err = vault_out(r, out, part, &t.file);
    if (!err)
        err = export_all(&t);
    if (t.file)
        (void)fclose(t.file);
    if (!err && rename(part, out) != 0)
        err = error_set(&r->info, ERR_IO, "%s cannot be written", out);
    if (err && t.file)
        (void)unlink(part);
    vault_line_close(t.line);
    return err ? vault_fail(r, err) : say(&t, "exported");
}

/* --- import --- */
static bool take_number(FILE *f, uint64_t *ret)
{
    uint8_t b[8];
    if (fread(b, 1, sizeof b, f) != sizeof b)
        return false;
    *ret = num_get64(b);
    return true;
}

static err_t import_one(struct transfer *t, const char *chunk, size_t n)
{
    struct buf payload = BUF(CHUNK_MAX + 256);
    struct vault_answer a;
    link_put_bytes(&payload, t->key, sizeof t->key);
    link_put_id(&payload, t->export);
    link_put_int(&payload, t->chunks);
    link_put_int(&payload, t->only_look);
    link_put_bytes(&payload, chunk, n);
    err_t err = vault_ask(t->run, t->line, VAULT_DO_IMPORT, &payload, &a);
    t->more = !err && a.more;
    if (!err && !t->only_look)
        t->cards += vault_answer_int(&a, "cards");
    t->chunks++;
    vault_answer_free(&a);
    buf_free(&payload);
    return err;
}

static err_t import_all(struct transfer *t, bool only_look)
{
    char line[sizeof FIRST_LINE] = "";
    static char chunk[CHUNK_MAX];
    uint64_t n = 0;
    err_t err = OK;
    rewind(t->file);
    if (fread(line, 1, sizeof line - 1, t->file) != sizeof line - 1 ||
        strcmp(line, FIRST_LINE) != 0)
        return error_set(&t->run->info, ERR_PARAM_INVALID, "this is no export of a vault");
    t->only_look = only_look;
    t->chunks = 0;
    t->more = fread(t->export.b, sizeof t->export.b, 1, t->file) == 1;
    if (!t->more)
        return error_set(&t->run->info, ERR_IO, "the file ends too soon; nothing was taken");
    while (!err && t->more) {
        if (!take_number(t->file, &n) || n == 0 || n > CHUNK_MAX ||
            fread(chunk, 1, n, t->file) != n)
            return error_set(&t->run->info, ERR_IO, "the file ends too soon; %s",
                             only_look ? "nothing was taken" : "import all of it again");
        err = import_one(t, chunk, n);
    }
    if (!err && fgetc(t->file) != EOF)
        err = error_set(&t->run->info, ERR_PARAM_INVALID,
                        "something follows the end of the export; nothing was taken");
    return err;
}

int vault_import_cards(struct vault_run *r)
{
    struct transfer t = {.run = r};
    const char *from = vault_option(r, VO_FROM);
    const char *key = vault_option(r, VO_FROM_KEY);
    if (!from || !key)
        return vault_fail(r, error_set(&r->info, ERR_PARAM_MISSING,
                                       "say --from FILE and --from-key, what `florin vault "
                                       "identity` says where the cards come from"));
    err_t err = read_key(&t, "--from-key", key);
    if (!err && !(t.file = fopen(from, "re")))
        err = error_set(&r->info, ERR_IO, "%s cannot be read", from);
    if (!err)
        err = vault_line_open(r, &t.line);
    if (!err)
        err = import_all(&t, true); /* all of it is looked at before any of it is taken */
    if (!err)
        err = import_all(&t, false);
    if (t.file)
        (void)fclose(t.file);
    vault_line_close(t.line);
    return err ? vault_fail(r, err) : say(&t, "imported that were not there");
}

/* --- one card --- */
static void show_deleted(const struct vault_answer *a)
{
    (void)a;
    (void)puts("Deleted.");
}

int vault_delete_card(struct vault_run *r)
{
    struct buf payload = BUF(64);
    struct str text = str_from(r->options.words[1]);
    char plain[ID_TEXT_MAX];
    struct id card;
    int64_t merchant;
    if (str_starts(text, STR("pm_tok_"))) { /* the token of a card has its id */
        (void)snprintf(plain, sizeof plain, "pm_%s", text.p + 7);
        text = str_from(plain);
    }
    if (!id_parse(ID_PAYMENT_METHOD, text, &card))
        return vault_fail(r, error_set(&r->info, ERR_NOT_FOUND, "that is no card (pm_…)"));
    err_t err = vault_merchant(r, false, &merchant);
    if (err)
        return vault_fail(r, err);
    link_put_int(&payload, merchant);
    link_put_id(&payload, card);
    int status = vault_ask_and_show(r, VAULT_DO_DELETE, &payload, show_deleted);
    buf_free(&payload);
    return status;
}

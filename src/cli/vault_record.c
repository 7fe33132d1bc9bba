/* florin vault audit, backup. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/vault_cli.h"
#include "wire/wire.h"

/* --- the record: verified here, row by row --- */
struct chain {
    struct vault_run *run;
    uint8_t before[32];
    int64_t rows, bad;
    char expected[65];
    bool met;
};

static void print_row(const struct chain *c, const struct vault_audited *row, bool good)
{
    struct buf out = BUF(4096), hex = BUF(80);
    struct jw w = {.b = &out};
    buf_hex(&hex, row->card.p ? row->card.p : "", row->card.n);
    jw_object(&w, NULL);
    jw_int(&w, "number", row->number);
    jw_time(&w, "at", row->at_us);
    jw_str(&w, "action", str_from(vault_action_text(row->action)));
    jw_int(&w, "merchant", row->merchant_id);
    if (row->card.n == 16) {
        struct id id;
        memcpy(id.b, row->card.p, 16);
        jw_id(&w, "card", ID_PAYMENT_METHOD, id);
    } else {
        jw_null(&w, "card");
    }
    jw_str(&w, "detail", row->detail);
    jw_bool(&w, "good", good);
    jw_object_end(&w);
    if (c->run->json)
        (void)printf("%s%s", row->number > 1 ? "," : "", out.p);
    else
        (void)printf("%s%s\n", out.p, good ? "" : "   DOES NOT FIT");
    buf_free(&out);
    buf_free(&hex);
}

static void take_row(struct chain *c, struct link_reader *in)
{
    struct vault_audited row = {.number = link_take_int(in)};
    struct buf hex = BUF(80);
    uint8_t hash[32];
    row.at_us = link_take_int(in);
    row.action = link_take_int(in);
    row.merchant_id = link_take_int(in);
    row.card = link_take_str(in, 16);
    row.detail = link_take_str(in, 256);
    struct str have = link_take_str(in, sizeof row.hash);
    if (in->failed)
        return;
    vault_audit_hash(c->before, &row, hash);
    bool good = row.number == c->rows + 1 && have.n == sizeof hash &&
                memcmp(have.p, hash, sizeof hash) == 0;
    if (!good && !c->bad)
        c->bad = c->rows + 1;
    c->rows++;
    memcpy(c->before, hash, sizeof hash);
    buf_hex(&hex, hash, sizeof hash);
    c->met = c->met || strcmp(hex.p, c->expected) == 0;
    buf_free(&hex);
    print_row(c, &row, good);
}

static err_t take_page(struct chain *c, struct vault_line *l, bool *ret_more)
{
    struct buf payload = BUF(64);
    struct vault_answer a;
    link_put_int(&payload, c->rows);
    err_t err = vault_ask(c->run, l, VAULT_DO_AUDIT, &payload, &a);
    struct link_reader in = {.rest = buf_view(&a.data)};
    int64_t before = c->rows;
    while (!err && in.rest.n > 0 && !in.failed)
        take_row(c, &in);
    *ret_more = !err && a.more && c->rows > before && !in.failed;
    if (!err && in.failed)
        err = error_set(&c->run->info, ERR_IO, "the vault's answer is none");
    vault_answer_free(&a);
    buf_free(&payload);
    return err;
}

int vault_audit_list(struct vault_run *r)
{
    struct chain c = {.run = r};
    struct vault_line *l = NULL;
    struct buf head = BUF(80);
    const char *expected = vault_option(r, VO_EXPECT_HEAD);
    bool more = true;
    (void)snprintf(c.expected, sizeof c.expected, "%s", expected ? expected : "");
    err_t err = vault_line_open(r, &l);
    if (!err && r->json)
        (void)fputs("{\"data\":[", stdout);
    while (!err && more)
        err = take_page(&c, l, &more);
    vault_line_close(l);
    if (err)
        return vault_fail(r, err);
    bool good = !c.bad && (!expected || c.met);
    buf_hex(&head, c.before, sizeof c.before);
    if (r->json)
        (void)printf("],\"rows\":%lld,\"verified\":%s,\"head\":\"%s\"}\n", (long long)c.rows,
                     good ? "true" : "false", head.p);
    else
        (void)printf("%lld rows: %s\nhead %s\n", (long long)c.rows,
                     c.bad   ? "THE CHAIN IS BROKEN"
                     : !good ? "THE EXPECTED HEAD IS NOT IN IT: rows are missing"
                             : "all verified",
                     head.p);
    buf_free(&head);
    return good ? EXIT_DONE : EXIT_FAILED;
}

/* --- files that come out of the vault --- */
static bool in_own_folder(const struct config *c, const char *out)
{
    char dir[1024], folder[1100];
    struct stat own, to;
    (void)snprintf(folder, sizeof folder, "%s", out);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    return vault_dir(c, dir) && stat(dir, &own) == 0 && stat(slash ? folder : ".", &to) == 0 &&
           own.st_dev == to.st_dev && own.st_ino == to.st_ino;
}

err_t vault_out(struct vault_run *r, const char *out, char part[1100], FILE **ret)
{
    *ret = NULL;
    if (in_own_folder(r->config, out))
        return error_set(&r->info, ERR_PARAM_INVALID,
                         "%s is in the vault's own folder, whose files are in use", out);
    int n = snprintf(part, 1100, "%s.part", out), fd = -1;
    if (n < 1100) {
        (void)unlink(part); /* of one that was broken off */
        fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    }
    *ret = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (fd >= 0 && !*ret)
        close(fd);
    return *ret ? OK : error_set(&r->info, ERR_IO, "%s cannot be written", out);
}

/* --- backup --- */
static err_t copy_out(struct vault_run *r, int fd, const char *out, int64_t *ret_bytes)
{
    char part[1100], chunk[65536];
    ssize_t n = 1;
    FILE *f;
    err_t err = vault_out(r, out, part, &f);
    if (err)
        return err;
    bool good = true;
    while (good && n > 0) {
        n = read(fd, chunk, sizeof chunk);
        good = n >= 0 && fwrite(chunk, 1, (size_t)(n > 0 ? n : 0), f) == (size_t)(n > 0 ? n : 0);
        *ret_bytes += good ? n : 0;
    }
    good = good && fflush(f) == 0 && fsync(fileno(f)) == 0;
    (void)fclose(f);
    good = good && rename(part, out) == 0;
    if (!good)
        (void)unlink(part);
    return good ? OK : error_set(&r->info, ERR_IO, "%s cannot be written", out);
}

int vault_backup(struct vault_run *r)
{
    struct vault_line *l = NULL;
    struct vault_answer a;
    const char *out = vault_option(r, VO_OUT);
    int64_t bytes = 0;
    if (!out)
        return vault_fail(r, error_set(&r->info, ERR_PARAM_MISSING, "say --out FILE"));
    err_t err = vault_line_open(r, &l);
    if (err)
        return vault_fail(r, err);
    err = vault_ask(r, l, VAULT_DO_BACKUP, NULL, &a);
    if (!err && a.fd < 0)
        err = error_set(&r->info, ERR_IO, "the vault's answer is none");
    if (!err)
        err = copy_out(r, a.fd, out, &bytes);
    vault_answer_free(&a);
    vault_line_close(l);
    if (err)
        return vault_fail(r, err);
    if (r->json)
        (void)printf("{\"bytes\":%lld}\n", (long long)bytes);
    else
        (void)printf("%lld bytes in %s. The master key is not in it.\n", (long long)bytes, out);
    return EXIT_DONE;
}

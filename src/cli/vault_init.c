/* florin vault init, restore: on a vault that does not run. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/vault_cli.h"
#include "crypto/crypto.h"
#include "sys/token.h"
#include "vault/shamir.h"
#include "wire/wire.h"

/* --- shares --- */
static bool count_of(const struct vault_run *r, enum vault_option o, int64_t *ret)
{
    const char *text = vault_option(r, o);
    return text && str_to_i64(str_from(text), ret) && *ret >= 1 && *ret <= SHAMIR_MAX;
}

static err_t write_share(struct vault_run *r, const struct shamir_share *s)
{
    char text[SHAMIR_TEXT_MAX + 1], path[1100];
    const char *dir = vault_option(r, VO_SHARE_DIR);
    shamir_write(s, text);
    size_t n = strlen(text);
    text[n++] = '\n';
    err_t err = OK;
    if (dir) {
        (void)mkdir(dir, 0700); /* or it is there */
        (void)snprintf(path, sizeof path, "%s/share-%d.txt", dir, s->number);
        err = sys_write_file(path, text, n, 0600, &r->info);
    } else if (fwrite(text, 1, n, stdout) != n) {
        err = error_set(&r->info, ERR_IO, "the shares could not be written");
    }
    mem_wipe(text, sizeof text);
    return err;
}

err_t vault_print_shares(struct vault_run *r, const uint8_t key[VAULT_KEY])
{
    struct shamir_share shares[SHAMIR_MAX];
    uint8_t random[(SHAMIR_MAX - 1) * SHAMIR_KEY], set[4];
    int64_t n, needed;
    if (!count_of(r, VO_SHARES, &n) || !count_of(r, VO_THRESHOLD, &needed) || needed > n)
        return error_set(&r->info, ERR_PARAM_INVALID,
                         "say --shares N --threshold K with 1 <= K <= N <= %d", SHAMIR_MAX);
    crypto_random(random, sizeof random);
    crypto_random(set, sizeof set);
    shamir_split(key, random, set, (unsigned)needed, (unsigned)n, shares);
    err_t err = OK;
    for (int64_t i = 0; !err && i < n; i++)
        err = write_share(r, &shares[i]);
    if (!err && fflush(stdout) != 0)
        err = error_set(&r->info, ERR_IO, "the shares could not be written");
    mem_wipe(random, sizeof random);
    mem_wipe(shares, sizeof shares);
    return err;
}

/* --- init --- */
struct founding {
    struct vault_run *run;
    uint8_t key[VAULT_KEY], wrapped[TOKEN_WRAPPED];
    size_t wrapped_n;
    enum vault_source source;
    bool there;
};

static err_t note_master(int64_t version, int state, enum vault_source source, struct str wrapped,
                         void *arg)
{
    struct founding *f = arg;
    (void)version, (void)state, (void)source, (void)wrapped;
    f->there = true;
    return OK;
}

static err_t look(struct store_tx *tx, void *arg)
{
    return vault_masters(tx, note_master, arg);
}

static err_t found(struct store_tx *tx, void *arg)
{
    struct founding *f = arg;
    return vault_found(tx, f->key, f->source, (struct str){(const char *)f->wrapped, f->wrapped_n},
                       sys_now_us());
}

/* A new key of that source. What is to be kept by people is given to them before the vault counts
 * on it: broken off in between, `init` can be run again. */
static err_t make_key(struct founding *f, enum key_source source)
{
    struct vault_run *r = f->run;
    struct vault_keys keys = {.n = 0};
    struct token *token = NULL;
    err_t err = OK;
    f->source = source == KEY_FROM_TOKEN    ? VAULT_FROM_TOKEN
                : source == KEY_FROM_SHARES ? VAULT_FROM_SHARES
                                            : VAULT_FROM_FILE;
    if (source == KEY_FROM_FILE || source == KEY_FROM_FD) {
        err = vault_keys_read(r->config, true, &keys, &r->info);
        memcpy(f->key, keys.key[0].key, VAULT_KEY);
        mem_wipe(&keys, sizeof keys);
        return err;
    }
    crypto_random(f->key, VAULT_KEY);
    if (source == KEY_FROM_SHARES)
        return vault_print_shares(r, f->key);
    f->wrapped_n = TOKEN_WRAPPED;
    err = vault_token(r->config, true, &token, &r->info);
    if (!err)
        err = token_wrap(token, f->key, f->wrapped, &r->info);
    token_close(token);
    return err;
}

static err_t init_store(struct founding *f, const char *path, enum key_source source)
{
    struct vault_run *r = f->run;
    struct store *store;
    err_t err = vault_store(path, true, &store, &r->info);
    if (err)
        return err;
    err = store_read(store, look, f);
    if (!err && f->there)
        err = error_set(&r->info, ERR_STATE, "there is a vault already: %s", path);
    if (!err)
        err = make_key(f, source);
    if (!err)
        err = store_write(store, 0, found, f);
    store_close(store);
    return err;
}

static void say_founded(const struct vault_run *r, const char *path, enum key_source source)
{
    const char *name = vault_key_sources[source];
    if (r->json && source != KEY_FROM_SHARES)
        (void)printf("{\"vault\":\"ready\",\"source\":\"%s\"}\n", name);
    if (r->json)
        return;
    (void)fprintf(stderr, "The vault is at %s. Its key comes from: %s.\n", path, name);
    if (source == KEY_FROM_SHARES)
        (void)fprintf(
            stderr,
            "These shares are shown once. Give each custodian one. After each start of "
            "Florin %s of them say theirs to `florin vault unseal`. The setting `vault_key "
            "= shares` must be there when Florin starts.\n",
            vault_option(r, VO_THRESHOLD));
}

int vault_init(struct vault_run *r)
{
    char path[1100];
    uint8_t permit[32];
    enum key_source source;
    struct founding f = {.run = r};
    if (vault_option(r, VO_SHARES) && !r->config->vault_key[0])
        (void)snprintf(r->options.config.vault_key, sizeof r->options.config.vault_key, "shares");
    err_t err = vault_key_source(r->config, &source, &r->info);
    if (!err)
        err = in_vault(r->config, "", "vault.db", path, &r->info);
    if (!err)
        err = own_store(path, 0, &r->info);
    if (!err)
        err = init_store(&f, path, source);
    mem_wipe(&f, sizeof f);
    if (!err)
        err = permit_private(r->config, true, permit, &r->info);
    mem_wipe(permit, sizeof permit);
    if (!err)
        err = vault_give(r->config, &r->info);
    if (err)
        return vault_fail(r, err);
    say_founded(r, path, source);
    return EXIT_DONE;
}

/* --- restore --- */
struct trial {
    struct vault *vault;
    struct vault_keys keys;
    int64_t rows, bad, data_keys;
    uint32_t now; /* which key */
    struct vault_master master;
    int known;
    err_t opens;
};

static err_t check_record(struct store_tx *tx, void *arg)
{
    struct trial *t = arg;
    return vault_audit_verify(tx, &t->rows, &t->bad);
}

static err_t try_one(struct store_tx *tx, void *arg)
{
    struct trial *t = arg;
    return vault_unlock(tx, t->keys.key[t->now].key, (enum vault_source)t->keys.key[t->now].source,
                        sys_now_us(), &t->master);
}

static err_t try_all(struct store_tx *tx, void *arg)
{
    struct trial *t = arg;
    return vault_try_keys(tx, t->vault, &t->data_keys);
}

static err_t say_restored(struct store_tx *tx, void *arg)
{
    (void)arg;
    return vault_audit(tx, sys_now_us(), VAULT_RESTORED, 0, (struct id){{0}}, "from a backup");
}

/* Opens the copy with the keys that are at hand. With shares there are none: its record is
 * verified, and whether it opens shows when custodians come. */
static err_t try_copy(struct vault_run *r, const char *path, struct trial *t)
{
    struct store *store;
    err_t err = store_file_check(path, &r->info);
    if (!err)
        err = vault_store(path, true, &store, &r->info);
    if (err)
        return err;
    err = store_read(store, check_record, t);
    if (!err && t->bad)
        err = error_set(&r->info, ERR_CRYPTO, "row %lld of its record does not fit the one before",
                        (long long)t->bad);
    if (!err)
        err = vault_new(&t->vault);
    for (t->now = 0; !err && t->now < t->keys.n; t->now++)
        if (store_write(store, 0, try_one, t) == OK && !t->master.retired) {
            t->known++;
            err = vault_take(t->vault, t->keys.key[t->now].key, &t->master);
        }
    if (!err && t->keys.n > 0 && t->known == 0)
        err = error_set(&r->info, ERR_CRYPTO,
                        "the key is not this vault's. Was it rotated after the backup? Then "
                        "say --vault-key-file with the one of before, master.key.N");
    if (!err && t->known > 0) {
        err = store_read(store, try_all, t);
        if (err)
            (void)error_set(&r->info, err, "a key in it does not open: %s", error_def(err)->title);
    }
    if (!err)
        err = store_write(store, 0, say_restored, NULL);
    vault_free(t->vault);
    store_close(store);
    return err;
}

static err_t copy_file(struct vault_run *r, const char *to)
{
    const char *from = vault_option(r, VO_FROM);
    char chunk[65536];
    size_t n = 1;
    FILE *in = fopen(from, "re"), *out = in ? fopen(to, "wex") : NULL;
    bool good = in && out;
    while (good && n > 0) {
        n = fread(chunk, 1, sizeof chunk, in);
        good = fwrite(chunk, 1, n, out) == n;
    }
    good = good && !ferror(in) && fflush(out) == 0 && fsync(fileno(out)) == 0;
    if (in)
        (void)fclose(in);
    if (out)
        (void)fclose(out);
    return good ? OK : error_set(&r->info, ERR_IO, "%s cannot be copied to %s", from, to);
}

/* The name of a file beside the vault's. */
static void beside(const char *path, const char *suffix, char out[1120])
{
    (void)snprintf(out, 1120, "%s%s", path, suffix);
}

/* Moves it under another name when it is there. */
static err_t move(struct vault_run *r, const char *from, const char *to)
{
    return rename(from, to) == 0 || errno == ENOENT
               ? OK
               : error_set(&r->info, ERR_IO, "%s cannot be renamed", from);
}

/* With its log: one of another file would be taken for the new one's. */
static err_t put_in_place(struct vault_run *r, const char *copy, const char *path)
{
    char old[1120], log[1120], old_log[1140];
    struct stat st;
    beside(path, ".replaced", old);
    beside(path, "-wal", log);
    (void)snprintf(old_log, sizeof old_log, "%s-wal", old);
    err_t err = move(r, log, old_log);
    if (!err)
        err = move(r, path, old);
    beside(path, "-shm", log);
    (void)unlink(log);
    beside(path, ".restored-shm", log);
    (void)unlink(log);
    beside(path, ".restored-wal", log); /* moved into the file when it was closed */
    if (!err && stat(log, &st) == 0 && st.st_size > 0)
        err = error_set(&r->info, ERR_IO, "%s was not closed well", copy);
    (void)unlink(log);
    if (!err)
        err = move(r, copy, path);
    return err ? err : vault_give(r->config, &r->info);
}

static void say(const struct vault_run *r, const struct trial *t)
{
    if (r->json)
        (void)printf("{\"opens\":%s,\"keys\":%lld,\"record_rows\":%lld}\n",
                     t->known ? "true" : "null", (long long)t->data_keys, (long long)t->rows);
    else
        (void)printf("Restored. Its record of %lld rows verifies. %s\n", (long long)t->rows,
                     t->known ? "It opens with its key."
                              : "Whether it opens shows when custodians bring their shares.");
}

int vault_restore(struct vault_run *r)
{
    char path[1100], copy[1120];
    enum key_source source;
    static struct trial t;
    if (!vault_option(r, VO_FROM))
        return vault_fail(r, error_set(&r->info, ERR_PARAM_MISSING, "say --from FILE"));
    err_t err = in_vault(r->config, "", "vault.db", path, &r->info);
    if (!err)
        err = own_store(path, 0, &r->info);
    if (!err && access(path, F_OK) == 0 && !vault_option(r, VO_REPLACE))
        err = error_set(&r->info, ERR_STATE,
                        "%s is there: with --replace it is kept as vault.db.replaced", path);
    beside(path, ".restored", copy);
    (void)unlink(copy);
    if (!err)
        err = copy_file(r, copy);
    if (!err)
        err = vault_key_source(r->config, &source, &r->info);
    if (!err) /* what a token unwraps is in the copy itself */
        err = source == KEY_FROM_TOKEN ? vault_token_keys(r->config, copy, &t.keys, &r->info)
                                       : vault_keys_read(r->config, false, &t.keys, &r->info);
    if (!err)
        err = try_copy(r, copy, &t);
    mem_wipe(&t.keys, sizeof t.keys);
    if (!err)
        err = put_in_place(r, copy, path);
    if (err) {
        (void)unlink(copy);
        return vault_fail(r, err);
    }
    say(r, &t);
    return EXIT_DONE;
}

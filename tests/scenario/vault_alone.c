/* The program, with more commands: `alone` runs the role `vault` under the real parent and nothing
 * else; `fill N` seals N cards in a vault that does not run, `open` opens all there are and prints
 * how many. */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/parent.h"
#include "cli/vault_cli.h"
#include "crypto/crypto.h"
#include "observe/observe.h"

static void ready(struct parent *p)
{
    char text[96];
    struct err_info info = {0};
    int n = snprintf(text, sizeof text, "{\"pid\":%d,\"processes\":{\"vault\":%d}}\n",
                     (int)getpid(), (int)p->roles[0].pid);
    if (sys_write_file(p->config->ready_file, text, (size_t)n, 0600, &info) != OK)
        (void)fail(&info);
}

static int alone(int argc, char **argv)
{
    static struct options o;
    struct err_info info = {0};
    if (!options_read(&o, argc, argv))
        return EXIT_USAGE;
    struct parent p = {.config = &o.config, .master_fd = -1, .on_ready = ready};
    log_open(2, LOG_INFO);
    if (vault_master_fd(&o.config, true, &p.master_fd, &info) != OK ||
        vault_give(&o.config, &info) != OK)
        return fail(&info);
    p.roles[p.roles_n++] = (struct role){.id = LINK_VAULT, .command = "role-vault"};
    return parent_run(&p);
}

/* --- cards, without a card role --- */
#define MERCHANTS 3 /* 2, 3, 4 */
struct filling {
    struct vault *vault;
    const uint8_t *key;
    struct vault_master master;
    int64_t n, opened;
    struct det det;
    struct id card[2048];
    int64_t merchant[2048];
};

static err_t unlock(struct store_tx *tx, void *arg)
{
    struct filling *f = arg;
    return vault_unlock(tx, f->key, VAULT_FROM_FILE, f->det.now_us, &f->master);
}

static err_t fill(struct store_tx *tx, void *arg)
{
    struct filling *f = arg;
    const struct card c = {.number = "4242424242424242", .month = 12, .year = 2030};
    struct vault_sealed sealed;
    err_t err = OK;
    for (int64_t i = 0; !err && i < f->n; i++)
        err = vault_seal(tx, f->vault, &f->det, 2 + i % MERCHANTS, &c, 0, &sealed);
    return err;
}

static err_t list(struct store_row *row, void *arg)
{
    struct filling *f = arg;
    if (f->n < (int64_t)COUNT_OF(f->card)) {
        f->merchant[f->n] = row_int(row, 0);
        f->card[f->n++] = row_id(row, 1);
    }
    return OK;
}

static err_t open_cards(struct store_tx *tx, void *arg)
{
    struct filling *f = arg;
    const struct id first = {{0}};
    err_t err = OK;
    f->n = f->opened = 0;
    for (int64_t m = 2; !err && m < 2 + MERCHANTS; m++)
        err = store_each(tx, SQL_VAULT_LIST_CARDS, list, f, V_INT(m), V_ID(&first), V_INT(2048));
    for (int64_t i = 0; !err && i < f->n; i++) {
        struct card c;
        err = vault_open(tx, f->vault, f->det.now_us, f->merchant[i], f->card[i], false, &c);
        f->opened += !err && strcmp(c.number, "4242424242424242") == 0;
    }
    return err;
}

static int cards(int argc, char **argv, bool filling)
{
    static struct options o;
    static struct filling f;
    struct err_info info = {0};
    struct vault_keys keys = {.n = 0};
    struct store *store;
    char path[1100];
    if (!options_read(&o, argc, argv))
        return EXIT_USAGE;
    if (filling && (o.words_n != 1 || !str_to_i64(str_from(o.words[0]), &f.n)))
        return EXIT_USAGE;
    f.det = sys_det();
    err_t err = in_vault(&o.config, "", "vault.db", path, &info);
    if (!err)
        err = own_store(path, 5000, &info);
    if (!err)
        err = vault_keys_read(&o.config, false, &keys, &info);
    if (!err)
        err = vault_store(path, false, &store, &info);
    if (!err)
        err = vault_new(&f.vault);
    for (uint32_t i = 0; !err && i < keys.n; i++) {
        f.key = keys.key[i].key;
        if (store_write(store, 0, unlock, &f) == OK)
            err = vault_take(f.vault, f.key, &f.master);
    }
    if (!err)
        err = filling ? store_write(store, 0, fill, &f) : store_read(store, open_cards, &f);
    if (err) {
        info.err = err;
        return fail(&info);
    }
    vault_free(f.vault);
    store_close(store);
    (void)printf("%lld\n", (long long)(filling ? f.n : f.opened));
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    const char *command = argc < 2 ? "" : argv[1];
    bool filling = strcmp(command, "fill") == 0;
    if (strcmp(command, "alone") != 0 && !filling && strcmp(command, "open") != 0)
        return cli_main(argc, argv);
    sys_harden();
    crypto_init();
    return strcmp(command, "alone") == 0 ? alone(argc - 2, argv + 2)
                                         : cards(argc - 2, argv + 2, filling);
}

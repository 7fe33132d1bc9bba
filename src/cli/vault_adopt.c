/* florin vault adopt: this vault takes the place of one that is lost. */
#include <stdio.h>
#include <unistd.h>

#include "cli/vault_cli.h"
#include "crypto/crypto.h"
#include "customers/customers.h"

struct adopting {
    struct id vault, before;
    bool yes;
};

static err_t name(struct store_tx *tx, void *arg)
{
    struct adopting *a = arg;
    err_t err = vault_which(tx, a->vault, &a->vault);
    return err || !a->yes ? err
                          : vault_audit(tx, sys_now_us(), VAULT_ADOPTED, 0, (struct id){{0}},
                                        "in the place of the vault that had this database's cards");
}

static err_t ask_vault(struct vault_run *r, struct adopting *a)
{
    char path[1100];
    struct store *store;
    crypto_random(a->vault.b, sizeof a->vault.b);
    err_t err = in_vault(r->config, "", "vault.db", path, &r->info);
    if (!err && access(path, F_OK) != 0)
        err =
            error_set(&r->info, ERR_CONFIG, "%s is not there: `florin vault init` makes it", path);
    if (!err)
        err = own_store(path, 0, &r->info);
    if (!err)
        err = vault_store(path, true, &store, &r->info);
    if (err)
        return err;
    err = store_write(store, 0, name, a);
    store_close(store);
    return err ? err : vault_give(r->config, &r->info);
}

static err_t change(struct store_tx *tx, void *arg)
{
    struct adopting *a = arg;
    return a->yes ? card_vault_change(tx, a->vault, sys_now_us(), &a->before)
                  : card_vault_settle(tx, a->vault, sys_now_us(), &a->before);
}

static err_t tell_store(struct vault_run *r, struct adopting *a)
{
    char path[1024];
    struct store *store;
    if (!store_path(r->config, path))
        return error_set(&r->info, ERR_CONFIG, "the store's name is not usable");
    err_t err = store_is_remote(path) ? OK : own_store(path, 0, &r->info);
    if (!err && !open_store(r->config, true, &store))
        return error_set(&r->info, ERR_STORE, "the store cannot be opened");
    if (err)
        return err;
    err = store_write(store, 0, change, a);
    store_close(store);
    return err;
}

int vault_adopt(struct vault_run *r)
{
    struct adopting a = {.yes = vault_option(r, VO_YES) != NULL};
    err_t err = ask_vault(r, &a);
    if (!err)
        err = tell_store(r, &a);
    bool same = !err && id_eq(a.vault, a.before);
    if (!err && !same && !a.yes)
        err =
            error_set(&r->info, ERR_STATE,
                      "the cards of this database are in another vault. With --yes this one takes "
                      "its place: cards that are only there can no longer be charged, and count "
                      "as deleted when they are next asked for. Stop every node that still has "
                      "the other one first");
    if (err)
        return vault_fail(r, err);
    if (r->json)
        (void)printf("{\"changed\":%s}\n", same ? "false" : "true");
    else
        (void)puts(same ? "This vault has this database's cards already."
                        : "This vault has this database's cards from now on.");
    return EXIT_DONE;
}

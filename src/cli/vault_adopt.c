/* florin vault adopt: this vault takes the place of one that is lost. */
#include <stdio.h>
#include <unistd.h>

#include "cli/vault_cli.h"
#include "crypto/crypto.h"
#include "customers/customers.h"

struct adopting {
    struct id vault, before;
};

static err_t name(struct store_tx *tx, void *arg)
{
    struct adopting *a = arg;
    return vault_which(tx, a->vault, &a->vault);
}

static err_t record(struct store_tx *tx, void *arg)
{
    (void)arg;
    return vault_audit(tx, sys_now_us(), VAULT_ADOPTED, 0, (struct id){{0}},
                       "in the place of the vault that had this database's cards");
}

static err_t settle(struct store_tx *tx, void *arg)
{
    struct adopting *a = arg;
    return card_vault_settle(tx, a->vault, sys_now_us(), &a->before);
}

static err_t change(struct store_tx *tx, void *arg)
{
    struct adopting *a = arg;
    return card_vault_change(tx, a->vault, sys_now_us(), &a->before);
}

static err_t open_vault(struct vault_run *r, struct store **ret)
{
    char path[1100];
    err_t err = in_vault(r->config, "", "vault.db", path, &r->info);
    if (!err && access(path, F_OK) != 0)
        err =
            error_set(&r->info, ERR_CONFIG, "%s is not there: `florin vault init` makes it", path);
    if (!err)
        err = own_store(path, 0, &r->info);
    return err ? err : vault_store(path, true, ret, &r->info);
}

static err_t open_cards(struct vault_run *r, struct store **ret)
{
    char path[1024];
    if (!store_path(r->config, path))
        return error_set(&r->info, ERR_CONFIG, "the store's name is not usable");
    err_t err = store_is_remote(path) ? OK : own_store(path, 0, &r->info);
    if (!err && !open_store(r->config, true, ret))
        err = error_set(&r->info, ERR_STORE, "the store cannot be opened");
    return err;
}

/* The record first: a change that nobody is answerable for is worse than a record of one that did
 * not come to be. */
static err_t adopt(struct vault_run *r, struct adopting *a, struct store *vault,
                   struct store *cards)
{
    err_t err = store_write(vault, 0, name, a);
    if (!err)
        err = store_write(cards, 0, settle, a);
    if (err || id_eq(a->vault, a->before))
        return err;
    if (!vault_option(r, VO_YES))
        return error_set(&r->info, ERR_STATE,
                         "the cards of this database are in another vault. With --yes this one "
                         "takes its place: cards that are only there can no longer be charged, and "
                         "count as deleted when they are next asked for. Stop every node that "
                         "still has the other one first");
    err = store_write(vault, 0, record, a);
    return err ? err : store_write(cards, 0, change, a);
}

int vault_adopt(struct vault_run *r)
{
    struct adopting a = {{{0}}, {{0}}};
    struct store *vault = NULL, *cards = NULL;
    crypto_random(a.vault.b, sizeof a.vault.b);
    err_t err = open_vault(r, &vault);
    if (!err)
        err = open_cards(r, &cards);
    if (!err)
        err = adopt(r, &a, vault, cards);
    store_close(cards);
    store_close(vault);
    err_t given = vault_give(r->config, err ? NULL : &r->info);
    if (err || given)
        return vault_fail(r, err ? err : given);
    bool same = id_eq(a.vault, a.before);
    if (r->json)
        (void)printf("{\"changed\":%s}\n", same ? "false" : "true");
    else
        (void)puts(same ? "This vault has this database's cards already."
                        : "This vault has this database's cards from now on.");
    return EXIT_DONE;
}

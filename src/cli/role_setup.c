/* The setup role of `florin up`: makes what development needs before the others start, and ends. */
#include <stdio.h>

#include "cli/cli_internal.h"
#include "crypto/crypto.h"
#include "node/node.h"
#include "observe/observe.h"
#include "sys/confine.h"

/* permit: NULL, or the key to sign with where cards may go. */
static err_t prepare(const struct config *c, const uint8_t master[32], const uint8_t *permit,
                     struct err_info *info)
{
    char path[1024];
    uint8_t account_key[32];
    struct store *store = NULL;
    if (!store_path(c, path))
        return error_set(info, ERR_CONFIG, "the store's name is not usable");
    err_t err = store_is_remote(path) ? OK : own_store(path, 10000, info);
    struct store_config s = {.path = path,
                             .migrations = "florin",
                             .batch_max = 64,
                             .readers = 1,
                             .cache_kib = 4096,
                             .queue_max = 1000};
    if (!err)
        err = store_open(&s, true, &store, info);
    crypto_subkey(master, NODE_ACCOUNT_KEY, account_key);
    if (!err)
        err = dev_prepare(c, store, account_key, permit, info);
    mem_wipe(account_key, sizeof account_key);
    if (store)
        store_close(store);
    return err;
}

int role_setup(int argc, char **argv)
{
    struct option own[] = {{"ready-fd", true, NULL}};
    static struct role_start r;
    const struct config *c = &r.options.config;
    struct err_info info = {0};
    uint8_t master[32], permit[32];
    if (!role_begin(&r, own, COUNT_OF(own), argc, argv))
        return EXIT_USAGE;
    bool vault = vault_wanted(c);
    err_t err = master_key(c, true, master, &info);
    if (!err && vault)
        err = permit_private(c, true, permit, &info);
    if (!err)
        err = role_confine(c, "setup", c->api_user, NULL, NULL, CONFINE_LOCAL, &info);
    if (!err)
        err = prepare(c, master, vault ? permit : NULL, &info);
    mem_wipe(master, sizeof master);
    mem_wipe(permit, sizeof permit);
    if (err) {
        LOG(LOG_ERROR, "setup.failed", LOG_STR("error", error_def(err)->code),
            LOG_STR("detail", info.detail));
        return fail(&info);
    }
    role_ready(r.ready_fd);
    return EXIT_DONE;
}

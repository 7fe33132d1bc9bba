/* Where things are: store, connectors, master key. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli_internal.h"
#include "crypto/crypto.h"

bool store_path(const struct config *c, char out[1024])
{
    struct str s = str_from(c->store);
    int n;
    if (store_is_remote(s.p)) {
        n = snprintf(out, 1024, "%s", s.p);
    } else if (s.n == 0) {
        n = snprintf(out, 1024, "%s/florin.db", c->data);
    } else if (str_starts(s, STR("sqlite:")) && s.n > 7) {
        n = snprintf(out, 1024, "%s", s.p + 7);
    } else {
        /* not repeated: it may be a mistyped URI with a password */
        (void)fputs("florin: the store is neither sqlite:PATH nor postgres://…\n", stderr);
        return false;
    }
    return n > 0 && n < 1024;
}

err_t own_store(const char *path, int wait_ms, struct err_info *reterr)
{
    char folder[1024];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
    err_t err = sys_make_dir(slash ? folder : ".", reterr);
    return err ? err : sys_lock_dir(slash ? folder : ".", wait_ms, reterr);
}

bool open_store(const struct config *c, bool migrate, struct store **ret)
{
    char path[1024];
    struct err_info info = {0};
    if (!store_path(c, path))
        return false;
    if (!migrate && !store_is_remote(path) && access(path, R_OK) != 0) {
        (void)fprintf(stderr, "florin: there is no store at %s\n", path);
        return false;
    }
    struct store_config s = {.path = path,
                             .migrations = "florin",
                             .batch_max = 64,
                             .readers = 1,
                             .cache_kib = 4096,
                             .queue_max = 1000};
    if (store_open(&s, migrate, ret, &info) == OK)
        return true;
    (void)fail(&info);
    return false;
}

void connectors_dir(const struct config *c, char out[1024])
{
    char self[PATH_MAX];
    if (c->connectors[0]) {
        (void)snprintf(out, 1024, "%s", c->connectors);
        return;
    }
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    /* beside the program, then beside its folder */
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(self, '/');
        if (!slash)
            break;
        *slash = 0;
        if (snprintf(out, 1024, "%s/connectors", self) < 1024 && access(out, R_OK | X_OK) == 0)
            return;
    }
    (void)snprintf(out, 1024, "connectors");
}

void sample_bin_table(struct config *c)
{
    char connectors[1024], path[1100];
    if (c->bin_table[0])
        return;
    connectors_dir(c, connectors);
    int n = snprintf(path, sizeof path, "%s/../tables/bins.csv", connectors);
    if (n < (int)sizeof c->bin_table && access(path, R_OK) == 0)
        memcpy(c->bin_table, path, (size_t)n + 1);
}

err_t master_key(const struct config *c, bool create, uint8_t ret[32], struct err_info *reterr)
{
    char path[1024];
    int n = c->key_file[0] ? snprintf(path, sizeof path, "%s", c->key_file)
                           : snprintf(path, sizeof path, "%s/master.key", c->data);
    if (n < 0 || n >= (int)sizeof path)
        return error_set(reterr, ERR_CONFIG, "the name of the key file is too long");
    return sys_key_file(path, create, ret, reterr);
}

/* --- the vault --- */
bool vault_wanted(const struct config *c)
{
    return strcmp(c->vault, "none") != 0;
}

bool vault_dir(const struct config *c, char out[1024])
{
    int n = c->vault[0] ? snprintf(out, 1024, "%s", c->vault)
                        : snprintf(out, 1024, "%s-vault", c->data);
    return n > 0 && n < 1024 - 32;
}

err_t in_vault(const struct config *c, const char *setting, const char *name, char out[1100],
               struct err_info *reterr)
{
    char dir[1024];
    if (setting[0])
        (void)snprintf(out, 1100, "%s", setting);
    else if (!vault_dir(c, dir))
        return error_set(reterr, ERR_CONFIG, "the name of the vault's folder is too long");
    else
        (void)snprintf(out, 1100, "%s/%s", dir, name);
    return OK;
}

static bool beneath(const char *path, const char *folder)
{
    char in[PATH_MAX], it[PATH_MAX];
    if (!realpath(folder, in) || !realpath(path, it))
        return false; /* what is not there cannot be reached */
    size_t n = strlen(in);
    return strncmp(it, in, n) == 0 && (n == 1 || it[n] == '/' || it[n] == 0);
}

err_t vault_apart(const struct config *c, struct err_info *reterr)
{
    static struct api_places p;
    char dir[1024], key[1100], public_key[1100], list[1200];
    if (!api_places(c, &p) || !vault_dir(c, dir))
        return error_set(reterr, ERR_CONFIG, "the names of the data or the vault are not usable");
    err_t err = in_vault(c, c->vault_key_file, "master.key", key, reterr);
    if (!err)
        err = in_vault(c, c->permit_key_file, "permit.pub", public_key, reterr);
    if (!err)
        err = permit_list_path(c, list, reterr);
    char *slash = err ? NULL : strrchr(list, '/');
    (void)snprintf(slash ? slash : list, 2, "%s", slash == list ? "/" : slash ? "" : ".");
    const char *const apart[] = {dir, key, public_key, list}; /* the list may be made later */
    for (size_t i = 0; !err && i < COUNT_OF(apart); i++)
        for (const char *const *f = p.write; !err && *f; f++)
            if (beneath(apart[i], *f))
                err = error_set(reterr, ERR_CONFIG,
                                "%.200s is inside %.200s, where the role api may write: keep the "
                                "vault apart (settings vault, vault_key_file, permit_key_file)",
                                apart[i], *f);
    return err;
}

static err_t read_public(const char *path, uint8_t ret[32], struct err_info *reterr)
{
    struct buf text = BUF(256);
    err_t err = sys_read_file(path, 200, &text, reterr);
    struct str s = buf_view(&text);
    while (s.n > 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == ' '))
        s.n--;
    if (!err && !crypto_hex_decode(s, ret, 32))
        err = error_set(reterr, ERR_CONFIG, "%s holds no key", path);
    buf_free(&text);
    return err;
}

err_t permit_public(const struct config *c, uint8_t ret[32], struct err_info *reterr)
{
    char path[1100];
    err_t err = in_vault(c, c->permit_key_file, "permit.pub", path, reterr);
    return err ? err : read_public(path, ret, reterr);
}

err_t permit_private(const struct config *c, bool create, uint8_t ret[32], struct err_info *reterr)
{
    char path[1100];
    uint8_t public_key[32];
    struct buf hex = BUF(80);
    err_t err = in_vault(c, "", "permit.key", path, reterr);
    if (!err)
        err = sys_key_file(path, create, ret, reterr);
    if (!err)
        err = in_vault(c, c->permit_key_file, "permit.pub", path, reterr);
    if (!err && create && access(path, F_OK) != 0) {
        crypto_sign_public(ret, public_key);
        buf_hex(&hex, public_key, sizeof public_key);
        buf_byte(&hex, '\n');
        err = sys_write_file(path, hex.p, hex.n, 0644, reterr);
    }
    buf_free(&hex);
    return err;
}

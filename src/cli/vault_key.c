/* Where the vault's master key comes from. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/vault_cli.h"
#include "crypto/crypto.h"
#include "observe/observe.h"
#include "sys/confine.h"
#include "sys/token.h"

const char *const vault_key_sources[] = {"file", "fd", "pkcs11", "shares", NULL};

err_t vault_key_source(const struct config *c, enum key_source *ret, struct err_info *reterr)
{
    *ret = KEY_FROM_FILE;
    if (!c->vault_key[0])
        return OK;
    for (size_t i = 0; vault_key_sources[i]; i++)
        if (strcmp(c->vault_key, vault_key_sources[i]) == 0) {
            *ret = (enum key_source)i;
            return OK;
        }
    return error_set(reterr, ERR_CONFIG, "vault_key is one of file, fd, pkcs11, shares");
}

err_t vault_key_path(const struct config *c, char out[1100], struct err_info *reterr)
{
    return in_vault(c, c->vault_key_file, "master.key", out, reterr);
}

err_t vault_store(const char *path, bool migrate, struct store **ret, struct err_info *reterr)
{
    struct store_config s = {.path = path,
                             .migrations = "vault",
                             .batch_max = 64,
                             .readers = 1,
                             .cache_kib = 4096,
                             .queue_max = 1000,
                             .stepped = true};
    return store_open(&s, migrate, ret, reterr);
}

/* --- file: the key, and the next one while it is rotated --- */
static err_t read_files(const struct config *c, bool create, struct vault_keys *ret,
                        struct err_info *reterr)
{
    char path[1100], next[1110];
    uint8_t key[VAULT_KEY];
    err_t err = vault_key_path(c, path, reterr);
    if (err)
        return err;
    (void)snprintf(next, sizeof next, "%s.new", path);
    bool rotating = access(next, F_OK) == 0;
    if (!rotating || access(path, F_OK) == 0)
        err = sys_key_file(path, create, key, reterr);
    if (err == ERR_IO && access(path, F_OK) != 0)
        return error_set(reterr, err, "%s is not there: `florin vault init` makes it", path);
    if (!err && access(path, F_OK) == 0)
        vault_keys_add(ret, key, VAULT_FROM_FILE);
    if (!err && rotating)
        err = sys_key_file(next, false, key, reterr);
    if (!err && rotating)
        vault_keys_add(ret, key, VAULT_FROM_FILE);
    mem_wipe(key, sizeof key);
    return err;
}

/* --- descriptor --- */
bool vault_keys_parse(struct str text, struct vault_keys *ret)
{
    uint8_t key[VAULT_KEY];
    if (text.n == VAULT_KEY) {
        vault_keys_add(ret, (const uint8_t *)text.p, VAULT_FROM_FILE);
        return true;
    }
    bool good = text.n > 0;
    while (good && text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        struct str line = {text.p, end ? (size_t)(end - text.p) : text.n};
        good = crypto_hex_decode(line, key, sizeof key);
        if (good)
            vault_keys_add(ret, key, VAULT_FROM_FILE);
        text.p += line.n + (end != NULL);
        text.n -= line.n + (end != NULL);
    }
    mem_wipe(key, sizeof key);
    return good;
}

static err_t read_descriptor(const struct config *c, struct vault_keys *ret,
                             struct err_info *reterr)
{
    char text[(VAULT_KEY * 2 + 1) * VAULT_KEYS_MAX + 1];
    int fd = (int)c->vault_key_fd;
    size_t n = 0;
    ssize_t got = 1;
    if (fd < 0)
        return error_set(reterr, ERR_CONFIG,
                         "vault_key is fd, and vault_key_fd does not say which");
    while (got > 0 && n < sizeof text) {
        got = read(fd, text + n, sizeof text - n);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            n += (size_t)got;
    }
    close(fd); /* no role inherits it */
    bool good = got == 0 && vault_keys_parse((struct str){text, n}, ret);
    mem_wipe(text, sizeof text);
    return good ? OK
                : error_set(reterr, ERR_CONFIG, "descriptor %d holds no key of 64 hex digits", fd);
}

/* --- token --- */
err_t vault_token(const struct config *c, bool make, struct token **ret, struct err_info *reterr)
{
    struct token_config config = {.module = c->vault_pkcs11_module,
                                  .token = c->vault_pkcs11_token,
                                  .key = c->vault_pkcs11_key,
                                  .pin_file = c->vault_pkcs11_pin_file};
    return token_open(&config, make, ret, reterr);
}

struct unwrapping {
    uint8_t wrapped[VAULT_KEYS_MAX][TOKEN_WRAPPED];
    int n;
};

static err_t list_wrapped(int64_t version, int state, enum vault_source source, struct str wrapped,
                          void *arg)
{
    struct unwrapping *u = arg;
    (void)version;
    if (state < 3 && source == VAULT_FROM_TOKEN && wrapped.n == TOKEN_WRAPPED &&
        u->n < VAULT_KEYS_MAX)
        memcpy(u->wrapped[u->n++], wrapped.p, wrapped.n);
    return OK;
}

static err_t read_masters(struct store_tx *tx, void *arg)
{
    struct unwrapping *u = arg;
    u->n = 0;
    return vault_masters(tx, list_wrapped, u);
}

static err_t read_wrapped(const char *path, struct unwrapping *ret, struct err_info *reterr)
{
    struct store *store;
    err_t err = OK;
    if (access(path, F_OK) != 0)
        err = error_set(reterr, ERR_CONFIG, "%s is not there: `florin vault init` makes it", path);
    if (!err)
        err = vault_store(path, false, &store, reterr);
    if (err)
        return err;
    err = store_read(store, read_masters, ret);
    store_close(store);
    if (!err && ret->n == 0)
        err = error_set(reterr, ERR_CONFIG, "this vault's master key was not wrapped by a token");
    return err;
}

err_t vault_token_keys(const struct config *c, const char *path, struct vault_keys *ret,
                       struct err_info *reterr)
{
    struct unwrapping u = {.n = 0};
    struct token *token = NULL;
    uint8_t key[VAULT_KEY];
    err_t err = read_wrapped(path, &u, reterr);
    if (!err)
        err = vault_token(c, false, &token, reterr);
    if (err)
        return err;
    for (int i = 0; i < u.n; i++) { /* while it is rotated one of two may be of another key */
        err_t one = token_unwrap(token, u.wrapped[i], key, reterr);
        if (!one)
            vault_keys_add(ret, key, VAULT_FROM_TOKEN);
    }
    mem_wipe(key, sizeof key);
    token_close(token);
    return ret->n > 0 ? OK : ERR_CRYPTO;
}

static err_t read_token(const struct config *c, struct vault_keys *ret, struct err_info *reterr)
{
    char path[1100];
    err_t err = in_vault(c, "", "vault.db", path, reterr);
    return err ? err : vault_token_keys(c, path, ret, reterr);
}

err_t vault_keys_read(const struct config *c, bool create, struct vault_keys *ret,
                      struct err_info *reterr)
{
    enum key_source source;
    *ret = (struct vault_keys){.n = 0};
    err_t err = vault_key_source(c, &source, reterr);
    if (err)
        return err;
    return source == KEY_FROM_FILE    ? read_files(c, create, ret, reterr)
           : source == KEY_FROM_FD    ? read_descriptor(c, ret, reterr)
           : source == KEY_FROM_TOKEN ? read_token(c, ret, reterr)
                                      : OK;
}

/* --- for the parent --- */
static err_t share(const struct vault_keys *keys, int *ret_fd, struct err_info *reterr)
{
    return secret_share(keys, sizeof *keys, ret_fd) == OK
               ? OK
               : error_set(reterr, ERR_NO_MEMORY, "no memory for the vault's key");
}

static bool heard(struct link *l, const struct link_frame *f, void *arg)
{
    int *fd = arg;
    (void)l;
    if (f->message != LINK_MASTER_KEPT || f->fd < 0 || *fd >= 0)
        return false;
    *fd = f->fd;
    return true;
}

static bool deny(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)f, (void)arg;
    return false;
}

/* In the child: the key goes to the parent as memory, never as bytes. */
static int fetch(const struct config *c, int socket)
{
    struct vault_keys keys;
    struct err_info info = {0};
    struct link *l = NULL;
    struct link_config config = {
        .fd = socket, .self = LINK_VAULT, .peer = LINK_PARENT, .request = deny};
    int fd = -1;
    err_t err = vault_keys_read(c, false, &keys, &info);
    if (!err)
        err = share(&keys, &fd, &info);
    mem_wipe(&keys, sizeof keys);
    if (!err)
        err = link_open(&config, &l);
    if (!err && !link_send(l, LINK_MASTER_KEPT, 0, (struct str){NULL, 0}, fd))
        err = ERR_IO;
    return err ? fail(&info) : EXIT_DONE;
}

static err_t fetch_in_child(const struct config *c, int *ret_fd, struct err_info *reterr)
{
    int pair[2], status = 0;
    struct link *l = NULL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return error_set(reterr, ERR_IO, "no socket pair for the vault's key");
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        _exit(fetch(c, pair[1])); /* the library's own endings are not waited for */
    }
    close(pair[1]);
    struct link_config config = {
        .fd = pair[0], .self = LINK_PARENT, .peer = LINK_VAULT, .request = heard, .arg = ret_fd};
    err_t err = link_open(&config, &l);
    struct pollfd p = {.fd = pair[0], .events = POLLIN};
    while (!err && pid > 0 && *ret_fd < 0) {
        (void)poll(&p, 1, -1);
        if (!link_step(l, 1))
            break;
    }
    link_close(l);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return *ret_fd >= 0 ? OK
                        : error_set(reterr, ERR_CONFIG,
                                    "the vault's key did not come from its token (see above)");
}

err_t vault_master_fd(const struct config *c, bool create, int *ret_fd, struct err_info *reterr)
{
    enum key_source source;
    struct vault_keys keys;
    *ret_fd = -1;
    err_t err = vault_key_source(c, &source, reterr);
    if (err || source == KEY_FROM_SHARES)
        return err;
    if (source == KEY_FROM_TOKEN)
        return fetch_in_child(c, ret_fd, reterr);
    err = vault_keys_read(c, create, &keys, reterr);
    if (!err)
        err = share(&keys, ret_fd, reterr);
    mem_wipe(&keys, sizeof keys);
    return err;
}

err_t vault_make(const struct config *c, struct err_info *reterr)
{
    char dir[1024];
    uint8_t key[32];
    enum key_source source;
    struct vault_keys keys = {.n = 0};
    if (!vault_wanted(c))
        return OK;
    if (!vault_dir(c, dir))
        return error_set(reterr, ERR_CONFIG, "the name of the vault's folder is too long");
    err_t err = sys_make_dir(dir, reterr);
    if (!err)
        err = vault_key_source(c, &source, reterr);
    if (!err && source == KEY_FROM_FILE)
        err = vault_keys_read(c, true, &keys, reterr);
    mem_wipe(&keys, sizeof keys);
    if (!err)
        err = permit_private(c, true, key, reterr);
    mem_wipe(key, sizeof key);
    return err;
}

/* --- whose files they are --- */
err_t vault_give(const struct config *c, struct err_info *reterr)
{
    static const char *const files[] = {
        "vault.db", "vault.db-wal", "vault.db-shm", "lock", "backup.tmp", "control.sock", NULL};
    char dir[1024];
    if (!vault_dir(c, dir))
        return error_set(reterr, ERR_CONFIG, "the name of the vault's folder is too long");
    err_t err = sys_make_dir(dir, reterr);
    return err ? err : role_give(dir, files, c->vault_user, reterr);
}

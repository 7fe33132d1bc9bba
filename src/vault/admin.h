/* What operators ask of the running vault, over its own socket (docs/vault.md). Every command is
 * recorded before it is done. On the vault's thread, each in a bounded piece of work. */
#ifndef FLORIN_VAULT_ADMIN_H
#define FLORIN_VAULT_ADMIN_H

#include "link/link.h"
#include "vault/serve.h"

/* X(NAME, number, text). Payload of ADMIN: int command, then its own, nothing for those not named:
 *   unseal, rotate_share: str share
 *   rotate_merchant:      int merchant (0: all), int after
 *   rotate_master:        int source, str key, str wrapped
 *   export:               int merchant, str recipient, id export, int piece, id after
 *   import:               str sender, id export, int piece, int only look, str chunk
 *   delete:               int merchant, id card
 *   audit:                int after
 *
 * ADMIN_IS: int err, str detail (a sentence), str JSON, str data, int more. Data of export: the
 * card to go on after, and the chunk; of audit: rows. With that of backup comes a descriptor.
 * `progress` is what a command that waits asks for again and again: not recorded. */
#define VAULT_COMMANDS(X)                                                                          \
    X(STATUS, 1, "status")                                                                         \
    X(PROGRESS, 2, "progress")                                                                     \
    X(UNSEAL, 3, "unseal")                                                                         \
    X(FORGET_SHARES, 4, "forget_shares")                                                           \
    X(ROTATE_MERCHANT, 5, "rotate_merchant")                                                       \
    X(ROTATE_MASTER, 6, "rotate_master")                                                           \
    X(ROTATE_SHARE, 7, "rotate_share")                                                             \
    X(IDENTITY, 8, "identity")                                                                     \
    X(EXPORT, 9, "export")                                                                         \
    X(IMPORT, 10, "import")                                                                        \
    X(BACKUP, 11, "backup")                                                                        \
    X(DELETE, 12, "delete")                                                                        \
    X(AUDIT, 13, "audit")
enum vault_command {
#define X(name, number, text) VAULT_DO_##name = number,
    VAULT_COMMANDS(X)
#undef X
};

#define VAULT_OPERATORS 4 /* at a time */
struct vault_admin_config {
    struct store *store;
    struct vault *vault;
    struct vault_server *server;
    const char *dir; /* the vault's folder, with vault.db: copies are made there */
    /* The master keys that are needed for a start have changed: the parent is to keep these. Called
     * before a new one is used; false: it does not take them, and the new one is not used. */
    bool (*keep)(const struct vault_keys *keys, void *arg);
    void *arg;
};
struct vault_admin;
/* Shape: config is copied; what it points to stays. Errors: ERR_NO_MEMORY. */
MUST_CHECK err_t vault_admin_new(const struct vault_admin_config *config, struct vault_admin **ret);
void vault_admin_free(struct vault_admin *a);
/* A connection, taken over, of somebody whose user is known. false: there are too many; closed. */
bool vault_admin_join(struct vault_admin *a, int fd, int64_t uid);
/* Somebody was turned away: recorded. */
void vault_admin_refused(struct vault_admin *a, int64_t uid);
/* To be polled for reading: at most VAULT_OPERATORS. Returns how many. */
int vault_admin_fds(const struct vault_admin *a, int fds[VAULT_OPERATORS]);
/* Does one command of each; goes on with a copy. Returns how long it may rest, in ms, -1: until
 * something comes. */
int vault_admin_turn(struct vault_admin *a, int64_t now_us);

#endif

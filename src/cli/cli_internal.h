#ifndef FLORIN_CLI_INTERNAL_H
#define FLORIN_CLI_INTERNAL_H

#include <signal.h>

#include "api/api.h"
#include "base/base.h"
#include "ledger/ledger.h"
#include "sys/sys.h"

#define FLORIN_VERSION "0.1.0"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Options of a command: settings go into config, the rest into named values. */
struct option {
    const char *name; /* "merchant" for --merchant */
    bool takes_value;
    const char *value; /* out; "" for a flag that was given, NULL when absent */
};
struct options {
    struct config config;
    struct option *own;
    size_t own_n;
    const char *words[4]; /* arguments without dashes */
    size_t words_n;
};
/* Defaults, then the file of --config, then the environment, then the command line. Prints what is
 * wrong; false: exit with EXIT_USAGE. */
bool options_read(struct options *o, int argc, char **argv);

/* Says what failed on standard error and returns EXIT_FAILED. */
int fail(const struct err_info *info);

/* Where the store's file is; false when the setting names something else (said on standard error).
 */
bool store_path(const struct config *c, char out[1024]);
/* A SQLite store has one owner, who holds its folder, and makes it where it is missing. */
err_t own_store(const char *path, int wait_ms, struct err_info *reterr);
/* Reads and recomputes the whole ledger. */
err_t verify_ledger(struct store *store, struct ledger_report *ret);
/* Opens the store without hooks, for programs; false: said. */
bool open_store(const struct config *c, bool migrate, struct store **ret);
/* The connectors folder: the setting, or the one beside the program. */
void connectors_dir(const struct config *c, char out[1024]);
/* Without a table of banks, development has the sample beside the connectors folder. */
void sample_bin_table(struct config *c);
/* Loads or (create) makes the master key. */
err_t master_key(const struct config *c, bool create, uint8_t ret[32], struct err_info *reterr);

/* Development: the demo merchant with its keys, kept in dev.json of the data folder. */
struct dev {
    char merchant[ID_TEXT_MAX], secret_key[KEY_TEXT_MAX], publishable_key[KEY_TEXT_MAX];
};
err_t dev_read(const struct config *c, struct dev *ret, struct err_info *reterr);
/* Makes what is missing: keys, merchant, sandbox account (its address may have changed), and with
 * permit (a private key, or NULL) leave for cards to go there. */
err_t dev_prepare(const struct config *c, struct store *store, const uint8_t account_key[32],
                  const uint8_t *permit, struct err_info *reterr);

/* --- place.c: the vault's folder and keys --- */
/* Is there to be one? */
bool vault_wanted(const struct config *c);
/* Its folder; false: its name is too long. */
bool vault_dir(const struct config *c, char out[1024]);
/* Are the vault's folder and the operator's keys where the api role cannot reach? Errors:
 * ERR_CONFIG says which is not. */
err_t vault_apart(const struct config *c, struct err_info *reterr);
/* The operator's key for permits: the public half, and the private one of permit.key (made, with
 * its public half, when missing and create). */
err_t permit_public(const struct config *c, uint8_t ret[32], struct err_info *reterr);
err_t permit_private(const struct config *c, bool create, uint8_t ret[32], struct err_info *reterr);

/* --- permit_list.c: permits that were taken back --- */
#define PERMIT_LIST_MAX ((size_t)64 << 10)
struct permit_list {
    int fd; /* -1: there is none, and none could be made */
    bool seen;
    off_t size;
    struct timespec changed, written; /* a new name changes only the first */
};
/* The file beside the permits' public key. */
err_t permit_list_path(const struct config *c, char out[1200], struct err_info *reterr);
/* Opens it for a role that will be confined; it is made when it is missing. Errors: ERR_IO: it is
 * there and cannot be read. */
err_t permit_list_open(const struct config *c, struct permit_list *l, struct err_info *reterr);
/* Reads it, if it is new or has changed, into out, a buffer of PERMIT_LIST_MAX. What is no id in it
 * is told in the log. Errors: ERR_NOT_FOUND: the file is not in its folder any more; ERR_IO. */
err_t permit_list_look(struct permit_list *l, struct buf *out, bool *ret_changed,
                       struct err_info *reterr);
/* Adds an id, on disk when it returns, unless it is there. */
err_t permit_list_add(const struct config *c, const char *id, struct err_info *reterr);

/* --- role.c: what roles share --- */
struct role_start {
    struct options options;
    int control_fd, ready_fd;
};
/* Reads options, hardens, opens the log. own: more options of it. false: exit with
 * EXIT_USAGE. */
bool role_begin(struct role_start *r, struct option *own, size_t own_n, int argc, char **argv);
/* Blocks what a role waits for in its loop: SIGTERM, SIGINT, SIGHUP. Shape: before there are
 * threads, which inherit it. */
void role_signals(sigset_t *ret);
/* Number of an option that names a descriptor, -1 when it is not given. */
int role_fd(const struct option *o);
/* What the resolver, TLS and libraries read, NULL at the end. */
extern const char *const role_reads[];
#define ROLE_READS_MAX 32
/* Confines the role as the settings say. read and write: see struct confinement. Errors: with the
 * sentence. */
err_t role_confine(const struct config *c, const char *role, const char *user,
                   const char *const *read, const char *const *write, int calls,
                   struct err_info *reterr);
/* All that the api role may touch: neither the vault's folder nor another one. */
struct api_places {
    char store[1024], folder[1024], connectors[1024];
    const char *read[ROLE_READS_MAX], *write[4]; /* some point into it: it stays where it is */
};
/* false: the store's name is not usable. */
bool api_places(const struct config *c, struct api_places *p);
err_t role_confine_api(const struct config *c, const struct api_places *p, struct err_info *reterr);
void role_ready(int ready_fd);
struct link;
/* Tells the parent over the line to it that a role (enum link_role; 0: none did) sent what it may
 * not. */
void role_tell_refused(struct link *control, int offender);
/* Gives a folder to the user that a role will be, with all in it, or with what `only` names (NULL
 * at the end). Shape: nothing happens without a user, or when this process is not root. Links are
 * not followed. */
err_t role_give(const char *folder, const char *const *only, const char *user,
                struct err_info *reterr);

/* Roles: processes that the parent starts. */
int role_setup(int argc, char **argv);
int role_vault(int argc, char **argv);
int role_card(int argc, char **argv);
int role_api(int argc, char **argv);
int role_sandbox(int argc, char **argv);

/* Commands. */
int command_up(int argc, char **argv);
int command_serve(int argc, char **argv);
int command_sandbox(int argc, char **argv);
int command_keys(int argc, char **argv);
int command_ledger(int argc, char **argv);
int command_connector(int argc, char **argv);
int command_migrate(int argc, char **argv);
int command_store(int argc, char **argv);
int command_pages(int argc, char **argv);
int command_version(int argc, char **argv);
int command_docs(int argc, char **argv);

/* --- the vault's operators: vault.c, vault_*.c, permit.c --- */
int command_vault(int argc, char **argv);
/* Prints the help of the vault, or of the command of it that argv names. */
void vault_help(int argc, char **argv);
int command_permit(int argc, char **argv);
/* The vault's master keys, of whatever source the settings name, as memory that the parent hands to
 * the role (struct vault_keys); -1: shares, which custodians bring. create: a key file that is
 * missing is made. A token's library is loaded by a child that ends at once. Shape: before there
 * are threads; the vault does not run. */
err_t vault_master_fd(const struct config *c, bool create, int *ret_fd, struct err_info *reterr);
/* Makes what is missing: the folder, the key file where the master key comes from one, the key for
 * permits. What else it may come from is made ready by `florin vault init`. */
err_t vault_make(const struct config *c, struct err_info *reterr);
/* Makes the vault's folder and gives its files to the setting vault_user, when that is another.
 * Keys stay with who has them. */
err_t vault_give(const struct config *c, struct err_info *reterr);
/* The setting, or a file of the vault's folder. */
err_t in_vault(const struct config *c, const char *setting, const char *name, char out[1100],
               struct err_info *reterr);

#endif

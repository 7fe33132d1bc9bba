/* Between the files of the vault's command; private to the room. */
#ifndef FLORIN_CLI_VAULT_CLI_H
#define FLORIN_CLI_VAULT_CLI_H

#include <stdio.h>

#include "cli/cli_internal.h"
#include "vault/admin.h"

/* --- vault.c --- */
enum vault_option {
    VO_MERCHANT,
    VO_LIVE,
    VO_SHARES,
    VO_THRESHOLD,
    VO_SHARE_DIR,
    VO_TO_KEY,
    VO_OUT,
    VO_FROM,
    VO_FROM_KEY,
    VO_REPLACE,
    VO_FORGET,
    VO_EXPECT_HEAD,
    VO_YES,
    VO_JSON,
    VO_COUNT
};
struct vault_run {
    struct options options;
    struct option own[VO_COUNT];
    const struct config *config;
    bool json;
    struct err_info info;
};
/* The value of an option, NULL when it was not given. */
const char *vault_option(const struct vault_run *r, enum vault_option o);
/* Says on standard error what failed; the exit status. */
int vault_fail(struct vault_run *r, err_t err);
/* A secret line: of --from FILE, or of standard input, without echo on a terminal. Shape: wiped and
 * freed by the caller. */
MUST_CHECK err_t vault_read_secret(struct vault_run *r, const char *prompt, struct buf *ret);
/* The merchant that --merchant names (mer_… of the store, with --live the live one; or its number),
 * or 0 for "all" when that is allowed. */
MUST_CHECK err_t vault_merchant(struct vault_run *r, bool all_allowed, int64_t *ret);

/* --- vault_key.c --- */
enum key_source { KEY_FROM_FILE, KEY_FROM_FD, KEY_FROM_TOKEN, KEY_FROM_SHARES };
/* Their names, NULL at the end. */
extern const char *const vault_key_sources[];
/* What the setting vault_key says. Errors: ERR_CONFIG. */
MUST_CHECK err_t vault_key_source(const struct config *c, enum key_source *ret,
                                  struct err_info *reterr);
/* The file of source `file`. */
MUST_CHECK err_t vault_key_path(const struct config *c, char out[1100], struct err_info *reterr);
/* All master keys that can be had without custodians. A token's library is loaded here: in a
 * process that ends soon. */
MUST_CHECK err_t vault_keys_read(const struct config *c, bool create, struct vault_keys *ret,
                                 struct err_info *reterr);
/* Those that the settings' token unwraps, of the vault's store at path. */
MUST_CHECK err_t vault_token_keys(const struct config *c, const char *path, struct vault_keys *ret,
                                  struct err_info *reterr);
/* Keys of a text: 64 hex digits a line, or 32 bytes. */
MUST_CHECK bool vault_keys_parse(struct str text, struct vault_keys *ret);
struct token;
/* The token of the settings. */
MUST_CHECK err_t vault_token(const struct config *c, bool make, struct token **ret,
                             struct err_info *reterr);
/* The vault's own store, which nobody else has open. */
MUST_CHECK err_t vault_store(const char *path, bool migrate, struct store **ret,
                             struct err_info *reterr);

/* --- vault_line.c: the socket of the running vault --- */
/* Shape: bound in the folder, before confinement; user: whose it becomes, "" nobody's. */
MUST_CHECK err_t vault_listen(const char *dir, const char *user, int *ret_fd,
                              struct err_info *reterr);
/* Takes a connection; -1: there is none. *ret_uid: whose it is. */
int vault_accept(int listener, int64_t *ret_uid);

struct vault_line; /* to the running vault */
struct vault_answer {
    struct buf json, data;
    bool more;
    int fd; /* -1 none; the caller's */
};
/* Errors: ERR_UNAVAILABLE: it does not run; with the sentence in r->info. */
MUST_CHECK err_t vault_line_open(struct vault_run *r, struct vault_line **ret);
/* NULL is allowed. */
void vault_line_close(struct vault_line *l);
/* Asks and waits. Errors: the vault's, with its sentence in r->info; the answer is released by
 * vault_answer_free in any case. */
MUST_CHECK err_t vault_ask(struct vault_run *r, struct vault_line *l, enum vault_command command,
                           const struct buf *payload, struct vault_answer *ret);
void vault_answer_free(struct vault_answer *a);
/* A number of the answer's JSON, 0 when it is not there. */
int64_t vault_answer_int(const struct vault_answer *a, const char *member);
/* One command without payload, its JSON printed as it is with --json, else by `show`. */
int vault_ask_and_show(struct vault_run *r, enum vault_command command, const struct buf *payload,
                       void (*show)(const struct vault_answer *a));

/* --- commands: exit status --- */
int vault_init(struct vault_run *r);
int vault_restore(struct vault_run *r);
int vault_status(struct vault_run *r);
int vault_unseal(struct vault_run *r);
int vault_rotate_master_key(struct vault_run *r);
int vault_rotate_merchant_keys(struct vault_run *r);
int vault_export_cards(struct vault_run *r);
int vault_import_cards(struct vault_run *r);
int vault_backup(struct vault_run *r);
/* A file beside `out`, to be renamed to it once it is whole; its owner's alone. Errors:
 * ERR_PARAM_INVALID: it would take the place of a file of the vault. */
MUST_CHECK err_t vault_out(struct vault_run *r, const char *out, char part[1100], FILE **ret);
int vault_adopt(struct vault_run *r);
int vault_audit_list(struct vault_run *r);
int vault_show_identity(struct vault_run *r);
int vault_delete_card(struct vault_run *r);
/* Makes a new key in shares: on standard output, or a file each in --share-dir. */
MUST_CHECK err_t vault_print_shares(struct vault_run *r, const uint8_t key[VAULT_KEY]);

#endif

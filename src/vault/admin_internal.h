/* Between the files of the operators' side. */
#ifndef FLORIN_VAULT_ADMIN_INTERNAL_H
#define FLORIN_VAULT_ADMIN_INTERNAL_H

#include "vault/admin.h"
#include "vault/shares.h"
#include "vault/vault_internal.h"
#include "wire/wire.h"

struct operator
{
    struct vault_admin *admin;
    struct link *link; /* NULL: free */
    int64_t uid;
    uint64_t backup_call; /* to be answered when the copy is whole, 0 none */
};
struct vault_admin {
    struct vault_admin_config config;
    struct operator operator[VAULT_OPERATORS];
    struct shares *shares;
    struct store_backup *backup;
    char backup_path[1100];
    int64_t now_us;
    uint64_t kept; /* which masters the parent has */
};

/* One command, from its frame to its answer. */
struct order {
    struct vault_admin *a;
    struct operator* by;
    struct link_reader in;
    struct buf json, data;
    struct jw w; /* writes json: members of one object */
    char detail[200];
    bool more;
    bool later; /* it is answered when it is done */
    uint64_t call;
    /* of the command */
    int64_t merchant_id, number;
    struct id card;
    struct vault_piece piece;
    bool only_look, last;
    struct str text, key, wrapped;
    enum vault_source source;
    struct vault_master master;
    int n;
};

/* Sets the sentence of a refusal and returns err. */
PRINTF_LIKE(3, 4) err_t order_refuse(struct order *o, err_t err, const char *fmt, ...);
/* Was all of the payload there? A command that is none ends the connection. */
#define ORDER_TAKEN(o)                                                                             \
    if (!link_taken(&(o)->in))                                                                     \
    return ERR_BAD_REQUEST
/* In a transaction of its own. */
MUST_CHECK err_t order_write(struct order *o, err_t (*run)(struct store_tx *, void *));
/* Tells the parent what there is to keep: the open masters and, unless NULL, a new one. false: it
 * does not take them. */
bool admin_keep(struct vault_admin *a, const uint8_t *fresh, enum vault_source source);

/* --- admin_keys.c --- */
MUST_CHECK err_t order_status(struct order *o);
MUST_CHECK err_t order_unseal(struct order *o);
MUST_CHECK err_t order_forget_shares(struct order *o);
MUST_CHECK err_t order_rotate_merchant(struct order *o);
MUST_CHECK err_t order_rotate_master(struct order *o);
MUST_CHECK err_t order_rotate_share(struct order *o);

/* --- admin_cards.c --- */
MUST_CHECK err_t order_identity(struct order *o);
MUST_CHECK err_t order_export(struct order *o);
MUST_CHECK err_t order_import(struct order *o);
MUST_CHECK err_t order_delete(struct order *o);
MUST_CHECK err_t order_audit(struct order *o);

#endif

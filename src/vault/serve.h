/* The vault's work: what `card` asks over its link, housekeeping, rotation. On one thread, without
 * waiting. */
#ifndef FLORIN_VAULT_SERVE_H
#define FLORIN_VAULT_SERVE_H

#include "link/link.h"
#include "vault/vault.h"

struct vault_server;
/* Shape: both live until vault_server_free. Errors: ERR_NO_MEMORY. */
MUST_CHECK err_t vault_server_new(struct store *store, struct vault *vault,
                                  struct vault_server **ret);
void vault_server_free(struct vault_server *s);
/* The link to `card`, taken over; the one before is closed. fd -1: there is none. Errors:
 * ERR_NO_MEMORY. */
MUST_CHECK err_t vault_server_link(struct vault_server *s, int fd);
/* To be polled for reading; -1 none. */
int vault_server_fd(const struct vault_server *s);
/* Reads what has come, does it, answers. Then what there is to do besides: audits, old cards, a
 * step of rotation. Returns how long it may rest, in ms, when nothing comes; 0: there is more to
 * do. */
int vault_server_turn(struct vault_server *s, int64_t now_us);
/* Has `card` just sent what it may not? Says so once. */
bool vault_server_refused(struct vault_server *s);
/* Looks for a rotation that is under way: after a start, and after one was begun. */
void vault_server_rotate(struct vault_server *s);

#endif

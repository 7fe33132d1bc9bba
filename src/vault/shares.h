/* Shares that custodians bring one by one, kept in secret memory until they are enough. Private to
 * the room. */
#ifndef FLORIN_VAULT_SHARES_H
#define FLORIN_VAULT_SHARES_H

#include "vault/shamir.h"

/* What they are brought for: a share given to open the vault does not count for a new key. */
enum shares_for { SHARES_OPEN = 1, SHARES_ROTATE = 2 };
#define SHARES_SETS 3

struct shares;
struct shares_progress {
    int given, needed; /* 0 of 0: none was brought */
    char set[9];       /* "1f2e3d4c" */
    int number;        /* of the share just given */
};
/* Errors: ERR_NO_MEMORY. */
MUST_CHECK err_t shares_new(struct shares **ret);
void shares_free(struct shares *s);
/* Takes one. *ret_whole: these were enough, key is what they make (right or not), and they are
 * forgotten. Errors: ERR_PARAM_INVALID: no share, or mistyped; ERR_STATE: it was brought already,
 * or says another number of shares than those of its set before. */
MUST_CHECK err_t shares_give(struct shares *s, enum shares_for what, struct str text,
                             struct shares_progress *ret, bool *ret_whole, uint8_t key[SHAMIR_KEY]);
/* The set that is nearest to its end. */
void shares_progress(const struct shares *s, enum shares_for what, struct shares_progress *ret);
void shares_forget(struct shares *s);

#endif

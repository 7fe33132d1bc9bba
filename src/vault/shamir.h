/* Shares of a key: any k of n give it back, fewer say nothing about it. Pure; private to the room.
 */
#ifndef FLORIN_VAULT_SHAMIR_H
#define FLORIN_VAULT_SHAMIR_H

#include "base/base.h"

#define SHAMIR_KEY 32
#define SHAMIR_MAX 16 /* shares */
#define SHAMIR_TEXT_MAX 112

/* Which shares belong together, how many are needed, which one it is (1 … 255), and its 32 bytes.
 */
struct shamir_share {
    uint8_t set[4], needed, number, bytes[SHAMIR_KEY];
};
/* Splits a key. Shape: 1 <= needed <= n <= SHAMIR_MAX; random: (needed - 1) * 32 bytes of fresh
 * randomness that are wiped by the caller, set: 4 more. Source: A. Shamir, How to share a secret,
 * 1979; over GF(2^8) modulo x^8 + x^4 + x^3 + x + 1, each byte by itself. */
void shamir_split(const uint8_t key[SHAMIR_KEY], const uint8_t *random, const uint8_t set[4],
                  unsigned needed, unsigned n, struct shamir_share *out);
/* Joins the first `needed` of them. Errors: false: too few, of different sets, or one twice. A
 * share that is wrong gives a wrong key: the caller knows how to tell. */
MUST_CHECK bool shamir_join(const struct shamir_share *shares, unsigned n, uint8_t key[SHAMIR_KEY]);
/* "florin-share-1-…", with a checksum against mistyping; out has SHAMIR_TEXT_MAX. */
void shamir_write(const struct shamir_share *s, char *out);
/* Spaces and dashes may stand anywhere, letters in either case. false: it is none, or mistyped. */
MUST_CHECK bool shamir_read(struct str text, struct shamir_share *ret);

#endif

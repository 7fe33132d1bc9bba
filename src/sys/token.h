/* A PKCS#11 token that wraps a key with an AES key which never leaves it. Loads the vendor's
 * library into this process: only in a process that ends soon and parses nothing from the network.
 */
#ifndef FLORIN_SYS_TOKEN_H
#define FLORIN_SYS_TOKEN_H

#include "base/base.h"

struct token_config {
    const char *module;   /* path of the library */
    const char *token;    /* label of the token; "": the only one that there is */
    const char *key;      /* label of the AES key */
    const char *pin_file; /* one line; its owner's alone */
};
#define TOKEN_WRAPPED (12 + 32 + 16) /* nonce, ciphertext, tag */

struct token;
/* Opens a session and logs in; make: the AES key is made (256 bits, sensitive, not extractable)
 * when it is not there. Errors: ERR_CONFIG with the sentence, never the PIN: no library, token,
 * key, wrong PIN, or a key that could be taken out. */
MUST_CHECK err_t token_open(const struct token_config *config, bool make, struct token **ret,
                            struct err_info *reterr);
void token_close(struct token *t);
/* Source: PKCS#11 v2.40, CKM_AES_GCM (NIST SP 800-38D) with a random nonce. Errors: ERR_CONFIG with
 * the token's code. */
MUST_CHECK err_t token_wrap(struct token *t, const uint8_t key[32], uint8_t ret[TOKEN_WRAPPED],
                            struct err_info *reterr);
/* Errors: ERR_CRYPTO: it was not wrapped by this key. */
MUST_CHECK err_t token_unwrap(struct token *t, const uint8_t wrapped[TOKEN_WRAPPED],
                              uint8_t ret[32], struct err_info *reterr);

#endif

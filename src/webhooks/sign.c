/* Standard Webhooks 1.0.0. */
#include "webhooks/webhooks.h"

#include "crypto/crypto.h"

#define PREFIX "whsec_"
#define KEY_MIN 24
#define KEY_MAX 64

err_t webhook_sign(struct str secret, struct str id, int64_t timestamp_s, struct str body,
                   struct buf *out)
{
    struct str prefix = STR(PREFIX);
    if (!str_starts(secret, prefix) || id.n == 0 || memchr(id.p, '.', id.n))
        return ERR_CRYPTO;
    struct buf key = BUF(2 * KEY_MAX), message = BUF(SIZE_MAX / 4);
    struct str text = {secret.p + prefix.n, secret.n - prefix.n};
    err_t err = ERR_CRYPTO;
    if (text.n > 2 * KEY_MAX || !crypto_base64_decode(text, &key) || key.n < KEY_MIN ||
        key.n > KEY_MAX)
        goto out;
    buf_add(&message, id.p, id.n);
    buf_byte(&message, '.');
    buf_i64(&message, timestamp_s);
    buf_byte(&message, '.');
    buf_add(&message, body.p, body.n);
    err = message.failed ? ERR_NO_MEMORY : OK;
    if (err)
        goto out;
    uint8_t mac[32];
    crypto_hmac_sha256(key.p, key.n, message.p, message.n, mac);
    buf_str(out, "v1,");
    crypto_base64(out, mac, sizeof mac);
    if (out->failed)
        err = ERR_NO_MEMORY;
out:
    if (key.p)
        mem_wipe(key.p, key.cap);
    buf_free(&key);
    buf_free(&message);
    return err;
}

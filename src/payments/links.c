/* Addresses in the public zone. */
#include <stdio.h>

#include "clients/clients.h"
#include "crypto/crypto.h"
#include "payments/payments.h"

#define KEY_BYTES 16

static void link_key(const struct payment_settings *s, int64_t merchant_id, struct id payment,
                     char out[KEY_BYTES * 2 + 1])
{
    uint8_t message[24], mac[32];
    num_put64(message, (uint64_t)merchant_id);
    memcpy(message + 8, payment.b, 16);
    crypto_hmac_sha256(s->return_key, 32, message, sizeof message, mac);
    for (int i = 0; i < KEY_BYTES; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", mac[i]);
}

void payment_return_url(const struct payment_settings *s, int64_t merchant_id, struct id payment,
                        char out[512])
{
    char id[ID_TEXT_MAX], key[KEY_BYTES * 2 + 1];
    link_key(s, merchant_id, payment, key);
    (void)snprintf(out, 512, "%s/return/%lld/%s/%s", s->public_url, (long long)merchant_id,
                   id_text(ID_PAYMENT, payment, id), key);
}

/* Another purpose, another message. */
static void client_mac(const struct payment_settings *s, int64_t merchant_id, struct id payment,
                       char out[KEY_BYTES * 2 + 1])
{
    uint8_t message[30] = "client", mac[32];
    num_put64(message + 6, (uint64_t)merchant_id);
    memcpy(message + 14, payment.b, 16);
    crypto_hmac_sha256(s->return_key, 32, message, sizeof message, mac);
    for (int i = 0; i < KEY_BYTES; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", mac[i]);
}

void payment_client_key(const struct payment_settings *s, int64_t merchant_id, struct id payment,
                        char out[PAYMENT_CLIENT_KEY_MAX])
{
    char merchant[CLIENT_MERCHANT_MAX], id[ID_TEXT_MAX], key[KEY_BYTES * 2 + 1];
    client_merchant_text(merchant_id, merchant);
    client_mac(s, merchant_id, payment, key);
    (void)snprintf(out, PAYMENT_CLIENT_KEY_MAX, "ct_%s_%s_%s", merchant,
                   id_text(ID_PAYMENT, payment, id), key);
}

bool payment_client_check(const struct payment_settings *s, struct str key, int64_t *ret_merchant,
                          struct id *ret_payment)
{
    char expected[KEY_BYTES * 2 + 1];
    const size_t id_n = 4 + 26, tail = 1 + id_n + 1 + KEY_BYTES * 2;
    if (!str_starts(key, STR("ct_")) || key.n < 3 + tail || key.n >= PAYMENT_CLIENT_KEY_MAX)
        return false;
    const char *at = key.p + key.n - tail;
    if (at[0] != '_' || at[1 + id_n] != '_' ||
        !client_merchant_parse((struct str){key.p + 3, key.n - 3 - tail}, ret_merchant) ||
        !id_parse(ID_PAYMENT, (struct str){at + 1, id_n}, ret_payment))
        return false;
    client_mac(s, *ret_merchant, *ret_payment, expected);
    return mem_equal_ct(at + 2 + id_n, expected, sizeof expected - 1) == 1;
}

bool payment_return_check(const struct payment_settings *s, struct str merchant, struct str payment,
                          struct str key, int64_t *ret_merchant, struct id *ret_payment)
{
    char expected[KEY_BYTES * 2 + 1];
    if (!str_to_i64(merchant, ret_merchant) || !id_parse(ID_PAYMENT, payment, ret_payment))
        return false;
    link_key(s, *ret_merchant, *ret_payment, expected);
    return key.n == sizeof expected - 1 && mem_equal_ct(key.p, expected, key.n) == 1;
}

/* The form in which a card is sealed; what a card must look like. */
#include <stdio.h>
#include <time.h>

#include "vault/vault_internal.h"

void card_wipe(struct card *c)
{
    mem_wipe(c, sizeof *c);
}

/* --- packed --- */
void card_pack(const struct card *c, uint8_t out[CARD_PACKED])
{
    ASSERT(c->month >= 1 && c->month <= 12 && c->year >= 0 && c->year <= 9999);
    mem_wipe(out, CARD_PACKED);
    memcpy(out, c->number, strnlen(c->number, CARD_NUMBER_MAX - 1));
    out[CARD_NUMBER_MAX] = (uint8_t)c->month;
    out[CARD_NUMBER_MAX + 1] = (uint8_t)(c->year >> 8);
    out[CARD_NUMBER_MAX + 2] = (uint8_t)c->year;
}

bool card_unpack(const uint8_t in[CARD_PACKED], struct card *ret)
{
    *ret = (struct card){.month = in[CARD_NUMBER_MAX],
                         .year = in[CARD_NUMBER_MAX + 1] << 8 | in[CARD_NUMBER_MAX + 2]};
    memcpy(ret->number, in, CARD_NUMBER_MAX - 1);
    return in[CARD_NUMBER_MAX - 1] == 0 && ret->month >= 1 && ret->month <= 12;
}

/* --- sealed --- */
#define CARD_AAD (13 + 8 + 16 + 8)
static void card_aad(int64_t merchant_id, struct id card, int64_t version, char out[CARD_AAD])
{
    uint8_t *p = (uint8_t *)out;
    memcpy(p, "florin.card.1", 13);
    num_put64(p + 13, (uint64_t)merchant_id);
    memcpy(p + 21, card.b, 16);
    num_put64(p + 37, (uint64_t)version);
}

void card_seal(const uint8_t key[VAULT_KEY], int64_t merchant_id, struct id card, int64_t version,
               const struct card *c, struct buf *out)
{
    char aad[CARD_AAD];
    uint8_t packed[CARD_PACKED];
    card_aad(merchant_id, card, version, aad);
    card_pack(c, packed);
    crypto_seal(key, (struct str){aad, sizeof aad},
                (struct str){(const char *)packed, sizeof packed}, out);
    mem_wipe(packed, sizeof packed);
}

err_t card_unseal(const uint8_t key[VAULT_KEY], int64_t merchant_id, struct id card,
                  int64_t version, struct str sealed, struct card *ret)
{
    char aad[CARD_AAD];
    struct buf packed = BUF(64);
    card_aad(merchant_id, card, version, aad);
    err_t err = crypto_open(key, (struct str){aad, sizeof aad}, sealed, &packed);
    if (!err && (packed.n != CARD_PACKED || !card_unpack((const uint8_t *)packed.p, ret)))
        err = ERR_CRYPTO;
    if (packed.p)
        mem_wipe(packed.p, packed.n);
    buf_free(&packed);
    return err;
}

void card_fingerprint(const uint8_t key[VAULT_KEY], const char *number, uint8_t ret[FINGERPRINT])
{
    uint8_t mac[32];
    crypto_hmac_sha256(key, VAULT_KEY, number, strlen(number), mac);
    memcpy(ret, mac, FINGERPRINT);
    mem_wipe(mac, sizeof mac);
}

/* --- checks --- */
static bool digits(const char *s, size_t min, size_t max)
{
    size_t n = strspn(s, "0123456789");
    return s[n] == 0 && n >= min && n <= max;
}

err_t card_check(const struct card *c, int64_t now_us, struct err_info *reterr)
{
    time_t now_s = now_us / 1000000;
    struct tm now;
    (void)gmtime_r(&now_s, &now);
    int this_year = now.tm_year + 1900, this_month = now.tm_mon + 1;
    if (!digits(c->number, 12, 19) || !str_luhn(str_from(c->number)))
        return error_param(reterr, ERR_PARAM_INVALID, "number", "is not a card number");
    if (c->month < 1 || c->month > 12)
        return error_param(reterr, ERR_PARAM_INVALID, "exp_month", "must be 1 to 12");
    if (c->year < this_year || c->year > this_year + 50)
        return error_param(reterr, ERR_PARAM_INVALID, "exp_year",
                           "must be a year of four digits that has not passed");
    if (c->year == this_year && c->month < this_month)
        return error_param(reterr, ERR_PARAM_INVALID, "exp_month", "has passed");
    if (c->cvc[0] && !digits(c->cvc, 3, 4))
        return error_param(reterr, ERR_PARAM_INVALID, "cvc", "must be 3 or 4 digits");
    return OK;
}

/* Leading digits, from and to. Source: the schemes' public BIN ranges. */
static const struct {
    const char *from, *to, *brand;
} ranges[] = {
    {"2200", "2204", "mir"},  {"2221", "2720", "mastercard"}, {"300", "305", "diners"},
    {"3528", "3589", "jcb"},  {"34", "34", "amex"},           {"36", "36", "diners"},
    {"37", "37", "amex"},     {"38", "39", "diners"},         {"4", "4", "visa"},
    {"50", "50", "maestro"},  {"51", "55", "mastercard"},     {"6011", "6011", "discover"},
    {"62", "62", "unionpay"}, {"644", "659", "discover"},     {"56", "58", "maestro"},
    {"63", "63", "maestro"},  {"67", "69", "maestro"},        {"81", "81", "unionpay"},
};

const char *card_brand(const char *number)
{
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        size_t n = strlen(ranges[i].from);
        if (strncmp(number, ranges[i].from, n) >= 0 && strncmp(number, ranges[i].to, n) <= 0)
            return ranges[i].brand;
    }
    return "unknown";
}

/* Cards as a customer types them: which token each test number stands for. Of a card the book keeps
 * brand and last four; its number lives as long as its request is read, or, when it is to be told
 * back on purpose, until the answer is written. */
#include <stdio.h>
#include <time.h>

#include "crypto/crypto.h"
#include "sandbox/sandbox_internal.h"

#define DIGITS_MIN 12
#define DIGITS_MAX 19
#define EXPIRED "pm_tok_declined_expired_card"
#define NO_CARD "pm_tok_declined_invalid_account"
#define ANY "pm_tok_visa"

/* Any other number is approved. */
static const struct {
    const char *number, *token;
} numbers[] = {
    {"4242424242424242", "pm_tok_visa"},
    {"5555555555554444", "pm_tok_mastercard"},
    {"4000000000000002", "pm_tok_declined_generic_decline"},
    {"4000000000009995", "pm_tok_declined_insufficient_funds"},
    {"4000000000009987", "pm_tok_declined_lost_card"},
    {"4000000000009979", "pm_tok_declined_stolen_card"},
    {"4000000000000069", EXPIRED},
    {"4000000000000127", "pm_tok_declined_incorrect_cvc"},
    {"4000000000000119", "pm_tok_declined_provider_unavailable"},
    {"4000000000000341", "pm_tok_declined_generic_decline"},
    {"4000002760003184", "pm_tok_3ds_challenge"},
    {"4000000000003220", "pm_tok_3ds_soft_decline"},
    {"4000008400001629", "pm_tok_3ds_then_declined"},
    {"4000000000000259", "pm_tok_dispute_fraud"},
    {"4000000000007726", "pm_tok_refund_pending"},
    {"4000000000005126", "pm_tok_refund_fails_later"},
    {"4000000000009003", "pm_tok_timeout_after"},
    {"4000000000009011", "pm_tok_timeout_before"},
    {"4000000000009029", "pm_tok_error_after"},
    {"4000000000009037", "pm_tok_slow"},
    {"4000000000009045", "pm_tok_amount_shift"},
    {"4000000000009052", "pm_tok_duplicate_webhook"},
    {"4000000000009060", "pm_tok_webhook_out_of_order"},
    {"4000000000009078", "pm_tok_webhook_lost"},
    {"4000000000009086", "pm_tok_echo"},
};

/* Leading digits, the first that fits. Source: the schemes' public ranges. */
static const struct {
    const char *from, *to, *brand;
} brands[] = {
    {"4", "4", "visa"},         {"51", "55", "mastercard"}, {"2221", "2720", "mastercard"},
    {"34", "34", "amex"},       {"37", "37", "amex"},       {"6011", "6011", "discover"},
    {"644", "659", "discover"}, {"36", "36", "diners"},     {"38", "39", "diners"},
    {"3528", "3589", "jcb"},    {"62", "62", "unionpay"},   {"2200", "2204", "mir"},
    {"300", "305", "diners"},
};

struct body {
    struct str number, month, year, cvc;
};
static const struct wire_field fields[] = {
    {"number", WIRE_STR, WIRE_REQUIRED, offsetof(struct body, number), 1, 32},
    {"exp_month", WIRE_STR, WIRE_REQUIRED, offsetof(struct body, month), 1, 2},
    {"exp_year", WIRE_STR, WIRE_REQUIRED, offsetof(struct body, year), 2, 4},
    {"cvc", WIRE_STR, WIRE_NULLABLE, offsetof(struct body, cvc), 3, 4},
};

static const char *brand_of(const char *number)
{
    for (size_t i = 0; i < COUNT_OF(brands); i++) {
        size_t n = strlen(brands[i].from);
        if (strncmp(number, brands[i].from, n) >= 0 && strncmp(number, brands[i].to, n) <= 0)
            return brands[i].brand;
    }
    return "unknown";
}

static bool digits(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

/* Is the month over? */
static bool over(int64_t month, int64_t year, int64_t now_us)
{
    time_t now_s = now_us / 1000000;
    struct tm now;
    (void)gmtime_r(&now_s, &now);
    return year * 12 + month < (now.tm_year + INT64_C(1900)) * 12 + now.tm_mon + 1;
}

static const char *token_of(const char *number)
{
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (strcmp(number, numbers[i].number) == 0)
            return numbers[i].token;
    return ANY;
}

err_t typed_card_read(struct call *c, json_t *json, struct err_info *info)
{
    struct typed_card *card = &c->card;
    struct body b = {.number = {NULL, 0}};
    int64_t month = 0, year = 0;
    err_t err = wire_read_in(json, "card", fields, COUNT_OF(fields), &b, info);
    if (err)
        return err;
    if (!digits(b.number) || !digits(b.cvc) || !digits(b.month) || !str_to_i64(b.month, &month) ||
        month < 1 || month > 12 || b.year.n == 3 || !digits(b.year) || !str_to_i64(b.year, &year))
        return error_set(info, ERR_PARAM_INVALID,
                         "card: number, exp_month, exp_year and cvc are texts of digits");
    year += b.year.n == 2 ? 2000 : 0;
    card->typed = true;
    bool whole = b.number.n >= DIGITS_MIN && b.number.n <= DIGITS_MAX;
    if (whole) {
        text_copy(card->number, sizeof card->number, b.number);
        text_copy(card->cvc, sizeof card->cvc, b.cvc);
        text_copy(card->brand, sizeof card->brand, str_from(brand_of(card->number)));
        text_copy(card->last_four, sizeof card->last_four,
                  (struct str){b.number.p + b.number.n - 4, 4});
    }
    c->token =
        token_find(str_from(!whole || !str_luhn(b.number)            ? NO_CARD
                            : over(month, year, c->req->received_us) ? EXPIRED
                                                                     : token_of(card->number)));
    return OK;
}

void typed_card_forget(struct typed_card *card)
{
    mem_wipe(card->number, sizeof card->number);
    mem_wipe(card->cvc, sizeof card->cvc);
}

/* In groups of four, with a divider after each but the last. */
static void grouped(const char *number, char divider, char out[2 * DIGITS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; number[i]; i++) {
        if (i && i % 4 == 0)
            out[n++] = divider;
        out[n++] = number[i];
    }
    out[n] = 0;
}

static void write_encoded(struct jw *w, const struct typed_card *card)
{
    char text[3 * DIGITS_MAX + 1], json[64];
    struct buf base64 = BUF(200);
    size_t n = strlen(card->number);
    for (size_t i = 0; i < n; i++)
        (void)snprintf(text + 3 * i, 4, "%%%02x", (unsigned char)card->number[i]);
    jw_str(w, "percent", str_from(text));
    for (size_t i = 0; i < n; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", (unsigned char)card->number[i]);
    jw_str(w, "hex", str_from(text));
    (void)snprintf(json, sizeof json, "{\"number\":\"%s\"}", card->number);
    crypto_base64(&base64, json, strlen(json));
    jw_str(w, "base64", buf_view(&base64));
    mem_wipe(text, sizeof text);
    mem_wipe(json, sizeof json);
    if (base64.p)
        mem_wipe(base64.p, base64.n);
    buf_free(&base64);
}

void typed_card_echo(struct jw *w, const struct typed_card *card)
{
    char text[2 * DIGITS_MAX];
    size_t n = strlen(card->number);
    if (n == 0)
        return;
    jw_object(w, "echo");
    jw_str(w, "number", str_from(card->number));
    jw_str(w, "cvc", str_from(card->cvc));
    grouped(card->number, ' ', text);
    jw_str(w, "spaced", str_from(text));
    grouped(card->number, '-', text);
    jw_str(w, "dashed", str_from(text));
    jw_array(w, "parts");
    for (size_t i = 0; i < n; i += 4)
        jw_str(w, NULL, (struct str){card->number + i, n - i < 4 ? n - i : 4});
    jw_array_end(w);
    write_encoded(w, card);
    jw_object_end(w);
    mem_wipe(text, sizeof text);
}

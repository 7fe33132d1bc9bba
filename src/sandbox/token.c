/* The test tokens and what each makes happen. A row here is all a new one needs. */
#include "sandbox/sandbox_internal.h"

#define APPROVED(n)                                                                                \
    {                                                                                              \
        .name = n, .code = ""                                                                      \
    }
#define REFUSED(n, c)                                                                              \
    {                                                                                              \
        .name = n, .code = c                                                                       \
    }
#define GOES(n, a)                                                                                 \
    {                                                                                              \
        .name = n, .code = "", .charge = a                                                         \
    }
#define LATER(n, k, a)                                                                             \
    {                                                                                              \
        .name = n, .code = "", .later = k, .later_act = a                                          \
    }
#define LATER_REFUSED(n, k, c)                                                                     \
    {                                                                                              \
        .name = n, .code = "", .later = k, .later_code = c                                         \
    }

static const struct token tokens[] = {
    APPROVED("pm_tok_visa"),
    APPROVED("pm_tok_mastercard"),
    APPROVED("pm_tok_amex"),
    APPROVED("pm_tok_duplicate_webhook"),
    APPROVED("pm_tok_webhook_lost"),
    {.name = "pm_tok_amount_shift", .code = "", .shift = 1},
    GOES("pm_tok_timeout_after", ACT_DROP_AFTER),
    GOES("pm_tok_timeout_before", ACT_DROP_BEFORE),
    GOES("pm_tok_error_after", ACT_ERROR_AFTER),
    GOES("pm_tok_slow", ACT_DELAY),
    REFUSED("pm_tok_declined_insufficient_funds", "51"),
    REFUSED("pm_tok_declined_do_not_honor", "05"),
    REFUSED("pm_tok_declined_stolen_card", "43"),
    REFUSED("pm_tok_declined_lost_card", "41"),
    REFUSED("pm_tok_declined_expired_card", "54"),
    REFUSED("pm_tok_declined_incorrect_cvc", "N7"),
    REFUSED("pm_tok_declined_limit_exceeded", "61"),
    REFUSED("pm_tok_declined_risk_decline", "59"),
    REFUSED("pm_tok_declined_bank_unavailable", "91"),
    REFUSED("pm_tok_declined_authentication_failed", "1A"),
    REFUSED("pm_tok_declined_authentication_canceled", "1C"),
    REFUSED("pm_tok_declined_authentication_expired", "1E"),
    REFUSED("pm_tok_declined_invalid_account", "14"),
    REFUSED("pm_tok_declined_not_permitted", "57"),
    REFUSED("pm_tok_declined_provider_unavailable", "96"),
    REFUSED("pm_tok_declined_provider_timeout", "98"),
    REFUSED("pm_tok_declined_generic_decline", "G0"),
    LATER("pm_tok_capture_timeout_after", KIND_CAPTURE, ACT_DROP_AFTER),
    LATER("pm_tok_capture_error_after", KIND_CAPTURE, ACT_ERROR_AFTER),
    LATER_REFUSED("pm_tok_capture_declined", KIND_CAPTURE, "05"),
    LATER("pm_tok_refund_timeout_after", KIND_REFUND, ACT_DROP_AFTER),
    LATER("pm_tok_refund_error_after", KIND_REFUND, ACT_ERROR_AFTER),
    LATER_REFUSED("pm_tok_refund_declined", KIND_REFUND, "05"),
    LATER("pm_tok_cancel_timeout_after", KIND_VOID, ACT_DROP_AFTER),
    LATER("pm_tok_cancel_error_after", KIND_VOID, ACT_ERROR_AFTER),
    LATER_REFUSED("pm_tok_cancel_declined", KIND_VOID, "05"),
    /* methods that a card acquirer does not take */
    REFUSED("pm_tok_bank_redirect", "57"),
    REFUSED("pm_tok_pix", "57"),
    REFUSED("pm_tok_payid", "57"),
    REFUSED("pm_tok_fpx", "57"),
    REFUSED("pm_tok_ideal", "57"),
};
static const struct token three_ds = REFUSED("pm_tok_3ds_", "57");
static const struct token unknown = REFUSED("", "14");

const struct token *token_find(struct str source)
{
    for (size_t i = 0; i < COUNT_OF(tokens); i++)
        if (str_eq(source, str_from(tokens[i].name)))
            return &tokens[i];
    if (str_starts(source, str_from(three_ds.name)))
        return &three_ds;
    return &unknown;
}

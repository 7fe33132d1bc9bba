/* The test tokens and what each makes happen. A row here is all a new one needs. */
#include "sandbox/sandbox_internal.h"

#define APPROVED(n, ...)                                                                           \
    {                                                                                              \
        .name = n, .code = "", __VA_ARGS__                                                         \
    }
#define REFUSED(n, c, four)                                                                        \
    {                                                                                              \
        .name = n, .code = c, .last_four = four                                                    \
    }
#define GOES(n, a, four)                                                                           \
    {                                                                                              \
        .name = n, .code = "", .charge = a, .last_four = four                                      \
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
    APPROVED("pm_tok_visa", .last_four = "4242"),
    APPROVED("pm_tok_mastercard", .brand = "mastercard", .last_four = "4444"),
    APPROVED("pm_tok_amex", .brand = "amex", .last_four = "0005"),
    /* webhooks: notify.c looks at the names */
    APPROVED("pm_tok_duplicate_webhook", .last_four = "9052"),
    APPROVED("pm_tok_webhook_lost", .last_four = "9078"),
    APPROVED("pm_tok_webhook_out_of_order", .last_four = "9060"),
    APPROVED("pm_tok_webhook_first", .webhook_first = true),
    GOES("pm_tok_async", ACT_ASYNC, "4242"),
    /* amounts */
    APPROVED("pm_tok_amount_shift", .clear_more = 1, .last_four = "9045"),
    APPROVED("pm_tok_amount_shift_large", .clear_percent = 25, .last_four = "9045"),
    APPROVED("pm_tok_amount_mismatch", .shift = 1),
    APPROVED("pm_tok_hold_short", .hold_s = 3),
    /* answers */
    GOES("pm_tok_timeout_after", ACT_DROP_AFTER, "9003"),
    GOES("pm_tok_timeout_before", ACT_DROP_BEFORE, "9011"),
    GOES("pm_tok_error_after", ACT_ERROR_AFTER, "9029"),
    GOES("pm_tok_slow", ACT_DELAY, "9037"),
    GOES("pm_tok_echo", ACT_ECHO, "9086"),
    /* the issuer says no */
    REFUSED("pm_tok_declined_insufficient_funds", "51", "9995"),
    REFUSED("pm_tok_declined_do_not_honor", "05", "0028"),
    REFUSED("pm_tok_declined_stolen_card", "43", "9979"),
    REFUSED("pm_tok_declined_lost_card", "41", "9987"),
    REFUSED("pm_tok_declined_expired_card", "54", "0069"),
    REFUSED("pm_tok_declined_incorrect_cvc", "N7", "0127"),
    REFUSED("pm_tok_declined_limit_exceeded", "61", "0036"),
    REFUSED("pm_tok_declined_risk_decline", "59", "0044"),
    REFUSED("pm_tok_declined_bank_unavailable", "91", "0051"),
    REFUSED("pm_tok_declined_authentication_failed", "1A", "0077"),
    REFUSED("pm_tok_declined_authentication_canceled", "1C", "0085"),
    REFUSED("pm_tok_declined_authentication_expired", "1E", "0093"),
    REFUSED("pm_tok_declined_invalid_account", "14", "0101"),
    REFUSED("pm_tok_declined_not_permitted", "57", "0135"),
    REFUSED("pm_tok_declined_provider_unavailable", "96", "0119"),
    REFUSED("pm_tok_declined_provider_timeout", "98", "0143"),
    REFUSED("pm_tok_declined_generic_decline", "G0", "0002"),
    /* 3-D Secure */
    APPROVED("pm_tok_3ds_challenge", .sca = SCA_CHALLENGE, .last_four = "3184"),
    APPROVED("pm_tok_3ds_redirect", .sca = SCA_REDIRECT, .last_four = "3184"),
    APPROVED("pm_tok_3ds_frictionless", .sca = SCA_FRICTIONLESS, .last_four = "3220"),
    APPROVED("pm_tok_3ds_fail", .sca = SCA_CHALLENGE, .challenge_code = "1A", .last_four = "1637"),
    APPROVED("pm_tok_3ds_then_declined", .sca = SCA_CHALLENGE, .confirm_code = "51",
             .last_four = "1629"),
    APPROVED("pm_tok_3ds_soft_decline", .sca = SCA_SOFT, .last_four = "3220"),
    APPROVED("pm_tok_3ds_required_off_session", .sca = SCA_OFF_SESSION, .last_four = "3155"),
    /* what comes after the charge */
    LATER("pm_tok_capture_timeout_after", KIND_CAPTURE, ACT_DROP_AFTER),
    LATER("pm_tok_capture_error_after", KIND_CAPTURE, ACT_ERROR_AFTER),
    LATER_REFUSED("pm_tok_capture_declined", KIND_CAPTURE, "05"),
    LATER("pm_tok_refund_timeout_after", KIND_REFUND, ACT_DROP_AFTER),
    LATER("pm_tok_refund_error_after", KIND_REFUND, ACT_ERROR_AFTER),
    LATER_REFUSED("pm_tok_refund_declined", KIND_REFUND, "05"),
    LATER("pm_tok_cancel_timeout_after", KIND_VOID, ACT_DROP_AFTER),
    LATER("pm_tok_cancel_error_after", KIND_VOID, ACT_ERROR_AFTER),
    LATER_REFUSED("pm_tok_cancel_declined", KIND_VOID, "05"),
    LATER_REFUSED("pm_tok_increment_declined", KIND_INCREMENT, "57"),
    APPROVED("pm_tok_refund_pending", .refund = REFUND_PENDING, .last_four = "7726"),
    APPROVED("pm_tok_refund_pending_fails", .refund = REFUND_PENDING_FAILS, .last_four = "7734"),
    APPROVED("pm_tok_refund_fails_later", .refund = REFUND_FAILS_LATER, .last_four = "5126"),
    APPROVED("pm_tok_refund_stays_pending", .refund = REFUND_STAYS_PENDING, .last_four = "7742"),
    APPROVED("pm_tok_dispute_fraud", .dispute = "fraudulent", .last_four = "0259"),
    APPROVED("pm_tok_dispute_not_received", .dispute = "product_not_received", .last_four = "2685"),
    APPROVED("pm_tok_dispute_inquiry", .dispute = "product_not_received", .dispute_inquiry = true,
             .last_four = "1976"),
    /* methods that a card acquirer does not take */
    REFUSED("pm_tok_bank_redirect", "57", ""),
    REFUSED("pm_tok_pix", "57", ""),
    REFUSED("pm_tok_payid", "57", ""),
    REFUSED("pm_tok_fpx", "57", ""),
    REFUSED("pm_tok_ideal", "57", ""),
};
static const struct token unknown = REFUSED("", "14", "");

const struct token *token_find(struct str source)
{
    for (size_t i = 0; i < COUNT_OF(tokens); i++)
        if (str_eq(source, str_from(tokens[i].name)))
            return &tokens[i];
    return &unknown;
}

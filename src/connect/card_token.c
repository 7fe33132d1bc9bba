/* Tokens of cards in the vault, and requests with a card in them. */
#include <stdio.h>

#include "connect/connect_internal.h"

#define PREFIX "pm_tok_"
#define END "}}"

const char *const card_placeholders[CARD_PLACEHOLDERS] = {"number", "exp_month", "exp_year",
                                                          "exp_year_2", "cvc"};

bool card_token_parse(struct str token, struct id *ret_card)
{
    char text[ID_TEXT_MAX];
    if (token.n != strlen(PREFIX) + 26 || !str_starts(token, STR(PREFIX)))
        return false;
    (void)snprintf(text, sizeof text, "pm_%.26s", token.p + strlen(PREFIX));
    return id_parse(ID_PAYMENT_METHOD, str_from(text), ret_card);
}

void card_token_write(struct id card, char out[40])
{
    char text[ID_TEXT_MAX];
    (void)snprintf(out, 40, PREFIX "%s", id_text(ID_PAYMENT_METHOD, card, text) + 3);
}

static const char *find(struct str s)
{
    return s.n ? memmem(s.p, s.n, CARD_PLACEHOLDER, strlen(CARD_PLACEHOLDER)) : NULL;
}

/* Is what begins there a whole placeholder of those there are? */
static bool known(struct str s)
{
    for (size_t i = 0; i < COUNT_OF(card_placeholders); i++) {
        size_t n = strlen(card_placeholders[i]);
        if (s.n >= n + 2 && memcmp(s.p, card_placeholders[i], n) == 0 &&
            memcmp(s.p + n, END, 2) == 0)
            return true;
    }
    return false;
}

static bool all_known(struct str s)
{
    for (const char *at; (at = find(s));) {
        const char *name = at + strlen(CARD_PLACEHOLDER);
        s = (struct str){name, s.n - (size_t)(name - s.p)};
        if (!known(s))
            return false;
    }
    return true;
}

err_t card_request_check(const struct provider_call *call, const struct connector_request *r,
                         bool *ret_with_card, struct id *ret_card, struct err_info *reterr)
{
    struct str body = buf_view(&r->body);
    bool card =
        call->operation == OPERATION_AUTHORIZE && card_token_parse(str_from(call->token), ret_card);
    bool there = find(body) != NULL;
    *ret_with_card = card && there;
    if (find(buf_view(&r->url)) || find(buf_view(&r->headers)))
        return error_set(reterr, ERR_CONNECTOR, "a card's placeholder outside the body");
    if (!card) /* evidence is the merchant's own text */
        return !there || call->operation == OPERATION_SUBMIT_EVIDENCE
                   ? OK
                   : error_set(reterr, ERR_CONNECTOR, "a card's placeholder, and no card");
    if (!there || !memmem(body.p, body.n, CARD_PLACEHOLDER "number" END,
                          strlen(CARD_PLACEHOLDER "number" END)))
        return error_set(reterr, ERR_CONNECTOR, "the connector does not take cards");
    if (!all_known(body))
        return error_set(reterr, ERR_CONNECTOR, "a card's placeholder that there is not");
    if (strcmp(r->method, "GET") == 0)
        return error_set(reterr, ERR_CONNECTOR, "a card cannot be sent with GET");
    return OK;
}

/* Tokens of cards in the vault. */
#include <stdio.h>

#include "connect/connect.h"

#define PREFIX "pm_tok_"

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

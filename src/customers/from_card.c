/* The payment method of a card that was just typed. */
#include "customers/customers_internal.h"

#include <stdio.h>

err_t method_from_card(struct store_tx *tx, struct det *det, int64_t merchant_id,
                       const struct card_facts *facts, struct id customer, struct buf *out)
{
    struct method m = {.id = facts->card, .customer = customer, .attached = true}, there;
    char text[ID_TEXT_MAX];
    bool found;
    err_t err = method_read(tx, merchant_id, facts->card, &there, &found);
    (void)snprintf(m.token, sizeof m.token, "pm_tok_%s",
                   id_text(ID_PAYMENT_METHOD, facts->card, text) + 3);
    (void)snprintf(m.card_brand, sizeof m.card_brand, "%s", facts->brand);
    (void)snprintf(m.card_last_four, sizeof m.card_last_four, "%s", facts->last_four);
    if (!err && !found)
        err = method_save(tx, det, merchant_id, &m);
    return err ? err : method_show(tx, merchant_id, facts->card, out, &found);
}

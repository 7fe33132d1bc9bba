/* Payments that a browser begins with a client token. */
#include "clients/clients.h"
#include "payments/authorize.h"

err_t payment_claim(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                    const uint8_t *client_token)
{
    struct id earlier = {{0}};
    const char *status = NULL;
    if (!client_token)
        return OK;
    err_t err = client_token_claim(tx, p->merchant_id, client_token, p->amount, p->currency,
                                   run->det.now_us, &earlier, &run->error);
    if (!err)
        err = payment_status(tx, p->merchant_id, earlier, &status);
    if (!err && status && !checkout_payable_again(status))
        err = error_set(&run->error, ERR_STATE, "This checkout is being paid by another payment.");
    return err ? err : client_token_use(tx, p->merchant_id, client_token, p->id, run->det.now_us);
}

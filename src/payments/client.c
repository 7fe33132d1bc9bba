/* Payments that a browser begins with a client token. */
#include "clients/clients.h"
#include "payments/authorize.h"
#include "search/search.h"

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

/* Its immutable members say it. */
static bool checkout_of(const struct payment *p, struct id *ret)
{
    json_t *members = search_members(buf_view(&p->details));
    json_t *v = json_object_get(members, "checkout");
    struct str text = {json_string_value(v), json_string_length(v)};
    bool there = json_is_string(v) && id_parse(ID_CHECKOUT, text, ret);
    json_decref(members);
    return there;
}

err_t payment_claim_again(struct store_tx *tx, struct flow_run *run, const struct payment *p)
{
    struct id id;
    struct checkout c;
    bool found;
    if (!checkout_of(p, &id))
        return OK;
    err_t err = checkout_read(tx, p->merchant_id, id, &c, &found);
    if (err || (found && id_eq(c.payment, p->id)))
        return err;
    return error_set(&run->error, ERR_STATE, "Another payment was begun on this checkout.");
}

/* What a payment will have that begins later, in a browser: the members that client tokens and
 * checkouts share with POST /v1/payments. Kept as JSON, read again when it begins. */
#include "api/api_internal.h"

static err_t check_three_ds(const struct terms *t, struct payment_create *in,
                            struct err_info *reterr)
{
    err_t err = read_three_ds(t->three_ds, in, reterr);
    if (!err && in->three_ds == THREE_DS_EXTERNAL)
        err = error_param(reterr, ERR_PARAM_INVALID, "three_ds.external",
                          "cannot be given for a card that is not known yet");
    return err;
}

err_t terms_check(const struct terms *t, struct payment_create *in, struct err_info *reterr)
{
    struct url url;
    err_t err = OK, last;
    in->capture = t->capture.set ? t->capture.value : true;
    in->save = t->save.value;
    in->description = t->description;
    in->statement_descriptor = t->statement_descriptor;
    in->metadata = t->metadata;
    if (t->statement_descriptor.p && !descriptor_ok(t->statement_descriptor))
        err = error_param(reterr, ERR_PARAM_INVALID, "statement_descriptor",
                          "must be printable ASCII without < > \\ ' \" *");
    if (t->return_url.p && !url_parse(t->return_url, &url))
        err = error_param(reterr, ERR_PARAM_INVALID, "return_url", "must be an http or https URL");
    if ((last = check_three_ds(t, in, reterr)))
        err = last;
    if ((last = param_id("order", ID_ORDER, t->order, &in->order, reterr)))
        err = last;
    if (in->save && id_is_zero(in->customer))
        err = error_param(reterr, ERR_PARAM_INVALID, "save_payment_method",
                          "needs the customer it is saved for");
    return err;
}

void terms_write(struct buf *out, const struct terms *t, const struct payment_create *in)
{
    struct jw w = {.b = out};
    jw_object(&w, NULL);
    jw_bool(&w, "capture", in->capture);
    jw_bool(&w, "save_payment_method", in->save);
    if (id_is_zero(in->order))
        jw_null(&w, "order");
    else
        jw_id(&w, "order", ID_ORDER, in->order);
    if (t->three_ds)
        jw_json(&w, "three_ds", t->three_ds);
    else
        jw_str(&w, "three_ds", STR("automatic"));
    jw_str(&w, "description", t->description);
    jw_str(&w, "statement_descriptor", t->statement_descriptor);
    jw_str(&w, "return_url", t->return_url);
    if (t->metadata)
        jw_json(&w, "metadata", t->metadata);
    else
        jw_raw(&w, "metadata", STR("{}"));
    jw_object_end(&w);
}

err_t terms_read(json_t *details, struct terms *t, struct payment_create *in)
{
    static const struct wire_field fields[] = {TERMS_FIELDS(struct terms_alone, terms)};
    struct err_info info = {.err = OK};
    struct terms_alone alone = {.terms = {.metadata = NULL}};
    err_t err = wire_read(details, fields, COUNT_OF(fields), &alone, &info);
    *t = alone.terms;
    if (!err)
        err = terms_check(t, in, &info);
    return err ? ERR_INTERNAL : OK; /* it was checked before it was kept */
}

err_t terms_check_objects(struct store_tx *tx, int64_t merchant_id, const struct payment_create *in,
                          struct err_info *reterr)
{
    struct id whose;
    bool found = true;
    err_t err =
        id_is_zero(in->customer) ? OK : customer_read(tx, merchant_id, in->customer, &found);
    if (!err && !found)
        return error_param(reterr, ERR_PARAM_INVALID, "customer", "There is no such customer.");
    if (err || id_is_zero(in->order))
        return err;
    err = order_customer(tx, merchant_id, in->order, &whose, &found);
    if (!err && !found)
        err = error_param(reterr, ERR_PARAM_INVALID, "order", "There is no such order.");
    return err;
}

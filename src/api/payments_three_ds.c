/* The member three_ds of a payment: "automatic", "required", or an object. */
#include <stdio.h>

#include "api/api_internal.h"

struct three_ds_body {
    struct str request, exemption;
    json_t *external;
};
static const struct wire_field fields[] = {
    {"request", WIRE_STR, 0, offsetof(struct three_ds_body, request), 1, 20},
    {"exemption", WIRE_STR, WIRE_NULLABLE, offsetof(struct three_ds_body, exemption), 1, 31},
    {"external", WIRE_OBJECT, WIRE_NULLABLE, offsetof(struct three_ds_body, external), 0, 0},
};
struct external_body {
    struct str version, eci, cavv, transaction_id;
};
static const struct wire_field external_fields[] = {
    {"version", WIRE_STR, WIRE_REQUIRED, offsetof(struct external_body, version), 5, 8},
    {"eci", WIRE_STR, WIRE_REQUIRED, offsetof(struct external_body, eci), 2, 2},
    {"cavv", WIRE_STR, WIRE_REQUIRED, offsetof(struct external_body, cavv), 28, 40},
    {"transaction_id", WIRE_STR, WIRE_REQUIRED, offsetof(struct external_body, transaction_id), 36,
     36},
};

/* Source: RTS 2018/389, articles 13 to 18. */
static const char *const exemptions[] = {"low_value", "trusted_beneficiary",
                                         "transaction_risk_analysis", "recurring", "corporate"};

static bool request_of(struct str text, enum three_ds_request *ret)
{
    *ret = str_eq(text, STR("required")) ? THREE_DS_REQUIRED : THREE_DS_AUTOMATIC;
    return *ret == THREE_DS_REQUIRED || str_eq(text, STR("automatic"));
}

static bool plain(struct str s, const char *allowed)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr(allowed, s.p[i]) || s.p[i] == 0)
            return false;
    return true;
}

static err_t read_external(json_t *v, struct three_ds *out, struct err_info *reterr)
{
    struct external_body b = {0};
    err_t err = wire_read_in(v, "three_ds.external", external_fields, COUNT_OF(external_fields), &b,
                             reterr);
    if (err)
        return err;
    if (!plain(b.version, "0123456789."))
        err = error_param(reterr, ERR_PARAM_INVALID, "three_ds.external.version",
                          "must be a version such as 2.2.0");
    if (!plain(b.eci, "0123456789"))
        err = error_param(reterr, ERR_PARAM_INVALID, "three_ds.external.eci", "must be two digits");
    if (!plain(b.cavv, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
        err = error_param(reterr, ERR_PARAM_INVALID, "three_ds.external.cavv", "must be base64");
    if (!plain(b.transaction_id, "0123456789abcdefABCDEF-"))
        err = error_param(reterr, ERR_PARAM_INVALID, "three_ds.external.transaction_id",
                          "must be the UUID that the directory server gave");
    out->flow = THREE_DS_BY_MERCHANT;
    (void)snprintf(out->version, sizeof out->version, STR_FMT, STR_ARG(b.version));
    (void)snprintf(out->eci, sizeof out->eci, STR_FMT, STR_ARG(b.eci));
    (void)snprintf(out->cavv, sizeof out->cavv, STR_FMT, STR_ARG(b.cavv));
    (void)snprintf(out->transaction_id, sizeof out->transaction_id, STR_FMT,
                   STR_ARG(b.transaction_id));
    return err;
}

static err_t read_exemption(struct str text, struct payment_create *in, struct err_info *reterr)
{
    for (size_t i = 0; i < COUNT_OF(exemptions); i++)
        if (str_eq(text, str_from(exemptions[i]))) {
            in->exemption = str_from(exemptions[i]);
            return OK;
        }
    return error_param(reterr, ERR_PARAM_INVALID, "three_ds.exemption",
                       "must be low_value, trusted_beneficiary, transaction_risk_analysis, "
                       "recurring or corporate");
}

err_t read_three_ds(json_t *v, struct payment_create *in, struct err_info *reterr)
{
    struct three_ds_body b = {.request = STR("automatic")};
    in->three_ds = THREE_DS_AUTOMATIC;
    if (!v || json_is_null(v))
        return OK;
    if (json_is_string(v))
        return request_of(str_from(json_string_value(v)), &in->three_ds)
                   ? OK
                   : error_param(reterr, ERR_PARAM_INVALID, "three_ds",
                                 "must be automatic, required or an object");
    if (!json_is_object(v))
        return error_param(reterr, ERR_PARAM_INVALID, "three_ds",
                           "must be automatic, required or an object");
    err_t err = wire_read_in(v, "three_ds", fields, COUNT_OF(fields), &b, reterr);
    if (err)
        return err;
    if (!request_of(b.request, &in->three_ds))
        err = error_param(reterr, ERR_PARAM_INVALID, "three_ds.request",
                          "must be automatic or required");
    if (b.exemption.p && in->three_ds == THREE_DS_REQUIRED)
        err = error_param(reterr, ERR_PARAM_INVALID, "three_ds.exemption",
                          "contradicts request: required");
    else if (b.exemption.p)
        err = read_exemption(b.exemption, in, reterr);
    if (err || !b.external)
        return err;
    if (b.exemption.p || in->three_ds == THREE_DS_REQUIRED)
        return error_param(reterr, ERR_PARAM_INVALID, "three_ds.external",
                           "stands alone: the customer has been authenticated already");
    in->three_ds = THREE_DS_EXTERNAL;
    return read_external(b.external, &in->external, reterr);
}

/* What lists are searched and filtered by. */
#include "api/api_internal.h"

#define REFERENCE_MAX 128
#define EMAIL_MAX 320

static err_t wrong(struct call *call, const char *name, const char *what)
{
    return error_param(&call->error, ERR_PARAM_INVALID, name, "%s", what);
}

err_t param_id(const char *name, enum id_kind kind, struct str text, struct id *ret,
               struct err_info *reterr)
{
    struct id id = {{0}};
    if (!text.p)
        return OK;
    /* zero means none to whoever looks at it later */
    if (!id_parse(kind, text, &id) || id_is_zero(id) || id_number(id) != 0)
        return error_param(reterr, ERR_PARAM_INVALID, name,
                           kind == ID_PAYMENT_METHOD
                               ? "must be the id of a saved card: %s and 26 letters and digits; a "
                                 "provider's token belongs in payment_method_token"
                               : "must be an id: %s and 26 letters and digits",
                           id_prefix(kind));
    *ret = id;
    return OK;
}

static err_t want_text(struct call *call, const char *name, enum search_kind kind, size_t max)
{
    struct str v = call_param(call, name);
    if (!v.p)
        return OK;
    if (v.n == 0 || str_codepoints(v) > max)
        return error_param(&call->error, ERR_PARAM_INVALID, name,
                           "must have between 1 and %zu characters", max);
    ASSERT(call->search.n < SEARCH_TERMS_MAX);
    return search_want(&call->search, kind, v) ? OK : ERR_INTERNAL;
}

static err_t want_last_four(struct call *call)
{
    struct str v = call_param(call, "last_four");
    bool ok = v.n == 4;
    for (size_t i = 0; i < v.n; i++)
        ok = ok && v.p[i] >= '0' && v.p[i] <= '9';
    if (v.p && !ok)
        return wrong(call, "last_four", "must be four digits");
    return want_text(call, "last_four", SEARCH_LAST_FOUR, 4);
}

static err_t want_id(struct call *call, const char *name, enum search_kind kind, enum id_kind of)
{
    struct id id = {{0}};
    err_t err = param_id(name, of, call_param(call, name), &id, &call->error);
    if (err || id_is_zero(id))
        return err;
    return search_want_id(&call->search, kind, id) ? OK : ERR_INTERNAL;
}

static err_t want_metadata(struct call *call)
{
    static const struct str begin = {"metadata[", 9};
    for (size_t i = 0; i < call->query_n; i++) {
        const struct url_pair *q = &call->query[i];
        if (!str_starts(q->name, begin))
            continue;
        struct str key = {q->name.p + begin.n, q->name.n - begin.n - 1};
        if (key.n == 0 || memchr(key.p, '[', key.n) || memchr(key.p, ']', key.n))
            return wrong(call, q->name.p, "must name a key, as in metadata[shelf]=7");
        if (!search_want_metadata(&call->search, key, q->value))
            return wrong(call, q->name.p, "is one too many to search by");
    }
    return OK;
}

bool call_search(struct call *call)
{
    err_t err = want_text(call, "reference", SEARCH_REFERENCE, REFERENCE_MAX);
    if (!err)
        err = want_last_four(call);
    if (!err)
        err = want_id(call, "customer", SEARCH_OF_CUSTOMER, ID_CUSTOMER);
    if (!err)
        err = want_id(call, "order", SEARCH_OF_ORDER, ID_ORDER);
    if (!err)
        err = want_text(call, "email", SEARCH_EMAIL, EMAIL_MAX);
    if (!err)
        err = want_metadata(call);
    if (err)
        call_fail(call, err);
    return err == OK;
}

err_t search_explain(struct call *call, err_t err)
{
    if (err == ERR_UNPROCESSABLE)
        (void)error_set(&call->error, err,
                        "Too much would have to be looked at: search by something rarer, or name "
                        "a shorter time by created[gte] and created[lt].");
    return err;
}

err_t read_money_filter(struct call *call, int (*find)(struct str text), const char *status_hint,
                        int *ret_state, int16_t *ret_currency, int64_t *ret_amount)
{
    struct str status = call_param(call, "status"), currency = call_param(call, "currency"),
               amount = call_param(call, "amount");
    if (status.p && !(*ret_state = find(status)))
        return error_param(&call->error, ERR_PARAM_INVALID, "status", "must be a status of %s",
                           status_hint);
    const struct currency *c = currency.p ? currency_find(currency) : NULL;
    if (currency.p && !c)
        return wrong(call, "currency", "must be an active ISO 4217 code in upper case");
    *ret_currency = c ? c->number : 0;
    if (amount.p && (!str_to_i64(amount, ret_amount) || *ret_amount < 1))
        return wrong(call, "amount", "must be a positive integer of minor units");
    return OK;
}

bool call_given(const struct call *call, const char *name)
{
    return json_object_get(call->json, name) != NULL;
}

err_t read_payment_part(struct call *call, int (*find)(struct str text), const char *status_hint)
{
    struct str status = call_param(call, "status");
    if (status.p && !(call->state = find(status)))
        return error_param(&call->error, ERR_PARAM_INVALID, "status", "must be a status of %s",
                           status_hint);
    return param_id("payment", ID_PAYMENT, call_param(call, "payment"), &call->parent,
                    &call->error);
}

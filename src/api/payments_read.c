/* /v1/payments, /v1/refunds: lists and what belongs to a payment. */
#include "api/api_internal.h"

#define PAGE_PARAMS                                                                                \
    "limit", "starting_after", "ending_before", "created[gte]", "created[gt]", "created[lte]",     \
        "created[lt]"

static err_t list_payments(struct store_tx *tx, struct call *call)
{
    err_t err = payment_list(tx, call->merchant_id, &call->page, &call->filter, list_add, call);
    if (!err)
        list_write(call);
    return err;
}

static err_t read_payment_filter(struct call *call)
{
    struct str status = call_param(call, "status"), currency = call_param(call, "currency"),
               amount = call_param(call, "amount");
    if (status.p && !(call->filter.state = machine_find(&payment_machine, status)))
        return error_param(&call->error, ERR_PARAM_INVALID, "status",
                           "must be a status of a payment, such as captured");
    const struct currency *c = currency.p ? currency_find(currency) : NULL;
    if (currency.p && !c)
        return error_param(&call->error, ERR_PARAM_INVALID, "currency",
                           "must be an active ISO 4217 code in upper case");
    call->filter.currency = c ? c->number : 0;
    if (amount.p && (!str_to_i64(amount, &call->filter.amount) || call->filter.amount < 1))
        return error_param(&call->error, ERR_PARAM_INVALID, "amount",
                           "must be a positive integer of minor units");
    return OK;
}

void on_payment_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_list_query(call, ID_PAYMENT,
                         (const char *const[]){PAGE_PARAMS, "status", "currency", "amount", NULL}))
        return;
    err_t err = read_payment_filter(call);
    if (err) {
        call_fail(call, err);
        return;
    }
    call->read = list_payments;
    call_query_store(call);
}

typedef err_t payment_part(struct store_tx *, int64_t, struct id, struct buf *, bool *);

#define PART(name, part)                                                                           \
    static err_t read_##name(struct store_tx *tx, struct call *call)                               \
    {                                                                                              \
        return part(tx, call->merchant_id, call->id, &call->out, &call->found);                    \
    }                                                                                              \
    void on_payment_##name(struct http_request *req, void *ctx)                                    \
    {                                                                                              \
        (void)ctx;                                                                                 \
        struct call *call = call_of(req);                                                          \
        if (!call_query(call, (const char *const[]){NULL}) || !call_id(call, ID_PAYMENT))          \
            return;                                                                                \
        call->read = read_##name;                                                                  \
        call_query_store(call);                                                                    \
    }
PART(attempts, payment_attempts)
PART(events, payment_events)
PART(journals, payment_journals)
PART(explain, payment_explain)

static err_t list_refunds(struct store_tx *tx, struct call *call)
{
    err_t err =
        refund_list(tx, call->merchant_id, &call->page, call->state, call->parent, list_add, call);
    if (!err)
        list_write(call);
    return err;
}

void on_refund_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_list_query(call, ID_REFUND,
                         (const char *const[]){PAGE_PARAMS, "status", "payment", NULL}))
        return;
    struct str status = call_param(call, "status"), payment = call_param(call, "payment");
    err_t err = OK;
    if (status.p && !(call->state = machine_find(&refund_machine, status)))
        err = error_param(&call->error, ERR_PARAM_INVALID, "status",
                          "must be a status of a refund, such as succeeded");
    if (payment.p && !id_parse(ID_PAYMENT, payment, &call->parent))
        err =
            error_param(&call->error, ERR_PARAM_INVALID, "payment", "must be the id of a payment");
    if (err) {
        call_fail(call, err);
        return;
    }
    call->read = list_refunds;
    call_query_store(call);
}

static err_t show_refund(struct store_tx *tx, struct call *call)
{
    return refund_show(tx, call->merchant_id, call->id, &call->out, &call->found);
}

void on_refund_get(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_query(call, (const char *const[]){NULL}) || !call_id(call, ID_REFUND))
        return;
    call->read = show_refund;
    call_query_store(call);
}

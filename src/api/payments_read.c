/* /v1/payments: lists and what belongs to a payment. */
#include "api/api_internal.h"

static err_t list_payments(struct store_tx *tx, struct call *call)
{
    err_t err = payment_list(tx, call->api->config.payments, call->merchant_id, &call->page,
                             &call->filter, list_add, call);
    if (!err)
        list_write(call);
    return search_explain(call, err);
}

static int find_payment_status(struct str text)
{
    return machine_find(&payment_machine, text);
}

void on_payment_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_list_query(call, ID_PAYMENT,
                         (const char *const[]){PAGE_PARAMS, "status", "currency", "amount",
                                               "reference", "last_four", "customer", "order",
                                               "metadata[]", NULL}))
        return;
    struct payment_filter *f = &call->filter;
    err_t err = read_money_filter(call, find_payment_status, "a payment, such as captured",
                                  &f->state, &f->currency, &f->amount);
    if (err) {
        call_fail(call, err);
        return;
    }
    if (!call_search(call))
        return;
    f->search = &call->search;
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
        call_show(call_of(req), ID_PAYMENT, read_##name);                                          \
    }
PART(attempts, payment_attempts)
PART(events, payment_events)
PART(journals, payment_journals)
PART(explain, payment_explain)

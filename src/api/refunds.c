/* /v1/refunds, and the refund of a payment. */
#include "api/api_internal.h"

struct refund_body {
    struct opt_int amount;
    struct str reason;
    json_t *metadata;
};
static const struct wire_field refund_fields[] = {
    {"amount", WIRE_INT, WIRE_NULLABLE, offsetof(struct refund_body, amount), 1,
     AMOUNT_REQUEST_MAX},
    {"reason", WIRE_STR, WIRE_NULLABLE, offsetof(struct refund_body, reason), 1, 200},
    {"metadata", WIRE_METADATA, WIRE_NULLABLE, offsetof(struct refund_body, metadata), 0, 0},
};

void on_payment_refund(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct refund_body b = {0};
    struct refund_create *in = arena_alloc(req->arena, sizeof *in);
    if (!call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, refund_fields, COUNT_OF(refund_fields), &b) || !call_id(call, ID_PAYMENT))
        return;
    refund_details(&call->details, b.reason, b.metadata);
    if (!in || call->details.failed) {
        call_fail(call, ERR_NO_MEMORY);
        return;
    }
    in->payment = call->id;
    in->amount = b.amount;
    in->details = buf_view(&call->details);
    in->metadata = b.metadata;
    call->input = in;
    call_flow(call, &refund_create_flow, NULL);
}

void on_refund_cancel(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct refund_body none = {0};
    if (!call_query(call, (const char *const[]){NULL}) || !call_body(call, NULL, 0, &none) ||
        !call_id(call, ID_REFUND))
        return;
    call_flow(call, &refund_cancel_flow, NULL);
}

static err_t list_refunds(struct store_tx *tx, struct call *call)
{
    struct refund_filter f = {call->state, call->parent, &call->search};
    err_t err = refund_list(tx, call->merchant_id, &call->page, &f, list_add, call);
    if (!err)
        list_write(call);
    return search_explain(call, err);
}

static int find_status(struct str text)
{
    return machine_find(&refund_machine, text);
}

void on_refund_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_list_query(call, ID_REFUND,
                         (const char *const[]){PAGE_PARAMS, "status", "payment", "reference",
                                               "metadata[]", NULL}))
        return;
    err_t err = read_payment_part(call, find_status, "a refund, such as succeeded");
    if (err) {
        call_fail(call, err);
        return;
    }
    if (!call_search(call))
        return;
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
    call_show(call_of(req), ID_REFUND, show_refund);
}

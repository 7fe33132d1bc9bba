/* /v1/orders. Writes are flows of one step: the answer is stored with the change. */
#include "api/api_internal.h"

struct order_write {
    struct order_input in;
    struct id id;
};

static err_t finish(struct store_tx *tx, struct flow_run *run, err_t err)
{
    run->answer.status = 200;
    if (err == ERR_NOT_FOUND)
        return error_set(&run->error, err, "There is no such order.");
    return err ? err : flow_finish(tx, run);
}

static err_t create_step(struct store_tx *tx, struct flow_run *run)
{
    struct order_write *w = run->input;
    bool replay, found = true;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    if (!id_is_zero(w->in.customer))
        err = customer_read(tx, run->merchant_id, w->in.customer, &found);
    if (!err && !found)
        err = error_param(&run->error, ERR_PARAM_INVALID, "customer", "There is no such customer.");
    return err ? err
               : finish(tx, run,
                        order_create(tx, &run->det, run->merchant_id, &w->in, &run->answer.body));
}

static err_t update_step(struct store_tx *tx, struct flow_run *run)
{
    struct order_write *w = run->input;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    return finish(tx, run,
                  order_update(tx, &run->det, run->merchant_id, w->id, &w->in, &run->answer.body));
}

static err_t cancel_step(struct store_tx *tx, struct flow_run *run)
{
    struct order_write *w = run->input;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    return finish(
        tx, run,
        order_cancel(tx, &run->det, run->merchant_id, w->id, &run->answer.body, &run->error));
}

static const struct flow_step create_steps[] = {{.name = "create", .run = create_step}},
                              update_steps[] = {{.name = "update", .run = update_step}},
                              cancel_steps[] = {{.name = "cancel", .run = cancel_step}};
static const struct flow_def create_flow = {
    .kind = 0, .name = "order_create", .steps = create_steps, .steps_n = 1};
static const struct flow_def update_flow = {
    .kind = 0, .name = "order_update", .steps = update_steps, .steps_n = 1};
static const struct flow_def cancel_flow = {
    .kind = 0, .name = "order_cancel", .steps = cancel_steps, .steps_n = 1};

struct order_body {
    struct opt_int amount;
    struct str currency, customer, description, reference;
    json_t *metadata;
};
#define CHANGEABLE                                                                                 \
    {"description", WIRE_STR, WIRE_NULLABLE, offsetof(struct order_body, description), 0, 500},    \
        {"reference", WIRE_STR, WIRE_NULLABLE, offsetof(struct order_body, reference), 1, 128},    \
    {                                                                                              \
        "metadata", WIRE_METADATA, WIRE_NULLABLE, offsetof(struct order_body, metadata), 0, 0      \
    }
static const struct wire_field update_fields[] = {CHANGEABLE};
static const struct wire_field create_fields[] = {
    {"amount", WIRE_INT, WIRE_REQUIRED, offsetof(struct order_body, amount), 1, AMOUNT_REQUEST_MAX},
    {"currency", WIRE_STR, WIRE_REQUIRED, offsetof(struct order_body, currency), 3, 3},
    {"customer", WIRE_STR, WIRE_NULLABLE, offsetof(struct order_body, customer), 1, 40},
    CHANGEABLE,
};

static err_t check_create(const struct order_body *b, struct order_input *in,
                          struct err_info *reterr)
{
    const struct currency *c = currency_find(b->currency);
    err_t err = OK;
    if (!c)
        err = error_param(reterr, ERR_PARAM_INVALID, "currency",
                          "must be an active ISO 4217 code in upper case, such as EUR");
    else
        in->currency = c->number;
    err_t last = param_id("customer", ID_CUSTOMER, b->customer, &in->customer, reterr);
    return err ? err : last;
}

/* Reads the body into a command; NULL: answered. */
static struct order_write *read_body(struct call *call, const struct wire_field *fields, size_t n)
{
    struct order_body b = {.metadata = NULL};
    struct order_write *w = arena_alloc(call->req->arena, sizeof *w);
    if (!w) {
        call_fail(call, ERR_NO_MEMORY);
        return NULL;
    }
    if (!call_query(call, (const char *const[]){NULL}) || !call_body(call, fields, n, &b))
        return NULL;
    w->in = (struct order_input){.amount = b.amount.value,
                                 .description = b.description,
                                 .reference = b.reference,
                                 .metadata = b.metadata};
    err_t err = fields == create_fields ? check_create(&b, &w->in, &call->error) : OK;
    if (err)
        call_fail(call, err);
    return err ? NULL : w;
}

void on_order_create(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct order_write *w = read_body(call, create_fields, COUNT_OF(create_fields));
    if (!w)
        return;
    w->in.given = ORDER_DESCRIPTION | ORDER_REFERENCE | ORDER_METADATA;
    call->input = w;
    call_flow(call, &create_flow, NULL);
}

void on_order_update(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct order_write *w = read_body(call, update_fields, COUNT_OF(update_fields));
    if (!w || !call_id(call, ID_ORDER))
        return;
    w->in.given = (call_given(call, "description") ? ORDER_DESCRIPTION : 0) |
                  (call_given(call, "reference") ? ORDER_REFERENCE : 0) |
                  (call_given(call, "metadata") ? ORDER_METADATA : 0);
    w->id = call->id;
    call->input = w;
    call_flow(call, &update_flow, NULL);
}

void on_order_cancel(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct order_write *w = read_body(call, NULL, 0);
    if (!w || !call_id(call, ID_ORDER))
        return;
    w->id = call->id;
    call->input = w;
    call_flow(call, &cancel_flow, NULL);
}

static err_t show(struct store_tx *tx, struct call *call)
{
    return order_show(tx, call->merchant_id, call->id, &call->out, &call->found);
}

void on_order_get(struct http_request *req, void *ctx)
{
    (void)ctx;
    call_show(call_of(req), ID_ORDER, show);
}

static err_t list(struct store_tx *tx, struct call *call)
{
    const struct payment_filter *f = &call->filter;
    err_t err = order_list(tx, call->merchant_id, &call->page,
                           &(struct order_filter){f->state, f->currency, f->amount}, &call->search,
                           list_add, call);
    if (!err)
        list_write(call);
    return search_explain(call, err);
}

void on_order_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_list_query(call, ID_ORDER,
                         (const char *const[]){PAGE_PARAMS, "status", "currency", "amount",
                                               "customer", "reference", "metadata[]", NULL}))
        return;
    struct payment_filter *f = &call->filter;
    err_t err = read_money_filter(call, order_state_find, "an order, such as open", &f->state,
                                  &f->currency, &f->amount);
    if (err) {
        call_fail(call, err);
        return;
    }
    if (!call_search(call))
        return;
    call->read = list;
    call_query_store(call);
}

/* /v1/payment_methods. Writes are flows of one step: the answer is stored with the change. */
#include "api/api_internal.h"

struct method_write {
    struct method_input in;
    struct id id;
};

static err_t finish(struct store_tx *tx, struct flow_run *run, err_t err)
{
    run->answer.status = 200;
    if (err == ERR_NOT_FOUND)
        return error_set(&run->error, err, "There is no such payment method.");
    return err ? err : flow_finish(tx, run);
}

static err_t attach_step(struct store_tx *tx, struct flow_run *run)
{
    struct method_write *w = run->input;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    return finish(
        tx, run,
        method_attach(tx, &run->det, run->merchant_id, &w->in, &run->answer.body, &run->error));
}

static err_t update_step(struct store_tx *tx, struct flow_run *run)
{
    struct method_write *w = run->input;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    return finish(
        tx, run,
        method_update(tx, &run->det, run->merchant_id, w->id, w->in.metadata, &run->answer.body));
}

static err_t detach_step(struct store_tx *tx, struct flow_run *run)
{
    struct method_write *w = run->input;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    return finish(tx, run,
                  method_detach(tx, &run->det, run->merchant_id, w->id, &run->answer.body));
}

static const struct flow_step attach_steps[] = {{.name = "attach", .run = attach_step}},
                              update_steps[] = {{.name = "update", .run = update_step}},
                              detach_steps[] = {{.name = "detach", .run = detach_step}};
static const struct flow_def attach_flow = {
    .kind = 0, .name = "payment_method_attach", .steps = attach_steps, .steps_n = 1};
static const struct flow_def update_flow = {
    .kind = 0, .name = "payment_method_update", .steps = update_steps, .steps_n = 1};
static const struct flow_def detach_flow = {
    .kind = 0, .name = "payment_method_detach", .steps = detach_steps, .steps_n = 1};

struct create_body {
    struct str token, customer;
    json_t *metadata;
};
static const struct wire_field create_fields[] = {
    {"payment_method_token", WIRE_STR, WIRE_REQUIRED, offsetof(struct create_body, token), 4, 255},
    {"customer", WIRE_STR, WIRE_REQUIRED, offsetof(struct create_body, customer), 1, 40},
    {"metadata", WIRE_METADATA, WIRE_NULLABLE, offsetof(struct create_body, metadata), 0, 0},
};

void on_method_create(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct create_body b = {.metadata = NULL};
    struct method_write *w = arena_alloc(req->arena, sizeof *w);
    if (!call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, create_fields, COUNT_OF(create_fields), &b))
        return;
    err_t err = w ? OK : ERR_NO_MEMORY;
    if (!err && !method_token_ok(b.token))
        err = error_param(&call->error, ERR_PARAM_INVALID, "payment_method_token",
                          "must begin with pm_ and hold letters, digits and _ only");
    if (!err)
        err = param_id("customer", ID_CUSTOMER, b.customer, &w->in.customer, &call->error);
    if (err) {
        call_fail(call, err);
        return;
    }
    w->in.token = b.token;
    w->in.metadata = b.metadata;
    call->input = w;
    call_flow(call, &attach_flow, NULL);
}

static const struct wire_field update_fields[] = {
    {"metadata", WIRE_METADATA, WIRE_REQUIRED, offsetof(struct create_body, metadata), 0, 0},
};

static void change(struct http_request *req, const struct wire_field *fields, size_t n,
                   const struct flow_def *def)
{
    struct call *call = call_of(req);
    struct create_body b = {.metadata = NULL};
    struct method_write *w = arena_alloc(req->arena, sizeof *w);
    if (!w) {
        call_fail(call, ERR_NO_MEMORY);
        return;
    }
    if (!call_query(call, (const char *const[]){NULL}) || !call_body(call, fields, n, &b) ||
        !call_id(call, ID_PAYMENT_METHOD))
        return;
    w->in.metadata = b.metadata;
    w->id = call->id;
    call->input = w;
    call_flow(call, def, NULL);
}

void on_method_update(struct http_request *req, void *ctx)
{
    (void)ctx;
    change(req, update_fields, COUNT_OF(update_fields), &update_flow);
}

void on_method_detach(struct http_request *req, void *ctx)
{
    (void)ctx;
    change(req, NULL, 0, &detach_flow);
}

static err_t show(struct store_tx *tx, struct call *call)
{
    return method_show(tx, call->merchant_id, call->id, &call->out, &call->found);
}

void on_method_get(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_query(call, (const char *const[]){NULL}) || !call_id(call, ID_PAYMENT_METHOD))
        return;
    call->read = show;
    call_query_store(call);
}

static err_t list(struct store_tx *tx, struct call *call)
{
    err_t err =
        method_list(tx, call->merchant_id, &call->page, call->parent, call->state, list_add, call);
    if (!err)
        list_write(call);
    return err;
}

void on_method_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_list_query(call, ID_PAYMENT_METHOD,
                         (const char *const[]){PAGE_PARAMS, "customer", "status", NULL}))
        return;
    struct str status = call_param(call, "status"), customer = call_param(call, "customer");
    err_t err = OK;
    if (status.p && !(call->state = method_state_find(status)))
        err =
            error_param(&call->error, ERR_PARAM_INVALID, "status", "must be attached or detached");
    if (!err)
        err = param_id("customer", ID_CUSTOMER, customer, &call->parent, &call->error);
    if (err) {
        call_fail(call, err);
        return;
    }
    call->read = list;
    call_query_store(call);
}

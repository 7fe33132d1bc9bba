/* /v1/customers. Writes are flows of one step: the answer is stored with the change. */
#include "api/api_internal.h"

struct customer_write {
    struct customer_input in;
    struct id id;
};

static err_t finish(struct store_tx *tx, struct flow_run *run, err_t err)
{
    run->answer.status = 200;
    if (err == ERR_NOT_FOUND)
        return error_set(&run->error, err, "There is no such customer.");
    return err ? err : flow_finish(tx, run);
}

static err_t create_step(struct store_tx *tx, struct flow_run *run)
{
    struct customer_write *w = run->input;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    return finish(tx, run,
                  customer_create(tx, &run->det, run->merchant_id, &w->in, &run->answer.body));
}

static err_t update_step(struct store_tx *tx, struct flow_run *run)
{
    struct customer_write *w = run->input;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    return finish(
        tx, run,
        customer_update(tx, &run->det, run->merchant_id, w->id, &w->in, &run->answer.body));
}

static err_t delete_step(struct store_tx *tx, struct flow_run *run)
{
    struct customer_write *w = run->input;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    return finish(tx, run,
                  customer_delete(tx, &run->det, run->merchant_id, w->id, &run->answer.body));
}

static const struct flow_step create_steps[] = {{.name = "create", .run = create_step}},
                              update_steps[] = {{.name = "update", .run = update_step}},
                              delete_steps[] = {{.name = "delete", .run = delete_step}};
static const struct flow_def create_flow = {
    .kind = 0, .name = "customer_create", .steps = create_steps, .steps_n = 1};
static const struct flow_def update_flow = {
    .kind = 0, .name = "customer_update", .steps = update_steps, .steps_n = 1};
static const struct flow_def delete_flow = {
    .kind = 0, .name = "customer_delete", .steps = delete_steps, .steps_n = 1};

static const struct wire_field fields[] = {
    {"name", WIRE_STR, WIRE_NULLABLE, offsetof(struct customer_input, name), 1, 255},
    {"email", WIRE_STR, WIRE_NULLABLE, offsetof(struct customer_input, email), 3, 320},
    {"phone", WIRE_STR, WIRE_NULLABLE, offsetof(struct customer_input, phone), 3, 40},
    {"description", WIRE_STR, WIRE_NULLABLE, offsetof(struct customer_input, description), 0, 500},
    {"metadata", WIRE_METADATA, WIRE_NULLABLE, offsetof(struct customer_input, metadata), 0, 0},
};

/* Reads the body; false: answered. */
static bool read_body(struct call *call, struct customer_write *w)
{
    if (!w) {
        call_fail(call, ERR_NO_MEMORY);
        return false;
    }
    if (!call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, fields, COUNT_OF(fields), &w->in))
        return false;
    err_t err = customer_check(&w->in, &call->error);
    if (err)
        call_fail(call, err);
    return err == OK;
}

void on_customer_create(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct customer_write *w = arena_alloc(req->arena, sizeof *w);
    if (!read_body(call, w))
        return;
    w->in.given = CUSTOMER_ALL;
    call->input = w;
    call_flow(call, &create_flow, NULL);
}

void on_customer_update(struct http_request *req, void *ctx)
{
    static const struct {
        const char *name;
        unsigned bit;
    } members[] = {{"name", CUSTOMER_NAME},
                   {"email", CUSTOMER_EMAIL},
                   {"phone", CUSTOMER_PHONE},
                   {"description", CUSTOMER_DESCRIPTION},
                   {"metadata", CUSTOMER_METADATA}};
    (void)ctx;
    struct call *call = call_of(req);
    struct customer_write *w = arena_alloc(req->arena, sizeof *w);
    if (!read_body(call, w) || !call_id(call, ID_CUSTOMER))
        return;
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (call_given(call, members[i].name))
            w->in.given |= members[i].bit;
    w->id = call->id;
    call->input = w;
    call_flow(call, &update_flow, NULL);
}

void on_customer_delete(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct customer_write *w = arena_alloc(req->arena, sizeof *w);
    if (!w) {
        call_fail(call, ERR_NO_MEMORY);
        return;
    }
    if (!call_query(call, (const char *const[]){NULL}) || !call_body(call, NULL, 0, &w->in) ||
        !call_id(call, ID_CUSTOMER))
        return;
    w->id = call->id;
    call->input = w;
    call_flow(call, &delete_flow, NULL);
}

static err_t show(struct store_tx *tx, struct call *call)
{
    return customer_show(tx, call->merchant_id, call->id, &call->out, &call->found);
}

void on_customer_get(struct http_request *req, void *ctx)
{
    (void)ctx;
    call_show(call_of(req), ID_CUSTOMER, show);
}

static err_t list(struct store_tx *tx, struct call *call)
{
    err_t err = customer_list(tx, call->merchant_id, &call->page, &call->search, list_add, call);
    if (!err)
        list_write(call);
    return search_explain(call, err);
}

void on_customer_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_list_query(call, ID_CUSTOMER,
                         (const char *const[]){PAGE_PARAMS, "email", "metadata[]", NULL}) ||
        !call_search(call))
        return;
    call->read = list;
    call_query_store(call);
}

/* /v1/payment_methods. Writes are flows of one step: the answer is stored with the change. */
#include "api/api_internal.h"

struct method_write {
    struct method_input in;
    struct method_change change;
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
    return finish(tx, run,
                  method_update(tx, &run->det, run->merchant_id, w->id, &w->change,
                                &run->answer.body, &run->error));
}

static err_t give_step(struct store_tx *tx, struct flow_run *run)
{
    struct method_write *w = run->input;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    return finish(tx, run,
                  method_give(tx, &run->det, run->merchant_id, w->id, w->in.customer,
                              &run->answer.body, &run->error));
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
                              give_steps[] = {{.name = "give", .run = give_step}},
                              detach_steps[] = {{.name = "detach", .run = detach_step}};
static const struct flow_def attach_flow = {
    .kind = 0, .name = "payment_method_attach", .steps = attach_steps, .steps_n = 1};
static const struct flow_def update_flow = {
    .kind = 0, .name = "payment_method_update", .steps = update_steps, .steps_n = 1};
static const struct flow_def give_flow = {
    .kind = 0, .name = "payment_method_give", .steps = give_steps, .steps_n = 1};
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

struct update_body {
    json_t *metadata;
    struct opt_int exp_month, exp_year;
};
static const struct wire_field update_fields[] = {
    {"metadata", WIRE_METADATA, 0, offsetof(struct update_body, metadata), 0, 0},
    {"exp_month", WIRE_INT, 0, offsetof(struct update_body, exp_month), 1, 12},
    {"exp_year", WIRE_INT, 0, offsetof(struct update_body, exp_year), 2000, 9999},
};

/* A write about the method that the path names; false: answered. */
static bool about_one(struct call *call, struct method_write **ret, const struct wire_field *fields,
                      size_t n, void *body)
{
    *ret = arena_alloc(call->req->arena, sizeof **ret);
    if (!*ret) {
        call_fail(call, ERR_NO_MEMORY);
        return false;
    }
    if (!call_query(call, (const char *const[]){NULL}) || !call_body(call, fields, n, body) ||
        !call_id(call, ID_PAYMENT_METHOD))
        return false;
    (*ret)->id = call->id;
    call->input = *ret;
    return true;
}

static err_t read_change(struct call *call, const struct update_body *b,
                         struct method_change *change)
{
    *change = (struct method_change){.metadata_given = call_given(call, "metadata"),
                                     .metadata = b->metadata,
                                     .exp_month = (int)b->exp_month.value,
                                     .exp_year = (int)b->exp_year.value};
    if (b->exp_month.set != b->exp_year.set)
        return error_param(&call->error, ERR_PARAM_MISSING,
                           b->exp_month.set ? "exp_year" : "exp_month",
                           "is required: month and year of the card are changed together");
    if (!change->metadata_given && !b->exp_month.set)
        return error_param(&call->error, ERR_PARAM_MISSING, "metadata",
                           "is required, unless exp_month and exp_year are given");
    return OK;
}

void on_method_update(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct update_body b = {.metadata = NULL};
    struct method_write *w;
    if (!about_one(call, &w, update_fields, COUNT_OF(update_fields), &b))
        return;
    err_t err = read_change(call, &b, &w->change);
    if (err)
        call_fail(call, err);
    else
        call_flow(call, &update_flow, NULL);
}

static const struct wire_field give_fields[] = {
    {"customer", WIRE_STR, WIRE_REQUIRED, offsetof(struct create_body, customer), 1, 40},
};

void on_method_attach(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct create_body b = {.metadata = NULL};
    struct method_write *w;
    if (!about_one(call, &w, give_fields, COUNT_OF(give_fields), &b))
        return;
    err_t err = param_id("customer", ID_CUSTOMER, b.customer, &w->in.customer, &call->error);
    if (err)
        call_fail(call, err);
    else
        call_flow(call, &give_flow, NULL);
}

void on_method_detach(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct create_body none;
    struct method_write *w;
    if (about_one(call, &w, NULL, 0, &none))
        call_flow(call, &detach_flow, NULL);
}

static err_t show(struct store_tx *tx, struct call *call)
{
    return method_show(tx, call->merchant_id, call->id, &call->out, &call->found);
}

void on_method_get(struct http_request *req, void *ctx)
{
    (void)ctx;
    call_show(call_of(req), ID_PAYMENT_METHOD, show);
}

static err_t list(struct store_tx *tx, struct call *call)
{
    err_t err = method_list(tx, call->merchant_id, &call->page, call->input, list_add, call);
    if (!err)
        list_write(call);
    return err;
}

static err_t read_filter(struct call *call, struct method_filter *f, struct id *fingerprint)
{
    struct str status = call_param(call, "status"), print = call_param(call, "fingerprint");
    if (status.p && !(f->state = method_state_find(status)))
        return error_param(&call->error, ERR_PARAM_INVALID, "status",
                           "must be attached, detached or unattached");
    if (print.p && !id_parse(ID_FINGERPRINT, print, fingerprint))
        return error_param(&call->error, ERR_PARAM_INVALID, "fingerprint",
                           "must be the fingerprint of a card: fp_ and 26 letters and digits");
    if (print.p)
        f->fingerprint = fingerprint->b;
    return param_id("customer", ID_CUSTOMER, call_param(call, "customer"), &f->customer,
                    &call->error);
}

void on_method_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct {
        struct method_filter filter;
        struct id fingerprint;
    } *in = arena_alloc(req->arena, sizeof *in);
    if (!call_list_query(
            call, ID_PAYMENT_METHOD,
            (const char *const[]){PAGE_PARAMS, "customer", "fingerprint", "status", NULL}))
        return;
    err_t err = in ? read_filter(call, &in->filter, &in->fingerprint) : ERR_NO_MEMORY;
    if (err) {
        call_fail(call, err);
        return;
    }
    call->input = in;
    call->read = list;
    call_query_store(call);
}

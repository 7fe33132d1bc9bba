/* /v1/webhook_endpoints. Writes are flows of one step: the answer is stored with the change. */
#include "api/api_internal.h"

#include "crypto/crypto.h"

struct endpoint_write {
    struct endpoint_input in;
    const struct api_config *config;
    uint8_t random[32];
    struct id id;
    bool enable;
};

static err_t create_step(struct store_tx *tx, struct flow_run *run)
{
    struct endpoint_write *w = run->input;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    run->answer.status = 200;
    run->answer.sensitive = true;
    err = endpoint_create(tx, &run->det, run->merchant_id, &w->in, w->random,
                          w->config->endpoint_key, &run->answer.body);
    return err ? err : flow_finish(tx, run);
}

static err_t status_step(struct store_tx *tx, struct flow_run *run)
{
    struct endpoint_write *w = run->input;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    run->answer.status = 200;
    err = endpoint_set_status(tx, &run->det, run->merchant_id, w->id, w->enable,
                              w->enable ? NULL : "disabled by the merchant", &run->answer.body);
    return err ? err : flow_finish(tx, run);
}

static const struct flow_step create_steps[] = {{.name = "create", .run = create_step}},
                              status_steps[] = {{.name = "status", .run = status_step}};
static const struct flow_def create_flow = {
    .kind = 0, .name = "webhook_endpoint_create", .steps = create_steps, .steps_n = 1};
static const struct flow_def status_flow = {
    .kind = 0, .name = "webhook_endpoint_status", .steps = status_steps, .steps_n = 1};

static const struct wire_field create_fields[] = {
    {"url", WIRE_STR, WIRE_REQUIRED, offsetof(struct endpoint_input, url), 1, 2048},
    {"enabled_events", WIRE_STR_LIST, 0, offsetof(struct endpoint_input, enabled_events), 1, 64},
    {"description", WIRE_STR, WIRE_NULLABLE, offsetof(struct endpoint_input, description), 0, 500},
    {"metadata", WIRE_METADATA, WIRE_NULLABLE, offsetof(struct endpoint_input, metadata), 0, 0},
};

void on_endpoint_create(struct http_request *req, void *ctx)
{
    struct api *api = ctx;
    struct call *call = call_of(req);
    struct endpoint_write *w = arena_alloc(req->arena, sizeof *w);
    if (!w) {
        call_fail(call, ERR_NO_MEMORY);
        return;
    }
    if (!call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, create_fields, COUNT_OF(create_fields), &w->in))
        return;
    err_t err = endpoint_check(&w->in, api->config.settings->webhook_allow_private, &call->error);
    if (err) {
        call_fail(call, err);
        return;
    }
    crypto_random(w->random, sizeof w->random);
    w->config = &api->config;
    call->input = w;
    call_flow(call, &create_flow, NULL);
}

static void set_status(struct http_request *req, bool enable)
{
    struct call *call = call_of(req);
    struct endpoint_write *w = arena_alloc(req->arena, sizeof *w);
    if (!w) {
        call_fail(call, ERR_NO_MEMORY);
        return;
    }
    if (!call_query(call, (const char *const[]){NULL}) || !call_body(call, NULL, 0, &w->in) ||
        !call_id(call, ID_ENDPOINT))
        return;
    w->id = call->id;
    w->enable = enable;
    call->input = w;
    call_flow(call, &status_flow, NULL);
}

void on_endpoint_enable(struct http_request *req, void *ctx)
{
    (void)ctx;
    set_status(req, true);
}

void on_endpoint_disable(struct http_request *req, void *ctx)
{
    (void)ctx;
    set_status(req, false);
}

static err_t show_endpoint(struct store_tx *tx, struct call *call)
{
    return endpoint_read(tx, call->merchant_id, call->id, &call->out, &call->found);
}

void on_endpoint_get(struct http_request *req, void *ctx)
{
    (void)ctx;
    call_show(call_of(req), ID_ENDPOINT, show_endpoint);
}

/* The room writes elements and says whether there are more. */
static void wrap_list(struct call *call, struct jw *w, bool more)
{
    jw_array_end(w);
    jw_bool(w, "has_more", more);
    jw_object_end(w);
    call->found = true;
}

static err_t list_endpoints(struct store_tx *tx, struct call *call)
{
    struct jw w = {.b = &call->out};
    struct id before = call->page.cursor.b[0] == 0xFF ? (struct id){{0}} : call->page.cursor;
    bool more = false;
    jw_object(&w, NULL);
    jw_str(&w, "object", STR("list"));
    jw_array(&w, "data");
    err_t err = endpoint_list(tx, call->merchant_id, before, call->page.limit - 1, &w, &more);
    wrap_list(call, &w, more);
    return err;
}

void on_endpoint_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_list_query(call, ID_ENDPOINT, (const char *const[]){"limit", "starting_after", NULL}))
        return;
    call->read = list_endpoints;
    call_query_store(call);
}

static err_t list_deliveries(struct store_tx *tx, struct call *call)
{
    struct jw w = {.b = &call->out};
    struct buf endpoint = BUF(FLOW_BODY_MAX);
    bool more = false, found = false;
    int64_t before = call->page.cursor.b[0] == 0xFF ? 0 : event_id_sequence(call->page.cursor);
    err_t err = endpoint_read(tx, call->merchant_id, call->id, &endpoint, &found);
    buf_free(&endpoint);
    if (err || !found)
        return err;
    jw_object(&w, NULL);
    jw_str(&w, "object", STR("list"));
    jw_array(&w, "data");
    err = delivery_list(tx, call->merchant_id, call->id, before, call->page.limit - 1, &w, &more);
    wrap_list(call, &w, more);
    return err;
}

void on_endpoint_deliveries(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_list_query(call, ID_EVENT, (const char *const[]){"limit", "starting_after", NULL}) ||
        !call_id(call, ID_ENDPOINT))
        return;
    call->read = list_deliveries;
    call_query_store(call);
}

/* /v1/provider_accounts over HTTP. */
#include "api/api_internal.h"

struct account_body {
    struct str connector;
    json_t *credentials;
    struct opt_int priority;
};
static const struct wire_field account_fields[] = {
    {"connector", WIRE_STR, WIRE_REQUIRED, offsetof(struct account_body, connector), 1, 40},
    {"credentials", WIRE_OBJECT, WIRE_REQUIRED, offsetof(struct account_body, credentials), 0, 0},
    {"priority", WIRE_INT, 0, offsetof(struct account_body, priority), 0, 1000},
};

struct account_write {
    const uint8_t *key;
    struct str connector, credentials;
    int16_t priority;
    struct id id;
    int status;
};

static void write_account(struct jw *w, struct store_row *row)
{
    jw_object(w, NULL);
    jw_id(w, "id", ID_PROVIDER_ACCOUNT, row_id(row, 0));
    jw_str(w, "object", STR("provider_account"));
    jw_str(w, "connector", row_text(row, 2));
    jw_str(w, "status", row_int(row, 3) == 1 ? STR("enabled") : STR("disabled"));
    jw_int(w, "priority", row_int(row, 4));
    jw_time(w, "created", row_int(row, 5));
    jw_time(w, "updated", row_int(row, 6));
    jw_object_end(w);
}

struct one {
    struct id id;
    struct buf *out;
    bool found;
};

static err_t write_one(struct store_row *row, void *arg)
{
    struct one *o = arg;
    struct jw w = {.b = o->out};
    if (!id_eq(row_id(row, 0), o->id))
        return OK;
    o->found = true;
    write_account(&w, row);
    return OK;
}

static err_t show_one(struct store_tx *tx, int64_t merchant, struct id id, struct buf *out,
                      bool *ret_found)
{
    struct one o = {.id = id, .out = out};
    err_t err = store_each(tx, SQL_API_LIST_ACCOUNTS, write_one, &o, V_INT(merchant));
    *ret_found = o.found;
    return err;
}

static err_t create_step(struct store_tx *tx, struct flow_run *run)
{
    struct account_write *w = run->input;
    bool replay, found;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    err = account_create(tx, &run->det, w->key, run->merchant_id, w->connector, w->priority,
                         w->credentials, &w->id);
    if (!err)
        err = show_one(tx, run->merchant_id, w->id, &run->answer.body, &found);
    run->answer.status = 200;
    return err ? err : flow_finish(tx, run);
}

static err_t status_step(struct store_tx *tx, struct flow_run *run)
{
    struct account_write *w = run->input;
    bool replay, found;
    int64_t changed = 0;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    err = store_exec(tx, SQL_API_SET_ACCOUNT_STATUS, &changed, V_INT(w->status),
                     V_INT(run->det.now_us), V_INT(run->merchant_id), V_ID(&w->id));
    if (!err && changed != 1)
        err = error_set(&run->error, ERR_NOT_FOUND, "There is no such provider account.");
    if (!err)
        err = show_one(tx, run->merchant_id, w->id, &run->answer.body, &found);
    run->answer.status = 200;
    return err ? err : flow_finish(tx, run);
}

static const struct flow_step create_steps[] = {{.name = "create", .run = create_step}},
                              status_steps[] = {{.name = "status", .run = status_step}};
static const struct flow_def create_flow = {
    .kind = 0, .name = "provider_account_create", .steps = create_steps, .steps_n = 1};
static const struct flow_def status_flow = {
    .kind = 0, .name = "provider_account_status", .steps = status_steps, .steps_n = 1};

void on_account_create(struct http_request *req, void *ctx)
{
    struct api *api = ctx;
    struct call *call = call_of(req);
    struct account_body b = {0};
    struct account_write *w = arena_alloc(req->arena, sizeof *w);
    if (!call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, account_fields, COUNT_OF(account_fields), &b))
        return;
    const char *name = arena_copy(req->arena, b.connector.p, b.connector.n);
    err_t err = w && name ? connect_check(api->config.connect, name, b.credentials, &call->error)
                          : ERR_NO_MEMORY;
    if (err) {
        call_fail(call, err);
        return;
    }
    struct jw j = {.b = &call->details};
    jw_json(&j, NULL, b.credentials);
    w->key = accounts_key(api->config.accounts);
    w->connector = b.connector;
    w->credentials = buf_view(&call->details);
    w->priority = (int16_t)(b.priority.set ? b.priority.value : 100);
    call->input = w;
    call_flow(call, &create_flow, NULL);
}

static void set_status(struct http_request *req, int status)
{
    struct call *call = call_of(req);
    struct account_body none = {0};
    struct account_write *w = arena_alloc(req->arena, sizeof *w);
    if (!call_query(call, (const char *const[]){NULL}) || !call_body(call, NULL, 0, &none) ||
        !call_id(call, ID_PROVIDER_ACCOUNT))
        return;
    if (!w) {
        call_fail(call, ERR_NO_MEMORY);
        return;
    }
    w->id = call->id;
    w->status = status;
    call->input = w;
    call_flow(call, &status_flow, NULL);
}

void on_account_enable(struct http_request *req, void *ctx)
{
    (void)ctx;
    set_status(req, 1);
}

void on_account_disable(struct http_request *req, void *ctx)
{
    (void)ctx;
    set_status(req, 2);
}

static err_t read_account(struct store_tx *tx, struct call *call)
{
    return show_one(tx, call->merchant_id, call->id, &call->out, &call->found);
}

void on_account_get(struct http_request *req, void *ctx)
{
    (void)ctx;
    call_show(call_of(req), ID_PROVIDER_ACCOUNT, read_account);
}

static err_t write_row(struct store_row *row, void *arg)
{
    write_account(arg, row);
    return OK;
}

static err_t list_accounts(struct store_tx *tx, struct call *call)
{
    struct jw w = {.b = &call->out};
    jw_object(&w, NULL);
    jw_str(&w, "object", STR("list"));
    jw_array(&w, "data");
    err_t err = store_each(tx, SQL_API_LIST_ACCOUNTS, write_row, &w, V_INT(call->merchant_id));
    jw_array_end(&w);
    jw_bool(&w, "has_more", false);
    jw_object_end(&w);
    call->found = true;
    return err;
}

void on_account_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_query(call, (const char *const[]){NULL}))
        return;
    call->read = list_accounts;
    call_query_store(call);
}

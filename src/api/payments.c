/* /v1/payments: writes. */
#include "api/api_internal.h"

#define AMOUNT_REQUEST_MAX INT64_C(999999999999)

struct create_body {
    struct opt_int amount;
    struct str currency, token, description, statement_descriptor, return_url;
    struct opt_bool capture;
    json_t *metadata;
};
static const struct wire_field create_fields[] = {
    {"amount", WIRE_INT, WIRE_REQUIRED, offsetof(struct create_body, amount), 1,
     AMOUNT_REQUEST_MAX},
    {"currency", WIRE_STR, WIRE_REQUIRED, offsetof(struct create_body, currency), 3, 3},
    {"payment_method_token", WIRE_STR, WIRE_REQUIRED, offsetof(struct create_body, token), 4, 255},
    {"capture", WIRE_BOOL, 0, offsetof(struct create_body, capture), 0, 0},
    {"description", WIRE_STR, WIRE_NULLABLE, offsetof(struct create_body, description), 0, 500},
    {"statement_descriptor", WIRE_STR, WIRE_NULLABLE,
     offsetof(struct create_body, statement_descriptor), 1, 22},
    {"return_url", WIRE_STR, WIRE_NULLABLE, offsetof(struct create_body, return_url), 1, 2048},
    {"metadata", WIRE_METADATA, WIRE_NULLABLE, offsetof(struct create_body, metadata), 0, 0},
};

static bool token_ok(struct str t)
{
    if (!str_starts(t, STR("pm_")) || t.n < 4)
        return false;
    for (size_t i = 3; i < t.n; i++)
        if (!((t.p[i] >= 'a' && t.p[i] <= 'z') || (t.p[i] >= 'A' && t.p[i] <= 'Z') ||
              (t.p[i] >= '0' && t.p[i] <= '9') || t.p[i] == '_'))
            return false;
    return true;
}

/* Source: card schemes' rules for descriptors: printable ASCII without < > \ ' " *. */
static bool descriptor_ok(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7E || strchr("<>\\'\"*", s.p[i]))
            return false;
    return true;
}

static err_t check_create(const struct create_body *b, int16_t *ret_currency,
                          struct err_info *reterr)
{
    const struct currency *c = currency_find(b->currency);
    struct url url;
    err_t err = OK;
    if (!c)
        err = error_param(reterr, ERR_PARAM_INVALID, "currency",
                          "must be an active ISO 4217 code in upper case, such as EUR");
    else
        *ret_currency = c->number;
    if (!token_ok(b->token))
        err = error_param(reterr, ERR_PARAM_INVALID, "payment_method_token",
                          "must begin with pm_ and hold letters, digits and _ only");
    if (b->statement_descriptor.p && !descriptor_ok(b->statement_descriptor))
        err = error_param(reterr, ERR_PARAM_INVALID, "statement_descriptor",
                          "must be printable ASCII without < > \\ ' \" *");
    if (b->return_url.p && !url_parse(b->return_url, &url))
        err = error_param(reterr, ERR_PARAM_INVALID, "return_url", "must be an http or https URL");
    return err;
}

void on_payment_create(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct create_body b = {0};
    struct payment_create *in = arena_alloc(req->arena, sizeof *in);
    if (!call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, create_fields, COUNT_OF(create_fields), &b))
        return;
    err_t err = in ? check_create(&b, &in->currency, &call->error) : ERR_NO_MEMORY;
    if (err) {
        call_fail(call, err);
        return;
    }
    in->amount = b.amount.value;
    in->capture = b.capture.set ? b.capture.value : true;
    in->token = b.token;
    in->description = b.description;
    in->statement_descriptor = b.statement_descriptor;
    payment_details(&call->details, in, b.return_url, b.metadata);
    if (call->details.failed) {
        call_fail(call, ERR_NO_MEMORY);
        return;
    }
    in->details = buf_view(&call->details);
    call->input = in;
    call_flow(call, &payment_create_flow, NULL);
}

struct capture_body {
    struct opt_int amount;
    struct opt_bool final;
};
static const struct wire_field capture_fields[] = {
    {"amount", WIRE_INT, WIRE_NULLABLE, offsetof(struct capture_body, amount), 1,
     AMOUNT_REQUEST_MAX},
    {"final", WIRE_BOOL, 0, offsetof(struct capture_body, final), 0, 0},
};

void on_payment_capture(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct capture_body b = {0};
    struct payment_capture *in = arena_alloc(req->arena, sizeof *in);
    if (!call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, capture_fields, COUNT_OF(capture_fields), &b) ||
        !call_id(call, ID_PAYMENT))
        return;
    if (!in) {
        call_fail(call, ERR_NO_MEMORY);
        return;
    }
    in->amount = b.amount;
    call->input = in;
    call_flow(call, &payment_capture_flow, NULL);
}

struct cancel_body {
    struct str reason;
};
static const struct wire_field cancel_fields[] = {
    {"reason", WIRE_STR, WIRE_NULLABLE, offsetof(struct cancel_body, reason), 1, 200},
};

void on_payment_cancel(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct cancel_body b = {0};
    struct payment_cancel *in = arena_alloc(req->arena, sizeof *in);
    if (!call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, cancel_fields, COUNT_OF(cancel_fields), &b) || !call_id(call, ID_PAYMENT))
        return;
    if (!in) {
        call_fail(call, ERR_NO_MEMORY);
        return;
    }
    in->reason = b.reason;
    call->input = in;
    call_flow(call, &payment_cancel_flow, NULL);
}

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
    call->input = in;
    call_flow(call, &refund_create_flow, NULL);
}

static err_t show_payment(struct store_tx *tx, struct call *call)
{
    return payment_show(tx, call->merchant_id, call->id, &call->out, &call->found);
}

/* After the inquiry: whatever became of it, the answer is the payment as it now is. */
static void synced(struct flow_run *run, err_t err, void *arg)
{
    struct call *call = arg;
    if (err && err != ERR_INTERNAL) {
        call->error = run->error;
        call_fail(call, err);
        return;
    }
    call->read = show_payment;
    call_query_store(call);
}

void on_payment_sync(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct capture_body none = {0};
    if (!call_query(call, (const char *const[]){NULL}) || !call_body(call, NULL, 0, &none) ||
        !call_id(call, ID_PAYMENT))
        return;
    /* Asking is repeatable by nature: no answer is stored. */
    call->idempotency_required = call->idempotency_given = false;
    call_flow(call, &payment_sync_flow, synced);
}

void on_payment_get(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_query(call, (const char *const[]){NULL}) || !call_id(call, ID_PAYMENT))
        return;
    call->read = show_payment;
    call_query_store(call);
}

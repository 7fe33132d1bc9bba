/* /v1/payments/{id}/capture, cancel, increment: what is done with money that is held. */
#include "api/api_internal.h"

struct capture_body {
    struct opt_int amount;
    struct opt_bool final;
};
static const struct wire_field capture_fields[] = {
    {"amount", WIRE_INT, WIRE_NULLABLE, offsetof(struct capture_body, amount), 1,
     AMOUNT_REQUEST_MAX},
    {"final", WIRE_BOOL, 0, offsetof(struct capture_body, final), 0, 0},
};

/* The parts that the three share; NULL: answered. */
static void *parse(struct call *call, const struct wire_field *fields, size_t n, void *body,
                   size_t input_bytes)
{
    if (!call_query(call, (const char *const[]){NULL}) || !call_body(call, fields, n, body) ||
        !call_id(call, ID_PAYMENT))
        return NULL;
    call->input = arena_alloc(call->req->arena, input_bytes);
    if (!call->input)
        call_fail(call, ERR_NO_MEMORY);
    return call->input;
}

void on_payment_capture(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct capture_body b = {0};
    struct payment_capture *in =
        parse(call, capture_fields, COUNT_OF(capture_fields), &b, sizeof *in);
    if (!in)
        return;
    in->amount = b.amount;
    in->final = b.final.set && b.final.value;
    call_flow(call, &payment_capture_flow, NULL);
}

struct cancel_body {
    struct opt_int amount;
    struct str reason;
};
static const struct wire_field cancel_fields[] = {
    {"amount", WIRE_INT, WIRE_NULLABLE, offsetof(struct cancel_body, amount), 1,
     AMOUNT_REQUEST_MAX},
    {"reason", WIRE_STR, WIRE_NULLABLE, offsetof(struct cancel_body, reason), 1, 200},
};

void on_payment_cancel(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct cancel_body b = {0};
    struct payment_cancel *in = parse(call, cancel_fields, COUNT_OF(cancel_fields), &b, sizeof *in);
    if (!in)
        return;
    in->amount = b.amount;
    in->reason = b.reason;
    call_flow(call, &payment_cancel_flow, NULL);
}

struct increment_body {
    struct opt_int amount;
};
static const struct wire_field increment_fields[] = {
    {"amount", WIRE_INT, WIRE_REQUIRED, offsetof(struct increment_body, amount), 1,
     AMOUNT_REQUEST_MAX},
};

void on_payment_increment(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct increment_body b = {0};
    struct payment_increment *in =
        parse(call, increment_fields, COUNT_OF(increment_fields), &b, sizeof *in);
    if (!in)
        return;
    in->amount = b.amount.value;
    call_flow(call, &payment_increment_flow, NULL);
}

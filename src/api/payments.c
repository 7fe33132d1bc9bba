/* /v1/payments: writes. */
#include "api/api_internal.h"
#include "customers/customers.h"

struct create_body {
    struct opt_int amount;
    struct str currency, token, description, statement_descriptor, return_url;
    struct str payment_method, customer, order;
    struct opt_bool capture, off_session, save;
    json_t *metadata, *three_ds;
};
static const struct wire_field create_fields[] = {
    {"amount", WIRE_INT, WIRE_REQUIRED, offsetof(struct create_body, amount), 1,
     AMOUNT_REQUEST_MAX},
    {"currency", WIRE_STR, WIRE_REQUIRED, offsetof(struct create_body, currency), 3, 3},
    {"payment_method_token", WIRE_STR, WIRE_NULLABLE, offsetof(struct create_body, token), 4, 255},
    {"payment_method", WIRE_STR, WIRE_NULLABLE, offsetof(struct create_body, payment_method), 1,
     40},
    {"customer", WIRE_STR, WIRE_NULLABLE, offsetof(struct create_body, customer), 1, 40},
    {"order", WIRE_STR, WIRE_NULLABLE, offsetof(struct create_body, order), 1, 40},
    {"capture", WIRE_BOOL, 0, offsetof(struct create_body, capture), 0, 0},
    {"off_session", WIRE_BOOL, 0, offsetof(struct create_body, off_session), 0, 0},
    {"save_payment_method", WIRE_BOOL, 0, offsetof(struct create_body, save), 0, 0},
    {"three_ds", WIRE_ANY, WIRE_NULLABLE, offsetof(struct create_body, three_ds), 0, 0},
    {"description", WIRE_STR, WIRE_NULLABLE, offsetof(struct create_body, description), 0, 500},
    {"statement_descriptor", WIRE_STR, WIRE_NULLABLE,
     offsetof(struct create_body, statement_descriptor), 1, 22},
    {"return_url", WIRE_STR, WIRE_NULLABLE, offsetof(struct create_body, return_url), 1, 2048},
    {"metadata", WIRE_METADATA, WIRE_NULLABLE, offsetof(struct create_body, metadata), 0, 0},
};

/* Source: card schemes' rules for descriptors: printable ASCII without < > \ ' " *. */
bool descriptor_ok(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7E || strchr("<>\\'\"*", s.p[i]))
            return false;
    return true;
}

/* What it is paid with: a token, or a saved method that stands for one. */
static err_t check_method(const struct create_body *b, struct payment_create *in,
                          struct err_info *reterr)
{
    if (!b->token.p && !b->payment_method.p)
        return error_param(reterr, ERR_PARAM_MISSING, "payment_method_token",
                           "is required, unless payment_method is given");
    if (b->token.p && b->payment_method.p)
        return error_param(reterr, ERR_PARAM_INVALID, "payment_method",
                           "cannot be given together with payment_method_token");
    if (b->token.p && !method_token_ok(b->token))
        return error_param(reterr, ERR_PARAM_INVALID, "payment_method_token",
                           "must begin with pm_ and hold letters, digits and _ only");
    if (in->save && !b->customer.p)
        return error_param(reterr, ERR_PARAM_INVALID, "save_payment_method",
                           "needs the customer it is saved for");
    if (in->save && in->off_session)
        return error_param(reterr, ERR_PARAM_INVALID, "save_payment_method",
                           "needs the customer to be there: off_session is true");
    if (in->off_session && in->three_ds == THREE_DS_REQUIRED)
        return error_param(reterr, ERR_PARAM_INVALID, "three_ds",
                           "cannot be required without the customer: off_session is true");
    return OK;
}

static err_t check_create(const struct create_body *b, struct payment_create *in,
                          struct err_info *reterr)
{
    const struct currency *c = currency_find(b->currency);
    struct url url;
    err_t err = OK, last = OK;
    if (!c)
        last = error_param(reterr, ERR_PARAM_INVALID, "currency",
                           "must be an active ISO 4217 code in upper case, such as EUR");
    else
        in->currency = c->number;
    err = last ? last : err;
    if (b->statement_descriptor.p && !descriptor_ok(b->statement_descriptor))
        err = error_param(reterr, ERR_PARAM_INVALID, "statement_descriptor",
                          "must be printable ASCII without < > \\ ' \" *");
    if (b->return_url.p && !url_parse(b->return_url, &url))
        err = error_param(reterr, ERR_PARAM_INVALID, "return_url", "must be an http or https URL");
    if ((last = read_three_ds(b->three_ds, in, reterr)))
        err = last;
    if ((last = param_id("payment_method", ID_PAYMENT_METHOD, b->payment_method,
                         &in->payment_method, reterr)))
        err = last;
    if ((last = param_id("customer", ID_CUSTOMER, b->customer, &in->customer, reterr)))
        err = last;
    if ((last = param_id("order", ID_ORDER, b->order, &in->order, reterr)))
        err = last;
    if ((last = check_method(b, in, reterr)))
        err = last;
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
    err_t err = ERR_NO_MEMORY;
    if (in) {
        *in = (struct payment_create){.amount = b.amount.value,
                                      .capture = b.capture.set ? b.capture.value : true,
                                      .off_session = b.off_session.value,
                                      .save = b.save.value,
                                      .token = b.token,
                                      .description = b.description,
                                      .statement_descriptor = b.statement_descriptor,
                                      .metadata = b.metadata};
        err = check_create(&b, in, &call->error);
    }
    if (!err) {
        payment_details(&call->details, in, b.return_url, b.metadata);
        err = call->details.failed ? ERR_NO_MEMORY : OK;
    }
    if (err) {
        call_fail(call, err);
        return;
    }
    in->details = buf_view(&call->details);
    call->input = in;
    call_flow(call, &payment_create_flow, NULL);
}

struct confirm_body {
    struct str token;
};
static const struct wire_field confirm_fields[] = {
    {"payment_method_token", WIRE_STR, WIRE_NULLABLE, offsetof(struct confirm_body, token), 4, 255},
};

void on_payment_confirm(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct confirm_body b = {0};
    struct payment_confirm *in = arena_alloc(req->arena, sizeof *in);
    if (!call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, confirm_fields, COUNT_OF(confirm_fields), &b) ||
        !call_id(call, ID_PAYMENT))
        return;
    err_t err = in ? OK : ERR_NO_MEMORY;
    if (!err && b.token.p && !method_token_ok(b.token))
        err = error_param(&call->error, ERR_PARAM_INVALID, "payment_method_token",
                          "must begin with pm_ and hold letters, digits and _ only");
    if (err) {
        call_fail(call, err);
        return;
    }
    *in = (struct payment_confirm){.token = b.token};
    call->input = in;
    call_flow(call, &payment_confirm_flow, NULL);
}

static err_t show_payment(struct store_tx *tx, struct call *call)
{
    return payment_show(tx, call->api->config.payments, call->merchant_id, call->id, &call->out,
                        &call->found);
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
    struct opt_int none = {0};
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
    call_show(call_of(req), ID_PAYMENT, show_payment);
}

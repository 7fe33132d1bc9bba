/* /v1/reviews: what a person should look at. */
#include "api/api_internal.h"

static err_t list_reviews(struct store_tx *tx, struct call *call)
{
    err_t err =
        review_list(tx, call->merchant_id, &call->page, call->state, call->parent, list_add, call);
    if (!err)
        list_write(call);
    return err;
}

void on_review_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_list_query(call, ID_REVIEW,
                         (const char *const[]){PAGE_PARAMS, "status", "payment", NULL}))
        return;
    err_t err = read_payment_part(call, review_state_find, "a review, such as open");
    if (err) {
        call_fail(call, err);
        return;
    }
    call->read = list_reviews;
    call_query_store(call);
}

static err_t show_review(struct store_tx *tx, struct call *call)
{
    return review_show(tx, call->merchant_id, call->id, &call->out, &call->found);
}

void on_review_get(struct http_request *req, void *ctx)
{
    (void)ctx;
    call_show(call_of(req), ID_REVIEW, show_review);
}

struct resolve_body {
    struct str resolution, note;
};
static const struct wire_field resolve_fields[] = {
    {"resolution", WIRE_STR, WIRE_REQUIRED, offsetof(struct resolve_body, resolution), 1, 20},
    {"note", WIRE_STR, WIRE_NULLABLE, offsetof(struct resolve_body, note), 1, 500},
};

void on_review_resolve(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct resolve_body b = {0};
    struct review_resolve *in = arena_alloc(req->arena, sizeof *in);
    if (!call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, resolve_fields, COUNT_OF(resolve_fields), &b) || !call_id(call, ID_REVIEW))
        return;
    bool accept = str_eq(b.resolution, STR("accept"));
    err_t err = in ? OK : ERR_NO_MEMORY;
    if (!err && !accept && !str_eq(b.resolution, STR("dismiss")))
        err = error_param(&call->error, ERR_PARAM_INVALID, "resolution",
                          "must be \"accept\" or \"dismiss\"");
    if (err) {
        call_fail(call, err);
        return;
    }
    in->accept = accept;
    in->note = b.note;
    call->input = in;
    call_flow(call, &review_resolve_flow, NULL);
}

/* /v1/checkouts: pages on which customers pay. Writes are flows of one step. */
#include "api/api_internal.h"

#include <stdio.h>

#include "money/money.h"

#define EXPIRES_DEFAULT_S 86400
#define ITEMS_MAX 100
#define ITEMS_BYTES_MAX ((size_t)256 * 1024)

struct checkout_body {
    struct opt_int amount, expires_in;
    struct str currency, customer, locale;
    json_t *items;
    struct terms terms;
};
static const struct wire_field fields[] = {
    {"amount", WIRE_INT, WIRE_REQUIRED, offsetof(struct checkout_body, amount), 1,
     AMOUNT_REQUEST_MAX},
    {"currency", WIRE_STR, WIRE_REQUIRED, offsetof(struct checkout_body, currency), 3, 3},
    {"items", WIRE_ANY, WIRE_NULLABLE, offsetof(struct checkout_body, items), 0, 0},
    {"customer", WIRE_STR, WIRE_NULLABLE, offsetof(struct checkout_body, customer), 1, 40},
    {"locale", WIRE_STR, WIRE_NULLABLE, offsetof(struct checkout_body, locale), 2, 5},
    {"expires_in", WIRE_INT, WIRE_NULLABLE, offsetof(struct checkout_body, expires_in), 300,
     2592000},
    TERMS_FIELDS(struct checkout_body, terms),
};

struct checkout_write {
    const struct api *api;
    struct checkout checkout;
    struct payment_create terms;
    int64_t expires_in_us;
    struct id id;
};

/* --- items --- */

struct item_body {
    struct str name;
    struct opt_int amount, quantity;
};
static const struct wire_field item_fields[] = {
    {"name", WIRE_STR, WIRE_REQUIRED, offsetof(struct item_body, name), 1, 200},
    {"amount", WIRE_INT, WIRE_REQUIRED, offsetof(struct item_body, amount), 0, AMOUNT_REQUEST_MAX},
    {"quantity", WIRE_INT, WIRE_NULLABLE, offsetof(struct item_body, quantity), 1, 10000},
};

static err_t read_item(json_t *v, size_t i, struct jw *w, int64_t *sum, struct err_info *reterr)
{
    struct item_body b = {.name = {NULL, 0}};
    char name[24];
    int64_t all;
    (void)snprintf(name, sizeof name, "items.%zu", i);
    if (!json_is_object(v))
        return error_param(reterr, ERR_PARAM_INVALID, name, "must be an object");
    err_t err = wire_read_in(v, name, item_fields, COUNT_OF(item_fields), &b, reterr);
    if (err)
        return err;
    int64_t quantity = b.quantity.set ? b.quantity.value : 1;
    if (!num_mul(b.amount.value, quantity, &all) || !num_add(*sum, all, sum))
        return error_param(reterr, ERR_PARAM_INVALID, name, "is more than can be counted");
    jw_object(w, NULL);
    jw_str(w, "name", b.name);
    jw_int(w, "quantity", quantity);
    jw_int(w, "amount", b.amount.value);
    jw_object_end(w);
    return OK;
}

/* Writes them as an array; what they cost together is what is paid. */
static err_t read_items(json_t *items, int64_t amount, struct buf *out, struct err_info *reterr)
{
    struct jw w = {.b = out};
    int64_t sum = 0;
    err_t err = OK;
    size_t n = json_array_size(items);
    if (items && !json_is_array(items))
        return error_param(reterr, ERR_PARAM_INVALID, "items", "must be an array of objects");
    if (n > ITEMS_MAX)
        return error_param(reterr, ERR_PARAM_INVALID, "items", "must have at most %d items",
                           ITEMS_MAX);
    jw_array(&w, NULL);
    for (size_t i = 0; !err && i < n; i++)
        err = read_item(json_array_get(items, i), i, &w, &sum, reterr);
    jw_array_end(&w);
    if (!err && n && sum != amount)
        err = error_param(reterr, ERR_PARAM_INVALID, "items",
                          "must cost the amount together: they cost %lld (amount is of one piece)",
                          (long long)sum);
    return err ? err : out->failed ? ERR_NO_MEMORY : OK;
}

/* --- steps --- */

/* Its JSON, with the status that its payment gives it. */
static err_t write_shown(struct store_tx *tx, const struct api *api, int64_t merchant_id,
                         const struct checkout *c, int64_t now_us, struct buf *out)
{
    const char *payment;
    char url[512];
    err_t err = payment_status(tx, merchant_id, c->payment, &payment);
    if (err)
        return err;
    checkout_url(api, merchant_id, c->id, url);
    checkout_write(&(struct jw){.b = out}, merchant_id, c, checkout_status(c, payment, now_us),
                   url);
    return out->failed ? ERR_NO_MEMORY : OK;
}

static err_t finish(struct store_tx *tx, struct flow_run *run, const struct checkout *c)
{
    const struct checkout_write *w = run->input;
    run->answer.status = 200;
    buf_clear(&run->answer.body);
    err_t err = write_shown(tx, w->api, run->merchant_id, c, run->det.now_us, &run->answer.body);
    return err ? err : flow_finish(tx, run);
}

static err_t create_step(struct store_tx *tx, struct flow_run *run)
{
    struct checkout_write *w = run->input;
    struct checkout *c = &w->checkout;
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    err = terms_check_objects(tx, run->merchant_id, &w->terms, &run->error);
    if (err)
        return err;
    c->id = id_new(&run->det);
    c->version = 1;
    c->created_us = c->updated_us = run->det.now_us;
    c->expires_us = run->det.now_us + w->expires_in_us;
    err = checkout_insert(tx, run->merchant_id, c);
    return err ? err : finish(tx, run, c);
}

/* Not while somebody pays on it: that would take the page away, not the payment. */
static err_t expire_step(struct store_tx *tx, struct flow_run *run)
{
    struct checkout_write *w = run->input;
    struct checkout c;
    const char *payment;
    bool found, replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    err = checkout_read(tx, run->merchant_id, w->id, &c, &found);
    if (!err && !found)
        return error_set(&run->error, ERR_NOT_FOUND, "There is no such checkout.");
    if (!err)
        err = payment_status(tx, run->merchant_id, c.payment, &payment);
    if (err)
        return err;
    const char *status = checkout_status(&c, payment, run->det.now_us);
    if (strcmp(status, "complete") == 0)
        return error_set(&run->error, ERR_STATE, "This checkout is complete.");
    if (strcmp(status, "processing") == 0)
        return error_set(&run->error, ERR_STATE,
                         "A payment of this checkout is under way: cancel it first.");
    err = checkout_close(tx, run->merchant_id, &c, run->det.now_us);
    return err ? err : finish(tx, run, &c);
}

static const struct flow_step create_steps[] = {{.name = "create", .run = create_step}},
                              expire_steps[] = {{.name = "expire", .run = expire_step}};
static const struct flow_def create_flow = {
    .kind = 0, .name = "checkout_create", .steps = create_steps, .steps_n = 1};
static const struct flow_def expire_flow = {
    .kind = 0, .name = "checkout_expire", .steps = expire_steps, .steps_n = 1};

/* --- requests --- */

static err_t check_locale(struct str locale, struct checkout *c, struct err_info *reterr)
{
    static const char *const known[] = {"en", "ru", "de", "es", "pt"};
    if (!locale.p)
        return OK;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (str_eq(locale, str_from(known[i]))) {
            (void)snprintf(c->locale, sizeof c->locale, "%s", known[i]);
            return OK;
        }
    return error_param(reterr, ERR_PARAM_INVALID, "locale", "must be en, ru, de, es or pt");
}

static err_t check(const struct checkout_body *b, struct checkout_write *w, struct buf *items,
                   struct err_info *e)
{
    const struct currency *currency = currency_find(b->currency);
    struct checkout *c = &w->checkout;
    err_t err = OK, last;
    c->amount = b->amount.value;
    if (currency)
        c->currency = currency->number;
    else
        err = error_param(e, ERR_PARAM_INVALID, "currency",
                          "must be an active ISO 4217 code in upper case, such as EUR");
    if ((last = param_id("customer", ID_CUSTOMER, b->customer, &w->terms.customer, e)))
        err = last;
    c->customer = w->terms.customer;
    if ((last = check_locale(b->locale, c, e)))
        err = last;
    if ((last = read_items(b->items, c->amount, items, e)))
        err = last;
    if ((last = terms_check(&b->terms, &w->terms, e)))
        err = last;
    return err;
}

void on_checkout_create(struct http_request *req, void *ctx)
{
    struct call *call = call_of(req);
    struct checkout_body b = {.items = NULL};
    struct checkout_write *w = arena_alloc(req->arena, sizeof *w);
    struct buf items = BUF(ITEMS_BYTES_MAX);
    if (!call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, fields, COUNT_OF(fields), &b))
        return;
    err_t err = w ? check(&b, w, &items, &call->error) : ERR_NO_MEMORY;
    char *kept = err ? NULL : arena_copy(req->arena, items.p, items.n);
    size_t n = items.n;
    buf_free(&items);
    if (!err) {
        terms_write(&call->details, &b.terms, &w->terms);
        err = !kept || call->details.failed ? ERR_NO_MEMORY : OK;
    }
    if (err) {
        call_fail(call, err);
        return;
    }
    w->api = ctx;
    w->checkout.items = (struct str){kept, n};
    w->checkout.details = buf_view(&call->details);
    w->expires_in_us = (b.expires_in.set ? b.expires_in.value : EXPIRES_DEFAULT_S) * SECOND_US;
    call->input = w;
    call_flow(call, &create_flow, NULL);
}

void on_checkout_expire(struct http_request *req, void *ctx)
{
    struct call *call = call_of(req);
    struct checkout_write *w = arena_alloc(req->arena, sizeof *w);
    if (!w) {
        call_fail(call, ERR_NO_MEMORY);
        return;
    }
    if (!call_query(call, (const char *const[]){NULL}) || !call_body(call, NULL, 0, w) ||
        !call_id(call, ID_CHECKOUT))
        return;
    w->api = ctx;
    w->id = call->id;
    call->input = w;
    call_flow(call, &expire_flow, NULL);
}

static err_t show(struct store_tx *tx, struct call *call)
{
    struct checkout c;
    err_t err = checkout_read(tx, call->merchant_id, call->id, &c, &call->found);
    if (err || !call->found)
        return err;
    return write_shown(tx, call->api, call->merchant_id, &c, call->req->received_us, &call->out);
}

void on_checkout_get(struct http_request *req, void *ctx)
{
    (void)ctx;
    call_show(call_of(req), ID_CHECKOUT, show);
}

struct listing {
    struct store_tx *tx;
    struct call *call;
};

static err_t list_one(const struct checkout *c, void *arg)
{
    struct listing *l = arg;
    struct buf json = BUF(FLOW_BODY_MAX);
    err_t err =
        write_shown(l->tx, l->call->api, l->call->merchant_id, c, l->call->req->received_us, &json);
    if (!err)
        err = list_add(c->id, buf_view(&json), l->call);
    buf_free(&json);
    return err;
}

static err_t list(struct store_tx *tx, struct call *call)
{
    struct listing l = {tx, call};
    err_t err = checkout_list(tx, call->merchant_id, &call->page, list_one, &l);
    if (!err)
        list_write(call);
    return err;
}

void on_checkout_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_list_query(call, ID_CHECKOUT, (const char *const[]){PAGE_PARAMS, NULL}))
        return;
    call->read = list;
    call_query_store(call);
}

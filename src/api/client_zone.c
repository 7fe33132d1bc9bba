/* /client/…, in the public zone: a browser pays with its client token, or sees how the payment
 * stands. All that admits it is the token; pages of every origin may call it, cookies play no part.
 */
#include "api/api_internal.h"

#include <stdio.h>

#include "crypto/crypto.h"
#include "money/money.h"

#define SHOWN_MAX ((size_t)512 * 1024)

struct visit {
    bool by_key; /* the token of one payment's action, not one that a merchant made */
    uint8_t hash[CLIENT_HASH];
    struct opt_int amount;
    struct str currency;
    int16_t currency_number;
    struct client_token token;
    struct id payment; /* zero: none was begun yet */
    json_t *shown;     /* as the merchant sees it; released with the view */
    struct terms terms;
    struct payment_create create;
    struct payment_confirm confirm;
};

/* --- what a browser sees of a payment --- */

static void copy_member(struct jw *w, json_t *from, const char *key)
{
    jw_json(w, key, json_object_get(from, key));
}

void client_view_write(struct jw *w, const char *key, json_t *payment)
{
    json_t *action = json_object_get(payment, "next_action"),
           *card = json_object_get(payment, "card");
    jw_object(w, key);
    copy_member(w, payment, "id");
    jw_str(w, "object", STR("payment"));
    copy_member(w, payment, "status");
    copy_member(w, payment, "amount");
    copy_member(w, payment, "currency");
    copy_member(w, payment, "description");
    copy_member(w, payment, "decline_code");
    if (json_is_object(action)) {
        jw_object(w, "next_action");
        copy_member(w, action, "type");
        copy_member(w, action, "url");
        copy_member(w, action, "expires_at");
        jw_object_end(w);
    } else {
        jw_null(w, "next_action");
    }
    if (json_is_object(card)) {
        jw_object(w, "payment_method");
        copy_member(w, card, "brand");
        copy_member(w, card, "last_four");
        jw_object_end(w);
    } else {
        jw_null(w, "payment_method");
    }
    copy_member(w, payment, "return_url");
    jw_object_end(w);
}

err_t client_payment_load(struct store_tx *tx, const struct api *api, int64_t merchant_id,
                          struct id payment, json_t **ret)
{
    struct buf json = BUF(SHOWN_MAX);
    bool found;
    *ret = NULL;
    err_t err = payment_show(tx, api->config.payments, merchant_id, payment, &json, &found);
    if (!err && json.failed)
        err = ERR_NO_MEMORY;
    if (!err && found)
        *ret = json_loadb(json.p, json.n, 0, NULL);
    buf_free(&json);
    return err;
}

/* --- reading --- */

static err_t read_token(struct store_tx *tx, struct call *call)
{
    struct visit *v = call->input;
    bool found;
    if (v->by_key)
        return OK;
    err_t err = client_token_read(tx, call->merchant_id, v->hash, &v->token, &found);
    if (err)
        return err;
    if (!found)
        return error_set(&call->error, ERR_UNAUTHENTICATED, "There is no such client token.");
    v->payment = v->token.payment;
    struct str d = v->token.details; /* of the row, which will be gone */
    v->token.details = (struct str){arena_copy(call->req->arena, d.p, d.n), d.n};
    return v->token.details.p ? OK : ERR_NO_MEMORY;
}

static err_t read_visit(struct store_tx *tx, struct call *call)
{
    struct visit *v = call->input;
    json_decref(v->shown);
    v->shown = NULL;
    err_t err = read_token(tx, call);
    if (!err && !id_is_zero(v->payment))
        err = client_payment_load(tx, call->api, call->merchant_id, v->payment, &v->shown);
    return err;
}

static err_t run_visit(struct store_tx *tx, void *arg)
{
    return read_visit(tx, arg);
}

static void look(struct call *call, void (*seen)(err_t err, void *arg))
{
    call->op = (struct store_op){.run = run_visit, .done = seen, .arg = call};
    err_t err = store_submit_read(call->api->config.store, &call->op);
    if (err)
        seen(err, call);
}

/* --- answering --- */

static void fail(struct call *call, err_t err)
{
    struct visit *v = call->input;
    json_decref(v->shown);
    v->shown = NULL;
    call_fail(call, err);
}

static void answer_seen(err_t err, void *arg)
{
    struct call *call = arg;
    struct visit *v = call->input;
    if (!err && !v->shown)
        err = error_set(&call->error, ERR_NOT_FOUND,
                        "No payment was begun with this client token yet.");
    if (err) {
        fail(call, err);
        return;
    }
    client_view_write(&(struct jw){.b = &call->out}, NULL, v->shown);
    json_decref(v->shown);
    v->shown = NULL;
    call_answer(call, 200);
}

/* --- who calls --- */

/* Whose token it is; false: answered. */
static bool admit(struct call *call)
{
    struct visit *v = arena_alloc(call->req->arena, sizeof *v);
    struct str h = http_header(call->req, "Authorization"), bearer = STR("Bearer ");
    if (!v) {
        call_fail(call, ERR_NO_MEMORY);
        return false;
    }
    call->input = v;
    struct str token = {h.p, 0};
    if (h.n > bearer.n && str_eq_nocase((struct str){h.p, bearer.n}, bearer))
        token = (struct str){h.p + bearer.n, h.n - bearer.n};
    v->by_key =
        payment_client_check(call->api->config.payments, token, &call->merchant_id, &v->payment);
    if (http_header_count(call->req, "Authorization") == 1 &&
        (v->by_key || client_token_parse(token, &call->merchant_id, v->hash)))
        return true;
    call_fail(call, error_set(&call->error, ERR_UNAUTHENTICATED,
                              "Send a client token as `Authorization: Bearer ct_…`."));
    return false;
}

void on_client_payment(struct http_request *req, void *ctx)
{
    struct call *call = call_open(ctx, req);
    if (!call || !admit(call) || !call_query(call, (const char *const[]){NULL}))
        return;
    look(call, answer_seen);
}

/* --- confirm --- */

/* Whatever came of it: how the payment stands is told. */
static void returned(struct flow_run *run, err_t err, void *arg)
{
    (void)run, (void)err;
    look(arg, answer_seen);
}

/* The browser has come back from the action. */
static void go_on(struct call *call)
{
    struct visit *v = call->input;
    struct flow_run *run = flow_new(call->api->config.flows, &payment_confirm_flow);
    if (!run) {
        fail(call, ERR_NO_MEMORY);
        return;
    }
    v->confirm = (struct payment_confirm){.by_return = true};
    run->merchant_id = call->merchant_id;
    run->subject = v->payment;
    run->input = &v->confirm;
    run->request_id = call->req->request_id;
    run->reply = returned;
    run->reply_arg = call;
    if (flow_submit(run) != OK)
        answer_seen(OK, call);
}

static void created(struct flow_run *run, err_t err, void *arg)
{
    struct call *call = arg;
    if (!err || err == ERR_IN_PROGRESS) {
        look(call, answer_seen); /* also when another request of this token was first */
        return;
    }
    call->error = run->error;
    if (err == ERR_KEY_REUSED)
        err = error_set(&call->error, err, "This client token was used for another amount.");
    fail(call, err);
}

/* One flow per token: the key is the token, the body is what it pays. */
static void make_request(struct call *call, struct flow_request *out)
{
    struct visit *v = call->input;
    uint8_t what[10];
    static const char scope[] = "client_token";
    const struct crypto_piece key[] = {{scope, sizeof scope - 1}, {v->hash, CLIENT_HASH}};
    num_put64(what, (uint64_t)v->create.amount);
    what[8] = (uint8_t)(v->create.currency >> 8);
    what[9] = (uint8_t)v->create.currency;
    const struct crypto_piece body[] = {{what, sizeof what}};
    out->keyed = true;
    out->request_id = call->req->request_id;
    crypto_hash(out->key_hash, 16, key, COUNT_OF(key));
    crypto_hash(out->fingerprint, 16, body, COUNT_OF(body));
}

static err_t prepare(struct call *call)
{
    static const struct json_limits limits = {SHOWN_MAX, 32};
    struct visit *v = call->input;
    struct client_token *t = &v->token;
    struct payment_create *in = &v->create;
    char *card = arena_alloc(call->req->arena, 40);
    json_decref(call->json); /* nothing points into the body any more */
    call->json = NULL;
    if (!card)
        return ERR_NO_MEMORY;
    err_t err = json_read(t->details, &limits, &call->json, &call->error);
    *in = (struct payment_create){
        .customer = t->customer, .client_token = v->hash, .checkout = t->checkout};
    if (!err)
        err = terms_read(call->json, &v->terms, in);
    card_token_write(t->payment_method, card);
    in->token = str_from(card);
    in->amount = v->amount.set ? v->amount.value : t->amount_min;
    in->currency = v->currency_number ? v->currency_number : t->currency;
    if (!err)
        payment_details(&call->details, in, v->terms.return_url, in->metadata);
    in->details = buf_view(&call->details);
    return !err && call->details.failed ? ERR_NO_MEMORY : err;
}

static void begin(struct call *call)
{
    struct visit *v = call->input;
    struct flow_run *run;
    err_t err = prepare(call);
    if (err || !(run = flow_new(call->api->config.flows, &payment_create_flow))) {
        fail(call, err ? err : ERR_NO_MEMORY);
        return;
    }
    run->merchant_id = call->merchant_id;
    run->input = &v->create;
    run->request_id = call->req->request_id;
    make_request(call, &run->request);
    run->reply = created;
    run->reply_arg = call;
    err = flow_submit(run);
    if (err)
        fail(call, err);
}

/* What the first transaction will check again: here so that nothing is begun for nothing. */
static err_t check_begin(struct call *call)
{
    struct visit *v = call->input;
    const struct client_token *t = &v->token;
    if (t->purpose != CLIENT_PAYMENT)
        return error_set(&call->error, ERR_FORBIDDEN,
                         "This client token is for a payment method, not for a payment.");
    if (t->state == CLIENT_ISSUED)
        return call->req->received_us >= t->expires_us
                   ? error_set(&call->error, ERR_UNAUTHENTICATED,
                               "This client token has expired: ask for another.")
                   : error_set(&call->error, ERR_STATE,
                               "No card was given under this client token yet.");
    if (!v->amount.set && t->amount_min != t->amount_max)
        return error_param(&call->error, ERR_PARAM_MISSING, "amount",
                           "is required: the token allows %lld to %lld", (long long)t->amount_min,
                           (long long)t->amount_max);
    return OK;
}

/* The same token again is the same payment, so it cannot be another amount. */
static bool same_amount(const struct visit *v)
{
    const char *currency = json_string_value(json_object_get(v->shown, "currency"));
    return (!v->amount.set ||
            v->amount.value == json_integer_value(json_object_get(v->shown, "amount"))) &&
           (!v->currency.p || str_eq(v->currency, str_from(currency)));
}

static void confirm_seen(err_t err, void *arg)
{
    struct call *call = arg;
    struct visit *v = call->input;
    if (!err && !v->shown)
        err = check_begin(call);
    else if (!err && !same_amount(v))
        err = error_set(&call->error, ERR_KEY_REUSED,
                        "This client token was used for another amount.");
    if (err) {
        fail(call, err);
        return;
    }
    const char *status = json_string_value(json_object_get(v->shown, "status"));
    if (!v->shown)
        begin(call);
    else if (status && strcmp(status, "requires_action") == 0)
        go_on(call);
    else
        answer_seen(OK, call);
}

struct confirm_body {
    struct opt_int amount;
    struct str currency;
};
static const struct wire_field fields[] = {
    {"amount", WIRE_INT, WIRE_NULLABLE, offsetof(struct confirm_body, amount), 1,
     AMOUNT_REQUEST_MAX},
    {"currency", WIRE_STR, WIRE_NULLABLE, offsetof(struct confirm_body, currency), 3, 3},
};

void on_client_confirm(struct http_request *req, void *ctx)
{
    struct confirm_body b = {.currency = {NULL, 0}};
    struct call *call = call_open(ctx, req);
    if (!call || !admit(call) || !call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, fields, COUNT_OF(fields), &b))
        return;
    struct visit *v = call->input;
    const struct currency *c = b.currency.p ? currency_find(b.currency) : NULL;
    if (b.currency.p && !c) {
        call_fail(call, error_param(&call->error, ERR_PARAM_INVALID, "currency",
                                    "must be an active ISO 4217 code in upper case, such as EUR"));
        return;
    }
    v->amount = b.amount;
    v->currency = str_from(c ? c->code : NULL);
    v->currency_number = c ? c->number : 0;
    look(call, confirm_seen);
}

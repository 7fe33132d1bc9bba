/* POST /v1/client_tokens: a flow of one step; the answer, which has the secret, is stored sealed.
 */
#include "api/api_internal.h"

#include <stdio.h>

#include "crypto/crypto.h"
#include "money/money.h"

#define EXPIRES_DEFAULT_S 900

struct token_body {
    struct str purpose, origin, currency, customer;
    struct opt_int expires_in, amount, amount_min, amount_max;
    struct terms terms;
};
static const struct wire_field fields[] = {
    {"purpose", WIRE_STR, WIRE_REQUIRED, offsetof(struct token_body, purpose), 1, 40},
    {"origin", WIRE_STR, WIRE_REQUIRED, offsetof(struct token_body, origin), 1,
     CLIENT_ORIGIN_MAX - 1},
    {"customer", WIRE_STR, WIRE_NULLABLE, offsetof(struct token_body, customer), 1, 40},
    {"expires_in", WIRE_INT, WIRE_NULLABLE, offsetof(struct token_body, expires_in), 60, 3600},
    {"amount", WIRE_INT, WIRE_NULLABLE, offsetof(struct token_body, amount), 1, AMOUNT_REQUEST_MAX},
    {"amount_min", WIRE_INT, WIRE_NULLABLE, offsetof(struct token_body, amount_min), 1,
     AMOUNT_REQUEST_MAX},
    {"amount_max", WIRE_INT, WIRE_NULLABLE, offsetof(struct token_body, amount_max), 1,
     AMOUNT_REQUEST_MAX},
    {"currency", WIRE_STR, WIRE_NULLABLE, offsetof(struct token_body, currency), 3, 3},
    TERMS_FIELDS(struct token_body, terms),
};

struct token_write {
    struct client_token token;
    struct payment_create terms;
    struct err_info *error;
    int64_t expires_in_us;
    char random[CLIENT_TOKEN_RANDOM + 1];
};

/* --- the step --- */

err_t client_token_new(struct store_tx *tx, struct det *det, int64_t merchant_id,
                       struct client_token *t, const char *random, char text[CLIENT_TOKEN_TEXT_MAX])
{
    uint8_t hash[CLIENT_HASH];
    int64_t same = 0;
    client_token_text(merchant_id, random, text);
    bool good = client_token_parse(str_from(text), &same, hash);
    ASSERT(good && same == merchant_id);
    t->id = id_new(det);
    t->state = CLIENT_ISSUED;
    t->created_us = det->now_us;
    return client_token_insert(tx, merchant_id, hash, t);
}

static err_t create_step(struct store_tx *tx, struct flow_run *run)
{
    struct token_write *w = run->input;
    char text[CLIENT_TOKEN_TEXT_MAX];
    bool replay;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    err = terms_check_objects(tx, run->merchant_id, &w->terms, &run->error);
    w->token.expires_us = run->det.now_us + w->expires_in_us;
    if (!err)
        err = client_token_new(tx, &run->det, run->merchant_id, &w->token, w->random, text);
    if (err)
        return err;
    run->answer.status = 200;
    run->answer.sensitive = true;
    buf_clear(&run->answer.body);
    client_token_write(&(struct jw){.b = &run->answer.body}, run->merchant_id, &w->token, text,
                       run->det.now_us);
    mem_wipe(text, sizeof text);
    return run->answer.body.failed ? ERR_NO_MEMORY : flow_finish(tx, run);
}

static const struct flow_step steps[] = {{.name = "create", .run = create_step}};
static const struct flow_def create_flow = {
    .kind = 0, .name = "client_token_create", .steps = steps, .steps_n = 1};

/* --- the request --- */

static err_t check_amounts(const struct token_body *b, struct client_token *t,
                           struct err_info *reterr)
{
    const struct currency *c = currency_find(b->currency);
    err_t err = OK;
    if (!b->currency.p)
        err = error_param(reterr, ERR_PARAM_MISSING, "currency", "is required for a payment");
    else if (!c)
        err = error_param(reterr, ERR_PARAM_INVALID, "currency",
                          "must be an active ISO 4217 code in upper case, such as EUR");
    else
        t->currency = c->number;
    if (b->amount.set && (b->amount_min.set || b->amount_max.set))
        return error_param(reterr, ERR_PARAM_INVALID,
                           b->amount_min.set ? "amount_min" : "amount_max",
                           "cannot be given together with amount");
    if (!b->amount.set && !b->amount_min.set && !b->amount_max.set)
        return error_param(reterr, ERR_PARAM_MISSING, "amount",
                           "is required for a payment, unless amount_min and amount_max are given");
    if (!b->amount.set && !(b->amount_min.set && b->amount_max.set))
        return error_param(reterr, ERR_PARAM_MISSING,
                           b->amount_min.set ? "amount_max" : "amount_min",
                           "is required: a range has two ends");
    t->amount_min = b->amount.set ? b->amount.value : b->amount_min.value;
    t->amount_max = b->amount.set ? b->amount.value : b->amount_max.value;
    if (t->amount_min > t->amount_max)
        err = error_param(reterr, ERR_PARAM_INVALID, "amount_max", "must not be below amount_min");
    return err;
}

/* What only a payment has. */
static err_t check_no_payment(struct call *call)
{
    static const char *const members[] = {
        "amount",      "amount_min",           "amount_max", "currency", "capture",
        "description", "statement_descriptor", "return_url", "metadata", "three_ds",
        "order",       "save_payment_method"};
    err_t err = OK;
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (call_given(call, members[i]))
            err = error_param(&call->error, ERR_PARAM_INVALID, members[i],
                              "can be given only with purpose payment");
    return err;
}

static err_t check(struct call *call, const struct token_body *b, struct token_write *w)
{
    struct client_token *t = &w->token;
    struct err_info *e = &call->error;
    err_t err = OK, last;
    t->purpose = (enum client_purpose)client_purpose_find(b->purpose);
    if (!t->purpose)
        err = error_param(e, ERR_PARAM_INVALID, "purpose", "must be payment_method or payment");
    if (!client_origin(b->origin, call->api->config.settings->webhook_allow_private, t->origin))
        err = error_param(e, ERR_PARAM_INVALID, "origin",
                          "must be the origin of your page, such as https://shop.example; plain "
                          "http only on localhost");
    if ((last = param_id("customer", ID_CUSTOMER, b->customer, &w->terms.customer, e)))
        err = last;
    t->customer = w->terms.customer;
    if (t->purpose == CLIENT_PAYMENT_METHOD && (last = check_no_payment(call)))
        err = last;
    if (t->purpose == CLIENT_PAYMENT && (last = check_amounts(b, t, e)))
        err = last;
    if (t->purpose == CLIENT_PAYMENT && (last = terms_check(&b->terms, &w->terms, e)))
        err = last;
    return err;
}

void on_client_token_create(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct token_body b = {.terms = {.metadata = NULL}};
    struct token_write *w = arena_alloc(req->arena, sizeof *w);
    if (!call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, fields, COUNT_OF(fields), &b))
        return;
    err_t err = w ? check(call, &b, w) : ERR_NO_MEMORY;
    if (!err) {
        if (w->token.purpose == CLIENT_PAYMENT)
            terms_write(&call->details, &b.terms, &w->terms);
        else
            buf_str(&call->details, "{}");
        err = call->details.failed ? ERR_NO_MEMORY : OK;
    }
    if (err) {
        call_fail(call, err);
        return;
    }
    w->token.details = buf_view(&call->details);
    w->expires_in_us = (b.expires_in.set ? b.expires_in.value : EXPIRES_DEFAULT_S) * SECOND_US;
    crypto_random_text(w->random, CLIENT_TOKEN_RANDOM);
    call->input = w;
    call_flow(call, &create_flow, NULL);
}

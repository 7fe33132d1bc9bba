/* /pay/{merchant}/{checkout}/{key}, in the public zone: the page on which a customer pays, how it
 * stands, and the client tokens it needs. The key is what admits; who was given the address may
 * pay.
 */
#include "api/api_internal.h"

#include <stdio.h>

#include "crypto/crypto.h"
#include "money/money.h"
#include "sys/sys.h"
#include "web/web.h"

#define DETAILS_MAX ((size_t)128 * 1024)
#define KEY_BYTES 16
#define TOKENS_MAX 20 /* per checkout and hour */
#define TOKEN_LIFE_US INT64_C(900000000)
#define URL_MAX 512

/* --- the address --- */

static void page_key(const struct api *api, int64_t merchant_id, struct id checkout,
                     char out[KEY_BYTES * 2 + 1])
{
    uint8_t message[32] = "checkout", mac[32];
    num_put64(message + 8, (uint64_t)merchant_id);
    memcpy(message + 16, checkout.b, 16);
    crypto_hmac_sha256(api->config.payments->return_key, 32, message, sizeof message, mac);
    for (int i = 0; i < KEY_BYTES; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", mac[i]);
}

void checkout_url(const struct api *api, int64_t merchant_id, struct id checkout, char out[URL_MAX])
{
    char id[ID_TEXT_MAX], key[KEY_BYTES * 2 + 1];
    page_key(api, merchant_id, checkout, key);
    (void)snprintf(out, URL_MAX, "%s/pay/%lld/%s/%s", api->config.payments->public_url,
                   (long long)merchant_id, id_text(ID_CHECKOUT, checkout, id), key);
}

/* Is the last part of the address the right one? */
static bool checkout_url_check(const struct api *api, struct str merchant, struct str checkout,
                               struct str key, int64_t *ret_merchant, struct id *ret_checkout)
{
    char expected[KEY_BYTES * 2 + 1];
    if (!str_to_i64(merchant, ret_merchant) || !id_parse(ID_CHECKOUT, checkout, ret_checkout))
        return false;
    page_key(api, *ret_merchant, *ret_checkout, expected);
    return key.n == sizeof expected - 1 && mem_equal_ct(key.p, expected, key.n) == 1;
}

/* Origin of an address: what stands before its path. */
static void origin_of(const char *url, char out[CLIENT_ORIGIN_MAX])
{
    const char *host = strstr(url, "://"), *end = host ? strchr(host + 3, '/') : NULL;
    size_t n = end ? (size_t)(end - url) : strlen(url);
    char text[CLIENT_ORIGIN_MAX];
    (void)snprintf(text, sizeof text, "%.*s", (int)(n < sizeof text ? n : 0), url);
    if (!client_origin(str_from(text), true, out))
        out[0] = 0;
}

/* --- the page --- */

void on_checkout_page(struct http_request *req, void *ctx)
{
    const struct api *api = ctx;
    char card[URL_MAX];
    int64_t merchant_id;
    struct id checkout;
    const struct config *c = api->config.settings;
    config_url(c->card_url, c->card, card, sizeof card);
    if (checkout_url_check(api, req->params[0], req->params[1], req->params[2], &merchant_id,
                           &checkout))
        web_reply_checkout(
            req, &(struct web_checkout){.card_url = str_from(card),
                                        .public_url = str_from(api->config.payments->public_url)});
    else
        web_reply_no_page(req);
}

void on_checkout_asset(struct http_request *req, void *ctx)
{
    (void)ctx;
    const struct web_asset *a = web_asset_find(req->path);
    if (a)
        web_reply_asset(req, a, WEB_OWN);
    else
        web_reply_no_page(req);
}

/* --- state --- */

struct paying {
    struct checkout checkout; /* its texts are of the row: inside a transaction only */
    const char *payment_status;
    struct det det;
    char random[CLIENT_TOKEN_RANDOM], text[CLIENT_TOKEN_TEXT_MAX];
    int64_t expires_us;
};

/* The call of a right address, with its merchant and id; NULL: answered. */
static struct call *admit(struct http_request *req, struct api *api)
{
    struct call *call = call_open(api, req);
    struct paying *p = call ? arena_alloc(req->arena, sizeof *p) : NULL;
    if (!call)
        return NULL;
    if (!p) {
        call_fail(call, ERR_NO_MEMORY);
        return NULL;
    }
    call->input = p;
    if (checkout_url_check(api, req->params[0], req->params[1], req->params[2], &call->merchant_id,
                           &call->id))
        return call;
    call_fail(call, ERR_NOT_FOUND);
    return NULL;
}

static err_t read_checkout(struct store_tx *tx, struct call *call)
{
    struct paying *p = call->input;
    err_t err = checkout_read(tx, call->merchant_id, call->id, &p->checkout, &call->found);
    if (!err && !call->found)
        return ERR_NOT_FOUND;
    return err ? err
               : payment_status(tx, call->merchant_id, p->checkout.payment, &p->payment_status);
}

static err_t write_merchant(struct store_tx *tx, int64_t merchant_id, struct jw *w)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_API_READ_MERCHANT_NAME, &row, V_INT(merchant_id / 2 * 2));
    if (err)
        return err;
    jw_object(w, "merchant");
    jw_str(w, "name", row ? row_text(row, 0) : (struct str){NULL, 0});
    jw_object_end(w);
    return OK;
}

static err_t write_payment(struct store_tx *tx, struct call *call, struct id payment, struct jw *w)
{
    json_t *shown = NULL;
    err_t err = id_is_zero(payment)
                    ? OK
                    : client_payment_load(tx, call->api, call->merchant_id, payment, &shown);
    if (!err && shown)
        client_view_write(w, "payment", shown);
    else if (!err)
        jw_null(w, "payment");
    json_decref(shown);
    return err;
}

static err_t show_state(struct store_tx *tx, struct call *call)
{
    struct paying *p = call->input;
    struct checkout *c = &p->checkout;
    struct jw w = {.b = &call->out};
    err_t err = read_checkout(tx, call);
    if (err)
        return err;
    json_t *details = json_loadb(c->details.p, c->details.n, 0, NULL);
    jw_object(&w, NULL);
    jw_id(&w, "id", ID_CHECKOUT, c->id);
    jw_str(&w, "object", STR("checkout"));
    jw_str(&w, "mode", call->merchant_id & 1 ? STR("live") : STR("test"));
    jw_str(&w, "status", str_from(checkout_status(c, p->payment_status, call->req->received_us)));
    jw_int(&w, "amount", c->amount);
    jw_str(&w, "currency", str_from(currency_by_number(c->currency)->code));
    jw_json(&w, "description", json_object_get(details, "description"));
    jw_raw(&w, "items", c->items);
    jw_json(&w, "return_url", json_object_get(details, "return_url"));
    jw_str(&w, "locale", c->locale[0] ? str_from(c->locale) : (struct str){NULL, 0});
    jw_time(&w, "expires_at", c->expires_us);
    json_decref(details);
    err = write_merchant(tx, call->merchant_id, &w);
    if (!err)
        err = write_payment(tx, call, c->payment, &w);
    jw_object_end(&w);
    return err;
}

void on_checkout_state(struct http_request *req, void *ctx)
{
    struct call *call = admit(req, ctx);
    if (!call || !call_query(call, (const char *const[]){NULL}))
        return;
    call->read = show_state;
    call_query_store(call);
}

/* --- tokens --- */

/* After an action in the whole window the browser comes back to the page, not past it to the shop.
 */
static err_t page_details(const struct call *call, const struct checkout *c, struct buf *out)
{
    char page[URL_MAX];
    json_t *details = json_loadb(c->details.p, c->details.n, 0, NULL);
    checkout_url(call->api, call->merchant_id, c->id, page);
    if (!details || json_object_set_new(details, "return_url", json_string(page)) != 0)
        out->failed = true;
    else
        jw_json(&(struct jw){.b = out}, NULL, details);
    json_decref(details);
    return out->failed ? ERR_NO_MEMORY : OK;
}

static err_t mint(struct store_tx *tx, struct call *call)
{
    struct paying *p = call->input;
    struct checkout *c = &p->checkout;
    struct buf details = BUF(DETAILS_MAX);
    struct det det = p->det;
    call->error = (struct err_info){.err = OK};
    err_t err = read_checkout(tx, call);
    if (err)
        return err;
    const char *status = checkout_status(c, p->payment_status, det.now_us);
    if (strcmp(status, "open") != 0)
        return error_set(&call->error, ERR_STATE,
                         strcmp(status, "complete") == 0  ? "This checkout is complete."
                         : strcmp(status, "expired") == 0 ? "This checkout has expired."
                                                          : "This checkout is being paid.");
    p->expires_us = num_min(det.now_us + TOKEN_LIFE_US, c->expires_us);
    struct client_token t = {.purpose = CLIENT_PAYMENT,
                             .amount_min = c->amount,
                             .amount_max = c->amount,
                             .currency = c->currency,
                             .expires_us = p->expires_us,
                             .customer = c->customer,
                             .checkout = c->id};
    origin_of(call->api->config.payments->public_url, t.origin);
    err = page_details(call, c, &details);
    t.details = buf_view(&details);
    if (!err)
        err = client_token_new(tx, &det, call->merchant_id, &t, p->random, p->text);
    buf_free(&details);
    return err;
}

static err_t run_mint(struct store_tx *tx, void *arg)
{
    return mint(tx, arg);
}

static void minted(err_t err, void *arg)
{
    struct call *call = arg;
    struct paying *p = call->input;
    struct jw w = {.b = &call->out};
    if (err) {
        call_fail(call, err);
        return;
    }
    jw_object(&w, NULL);
    jw_str(&w, "client_token", str_from(p->text));
    jw_time(&w, "expires_at", p->expires_us);
    jw_object_end(&w);
    mem_wipe(p->text, sizeof p->text);
    call_answer(call, 200);
}

/* Only the page itself asks; browsers say who does. */
static err_t check_page(struct call *call)
{
    struct str origin = http_header(call->req, "Origin");
    char own[CLIENT_ORIGIN_MAX];
    int wait_s = 0;
    origin_of(call->api->config.payments->public_url, own);
    if (origin.p && !str_eq(origin, str_from(own)))
        return error_set(&call->error, ERR_FORBIDDEN,
                         "Tokens of a checkout are for its own page; make yours with POST "
                         "/v1/client_tokens.");
    if (limiter_take(&call->api->page_tokens, call->id.b, TOKENS_MAX, HOUR_US, &wait_s))
        return OK;
    call->error.retry_after_s = wait_s;
    return error_set(&call->error, ERR_RATE_LIMITED,
                     "Too many payments were tried on this checkout: try again later.");
}

void on_checkout_token(struct http_request *req, void *ctx)
{
    struct opt_int none = {0};
    struct call *call = admit(req, ctx);
    if (!call || !call_query(call, (const char *const[]){NULL}) || !call_body(call, NULL, 0, &none))
        return;
    err_t err = check_page(call);
    if (!err) {
        struct paying *p = call->input;
        crypto_random_text(p->random, sizeof p->random);
        p->det = sys_det();
        call->op = (struct store_op){
            .merchant_id = call->merchant_id, .run = run_mint, .done = minted, .arg = call};
        err = store_submit(call->api->config.store, &call->op);
    }
    if (err)
        call_fail(call, err);
}

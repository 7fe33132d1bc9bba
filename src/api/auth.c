/* Authentication: every private route asks for a secret key. Keys are known by their hash; a found
 * one is remembered for a second, so that a revoked key stops working within one. */
#include "api/api_internal.h"

#include <stdio.h>

#include "crypto/crypto.h"

#define KEY_VALID_US 1000000

static size_t slot_of(const uint8_t hash[32])
{
    return (size_t)(hash[0] | hash[1] << 8) % KEY_CACHE;
}

static bool cached(struct api *api, const uint8_t hash[32], int64_t now_us, struct key_entry *ret)
{
    struct key_entry *e = &api->keys[slot_of(hash)];
    pthread_mutex_lock(&api->key_lock);
    bool hit = now_us < e->valid_until_us && mem_equal_ct(e->hash, hash, 32);
    if (hit)
        *ret = *e;
    pthread_mutex_unlock(&api->key_lock);
    return hit;
}

/* The one API date there is so far. */
static err_t read_version(struct call *call, struct str given, const char *pinned)
{
    (void)snprintf(call->version, sizeof call->version, "%s", pinned);
    if (given.p && !str_eq(given, STR(API_VERSION))) {
        (void)snprintf(call->version, sizeof call->version, "%s", API_VERSION);
        return error_set(&call->error, ERR_VERSION_UNKNOWN,
                         "Florin-Version must be a date that exists, such as %s.", API_VERSION);
    }
    return OK;
}

static err_t admit(struct call *call, const struct key_entry *key)
{
    call->merchant_id = key->merchant_id;
    call->idempotency_required = key->idempotency_required;
    if (!call->version[0])
        (void)snprintf(call->version, sizeof call->version, "%s", key->version);
    if (key->kind != KEY_SECRET)
        return error_set(&call->error, ERR_FORBIDDEN,
                         "A publishable key cannot be used here; use a secret key from a server.");
    return OK;
}

static void go_on(struct call *call)
{
    if (call->error.err)
        call_fail(call, call->error.err);
    else
        http_request_route(call->req)->handler(call->req, call->api);
}

static err_t find_key(struct store_tx *tx, struct call *call)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_API_READ_KEY, &row, V_BLOB(call->key_hash, 32));
    if (err || !row)
        return err;
    struct key_entry e = {.merchant_id = row_int(row, 0),
                          .kind = (int)row_int(row, 2),
                          .idempotency_required = row_int(row, 4) != 0};
    struct str hash = row_text(row, 1), version = row_text(row, 3);
    if (hash.n != 32 || !mem_equal_ct(hash.p, call->key_hash, 32))
        return OK;
    memcpy(e.hash, hash.p, 32);
    (void)snprintf(e.version, sizeof e.version, STR_FMT, STR_ARG(version));
    e.valid_until_us = sys_mono_us() + KEY_VALID_US;
    struct api *api = call->api;
    pthread_mutex_lock(&api->key_lock);
    api->keys[slot_of(e.hash)] = e;
    pthread_mutex_unlock(&api->key_lock);
    call->found = true;
    err = admit(call, &e);
    return err == ERR_FORBIDDEN ? OK : err; /* the error is in call->error */
}

static err_t run_find(struct store_tx *tx, void *arg)
{
    return find_key(tx, arg);
}

static void found_key(err_t err, void *arg)
{
    struct call *call = arg;
    if (err)
        call_fail(call, err);
    else if (!call->found)
        call_fail(call, error_set(&call->error, ERR_UNAUTHENTICATED,
                                  "The API key is not known or was revoked."));
    else
        go_on(call);
}

/* Reads all headers the API knows; they are gone once the gate has returned. */
static err_t read_headers(struct call *call)
{
    struct http_request *req = call->req;
    struct str authorization = http_header(req, "Authorization"),
               version = http_header(req, "Florin-Version");
    struct str key = http_header(req, "Idempotency-Key");
    err_t err = read_version(call, version, "");
    if (http_header_count(req, "Authorization") != 1 || authorization.n < 8 ||
        !str_eq_nocase((struct str){authorization.p, 7}, STR("Bearer ")) ||
        authorization.n > 7 + KEY_TEXT_MAX)
        return error_set(&call->error, ERR_UNAUTHENTICATED,
                         "Send the secret key as `Authorization: Bearer sk_…`.");
    crypto_sha256(authorization.p + 7, authorization.n - 7, call->key_hash);
    if (err)
        return err;
    if (!key.p || req->method != HTTP_POST)
        return OK;
    if (http_header_count(req, "Idempotency-Key") != 1)
        return error_set(&call->error, ERR_HEADER_INVALID,
                         "Idempotency-Key was sent more than once.");
    call->idempotency_given = true;
    return idempotency_key_read(key, &call->idempotency_key, &call->error);
}

struct call *call_open(struct api *api, struct http_request *req)
{
    struct call *call = arena_alloc(req->arena, sizeof *call);
    if (!call) {
        struct err_info info = {0};
        (void)error_set(&info, ERR_NO_MEMORY, "Try again.");
        http_reply_problem(req, &info);
        return NULL;
    }
    call->api = api;
    call->req = req;
    call->details = BUF(FLOW_BODY_MAX);
    call->out = BUF(FLOW_BODY_MAX);
    call->idempotency_key = BUF(255);
    req->user = call;
    return call;
}

void api_gate(struct http_request *req, void *ctx)
{
    struct api *api = ctx;
    struct call *call = call_open(api, req);
    if (!call)
        return;
    if (http_request_route(req)->flags & ROUTE_OPEN) {
        go_on(call);
        return;
    }
    err_t err = read_headers(call);
    struct key_entry key;
    bool unauthenticated = err == ERR_UNAUTHENTICATED;
    if (!unauthenticated && cached(api, call->key_hash, sys_mono_us(), &key)) {
        if (!err)
            err = admit(call, &key);
        go_on(call);
        return;
    }
    if (unauthenticated) {
        call_fail(call, err);
        return;
    }
    /* A header problem is told only to who has a key. */
    call->op = (struct store_op){.run = run_find, .done = found_key, .arg = call};
    err = store_submit_read(api->config.store, &call->op);
    if (err)
        call_fail(call, err);
}

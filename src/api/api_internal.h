#ifndef FLORIN_API_INTERNAL_H
#define FLORIN_API_INTERNAL_H

#include "api/api.h"
#include "events/events.h"
#include "ledger/ledger.h"
#include "payments/payments.h"

struct key_entry {
    uint8_t hash[32];
    int64_t merchant_id, valid_until_us;
    int kind;
    bool idempotency_required;
    char version[11];
};
#define KEY_CACHE 256

struct api {
    struct api_config config;
    struct http_server *private_server, *public_server;
    pthread_mutex_t key_lock;
    struct key_entry keys[KEY_CACHE];
};

/* Route flags. */
enum { ROUTE_OPEN = 1 /* no key needed */ };

#define QUERY_MAX 24

/* One request on its way. Lives in the request's arena. */
struct call {
    struct api *api;
    struct http_request *req;
    int64_t merchant_id;
    bool idempotency_required;
    char version[11];
    uint8_t key_hash[32]; /* of the API key */
    bool key_given;
    struct buf idempotency_key; /* "" when none */
    bool idempotency_given;
    json_t *json;            /* parsed body */
    struct buf details, out; /* released with the call */
    struct err_info error;
    struct store_op op;
    err_t (*read)(struct store_tx *tx, struct call *call); /* fills out; sets found */
    bool found;
    /* the query string */
    struct url_pair query[QUERY_MAX];
    size_t query_n;
    /* a list */
    struct page page;
    struct payment_filter filter;
    struct id id, parent;
    int state, event_type;
    int shown;
    size_t shown_bytes;
    bool more;
    struct list_item *items;
    void *input; /* the command of a write */
};

struct call *call_of(struct http_request *req);
/* Answers with call->out, or a problem. Both free the call. */
void call_answer(struct call *call, int status);
void call_fail(struct call *call, err_t err);
/* Reads: runs call->read on a reader and answers 200, or 404 when `found` stayed false. */
void call_query_store(struct call *call);
/* Parses the body ("" is {}) against a table; false: a problem was answered. */
bool call_body(struct call *call, const struct wire_field *fields, size_t n, void *out);
/* Parses query parameters: allowed names end with NULL; lists add limit and cursors of `kind` and
 * created. false: answered. */
bool call_query(struct call *call, const char *const *allowed);
struct str call_param(struct call *call, const char *name); /* absent view when not given */
bool call_list_query(struct call *call, enum id_kind kind, const char *const *allowed);
/* Takes {param} 0 as an id; false: 404 was answered. */
bool call_id(struct call *call, enum id_kind kind);
/* Starts a flow with the call's input; its answer becomes the call's. reply NULL: the usual. */
void call_flow(struct call *call, const struct flow_def *def,
               void (*reply)(struct flow_run *, err_t, void *));

/* Collects rows of a list and writes it. */
struct list_item {
    struct list_item *next;
    struct str json;
};
err_t list_add(struct id id, struct str json, void *call);
void list_write(struct call *call);
void list_release(struct call *call);

http_handler api_gate;

/* handlers, by file */
http_handler on_payment_create, on_payment_list, on_payment_get, on_payment_capture,
    on_payment_cancel, on_payment_refund, on_payment_sync, on_payment_attempts, on_payment_events,
    on_payment_explain, on_payment_journals, on_refund_list, on_refund_get;
http_handler on_event_list, on_event_get, on_balances;
http_handler on_endpoint_create, on_endpoint_list, on_endpoint_get, on_endpoint_enable,
    on_endpoint_disable, on_endpoint_deliveries;
http_handler on_account_create, on_account_list, on_account_get, on_account_enable,
    on_account_disable;
http_handler on_healthz, on_readyz, on_metrics;

#endif

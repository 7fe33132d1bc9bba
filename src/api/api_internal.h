#ifndef FLORIN_API_INTERNAL_H
#define FLORIN_API_INTERNAL_H

#include "api/api.h"
#include "clients/clients.h"
#include "customers/customers.h"
#include "events/events.h"
#include "ledger/ledger.h"
#include "orders/orders.h"
#include "payments/payments.h"
#include "sys/limiter.h"

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
    /* Webhooks of providers that are to be verified: see provider_webhooks.c. */
    struct queue hooks;
    pthread_t hooks_thread;
    bool hooks_stopping; /* atomic */
    struct limiter card_tries, page_tokens, page_reports, browsers;
    int asked; /* atomic: operations of the store that look at this struct when they are done */
};

/* Route flags. */
enum { ROUTE_OPEN = 1 /* no key needed */, ROUTE_BROWSER = 2 /* limited per address */ };

#define QUERY_MAX 24
#define AMOUNT_REQUEST_MAX INT64_C(999999999999) /* that a request may name */

/* One request on its way. Lives in the request's arena. */
struct call {
    struct api *api;
    struct http_request *req;
    int64_t merchant_id;
    bool idempotency_required;
    char version[11];
    uint8_t key_hash[32];       /* of the API key */
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
    struct search search;
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
#define PAGE_PARAMS                                                                                \
    "limit", "starting_after", "ending_before", "created[gte]", "created[gt]", "created[lte]",     \
        "created[lt]"
/* Parses query parameters: allowed names end with NULL, "metadata[]" allows any key; lists add
 * limit, cursors of `kind` and created. false: answered. */
bool call_query(struct call *call, const char *const *allowed);
struct str call_param(struct call *call, const char *name); /* absent view when not given */
bool call_list_query(struct call *call, enum id_kind kind, const char *const *allowed);
/* Reads what is searched by into call->search: reference, last_four, customer, order, email and
 * metadata[…], as far as the query (checked by call_list_query) has them. false: answered. */
bool call_search(struct call *call);
/* Reads an id that a member or a query parameter names; absent: *ret stays. Errors:
 * ERR_PARAM_INVALID, also for an id that no object can have. */
MUST_CHECK err_t param_id(const char *name, enum id_kind kind, struct str text, struct id *ret,
                          struct err_info *reterr);
/* Reads the filters of lists of what belongs to payments: status (0 when find does not know it) and
 * payment, into call->state and call->parent. Errors: ERR_PARAM_INVALID. */
MUST_CHECK err_t read_payment_part(struct call *call, int (*find)(struct str text),
                                   const char *status_hint);
/* Reads a status, a currency and an amount to filter by. find: 0 for an unknown status. */
MUST_CHECK err_t read_money_filter(struct call *call, int (*find)(struct str text),
                                   const char *status_hint, int *ret_state, int16_t *ret_currency,
                                   int64_t *ret_amount);
/* A search that would look at too much explains itself. */
err_t search_explain(struct call *call, err_t err);
/* Is the member in the body, be it null? */
bool call_given(const struct call *call, const char *name);
/* Takes {param} 0 as an id; false: 404 was answered. */
bool call_id(struct call *call, enum id_kind kind);
/* GET …/{id}: takes the id and no parameters, then reads as call_query_store. */
void call_show(struct call *call, enum id_kind kind,
               err_t (*read)(struct store_tx *tx, struct call *call));
/* Starts a flow with the call's input; its answer becomes the call's. reply NULL: the usual. */
void call_flow(struct call *call, const struct flow_def *def,
               void (*reply)(struct flow_run *, err_t, void *));

/* --- what a payment will have that begins later, in a browser --- */
struct terms {
    struct str description, statement_descriptor, return_url, order;
    struct opt_bool capture, save;
    json_t *metadata, *three_ds;
};
struct terms_alone {
    struct terms terms;
};
/* Rows of a wire table, for the member `at` of `type`. */
#define TERMS_FIELDS(type, at)                                                                     \
    {"capture", WIRE_BOOL, 0, offsetof(type, at.capture), 0, 0},                                   \
        {"save_payment_method", WIRE_BOOL, 0, offsetof(type, at.save), 0, 0},                      \
        {"order", WIRE_STR, WIRE_NULLABLE, offsetof(type, at.order), 1, 40},                       \
        {"three_ds", WIRE_ANY, WIRE_NULLABLE, offsetof(type, at.three_ds), 0, 0},                  \
        {"description", WIRE_STR, WIRE_NULLABLE, offsetof(type, at.description), 0, 500},          \
        {"statement_descriptor",                                                                   \
         WIRE_STR,                                                                                 \
         WIRE_NULLABLE,                                                                            \
         offsetof(type, at.statement_descriptor),                                                  \
         1,                                                                                        \
         22},                                                                                      \
        {"return_url", WIRE_STR, WIRE_NULLABLE, offsetof(type, at.return_url), 1, 2048},           \
    {                                                                                              \
        "metadata", WIRE_METADATA, WIRE_NULLABLE, offsetof(type, at.metadata), 0, 0                \
    }
/* Fills the command; in->customer was read. Errors: ERR_PARAM_*. */
MUST_CHECK err_t terms_check(const struct terms *t, struct payment_create *in,
                             struct err_info *reterr);
/* As a JSON object, to be kept and shown. Shape: they were checked into `in`. */
void terms_write(struct buf *out, const struct terms *t, const struct payment_create *in);
/* Back from what was kept; views into details. Errors: ERR_INTERNAL. */
MUST_CHECK err_t terms_read(json_t *details, struct terms *t, struct payment_create *in);
/* Customer and order must be the merchant's own. Errors: ERR_PARAM_INVALID. */
MUST_CHECK err_t terms_check_objects(struct store_tx *tx, int64_t merchant_id,
                                     const struct payment_create *in, struct err_info *reterr);
/* Printable ASCII without < > \ ' " *? */
bool descriptor_ok(struct str s);

/* --- what browsers get --- */
/* A request of the public zone as a call, without a merchant; NULL: answered. */
struct call *call_open(struct api *api, struct http_request *req);
/* Makes a client token of those parts; text receives the secret. Shape: random is
 * CLIENT_TOKEN_RANDOM characters. */
MUST_CHECK err_t client_token_new(struct store_tx *tx, struct det *det, int64_t merchant_id,
                                  struct client_token *t, const char *random,
                                  char text[CLIENT_TOKEN_TEXT_MAX]);
/* Reads a payment as the merchant sees it; NULL: there is none. The caller's. */
MUST_CHECK err_t client_payment_load(struct store_tx *tx, const struct api *api,
                                     int64_t merchant_id, struct id payment, json_t **ret);
/* What a browser sees of it. */
void client_view_write(struct jw *w, const char *key, json_t *payment);
/* The address of a checkout's page. */
void checkout_url(const struct api *api, int64_t merchant_id, struct id checkout, char out[512]);
/* Keeps what a browser reported of the page that kind names. peer: who is limited. */
void page_report(struct api *api, struct str kind, struct str peer, struct str body);

/* Collects rows of a list and writes it. */
struct list_item {
    struct list_item *next;
    struct str json;
};
err_t list_add(struct id id, struct str json, void *call);
void list_write(struct call *call);
void list_release(struct call *call);

http_handler api_gate;

/* Reads the member three_ds (NULL: not given) into the command. Errors: ERR_PARAM_*. */
MUST_CHECK err_t read_three_ds(json_t *v, struct payment_create *in, struct err_info *reterr);

/* handlers, by file */
http_handler on_payment_create, on_payment_confirm, on_payment_list, on_payment_get,
    on_payment_capture, on_payment_cancel, on_payment_increment, on_payment_refund, on_payment_sync,
    on_payment_attempts, on_payment_events, on_payment_explain, on_payment_journals, on_refund_list,
    on_refund_get, on_refund_cancel;
http_handler on_dispute_list, on_dispute_get, on_dispute_evidence, on_dispute_submit,
    on_dispute_accept;
http_handler on_review_list, on_review_get, on_review_resolve;
http_handler on_customer_create, on_customer_list, on_customer_get, on_customer_update,
    on_customer_delete;
http_handler on_method_create, on_method_list, on_method_get, on_method_update, on_method_attach,
    on_method_detach;
http_handler on_order_create, on_order_list, on_order_get, on_order_update, on_order_cancel;
http_handler on_event_list, on_event_get, on_balances;
http_handler on_endpoint_create, on_endpoint_list, on_endpoint_get, on_endpoint_enable,
    on_endpoint_disable, on_endpoint_deliveries;
http_handler on_account_create, on_account_list, on_account_get, on_account_enable,
    on_account_disable;
http_handler on_healthz, on_readyz, on_metrics;
http_handler on_client_token_create;
http_handler on_checkout_create, on_checkout_list, on_checkout_get, on_checkout_expire;
/* in the public zone: without a gate, ctx is the struct api */
http_handler on_provider_webhook, on_return, on_client_confirm, on_client_payment, on_checkout_page,
    on_checkout_asset, on_checkout_state, on_checkout_token, on_page_report;

/* Begins and ends the verification of providers' webhooks; at the end those that still wait are
 * answered 503. */
void hooks_start(struct api *api);
void hooks_stop(struct api *api);

#endif

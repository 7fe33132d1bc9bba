/* The two listeners and their routes. */
#include "api/api_internal.h"

static const struct http_route private_routes[] = {
    {HTTP_POST, "/v1/payments", on_payment_create, 0},
    {HTTP_GET, "/v1/payments", on_payment_list, 0},
    {HTTP_GET, "/v1/payments/{id}", on_payment_get, 0},
    {HTTP_POST, "/v1/payments/{id}/confirm", on_payment_confirm, 0},
    {HTTP_POST, "/v1/payments/{id}/capture", on_payment_capture, 0},
    {HTTP_POST, "/v1/payments/{id}/cancel", on_payment_cancel, 0},
    {HTTP_POST, "/v1/payments/{id}/increment", on_payment_increment, 0},
    {HTTP_POST, "/v1/payments/{id}/refund", on_payment_refund, 0},
    {HTTP_POST, "/v1/payments/{id}/sync", on_payment_sync, 0},
    {HTTP_GET, "/v1/payments/{id}/attempts", on_payment_attempts, 0},
    {HTTP_GET, "/v1/payments/{id}/events", on_payment_events, 0},
    {HTTP_GET, "/v1/payments/{id}/journals", on_payment_journals, 0},
    {HTTP_GET, "/v1/payments/{id}/explain", on_payment_explain, 0},
    {HTTP_GET, "/v1/refunds", on_refund_list, 0},
    {HTTP_GET, "/v1/refunds/{id}", on_refund_get, 0},
    {HTTP_POST, "/v1/refunds/{id}/cancel", on_refund_cancel, 0},
    {HTTP_GET, "/v1/disputes", on_dispute_list, 0},
    {HTTP_GET, "/v1/disputes/{id}", on_dispute_get, 0},
    {HTTP_POST, "/v1/disputes/{id}/evidence", on_dispute_evidence, 0},
    {HTTP_POST, "/v1/disputes/{id}/submit", on_dispute_submit, 0},
    {HTTP_POST, "/v1/disputes/{id}/accept", on_dispute_accept, 0},
    {HTTP_GET, "/v1/reviews", on_review_list, 0},
    {HTTP_GET, "/v1/reviews/{id}", on_review_get, 0},
    {HTTP_POST, "/v1/reviews/{id}/resolve", on_review_resolve, 0},
    {HTTP_POST, "/v1/customers", on_customer_create, 0},
    {HTTP_GET, "/v1/customers", on_customer_list, 0},
    {HTTP_GET, "/v1/customers/{id}", on_customer_get, 0},
    {HTTP_POST, "/v1/customers/{id}", on_customer_update, 0},
    {HTTP_POST, "/v1/customers/{id}/delete", on_customer_delete, 0},
    {HTTP_POST, "/v1/payment_methods", on_method_create, 0},
    {HTTP_GET, "/v1/payment_methods", on_method_list, 0},
    {HTTP_GET, "/v1/payment_methods/{id}", on_method_get, 0},
    {HTTP_POST, "/v1/payment_methods/{id}", on_method_update, 0},
    {HTTP_POST, "/v1/payment_methods/{id}/attach", on_method_attach, 0},
    {HTTP_POST, "/v1/payment_methods/{id}/detach", on_method_detach, 0},
    {HTTP_POST, "/v1/orders", on_order_create, 0},
    {HTTP_GET, "/v1/orders", on_order_list, 0},
    {HTTP_GET, "/v1/orders/{id}", on_order_get, 0},
    {HTTP_POST, "/v1/orders/{id}", on_order_update, 0},
    {HTTP_POST, "/v1/orders/{id}/cancel", on_order_cancel, 0},
    {HTTP_POST, "/v1/client_tokens", on_client_token_create, 0},
    {HTTP_POST, "/v1/checkouts", on_checkout_create, 0},
    {HTTP_GET, "/v1/checkouts", on_checkout_list, 0},
    {HTTP_GET, "/v1/checkouts/{id}", on_checkout_get, 0},
    {HTTP_POST, "/v1/checkouts/{id}/expire", on_checkout_expire, 0},
    {HTTP_GET, "/v1/balances", on_balances, 0},
    {HTTP_GET, "/v1/events", on_event_list, 0},
    {HTTP_GET, "/v1/events/{id}", on_event_get, 0},
    {HTTP_POST, "/v1/webhook_endpoints", on_endpoint_create, 0},
    {HTTP_GET, "/v1/webhook_endpoints", on_endpoint_list, 0},
    {HTTP_GET, "/v1/webhook_endpoints/{id}", on_endpoint_get, 0},
    {HTTP_POST, "/v1/webhook_endpoints/{id}/enable", on_endpoint_enable, 0},
    {HTTP_POST, "/v1/webhook_endpoints/{id}/disable", on_endpoint_disable, 0},
    {HTTP_GET, "/v1/webhook_endpoints/{id}/deliveries", on_endpoint_deliveries, 0},
    {HTTP_POST, "/v1/provider_accounts", on_account_create, 0},
    {HTTP_GET, "/v1/provider_accounts", on_account_list, 0},
    {HTTP_GET, "/v1/provider_accounts/{id}", on_account_get, 0},
    {HTTP_POST, "/v1/provider_accounts/{id}/enable", on_account_enable, 0},
    {HTTP_POST, "/v1/provider_accounts/{id}/disable", on_account_disable, 0},
    {HTTP_GET, "/healthz", on_healthz, ROUTE_OPEN},
    {HTTP_GET, "/readyz", on_readyz, ROUTE_OPEN},
    {HTTP_GET, "/metrics", on_metrics, ROUTE_OPEN},
};

/* The public zone can reach no secret-key route: it has a table of its own. */
static const struct http_route public_routes[] = {
    {HTTP_GET, "/healthz", on_healthz, ROUTE_OPEN},
    {HTTP_POST, "/webhooks/{id}", on_provider_webhook, HTTP_ANY_TYPE},
    {HTTP_GET, "/return/{merchant}/{id}/{key}", on_return, HTTP_SECRET_PATH},
    {HTTP_POST, "/return/{merchant}/{id}/{key}", on_return, HTTP_ANY_TYPE | HTTP_SECRET_PATH},
    {HTTP_POST, "/client/confirm", on_client_confirm, HTTP_CORS | ROUTE_BROWSER},
    {HTTP_GET, "/client/payment", on_client_payment, HTTP_CORS | ROUTE_BROWSER},
    {HTTP_GET, "/pay/{merchant}/{id}/{key}", on_checkout_page, HTTP_SECRET_PATH | ROUTE_BROWSER},
    {HTTP_GET, "/pay/{merchant}/{id}/{key}/state", on_checkout_state,
     HTTP_SECRET_PATH | ROUTE_BROWSER},
    {HTTP_POST, "/pay/{merchant}/{id}/{key}/token", on_checkout_token,
     HTTP_SECRET_PATH | ROUTE_BROWSER},
    {HTTP_GET, "/checkout/checkout.js", on_checkout_asset, 0},
    {HTTP_GET, "/favicon.svg", on_checkout_asset, 0},
    {HTTP_POST, "/reports", on_page_report, HTTP_ANY_TYPE | HTTP_CORS},
};

/* Whoever guesses at tokens and pages, or pays with cards of others, needs many tries. */
static void public_gate(struct http_request *req, void *ctx)
{
    struct api *a = ctx;
    const struct http_route *route = http_request_route(req);
    const struct config *c = a->config.settings;
    struct err_info info = {0};
    uint8_t key[16];
    int wait_s = 0;
    if (!(route->flags & ROUTE_BROWSER) || c->client_requests_per_minute == 0 ||
        !http_visitor(req, c->proxies, key) ||
        limiter_take(&a->browsers, key, (int)c->client_requests_per_minute, MINUTE_US, &wait_s)) {
        route->handler(req, ctx);
        return;
    }
    (void)error_set(&info, ERR_RATE_LIMITED, "Too many requests from this address: wait.");
    info.retry_after_s = wait_s;
    http_reply_problem(req, &info);
}

static err_t start_listener(struct api *a, const char *name, int fd,
                            const struct http_route *routes, size_t n, http_handler *gate,
                            struct http_server **ret, struct err_info *reterr)
{
    const struct config *c = a->config.settings;
    struct http_server_config server = {.name = name,
                                        .listen_fd = fd,
                                        .routes = routes,
                                        .routes_n = n,
                                        .ctx = a,
                                        .gate = gate,
                                        .header_bytes_max = (size_t)c->http_header_bytes_max,
                                        .body_bytes_max = (size_t)c->http_body_bytes_max,
                                        .read_timeout_ms = c->http_read_timeout_ms,
                                        .idle_timeout_ms = c->http_idle_timeout_ms,
                                        .connections_max = (unsigned)c->http_connections_max};
    return http_server_start(&server, ret, reterr);
}

err_t api_start(const struct api_config *config, struct api **ret, struct err_info *reterr)
{
    struct api *a = mem_alloc(sizeof *a);
    if (!a)
        return error_set(reterr, ERR_NO_MEMORY, "no memory for the API");
    a->config = *config;
    pthread_mutex_init(&a->key_lock, NULL);
    limiter_init(&a->card_tries);
    limiter_init(&a->page_tokens);
    limiter_init(&a->page_reports);
    limiter_init(&a->browsers);
    hooks_start(a);
    err_t err = start_listener(a, "private", config->private_fd, private_routes,
                               COUNT_OF(private_routes), api_gate, &a->private_server, reterr);
    if (!err)
        err = start_listener(a, "public", config->public_fd, public_routes, COUNT_OF(public_routes),
                             public_gate, &a->public_server, reterr);
    if (err) {
        api_stop(a);
        return err;
    }
    *ret = a;
    return OK;
}

void api_quiesce(struct api *a)
{
    http_server_quiesce(a->private_server);
    http_server_quiesce(a->public_server);
}

size_t api_active(struct api *a)
{
    return http_server_active(a->private_server) + http_server_active(a->public_server);
}

void api_stop(struct api *a)
{
    if (!a)
        return;
    if (a->private_server)
        http_server_stop(a->private_server);
    if (a->public_server)
        http_server_stop(a->public_server);
    hooks_stop(a);
    /* Of a stepped node the store is not at work now, and what it has left is dropped with it. */
    while (!a->config.stepped && __atomic_load_n(&a->asked, __ATOMIC_ACQUIRE) > 0)
        sys_pause_us(1000);
    pthread_mutex_destroy(&a->key_lock);
    limiter_release(&a->card_tries);
    limiter_release(&a->page_tokens);
    limiter_release(&a->page_reports);
    limiter_release(&a->browsers);
    mem_free(a);
}

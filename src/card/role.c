/* The card role: listener, client, links. */
#include <unistd.h>

#include "card/card_internal.h"
#include "sys/sys.h"

#define ALONE_US INT64_C(10000000)

static const struct http_route routes[] = {
    {HTTP_POST, "/v1/cards", on_card, 0},         {HTTP_POST, "/reports", on_report, HTTP_ANY_TYPE},
    {HTTP_GET, "/config.json", on_config, 0},     {HTTP_GET, "/favicon.svg", on_asset, 0},
    {HTTP_GET, "/fields/fields.js", on_asset, 0}, {HTTP_GET, "/fields/{kind}", on_field, 0},
    {HTTP_GET, "/florin.d.ts", on_asset, 0},      {HTTP_GET, "/florin.js", on_asset, 0},
};

err_t card_start(const struct card_config *config, struct card_role **ret, struct err_info *reterr)
{
    struct card_role *c = mem_alloc(sizeof *c);
    if (!c) {
        close(config->listen_fd);
        return error_set(reterr, ERR_NO_MEMORY, "no memory for the card role");
    }
    c->config = *config;
    limiter_init(&c->attempts);
    link_slot_init(&c->api);
    link_slot_init(&c->vault);
    struct http_server_config server = {.name = "card",
                                        .listen_fd = config->listen_fd,
                                        .routes = routes,
                                        .routes_n = COUNT_OF(routes),
                                        .ctx = c,
                                        .header_bytes_max = 16384,
                                        .body_bytes_max = 8192,
                                        .read_timeout_ms = config->read_timeout_ms,
                                        .idle_timeout_ms = config->idle_timeout_ms,
                                        .connections_max = config->connections_max};
    err_t err = http_client_start("acquirers", config->calls_max, &c->client, reterr);
    struct egress_config egress = {.api = &c->api,
                                   .vault = &c->vault,
                                   .client = c->client,
                                   .public_only = config->public_only,
                                   .per_second = config->per_second,
                                   .stepped = config->stepped};
    memcpy(egress.permit_key, config->permit_key, sizeof egress.permit_key);
    if (!err)
        err = egress_new(&egress, &c->egress);
    if (err)
        close(config->listen_fd);
    else
        err = http_server_start(&server, &c->server, reterr);
    if (err) {
        card_stop(c);
        return err;
    }
    *ret = c;
    return OK;
}

/* What `api` asks. */
static bool request(struct link *l, const struct link_frame *f, void *arg)
{
    struct card_role *c = arg;
    (void)l;
    switch (f->message) {
    case LINK_EGRESS:
        return egress_request(c->egress, f);
    case LINK_FORGET:
    case LINK_KEEP:
    case LINK_EXPIRY:
        return card_pass_on(c, f);
    default:
        return false;
    }
}

static bool none(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)f, (void)arg;
    return false; /* the vault asks nothing */
}

static void api_gone(struct link *l, void *arg)
{
    struct card_role *c = arg;
    (void)l;
    egress_asker_gone(c->egress);
}

err_t card_link(struct card_role *c, enum link_role peer, int fd)
{
    struct link_slot *slot = peer == LINK_API ? &c->api : &c->vault;
    struct link *l = NULL;
    struct link_config config = {.fd = fd,
                                 .self = LINK_CARD,
                                 .peer = peer,
                                 .thread = peer == LINK_API ? "link-api" : "link-vault",
                                 .request = peer == LINK_API ? request : none,
                                 .gone = peer == LINK_API ? api_gone : NULL,
                                 .arg = c};
    ASSERT(peer == LINK_API || peer == LINK_VAULT);
    err_t err = fd < 0 ? OK : link_open(&config, &l);
    link_slot_put(slot, l);
    if (l) {
        __atomic_store_n(peer == LINK_API ? &c->api_came : &c->vault_came, true, __ATOMIC_RELEASE);
        __atomic_store_n(peer == LINK_API ? &c->api_lost_us : &c->vault_lost_us, 0,
                         __ATOMIC_RELEASE);
    }
    return err;
}

/* All that is under way is the dead one's: no other has a link yet. */
err_t card_api_gone(struct card_role *c, struct err_info *reterr)
{
    link_slot_put(&c->api, NULL);
    egress_close(c->egress);
    http_client_stop(c->client);
    c->client = NULL;
    err_t err = http_client_start("acquirers", c->config.calls_max, &c->client, reterr);
    if (!err)
        egress_reopen(c->egress, c->client);
    return err;
}

err_t card_revoke(struct card_role *c, struct str list)
{
    return egress_revoke(c->egress, list);
}

/* A link that came and went since the last look was there: its loss counts anew. */
static bool lost_for_long(struct link_slot *s, const bool *came, int64_t *lost_us, int64_t now_us)
{
    if (!__atomic_load_n(came, __ATOMIC_ACQUIRE) || !link_slot_lost(s)) {
        __atomic_store_n(lost_us, 0, __ATOMIC_RELEASE);
        return false;
    }
    int64_t since_us = __atomic_load_n(lost_us, __ATOMIC_ACQUIRE);
    if (since_us == 0)
        __atomic_store_n(lost_us, now_us, __ATOMIC_RELEASE);
    return since_us != 0 && now_us - since_us > ALONE_US;
}

bool card_alone(struct card_role *c, int64_t now_us)
{
    bool api = lost_for_long(&c->api, &c->api_came, &c->api_lost_us, now_us);
    bool vault = lost_for_long(&c->vault, &c->vault_came, &c->vault_lost_us, now_us);
    return api || vault;
}

int card_refused(struct card_role *c)
{
    return link_slot_refused(&c->api) ? LINK_API : link_slot_refused(&c->vault) ? LINK_VAULT : 0;
}

void card_turn(struct card_role *c)
{
    egress_turn(c->egress);
}

void card_quiesce(struct card_role *c)
{
    http_server_quiesce(c->server);
}

bool card_idle(struct card_role *c)
{
    return egress_active(c->egress) == 0 && http_server_active(c->server) == 0 &&
           __atomic_load_n(&c->active, __ATOMIC_ACQUIRE) == 0;
}

void card_stop(struct card_role *c)
{
    if (!c)
        return;
    if (c->egress)
        egress_close(c->egress);
    if (c->client)
        http_client_stop(c->client);
    link_slot_put(&c->vault, NULL); /* after it: it is told which CVCs were used */
    link_slot_tick(&c->vault, INT64_MAX);
    link_slot_put(&c->api, NULL);
    if (c->server)
        http_server_stop(c->server);
    link_slot_tick(&c->vault, INT64_MAX); /* what was asked meanwhile */
    egress_free(c->egress);
    link_slot_release(&c->vault);
    link_slot_release(&c->api);
    limiter_release(&c->attempts);
    mem_free(c);
}

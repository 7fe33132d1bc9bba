/* What anybody may send to the address of a provider's webhooks. Unsigned, nothing of it is taken;
 * signed, any bytes come to an event within its bounds or are refused. */
#include <stdio.h>
#include <stdlib.h>

#include "connect/connect.h"
#include "crypto/crypto.h"
#include "wire/wire.h"

#define NOW_S 1733000000

static struct connectors *connectors;
static const char credentials[] = "{\"base_url\":\"http://127.0.0.1:1\",\"api_key\":\"sandbox\"}";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct err_info info = {0};
    const char *dir = getenv("FUZZ_CONNECTORS");
    crypto_init();
    wire_init();
    if (connectors_load(dir ? dir : "connectors", &connectors, &info) != OK)
        check_panic("connectors: %s", info.detail);
    if (!connectors_manifest(connectors, "sandbox"))
        check_panic("the sandbox connector did not load: %s", info.detail);
    return 0;
}

static err_t hear(struct str headers, struct str body, struct provider_event *e)
{
    struct err_info info = {0};
    struct provider_webhook w = {
        .headers = headers, .body = body, .now_us = INT64_C(1000000) * NOW_S};
    return connector_webhook(connectors, "sandbox", str_from(credentials), &w, e, &info);
}

static void sign(struct str body, struct buf *header)
{
    static const char purpose[] = "sandbox webhook:sandbox";
    uint8_t hash[32];
    struct buf secret = BUF(65), message = BUF(8192);
    crypto_sha256(purpose, sizeof purpose - 1, hash);
    buf_hex(&secret, hash, sizeof hash);
    buf_printf(&message, "%d.", NOW_S);
    buf_add(&message, body.p, body.n);
    ASSERT(!message.failed && !secret.failed);
    crypto_hmac_sha256(secret.p, secret.n, message.p, message.n, hash);
    buf_printf(header, "sandbox-signature: t=%d,v1=", NOW_S);
    buf_hex(header, hash, sizeof hash);
    buf_byte(header, '\n');
    buf_free(&secret);
    buf_free(&message);
}

/* References go into statements and paths: 26 characters of an id after a known prefix. */
static bool reference_ok(const char *reference)
{
    struct id id;
    return id_parse(ID_ATTEMPT, str_from(reference), &id) ||
           id_parse(ID_CAPTURE, str_from(reference), &id) ||
           id_parse(ID_CANCEL, str_from(reference), &id) ||
           id_parse(ID_REFUND, str_from(reference), &id) ||
           id_parse(ID_INCREMENT, str_from(reference), &id);
}

static void check_event(const struct provider_event *e)
{
    const struct outcome *o = &e->outcome;
    struct url url;
    bool money = o->kind == OUTCOME_AUTHORIZED || o->kind == OUTCOME_CAPTURED ||
                 o->kind == OUTCOME_REFUNDED || o->kind == OUTCOME_INCREMENTED;
    ASSERT(e->id[0] && memchr(e->id, 0, sizeof e->id));
    ASSERT(provider_event_text(e->kind) && outcome_text(o->kind));
    ASSERT(e->kind == PROVIDER_EVENT_IGNORED || reference_ok(e->reference));
    ASSERT(!money || (o->amount > 0 && currency_by_number(o->currency)));
    ASSERT(e->kind != PROVIDER_EVENT_CLEARING || money);
    ASSERT((e->kind == PROVIDER_EVENT_DISPUTE) == (o->dispute.reference[0] != 0));
    ASSERT(e->kind != PROVIDER_EVENT_OPERATION || o->kind != OUTCOME_UNKNOWN);
    ASSERT(o->action == ACTION_NONE || url_parse(str_from(o->action_url), &url));
    ASSERT(o->decline == DECLINE_NONE || decline_code_text(o->decline));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = {(const char *)data, size};
    struct buf header = BUF(256);
    struct provider_event e;
    ASSERT(hear(input, STR("{}"), &e) != OK);
    ASSERT(hear(STR("x: y\n"), input, &e) == ERR_FORBIDDEN);
    sign(input, &header);
    err_t err = hear(buf_view(&header), input, &e);
    ASSERT(err == OK || err == ERR_PARAM_INVALID);
    if (err == OK)
        check_event(&e);
    buf_free(&header);
    return 0;
}

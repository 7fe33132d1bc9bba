/* What a provider may answer: any status and any bytes. The sandbox connector must come to an
 * outcome that is within its bounds, and a success only with the very amount and currency that were
 * asked. */
#include <stdio.h>
#include <stdlib.h>

#include "connect/connect.h"
#include "crypto/crypto.h"
#include "wire/wire.h"

#define HEAD 4 /* bytes of the input that choose the call and the status; the rest is the body */
#define AMOUNT 9232

static struct connectors *connectors;
static int16_t eur;

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
    eur = (int16_t)currency_find(STR("EUR"))->number;
    return 0;
}

/* The first four in the order that the seeds know. */
static const enum provider_operation abouts[] = {
    OPERATION_AUTHORIZE, OPERATION_CAPTURE,   OPERATION_CANCEL,       OPERATION_REFUND,
    OPERATION_CONFIRM,   OPERATION_INCREMENT, OPERATION_CANCEL_REFUND};

static struct provider_call call_from(const uint8_t head[HEAD])
{
    struct provider_call call = {
        .operation = (enum provider_operation)(head[0] % OPERATION_COUNT),
        .about = abouts[head[0] / OPERATION_COUNT % COUNT_OF(abouts)],
        .merchant_id = 1,
        .account = 1,
        .amount = AMOUNT,
        .currency = eur,
        .capture = head[1] & 1,
        .reference = "att_0000000000000000000000000G",
        .token = "pm_tok_visa",
    };
    if (call.operation != OPERATION_AUTHORIZE) {
        (void)snprintf(call.original, sizeof call.original, "att_0000000000000000000000000G");
        (void)snprintf(call.provider_reference, sizeof call.provider_reference, "ch_1");
    }
    if (call.operation >= OPERATION_SUBMIT_EVIDENCE)
        (void)snprintf(call.provider_reference, sizeof call.provider_reference, "dp_1");
    return call;
}

static bool is_text(const char *p, size_t size)
{
    const char *end = memchr(p, 0, size);
    return end && (end == p || str_is_utf8((struct str){p, (size_t)(end - p)}));
}

#define ASSERT_TEXT(a) ASSERT(is_text(a, sizeof(a)))

/* May the operation (an inquiry: the one asked about) end like this? */
static bool fits(const struct provider_call *call, enum outcome_kind kind)
{
    bool inquiry = call->operation == OPERATION_INQUIRE;
    enum provider_operation about = inquiry ? call->about : call->operation;
    bool authorize = about == OPERATION_AUTHORIZE || about == OPERATION_CONFIRM;
    switch (kind) {
    case OUTCOME_AUTHORIZED:
    case OUTCOME_REQUIRES_ACTION:
    case OUTCOME_SOFT_DECLINED:
    case OUTCOME_EXPIRED:
        return authorize;
    case OUTCOME_CAPTURED:
        return authorize || about == OPERATION_CAPTURE;
    case OUTCOME_CANCELED:
        return about == OPERATION_CANCEL || about == OPERATION_CANCEL_REFUND ||
               about == OPERATION_REFUND;
    case OUTCOME_REFUNDED:
        return about == OPERATION_REFUND;
    case OUTCOME_INCREMENTED:
        return about == OPERATION_INCREMENT;
    case OUTCOME_ACCEPTED:
        return about >= OPERATION_SUBMIT_EVIDENCE;
    case OUTCOME_NOT_FOUND:
        return inquiry || about == OPERATION_INQUIRE_DISPUTE;
    default:
        return true;
    }
}

static void check_dispute(const struct outcome *o)
{
    const struct dispute_facts *d = &o->dispute;
    ASSERT_TEXT(d->reason);
    ASSERT_TEXT(d->network_reason_code);
    ASSERT_TEXT(d->acquirer_reference);
    if (!d->reference[0])
        return;
    ASSERT(o->kind == OUTCOME_ACCEPTED && strcmp(d->reference, "dp_1") == 0);
    ASSERT(d->stage >= STAGE_INQUIRY && d->stage <= STAGE_CHARGEBACK);
    ASSERT(d->status >= DISPUTED_NEEDS_RESPONSE && d->status <= DISPUTED_CLOSED);
    ASSERT(d->amount > 0 && d->fee >= 0 && d->version > 0 && d->due_us >= 0);
    ASSERT(currency_by_number(d->currency));
}

static void check_outcome(const struct provider_call *call, const struct outcome *o)
{
    bool money = o->kind == OUTCOME_AUTHORIZED || o->kind == OUTCOME_CAPTURED ||
                 o->kind == OUTCOME_REFUNDED || o->kind == OUTCOME_INCREMENTED ||
                 (o->kind == OUTCOME_CANCELED && o->amount != 0);
    ASSERT(outcome_text(o->kind));
    ASSERT(!money || (o->amount == call->amount && o->currency == call->currency));
    ASSERT(fits(call, o->kind));
    ASSERT(o->decline == DECLINE_NONE || decline_code_text(o->decline));
    ASSERT_TEXT(o->provider_reference);
    ASSERT_TEXT(o->network_reference);
    ASSERT_TEXT(o->authorization_code);
    ASSERT_TEXT(o->provider_code);
    ASSERT_TEXT(o->provider_message);
    ASSERT_TEXT(o->acquirer_reference);
    ASSERT_TEXT(o->card_brand);
    ASSERT_TEXT(o->card_last_four);
    ASSERT_TEXT(o->three_ds.version);
    ASSERT_TEXT(o->three_ds.eci);
    ASSERT_TEXT(o->three_ds.transaction_id);
    ASSERT((o->kind == OUTCOME_REQUIRES_ACTION) == (o->action != ACTION_NONE));
    struct url url;
    ASSERT(o->action == ACTION_NONE || url_parse(str_from(o->action_url), &url));
    ASSERT(o->capture_before_us >= 0 && o->action_expires_us >= 0);
    check_dispute(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    struct provider_call call = call_from(data);
    struct outcome o = {0};
    int status = (data[2] << 8 | data[3]) % 600;
    struct str body = {(const char *)data + HEAD, size - HEAD};
    connector_read(connectors, "sandbox", &call, status, body, &o);
    check_outcome(&call, &o);
    return 0;
}

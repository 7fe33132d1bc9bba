/* The words: operations, decline codes, retry classes, outcomes; and the integrity rule. */
#include <stdio.h>

#include "connect/connect_internal.h"

const char *provider_operation_text(enum provider_operation o)
{
    static const char *const text[OPERATION_COUNT] = {
#define X(n, t) [OPERATION_##n] = t,
        PROVIDER_OPERATIONS(X)
#undef X
    };
    ASSERT(o < OPERATION_COUNT);
    return text[o];
}

enum provider_operation operation_find(struct str text)
{
    int o = 0;
    while (o < OPERATION_COUNT &&
           !str_eq(text, str_from(provider_operation_text((enum provider_operation)o))))
        o++;
    return (enum provider_operation)o;
}

static const struct {
    const char *text;
    enum retry_class retry;
} declines[] = {{NULL, RETRY_NEVER},
#define X(n, number, code, retry) [number] = {code, RETRY_##retry},
                DECLINE_CODES(X)
#undef X
};

const char *decline_code_text(int decline)
{
    return decline > 0 && decline < (int)COUNT_OF(declines) ? declines[decline].text : NULL;
}

int decline_code_find(struct str text)
{
    for (int i = 1; i < (int)COUNT_OF(declines); i++)
        if (str_eq(text, str_from(declines[i].text)))
            return i;
    return 0;
}

enum retry_class decline_retry(int decline)
{
    return decline > 0 && decline < (int)COUNT_OF(declines) ? declines[decline].retry : RETRY_NEVER;
}

const char *retry_class_text(enum retry_class r)
{
    static const char *const text[] = {"never", "later", "other_provider", "step_up",
                                       "inquire_first"};
    ASSERT((size_t)r < COUNT_OF(text));
    return text[r];
}

const char *outcome_text(enum outcome_kind k)
{
    static const char *const text[] = {
#define X(n, t) [OUTCOME_##n] = t,
        OUTCOMES(X)
#undef X
    };
    ASSERT((size_t)k < COUNT_OF(text));
    return text[k];
}

const char *const three_ds_requests[] = {[THREE_DS_AUTOMATIC] = "automatic",
                                         [THREE_DS_REQUIRED] = "required",
                                         [THREE_DS_EXTERNAL] = "external"};
const char *const three_ds_flows[] = {[THREE_DS_FRICTIONLESS] = "frictionless",
                                      [THREE_DS_CHALLENGE] = "challenge",
                                      [THREE_DS_BY_MERCHANT] = "external"};
const char *const credential_uses[] = {[CREDENTIAL_ONCE] = "once",
                                       [CREDENTIAL_FIRST] = "first",
                                       [CREDENTIAL_CUSTOMER] = "customer",
                                       [CREDENTIAL_MERCHANT] = "merchant"};
const char *const action_types[] = {
    [ACTION_REDIRECT] = "redirect", [ACTION_CHALLENGE] = "challenge"};
const char *const dispute_stages[] = {
    [STAGE_INQUIRY] = "inquiry", [STAGE_CHARGEBACK] = "chargeback"};
const char *const dispute_statuses[] = {[DISPUTED_NEEDS_RESPONSE] = "needs_response",
                                        [DISPUTED_UNDER_REVIEW] = "under_review",
                                        [DISPUTED_WON] = "won",
                                        [DISPUTED_LOST] = "lost",
                                        [DISPUTED_ACCEPTED] = "accepted",
                                        [DISPUTED_CLOSED] = "closed"};
const char *const event_kinds[] = {[PROVIDER_EVENT_IGNORED] = "ignored",
                                   [PROVIDER_EVENT_OPERATION] = "operation",
                                   [PROVIDER_EVENT_AUTHENTICATED] = "authenticated",
                                   [PROVIDER_EVENT_CLEARING] = "clearing",
                                   [PROVIDER_EVENT_DISPUTE] = "dispute"};

int word_find(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (words[i] && strcmp(text, words[i]) == 0)
            return (int)i;
    return -1;
}

const char *provider_event_text(enum provider_event_kind k)
{
    ASSERT((size_t)k < COUNT_OF(event_kinds));
    return event_kinds[k];
}

/* A cancellation need not name an amount, but a wrong one is no cancellation of ours. */
static bool amount_matters(const struct outcome *o)
{
    switch (o->kind) {
    case OUTCOME_AUTHORIZED:
    case OUTCOME_CAPTURED:
    case OUTCOME_REFUNDED:
    case OUTCOME_INCREMENTED:
        return true;
    case OUTCOME_CANCELED:
        return o->amount != 0 || o->currency != 0;
    default:
        return false;
    }
}

void outcome_check(const struct provider_call *call, struct outcome *o)
{
    if (!amount_matters(o) || (o->amount == call->amount && o->currency == call->currency))
        return;
    o->kind = OUTCOME_UNKNOWN;
    o->decline = DECLINE_NONE;
    (void)snprintf(o->provider_code, sizeof o->provider_code, "amount_mismatch");
    (void)snprintf(o->provider_message, sizeof o->provider_message,
                   "The provider's answer names %lld of currency %d where %lld of %d was asked.",
                   (long long)o->amount, o->currency, (long long)call->amount, call->currency);
}

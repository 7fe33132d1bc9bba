/* The words: operations, decline codes, retry classes, outcomes; and the integrity rule. */
#include "connect/connect.h"

#include <stdio.h>

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

void outcome_check(const struct provider_call *call, struct outcome *o)
{
    bool success =
        o->kind == OUTCOME_AUTHORIZED || o->kind == OUTCOME_CAPTURED || o->kind == OUTCOME_REFUNDED;
    bool said = o->amount != 0 || o->currency != 0;
    if (o->kind == OUTCOME_CANCELED)
        success = said; /* a cancellation need not name an amount, but a wrong one is no
                           cancellation of ours */
    if (!success || (o->amount == call->amount && o->currency == call->currency))
        return;
    o->kind = OUTCOME_UNKNOWN;
    o->decline = DECLINE_NONE;
    (void)snprintf(o->provider_code, sizeof o->provider_code, "amount_mismatch");
    (void)snprintf(o->provider_message, sizeof o->provider_message,
                   "The provider's answer names %lld of currency %d where %lld of %d was asked.",
                   (long long)o->amount, o->currency, (long long)call->amount, call->currency);
}

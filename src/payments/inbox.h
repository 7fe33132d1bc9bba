/* The inbox: webhooks of providers that were verified. Each is recorded and counts once; what
 * cannot be applied yet waits. In whatever order they come, and however often, the same things
 * happen. */
#ifndef FLORIN_PAYMENTS_INBOX_H
#define FLORIN_PAYMENTS_INBOX_H

#include "connect/connect.h"
#include "flow/flow.h"

enum inbox_result {
    INBOX_APPLIED,
    INBOX_DUPLICATE,     /* the same event came before */
    INBOX_WAITING,       /* recorded; is applied once what it builds on is known */
    INBOX_IGNORED,       /* nothing new */
    INBOX_UNMATCHED,     /* about nothing of ours */
    INBOX_CONTRADICTION, /* it says otherwise than what was recorded; nothing was changed */
    INBOX_GIVEN_UP       /* waited for too long */
};
/* "applied". */
const char *inbox_result_text(enum inbox_result r);

/* The flow's input. */
struct inbox_webhook {
    int16_t account; /* it came through this account of the merchant */
    const struct provider_event *event;
    bool record_only; /* a timer applies it */
    /* set by the flow */
    enum inbox_result result;
};
/* Records and applies a webhook. Shape: run->input is a struct inbox_webhook. Errors: whatever
 * comes of applying it; submit it again with record_only unless nothing can be done at all. A
 * webhook after which a provider has to be called is ERR_STATE so: its sender is not to wait for
 * that. */
extern const struct flow_def inbox_receive_flow;

#endif

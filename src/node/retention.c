/* Rows that nobody needs any more. A client token can neither pay nor be shown again once it has
 * expired; one that was used names its payment, which knows its checkout and its card by itself. Of
 * a report only its age counts. Checkouts are kept: payments name them. */
#include "node/retention.h"

#include "clients/clients.h"
#include "observe/observe.h"

void retention_init(struct retention *r, struct store *store, const struct config *settings)
{
    *r = (struct retention){.store = store, .settings = settings};
}

static err_t run(struct store_tx *tx, void *arg)
{
    struct retention *r = arg;
    r->tokens = r->reports = 0;
    err_t err = client_tokens_delete(tx, r->tokens_before_us, &r->tokens);
    return err ? err : reports_delete(tx, r->reports_before_us, &r->reports);
}

static void done(err_t err, void *arg)
{
    struct retention *r = arg;
    bool some = !err && (r->tokens || r->reports);
    if (some)
        LOG(LOG_INFO, "retention.deleted", LOG_INT("client_tokens", r->tokens),
            LOG_INT("page_reports", r->reports));
    bool more = some && (r->tokens == DELETED_AT_ONCE || r->reports == DELETED_AT_ONCE);
    __atomic_store_n(&r->more, more, __ATOMIC_RELAXED);
    __atomic_store_n(&r->busy, false, __ATOMIC_RELEASE);
}

void retention_turn(struct retention *r, int64_t mono_us, int64_t now_us)
{
    if (__atomic_load_n(&r->busy, __ATOMIC_ACQUIRE))
        return;
    if (__atomic_exchange_n(&r->more, false, __ATOMIC_RELAXED))
        r->next_us = mono_us + SECOND_US;
    if (r->next_us == 0)
        r->next_us = mono_us + HOUR_US;
    if (mono_us < r->next_us)
        return;
    r->next_us = mono_us + HOUR_US;
    r->tokens_before_us = now_us - r->settings->client_tokens_keep_days * DAY_US;
    r->reports_before_us = now_us - r->settings->page_reports_keep_days * DAY_US;
    r->op = (struct store_op){.run = run, .done = done, .arg = r};
    __atomic_store_n(&r->busy, true, __ATOMIC_RELEASE);
    if (store_submit(r->store, &r->op) != OK)
        done(ERR_UNAVAILABLE, r);
}

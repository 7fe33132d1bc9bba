/* Clearing: what the provider settles may differ from what was captured. The ledger shows both. */
#include "payments/clearing.h"

#include "observe/observe.h"
#include "payments/review.h"
#include "search/search.h"

/* |difference| <= captured * tolerance / 10000, without overflow. */
static bool within(int64_t captured, int64_t amount, int64_t tolerance_bps)
{
    __int128 difference =
        amount > captured ? (__int128)amount - captured : (__int128)captured - amount;
    return difference * 10000 <= (__int128)captured * tolerance_bps;
}

/* Whose operation the journal is: the review's when a person has to look. */
static err_t to_review(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                       int64_t before, int64_t amount, bool tolerated, struct id *ret_review,
                       bool *ret_reviewed)
{
    struct review r;
    bool found;
    err_t err = review_find_open(tx, p->merchant_id, p->id, REVIEW_CLEARING_AMOUNT, &r, &found);
    *ret_reviewed = found || !tolerated;
    if (!err && found) {
        *ret_review = r.id;
        err = review_update(tx, run, &r, before, amount);
    } else if (!err && !tolerated) {
        err = review_open(tx, run, p, REVIEW_CLEARING_AMOUNT, before, amount, ret_review);
    }
    review_release(&r);
    return err;
}

static err_t add_difference(const struct ledger_entry *e, void *arg)
{
    const struct journal *j = &e->journal;
    int64_t *sum = arg;
    if (j->kind == JOURNAL_CLEARING || j->kind == JOURNAL_CLEARING_REVIEW)
        for (size_t i = 0; i < j->n; i++)
            if (j->posting[i].account == ACCOUNT_PROVIDER_RECEIVABLE)
                *sum += j->posting[i].amount;
    return OK;
}

/* Posts the difference from what the ledger has: captures, and earlier differences. */
static err_t post_difference(struct store_tx *tx, struct flow_run *run, struct payment *p,
                             int64_t amount)
{
    struct journal j = {0};
    struct id operation = {{0}};
    bool reviewed = false;
    int64_t before = p->captured;
    bool tolerated = within(p->captured, amount, settings_of(run)->clearing_tolerance_bps);
    err_t err =
        p->cleared ? ledger_each(tx, p->merchant_id, p->journal_last, add_difference, &before) : OK;
    if (err || amount == before)
        return err;
    err = to_review(tx, run, p, before, amount, tolerated, &operation, &reviewed);
    if (err)
        return err;
    if (!reviewed)
        operation = id_derive(p->id, (unsigned)p->attempt);
    ledger_clearing(&j, p->provider_account, amount - before, reviewed);
    LOG(reviewed ? LOG_WARN : LOG_INFO, "clearing.difference", LOG_ID("payment", ID_PAYMENT, p->id),
        LOG_INT("before", before), LOG_INT("now", amount));
    return payment_post(tx, p, &j, operation);
}

static err_t take(struct store_tx *tx, struct flow_run *run, struct payment *p, int64_t amount,
                  const char *acquirer_reference)
{
    err_t err = payment_move(p, PAYMENT_DO_CLEAR, &run->error);
    if (!err)
        err = post_difference(tx, run, p, amount);
    p->cleared = amount;
    if (!err)
        err = search_add(tx, p->merchant_id, SEARCH_PAYMENT, SEARCH_REFERENCE,
                         str_from(acquirer_reference), p->id);
    return err ? err : payment_save(tx, p);
}

err_t clearing_apply(struct store_tx *tx, struct flow_run *run, struct id payment, int64_t amount,
                     int16_t currency, const char *acquirer_reference, enum applied *ret)
{
    struct payment p;
    bool found;
    ASSERT(amount > 0 && amount <= AMOUNT_MAX);
    err_t err = payment_load_now(tx, run, payment, &p, &found);
    if (err || !found || p.currency != currency) {
        *ret = APPLIED_UNKNOWN;
        goto out;
    }
    /* While a capture is under way it is not known what is to be settled. */
    *ret = p.captured == 0 || p.state == PAYMENT_PROCESSING ||
                   !machine_next(&payment_machine, p.state, PAYMENT_DO_CLEAR)
               ? APPLIED_LATER
           : p.cleared == amount ? APPLIED_NOTHING
                                 : APPLIED_DONE;
    if (*ret == APPLIED_DONE)
        err = take(tx, run, &p, amount, acquirer_reference);
out:
    payment_release(&p);
    return err;
}

/* Applying a provider's event: to the flow that waits for it, or to what is recorded. */
#include "observe/observe.h"
#include "payments/authorize.h"
#include "payments/clearing.h"
#include "payments/dispute.h"
#include "payments/hold.h"
#include "payments/inbox_internal.h"
#include "payments/refund.h"
#include "payments/review.h"

/* What we know of the operation that a reference names. */
struct recorded {
    bool found;
    bool open;         /* not decided */
    bool done, failed; /* decided so; neither: it was, and is no longer */
    int state;         /* of the attempt, operation or refund */
    int64_t amount;
    int16_t currency, account;
    struct id payment;
    struct id subject; /* with number: of its position */
    int16_t number;
    int16_t operations; /* of the payment */
};

/* --- what is recorded --- */

static bool parse_reference(const char *reference, enum provider_operation about, struct id *ret)
{
    static const enum id_kind kinds[] = {
        [OPERATION_AUTHORIZE] = ID_ATTEMPT,  [OPERATION_CAPTURE] = ID_CAPTURE,
        [OPERATION_CANCEL] = ID_CANCEL,      [OPERATION_REFUND] = ID_REFUND,
        [OPERATION_INQUIRE] = ID_KIND_COUNT, [OPERATION_CONFIRM] = ID_ATTEMPT,
        [OPERATION_INCREMENT] = ID_INCREMENT};
    return (size_t)about < COUNT_OF(kinds) && kinds[about] != ID_KIND_COUNT &&
           id_parse(kinds[about], str_from(reference), ret);
}

static void take_attempt(struct recorded *r, struct store_row *row)
{
    r->found = true;
    r->state = (int)row_int(row, 0);
    r->amount = row_int(row, 1);
    r->account = (int16_t)row_int(row, 2);
    r->done = r->state == ATTEMPT_AUTHORIZED || r->state == ATTEMPT_CAPTURED;
    r->failed = r->state == ATTEMPT_DECLINED || r->state == ATTEMPT_FAILED;
    r->open = !r->done && !r->failed && r->state != ATTEMPT_CANCELED;
}

static err_t load_attempt(struct store_tx *tx, const struct payment *p, struct recorded *r)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_PAYMENTS_READ_ATTEMPT, &row, V_INT(p->merchant_id), V_ID(&p->id),
                          V_INT(r->number));
    if (!err && row)
        take_attempt(r, row);
    return err;
}

/* A cancellation under an attempt's number gave up that attempt and has no row of its own. */
static err_t load_abandoned(struct store_tx *tx, const struct payment *p, struct recorded *r)
{
    err_t err = load_attempt(tx, p, r);
    r->failed = r->done;
    r->done = r->state == ATTEMPT_CANCELED;
    return err;
}

static err_t load_operation(struct store_tx *tx, const struct payment *p,
                            enum provider_operation about, struct recorded *r)
{
    struct store_row *row;
    if (about == OPERATION_AUTHORIZE)
        return load_attempt(tx, p, r);
    err_t err = store_one(tx, SQL_PAYMENTS_READ_OPERATION, &row, V_INT(p->merchant_id),
                          V_ID(&p->id), V_INT(r->number));
    if (err)
        return err;
    if (!row)
        return about == OPERATION_CANCEL ? load_abandoned(tx, p, r) : OK;
    r->found = true;
    r->state = (int)row_int(row, 1);
    r->amount = row_int(row, 2);
    r->account = p->provider_account;
    r->done = r->state == OPERATIONS_SUCCEEDED;
    r->failed = r->state == OPERATIONS_FAILED;
    r->open = !r->done && !r->failed;
    return OK;
}

static err_t load_refund(struct store_tx *tx, int64_t merchant_id, struct recorded *r)
{
    struct refund refund;
    err_t err = refund_load(tx, merchant_id, r->subject, &refund, &r->found);
    if (!err && r->found) {
        r->payment = refund.payment;
        r->state = refund.state;
        r->amount = refund.amount;
        r->currency = refund.currency;
        r->account = refund.provider_account;
        r->done = refund.state == REFUND_SUCCEEDED;
        r->failed = refund.state == REFUND_FAILED;
        r->open = refund.state == REFUND_PENDING;
    }
    refund_release(&refund);
    return err;
}

static err_t load_recorded(struct store_tx *tx, int64_t merchant_id, enum provider_operation about,
                           struct id id, struct recorded *r)
{
    struct payment p;
    bool found;
    *r = (struct recorded){.subject = id};
    if (about == OPERATION_REFUND)
        return load_refund(tx, merchant_id, r);
    r->subject = r->payment = id_base(id);
    r->number = (int16_t)id_number(id);
    err_t err = payment_load(tx, merchant_id, r->subject, &p, &found);
    if (!err && found) {
        r->currency = p.currency;
        r->operations = p.operations;
        err = load_operation(tx, &p, about, r);
    }
    payment_release(&p);
    return err;
}

/* --- operations --- */

static bool says_done(enum outcome_kind k)
{
    return k == OUTCOME_AUTHORIZED || k == OUTCOME_CAPTURED || k == OUTCOME_CANCELED ||
           k == OUTCOME_REFUNDED || k == OUTCOME_INCREMENTED;
}

static bool says_not(enum outcome_kind k)
{
    return k == OUTCOME_DECLINED || k == OUTCOME_FAILED || k == OUTCOME_SOFT_DECLINED;
}

/* Nothing is changed by it; a person must look. */
static err_t contradicted(struct store_tx *tx, struct flow_run *run, struct applying *a,
                          const struct recorded *r, const char *what)
{
    const struct provider_event *e = a->event;
    LOG(LOG_ERROR, "provider_event.contradiction", LOG_INT("merchant", run->merchant_id),
        LOG_STR("event", e->id), LOG_STR("reference", e->reference),
        LOG_STR("about", provider_operation_text(e->about)),
        LOG_STR("outcome", outcome_text(e->outcome.kind)), LOG_STR("detail", what));
    a->result = INBOX_CONTRADICTION;
    return review_contradiction(tx, run, r->payment, r->failed ? 0 : r->amount,
                                says_not(e->outcome.kind) ? 0 : e->outcome.amount);
}

static enum inbox_result result_of(enum applied applied)
{
    return applied == APPLIED_DONE      ? INBOX_APPLIED
           : applied == APPLIED_NOTHING ? INBOX_IGNORED
           : applied == APPLIED_LATER   ? INBOX_WAITING
                                        : INBOX_UNMATCHED;
}

/* Late news of what has been decided: nothing new, or not what we know. */
static err_t compare(struct store_tx *tx, struct flow_run *run, struct applying *a,
                     const struct recorded *r)
{
    enum outcome_kind k = a->event->outcome.kind;
    bool authorization = a->event->about == OPERATION_AUTHORIZE;
    if (says_done(k) && r->failed)
        return contradicted(tx, run, a, r, "it is recorded as refused");
    if (says_not(k) && r->done)
        return contradicted(tx, run, a, r, "it is recorded as done");
    if (authorization && k == OUTCOME_CAPTURED && !r->failed &&
        (r->state == ATTEMPT_CANCELED ||
         (r->state == ATTEMPT_AUTHORIZED && r->operations == r->number)))
        return contradicted(tx, run, a, r, "no capture of it was asked for");
    a->result = INBOX_IGNORED;
    return OK;
}

static err_t apply_refund(struct store_tx *tx, struct flow_run *run, struct applying *a,
                          const struct recorded *r)
{
    const struct outcome *o = &a->event->outcome;
    enum applied applied = APPLIED_NOTHING;
    err_t err = refund_apply(tx, run, r->subject, o, &applied);
    a->result = result_of(applied);
    if (err || applied != APPLIED_NOTHING)
        return err;
    if ((r->done && (o->kind == OUTCOME_CANCELED || (says_not(o->kind) && !o->after_success))) ||
        (r->state == REFUND_CANCELED && o->kind == OUTCOME_REFUNDED))
        return contradicted(tx, run, a, r, "the refund is recorded otherwise");
    return OK;
}

static err_t apply_decided(struct store_tx *tx, struct flow_run *run, struct applying *a,
                           const struct recorded *r)
{
    const struct provider_event *e = a->event;
    enum applied applied;
    if (e->about == OPERATION_REFUND)
        return apply_refund(tx, run, a, r);
    if (e->outcome.kind != OUTCOME_EXPIRED)
        return compare(tx, run, a, r);
    if (!r->done) {
        a->result = INBOX_IGNORED;
        return OK;
    }
    err_t err = hold_apply(tx, run, r->subject, &e->outcome, &applied);
    if (!err)
        a->result = result_of(applied);
    return err;
}

/* What an undecided operation learns nothing from. */
static bool says_nothing(const struct applying *a, const struct recorded *r)
{
    enum outcome_kind k = a->event->outcome.kind;
    return k == OUTCOME_PENDING ||
           (k == OUTCOME_REQUIRES_ACTION && r->state == ATTEMPT_REQUIRES_ACTION);
}

static err_t became(struct flow_run *run, struct applying *a)
{
    a->result = INBOX_APPLIED;
    a->became = true;
    if (a->first && run->effect == FLOW_CALL)
        return error_set(&run->error, ERR_STATE, "A provider is to be called first.");
    return OK;
}

/* A position waits for it, or somebody is at work: then the answer of the call goes first. */
static err_t apply_open(struct store_tx *tx, struct flow_run *run, struct applying *a,
                        const struct recorded *r)
{
    const struct provider_event *e = a->event;
    struct provider_call call = {.operation = OPERATION_INQUIRE,
                                 .about = e->about,
                                 .amount = r->amount,
                                 .currency = r->currency};
    struct outcome outcome = e->outcome;
    bool applied, held;
    a->result = INBOX_IGNORED;
    if (says_nothing(a, r))
        return OK;
    a->result = INBOX_WAITING;
    if (outcome.kind == OUTCOME_EXPIRED) /* what expired must be known first */
        return OK;
    outcome_check(&call, &outcome);
    if (outcome.kind == OUTCOME_UNKNOWN)
        return contradicted(tx, run, a, r, outcome.provider_message);
    err_t err = flow_deliver(tx, run, r->subject, r->number, e->about, &outcome, &applied, &held);
    if (err)
        return err;
    if (applied)
        return became(run, a);
    return held || e->about != OPERATION_REFUND ? OK : apply_refund(tx, run, a, r);
}

static err_t apply_operation(struct store_tx *tx, struct flow_run *run, struct applying *a)
{
    const struct provider_event *e = a->event;
    struct recorded r;
    struct id id;
    a->result = INBOX_UNMATCHED;
    if (!parse_reference(e->reference, e->about, &id))
        return OK;
    err_t err = load_recorded(tx, run->merchant_id, e->about, id, &r);
    if (err || !r.found || r.account != a->account)
        return err;
    return r.open ? apply_open(tx, run, a, &r) : apply_decided(tx, run, a, &r);
}

/* --- the customer was authenticated --- */

/* A browser that comes back goes first: it brings the customer. */
enum { TRIES_FOR_BROWSER = 3 };

/* The browser may never come back: then this confirms, not at once and not while the provider waits
 * for an answer. */
static err_t confirm(struct store_tx *tx, struct flow_run *run, struct applying *a,
                     const struct payment *p)
{
    static struct payment_confirm by_return = {.by_return = true};
    struct job position;
    bool found;
    struct id id = id_derive(p->id, (unsigned)p->attempt);
    a->result = INBOX_WAITING;
    if (a->first || a->tries <= TRIES_FOR_BROWSER)
        return OK;
    err_t err = job_read(tx, run->merchant_id, id, &position, &found);
    if (err || !found || position.until_us > run->det.now_us)
        return err;
    run->def = &payment_confirm_flow;
    run->step = 0;
    run->subject = p->id;
    run->number = 0;
    run->input = &by_return;
    err = run->def->steps[0].run(tx, run);
    return err ? err : became(run, a);
}

static err_t apply_authenticated(struct store_tx *tx, struct flow_run *run, struct applying *a)
{
    struct payment p;
    struct id id;
    bool found;
    a->result = INBOX_UNMATCHED;
    if (!parse_reference(a->event->reference, OPERATION_AUTHORIZE, &id))
        return OK;
    err_t err = payment_load(tx, run->merchant_id, id_base(id), &p, &found);
    if (err || !found || p.provider_account != a->account)
        goto out;
    a->result = INBOX_IGNORED;
    if (!settings_of(run)->confirm_on_return || p.attempt != (int16_t)id_number(id))
        goto out;
    if (p.state == PAYMENT_REQUIRES_ACTION)
        err = confirm(tx, run, a, &p);
    else if (p.state == PAYMENT_PROCESSING && p.authorized == 0)
        a->result = INBOX_WAITING; /* the answer that asks the customer is on its way */
out:
    payment_release(&p);
    return err;
}

/* --- money that moved by itself --- */

static err_t apply_clearing(struct store_tx *tx, struct flow_run *run, struct applying *a)
{
    const struct outcome *o = &a->event->outcome;
    enum applied applied;
    struct recorded r;
    struct id id;
    a->result = INBOX_UNMATCHED;
    if (!parse_reference(a->event->reference, OPERATION_AUTHORIZE, &id))
        return OK;
    err_t err = load_recorded(tx, run->merchant_id, OPERATION_AUTHORIZE, id, &r);
    if (err || !r.found || r.account != a->account)
        return err;
    err =
        clearing_apply(tx, run, r.subject, o->amount, o->currency, o->acquirer_reference, &applied);
    if (!err)
        a->result = result_of(applied);
    return err;
}

err_t inbox_word(struct store_tx *tx, const struct flow_run *run, int16_t account,
                 const char *reference, int64_t from, int64_t until, struct id *ret_key,
                 bool *ret_found)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_PAYMENTS_READ_WAITING_WORD, &row, V_INT(run->merchant_id),
                          V_INT(account), V_TEXT(str_from(reference)), V_INT(from), V_INT(until));
    *ret_found = !err && row;
    if (*ret_found)
        *ret_key = row_id(row, 0);
    return err;
}

/* The next word may wait for this one. */
static err_t wake_next(struct store_tx *tx, const struct flow_run *run, const struct applying *a)
{
    const struct dispute_facts *f = &a->event->outcome.dispute;
    struct id key;
    bool waits;
    err_t err =
        inbox_word(tx, run, a->account, f->reference, f->version + 1, f->version + 2, &key, &waits);
    return err || !waits ? err : flow_hasten(tx, run, key, 0, run->det.now_us);
}

static err_t apply_dispute(struct store_tx *tx, struct flow_run *run, struct applying *a)
{
    enum applied applied;
    err_t err = dispute_apply(tx, run, a->account, &a->event->outcome.dispute, a->newest, &applied);
    if (err)
        return err;
    a->result = result_of(applied);
    return applied == APPLIED_DONE ? wake_next(tx, run, a) : OK;
}

err_t inbox_apply(struct store_tx *tx, struct flow_run *run, struct applying *a)
{
    ASSERT(id_is_zero(run->job.id));
    a->became = false;
    a->result = INBOX_IGNORED;
    switch (a->event->kind) {
    case PROVIDER_EVENT_IGNORED:
        return OK;
    case PROVIDER_EVENT_OPERATION:
        return apply_operation(tx, run, a);
    case PROVIDER_EVENT_AUTHENTICATED:
        return apply_authenticated(tx, run, a);
    case PROVIDER_EVENT_CLEARING:
        return apply_clearing(tx, run, a);
    case PROVIDER_EVENT_DISPUTE:
        return apply_dispute(tx, run, a);
    }
    return OK;
}

err_t inbox_unheard(struct store_tx *tx, struct flow_run *run, const struct provider_event *e)
{
    bool dispute = e->kind == PROVIDER_EVENT_DISPUTE;
    enum provider_operation about =
        e->kind == PROVIDER_EVENT_OPERATION ? e->about : OPERATION_AUTHORIZE;
    struct recorded r = {.found = false};
    struct id id;
    if (!parse_reference(e->reference, about, &id))
        return OK;
    err_t err = load_recorded(tx, run->merchant_id, about, id, &r);
    if (err || !r.found)
        return err;
    return review_contradiction(tx, run, r.payment, 0,
                                dispute ? e->outcome.dispute.amount : e->outcome.amount);
}

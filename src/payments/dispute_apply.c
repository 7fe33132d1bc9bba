/* What a provider says of a dispute, version by version: the dispute moves, and the money with it.
 */
#include "observe/observe.h"
#include "payments/dispute.h"
#include "search/search.h"

struct word {
    struct store_tx *tx;
    struct flow_run *run;
    struct dispute *d;
    struct payment *p;
    const struct dispute_facts *f;
    bool money; /* the payment has changed */
    /* before it: a timer that is right stays, or it would remind twice */
    int64_t due_us;
    bool waited;
};

static bool lost(const struct dispute *d)
{
    return d->state == DISPUTE_LOST || d->state == DISPUTE_ACCEPTED;
}

/* --- money --- */

static err_t post(struct word *w, struct journal *j)
{
    w->money = true;
    return payment_post(w->tx, w->p, j, w->d->id);
}

static err_t hold(struct word *w)
{
    struct journal j = {0};
    struct dispute *d = w->d;
    ledger_dispute_hold(&j, d->provider_account, d->amount);
    d->held = d->amount;
    w->p->disputed += d->amount;
    return post(w, &j);
}

static err_t release(struct word *w)
{
    struct journal j = {0};
    struct dispute *d = w->d;
    ASSERT(w->p->disputed >= d->held);
    ledger_dispute_release(&j, d->provider_account, d->held);
    w->p->disputed -= d->held;
    d->held = 0;
    return post(w, &j);
}

/* Also of an inquiry that was accepted, whose money is taken just now. */
static err_t lose(struct word *w)
{
    struct journal j = {0};
    struct dispute *d = w->d;
    err_t err = d->held ? OK : hold(w);
    if (err)
        return err;
    ledger_dispute_loss(&j, d->provider_account, d->held, d->fee);
    w->p->disputed -= d->held;
    w->p->dispute_lost += d->held;
    d->held = 0;
    return post(w, &j);
}

static err_t reverse(struct word *w)
{
    struct journal j = {0};
    struct dispute *d = w->d;
    ASSERT(w->p->dispute_lost >= d->amount);
    ledger_dispute_reversal(&j, d->provider_account, d->amount, d->fee);
    w->p->dispute_lost -= d->amount;
    return post(w, &j);
}

static err_t move_money(struct word *w, enum dispute_step step)
{
    struct dispute *d = w->d;
    switch (step) {
    case DISPUTE_DO_OPEN:
        return d->held ? OK : hold(w);
    case DISPUTE_DO_WIN:
        return lost(d) ? reverse(w) : d->held ? release(w) : OK;
    case DISPUTE_DO_LOSE:
    case DISPUTE_DO_ACCEPT:
        return lose(w);
    default:
        return OK;
    }
}

/* --- states --- */

static int wanted(const struct dispute_facts *f)
{
    switch (f->status) {
    case DISPUTED_NEEDS_RESPONSE:
        return f->stage == STAGE_INQUIRY ? DISPUTE_INQUIRY : DISPUTE_NEEDS_RESPONSE;
    case DISPUTED_UNDER_REVIEW:
        return DISPUTE_UNDER_REVIEW;
    case DISPUTED_WON:
    case DISPUTED_CLOSED:
        return DISPUTE_WON;
    case DISPUTED_LOST:
        return DISPUTE_LOST;
    case DISPUTED_ACCEPTED:
        return DISPUTE_ACCEPTED;
    }
    return DISPUTE_NONE;
}

/* The next step towards what the facts say; -1: it is there, or cannot get there. When versions
 * were missed it takes the steps between, so that the books are as if they had been seen. */
static int next_step(const struct dispute *d, const struct dispute_facts *f)
{
    bool chargeback = f->stage == STAGE_CHARGEBACK;
    int want = wanted(f), step = -1;
    if (d->state == DISPUTE_NONE)
        return chargeback ? DISPUTE_DO_OPEN : DISPUTE_DO_ASK;
    if (chargeback && d->held == 0 &&
        (d->state == DISPUTE_INQUIRY || d->state == DISPUTE_UNDER_REVIEW))
        return DISPUTE_DO_OPEN;
    if (d->state == want)
        return -1;
    bool reopened = d->state == DISPUTE_WON && chargeback;
    if (want == DISPUTE_NEEDS_RESPONSE)
        step = DISPUTE_DO_OPEN;
    else if (want == DISPUTE_UNDER_REVIEW)
        step = reopened ? DISPUTE_DO_OPEN : DISPUTE_DO_SUBMIT;
    else if (want == DISPUTE_WON)
        step = DISPUTE_DO_WIN;
    else if (want == DISPUTE_LOST)
        step = DISPUTE_DO_LOSE;
    else if (want == DISPUTE_ACCEPTED)
        step = reopened ? DISPUTE_DO_OPEN : DISPUTE_DO_ACCEPT;
    return step >= 0 && machine_next(&dispute_machine, d->state, step) ? step : -1;
}

static err_t tell(struct word *w)
{
    struct buf json = BUF(JSON_MAX);
    struct dispute *d = w->d;
    enum event_type type = !d->event_last    ? EVENT_DISPUTE_CREATED
                           : dispute_over(d) ? EVENT_DISPUTE_CLOSED
                                             : EVENT_DISPUTE_UPDATED;
    err_t err = dispute_announce(w->tx, w->run, d, type, &json);
    buf_free(&json);
    return err;
}

/* Another amount than before: what is held is held anew. */
static err_t take_amount(struct word *w)
{
    struct dispute *d = w->d;
    bool held = d->held > 0;
    if (d->amount == w->f->amount)
        return OK;
    err_t err = held ? release(w) : OK;
    d->amount = w->f->amount;
    return !err && held ? hold(w) : err;
}

/* Takes what the facts say besides the state; *ret_news: the merchant sees something new. What was
 * lost keeps its amount and fee: they are what a reversal gives back. */
static err_t take_details(struct word *w, bool *ret_news)
{
    struct dispute *d = w->d;
    const struct dispute_facts *f = w->f;
    *ret_news = d->due_us != f->due_us || strcmp(d->reason, f->reason) != 0 ||
                strcmp(d->network_reason_code, f->network_reason_code) != 0 ||
                (!lost(d) && (d->amount != f->amount || d->fee != f->fee));
    d->provider_version = f->version;
    d->due_us = f->due_us;
    copy_text(d->reason, sizeof d->reason, f->reason[0] ? str_from(f->reason) : STR("general"));
    copy_text(d->network_reason_code, sizeof d->network_reason_code,
              str_from(f->network_reason_code));
    if (f->acquirer_reference[0])
        copy_text(d->acquirer_reference, sizeof d->acquirer_reference,
                  str_from(f->acquirer_reference));
    if (lost(d))
        return OK;
    d->fee = f->fee;
    return take_amount(w);
}

static err_t take_steps(struct word *w)
{
    struct dispute *d = w->d;
    bool news = false, moved = false;
    err_t err = take_details(w, &news);
    for (int step; !err && (step = next_step(d, w->f)) >= 0;) {
        err = move_money(w, (enum dispute_step)step);
        d->state = machine_next(&dispute_machine, d->state, step);
        if (step == DISPUTE_DO_SUBMIT && d->submitted_us == 0)
            d->submitted_us = w->run->det.now_us;
        moved = true;
        if (!err)
            err = tell(w);
    }
    if (!err && !moved && news && !dispute_over(d)) {
        d->state = machine_next(&dispute_machine, d->state, DISPUTE_DO_UPDATE);
        err = tell(w);
    }
    return err;
}

/* --- rows --- */

static err_t insert(struct store_tx *tx, const struct dispute *d)
{
    return store_exec(
        tx, SQL_PAYMENTS_INSERT_DISPUTE, NULL, V_INT(d->merchant_id), V_ID(&d->id),
        V_ID(&d->payment), V_INT(d->state), V_INT(d->version), V_INT(d->amount), V_INT(d->fee),
        V_INT(d->held), V_INT(d->currency), V_INT(d->provider_account), V_INT(d->provider_version),
        V_INT(d->due_us), V_INT(d->submitted_us), V_INT(d->event_last), V_INT(d->updated_us),
        V_TEXT(str_from(d->provider_reference)), V_TEXT(opt_str(d->acquirer_reference)),
        V_TEXT(str_from(d->reason)), V_TEXT(opt_str(d->network_reason_code)));
}

static void fresh(struct word *w, int16_t account)
{
    struct dispute *d = w->d;
    *d = (struct dispute){.merchant_id = w->p->merchant_id,
                          .id = id_new(&w->run->det),
                          .payment = w->p->id,
                          .amount = w->f->amount,
                          .currency = w->f->currency,
                          .provider_account = account,
                          .created_us = w->p->updated_us,
                          .updated_us = w->p->updated_us,
                          .evidence = BUF(EVIDENCE_TEXT_MAX),
                          .files = BUF(JSON_MAX)};
    copy_text(d->provider_reference, sizeof d->provider_reference, str_from(w->f->reference));
    buf_str(&d->evidence, "{}");
    buf_str(&d->files, "[]");
}

static err_t find_by(struct word *w, const char *reference)
{
    return search_add(w->tx, w->d->merchant_id, SEARCH_DISPUTE, SEARCH_REFERENCE,
                      str_from(reference), w->d->id);
}

static err_t write(struct word *w, bool found)
{
    struct dispute *d = w->d;
    bool watch = !found || w->due_us != d->due_us || w->waited != dispute_waits(d);
    err_t err = d->evidence.failed || d->files.failed ? ERR_NO_MEMORY
                : found                               ? dispute_save(w->tx, d)
                                                      : insert(w->tx, d);
    if (!err)
        err = find_by(w, d->provider_reference);
    if (!err)
        err = find_by(w, d->acquirer_reference);
    if (!err && w->money)
        err = payment_move(w->p, PAYMENT_DO_DISPUTE, &w->run->error);
    if (!err && w->money)
        err = payment_save(w->tx, w->p);
    return err || !watch ? err : dispute_watch(w->tx, w->run, d);
}

/* --- judging --- */

static enum applied judge(const struct dispute *d, const struct payment *p,
                          const struct dispute_facts *f, bool newest)
{
    if (f->version <= d->provider_version)
        return APPLIED_NOTHING;
    if (f->currency != p->currency)
        return APPLIED_UNKNOWN;
    if (!newest && f->version > d->provider_version + 1)
        return APPLIED_LATER;
    /* More than was captured as far as we know: the rest may be on its way to us. */
    if (p->captured == 0 || (!newest && f->amount > p->captured) ||
        !machine_next(&payment_machine, p->state, PAYMENT_DO_DISPUTE))
        return APPLIED_LATER;
    return APPLIED_DONE;
}

/* The payment that it is about. */
static err_t load_payment(struct word *w, int16_t account, bool found, bool *ret_there)
{
    struct id attempt, id = w->d->payment;
    *ret_there = false;
    if (!found && !id_parse(ID_ATTEMPT, str_from(w->f->charge), &attempt))
        return OK;
    if (!found)
        id = id_base(attempt);
    err_t err = payment_load_now(w->tx, w->run, id, w->p, ret_there);
    if (*ret_there && w->p->provider_account != account)
        *ret_there = false;
    return err;
}

err_t dispute_apply(struct store_tx *tx, struct flow_run *run, int16_t account,
                    const struct dispute_facts *f, bool newest, enum applied *ret)
{
    struct dispute d;
    struct payment p = {0};
    struct word w = {.tx = tx, .run = run, .d = &d, .p = &p, .f = f};
    bool found, there = false;
    err_t err = dispute_find(tx, run->merchant_id, account, f->reference, &d, &found);
    if (!err)
        err = load_payment(&w, account, found, &there);
    if (err)
        goto out;
    *ret = there ? judge(&d, &p, f, newest) : APPLIED_UNKNOWN;
    if (*ret != APPLIED_DONE)
        goto out;
    if (!found)
        fresh(&w, account);
    w.due_us = d.due_us;
    w.waited = dispute_waits(&d);
    err = d.evidence.failed || d.files.failed ? ERR_NO_MEMORY : take_steps(&w);
    if (!err)
        err = write(&w, found);
    if (!err)
        LOG(LOG_INFO, "dispute.applied", LOG_ID("dispute", ID_DISPUTE, d.id),
            LOG_ID("payment", ID_PAYMENT, p.id),
            LOG_STR("status", machine_text(&dispute_machine, d.state)),
            LOG_INT("version", f->version));
out:
    payment_release(&p);
    dispute_release(&d);
    return err;
}

/* Disputes: opened by a token or the control page, answered with evidence, won or lost. Every move
 * makes a version, and a webhook. */
#include "sandbox/sandbox_internal.h"

#include <stdio.h>

#define FEE 1500
#define ANSWER_S (INT64_C(7) * 86400)

/* Columns of select_dispute. */
enum {
    DP_ID,
    DP_CHARGE,
    DP_CAPTURE_ID,
    DP_STAGE,
    DP_STATUS,
    DP_REASON,
    DP_AMOUNT,
    DP_CURRENCY,
    DP_FEE,
    DP_DUE_AT,
    DP_FUNDS,
    DP_VERSION
};

static const struct {
    const char *reason, *code; /* the network's, Visa's numbers */
} reasons[] = {
    {"fraudulent", "10.4"},
    {"product_not_received", "13.1"},
    {"product_unacceptable", "13.3"},
    {"subscription_canceled", "13.2"},
    {"credit_not_processed", "13.6"},
    {"duplicate", "12.6.1"},
    {"incorrect_amount", "12.5"},
    {"unrecognized", "10.4"},
    {"general", "12.7"},
};

bool dispute_reason_known(struct str reason)
{
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (str_eq(reason, str_from(reasons[i].reason)))
            return true;
    return false;
}

bool dispute_id_parse(struct str text, struct id *ret)
{
    char id[ID_TEXT_MAX];
    const char *prefix = id_prefix(ID_ATTEMPT);
    if (!str_starts(text, STR("dp_")) || text.n - 3 + strlen(prefix) >= sizeof id)
        return false;
    int n = snprintf(id, sizeof id, "%s" STR_FMT, prefix, (int)(text.n - 3), text.p + 3);
    return id_parse(ID_ATTEMPT, (struct str){id, (size_t)n}, ret);
}

void dispute_json(struct jw *w, const char *key, const struct dispute *d)
{
    static const char *const statuses[] = {
        [DISPUTE_NEEDS_RESPONSE] = "needs_response",
        [DISPUTE_UNDER_REVIEW] = "under_review",
        [DISPUTE_WON] = "won",
        [DISPUTE_LOST] = "lost",
        [DISPUTE_ACCEPTED] = "accepted",
        [DISPUTE_CLOSED] = "closed",
    };
    static const char *const funds[] = {"none", "withdrawn", "returned"};
    char text[ID_TEXT_MAX], acquirer[24];
    const char *code = "";
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (strcmp(d->reason, reasons[i].reason) == 0)
            code = reasons[i].code;
    id_words("dp_", d->id, text);
    acquirer_reference(d->capture_id, acquirer);
    jw_object(w, key);
    jw_str(w, "object", STR("dispute"));
    jw_str(w, "id", str_from(text));
    jw_str(w, "charge_reference", str_from(d->charge));
    jw_str(w, "stage", d->stage == STAGE_INQUIRY ? STR("inquiry") : STR("chargeback"));
    jw_str(w, "status", str_from(statuses[d->status]));
    jw_str(w, "reason", str_from(d->reason));
    jw_str(w, "network_reason_code", str_from(code));
    jw_int(w, "amount", d->amount);
    jw_str(w, "currency", str_from(d->currency));
    jw_int(w, "fee", d->fee);
    jw_int(w, "due_at", d->due_at);
    jw_str(w, "funds", str_from(funds[d->funds]));
    jw_str(w, "acquirer_reference", str_from(acquirer));
    jw_int(w, "version", d->version);
    jw_object_end(w);
}

err_t dispute_get_row(struct store_tx *tx, struct id id, struct dispute *ret, bool *ret_there)
{
    struct store_row *row = NULL;
    err_t err = store_one(tx, SQL_SANDBOX_SELECT_DISPUTE, &row, V_INT(BOOK_MERCHANT), V_ID(&id));
    *ret_there = !err && row;
    if (!*ret_there)
        return err;
    *ret = (struct dispute){.id = row_id(row, DP_ID),
                            .capture_id = row_id(row, DP_CAPTURE_ID),
                            .stage = (enum dispute_stage)row_int(row, DP_STAGE),
                            .status = (enum dispute_status)row_int(row, DP_STATUS),
                            .amount = row_int(row, DP_AMOUNT),
                            .fee = row_int(row, DP_FEE),
                            .due_at = row_int(row, DP_DUE_AT),
                            .funds = (enum dispute_funds)row_int(row, DP_FUNDS),
                            .version = row_int(row, DP_VERSION)};
    text_copy(ret->charge, sizeof ret->charge, row_text(row, DP_CHARGE));
    text_copy(ret->reason, sizeof ret->reason, row_text(row, DP_REASON));
    text_copy(ret->currency, sizeof ret->currency, row_text(row, DP_CURRENCY));
    return OK;
}

/* --- opening --- */
static err_t withdraw(struct store_tx *tx, const char *charge, int64_t amount, bool *ret_done)
{
    int64_t changed = 0;
    err_t err = store_exec(tx, SQL_SANDBOX_UPDATE_CHARGE_DISPUTED, &changed, V_INT(amount),
                           V_INT(BOOK_MERCHANT), V_TEXT(str_from(charge)));
    *ret_done = changed == 1;
    return err;
}

static err_t deadline(struct store_tx *tx, const struct dispute *d, int64_t *earliest)
{
    char id[ID_TEXT_MAX];
    id_words("dp_", d->id, id);
    return due_add(tx, d->due_at * 1000000, DUE_DISPUTE_ENDS, str_from(id), earliest);
}

static err_t dispute_insert(struct store_tx *tx, const struct dispute *d)
{
    return store_exec(tx, SQL_SANDBOX_INSERT_DISPUTE, NULL, V_INT(BOOK_MERCHANT), V_ID(&d->id),
                      V_TEXT(str_from(d->charge)), V_ID(&d->capture_id), V_INT(d->stage),
                      V_INT(d->status), V_TEXT(str_from(d->reason)), V_INT(d->amount),
                      V_TEXT(str_from(d->currency)), V_INT(d->fee), V_INT(d->due_at),
                      V_INT(d->funds));
}

err_t dispute_open_run(struct store_tx *tx, void *arg)
{
    struct dispute_open *k = arg;
    struct dispute *d = &k->dispute;
    bool chargeback = k->stage == STAGE_CHARGEBACK, done = true;
    struct charge x;
    bool there = false;
    k->due_us = 0;
    err_t err = charge_get(tx, str_from(k->charge), &x, &there);
    k->done = there ? DONE_NOT_NOW : DONE_MISSING;
    if (err || !there)
        return err;
    int64_t most = x.captured - x.disputed;
    int64_t amount = k->amount ? k->amount : most - x.refunded > 0 ? most - x.refunded : most;
    if (amount < 1 || amount > most)
        return OK;
    *d = (struct dispute){.id = k->id,
                          .capture_id = x.capture_id,
                          .stage = k->stage,
                          .status = DISPUTE_NEEDS_RESPONSE,
                          .amount = amount,
                          .fee = chargeback ? FEE : 0,
                          .due_at = k->now_us / 1000000 + ANSWER_S,
                          .funds = chargeback ? FUNDS_WITHDRAWN : FUNDS_NONE,
                          .version = 1};
    text_copy(d->charge, sizeof d->charge, str_from(k->charge));
    text_copy(d->reason, sizeof d->reason, str_from(k->reason));
    text_copy(d->currency, sizeof d->currency, str_from(x.currency));
    if (chargeback)
        err = withdraw(tx, k->charge, amount, &done);
    if (err || !done)
        return err;
    k->done = DONE;
    err = dispute_insert(tx, d);
    if (!err)
        err = deadline(tx, d, &k->due_us);
    return err ? err : tell_dispute(tx, k->s, &x, d, "dispute.opened");
}

/* --- moving --- */
/* Where a dispute goes from where it is; false: it cannot. */
static bool plan(const struct dispute *d, enum dispute_status to, bool chargeback, int64_t now_us,
                 struct dispute *next)
{
    bool open = d->status == DISPUTE_NEEDS_RESPONSE || d->status == DISPUTE_UNDER_REVIEW;
    bool inquiry = d->stage == STAGE_INQUIRY;
    *next = *d;
    if (chargeback) {
        next->stage = STAGE_CHARGEBACK;
        next->status = DISPUTE_NEEDS_RESPONSE;
        next->fee = FEE;
        next->due_at = now_us / 1000000 + ANSWER_S;
        next->funds = FUNDS_WITHDRAWN;
        return open && inquiry;
    }
    next->status = to;
    switch (to) {
    case DISPUTE_UNDER_REVIEW:
        return d->status == DISPUTE_NEEDS_RESPONSE;
    case DISPUTE_WON: /* also the reversal of a lost one */
        next->funds = FUNDS_RETURNED;
        return !inquiry && (open || d->status == DISPUTE_LOST);
    case DISPUTE_LOST:
        return !inquiry && open;
    case DISPUTE_ACCEPTED: /* of an inquiry: the money goes back without a fee */
        next->funds = FUNDS_WITHDRAWN;
        return open;
    case DISPUTE_CLOSED:
        return inquiry && open;
    default:
        return false;
    }
}

/* Makes *next of *d, when the charge has the money. */
static err_t change(struct store_tx *tx, struct sandbox *s, struct dispute *d, struct dispute *next,
                    bool *ret_done, int64_t *earliest)
{
    struct charge x;
    bool there = false;
    err_t err = OK;
    *ret_done = true;
    if ((d->funds == FUNDS_WITHDRAWN) != (next->funds == FUNDS_WITHDRAWN))
        err = withdraw(tx, d->charge, next->funds == FUNDS_WITHDRAWN ? d->amount : -d->amount,
                       ret_done);
    if (err || !*ret_done)
        return err;
    err = store_exec_one(tx, SQL_SANDBOX_UPDATE_DISPUTE, ERR_STATE, V_INT(next->stage),
                         V_INT(next->status), V_INT(next->fee), V_INT(next->due_at),
                         V_INT(next->funds), V_INT(BOOK_MERCHANT), V_ID(&d->id), V_INT(d->version));
    if (!err && next->due_at != d->due_at)
        err = deadline(tx, next, earliest);
    if (!err)
        err = charge_get(tx, str_from(d->charge), &x, &there);
    if (err)
        return err;
    ASSERT(there);
    next->version = d->version + 1;
    *d = *next;
    bool over = d->status != DISPUTE_NEEDS_RESPONSE && d->status != DISPUTE_UNDER_REVIEW;
    return tell_dispute(tx, s, &x, d, over ? "dispute.closed" : "dispute.updated");
}

err_t dispute_move_run(struct store_tx *tx, void *arg)
{
    struct dispute_move *k = arg;
    struct dispute next;
    bool there = false, done = false;
    k->due_us = 0;
    err_t err = dispute_get_row(tx, k->id, &k->dispute, &there);
    k->done = there ? DONE_NOT_NOW : DONE_MISSING;
    if (err || !there || !plan(&k->dispute, k->to, k->chargeback, k->now_us, &next))
        return err;
    err = change(tx, k->s, &k->dispute, &next, &done, &k->due_us);
    if (done)
        k->done = DONE;
    return err;
}

/* Nobody answered in time: a chargeback is lost, an inquiry becomes one. */
err_t dispute_due(struct store_tx *tx, struct sandbox *s, struct str id, int64_t now_us,
                  int64_t *earliest)
{
    struct dispute d, next;
    struct id key;
    bool there = false, done = false;
    if (!dispute_id_parse(id, &key))
        return OK;
    err_t err = dispute_get_row(tx, key, &d, &there);
    if (err || !there || d.status != DISPUTE_NEEDS_RESPONSE || d.due_at * 1000000 > now_us)
        return err;
    bool inquiry = d.stage == STAGE_INQUIRY;
    if (!plan(&d, DISPUTE_LOST, inquiry, now_us, &next))
        return OK;
    return change(tx, s, &d, &next, &done, earliest);
}

/* --- what the merchant does --- */
err_t dispute_run(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    struct result *r = &c->result;
    bool there = false;
    *r = (struct result){.outcome = OUT_ANSWER, .kind = KIND_DISPUTE};
    err_t err = dispute_get_row(tx, c->dispute_id, &r->dispute, &there);
    if (!there)
        r->outcome = OUT_MISSING;
    return err;
}

static void refuse(struct result *r, const char *code)
{
    text_copy(r->op.code, sizeof r->op.code, str_from(code));
}

err_t accept_run(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    struct result *r = &c->result;
    struct dispute next;
    bool done = false;
    err_t err = dispute_run(tx, arg);
    if (err || r->outcome != OUT_ANSWER || r->dispute.status == DISPUTE_ACCEPTED)
        return err;
    if (!plan(&r->dispute, DISPUTE_ACCEPTED, false, c->now_us, &next)) {
        refuse(r, "dispute_closed");
        return OK;
    }
    err = change(tx, c->s, &r->dispute, &next, &done, &r->due_us);
    r->fresh = done;
    if (!err && !done)
        refuse(r, "amount_exceeds");
    return err;
}

/* Is the reference taken? Then c->result says what there is to answer. */
static err_t repeat(struct store_tx *tx, struct call *c, bool *ret_there)
{
    struct result *r = &c->result;
    struct store_row *row = NULL;
    struct sql_value reference = V_TEXT(str_from(c->reference));
    struct charge x;
    err_t err = store_one(tx, SQL_SANDBOX_SELECT_EVIDENCE, &row, V_INT(BOOK_MERCHANT), reference);
    if (err)
        return err;
    *ret_there = row != NULL;
    if (row) {
        struct str print = row_text(row, 1), answer = row_text(row, 2);
        bool same = id_eq(row_id(row, 0), c->dispute_id) &&
                    str_eq(print, (struct str){(const char *)c->evidence.fingerprint,
                                               sizeof c->evidence.fingerprint});
        r->text = same ? arena_copy(c->req->arena, answer.p, answer.n) : NULL;
        r->outcome = same ? OUT_ANSWER : OUT_REUSED;
        return same && !r->text ? ERR_NO_MEMORY : OK;
    }
    err = charge_get(tx, str_from(c->reference), &x, ret_there);
    if (!err && !*ret_there)
        err = operation_get(tx, str_from(c->reference), &r->op, ret_there);
    if (*ret_there)
        r->outcome = OUT_REUSED;
    return err;
}

static err_t evidence_insert(struct store_tx *tx, struct call *c, struct id charge_id)
{
    const struct dispute *d = &c->result.dispute;
    const struct evidence *e = &c->evidence;
    struct sql_value reference = V_TEXT(str_from(c->reference));
    struct buf answer = BUF(ANSWER_BYTES_MAX);
    struct jw w = {.b = &answer};
    dispute_json(&w, NULL, d);
    err_t err = answer.failed ? ERR_NO_MEMORY
                              : store_exec(tx, SQL_SANDBOX_INSERT_EVIDENCE, NULL,
                                           V_INT(BOOK_MERCHANT), reference, V_ID(&d->id),
                                           V_BLOB(e->fingerprint, sizeof e->fingerprint),
                                           V_TEXT(str_from(e->fields)), V_TEXT(str_from(e->files)),
                                           V_TEXT(buf_view(&answer)));
    buf_free(&answer);
    if (err)
        return err;
    return store_exec(tx, SQL_SANDBOX_INSERT_OPERATION, NULL, V_INT(BOOK_MERCHANT), reference,
                      V_ID(&c->id), V_INT(KIND_EVIDENCE), V_TEXT(str_from(d->charge)),
                      V_ID(&charge_id), V_INT(d->amount), V_TEXT(str_from(d->currency)),
                      V_TEXT(STR("")), V_INT(0), V_INT(-1));
}

/* What the issuer makes of it. */
static err_t judge(struct store_tx *tx, struct call *c)
{
    struct dispute *d = &c->result.dispute, next;
    bool wins = c->evidence.wins, inquiry = d->stage == STAGE_INQUIRY, done = false;
    if (!wins && !c->evidence.loses)
        return OK;
    enum dispute_status to = !wins ? DISPUTE_LOST : inquiry ? DISPUTE_CLOSED : DISPUTE_WON;
    if (!plan(d, to, inquiry && !wins, c->now_us, &next))
        return OK;
    return change(tx, c->s, d, &next, &done, &c->result.due_us);
}

err_t evidence_run(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    struct result *r = &c->result;
    struct dispute next;
    struct charge x;
    bool there = false, done = false;
    *r = (struct result){.outcome = OUT_ANSWER, .kind = KIND_DISPUTE};
    err_t err = repeat(tx, c, &there);
    if (err || there)
        return err;
    err = dispute_run(tx, arg);
    if (err || r->outcome != OUT_ANSWER)
        return err;
    if (!plan(&r->dispute, DISPUTE_UNDER_REVIEW, false, c->now_us, &next)) {
        refuse(r,
               r->dispute.status == DISPUTE_UNDER_REVIEW ? "already_submitted" : "dispute_closed");
        return OK;
    }
    r->fresh = true;
    err = charge_get(tx, str_from(r->dispute.charge), &x, &there);
    if (!err)
        err = change(tx, c->s, &r->dispute, &next, &done, &r->due_us);
    if (!err)
        err = judge(tx, c);
    return err ? err : evidence_insert(tx, c, x.id);
}

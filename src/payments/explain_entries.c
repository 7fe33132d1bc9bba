/* What happened to a payment: attempts, operations, refunds, disputes, clearing, reviews. States
 * are told by events, which are dated; what has none is told by rows and journals. */
#include "payments/dispute.h"
#include "payments/explain.h"
#include "payments/refund.h"
#include "payments/review.h"

struct buf *timeline_add(struct timeline *t, int64_t at_us, const char *what)
{
    struct entry *entries = mem_grow(t->entries, &t->max, t->n, sizeof *entries, 32);
    if (!entries) {
        t->failed = true;
        buf_clear(&t->lost);
        return &t->lost;
    }
    t->entries = entries;
    struct entry *e = &t->entries[t->n];
    *e = (struct entry){.at_us = at_us, .order = t->n, .what = what, .detail = BUF(8192)};
    t->n++;
    return &e->detail;
}

void timeline_amount(const struct timeline *t, struct buf *out, int64_t amount)
{
    money_format(out, amount, t->currency);
    buf_printf(out, " %s", t->currency->code);
}

/* What was gathered newest first since `from`. */
static void turn_round(struct timeline *t, size_t from)
{
    size_t k = t->n;
    for (size_t i = from; i < t->n; i++)
        t->entries[i].order = --k;
}

/* --- attempts and operations --- */

static void refusal(struct buf *text, int decline, struct str code, struct str message)
{
    if (decline)
        buf_printf(text, ": %s (retry: %s)", decline_code_text(decline),
                   retry_class_text(decline_retry(decline)));
    if (code.n)
        buf_printf(text, "; the provider said " STR_FMT, STR_ARG(code));
    if (message.n)
        buf_printf(text, " \"" STR_FMT "\"", STR_ARG(message));
    buf_byte(text, '.');
}

static err_t attempt_entries(struct store_row *row, void *arg)
{
    struct timeline *t = arg;
    int state = (int)row_int(row, 1);
    long long number = (long long)row_int(row, 0);
    struct buf *text = timeline_add(t, row_int(row, 4), "attempt.sent");
    buf_printf(text, "Attempt %lld of ", number);
    timeline_amount(t, text, row_int(row, 2));
    buf_printf(text, " was sent to " STR_FMT ".", STR_ARG(row_text(row, 12)));
    text = timeline_add(t, row_int(row, 5), "attempt.outcome");
    buf_printf(text, "Attempt %lld is %s", number, machine_text(&attempt_machine, state));
    refusal(text, (int)row_int(row, 3), row_text(row, 9), row_text(row, 10));
    return OK;
}

static err_t operation_entries(struct store_row *row, void *arg)
{
    static const char *const kinds[] = {"operation", "capture", "cancel", "increment"};
    static const char *const asked[] = {"operation.asked", "capture.asked", "cancel.asked",
                                        "increment.asked"};
    struct timeline *t = arg;
    size_t kind = (size_t)row_int(row, 1) < COUNT_OF(kinds) ? (size_t)row_int(row, 1) : 0;
    int state = (int)row_int(row, 2);
    struct str reason = row_text(row, 7), code = row_text(row, 6);
    struct buf *text = timeline_add(t, row_int(row, 4), asked[kind]);
    buf_str(text, kind == 2 ? "The release of " : kind == 3 ? "To hold " : "The capture of ");
    timeline_amount(t, text, row_int(row, 3));
    buf_str(text, kind == 3 ? " more was asked for" : " was asked for");
    if (reason.n)
        buf_printf(text, "; reason given: " STR_FMT, STR_ARG(reason));
    buf_byte(text, '.');
    if (state == OPERATIONS_SENT)
        return OK;
    text = timeline_add(t, row_int(row, 5), kinds[kind]);
    buf_printf(text, "The %s of ", kind == 2 ? "release" : kinds[kind]);
    timeline_amount(t, text, row_int(row, 3));
    buf_printf(text, ": %s", machine_text(&operation_machine, state));
    refusal(text, 0, code, (struct str){NULL, 0});
    return OK;
}

/* "partially captured" */
static void words(struct buf *text, const char *state)
{
    for (; *state; state++)
        buf_byte(text, *state == '_' ? ' ' : *state);
}

/* --- events --- */

/* Calls each() along an object's events, newest first. */
static err_t each_event(struct timeline *t, int64_t last,
                        void (*each)(struct timeline *t, const struct event *e, json_t *data,
                                     void *arg),
                        void *arg)
{
    for (int64_t sequence = last; sequence > 0;) {
        struct event e = {0};
        bool found = false;
        err_t err = event_read(t->tx, t->p->merchant_id, sequence, &e, &found);
        if (err)
            return err;
        ASSERT(found && e.previous < sequence);
        json_t *data = json_loadb(e.data.p, e.data.n, 0, NULL);
        if (!data)
            return ERR_NO_MEMORY;
        each(t, &e, data, arg);
        json_decref(data);
        sequence = e.previous;
    }
    return OK;
}

static const char *text_of(json_t *data, const char *name)
{
    const char *text = json_string_value(json_object_get(data, name));
    return text ? text : "";
}

static int64_t number_of(json_t *data, const char *name)
{
    return json_integer_value(json_object_get(data, name));
}

/* An authentication is told at the event that first knows of it. */
struct authentication {
    int64_t at_us;
    char flow[16], version[16], eci[4];
    int shift; /* 1 to the issuer, -1 not, 0 not said */
};

static void tell_authentication(struct timeline *t, const struct authentication *a)
{
    if (!a->flow[0])
        return;
    bool merchant = strcmp(a->flow, "external") == 0;
    struct buf *text = timeline_add(t, a->at_us, "authentication");
    buf_printf(text, "The cardholder was authenticated %s",
               merchant                               ? "by the merchant"
               : strcmp(a->flow, "frictionless") == 0 ? "without a challenge"
                                                      : "with a challenge");
    buf_printf(text, " (3-D Secure%s%s%s%s)", a->version[0] ? " " : "", a->version,
               a->eci[0] ? ", ECI " : "", a->eci);
    if (a->shift)
        buf_printf(text, "; fraud would be borne by the %s", a->shift > 0 ? "issuer" : "merchant");
    buf_byte(text, '.');
}

static void sum(const struct timeline *t, struct buf *text, const char *word, int64_t amount)
{
    if (amount == 0)
        return;
    buf_printf(text, " %s: ", word);
    timeline_amount(t, text, amount);
    buf_byte(text, '.');
}

static void sums(const struct timeline *t, struct buf *text, json_t *data)
{
    sum(t, text, "Held", number_of(data, "amount_capturable"));
    sum(t, text, "Taken", number_of(data, "amount_captured"));
    sum(t, text, "Given back", number_of(data, "amount_refunded"));
}

static void payment_event(struct timeline *t, const struct event *e, json_t *data, void *arg)
{
    struct authentication *newer = arg, now = {.at_us = e->created_us};
    json_t *three_ds = json_object_get(data, "three_ds");
    json_t *shift = json_object_get(three_ds, "liability_shift");
    const char *status = text_of(data, "status"), *code = text_of(data, "decline_code");
    int state = machine_find(&payment_machine, str_from(status));
    copy_text(now.flow, sizeof now.flow, str_from(text_of(three_ds, "flow")));
    copy_text(now.version, sizeof now.version, str_from(text_of(three_ds, "version")));
    copy_text(now.eci, sizeof now.eci, str_from(text_of(three_ds, "eci")));
    now.shift = json_is_true(shift) ? 1 : json_is_false(shift) ? -1 : 0;
    if (strcmp(now.flow, newer->flow) != 0 || strcmp(now.eci, newer->eci) != 0)
        tell_authentication(t, newer);
    *newer = now;
    struct buf *text = timeline_add(t, e->created_us, event_type_text(e->type));
    buf_str(text, "The payment is ");
    words(text, status);
    buf_printf(text, ": %s", payment_machine.states[state].meaning);
    if (code[0])
        buf_printf(text, " (%s)", code);
    buf_byte(text, '.');
    sums(t, text, data);
}

static void refund_event(struct timeline *t, const struct event *e, json_t *data, void *arg)
{
    int state = machine_find(&refund_machine, str_from(text_of(data, "status")));
    const char *code = text_of(data, "decline_code");
    (void)arg;
    struct buf *text = timeline_add(t, e->created_us, event_type_text(e->type));
    buf_str(text, "The refund of ");
    timeline_amount(t, text, number_of(data, "amount"));
    buf_printf(text, "%s: %s",
               state == REFUND_PENDING     ? " is pending"
               : state == REFUND_SUCCEEDED ? " succeeded"
               : state == REFUND_FAILED    ? " failed"
                                           : " is canceled",
               refund_machine.states[state].meaning);
    if (code[0])
        buf_printf(text, " (%s)", code);
    buf_byte(text, '.');
}

static void dispute_event(struct timeline *t, const struct event *e, json_t *data, void *arg)
{
    int state = machine_find(&dispute_machine, str_from(text_of(data, "status")));
    const char *due = text_of(data, "due_at"), *network = text_of(data, "network_reason_code");
    bool lost = state == DISPUTE_LOST || state == DISPUTE_ACCEPTED;
    int64_t fee = number_of(data, "fee");
    (void)arg;
    struct buf *text = timeline_add(t, e->created_us, event_type_text(e->type));
    buf_str(text, e->type == EVENT_DISPUTE_DEADLINE
                      ? "The time to answer runs out for the dispute of "
                      : "The dispute of ");
    timeline_amount(t, text, number_of(data, "amount"));
    if (e->type == EVENT_DISPUTE_CREATED)
        buf_printf(text, " was opened (%s%s%s)", text_of(data, "reason"), network[0] ? ", " : "",
                   network);
    if (e->type == EVENT_DISPUTE_CLOSED)
        buf_printf(text, " was %s", machine_text(&dispute_machine, state));
    if (e->type != EVENT_DISPUTE_DEADLINE)
        buf_printf(text, ": %s", dispute_machine.states[state].meaning);
    if (lost && fee > 0) {
        buf_str(text, ", with a fee of ");
        timeline_amount(t, text, fee);
    }
    if (due[0] && (state == DISPUTE_INQUIRY || state == DISPUTE_NEEDS_RESPONSE))
        buf_printf(text, "; answer until %s", due);
    buf_byte(text, '.');
}

static void review_event(struct timeline *t, const struct event *e, json_t *data, void *arg)
{
    const char *resolution = text_of(data, "resolution"), *note = text_of(data, "note");
    bool clearing = strcmp(text_of(data, "kind"), "clearing_amount") == 0;
    (void)arg;
    struct buf *text = timeline_add(t, e->created_us, event_type_text(e->type));
    if (resolution[0]) {
        buf_printf(text, "The review was closed: %s.%s%s",
                   strcmp(resolution, "accept") == 0 ? "accepted, the difference is the merchant's"
                   : clearing                        ? "dismissed, the difference stays in suspense"
                                                     : "dismissed",
                   note[0] ? " Note: " : "", note);
        return;
    }
    buf_str(text, clearing ? "A person should look: " : "A person should look: the provider says ");
    timeline_amount(t, text, number_of(data, "amount_seen"));
    buf_str(text, clearing ? " was settled where " : " where ");
    timeline_amount(t, text, number_of(data, "amount_expected"));
    buf_str(text, clearing ? " was expected." : " is on record.");
}

/* --- refunds and disputes --- */

static err_t refund_entries(struct store_row *row, void *arg)
{
    struct timeline *t = arg;
    struct refund r;
    err_t err = refund_from_row(row, t->p->merchant_id, &r);
    if (!err) {
        struct buf *text = timeline_add(t, r.created_us, "refund.created");
        buf_str(text, "A refund of ");
        timeline_amount(t, text, r.amount);
        buf_str(text, " was asked for; that much is reserved for it.");
        size_t from = t->n;
        err = each_event(t, r.event_last, refund_event, NULL);
        turn_round(t, from);
    }
    refund_release(&r);
    return err;
}

static err_t dispute_entries(struct store_row *row, void *arg)
{
    struct timeline *t = arg;
    struct dispute d;
    err_t err = dispute_from_row(row, t->p->merchant_id, &d);
    size_t from = t->n;
    if (!err)
        err = each_event(t, d.event_last, dispute_event, NULL);
    turn_round(t, from);
    dispute_release(&d);
    return err;
}

/* --- journals --- */

static int64_t posted(const struct journal *j, enum ledger_account account)
{
    int64_t sum = 0;
    for (size_t i = 0; i < j->n; i++)
        if (j->posting[i].account == account && j->posting[i].layer == LAYER_POSTED)
            sum += j->posting[i].amount;
    return sum;
}

static err_t review_entries(struct timeline *t, struct id id)
{
    struct review r;
    bool found;
    err_t err = review_load(t->tx, t->p->merchant_id, id, &r, &found);
    size_t from = t->n;
    if (!err && found)
        err = each_event(t, r.event_last, review_event, NULL);
    turn_round(t, from);
    review_release(&r);
    return err;
}

static err_t journal_entries(const struct ledger_entry *e, void *arg)
{
    struct timeline *t = arg;
    const struct journal *j = &e->journal;
    int64_t difference = posted(j, ACCOUNT_PROVIDER_RECEIVABLE);
    bool review = j->kind == JOURNAL_CLEARING_REVIEW;
    t->fees += posted(j, ACCOUNT_FEES);
    t->suspense -= posted(j, ACCOUNT_SUSPENSE);
    if (j->kind == JOURNAL_EXPIRY) {
        struct buf *text = timeline_add(t, e->recorded_us, "hold.ended");
        buf_str(text, "The hold ran out; what was not captured is released.");
    }
    if (j->kind != JOURNAL_CLEARING && !review)
        return OK;
    t->clearing += difference;
    struct buf *text = timeline_add(t, e->recorded_us, "clearing");
    timeline_amount(t, text, difference < 0 ? -difference : difference);
    buf_printf(text, " %s than known was settled; %s.", difference < 0 ? "less" : "more",
               review ? "the difference lies in suspense until the review is closed"
                      : "within the tolerance, the difference is the merchant's");
    return OK;
}

/* Reviews have no index by payment: the journals name them. One is told once. */
struct reviews {
    struct timeline *t;
    struct id last;
};

static err_t journal_reviews(const struct ledger_entry *e, void *arg)
{
    struct reviews *r = arg;
    const struct journal *j = &e->journal;
    if ((j->kind != JOURNAL_CLEARING_REVIEW && j->kind != JOURNAL_REVIEW_ACCEPT) ||
        id_eq(j->operation_id, r->last))
        return OK;
    r->last = j->operation_id;
    return review_entries(r->t, j->operation_id);
}

err_t timeline_gather(struct timeline *t)
{
    const struct payment *p = t->p;
    const struct sql_value merchant = V_INT(p->merchant_id), id = V_ID(&p->id);
    struct id first = {{0}}, zero = {{0}};
    struct authentication a = {.at_us = 0};
    struct reviews r = {.t = t, .last = zero};
    err_t err = store_each(t->tx, SQL_PAYMENTS_LIST_ATTEMPTS, attempt_entries, t, merchant, id);
    if (!err)
        err = store_each(t->tx, SQL_PAYMENTS_LIST_OPERATIONS, operation_entries, t, merchant, id);
    size_t from = t->n;
    if (!err)
        err = each_event(t, p->event_last, payment_event, &a);
    tell_authentication(t, &a);
    turn_round(t, from);
    if (!err)
        err = store_each(t->tx, SQL_PAYMENTS_LIST_PAYMENT_REFUNDS_UP, refund_entries, t, merchant,
                         id, V_ID(&first), V_INT(0), V_INT(INT64_MAX), V_INT(0), V_INT(1000));
    if (!err)
        err = store_each(t->tx, SQL_PAYMENTS_LIST_PAYMENT_DISPUTES_UP, dispute_entries, t, merchant,
                         id, V_ID(&first), V_INT(0), V_INT(INT64_MAX), V_INT(0), V_INT(1000));
    from = t->n;
    if (!err)
        err = ledger_each(t->tx, p->merchant_id, p->journal_last, journal_entries, t);
    turn_round(t, from);
    if (!err)
        err = ledger_each(t->tx, p->merchant_id, p->journal_last, journal_reviews, &r);
    return err;
}

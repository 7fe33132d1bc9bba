/* The tables on the page of a charge: webhooks, operations, disputes. */
#include "sandbox/control_internal.h"
#include "sandbox/notify_internal.h"

#define ROWS_MAX 200
#define SEEN_MAX 64

/* One table. */
struct part {
    struct store_tx *tx;
    const struct charge *charge;
    struct buf rows;
    struct id seen[SEEN_MAX]; /* events that have buttons already */
    size_t seen_n;
    bool any;
};

static void part_end(struct part *p, struct buf *out, const char *file, const char *none)
{
    if (p->any)
        PAGE_FILL(out, file, {"rows", buf_view(&p->rows)});
    else
        buf_str(out, none);
    out->failed = out->failed || p->rows.failed;
    buf_free(&p->rows);
}

/* "2026-11-24 10:53:49 UTC" */
static void write_time(struct buf *out, int64_t ms)
{
    struct buf text = BUF(64);
    time_text(&text, ms * 1000);
    if (ms > 0 && !text.failed && text.n >= 19)
        buf_printf(out, "%.10s %.8s UTC", text.p, text.p + 11);
    buf_free(&text);
}

/* --- webhooks --- */
static bool seen_before(struct part *p, struct id event)
{
    for (size_t i = 0; i < p->seen_n; i++)
        if (id_eq(p->seen[i], event))
            return true;
    if (p->seen_n < SEEN_MAX)
        p->seen[p->seen_n++] = event;
    return false;
}

static void write_ways(struct buf *out, struct str subject, struct str type)
{
    static const struct {
        const char *send, *label;
    } ways[] = {{"again", "Again"},         {"late", "Late"},
                {"forged", "Forged"},       {"stale", "Stale"},
                {"malformed", "Malformed"}, {"other_account", "Of another account"}};
    bool dispute = str_starts(type, STR("dispute."));
    for (size_t i = 0; i < COUNT_OF(ways); i++)
        CONTROL_BUTTON(out, "/control/webhooks", ways[i].label,
                       {dispute ? "dispute" : "reference", subject}, {"type", type},
                       {"send", str_from(ways[i].send)});
}

static void write_outcome(struct buf *out, struct store_row *row)
{
    int64_t attempts = row_int(row, NOTE_ATTEMPTS), status = row_int(row, NOTE_STATUS);
    struct str answer = row_text(row, NOTE_ANSWER);
    if (attempts == 0)
        return;
    buf_printf(out, "%lld of %d", (long long)attempts, NOTIFY_TRIES);
    if (status)
        buf_printf(out, ", HTTP %lld", (long long)status);
    if (answer.n)
        buf_printf(out, ": " STR_FMT, STR_ARG(answer));
}

static err_t each_webhook(struct store_row *row, void *arg)
{
    struct part *p = arg;
    struct buf actions = BUF(PART_BYTES_MAX), created = BUF(64), outcome = BUF(1024),
               manner = BUF(64);
    struct str type = row_text(row, NOTE_TYPE), subject = row_text(row, NOTE_SUBJECT);
    const char *state = note_state_name(row_int(row, NOTE_STATE));
    int64_t how = row_int(row, NOTE_MANNER);
    if (how != MANNER_PLAIN)
        buf_printf(&manner, ", %s", manner_name(how));
    else if (!seen_before(p, row_id(row, NOTE_EVENT_ID)))
        write_ways(&actions, subject, type);
    write_time(&created, row_int(row, NOTE_CREATED));
    write_outcome(&outcome, row);
    PAGE_FILL(&p->rows, "webhooks_row.html", {"type", type}, {"about", subject},
              {"state", str_from(state)}, {"state_text", str_from(state)},
              {"manner", buf_view(&manner)}, {"answer", buf_view(&outcome)},
              {"created", buf_view(&created)}, {"body", row_text(row, NOTE_BODY)},
              {"actions", buf_view(&actions)});
    p->any = true;
    buf_free(&actions);
    buf_free(&created);
    buf_free(&outcome);
    buf_free(&manner);
    return OK;
}

err_t control_webhooks_part(struct store_tx *tx, const struct charge *x, struct buf *out)
{
    struct part p = {.rows = BUF(PAGE_BYTES_MAX)};
    struct buf all = BUF(PART_BYTES_MAX);
    struct str reference = str_from(x->reference);
    err_t err = store_each(tx, SQL_SANDBOX_LIST_NOTIFICATIONS_CHARGE, each_webhook, &p,
                           V_INT(BOOK_MERCHANT), V_TEXT(reference), V_INT(ROWS_MAX));
    CONTROL_BUTTON(&all, "/control/webhooks", "All of them, out of order", {"reference", reference},
                   {"send", STR("out_of_order")});
    if (p.any)
        PAGE_FILL(out, "webhooks.html", {"rows", buf_view(&p.rows)}, {"all", buf_view(&all)});
    else
        buf_str(out, "<p>None yet.</p>");
    out->failed = out->failed || p.rows.failed || all.failed;
    buf_free(&p.rows);
    buf_free(&all);
    return err;
}

/* --- operations --- */
static void write_decide(struct buf *out, const struct operation *o, const char *state)
{
    char path[128];
    if (o->kind != KIND_REFUND)
        return;
    (void)snprintf(path, sizeof path, "/control/refunds/%s", o->reference);
    if (o->pending)
        CONTROL_BUTTON(out, path, "Approve", {"result", STR("approved")});
    if (strcmp(state, "refused") != 0)
        CONTROL_BUTTON(out, path, o->pending ? "Refuse" : "Fail after all",
                       {"result", STR("refused")});
}

static err_t each_operation(struct store_row *row, void *arg)
{
    static const char *const kinds[] = {[KIND_CAPTURE] = "capture",
                                        [KIND_VOID] = "void",
                                        [KIND_REFUND] = "refund",
                                        [KIND_INCREMENT] = "increment",
                                        [KIND_EVIDENCE] = "evidence"};
    struct part *p = arg;
    struct operation o;
    bool there = false;
    err_t err = operation_get(p->tx, row_text(row, 0), &o, &there);
    if (err || !there)
        return err;
    ASSERT(o.kind >= KIND_CAPTURE && o.kind <= KIND_EVIDENCE);
    struct buf amount = BUF(64), actions = BUF(PART_BYTES_MAX);
    const char *state = o.pending ? "pending" : o.code[0] ? "refused" : "approved";
    page_amount(&amount, o.amount, str_from(o.currency));
    write_decide(&actions, &o, state);
    PAGE_FILL(&p->rows, "operations_row.html", {"reference", str_from(o.reference)},
              {"kind", str_from(kinds[o.kind])}, {"amount", buf_view(&amount)},
              {"state", str_from(state)}, {"code", str_from(o.code)},
              {"actions", buf_view(&actions)});
    p->any = true;
    buf_free(&amount);
    buf_free(&actions);
    return OK;
}

err_t control_operations_part(struct store_tx *tx, const struct charge *x, struct buf *out)
{
    struct part p = {.tx = tx, .charge = x, .rows = BUF(PAGE_BYTES_MAX)};
    err_t err = store_each(tx, SQL_SANDBOX_LIST_CHARGE_OPERATIONS, each_operation, &p,
                           V_INT(BOOK_MERCHANT), V_TEXT(str_from(x->reference)), V_INT(ROWS_MAX));
    part_end(&p, out, "operations.html", "<p>None yet.</p>");
    return err;
}

/* --- disputes --- */
static const char *const status_names[] = {[DISPUTE_NEEDS_RESPONSE] = "needs_response",
                                           [DISPUTE_UNDER_REVIEW] = "under_review",
                                           [DISPUTE_WON] = "won",
                                           [DISPUTE_LOST] = "lost",
                                           [DISPUTE_ACCEPTED] = "accepted",
                                           [DISPUTE_CLOSED] = "closed"};

static void write_moves(struct buf *out, const struct dispute *d, const char *id)
{
    char path[128];
    bool open = d->status == DISPUTE_NEEDS_RESPONSE || d->status == DISPUTE_UNDER_REVIEW;
    (void)snprintf(path, sizeof path, "/control/disputes/%s", id);
    if (d->status == DISPUTE_NEEDS_RESPONSE)
        CONTROL_BUTTON(out, path, "Under review", {"status", STR("under_review")});
    if (d->stage == STAGE_INQUIRY && open) {
        CONTROL_BUTTON(out, path, "Close", {"status", STR("closed")});
        CONTROL_BUTTON(out, path, "Make it a chargeback", {"status", STR("chargeback")});
    }
    if (d->stage == STAGE_CHARGEBACK && open) {
        CONTROL_BUTTON(out, path, "Won", {"status", STR("won")});
        CONTROL_BUTTON(out, path, "Lost", {"status", STR("lost")});
    }
    if (d->stage == STAGE_CHARGEBACK && d->status == DISPUTE_LOST)
        CONTROL_BUTTON(out, path, "Reverse the loss", {"status", STR("won")});
}

static err_t each_dispute(struct store_row *row, void *arg)
{
    struct part *p = arg;
    struct dispute d;
    bool there = false;
    char id[ID_TEXT_MAX];
    err_t err = dispute_get_row(p->tx, row_id(row, 0), &d, &there);
    if (err || !there)
        return err;
    struct buf amount = BUF(64), due = BUF(64), actions = BUF(PART_BYTES_MAX);
    id_words("dp_", d.id, id);
    page_amount(&amount, d.amount, str_from(d.currency));
    write_time(&due, d.due_at * 1000);
    write_moves(&actions, &d, id);
    PAGE_FILL(&p->rows, "disputes_row.html", {"id", str_from(id)},
              {"stage", d.stage == STAGE_INQUIRY ? STR("inquiry") : STR("chargeback")},
              {"status", str_from(status_names[d.status])},
              {"status_text", str_from(status_names[d.status])}, {"reason", str_from(d.reason)},
              {"amount", buf_view(&amount)}, {"due", buf_view(&due)},
              {"actions", buf_view(&actions)});
    p->any = true;
    buf_free(&amount);
    buf_free(&due);
    buf_free(&actions);
    return OK;
}

err_t control_disputes_part(struct store_tx *tx, const struct charge *x, struct buf *out)
{
    struct part p = {.tx = tx, .charge = x, .rows = BUF(PAGE_BYTES_MAX)};
    err_t err = store_each(tx, SQL_SANDBOX_LIST_CHARGE_DISPUTES, each_dispute, &p,
                           V_INT(BOOK_MERCHANT), V_TEXT(str_from(x->reference)), V_INT(ROWS_MAX));
    part_end(&p, out, "disputes.html", "<p>None yet.</p>");
    return err;
}

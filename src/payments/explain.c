/* Why is this payment as it is? A sentence, and what happened in order of time. */
#include "payments/payment.h"

struct timeline {
    struct jw *w;
    const struct payment *p;
};

static void entry(struct jw *w, int64_t at_us, const char *what, const char *detail)
{
    jw_object(w, NULL);
    jw_time(w, "at", at_us);
    jw_str(w, "what", str_from(what));
    jw_str(w, "detail", str_from(detail));
    jw_object_end(w);
}

static err_t attempt_entries(struct store_row *row, void *arg)
{
    struct timeline *t = arg;
    int state = (int)row_int(row, 1), decline = (int)row_int(row, 3);
    struct buf text = BUF(4096);
    struct str provider = row_text(row, 12), code = row_text(row, 9), message = row_text(row, 10);
    buf_printf(&text, "Attempt %lld was sent to %.*s.", (long long)row_int(row, 0),
               STR_ARG(provider));
    entry(t->w, row_int(row, 4), "attempt.sent", text.p ? text.p : "");
    buf_clear(&text);
    buf_printf(&text, "Attempt %lld is %s", (long long)row_int(row, 0),
               machine_text(&attempt_machine, state));
    if (decline)
        buf_printf(&text, ": %s (retry: %s)", decline_code_text(decline),
                   retry_class_text(decline_retry(decline)));
    if (code.n)
        buf_printf(&text, "; the provider said %.*s", STR_ARG(code));
    if (message.n)
        buf_printf(&text, " \"%.*s\"", STR_ARG(message));
    buf_byte(&text, '.');
    entry(t->w, row_int(row, 5), "attempt.outcome", text.p ? text.p : "");
    buf_free(&text);
    return OK;
}

static err_t operation_entries(struct store_row *row, void *arg)
{
    struct timeline *t = arg;
    struct buf text = BUF(4096);
    const char *kind = row_int(row, 1) == 1 ? "capture" : "cancel";
    struct str reason = row_text(row, 7);
    buf_printf(&text, "The %s of ", kind);
    money_format(&text, row_int(row, 3), currency_by_number(t->p->currency));
    buf_printf(&text, " %s: %s", currency_by_number(t->p->currency)->code,
               machine_text(&operation_machine, (int)row_int(row, 2)));
    if (reason.n)
        buf_printf(&text, "; reason given: %.*s", STR_ARG(reason));
    buf_byte(&text, '.');
    entry(t->w, row_int(row, 5), kind, text.p ? text.p : "");
    buf_free(&text);
    return OK;
}

static void summary(struct buf *out, const struct payment *p)
{
    const struct currency *c = currency_by_number(p->currency);
    ASSERT(c != NULL);
    buf_str(out, "A payment of ");
    money_format(out, p->amount, c);
    buf_printf(out, " %s is %s: %s", c->code, machine_text(&payment_machine, p->state),
               payment_machine.states[p->state].meaning);
    if (p->decline)
        buf_printf(out, " (%s, retry: %s)", decline_code_text(p->decline),
                   retry_class_text(decline_retry(p->decline)));
    buf_byte(out, '.');
    if (p->state == PAYMENT_PROCESSING)
        buf_str(out, " The provider is asked by our reference until it says what became of it; "
                     "nothing is sent twice.");
    if (p->state == PAYMENT_AUTHORIZED) {
        buf_str(out, " It can be captured or canceled.");
    }
    if (p->refund_pending) {
        buf_str(out, " Refunds under way: ");
        money_format(out, p->refund_pending, c);
        buf_printf(out, " %s.", c->code);
    }
}

err_t payment_explain(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                      bool *ret_found)
{
    struct payment p;
    struct buf text = BUF(4096);
    err_t err = payment_load(tx, merchant_id, id, &p, ret_found);
    if (err || !*ret_found)
        goto out;
    struct jw w = {.b = out};
    struct timeline t = {&w, &p};
    summary(&text, &p);
    jw_object(&w, NULL);
    jw_str(&w, "object", STR("explanation"));
    jw_id(&w, "payment", ID_PAYMENT, p.id);
    jw_str(&w, "status", str_from(machine_text(&payment_machine, p.state)));
    jw_str(&w, "summary", buf_view(&text));
    jw_array(&w, "timeline");
    entry(&w, p.created_us, "payment.created",
          p.capture ? "Created, to be captured at once." : "Created, to be authorized only.");
    err = store_each(tx, SQL_PAYMENTS_LIST_ATTEMPTS, attempt_entries, &t, V_INT(merchant_id),
                     V_ID(&id));
    if (!err)
        err = store_each(tx, SQL_PAYMENTS_LIST_OPERATIONS, operation_entries, &t,
                         V_INT(merchant_id), V_ID(&id));
    jw_array_end(&w);
    if (!err)
        err = payment_write_attempts(tx, &p, &w, "attempts");
    jw_object_end(&w);
out:
    payment_release(&p);
    buf_free(&text);
    return err;
}

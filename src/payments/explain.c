/* Why is this payment as it is? A sentence, what the ledger says in words, and what happened in
 * order of time. */
#include "payments/explain.h"

#include <stdlib.h>

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
    if (p->state == PAYMENT_AUTHORIZED)
        buf_str(out, " It can be captured or canceled.");
    if (p->refund_pending) {
        buf_str(out, " Refunds under way: ");
        money_format(out, p->refund_pending, c);
        buf_printf(out, " %s.", c->code);
    }
    if (p->disputed)
        buf_str(out, " A chargeback is open: nothing can be refunded until it is decided.");
}

/* --- the ledger in words --- */

static void amount(struct jw *w, const struct timeline *t, int64_t sum, const char *before,
                   const char *after)
{
    struct buf text = BUF(512);
    if (sum == 0)
        return;
    buf_str(&text, before);
    timeline_amount(t, &text, sum);
    buf_str(&text, after);
    if (text.failed)
        w->b->failed = true;
    else
        jw_str(w, NULL, buf_view(&text));
    buf_free(&text);
}

/* Sentences over what the verifier compares with the journals. */
static void write_ledger(struct jw *w, const struct timeline *t)
{
    const struct payment *p = t->p;
    int64_t clearing = t->clearing;
    /* The provider's debt: captures and differences, less what went back or is disputed. */
    int64_t owed = p->captured + clearing - p->refunded - p->disputed - p->dispute_lost - t->fees;
    jw_array(w, "ledger");
    amount(w, t, payment_held(p), "", " is held.");
    amount(w, t, p->captured, "", " was taken.");
    amount(w, t, p->released, "", " that was held was released.");
    amount(w, t, p->refunded, "", " was given back.");
    amount(w, t, p->refund_pending, "", " is reserved for refunds under way.");
    amount(w, t, p->disputed, "", " is disputed and with the provider until that is decided.");
    amount(w, t, p->dispute_lost, "", " was lost to disputes.");
    amount(w, t, t->fees, "", " of fees for disputes was charged.");
    if (p->cleared)
        amount(w, t, p->cleared, "It was settled with ", ".");
    amount(w, t, clearing > 0 ? clearing : -clearing, "That is ",
           clearing > 0 ? " more than was taken." : " less than was taken.");
    amount(w, t, t->suspense, "", " of it lies in suspense, nobody's yet.");
    if (p->captured)
        amount(w, t, owed, "In all the provider owes ", " for this payment.");
    jw_array_end(w);
}

/* --- the timeline --- */

static int earlier(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    if (a->at_us != b->at_us)
        return a->at_us < b->at_us ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static err_t write_timeline(struct jw *w, struct timeline *t)
{
    if (t->failed)
        return ERR_NO_MEMORY;
    if (t->n > 1)
        qsort(t->entries, t->n, sizeof *t->entries, earlier);
    jw_array(w, "timeline");
    for (size_t i = 0; i < t->n; i++) {
        const struct entry *e = &t->entries[i];
        if (e->detail.failed)
            return ERR_NO_MEMORY;
        jw_object(w, NULL);
        jw_time(w, "at", e->at_us);
        jw_str(w, "what", str_from(e->what));
        jw_str(w, "detail", buf_view(&e->detail));
        jw_object_end(w);
    }
    jw_array_end(w);
    return OK;
}

static err_t gather(struct timeline *t)
{
    struct buf *text = timeline_add(t, t->p->created_us, "payment.created");
    buf_str(text,
            t->p->capture ? "Created, to be captured at once." : "Created, to be authorized only.");
    return timeline_gather(t);
}

static void release(struct timeline *t)
{
    for (size_t i = 0; i < t->n; i++)
        buf_free(&t->entries[i].detail);
    mem_free(t->entries);
    buf_free(&t->lost);
}

err_t payment_explain(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                      bool *ret_found)
{
    struct payment p;
    struct buf text = BUF(4096);
    struct timeline t = {.tx = tx, .p = &p, .lost = BUF(8192)};
    struct jw w = {.b = out};
    err_t err = payment_load(tx, merchant_id, id, &p, ret_found);
    if (err || !*ret_found)
        goto out;
    t.currency = currency_by_number(p.currency);
    ASSERT(t.currency != NULL);
    err = gather(&t);
    if (err)
        goto out;
    summary(&text, &p);
    jw_object(&w, NULL);
    jw_str(&w, "object", STR("explanation"));
    jw_id(&w, "payment", ID_PAYMENT, p.id);
    jw_str(&w, "status", str_from(machine_text(&payment_machine, p.state)));
    jw_str(&w, "summary", buf_view(&text));
    write_ledger(&w, &t);
    err = write_timeline(&w, &t);
    if (!err)
        err = payment_write_attempts(tx, &p, &w, "attempts");
    jw_object_end(&w);
out:
    release(&t);
    payment_release(&p);
    buf_free(&text);
    return err;
}

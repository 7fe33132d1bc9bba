/* Reading: one, pages, and the lists that belong to a payment. */
#include "payments/payment.h"
#include "payments/refund.h"

err_t payment_show(struct store_tx *tx, const struct payment_settings *s, int64_t merchant_id,
                   struct id id, struct buf *out, bool *ret_found)
{
    struct payment p;
    err_t err = payment_load(tx, merchant_id, id, &p, ret_found);
    if (!err && *ret_found) {
        struct jw w = {.b = out};
        payment_write(&w, NULL, &p, s);
    }
    payment_release(&p);
    return err;
}

err_t payment_status(struct store_tx *tx, int64_t merchant_id, struct id id, const char **ret)
{
    struct payment p;
    bool found;
    *ret = NULL;
    if (id_is_zero(id))
        return OK;
    err_t err = payment_load(tx, merchant_id, id, &p, &found);
    if (!err && found)
        *ret = machine_text(&payment_machine, p.state);
    payment_release(&p);
    return err;
}

err_t refund_show(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                  bool *ret_found)
{
    struct refund r;
    err_t err = refund_load(tx, merchant_id, id, &r, ret_found);
    if (!err && *ret_found) {
        struct jw w = {.b = out};
        refund_write(&w, NULL, &r);
    }
    refund_release(&r);
    return err;
}

struct listing {
    const struct payment_settings *settings; /* of a list of payments */
    int64_t merchant_id;
    const struct page *page;
    const void *filter;
    json_each *each;
    void *arg;
};

static err_t hand_payment(const struct listing *l, const struct payment *p)
{
    struct buf json = BUF(JSON_MAX);
    payment_write(&(struct jw){.b = &json}, NULL, p, l->settings);
    err_t err = json.failed ? ERR_NO_MEMORY : l->each(p->id, buf_view(&json), l->arg);
    buf_free(&json);
    return err;
}

static err_t list_payment(struct store_row *row, void *arg)
{
    struct listing *l = arg;
    struct payment p;
    err_t err = payment_from_row(row, l->merchant_id, &p);
    if (!err)
        err = hand_payment(l, &p);
    payment_release(&p);
    return err;
}

static err_t take_payment(struct store_tx *tx, struct id id, void *arg, bool *ret_taken)
{
    struct listing *l = arg;
    const struct payment_filter *f = l->filter;
    struct payment p;
    bool found;
    err_t err = payment_load(tx, l->merchant_id, id, &p, &found);
    *ret_taken = !err && found && page_has(l->page, p.created_us) &&
                 (f->state == 0 || f->state == p.state) &&
                 (f->currency == 0 || f->currency == p.currency) &&
                 (f->amount == 0 || f->amount == p.amount);
    if (*ret_taken)
        err = hand_payment(l, &p);
    payment_release(&p);
    return err;
}

err_t payment_list(struct store_tx *tx, const struct payment_settings *s, int64_t merchant_id,
                   const struct page *page, const struct payment_filter *filter, json_each *each,
                   void *arg)
{
    struct listing l = {s, merchant_id, page, filter, each, arg};
    if (filter->search->n)
        return search_run(tx, merchant_id, SEARCH_PAYMENT, filter->search, page, take_payment, &l);
    return store_each(tx,
                      page->up ? SQL_PAYMENTS_LIST_PAYMENTS_UP : SQL_PAYMENTS_LIST_PAYMENTS_DOWN,
                      list_payment, &l, V_INT(merchant_id), V_ID(&page->cursor),
                      V_INT(page->created_from), V_INT(page->created_to), V_INT(filter->state),
                      V_INT(filter->currency), V_INT(filter->amount), V_INT(page->limit));
}

static err_t hand_refund(const struct listing *l, const struct refund *r)
{
    struct buf json = BUF(JSON_MAX);
    refund_write(&(struct jw){.b = &json}, NULL, r);
    err_t err = json.failed ? ERR_NO_MEMORY : l->each(r->id, buf_view(&json), l->arg);
    buf_free(&json);
    return err;
}

static err_t list_refund(struct store_row *row, void *arg)
{
    struct listing *l = arg;
    struct refund r;
    err_t err = refund_from_row(row, l->merchant_id, &r);
    if (!err)
        err = hand_refund(l, &r);
    refund_release(&r);
    return err;
}

static err_t take_refund(struct store_tx *tx, struct id id, void *arg, bool *ret_taken)
{
    struct listing *l = arg;
    const struct refund_filter *f = l->filter;
    struct refund r;
    bool found;
    err_t err = refund_load(tx, l->merchant_id, id, &r, &found);
    *ret_taken = !err && found && page_has(l->page, r.created_us) &&
                 (f->state == 0 || f->state == r.state) &&
                 (id_is_zero(f->payment) || id_eq(f->payment, r.payment));
    if (*ret_taken)
        err = hand_refund(l, &r);
    refund_release(&r);
    return err;
}

err_t refund_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                  const struct refund_filter *filter, json_each *each, void *arg)
{
    struct listing l = {NULL, merchant_id, page, filter, each, arg};
    if (filter->search->n)
        return search_run(tx, merchant_id, SEARCH_REFUND, filter->search, page, take_refund, &l);
    if (id_is_zero(filter->payment))
        return store_each(
            tx, page->up ? SQL_PAYMENTS_LIST_REFUNDS_UP : SQL_PAYMENTS_LIST_REFUNDS_DOWN,
            list_refund, &l, V_INT(merchant_id), V_ID(&page->cursor), V_INT(page->created_from),
            V_INT(page->created_to), V_INT(filter->state), V_INT(page->limit));
    return store_each(tx,
                      page->up ? SQL_PAYMENTS_LIST_PAYMENT_REFUNDS_UP
                               : SQL_PAYMENTS_LIST_PAYMENT_REFUNDS_DOWN,
                      list_refund, &l, V_INT(merchant_id), V_ID(&filter->payment),
                      V_ID(&page->cursor), V_INT(page->created_from), V_INT(page->created_to),
                      V_INT(filter->state), V_INT(page->limit));
}

/* --- lists that belong to a payment --- */
struct attempts {
    struct id payment;
    struct jw *w;
};

static err_t write_attempt(struct store_row *row, void *arg)
{
    struct attempts *a = arg;
    struct jw *w = a->w;
    int decline = (int)row_int(row, 3);
    jw_object(w, NULL);
    jw_id(w, "id", ID_ATTEMPT, id_derive(a->payment, (unsigned)row_int(row, 0)));
    jw_str(w, "object", STR("attempt"));
    jw_id(w, "payment", ID_PAYMENT, a->payment);
    jw_str(w, "status", str_from(machine_text(&attempt_machine, (int)row_int(row, 1))));
    jw_int(w, "amount", row_int(row, 2));
    jw_str(w, "provider", row_text(row, 12));
    if (row_null(row, 11))
        jw_null(w, "provider_account");
    else
        jw_id(w, "provider_account", ID_PROVIDER_ACCOUNT, row_id(row, 11));
    jw_str(w, "provider_reference", row_text(row, 6));
    jw_str(w, "network_reference", row_text(row, 7));
    jw_str(w, "acquirer_reference", row_text(row, 13));
    jw_str(w, "authorization_code", row_text(row, 8));
    attempt_write_card(w, row, 14);
    jw_str(w, "decline_code", str_from(decline_code_text(decline)));
    jw_str(w, "retry",
           decline ? str_from(retry_class_text(decline_retry(decline))) : (struct str){NULL, 0});
    jw_str(w, "provider_code", row_text(row, 9));
    jw_str(w, "provider_message", row_text(row, 10));
    jw_time(w, "created", row_int(row, 4));
    jw_time(w, "updated", row_int(row, 5));
    jw_object_end(w);
    return OK;
}

err_t payment_write_attempts(struct store_tx *tx, const struct payment *p, struct jw *w,
                             const char *key)
{
    struct attempts a = {p->id, w};
    jw_array(w, key);
    err_t err = store_each(tx, SQL_PAYMENTS_LIST_ATTEMPTS, write_attempt, &a, V_INT(p->merchant_id),
                           V_ID(&p->id));
    jw_array_end(w);
    return err;
}

static err_t write_events(struct store_tx *tx, const struct payment *p, struct jw *w,
                          const char *key)
{
    jw_array(w, key);
    for (int64_t sequence = p->event_last; sequence > 0;) {
        struct event e;
        bool found;
        err_t err = event_read(tx, p->merchant_id, sequence, &e, &found);
        if (err)
            return err;
        ASSERT(found && e.previous < sequence);
        event_write(w, NULL, &e);
        sequence = e.previous;
    }
    jw_array_end(w);
    return OK;
}

static err_t write_journals(struct store_tx *tx, const struct payment *p, struct jw *w,
                            const char *key)
{
    return ledger_write_journals(tx, p->merchant_id, p->journal_last, w, key);
}

typedef err_t write_part(struct store_tx *tx, const struct payment *p, struct jw *w,
                         const char *key);

static err_t show_list(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                       bool *ret_found, write_part *part)
{
    struct payment p;
    err_t err = payment_load(tx, merchant_id, id, &p, ret_found);
    if (!err && *ret_found) {
        struct jw w = {.b = out};
        jw_object(&w, NULL);
        jw_str(&w, "object", STR("list"));
        err = part(tx, &p, &w, "data");
        jw_bool(&w, "has_more", false);
        jw_object_end(&w);
    }
    payment_release(&p);
    return err;
}

err_t payment_attempts(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                       bool *ret_found)
{
    return show_list(tx, merchant_id, id, out, ret_found, payment_write_attempts);
}

err_t payment_events(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                     bool *ret_found)
{
    return show_list(tx, merchant_id, id, out, ret_found, write_events);
}

err_t payment_journals(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                       bool *ret_found)
{
    return show_list(tx, merchant_id, id, out, ret_found, write_journals);
}

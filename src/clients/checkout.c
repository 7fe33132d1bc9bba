/* Checkouts: rows, JSON, what their status is, and the payments that are begun on them. */
#include "clients/clients.h"

#include <stdio.h>

#include "money/money.h"

enum { CHECKOUT_OPEN = 1, CHECKOUT_CLOSED = 2 };

/* --- status --- */

static bool one_of(const char *status, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(status, *list) == 0)
            return true;
    return false;
}

bool checkout_payable_again(const char *payment_status)
{
    static const char *const over[] = {"failed", "canceled", "expired", NULL};
    return one_of(payment_status, over);
}

const char *checkout_status(const struct checkout *c, const char *payment_status, int64_t now_us)
{
    static const char *const paid[] = {"authorized", "partially_captured", "captured", "refunded",
                                       NULL};
    if (payment_status && one_of(payment_status, paid))
        return "complete";
    if (payment_status && !checkout_payable_again(payment_status))
        return "processing";
    return c->closed || now_us >= c->expires_us ? "expired" : "open";
}

/* --- rows --- */

static void checkout_row(struct store_row *row, struct checkout *ret)
{
    *ret = (struct checkout){.id = row_id(row, 0),
                             .closed = row_int(row, 1) == CHECKOUT_CLOSED,
                             .version = row_int(row, 2),
                             .amount = row_int(row, 3),
                             .currency = (int16_t)row_int(row, 4),
                             .created_us = row_int(row, 5),
                             .expires_us = row_int(row, 6),
                             .updated_us = row_int(row, 7),
                             .customer = row_null(row, 8) ? (struct id){{0}} : row_id(row, 8),
                             .payment = row_null(row, 9) ? (struct id){{0}} : row_id(row, 9),
                             .details = row_text(row, 11),
                             .items = row_text(row, 12)};
    (void)snprintf(ret->locale, sizeof ret->locale, STR_FMT, STR_ARG(row_text(row, 10)));
}

err_t checkout_insert(struct store_tx *tx, int64_t merchant_id, const struct checkout *c)
{
    ASSERT(!id_is_zero(c->id) && c->amount > 0 && c->details.n >= 2 && c->items.n >= 2);
    return store_exec(tx, SQL_CLIENTS_INSERT_CHECKOUT, NULL, V_INT(merchant_id), V_ID(&c->id),
                      V_INT(c->amount), V_INT(c->currency), V_INT(c->created_us),
                      V_INT(c->expires_us), id_is_zero(c->customer) ? V_NULL : V_ID(&c->customer),
                      c->locale[0] ? V_TEXT(str_from(c->locale)) : V_NULL, V_TEXT(c->details),
                      V_TEXT(c->items));
}

err_t checkout_read(struct store_tx *tx, int64_t merchant_id, struct id id, struct checkout *ret,
                    bool *ret_found)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_CLIENTS_READ_CHECKOUT, &row, V_INT(merchant_id), V_ID(&id));
    *ret_found = !err && row != NULL;
    if (*ret_found)
        checkout_row(row, ret);
    return err;
}

static err_t checkout_put(struct store_tx *tx, int64_t merchant_id, struct checkout *c,
                          int64_t now_us)
{
    int64_t was = c->version++;
    c->updated_us = num_max(c->updated_us, now_us);
    return store_exec_one(tx, SQL_CLIENTS_UPDATE_CHECKOUT, ERR_SOFT,
                          V_INT(c->closed ? CHECKOUT_CLOSED : CHECKOUT_OPEN), V_INT(c->version),
                          V_INT(c->updated_us), id_is_zero(c->payment) ? V_NULL : V_ID(&c->payment),
                          V_INT(merchant_id), V_ID(&c->id), V_INT(was));
}

err_t checkout_close(struct store_tx *tx, int64_t merchant_id, struct checkout *c, int64_t now_us)
{
    if (c->closed)
        return OK;
    c->closed = true;
    return checkout_put(tx, merchant_id, c, now_us);
}

/* --- a payment begins --- */

err_t client_token_use(struct store_tx *tx, int64_t merchant_id, const uint8_t hash[CLIENT_HASH],
                       struct id payment, int64_t now_us)
{
    struct client_token t = {.checkout = {{0}}};
    struct checkout c;
    bool found;
    ASSERT(!id_is_zero(payment));
    err_t err = client_token_read(tx, merchant_id, hash, &t, &found);
    if (!err)
        err = store_exec_one(tx, SQL_CLIENTS_USE_TOKEN, ERR_SOFT, V_ID(&payment), V_INT(now_us),
                             V_INT(merchant_id), V_BLOB(hash, CLIENT_HASH));
    if (err || id_is_zero(t.checkout))
        return err;
    err = checkout_read(tx, merchant_id, t.checkout, &c, &found);
    if (err || !found)
        return err ? err : ERR_SOFT;
    c.payment = payment;
    return checkout_put(tx, merchant_id, &c, now_us);
}

/* --- lists --- */

struct listing {
    err_t (*each)(const struct checkout *c, void *arg);
    void *arg;
};

static err_t list_row(struct store_row *row, void *arg)
{
    struct listing *l = arg;
    struct checkout c;
    checkout_row(row, &c);
    return l->each(&c, l->arg);
}

err_t checkout_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                    err_t (*each)(const struct checkout *c, void *arg), void *arg)
{
    struct listing l = {each, arg};
    return store_each(tx,
                      page->up ? SQL_CLIENTS_LIST_CHECKOUTS_UP : SQL_CLIENTS_LIST_CHECKOUTS_DOWN,
                      list_row, &l, V_INT(merchant_id), V_ID(&page->cursor),
                      V_INT(page->created_from), V_INT(page->created_to), V_INT(page->limit));
}

/* --- JSON --- */

void checkout_write(struct jw *w, int64_t merchant_id, const struct checkout *c, const char *status,
                    const char *url)
{
    const struct currency *currency = currency_by_number(c->currency);
    ASSERT(currency != NULL && c->details.n >= 2);
    jw_object(w, NULL);
    jw_id(w, "id", ID_CHECKOUT, c->id);
    jw_str(w, "object", STR("checkout"));
    jw_str(w, "mode", merchant_id & 1 ? STR("live") : STR("test"));
    jw_str(w, "status", str_from(status));
    jw_str(w, "url", str_from(url));
    jw_int(w, "amount", c->amount);
    jw_str(w, "currency", str_from(currency->code));
    jw_raw(w, "items", c->items);
    if (id_is_zero(c->customer))
        jw_null(w, "customer");
    else
        jw_id(w, "customer", ID_CUSTOMER, c->customer);
    if (id_is_zero(c->payment))
        jw_null(w, "payment");
    else
        jw_id(w, "payment", ID_PAYMENT, c->payment);
    if (c->details.n > 2) { /* the members of the object */
        buf_byte(w->b, ',');
        buf_add(w->b, c->details.p + 1, c->details.n - 2);
    }
    jw_str(w, "locale", c->locale[0] ? str_from(c->locale) : (struct str){NULL, 0});
    jw_time(w, "expires_at", c->expires_us);
    jw_time(w, "created", c->created_us);
    jw_time(w, "updated", c->updated_us);
    jw_object_end(w);
}

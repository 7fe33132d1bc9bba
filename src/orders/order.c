/* Orders: what payments may take for them, what they took, rows, JSON. */
#include "orders/orders.h"

#define DETAILS_MAX ((size_t)256 * 1024)
#define ORDER_JSON_MAX ((size_t)512 * 1024)

struct order {
    struct id id, customer;
    int state;
    int64_t version, amount, reserved, paid, refunded, created_us, updated_us;
    int16_t currency;
    struct str details;
};

static const char *state_text(int state)
{
    static const char *const texts[] = {
#define X(n, number, name) [number] = name,
        ORDER_STATES(X)
#undef X
    };
    ASSERT(state >= ORDER_OPEN && state <= ORDER_CANCELED);
    return texts[state];
}

int order_state_find(struct str text)
{
    for (int s = ORDER_OPEN; s <= ORDER_CANCELED; s++)
        if (str_eq(text, str_from(state_text(s))))
            return s;
    return 0;
}

/* --- sums --- */

/* What the customer owes: what was refunded is owed again. More may have been paid than was asked
 * for, when an increment or a clearing says so. */
static int64_t due(const struct order *o)
{
    return num_max(0, o->amount - (o->paid - o->refunded));
}

/* What another payment may take. */
static int64_t remaining(const struct order *o)
{
    return num_max(0, due(o) - o->reserved);
}

/* --- rows --- */

static void order_row(struct store_row *row, struct order *ret)
{
    *ret = (struct order){.id = row_id(row, 0),
                          .state = (int)row_int(row, 1),
                          .version = row_int(row, 2),
                          .amount = row_int(row, 3),
                          .currency = (int16_t)row_int(row, 4),
                          .reserved = row_int(row, 5),
                          .paid = row_int(row, 6),
                          .refunded = row_int(row, 7),
                          .customer = row_null(row, 8) ? (struct id){{0}} : row_id(row, 8),
                          .created_us = row_int(row, 9),
                          .updated_us = row_int(row, 10),
                          .details = row_text(row, 11)};
}

static err_t order_get(struct store_tx *tx, int64_t merchant_id, struct id id, struct order *ret,
                       bool *ret_found)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_ORDERS_READ_ORDER, &row, V_INT(merchant_id), V_ID(&id));
    *ret_found = !err && row != NULL;
    if (*ret_found)
        order_row(row, ret);
    return err;
}

/* Writes it back with the next version. */
static err_t order_put(struct store_tx *tx, int64_t merchant_id, struct order *o, int64_t now_us)
{
    int64_t was = o->version++;
    o->updated_us = num_max(o->updated_us, now_us);
    return store_exec_one(tx, SQL_ORDERS_UPDATE_ORDER, ERR_SOFT, V_INT(o->state), V_INT(o->version),
                          V_INT(o->reserved), V_INT(o->paid), V_INT(o->refunded),
                          V_INT(o->updated_us), V_TEXT(o->details), V_INT(merchant_id),
                          V_ID(&o->id), V_INT(was));
}

/* --- JSON --- */

static void order_write(struct jw *w, int64_t merchant_id, const struct order *o)
{
    const struct currency *c = currency_by_number(o->currency);
    bool canceled = o->state == ORDER_CANCELED;
    ASSERT(c != NULL);
    jw_object(w, NULL);
    jw_id(w, "id", ID_ORDER, o->id);
    jw_str(w, "object", STR("order"));
    jw_str(w, "mode", merchant_id & 1 ? STR("live") : STR("test"));
    jw_str(w, "status", str_from(state_text(o->state)));
    jw_int(w, "amount", o->amount);
    jw_str(w, "currency", str_from(c->code));
    jw_int(w, "amount_due", canceled ? 0 : due(o));
    jw_int(w, "amount_paid", o->paid);
    jw_int(w, "amount_reserved", o->reserved);
    jw_int(w, "amount_refunded", o->refunded);
    jw_int(w, "amount_remaining", canceled ? 0 : remaining(o));
    if (id_is_zero(o->customer))
        jw_null(w, "customer");
    else
        jw_id(w, "customer", ID_CUSTOMER, o->customer);
    buf_byte(w->b, ',');
    buf_add(w->b, o->details.p, o->details.n);
    jw_int(w, "version", o->version);
    jw_time(w, "created", o->created_us);
    jw_time(w, "updated", o->updated_us);
    jw_object_end(w);
}

static err_t answer(struct buf *out, int64_t merchant_id, const struct order *o)
{
    order_write(&(struct jw){.b = out}, merchant_id, o);
    return out->failed ? ERR_NO_MEMORY : OK;
}

static void member_write(struct jw *w, const char *key, bool given, struct str value, json_t *old)
{
    if (given)
        jw_str(w, key, value);
    else
        jw_json(w, key, json_object_get(old, key));
}

static void details_write(struct buf *out, const struct order_input *in, json_t *old)
{
    struct jw w = {.b = out};
    json_t *metadata = in->given & ORDER_METADATA ? in->metadata : json_object_get(old, "metadata");
    member_write(&w, "description", in->given & ORDER_DESCRIPTION, in->description, old);
    member_write(&w, "reference", in->given & ORDER_REFERENCE, in->reference, old);
    if (metadata)
        jw_json(&w, "metadata", metadata);
    else
        jw_raw(&w, "metadata", STR("{}"));
}

/* --- for payments --- */

err_t order_check(struct store_tx *tx, int64_t merchant_id, struct id order, int64_t amount,
                  int16_t currency, struct err_info *reterr)
{
    struct order o;
    bool found;
    err_t err = order_get(tx, merchant_id, order, &o, &found);
    ASSERT(amount > 0);
    if (err)
        return err;
    if (!found)
        return error_param(reterr, ERR_PARAM_INVALID, "order", "There is no such order.");
    if (o.currency != currency)
        return error_param(reterr, ERR_PARAM_INVALID, "order", "The order is in %s.",
                           currency_by_number(o.currency)->code);
    if (o.state != ORDER_OPEN)
        return error_set(reterr, ERR_STATE, "An order that is %s takes no payment.",
                         state_text(o.state));
    if (amount > remaining(&o))
        return error_param(reterr, ERR_UNPROCESSABLE, "amount",
                           "Of this order %lld remain to be paid (%lld are due, %lld of them are "
                           "reserved by other payments).",
                           (long long)remaining(&o), (long long)due(&o), (long long)o.reserved);
    return OK;
}

err_t order_settle(struct store_tx *tx, int64_t merchant_id, struct id order,
                   const struct order_change *change, int64_t now_us)
{
    struct order o;
    bool found;
    if (change->reserved == 0 && change->paid == 0 && change->refunded == 0)
        return OK;
    err_t err = order_get(tx, merchant_id, order, &o, &found);
    if (err)
        return err;
    ASSERT(found);
    o.reserved += change->reserved;
    o.paid += change->paid;
    o.refunded += change->refunded;
    ASSERT(o.reserved >= 0 && o.refunded >= 0 && o.refunded <= o.paid && o.paid <= AMOUNT_MAX &&
           o.reserved <= AMOUNT_MAX);
    if (o.state != ORDER_CANCELED)
        o.state = due(&o) == 0 ? ORDER_PAID : ORDER_OPEN;
    return order_put(tx, merchant_id, &o, now_us);
}

err_t order_customer(struct store_tx *tx, int64_t merchant_id, struct id order,
                     struct id *ret_customer, bool *ret_found)
{
    struct order o = {.amount = 0};
    err_t err = order_get(tx, merchant_id, order, &o, ret_found);
    *ret_customer = o.customer;
    return err;
}

/* --- making and changing --- */

err_t order_create(struct store_tx *tx, struct det *det, int64_t merchant_id,
                   const struct order_input *in, struct buf *out)
{
    struct buf details = BUF(DETAILS_MAX);
    struct order o = {.id = id_new(det),
                      .customer = in->customer,
                      .state = ORDER_OPEN,
                      .version = 1,
                      .amount = in->amount,
                      .currency = in->currency,
                      .created_us = det->now_us,
                      .updated_us = det->now_us};
    ASSERT(in->given == (ORDER_DESCRIPTION | ORDER_REFERENCE | ORDER_METADATA) && in->amount > 0);
    details_write(&details, in, NULL);
    o.details = buf_view(&details);
    err_t err = details.failed ? ERR_NO_MEMORY
                               : store_exec(tx, SQL_ORDERS_INSERT_ORDER, NULL, V_INT(merchant_id),
                                            V_ID(&o.id), V_INT(o.amount), V_INT(o.currency),
                                            id_is_zero(o.customer) ? V_NULL : V_ID(&o.customer),
                                            V_INT(o.created_us), V_TEXT(o.details));
    if (!err)
        err = search_add_id(tx, merchant_id, SEARCH_ORDER, SEARCH_OF_CUSTOMER, o.customer, o.id);
    if (!err)
        err = search_add(tx, merchant_id, SEARCH_ORDER, SEARCH_REFERENCE, in->reference, o.id);
    if (!err)
        err = search_add_metadata(tx, merchant_id, SEARCH_ORDER, in->metadata, o.id);
    if (!err)
        err = answer(out, merchant_id, &o);
    buf_free(&details);
    return err;
}

static err_t found_by_anew(struct store_tx *tx, int64_t merchant_id, struct id id,
                           const struct order_input *in, json_t *old)
{
    err_t err = OK;
    json_t *reference = json_object_get(old, "reference");
    struct str was = {json_string_value(reference), json_string_length(reference)};
    if (in->given & ORDER_REFERENCE) {
        err = search_remove(tx, merchant_id, SEARCH_ORDER, SEARCH_REFERENCE, was, id);
        if (!err)
            err = search_add(tx, merchant_id, SEARCH_ORDER, SEARCH_REFERENCE, in->reference, id);
    }
    if (!err && (in->given & ORDER_METADATA)) {
        err = search_remove_metadata(tx, merchant_id, SEARCH_ORDER,
                                     json_object_get(old, "metadata"), id);
        if (!err)
            err = search_add_metadata(tx, merchant_id, SEARCH_ORDER, in->metadata, id);
    }
    return err;
}

err_t order_update(struct store_tx *tx, struct det *det, int64_t merchant_id, struct id id,
                   const struct order_input *in, struct buf *out)
{
    struct order o;
    struct buf details = BUF(DETAILS_MAX);
    bool found;
    err_t err = order_get(tx, merchant_id, id, &o, &found);
    if (err || !found)
        return err ? err : ERR_NOT_FOUND;
    json_t *old = search_members(o.details);
    details_write(&details, in, old);
    err = !old || details.failed ? ERR_NO_MEMORY : found_by_anew(tx, merchant_id, id, in, old);
    if (!err) {
        o.details = buf_view(&details);
        err = order_put(tx, merchant_id, &o, det->now_us);
    }
    if (!err)
        err = answer(out, merchant_id, &o);
    json_decref(old);
    buf_free(&details);
    return err;
}

err_t order_cancel(struct store_tx *tx, struct det *det, int64_t merchant_id, struct id id,
                   struct buf *out, struct err_info *reterr)
{
    struct order o;
    bool found;
    err_t err = order_get(tx, merchant_id, id, &o, &found);
    if (err || !found)
        return err ? err : ERR_NOT_FOUND;
    if (o.state == ORDER_PAID)
        return error_set(reterr, ERR_STATE,
                         "An order that is paid cannot be canceled; refund its payments.");
    if (o.reserved > 0)
        return error_set(reterr, ERR_STATE,
                         "Payments of this order are under way or hold money (%lld): cancel them "
                         "first.",
                         (long long)o.reserved);
    if (o.state == ORDER_OPEN) {
        o.state = ORDER_CANCELED;
        err = order_put(tx, merchant_id, &o, det->now_us);
    }
    return err ? err : answer(out, merchant_id, &o);
}

/* --- reading --- */

err_t order_show(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                 bool *ret_found)
{
    struct order o;
    err_t err = order_get(tx, merchant_id, id, &o, ret_found);
    return err || !*ret_found ? err : answer(out, merchant_id, &o);
}

struct listing {
    int64_t merchant_id;
    const struct page *page;
    const struct order_filter *filter;
    json_each *each;
    void *arg;
};

static err_t list_one(const struct listing *l, const struct order *o)
{
    struct buf json = BUF(ORDER_JSON_MAX);
    err_t err = answer(&json, l->merchant_id, o);
    if (!err)
        err = l->each(o->id, buf_view(&json), l->arg);
    buf_free(&json);
    return err;
}

static err_t list_row(struct store_row *row, void *arg)
{
    struct order o;
    order_row(row, &o);
    return list_one(arg, &o);
}

static err_t take(struct store_tx *tx, struct id id, void *arg, bool *ret_taken)
{
    struct listing *l = arg;
    const struct order_filter *f = l->filter;
    struct order o;
    bool found;
    err_t err = order_get(tx, l->merchant_id, id, &o, &found);
    *ret_taken = !err && found && page_has(l->page, o.created_us) &&
                 (f->state == 0 || f->state == o.state) &&
                 (f->currency == 0 || f->currency == o.currency) &&
                 (f->amount == 0 || f->amount == o.amount);
    return *ret_taken ? list_one(l, &o) : err;
}

err_t order_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                 const struct order_filter *filter, const struct search *search, json_each *each,
                 void *arg)
{
    struct listing l = {merchant_id, page, filter, each, arg};
    if (search->n)
        return search_run(tx, merchant_id, SEARCH_ORDER, search, page, take, &l);
    return store_each(tx, page->up ? SQL_ORDERS_LIST_ORDERS_UP : SQL_ORDERS_LIST_ORDERS_DOWN,
                      list_row, &l, V_INT(merchant_id), V_ID(&page->cursor),
                      V_INT(page->created_from), V_INT(page->created_to), V_INT(filter->state),
                      V_INT(filter->currency), V_INT(filter->amount), V_INT(page->limit));
}

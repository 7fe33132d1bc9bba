/* Payment methods: reading and listing. */
#include "customers/customers_internal.h"

err_t method_read(struct store_tx *tx, int64_t merchant_id, struct id id, struct method *ret,
                  bool *ret_found)
{
    struct method_row r;
    err_t err = method_get(tx, merchant_id, id, &r, ret_found);
    if (*ret_found)
        *ret = r.m;
    return err;
}

err_t method_show(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                  bool *ret_found)
{
    struct method_row r;
    err_t err = method_get(tx, merchant_id, id, &r, ret_found);
    return err || !*ret_found ? err : method_answer(out, merchant_id, &r);
}

struct listing {
    int64_t merchant_id;
    json_each *each;
    void *arg;
};

static err_t list_row(struct store_row *row, void *arg)
{
    struct listing *l = arg;
    struct method_row r;
    struct buf json = BUF(CUSTOMER_JSON_MAX);
    method_from_row(row, &r);
    err_t err = method_answer(&json, l->merchant_id, &r);
    if (!err)
        err = l->each(r.m.id, buf_view(&json), l->arg);
    buf_free(&json);
    return err;
}

err_t method_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                  const struct method_filter *f, json_each *each, void *arg)
{
    struct listing l = {merchant_id, each, arg};
    bool all = id_is_zero(f->customer);
    if (f->fingerprint)
        return store_each(tx,
                          page->up ? SQL_CUSTOMERS_LIST_FINGERPRINT_METHODS_UP
                                   : SQL_CUSTOMERS_LIST_FINGERPRINT_METHODS_DOWN,
                          list_row, &l, V_INT(merchant_id), V_BLOB(f->fingerprint, 16),
                          V_ID(&page->cursor), V_INT(page->created_from), V_INT(page->created_to),
                          V_INT(f->state), V_INT(!all), V_ID(&f->customer), V_INT(page->limit));
    if (all)
        return store_each(
            tx, page->up ? SQL_CUSTOMERS_LIST_METHODS_UP : SQL_CUSTOMERS_LIST_METHODS_DOWN,
            list_row, &l, V_INT(merchant_id), V_ID(&page->cursor), V_INT(page->created_from),
            V_INT(page->created_to), V_INT(f->state), V_INT(page->limit));
    return store_each(tx,
                      page->up ? SQL_CUSTOMERS_LIST_CUSTOMER_METHODS_UP
                               : SQL_CUSTOMERS_LIST_CUSTOMER_METHODS_DOWN,
                      list_row, &l, V_INT(merchant_id), V_ID(&f->customer), V_ID(&page->cursor),
                      V_INT(page->created_from), V_INT(page->created_to), V_INT(f->state),
                      V_INT(page->limit));
}

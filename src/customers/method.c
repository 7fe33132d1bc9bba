/* Payment methods: saved tokens of customers. */
#include "customers/customers_internal.h"

#include <stdio.h>

#include "events/events.h"

#define TOKEN_MAX 255
#define DETACHED_AT_ONCE 64

struct row {
    struct method m;
    int state;
    int64_t version, event_last, created_us, updated_us;
    struct str details;
};

int method_state_find(struct str text)
{
#define X(n, number, name)                                                                         \
    if (str_eq(text, STR(name)))                                                                   \
        return number;
    METHOD_STATES(X)
#undef X
    return 0;
}

bool method_token_ok(struct str t)
{
    if (!str_starts(t, STR("pm_")) || t.n < 4 || t.n > TOKEN_MAX)
        return false;
    for (size_t i = 3; i < t.n; i++)
        if (!((t.p[i] >= 'a' && t.p[i] <= 'z') || (t.p[i] >= 'A' && t.p[i] <= 'Z') ||
              (t.p[i] >= '0' && t.p[i] <= '9') || t.p[i] == '_'))
            return false;
    return true;
}

static struct str opt_str(const char *z)
{
    return z[0] ? str_from(z) : (struct str){NULL, 0};
}

static void copy(char *out, size_t max, struct str s)
{
    (void)snprintf(out, max, STR_FMT, STR_ARG(s));
}

/* --- rows --- */

static void method_row(struct store_row *row, struct row *ret)
{
    *ret = (struct row){.state = (int)row_int(row, 2),
                        .version = row_int(row, 3),
                        .event_last = row_int(row, 4),
                        .created_us = row_int(row, 5),
                        .updated_us = row_int(row, 6),
                        .details = row_text(row, 11)};
    struct method *m = &ret->m;
    m->id = row_id(row, 0);
    m->customer = row_null(row, 1) ? (struct id){{0}} : row_id(row, 1);
    m->attached = ret->state == METHOD_ATTACHED;
    copy(m->token, sizeof m->token, row_text(row, 7));
    copy(m->card_brand, sizeof m->card_brand, row_text(row, 8));
    copy(m->card_last_four, sizeof m->card_last_four, row_text(row, 9));
    copy(m->network_transaction_id, sizeof m->network_transaction_id, row_text(row, 10));
}

static err_t method_get(struct store_tx *tx, int64_t merchant_id, struct id id, struct row *ret,
                        bool *ret_found)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_CUSTOMERS_READ_METHOD, &row, V_INT(merchant_id), V_ID(&id));
    *ret_found = !err && row != NULL;
    if (*ret_found)
        method_row(row, ret);
    return err;
}

static err_t method_put(struct store_tx *tx, int64_t merchant_id, const struct row *r, int64_t was)
{
    return store_exec_one(tx, SQL_CUSTOMERS_UPDATE_METHOD, ERR_SOFT, V_INT(r->state),
                          V_INT(r->version), V_INT(r->event_last), V_INT(r->updated_us),
                          V_TEXT(r->details), V_INT(merchant_id), V_ID(&r->m.id), V_INT(was));
}

/* --- JSON and events --- */

static void method_write(struct jw *w, int64_t merchant_id, const struct row *r)
{
    const struct method *m = &r->m;
    jw_object(w, NULL);
    jw_id(w, "id", ID_PAYMENT_METHOD, m->id);
    jw_str(w, "object", STR("payment_method"));
    jw_str(w, "mode", merchant_id & 1 ? STR("live") : STR("test"));
    jw_str(w, "status", m->attached ? STR("attached") : STR("detached"));
    if (id_is_zero(m->customer))
        jw_null(w, "customer");
    else
        jw_id(w, "customer", ID_CUSTOMER, m->customer);
    jw_str(w, "payment_method_token", str_from(m->token));
    if (m->card_last_four[0]) {
        jw_object(w, "card");
        jw_str(w, "brand", opt_str(m->card_brand));
        jw_str(w, "last_four", str_from(m->card_last_four));
        jw_object_end(w);
    } else {
        jw_null(w, "card");
    }
    jw_str(w, "network_transaction_id", opt_str(m->network_transaction_id));
    buf_byte(w->b, ',');
    buf_add(w->b, r->details.p, r->details.n);
    jw_int(w, "version", r->version);
    jw_time(w, "created", r->created_us);
    jw_time(w, "updated", r->updated_us);
    jw_object_end(w);
}

static err_t answer(struct buf *out, int64_t merchant_id, const struct row *r)
{
    method_write(&(struct jw){.b = out}, merchant_id, r);
    return out->failed ? ERR_NO_MEMORY : OK;
}

static err_t announce(struct store_tx *tx, int64_t merchant_id, struct row *r, enum event_type type)
{
    struct buf data = BUF(CUSTOMER_JSON_MAX);
    err_t err = answer(&data, merchant_id, r);
    struct event_new e = {.merchant_id = merchant_id,
                          .type = type,
                          .object_kind = ID_PAYMENT_METHOD,
                          .object_id = r->m.id,
                          .object_version = r->version,
                          .previous = r->event_last,
                          .data = buf_view(&data)};
    if (!err)
        err = event_append(tx, &(struct det){.now_us = r->updated_us}, &e, &r->event_last);
    buf_free(&data);
    return err;
}

/* --- making and changing --- */

static err_t method_insert(struct store_tx *tx, int64_t merchant_id, struct row *r)
{
    const struct method *m = &r->m;
    err_t err = announce(tx, merchant_id, r, EVENT_METHOD_ATTACHED);
    if (err)
        return err;
    return store_exec(tx, SQL_CUSTOMERS_INSERT_METHOD, NULL, V_INT(merchant_id), V_ID(&m->id),
                      id_is_zero(m->customer) ? V_NULL : V_ID(&m->customer), V_INT(r->event_last),
                      V_INT(r->created_us), V_TEXT(str_from(m->token)),
                      V_TEXT(opt_str(m->card_brand)), V_TEXT(opt_str(m->card_last_four)),
                      V_TEXT(opt_str(m->network_transaction_id)), V_TEXT(r->details));
}

static struct row new_row(const struct det *det)
{
    return (struct row){.state = METHOD_ATTACHED,
                        .version = 1,
                        .created_us = det->now_us,
                        .updated_us = det->now_us,
                        .details = STR("\"metadata\":{}")};
}

err_t method_save(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                  const struct method *m)
{
    struct row r = new_row(det);
    ASSERT(!id_is_zero(m->id) && m->token[0]);
    r.m = *m;
    r.m.attached = true;
    return method_insert(tx, merchant_id, &r);
}

err_t method_learn(struct store_tx *tx, int64_t merchant_id, struct id id, const struct method *m)
{
    return store_exec(tx, SQL_CUSTOMERS_LEARN_METHOD, NULL, V_TEXT(opt_str(m->card_brand)),
                      V_TEXT(opt_str(m->card_last_four)),
                      V_TEXT(opt_str(m->network_transaction_id)), V_INT(merchant_id), V_ID(&id));
}

static void details_write(struct buf *out, json_t *metadata)
{
    struct jw w = {.b = out};
    if (metadata)
        jw_json(&w, "metadata", metadata);
    else
        jw_raw(&w, "metadata", STR("{}"));
}

err_t method_attach(struct store_tx *tx, struct det *det, int64_t merchant_id,
                    const struct method_input *in, struct buf *out, struct err_info *reterr)
{
    struct buf details = BUF(DETAILS_MAX);
    bool found;
    ASSERT(method_token_ok(in->token));
    err_t err = customer_read(tx, merchant_id, in->customer, &found);
    if (err)
        return err;
    if (!found)
        return error_param(reterr, ERR_PARAM_INVALID, "customer", "There is no such customer.");
    struct row r = new_row(det);
    r.m = (struct method){.id = id_new(det), .customer = in->customer, .attached = true};
    copy(r.m.token, sizeof r.m.token, in->token);
    details_write(&details, in->metadata);
    r.details = buf_view(&details);
    err = details.failed ? ERR_NO_MEMORY : method_insert(tx, merchant_id, &r);
    if (!err)
        err = answer(out, merchant_id, &r);
    buf_free(&details);
    return err;
}

err_t method_detach(struct store_tx *tx, const struct det *det, int64_t merchant_id, struct id id,
                    struct buf *out)
{
    struct row r;
    bool found;
    err_t err = method_get(tx, merchant_id, id, &r, &found);
    if (err || !found)
        return err ? err : ERR_NOT_FOUND;
    if (r.m.attached) {
        int64_t was = r.version++;
        r.state = METHOD_DETACHED;
        r.m.attached = false;
        r.updated_us = num_max(r.updated_us, det->now_us);
        err = announce(tx, merchant_id, &r, EVENT_METHOD_DETACHED);
        if (!err)
            err = method_put(tx, merchant_id, &r, was);
    }
    return err || !out ? err : answer(out, merchant_id, &r);
}

struct some {
    size_t n;
    struct id id[DETACHED_AT_ONCE];
};

static err_t take_id(struct store_row *row, void *arg)
{
    struct some *s = arg;
    s->id[s->n++] = row_id(row, 0);
    return OK;
}

err_t methods_detach(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                     struct id customer)
{
    struct some s;
    do {
        s.n = 0;
        err_t err = store_each(tx, SQL_CUSTOMERS_LIST_ATTACHED_METHODS, take_id, &s,
                               V_INT(merchant_id), V_ID(&customer), V_INT(DETACHED_AT_ONCE));
        for (size_t i = 0; !err && i < s.n; i++)
            err = method_detach(tx, det, merchant_id, s.id[i], NULL);
        if (err)
            return err;
    } while (s.n == DETACHED_AT_ONCE);
    return OK;
}

/* No event tells of it: the version, which counts events, stays. */
err_t method_update(struct store_tx *tx, const struct det *det, int64_t merchant_id, struct id id,
                    json_t *metadata, struct buf *out)
{
    struct row r;
    struct buf details = BUF(DETAILS_MAX);
    bool found;
    err_t err = method_get(tx, merchant_id, id, &r, &found);
    if (err || !found)
        return err ? err : ERR_NOT_FOUND;
    details_write(&details, metadata);
    r.details = buf_view(&details);
    r.updated_us = num_max(r.updated_us, det->now_us);
    err = details.failed ? ERR_NO_MEMORY : method_put(tx, merchant_id, &r, r.version);
    if (!err)
        err = answer(out, merchant_id, &r);
    buf_free(&details);
    return err;
}

/* --- reading --- */

err_t method_read(struct store_tx *tx, int64_t merchant_id, struct id id, struct method *ret,
                  bool *ret_found)
{
    struct row r;
    err_t err = method_get(tx, merchant_id, id, &r, ret_found);
    if (*ret_found)
        *ret = r.m;
    return err;
}

err_t method_show(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                  bool *ret_found)
{
    struct row r;
    err_t err = method_get(tx, merchant_id, id, &r, ret_found);
    return err || !*ret_found ? err : answer(out, merchant_id, &r);
}

struct listing {
    int64_t merchant_id;
    json_each *each;
    void *arg;
};

static err_t list_row(struct store_row *row, void *arg)
{
    struct listing *l = arg;
    struct row r;
    struct buf json = BUF(CUSTOMER_JSON_MAX);
    method_row(row, &r);
    err_t err = answer(&json, l->merchant_id, &r);
    if (!err)
        err = l->each(r.m.id, buf_view(&json), l->arg);
    buf_free(&json);
    return err;
}

err_t method_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                  struct id customer, int state, json_each *each, void *arg)
{
    struct listing l = {merchant_id, each, arg};
    if (id_is_zero(customer))
        return store_each(
            tx, page->up ? SQL_CUSTOMERS_LIST_METHODS_UP : SQL_CUSTOMERS_LIST_METHODS_DOWN,
            list_row, &l, V_INT(merchant_id), V_ID(&page->cursor), V_INT(page->created_from),
            V_INT(page->created_to), V_INT(state), V_INT(page->limit));
    return store_each(tx,
                      page->up ? SQL_CUSTOMERS_LIST_CUSTOMER_METHODS_UP
                               : SQL_CUSTOMERS_LIST_CUSTOMER_METHODS_DOWN,
                      list_row, &l, V_INT(merchant_id), V_ID(&customer), V_ID(&page->cursor),
                      V_INT(page->created_from), V_INT(page->created_to), V_INT(state),
                      V_INT(page->limit));
}

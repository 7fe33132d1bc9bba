/* Customers: checks, rows, JSON. */
#include "customers/customers_internal.h"

struct customer {
    struct id id;
    int64_t version, created_us, updated_us;
    struct str name, email, phone, details; /* absent: none */
};

/* --- checks --- */

static bool visible(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7F)
            return false;
    return true;
}

/* Whether mail arrives only sending shows: one @ with something on both sides, and no spaces. */
static bool email_ok(struct str s)
{
    const char *at = memchr(s.p, '@', s.n);
    return visible(s) && at && at > s.p && at + 1 < s.p + s.n && !memchr(s.p, ' ', s.n) &&
           !memchr(at + 1, '@', (size_t)(s.p + s.n - at - 1));
}

static bool phone_ok(struct str s)
{
    size_t digits = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!strchr("0123456789+-()./ #", s.p[i]))
            return false;
        digits += s.p[i] >= '0' && s.p[i] <= '9';
    }
    return digits >= 3;
}

err_t customer_check(const struct customer_input *in, struct err_info *reterr)
{
    err_t err = OK;
    if (in->name.p && !visible(in->name))
        err = error_param(reterr, ERR_PARAM_INVALID, "name", "name must be a single line of text");
    if (in->email.p && !email_ok(in->email))
        err = error_param(reterr, ERR_PARAM_INVALID, "email",
                          "email must be an address such as ann@example.com");
    if (in->phone.p && !phone_ok(in->phone))
        err = error_param(reterr, ERR_PARAM_INVALID, "phone",
                          "phone must be a number of at least three digits, with + - ( ) . / # and "
                          "spaces if need be");
    return err;
}

/* --- rows --- */

static void customer_row(struct store_row *row, struct customer *ret)
{
    *ret = (struct customer){.id = row_id(row, 0),
                             .version = row_int(row, 1),
                             .created_us = row_int(row, 2),
                             .updated_us = row_int(row, 3),
                             .name = row_text(row, 4),
                             .email = row_text(row, 5),
                             .phone = row_text(row, 6),
                             .details = row_text(row, 7)};
}

static err_t customer_get(struct store_tx *tx, int64_t merchant_id, struct id id,
                          struct customer *ret, bool *ret_found)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_CUSTOMERS_READ_CUSTOMER, &row, V_INT(merchant_id), V_ID(&id));
    *ret_found = !err && row != NULL;
    if (*ret_found)
        customer_row(row, ret);
    return err;
}

/* Writes it back with the next version. */
static err_t customer_put(struct store_tx *tx, int64_t merchant_id, struct customer *c, int state)
{
    int64_t was = c->version++;
    return store_exec_one(tx, SQL_CUSTOMERS_UPDATE_CUSTOMER, ERR_SOFT, V_INT(state),
                          V_INT(c->version), V_INT(c->updated_us), V_TEXT(c->name),
                          V_TEXT(c->email), V_TEXT(c->phone), V_TEXT(c->details),
                          V_INT(merchant_id), V_ID(&c->id), V_INT(was));
}

/* --- JSON --- */

static void customer_write(struct jw *w, int64_t merchant_id, const struct customer *c)
{
    jw_object(w, NULL);
    jw_id(w, "id", ID_CUSTOMER, c->id);
    jw_str(w, "object", STR("customer"));
    jw_str(w, "mode", merchant_id & 1 ? STR("live") : STR("test"));
    jw_str(w, "name", c->name);
    jw_str(w, "email", c->email);
    jw_str(w, "phone", c->phone);
    buf_byte(w->b, ',');
    buf_add(w->b, c->details.p, c->details.n);
    jw_int(w, "version", c->version);
    jw_time(w, "created", c->created_us);
    jw_time(w, "updated", c->updated_us);
    jw_object_end(w);
}

static err_t answer(struct buf *out, int64_t merchant_id, const struct customer *c)
{
    customer_write(&(struct jw){.b = out}, merchant_id, c);
    return out->failed ? ERR_NO_MEMORY : OK;
}

/* The members that nothing is found by in the row: those given, the others as they were. */
static void details_write(struct buf *out, const struct customer_input *in, json_t *old)
{
    struct jw w = {.b = out};
    if (in->given & CUSTOMER_DESCRIPTION)
        jw_str(&w, "description", in->description);
    else
        jw_json(&w, "description", json_object_get(old, "description"));
    json_t *metadata =
        in->given & CUSTOMER_METADATA ? in->metadata : json_object_get(old, "metadata");
    if (metadata)
        jw_json(&w, "metadata", metadata);
    else
        jw_raw(&w, "metadata", STR("{}"));
}

/* --- making and changing --- */

err_t customer_create(struct store_tx *tx, struct det *det, int64_t merchant_id,
                      const struct customer_input *in, struct buf *out)
{
    struct buf details = BUF(DETAILS_MAX);
    struct customer c = {.id = id_new(det),
                         .version = 1,
                         .created_us = det->now_us,
                         .updated_us = det->now_us,
                         .name = in->name,
                         .email = in->email,
                         .phone = in->phone};
    ASSERT(in->given == CUSTOMER_ALL);
    details_write(&details, in, NULL);
    c.details = buf_view(&details);
    err_t err = details.failed
                    ? ERR_NO_MEMORY
                    : store_exec(tx, SQL_CUSTOMERS_INSERT_CUSTOMER, NULL, V_INT(merchant_id),
                                 V_ID(&c.id), V_INT(c.created_us), V_TEXT(c.name), V_TEXT(c.email),
                                 V_TEXT(c.phone), V_TEXT(c.details));
    if (!err)
        err = search_add(tx, merchant_id, SEARCH_CUSTOMER, SEARCH_EMAIL, c.email, c.id);
    if (!err)
        err = search_add_metadata(tx, merchant_id, SEARCH_CUSTOMER, in->metadata, c.id);
    if (!err)
        err = answer(out, merchant_id, &c);
    buf_free(&details);
    return err;
}

static err_t found_by_anew(struct store_tx *tx, int64_t merchant_id, const struct customer *c,
                           const struct customer_input *in, json_t *old)
{
    err_t err = OK;
    if (in->given & CUSTOMER_EMAIL) {
        err = search_remove(tx, merchant_id, SEARCH_CUSTOMER, SEARCH_EMAIL, c->email, c->id);
        if (!err)
            err = search_add(tx, merchant_id, SEARCH_CUSTOMER, SEARCH_EMAIL, in->email, c->id);
    }
    if (!err && (in->given & CUSTOMER_METADATA)) {
        err = search_remove_metadata(tx, merchant_id, SEARCH_CUSTOMER,
                                     json_object_get(old, "metadata"), c->id);
        if (!err)
            err = search_add_metadata(tx, merchant_id, SEARCH_CUSTOMER, in->metadata, c->id);
    }
    return err;
}

err_t customer_update(struct store_tx *tx, struct det *det, int64_t merchant_id, struct id id,
                      const struct customer_input *in, struct buf *out)
{
    struct customer c;
    struct buf details = BUF(DETAILS_MAX);
    bool found;
    err_t err = customer_get(tx, merchant_id, id, &c, &found);
    if (err || !found)
        return err ? err : ERR_NOT_FOUND;
    json_t *old = search_members(c.details);
    details_write(&details, in, old);
    err = !old || details.failed ? ERR_NO_MEMORY : found_by_anew(tx, merchant_id, &c, in, old);
    if (!err) {
        c.details = buf_view(&details);
        c.name = in->given & CUSTOMER_NAME ? in->name : c.name;
        c.email = in->given & CUSTOMER_EMAIL ? in->email : c.email;
        c.phone = in->given & CUSTOMER_PHONE ? in->phone : c.phone;
        c.updated_us = num_max(c.updated_us, det->now_us);
        err = customer_put(tx, merchant_id, &c, 1);
    }
    if (!err)
        err = answer(out, merchant_id, &c);
    json_decref(old);
    buf_free(&details);
    return err;
}

err_t customer_delete(struct store_tx *tx, struct det *det, int64_t merchant_id, struct id id,
                      struct buf *out)
{
    static const struct customer_input nothing = {.given = CUSTOMER_ALL};
    struct customer c;
    bool found;
    err_t err = customer_get(tx, merchant_id, id, &c, &found);
    if (err || !found)
        return err ? err : ERR_NOT_FOUND;
    json_t *old = search_members(c.details);
    struct buf details = BUF(DETAILS_MAX);
    details_write(&details, &nothing, NULL);
    err =
        !old || details.failed ? ERR_NO_MEMORY : found_by_anew(tx, merchant_id, &c, &nothing, old);
    if (!err)
        err = methods_detach(tx, det, merchant_id, id);
    if (!err) {
        c = (struct customer){.id = id,
                              .version = c.version,
                              .updated_us = num_max(c.updated_us, det->now_us),
                              .details = buf_view(&details)};
        err = customer_put(tx, merchant_id, &c, 2);
    }
    if (!err) {
        struct jw w = {.b = out};
        jw_object(&w, NULL);
        jw_id(&w, "id", ID_CUSTOMER, id);
        jw_str(&w, "object", STR("customer"));
        jw_bool(&w, "deleted", true);
        jw_object_end(&w);
        err = out->failed ? ERR_NO_MEMORY : OK;
    }
    json_decref(old);
    buf_free(&details);
    return err;
}

/* --- reading --- */

err_t customer_read(struct store_tx *tx, int64_t merchant_id, struct id id, bool *ret_found)
{
    struct customer c;
    return customer_get(tx, merchant_id, id, &c, ret_found);
}

err_t customer_show(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                    bool *ret_found)
{
    struct customer c;
    err_t err = customer_get(tx, merchant_id, id, &c, ret_found);
    return err || !*ret_found ? err : answer(out, merchant_id, &c);
}

struct listing {
    int64_t merchant_id;
    const struct page *page;
    json_each *each;
    void *arg;
};

static err_t list_one(const struct listing *l, const struct customer *c)
{
    struct buf json = BUF(CUSTOMER_JSON_MAX);
    err_t err = answer(&json, l->merchant_id, c);
    if (!err)
        err = l->each(c->id, buf_view(&json), l->arg);
    buf_free(&json);
    return err;
}

static err_t list_row(struct store_row *row, void *arg)
{
    struct customer c;
    customer_row(row, &c);
    return list_one(arg, &c);
}

static err_t take(struct store_tx *tx, struct id id, void *arg, bool *ret_taken)
{
    struct listing *l = arg;
    struct customer c;
    bool found;
    err_t err = customer_get(tx, l->merchant_id, id, &c, &found);
    *ret_taken = !err && found && page_has(l->page, c.created_us);
    return *ret_taken ? list_one(l, &c) : err;
}

err_t customer_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                    const struct search *search, json_each *each, void *arg)
{
    struct listing l = {merchant_id, page, each, arg};
    if (search->n)
        return search_run(tx, merchant_id, SEARCH_CUSTOMER, search, page, take, &l);
    return store_each(
        tx, page->up ? SQL_CUSTOMERS_LIST_CUSTOMERS_UP : SQL_CUSTOMERS_LIST_CUSTOMERS_DOWN,
        list_row, &l, V_INT(merchant_id), V_ID(&page->cursor), V_INT(page->created_from),
        V_INT(page->created_to), V_INT(page->limit));
}

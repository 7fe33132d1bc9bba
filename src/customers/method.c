/* Payment methods: saved tokens of customers, and cards of the vault. */
#include "customers/customers_internal.h"

#include <stdio.h>

#include "connect/connect.h"

#define TOKEN_MAX 255
#define DETACHED_AT_ONCE 64

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

bool method_in_vault(const struct method *m)
{
    struct id card;
    return card_token_parse(str_from(m->token), &card) && id_eq(card, m->id);
}

bool method_usable(const struct method *m, int64_t now_us)
{
    return m->state == METHOD_ATTACHED ||
           (m->state == METHOD_UNATTACHED && now_us < m->created_us + METHOD_UNATTACHED_US);
}

static const char *state_text(enum method_state state)
{
    switch (state) {
#define X(n, number, text)                                                                         \
    case METHOD_##n:                                                                               \
        return text;
        METHOD_STATES(X)
#undef X
    }
    check_panic("customers: a payment method in state %d", (int)state);
}

void method_text(char *out, size_t max, struct str s)
{
    (void)snprintf(out, max, STR_FMT, STR_ARG(s));
}

/* --- rows --- */

void method_from_row(struct store_row *row, struct method_row *ret)
{
    *ret = (struct method_row){.version = row_int(row, 3),
                               .event_last = row_int(row, 4),
                               .updated_us = row_int(row, 6),
                               .details = row_text(row, 11),
                               .was = {(int)row_int(row, 2), row_int(row, 3)}};
    struct method *m = &ret->m;
    m->id = row_id(row, 0);
    m->customer = row_null(row, 1) ? (struct id){{0}} : row_id(row, 1);
    m->state = (enum method_state)row_int(row, 2);
    m->created_us = row_int(row, 5);
    method_text(m->token, sizeof m->token, row_text(row, 7));
    method_text(m->card_brand, sizeof m->card_brand, row_text(row, 8));
    method_text(m->card_last_four, sizeof m->card_last_four, row_text(row, 9));
    method_text(m->network_transaction_id, sizeof m->network_transaction_id, row_text(row, 10));
    method_text(m->card_bin, sizeof m->card_bin, row_text(row, 12));
    method_text(m->card_funding, sizeof m->card_funding, row_text(row, 13));
    method_text(m->card_issuer, sizeof m->card_issuer, row_text(row, 14));
    method_text(m->card_country, sizeof m->card_country, row_text(row, 15));
    m->card_exp_month = (int)row_int(row, 16);
    m->card_exp_year = (int)row_int(row, 17);
    struct str fingerprint = row_text(row, 18);
    if (fingerprint.n == sizeof m->card_fingerprint)
        memcpy(m->card_fingerprint, fingerprint.p, fingerprint.n);
}

err_t method_get(struct store_tx *tx, int64_t merchant_id, struct id id, struct method_row *ret,
                 bool *ret_found)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_CUSTOMERS_READ_METHOD, &row, V_INT(merchant_id), V_ID(&id));
    *ret_found = !err && row != NULL;
    if (*ret_found)
        method_from_row(row, ret);
    return err;
}

static struct sql_value customer_value(const struct method *m)
{
    return id_is_zero(m->customer) ? V_NULL : V_ID(&m->customer);
}

static struct sql_value opt_int_value(int v)
{
    return v ? V_INT(v) : V_NULL;
}

static bool has_fingerprint(const struct method *m)
{
    static const uint8_t none[sizeof m->card_fingerprint];
    return memcmp(m->card_fingerprint, none, sizeof none) != 0;
}

err_t method_put(struct store_tx *tx, int64_t merchant_id, const struct method_row *r)
{
    const struct method *m = &r->m;
    return store_exec_one(tx, SQL_CUSTOMERS_UPDATE_METHOD, ERR_SOFT, customer_value(m),
                          V_INT(m->state), V_INT(r->version), V_INT(r->event_last),
                          V_INT(r->updated_us), opt_int_value(m->card_exp_month),
                          opt_int_value(m->card_exp_year), V_TEXT(r->details), V_INT(merchant_id),
                          V_ID(&m->id), V_INT(r->was.state), V_INT(r->was.version));
}

err_t method_insert(struct store_tx *tx, int64_t merchant_id, const struct method_row *r)
{
    const struct method *m = &r->m;
    struct sql_value fingerprint =
        has_fingerprint(m) ? V_BLOB(m->card_fingerprint, sizeof m->card_fingerprint) : V_NULL;
    return store_exec(tx, SQL_CUSTOMERS_INSERT_METHOD, NULL, V_INT(merchant_id), V_ID(&m->id),
                      customer_value(m), V_INT(m->state), V_INT(r->version), V_INT(r->event_last),
                      V_INT(m->created_us), opt_int_value(m->card_exp_month),
                      opt_int_value(m->card_exp_year), fingerprint, V_TEXT(str_from(m->token)),
                      V_TEXT(opt_str(m->card_brand)), V_TEXT(opt_str(m->card_last_four)),
                      V_TEXT(opt_str(m->card_bin)), V_TEXT(opt_str(m->card_funding)),
                      V_TEXT(opt_str(m->card_country)), V_TEXT(opt_str(m->card_issuer)),
                      V_TEXT(opt_str(m->network_transaction_id)), V_TEXT(r->details));
}

/* --- JSON and events --- */

static void opt_int_write(struct jw *w, const char *key, int v)
{
    if (v)
        jw_int(w, key, v);
    else
        jw_null(w, key);
}

static void card_write(struct jw *w, const struct method *m)
{
    struct id fingerprint;
    if (!m->card_last_four[0]) {
        jw_null(w, "card");
        return;
    }
    jw_object(w, "card");
    jw_str(w, "brand", opt_str(m->card_brand));
    jw_str(w, "last_four", str_from(m->card_last_four));
    jw_str(w, "bin", opt_str(m->card_bin));
    opt_int_write(w, "exp_month", m->card_exp_month);
    opt_int_write(w, "exp_year", m->card_exp_year);
    jw_str(w, "funding", opt_str(m->card_funding));
    jw_str(w, "issuer", opt_str(m->card_issuer));
    jw_str(w, "country", opt_str(m->card_country));
    memcpy(fingerprint.b, m->card_fingerprint, sizeof fingerprint.b);
    if (has_fingerprint(m))
        jw_id(w, "fingerprint", ID_FINGERPRINT, fingerprint);
    else
        jw_null(w, "fingerprint");
    jw_object_end(w);
}

static void method_write(struct jw *w, int64_t merchant_id, const struct method_row *r)
{
    const struct method *m = &r->m;
    jw_object(w, NULL);
    jw_id(w, "id", ID_PAYMENT_METHOD, m->id);
    jw_str(w, "object", STR("payment_method"));
    jw_str(w, "mode", merchant_id & 1 ? STR("live") : STR("test"));
    jw_str(w, "status", str_from(state_text(m->state)));
    if (id_is_zero(m->customer))
        jw_null(w, "customer");
    else
        jw_id(w, "customer", ID_CUSTOMER, m->customer);
    jw_str(w, "payment_method_token", str_from(m->token));
    card_write(w, m);
    jw_str(w, "network_transaction_id", opt_str(m->network_transaction_id));
    buf_byte(w->b, ',');
    buf_add(w->b, r->details.p, r->details.n);
    jw_int(w, "version", r->version);
    jw_time(w, "created", m->created_us);
    jw_time(w, "updated", r->updated_us);
    jw_object_end(w);
}

err_t method_answer(struct buf *out, int64_t merchant_id, const struct method_row *r)
{
    method_write(&(struct jw){.b = out}, merchant_id, r);
    return out->failed ? ERR_NO_MEMORY : OK;
}

err_t method_turn(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                  struct method_row *r, enum method_state state)
{
    ASSERT(state == METHOD_ATTACHED || state == METHOD_DETACHED);
    struct buf data = BUF(CUSTOMER_JSON_MAX);
    r->m.state = state;
    r->version++;
    r->updated_us = num_max(r->updated_us, det->now_us);
    err_t err = method_answer(&data, merchant_id, r);
    struct event_new e = {.merchant_id = merchant_id,
                          .type = state == METHOD_ATTACHED ? EVENT_METHOD_ATTACHED
                                                           : EVENT_METHOD_DETACHED,
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

struct method_row method_new(const struct det *det, enum method_state state)
{
    return (struct method_row){.m = {.state = state, .created_us = det->now_us},
                               .updated_us = det->now_us,
                               .details = STR("\"metadata\":{}")};
}

/* A new one that is attached from the start. */
static err_t insert_attached(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                             struct method_row *r)
{
    err_t err = method_turn(tx, det, merchant_id, r, METHOD_ATTACHED);
    return err ? err : method_insert(tx, merchant_id, r);
}

err_t method_save(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                  const struct method *m)
{
    struct method_row r = method_new(det, METHOD_ATTACHED);
    ASSERT(!id_is_zero(m->id) && m->token[0]);
    r.m = *m;
    r.m.created_us = det->now_us;
    return insert_attached(tx, det, merchant_id, &r);
}

err_t method_learn(struct store_tx *tx, int64_t merchant_id, struct id id, const struct method *m)
{
    return store_exec(tx, SQL_CUSTOMERS_LEARN_METHOD, NULL, V_TEXT(opt_str(m->card_brand)),
                      V_TEXT(opt_str(m->card_last_four)),
                      V_TEXT(opt_str(m->network_transaction_id)), V_INT(merchant_id), V_ID(&id));
}

/* The rendered members of a row. */
static void method_details(struct buf *out, json_t *metadata)
{
    struct jw w = {.b = out};
    if (metadata)
        jw_json(&w, "metadata", metadata);
    else
        jw_raw(&w, "metadata", STR("{}"));
}

/* Gives an unattached one, whose day is not over, to a customer. */
static err_t give(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                  struct method_row *r, struct id customer)
{
    r->m.customer = customer;
    err_t err = method_turn(tx, det, merchant_id, r, METHOD_ATTACHED);
    if (!err)
        err = method_put(tx, merchant_id, r);
    return err ? err : card_follow(tx, merchant_id, &r->m, det->now_us);
}

static err_t check_customer(struct store_tx *tx, int64_t merchant_id, struct id customer,
                            struct err_info *reterr)
{
    bool found;
    err_t err = customer_read(tx, merchant_id, customer, &found);
    if (!err && !found)
        err = error_param(reterr, ERR_PARAM_INVALID, "customer", "There is no such customer.");
    return err;
}

/* The token of a card that the vault has: its row is there already. */
static err_t attach_card(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                         const struct method_input *in, struct id card, struct buf *out,
                         struct err_info *reterr)
{
    struct method_row r;
    struct buf details = BUF(DETAILS_MAX);
    bool found;
    err_t err = method_get(tx, merchant_id, card, &r, &found);
    if (err)
        return err;
    if (!found || !method_usable(&r.m, det->now_us))
        return error_param(reterr, ERR_PARAM_INVALID, "payment_method_token",
                           "names no card that is kept");
    bool theirs = r.m.state == METHOD_ATTACHED;
    if (theirs && !id_eq(r.m.customer, in->customer))
        return error_param(reterr, ERR_PARAM_INVALID, "payment_method_token",
                           "names a card of another customer");
    if (in->metadata) {
        method_details(&details, in->metadata);
        r.details = buf_view(&details);
        r.updated_us = num_max(r.updated_us, det->now_us);
        err = details.failed ? ERR_NO_MEMORY : OK;
    }
    if (!err && !theirs)
        err = give(tx, det, merchant_id, &r, in->customer);
    else if (!err && in->metadata)
        err = method_put(tx, merchant_id, &r);
    if (!err)
        err = method_answer(out, merchant_id, &r);
    buf_free(&details);
    return err;
}

err_t method_attach(struct store_tx *tx, struct det *det, int64_t merchant_id,
                    const struct method_input *in, struct buf *out, struct err_info *reterr)
{
    struct buf details = BUF(DETAILS_MAX);
    struct id card;
    ASSERT(method_token_ok(in->token));
    err_t err = check_customer(tx, merchant_id, in->customer, reterr);
    if (err)
        return err;
    if (card_token_parse(in->token, &card))
        return attach_card(tx, det, merchant_id, in, card, out, reterr);
    struct method_row r = method_new(det, METHOD_ATTACHED);
    r.m.id = id_new(det);
    r.m.customer = in->customer;
    method_text(r.m.token, sizeof r.m.token, in->token);
    method_details(&details, in->metadata);
    r.details = buf_view(&details);
    err = details.failed ? ERR_NO_MEMORY : insert_attached(tx, det, merchant_id, &r);
    if (!err)
        err = method_answer(out, merchant_id, &r);
    buf_free(&details);
    return err;
}

err_t method_give(struct store_tx *tx, const struct det *det, int64_t merchant_id, struct id id,
                  struct id customer, struct buf *out, struct err_info *reterr)
{
    struct method_row r;
    bool found;
    err_t err = method_get(tx, merchant_id, id, &r, &found);
    if (err || !found)
        return err ? err : ERR_NOT_FOUND;
    err = check_customer(tx, merchant_id, customer, reterr);
    if (err)
        return err;
    if (r.m.state == METHOD_ATTACHED && !id_eq(r.m.customer, customer))
        return error_set(reterr, ERR_STATE, "This payment method belongs to another customer.");
    if (r.m.state == METHOD_DETACHED)
        return error_set(reterr, ERR_STATE,
                         "A payment method that was detached cannot be attached again.");
    if (!method_usable(&r.m, det->now_us))
        return error_set(reterr, ERR_STATE,
                         "This card was not attached within a day: it has been forgotten.");
    if (r.m.state == METHOD_UNATTACHED)
        err = give(tx, det, merchant_id, &r, customer);
    return err ? err : method_answer(out, merchant_id, &r);
}

err_t method_keep(struct store_tx *tx, const struct det *det, int64_t merchant_id, struct id id,
                  struct id customer)
{
    struct method_row r;
    bool found, there = false;
    err_t err = method_get(tx, merchant_id, id, &r, &found);
    if (err || !found || r.m.state != METHOD_UNATTACHED)
        return err;
    err = customer_read(tx, merchant_id, customer, &there);
    return err || !there ? err : give(tx, det, merchant_id, &r, customer);
}

err_t method_detach(struct store_tx *tx, const struct det *det, int64_t merchant_id, struct id id,
                    struct buf *out)
{
    struct method_row r;
    bool found;
    err_t err = method_get(tx, merchant_id, id, &r, &found);
    if (err || !found)
        return err ? err : ERR_NOT_FOUND;
    if (r.m.state != METHOD_DETACHED) {
        err = method_turn(tx, det, merchant_id, &r, METHOD_DETACHED);
        if (!err)
            err = method_put(tx, merchant_id, &r);
        if (!err)
            err = card_follow(tx, merchant_id, &r.m, det->now_us);
    }
    return err || !out ? err : method_answer(out, merchant_id, &r);
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

/* Source: a card is good until the end of its month. */
static err_t change_date(struct method_row *r, const struct det *det,
                         const struct method_change *change, struct err_info *reterr)
{
    int this_month, this_year = time_month(det->now_us, &this_month);
    int month = change->exp_month, year = change->exp_year;
    if (!method_in_vault(&r->m))
        return error_param(reterr, ERR_PARAM_INVALID, "exp_month",
                           "can be changed of cards that Florin keeps: this is a provider's token");
    if (r->m.state == METHOD_DETACHED)
        return error_set(reterr, ERR_STATE, "This card was detached and has been forgotten.");
    if (year < this_year || year > this_year + 50)
        return error_param(reterr, ERR_PARAM_INVALID, "exp_year",
                           "must be a year of four digits that has not passed");
    if (year == this_year && month < this_month)
        return error_param(reterr, ERR_PARAM_INVALID, "exp_month", "has passed");
    r->m.card_exp_month = month;
    r->m.card_exp_year = year;
    return OK;
}

/* No event tells of it: the version, which counts events, stays. */
err_t method_update(struct store_tx *tx, const struct det *det, int64_t merchant_id, struct id id,
                    const struct method_change *change, struct buf *out, struct err_info *reterr)
{
    struct method_row r;
    struct buf details = BUF(DETAILS_MAX);
    bool found, dated = change->exp_month != 0;
    err_t err = method_get(tx, merchant_id, id, &r, &found);
    if (err || !found)
        return err ? err : ERR_NOT_FOUND;
    if (dated)
        err = change_date(&r, det, change, reterr);
    if (!err && change->metadata_given) {
        method_details(&details, change->metadata);
        r.details = buf_view(&details);
        err = details.failed ? ERR_NO_MEMORY : OK;
    }
    r.updated_us = num_max(r.updated_us, det->now_us);
    if (!err)
        err = method_put(tx, merchant_id, &r);
    if (!err && dated)
        err = card_follow_expiry(tx, merchant_id, &r.m, det->now_us);
    if (!err)
        err = method_answer(out, merchant_id, &r);
    buf_free(&details);
    return err;
}

/* The dispute row: load, show, announce, save; lists. */
#include "payments/dispute.h"

#include "search/search.h"

/* A snapshot holds all texts of the evidence. */
err_t dispute_from_row(struct store_row *row, int64_t merchant_id, struct dispute *ret)
{
    struct dispute *d = ret;
    *d = (struct dispute){
        .merchant_id = merchant_id, .id = row_id(row, 0), .payment = row_id(row, 1)};
    d->state = (int)row_int(row, 2);
    d->version = row_int(row, 3);
    d->amount = row_int(row, 4);
    d->fee = row_int(row, 5);
    d->held = row_int(row, 6);
    d->currency = (int16_t)row_int(row, 7);
    d->provider_account = (int16_t)row_int(row, 8);
    d->provider_version = row_int(row, 9);
    d->due_us = row_int(row, 10);
    d->submitted_us = row_int(row, 11);
    d->event_last = row_int(row, 12);
    d->created_us = row_int(row, 13);
    d->updated_us = row_int(row, 14);
    copy_text(d->provider_reference, sizeof d->provider_reference, row_text(row, 15));
    copy_text(d->acquirer_reference, sizeof d->acquirer_reference, row_text(row, 16));
    copy_text(d->reason, sizeof d->reason, row_text(row, 17));
    copy_text(d->network_reason_code, sizeof d->network_reason_code, row_text(row, 18));
    struct str evidence = row_text(row, 19);
    d->evidence = BUF(EVIDENCE_TEXT_MAX);
    d->files = BUF(JSON_MAX);
    buf_add(&d->evidence, evidence.p, evidence.n);
    d->was.state = d->state;
    d->was.version = d->version;
    d->was.provider_version = d->provider_version;
    return d->evidence.failed ? ERR_NO_MEMORY : OK;
}

static err_t load(struct store_row *row, int64_t merchant_id, err_t err, struct dispute *ret,
                  bool *ret_found)
{
    *ret_found = !err && row != NULL;
    return err || !row ? err : dispute_from_row(row, merchant_id, ret);
}

err_t dispute_load(struct store_tx *tx, int64_t merchant_id, struct id id, struct dispute *ret,
                   bool *ret_found)
{
    struct store_row *row = NULL;
    *ret = (struct dispute){0};
    err_t err = store_one(tx, SQL_PAYMENTS_READ_DISPUTE, &row, V_INT(merchant_id), V_ID(&id));
    err = load(row, merchant_id, err, ret, ret_found);
    return err || !*ret_found ? err : dispute_files(tx, ret);
}

err_t dispute_find(struct store_tx *tx, int64_t merchant_id, int16_t account, const char *reference,
                   struct dispute *ret, bool *ret_found)
{
    struct store_row *row = NULL;
    *ret = (struct dispute){0};
    err_t err = store_one(tx, SQL_PAYMENTS_FIND_DISPUTE, &row, V_INT(merchant_id), V_INT(account),
                          V_TEXT(str_from(reference)));
    err = load(row, merchant_id, err, ret, ret_found);
    return err || !*ret_found ? err : dispute_files(tx, ret);
}

err_t dispute_load_subject(struct store_tx *tx, struct flow_run *run, struct id id,
                           struct dispute *ret)
{
    bool found;
    err_t err = dispute_load(tx, run->merchant_id, id, ret, &found);
    if (!err && !found)
        err = error_set(&run->error, ERR_NOT_FOUND, "There is no such dispute.");
    return err;
}

struct file_list {
    struct jw w;
};

static err_t write_file(struct store_row *row, void *arg)
{
    struct file_list *l = arg;
    struct buf hash = BUF(128);
    struct str bytes = row_text(row, 5);
    buf_hex(&hash, bytes.p, bytes.n);
    jw_object(&l->w, NULL);
    jw_int(&l->w, "number", row_int(row, 0));
    jw_str(&l->w, "purpose", row_text(row, 1));
    jw_str(&l->w, "name", row_text(row, 2));
    jw_str(&l->w, "content_type", row_text(row, 3));
    jw_int(&l->w, "size", row_int(row, 4));
    jw_str(&l->w, "sha256", buf_view(&hash));
    jw_time(&l->w, "created", row_int(row, 6));
    jw_object_end(&l->w);
    bool failed = hash.failed;
    buf_free(&hash);
    return failed ? ERR_NO_MEMORY : OK;
}

err_t dispute_files(struct store_tx *tx, struct dispute *d)
{
    struct file_list l = {.w = {.b = &d->files}};
    buf_clear(&d->files);
    jw_array(&l.w, NULL);
    err_t err = store_each(tx, SQL_PAYMENTS_LIST_DISPUTE_FILES, write_file, &l,
                           V_INT(d->merchant_id), V_ID(&d->id));
    jw_array_end(&l.w);
    return err ? err : d->files.failed ? ERR_NO_MEMORY : OK;
}

void dispute_release(struct dispute *d)
{
    buf_free(&d->evidence);
    buf_free(&d->files);
}

bool dispute_waits(const struct dispute *d)
{
    return d->state == DISPUTE_INQUIRY || d->state == DISPUTE_NEEDS_RESPONSE;
}

bool dispute_over(const struct dispute *d)
{
    return d->state == DISPUTE_WON || d->state == DISPUTE_LOST || d->state == DISPUTE_ACCEPTED;
}

static void write_opt_time(struct jw *w, const char *key, int64_t us)
{
    if (us)
        jw_time(w, key, us);
    else
        jw_null(w, key);
}

void dispute_write(struct jw *w, const char *key, const struct dispute *d)
{
    const struct currency *c = currency_by_number(d->currency);
    ASSERT(c != NULL && d->evidence.n > 0 && d->files.n > 0);
    jw_object(w, key);
    jw_id(w, "id", ID_DISPUTE, d->id);
    jw_str(w, "object", STR("dispute"));
    jw_str(w, "mode", d->merchant_id & 1 ? STR("live") : STR("test"));
    jw_id(w, "payment", ID_PAYMENT, d->payment);
    jw_str(w, "status", str_from(machine_text(&dispute_machine, d->state)));
    jw_int(w, "amount", d->amount);
    jw_int(w, "amount_held", d->held);
    jw_int(w, "fee", d->fee);
    jw_str(w, "currency", str_from(c->code));
    jw_str(w, "reason", str_from(d->reason));
    jw_str(w, "network_reason_code", opt_str(d->network_reason_code));
    write_opt_time(w, "due_at", d->due_us);
    write_opt_time(w, "submitted_at", d->submitted_us);
    jw_raw(w, "evidence", buf_view(&d->evidence));
    jw_raw(w, "files", buf_view(&d->files));
    jw_str(w, "provider_reference", str_from(d->provider_reference));
    jw_str(w, "acquirer_reference", opt_str(d->acquirer_reference));
    jw_int(w, "version", d->version);
    jw_time(w, "created", d->created_us);
    jw_time(w, "updated", d->updated_us);
    jw_object_end(w);
}

err_t dispute_announce(struct store_tx *tx, struct flow_run *run, struct dispute *d,
                       enum event_type type, struct buf *json)
{
    d->version++;
    d->updated_us = num_max(d->updated_us, run->det.now_us);
    buf_clear(json);
    dispute_write(&(struct jw){.b = json}, NULL, d);
    if (json->failed)
        return ERR_NO_MEMORY;
    struct event_new e = {.merchant_id = d->merchant_id,
                          .type = type,
                          .object_kind = ID_DISPUTE,
                          .object_id = d->id,
                          .object_version = d->version,
                          .previous = d->event_last,
                          .data = buf_view(json)};
    return event_append(tx, &(struct det){.now_us = d->updated_us}, &e, &d->event_last);
}

err_t dispute_save(struct store_tx *tx, struct dispute *d)
{
    err_t err = store_exec_one(
        tx, SQL_PAYMENTS_UPDATE_DISPUTE, ERR_SOFT, V_INT(d->state), V_INT(d->version),
        V_INT(d->amount), V_INT(d->fee), V_INT(d->held), V_INT(d->provider_version),
        V_INT(d->due_us), V_INT(d->submitted_us), V_INT(d->event_last), V_INT(d->updated_us),
        V_TEXT(opt_str(d->acquirer_reference)), V_TEXT(str_from(d->reason)),
        V_TEXT(opt_str(d->network_reason_code)), V_TEXT(buf_view(&d->evidence)),
        V_INT(d->merchant_id), V_ID(&d->id), V_INT(d->was.state), V_INT(d->was.version),
        V_INT(d->was.provider_version));
    d->was.state = d->state;
    d->was.version = d->version;
    d->was.provider_version = d->provider_version;
    return err;
}

/* --- reading --- */

err_t dispute_show(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                   bool *ret_found)
{
    struct dispute d;
    err_t err = dispute_load(tx, merchant_id, id, &d, ret_found);
    if (!err && *ret_found)
        dispute_write(&(struct jw){.b = out}, NULL, &d);
    dispute_release(&d);
    return err;
}

struct listing {
    struct store_tx *tx;
    int64_t merchant_id;
    const struct page *page;
    const struct dispute_filter *filter;
    json_each *each;
    void *arg;
};

static err_t hand(struct listing *l, struct dispute *d)
{
    struct buf json = BUF(JSON_MAX);
    err_t err = dispute_files(l->tx, d);
    if (!err) {
        dispute_write(&(struct jw){.b = &json}, NULL, d);
        err = json.failed ? ERR_NO_MEMORY : l->each(d->id, buf_view(&json), l->arg);
    }
    buf_free(&json);
    return err;
}

static err_t list_row(struct store_row *row, void *arg)
{
    struct listing *l = arg;
    struct dispute d;
    err_t err = dispute_from_row(row, l->merchant_id, &d);
    if (!err)
        err = hand(l, &d);
    dispute_release(&d);
    return err;
}

static err_t take(struct store_tx *tx, struct id id, void *arg, bool *ret_taken)
{
    struct listing *l = arg;
    const struct dispute_filter *f = l->filter;
    struct dispute d;
    bool found;
    err_t err = dispute_load(tx, l->merchant_id, id, &d, &found);
    *ret_taken = !err && found && page_has(l->page, d.created_us) &&
                 (f->state == 0 || f->state == d.state) &&
                 (id_is_zero(f->payment) || id_eq(f->payment, d.payment));
    if (*ret_taken)
        err = hand(l, &d);
    dispute_release(&d);
    return err;
}

err_t dispute_list(struct store_tx *tx, int64_t merchant_id, const struct page *page,
                   const struct dispute_filter *filter, json_each *each, void *arg)
{
    struct listing l = {tx, merchant_id, page, filter, each, arg};
    if (filter->search->n)
        return search_run(tx, merchant_id, SEARCH_DISPUTE, filter->search, page, take, &l);
    if (id_is_zero(filter->payment))
        return store_each(
            tx, page->up ? SQL_PAYMENTS_LIST_DISPUTES_UP : SQL_PAYMENTS_LIST_DISPUTES_DOWN,
            list_row, &l, V_INT(merchant_id), V_ID(&page->cursor), V_INT(page->created_from),
            V_INT(page->created_to), V_INT(filter->state), V_INT(page->limit));
    return store_each(tx,
                      page->up ? SQL_PAYMENTS_LIST_PAYMENT_DISPUTES_UP
                               : SQL_PAYMENTS_LIST_PAYMENT_DISPUTES_DOWN,
                      list_row, &l, V_INT(merchant_id), V_ID(&filter->payment), V_ID(&page->cursor),
                      V_INT(page->created_from), V_INT(page->created_to), V_INT(filter->state),
                      V_INT(page->limit));
}

/* Reviews: opened by what does not add up, closed by a person. */
#include "payments/review.h"

#define NOTE_MAX ((size_t)4096)

static const char *const states[] = {[REVIEW_OPEN] = "open", [REVIEW_CLOSED] = "closed"};
static const char *const kinds[] = {[REVIEW_CLEARING_AMOUNT] = "clearing_amount",
                                    [REVIEW_CONTRADICTION] = "provider_contradiction"};

int review_state_find(struct str text)
{
    for (int i = REVIEW_OPEN; i <= REVIEW_CLOSED; i++)
        if (str_eq(text, str_from(states[i])))
            return i;
    return 0;
}

err_t review_from_row(struct store_row *row, int64_t merchant_id, struct review *ret)
{
    struct review *r = ret;
    *r = (struct review){
        .merchant_id = merchant_id, .id = row_id(row, 0), .payment = row_id(row, 1)};
    r->kind = (int)row_int(row, 2);
    r->state = (int)row_int(row, 3);
    r->version = r->was_version = row_int(row, 4);
    r->expected = row_int(row, 5);
    r->seen = row_int(row, 6);
    r->currency = (int16_t)row_int(row, 7);
    r->event_last = row_int(row, 8);
    r->created_us = row_int(row, 9);
    r->updated_us = row_int(row, 10);
    copy_text(r->resolution, sizeof r->resolution, row_text(row, 11));
    struct str note = row_text(row, 12);
    r->note = BUF(NOTE_MAX);
    buf_add(&r->note, note.p, note.n);
    return r->note.failed ? ERR_NO_MEMORY : OK;
}

static err_t load(struct store_row *row, int64_t merchant_id, err_t err, struct review *ret,
                  bool *ret_found)
{
    *ret_found = !err && row != NULL;
    return err || !row ? err : review_from_row(row, merchant_id, ret);
}

err_t review_load(struct store_tx *tx, int64_t merchant_id, struct id id, struct review *ret,
                  bool *ret_found)
{
    struct store_row *row = NULL;
    *ret = (struct review){0};
    err_t err = store_one(tx, SQL_PAYMENTS_READ_REVIEW, &row, V_INT(merchant_id), V_ID(&id));
    return load(row, merchant_id, err, ret, ret_found);
}

err_t review_find_open(struct store_tx *tx, int64_t merchant_id, struct id payment,
                       enum review_kind kind, struct review *ret, bool *ret_found)
{
    struct store_row *row = NULL;
    *ret = (struct review){0};
    err_t err = store_one(tx, SQL_PAYMENTS_FIND_REVIEW, &row, V_INT(merchant_id),
                          V_INT(REVIEW_OPEN), V_ID(&payment), V_INT(kind));
    return load(row, merchant_id, err, ret, ret_found);
}

void review_release(struct review *r)
{
    buf_free(&r->note);
}

void review_write(struct jw *w, const char *key, const struct review *r)
{
    const struct currency *c = currency_by_number(r->currency);
    ASSERT(c != NULL);
    jw_object(w, key);
    jw_id(w, "id", ID_REVIEW, r->id);
    jw_str(w, "object", STR("review"));
    jw_str(w, "mode", r->merchant_id & 1 ? STR("live") : STR("test"));
    jw_id(w, "payment", ID_PAYMENT, r->payment);
    jw_str(w, "kind", str_from(kinds[r->kind]));
    jw_str(w, "status", str_from(states[r->state]));
    jw_int(w, "amount_expected", r->expected);
    jw_int(w, "amount_seen", r->seen);
    jw_str(w, "currency", str_from(c->code));
    jw_str(w, "resolution", opt_str(r->resolution));
    jw_str(w, "note", r->note.n ? buf_view(&r->note) : (struct str){NULL, 0});
    jw_int(w, "version", r->version);
    jw_time(w, "created", r->created_us);
    jw_time(w, "updated", r->updated_us);
    jw_object_end(w);
}

static err_t announce(struct store_tx *tx, struct flow_run *run, struct review *r,
                      enum event_type type, struct buf *json)
{
    r->version++;
    r->updated_us = num_max(r->updated_us, run->det.now_us);
    buf_clear(json);
    review_write(&(struct jw){.b = json}, NULL, r);
    if (json->failed)
        return ERR_NO_MEMORY;
    struct event_new e = {.merchant_id = r->merchant_id,
                          .type = type,
                          .object_kind = ID_REVIEW,
                          .object_id = r->id,
                          .object_version = r->version,
                          .previous = r->event_last,
                          .data = buf_view(json)};
    return event_append(tx, &(struct det){.now_us = r->updated_us}, &e, &r->event_last);
}

static err_t save(struct store_tx *tx, const struct review *r)
{
    return store_exec_one(
        tx, SQL_PAYMENTS_UPDATE_REVIEW, ERR_SOFT, V_INT(r->state), V_INT(r->version),
        V_INT(r->expected), V_INT(r->seen), V_INT(r->event_last), V_INT(r->updated_us),
        V_TEXT(opt_str(r->resolution)), r->note.n ? V_TEXT(buf_view(&r->note)) : V_NULL,
        V_INT(r->merchant_id), V_ID(&r->id), V_INT(r->was_version));
}

err_t review_open(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                  enum review_kind kind, int64_t expected, int64_t seen, struct id *ret_id)
{
    struct review r = {.merchant_id = p->merchant_id,
                       .id = id_new(&run->det),
                       .payment = p->id,
                       .kind = (int)kind,
                       .state = REVIEW_OPEN,
                       .expected = expected,
                       .seen = seen,
                       .currency = p->currency,
                       .created_us = p->updated_us,
                       .updated_us = p->updated_us};
    struct buf json = BUF(JSON_MAX);
    *ret_id = r.id;
    err_t err = announce(tx, run, &r, EVENT_REVIEW_OPENED, &json);
    buf_free(&json);
    if (err)
        return err;
    return store_exec(tx, SQL_PAYMENTS_INSERT_REVIEW, NULL, V_INT(r.merchant_id), V_ID(&r.id),
                      V_ID(&r.payment), V_INT(r.kind), V_INT(r.state), V_INT(r.version),
                      V_INT(r.expected), V_INT(r.seen), V_INT(r.currency), V_INT(r.event_last),
                      V_INT(r.created_us));
}

err_t review_contradiction(struct store_tx *tx, struct flow_run *run, struct id payment,
                           int64_t expected, int64_t seen)
{
    struct payment p = {0};
    struct review r;
    struct id id;
    bool found;
    err_t err = review_find_open(tx, run->merchant_id, payment, REVIEW_CONTRADICTION, &r, &found);
    review_release(&r);
    if (err || found)
        return err;
    err = payment_load_now(tx, run, payment, &p, &found);
    if (!err && found)
        err = review_open(tx, run, &p, REVIEW_CONTRADICTION, expected, seen, &id);
    payment_release(&p);
    return err;
}

/* Told as opened again: it is open, about something else. */
err_t review_update(struct store_tx *tx, struct flow_run *run, struct review *r, int64_t before,
                    int64_t seen)
{
    struct buf json = BUF(JSON_MAX);
    r->expected += before - r->seen;
    r->seen = seen;
    err_t err = announce(tx, run, r, EVENT_REVIEW_OPENED, &json);
    buf_free(&json);
    return err ? err : save(tx, r);
}

/* --- resolving --- */

/* Out of suspense, to the merchant. */
static err_t take_over(struct store_tx *tx, struct flow_run *run, const struct review *r)
{
    struct payment p;
    struct journal j = {0};
    err_t err = payment_load_subject(tx, run, r->payment, &p);
    if (!err)
        err = payment_move(&p, PAYMENT_DO_CLEAR, &run->error);
    if (!err) {
        ledger_review_accept(&j, r->seen - r->expected);
        err = payment_post(tx, &p, &j, r->id);
    }
    if (!err)
        err = payment_save(tx, &p);
    payment_release(&p);
    return err;
}

static err_t resolve(struct store_tx *tx, struct flow_run *run, struct review *r, struct buf *json)
{
    const struct review_resolve *in = run->input;
    if (r->state != REVIEW_OPEN)
        return error_set(&run->error, ERR_STATE, "The review is closed already: %s.",
                         r->resolution[0] ? r->resolution : "resolved");
    if (in->accept && r->kind != REVIEW_CLEARING_AMOUNT)
        return error_param(&run->error, ERR_PARAM_INVALID, "resolution",
                           "must be dismiss: nothing is booked for what a provider contradicts");
    err_t err = in->accept && r->seen != r->expected ? take_over(tx, run, r) : OK;
    if (err)
        return err;
    r->state = REVIEW_CLOSED;
    copy_text(r->resolution, sizeof r->resolution, in->accept ? STR("accept") : STR("dismiss"));
    buf_add(&r->note, in->note.p, in->note.n);
    err = r->note.failed ? ERR_NO_MEMORY : announce(tx, run, r, EVENT_REVIEW_CLOSED, json);
    if (!err)
        err = save(tx, r);
    if (!err)
        err = answer_event(run, json, r->event_last);
    return err ? err : flow_finish(tx, run);
}

static err_t resolve_step(struct store_tx *tx, struct flow_run *run)
{
    struct review r;
    struct buf json = BUF(JSON_MAX);
    bool replay, found;
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    err = review_load(tx, run->merchant_id, run->subject, &r, &found);
    if (!err && !found)
        err = error_set(&run->error, ERR_NOT_FOUND, "There is no such review.");
    if (!err)
        err = resolve(tx, run, &r, &json);
    review_release(&r);
    buf_free(&json);
    return err;
}

static const struct flow_step steps[] = {{"resolve", resolve_step, 0, 0}};
const struct flow_def review_resolve_flow = {
    .kind = 0, .name = "review_resolve", .steps = steps, .steps_n = COUNT_OF(steps)};

/* --- reading --- */

err_t review_show(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                  bool *ret_found)
{
    struct review r;
    err_t err = review_load(tx, merchant_id, id, &r, ret_found);
    if (!err && *ret_found)
        review_write(&(struct jw){.b = out}, NULL, &r);
    review_release(&r);
    return err;
}

struct listing {
    int64_t merchant_id;
    json_each *each;
    void *arg;
};

static err_t list_row(struct store_row *row, void *arg)
{
    struct listing *l = arg;
    struct review r;
    struct buf json = BUF(JSON_MAX);
    err_t err = review_from_row(row, l->merchant_id, &r);
    if (!err) {
        review_write(&(struct jw){.b = &json}, NULL, &r);
        err = json.failed ? ERR_NO_MEMORY : l->each(r.id, buf_view(&json), l->arg);
    }
    review_release(&r);
    buf_free(&json);
    return err;
}

err_t review_list(struct store_tx *tx, int64_t merchant_id, const struct page *page, int state,
                  struct id payment, json_each *each, void *arg)
{
    struct listing l = {merchant_id, each, arg};
    struct id zero = {{0}};
    return store_each(tx, page->up ? SQL_PAYMENTS_LIST_REVIEWS_UP : SQL_PAYMENTS_LIST_REVIEWS_DOWN,
                      list_row, &l, V_INT(merchant_id), V_ID(&page->cursor),
                      V_INT(page->created_from), V_INT(page->created_to), V_INT(state),
                      V_ID(&payment), V_ID(&zero), V_INT(page->limit));
}

/* The payment row: load, show, move, announce, save. */
#include "payments/payment.h"

void copy_text(char *out, size_t max, struct str s)
{
    size_t n = s.n < max ? s.n : max - 1;
    if (n)
        memcpy(out, s.p, n);
    out[n] = 0;
}

static struct id opt_id(struct store_row *row, int column)
{
    return row_null(row, column) ? (struct id){{0}} : row_id(row, column);
}

/* What a payment is to its order: what it may still take, what it took, what it gave back. */
static struct order_change contribution(const struct payment *p)
{
    bool over =
        p->state == PAYMENT_FAILED || p->state == PAYMENT_CANCELED || p->state == PAYMENT_EXPIRED;
    return (struct order_change){.reserved = over            ? 0
                                             : p->authorized ? payment_held(p)
                                                             : p->amount,
                                 .paid = p->captured,
                                 .refunded = p->refunded};
}

static err_t save_order(struct store_tx *tx, const struct payment *p)
{
    struct order_change now = contribution(p);
    struct order_change change = {.reserved = now.reserved - p->was.order.reserved,
                                  .paid = now.paid - p->was.order.paid,
                                  .refunded = now.refunded - p->was.order.refunded};
    if (id_is_zero(p->order) || (!change.reserved && !change.paid && !change.refunded))
        return OK;
    return order_settle(tx, p->merchant_id, p->order, &change, p->updated_us);
}

static void authentication_from_row(struct store_row *row, int first, struct three_ds *t)
{
    t->flow = (enum three_ds_flow)row_int(row, first);
    copy_text(t->version, sizeof t->version, row_text(row, first + 1));
    copy_text(t->transaction_id, sizeof t->transaction_id, row_text(row, first + 2));
    copy_text(t->eci, sizeof t->eci, row_text(row, first + 3));
    t->liability_shift = (int8_t)row_int(row, first + 4);
}

static void cards_from_row(struct store_row *row, struct payment *p)
{
    p->released = row_int(row, 24);
    p->disputed = row_int(row, 25);
    p->dispute_lost = row_int(row, 26);
    p->cleared = row_int(row, 27);
    p->capture_before_us = row_int(row, 28);
    p->three_ds = (enum three_ds_request)row_int(row, 29);
    copy_text(p->exemption, sizeof p->exemption, row_text(row, 30));
    p->credential = (enum credential_use)row_int(row, 31);
    p->attempts = (int16_t)row_int(row, 32);
    p->customer = opt_id(row, 33);
    p->order = opt_id(row, 34);
    p->payment_method = opt_id(row, 35);
    copy_text(p->acquirer_reference, sizeof p->acquirer_reference, row_text(row, 36));
    copy_text(p->card_brand, sizeof p->card_brand, row_text(row, 37));
    copy_text(p->card_last_four, sizeof p->card_last_four, row_text(row, 38));
    p->action = (enum action_type)row_int(row, 39);
    p->action_expires_us = row_int(row, 40);
    copy_text(p->action_url, sizeof p->action_url, row_text(row, 41));
    authentication_from_row(row, 42, &p->authentication);
}

err_t payment_from_row(struct store_row *row, int64_t merchant_id, struct payment *ret)
{
    struct payment *p = ret;
    *p = (struct payment){.merchant_id = merchant_id, .id = row_id(row, 0)};
    p->state = (int)row_int(row, 1);
    p->version = row_int(row, 2);
    p->amount = row_int(row, 3);
    p->currency = (int16_t)row_int(row, 4);
    p->capture = row_int(row, 5) != 0;
    p->authorized = row_int(row, 6);
    p->captured = row_int(row, 7);
    p->refunded = row_int(row, 8);
    p->refund_pending = row_int(row, 9);
    p->provider_account = (int16_t)row_int(row, 10);
    p->attempt = (int16_t)row_int(row, 11);
    p->operations = (int16_t)row_int(row, 12);
    p->decline = (int)row_int(row, 13);
    p->event_last = row_int(row, 14);
    p->journal_last = row_int(row, 15);
    p->created_us = row_int(row, 16);
    p->updated_us = row_int(row, 17);
    copy_text(p->token, sizeof p->token, row_text(row, 18));
    p->details = BUF(JSON_MAX);
    struct str details = row_text(row, 19);
    buf_add(&p->details, details.p, details.n);
    copy_text(p->provider_reference, sizeof p->provider_reference, row_text(row, 20));
    copy_text(p->network_reference, sizeof p->network_reference, row_text(row, 21));
    p->account_id = row_id(row, 22);
    p->attempt_state = (int)row_int(row, 23);
    cards_from_row(row, p);
    ASSERT(p->captured + p->released <= p->authorized &&
           p->refunded + p->refund_pending <= p->captured);
    p->was.state = p->state;
    p->was.operations = p->operations;
    p->was.event_last = p->event_last;
    p->was.journal_last = p->journal_last;
    p->was.refund_pending = p->refund_pending;
    p->was.refunded = p->refunded;
    p->was.disputed = p->disputed;
    p->was.order = contribution(p);
    return p->details.failed ? ERR_NO_MEMORY : OK;
}

err_t payment_load(struct store_tx *tx, int64_t merchant_id, struct id id, struct payment *ret,
                   bool *ret_found)
{
    struct store_row *row;
    *ret = (struct payment){0};
    err_t err = store_one(tx, SQL_PAYMENTS_READ_PAYMENT, &row, V_INT(merchant_id), V_ID(&id));
    *ret_found = !err && row != NULL;
    return err || !row ? err : payment_from_row(row, merchant_id, ret);
}

err_t payment_load_now(struct store_tx *tx, const struct flow_run *run, struct id id,
                       struct payment *ret, bool *ret_found)
{
    err_t err = payment_load(tx, run->merchant_id, id, ret, ret_found);
    ret->updated_us = num_max(ret->updated_us, run->det.now_us);
    return err;
}

err_t payment_load_subject(struct store_tx *tx, struct flow_run *run, struct id id,
                           struct payment *ret)
{
    bool found;
    err_t err = payment_load_now(tx, run, id, ret, &found);
    if (!err && !found)
        err = error_set(&run->error, ERR_NOT_FOUND, "There is no such payment.");
    return err;
}

void payment_release(struct payment *p)
{
    buf_free(&p->details);
}

bool payment_card_method(const struct payment *p)
{
    struct id card;
    return card_token_parse(str_from(p->token), &card) && id_eq(card, p->payment_method);
}

bool payment_has_method(const struct payment *p)
{
    return !id_is_zero(p->payment_method) &&
           (p->credential != CREDENTIAL_FIRST || payment_card_method(p));
}

int64_t payment_held(const struct payment *p)
{
    return p->authorized - p->captured - p->released;
}

int64_t payment_capturable(const struct payment *p)
{
    return p->state == PAYMENT_AUTHORIZED || p->state == PAYMENT_PARTIALLY_CAPTURED
               ? payment_held(p)
               : 0;
}

int64_t payment_refundable(const struct payment *p)
{
    /* A cardholder may dispute what was refunded already. */
    return num_max(0, p->captured - p->refunded - p->refund_pending - p->dispute_lost);
}

static void write_next_action(struct jw *w, const struct payment *p,
                              const struct payment_settings *settings)
{
    char token[PAYMENT_CLIENT_KEY_MAX];
    if (p->state != PAYMENT_REQUIRES_ACTION || p->action == ACTION_NONE) {
        jw_null(w, "next_action");
        return;
    }
    jw_object(w, "next_action");
    jw_str(w, "type", p->action == ACTION_CHALLENGE ? STR("three_ds_challenge") : STR("redirect"));
    jw_str(w, "url", str_from(p->action_url));
    if (p->action == ACTION_CHALLENGE && settings) {
        payment_client_key(settings, p->merchant_id, p->id, token);
        jw_str(w, "client_token", str_from(token));
    }
    if (p->action_expires_us)
        jw_time(w, "expires_at", p->action_expires_us);
    else
        jw_null(w, "expires_at");
    jw_object_end(w);
}

/* How an authentication went: members of an object that is open. */
static void write_authentication(struct jw *w, const struct three_ds *t)
{
    static const char *const flows[] = {NULL, "frictionless", "challenge", "external"};
    ASSERT((size_t)t->flow < COUNT_OF(flows));
    jw_str(w, "flow", str_from(flows[t->flow]));
    jw_str(w, "version", opt_str(t->version));
    jw_str(w, "eci", opt_str(t->eci));
    jw_str(w, "transaction_id", opt_str(t->transaction_id));
    if (t->liability_shift)
        jw_bool(w, "liability_shift", t->liability_shift > 0);
    else
        jw_null(w, "liability_shift");
}

static void write_three_ds(struct jw *w, const struct payment *p)
{
    static const char *const requests[] = {NULL, "automatic", "required", "external"};
    ASSERT(p->three_ds >= THREE_DS_AUTOMATIC && p->three_ds <= THREE_DS_EXTERNAL);
    jw_object(w, "three_ds");
    jw_str(w, "request", str_from(requests[p->three_ds]));
    jw_str(w, "exemption", opt_str(p->exemption));
    write_authentication(w, &p->authentication);
    jw_object_end(w);
}

static void write_card(struct jw *w, struct str brand, struct str last_four)
{
    if (!last_four.n) {
        jw_null(w, "card");
        return;
    }
    jw_object(w, "card");
    jw_str(w, "brand", brand.n ? brand : (struct str){NULL, 0});
    jw_str(w, "last_four", last_four);
    jw_object_end(w);
}

void attempt_write_card(struct jw *w, struct store_row *row, int first)
{
    struct three_ds t = {.flow = THREE_DS_NONE};
    write_card(w, row_text(row, first), row_text(row, first + 1));
    authentication_from_row(row, first + 2, &t);
    jw_object(w, "three_ds");
    write_authentication(w, &t);
    jw_object_end(w);
}

static void write_opt_id(struct jw *w, const char *key, enum id_kind kind, struct id id)
{
    if (id_is_zero(id))
        jw_null(w, key);
    else
        jw_id(w, key, kind, id);
}

void payment_write(struct jw *w, const char *key, const struct payment *p,
                   const struct payment_settings *settings)
{
    const struct currency *c = currency_by_number(p->currency);
    ASSERT(c != NULL);
    jw_object(w, key);
    jw_id(w, "id", ID_PAYMENT, p->id);
    jw_str(w, "object", STR("payment"));
    jw_str(w, "mode", p->merchant_id & 1 ? STR("live") : STR("test"));
    jw_str(w, "status", str_from(machine_text(&payment_machine, p->state)));
    jw_int(w, "amount", p->amount);
    jw_str(w, "currency", str_from(c->code));
    jw_int(w, "amount_authorized", p->authorized);
    jw_int(w, "amount_capturable", payment_capturable(p));
    jw_int(w, "amount_captured", p->captured);
    jw_int(w, "amount_refunded", p->refunded);
    jw_int(w, "amount_disputed", p->disputed + p->dispute_lost);
    if (p->cleared)
        jw_int(w, "amount_cleared", p->cleared);
    else
        jw_null(w, "amount_cleared");
    jw_bool(w, "capture", p->capture);
    if (p->capture_before_us && payment_capturable(p) > 0)
        jw_time(w, "capture_before", p->capture_before_us);
    else
        jw_null(w, "capture_before");
    /* One that is to be saved exists from the approval on. */
    bool saved = p->authorized > 0 || payment_has_method(p);
    write_opt_id(w, "payment_method", ID_PAYMENT_METHOD,
                 saved ? p->payment_method : (struct id){{0}});
    jw_str(w, "payment_method_token", str_from(p->token));
    write_card(w, str_from(p->card_brand), str_from(p->card_last_four));
    write_opt_id(w, "customer", ID_CUSTOMER, p->customer);
    write_opt_id(w, "order", ID_ORDER, p->order);
    jw_bool(w, "off_session", p->credential == CREDENTIAL_MERCHANT);
    write_next_action(w, p, settings);
    write_three_ds(w, p);
    jw_str(w, "decline_code", str_from(decline_code_text(p->decline)));
    jw_int(w, "attempts", p->attempts);
    write_opt_id(w, "provider_account", ID_PROVIDER_ACCOUNT, p->account_id);
    jw_str(w, "provider_reference", opt_str(p->provider_reference));
    jw_str(w, "network_reference", opt_str(p->network_reference));
    jw_str(w, "acquirer_reference", opt_str(p->acquirer_reference));
    buf_byte(w->b, ',');
    buf_add(w->b, p->details.p, p->details.n);
    jw_int(w, "version", p->version);
    jw_time(w, "created", p->created_us);
    jw_time(w, "updated", p->updated_us);
    jw_object_end(w);
}

void payment_details(struct buf *out, const struct payment_create *in, struct str return_url,
                     json_t *metadata)
{
    struct jw w = {.b = out};
    write_opt_id(&w, "checkout", ID_CHECKOUT, in->checkout);
    jw_str(&w, "description", in->description);
    jw_str(&w, "statement_descriptor", in->statement_descriptor);
    jw_str(&w, "return_url", return_url);
    if (metadata)
        jw_json(&w, "metadata", metadata);
    else
        jw_raw(&w, "metadata", STR("{}"));
}

void refund_details(struct buf *out, struct str reason, json_t *metadata)
{
    struct jw w = {.b = out};
    jw_str(&w, "reason", reason);
    if (metadata)
        jw_json(&w, "metadata", metadata);
    else
        jw_raw(&w, "metadata", STR("{}"));
}

err_t payment_move(struct payment *p, enum payment_step step, struct err_info *reterr)
{
    int next = machine_next(&payment_machine, p->state, (int)step);
    if (!next)
        return error_set(reterr, ERR_STATE, "A payment that is %s cannot be %s.",
                         machine_text(&payment_machine, p->state),
                         step == PAYMENT_DO_CAPTURE_START     ? "captured"
                         : step == PAYMENT_DO_CANCEL_START    ? "canceled"
                         : step == PAYMENT_DO_REFUND_START    ? "refunded"
                         : step == PAYMENT_DO_INCREMENT_START ? "incremented"
                         : step == PAYMENT_DO_CONFIRM_START || step == PAYMENT_DO_RETRY
                             ? "confirmed"
                             : payment_machine.steps[step]);
    p->state = next;
    return OK;
}

err_t payment_announce(struct store_tx *tx, struct flow_run *run, struct payment *p,
                       struct buf *out)
{
    p->version++;
    run->told = machine_text(&payment_machine, p->state);
    buf_clear(out);
    struct jw w = {.b = out};
    payment_write(&w, NULL, p, settings_of(run));
    if (out->failed)
        return ERR_NO_MEMORY;
    struct event_new e = {.merchant_id = p->merchant_id,
                          .type = (enum event_type)payment_machine.states[p->state].event,
                          .object_kind = ID_PAYMENT,
                          .object_id = p->id,
                          .object_version = p->version,
                          .previous = p->event_last,
                          .data = buf_view(out)};
    return event_append(tx, &(struct det){.now_us = p->updated_us}, &e, &p->event_last);
}

err_t payment_save(struct store_tx *tx, const struct payment *p)
{
    err_t err = save_order(tx, p);
    if (err)
        return err;
    return store_exec_one(
        tx, SQL_PAYMENTS_UPDATE_PAYMENT, ERR_SOFT, V_INT(p->state), V_INT(p->version),
        V_INT(p->amount), V_INT(p->authorized), V_INT(p->captured), V_INT(p->released),
        V_INT(p->refunded), V_INT(p->refund_pending), V_INT(p->disputed), V_INT(p->dispute_lost),
        V_INT(p->cleared), V_INT(p->capture_before_us), V_INT(p->attempt), V_INT(p->attempts),
        V_INT(p->operations), V_INT(p->decline), V_INT(p->event_last), V_INT(p->journal_last),
        V_INT(p->updated_us), V_INT(p->three_ds), V_TEXT(str_from(p->token)), V_INT(p->merchant_id),
        V_ID(&p->id), V_INT(p->was.state), V_INT(p->was.operations), V_INT(p->was.event_last),
        V_INT(p->was.refund_pending), V_INT(p->was.refunded), V_INT(p->was.disputed),
        V_INT(p->was.journal_last));
}

err_t payment_post(struct store_tx *tx, struct payment *p, struct journal *j, struct id operation)
{
    j->merchant_id = p->merchant_id;
    j->currency = p->currency;
    j->payment_id = p->id;
    j->operation_id = operation;
    j->previous = p->journal_last;
    j->effective_us = p->updated_us;
    return ledger_post(tx, &(struct det){.now_us = p->updated_us}, j, &p->journal_last);
}

err_t attempt_insert(struct store_tx *tx, const struct payment *p)
{
    return store_exec(tx, SQL_PAYMENTS_INSERT_ATTEMPT, NULL, V_INT(p->merchant_id), V_ID(&p->id),
                      V_INT(p->attempt),
                      V_INT(machine_next(&attempt_machine, ATTEMPT_NONE, ATTEMPT_DO_SEND)),
                      V_INT(p->provider_account), V_INT(p->amount), V_INT(p->updated_us));
}

err_t attempt_move(struct store_tx *tx, struct flow_run *run, const struct payment *p,
                   enum attempt_step step, const struct outcome *o)
{
    static const struct outcome nothing;
    int from = p->attempt_state, to = machine_next(&attempt_machine, from, (int)step);
    if (!to)
        return error_set(&run->error, ERR_STATE, "An attempt that is %s cannot %s.",
                         machine_text(&attempt_machine, from), attempt_machine.steps[step]);
    if (!o)
        o = &nothing;
    return store_exec_one(tx, SQL_PAYMENTS_UPDATE_ATTEMPT, ERR_SOFT, V_INT(to), V_INT(o->decline),
                          V_INT(p->updated_us), V_TEXT(opt_str(o->provider_reference)),
                          V_TEXT(opt_str(o->network_reference)),
                          V_TEXT(opt_str(o->authorization_code)), V_TEXT(opt_str(o->provider_code)),
                          V_TEXT(opt_str(o->provider_message)),
                          V_TEXT(opt_str(o->acquirer_reference)), V_TEXT(opt_str(o->card_brand)),
                          V_TEXT(opt_str(o->card_last_four)), V_INT(p->merchant_id), V_ID(&p->id),
                          V_INT(p->attempt), V_INT(from));
}

err_t attempt_authentication(struct store_tx *tx, struct payment *p, const struct outcome *o)
{
    const struct three_ds *t = &o->three_ds;
    bool acts = o->kind == OUTCOME_REQUIRES_ACTION;
    bool told =
        t->flow != THREE_DS_NONE || t->eci[0] || t->liability_shift; /* an exemption has no flow */
    if (!acts && p->action == ACTION_NONE && !told)
        return OK;
    p->action = acts ? o->action : ACTION_NONE;
    p->action_expires_us = acts ? o->action_expires_us : 0;
    if (acts)
        copy_text(p->action_url, sizeof p->action_url, str_from(o->action_url));
    if (told) {
        p->authentication = *t;
        memset(p->authentication.cavv, 0, sizeof p->authentication.cavv);
    }
    return store_exec_one(tx, SQL_PAYMENTS_UPDATE_ATTEMPT_AUTHENTICATION, ERR_SOFT,
                          V_INT(p->action), V_INT(p->action_expires_us),
                          acts ? V_TEXT(str_from(p->action_url)) : V_NULL, V_INT(t->flow),
                          V_TEXT(opt_str(t->version)), V_TEXT(opt_str(t->transaction_id)),
                          V_TEXT(opt_str(t->eci)), V_INT(t->liability_shift), V_INT(p->merchant_id),
                          V_ID(&p->id), V_INT(p->attempt));
}

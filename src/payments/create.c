/* Flow payment_create: the intent. What comes after it: authorize.c, authenticate.c. */

#include "customers/customers.h"
#include "orders/orders.h"
#include "payments/authorize.h"
#include "search/search.h"

struct choice {
    struct id account_id;
    int16_t number, priority;
};

/* The least priority number, the newest among equals. */
static err_t choose(struct store_row *row, void *arg)
{
    struct choice *c = arg;
    struct choice other = {row_id(row, 0), (int16_t)row_int(row, 1), (int16_t)row_int(row, 2)};
    if (c->number == 0 || other.priority < c->priority ||
        (other.priority == c->priority && other.number > c->number))
        *c = other;
    return OK;
}

static err_t choose_account(struct store_tx *tx, struct flow_run *run, struct payment *p)
{
    struct choice c = {.number = 0};
    err_t err =
        store_each(tx, SQL_PAYMENTS_LIST_ENABLED_ACCOUNTS, choose, &c, V_INT(run->merchant_id));
    if (!err && c.number == 0)
        err = error_set(&run->error, ERR_UNPROCESSABLE,
                        "No provider account is enabled for this merchant.");
    p->account_id = c.account_id;
    p->provider_account = c.number;
    return err;
}

/* Which member named it. */
static err_t refuse_method(struct flow_run *run, const struct payment_create *in, const char *why)
{
    return error_param(&run->error, ERR_PARAM_INVALID,
                       in->token.p ? "payment_method_token" : "payment_method", "%s", why);
}

/* What a payment is to a method decides what the provider is told of the credential. */
static err_t use_as(struct flow_run *run, const struct payment_create *in, struct payment *p,
                    const struct method *m)
{
    bool card = method_in_vault(m);
    if (m->state == METHOD_UNATTACHED && in->off_session)
        return refuse_method(run, in,
                             "was never attached to a customer: off_session needs one that was");
    if (in->save && !card)
        return error_param(&run->error, ERR_PARAM_INVALID, "save_payment_method",
                           "is for what is not saved yet: this payment method is");
    p->credential = in->off_session               ? CREDENTIAL_MERCHANT
                    : m->state == METHOD_ATTACHED ? CREDENTIAL_CUSTOMER
                    : in->save                    ? CREDENTIAL_FIRST
                                                  : CREDENTIAL_ONCE;
    return OK;
}

/* A saved payment method, or a card of the vault, stands for its token and its customer. */
static err_t use_method(struct store_tx *tx, struct flow_run *run, const struct payment_create *in,
                        struct payment *p)
{
    struct method m;
    bool found;
    err_t err = method_read(tx, run->merchant_id, p->payment_method, &m, &found);
    if (err)
        return err;
    if (!found || !method_usable(&m, run->det.now_us))
        return refuse_method(run, in,
                             in->token.p
                                 ? "names no card that is kept"
                                 : "must be the id of a payment method that is not detached");
    bool theirs = m.state == METHOD_ATTACHED;
    if (theirs && !id_is_zero(p->customer) && !id_eq(p->customer, m.customer))
        return refuse_method(run, in, "belongs to another customer");
    if (theirs)
        p->customer = m.customer;
    copy_text(p->token, sizeof p->token, str_from(m.token));
    copy_text(p->network_transaction_id, sizeof p->network_transaction_id,
              str_from(m.network_transaction_id));
    return use_as(run, in, p, &m);
}

static err_t check_customer(struct store_tx *tx, struct flow_run *run, const struct payment *p)
{
    bool found = true;
    err_t err =
        id_is_zero(p->customer) ? OK : customer_read(tx, run->merchant_id, p->customer, &found);
    if (!err && !found)
        err =
            error_param(&run->error, ERR_PARAM_INVALID, "customer", "must be the id of a customer");
    return err;
}

/* The customer of an order is its payments', too. */
static err_t check_order_customer(struct store_tx *tx, struct flow_run *run, struct payment *p)
{
    struct id whose = {{0}};
    bool found;
    err_t err = order_customer(tx, p->merchant_id, p->order, &whose, &found);
    if (err || !found || id_is_zero(whose))
        return err;
    if (id_is_zero(p->customer))
        p->customer = whose;
    return id_eq(whose, p->customer) ? OK
                                     : error_param(&run->error, ERR_PARAM_INVALID, "order",
                                                   "belongs to another customer");
}

/* Whom and what it is for: all must be the merchant's own. */
static err_t link_objects(struct store_tx *tx, struct flow_run *run,
                          const struct payment_create *in, struct payment *p)
{
    struct id card;
    bool saved = !id_is_zero(in->payment_method);
    if (!saved && card_token_parse(in->token, &card)) {
        p->payment_method = card;
        saved = true;
    }
    err_t err = saved ? use_method(tx, run, in, p) : OK;
    if (!err && !id_is_zero(p->order))
        err = check_order_customer(tx, run, p);
    if (!err) /* also one that the order or the method brought along may be deleted */
        err = check_customer(tx, run, p);
    if (!err)
        err = search_add_id(tx, p->merchant_id, SEARCH_PAYMENT, SEARCH_OF_CUSTOMER, p->customer,
                            p->id);
    if (err || id_is_zero(p->order))
        return err;
    err = order_check(tx, p->merchant_id, p->order, p->amount, p->currency, &run->error);
    if (!err)
        err = order_settle(tx, p->merchant_id, p->order,
                           &(struct order_change){.reserved = p->amount}, run->det.now_us);
    return err ? err
               : search_add_id(tx, p->merchant_id, SEARCH_PAYMENT, SEARCH_OF_ORDER, p->order,
                               p->id);
}

static struct sql_value opt_id_value(const struct id *id)
{
    return id_is_zero(*id) ? V_NULL : V_ID(id);
}

static err_t insert_payment(struct store_tx *tx, const struct payment *p,
                            const struct payment_create *in)
{
    err_t err = store_exec(
        tx, SQL_PAYMENTS_INSERT_PAYMENT, NULL, V_INT(p->merchant_id), V_ID(&p->id), V_INT(p->state),
        V_INT(p->amount), V_INT(p->currency), V_INT(p->capture), V_INT(p->provider_account),
        V_INT(p->updated_us), V_TEXT(str_from(p->token)), V_TEXT(in->details), V_INT(p->three_ds),
        V_TEXT(opt_str(p->exemption)), V_INT(p->credential), opt_id_value(&p->customer),
        opt_id_value(&p->order), opt_id_value(&p->payment_method));
    if (!err)
        err = attempt_insert(tx, p);
    if (!err)
        err = search_add_metadata(tx, p->merchant_id, SEARCH_PAYMENT, in->metadata, p->id);
    return err;
}

static struct payment payment_of(struct flow_run *run, const struct payment_create *in)
{
    struct payment p = {.merchant_id = run->merchant_id,
                        .id = id_new(&run->det),
                        .state = machine_next(&payment_machine, PAYMENT_NONE, PAYMENT_DO_CREATE),
                        .amount = in->amount,
                        .currency = in->currency,
                        .capture = in->capture,
                        .attempt = 1,
                        .attempts = 1,
                        .operations = 1,
                        .three_ds = in->three_ds,
                        .customer = in->customer,
                        .order = in->order,
                        .payment_method = in->payment_method,
                        .created_us = run->det.now_us,
                        .updated_us = run->det.now_us};
    if (in->save && id_is_zero(in->payment_method))
        p.payment_method = id_new(&run->det); /* is made once the payment is approved */
    p.credential = in->off_session                   ? CREDENTIAL_MERCHANT
                   : in->save                        ? CREDENTIAL_FIRST
                   : !id_is_zero(in->payment_method) ? CREDENTIAL_CUSTOMER
                                                     : CREDENTIAL_ONCE;
    copy_text(p.token, sizeof p.token, in->token);
    copy_text(p.exemption, sizeof p.exemption, in->exemption);
    return p;
}

static err_t create_begin(struct store_tx *tx, struct flow_run *run)
{
    const struct payment_create *in = run->input;
    ASSERT(in && in->amount > 0 && in->token.n < 256);
    bool replay;
    store_ahead(tx, SQL_PAYMENTS_LIST_ENABLED_ACCOUNTS, run->merchant_id);
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    struct payment p = payment_of(run, in);
    err = payment_claim(tx, run, &p, in->client_token);
    if (!err)
        err = link_objects(tx, run, in, &p);
    if (!err)
        err = choose_account(tx, run, &p);
    if (!err)
        err = insert_payment(tx, &p, in);
    if (err)
        return err;
    run->subject = p.id;
    run->number = p.attempt;
    call_authorize(run, &p);
    run->call.external = in->external;
    copy_text(run->call.description, sizeof run->call.description, in->description);
    copy_text(run->call.statement_descriptor, sizeof run->call.statement_descriptor,
              in->statement_descriptor);
    run->effect = FLOW_CALL;
    run->next = CREATE_SETTLE;
    return flow_position(tx, run, CREATE_INQUIRE);
}

static const struct flow_step steps[] = {
    [CREATE_BEGIN] = {"begin", create_begin, 0, 0},
    [CREATE_SETTLE] = {"settle", create_settle, 0, 0},
    [CREATE_INQUIRE] = {"inquire", create_inquire, CREATE_SETTLE, OPERATION_AUTHORIZE},
    [CREATE_LAPSE] = {"lapse", create_lapse, CREATE_SETTLE, OPERATION_AUTHORIZE},
    [CREATE_LAPSED] = {"lapsed", create_lapsed, 0, 0},
    [CREATE_DROPPED] = {"dropped", create_dropped, 0, 0},
    [CREATE_DROP_INQUIRE] = {"drop_inquire", create_drop_inquire, CREATE_DROPPED, OPERATION_CANCEL},
    [CREATE_WITHDRAWN] = {"withdrawn", create_withdrawn, 0, 0},
    [CREATE_WITHDRAW_INQUIRE] = {"withdraw_inquire", create_withdraw_inquire, CREATE_WITHDRAWN,
                                 OPERATION_CANCEL},
};
const struct flow_def payment_create_flow = {.kind = FLOW_KIND_CREATE,
                                             .name = "payment_create",
                                             .steps = steps,
                                             .steps_n = COUNT_OF(steps),
                                             .ended = payment_ended};

/* Payments with cards of the vault: of nobody, of a customer, to be saved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "customers/customers.h"
#include "payments/inbox_test_lib.h"

static struct {
    struct err_info error;
    int status;
    struct buf body;
    struct id payment; /* the last one that was answered with */
} t;

static int setup(void **state)
{
    (void)state;
    world_open();
    t.body = BUF((size_t)1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_free(&t.body);
    world_verify();
    world_close();
    return 0;
}

static struct det new_det(void)
{
    static uint64_t n = 1000;
    uint8_t seed[32] = {2};
    num_put64(seed + 8, n++);
    return det_make(world_now_us(), seed);
}

/* --- flows --- */
static void answered(struct flow_run *run, err_t err, void *arg)
{
    (void)arg;
    t.error = run->error;
    t.status = err ? error_def(err)->status : run->answer.status;
    buf_clear(&t.body);
    buf_add(&t.body, run->answer.body.p ? run->answer.body.p : "", run->answer.body.n);
    const char *at = t.body.n ? strstr(t.body.p, "\"pay_") : NULL;
    if (at)
        assert_true(id_parse(ID_PAYMENT, (struct str){at + 1, 30}, &t.payment));
}

static int flow(const struct flow_def *def, struct id subject, void *input)
{
    struct flow_run *run = flow_new(world_engine(), def);
    assert_non_null(run);
    run->merchant_id = WORLD_MERCHANT;
    run->subject = subject;
    run->input = input;
    run->reply = answered;
    assert_int_equal(flow_submit(run), OK);
    world_settle();
    return t.status;
}

static int pay(struct payment_create in)
{
    in.amount = 1000;
    in.currency = 978;
    in.capture = true;
    in.three_ds = THREE_DS_AUTOMATIC;
    in.details = STR("\"metadata\":{}");
    return flow(&payment_create_flow, (struct id){{0}}, &in);
}

static void assert_shows(const char *part)
{
    if (!strstr(t.body.p, part))
        fail_msg("no %s in %s", part, t.body.p);
}

static void assert_refused(const char *param)
{
    assert_int_equal(t.status, 400);
    assert_string_equal(t.error.param, param);
}

/* --- customers and cards --- */
static err_t make_customer_tx(struct store_tx *tx, void *arg)
{
    struct det det = new_det(), same = det;
    struct buf json = BUF(1 << 16);
    *(struct id *)arg = id_new(&same);
    err_t err = customer_create(tx, &det, WORLD_MERCHANT,
                                &(struct customer_input){.given = CUSTOMER_ALL}, &json);
    buf_free(&json);
    return err;
}

static struct id make_customer(void)
{
    struct id id;
    assert_int_equal(store_write(world_store(), WORLD_MERCHANT, make_customer_tx, &id), OK);
    return id;
}

struct typing {
    struct id card, customer;
    char token[40];
};

static err_t type_tx(struct store_tx *tx, void *arg)
{
    struct typing *c = arg;
    struct det det = new_det();
    struct card_facts f = {.brand = "visa",
                           .last_four = "4242",
                           .bin = "42424242",
                           .exp_month = 12,
                           .exp_year = 2050,
                           .fingerprint = {5}};
    f.card = c->card = id_new(&det);
    card_token_write(f.card, c->token);
    return method_from_card(tx, &det, WORLD_MERCHANT, &f, c->customer, NULL);
}

static struct typing type_card(struct id customer)
{
    struct typing c = {.customer = customer};
    assert_int_equal(store_write(world_store(), WORLD_MERCHANT, type_tx, &c), OK);
    return c;
}

struct reading {
    struct id id;
    struct method m;
    bool detach;
};

static err_t read_tx(struct store_tx *tx, void *arg)
{
    struct reading *r = arg;
    bool found = false;
    struct det det = new_det();
    err_t err = r->detach ? method_detach(tx, &det, WORLD_MERCHANT, r->id, NULL) : OK;
    if (!err)
        err = method_read(tx, WORLD_MERCHANT, r->id, &r->m, &found);
    return err || found ? err : ERR_NOT_FOUND;
}

static struct method read_method(struct id id)
{
    struct reading r = {.id = id};
    assert_int_equal(store_write(world_store(), WORLD_MERCHANT, read_tx, &r), OK);
    return r.m;
}

static void detach(struct id id)
{
    struct reading r = {.id = id, .detach = true};
    assert_int_equal(store_write(world_store(), WORLD_MERCHANT, read_tx, &r), OK);
}

static const struct id nobody;

/* --- tests --- */
static void a_card_of_nobody_pays_while_its_customer_is_there(void **state)
{
    (void)state;
    struct typing c = type_card(nobody);
    assert_int_equal(pay((struct payment_create){.payment_method = c.card}), 200);
    assert_shows("\"status\":\"captured\"");
    assert_shows("\"customer\":null");
    assert_shows("\"card\":{\"brand\":\"visa\",\"last_four\":\"4242\"}"); /* nobody else said */
    assert_shows(c.token);
    assert_string_equal(world_last_call()->token, c.token);
    assert_int_equal(world_last_call()->credential, CREDENTIAL_ONCE);
    assert_int_equal(pay((struct payment_create){.token = str_from(c.token)}), 200);
    assert_shows("\"payment_method\":\"pm_");
    assert_int_equal(read_method(c.card).state, METHOD_UNATTACHED);
    assert_string_equal(read_method(c.card).network_transaction_id, "");
    (void)pay((struct payment_create){.payment_method = c.card, .off_session = true});
    assert_refused("payment_method");
    (void)pay((struct payment_create){.token = str_from(c.token), .off_session = true});
    assert_refused("payment_method_token");
}

static void a_token_must_be_of_a_card_that_is_kept(void **state)
{
    (void)state;
    struct typing c = type_card(nobody), old = type_card(nobody);
    char other[40];
    struct id none = c.card;
    none.b[3] ^= 1;
    card_token_write(none, other);
    (void)pay((struct payment_create){.token = str_from(other)});
    assert_refused("payment_method_token");
    detach(c.card);
    (void)pay((struct payment_create){.token = str_from(c.token)});
    assert_refused("payment_method_token");
    (void)pay((struct payment_create){.payment_method = c.card});
    assert_refused("payment_method");
    world_pass(METHOD_UNATTACHED_US);
    (void)pay((struct payment_create){.payment_method = old.card});
    assert_refused("payment_method");
    assert_int_equal(world_calls(OPERATION_AUTHORIZE), 0);
}

static void a_card_is_saved_by_its_first_payment(void **state)
{
    (void)state;
    struct id ann = make_customer(), bob = make_customer();
    struct typing c = type_card(nobody);
    struct payment_create in = {.token = str_from(c.token), .customer = ann, .save = true};
    world_refuse(true);
    assert_int_equal(pay(in), 402);
    assert_shows("\"payment_method\":\"pm_"); /* it is there, saved or not */
    assert_int_equal(read_method(c.card).state, METHOD_UNATTACHED);
    world_refuse(false);
    assert_int_equal(pay(in), 200);
    assert_int_equal(world_last_call()->credential, CREDENTIAL_FIRST);
    struct method m = read_method(c.card);
    assert_int_equal(m.state, METHOD_ATTACHED);
    assert_true(id_eq(m.customer, ann));
    assert_int_equal(pay(in), 200); /* saved already */
    assert_int_equal(world_last_call()->credential, CREDENTIAL_CUSTOMER);
    assert_int_equal(pay((struct payment_create){.payment_method = c.card, .off_session = true}),
                     200);
    assert_int_equal(world_last_call()->credential, CREDENTIAL_MERCHANT);
    in.customer = bob;
    (void)pay(in);
    assert_refused("payment_method_token");
    struct typing d = type_card(nobody);
    in = (struct payment_create){.payment_method = d.card, .customer = bob, .save = true};
    assert_int_equal(pay(in), 200);
    assert_true(id_eq(read_method(d.card).customer, bob));
}

static void what_is_saved_already_is_not_saved_again(void **state)
{
    (void)state;
    struct id ann = make_customer();
    struct payment_create in = {.token = STR("pm_tok_sale"), .customer = ann, .save = true};
    assert_int_equal(pay(in), 200);
    const char *at = strstr(t.body.p, "\"payment_method\":\"pm_");
    struct id method;
    assert_true(id_parse(ID_PAYMENT_METHOD, (struct str){at + 18, 29}, &method));
    assert_int_equal(read_method(method).state, METHOD_ATTACHED);
    (void)pay((struct payment_create){.payment_method = method, .customer = ann, .save = true});
    assert_refused("save_payment_method");
}

static int confirm(const char *token)
{
    struct payment_confirm in = {.token = str_from(token)};
    return flow(&payment_confirm_flow, t.payment, &in);
}

static void another_card_is_tried(void **state)
{
    (void)state;
    struct id ann = make_customer(), bob = make_customer();
    struct typing c = type_card(nobody), d = type_card(nobody), theirs = type_card(bob);
    char shown[60], text[ID_TEXT_MAX];
    world_refuse(true);
    assert_int_equal(
        pay((struct payment_create){.token = str_from(c.token), .customer = ann, .save = true}),
        402);
    (void)confirm(theirs.token);
    assert_refused("payment_method_token");
    struct id none = c.card;
    none.b[3] ^= 1;
    char other[40];
    card_token_write(none, other);
    (void)confirm(other);
    assert_refused("payment_method_token");
    assert_int_equal(confirm("pm_tok_sale"), 402); /* what would be saved is another method */
    assert_shows("\"payment_method\":null");
    world_refuse(false);
    assert_int_equal(confirm(d.token), 200);
    assert_string_equal(world_last_call()->token, d.token);
    (void)snprintf(shown, sizeof shown, "\"payment_method\":\"%s\"",
                   id_text(ID_PAYMENT_METHOD, d.card, text));
    assert_shows(shown);
    assert_true(id_eq(read_method(d.card).customer, ann));
    assert_int_equal(read_method(c.card).state, METHOD_UNATTACHED);
}

static void a_card_that_is_gone_is_not_tried_again(void **state)
{
    (void)state;
    struct typing c = type_card(nobody);
    world_refuse(true);
    assert_int_equal(pay((struct payment_create){.token = str_from(c.token)}), 402);
    detach(c.card);
    (void)confirm(NULL);
    assert_refused("payment_method_token");
    world_refuse(false);
    assert_int_equal(confirm("pm_tok_sale"), 200);
    assert_shows("\"payment_method\":null");
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_card_of_nobody_pays_while_its_customer_is_there),
        IN_WORLD(a_token_must_be_of_a_card_that_is_kept),
        IN_WORLD(a_card_is_saved_by_its_first_payment),
        IN_WORLD(what_is_saved_already_is_not_saved_again),
        IN_WORLD(another_card_is_tried),
        IN_WORLD(a_card_that_is_gone_is_not_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

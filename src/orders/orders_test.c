#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "orders/orders.h"
#include "store/store_folder.h"

#define MERCHANT 2
#define T0 INT64_C(1764000000123456)
#define EUR 978

static struct {
    struct folder folder;
    struct store *store;
    struct det det;
    struct id order;
} t;

static err_t run_create(struct store_tx *tx, void *arg)
{
    struct buf out = BUF(4096);
    (void)arg;
    struct det det = t.det;
    struct order_input in = {.given = ORDER_DESCRIPTION | ORDER_REFERENCE | ORDER_METADATA,
                             .amount = 100,
                             .currency = EUR};
    struct det same = det;
    t.order = id_new(&same);
    err_t err = order_create(tx, &det, MERCHANT, &in, &out);
    buf_free(&out);
    return err;
}

static int setup(void **state)
{
    static const uint8_t seed[32] = {7};
    (void)state;
    crypto_init();
    t.det = det_make(T0, seed);
    t.folder = folder_make();
    t.store = folder_open(&t.folder, (struct store_config){.path = NULL});
    assert_int_equal(store_write(t.store, MERCHANT, run_create, NULL), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(t.store);
    folder_remove(&t.folder);
    return 0;
}

/* --- doing --- */
struct deed {
    int64_t merchant;
    int16_t currency;
    int64_t check; /* 0: not asked */
    struct order_change change;
    bool cancel;
    struct err_info why;
};

static err_t run_deed(struct store_tx *tx, void *arg)
{
    struct deed *d = arg;
    struct det det = t.det;
    struct buf out = BUF(4096);
    int64_t merchant = d->merchant ? d->merchant : MERCHANT;
    d->why = (struct err_info){.err = OK};
    err_t err = OK;
    if (d->check)
        err =
            order_check(tx, merchant, t.order, d->check, d->currency ? d->currency : EUR, &d->why);
    if (!err)
        err = order_settle(tx, merchant, t.order, &d->change, T0);
    if (!err && d->cancel)
        err = order_cancel(tx, &det, merchant, t.order, &out, &d->why);
    buf_free(&out);
    return err;
}

static err_t deed(struct deed d, struct err_info *ret_why)
{
    err_t err = store_write(t.store, MERCHANT, run_deed, &d);
    if (ret_why)
        *ret_why = d.why;
    return err;
}

static void settle(int64_t reserved, int64_t paid, int64_t refunded)
{
    assert_int_equal(deed((struct deed){.change = {reserved, paid, refunded}}, NULL), OK);
}

static err_t check(int64_t amount, struct err_info *ret_why)
{
    return deed((struct deed){.check = amount}, ret_why);
}

static err_t run_show(struct store_tx *tx, void *arg)
{
    bool found;
    err_t err = order_show(tx, MERCHANT, t.order, arg, &found);
    assert_true(err || found);
    return err;
}

/* status, due, paid, reserved, refunded, remaining */
static void assert_shows(const char *status, int due, int paid, int reserved, int refunded,
                         int remaining)
{
    struct buf json = BUF(4096);
    char wanted[400];
    assert_int_equal(store_read(t.store, run_show, &json), OK);
    (void)snprintf(wanted, sizeof wanted,
                   "\"status\":\"%s\",\"amount\":100,\"currency\":\"EUR\",\"amount_due\":%d,"
                   "\"amount_paid\":%d,\"amount_reserved\":%d,\"amount_refunded\":%d,"
                   "\"amount_remaining\":%d,",
                   status, due, paid, reserved, refunded, remaining);
    if (!strstr(json.p, wanted))
        fail_msg("wanted %s in %s", wanted, json.p);
    buf_free(&json);
}

static void test_a_life(void **state)
{
    (void)state;
    assert_shows("open", 100, 0, 0, 0, 100);
    settle(60, 0, 0);
    assert_shows("open", 100, 0, 60, 0, 40);
    settle(-60, 60, 0);
    assert_shows("open", 40, 60, 0, 0, 40);
    settle(40, 0, 0);
    assert_shows("open", 40, 60, 40, 0, 0);
    settle(-40, 40, 0);
    assert_shows("paid", 0, 100, 0, 0, 0);
    settle(0, 0, 30); /* given back, so it is owed again */
    assert_shows("open", 30, 100, 0, 30, 30);
    settle(0, 0, -30); /* the refund failed after all */
    assert_shows("paid", 0, 100, 0, 0, 0);
    settle(0, 5, 0); /* a fact is a fact */
    assert_shows("paid", 0, 105, 0, 0, 0);
    settle(0, 0, 0);
}

static void test_checks(void **state)
{
    struct err_info why;
    (void)state;
    assert_int_equal(check(100, NULL), OK);
    assert_int_equal(check(101, &why), ERR_UNPROCESSABLE);
    assert_string_equal(why.param, "amount");
    assert_non_null(strstr(why.detail, "100 remain"));
    settle(60, 0, 0);
    assert_int_equal(check(40, NULL), OK);
    assert_int_equal(check(41, &why), ERR_UNPROCESSABLE);
    assert_non_null(strstr(why.detail, "40 remain"));
    settle(-60, 60, 0);
    assert_int_equal(check(41, NULL), ERR_UNPROCESSABLE);
    settle(0, 40, 0);
    assert_int_equal(check(1, &why), ERR_STATE);
    assert_non_null(strstr(why.detail, "paid"));
    assert_int_equal(deed((struct deed){.check = 1, .currency = 840}, &why), ERR_PARAM_INVALID);
    assert_string_equal(why.param, "order");
    assert_non_null(strstr(why.detail, "EUR"));
    /* the same number for another merchant, or the same in live mode, is none */
    assert_int_equal(deed((struct deed){.check = 1, .merchant = 3}, &why), ERR_PARAM_INVALID);
    assert_string_equal(why.param, "order");
}

static void test_cancel(void **state)
{
    struct err_info why;
    (void)state;
    settle(10, 0, 0);
    assert_int_equal(deed((struct deed){.cancel = true}, &why), ERR_STATE);
    settle(-10, 10, 0);
    assert_int_equal(deed((struct deed){.cancel = true}, NULL), OK);
    assert_int_equal(deed((struct deed){.cancel = true}, NULL), OK);
    assert_shows("canceled", 0, 10, 0, 0, 0);
    assert_int_equal(check(1, &why), ERR_STATE);
    settle(0, 0, 10);
    assert_shows("canceled", 0, 10, 0, 10, 0);
}

static void test_a_paid_order_is_not_canceled(void **state)
{
    (void)state;
    settle(0, 100, 0);
    assert_int_equal(deed((struct deed){.cancel = true}, NULL), ERR_STATE);
}

/* Sixteen threads want 30 of 100: three get it. */
#define AT_ONCE 16
struct racer {
    pthread_t thread;
    struct deed deed;
    err_t err;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    r->err = store_write(t.store, MERCHANT, run_deed, &r->deed);
    return NULL;
}

static void test_never_more_than_its_amount(void **state)
{
    static struct racer racers[AT_ONCE];
    int won = 0;
    (void)state;
    for (int i = 0; i < AT_ONCE; i++) {
        racers[i].deed = (struct deed){.check = 30, .change = {.reserved = 30}};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < AT_ONCE; i++) {
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
        won += racers[i].err == OK;
        assert_true(racers[i].err == OK || racers[i].err == ERR_UNPROCESSABLE);
    }
    assert_int_equal(won, 3);
    assert_shows("open", 100, 0, 90, 0, 10);
}

static void test_statuses_are_found(void **state)
{
    (void)state;
    assert_int_equal(order_state_find(STR("open")), ORDER_OPEN);
    assert_int_equal(order_state_find(STR("canceled")), ORDER_CANCELED);
    assert_int_equal(order_state_find(STR("Open")), 0);
    assert_int_equal(order_state_find(STR("")), 0);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(test_a_life),
        WITH_STORE(test_checks),
        WITH_STORE(test_cancel),
        WITH_STORE(test_a_paid_order_is_not_canceled),
        WITH_STORE(test_never_more_than_its_amount),
        cmocka_unit_test(test_statuses_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

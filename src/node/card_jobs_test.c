/* Turn by turn: what is asked of the role `card` of cards, and when again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "customers/customers.h"
#include "node/card_jobs.h"
#include "store/store_folder.h"

#define MERCHANT 2
#define ASKED_MAX 200

struct asked {
    enum link_message message;
    struct id card;
    int64_t merchant_id, month, year;
    void (*done)(const struct link_frame *answer, void *arg);
    void *arg;
};
static struct {
    struct folder folder;
    struct store *store;
    int64_t now_us;
    uint64_t seeds;
    struct card_jobs jobs;
    bool away; /* the role is not there */
    struct asked asked[ASKED_MAX];
    int asked_n;
} t;

static struct det make_det(void *self)
{
    uint8_t seed[32] = {3};
    (void)self;
    num_put64(seed + 8, ++t.seeds);
    return det_make(t.now_us, seed);
}

static err_t ask(void *self, enum link_message message, struct str payload,
                 void (*done)(const struct link_frame *answer, void *arg), void *arg)
{
    struct link_reader r = {.rest = payload};
    (void)self;
    if (t.away)
        return ERR_UNAVAILABLE;
    assert_true(t.asked_n < ASKED_MAX);
    assert_true(link_allowed(message, LINK_API, LINK_CARD, payload.n));
    struct asked *a = &t.asked[t.asked_n++];
    *a = (struct asked){.message = message, .done = done, .arg = arg};
    a->merchant_id = link_take_int(&r);
    a->card = link_take_id(&r);
    if (message == LINK_EXPIRY) {
        a->month = link_take_int(&r);
        a->year = link_take_int(&r);
    }
    assert_true(link_taken(&r));
    return OK;
}

/* The role answers; err -1: it is gone. */
static void say(int which, int64_t err)
{
    struct buf b = BUF(100);
    link_put_int(&b, err);
    struct link_frame f = {.message = LINK_KEPT, .payload = buf_view(&b), .fd = -1};
    t.asked[which].done(err < 0 ? NULL : &f, t.asked[which].arg);
    buf_free(&b);
}

static void settle(void)
{
    while (!store_idle(t.store))
        (void)store_step(t.store);
}

static void turns(int n)
{
    while (n-- > 0) {
        card_jobs_turn(&t.jobs);
        settle();
    }
}

static int setup(void **state)
{
    (void)state;
    crypto_init();
    memset(&t, 0, sizeof t);
    t.now_us = INT64_C(1790000000000000);
    t.folder = folder_make();
    t.store = folder_open(&t.folder, (struct store_config){.stepped = true});
    card_jobs_init(&t.jobs, t.store, (struct card_way){ask, NULL}, make_det, 30000000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(t.store);
    card_jobs_release(&t.jobs);
    folder_remove(&t.folder);
    return 0;
}

struct typing {
    struct id card, customer;
};

static err_t type_tx(struct store_tx *tx, void *arg)
{
    struct typing *c = arg;
    struct det det = make_det(NULL), same = det;
    struct buf json = BUF(1 << 16);
    struct card_facts f = {.last_four = "4242", .exp_month = 12, .exp_year = 2050};
    c->customer = id_new(&same);
    err_t err =
        customer_create(tx, &det, MERCHANT, &(struct customer_input){.given = CUSTOMER_ALL}, &json);
    f.card = c->card = id_new(&det);
    if (!err)
        err = method_from_card(tx, &det, MERCHANT, &f, c->customer, NULL);
    buf_free(&json);
    return err;
}

static struct id type_card(void)
{
    struct typing c;
    assert_int_equal(store_write(t.store, MERCHANT, type_tx, &c), OK);
    return c.card;
}

static err_t change_tx(struct store_tx *tx, void *arg)
{
    struct det det = make_det(NULL);
    struct buf json = BUF(1 << 16);
    struct err_info why = {.err = OK};
    struct method_change to = {.exp_month = 2, .exp_year = 2051};
    err_t err = method_update(tx, &det, MERCHANT, *(struct id *)arg, &to, &json, &why);
    buf_free(&json);
    return err;
}

static void told_once_and_done(void **state)
{
    (void)state;
    struct id card = type_card();
    turns(2);
    assert_int_equal(t.asked_n, 1);
    assert_int_equal(t.asked[0].message, LINK_KEEP);
    assert_int_equal(t.asked[0].merchant_id, MERCHANT);
    assert_true(id_eq(t.asked[0].card, card));
    assert_false(card_jobs_idle(&t.jobs));
    turns(3);
    assert_int_equal(t.asked_n, 1); /* it is under way */
    say(0, OK);
    settle();
    assert_true(card_jobs_idle(&t.jobs));
    assert_int_equal(store_write(t.store, MERCHANT, change_tx, &card), OK);
    turns(2);
    assert_int_equal(t.asked_n, 2);
    assert_int_equal(t.asked[1].message, LINK_EXPIRY);
    assert_int_equal(t.asked[1].month, 2);
    assert_int_equal(t.asked[1].year, 2051);
    say(1, OK);
    t.now_us += CARD_WORK_WAIT_US;
    turns(3);
    assert_int_equal(t.asked_n, 2);
    assert_true(card_jobs_idle(&t.jobs));
}

static void told_again_when_nobody_heard(void **state)
{
    (void)state;
    (void)type_card();
    t.away = true;
    turns(3);
    t.away = false;
    turns(3);
    assert_int_equal(t.asked_n, 0); /* not at once */
    t.now_us += 1300000;
    turns(2);
    assert_int_equal(t.asked_n, 1);
    say(0, -1);
    settle();
    t.now_us += 2500000;
    turns(2);
    assert_int_equal(t.asked_n, 2);
    say(1, ERR_UNAVAILABLE);
    settle();
    t.now_us += 5000000;
    turns(2);
    assert_int_equal(t.asked_n, 3);
    say(2, ERR_COUNT); /* no answer that is one */
    settle();
    t.now_us += 10000000;
    turns(2);
    assert_int_equal(t.asked_n, 4);
    say(3, OK);
    settle();
    assert_true(card_jobs_idle(&t.jobs));
}

static void who_says_nothing_is_asked_again(void **state)
{
    (void)state;
    (void)type_card();
    turns(2);
    t.now_us += 30000001;
    turns(2);
    assert_int_equal(t.asked_n, 2);
    say(1, OK);
    say(0, OK); /* late: somebody else did it */
    settle();
    assert_true(card_jobs_idle(&t.jobs));
    t.now_us += CARD_WORK_WAIT_US;
    turns(2);
    assert_int_equal(t.asked_n, 2);
}

static void no_more_at_once_than_there_is_room_for(void **state)
{
    (void)state;
    for (int i = 0; i < 150; i++)
        (void)type_card();
    turns(10);
    assert_in_range(t.asked_n, 64, 95);
    for (int i = 0; i < t.asked_n; i++) {
        say(i, OK);
        turns(2);
    }
    assert_int_equal(t.asked_n, 150);
    assert_true(card_jobs_idle(&t.jobs));
}

static void what_is_read_and_not_told_is_no_loss(void **state)
{
    (void)state;
    (void)type_card();
    turns(1);
    assert_int_equal(t.asked_n, 0); /* and the node ends: see teardown */
    assert_false(card_jobs_idle(&t.jobs));
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(told_once_and_done),
        WITH_STORE(told_again_when_nobody_heard),
        WITH_STORE(who_says_nothing_is_asked_again),
        WITH_STORE(no_more_at_once_than_there_is_room_for),
        WITH_STORE(what_is_read_and_not_told_is_no_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

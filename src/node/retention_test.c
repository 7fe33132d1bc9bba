/* What is deleted by its age, when, and what stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "clients/clients.h"
#include "crypto/crypto.h"
#include "node/retention.h"
#include "store/store_folder.h"

#define NOW INT64_C(1790000000000000)

static struct {
    struct folder folder;
    struct store *store;
    struct config settings;
    struct retention retention;
    int64_t mono_us;
    uint32_t made;
} t;

static void settle(void)
{
    while (!store_idle(t.store))
        (void)store_step(t.store);
}

/* So much later, a turn. */
static void after(int64_t us)
{
    t.mono_us += us;
    retention_turn(&t.retention, t.mono_us, NOW);
    settle();
}

static int setup(void **state)
{
    (void)state;
    crypto_init();
    memset(&t, 0, sizeof t);
    config_defaults(&t.settings);
    t.folder = folder_make();
    t.store = folder_open(&t.folder, (struct store_config){.stepped = true});
    retention_init(&t.retention, t.store, &t.settings);
    after(SECOND_US);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(t.store);
    folder_remove(&t.folder);
    return 0;
}

struct tokens {
    int64_t merchant_id, expires_us;
    int n;
    bool used, found;
    uint8_t hash[CLIENT_HASH]; /* of the last */
};

static err_t make_tokens(struct store_tx *tx, void *arg)
{
    struct tokens *k = arg;
    err_t err = OK;
    for (int i = 0; !err && i < k->n; i++) {
        struct client_token token = {.state = CLIENT_ISSUED,
                                     .purpose = CLIENT_PAYMENT,
                                     .amount_min = 1,
                                     .amount_max = 1,
                                     .currency = 978,
                                     .origin = "https://shop.example",
                                     .details = STR("{}"),
                                     .created_us = k->expires_us - HOUR_US,
                                     .expires_us = k->expires_us},
                            given;
        struct err_info info = {.err = OK};
        memset(k->hash, 0, sizeof k->hash);
        num_put64(k->hash, ++t.made);
        memcpy(token.id.b, k->hash, sizeof token.id.b);
        struct id card = {{1}}, payment = {{2}};
        err = client_token_insert(tx, k->merchant_id, k->hash, &token);
        if (!err && k->used)
            err = client_token_give(tx, k->merchant_id, k->hash, card, k->expires_us - HOUR_US,
                                    &given, &info);
        if (!err && k->used)
            err = client_token_use(tx, k->merchant_id, k->hash, payment, k->expires_us - HOUR_US);
    }
    return err;
}

static err_t look(struct store_tx *tx, void *arg)
{
    struct tokens *k = arg;
    struct client_token token;
    return client_token_read(tx, k->merchant_id, k->hash, &token, &k->found);
}

static void put(struct tokens *k)
{
    assert_int_equal(store_write(t.store, k->merchant_id, make_tokens, k), OK);
}

static bool there(struct tokens *k)
{
    assert_int_equal(store_read(t.store, look, k), OK);
    return k->found;
}

static void tokens_go_by_the_day_they_ended(void **state)
{
    struct tokens old = {2, NOW - 90 * DAY_US - 1, 1, false, false, {0}},
                  used = {5, NOW - 90 * DAY_US - 1, 1, true, false, {0}},
                  edge = {2, NOW - 90 * DAY_US, 1, true, false, {0}},
                  fresh = {5, NOW + HOUR_US, 1, false, false, {0}};
    struct tokens *const all[] = {&old, &used, &edge, &fresh};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        put(all[i]);
    after(HOUR_US - SECOND_US - 1);
    assert_true(there(&old)); /* not yet */
    after(SECOND_US + 1);
    assert_false(there(&old));
    assert_false(there(&used));
    assert_true(there(&edge));
    assert_true(there(&fresh));
    t.settings.client_tokens_keep_days = 89;
    after(HOUR_US - 1);
    assert_true(there(&edge));
    after(1);
    assert_false(there(&edge));
    assert_true(there(&fresh));
}

static void many_go_in_bounded_batches(void **state)
{
    struct tokens many = {2, NOW - 100 * DAY_US, 401, false, false, {0}};
    (void)state;
    put(&many);
    after(HOUR_US);
    assert_int_equal(t.retention.tokens, 200);
    after(0);
    after(SECOND_US - 1);
    assert_int_equal(t.retention.tokens, 200);
    assert_true(there(&many));
    after(1);
    assert_int_equal(t.retention.tokens, 200);
    after(0);
    after(SECOND_US);
    assert_int_equal(t.retention.tokens, 1);
    assert_false(there(&many));
    after(SECOND_US); /* there is nothing more: not before an hour */
    assert_int_equal(t.retention.tokens, 1);
}

struct reporting {
    int64_t day_us;
    int rows;
};

static err_t report(struct store_tx *tx, void *arg)
{
    const struct reporting *r = arg;
    bool kept, fresh;
    return report_add(tx, STR("{}"), r->day_us, &kept, &fresh);
}

static err_t one_row(const struct report *r, void *arg)
{
    (void)r;
    ((struct reporting *)arg)->rows++;
    return OK;
}

static err_t list(struct store_tx *tx, void *arg)
{
    return report_list(tx, 100, one_row, arg);
}

static void reports_go_by_the_day(void **state)
{
    struct reporting r;
    (void)state;
    for (int days = 398; days < 403; days++) {
        r = (struct reporting){NOW - days * DAY_US, 0};
        assert_int_equal(store_write(t.store, 0, report, &r), OK);
    }
    after(HOUR_US);
    r.rows = 0;
    assert_int_equal(store_read(t.store, list, &r), OK);
    assert_int_equal(r.rows, 3); /* the 400th day is kept to its end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tokens_go_by_the_day_they_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(many_go_in_bounded_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(reports_go_by_the_day, setup, teardown),
    };
    return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "customers/customers.h"
#include "events/events.h"
#include "store/store_folder.h"

#define MERCHANT 2
#define T0 INT64_C(1764000000123456)

static struct {
    struct folder folder;
    struct store *store;
    struct det det;
    struct id id; /* of what was made last */
    struct buf json;
} t;

static int setup(void **state)
{
    static const uint8_t seed[32] = {9};
    (void)state;
    crypto_init();
    t.det = det_make(T0, seed);
    t.json = BUF(1 << 16);
    t.folder = folder_make();
    t.store = folder_open(&t.folder, (struct store_config){.path = NULL});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_free(&t.json);
    store_close(t.store);
    folder_remove(&t.folder);
    return 0;
}

static err_t write_with(err_t (*run)(struct store_tx *tx, void *arg), void *arg)
{
    t.det.now_us += 1000;
    return store_write(t.store, MERCHANT, run, arg);
}

static void assert_shows(const char *part)
{
    if (!strstr(t.json.p, part))
        fail_msg("no %s in %s", part, t.json.p);
}

/* --- customers --- */
struct writing {
    struct id id;
    struct customer_input in;
};

static err_t run_create(struct store_tx *tx, void *arg)
{
    struct writing *w = arg;
    struct det det = t.det, same = t.det;
    w->id = id_new(&same);
    buf_clear(&t.json);
    return customer_create(tx, &det, MERCHANT, &w->in, &t.json);
}

static err_t run_update(struct store_tx *tx, void *arg)
{
    struct writing *w = arg;
    struct det det = t.det;
    buf_clear(&t.json);
    return customer_update(tx, &det, MERCHANT, w->id, &w->in, &t.json);
}

static err_t run_delete(struct store_tx *tx, void *arg)
{
    struct writing *w = arg;
    struct det det = t.det;
    buf_clear(&t.json);
    return customer_delete(tx, &det, MERCHANT, w->id, &t.json);
}

static struct id make_customer(const char *email, json_t *metadata)
{
    struct writing w = {.in = {.given = CUSTOMER_ALL,
                               .name = STR("Ann"),
                               .email = str_from(email),
                               .description = STR("a friend"),
                               .metadata = metadata}};
    t.det.s[0]++;
    assert_int_equal(write_with(run_create, &w), OK);
    return w.id;
}

struct counting {
    struct search search;
    int n;
};

static err_t count_one(struct id id, struct str json, void *arg)
{
    struct counting *c = arg;
    (void)id, (void)json;
    c->n++;
    return OK;
}

static err_t run_list(struct store_tx *tx, void *arg)
{
    struct counting *c = arg;
    struct page page = {.created_to = INT64_MAX, .limit = 100};
    memset(page.cursor.b, 0xFF, 16);
    c->n = 0;
    return customer_list(tx, MERCHANT, &page, &c->search, count_one, c);
}

static int found_by_email(const char *email)
{
    struct counting c = {.n = 0};
    if (email)
        assert_true(search_want(&c.search, SEARCH_EMAIL, str_from(email)));
    assert_int_equal(store_read(t.store, run_list, &c), OK);
    return c.n;
}

static int found_by_shelf(const char *value)
{
    struct counting c = {.n = 0};
    assert_true(search_want_metadata(&c.search, STR("shelf"), str_from(value)));
    assert_int_equal(store_read(t.store, run_list, &c), OK);
    return c.n;
}

static void test_an_update_changes_what_is_given(void **state)
{
    (void)state;
    json_t *seven = json_pack("{s:s}", "shelf", "7"), *eight = json_pack("{s:s}", "shelf", "8");
    struct writing w = {.id = make_customer("ann@example.com", seven)};
    assert_shows("\"version\":1,");
    assert_int_equal(found_by_email("ANN@example.com"), 1);
    assert_int_equal(found_by_shelf("7"), 1);

    w.in = (struct customer_input){.given = CUSTOMER_EMAIL, .email = STR("ann@example.org")};
    assert_int_equal(write_with(run_update, &w), OK);
    assert_shows("\"name\":\"Ann\",\"email\":\"ann@example.org\",\"phone\":null,"
                 "\"description\":\"a friend\",\"metadata\":{\"shelf\":\"7\"},\"version\":2,");
    assert_int_equal(found_by_email("ann@example.com"), 0);
    assert_int_equal(found_by_email("ann@example.org"), 1);
    assert_int_equal(found_by_shelf("7"), 1);

    w.in = (struct customer_input){.given = CUSTOMER_METADATA | CUSTOMER_NAME | CUSTOMER_EMAIL,
                                   .metadata = eight};
    assert_int_equal(write_with(run_update, &w), OK);
    assert_shows("\"name\":null,\"email\":null,");
    assert_int_equal(found_by_email("ann@example.org"), 0);
    assert_int_equal(found_by_shelf("7"), 0);
    assert_int_equal(found_by_shelf("8"), 1);

    w.id = id_new(&t.det);
    assert_int_equal(write_with(run_update, &w), ERR_NOT_FOUND);
    json_decref(seven);
    json_decref(eight);
}

/* --- methods --- */
struct method_deed {
    enum { SAVE, LEARN, DETACH, READ } what;
    struct method m;
    struct id id;
    bool found;
};

static err_t run_method(struct store_tx *tx, void *arg)
{
    struct method_deed *d = arg;
    switch (d->what) {
    case SAVE:
        return method_save(tx, &t.det, MERCHANT, &d->m);
    case LEARN:
        return method_learn(tx, MERCHANT, d->id, &d->m);
    case DETACH:
        buf_clear(&t.json);
        return method_detach(tx, &t.det, MERCHANT, d->id, &t.json);
    case READ:
        return method_read(tx, MERCHANT, d->id, &d->m, &d->found);
    }
    return ERR_INTERNAL;
}

static struct id save_method(struct id customer, const char *last_four)
{
    struct method_deed d = {.what = SAVE, .m = {.customer = customer, .token = "pm_tok_visa"}};
    t.det.s[1]++;
    d.m.id = id_new(&t.det);
    (void)snprintf(d.m.card_last_four, sizeof d.m.card_last_four, "%s", last_four);
    assert_int_equal(write_with(run_method, &d), OK);
    return d.m.id;
}

static struct method read_method(struct id id)
{
    struct method_deed d = {.what = READ, .id = id};
    assert_int_equal(write_with(run_method, &d), OK);
    assert_true(d.found);
    return d.m;
}

static err_t count_event(const struct event *e, void *arg)
{
    int *n = arg;
    n[e->type]++;
    return OK;
}

static err_t run_events(struct store_tx *tx, void *arg)
{
    return event_each_after(tx, MERCHANT, 0, 1000, count_event, arg);
}

static int events_of(enum event_type type)
{
    int n[64] = {0};
    assert_int_equal(store_read(t.store, run_events, n), OK);
    return n[type];
}

static void test_a_method_learns_once(void **state)
{
    (void)state;
    struct id id = save_method(make_customer(NULL, NULL), "");
    struct method m = read_method(id);
    assert_true(m.state == METHOD_ATTACHED);
    assert_string_equal(m.token, "pm_tok_visa");
    assert_string_equal(m.card_last_four, "");
    struct method_deed first = {.what = LEARN,
                                .id = id,
                                .m = {.card_brand = "visa", .card_last_four = "4242"}},
                       second = {.what = LEARN,
                                 .id = id,
                                 .m = {.card_brand = "amex",
                                       .card_last_four = "0005",
                                       .network_transaction_id = "ntid1"}};
    assert_int_equal(write_with(run_method, &first), OK);
    assert_int_equal(write_with(run_method, &second), OK);
    m = read_method(id);
    assert_string_equal(m.card_brand, "visa");
    assert_string_equal(m.card_last_four, "4242");
    assert_string_equal(m.network_transaction_id, "ntid1");
    second.id = id_new(&t.det);
    assert_int_equal(write_with(run_method, &second), OK);
    assert_int_equal(events_of(EVENT_METHOD_ATTACHED), 1);
}

static void test_detached_once(void **state)
{
    (void)state;
    struct method_deed d = {.what = DETACH, .id = save_method(make_customer(NULL, NULL), "4242")};
    assert_int_equal(write_with(run_method, &d), OK);
    assert_shows("\"status\":\"detached\"");
    assert_shows("\"version\":2,");
    assert_false(read_method(d.id).state == METHOD_ATTACHED);
    assert_int_equal(write_with(run_method, &d), OK);
    assert_shows("\"version\":2,");
    assert_int_equal(events_of(EVENT_METHOD_DETACHED), 1);
    d.id = id_new(&t.det);
    assert_int_equal(write_with(run_method, &d), ERR_NOT_FOUND);
}

static void test_a_deleted_customer_is_forgotten(void **state)
{
    (void)state;
    json_t *seven = json_pack("{s:s}", "shelf", "7");
    struct id other = make_customer("bob@example.com", NULL), kept = save_method(other, "1111");
    struct writing w = {.id = make_customer("ann@example.com", seven)};
    struct id last = {{0}};
    for (int i = 0; i < 130; i++) /* more than are detached at once */
        last = save_method(w.id, "4242");
    assert_int_equal(found_by_email(NULL), 2);
    assert_int_equal(write_with(run_delete, &w), OK);
    assert_shows("\"deleted\":true");
    assert_int_equal(found_by_email(NULL), 1);
    assert_int_equal(found_by_email("ann@example.com"), 0);
    assert_int_equal(found_by_shelf("7"), 0);
    assert_int_equal(events_of(EVENT_METHOD_DETACHED), 130);
    assert_false(read_method(last).state == METHOD_ATTACHED);
    assert_true(read_method(kept).state == METHOD_ATTACHED);
    assert_int_equal(write_with(run_delete, &w), ERR_NOT_FOUND);
    assert_int_equal(write_with(run_update, &w), ERR_NOT_FOUND);
    json_decref(seven);
}

/* --- pure --- */
static void test_checks(void **state)
{
    static const struct {
        const char *name, *email, *phone, *wrong;
    } cases[] = {
        {"Ann", "ann@example.com", "+49 (0)30 1234-56", NULL},
        {NULL, "a@b", "112", NULL},
        {"Zoë\xC2\xA0Ö", "zoë@bücher.example", NULL, NULL},
        {"Ann\nBcc: x", NULL, NULL, "name"},
        {NULL, "ann", NULL, "email"},
        {NULL, "@example.com", NULL, "email"},
        {NULL, "ann@", NULL, "email"},
        {NULL, "a@b@c", NULL, "email"},
        {NULL, "a b@c", NULL, "email"},
        {NULL, "a@b\r\nc", NULL, "email"},
        {NULL, NULL, "+()", "phone"},
        {NULL, NULL, "call me", "phone"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err_info why = {.err = OK};
        struct customer_input in = {.name = str_from(cases[i].name),
                                    .email = str_from(cases[i].email),
                                    .phone = str_from(cases[i].phone)};
        assert_int_equal(customer_check(&in, &why), cases[i].wrong ? ERR_PARAM_INVALID : OK);
        assert_string_equal(why.param, cases[i].wrong ? cases[i].wrong : "");
    }
}

static void test_tokens(void **state)
{
    char longest[257];
    (void)state;
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "pm_", 3);
    assert_true(method_token_ok(STR("pm_tok_visa")));
    assert_true(method_token_ok((struct str){longest, 255}));
    assert_false(method_token_ok((struct str){longest, 256}));
    assert_false(method_token_ok(STR("pm_")));
    assert_false(method_token_ok(STR("tok_visa")));
    assert_false(method_token_ok(STR("pm_tok visa")));
    assert_false(method_token_ok(STR("pm_tok/visa")));
    assert_int_equal(method_state_find(STR("attached")), METHOD_ATTACHED);
    assert_int_equal(method_state_find(STR("gone")), 0);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_tokens),
        WITH_STORE(test_an_update_changes_what_is_given),
        WITH_STORE(test_a_method_learns_once),
        WITH_STORE(test_detached_once),
        WITH_STORE(test_a_deleted_customer_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "search/search.h"
#include "store/store_folder.h"

#define T0_MS INT64_C(1764000000000)
#define MERCHANT 2

static struct {
    struct folder folder;
    struct store *store;
} t;

static int setup(void **state)
{
    (void)state;
    crypto_init();
    t.folder = folder_make();
    t.store = folder_open(&t.folder, (struct store_config){.path = NULL});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(t.store);
    folder_remove(&t.folder);
    return 0;
}

/* The n-th object; one per second. */
static struct id object_id(int n)
{
    struct id id = {{0}};
    num_put64(id.b, (uint64_t)(T0_MS + n * 1000) << 16 | 0x7000);
    num_put64(id.b + 8, UINT64_C(2) << 62 | (uint64_t)n << 10);
    return id;
}

static int object_number(struct id id)
{
    return (int)((id_time_ms(id) - T0_MS) / 1000);
}

/* --- what a test writes --- */
struct change {
    int64_t merchant;
    enum search_object object;
    enum search_kind kind;
    const char *value;
    json_t *metadata;
    int from, to; /* objects */
    bool remove;
};

static err_t run_change(struct store_tx *tx, void *arg)
{
    const struct change *c = arg;
    for (int i = c->from; i <= c->to; i++) {
        struct str value = str_from(c->value);
        struct id id = object_id(i);
        err_t err = c->metadata ? (c->remove ? search_remove_metadata : search_add_metadata)(
                                      tx, c->merchant, c->object, c->metadata, id)
                                : (c->remove ? search_remove : search_add)(
                                      tx, c->merchant, c->object, c->kind, value, id);
        if (err)
            return err;
    }
    return OK;
}

static void change(struct change c)
{
    c.merchant = c.merchant ? c.merchant : MERCHANT;
    c.object = c.object ? c.object : SEARCH_PAYMENT;
    assert_int_equal(store_write(t.store, c.merchant, run_change, &c), OK);
}

static void add(enum search_kind kind, const char *value, int from, int to)
{
    change((struct change){.kind = kind, .value = value, .from = from, .to = to});
}

static json_t *pair(const char *key, const char *value)
{
    json_t *o = json_object();
    assert_int_equal(json_object_set_new(o, key, json_string(value)), 0);
    return o;
}

static void change_metadata(const char *key, const char *value, int n, bool remove)
{
    json_t *o = pair(key, value);
    change((struct change){.metadata = o, .from = n, .to = n, .remove = remove});
    json_decref(o);
}

/* --- what it finds --- */
struct finding {
    struct search search;
    struct page page;
    enum search_object object;
    int64_t merchant;
    bool refuse_odd;
    int n, seen[64];
};

static err_t take(struct store_tx *tx, struct id id, void *arg, bool *ret_taken)
{
    struct finding *f = arg;
    (void)tx;
    *ret_taken = !f->refuse_odd || object_number(id) % 2 == 0;
    if (*ret_taken && f->n < (int)COUNT_OF(f->seen))
        f->seen[f->n++] = object_number(id);
    return OK;
}

static err_t run_find(struct store_tx *tx, void *arg)
{
    struct finding *f = arg;
    f->n = 0;
    return search_run(tx, f->merchant, f->object, &f->search, &f->page, take, f);
}

static struct finding finding(void)
{
    struct finding f = {.object = SEARCH_PAYMENT, .merchant = MERCHANT};
    memset(f.page.cursor.b, 0xFF, 16);
    f.page.created_to = INT64_MAX;
    f.page.limit = 50;
    return f;
}

static void find(struct finding *f)
{
    assert_int_equal(store_read(t.store, run_find, f), OK);
}

static int found_by(enum search_kind kind, const char *value)
{
    struct finding f = finding();
    assert_true(search_want(&f.search, kind, str_from(value)));
    find(&f);
    return f.n;
}

static int found_by_metadata(const char *key, const char *value)
{
    struct finding f = finding();
    assert_true(search_want_metadata(&f.search, str_from(key), str_from(value)));
    find(&f);
    return f.n;
}

static void test_finds_by_the_exact_value(void **state)
{
    (void)state;
    add(SEARCH_REFERENCE, "ch_1", 1, 1);
    add(SEARCH_REFERENCE, "ch_1", 1, 1); /* twice is once */
    add(SEARCH_REFERENCE, "ch_2", 1, 1); /* one object has several */
    add(SEARCH_REFERENCE, "", 1, 1);
    add(SEARCH_REFERENCE, NULL, 1, 1);
    add(SEARCH_LAST_FOUR, "4242", 1, 1);
    assert_int_equal(found_by(SEARCH_REFERENCE, "ch_1"), 1);
    assert_int_equal(found_by(SEARCH_REFERENCE, "ch_2"), 1);
    assert_int_equal(found_by(SEARCH_REFERENCE, "ch_"), 0);
    assert_int_equal(found_by(SEARCH_REFERENCE, "CH_1"), 0);
    assert_int_equal(found_by(SEARCH_REFERENCE, "4242"), 0);
    assert_int_equal(found_by(SEARCH_REFERENCE, ""), 0);
    change((struct change){
        .kind = SEARCH_REFERENCE, .value = "ch_1", .from = 1, .to = 1, .remove = true});
    change((struct change){
        .kind = SEARCH_REFERENCE, .value = "never", .from = 1, .to = 1, .remove = true});
    assert_int_equal(found_by(SEARCH_REFERENCE, "ch_1"), 0);
    assert_int_equal(found_by(SEARCH_REFERENCE, "ch_2"), 1);
}

static void test_merchants_and_objects_are_apart(void **state)
{
    (void)state;
    add(SEARCH_REFERENCE, "r", 1, 1);
    struct finding f = finding();
    assert_true(search_want(&f.search, SEARCH_REFERENCE, STR("r")));
    f.merchant = MERCHANT + 1;
    find(&f);
    assert_int_equal(f.n, 0);
    f.merchant = MERCHANT;
    f.object = SEARCH_REFUND;
    find(&f);
    assert_int_equal(f.n, 0);
}

static void test_metadata_is_found_by_key_and_value(void **state)
{
    (void)state;
    char longest[501];
    memset(longest, 'x', 500);
    longest[500] = 0;
    change_metadata("ab", "c", 1, false);
    change_metadata("order", longest, 2, false);
    change_metadata("empty", "", 3, false);
    assert_int_equal(found_by_metadata("ab", "c"), 1);
    assert_int_equal(found_by_metadata("a", "bc"), 0);
    assert_int_equal(found_by_metadata("c", "ab"), 0);
    assert_int_equal(found_by_metadata("order", longest), 1);
    assert_int_equal(found_by_metadata("empty", ""), 1);
    change_metadata("ab", "c", 1, true);
    assert_int_equal(found_by_metadata("ab", "c"), 0);
}

static void test_email_in_any_case_and_long_values(void **state)
{
    (void)state;
    char a[201], b[201];
    memset(a, 'a', 200);
    memset(b, 'a', 200);
    a[200] = b[200] = 0;
    b[199] = 'b';
    add(SEARCH_EMAIL, "Ann@Example.com", 1, 1);
    add(SEARCH_REFERENCE, a, 2, 2);
    assert_int_equal(found_by(SEARCH_EMAIL, "ann@example.COM"), 1);
    assert_int_equal(found_by(SEARCH_EMAIL, "nn@example.com"), 0);
    assert_int_equal(found_by(SEARCH_REFERENCE, a), 1);
    assert_int_equal(found_by(SEARCH_REFERENCE, b), 0);
}

static void test_all_terms_have_to_fit(void **state)
{
    (void)state;
    struct id order = object_id(7);
    char text[ID_TEXT_MAX];
    add(SEARCH_LAST_FOUR, "4242", 1, 9);
    add(SEARCH_OF_ORDER, id_text(ID_ORDER, order, text), 4, 6);
    change_metadata("shelf", "7", 5, false);
    change_metadata("shelf", "7", 8, false);
    struct finding f = finding();
    assert_true(search_want(&f.search, SEARCH_LAST_FOUR, STR("4242")));
    assert_true(search_want_metadata(&f.search, STR("shelf"), STR("7")));
    find(&f);
    assert_int_equal(f.n, 2);
    assert_true(search_want_id(&f.search, SEARCH_OF_ORDER, order));
    find(&f);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.seen[0], 5);
    assert_true(search_want(&f.search, SEARCH_REFERENCE, STR("nothing")));
    find(&f);
    assert_int_equal(f.n, 0);
    while (f.search.n < SEARCH_TERMS_MAX)
        assert_true(search_want(&f.search, SEARCH_REFERENCE, STR("x")));
    assert_false(search_want(&f.search, SEARCH_REFERENCE, STR("x")));
}

static void assert_seen(struct finding *f, int n, int first, int step)
{
    find(f);
    assert_int_equal(f->n, n);
    for (int i = 0; i < n; i++)
        assert_int_equal(f->seen[i], first + i * step);
}

static void test_pages_in_both_directions(void **state)
{
    (void)state;
    add(SEARCH_LAST_FOUR, "4242", 1, 300); /* more than one batch */
    struct finding f = finding();
    assert_true(search_want(&f.search, SEARCH_LAST_FOUR, STR("4242")));
    f.page.limit = 3;
    assert_seen(&f, 3, 300, -1);
    f.page.cursor = object_id(200);
    assert_seen(&f, 3, 199, -1);
    f.refuse_odd = true; /* what is not taken does not count */
    assert_seen(&f, 3, 198, -2);
    f.refuse_odd = false;
    f.page.up = true;
    assert_seen(&f, 3, 201, 1);
    f.page.cursor = object_id(299);
    assert_seen(&f, 1, 300, 1);
    f.page.up = false;
    f.page.cursor = object_id(1);
    assert_seen(&f, 0, 0, 0);
}

static void test_times_bound_what_is_looked_at(void **state)
{
    (void)state;
    add(SEARCH_LAST_FOUR, "4242", 1, 20);
    struct finding f = finding();
    assert_true(search_want(&f.search, SEARCH_LAST_FOUR, STR("4242")));
    f.page.created_from = (T0_MS + 5 * 1000) * 1000;
    f.page.created_to = (T0_MS + 8 * 1000) * 1000;
    assert_seen(&f, 4, 8, -1);
    f.page.up = true;
    memset(f.page.cursor.b, 0, 16);
    assert_seen(&f, 4, 5, 1);
    f.page.cursor = object_id(6);
    assert_seen(&f, 2, 7, 1);
    f.page.created_from = f.page.created_to + 1;
    f.page.created_to = f.page.created_from;
    assert_true(page_has(&f.page, f.page.created_to));
    assert_false(page_has(&f.page, f.page.created_to + 1));
    assert_false(page_has(&f.page, f.page.created_to - 1));
}

static void test_a_search_that_finds_nothing_ends(void **state)
{
    (void)state;
    add(SEARCH_LAST_FOUR, "4242", 1, 60000);
    struct finding f = finding();
    assert_true(search_want(&f.search, SEARCH_LAST_FOUR, STR("4242")));
    assert_true(search_want_metadata(&f.search, STR("never"), STR("there")));
    f.search.term[1].kind = SEARCH_LAST_FOUR; /* as rare as the other, so the first leads */
    assert_int_equal(store_read(t.store, run_find, &f), ERR_UNPROCESSABLE);
    f.page.created_from = (T0_MS + 59000 * INT64_C(1000)) * 1000;
    find(&f);
    assert_int_equal(f.n, 0);
}

static void test_members_are_read_back(void **state)
{
    (void)state;
    json_t *m = search_members(STR("\"description\":null,\"metadata\":{\"a\":\"1\"}"));
    assert_string_equal(json_string_value(json_object_get(json_object_get(m, "metadata"), "a")),
                        "1");
    json_decref(m);
    m = search_members((struct str){NULL, 0});
    assert_int_equal(json_object_size(m), 0);
    json_decref(m);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(test_finds_by_the_exact_value),
        WITH_STORE(test_merchants_and_objects_are_apart),
        WITH_STORE(test_metadata_is_found_by_key_and_value),
        WITH_STORE(test_email_in_any_case_and_long_values),
        WITH_STORE(test_all_terms_have_to_fit),
        WITH_STORE(test_pages_in_both_directions),
        WITH_STORE(test_times_bound_what_is_looked_at),
        WITH_STORE(test_a_search_that_finds_nothing_ends),
        cmocka_unit_test(test_members_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

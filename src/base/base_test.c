#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/base.h"

static void arena_respects_its_cap(void **state)
{
    (void)state;
    struct arena *a = arena_new(100);
    assert_non_null(a);
    assert_non_null(arena_alloc(a, 60));
    assert_null(arena_alloc(a, 60));
    assert_string_equal(arena_copy(a, "hello", 5), "hello");
    arena_free(a);
}

static void buf_failure_sticks(void **state)
{
    (void)state;
    struct buf b = BUF(8);
    buf_str(&b, "12345");
    buf_i64(&b, -42);
    assert_false(b.failed);
    assert_string_equal(b.p, "12345-42");
    buf_byte(&b, 'x');
    assert_true(b.failed);
    buf_str(&b, "");
    assert_true(b.failed);
    buf_free(&b);
    b = BUF(100);
    buf_i64(&b, INT64_MIN);
    buf_printf(&b, "/%s", "x");
    assert_string_equal(b.p, "-9223372036854775808/x");
    buf_free(&b);
}

static void text_is_cut_and_trimmed(void **state)
{
    (void)state;
    struct str rest = STR(" a b ,,\tc\t");
    assert_true(str_eq(str_trim(str_cut(&rest, ',')), STR("a b")));
    assert_true(str_eq(str_cut(&rest, ','), STR("")));
    assert_true(rest.p != NULL);
    assert_true(str_eq(str_trim(str_cut(&rest, ',')), STR("c")));
    assert_true(rest.p == NULL && rest.n == 0); /* no more */
    assert_true(str_eq(str_cut(&rest, ','), STR("")));
    rest = STR("x:");
    assert_true(str_eq(str_cut(&rest, ':'), STR("x")));
    assert_true(rest.p != NULL && rest.n == 0); /* it was there, and nothing follows */
    assert_true(str_eq(str_trim(STR(" \t ")), STR("")));
}

static void integers_are_read_strictly(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "-", "+1", " 1", "1 ", "1.0", "9223372036854775808",
                                      "0x1", "１"};
    int64_t v = 7;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(str_to_i64(str_from(bad[i]), &v));
    assert_int_equal(v, 7);
    assert_true(str_to_i64(STR("-9223372036854775808"), &v) && v == INT64_MIN);
}

static void utf8_is_judged_by_rfc3629(void **state)
{
    (void)state;
    assert_true(str_is_utf8(STR("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")));
    assert_int_equal(str_codepoints(STR("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")), 4);
    static const char *const bad[] = {"\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80",
                                      "\xE2\x82", "\x80",         "\xF0\x80\x80\x80"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(str_is_utf8(str_from(bad[i])));
    assert_false(str_is_utf8((struct str){"a\0b", 3}));
}

static void ids_go_to_text_and_back(void **state)
{
    (void)state;
    uint8_t seed[32] = {1};
    struct det d = det_make(INT64_C(1645557742000) * 1000, seed);
    struct id id = id_new(&d), back;
    char text[ID_TEXT_MAX];
    assert_int_equal(id_time_ms(id), INT64_C(1645557742000));
    assert_int_equal(id_number(id), 0);
    for (unsigned n = 1; n < 1024; n += 341) {
        struct id att = id_derive(id, n);
        assert_int_equal(id_number(att), n);
        assert_true(id_eq(id_base(att), id));
        assert_true(id_parse(ID_ATTEMPT, str_from(id_text(ID_ATTEMPT, att, text)), &back));
        assert_true(id_eq(att, back));
        assert_false(id_parse(ID_PAYMENT, str_from(text), &back));
    }
    id_text(ID_PAYMENT, id, text);
    assert_int_equal(strlen(text), 30);
    text[10] = 'U'; /* not a Crockford digit */
    assert_false(id_parse(ID_PAYMENT, str_from(text), &back));
    assert_false(id_parse(ID_PAYMENT, STR("pay_8ZZZZZZZZZZZZZZZZZZZZZZZZZ"), &back));
    assert_true(id_parse(ID_PAYMENT, STR("pay_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), &back));
}

static void the_same_det_repeats(void **state)
{
    (void)state;
    uint8_t seed[32] = {9, 9};
    struct det a = det_make(5, seed), b = a;
    for (int i = 0; i < 100; i++) {
        struct id x = id_new(&a), y = id_new(&b);
        assert_true(id_eq(x, y));
    }
    for (int i = 0; i < 1000; i++)
        assert_true(det_below(&a, 3) < 3);
}

static void errors_name_their_fields(void **state)
{
    (void)state;
    struct err_info info = {0};
    assert_int_equal(error_param(&info, ERR_PARAM_INVALID, "metadata.a", "bad %d", 1),
                     ERR_PARAM_INVALID);
    assert_int_equal(error_param(&info, ERR_PARAM_MISSING, "amount", "missing"), ERR_PARAM_INVALID);
    assert_string_equal(info.param, "metadata.a");
    assert_string_equal(info.item[0].pointer, "#/metadata/a");
    assert_int_equal(info.items, 2);
    for (int i = 0; i < 20; i++)
        (void)error_param(&info, ERR_PARAM_INVALID, "x", "y");
    assert_int_equal(info.items, ERROR_ITEMS_MAX);
    assert_int_equal(error_def(9999)->status, 500);
}

static void an_array_grows(void **state)
{
    int *p = NULL;
    size_t cap = 0;
    (void)state;
    for (size_t n = 0; n < 20; n++) {
        int *q = mem_grow(p, &cap, n, sizeof *p, 3);
        assert_non_null(q);
        p = q;
        p[n] = (int)n;
    }
    assert_int_equal(cap, 24);
    for (int i = 0; i < 20; i++)
        assert_int_equal(p[i], i);
    assert_ptr_equal(mem_grow(p, &cap, 20, sizeof *p, 3), p);
    mem_free(p);
    cap = SIZE_MAX / 2;
    assert_null(mem_grow(NULL, &cap, cap, 16, 3)); /* more than there are bytes */
    assert_int_equal(cap, SIZE_MAX / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_grows),
        cmocka_unit_test(arena_respects_its_cap),
        cmocka_unit_test(buf_failure_sticks),
        cmocka_unit_test(text_is_cut_and_trimmed),
        cmocka_unit_test(integers_are_read_strictly),
        cmocka_unit_test(utf8_is_judged_by_rfc3629),
        cmocka_unit_test(ids_go_to_text_and_back),
        cmocka_unit_test(the_same_det_repeats),
        cmocka_unit_test(errors_name_their_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

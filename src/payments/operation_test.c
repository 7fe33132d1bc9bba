/* How operations leave a payment: all small sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "payments/operation.h"

enum { MOST = 5 };

static void each(void (*check)(struct payment *p))
{
    for (int64_t authorized = 1; authorized <= MOST; authorized++)
        for (int64_t captured = 0; captured <= authorized; captured++)
            for (int64_t released = 0; captured + released <= authorized; released++) {
                struct payment p = {.state = PAYMENT_PROCESSING,
                                    .amount = authorized,
                                    .authorized = authorized,
                                    .captured = captured,
                                    .released = released};
                check(&p);
            }
}

static void leave(struct payment *p)
{
    struct err_info info = {0};
    assert_int_equal(payment_move(p, operation_rest(p), &info), OK);
    assert_int_equal(payment_capturable(p), payment_held(p));
    assert_int_equal(p->state == PAYMENT_AUTHORIZED || p->state == PAYMENT_PARTIALLY_CAPTURED,
                     payment_held(p) > 0);
    assert_int_equal(p->state == PAYMENT_PARTIALLY_CAPTURED || p->state == PAYMENT_CAPTURED,
                     p->captured > 0);
}

static void state_follows_from_what_is_held_and_taken(void **state)
{
    (void)state;
    each(leave);
}

static void refund_all(struct payment *p)
{
    struct err_info info = {0};
    int64_t captured = p->captured;
    for (int64_t refunded = 0; refunded <= captured; refunded++) {
        struct payment q = *p;
        q.refunded = refunded;
        assert_int_equal(payment_move(&q, operation_rest(&q), &info), OK);
        assert_int_equal(operation_all_refunded(&q, &info), OK);
        bool over = captured > 0 && refunded == captured && payment_held(&q) == 0;
        assert_int_equal(q.state == PAYMENT_REFUNDED, over);
    }
}

static void refunded_once_nothing_is_held_and_all_went_back(void **state)
{
    (void)state;
    each(refund_all);
}

static void nothing_is_capturable_while_an_operation_is_under_way(void **state)
{
    (void)state;
    struct payment p = {.state = PAYMENT_PROCESSING, .authorized = 5, .captured = 2};
    assert_int_equal(payment_held(&p), 3);
    assert_int_equal(payment_capturable(&p), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_follows_from_what_is_held_and_taken),
        cmocka_unit_test(refunded_once_nothing_is_held_and_all_went_back),
        cmocka_unit_test(nothing_is_capturable_while_an_operation_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

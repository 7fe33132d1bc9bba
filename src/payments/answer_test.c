/* What could not be written whole, for want of memory, is no answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "payments/payment.h"

static struct flow_run fresh(void)
{
    return (struct flow_run){.answer = {.body = BUF(JSON_MAX)}};
}

/* Written in part, or not at all. */
static void each_half(void (*check)(struct flow_run *run, const struct buf *json))
{
    struct buf part = BUF(20), nothing = {.failed = true};
    buf_str(&part, "{\"id\":\"pay_1\",");
    buf_str(&part, "\"status\":\"captured\"}");
    assert_true(part.failed && part.n > 0);
    const struct buf *halves[] = {&part, &nothing};
    for (size_t i = 0; i < COUNT_OF(halves); i++) {
        struct flow_run run = fresh();
        check(&run, halves[i]);
        buf_free(&run.answer.body);
    }
    buf_free(&part);
}

static void refuse_event(struct flow_run *run, const struct buf *json)
{
    assert_int_equal(answer_event(run, json, 7), ERR_NO_MEMORY);
}

static void refuse_decline(struct flow_run *run, const struct buf *json)
{
    assert_int_equal(answer_decline(run, "payment", json, 1, "No."), ERR_NO_MEMORY);
}

static void half_an_object_is_no_answer(void **state)
{
    (void)state;
    each_half(refuse_event);
    each_half(refuse_decline);
}

static void half_an_answer_ends_no_flow(void **state)
{
    (void)state;
    struct flow_run run = fresh();
    run.answer.status = 200;
    run.answer.body.failed = true;
    assert_int_equal(flow_finish(NULL, &run), ERR_NO_MEMORY);
    assert_int_equal(flow_park_until(NULL, &run, 1, 5), ERR_NO_MEMORY);
    buf_free(&run.answer.body);
}

static void a_whole_object_is_the_answer(void **state)
{
    (void)state;
    struct flow_run run = fresh();
    struct buf json = BUF(JSON_MAX);
    buf_str(&json, "{\"id\":\"pay_1\"}");
    assert_int_equal(answer_event(&run, &json, 7), OK);
    assert_int_equal(run.answer.status, 200);
    assert_int_equal(run.answer.event_sequence, 7);
    assert_string_equal(run.answer.body.p, json.p);
    assert_int_equal(flow_finish(NULL, &run), OK);
    buf_free(&json);
    buf_free(&run.answer.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_an_object_is_no_answer),
        cmocka_unit_test(half_an_answer_ends_no_flow),
        cmocka_unit_test(a_whole_object_is_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

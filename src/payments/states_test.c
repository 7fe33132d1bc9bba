/* The tables themselves: all states x all steps, reachability, and the CHECKs of the schema. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "payments/states.h"
#include "store/store.h"

static const struct machine *const machines[] = {
    &payment_machine, &attempt_machine, &operation_machine, &refund_machine, &dispute_machine};

static const struct machine_edge *edge(const struct machine *m, int from, int step)
{
    const struct machine_edge *found = NULL;
    for (size_t i = 0; i < m->edges_n; i++)
        if (m->edges[i].from == from && m->edges[i].step == step) {
            assert_null(found); /* one answer for each pair */
            found = &m->edges[i];
        }
    return found;
}

static void every_pair_is_an_edge_or_refused(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(machines); k++) {
        const struct machine *m = machines[k];
        for (int from = 0; from < m->states_n; from++)
            for (int step = 0; step < m->steps_n; step++) {
                const struct machine_edge *e = edge(m, from, step);
                assert_int_equal(machine_next(m, from, step), e ? e->to : 0);
            }
    }
}

static void nothing_returns_to_not_existing(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(machines); k++)
        for (size_t i = 0; i < machines[k]->edges_n; i++)
            assert_int_not_equal(machines[k]->edges[i].to, 0);
}

static bool leaves(const struct machine *m, int from)
{
    for (size_t i = 0; i < m->edges_n; i++)
        if (m->edges[i].from == from && m->edges[i].to != from)
            return true;
    return false;
}

static void terminal_stays_terminal(void **state)
{
    (void)state;
    static const int payment_ends[] = {PAYMENT_CANCELED, PAYMENT_EXPIRED};
    static const int attempt_ends[] = {ATTEMPT_CAPTURED, ATTEMPT_DECLINED, ATTEMPT_FAILED,
                                       ATTEMPT_CANCELED};
    static const int refund_ends[] = {REFUND_FAILED, REFUND_CANCELED};
    for (size_t i = 0; i < COUNT_OF(payment_ends); i++)
        assert_false(leaves(&payment_machine, payment_ends[i]));
    for (size_t i = 0; i < COUNT_OF(attempt_ends); i++)
        assert_false(leaves(&attempt_machine, attempt_ends[i]));
    for (size_t i = 0; i < COUNT_OF(refund_ends); i++)
        assert_false(leaves(&refund_machine, refund_ends[i]));
    assert_false(leaves(&operation_machine, OPERATIONS_SUCCEEDED));
    assert_false(leaves(&operation_machine, OPERATIONS_FAILED));
}

/* What looks ended may go on in one way each. */
static void ends_are_left_in_one_way(void **state)
{
    (void)state;
    static const struct {
        const struct machine *m;
        int from, step, to;
    } ways[] = {
        {&payment_machine, PAYMENT_FAILED, PAYMENT_DO_RETRY, PAYMENT_PROCESSING},
        {&payment_machine, PAYMENT_REFUNDED, PAYMENT_DO_REFUND_BACK, PAYMENT_CAPTURED},
        {&refund_machine, REFUND_SUCCEEDED, REFUND_DO_FAIL, REFUND_FAILED},
        {&dispute_machine, DISPUTE_LOST, DISPUTE_DO_WIN, DISPUTE_WON},
        {&dispute_machine, DISPUTE_ACCEPTED, DISPUTE_DO_WIN, DISPUTE_WON},
    };
    for (size_t i = 0; i < COUNT_OF(ways); i++)
        for (int step = 0; step < ways[i].m->steps_n; step++) {
            int to = machine_next(ways[i].m, ways[i].from, step);
            if (step == ways[i].step)
                assert_int_equal(to, ways[i].to);
            else
                assert_true(to == 0 || to == ways[i].from);
        }
}

/* What moves money begins only where money is held or taken, and one at a time. */
static void operations_begin_where_money_is(void **state)
{
    (void)state;
    static const struct {
        int step, from[3];
    } starts[] = {
        {PAYMENT_DO_CAPTURE_START, {PAYMENT_AUTHORIZED, PAYMENT_PARTIALLY_CAPTURED}},
        {PAYMENT_DO_CANCEL_START,
         {PAYMENT_AUTHORIZED, PAYMENT_PARTIALLY_CAPTURED, PAYMENT_REQUIRES_ACTION}},
        {PAYMENT_DO_INCREMENT_START, {PAYMENT_AUTHORIZED}},
    };
    for (size_t i = 0; i < COUNT_OF(starts); i++)
        for (int from = 0; from < payment_machine.states_n; from++) {
            bool may = from && (from == starts[i].from[0] || from == starts[i].from[1] ||
                                from == starts[i].from[2]);
            assert_int_equal(machine_next(&payment_machine, from, starts[i].step),
                             may ? PAYMENT_PROCESSING : 0);
        }
    for (int from = 0; from < payment_machine.states_n; from++) {
        bool may = from == PAYMENT_PARTIALLY_CAPTURED || from == PAYMENT_CAPTURED;
        assert_int_equal(machine_next(&payment_machine, from, PAYMENT_DO_REFUND_START),
                         may ? from : 0);
    }
}

/* An unknown outcome must always be able to end. */
static void unknown_can_end_either_way(void **state)
{
    (void)state;
    assert_int_equal(machine_next(&attempt_machine, ATTEMPT_UNKNOWN, ATTEMPT_DO_TAKE),
                     ATTEMPT_CAPTURED);
    assert_int_equal(machine_next(&attempt_machine, ATTEMPT_UNKNOWN, ATTEMPT_DO_FAIL),
                     ATTEMPT_FAILED);
    assert_int_equal(machine_next(&operation_machine, OPERATIONS_UNKNOWN, OPERATIONS_DO_DO),
                     OPERATIONS_SUCCEEDED);
    assert_int_equal(machine_next(&operation_machine, OPERATIONS_UNKNOWN, OPERATIONS_DO_FAIL),
                     OPERATIONS_FAILED);
}

static void texts_go_both_ways(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(machines); k++)
        for (int s = 1; s < machines[k]->states_n; s++)
            assert_int_equal(machine_find(machines[k], str_from(machine_text(machines[k], s))), s);
    assert_int_equal(machine_find(&payment_machine, STR("none ")), 0);
    assert_int_equal(machine_find(&payment_machine, STR("")), 0);
}

/* The schema repeats how many states there are; the table above it must not grow without it. */
static void schema_checks_the_same_states(void **state)
{
    (void)state;
    static const struct {
        const char *table;
        const struct machine *m;
    } tables[] = {{"payment", &payment_machine},
                  {"attempt", &attempt_machine},
                  {"operation_new", &operation_machine},
                  {"refund", &refund_machine},
                  {"dispute", &dispute_machine}};
    for (size_t k = 0; k < COUNT_OF(tables); k++) {
        char create[64], check[64];
        const char *at = NULL;
        (void)snprintf(create, sizeof create, "CREATE TABLE %s (", tables[k].table);
        (void)snprintf(check, sizeof check, "CHECK (state BETWEEN 1 AND %d)",
                       tables[k].m->states_n - 1);
        for (size_t i = 0; i < sql_migrations_count; i++)
            if (!at && strcmp(sql_migrations[i].set, "florin") == 0)
                at = strstr(sql_migrations[i].text, create);
        assert_non_null(at);
        const char *end = strstr(at, "@WITHOUT_ROWID@"), *found = strstr(at, check);
        assert_true(found && end && found < end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_is_an_edge_or_refused),
        cmocka_unit_test(nothing_returns_to_not_existing),
        cmocka_unit_test(terminal_stays_terminal),
        cmocka_unit_test(ends_are_left_in_one_way),
        cmocka_unit_test(operations_begin_where_money_is),
        cmocka_unit_test(unknown_can_end_either_way),
        cmocka_unit_test(texts_go_both_ways),
        cmocka_unit_test(schema_checks_the_same_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

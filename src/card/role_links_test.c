/* The role card when an api or a vault does not do its part, what api asks of the vault, and the
 * end. */
#include "card/role_test_lib.h"

static void a_vault_that_cannot_is_told(void **state)
{
    (void)state;
    vault.err = ERR_UNAVAILABLE;
    type_card("", 503, "nothing was kept");
    vault.err = 0;
    vault.short_fingerprint = true;
    type_card("", 503, "nothing was kept");
    vault.short_fingerprint = false;
    vault.ends = true;
    type_card("", 503, "nothing was kept");
    type_card("", 503, "nothing was kept"); /* it is not there */
    assert_int_equal(api.saved, 0);
    vault.ends = false;
    link_close(vault.link);
    join(LINK_VAULT);
    type_card("", 201, "pm_1");
    wait_idle();
}

static void an_api_that_ends_in_the_middle_is_told(void **state)
{
    (void)state;
    api.ends = true;
    type_card("", 503, "nothing was kept");
    type_card("", 503, "nothing was kept");
    assert_int_equal(vault.seals, 0);
    api.ends = false;
    link_close(api.link);
    join(LINK_API);
    api.status = 409; /* and its word on the card goes to the browser as it is */
    type_card("", 409, "pm_1");
    api.status = 99;
    type_card("", 503, "cannot be taken now");
    api.status = 201;
    api.short_answer = true;
    type_card("", 503, "cannot be taken now");
    wait_idle();
}

static void alone_it_takes_nothing(void **state)
{
    (void)state;
    type_card("", 503, "nothing was kept");
    struct ask a;
    begin(&a, "/reports", "x", "{}");
    assert_answer(&a, 204, "");
    join(LINK_VAULT);
    type_card("", 503, "nothing was kept");
    join(LINK_API);
    type_card("", 201, "pm_1");
}

/* What its peer sends and may not is told once, for the parent to replace that peer. */
static void a_peer_that_sends_what_it_may_not_is_told_once(void **state)
{
    static const enum link_role peers[] = {LINK_API, LINK_VAULT};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        bool of_api = peers[i] == LINK_API;
        assert_int_equal(card_refused(role), 0);
        struct link *l = of_api ? api.link : vault.link;
        char bytes[16];
        struct buf junk = BUF_ON(bytes);
        link_put_int(&junk, 7);
        assert_true(link_send(l, of_api ? LINK_FORGET : LINK_VAULT_DONE, of_api ? 5 : 0,
                              buf_view(&junk), -1));
        int told = 0;
        for (int tries = 0; tries < 5000 && !(told = card_refused(role)); tries++)
            sys_pause_us(1000);
        assert_int_equal(told, peers[i]);
        assert_int_equal(card_refused(role), 0);
        link_close(l);
        join(peers[i]);
        assert_int_equal(card_refused(role), 0);
    }
    type_card("", 201, "pm_1");
    wait_idle();
}

/* --- a link that is missing --- */

static void it_is_alone_when_a_link_is_lost_for_long(void **state)
{
    static const enum link_role peers[] = {LINK_API, LINK_VAULT};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        enum link_role peer = peers[i];
        assert_int_equal(card_link(role, peer, -1), OK);
        assert_false(card_alone(role, 100 * SECOND_US));
        assert_false(card_alone(role, 110 * SECOND_US));
        assert_true(card_alone(role, 110 * SECOND_US + 1));
        link_close(peer == LINK_API ? api.link : vault.link);
        join(peer);
        assert_false(card_alone(role, 200 * SECOND_US)); /* and counts from its next loss */
        assert_int_equal(card_link(role, peer, -1), OK);
        assert_false(card_alone(role, 300 * SECOND_US));
        link_close(peer == LINK_API ? api.link : vault.link);
        join(peer);
        assert_false(card_alone(role, 400 * SECOND_US));
    }
}

static void a_link_that_came_and_went_between_two_looks_was_there(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) { /* lost at once again; or the other one is lost */
        enum link_role peer = again ? LINK_API : LINK_VAULT;
        int64_t start_us = again ? 300 * SECOND_US : 100 * SECOND_US;
        assert_int_equal(card_link(role, LINK_VAULT, -1), OK);
        assert_false(card_alone(role, start_us));
        link_close(vault.link);
        join(LINK_VAULT);
        assert_int_equal(card_link(role, peer, -1), OK);
        assert_false(card_alone(role, start_us + 11 * SECOND_US));
        assert_true(card_alone(role, start_us + 22 * SECOND_US));
        link_close(peer == LINK_API ? api.link : vault.link);
        join(peer);
        assert_false(card_alone(role, start_us + 33 * SECOND_US));
    }
}

static void who_was_never_there_is_not_missed(void **state)
{
    (void)state;
    assert_false(card_alone(role, 100 * SECOND_US));
    assert_false(card_alone(role, 200 * SECOND_US));
    join(LINK_VAULT); /* and no api yet */
    assert_false(card_alone(role, 300 * SECOND_US));
    assert_false(card_alone(role, 400 * SECOND_US));
}

/* GONE: the parent says that api has died. */
static void what_a_dead_api_asked_for_is_over(void **state)
{
    struct err_info info = {0};
    struct ask a;
    (void)state;
    api.silent = true;
    begin(&a, "/v1/cards", "Bearer ct_test_abcdef", CARD "}");
    wait_for(&api.checks, 1);
    assert_int_equal(card_api_gone(role, &info), OK);
    assert_answer(&a, 503, "nothing was kept");
    assert_false(card_alone(role, 100 * SECOND_US));
    assert_true(card_alone(role, 111 * SECOND_US));
    api.silent = false;
    link_close(api.link);
    join(LINK_API);
    assert_false(card_alone(role, 112 * SECOND_US));
    type_card("", 201, "pm_1");
    assert_int_equal(card_api_gone(role, &info), OK); /* before the next one, and again */
    assert_int_equal(card_api_gone(role, &info), OK);
    link_close(api.link);
    join(LINK_API);
    type_card("", 201, "pm_1");
    wait_idle();
}

/* --- what api asks of the vault --- */
struct told {
    int done;
    int64_t err;
};

static void on_told(const struct link_frame *f, void *arg)
{
    struct told *t = arg;
    struct link_reader r = {.rest = f ? f->payload : (struct str){NULL, 0}};
    t->err = f ? link_take_int(&r) : -1;
    if (f && !link_taken(&r))
        t->err = -2;
    __atomic_store_n(&t->done, 1, __ATOMIC_SEQ_CST);
}

static int64_t ask(enum link_message message, int64_t merchant, bool dated, int64_t month)
{
    struct told t = {0};
    struct buf b = BUF(LINK_SMALL);
    link_put_int(&b, merchant);
    link_put_id(&b, card_id);
    if (dated) {
        link_put_int(&b, month);
        link_put_int(&b, 2060);
    }
    assert_int_equal(link_ask(api.link, message, buf_view(&b), on_told, &t), OK);
    buf_free(&b);
    wait_for(&t.done, 1);
    return t.err;
}

static void cards_are_forgotten_kept_and_dated(void **state)
{
    static const enum link_message asked[] = {LINK_FORGET, LINK_KEEP, LINK_EXPIRY},
                                   passed[] = {LINK_VAULT_FORGET, LINK_VAULT_KEEP,
                                               LINK_VAULT_EXPIRY};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        vault.err = i ? ERR_NOT_FOUND : 0;
        assert_int_equal(ask(asked[i], 2, asked[i] == LINK_EXPIRY, 3), vault.err);
        assert_int_equal(vault.last, passed[i]);
        assert_int_equal(vault.merchant, 2);
    }
    int heard = vault.others;
    for (int i = 0; i < 4; i++) { /* no message: the link ends */
        assert_int_equal(ask(i < 2 ? LINK_EXPIRY : LINK_KEEP, i == 3 ? 0 : 2, i == 0 || i == 2, 13),
                         -1);
        link_close(api.link);
        join(LINK_API);
    }
    assert_int_equal(vault.others, heard);
    assert_int_equal(card_link(role, LINK_VAULT, -1), OK);
    assert_int_equal(ask(LINK_KEEP, 2, false, 0), ERR_UNAVAILABLE);
}

static void who_waits_when_it_stops_is_answered(void **state)
{
    (void)state;
    struct ask a, b;
    api.silent = true;
    begin(&a, "/v1/cards", "Bearer ct_test_abcdef", CARD "}");
    wait_for(&api.checks, 1);
    assert_false(card_idle(role));
    card_quiesce(role);
    api.silent = false;
    vault.silent = true;
    api_says_who(api.call);
    wait_for(&vault.seals, 1);
    card_stop(role);
    role = NULL;
    assert_answer(&a, 503, "");
    begin(&b, "/v1/cards", "Bearer ct_test_abcdef", CARD "}");
    wait_for(&b.done, 1);
    assert_int_equal(b.status, -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, role_test_set_up, role_test_tear_down)
        T(a_vault_that_cannot_is_told),
        T(an_api_that_ends_in_the_middle_is_told),
        T(it_is_alone_when_a_link_is_lost_for_long),
        T(a_link_that_came_and_went_between_two_looks_was_there),
        T(what_a_dead_api_asked_for_is_over),
        T(cards_are_forgotten_kept_and_dated),
        T(who_waits_when_it_stops_is_answered),
        T(a_peer_that_sends_what_it_may_not_is_told_once),
        cmocka_unit_test_setup_teardown(alone_it_takes_nothing, role_test_set_up_alone,
                                        role_test_tear_down),
        cmocka_unit_test_setup_teardown(who_was_never_there_is_not_missed, role_test_set_up_alone,
                                        role_test_tear_down),
        cmocka_unit_test(the_log_has_no_card),
    };
    role_test_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

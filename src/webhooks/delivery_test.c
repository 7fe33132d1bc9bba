/* Deliveries with everything real: the store, the worker, HTTP to a local server. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sodium.h>

#include "webhooks/delivery_test_lib.h"

/* The receiver's side, with libsodium directly: what a merchant's library does. */
static void assert_signed(int hook, const struct hook_call *c)
{
    unsigned char key[64], mac[32], given[32];
    char message[5000];
    size_t n;
    const char *secret = endpoint_secret_text(hook);
    assert_memory_equal(secret, "whsec_", 6);
    assert_int_equal(sodium_base642bin(key, sizeof key, secret + 6, strlen(secret + 6), NULL, &n,
                                       NULL, sodium_base64_VARIANT_ORIGINAL),
                     0);
    assert_true(n >= 24 && n <= 32);
    int len = snprintf(message, sizeof message, "%s.%s.%s", c->id, c->timestamp, c->body);
    assert_true(len > 0 && (size_t)len < sizeof message);
    crypto_auth_hmacsha256_state st;
    crypto_auth_hmacsha256_init(&st, key, n);
    crypto_auth_hmacsha256_update(&st, (unsigned char *)message, (unsigned long long)len);
    crypto_auth_hmacsha256_final(&st, mac);
    assert_memory_equal(c->signature, "v1,", 3);
    assert_int_equal(sodium_base642bin(given, sizeof given, c->signature + 3,
                                       strlen(c->signature + 3), NULL, &n, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    assert_int_equal(n, 32);
    assert_memory_equal(mac, given, 32);
    long long age = (long long)(sys_now_us() / 1000000) - strtoll(c->timestamp, NULL, 10);
    assert_true(age >= 0 && age < 60);
}

static void test_event_arrives_signed(void **state)
{
    (void)state;
    world_start(&(struct world_config){.parallel = 8});
    struct id we = endpoint_make(0, NULL);
    append(2, EVENT_PAYMENT_CAPTURED, "{\"amount\":9232,\"metadata\":{\"order_id\":\"ORD-1001\"}}");
    hook_wait(0, 1);
    const struct hook_call *c = &hooks[0].call[0];
    assert_signed(0, c);
    assert_string_equal(c->content_type, "application/json");
    assert_memory_equal(c->user_agent, "Florin/", 7);
    json_t *body = json_loads(c->body, 0, NULL);
    assert_string_equal(text(body, "id"), c->id);
    assert_string_equal(text(body, "type"), "payment.captured");
    assert_string_equal(text(body, "mode"), "test");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(body, "data"), "amount")),
                     9232);
    json_t *list = deliveries_wait(we, 1, "succeeded");
    assert_string_equal(text(json_array_get(list, 0), "event"), c->id);
    assert_true(json_is_null(json_object_get(json_array_get(list, 0), "next_attempt")));
    json_t *attempt = attempt_of(list, 0, 0);
    assert_int_equal(json_integer_value(json_object_get(attempt, "status")), 200);
    assert_true(json_is_null(json_object_get(attempt, "error")));
    /* the answer is kept, card numbers in it are not */
    assert_non_null(strstr(text(attempt, "response"), "thanks"));
    assert_null(strstr(text(attempt, "response"), "4242424242424242"));
    wait_jobs_left(0);
    assert_ledger_verifies();
    json_decref(list);
    json_decref(body);
}

static void test_only_enabled_events_from_now_on(void **state)
{
    (void)state;
    append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":0}");
    world_start(&(struct world_config){.parallel = 8});
    struct id we = endpoint_make(0, "[\"payment.captured\",\"refund.failed\"]");
    append(2, EVENT_PAYMENT_AUTHORIZED, "{\"n\":1}");
    append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":2}");
    append(4, EVENT_PAYMENT_CAPTURED, "{\"n\":3}"); /* another merchant's */
    append(2, EVENT_PAYMENT_FAILED, "{\"n\":4}");
    append(2, EVENT_REFUND_FAILED, "{\"n\":5}");
    hook_wait(0, 2);
    json_t *list = deliveries_wait(we, 2, "succeeded");
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(hook_calls(0), 2);
    int seen = 0;
    for (int i = 0; i < 2; i++)
        seen += strstr(hooks[0].call[i].body, "{\"n\":2}")   ? 2
                : strstr(hooks[0].call[i].body, "{\"n\":5}") ? 5
                                                             : 100;
    assert_int_equal(seen, 7);
    json_decref(list);
}

static void test_retry_keeps_id_and_bytes(void **state)
{
    (void)state;
    hook_plan(0, 3, 500, 302, 204);
    hooks[0].location = "/hook/1";
    hook_plan(1, 1, 200);
    world_start(&(struct world_config){.schedule = "0,0,0,0"});
    struct id we = endpoint_make(0, NULL);
    append(2, EVENT_PAYMENT_CAPTURED, "{\"amount\":1}");
    hook_wait(0, 3);
    json_t *list = deliveries_wait(we, 1, "succeeded");
    for (int i = 0; i < 3; i++) {
        assert_string_equal(hooks[0].call[i].id, hooks[0].call[0].id);
        assert_string_equal(hooks[0].call[i].body, hooks[0].call[0].body);
        assert_signed(0, &hooks[0].call[i]);
    }
    static const int status[] = {500, 302, 204};
    for (size_t i = 0; i < 3; i++) {
        json_t *a = attempt_of(list, 0, i);
        assert_int_equal(json_integer_value(json_object_get(a, "number")), i + 1);
        assert_int_equal(json_integer_value(json_object_get(a, "status")), status[i]);
    }
    assert_string_equal(text(attempt_of(list, 0, 0), "error"), "HTTP status 500");
    assert_int_equal(hook_calls(1), 0); /* the redirect was not followed */
    json_decref(list);
}

static void test_schedule_ends(void **state)
{
    (void)state;
    hook_plan(0, 1, 500);
    world_start(&(struct world_config){.schedule = "0,0,0"});
    struct id we = endpoint_make(0, NULL);
    append(2, EVENT_PAYMENT_CAPTURED, "{\"amount\":1}");
    json_t *list = deliveries_wait(we, 1, "failed");
    assert_int_equal(json_array_size(json_object_get(json_array_get(list, 0), "attempts")), 3);
    wait_jobs_left(0);
    assert_int_equal(hook_calls(0), 3);
    json_decref(list);
}

static void test_next_attempt_follows_the_schedule(void **state)
{
    (void)state;
    hook_plan(0, 1, 500);
    world_start(&(struct world_config){.schedule = "0,1000"});
    struct id we = endpoint_make(0, NULL);
    int64_t before = sys_now_us(), next;
    append(2, EVENT_PAYMENT_CAPTURED, "{\"amount\":1}");
    hook_wait(0, 1);
    json_t *list;
    for (;;) { /* until the attempt is written */
        list = deliveries_wait(we, 1, "pending");
        if (attempt_of(list, 0, 0))
            break;
        json_decref(list);
    }
    assert_true(time_parse(str_from(text(json_array_get(list, 0), "next_attempt")), &next));
    assert_true(next >= before + 800 * INT64_C(1000000));
    assert_true(next <= sys_now_us() + 1200 * INT64_C(1000000));
    assert_int_equal(jobs_left(), 1);
    json_decref(list);
}

static void test_gone_disables(void **state)
{
    (void)state;
    hook_plan(0, 3, 500, 500, 410);
    world_start(&(struct world_config){.schedule = "0,1000"});
    struct id we = endpoint_make(0, NULL);
    endpoint_make(1, "[\"webhook_endpoint.disabled\"]");
    append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":1}");
    append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":2}");
    hook_wait(0, 2);
    append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":3}");
    hook_wait(1, 1); /* the others are told */
    assert_non_null(strstr(hooks[1].call[0].body, "\"type\":\"webhook_endpoint.disabled\""));
    assert_non_null(strstr(hooks[1].call[0].body, "\"status\":\"disabled\""));
    append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":4}");
    wait_jobs_left(0);
    assert_int_equal(hook_calls(0), 3);
    json_t *list = deliveries(we);
    assert_int_equal(json_array_size(list), 3);
    assert_string_equal(text(json_array_get(list, 0), "status"), "failed"); /* the newest */
    assert_string_equal(text(json_array_get(list, 1), "status"), "dropped");
    assert_string_equal(text(json_array_get(list, 2), "status"), "dropped");
    assert_ledger_verifies();
    json_decref(list);
}

static void test_disabled_gets_nothing(void **state)
{
    (void)state;
    world_start(&(struct world_config){.parallel = 8});
    struct id we = endpoint_make(0, "[\"payment.captured\"]");
    endpoint_make(1, "[\"payment.captured\"]");
    endpoint_status(we, false);
    append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":1}");
    hook_wait(1, 1);
    endpoint_status(we, true);
    append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":2}");
    hook_wait(1, 2);
    hook_wait(0, 1);
    wait_jobs_left(0);
    assert_int_equal(hook_calls(0), 1); /* what happened meanwhile is not sent */
    assert_non_null(strstr(hooks[0].call[0].body, "{\"n\":2}"));
}

static void test_disabled_while_sending(void **state)
{
    (void)state;
    hook_plan(0, 1, HANG);
    world_start(&(struct world_config){.schedule = "0,0,0,0,0"});
    struct id we = endpoint_make(0, NULL);
    append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":1}");
    hook_wait(0, 1);
    endpoint_status(we, false);
    hook_release(500);
    wait_jobs_left(0); /* not tried again */
    json_t *list = deliveries_wait(we, 1, "dropped");
    assert_int_equal(hook_calls(0), 1);
    json_decref(list);
}

static void test_dead_endpoint_does_not_starve_another(void **state)
{
    (void)state;
    enum { N = 60 };
    hook_plan(0, 1, HANG);
    world_start(&(struct world_config){.parallel = 8, .timeout_ms = 15000});
    endpoint_make(0, NULL);
    struct id good = endpoint_make(1, NULL);
    for (int i = 0; i < N; i++)
        append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":1}");
    hook_wait(1, N); /* long before the first time-out of the other */
    json_t *list = deliveries_wait(good, N, "succeeded");
    assert_int_equal(hook_calls(0), 2); /* a quarter of the places */
    json_decref(list);
}

static void test_delivered_after_a_crash_before_sending(void **state)
{
    (void)state;
    struct id we = endpoint_make(0, NULL);
    for (int i = 0; i < 3; i++)
        append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":1}");
    /* a worker that dies between the fan-out's commit and the first byte */
    struct webhooks dead = {.config = {.store = world_store(), .parallel = 8, .lease_us = 30000000},
                            .lane_max = 2,
                            .lanes_n = 16};
    bool more;
    dead.lanes = mem_alloc(dead.lanes_n * sizeof *dead.lanes);
    assert_int_equal(schedule_read(&dead.schedule, STR("0,0"), NULL), OK);
    assert_int_equal(fanout_run(&dead, &more), OK);
    assert_int_equal(dead.in_flight, 2);
    while (dead.taken) {
        struct attempt *a = dead.taken;
        dead.taken = a->next;
        attempt_free(a);
    }
    mem_free(dead.lanes);
    assert_int_equal(jobs_left(), 3);
    world_crash();
    world_start(&(struct world_config){.parallel = 8});
    json_t *list = deliveries_wait(we, 3, "succeeded");
    assert_int_equal(hook_calls(0), 3);
    json_decref(list);
    assert_ledger_verifies();
}

static void test_sent_again_after_a_stop_while_sending(void **state)
{
    (void)state;
    hook_plan(0, 2, HANG, 200);
    world_start(&(struct world_config){.parallel = 8});
    struct id we = endpoint_make(0, NULL);
    append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":1}");
    hook_wait(0, 1);
    world_stop(0); /* the answer never comes */
    world_crash();
    world_start(&(struct world_config){.parallel = 8});
    json_t *list = deliveries_wait(we, 1, "succeeded");
    assert_int_equal(hook_calls(0), 2);
    assert_string_equal(hooks[0].call[0].id, hooks[0].call[1].id);
    assert_string_equal(hooks[0].call[0].body, hooks[0].call[1].body);
    json_decref(list);
}

static err_t run_steal(struct store_tx *tx, void *arg)
{
    (void)arg;
    return job_free_all(tx, sys_now_us() + 3600 * INT64_C(1000000));
}

static err_t run_give(struct store_tx *tx, void *arg)
{
    struct job *job = arg;
    bool found;
    err_t err = job_take(tx, 2, job->id, sys_now_us(), 1000, job, &found);
    if (!err)
        assert_true(found);
    job->due_us = sys_now_us();
    return err ? err : job_defer(tx, job);
}

/* The lease went to somebody else while we were sending: our result must not be written. */
static void test_lost_lease_writes_nothing(void **state)
{
    (void)state;
    hook_plan(0, 2, HANG, 200);
    world_start(&(struct world_config){.schedule = "0,0,0,0"});
    struct id we = endpoint_make(0, NULL);
    int64_t sequence = append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":1}");
    hook_wait(0, 1);
    assert_int_equal(store_write(world_store(), 0, run_steal, NULL), OK);
    hook_release(500);
    world_stop(5000); /* the result has been looked at */
    json_t *list = deliveries(we);
    assert_string_equal(text(json_array_get(list, 0), "status"), "pending");
    assert_null(attempt_of(list, 0, 0));
    json_decref(list);
    struct job job = {.id = delivery_id(we, sequence)};
    assert_int_equal(store_write(world_store(), 0, run_give, &job), OK);
    world_start(&(struct world_config){.schedule = "0,0,0,0"});
    list = deliveries_wait(we, 1, "succeeded");
    assert_non_null(attempt_of(list, 0, 0));
    assert_null(attempt_of(list, 0, 1));
    json_decref(list);
}

static void test_private_addresses_are_refused(void **state)
{
    (void)state;
    world_start(&(struct world_config){.schedule = "0,0", .public_only = true});
    struct id we = endpoint_make(0, NULL);
    append(2, EVENT_PAYMENT_CAPTURED, "{\"n\":1}");
    json_t *list = deliveries_wait(we, 1, "failed");
    assert_int_equal(hook_calls(0), 0);
    assert_true(json_is_null(json_object_get(attempt_of(list, 0, 0), "status")));
    assert_true(strlen(text(attempt_of(list, 0, 0), "error")) > 0);
    json_decref(list);
}

static void test_many_events_all_arrive_once(void **state)
{
    (void)state;
    enum { N = 350 };
    static bool seen[N];
    struct id we = endpoint_make(0, NULL);
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < N; i++) { /* more than one chunk, before the worker starts */
        char data[40];
        snprintf(data, sizeof data, "{\"n\":%d}", i);
        append(2, EVENT_PAYMENT_CAPTURED, data);
    }
    world_start(&(struct world_config){.parallel = 32});
    hook_wait(0, N);
    wait_jobs_left(0);
    assert_int_equal(hook_calls(0), N);
    for (int i = 0; i < N; i++) {
        const char *at = strstr(hooks[0].call[i].body, "{\"n\":");
        int n = (int)strtol(at + 5, NULL, 10);
        assert_true(n >= 0 && n < N && !seen[n]);
        seen[n] = true;
    }
    json_decref(deliveries_wait(we, 100, "succeeded"));
    assert_ledger_verifies();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_event_arrives_signed),
        TEST(test_only_enabled_events_from_now_on),
        TEST(test_retry_keeps_id_and_bytes),
        TEST(test_schedule_ends),
        TEST(test_next_attempt_follows_the_schedule),
        TEST(test_gone_disables),
        TEST(test_disabled_gets_nothing),
        TEST(test_disabled_while_sending),
        TEST(test_dead_endpoint_does_not_starve_another),
        TEST(test_delivered_after_a_crash_before_sending),
        TEST(test_sent_again_after_a_stop_while_sending),
        TEST(test_lost_lease_writes_nothing),
        TEST(test_private_addresses_are_refused),
        TEST(test_many_events_all_arrive_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

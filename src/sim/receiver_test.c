/* Receivers: signatures by the standard's own vector, what they remember, how endpoints are made
 * and switched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim/sim_internal.h"

#define T0 INT64_C(1764000000000000)

/* --- in place of the world --- */
static struct {
    int64_t now_us;
    struct {
        int64_t at_us;
        void (*fn)(void *arg);
        void *arg;
    } event[64];
    size_t n;
    int violations;
    struct ask ask; /* the last one */
    char body[1024];
    int asks;
    void (*settled)(const struct ask *a, void *arg);
    void *arg;
    int inside; /* regions entered and not left */
} stage;

struct heap *heap_enter(struct heap *h)
{
    static char mark;
    stage.inside += h ? -1 : 1;
    return (struct heap *)(void *)&mark;
}

int64_t sim_now_us(void)
{
    return stage.now_us;
}

void sim_at(int64_t at_us, void (*fn)(void *arg), void *arg)
{
    assert_true(stage.n < COUNT_OF(stage.event));
    stage.event[stage.n].at_us = at_us;
    stage.event[stage.n].fn = fn;
    stage.event[stage.n++].arg = arg;
}

void sim_violation(const char *invariant, const char *fmt, ...)
{
    (void)invariant, (void)fmt;
    stage.violations++;
}

size_t clients_add(struct clients *c, const struct ask *proto,
                   void (*settled)(const struct ask *a, void *arg), void *arg)
{
    assert_ptr_equal(c, &stage);
    stage.ask = *proto;
    (void)snprintf(stage.body, sizeof stage.body, "%s", proto->body.p);
    stage.settled = settled;
    stage.arg = arg;
    return (size_t)stage.asks++;
}

/* Runs the next event; false: there is none. */
static bool next_event(void)
{
    size_t first = 0;
    if (stage.n == 0)
        return false;
    for (size_t i = 1; i < stage.n; i++)
        if (stage.event[i].at_us < stage.event[first].at_us)
            first = i;
    void (*fn)(void *arg) = stage.event[first].fn;
    void *arg = stage.event[first].arg;
    stage.now_us = num_max(stage.now_us, stage.event[first].at_us);
    stage.n--;
    memmove(&stage.event[first], &stage.event[first + 1],
            (stage.n - first) * sizeof stage.event[0]);
    fn(arg);
    return true;
}

static struct det seeded(uint8_t seed)
{
    uint8_t bytes[32];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(seed * 37 + i * 101 + 1);
    return det_make(T0, bytes);
}

static int set_up(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof stage);
    stage.now_us = T0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return stage.inside;
}

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ENDPOINT "{\"id\":\"we_01\",\"secret\":\"" SECRET "\"}"
#define EVENT "evt_01KAVPTQQVE008000G0000000"

static const struct receiver *first_receiver(struct receivers *r)
{
    size_t n;
    const struct receiver *list = receivers_list(r, &n);
    assert_in_range(n, 1, 3);
    return list;
}

static struct receivers *start(const struct receiver_profile *profile, uint8_t seed)
{
    static const struct merchant merchants[] = {{.number = 7, .key = "sk", .provider_key = "prov"}};
    struct det rng = seeded(seed);
    return receivers_start(profile, (struct clients *)(void *)&stage, merchants, 1,
                           T0 + INT64_C(600000000), &rng);
}

/* Florin's answer to the last ask. */
static void settle(const char *body)
{
    struct ask a = stage.ask;
    void (*settled)(const struct ask *a, void *arg) = stage.settled;
    a.first = (struct told){.at_us = stage.now_us, .status = 200, .body = BUF(1000)};
    buf_str(&a.first.body, body);
    stage.settled = NULL;
    assert_non_null(settled);
    settled(&a, stage.arg);
    buf_free(&a.first.body);
}

static int deliver(struct receivers *r, const char *url, const char *id, const char *signature,
                   const char *body)
{
    char lines[3][160];
    const char *headers[] = {"content-type: application/json", lines[0], lines[1], lines[2], NULL};
    const char *at = strncmp(id, "msg_", 4) == 0 ? "1614265330" : "1764000000";
    int64_t wait_us;
    int retry_after_s;
    (void)snprintf(lines[0], sizeof lines[0], "webhook-id: %s", id);
    (void)snprintf(lines[1], sizeof lines[1], "webhook-timestamp: %s", at);
    (void)snprintf(lines[2], sizeof lines[2], "webhook-signature: %s", signature);
    return receiver_request(r, stage.now_us, url, headers, str_from(body), &wait_us,
                            &retry_after_s);
}

/* Lets endpoints be made until the first of the list is. */
static const struct receiver *made(struct receivers *r)
{
    const struct receiver *v = first_receiver(r);
    while (v->made_us == 0) {
        assert_true(next_event());
        if (stage.settled)
            settle(ENDPOINT);
    }
    assert_string_equal(v->id, "we_01");
    return v;
}

static void signatures_are_those_of_the_standard(void **state)
{
    const struct receiver_profile kind = {0};
    struct receivers *r = start(&kind, 1);
    const struct receiver *v = made(r);
    const char *id = "msg_p5jXN8AQM9LWM0D4loKWxJek", *body = "{\"test\": 2432232314}";
    const char *good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    (void)state;
    /* Standard Webhooks' own vector: well signed, but no event of Florin's. */
    assert_int_equal(deliver(r, v->url, id, good, body), 400);
    assert_int_equal(
        deliver(r, v->url, id, "v1a,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", body),
        400);
    assert_int_equal(deliver(r, v->url, id, good, "{\"test\": 2432232315}"), 401);
    assert_int_equal(deliver(r, v->url, "msg_p5jXN8AQM9LWM0D4loKWxJel", good, body), 401);
    assert_int_equal(deliver(r, v->url, id, "v1,AAAA", body), 401);
    assert_int_equal(deliver(r, v->url, id, "", body), 401);
    assert_int_equal(v->forged, 6);
    assert_int_equal(v->received_n, 0);
    assert_int_equal(deliver(r, "http://receiver-77.test/hook", id, good, body), 404);
    receivers_free(r);
}

static void deliveries_are_remembered(void **state)
{
    const struct receiver_profile kind = {0};
    const char *one = "v1,pL57WVee5ypEYQEQ7zmaDdu3a+zwN58huuOGXGI03hk=";
    const char *other = "v1,YuDL+fZEbVqUIhOXFIkUPJinGDLo6nqekGJKlzhAk14=";
    const char *failed = "v1,G4aEy68hjl2UCMb8w1Kd7MD+NqDhIimzhLlaGvSp1eI=";
    struct receivers *r = start(&kind, 1);
    const struct receiver *v = first_receiver(r);
    (void)state;
    assert_int_equal(deliver(r, v->url, EVENT "1", one, "{}"), 503); /* nobody knows the secret */
    v = made(r);
    assert_in_range(
        deliver(r, v->url, EVENT "2", failed, "{\"id\":\"" EVENT "2\",\"type\":\"refund.failed\"}"),
        200, 204);
    assert_int_equal(stage.violations, v->all_events ? 0 : 1);
    for (int i = 0; i < 3; i++)
        assert_in_range(deliver(r, v->url, EVENT "1", one,
                                "{\"id\":\"" EVENT "1\",\"type\":\"payment.captured\"}"),
                        200, 204);
    assert_int_equal(v->received_n, 2);
    assert_string_equal(v->received[0].event, EVENT "1");
    assert_int_equal(v->received[0].times, 3);
    assert_false(v->received[0].differed);
    assert_in_range(deliver(r, v->url, EVENT "1", other,
                            "{\"id\":\"" EVENT "1\",\"type\":\"payment.captured\",\"n\":2}"),
                    200, 204);
    assert_true(v->received[0].differed && v->received_n == 2);
    assert_int_equal(v->received[1].times, 1);
    assert_int_equal(v->forged, 0);
    receivers_free(r);
}

static void receivers_can_be_bad(void **state)
{
    const struct receiver_profile bad = {.fail = 500, .silent = 300, .gone = 1000, .slow_ms = 100};
    const char *one = "v1,pL57WVee5ypEYQEQ7zmaDdu3a+zwN58huuOGXGI03hk=";
    int silent = 0, failed = 0, good = 0;
    struct receivers *r = start(&bad, 3);
    const struct receiver *v = made(r);
    (void)state;
    assert_true(receiver_refuses(r, v->url));
    for (int i = 0; i < 300; i++) {
        int status = deliver(r, v->url, EVENT "1", one,
                             "{\"id\":\"" EVENT "1\",\"type\":\"payment.captured\"}");
        silent += status == 0;
        failed += status >= 300;
        good += status >= 200 && status < 300;
    }
    assert_true(silent > 20 && failed > 20 && good > 20);
    assert_int_equal(v->received[0].times, good);
    receivers_heal(r);
    assert_false(receiver_refuses(r, v->url));
    assert_in_range(
        deliver(r, v->url, EVENT "1", one, "{\"id\":\"" EVENT "1\",\"type\":\"payment.captured\"}"),
        200, 204);
    receivers_free(r);
}

/* Off and on in turn, never two at once, and on at the end. */
static void endpoints_are_switched(void **state)
{
    const struct receiver_profile kind = {0};
    int off = 0, on = 0;
    (void)state;
    for (uint8_t seed = 1; seed < 30; seed++) {
        bool is_off[3] = {false};
        stage.now_us = T0;
        struct receivers *r = start(&kind, seed);
        for (int i = 0; i < 200 && next_event(); i++) {
            if (!stage.settled)
                continue;
            size_t number = (size_t)(stage.ask.key[9] - '0');
            assert_int_equal(stage.ask.kind, ASK_ENDPOINT);
            if (strstr(stage.ask.path, "able")) {
                bool turns_off = strcmp(stage.ask.path, "/v1/webhook_endpoints/we_01/disable") == 0;
                assert_true(is_off[number] != turns_off);
                assert_true(turns_off ||
                            strcmp(stage.ask.path, "/v1/webhook_endpoints/we_01/enable") == 0);
                is_off[number] = turns_off;
                off += turns_off;
                on += !turns_off;
                assert_true(first_receiver(r)[number].disabled);
            } else {
                assert_string_equal(stage.ask.path, "/v1/webhook_endpoints");
                assert_non_null(strstr(stage.body, "\"url\":\"http://receiver-"));
            }
            settle(ENDPOINT);
        }
        receivers_heal(r);
        while (next_event()) /* what heal asked for is settled already, or never */
            ;
        stage.settled = NULL;
        receivers_free(r);
    }
    assert_in_range(off, 20, 400);
    assert_int_equal(on, off);
    assert_int_equal(stage.violations, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(signatures_are_those_of_the_standard),
        TEST(deliveries_are_remembered),
        TEST(receivers_can_be_bad),
        TEST(endpoints_are_switched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

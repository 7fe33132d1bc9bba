#include "sim/provider_test_support.h"

#include <stdio.h>

#define AUTHORIZATION "Authorization: Bearer prov_1"

struct stage stage;
struct provider *p;
char text[2048];

/* --- in place of the world --- */
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

void sim_trace(const char *fmt, ...)
{
    assert_non_null(fmt);
}

void sim_violation(const char *invariant, const char *fmt, ...)
{
    assert_non_null(invariant);
    assert_non_null(fmt);
    stage.violations++;
}

static void copy(char *out, size_t max, struct str s)
{
    assert_true(s.n < max);
    memcpy(out, s.p ? s.p : "", s.n);
    out[s.n] = 0;
}

/* Answers at once. */
void network_visit(const struct visit *v)
{
    struct reply r = {.status = stage.status};
    struct buf headers = BUF(400);
    if (v->sign) {
        v->sign(&headers, stage.now_us, false, v->arg);
        copy(stage.path, sizeof stage.path, v->path);
        copy(stage.headers, sizeof stage.headers, buf_view(&headers));
        copy(stage.body, sizeof stage.body, v->body);
        stage.visits++;
    } else {
        assert_string_equal(v->method, "GET");
        stage.pages++;
    }
    buf_free(&headers);
    if (v->done)
        v->done(&r, v->arg);
}

struct det seeded(uint8_t seed)
{
    uint8_t bytes[32];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(seed * 37 + i * 101 + 1);
    return det_make(T0, bytes);
}

/* --- the acquirer --- */
int set_up(void **state)
{
    const struct provider_profile sound = {0};
    struct det rng = seeded(1);
    (void)state;
    memset(&stage, 0, sizeof stage);
    stage.now_us = T0;
    stage.status = 200;
    p = provider_new(&sound, &rng);
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    provider_free(p);
    return stage.inside;
}

void with_faults(const struct provider_profile *profile, uint8_t seed)
{
    struct det rng = seeded(seed);
    provider_free(p);
    p = provider_new(profile, &rng);
}

void pass(int64_t us)
{
    for (int64_t until_us = stage.now_us + us; stage.now_us < until_us;) {
        stage.now_us = num_min(stage.now_us + SECOND_US / 4, until_us);
        provider_tick(p, stage.now_us);
    }
}

int request(const char *method, const char *path, const char *body)
{
    static const char *const headers[] = {"Accept: application/json", AUTHORIZATION, NULL};
    struct buf out = BUF(sizeof text);
    int status =
        provider_request(p, stage.now_us, method, str_from(path), headers, str_from(body), &out);
    assert_true(out.n < sizeof text);
    memset(text, 0, sizeof text);
    if (out.n)
        memcpy(text, out.p, out.n);
    buf_free(&out);
    return status;
}

int charge_eur(const char *reference, int amount, bool capture)
{
    char body[300];
    (void)snprintf(
        body, sizeof body,
        "{\"reference\":\"%s\",\"amount\":%d,\"currency\":\"EUR\",\"source\":\"pm_tok_visa\","
        "\"capture\":%s,\"description\":\"A thing\"}",
        reference, amount, capture ? "true" : "false");
    return request("POST", "/v2/charges", body);
}

int charge_with(const char *source, const char *reference, int amount, bool capture)
{
    char body[500];
    (void)snprintf(body, sizeof body,
                   "{\"reference\":\"%s\",\"amount\":%d,\"currency\":\"EUR\",\"source\":\"%s\","
                   "\"capture\":%s,\"notify_url\":\"http://florin.test/webhooks/pac_1\","
                   "\"return_url\":\"http://florin.test/return/1/pay_1/0\"}",
                   reference, amount, source, capture ? "true" : "false");
    return request("POST", "/v2/charges", body);
}

int operate(const char *what, const char *charge, const char *reference, int amount)
{
    char body[200], path[200];
    (void)snprintf(body, sizeof body, "{\"reference\":\"%s\",\"amount\":%d,\"currency\":\"EUR\"}",
                   reference, amount);
    (void)snprintf(path, sizeof path, "/v2/charges/%s/%s", charge, what);
    return request("POST", path, body);
}

int inquire(const char *reference)
{
    char path[200];
    (void)snprintf(path, sizeof path, "/v2/operations/%s", reference);
    return request("GET", path, "");
}

const struct book_entry *entry(const char *reference)
{
    const struct book_entry *e = provider_find(p, str_from(reference));
    assert_non_null(e);
    return e;
}

bool says(const char *what)
{
    return strstr(text, what) != NULL;
}

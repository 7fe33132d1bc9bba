/* Webhooks as a receiver sees them, and the orders to send them wrongly. */
#include "sandbox/sandbox_test_lib.h"

#include <stdio.h>
#include "crypto/crypto.h"
#include "sys/sys.h"

#define HOOKS_MAX 64
#define WAIT_US INT64_C(20000000)

struct hook {
    char body[4096], signature[128];
    char id[40], type[48], about[80];
};
struct receiver {
    struct http_server *http;
    char url[120];
    pthread_mutex_t lock;
    struct hook hooks[HOOKS_MAX];
    size_t n;
    int fail; /* so many are answered 500 */
};
static struct receiver receiver;

static void copy_text(char *out, size_t max, const char *text)
{
    (void)snprintf(out, max, "%s", text ? text : "");
}

static void hook_read(struct hook *h)
{
    static const struct json_limits limits = {4096, 8};
    json_t *json = NULL;
    if (json_read(str_from(h->body), &limits, &json, NULL) != OK)
        return;
    json_t *object = json_object_get(json, "object");
    const char *about = json_string_value(json_object_get(object, "reference"));
    copy_text(h->id, sizeof h->id, json_string_value(json_object_get(json, "id")));
    copy_text(h->type, sizeof h->type, json_string_value(json_object_get(json, "type")));
    copy_text(h->about, sizeof h->about,
              about ? about : json_string_value(json_object_get(object, "id")));
    json_decref(json);
}

static void hook_post(struct http_request *req, void *ctx)
{
    struct receiver *r = ctx;
    struct str signature = http_header(req, "Sandbox-Signature");
    pthread_mutex_lock(&r->lock);
    assert_true(r->n < HOOKS_MAX && req->body.n < sizeof r->hooks[0].body);
    struct hook *h = &r->hooks[r->n];
    (void)snprintf(h->body, sizeof h->body, STR_FMT, STR_ARG(req->body));
    (void)snprintf(h->signature, sizeof h->signature, STR_FMT, STR_ARG(signature));
    hook_read(h);
    r->n++;
    bool failed = r->fail > 0;
    if (failed)
        r->fail--;
    pthread_mutex_unlock(&r->lock);
    struct http_answer answer = {.status = failed ? 500 : 204};
    http_reply(req, &answer);
}

static const struct http_route hook_routes[] = {{HTTP_POST, "/hook", hook_post, 0}};

static void receiver_start(struct receiver *r)
{
    char address[80];
    int fd;
    assert_int_equal(sys_listen("127.0.0.1:0", 1000, &fd, address, NULL), OK);
    struct http_server_config config = {.name = "receiver",
                                        .listen_fd = fd,
                                        .routes = hook_routes,
                                        .routes_n = 1,
                                        .ctx = r,
                                        .header_bytes_max = 8192,
                                        .body_bytes_max = 65536,
                                        .read_timeout_ms = 10000,
                                        .idle_timeout_ms = 60000,
                                        .connections_max = 64,
                                        .failures_expected = true};
    assert_int_equal(http_server_start(&config, &r->http, NULL), OK);
    (void)snprintf(r->url, sizeof r->url, "http://%s/hook", address);
}

static int make(void **state)
{
    receiver = (struct receiver){0};
    pthread_mutex_init(&receiver.lock, NULL);
    receiver_start(&receiver);
    return place_make(state);
}

static int unmake(void **state)
{
    int failed = place_remove(state);
    http_server_stop(receiver.http);
    pthread_mutex_destroy(&receiver.lock);
    return failed;
}

static size_t hooks_n(void)
{
    pthread_mutex_lock(&receiver.lock);
    size_t n = receiver.n;
    pthread_mutex_unlock(&receiver.lock);
    return n;
}

/* Waits until so many came. */
static void wait_hooks(size_t n)
{
    int64_t end = sys_mono_us() + WAIT_US;
    while (hooks_n() < n) {
        assert_true(sys_mono_us() < end);
        sys_pause_us(2000);
    }
}

static void charge(struct place *p, const char *reference, const char *source, bool capture,
                   bool notified)
{
    char body[512], url[160] = "";
    struct ask a;
    if (notified)
        (void)snprintf(url, sizeof url, ",\"notify_url\":\"%s\"", receiver.url);
    (void)snprintf(body, sizeof body,
                   "{\"reference\":\"%s\",\"amount\":9232,\"currency\":\"EUR\",\"source\":\"%s\","
                   "\"capture\":%s%s}",
                   reference, source, capture ? "true" : "false", url);
    ask_now(p, &a, "POST", "/v2/charges", body);
    assert_int_equal(a.status, 200);
    ask_free(&a);
}

/* The signature that docs/sandbox.md describes, by hand. */
static bool signed_by(const struct hook *h, const char *api_key, int64_t *ret_t)
{
    char text[128], message[5000];
    uint8_t hash[32], mac[32];
    struct buf secret = BUF(128), hex = BUF(128);
    long long t = 0;
    assert_int_equal(sscanf(h->signature, "t=%lld,v1=", &t), 1);
    (void)snprintf(text, sizeof text, "sandbox webhook:%s", api_key);
    crypto_sha256(text, strlen(text), hash);
    buf_hex(&secret, hash, sizeof hash);
    (void)snprintf(message, sizeof message, "%lld.%s", t, h->body);
    crypto_hmac_sha256(secret.p, secret.n, message, strlen(message), mac);
    buf_hex(&hex, mac, sizeof mac);
    const char *v1 = strstr(h->signature, "v1=");
    assert_non_null(v1);
    bool same = strcmp(v1 + 3, hex.p) == 0;
    *ret_t = t;
    buf_free(&secret);
    buf_free(&hex);
    return same;
}

static void assert_plain(const struct hook *h, const char *type, const char *about)
{
    int64_t t = 0, now = sys_wall_us() / 1000000;
    assert_true(signed_by(h, "sk_sandbox", &t));
    assert_true(t <= now && t >= now - 60);
    assert_string_equal(h->type, type);
    assert_string_equal(h->about, about);
    assert_int_equal(strlen(h->id), 29);
    assert_memory_equal(h->id, "ev_", 3);
}

/* The row of GET /control/webhooks, once its state is so. */
static void wait_listed(struct place *p, const char *reference, size_t at, const char *wanted,
                        int64_t attempts)
{
    char path[160];
    int64_t end = sys_mono_us() + WAIT_US;
    (void)snprintf(path, sizeof path, "/control/webhooks?reference=%s", reference);
    for (bool seen = false; !seen; sys_pause_us(2000)) {
        struct ask a;
        assert_true(sys_mono_us() < end);
        ask_now(p, &a, "GET", path, NULL);
        assert_int_equal(a.status, 200);
        json_t *row = json_array_get(json_object_get(a.json, "webhooks"), at);
        const char *state = json_string_value(json_object_get(row, "state"));
        seen = state && strcmp(state, wanted) == 0 &&
               json_integer_value(json_object_get(row, "attempts")) == attempts;
        ask_free(&a);
    }
}

static void order(struct place *p, const char *reference, const char *send, int status)
{
    char body[200];
    struct ask a;
    (void)snprintf(body, sizeof body, "{\"reference\":\"%s\",\"send\":\"%s\"}", reference, send);
    ask_now(p, &a, "POST", "/control/webhooks", body);
    assert_int_equal(a.status, status);
    ask_free(&a);
}

/* --- the tests --- */
static void told(void **state)
{
    struct place *p = *state;
    struct ask a;
    charge(p, "att_0", "pm_tok_visa", true, false);
    charge(p, "att_1", "pm_tok_visa", false, true);
    wait_hooks(1);
    ask_operation(p, &a, "att_1", "captures", "cap_1", 9232);
    assert_int_equal(a.status, 200);
    ask_free(&a);
    wait_hooks(2);
    assert_plain(&receiver.hooks[0], "charge.authorized", "att_1");
    assert_plain(&receiver.hooks[1], "capture.approved", "cap_1");
    assert_non_null(strstr(receiver.hooks[0].body, "\"object\":\"charge\""));
    assert_non_null(strstr(receiver.hooks[1].body, "\"object\":\"capture\""));
    wait_listed(p, "att_1", 1, "accepted", 1);
    wait_listed(p, "cap_1", 0, "accepted", 1);
    assert_int_equal(hooks_n(), 2);
}

static void tried_again(void **state)
{
    struct place *p = *state;
    receiver.fail = 1;
    int64_t began = sys_mono_us();
    charge(p, "att_1", "pm_tok_visa", true, true);
    wait_hooks(2);
    assert_true(sys_mono_us() - began >= 900000);
    assert_string_equal(receiver.hooks[0].id, receiver.hooks[1].id);
    assert_string_equal(receiver.hooks[0].body, receiver.hooks[1].body);
    wait_listed(p, "att_1", 0, "accepted", 2);
}

static void outlives_a_restart(void **state)
{
    struct place *p = *state;
    receiver.fail = 1;
    charge(p, "att_1", "pm_tok_visa", true, true);
    wait_listed(p, "att_1", 0, "waiting", 1);
    place_stop(p);
    size_t before = hooks_n();
    place_start(p);
    wait_hooks(before + 1);
    assert_plain(&receiver.hooks[before], "charge.captured", "att_1");
}

static void habits(void **state)
{
    struct place *p = *state;
    struct ask a;
    charge(p, "att_1", "pm_tok_duplicate_webhook", true, true);
    wait_hooks(2);
    assert_string_equal(receiver.hooks[0].id, receiver.hooks[1].id);
    charge(p, "att_2", "pm_tok_webhook_lost", true, true);
    wait_listed(p, "att_2", 0, "lost", 0);
    charge(p, "att_3", "pm_tok_webhook_out_of_order", false, true);
    ask_operation(p, &a, "att_3", "captures", "cap_3", 9232);
    ask_free(&a);
    wait_hooks(4);
    assert_plain(&receiver.hooks[2], "capture.approved", "cap_3");
    assert_plain(&receiver.hooks[3], "charge.authorized", "att_3");
    order(p, "att_2", "again", 200);
    wait_hooks(5);
    assert_plain(&receiver.hooks[4], "charge.captured", "att_2");
}

static void comes_first(void **state)
{
    struct place *p = *state;
    charge(p, "att_1", "pm_tok_webhook_first", true, true);
    assert_int_equal(hooks_n(), 1); /* when the answer is here */
    assert_plain(&receiver.hooks[0], "charge.captured", "att_1");
}

static void sent_on_order(void **state)
{
    static const char *const ways[] = {"again",         "late",   "stale",
                                       "other_account", "forged", "malformed"};
    struct place *p = *state;
    int64_t t = 0;
    charge(p, "att_1", "pm_tok_visa", true, true);
    wait_hooks(1);
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        order(p, "att_1", ways[i], 200);
        wait_hooks(i + 2);
    }
    struct hook *h = receiver.hooks;
    for (size_t i = 1; i < 3; i++) {
        assert_plain(&h[i], "charge.captured", "att_1");
        assert_string_equal(h[i].id, h[0].id);
    }
    assert_true(signed_by(&h[3], "sk_sandbox", &t));
    assert_true(t < sys_wall_us() / 1000000 - 3000);
    assert_false(signed_by(&h[4], "sk_sandbox", &t));
    assert_false(signed_by(&h[5], "sk_sandbox", &t));
    for (size_t i = 3; i < 6; i++) { /* only what is wrong speaks against them */
        assert_string_equal(h[i].type, "charge.captured");
        assert_string_not_equal(h[i].id, h[0].id);
    }
    assert_true(signed_by(&h[6], "sk_sandbox", &t));
    assert_string_equal(h[6].type, ""); /* no JSON */
}

static void all_out_of_order(void **state)
{
    struct place *p = *state;
    struct ask a;
    charge(p, "att_1", "pm_tok_visa", false, true);
    ask_operation(p, &a, "att_1", "captures", "cap_1", 9232);
    ask_free(&a);
    wait_hooks(2);
    order(p, "att_1", "out_of_order", 200);
    wait_hooks(4);
    assert_plain(&receiver.hooks[2], "capture.approved", "cap_1");
    assert_plain(&receiver.hooks[3], "charge.authorized", "att_1");
}

static void orders_refused(void **state)
{
    static const char *const bad[] = {
        "{}", "{\"send\":\"again\"}", "{\"reference\":\"att_1\",\"send\":\"twice\"}",
        "{\"reference\":\"att_1\",\"dispute\":\"dp_1\",\"send\":\"again\"}", "[1]"};
    struct place *p = *state;
    struct ask a;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ask_now(p, &a, "POST", "/control/webhooks", bad[i]);
        assert_int_equal(a.status, 400);
        ask_free(&a);
    }
    order(p, "att_1", "again", 404);
    charge(p, "att_1", "pm_tok_visa", true, false);
    order(p, "att_1", "again", 404); /* it named no notify_url */
    ask_now(p, &a, "GET", "/control/webhooks", NULL);
    assert_int_equal(a.status, 400);
    ask_free(&a);
}

int main(void)
{
    wire_init();
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(told, make, unmake),
        cmocka_unit_test_setup_teardown(tried_again, make, unmake),
        cmocka_unit_test_setup_teardown(outlives_a_restart, make, unmake),
        cmocka_unit_test_setup_teardown(habits, make, unmake),
        cmocka_unit_test_setup_teardown(comes_first, make, unmake),
        cmocka_unit_test_setup_teardown(sent_on_order, make, unmake),
        cmocka_unit_test_setup_teardown(all_out_of_order, make, unmake),
        cmocka_unit_test_setup_teardown(orders_refused, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

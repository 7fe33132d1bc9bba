#include "sandbox/sandbox_test_lib.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "sys/sys.h"

#define WAIT_MS 20000

static void pause_ms(long ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&t, NULL);
}

int place_make(void **state)
{
    struct place *p = mem_alloc(sizeof *p);
    assert_non_null(p);
    (void)snprintf(p->dir, sizeof p->dir, "/tmp/florin-sandbox-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    assert_int_equal(http_client_start("test", 200, &p->client, NULL), OK);
    place_start(p);
    *state = p;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

int place_remove(void **state)
{
    struct place *p = *state;
    place_stop(p);
    http_client_stop(p->client);
    assert_int_equal(nftw(p->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    mem_free(p);
    return 0;
}

void place_start(struct place *p)
{
    struct err_info info = {0};
    char dir[64];
    int fd;
    assert_int_equal(sys_listen("127.0.0.1:0", 1000, &fd, p->address, &info), OK);
    (void)snprintf(dir, sizeof dir, "%s", p->dir);
    struct sandbox_config config = {.data_dir = dir,
                                    .listen_fd = fd,
                                    .slow_ms = TEST_SLOW_MS,
                                    .hang_ms = TEST_HANG_MS,
                                    .address = p->address,
                                    .webhooks = true,
                                    .challenge_ms =
                                        p->challenge_ms ? p->challenge_ms : TEST_CHALLENGE_MS};
    if (sandbox_start(&config, &p->sandbox, &info) != OK)
        fail_msg("%s", info.detail);
    memset(dir, 'x', sizeof dir); /* need not outlive the start */
    memset(&config, 0xff, sizeof config);
}

void place_stop(struct place *p)
{
    if (p->sandbox)
        sandbox_stop(p->sandbox);
    p->sandbox = NULL;
}

static void on_done(struct http_call *call, const struct http_result *r)
{
    struct ask *a = call->arg;
    static const struct json_limits limits = {1 << 20, 8};
    a->sent = r->sent;
    a->status = r->status;
    if (r->body.n && json_read(r->body, &limits, &a->json, NULL))
        a->json = NULL;
    atomic_store(&a->done, true);
}

void ask_begin(struct place *p, struct ask *a, const char *method, const char *path,
               const char *body)
{
    static const char *const headers[] = {"Authorization: Bearer sk_sandbox",
                                          "Content-Type: application/json", NULL};
    *a = (struct ask){0};
    (void)snprintf(a->url, sizeof a->url, "http://%s%s", p->address, path);
    (void)snprintf(a->body, sizeof a->body, "%s", body ? body : "");
    a->call = (struct http_call){.method = method,
                                 .url = a->url,
                                 .headers = headers,
                                 .body = str_from(a->body),
                                 .connect_timeout_ms = 5000,
                                 .timeout_ms = WAIT_MS,
                                 .response_bytes_max = 1 << 20,
                                 .done = on_done,
                                 .arg = a};
    http_client_call(p->client, &a->call);
}

void ask_end(struct ask *a)
{
    int64_t end = sys_mono_us() + (WAIT_MS + 5000) * INT64_C(1000);
    while (!atomic_load(&a->done)) {
        assert_true(sys_mono_us() < end);
        pause_ms(1);
    }
}

void ask_free(struct ask *a)
{
    json_decref(a->json);
    a->json = NULL;
}

void ask_now(struct place *p, struct ask *a, const char *method, const char *path, const char *body)
{
    ask_begin(p, a, method, path, body);
    ask_end(a);
    assert_int_equal(a->sent, HTTP_ANSWERED);
}

void ask_charge(struct place *p, struct ask *a, const char *reference, int64_t amount,
                const char *source, bool capture)
{
    char body[400];
    (void)snprintf(body, sizeof body,
                   "{\"reference\":\"%s\",\"amount\":%lld,\"currency\":\"EUR\",\"source\":\"%s\","
                   "\"capture\":%s}",
                   reference, (long long)amount, source, capture ? "true" : "false");
    ask_now(p, a, "POST", "/v2/charges", body);
}

void ask_charge_with(struct place *p, struct ask *a, const char *reference, int64_t amount,
                     const char *source, bool capture, const char *more)
{
    char body[480];
    (void)snprintf(body, sizeof body,
                   "{\"reference\":\"%s\",\"amount\":%lld,\"currency\":\"EUR\",\"source\":\"%s\",%s"
                   "\"capture\":%s}",
                   reference, (long long)amount, source, more, capture ? "true" : "false");
    ask_now(p, a, "POST", "/v2/charges", body);
}

void order_now(struct place *p, const char *path, const char *body, int status)
{
    struct ask a;
    ask_now(p, &a, "POST", path, body);
    assert_int_equal(a.status, status);
    ask_free(&a);
}

void ask_operation(struct place *p, struct ask *a, const char *charge, const char *what,
                   const char *reference, int64_t amount)
{
    char path[160], body[400];
    (void)snprintf(path, sizeof path, "/v2/charges/%s/%s", charge, what);
    (void)snprintf(body, sizeof body, "{\"reference\":\"%s\",\"amount\":%lld,\"currency\":\"EUR\"}",
                   reference, (long long)amount);
    ask_now(p, a, "POST", path, body);
}

void ask_inquiry(struct place *p, struct ask *a, const char *reference)
{
    char path[160];
    (void)snprintf(path, sizeof path, "/v2/operations/%s", reference);
    ask_now(p, a, "GET", path, NULL);
}

const char *text_of(const struct ask *a, const char *name)
{
    const char *text = json_string_value(json_object_get(a->json, name));
    return text ? text : "";
}

int64_t number_of(const struct ask *a, const char *name)
{
    json_t *v = json_object_get(a->json, name);
    return json_is_integer(v) ? json_integer_value(v) : -1;
}

void assert_refused(const struct ask *a, int status, const char *code)
{
    assert_int_equal(a->status, status);
    assert_string_equal(text_of(a, "result"), "refused");
    assert_string_equal(text_of(a, "code"), code);
    assert_true(text_of(a, "message")[0] != 0);
}

static void ask_book(struct place *p, struct ask *a, const char *reference)
{
    char path[160];
    (void)snprintf(path, sizeof path, "/book?reference=%s", reference);
    ask_now(p, a, "GET", path, NULL);
    assert_int_equal(a->status, 200);
    assert_true(json_is_array(json_object_get(a->json, "payouts")));
    assert_true(json_is_false(json_object_get(a->json, "has_more")));
}

void assert_book(struct place *p, const char *reference, const char *status, int64_t amount,
                 int64_t captured, int64_t refunded, int64_t calls)
{
    struct ask a;
    ask_book(p, &a, reference);
    json_t *list = json_object_get(a.json, "charges"), *row = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_object_get(row, "reference")), reference);
    assert_string_equal(json_string_value(json_object_get(row, "currency")), "EUR");
    assert_string_equal(json_string_value(json_object_get(row, "status")), status);
    assert_int_equal(json_integer_value(json_object_get(row, "amount")), amount);
    assert_int_equal(json_integer_value(json_object_get(row, "captured")), captured);
    assert_int_equal(json_integer_value(json_object_get(row, "refunded")), refunded);
    assert_int_equal(json_integer_value(json_object_get(row, "calls")), calls);
    ask_free(&a);
}

void assert_no_book(struct place *p, const char *reference)
{
    struct ask a;
    ask_book(p, &a, reference);
    assert_int_equal(json_array_size(json_object_get(a.json, "charges")), 0);
    ask_free(&a);
}

void wait_result(struct place *p, const char *reference, const char *result)
{
    int64_t end = sys_mono_us() + WAIT_MS * INT64_C(1000);
    for (bool seen = false; !seen; pause_ms(2)) {
        struct ask a;
        assert_true(sys_mono_us() < end);
        ask_inquiry(p, &a, reference);
        seen = strcmp(text_of(&a, "result"), result) == 0;
        ask_free(&a);
    }
}

/* Types of what a charge was to be told, oldest first, each with a space after it. */
static void told(struct place *p, const char *charge, char *out, size_t max)
{
    struct ask a;
    char path[160];
    size_t n = 0;
    (void)snprintf(path, sizeof path, "/control/webhooks?reference=%s", charge);
    ask_now(p, &a, "GET", path, NULL);
    json_t *list = json_object_get(a.json, "webhooks");
    out[0] = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        n += (size_t)snprintf(out + n, max - n, "%s ",
                              json_string_value(json_object_get(json_array_get(list, i), "type")));
    assert_true(n < max);
    ask_free(&a);
}

void assert_told(struct place *p, const char *charge, const char *types)
{
    char out[600];
    int64_t end = sys_mono_us() + WAIT_MS * INT64_C(1000);
    do
        told(p, charge, out, sizeof out);
    while (strcmp(out, types) != 0 && sys_mono_us() < end);
    assert_string_equal(out, types);
}

void fault(struct place *p, const char *body)
{
    struct ask a;
    ask_now(p, &a, "POST", "/control/faults", body);
    assert_int_equal(a.status, 204);
    ask_free(&a);
}

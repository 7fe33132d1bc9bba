/* Replaying a connector's fixtures: what is built for a call, and what an answer is read as. */
#include <stdio.h>
#include <unistd.h>

#include "connect/connect_internal.h"

#define FIXTURE_MAX ((size_t)256 << 10)

static const char *text_of(json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

/* Bodies are compared as JSON when both are, else as bytes. */
static bool same_body(json_t *expected, struct str body)
{
    if (json_is_string(expected))
        return str_eq(str_from(json_string_value(expected)), body);
    struct json_limits limits = {FIXTURE_MAX, 16};
    json_t *got = NULL;
    bool same = body.n == 0 ? expected == NULL
                            : json_read(body, &limits, &got, NULL) == OK && expected &&
                                  json_equal(expected, got);
    json_decref(got);
    return same;
}

static bool check_request(struct connectors *c, const char *name, json_t *fixture,
                          const struct provider_call *call, struct buf *why)
{
    json_t *expected = json_object_get(fixture, "request"),
           *credentials = json_object_get(fixture, "credentials");
    struct buf text = BUF(FIXTURE_MAX);
    struct connector_request r;
    struct err_info info = {0};
    struct jw w = {.b = &text};
    if (!expected)
        return true;
    jw_json(&w, NULL, credentials);
    struct id card;
    bool with_card;
    err_t err = connector_build(c, name, buf_view(&text), call, &r, &info);
    bool built = err == OK;
    buf_free(&text);
    if (!err)
        err = card_request_check(call, &r, &with_card, &card, &info);
    if (err) {
        buf_printf(why, "build: %s", info.detail);
        if (built)
            connector_request_free(&r);
        return false;
    }
    bool same = strcmp(r.method, text_of(expected, "method")) == 0 &&
                str_eq(buf_view(&r.url), str_from(text_of(expected, "url"))) &&
                same_body(json_object_get(expected, "body"), buf_view(&r.body));
    const char *header = text_of(expected, "header");
    same = same && (!header[0] || (r.headers.p && strstr(r.headers.p, header)));
    if (!same)
        buf_printf(why, "built %s %s %s", r.method, r.url.p, r.body.p ? r.body.p : "");
    connector_request_free(&r);
    return same;
}

/* A body that is a string is meant byte by byte. */
static void body_text(json_t *body, struct buf *out)
{
    struct jw w = {.b = out};
    if (json_is_string(body))
        buf_str(out, json_string_value(body));
    else
        jw_json(&w, NULL, body);
}

/* A fixture tells how it ends also by what it leaves out: these three. */
static bool ends_same(json_t *expected, json_t *got, struct buf *why)
{
    static const char *const always[] = {"kind", "decline_code", "provider_reference"};
    bool same = fixture_same(expected, got, "outcome", why);
    for (size_t i = 0; i < COUNT_OF(always) && same; i++) {
        const char *have = text_of(got, always[i]);
        same = strcmp(text_of(expected, always[i]), have) == 0;
        if (!same)
            buf_printf(why, "outcome.%s is %s", always[i], have);
    }
    return same;
}

static bool check_outcome(struct connectors *c, const char *name, json_t *fixture,
                          const struct provider_call *call, struct buf *why)
{
    json_t *answer = json_object_get(fixture, "answer");
    struct buf text = BUF(FIXTURE_MAX);
    struct outcome o;
    if (!answer)
        return true;
    body_text(json_object_get(answer, "body"), &text);
    connector_read(c, name, call, (int)json_integer_value(json_object_get(answer, "status")),
                   buf_view(&text), &o);
    buf_free(&text);
    json_t *got = fixture_outcome(&o);
    bool same = ends_same(json_object_get(fixture, "outcome"), got, why);
    json_decref(got);
    return same;
}

static void header_lines(json_t *headers, struct buf *out)
{
    const char *name;
    json_t *value;
    json_object_foreach(headers, name, value)
        buf_printf(out, "%s: %s\n", name, json_string_value(value) ? json_string_value(value) : "");
}

/* "refused": true, "unreadable": true, or an event. */
static bool event_same(json_t *fixture, err_t err, const struct err_info *info,
                       const struct provider_event *e, struct buf *why)
{
    json_t *expected = json_object_get(fixture, "event");
    if (json_is_true(json_object_get(fixture, "refused")) ||
        json_is_true(json_object_get(fixture, "unreadable"))) {
        bool refused = json_is_true(json_object_get(fixture, "refused"));
        if (err == (refused ? ERR_FORBIDDEN : ERR_PARAM_INVALID))
            return true;
        buf_printf(why, "%s", err ? info->detail : "it was taken for genuine");
        return false;
    }
    if (err || !json_is_object(expected)) {
        buf_printf(why, "%s", err ? info->detail : "not a fixture: it expects nothing");
        return false;
    }
    json_t *got = fixture_event(e);
    bool same = fixture_same(expected, got, "event", why);
    json_decref(got);
    return same;
}

static bool check_webhook(struct connectors *c, const char *name, json_t *fixture, struct buf *why)
{
    json_t *webhook = json_object_get(fixture, "webhook");
    struct buf headers = BUF(FIXTURE_MAX), body = BUF(FIXTURE_MAX), credentials = BUF(FIXTURE_MAX);
    struct jw w = {.b = &credentials};
    struct provider_event e;
    struct err_info info = {0};
    header_lines(json_object_get(webhook, "headers"), &headers);
    body_text(json_object_get(webhook, "body"), &body);
    jw_json(&w, NULL, json_object_get(fixture, "credentials"));
    struct provider_webhook heard = {.headers = buf_view(&headers),
                                     .body = buf_view(&body),
                                     .now_us = json_integer_value(json_object_get(webhook, "now")) *
                                               1000000};
    err_t err = connector_webhook(c, name, buf_view(&credentials), &heard, &e, &info);
    bool same = event_same(fixture, err, &info, &e, why);
    buf_free(&headers);
    buf_free(&body);
    buf_free(&credentials);
    return same;
}

static bool run_fixture(struct connectors *c, const char *name, const char *path, struct buf *why)
{
    struct buf text = BUF(FIXTURE_MAX), evidence = BUF(FIXTURE_MAX);
    struct json_limits limits = {FIXTURE_MAX, 16};
    struct provider_call call;
    json_t *fixture = NULL;
    struct err_info info = {0};
    bool ok = sys_read_file(path, FIXTURE_MAX, &text, &info) == OK &&
              json_read(buf_view(&text), &limits, &fixture, &info) == OK;
    if (ok && json_object_get(fixture, "webhook")) {
        ok = check_webhook(c, name, fixture, why);
    } else if (ok && fixture_call(json_object_get(fixture, "call"), &call, &evidence)) {
        ok = check_request(c, name, fixture, &call, why) &&
             check_outcome(c, name, fixture, &call, why);
    } else {
        ok = false;
        buf_printf(why, "not a fixture: %s", info.detail);
    }
    json_decref(fixture);
    buf_free(&text);
    buf_free(&evidence);
    return ok;
}

static bool json_file(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".json") == 0;
}

err_t connector_test(const char *dir, const char *name, struct buf *out, int *ret_passed,
                     int *ret_failed)
{
    char path[2048];
    struct connectors *c = NULL;
    struct err_info info = {0};
    struct sys_names names = {0};
    err_t err = connectors_load(dir, &c, &info);
    *ret_passed = *ret_failed = 0;
    if (!err && !connector_find(c, name)) {
        size_t n = strlen(name);
        (void)snprintf(path, sizeof path, "%s/%s", dir, name);
        if (access(path, F_OK) != 0)
            (void)error_set(&info, ERR_CONNECTOR, "there is no folder %s", path);
        else if (strncmp(info.detail, "connector ", 10) == 0 &&
                 (strncmp(info.detail + 10, name, n) != 0 || info.detail[10 + n] != ':'))
            (void)error_set(&info, ERR_CONNECTOR, "see the log above");
        err = ERR_CONNECTOR;
    }
    if (err) {
        buf_printf(out, "connector %s cannot be loaded: %s\n", name, info.detail);
        connectors_free(c);
        return err;
    }
    (void)snprintf(path, sizeof path, "%s/%s/fixtures", dir, name);
    err = access(path, F_OK) == 0 ? sys_list_dir(path, &names) : OK; /* it needs none */
    for (size_t i = 0; !err && i < names.n; i++) {
        const char *file = names.name[i];
        if (!json_file(file))
            continue;
        struct buf why = BUF(4096);
        (void)snprintf(path, sizeof path, "%s/%s/fixtures/%.200s", dir, name, file);
        bool ok = run_fixture(c, name, path, &why);
        buf_printf(out, "%s %s%s%s\n", ok ? "ok" : "FAILED", file, why.n ? ": " : "",
                   why.p ? why.p : "");
        (*(ok ? ret_passed : ret_failed))++;
        buf_free(&why);
    }
    mem_free(names.name);
    connectors_free(c);
    return err;
}

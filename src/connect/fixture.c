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

static enum provider_operation operation_of(const char *text)
{
    for (int o = 0; o < OPERATION_COUNT; o++)
        if (strcmp(text, provider_operation_text((enum provider_operation)o)) == 0)
            return (enum provider_operation)o;
    return OPERATION_COUNT;
}

static bool read_call(json_t *json, struct provider_call *call)
{
    const struct currency *currency = currency_find(str_from(text_of(json, "currency")));
    *call = (struct provider_call){.operation = operation_of(text_of(json, "operation")),
                                   .about = operation_of(text_of(json, "about"))};
    if (!currency || call->operation == OPERATION_COUNT ||
        (call->operation == OPERATION_INQUIRE && call->about >= OPERATION_INQUIRE))
        return false;
    call->currency = currency->number;
    call->amount = json_integer_value(json_object_get(json, "amount"));
    call->capture = json_is_true(json_object_get(json, "capture"));
    (void)snprintf(call->reference, sizeof call->reference, "%s", text_of(json, "reference"));
    (void)snprintf(call->original, sizeof call->original, "%s", text_of(json, "original"));
    (void)snprintf(call->provider_reference, sizeof call->provider_reference, "%s",
                   text_of(json, "provider_reference"));
    (void)snprintf(call->token, sizeof call->token, "%s", text_of(json, "token"));
    (void)snprintf(call->description, sizeof call->description, "%s", text_of(json, "description"));
    return true;
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
    err_t err = connector_build(c, name, buf_view(&text), call, &r, &info);
    buf_free(&text);
    if (err) {
        buf_printf(why, "build: %s", info.detail);
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

static bool check_outcome(struct connectors *c, const char *name, json_t *fixture,
                          const struct provider_call *call, struct buf *why)
{
    json_t *answer = json_object_get(fixture, "answer"),
           *expected = json_object_get(fixture, "outcome");
    json_t *body = json_object_get(answer, "body");
    struct buf text = BUF(FIXTURE_MAX);
    struct outcome o;
    if (!answer)
        return true;
    if (json_is_string(body)) {
        buf_str(&text, json_string_value(body));
    } else {
        struct jw w = {.b = &text};
        jw_json(&w, NULL, body);
    }
    connector_read(c, name, call, (int)json_integer_value(json_object_get(answer, "status")),
                   buf_view(&text), &o);
    buf_free(&text);
    const char *decline = decline_code_text(o.decline);
    bool same = strcmp(outcome_text(o.kind), text_of(expected, "kind")) == 0 &&
                strcmp(decline ? decline : "", text_of(expected, "decline_code")) == 0 &&
                strcmp(o.provider_reference, text_of(expected, "provider_reference")) == 0;
    if (!same)
        buf_printf(why, "read as %s, decline %s, reference %s", outcome_text(o.kind),
                   decline ? decline : "none", o.provider_reference);
    return same;
}

static bool run_fixture(struct connectors *c, const char *name, const char *path, struct buf *why)
{
    struct buf text = BUF(FIXTURE_MAX);
    struct json_limits limits = {FIXTURE_MAX, 16};
    struct provider_call call;
    json_t *fixture = NULL;
    struct err_info info = {0};
    bool ok = sys_read_file(path, FIXTURE_MAX, &text, &info) == OK &&
              json_read(buf_view(&text), &limits, &fixture, &info) == OK &&
              read_call(json_object_get(fixture, "call"), &call);
    if (!ok)
        buf_printf(why, "not a fixture: %s", info.detail);
    else
        ok = check_request(c, name, fixture, &call, why) &&
             check_outcome(c, name, fixture, &call, why);
    json_decref(fixture);
    buf_free(&text);
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
    if (!err && !connector_find(c, name))
        err = ERR_CONNECTOR;
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

#include "http/http_internal.h"
#include "http/http_test_support.h"

static void nothing(struct http_request *req, void *ctx)
{
    (void)req;
    (void)ctx;
}

static const struct http_route routes[] = {
    {HTTP_GET, "/", nothing, 0},
    {HTTP_POST, "/v1/payments", nothing, 1},
    {HTTP_GET, "/v1/payments", nothing, 2},
    {HTTP_GET, "/v1/payments/{id}", nothing, 3},
    {HTTP_GET, "/v1/payments/search", nothing, 4},
    {HTTP_POST, "/v1/payments/{id}/capture", nothing, 5},
    {HTTP_DELETE, "/v1/a/{one}/b/{two}", nothing, 6},
    {HTTP_DELETE, "/v1/payments/{id}", nothing, 7},
};

struct expected {
    enum http_method method;
    const char *path;
    err_t err;
    unsigned flags;
    const char *first, *second, *allow;
};

static void matches(void **state)
{
    (void)state;
    static const struct expected list[] = {
        {HTTP_GET, "/", OK, 0, NULL, NULL, NULL},
        {HTTP_POST, "/v1/payments", OK, 1, NULL, NULL, NULL},
        {HTTP_GET, "/v1/payments", OK, 2, NULL, NULL, NULL},
        {HTTP_HEAD, "/v1/payments", OK, 2, NULL, NULL, NULL},
        {HTTP_GET, "/v1/payments/pay_1", OK, 3, "pay_1", NULL, NULL},
        {HTTP_GET, "/v1/payments/search", OK, 4, NULL, NULL, NULL},
        {HTTP_POST, "/v1/payments/x/capture", OK, 5, "x", NULL, NULL},
        {HTTP_DELETE, "/v1/a/1/b/2", OK, 6, "1", "2", NULL},
        {HTTP_GET, "/v1/payments/", ERR_NOT_FOUND, 0, NULL, NULL, NULL},
        {HTTP_GET, "/v1/payments/x/", ERR_NOT_FOUND, 0, NULL, NULL, NULL},
        {HTTP_GET, "/v1//payments", ERR_NOT_FOUND, 0, NULL, NULL, NULL},
        {HTTP_GET, "//v1/payments", ERR_NOT_FOUND, 0, NULL, NULL, NULL},
        {HTTP_GET, "/V1/payments", ERR_NOT_FOUND, 0, NULL, NULL, NULL},
        {HTTP_GET, "/v1/payment", ERR_NOT_FOUND, 0, NULL, NULL, NULL},
        {HTTP_GET, "/v1/payments/x/y/z", ERR_NOT_FOUND, 0, NULL, NULL, NULL},
        {HTTP_GET, "", ERR_NOT_FOUND, 0, NULL, NULL, NULL},
        {HTTP_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14", ERR_NOT_FOUND, 0, NULL, NULL, NULL},
        {HTTP_DELETE, "/v1/payments/x", OK, 7, "x", NULL, NULL},
        {HTTP_DELETE, "/v1/payments/search", ERR_METHOD, 0, NULL, NULL, "GET, HEAD, OPTIONS"},
        {HTTP_DELETE, "/v1/payments", ERR_METHOD, 0, NULL, NULL, "GET, HEAD, OPTIONS, POST"},
        {HTTP_GET, "/v1/payments/x/capture", ERR_METHOD, 0, NULL, NULL, "OPTIONS, POST"},
        {HTTP_METHOD_OTHER, "/v1/a/1/b/2", ERR_METHOD, 0, NULL, NULL, "DELETE, OPTIONS"},
        {HTTP_HEAD, "/v1/payments/x/capture", ERR_METHOD, 0, NULL, NULL, "OPTIONS, POST"},
    };
    struct router r;
    struct err_info info = {0};
    assert_int_equal(router_init(&r, routes, COUNT_OF(routes), &info), OK);
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        const struct expected *e = &list[i];
        const struct http_route *route = NULL;
        struct str params[HTTP_PARAMS_MAX] = {{0}};
        char allow[64] = "";
        err_t err = router_match(&r, e->method, str_from(e->path), &route, params, allow);
        if (err != e->err)
            fail_msg("%s: %d", e->path, err);
        if (err == OK)
            assert_int_equal(route->flags, e->flags);
        if (e->allow)
            assert_string_equal(allow, e->allow);
        assert_true(str_eq(params[0], str_from(e->first)) &&
                    str_eq(params[1], str_from(e->second)));
    }
    router_release(&r);
}

static void bad_patterns(void **state)
{
    (void)state;
    static const char *const list[] = {
        "v1", "", "/v1/", "/a//b", "/{a}/{b}/{c}/{d}/{e}", "/1/2/3/4/5/6/7/8/9/10/11/12/13"};
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        struct http_route route = {HTTP_GET, list[i], nothing, 0};
        struct router r;
        struct err_info info = {0};
        if (router_init(&r, &route, 1, &info) != ERR_CONFIG)
            fail_msg("%s was taken", list[i]);
    }
}

static void content_types(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool json;
    } list[] = {
        {"application/json", true},
        {"Application/JSON", true},
        {"application/json; charset=utf-8", true},
        {"application/json;charset=\"UTF-8\"", true},
        {"application/json ; charset = Utf-8 ;", true},
        {"application/json; charset=latin1", false},
        {"application/json; version=1", false},
        {"application/jsonx", false},
        {"application/problem+json", false},
        {"text/json", false},
        {"application/x-www-form-urlencoded", false},
        {"", false},
        {";charset=utf-8", false},
    };
    for (size_t i = 0; i < COUNT_OF(list); i++)
        if (framing_is_json(str_from(list[i].text)) != list[i].json)
            fail_msg("%s", list[i].text);
    assert_false(framing_is_json((struct str){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches),
        cmocka_unit_test(bad_patterns),
        cmocka_unit_test(content_types),
    };
    return cmocka_run_group_tests_name("http_router", tests, NULL, NULL);
}

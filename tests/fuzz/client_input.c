/* What browsers send of themselves: reports of pages, of which nothing secret may be kept; origins
 * and client tokens. */
#include "clients/clients.h"
#include "crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    crypto_init();
    wire_init();
    return 0;
}

/* No address may hold what could be a card number, or a query. */
static void check_text(const char *p, size_t n)
{
    size_t digits = 0;
    for (size_t i = 0; i < n; i++) {
        digits = p[i] >= '0' && p[i] <= '9' ? digits + 1 : 0;
        ASSERT(digits < 12);
    }
    ASSERT(!memchr(p, '?', n) && !memchr(p, '#', n));
}

static err_t check_report(struct str content, void *arg)
{
    static const struct json_limits limits = {4096, 2};
    struct err_info info = {.err = OK};
    json_t *json = NULL, *v;
    const char *name;
    int *n = arg;
    err_t err = json_read(content, &limits, &json, &info);
    ASSERT(!err && ++*n <= REPORTS_PER_BODY);
    json_object_foreach(json, name, v)
    {
        bool address = strcmp(name, "document") == 0 || strcmp(name, "blocked") == 0 ||
                       strcmp(name, "source") == 0;
        if (json_is_string(v) && address)
            check_text(json_string_value(v), json_string_length(v));
    }
    json_decref(json);
    return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    char origin[CLIENT_ORIGIN_MAX], again[CLIENT_ORIGIN_MAX];
    uint8_t hash[CLIENT_HASH];
    int64_t merchant = 0;
    int n = 0;
    err_t err = report_clean(STR("checkout"), in, check_report, &n);
    ASSERT(!err);
    if (client_origin(in, true, origin)) { /* one form of each */
        bool same = client_origin(str_from(origin), true, again);
        ASSERT(same && strcmp(origin, again) == 0);
    }
    if (client_token_parse(in, &merchant, hash)) {
        char text[CLIENT_TOKEN_TEXT_MAX];
        client_token_text(merchant, in.p + in.n - CLIENT_TOKEN_RANDOM, text);
        ASSERT(str_eq(in, str_from(text)));
    }
    return 0;
}

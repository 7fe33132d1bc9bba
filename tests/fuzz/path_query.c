/* Targets of requests and URLs of merchants: what is taken can be written and is taken the same
 * again. */
#include "wire/wire.h"

#define PAIRS 16

static void check_decode(struct str in, bool query)
{
    struct buf plain = BUF(1 << 16), coded = BUF(1 << 18), back = BUF(1 << 16);
    if (url_decode(in, query, &plain)) {
        ASSERT(plain.n <= in.n && (plain.n == 0 || str_is_utf8(buf_view(&plain))));
        url_encode(&coded, buf_view(&plain));
        bool good = url_decode(buf_view(&coded), query, &back);
        ASSERT(good && str_eq(buf_view(&plain), buf_view(&back)));
    } else {
        ASSERT(plain.n == 0);
    }
    buf_free(&plain);
    buf_free(&coded);
    buf_free(&back);
}

static void check_query(struct str in)
{
    struct arena *a = arena_new(1 << 20);
    struct url_pair q[PAIRS], r[PAIRS];
    struct err_info info = {0};
    struct buf text = BUF(1 << 20);
    size_t n = 0, m = 0;
    ASSERT(a);
    if (url_query(in, a, q, PAIRS, &n, &info) == OK) {
        ASSERT(n <= PAIRS);
        for (size_t i = 0; i < n; i++) {
            ASSERT(q[i].name.n > 0 && str_is_utf8(q[i].name) && str_is_utf8(q[i].value));
            if (i > 0)
                buf_byte(&text, '&');
            url_encode(&text, q[i].name);
            buf_byte(&text, '=');
            url_encode(&text, q[i].value);
        }
        err_t err = url_query(buf_view(&text), a, r, PAIRS, &m, NULL);
        ASSERT(err == OK && m == n);
        for (size_t i = 0; i < n; i++)
            ASSERT(str_eq(q[i].name, r[i].name) && str_eq(q[i].value, r[i].value));
    } else {
        ASSERT(info.err == ERR_PARAM_INVALID && info.detail[0]);
    }
    buf_free(&text);
    arena_free(a);
}

static void check_url(struct str in)
{
    struct url u, v;
    if (!url_parse(in, &u))
        return;
    ASSERT(u.port >= 1 && u.port <= 65535 && u.path.n > 0 && u.path.p[0] == '/');
    bool v6 = memchr(u.host.p, ':', u.host.n) != NULL;
    for (size_t i = 0; i < u.host.n; i++)
        ASSERT(!strchr("/@?#\\%[] ", u.host.p[i]) && (unsigned char)u.host.p[i] < 0x7F);
    struct buf text = BUF(1 << 16);
    buf_printf(&text, STR_FMT "://%s" STR_FMT "%s:%d" STR_FMT, STR_ARG(u.scheme), v6 ? "[" : "",
               STR_ARG(u.host), v6 ? "]" : "", u.port, STR_ARG(u.path));
    bool good = url_parse(buf_view(&text), &v);
    ASSERT(good && str_eq(u.scheme, v.scheme) && str_eq(u.host, v.host) && u.port == v.port &&
           str_eq(u.path, v.path));
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    check_decode(in, false);
    check_decode(in, true);
    check_query(in);
    check_url(in);
    return 0;
}

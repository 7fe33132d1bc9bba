#include "http/http_internal.h"

/* Splits "/a/b" into segments without the slashes. "/a/" has an empty last one, which no pattern
 * has. */
static bool split(struct str path, struct str *out, size_t max, size_t *ret_n)
{
    if (path.n == 0 || path.p[0] != '/')
        return false;
    size_t n = 0, at = 1;
    for (;;) {
        const char *slash = memchr(path.p + at, '/', path.n - at);
        size_t end = slash ? (size_t)(slash - path.p) : path.n;
        if (n == max)
            return false;
        out[n++] = (struct str){path.p + at, end - at};
        if (!slash)
            break;
        at = end + 1;
    }
    *ret_n = n;
    return true;
}

static bool is_parameter(struct str segment)
{
    return segment.n > 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
}

static bool entry_init(struct router_entry *e, const struct http_route *route)
{
    e->route = route;
    struct str pattern = str_from(route->pattern);
    if (!split(pattern, e->segment, HTTP_SEGMENTS_MAX, &e->n))
        return false;
    size_t params = 0;
    for (size_t i = 0; i < e->n; i++) {
        if (is_parameter(e->segment[i])) {
            e->segment[i] = (struct str){0};
            params++;
        } else if (e->segment[i].n == 0 && e->n > 1) {
            return false;
        } else {
            e->literal |= 1u << (HTTP_SEGMENTS_MAX - 1 - i);
        }
    }
    return params <= HTTP_PARAMS_MAX && route->handler != NULL;
}

err_t router_init(struct router *r, const struct http_route *routes, size_t n,
                  struct err_info *reterr)
{
    *r = (struct router){0};
    r->entries = mem_alloc((n ? n : 1) * sizeof *r->entries);
    if (!r->entries)
        return error_set(reterr, ERR_NO_MEMORY, "no memory for the routes");
    for (size_t i = 0; i < n; i++) {
        if (!entry_init(&r->entries[i], &routes[i])) {
            router_release(r);
            return error_set(reterr, ERR_CONFIG, "the route %s is not valid", routes[i].pattern);
        }
    }
    r->n = n;
    return OK;
}

void router_release(struct router *r)
{
    mem_free(r->entries);
    *r = (struct router){0};
}

static bool entry_matches(const struct router_entry *e, const struct str *segments, size_t n)
{
    if (e->n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (e->segment[i].p ? !str_eq(e->segment[i], segments[i]) : segments[i].n == 0)
            return false;
    }
    return true;
}

static void allow_text(unsigned methods, char allow[64])
{
    static const struct {
        enum http_method method;
        const char *name;
    } sorted[] = {
        {HTTP_DELETE, "DELETE"},   {HTTP_GET, "GET"},     {HTTP_HEAD, "HEAD"},
        {HTTP_OPTIONS, "OPTIONS"}, {HTTP_PATCH, "PATCH"}, {HTTP_POST, "POST"},
        {HTTP_PUT, "PUT"},
    };
    if (methods & 1u << HTTP_GET)
        methods |= 1u << HTTP_HEAD;
    methods |= 1u << HTTP_OPTIONS;
    size_t at = 0;
    allow[0] = 0;
    for (size_t i = 0; i < COUNT_OF(sorted); i++) {
        if (!(methods & 1u << sorted[i].method))
            continue;
        size_t n = strlen(sorted[i].name);
        if (at) {
            memcpy(allow + at, ", ", 2);
            at += 2;
        }
        ASSERT(at + n + 2 < 64);
        memcpy(allow + at, sorted[i].name, n + 1);
        at += n;
    }
}

err_t router_match(const struct router *r, enum http_method method, struct str path,
                   const struct http_route **ret, struct str params[HTTP_PARAMS_MAX],
                   char allow[64])
{
    struct str segments[HTTP_SEGMENTS_MAX];
    size_t n;
    if (!split(path, segments, HTTP_SEGMENTS_MAX, &n))
        return ERR_NOT_FOUND;
    if (method == HTTP_HEAD)
        method = HTTP_GET;
    const struct router_entry *found = NULL, *other = NULL;
    unsigned methods = 0, literal = 0;
    bool known = false;
    for (size_t i = 0; i < r->n; i++) {
        const struct router_entry *e = &r->entries[i];
        if ((known && e->literal < literal) || !entry_matches(e, segments, n))
            continue;
        if (!known || e->literal > literal) {
            known = true;
            literal = e->literal;
            methods = 0;
            found = NULL;
        }
        methods |= 1u << e->route->method;
        other = e;
        if (e->route->method == method)
            found = e;
    }
    if (!known)
        return ERR_NOT_FOUND;
    allow_text(methods, allow);
    *ret = (found ? found : other)->route;
    if (!found)
        return ERR_METHOD;
    for (size_t i = 0, at = 0; i < n; i++)
        if (!found->segment[i].p)
            params[at++] = segments[i];
    return OK;
}

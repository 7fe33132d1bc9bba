/* Whose request it is, as far as limits are concerned. Pure but for the headers it reads, and one
 * line in the log. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "http/http.h"
#include "observe/observe.h"

#define NAME "x-forwarded-for: "
#define HEADERS_MAX ((size_t)64 << 10)

/* As IPv6; an IPv4 address is mapped. Some proxies write a port behind it. */
static bool read_address(struct str s, struct in6_addr *ret)
{
    char text[64];
    struct in_addr four;
    const char *end = s.n ? memchr(s.p, s.p[0] == '[' ? ']' : ':', s.n) : NULL;
    const char *more = end ? memchr(end + 1, ':', s.n - (size_t)(end + 1 - s.p)) : NULL;
    if (end && s.p[0] == '[')
        s = (struct str){s.p + 1, (size_t)(end - s.p) - 1};
    else if (end && !more)
        s.n = (size_t)(end - s.p);
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    if (inet_pton(AF_INET6, text, ret) == 1)
        return true;
    if (inet_pton(AF_INET, text, &four) != 1)
        return false;
    memset(ret, 0, sizeof *ret);
    ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
    memcpy(ret->s6_addr + 12, &four, 4);
    return true;
}

/* Takes the last of a list off its end. */
static struct str take_last(struct str *list)
{
    size_t at = list->n;
    while (at && list->p[at - 1] != ',')
        at--;
    struct str last = {list->p + at, list->n - at};
    list->n = at ? at - 1 : 0;
    return str_trim(last);
}

static bool is_proxy(const struct in6_addr *a, const char *proxies)
{
    struct str list = str_from(proxies ? proxies : "");
    struct in6_addr one;
    while (list.n)
        if (read_address(take_last(&list), &one) && memcmp(&one, a, sizeof one) == 0)
            return true;
    return false;
}

bool http_visitor_of(struct str peer, struct str forwarded, const char *proxies,
                     uint8_t ret_key[16])
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (!read_address(peer, &in6.sin6_addr))
        return false;
    while (forwarded.n && is_proxy(&in6.sin6_addr, proxies))
        if (!read_address(take_last(&forwarded), &in6.sin6_addr))
            return false;
    if (!http_address_public((const struct sockaddr *)&in6))
        return false;
    memcpy(ret_key, in6.sin6_addr.s6_addr, 16);
    if (!IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
        memset(ret_key + 8, 0, 8);
    return true;
}

err_t http_proxies_check(const char *proxies, struct err_info *reterr)
{
    struct str list = str_from(proxies);
    struct in6_addr one;
    while (list.n) {
        struct str entry = take_last(&list);
        if (!read_address(entry, &one))
            return error_set(reterr, ERR_CONFIG,
                             "proxies must be IP addresses, comma separated, not `" STR_FMT "`",
                             STR_ARG(entry));
    }
    return OK;
}

/* Several headers are one list. Source: RFC 9110 section 5.3. */
static void collect(struct str lines, struct buf *out)
{
    while (lines.n) {
        struct str line = str_cut(&lines, '\n');
        if (!str_starts(line, STR(NAME)))
            continue;
        buf_str(out, out->n ? "," : "");
        buf_add(out, line.p + sizeof NAME - 1, line.n - (sizeof NAME - 1));
    }
}

/* Once a process: who set up a proxy and did not name it has no limits, and would not notice. */
static void tell_not_named(struct http_request *req, const char *proxies)
{
    static bool told;
    struct in6_addr peer;
    if (!http_header(req, "X-Forwarded-For").p || !read_address(str_from(req->peer), &peer) ||
        is_proxy(&peer, proxies) || __atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
        return;
    LOG(LOG_WARN, "proxy.not_named", LOG_STR("peer", req->peer),
        LOG_STR("detail", "Limits per visitor are off for what comes from there, until the "
                          "setting `proxies` names it."));
}

bool http_visitor(struct http_request *req, const char *proxies, uint8_t ret_key[16])
{
    struct buf lines = BUF(HEADERS_MAX), forwarded = BUF(HEADERS_MAX);
    struct in6_addr peer;
    if (read_address(str_from(req->peer), &peer) && is_proxy(&peer, proxies)) {
        http_headers(req, &lines);
        collect(buf_view(&lines), &forwarded);
    }
    bool is = http_visitor_of(str_from(req->peer), buf_view(&forwarded), proxies, ret_key);
    buf_free(&lines);
    buf_free(&forwarded);
    if (!is)
        tell_not_named(req, proxies);
    return is;
}

struct str http_visitor_or_peer(struct http_request *req, const char *proxies, uint8_t room[16])
{
    return http_visitor(req, proxies, room) ? (struct str){(const char *)room, 16}
                                            : str_from(req->peer);
}

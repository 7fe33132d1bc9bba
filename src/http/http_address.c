#include "http/http.h"

#include <netinet/in.h>

struct range {
    uint8_t prefix[16];
    unsigned bits;
};

/* Source: IANA IPv4 Special-Purpose Address Registry, multicast and reserved space. */
static const struct range v4_denied[] = {
    {{0}, 8},             /* this network */
    {{10}, 8},            /* private */
    {{100, 64}, 10},      /* shared, carrier NAT */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local, cloud metadata */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* protocol assignments */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 88, 99}, 24},  /* 6to4 relays */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarks */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 4},           /* multicast */
    {{240}, 4},           /* reserved, broadcast */
};

/* Source: IANA IPv6 Special-Purpose Address Registry. What is outside 2000::/3 is refused as a
 * whole: loopback, unspecified, NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard (100::/64), SIDs
 * (5f00::/16), fc00::/7, fe80::/10, ff00::/8. */
static const struct range v6_global = {{0x20}, 3};
static const struct range v6_denied[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments: Teredo, ORCHID, benchmarks */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4: carries any IPv4 address */
    {{0x3f, 0xff}, 20},             /* documentation */
};

static bool in_range(const uint8_t *addr, const struct range *r)
{
    unsigned whole = r->bits / 8, rest = r->bits % 8;
    if (memcmp(addr, r->prefix, whole) != 0)
        return false;
    return rest == 0 || ((addr[whole] ^ r->prefix[whole]) >> (8 - rest)) == 0;
}

static bool v4_public(const uint8_t addr[4])
{
    for (size_t i = 0; i < COUNT_OF(v4_denied); i++)
        if (in_range(addr, &v4_denied[i]))
            return false;
    return true;
}

static bool v6_public(const uint8_t addr[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (memcmp(addr, mapped, sizeof mapped) == 0)
        return v4_public(addr + 12);
    if (!in_range(addr, &v6_global))
        return false;
    for (size_t i = 0; i < COUNT_OF(v6_denied); i++)
        if (in_range(addr, &v6_denied[i]))
            return false;
    return true;
}

bool http_address_public(const struct sockaddr *addr)
{
    ASSERT(addr != NULL);
    if (addr->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, addr, sizeof in);
        return v4_public((const uint8_t *)&in.sin_addr);
    }
    if (addr->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, addr, sizeof in6);
        return v6_public(in6.sin6_addr.s6_addr);
    }
    return false;
}

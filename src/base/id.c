#include "base/id.h"

#include <string.h>

#include "base/num.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static const char *const prefixes[ID_KIND_COUNT] = {
#define X(n, p) [ID_##n] = p,
    ID_KINDS(X)
#undef X
};

struct id id_new(struct det *d)
{
    struct id id;
    uint64_t ms = (uint64_t)(d->now_us / 1000), hi = det_u64(d), lo = det_u64(d);
    num_put64(id.b, ms << 16 | 0x7000 | (hi & 0x0FFF));
    num_put64(id.b + 8, (UINT64_C(2) << 62) | (lo & UINT64_C(0x3FFFFFFFFFFFFC00)));
    return id;
}

struct id id_derive(struct id base, unsigned n)
{
    ASSERT(n > 0 && n < 1024 && id_number(base) == 0);
    base.b[14] |= (uint8_t)(n >> 8);
    base.b[15] |= (uint8_t)n;
    return base;
}

struct id id_base(struct id derived)
{
    derived.b[14] &= 0xFC;
    derived.b[15] = 0;
    return derived;
}

unsigned id_number(struct id derived)
{
    return (unsigned)((derived.b[14] & 3) << 8 | derived.b[15]);
}

bool id_eq(struct id a, struct id b)
{
    return memcmp(a.b, b.b, sizeof a.b) == 0;
}

bool id_is_zero(struct id a)
{
    struct id zero = {{0}};
    return id_eq(a, zero);
}

char *id_text(enum id_kind kind, struct id id, char out[ID_TEXT_MAX])
{
    ASSERT(kind < ID_KIND_COUNT);
    size_t n = strlen(prefixes[kind]);
    memcpy(out, prefixes[kind], n);
    uint64_t hi = num_get64(id.b), lo = num_get64(id.b + 8);
    for (int i = 25; i >= 0; i--) {
        out[n + (size_t)i] = alphabet[lo & 31];
        lo = lo >> 5 | hi << 59;
        hi >>= 5;
    }
    out[n + 26] = 0;
    return out;
}

static int digit(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 32);
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

bool id_parse(enum id_kind kind, struct str s, struct id *ret)
{
    ASSERT(kind < ID_KIND_COUNT);
    struct str prefix = str_from(prefixes[kind]);
    if (s.n != prefix.n + 26 || !str_starts(s, prefix))
        return false;
    uint64_t hi = 0, lo = 0;
    for (size_t i = 0; i < 26; i++) {
        int v = digit(s.p[prefix.n + i]);
        if (v < 0 || (i == 0 && v > 7)) /* 130 bits are shown, 128 exist */
            return false;
        hi = hi << 5 | lo >> 59;
        lo = lo << 5 | (uint64_t)v;
    }
    num_put64(ret->b, hi);
    num_put64(ret->b + 8, lo);
    return true;
}

const char *id_prefix(enum id_kind kind)
{
    ASSERT(kind < ID_KIND_COUNT);
    return prefixes[kind];
}

int64_t id_time_ms(struct id id)
{
    return (int64_t)(num_get64(id.b) >> 16);
}

/* The table of currencies and arithmetic on minor units. */
#include "money/money.h"

#define NUMBER_MAX 1000

enum position {
#define X(code, number, exponent) AT_##code,
#include "money/currencies.def"
#undef X
    COUNT
};
_Static_assert(COUNT < 256, "positions are kept in a byte");

static const struct currency table[COUNT] = {
#define X(code, number, exponent) {#code, number, exponent},
#include "money/currencies.def"
#undef X
};

/* Position in the table + 1; 0: no such currency. */
static const uint8_t by_number[NUMBER_MAX] = {
#define X(code, number, exponent) [number] = AT_##code + 1,
#include "money/currencies.def"
#undef X
};

const struct currency *currency_find(struct str code)
{
    size_t lo = 0, hi = COUNT;
    if (code.n != 3)
        return NULL;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int order = memcmp(code.p, table[mid].code, 3);
        if (order == 0)
            return &table[mid];
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct currency *currency_by_number(int number)
{
    if (number < 0 || number >= NUMBER_MAX || by_number[number] == 0)
        return NULL;
    return &table[by_number[number] - 1];
}

size_t currency_count(void)
{
    return COUNT;
}

const struct currency *currency_at(size_t i)
{
    ASSERT(i < COUNT);
    return &table[i];
}

void money_format(struct buf *out, int64_t minor, const struct currency *c)
{
    uint64_t v = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor, unit = 1;
    ASSERT(c && c->exponent >= 0 && c->exponent <= 4);
    for (int i = 0; i < c->exponent; i++)
        unit *= 10;
    buf_printf(out, "%s%llu", minor < 0 ? "-" : "", (unsigned long long)(v / unit));
    if (c->exponent)
        buf_printf(out, ".%0*llu", c->exponent, (unsigned long long)(v % unit));
}

bool money_rescale(int64_t minor, int from_exponent, int to_exponent, int64_t *ret)
{
    ASSERT(from_exponent >= 0 && from_exponent < 19 && to_exponent >= 0 && to_exponent < 19);
    for (; from_exponent < to_exponent; from_exponent++)
        if (!num_mul(minor, 10, &minor))
            return false;
    for (; from_exponent > to_exponent; from_exponent--) {
        if (minor % 10)
            return false;
        minor /= 10;
    }
    *ret = minor;
    return true;
}

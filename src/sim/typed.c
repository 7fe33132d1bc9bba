/* The cards that customers type: every number there is in a simulated world, so that each can be
 * looked for where none may be. */
#include <stdio.h>

#include "sim/world_internal.h"

/* All numbers begin so, the first four also where they are divided. */
#define PREFIX "400055"
#define GROUP "4000"
#define NUMBER 16

static struct {
    struct typed *list;
    size_t n, cap;
} all;

void typed_begin(void)
{
    ASSERT(all.n == 0);
}

void typed_end(void)
{
    struct heap *before = heap_enter(NULL);
    mem_free(all.list);
    all.list = NULL;
    all.n = all.cap = 0;
    (void)heap_enter(before);
}

size_t typed_count(void)
{
    return all.n;
}

struct typed *typed_at(size_t i)
{
    ASSERT(i < all.n);
    return &all.list[i];
}

static char luhn(const char *digits, int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++) {
        int d = digits[n - 1 - i] - '0';
        sum += i % 2 ? d : d > 4 ? 2 * d - 9 : 2 * d;
    }
    return (char)('0' + (10 - sum % 10) % 10);
}

size_t typed_new(int merchant, struct det *rng)
{
    struct heap *before = heap_enter(NULL);
    if (all.n == all.cap) {
        all.cap = all.cap ? 2 * all.cap : 64;
        all.list = mem_resize(all.list, all.cap * sizeof *all.list);
        ASSERT(all.list != NULL);
    }
    struct typed *t = &all.list[all.n];
    *t = (struct typed){.merchant = merchant, .month = (int)sim_between(rng, 1, 12)};
    t->year = (int)sim_between(rng, 2027, 2035);
    (void)snprintf(t->number, sizeof t->number, PREFIX "%02d%07d", (int)det_below(rng, 100),
                   (int)((all.n * 7919 + det_below(rng, 7919)) % 10000000));
    t->number[NUMBER - 1] = luhn(t->number, NUMBER - 1);
    (void)snprintf(t->cvc, sizeof t->cvc, "%03d", (int)det_below(rng, 1000));
    (void)heap_enter(before);
    return all.n++;
}

struct typed *typed_number(const char *number)
{
    for (size_t i = 0; i < all.n; i++)
        if (strcmp(all.list[i].number, number) == 0)
            return &all.list[i];
    return NULL;
}

/* --- the search --- */
static bool divides(char c)
{
    return c == ' ' || c == '-' || c == '.';
}

/* Is it one of them, divided or not? */
static bool whole(const char *p, const char *end)
{
    char number[NUMBER + 1] = "";
    size_t n = 0;
    for (; p < end && n < NUMBER && (divides(*p) || (*p >= '0' && *p <= '9')); p++)
        if (!divides(*p))
            number[n++] = *p;
    return n == NUMBER && memcmp(number, PREFIX, sizeof PREFIX - 1) == 0 && typed_number(number);
}

bool typed_in(struct str bytes)
{
    /* in hexadecimal; in base64, beginning at each of three places of a group */
    static const char *const coded[] = {"343030303535", "NDAwMDU1", "QwMDA1N", "0MDAwNT"};
    if (all.n == 0 || bytes.n < NUMBER)
        return false;
    const char *end = bytes.p + bytes.n;
    for (const char *p = bytes.p; (p = memmem(p, (size_t)(end - p), GROUP, sizeof GROUP - 1)); p++)
        if (whole(p, end))
            return true;
    for (size_t i = 0; i < COUNT_OF(coded); i++)
        if (memmem(bytes.p, bytes.n, coded[i], strlen(coded[i])))
            return true;
    return false;
}

void typed_must_not_be_in(const char *where, struct str bytes)
{
    if (typed_in(bytes))
        sim_violation("I28", "a card's number is in %s", where);
}

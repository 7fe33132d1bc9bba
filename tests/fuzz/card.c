/* Cards into requests and out of answers. Byte one chooses the card; the rest is a body, then an
 * answer. */
#include <stdio.h>

#include "card/card_internal.h"

#define BYTES_MAX ((size_t)1 << 20)

static bool is_json(struct str s)
{
    json_t *v = s.n ? json_loadb(s.p, s.n, 0, NULL) : NULL;
    bool good = v != NULL;
    json_decref(v);
    return good;
}

/* The number is there, and what was JSON is JSON, also when a member was left out. */
static void check_fill(struct str body, const struct card *c)
{
    struct buf out = BUF(BYTES_MAX);
    struct err_info info = {0};
    err_t err = card_fill(body, c, &out, &info);
    ASSERT(err == OK || err == ERR_CONNECTOR || err == ERR_NO_MEMORY);
    ASSERT(!strstr(info.detail, c->number));
    if (!err) {
        ASSERT(memmem(out.p, out.n, c->number, strlen(c->number)));
        ASSERT(is_json(buf_view(&out)) || !is_json(body));
    }
    buf_free(&out);
}

/* As long as before, nothing but digits and letters changed, no number left, and again the same. */
static void check_redact(struct str answer, const struct card *c)
{
    struct buf out = BUF(BYTES_MAX), again = BUF(BYTES_MAX);
    (void)card_redact(answer, c, &out);
    ASSERT(out.n == answer.n);
    for (size_t i = 0; i < out.n; i++) {
        char was = answer.p[i];
        bool letter = (was >= '0' && was <= '9') || ((was | 32) >= 'a' && (was | 32) <= 'z') ||
                      strchr("+/-_=", was);
        ASSERT(out.p[i] == was || letter);
    }
    if (out.n > 0)
        ASSERT(!memmem(out.p, out.n, c->number, strlen(c->number)));
    ASSERT(card_redact(buf_view(&out), c, &again) >= 0);
    ASSERT(again.n == out.n);
    buf_free(&out);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct card cards[] = {
        {.number = "4242424242424242", .cvc = "737", .month = 3, .year = 2031},
        {.number = "4000000000009995", .cvc = "", .month = 12, .year = 2060},
        {.number = "378282246310005", .cvc = "7373", .month = 1, .year = 2031}};
    if (size == 0 || size > 65536)
        return 0;
    const struct card *c = &cards[data[0] % COUNT_OF(cards)];
    struct str in = {(const char *)data + 1, size - 1};
    check_fill(in, c);
    check_redact(in, c);
    return 0;
}

/* Small texts that requests carry: times, ids, integers, base64, hexadecimal. */
#include <stdio.h>

#include "crypto/crypto.h"
#include "wire/wire.h"

static void check_time(struct str in)
{
    struct buf text = BUF(100);
    int64_t us = 0, back = 0;
    if (!time_parse(in, &us))
        return;
    time_text(&text, us);
    bool good = time_parse(buf_view(&text), &back);
    ASSERT(good && text.n == 24 && back == us / 1000 * 1000);
    buf_free(&text);
}

static void check_id(struct str in)
{
    char text[ID_TEXT_MAX];
    for (int kind = 0; kind < ID_KIND_COUNT; kind++) {
        struct id id, back;
        if (!id_parse((enum id_kind)kind, in, &id))
            continue;
        id_text((enum id_kind)kind, id, text);
        bool good = id_parse((enum id_kind)kind, str_from(text), &back);
        ASSERT(good && id_eq(id, back) && str_eq_nocase(in, str_from(text)));
    }
}

static void check_integer(struct str in)
{
    int64_t v = 0, back = 0;
    char text[24];
    if (!str_to_i64(in, &v))
        return;
    (void)snprintf(text, sizeof text, "%lld", (long long)v);
    bool good = str_to_i64(str_from(text), &back);
    ASSERT(good && back == v);
}

static void check_encodings(struct str in)
{
    struct buf bytes = BUF(1 << 16), text = BUF(1 << 16);
    uint8_t raw[64];
    if (crypto_base64_decode(in, &bytes)) { /* strict: there is one text per value */
        crypto_base64(&text, bytes.p, bytes.n);
        ASSERT(!text.failed && str_eq(in, buf_view(&text)));
    } else {
        ASSERT(bytes.n == 0);
    }
    buf_clear(&text);
    if (in.n > 0 && in.n <= 2 * sizeof raw && crypto_hex_decode(in, raw, in.n / 2)) {
        buf_hex(&text, raw, in.n / 2);
        ASSERT(str_eq_nocase(in, buf_view(&text)));
    }
    buf_free(&bytes);
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    check_time(in);
    check_id(in);
    check_integer(in);
    check_encodings(in);
    return 0;
}

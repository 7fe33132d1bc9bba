/* The Idempotency-Key header: what is taken is 1 to 255 printable characters, and quoting it again
 * gives the same key. */
#include "wire/wire.h"

static void quote(struct buf *out, struct str v)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '"' || v.p[i] == '\\')
            buf_byte(out, '\\');
        buf_byte(out, v.p[i]);
    }
    buf_byte(out, '"');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf key = BUF(255), text = BUF(1000), back = BUF(255);
    struct err_info info = {0};
    if (idempotency_key_read((struct str){(const char *)data, size}, &key, &info) == OK) {
        ASSERT(!key.failed && key.n >= 1);
        for (size_t i = 0; i < key.n; i++)
            ASSERT(key.p[i] >= 0x20 && key.p[i] <= 0x7E);
        quote(&text, buf_view(&key));
        err_t err = idempotency_key_read(buf_view(&text), &back, NULL);
        ASSERT(err == OK && str_eq(buf_view(&key), buf_view(&back)));
    } else {
        ASSERT(key.n == 0 && info.err == ERR_HEADER_INVALID && info.detail[0]);
    }
    buf_free(&key);
    buf_free(&text);
    buf_free(&back);
    return 0;
}

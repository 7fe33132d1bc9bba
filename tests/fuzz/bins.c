/* The table of banks: what is taken is found again, by the longest number that fits. */
#include "customers/bins.h"

static void look(const struct bins *b, struct str in)
{
    struct bin_entry whole, shorter;
    for (size_t i = 0; i + 8 <= in.n; i++) {
        struct str bin = {in.p + i, 8};
        if (!bins_find(b, bin, &whole))
            ASSERT(!whole.brand[0] && !whole.issuer[0] && !whole.country[0]);
        else
            ASSERT(bins_count(b) > 0 && strlen(whole.issuer) < BIN_ISSUER_MAX);
        bin.n = 6;
        if (bins_find(b, bin, &shorter)) { /* then more digits find something, too */
            bool found = bins_find(b, (struct str){in.p + i, 8}, &whole);
            bool digits = in.p[i + 6] >= '0' && in.p[i + 6] <= '9' && in.p[i + 7] >= '0' &&
                          in.p[i + 7] <= '9';
            ASSERT(found || !digits);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text = BUF(1 << 20);
    struct err_info why = {.err = OK};
    struct bins *bins = NULL;
    buf_add(&text, data, size);
    if (text.failed) {
        buf_free(&text);
        return 0;
    }
    err_t err = bins_read(&text, &bins, &why);
    ASSERT(text.p == NULL);
    if (err) {
        ASSERT(bins == NULL && why.detail[0] && err == ERR_CONFIG);
        return 0;
    }
    look(bins, (struct str){(const char *)data, size});
    bins_free(bins);
    return 0;
}

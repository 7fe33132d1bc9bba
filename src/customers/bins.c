/* The table of banks: the text as it was read, and one small entry per line that points into it. */
#include "customers/bins.h"

#include <stdlib.h>
#include <string.h>

#define BRANDS_MAX 255
#define BRAND_MAX 16
#define ISSUER_POINTS 80
#define FIELDS 5

struct entry {
    uint32_t key; /* see key_of */
    uint32_t line, issuer;
    uint16_t issuer_n;
    uint8_t brand, funding; /* 0: none */
    char country[2];        /* zeros: none */
};
struct bins {
    struct buf text; /* with the quotes taken off in place */
    struct entry *entries;
    size_t n;
    char brands[BRANDS_MAX + 1][BRAND_MAX + 1]; /* from 1 on */
    size_t brands_n;
};

static const char *const fundings[] = {"", "credit", "debit", "prepaid"};

/* Digits of each length have a range of their own. 0: not 6 to 8 digits. */
static uint32_t key_of(struct str bin)
{
    static const uint32_t base[] = {[6] = 1, [7] = 1000001, [8] = 11000001};
    uint32_t v = 0;
    if (bin.n < 6 || bin.n > 8)
        return 0;
    for (size_t i = 0; i < bin.n; i++) {
        if (bin.p[i] < '0' || bin.p[i] > '9')
            return 0;
        v = v * 10 + (uint32_t)(bin.p[i] - '0');
    }
    return base[bin.n] + v;
}

/* --- a line --- */

/* Source: RFC 4180. A field in quotes: its text moves to where the quote stood. *at is left behind
 * the comma, or at the end. */
static const char *quoted(char *line, size_t n, size_t *at, struct str *ret)
{
    char *to = line + *at, *from = to;
    size_t i = *at + 1;
    for (;; i++) {
        if (i == n)
            return "has a quote that does not end";
        if (line[i] == '"' && i + 1 < n && line[i + 1] == '"')
            i++;
        else if (line[i] == '"')
            break;
        *to++ = line[i];
    }
    *ret = (struct str){from, (size_t)(to - from)};
    for (i++; i < n && line[i] != ','; i++)
        if (line[i] != ' ' && line[i] != '\t')
            return "has text behind a quote";
    *at = i;
    return NULL;
}

/* Cuts a line into its fields. NULL, or what is wrong. */
static const char *cut(char *line, size_t n, struct str fields[FIELDS])
{
    size_t at = 0;
    for (size_t i = 0; i < FIELDS; i++) {
        while (at < n && (line[at] == ' ' || line[at] == '\t'))
            at++;
        if (at < n && line[at] == '"') {
            const char *wrong = quoted(line, n, &at, &fields[i]);
            if (wrong)
                return wrong;
        } else {
            size_t from = at;
            while (at < n && line[at] != ',')
                at++;
            fields[i] = str_trim((struct str){line + from, at - from});
        }
        bool last = i == FIELDS - 1;
        if (last != (at == n))
            return "must have five fields: bin,brand,funding,issuer,country";
        at++;
    }
    return NULL;
}

static const char *read_brand(struct bins *b, struct str s, uint8_t *ret)
{
    if (s.n > BRAND_MAX)
        return "has a brand that is longer than 16 characters";
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
              s.p[i] == '_'))
            return "has a brand that is not of a-z, 0-9 and _";
    *ret = 0;
    if (s.n == 0)
        return NULL;
    for (size_t i = 1; i <= b->brands_n; i++)
        if (str_eq(s, str_from(b->brands[i]))) {
            *ret = (uint8_t)i;
            return NULL;
        }
    if (b->brands_n == BRANDS_MAX)
        return "has the 256th brand: no more than 255 are possible";
    memcpy(b->brands[++b->brands_n], s.p, s.n);
    *ret = (uint8_t)b->brands_n;
    return NULL;
}

static const char *read_funding(struct str s, uint8_t *ret)
{
    for (size_t i = 0; i < COUNT_OF(fundings); i++)
        if (str_eq(s, str_from(fundings[i]))) {
            *ret = (uint8_t)i;
            return NULL;
        }
    return "has a funding that is not credit, debit, prepaid or empty";
}

static const char *read_issuer(struct bins *b, struct str s, struct entry *e)
{
    if (!str_is_utf8(s) || str_codepoints(s) > ISSUER_POINTS)
        return "has an issuer that is not UTF-8 of at most 80 characters";
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F)
            return "has an issuer with a control character";
    e->issuer = s.n ? (uint32_t)(s.p - b->text.p) : 0;
    e->issuer_n = (uint16_t)s.n;
    return NULL;
}

static const char *read_country(struct str s, char ret[2])
{
    memset(ret, 0, 2);
    if (s.n == 0)
        return NULL;
    if (s.n != 2 || s.p[0] < 'A' || s.p[0] > 'Z' || s.p[1] < 'A' || s.p[1] > 'Z')
        return "has a country that is not two letters in upper case (ISO 3166-1), or empty";
    memcpy(ret, s.p, 2);
    return NULL;
}

static const char *read_line(struct bins *b, char *line, size_t n, struct entry *e)
{
    struct str f[FIELDS];
    const char *wrong = cut(line, n, f);
    if (!wrong && !(e->key = key_of(f[0])))
        wrong = "has a bin that is not 6 to 8 digits";
    if (!wrong)
        wrong = read_brand(b, f[1], &e->brand);
    if (!wrong)
        wrong = read_funding(f[2], &e->funding);
    if (!wrong)
        wrong = read_issuer(b, f[3], e);
    if (!wrong)
        wrong = read_country(f[4], e->country);
    return wrong;
}

/* --- the whole --- */

static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line; /* the second one is to blame */
}

static err_t read_all(struct bins *b, size_t lines, struct err_info *reterr)
{
    static const char bom[] = "\xEF\xBB\xBF", head[] = "bin,brand,funding,issuer,country";
    if (b->text.n == 0)
        return OK;
    char *p = b->text.p, *end = p + b->text.n;
    bool first = true;
    if (b->text.n >= 3 && memcmp(p, bom, 3) == 0)
        p += 3;
    for (size_t number = 1; p < end; number++) {
        char *stop = memchr(p, '\n', (size_t)(end - p)), *next = stop ? stop + 1 : end;
        size_t n = (size_t)((stop ? stop : end) - p);
        if (n > 0 && p[n - 1] == '\r')
            n--;
        bool header = first && n == sizeof head - 1 && memcmp(p, head, n) == 0;
        if (n > 0 && p[0] != '#' && !header) {
            ASSERT(b->n < lines);
            struct entry *e = &b->entries[b->n];
            e->line = (uint32_t)number;
            const char *wrong = b->n == BIN_ROWS_MAX ? "is one too many: 2000000 are possible"
                                                     : read_line(b, p, n, e);
            if (wrong)
                return error_set(reterr, ERR_CONFIG, "line %zu %s", number, wrong);
            b->n++;
        }
        first = first && (n == 0 || p[0] == '#');
        p = next;
    }
    return OK;
}

static err_t sort(struct bins *b, struct err_info *reterr)
{
    if (b->n > 1)
        qsort(b->entries, b->n, sizeof *b->entries, by_key);
    for (size_t i = 1; i < b->n; i++)
        if (b->entries[i].key == b->entries[i - 1].key)
            return error_set(reterr, ERR_CONFIG, "line %u has the bin of line %u again",
                             (unsigned)b->entries[i].line, (unsigned)b->entries[i - 1].line);
    return OK;
}

err_t bins_read(struct buf *text, struct bins **ret, struct err_info *reterr)
{
    struct bins *b = mem_alloc(sizeof *b);
    size_t lines = 1;
    for (size_t i = 0; i < text->n; i++)
        lines += text->p[i] == '\n';
    lines = lines < BIN_ROWS_MAX + 1 ? lines : BIN_ROWS_MAX + 1;
    if (b) {
        b->text = *text;
        *text = BUF(0);
        b->entries = mem_alloc(lines * sizeof *b->entries);
    }
    err_t err = OK;
    if (!b || !b->entries)
        err = error_set(reterr, ERR_NO_MEMORY, "no memory for the table of banks");
    else if (b->text.n > BIN_FILE_MAX)
        err = error_set(reterr, ERR_CONFIG, "is larger than 256 MiB");
    if (!err)
        err = read_all(b, lines, reterr);
    if (!err)
        err = sort(b, reterr);
    buf_free(text);
    if (err)
        bins_free(b);
    else
        *ret = b;
    return err;
}

static const struct entry *find(const struct bins *b, uint32_t key)
{
    size_t low = 0, high = b->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->entries[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < b->n && b->entries[low].key == key ? &b->entries[low] : NULL;
}

bool bins_find(const struct bins *b, struct str bin, struct bin_entry *ret)
{
    const struct entry *e = NULL;
    if (bin.n > 8)
        bin.n = 8;
    for (; !e && bin.n >= 6; bin.n--) {
        uint32_t key = key_of(bin);
        e = key ? find(b, key) : NULL;
    }
    *ret = (struct bin_entry){.brand = ""};
    if (!e)
        return false;
    memcpy(ret->brand, b->brands[e->brand], sizeof ret->brand);
    memcpy(ret->funding, fundings[e->funding], strlen(fundings[e->funding]));
    memcpy(ret->issuer, b->text.p + e->issuer, e->issuer_n);
    memcpy(ret->country, e->country, sizeof e->country);
    return true;
}

size_t bins_count(const struct bins *b)
{
    return b->n;
}

void bins_free(struct bins *b)
{
    if (!b)
        return;
    buf_free(&b->text);
    mem_free(b->entries);
    mem_free(b);
}

/* --- the one in use --- */

void bin_table_init(struct bin_table *t)
{
    *t = (struct bin_table){.bins = NULL};
    pthread_mutex_init(&t->lock, NULL);
}

void bin_table_put(struct bin_table *t, struct bins *bins)
{
    pthread_mutex_lock(&t->lock);
    struct bins *old = t->bins;
    t->bins = bins;
    pthread_mutex_unlock(&t->lock);
    bins_free(old);
}

bool bin_table_find(struct bin_table *t, struct str bin, struct bin_entry *ret)
{
    bool found = false;
    *ret = (struct bin_entry){.brand = ""};
    if (!t)
        return false;
    pthread_mutex_lock(&t->lock);
    if (t->bins)
        found = bins_find(t->bins, bin, ret);
    pthread_mutex_unlock(&t->lock);
    return found;
}

void bin_table_release(struct bin_table *t)
{
    bin_table_put(t, NULL);
    pthread_mutex_destroy(&t->lock);
}

/* The index of values, and pages of what is found by them. */
#include "search/search.h"

#include <stdio.h>

#include "crypto/crypto.h"

#define BATCH 128
#define LOOKED_AT_MAX 50000
#define HASH_BYTES 16

/* --- values as the index has them --- */

static void hash_text(const struct crypto_piece *pieces, size_t n, char out[SEARCH_VALUE_MAX + 1])
{
    uint8_t hash[HASH_BYTES];
    crypto_hash(hash, sizeof hash, pieces, n);
    for (size_t i = 0; i < sizeof hash; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static void metadata_text(struct str key, struct str value, char out[SEARCH_VALUE_MAX + 1])
{
    const struct crypto_piece pieces[] = {{key.p, key.n}, {value.p, value.n}};
    hash_text(pieces, COUNT_OF(pieces), out);
}

static void email_text(struct str value, char out[SEARCH_VALUE_MAX + 1])
{
    struct buf lower = BUF((size_t)1 << 16);
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        buf_byte(&lower, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    const struct crypto_piece piece = {lower.p, lower.n};
    hash_text(&piece, 1, out);
    buf_free(&lower);
}

/* Values are short; a longer one is known by its hash. */
static void value_text(enum search_kind kind, struct str value, char out[SEARCH_VALUE_MAX + 1])
{
    ASSERT(kind != SEARCH_METADATA);
    const struct crypto_piece piece = {value.p, value.n};
    if (kind == SEARCH_EMAIL)
        email_text(value, out);
    else if (value.n > SEARCH_VALUE_MAX)
        hash_text(&piece, 1, out);
    else
        (void)snprintf(out, SEARCH_VALUE_MAX + 1, STR_FMT, STR_ARG(value));
}

static const char *other_text(enum search_kind kind, struct id other, char out[ID_TEXT_MAX])
{
    ASSERT(kind == SEARCH_OF_CUSTOMER || kind == SEARCH_OF_ORDER);
    return id_text(kind == SEARCH_OF_CUSTOMER ? ID_CUSTOMER : ID_ORDER, other, out);
}

/* --- the index --- */

static err_t put(struct store_tx *tx, enum sql_id sql, int64_t merchant_id,
                 enum search_object object, enum search_kind kind, const char *text, struct id id)
{
    return store_exec(tx, sql, NULL, V_INT(merchant_id), V_INT(object), V_INT(kind),
                      V_TEXT(str_from(text)), V_ID(&id));
}

static err_t put_value(struct store_tx *tx, enum sql_id sql, int64_t merchant_id,
                       enum search_object object, enum search_kind kind, struct str value,
                       struct id id)
{
    char text[SEARCH_VALUE_MAX + 1];
    if (value.n == 0)
        return OK;
    value_text(kind, value, text);
    return put(tx, sql, merchant_id, object, kind, text, id);
}

static err_t put_metadata(struct store_tx *tx, enum sql_id sql, int64_t merchant_id,
                          enum search_object object, json_t *metadata, struct id id)
{
    const char *key;
    json_t *v;
    json_object_foreach(metadata, key, v)
    {
        char text[SEARCH_VALUE_MAX + 1];
        metadata_text(str_from(key), (struct str){json_string_value(v), json_string_length(v)},
                      text);
        err_t err = put(tx, sql, merchant_id, object, SEARCH_METADATA, text, id);
        if (err)
            return err;
    }
    return OK;
}

err_t search_add(struct store_tx *tx, int64_t merchant_id, enum search_object object,
                 enum search_kind kind, struct str value, struct id id)
{
    return put_value(tx, SQL_SEARCH_INSERT_LOOKUP, merchant_id, object, kind, value, id);
}

err_t search_add_id(struct store_tx *tx, int64_t merchant_id, enum search_object object,
                    enum search_kind kind, struct id other, struct id id)
{
    char text[ID_TEXT_MAX];
    if (id_is_zero(other))
        return OK;
    return search_add(tx, merchant_id, object, kind, str_from(other_text(kind, other, text)), id);
}

err_t search_add_metadata(struct store_tx *tx, int64_t merchant_id, enum search_object object,
                          json_t *metadata, struct id id)
{
    return put_metadata(tx, SQL_SEARCH_INSERT_LOOKUP, merchant_id, object, metadata, id);
}

err_t search_remove(struct store_tx *tx, int64_t merchant_id, enum search_object object,
                    enum search_kind kind, struct str value, struct id id)
{
    return put_value(tx, SQL_SEARCH_DELETE_LOOKUP, merchant_id, object, kind, value, id);
}

err_t search_remove_metadata(struct store_tx *tx, int64_t merchant_id, enum search_object object,
                             json_t *metadata, struct id id)
{
    return put_metadata(tx, SQL_SEARCH_DELETE_LOOKUP, merchant_id, object, metadata, id);
}

json_t *search_members(struct str rendered)
{
    struct buf text = BUF(rendered.n + 2);
    buf_byte(&text, '{');
    buf_add(&text, rendered.p, rendered.n);
    buf_byte(&text, '}');
    json_t *members = text.failed ? NULL : json_loadb(text.p, text.n, 0, NULL);
    ASSERT(text.failed || members != NULL);
    buf_free(&text);
    return members;
}

/* --- terms --- */

static struct search_term *next_term(struct search *s, enum search_kind kind)
{
    if (s->n == SEARCH_TERMS_MAX)
        return NULL;
    s->term[s->n].kind = kind;
    return &s->term[s->n++];
}

bool search_want(struct search *s, enum search_kind kind, struct str value)
{
    struct search_term *t = next_term(s, kind);
    if (t)
        value_text(kind, value, t->value);
    return t != NULL;
}

bool search_want_id(struct search *s, enum search_kind kind, struct id other)
{
    char text[ID_TEXT_MAX];
    return search_want(s, kind, str_from(other_text(kind, other, text)));
}

bool search_want_metadata(struct search *s, struct str key, struct str value)
{
    struct search_term *t = next_term(s, SEARCH_METADATA);
    if (t)
        metadata_text(key, value, t->value);
    return t != NULL;
}

/* --- searching --- */

bool page_has(const struct page *page, int64_t created_us)
{
    return created_us >= page->created_from && created_us <= page->created_to;
}

/* The term that likely fits the fewest is what the others are compared with. */
static size_t rarest(const struct search *s)
{
    static const int rank[] = {
        [SEARCH_REFERENCE] = 1,   [SEARCH_OF_ORDER] = 2, [SEARCH_EMAIL] = 3,
        [SEARCH_OF_CUSTOMER] = 4, [SEARCH_METADATA] = 5, [SEARCH_LAST_FOUR] = 6};
    size_t best = 0;
    for (size_t i = 1; i < s->n; i++)
        if (rank[s->term[i].kind] < rank[s->term[best].kind])
            best = i;
    return best;
}

struct batch {
    size_t n;
    struct id id[BATCH];
};

static err_t take_id(struct store_row *row, void *arg)
{
    struct batch *b = arg;
    ASSERT(b->n < BATCH);
    b->id[b->n++] = row_id(row, 0);
    return OK;
}

static err_t fits(struct store_tx *tx, int64_t merchant_id, enum search_object object,
                  const struct search *s, size_t but, struct id id, bool *ret)
{
    *ret = true;
    for (size_t i = 0; i < s->n && *ret; i++) {
        struct store_row *row;
        if (i == but)
            continue;
        err_t err =
            store_one(tx, SQL_SEARCH_READ_LOOKUP, &row, V_INT(merchant_id), V_INT(object),
                      V_INT(s->term[i].kind), V_TEXT(str_from(s->term[i].value)), V_ID(&id));
        if (err)
            return err;
        *ret = row != NULL;
    }
    return OK;
}

/* Where to begin: at the cursor, or at the end of the times asked for. Ids lead with the
 * millisecond. */
static struct id first_cursor(const struct page *page)
{
    struct id c = page->cursor, edge = {{0}};
    if (page->up) {
        if (page->created_from >= 1000)
            num_put64(edge.b, (uint64_t)(page->created_from / 1000) << 16);
        return memcmp(edge.b, c.b, sizeof c.b) > 0 ? edge : c;
    }
    if (page->created_to < 0 || page->created_to / 1000 >= INT64_C(1) << 47)
        return c;
    num_put64(edge.b, (uint64_t)(page->created_to / 1000 + 1) << 16);
    return memcmp(edge.b, c.b, sizeof c.b) < 0 ? edge : c;
}

static bool beyond(const struct page *page, struct id id)
{
    return page->up ? id_time_ms(id) > page->created_to / 1000
                    : id_time_ms(id) < page->created_from / 1000;
}

err_t search_run(struct store_tx *tx, int64_t merchant_id, enum search_object object,
                 const struct search *s, const struct page *page, search_take *take, void *arg)
{
    ASSERT(s->n > 0 && s->n <= SEARCH_TERMS_MAX && page->limit > 0);
    size_t lead = rarest(s);
    struct id cursor = first_cursor(page);
    int taken = 0;
    for (int looked_at = 0; looked_at < LOOKED_AT_MAX; looked_at += BATCH) {
        struct batch b = {.n = 0};
        err_t err =
            store_each(tx, page->up ? SQL_SEARCH_LIST_LOOKUP_UP : SQL_SEARCH_LIST_LOOKUP_DOWN,
                       take_id, &b, V_INT(merchant_id), V_INT(object), V_INT(s->term[lead].kind),
                       V_TEXT(str_from(s->term[lead].value)), V_ID(&cursor), V_INT(BATCH));
        for (size_t i = 0; !err && i < b.n; i++) {
            bool fit = false, took = false;
            cursor = b.id[i];
            if (taken == page->limit || beyond(page, cursor))
                return OK;
            err = fits(tx, merchant_id, object, s, lead, cursor, &fit);
            if (!err && fit)
                err = take(tx, cursor, arg, &took);
            taken += took;
        }
        if (err || b.n < BATCH)
            return err;
    }
    return ERR_UNPROCESSABLE;
}

#include "events/events.h"

#include "crypto/crypto.h"

static const struct {
    int number;
    struct str text;
} types[] = {
#define X(n, num, t) {num, {t, sizeof(t) - 1}},
    EVENT_TYPES(X)
#undef X
};

const char *event_type_text(int type)
{
    if (type < 1 || (size_t)type > COUNT_OF(types))
        return NULL;
    ASSERT(types[type - 1].number == type); /* numbers are dense, in order of the table */
    return types[type - 1].text.p;
}

int event_type_find(struct str text)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_eq(types[i].text, text))
            return types[i].number;
    return 0;
}

#define MERCHANT_BITS 32
#define SEQUENCE_BITS 42

struct id event_id(int64_t merchant_id, int64_t sequence, int64_t created_us)
{
    ASSERT(merchant_id >= 0 && merchant_id < INT64_C(1) << MERCHANT_BITS);
    ASSERT(sequence > 0 && sequence < INT64_C(1) << SEQUENCE_BITS);
    uint64_t ms = (uint64_t)(created_us / 1000), merchant = (uint64_t)merchant_id;
    struct id id;
    /* UUIDv7: 48 bits time, 4 version, 12 | 2 variant, 62; merchant takes 12 + 20, the sequence 42
     */
    num_put64(id.b, ms << 16 | 0x7000 | merchant >> 20);
    num_put64(id.b + 8,
              UINT64_C(2) << 62 | (merchant & 0xFFFFF) << SEQUENCE_BITS | (uint64_t)sequence);
    return id;
}

int64_t event_id_sequence(struct id id)
{
    return (int64_t)(num_get64(id.b + 8) & ((UINT64_C(1) << SEQUENCE_BITS) - 1));
}

static void put16(uint8_t *p, int v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* The leaf of the hash chain; the byte format is in ledger/README.md, whose verifier reads it with
 * code of its own. */
static void event_leaf(const struct event_new *e, int64_t sequence, int64_t created_us,
                       uint8_t out[32])
{
    uint8_t head[61];
    head[0] = 2;
    num_put64(head + 1, (uint64_t)e->merchant_id);
    num_put64(head + 9, (uint64_t)sequence);
    put16(head + 17, e->type);
    put16(head + 19, e->object_kind);
    memcpy(head + 21, e->object_id.b, 16);
    num_put64(head + 37, (uint64_t)e->object_version);
    num_put64(head + 45, (uint64_t)e->previous);
    num_put64(head + 53, (uint64_t)created_us);
    crypto_hash(out, 32, (const struct crypto_piece[]){{head, sizeof head}, {e->data.p, e->data.n}},
                2);
}

err_t event_append(struct store_tx *tx, const struct det *det, const struct event_new *e,
                   int64_t *ret_sequence)
{
    ASSERT(event_type_text(e->type) && e->object_version > 0);
    ASSERT(e->data.n > 0 && e->data.p[0] == '{');
    int64_t sequence;
    err_t err = store_next(tx, e->merchant_id, SEQUENCE_EVENT, &sequence);
    if (err)
        return err;
    ASSERT(e->previous >= 0 && e->previous < sequence);
    err = store_exec(tx, SQL_EVENTS_INSERT_EVENT, NULL, V_INT(e->merchant_id), V_INT(sequence),
                     V_INT(e->type), V_INT(e->object_kind), V_ID(&e->object_id),
                     V_INT(e->object_version), V_INT(e->previous), V_INT(det->now_us),
                     V_TEXT(e->data));
    if (err)
        return err;
    struct store_note note = {.kind = NOTE_EVENT, .merchant_id = e->merchant_id, .seq = sequence};
    event_leaf(e, sequence, det->now_us, note.hash);
    *ret_sequence = sequence;
    return store_note(tx, &note);
}

static void event_from_row(struct store_row *row, int64_t merchant_id, struct event *ret)
{
    *ret = (struct event){.merchant_id = merchant_id,
                          .sequence = row_int(row, 0),
                          .type = (int)row_int(row, 1),
                          .object_kind = (enum id_kind)row_int(row, 2),
                          .object_id = row_id(row, 3),
                          .object_version = row_int(row, 4),
                          .previous = row_int(row, 5),
                          .created_us = row_int(row, 6),
                          .data = row_text(row, 7)};
}

err_t event_read(struct store_tx *tx, int64_t merchant_id, int64_t sequence, struct event *ret,
                 bool *ret_found)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_EVENTS_SELECT_EVENT, &row, V_INT(merchant_id), V_INT(sequence));
    if (err)
        return err;
    *ret_found = row != NULL;
    if (row) {
        event_from_row(row, merchant_id, ret);
        ASSERT(ret->sequence == sequence);
    }
    return OK;
}

struct each {
    int64_t merchant_id;
    err_t (*each)(const struct event *e, void *arg);
    void *arg;
};

static err_t each_row(struct store_row *row, void *arg)
{
    struct each *x = arg;
    struct event e;
    event_from_row(row, x->merchant_id, &e);
    return x->each(&e, x->arg);
}

err_t event_each_after(struct store_tx *tx, int64_t merchant_id, int64_t after, int max,
                       err_t (*each)(const struct event *e, void *arg), void *arg)
{
    ASSERT(max > 0);
    int64_t upto;
    if (!num_add(after, max, &upto))
        return OK; /* no sequence is that high */
    struct each x = {merchant_id, each, arg};
    return store_each(tx, SQL_EVENTS_SELECT_EVENTS_AFTER, each_row, &x, V_INT(merchant_id),
                      V_INT(after), V_INT(upto));
}

err_t event_each_before(struct store_tx *tx, int64_t merchant_id, int64_t before, int max,
                        err_t (*each)(const struct event *e, void *arg), void *arg)
{
    ASSERT(max > 0);
    struct each x = {merchant_id, each, arg};
    return store_each(tx, SQL_EVENTS_SELECT_EVENTS_BEFORE, each_row, &x, V_INT(merchant_id),
                      V_INT(before > 0 ? before : INT64_MAX), V_INT(max));
}

void event_write(struct jw *w, const char *key, const struct event *e)
{
    jw_object(w, key);
    jw_id(w, "id", ID_EVENT, event_id(e->merchant_id, e->sequence, e->created_us));
    jw_str(w, "type", str_from(event_type_text(e->type)));
    jw_time(w, "created", e->created_us);
    jw_str(w, "api_version", STR(API_VERSION));
    jw_str(w, "mode", e->merchant_id & 1 ? STR("live") : STR("test"));
    jw_int(w, "sequence", e->sequence);
    jw_int(w, "object_version", e->object_version);
    jw_raw(w, "data", e->data);
    jw_object_end(w);
}

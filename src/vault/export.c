/* Cards on their way to another vault. */
#include "vault/vault_internal.h"

#define MAGIC "florin.export.1"
#define HEAD (sizeof MAGIC + 8 + VAULT_KEY)
#define RECORD (16 + 8 + CARD_PACKED)
#define CHUNK_CARDS 256

/* The fingerprint key of no merchant: it is never rotated. */
static err_t identity_seed(struct store_tx *tx, struct vault *v, int64_t now_us, uint8_t ret[32])
{
    int64_t version;
    uint8_t key[VAULT_KEY];
    err_t err = key_current(tx, v, now_us, 0, KEY_FINGERPRINTS, &version, key);
    if (!err)
        crypto_subkey(key, "vault identity", ret);
    mem_wipe(key, sizeof key);
    return err;
}

err_t vault_identity(struct store_tx *tx, struct vault *v, int64_t now_us, uint8_t ret[32])
{
    uint8_t seed[32];
    err_t err = identity_seed(tx, v, now_us, seed);
    if (!err)
        crypto_box_public(seed, ret);
    mem_wipe(seed, sizeof seed);
    return err;
}

/* --- out --- */
struct listed {
    struct id card[CHUNK_CARDS];
    int64_t keep[CHUNK_CARDS];
    int n;
};

static err_t list_one(struct store_row *row, void *arg)
{
    struct listed *l = arg;
    ASSERT(l->n < CHUNK_CARDS);
    l->card[l->n] = row_id(row, 1);
    l->keep[l->n++] = row_int(row, 2);
    return OK;
}

static err_t write_card(struct store_tx *tx, struct vault *v, int64_t merchant_id, struct id card,
                        int64_t keep_until_us, struct buf *out)
{
    struct card c;
    int64_t version;
    uint8_t keep[8], packed[CARD_PACKED];
    err_t err = card_load(tx, v, merchant_id, card, &version, &c);
    if (err)
        return err;
    num_put64(keep, (uint64_t)keep_until_us);
    card_pack(&c, packed);
    buf_add(out, card.b, sizeof card.b);
    buf_add(out, keep, sizeof keep);
    buf_add(out, packed, sizeof packed);
    card_wipe(&c);
    mem_wipe(packed, sizeof packed);
    return OK;
}

static err_t write_head(struct store_tx *tx, struct vault *v, int64_t now_us, int64_t merchant_id,
                        struct buf *out)
{
    uint8_t number[8], key[VAULT_KEY];
    int64_t version;
    err_t err = key_current(tx, v, now_us, merchant_id, KEY_FINGERPRINTS, &version, key);
    num_put64(number, (uint64_t)merchant_id);
    buf_add(out, MAGIC, sizeof MAGIC);
    buf_add(out, number, sizeof number);
    if (!err)
        buf_add(out, key, sizeof key);
    mem_wipe(key, sizeof key);
    return err;
}

err_t vault_export(struct store_tx *tx, struct vault *v, int64_t now_us,
                   const uint8_t recipient[32], int64_t merchant_id, struct id *cursor,
                   struct buf *out, int *ret_n)
{
    struct listed l = {.n = 0};
    struct buf plain = BUF(HEAD + CHUNK_CARDS * RECORD);
    err_t err = store_each(tx, SQL_VAULT_LIST_CARDS, list_one, &l, V_INT(merchant_id), V_ID(cursor),
                           V_INT(CHUNK_CARDS));
    *ret_n = l.n;
    if (err || l.n == 0)
        return err;
    err = write_head(tx, v, now_us, merchant_id, &plain);
    for (int i = 0; !err && i < l.n; i++)
        err = write_card(tx, v, merchant_id, l.card[i], l.keep[i], &plain);
    if (!err && plain.failed)
        err = ERR_NO_MEMORY;
    if (!err)
        crypto_box_to(recipient, buf_view(&plain), out);
    if (plain.p)
        mem_wipe(plain.p, plain.n);
    buf_free(&plain);
    if (!err && out->failed)
        err = ERR_NO_MEMORY;
    if (err)
        return err;
    *cursor = l.card[l.n - 1];
    return vault_audit(tx, now_us, VAULT_EXPORTED, merchant_id, *cursor, "and those before it");
}

/* --- in --- */
/* So that a card has the fingerprint it had; not when there are others already. */
static err_t take_fingerprints(struct store_tx *tx, struct vault *v, int64_t now_us,
                               int64_t merchant_id, const uint8_t key[VAULT_KEY])
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_VAULT_READ_CURRENT_KEY, &row, V_INT(merchant_id),
                          V_INT(KEY_FINGERPRINTS), V_INT(KEY_CURRENT));
    return err || row ? err : key_store(tx, v, now_us, merchant_id, KEY_FINGERPRINTS, 1, key);
}

static err_t take_record(struct store_tx *tx, struct vault *v, int64_t now_us, int64_t merchant_id,
                         const uint8_t *p, int *ret_n)
{
    struct vault_sealed sealed;
    struct card c;
    bool fresh = false;
    memcpy(sealed.card.b, p, sizeof sealed.card.b);
    err_t err = card_unpack(p + 24, &c) ? OK : ERR_CRYPTO;
    if (!err)
        err =
            card_store(tx, v, now_us, merchant_id, (int64_t)num_get64(p + 16), &c, &sealed, &fresh);
    card_wipe(&c);
    *ret_n += !err && fresh;
    return err;
}

static err_t take_chunk(struct store_tx *tx, struct vault *v, int64_t now_us, struct str plain,
                        int *ret_n)
{
    const uint8_t *p = (const uint8_t *)plain.p;
    if (plain.n < HEAD || (plain.n - HEAD) % RECORD != 0 || memcmp(p, MAGIC, sizeof MAGIC) != 0)
        return ERR_CRYPTO;
    int64_t merchant_id = (int64_t)num_get64(p + sizeof MAGIC);
    if (merchant_id <= 0)
        return ERR_CRYPTO;
    err_t err = take_fingerprints(tx, v, now_us, merchant_id, p + sizeof MAGIC + 8);
    for (size_t at = HEAD; !err && at < plain.n; at += RECORD)
        err = take_record(tx, v, now_us, merchant_id, p + at, ret_n);
    return err ? err
               : vault_audit(tx, now_us, VAULT_IMPORTED, merchant_id, (struct id){{0}}, "a chunk");
}

err_t vault_import(struct store_tx *tx, struct vault *v, int64_t now_us, struct str chunk,
                   int *ret_n)
{
    uint8_t seed[32];
    struct buf plain = BUF(HEAD + CHUNK_CARDS * RECORD + 64);
    *ret_n = 0;
    err_t err = identity_seed(tx, v, now_us, seed);
    if (!err)
        err = crypto_box_from(seed, chunk, &plain);
    mem_wipe(seed, sizeof seed);
    if (!err)
        err = take_chunk(tx, v, now_us, buf_view(&plain), ret_n);
    if (plain.p)
        mem_wipe(plain.p, plain.n);
    buf_free(&plain);
    return err;
}

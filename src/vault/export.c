/* Cards on their way to another vault. */
#include "vault/vault_internal.h"

/* A chunk: sealed by one vault for another (crypto_pair), and that in a box of the recipient with a
 * key of its own, so that the sender's key opens none later. In it a head (MAGIC, merchant, export,
 * number of the piece, fingerprint key) and records; the last one has none, and no key. */
#define MAGIC "florin.export.2"
#define AT_MERCHANT sizeof MAGIC
#define AT_PIECE (AT_MERCHANT + 8)
#define PIECE (16 + 8)
#define AT_KEY (AT_PIECE + PIECE)
#define HEAD (AT_KEY + VAULT_KEY)
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

static void put_piece(const struct vault_piece *piece, uint8_t ret[PIECE])
{
    memcpy(ret, piece->export.b, sizeof piece->export.b);
    num_put64(ret + sizeof piece->export.b, (uint64_t)piece->number);
}

static err_t write_head(struct store_tx *tx, struct vault *v, int64_t now_us, int64_t merchant_id,
                        const struct vault_piece *piece, bool last, struct buf *out)
{
    uint8_t number[8], which[PIECE], key[VAULT_KEY] = {0};
    int64_t version;
    err_t err =
        last ? OK : key_current(tx, v, now_us, merchant_id, KEY_FINGERPRINTS, &version, key);
    num_put64(number, (uint64_t)merchant_id);
    put_piece(piece, which);
    buf_add(out, MAGIC, sizeof MAGIC);
    buf_add(out, number, sizeof number);
    buf_add(out, which, sizeof which);
    if (!err)
        buf_add(out, key, sizeof key);
    mem_wipe(key, sizeof key);
    return err;
}

static err_t seal_chunk(struct store_tx *tx, struct vault *v, int64_t now_us,
                        const uint8_t recipient[32], struct str plain, struct buf *out)
{
    uint8_t seed[32];
    struct buf paired = BUF(HEAD + CHUNK_CARDS * RECORD + CRYPTO_PAIR_OVERHEAD);
    err_t err = identity_seed(tx, v, now_us, seed);
    if (!err) {
        crypto_pair_seal(seed, recipient, plain, &paired);
        if (!paired.failed)
            crypto_box_to(recipient, buf_view(&paired), out);
        if (paired.failed || out->failed)
            err = ERR_NO_MEMORY;
    }
    mem_wipe(seed, sizeof seed);
    buf_free(&paired);
    return err;
}

err_t vault_export(struct store_tx *tx, struct vault *v, int64_t now_us,
                   const uint8_t recipient[32], int64_t merchant_id,
                   const struct vault_piece *piece, struct id *cursor, struct buf *out, int *ret_n)
{
    struct listed l = {.n = 0};
    *ret_n = 0;
    if (!crypto_box_usable(recipient))
        return ERR_PARAM_INVALID;
    struct buf plain = BUF(HEAD + CHUNK_CARDS * RECORD);
    err_t err = store_each(tx, SQL_VAULT_LIST_CARDS, list_one, &l, V_INT(merchant_id), V_ID(cursor),
                           V_INT(CHUNK_CARDS));
    *ret_n = l.n;
    if (!err)
        err = write_head(tx, v, now_us, merchant_id, piece, l.n == 0, &plain);
    for (int i = 0; !err && i < l.n; i++)
        err = write_card(tx, v, merchant_id, l.card[i], l.keep[i], &plain);
    if (!err && plain.failed)
        err = ERR_NO_MEMORY;
    if (!err)
        err = seal_chunk(tx, v, now_us, recipient, buf_view(&plain), out);
    if (plain.p)
        mem_wipe(plain.p, plain.n);
    buf_free(&plain);
    if (err || l.n == 0)
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

static err_t take_chunk(struct store_tx *tx, struct vault *v, int64_t now_us,
                        const struct vault_piece *piece, bool only_look, struct str plain,
                        int *ret_n, bool *ret_last)
{
    const uint8_t *p = (const uint8_t *)plain.p;
    uint8_t which[PIECE];
    if (plain.n < HEAD || (plain.n - HEAD) % RECORD != 0 || memcmp(p, MAGIC, sizeof MAGIC) != 0)
        return ERR_CRYPTO;
    int64_t merchant_id = (int64_t)num_get64(p + AT_MERCHANT);
    if (merchant_id <= 0)
        return ERR_CRYPTO;
    put_piece(piece, which);
    if (memcmp(p + AT_PIECE, which, sizeof which) != 0)
        return ERR_STATE;
    *ret_last = plain.n == HEAD;
    if (*ret_last || only_look) {
        *ret_n = (int)((plain.n - HEAD) / RECORD);
        return OK;
    }
    err_t err = take_fingerprints(tx, v, now_us, merchant_id, p + AT_KEY);
    for (size_t at = HEAD; !err && at < plain.n; at += RECORD)
        err = take_record(tx, v, now_us, merchant_id, p + at, ret_n);
    return err ? err
               : vault_audit(tx, now_us, VAULT_IMPORTED, merchant_id, (struct id){{0}}, "a chunk");
}

err_t vault_import(struct store_tx *tx, struct vault *v, int64_t now_us, const uint8_t sender[32],
                   const struct vault_piece *piece, bool only_look, struct str chunk, int *ret_n,
                   bool *ret_last)
{
    uint8_t seed[32];
    struct buf plain = BUF(HEAD + CHUNK_CARDS * RECORD + 64);
    struct buf paired = BUF(HEAD + CHUNK_CARDS * RECORD + 64 + CRYPTO_PAIR_OVERHEAD);
    *ret_n = 0;
    *ret_last = false;
    if (!crypto_box_usable(sender))
        return ERR_PARAM_INVALID;
    err_t err = identity_seed(tx, v, now_us, seed);
    if (!err)
        err = crypto_box_from(seed, chunk, &paired);
    if (!err) {
        err = crypto_pair_open(seed, sender, buf_view(&paired), &plain);
        err = err == ERR_CRYPTO ? ERR_FORBIDDEN : err;
    }
    mem_wipe(seed, sizeof seed);
    buf_free(&paired);
    if (!err)
        err = take_chunk(tx, v, now_us, piece, only_look, buf_view(&plain), ret_n, ret_last);
    if (plain.p)
        mem_wipe(plain.p, plain.n);
    buf_free(&plain);
    return err;
}

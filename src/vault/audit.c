/* Who did what: rows whose hashes are a chain. */
#include "vault/vault_internal.h"

/* Source: PCI DSS 10.2, 10.3. */
static void link_hash(const uint8_t before[32], int64_t number, int64_t at, int64_t action,
                      int64_t whose, struct str card, struct str detail, uint8_t out[32])
{
    uint8_t numbers[32];
    num_put64(numbers, (uint64_t)number);
    num_put64(numbers + 8, (uint64_t)at);
    num_put64(numbers + 16, (uint64_t)action);
    num_put64(numbers + 24, (uint64_t)whose);
    const struct crypto_piece pieces[] = {
        {before, 32}, {numbers, sizeof numbers}, {card.p, card.n}, {detail.p, detail.n}};
    crypto_hash(out, 32, pieces, COUNT_OF(pieces));
}

err_t vault_audit(struct store_tx *tx, int64_t now_us, enum vault_action action,
                  int64_t merchant_id, struct id card, const char *detail)
{
    struct store_row *row;
    uint8_t before[32] = {0}, hash[32];
    err_t err = store_one(tx, SQL_VAULT_READ_LAST_AUDIT, &row, V_INT(0));
    if (err)
        return err;
    int64_t number = row ? row_int(row, 0) + 1 : 1;
    if (row && row_text(row, 1).n == sizeof before)
        memcpy(before, row_text(row, 1).p, sizeof before);
    struct str about = id_is_zero(card) ? (struct str){NULL, 0} : (struct str){(char *)card.b, 16};
    struct str text = str_from(detail);
    text.n = (size_t)num_min((int64_t)text.n, 255);
    link_hash(before, number, now_us, action, merchant_id, about, text, hash);
    return store_exec(tx, SQL_VAULT_INSERT_AUDIT, NULL, V_INT(0), V_INT(number), V_INT(now_us),
                      V_INT(action), V_INT(merchant_id), about.p ? V_ID(&card) : V_NULL,
                      V_TEXT(text), V_BLOB(hash, sizeof hash));
}

struct walk {
    uint8_t before[32];
    int64_t rows, bad;
};

static err_t check_row(struct store_row *row, void *arg)
{
    struct walk *w = arg;
    uint8_t hash[32];
    struct str have = row_text(row, 6);
    link_hash(w->before, row_int(row, 0), row_int(row, 1), row_int(row, 2), row_int(row, 3),
              row_text(row, 4), row_text(row, 5), hash);
    if (!w->bad &&
        (row_int(row, 0) != w->rows + 1 || have.n != 32 || memcmp(have.p, hash, 32) != 0))
        w->bad = w->rows + 1;
    w->rows++;
    memcpy(w->before, hash, sizeof hash);
    return OK;
}

err_t vault_audit_verify(struct store_tx *tx, int64_t *ret_rows, int64_t *ret_bad)
{
    struct walk w = {.rows = 0};
    err_t err = store_each(tx, SQL_VAULT_LIST_AUDIT, check_row, &w, V_INT(0));
    *ret_rows = w.rows;
    *ret_bad = w.bad;
    return err;
}

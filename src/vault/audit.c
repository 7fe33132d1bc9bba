/* Who did what: rows whose hashes are a chain. */
#include "vault/vault_internal.h"

/* Source: PCI DSS 10.2, 10.3. */
void vault_audit_hash(const uint8_t before[32], const struct vault_audited *row, uint8_t ret[32])
{
    uint8_t numbers[32];
    num_put64(numbers, (uint64_t)row->number);
    num_put64(numbers + 8, (uint64_t)row->at_us);
    num_put64(numbers + 16, (uint64_t)row->action);
    num_put64(numbers + 24, (uint64_t)row->merchant_id);
    const struct crypto_piece pieces[] = {{before, 32},
                                          {numbers, sizeof numbers},
                                          {row->card.p, row->card.n},
                                          {row->detail.p, row->detail.n}};
    crypto_hash(ret, 32, pieces, COUNT_OF(pieces));
}

const char *vault_action_text(int64_t action)
{
    switch (action) {
#define X(name, number, text)                                                                      \
    case number:                                                                                   \
        return text;
        VAULT_ACTIONS(X)
#undef X
    default:
        return "unknown";
    }
}

err_t vault_audit(struct store_tx *tx, int64_t now_us, enum vault_action action,
                  int64_t merchant_id, struct id card, const char *detail)
{
    struct store_row *last;
    uint8_t before[32] = {0}, hash[32];
    err_t err = store_one(tx, SQL_VAULT_READ_LAST_AUDIT, &last, V_INT(0));
    if (err)
        return err;
    if (last && row_text(last, 1).n == sizeof before)
        memcpy(before, row_text(last, 1).p, sizeof before);
    struct vault_audited row = {.number = last ? row_int(last, 0) + 1 : 1,
                                .at_us = now_us,
                                .action = action,
                                .merchant_id = merchant_id,
                                .detail = str_from(detail)};
    if (!id_is_zero(card))
        row.card = (struct str){(char *)card.b, sizeof card.b};
    row.detail.n = (size_t)num_min((int64_t)row.detail.n, 255);
    vault_audit_hash(before, &row, hash);
    return store_exec(tx, SQL_VAULT_INSERT_AUDIT, NULL, V_INT(0), V_INT(row.number), V_INT(now_us),
                      V_INT(action), V_INT(merchant_id), row.card.p ? V_ID(&card) : V_NULL,
                      V_TEXT(row.detail), V_BLOB(hash, sizeof hash));
}

/* --- reading --- */
/* false: its hash is none. */
static bool audited(struct store_row *row, struct vault_audited *ret)
{
    struct str hash = row_text(row, 6);
    *ret = (struct vault_audited){.number = row_int(row, 0),
                                  .at_us = row_int(row, 1),
                                  .action = row_int(row, 2),
                                  .merchant_id = row_int(row, 3),
                                  .card = row_text(row, 4),
                                  .detail = row_text(row, 5)};
    if (hash.n == sizeof ret->hash)
        memcpy(ret->hash, hash.p, hash.n);
    return hash.n == sizeof ret->hash;
}

struct walk {
    uint8_t before[32];
    int64_t rows, bad;
};

static err_t check_row(struct store_row *row, void *arg)
{
    struct walk *w = arg;
    struct vault_audited a;
    uint8_t hash[32];
    bool good = audited(row, &a);
    vault_audit_hash(w->before, &a, hash);
    if (!w->bad && (!good || a.number != w->rows + 1 || memcmp(a.hash, hash, sizeof hash) != 0))
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

struct page {
    void (*each)(const struct vault_audited *row, void *arg);
    void *arg;
};

static err_t page_row(struct store_row *row, void *arg)
{
    struct page *p = arg;
    struct vault_audited a;
    (void)audited(row, &a); /* a bad hash is told as zeros, which fit nowhere */
    p->each(&a, p->arg);
    return OK;
}

err_t vault_audit_page(struct store_tx *tx, int64_t after, int max,
                       void (*each)(const struct vault_audited *row, void *arg), void *arg)
{
    struct page p = {each, arg};
    return store_each(tx, SQL_VAULT_LIST_AUDIT_AFTER, page_row, &p, V_INT(0), V_INT(after),
                      V_INT(max));
}

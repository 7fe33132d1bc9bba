/* Operators' commands about cards and the record. */
#include "vault/admin_internal.h"

#define ROWS_AT_ONCE 100

/* --- export and import --- */
static err_t identity(struct store_tx *tx, void *arg)
{
    struct order *o = arg;
    uint8_t key[32];
    err_t err = vault_identity(tx, o->a->config.vault, o->a->now_us, key);
    buf_clear(&o->data);
    buf_hex(&o->data, key, sizeof key);
    return err;
}

err_t order_identity(struct order *o)
{
    ORDER_TAKEN(o);
    err_t err = order_write(o, identity);
    if (!err)
        jw_str(&o->w, "identity", buf_view(&o->data));
    return err;
}

static err_t export(struct store_tx *tx, void *arg)
{
    struct order *o = arg;
    struct id cursor = o->card;
    struct buf chunk = BUF(LINK_PAYLOAD_MAX);
    buf_clear(&o->data); /* it may be repeated */
    err_t err = vault_export(tx, o->a->config.vault, o->a->now_us, (const uint8_t *)o->key.p,
                             o->merchant_id, &o->piece, &cursor, &chunk, &o->n);
    if (!err) {
        buf_add(&o->data, cursor.b, sizeof cursor.b);
        buf_add(&o->data, chunk.p ? chunk.p : "", chunk.n);
    }
    buf_free(&chunk);
    return err;
}

static err_t no_key(struct order *o)
{
    return order_refuse(o, ERR_PARAM_INVALID,
                        "This key is no vault's: nothing can be sealed for "
                        "it. `florin vault identity` says one.");
}

err_t order_export(struct order *o)
{
    o->merchant_id = link_take_int(&o->in);
    o->key = link_take_str(&o->in, VAULT_KEY);
    o->piece.export = link_take_id(&o->in);
    o->piece.number = link_take_int(&o->in);
    o->card = link_take_id(&o->in);
    ORDER_TAKEN(o);
    if (o->merchant_id <= 0 || o->key.n != VAULT_KEY)
        return ERR_BAD_REQUEST;
    err_t err = vault_unlocked(o->a->config.vault) ? order_write(o, export) : ERR_UNAVAILABLE;
    if (err == ERR_PARAM_INVALID)
        return no_key(o);
    jw_int(&o->w, "cards", err ? 0 : o->n);
    o->more = !err && o->n > 0;
    return err;
}

static err_t import(struct store_tx *tx, void *arg)
{
    struct order *o = arg;
    return vault_import(tx, o->a->config.vault, o->a->now_us, (const uint8_t *)o->key.p, &o->piece,
                        o->only_look, o->text, &o->n, &o->last);
}

err_t order_import(struct order *o)
{
    o->key = link_take_str(&o->in, VAULT_KEY);
    o->piece.export = link_take_id(&o->in);
    o->piece.number = link_take_int(&o->in);
    o->only_look = link_take_int(&o->in) != 0;
    o->text = link_take_str(&o->in, LINK_PAYLOAD_MAX);
    ORDER_TAKEN(o);
    if (o->key.n != VAULT_KEY)
        return ERR_BAD_REQUEST;
    err_t err = vault_unlocked(o->a->config.vault) ? order_write(o, import) : ERR_UNAVAILABLE;
    if (err == ERR_CRYPTO)
        return order_refuse(o, err, "This was not made for this vault, or was changed.");
    if (err == ERR_FORBIDDEN)
        return order_refuse(o, err, "This was not made by the vault whose key was given.");
    if (err == ERR_STATE)
        return order_refuse(o, err, "A piece of the export is missing, or is not in its place.");
    if (err == ERR_PARAM_INVALID)
        return no_key(o);
    jw_int(&o->w, "cards", err ? 0 : o->n);
    o->more = !err && !o->last;
    return err;
}

/* --- one card --- */
static err_t forget(struct store_tx *tx, void *arg)
{
    struct order *o = arg;
    struct store_row *row;
    err_t err = store_one(tx, SQL_VAULT_READ_CARD, &row, V_INT(o->merchant_id), V_ID(&o->card));
    if (!err && !row)
        err = ERR_NOT_FOUND;
    return err ? err : vault_forget(tx, o->a->config.vault, o->a->now_us, o->merchant_id, o->card);
}

err_t order_delete(struct order *o)
{
    o->merchant_id = link_take_int(&o->in);
    o->card = link_take_id(&o->in);
    ORDER_TAKEN(o);
    err_t err = order_write(o, forget);
    return err == ERR_NOT_FOUND ? order_refuse(o, err, "There is no such card.") : err;
}

/* --- the record: told row by row; whoever asked verifies the chain, which may be long --- */
static void put_row(const struct vault_audited *row, void *arg)
{
    struct order *o = arg;
    link_put_int(&o->data, row->number);
    link_put_int(&o->data, row->at_us);
    link_put_int(&o->data, row->action);
    link_put_int(&o->data, row->merchant_id);
    link_put_str(&o->data, row->card);
    link_put_str(&o->data, row->detail);
    link_put_bytes(&o->data, row->hash, sizeof row->hash);
    o->n++;
}

static err_t note_reading(struct store_tx *tx, void *arg)
{
    const struct order *o = arg;
    return vault_audit(tx, o->a->now_us, VAULT_ASKED, 0, (struct id){{0}}, o->detail);
}

static err_t read_rows(struct store_tx *tx, void *arg)
{
    struct order *o = arg;
    buf_clear(&o->data);
    o->n = 0;
    return vault_audit_page(tx, o->number, ROWS_AT_ONCE, put_row, o);
}

err_t order_audit(struct order *o)
{
    err_t err = OK;
    o->number = link_take_int(&o->in);
    ORDER_TAKEN(o);
    if (o->number == 0) {
        (void)order_refuse(o, OK, "audit by uid %lld", (long long)o->by->uid);
        err = order_write(o, note_reading);
        o->detail[0] = 0;
    }
    if (!err)
        err = store_read(o->a->config.store, read_rows, o);
    jw_int(&o->w, "rows", o->n);
    o->more = o->n == ROWS_AT_ONCE;
    return err;
}

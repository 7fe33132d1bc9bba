/* Operators' commands about keys. */
#include <stdio.h>

#include "vault/admin_internal.h"

#define MERCHANTS_AT_ONCE 32

static const struct id none = {{0}};

/* --- status --- */
static err_t tell_master(int64_t version, int state, enum vault_source source, struct str wrapped,
                         void *arg)
{
    static const char *const states[] = {"unknown", "current", "retiring", "retired"};
    struct order *o = arg;
    (void)wrapped;
    o->n += 1;
    if (state == KEY_RETIRED)
        return OK;
    jw_object(&o->w, NULL);
    jw_int(&o->w, "version", version);
    jw_str(&o->w, "state", str_from(states[state > 0 && state <= 3 ? state : 0]));
    jw_str(&o->w, "source", str_from(vault_source_text(source)));
    jw_bool(&o->w, "here", master_of(o->a->config.vault, version) != NULL);
    jw_object_end(&o->w);
    return OK;
}

static void tell_shares(struct order *o, const char *key, enum shares_for what)
{
    struct shares_progress p;
    shares_progress(o->a->shares, what, &p);
    if (p.given == 0) {
        jw_null(&o->w, key);
        return;
    }
    jw_object(&o->w, key);
    jw_int(&o->w, "given", p.given);
    jw_int(&o->w, "needed", p.needed);
    jw_str(&o->w, "set", str_from(p.set));
    jw_object_end(&o->w);
}

static err_t read_status(struct store_tx *tx, void *arg)
{
    struct order *o = arg;
    int64_t master, keys, merchants;
    err_t err = vault_rotating(tx, &master, &keys, &merchants);
    if (err)
        return err;
    buf_clear(&o->json); /* it may be repeated */
    o->w = (struct jw){.b = &o->json};
    jw_object(&o->w, NULL);
    jw_str(&o->w, "state", vault_unlocked(o->a->config.vault) ? STR("open") : STR("sealed"));
    jw_array(&o->w, "master_keys");
    err = vault_masters(tx, tell_master, o);
    jw_array_end(&o->w);
    if (master > 0) {
        jw_object(&o->w, "rotation");
        jw_int(&o->w, "retiring_version", master);
        jw_int(&o->w, "keys_left", keys);
        jw_object_end(&o->w);
    } else {
        jw_null(&o->w, "rotation");
    }
    jw_int(&o->w, "merchant_keys_retiring", merchants);
    tell_shares(o, "shares", SHARES_OPEN);
    tell_shares(o, "shares_of_new_key", SHARES_ROTATE);
    jw_str(&o->w, "memory", str_from(secret_quality_text()));
    return err;
}

err_t order_status(struct order *o)
{
    ORDER_TAKEN(o);
    return store_read(o->a->config.store, read_status, o);
}

/* --- shares --- */
static err_t note_share(struct store_tx *tx, void *arg)
{
    const struct order *o = arg;
    return vault_audit(tx, o->a->now_us, VAULT_SHARE_GIVEN, 0, none, o->detail);
}

/* One share; *ret_whole: key is made. */
static err_t take_share(struct order *o, enum shares_for what, bool *ret_whole,
                        uint8_t key[VAULT_KEY])
{
    struct shares_progress p;
    struct str text = link_take_str(&o->in, SHAMIR_TEXT_MAX * 2);
    *ret_whole = false;
    ORDER_TAKEN(o);
    err_t err = shares_give(o->a->shares, what, text, &p, ret_whole, key);
    if (err == ERR_PARAM_INVALID)
        return order_refuse(o, err, "This is no share, or it was mistyped.");
    if (err)
        return order_refuse(o, err,
                            "Share %d of set %s was given already, or does not belong here.",
                            p.number, p.set);
    (void)order_refuse(o, OK, "share %d of set %s by uid %lld", p.number, p.set,
                       (long long)o->by->uid);
    err = order_write(o, note_share);
    o->detail[0] = 0;
    jw_int(&o->w, "given", p.given);
    jw_int(&o->w, "needed", p.needed);
    jw_str(&o->w, "set", str_from(p.set));
    return err;
}

static err_t unlock(struct store_tx *tx, void *arg)
{
    struct order *o = arg;
    return vault_unlock(tx, (const uint8_t *)o->key.p, o->source, o->a->now_us, &o->master);
}

err_t order_unseal(struct order *o)
{
    uint8_t key[VAULT_KEY] = {0};
    bool whole;
    err_t err = take_share(o, SHARES_OPEN, &whole, key);
    if (!err && whole) {
        o->key = (struct str){(const char *)key, sizeof key};
        o->source = VAULT_FROM_SHARES;
        err = order_write(o, unlock);
        if (!err)
            err = vault_take(o->a->config.vault, key, &o->master);
        if (err == ERR_CRYPTO)
            (void)order_refuse(o, err,
                               "These shares do not make this vault's master key. They are "
                               "forgotten: begin again.");
        if (!err)
            vault_server_rotate(o->a->config.server);
    }
    mem_wipe(key, sizeof key);
    if (!err && whole && o->master.retired)
        err = order_refuse(o, ERR_STATE, "These shares make a master key that has retired.");
    if (!err)
        jw_str(&o->w, "state", vault_unlocked(o->a->config.vault) ? STR("open") : STR("sealed"));
    return err;
}

err_t order_forget_shares(struct order *o)
{
    ORDER_TAKEN(o);
    shares_forget(o->a->shares);
    return OK;
}

/* --- rotation of the master key --- */
static err_t begin_rotation(struct store_tx *tx, void *arg)
{
    struct order *o = arg;
    return vault_rotate_master(tx, o->a->config.vault, o->a->now_us, (const uint8_t *)o->key.p,
                               o->source, o->wrapped, &o->master);
}

static bool is_current(const struct vault *v, const uint8_t *key)
{
    const uint8_t *m = master_of(v, v->current);
    return m && mem_equal_ct(m, key, VAULT_KEY) == 1;
}

/* The parent has the new key before anything needs it: killed after the commit, the role still
 * starts. The same key once more finds the rotation begun and is content. */
static err_t rotate(struct order *o)
{
    struct vault_admin *a = o->a;
    const uint8_t *key = (const uint8_t *)o->key.p;
    if (!vault_unlocked(a->config.vault))
        return ERR_UNAVAILABLE;
    if (is_current(a->config.vault, key)) {
        jw_int(&o->w, "version", a->config.vault->current);
        jw_bool(&o->w, "begun_before", true);
        return OK;
    }
    if (!admin_keep(a, key, o->source))
        return order_refuse(o, ERR_UNAVAILABLE,
                            "The parent process does not take the new key; nothing was changed.");
    err_t err = order_write(o, begin_rotation);
    if (!err)
        err = vault_take(a->config.vault, key, &o->master);
    (void)admin_keep(a, NULL, o->source);
    if (err == ERR_STATE)
        return order_refuse(o, err,
                            "A rotation of the master key is under way, or this key has been one "
                            "before.");
    if (err)
        return err;
    vault_server_rotate(a->config.server);
    jw_int(&o->w, "version", o->master.version);
    jw_bool(&o->w, "begun_before", false);
    return OK;
}

err_t order_rotate_master(struct order *o)
{
    int64_t source = link_take_int(&o->in);
    o->key = link_take_str(&o->in, VAULT_KEY);
    o->wrapped = link_take_str(&o->in, 512);
    ORDER_TAKEN(o);
    if (o->key.n != VAULT_KEY || (source != VAULT_FROM_FILE && source != VAULT_FROM_TOKEN))
        return ERR_BAD_REQUEST;
    o->source = (enum vault_source)source;
    return rotate(o);
}

/* A key that was split is not used before enough of its shares have been brought back. */
err_t order_rotate_share(struct order *o)
{
    uint8_t key[VAULT_KEY] = {0};
    bool whole;
    err_t err = vault_unlocked(o->a->config.vault) ? take_share(o, SHARES_ROTATE, &whole, key)
                                                   : ERR_UNAVAILABLE;
    if (!err && whole) {
        o->key = (struct str){(const char *)key, sizeof key};
        o->source = VAULT_FROM_SHARES;
        err = rotate(o);
    }
    mem_wipe(key, sizeof key);
    return err;
}

/* --- rotation of merchants' keys --- */
static err_t rotate_one(struct store_tx *tx, void *arg)
{
    struct order *o = arg;
    return vault_rotate_merchant(tx, o->a->config.vault, o->a->now_us, o->merchant_id);
}

struct merchants {
    int64_t after, id[MERCHANTS_AT_ONCE];
    int max, n;
};

static err_t list_merchants(struct store_tx *tx, void *arg)
{
    struct merchants *m = arg;
    return vault_merchants(tx, m->after, m->id, m->max, &m->n);
}

err_t order_rotate_merchant(struct order *o)
{
    int64_t one = link_take_int(&o->in), after = link_take_int(&o->in);
    struct merchants m = {.after = one ? one - 1 : after, .max = one ? 1 : MERCHANTS_AT_ONCE};
    ORDER_TAKEN(o);
    if (!vault_unlocked(o->a->config.vault))
        return ERR_UNAVAILABLE;
    err_t err = store_read(o->a->config.store, list_merchants, &m);
    if (!err && one && (m.n == 0 || m.id[0] != one))
        return order_refuse(o, ERR_NOT_FOUND, "This merchant has no cards here.");
    int done = 0;
    for (; !err && done < m.n; done++) {
        o->merchant_id = m.id[done];
        err = order_write(o, rotate_one);
    }
    vault_server_rotate(o->a->config.server);
    jw_int(&o->w, "merchants", done);
    jw_int(&o->w, "after", m.n ? m.id[m.n - 1] : after);
    o->more = !one && m.n == m.max;
    return err;
}

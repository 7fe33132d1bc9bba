/* The method of a card that was just typed. */
#include "connect/connect.h"
#include "customers/customers_internal.h"

static struct method_row row_of(const struct det *det, const struct card_facts *facts)
{
    const struct bin_entry *known = &facts->known;
    struct method_row r = method_new(det, METHOD_UNATTACHED);
    struct method *m = &r.m;
    char token[40];
    m->id = facts->card;
    card_token_write(facts->card, token);
    method_text(m->token, sizeof m->token, str_from(token));
    method_text(m->card_brand, sizeof m->card_brand,
                str_from(known->brand[0] ? known->brand : facts->brand));
    method_text(m->card_last_four, sizeof m->card_last_four, str_from(facts->last_four));
    method_text(m->card_bin, sizeof m->card_bin, str_from(facts->bin));
    method_text(m->card_funding, sizeof m->card_funding, str_from(known->funding));
    method_text(m->card_issuer, sizeof m->card_issuer, str_from(known->issuer));
    method_text(m->card_country, sizeof m->card_country, str_from(known->country));
    m->card_exp_month = facts->exp_month;
    m->card_exp_year = facts->exp_year;
    memcpy(m->card_fingerprint, facts->fingerprint, sizeof m->card_fingerprint);
    return r;
}

/* What the page may see on which it was typed. */
static void browser_write(struct jw *w, const struct method *m)
{
    jw_object(w, NULL);
    jw_id(w, "id", ID_PAYMENT_METHOD, m->id);
    jw_str(w, "object", STR("payment_method"));
    jw_str(w, "type", STR("card"));
    jw_str(w, "status",
           m->state == METHOD_ATTACHED     ? STR("attached")
           : m->state == METHOD_UNATTACHED ? STR("unattached")
                                           : STR("detached"));
    jw_object(w, "card");
    jw_str(w, "brand", opt_str(m->card_brand));
    jw_str(w, "last_four", opt_str(m->card_last_four));
    jw_int(w, "exp_month", m->card_exp_month);
    jw_int(w, "exp_year", m->card_exp_year);
    jw_str(w, "funding", opt_str(m->card_funding));
    jw_str(w, "issuer", opt_str(m->card_issuer));
    jw_str(w, "country", opt_str(m->card_country));
    jw_object_end(w);
    jw_object_end(w);
}

static err_t make(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                  struct method_row *r, struct id customer)
{
    bool there = false;
    err_t err = id_is_zero(customer) ? OK : customer_read(tx, merchant_id, customer, &there);
    if (!err && there) {
        r->m.customer = customer;
        err = method_turn(tx, det, merchant_id, r, METHOD_ATTACHED);
    }
    if (!err)
        err = method_insert(tx, merchant_id, r);
    /* Of one that is nobody's the job waits for the end of its day. */
    return err ? err
               : card_follow(tx, merchant_id, &r->m,
                             there ? det->now_us : det->now_us + METHOD_UNATTACHED_US);
}

err_t method_from_card(struct store_tx *tx, struct det *det, int64_t merchant_id,
                       const struct card_facts *facts, struct id customer, struct buf *out)
{
    struct method_row r;
    bool found;
    if (id_is_zero(facts->card) || id_number(facts->card) != 0)
        return ERR_PARAM_INVALID;
    err_t err = method_get(tx, merchant_id, facts->card, &r, &found);
    if (!err && !found) {
        r = row_of(det, facts);
        err = make(tx, det, merchant_id, &r, customer);
    }
    if (err || !out)
        return err;
    browser_write(&(struct jw){.b = out}, &r.m);
    return out->failed ? ERR_NO_MEMORY : OK;
}

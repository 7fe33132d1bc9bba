/* Client tokens: their text, rows, JSON, and what may be done with them when. */
#include "clients/clients.h"

#include <stdio.h>

#include "crypto/crypto.h"
#include "money/money.h"

#define PREFIX "ct_"

/* --- text --- */

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

void client_merchant_text(int64_t merchant_id, char out[CLIENT_MERCHANT_MAX])
{
    char text[14];
    size_t at = sizeof text;
    uint64_t v = (uint64_t)merchant_id;
    ASSERT(merchant_id > 0);
    text[--at] = 0;
    for (; v; v >>= 5)
        text[--at] = digits[v & 31];
    (void)snprintf(out, CLIENT_MERCHANT_MAX, "%s_%s", merchant_id & 1 ? "live" : "test", text + at);
}

bool client_merchant_parse(struct str text, int64_t *ret_merchant)
{
    uint64_t v = 0;
    bool live = str_starts(text, STR("live_"));
    if ((!live && !str_starts(text, STR("test_"))) || text.n < 6 || text.n > 5 + 12)
        return false;
    for (size_t i = 5; i < text.n; i++) {
        const char *d = text.p[i] ? strchr(digits, text.p[i]) : NULL;
        if (!d || (i == 5 && d == digits))
            return false;
        v = v << 5 | (uint64_t)(d - digits);
    }
    if ((v & 1) != live)
        return false;
    *ret_merchant = (int64_t)v;
    return true;
}

void client_token_text(int64_t merchant_id, const char *random, char out[CLIENT_TOKEN_TEXT_MAX])
{
    char merchant[CLIENT_MERCHANT_MAX];
    client_merchant_text(merchant_id, merchant);
    (void)snprintf(out, CLIENT_TOKEN_TEXT_MAX, PREFIX "%s_%.*s", merchant, CLIENT_TOKEN_RANDOM,
                   random);
}

bool client_token_parse(struct str text, int64_t *ret_merchant, uint8_t ret_hash[CLIENT_HASH])
{
    size_t prefix = strlen(PREFIX);
    if (text.n < prefix + CLIENT_TOKEN_RANDOM + 1 || text.n >= CLIENT_TOKEN_TEXT_MAX ||
        !str_starts(text, STR(PREFIX)))
        return false;
    size_t end = text.n - CLIENT_TOKEN_RANDOM - 1;
    if (text.p[end] != '_' ||
        !client_merchant_parse((struct str){text.p + prefix, end - prefix}, ret_merchant))
        return false;
    for (size_t i = end + 1; i < text.n; i++) {
        char c = text.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
            return false;
    }
    crypto_sha256(text.p, text.n, ret_hash);
    return true;
}

/* --- origins --- */

static bool is_local(struct str host)
{
    return str_eq(host, STR("localhost")) || str_eq(host, STR("127.0.0.1")) ||
           str_eq(host, STR("::1"));
}

bool client_origin(struct str text, bool http, char out[CLIENT_ORIGIN_MAX])
{
    struct url url;
    char host[CLIENT_ORIGIN_MAX], port[8] = "";
    if (text.n && text.p[text.n - 1] == '/') /* as people copy it */
        text.n--;
    if (text.n >= CLIENT_ORIGIN_MAX || !url_parse(text, &url) || !str_eq(url.path, STR("/")) ||
        url.host.n == 0 || url.path.p == text.p + text.n - 1)
        return false;
    for (size_t i = 0; i < url.host.n; i++) {
        char c = url.host.p[i];
        host[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    host[url.host.n] = 0;
    bool secure = str_eq_nocase(url.scheme, STR("https"));
    if (!secure && !http && !is_local(str_from(host)))
        return false;
    if (url.port != (secure ? 443 : 80))
        (void)snprintf(port, sizeof port, ":%d", url.port);
    bool six = strchr(host, ':') != NULL;
    int n = snprintf(out, CLIENT_ORIGIN_MAX, "%s://%s%s%s%s", secure ? "https" : "http",
                     six ? "[" : "", host, six ? "]" : "", port);
    return n > 0 && n < CLIENT_ORIGIN_MAX;
}

/* --- rows --- */

static const char *const purposes[] = {
    [CLIENT_PAYMENT_METHOD] = "payment_method", [CLIENT_PAYMENT] = "payment"};

int client_purpose_find(struct str text)
{
    for (int p = CLIENT_PAYMENT_METHOD; p <= CLIENT_PAYMENT; p++)
        if (str_eq(text, str_from(purposes[p])))
            return p;
    return 0;
}

static struct sql_value opt_id_value(const struct id *id)
{
    return id_is_zero(*id) ? V_NULL : V_ID(id);
}

static struct id opt_id(struct store_row *row, int column)
{
    return row_null(row, column) ? (struct id){{0}} : row_id(row, column);
}

err_t client_token_insert(struct store_tx *tx, int64_t merchant_id, const uint8_t hash[CLIENT_HASH],
                          const struct client_token *t)
{
    ASSERT(!id_is_zero(t->id) && t->state == CLIENT_ISSUED && t->amount_min <= t->amount_max &&
           t->details.n >= 2 && t->details.p[0] == '{');
    return store_exec(tx, SQL_CLIENTS_INSERT_TOKEN, NULL, V_INT(merchant_id),
                      V_BLOB(hash, CLIENT_HASH), V_ID(&t->id), V_INT(t->purpose),
                      V_INT(t->amount_min), V_INT(t->amount_max), V_INT(t->currency),
                      V_INT(t->created_us), V_INT(t->expires_us), opt_id_value(&t->customer),
                      opt_id_value(&t->checkout), V_TEXT(str_from(t->origin)), V_TEXT(t->details));
}

err_t client_token_read(struct store_tx *tx, int64_t merchant_id, const uint8_t hash[CLIENT_HASH],
                        struct client_token *ret, bool *ret_found)
{
    struct store_row *row;
    err_t err =
        store_one(tx, SQL_CLIENTS_READ_TOKEN, &row, V_INT(merchant_id), V_BLOB(hash, CLIENT_HASH));
    *ret_found = !err && row != NULL;
    if (!*ret_found)
        return err;
    *ret = (struct client_token){.id = row_id(row, 0),
                                 .state = (enum client_state)row_int(row, 1),
                                 .purpose = (enum client_purpose)row_int(row, 2),
                                 .amount_min = row_int(row, 3),
                                 .amount_max = row_int(row, 4),
                                 .currency = (int16_t)row_int(row, 5),
                                 .created_us = row_int(row, 6),
                                 .expires_us = row_int(row, 7),
                                 .customer = opt_id(row, 8),
                                 .checkout = opt_id(row, 9),
                                 .payment_method = opt_id(row, 10),
                                 .payment = opt_id(row, 11),
                                 .details = row_text(row, 13)};
    (void)snprintf(ret->origin, sizeof ret->origin, STR_FMT, STR_ARG(row_text(row, 12)));
    return OK;
}

/* --- JSON --- */

static void write_opt_id(struct jw *w, const char *key, enum id_kind kind, struct id id)
{
    if (id_is_zero(id))
        jw_null(w, key);
    else
        jw_id(w, key, kind, id);
}

static void write_amounts(struct jw *w, const struct client_token *t)
{
    const struct currency *c = t->currency ? currency_by_number(t->currency) : NULL;
    if (c && t->amount_min == t->amount_max)
        jw_int(w, "amount", t->amount_min);
    else
        jw_null(w, "amount");
    if (c) {
        jw_int(w, "amount_min", t->amount_min);
        jw_int(w, "amount_max", t->amount_max);
    } else {
        jw_null(w, "amount_min");
        jw_null(w, "amount_max");
    }
    jw_str(w, "currency", str_from(c ? c->code : NULL));
}

void client_token_write(struct jw *w, int64_t merchant_id, const struct client_token *t,
                        const char *text, int64_t now_us)
{
    static const char *const states[] = {
        [CLIENT_ISSUED] = "issued", [CLIENT_CARD_GIVEN] = "card_given", [CLIENT_USED] = "used"};
    bool expired = t->state != CLIENT_USED && now_us >= t->expires_us;
    ASSERT(t->details.n >= 2);
    jw_object(w, NULL);
    jw_id(w, "id", ID_CLIENT_TOKEN, t->id);
    jw_str(w, "object", STR("client_token"));
    jw_str(w, "mode", merchant_id & 1 ? STR("live") : STR("test"));
    if (text)
        jw_str(w, "client_token", str_from(text));
    jw_str(w, "purpose", str_from(purposes[t->purpose]));
    jw_str(w, "status", str_from(expired ? "expired" : states[t->state]));
    jw_str(w, "origin", str_from(t->origin));
    write_amounts(w, t);
    write_opt_id(w, "customer", ID_CUSTOMER, t->customer);
    write_opt_id(w, "payment_method", ID_PAYMENT_METHOD, t->payment_method);
    write_opt_id(w, "payment", ID_PAYMENT, t->payment);
    if (t->details.n > 2) { /* the members of the object */
        buf_byte(w->b, ',');
        buf_add(w->b, t->details.p + 1, t->details.n - 2);
    }
    jw_time(w, "expires_at", t->expires_us);
    jw_time(w, "created", t->created_us);
    jw_object_end(w);
}

/* --- cards --- */

static err_t unknown_token(struct err_info *reterr)
{
    return error_set(reterr, ERR_UNAUTHENTICATED, "There is no such client token.");
}

err_t client_token_check(const struct client_token *t, int64_t now_us, struct str origin,
                         struct err_info *reterr)
{
    if (t->state == CLIENT_USED)
        return error_set(reterr, ERR_UNAUTHENTICATED,
                         "This client token was used: ask for another.");
    if (t->state == CLIENT_CARD_GIVEN)
        return error_set(reterr, ERR_UNAUTHENTICATED,
                         "A card was given under this client token: ask for another.");
    if (now_us >= t->expires_us)
        return error_set(reterr, ERR_UNAUTHENTICATED,
                         "This client token has expired: ask for another.");
    if (!str_eq(origin, str_from(t->origin)))
        return error_set(reterr, ERR_FORBIDDEN,
                         "This client token is for pages of another origin.");
    return OK;
}

err_t client_token_give(struct store_tx *tx, int64_t merchant_id, const uint8_t hash[CLIENT_HASH],
                        struct id card, int64_t now_us, struct client_token *ret,
                        struct err_info *reterr)
{
    bool found;
    err_t err = client_token_read(tx, merchant_id, hash, ret, &found);
    if (err)
        return err;
    if (!found)
        return unknown_token(reterr);
    if (ret->state != CLIENT_ISSUED)
        return id_eq(ret->payment_method, card)
                   ? OK
                   : error_set(reterr, ERR_STATE,
                               "Another card was given under this client token: ask for another "
                               "token.");
    /* It was checked before the card was sealed; the time since then is ours. */
    return store_exec_one(tx, SQL_CLIENTS_GIVE_CARD, ERR_SOFT, V_ID(&card), V_INT(now_us),
                          V_INT(merchant_id), V_BLOB(hash, CLIENT_HASH));
}

/* --- payments --- */

static err_t check_amount(const struct client_token *t, int64_t amount, int16_t currency,
                          struct err_info *reterr)
{
    if (currency != t->currency)
        return error_param(reterr, ERR_PARAM_INVALID, "currency", "must be that of the token: %s",
                           currency_by_number(t->currency)->code);
    if (amount >= t->amount_min && amount <= t->amount_max)
        return OK;
    if (t->amount_min == t->amount_max)
        return error_param(reterr, ERR_PARAM_INVALID, "amount", "must be that of the token: %lld",
                           (long long)t->amount_min);
    return error_param(reterr, ERR_PARAM_INVALID, "amount",
                       "must be what the token allows: %lld to %lld", (long long)t->amount_min,
                       (long long)t->amount_max);
}

static err_t check_use(const struct client_token *t, int64_t now_us, struct err_info *reterr)
{
    if (t->purpose != CLIENT_PAYMENT)
        return error_set(reterr, ERR_FORBIDDEN,
                         "This client token is for a payment method, not for a payment.");
    if (t->state == CLIENT_USED)
        return error_set(reterr, ERR_STATE, "This client token was used for a payment.");
    if (now_us >= t->expires_us)
        return error_set(reterr, ERR_UNAUTHENTICATED,
                         "This client token has expired: ask for another.");
    if (t->state == CLIENT_ISSUED)
        return error_set(reterr, ERR_STATE, "No card was given under this client token yet.");
    return OK;
}

static err_t check_checkout(struct store_tx *tx, int64_t merchant_id, const struct client_token *t,
                            int64_t now_us, struct id *ret_earlier, struct err_info *reterr)
{
    struct checkout c;
    bool found;
    *ret_earlier = (struct id){{0}};
    if (id_is_zero(t->checkout))
        return OK;
    err_t err = checkout_read(tx, merchant_id, t->checkout, &c, &found);
    if (err)
        return err;
    if (!found || c.closed || now_us >= c.expires_us)
        return error_set(reterr, ERR_STATE, "This checkout has expired.");
    *ret_earlier = c.payment;
    return OK;
}

err_t client_token_claim(struct store_tx *tx, int64_t merchant_id, const uint8_t hash[CLIENT_HASH],
                         int64_t amount, int16_t currency, int64_t now_us, struct id *ret_earlier,
                         struct err_info *reterr)
{
    struct client_token t;
    bool found;
    err_t err = client_token_read(tx, merchant_id, hash, &t, &found);
    if (err)
        return err;
    if (!found)
        return unknown_token(reterr);
    err = check_use(&t, now_us, reterr);
    if (!err)
        err = check_amount(&t, amount, currency, reterr);
    return err ? err : check_checkout(tx, merchant_id, &t, now_us, ret_earlier, reterr);
}

err_t client_tokens_delete(struct store_tx *tx, int64_t before_us, int64_t *ret_deleted)
{
    return store_exec(tx, SQL_CLIENTS_DELETE_CLIENT_TOKENS, ret_deleted, V_INT(before_us));
}

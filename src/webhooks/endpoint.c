#include <arpa/inet.h>

#include "crypto/crypto.h"
#include "webhooks/webhooks_internal.h"

#define URL_MAX 2048
#define DESCRIPTION_MAX 500
#define SECRET_BYTES 32
#define DETAILS_MAX ((size_t)256 * 1024)
#define EVENTS_TEXT_MAX 4096

/* --- checks --- */

/* An address written in the URL itself; names are judged when they are connected to. */
static bool host_private(struct str host)
{
    char text[64];
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (str_eq_nocase(host, STR("localhost")))
        return true;
    if (host.n >= sizeof text)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = 0;
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return !http_address_public((struct sockaddr *)&v4);
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        return !http_address_public((struct sockaddr *)&v6);
    return false;
}

static err_t check_url(struct str text, bool allow_private, struct err_info *reterr)
{
    struct url url;
    if (!text.p)
        return error_param(reterr, ERR_PARAM_MISSING, "url", "A URL is required.");
    if (text.n > URL_MAX)
        return error_param(reterr, ERR_PARAM_INVALID, "url", "At most %d characters.", URL_MAX);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~')
            return error_param(reterr, ERR_PARAM_INVALID, "url",
                               "Only visible ASCII characters; others are written with %%.");
    if (!url_parse(text, &url))
        return error_param(
            reterr, ERR_PARAM_INVALID, "url",
            "This must be an https URL with a host, without user information and fragment.");
    if (!allow_private && !str_eq(url.scheme, STR("https")))
        return error_param(reterr, ERR_PARAM_INVALID, "url", "This must be an https URL.");
    if (!allow_private && host_private(url.host))
        return error_param(reterr, ERR_PARAM_INVALID, "url",
                           "This address is not reachable from the public internet.");
    return OK;
}

static err_t check_events(json_t *list, struct err_info *reterr)
{
    uint64_t seen = 0;
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0)
        return error_param(reterr, ERR_PARAM_INVALID, "enabled_events",
                           "This must be a list of event types, or [\"*\"].");
    for (size_t i = 0; i < n; i++) {
        json_t *v = json_array_get(list, i);
        struct str text = {json_string_value(v), json_string_length(v)};
        int type = text.p ? event_type_find(text) : 0;
        ASSERT(type < 64);
        if (type == 0 && !(text.p && str_eq(text, STR("*"))))
            return error_param(reterr, ERR_PARAM_INVALID, "enabled_events",
                               "Element %zu is no event type that can be sent.", i);
        if (seen >> type & 1)
            return error_param(reterr, ERR_PARAM_INVALID, "enabled_events",
                               "Element %zu is there twice.", i);
        seen |= UINT64_C(1) << type;
    }
    return OK;
}

err_t endpoint_check(const struct endpoint_input *in, bool allow_private, struct err_info *reterr)
{
    err_t err = check_url(in->url, allow_private, reterr);
    if (!err && in->description.p && str_codepoints(in->description) > DESCRIPTION_MAX)
        err = error_param(reterr, ERR_PARAM_INVALID, "description", "At most %d characters.",
                          DESCRIPTION_MAX);
    if (!err && in->enabled_events)
        err = check_events(in->enabled_events, reterr);
    return err;
}

/* --- rows --- */

static void endpoint_row(struct store_row *row, struct endpoint *ret)
{
    *ret = (struct endpoint){.id = row_id(row, 0),
                             .url = row_text(row, 1),
                             .status = row_int(row, 2),
                             .version = row_int(row, 3),
                             .event_last = row_int(row, 4),
                             .enabled_events = row_text(row, 5),
                             .secret = row_text(row, 6),
                             .cursor = row_int(row, 7),
                             .disabled_reason = row_text(row, 8),
                             .created_us = row_int(row, 9),
                             .updated_us = row_int(row, 10),
                             .details = row_text(row, 11)};
}

err_t endpoint_get(struct store_tx *tx, int64_t merchant_id, struct id id, struct endpoint *ret,
                   bool *ret_found)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_WEBHOOKS_SELECT_ENDPOINT, &row, V_INT(merchant_id), V_ID(&id));
    if (err)
        return err;
    *ret_found = row != NULL;
    if (row)
        endpoint_row(row, ret);
    return OK;
}

uint64_t endpoint_events_mask(struct str enabled_events)
{
    uint64_t mask = 0;
    json_t *list = json_loadb(enabled_events.p, enabled_events.n, 0, NULL);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *v = json_array_get(list, i);
        struct str text = {json_string_value(v), json_string_length(v)};
        mask |= str_eq(text, STR("*")) ? UINT64_MAX : UINT64_C(1) << event_type_find(text);
    }
    json_decref(list);
    return mask;
}

/* Binds a sealed secret to its row. */
static struct str secret_aad(int64_t merchant_id, struct id id, uint8_t out[24])
{
    num_put64(out, (uint64_t)merchant_id);
    memcpy(out + 8, id.b, 16);
    return (struct str){(const char *)out, 24};
}

err_t endpoint_secret(const struct endpoint *e, int64_t merchant_id, const uint8_t key[32],
                      struct buf *out)
{
    uint8_t aad[24];
    return crypto_open(key, secret_aad(merchant_id, e->id, aad), e->secret, out);
}

/* --- JSON --- */

/* secret absent: not shown. */
static void endpoint_write(struct jw *w, const struct endpoint *e, struct str secret)
{
    jw_object(w, NULL);
    jw_id(w, "id", ID_ENDPOINT, e->id);
    jw_str(w, "object", STR("webhook_endpoint"));
    jw_str(w, "url", e->url);
    jw_str(w, "status", e->status == ENDPOINT_ENABLED ? STR("enabled") : STR("disabled"));
    jw_str(w, "disabled_reason", e->disabled_reason);
    jw_raw(w, "enabled_events", e->enabled_events);
    buf_byte(w->b, ',');
    buf_add(w->b, e->details.p, e->details.n); /* rendered members */
    jw_time(w, "created", e->created_us);
    jw_time(w, "updated", e->updated_us);
    if (secret.p)
        jw_str(w, "secret", secret);
    jw_object_end(w);
}

static void details_write(struct buf *out, const struct endpoint_input *in)
{
    struct jw w = {.b = out};
    jw_str(&w, "description", in->description);
    if (in->metadata)
        jw_json(&w, "metadata", in->metadata);
    else
        jw_raw(&w, "metadata", STR("{}"));
}

/* --- making, reading --- */

static err_t event_last(struct store_tx *tx, int64_t merchant_id, int64_t *ret)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_WEBHOOKS_SELECT_EVENT_LAST, &row, V_INT(merchant_id));
    if (!err)
        *ret = row ? row_int(row, 0) : 0;
    return err;
}

static err_t endpoint_insert(struct store_tx *tx, int64_t merchant_id, const struct endpoint *e)
{
    return store_exec(tx, SQL_WEBHOOKS_INSERT_ENDPOINT, NULL, V_INT(merchant_id), V_ID(&e->id),
                      V_TEXT(e->url), V_INT(e->status), V_INT(e->version), V_INT(e->event_last),
                      V_TEXT(e->enabled_events), V_BLOB(e->secret.p, e->secret.n), V_INT(e->cursor),
                      V_INT(e->created_us), V_INT(e->updated_us), V_TEXT(e->details));
}

err_t endpoint_create(struct store_tx *tx, struct det *det, int64_t merchant_id,
                      const struct endpoint_input *in, const uint8_t secret_random[32],
                      const uint8_t secret_key[32], struct buf *out)
{
    struct buf secret = BUF(128), sealed = BUF(256), events = BUF(EVENTS_TEXT_MAX),
               details = BUF(DETAILS_MAX);
    struct jw w = {.b = &events};
    struct endpoint e = {.id = id_new(det),
                         .url = in->url,
                         .status = ENDPOINT_ENABLED,
                         .created_us = det->now_us,
                         .updated_us = det->now_us};
    uint8_t aad[24];
    err_t err = event_last(tx, merchant_id, &e.cursor);
    if (err)
        goto out;
    buf_str(&secret, "whsec_");
    crypto_base64(&secret, secret_random, SECRET_BYTES);
    crypto_seal(secret_key, secret_aad(merchant_id, e.id, aad), buf_view(&secret), &sealed);
    if (in->enabled_events)
        jw_json(&w, NULL, in->enabled_events);
    else
        buf_str(&events, "[\"*\"]");
    details_write(&details, in);
    err = secret.failed || sealed.failed || events.failed || details.failed ? ERR_NO_MEMORY : OK;
    if (err)
        goto out;
    e.enabled_events = buf_view(&events);
    e.details = buf_view(&details);
    e.secret = buf_view(&sealed);
    err = endpoint_insert(tx, merchant_id, &e);
    if (err)
        goto out;
    endpoint_write(&(struct jw){.b = out}, &e, buf_view(&secret));
    err = out->failed ? ERR_NO_MEMORY : OK;
out:
    if (secret.p)
        mem_wipe(secret.p, secret.cap);
    buf_free(&secret);
    buf_free(&sealed);
    buf_free(&events);
    buf_free(&details);
    return err;
}

err_t endpoint_read(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                    bool *ret_found)
{
    struct endpoint e;
    err_t err = endpoint_get(tx, merchant_id, id, &e, ret_found);
    if (!err && *ret_found)
        endpoint_write(&(struct jw){.b = out}, &e, (struct str){NULL, 0});
    return err;
}

struct list_arg {
    struct jw *w;
    int n, max;
};

static err_t list_row(struct store_row *row, void *arg)
{
    struct list_arg *l = arg;
    struct endpoint e;
    if (l->n++ == l->max)
        return OK; /* one more than asked for: there are more */
    endpoint_row(row, &e);
    endpoint_write(l->w, &e, (struct str){NULL, 0});
    return OK;
}

err_t endpoint_list(struct store_tx *tx, int64_t merchant_id, struct id before, int max,
                    struct jw *w, bool *ret_more)
{
    struct list_arg l = {.w = w, .max = max};
    ASSERT(max > 0);
    if (id_is_zero(before))
        memset(before.b, 0xFF, sizeof before.b);
    err_t err = store_each(tx, SQL_WEBHOOKS_SELECT_ENDPOINTS, list_row, &l, V_INT(merchant_id),
                           V_ID(&before), V_INT((int64_t)max + 1));
    if (!err)
        *ret_more = l.n > max;
    return err;
}

/* --- enabling and disabling --- */

static err_t announce(struct store_tx *tx, int64_t merchant_id, struct endpoint *e)
{
    struct buf data = BUF((size_t)1 << 20);
    endpoint_write(&(struct jw){.b = &data}, e, (struct str){NULL, 0});
    struct event_new event = {.merchant_id = merchant_id,
                              .type = EVENT_ENDPOINT_DISABLED,
                              .object_kind = ID_ENDPOINT,
                              .object_id = e->id,
                              .object_version = e->version,
                              .previous = e->event_last,
                              .data = buf_view(&data)};
    err_t err = data.failed ? ERR_NO_MEMORY
                            : event_append(tx, &(struct det){.now_us = e->updated_us}, &event,
                                           &e->event_last);
    buf_free(&data);
    return err;
}

err_t endpoint_set_status(struct store_tx *tx, struct det *det, int64_t merchant_id, struct id id,
                          bool enabled, const char *reason, struct buf *out)
{
    struct endpoint e;
    bool found;
    err_t err = endpoint_get(tx, merchant_id, id, &e, &found);
    if (err)
        return err;
    if (!found)
        return ERR_NOT_FOUND;
    int64_t status = enabled ? ENDPOINT_ENABLED : ENDPOINT_DISABLED;
    if (e.status != status) {
        e.status = status;
        e.updated_us = num_max(e.updated_us, det->now_us);
        e.disabled_reason = enabled ? (struct str){NULL, 0} : str_from(reason);
        /* what happened meanwhile is not sent later by surprise; it can be listed */
        if (enabled)
            err = event_last(tx, merchant_id, &e.cursor);
        if (!err && !enabled) {
            e.version++;
            err = announce(tx, merchant_id, &e);
        }
        if (!err)
            err = store_exec(tx, SQL_WEBHOOKS_UPDATE_ENDPOINT_STATUS, NULL, V_INT(e.status),
                             V_INT(e.version), V_INT(e.event_last), V_INT(e.cursor),
                             V_TEXT(e.disabled_reason), V_INT(e.updated_us), V_INT(merchant_id),
                             V_ID(&id));
        if (!err && !enabled)
            err = deliveries_drop(tx, merchant_id, id, det->now_us);
    }
    if (!err && out)
        endpoint_write(&(struct jw){.b = out}, &e, (struct str){NULL, 0});
    return err;
}

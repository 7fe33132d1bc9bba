/* The bodies of charges and of what follows them. */
#include "sandbox/sandbox_internal.h"

#define BODY_BYTES_MAX 16384

struct body {
    struct str reference, currency, source, descriptor, text;
    struct opt_int amount;
    struct opt_bool capture, final;
    struct str three_ds, exemption, return_url, notify_url, initiator, stored, network;
    json_t *external, *card;
};
struct external {
    struct str version, eci, cavv, ds_id;
};
#define OPTIONAL(n, t, member, most)                                                               \
    {                                                                                              \
        .name = n, .type = t, .flags = WIRE_NULLABLE, .offset = offsetof(struct body, member),     \
        .min = (most) ? 1 : 0, .max = most                                                         \
    }
#define REQUIRED(n, t, lo, hi)                                                                     \
    {                                                                                              \
        .name = #n, .type = t, .flags = WIRE_REQUIRED, .offset = offsetof(struct body, n),         \
        .min = lo, .max = hi                                                                       \
    }

/* Each kind's table is a part of it. amount + 1 must fit, too. */
static const struct wire_field fields[] = {
    OPTIONAL("final", WIRE_BOOL, final, 0),
    REQUIRED(reference, WIRE_STR, 1, REFERENCE_MAX),
    REQUIRED(amount, WIRE_INT, 1, AMOUNT_MAX - 1),
    REQUIRED(currency, WIRE_STR, 3, 3),
    OPTIONAL("source", WIRE_STR, source, 255),
    OPTIONAL("card", WIRE_OBJECT, card, 0),
    OPTIONAL("capture", WIRE_BOOL, capture, 0),
    OPTIONAL("descriptor", WIRE_STR, descriptor, 0),
    OPTIONAL("description", WIRE_STR, text, 0),
    OPTIONAL("three_ds", WIRE_STR, three_ds, 16),
    OPTIONAL("exemption", WIRE_STR, exemption, 32),
    OPTIONAL("external", WIRE_OBJECT, external, 0),
    OPTIONAL("return_url", WIRE_STR, return_url, URL_TEXT_MAX),
    OPTIONAL("notify_url", WIRE_STR, notify_url, URL_TEXT_MAX),
    OPTIONAL("initiator", WIRE_STR, initiator, 16),
    OPTIONAL("stored", WIRE_STR, stored, 16),
    OPTIONAL("network_transaction_id", WIRE_STR, network, 64),
};
static const struct wire_field external_fields[] = {
    {"version", WIRE_STR, WIRE_REQUIRED, offsetof(struct external, version), 1, 8},
    {"eci", WIRE_STR, WIRE_REQUIRED, offsetof(struct external, eci), 2, 2},
    {"cavv", WIRE_STR, WIRE_REQUIRED, offsetof(struct external, cavv), 1, 64},
    {"ds_transaction_id", WIRE_STR, WIRE_NULLABLE, offsetof(struct external, ds_id), 1, 64},
};

static bool currency_valid(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 'A' || s.p[i] > 'Z')
            return false;
    return s.n == 3;
}

/* Index of the word, 0 when it is absent, -1 when it is none of them. */
static int word_of(struct str s, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (!s.p || str_eq(s, str_from(words[i])))
            return i;
    return -1;
}

static const char *copy(const struct call *c, struct str s)
{
    return arena_copy(c->req->arena, s.p ? s.p : "", s.n);
}

static bool printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    return true;
}

static err_t take_external(struct call *c, json_t *json, struct err_info *info)
{
    static const char liable[][3] = {"05", "06", "02", "01"};
    struct external e = {0};
    struct three_ds *d = &c->asks.given;
    err_t err =
        wire_read_in(json, "external", external_fields, COUNT_OF(external_fields), &e, info);
    if (err)
        return err;
    if (!printable(e.version) || !printable(e.eci) || !printable(e.ds_id))
        return error_set(info, ERR_PARAM_INVALID, "external: it has odd characters");
    c->asks.external = true;
    text_copy(d->version, sizeof d->version, e.version);
    text_copy(d->eci, sizeof d->eci, e.eci);
    text_copy(d->ds_id, sizeof d->ds_id, e.ds_id);
    for (size_t i = 0; i < COUNT_OF(liable); i++)
        d->liability |= strcmp(d->eci, liable[i]) == 0;
    return OK;
}

static err_t take_url(struct call *c, struct str s, const char *name, const char **ret,
                      struct err_info *info)
{
    struct url url;
    if (s.p && (s.n > URL_TEXT_MAX || !url_parse(s, &url)))
        return error_set(info, ERR_PARAM_INVALID, "%s: not an http or https URL", name);
    *ret = copy(c, s);
    return *ret ? OK : error_set(info, ERR_NO_MEMORY, "There is no memory for this request.");
}

/* The bearer token decides who can check the webhooks. */
static void take_secret(struct call *c)
{
    struct str given = http_header(c->req, "Authorization");
    size_t scheme = sizeof "Bearer " - 1;
    struct str key = given.n > scheme ? (struct str){given.p + scheme, given.n - scheme} : STR("");
    notify_secret(key, c->asks.secret);
}

/* What only a charge has. */
static err_t take_charge(struct call *c, const struct body *b, struct err_info *info)
{
    static const char *const modes[] = {"automatic", "required", "none"};
    static const char *const initiators[] = {"customer", "merchant"};
    static const char *const stored[] = {"", "first", "subsequent"};
    struct charge_asks *a = &c->asks;
    int mode = word_of(b->three_ds, modes, COUNT_OF(modes));
    int initiator = word_of(b->initiator, initiators, COUNT_OF(initiators));
    int use = word_of(b->stored, stored, COUNT_OF(stored));
    if (mode < 0)
        return error_set(info, ERR_PARAM_INVALID, "three_ds: automatic, required or none");
    if (initiator < 0)
        return error_set(info, ERR_PARAM_INVALID, "initiator: customer or merchant");
    if (use < 0)
        return error_set(info, ERR_PARAM_INVALID, "stored: first or subsequent");
    if (!printable(b->exemption) || !printable(b->network))
        return error_set(info, ERR_PARAM_INVALID,
                         "exemption, network_transaction_id: odd characters");
    a->mode = (enum three_ds_mode)mode;
    a->merchant = initiator == 1;
    a->stored = stored[use];
    a->exemption = copy(c, b->exemption);
    a->network_transaction_id = copy(c, b->network);
    a->descriptor = copy(c, b->descriptor);
    a->base_url = sandbox_base_url(c->s, c->req);
    if (!a->exemption || !a->network_transaction_id || !a->descriptor || !a->base_url)
        return error_set(info, ERR_NO_MEMORY, "There is no memory for this request.");
    if (strlen(a->base_url) >= BASE_URL_MAX)
        return error_set(info, ERR_PARAM_INVALID, "Host: too long");
    if (!b->source.p == !b->card)
        return error_set(info, ERR_PARAM_INVALID, "source: either it or card");
    if (b->source.p)
        c->token = token_find(b->source);
    err_t err = b->card ? typed_card_read(c, b->card, info) : OK;
    if (!err)
        err = take_url(c, b->return_url, "return_url", &a->return_url, info);
    if (!err)
        err = take_url(c, b->notify_url, "notify_url", &a->notify_url, info);
    if (!err && b->external)
        err = take_external(c, b->external, info);
    if (!err && a->notify_url[0])
        take_secret(c);
    return err;
}

static err_t take_body(struct call *c, const struct body *b, struct err_info *info)
{
    struct str charge = c->kind == KIND_CHARGE ? b->reference : c->req->params[0];
    if (!reference_valid(b->reference) || !reference_valid(charge))
        return error_set(info, ERR_PARAM_INVALID, "reference: 1 to 64 letters, digits, _ and -");
    if (c->kind == KIND_CONFIRM && !str_eq(b->reference, charge))
        return error_set(info, ERR_PARAM_INVALID, "reference: not the charge's");
    if (c->kind != KIND_CANCEL && !currency_valid(b->currency))
        return error_set(info, ERR_PARAM_INVALID, "currency: three capital letters");
    c->reference = copy(c, b->reference);
    c->charge = copy(c, charge);
    if (!c->reference || !c->charge)
        return error_set(info, ERR_NO_MEMORY, "There is no memory for this request.");
    text_copy(c->currency, sizeof c->currency, b->currency);
    c->amount = b->amount.value;
    c->capture = !b->capture.set || b->capture.value;
    c->final = b->final.set ? b->final.value : -1;
    return c->kind == KIND_CHARGE ? take_charge(c, b, info) : OK;
}

/* What has a card in it, once it is read. */
static void wipe(const struct call *c, json_t *json)
{
    const char *name;
    json_t *value;
    if (c->kind != KIND_CHARGE || !c->req->body.n)
        return;
    json_object_foreach(json_object_get(json, "card"), name, value)
    {
        if (json_is_string(value))
            mem_wipe((void *)(uintptr_t)json_string_value(value), json_string_length(value));
    }
    mem_wipe((void *)(uintptr_t)c->req->body.p, c->req->body.n);
}

bool call_read(struct call *c)
{
    static const struct json_limits limits = {BODY_BYTES_MAX, 4};
    struct err_info info = {0};
    struct body b = {0};
    json_t *json = NULL;
    size_t first = c->kind == KIND_CAPTURE ? 0 : 1;
    size_t end = c->kind == KIND_CHARGE ? COUNT_OF(fields) : c->kind == KIND_CANCEL ? 2 : 4;
    err_t err = json_read(c->req->body, &limits, &json, &info);
    if (!err)
        err = wire_read(json, fields + first, end - first, &b, &info);
    if (!err)
        err = take_body(c, &b, &info);
    wipe(c, json);
    json_decref(json);
    if (err)
        typed_card_forget(&c->card);
    if (err == ERR_NO_MEMORY)
        answer_code(c->req, 503, "unavailable", info.detail);
    else if (err)
        answer_code(c->req, 400, "invalid_request", info.detail);
    return err == OK;
}

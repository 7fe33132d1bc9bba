/* Requests to the simulated acquirer: strict, so that a connector that changes is noticed. */
#include "sim/provider_internal.h"

#define BODY_BYTES_MAX 65536
#define REFERENCE_MAX 64

static bool reference_valid(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return s.n >= 1 && s.n <= REFERENCE_MAX;
}

void copy_name(char *out, size_t max, struct str s)
{
    ASSERT(s.n < max);
    if (s.n)
        memcpy(out, s.p, s.n);
    out[s.n] = 0;
}

/* --- paths --- */
/* "/v2/charges", "/v2/charges/REFERENCE/captures" and its like; what is between goes to charge. */
static bool read_path(struct str path, struct asked *a)
{
    static const struct {
        struct str head, tail;
        enum act act;
    } paths[] = {
        {STR("/v2/charges/"), STR("/captures"), ACT_CAPTURE},
        {STR("/v2/charges/"), STR("/voids"), ACT_VOID},
        {STR("/v2/charges/"), STR("/refunds"), ACT_REFUND},
        {STR("/v2/charges/"), STR("/increments"), ACT_INCREMENT},
        {STR("/v2/charges/"), STR("/confirm"), ACT_CONFIRM},
        {STR("/v2/refunds/"), STR("/cancel"), ACT_CANCEL_REFUND},
        {STR("/v2/disputes/"), STR("/evidence"), ACT_EVIDENCE},
        {STR("/v2/disputes/"), STR("/accept"), ACT_ACCEPT},
        {STR("/v2/disputes/"), STR(""), ACT_DISPUTE},
        {STR("/v2/operations/"), STR(""), ACT_INQUIRE},
    };
    a->act = ACT_CHARGE;
    if (str_eq(path, STR("/v2/charges")))
        return true;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        size_t head = paths[i].head.n, tail = paths[i].tail.n;
        if (path.n <= head + tail || !str_starts(path, paths[i].head))
            continue;
        struct str name = {path.p + head, path.n - head - tail};
        struct str end = {path.p + path.n - tail, tail};
        if (!str_eq(end, paths[i].tail) || !reference_valid(name))
            continue;
        a->act = paths[i].act;
        copy_name(a->charge, sizeof a->charge, name);
        return true;
    }
    return false;
}

static bool read_key(const char *const *headers, struct asked *a)
{
    const struct str field = STR("Authorization: Bearer ");
    for (; headers && *headers; headers++) {
        struct str line = str_from(*headers);
        if (line.n <= field.n || line.n - field.n >= sizeof a->key ||
            !str_eq_nocase((struct str){line.p, field.n}, field))
            continue;
        copy_name(a->key, sizeof a->key, (struct str){line.p + field.n, line.n - field.n});
        return true;
    }
    return false;
}

/* --- members --- */
static struct str text_of(const json_t *value)
{
    return (struct str){json_string_value(value), json_string_length(value)};
}

static bool read_currency(struct str s, struct asked *a)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 'A' || s.p[i] > 'Z')
            return false;
    if (s.n != 3)
        return false;
    copy_name(a->currency, sizeof a->currency, s);
    return true;
}

/* What follows the host. */
static bool read_url(struct str url, char *out, size_t max)
{
    static const struct str head = STR("http://");
    if (!str_starts(url, head))
        return false;
    const char *slash = memchr(url.p + head.n, '/', url.n - head.n);
    size_t n = slash ? url.n - (size_t)(slash - url.p) : 0;
    if (n < 2 || n >= max)
        return false;
    copy_name(out, max, (struct str){slash, n});
    return true;
}

static bool digits(struct str s, size_t least, size_t most)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n >= least && s.n <= most;
}

/* As in docs/sandbox.md. */
static bool read_card(const json_t *value, struct asked *a)
{
    const json_t *code = json_object_get(value, "cvc"); /* the member is left out without one */
    struct str number = text_of(json_object_get(value, "number")), cvc = text_of(code);
    if (json_object_size(value) != (code ? 4 : 3) || (code && cvc.n < 3) || !digits(number, 12, 19) ||
        !digits(text_of(json_object_get(value, "exp_month")), 2, 2) ||
        !digits(text_of(json_object_get(value, "exp_year")), 4, 4) || !digits(cvc, 0, 4))
        return false;
    copy_name(a->card, sizeof a->card, number);
    a->cvc = cvc.n > 0;
    return true;
}

static bool read_external(const json_t *value, struct asked *a)
{
    const char *name;
    json_t *member;
    a->external = true;
    json_object_foreach((json_t *)(uintptr_t)value, name, member)
    {
        if (!json_is_string(member))
            return false;
        if (strcmp(name, "eci") == 0 && json_string_length(member) < sizeof a->liability)
            copy_name(a->liability, sizeof a->liability, text_of(member));
    }
    return json_is_object(value);
}

static bool one_of(struct str s, const char *one, const char *other, bool *ret_second)
{
    *ret_second = str_eq(s, str_from(other));
    return *ret_second || str_eq(s, str_from(one));
}

static bool read_charge_member(const char *name, const json_t *value, struct asked *a)
{
    struct str text = text_of(value);
    if (json_is_null(value))
        return strcmp(name, "source") != 0;
    if (strcmp(name, "capture") == 0) {
        a->capture = json_is_true(value);
        return json_is_boolean(value);
    }
    if (strcmp(name, "external") == 0)
        return read_external(value, a);
    if (strcmp(name, "card") == 0)
        return read_card(value, a);
    if (!json_is_string(value))
        return false;
    if (strcmp(name, "source") == 0 && text.n > 0 && text.n < sizeof a->source) {
        copy_name(a->source, sizeof a->source, text);
        return true;
    }
    if (strcmp(name, "three_ds") == 0)
        return one_of(text, "automatic", "required", &a->required);
    if (strcmp(name, "initiator") == 0)
        return one_of(text, "customer", "merchant", &a->merchant);
    if (strcmp(name, "stored") == 0) {
        bool known = one_of(text, "first", "subsequent", &a->subsequent);
        a->first = known && !a->subsequent;
        return known;
    }
    if (strcmp(name, "network_transaction_id") == 0 && text.n < sizeof a->network) {
        copy_name(a->network, sizeof a->network, text);
        return true;
    }
    if (strcmp(name, "notify_url") == 0)
        return read_url(text, a->notify, sizeof a->notify);
    if (strcmp(name, "return_url") == 0)
        return read_url(text, a->back, sizeof a->back);
    return strcmp(name, "descriptor") == 0 || strcmp(name, "description") == 0 ||
           strcmp(name, "exemption") == 0;
}

static bool read_evidence(const json_t *value, struct asked *a)
{
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)value, name, member)
    {
        const char *text = json_string_value(member);
        if (!text)
            return false;
        a->wins |= strstr(text, "winning_evidence") != NULL;
        a->loses |= strstr(text, "losing_evidence") != NULL;
    }
    return json_is_object(value);
}

static bool read_member(const char *name, const json_t *value, struct asked *a)
{
    if (strcmp(name, "reference") == 0) {
        if (!reference_valid(text_of(value)))
            return false;
        copy_name(a->reference, sizeof a->reference, text_of(value));
        return true;
    }
    if (a->act == ACT_EVIDENCE)
        return strcmp(name, "evidence") == 0 ? read_evidence(value, a)
                                             : strcmp(name, "files") == 0 && json_is_array(value);
    if (a->act == ACT_CANCEL_REFUND)
        return false;
    if (strcmp(name, "amount") == 0) {
        a->amount = json_integer_value(value);
        return a->amount > 0 && a->amount < AMOUNT_MAX;
    }
    if (strcmp(name, "currency") == 0)
        return read_currency(text_of(value), a);
    if (strcmp(name, "final") == 0 && a->act == ACT_CAPTURE) {
        a->final = json_is_true(value);
        a->final_said = true;
        return json_is_boolean(value);
    }
    return a->act == ACT_CHARGE && read_charge_member(name, value, a);
}

static bool whole(const struct asked *a)
{
    bool money = a->amount > 0 && a->currency[0];
    switch (a->act) {
    case ACT_CHARGE:
        return a->reference[0] && money && !a->source[0] != !a->card[0];
    case ACT_CONFIRM:
        return money && strcmp(a->reference, a->charge) == 0;
    case ACT_EVIDENCE:
    case ACT_CANCEL_REFUND:
        return a->reference[0] != 0;
    default:
        return a->reference[0] && money && strcmp(a->reference, a->charge) != 0;
    }
}

static bool read_body(struct str body, struct asked *a)
{
    static const struct json_limits limits = {BODY_BYTES_MAX, 4};
    struct err_info info = {0};
    json_t *object = NULL, *value;
    const char *name;
    bool ok = json_read(body, &limits, &object, &info) == OK && json_is_object(object);
    a->capture = a->act == ACT_CHARGE;
    if (ok)
        json_object_foreach(object, name, value) ok = ok && read_member(name, value, a);
    json_decref(object);
    if (a->act == ACT_CHARGE)
        memcpy(a->charge, a->reference, sizeof a->charge);
    return ok && whole(a);
}

int read_request(const char *method, struct str path, const char *const *headers, struct str body,
                 struct asked *a, const char **ret_code)
{
    *a = (struct asked){.act = ACT_CHARGE};
    *ret_code = "no_such_path";
    if (!read_path(path, a))
        return 404;
    bool asks = a->act == ACT_DISPUTE || a->act == ACT_INQUIRE;
    *ret_code = "method_not_allowed";
    if (strcmp(method, asks ? "GET" : "POST") != 0)
        return 405;
    *ret_code = "unauthorized";
    if (!read_key(headers, a))
        return 401;
    *ret_code = "invalid_request";
    if (asks || a->act == ACT_ACCEPT)
        return 0;
    return read_body(body, a) ? 0 : 400;
}

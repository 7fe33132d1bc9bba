/* What a manifest says: operations, currencies and exponents, hosts, and which credentials an
 * account needs. Read once, at load. */
#include <stdio.h>

#include "connect/connect_internal.h"

#define EXPONENT_MAX 8
#define NOT_FOUND_FINAL_MS 60000

static err_t wrong(const struct connector *k, struct err_info *reterr, const char *what)
{
    return error_set(reterr, ERR_CONNECTOR, "connector %s: manifest: %.160s", k->name, what);
}

/* An empty Lua table is {} in JSON: no list, but an empty one is meant. */
static bool list_or_nothing(json_t *v)
{
    return !v || json_is_array(v) || (json_is_object(v) && json_object_size(v) == 0);
}

static bool take_operations(struct manifest *m)
{
    json_t *list = json_object_get(m->json, "operations"), *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        enum provider_operation o = operation_find(str_from(json_string_value(item)));
        if (o == OPERATION_COUNT)
            return false;
        m->operation[o] = true;
    }
    return json_array_size(list) > 0;
}

static bool set_exponent(struct manifest *m, const char *code, json_t *exponent)
{
    const struct currency *c = code ? currency_find(str_from(code)) : NULL;
    json_int_t e = json_integer_value(exponent);
    if (!c || c->number < 0 || c->number >= CURRENCY_NUMBERS)
        return false;
    if (exponent && (!json_is_integer(exponent) || e < 0 || e > EXPONENT_MAX))
        return false;
    m->exponent[c->number] = exponent ? (int8_t)e : c->exponent;
    return true;
}

/* currencies: absent (all), a list of codes, or code = exponent. */
static bool take_currencies(struct manifest *m)
{
    json_t *list = json_object_get(m->json, "currencies"), *item;
    const char *code;
    size_t i;
    bool ok = true;
    memset(m->exponent, -1, sizeof m->exponent);
    for (i = 0; !list && i < currency_count(); i++)
        ok = ok && set_exponent(m, currency_at(i)->code, NULL);
    json_array_foreach(list, i, item) ok = ok && set_exponent(m, json_string_value(item), NULL);
    if (json_is_object(list))
        json_object_foreach(list, code, item) ok = ok && set_exponent(m, code, item);
    return ok && (!list || json_is_array(list) || json_is_object(list));
}

/* exponents: where the provider counts otherwise than ISO 4217, in currencies it takes. */
static bool take_exponents(struct manifest *m)
{
    json_t *table = json_object_get(m->json, "exponents"), *item;
    const char *code;
    json_object_foreach(table, code, item)
    {
        const struct currency *c = currency_find(str_from(code));
        if (!c || m->exponent[c->number] < 0 || !set_exponent(m, code, item))
            return false;
    }
    return !table || json_is_object(table) ||
           (json_is_string(table) && strcmp(json_string_value(table), "iso") == 0);
}

static bool field_ok(json_t *field)
{
    json_t *form = json_object_get(field, "form"), *prefix = json_object_get(field, "prefix");
    return json_is_string(json_object_get(field, "name")) &&
           (!form || (json_is_string(form) && strcmp(json_string_value(form), "url") == 0)) &&
           (!prefix || json_is_string(prefix));
}

/* The credential that hosts_from names must be a URL that an account cannot lack. */
static bool take_hosts(struct manifest *m)
{
    json_t *hosts = json_object_get(m->json, "hosts"), *fields, *item;
    bool found = false;
    size_t i;
    json_array_foreach(hosts, i, item)
    {
        if (!json_is_string(item) || m->hosts == HOSTS_MAX)
            return false;
        m->host[m->hosts++] = json_string_value(item);
    }
    m->hosts_from = json_string_value(json_object_get(m->json, "hosts_from"));
    fields = json_object_get(m->json, "credentials");
    json_array_foreach(fields, i, item)
    {
        if (!field_ok(item))
            return false;
        found =
            found || (m->hosts_from && json_object_get(item, "form") &&
                      !json_is_false(json_object_get(item, "required")) &&
                      strcmp(json_string_value(json_object_get(item, "name")), m->hosts_from) == 0);
    }
    return list_or_nothing(hosts) && list_or_nothing(fields) &&
           (m->hosts_from ? found : m->hosts > 0);
}

err_t manifest_read(struct connector *k, struct err_info *reterr)
{
    struct manifest *m = &k->manifest;
    struct json_limits limits = {ANSWER_BYTES_MAX, 16};
    if (m->text.failed || json_read(buf_view(&m->text), &limits, &m->json, NULL) != OK)
        return wrong(k, reterr, "too large, or it cannot be read");
    json_t *final = json_object_get(m->json, "not_found_final_after_ms");
    if (!take_operations(m))
        return wrong(k, reterr, "operations must list some of authorize, capture and the others");
    if (!take_currencies(m) || !take_exponents(m))
        return wrong(k, reterr, "currencies or exponents: ISO 4217 codes, and exponents 0 to 8");
    if (!take_hosts(m))
        return wrong(k, reterr,
                     "credentials need a name; hosts must be listed, or hosts_from must name a "
                     "required credential of form url");
    if (final && (!json_is_integer(final) || json_integer_value(final) < 0))
        return wrong(k, reterr, "not_found_final_after_ms must be a number of milliseconds");
    m->not_found_final_ms = final ? json_integer_value(final) : NOT_FOUND_FINAL_MS;
    return OK;
}

void manifest_free(struct manifest *m)
{
    json_decref(m->json);
    buf_free(&m->text);
    *m = (struct manifest){.json = NULL};
}

int connector_exponent(const struct connector *k, const struct currency *currency)
{
    ASSERT(currency->number >= 0 && currency->number < CURRENCY_NUMBERS);
    return k->manifest.exponent[currency->number];
}

/* --- an account's credentials --- */
static err_t check_value(json_t *field, struct str value, const char *param,
                         struct err_info *reterr)
{
    const char *prefix = json_string_value(json_object_get(field, "prefix"));
    struct url url;
    if (value.n == 0 || value.n > 4096)
        return error_param(reterr, ERR_PARAM_INVALID, param,
                           "must be a string of 1 to 4096 characters");
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7F)
            return error_param(reterr, ERR_PARAM_INVALID, param,
                               "must not hold control characters");
    if (json_object_get(field, "form") && !url_parse(value, &url))
        return error_param(reterr, ERR_PARAM_INVALID, param, "must be an http or https URL");
    if (prefix && !str_starts(value, str_from(prefix)))
        return error_param(reterr, ERR_PARAM_INVALID, param, "must begin with %.40s", prefix);
    return OK;
}

static err_t check_field(json_t *field, json_t *credentials, struct err_info *reterr)
{
    const char *name = json_string_value(json_object_get(field, "name"));
    json_t *value = json_object_get(credentials, name);
    char param[96];
    (void)snprintf(param, sizeof param, "credentials.%.80s", name);
    if (!value)
        return json_is_false(json_object_get(field, "required"))
                   ? OK
                   : error_param(reterr, ERR_PARAM_MISSING, param, "is required by this connector");
    if (!json_is_string(value))
        return error_param(reterr, ERR_PARAM_INVALID, param, "must be a string");
    return check_value(field, (struct str){json_string_value(value), json_string_length(value)},
                       param, reterr);
}

static bool is_field(json_t *fields, const char *name)
{
    json_t *field;
    size_t i;
    json_array_foreach(fields, i, field)
    {
        if (strcmp(json_string_value(json_object_get(field, "name")), name) == 0)
            return true;
    }
    return false;
}

err_t connectors_check_credentials(struct connectors *c, const char *name, json_t *credentials,
                                   struct err_info *reterr)
{
    struct connector *k = connector_find(c, name);
    json_t *field, *value;
    const char *key;
    char param[96];
    err_t err = OK;
    size_t i;
    if (!k)
        return error_param(reterr, ERR_PARAM_INVALID, "connector",
                           "there is no connector of that name");
    json_t *fields = json_object_get(k->manifest.json, "credentials");
    json_array_foreach(fields, i, field)
    {
        err_t one = check_field(field, credentials, reterr);
        err = err ? err : one;
    }
    json_object_foreach(credentials, key, value)
    {
        if (is_field(fields, key))
            continue;
        (void)snprintf(param, sizeof param, "credentials.%.80s", key);
        err_t one =
            error_param(reterr, ERR_PARAM_UNKNOWN, param, "this connector has no such credential");
        err = err ? err : one;
    }
    return err;
}

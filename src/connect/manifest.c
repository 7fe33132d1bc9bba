/* What a manifest says: exponents, and which credentials an account needs. */
#include <stdio.h>

#include "connect/connect_internal.h"

int connector_exponent(struct connectors *c, const struct connector *k,
                       const struct currency *currency)
{
    lua_State *L = c->L;
    int exponent = currency->exponent, top = lua_gettop(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, k->ref);
    lua_getfield(L, -1, "manifest");
    if (lua_getfield(L, -1, "currencies") == LUA_TTABLE) { /* a list of what it takes */
        bool takes = false;
        for (lua_Integer i = 1; !takes && lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
            takes = strcmp(lua_tostring(L, -1), currency->code) == 0;
            lua_pop(L, 1);
        }
        if (!takes)
            exponent = -1;
    }
    lua_settop(L, top + 2);
    if (lua_getfield(L, -1, "exponents") == LUA_TTABLE &&
        lua_getfield(L, -1, currency->code) == LUA_TNUMBER && exponent >= 0)
        exponent = (int)lua_tointeger(L, -1);
    lua_settop(L, top);
    return exponent >= 0 && exponent <= 8 ? exponent : -1;
}

static err_t check_field(json_t *field, json_t *credentials, struct err_info *reterr)
{
    const char *name = json_string_value(json_object_get(field, "name"));
    const char *form = json_string_value(json_object_get(field, "form"));
    json_t *value = name ? json_object_get(credentials, name) : NULL;
    struct url url;
    char param[96];
    (void)snprintf(param, sizeof param, "credentials.%.80s", name ? name : "?");
    if (!value)
        return json_is_false(json_object_get(field, "required"))
                   ? OK
                   : error_param(reterr, ERR_PARAM_MISSING, param, "is required by this connector");
    if (!json_is_string(value) || json_string_length(value) == 0 ||
        json_string_length(value) > 4096)
        return error_param(reterr, ERR_PARAM_INVALID, param,
                           "must be a string of 1 to 4096 characters");
    for (const char *p = json_string_value(value); *p; p++)
        if ((unsigned char)*p < 0x20)
            return error_param(reterr, ERR_PARAM_INVALID, param,
                               "must not hold control characters");
    if (form && strcmp(form, "url") == 0 &&
        !url_parse((struct str){json_string_value(value), json_string_length(value)}, &url))
        return error_param(reterr, ERR_PARAM_INVALID, param, "must be an http or https URL");
    return OK;
}

err_t connectors_check_credentials(struct connectors *c, const char *name, json_t *credentials,
                                   struct err_info *reterr)
{
    struct connector *k = connector_find(c, name);
    struct json_limits limits = {ANSWER_BYTES_MAX, 16};
    json_t *manifest = NULL, *field, *value;
    const char *key;
    size_t i;
    if (!k)
        return error_param(reterr, ERR_PARAM_INVALID, "connector",
                           "there is no connector of that name");
    err_t err = json_read(buf_view(&k->manifest), &limits, &manifest, NULL);
    if (err)
        return error_set(reterr, ERR_CONNECTOR, "the connector's manifest cannot be read");
    json_t *fields = json_object_get(manifest, "credentials");
    json_array_foreach(fields, i, field)
    {
        err_t one = check_field(field, credentials, reterr);
        err = err ? err : one;
    }
    json_object_foreach(credentials, key, value)
    {
        bool known = false;
        char param[96];
        json_array_foreach(fields, i, field)
        {
            const char *n = json_string_value(json_object_get(field, "name"));
            known = known || (n && strcmp(n, key) == 0);
        }
        (void)snprintf(param, sizeof param, "credentials.%.80s", key);
        if (!known) {
            err_t one = error_param(reterr, ERR_PARAM_UNKNOWN, param,
                                    "this connector has no such credential");
            err = err ? err : one;
        }
    }
    json_decref(manifest);
    return err;
}

/* Strict JSON in, over jansson. No piece of the input enters an error text: it may hold a secret.
 */
#include "wire/wire_internal.h"

#define DEPTH_LIMIT 1024 /* below jansson's own, whose parser recurses */

/* libjansson 2.14 does not look whether its buffer for a string could grow, and then writes beyond
 * it: without memory for JSON the process ends here. */
static void *json_memory(size_t n)
{
    void *p = mem_alloc(n);
    if (!p)
        check_panic("wire: no memory for JSON");
    return p;
}

void wire_init(void)
{
    json_set_alloc_funcs(json_memory, mem_free);
    json_object_seed(0);
}

/* Walks brackets outside strings before anything is allocated. Returns the offset of the first one
 * that opens a level too deep, or the size of the body. */
static size_t too_deep_at(struct str body, int depth_max)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < body.n; i++) {
        char c = body.p[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > depth_max)
                return i;
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return body.n;
}

static const char *syntax_text(enum json_error_code code)
{
    switch ((int)code) {
    case json_error_premature_end_of_input:
        return "it ends too early";
    case json_error_invalid_utf8:
        return "a string is not well-formed UTF-8";
    case json_error_duplicate_key:
        return "an object has the same member twice";
    case json_error_numeric_overflow:
        return "a number is out of range (integers have 64 bits)";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a string contains the NUL character";
    case json_error_end_of_input_expected:
        return "something follows after the value";
    default:
        return "this is not JSON syntax";
    }
}

err_t json_read(struct str body, const struct json_limits *limits, json_t **ret,
                struct err_info *reterr)
{
    ASSERT(limits->depth_max > 0 && limits->depth_max <= DEPTH_LIMIT);
    ASSERT(body.p || body.n == 0);
    if (body.n > limits->bytes_max)
        return error_set(reterr, ERR_TOO_LARGE, "the JSON text has %zu bytes, at most %zu are read",
                         body.n, limits->bytes_max);
    if (body.n == 0)
        return error_set(reterr, ERR_BAD_JSON, "the JSON text is empty");
    if (body.n >= 3 && memcmp(body.p, "\xEF\xBB\xBF", 3) == 0)
        return error_set(reterr, ERR_BAD_JSON,
                         "line 1, column 1: a byte order mark is not allowed");
    size_t deep = too_deep_at(body, limits->depth_max);
    if (deep < body.n)
        return error_set(reterr, ERR_BAD_JSON, "byte %zu: nested deeper than %d levels", deep,
                         limits->depth_max);
    json_error_t e;
    json_t *value = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, &e);
    if (!value && json_error_code(&e) == json_error_out_of_memory)
        return error_set(reterr, ERR_NO_MEMORY, "no memory to read the JSON text");
    if (!value)
        return error_set(reterr, ERR_BAD_JSON, "line %d, column %d: %s", e.line, e.column,
                         syntax_text(json_error_code(&e)));
    *ret = value;
    return OK;
}

/* A request body on its way in and out again: what is read keeps the limits, every error makes a
 * readable problem document, and what is written is read again and equal. */
#include "wire/wire.h"

#define DEPTH 16

struct body {
    struct opt_int amount;
    struct str currency, token, description;
    struct opt_bool capture;
    json_t *events, *metadata, *three_ds;
};

static const struct wire_field fields[] = {
    {"amount", WIRE_INT, WIRE_REQUIRED, offsetof(struct body, amount), 1, AMOUNT_MAX},
    {"currency", WIRE_STR, WIRE_REQUIRED, offsetof(struct body, currency), 3, 3},
    {"payment_method_token", WIRE_STR, WIRE_NULLABLE, offsetof(struct body, token), 1, 64},
    {"description", WIRE_STR, WIRE_NULLABLE, offsetof(struct body, description), 0, 20},
    {"capture", WIRE_BOOL, 0, offsetof(struct body, capture), 0, 0},
    {"enabled_events", WIRE_STR_LIST, 0, offsetof(struct body, events), 1, 4},
    {"metadata", WIRE_METADATA, 0, offsetof(struct body, metadata), 0, 0},
    {"three_ds", WIRE_OBJECT, WIRE_NULLABLE, offsetof(struct body, three_ds), 0, 0},
};

static void check_string(const char *p, size_t n)
{
    ASSERT(str_is_utf8((struct str){p, n})); /* and without NUL */
}

static void check_value(json_t *value, int depth)
{
    const char *name;
    json_t *v;
    size_t i;
    ASSERT(depth <= DEPTH || (!json_is_object(value) && !json_is_array(value)));
    json_object_foreach(value, name, v)
    {
        check_string(name, strlen(name));
        check_value(v, depth + 1);
    }
    json_array_foreach(value, i, v) check_value(v, depth + 1);
    if (json_is_string(value))
        check_string(json_string_value(value), json_string_length(value));
}

static void check_problem(const struct err_info *info)
{
    static const struct json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8};
    struct buf out = BUF(1 << 20);
    struct id id = {{1}};
    json_t *v = NULL;
    ASSERT(info->err != OK && info->detail[0]);
    problem_write(&out, info, id, NULL, NULL);
    ASSERT(!out.failed);
    err_t err = json_read(buf_view(&out), &limits, &v, NULL);
    ASSERT(err == OK);
    ASSERT(json_array_size(json_object_get(v, "errors")) == (size_t)info->items);
    json_decref(v);
    buf_free(&out);
}

static void check_read(json_t *value)
{
    struct body body = {0};
    struct err_info info = {0};
    err_t err = wire_read(value, fields, COUNT_OF(fields), &body, &info);
    if (err != OK) {
        check_problem(&info);
        return;
    }
    ASSERT(body.amount.set && body.amount.value >= 1 && body.amount.value <= AMOUNT_MAX);
    ASSERT(str_codepoints(body.currency) == 3);
    ASSERT(!body.description.p || str_codepoints(body.description) <= 20);
    ASSERT(!body.metadata || json_object_size(body.metadata) <= 50);
    ASSERT(!body.events || json_array_size(body.events) <= 4);
}

static void write_twice(json_t *value)
{
    static const struct json_limits limits = {.bytes_max = 1 << 24, .depth_max = DEPTH};
    struct buf out = BUF(1 << 24), again = BUF(1 << 24);
    struct jw w = {.b = &out}, w2 = {.b = &again};
    json_t *back = NULL;
    jw_json(&w, NULL, value);
    ASSERT(!out.failed);
    err_t err = json_read(buf_view(&out), &limits, &back, NULL);
    ASSERT(err == OK && json_equal(value, back));
    jw_json(&w2, NULL, back);
    ASSERT(str_eq(buf_view(&out), buf_view(&again)));
    json_decref(back);
    buf_free(&out);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct json_limits limits = {.bytes_max = 4000, .depth_max = DEPTH};
    struct str body = {(const char *)data, size};
    struct err_info info = {0};
    struct buf quoted = BUF(1 << 20);
    json_t *value = NULL;
    if (json_read(body, &limits, &value, &info) == OK) {
        ASSERT(size <= limits.bytes_max);
        check_value(value, 1);
        check_read(value);
        write_twice(value);
        json_decref(value);
    } else {
        check_problem(&info);
    }
    json_quote(&quoted, body); /* any bytes at all become well-formed */
    ASSERT(!quoted.failed && str_is_utf8(buf_view(&quoted)));
    buf_free(&quoted);
    return 0;
}

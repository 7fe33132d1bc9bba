/* Reads the members of an object by a table and explains everything that is wrong at once. */
#include "wire/wire_internal.h"

#include <stdio.h>

#define METADATA_KEYS 50
#define METADATA_KEY_CHARS 40
#define METADATA_VALUE_CHARS 500
/* As JSON, where a control character is six: what a column takes. */
#define METADATA_CHARS 60000
#define FIELDS_MAX 64

/* One reading: where members are named from and what was wrong first. */
struct reading {
    const char *prefix; /* NULL, or the name of the object itself */
    struct err_info *info;
    err_t first;
};

/* "/name" escaped for a JSON pointer in a URI fragment. Source: RFC 6901 sections 3 and 6. */
static void pointer_add(struct buf *out, const char *name)
{
    static const char digits[] = "0123456789ABCDEF";
    buf_byte(out, '/');
    for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
        char escaped[3] = {'%', digits[*c >> 4], digits[*c & 15]};
        if (*c == '~' || *c == '/')
            buf_str(out, *c == '~' ? "~0" : "~1");
        else if (*c <= ' ' || *c >= 0x7F || strchr("\"#%<>[\\]^`{|}", *c))
            buf_add(out, escaped, 3);
        else
            buf_byte(out, (char)*c);
    }
}

/* A prefix is ours, not the client's: its dots part names. */
static void prefix_add(struct buf *out, const char *prefix)
{
    char name[64];
    while (*prefix) {
        size_t n = strcspn(prefix, ".");
        (void)snprintf(name, sizeof name, "%.*s", (int)n, prefix);
        pointer_add(out, name);
        prefix += n + (prefix[n] == '.');
    }
}

/* A pointer that does not fit ends at its last ancestor that does. */
static void pointer_set(struct error_item *item, const char *const names[3])
{
    struct buf p = BUF(sizeof item->pointer - 1);
    buf_byte(&p, '#');
    size_t fits = p.n;
    for (int i = 0; i < 3; i++) {
        if (names[i] && i == 0)
            prefix_add(&p, names[i]);
        else if (names[i])
            pointer_add(&p, names[i]);
        if (!p.failed)
            fits = p.n;
    }
    if (p.p) {
        memcpy(item->pointer, p.p, fits);
        item->pointer[fits] = 0;
    }
    buf_free(&p);
}

/* Ends the text before a sequence that was cut in the middle. */
static void trim_utf8(char *z)
{
    size_t n = strlen(z), i = n;
    while (i > 0 && i + 3 >= n && ((unsigned char)z[i - 1] & 0xC0) == 0x80)
        i--;
    if (i > 0 && utf8_length((unsigned char *)z + i - 1, n - i + 1) == 0)
        z[i - 1] = 0;
}

/* Records one error of member `name`, or of `inner` within it (NULL: the member itself). The text
 * goes on after the name: "amount must be …". */
PRINTF_LIKE(5, 6)
static void wrong(struct reading *r, err_t err, const char *name, const char *inner,
                  const char *fmt, ...)
{
    if (r->first == OK)
        r->first = err;
    if (!r->info)
        return;
    char param[sizeof r->info->param], shown[64], text[sizeof r->info->item[0].detail];
    (void)snprintf(param, sizeof param, "%s%s%s%s%s", r->prefix ? r->prefix : "",
                   r->prefix ? "." : "", name, inner ? "." : "", inner ? inner : "");
    trim_utf8(param);
    (void)snprintf(shown, sizeof shown, "%.*s", (int)sizeof shown - 1, param);
    trim_utf8(shown);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    int at = r->info->items;
    (void)error_param(r->info, err, param, "%s %s", shown, text);
    if (r->info->items > at)
        pointer_set(&r->info->item[at], (const char *const[3]){r->prefix, name, inner});
}

static const char *kind_text(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction or an exponent";
    case JSON_NULL:
        return "null";
    default:
        return "a boolean";
    }
}

/* `unit` is "" for a value and " characters" or the like for a count. */
static void check_range(struct reading *r, const struct wire_field *f, int64_t v, const char *unit)
{
    const char *verb = unit[0] ? "have" : "be";
    if (f->min == 0 && f->max == 0)
        return;
    if (v < f->min)
        wrong(r, ERR_PARAM_INVALID, f->name, NULL, "must %s at least %lld%s, got %lld", verb,
              (long long)f->min, unit, (long long)v);
    else if (f->max >= f->min && v > f->max)
        wrong(r, ERR_PARAM_INVALID, f->name, NULL, "must %s at most %lld%s, got %lld", verb,
              (long long)f->max, unit, (long long)v);
}

static struct str string_of(const json_t *v)
{
    return (struct str){json_string_value(v), json_string_length(v)};
}

static void check_list(struct reading *r, const struct wire_field *f, json_t *list)
{
    size_t i;
    json_t *v;
    check_range(r, f, (int64_t)json_array_size(list), " items");
    json_array_foreach(list, i, v)
    {
        char index[24];
        (void)snprintf(index, sizeof index, "%zu", i);
        if (!json_is_string(v))
            wrong(r, ERR_PARAM_INVALID, f->name, index, "must be a string, got %s", kind_text(v));
    }
}

static void check_metadata_size(struct reading *r, const struct wire_field *f, json_t *object)
{
    size_t bytes = json_dumpb(object, NULL, 0, JSON_COMPACT);
    char *text = mem_alloc(bytes + 1); /* zeroed */
    size_t chars = 0;
    if (text && json_dumpb(object, text, bytes, JSON_COMPACT) == bytes)
        chars = str_codepoints((struct str){text, bytes});
    if (!text || chars > METADATA_CHARS)
        wrong(r, ERR_PARAM_INVALID, f->name, NULL,
              "must have at most %d characters as JSON, got %zu", METADATA_CHARS, chars);
    mem_free(text);
}

static void check_metadata(struct reading *r, const struct wire_field *f, json_t *object)
{
    const char *key;
    json_t *v;
    size_t most = 0; /* characters, if each had to be escaped */
    if (json_object_size(object) > METADATA_KEYS)
        wrong(r, ERR_PARAM_INVALID, f->name, NULL, "must have at most %d keys, got %zu",
              METADATA_KEYS, json_object_size(object));
    json_object_foreach(object, key, v)
    {
        size_t chars = str_codepoints(str_from(key));
        most += 6 * (chars + 1 + (json_is_string(v) ? json_string_length(v) : 0));
        if (chars < 1 || chars > METADATA_KEY_CHARS)
            wrong(r, ERR_PARAM_INVALID, f->name, key,
                  "has a key of %zu characters, 1 to %d are allowed", chars, METADATA_KEY_CHARS);
        else if (strpbrk(key, "[]"))
            wrong(r, ERR_PARAM_INVALID, f->name, key, "has a key with a square bracket");
        else if (!json_is_string(v))
            wrong(r, ERR_PARAM_INVALID, f->name, key, "must be a string, got %s", kind_text(v));
        else if ((chars = str_codepoints(string_of(v))) > METADATA_VALUE_CHARS)
            wrong(r, ERR_PARAM_INVALID, f->name, key, "must have at most %d characters, got %zu",
                  METADATA_VALUE_CHARS, chars);
    }
    if (most > METADATA_CHARS)
        check_metadata_size(r, f, object);
}

static const char *wanted_text(const struct wire_field *f)
{
    switch (f->type) {
    case WIRE_STR:
        return "a string";
    case WIRE_INT:
        return strncmp(f->name, "amount", 6) == 0 ? "an integer of minor units" : "an integer";
    case WIRE_BOOL:
        return "true or false";
    case WIRE_STR_LIST:
        return "an array of strings";
    case WIRE_METADATA:
        return "an object of strings";
    case WIRE_OBJECT:
        return "an object";
    case WIRE_ANY:
        return "a value";
    }
    check_panic("wire_type %d does not exist", (int)f->type);
}

static bool has_type(const struct wire_field *f, const json_t *v)
{
    switch (f->type) {
    case WIRE_STR:
        return json_is_string(v);
    case WIRE_INT:
        return json_is_integer(v);
    case WIRE_BOOL:
        return json_is_boolean(v);
    case WIRE_STR_LIST:
        return json_is_array(v);
    case WIRE_METADATA:
    case WIRE_OBJECT:
        return json_is_object(v);
    case WIRE_ANY:
        return true;
    }
    return false;
}

/* Checks one member and stores it; the caller learns of errors before it looks at `out`. */
static void read_member(struct reading *r, const struct wire_field *f, json_t *v, void *out)
{
    void *at = (char *)out + f->offset;
    if (!has_type(f, v)) {
        wrong(r, ERR_PARAM_INVALID, f->name, NULL, "must be %s, got %s", wanted_text(f),
              kind_text(v));
        return;
    }
    switch (f->type) {
    case WIRE_STR:
        *(struct str *)at = string_of(v);
        check_range(r, f, (int64_t)str_codepoints(string_of(v)), " characters");
        return;
    case WIRE_INT:
        *(struct opt_int *)at = (struct opt_int){true, json_integer_value(v)};
        check_range(r, f, json_integer_value(v), "");
        return;
    case WIRE_BOOL:
        *(struct opt_bool *)at = (struct opt_bool){true, json_is_true(v)};
        return;
    case WIRE_STR_LIST:
        *(json_t **)at = v;
        check_list(r, f, v);
        return;
    case WIRE_METADATA:
        *(json_t **)at = v;
        check_metadata(r, f, v);
        return;
    case WIRE_OBJECT:
    case WIRE_ANY:
        *(json_t **)at = v;
        return;
    }
}

/* Is b one typing slip away from a: a letter more, less, other, or two swapped? */
static bool nearly(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), i = 0;
    while (a[i] && a[i] == b[i])
        i++;
    if (n == m)
        return strcmp(a + i + 1, b + i + 1) == 0 ||
               (a[i] == b[i + 1] && a[i + 1] == b[i] && strcmp(a + i + 2, b + i + 2) == 0);
    return (n == m + 1 && strcmp(a + i + 1, b + i) == 0) ||
           (m == n + 1 && strcmp(a + i, b + i + 1) == 0);
}

static void unknown_member(struct reading *r, const struct wire_field *fields, size_t n,
                           const char *name)
{
    const char *likely = NULL;
    for (size_t i = 0; i < n && !likely; i++)
        if (nearly(name, fields[i].name))
            likely = fields[i].name;
    if (likely)
        wrong(r, ERR_PARAM_UNKNOWN, name, NULL, "is not a parameter here; is %s meant?", likely);
    else
        wrong(r, ERR_PARAM_UNKNOWN, name, NULL, "is not a parameter here");
}

static const struct wire_field *find(const struct wire_field *fields, size_t n, const char *name,
                                     size_t *index)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0) {
            *index = i;
            return &fields[i];
        }
    return NULL;
}

err_t wire_read_in(json_t *object, const char *prefix, const struct wire_field *fields, size_t n,
                   void *out, struct err_info *reterr)
{
    ASSERT(n <= FIELDS_MAX);
    struct reading r = {.prefix = prefix, .info = reterr};
    uint64_t seen = 0;
    const char *name;
    json_t *v;
    if (!json_is_object(object))
        return prefix
                   ? error_param(reterr, ERR_PARAM_INVALID, prefix, "%s must be an object", prefix)
                   : error_set(reterr, ERR_PARAM_INVALID, "the body must be a JSON object");
    json_object_foreach(object, name, v)
    {
        size_t at = 0;
        const struct wire_field *f = find(fields, n, name, &at);
        if (!f) {
            unknown_member(&r, fields, n, name);
            continue;
        }
        if (json_is_null(v) && (f->flags & WIRE_NULLABLE))
            continue;
        seen |= UINT64_C(1) << at;
        read_member(&r, f, v, out);
    }
    for (size_t i = 0; i < n; i++)
        if ((fields[i].flags & WIRE_REQUIRED) && !(seen >> i & 1))
            wrong(&r, ERR_PARAM_MISSING, fields[i].name, NULL, "is required");
    return r.first;
}

err_t wire_read(json_t *object, const struct wire_field *fields, size_t n, void *out,
                struct err_info *reterr)
{
    return wire_read_in(object, NULL, fields, n, out, reterr);
}

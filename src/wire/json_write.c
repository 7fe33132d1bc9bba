/* The JSON writer. Answers are built by it on the hot path, so a member is put together on the
 * stack and added to the buffer in one go wherever it is short. */
#include "wire/wire_internal.h"

#include <math.h>
#include <stdio.h>

#define PIECE 256       /* stack room of one member */
#define KEY_CHARS 64    /* longer keys take the general way */
#define DEPTH_LIMIT 512 /* of jansson values */

/* Bytes that stand for themselves in a string: ASCII without controls, quote and backslash. */
static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static size_t plain_run(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && plain((unsigned char)p[i]))
        i++;
    return i;
}

static void add_escaped(struct buf *out, unsigned char c)
{
    static const char short_form[] = "btnvfr"; /* 8 to 13; 11 has none */
    static const char digits[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    if (c >= 8 && c <= 13 && c != 11)
        text[1] = short_form[c - 8];
    else if (c == '"' || c == '\\')
        text[1] = (char)c;
    buf_add(out, text, text[1] == 'u' ? 6 : 2);
}

void json_quote(struct buf *out, struct str v)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < v.n;) {
        size_t run = plain_run(v.p + i, v.n - i);
        buf_add(out, v.p + i, run);
        i += run;
        if (i == v.n)
            break;
        unsigned char c = (unsigned char)v.p[i];
        size_t len = utf8_length((const unsigned char *)v.p + i, v.n - i);
        if (len == 0 || c == 0) /* strict readers, ours too, refuse NUL */
            buf_add(out, "\xEF\xBF\xBD", 3);
        else if (len == 1)
            add_escaped(out, c);
        else
            buf_add(out, v.p + i, len);
        i += len ? len : 1;
    }
    buf_byte(out, '"');
}

/* `,"key":` into p (room for KEY_CHARS + 4); a key that needs more care goes to the buffer at once.
 */
static size_t start(struct jw *w, const char *key, char *p)
{
    size_t n = 0, len = key ? strlen(key) : 0;
    if (w->comma)
        p[n++] = ',';
    w->comma = true;
    if (!key)
        return n;
    if (len > KEY_CHARS || plain_run(key, len) != len) {
        buf_add(w->b, p, n);
        json_quote(w->b, (struct str){key, len});
        p[0] = ':';
        return 1;
    }
    p[n++] = '"';
    memcpy(p + n, key, len);
    n += len;
    p[n++] = '"';
    p[n++] = ':';
    return n;
}

static void member(struct jw *w, const char *key, const char *value, size_t value_n)
{
    char p[PIECE];
    size_t n = start(w, key, p);
    if (value_n <= sizeof p - n) {
        memcpy(p + n, value, value_n);
        buf_add(w->b, p, n + value_n);
    } else {
        buf_add(w->b, p, n);
        buf_add(w->b, value, value_n);
    }
}

static void quoted_member(struct jw *w, const char *key, const char *value, size_t value_n)
{
    char p[PIECE];
    size_t n = start(w, key, p);
    ASSERT(value_n + 2 <= sizeof p - n);
    p[n++] = '"';
    memcpy(p + n, value, value_n);
    n += value_n;
    p[n++] = '"';
    buf_add(w->b, p, n);
}

void jw_object(struct jw *w, const char *key)
{
    member(w, key, "{", 1);
    w->comma = false;
}

void jw_object_end(struct jw *w)
{
    buf_byte(w->b, '}');
    w->comma = true;
}

void jw_array(struct jw *w, const char *key)
{
    member(w, key, "[", 1);
    w->comma = false;
}

void jw_array_end(struct jw *w)
{
    buf_byte(w->b, ']');
    w->comma = true;
}

void jw_str(struct jw *w, const char *key, struct str v)
{
    char p[PIECE];
    if (!v.p) {
        jw_null(w, key);
    } else if (v.n <= PIECE - KEY_CHARS - 6 && plain_run(v.p, v.n) == v.n) {
        quoted_member(w, key, v.p, v.n);
    } else {
        buf_add(w->b, p, start(w, key, p));
        json_quote(w->b, v);
    }
}

void jw_int(struct jw *w, const char *key, int64_t v)
{
    char t[20];
    size_t i = sizeof t;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        t[--i] = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0)
        t[--i] = '-';
    member(w, key, t + i, sizeof t - i);
}

void jw_bool(struct jw *w, const char *key, bool v)
{
    member(w, key, v ? "true" : "false", v ? 4 : 5);
}

void jw_null(struct jw *w, const char *key)
{
    member(w, key, "null", 4);
}

void jw_id(struct jw *w, const char *key, enum id_kind kind, struct id id)
{
    char text[ID_TEXT_MAX];
    id_text(kind, id, text);
    quoted_member(w, key, text, strlen(text));
}

void jw_time(struct jw *w, const char *key, int64_t us)
{
    char t[TIME_CHARS];
    time_write(t, us);
    quoted_member(w, key, t, sizeof t);
}

void jw_raw(struct jw *w, const char *key, struct str json)
{
    ASSERT(json.n > 0);
    member(w, key, json.p, json.n);
}

/* Seventeen digits bring back the same double; a point or exponent keeps it a real for the reader.
 */
static void write_real(struct jw *w, const char *key, double v)
{
    char t[40];
    if (!isfinite(v)) {
        jw_null(w, key);
        return;
    }
    int n = snprintf(t, sizeof t - 2, "%.17g", v);
    ASSERT(n > 0 && n < (int)sizeof t - 2);
    if (!strpbrk(t, ".e")) {
        memcpy(t + n, ".0", 2);
        n += 2;
    }
    member(w, key, t, (size_t)n);
}

static void write_value(struct jw *w, const char *key, json_t *value, int depth)
{
    const char *name;
    json_t *v;
    size_t i;
    if (depth > DEPTH_LIMIT) {
        w->b->failed = true;
        return;
    }
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_OBJECT:
        jw_object(w, key);
        json_object_foreach(value, name, v) write_value(w, name, v, depth + 1);
        jw_object_end(w);
        return;
    case JSON_ARRAY:
        jw_array(w, key);
        json_array_foreach(value, i, v) write_value(w, NULL, v, depth + 1);
        jw_array_end(w);
        return;
    case JSON_STRING:
        jw_str(w, key, (struct str){json_string_value(value), json_string_length(value)});
        return;
    case JSON_INTEGER:
        jw_int(w, key, json_integer_value(value));
        return;
    case JSON_REAL:
        write_real(w, key, json_real_value(value));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        jw_bool(w, key, json_is_true(value));
        return;
    case JSON_NULL:
        jw_null(w, key);
        return;
    }
}

void jw_json(struct jw *w, const char *key, json_t *value)
{
    write_value(w, key, value, 1);
}

/* Reports of browsers about our pages. They come from anywhere and may hold anything: what is kept
 * of them is rebuilt from the few members that are of use. */
#include "clients/clients.h"

#include "crypto/crypto.h"

#define BODY_MAX 8192
#define CONTENT_MAX 4096
#define TEXT_MAX 300
#define DIGITS_MAX 11  /* in a row; more may be a card number */
#define SEGMENT_MAX 23 /* of a path; longer ones are ids and keys */
#define KEY_DAY 4
#define KEY_BYTES 16

/* --- texts --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Bytes from `at` on that are digits, be they grouped by single spaces or dashes. */
static size_t digits_at(struct str s, size_t at, size_t *ret_digits)
{
    size_t end = at, i = at;
    *ret_digits = 0;
    while (i < s.n) {
        if (is_digit(s.p[i])) {
            (*ret_digits)++;
            end = ++i;
        } else if ((s.p[i] == ' ' || s.p[i] == '-') && i == end && i > at) {
            i++;
        } else {
            break;
        }
    }
    return end - at;
}

static void clean_text(struct buf *out, struct str s)
{
    if (s.n > TEXT_MAX)
        s.n = TEXT_MAX;
    for (size_t i = 0, n; i < s.n;) {
        size_t digits;
        n = digits_at(s, i, &digits);
        if (digits > DIGITS_MAX)
            buf_str(out, "***");
        else
            buf_add(out, s.p + i, n ? n : 1);
        i += n ? n : 1;
    }
}

static void add_host(struct buf *out, struct str s)
{
    const char *user = memchr(s.p, '@', s.n); /* a name and a password before it */
    size_t from = user ? (size_t)(user - s.p) + 1 : 0;
    clean_text(out, (struct str){s.p + from, s.n - from});
}

static void add_segment(struct buf *out, struct str s)
{
    if (s.n > SEGMENT_MAX)
        buf_str(out, "*");
    else
        clean_text(out, s);
}

/* Scheme, host and path; a keyword ("inline") as it is; of others ("data:…") the scheme. */
static void clean_url(struct buf *out, struct str s)
{
    size_t n = 0, at, end;
    while (n < s.n && s.p[n] != '?' && s.p[n] != '#')
        n++;
    const char *colon = memchr(s.p, ':', n);
    at = colon ? (size_t)(colon - s.p) + 1 : n;
    if (at > 40)
        at = 40;
    if (n < at + 2 || memcmp(s.p + at, "//", 2) != 0) {
        clean_text(out, (struct str){s.p, at});
        return;
    }
    clean_text(out, (struct str){s.p, at + 2});
    bool host = true;
    for (at += 2; at < n && out->n < TEXT_MAX; at = end, host = false) {
        for (end = at; end < n && s.p[end] != '/';)
            end++;
        (host ? add_host : add_segment)(out, (struct str){s.p + at, end - at});
        if (end < n)
            buf_byte(out, s.p[end++]);
    }
}

/* --- members --- */

static struct str text_of(json_t *o, const char *a, const char *b)
{
    json_t *v = json_object_get(o, a);
    if (!v && b)
        v = json_object_get(o, b);
    return json_is_string(v) ? (struct str){json_string_value(v), json_string_length(v)}
                             : (struct str){NULL, 0};
}

static void add(struct jw *w, const char *key, struct str value,
                void (*clean)(struct buf *, struct str))
{
    struct buf b = BUF(CONTENT_MAX);
    if (!value.n)
        return;
    clean(&b, value);
    if (b.failed)
        w->b->failed = true;
    else if (b.n)
        jw_str(w, key, buf_view(&b));
    buf_free(&b);
}

static void add_int(struct jw *w, const char *key, json_t *o, const char *a, const char *b)
{
    json_t *v = json_object_get(o, a);
    if (!v)
        v = json_object_get(o, b);
    if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) < 100000000)
        jw_int(w, key, json_integer_value(v));
}

/* type and address of a report, and what it says; false: nothing that is of use. */
static bool write_report(struct buf *out, struct str kind, struct str type, struct str url,
                         json_t *o)
{
    struct jw w = {.b = out};
    struct str document = text_of(o, "document-uri", "documentURL");
    struct str directive = text_of(o, "effective-directive", "effectiveDirective");
    struct str blocked = text_of(o, "blocked-uri", "blockedURL");
    struct str message = text_of(o, "message", NULL);
    if (!directive.n)
        directive = text_of(o, "violated-directive", NULL);
    if (!directive.n && !blocked.n && !message.n)
        return false;
    jw_object(&w, NULL);
    jw_str(&w, "page", kind);
    add(&w, "type", type, clean_text);
    add(&w, "document", document.n ? document : url, clean_url);
    add(&w, "directive", directive, clean_text);
    add(&w, "blocked", blocked, clean_url);
    add(&w, "source", text_of(o, "source-file", "sourceFile"), clean_url);
    add_int(&w, "line", o, "line-number", "lineNumber");
    add_int(&w, "column", o, "column-number", "columnNumber");
    add(&w, "disposition", text_of(o, "disposition", NULL), clean_text);
    add(&w, "message", message, clean_text);
    jw_object_end(&w);
    return !out->failed;
}

static bool read_report(struct buf *out, struct str kind, json_t *report)
{
    json_t *old = json_object_get(report, "csp-report"), *body = json_object_get(report, "body");
    if (json_is_object(old))
        return write_report(out, kind, STR("csp-violation"), (struct str){NULL, 0}, old);
    return json_is_object(body) && write_report(out, kind, text_of(report, "type", NULL),
                                                text_of(report, "url", NULL), body);
}

err_t report_clean(struct str kind, struct str body, err_t (*each)(struct str content, void *arg),
                   void *arg)
{
    static const struct json_limits limits = {BODY_MAX, 6};
    struct err_info info = {.err = OK};
    struct buf content = BUF(CONTENT_MAX);
    json_t *json = NULL;
    err_t err = OK;
    if (json_read(body, &limits, &json, &info) != OK)
        return OK;
    size_t n = json_is_array(json) ? json_array_size(json) : 1;
    for (size_t i = 0; !err && i < n && i < REPORTS_PER_BODY; i++) {
        buf_clear(&content);
        if (read_report(&content, kind, json_is_array(json) ? json_array_get(json, i) : json))
            err = each(buf_view(&content), arg);
    }
    buf_free(&content);
    json_decref(json);
    return err;
}

/* --- rows --- */

/* Days in the order of their bytes. */
static void put_day(uint8_t key[KEY_DAY], int64_t day)
{
    for (int i = 0; i < KEY_DAY; i++)
        key[i] = (uint8_t)(day >> (8 * (KEY_DAY - 1 - i)));
}

static void key_of(int64_t day, struct str content, uint8_t key[KEY_BYTES])
{
    const struct crypto_piece piece = {content.p, content.n};
    uint8_t hash[16];
    crypto_hash(hash, sizeof hash, &piece, 1);
    put_day(key, day);
    memcpy(key + KEY_DAY, hash, KEY_BYTES - KEY_DAY);
}

static err_t day_has_room(struct store_tx *tx, int64_t day, bool *ret)
{
    uint8_t from[KEY_BYTES] = {0}, to[KEY_BYTES] = {0};
    struct store_row *row;
    put_day(from, day);
    put_day(to, day + 1);
    err_t err = store_one(tx, SQL_CLIENTS_COUNT_REPORTS, &row, V_INT(0), V_BLOB(from, KEY_BYTES),
                          V_BLOB(to, KEY_BYTES));
    *ret = !err && row && row_int(row, 0) < REPORTS_PER_DAY;
    return err;
}

err_t report_add(struct store_tx *tx, struct str content, int64_t now_us, bool *ret_kept,
                 bool *ret_new)
{
    uint8_t key[KEY_BYTES];
    int64_t changed = 0, day = now_us / DAY_US;
    key_of(day, content, key);
    *ret_kept = true;
    *ret_new = false;
    err_t err = store_exec(tx, SQL_CLIENTS_COUNT_REPORT, &changed, V_INT(now_us), V_INT(0),
                           V_BLOB(key, KEY_BYTES));
    if (err || changed)
        return err;
    err = day_has_room(tx, day, ret_kept);
    if (err || !*ret_kept)
        return err;
    *ret_new = true;
    return store_exec(tx, SQL_CLIENTS_INSERT_REPORT, NULL, V_INT(0), V_BLOB(key, KEY_BYTES),
                      V_INT(now_us), V_TEXT(content));
}

struct listing {
    err_t (*each)(const struct report *r, void *arg);
    void *arg;
};

static err_t list_row(struct store_row *row, void *arg)
{
    struct listing *l = arg;
    struct report r = {row_int(row, 1), row_int(row, 2), row_int(row, 3), row_text(row, 4)};
    return l->each(&r, l->arg);
}

err_t report_list(struct store_tx *tx, int limit, err_t (*each)(const struct report *r, void *arg),
                  void *arg)
{
    struct listing l = {each, arg};
    uint8_t last[KEY_BYTES];
    memset(last, 0xFF, sizeof last);
    return store_each(tx, SQL_CLIENTS_LIST_REPORTS, list_row, &l, V_INT(0), V_BLOB(last, KEY_BYTES),
                      V_INT(limit));
}

err_t reports_delete(struct store_tx *tx, int64_t before_us, int64_t *ret_deleted)
{
    uint8_t end[KEY_BYTES] = {0};
    put_day(end, before_us / DAY_US);
    return store_exec(tx, SQL_CLIENTS_DELETE_REPORTS, ret_deleted, V_INT(0),
                      V_BLOB(end, KEY_BYTES));
}

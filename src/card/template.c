/* Where in a request a card may stand. Whoever writes the request could else make the provider
 * carry the card away: in the address of a page to come back to, of a letter, of a webhook; keep it
 * as a description, which anybody with the account's key reads without asking this role; or tell
 * the CVC back under a name that does not give it away. */
#include <string.h>

#include "card/card_internal.h"
#include "wire/wire.h"

#define OPEN "{{card."
#define DEPTH_MAX 16
#define BYTES_MAX ((size_t)160 << 10)

static bool has_card(struct str s)
{
    return s.n > 0 && memmem(s.p, s.n, OPEN, strlen(OPEN)) != NULL;
}

/* --- names --- */
#define NAME_MAX_ 128

/* In small letters, '.' behind each of its parts, without its ornaments. false: it may be read in
 * more than one way. */
static bool plain_name(struct str name, char out[NAME_MAX_])
{
    size_t n = 0;
    if (name.n >= NAME_MAX_ - 1)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c == '%' && name.n - i > 2 && name.p[i + 1] == '5' && strchr("BbDd", name.p[i + 2])) {
            c = '.'; /* brackets */
            i += 2;
        }
        if (c <= ' ' || c >= 0x7F || c == '%' || c == '+')
            return false;
        if (strchr("[]:/.", c)) {
            if (n > 0 && out[n - 1] != '.')
                out[n++] = '.';
        } else if (c != '_' && c != '-') {
            out[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
    }
    if (n > 0 && out[n - 1] != '.')
        out[n++] = '.';
    out[n] = 0;
    return true;
}

/* Whatever is put there is kept as it is, and told. */
static bool names_notes(struct str name)
{
    static const char *const notes[] = {"metadata", "merchantdata", "userdata", "userdefined",
                                        "udf",      "customdata",   "custom.",  "customfield",
                                        "comment",  "note",         "memo",     "tags"};
    char plain[NAME_MAX_];
    if (!plain_name(name, plain))
        return true;
    for (size_t i = 0; i < COUNT_OF(notes); i++)
        if (strstr(plain, notes[i]))
            return true;
    return false;
}

/* The names that providers have for it, the last part of one; "order_number" is none. */
static bool names_number(struct str name)
{
    static const char *const names[] = {"number",
                                        "cardnumber",
                                        "creditcardnumber",
                                        "pan",
                                        "cardpan",
                                        "ccnumber",
                                        "ccnum",
                                        "cardno",
                                        "cardnum",
                                        "acct",
                                        "acctnum",
                                        "accountnumber",
                                        "acctnumber",
                                        "primaryaccountnumber"};
    char plain[NAME_MAX_];
    if (names_notes(name) || !plain_name(name, plain))
        return false;
    size_t n = strlen(plain);
    if (n == 0)
        return false;
    plain[n - 1] = 0;
    const char *dot = strrchr(plain, '.');
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(dot ? dot + 1 : plain, names[i]) == 0)
            return true;
    return false;
}

/* One placeholder and nothing else; number and CVC in what is called so. */
static bool stands_alone(struct str name, struct str value)
{
    if (str_eq(value, STR(OPEN "number}}")) && !names_number(name))
        return false;
    if (!str_starts(value, STR(OPEN)) || value.n < 9 || memcmp(value.p + value.n - 2, "}}", 2) != 0)
        return false;
    struct str rest = {value.p + 1, value.n - 1};
    return !has_card(rest) && !memchr(value.p, '\\', value.n) &&
           (!str_eq(value, STR(OPEN "cvc}}")) || card_names_cvc(name));
}

/* --- JSON --- */
static bool holds_card(json_t *v)
{
    const char *key;
    json_t *member;
    size_t i;
    if (json_is_string(v))
        return has_card((struct str){json_string_value(v), json_string_length(v)});
    json_array_foreach(v, i, member)
    {
        if (holds_card(member))
            return true;
    }
    json_object_foreach(v, key, member)
    {
        if (holds_card(member))
            return true;
    }
    return false;
}

static bool json_fits(struct str name, json_t *v)
{
    const char *key;
    json_t *member;
    size_t i;
    if (json_is_string(v)) {
        struct str s = {json_string_value(v), json_string_length(v)};
        return !has_card(s) || stands_alone(name, s);
    }
    json_array_foreach(v, i, member)
    {
        if (!json_fits(name, member))
            return false;
    }
    json_object_foreach(v, key, member)
    {
        if (has_card(str_from(key)) || !json_fits(str_from(key), member) ||
            (names_notes(str_from(key)) && holds_card(member)))
            return false;
    }
    return true;
}

static bool fits_json(struct card_template *t)
{
    static const struct json_limits limits = {BYTES_MAX, DEPTH_MAX};
    struct err_info info = {0};
    return json_read(t->body, &limits, &t->json, &info) == OK &&
           (json_is_object(t->json) || json_is_array(t->json)) && json_fits(STR(""), t->json);
}

/* --- forms: name=value&name=value --- */
static bool pair_fits(struct str pair)
{
    const char *equals = memchr(pair.p, '=', pair.n);
    size_t n = equals ? (size_t)(equals - pair.p) : pair.n;
    struct str name = {pair.p, n};
    struct str value = {pair.p + n + (equals != NULL), pair.n - n - (equals != NULL)};
    if (has_card(name))
        return false;
    if (has_card(value))
        return equals && stands_alone(name, value);
    for (size_t i = 0; i < pair.n; i++)
        if (pair.p[i] <= ' ' || pair.p[i] >= 0x7F || strchr("\"<>\\{}", pair.p[i]))
            return false;
    return true;
}

static bool fits_form(struct str body)
{
    while (body.n) {
        struct str pair = str_cut(&body, '&');
        if (pair.n && !pair_fits(pair))
            return false;
    }
    return true;
}

/* --- XML: <name>value</name> --- */
static bool element_fits(struct str before, struct str tail)
{
    const char *close = tail.n ? memchr(tail.p, '<', tail.n) : NULL;
    size_t at = before.n;
    if (!close || before.n == 0 || before.p[before.n - 1] != '>')
        return false;
    while (at > 0 && before.p[at - 1] != '<')
        at--;
    struct str tag = {before.p + at, before.n - at - 1};
    const char *space = tag.n ? memchr(tag.p, ' ', tag.n) : NULL;
    if (space)
        tag.n = (size_t)(space - tag.p);
    struct str rest = {close, tail.n - (size_t)(close - tail.p)};
    return at > 0 && tag.n > 0 && rest.n > tag.n + 2 && rest.p[1] == '/' &&
           memcmp(rest.p + 2, tag.p, tag.n) == 0 && rest.p[2 + tag.n] == '>' &&
           stands_alone(tag, (struct str){tail.p, (size_t)(close - tail.p)});
}

/* Without CDATA and the like: what looks like an element there is text of another. */
static bool fits_xml(struct str body)
{
    if (body.n == 0 || body.p[0] != '<' || memmem(body.p, body.n, "<!", 2))
        return false;
    for (size_t at = 0;;) {
        const char *p = memmem(body.p + at, body.n - at, OPEN, strlen(OPEN));
        if (!p)
            return true;
        size_t n = (size_t)(p - body.p);
        if (!element_fits((struct str){body.p, n}, (struct str){p, body.n - n}))
            return false;
        at = n + 1;
    }
}

static bool says(struct str type, const char *what)
{
    char lower[128];
    if (type.n >= sizeof lower)
        return false;
    for (size_t i = 0; i < type.n; i++)
        lower[i] = type.p[i] >= 'A' && type.p[i] <= 'Z' ? (char)(type.p[i] + 32) : type.p[i];
    lower[type.n] = 0;
    lower[strcspn(lower, ";")] = 0;
    return strstr(lower, what) != NULL;
}

bool card_template_read(struct str content_type, struct str body, struct card_template *ret)
{
    struct card_template t = {.kind = TEMPLATE_XML, .body = body};
    bool good = false;
    if (says(content_type, "json")) {
        t.kind = TEMPLATE_JSON;
        good = fits_json(&t);
    } else if (says(content_type, "x-www-form-urlencoded")) {
        t.kind = TEMPLATE_FORM;
        good = fits_form(body);
    } else {
        good = says(content_type, "xml") && fits_xml(body);
    }
    if (good)
        *ret = t;
    else
        card_template_end(&t);
    return good;
}

void card_template_end(struct card_template *t)
{
    json_decref(t->json);
    t->json = NULL;
}

/* --- the members that a permit names --- */
#define PATH_MAX_ 128
struct within {
    const struct permit_terms *terms;
    char *where; /* the first place that is not among them, once found */
    bool good;
};

static void tell_where(struct within *w, struct str name)
{
    size_t n = name.n < TEMPLATE_WHERE_MAX ? name.n : TEMPLATE_WHERE_MAX - 1;
    for (size_t i = 0; i < n; i++) /* some names above may be anything */
        w->where[i] = name.p[i] > ' ' && name.p[i] < 0x7F ? name.p[i] : '?';
    w->where[n] = 0;
    w->good = false;
}

static bool guarded(struct str value)
{
    return str_eq(value, STR(OPEN "number}}")) || str_eq(value, STR(OPEN "cvc}}"));
}

/* named: can the name mean one place alone? */
static void look(struct within *w, struct str name, bool named, struct str value)
{
    bool good = !guarded(value);
    for (size_t i = 0; !good && named && i < w->terms->members_n; i++)
        good = str_eq(name, w->terms->member[i]);
    if (!good && w->good)
        tell_where(w, name);
}

/* path: where v stands. A name with a dot in it could be taken for two, and one of many in an array
 * for another: no member is there. */
static void json_within(struct within *w, struct buf *path, bool named, json_t *v)
{
    const char *key;
    json_t *member;
    size_t i, n = path->n;
    bool failed = path->failed; /* it is too long to be one of them */
    if (json_is_string(v))
        look(w, buf_view(path), named && !failed,
             (struct str){json_string_value(v), json_string_length(v)});
    json_array_foreach(v, i, member)
    {
        buf_str(path, "[]");
        json_within(w, path, false, member);
        path->n = n;
        path->failed = failed;
    }
    json_object_foreach(v, key, member)
    {
        buf_str(path, n ? "." : "");
        buf_str(path, key);
        json_within(w, path, named && key[0] && !strchr(key, '.'), member);
        path->n = n;
        path->failed = failed;
    }
}

static void fields_within(struct within *w, struct str body)
{
    while (body.n) {
        struct str pair = str_cut(&body, '&');
        const char *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
        char space[PATH_MAX_];
        struct buf name = BUF_ON(space);
        size_t n = equals ? (size_t)(equals - pair.p) : pair.n;
        for (size_t i = 0; i < n; i++) {
            bool bracket = n - i > 2 && pair.p[i] == '%' && pair.p[i + 1] == '5' &&
                           strchr("BbDd", pair.p[i + 2]);
            buf_byte(&name, !bracket ? pair.p[i] : strchr("Bb", pair.p[i + 2]) ? '[' : ']');
            i += bracket ? 2 : 0;
        }
        if (equals)
            look(w, buf_view(&name), !name.failed, (struct str){equals + 1, pair.n - n - 1});
    }
}

bool card_template_within(const struct card_template *t, const struct permit_terms *terms,
                          char where[TEMPLATE_WHERE_MAX])
{
    struct within w = {.terms = terms, .where = where, .good = true};
    char space[PATH_MAX_];
    struct buf path = BUF_ON(space);
    where[0] = 0;
    if (terms->members_n == 0)
        return true;
    if (t->kind == TEMPLATE_JSON)
        json_within(&w, &path, true, t->json);
    else if (t->kind == TEMPLATE_FORM)
        fields_within(&w, t->body);
    else
        w.good = false;
    return w.good;
}

/* The configuration table: defaults, setting by name, file, environment, description. */
#include <ini.h>
#include <stdio.h>

#include "sys/sys.h"

enum kind { KIND_TEXT, KIND_INT, KIND_BOOL };

struct setting {
    const char *name;
    enum kind kind;
    size_t offset;
    int64_t min, max, def_int;
    const char *def_text, *unit, *prose;
};

static const struct setting settings[] = {
#define X_TEXT(n, d, u, p) {#n, KIND_TEXT, offsetof(struct config, n), 0, 0, 0, d, u, p},
#define X_INT(n, lo, hi, d, u, p) {#n, KIND_INT, offsetof(struct config, n), lo, hi, d, "", u, p},
#define X_BOOL(n, d, u, p) {#n, KIND_BOOL, offsetof(struct config, n), 0, 1, d, "", u, p},
#include "sys/config.def"
#undef X_TEXT
#undef X_INT
#undef X_BOOL
};

#define TEXT_MAX 256

void config_defaults(struct config *c)
{
    *c = (struct config){0};
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        const struct setting *s = &settings[i];
        void *at = (char *)c + s->offset;
        if (s->kind == KIND_TEXT)
            (void)snprintf(at, TEXT_MAX, "%s", s->def_text);
        else if (s->kind == KIND_INT)
            *(int64_t *)at = s->def_int;
        else
            *(bool *)at = s->def_int != 0;
    }
}

static const struct setting *find(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        struct str have = str_from(settings[i].name);
        bool same = have.n == name.n;
        for (size_t k = 0; same && k < name.n; k++)
            same = have.p[k] == name.p[k] || (have.p[k] == '_' && name.p[k] == '-');
        if (same)
            return &settings[i];
    }
    return NULL;
}

static err_t set_text(const struct setting *s, char *at, struct str value, struct err_info *reterr)
{
    if (value.n >= TEXT_MAX || !str_is_utf8(value))
        return error_set(reterr, ERR_CONFIG, "%s must be text of at most %d bytes", s->name,
                         TEXT_MAX - 1);
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < 0x20)
            return error_set(reterr, ERR_CONFIG, "%s must not hold control characters", s->name);
    if (value.n)
        memcpy(at, value.p, value.n);
    at[value.n] = 0;
    return OK;
}

err_t config_set(struct config *c, struct str name, struct str value, struct err_info *reterr)
{
    const struct setting *s = find(name);
    if (!s)
        return error_set(reterr, ERR_CONFIG, "there is no setting `" STR_FMT "`", STR_ARG(name));
    void *at = (char *)c + s->offset;
    int64_t v;
    switch (s->kind) {
    case KIND_TEXT:
        return set_text(s, at, value, reterr);
    case KIND_INT:
        if (!str_to_i64(value, &v) || v < s->min || v > s->max)
            return error_set(reterr, ERR_CONFIG,
                             "%s must be an integer between %lld and %lld%s%s, not `" STR_FMT "`",
                             s->name, (long long)s->min, (long long)s->max, s->unit[0] ? " " : "",
                             s->unit, STR_ARG(value));
        *(int64_t *)at = v;
        return OK;
    case KIND_BOOL:
        if (str_eq(value, STR("true")) || str_eq(value, STR("1")) || str_eq(value, STR("yes")))
            *(bool *)at = true;
        else if (str_eq(value, STR("false")) || str_eq(value, STR("0")) || str_eq(value, STR("no")))
            *(bool *)at = false;
        else
            return error_set(reterr, ERR_CONFIG, "%s must be true or false, not `" STR_FMT "`",
                             s->name, STR_ARG(value));
        return OK;
    }
    return ERR_CONFIG;
}

#define FILE_BYTES 65536

/* A file being read; the library asks for its lines one by one. */
struct reading {
    struct config *c;
    const char *at, *end;
    int line; /* the last one handed out */
    err_t err;
    struct err_info info;
    bool given[COUNT_OF(settings)];
};

/* Shape as fgets. Blanks before a name are dropped: the library would take the line for a
 * continuation of the one before and overwrite its value. */
static char *give_line(char *out, int room, void *stream)
{
    struct reading *r = stream;
    if (r->err || r->at == r->end)
        return NULL;
    const char *nl = memchr(r->at, '\n', (size_t)(r->end - r->at));
    const char *next = nl ? nl + 1 : r->end, *p = r->at;
    r->line++;
    r->at = next;
    while (p < next && (*p == ' ' || *p == '\t'))
        p++;
    size_t n = (size_t)(next - p);
    if (n + 1 > (size_t)room) {
        r->err = error_set(&r->info, ERR_CONFIG, "longer than %d characters", room - 2);
        return NULL;
    }
    memcpy(out, p, n);
    out[n] = 0;
    return out;
}

static int take_line(void *arg, const char *section, const char *name, const char *value)
{
    struct reading *r = arg;
    const struct setting *s = find(str_from(name));
    (void)section;
    if (s && r->given[s - settings])
        r->err = error_set(&r->info, ERR_CONFIG, "%s is given twice", s->name);
    else
        r->err = config_set(r->c, str_from(name), str_from(value), &r->info);
    if (s)
        r->given[s - settings] = true;
    return r->err == OK;
}

err_t config_file(struct config *c, const char *path, struct err_info *reterr)
{
    struct buf text = BUF(FILE_BYTES);
    struct config taken = *c;
    struct reading r = {.c = &taken};
    int wrong = 0;
    if (sys_read_file(path, FILE_BYTES, &text, &r.info) != OK) {
        buf_free(&text);
        return error_set(reterr, ERR_CONFIG, "the configuration file %s", r.info.detail);
    }
    if (str_is_utf8(buf_view(&text))) {
        r.at = text.p;
        r.end = text.p + text.n;
        wrong = ini_parse_stream(give_line, &r, take_line, &r);
    } else {
        r.err = error_set(&r.info, ERR_CONFIG, "not UTF-8 text");
    }
    buf_free(&text);
    if (wrong == 0 && !r.err) {
        *c = taken;
        return OK;
    }
    /* the library goes on after a line without `=`: the earlier fault is the one to tell */
    bool form = !r.err || (wrong > 0 && wrong < r.line);
    return error_set(reterr, ERR_CONFIG, "%.100s, line %d: %.120s", path, form ? wrong : r.line,
                     form ? "not of the form `name = value`" : r.info.detail);
}

static err_t take_variable(struct config *c, struct str name, struct str value,
                           struct err_info *reterr)
{
    char lower[64];
    struct err_info info = {0};
    if (name.n >= sizeof lower)
        return error_set(reterr, ERR_CONFIG, "FLORIN_%.64s… in the environment is no setting",
                         name.p);
    for (size_t i = 0; i < name.n; i++) {
        char ch = name.p[i];
        /* one spelling only, so that the same setting is never given twice */
        lower[i] = ch >= 'A' && ch <= 'Z' ? (char)(ch + 32) : (char)(ch == '_' ? '_' : '?');
    }
    if (!find((struct str){lower, name.n}))
        return error_set(reterr, ERR_CONFIG, "FLORIN_" STR_FMT " in the environment is no setting",
                         STR_ARG(name));
    err_t err = config_set(c, (struct str){lower, name.n}, value, &info);
    if (err)
        return error_set(reterr, err, "FLORIN_" STR_FMT " in the environment: %.160s",
                         STR_ARG(name), info.detail);
    return OK;
}

err_t config_environment(struct config *c, char **list, struct err_info *reterr)
{
    for (; *list; list++) {
        struct str entry = str_from(*list);
        const char *eq = strchr(*list, '=');
        if (!eq || !str_starts(entry, STR("FLORIN_")) || str_starts(entry, STR("FLORIN_TEST_")))
            continue;
        struct str name = {*list + 7, (size_t)(eq - *list) - 7};
        err_t err = take_variable(c, name, str_from(eq + 1), reterr);
        if (err)
            return err;
    }
    return OK;
}

void config_url(const char *url, const char *address, char *out, size_t max)
{
    int n = snprintf(out, max, "%s%s", url[0] ? "" : "http://", url[0] ? url : address);
    ASSERT(n >= 0 && (size_t)n < max);
    while (n > 0 && out[n - 1] == '/')
        out[--n] = 0;
}

static void describe_default(struct buf *out, const struct setting *s)
{
    if (s->kind == KIND_TEXT)
        buf_str(out, s->def_text);
    else if (s->kind == KIND_INT)
        buf_i64(out, s->def_int);
    else
        buf_str(out, s->def_int ? "true" : "false");
}

/* "50 to 120000 ms", "true or false", "host:port" */
static void describe_form(struct buf *out, const struct setting *s)
{
    if (s->kind == KIND_INT)
        buf_printf(out, "%lld to %lld%s%s", (long long)s->min, (long long)s->max,
                   s->unit[0] ? " " : "", s->unit);
    else
        buf_str(out, s->kind == KIND_BOOL ? "true or false" : s->unit);
}

static void describe_option(struct buf *out, const struct setting *s)
{
    buf_str(out, "  --");
    for (const char *p = s->name; *p; p++)
        buf_byte(out, *p == '_' ? '-' : *p);
    buf_str(out, " (");
    describe_form(out, s);
    buf_str(out, ") [");
    describe_default(out, s);
    buf_printf(out, "]\n      %s\n", s->prose);
}

static void describe_row(struct buf *out, const struct setting *s)
{
    bool empty = s->kind == KIND_TEXT && !s->def_text[0];
    buf_printf(out, "| `%s` | %s", s->name, empty ? "empty" : "`");
    describe_default(out, s);
    buf_str(out, empty ? " | " : "` | ");
    describe_form(out, s);
    buf_printf(out, " | %s |\n", s->prose);
}

void config_describe(struct buf *out, bool markdown)
{
    if (markdown)
        buf_str(out,
                "# Configuration\n\n"
                "Made by `florin docs configuration` from `src/sys/config.def`; do not edit.\n\n"
                "Each setting can be given as `--name-with-dashes VALUE` on the command line,\n"
                "as `FLORIN_NAME` in the environment, or as `name = value` in the file of\n"
                "`--config`. The command line wins over the environment, the environment over\n"
                "the file. An unknown name, a value out of range and a name that the file gives\n"
                "twice are errors; variables that begin with `FLORIN_TEST_` are not looked at.\n\n"
                "| setting | default | range or form | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        if (markdown)
            describe_row(out, &settings[i]);
        else
            describe_option(out, &settings[i]);
}

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

struct reading {
    struct config *c;
    struct err_info *reterr;
    err_t err;
};

static int take_line(void *arg, const char *section, const char *name, const char *value)
{
    struct reading *r = arg;
    (void)section;
    r->err = config_set(r->c, str_from(name), str_from(value), r->reterr);
    return r->err == OK;
}

err_t config_file(struct config *c, const char *path, struct err_info *reterr)
{
    struct reading r = {.c = c, .reterr = reterr};
    FILE *f = fopen(path, "re");
    if (!f)
        return error_set(reterr, ERR_CONFIG, "the configuration file %s cannot be read", path);
    int line = ini_parse_file(f, take_line, &r);
    (void)fclose(f);
    if (line == 0 && !r.err)
        return OK;
    char why[128];
    (void)snprintf(why, sizeof why, "%.120s",
                   r.err && reterr ? reterr->detail : "not of the form `name = value`");
    return error_set(reterr, ERR_CONFIG, "%s, line %d: %s", path, line, why);
}

err_t config_environment(struct config *c, char **list, struct err_info *reterr)
{
    for (; *list; list++) {
        struct str entry = str_from(*list);
        char name[64];
        const char *eq = strchr(*list, '=');
        if (!str_starts(entry, STR("FLORIN_")) || !eq || str_starts(entry, STR("FLORIN_TEST_")) ||
            str_starts(entry, STR("FLORIN_BIN=")))
            continue;
        size_t n = (size_t)(eq - *list) - 7;
        if (n >= sizeof name)
            return error_set(reterr, ERR_CONFIG,
                             "there is no setting of that long name in the environment");
        for (size_t i = 0; i < n; i++) {
            char ch = (*list)[7 + i];
            name[i] = (char)(ch >= 'A' && ch <= 'Z' ? ch + 32 : ch);
        }
        err_t err = config_set(c, (struct str){name, n}, str_from(eq + 1), reterr);
        if (err)
            return err;
    }
    return OK;
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

static void describe_option(struct buf *out, const struct setting *s)
{
    buf_str(out, "  --");
    for (const char *p = s->name; *p; p++)
        buf_byte(out, *p == '_' ? '-' : *p);
    if (s->kind == KIND_INT)
        buf_printf(out, " %lld..%lld", (long long)s->min, (long long)s->max);
    if (s->unit[0])
        buf_printf(out, " (%s)", s->unit);
    buf_str(out, " [");
    describe_default(out, s);
    buf_printf(out, "]\n      %s\n", s->prose);
}

void config_describe(struct buf *out, bool markdown)
{
    if (markdown)
        buf_str(out, "# Configuration\n\nMade by `florin docs configuration` from "
                     "`src/sys/config.def`. Each setting can be given as "
                     "`--name-with-dashes VALUE`,\nas `FLORIN_NAME` in the environment, or as "
                     "`name = value` in the file of "
                     "`--config`; the command line wins over the\nenvironment, the environment "
                     "over the file.\n\n"
                     "| setting | default | range or form | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        const struct setting *s = &settings[i];
        if (!markdown) {
            describe_option(out, s);
            continue;
        }
        buf_printf(out, "| `%s` | `", s->name);
        describe_default(out, s);
        buf_str(out, "` | ");
        if (s->kind == KIND_INT)
            buf_printf(out, "%lld to %lld %s", (long long)s->min, (long long)s->max, s->unit);
        else
            buf_str(out, s->kind == KIND_BOOL ? "true, false" : s->unit);
        buf_printf(out, " | %s |\n", s->prose);
    }
}

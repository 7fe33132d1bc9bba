/* Every .sql file of every room: it prepares, it is portable, it reads no table from end to end.
 * Exceptions stand in the file's head, with their reason: "-- scan: …" and "-- all merchants: …".
 */
#include "store/store_test.h"

#include <ctype.h>
#include <glob.h>

/* Small by nature: rows that an operator makes, or a few per merchant. */
static const char *const config_like[] = {"merchant", "api_key", "provider_account",
                                          "webhook_endpoint", "balance_snapshot"};
/* Their key is the merchant alone. */
static const char *const one_per_merchant[] = {"merchant", "sequencer", "schema_floor"};

struct file {
    char path[512];
    char text[16384]; /* whole */
    char code[16384]; /* without comments and the contents of strings */
};

static char sources[400]; /* src/ */
static int faults;

__attribute__((format(printf, 2, 3))) static void fault(const char *path, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_error("%s: ", path);
    vprint_message(fmt, ap);
    print_message("\n");
    va_end(ap);
    faults++;
}

static void strip(const char *in, char *out)
{
    bool text = false;
    for (; *in; in++) {
        if (!text && in[0] == '-' && in[1] == '-') {
            in += strcspn(in, "\n");
            *out++ = ' ';
            if (!*in)
                break;
            continue;
        }
        if (*in == '\'')
            text = !text;
        if (!text || *in == '\'')
            *out++ = *in;
    }
    *out = 0;
}

static void file_read(struct file *f, const char *path)
{
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    (void)snprintf(f->path, sizeof f->path, "%s", path);
    size_t n = fread(f->text, 1, sizeof f->text - 1, in);
    assert_true(n < sizeof f->text - 1);
    f->text[n] = 0;
    strip(f->text, f->code);
    (void)fclose(in);
}

/* The one difference between engines that a statement may have: see tools/gen-sql. */
static void take_lock_off(char *code)
{
    char *at = strstr(code, "@FOR_UPDATE@");
    if (at && at[strspn(at + 12, " \n;") + 12] == 0)
        *at = 0;
}

/* --- the lint --- */
static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static bool word_in(const char *code, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = code; *p; p++) {
        if ((p > code && is_name(p[-1])) || strncasecmp(p, word, n) != 0)
            continue;
        if (!is_name(word[n - 1]) || !is_name(p[n]))
            return true;
    }
    return false;
}

/* What one engine has and another lacks, or means otherwise. */
static const char *const banned[] = {"AUTOINCREMENT",
                                     "REPLACE",
                                     "INSERT OR",
                                     "UPDATE OR",
                                     "datetime(",
                                     "date(",
                                     "strftime(",
                                     "julianday(",
                                     "unixepoch(",
                                     "now(",
                                     "CURRENT_TIMESTAMP",
                                     "IFNULL(",
                                     "NVL(",
                                     "GLOB",
                                     "LIKE",
                                     "ILIKE",
                                     "typeof(",
                                     "rowid",
                                     "last_insert_rowid(",
                                     "json_extract(",
                                     "group_concat(",
                                     "string_agg(",
                                     "FOR UPDATE",
                                     "SKIP LOCKED",
                                     "SUM(",
                                     "TOTAL(",
                                     "AVG(",
                                     "INTEGER",
                                     "TEXT",
                                     "BLOB",
                                     "REAL",
                                     "SERIAL",
                                     "JSONB",
                                     "TIMESTAMP",
                                     "BOOLEAN",
                                     "TRUE",
                                     "FALSE",
                                     "INDEXED BY",
                                     "NATURAL",
                                     "PRAGMA",
                                     "random(",
                                     "nextval(",
                                     "CAST("};

static void check_params(const struct file *f)
{
    int most = 0;
    for (const char *p = f->code; (p = strchr(p, '$')); p++) {
        int n = atoi(p + 1);
        if (n == 0)
            fault(f->path, "a parameter that is not $1, $2 …");
        else if (n > most + 1)
            fault(f->path, "$%d stands before $%d: parameters are numbered by first use", n,
                  most + 1);
        most = n > most ? n : most;
    }
}

static void check_file(struct file *f)
{
    take_lock_off(f->code);
    const char *name = strrchr(f->path, '/') + 1;
    if (!strchr(name, '_'))
        fault(f->path, "files are named <verb>_<noun>.sql");
    if (strncmp(f->text, "-- ", 3) != 0)
        fault(f->path, "has no head that says what it does, its params and result, the index used");
    if (!word_in(f->code, "merchant_id") && !strstr(f->text, "-- all merchants: "))
        fault(f->path, "does not give merchant_id");
    for (size_t i = 0; i < COUNT_OF(banned); i++)
        if (word_in(f->code, banned[i]))
            fault(f->path, "%s is not portable (or its type is not)", banned[i]);
    if (strpbrk(f->code, "?\"`[@#"))
        fault(f->path, "one of ? \" ` [ @ #");
    if (strstr(f->code, "==") || strstr(f->code, "x'") || strstr(f->code, "X'"))
        fault(f->path, "== and x'' are SQLite's own");
    check_params(f);
}

static void test_statements_are_portable(void **state)
{
    static struct file f;
    char pattern[440];
    glob_t g;
    (void)state;
    (void)snprintf(pattern, sizeof pattern, "%s/*/sql/*.sql", sources);
    assert_int_equal(glob(pattern, 0, NULL, &g), 0);
    assert_true(g.gl_pathc >= 10);
    faults = 0;
    for (size_t i = 0; i < g.gl_pathc; i++) {
        file_read(&f, g.gl_pathv[i]);
        check_file(&f);
    }
    globfree(&g);
    assert_int_equal(faults, 0);
}

/* The lint itself finds what it is there for. */
static void test_lint_finds(void **state)
{
    static const char *const bad[] = {
        "-- h\nSELECT a FROM t WHERE merchant_id = ?",
        "-- h\nSELECT a FROM t WHERE merchant_id = $2 AND b = $1",
        "-- h\nINSERT OR REPLACE INTO t (merchant_id) VALUES ($1)",
        "-- h\nSELECT datetime(merchant_id) FROM t",
        "-- h\nSELECT SUM(a) FROM t WHERE merchant_id = $1",
        "-- h\nSELECT a FROM t WHERE b = $1",
        "-- h\nSELECT a FROM t WHERE b = $1 -- merchant_id",
        "-- h\nSELECT a FROM t WHERE merchant_id = $1 FOR UPDATE",
        "SELECT a FROM t WHERE merchant_id = $1",
        "-- h\nSELECT x'00' FROM t WHERE merchant_id = $1",
    };
    static struct file f;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        (void)snprintf(f.path, sizeof f.path, "example/select_x.sql");
        (void)snprintf(f.text, sizeof f.text, "%s", bad[i]);
        strip(f.text, f.code);
        faults = 0;
        check_file(&f);
        if (faults == 0)
            fail_msg("nothing found in: %s", bad[i]);
    }
    (void)snprintf(
        f.text, sizeof f.text,
        "-- replace ? nothing\nSELECT replaced FROM t WHERE merchant_id = $1 AND b <> '?LIKE'");
    strip(f.text, f.code);
    faults = 0;
    check_file(&f);
    assert_int_equal(faults, 0);
}

/* --- plans --- */
static bool is_in(const char *const *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

/* The table that a plan's second word stands for: itself, or what FROM, JOIN or UPDATE gives that
 * name. */
static void table_of(const char *code, const char *detail, char out[64])
{
    char words[3][64] = {"", "", ""}, name[64] = ""; /* the last three, AS left out */
    (void)sscanf(detail, "%*s %63s", name);
    (void)snprintf(out, 64, "%s", name);
    for (const char *p = code; *p;) {
        size_t n = 0;
        while (is_name(p[n]))
            n++;
        if (n == 0 || n >= sizeof words[0] || (n == 2 && strncasecmp(p, "AS", 2) == 0)) {
            p += n ? n : 1;
            continue;
        }
        memcpy(words[0], words[1], sizeof words[0]);
        memcpy(words[1], words[2], sizeof words[1]);
        (void)snprintf(words[2], sizeof words[2], "%.*s", (int)n, p);
        p += n;
        if (strcmp(words[2], name) == 0 &&
            (!strcasecmp(words[0], "FROM") || !strcasecmp(words[0], "JOIN") ||
             !strcasecmp(words[0], "UPDATE")))
            (void)snprintf(out, 64, "%s", words[1]);
    }
}

/* A search by merchant alone reads all a merchant ever had, unless it stops somewhere. */
static bool reads_too_much(const char *code, const char *detail)
{
    char table[64];
    if (strncmp(detail, "SCAN CONSTANT ROW", 17) == 0)
        return false;
    table_of(code, detail, table);
    if (is_in(config_like, COUNT_OF(config_like), table))
        return false;
    if (strncmp(detail, "SCAN ", 5) == 0)
        return true;
    if (strncmp(detail, "SEARCH ", 7) == 0 && strstr(detail, "(merchant_id=?)"))
        return !is_in(one_per_merchant, COUNT_OF(one_per_merchant), table) &&
               !word_in(code, "LIMIT");
    return false;
}

static void check_plan(sqlite3 *db, const struct sql_statement *source)
{
    static struct file f;
    char text[16400], path[600];
    (void)snprintf(path, sizeof path, "%s/%s/sql/%s.sql", sources, source->room,
                   source->name + strlen(source->room) + 1);
    file_read(&f, path);
    bool may_scan = strstr(f.text, "-- scan: ") != NULL;
    (void)snprintf(text, sizeof text, "EXPLAIN QUERY PLAN %s", source->text);
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, text, -1, &st, NULL) != SQLITE_OK) {
        fault(path, "%s", sqlite3_errmsg(db));
        return;
    }
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(st, 3);
        if (!may_scan && reads_too_much(f.code, detail))
            fault(path, "%s (needs an index, or a line \"-- scan: reason\")", detail);
    }
    sqlite3_finalize(st);
}

static bool room_has_own_set(const char *room)
{
    for (size_t i = 0; i < sql_migrations_count; i++)
        if (strcmp(sql_migrations[i].set, room) == 0)
            return true;
    return false;
}

static void prepare_set(const char *set)
{
    struct folder f = folder_make();
    struct store_config config = config_for(&f);
    struct err_info why = {0};
    config.migrations = set;
    struct store *s = open_with(&config);
    if (store_prepare_all(s, &why) != OK)
        fail_msg("set %s: %s", set, why.detail);
    store_close(s);
    if (strcmp(set, "florin") == 0) {
        sqlite3 *db = outside(&f);
        faults = 0;
        for (size_t i = 0; i < SQL_COUNT; i++)
            if (!room_has_own_set(sql_statements[i].room))
                check_plan(db, &sql_statements[i]);
        sqlite3_close(db);
        assert_int_equal(faults, 0);
    }
    folder_remove(&f);
}

static void test_all_prepare_and_use_indexes(void **state)
{
    (void)state;
    const char *last = "";
    for (size_t i = 0; i < sql_migrations_count; i++) {
        if (strcmp(sql_migrations[i].set, last) == 0)
            continue;
        last = sql_migrations[i].set;
        prepare_set(last);
    }
    assert_string_not_equal(last, "");
}

static void test_plans_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *code, *detail;
        bool bad;
    } cases[] = {
        {"SELECT a FROM payment", "SCAN payment", true},
        {"SELECT a FROM job j ORDER BY b LIMIT 3", "SCAN j USING INDEX job_due", true},
        {"SELECT a FROM event WHERE merchant_id = $1",
         "SEARCH event USING PRIMARY KEY (merchant_id=?)", true},
        {"SELECT a FROM event WHERE merchant_id = $1 LIMIT 9",
         "SEARCH event USING PRIMARY KEY (merchant_id=?)", false},
        {"SELECT a FROM event", "SEARCH event USING PRIMARY KEY (merchant_id=? AND sequence=?)",
         false},
        {"UPDATE sequencer SET a = 1", "SEARCH sequencer USING PRIMARY KEY (merchant_id=?)", false},
        {"SELECT k.a FROM refund k JOIN merchant AS m ON m.b = k.b",
         "SEARCH m USING PRIMARY KEY (merchant_id=?)", false},
        {"SELECT m.a FROM merchant k JOIN refund AS m ON m.b = k.b",
         "SEARCH m USING PRIMARY KEY (merchant_id=?)", true},
        {"SELECT a FROM merchant", "SCAN merchant", false},
        {"SELECT 1", "SCAN CONSTANT ROW", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (reads_too_much(cases[i].code, cases[i].detail) != cases[i].bad)
            fail_msg("%s: %s", cases[i].code, cases[i].detail);
}

int main(void)
{
    const char *from = getenv("FLORIN_SRC");
    (void)snprintf(sources, sizeof sources, "%s", from ? from : "src");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lint_finds),
        cmocka_unit_test(test_plans_are_judged),
        cmocka_unit_test(test_statements_are_portable),
        cmocka_unit_test(test_all_prepare_and_use_indexes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

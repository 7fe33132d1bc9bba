/* The log: one JSON object per line, one write per line. */
#include "observe/observe.h"

#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

static int log_fd = 2;
static enum log_level log_min = LOG_INFO;
static const char *const level_text[] = {"debug", "info", "warn", "error"};
static const char *const level_label[] = {"level=\"debug\"", "level=\"info\"", "level=\"warn\"",
                                          "level=\"error\""};

void log_open(int fd, enum log_level min)
{
    log_fd = fd;
    log_min = min;
}

bool log_level_parse(struct str s, enum log_level *ret)
{
    for (size_t i = 0; i < COUNT_OF(level_text); i++)
        if (str_eq(s, str_from(level_text[i]))) {
            *ret = (enum log_level)i;
            return true;
        }
    return false;
}

static void add_quoted(struct buf *out, struct str s)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7F)
            buf_printf(out, "\\u%04x", c);
        else
            buf_byte(out, (char)c);
    }
    buf_byte(out, '"');
}

/* Case-insensitive, '-' as '_'. */
static bool key_eq(struct str key, struct str name)
{
    for (size_t i = 0; key.n == name.n && i < key.n; i++) {
        char dash = key.p[i] == '-' ? '_' : key.p[i];
        if (!str_eq_nocase((struct str){&dash, 1}, (struct str){name.p + i, 1}))
            return false;
    }
    return key.n == name.n;
}

/* The names themselves, or any key that ends in one of them as a word: client_secret. */
static bool secret_key_name(struct str key)
{
    static const char *const names[] = {"secret", "authorization", "password",   "pan",
                                        "cvc",    "cvv",           "card_number"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct str name = str_from(names[i]);
        if (key.n < name.n)
            continue;
        size_t before = key.n - name.n;
        if (key_eq((struct str){key.p + before, name.n}, name) &&
            (before == 0 || key.p[before - 1] == '_' || key.p[before - 1] == '-'))
            return true;
    }
    return false;
}

static void add_field(struct buf *out, const struct log_field *f)
{
    char id[ID_TEXT_MAX];
    struct buf clean = BUF(LINE_MAX_BYTES);
    struct str key = str_from(f->key);
    buf_byte(out, ',');
    add_quoted(out, key);
    buf_byte(out, ':');
    if (secret_key_name(key)) {
        buf_str(out, "\"[redacted]\"");
    } else if (f->type == LOG_F_INT) {
        buf_i64(out, f->num);
    } else if (f->type == LOG_F_ID) {
        add_quoted(out, str_from(id_text(f->kind, f->id, id)));
    } else if (str_is_utf8(f->str)) {
        redact(&clean, f->str);
        add_quoted(out, clean.failed ? STR("[too long]") : buf_view(&clean));
    } else {
        buf_str(out, "\"[not text]\"");
    }
    buf_free(&clean);
}

static void add_time(struct buf *out)
{
    struct timespec ts;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    buf_printf(out, "{\"ts\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\"", tm.tm_year + 1900,
               tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
    struct buf out = BUF(LINE_MAX_BYTES);
    ASSERT(level >= LOG_DEBUG && level <= LOG_ERROR);
    if (level < log_min)
        return;
    add_time(&out);
    buf_printf(&out, ",\"level\":\"%s\",\"event\":", level_text[level]);
    add_quoted(&out, str_from(event));
    for (size_t i = 0; i < n && !out.failed; i++) {
        size_t mark = out.n;
        add_field(&out, &fields[i]);
        if (out.failed || out.n > LINE_MAX_BYTES - 32) {
            /* a line stays whole: what does not fit is left out */
            out.failed = false;
            out.n = mark;
            buf_str(&out, ",\"truncated\":true");
            break;
        }
    }
    buf_str(&out, "}\n");
    /* one write, so that lines of threads and processes never mix; a lost line is only counted */
    bool written = !out.failed && write(log_fd, out.p, out.n) == (ssize_t)out.n;
    metric_add(METRIC_LOG_LINES, written ? level_label[level] : "level=\"lost\"", 1);
    buf_free(&out);
}

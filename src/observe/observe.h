/* observe: structured log (one JSON object per line), metrics in Prometheus text format, redaction.
 */
#ifndef FLORIN_OBSERVE_H
#define FLORIN_OBSERVE_H

#include <stdint.h>
#include "base/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* One field of a log line. Made by the LOG_* macros only. */
struct log_field {
    const char *key;
    enum { LOG_F_STR, LOG_F_INT, LOG_F_ID } type;
    struct str str;
    int64_t num;
    enum id_kind kind;
    struct id id;
};

#define LOG_STR(k, z) ((struct log_field){.key = (k), .type = LOG_F_STR, .str = str_from(z)})
#define LOG_VIEW(k, s) ((struct log_field){.key = (k), .type = LOG_F_STR, .str = (s)})
#define LOG_INT(k, v) ((struct log_field){.key = (k), .type = LOG_F_INT, .num = (v)})
#define LOG_ID(k, idkind, i)                                                                       \
    ((struct log_field){.key = (k), .type = LOG_F_ID, .kind = (idkind), .id = (i)})

/* Shape: fd stays the caller's; lines below `min` are dropped. Call once, before threads. */
void log_open(int fd, enum log_level min);
bool log_level_parse(struct str s, enum log_level *ret);

/* Writes {"ts","level","event",fields…} as one line in one write(2). String values pass redaction:
 * numbers of 13 to 19 digits (in groups parted by spaces or dashes) that satisfy Luhn become
 * first6******last4, wherever they stand; strings that look like Florin secrets (sk_, ct_, whsec_,
 * Bearer …) become "[redacted]", and so does any value whose key is or ends in secret,
 * authorization, password, pan, cvc, cvv or card_number (any case). Ids pass. Effects: any thread;
 * never fails; at most 4 KiB a line: fields that do not fit are left out and "truncated" says so.
 */
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);
#define LOG(level, event, ...)                                                                     \
    log_write(level, event, (const struct log_field[]){__VA_ARGS__},                               \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* Redaction by itself, for error texts: appends the redacted value. */
void redact(struct buf *out, struct str value);

/* Metrics: the registry is observe/metrics.def: X(NAME, TYPE, "florin_name", "help"). */
enum metric {
#define X(name, type, text, help) METRIC_##name,
#include "observe/metrics.def"
#undef X
    METRIC_COUNT
};

/* Shape: labels is a rendered label list without braces
 * (`provider="sandbox",operation="authorize"`) or NULL. At most 64 series per metric; beyond that,
 * and with labels of 160 bytes or more, they count into labels of `other="true"`. Effects: any
 * thread; no lock and no allocation after the series exists. */
void metric_add(enum metric m, const char *labels, int64_t n);
void metric_set(enum metric m, const char *labels, int64_t v);
/* Histogram with the fixed edges .001 … 30 seconds. */
void metric_time(enum metric m, const char *labels, int64_t microseconds);
/* Renders everything (text format 0.0.4), each family with HELP and TYPE, zero series included. */
void metrics_render(struct buf *out);

#endif

/* wire: JSON in (strict, over jansson) and out, URLs, queries, structured strings, times, problem
 * documents. Pure. */
#ifndef FLORIN_WIRE_H
#define FLORIN_WIRE_H

#include <jansson.h>
#include "base/base.h"

/* Once, before threads. Effects: seeds the hash of JSON objects, so that chosen names cannot
 * collide on purpose; from here on the process ends when there is no memory for JSON. */
void wire_init(void);

/* --- JSON in --- */
struct json_limits {
    size_t bytes_max;
    int depth_max;
};
/* Strict: UTF-8, no duplicate keys, no NUL, depth and size limited, integers within int64, one
 * value (an object or an array) and nothing after it. Shape: *ret is owned by the caller
 * (json_decref). Errors: ERR_BAD_JSON with the position and without the text found there (it may be
 * a secret), ERR_TOO_LARGE, ERR_NO_MEMORY. Source: RFC 8259. */
MUST_CHECK err_t json_read(struct str body, const struct json_limits *limits, json_t **ret,
                           struct err_info *reterr);

struct opt_int {
    bool set;
    int64_t value;
};
struct opt_bool {
    bool set, value;
};

/* A table of the members an object may have; everything else is ERR_PARAM_UNKNOWN. All errors of
 * one object are collected. min and max both 0: no limits; max below min: no upper limit. An
 * integer whose name begins with "amount" is called one of minor units. */
enum wire_type {
    WIRE_STR,      /* struct str; min/max count code points; absent {NULL,0} */
    WIRE_INT,      /* struct opt_int; min/max bound the value; 1.0 and "1" are wrong types */
    WIRE_BOOL,     /* struct opt_bool */
    WIRE_STR_LIST, /* json_t* array of strings; min/max bound the count */
    WIRE_METADATA, /* json_t* object: up to 50 keys of 1..40 code points without [ ], string values
                      up to 500 */
    WIRE_OBJECT,   /* json_t* any object */
    WIRE_ANY,      /* json_t* any value: the caller judges it */
};
#define WIRE_REQUIRED 1u /* absent is ERR_PARAM_MISSING */
#define WIRE_NULLABLE 2u /* null is as absent */
struct wire_field {
    const char *name;
    enum wire_type type;
    unsigned flags;
    size_t offset; /* offsetof the member in the output struct */
    int64_t min, max;
};
/* Shape: at most 64 fields; out was zeroed; views and json_t* point into `object` and live as long
 * as it; out is of no use after an error. Names are "metadata.order_id", "enabled_events.0".
 * Errors: ERR_PARAM_INVALID, _MISSING, _UNKNOWN; an unknown or mistyped member is named in reterr.
 * A body that is no object is ERR_PARAM_INVALID without a name. */
MUST_CHECK err_t wire_read(json_t *object, const struct wire_field *fields, size_t n, void *out,
                           struct err_info *reterr);
/* As wire_read for an object within the body: errors name "<prefix>.<member>". */
MUST_CHECK err_t wire_read_in(json_t *object, const char *prefix, const struct wire_field *fields,
                              size_t n, void *out, struct err_info *reterr);

/* Appends s as text that every store and reader takes: what is not UTF-8 (RFC 3629), and NUL,
 * becomes U+FFFD. Errors: the buffer's `failed`. */
void text_clean(struct buf *out, struct str s);

/* --- JSON out: a writer with a fixed order of members, straight into a buffer ---
 * The caller pairs begin and end. Errors: the buffer's `failed`. What is not UTF-8, and NUL, is
 * written as U+FFFD, so that a strict reader takes whatever was written. */
struct jw {
    struct buf *b;
    bool comma; /* the next value needs a comma before it */
};
void jw_object(struct jw *w, const char *key); /* key NULL: in an array or at the top */
void jw_object_end(struct jw *w);
void jw_array(struct jw *w, const char *key);
void jw_array_end(struct jw *w);
void jw_str(struct jw *w, const char *key, struct str v); /* absent view: null */
void jw_int(struct jw *w, const char *key, int64_t v);
void jw_bool(struct jw *w, const char *key, bool v);
void jw_null(struct jw *w, const char *key);
void jw_id(struct jw *w, const char *key, enum id_kind kind, struct id id);
void jw_time(struct jw *w, const char *key, int64_t us);
void jw_raw(struct jw *w, const char *key, struct str json); /* already JSON, not empty */
/* A jansson value, compact, members in insertion order; NULL is null. Nested deeper than 512 levels
 * the buffer fails. */
void jw_json(struct jw *w, const char *key, json_t *value);
/* A JSON string literal with its quotes. */
void json_quote(struct buf *out, struct str v);

/* --- times: RFC 3339 UTC with milliseconds, "2026-11-24T10:53:49.123Z" --- */
/* Years 1970 to 9999; a time outside is shown as the nearest end. */
void time_text(struct buf *out, int64_t us);
/* Shape: also without a fraction, with more digits (cut to microseconds), and with +hh:mm offsets.
 * Errors: false on anything else, on dates that do not exist, leap seconds, years outside. Source:
 * RFC 3339 section 5.6. */
MUST_CHECK bool time_parse(struct str s, int64_t *ret_us);
/* The year of a time, and its month from 1 on. */
int time_month(int64_t us, int *ret_month);

/* --- URL pieces --- */
/* Percent-decodes one path segment or query value ('+' is a space when query). Errors: false on a
 * bad escape, NUL or bad UTF-8; nothing is appended then. */
MUST_CHECK bool url_decode(struct str in, bool query, struct buf *out);
/* Everything but letters, digits and "-._~" becomes %XX. Source: RFC 3986 section 2.3. */
void url_encode(struct buf *out, struct str in);
struct url_pair {
    struct str name, value; /* decoded, in the arena */
};
/* Shape: at most `max` pairs, in order; "a" is as "a=". Errors: ERR_PARAM_INVALID; a name that
 * comes twice is an error unless it ends in "[]"; ERR_NO_MEMORY. */
MUST_CHECK err_t url_query(struct str query, struct arena *a, struct url_pair *out, size_t max,
                           size_t *ret_n, struct err_info *reterr);
struct url {
    struct str scheme, host,
        path; /* views into the input; path includes the query, "/" when absent */
    int port; /* the scheme's when absent */
};
/* http and https only, no user information, no fragment. The host is a name in ASCII, an IPv4
 * address in its usual form, or an IPv6 address (given without its brackets, without zone): what a
 * resolver might read as an address in disguise ("0x7f.1", "2130706433") is refused. Errors: false,
 * *ret untouched. */
MUST_CHECK bool url_parse(struct str in, struct url *ret);

/* Appends what shows the text in an element of HTML or in a quoted attribute, cleaned as by
 * text_clean. Errors: the buffer's `failed`. */
void html_escape(struct buf *out, struct str text);

/* Idempotency-Key: a structured-field string ("…" with \" and \\) or a bare token of visible
 * ASCII; 1..255 characters of value. Source: RFC 8941 section 3.3.3; bare as the field sends it.
 * Both forms of a value are one key. Errors: ERR_HEADER_INVALID; out is then untouched;
 * ERR_NO_MEMORY when it does not fit into out. */
MUST_CHECK err_t idempotency_key_read(struct str header, struct buf *out, struct err_info *reterr);

/* --- RFC 9457 problem documents --- */
/* Shape: writes the whole document; `extra` is NULL or a rendered member list without braces
 * (`"payment":{…}`). decline_code may be NULL, request_id zero (then left out). The detail of an
 * error of class BUG is not told. Source: RFC 9457 section 3. */
void problem_write(struct buf *out, const struct err_info *info, struct id request_id,
                   const char *decline_code, const char *extra);

#endif

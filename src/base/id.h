/* Ids: 16 bytes, time-ordered (UUIDv7 layout, RFC 9562), shown as a prefix and 26 characters of
 * Crockford base32. */
#ifndef FLORIN_BASE_ID_H
#define FLORIN_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include "base/check.h"
#include "base/det.h"
#include "base/str.h"

struct id {
    uint8_t b[16];
};

/* X(NAME, prefix) */
#define ID_KINDS(X)                                                                                \
    X(PAYMENT, "pay_")                                                                             \
    X(ATTEMPT, "att_")                                                                             \
    X(REFUND, "rfd_")                                                                              \
    X(CAPTURE, "cap_")                                                                             \
    X(CANCEL, "can_")                                                                              \
    X(EVENT, "evt_")                                                                               \
    X(ENDPOINT, "we_")                                                                             \
    X(REQUEST, "req_")                                                                             \
    X(MERCHANT, "mer_")                                                                            \
    X(PROVIDER_ACCOUNT, "pac_")                                                                    \
    X(KEY, "key_")                                                                                 \
    X(DELIVERY, "dlv_")                                                                            \
    X(JOURNAL, "jrn_")                                                                             \
    X(INCREMENT, "inc_")                                                                           \
    X(DISPUTE, "dsp_")                                                                             \
    X(CUSTOMER, "cus_")                                                                            \
    X(ORDER, "ord_")                                                                               \
    X(PAYMENT_METHOD, "pm_")                                                                       \
    X(REVIEW, "rev_")                                                                              \
    X(CLIENT_TOKEN, "ctk_")                                                                        \
    X(CHECKOUT, "chk_")                                                                            \
    X(FINGERPRINT, "fp_")

enum id_kind {
#define X(n, p) ID_##n,
    ID_KINDS(X)
#undef X
        ID_KIND_COUNT
};

#define ID_TEXT_MAX 32 /* prefix, 26 characters, NUL */

/* A new id of this moment. The low 10 bits are zero: derived ids (id_derive) use them. */
struct id id_new(struct det *d);
/* The n-th id derived from a base (an attempt of a payment): same bytes with n in the low 10 bits.
 * 0 < n < 1024. */
struct id id_derive(struct id base, unsigned n);
/* The base of a derived id, and its number. */
struct id id_base(struct id derived);
unsigned id_number(struct id derived);

/* Equality of all 16 bytes, and the zero id, which stands for "none". */
bool id_eq(struct id a, struct id b);
bool id_is_zero(struct id a);
/* Shape: out of ID_TEXT_MAX bytes, NUL-terminated; returns out. */
char *id_text(enum id_kind kind, struct id id, char out[ID_TEXT_MAX]);
/* true when s is a well-formed id of that kind; letters in either case. Otherwise *ret is
 * untouched. */
MUST_CHECK bool id_parse(enum id_kind kind, struct str s, struct id *ret);
const char *id_prefix(enum id_kind kind);
/* Milliseconds since 1970 of the moment it was made. */
int64_t id_time_ms(struct id id);

#endif

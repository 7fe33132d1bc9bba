#ifndef FLORIN_CUSTOMERS_INTERNAL_H
#define FLORIN_CUSTOMERS_INTERNAL_H

#include "customers/customers.h"
#include "events/events.h"

#define DETAILS_MAX ((size_t)256 * 1024)
#define CUSTOMER_JSON_MAX ((size_t)512 * 1024)

/* Detaches all of a customer. */
MUST_CHECK err_t methods_detach(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                                struct id customer);

/* --- rows of payment methods --- */
struct method_row {
    struct method m;
    int64_t version, event_last, updated_us;
    struct str details; /* of the row: valid until the next read of it */
    struct {
        int state;
        int64_t version;
    } was; /* as it was read */
};
/* Reads the columns that all statements share. */
void method_from_row(struct store_row *row, struct method_row *ret);
MUST_CHECK err_t method_get(struct store_tx *tx, int64_t merchant_id, struct id id,
                            struct method_row *ret, bool *ret_found);
/* A new one of this moment, without metadata. */
struct method_row method_new(const struct det *det, enum method_state state);
MUST_CHECK err_t method_insert(struct store_tx *tx, int64_t merchant_id,
                               const struct method_row *r);
/* Writes it back. Errors: ERR_SOFT when it is no longer as it was read. */
MUST_CHECK err_t method_put(struct store_tx *tx, int64_t merchant_id, const struct method_row *r);
/* Follows to that state: raises the version, appends the event. The row is the caller's to write.
 */
MUST_CHECK err_t method_turn(struct store_tx *tx, const struct det *det, int64_t merchant_id,
                             struct method_row *r, enum method_state state);
/* Appends its JSON. */
MUST_CHECK err_t method_answer(struct buf *out, int64_t merchant_id, const struct method_row *r);

/* --- the vault follows the rows --- */
/* The state of a card of the vault changed, or will have to by itself at due_us: a job looks. */
MUST_CHECK err_t card_follow(struct store_tx *tx, int64_t merchant_id, const struct method *m,
                             int64_t due_us);
/* Its date changed. */
MUST_CHECK err_t card_follow_expiry(struct store_tx *tx, int64_t merchant_id,
                                    const struct method *m, int64_t now_us);

/* An empty text as the absent view: NULL in a row, null in JSON. */
static inline struct str opt_str(const char *z)
{
    return z[0] ? str_from(z) : (struct str){NULL, 0};
}
/* Copies into an array of max bytes, cut if need be. */
void method_text(char *out, size_t max, struct str s);

#endif

#include "ledger/ledger.h"

#include "crypto/crypto.h"
#include "ledger/ledger_internal.h"
#include "money/money.h"
#include "observe/observe.h"

const char *ledger_account_text(enum ledger_account a)
{
    switch (a) {
#define X(n, number, text)                                                                         \
    case ACCOUNT_##n:                                                                              \
        return text;
        LEDGER_ACCOUNTS(X)
#undef X
    }
    return NULL;
}

const char *ledger_journal_text(enum ledger_journal_kind k)
{
    switch (k) {
#define X(n, number, text)                                                                         \
    case JOURNAL_##n:                                                                              \
        return text;
        LEDGER_JOURNALS(X)
#undef X
    }
    return NULL;
}

bool postings_balanced(const struct posting *p, size_t n)
{
    int64_t sum[2] = {0, 0};
    for (size_t i = 0; i < n; i++) {
        if (p[i].layer != LAYER_PENDING && p[i].layer != LAYER_POSTED)
            return false;
        if (p[i].amount == 0 || !num_add(sum[p[i].layer], p[i].amount, &sum[p[i].layer]))
            return false;
    }
    return n >= 2 && sum[0] == 0 && sum[1] == 0;
}

#define LEAF_HEAD 79
#define LEAF_LEG 15

static uint8_t *put16(uint8_t *p, int v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static uint8_t *put64(uint8_t *p, int64_t v)
{
    num_put64(p, (uint64_t)v);
    return p + 8;
}

static uint8_t *put_id(uint8_t *p, struct id id)
{
    memcpy(p, id.b, 16);
    return p + 16;
}

/* The byte format is in README.md. The verifier has code of its own for it. */
static void journal_leaf(const struct journal *j, int64_t number, int64_t recorded_us,
                         uint8_t out[32])
{
    uint8_t bytes[LEAF_HEAD + LEAF_LEG * LEDGER_POSTINGS_MAX], *p = bytes;
    *p++ = 1;
    p = put64(p, j->merchant_id);
    p = put64(p, number);
    p = put16(p, j->kind);
    p = put16(p, j->currency);
    p = put_id(p, j->payment_id);
    p = put_id(p, j->operation_id);
    p = put64(p, j->previous);
    p = put64(p, recorded_us);
    p = put64(p, j->effective_us);
    p = put16(p, (int)j->n);
    ASSERT(p == bytes + LEAF_HEAD);
    for (size_t i = 0; i < j->n; i++) {
        p = put16(p, (int)i + 1);
        p = put16(p, j->posting[i].account);
        p = put16(p, j->posting[i].unit);
        *p++ = (uint8_t)j->posting[i].layer;
        p = put64(p, j->posting[i].amount);
    }
    crypto_hash(out, 32, &(struct crypto_piece){bytes, (size_t)(p - bytes)}, 1);
}

static err_t insert_postings(struct store_tx *tx, const struct journal *j, int64_t number)
{
    err_t err = OK;
    for (size_t i = 0; !err && i < j->n; i++) {
        const struct posting *p = &j->posting[i];
        ASSERT(ledger_account_text(p->account));
        err = store_exec(tx, SQL_LEDGER_INSERT_POSTING, NULL, V_INT(j->merchant_id), V_INT(number),
                         V_INT((int64_t)i + 1), V_INT(p->account), V_INT(p->unit), V_INT(p->layer),
                         V_INT(p->amount));
    }
    return err;
}

err_t ledger_post(struct store_tx *tx, const struct det *det, const struct journal *j,
                  int64_t *ret_number)
{
    ASSERT(j->n <= LEDGER_POSTINGS_MAX && postings_balanced(j->posting, j->n));
    ASSERT(ledger_journal_text(j->kind) && j->currency > 0 && j->effective_us > 0);
    int64_t number;
    err_t err = store_next(tx, j->merchant_id, SEQUENCE_JOURNAL, &number);
    if (err)
        return err;
    ASSERT(j->previous >= 0 && j->previous < number);
    err =
        store_exec(tx, SQL_LEDGER_INSERT_JOURNAL, NULL, V_INT(j->merchant_id), V_INT(number),
                   V_INT(j->kind), V_INT(j->currency), V_ID(&j->payment_id), V_ID(&j->operation_id),
                   V_INT(j->previous), V_INT(det->now_us), V_INT(j->effective_us));
    if (!err)
        err = insert_postings(tx, j, number);
    if (err)
        return err;
    struct store_note note = {.kind = NOTE_JOURNAL, .merchant_id = j->merchant_id, .seq = number};
    journal_leaf(j, number, det->now_us, note.hash);
    *ret_number = number;
    return store_note(tx, &note);
}

/* --- ready-made journals --- */

static void begin(struct journal *j, enum ledger_journal_kind kind)
{
    j->kind = kind;
    j->n = 0;
}

/* Moves amount from `credit` to `debit`; the receivable is split by provider account. */
static void move(struct journal *j, int8_t layer, int16_t unit, int64_t amount,
                 enum ledger_account debit, enum ledger_account credit)
{
    ASSERT(amount > 0 && amount <= AMOUNT_MAX);
    ASSERT(j->n + 2 <= LEDGER_POSTINGS_MAX);
    enum ledger_account account[2] = {debit, credit};
    for (int i = 0; i < 2; i++)
        j->posting[j->n++] =
            (struct posting){.account = account[i],
                             .unit = account[i] == ACCOUNT_PROVIDER_RECEIVABLE ? unit : 0,
                             .layer = layer,
                             .amount = i ? -amount : amount};
}

void ledger_authorization(struct journal *j, int16_t unit, int64_t amount)
{
    begin(j, JOURNAL_AUTHORIZATION);
    move(j, LAYER_PENDING, unit, amount, ACCOUNT_PROVIDER_RECEIVABLE, ACCOUNT_MERCHANT_PENDING);
}

void ledger_capture(struct journal *j, int16_t unit, int64_t released, int64_t captured)
{
    begin(j, JOURNAL_CAPTURE);
    move(j, LAYER_PENDING, unit, released, ACCOUNT_MERCHANT_PENDING, ACCOUNT_PROVIDER_RECEIVABLE);
    move(j, LAYER_POSTED, unit, captured, ACCOUNT_PROVIDER_RECEIVABLE, ACCOUNT_MERCHANT_PENDING);
}

void ledger_sale(struct journal *j, int16_t unit, int64_t amount)
{
    begin(j, JOURNAL_SALE);
    move(j, LAYER_POSTED, unit, amount, ACCOUNT_PROVIDER_RECEIVABLE, ACCOUNT_MERCHANT_PENDING);
}

void ledger_cancel(struct journal *j, int16_t unit, int64_t amount)
{
    begin(j, JOURNAL_CANCEL);
    move(j, LAYER_PENDING, unit, amount, ACCOUNT_MERCHANT_PENDING, ACCOUNT_PROVIDER_RECEIVABLE);
}

void ledger_refund_intent(struct journal *j, int16_t unit, int64_t amount)
{
    begin(j, JOURNAL_REFUND_INTENT);
    move(j, LAYER_PENDING, unit, amount, ACCOUNT_REFUNDS, ACCOUNT_PROVIDER_RECEIVABLE);
}

void ledger_refund(struct journal *j, int16_t unit, int64_t amount)
{
    begin(j, JOURNAL_REFUND);
    move(j, LAYER_PENDING, unit, amount, ACCOUNT_PROVIDER_RECEIVABLE, ACCOUNT_REFUNDS);
    move(j, LAYER_POSTED, unit, amount, ACCOUNT_REFUNDS, ACCOUNT_PROVIDER_RECEIVABLE);
}

void ledger_refund_release(struct journal *j, int16_t unit, int64_t amount)
{
    begin(j, JOURNAL_REFUND_RELEASE);
    move(j, LAYER_PENDING, unit, amount, ACCOUNT_PROVIDER_RECEIVABLE, ACCOUNT_REFUNDS);
}

void ledger_increment(struct journal *j, int16_t unit, int64_t amount)
{
    begin(j, JOURNAL_INCREMENT);
    move(j, LAYER_PENDING, unit, amount, ACCOUNT_PROVIDER_RECEIVABLE, ACCOUNT_MERCHANT_PENDING);
}

void ledger_expiry(struct journal *j, int16_t unit, int64_t amount)
{
    begin(j, JOURNAL_EXPIRY);
    move(j, LAYER_PENDING, unit, amount, ACCOUNT_MERCHANT_PENDING, ACCOUNT_PROVIDER_RECEIVABLE);
}

void ledger_refund_return(struct journal *j, int16_t unit, int64_t amount)
{
    begin(j, JOURNAL_REFUND_RETURN);
    move(j, LAYER_POSTED, unit, amount, ACCOUNT_PROVIDER_RECEIVABLE, ACCOUNT_REFUNDS);
}

void ledger_clearing(struct journal *j, int16_t unit, int64_t difference, bool review)
{
    enum ledger_account other = review ? ACCOUNT_SUSPENSE : ACCOUNT_MERCHANT_PENDING;
    begin(j, review ? JOURNAL_CLEARING_REVIEW : JOURNAL_CLEARING);
    if (difference > 0)
        move(j, LAYER_POSTED, unit, difference, ACCOUNT_PROVIDER_RECEIVABLE, other);
    else
        move(j, LAYER_POSTED, unit, -difference, other, ACCOUNT_PROVIDER_RECEIVABLE);
}

void ledger_review_accept(struct journal *j, int64_t difference)
{
    begin(j, JOURNAL_REVIEW_ACCEPT);
    if (difference > 0)
        move(j, LAYER_POSTED, 0, difference, ACCOUNT_SUSPENSE, ACCOUNT_MERCHANT_PENDING);
    else
        move(j, LAYER_POSTED, 0, -difference, ACCOUNT_MERCHANT_PENDING, ACCOUNT_SUSPENSE);
}

void ledger_dispute_hold(struct journal *j, int16_t unit, int64_t amount)
{
    begin(j, JOURNAL_DISPUTE_HOLD);
    move(j, LAYER_POSTED, unit, amount, ACCOUNT_DISPUTES_HELD, ACCOUNT_PROVIDER_RECEIVABLE);
}

void ledger_dispute_release(struct journal *j, int16_t unit, int64_t amount)
{
    begin(j, JOURNAL_DISPUTE_RELEASE);
    move(j, LAYER_POSTED, unit, amount, ACCOUNT_PROVIDER_RECEIVABLE, ACCOUNT_DISPUTES_HELD);
}

void ledger_dispute_loss(struct journal *j, int16_t unit, int64_t amount, int64_t fee)
{
    begin(j, JOURNAL_DISPUTE_LOSS);
    move(j, LAYER_POSTED, unit, amount, ACCOUNT_MERCHANT_PENDING, ACCOUNT_DISPUTES_HELD);
    if (fee > 0)
        move(j, LAYER_POSTED, unit, fee, ACCOUNT_FEES, ACCOUNT_PROVIDER_RECEIVABLE);
}

void ledger_dispute_reversal(struct journal *j, int16_t unit, int64_t amount, int64_t fee)
{
    begin(j, JOURNAL_DISPUTE_REVERSAL);
    move(j, LAYER_POSTED, unit, amount, ACCOUNT_PROVIDER_RECEIVABLE, ACCOUNT_MERCHANT_PENDING);
    if (fee > 0)
        move(j, LAYER_POSTED, unit, fee, ACCOUNT_PROVIDER_RECEIVABLE, ACCOUNT_FEES);
}

/* --- reading --- */

struct legs {
    struct posting posting[LEDGER_POSTINGS_MAX];
    size_t n;
};

static err_t read_leg(struct store_row *row, void *arg)
{
    struct legs *l = arg;
    if (l->n == LEDGER_POSTINGS_MAX)
        return ERR_INTERNAL;
    l->posting[l->n++] = (struct posting){.account = (enum ledger_account)row_int(row, 0),
                                          .unit = (int16_t)row_int(row, 1),
                                          .layer = (int8_t)row_int(row, 2),
                                          .amount = row_int(row, 3)};
    return OK;
}

/* What a journal's operation_id names, by its kind. */
static enum id_kind operation_kind(enum ledger_journal_kind kind)
{
    switch (kind) {
    case JOURNAL_AUTHORIZATION:
    case JOURNAL_SALE:
    case JOURNAL_EXPIRY:
    case JOURNAL_CLEARING:
        return ID_ATTEMPT;
    case JOURNAL_CAPTURE:
        return ID_CAPTURE;
    case JOURNAL_CANCEL:
        return ID_CANCEL;
    case JOURNAL_INCREMENT:
        return ID_INCREMENT;
    case JOURNAL_CLEARING_REVIEW:
    case JOURNAL_REVIEW_ACCEPT:
        return ID_REVIEW;
    case JOURNAL_DISPUTE_HOLD:
    case JOURNAL_DISPUTE_RELEASE:
    case JOURNAL_DISPUTE_LOSS:
    case JOURNAL_DISPUTE_REVERSAL:
        return ID_DISPUTE;
    case JOURNAL_REFUND_INTENT:
    case JOURNAL_REFUND:
    case JOURNAL_REFUND_RELEASE:
    case JOURNAL_REFUND_RETURN:
        break;
    }
    return ID_REFUND;
}

static struct str currency_text(int16_t number)
{
    const struct currency *c = currency_by_number(number);
    return c ? (struct str){c->code, 3} : (struct str){NULL, 0};
}

static void write_journal(struct jw *w, const struct ledger_entry *e)
{
    const struct journal *j = &e->journal;
    jw_object(w, NULL);
    jw_int(w, "number", e->number);
    jw_str(w, "kind", str_from(ledger_journal_text(j->kind)));
    jw_str(w, "currency", currency_text(j->currency));
    jw_id(w, "payment", ID_PAYMENT, j->payment_id);
    if (id_is_zero(j->operation_id))
        jw_null(w, "operation");
    else
        jw_id(w, "operation", operation_kind(j->kind), j->operation_id);
    jw_time(w, "recorded", e->recorded_us);
    jw_time(w, "effective", j->effective_us);
    jw_array(w, "postings");
    for (size_t i = 0; i < j->n; i++) {
        const struct posting *p = &j->posting[i];
        jw_object(w, NULL);
        jw_str(w, "account", str_from(ledger_account_text(p->account)));
        jw_int(w, "unit", p->unit);
        jw_str(w, "layer", p->layer == LAYER_POSTED ? STR("posted") : STR("pending"));
        jw_int(w, "amount", p->amount);
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_object_end(w);
}

static err_t read_entry(struct store_tx *tx, int64_t merchant_id, int64_t number,
                        struct ledger_entry *ret)
{
    struct legs l = {.n = 0};
    struct store_row *row;
    err_t err = store_each(tx, SQL_LEDGER_SELECT_JOURNAL_POSTINGS, read_leg, &l, V_INT(merchant_id),
                           V_INT(number));
    if (!err)
        err = store_one(tx, SQL_LEDGER_SELECT_JOURNAL, &row, V_INT(merchant_id), V_INT(number));
    if (err)
        return err;
    if (!row || !postings_balanced(l.posting, l.n) || row_int(row, 4) >= number) {
        LOG(LOG_ERROR, "ledger_journal_broken", LOG_INT("merchant", merchant_id),
            LOG_INT("journal", number));
        return ERR_INTERNAL;
    }
    *ret = (struct ledger_entry){.number = number,
                                 .recorded_us = row_int(row, 5),
                                 .journal = {.merchant_id = merchant_id,
                                             .kind = (enum ledger_journal_kind)row_int(row, 0),
                                             .currency = (int16_t)row_int(row, 1),
                                             .payment_id = row_id(row, 2),
                                             .operation_id = row_id(row, 3),
                                             .previous = row_int(row, 4),
                                             .effective_us = row_int(row, 6),
                                             .n = l.n}};
    memcpy(ret->journal.posting, l.posting, sizeof l.posting);
    return OK;
}

err_t ledger_each(struct store_tx *tx, int64_t merchant_id, int64_t last,
                  err_t (*each)(const struct ledger_entry *, void *), void *arg)
{
    struct ledger_entry e;
    err_t err = OK;
    for (int64_t number = last; !err && number > 0; number = e.journal.previous) {
        err = read_entry(tx, merchant_id, number, &e);
        if (!err)
            err = each(&e, arg);
    }
    return err;
}

static err_t write_entry(const struct ledger_entry *e, void *arg)
{
    write_journal(arg, e);
    return OK;
}

err_t ledger_write_journals(struct store_tx *tx, int64_t merchant_id, int64_t last, struct jw *w,
                            const char *key)
{
    jw_array(w, key);
    err_t err = ledger_each(tx, merchant_id, last, write_entry, w);
    jw_array_end(w);
    return err;
}

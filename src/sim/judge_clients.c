/* What clients were told, and what must not have come of what was refused. */
#include <stdlib.h>

#include "sim/judge_internal.h"

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool is_event(const struct look *l, enum id_kind kind, const char *id, struct str body)
{
    struct id object;
    if (!id_parse(kind, str_from(id), &object) || l->told_n == 0)
        return false;
    uint64_t h = judge_hash(object, body);
    return bsearch(&h, l->told, l->told_n, sizeof h, by_value) != NULL;
}

/* A whole answer of success: its bytes are an event's, so they are durable and what others see.
 * Only what is still on its way is told without an event when the last one said so already. */
static void check_success(struct look *l, const struct ask *a)
{
    struct str body = buf_view(&a->first.body);
    bool refund = a->kind == ASK_REFUND || a->kind == ASK_REFUND_CANCEL;
    static const char open[] = "\"status\":\"";
    const char *at = memmem(body.p, body.n, open, sizeof open - 1);
    struct str status = {at, at ? body.n - (size_t)(at - body.p) : 0};
    bool waits = at && (str_starts(status, STR("\"status\":\"processing\"")) ||
                        str_starts(status, STR("\"status\":\"requires_action\"")) ||
                        str_starts(status, STR("\"status\":\"pending\"")));
    if (!waits &&
        !is_event(l, refund ? ID_REFUND : ID_PAYMENT, refund ? a->refund : a->payment, body))
        blame(l, "I14", "ask %zu was told %d with a body that is on no record", a->number,
              a->first.status);
}

static int effects(const struct look *l, const struct ask *a)
{
    const struct trace_of_ask *t = &l->traces[a->number];
    return a->kind == ASK_REFUND ? t->refunds : t->payments;
}

static void check_made(struct look *l, const struct ask *a)
{
    int n = effects(l, a), status = a->first.status;
    const struct trace_of_ask *t = &l->traces[a->number];
    bool kept = (status >= 200 && status <= 299) || status == 402;
    char text[ID_TEXT_MAX];
    if (n > 1 && (a->key[0] || a->tries == 1))
        blame(l, "I12", "ask %zu was carried out %d times", a->number, n);
    if (a->reuse && (n > 0 || (status >= 200 && status <= 299)))
        blame(l, "I11", "ask %zu came with another's key and was carried out", a->number);
    if (!a->reuse && kept && n == 0)
        blame(l, "I14", "ask %zu was told %d and is gone", a->number, status);
    if (status >= 400 && status <= 499 && status != 402 && a->tries == 1 && n > 0)
        blame(l, "I15", "ask %zu was refused with %d and was carried out", a->number, status);
    if (status == 402 && n == 1 && !t->confirmed &&
        t->state != (a->kind == ASK_REFUND ? 3 : P_FAILED))
        blame(l, "I15", "ask %zu was declined and is in state %d", a->number, t->state);
    if (n == 0)
        return;
    if (t->merchant != l->e->merchants[a->merchant].number)
        blame(l, "I27", "ask %zu became another merchant's", a->number);
    if (a->kind == ASK_CREATE && a->payment[0] && n == 1 && !a->reuse &&
        strcmp(id_text(ID_PAYMENT, t->payment, text), a->payment) != 0)
        blame(l, "I14", "ask %zu was told of %s and became %s", a->number, a->payment, text);
}

/* An order, a customer, a saved method. */
static void check_object(struct look *l, const struct ask *a)
{
    static const struct {
        enum id_kind kind;
        const char *sql;
    } tables[] = {
        {ID_ORDER, "SELECT 1 FROM purchase WHERE merchant_id = ?1 AND order_id = ?2"},
        {ID_CUSTOMER, "SELECT 1 FROM customer WHERE merchant_id = ?1 AND customer_id = ?2"},
        {ID_PAYMENT_METHOD,
         "SELECT 1 FROM payment_method WHERE merchant_id = ?1 AND payment_method_id = ?2"},
        {ID_CLIENT_TOKEN, "SELECT 1 FROM client_token WHERE merchant_id = ?1 AND token_id = ?2"},
    };
    struct id id;
    bool found = false;
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        if (!id_parse(tables[i].kind, str_from(a->other), &id))
            continue;
        sqlite3_stmt *st = judge_sql(l, tables[i].sql);
        (void)sqlite3_bind_int64(st, 1, l->e->merchants[a->merchant].number);
        (void)sqlite3_bind_blob(st, 2, id.b, sizeof id.b, SQLITE_STATIC);
        found = judge_row(st);
        (void)sqlite3_finalize(st);
    }
    if (!found)
        blame(l, "I14", "ask %zu made %s, which is on no record", a->number, a->other);
}

static void check_ask(struct look *l, const struct ask *a)
{
    int status = a->first.status;
    bool success = status >= 200 && status <= 299;
    if (a->differed)
        blame(l, "I10", "ask %zu was answered in two ways", a->number);
    if (a->foreign && status != 0 && status != 404)
        blame(l, "I27", "ask %zu about another merchant's payment was told %d", a->number, status);
    if ((a->kind == ASK_CREATE || a->kind == ASK_REFUND) && !a->foreign)
        check_made(l, a);
    if (success && !a->foreign && !a->reuse &&
        (a->kind == ASK_CREATE || a->kind == ASK_REFUND || a->kind == ASK_CAPTURE ||
         a->kind == ASK_CANCEL || a->kind == ASK_CONFIRM || a->kind == ASK_INCREMENT ||
         a->kind == ASK_REFUND_CANCEL))
        check_success(l, a);
    if (success && a->kind == ASK_MAKE && !a->reuse)
        check_object(l, a);
    if (l->moment == JUDGE_END && !a->settled)
        blame(l, "I25", "ask %zu (%s) has no answer", a->number, a->path);
}

void judge_clients(struct look *l)
{
    for (size_t i = 0; i < l->e->asks_n; i++)
        if (l->e->asks[i].kind == ASK_CONFIRM)
            l->traces[l->e->asks[i].about].confirmed = true;
    for (size_t i = 0; i < l->e->asks_n; i++)
        check_ask(l, &l->e->asks[i]);
}

/* Events: one per change, legal changes, times that do not go back. */
#include <stdlib.h>

#include "sim/judge_internal.h"

/* Stored numbers of id kinds. */
enum { KIND_PAYMENT = ID_PAYMENT, KIND_REFUND = ID_REFUND, KIND_DISPUTE = ID_DISPUTE };

/* From one event's status to the next of the same object, by docs/states.md; "" is the beginning.
 */
static const char *const payment_edges[][2] = {
    {"", "processing"},
    {"", "requires_action"},
    {"", "authorized"},
    {"", "captured"},
    {"", "failed"},
    {"processing", "requires_action"},
    {"processing", "authorized"},
    {"processing", "partially_captured"},
    {"processing", "captured"},
    {"processing", "refunded"},
    {"processing", "failed"},
    {"processing", "canceled"},
    {"requires_action", "processing"},
    {"requires_action", "authorized"},
    {"requires_action", "captured"},
    {"requires_action", "failed"},
    {"requires_action", "canceled"},
    {"failed", "processing"},
    {"failed", "requires_action"},
    {"failed", "authorized"},
    {"failed", "captured"},
    {"failed", "failed"},
    {"authorized", "processing"},
    {"authorized", "authorized"},
    {"authorized", "partially_captured"},
    {"authorized", "captured"},
    {"authorized", "canceled"},
    {"authorized", "expired"},
    {"partially_captured", "processing"},
    {"partially_captured", "partially_captured"},
    {"partially_captured", "captured"},
    {"partially_captured", "refunded"},
    {"captured", "refunded"},
    {"refunded", "captured"},
};
static const char *const refund_edges[][2] = {
    {"", "pending"},         {"", "succeeded"},        {"", "failed"},
    {"", "canceled"},        {"pending", "succeeded"}, {"pending", "failed"},
    {"pending", "canceled"}, {"succeeded", "failed"},
};
static const char *const dispute_edges[][2] = {
    {"", "inquiry"},
    {"", "needs_response"},
    {"inquiry", "inquiry"},
    {"inquiry", "needs_response"},
    {"inquiry", "under_review"},
    {"inquiry", "won"},
    {"inquiry", "accepted"},
    {"needs_response", "needs_response"},
    {"needs_response", "under_review"},
    {"needs_response", "won"},
    {"needs_response", "lost"},
    {"needs_response", "accepted"},
    {"under_review", "needs_response"},
    {"under_review", "under_review"},
    {"under_review", "won"},
    {"under_review", "lost"},
    {"under_review", "accepted"},
    {"lost", "won"},
};

static bool edge_in(const char *const (*list)[2], size_t n, const char *from, const char *to)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i][0], from) == 0 && strcmp(list[i][1], to) == 0)
            return true;
    return false;
}

static bool legal(int kind, const char *from, const char *to)
{
    if (kind == KIND_PAYMENT)
        return edge_in(payment_edges, COUNT_OF(payment_edges), from, to);
    if (kind == KIND_REFUND)
        return edge_in(refund_edges, COUNT_OF(refund_edges), from, to);
    if (kind == KIND_DISPUTE)
        return edge_in(dispute_edges, COUNT_OF(dispute_edges), from, to);
    return true;
}

struct object {
    int64_t merchant, version, sequence, created;
    int kind;
    struct id id;
    char status[24];
};

static void next_event(struct look *l, struct object *o, sqlite3_stmt *st)
{
    int64_t merchant = sqlite3_column_int64(st, 0);
    int kind = sqlite3_column_int(st, 1);
    struct id id = judge_id(st, 2);
    const char *status = (const char *)sqlite3_column_text(st, 7);
    char text[ID_TEXT_MAX];
    if (merchant != o->merchant || kind != o->kind || !id_eq(id, o->id))
        *o = (struct object){.merchant = merchant, .kind = kind, .id = id};
    id_text((enum id_kind)kind, id, text);
    int64_t version = sqlite3_column_int64(st, 3), created = sqlite3_column_int64(st, 6);
    if (version != o->version + 1 || sqlite3_column_int64(st, 8) != version)
        blame(l, "I18", "%s: version %lld after %lld", text, (long long)version,
              (long long)o->version);
    if (sqlite3_column_int64(st, 4) != o->sequence)
        blame(l, "I18", "%s: an event names %lld as the one before, it is %lld", text,
              sqlite3_column_int64(st, 4), (long long)o->sequence);
    if (created < o->created)
        blame(l, "I23", "%s: its event %lld is older than the one before", text,
              sqlite3_column_int64(st, 5));
    if (!status || !legal(kind, o->status, status))
        blame(l, "I22", "%s went from \"%s\" to \"%s\"", text, o->status, status ? status : "");
    o->version = version;
    o->sequence = sqlite3_column_int64(st, 5);
    o->created = created;
    (void)snprintf(o->status, sizeof o->status, "%s", status ? status : "");
}

/* The object's row says what its last event says. */
static void check_last(struct look *l, const char *what, const char *sql)
{
    int64_t wrong = judge_number(l, sql);
    if (wrong)
        blame(l, "I18", "%lld %s are not what their last event says", (long long)wrong, what);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* What clients may have been told: all snapshots. */
static void gather_told(struct look *l)
{
    sqlite3_stmt *st = judge_sql(l, "SELECT object_id, data FROM event");
    while (judge_row(st)) {
        if (l->told_n == l->told_cap) {
            l->told_cap = l->told_cap ? 2 * l->told_cap : 1024;
            l->told = mem_resize(l->told, l->told_cap * sizeof *l->told);
            ASSERT(l->told != NULL);
        }
        l->told[l->told_n++] = judge_hash(judge_id(st, 0), judge_text(st, 1));
    }
    (void)sqlite3_finalize(st);
    if (l->told_n > 1)
        qsort(l->told, l->told_n, sizeof *l->told, by_value);
}

void judge_events(struct look *l)
{
    struct object o = {.kind = -1};
    gather_told(l);
    if (l->moment == JUDGE_CRASH && l->judge->looks % 4 != 0)
        return; /* the dearest part; the chain has looked at the bytes */
    sqlite3_stmt *st = judge_sql(
        l,
        "SELECT merchant_id, object_kind, object_id, object_version, previous, sequence, "
        "created_at, json_extract(data, '$.status'), json_extract(data, '$.version') FROM event "
        "WHERE object_kind IN (0, 2, 14) ORDER BY merchant_id, object_kind, object_id, sequence");
    while (judge_row(st))
        next_event(l, &o, st);
    (void)sqlite3_finalize(st);
    check_last(l, "payments",
               "SELECT count(*) FROM payment p LEFT JOIN event e ON e.merchant_id = p.merchant_id "
               "AND e.sequence = p.event_last WHERE p.event_last > 0 AND (e.object_id IS NOT "
               "p.payment_id OR e.object_version <> p.version OR (p.state <> 3 AND p.state <> CASE "
               "json_extract(e.data, '$.status') WHEN 'requires_action' THEN 1 WHEN 'processing' "
               "THEN 3 WHEN 'authorized' THEN 5 WHEN 'partially_captured' THEN 6 WHEN 'captured' "
               "THEN 7 WHEN 'refunded' THEN 8 WHEN 'canceled' THEN 9 WHEN 'expired' THEN 10 WHEN "
               "'failed' THEN 11 END))");
    check_last(l, "payments", "SELECT count(*) FROM payment WHERE state <> 3 AND event_last = 0");
    check_last(l, "refunds",
               "SELECT count(*) FROM refund r LEFT JOIN event e ON e.merchant_id = r.merchant_id "
               "AND e.sequence = r.event_last WHERE (r.event_last = 0 AND r.state <> 1) OR "
               "(r.event_last > 0 AND (e.object_id IS NOT r.refund_id OR e.object_version <> "
               "r.version OR r.state <> CASE json_extract(e.data, '$.status') WHEN 'pending' THEN "
               "1 WHEN 'succeeded' THEN 2 WHEN 'failed' THEN 3 WHEN 'canceled' THEN 4 END))");
    check_last(l, "disputes",
               "SELECT count(*) FROM dispute d LEFT JOIN event e ON e.merchant_id = d.merchant_id "
               "AND e.sequence = d.event_last WHERE e.object_id IS NOT d.dispute_id OR "
               "e.object_version <> d.version OR d.state <> CASE json_extract(e.data, '$.status') "
               "WHEN 'inquiry' THEN 1 WHEN 'needs_response' THEN 2 WHEN 'under_review' THEN 3 WHEN "
               "'won' THEN 4 WHEN 'lost' THEN 5 WHEN 'accepted' THEN 6 END");
}

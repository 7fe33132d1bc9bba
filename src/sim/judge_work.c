/* Work that was begun has somebody who will finish it; deliveries reach their endpoints. */
#include "sim/judge_internal.h"

#define ATTEMPTS_MAX 10

/* Positions of flows, and timers. */
static void check_jobs(struct look *l)
{
    sqlite3_stmt *st = judge_sql(l, "SELECT job_id, kind FROM job WHERE kind IN (1, 4)");
    size_t found = 0;
    ids_sort(&l->open);
    ids_sort(&l->may);
    while (judge_row(st)) {
        struct id id = judge_id(st, 0);
        if (ids_have(&l->open, id))
            found++;
        else if (!ids_have(&l->may, id))
            blame(l, "I16", "a position (%d) is about nothing that is open",
                  sqlite3_column_int(st, 1));
    }
    (void)sqlite3_finalize(st);
    if (found != l->open.n)
        blame(l, "I16", "%zu things are under way or wait, %zu of them have a position", l->open.n,
              found);
}

void judge_work(struct look *l)
{
    check_jobs(l);
    int64_t orphans = judge_number(
        l, "SELECT count(*) FROM answer a WHERE status = 0 AND NOT EXISTS (SELECT 1 FROM job j "
           "WHERE j.merchant_id = a.merchant_id AND j.kind = 1 AND substr(j.payload, 22, 16) = "
           "a.answer_id)");
    if (orphans)
        blame(l, "I16", "%lld requests will never be answered", (long long)orphans);
    int64_t unkeyed = judge_number(
        l, "SELECT count(*) FROM idempotency i WHERE NOT EXISTS (SELECT 1 FROM answer a WHERE "
           "a.merchant_id = i.merchant_id AND a.answer_id = i.answer_id)");
    if (unkeyed)
        blame(l, "I10", "%lld keys have no answer row", (long long)unkeyed);
    int64_t flows = judge_number(l, "SELECT count(*) FROM job WHERE kind = 1");
    if (l->moment == JUDGE_END && flows && !judge_skewed(l))
        blame(l, "I25", "%lld flows have not ended", (long long)flows);
}

static void check_attempts(struct look *l)
{
    sqlite3_stmt *st = judge_sql(
        l, "SELECT d.sequence, d.state, d.attempts, count(a.number), max(a.number) FROM delivery d "
           "LEFT JOIN delivery_attempt a ON a.merchant_id = d.merchant_id AND a.endpoint_id = "
           "d.endpoint_id AND a.sequence = d.sequence GROUP BY d.merchant_id, d.endpoint_id, "
           "d.sequence HAVING d.attempts <> count(a.number)");
    while (judge_row(st))
        blame(l, "I20", "a delivery of event %lld in state %d has %d attempts, %d are on record",
              sqlite3_column_int64(st, 0), sqlite3_column_int(st, 1), sqlite3_column_int(st, 2),
              sqlite3_column_int(st, 3));
    (void)sqlite3_finalize(st);
}

static void check_rows(struct look *l)
{
    int64_t pending = judge_number(l, "SELECT count(*) FROM delivery WHERE state = 1"),
            jobs = judge_number(l, "SELECT count(*) FROM job WHERE kind = 2");
    /* a job may outlive its delivery for a while: one that was under way when its endpoint was
     * switched off */
    if (pending > jobs || (l->moment == JUDGE_END && pending != jobs))
        blame(l, "I16", "%lld deliveries are pending, %lld have a job", (long long)pending,
              (long long)jobs);
    if (judge_number(l, "SELECT count(*) FROM delivery WHERE attempts > 10"))
        blame(l, "I26", "a delivery was tried more than %d times", ATTEMPTS_MAX);
    check_attempts(l);
}

static bool wants(const struct receiver *r, const char *type)
{
    return r->all_events || strcmp(type, "payment.captured") == 0 ||
           strcmp(type, "refund.succeeded") == 0;
}

static const struct received *got(const struct receiver *r, const char *event)
{
    for (size_t i = 0; i < r->received_n; i++)
        if (strcmp(r->received[i].event, event) == 0)
            return &r->received[i];
    return NULL;
}

static const char *type_text(int type)
{
    return type == 6 ? "payment.captured" : type == 13 ? "refund.succeeded" : "";
}

/* The id of an event, by its making (src/events/events.h): time, merchant, sequence. */
static void event_text(int64_t merchant, int64_t sequence, int64_t created_us,
                       char out[ID_TEXT_MAX])
{
    struct id id;
    uint64_t high = (uint64_t)(created_us / 1000) << 16 | 0x7000 | (uint64_t)merchant >> 20,
             low = UINT64_C(2) << 62 | ((uint64_t)merchant & 0xFFFFF) << 42 | (uint64_t)sequence;
    for (int i = 0; i < 8; i++) {
        id.b[i] = (uint8_t)(high >> 8 * (7 - i));
        id.b[8 + i] = (uint8_t)(low >> 8 * (7 - i));
    }
    id_text(ID_EVENT, id, out);
}

static void check_receiver(struct look *l, const struct receiver *r)
{
    struct id endpoint;
    char event[ID_TEXT_MAX];
    if (!id_parse(ID_ENDPOINT, str_from(r->id), &endpoint))
        return;
    sqlite3_stmt *st = judge_sql(
        l, "SELECT e.sequence, e.created_at, e.type, d.state FROM event e LEFT JOIN delivery d ON "
           "d.merchant_id = e.merchant_id AND d.endpoint_id = ?2 AND d.sequence = e.sequence "
           "WHERE e.merchant_id = ?1 AND e.created_at > ?3");
    int64_t merchant = l->e->merchants[r->merchant].number;
    (void)sqlite3_bind_int64(st, 1, merchant);
    (void)sqlite3_bind_blob(st, 2, endpoint.b, sizeof endpoint.b, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 3, r->made_us + 2 * l->e->skew_us + 1000000);
    while (judge_row(st)) {
        int state = sqlite3_column_int(st, 3);
        event_text(merchant, sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1), event);
        const struct received *have = got(r, event);
        if (have && have->times > 0 && state == 1 && l->moment == JUDGE_END)
            blame(l, "I25", "%s was received by %s and is still pending", event, r->url);
        if (state == 2 && (!have || have->times == 0))
            blame(l, "I20", "%s is marked as delivered to %s, which did not get it", event, r->url);
        if (l->moment == JUDGE_END && !r->disabled && state != 3 &&
            wants(r, type_text(sqlite3_column_int(st, 2))) && (!have || have->times == 0))
            blame(l, "I20", "%s did not reach %s", event, r->url);
    }
    (void)sqlite3_finalize(st);
}

void judge_deliveries(struct look *l)
{
    check_rows(l);
    if (l->moment == JUDGE_CRASH)
        return;
    for (size_t i = 0; i < l->e->receivers_n; i++) {
        const struct receiver *r = &l->e->receivers[i];
        if (r->forged)
            blame(l, "I20", "%s got %lld deliveries with a wrong signature", r->url,
                  (long long)r->forged);
        for (size_t k = 0; k < r->received_n; k++)
            if (r->received[k].differed)
                blame(l, "I20", "%s came to %s with different bytes", r->received[k].event, r->url);
        if (r->made_us)
            check_receiver(l, r);
    }
}

/* The judges' common ground: a look at a copy of the disk. */
#include <stdarg.h>
#include <stdlib.h>

#include "sim/judge_internal.h"

#define BLAMES_MAX 10

void blame(struct look *l, const char *invariant, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (l->found++ < BLAMES_MAX)
        sim_violation(invariant, "%s", text);
}

sqlite3_stmt *judge_sql(struct look *l, const char *sql)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(l->db, sql, -1, &st, NULL) != SQLITE_OK)
        blame(l, "store", "%s: %.60s", sqlite3_errmsg(l->db), sql);
    return st;
}

bool judge_row(sqlite3_stmt *st)
{
    return st && sqlite3_step(st) == SQLITE_ROW;
}

struct str judge_text(sqlite3_stmt *st, int column)
{
    const char *p = sqlite3_column_blob(st, column);
    return (struct str){p, (size_t)sqlite3_column_bytes(st, column)};
}

struct id judge_id(sqlite3_stmt *st, int column)
{
    struct id id = {{0}};
    struct str s = judge_text(st, column);
    if (s.n == sizeof id.b)
        memcpy(id.b, s.p, sizeof id.b);
    return id;
}

int64_t judge_number(struct look *l, const char *sql)
{
    sqlite3_stmt *st = judge_sql(l, sql);
    int64_t v = judge_row(st) ? sqlite3_column_int64(st, 0) : 0;
    (void)sqlite3_finalize(st);
    return v;
}

const char *judge_currency(int64_t number)
{
    static const struct {
        int number;
        char code[4];
    } list[] = {{978, "EUR"}, {840, "USD"}, {392, "JPY"}, {414, "KWD"}, {756, "CHF"}, {826, "GBP"}};
    for (size_t i = 0; i < COUNT_OF(list); i++)
        if (list[i].number == number)
            return list[i].code;
    return "?";
}

uint64_t judge_hash(struct id object, struct str data)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < sizeof object.b; i++)
        h = (h ^ object.b[i]) * UINT64_C(1099511628211);
    for (size_t i = 0; i < data.n; i++)
        h = (h ^ (unsigned char)data.p[i]) * UINT64_C(1099511628211);
    return h;
}

void ids_add(struct ids *ids, struct id id)
{
    if (ids->n == ids->cap) {
        ids->cap = ids->cap ? 2 * ids->cap : 64;
        ids->list = mem_resize(ids->list, ids->cap * sizeof *ids->list);
        ASSERT(ids->list != NULL);
    }
    ids->list[ids->n++] = id;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct id));
}

void ids_sort(struct ids *ids)
{
    if (ids->n > 1)
        qsort(ids->list, ids->n, sizeof *ids->list, by_id);
}

bool ids_have(const struct ids *ids, struct id id)
{
    return ids->n > 0 && bsearch(&id, ids->list, ids->n, sizeof id, by_id);
}

const struct book_entry *judge_entry(const struct look *l, enum id_kind kind, struct id base,
                                     unsigned n)
{
    char reference[ID_TEXT_MAX];
    id_text(kind, n ? id_derive(base, n) : base, reference);
    return provider_find(l->e->provider, str_from(reference));
}

const char *judge_z(sqlite3_stmt *st, int column)
{
    const char *text = (const char *)sqlite3_column_text(st, column);
    return text ? text : "";
}

int64_t judge_ask(const struct look *l, struct str details)
{
    static const char mark[] = "\"ask\":\"";
    const char *at = details.p ? memmem(details.p, details.n, mark, sizeof mark - 1) : NULL;
    int64_t v = 0;
    if (!at)
        return -1;
    for (at += sizeof mark - 1; at < details.p + details.n && *at >= '0' && *at <= '9'; at++)
        v = v * 10 + (*at - '0');
    return v < (int64_t)l->e->asks_n ? v : -1;
}

static void check_file(struct look *l)
{
    sqlite3_stmt *st = judge_sql(l, "PRAGMA quick_check(3)");
    while (judge_row(st)) {
        struct str s = judge_text(st, 0);
        if (!str_eq(s, STR("ok")))
            blame(l, "store", "quick_check: " STR_FMT, STR_ARG(s));
    }
    (void)sqlite3_finalize(st);
}

static void look_at(struct look *l, struct disk *copy)
{
    if (l->moment != JUDGE_QUIET)
        check_file(l);
    l->traces = mem_alloc((l->e->asks_n + 1) * sizeof *l->traces);
    ASSERT(l->traces != NULL);
    judge_ledger(l);
    judge_payments(l);
    judge_operations(l);
    judge_refunds(l);
    judge_disputes(l);
    judge_contests(l);
    judge_orders(l);
    judge_inbox(l);
    judge_events(l);
    judge_clients(l);
    judge_work(l);
    judge_deliveries(l);
    if (l->e->vault_file)
        judge_roles(l, copy);
    if (l->moment == JUDGE_END) {
        judge_references(l);
        judge_book(l);
    }
    mem_free(l->traces);
    mem_free(l->told);
    mem_free(l->open.list);
    mem_free(l->may.list);
    mem_free(l->parked.list);
}

int judge_look(struct judge *j, enum judge_moment moment, const struct evidence *e)
{
    char why[200] = "";
    struct heap *before = heap_enter(NULL);
    struct look l = {.judge = j, .e = e, .moment = moment};
    struct disk *copy = disk_copy(e->disk);
    j->looks++;
    l.db = disk_database(copy, e->file, why);
    if (l.db) {
        look_at(&l, copy);
        int rc = sqlite3_close(l.db);
        ASSERT(rc == SQLITE_OK);
    } else {
        blame(&l, "store", "it cannot be opened: %s", why);
    }
    disk_free(copy);
    (void)heap_enter(before);
    return l.found;
}

struct judge *judge_new(void)
{
    struct judge *j = mem_alloc(sizeof *j);
    ASSERT(j != NULL);
    return j;
}

void judge_free(struct judge *j)
{
    mem_free(j);
}

int64_t judge_looks(const struct judge *j)
{
    return j->looks;
}

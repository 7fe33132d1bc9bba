/* The floor of the benchmark: the records of one captured card payment, written by hand in the
 * plain layout (text ids, a row and a JSON body per record, rowid tables with ordinary indexes,
 * SQLite's default page), in two transactions per batch as Florin does it: intents with the place
 * to go on from, then outcomes. WAL, synchronous=FULL, prepared statements, nothing else. Usage:
 * floor FOLDER BATCH SECONDS; prints one JSON object. */
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static const char schema[] =
    "CREATE TABLE idempotency (merchant TEXT, key TEXT, fingerprint TEXT, status INTEGER, body "
    "TEXT, created INTEGER,"
    " PRIMARY KEY (merchant, key));"
    "CREATE TABLE payment (id TEXT PRIMARY KEY, merchant TEXT, status TEXT, amount INTEGER, "
    "currency TEXT, captured INTEGER,"
    " created INTEGER, body TEXT);"
    "CREATE INDEX payment_created ON payment (merchant, created);"
    "CREATE TABLE attempt (id TEXT PRIMARY KEY, payment TEXT, status TEXT, provider TEXT, "
    "reference TEXT, body TEXT);"
    "CREATE INDEX attempt_payment ON attempt (payment);"
    "CREATE TABLE position (id TEXT PRIMARY KEY, due INTEGER, body TEXT);"
    "CREATE INDEX position_due ON position (due);"
    "CREATE TABLE journal (id TEXT PRIMARY KEY, payment TEXT, kind TEXT, created INTEGER);"
    "CREATE INDEX journal_payment ON journal (payment);"
    "CREATE TABLE posting (id TEXT PRIMARY KEY, journal TEXT, account TEXT, amount INTEGER);"
    "CREATE INDEX posting_journal ON posting (journal);"
    "CREATE TABLE event (id TEXT PRIMARY KEY, merchant TEXT, sequence INTEGER, type TEXT, payment "
    "TEXT, body TEXT);"
    "CREATE UNIQUE INDEX event_sequence ON event (merchant, sequence);";

enum {
    IDEM_IN,
    PAY_IN,
    ATT_IN,
    POS_IN,
    PAY_UP,
    ATT_UP,
    JOURNAL,
    POSTING,
    EVENT,
    IDEM_UP,
    POS_OUT,
    STATEMENTS
};
static const char *const text[STATEMENTS] = {
    [IDEM_IN] = "INSERT INTO idempotency VALUES ('mer_1', ?1, 'f0123456789abcdef0123456789abcdef', "
                "0, NULL, ?2)",
    [PAY_IN] = "INSERT INTO payment VALUES (?1, 'mer_1', 'processing', 9232, 'EUR', 0, ?2, ?3)",
    [ATT_IN] = "INSERT INTO attempt VALUES (?1, ?2, 'sent', 'sandbox', NULL, ?3)",
    [POS_IN] = "INSERT INTO position VALUES (?1, ?2, ?3)",
    [PAY_UP] = "UPDATE payment SET status = 'captured', captured = 9232, body = ?2 WHERE id = ?1 "
               "AND status = 'processing'",
    [ATT_UP] = "UPDATE attempt SET status = 'captured', reference = ?2, body = ?3 WHERE id = ?1 "
               "AND status = 'sent'",
    [JOURNAL] = "INSERT INTO journal VALUES (?1, ?2, 'sale', ?3)",
    [POSTING] = "INSERT INTO posting VALUES (?1, ?2, ?3, ?4)",
    [EVENT] = "INSERT INTO event VALUES (?1, 'mer_1', ?2, 'payment.captured', ?3, ?4)",
    [IDEM_UP] =
        "UPDATE idempotency SET status = 200, body = ?2 WHERE merchant = 'mer_1' AND key = ?1",
    [POS_OUT] = "DELETE FROM position WHERE id = ?1",
};

static sqlite3 *db;
static sqlite3_stmt *stmt[STATEMENTS];
static uint64_t state = 88172645463325252u;

static void die(const char *what)
{
    (void)fprintf(stderr, "floor: %s: %s\n", what, db ? sqlite3_errmsg(db) : "");
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* A time-ordered text id, as ULIDs are. */
static void make_id(char out[40], const char *prefix, int64_t n)
{
    (void)snprintf(out, 40, "%s%010llX%016llX", prefix, (unsigned long long)n,
                   (unsigned long long)next());
}

static void run(int i, int n, ...)
{
    va_list ap;
    sqlite3_stmt *s = stmt[i];
    va_start(ap, n);
    for (int k = 1; k <= n; k++) {
        const char *z = va_arg(ap, const char *);
        sqlite3_int64 v = va_arg(ap, sqlite3_int64);
        if (z)
            sqlite3_bind_text(s, k, z, -1, SQLITE_STATIC);
        else
            sqlite3_bind_int64(s, k, v);
    }
    va_end(ap);
    if (sqlite3_step(s) != SQLITE_DONE)
        die(text[i]);
    sqlite3_reset(s);
}
#define T(z) (z), (sqlite3_int64)0
#define I(v) (const char *)NULL, (sqlite3_int64)(v)

static void exec(const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sql);
}

struct record {
    char key[40], pay[40], att[40];
};

static const char body[] = "{\"id\":\"pay_01JDF3Z7M00000000000000000\",\"object\":\"payment\","
                           "\"mode\":\"test\",\"status\":\"captured\",\"amount\":9232,"
                           "\"currency\":\"EUR\",\"amount_authorized\":9232,\"amount_capturable\":"
                           "0,\"amount_captured\":9232,\"amount_refunded\":0,"
                           "\"amount_disputed\":0,\"capture\":true,\"payment_method_token\":\"pm_"
                           "tok_visa\",\"next_action\":null,\"decline_code\":null,"
                           "\"provider_account\":\"pac_01JDF3Z7M00000000000000000\",\"provider_"
                           "reference\":\"ch_0123456789\",\"network_reference\":"
                           "\"012345678901\",\"description\":null,\"statement_descriptor\":null,"
                           "\"return_url\":null,\"metadata\":{\"order_id\":\"ORD-1001\"},"
                           "\"version\":1,\"created\":\"2026-11-24T12:48:18.547Z\",\"updated\":"
                           "\"2026-11-24T12:48:18.576Z\"}";

static void intent(struct record *r, int64_t n)
{
    make_id(r->pay, "pay_", n);
    make_id(r->att, "att_", n);
    (void)snprintf(r->key, sizeof r->key, "%016llx%016llx", (unsigned long long)next(),
                   (unsigned long long)next());
    run(IDEM_IN, 2, T(r->key), I(n));
    run(PAY_IN, 3, T(r->pay), I(n), T(body));
    run(ATT_IN, 3, T(r->att), T(r->pay),
        T("{\"operation\":\"authorize\",\"amount\":9232,\"currency\":\"EUR\"}"));
    run(POS_IN, 3, T(r->pay), I(n), T("{\"flow\":\"payment_create\",\"next\":\"inquire\"}"));
}

static void outcome(const struct record *r, int64_t n)
{
    char journal[40], leg[40], event[40];
    make_id(journal, "jrn_", n);
    make_id(event, "evt_", n);
    run(PAY_UP, 2, T(r->pay), T(body));
    run(ATT_UP, 3, T(r->att), T("ch_0123456789"),
        T("{\"operation\":\"authorize\",\"amount\":9232,\"outcome\":\"captured\"}"));
    run(JOURNAL, 3, T(journal), T(r->pay), I(n));
    make_id(leg, "pst_", n);
    run(POSTING, 4, T(leg), T(journal), T("provider_receivable"), I(9232));
    make_id(leg, "pst_", n);
    run(POSTING, 4, T(leg), T(journal), T("merchant_pending"), I(-9232));
    run(EVENT, 4, T(event), I(n), T(r->pay), T(body));
    run(IDEM_UP, 2, T(r->key), T(body));
    run(POS_OUT, 1, T(r->pay));
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static long long written_bytes(void)
{
    long long v = 0;
    char line[128];
    FILE *f = fopen("/proc/self/io", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "write_bytes: %lld", &v) == 1)
            break;
    if (f)
        (void)fclose(f);
    return v;
}

int main(int argc, char **argv)
{
    static struct record records[4096];
    static int64_t took[2000000];
    char path[512];
    if (argc != 4)
        die("usage: floor FOLDER BATCH SECONDS");
    int batch = atoi(argv[2]);
    int64_t seconds = atoi(argv[3]), n = 0;
    size_t batches = 0;
    if (batch < 1 || batch > 4096 || seconds < 1)
        die("usage: floor FOLDER BATCH SECONDS");
    (void)snprintf(path, sizeof path, "%s/floor.db", argv[1]);
    if (sqlite3_open(path, &db) != SQLITE_OK)
        die("open");
    exec("PRAGMA journal_mode=WAL");
    exec("PRAGMA synchronous=FULL");
    exec("PRAGMA cache_size=-8192");
    exec(schema);
    for (int i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v2(db, text[i], -1, &stmt[i], NULL) != SQLITE_OK)
            die(text[i]);
    int64_t start = now_us(), end = start + seconds * 1000000, at = start;
    long long written = written_bytes();
    while (at < end && batches < sizeof took / sizeof took[0]) {
        exec("BEGIN IMMEDIATE");
        for (int i = 0; i < batch; i++)
            intent(&records[i], n + i);
        exec("COMMIT");
        exec("BEGIN IMMEDIATE");
        for (int i = 0; i < batch; i++)
            outcome(&records[i], n + i);
        exec("COMMIT");
        n += batch;
        int64_t t = now_us();
        took[batches++] = t - at;
        at = t;
    }
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    double cpu = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6 +
                 (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
    qsort(took, batches, sizeof took[0], by_value);
    (void)printf("{\"name\":\"floor\",\"engine\":\"sqlite\",\"batch\":%d,\"payments\":%lld,\"per_"
                 "second\":%.0f,\"p50_ms\":%.2f,"
                 "\"p99_ms\":%.2f,\"bytes_per_payment\":%.0f,\"cpu_us_per_payment\":%.0f}\n",
                 batch, (long long)n, (double)n * 1e6 / (double)(at - start),
                 (double)took[batches / 2] / 1000, (double)took[batches * 99 / 100] / 1000,
                 (double)(written_bytes() - written) / (double)n, cpu / (double)n);
    return sqlite3_close_v2(db) == SQLITE_OK ? 0 : 1;
}

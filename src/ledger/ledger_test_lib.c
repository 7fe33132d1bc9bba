#include "ledger/ledger_test_lib.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/crypto.h"

void fixture_make(struct fixture *f)
{
    crypto_init();
    *f = (struct fixture){.store = NULL};
    f->folder = folder_make();
}

void fixture_open(struct fixture *f)
{
    f->store =
        folder_open(&f->folder, (struct store_config){.hooks = {.before_commit = ledger_chain}});
}

void fixture_close(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
}

void fixture_remove(struct fixture *f)
{
    if (f->store)
        fixture_close(f);
    folder_remove(&f->folder);
}

void fixture_sql(struct fixture *f, const char *fmt, ...)
{
    assert_null(f->store);
    va_list ap;
    va_start(ap, fmt);
    char *text = sqlite3_vmprintf(fmt, ap);
    va_end(ap);
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(sqlite3_open_v2(f->folder.file, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA ignore_check_constraints = 1", NULL, NULL, NULL);
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    assert_true(sqlite3_total_changes(db) > 0);
    sqlite3_close(db);
    sqlite3_free(text);
}

void fixture_copy(const struct fixture *from, struct fixture *to)
{
    char buf[65536];
    size_t n;
    assert_null(from->store);
    fixture_make(to);
    FILE *in = fopen(from->folder.file, "rb"), *out = fopen(to->folder.file, "wb");
    assert_true(in && out);
    while ((n = fread(buf, 1, sizeof buf, in)) > 0)
        assert_int_equal(fwrite(buf, 1, n, out), n);
    fclose(in);
    fclose(out);
}

struct post_arg {
    const struct journal *j;
    struct det det;
    int64_t number;
};

static err_t run_post(struct store_tx *tx, void *arg)
{
    struct post_arg *p = arg;
    return ledger_post(tx, &p->det, p->j, &p->number);
}

int64_t post(struct fixture *f, const struct journal *j, int64_t now_us)
{
    struct post_arg p = {.j = j, .det = {.now_us = now_us}};
    assert_int_equal(store_write(f->store, 0, run_post, &p), OK);
    return p.number;
}

static err_t run_verify(struct store_tx *tx, void *arg)
{
    return ledger_verify(tx, arg);
}

void verify(struct fixture *f, struct ledger_report *ret)
{
    assert_int_equal(store_read(f->store, run_verify, ret), OK);
}

struct id test_id(unsigned n)
{
    struct id id = {{0x01, 0x9a, 0, 0, 0, 0, 0x70, 0, 0x80}};
    id.b[12] = (uint8_t)(n >> 8);
    id.b[13] = (uint8_t)n;
    return id;
}

void insert_payment(struct fixture *f, const struct test_payment *p)
{
    struct buf hex = BUF(64);
    buf_hex(&hex, p->id.b, 16);
    fixture_sql(
        f,
        "INSERT INTO payment (merchant_id, payment_id, state, version, amount, currency, "
        "capture, authorized, captured, released, refunded, refund_pending, disputed, "
        "dispute_lost, provider_account, attempt, operations, decline, event_last, "
        "journal_last, created_at, updated_at, token, details) "
        "VALUES (%lld, x'%s', 7, 1, 1000, 978, 1, %lld, %lld, 100, %lld, %lld, %lld, %lld, 1, 1, "
        "1, 0, %lld, %lld, 1, 1, 'pm_tok_visa', '')",
        (long long)p->merchant_id, hex.p, (long long)(p->captured + p->held + 100),
        (long long)p->captured, (long long)p->refunded, (long long)p->refund_pending,
        (long long)p->disputed, (long long)p->dispute_lost, (long long)p->event_last,
        (long long)p->journal_last);
    buf_free(&hex);
}

#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "ledger/ledger_test_lib.h"

#define T0 INT64_C(1764000000000000)

static struct journal journal(int64_t merchant_id, int currency, unsigned payment)
{
    return (struct journal){.merchant_id = merchant_id,
                            .currency = (int16_t)currency,
                            .payment_id = payment ? test_id(payment) : (struct id){{0}},
                            .operation_id =
                                payment ? id_derive(test_id(payment), 1) : (struct id){{0}},
                            .effective_us = T0};
}

/* --- a plain model to compare with --- */
#define MODEL_MAX 512
struct model {
    struct balance b[MODEL_MAX];
    int n, seen;
};

static struct balance *model_find(struct model *m, int currency, int account, int unit)
{
    for (int i = 0; i < m->n; i++)
        if (m->b[i].currency == currency && (int)m->b[i].account == account && m->b[i].unit == unit)
            return &m->b[i];
    return NULL;
}

static void model_add(struct model *m, const struct journal *j)
{
    for (size_t i = 0; i < j->n; i++) {
        const struct posting *p = &j->posting[i];
        struct balance *b = model_find(m, j->currency, (int)p->account, p->unit);
        if (!b) {
            b = &m->b[m->n++];
            *b = (struct balance){.currency = j->currency, .unit = p->unit, .account = p->account};
        }
        *(p->layer == LAYER_POSTED ? &b->posted : &b->pending) += p->amount;
    }
}

static err_t compare_balance(const struct balance *b, void *arg)
{
    struct model *m = arg;
    struct balance *want = model_find(m, b->currency, (int)b->account, b->unit);
    assert_non_null(want);
    assert_int_equal(b->pending, want->pending);
    assert_int_equal(b->posted, want->posted);
    m->seen++;
    return OK;
}

struct merchant_arg {
    int64_t merchant_id;
    struct model *model;
};

static err_t run_compare(struct store_tx *tx, void *arg)
{
    struct merchant_arg *a = arg;
    a->model->seen = 0;
    return ledger_balances(tx, a->merchant_id, compare_balance, a->model);
}

static void compare_balances(struct fixture *f, int64_t merchant_id, struct model *m)
{
    struct merchant_arg a = {merchant_id, m};
    assert_int_equal(store_read(f->store, run_compare, &a), OK);
    assert_int_equal(m->seen, m->n);
}

static err_t run_snapshot(struct store_tx *tx, void *arg)
{
    return ledger_snapshot(tx, *(int64_t *)arg);
}

static err_t run_snapshot_due(struct store_tx *tx, void *arg)
{
    return ledger_snapshot_due(tx, 10, arg);
}

/* Any of the ready-made journals, or legs made up on the spot. */
static void random_journal(struct det *d, struct journal *j)
{
    int16_t unit = (int16_t)(1 + det_below(d, 3));
    int64_t amount = (int64_t)(1 + det_below(d, 100000)), part = 1 + amount / 2;
    void (*const simple[])(struct journal *, int16_t, int64_t) = {
        ledger_authorization,  ledger_sale,         ledger_cancel,         ledger_refund_intent,
        ledger_refund,         ledger_increment,    ledger_expiry,         ledger_refund_return,
        ledger_refund_release, ledger_dispute_hold, ledger_dispute_release};
    uint64_t pick = det_below(d, COUNT_OF(simple) + 5);
    if (pick < COUNT_OF(simple)) {
        simple[pick](j, unit, amount);
    } else if (pick == COUNT_OF(simple)) {
        ledger_capture(j, unit, amount, part);
    } else if (pick == COUNT_OF(simple) + 1) {
        ledger_clearing(j, unit, det_below(d, 2) ? amount : -amount, det_below(d, 2) != 0);
    } else if (pick == COUNT_OF(simple) + 2) {
        ledger_dispute_loss(j, unit, amount, det_below(d, 2) ? part : 0);
    } else if (pick == COUNT_OF(simple) + 3) {
        ledger_dispute_reversal(j, unit, amount, det_below(d, 2) ? part : 0);
    } else {
        j->kind = JOURNAL_SALE;
        j->n = 3;
        j->posting[0] = (struct posting){ACCOUNT_FEES, 0, LAYER_POSTED, amount};
        j->posting[1] = (struct posting){ACCOUNT_BANK, unit, LAYER_POSTED, part};
        j->posting[2] = (struct posting){ACCOUNT_SUSPENSE, 0, LAYER_POSTED, -amount - part};
    }
}

static void test_balances_equal_a_model(void **state)
{
    (void)state;
    static const int currencies[] = {978, 840, 392};
    struct fixture f;
    uint8_t seed[32] = {7};
    struct det d = det_make(T0, seed);
    static struct model model[3];
    memset(model, 0, sizeof model);
    fixture_make(&f);
    fixture_open(&f);
    for (int i = 0; i < 400; i++) {
        int64_t m = (int64_t)det_below(&d, 3);
        struct journal j = journal(2 + m, currencies[det_below(&d, 3)], 0);
        random_journal(&d, &j);
        post(&f, &j, T0 + i);
        model_add(&model[m], &j);
        if (det_below(&d, 60) == 0) {
            int64_t merchant_id = 2 + m;
            assert_int_equal(store_write(f.store, 0, run_snapshot, &merchant_id), OK);
        }
    }
    for (int64_t m = 0; m < 3; m++)
        compare_balances(&f, 2 + m, &model[m]);
    int moved;
    do
        assert_int_equal(store_write(f.store, 0, run_snapshot_due, &moved), OK);
    while (moved > 0);
    for (int64_t m = 0; m < 3; m++)
        compare_balances(&f, 2 + m, &model[m]);
    struct ledger_report r;
    verify(&f, &r);
    assert_string_equal(r.first_fault, "");
    assert_int_equal(r.merchants, 3);
    assert_int_equal(r.journals, 400);
    fixture_close(&f);
    fixture_open(&f); /* and after a restart */
    compare_balances(&f, 3, &model[1]);
    fixture_remove(&f);
}

static void test_other_merchants_balances_are_not_seen(void **state)
{
    (void)state;
    struct fixture f;
    struct model none = {.n = 0};
    fixture_make(&f);
    fixture_open(&f);
    struct journal j = journal(2, 978, 0);
    ledger_sale(&j, 1, 500);
    post(&f, &j, T0);
    compare_balances(&f, 4, &none);
    fixture_remove(&f);
}

/* --- batches --- */
struct job_op {
    struct store_op op;
    struct journal j;
    bool refuse;
    err_t result;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int finished;

static err_t run_job(struct store_tx *tx, void *arg)
{
    struct job_op *o = arg;
    struct det det = {.now_us = T0};
    int64_t number;
    err_t err = ledger_post(tx, &det, &o->j, &number);
    return err ? err : o->refuse ? ERR_STATE : OK;
}

static void job_done(err_t err, void *arg)
{
    struct job_op *o = arg;
    pthread_mutex_lock(&lock);
    o->result = err;
    finished++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void test_chain_over_batches_and_merchants(void **state)
{
    (void)state;
    enum { N = 900 };
    static struct job_op ops[N];
    struct fixture f;
    uint8_t seed[32] = {9};
    struct det d = det_make(T0, seed);
    fixture_make(&f);
    fixture_open(&f);
    finished = 0;
    int refused = 0;
    for (int i = 0; i < N; i++) {
        ops[i] = (struct job_op){.op = {.run = run_job, .done = job_done, .arg = &ops[i]},
                                 .j = journal((int64_t)(2 + det_below(&d, 5)), 978, 0),
                                 .refuse = det_below(&d, 7) == 0};
        random_journal(&d, &ops[i].j);
        refused += ops[i].refuse;
        assert_int_equal(store_submit(f.store, &ops[i].op), OK);
    }
    pthread_mutex_lock(&lock);
    while (finished < N)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < N; i++)
        assert_int_equal(ops[i].result, ops[i].refuse ? ERR_STATE : OK);
    struct ledger_report r;
    verify(&f, &r);
    assert_string_equal(r.first_fault, "");
    assert_int_equal(r.merchants, 5);
    assert_int_equal(r.journals, N - refused);
    assert_true(r.chain_rows >= 5 && r.chain_rows < N - refused); /* batches, not one row each */
    fixture_remove(&f);
}

/* --- the byte format, recomputed with another program (Python's hashlib) --- */
static err_t read_hash(struct store_row *row, void *arg)
{
    struct buf *hex = arg;
    struct str s = row_text(row, 3);
    buf_hex(hex, s.p, s.n);
    return OK;
}

static err_t run_read_chain(struct store_tx *tx, void *arg)
{
    return store_each(tx, SQL_LEDGER_SELECT_CHAIN_LAST, read_hash, arg, V_INT(2));
}

static void test_leaf_format_is_fixed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    fixture_open(&f);
    struct journal j = journal(2, 978, 5);
    j.previous = 0;
    ledger_sale(&j, 3, 9232);
    assert_int_equal(post(&f, &j, T0 + 1), 1);
    struct buf hex = BUF(128);
    assert_int_equal(store_read(f.store, run_read_chain, &hex), OK);
    assert_string_equal(hex.p, "5407978d31fbe5109a7b611ddcd94763bb01c78cb796ac98a195718f019dcda4");
    buf_free(&hex);
    fixture_remove(&f);
}

/* --- journals of a payment --- */
struct list_arg {
    int64_t last;
    struct buf out;
};

static err_t run_list(struct store_tx *tx, void *arg)
{
    struct list_arg *a = arg;
    struct jw w = {.b = &a->out};
    buf_clear(&a->out);
    return ledger_write_journals(tx, 2, a->last, &w, NULL);
}

static void test_journals_of_a_payment(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    fixture_open(&f);
    struct journal j = journal(2, 978, 5), other = journal(2, 978, 6);
    ledger_authorization(&j, 1, 9232);
    int64_t first = post(&f, &j, T0);
    ledger_sale(&other, 1, 1);
    post(&f, &other, T0);
    ledger_capture(&j, 1, 9232, 9000);
    j.previous = first;
    j.operation_id = id_derive(test_id(5), 2);
    struct list_arg a = {.last = post(&f, &j, T0 + 1500), .out = BUF(10000)};
    assert_int_equal(store_read(f.store, run_list, &a), OK);
    assert_string_equal(
        a.out.p,
        "[{\"number\":3,\"kind\":\"capture\",\"currency\":\"EUR\","
        "\"payment\":\"pay_01K8000000E00800000000A000\",\"operation\":\"cap_"
        "01K8000000E00800000000A002\","
        "\"recorded\":\"2025-11-24T16:00:00.001Z\",\"effective\":\"2025-11-24T16:00:00.000Z\","
        "\"postings\":["
        "{\"account\":\"merchant_pending\",\"unit\":0,\"layer\":\"pending\",\"amount\":9232},"
        "{\"account\":\"provider_receivable\",\"unit\":1,\"layer\":\"pending\",\"amount\":-9232},"
        "{\"account\":\"provider_receivable\",\"unit\":1,\"layer\":\"posted\",\"amount\":9000},"
        "{\"account\":\"merchant_pending\",\"unit\":0,\"layer\":\"posted\",\"amount\":-9000}]},"
        "{\"number\":1,\"kind\":\"authorization\",\"currency\":\"EUR\","
        "\"payment\":\"pay_01K8000000E00800000000A000\",\"operation\":\"att_"
        "01K8000000E00800000000A001\","
        "\"recorded\":\"2025-11-24T16:00:00.000Z\",\"effective\":\"2025-11-24T16:00:00.000Z\","
        "\"postings\":["
        "{\"account\":\"provider_receivable\",\"unit\":1,\"layer\":\"pending\",\"amount\":9232},"
        "{\"account\":\"merchant_pending\",\"unit\":0,\"layer\":\"pending\",\"amount\":-9232}]}]");
    buf_free(&a.out);
    fixture_remove(&f);
}

/* A payment's whole life ends at zero pending, and posted what was kept. */
static void test_life_of_a_payment(void **state)
{
    (void)state;
    struct fixture f;
    struct model m = {.n = 0};
    fixture_make(&f);
    fixture_open(&f);
    struct journal j = journal(2, 978, 0);
    ledger_authorization(&j, 1, 1000);
    post(&f, &j, T0);
    ledger_capture(&j, 1, 1000, 700);
    post(&f, &j, T0);
    ledger_refund_intent(&j, 1, 200);
    post(&f, &j, T0);
    ledger_refund(&j, 1, 200);
    post(&f, &j, T0);
    ledger_refund_intent(&j, 1, 100);
    post(&f, &j, T0);
    ledger_refund_release(&j, 1, 100);
    post(&f, &j, T0);
    ledger_authorization(&j, 1, 55);
    post(&f, &j, T0);
    ledger_cancel(&j, 1, 55);
    post(&f, &j, T0);
    m.b[m.n++] = (struct balance){978, 1, ACCOUNT_PROVIDER_RECEIVABLE, 0, 500};
    m.b[m.n++] = (struct balance){978, 0, ACCOUNT_MERCHANT_PENDING, 0, -700};
    m.b[m.n++] = (struct balance){978, 0, ACCOUNT_REFUNDS, 0, 200};
    compare_balances(&f, 2, &m);
    fixture_remove(&f);
}

/* Each journal on its own, as the balances that it leaves. */
static void test_disputes_and_clearing(void **state)
{
    (void)state;
    struct fixture f;
    struct model m = {.n = 0};
    fixture_make(&f);
    fixture_open(&f);
    struct journal j = journal(2, 978, 0);
    ledger_sale(&j, 1, 1000);
    post(&f, &j, T0);
    ledger_dispute_hold(&j, 1, 400);
    post(&f, &j, T0);
    m.b[m.n++] = (struct balance){978, 1, ACCOUNT_PROVIDER_RECEIVABLE, 0, 600};
    m.b[m.n++] = (struct balance){978, 0, ACCOUNT_MERCHANT_PENDING, 0, -1000};
    m.b[m.n++] = (struct balance){978, 0, ACCOUNT_DISPUTES_HELD, 0, 400};
    compare_balances(&f, 2, &m);
    ledger_dispute_loss(&j, 1, 400, 15);
    post(&f, &j, T0);
    m.b[0].posted = 585; /* the provider withholds the fee */
    m.b[1].posted = -600;
    m.b[2].posted = 0;
    m.b[m.n++] = (struct balance){978, 0, ACCOUNT_FEES, 0, 15};
    compare_balances(&f, 2, &m);
    ledger_dispute_reversal(&j, 1, 400, 15);
    post(&f, &j, T0);
    m.b[0].posted = 1000;
    m.b[1].posted = -1000;
    m.b[3].posted = 0;
    compare_balances(&f, 2, &m);
    ledger_clearing(&j, 1, -3, false);
    post(&f, &j, T0);
    ledger_clearing(&j, 1, 250, true);
    post(&f, &j, T0);
    m.b[0].posted = 1247;
    m.b[1].posted = -997;
    m.b[m.n++] = (struct balance){978, 0, ACCOUNT_SUSPENSE, 0, -250};
    compare_balances(&f, 2, &m);
    ledger_review_accept(&j, 250);
    post(&f, &j, T0);
    m.b[1].posted = -1247;
    m.b[4].posted = 0;
    compare_balances(&f, 2, &m);
    fixture_remove(&f);
}

/* As many as there are, newest first, with their legs; a broken link is found. */
static err_t count_entry(const struct ledger_entry *e, void *arg)
{
    int64_t *last = arg;
    assert_true(e->number < *last && e->journal.n >= 2 && e->journal.currency == 978);
    *last = e->number;
    return e->number == 1 ? ERR_FORBIDDEN : OK; /* what it returns is passed on */
}

static err_t run_each(struct store_tx *tx, void *arg)
{
    return ledger_each(tx, 2, 3, count_entry, arg);
}

static void test_each_journal_newest_first(void **state)
{
    (void)state;
    struct fixture f;
    int64_t last = 4;
    fixture_make(&f);
    fixture_open(&f);
    struct journal j = journal(2, 978, 5);
    ledger_authorization(&j, 1, 1000);
    for (int i = 0; i < 3; i++)
        j.previous = post(&f, &j, T0);
    assert_int_equal(store_read(f.store, run_each, &last), ERR_FORBIDDEN);
    assert_int_equal(last, 1);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_balances_equal_a_model),
        cmocka_unit_test(test_other_merchants_balances_are_not_seen),
        cmocka_unit_test(test_chain_over_batches_and_merchants),
        cmocka_unit_test(test_leaf_format_is_fixed),
        cmocka_unit_test(test_journals_of_a_payment),
        cmocka_unit_test(test_life_of_a_payment),
        cmocka_unit_test(test_disputes_and_clearing),
        cmocka_unit_test(test_each_journal_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

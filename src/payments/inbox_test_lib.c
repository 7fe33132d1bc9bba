#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <sqlite3.h>

#include "ledger/ledger.h"
#include "payments/inbox_test_lib.h"
#include "store/store_folder.h"

#define HELD_MAX 4

struct held {
    const struct provider_call *call;
    void (*done)(const struct outcome *o, void *arg);
    void *arg;
};

static struct {
    struct folder folder;
    struct store *store;
    struct flow_engine *flows;
    sqlite3 *db; /* for looking at rows */
    int64_t now_us;
    uint64_t seeds;
    struct payment_settings settings;
    int calls[OPERATION_COUNT];
    struct provider_call last;
    bool hold, refuse;
    struct held held[HELD_MAX];
    int held_n;
} t;

static const uint8_t key[32] = {7};

/* --- the provider --- */

static void approve(const struct provider_call *call, struct outcome *o)
{
    bool authorize = call->operation == OPERATION_AUTHORIZE || call->operation == OPERATION_CONFIRM;
    o->kind = OUTCOME_PENDING;
    if (call->operation == OPERATION_ACCEPT_DISPUTE)
        o->kind = OUTCOME_ACCEPTED; /* and does not say how the dispute stands */
    if (!authorize || strcmp(call->token, TOKEN_PENDING) == 0)
        return;
    o->amount = call->amount;
    o->currency = call->currency;
    if (t.refuse) {
        o->kind = OUTCOME_DECLINED;
        o->decline = DECLINE_AUTHENTICATION_FAILED;
        return;
    }
    if (strcmp(call->token, TOKEN_ACTION) == 0 && call->operation == OPERATION_AUTHORIZE) {
        o->kind = OUTCOME_REQUIRES_ACTION;
        o->action = ACTION_CHALLENGE;
        o->action_expires_us = t.now_us + DAY_US;
        (void)snprintf(o->action_url, sizeof o->action_url, "https://bank.example/challenge");
    } else if (strcmp(call->token, TOKEN_HELD) == 0) {
        o->kind = OUTCOME_AUTHORIZED;
        o->capture_before_us = t.now_us + 7 * DAY_US;
    } else {
        o->kind = OUTCOME_CAPTURED;
    }
}

static void answer(const struct held *h)
{
    struct outcome o = {.kind = OUTCOME_UNKNOWN};
    approve(h->call, &o);
    h->done(&o, h->arg);
}

static void provider_call(void *self, const struct provider_call *call,
                          void (*done)(const struct outcome *o, void *arg), void *arg)
{
    (void)self;
    struct held h = {call, done, arg};
    t.calls[call->operation]++;
    t.last = *call;
    if (!t.hold) {
        answer(&h);
        return;
    }
    assert_true(t.held_n < HELD_MAX);
    t.held[t.held_n++] = h;
}

static int64_t not_found_final(void *self, int64_t merchant_id, int16_t account)
{
    (void)self, (void)merchant_id, (void)account;
    return 60000;
}

void world_hold(void)
{
    t.hold = true;
}

void world_release(void)
{
    t.hold = false;
    for (int i = 0; i < t.held_n; i++)
        answer(&t.held[i]);
    t.held_n = 0;
    world_settle();
}

int world_calls(enum provider_operation o)
{
    return t.calls[o];
}

const struct provider_call *world_last_call(void)
{
    return &t.last;
}

void world_refuse(bool refuse)
{
    t.refuse = refuse;
}

struct store *world_store(void)
{
    return t.store;
}

struct flow_engine *world_engine(void)
{
    return t.flows;
}

/* --- time and turns --- */

static struct det make_det(void *self)
{
    uint8_t seed[32] = {1};
    (void)self;
    num_put64(seed + 8, ++t.seeds);
    return det_make(t.now_us, seed);
}

int64_t world_now_us(void)
{
    return t.now_us;
}

void world_settle(void)
{
    for (size_t before = SIZE_MAX;;) {
        while (store_step(t.store))
            continue;
        size_t active = flow_active(t.flows);
        if (active == (size_t)t.held_n)
            return;
        assert_true(before != active || !store_idle(t.store));
        before = active;
    }
}

/* A turn of the janitor takes up to 64. */
void world_pass(int64_t us)
{
    t.now_us += us;
    for (int64_t claimed = -1; claimed != 0;) {
        uint64_t seeds = t.seeds;
        flow_tick(t.flows);
        world_settle();
        claimed = (int64_t)(t.seeds - seeds - 1); /* each step of each flow takes a seed */
    }
}

static err_t make_merchant(struct store_tx *tx, void *arg)
{
    struct id *ids = arg;
    err_t err = store_exec(tx, SQL_API_INSERT_MERCHANT, NULL, V_INT(WORLD_MERCHANT), V_ID(&ids[0]),
                           V_TEXT(STR("test")), V_INT(0), V_INT(t.now_us));
    return err ? err
               : store_exec(tx, SQL_API_INSERT_ACCOUNT, NULL, V_INT(WORLD_MERCHANT), V_ID(&ids[1]),
                            V_INT(WORLD_ACCOUNT), V_TEXT(STR("toy")), V_INT(0), V_BLOB("x", 1),
                            V_INT(t.now_us));
}

static void open_engine(void)
{
    t.settings = (struct payment_settings){.confirm_on_return = true,
                                           .attempts_max = 5,
                                           .authentication_timeout_us = INT64_C(900000000),
                                           .clearing_tolerance_bps = 100,
                                           .dispute_reminder_us = DAY_US,
                                           .public_url = "https://pay.example",
                                           .return_key = key};
    struct flow_config flows = {
        .store = t.store,
        .provider = {.call = provider_call, .not_found_final_ms = not_found_final},
        .defs = payment_flows,
        .defs_n = payment_flows_n,
        .lease_us = 30000000,
        .inquiry_delay_us = 5000000,
        .inquiry_backoff_max_us = 300000000,
        .idempotency_us = DAY_US,
        .active_max = 10000,
        .domain = &t.settings,
        .seal_key = key,
        .det = make_det};
    assert_int_equal(flow_start(&flows, &t.flows), OK);
}

void world_open(void)
{
    struct id ids[2];
    memset(&t, 0, sizeof t);
    t.now_us = INT64_C(1790000000000000);
    t.folder = folder_make();
    t.store =
        folder_open(&t.folder, (struct store_config){.stepped = true,
                                                     .hooks = {.before_commit = ledger_chain}});
    struct det det = make_det(NULL);
    ids[0] = id_new(&det);
    ids[1] = id_new(&det);
    assert_int_equal(store_write(t.store, 0, make_merchant, ids), OK);
    assert_int_equal(sqlite3_open_v2(t.folder.file, &t.db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    open_engine();
}

void world_close(void)
{
    flow_free(t.flows);
    sqlite3_close(t.db);
    store_close(t.store);
    folder_remove(&t.folder);
}

/* --- merchants and webhooks --- */

struct ask {
    enum id_kind kind;
    struct id *ret;
};

static void asked(struct flow_run *run, err_t err, void *arg)
{
    struct ask *a = arg;
    if (err)
        fail_msg("%s: %s", run->def->name, run->error.detail);
    json_t *body = json_loadb(run->answer.body.p, run->answer.body.n, 0, NULL);
    const char *id = json_string_value(json_object_get(body, "id"));
    if (a->ret && (!id || !id_parse(a->kind, str_from(id), a->ret)))
        fail_msg("no id: " STR_FMT, STR_ARG(buf_view(&run->answer.body)));
    json_decref(body);
    mem_free(a);
}

void world_flow(const struct flow_def *def, struct id subject, void *input, enum id_kind kind,
                struct id *ret)
{
    struct ask *a = mem_alloc(sizeof *a);
    struct flow_run *run = flow_new(t.flows, def);
    assert_true(a && run);
    a->kind = kind;
    a->ret = ret;
    run->merchant_id = WORLD_MERCHANT;
    run->subject = subject;
    run->input = input;
    run->reply = asked;
    run->reply_arg = a;
    assert_int_equal(flow_submit(run), OK);
}

void world_create(const char *token, int64_t amount, bool capture, struct id *ret)
{
    static struct payment_create in[4]; /* as many kinds as a test mixes in one turn */
    static int n;
    struct payment_create *c = &in[n++ % 4];
    *c = (struct payment_create){.amount = amount,
                                 .currency = 978,
                                 .capture = capture,
                                 .token = str_from(token),
                                 .three_ds = THREE_DS_AUTOMATIC,
                                 .details = STR("\"metadata\":{}")};
    world_flow(&payment_create_flow, (struct id){{0}}, c, ID_PAYMENT, ret);
}

static void heard(struct flow_run *run, err_t err, void *arg)
{
    struct inbox_webhook *w = arg;
    if (err && (w->record_only || error_def(err)->klass == ERROR_DOWN))
        fail_msg("%s: %s", w->event->id, run->error.detail);
    if (!err)
        return;
    w->record_only = true;
    world_webhook(w);
}

void world_webhook(struct inbox_webhook *w)
{
    struct flow_run *run = flow_new(t.flows, &inbox_receive_flow);
    assert_non_null(run);
    run->merchant_id = WORLD_MERCHANT;
    run->input = w;
    run->reply = heard;
    run->reply_arg = w;
    assert_int_equal(flow_submit(run), OK);
}

/* --- looking --- */

struct showing {
    struct id payment;
    struct buf out;
    err_t (*part)(struct store_tx *, int64_t, struct id, struct buf *, bool *);
};

static err_t show(struct store_tx *tx, void *arg)
{
    struct showing *s = arg;
    bool found;
    buf_clear(&s->out);
    err_t err = s->part(tx, WORLD_MERCHANT, s->payment, &s->out, &found);
    assert_true(err || found);
    return err;
}

static json_t *read_part(struct id payment,
                         err_t (*part)(struct store_tx *, int64_t, struct id, struct buf *, bool *))
{
    struct showing s = {.payment = payment, .out = BUF((size_t)1 << 20), .part = part};
    assert_int_equal(store_read(t.store, show, &s), OK);
    json_t *all = json_loadb(s.out.p, s.out.n, 0, NULL);
    assert_non_null(all);
    buf_free(&s.out);
    return all;
}

static err_t show_payment(struct store_tx *tx, int64_t merchant_id, struct id id, struct buf *out,
                          bool *ret_found)
{
    return payment_show(tx, &t.settings, merchant_id, id, out, ret_found);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void describe_payment(struct id payment, struct buf *out)
{
    static const char *const members[] = {
        "status",          "amount",          "amount_authorized", "amount_capturable",
        "amount_captured", "amount_refunded", "amount_disputed",   "amount_cleared",
        "decline_code"};
    json_t *p = read_part(payment, show_payment);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        char *text = json_dumps(json_object_get(p, members[i]), JSON_ENCODE_ANY);
        buf_printf(out, "%s=%s ", members[i], text);
        free(text);
    }
    buf_byte(out, '\n');
    json_decref(p);
}

static void describe_journals(struct id payment, struct buf *out)
{
    json_t *all = read_part(payment, payment_journals), *data = json_object_get(all, "data");
    size_t n = json_array_size(data);
    char *lines[64];
    assert_true(n < COUNT_OF(lines));
    for (size_t i = 0; i < n; i++) {
        json_t *j = json_array_get(data, i);
        json_t *seen =
            json_pack("[O,O]", json_object_get(j, "kind"), json_object_get(j, "postings"));
        assert_non_null(seen);
        lines[i] = json_dumps(seen, JSON_COMPACT | JSON_SORT_KEYS);
        json_decref(seen);
    }
    qsort(lines, n, sizeof *lines, by_text);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%s\n", lines[i]);
        free(lines[i]);
    }
    json_decref(all);
}

/* Rows as they are, where the id is bound to a payment. */
static void describe_rows(struct id payment, const char *sql, struct buf *out)
{
    sqlite3_stmt *q;
    assert_int_equal(sqlite3_prepare_v2(t.db, sql, -1, &q, NULL), SQLITE_OK);
    sqlite3_bind_blob(q, 1, payment.b, 16, SQLITE_STATIC);
    while (sqlite3_step(q) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(q); i++)
            buf_printf(out, "%s=%s ", sqlite3_column_name(q, i),
                       (const char *)sqlite3_column_text(q, i));
        buf_byte(out, '\n');
    }
    sqlite3_finalize(q);
}

void world_describe(struct id payment, struct buf *out)
{
    buf_clear(out);
    describe_payment(payment, out);
    describe_rows(payment,
                  "SELECT 'refund' object, state, amount, decline FROM refund WHERE payment_id = ?",
                  out);
    describe_rows(payment,
                  "SELECT 'operation' object, kind, state, amount FROM operation "
                  "WHERE payment_id = ? ORDER BY number",
                  out);
    describe_rows(
        payment,
        "SELECT 'dispute' object, state, amount, fee, held, provider_version FROM dispute "
        "WHERE payment_id = ?",
        out);
    describe_rows(payment,
                  "SELECT 'review' object, state, expected, seen FROM review WHERE payment_id = ?",
                  out);
    describe_journals(payment, out);
    assert_false(out->failed);
}

struct id world_dispute(struct id payment)
{
    sqlite3_stmt *q;
    struct id id = {{0}};
    assert_int_equal(sqlite3_prepare_v2(t.db, "SELECT dispute_id FROM dispute WHERE payment_id = ?",
                                        -1, &q, NULL),
                     SQLITE_OK);
    sqlite3_bind_blob(q, 1, payment.b, 16, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    memcpy(id.b, sqlite3_column_blob(q, 0), 16);
    sqlite3_finalize(q);
    return id;
}

int64_t world_count(int state)
{
    sqlite3_stmt *q;
    int rc = sqlite3_prepare_v2(t.db, "SELECT count(*) FROM provider_event WHERE state = ?", -1, &q,
                                NULL);
    assert_int_equal(rc, SQLITE_OK);
    sqlite3_bind_int(q, 1, state);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

static err_t verify(struct store_tx *tx, void *arg)
{
    return ledger_verify(tx, arg);
}

void world_verify(void)
{
    struct ledger_report report = {0};
    assert_int_equal(store_read(t.store, verify, &report), OK);
    if (report.faults)
        fail_msg("%lld faults, first: %s", (long long)report.faults, report.first_fault);
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "events/events.h"
#include "store/store_folder.h"

#define T0 INT64_C(1764000000123456)

/* --- pure --- */

static void test_types_are_found_by_text_and_number(void **state)
{
    (void)state;
    assert_string_equal(event_type_text(EVENT_PAYMENT_CAPTURED), "payment.captured");
    assert_string_equal(event_type_text(EVENT_ENDPOINT_DISABLED), "webhook_endpoint.disabled");
    assert_int_equal(event_type_find(STR("refund.succeeded")), 13);
    assert_int_equal(event_type_find(STR("refund.succeede")), 0);
    assert_int_equal(event_type_find(STR("*")), 0);
    assert_null(event_type_text(0));
    assert_null(event_type_text(999));
    assert_null(event_type_text(-1));
    for (int i = 1; event_type_text(i); i++)
        assert_int_equal(event_type_find(str_from(event_type_text(i))), i);
}

static void test_id_is_a_uuid_v7(void **state)
{
    (void)state;
    struct id id = event_id(2, 1, T0);
    assert_int_equal(id_time_ms(id), T0 / 1000);
    assert_int_equal(id.b[6] >> 4, 7);
    assert_int_equal(id.b[8] >> 6, 2);
    char text[ID_TEXT_MAX];
    struct id back;
    id_text(ID_EVENT, id, text);
    assert_true(id_parse(ID_EVENT, str_from(text), &back));
    assert_true(id_eq(id, back));
}

static void test_id_carries_the_sequence(void **state)
{
    (void)state;
    static const int64_t merchants[] = {
        0, 1, 2, 4095, 4096, INT64_C(1) << 20, (INT64_C(1) << 32) - 1};
    static const int64_t sequences[] = {1, 2, 1023, 1024, INT64_C(1) << 32, (INT64_C(1) << 42) - 1};
    struct id seen[COUNT_OF(merchants) * COUNT_OF(sequences)];
    size_t n = 0;
    for (size_t m = 0; m < COUNT_OF(merchants); m++)
        for (size_t s = 0; s < COUNT_OF(sequences); s++) {
            struct id id = event_id(merchants[m], sequences[s], T0);
            assert_int_equal(event_id_sequence(id), sequences[s]);
            for (size_t i = 0; i < n; i++)
                assert_false(id_eq(seen[i], id));
            seen[n++] = id;
        }
}

static void test_ids_of_a_merchant_ascend(void **state)
{
    (void)state;
    struct id last = event_id(7, 1, T0);
    for (int i = 2; i < 200; i++) {
        struct id id = event_id(7, i, T0 + i * 300); /* several in a millisecond */
        assert_true(memcmp(last.b, id.b, 16) < 0);
        last = id;
    }
}

/* --- with a store --- */

static struct {
    struct folder folder;
    struct store *store;
    struct store_note notes[64];
    size_t notes_n;
} t;

static err_t keep_notes(struct store_tx *tx, const struct store_note *notes, size_t n,
                        int64_t now_us, void *arg)
{
    (void)tx, (void)now_us, (void)arg;
    for (size_t i = 0; i < n && t.notes_n < COUNT_OF(t.notes); i++)
        t.notes[t.notes_n++] = notes[i];
    return OK;
}

static void open_store(void)
{
    t.store = folder_open(&t.folder, (struct store_config){.hooks = {.before_commit = keep_notes}});
}

static int setup(void **state)
{
    (void)state;
    crypto_init();
    memset(&t, 0, sizeof t);
    t.folder = folder_make();
    open_store();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(t.store);
    folder_remove(&t.folder);
    return 0;
}

struct append {
    struct event_new e;
    int64_t now_us, sequence;
    bool refuse;
};

static err_t run_append(struct store_tx *tx, void *arg)
{
    struct append *a = arg;
    struct det det = {.now_us = a->now_us};
    err_t err = event_append(tx, &det, &a->e, &a->sequence);
    return err ? err : a->refuse ? ERR_STATE : OK;
}

static struct append new_event(int64_t merchant_id, const char *data)
{
    return (struct append){.now_us = T0,
                           .e = {.merchant_id = merchant_id,
                                 .type = EVENT_PAYMENT_CAPTURED,
                                 .object_kind = ID_PAYMENT,
                                 .object_id = {{1, 0x9a, 0, 0, 0, 0, 0x70, 0, 0x80}},
                                 .object_version = 1,
                                 .data = str_from(data)}};
}

static int64_t append(int64_t merchant_id, const char *data)
{
    struct append a = new_event(merchant_id, data);
    assert_int_equal(store_write(t.store, 0, run_append, &a), OK);
    return a.sequence;
}

struct read {
    int64_t merchant_id, sequence;
    bool found;
    struct buf envelope;
};

static err_t run_read(struct store_tx *tx, void *arg)
{
    struct read *r = arg;
    struct event e;
    err_t err = event_read(tx, r->merchant_id, r->sequence, &e, &r->found);
    if (!err && r->found)
        event_write(&(struct jw){.b = &r->envelope}, NULL, &e);
    return err;
}

static void assert_envelope(int64_t merchant_id, int64_t sequence, const char *want)
{
    struct read r = {.merchant_id = merchant_id, .sequence = sequence, .envelope = BUF(4096)};
    assert_int_equal(store_read(t.store, run_read, &r), OK);
    assert_true(r.found);
    assert_string_equal(r.envelope.p, want);
    buf_free(&r.envelope);
}

static void test_envelope_is_the_same_after_a_restart(void **state)
{
    (void)state;
    static const char want[] =
        "{\"id\":\"evt_01KAV9FT3VE008000800000001\",\"type\":\"payment.captured\","
        "\"created\":\"2025-11-24T16:00:00.123Z\",\"api_version\":\"2026-11-24\",\"mode\":\"test\","
        "\"sequence\":1,\"object_version\":1,\"data\":{\"amount\":9232,\"note\":\"\\u00e9\"}}";
    assert_int_equal(append(2, "{\"amount\":9232,\"note\":\"\\u00e9\"}"), 1);
    assert_envelope(2, 1, want);
    store_close(t.store);
    open_store();
    assert_envelope(2, 1, want);
}

static void test_live_merchants_are_told_apart(void **state)
{
    (void)state;
    append(3, "{}");
    struct read r = {.merchant_id = 3, .sequence = 1, .envelope = BUF(4096)};
    assert_int_equal(store_read(t.store, run_read, &r), OK);
    assert_non_null(strstr(r.envelope.p, "\"mode\":\"live\""));
    buf_free(&r.envelope);
}

static void test_sequences_are_dense_per_merchant(void **state)
{
    (void)state;
    assert_int_equal(append(2, "{}"), 1);
    assert_int_equal(append(4, "{}"), 1);
    struct append refused = new_event(2, "{}");
    refused.refuse = true;
    assert_int_equal(store_write(t.store, 0, run_append, &refused), ERR_STATE);
    assert_int_equal(append(2, "{}"), 2);
    assert_int_equal(append(2, "{}"), 3);
    struct read r = {.merchant_id = 2, .sequence = 4, .envelope = BUF(4096)};
    assert_int_equal(store_read(t.store, run_read, &r), OK);
    assert_false(r.found);
}

struct each {
    int64_t from;
    int max, n;
    bool descending;
    int64_t seen[32];
};

static err_t each_event(const struct event *e, void *arg)
{
    struct each *x = arg;
    assert_int_equal(e->merchant_id, 2);
    x->seen[x->n++] = e->sequence;
    return OK;
}

static err_t run_each(struct store_tx *tx, void *arg)
{
    struct each *x = arg;
    x->n = 0;
    return x->descending ? event_each_before(tx, 2, x->from, x->max, each_event, x)
                         : event_each_after(tx, 2, x->from, x->max, each_event, x);
}

static void test_pages_in_both_directions(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        append(2, "{}");
        append(4, "{}");
    }
    struct each up = {.from = 3, .max = 4}, down = {.from = 0, .max = 3, .descending = true};
    assert_int_equal(store_read(t.store, run_each, &up), OK);
    assert_int_equal(up.n, 4);
    for (int i = 0; i < up.n; i++)
        assert_int_equal(up.seen[i], 4 + i);
    assert_int_equal(store_read(t.store, run_each, &down), OK);
    assert_int_equal(down.n, 3);
    assert_int_equal(down.seen[0], 10);
    down.from = 3;
    assert_int_equal(store_read(t.store, run_each, &down), OK);
    assert_int_equal(down.n, 2);
    assert_int_equal(down.seen[0], 2);
    assert_int_equal(down.seen[1], 1);
}

/* The leaf, recomputed with another program (Python's hashlib) from the format in ledger/README.md.
 */
static void test_leaf_format_is_fixed(void **state)
{
    (void)state;
    append(2, "{\"amount\":9232}");
    assert_int_equal(t.notes_n, 1);
    assert_int_equal(t.notes[0].kind, NOTE_EVENT);
    assert_int_equal(t.notes[0].seq, 1);
    struct buf hex = BUF(128);
    buf_hex(&hex, t.notes[0].hash, 32);
    assert_string_equal(hex.p, "2bf72030a5e1f1ff96e2abbbc86ca6d612ad0babee1334873311c36ec25878e7");
    buf_free(&hex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_are_found_by_text_and_number),
        cmocka_unit_test(test_id_is_a_uuid_v7),
        cmocka_unit_test(test_id_carries_the_sequence),
        cmocka_unit_test(test_ids_of_a_merchant_ascend),
        cmocka_unit_test_setup_teardown(test_envelope_is_the_same_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_live_merchants_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sequences_are_dense_per_merchant, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages_in_both_directions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaf_format_is_fixed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

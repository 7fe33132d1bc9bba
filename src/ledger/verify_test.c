/* The verifier against a store that somebody changed behind Florin's back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "ledger/ledger_test_lib.h"

#define T0 INT64_C(1764000000000000)

/* An event, with a leaf computed here: the events' room is on the same floor. */
struct event_arg {
    int64_t merchant_id, version, previous, sequence;
    struct id object;
    const char *data;
};

static size_t add(uint8_t *out, size_t at, uint64_t v, int size)
{
    for (int i = size - 1; i >= 0; i--, v >>= 8)
        out[at + (size_t)i] = (uint8_t)v;
    return at + (size_t)size;
}

static err_t run_event(struct store_tx *tx, void *arg)
{
    struct event_arg *e = arg;
    struct str data = str_from(e->data);
    err_t err = store_next(tx, e->merchant_id, SEQUENCE_EVENT, &e->sequence);
    if (!err)
        err = store_exec(tx, SQL_EVENTS_INSERT_EVENT, NULL, V_INT(e->merchant_id),
                         V_INT(e->sequence), V_INT(6), V_INT(ID_PAYMENT), V_ID(&e->object),
                         V_INT(e->version), V_INT(e->previous), V_INT(T0), V_TEXT(data));
    if (err)
        return err;
    uint8_t bytes[256];
    size_t n = add(bytes, 0, 2, 1);
    n = add(bytes, n, (uint64_t)e->merchant_id, 8);
    n = add(bytes, n, (uint64_t)e->sequence, 8);
    n = add(bytes, n, 6, 2);
    n = add(bytes, n, ID_PAYMENT, 2);
    memcpy(bytes + n, e->object.b, 16);
    n = add(bytes, n + 16, (uint64_t)e->version, 8);
    n = add(bytes, n, (uint64_t)e->previous, 8);
    n = add(bytes, n, T0, 8);
    struct store_note note = {
        .kind = NOTE_EVENT, .merchant_id = e->merchant_id, .seq = e->sequence};
    crypto_hash(note.hash, 32, (const struct crypto_piece[]){{bytes, n}, {data.p, data.n}}, 2);
    return store_note(tx, &note);
}

static int64_t post_event(struct fixture *f, int64_t merchant_id, unsigned payment, int64_t version,
                          int64_t previous)
{
    struct event_arg e = {.merchant_id = merchant_id,
                          .version = version,
                          .previous = previous,
                          .object = test_id(payment),
                          .data = "{\"status\":\"captured\",\"amount\":1000}"};
    assert_int_equal(store_write(f->store, 0, run_event, &e), OK);
    return e.sequence;
}

static err_t run_snapshot(struct store_tx *tx, void *arg)
{
    return ledger_snapshot(tx, *(int64_t *)arg);
}

/* Payments 1 to 5: authorised and captured, refunded in part, with a refund under way. Journals 1
 * to 20, events 1 to 10. */
static void fill(struct fixture *f, int64_t merchant_id)
{
    for (unsigned p = 1; p <= 5; p++) {
        struct journal j = {.merchant_id = merchant_id,
                            .currency = 978,
                            .payment_id = test_id(p),
                            .operation_id = id_derive(test_id(p), 1),
                            .effective_us = T0};
        ledger_authorization(&j, 1, 1000);
        j.previous = post(f, &j, T0 + p);
        int64_t event = post_event(f, merchant_id, p, 1, 0);
        ledger_capture(&j, 1, 1000, 900);
        j.previous = post(f, &j, T0 + p);
        ledger_refund_intent(&j, 1, 300);
        j.previous = post(f, &j, T0 + p);
        if (p == 4)
            assert_int_equal(store_write(f->store, 0, run_snapshot, &merchant_id), OK);
        if (p < 5) {
            ledger_refund(&j, 1, 300);
        } else {
            ledger_refund_intent(&j, 1, 50);
        }
        int64_t last = post(f, &j, T0 + p);
        event = post_event(f, merchant_id, p, 2, event);
        fixture_close(f);
        insert_payment(f, &(struct test_payment){.merchant_id = merchant_id,
                                                 .id = test_id(p),
                                                 .captured = 900,
                                                 .refunded = p < 5 ? 300 : 0,
                                                 .refund_pending = p < 5 ? 0 : 350,
                                                 .journal_last = last,
                                                 .event_last = event});
        fixture_open(f);
    }
}

/* A whole life: held and held more, taken in two parts, given back and come back, disputed thrice,
 * settled with other amounts. */
static size_t life(struct journal j[20])
{
    size_t n = 0;
    ledger_authorization(&j[n++], 1, 1000);
    ledger_increment(&j[n++], 1, 500);
    ledger_capture(&j[n++], 1, 400, 400);
    ledger_refund_intent(&j[n++], 1, 300);
    ledger_refund(&j[n++], 1, 300);
    ledger_capture(&j[n++], 1, 500, 500);
    ledger_cancel(&j[n++], 1, 40);
    ledger_expiry(&j[n++], 1, 60);
    ledger_refund_return(&j[n++], 1, 300);
    ledger_refund_intent(&j[n++], 1, 20);
    ledger_refund_release(&j[n++], 1, 20);
    ledger_dispute_hold(&j[n++], 1, 200);
    ledger_dispute_release(&j[n++], 1, 200);
    ledger_dispute_hold(&j[n++], 1, 150);
    ledger_dispute_loss(&j[n++], 1, 150, 15);
    ledger_dispute_hold(&j[n++], 1, 50);
    ledger_dispute_reversal(&j[n++], 1, 70, 15);
    ledger_clearing(&j[n++], 1, -1, false);
    ledger_clearing(&j[n++], 1, 250, true);
    ledger_review_accept(&j[n++], 250);
    return n;
}

static void fill_life(struct fixture *f, int64_t merchant_id)
{
    struct journal j[20] = {0};
    int64_t last = 0;
    size_t n = life(j);
    for (size_t i = 0; i < n; i++) {
        j[i].merchant_id = merchant_id;
        j[i].currency = 978;
        j[i].payment_id = test_id(9);
        j[i].effective_us = T0;
        j[i].previous = last;
        last = post(f, &j[i], T0 + (int64_t)i);
    }
    fixture_close(f);
    insert_payment(f, &(struct test_payment){.merchant_id = merchant_id,
                                             .id = test_id(9),
                                             .captured = 900,
                                             .held = 500,
                                             .disputed = 50,
                                             .dispute_lost = 80,
                                             .journal_last = last});
    fixture_open(f);
}

static int make_base(void **state)
{
    static struct fixture f;
    fixture_make(&f);
    fixture_open(&f);
    fill(&f, 2);
    fill(&f, 4);
    fill_life(&f, 8);
    fixture_close(&f);
    *state = &f;
    return 0;
}

static int remove_base(void **state)
{
    fixture_remove(*state);
    return 0;
}

static void test_untouched_store_has_no_fault(void **state)
{
    struct fixture f;
    struct ledger_report r;
    fixture_copy(*state, &f);
    fixture_open(&f);
    verify(&f, &r);
    assert_string_equal(r.first_fault, "");
    assert_int_equal(r.faults, 0);
    assert_int_equal(r.merchants, 3);
    assert_int_equal(r.journals, 40 + 20);
    assert_int_equal(r.events, 20);
    assert_int_equal(r.postings, 2 * (5 * (2 + 4 + 2) + 4 * 4 + 2) + 20 * 2 + 5 * 2);
    assert_int_equal(r.chain_rows, 60 + 20);
    fixture_remove(&f);
}

struct tampering {
    const char *what, *sql, *fault;
};

static const struct tampering tamperings[] = {
    {"an amount changed",
     "UPDATE posting SET amount = 901 WHERE merchant_id = 4 AND journal = 6 AND leg = 3",
     "merchant 4: journal 6: the posted postings do not sum to zero"},
    {"both amounts changed",
     "UPDATE posting SET amount = amount * 2 WHERE merchant_id = 2 AND journal = 5",
     "the hash does not match"},
    {"a pending amount changed, sums kept",
     "UPDATE posting SET amount = -amount WHERE merchant_id = 2 AND journal = 9",
     "the hash does not match"},
    {"postings swapped",
     "UPDATE posting SET account = 3 - account, unit = 1 - unit WHERE merchant_id = 2 AND journal "
     "= 1",
     "the hash does not match"},
    {"a posting deleted", "DELETE FROM posting WHERE merchant_id = 2 AND journal = 3 AND leg = 1",
     "journal 3: posting 1 is missing"},
    {"all postings of a journal deleted",
     "DELETE FROM posting WHERE merchant_id = 2 AND journal = 3", "journal 3 has 0 postings"},
    {"a posting without a journal", "INSERT INTO posting VALUES (2, 99, 1, 1, 1, 1, 5)",
     "1 postings belong to no journal"},
    {"a journal deleted",
     "DELETE FROM journal WHERE merchant_id = 2 AND number = 7;"
     "DELETE FROM posting WHERE merchant_id = 2 AND journal = 7",
     "journals 7 to 7 are missing"},
    {"the last journal deleted",
     "DELETE FROM journal WHERE merchant_id = 2 AND number = 20;"
     "DELETE FROM posting WHERE merchant_id = 2 AND journal = 20",
     "journals 20 to 20 are missing"},
    {"the last batch deleted",
     "DELETE FROM journal WHERE merchant_id = 2 AND number = 20;"
     "DELETE FROM posting WHERE merchant_id = 2 AND journal = 20;"
     "DELETE FROM event WHERE merchant_id = 2 AND sequence = 10;"
     "DELETE FROM chain WHERE merchant_id = 2 AND number >= 29;"
     "UPDATE sequencer SET journal_last = 19, event_last = 9 WHERE merchant_id = 2",
     "its journal 20 is missing"},
    {"a journal's time changed",
     "UPDATE journal SET recorded_at = recorded_at + 1 WHERE merchant_id = 2 AND number = 2",
     "the hash does not match"},
    {"a journal's effective time changed",
     "UPDATE journal SET effective_at = effective_at + 1 WHERE merchant_id = 2 AND number = 2",
     "the hash does not match"},
    {"a journal's kind changed", "UPDATE journal SET kind = 3 WHERE merchant_id = 2 AND number = 2",
     "the hash does not match"},
    {"journals renumbered",
     "UPDATE journal SET number = 99 WHERE merchant_id = 2 AND number = 1;"
     "UPDATE journal SET number = 1 WHERE merchant_id = 2 AND number = 3;"
     "UPDATE journal SET number = 3 WHERE merchant_id = 2 AND number = 99",
     "journal 1 follows 2"},
    {"an event's data changed",
     "UPDATE event SET data = '{\"status\":\"captured\",\"amount\":9000}' WHERE merchant_id = 2 "
     "AND sequence = 3",
     "the hash does not match"},
    {"an event's type changed", "UPDATE event SET type = 8 WHERE merchant_id = 2 AND sequence = 3",
     "the hash does not match"},
    {"an event deleted", "DELETE FROM event WHERE merchant_id = 2 AND sequence = 4",
     "events 4 to 4 are missing"},
    {"the last event deleted", "DELETE FROM event WHERE merchant_id = 2 AND sequence = 10",
     "events 10 to 10 are missing"},
    {"the sequencer behind", "UPDATE sequencer SET journal_last = 19 WHERE merchant_id = 2",
     "the sequencer says that journal 19 is the last, the rows end at 20"},
    {"the sequencer ahead", "UPDATE sequencer SET event_last = 11 WHERE merchant_id = 2",
     "the sequencer says that event 11 is the last, the rows end at 10"},
    {"no sequencer", "DELETE FROM sequencer WHERE merchant_id = 2", "the sequencer says"},
    {"a snapshot changed",
     "UPDATE balance_snapshot SET posted = posted + 1 WHERE merchant_id = 2 AND account = 2",
     "snapshot of account 2/0 in currency 978 does not match its postings"},
    {"a snapshot deleted", "DELETE FROM balance_snapshot WHERE merchant_id = 2 AND account = 5",
     "has no snapshot"},
    {"a snapshot of the future",
     "UPDATE balance_snapshot SET journal_upto = 21 WHERE merchant_id = 2", "snapshot of account"},
    {"a chain hash changed",
     "UPDATE chain SET hash = x'00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff' "
     "WHERE merchant_id = 2 AND number = 5",
     "chain row 5"},
    {"a chain row deleted", "DELETE FROM chain WHERE merchant_id = 2 AND number = 5",
     "chain rows 5 to 5 are missing"},
    {"the chain's end deleted", "DELETE FROM chain WHERE merchant_id = 2 AND number >= 29",
     "journals after 19 are not in the chain"},
    {"the whole chain deleted", "DELETE FROM chain WHERE merchant_id = 2",
     "journals after 0 are not in the chain"},
    {"a journal added",
     "INSERT INTO journal VALUES (2, 21, 3, 978, zeroblob(16), zeroblob(16), 0, 1, 1);"
     "INSERT INTO posting VALUES (2, 21, 1, 1, 1, 1, 5), (2, 21, 2, 2, 0, 1, -5);"
     "UPDATE sequencer SET journal_last = 21 WHERE merchant_id = 2",
     "journals after 20 are not in the chain"},
    {"captured changed",
     "UPDATE payment SET captured = 901 WHERE merchant_id = 2 AND journal_last = 8",
     "captured is 901, the ledger says 900"},
    {"refunded changed",
     "UPDATE payment SET refunded = 0 WHERE merchant_id = 4 AND journal_last = 8",
     "refunded is 0, the ledger says 300"},
    {"refunds under way changed",
     "UPDATE payment SET refund_pending = 300 WHERE merchant_id = 4 AND journal_last = 20",
     "refunds under way are 300, the ledger says 350"},
    {"what is held changed, by the authorized amount",
     "UPDATE payment SET authorized = authorized + 1 WHERE merchant_id = 8",
     "held is 501, the ledger says 500"},
    {"what is held changed, by the released amount",
     "UPDATE payment SET released = 600 WHERE merchant_id = 8", "held is 0, the ledger says 500"},
    {"a refund that came back forgotten", "UPDATE payment SET refunded = 300 WHERE merchant_id = 8",
     "refunded is 300, the ledger says 0"},
    {"an open chargeback forgotten", "UPDATE payment SET disputed = 0 WHERE merchant_id = 8",
     "disputed is 0, the ledger says 50"},
    {"a lost dispute changed", "UPDATE payment SET dispute_lost = 150 WHERE merchant_id = 8",
     "lost to disputes is 150, the ledger says 80"},
    {"an expiry called a capture",
     "UPDATE journal SET kind = 2 WHERE merchant_id = 8 AND number = 8", "the hash does not match"},
    {"a fee's posting changed",
     "UPDATE posting SET amount = 14 WHERE merchant_id = 8 AND journal = 15 AND account = 4",
     "merchant 8: journal 15: the posted postings do not sum to zero"},
    {"a payment led astray",
     "UPDATE payment SET journal_last = 4 WHERE merchant_id = 2 AND journal_last = 8",
     "is of another payment or currency"},
    {"a payment deleted", "DELETE FROM payment WHERE merchant_id = 2 AND journal_last = 8",
     "4 journals name a payment that does not lead to them"},
    {"a payment without its event",
     "UPDATE payment SET event_last = 1 WHERE merchant_id = 2 AND journal_last = 8",
     "its event 1 is missing"},
    {"all of one merchant's rows given to another",
     "UPDATE journal SET merchant_id = 6 WHERE merchant_id = 4; UPDATE posting SET merchant_id = 6 "
     "WHERE merchant_id = 4;"
     "UPDATE event SET merchant_id = 6 WHERE merchant_id = 4; UPDATE chain SET merchant_id = 6 "
     "WHERE merchant_id = 4;"
     "UPDATE payment SET merchant_id = 6 WHERE merchant_id = 4; UPDATE sequencer SET merchant_id = "
     "6 WHERE merchant_id = 4;"
     "UPDATE balance_snapshot SET merchant_id = 6 WHERE merchant_id = 4",
     "merchant 6: chain row 1"},
};

static void test_each_tampering_is_found(void **state)
{
    for (size_t i = 0; i < COUNT_OF(tamperings); i++) {
        const struct tampering *t = &tamperings[i];
        struct fixture f;
        struct ledger_report r;
        fixture_copy(*state, &f);
        fixture_sql(&f, "%s", t->sql);
        fixture_open(&f);
        verify(&f, &r);
        if (r.faults == 0 || !strstr(r.first_fault, t->fault))
            fail_msg("%s: %lld faults, first: %s", t->what, (long long)r.faults, r.first_fault);
        fixture_remove(&f);
    }
}

/* What no file can show from inside: everything cut back together. The head kept elsewhere shows
 * it. */
static void test_cutting_everything_back_changes_the_head(void **state)
{
    struct fixture f;
    struct ledger_report whole, cut;
    fixture_copy(*state, &f);
    fixture_open(&f);
    verify(&f, &whole);
    fixture_close(&f);
    fixture_sql(&f, "DELETE FROM event WHERE merchant_id = 2 AND sequence = 10;"
                    "DELETE FROM chain WHERE merchant_id = 2 AND number = 30;"
                    "UPDATE payment SET event_last = 9 WHERE merchant_id = 2 AND event_last = 10;"
                    "UPDATE sequencer SET event_last = 9 WHERE merchant_id = 2");
    fixture_open(&f);
    verify(&f, &cut);
    assert_string_equal(cut.first_fault, "");
    assert_memory_not_equal(whole.head, cut.head, 32);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untouched_store_has_no_fault),
        cmocka_unit_test(test_each_tampering_is_found),
        cmocka_unit_test(test_cutting_everything_back_changes_the_head),
    };
    return cmocka_run_group_tests(tests, make_base, remove_base);
}

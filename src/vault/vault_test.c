#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "vault/vault_internal.h"
#include "store/store_folder.h"

#define NOW_US INT64_C(1796000000000000) /* 2026-11-30 */
#define ROUNDS 300

static struct {
    struct folder folder;
    struct store *store;
    struct vault *vault;
    uint8_t master[32];
    struct det det;
} t;

/* --- calls, each its own transaction --- */
struct call {
    int64_t merchant, until_us, version, rows, bad;
    struct card card;
    struct vault_sealed sealed;
    struct vault_master master;
    const uint8_t *key;
    struct id id;
    bool more, with_cvc;
    int n;
};

static err_t do_seal(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_seal(tx, t.vault, &t.det, c->merchant, &c->card, c->until_us, &c->sealed);
}
static err_t do_open(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_open(tx, t.vault, t.det.now_us, c->merchant, c->id, c->with_cvc, &c->card);
}
static err_t do_unlock(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_unlock(tx, c->key, VAULT_FROM_FILE, t.det.now_us, &c->master);
}
static err_t do_rotate_master(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_rotate_master(tx, t.vault, t.det.now_us, c->key, VAULT_FROM_FILE,
                               (struct str){NULL, 0}, &c->master);
}
static err_t do_rotate_merchant(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_rotate_merchant(tx, t.vault, t.det.now_us, c->merchant);
}
static err_t do_step(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_rotate_step(tx, t.vault, t.det.now_us, 7, &c->more);
}
static err_t do_forget(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_forget(tx, t.vault, t.det.now_us, c->merchant, c->id);
}
static err_t do_keep(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_keep(tx, t.det.now_us, c->merchant, c->id);
}
static err_t do_expiry(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_expiry(tx, t.vault, t.det.now_us, c->merchant, c->id, c->card.month, c->card.year);
}
static err_t do_sweep(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_sweep(tx, t.vault, t.det.now_us, 100, &c->n);
}
static err_t do_verify(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_audit_verify(tx, &c->rows, &c->bad);
}
static err_t run(err_t (*f)(struct store_tx *, void *), struct call *c)
{
    return store_write(t.store, 0, f, c);
}
#define OK_RUN(f, c) assert_int_equal(run(f, c), OK)

static void open_store(void)
{
    t.store = folder_open(&t.folder, (struct store_config){.migrations = "vault", .stepped = true});
}

static void unlock(const uint8_t key[32])
{
    struct call c = {.key = key};
    OK_RUN(do_unlock, &c);
    assert_int_equal(vault_take(t.vault, key, &c.master), OK);
}

/* As after the death of the role: what is in memory is gone. */
static void restart(void)
{
    vault_free(t.vault);
    store_close(t.store);
    open_store();
    assert_int_equal(vault_new(&t.vault), OK);
}

static int setup(void **state)
{
    static const uint8_t seed[32] = {7};
    (void)state;
    t.folder = folder_make();
    t.det = det_make(NOW_US, seed);
    open_store();
    assert_int_equal(vault_new(&t.vault), OK);
    crypto_random(t.master, sizeof t.master);
    unlock(t.master);
    return 0;
}

static int teardown(void **state)
{
    struct call c = {.rows = 0};
    (void)state;
    OK_RUN(do_verify, &c);
    assert_int_equal(c.bad, 0);
    vault_free(t.vault);
    store_close(t.store);
    folder_remove(&t.folder);
    return 0;
}

static struct card visa(void)
{
    return (struct card){.number = "4242424242424242", .cvc = "123", .month = 12, .year = 2030};
}

static struct id seal(int64_t merchant, const char *number)
{
    struct call c = {.merchant = merchant, .card = visa()};
    (void)snprintf(c.card.number, sizeof c.card.number, "%s", number);
    OK_RUN(do_seal, &c);
    t.det.now_us += 1000;
    return c.sealed.card;
}

static void assert_number(int64_t merchant, struct id card, const char *number)
{
    struct call c = {.merchant = merchant, .id = card};
    OK_RUN(do_open, &c);
    assert_string_equal(c.card.number, number);
}

/* --- tests --- */
static void a_card_comes_out_as_it_went_in(void **state)
{
    (void)state;
    struct id card = seal(2, "4242424242424242");
    struct call c = {.merchant = 2, .id = card};
    OK_RUN(do_open, &c);
    assert_string_equal(c.card.number, "4242424242424242");
    assert_int_equal(c.card.month, 12);
    assert_int_equal(c.card.year, 2030);
    assert_string_equal(c.card.cvc, "");
    c.merchant = 4;
    assert_int_equal(run(do_open, &c), ERR_NOT_FOUND);
    restart();
    c.merchant = 2;
    assert_int_equal(run(do_open, &c), ERR_UNAVAILABLE);
    unlock(t.master);
    assert_number(2, card, "4242424242424242");
    uint8_t other[32] = {1};
    struct call wrong = {.key = other};
    assert_int_equal(run(do_unlock, &wrong), ERR_CRYPTO);
}

static void one_card_has_one_fingerprint_within_a_merchant(void **state)
{
    (void)state;
    struct call a = {.merchant = 2, .card = visa()}, b = a, c = a, d = a;
    (void)snprintf(b.card.cvc, sizeof b.card.cvc, "9");
    b.card.year = 2031;
    c.merchant = 4;
    (void)snprintf(d.card.number, sizeof d.card.number, "4000000000000002");
    OK_RUN(do_seal, &a);
    OK_RUN(do_seal, &b);
    OK_RUN(do_seal, &c);
    OK_RUN(do_seal, &d);
    assert_memory_equal(a.sealed.fingerprint, b.sealed.fingerprint, FINGERPRINT);
    assert_memory_not_equal(a.sealed.fingerprint, c.sealed.fingerprint, FINGERPRINT);
    assert_memory_not_equal(a.sealed.fingerprint, d.sealed.fingerprint, FINGERPRINT);
    assert_false(id_eq(a.sealed.card, b.sealed.card));
}

static void a_cvc_lasts_ten_minutes_or_until_it_was_used(void **state)
{
    (void)state;
    struct call c = {.merchant = 2, .card = visa(), .with_cvc = true};
    OK_RUN(do_seal, &c);
    c.id = c.sealed.card;
    for (int i = 0; i < 2; i++) { /* a call that did not leave is made again */
        OK_RUN(do_open, &c);
        assert_string_equal(c.card.cvc, "123");
    }
    vault_used(t.vault, 2, c.id);
    OK_RUN(do_open, &c);
    assert_string_equal(c.card.cvc, "");
    c.card = visa();
    OK_RUN(do_seal, &c);
    c.id = c.sealed.card;
    t.det.now_us += CVC_KEPT_US;
    OK_RUN(do_open, &c);
    assert_string_equal(c.card.cvc, "");
    for (int i = 0; i < CVC_WAYS + 3; i++) { /* too many at a place: the newest is there */
        struct id card = {{[9] = (uint8_t)i, [10] = 1, [11] = 2}};
        char got[5];
        cvc_put(t.vault, t.det.now_us + i, 2, card, "321");
        cvc_get(t.vault, t.det.now_us + i, 2, card, got);
        assert_string_equal(got, "321");
    }
}

static void a_card_is_kept_changed_and_deleted(void **state)
{
    (void)state;
    struct call c = {.merchant = 2, .card = visa(), .until_us = t.det.now_us + 1000};
    OK_RUN(do_seal, &c);
    struct call k = c;
    OK_RUN(do_seal, &k);
    c.id = c.sealed.card;
    k.id = k.sealed.card;
    OK_RUN(do_keep, &k);
    t.det.now_us += 2000;
    struct call s = {.n = 0};
    OK_RUN(do_sweep, &s);
    assert_int_equal(s.n, 1);
    assert_int_equal(run(do_open, &c), ERR_NOT_FOUND);
    k.card.month = 1;
    k.card.year = 2033;
    OK_RUN(do_expiry, &k);
    struct call o = {.merchant = 2, .id = k.id};
    OK_RUN(do_open, &o);
    assert_int_equal(o.card.year, 2033);
    assert_string_equal(o.card.number, "4242424242424242");
    OK_RUN(do_forget, &k);
    OK_RUN(do_forget, &k);
    assert_int_equal(run(do_open, &o), ERR_NOT_FOUND);
    assert_int_equal(run(do_keep, &k), ERR_NOT_FOUND);
}

/* --- what is moved does not open --- */
struct move {
    enum sql_id unused;
    int64_t merchant_to, merchant_from, version_to, version_from;
    struct id to, from;
};

static err_t move_sealed(struct store_tx *tx, void *arg)
{
    struct move *m = arg;
    struct store_row *row;
    char sealed[256];
    err_t err = store_one(tx, SQL_VAULT_READ_CARD, &row, V_INT(m->merchant_from), V_ID(&m->from));
    if (err || !row)
        return ERR_STORE;
    struct str s = row_text(row, 1);
    memcpy(sealed, s.p, s.n);
    m->version_from = row_int(row, 0);
    err = store_one(tx, SQL_VAULT_READ_CARD, &row, V_INT(m->merchant_to), V_ID(&m->to));
    if (err || !row)
        return ERR_STORE;
    int64_t had = row_int(row, 0);
    return store_exec_one(tx, SQL_VAULT_UPDATE_CARD, ERR_STATE,
                          V_INT(m->version_to ? m->version_to : had), V_BLOB(sealed, s.n),
                          V_INT(m->merchant_to), V_ID(&m->to), V_INT(had));
}

static void move_and_fail(int64_t merchant_to, struct id to, int64_t merchant_from, struct id from,
                          int64_t version)
{
    struct move m = {.merchant_to = merchant_to,
                     .merchant_from = merchant_from,
                     .to = to,
                     .from = from,
                     .version_to = version};
    struct call c = {.merchant = merchant_to, .id = to};
    assert_int_equal(store_write(t.store, 0, move_sealed, &m), OK);
    assert_int_equal(run(do_open, &c), ERR_CRYPTO);
}

static void what_is_swapped_does_not_open(void **state)
{
    (void)state;
    struct id a = seal(2, "4242424242424242"), b = seal(2, "4000000000000002");
    struct id c = seal(4, "4242424242424242"), d = seal(2, "5555555555554444");
    struct call r = {.merchant = 2};
    OK_RUN(do_rotate_merchant, &r);
    struct id e = seal(2, "4242424242424242"); /* version 2 */
    move_and_fail(2, a, 2, b, 0);              /* rows */
    move_and_fail(4, c, 2, b, 0);              /* merchants */
    move_and_fail(2, d, 2, d, 2);              /* versions: up */
    move_and_fail(2, e, 2, e, 1);              /* and down */
    move_and_fail(2, b, 2, e, 2);
}

static void a_wrapped_key_does_not_open_elsewhere(void **state)
{
    (void)state;
    struct buf wrapped = BUF(256);
    uint8_t key[32] = {1, 2, 3}, got[32];
    assert_int_equal(key_wrap(t.vault, 1, 2, KEY_CARDS, 1, key, &wrapped), OK);
    struct str w = buf_view(&wrapped);
    assert_int_equal(key_unwrap(t.vault, 1, 2, KEY_CARDS, 1, w, got), OK);
    assert_memory_equal(got, key, 32);
    assert_int_equal(key_unwrap(t.vault, 1, 4, KEY_CARDS, 1, w, got), ERR_CRYPTO);
    assert_int_equal(key_unwrap(t.vault, 1, 2, KEY_FINGERPRINTS, 1, w, got), ERR_CRYPTO);
    assert_int_equal(key_unwrap(t.vault, 1, 2, KEY_CARDS, 2, w, got), ERR_CRYPTO);
    assert_int_equal(key_unwrap(t.vault, 2, 2, KEY_CARDS, 1, w, got), ERR_UNAVAILABLE);
    for (size_t i = 0; i < wrapped.n; i++) {
        wrapped.p[i] ^= 1;
        assert_int_equal(key_unwrap(t.vault, 1, 2, KEY_CARDS, 1, w, got), ERR_CRYPTO);
        wrapped.p[i] ^= 1;
    }
    buf_free(&wrapped);
}

/* --- keys of a transaction that was rolled back --- */
static err_t seal_and_fail(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    struct card card = visa();
    for (int i = 0; i < 2; i++) /* the second opens the key that the first has made */
        if (vault_seal(tx, t.vault, &t.det, c->merchant, &card, 0, &c->sealed) != OK)
            return ERR_STORE;
    return ERR_STATE;
}

static void a_key_that_was_rolled_back_seals_nothing(void **state)
{
    (void)state;
    struct call c = {.merchant = 8};
    assert_int_equal(run(seal_and_fail, &c), ERR_STATE);
    struct id card = seal(8, "4242424242424242");
    assert_number(8, card, "4242424242424242");
    restart();
    unlock(t.master);
    assert_number(8, card, "4242424242424242");
}

/* --- rotation: with deaths at every step and new cards in between --- */
static void rotation_survives_every_death(void **state)
{
    (void)state;
    static const char *const numbers[] = {"4242424242424242", "4000000000000002",
                                          "5555555555554444", "378282246310005"};
    static struct {
        int64_t merchant;
        struct id card;
        const char *number;
    } all[ROUNDS + 400];
    size_t n = 0;
    uint8_t keys[4][32];
    int newest = 0;
    memcpy(keys[0], t.master, 32);
    for (; n < ROUNDS; n++) {
        all[n].merchant = 2 + 2 * (int64_t)(n % 5);
        all[n].number = numbers[n % 4];
        all[n].card = seal(all[n].merchant, all[n].number);
    }
    for (int turn = 0; turn < 3; turn++) {
        struct call c = {.merchant = 2 + 2 * turn};
        OK_RUN(do_rotate_merchant, &c);
        newest = turn + 1;
        crypto_random(keys[newest], 32);
        c.key = keys[newest];
        OK_RUN(do_rotate_master, &c);
        assert_int_equal(vault_take(t.vault, keys[newest], &c.master), OK);
        struct call again = {.key = keys[newest]};
        assert_int_equal(run(do_rotate_master, &again), ERR_STATE);
        for (c.more = true; c.more;) {
            OK_RUN(do_step, &c);
            restart(); /* and both keys are brought again, in any order */
            unlock(keys[newest]);
            unlock(keys[newest - 1]);
            all[n].merchant = 2 + 2 * turn;
            all[n].number = numbers[n % 4];
            all[n].card = seal(all[n].merchant, all[n].number);
            n++;
            assert_true(n < COUNT_OF(all));
            for (size_t i = 0; i < n; i += 13)
                assert_number(all[i].merchant, all[i].card, all[i].number);
        }
        restart(); /* now the new key alone will do */
        unlock(keys[newest]);
        for (size_t i = 0; i < n; i++)
            assert_number(all[i].merchant, all[i].card, all[i].number);
    }
    restart();
    unlock(keys[0]); /* one that has retired opens nothing */
    assert_false(vault_unlocked(t.vault));
}

/* --- checks --- */
static void only_cards_are_cards(void **state)
{
    (void)state;
    static const struct {
        const char *number, *cvc;
        int month, year;
        const char *param;
    } bad[] = {
        {"4242424242424241", "123", 12, 2030, "number"},
        {"", "123", 12, 2030, "number"},
        {"42424242424242424242" + 1, "", 12, 2030, "number"},
        {"4242 4242 4242 42", "", 12, 2030, "number"},
        {"00000000000", "", 12, 2030, "number"},
        {"4242424242424242", "12", 12, 2030, "cvc"},
        {"4242424242424242", "12a", 12, 2030, "cvc"},
        {"4242424242424242", "", 0, 2030, "exp_month"},
        {"4242424242424242", "", 13, 2030, "exp_month"},
        {"4242424242424242", "", 10, 2026, "exp_month"},
        {"4242424242424242", "", 12, 2025, "exp_year"},
        {"4242424242424242", "", 12, 30, "exp_year"},
        {"4242424242424242", "", 12, 3000, "exp_year"},
    };
    static const struct {
        const char *number, *brand;
    } brands[] = {{"4242424242424242", "visa"},       {"5555555555554444", "mastercard"},
                  {"2223003122003222", "mastercard"}, {"378282246310005", "amex"},
                  {"6011111111111117", "discover"},   {"3056930009020004", "diners"},
                  {"3566002020360505", "jcb"},        {"6200000000000005", "unionpay"},
                  {"2200000000000004", "mir"},        {"6759649826438453", "maestro"},
                  {"9999999999999995", "unknown"}};
    struct err_info info = {0};
    struct card c = visa();
    assert_int_equal(card_check(&c, NOW_US, &info), OK);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        c = (struct card){.month = bad[i].month, .year = bad[i].year};
        (void)snprintf(c.number, sizeof c.number, "%s", bad[i].number);
        (void)snprintf(c.cvc, sizeof c.cvc, "%s", bad[i].cvc);
        info = (struct err_info){0};
        assert_int_equal(card_check(&c, NOW_US, &info), ERR_PARAM_INVALID);
        assert_string_equal(info.param, bad[i].param);
        assert_null(strstr(info.detail, "4242"));
    }
    for (size_t i = 0; i < COUNT_OF(brands); i++)
        assert_string_equal(card_brand(brands[i].number), brands[i].brand);
}

static err_t spoil_audit(struct store_tx *tx, void *arg)
{
    (void)arg;
    return vault_audit(tx, NOW_US, VAULT_REFUSED, 0, (struct id){{0}}, "x");
}

static void the_audit_is_a_chain(void **state)
{
    (void)state;
    struct call before = {.rows = 0}, after = {.rows = 0};
    OK_RUN(do_verify, &before);
    OK_RUN(spoil_audit, NULL);
    OK_RUN(do_verify, &after);
    assert_int_equal(after.rows, before.rows + 1);
    assert_int_equal(after.bad, 0);
}

/* --- to another vault --- */
struct transfer {
    uint8_t identity[32], sender[32];
    struct vault_piece piece;
    bool only_look, last;
    struct id cursor;
    struct buf chunk;
    struct str given;
    int64_t merchant;
    int n;
};
static err_t do_identity(struct store_tx *tx, void *arg)
{
    return vault_identity(tx, t.vault, t.det.now_us, ((struct transfer *)arg)->identity);
}
static err_t do_export(struct store_tx *tx, void *arg)
{
    struct transfer *x = arg;
    struct id cursor = x->cursor;
    buf_clear(&x->chunk);
    err_t err = vault_export(tx, t.vault, t.det.now_us, x->identity, x->merchant, &x->piece,
                             &cursor, &x->chunk, &x->n);
    x->cursor = cursor;
    return err;
}
static err_t do_import(struct store_tx *tx, void *arg)
{
    struct transfer *x = arg;
    return vault_import(tx, t.vault, t.det.now_us, x->sender, &x->piece, x->only_look, x->given,
                        &x->n, &x->last);
}
#define OK_DO(f, x) assert_int_equal(store_write(t.store, 0, f, x), OK)

static void cards_move_to_another_vault_alone(void **state)
{
    struct transfer x = {.chunk = BUF(1 << 20), .merchant = 2, .piece.export = {{7}}},
                    other = {.n = 0};
    struct buf chunks[4] = {BUF(1 << 20), BUF(1 << 20), BUF(1 << 20), BUF(1 << 20)};
    static struct id cards[600];
    int n = 0;
    OK_DO(do_identity, &other); /* the one they go to: its store is opened again below */
    struct folder to = t.folder;
    struct store *to_store = t.store;
    struct vault *to_vault = t.vault;
    assert_int_equal(setup(state), 0); /* and the one they come from */
    struct call first = {.merchant = 2, .card = visa()};
    OK_RUN(do_seal, &first);
    cards[n++] = first.sealed.card;
    for (; n < 600; n++)
        cards[n] = seal(2, n % 2 ? "5555555555554444" : "4000000000000002");
    OK_DO(do_identity, &x);
    memcpy(x.sender, x.identity, sizeof x.sender);
    memcpy(x.identity, other.identity, sizeof x.identity);
    for (x.n = 1; x.n > 0; x.piece.number++) {
        OK_DO(do_export, &x);
        buf_add(&chunks[x.piece.number], x.chunk.p, x.chunk.n);
    }
    assert_int_equal(x.piece.number, 4);
    memset(x.identity, 0, sizeof x.identity);
    assert_int_equal(store_write(t.store, 0, do_export, &x), ERR_PARAM_INVALID);
    x.piece.number = 0;
    x.given = buf_view(&chunks[0]);
    assert_int_equal(store_write(t.store, 0, do_import, &x), ERR_CRYPTO);
    assert_int_equal(teardown(state), 0);
    t.store = to_store;
    t.vault = to_vault;
    t.folder = to;
    for (int i = 3; i >= 0; i--)
        for (int again = 0; again < 3; again++) {
            x.given = buf_view(&chunks[i]);
            x.piece.number = i;
            x.only_look = again == 0;
            OK_DO(do_import, &x);
            assert_int_equal(x.n, i == 3 || again == 2 ? 0 : i == 2 ? 600 - 512 : 256);
            assert_int_equal(x.last, i == 3);
        }
    chunks[0].p[100] ^= 1;
    x.given = buf_view(&chunks[0]);
    assert_int_equal(store_write(t.store, 0, do_import, &x), ERR_CRYPTO);
    assert_number(2, cards[0], "4242424242424242");
    for (int i = 1; i < 600; i++)
        assert_number(2, cards[i], i % 2 ? "5555555555554444" : "4000000000000002");
    struct call again = {.merchant = 2, .card = visa()};
    OK_RUN(do_seal, &again);
    assert_memory_equal(again.sealed.fingerprint, first.sealed.fingerprint, FINGERPRINT);
    for (int i = 0; i < 4; i++)
        buf_free(&chunks[i]);
    buf_free(&x.chunk);
}

#define WITH_VAULT(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_VAULT(a_card_comes_out_as_it_went_in),
        WITH_VAULT(one_card_has_one_fingerprint_within_a_merchant),
        WITH_VAULT(a_cvc_lasts_ten_minutes_or_until_it_was_used),
        WITH_VAULT(a_card_is_kept_changed_and_deleted),
        WITH_VAULT(what_is_swapped_does_not_open),
        WITH_VAULT(a_wrapped_key_does_not_open_elsewhere),
        WITH_VAULT(a_key_that_was_rolled_back_seals_nothing),
        WITH_VAULT(rotation_survives_every_death),
        cmocka_unit_test(only_cards_are_cards),
        WITH_VAULT(the_audit_is_a_chain),
        WITH_VAULT(cards_move_to_another_vault_alone),
    };
    crypto_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

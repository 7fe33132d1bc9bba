/* Which chunks of an export a vault takes, and which not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "vault/vault_internal.h"
#include "store/store_folder.h"

#define NOW_US INT64_C(1796000000000000) /* 2026-11-30 */
#define MERCHANT 2
#define CARDS 300
#define PIECES 3 /* 256 cards, the others, the end */
#define ROOM ((size_t)1 << 20)
#define HEAD (16 + 8 + 24 + VAULT_KEY)
#define RECORD (16 + 8 + CARD_PACKED)

/* A vault. */
struct place {
    struct folder folder;
    struct store *store;
    struct vault *vault;
    uint8_t master[32], seed[32], identity[32];
};
static struct place from, to, third;
static struct buf pieces[PIECES];
static struct id first_card;

struct call {
    struct place *at;
    struct vault_master master;
    struct card card;
    struct vault_sealed sealed;
    struct id cursor;
    const uint8_t *peer;
    struct vault_piece piece;
    struct str given;
    struct buf *out;
    bool only_look, last;
    int n;
};

static err_t do_unlock(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_unlock(tx, c->at->master, VAULT_FROM_FILE, NOW_US, &c->master);
}
static err_t do_seal(struct store_tx *tx, void *arg)
{
    static const uint8_t seed[32] = {7};
    static int64_t sealed;
    struct call *c = arg;
    struct det det = det_make(NOW_US + 1000 * sealed++, seed);
    return vault_seal(tx, c->at->vault, &det, MERCHANT, &c->card, 0, &c->sealed);
}
static err_t do_open(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_open(tx, c->at->vault, NOW_US, MERCHANT, c->cursor, false, &c->card);
}
static err_t do_identity(struct store_tx *tx, void *arg)
{
    struct place *p = ((struct call *)arg)->at;
    int64_t version;
    uint8_t key[VAULT_KEY];
    err_t err = key_current(tx, p->vault, NOW_US, 0, KEY_FINGERPRINTS, &version, key);
    if (!err)
        crypto_subkey(key, "vault identity", p->seed);
    return err ? err : vault_identity(tx, p->vault, NOW_US, p->identity);
}
static err_t do_export(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    struct id cursor = c->cursor;
    buf_clear(c->out);
    err_t err = vault_export(tx, c->at->vault, NOW_US, c->peer, MERCHANT, &c->piece, &cursor,
                             c->out, &c->n);
    c->cursor = cursor;
    return err;
}
static err_t do_import(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    return vault_import(tx, c->at->vault, NOW_US, c->peer, &c->piece, c->only_look, c->given, &c->n,
                        &c->last);
}
static err_t run(err_t (*f)(struct store_tx *, void *), struct call *c)
{
    return store_write(c->at->store, 0, f, c);
}

/* --- three vaults, and what the first one has for the second --- */
static void open_place(struct place *p)
{
    struct call c = {.at = p};
    p->folder = folder_make();
    p->store =
        folder_open(&p->folder, (struct store_config){.migrations = "vault", .stepped = true});
    assert_int_equal(vault_new(&p->vault), OK);
    crypto_random(p->master, sizeof p->master);
    assert_int_equal(run(do_unlock, &c), OK);
    assert_int_equal(vault_take(p->vault, p->master, &c.master), OK);
    assert_int_equal(run(do_identity, &c), OK);
}

static void close_place(struct place *p)
{
    vault_free(p->vault);
    store_close(p->store);
    folder_remove(&p->folder);
}

static void export_all(const uint8_t recipient[32], struct buf out[PIECES])
{
    struct call c = {.at = &from, .peer = recipient, .piece.export = {{7}}};
    for (; c.piece.number < PIECES; c.piece.number++) {
        c.out = &out[c.piece.number];
        assert_int_equal(run(do_export, &c), OK);
    }
    assert_int_equal(c.n, 0);
}

static int setup(void **state)
{
    (void)state;
    open_place(&from);
    open_place(&to);
    open_place(&third);
    for (int i = 0; i < CARDS; i++) {
        struct call c = {.at = &from, .card = {.month = 12, .year = 2030}};
        (void)snprintf(c.card.number, sizeof c.card.number, "%s",
                       i % 2 ? "5555555555554444" : "4242424242424242");
        assert_int_equal(run(do_seal, &c), OK);
        if (i == 0)
            first_card = c.sealed.card;
    }
    for (int i = 0; i < PIECES; i++)
        pieces[i] = BUF(ROOM);
    export_all(to.identity, pieces);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < PIECES; i++)
        buf_free(&pieces[i]);
    close_place(&from);
    close_place(&to);
    close_place(&third);
    return 0;
}

/* --- what `to` says --- */
static struct call offer(struct str chunk, int64_t number)
{
    return (struct call){.at = &to,
                         .peer = from.identity,
                         .piece = {.export = {{7}}, .number = number},
                         .given = chunk};
}

/* Also when it is only to be looked at; and nothing of it is kept. */
static void refused(struct call c, err_t why)
{
    struct call first = {.at = c.at, .cursor = first_card};
    for (int look = 0; look < 2; look++) {
        c.only_look = look;
        assert_int_equal(run(do_import, &c), why);
        assert_false(c.last);
    }
    assert_int_equal(run(do_open, &first), ERR_NOT_FOUND);
}

/* A chunk as the vault `sender` would make it. */
static void forge(const struct place *sender, struct str plain, struct buf *out)
{
    struct buf paired = BUF(ROOM);
    buf_clear(out);
    crypto_pair_seal(sender->seed, to.identity, plain, &paired);
    crypto_box_to(to.identity, buf_view(&paired), out);
    assert_false(paired.failed || out->failed);
    buf_free(&paired);
}

static void write_head(const char magic[16], int64_t merchant, struct buf *out)
{
    uint8_t number[8], rest[24 + VAULT_KEY] = {7}; /* export 7, piece 0 */
    buf_clear(out);
    num_put64(number, (uint64_t)merchant);
    buf_add(out, magic, 16);
    buf_add(out, number, sizeof number);
    buf_add(out, rest, sizeof rest);
}

static void each_piece_is_taken_in_its_place_alone(void **state)
{
    static const int cards[PIECES] = {256, CARDS - 256, 0};
    (void)state;
    for (int i = 0; i < PIECES; i++)
        for (int place = -1; place <= PIECES; place++)
            if (place != i) /* moved, or one before it is missing */
                refused(offer(buf_view(&pieces[i]), place), ERR_STATE);
    for (int look = 1; look >= 0; look--)
        for (int i = 0; i < PIECES; i++) {
            struct call c = offer(buf_view(&pieces[i]), i);
            c.only_look = look;
            assert_int_equal(run(do_import, &c), OK);
            assert_int_equal(c.n, cards[i]);
            assert_int_equal(c.last, i == PIECES - 1);
            struct call first = {.at = &to, .cursor = first_card};
            assert_int_equal(run(do_open, &first), look ? ERR_NOT_FOUND : OK);
        }
}

static void a_piece_of_another_export_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < PIECES; i++)
        for (int at = 0; at < 16; at++) {
            struct call c = offer(buf_view(&pieces[i]), i);
            c.piece.export.b[at] ^= 1;
            refused(c, ERR_STATE);
        }
}

static void a_changed_piece_is_refused(void **state)
{
    struct buf inner = BUF(ROOM), chunk = BUF(ROOM);
    (void)state;
    for (int i = 0; i < PIECES; i++) {
        struct buf *b = &pieces[i];
        for (size_t at = 0; at < b->n; at += at < 256 ? 1 : 997) {
            b->p[at] ^= 1;
            refused(offer(buf_view(b), i), ERR_CRYPTO);
            b->p[at] ^= 1;
            refused(offer((struct str){b->p, at}, i), ERR_CRYPTO);
        }
    }
    /* Whoever can make boxes for it, as all can, still cannot change what is in them. */
    assert_int_equal(crypto_box_from(to.seed, buf_view(&pieces[0]), &inner), OK);
    for (size_t at = 0; at < inner.n; at += at < 256 ? 1 : 997) {
        buf_clear(&chunk);
        inner.p[at] ^= 1;
        crypto_box_to(to.identity, buf_view(&inner), &chunk);
        inner.p[at] ^= 1;
        refused(offer(buf_view(&chunk), 0), ERR_FORBIDDEN);
    }
    buf_free(&inner);
    buf_free(&chunk);
}

static void what_another_sealed_is_refused(void **state)
{
    struct buf plain = BUF(ROOM), chunk = BUF(ROOM), inner = BUF(ROOM);
    struct buf theirs[PIECES] = {BUF(ROOM), BUF(ROOM), BUF(ROOM)};
    (void)state;
    struct call c = offer(buf_view(&pieces[0]), 0);
    c.peer = third.identity; /* it was said that the third one would send */
    refused(c, ERR_FORBIDDEN);
    write_head("florin.export.2", MERCHANT, &plain);
    forge(&third, buf_view(&plain), &chunk);
    refused(offer(buf_view(&chunk), 0), ERR_FORBIDDEN);
    forge(&to, buf_view(&plain), &chunk);
    refused(offer(buf_view(&chunk), 0), ERR_FORBIDDEN);
    /* What the first gave to the third, which passes it on in a box for the second. */
    export_all(third.identity, theirs);
    assert_int_equal(crypto_box_from(third.seed, buf_view(&theirs[0]), &inner), OK);
    buf_clear(&chunk);
    crypto_box_to(to.identity, buf_view(&inner), &chunk);
    refused(offer(buf_view(&chunk), 0), ERR_FORBIDDEN);
    refused(offer(buf_view(&theirs[0]), 0), ERR_CRYPTO); /* not for this one */
    for (int i = 0; i < PIECES; i++)
        buf_free(&theirs[i]);
    buf_free(&plain);
    buf_free(&chunk);
    buf_free(&inner);
}

/* With such a key what two have in common is known to all. */
static void a_key_of_low_order_is_no_key(void **state)
{
    static const uint8_t low[][32] = {
        {0},
        {1},
        {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
         0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
         0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
        {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
         0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
         0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}};
    struct buf out = BUF(ROOM);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(low); i++) {
        struct call c = {.at = &from, .peer = low[i], .out = &out};
        assert_int_equal(run(do_export, &c), ERR_PARAM_INVALID);
        assert_int_equal(out.n, 0);
        c = offer(buf_view(&pieces[0]), 0);
        c.peer = low[i];
        refused(c, ERR_PARAM_INVALID);
    }
    buf_free(&out);
}

static void another_format_is_refused(void **state)
{
    struct buf plain = BUF(ROOM), chunk = BUF(ROOM);
    uint8_t number[8], rest[VAULT_KEY + RECORD] = {0};
    (void)state;
    write_head("florin.export.2", MERCHANT, &plain); /* what is refused below is not the forgery */
    forge(&from, buf_view(&plain), &chunk);
    struct call good = offer(buf_view(&chunk), 0);
    assert_int_equal(run(do_import, &good), OK);
    assert_true(good.last);
    write_head("florin.export.1", MERCHANT, &plain);
    forge(&from, buf_view(&plain), &chunk);
    refused(offer(buf_view(&chunk), 0), ERR_CRYPTO);
    for (int64_t merchant = -1; merchant <= 0; merchant++) {
        write_head("florin.export.2", merchant, &plain);
        forge(&from, buf_view(&plain), &chunk);
        refused(offer(buf_view(&chunk), 0), ERR_CRYPTO);
    }
    write_head("florin.export.2", MERCHANT, &plain);
    for (size_t n = 0; n < HEAD; n++) {
        forge(&from, (struct str){plain.p, n}, &chunk);
        refused(offer(buf_view(&chunk), 0), ERR_CRYPTO);
    }
    buf_add(&plain, rest, RECORD - 1); /* the record of a card, cut off */
    forge(&from, buf_view(&plain), &chunk);
    refused(offer(buf_view(&chunk), 0), ERR_CRYPTO);
    /* Format 1 as it was: in a box alone, so that anybody could have made it. */
    buf_clear(&plain);
    buf_clear(&chunk);
    num_put64(number, MERCHANT);
    buf_add(&plain, "florin.export.1", 16);
    buf_add(&plain, number, sizeof number);
    buf_add(&plain, rest, VAULT_KEY + RECORD);
    crypto_box_to(to.identity, buf_view(&plain), &chunk);
    refused(offer(buf_view(&chunk), 0), ERR_FORBIDDEN);
    buf_free(&plain);
    buf_free(&chunk);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_piece_is_taken_in_its_place_alone),
        T(a_piece_of_another_export_is_refused),
        T(a_changed_piece_is_refused),
        T(what_another_sealed_is_refused),
        T(a_key_of_low_order_is_no_key),
        T(another_format_is_refused),
    };
    crypto_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "store/store_folder.h"
#include "sys/sys.h"
#include "vault/serve.h"

static struct {
    struct folder folder;
    struct store *store;
    struct vault *vault;
    struct vault_server *server;
    struct link *card;
    uint8_t master[32];
} t;

static err_t do_unlock(struct store_tx *tx, void *arg)
{
    return vault_unlock(tx, t.master, VAULT_FROM_FILE, sys_now_us(), arg);
}

static void unlock(void)
{
    struct vault_master m;
    assert_int_equal(store_write(t.store, 0, do_unlock, &m), OK);
    assert_int_equal(vault_take(t.vault, t.master, &m), OK);
}

static bool no_request(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)f, (void)arg;
    return false;
}

static void join(void)
{
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(vault_server_link(t.server, fd[0]), OK);
    struct link_config c = {
        .fd = fd[1], .self = LINK_CARD, .peer = LINK_VAULT, .request = no_request};
    assert_int_equal(link_open(&c, &t.card), OK);
}

static int setup(void **state)
{
    (void)state;
    t.folder = folder_make();
    t.store = folder_open(&t.folder, (struct store_config){.migrations = "vault", .stepped = true});
    assert_int_equal(vault_new(&t.vault), OK);
    crypto_random(t.master, sizeof t.master);
    assert_int_equal(vault_server_new(t.store, t.vault, &t.server), OK);
    join();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    link_close(t.card);
    vault_server_free(t.server);
    vault_free(t.vault);
    store_close(t.store);
    folder_remove(&t.folder);
    return 0;
}

/* --- asking --- */
struct answer {
    int done;
    int64_t err, month, year;
    struct id card;
    char number[20], cvc[5];
    uint8_t fingerprint[16];
};

static void on_answer(const struct link_frame *f, void *arg)
{
    struct answer *a = arg;
    a->done++;
    if (!f) {
        a->err = -1;
        return;
    }
    struct link_reader r = {.rest = f->payload};
    a->err = link_take_int(&r);
    if (f->message == LINK_VAULT_SEALED) {
        a->card = link_take_id(&r);
        struct str fp = link_take_str(&r, 16);
        if (fp.n == 16)
            memcpy(a->fingerprint, fp.p, 16);
    } else if (f->message == LINK_VAULT_OPENED) {
        link_take_text(&r, a->number, sizeof a->number);
        a->month = link_take_int(&r);
        a->year = link_take_int(&r);
        link_take_text(&r, a->cvc, sizeof a->cvc);
    }
    assert_true(link_taken(&r));
}

static void turn(void)
{
    (void)vault_server_turn(t.server, sys_now_us());
    (void)link_step(t.card, 100);
}

static void ask(enum link_message m, const struct buf *payload, struct answer *a)
{
    *a = (struct answer){.done = 0};
    assert_int_equal(link_ask(t.card, m, buf_view(payload), on_answer, a), OK);
}

static void ask_seal(int64_t merchant, const char *number, const char *cvc, struct answer *a)
{
    struct buf b = BUF(LINK_SMALL);
    link_put_int(&b, merchant);
    link_put_int(&b, 0);
    link_put_str(&b, str_from(number));
    link_put_int(&b, 12);
    link_put_int(&b, 2060);
    link_put_str(&b, str_from(cvc));
    ask(LINK_VAULT_SEAL, &b, a);
    buf_free(&b);
}

static void ask_open(int64_t merchant, struct id card, struct answer *a)
{
    struct buf b = BUF(LINK_SMALL);
    link_put_int(&b, merchant);
    link_put_id(&b, card);
    link_put_str(&b, STR("att_1"));
    link_put_str(&b, STR("provider.example"));
    link_put_int(&b, 1);
    ask(LINK_VAULT_OPEN, &b, a);
    buf_free(&b);
}

static void about(enum link_message m, int64_t merchant, struct id card, struct answer *a)
{
    struct buf b = BUF(LINK_SMALL);
    link_put_int(&b, merchant);
    link_put_id(&b, card);
    if (m == LINK_VAULT_USED)
        assert_true(link_send(t.card, m, 0, buf_view(&b), -1));
    else
        ask(m, &b, a);
    buf_free(&b);
}

/* --- tests --- */
static void a_card_is_sealed_opened_used_and_deleted(void **state)
{
    (void)state;
    struct answer sealed, opened, other;
    unlock();
    ask_seal(2, "4242424242424242", "123", &sealed);
    turn();
    assert_int_equal(sealed.done, 1);
    assert_int_equal(sealed.err, OK);
    ask_open(2, sealed.card, &opened);
    turn();
    assert_int_equal(opened.err, OK);
    assert_string_equal(opened.number, "4242424242424242");
    assert_int_equal(opened.year, 2060);
    assert_string_equal(opened.cvc, "123");
    about(LINK_VAULT_USED, 2, sealed.card, NULL);
    ask_open(2, sealed.card, &opened);
    ask_open(4, sealed.card, &other);
    turn();
    assert_string_equal(opened.cvc, "");
    assert_int_equal(other.err, ERR_NOT_FOUND);
    assert_string_equal(other.number, "");
    about(LINK_VAULT_FORGET, 2, sealed.card, &other);
    turn();
    assert_int_equal(other.err, OK);
    ask_open(2, sealed.card, &opened);
    turn();
    assert_int_equal(opened.err, ERR_NOT_FOUND);
}

static void many_are_done_in_one_turn(void **state)
{
    (void)state;
    static struct answer a[100];
    unlock();
    for (int i = 0; i < 100; i++)
        ask_seal(2, "4242424242424242", "", &a[i]);
    turn();
    turn();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(a[i].done, 1);
        assert_int_equal(a[i].err, OK);
        assert_memory_equal(a[i].fingerprint, a[0].fingerprint, 16);
    }
}

static void a_locked_vault_says_so(void **state)
{
    (void)state;
    struct answer a, b;
    struct id card = {{1}};
    int64_t begun_us = sys_mono_us();
    ask_seal(2, "4242424242424242", "", &a);
    ask_open(2, card, &b);
    turn();
    assert_int_equal(a.err, ERR_UNAVAILABLE);
    assert_int_equal(b.err, ERR_UNAVAILABLE);
    assert_true(sys_mono_us() - begun_us <
                1000000); /* at once: as a database that is away it waited 2 s */
}

static void what_is_no_request_ends_the_link(void **state)
{
    (void)state;
    struct answer good, bad, late;
    unlock();
    ask_seal(2, "4242424242424242", "", &good);
    ask_seal(2, "4242424242424241", "", &bad); /* `card` would have refused it */
    turn();
    assert_int_equal(good.err, OK); /* it was done, and is told */
    assert_int_equal(vault_server_fd(t.server), -1);
    while (link_step(t.card, 10))
        ;
    link_close(t.card);
    assert_int_equal(bad.err, -1);
    join(); /* what the parent does then */
    ask_open(2, good.card, &late);
    turn();
    assert_string_equal(late.number, "4242424242424242");
}

static err_t count(struct store_tx *tx, void *arg)
{
    int64_t *rows = arg;
    return vault_audit_verify(tx, &rows[0], &rows[1]);
}

static void whatever_goes_out_is_in_the_audit(void **state)
{
    (void)state;
    struct answer sealed, opened;
    int64_t before[2], after[2];
    unlock();
    ask_seal(2, "4242424242424242", "", &sealed);
    turn();
    assert_int_equal(store_write(t.store, 0, count, before), OK);
    for (int i = 0; i < 300; i++) {
        ask_open(2, sealed.card, &opened);
        turn();
        assert_int_equal(opened.err, OK);
    }
    (void)vault_server_turn(t.server, sys_now_us() + 200000);
    assert_int_equal(store_write(t.store, 0, count, after), OK);
    assert_int_equal(after[0], before[0] + 300);
    assert_int_equal(after[1], 0);
}

#define WITH_SERVER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_card_is_sealed_opened_used_and_deleted),
        WITH_SERVER(many_are_done_in_one_turn),
        WITH_SERVER(a_locked_vault_says_so),
        WITH_SERVER(what_is_no_request_ends_the_link),
        WITH_SERVER(whatever_goes_out_is_in_the_audit),
    };
    crypto_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

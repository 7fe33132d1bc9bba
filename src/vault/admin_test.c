#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "store/store_folder.h"
#include "sys/sys.h"
#include "vault/admin_internal.h"

#define MERCHANT 2

static struct {
    struct folder folder;
    struct store *store;
    struct vault *vault;
    struct vault_server *server;
    struct vault_admin *admin;
    struct link *line;
    uint8_t master[32];
    struct vault_keys kept; /* what the parent has */
    int keeps;
    bool deaf;
} t;

/* --- the vault, its parent, an operator --- */
static bool keep(const struct vault_keys *keys, void *arg)
{
    (void)arg;
    if (t.deaf)
        return false;
    t.kept = *keys;
    t.keeps++;
    return true;
}

static err_t do_found(struct store_tx *tx, void *arg)
{
    enum vault_source *source = arg;
    return vault_found(tx, t.master, *source, (struct str){NULL, 0}, sys_now_us());
}

static struct {
    const uint8_t *key;
    struct vault_master master;
} u;
static err_t do_unlock(struct store_tx *tx, void *arg)
{
    (void)arg;
    return vault_unlock(tx, u.key, VAULT_FROM_FILE, sys_now_us(), &u.master);
}

static err_t unlock(const uint8_t *key)
{
    u.key = key;
    err_t err = store_write(t.store, 0, do_unlock, NULL);
    return err ? err : vault_take(t.vault, key, &u.master);
}

static bool no_request(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)f, (void)arg;
    return false;
}

static void connect_operator(int64_t uid)
{
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    assert_true(vault_admin_join(t.admin, fd[0], uid));
    struct link_config c = {
        .fd = fd[1], .self = LINK_OPERATOR, .peer = LINK_VAULT, .request = no_request};
    assert_int_equal(link_open(&c, &t.line), OK);
}

static void start(void)
{
    t.store = folder_open(&t.folder, (struct store_config){.migrations = "vault", .stepped = true});
    assert_int_equal(vault_new(&t.vault), OK);
    assert_int_equal(vault_server_new(t.store, t.vault, &t.server), OK);
    struct vault_admin_config admin = {
        .store = t.store, .vault = t.vault, .server = t.server, .dir = t.folder.path, .keep = keep};
    assert_int_equal(vault_admin_new(&admin, &t.admin), OK);
    connect_operator(7);
}

static void stop(void)
{
    link_close(t.line);
    vault_admin_free(t.admin);
    vault_server_free(t.server);
    vault_free(t.vault);
    store_close(t.store);
}

/* The role has died and the parent starts it again with what it kept. */
static void die_and_start(void)
{
    stop();
    start();
    struct vault_keys kept = t.kept;
    for (uint32_t i = 0; i < kept.n; i++)
        (void)unlock(kept.key[i].key);
}

static int setup(void **state)
{
    enum vault_source source = *state ? VAULT_FROM_SHARES : VAULT_FROM_FILE;
    memset(&t, 0, sizeof t);
    t.folder = folder_make();
    (void)snprintf(t.folder.file, sizeof t.folder.file, "%s/vault.db", t.folder.path);
    start();
    crypto_random(t.master, sizeof t.master);
    assert_int_equal(store_write(t.store, 0, do_found, &source), OK);
    return 0;
}

static err_t do_verify(struct store_tx *tx, void *arg)
{
    int64_t rows;
    return vault_audit_verify(tx, &rows, arg);
}

static int teardown(void **state)
{
    int64_t bad = -1;
    (void)state;
    assert_int_equal(store_write(t.store, 0, do_verify, &bad), OK);
    assert_int_equal(bad, 0);
    stop();
    folder_remove(&t.folder);
    return 0;
}

/* --- asking --- */
static struct {
    bool done, gone;
    int64_t err, more;
    char detail[256], json[4096];
    struct buf data;
    int fd;
} got;

static void on_answer(const struct link_frame *f, void *arg)
{
    (void)arg;
    got.done = true;
    got.gone = !f;
    if (!f)
        return;
    struct link_reader r = {.rest = f->payload};
    got.err = link_take_int(&r);
    link_take_text(&r, got.detail, sizeof got.detail);
    link_take_text(&r, got.json, sizeof got.json);
    struct str data = link_take_str(&r, LINK_PAYLOAD_MAX);
    buf_clear(&got.data);
    buf_add(&got.data, data.p ? data.p : "", data.n);
    got.more = link_take_int(&r);
    got.fd = f->fd;
    assert_true(link_taken(&r));
}

static void turn(void)
{
    (void)vault_server_turn(t.server, sys_now_us());
    (void)vault_admin_turn(t.admin, sys_now_us());
    if (!link_step(t.line, 4))
        got.done = got.gone = true;
}

static int64_t ask(int command, const struct buf *payload)
{
    struct buf out = BUF(LINK_PAYLOAD_MAX);
    buf_free(&got.data);
    memset(&got, 0, sizeof got);
    got.data = BUF(LINK_PAYLOAD_MAX);
    got.fd = -1;
    link_put_int(&out, command);
    if (payload)
        buf_add(&out, payload->p, payload->n);
    assert_int_equal(link_ask(t.line, LINK_ADMIN, buf_view(&out), on_answer, NULL), OK);
    buf_free(&out);
    for (int i = 0; i < 1000 && !got.done; i++)
        turn();
    assert_true(got.done);
    return got.gone ? -1 : got.err;
}

static int64_t ask_text(int command, const char *text)
{
    struct buf p = BUF(4096);
    link_put_str(&p, str_from(text));
    int64_t err = ask(command, &p);
    buf_free(&p);
    return err;
}

static int64_t ask_master(const uint8_t *key)
{
    struct buf p = BUF(4096);
    link_put_int(&p, VAULT_FROM_FILE);
    link_put_bytes(&p, key, 32);
    link_put_str(&p, STR(""));
    int64_t err = ask(VAULT_DO_ROTATE_MASTER, &p);
    buf_free(&p);
    return err;
}

/* --- cards --- */
struct one {
    struct card card;
    struct vault_sealed sealed;
    struct det det;
    int64_t merchant;
};
static err_t do_seal(struct store_tx *tx, void *arg)
{
    struct one *o = arg;
    return vault_seal(tx, t.vault, &o->det, o->merchant, &o->card, 0, &o->sealed);
}
static err_t do_open(struct store_tx *tx, void *arg)
{
    struct one *o = arg;
    return vault_open(tx, t.vault, sys_now_us(), o->merchant, o->sealed.card, false, &o->card);
}

static struct one seal(int64_t merchant)
{
    struct one o = {.card = {.number = "4242424242424242", .month = 12, .year = 2030},
                    .det = sys_det(),
                    .merchant = merchant};
    assert_int_equal(store_write(t.store, 0, do_seal, &o), OK);
    return o;
}

/* n cards of as many merchants (step 0: of one) in one transaction. */
static struct {
    struct one *card;
    int n, step;
} many;
static err_t do_seal_many(struct store_tx *tx, void *arg)
{
    err_t err = OK;
    (void)arg;
    for (int i = 0; !err && i < many.n; i++) {
        struct one o = {.card = {.number = "4242424242424242", .month = 12, .year = 2030},
                        .det = sys_det(),
                        .merchant = 2 + i * many.step};
        err = do_seal(tx, &o);
        many.card[i] = o;
    }
    return err;
}

static void seal_many(struct one *cards, int n, int step)
{
    many.card = cards;
    many.n = n;
    many.step = step;
    assert_int_equal(store_write(t.store, 0, do_seal_many, NULL), OK);
}

static void assert_opens(struct one o)
{
    memset(&o.card, 0, sizeof o.card);
    assert_int_equal(store_read(t.store, do_open, &o), OK);
    assert_string_equal(o.card.number, "4242424242424242");
}

static void split(const uint8_t key[32], uint8_t set, char text[5][SHAMIR_TEXT_MAX])
{
    struct shamir_share s[5];
    uint8_t random[64], id[4] = {set, 2, 3, 4};
    crypto_random(random, sizeof random);
    shamir_split(key, random, id, 3, 5, s);
    for (int i = 0; i < 5; i++)
        shamir_write(&s[i], text[i]);
}

/* --- tests --- */
static void a_command_that_is_none_ends_the_connection(void **state)
{
    (void)state;
    static const int bad[] = {0, 99, -1, VAULT_DO_UNSEAL, VAULT_DO_DELETE, VAULT_DO_EXPORT};
    for (size_t i = 0; i < COUNT_OF(bad); i++) { /* those that are some lack their payload */
        assert_int_equal(ask(bad[i], NULL), -1);
        link_close(t.line);
        connect_operator(7);
    }
    assert_int_equal(ask(VAULT_DO_STATUS, NULL), OK);
    assert_non_null(strstr(got.json, "\"state\":\"sealed\""));
}

/* Whatever stands in a command: it is answered, or the connection ends, and the vault goes on. */
static void nonsense_is_answered_or_ends_the_connection(void **state)
{
    uint8_t seed[32] = {3};
    struct det det = det_make(1, seed);
    (void)state;
    assert_int_equal(unlock(t.master), OK);
    for (int i = 0; i < 400; i++) {
        struct buf p = BUF(4096);
        uint64_t kind = det_u64(&det);
        for (uint64_t n = det_u64(&det) % 6; n > 0; n--) {
            uint64_t v = det_u64(&det);
            if (v % 3 == 0)
                link_put_int(&p, (int64_t)(v >> 8) % 5 - 1);
            else
                link_put_bytes(&p, &v, v % 3 == 1 ? 8 : v % 8);
        }
        int64_t err = ask((int)(kind % 15), &p);
        if (got.fd >= 0)
            close(got.fd);
        if (err == -1) {
            link_close(t.line);
            connect_operator(7);
        }
        buf_free(&p);
    }
    assert_int_equal(ask(VAULT_DO_STATUS, NULL), OK);
    assert_non_null(strstr(got.json, "\"state\":\"open\""));
}

static void every_command_is_recorded_with_its_user(void **state)
{
    struct buf p = BUF(64);
    (void)state;
    assert_int_equal(unlock(t.master), OK);
    assert_int_equal(ask(VAULT_DO_STATUS, NULL), OK);
    assert_int_equal(ask(VAULT_DO_PROGRESS, NULL), OK);
    link_put_int(&p, 0);
    assert_int_equal(ask(VAULT_DO_AUDIT, &p), OK);
    int n = 0;
    struct link_reader r = {.rest = buf_view(&got.data)};
    char last[256] = "", before[256] = "";
    for (; r.rest.n > 0; n++) {
        (void)memcpy(before, last, sizeof last);
        for (int i = 0; i < 4; i++)
            (void)link_take_int(&r);
        (void)link_take_str(&r, 16);
        link_take_text(&r, last, sizeof last);
        (void)link_take_str(&r, 32);
        assert_false(r.failed);
    }
    assert_string_equal(last, "audit by uid 7");
    assert_string_equal(before, "status by uid 7"); /* progress is part of what asked for it */
    assert_int_equal(n, 4);                         /* founded, unlocked, and these */
    buf_free(&p);
}

static void three_of_five_custodians_open_it(void **state)
{
    char text[5][SHAMIR_TEXT_MAX];
    (void)state;
    split(t.master, 1, text);
    assert_int_equal(ask_text(VAULT_DO_UNSEAL, text[4]), OK);
    assert_int_equal(ask_text(VAULT_DO_UNSEAL, text[1]), OK);
    assert_non_null(strstr(got.json, "\"given\":2,\"needed\":3"));
    assert_int_equal(ask_text(VAULT_DO_UNSEAL, text[1]), ERR_STATE); /* one twice is one */
    assert_int_equal(ask_text(VAULT_DO_UNSEAL, "florin-share-1-abc"), ERR_PARAM_INVALID);
    text[0][30] ^= 1; /* mistyped */
    assert_int_equal(ask_text(VAULT_DO_UNSEAL, text[0]), ERR_PARAM_INVALID);
    assert_false(vault_unlocked(t.vault));
    assert_int_equal(t.keeps, 0);
    assert_int_equal(ask_text(VAULT_DO_UNSEAL, text[2]), OK);
    assert_non_null(strstr(got.json, "\"state\":\"open\""));
    assert_true(vault_unlocked(t.vault));
    assert_int_equal(t.kept.n, 1); /* the parent has it, for the next start of the role alone */
    assert_memory_equal(t.kept.key[0].key, t.master, 32);
    struct one card = seal(MERCHANT);
    die_and_start();
    assert_opens(card);
}

static void shares_of_another_key_are_refused_and_forgotten(void **state)
{
    char text[5][SHAMIR_TEXT_MAX], right[5][SHAMIR_TEXT_MAX];
    uint8_t other[32] = {9};
    (void)state;
    split(other, 1, text);
    split(t.master, 2, right);
    assert_int_equal(ask_text(VAULT_DO_UNSEAL, right[0]), OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ask_text(VAULT_DO_UNSEAL, text[i]), OK);
    assert_int_equal(ask_text(VAULT_DO_UNSEAL, text[2]), ERR_CRYPTO);
    assert_false(vault_unlocked(t.vault));
    assert_int_equal(ask_text(VAULT_DO_UNSEAL, text[2]), OK); /* begins anew */
    assert_non_null(strstr(got.json, "\"given\":1"));
    assert_int_equal(ask_text(VAULT_DO_UNSEAL, right[1]), OK); /* the right ones are still there */
    assert_non_null(strstr(got.json, "\"given\":2"));
    assert_int_equal(ask(VAULT_DO_FORGET_SHARES, NULL), OK);
    assert_int_equal(ask_text(VAULT_DO_UNSEAL, right[2]), OK);
    assert_non_null(strstr(got.json, "\"given\":1"));
    for (int i = 3; i < 5; i++)
        assert_int_equal(ask_text(VAULT_DO_UNSEAL, right[i]), OK);
    assert_true(vault_unlocked(t.vault));
}

/* The role dies after each piece of work, and right after the new key was committed. */
static void a_master_key_is_rotated_over_deaths(void **state)
{
    struct one cards[200];
    uint8_t key[3][32];
    (void)state;
    memcpy(key[0], t.master, 32);
    assert_int_equal(unlock(key[0]), OK);
    seal_many(cards, 200, 1); /* keys of many merchants: several pieces */
    t.deaf = true; /* the parent does not listen: it would start the role without the new key */
    crypto_random(key[1], 32);
    assert_int_equal(ask_master(key[1]), ERR_UNAVAILABLE);
    assert_int_equal(t.vault->current, 1);
    t.deaf = false;
    for (int turnover = 1; turnover < 3; turnover++) {
        crypto_random(key[turnover], 32);
        assert_int_equal(ask_master(key[turnover]), OK);
        assert_int_equal(t.kept.n, 2);
        for (int deaths = 0; deaths < 12; deaths++) {
            die_and_start();
            assert_true(vault_unlocked(t.vault));
            turn();
            for (int i = 0; i < 200; i += 7)
                assert_opens(cards[i]);
            assert_int_equal(ask_master(key[turnover]), OK); /* once more is no more */
            assert_non_null(strstr(got.json, "\"begun_before\":true"));
        }
        assert_int_equal(ask(VAULT_DO_PROGRESS, NULL), OK);
        assert_non_null(strstr(got.json, "\"rotation\":null"));
        turn();
        assert_int_equal(t.kept.n, 1); /* the old one is needed no more */
        assert_memory_equal(t.kept.key[0].key, key[turnover], 32);
        assert_int_equal(ask_master(key[turnover - 1]), ERR_STATE);
    }
    for (int i = 0; i < 200; i++)
        assert_opens(cards[i]);
}

static void a_split_key_takes_over_once_custodians_have_shown_their_shares(void **state)
{
    char text[5][SHAMIR_TEXT_MAX];
    uint8_t key[32];
    (void)state;
    assert_int_equal(unlock(t.master), OK);
    struct one card = seal(MERCHANT);
    crypto_random(key, sizeof key);
    split(key, 5, text);
    assert_int_equal(ask_text(VAULT_DO_UNSEAL, text[0]), OK); /* counts for opening alone */
    for (int i = 0; i < 2; i++)
        assert_int_equal(ask_text(VAULT_DO_ROTATE_SHARE, text[i]), OK);
    assert_int_equal(t.vault->current, 1);
    assert_int_equal(ask_text(VAULT_DO_ROTATE_SHARE, text[2]), OK);
    assert_int_equal(t.vault->current, 2);
    for (int i = 0; i < 10; i++)
        turn();
    assert_opens(card);
    stop(); /* and the parent, too: custodians are needed */
    start();
    assert_int_equal(store_read(t.store, do_open, &card), ERR_UNAVAILABLE);
    for (int i = 2; i < 5; i++)
        assert_int_equal(ask_text(VAULT_DO_UNSEAL, text[i]), OK);
    assert_opens(card);
}

static void merchants_get_new_keys(void **state)
{
    struct one cards[70];
    struct buf p = BUF(64), q = BUF(64), one = BUF(64);
    (void)state;
    link_put_int(&one, 77777);
    link_put_int(&one, 0);
    assert_int_equal(ask(VAULT_DO_ROTATE_MERCHANT, &one), ERR_UNAVAILABLE);
    assert_int_equal(unlock(t.master), OK);
    assert_int_equal(ask(VAULT_DO_ROTATE_MERCHANT, &one), ERR_NOT_FOUND);
    seal_many(cards, 40, 2);
    link_put_int(&p, 0);
    link_put_int(&p, 0);
    assert_int_equal(ask(VAULT_DO_ROTATE_MERCHANT, &p), OK);
    assert_int_equal(got.more, 1);
    assert_non_null(strstr(got.json, "\"merchants\":32,\"after\":64"));
    link_put_int(&q, 0);
    link_put_int(&q, 64);
    assert_int_equal(ask(VAULT_DO_ROTATE_MERCHANT, &q), OK);
    assert_int_equal(got.more, 0);
    assert_non_null(strstr(got.json, "\"merchants\":8"));
    t.kept.n = 0;
    vault_keys_add(&t.kept, t.master, VAULT_FROM_FILE);
    for (int i = 0; i < 100; i++) {
        turn();
        if (i % 10 == 0)
            die_and_start();
    }
    assert_int_equal(ask(VAULT_DO_PROGRESS, NULL), OK);
    assert_non_null(strstr(got.json, "\"merchant_keys_retiring\":0"));
    for (int i = 0; i < 40; i++)
        assert_opens(cards[i]);
    buf_free(&p);
    buf_free(&q);
    buf_free(&one);
}

static void a_card_is_deleted_once(void **state)
{
    struct buf p = BUF(64);
    (void)state;
    assert_int_equal(unlock(t.master), OK);
    struct one card = seal(MERCHANT);
    link_put_int(&p, MERCHANT);
    link_put_id(&p, card.sealed.card);
    assert_int_equal(ask(VAULT_DO_DELETE, &p), OK);
    assert_int_equal(store_read(t.store, do_open, &card), ERR_NOT_FOUND);
    assert_int_equal(ask(VAULT_DO_DELETE, &p), ERR_NOT_FOUND);
    buf_free(&p);
}

/* --- a copy, taken while cards come --- */
static void write_copy(const char *path)
{
    char chunk[4096];
    ssize_t n;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    while ((n = read(got.fd, chunk, sizeof chunk)) > 0)
        assert_int_equal(fwrite(chunk, 1, (size_t)n, f), (size_t)n);
    assert_int_equal(n, 0);
    assert_int_equal(fclose(f), 0);
    close(got.fd);
}

static void a_backup_is_one_moment_and_opens(void **state)
{
    static struct one cards[3000];
    struct one after;
    struct stat st;
    char path[128], copy[80];
    (void)state;
    assert_int_equal(unlock(t.master), OK);
    seal_many(cards, 3000, 0);
    struct buf out = BUF(64);
    memset(&got, 0, sizeof got);
    got.data = BUF(4096);
    link_put_int(&out, VAULT_DO_BACKUP);
    assert_int_equal(link_ask(t.line, LINK_ADMIN, buf_view(&out), on_answer, NULL), OK);
    buf_free(&out);
    turn();
    assert_false(got.done); /* in pieces */
    after = seal(MERCHANT);
    for (int i = 0; i < 100 && !got.done; i++)
        turn();
    assert_int_equal(got.err, OK);
    assert_true(got.fd >= 0);
    (void)snprintf(path, sizeof path, "%s/backup.tmp", t.folder.path);
    assert_int_not_equal(stat(path, &st), 0); /* no name is left */
    (void)snprintf(copy, sizeof copy, "%s/copy.db", t.folder.path);
    write_copy(copy);
    stop();
    (void)snprintf(t.folder.file, sizeof t.folder.file, "%s", copy);
    start();
    assert_int_equal(unlock(t.master), OK);
    assert_opens(cards[0]);
    assert_opens(cards[2999]);
    assert_int_equal(store_read(t.store, do_open, &after), ERR_NOT_FOUND);
}

#define WITH_FILE(f) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, NULL)
#define WITH_SHARES(f) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, (void *)"")

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(a_command_that_is_none_ends_the_connection),
        WITH_FILE(nonsense_is_answered_or_ends_the_connection),
        WITH_FILE(every_command_is_recorded_with_its_user),
        WITH_SHARES(three_of_five_custodians_open_it),
        WITH_SHARES(shares_of_another_key_are_refused_and_forgotten),
        WITH_FILE(a_master_key_is_rotated_over_deaths),
        WITH_FILE(a_split_key_takes_over_once_custodians_have_shown_their_shares),
        WITH_FILE(merchants_get_new_keys),
        WITH_FILE(a_card_is_deleted_once),
        WITH_FILE(a_backup_is_one_moment_and_opens),
    };
    crypto_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

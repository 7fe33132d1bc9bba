#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "api/api_internal.h"
#include "crypto/crypto.h"
#include "store/store_folder.h"
#include "sys/sys.h"

#define MERCHANT 2

static const char origin[] = "https://shop.example";

static struct {
    struct folder folder;
    struct store *store;
    struct det det;
    struct api *api;
    struct link_slot slot; /* api's end */
    struct link *card;
    char token[CLIENT_TOKEN_TEXT_MAX];
    /* the last answer */
    pthread_mutex_t lock;
    pthread_cond_t come;
    bool there;
    enum link_message message;
    struct buf payload;
} t;

static bool asked(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)arg;
    return api_card_request(t.api, &t.slot, f);
}

static int setup(void **state)
{
    static const uint8_t seed[32] = {7};
    int fds[2];
    (void)state;
    memset(&t, 0, sizeof t);
    pthread_mutex_init(&t.lock, NULL);
    pthread_cond_init(&t.come, NULL);
    t.payload = BUF(LINK_PAYLOAD_MAX);
    t.det = det_make(sys_now_us(), seed);
    t.folder = folder_make();
    t.store = folder_open(&t.folder, (struct store_config){.path = NULL});
    t.api = mem_alloc(sizeof *t.api);
    t.api->config.store = t.store;
    limiter_init(&t.api->card_tries);
    limiter_init(&t.api->page_reports);
    limiter_init(&t.api->page_tokens);
    link_slot_init(&t.slot);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    struct link_config ours = {
        .fd = fds[0], .self = LINK_API, .peer = LINK_CARD, .thread = "api", .request = asked};
    struct link_config theirs = {
        .fd = fds[1], .self = LINK_CARD, .peer = LINK_API, .thread = "card", .request = asked};
    struct link *l;
    assert_int_equal(link_open(&ours, &l), OK);
    link_slot_put(&t.slot, l);
    assert_int_equal(link_open(&theirs, &t.card), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    link_close(t.card);
    link_slot_put(&t.slot, NULL);
    link_slot_release(&t.slot);
    store_close(t.store);
    limiter_release(&t.api->card_tries);
    limiter_release(&t.api->page_reports);
    limiter_release(&t.api->page_tokens);
    assert_int_equal(t.api->asked, 0);
    mem_free(t.api);
    buf_free(&t.payload);
    folder_remove(&t.folder);
    return 0;
}

/* --- talking --- */

static void answered(const struct link_frame *a, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&t.lock);
    t.there = true;
    t.message = a ? a->message : LINK_NONE;
    buf_clear(&t.payload);
    if (a)
        buf_add(&t.payload, a->payload.p, a->payload.n);
    pthread_cond_signal(&t.come);
    pthread_mutex_unlock(&t.lock);
}

static struct link_reader ask(enum link_message message, struct buf *payload,
                              enum link_message expected)
{
    t.there = false;
    assert_int_equal(link_ask(t.card, message, buf_view(payload), answered, NULL), OK);
    buf_free(payload);
    pthread_mutex_lock(&t.lock);
    while (!t.there)
        pthread_cond_wait(&t.come, &t.lock);
    pthread_mutex_unlock(&t.lock);
    assert_int_equal(t.message, expected);
    return (struct link_reader){.rest = buf_view(&t.payload)};
}

struct is {
    int64_t err, merchant, keep_until_us;
    char detail[256];
};

static struct is check(const char *token, const char *from)
{
    struct buf b = BUF(LINK_SMALL);
    struct is is;
    link_put_str(&b, str_from(token));
    link_put_str(&b, str_from(from));
    struct link_reader r = ask(LINK_CLIENT_CHECK, &b, LINK_CLIENT_IS);
    is.err = link_take_int(&r);
    link_take_text(&r, is.detail, sizeof is.detail);
    is.merchant = link_take_int(&r);
    is.keep_until_us = link_take_int(&r);
    assert_true(link_taken(&r));
    return is;
}

/* The answer's status; its JSON is in *json. */
static int save(const char *token, struct id card, json_t **json)
{
    struct buf b = BUF(LINK_CARD_MAX);
    link_put_str(&b, str_from(token));
    link_put_id(&b, card);
    link_put_str(&b, STR("visa"));
    link_put_str(&b, STR("4242"));
    link_put_str(&b, STR("42424242"));
    link_put_int(&b, 12);
    link_put_int(&b, 2034);
    link_put_bytes(&b, "0123456789abcdef", 16);
    link_put_str(&b, STR("Ann Example"));
    struct link_reader r = ask(LINK_CARD_SAVED, &b, LINK_METHOD_IS);
    int status = (int)link_take_int(&r);
    struct str text = link_take_str(&r, LINK_PAYLOAD_MAX);
    assert_true(link_taken(&r));
    assert_null(memmem(text.p, text.n, "42424242", 8)); /* browsers do not see the BIN */
    assert_null(memmem(text.p, text.n, "fingerprint", 11));
    *json = json_loadb(text.p, text.n, 0, NULL);
    assert_non_null(*json);
    return status;
}

/* --- tokens --- */

struct making {
    enum client_purpose purpose;
    bool customer;
    struct id made;
};

static err_t run_make(struct store_tx *tx, void *arg)
{
    struct making *m = arg;
    struct det det = t.det;
    char random[CLIENT_TOKEN_RANDOM];
    struct client_token token = {.purpose = m->purpose,
                                 .currency = m->purpose == CLIENT_PAYMENT ? 978 : 0,
                                 .amount_min = m->purpose == CLIENT_PAYMENT ? 100 : 0,
                                 .amount_max = m->purpose == CLIENT_PAYMENT ? 100 : 0,
                                 .expires_us = t.det.now_us + 900000000,
                                 .details = STR("{}")};
    err_t err = OK;
    if (m->customer) {
        struct customer_input in = {.given = CUSTOMER_ALL};
        struct det same = det;
        struct buf out = BUF(4096);
        token.customer = id_new(&same);
        err = customer_create(tx, &det, MERCHANT, &in, &out);
        buf_free(&out);
    }
    (void)snprintf(token.origin, sizeof token.origin, "%s", origin);
    crypto_random_text(random, sizeof random);
    if (!err)
        err = client_token_new(tx, &det, MERCHANT, &token, random, t.token);
    m->made = token.customer;
    return err;
}

static struct id make(enum client_purpose purpose, bool customer)
{
    struct making m = {purpose, customer, {{0}}};
    (void)id_new(&t.det); /* others than before */
    assert_int_equal(store_write(t.store, MERCHANT, run_make, &m), OK);
    return m.made;
}

static void assert_member(json_t *o, const char *key, const char *expected)
{
    assert_string_equal(json_string_value(json_object_get(o, key)), expected);
}

/* --- tests --- */

static void test_who_may_give_a_card(void **state)
{
    (void)state;
    make(CLIENT_PAYMENT, false);
    struct is is = check(t.token, origin);
    assert_int_equal(is.err, OK);
    assert_int_equal(is.merchant, MERCHANT);
    int64_t kept_us = is.keep_until_us - sys_now_us();
    assert_true(kept_us > METHOD_KEPT_US - 60000000 && kept_us <= METHOD_KEPT_US);
    is = check(t.token, "https://evil.example");
    assert_int_equal(is.err, ERR_FORBIDDEN);
    assert_int_equal(is.merchant, 0);
    t.token[strlen(t.token) - 1] ^= 1;
    is = check(t.token, origin);
    assert_int_equal(is.err, ERR_UNAUTHENTICATED);
    assert_int_equal(is.merchant, 0);
    assert_int_equal(check("ct_test_", origin).err, ERR_UNAUTHENTICATED);
    assert_int_equal(check("", origin).err, ERR_UNAUTHENTICATED);
}

/* Were it kept for good at once, one whose row never came would be, too. */
static void test_no_card_stays_before_its_row_is_there(void **state)
{
    (void)state;
    make(CLIENT_PAYMENT_METHOD, true);
    assert_true(check(t.token, origin).keep_until_us > 0);
    make(CLIENT_PAYMENT, true);
    assert_true(check(t.token, origin).keep_until_us > 0);
}

static void test_tries_end(void **state)
{
    (void)state;
    make(CLIENT_PAYMENT, false);
    for (int i = 0; i < 10; i++)
        assert_int_equal(check(t.token, origin).err, OK);
    assert_int_equal(check(t.token, origin).err, ERR_RATE_LIMITED);
    make(CLIENT_PAYMENT, false);
    assert_int_equal(check(t.token, origin).err, OK);
}

static void test_a_card_is_given_once(void **state)
{
    json_t *json;
    (void)state;
    make(CLIENT_PAYMENT_METHOD, true);
    struct id card = id_new(&t.det), other = id_new(&t.det);
    char text[ID_TEXT_MAX];
    assert_int_equal(save(t.token, card, &json), 201);
    assert_member(json, "id", id_text(ID_PAYMENT_METHOD, card, text));
    assert_member(json, "type", "card");
    assert_member(json_object_get(json, "card"), "last_four", "4242");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "card"), "exp_year")),
                     2034);
    json_decref(json);
    assert_int_equal(save(t.token, card, &json), 201); /* the answer was lost */
    json_decref(json);
    assert_int_equal(save(t.token, other, &json), 409);
    assert_member(json, "code", "state_conflict");
    json_decref(json);
    assert_int_equal(check(t.token, origin).err, ERR_UNAUTHENTICATED);
    t.token[strlen(t.token) - 1] ^= 1;
    assert_int_equal(save(t.token, other, &json), 401);
    json_decref(json);
}

static void test_reports(void **state)
{
    struct buf b = BUF(16384);
    (void)state;
    link_put_str(&b, STR("fields"));
    link_put_str(&b, STR("127.0.0.1"));
    link_put_str(&b, STR("{\"csp-report\":{\"blocked-uri\":\"inline\"}}"));
    struct link_reader r = ask(LINK_PAGE_REPORT, &b, LINK_PAGE_REPORTED);
    assert_int_equal(link_take_int(&r), OK);
    assert_true(link_taken(&r));
}

static void test_limits_are_kept_by_key(void **state)
{
    struct id ids[200];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        ids[i] = id_new(&t.det);
    for (int round = 0; round < 4; round++)
        for (size_t i = 0; i < COUNT_OF(ids); i++) {
            int wait_s = 0;
            bool good = limiter_take(&t.api->page_tokens, ids[i].b, 3, DAY_US, &wait_s);
            assert_int_equal(good, round < 3);
            assert_true(wait_s > 0 && wait_s <= 86401);
        }
    assert_true(limiter_take(&t.api->page_tokens, ids[0].b, 3, 0, NULL)); /* the window is over */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_may_give_a_card, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_card_stays_before_its_row_is_there, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_tries_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_card_is_given_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits_are_kept_by_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reports, setup, teardown),
    };
    crypto_init();
    wire_init();
    return cmocka_run_group_tests_name("api_cards", tests, NULL, NULL);
}

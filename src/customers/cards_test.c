/* Cards of the vault as payment methods, and the jobs by which the vault follows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "connect/connect.h"
#include "crypto/crypto.h"
#include "customers/customers.h"
#include "events/events.h"
#include "store/store_folder.h"

#define MERCHANT 2
#define T0 INT64_C(1764000000123456) /* November 2025 */
#define LEASE_US INT64_C(30000000)

static struct {
    struct folder folder;
    struct store *store;
    struct det det;
    struct buf json;
    struct err_info why;
} t;

static int setup(void **state)
{
    static const uint8_t seed[32] = {9};
    (void)state;
    crypto_init();
    t.det = det_make(T0, seed);
    t.json = BUF(1 << 16);
    t.folder = folder_make();
    t.store = folder_open(&t.folder, (struct store_config){.path = NULL});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_free(&t.json);
    store_close(t.store);
    folder_remove(&t.folder);
    return 0;
}

/* --- deeds: one transaction each --- */
struct deed {
    enum { TYPED, GIVE, KEEP, TAKE, DETACH, UPDATE, SHOW, DELETE, CUSTOMER, BEGIN, END } what;
    struct card_facts facts;
    struct id id, customer;
    struct method_change change;
    struct method_input in;
    struct card_work *work;
    err_t said;
};

static err_t run(struct store_tx *tx, void *arg)
{
    struct deed *d = arg;
    struct det det = t.det;
    size_t n = 0;
    bool found = true;
    err_t err;
    buf_clear(&t.json);
    t.why = (struct err_info){.err = OK};
    switch (d->what) {
    case TYPED:
        return method_from_card(tx, &det, MERCHANT, &d->facts, d->customer, &t.json);
    case GIVE:
        return method_give(tx, &det, MERCHANT, d->id, d->customer, &t.json, &t.why);
    case KEEP:
        return method_keep(tx, &det, MERCHANT, d->id, d->customer);
    case TAKE:
        return method_attach(tx, &det, MERCHANT, &d->in, &t.json, &t.why);
    case DETACH:
        return method_detach(tx, &det, MERCHANT, d->id, &t.json);
    case UPDATE:
        return method_update(tx, &det, MERCHANT, d->id, &d->change, &t.json, &t.why);
    case SHOW:
        err = method_show(tx, MERCHANT, d->id, &t.json, &found);
        return found ? err : ERR_NOT_FOUND;
    case DELETE:
        return customer_delete(tx, &det, MERCHANT, d->customer, &t.json);
    case CUSTOMER:
        return customer_create(tx, &det, MERCHANT,
                               &(struct customer_input){.given = CUSTOMER_ALL, .name = STR("Ann")},
                               &t.json);
    case BEGIN:
        err = job_claim(tx, JOB_CARD, det.now_us, LEASE_US, &d->work->job, 1, &n);
        return err ? err : n == 0 ? ERR_NOT_FOUND : card_work_begin(tx, &det, d->work);
    case END:
        return card_work_end(tx, &det, d->work, d->said);
    }
    return ERR_INTERNAL;
}

static err_t act(struct deed d)
{
    t.det.now_us += 1000;
    t.det.s[0]++;
    return store_write(t.store, MERCHANT, run, &d);
}

static void assert_shows(const char *part)
{
    if (!t.json.p || !strstr(t.json.p, part))
        fail_msg("no %s in %s", part, t.json.p ? t.json.p : "nothing");
}

static struct id make_customer(void)
{
    struct id id;
    assert_int_equal(act((struct deed){.what = CUSTOMER}), OK);
    const char *at = strstr(t.json.p, "cus_");
    assert_true(id_parse(ID_CUSTOMER, (struct str){at, 30}, &id));
    return id;
}

static struct card_facts visa(void)
{
    struct card_facts f = {.brand = "visa",
                           .last_four = "4242",
                           .bin = "42424242",
                           .name = "ANN EXAMPLE",
                           .exp_month = 12,
                           .exp_year = 2030,
                           .fingerprint = {1, 2, 3},
                           .known = {"", "credit", "First Bank", "DE"}};
    t.det.s[1]++;
    f.card = id_new(&t.det);
    return f;
}

static struct id type_card(struct id customer)
{
    struct deed d = {.what = TYPED, .facts = visa(), .customer = customer};
    assert_int_equal(act(d), OK);
    return d.facts.card;
}

static const struct id nobody;

static void assert_state(struct id id, const char *state)
{
    char want[40];
    assert_int_equal(act((struct deed){.what = SHOW, .id = id}), OK);
    (void)snprintf(want, sizeof want, "\"status\":\"%s\"", state);
    assert_shows(want);
}

static err_t count_event(const struct event *e, void *arg)
{
    int *n = arg;
    n[e->type]++;
    return OK;
}

static err_t run_events(struct store_tx *tx, void *arg)
{
    return event_each_after(tx, MERCHANT, 0, 1000, count_event, arg);
}

static void assert_events(int attached, int detached)
{
    int n[64] = {0};
    assert_int_equal(store_read(t.store, run_events, n), OK);
    assert_int_equal(n[EVENT_METHOD_ATTACHED], attached);
    assert_int_equal(n[EVENT_METHOD_DETACHED], detached);
}

/* --- the vault's side --- */
static struct card_work begin(void)
{
    struct card_work w = {.order = CARD_ORDER_NONE};
    assert_int_equal(act((struct deed){.what = BEGIN, .work = &w}), OK);
    return w;
}

static void assert_nothing_due(void)
{
    struct card_work w = {.order = CARD_ORDER_NONE};
    assert_int_equal(act((struct deed){.what = BEGIN, .work = &w}), ERR_NOT_FOUND);
}

static void end(struct card_work *w, err_t said)
{
    assert_int_equal(act((struct deed){.what = END, .work = w, .said = said}), OK);
}

static void assert_tells(struct id card, enum card_order order, err_t said)
{
    struct card_work w = begin();
    assert_int_equal(w.order, order);
    assert_true(id_eq(w.card, card));
    end(&w, said);
}

/* --- tests --- */
static void a_typed_card_is_nobodys(void **state)
{
    (void)state;
    struct deed d = {.what = TYPED, .facts = visa()};
    char token[40];
    assert_int_equal(act(d), OK);
    assert_shows("\"type\":\"card\",\"status\":\"unattached\",\"card\":{\"brand\":\"visa\",\"last_"
                 "four\":\"4242\",\"exp_month\":12,\"exp_year\":2030,\"funding\":\"credit\","
                 "\"issuer\":\"First Bank\",\"country\":\"DE\"}}");
    assert_null(strstr(t.json.p, "fp_"));
    assert_int_equal(act(d), OK); /* once more */
    assert_shows("\"status\":\"unattached\"");
    assert_state(d.facts.card, "unattached");
    card_token_write(d.facts.card, token);
    assert_shows(token);
    assert_shows("\"customer\":null");
    assert_shows("\"bin\":\"42424242\"");
    assert_shows("\"fingerprint\":\"fp_01081G");
    assert_shows("\"version\":0,");
    assert_null(strstr(t.json.p, "EXAMPLE"));
    assert_events(0, 0);
    assert_nothing_due();
    d.facts.card.b[15] = 1; /* an id of something else */
    assert_int_equal(act(d), ERR_PARAM_INVALID);
}

static void a_typed_card_of_a_customer_is_kept(void **state)
{
    (void)state;
    struct id customer = make_customer(), card = type_card(customer);
    assert_shows("\"status\":\"attached\"");
    assert_events(1, 0);
    assert_tells(card, CARD_ORDER_KEEP, OK);
    assert_nothing_due();
    assert_int_equal(act((struct deed){.what = DELETE, .customer = customer}), OK);
    assert_state(card, "detached");
    assert_tells(card, CARD_ORDER_FORGET, OK);
    assert_nothing_due();
    type_card(customer); /* who is not there any more */
    assert_shows("\"status\":\"unattached\"");
}

static void attached_once(void **state)
{
    (void)state;
    struct id card = type_card(nobody), ann = make_customer(), bob = make_customer();
    struct deed give = {.what = GIVE, .id = card, .customer = ann};
    assert_int_equal(act(give), OK);
    assert_shows("\"status\":\"attached\"");
    assert_shows("\"version\":1,");
    assert_int_equal(act(give), OK);
    assert_shows("\"version\":1,");
    assert_events(1, 0);
    give.customer = bob;
    assert_int_equal(act(give), ERR_STATE);
    assert_int_equal(act((struct deed){.what = KEEP, .id = card, .customer = bob}), OK);
    assert_events(1, 0);
    assert_tells(card, CARD_ORDER_KEEP, OK);
    assert_int_equal(act((struct deed){.what = DETACH, .id = card}), OK);
    give.customer = ann;
    assert_int_equal(act(give), ERR_STATE);
    give.id = ann;
    assert_int_equal(act(give), ERR_NOT_FOUND);
    give.id = type_card(nobody);
    give.customer = card;
    assert_int_equal(act(give), ERR_PARAM_INVALID);
    assert_string_equal(t.why.param, "customer");
}

static void its_token_attaches_it(void **state)
{
    (void)state;
    struct id card = type_card(nobody), ann = make_customer(), none = card;
    char token[40], other[40];
    json_t *shelf = json_pack("{s:s}", "shelf", "7");
    card_token_write(card, token);
    none.b[0] ^= 1;
    card_token_write(none, other);
    struct deed d = {.what = TAKE, .in = {.customer = ann, .token = str_from(other)}};
    assert_int_equal(act(d), ERR_PARAM_INVALID);
    assert_string_equal(t.why.param, "payment_method_token");
    d.in.token = str_from(token);
    d.in.metadata = shelf;
    assert_int_equal(act(d), OK);
    assert_shows("\"status\":\"attached\"");
    assert_shows("\"shelf\":\"7\"");
    assert_state(card, "attached");
    d.in.metadata = NULL;
    assert_int_equal(act(d), OK);
    assert_shows("\"shelf\":\"7\"");
    assert_events(1, 0);
    d.in.customer = make_customer();
    assert_int_equal(act(d), ERR_PARAM_INVALID);
    json_decref(shelf);
}

static void after_a_day_it_is_forgotten(void **state)
{
    (void)state;
    struct id card = type_card(nobody), ann = make_customer();
    t.det.now_us += METHOD_UNATTACHED_US - 10000;
    assert_nothing_due();
    t.det.now_us += 10000;
    assert_int_equal(act((struct deed){.what = GIVE, .id = card, .customer = ann}), ERR_STATE);
    assert_tells(card, CARD_ORDER_FORGET, OK);
    assert_state(card, "detached");
    assert_events(0, 0);
    assert_nothing_due();
}

static void what_the_vault_has_not_is_detached(void **state)
{
    (void)state;
    struct id card = type_card(make_customer());
    assert_tells(card, CARD_ORDER_KEEP, ERR_NOT_FOUND);
    assert_state(card, "detached");
    assert_events(1, 1);
    assert_nothing_due();
}

static void a_row_that_changes_meanwhile_is_followed_again(void **state)
{
    (void)state;
    struct id card = type_card(make_customer());
    struct card_work w = begin();
    assert_int_equal(w.order, CARD_ORDER_KEEP);
    assert_int_equal(act((struct deed){.what = DETACH, .id = card}), OK);
    assert_nothing_due();
    end(&w, OK);
    assert_tells(card, CARD_ORDER_FORGET, OK);
    assert_nothing_due();
}

static void told_again_until_it_is_done(void **state)
{
    (void)state;
    struct id card = type_card(make_customer());
    int64_t waited_us = 0;
    for (int i = 0; i < 12; i++) {
        struct card_work w = begin();
        assert_int_equal(w.order, CARD_ORDER_KEEP);
        end(&w, i % 2 ? ERR_UNAVAILABLE : ERR_CRYPTO);
        assert_nothing_due();
        t.det.now_us += INT64_C(361000000);
        waited_us += INT64_C(361000000);
    }
    assert_true(waited_us < METHOD_UNATTACHED_US);
    struct card_work lost = begin(), w;
    t.det.now_us += LEASE_US + 1;
    w = begin();
    assert_int_equal(act((struct deed){.what = END, .work = &lost, .said = OK}), ERR_LEASE_LOST);
    end(&w, OK);
    assert_nothing_due();
    assert_state(card, "attached");
}

static err_t set_date(struct id id, int month, int year)
{
    return act(
        (struct deed){.what = UPDATE, .id = id, .change = {.exp_month = month, .exp_year = year}});
}

static void a_new_date_reaches_the_vault(void **state)
{
    (void)state;
    struct id card = type_card(make_customer()), ann = make_customer();
    assert_tells(card, CARD_ORDER_KEEP, OK);
    assert_int_equal(set_date(card, 10, 2025), ERR_PARAM_INVALID);
    assert_string_equal(t.why.param, "exp_month");
    assert_int_equal(set_date(card, 12, 2024), ERR_PARAM_INVALID);
    assert_string_equal(t.why.param, "exp_year");
    assert_int_equal(set_date(card, 12, 2076), ERR_PARAM_INVALID);
    assert_int_equal(set_date(card, 11, 2025), OK); /* this month */
    assert_int_equal(set_date(card, 3, 2031), OK);
    assert_shows("\"exp_month\":3,\"exp_year\":2031");
    assert_shows("\"version\":1,");
    struct card_work w = begin();
    assert_int_equal(w.order, CARD_ORDER_EXPIRY);
    assert_int_equal(w.month, 3);
    assert_int_equal(w.year, 2031);
    assert_int_equal(set_date(card, 4, 2032), OK);
    end(&w, OK);
    w = begin();
    assert_int_equal(w.year, 2032);
    end(&w, OK);
    assert_nothing_due();
    assert_int_equal(set_date(card, 5, 2032), OK);
    assert_int_equal(act((struct deed){.what = DETACH, .id = card}), OK);
    assert_int_equal(set_date(card, 6, 2032), ERR_STATE);
    enum card_order orders[2];
    for (int i = 0; i < 2; i++) {
        w = begin();
        orders[i] = w.order;
        if (w.order != CARD_ORDER_NONE)
            end(&w, OK);
    }
    assert_int_equal(orders[0] + orders[1], CARD_ORDER_FORGET);
    assert_nothing_due();
    struct deed d = {.what = TAKE, .in = {.customer = ann, .token = STR("pm_tok_visa")}};
    assert_int_equal(act(d), OK);
    struct id token;
    assert_true(id_parse(ID_PAYMENT_METHOD, (struct str){strstr(t.json.p, "pm_"), 29}, &token));
    assert_int_equal(set_date(token, 4, 2032), ERR_PARAM_INVALID);
    assert_int_equal(act((struct deed){.what = DETACH, .id = token}), OK);
    assert_nothing_due(); /* the vault knows nothing of it */
}

/* --- lists --- */
struct listing {
    struct method_filter filter;
    bool up;
    int n;
    struct id last;
};

static err_t take_one(struct id id, struct str json, void *arg)
{
    struct listing *l = arg;
    (void)json;
    l->n++;
    l->last = id;
    return OK;
}

static err_t run_list(struct store_tx *tx, void *arg)
{
    struct listing *l = arg;
    struct page page = {.up = l->up, .created_to = INT64_MAX, .limit = 100};
    memset(page.cursor.b, l->up ? 0 : 0xFF, 16);
    return method_list(tx, MERCHANT, &page, &l->filter, take_one, l);
}

static int listed(struct method_filter filter, bool up, struct id *ret_last)
{
    struct listing l = {.filter = filter, .up = up};
    assert_int_equal(store_read(t.store, run_list, &l), OK);
    if (ret_last)
        *ret_last = l.last;
    return l.n;
}

static void the_same_card_is_found(void **state)
{
    (void)state;
    static const uint8_t print[16] = {1, 2, 3}, none[16] = {7};
    struct id ann = make_customer(), first = type_card(ann), second = type_card(nobody), last;
    struct deed other = {.what = TYPED, .facts = visa()};
    other.facts.fingerprint[0] = 9;
    assert_int_equal(act(other), OK);
    assert_int_equal(listed((struct method_filter){.state = 0}, false, NULL), 3);
    assert_int_equal(listed((struct method_filter){.fingerprint = print}, false, &last), 2);
    assert_true(id_eq(last, first));
    assert_int_equal(listed((struct method_filter){.fingerprint = print}, true, &last), 2);
    assert_true(id_eq(last, second));
    struct method_filter f = {.fingerprint = print, .customer = ann};
    assert_int_equal(listed(f, false, &last), 1);
    assert_true(id_eq(last, first));
    f.state = METHOD_UNATTACHED;
    assert_int_equal(listed(f, false, NULL), 0);
    f.customer = nobody;
    assert_int_equal(listed(f, true, NULL), 1);
    f.fingerprint = none;
    assert_int_equal(listed(f, false, NULL), 0);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_typed_card_is_nobodys),
        WITH_STORE(a_typed_card_of_a_customer_is_kept),
        WITH_STORE(attached_once),
        WITH_STORE(its_token_attaches_it),
        WITH_STORE(after_a_day_it_is_forgotten),
        WITH_STORE(what_the_vault_has_not_is_detached),
        WITH_STORE(a_row_that_changes_meanwhile_is_followed_again),
        WITH_STORE(told_again_until_it_is_done),
        WITH_STORE(a_new_date_reaches_the_vault),
        WITH_STORE(the_same_card_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

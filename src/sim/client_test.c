/* The clients: is everything settled, compared and asked for as often as told? */
#include "sim/client_test_support.h"

#define MERCHANTS 3

static struct merchant merchants[MERCHANTS];

static struct clients *begin(const struct client_profile *profile, const struct faults *faults)
{
    uint8_t seed[32] = {7, 1};
    fake_reset(faults);
    for (int i = 0; i < MERCHANTS; i++)
        (void)snprintf(merchants[i].key, sizeof merchants[i].key, "sk_test_%d", i);
    struct det rng = det_make(0, seed);
    struct client_profile p = *profile;
    p.until_us = world.now_us + HOUR_US;
    return clients_start(&p, merchants, MERCHANTS, &rng);
}

static void end(struct clients *c)
{
    run_until(world.now_us + HOUR_US); /* what is on the way holds memory */
    clients_free(c);
    fake_free();
}

static void between(size_t value, double least, double most)
{
    if ((double)value < least || (double)value > most)
        fail_msg("%zu is not between %g and %g", value, least, most);
}

static void sound(const struct ask *all, size_t n)
{
    size_t *made = calloc(n, sizeof *made); /* payments by ask */
    for (size_t i = 0; i < florin.payments_n; i++) {
        assert_true(florin.payments[i].ask < n);
        made[florin.payments[i].ask]++;
    }
    for (size_t i = 0; i < n; i++) {
        const struct ask *a = &all[i];
        assert_int_equal(a->number, i);
        assert_true(a->settled && !a->differed && a->about <= i && a->tries > 0);
        assert_true(a->first_us > 0 && a->last_us >= a->first_us);
        if (a->key[0] || a->kind == ASK_READ)
            assert_true(a->first.status >= 200 && a->first.status < 500 && a->told_n > 0);
        else
            assert_int_equal(a->tries, 1);
        if (a->reuse)
            assert_int_equal(a->first.status, 422);
        if (a->foreign) {
            assert_true(a->first.status == 404 || (a->first.status == 0 && !a->key[0]));
            assert_int_not_equal(a->merchant, all[a->about].merchant);
        }
        if (a->kind == ASK_CREATE && a->first.status == 200)
            assert_true(a->payment[0] && made[i] == 1);
        assert_true(made[i] <= 1);
        if (a->kind == ASK_REFUND && a->first.status == 200)
            assert_true(a->refund[0] && strcmp(a->payment, all[a->about].payment) == 0);
    }
    free(made);
}

static const struct client_profile busy = {.payments_per_hour = 3000,
                                           .auth_only = 300,
                                           .cancel = 200,
                                           .refund = 300,
                                           .keyless = 100,
                                           .replay = 200,
                                           .twice = 100,
                                           .reuse = 50,
                                           .foreign = 50,
                                           .absurd = 100,
                                           .sync = 100,
                                           .read = 300};

struct tally {
    size_t kind[ASK_KIND_COUNT], genuine, auth_only, keyless, writes, reuse, foreign, twins,
        replayed, refused, yen, parts;
};

static struct tally tally_of(const struct ask *all, size_t n)
{
    struct tally t = {0};
    for (size_t i = 0; i < n; i++) {
        const struct ask *a = &all[i];
        t.kind[a->kind]++;
        bool genuine = a->kind == ASK_CREATE && !a->reuse && a->first.status != 400;
        t.genuine += genuine;
        t.auth_only += genuine && !a->capture;
        t.writes += a->kind != ASK_READ;
        t.keyless += a->kind != ASK_READ && !a->key[0];
        t.reuse += a->reuse;
        t.foreign += a->foreign;
        t.replayed += a->told_n > 1;
        t.refused += a->first.status >= 400;
        t.yen += strcmp(a->currency, "JPY") == 0;
        t.parts += a->kind == ASK_REFUND && a->amount > 0 && a->amount < all[a->about].amount;
    }
    return t;
}

static void rates_are_as_told(void **state)
{
    (void)state;
    size_t n;
    struct clients *c = begin(&busy, NULL);
    run_until(world.now_us + HOUR_US + 600 * SECOND_US);
    assert_true(clients_idle(c));
    const struct ask *all = clients_asks(c, &n);
    sound(all, n);
    assert_int_equal(world.count[COUNT_ASKS], n);
    struct tally t = tally_of(all, n);
    between(t.genuine, 2800, 3200);
    assert_int_equal(world.count[COUNT_PAYMENTS], t.genuine);
    between(t.auth_only, 0.26 * (double)t.genuine, 0.34 * (double)t.genuine);
    between(t.keyless, 0.08 * (double)t.writes, 0.12 * (double)t.writes);
    between(t.kind[ASK_SYNC], 0.07 * (double)t.genuine, 0.16 * (double)t.genuine);
    between(t.kind[ASK_READ], 0.25 * (double)t.genuine, 0.4 * (double)t.genuine);
    between(t.kind[ASK_CAPTURE], 0.15 * (double)t.genuine, 0.45 * (double)t.genuine);
    between(t.kind[ASK_CANCEL], 0.15 * (double)t.genuine, 0.35 * (double)t.genuine);
    between(t.kind[ASK_REFUND], 0.3 * (double)t.genuine, 0.9 * (double)t.genuine);
    between(t.foreign, 0.025 * (double)n, 0.06 * (double)n);
    between(t.reuse, 0.015 * (double)n, 0.06 * (double)n);
    between(t.replayed, 0.15 * (double)n, 0.35 * (double)n);
    between(t.refused, 0.1 * (double)n, 0.4 * (double)n);
    assert_true(t.yen > 0 && t.parts > 0);
    assert_int_equal(world.violations, 0);
    end(c);
}

static void nothing_is_begun_after_the_end(void **state)
{
    (void)state;
    size_t n, later;
    struct clients *c = begin(&busy, NULL);
    run_until(world.now_us + HOUR_US / 2);
    (void)clients_asks(c, &n);
    assert_true(n > 1000);
    clients_heal(c);
    run_until(world.now_us + 60 * SECOND_US);
    assert_true(clients_idle(c));
    const struct ask *all = clients_asks(c, &later);
    sound(all, later);
    assert_int_equal(n, later);
    end(c);
}

static uint64_t faulty_hour(struct client_profile profile)
{
    size_t n;
    struct faults faults = {.lose = 200, .lose_answer = 200, .busy = 100, .in_progress = 300};
    profile.impatient = 300;
    struct clients *c = begin(&profile, &faults);
    run_until(world.now_us + HOUR_US);
    memset(&florin.faults, 0, sizeof florin.faults);
    clients_heal(c);
    run_until(world.now_us + 120 * SECOND_US);
    assert_true(clients_idle(c));
    const struct ask *all = clients_asks(c, &n);
    sound(all, n);
    size_t untold = 0, tries = 0;
    for (size_t i = 0; i < n; i++) {
        untold += all[i].first.status == 0;
        tries += (size_t)all[i].tries;
    }
    assert_true(untold > 0 && tries > n * 5 / 4);
    assert_int_equal(world.violations, 0);
    uint64_t hash = world.hash;
    end(c);
    return hash;
}

static void all_is_settled_in_spite_of_faults(void **state)
{
    (void)state;
    struct client_profile other = busy;
    other.auth_only++;
    uint64_t hash = faulty_hour(busy);
    assert_true(hash == faulty_hour(busy));
    assert_true(hash != faulty_hour(other));
}

static void another_answer_is_noticed(void **state)
{
    (void)state;
    size_t n, differed = 0;
    struct faults faults = {.forgetful = true};
    struct clients *c = begin(&busy, &faults);
    run_until(world.now_us + HOUR_US / 4);
    const struct ask *all = clients_asks(c, &n);
    for (size_t i = 0; i < n; i++) {
        differed += all[i].differed;
        if (all[i].kind == ASK_SYNC || all[i].kind == ASK_READ || !all[i].key[0])
            assert_false(all[i].differed);
    }
    between(differed, (double)n / 20, (double)n / 2);
    end(c);
}

static void what_is_absurd_must_be_refused(void **state)
{
    (void)state;
    struct faults faults = {.gullible = true};
    struct clients *c = begin(&busy, &faults);
    run_until(world.now_us + HOUR_US / 4);
    assert_true(world.violations > 0);
    end(c);
}

/* --- asks of others --- */
static struct {
    struct clients *c;
    size_t settled, last;
} others;

static void on_settled(const struct ask *a, void *arg)
{
    assert_string_equal(arg, "of mine");
    assert_true(a->settled && a->first.status == 200 && a->kind == ASK_ENDPOINT);
    assert_string_equal(a->body.p, "{\"url\":\"http://a.test\"}");
    others.last = a->number;
    if (++others.settled < 1000) /* the list grows under the caller */
        (void)clients_add(others.c, a, on_settled, arg);
}

static void others_may_ask(void **state)
{
    (void)state;
    char text[] = "{\"url\":\"http://a.test\"}", mine[] = "of mine";
    struct client_profile none = {.until_us = 0};
    struct faults faults = {.lose = 300, .lose_answer = 300, .busy = 100};
    struct ask proto = {.kind = ASK_ENDPOINT,
                        .merchant = 1,
                        .method = "POST",
                        .path = "/v1/webhook_endpoints",
                        .body = {.p = text, .n = sizeof text - 1}};
    size_t n;
    others.c = begin(&none, &faults);
    char key[64];
    memcpy(key, merchants[1].key, sizeof key);
    merchants[1].key[0] = 0; /* comes into being a little later */
    others.settled = 0;
    assert_int_equal(clients_add(others.c, &proto, on_settled, mine), 0);
    assert_false(clients_idle(others.c));
    run_until(world.now_us + 10 * SECOND_US);
    assert_int_equal(clients_asks(others.c, &n)->tries, 0);
    memcpy(merchants[1].key, key, sizeof key);
    run_until(world.now_us + 100 * HOUR_US);
    assert_int_equal(others.settled, 1000);
    assert_true(clients_idle(others.c));
    const struct ask *all = clients_asks(others.c, &n);
    assert_int_equal(n, 1000);
    assert_int_equal(others.last, 999);
    for (size_t i = 0; i < n; i++)
        assert_true(all[i].key[0] && all[i].merchant == 1);
    end(others.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_as_told),
        cmocka_unit_test(nothing_is_begun_after_the_end),
        cmocka_unit_test(all_is_settled_in_spite_of_faults),
        cmocka_unit_test(another_answer_is_noticed),
        cmocka_unit_test(what_is_absurd_must_be_refused),
        cmocka_unit_test(others_may_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

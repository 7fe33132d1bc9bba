#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "vault/shamir.h"

static uint8_t key[32], set[4];
static struct shamir_share shares[SHAMIR_MAX];

static void split(unsigned needed, unsigned n)
{
    uint8_t random[SHAMIR_MAX * 32];
    crypto_random(key, sizeof key);
    crypto_random(set, sizeof set);
    crypto_random(random, sizeof random);
    shamir_split(key, random, set, needed, n, shares);
}

/* Every choice of shares: enough of them open, in any order. */
static void any_k_of_n_open(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 7; n++)
        for (unsigned k = 1; k <= n; k++) {
            split(k, n);
            for (unsigned chosen = 1; chosen < 1u << n; chosen++) {
                struct shamir_share some[8];
                uint8_t got[32] = {0};
                unsigned m = 0;
                for (unsigned i = n; i-- > 0;)
                    if (chosen >> i & 1)
                        some[m++] = shares[i];
                bool joined = shamir_join(some, m, got);
                assert_int_equal(joined, m >= k);
                if (joined)
                    assert_memory_equal(got, key, 32);
            }
        }
}

/* With k - 1 shares every key is as likely: for each value of the key's byte there is one
 * polynomial through them. */
static void fewer_say_nothing(void **state)
{
    (void)state;
    enum { K = 3 };
    split(K, 5);
    for (unsigned guess = 0; guess < 256; guess++) {
        /* a share made up so that the three give the guess in the first byte */
        struct shamir_share some[K] = {shares[0], shares[1], shares[2]};
        bool found = false;
        for (unsigned byte = 0; byte < 256 && !found; byte++) {
            uint8_t got[32];
            some[2].bytes[0] = (uint8_t)byte;
            assert_true(shamir_join(some, K, got));
            found = got[0] == guess;
        }
        assert_true(found);
    }
}

/* Two shares of three, over many splits of one key: their bytes are spread evenly. */
static void shares_are_random(void **state)
{
    (void)state;
    static unsigned seen[256];
    for (unsigned i = 0; i < 8000; i++) {
        uint8_t fixed[32] = {0}, random[64];
        crypto_random(random, sizeof random);
        shamir_split(fixed, random, set, 3, 3, shares);
        for (unsigned b = 0; b < 32; b++)
            seen[shares[1].bytes[b]]++;
    }
    for (unsigned v = 0; v < 256; v++) /* 1000 each, give or take six deviations */
        assert_in_range(seen[v], 800, 1200);
}

static void what_does_not_belong_together_does_not_open(void **state)
{
    (void)state;
    struct shamir_share some[3];
    uint8_t got[32];
    split(3, 4);
    memcpy(some, shares, sizeof some);
    some[1].set[0] ^= 1;
    assert_false(shamir_join(some, 3, got));
    memcpy(some, shares, sizeof some);
    some[2] = some[0];
    assert_false(shamir_join(some, 3, got));
    memcpy(some, shares, sizeof some);
    some[1].needed = 2;
    assert_false(shamir_join(some, 3, got));
    memcpy(some, shares, sizeof some);
    some[1].bytes[7] ^= 1;
    assert_true(shamir_join(some, 3, got));
    assert_memory_not_equal(got, key, 32);
}

static void a_share_is_written_and_typed_in(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct shamir_share back;
        char text[SHAMIR_TEXT_MAX], typed[2 * SHAMIR_TEXT_MAX];
        split(2, 3);
        shamir_write(&shares[1], text);
        assert_true(shamir_read(str_from(text), &back));
        assert_memory_equal(&back, &shares[1], sizeof back);
        size_t n = 0;
        for (char *c = text; *c; c++) {
            typed[n++] = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
            if (n % 7 == 0)
                typed[n++] = ' ';
        }
        assert_true(shamir_read((struct str){typed, n}, &back));
        assert_memory_equal(&back, &shares[1], sizeof back);
        for (size_t i = 14; text[i]; i++) { /* a letter mistyped, two changed over, one left out */
            char was = text[i];
            if (was == '-')
                continue;
            text[i] = was == '7' ? '8' : '7';
            assert_false(shamir_read(str_from(text), &back));
            text[i] = was;
            assert_false(shamir_read((struct str){text, i}, &back));
        }
        assert_false(shamir_read(STR("florin-share-1"), &back));
        assert_false(shamir_read(STR(""), &back));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_k_of_n_open),
        cmocka_unit_test(fewer_say_nothing),
        cmocka_unit_test(shares_are_random),
        cmocka_unit_test(what_does_not_belong_together_does_not_open),
        cmocka_unit_test(a_share_is_written_and_typed_in),
    };
    crypto_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "crypto/crypto.h"

static const uint8_t key[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static void assert_hex(const void *p, size_t n, const char *want)
{
    struct buf b = BUF(1000);
    buf_hex(&b, p, n);
    assert_string_equal(b.p, want);
    buf_free(&b);
}

static void sha256_matches_fips(void **state)
{
    (void)state;
    uint8_t out[32];
    crypto_sha256("abc", 3, out);
    assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    crypto_sha256(NULL, 0, out);
    assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void hmac_takes_keys_of_any_length(void **state)
{
    (void)state;
    uint8_t out[32], long_key[131];
    const char *github = "It's a Secret to Everybody", *body = "Hello, World!";
    crypto_hmac_sha256(github, strlen(github), body, strlen(body), out);
    assert_hex(out, 32, "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    crypto_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out); /* RFC 4231 case 2 */
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(long_key, 0xAA, sizeof long_key); /* RFC 4231 case 6: longer than the block */
    const char *text = "Test Using Larger Than Block-Size Key - Hash Key First";
    crypto_hmac_sha256(long_key, sizeof long_key, text, strlen(text), out);
    assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* HMAC and base64 together, as webhook and message signatures use them. */
static void signatures_of_the_standards_match(void **state)
{
    (void)state;
    static const struct {
        const char *secret, *message, *want;
    } t[] = {
        {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
         "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}",
         "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
         "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk.1649367553."
         "{\"email\":\"test@example.com\",\"username\":\"test_user\"}",
         "tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="},
        {"uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
         "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@authority\": example.com\n"
         "\"content-type\": application/json\n\"@signature-params\": (\"date\" \"@authority\" "
         "\"content-type\");created=1618884473;keyid=\"test-shared-secret\"",
         "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        uint8_t mac[32];
        struct buf secret = BUF(100), text = BUF(100);
        assert_true(crypto_base64_decode(str_from(t[i].secret), &secret));
        crypto_hmac_sha256(secret.p, secret.n, t[i].message, strlen(t[i].message), mac);
        crypto_base64(&text, mac, sizeof mac);
        assert_string_equal(text.p, t[i].want);
        buf_free(&secret);
        buf_free(&text);
    }
}

static void hash_depends_on_where_pieces_end(void **state)
{
    (void)state;
    uint8_t a[32], b[32];
    const struct crypto_piece one[] = {{"ab", 2}, {"c", 1}}, two[] = {{"a", 1}, {"bc", 2}};
    crypto_hash(a, 32, one, 2);
    assert_hex(a, 32, "9b29c83bca563845c8445a09a80da00b8193336d231891003eb004de0b9b1b5e");
    crypto_hash(b, 32, two, 2);
    assert_memory_not_equal(a, b, 32);
    crypto_hash(b, 16, one, 2);
    assert_hex(b, 16, "d301c71d527a1a9ae0e1e1e5bee135f5");
    crypto_hash(b, 32, NULL, 0);
    assert_hex(b, 32, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}

static void sealed_is_opened_again(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 300, 5000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct buf plain = BUF(10000), sealed = BUF(10000), opened = BUF(10000);
        for (size_t k = 0; k < sizes[i]; k++)
            buf_byte(&plain, (char)k);
        buf_str(&sealed, "before");
        buf_str(&opened, "kept");
        crypto_seal(key, STR("row 7"), buf_view(&plain), &sealed);
        assert_false(sealed.failed);
        assert_int_equal(sealed.n, 6 + sizes[i] + CRYPTO_SEAL_OVERHEAD);
        struct str box = {sealed.p + 6, sealed.n - 6};
        assert_int_equal(crypto_open(key, STR("row 7"), box, &opened), OK);
        assert_int_equal(opened.n, 4 + sizes[i]);
        assert_memory_equal(opened.p, "kept", 4);
        if (sizes[i] > 0)
            assert_memory_equal(opened.p + 4, plain.p, sizes[i]);
        buf_free(&plain);
        buf_free(&sealed);
        buf_free(&opened);
    }
}

static void nothing_opens_what_was_touched(void **state)
{
    (void)state;
    struct buf sealed = BUF(1000), out = BUF(1000);
    uint8_t other[32];
    memcpy(other, key, 32);
    other[31] ^= 1;
    buf_str(&out, "kept");
    crypto_seal(key, STR("row 7"), STR("4242"), &sealed);
    for (size_t i = 0; i < sealed.n; i++) {
        sealed.p[i] = (char)(sealed.p[i] ^ 0x10);
        assert_int_equal(crypto_open(key, STR("row 7"), buf_view(&sealed), &out), ERR_CRYPTO);
        sealed.p[i] = (char)(sealed.p[i] ^ 0x10);
    }
    for (size_t n = 0; n < sealed.n; n++)
        assert_int_equal(crypto_open(key, STR("row 7"), (struct str){sealed.p, n}, &out),
                         ERR_CRYPTO);
    assert_int_equal(crypto_open(key, STR("row 8"), buf_view(&sealed), &out), ERR_CRYPTO);
    assert_int_equal(crypto_open(key, (struct str){NULL, 0}, buf_view(&sealed), &out), ERR_CRYPTO);
    assert_int_equal(crypto_open(other, STR("row 7"), buf_view(&sealed), &out), ERR_CRYPTO);
    assert_string_equal(out.p, "kept");
    assert_false(out.failed);
    assert_int_equal(crypto_open(key, STR("row 7"), buf_view(&sealed), &out), OK);
    assert_string_equal(out.p, "kept4242");
    buf_free(&sealed);
    buf_free(&out);
}

static void each_seal_has_its_own_nonce(void **state)
{
    (void)state;
    struct buf a = BUF(100), b = BUF(100);
    crypto_seal(key, STR(""), STR("same"), &a);
    crypto_seal(key, STR(""), STR("same"), &b);
    assert_memory_not_equal(a.p, b.p, 24);
    assert_memory_not_equal(a.p + 24, b.p + 24, 4);
    buf_free(&a);
    buf_free(&b);
}

static void a_full_buffer_takes_nothing(void **state)
{
    (void)state;
    struct buf sealed = BUF(100), small = BUF(CRYPTO_SEAL_OVERHEAD + 3), out = BUF(3);
    crypto_seal(key, STR(""), STR("four"), &small);
    assert_true(small.failed);
    assert_int_equal(small.n, 0);
    crypto_seal(key, STR(""), STR("four"), &sealed);
    assert_int_equal(crypto_open(key, STR(""), buf_view(&sealed), &out), ERR_NO_MEMORY);
    assert_int_equal(out.n, 0);
    buf_free(&sealed);
    buf_free(&small);
    buf_free(&out);
}

static void subkeys_differ_by_purpose(void **state)
{
    (void)state;
    uint8_t master[32], a[32], b[32];
    for (int i = 0; i < 32; i++)
        master[i] = (uint8_t)i;
    crypto_subkey(master, "webhook_secret", a);
    assert_hex(a, 32, "275964b85a324687fae4475dc1514e49cd46ba9d2bd861663cbd00e3dbef2b81");
    crypto_subkey(master, "credentials", b);
    assert_memory_not_equal(a, b, 32);
    crypto_subkey(key, "webhook_secret", b);
    assert_memory_not_equal(a, b, 32);
}

static void base64_is_strict(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
    static const char *const bad[] = {
        "Zg",   "Zg=",      "Zg===", "Zh==", "Zm9=",  " Zg==", "Zg==\n",     "Zm 9v",
        "Z-_v", "Zg==Zg==", "====",  "Z===", "Zm9v=", "=Zm9",  "Zm\xFF\xFF", "\xD0m9v"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct buf text = BUF(100), back = BUF(100);
        crypto_base64(&text, good[i][0], strlen(good[i][0]));
        assert_true(str_eq(buf_view(&text), str_from(good[i][1])));
        assert_true(crypto_base64_decode(buf_view(&text), &back));
        assert_true(str_eq(buf_view(&back), str_from(good[i][0])));
        buf_free(&text);
        buf_free(&back);
    }
    struct buf out = BUF(100);
    buf_str(&out, "kept");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (crypto_base64_decode(str_from(bad[i]), &out))
            fail_msg("decoded %s", bad[i]);
    assert_string_equal(out.p, "kept");
    buf_free(&out);
}

static void hex_is_strict(void **state)
{
    (void)state;
    uint8_t out[2] = {7, 7};
    assert_false(crypto_hex_decode(STR("00ff0"), out, 2));
    assert_false(crypto_hex_decode(STR("00ff00"), out, 2));
    assert_false(crypto_hex_decode(STR("00"), out, 2));
    assert_false(crypto_hex_decode(STR("00fg"), out, 2));
    assert_false(crypto_hex_decode(STR("0x0f"), out, 2));
    assert_int_equal(out[0], 7);
    assert_true(crypto_hex_decode(STR("0aFf"), out, 2));
    assert_hex(out, 2, "0aff");
}

static void random_text_uses_the_whole_alphabet(void **state)
{
    (void)state;
    char text[4001] = {0};
    bool seen[256] = {false};
    int kinds = 0;
    crypto_random_text(text, 4000);
    assert_int_equal(strlen(text), 4000);
    for (size_t i = 0; i < 4000; i++) {
        unsigned char c = (unsigned char)text[i];
        assert_true((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
        kinds += !seen[c];
        seen[c] = true;
    }
    assert_int_equal(kinds, 62); /* missing one has a chance of about 1 in 10^26 */
    crypto_random_text(text, 3);
    assert_int_equal(strlen(text), 4000); /* no NUL is written */
}

/* Source: RFC 8032, section 7.1, tests 1 and 2. */
static void signatures_are_those_of_the_standard(void **state)
{
    (void)state;
    static const struct {
        const char *seed, *public_key, *text, *signature;
    } known[] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
         "cf9b46b"
         "d25bf5f0595bbe24655141438e7a100b"},
        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "r",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
         "0f11d8c"
         "387b2eaeb4302aeeb00d291612bb0c00"},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        uint8_t seed[32], public_key[32], expected[64], got[64], made[32];
        struct str text = str_from(known[i].text);
        assert_true(crypto_hex_decode(str_from(known[i].seed), seed, 32));
        assert_true(crypto_hex_decode(str_from(known[i].public_key), public_key, 32));
        assert_true(crypto_hex_decode(str_from(known[i].signature), expected, 64));
        crypto_sign_public(seed, made);
        assert_memory_equal(made, public_key, 32);
        crypto_sign_text(seed, text, got);
        assert_memory_equal(got, expected, 64);
        assert_true(crypto_sign_check(public_key, text, got));
        got[10] ^= 1;
        assert_false(crypto_sign_check(public_key, text, got));
        assert_false(crypto_sign_check(public_key, STR("another"), expected));
    }
}

static void a_box_is_for_one_recipient(void **state)
{
    (void)state;
    uint8_t seed[32] = {1}, other[32] = {2}, public_key[32], none[32] = {0};
    struct buf box = BUF(200), plain = BUF(200), bad = BUF(200);
    crypto_box_public(seed, public_key);
    crypto_box_to(public_key, STR("hello"), &box);
    assert_int_equal(box.n, 5 + CRYPTO_BOX_OVERHEAD);
    assert_int_equal(crypto_box_from(other, buf_view(&box), &plain), ERR_CRYPTO);
    assert_int_equal(plain.n, 0);
    assert_int_equal(crypto_box_from(seed, buf_view(&box), &plain), OK);
    assert_true(str_eq(buf_view(&plain), STR("hello")));
    for (size_t i = 0; i < box.n; i++) {
        box.p[i] ^= 1;
        assert_int_equal(crypto_box_from(seed, buf_view(&box), &bad), ERR_CRYPTO);
        box.p[i] ^= 1;
        assert_int_equal(crypto_box_from(seed, (struct str){box.p, i}, &bad), ERR_CRYPTO);
    }
    crypto_box_to(none, STR("hello"), &bad);
    assert_true(bad.failed);
    assert_int_equal(bad.n, 0);
    buf_free(&box);
    buf_free(&plain);
    buf_free(&bad);
}

static void a_pair_knows_each_other(void **state)
{
    (void)state;
    static const uint8_t a[32] = {1}, b[32] = {2}, c[32] = {3}, low[2][32] = {{0}, {1}};
    uint8_t public_a[32], public_b[32], public_c[32];
    struct buf box = BUF(1000), plain = BUF(1000), bad = BUF(1000);
    crypto_box_public(a, public_a);
    crypto_box_public(b, public_b);
    crypto_box_public(c, public_c);
    crypto_pair_seal(a, public_b, STR("hello"), &box);
    assert_int_equal(box.n, 5 + CRYPTO_PAIR_OVERHEAD);
    assert_int_equal(crypto_pair_open(b, public_a, buf_view(&box), &plain), OK);
    assert_memory_equal(plain.p, "hello", 5);
    assert_int_equal(crypto_pair_open(b, public_c, buf_view(&box), &bad), ERR_CRYPTO);
    assert_int_equal(crypto_pair_open(c, public_a, buf_view(&box), &bad), ERR_CRYPTO);
    for (size_t i = 0; i < box.n; i++) {
        box.p[i] ^= 1;
        assert_int_equal(crypto_pair_open(b, public_a, buf_view(&box), &bad), ERR_CRYPTO);
        box.p[i] ^= 1;
        assert_int_equal(crypto_pair_open(b, public_a, (struct str){box.p, i}, &bad), ERR_CRYPTO);
    }
    assert_int_equal(bad.n, 0);
    assert_true(crypto_box_usable(public_a));
    for (int i = 0; i < 2; i++) {
        assert_false(crypto_box_usable(low[i]));
        assert_int_equal(crypto_pair_open(b, low[i], buf_view(&box), &bad), ERR_CRYPTO);
    }
    crypto_pair_seal(a, low[0], STR("hello"), &bad);
    assert_true(bad.failed);
    assert_int_equal(bad.n, 0);
    buf_free(&box);
    buf_free(&plain);
    buf_free(&bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_matches_fips),
        cmocka_unit_test(hmac_takes_keys_of_any_length),
        cmocka_unit_test(signatures_of_the_standards_match),
        cmocka_unit_test(hash_depends_on_where_pieces_end),
        cmocka_unit_test(sealed_is_opened_again),
        cmocka_unit_test(nothing_opens_what_was_touched),
        cmocka_unit_test(each_seal_has_its_own_nonce),
        cmocka_unit_test(a_full_buffer_takes_nothing),
        cmocka_unit_test(subkeys_differ_by_purpose),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(hex_is_strict),
        cmocka_unit_test(random_text_uses_the_whole_alphabet),
        cmocka_unit_test(signatures_are_those_of_the_standard),
        cmocka_unit_test(a_box_is_for_one_recipient),
        cmocka_unit_test(a_pair_knows_each_other),
    };
    crypto_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "card/permit.h"
#include "crypto/crypto.h"

static uint8_t seed[32] = {1}, public_key[32], another[32] = {2};

static bool allows(const char *lines, int64_t merchant, const char *url)
{
    return permit_allows(public_key, str_from(lines), merchant, str_from(url));
}

static void a_permit_is_for_a_merchant_and_an_origin(void **state)
{
    (void)state;
    char p[PERMIT_TEXT_MAX];
    assert_true(permit_sign(seed, 2, STR("https://api.Provider.example/v1"), p));
    assert_true(allows(p, 2, "https://api.provider.example/v2/charges?x=1"));
    assert_true(allows(p, 2, "https://API.PROVIDER.example:443/"));
    assert_false(allows(p, 3, "https://api.provider.example/"));
    assert_false(allows(p, 2, "http://api.provider.example:443/"));
    assert_false(allows(p, 2, "https://api.provider.example:8443/"));
    assert_false(allows(p, 2, "https://api.provider.example.evil.example/"));
    assert_false(allows(p, 2, "https://evil.example/api.provider.example"));
    assert_false(allows(p, 2, "https://api.provider.example@evil.example/"));
    assert_false(allows(p, 2, "https://evil.example#@api.provider.example/"));
    assert_false(allows(p, 2, "ftp://api.provider.example/"));
    assert_false(allows(p, 2, ""));
    assert_false(permit_sign(seed, 2, STR("file:///etc/passwd"), p));
}

static void only_the_operators_signature_counts(void **state)
{
    (void)state;
    char own[PERMIT_TEXT_MAX], forged[PERMIT_TEXT_MAX], lines[3 * PERMIT_TEXT_MAX];
    assert_true(permit_sign(seed, 2, STR("https://a.example"), own));
    assert_true(permit_sign(another, 2, STR("https://evil.example"), forged));
    assert_false(allows(forged, 2, "https://evil.example/"));
    (void)snprintf(lines, sizeof lines, "%s\n%s\n", forged, own);
    assert_false(allows(lines, 2, "https://evil.example/"));
    assert_true(allows(lines, 2, "https://a.example/x"));
    for (size_t i = 0; own[i]; i++) { /* not one letter of it may change */
        char was = own[i];
        own[i] = was == 'A' ? 'B' : 'A';
        assert_false(allows(own, 2, "https://a.example/"));
        own[i] = was;
    }
    /* the signature of another claim */
    char *space = strrchr(own, ' ');
    (void)snprintf(lines, sizeof lines, "florin-permit-1 2 https://evil.example:443%s", space);
    assert_false(allows(lines, 2, "https://evil.example/"));
    assert_false(allows("", 2, "https://a.example/"));
    assert_false(allows("\n\n florin-permit-1", 2, "https://a.example/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_permit_is_for_a_merchant_and_an_origin),
        cmocka_unit_test(only_the_operators_signature_counts),
    };
    crypto_init();
    crypto_sign_public(seed, public_key);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "card/permit.h"
#include "crypto/crypto.h"

static uint8_t seed[32] = {1}, public_key[32], another[32] = {2};

#define AT_US (INT64_C(21100) * DAY_US) /* in October 2027 */

static enum permit_says says(const char *lines, int64_t merchant, const char *url, int64_t now_us,
                             const char *revoked, struct permit *ret)
{
    struct permit_question q = {.public_key = public_key,
                                .merchant_id = merchant,
                                .now_us = now_us,
                                .url = str_from(url),
                                .revoked = str_from(revoked)};
    struct str rest = str_from(lines);
    return permit_find(&q, &rest, ret);
}

static bool allows(const char *lines, int64_t merchant, const char *url)
{
    struct permit p;
    return says(lines, merchant, url, AT_US, "", &p) == PERMIT_YES;
}

/* The operator's signature under any text. */
static const char *signed_text(const char *claim)
{
    static char out[4096];
    uint8_t signature[64];
    struct buf b = BUF_ON(out);
    crypto_sign_text(seed, str_from(claim), signature);
    buf_str(&b, claim);
    buf_byte(&b, ' ');
    crypto_base64(&b, signature, sizeof signature);
    assert_false(b.failed);
    return out;
}

static void a_permit_is_for_a_merchant_and_an_origin(void **state)
{
    (void)state;
    char p[PERMIT_TEXT_MAX];
    assert_true(permit_sign(seed, 2, STR("https://api.Provider.example/v1"), NULL, p));
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
    assert_false(permit_sign(seed, 2, STR("file:///etc/passwd"), NULL, p));
}

static void only_the_operators_signature_counts(void **state)
{
    (void)state;
    char own[PERMIT_TEXT_MAX], forged[PERMIT_TEXT_MAX], lines[3 * PERMIT_TEXT_MAX];
    assert_true(permit_sign(seed, 2, STR("https://a.example"), NULL, own));
    assert_true(permit_sign(another, 2, STR("https://evil.example"), NULL, forged));
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

#define ORIGIN "https://a.example:443"
#define URL "https://a.example/x"

static const char *const well_written[] = {
    "florin-permit-1 2 " ORIGIN,
    "florin-permit-1 2 " ORIGIN " until=2027-11-30",
    "florin-permit-1 2 " ORIGIN " member=card.number",
    "florin-permit-1 2 " ORIGIN " member=card[number] member=card.cvc",
    "florin-permit-1 2 " ORIGIN " serial=0123456789abcdef",
    "florin-permit-1 2 " ORIGIN " until=2027-11-30 member=a member=b serial=0123456789abcdef",
};
static const char *const badly_written[] = {
    /* signed by the operator, and yet none: there is one way to write a permit */
    "",
    " ",
    "florin-permit-1",
    "florin-permit-1 2",
    "florin-permit-1 2 ",
    "florin-permit-2 2 " ORIGIN,
    "Florin-permit-1 2 " ORIGIN,
    " florin-permit-1 2 " ORIGIN,
    "florin-permit-1  2 " ORIGIN,
    "florin-permit-1 2  " ORIGIN,
    "florin-permit-1 2 " ORIGIN " ",
    "florin-permit-1\t2 " ORIGIN,
    "florin-permit-1 02 " ORIGIN,
    "florin-permit-1 +2 " ORIGIN,
    "florin-permit-1 -2 " ORIGIN,
    "florin-permit-1 0 " ORIGIN,
    "florin-permit-1 2x " ORIGIN,
    "florin-permit-1 99999999999999999999 " ORIGIN,
    "florin-permit-1 2 https://a.example",
    "florin-permit-1 2 https://a.example:443/",
    "florin-permit-1 2 https://A.example:443",
    "florin-permit-1 2 HTTPS://a.example:443",
    "florin-permit-1 2 https://a.example:0443",
    "florin-permit-1 2 https://u@a.example:443",
    "florin-permit-1 2 https://a.example:443?x",
    "florin-permit-1 2 ftp://a.example:21",
    "florin-permit-1 2 " ORIGIN " x=1",
    "florin-permit-1 2 " ORIGIN " until=",
    "florin-permit-1 2 " ORIGIN " until",
    "florin-permit-1 2 " ORIGIN " until=2027-11-31",
    "florin-permit-1 2 " ORIGIN " until=2027-1-30",
    "florin-permit-1 2 " ORIGIN " until=2027-11-30T00:00:00Z",
    "florin-permit-1 2 " ORIGIN " UNTIL=2027-11-30",
    "florin-permit-1 2 " ORIGIN " until=2027-11-30 until=2027-11-30",
    "florin-permit-1 2 " ORIGIN " until=2020-11-30 until=2027-11-30",
    "florin-permit-1 2 " ORIGIN " member=a until=2027-11-30",
    "florin-permit-1 2 " ORIGIN " member=",
    "florin-permit-1 2 " ORIGIN " member=a member=a",
    "florin-permit-1 2 " ORIGIN " member=a\"b",
    "florin-permit-1 2 " ORIGIN " member=a%20b",
    "florin-permit-1 2 " ORIGIN " member=\xc3\xa9",
    "florin-permit-1 2 " ORIGIN " member=0123456789012345678901234567890123456789012345678901234"
    "567890123456789",
    "florin-permit-1 2 " ORIGIN " member=a member=b member=c member=d member=e member=f "
    "member=g member=h member=i",
    "florin-permit-1 2 " ORIGIN " serial=0123456789abcdeF",
    "florin-permit-1 2 " ORIGIN " serial=0123456789abcde",
    "florin-permit-1 2 " ORIGIN " serial=0123456789abcdef0",
    "florin-permit-1 2 " ORIGIN " serial=0123456789abcdef member=a",
    "florin-permit-1 2 " ORIGIN "\r",
};

static void a_permit_is_read_strictly(void **state)
{
    (void)state;
    struct permit p;
    for (size_t i = 0; i < COUNT_OF(well_written); i++)
        if (!allows(signed_text(well_written[i]), 2, URL) ||
            !permit_read(str_from(signed_text(well_written[i])), &p))
            fail_msg("%s", well_written[i]);
    for (size_t i = 0; i < COUNT_OF(badly_written); i++)
        if (allows(signed_text(badly_written[i]), 2, URL) ||
            permit_read(str_from(signed_text(badly_written[i])), &p))
            fail_msg("%s", badly_written[i]);
    assert_false(permit_read(STR(""), &p));
    assert_false(permit_read(STR("florin-permit-1"), &p));
}

static void the_signature_is_over_all_of_it(void **state)
{
    (void)state;
    static const char claim[] = "florin-permit-1 2 " ORIGIN " until=2027-11-30 member=a";
    char line[PERMIT_TEXT_MAX], more[2 * PERMIT_TEXT_MAX];
    (void)snprintf(line, sizeof line, "%s", signed_text(claim));
    assert_true(allows(line, 2, URL));
    const char *signature = strrchr(line, ' ');
    static const char *const others[] = {
        "florin-permit-1 2 " ORIGIN,
        "florin-permit-1 2 " ORIGIN " member=a",
        "florin-permit-1 2 " ORIGIN " until=2027-11-30",
        "florin-permit-1 2 " ORIGIN " until=2028-11-30 member=a",
        "florin-permit-1 2 " ORIGIN " until=2027-11-30 member=a member=b",
        "florin-permit-1 2 " ORIGIN " until=2027-11-30 member=a serial=0123456789abcdef",
    };
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        (void)snprintf(more, sizeof more, "%s%s", others[i], signature);
        assert_false(allows(more, 2, URL));
    }
    static const char *const tails[] = {" ", "=", "A", " A", "\r", "\t"};
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        (void)snprintf(more, sizeof more, "%s%s", line, tails[i]);
        assert_false(allows(more, 2, URL));
    }
    line[strlen(line) - 1] = 0; /* without its padding */
    assert_false(allows(line, 2, URL));
}

static void a_permit_ends_with_its_day(void **state)
{
    (void)state;
    struct permit p;
    char line[PERMIT_TEXT_MAX], lines[2 * PERMIT_TEXT_MAX];
    struct permit_terms terms = {.until = STR("2027-11-30")};
    int64_t end_us;
    assert_true(permit_day(STR("2027-11-30"), &end_us));
    assert_true(end_us % DAY_US == 0 && end_us / DAY_US == 21153); /* 1 December */
    assert_true(permit_sign(seed, 2, STR(URL), &terms, line));
    assert_int_equal(says(line, 2, URL, end_us - 1, "", &p), PERMIT_YES);
    assert_int_equal(p.end_us, end_us);
    assert_int_equal(says(line, 2, URL, end_us, "", &p), PERMIT_OVER);
    assert_int_equal(says(line, 2, "https://b.example/", end_us, "", &p), PERMIT_NONE);
    assert_int_equal(says(line, 3, URL, end_us, "", &p), PERMIT_NONE);
    /* another one goes on */
    (void)snprintf(lines, sizeof lines, "%s\n%s\n", line,
                   signed_text("florin-permit-1 2 " ORIGIN " until=2027-12-01"));
    assert_int_equal(says(lines, 2, URL, end_us, "", &p), PERMIT_YES);
    assert_int_equal(says(lines, 2, URL, end_us + DAY_US, "", &p), PERMIT_OVER);
    static const char *const none[] = {"",         "2027-11-31",  "2027-02-29",
                                       "27-11-30", "2027-11-30 ", "tomorrow"};
    for (size_t i = 0; i < COUNT_OF(none); i++)
        assert_false(permit_day(str_from(none[i]), &end_us));
    terms.until = STR("2027-11-31");
    assert_false(permit_sign(seed, 2, STR(URL), &terms, line));
}

static void what_was_taken_back_is_none(void **state)
{
    (void)state;
    struct permit p, q;
    char one[PERMIT_TEXT_MAX], two[PERMIT_TEXT_MAX], lines[2 * PERMIT_TEXT_MAX], list[200];
    struct permit_terms terms = {.serial = STR("00000000000000aa")};
    size_t at;
    assert_true(permit_sign(seed, 2, STR(URL), NULL, one));
    assert_true(permit_sign(seed, 2, STR(URL), &terms, two)); /* the same words, another permit */
    assert_true(permit_read(str_from(one), &p) && permit_read(str_from(two), &q));
    assert_string_not_equal(p.id, q.id);
    (void)snprintf(list, sizeof list, "# taken back\n0000000000000000\n\n%s", p.id);
    assert_true(permit_list_good(str_from(list), &at));
    assert_int_equal(says(one, 2, URL, AT_US, list, &p), PERMIT_REVOKED);
    assert_int_equal(says(two, 2, URL, AT_US, list, &p), PERMIT_YES);
    (void)snprintf(lines, sizeof lines, "%s\n%s", one, two);
    assert_int_equal(says(lines, 2, URL, AT_US, list, &p), PERMIT_YES);
    assert_string_equal(p.id, q.id);
    static const char *const bad[] = {" 0000000000000000", "0000000000000000 ", "000000000000000",
                                      "00000000000000000", "000000000000000G",  "nonsense"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        (void)snprintf(list, sizeof list, "0000000000000000\n%s\n", bad[i]);
        assert_false(permit_list_good(str_from(list), &at));
        assert_int_equal(at, 2);
    }
    assert_true(permit_list_good(STR(""), &at));
}

static void an_address_of_ipv6_has_its_brackets(void **state)
{
    (void)state;
    char line[PERMIT_TEXT_MAX];
    assert_true(permit_sign(seed, 2, STR("https://[2001:db8::1]:8443/v1"), NULL, line));
    assert_non_null(strstr(line, " https://[2001:db8::1]:8443 "));
    assert_true(allows(line, 2, "https://[2001:db8::1]:8443/v2"));
    assert_false(allows(line, 2, "https://[2001:db8::1]/v2"));
    assert_false(allows(line, 2, "https://[2001:db8::2]:8443/v2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_permit_is_for_a_merchant_and_an_origin),
        cmocka_unit_test(only_the_operators_signature_counts),
        cmocka_unit_test(a_permit_is_read_strictly),
        cmocka_unit_test(the_signature_is_over_all_of_it),
        cmocka_unit_test(a_permit_ends_with_its_day),
        cmocka_unit_test(what_was_taken_back_is_none),
        cmocka_unit_test(an_address_of_ipv6_has_its_brackets),
    };
    crypto_init();
    crypto_sign_public(seed, public_key);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

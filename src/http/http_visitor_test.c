#include "http/http_test_support.h"

#include <arpa/inet.h>

static const char proxies[] = "127.0.0.1, 2a00::5,10.0.0.7";

static void whose(void **state)
{
    static const struct {
        const char *peer, *forwarded, *proxies, *key; /* NULL: nobody's */
    } list[] = {
        {"8.8.4.4", "", "", "::ffff:8.8.4.4"},
        {"::ffff:8.8.4.4", "", "", "::ffff:8.8.4.4"},
        {"2a00:1:2:3:4:5:6:7", "", "", "2a00:1:2:3::"},
        {"127.0.0.1", "", "", NULL},
        {"fe80::1%eth0", "", "", NULL},
        {"", "", "", NULL},
        {"8.8.4.4", "1.1.1.1", "", "::ffff:8.8.4.4"}, /* anybody may write one */
        {"8.8.4.4", "1.1.1.1", proxies, "::ffff:8.8.4.4"},
        {"127.0.0.1", "1.1.1.1", proxies, "::ffff:1.1.1.1"},
        {"127.0.0.1", "9.9.9.9, 1.1.1.1", proxies, "::ffff:1.1.1.1"},
        {"127.0.0.1", "9.9.9.9,1.1.1.1 , 10.0.0.7", proxies, "::ffff:1.1.1.1"},
        {"2a00::5", "2a00:1:2:3::9", proxies, "2a00:1:2:3::"},
        {"127.0.0.1", "1.1.1.1:5555", proxies, "::ffff:1.1.1.1"},
        {"127.0.0.1", "[2a00:1:2:3::9]:5555", proxies, "2a00:1:2:3::"},
        {"127.0.0.1", "unknown", proxies, NULL},
        {"127.0.0.1", "1.1.1.1,", proxies, NULL},
        {"127.0.0.1", "", proxies, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        uint8_t key[16] = {0}, wanted[16];
        bool is = http_visitor_of(str_from(list[i].peer), str_from(list[i].forwarded),
                                  list[i].proxies, key);
        if (list[i].key)
            assert_int_equal(inet_pton(AF_INET6, list[i].key, wanted), 1);
        if (is != (list[i].key != NULL) || (is && memcmp(key, wanted, 16) != 0))
            fail_msg("%s for %s: wrong", list[i].peer, list[i].forwarded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whose)};
    return cmocka_run_group_tests_name("http_visitor", tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "sys/sys.h"
#include "sys/token.h"

#define MODULE "/usr/lib/softhsm/libsofthsm2.so"

static struct {
    char dir[64], conf[96], pin[96];
    struct token_config config;
} t;

static void write_text(const char *path, const char *text, unsigned mode)
{
    struct err_info info = {.err = OK};
    assert_int_equal(sys_write_file(path, text, strlen(text), mode, &info), OK);
}

static int setup(void **state)
{
    char text[256];
    (void)state;
    (void)snprintf(t.dir, sizeof t.dir, "/tmp/florin-token-XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    (void)snprintf(t.conf, sizeof t.conf, "%s/softhsm2.conf", t.dir);
    (void)snprintf(t.pin, sizeof t.pin, "%s/pin", t.dir);
    (void)snprintf(text, sizeof text, "directories.tokendir = %s\nobjectstore.backend = file\n",
                   t.dir);
    write_text(t.conf, text, 0600);
    write_text(t.pin, "4321\n", 0600);
    assert_int_equal(setenv("SOFTHSM2_CONF", t.conf, 1), 0);
    assert_int_equal(system("softhsm2-util --init-token --free --label florin --pin 4321 --so-pin "
                            "8765 >/dev/null"),
                     0);
    t.config = (struct token_config){
        .module = MODULE, .token = "florin", .key = "vault", .pin_file = t.pin};
    return 0;
}

static int teardown(void **state)
{
    char command[96];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -r %s", t.dir);
    return system(command) == 0 ? 0 : 1;
}

static err_t try(struct token_config config, char sentence[240])
{
    struct token *token = NULL;
    struct err_info info = {.err = OK};
    err_t err = token_open(&config, false, &token, &info);
    if (!err)
        token_close(token);
    memcpy(sentence, info.detail, sizeof info.detail);
    return err;
}

static void a_key_is_wrapped_and_only_this_token_unwraps_it(void **state)
{
    struct token *token = NULL;
    struct err_info info = {.err = OK};
    uint8_t key[32] = {1, 2, 3}, wrapped[2][TOKEN_WRAPPED], got[32];
    (void)state;
    assert_int_equal(token_open(&t.config, true, &token, &info), OK); /* makes the AES key */
    assert_int_equal(token_wrap(token, key, wrapped[0], &info), OK);
    assert_int_equal(token_wrap(token, key, wrapped[1], &info), OK);
    assert_memory_not_equal(wrapped[0], wrapped[1], TOKEN_WRAPPED);
    token_close(token);
    assert_int_equal(token_open(&t.config, false, &token, &info), OK);
    assert_int_equal(token_unwrap(token, wrapped[0], got, &info), OK);
    assert_memory_equal(got, key, sizeof key);
    for (size_t i = 0; i < TOKEN_WRAPPED; i++) {
        wrapped[0][i] ^= 1;
        assert_int_equal(token_unwrap(token, wrapped[0], got, &info), ERR_CRYPTO);
        wrapped[0][i] ^= 1;
    }
    token_close(token);
    struct token_config other = t.config;
    other.key = "another";
    assert_int_equal(token_open(&other, true, &token, &info), OK);
    assert_int_equal(token_unwrap(token, wrapped[1], got, &info), ERR_CRYPTO);
    token_close(token);
}

static void what_is_wrong_is_said_without_the_pin(void **state)
{
    char said[240];
    struct token_config c = t.config;
    (void)state;
    assert_int_equal(try(c, said), ERR_CONFIG); /* no key yet */
    assert_non_null(strstr(said, "vault"));
    c.token = "elsewhere";
    assert_int_equal(try(c, said), ERR_CONFIG);
    c = t.config;
    c.module = "/nowhere.so";
    assert_int_equal(try(c, said), ERR_CONFIG);
    c = t.config;
    write_text(t.pin, "9999\n", 0600);
    assert_int_equal(try(c, said), ERR_CONFIG);
    assert_null(strstr(said, "9999"));
    assert_non_null(strstr(said, "PIN"));
    write_text(t.pin, "4321\n", 0644);
    assert_int_equal(try(c, said), ERR_CONFIG);
}

static void a_key_that_can_be_taken_out_is_refused(void **state)
{
    char said[240];
    (void)state;
    int status = system("pkcs11-tool --module " MODULE
                        " --token-label florin --login --pin 4321 --keygen --key-type AES:32 "
                        "--label vault --extractable >/dev/null 2>&1");
    if (status != 0)
        skip();
    assert_int_equal(try(t.config, said), ERR_CONFIG);
    assert_non_null(strstr(said, "taken out"));
}

#define WITH_TOKEN(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TOKEN(a_key_is_wrapped_and_only_this_token_unwraps_it),
        WITH_TOKEN(what_is_wrong_is_said_without_the_pin),
        WITH_TOKEN(a_key_that_can_be_taken_out_is_refused),
    };
    if (access(MODULE, R_OK) != 0 || system("command -v softhsm2-util >/dev/null") != 0) {
        (void)fprintf(stderr, "SoftHSM is not there: skipped\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

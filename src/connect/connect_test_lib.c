#include "connect/connect_test_lib.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "observe/observe.h"
#include "sys/sys.h"

static char dir[64];

const struct str credentials = {
    "{\"base_url\":\"http://127.0.0.1:1\",\"key\":\"" SECRET "\"}",
    sizeof "{\"base_url\":\"http://127.0.0.1:1\",\"key\":\"" SECRET "\"}" - 1};

int connect_test_set_up(void **state)
{
    (void)state;
    crypto_init();
    wire_init();
    log_open(open("/dev/null", O_WRONLY), LOG_ERROR);
    (void)snprintf(dir, sizeof dir, "/tmp/florin-cards-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

int connect_test_tear_down(void **state)
{
    (void)state;
    char cmd[128];
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd);
}

void connect_test_write(const char *file, const char *text)
{
    char path[160];
    struct err_info info = {0};
    (void)snprintf(path, sizeof path, "%s/a", dir);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/a/%s", dir, file);
    assert_int_equal(sys_write_file(path, text, strlen(text), 0600, &info), OK);
}

struct connectors *connect_test_load(void)
{
    struct connectors *c = NULL;
    struct err_info info = {0};
    assert_int_equal(connectors_load(dir, &c, &info), OK);
    return c;
}

struct connectors *connect_test_with(const char *read, const char *webhook)
{
    char lua[4096];
    (void)snprintf(lua, sizeof lua,
                   HEAD BUILD "local function read(op,a) %s end\n"
                              "local function webhook(q,cred) %s end\n" TAIL,
                   read, webhook);
    connect_test_write("connector.lua", lua);
    connect_test_write("errors.tsv", "54\texpired_card\tnever\tThe card has expired.\n");
    struct connectors *c = connect_test_load();
    assert_non_null(connectors_manifest(c, "a"));
    return c;
}

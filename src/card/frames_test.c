#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "card/card.h"
#include "crypto/crypto.h"
#include "observe/observe.h"
#include "sys/sys.h"

#define FRAME_HEAD 16
#define FRAME_MAX (FRAME_HEAD + LINK_PAYLOAD_MAX)

static struct card_role *card;
static int vault; /* the vault's end */

static int joined(enum link_role peer)
{
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(card_link(card, peer, fd[0]), OK);
    return fd[1];
}

static int setup(void **state)
{
    struct card_config config = {.url = "http://card",
                                 .public_url = "http://public",
                                 .calls_max = 4,
                                 .connections_max = 4,
                                 .read_timeout_ms = 1000,
                                 .idle_timeout_ms = 1000};
    struct err_info info = {0};
    char addr[80];
    (void)state;
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR);
    assert_int_equal(sys_listen("127.0.0.1:0", 1000, &config.listen_fd, addr, &info), OK);
    assert_int_equal(card_start(&config, &card, &info), OK);
    vault = joined(LINK_VAULT);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    card_stop(card);
    close(vault);
    return 0;
}

/* What comes within five seconds: its bytes, 0 the end. */
static ssize_t come(int fd, void *p, size_t max)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 5000), 1);
    return recv(fd, p, max, 0);
}

static bool quiet(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

/* As src/link/frame.c writes and reads it. */
static void send_frame(int fd, int message, uint8_t call, const void *payload, size_t n)
{
    static char bytes[FRAME_MAX + 4096];
    const uint8_t head[FRAME_HEAD] = {0xF1,
                                      0x0A,
                                      (uint8_t)(message >> 8),
                                      (uint8_t)message,
                                      (uint8_t)(n >> 24),
                                      (uint8_t)(n >> 16),
                                      (uint8_t)(n >> 8),
                                      (uint8_t)n,
                                      [15] = call};
    memcpy(bytes, head, sizeof head);
    if (n)
        memcpy(bytes + FRAME_HEAD, payload, n);
    assert_int_equal(send(fd, bytes, FRAME_HEAD + n, MSG_NOSIGNAL), FRAME_HEAD + n);
}

/* Every number, with noise of many sizes: each costs the link; the vault hears of none. */
static void noise_costs_the_link(void **state)
{
    (void)state;
    static const size_t sizes[] = {
        0, 1, 28, 100, 500, 5000, LINK_PAYLOAD_MAX, LINK_PAYLOAD_MAX + 1};
    static char noise[LINK_PAYLOAD_MAX + 1];
    char got[64];
    for (int message = 0; message <= 300; message++)
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            if (i >= 6 && message % 20)
                continue; /* large ones take their time */
            int api = joined(LINK_API);
            crypto_random(noise, sizes[i]);
            send_frame(api, message, 7, noise, sizes[i]);
            assert_int_equal(come(api, got, sizeof got), 0);
            close(api);
        }
    assert_true(quiet(vault));
}

/* What is good still goes its way. */
static void what_is_good_is_passed_on(void **state)
{
    (void)state;
    struct buf b = BUF(100);
    uint8_t got[600];
    int api = joined(LINK_API);
    link_put_int(&b, 2);
    link_put_id(&b, (struct id){{1}});
    send_frame(api, LINK_FORGET, 7, b.p, b.n);
    ssize_t n = come(vault, got, sizeof got);
    assert_int_equal(n, FRAME_HEAD + b.n);
    assert_int_equal(got[3], LINK_VAULT_FORGET);
    assert_memory_equal(got + FRAME_HEAD, b.p, b.n);
    buf_clear(&b);
    link_put_int(&b, 0);
    send_frame(vault, LINK_VAULT_DONE, got[15], b.p, b.n);
    n = come(api, got, sizeof got);
    assert_int_equal(n, FRAME_HEAD + b.n);
    assert_int_equal(got[3], LINK_FORGOTTEN);
    assert_int_equal(got[15], 7);
    close(api);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_costs_the_link),
        cmocka_unit_test(what_is_good_is_passed_on),
    };
    crypto_init();
    return cmocka_run_group_tests(tests, setup, teardown);
}

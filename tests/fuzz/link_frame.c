/* What a role may hear from one that somebody has taken over: frames of api at card, answers of api
 * and vault to card, frames of card at the vault. Anything is read or refused; a card's number goes
 * to its provider alone, and nothing of it back. The first byte says who speaks. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "card/card_internal.h"
#include "crypto/crypto.h"
#include "link/frame.h"
#include "observe/observe.h"
#include "sys/sys.h"
#include "vault/serve.h"

#define NUMBER "4539578763621486"
#define HOST "http://127.0.0.1:1"

static struct card_role role; /* no listener, no client: this file is both */
static uint8_t seed[32];
static char permit[PERMIT_TEXT_MAX];
static int api_end, vault_end; /* the other ends of card's links */
static struct str rest;        /* of the input, for who speaks next */
static int replies, calls;
static bool judged; /* digits that api gets are not what the vault itself said in this input */

/* --- the network, which is not there --- */
void http_client_call(struct http_client *c, struct http_call *call)
{
    (void)c;
    struct buf body = BUF(300000);
    calls++;
    ASSERT(strncmp(call->url, HOST "/", sizeof HOST) == 0);
    for (const char *const *h = call->headers; *h; h++)
        ASSERT(!strpbrk(*h, "\r\n") && !strstr(*h, NUMBER) && strncasecmp(*h, "host:", 5) != 0);
    buf_add(&body, call->body.p, call->body.n); /* it tells back what it got, and what it likes */
    if (rest.n)
        buf_add(&body, rest.p, rest.n);
    struct http_result r = {.sent = HTTP_ANSWERED,
                            .status = 200,
                            .body = buf_view(&body),
                            .content_type = buf_view(&body),
                            .retry_after = buf_view(&body),
                            .error = ""};
    call->done(call, &r);
    buf_free(&body);
}
struct str http_header(struct http_request *req, const char *name)
{
    (void)req, (void)name;
    return STR("Bearer ct_test_x");
}
void http_headers(struct http_request *req, struct buf *out)
{
    (void)req, (void)out;
}
void http_reply(struct http_request *req, struct http_answer *answer)
{
    (void)req;
    ASSERT(answer->status >= 200 && answer->status <= 599);
    replies++;
}
void http_reply_problem(struct http_request *req, const struct err_info *info)
{
    (void)req;
    ASSERT(!strstr(info->detail, NUMBER));
    replies++;
}

/* --- links --- */
static bool at_card(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)arg;
    if (f->message == LINK_EGRESS)
        return egress_request(role.egress, f);
    return (f->message == LINK_FORGET || f->message == LINK_KEEP || f->message == LINK_EXPIRY) &&
           card_pass_on(&role, f);
}
static bool none(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)f, (void)arg;
    return false;
}

static int open_link(struct link_slot *slot, enum link_role peer)
{
    int fd[2];
    struct link *l;
    ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == 0);
    struct link_config c = {
        .fd = fd[0], .self = LINK_CARD, .peer = peer, .request = peer == LINK_API ? at_card : none};
    ASSERT(link_open(&c, &l) == OK);
    link_slot_put(slot, l);
    return fd[1];
}

static void send_frame(int fd, int message, uint64_t call, struct str payload)
{
    char bytes[8192];
    size_t n = payload.n > sizeof bytes - FRAME_HEAD ? sizeof bytes - FRAME_HEAD : payload.n;
    frame_head((uint8_t *)bytes, message, n, call);
    if (n)
        memcpy(bytes + FRAME_HEAD, payload.p, n);
    (void)send(fd, bytes, FRAME_HEAD + n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Nine digits of the number in a row. */
static bool any_digits(struct str s)
{
    for (size_t i = 0; i + 9 < sizeof NUMBER; i++)
        if (s.n && memmem(s.p, s.n, &NUMBER[i], 9))
            return true;
    return false;
}

/* What card says to a peer; false: nothing. To api no digits, not even nine. */
static bool heard(int fd, enum link_role peer, struct link_frame *f)
{
    static char bytes[FRAME_MAX];
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n <= 0)
        return false;
    ASSERT(frame_read((struct str){bytes, (size_t)n}, LINK_CARD, peer, f));
    ASSERT(peer != LINK_API || !judged || !any_digits((struct str){bytes, (size_t)n}));
    return true;
}

static struct str piece(void)
{
    size_t n = rest.n < 2 ? 0 : (size_t)(uint8_t)rest.p[0] << 8 | (uint8_t)rest.p[1];
    struct str s = {rest.p + 2, rest.n < 2 ? 0 : n < rest.n - 2 ? n : rest.n - 2};
    if (rest.n >= 2)
        rest = (struct str){s.p + s.n, rest.n - 2 - s.n};
    return s;
}

/* --- who speaks --- */
/* A frame as it came, to any receiver: read or refused. */
static void anybody(struct str input)
{
    struct link_frame f;
    for (int from = LINK_PARENT; from <= LINK_OPERATOR; from++)
        for (int to = LINK_PARENT; to <= LINK_OPERATOR; to++)
            if (frame_read(input, (enum link_role)from, (enum link_role)to, &f)) {
                ASSERT(link_allowed((int)f.message, (enum link_role)from, (enum link_role)to,
                                    f.payload.n));
                ASSERT(f.payload.n + FRAME_HEAD == input.n);
            }
}

static void open_card(struct buf *out)
{
    link_put_int(out, 0);
    link_put_str(out, STR(NUMBER));
    link_put_int(out, 12);
    link_put_int(out, 2035);
    link_put_str(out, STR("739"));
}

/* api at card: an EGRESS made of pieces, to a permitted host, or a frame of its own making. */
static void api_at_card(uint8_t how)
{
    struct buf ask = BUF(16384), card = BUF(200);
    struct link_frame f;
    link_put_int(&ask, 2);
    link_put_id(&ask, (struct id){{1}});
    link_put_str(&ask, piece());
    link_put_str(&ask, str_from(permit));
    link_put_str(&ask, STR("POST"));
    struct buf url = BUF(8000);
    struct str path = piece();
    buf_str(&url, HOST "/");
    buf_add(&url, path.p, path.n);
    link_put_str(&ask, buf_view(&url));
    link_put_str(&ask, piece());
    link_put_str(&ask, piece());
    for (int i = 0; i < 2; i++)
        link_put_int(&ask, 1000);
    link_put_int(&ask, 0);
    if (how & 1)
        send_frame(api_end, how >> 1, 1, rest);
    else
        send_frame(api_end, LINK_EGRESS, 1, buf_view(&ask));
    bool good = link_step(role.api.link, 4);
    open_card(&card);
    while (heard(vault_end, LINK_VAULT, &f)) {
        if (f.message == LINK_VAULT_OPEN)
            send_frame(vault_end, LINK_VAULT_OPENED, f.call, how & 2 ? rest : buf_view(&card));
        else if (f.message != LINK_VAULT_USED)
            send_frame(vault_end, LINK_VAULT_DONE, f.call, rest);
        good = link_step(role.vault.link, 4) && good;
    }
    while (heard(api_end, LINK_API, &f))
        ;
    (void)good;
    ASSERT(calls == 0 || !(how & 1));
    buf_free(&ask);
    buf_free(&card);
    buf_free(&url);
}

/* Answers to card while it takes a card. */
static void answers_to_card(void)
{
    static char body[] = "{\"number\":\"" NUMBER "\",\"exp_month\":12,\"exp_year\":2035,"
                         "\"cvc\":\"739\"}";
    struct http_request req = {.method = HTTP_POST, .body = STR(body)};
    struct link_frame f;
    on_card(&req, &role);
    if (heard(api_end, LINK_API, &f)) {
        send_frame(api_end, LINK_CLIENT_IS, f.call, piece());
        (void)link_step(role.api.link, 2);
    }
    if (heard(vault_end, LINK_VAULT, &f)) {
        ASSERT(f.message == LINK_VAULT_SEAL);
        send_frame(vault_end, LINK_VAULT_SEALED, f.call, piece());
        (void)link_step(role.vault.link, 2);
    }
    if (heard(api_end, LINK_API, &f)) {
        send_frame(api_end, LINK_METHOD_IS, f.call, piece());
        (void)link_step(role.api.link, 2);
    }
}

/* card at the vault. */
static void card_at_vault(void)
{
    static struct store *store;
    static struct vault *vault;
    static struct vault_server *server;
    if (!store) {
        static char path[64];
        struct err_info info = {0};
        (void)snprintf(path, sizeof path, "/dev/shm/florin-fuzz-%d.db", (int)getpid());
        struct store_config c = {.path = path,
                                 .migrations = "vault",
                                 .batch_max = 64,
                                 .readers = 1,
                                 .cache_kib = 1024,
                                 .queue_max = 1000,
                                 .stepped = true};
        ASSERT(store_open(&c, true, &store, &info) == OK);
        (void)unlink(path); /* it lives on while it is open */
        ASSERT(vault_new(&vault) == OK && vault_server_new(store, vault, &server) == OK);
    }
    int fd[2];
    ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == 0);
    ASSERT(vault_server_link(server, fd[0]) == OK);
    while (rest.n > 1) {
        int message = (uint8_t)rest.p[0];
        rest = (struct str){rest.p + 1, rest.n - 1};
        send_frame(fd[1], message, 5, piece());
    }
    (void)vault_server_turn(server, sys_now_us());
    close(fd[1]);
    (void)vault_server_link(server, -1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    crypto_init();
    wire_init();
    log_open(open("/dev/null", O_WRONLY), LOG_ERROR);
    link_slot_init(&role.api);
    link_slot_init(&role.vault);
    memset(seed, 7, sizeof seed);
    struct egress_config c = {.api = &role.api, .vault = &role.vault};
    crypto_sign_public(seed, c.permit_key);
    ASSERT(permit_sign(seed, 2, STR(HOST), NULL, permit) && egress_new(&c, &role.egress) == OK);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    rest = (struct str){(const char *)data + 2, size - 2};
    replies = calls = 0;
    judged = (data[0] % 4 == 1 && !(data[1] & 2)) || !any_digits(rest);
    if (data[0] % 4 == 0) {
        anybody(rest);
        return 0;
    }
    if (data[0] % 4 == 3) {
        card_at_vault();
        return 0;
    }
    api_end = open_link(&role.api, LINK_API);
    vault_end = open_link(&role.vault, LINK_VAULT);
    if (data[0] % 4 == 1)
        api_at_card(data[1]);
    else
        answers_to_card();
    close(api_end);
    close(vault_end);
    link_slot_put(&role.vault, NULL);
    link_slot_put(&role.api, NULL);
    ASSERT(egress_active(role.egress) == 0 && role.active == 0); /* nothing is left waiting */
    ASSERT(data[0] % 4 != 2 || replies == 1);
    return 0;
}

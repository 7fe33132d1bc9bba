#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "link/frame.h"
#include "sys/sys.h"

/* --- frames --- */
static void only_the_table_says_who_may_send_what(void **state)
{
    (void)state;
    assert_true(link_allowed(LINK_EGRESS, LINK_API, LINK_CARD, 100));
    assert_false(link_allowed(LINK_EGRESS, LINK_CARD, LINK_API, 100));
    assert_false(link_allowed(LINK_VAULT_OPEN, LINK_API, LINK_VAULT, 10));
    assert_false(link_allowed(LINK_VAULT_OPEN, LINK_API, LINK_CARD, 10));
    assert_false(link_allowed(LINK_FORGET, LINK_API, LINK_CARD, LINK_SMALL + 1));
    assert_false(link_allowed(LINK_NONE, LINK_API, LINK_CARD, 0));
    assert_false(link_allowed(60000, LINK_API, LINK_CARD, 0));
    assert_true(link_allowed(LINK_PEER, LINK_PARENT, LINK_VAULT, 1));
    /* what answers a request goes the other way */
    for (int from = LINK_PARENT; from <= LINK_OPERATOR; from++)
        for (int m = 1; m < 100; m++) {
            enum link_message answer =
                link_message_text(m) ? frame_answer((enum link_message)m) : LINK_NONE;
            for (int to = LINK_PARENT; answer != LINK_NONE && to <= LINK_OPERATOR; to++)
                if (link_allowed(m, (enum link_role)from, (enum link_role)to, 0))
                    assert_true(
                        link_allowed((int)answer, (enum link_role)to, (enum link_role)from, 0));
        }
}

static void a_frame_is_whole_or_none(void **state)
{
    (void)state;
    char bytes[FRAME_HEAD + 8];
    struct link_frame f;
    frame_head((uint8_t *)bytes, LINK_FORGET, 8, 7);
    memcpy(bytes + FRAME_HEAD, "12345678", 8);
    assert_true(frame_read((struct str){bytes, sizeof bytes}, LINK_API, LINK_CARD, &f));
    assert_int_equal(f.message, LINK_FORGET);
    assert_int_equal(f.call, 7);
    assert_int_equal(f.payload.n, 8);
    for (size_t n = 0; n < sizeof bytes; n++)
        assert_false(frame_read((struct str){bytes, n}, LINK_API, LINK_CARD, &f));
    assert_false(frame_read((struct str){bytes, sizeof bytes}, LINK_CARD, LINK_API, &f));
    for (int bit = 0; bit < 64; bit++) { /* magic, message, length */
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        bool read = frame_read((struct str){bytes, sizeof bytes}, LINK_API, LINK_CARD, &f);
        assert_true(!read || f.message != LINK_FORGET);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
}

static void fields_are_read_as_they_were_written(void **state)
{
    (void)state;
    struct buf b = BUF(200);
    struct id id = {{1, 2, 3}};
    char text[8];
    link_put_int(&b, INT64_MIN);
    link_put_str(&b, STR("hello"));
    link_put_id(&b, id);
    link_put_str(&b, STR(""));
    link_put_str(&b, STR("seven77"));
    struct link_reader r = {.rest = buf_view(&b)};
    assert_true(link_take_int(&r) == INT64_MIN);
    assert_true(str_eq(link_take_str(&r, 5), STR("hello")));
    assert_true(id_eq(link_take_id(&r), id));
    assert_int_equal(link_take_str(&r, 10).n, 0);
    assert_false(link_taken(&r));
    link_take_text(&r, text, sizeof text);
    assert_string_equal(text, "seven77");
    assert_true(link_taken(&r));
    assert_int_equal(link_take_int(&r), 0);
    assert_false(link_taken(&r));
    for (size_t n = 0; n < b.n; n++) { /* cut anywhere */
        struct link_reader cut = {.rest = {b.p, n}};
        (void)link_take_int(&cut);
        (void)link_take_str(&cut, 5);
        (void)link_take_id(&cut);
        (void)link_take_str(&cut, 10);
        link_take_text(&cut, text, sizeof text);
        assert_false(link_taken(&cut));
    }
    struct link_reader longer = {.rest = {b.p + 8, b.n - 8}};
    (void)link_take_str(&longer, 4);
    assert_true(longer.failed);
    buf_free(&b);
}

/* --- links --- */
struct end {
    struct link *link;
    int requests, gone;
    bool refuse, silent;
    uint64_t call;
};
static struct end card, api;

static bool answer(struct link *l, const struct link_frame *f, void *arg)
{
    struct end *e = arg;
    e->requests++;
    e->call = f->call;
    if (f->message == LINK_FORGET && !e->silent)
        assert_true(link_send(l, LINK_FORGOTTEN, f->call, f->payload, -1));
    return !e->refuse;
}

static void gone(struct link *l, void *arg)
{
    (void)l;
    __atomic_add_fetch(&((struct end *)arg)->gone, 1, __ATOMIC_SEQ_CST);
}

static void join(const char *thread)
{
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    card = api = (struct end){.link = NULL};
    struct link_config c = {.fd = fd[0],
                            .self = LINK_CARD,
                            .peer = LINK_API,
                            .request = answer,
                            .gone = gone,
                            .arg = &card};
    struct link_config a = {.fd = fd[1],
                            .self = LINK_API,
                            .peer = LINK_CARD,
                            .thread = thread,
                            .request = answer,
                            .gone = gone,
                            .arg = &api};
    assert_int_equal(link_open(&c, &card.link), OK);
    assert_int_equal(link_open(&a, &api.link), OK);
}

static void part(void)
{
    link_close(api.link);
    link_close(card.link);
}

struct asked {
    int done, lost;
    char text[16];
};
static void on_done(const struct link_frame *f, void *arg)
{
    struct asked *q = arg;
    if (f)
        (void)snprintf(q->text, sizeof q->text, STR_FMT, STR_ARG(f->payload));
    else
        q->lost++;
    __atomic_add_fetch(&q->done, 1, __ATOMIC_SEQ_CST);
}

static void wait_for(int *what, int n)
{
    for (int i = 0; i < 5000 && __atomic_load_n(what, __ATOMIC_SEQ_CST) < n; i++)
        sys_pause_us(1000);
    assert_true(__atomic_load_n(what, __ATOMIC_SEQ_CST) >= n);
}

static void a_request_is_answered(void **state)
{
    (void)state;
    struct asked q = {0};
    join("api-link");
    assert_int_equal(link_ask(api.link, LINK_FORGET, STR("one"), on_done, &q), OK);
    assert_true(link_step(card.link, 10));
    wait_for(&q.done, 1);
    assert_string_equal(q.text, "one");
    part();
    assert_int_equal(q.lost, 0);
}

static void what_was_asked_of_a_peer_that_is_gone_is_lost(void **state)
{
    (void)state;
    struct asked q[3] = {{0}};
    join("api-link");
    card.silent = true;
    for (int i = 0; i < 3; i++)
        assert_int_equal(link_ask(api.link, LINK_FORGET, STR("x"), on_done, &q[i]), OK);
    assert_true(link_step(card.link, 2));
    link_close(card.link);
    for (int i = 0; i < 3; i++) {
        wait_for(&q[i].done, 1);
        assert_int_equal(q[i].lost, 1);
    }
    wait_for(&api.gone, 1);
    assert_int_equal(link_ask(api.link, LINK_FORGET, STR("x"), on_done, &q[0]), ERR_UNAVAILABLE);
    assert_false(link_send(api.link, LINK_EGRESS, 0, STR(""), -1));
    link_close(api.link);
    assert_int_equal(q[0].done, 1);
}

static void a_peer_that_does_not_read_costs_a_moment(void **state)
{
    (void)state;
    static char big[LINK_PAYLOAD_MAX];
    struct asked q = {0};
    err_t err = OK;
    int n = 0;
    join("api-link");
    while (n < 1000 &&
           !(err = link_ask(api.link, LINK_EGRESS, (struct str){big, sizeof big}, on_done, &q)))
        n++;
    assert_int_equal(err, ERR_UNAVAILABLE);
    assert_true(n > 0);
    part();
    assert_int_equal(q.done, n);
    assert_int_equal(q.lost, n);
}

/* Whoever asked must learn that no answer will come. */
static void an_answer_without_room_ends_the_link(void **state)
{
    (void)state;
    static char big[LINK_PAYLOAD_MAX];
    struct asked q = {0};
    int n = 0;
    join(NULL);
    card.silent = true;
    assert_int_equal(link_ask(api.link, LINK_EGRESS, STR(""), on_done, &q), OK);
    assert_true(link_step(card.link, 1));
    while (n < 1000 &&
           link_send(card.link, LINK_EGRESS_IS, card.call, (struct str){big, sizeof big}, -1))
        n++;
    assert_true(n > 0 && n < 1000);
    assert_false(link_step(api.link, n + 1)); /* what was sent, and the end */
    assert_int_equal(api.requests, n - 1);
    part();
}

static void what_is_no_message_ends_the_link(void **state)
{
    (void)state;
    uint8_t head[FRAME_HEAD];
    join(NULL);
    frame_head(head, LINK_VAULT_OPEN, 0, 1); /* nothing that api may send */
    assert_int_equal(send(link_fd(api.link), head, sizeof head, 0), sizeof head);
    assert_false(link_step(card.link, 1));
    assert_int_equal(card.requests, 0);
    part();
    join(NULL);
    assert_true(link_send(api.link, LINK_FORGET, 9, STR(""), -1));
    card.refuse = true;
    assert_false(link_step(card.link, 1));
    part();
    join(NULL); /* an answer that nobody asked for goes to the handler, which knows none */
    assert_true(link_send(card.link, LINK_FORGOTTEN, 77, STR(""), -1));
    api.refuse = true;
    assert_false(link_step(api.link, 1));
    part();
}

static void an_answer_of_another_kind_is_none(void **state)
{
    (void)state;
    struct asked q = {0};
    join(NULL);
    assert_int_equal(link_ask(api.link, LINK_FORGET, STR(""), on_done, &q), OK);
    card.silent = true;
    assert_true(link_step(card.link, 1));
    assert_true(link_send(card.link, LINK_KEPT, card.call, STR(""), -1));
    assert_false(link_step(api.link, 1));
    assert_int_equal(q.lost, 1);
    part();
}

static struct link *api_end(int *ret_other)
{
    int fd[2];
    struct link *l = NULL;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
    struct link_config c = {.fd = fd[0],
                            .self = LINK_API,
                            .peer = LINK_CARD,
                            .thread = "patient",
                            .request = answer,
                            .arg = &api};
    assert_int_equal(link_open(&c, &l), OK);
    *ret_other = fd[1];
    return l;
}

static void never(const struct link_frame *answer, void *arg)
{
    if (answer == &link_never_sent)
        (*(int *)arg)++;
}

static void what_may_wait_goes_over_the_next_link(void **state)
{
    (void)state;
    struct link_slot s;
    char got[FRAME_HEAD + 16];
    int other, unsent = 0;
    link_slot_init(&s);
    for (int round = 0; round < 200; round++) {
        link_slot_put(&s, api_end(&other));
        close(other); /* the role dies: whether that was noticed or not, what is asked now waits */
        for (int i = 0; i < 2; i++)
            assert_int_equal(
                link_slot_ask_patiently(&s, LINK_FORGET, STR("a"), 1000, never, &unsent), OK);
        link_slot_put(&s, api_end(&other));
        for (int i = 0; i < 2; i++)
            assert_int_equal(recv(other, got, sizeof got, MSG_DONTWAIT), FRAME_HEAD + 1);
        assert_int_equal(unsent, 0);
        close(other);
    }
    link_slot_put(&s, api_end(&other));
    assert_int_equal(link_slot_ask_patiently(&s, LINK_FORGET, STR("a"), 1000, never, &unsent), OK);
    close(other);
    link_slot_put(&s, NULL); /* asked, and gone: that is not "never sent" */
    assert_int_equal(unsent, 0);
    assert_int_equal(link_slot_ask_patiently(&s, LINK_FORGET, STR(""), 1000, never, &unsent), OK);
    assert_int_equal(link_slot_ask_patiently(&s, LINK_FORGET, STR(""), 2000, never, &unsent), OK);
    link_slot_tick(&s, 999);
    assert_int_equal(unsent, 0);
    link_slot_tick(&s, 1000);
    assert_int_equal(unsent, 1);
    link_slot_release(&s);
    assert_int_equal(unsent, 2);
}

/* An api that came back must not get its predecessor's answers: it has questions of its own. */
static void an_answer_to_a_predecessor_is_not_sent(void **state)
{
    (void)state;
    struct asked q = {0};
    join(NULL);
    card.silent = true;
    assert_int_equal(link_ask(api.link, LINK_FORGET, STR(""), on_done, &q), OK);
    assert_true(link_step(card.link, 1));
    uint64_t of_before = card.call;
    part();
    assert_int_equal(q.lost, 1);
    join(NULL);
    card.silent = true;
    assert_int_equal(link_ask(api.link, LINK_FORGET, STR(""), on_done, &q), OK);
    assert_false(link_send(card.link, LINK_FORGOTTEN, of_before, STR("old"), -1));
    assert_true(link_step(card.link, 1));
    assert_true(card.call != of_before);
    assert_false(link_send(card.link, LINK_FORGOTTEN, of_before, STR("old"), -1));
    assert_true(link_send(card.link, LINK_FORGOTTEN, card.call, STR("new"), -1));
    assert_true(link_step(api.link, 10));
    assert_string_equal(q.text, "new");
    part();
}

static int descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* Sends a frame with n descriptors. */
static void send_with(int to, const void *frame, size_t bytes, int n)
{
    union {
        char bytes[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec io = {(void *)(uintptr_t)frame, bytes};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
    for (int i = 0; i < n; i++)
        memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &to, sizeof to);
    assert_int_equal(sendmsg(to, &m, 0), bytes);
}

static void a_descriptor_that_nobody_wants_is_closed(void **state)
{
    (void)state;
    uint8_t head[FRAME_HEAD];
    for (int n = 1; n <= 3; n++)
        for (int good = 0; good < 2; good++) {
            join(NULL);
            int before = descriptors();
            frame_head(head, good ? LINK_FORGET : LINK_VAULT_OPEN, 0, 1);
            send_with(link_fd(api.link), head, sizeof head, n);
            /* two are none, and three do not fit */
            assert_int_equal(link_step(card.link, 1), good && n == 2);
            assert_int_equal(card.requests, good && n == 2);
            assert_int_equal(descriptors(), before);
            part();
        }
}

static void who_does_not_take_answers_loses_the_link(void **state)
{
    (void)state;
    static char big[LINK_PAYLOAD_MAX];
    struct asked q = {0};
    join(NULL);
    assert_int_equal(link_ask(api.link, LINK_FORGET, STR(""), on_done, &q), OK);
    card.silent = true;
    assert_true(link_step(card.link, 1));
    int n = 0;
    while (n < 1000 &&
           link_send(card.link, LINK_EGRESS_IS, card.call, (struct str){big, sizeof big}, -1))
        n++;
    assert_in_range(n, 1, 999);
    assert_int_equal(link_ask(api.link, LINK_FORGET, STR(""), on_done, &q), ERR_UNAVAILABLE);
    assert_false(link_step(card.link, 1));
    part();
    assert_int_equal(q.done, 1);
}

static void a_peer_that_hangs_is_not_waited_for(void **state)
{
    (void)state;
    int fd[2];
    struct link *l = NULL, *other = NULL;
    struct asked late = {0}, next = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    card = api = (struct end){.link = NULL};
    struct link_config c = {.fd = fd[0],
                            .self = LINK_API,
                            .peer = LINK_CARD,
                            .thread = "impatient",
                            .request = answer,
                            .arg = &api,
                            .patience_us = 200000};
    struct link_config o = {
        .fd = fd[1], .self = LINK_CARD, .peer = LINK_API, .request = answer, .arg = &card};
    assert_int_equal(link_open(&c, &l), OK);
    assert_int_equal(link_open(&o, &other), OK);
    assert_int_equal(link_ask(l, LINK_FORGET, STR("late"), on_done, &late), OK);
    wait_for(&late.done, 1);
    assert_int_equal(late.lost, 1);
    assert_true(link_step(other, 1)); /* its answer comes to nobody, and costs nobody the link */
    assert_int_equal(link_ask(l, LINK_FORGET, STR("next"), on_done, &next), OK);
    assert_true(link_step(other, 1));
    wait_for(&next.done, 1);
    assert_string_equal(next.text, "next");
    assert_int_equal(late.done, 1);
    assert_true(link_lives(l));
    link_close(l);
    link_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_table_says_who_may_send_what),
        cmocka_unit_test(a_frame_is_whole_or_none),
        cmocka_unit_test(fields_are_read_as_they_were_written),
        cmocka_unit_test(a_request_is_answered),
        cmocka_unit_test(what_was_asked_of_a_peer_that_is_gone_is_lost),
        cmocka_unit_test(a_peer_that_does_not_read_costs_a_moment),
        cmocka_unit_test(an_answer_without_room_ends_the_link),
        cmocka_unit_test(what_is_no_message_ends_the_link),
        cmocka_unit_test(an_answer_of_another_kind_is_none),
        cmocka_unit_test(what_may_wait_goes_over_the_next_link),
        cmocka_unit_test(a_peer_that_hangs_is_not_waited_for),
        cmocka_unit_test(an_answer_to_a_predecessor_is_not_sent),
        cmocka_unit_test(a_descriptor_that_nobody_wants_is_closed),
        cmocka_unit_test(who_does_not_take_answers_loses_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

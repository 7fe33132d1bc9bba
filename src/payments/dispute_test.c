/* Disputes: each way that the provider's words can take, as the books show it; files of evidence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "observe/observe.h"
#include "payments/inbox_test_lib.h"

#define WORDS_MAX 5

struct word {
    enum dispute_stage stage; /* 0: no more words */
    enum dispute_status status;
    int64_t amount; /* 0: the usual */
};
struct way {
    const char *what;
    struct word words[WORDS_MAX];
    int hold, release, loss, reversal; /* journals in the end */
    int64_t disputed, lost;
    int state; /* enum dispute_state */
};

#define ASKED                                                                                      \
    {                                                                                              \
        STAGE_INQUIRY, DISPUTED_NEEDS_RESPONSE, 0                                                  \
    }
#define CHARGED                                                                                    \
    {                                                                                              \
        STAGE_CHARGEBACK, DISPUTED_NEEDS_RESPONSE, 0                                               \
    }
#define REVIEW                                                                                     \
    {                                                                                              \
        STAGE_CHARGEBACK, DISPUTED_UNDER_REVIEW, 0                                                 \
    }
#define WON                                                                                        \
    {                                                                                              \
        STAGE_CHARGEBACK, DISPUTED_WON, 0                                                          \
    }
#define LOST                                                                                       \
    {                                                                                              \
        STAGE_CHARGEBACK, DISPUTED_LOST, 0                                                         \
    }
static const struct way ways[] = {
    {"won", {CHARGED, REVIEW, WON}, 1, 1, 0, 0, 0, 0, DISPUTE_WON},
    {"lost", {CHARGED, REVIEW, LOST}, 1, 0, 1, 0, 0, 3000, DISPUTE_LOST},
    {"lost, then reversed", {CHARGED, LOST, WON}, 1, 0, 1, 1, 0, 0, DISPUTE_WON},
    {"open", {CHARGED, REVIEW}, 1, 0, 0, 0, 3000, 0, DISPUTE_UNDER_REVIEW},
    {"asked and answered",
     {ASKED, {STAGE_INQUIRY, DISPUTED_CLOSED, 0}},
     0,
     0,
     0,
     0,
     0,
     0,
     DISPUTE_WON},
    {"asked, then charged back, then accepted",
     {ASKED, CHARGED, {STAGE_CHARGEBACK, DISPUTED_ACCEPTED, 0}},
     1,
     0,
     1,
     0,
     0,
     3000,
     DISPUTE_ACCEPTED},
    {"under review when charged back",
     {ASKED, {STAGE_INQUIRY, DISPUTED_UNDER_REVIEW, 0}, CHARGED},
     1,
     0,
     0,
     0,
     3000,
     0,
     DISPUTE_NEEDS_RESPONSE},
    {"an inquiry accepted takes the money",
     {ASKED, {STAGE_INQUIRY, DISPUTED_ACCEPTED, 0}},
     1,
     0,
     1,
     0,
     0,
     3000,
     DISPUTE_ACCEPTED},
    {"won, opened again and lost",
     {CHARGED, WON, CHARGED, LOST},
     2,
     1,
     1,
     0,
     0,
     3000,
     DISPUTE_LOST},
    {"won, then lost after all", {CHARGED, WON, LOST}, 2, 1, 1, 0, 0, 3000, DISPUTE_LOST},
    {"of another amount",
     {CHARGED, {STAGE_CHARGEBACK, DISPUTED_UNDER_REVIEW, 2500}},
     2,
     1,
     0,
     0,
     2500,
     0,
     DISPUTE_UNDER_REVIEW},
    {"lost of one amount, reversed of another",
     {CHARGED, LOST, {STAGE_CHARGEBACK, DISPUTED_WON, 2500}},
     1,
     0,
     1,
     1,
     0,
     0,
     DISPUTE_WON},
    {"first heard of when it was lost", {LOST}, 1, 0, 1, 0, 0, 3000, DISPUTE_LOST},
    {"lost and still lost", {CHARGED, LOST, LOST}, 1, 0, 1, 0, 0, 3000, DISPUTE_LOST},
};

static struct provider_event events[WORDS_MAX];
static struct inbox_webhook webhooks[WORDS_MAX];

static void say(struct id payment, const struct word *word, int64_t version, int64_t due_us)
{
    struct provider_event *e = &events[version - 1];
    struct inbox_webhook *w = &webhooks[version - 1];
    struct dispute_facts *f = &e->outcome.dispute;
    *e = (struct provider_event){.kind = PROVIDER_EVENT_DISPUTE,
                                 .outcome = {.kind = OUTCOME_ACCEPTED}};
    *f = (struct dispute_facts){.reference = "dp_1",
                                .stage = word->stage,
                                .status = word->status,
                                .amount = word->amount ? word->amount : 3000,
                                .fee = word->stage == STAGE_CHARGEBACK ? 1500 : 0,
                                .currency = 978,
                                .due_us = due_us,
                                .version = version,
                                .reason = "fraudulent"};
    (void)snprintf(e->id, sizeof e->id, "ev_%d", (int)version);
    id_text(ID_ATTEMPT, id_derive(payment, 1), e->reference);
    id_text(ID_ATTEMPT, id_derive(payment, 1), f->charge);
    *w = (struct inbox_webhook){.account = WORLD_ACCOUNT, .event = e};
    world_webhook(w);
    world_settle();
}

static int times(const struct buf *text, const char *word)
{
    int n = 0;
    for (const char *p = text->p; (p = strstr(p, word)); p += strlen(word))
        n++;
    return n;
}

static void expect(const struct buf *text, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void expect(const struct buf *text, const char *what, const char *fmt, ...)
{
    char want[128];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(want, sizeof want, fmt, ap);
    va_end(ap);
    if (!strstr(text->p, want))
        fail_msg("%s: no \"%s\" in\n%s", what, want, text->p);
}

static void each_way_leaves_the_books_as_it_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        const struct way *way = &ways[i];
        struct buf out = BUF(100000);
        struct id payment;
        world_open();
        world_create(TOKEN_SALE, 10000, true, &payment);
        world_settle();
        for (int w = 0; w < WORDS_MAX && way->words[w].stage; w++)
            say(payment, &way->words[w], w + 1, world_now_us() + 7 * DAY_US);
        world_describe(payment, &out);
        expect(&out, way->what, "amount_disputed=%lld ", (long long)(way->disputed + way->lost));
        expect(&out, way->what, "object=dispute state=%d ", way->state);
        expect(&out, way->what, "held=%lld ", (long long)way->disputed);
        if (times(&out, "\"dispute_hold\"") != way->hold ||
            times(&out, "\"dispute_release\"") != way->release ||
            times(&out, "\"dispute_loss\"") != way->loss ||
            times(&out, "\"dispute_reversal\"") != way->reversal)
            fail_msg("%s: other journals than these:\n%s", way->what, out.p);
        world_verify();
        world_close();
        buf_free(&out);
    }
}

/* On the deadline the provider is asked, unless it has spoken. */
static void the_deadline_is_watched(void **state)
{
    (void)state;
    static const struct word charged = CHARGED, lost = LOST;
    struct id payment;
    world_open();
    world_create(TOKEN_SALE, 10000, true, &payment);
    world_settle();
    say(payment, &charged, 1, world_now_us() + 7 * DAY_US);
    world_pass(6 * DAY_US + 1);
    world_pass(DAY_US / 2);
    assert_int_equal(world_calls(OPERATION_INQUIRE_DISPUTE), 0);
    world_pass(DAY_US);
    assert_int_equal(world_calls(OPERATION_INQUIRE_DISPUTE), 1);
    say(payment, &lost, 2, 0);
    world_pass(30 * DAY_US);
    assert_int_equal(world_calls(OPERATION_INQUIRE_DISPUTE), 1);
    world_verify();
    world_close();
}

/* The provider's own word comes while it is being answered; its answer does not say how the dispute
 * stands. What is concluded from that must not take the number of its next word. */
static void what_a_provider_did_not_say_has_no_number(void **state)
{
    (void)state;
    static const struct word charged = CHARGED, won = WON,
                             accepted = {STAGE_CHARGEBACK, DISPUTED_ACCEPTED, 0};
    struct id payment, told;
    struct buf text = BUF(65536);
    /* its word of the acceptance: never, afterwards, before its answer */
    for (int word = 0; word < 3; word++) {
        world_open();
        world_create(TOKEN_SALE, 10000, true, &payment);
        world_settle();
        say(payment, &charged, 1, 0);
        world_hold();
        world_flow(&dispute_accept_flow, world_dispute(payment), NULL, ID_DISPUTE, &told);
        world_settle();
        if (word == 2)
            say(payment, &accepted, 2, 0);
        world_release();
        if (word == 1)
            say(payment, &accepted, 2, 0);
        world_describe(payment, &text);
        expect(&text, "accepted", "object=dispute state=%d ", DISPUTE_ACCEPTED);
        say(payment, &won, word ? 3 : 2, 0);
        world_describe(payment, &text);
        expect(&text, "reversed", "object=dispute state=%d ", DISPUTE_WON);
        expect(&text, "reversed", "provider_version=%d ", word ? 3 : 2);
        world_verify();
        world_close();
    }
    buf_free(&text);
}

static void files_are_what_they_say(void **state)
{
    (void)state;
    static const struct evidence_file good = {
        {"receipt", 7}, {"a.pdf", 5}, {"application/pdf", 15}, {"%PDF-1.7", 8}};
    const struct {
        struct evidence_file file;
        const char *param; /* NULL: it is good */
    } cases[] = {
        {good, NULL},
        {{good.purpose, STR("b.png"), STR("image/png"), STR("\x89PNG\r\n\x1a\n..")}, NULL},
        {{good.purpose, STR("c.jpeg"), STR("image/jpeg"), STR("\xff\xd8\xff\xe0")}, NULL},
        {{good.purpose, STR("b.png"), STR("image/png"), good.content}, "f.content_type"},
        {{good.purpose, good.name, good.content_type, STR("%PDF")}, "f.content_type"},
        {{good.purpose, good.name, STR("text/plain"), good.content}, "f.content_type"},
        {{STR("Receipt"), good.name, good.content_type, good.content}, "f.purpose"},
        {{good.purpose, STR("a/b.pdf"), good.content_type, good.content}, "f.name"},
        {{good.purpose, STR("..pdf"), good.content_type, good.content}, "f.name"},
        {{good.purpose, STR("a\n.pdf"), good.content_type, good.content}, "f.name"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err_info info = {0};
        err_t err = evidence_file_check(&cases[i].file, "f", &info);
        assert_int_equal(err, cases[i].param ? ERR_PARAM_INVALID : OK);
        assert_string_equal(info.param, cases[i].param ? cases[i].param : "");
    }
}

/* The limits hold together: all of it fits into a provider call. */
static void all_evidence_fits_into_a_call(void **state)
{
    (void)state;
    size_t files = EVIDENCE_FILES_MAX * (EVIDENCE_FILE_MAX / 3 * 4 + 4 + 1024);
    assert_true(files + 65536 + 64 <= EVIDENCE_BYTES_MAX);
    size_t texts = 0;
    for (size_t i = 0; i < evidence_fields_n; i++)
        texts += (size_t)evidence_fields[i].max;
    assert_true(texts < 65536);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_way_leaves_the_books_as_it_should),
        cmocka_unit_test(the_deadline_is_watched),
        cmocka_unit_test(what_a_provider_did_not_say_has_no_number),
        cmocka_unit_test(files_are_what_they_say),
        cmocka_unit_test(all_evidence_fits_into_a_call),
    };
    wire_init();
    log_open(2, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

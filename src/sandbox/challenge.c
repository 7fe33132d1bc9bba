/* The issuer's page: shows what is to be paid, takes the customer's answer, and sends the browser
 * back to the shop. Nothing here is decided twice: the book ends a challenge once. */
#include <stdio.h>

#include "sandbox/pages_internal.h"
#include "sys/sys.h"

struct page_call {
    struct http_request *req;
    struct sandbox *s;
    struct challenge_end end; /* has the store_op, and is what its transaction gets */
    bool post;
};

static bool read_charge_id(struct str text, struct id *ret)
{
    static const struct str prefix = {"ch_", 3};
    char other[ID_TEXT_MAX];
    if (!str_starts(text, prefix) || text.n >= sizeof other - 1)
        return false;
    int n = snprintf(other, sizeof other, "%s%.*s", id_prefix(ID_ATTEMPT), (int)(text.n - prefix.n),
                     text.p + prefix.n);
    return n > 0 && (size_t)n < sizeof other && id_parse(ID_ATTEMPT, str_from(other), ret);
}

static void write_left(struct buf *out, int64_t seconds)
{
    if (seconds >= 120)
        buf_printf(out, "%lld minutes", (long long)(seconds / 60));
    else
        buf_printf(out, "%lld seconds", (long long)seconds);
}

static const char *brand_name(const char *brand)
{
    static const char *const names[][2] = {
        {"visa", "Visa"}, {"mastercard", "Mastercard"}, {"amex", "American Express"}};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(brand, names[i][0]) == 0)
            return names[i][1];
    return "Card";
}

static void show_question(struct page_call *c)
{
    const struct challenge_end *e = &c->end;
    struct buf body = BUF(PAGE_BYTES_MAX), amount = BUF(64), left = BUF(64), card = BUF(128);
    char seconds[32];
    int64_t left_ms = num_max(e->until_ms - sys_now_us() / 1000, 0);
    page_amount(&amount, e->amount, str_from(e->currency));
    write_left(&left, (left_ms + 999) / 1000);
    (void)snprintf(seconds, sizeof seconds, "%lld", (long long)left_ms / 1000 + 1);
    buf_printf(&card, "%s ending in %s", brand_name(e->brand), e->last_four);
    PAGE_FILL(&body, "challenge.html",
              {"merchant", e->descriptor[0] ? str_from(e->descriptor) : STR("Sandbox merchant")},
              {"amount", buf_view(&amount)}, {"card", buf_view(&card)}, {"left", buf_view(&left)});
    buf_free(&amount);
    buf_free(&left);
    buf_free(&card);
    page_reply(c->req, 200, PAGE_FRAMED, seconds, &body); /* then the page says that it is over */
}

static void show_answered(struct page_call *c)
{
    page_message(c->req, 200, "Thank you",
                 "This payment has its answer already, or its time is over. Nothing more is to be "
                 "done here; the shop knows how it went.",
                 str_from(c->end.return_url));
}

static void page_done(err_t err, void *arg)
{
    struct page_call *c =
        (struct page_call *)(void *)((char *)arg - offsetof(struct page_call, end));
    if (err) {
        page_message(c->req, 503, "One moment, please",
                     "The sandbox cannot answer just now. Load this page again.", (struct str){0});
        return;
    }
    if (!c->end.found) {
        page_message(c->req, 404, "There is no such payment",
                     "This address belongs to no payment that waits for an answer.",
                     (struct str){0});
        return;
    }
    if (c->post)
        notify_wake(c->s);
    if (c->post && page_url_valid(str_from(c->end.return_url)))
        page_redirect(c->req, c->end.return_url);
    else if (c->end.open && !c->post)
        show_question(c);
    else
        show_answered(c);
}

static void page_begin(struct http_request *req, struct sandbox *s, bool post,
                       enum challenge_result result)
{
    struct page_call *c = arena_alloc(req->arena, sizeof *c);
    if (!c) {
        answer_code(req, 503, "unavailable", "There is no memory for this request.");
        return;
    }
    c->req = req;
    c->s = s;
    c->post = post;
    c->end.s = s;
    c->end.result = result;
    c->end.op = (struct store_op){
        .run = post ? challenge_end_run : challenge_read_run, .done = page_done, .arg = &c->end};
    if (!read_charge_id(req->params[0], &c->end.charge_id)) {
        page_message(req, 404, "There is no such payment",
                     "This address belongs to no payment that waits for an answer.",
                     (struct str){0});
        return;
    }
    err_t err = post ? store_submit(s->store, &c->end.op) : store_submit_read(s->store, &c->end.op);
    if (err)
        page_done(err, &c->end);
}

void challenge_get(struct http_request *req, void *ctx)
{
    page_begin(req, ctx, false, CHALLENGE_EXPIRE);
}

static bool answer_read(struct http_request *req, enum challenge_result *ret)
{
    static const struct {
        const char *name;
        enum challenge_result result;
    } answers[] = {{"approve", CHALLENGE_APPROVE},
                   {"fail", CHALLENGE_FAIL},
                   {"cancel", CHALLENGE_CANCEL},
                   {"expire", CHALLENGE_EXPIRE}};
    static const struct json_limits limits = {1024, 2};
    struct url_pair pairs[2];
    size_t n = 0;
    struct str given = {0};
    json_t *json = NULL;
    if (req->query.p && url_query(req->query, req->arena, pairs, COUNT_OF(pairs), &n, NULL))
        return false;
    for (size_t i = 0; i < n; i++)
        if (str_eq(pairs[i].name, STR("answer")))
            given = pairs[i].value;
    if (!given.p && req->body.n && json_read(req->body, &limits, &json, NULL) == OK)
        given = str_from(json_string_value(json_object_get(json, "answer")));
    bool found = false;
    for (size_t i = 0; i < COUNT_OF(answers) && !found; i++) {
        found = str_eq(given, str_from(answers[i].name));
        if (found)
            *ret = answers[i].result;
    }
    json_decref(json);
    return found;
}

/* A form's button says it in the query, since a form's body is not JSON; programs may send JSON. */
void challenge_post(struct http_request *req, void *ctx)
{
    enum challenge_result result;
    if (answer_read(req, &result))
        page_begin(req, ctx, true, result);
    else
        page_message(req, 400, "That is no answer",
                     "An answer is approve, fail, cancel or expire. Go back and choose one.",
                     (struct str){0});
}

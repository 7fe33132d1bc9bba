/* What merchants ask for, and when: payments at random times, and what becomes of each. */
#include "sim/client_internal.h"

/* Of POST /v1/payments. */
#define AMOUNT_REQUEST_MAX INT64_C(999999999999)

/* --- when --- */
/* Exponential with that mean, by comparing uniform numbers only (von Neumann, 1951): a logarithm
 * may differ in the last bit between machines. */
static int64_t interval_us(struct clients *c, int64_t mean_us)
{
    for (uint64_t whole = 0;; whole++) {
        uint64_t first = det_below(&c->rng, UINT64_C(1) << 32), last = first;
        bool odd = true;
        for (uint64_t u; (u = det_below(&c->rng, UINT64_C(1) << 32)) < last; last = u)
            odd = !odd;
        if (odd)
            return (int64_t)(whole * (uint64_t)mean_us + ((uint64_t)mean_us * first >> 32));
    }
}

/* Mostly seconds, seldom minutes. */
int64_t client_while_us(struct clients *c)
{
    int64_t kind = client_between(c, 0, 9);
    return kind < 5   ? client_between(c, SECOND_US / 10, 8 * SECOND_US)
           : kind < 9 ? client_between(c, 8 * SECOND_US, 60 * SECOND_US)
                      : client_between(c, 60 * SECOND_US, 240 * SECOND_US);
}

static void plan_create(struct clients *c)
{
    if (c->profile.payments_per_hour > 0)
        client_later(c, interval_us(c, 3600 * SECOND_US / c->profile.payments_per_hour),
                     PLAN_CREATE, 0, 0);
}

void client_make_start(struct clients *c)
{
    plan_create(c);
}

/* --- creates --- */
int64_t client_amount(struct clients *c)
{
    int64_t kind = client_between(c, 0, 19);
    return kind < 2    ? client_between(c, 1, 9)
           : kind < 16 ? client_between(c, 100, 50000)
           : kind < 19 ? client_between(c, 50001, 10000000)
                       : client_between(c, 10000001, AMOUNT_REQUEST_MAX);
}

static void draw_payment(struct clients *c, struct ask *a)
{
    static const char *const currencies[] = {"EUR", "EUR", "EUR", "USD",
                                             "GBP", "CHF", "JPY", "KWD"};
    if (a->amount == 0)
        a->amount = client_amount(c);
    a->capture = !client_chance(c, c->profile.auth_only);
    if (!a->currency[0])
        (void)snprintf(a->currency, sizeof a->currency, "%s",
                       currencies[det_below(&c->rng, COUNT_OF(currencies))]);
    (void)snprintf(a->path, sizeof a->path, "/v1/payments");
    buf_printf(&a->body, "{\"amount\":%lld,\"currency\":\"%s\"", (long long)a->amount, a->currency);
    cards_members(c, a);
    if (!a->capture || client_chance(c, 750)) /* true if not said */
        buf_printf(&a->body, ",\"capture\":%s", a->capture ? "true" : "false");
    if (client_chance(c, 200))
        buf_str(
            &a->body,
            ",\"description\":\"Caf\u00e9 \\\"M\u00fcnster\\\", Tisch 4 \\u2192 2 \u00d7 \u2615\"");
    if (client_chance(c, 100))
        buf_str(&a->body, ",\"statement_descriptor\":\"SHOP 0815 +49 30 1234\"");
    buf_printf(&a->body, ",\"metadata\":{\"ask\":\"%zu\"%s}}", a->number,
               client_chance(c, 200) ? ",\"order_id\":\"ORD-1001\",\"note\":\"\"" : "");
}

void client_pay(struct clients *c, int merchant, size_t from, int64_t amount)
{
    struct ask *a = client_begin(c, ASK_CREATE, merchant);
    c->memory[a->number].from = from;
    a->amount = amount;
    if (from) /* of an order */
        memcpy(a->currency, c->asks[from].currency, sizeof a->currency);
    draw_payment(c, a);
    if (client_chance(c, c->profile.sync))
        client_later(c, client_while_us(c), PLAN_SYNC, a->number, 0);
    if (client_chance(c, c->profile.read))
        client_later(c, client_while_us(c), PLAN_READ, a->number, 0);
    client_send(c, a->number);
}

static void make_create(struct clients *c)
{
    if (client_over(c))
        return;
    plan_create(c);
    int merchant = (int)client_between(c, 0, (int64_t)c->merchants_n - 1);
    if (!typed_instead(c, merchant) && !cards_instead(c, merchant))
        client_pay(c, merchant, 0, 0);
}

/* --- about a payment --- */
static void set_path(struct ask *a, const char *payment)
{
    static const char *const last[] = {
        [ASK_CAPTURE] = "/capture",     [ASK_CANCEL] = "/cancel", [ASK_REFUND] = "/refund",
        [ASK_SYNC] = "/sync",           [ASK_READ] = "",          [ASK_CONFIRM] = "/confirm",
        [ASK_INCREMENT] = "/increment",
    };
    (void)snprintf(a->path, sizeof a->path, "/v1/payments/%s%s", payment,
                   (size_t)a->kind < COUNT_OF(last) && last[a->kind] ? last[a->kind] : "");
}

/* An ask about the payment that `create` made; the path is set. */
struct ask *client_about(struct clients *c, enum ask_kind kind, size_t create)
{
    struct ask *a = client_begin(c, kind, c->asks[create].merchant);
    a->about = create;
    set_path(a, c->asks[create].payment);
    return a;
}

static void write_capture(struct clients *c, struct ask *a, int64_t amount)
{
    int64_t kind = client_between(c, 0, 3);
    a->amount = amount;
    if (amount > 0) {
        buf_printf(&a->body, "{\"amount\":%lld%s}", (long long)amount,
                   kind == 0   ? ",\"final\":true"
                   : kind == 1 ? ",\"final\":false"
                               : "");
    } else if (kind == 0 && c->profile.parts == 0) { /* what is asked for may have changed else */
        a->amount = c->asks[a->about].amount;
        buf_printf(&a->body, "{\"amount\":%lld}", (long long)a->amount);
    } else if (kind < 3) { /* the third sends no body */
        buf_str(&a->body, kind == 1 ? "{}" : "{\"amount\":null}");
    }
}

static void write_refund(struct clients *c, struct ask *a, int64_t amount)
{
    a->amount = amount;
    buf_byte(&a->body, '{');
    if (amount > 0)
        buf_printf(&a->body, "\"amount\":%lld,", (long long)amount);
    if (client_chance(c, 300))
        buf_str(&a->body, "\"reason\":\"requested_by_customer\",");
    buf_printf(&a->body, "\"metadata\":{\"ask\":\"%zu\"}}", a->number);
}

static void write_body(struct clients *c, struct ask *a, int64_t amount)
{
    switch (a->kind) {
    case ASK_CAPTURE:
        write_capture(c, a, amount);
        break;
    case ASK_CANCEL:
        a->amount = amount;
        if (amount > 0)
            buf_printf(&a->body, "{\"amount\":%lld}", (long long)amount);
        else
            buf_str(&a->body, client_chance(c, 500) ? "" : "{\"reason\":\"out of stock\"}");
        break;
    case ASK_REFUND:
        write_refund(c, a, amount);
        break;
    default: /* syncs and reads need none */
        break;
    }
}

/* What may be read: %s is the payment. */
static const char *const about_payment[] = {
    "/v1/payments/%s",        "/v1/payments/%s",          "/v1/payments/%s/attempts",
    "/v1/payments/%s/events", "/v1/payments/%s/journals", "/v1/payments/%s/explain",
    "/v1/refunds?payment=%s",
};
static const char *const about_all[] = {
    "/v1/payments",
    "/v1/payments?limit=100",
    "/v1/payments?status=captured&limit=3",
    "/v1/payments?currency=JPY",
    "/v1/refunds",
    "/v1/refunds?status=pending&limit=1",
    "/v1/events?limit=25",
    "/v1/events?type=payment.captured",
    "/v1/balances",
    "/v1/provider_accounts",
    "/v1/webhook_endpoints",
    "/v1/payments?last_four=4242&limit=5",
    "/v1/disputes",
    "/v1/reviews?status=open",
    "/v1/orders?limit=2",
    "/v1/customers?limit=2",
    "/v1/payment_methods?limit=2",
};

static void draw_read(struct clients *c, struct ask *a)
{
    const struct ask *made = &c->asks[a->about];
    size_t refund = c->memory[a->about].refund;
    if (!made->payment[0] || client_chance(c, 400)) {
        (void)snprintf(a->path, sizeof a->path, "%s",
                       about_all[det_below(&c->rng, COUNT_OF(about_all))]);
    } else if (refund && client_chance(c, 300)) {
        (void)snprintf(a->path, sizeof a->path, "/v1/refunds/%s", c->asks[refund].refund);
    } else {
        const char *path = about_payment[det_below(&c->rng, COUNT_OF(about_payment))];
        const char *at = strstr(path, "%s");
        (void)snprintf(a->path, sizeof a->path, "%.*s%s%s", (int)(at - path), path, made->payment,
                       at + 2);
    }
}

/* --- what must be refused --- */
/* The key of another ask, whose answer is kept, and another body. */
static void make_reuse(struct clients *c, size_t other)
{
    struct ask *a = client_begin(c, c->asks[other].kind, c->asks[other].merchant);
    const struct ask *o = &c->asks[other];
    if (a->kind == ASK_CREATE)
        draw_payment(c, a);
    else
        a->about = o->about;
    memcpy(a->path, o->path, sizeof a->path);
    memcpy(a->key, o->key, sizeof a->key);
    a->reuse = true;
    if (a->kind == ASK_CAPTURE)
        buf_str(&a->body, "{\"final\":true,\"amount\":null}");
    else if (a->kind == ASK_CANCEL)
        buf_str(&a->body, "{\"reason\":\"another\"}");
    else if (a->kind == ASK_REFUND)
        write_refund(c, a, client_between(c, 0, 5));
    else if (a->kind != ASK_CREATE)
        buf_str(&a->body, "{\"payment_method_token\":\"pm_tok_another\"}");
    client_send(c, a->number);
}

static enum ask_kind draw_later_kind(struct clients *c)
{
    static const enum ask_kind kinds[] = {ASK_CAPTURE, ASK_CANCEL, ASK_REFUND, ASK_SYNC, ASK_READ};
    return kinds[det_below(&c->rng, COUNT_OF(kinds))];
}

static void make_foreign(struct clients *c, size_t create)
{
    if (c->merchants_n < 2)
        return;
    struct ask *a = client_about(c, draw_later_kind(c), create);
    int64_t other = client_between(c, 0, (int64_t)c->merchants_n - 2);
    a->merchant = (int)(other < a->merchant ? other : other + 1);
    a->foreign = true;
    write_body(c, a, client_between(c, 0, c->asks[create].amount));
    client_send(c, a->number);
}

/* %zu is the ask's number: should it be carried out all the same, it is known whose fault it is. */
#define ABSURD_HEAD "\"payment_method_token\":\"pm_tok_visa\",\"metadata\":{\"ask\":\"%zu\"}"
static const struct {
    int64_t amount;
    const char *currency, *body;
} absurd_creates[] = {
    {-5, "EUR", "{\"amount\":-5,\"currency\":\"EUR\"," ABSURD_HEAD "}"},
    {0, "EUR", "{\"amount\":0,\"currency\":\"EUR\"," ABSURD_HEAD "}"},
    {AMOUNT_REQUEST_MAX + 1, "EUR",
     "{\"amount\":1000000000000,\"currency\":\"EUR\"," ABSURD_HEAD "}"},
    {INT64_MAX, "EUR", "{\"amount\":9223372036854775808,\"currency\":\"EUR\"," ABSURD_HEAD "}"},
    {100, "EUR", "{\"amount\":\"100\",\"currency\":\"EUR\"," ABSURD_HEAD "}"},
    {100, "EUR", "{\"amount\":100.0,\"currency\":\"EUR\"," ABSURD_HEAD "}"},
    {0, "EUR", "{\"currency\":\"EUR\"," ABSURD_HEAD "}"},
    {100, "QQQ", "{\"amount\":100,\"currency\":\"QQQ\"," ABSURD_HEAD "}"},
    {100, "eur", "{\"amount\":100,\"currency\":\"eur\"," ABSURD_HEAD "}"},
    {100, "EUR", "{\"amount\":100,\"currency\":\"EUR\",\"colour\":\"red\"," ABSURD_HEAD "}"},
    {100, "EUR", "{\"amount\":100,\"amount\":200,\"currency\":\"EUR\"," ABSURD_HEAD "}"},
    {100, "EUR", "{\"amount\":100,\"currency\":\"EUR\",\"capture\":\"yes\"," ABSURD_HEAD "}"},
    {100, "EUR", "{\"amount\":100,\"currency\":\"EUR\"," ABSURD_HEAD},
    {100, "EUR", "{\"amount\":100,\"currency\":\"EUR\"," ABSURD_HEAD "}}"},
    {100, "EUR", "[{\"amount\":100,\"currency\":\"EUR\"," ABSURD_HEAD "}]"},
};

/* The format with its one %zu filled. */
static void add_numbered(struct ask *a, const char *format)
{
    const char *at = strstr(format, "%zu");
    ASSERT(at != NULL);
    buf_add(&a->body, format, (size_t)(at - format));
    buf_printf(&a->body, "%zu%s", a->number, at + 3);
}

static struct ask *absurd_create(struct clients *c, int merchant)
{
    size_t i = (size_t)det_below(&c->rng, COUNT_OF(absurd_creates));
    struct ask *a = client_begin(c, ASK_CREATE, merchant);
    (void)snprintf(a->path, sizeof a->path, "/v1/payments");
    (void)snprintf(a->currency, sizeof a->currency, "%s", absurd_creates[i].currency);
    a->amount = absurd_creates[i].amount;
    a->capture = true;
    add_numbered(a, absurd_creates[i].body);
    return a;
}

/* A payment that does not exist, or whose name cannot be one. */
static struct ask *absurd_unknown(struct clients *c, int merchant)
{
    char id[ID_TEXT_MAX] = "pay_nonsense";
    struct ask *a = client_begin(c, draw_later_kind(c), merchant);
    c->rng.now_us = sim_now_us();
    if (client_chance(c, 700))
        id_text(ID_PAYMENT, id_new(&c->rng), id);
    set_path(a, id);
    write_body(c, a, client_between(c, 0, 100));
    return a;
}

/* What no state of the payment allows. */
static struct ask *absurd_later(struct clients *c, size_t create)
{
    static const struct {
        enum ask_kind kind;
        const char *body;
    } wrong[] = {
        {ASK_CAPTURE, "{\"amount\":-1}"},    {ASK_CAPTURE, "{\"amount\":"},
        {ASK_CANCEL, "{\"because\":\"x\"}"}, {ASK_SYNC, "{\"amount\":1}"},
        {ASK_REFUND, "{\"amount\":0}"},      {ASK_REFUND, "{\"amount\":5,\"to\":\"me\"}"},
    };
    int64_t much = c->asks[create].amount * (c->profile.parts ? 20 : 1); /* it may be raised */
    int64_t too_much = much + client_between(c, 1, 1000), kind = client_between(c, 0, 3);
    struct ask *a = client_chance(c, 500) ? cards_absurd(c, create) : NULL;
    if (a)
        return a;
    if (kind == 0 && c->memory[create].captured)
        return client_about(c, client_chance(c, 500) ? ASK_CAPTURE : ASK_CANCEL, create);
    if (kind < 2) {
        a = client_about(c, ASK_CAPTURE, create);
        a->amount = too_much;
        buf_printf(&a->body, "{\"amount\":%lld}", (long long)too_much);
    } else if (kind == 2) {
        a = client_about(c, ASK_REFUND, create);
        write_refund(c, a, too_much);
    } else {
        size_t i = (size_t)det_below(&c->rng, COUNT_OF(wrong));
        a = client_about(c, wrong[i].kind, create);
        buf_str(&a->body, wrong[i].body);
    }
    return a;
}

static void make_absurd(struct clients *c, size_t create)
{
    int merchant = c->asks[create].merchant;
    int64_t kind = client_between(c, 0, 9);
    struct ask *a = kind < 3 || !c->asks[create].payment[0] ? absurd_create(c, merchant)
                    : kind < 5                              ? absurd_unknown(c, merchant)
                                                            : absurd_later(c, create);
    c->memory[a->number].absurd = true;
    client_send(c, a->number);
}

/* --- what is due --- */
void client_make(struct clients *c, const struct client_job *job)
{
    static const enum ask_kind kinds[] = {[PLAN_CAPTURE] = ASK_CAPTURE,
                                          [PLAN_CANCEL] = ASK_CANCEL,
                                          [PLAN_REFUND] = ASK_REFUND,
                                          [PLAN_SYNC] = ASK_SYNC,
                                          [PLAN_READ] = ASK_READ};
    if (job->plan == PLAN_CREATE) {
        make_create(c);
    } else if (client_over(c)) {
        return;
    } else if (job->plan == PLAN_ABSURD) {
        make_absurd(c, job->ask);
    } else if (job->plan == PLAN_REUSE) {
        make_reuse(c, job->ask);
    } else if (job->plan >= PLAN_FOR || job->plan == PLAN_CONTEST || job->plan == PLAN_UNDO) {
        cards_make(c, job);
    } else if (job->plan != PLAN_READ && !c->asks[job->ask].payment[0]) {
        return; /* nobody knows its name */
    } else if (job->plan == PLAN_FOREIGN) {
        make_foreign(c, job->ask);
    } else if (job->plan > PLAN_ABSURD) {
        cards_make(c, job);
    } else {
        struct ask *a = client_about(c, kinds[job->plan], job->ask);
        if (a->kind == ASK_READ)
            draw_read(c, a);
        write_body(c, a, job->amount);
        client_send(c, a->number);
    }
}

/* --- what follows --- */
void client_plan_refunds(struct clients *c, size_t create)
{
    int64_t amount = c->asks[create].amount, at_us = client_while_us(c), left = amount;
    int64_t kind = client_between(c, 0, 9), n = client_between(c, 2, 4);
    if (kind < 4) { /* all of it, named or not */
        client_later(c, at_us, PLAN_REFUND, create, kind < 2 ? 0 : amount);
    } else if (kind < 7) { /* in parts, one after another; what is left in the end may stay */
        for (; n > 0 && left > 0; n--) {
            int64_t part = client_between(c, 1, left);
            client_later(c, at_us, PLAN_REFUND, create, part);
            left -= part;
            at_us += client_while_us(c);
        }
    } else { /* at once, more than there is in sum */
        for (; n > 0; n--)
            client_later(c, at_us + client_between(c, 0, 5000), PLAN_REFUND, create,
                         client_chance(c, 200) ? 0 : client_between(c, amount / 2 + 1, amount));
    }
}

static void plan_authorized(struct clients *c, size_t create)
{
    int64_t at_us = client_while_us(c);
    if (client_chance(c, c->profile.parts)) {
        cards_plan_parts(c, create);
        return;
    }
    bool cancel = client_chance(c, c->profile.cancel), capture = !cancel && client_chance(c, 900);
    if (c->profile.cancel > 0 && client_chance(c, 100))
        cancel = capture = true; /* at once */
    if (cancel)
        client_later(c, at_us + client_between(c, 0, 5000), PLAN_CANCEL, create, 0);
    if (capture)
        client_later(c, at_us + client_between(c, 0, 5000), PLAN_CAPTURE, create, 0);
    if (capture && client_chance(c, 50)) /* two that do not know of each other */
        client_later(c, at_us + client_between(c, 0, 50000), PLAN_CAPTURE, create, 0);
}

static void plan_life(struct clients *c, size_t create)
{
    const struct ask *a = &c->asks[create];
    if (!a->payment[0] || (a->first.status != 200 && !client_chance(c, 100)))
        return;
    if (!a->capture) {
        plan_authorized(c, create);
        return;
    }
    if (client_chance(c, c->profile.cancel))
        client_later(c, client_while_us(c), PLAN_CANCEL, create, 0);
    if (client_chance(c, c->profile.refund))
        client_plan_refunds(c, create);
}

void client_make_follow(struct clients *c, size_t number)
{
    const struct ask *a = &c->asks[number];
    const struct client_memory *m = &c->memory[number];
    bool kept = client_kept(a);
    if (kept && client_chance(c, c->profile.replay))
        client_later(c, client_while_us(c), PLAN_REPLAY, number, 0);
    if (client_over(c) || m->added || m->absurd || a->reuse || a->foreign)
        return;
    cards_follow(c, number);
    a = &c->asks[number];
    if (kept && client_chance(c, c->profile.reuse))
        client_later(c, client_while_us(c), PLAN_REUSE, number, 0);
    if (client_chance(c, c->profile.foreign))
        client_later(c, client_while_us(c), PLAN_FOREIGN, a->about, 0);
    if (client_chance(c, c->profile.absurd))
        client_later(c, client_while_us(c), PLAN_ABSURD, a->about, 0);
    if (a->kind == ASK_CREATE)
        plan_life(c, number);
    else if (a->kind == ASK_CAPTURE && a->first.status == 200 &&
             client_chance(c, c->profile.refund))
        client_plan_refunds(c, a->about);
}

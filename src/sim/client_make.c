/* What clients ask for. */
#include "sim/client_internal.h"

static const struct {
    char code[4];
    int64_t most;
} currencies[] = {{"EUR", 500000}, {"USD", 99999999}, {"JPY", 1000000}, {"KWD", 7000000}};

static struct buf text(const char *s)
{
    struct buf b = BUF((size_t)1 << 16);
    buf_str(&b, s);
    return b;
}

static void give_key(struct clients *c, struct ask *a)
{
    if (!client_chance(c, c->profile.keyless))
        (void)snprintf(a->key, sizeof a->key, "k-%zu-%llx", c->n,
                       (unsigned long long)det_u64(&c->rng));
}

static void post(struct ask *a, const char *payment, const char *what)
{
    (void)snprintf(a->method, sizeof a->method, "POST");
    (void)snprintf(a->path, sizeof a->path, "/v1/payments/%s/%s", payment, what);
}

static void begin(struct clients *c, struct ask *a)
{
    ask_begin(c, ask_new(c, a));
}

static void create_body(struct ask *a, size_t number, bool longer)
{
    char s[600];
    (void)snprintf(s, sizeof s,
                   "{\"amount\":%lld,\"currency\":\"%s\",\"payment_method_token\":\"pm_tok_visa\","
                   "\"capture\":%s,%s\"metadata\":{\"ask\":\"%zu\"}}",
                   (long long)a->amount, a->currency, a->capture ? "true" : "false",
                   longer ? "\"description\":\"Order \\u20ac 7\","
                            "\"statement_descriptor\":\"SHOP 7\","
                          : "",
                   number);
    a->body = text(s);
}

static struct ask new_create(struct clients *c)
{
    struct ask a = {.kind = ASK_CREATE, .method = "POST", .path = "/v1/payments"};
    size_t i = (size_t)det_below(&c->rng, COUNT_OF(currencies));
    a.merchant = (int)det_below(&c->rng, c->merchants_n);
    a.amount = client_chance(c, 100) ? 1 : client_between(c, 2, currencies[i].most);
    a.capture = !client_chance(c, c->profile.auth_only);
    a.about = c->n;
    memcpy(a.currency, currencies[i].code, sizeof a.currency);
    return a;
}

/* A settled create, NULL: none was found. */
static const struct ask *some_payment(struct clients *c)
{
    for (int i = 0; i < 8 && c->n > 0; i++) {
        const struct ask *a = &c->asks[det_below(&c->rng, c->n)];
        if (a->kind == ASK_CREATE && a->settled && a->payment[0])
            return a;
    }
    return NULL;
}

/* The key of another request, another body. */
static void make_reuse(struct clients *c)
{
    const struct ask *other = some_payment(c);
    if (!other || !other->key[0] ||
        (other->first.status != 402 && (other->first.status < 200 || other->first.status > 299)))
        return;
    struct ask a = new_create(c);
    a.merchant = other->merchant;
    a.amount = other->amount + 1;
    a.reuse = true;
    memcpy(a.key, other->key, sizeof a.key);
    create_body(&a, c->n, false);
    begin(c, &a);
}

static void make_foreign(struct clients *c)
{
    static const char *const what[] = {"capture", "refund", "cancel", "sync"};
    const struct ask *other = some_payment(c);
    if (!other || c->merchants_n < 2)
        return;
    struct ask a = {.kind = ASK_CAPTURE, .foreign = true, .about = other->number};
    a.merchant = (other->merchant + 1) % (int)c->merchants_n;
    uint64_t i = det_below(&c->rng, COUNT_OF(what) + 1);
    if (i < COUNT_OF(what)) {
        post(&a, other->payment, what[i]);
        a.body = text("{}");
    } else {
        a.kind = ASK_READ;
        (void)snprintf(a.method, sizeof a.method, "GET");
        (void)snprintf(a.path, sizeof a.path, "/v1/payments/%s", other->payment);
    }
    begin(c, &a);
}

static void make_absurd(struct clients *c)
{
    static const char *const bodies[] = {
        "{\"amount\":-5,\"currency\":\"EUR\",\"payment_method_token\":\"pm_tok_visa\"}",
        "{\"amount\":0,\"currency\":\"EUR\",\"payment_method_token\":\"pm_tok_visa\"}",
        "{\"amount\":1e9,\"currency\":\"EUR\",\"payment_method_token\":\"pm_tok_visa\"}",
        "{\"amount\":500,\"currency\":\"XXQ\",\"payment_method_token\":\"pm_tok_visa\"}",
        "{\"amount\":500,\"currency\":\"EUR\",\"payment_method_token\":\"visa\"}",
        "{\"amount\":500,\"currency\":\"EUR\",\"payment_method_token\":\"pm_tok_visa\",\"x\":1}",
        "{\"amount\":9223372036854775807,\"currency\":\"EUR\",\"payment_method_token\":\"pm_a\"}",
        "{\"amount\":500,",
        "[]",
        ""};
    struct ask a = {.kind = ASK_READ, .method = "POST", .path = "/v1/payments"};
    a.merchant = (int)det_below(&c->rng, c->merchants_n);
    give_key(c, &a);
    if (client_chance(c, 300)) {
        post(&a, "pay_00000000000000000000000000", client_chance(c, 500) ? "capture" : "refund");
        a.body = text("{}");
    } else {
        a.body = text(bodies[det_below(&c->rng, COUNT_OF(bodies))]);
    }
    begin(c, &a);
}

static void make_read(struct clients *c)
{
    static const char *const lists[] = {"/v1/payments?limit=5", "/v1/events?limit=5",
                                        "/v1/balances", "/v1/refunds?limit=3"};
    static const char *const parts[] = {"", "/explain", "/events", "/attempts", "/journals"};
    const struct ask *p = some_payment(c);
    struct ask a = {.kind = ASK_READ, .method = "GET"};
    if (p && client_chance(c, 600)) {
        a.merchant = p->merchant;
        (void)snprintf(a.path, sizeof a.path, "/v1/payments/%s%s", p->payment,
                       parts[det_below(&c->rng, COUNT_OF(parts))]);
    } else {
        a.merchant = (int)det_below(&c->rng, c->merchants_n);
        (void)snprintf(a.path, sizeof a.path, "%s", lists[det_below(&c->rng, COUNT_OF(lists))]);
    }
    begin(c, &a);
}

static void make_sync(struct clients *c)
{
    const struct ask *p = some_payment(c);
    if (!p)
        return;
    struct ask a = {.kind = ASK_SYNC, .merchant = p->merchant, .about = p->number};
    post(&a, p->payment, "sync");
    a.body = text("{}");
    begin(c, &a);
}

void make_payment(struct clients *c)
{
    struct ask a = new_create(c);
    give_key(c, &a);
    create_body(&a, c->n, client_chance(c, 300));
    begin(c, &a);
    if (client_chance(c, c->profile.reuse))
        make_reuse(c);
    if (client_chance(c, c->profile.foreign))
        make_foreign(c);
    if (client_chance(c, c->profile.absurd))
        make_absurd(c);
    if (client_chance(c, c->profile.read))
        make_read(c);
    if (client_chance(c, c->profile.sync))
        make_sync(c);
}

/* --- later operations --- */
static struct ask about(const struct ask *create, enum ask_kind kind, const char *what)
{
    struct ask a = {.kind = kind, .merchant = create->merchant, .about = create->number};
    post(&a, create->payment, what);
    memcpy(a.payment, create->payment, sizeof a.payment);
    return a;
}

static void make_capture(struct clients *c, size_t create, bool absurd)
{
    struct ask a = about(&c->asks[create], ASK_CAPTURE, "capture");
    char s[80] = "{}";
    give_key(c, &a);
    if (absurd)
        a.amount = c->asks[create].amount + 1;
    else if (client_chance(c, 300))
        a.amount = c->asks[create].amount;
    if (a.amount)
        (void)snprintf(s, sizeof s, "{\"amount\":%lld}", (long long)a.amount);
    a.body = text(s);
    begin(c, &a);
}

static void make_cancel(struct clients *c, size_t create)
{
    struct ask a = about(&c->asks[create], ASK_CANCEL, "cancel");
    give_key(c, &a);
    a.body = text(client_chance(c, 300) ? "{\"reason\":\"customer asked\"}" : "{}");
    begin(c, &a);
}

static void make_refund(struct clients *c, size_t create, int64_t amount)
{
    struct ask a = about(&c->asks[create], ASK_REFUND, "refund");
    char s[160], part[40] = "";
    give_key(c, &a);
    a.amount = amount;
    if (amount)
        (void)snprintf(part, sizeof part, "\"amount\":%lld,", (long long)amount);
    (void)snprintf(s, sizeof s, "{%s\"metadata\":{\"ask\":\"%zu\"}}", part, c->n);
    a.body = text(s);
    begin(c, &a);
}

static void make_refunds(struct clients *c, size_t create)
{
    int64_t amount = c->asks[create].amount;
    switch (det_below(&c->rng, 5)) {
    case 0: /* all */
        make_refund(c, create, 0);
        break;
    case 1: /* two that together are too much */
        make_refund(c, create, amount / 2 + 1);
        make_refund(c, create, amount / 2 + 1);
        break;
    case 2: /* in parts */
        for (int i = 0; i < 3 && amount >= 3; i++)
            make_refund(c, create, amount / 3);
        break;
    case 3:
        make_refund(c, create, client_between(c, 1, amount));
        break;
    default:
        make_refund(c, create, amount);
        make_refund(c, create, 0);
    }
}

static void later_again(void *arg);
static struct clients *self;

void make_later(struct clients *c, size_t create)
{
    bool capture = c->asks[create].capture;
    if (c->healed)
        return;
    self = c;
    if (!capture) {
        bool cancel = client_chance(c, c->profile.cancel), both = client_chance(c, 100);
        if (cancel || both)
            make_cancel(c, create);
        if (!cancel || both)
            make_capture(c, create, client_chance(c, c->profile.absurd));
        if (client_chance(c, 50))
            make_capture(c, create, false);
    }
    if (client_chance(c, capture ? c->profile.refund : 0))
        make_refunds(c, create);
    else if (!capture && client_chance(c, c->profile.refund))
        sim_at(sim_now_us() + client_between(c, 1000, 60000000), later_again,
               (void *)(uintptr_t)create);
    if (client_chance(c, c->profile.sync))
        make_sync(c);
}

static void later_again(void *arg)
{
    if (self && !self->healed)
        make_refunds(self, (size_t)(uintptr_t)arg);
}

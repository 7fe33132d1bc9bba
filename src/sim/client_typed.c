/* Cards of the vault: a merchant asks for a client token, a browser types a card into the fields of
 * the card origin, the merchant pays with what came of it, attaches and detaches it. */
#include "sim/client_internal.h"

#define ORIGIN "https://shop.test"

/* One browser with the fields open. */
struct sheet {
    struct clients *c;
    struct sheet *next;
    size_t ask, typed; /* ask: that made the client token */
    char token[90];
    int under_way, tries, confirms;
    bool over, elsewhere; /* elsewhere: on a page that the token is not for */
    bool pays;            /* the token is for a payment, which the browser begins */
};

bool typed_made(const struct ask *a)
{
    return a->kind == ASK_MAKE && strcmp(a->path, "/v1/client_tokens") == 0;
}

static struct ask *begin(struct clients *c, int merchant, const char *path)
{
    struct ask *a = client_begin(c, ASK_MAKE, merchant);
    (void)snprintf(a->path, sizeof a->path, "%s", path);
    return a;
}

/* A client token; customer: the ask that made whom the card will belong to, 0 nobody. */
static void ask_token(struct clients *c, int merchant, size_t customer)
{
    struct ask *a = begin(c, merchant, "/v1/client_tokens");
    c->memory[a->number].from = customer;
    buf_str(&a->body, "{\"purpose\":\"payment_method\",\"origin\":\"" ORIGIN "\"");
    if (customer)
        buf_printf(&a->body, ",\"customer\":\"%s\"", c->asks[customer].other);
    buf_str(&a->body, "}");
    client_send(c, a->number);
}

/* A client token with which the browser pays. */
static void ask_payment_token(struct clients *c, int merchant)
{
    struct ask *a = begin(c, merchant, "/v1/client_tokens");
    a->amount = client_between(c, 100, 50000);
    a->capture = client_chance(c, 800);
    (void)snprintf(a->currency, sizeof a->currency, "EUR");
    buf_printf(&a->body,
               "{\"purpose\":\"payment\",\"origin\":\"" ORIGIN "\",\"amount\":%lld,"
               "\"currency\":\"EUR\",\"capture\":%s,\"metadata\":{\"ask\":\"%zu\"}}",
               (long long)a->amount, a->capture ? "true" : "false", a->number);
    client_send(c, a->number);
}

bool typed_instead(struct clients *c, int merchant)
{
    if (c->profile.typed == 0 || !client_chance(c, c->profile.typed / 3))
        return false;
    if (client_chance(c, 400))
        ask_payment_token(c, merchant);
    else
        ask_token(c, merchant, 0);
    return true;
}

void typed_for_customer(struct clients *c, size_t customer)
{
    if (c->profile.typed > 0 && client_chance(c, c->profile.typed))
        ask_token(c, c->asks[customer].merchant, customer);
}

bool typed_member(struct clients *c, struct ask *a)
{
    char text[ID_TEXT_MAX];
    if (c->profile.typed == 0 || !client_chance(c, c->profile.typed))
        return false;
    bool foreign = client_chance(c, 30);
    for (int tries = 0; typed_count() > 0 && tries < 20; tries++) {
        size_t i = (size_t)det_below(&c->rng, typed_count());
        const struct typed *t = typed_at(i);
        if (id_is_zero(t->card) || (t->merchant != a->merchant) != foreign)
            continue;
        a->card = i + 1;
        buf_printf(&a->body, ",\"payment_method_token\":\"pm_tok_%s\"",
                   id_text(ID_PAYMENT_METHOD, t->card, text) + 3);
        return true;
    }
    return false;
}

void typed_saved_member(struct clients *c, struct ask *a, const struct ask *from)
{
    const struct client_memory *m = &c->memory[from->number];
    bool theirs = m->from && client_chance(c, 500);
    a->card = m->card;
    buf_printf(&a->body, ",\"payment_method\":\"%s\"", m->method);
    if (theirs)
        buf_str(&a->body, ",\"off_session\":true");
}

/* --- the browser --- */
static void type_card(struct sheet *s);

static void try_again(void *arg)
{
    struct heap *before = heap_enter(NULL);
    type_card(arg);
    (void)heap_enter(before);
}

static void write_headers(struct buf *headers, int64_t clock_us, bool faulted, void *arg)
{
    const struct sheet *s = arg;
    (void)clock_us, (void)faulted;
    buf_printf(headers, "Authorization: Bearer %s\n", s->token);
}

/* What the merchant does with a card once it knows its name. */
static void plan_uses(struct clients *c, size_t number)
{
    for (int64_t n = client_between(c, 1, 3); n > 0; n--)
        client_later(c, client_while_us(c), PLAN_FOR, number, 0);
    if (!c->memory[number].from && client_chance(c, 400))
        client_later(c, client_while_us(c), PLAN_ATTACH, number, 0);
    if (client_chance(c, 150))
        client_later(c, client_while_us(c), PLAN_ATTACH, number, 1);
    if (client_chance(c, 400))
        client_later(c, client_while_us(c) + 5 * SECOND_US, PLAN_DETACH, number, 0);
}

/* --- the browser pays --- */
static void confirm(struct sheet *s);

static void confirm_again(void *arg)
{
    struct heap *before = heap_enter(NULL);
    confirm(arg);
    (void)heap_enter(before);
}

static void confirmed(const struct reply *r, void *arg)
{
    struct heap *before = heap_enter(NULL);
    struct sheet *s = arg;
    struct clients *c = s->c;
    struct ask *a = &c->asks[s->ask];
    json_t *body = json_loadb(r->body.n ? r->body.p : "", r->body.n, 0, NULL);
    const char *id = client_text(body, "id");
    bool waits = strcmp(client_text(body, "status"), "requires_action") == 0;
    s->under_way--;
    sim_trace("typed %zu confirm %d %s", s->typed, r->status, id);
    if (r->status == 200 && a->payment[0] && strcmp(a->payment, id) != 0)
        sim_violation("I12", "a client token was told of %s and of %s", a->payment, id);
    if (r->status == 200 && strlen(id) < sizeof a->payment)
        (void)snprintf(a->payment, sizeof a->payment, "%s", id);
    bool open = r->status == 0 || r->status == 409 || r->status >= 429 || waits;
    if (open && s->under_way == 0 && s->confirms < 12)
        sim_at(sim_now_us() + client_between(c, SECOND_US, 6 * SECOND_US), confirm_again, s);
    json_decref(body);
    (void)heap_enter(before);
}

static void confirm(struct sheet *s)
{
    struct clients *c = s->c;
    int times = client_chance(c, c->profile.twice) ? 2 : 1;
    c->asks[s->ask].card = s->typed + 1;
    s->confirms++;
    for (int i = 0; i < times; i++) {
        struct visit v = {.method = "POST",
                          .path = STR("/client/confirm"),
                          .body = STR("{}"),
                          .sign = write_headers,
                          .done = confirmed,
                          .arg = s,
                          .patience_us = 30 * SECOND_US};
        s->under_way++;
        network_visit(&v);
    }
}

static void taken(struct sheet *s, const struct reply *r)
{
    struct clients *c = s->c;
    struct typed *t = typed_at(s->typed);
    json_t *body = json_loadb(r->body.p, r->body.n, 0, NULL);
    struct id card;
    const char *id = client_text(body, "id");
    if (s->elsewhere)
        sim_violation("I37", "a card was taken from a page that its client token is not for");
    if (!id_parse(ID_PAYMENT_METHOD, str_from(id), &card)) {
        sim_violation("I37", "a card was taken without a name");
    } else if (!s->over) {
        t->card = card;
        t->sealed_us = sim_now_us();
        c->memory[s->ask].card = s->typed + 1;
        (void)snprintf(c->memory[s->ask].method, ID_TEXT_MAX, "%s", id);
        s->over = true;
        sim_trace("typed %zu is %s", s->typed, id);
        if (s->pays)
            confirm(s);
        else if (!client_over(c))
            plan_uses(c, s->ask);
    }
    json_decref(body);
}

static void answered(const struct reply *r, void *arg)
{
    struct heap *before = heap_enter(NULL);
    struct sheet *s = arg;
    s->under_way--;
    sim_trace("typed %zu answer %d", s->typed, r->status);
    if (r->status == 201)
        taken(s, r);
    else if ((r->status == 0 || r->status >= 429) && !s->over && s->under_way == 0 &&
             s->tries < 8) /* nobody knows whether it was taken; under another name, if again */
        sim_at(sim_now_us() + client_between(s->c, SECOND_US, 4 * SECOND_US), try_again, s);
    else if (r->status == 401 || r->status == 409)
        s->over = true; /* it was, and the answer was lost */
    (void)heap_enter(before);
}

static void type_card(struct sheet *s)
{
    struct clients *c = s->c;
    const struct typed *t = typed_at(s->typed);
    struct buf body = BUF(1000);
    bool cvc = t->cvc[0] != '9'; /* not everybody asks for it */
    int times = client_chance(c, c->profile.twice) ? 2 : 1;
    s->tries++;
    buf_printf(&body,
               "{\"number\":\"%.4s %s\",\"exp_month\":%d,\"exp_year\":%d,\"page_origin\":\"%s\"",
               t->number, t->number + 4, t->month, t->year,
               s->elsewhere ? "https://elsewhere.test" : ORIGIN);
    if (cvc)
        buf_printf(&body, ",\"cvc\":\"%s\"", t->cvc);
    buf_str(&body, "}");
    sim_trace("typed %zu try %d", s->typed, s->tries);
    for (int i = 0; i < times; i++) {
        struct visit v = {.method = "POST",
                          .path = STR("/v1/cards"),
                          .body = buf_view(&body),
                          .sign = write_headers,
                          .done = answered,
                          .arg = s,
                          .patience_us = 30 * SECOND_US,
                          .to_card = true};
        s->under_way++;
        network_visit(&v);
    }
    buf_free(&body);
}

static void open_sheet(struct clients *c, size_t number)
{
    const struct ask *a = &c->asks[number];
    json_t *body = json_loadb(a->first.body.p ? a->first.body.p : "", a->first.body.n, 0, NULL);
    struct sheet *s = mem_alloc(sizeof *s);
    ASSERT(s != NULL);
    *s = (struct sheet){.c = c, .next = c->sheets, .ask = number};
    (void)snprintf(s->token, sizeof s->token, "%s", client_text(body, "client_token"));
    json_decref(body);
    c->sheets = s;
    s->typed = typed_new(a->merchant, &c->rng);
    s->elsewhere = client_chance(c, 30);
    s->pays = a->amount > 0;
    type_card(s);
}

void typed_release(struct clients *c)
{
    for (struct sheet *s; (s = c->sheets);) {
        c->sheets = s->next;
        mem_free(s);
    }
}

/* --- what is due, and what follows --- */
/* To somebody, who is seldom another merchant's customer; amount 1: the date changes. */
static void attach(struct clients *c, size_t number, bool date)
{
    int merchant = c->asks[number].merchant;
    size_t customer = 0;
    char path[160];
    for (size_t i = c->n; !date && i-- > 0 && !customer;)
        if (c->asks[i].kind == ASK_MAKE && strcmp(c->asks[i].path, "/v1/customers") == 0 &&
            c->asks[i].other[0] && c->asks[i].merchant == merchant)
            customer = i;
    if (!date && !customer)
        return;
    (void)snprintf(path, sizeof path, "/v1/payment_methods/%s%s", c->memory[number].method,
                   date ? "" : "/attach");
    struct ask *a = begin(c, merchant, path);
    if (date)
        buf_printf(&a->body, "{\"exp_month\":%d,\"exp_year\":%d}", (int)client_between(c, 1, 12),
                   (int)client_between(c, 2027, 2035));
    else
        buf_printf(&a->body, "{\"customer\":\"%s\"}", c->asks[customer].other);
    client_send(c, a->number);
}

static void detach(struct clients *c, size_t number)
{
    char path[160];
    (void)snprintf(path, sizeof path, "/v1/payment_methods/%s/detach", c->memory[number].method);
    struct ask *a = begin(c, c->asks[number].merchant, path);
    c->memory[a->number].from = number;
    client_send(c, a->number);
}

/* It was detached: nothing can be paid with it any more. */
static void pay_again(struct clients *c, size_t detached)
{
    char token[40];
    struct ask *a = client_begin(c, ASK_CREATE, c->asks[detached].merchant);
    const struct client_memory *m = &c->memory[c->memory[detached].from]; /* begin moves the list */
    (void)snprintf(token, sizeof token, "pm_tok_%s", m->method + 3);
    (void)snprintf(a->path, sizeof a->path, "/v1/payments");
    (void)snprintf(a->currency, sizeof a->currency, "EUR");
    a->amount = 100;
    a->capture = true;
    bool by_token = client_chance(c, 500);
    buf_printf(&a->body,
               "{\"amount\":100,\"currency\":\"EUR\",\"%s\":\"%s\",\"metadata\":{\"ask\":\"%zu\"}}",
               by_token ? "payment_method_token" : "payment_method", by_token ? token : m->method,
               a->number);
    c->memory[a->number].absurd = true;
    client_send(c, a->number);
}

void typed_make(struct clients *c, const struct client_job *job)
{
    if (job->plan == PLAN_TYPE)
        open_sheet(c, job->ask);
    else if (job->plan == PLAN_ATTACH)
        attach(c, job->ask, job->amount > 0);
    else if (job->plan == PLAN_DETACH)
        detach(c, job->ask);
    else
        pay_again(c, job->ask);
}

void typed_follow(struct clients *c, size_t number)
{
    const struct ask *a = &c->asks[number];
    size_t n = strlen(a->path);
    if (typed_made(a))
        client_later(c, client_while_us(c) / 4, PLAN_TYPE, number, 0);
    else if (n > 7 && strcmp(a->path + n - 7, "/detach") == 0)
        client_later(c, client_while_us(c), PLAN_AGAIN, number, 0);
}

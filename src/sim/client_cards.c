/* What merchants do with cards beyond a sale: orders, saved methods, 3-D Secure, captures in parts,
 * answers to disputes. */
#include "sim/client_internal.h"

static bool makes(const struct ask *a, const char *path)
{
    return a->kind == ASK_MAKE && strcmp(a->path, path) == 0;
}

/* --- orders, customers, saved methods --- */
static struct ask *begin_object(struct clients *c, int merchant, const char *path)
{
    struct ask *a = client_begin(c, ASK_MAKE, merchant);
    (void)snprintf(a->path, sizeof a->path, "%s", path);
    return a;
}

bool cards_instead(struct clients *c, int merchant)
{
    static const char *const currencies[] = {"EUR", "USD", "JPY"};
    if (client_chance(c, c->profile.order)) {
        struct ask *a = begin_object(c, merchant, "/v1/orders");
        a->amount = 1 + client_amount(c) / 2;
        (void)snprintf(a->currency, sizeof a->currency, "%s",
                       currencies[det_below(&c->rng, COUNT_OF(currencies))]);
        buf_printf(&a->body, "{\"amount\":%lld,\"currency\":\"%s\",\"metadata\":{\"a\":\"b\"}}",
                   (long long)a->amount, a->currency);
        client_send(c, a->number);
        return true;
    }
    if (client_chance(c, c->profile.saved)) {
        struct ask *a = begin_object(c, merchant, "/v1/customers");
        buf_printf(&a->body, "{\"name\":\"Ask %zu\",\"email\":\"%zu@customer.test\"}", a->number,
                   a->number);
        client_send(c, a->number);
        return true;
    }
    return false;
}

/* Several payments of one purchase, together too much for it more often than not. */
static void plan_order(struct clients *c, size_t order)
{
    int64_t amount = c->asks[order].amount, at_us = client_while_us(c);
    for (int64_t n = client_between(c, 2, 5); n > 0; n--) {
        int64_t part = client_between(c, 1 + amount / 4, amount);
        if (client_chance(c, 100))
            part = amount + client_between(c, 1, 1000); /* never */
        client_later(c, at_us + client_between(c, 0, client_chance(c, 500) ? 5000 : 60 * SECOND_US),
                     PLAN_FOR, order, part);
    }
}

static void plan_customer(struct clients *c, size_t customer)
{
    client_later(c, client_while_us(c), PLAN_FOR, customer, 0);
    typed_for_customer(c, customer);
    if (client_chance(c, 300)) /* a method that was saved without a payment */
        client_later(c, client_while_us(c), PLAN_FOR, customer, -1);
}

static void attach_method(struct clients *c, size_t customer)
{
    struct ask *a = begin_object(c, c->asks[customer].merchant, "/v1/payment_methods");
    c->memory[a->number].from = customer;
    buf_printf(&a->body, "{\"payment_method_token\":\"pm_tok_visa\",\"customer\":\"%s\"}",
               c->asks[customer].other);
    client_send(c, a->number);
}

static void make_for(struct clients *c, const struct client_job *job)
{
    const struct ask *from = &c->asks[job->ask];
    if (job->amount == -1 && makes(from, "/v1/customers"))
        attach_method(c, job->ask);
    else
        client_pay(c, from->merchant, job->ask, num_max(job->amount, 0));
}

/* --- a payment's body --- */
static void secure_members(struct clients *c, struct ask *a, bool off_session)
{
    if (!client_chance(c, c->profile.secure))
        return;
    int64_t kind = client_between(c, 0, 9);
    if (kind < 6 && !off_session)
        buf_str(&a->body, ",\"three_ds\":\"required\"");
    else if (kind < 8)
        buf_str(&a->body, ",\"three_ds\":{\"exemption\":\"low_value\"}");
    else if (!off_session)
        buf_str(&a->body, ",\"three_ds\":{\"external\":{\"version\":\"2.2.0\",\"eci\":\"05\","
                          "\"cavv\":\"AAABBEg0VhI0VniQEjRWAAAAAAA=\",\"transaction_id\":"
                          "\"8f2c1f6e-3b1d-4a54-9b1e-0d7c5a6b7c8d\"}}");
    if (client_chance(c, 300))
        buf_str(&a->body, ",\"return_url\":\"http://shop.test/thanks?order=1\"");
}

void cards_members(struct clients *c, struct ask *a)
{
    size_t number = c->memory[a->number].from;
    const struct ask *from = number ? &c->asks[number] : NULL;
    bool saved = from && (from->kind == ASK_CREATE || makes(from, "/v1/payment_methods"));
    bool off_session = saved && client_chance(c, 700);
    if (saved)
        buf_printf(&a->body, ",\"payment_method\":\"%s\",\"off_session\":%s", from->other,
                   off_session ? "true" : "false");
    else if (from && typed_made(from))
        typed_saved_member(c, a, from);
    else if (!typed_member(c, a))
        buf_str(&a->body, ",\"payment_method_token\":\"pm_tok_visa\"");
    if (from && makes(from, "/v1/orders"))
        buf_printf(&a->body, ",\"order\":\"%s\"", from->other);
    if (from && makes(from, "/v1/customers"))
        buf_printf(&a->body, ",\"customer\":\"%s\",\"save_payment_method\":true", from->other);
    secure_members(c, a, off_session);
}

/* --- disputes and reviews --- */
static void look(struct clients *c, size_t create)
{
    struct ask *a = client_about(c, ASK_READ, create);
    (void)snprintf(a->path, sizeof a->path, "/v1/%s?payment=%s",
                   client_chance(c, 700) ? "disputes" : "reviews", c->asks[create].payment);
    client_send(c, a->number);
}

/* The first of a list. */
static void note_found(struct clients *c, size_t number)
{
    struct ask *a = &c->asks[number];
    json_t *list = json_loadb(a->first.body.p, a->first.body.n, 0, NULL);
    const json_t *first = json_array_get(json_object_get(list, "data"), 0);
    const char *what = client_text(first, "object"), *id = client_text(first, "id");
    if ((strcmp(what, "dispute") == 0 || strcmp(what, "review") == 0) && strlen(id) < ID_TEXT_MAX)
        (void)snprintf(a->other, sizeof a->other, "%s", id);
    json_decref(list);
    if (!a->other[0])
        return;
    for (int64_t n = client_between(c, 1, 3); n > 0; n--)
        client_later(c, client_while_us(c) / 4, PLAN_CONTEST, number, 0);
}

/* Evidence is handed in first, as often as not; all that may be refused for its state. */
static void contest(struct clients *c, size_t found)
{
    static const struct {
        const char *verb, *body;
    } ways[] = {
        {"evidence", "{\"uncategorized_text\":\"He has it: winning_evidence\"}"},
        {"evidence", "{\"receipt\":\"losing_evidence\",\"customer_name\":\"M. M\\u00fcller\"}"},
        {"evidence", "{\"product_description\":\"A thing\"}"},
        {"submit", "{}"},
        {"submit", ""},
        {"submit", ""},
        {"accept", ""},
    };
    const struct ask *list = &c->asks[found];
    bool review = strncmp(list->other, "rev_", 4) == 0;
    size_t i = (size_t)det_below(&c->rng, COUNT_OF(ways));
    struct ask *a = client_about(c, ASK_CONTEST, c->asks[found].about);
    (void)snprintf(a->path, sizeof a->path, "/v1/%s/%s/%s", review ? "reviews" : "disputes",
                   c->asks[found].other, review ? "resolve" : ways[i].verb);
    if (review)
        buf_printf(&a->body, "{\"resolution\":\"%s\"}", i < 5 ? "accept" : "dismiss");
    else
        buf_str(&a->body, ways[i].body);
    if (!review && i < 3 && client_chance(c, 800))
        client_later(c, client_between(c, 0, 2 * SECOND_US), PLAN_CONTEST, found, 0);
    client_send(c, a->number);
}

/* --- what is due --- */
static void confirm(struct clients *c, size_t create, bool other)
{
    struct ask *a = client_about(c, ASK_CONFIRM, create);
    buf_str(&a->body, other ? "{\"payment_method_token\":\"pm_tok_mastercard\"}"
                            : (client_chance(c, 500) ? "" : "{}"));
    client_send(c, a->number);
}

void cards_make(struct clients *c, const struct client_job *job)
{
    struct ask *a;
    switch (job->plan) {
    case PLAN_CONFIRM:
        confirm(c, job->ask, job->amount > 0);
        return;
    case PLAN_INCREMENT:
        a = client_about(c, ASK_INCREMENT, job->ask);
        a->amount = job->amount;
        buf_printf(&a->body, "{\"amount\":%lld}", (long long)job->amount);
        client_send(c, a->number);
        return;
    case PLAN_UNDO:
        a = client_about(c, ASK_REFUND_CANCEL, c->asks[job->ask].about);
        (void)snprintf(a->path, sizeof a->path, "/v1/refunds/%s/cancel", c->asks[job->ask].refund);
        client_send(c, a->number);
        return;
    case PLAN_LOOK:
        look(c, job->ask);
        return;
    case PLAN_CONTEST:
        contest(c, job->ask);
        return;
    case PLAN_TYPE:
    case PLAN_ATTACH:
    case PLAN_DETACH:
    case PLAN_AGAIN:
        typed_make(c, job);
        return;
    default:
        ASSERT(job->plan == PLAN_FOR);
        make_for(c, job);
    }
}

/* --- what follows --- */
void cards_plan_parts(struct clients *c, size_t create)
{
    int64_t amount = c->asks[create].amount, at_us = client_while_us(c), left = amount;
    bool at_once = client_chance(c, 300);
    for (int64_t n = client_between(c, 2, 5); n > 0 && left > 0; n--) {
        int64_t kind = client_between(c, 0, 9), part = client_between(c, 1, left);
        enum client_plan plan = kind < 6 ? PLAN_CAPTURE : kind < 8 ? PLAN_CANCEL : PLAN_INCREMENT;
        client_later(c, at_us + client_between(c, 0, 5000), plan, create, part);
        left -= plan == PLAN_INCREMENT ? -part : at_once ? 0 : part; /* at once: too much in sum */
        left = num_min(left, amount);
        at_us += at_once ? 0 : client_while_us(c);
    }
    if (client_chance(c, c->profile.refund))
        client_plan_refunds(c, create);
}

static void follow_create(struct clients *c, size_t number)
{
    struct ask *a = &c->asks[number];
    const struct client_memory *m = &c->memory[number];
    const struct ask *from = m->from ? &c->asks[m->from] : NULL;
    json_t *body = json_loadb(a->first.body.p ? a->first.body.p : "", a->first.body.n, 0, NULL);
    const char *decline = client_text(body, "decline_code"), *status = client_text(body, "status");
    bool again = strncmp(decline, "authentication_", 15) == 0;
    bool good = strcmp(status, "captured") == 0 || strcmp(status, "authorized") == 0;
    if ((m->waits || again) && client_chance(c, c->profile.confirm))
        for (int64_t n = client_between(c, 1, 3); n > 0; n--)
            client_later(c, client_while_us(c), PLAN_CONFIRM, number,
                         again && client_chance(c, 300));
    if (good && from && makes(from, "/v1/customers") && client_text(body, "payment_method")[0]) {
        (void)snprintf(a->other, sizeof a->other, "%.*s", ID_TEXT_MAX - 1,
                       client_text(body, "payment_method"));
        for (int64_t n = client_between(c, 1, 3); n > 0; n--)
            client_later(c, client_while_us(c), PLAN_FOR, number, 0);
    }
    json_decref(body);
}

static void follow_made(struct clients *c, size_t number)
{
    const struct ask *a = &c->asks[number];
    if (a->first.status != 200 || !a->other[0])
        return;
    if (makes(a, "/v1/orders"))
        plan_order(c, number);
    else if (makes(a, "/v1/customers"))
        plan_customer(c, number);
    else if (typed_made(a) || strncmp(a->path, "/v1/payment_methods/", 20) == 0)
        typed_follow(c, number);
    else
        client_later(c, client_while_us(c), PLAN_FOR, number, 0);
}

/* A confirmation says how the payment stands; the rest of its life may begin only now. */
static void follow_confirm(struct clients *c, size_t number)
{
    const struct ask *a = &c->asks[number];
    size_t create = a->about;
    if (c->memory[create].waits && client_chance(c, c->profile.confirm / 2))
        client_later(c, client_while_us(c), PLAN_CONFIRM, create, 0);
    if (a->first.status == 200 && !c->asks[create].capture && c->profile.parts > 0 &&
        client_chance(c, 500)) /* without parts nothing is raised: others rely on that */
        cards_plan_parts(c, create);
}

void cards_follow(struct clients *c, size_t number)
{
    const struct ask *a = &c->asks[number];
    if (a->kind == ASK_CREATE) {
        follow_create(c, number);
    } else if (a->kind == ASK_MAKE) {
        follow_made(c, number);
    } else if (a->kind == ASK_CONFIRM) {
        follow_confirm(c, number);
    } else if (a->kind == ASK_REFUND && a->refund[0] && client_chance(c, c->profile.undo)) {
        client_later(c, client_while_us(c) / 4, PLAN_UNDO, number, 0);
    } else if (a->kind == ASK_READ && a->first.status == 200 &&
               (strncmp(a->path, "/v1/disputes?payment=", 21) == 0 ||
                strncmp(a->path, "/v1/reviews?payment=", 20) == 0)) {
        note_found(c, number);
    }
    if ((c->asks[number].kind == ASK_CREATE || c->asks[number].kind == ASK_CAPTURE) &&
        c->memory[c->asks[number].about].captured && client_chance(c, c->profile.contest))
        for (int64_t n = client_between(c, 1, 4); n > 0; n--)
            client_later(c, 5 * SECOND_US + client_while_us(c), PLAN_LOOK, c->asks[number].about,
                         0);
}

/* --- what must be refused --- */
struct ask *cards_absurd(struct clients *c, size_t create)
{
    static const struct {
        enum ask_kind kind;
        const char *body;
    } wrong[] = {
        {ASK_CAPTURE, "{\"amount\":0}"},           {ASK_CAPTURE, "{\"amount\":-100}"},
        {ASK_CAPTURE, "{\"amount\":1.5}"},         {ASK_CANCEL, "{\"amount\":0}"},
        {ASK_CANCEL, "{\"amount\":-1}"},           {ASK_INCREMENT, "{\"amount\":0}"},
        {ASK_INCREMENT, "{\"amount\":-5}"},        {ASK_INCREMENT, "{}"},
        {ASK_REFUND, "{\"amount\":-1}"},           {ASK_CAPTURE, "{\"amount\":999999999999}"},
        {ASK_CANCEL, "{\"amount\":999999999999}"}, {ASK_CONFIRM, "{\"amount\":1}"},
    };
    size_t i = (size_t)det_below(&c->rng, COUNT_OF(wrong));
    if (c->asks[create].amount > AMOUNT_MAX / 4 || c->profile.parts == 0)
        return NULL;
    if (strstr(wrong[i].body, "999999999999") && c->asks[create].amount > INT64_C(100000000000))
        return NULL; /* not too much */
    struct ask *a = client_about(c, wrong[i].kind, create);
    buf_str(&a->body, wrong[i].body);
    return a;
}

/* What the simulated acquirer answers: the truth, and what is not. */
#include <stdio.h>

#include "sim/provider_internal.h"

/* --- the truth --- */
int answer_code(int status, const char *code, struct buf *out)
{
    struct jw w = {.b = out};
    jw_object(&w, NULL);
    jw_str(&w, "code", str_from(code));
    jw_str(&w, "message", STR("Simulated"));
    jw_object_end(&w);
    return status;
}

int answer_error(struct provider *p, struct buf *out)
{
    return provider_one_of(p, 2) ? answer_code(500, "internal_error", out)
                                 : answer_code(503, "unavailable", out);
}

void provider_names(const struct book_entry *e, struct provider_names *ret)
{
    unsigned long long charge = book_hash(str_from(e->charge)),
                       own = book_hash(str_from(e->reference));
    bool moved =
        e->kind == BOOK_CAPTURE || e->kind == BOOK_REFUND || (e->kind == BOOK_CHARGE && e->capture);
    *ret = (struct provider_names){.own = ""};
    (void)snprintf(ret->own, sizeof ret->own, "%s_%016llx", e->kind == BOOK_CHARGE ? "ch" : "op",
                   own);
    if (e->kind == BOOK_CHARGE) {
        (void)snprintf(ret->network, sizeof ret->network, "%015llX", charge & 0xFFFFFFFFFFFFFFFu);
        (void)snprintf(ret->authorization, sizeof ret->authorization, "%06llu",
                       (charge >> 40) % 1000000u);
    }
    if (moved && e->state == BOOK_DONE)
        (void)snprintf(ret->acquirer, sizeof ret->acquirer, "7400123%016llX", own);
}

struct claim claim_truth(const struct operation *o)
{
    return (struct claim){o->book.reference, o->book.currency, o->book.amount, false};
}

static void write_three_ds(struct jw *w, const struct operation *o)
{
    static const char *const flows[] = {"none", "frictionless", "challenge", "external"};
    if (o->book.flow == FLOW_NONE || (o->book.flow == FLOW_CHALLENGE && !o->authenticated))
        return;
    jw_object(w, "three_ds");
    jw_str(w, "version", STR("2.2.0"));
    jw_str(w, "eci", STR("05"));
    jw_str(w, "flow", str_from(flows[o->book.flow]));
    jw_bool(w, "liability_shift", true);
    jw_str(w, "ds_transaction_id", STR("8f2c1f6e-3b1d-4a54-9b1e-0d7c5a6b7c8d"));
    jw_object_end(w);
}

static void write_charge(struct jw *w, const struct operation *o, bool inquiry)
{
    struct provider_names names;
    provider_names(&o->book, &names);
    jw_str(w, "network_reference", str_from(names.network));
    jw_str(w, "auth_code", str_from(names.authorization));
    if (o->book.capture)
        jw_str(w, "acquirer_reference", str_from(names.acquirer));
    else
        jw_int(w, "capture_before", o->hold_until_us / 1000000);
    if (inquiry && o->book.cleared)
        jw_int(w, "cleared", o->book.cleared);
    const char *number = o->book.card;
    jw_object(w, "card");
    jw_str(w, "brand", STR("visa"));
    jw_str(w, "last_four", str_from(number[0] ? number + strlen(number) - 4 : "4242"));
    if (o->echo)
        jw_str(w, "number", str_from(number));
    jw_object_end(w);
    write_three_ds(w, o);
}

static const char *state_of(const struct book_entry *e, bool inquiry)
{
    static const char *const states[] = {
        [BOOK_CHARGE] = "authorized",     [BOOK_CAPTURE] = "captured",
        [BOOK_VOID] = "voided",           [BOOK_REFUND] = "refunded",
        [BOOK_INCREMENT] = "incremented", [BOOK_EVIDENCE] = "evidence_taken"};
    if (e->kind == BOOK_CHARGE && inquiry && e->expired)
        return "expired";
    return e->kind == BOOK_CHARGE && e->capture ? "captured" : states[e->kind];
}

static void write_approved(struct jw *w, const struct operation *o, const struct claim *c,
                           bool inquiry)
{
    struct provider_names names;
    char charge[32];
    provider_names(&o->book, &names);
    (void)snprintf(charge, sizeof charge, "ch_%016llx",
                   (unsigned long long)book_hash(str_from(o->book.charge)));
    jw_str(w, "result", STR("approved"));
    jw_str(w, "state", str_from(state_of(&o->book, inquiry)));
    jw_str(w, "reference", str_from(c->reference));
    jw_str(w, "charge_id", str_from(charge));
    if (o->book.kind != BOOK_CHARGE)
        jw_str(w, "operation_id", str_from(names.own));
    if (!c->amountless)
        jw_int(w, "amount", c->amount);
    jw_str(w, "currency", str_from(c->currency));
    if (o->book.kind == BOOK_CHARGE)
        write_charge(w, o, inquiry);
    else if (names.acquirer[0])
        jw_str(w, "acquirer_reference", str_from(names.acquirer));
}

static void write_action(struct jw *w, const struct operation *o, const struct claim *c)
{
    char url[160];
    struct provider_names names;
    provider_names(&o->book, &names);
    (void)snprintf(url, sizeof url, "http://provider.test/challenge/%s", names.own);
    jw_str(w, "result", STR("action"));
    jw_str(w, "reference", str_from(c->reference));
    jw_str(w, "charge_id", str_from(names.own));
    jw_bool(w, "authenticated", o->authenticated);
    jw_object(w, "action");
    jw_str(w, "type", o->plan.redirect ? STR("redirect") : STR("challenge"));
    jw_str(w, "url", str_from(url));
    jw_int(w, "expires_at", o->action_until_us / 1000000 + 1);
    jw_object_end(w);
}

static void write_message(struct jw *w, const struct operation *o)
{
    char text[60] = "Refused";
    const char *n = o->book.card;
    if (o->echo && book_hash(str_from(o->book.reference)) % 2)
        (void)snprintf(text, sizeof text, "Refused: card %.4s %.4s %.4s %s", n, n + 4, n + 8,
                       n + 12);
    else if (o->echo)
        (void)snprintf(text, sizeof text, "Refused: card %s", n);
    jw_str(w, "message", str_from(text));
}

void write_claim(struct jw *w, const struct operation *o, const struct claim *c, bool inquiry)
{
    if (o->book.state == BOOK_ACTION) {
        write_action(w, o, c);
    } else if (o->book.state == BOOK_PENDING) {
        jw_str(w, "result", STR("pending"));
        jw_str(w, "reference", str_from(c->reference));
    } else if (o->book.state == BOOK_DONE && !(o->after_success && inquiry)) {
        write_approved(w, o, c, inquiry);
    } else {
        jw_str(w, "result", STR("refused"));
        jw_str(w, "code", str_from(o->code));
        write_message(w, o);
        jw_str(w, "reference", str_from(c->reference));
        if (o->after_success)
            jw_bool(w, "after_success", true);
    }
}

static int answer_claim(const struct operation *o, const struct claim *c, bool inquiry,
                        struct buf *out)
{
    struct jw w = {.b = out};
    jw_object(&w, NULL);
    write_claim(&w, o, c, inquiry);
    jw_object_end(&w);
    if (inquiry || o->book.state == BOOK_DONE)
        return 200;
    return o->book.state == BOOK_REFUSED ? 402 : 202;
}

int answer_truth(const struct operation *o, bool inquiry, struct buf *out)
{
    struct claim c = claim_truth(o);
    return answer_claim(o, &c, inquiry, out);
}

int answer_dispute(const struct dispute *d, struct buf *out)
{
    struct jw w = {.b = out};
    book_dispute_write(&w, NULL, d);
    return 200;
}

int answer_refused(const char *reference, const char *code, struct buf *out)
{
    struct jw w = {.b = out};
    jw_object(&w, NULL);
    jw_str(&w, "result", STR("refused"));
    jw_str(&w, "code", str_from(code));
    jw_str(&w, "message", STR("Refused"));
    jw_str(&w, "reference", str_from(reference));
    jw_object_end(&w);
    return 402;
}

int answer_canceled(const struct operation *refund, const char *reference, struct buf *out)
{
    struct jw w = {.b = out};
    if (!refund->book.canceled)
        return answer_refused(reference, "already_done", out);
    jw_object(&w, NULL);
    jw_str(&w, "result", STR("approved"));
    jw_str(&w, "state", STR("refund_canceled"));
    jw_str(&w, "reference", str_from(reference));
    jw_int(&w, "amount", refund->book.amount);
    jw_str(&w, "currency", str_from(refund->book.currency));
    jw_object_end(&w);
    return 200;
}

/* --- false answers --- */
int answer_lie(struct provider *p, const struct operation *o, struct buf *out)
{
    struct claim c = claim_truth(o);
    switch (provider_one_of(p, 5)) {
    case 0:
        c.amount++;
        break;
    case 1:
        c.amount--;
        break;
    case 2:
        if (!num_mul(c.amount, 10, &c.amount))
            c.amount--;
        break;
    case 3:
        c.currency = strcmp(c.currency, "CHF") == 0 ? "JPY" : "CHF";
        break;
    default:
        c.amountless = true;
        break;
    }
    return answer_claim(o, &c, false, out);
}

/* Of which nobody can tell what became of the request. */
static int garbage_blank(struct provider *p, struct buf *out)
{
    static const struct {
        int status;
        const char *body;
    } blanks[] = {
        {200, ""},
        {204, ""},
        {402, ""},
        {500, ""},
        {200, "<html><body>One moment, please</body></html>"},
        {302, "<html><body>Moved</body></html>"},
        {404, "<html><body>Not found</body></html>"},
        {502, "<html><body>Bad gateway</body></html>"},
        {200, "{\"result\":\"approved\",\"state\":\"capt"},
        {402, "{\"result\":\"refused\",\"code\":\"5"},
        {200, "{}"},
        {200, "[]"},
        {200, "null"},
        {200, "\"approved\""},
        {200, "{\"result\":\"approved\"}"},
        {200, "{\"object\":\"dispute\"}"},
        {202, "{\"result\":\"action\"}"},
        {402, "{\"result\":\"refused\",\"code\":\"51\"}"},
        {429, "{\"code\":\"slow_down\",\"message\":\"Simulated\"}"},
    };
    size_t i = provider_one_of(p, COUNT_OF(blanks));
    buf_str(out, blanks[i].body);
    return blanks[i].status;
}

/* The answer to something else. */
static int garbage_crossed(struct provider *p, const struct operation *o, bool inquiry,
                           struct buf *out)
{
    const struct operation *other = p->book.list[provider_one_of(p, p->book.n)];
    struct claim c = claim_truth(o);
    if (other != o && provider_one_of(p, 2))
        return answer_truth(other, inquiry, out);
    c.reference = "att_00000000000000000000000000";
    return answer_claim(o, &c, inquiry, out);
}

/* Statuses with which a body says nothing; 202 is not among them, it would make a refusal pending.
 */
static int wrong_status(struct provider *p)
{
    static const int wrong[] = {201, 206, 302, 403, 500, 502, 503};
    return wrong[provider_one_of(p, COUNT_OF(wrong))];
}

int answer_garbage(struct provider *p, const struct operation *o, bool inquiry, struct buf *out)
{
    size_t before = out->n;
    int status = 0;
    switch (o ? provider_one_of(p, 5) : 4) {
    case 0:
        status = answer_truth(o, inquiry, out);
        out->n = before + 1 + provider_one_of(p, out->n - before - 1); /* never whole */
        out->p[out->n] = 0;
        return status;
    case 1:
        status = answer_truth(o, inquiry, out);
        buf_str(out, "\n<!-- cached -->");
        return status;
    case 2:
        return garbage_crossed(p, o, inquiry, out);
    case 3:
        (void)answer_truth(o, inquiry, out);
        return wrong_status(p);
    default:
        return garbage_blank(p, out);
    }
}

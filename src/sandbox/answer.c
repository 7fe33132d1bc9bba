/* What goes out. */
#include "sandbox/sandbox_internal.h"

#include <stdio.h>

static const struct {
    const char *code, *message;
} messages[] = {
    {"51", "Insufficient funds"},
    {"05", "Do not honor"},
    {"43", "Stolen card"},
    {"41", "Lost card"},
    {"54", "Expired card"},
    {"N7", "CVC does not match"},
    {"61", "Exceeds withdrawal limit"},
    {"59", "Suspected fraud"},
    {"91", "Issuer unavailable"},
    {"14", "Invalid account"},
    {"57", "Transaction not permitted"},
    {"1A", "Authentication failed"},
    {"1C", "Authentication canceled"},
    {"1E", "Authentication expired"},
    {"1S", "Authentication required"},
    {"1V", "Voided before authentication"},
    {"R1", "The account could not be credited"},
    {"RC", "The refund was canceled"},
    {"96", "System error"},
    {"98", "Issuer timeout"},
    {"G0", "Declined"},
    {"not_captured", "Nothing of this charge was captured"},
    {"already_captured", "The charge is captured"},
    {"already_voided", "The charge is voided"},
    {"amount_exceeds", "More than is left of the charge"},
    {"reversed", "The charge was reversed or refused"},
    {"hold_expired", "The authorization has expired"},
    {"disputed", "What is left of the charge is disputed"},
    {"already_done", "The refund is decided"},
    {"already_submitted", "Evidence was submitted"},
    {"dispute_closed", "The dispute is closed"},
};

static const char *message_of(const char *code)
{
    for (size_t i = 0; i < COUNT_OF(messages); i++)
        if (strcmp(code, messages[i].code) == 0)
            return messages[i].message;
    return "Refused";
}

bool reference_valid(struct str s)
{
    if (s.n < 1 || s.n > REFERENCE_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
              ch == '_' || ch == '-'))
            return false;
    }
    return true;
}

static void reply(struct http_request *req, int status, struct buf *body)
{
    static const struct http_answer_header bearer = {"WWW-Authenticate", "Bearer"};
    struct http_answer answer = {.status = status, .body = body};
    if (status == 401) {
        answer.headers = &bearer;
        answer.headers_n = 1;
    }
    http_reply(req, &answer);
}

void answer_code(struct http_request *req, int status, const char *code, const char *message)
{
    struct buf body = BUF(ANSWER_BYTES_MAX);
    struct jw w = {.b = &body};
    jw_object(&w, NULL);
    jw_str(&w, "code", str_from(code));
    jw_str(&w, "message", str_from(message));
    jw_object_end(&w);
    reply(req, status, &body);
}

void id_words(const char *prefix, struct id id, char out[ID_TEXT_MAX])
{
    char text[ID_TEXT_MAX];
    (void)id_text(ID_ATTEMPT, id, text);
    (void)snprintf(out, ID_TEXT_MAX, "%s%s", prefix, text + strlen(id_prefix(ID_ATTEMPT)));
}

static void write_id(struct jw *w, const char *key, const char *prefix, struct id id)
{
    char text[ID_TEXT_MAX];
    id_words(prefix, id, text);
    jw_str(w, key, str_from(text));
}

/* 15 digits of a thing, that grow with time as real ones do: milliseconds, and five of chance. */
static uint64_t digits_of(struct id id)
{
    uint64_t ms = (uint64_t)id_time_ms(id), chance = num_get64(id.b + 8) >> 10;
    return ms % UINT64_C(10000000000) * 100000 + chance % 100000;
}

/* The kind of movement, the acquirer's number, 15 digits of the item, and a check digit (Luhn) over
 * them. */
void acquirer_reference(struct id id, char out[24])
{
    int sum = 0;
    (void)snprintf(out, 24, "7400123%015llu", (unsigned long long)digits_of(id));
    for (int i = 0; i < 22; i++) {
        int digit = (out[21 - i] - '0') * (i % 2 == 0 ? 2 : 1);
        sum += digit > 9 ? digit - 9 : digit;
    }
    out[22] = (char)('0' + (10 - sum % 10) % 10);
    out[23] = 0;
}

static void write_acquirer(struct jw *w, struct id id)
{
    char text[24];
    acquirer_reference(id, text);
    jw_str(w, "acquirer_reference", str_from(text));
}

/* Numbers an acquirer would give, drawn from the charge's id so that a repetition gives them again.
 */
static void write_numbers(struct jw *w, struct id charge)
{
    char text[32];
    uint64_t n = num_get64(charge.b + 8) >> 10;
    (void)snprintf(text, sizeof text, "%015llu", (unsigned long long)digits_of(charge));
    jw_str(w, "network_reference", str_from(text));
    (void)snprintf(text, sizeof text, "%06llu", (unsigned long long)((n >> 7) % 1000000));
    jw_str(w, "auth_code", str_from(text));
}

static void write_three_ds(struct jw *w, const struct three_ds *d)
{
    static const char *const flows[] = {[FLOW_FRICTIONLESS] = "frictionless",
                                        [FLOW_CHALLENGE] = "challenge",
                                        [FLOW_EXTERNAL] = "external",
                                        [FLOW_NONE] = "none"};
    if (d->flow == FLOW_ABSENT)
        return;
    jw_object(w, "three_ds");
    jw_str(w, "version", str_from(d->version));
    jw_str(w, "eci", str_from(d->eci));
    jw_str(w, "flow", str_from(flows[d->flow]));
    jw_bool(w, "liability_shift", d->liability);
    jw_str(w, "ds_transaction_id", str_from(d->ds_id));
    if (d->exemption[0])
        jw_str(w, "exemption", str_from(d->exemption));
    jw_object_end(w);
}

static void write_card(struct jw *w, const struct charge *x)
{
    if (!x->last_four[0])
        return;
    jw_object(w, "card");
    jw_str(w, "brand", str_from(x->brand));
    jw_str(w, "last_four", str_from(x->last_four));
    jw_object_end(w);
}

static void write_refusal(struct jw *w, const char *code, const char *reference)
{
    jw_str(w, "result", STR("refused"));
    jw_str(w, "code", str_from(code));
    jw_str(w, "message", str_from(message_of(code)));
    jw_str(w, "reference", str_from(reference));
}

static void write_action(struct jw *w, const struct charge *x)
{
    char url[BASE_URL_MAX + 64], id[ID_TEXT_MAX];
    id_words("ch_", x->id, id);
    (void)snprintf(url, sizeof url, "%s/challenge/%s", x->base_url, id);
    jw_str(w, "result", STR("action"));
    jw_str(w, "reference", str_from(x->reference));
    jw_str(w, "charge_id", str_from(id));
    jw_bool(w, "authenticated", x->challenge == CHALLENGE_PASSED);
    jw_object(w, "action");
    jw_str(w, "type", x->redirect ? STR("redirect") : STR("challenge"));
    jw_str(w, "url", str_from(url));
    jw_int(w, "expires_at", (x->challenge_until + 999) / 1000);
    jw_object_end(w);
    write_card(w, x);
    write_three_ds(w, &x->three_ds);
}

static void write_approved(struct jw *w, const struct charge *x, bool now)
{
    bool expired = now && x->state == CHARGE_EXPIRED;
    jw_str(w, "result", STR("approved"));
    jw_str(w, "state", expired ? STR("expired") : x->capture ? STR("captured") : STR("authorized"));
    jw_str(w, "reference", str_from(x->reference));
    write_id(w, "charge_id", "ch_", x->id);
    jw_int(w, "amount", x->taken);
    jw_str(w, "currency", str_from(x->currency));
    write_numbers(w, x->id);
    if (x->capture_before)
        jw_int(w, "capture_before", x->capture_before);
    if (x->capture)
        write_acquirer(w, x->capture_id);
    if (expired)
        jw_int(w, "captured", x->captured);
    if (now && x->cleared)
        jw_int(w, "cleared", x->cleared);
    write_card(w, x);
    write_three_ds(w, &x->three_ds);
}

void write_charge(struct jw *w, const struct charge *x, bool now)
{
    switch (x->state) {
    case CHARGE_IN_PROGRESS:
        jw_str(w, "result", STR("pending"));
        jw_str(w, "reference", str_from(x->reference));
        write_id(w, "charge_id", "ch_", x->id);
        break;
    case CHARGE_ACTION:
        write_action(w, x);
        break;
    case CHARGE_REFUSED:
        write_refusal(w, x->code, x->reference);
        write_id(w, "charge_id", "ch_", x->id);
        write_card(w, x);
        write_three_ds(w, &x->three_ds);
        break;
    default:
        write_approved(w, x, now);
        break;
    }
}

void write_operation(struct jw *w, const struct operation *o)
{
    static const char *const states[] = {
        [KIND_CAPTURE] = "captured",        [KIND_VOID] = "voided",
        [KIND_REFUND] = "refunded",         [KIND_INCREMENT] = "incremented",
        [KIND_EVIDENCE] = "evidence_taken", [KIND_CANCEL] = "refund_canceled"};
    ASSERT(o->kind < (int)COUNT_OF(states) && states[o->kind]);
    if (o->code[0]) {
        write_refusal(w, o->code, o->reference);
        if (o->after_success)
            jw_bool(w, "after_success", true);
    } else if (o->pending) {
        jw_str(w, "result", STR("pending"));
        jw_str(w, "reference", str_from(o->reference));
    } else {
        jw_str(w, "result", STR("approved"));
        jw_str(w, "state", str_from(states[o->kind]));
        jw_str(w, "reference", str_from(o->reference));
    }
    write_id(w, "charge_id", "ch_", o->charge_id);
    jw_str(w, "charge_reference", str_from(o->charge));
    write_id(w, "operation_id", "op_", o->id);
    jw_int(w, "amount", o->amount);
    jw_str(w, "currency", str_from(o->currency));
    bool moved = o->kind == KIND_CAPTURE || o->kind == KIND_REFUND;
    if (moved && !o->pending && (!o->code[0] || o->after_success))
        write_acquirer(w, o->id);
}

/* Returns the status. */
static int write_result(const struct call *c, struct buf *body)
{
    const struct result *r = &c->result;
    const char *code = r->kind == KIND_CHARGE && r->charge.state == CHARGE_REFUSED ? r->charge.code
                       : r->kind != KIND_CHARGE                                    ? r->op.code
                                                                                   : "";
    struct jw w = {.b = body};
    bool inquiry = c->kind == KIND_INQUIRY, later = r->op.pending != 0;
    if (r->text) {
        buf_str(body, r->text);
        return 200;
    }
    if (r->kind == KIND_DISPUTE && !code[0]) {
        dispute_json(&w, NULL, &r->dispute);
        return 200;
    }
    jw_object(&w, NULL);
    if (r->kind == KIND_CHARGE) {
        write_charge(&w, &r->charge, inquiry);
        later = r->charge.state == CHARGE_IN_PROGRESS || r->charge.state == CHARGE_ACTION;
        if (c->echo)
            typed_card_echo(&w, &c->card);
    } else if (r->kind == KIND_DISPUTE) {
        write_refusal(&w, code, c->reference);
    } else {
        write_operation(&w, &r->op);
    }
    jw_object_end(&w);
    return inquiry ? 200 : code[0] ? 402 : later ? 202 : 200;
}

void answer_waiting(struct call *c)
{
    struct buf body = BUF(ANSWER_BYTES_MAX);
    struct jw w = {.b = &body};
    jw_object(&w, NULL);
    jw_str(&w, "result", STR("pending"));
    jw_str(&w, "reference", str_from(c->reference));
    jw_object_end(&w);
    reply(c->req, 200, &body);
}

void answer_result(struct call *c)
{
    struct buf body = BUF(ANSWER_BYTES_MAX);
    int status = c->result.outcome == OUT_ANSWER ? write_result(c, &body) : 0;
    typed_card_forget(&c->card);
    switch (c->result.outcome) {
    case OUT_REUSED:
        answer_code(c->req, 409, "reference_reused", "This reference has another request.");
        return;
    case OUT_MISSING:
        answer_code(c->req, 404, "not_found", "Nothing was taken under this reference.");
        return;
    case OUT_CURRENCY:
        answer_code(c->req, 400, "invalid_request", "currency: it is not the charge's");
        return;
    case OUT_ANSWER:
        break;
    }
    reply(c->req, status, &body);
}

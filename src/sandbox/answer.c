/* What goes out. */
#include "sandbox/sandbox_internal.h"

#include <stdio.h>

#define ANSWER_BYTES_MAX 4096

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
    {"96", "System error"},
    {"98", "Issuer timeout"},
    {"G0", "Declined"},
    {"not_captured", "Nothing of this charge was captured"},
    {"already_captured", "The charge is captured"},
    {"already_voided", "The charge is voided"},
    {"amount_exceeds", "More than is left of the charge"},
    {"reversed", "The charge was reversed or refused"},
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

/* "ch_" and the id's letters. */
static void write_id(struct jw *w, const char *key, const char *prefix, struct id id)
{
    char text[ID_TEXT_MAX], out[ID_TEXT_MAX];
    (void)id_text(ID_ATTEMPT, id, text);
    (void)snprintf(out, sizeof out, "%s%s", prefix, text + strlen(id_prefix(ID_ATTEMPT)));
    jw_str(w, key, str_from(out));
}

/* Numbers an acquirer would give, drawn from the charge's id so that a repetition gives them again.
 */
static void write_numbers(struct jw *w, struct id charge)
{
    char text[32];
    uint64_t n = num_get64(charge.b + 8) >> 10;
    (void)snprintf(text, sizeof text, "%015llu",
                   (unsigned long long)(n % UINT64_C(1000000000000000)));
    jw_str(w, "network_reference", str_from(text));
    (void)snprintf(text, sizeof text, "%06llu", (unsigned long long)((n >> 7) % 1000000));
    jw_str(w, "auth_code", str_from(text));
}

static void write_approved(struct jw *w, const struct result *r, const char *reference)
{
    static const char *const states[] = {
        [KIND_CAPTURE] = "captured", [KIND_VOID] = "voided", [KIND_REFUND] = "refunded"};
    ASSERT(r->kind <= KIND_REFUND);
    jw_str(w, "result", STR("approved"));
    jw_str(w, "state",
           str_from(r->kind != KIND_CHARGE ? states[r->kind]
                    : r->captured          ? "captured"
                                           : "authorized"));
    jw_str(w, "reference", str_from(reference));
    write_id(w, "charge_id", "ch_", r->charge_id);
    if (r->kind != KIND_CHARGE)
        write_id(w, "operation_id", "op_", r->operation_id);
    jw_int(w, "amount", r->amount);
    jw_str(w, "currency", str_from(r->currency));
    if (r->kind == KIND_CHARGE)
        write_numbers(w, r->charge_id);
}

static int write_result(struct call *c, struct buf *body)
{
    struct result *r = &c->result;
    struct jw w = {.b = body};
    bool inquiry = c->kind == KIND_INQUIRY;
    int status = 200;
    jw_object(&w, NULL);
    if (r->pending) {
        jw_str(&w, "result", STR("pending"));
        jw_str(&w, "reference", str_from(c->reference));
        status = inquiry ? 200 : 202;
    } else if (r->code[0]) {
        jw_str(&w, "result", STR("refused"));
        jw_str(&w, "code", str_from(r->code));
        jw_str(&w, "message", str_from(message_of(r->code)));
        jw_str(&w, "reference", str_from(c->reference));
        status = inquiry ? 200 : 402;
    } else {
        write_approved(&w, r, c->reference);
    }
    jw_object_end(&w);
    return status;
}

void answer_result(struct call *c)
{
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
    struct buf body = BUF(ANSWER_BYTES_MAX);
    int status = write_result(c, &body);
    reply(c->req, status, &body);
}

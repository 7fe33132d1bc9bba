/* A card that was typed: checked, sealed by the vault, told to `api` without its number. */
#include <stdio.h>

#include "card/card_internal.h"
#include "observe/observe.h"
#include "sys/sys.h"

#define BODY_BYTES 4096
#define TOKEN_MAX 128
#define ORIGIN_MAX 256
#define NAME_MAX_ 200
#define DIGITS_MAX 8 /* in a row, in what is not the number */

/* One card on its way in. */
struct taking {
    struct card_role *c;
    struct http_request *req;
    struct card card;
    char token[TOKEN_MAX], origin[ORIGIN_MAX], name[NAME_MAX_ * 4 + 1];
    int64_t merchant_id, keep_until_us;
    struct vault_sealed sealed;
};

/* --- the end --- */
static void forget(struct taking *t)
{
    struct card_role *c = t->c;
    mem_wipe(t, sizeof *t);
    mem_free(t);
    __atomic_sub_fetch(&c->active, 1, __ATOMIC_RELEASE);
}

static void fail(struct taking *t, const struct err_info *info)
{
    http_reply_problem(t->req, info);
    forget(t);
}

static void fail_with(struct taking *t, err_t err, const char *detail)
{
    struct err_info info = {0};
    (void)error_set(&info, err, "%s", detail);
    if (error_def(err)->status == 503)
        info.retry_after_s = 1;
    fail(t, &info);
}

static void fail_away(struct taking *t)
{
    fail_with(t, ERR_UNAVAILABLE, "The card cannot be taken now. Try again; nothing was kept.");
}

/* --- what `api` says in the end --- */
static void told(const struct link_frame *a, void *arg)
{
    struct taking *t = arg;
    struct link_reader r = {.rest = a ? a->payload : (struct str){NULL, 0}};
    int64_t status = a ? link_take_int(&r) : 0;
    struct str json = a ? link_take_str(&r, LINK_PAYLOAD_MAX) : (struct str){NULL, 0};
    struct buf body = BUF(LINK_PAYLOAD_MAX);
    buf_add(&body, json.p ? json.p : "", json.n);
    if (!a || !link_taken(&r) || status < 200 || status > 599 || json.n == 0 || body.failed) {
        buf_free(&body);
        fail_away(t); /* the vault forgets by itself what nobody has kept */
        return;
    }
    struct http_answer answer = {.status = (int)status,
                                 .content_type = status >= 400 ? "application/problem+json" : NULL,
                                 .body = &body};
    http_reply(t->req, &answer);
    buf_free(&body);
    forget(t);
}

/* Eight digits of a long number may be known, else six. Source: PCI SSC FAQ 1091. */
static size_t bin_digits(const char *number)
{
    return strlen(number) >= 16 ? 8 : 6;
}

static void tell(struct taking *t)
{
    struct buf b = BUF(LINK_CARD_MAX);
    size_t n = strlen(t->card.number);
    link_put_str(&b, str_from(t->token));
    link_put_id(&b, t->sealed.card);
    link_put_str(&b, str_from(card_brand(t->card.number)));
    link_put_bytes(&b, t->card.number + n - 4, 4);
    link_put_bytes(&b, t->card.number, bin_digits(t->card.number));
    link_put_int(&b, t->card.month);
    link_put_int(&b, t->card.year);
    link_put_bytes(&b, t->sealed.fingerprint, FINGERPRINT);
    link_put_str(&b, str_from(t->name));
    card_wipe(&t->card);
    err_t err = b.failed ? ERR_NO_MEMORY
                         : link_slot_ask(&t->c->api, LINK_CARD_SAVED, buf_view(&b), told, t);
    if (b.p)
        mem_wipe(b.p, b.n);
    buf_free(&b);
    if (err)
        fail_away(t);
}

/* --- what the vault says --- */
static void sealed(const struct link_frame *a, void *arg)
{
    struct taking *t = arg;
    struct link_reader r = {.rest = a ? a->payload : (struct str){NULL, 0}};
    int64_t err = a ? link_take_int(&r) : ERR_UNAVAILABLE;
    t->sealed.card = a ? link_take_id(&r) : (struct id){{0}};
    struct str fingerprint = a ? link_take_str(&r, FINGERPRINT) : (struct str){NULL, 0};
    if (!a || err || !link_taken(&r) || fingerprint.n != FINGERPRINT) {
        fail_away(t);
        return;
    }
    memcpy(t->sealed.fingerprint, fingerprint.p, FINGERPRINT);
    tell(t);
}

static void seal(struct taking *t)
{
    struct buf b = BUF(LINK_SMALL);
    link_put_int(&b, t->merchant_id);
    link_put_int(&b, t->keep_until_us);
    link_put_str(&b, str_from(t->card.number));
    link_put_int(&b, t->card.month);
    link_put_int(&b, t->card.year);
    link_put_str(&b, str_from(t->card.cvc));
    err_t err = b.failed ? ERR_NO_MEMORY
                         : link_slot_ask(&t->c->vault, LINK_VAULT_SEAL, buf_view(&b), sealed, t);
    if (b.p)
        mem_wipe(b.p, b.n);
    buf_free(&b);
    if (err)
        fail_away(t);
}

/* --- what `api` says of the client token --- */
static void checked(const struct link_frame *a, void *arg)
{
    struct taking *t = arg;
    char detail[256] = "";
    struct link_reader r = {.rest = a ? a->payload : (struct str){NULL, 0}};
    int64_t err = a ? link_take_int(&r) : ERR_UNAVAILABLE;
    if (a) {
        link_take_text(&r, detail, sizeof detail);
        t->merchant_id = link_take_int(&r);
        t->keep_until_us = link_take_int(&r);
    }
    if (!a || !link_taken(&r) || err < 0 || err >= ERR_COUNT)
        fail_away(t);
    else if (err)
        fail_with(t, (err_t)err, detail[0] ? detail : error_def((err_t)err)->title);
    else if (t->merchant_id <= 0)
        fail_away(t);
    else
        seal(t);
}

static void check_token(struct taking *t)
{
    struct buf b = BUF(LINK_SMALL);
    link_put_str(&b, str_from(t->token));
    link_put_str(&b, str_from(t->origin));
    err_t err = b.failed ? ERR_NO_MEMORY
                         : link_slot_ask(&t->c->api, LINK_CLIENT_CHECK, buf_view(&b), checked, t);
    buf_free(&b);
    if (err)
        fail_away(t);
}

/* --- what the browser sends --- */
struct typed {
    struct str number, cvc, name, origin;
    struct opt_int month, year;
};
static const struct wire_field fields[] = {
    {"number", WIRE_STR, WIRE_REQUIRED, offsetof(struct typed, number), 1, 40},
    {"exp_month", WIRE_INT, WIRE_REQUIRED, offsetof(struct typed, month), 1, 12},
    {"exp_year", WIRE_INT, WIRE_REQUIRED, offsetof(struct typed, year), 0, 9999},
    {"cvc", WIRE_STR, WIRE_NULLABLE, offsetof(struct typed, cvc), 3, 4},
    {"name", WIRE_STR, WIRE_NULLABLE, offsetof(struct typed, name), 1, NAME_MAX_},
    {"page_origin", WIRE_STR, WIRE_NULLABLE, offsetof(struct typed, origin), 1, ORIGIN_MAX - 1},
};

/* As people write it: with spaces and dashes. */
static bool take_number(struct str s, char out[CARD_NUMBER_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == ' ' || s.p[i] == '-')
            continue;
        if (n == CARD_NUMBER_MAX - 1)
            return false;
        out[n++] = s.p[i];
    }
    out[n] = 0;
    return true;
}

static void take_text(struct str s, char *out, size_t max)
{
    size_t n = s.n < max ? s.n : max - 1;
    if (n)
        memcpy(out, s.p, n);
    out[n] = 0;
}

/* How far the digits go that begin there, whatever but letters is between; 0: they are few. */
static size_t many_digits(const char *p)
{
    size_t digits = 0, end = 0;
    for (size_t i = 0; p[i]; i++) {
        bool digit = p[i] >= '0' && p[i] <= '9';
        bool letter = (p[i] | 32) >= 'a' && (p[i] | 32) <= 'z';
        if (letter || (unsigned char)p[i] > 0x7F || (i == 0 && !digit))
            break;
        digits += digit;
        end = digit ? i + 1 : end;
    }
    return digits > DIGITS_MAX ? end : 0;
}

/* Whoever types his number where his name belongs would tell it to `api`. */
static bool is_name(const char *s)
{
    for (; *s; s++)
        if (many_digits(s))
            return false;
    return true;
}

static void cover(char *s)
{
    for (size_t n; *s; s += n ? n : 1) {
        n = many_digits(s);
        memset(s, '*', n);
    }
}

/* What was typed does not come back in the words about it: they are read by more than the typist.
 */
static void cover_all(struct err_info *info)
{
    cover(info->detail);
    cover(info->param);
    for (int i = 0; i < info->items; i++) {
        cover(info->item[i].pointer);
        cover(info->item[i].detail);
    }
}

static err_t read_card(struct taking *t, json_t *json, struct err_info *info)
{
    struct typed in = {.number = {NULL, 0}};
    err_t err = wire_read(json, fields, COUNT_OF(fields), &in, info);
    if (err)
        return err;
    if (!take_number(in.number, t->card.number))
        return error_param(info, ERR_PARAM_INVALID, "number", "is not a card number");
    t->card.month = (int)in.month.value;
    t->card.year = (int)(in.year.value < 100 ? 2000 + in.year.value : in.year.value);
    take_text(in.cvc, t->card.cvc, sizeof t->card.cvc);
    take_text(in.name, t->name, sizeof t->name);
    take_text(in.origin, t->origin, sizeof t->origin);
    if (!is_name(t->name)) /* the payment does not need one */
        mem_wipe(t->name, sizeof t->name);
    return card_check(&t->card, sys_now_us(), info);
}

static bool read_token(struct http_request *req, char out[TOKEN_MAX])
{
    struct str h = http_header(req, "Authorization"), bearer = STR("Bearer ");
    if (!str_starts(h, bearer) || h.n - bearer.n >= TOKEN_MAX || h.n - bearer.n < 8)
        return false;
    take_text((struct str){h.p + bearer.n, h.n - bearer.n}, out, TOKEN_MAX);
    return strncmp(out, "ct_", 3) == 0;
}

/* Who tests stolen cards needs many tries; tokens of a checkout are to be had for nothing. */
static bool may_try(struct card_role *c, struct http_request *req)
{
    struct err_info info = {0};
    uint8_t key[16];
    int wait_s = 0;
    if (c->config.attempts_per_minute == 0 || !http_visitor(req, c->config.proxies, key) ||
        limiter_take(&c->attempts, key, (int)c->config.attempts_per_minute, MINUTE_US, &wait_s))
        return true;
    (void)error_set(&info, ERR_RATE_LIMITED,
                    "Too many cards were typed from this address: try again later.");
    info.retry_after_s = wait_s;
    http_reply_problem(req, &info);
    return false;
}

void on_card(struct http_request *req, void *ctx)
{
    struct card_role *c = ctx;
    static const struct json_limits limits = {BODY_BYTES, 4};
    if (!may_try(c, req))
        return;
    struct taking *t = mem_alloc(sizeof *t);
    struct err_info info = {0};
    json_t *json = NULL;
    if (!t) {
        (void)error_set(&info, ERR_NO_MEMORY, "%s", error_def(ERR_NO_MEMORY)->title);
        http_reply_problem(req, &info);
        return;
    }
    t->c = c;
    t->req = req;
    __atomic_add_fetch(&c->active, 1, __ATOMIC_ACQUIRE);
    if (!read_token(req, t->token)) {
        fail_with(t, ERR_UNAUTHENTICATED, "A client token is needed: Authorization: Bearer ct_…");
        return;
    }
    err_t err = json_read(req->body, &limits, &json, &info);
    if (!err)
        err = read_card(t, json, &info);
    json_decref(json);
    if (err) {
        cover_all(&info);
        fail(t, &info);
    } else {
        check_token(t);
    }
}

/* --- reports --- */
static void reported(const struct link_frame *a, void *arg)
{
    (void)a, (void)arg;
}

void on_report(struct http_request *req, void *ctx)
{
    struct card_role *c = ctx;
    struct buf b = BUF(16384);
    struct http_answer answer = {.status = 204};
    uint8_t room[16];
    if (req->body.n > 0 && req->body.n <= 8192) {
        link_put_str(&b, STR("fields"));
        link_put_str(&b, http_visitor_or_peer(req, c->config.proxies, room));
        link_put_str(&b, req->body);
        if (b.failed ||
            link_slot_ask(&c->api, LINK_PAGE_REPORT, buf_view(&b), reported, NULL) != OK)
            LOG(LOG_WARN, "card.report_lost", LOG_INT("bytes", (int64_t)req->body.n));
    }
    buf_free(&b);
    http_reply(req, &answer);
}

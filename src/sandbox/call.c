/* The way of one /v2 request: read, perhaps go wrong, one transaction, perhaps go wrong, answer. */
#include "sandbox/sandbox_internal.h"

#include "observe/observe.h"

#define BODY_BYTES_MAX 16384

struct body {
    struct str reference, currency, source, text;
    struct opt_int amount;
    struct opt_bool capture;
};
#define FIELD(n, t, f, a, b)                                                                       \
    {                                                                                              \
        .name = #n, .type = t, .flags = f, .offset = offsetof(struct body, n), .min = a, .max = b  \
    }
#define FIELD_TEXT(n)                                                                              \
    {                                                                                              \
        .name = n, .type = WIRE_STR, .flags = WIRE_NULLABLE, .offset = offsetof(struct body, text) \
    }

/* An operation's table is the first three. amount + 1 must fit, too. */
static const struct wire_field fields[] = {
    FIELD(reference, WIRE_STR, WIRE_REQUIRED, 1, REFERENCE_MAX),
    FIELD(amount, WIRE_INT, WIRE_REQUIRED, 1, AMOUNT_MAX - 1),
    FIELD(currency, WIRE_STR, WIRE_REQUIRED, 3, 3),
    FIELD(source, WIRE_STR, WIRE_REQUIRED, 1, 255),
    FIELD(capture, WIRE_BOOL, 0, 0, 0),
    FIELD_TEXT("descriptor"),
    FIELD_TEXT("description"),
};
#define OPERATION_FIELDS 3

struct call *call_new(struct sandbox *s, struct http_request *req, enum kind kind)
{
    struct call *c = arena_alloc(req->arena, sizeof *c);
    if (!c) {
        answer_code(req, 503, "unavailable", "There is no memory for this request.");
        return NULL;
    }
    c->req = req;
    c->s = s;
    c->kind = kind;
    c->id = req->request_id; /* as unique as an id has to be, and made already */
    return c;
}

static bool currency_valid(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 'A' || s.p[i] > 'Z')
            return false;
    return s.n == 3;
}

static err_t take_body(struct call *c, const struct body *b, struct err_info *info)
{
    struct str charge = c->kind == KIND_CHARGE ? b->reference : c->req->params[0];
    if (!reference_valid(b->reference) || !reference_valid(charge))
        return error_set(info, ERR_PARAM_INVALID, "reference: 1 to 64 letters, digits, _ and -");
    if (!currency_valid(b->currency))
        return error_set(info, ERR_PARAM_INVALID, "currency: three capital letters");
    c->reference = arena_copy(c->req->arena, b->reference.p, b->reference.n);
    c->charge = arena_copy(c->req->arena, charge.p, charge.n);
    if (!c->reference || !c->charge)
        return error_set(info, ERR_NO_MEMORY, "There is no memory for this request.");
    text_copy(c->currency, sizeof c->currency, b->currency);
    c->amount = b->amount.value;
    c->capture = !b->capture.set || b->capture.value;
    c->token = c->kind == KIND_CHARGE ? token_find(b->source) : NULL;
    return OK;
}

bool call_read(struct call *c)
{
    static const struct json_limits limits = {BODY_BYTES_MAX, 4};
    struct err_info info = {0};
    struct body b = {0};
    json_t *json = NULL;
    err_t err = json_read(c->req->body, &limits, &json, &info);
    if (!err)
        err = wire_read(json, fields, c->kind == KIND_CHARGE ? COUNT_OF(fields) : OPERATION_FIELDS,
                        &b, &info);
    if (!err)
        err = take_body(c, &b, &info);
    json_decref(json);
    if (err == ERR_NO_MEMORY)
        answer_code(c->req, 503, "unavailable", info.detail);
    else if (err)
        answer_code(c->req, 400, "invalid_request", info.detail);
    return err == OK;
}

static struct call *call_of(struct wait *w)
{
    return (struct call *)(void *)((char *)w - offsetof(struct call, wait));
}

static void refuse_stopping(struct call *c)
{
    timer_release(&c->s->timer, &c->wait);
    answer_code(c->req, 503, "unavailable", "The sandbox is stopping.");
}

/* --- waits --- */
static void hang_over(struct wait *w, bool stopping)
{
    struct call *c = call_of(w);
    if (stopping)
        refuse_stopping(c);
    else
        answer_code(c->req, 504, "timeout", "This answer was kept back on purpose.");
}

static void delay_over(struct wait *w, bool stopping)
{
    struct call *c = call_of(w);
    if (stopping)
        refuse_stopping(c);
    else
        call_submit(c);
}

static void answer_over(struct wait *w, bool stopping)
{
    struct call *c = call_of(w);
    if (stopping)
        refuse_stopping(c);
    else
        answer_result(c);
}

void call_hang(struct call *c)
{
    c->wait.fire = hang_over;
    timer_add(&c->s->timer, &c->wait, c->s->hang_ms);
}

static void call_delay(struct call *c, void (*fire)(struct wait *w, bool stopping))
{
    c->wait.fire = fire;
    timer_add(&c->s->timer, &c->wait, c->ms);
}

/* --- the transaction --- */
static void call_done(err_t err, void *arg)
{
    struct call *c = arg;
    struct result *r = &c->result;
    timer_release(&c->s->timer, &c->wait);
    if (err && !(err == ERR_STATE && r->outcome == OUT_REUSED)) {
        LOG(LOG_ERROR, "sandbox.store", LOG_STR("error", error_def(err)->code));
        answer_code(c->req, 503, "unavailable", "The book cannot be written.");
        return;
    }
    if (r->fresh && r->pending) {
        c->op.run = charge_finish_run;
        call_delay(c, delay_over);
        return;
    }
    /* a token goes wrong the first time only; a fault hits whom it hits */
    enum act act = c->faulted ? c->act : !r->fresh ? ACT_PLAIN : r->act ? r->act : c->act;
    if (act == ACT_DROP_AFTER)
        call_hang(c);
    else if (act == ACT_ERROR_AFTER)
        answer_code(c->req, 500, "internal_error", "This error was made on purpose.");
    else if (c->faulted && act == ACT_DELAY && c->op.run == charge_run)
        call_delay(c, answer_over); /* a refusal or a repetition, which have no row that waits */
    else
        answer_result(c);
}

void call_submit(struct call *c)
{
    if (c->kind == KIND_INQUIRY && timer_holds(&c->s->timer, str_from(c->reference))) {
        c->result = (struct result){.outcome = OUT_ANSWER, .pending = true};
        answer_result(c);
        return;
    }
    if (!c->op.run)
        c->op.run = c->kind == KIND_CHARGE    ? charge_run
                    : c->kind == KIND_INQUIRY ? inquiry_run
                                              : operation_run;
    c->op.done = call_done;
    c->op.arg = c;
    err_t err = c->kind == KIND_INQUIRY ? store_submit_read(c->s->store, &c->op)
                                        : store_submit(c->s->store, &c->op);
    if (!err)
        return;
    timer_release(&c->s->timer, &c->wait);
    answer_code(c->req, 503, "unavailable", "Too much is waiting.");
}

void call_begin(struct call *c)
{
    c->act = faults_take(&c->s->faults, c->kind, &c->ms);
    c->faulted = c->act != ACT_PLAIN;
    if (!c->faulted && c->token) {
        c->act = c->token->charge;
        c->ms = c->s->slow_ms;
    }
    switch (c->act) {
    case ACT_DROP_BEFORE:
        call_hang(c);
        return;
    case ACT_ERROR_BEFORE:
        answer_code(c->req, 500, "internal_error", "This error was made on purpose.");
        return;
    case ACT_DELAY:
        if (c->kind == KIND_CHARGE) /* its row is the thing that waits */
            break;
        if (c->kind != KIND_INQUIRY)
            timer_hold(&c->s->timer, &c->wait, c->reference);
        call_delay(c, delay_over);
        return;
    default:
        break;
    }
    call_submit(c);
}

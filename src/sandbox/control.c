/* The control API: what issuers, schemes and acquirers decide by themselves, on order. */
#include "sandbox/sandbox_internal.h"
#include "sys/sys.h"

enum control_what { DISPUTE_OPEN, DISPUTE_MOVE, REFUND_DECIDE, CHARGE_CLEAR, CHARGE_EXPIRE };
/* Whatever is asked for, with what is needed to answer. */
struct control {
    struct http_request *req;
    struct sandbox *s;
    enum control_what what;
    union {
        struct dispute_open open;
        struct dispute_move move;
        struct refund_decide refund;
        struct charge_clear clear;
        struct charge_expire expire;
    } u;
};
struct body {
    struct str charge, stage, reason, status, result, act;
    struct opt_int amount;
};
#define FIELD(n, m, f)                                                                             \
    {                                                                                              \
        .name = n, .type = WIRE_STR, .flags = f, .offset = offsetof(struct body, m), .min = 1,     \
        .max = REFERENCE_MAX                                                                       \
    }
#define FIELD_AMOUNT                                                                               \
    {                                                                                              \
        .name = "amount", .type = WIRE_INT, .offset = offsetof(struct body, amount), .min = 1,     \
        .max = AMOUNT_MAX - 1                                                                      \
    }
static const struct wire_field open_fields[] = {FIELD("charge", charge, WIRE_REQUIRED),
                                                FIELD("stage", stage, 0),
                                                FIELD("reason", reason, 0), FIELD_AMOUNT};
static const struct wire_field move_fields[] = {FIELD("status", status, WIRE_REQUIRED)};
static const struct wire_field refund_fields[] = {FIELD("result", result, WIRE_REQUIRED)};
static const struct wire_field charge_fields[] = {FIELD("do", act, WIRE_REQUIRED), FIELD_AMOUNT};

static void control_answer(struct control *c, enum done done, const struct dispute *dispute)
{
    if (done == DONE_MISSING) {
        answer_code(c->req, 404, "not_found", "The book has nothing of that name.");
        return;
    }
    if (done == DONE_NOT_NOW) {
        answer_code(c->req, 409, "not_now", "As it stands that cannot happen to it.");
        return;
    }
    struct buf body = BUF(ANSWER_BYTES_MAX);
    struct jw w = {.b = &body};
    if (dispute) {
        dispute_json(&w, NULL, dispute);
    } else {
        jw_object(&w, NULL);
        jw_str(&w, "result", STR("done"));
        jw_object_end(&w);
    }
    struct http_answer answer = {.status = 200, .body = &body};
    http_reply(c->req, &answer);
}

static void control_done(err_t err, void *arg)
{
    /* arg is what the transaction was about; it stands within its control */
    struct control *c = (struct control *)(void *)((char *)arg - offsetof(struct control, u));
    if (err) {
        answer_code(c->req, 503, "unavailable", "The book cannot be written.");
        return;
    }
    int64_t due_us = 0;
    enum done done = DONE;
    const struct dispute *dispute = NULL;
    switch (c->what) {
    case DISPUTE_OPEN:
        due_us = c->u.open.due_us;
        done = c->u.open.done;
        dispute = &c->u.open.dispute;
        break;
    case DISPUTE_MOVE:
        due_us = c->u.move.due_us;
        done = c->u.move.done;
        dispute = &c->u.move.dispute;
        break;
    case REFUND_DECIDE:
        due_us = c->u.refund.due_us;
        done = c->u.refund.done;
        break;
    case CHARGE_CLEAR:
        due_us = c->u.clear.due_us;
        done = c->u.clear.done;
        break;
    case CHARGE_EXPIRE:
        due_us = c->u.expire.due_us;
        done = c->u.expire.done;
        break;
    }
    notify_wake(c->s);
    due_wake(c->s, due_us);
    control_answer(c, done, dispute);
}

/* --- what is asked for --- */
static err_t read_open(struct control *c, const struct body *b, struct err_info *info)
{
    struct dispute_open *x = &c->u.open;
    struct str stage = b->stage.p ? b->stage : STR("chargeback");
    struct str reason = b->reason.p ? b->reason : STR("fraudulent");
    if (!reference_valid(b->charge))
        return error_set(info, ERR_PARAM_INVALID, "charge: not a reference");
    if (!dispute_reason_known(reason) || reason.n >= sizeof x->reason)
        return error_set(info, ERR_PARAM_INVALID, "reason: not one of a dispute");
    if (!str_eq(stage, STR("chargeback")) && !str_eq(stage, STR("inquiry")))
        return error_set(info, ERR_PARAM_INVALID, "stage: inquiry or chargeback");
    x->s = c->s;
    text_copy(x->charge, sizeof x->charge, b->charge);
    text_copy(x->reason, sizeof x->reason, reason);
    x->stage = str_eq(stage, STR("inquiry")) ? STAGE_INQUIRY : STAGE_CHARGEBACK;
    x->amount = b->amount.set ? b->amount.value : 0;
    x->id = c->req->request_id;
    x->now_us = sys_now_us();
    x->op = (struct store_op){.run = dispute_open_run};
    return OK;
}

static err_t read_move(struct control *c, const struct body *b, struct err_info *info)
{
    static const struct {
        const char *name;
        enum dispute_status to;
    } states[] = {{"under_review", DISPUTE_UNDER_REVIEW},
                  {"won", DISPUTE_WON},
                  {"lost", DISPUTE_LOST},
                  {"closed", DISPUTE_CLOSED}};
    struct dispute_move *x = &c->u.move;
    bool known = str_eq(b->status, STR("chargeback"));
    x->chargeback = known;
    for (size_t i = 0; i < COUNT_OF(states) && !known; i++) {
        known = str_eq(b->status, str_from(states[i].name));
        x->to = states[i].to;
    }
    if (!known)
        return error_set(info, ERR_PARAM_INVALID,
                         "status: under_review, won, lost, closed or chargeback");
    if (!dispute_id_parse(c->req->params[0], &x->id))
        return error_set(info, ERR_PARAM_INVALID, "the path has no dispute's id");
    x->s = c->s;
    x->now_us = sys_now_us();
    x->op = (struct store_op){.run = dispute_move_run};
    return OK;
}

static err_t read_refund(struct control *c, const struct body *b, struct err_info *info)
{
    struct refund_decide *x = &c->u.refund;
    x->approve = str_eq(b->result, STR("approved"));
    if (!x->approve && !str_eq(b->result, STR("refused")))
        return error_set(info, ERR_PARAM_INVALID, "result: approved or refused");
    if (!reference_valid(c->req->params[0]))
        return error_set(info, ERR_PARAM_INVALID, "the path has no reference");
    x->s = c->s;
    text_copy(x->reference, sizeof x->reference, c->req->params[0]);
    x->op = (struct store_op){.run = refund_decide_run};
    return OK;
}

static err_t read_charge(struct control *c, const struct body *b, struct err_info *info)
{
    struct str reference = c->req->params[0];
    if (!reference_valid(reference))
        return error_set(info, ERR_PARAM_INVALID, "the path has no reference");
    if (str_eq(b->act, STR("clear"))) {
        if (!b->amount.set)
            return error_set(info, ERR_PARAM_MISSING, "amount: what is it to clear with?");
        c->what = CHARGE_CLEAR;
        c->u.clear = (struct charge_clear){
            .op = {.run = charge_clear_run}, .s = c->s, .amount = b->amount.value};
        text_copy(c->u.clear.reference, sizeof c->u.clear.reference, reference);
        return OK;
    }
    if (!str_eq(b->act, STR("expire")))
        return error_set(info, ERR_PARAM_INVALID, "do: clear or expire");
    c->what = CHARGE_EXPIRE;
    c->u.expire = (struct charge_expire){.op = {.run = charge_expire_run}, .s = c->s};
    text_copy(c->u.expire.reference, sizeof c->u.expire.reference, reference);
    return OK;
}

static struct store_op *control_op(struct control *c)
{
    switch (c->what) {
    case DISPUTE_OPEN:
        return &c->u.open.op;
    case DISPUTE_MOVE:
        return &c->u.move.op;
    case REFUND_DECIDE:
        return &c->u.refund.op;
    case CHARGE_CLEAR:
        return &c->u.clear.op;
    case CHARGE_EXPIRE:
        break;
    }
    return &c->u.expire.op;
}

static void control_begin(struct http_request *req, struct sandbox *s,
                          const struct wire_field *fields, size_t n, enum control_what what,
                          err_t (*read)(struct control *, const struct body *, struct err_info *))
{
    static const struct json_limits limits = {4096, 3};
    struct err_info info = {0};
    struct body b = {0};
    json_t *json = NULL;
    struct control *c = arena_alloc(req->arena, sizeof *c);
    if (!c) {
        answer_code(req, 503, "unavailable", "There is no memory for this request.");
        return;
    }
    c->req = req;
    c->s = s;
    c->what = what;
    err_t err = json_read(req->body, &limits, &json, &info);
    if (!err)
        err = wire_read(json, fields, n, &b, &info);
    if (!err)
        err = read(c, &b, &info);
    json_decref(json);
    if (err) {
        answer_code(req, 400, "invalid_request", info.detail);
        return;
    }
    struct store_op *op = control_op(c);
    op->done = control_done;
    op->arg = &c->u;
    if (store_submit(s->store, op))
        answer_code(req, 503, "unavailable", "Too much is waiting.");
}

void control_disputes_post(struct http_request *req, void *ctx)
{
    control_begin(req, ctx, open_fields, COUNT_OF(open_fields), DISPUTE_OPEN, read_open);
}

void control_dispute_post(struct http_request *req, void *ctx)
{
    control_begin(req, ctx, move_fields, COUNT_OF(move_fields), DISPUTE_MOVE, read_move);
}

void control_refund_post(struct http_request *req, void *ctx)
{
    control_begin(req, ctx, refund_fields, COUNT_OF(refund_fields), REFUND_DECIDE, read_refund);
}

void control_charge_post(struct http_request *req, void *ctx)
{
    control_begin(req, ctx, charge_fields, COUNT_OF(charge_fields), CHARGE_CLEAR, read_charge);
}

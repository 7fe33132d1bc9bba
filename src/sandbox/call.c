/* The way of one /v2 request: read, perhaps go wrong, one transaction, perhaps go wrong, answer. */
#include "sandbox/sandbox_internal.h"

#include "observe/observe.h"
#include "sys/sys.h"

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
    c->final = -1;
    c->id = req->request_id; /* as unique as an id has to be, and made already */
    return c;
}

static struct call *call_of(struct wait *w)
{
    return (struct call *)(void *)((char *)w - offsetof(struct call, wait));
}

static void refuse_stopping(struct call *c)
{
    timer_release(&c->s->timer, &c->wait);
    typed_card_forget(&c->card);
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
/* The book says what it says; now the answer, or what is done in its place. */
static void call_answer(struct call *c)
{
    struct result *r = &c->result;
    /* a token goes wrong the first time only; a fault hits whom it hits */
    enum act act = c->faulted ? c->act : !r->fresh ? ACT_PLAIN : r->act ? r->act : c->act;
    c->echo = act == ACT_ECHO;
    if (act == ACT_DROP_AFTER)
        call_hang(c);
    else if (act == ACT_ERROR_AFTER)
        answer_code(c->req, 500, "internal_error", "This error was made on purpose.");
    else if (c->faulted && act == ACT_DELAY && c->op.run == charge_run)
        call_delay(c, answer_over); /* a refusal or a repetition, which have no row that waits */
    else
        answer_result(c);
}

static void told(struct wait *w, bool stopping)
{
    struct call *c = call_of(w);
    if (stopping)
        refuse_stopping(c);
    else
        call_answer(c);
}

static void call_done(err_t err, void *arg)
{
    struct call *c = arg;
    struct result *r = &c->result;
    struct sandbox *s = c->s; /* the answer ends c */
    int64_t due_us = err ? 0 : r->due_us;
    timer_release(&s->timer, &c->wait);
    if (err && !(err == ERR_STATE && r->outcome == OUT_REUSED)) {
        LOG(LOG_ERROR, "sandbox.store", LOG_STR("error", error_def(err)->code));
        typed_card_forget(&c->card);
        answer_code(c->req, 503, "unavailable", "The book cannot be written.");
        return;
    }
    if (r->fresh && r->first) {
        c->wait.fire = told;
        notify_first(s, c->charge, &c->wait);
    } else if (r->fresh && r->wait) {
        c->op.run = charge_finish_run;
        call_delay(c, delay_over);
    } else {
        notify_wake(s);
        call_answer(c);
    }
    due_wake(s, due_us);
}

typedef err_t run(struct store_tx *tx, void *arg);

static run *run_of(enum kind kind)
{
    static run *const runs[] = {
        [KIND_CHARGE] = charge_run,       [KIND_CAPTURE] = operation_run,
        [KIND_VOID] = operation_run,      [KIND_REFUND] = operation_run,
        [KIND_INCREMENT] = operation_run, [KIND_EVIDENCE] = evidence_run,
        [KIND_CONFIRM] = confirm_run,     [KIND_CANCEL] = cancel_run,
        [KIND_ACCEPT] = accept_run,       [KIND_INQUIRY] = inquiry_run,
        [KIND_DISPUTE] = dispute_run,
    };
    return runs[kind];
}

void call_submit(struct call *c)
{
    bool reads = c->kind == KIND_INQUIRY || c->kind == KIND_DISPUTE;
    if (c->kind == KIND_INQUIRY && timer_holds(&c->s->timer, str_from(c->reference))) {
        answer_waiting(c);
        return;
    }
    if (!c->op.run)
        c->op.run = run_of(c->kind);
    c->op.done = call_done;
    c->op.arg = c;
    c->now_us = sys_now_us();
    err_t err = reads ? store_submit_read(c->s->store, &c->op) : store_submit(c->s->store, &c->op);
    if (!err)
        return;
    timer_release(&c->s->timer, &c->wait);
    typed_card_forget(&c->card);
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
    if (c->act != ACT_ECHO)
        typed_card_forget(&c->card);
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
        if (c->kind != KIND_INQUIRY && c->kind != KIND_DISPUTE)
            timer_hold(&c->s->timer, &c->wait, c->reference);
        call_delay(c, delay_over);
        return;
    default:
        break;
    }
    call_submit(c);
}

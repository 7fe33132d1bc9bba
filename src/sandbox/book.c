/* Reading: inquiry by reference, and the book for whoever wants to compare. */
#include "sandbox/sandbox_internal.h"

#define BOOK_LIMIT_DEFAULT 100
#define BOOK_LIMIT_MAX 1000
#define BOOK_BYTES_MAX (1u << 20)

err_t inquiry_run(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    struct result *r = &c->result;
    struct str reference = str_from(c->reference);
    bool there = false;
    *r = (struct result){.outcome = OUT_MISSING, .kind = KIND_CHARGE};
    err_t err = charge_get(tx, reference, &r->charge, &there);
    if (there && r->charge.state != CHARGE_REVERSED)
        r->outcome = OUT_ANSWER;
    if (err || there)
        return err;
    err = operation_get(tx, reference, &r->op, &there);
    r->kind = KIND_INQUIRY; /* whichever operation it is */
    if (there)
        r->outcome = OUT_ANSWER;
    return err;
}

struct book_call {
    struct store_op op;
    struct http_request *req;
    struct str reference; /* absent: a page */
    struct str after;
    int64_t limit, rows;
    struct buf body;
    struct jw w;
};

static void write_row(struct book_call *b, const struct charge *x)
{
    static const char *const states[] = {
        [CHARGE_IN_PROGRESS] = "in_progress", [CHARGE_AUTHORIZED] = "authorized",
        [CHARGE_CAPTURED] = "captured",       [CHARGE_VOIDED] = "voided",
        [CHARGE_REFUSED] = "refused",         [CHARGE_ACTION] = "requires_action",
        [CHARGE_EXPIRED] = "expired",
    };
    struct jw *w = &b->w;
    ASSERT(states[x->state]);
    jw_object(w, NULL);
    jw_str(w, "reference", str_from(x->reference));
    jw_int(w, "amount", x->amount);
    jw_str(w, "currency", str_from(x->currency));
    jw_int(w, "captured", x->captured);
    jw_int(w, "refunded", x->refunded);
    jw_str(w, "status", str_from(x->captured > 0 ? "captured" : states[x->state]));
    jw_int(w, "calls", x->calls);
    jw_int(w, "held", x->state == CHARGE_AUTHORIZED ? x->amount - x->captured - x->released : 0);
    jw_int(w, "released", x->released);
    jw_int(w, "disputed", x->disputed);
    jw_int(w, "cleared", x->cleared);
    if (strcmp(x->initiator, "merchant") == 0)
        jw_str(w, "initiator", str_from(x->initiator));
    if (x->stored[0])
        jw_str(w, "stored", str_from(x->stored));
    if (x->network_transaction_id[0])
        jw_str(w, "network_transaction_id", str_from(x->network_transaction_id));
    jw_object_end(w);
}

static err_t each_charge(struct store_row *row, void *arg)
{
    struct book_call *b = arg;
    struct charge x;
    if (b->rows++ < b->limit) { /* the one beyond says that there is more */
        charge_load(row, &x);
        write_row(b, &x);
    }
    return OK;
}

static err_t book_run(struct store_tx *tx, void *arg)
{
    struct book_call *b = arg;
    struct charge x;
    bool there = false;
    err_t err;
    buf_clear(&b->body);
    b->w = (struct jw){.b = &b->body};
    b->rows = 0;
    jw_object(&b->w, NULL);
    jw_array(&b->w, "charges");
    if (b->reference.p) {
        err = charge_get(tx, b->reference, &x, &there);
        if (there && x.state != CHARGE_REVERSED)
            write_row(b, &x);
    } else {
        err = store_each(tx, SQL_SANDBOX_SELECT_CHARGES_AFTER, each_charge, b, V_INT(BOOK_MERCHANT),
                         V_TEXT(b->after), V_INT(b->limit + 1));
    }
    jw_array_end(&b->w);
    jw_array(&b->w, "payouts");
    jw_array_end(&b->w);
    jw_bool(&b->w, "has_more", b->rows > b->limit);
    jw_object_end(&b->w);
    return err;
}

static void book_done(err_t err, void *arg)
{
    struct book_call *b = arg;
    if (err) {
        buf_free(&b->body);
        answer_code(b->req, 503, "unavailable", "The book cannot be read.");
        return;
    }
    struct buf body = b->body; /* b lives in the request's arena, which ends with the answer */
    struct http_answer answer = {.status = 200, .body = &body};
    http_reply(b->req, &answer);
}

static err_t book_query(struct book_call *b, struct err_info *info)
{
    struct url_pair pairs[8];
    size_t n = 0;
    err_t err = url_query(b->req->query, b->req->arena, pairs, COUNT_OF(pairs), &n, info);
    if (err)
        return err;
    for (size_t i = 0; i < n; i++) {
        struct str name = pairs[i].name, value = pairs[i].value;
        if (str_eq(name, STR("limit"))) {
            if (!str_to_i64(value, &b->limit) || b->limit < 1 || b->limit > BOOK_LIMIT_MAX)
                return error_set(info, ERR_PARAM_INVALID, "limit: 1 to %d", BOOK_LIMIT_MAX);
        } else if (str_eq(name, STR("reference")) || str_eq(name, STR("after"))) {
            if (!reference_valid(value))
                return error_set(info, ERR_PARAM_INVALID, STR_FMT ": not a reference",
                                 STR_ARG(name));
            *(name.p[0] == 'r' ? &b->reference : &b->after) = value;
        } else {
            return error_set(info, ERR_PARAM_UNKNOWN, "the book takes reference, limit and after");
        }
    }
    return OK;
}

void book_get(struct http_request *req, void *ctx)
{
    struct sandbox *s = ctx;
    struct err_info info = {0};
    struct book_call *b = arena_alloc(req->arena, sizeof *b);
    if (!b) {
        answer_code(req, 503, "unavailable", "There is no memory for this request.");
        return;
    }
    b->req = req;
    b->after = STR("");
    b->limit = BOOK_LIMIT_DEFAULT;
    b->body = BUF(BOOK_BYTES_MAX);
    b->op = (struct store_op){.run = book_run, .done = book_done, .arg = b};
    err_t err = book_query(b, &info);
    if (err)
        answer_code(req, 400, "invalid_request", info.detail);
    else if (store_submit_read(s->store, &b->op))
        answer_code(req, 503, "unavailable", "Too much is waiting.");
}

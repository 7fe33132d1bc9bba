/* Reading: inquiry by reference, and the book for whoever wants to compare. */
#include "sandbox/sandbox_internal.h"

#define BOOK_LIMIT_DEFAULT 100
#define BOOK_LIMIT_MAX 1000
#define BOOK_BYTES_MAX (1u << 20)

err_t inquiry_run(struct store_tx *tx, void *arg)
{
    struct call *c = arg;
    struct store_row *row = NULL;
    struct sql_value reference = V_TEXT(str_from(c->reference));
    c->result = (struct result){.outcome = OUT_MISSING};
    err_t err = store_one(tx, SQL_SANDBOX_SELECT_CHARGE, &row, V_INT(BOOK_MERCHANT), reference);
    if (!err && row && row_int(row, COL_STATE) != CHARGE_REVERSED)
        result_of_charge(row, &c->result);
    if (err || row)
        return err;
    err = store_one(tx, SQL_SANDBOX_SELECT_OPERATION, &row, V_INT(BOOK_MERCHANT), reference);
    if (!err && row)
        result_of_operation(row, &c->result);
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

static void write_charge(struct book_call *b, struct store_row *row)
{
    static const char *const states[] = {
        [CHARGE_IN_PROGRESS] = "in_progress", [CHARGE_AUTHORIZED] = "authorized",
        [CHARGE_CAPTURED] = "captured",       [CHARGE_VOIDED] = "voided",
        [CHARGE_REFUSED] = "refused",
    };
    int64_t state = row_int(row, COL_STATE);
    ASSERT(state >= CHARGE_IN_PROGRESS && state <= CHARGE_REFUSED);
    jw_object(&b->w, NULL);
    jw_str(&b->w, "reference", row_text(row, COL_REFERENCE));
    jw_int(&b->w, "amount", row_int(row, COL_AMOUNT));
    jw_str(&b->w, "currency", row_text(row, COL_CURRENCY));
    jw_int(&b->w, "captured", row_int(row, COL_CAPTURED));
    jw_int(&b->w, "refunded", row_int(row, COL_REFUNDED));
    jw_str(&b->w, "status", str_from(states[state]));
    jw_int(&b->w, "calls", row_int(row, COL_CALLS));
    jw_object_end(&b->w);
}

static err_t each_charge(struct store_row *row, void *arg)
{
    struct book_call *b = arg;
    if (b->rows++ < b->limit) /* the one beyond says that there is more */
        write_charge(b, row);
    return OK;
}

static err_t book_run(struct store_tx *tx, void *arg)
{
    struct book_call *b = arg;
    struct store_row *row = NULL;
    err_t err;
    buf_clear(&b->body);
    b->w = (struct jw){.b = &b->body};
    b->rows = 0;
    jw_object(&b->w, NULL);
    jw_array(&b->w, "charges");
    if (b->reference.p) {
        err = store_one(tx, SQL_SANDBOX_SELECT_CHARGE, &row, V_INT(BOOK_MERCHANT),
                        V_TEXT(b->reference));
        if (!err && row && row_int(row, COL_STATE) != CHARGE_REVERSED)
            write_charge(b, row);
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

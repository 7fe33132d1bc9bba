/* The control page: the charges, and one with everything that can be done to it. control_parts.c
 * writes its tables. */
#include "sandbox/control_internal.h"

#include "sys/sys.h"

#define ROWS_MAX 50

struct page_call {
    struct store_op op;
    struct http_request *req;
    struct sandbox *s;
    struct str reference, before;
    struct buf content;
    bool found;
    /* of the list */
    struct store_tx *tx;
    struct buf rows;
    size_t rows_n;
    bool more;
    char last[REFERENCE_MAX + 1];
};

void control_button(struct buf *out, const char *path, const char *label,
                    const struct page_value *fields, size_t n)
{
    struct buf inputs = BUF(PART_BYTES_MAX);
    for (size_t i = 0; i < n; i++)
        PAGE_FILL(&inputs, "field.html", {"name", str_from(fields[i].name)},
                  {"value", fields[i].value});
    PAGE_FILL(out, "button.html", {"path", str_from(path)}, {"label", str_from(label)},
              {"fields", buf_view(&inputs)});
    out->failed = out->failed || inputs.failed;
    buf_free(&inputs);
}

const char *charge_state_text(enum charge_state state)
{
    static const char *const names[] = {[CHARGE_IN_PROGRESS] = "in progress",
                                        [CHARGE_AUTHORIZED] = "authorized",
                                        [CHARGE_CAPTURED] = "captured",
                                        [CHARGE_VOIDED] = "voided",
                                        [CHARGE_REFUSED] = "refused",
                                        [CHARGE_REVERSED] = "reversed",
                                        [CHARGE_ACTION] = "waits for the customer",
                                        [CHARGE_EXPIRED] = "hold expired"};
    ASSERT(state >= CHARGE_IN_PROGRESS && state <= CHARGE_EXPIRED);
    return names[state];
}

static const char *state_class(enum charge_state state)
{
    return state == CHARGE_CAPTURED ? "captured" : state == CHARGE_REFUSED ? "refused" : "other";
}

/* --- the list --- */
static void write_actions(struct buf *out, const struct charge *x)
{
    char path[128];
    if (x->notify)
        CONTROL_BUTTON(out, "/control/webhooks", "Last webhook again",
                       {"reference", str_from(x->reference)}, {"send", STR("again")});
    (void)snprintf(path, sizeof path, "/control/charges/%s", x->reference);
    if (x->state == CHARGE_AUTHORIZED)
        CONTROL_BUTTON(out, path, "Expire the hold", {"do", STR("expire")});
}

static err_t each_charge(struct store_row *row, void *arg)
{
    struct page_call *c = arg;
    struct charge x;
    bool there = false;
    if (c->rows_n == ROWS_MAX) { /* the one beyond */
        c->more = true;
        return OK;
    }
    text_copy(c->last, sizeof c->last, row_text(row, 0));
    err_t err = charge_get(c->tx, str_from(c->last), &x, &there);
    if (err || !there)
        return err;
    struct buf amount = BUF(64), captured = BUF(64), refunded = BUF(64),
               actions = BUF(PART_BYTES_MAX);
    struct str currency = str_from(x.currency);
    c->rows_n++;
    page_amount(&amount, x.amount, currency);
    page_amount(&captured, x.captured, currency);
    page_amount(&refunded, x.refunded, currency);
    write_actions(&actions, &x);
    PAGE_FILL(&c->rows, "charges_row.html", {"reference", str_from(x.reference)},
              {"state", str_from(state_class(x.state))},
              {"state_text", str_from(charge_state_text(x.state))}, {"amount", buf_view(&amount)},
              {"captured", buf_view(&captured)}, {"refunded", buf_view(&refunded)},
              {"source", str_from(x.source)}, {"actions", buf_view(&actions)});
    buf_free(&amount);
    buf_free(&captured);
    buf_free(&refunded);
    buf_free(&actions);
    return OK;
}

static err_t list_run(struct store_tx *tx, void *arg)
{
    struct page_call *c = arg;
    struct buf more = BUF(PART_BYTES_MAX);
    buf_clear(&c->content);
    buf_clear(&c->rows);
    c->tx = tx;
    c->rows_n = 0;
    c->more = false;
    err_t err = store_each(tx, SQL_SANDBOX_LIST_CHARGES_DOWN, each_charge, c, V_INT(BOOK_MERCHANT),
                           V_TEXT(c->before), V_INT(ROWS_MAX + 1));
    if (c->rows_n == 0)
        buf_str(&c->rows, "<tr><td colspan=\"7\">There is no charge yet.</td></tr>");
    if (c->more)
        PAGE_FILL(&more, "more.html", {"before", str_from(c->last)});
    PAGE_FILL(&c->content, "charges.html", {"rows", buf_view(&c->rows)}, {"more", buf_view(&more)});
    buf_free(&more);
    c->found = true;
    return err;
}

/* --- one charge --- */
static void write_reasons(struct buf *out)
{
    static const char *const reasons[] = {"fraudulent",
                                          "product_not_received",
                                          "product_unacceptable",
                                          "duplicate",
                                          "subscription_canceled",
                                          "credit_not_processed",
                                          "unrecognized",
                                          "general"};
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (dispute_reason_known(str_from(reasons[i])))
            PAGE_FILL(out, "option.html", {"value", str_from(reasons[i])},
                      {"text", str_from(reasons[i])});
}

struct parts {
    struct buf amount, captured, refunded, own, challenge, webhooks, operations, disputes, reasons,
        url;
};

static void parts_free(struct parts *p)
{
    buf_free(&p->amount);
    buf_free(&p->captured);
    buf_free(&p->refunded);
    buf_free(&p->own);
    buf_free(&p->challenge);
    buf_free(&p->webhooks);
    buf_free(&p->operations);
    buf_free(&p->disputes);
    buf_free(&p->reasons);
    buf_free(&p->url);
}

/* What can be done to the charge itself as it stands. */
static void write_own(struct buf *out, const struct charge *x)
{
    struct buf clear = BUF(32);
    struct str reference = str_from(x->reference);
    buf_i64(&clear, x->captured);
    if (x->captured)
        PAGE_FILL(out, "charge_clear.html", {"reference", reference}, {"clear", buf_view(&clear)});
    if (x->state == CHARGE_AUTHORIZED || x->state == CHARGE_ACTION)
        PAGE_FILL(out, "charge_expire.html", {"reference", reference},
                  {"label", x->state == CHARGE_AUTHORIZED ? STR("Expire the hold")
                                                          : STR("Expire the challenge")});
    if (out->n == 0)
        buf_str(out, "<p>As it stands nothing can happen to it.</p>");
    buf_free(&clear);
}

static err_t parts_write(struct store_tx *tx, const struct charge *x, struct parts *p)
{
    char id[ID_TEXT_MAX];
    struct store_row *row = NULL;
    struct str currency = str_from(x->currency), reference = str_from(x->reference);
    page_amount(&p->amount, x->amount, currency);
    page_amount(&p->captured, x->captured, currency);
    page_amount(&p->refunded, x->refunded, currency);
    write_own(&p->own, x);
    id_words("ch_", x->id, id);
    if (x->challenge == CHALLENGE_OPEN)
        PAGE_FILL(&p->challenge, "link.html", {"id", str_from(id)});
    write_reasons(&p->reasons);
    err_t err = store_one(tx, SQL_SANDBOX_SELECT_CHARGE_HOOK, &row, V_INT(BOOK_MERCHANT),
                          V_TEXT(reference));
    struct str url = !err && row && row_text(row, 0).n ? row_text(row, 0) : STR("nowhere");
    buf_add(&p->url, url.p, url.n);
    if (!err)
        err = control_webhooks_part(tx, x, &p->webhooks);
    if (!err)
        err = control_operations_part(tx, x, &p->operations);
    if (!err)
        err = control_disputes_part(tx, x, &p->disputes);
    return err;
}

static err_t charge_page_run(struct store_tx *tx, void *arg)
{
    struct page_call *c = arg;
    struct charge x;
    struct parts p = {.amount = BUF(64),
                      .captured = BUF(64),
                      .refunded = BUF(64),
                      .own = BUF(PART_BYTES_MAX),
                      .challenge = BUF(PART_BYTES_MAX),
                      .webhooks = BUF(PAGE_BYTES_MAX),
                      .operations = BUF(PAGE_BYTES_MAX),
                      .disputes = BUF(PAGE_BYTES_MAX),
                      .reasons = BUF(PART_BYTES_MAX),
                      .url = BUF(4096)};
    buf_clear(&c->content);
    err_t err = charge_get(tx, c->reference, &x, &c->found);
    if (err || !c->found)
        return err;
    err = parts_write(tx, &x, &p);
    if (!err)
        PAGE_FILL(&c->content, "charge.html", {"reference", str_from(x.reference)},
                  {"state", str_from(state_class(x.state))},
                  {"state_text", str_from(charge_state_text(x.state))}, {"code", str_from(x.code)},
                  {"amount", buf_view(&p.amount)}, {"captured", buf_view(&p.captured)},
                  {"refunded", buf_view(&p.refunded)}, {"source", str_from(x.source)},
                  {"notify_url", buf_view(&p.url)}, {"challenge", buf_view(&p.challenge)},
                  {"webhooks", buf_view(&p.webhooks)}, {"operations", buf_view(&p.operations)},
                  {"disputes", buf_view(&p.disputes)}, {"reasons", buf_view(&p.reasons)},
                  {"own", buf_view(&p.own)});
    c->content.failed = c->content.failed || p.webhooks.failed || p.operations.failed ||
                        p.disputes.failed || p.reasons.failed;
    parts_free(&p);
    return err;
}

/* --- the request --- */
static void page_done(err_t err, void *arg)
{
    struct page_call *c = arg;
    int status = err ? 503 : c->found ? 200 : 404;
    struct buf content = c->content, body = BUF(4 * PAGE_BYTES_MAX), title = BUF(256);
    buf_free(&c->rows);
    if (err || !c->found)
        buf_clear(&content);
    if (err)
        buf_str(&content, "<p>The book cannot be read just now. Load this page again.</p>");
    else if (!c->found)
        buf_str(&content, "<p>The book has no charge of that name. <a href=\"/control\">All "
                          "charges</a></p>");
    buf_str(&title, c->reference.p ? "Charge " : "Charges");
    buf_add(&title, c->reference.p, c->reference.n);
    PAGE_FILL(&body, "control.html", {"title", buf_view(&title)}, {"content", buf_view(&content)});
    body.failed = body.failed || content.failed;
    buf_free(&content);
    buf_free(&title);
    page_reply(c->req, status, PAGE_ALONE, "", &body);
}

void control_get(struct http_request *req, void *ctx)
{
    struct sandbox *s = ctx;
    struct url_pair pairs[4];
    size_t n = 0;
    struct page_call *c = arena_alloc(req->arena, sizeof *c);
    if (!c) {
        answer_code(req, 503, "unavailable", "There is no memory for this request.");
        return;
    }
    c->req = req;
    c->s = s;
    c->before = STR("~"); /* after all that a reference may have */
    c->content = BUF(3 * PAGE_BYTES_MAX);
    c->rows = BUF(PAGE_BYTES_MAX);
    if (req->query.p && url_query(req->query, req->arena, pairs, COUNT_OF(pairs), &n, NULL))
        n = 0;
    for (size_t i = 0; i < n; i++) {
        if (!reference_valid(pairs[i].value))
            continue;
        if (str_eq(pairs[i].name, STR("reference")))
            c->reference = pairs[i].value;
        else if (str_eq(pairs[i].name, STR("before")))
            c->before = pairs[i].value;
    }
    c->op = (struct store_op){
        .run = c->reference.p ? charge_page_run : list_run, .done = page_done, .arg = c};
    if (store_submit_read(s->store, &c->op))
        page_done(ERR_UNAVAILABLE, c);
}

/* /v1/events, /v1/balances. */
#include "api/api_internal.h"

#define SCAN_ROWS 500 /* read at a time when a type is asked for */
#define SCAN_MAX 100000

struct scan {
    struct call *call;
    int64_t last; /* sequence of the last row seen, 0 none */
    int seen;
};

static err_t take_event(const struct event *e, void *arg)
{
    struct scan *s = arg;
    struct call *call = s->call;
    s->last = e->sequence;
    s->seen++;
    if (call->more || (call->event_type && e->type != call->event_type))
        return OK;
    struct buf json = BUF(FLOW_BODY_MAX);
    struct jw w = {.b = &json};
    event_write(&w, NULL, e);
    err_t err = json.failed ? ERR_NO_MEMORY
                            : list_add(event_id(e->merchant_id, e->sequence, e->created_us),
                                       buf_view(&json), call);
    buf_free(&json);
    return err;
}

static err_t list_events(struct store_tx *tx, struct call *call)
{
    struct scan s = {.call = call};
    bool all_ones = call->page.cursor.b[0] == 0xFF;
    int64_t cursor = all_ones ? 0 : event_id_sequence(call->page.cursor);
    int rows = call->event_type ? SCAN_ROWS : call->page.limit;
    for (int64_t scanned = 0; scanned < SCAN_MAX; scanned += s.seen) {
        s.seen = 0;
        err_t err = call->page.up
                        ? event_each_after(tx, call->merchant_id, cursor, rows, take_event, &s)
                        : event_each_before(tx, call->merchant_id, cursor, rows, take_event, &s);
        if (err)
            return err;
        if (s.seen < rows || call->more)
            break;
        cursor = s.last;
        /* Enough was read for one request: the page says that it may go on, from what it shows. */
        call->more = scanned + s.seen >= SCAN_MAX && call->shown > 0;
    }
    list_write(call);
    return OK;
}

void on_event_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_list_query(
            call, ID_EVENT,
            (const char *const[]){"limit", "starting_after", "ending_before", "type", NULL}))
        return;
    struct str type = call_param(call, "type");
    if (type.p && !(call->event_type = event_type_find(type))) {
        call_fail(call, error_param(&call->error, ERR_PARAM_INVALID, "type",
                                    "must be a type of event, such as payment.captured"));
        return;
    }
    call->read = list_events;
    call_query_store(call);
}

static err_t show_event(struct store_tx *tx, struct call *call)
{
    struct event e;
    bool found;
    err_t err = event_read(tx, call->merchant_id, event_id_sequence(call->id), &e, &found);
    if (err || !found || !id_eq(event_id(e.merchant_id, e.sequence, e.created_us), call->id))
        return err;
    struct jw w = {.b = &call->out};
    event_write(&w, NULL, &e);
    call->found = true;
    return OK;
}

void on_event_get(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_query(call, (const char *const[]){NULL}))
        return;
    if (!id_parse(ID_EVENT, req->params[0], &call->id)) {
        call_fail(call, ERR_NOT_FOUND);
        return;
    }
    call->read = show_event;
    call_query_store(call);
}

/* --- balances --- */
#define UNITS_MAX 256

struct balances {
    struct jw *w;
    size_t n;
    struct {
        int16_t number;
        struct id account;
    } unit[UNITS_MAX];
};

static err_t take_unit(struct store_row *row, void *arg)
{
    struct balances *b = arg;
    if (b->n < UNITS_MAX) {
        b->unit[b->n].account = row_id(row, 0);
        b->unit[b->n++].number = (int16_t)row_int(row, 1);
    }
    return OK;
}

static err_t write_balance(const struct balance *balance, void *arg)
{
    struct balances *b = arg;
    const struct currency *c = currency_by_number(balance->currency);
    ASSERT(c != NULL);
    jw_object(b->w, NULL);
    jw_str(b->w, "account", str_from(ledger_account_text(balance->account)));
    jw_str(b->w, "currency", str_from(c->code));
    const struct id *account = NULL;
    for (size_t i = 0; balance->unit && i < b->n; i++)
        if (b->unit[i].number == balance->unit)
            account = &b->unit[i].account;
    if (account)
        jw_id(b->w, "provider_account", ID_PROVIDER_ACCOUNT, *account);
    else
        jw_null(b->w, "provider_account");
    jw_int(b->w, "pending", balance->pending);
    jw_int(b->w, "posted", balance->posted);
    jw_object_end(b->w);
    return OK;
}

static err_t list_balances(struct store_tx *tx, struct call *call)
{
    struct jw w = {.b = &call->out};
    struct balances b = {.w = &w};
    err_t err = store_each(tx, SQL_API_LIST_ACCOUNTS, take_unit, &b, V_INT(call->merchant_id));
    if (err)
        return err;
    jw_object(&w, NULL);
    jw_str(&w, "object", STR("list"));
    jw_array(&w, "data");
    err = ledger_balances(tx, call->merchant_id, write_balance, &b);
    jw_array_end(&w);
    jw_bool(&w, "has_more", false);
    jw_object_end(&w);
    call->found = true;
    return err;
}

void on_balances(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_query(call, (const char *const[]){NULL}))
        return;
    call->read = list_balances;
    call_query_store(call);
}

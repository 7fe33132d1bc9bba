/* /control/webhooks: sending one again, or as an attacker would, and what was sent. */
#include "sandbox/notify_internal.h"
#include "sys/sys.h"

#define LIST_MAX 500
#define LIST_BYTES_MAX ((size_t)16 << 20)
#define REPEAT_MAX 100

struct body {
    struct str reference, dispute, send, type;
};
#define FIELD(n, f, most)                                                                          \
    {                                                                                              \
        .name = #n, .type = WIRE_STR, .flags = f, .offset = offsetof(struct body, n), .min = 1,    \
        .max = most                                                                                \
    }
static const struct wire_field fields[] = {
    FIELD(reference, 0, REFERENCE_MAX),
    FIELD(dispute, 0, SUBJECT_MAX - 1),
    FIELD(send, WIRE_REQUIRED, 20),
    FIELD(type, 0, TYPE_MAX - 1),
};

static const struct way {
    const char *name;
    enum manner manner;
    bool same_event; /* a repetition; else it is an event of its own, so that only the fault speaks
                      */
    bool late, all;
} ways[] = {
    {"again", MANNER_PLAIN, true, false, false},
    {"late", MANNER_PLAIN, true, true, false},
    {"out_of_order", MANNER_PLAIN, true, false, true},
    {"forged", MANNER_FORGED, false, false, false},
    {"stale", MANNER_STALE, false, false, false},
    {"other_account", MANNER_OTHER, false, false, false},
    {"malformed", MANNER_MALFORMED, false, false, false},
};

struct send_call {
    struct store_op op;
    struct http_request *req;
    struct sandbox *s;
    const struct way *way;
    struct str subject, type;
    bool dispute;
    int64_t seq[REPEAT_MAX], queued;
    size_t seq_n;
};

/* Columns of select_notification. */
enum { N_EVENT, N_CHARGE, N_SUBJECT, N_TYPE, N_URL, N_SECRET, N_BODY };

/* The body begins with its event's id, which is always as long. */
static void rename_event(struct buf *body, struct id event)
{
    static const size_t at = sizeof "{\"id\":\"" - 1;
    char id[ID_TEXT_MAX];
    id_words("ev_", event, id);
    ASSERT(!body->failed && body->n > at + strlen(id) && memcmp(body->p + at, "ev_", 3) == 0);
    memcpy(body->p + at, id, strlen(id));
}

static err_t put_again(struct store_tx *tx, struct send_call *c, int64_t seq)
{
    struct store_row *row = NULL;
    err_t err =
        store_one(tx, SQL_SANDBOX_SELECT_NOTIFICATION, &row, V_INT(BOOK_MERCHANT), V_INT(seq));
    if (err)
        return err;
    ASSERT(row);
    struct det det = sys_det();
    struct buf body = BUF(65536);
    struct str text = row_text(row, N_BODY);
    buf_add(&body, text.p, text.n);
    struct note note = {.event = c->way->same_event ? row_id(row, N_EVENT) : id_new(&det),
                        .charge = row_text(row, N_CHARGE),
                        .subject = row_text(row, N_SUBJECT),
                        .type = row_text(row, N_TYPE),
                        .url = row_text(row, N_URL),
                        .secret = row_text(row, N_SECRET),
                        .manner = c->way->manner,
                        .state = NOTE_WAITING,
                        .delay_ms = c->way->late ? c->s->slow_ms : 0};
    if (!c->way->same_event)
        rename_event(&body, note.event);
    note.body = buf_view(&body);
    if (c->way->manner == MANNER_MALFORMED)
        note.body.n /= 2;
    err = notify_put(tx, &note);
    buf_free(&body);
    c->queued++;
    return err;
}

static err_t each_seq(struct store_row *row, void *arg)
{
    struct send_call *c = arg;
    if (row_int(row, NOTE_MANNER) == MANNER_PLAIN) {
        memmove(c->seq + 1, c->seq, (REPEAT_MAX - 1) * sizeof *c->seq);
        c->seq[0] = row_int(row, NOTE_SEQ);
        c->seq_n = c->seq_n < REPEAT_MAX ? c->seq_n + 1 : REPEAT_MAX;
    }
    return OK;
}

static err_t find(struct store_tx *tx, struct send_call *c)
{
    struct store_row *row = NULL;
    struct sql_value merchant = V_INT(BOOK_MERCHANT), subject = V_TEXT(c->subject);
    struct sql_value type = V_TEXT(c->type.n ? c->type : STR(""));
    if (c->way->all)
        return store_each(tx, SQL_SANDBOX_LIST_NOTIFICATIONS_CHARGE, each_seq, c, merchant, subject,
                          V_INT(LIST_MAX));
    err_t err = OK;
    if (!c->dispute)
        err = store_one(tx, SQL_SANDBOX_FIND_NOTIFICATION_CHARGE, &row, merchant, subject, type);
    if (!err && !row)
        err = store_one(tx, SQL_SANDBOX_FIND_NOTIFICATION_SUBJECT, &row, merchant, subject, type);
    if (!err && row)
        c->seq[c->seq_n++] = row_int(row, 0);
    return err;
}

static err_t send_run(struct store_tx *tx, void *arg)
{
    struct send_call *c = arg;
    c->seq_n = 0;
    c->queued = 0;
    err_t err = find(tx, c);
    for (size_t i = 0; i < c->seq_n && !err; i++)
        err = put_again(tx, c, c->seq[i]);
    return err;
}

static void send_done(err_t err, void *arg)
{
    struct send_call *c = arg;
    if (err) {
        answer_code(c->req, 503, "unavailable", "The book cannot be written.");
        return;
    }
    if (!c->queued) {
        answer_code(c->req, 404, "not_found",
                    "There is no such webhook: did the charge name a notify_url?");
        return;
    }
    atomic_store(&c->s->notify->used, true);
    notify_wake(c->s);
    struct buf body = BUF(256);
    struct jw w = {.b = &body};
    jw_object(&w, NULL);
    jw_int(&w, "queued", c->queued);
    jw_object_end(&w);
    struct http_answer answer = {.status = 200, .body = &body};
    http_reply(c->req, &answer);
}

static err_t send_read(struct send_call *c, struct err_info *info)
{
    static const struct json_limits limits = {4096, 3};
    struct body b = {0};
    json_t *json = NULL;
    err_t err = json_read(c->req->body, &limits, &json, info);
    if (!err)
        err = wire_read(json, fields, COUNT_OF(fields), &b, info);
    for (size_t i = 0; i < COUNT_OF(ways) && !err; i++)
        if (str_eq(b.send, str_from(ways[i].name)))
            c->way = &ways[i];
    if (!err && !c->way)
        err =
            error_set(info, ERR_PARAM_INVALID,
                      "send: again, late, out_of_order, forged, stale, other_account or malformed");
    if (!err && (b.reference.n > 0) == (b.dispute.n > 0))
        err = error_set(info, ERR_PARAM_INVALID, "reference or dispute: one of them is needed");
    if (!err) {
        struct str subject = b.dispute.n ? b.dispute : b.reference;
        c->dispute = b.dispute.n > 0;
        c->subject = str_from(arena_copy(c->req->arena, subject.p, subject.n));
        c->type = b.type.n ? str_from(arena_copy(c->req->arena, b.type.p, b.type.n)) : STR("");
        if (!c->subject.p || !c->type.p)
            err = error_set(info, ERR_NO_MEMORY, "There is no memory for this request.");
    }
    json_decref(json);
    return err;
}

void control_webhooks_post(struct http_request *req, void *ctx)
{
    struct err_info info = {0};
    struct send_call *c = arena_alloc(req->arena, sizeof *c);
    if (!c) {
        answer_code(req, 503, "unavailable", "There is no memory for this request.");
        return;
    }
    c->req = req;
    c->s = ctx;
    c->op = (struct store_op){.run = send_run, .done = send_done, .arg = c};
    if (send_read(c, &info))
        answer_code(req, 400, "invalid_request", info.detail);
    else if (store_submit(c->s->store, &c->op))
        answer_code(req, 503, "unavailable", "Too much is waiting.");
}

/* --- the list --- */
struct list_call {
    struct store_op op;
    struct http_request *req;
    struct str subject;
    struct buf body;
    struct jw w;
    int64_t rows;
};

const char *note_state_name(int64_t state)
{
    static const char *const names[] = {[NOTE_WAITING] = "waiting",
                                        [NOTE_HELD] = "held_back",
                                        [NOTE_ACCEPTED] = "accepted",
                                        [NOTE_GIVEN_UP] = "given_up",
                                        [NOTE_LOST] = "lost"};
    ASSERT(state >= NOTE_WAITING && state <= NOTE_LOST);
    return names[state];
}

const char *manner_name(int64_t manner)
{
    static const char *const names[] = {[MANNER_PLAIN] = "plain",
                                        [MANNER_FORGED] = "forged",
                                        [MANNER_STALE] = "stale",
                                        [MANNER_OTHER] = "other_account",
                                        [MANNER_MALFORMED] = "malformed"};
    ASSERT(manner >= MANNER_PLAIN && manner <= MANNER_MALFORMED);
    return names[manner];
}

static err_t each_listed(struct store_row *row, void *arg)
{
    struct list_call *l = arg;
    char id[ID_TEXT_MAX];
    id_words("ev_", row_id(row, NOTE_EVENT_ID), id);
    l->rows++;
    jw_object(&l->w, NULL);
    jw_str(&l->w, "id", str_from(id));
    jw_str(&l->w, "type", row_text(row, NOTE_TYPE));
    jw_str(&l->w, "charge", row_text(row, NOTE_CHARGE));
    jw_str(&l->w, "about", row_text(row, NOTE_SUBJECT));
    jw_str(&l->w, "manner", str_from(manner_name(row_int(row, NOTE_MANNER))));
    jw_str(&l->w, "state", str_from(note_state_name(row_int(row, NOTE_STATE))));
    jw_int(&l->w, "created", row_int(row, NOTE_CREATED));
    if (row_null(row, NOTE_DUE))
        jw_null(&l->w, "next_attempt");
    else
        jw_int(&l->w, "next_attempt", row_int(row, NOTE_DUE));
    jw_int(&l->w, "attempts", row_int(row, NOTE_ATTEMPTS));
    jw_int(&l->w, "sent", row_int(row, NOTE_SENT));
    jw_int(&l->w, "status", row_int(row, NOTE_STATUS));
    jw_str(&l->w, "answer", row_text(row, NOTE_ANSWER));
    jw_str(&l->w, "url", row_text(row, NOTE_URL));
    jw_str(&l->w, "body", row_text(row, NOTE_BODY));
    jw_object_end(&l->w);
    return OK;
}

static err_t list_run(struct store_tx *tx, void *arg)
{
    struct list_call *l = arg;
    struct sql_value merchant = V_INT(BOOK_MERCHANT), subject = V_TEXT(l->subject);
    buf_clear(&l->body);
    l->w = (struct jw){.b = &l->body};
    l->rows = 0;
    jw_object(&l->w, NULL);
    jw_array(&l->w, "webhooks");
    err_t err = store_each(tx, SQL_SANDBOX_LIST_NOTIFICATIONS_CHARGE, each_listed, l, merchant,
                           subject, V_INT(LIST_MAX));
    if (!err && l->rows == 0)
        err = store_each(tx, SQL_SANDBOX_LIST_NOTIFICATIONS_SUBJECT, each_listed, l, merchant,
                         subject, V_INT(LIST_MAX));
    jw_array_end(&l->w);
    jw_object_end(&l->w);
    return err;
}

static void list_done(err_t err, void *arg)
{
    struct list_call *l = arg;
    struct buf body = l->body; /* l lives in the request's arena, which ends with the answer */
    if (err) {
        buf_free(&body);
        answer_code(l->req, 503, "unavailable", "The book cannot be read.");
        return;
    }
    struct http_answer answer = {.status = 200, .body = &body};
    http_reply(l->req, &answer);
}

void control_webhooks_get(struct http_request *req, void *ctx)
{
    struct sandbox *s = ctx;
    struct err_info info = {0};
    struct url_pair pairs[2];
    size_t n = 0;
    struct list_call *l = arena_alloc(req->arena, sizeof *l);
    if (!l) {
        answer_code(req, 503, "unavailable", "There is no memory for this request.");
        return;
    }
    err_t err = url_query(req->query, req->arena, pairs, COUNT_OF(pairs), &n, &info);
    bool named = n == 1 &&
                 (str_eq(pairs[0].name, STR("reference")) || str_eq(pairs[0].name, STR("dispute")));
    if (err || !named || !reference_valid(pairs[0].value)) {
        answer_code(req, 400, "invalid_request", "reference or dispute: one of them is needed");
        return;
    }
    l->req = req;
    l->subject = pairs[0].value;
    l->body = BUF(LIST_BYTES_MAX);
    l->op = (struct store_op){.run = list_run, .done = list_done, .arg = l};
    if (store_submit_read(s->store, &l->op))
        answer_code(req, 503, "unavailable", "Too much is waiting.");
}

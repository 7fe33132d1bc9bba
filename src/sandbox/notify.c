/* Webhooks: what is put into the outbox, and how it is signed. notify_send.c sends. */
#include "sandbox/notify_internal.h"

#include "crypto/crypto.h"
#include "sys/sys.h"

#define BODY_BYTES_MAX 65536
#define CALLS_MAX 64

/* What a token wants of the webhooks of its charge. */
static const struct {
    const char *token;
    bool twice;
    enum note_state state;
} habits[] = {
    {"pm_tok_duplicate_webhook", true, NOTE_WAITING},
    {"pm_tok_webhook_lost", false, NOTE_LOST},
    {"pm_tok_webhook_out_of_order", false, NOTE_HELD},
};

void notify_secret(struct str api_key, char out[SECRET_HEX])
{
    static const char purpose[] = "sandbox webhook:";
    uint8_t hash[32];
    struct buf text = BUF(32768), hex = BUF(SECRET_HEX);
    buf_str(&text, purpose);
    buf_add(&text, api_key.p, api_key.n);
    ASSERT(!text.failed); /* a request's head is shorter */
    crypto_sha256(text.p, text.n, hash);
    buf_hex(&hex, hash, sizeof hash);
    ASSERT(!hex.failed && hex.n == SECRET_HEX - 1);
    memcpy(out, hex.p, SECRET_HEX);
    mem_wipe(text.p, text.n);
    buf_free(&text);
    buf_free(&hex);
}

/* The operation or dispute that the object is. */
static err_t subject_of(struct str object_json, char out[SUBJECT_MAX])
{
    static const struct json_limits limits = {BODY_BYTES_MAX, 16};
    json_t *json = NULL;
    err_t err = json_read(object_json, &limits, &json, NULL);
    if (err)
        return err;
    const char *text = json_string_value(json_object_get(json, "reference"));
    if (!text)
        text = json_string_value(json_object_get(json, "id"));
    ASSERT(text && strlen(text) < SUBJECT_MAX);
    text_copy(out, SUBJECT_MAX, str_from(text));
    json_decref(json);
    return OK;
}

static void write_body(struct buf *out, struct id event, const char *type, struct str object_json)
{
    char id[ID_TEXT_MAX];
    struct jw w = {.b = out};
    id_words("ev_", event, id);
    jw_object(&w, NULL);
    jw_str(&w, "id", str_from(id));
    jw_str(&w, "type", str_from(type));
    jw_int(&w, "created", sys_now_us() / 1000);
    jw_raw(&w, "object", object_json);
    jw_object_end(&w);
}

err_t notify_put(struct store_tx *tx, const struct note *note)
{
    struct store_row *last = NULL;
    struct sql_value merchant = V_INT(BOOK_MERCHANT), charge = V_TEXT(note->charge);
    err_t err = store_one(tx, SQL_SANDBOX_SELECT_NOTIFICATION_LAST, &last, merchant);
    if (err)
        return err;
    int64_t now_ms = sys_now_us() / 1000, seq = (last ? row_int(last, 0) : 0) + 1;
    int64_t due_ms = now_ms + note->delay_ms;
    bool sent = note->state == NOTE_WAITING || note->state == NOTE_HELD;
    err = store_exec(tx, SQL_SANDBOX_INSERT_NOTIFICATION, NULL, merchant, V_INT(seq),
                     V_ID(&note->event), charge, V_TEXT(note->subject), V_TEXT(note->type),
                     V_INT(note->manner), V_INT(note->state), V_INT(now_ms),
                     sent ? V_INT(due_ms) : V_NULL, V_TEXT(note->url), V_TEXT(note->secret),
                     V_TEXT(note->body));
    if (!err && note->state == NOTE_HELD)
        err = store_exec(tx, SQL_SANDBOX_UPDATE_NOTIFICATIONS_HELD, NULL, V_INT(due_ms), V_INT(seq),
                         merchant, charge);
    return err;
}

/* The charge's token decides how. */
static err_t put_as_wanted(struct store_tx *tx, struct sandbox *s, struct str token,
                           struct note *note)
{
    bool twice = false;
    note->state = NOTE_WAITING;
    for (size_t i = 0; i < COUNT_OF(habits); i++) {
        if (str_eq(token, str_from(habits[i].token))) {
            twice = habits[i].twice;
            note->state = habits[i].state;
        }
    }
    note->delay_ms = note->state == NOTE_HELD ? s->slow_ms : 0;
    err_t err = notify_put(tx, note);
    return err || !twice ? err : notify_put(tx, note);
}

err_t notify_add(struct store_tx *tx, struct sandbox *s, struct str charge_reference,
                 const char *type, struct str object_json)
{
    if (!s->webhooks)
        return OK;
    struct store_row *row = NULL;
    err_t err = store_one(tx, SQL_SANDBOX_SELECT_CHARGE_HOOK, &row, V_INT(BOOK_MERCHANT),
                          V_TEXT(charge_reference));
    if (err || !row || row_text(row, 0).n == 0)
        return err;
    char subject[SUBJECT_MAX];
    struct buf body = BUF(BODY_BYTES_MAX);
    struct det det = sys_det();
    struct note note = {.event = id_new(&det),
                        .charge = charge_reference,
                        .type = str_from(type),
                        .url = row_text(row, 0),
                        .secret = row_text(row, 1)};
    err = subject_of(object_json, subject);
    if (err)
        return err;
    write_body(&body, note.event, type, object_json);
    note.subject = str_from(subject);
    note.body = buf_view(&body);
    err = body.failed ? ERR_NO_MEMORY : put_as_wanted(tx, s, row_text(row, 2), &note);
    buf_free(&body);
    atomic_store(&s->notify->used, true);
    return err;
}

void notify_wake(struct sandbox *s)
{
    struct notify *n = s->notify;
    if (!atomic_load(&n->used))
        return;
    pthread_mutex_lock(&n->lock);
    n->woken = true;
    pthread_cond_signal(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

#define FIRST_WAIT_US INT64_C(5000000)

void notify_first(struct sandbox *s, const char *charge_reference, struct wait *w)
{
    struct notify *n = s->notify;
    ASSERT(w->fire && !w->held);
    w->reference = charge_reference;
    w->due_us = sys_mono_us() + FIRST_WAIT_US;
    pthread_mutex_lock(&n->lock);
    bool stopping = n->stopping, waits = n->running && !stopping;
    if (waits) {
        w->next = n->firsts;
        n->firsts = w;
        n->woken = true;
        pthread_cond_signal(&n->changed);
    }
    pthread_mutex_unlock(&n->lock);
    if (!waits)
        w->fire(w, stopping);
}

/* --- start and stop --- */
err_t notify_start(struct sandbox *s, struct err_info *reterr)
{
    struct notify *n = s->notify;
    ASSERT(n && !n->running);
    err_t err = http_client_start("sandbox-hooks", CALLS_MAX, &n->client, reterr);
    if (err)
        return err;
    pthread_mutex_lock(&n->lock);
    n->running = true;
    pthread_mutex_unlock(&n->lock);
    n->thread = sys_thread("sandbox-notify", notify_run, n);
    return OK;
}

void notify_stop(struct sandbox *s)
{
    struct notify *n = s->notify;
    pthread_mutex_lock(&n->lock);
    n->stopping = true;
    pthread_cond_signal(&n->changed);
    pthread_mutex_unlock(&n->lock);
    if (n->running)
        pthread_join(n->thread, NULL);
    pthread_mutex_lock(&n->lock);
    n->running = false;
    pthread_mutex_unlock(&n->lock);
    for (struct wait *w = n->firsts, *next; w; w = next) {
        next = w->next;
        w->fire(w, true);
    }
    n->firsts = NULL;
}

err_t notify_make(struct sandbox *s, struct err_info *reterr)
{
    pthread_condattr_t attr;
    struct notify *n = mem_alloc(sizeof *n);
    if (!n)
        return error_set(reterr, ERR_NO_MEMORY, "no memory for the sandbox");
    n->s = s;
    atomic_init(&n->used, false); /* what an earlier run left is looked for at the start */
    int failed = pthread_condattr_init(&attr) | pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) |
                 pthread_mutex_init(&n->lock, NULL) | pthread_cond_init(&n->changed, &attr);
    ASSERT(failed == 0);
    pthread_condattr_destroy(&attr);
    s->notify = n;
    return OK;
}

void notify_free(struct sandbox *s)
{
    struct notify *n = s->notify;
    if (!n)
        return;
    ASSERT(!n->running && !n->firsts && !n->flying);
    pthread_mutex_destroy(&n->lock);
    pthread_cond_destroy(&n->changed);
    mem_free(n);
    s->notify = NULL;
}

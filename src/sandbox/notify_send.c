/* The sender of webhooks: one thread that reads what is due, hands it to the client, and records
 * what came back. Of one charge one is under way at a time, so that they arrive in their order. */
#include "sandbox/notify_internal.h"

#include <stdio.h>
#include "crypto/crypto.h"
#include "observe/observe.h"
#include "sys/sys.h"

#define AT_ONCE_MAX 64
#define READ_MAX 256
#define CONNECT_TIMEOUT_MS 3000
#define TIMEOUT_MS 10000
#define REPLY_BYTES_MAX 65536
#define URL_MAX 4096
#define BODY_MAX 65536
#define STALE_S 3600
#define TICK_US INT64_C(60000000)
#define RETRY_US INT64_C(100000)

void sending_free(struct sending *x)
{
    buf_free(&x->url);
    buf_free(&x->body);
    buf_free(&x->answer);
    mem_free(x);
}

/* --- one attempt --- */
static void sign(struct sending *x)
{
    uint8_t mac[32];
    char secret[SECRET_HEX];
    struct buf message = BUF(BODY_MAX + 32), hex = BUF(SECRET_HEX);
    long long at_s = sys_wall_us() / 1000000; /* receivers compare it with their clocks */
    text_copy(secret, sizeof secret, str_from(x->secret));
    if (x->manner == MANNER_STALE)
        at_s -= STALE_S;
    else if (x->manner == MANNER_OTHER)
        notify_secret(STR("another account"), secret);
    else if (x->manner == MANNER_FORGED)
        crypto_random_text(secret, sizeof secret - 1);
    buf_printf(&message, "%lld.", at_s);
    buf_add(&message, x->body.p, x->body.n);
    if (!message.failed) {
        crypto_hmac_sha256(secret, SECRET_HEX - 1, message.p, message.n, mac);
        buf_hex(&hex, mac, sizeof mac);
    }
    (void)snprintf(x->signature, sizeof x->signature, "Sandbox-Signature: t=%lld,v1=%s", at_s,
                   hex.n ? hex.p : "");
    buf_free(&message);
    buf_free(&hex);
}

/* On the client's thread. */
static void sending_done(struct http_call *call, const struct http_result *r)
{
    struct sending *x = call->arg;
    struct notify *n = x->n;
    size_t kept = r->body.n < ANSWER_KEPT / 4 ? r->body.n : ANSWER_KEPT / 4;
    x->answered = r->sent == HTTP_ANSWERED;
    x->status = x->answered ? r->status : 0;
    x->sent_ms = sys_now_us() / 1000;
    if (x->answered)
        text_clean(&x->answer, (struct str){r->body.p, kept});
    else
        text_clean(&x->answer, str_from(r->error));
    pthread_mutex_lock(&n->lock);
    x->next = n->finished;
    n->finished = x;
    pthread_cond_signal(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

void sending_begin(struct sending *x)
{
    sign(x);
    x->lines[0] = x->signature;
    x->lines[1] = "Content-Type: application/json";
    x->lines[2] = "User-Agent: florin-sandbox";
    ASSERT(!x->lines[3]);
    x->call = (struct http_call){.method = "POST",
                                 .url = x->url.p,
                                 .headers = x->lines,
                                 .body = buf_view(&x->body),
                                 .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                 .timeout_ms = TIMEOUT_MS,
                                 .response_bytes_max = REPLY_BYTES_MAX,
                                 .done = sending_done,
                                 .arg = x};
    http_client_call(x->n->client, &x->call);
}

/* --- recording --- */
static err_t record_one(struct store_tx *tx, const struct sending *x)
{
    int64_t attempts = x->attempts + 1;
    bool accepted = x->status >= 200 && x->status <= 299, over = attempts >= NOTIFY_TRIES;
    int64_t state = accepted ? NOTE_ACCEPTED : over ? NOTE_GIVEN_UP : NOTE_WAITING;
    int64_t due_ms = x->sent_ms + (INT64_C(1000) << (attempts - 1));
    struct str answer = x->answer.n && !x->answer.failed ? buf_view(&x->answer) : STR("");
    return store_exec(tx, SQL_SANDBOX_UPDATE_NOTIFICATION, NULL, V_INT(state),
                      state == NOTE_WAITING ? V_INT(due_ms) : V_NULL, V_INT(attempts),
                      V_INT(x->sent_ms), V_INT(x->status), V_TEXT(answer), V_INT(BOOK_MERCHANT),
                      V_INT(x->seq));
}

static err_t record_run(struct store_tx *tx, void *arg)
{
    err_t err = OK;
    for (const struct sending *x = arg; x && !err; x = x->next)
        err = record_one(tx, x);
    return err;
}

static struct sending *finished_take(struct notify *n)
{
    pthread_mutex_lock(&n->lock);
    struct sending *list = n->finished;
    n->finished = NULL;
    pthread_mutex_unlock(&n->lock);
    return list;
}

static void finished_put_back(struct notify *n, struct sending *list)
{
    struct sending **end = &list;
    while (*end)
        end = &(*end)->next;
    pthread_mutex_lock(&n->lock);
    *end = n->finished;
    n->finished = list;
    pthread_mutex_unlock(&n->lock);
}

static void flying_remove(struct notify *n, struct sending *x)
{
    struct sending **at = &n->flying;
    while (*at && *at != x)
        at = &(*at)->flying_next;
    ASSERT(*at == x && n->flying_n > 0);
    *at = x->flying_next;
    n->flying_n--;
}

static err_t record_finished(struct notify *n)
{
    struct sending *list = finished_take(n);
    if (!list)
        return OK;
    err_t err = store_write(n->s->store, 0, record_run, list);
    if (err) {
        finished_put_back(n, list);
        return err;
    }
    for (struct sending *next; list; list = next) {
        next = list->next;
        flying_remove(n, list);
        sending_free(list);
    }
    return OK;
}

/* --- what is due --- */
struct look {
    struct notify *n;
    int64_t now_ms, next_ms; /* next_ms 0: nothing later is due */
    struct sending *list, **end;
    size_t free;
};

static void look_clear(struct look *l)
{
    for (struct sending *x = l->list, *next; x; x = next) {
        next = x->next;
        sending_free(x);
    }
    l->list = NULL;
    l->end = &l->list;
    l->free = AT_ONCE_MAX - l->n->flying_n;
}

static bool charge_busy(const struct look *l, struct str charge)
{
    for (const struct sending *x = l->n->flying; x; x = x->flying_next)
        if (str_eq(charge, str_from(x->charge)))
            return true;
    for (const struct sending *x = l->list; x; x = x->next)
        if (str_eq(charge, str_from(x->charge)))
            return true;
    return false;
}

/* Columns of select_notifications_due. */
enum { ROW_SEQ, ROW_CHARGE, ROW_MANNER, ROW_ATTEMPTS, ROW_URL, ROW_SECRET, ROW_BODY };

static err_t each_due(struct store_row *row, void *arg)
{
    struct look *l = arg;
    struct str charge = row_text(row, ROW_CHARGE), url = row_text(row, ROW_URL),
               body = row_text(row, ROW_BODY);
    if (l->free == 0 || charge_busy(l, charge))
        return OK;
    struct sending *x = mem_alloc(sizeof *x);
    if (!x)
        return ERR_NO_MEMORY;
    x->n = l->n;
    x->seq = row_int(row, ROW_SEQ);
    x->attempts = row_int(row, ROW_ATTEMPTS);
    x->manner = (enum manner)row_int(row, ROW_MANNER);
    text_copy(x->charge, sizeof x->charge, charge);
    text_copy(x->secret, sizeof x->secret, row_text(row, ROW_SECRET));
    x->url = BUF(URL_MAX);
    x->body = BUF(BODY_MAX);
    x->answer = BUF(3 * ANSWER_KEPT + 1);
    buf_add(&x->url, url.p, url.n);
    buf_add(&x->body, body.p, body.n);
    if (x->url.failed || x->body.failed) {
        sending_free(x);
        return ERR_NO_MEMORY;
    }
    *l->end = x;
    l->end = &x->next;
    l->free--;
    return OK;
}

static err_t look_run(struct store_tx *tx, void *arg)
{
    struct look *l = arg;
    struct store_row *row = NULL;
    struct sql_value merchant = V_INT(BOOK_MERCHANT), now = V_INT(l->now_ms);
    look_clear(l);
    err_t err = store_each(tx, SQL_SANDBOX_SELECT_NOTIFICATIONS_DUE, each_due, l, merchant, now,
                           V_INT(READ_MAX));
    if (!err)
        err = store_one(tx, SQL_SANDBOX_SELECT_NOTIFICATION_NEXT, &row, merchant, now);
    l->next_ms = !err && row ? row_int(row, 0) : 0;
    return err;
}

/* Sends what is due; *ret_next_us is when the next one will be, by the monotonic clock. */
static err_t send_due(struct notify *n, int64_t *ret_next_us)
{
    struct look l = {.n = n, .now_ms = sys_now_us() / 1000};
    l.end = &l.list;
    int64_t mono_us = sys_mono_us();
    err_t err = store_read(n->s->store, look_run, &l);
    if (err) {
        look_clear(&l);
        return err;
    }
    if (l.next_ms)
        *ret_next_us = num_min(*ret_next_us, mono_us + (l.next_ms - l.now_ms) * 1000);
    for (struct sending *x = l.list, *next; x; x = next) {
        next = x->next;
        x->next = NULL;
        x->flying_next = n->flying;
        n->flying = x;
        n->flying_n++;
        sending_begin(x);
    }
    return OK;
}

/* --- those who wait for the first attempt --- */
struct untried {
    const char *charge;
    bool found;
};

static err_t untried_run(struct store_tx *tx, void *arg)
{
    struct untried *u = arg;
    struct store_row *row = NULL;
    err_t err = store_one(tx, SQL_SANDBOX_SELECT_NOTIFICATION_UNTRIED, &row, V_INT(BOOK_MERCHANT),
                          V_TEXT(str_from(u->charge)));
    u->found = !err && row;
    return err;
}

static struct wait *firsts_take(struct notify *n)
{
    pthread_mutex_lock(&n->lock);
    struct wait *list = n->firsts;
    n->firsts = NULL;
    pthread_mutex_unlock(&n->lock);
    return list;
}

static void firsts_serve(struct notify *n, int64_t *ret_next_us)
{
    for (struct wait *w = firsts_take(n), *next; w; w = next) {
        struct untried u = {.charge = w->reference};
        next = w->next;
        bool over = w->due_us <= sys_mono_us();
        if (over || store_read(n->s->store, untried_run, &u) != OK || !u.found) {
            w->fire(w, false); /* may free it */
            continue;
        }
        *ret_next_us = num_min(*ret_next_us, w->due_us);
        pthread_mutex_lock(&n->lock);
        w->next = n->firsts;
        n->firsts = w;
        pthread_mutex_unlock(&n->lock);
    }
}

/* --- the thread --- */
static bool wait_changed(struct notify *n, err_t err, int64_t until_us)
{
    struct timespec at = {.tv_sec = (time_t)(until_us / 1000000),
                          .tv_nsec = (long)(until_us % 1000000 * 1000)};
    pthread_mutex_lock(&n->lock);
    while (!n->stopping && (err || (!n->woken && !n->finished)) &&
           pthread_cond_timedwait(&n->changed, &n->lock, &at) == 0)
        ;
    bool goes_on = !n->stopping;
    n->woken = false;
    pthread_mutex_unlock(&n->lock);
    return goes_on;
}

/* What the stop cut off stays due and goes out at the next start. */
static void finish(struct notify *n)
{
    http_client_stop(n->client);
    for (struct sending *x = finished_take(n), *next; x; x = next) {
        next = x->next;
        x->next = NULL;
        if (x->answered) {
            finished_put_back(n, x);
        } else {
            flying_remove(n, x);
            sending_free(x);
        }
    }
    err_t err = record_finished(n);
    if (err)
        LOG(LOG_WARN, "sandbox.webhooks_lost", LOG_STR("error", error_def(err)->code));
    for (struct sending *x; (x = finished_take(n));) {
        while (x) {
            struct sending *next = x->next;
            flying_remove(n, x);
            sending_free(x);
            x = next;
        }
    }
}

void *notify_run(void *arg)
{
    struct notify *n = arg;
    err_t err;
    int64_t next_us;
    do {
        next_us = sys_mono_us() + TICK_US;
        err = record_finished(n);
        firsts_serve(n, &next_us);
        if (!err)
            err = send_due(n, &next_us);
        if (err) {
            LOG(LOG_WARN, "sandbox.webhooks", LOG_STR("error", error_def(err)->code));
            next_us = sys_mono_us() + RETRY_US;
        }
    } while (wait_changed(n, err, next_us));
    finish(n);
    return NULL;
}

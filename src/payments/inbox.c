/* Flow inbox_receive: record, apply, or wait and apply later. */
#include "payments/inbox_internal.h"

#include <stdio.h>

#include "crypto/crypto.h"
#include "observe/observe.h"

enum { STEP_RECEIVE, STEP_AGAIN };
/* States of a row. */
enum { EVENT_WAITING = 1, EVENT_APPLIED = 2, EVENT_IGNORED = 3, EVENT_GIVEN_UP = 4 };

#define KEPT_US (INT64_C(30) * 86400 * 1000000) /* a waiting event, before a person must look */
#define TRIES_NEWEST 9 /* after two minutes: a word of a dispute that is still missing was lost */

const char *inbox_result_text(enum inbox_result r)
{
    static const char *const text[] = {"applied",   "duplicate",     "waiting", "ignored",
                                       "unmatched", "contradiction", "given_up"};
    ASSERT((size_t)r < COUNT_OF(text));
    return text[r];
}

/* After which a waiting event is tried again. What it builds on may stay unknown for as long as its
 * provider cannot be asked. */
static int64_t wait_us(int16_t tries)
{
    static const int64_t ms[] = {200, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 300000};
    size_t last = COUNT_OF(ms) - 1;
    return 1000 * ms[(size_t)tries < last ? (size_t)tries : last];
}

static int state_of(enum inbox_result r)
{
    return r == INBOX_APPLIED    ? EVENT_APPLIED
           : r == INBOX_WAITING  ? EVENT_WAITING
           : r == INBOX_GIVEN_UP ? EVENT_GIVEN_UP
                                 : EVENT_IGNORED;
}

static struct id event_key(int16_t account, const struct provider_event *e)
{
    struct id key;
    uint8_t number[8];
    num_put64(number, (uint64_t)account);
    const struct crypto_piece pieces[] = {{number, sizeof number}, {e->id, strlen(e->id)}};
    crypto_hash(key.b, sizeof key.b, pieces, COUNT_OF(pieces));
    return key;
}

static err_t insert_event(struct store_tx *tx, struct flow_run *run, const struct inbox_webhook *in,
                          const struct id *key, bool *ret_first)
{
    struct buf json = BUF(EVENT_BYTES_MAX);
    const struct dispute_facts *word = &in->event->outcome.dispute;
    bool about_dispute = in->event->kind == PROVIDER_EVENT_DISPUTE && word->reference[0];
    int64_t changed = 0;
    inbox_write(&json, in->event);
    err_t err = json.failed ? ERR_NO_MEMORY
                            : store_exec(tx, SQL_PAYMENTS_INSERT_PROVIDER_EVENT, &changed,
                                         V_INT(run->merchant_id), V_ID(key), V_INT(in->account),
                                         V_INT(run->det.now_us), V_TEXT(str_from(in->event->id)),
                                         V_TEXT(buf_view(&json)),
                                         about_dispute ? V_TEXT(str_from(word->reference)) : V_NULL,
                                         about_dispute ? V_INT(word->version) : V_NULL);
    *ret_first = changed == 1;
    buf_free(&json);
    return err;
}

static err_t update_event(struct store_tx *tx, const struct flow_run *run, const struct id *key,
                          enum inbox_result r, int16_t tries)
{
    return store_exec_one(tx, SQL_PAYMENTS_UPDATE_PROVIDER_EVENT, ERR_SOFT, V_INT(state_of(r)),
                          V_INT(tries), V_INT(run->det.now_us), V_INT(run->merchant_id), V_ID(key));
}

static err_t wait_for_it(struct store_tx *tx, const struct flow_run *run, struct id key, bool now)
{
    return flow_soon(tx, run, &inbox_receive_flow, key, 0, STEP_AGAIN,
                     run->det.now_us + (now ? 0 : wait_us(0)));
}

static err_t receive(struct store_tx *tx, struct flow_run *run)
{
    struct inbox_webhook *in = run->input;
    ASSERT(in && in->event->id[0]);
    struct applying a = {.account = in->account, .event = in->event, .first = true};
    struct id key = event_key(in->account, in->event);
    bool first;
    in->result = INBOX_DUPLICATE;
    run->effect = FLOW_END;
    err_t err = insert_event(tx, run, in, &key, &first);
    if (err || !first)
        return err;
    a.result = INBOX_WAITING;
    if (!in->record_only)
        err = inbox_apply(tx, run, &a);
    in->result = a.result;
    if (err)
        return err;
    if (!a.became)
        run->effect = FLOW_END;
    return a.result == INBOX_WAITING ? wait_for_it(tx, run, key, in->record_only)
                                     : update_event(tx, run, &key, a.result, 1);
}

/* --- what waited --- */

struct waiting {
    struct id key;
    int16_t tries;
    int64_t received_us;
    bool found, readable;
    struct applying applying;
    struct provider_event event;
    char id[65];
};

static err_t load_event(struct store_tx *tx, const struct flow_run *run, struct waiting *w)
{
    struct store_row *row;
    w->key = run->subject;
    w->applying.event = &w->event;
    err_t err = store_one(tx, SQL_PAYMENTS_READ_PROVIDER_EVENT, &row, V_INT(run->merchant_id),
                          V_ID(&w->key));
    if (err || !row || row_int(row, 1) != EVENT_WAITING)
        return err;
    w->found = true;
    w->applying.account = (int16_t)row_int(row, 0);
    w->tries = (int16_t)num_min(row_int(row, 2) + 1, INT16_MAX);
    copy_text(w->id, sizeof w->id, row_text(row, 3));
    w->readable = inbox_parse(row_text(row, 4), &w->event);
    w->received_us = row_int(row, 5);
    return OK;
}

/* After the commit of a further try; arg is what came of it. */
static void tried(struct flow_run *run, err_t err, void *arg)
{
    const char *result = arg;
    char label[48];
    (void)run;
    if (err)
        return;
    (void)snprintf(label, sizeof label, "result=\"%s\"", result);
    metric_add(METRIC_PROVIDER_EVENTS_WAITED, label, 1);
}

static void note(struct flow_run *run, const struct waiting *w, enum inbox_result r)
{
    run->reply = tried;
    run->reply_arg = (void *)(uintptr_t)inbox_result_text(r);
    if (r == INBOX_GIVEN_UP)
        LOG(LOG_ERROR, "provider_event.given_up", LOG_INT("merchant", run->merchant_id),
            LOG_STR("event", w->id), LOG_STR("kind", provider_event_text(w->event.kind)),
            LOG_STR("reference", w->event.reference), LOG_INT("tries", w->tries));
}

static err_t still_waiting(struct store_tx *tx, struct flow_run *run, const struct waiting *w)
{
    err_t err = update_event(tx, run, &w->key, INBOX_WAITING, w->tries);
    return err ? err : flow_park_until(tx, run, STEP_AGAIN, run->det.now_us + wait_us(w->tries));
}

static err_t end_waiting(struct store_tx *tx, struct flow_run *run, const struct waiting *w,
                         enum inbox_result r)
{
    note(run, w, r);
    err_t err = update_event(tx, run, &w->key, r, w->tries);
    return err ? err : flow_finish(tx, run);
}

/* The provider was told 200 and will not come again: a person must look. */
static err_t give_up(struct store_tx *tx, struct flow_run *run, const struct waiting *w)
{
    err_t err = w->readable ? inbox_unheard(tx, run, &w->event) : OK;
    return err ? err : end_waiting(tx, run, w, INBOX_GIVEN_UP);
}

/* Enough time for the words before it to come, and none of them waits here too? */
static err_t judge_newest(struct store_tx *tx, const struct flow_run *run, struct waiting *w)
{
    const struct dispute_facts *own = &w->event.outcome.dispute;
    struct id key;
    bool waits;
    if (w->event.kind != PROVIDER_EVENT_DISPUTE || w->tries < TRIES_NEWEST)
        return OK;
    err_t err =
        inbox_word(tx, run, w->applying.account, own->reference, 0, own->version, &key, &waits);
    w->applying.newest = !err && !waits;
    return err;
}

static err_t again(struct store_tx *tx, struct flow_run *run)
{
    struct waiting w = {.found = false};
    struct job own = run->job;
    err_t err = load_event(tx, run, &w);
    if (err)
        return err;
    if (!w.found)
        return flow_finish(tx, run);
    /* A try that fails is not counted: its lease ends and it comes again, as after a crash. */
    if (!w.readable || run->det.now_us - w.received_us > KEPT_US)
        return give_up(tx, run, &w);
    w.applying.tries = w.tries;
    err = judge_newest(tx, run, &w);
    run->job = (struct job){.epoch = 0};
    if (!err)
        err = inbox_apply(tx, run, &w.applying);
    if (err)
        return err;
    enum inbox_result r = w.applying.result;
    if (w.applying.became) {
        note(run, &w, r);
        err = update_event(tx, run, &w.key, r, w.tries);
        return err ? err : job_must_finish(tx, &own);
    }
    run->job = own;
    if (r != INBOX_WAITING)
        return end_waiting(tx, run, &w, r);
    return still_waiting(tx, run, &w);
}

static const struct flow_step steps[] = {
    [STEP_RECEIVE] = {"receive", receive, 0, 0}, [STEP_AGAIN] = {"again", again, 0, 0}};
const struct flow_def inbox_receive_flow = {
    .kind = FLOW_KIND_INBOX, .name = "inbox_receive", .steps = steps, .steps_n = COUNT_OF(steps)};
